"""Orders and executions at the venue that this journal did not cause: seen, counted, reported once, never touched."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.domain.money import ZERO
from bot.domain.order import FOREIGN, Fill, Order, OrderType, Purpose, TimeInForce
from bot.domain.order_ids import STOP_KINDS, is_ours, kind_of_order
from bot.domain.reason import Note, Reason
from bot.domain.states import OrderEvent, OrderState
from bot.domain.symbol import is_perp
from bot.execution.another_writer import what_contradicts
from bot.execution.order_reports import OrderReports, is_about, late_note
from bot.execution.rules import ExecutionRules
from bot.journal.journal import Journal
from bot.ports import ForcedClose, NotListed, OrderReport, ReportState, Unavailable, Venue

FACT = "foreign_order"
_CLOSED_BY_VENUE = {
    ForcedClose.SETTLEMENT: (Reason.DELISTING_SETTLED, "because the contract ends"),
    ForcedClose.DELEVERAGING: (
        Reason.DELEVERAGED,
        "by deleveraging: the other side was liquidated, and nobody else took it",
    ),
    ForcedClose.LIQUIDATION: (Reason.LIQUIDATED, "by liquidation"),
}


@dataclass(frozen=True, slots=True)
class Foreign:
    """Foreign orders as exposure (`working`), what to say about them, and whether entries may go on."""

    working: tuple[Order, ...] = ()
    notes: tuple[Note, ...] = ()
    is_halting: bool = False


class ForeignOrders:
    """Separates our orders from others'. Our tag on an order that the journal lacks means another writer: it halts."""

    def __init__(self, venue: Venue, journal: Journal, rules: ExecutionRules, evidence: OrderReports) -> None:
        self._venue, self._journal, self._rules, self._evidence = venue, journal, rules, evidence
        self._others = evidence.others
        self.has_unresolved = False  # an execution whose order is not known yet: it may be another writer's
        self._reported: set[str] | None = None  # the keys of the facts; None while the journal is to be asked

    async def review(self, reports: Sequence[OrderReport]) -> Foreign:
        """Sort the open orders at the venue; one of ours that had ended by the journal is asked about again."""
        working: list[Order] = []
        notes: list[Note] = []
        is_halting = False
        for report in reports:
            known = self._known(report)
            if known is not None:
                if not known.state.is_live:
                    notes.extend(await self._revive(known))
                continue
            is_marked = is_ours(report.client_id, self._journal.account)
            if is_marked and self._others.is_accepted(report.client_id or ""):
                await self._adopt(report)
                continue
            is_halting = is_halting or is_marked or self._rules.foreign_order_policy == "halt"
            if is_marked or self._rules.foreign_order_policy == "adopt":
                working.append(_as_order(report))
            if is_marked:
                await self._others.check_report(self._journal.reader.load_order(report.client_id or ""), report)
            else:
                message = f"order {report.venue_id} of {report.symbol} is not ours: {report.side} {report.size}"
                notes.extend(await self.report_once(f"{report.symbol} {report.venue_id}", message, report.symbol))
        return Foreign(tuple(working), tuple(notes), is_halting)

    async def explain_fills(self, fills: Sequence[Fill]) -> tuple[Note, ...]:
        """Notes for executions of no order of the journal, liquidations among them, or of a rejected one."""
        notes: list[Note] = []
        self.has_unresolved = False
        for fill in fills:
            owner = self._owner(fill)
            if owner is not None:
                notes.extend(await self._revive_filled(owner, fill))
                continue
            key = f"{fill.symbol} {fill.venue_order_id or fill.trade_id}"
            if self._is_reported(key):
                continue
            try:
                report = None if fill.client_id else await self._evidence.order_of(fill)
            except Unavailable as error:  # whose it is decides whether entries may go on: it is asked again
                self.has_unresolved = True
                message = f"whose execution {fill.trade_id} of {fill.symbol} is could not be read: {error}"
                notes.append(Note(Reason.VENUE_UNAVAILABLE, message, fill.symbol))
                continue
            client_id = fill.client_id or (report.client_id if report is not None else None) or ""
            order = self._journal.reader.load_order(client_id)
            if order is not None and report is not None and await self._others.check_report(order, report):
                continue
            if order is not None and order.symbol == fill.symbol and order.side is fill.side:
                # A stop of ours, whose new id after the trigger only its own report has; or an order that was
                # believed never to have been: what it executed is reported and counted.
                if report is not None and order.state is OrderState.REJECTED and is_about(order, report):
                    notes.extend((await self._evidence.record_report(order, report))[1])
                continue
            if is_ours(client_id, self._journal.account):
                await self._others.record_unknown(client_id, fill.symbol, fill.venue_order_id or key, rests=False)
            elif is_perp(fill.symbol) and (cause := self._forced_by(client_id)) is not None:
                kind, why = _CLOSED_BY_VENUE[cause]
                message = f"{fill.symbol}: the venue closed {fill.size} at {fill.price} {why}"
                notes.extend(await self.report_once(key, message, fill.symbol, kind))
            else:
                message = (
                    f"order {fill.venue_order_id} of {fill.symbol} is not ours and executed {fill.side} {fill.size}"
                )
                notes.extend(await self.report_once(key, message, fill.symbol))
        return tuple(notes)

    async def report_once(
        self, key: str, message: str, symbol: str, reason: Reason = Reason.FOREIGN_ORDER
    ) -> tuple[Note, ...]:
        """The note the first time `key` is seen by this journal, nothing later."""
        if self._is_reported(key):
            return ()
        fact = {"key": key, "symbol": symbol, "reason": reason.value, "words": message}
        try:
            await self._journal.record_fact(FACT, fact)
        finally:  # the journal may be full, or have it although a deadline has ended the wait
            self._reported = None
        return (Note(reason, message, symbol),)

    def _is_reported(self, key: str) -> bool:
        if self._reported is None:
            facts = self._journal.reader.load_facts(FACT, limit=10_000)
            self._reported = {str(fact.payload["key"]) for fact in facts}
        return key in self._reported

    async def adopt_resting(self) -> None:
        """Look up every order with our mark that has rested unknown, and take those that still rest into the journal: a
        list of open orders may lack one, and its place would be taken by a second order.

        Raises:
            Unavailable: one of them cannot be looked up.
            JournalError: the journal failed.
        """
        for client_id, symbol in self._others.unknown_resting():
            try:
                report = await self._find(symbol, client_id)
            except NotListed:
                if await self._evidence.is_listed(symbol):
                    raise
                continue  # the market has ended, its orders with it
            if report is not None and report.state is ReportState.OPEN:
                await self._adopt(report)

    async def _find(self, symbol: str, client_id: str) -> OrderReport | None:
        for is_trigger in (True, False):
            asking = self._venue.fetch_order(symbol, client_id, is_trigger=is_trigger)
            report = await self._evidence.read(asking, f"order {client_id}")
            if report is not None:
                return report
        return None

    async def _adopt(self, report: OrderReport) -> None:
        """Take a resting order with our mark into the journal, once an operator has said that it is this bot's own: it
        is watched, replaced and withdrawn like any other. A stop of the guard keeps its place, which no second one may
        take, unless another one has it already."""
        client_id = report.client_id or ""
        seen, kind = _as_order(report), kind_of_order(client_id)
        place = kind.intent_id(report.symbol) if kind in STOP_KINDS and seen.order_type.is_trigger else ""
        is_free = all(order.intent_id != place for order in self._journal.reader.load_working())
        order = replace(
            seen,
            client_id=client_id,
            intent_id=place if place and is_free else f"adopted.{client_id}",
            venue_id=None,
            purpose=Purpose.EXIT if report.reduce_only else Purpose.INCREASE,
            state=OrderState.SUBMITTING,
            filled_size=ZERO,
            filled_quote=ZERO,
        )
        await self._journal.record_submitting(order)
        await self._evidence.record_report(order, report)

    def _forced_by(self, client_id: str) -> ForcedClose | None:
        """Why the venue closed the position, None for an order that it did not make."""
        forced = self._venue.forced_ids.items()
        return next((cause for begin, cause in forced if client_id.lower().startswith(begin)), None)

    def _known(self, report: OrderReport) -> Order | None:
        reader = self._journal.reader
        if report.client_id is not None:
            order = reader.load_order(report.client_id)
            return order if order is not None and is_about(order, report) else None
        return reader.load_order_by_venue_id(report.symbol, report.venue_id)

    def _owner(self, fill: Fill) -> Order | None:
        reader = self._journal.reader
        order = None if fill.client_id is None else reader.load_order(fill.client_id)
        if order is None and fill.venue_order_id is not None:
            order = reader.load_order_by_venue_id(fill.symbol, fill.venue_order_id)
        return order

    async def _revive_filled(self, order: Order, fill: Fill) -> tuple[Note, ...]:
        """An order that was believed never to have been, and has executions: the belief was wrong.

        Executions that contradict the order, or add up to more than its size, are another writer's: it stays rejected.
        They are looked at again, because the process that wrote them down may have ended before it had said so.
        """
        if order.filled_size > order.size or what_contradicts(order, fill):
            await self._others.check_fills([fill])
            return ()
        if order.state is not OrderState.REJECTED:
            return ()
        event = OrderEvent.FILLED if order.filled_size >= order.size else OrderEvent.SEEN_OPEN
        await self._journal.record_order_event(order.client_id, event, reason="it has executions")
        return (late_note(order, "it has executions after it had been rejected"),)

    async def _revive(self, order: Order) -> tuple[Note, ...]:
        """The list of open orders may lag behind: believed only when the order itself is still reported open."""
        try:
            report = await self._evidence.fetch_order(order)
        except Unavailable:
            return ()
        if report is None or report.state is not ReportState.OPEN or order.state is OrderState.FILLED:
            return ()
        await self._journal.record_order_event(
            order.client_id,
            OrderEvent.SEEN_OPEN,
            venue_id=report.venue_id,
            filled_size=report.filled_size,
            filled_quote=report.filled_quote,
        )
        return (late_note(order, f"it is open after it had been {order.state}"),)


def _as_order(report: OrderReport) -> Order:
    return Order(
        client_id=f"foreign.{report.venue_id}",
        intent_id=FOREIGN,
        purpose=Purpose.REDUCE if report.reduce_only else Purpose.INCREASE,
        sector="",
        symbol=report.symbol,
        side=report.side,
        size=report.size,
        price=report.price,
        order_type=OrderType.STOP if report.is_trigger else OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        reduce_only=report.reduce_only,
        state=OrderState.OPEN,
        sent_ms=report.at_ms,
        receive_window_ms=0,
        venue_id=report.venue_id,
        filled_size=report.filled_size,
        filled_quote=report.filled_quote,
        trigger_price=report.trigger_price,
    )
