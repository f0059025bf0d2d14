"""Detect another program that sends orders to this account under this bot's client id prefix, and stop entries.

A client order id proves nothing alone: a venue accepts a used id again once its first order is closed, and two bots of
one account share their mark. An order or an execution is ours when client id, the venue's order id and the journal
agree. What contradicts that is written down once; from then on entries stop until an operator has looked.

The same is seen where the journal is older than the account, because a copy was restored or a disk was lost: orders
with our mark that the journal does not know.
"""

from collections.abc import Sequence

from bot.domain.order import Fill, Order
from bot.domain.order_ids import is_ours
from bot.domain.reason import Note, Reason
from bot.domain.states import OrderState
from bot.journal.facts import Fact
from bot.journal.journal import Journal
from bot.journal.schema import is_refused_for_certain
from bot.ports import OrderReport, ReportState

UNKNOWN_EXECUTED, UNKNOWN_RESTS, CONFLICT = "twin_order", "twin_rests", "another_writer"
ACCEPTED = "twins_accepted"
COMMAND = "`sectorbot resume --accept-mismatch --reason …`"
UNKNOWN_OUTCOME_STATES = (OrderState.SUBMITTING, OrderState.IN_DOUBT)
_SEEN_MAX = 10_000


class AnotherWriter:
    """What the journal holds about other writers, and the rules that find them. Raises JournalError."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.has_stranger = False  # an execution of no order of the journal: whose it is, the reconciliation finds out

    def is_suspected(self) -> bool:
        """Whether anything was found that nobody has accepted yet."""
        return self._newest() is not None

    def notes(self) -> tuple[Note, ...]:
        """Why entries stop and which command decides, for as long as they do."""
        fact = self._newest()
        if fact is None:
            return ()
        client_id, symbol = str(fact.payload["client_id"]), str(fact.payload["symbol"])
        message = fact.payload.get("words") or _unknown(client_id, symbol)
        message = (
            f"{message}; entries and the rotation stop: stop the other bot if there is one, then {COMMAND} decides"
        )
        return (Note(Reason.ANOTHER_WRITER, message, symbol),)

    def unknown_ids(self) -> tuple[str, ...]:
        """Ids with our mark that others have used, accepted or not: they stay used."""
        facts = (fact for kind in (UNKNOWN_EXECUTED, UNKNOWN_RESTS) for fact in self._facts(kind))
        return tuple(str(fact.payload["client_id"]) for fact in facts)

    def unknown_resting(self) -> tuple[tuple[str, str], ...]:
        """Client id and symbol of every order with our mark that rested when it was found and is not in the journal."""
        facts = self._facts(UNKNOWN_RESTS)
        named = dict.fromkeys((str(fact.payload["client_id"]), str(fact.payload["symbol"])) for fact in facts)
        return tuple(pair for pair in named if self._journal.reader.load_order(pair[0]) is None)

    def is_accepted(self, client_id: str) -> bool:
        """Whether an operator has said that this unknown order is the bot's own."""
        accepted = self._journal.reader.load_facts(ACCEPTED, limit=1)
        if not accepted or self._journal.reader.load_order(client_id) is not None:
            return False
        facts = (fact for kind in (UNKNOWN_EXECUTED, UNKNOWN_RESTS) for fact in self._facts(kind))
        return any(fact.payload["client_id"] == client_id and fact.seq < accepted[0].seq for fact in facts)

    async def record_unknown(self, client_id: str, symbol: str, venue_id: str, *, rests: bool) -> None:
        """An order with our mark that the journal does not know."""
        await self._record(UNKNOWN_RESTS if rests else UNKNOWN_EXECUTED, client_id, symbol, venue_id, "")

    async def record_conflict(self, client_id: str, symbol: str, venue_id: str, message: str) -> None:
        """Evidence that contradicts the journal about an id of ours."""
        await self._record(CONFLICT, client_id, symbol, venue_id, message)

    async def check_report(self, order: Order | None, report: OrderReport) -> bool:
        """Whether a report under an id of this account belongs to another writer; recorded if so.

        `order` is what the journal has under that id.
        """
        client_id = report.client_id or ""
        if not is_ours(client_id, self._journal.account) or not report.venue_id:
            return False
        if order is None:
            await self.record_unknown(client_id, report.symbol, report.venue_id, rests=report.state is ReportState.OPEN)
            return True
        message = _second_order(order, report)
        if message:
            await self.record_conflict(client_id, report.symbol, report.venue_id, message)
        return bool(message)

    async def check_fills(self, fills: Sequence[Fill]) -> None:
        """Look at executions that were just recorded: each must be of the one order that the journal has under its ids,
        and no order executes more than its size."""
        owners: dict[str, Order] = {}
        for fill in fills:
            order, message = self._owner_of(fill)
            if order is None:
                working = self._journal.reader.load_working()
                is_maybe_ours = any(one.symbol == fill.symbol and one.venue_id is None for one in working)
                self.has_stranger = self.has_stranger or not is_maybe_ours
                continue
            owners[order.client_id] = order
            if message:
                await self.record_conflict(order.client_id, fill.symbol, fill.venue_order_id or fill.trade_id, message)
        for order in owners.values():
            if order.filled_size > order.size:
                message = (
                    f"executions under id {order.client_id} of {order.symbol} add up to {order.filled_size},"
                    f" the order was of {order.size}"
                )
                await self.record_conflict(order.client_id, order.symbol, "size", message)

    async def accept(self, *, by: str, reason: str) -> bool:
        """An operator's word that the account is right; whether there was anything to accept."""
        if not self.is_suspected():
            return False
        await self._journal.record_fact(ACCEPTED, {"by": by, "reason": reason})
        return True

    def _owner_of(self, fill: Fill) -> tuple[Order | None, str]:
        """The order that an execution names, and what speaks against it."""
        reader = self._journal.reader
        if fill.client_id is not None and (order := reader.load_order(fill.client_id)) is not None:
            return order, what_contradicts(order, fill)
        if fill.venue_order_id is None:
            return None, ""
        order = reader.load_order_by_venue_id(fill.symbol, fill.venue_order_id)
        return order, "" if order is None else what_contradicts(order, fill)

    def _newest(self) -> Fact | None:
        """The newest finding, unless somebody has accepted it."""
        reader = self._journal.reader
        found = [f for kind in (UNKNOWN_EXECUTED, UNKNOWN_RESTS, CONFLICT) for f in reader.load_facts(kind, limit=1)]
        accepted = reader.load_facts(ACCEPTED, limit=1)
        newest = max(found, key=lambda fact: fact.seq, default=None)
        return None if newest is None or (accepted and accepted[0].seq > newest.seq) else newest

    def _facts(self, kind: str) -> tuple[Fact, ...]:
        return self._journal.reader.load_facts(kind, limit=_SEEN_MAX)

    async def _record(self, kind: str, client_id: str, symbol: str, venue_id: str, message: str) -> None:
        """Once per kind, id and order of the venue, whoever saw it first."""
        seen = ((f.payload["client_id"], f.payload.get("venue_id", venue_id)) for f in self._facts(kind))
        if (client_id, venue_id) in seen:
            return
        payload = {"client_id": client_id, "symbol": symbol, "venue_id": venue_id, "words": message}
        await self._journal.record_fact(kind, payload)


