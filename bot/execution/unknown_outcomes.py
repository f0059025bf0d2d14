"""Orders with an unknown outcome: queried until there is evidence (DESIGN §4.4).

Found is proof at once. Absent is proof only after the quiet period, when every endpoint said so more than once; until
then the order counts in full.
"""

import asyncio
from collections.abc import Sequence

from bot.domain.order import Order
from bot.domain.reason import Note, Reason
from bot.domain.states import OrderEvent, OrderState
from bot.execution.another_writer import UNKNOWN_OUTCOME_STATES
from bot.execution.order_reports import OLDER_MS, OrderReports, find_report, has_unnamed, together
from bot.execution.rules import ExecutionRules
from bot.journal.journal import Journal
from bot.journal.schema import NEVER_CAME_TO_BE
from bot.ports import NotListed, OrderReport, ReportState, Unavailable, Venue

__all__ = ["UNKNOWN_OUTCOME_STATES", "UNLISTED_SETTLEMENTS", "UnknownOutcomes"]

UNLISTED_SETTLEMENTS = 3  # on end, in which a symbol is neither answered about nor listed, before its market has ended


class StopProofs:
    """When a resting trigger order was last seen by anything but the list of open orders.

    A list may be minutes behind, and then it goes on showing a stop that somebody has withdrawn. So the order's own
    endpoint is asked as well, once every `stop_proof_ms`: two requests per stop and minute. Times are the venue's, by
    client id, and kept in memory: a process begins by asking about every stop.
    """

    def __init__(self, interval_ms: int) -> None:
        self._interval_ms = interval_ms
        self._proved_ms: dict[str, int] = {}
        self._asked_ms: dict[str, int] = {}  # the first of the questions since the last proof

    def ask_if_due(self, order: Order, now_ms: int) -> bool:
        """Whether the order's own endpoint has to be asked now; remembers that it is asked."""
        if not (order.order_type.is_trigger and order.state.is_live):
            return False
        proved_ms = self._proved_ms.get(order.client_id)
        if proved_ms is not None and 0 <= now_ms - proved_ms < self._interval_ms:
            return False
        self._asked_ms.setdefault(order.client_id, now_ms)
        return True

    def prove(self, order: Order, asked_ms: int) -> None:
        """The order rested when it was asked about by itself at `asked_ms`."""
        self._proved_ms[order.client_id] = asked_ms
        self._asked_ms.pop(order.client_id, None)

    def unproved(self, orders: Sequence[Order], now_ms: int) -> frozenset[str]:
        """Client ids of trigger orders whose own endpoint has been asked in vain for as long as a proof holds, and
        whose last proof is twice as old. A process that has none yet counts from its first question.

        Forgets what is not among `orders`.
        """
        live = {order.client_id for order in orders if order.state.is_live}
        self._proved_ms = {key: at_ms for key, at_ms in self._proved_ms.items() if key in live}
        self._asked_ms = {key: at_ms for key, at_ms in self._asked_ms.items() if key in live}
        return frozenset(
            key
            for key, asked_ms in self._asked_ms.items()
            if abs(now_ms - asked_ms) >= self._interval_ms
            and abs(now_ms - self._proved_ms.get(key, asked_ms)) >= 2 * self._interval_ms
        )


class UnknownOutcomes:
    """Settles orders against the venue. Raises JournalError; an unreachable venue leaves orders as they are."""

    def __init__(self, venue: Venue, journal: Journal, rules: ExecutionRules, evidence: OrderReports) -> None:
        self._venue, self._journal, self._rules, self._evidence = venue, journal, rules, evidence
        self._settlements_unlisted: dict[str, int] = {}  # by client id, on end
        self._proofs = StopProofs(rules.timing.stop_proof_ms)

    async def settle(self, orders: Sequence[Order], open_reports: Sequence[OrderReport]) -> tuple[Note, ...]:
        """Bring every order as far as the evidence goes. `open_reports` is what rests at the venue now."""
        settled = await together([self._settle_one(order, open_reports) for order in orders])
        return tuple(note for notes in settled for note in notes)

    def unseen(self, orders: Sequence[Order], open_reports: Sequence[OrderReport], asked_ms: int) -> frozenset[str]:
        """Client ids of live orders that the list of open orders lacks though it should have them, and of stops that
        the list alone shows: their own endpoint has not shown them for twice `stop_proof_ms`.

        They count in every cap, and protect nothing: what shows them, if anything does, may be older than their end.

        Args:
            orders: the orders after this settlement.
            open_reports: the list.
            asked_ms: when the list was asked for, by the venue's clock.
        """
        unlisted = frozenset(
            order.client_id
            for order in orders
            if order.state.is_live and self._is_quiet_at(order, asked_ms) and find_report(order, open_reports) is None
        )
        return unlisted | self._proofs.unproved(orders, self._venue.now_ms())

    async def _settle_one(self, order: Order, open_reports: Sequence[OrderReport]) -> tuple[Note, ...]:
        if order.state is OrderState.SUBMITTING:
            reason = "no outcome was recorded before this reconciliation"
            order = await self._journal.record_order_event(order.client_id, OrderEvent.LOST, reason=reason)
        was_unknown = order.state in UNKNOWN_OUTCOME_STATES
        after, notes = await self._resolve(order, open_reports)
        if after.filled_size > 0 and self._evidence.has_fills_missing(after):
            after = await self._evidence.collect_fills_of(after)
        if was_unknown and after.state not in UNKNOWN_OUTCOME_STATES:
            message = f"order {after.client_id} of {after.symbol} is {after.state}"
            notes += (Note(Reason.DOUBT_SETTLED, message, after.symbol),)
        return notes

    async def _resolve(self, order: Order, open_reports: Sequence[OrderReport]) -> tuple[Order, tuple[Note, ...]]:
        report = find_report(order, open_reports)
        if report is not None and report.state is ReportState.OPEN:
            report = await self._proved(order, report)
        unlisted = self._settlements_unlisted.pop(order.client_id, 0)
        for ask in range(self._rules.timing.not_found_confirmations):
            if ask:
                await asyncio.sleep(self._rules.timing.not_found_interval_ms / 1000)
            try:
                # as it is when the question goes out: an answer may be as old as its question
                is_quiet = report is None and await self._is_surely_quiet(order)
                report = report or await self._query_order(order)
                if is_quiet and report is not None and report.state is ReportState.OPEN:
                    report = await self._newer_of(order, report)
            except NotListed as error:
                return await self._unlisted(order, error, unlisted + 1)
            except Unavailable as error:
                return _unanswered(order, error)
            if report is not None:
                return await self._evidence.record_report(order, report)
            if not is_quiet:
                return order, ()
            order = await self._journal.record_not_found(order.client_id)
        return await self._absent(order)

    async def _unlisted(self, order: Order, error: Unavailable, settlements: int) -> tuple[Order, tuple[Note, ...]]:
        """The venue says that it does not know the symbol. When its list lacks the symbol too, and both say so every
        time they are asked after the quiet period in several settlements on end, the market has ended, and the order
        with it. A row of the list that cannot be read lacks nothing. An endpoint that is asked without the symbol, and
        does not know the order, leaves the answer to the others.

        What it executed at the last moment cannot be read any more; the account's balances show it.
        """
        for ask in range(self._rules.timing.not_found_confirmations):
            if ask:
                await asyncio.sleep(self._rules.timing.not_found_interval_ms / 1000)
            try:
                if not await self._is_surely_quiet(order):
                    return order, ()
                if await self._evidence.is_listed(order.symbol):
                    return _unanswered(order, error)
                await self._query_order(order)
            except NotListed:
                continue
            except Unavailable as failure:
                return _unanswered(order, failure)
            return order, ()  # it is answered about after all: the next reconciliation asks again
        if settlements < UNLISTED_SETTLEMENTS:
            self._settlements_unlisted[order.client_id] = settlements
            return _unanswered(order, error)
        reason = f"over: the venue lists {order.symbol} no more, asked in {settlements} settlements"
        return await self._journal.record_order_event(order.client_id, OrderEvent.EXPIRED, reason=reason), ()

    async def _query_order(self, order: Order) -> OrderReport | None:
        """Ask on every endpoint: by client id, in the order history, in the list of open orders."""
        report = await self._evidence.fetch_order(order)
        return report or await self._find_in_history(order) or await self._find_in_list(order)

    async def _newer_of(self, order: Order, report: OrderReport) -> OrderReport:
        """What the order history says of the end of an order that is reported as open while the list of open orders
        lacks it: one of the two endpoints is behind, and an order that is over stays over."""
        try:
            result = await self._find_in_history(order)
        except Unavailable:
            return report
        return report if result is None or result.state is ReportState.OPEN else result

    async def _proved(self, order: Order, listed: OrderReport) -> OrderReport:
        """What is newer: the row of the list of open orders, or what the order's own endpoint says of it.

        An order that is over stays over, so whoever says so is right. That the endpoint does not answer within
        `stop_proof_deadline_ms`, or does not know the order, proves nothing.
        """
        asked_ms = self._venue.now_ms()
        if not self._proofs.ask_if_due(order, asked_ms):
            return listed
        try:
            async with asyncio.timeout(self._rules.timing.stop_proof_deadline_ms / 1000):
                report = await self._evidence.fetch_order(order) or await self._find_in_history(order)
        except (Unavailable, TimeoutError):
            return listed
        if report is None or report.defect:
            return listed
        if report.state is ReportState.OPEN:
            self._proofs.prove(order, asked_ms)
            return listed
        return report

    async def _find_in_history(self, order: Order) -> OrderReport | None:
        reading = self._venue.fetch_order_history(order.symbol, order.sent_ms - OLDER_MS)
        return _found_in(order, await self._evidence.read(reading, f"order history of {order.symbol}"))

    async def _find_in_list(self, order: Order) -> OrderReport | None:
        opened = self._venue.fetch_open_orders([order.symbol])
        return _found_in(order, await self._evidence.read(opened, f"open orders of {order.symbol}"))

    async def _is_surely_quiet(self, order: Order) -> bool:
        """The same by a clock that was just measured: ours may have been put forward since the order was stamped."""
        if not self._is_quiet(order):
            return False
        await self._evidence.read(self._venue.fetch_clock_skew(), "clock of the venue")
        return self._is_quiet(order)

    def _is_quiet(self, order: Order) -> bool:
        return self._is_quiet_at(order, self._venue.now_ms())

    def _is_quiet_at(self, order: Order, at_ms: int) -> bool:
        """Whether the venue can no longer accept the request, and would show the order if it had."""
        window_ms = max(order.receive_window_ms - self._venue.receive_window_ms, 0)
        return at_ms - order.sent_ms >= self._venue.quiet_period_ms + window_ms

    async def _absent(self, order: Order) -> tuple[Order, tuple[Note, ...]]:
        """Unanimous absence: a doubtful order never came to be, an acknowledged one is over and was forgotten.

        One that executed at once is in the order history alone, which may be behind. So a doubt does not end while an
        execution that may be of it has an order that no answer has shown.
        """
        try:
            await self._evidence.collect_fills(order.symbol, order.sent_ms - OLDER_MS)
        except Unavailable as error:
            message = f"fills of {order.symbol} could not be read: {error}"
            return order, (Note(Reason.VENUE_UNAVAILABLE, message, order.symbol),)
        order = self._journal.reader.load_order(order.client_id) or order
        if order.state is OrderState.IN_DOUBT and order.filled_size == 0:
            try:
                report = await self._evidence.find_by_fills(order)
            except Unavailable as error:
                return _unanswered(order, error)
            if report is not None:
                return await self._evidence.record_report(order, report)
        requested = f"{self._rules.timing.not_found_confirmations} times, on every endpoint"
        if order.filled_size >= order.size:
            event, reason = OrderEvent.FILLED, "its fills add up to its size"
        elif order.state is OrderState.IN_DOUBT and order.filled_size == 0:
            event, reason = OrderEvent.NOT_FOUND, f"{NEVER_CAME_TO_BE}: the venue does not know it, asked {requested}"
        else:
            event, reason = OrderEvent.EXPIRED, f"over: the venue no longer knows it, asked {requested}"
        return await self._journal.record_order_event(order.client_id, event, reason=reason), ()


def _unanswered(order: Order, error: Unavailable) -> tuple[Order, tuple[Note, ...]]:
    message = f"order {order.client_id} of {order.symbol} could not be asked about: {error}"
    return order, (Note(Reason.VENUE_UNAVAILABLE, message, order.symbol),)


def _found_in(order: Order, reports: Sequence[OrderReport]) -> OrderReport | None:
    """The report of an order.

    Raises:
        Unavailable: a row that could not be read may be it, so that its absence is not shown.
    """
    report = find_report(order, reports)
    if report is None and has_unnamed(order, reports):
        raise Unavailable(f"a row of {order.symbol} without a readable id may be order {order.client_id}")
    return report