def what_contradicts(order: Order, fill: Fill) -> str:
    """Why an execution cannot be of the order it names; empty when it can."""
    name = f"an execution under id {order.client_id}"
    if fill.symbol != order.symbol or fill.side is not order.side:
        return f"{name} {fill.side}s {fill.symbol}, the order with it {order.side}s {order.symbol}"
    is_other = order.venue_id is not None and fill.venue_order_id not in (None, order.venue_id)
    if is_other and not order.order_type.is_trigger:  # a conditional order becomes another one when it triggers
        return f"{name} of {order.symbol} is of order {fill.venue_order_id}, ours is {order.venue_id}"
    if is_refused_for_certain(order.state, order.reason):
        return f"{name} of {order.symbol} came though that order was rejected ({order.reason})"
    return ""


def _second_order(order: Order, report: OrderReport) -> str:
    """What shows that a report under an id of ours is of another order; empty when it may be ours."""
    name = f"an order under id {order.client_id}"
    if report.symbol != order.symbol or report.side is not order.side:
        return f"{name} {report.side}s {report.symbol}, the order with it {order.side}s {order.symbol}"
    if order.order_type.is_trigger:
        return ""
    if order.venue_id is not None and report.venue_id != order.venue_id:
        return f"{name} of {order.symbol} is {report.venue_id} at the venue, ours is {order.venue_id}"
    is_unknown = order.state in UNKNOWN_OUTCOME_STATES or order.state is OrderState.REJECTED
    if is_unknown and order.venue_id is None and report.size > 0 and report.size != order.size:
        return f"{name} of {order.symbol} is of {report.size}, ours is of {order.size}"
    is_refused = is_refused_for_certain(order.state, order.reason)
    if is_refused and (report.state is ReportState.OPEN or report.filled_size > 0):
        return f"{name} of {order.symbol} exists though ours was rejected ({order.reason})"
    return ""


def _unknown(client_id: str, symbol: str) -> str:
    return (
        f"order {client_id} of {symbol} carries this bot's mark and is not in this journal: the journal is older than"
        " the account, or another bot trades on it"
    )
