"""Stops that rest beside a closing order: the position that it leaves has a stop all the time.

Some venues let no reduce-only order stand beside another where both together are more than the position. A stop gives
way to such a close by the size of the close and no more, and ends the step at the size of what is left. Where it is
smaller than the position, as while an entry goes on, the close takes first what it does not guard.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from bot.domain.instrument import Side
from bot.domain.money import ZERO
from bot.domain.order import FOREIGN, Intent, Order, OrderType, Purpose
from bot.domain.order_ids import STOP_KINDS, OrderKind, instrument_number, kind_of_intent
from bot.domain.reason import Note
from bot.domain.states import OrderState
from bot.execution.placement import Placed, Placement
from bot.journal.journal import Journal
from bot.journal.schema import NEVER_CAME_TO_BE
from bot.ports import Rejection
from bot.risk import Approved

UNCLEARED_MS = 900_000
FAILED_MS = 60_000  # after a close of a part that executed nothing, the stop rests whole for so long
LOST = 2  # orders in a row of a close that never came to be; the network alone loses one now and then

Send = Callable[[Approved, list[str]], Awaitable[Placed | Note]]
Cancel = Callable[[Sequence[Order]], Awaitable[object]]


@dataclass(slots=True)
class StopsOfStep:
    """The stops beside one approved intent while it is carried out: those found at its beginning, the ids of those sent
    since and those of the intent's own orders, `closes`. `is_cut`: they have given way by the size of the close,
    `is_away`: all of them have been withdrawn."""

    intent: Intent
    found: tuple[Order, ...] = ()
    closes: list[str] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    is_cut: bool = False
    is_away: bool = False

    @property
    def largest(self) -> Order:
        return max(self.found, key=lambda order: order.open_size)


class StopsBeside:
    """Lets stops give way to closes. `send` places one order under a bound and notes its id, `cancel` withdraws.

    A stop that is sent here takes the place of one that was approved: same trigger, never larger.
    """

    def __init__(
        self, journal: Journal, placement: Placement, now_ms: Callable[[], int], send: Send, cancel: Cancel
    ) -> None:
        self._journal, self._placement, self._now_ms = journal, placement, now_ms
        self._send, self._cancel = send, cancel
        self._uncleared: dict[tuple[str, bool], int] = {}  # closes refused without their stops too, since when
        self._failed: dict[str, int] = {}  # closes that executed nothing after a stop gave way to them, since when
        self._held: dict[str, Decimal] = {}

    def see(self, held: Mapping[str, Decimal]) -> None:
        """The signed sizes of the positions when a batch begins; one that is missing counts as large as its stop."""
        self._held = dict(held)

    def begin(self, intent: Intent) -> StopsOfStep:
        """What rests beside an intent that is about to be carried out."""
        return StopsOfStep(intent, tuple(self._beside(intent)) if intent.reduce_only else ())

    async def cut_beside_short(self, step: StopsOfStep, item: Approved) -> None:
        """Make room before a short is bought back: a hedge is released again and again, and a venue that counts what
        rests would refuse every release first. A close of everything leaves the stops no room."""
        intent = item.intent
        is_buy_back = intent.side is Side.BUY and not intent.order_type.is_trigger
        held = abs(self._held.get(intent.symbol, ZERO))
        has_room = sum((order.open_size for order in step.found), item.size) <= held
        if step.found and is_buy_back and not has_room and not self._is_uncleared(intent):
            await self._cut(step, intent, item.size)

    async def cut_beside_lost(self, step: StopsOfStep, item: Approved) -> None:
        """Make room for a close of everything whose last orders never came to be: a venue may refuse what a stop leaves
        no size for in words of no table, and that is known only when the order is nowhere. Once in `UNCLEARED_MS`."""
        intent = item.intent
        if not step.found or intent.order_type.is_trigger or self._is_uncleared(intent):
            return
        held = self._held.get(intent.symbol)
        last = self._journal.reader.load_orders_of_intent(intent.id)[-LOST:]
        is_lost = len(last) == LOST and all(order.reason.startswith(NEVER_CAME_TO_BE) for order in last)
        if is_lost and held is not None and item.size >= abs(held) and await self._cut(step, intent, item.size):
            self._uncleared[intent.symbol, False] = self._now_ms()

    async def give_way(self, step: StopsOfStep, refused: Order) -> bool:
        """Make room for a close, or for the stop that replaces another, that the venue refused as reduce-only; whether
        it may be tried again.

        First the stops are cut by its size, then they are withdrawn. When it is refused after that as well they were
        not the cause: for `UNCLEARED_MS` they stay, whatever is refused beside them.
        """
        if not refused.reduce_only or refused.state is not OrderState.REJECTED:
            return False
        if not refused.reason.startswith(f"{Rejection.REDUCE_ONLY}:"):
            return False
        if step.is_away:
            self._uncleared[refused.symbol, refused.order_type.is_trigger] = self._now_ms()
            return False
        return not self._is_uncleared(refused) and await self._cut(step, refused, refused.size)

    def _is_uncleared(self, close: Intent | Order) -> bool:
        """Whether a close of this kind was refused without its stops too, less than `UNCLEARED_MS` ago; or a close
        of a part has just failed: another one a moment later would leave the rest without its stop turn after turn."""
        now_ms = self._now_ms()
        tried_ms = self._uncleared.get((close.symbol, close.order_type.is_trigger))
        if tried_ms is not None and now_ms - tried_ms < UNCLEARED_MS:
            return True
        failed_ms, held = self._failed.get(close.symbol), self._held.get(close.symbol)
        is_of_part = close.purpose is not Purpose.FLATTEN and held is not None and close.size < abs(held)
        return is_of_part and failed_ms is not None and now_ms - failed_ms < FAILED_MS

    async def put_back(self, step: StopsOfStep) -> None:
        """At the end of a step: what is left of the position has its stop again, whatever became of the close.

        A close in doubt may have executed or not: the stop is as large as if it had not, where the venue takes that.
        """
        symbol, side = step.intent.symbol, step.intent.side
        if step.found and not self._has_successor(step):
            await self._guard_again(step)
        if step.is_cut or step.is_away:
            if any(order.filled_size for order in self._orders(step.closes)):
                self._failed.pop(symbol, None)
            else:
                self._failed[symbol] = self._now_ms()
        if (held := self._held.get(symbol)) is not None:
            self._held[symbol] = held + side.sign * sum(self._executed(step))

    async def _guard_again(self, step: StopsOfStep) -> None:
        intent, size = step.intent, self._size_now(step)
        resting = [order for order in self._beside(intent) if not self._placement.is_withdrawn(order.client_id)]
        is_whole = any(order.state is OrderState.OPEN and order.open_size >= size for order in resting)
        if size <= 0 or is_whole or not await self._withdraw(resting):
            return
        size = self._size_now(step)  # a stop may have executed before its cancel
        if size <= 0:
            return
        rest = self._size_now(step, sum((order.open_size for order in self._orders(step.closes)), ZERO))
        if await self._place(step, intent, size) and 0 < rest < size:
            await self._place(step, intent, rest)

    async def _cut(self, step: StopsOfStep, close: Intent | Order, size: Decimal) -> bool:
        """Let the stops give way by `size`, or altogether where they have been cut before; whether they have."""
        stops = self._beside(close)
        if not stops or not await self._withdraw(stops):
            return False
        rest = self._size_now(step, size)
        if step.is_cut or rest <= 0 or close.order_type.is_trigger:
            step.is_away = True
        else:
            step.is_cut = True
            await self._place(step, close, rest)
        return True

    async def _withdraw(self, stops: Sequence[Order]) -> bool:
        """Cancel stops; whether none of them rests any more."""
        await self._cancel(stops)
        after = self._orders([stop.client_id for stop in stops])
        return all(not o.state.is_live or self._placement.is_withdrawn(o.client_id) for o in after)

    async def _place(self, step: StopsOfStep, close: Intent | Order, size: Decimal) -> bool:
        """Send a stop of `size` in place of the largest one found; whether the venue refused it for what waits to
        reduce the position as well."""
        taken = {kind_of_intent(order.intent_id) for order in self._beside(close)}
        kind = next((kind for kind in STOP_KINDS if kind not in taken), None)
        if kind is None:
            return False
        intent, sent = _renewed(step, kind, size), list[str]()  # of a bound of its own: those before it are withdrawn
        placed = await self._send(Approved(intent, size, intent.worst_price), sent)
        step.sent.extend(sent)
        step.notes.extend(placed.notes if isinstance(placed, Placed) else (placed,))
        if not isinstance(placed, Placed) or placed.order.state is not OrderState.REJECTED:
            return False
        return placed.order.reason.startswith(f"{Rejection.REDUCE_ONLY}:")

    def _size_now(self, step: StopsOfStep, closing: Decimal = ZERO) -> Decimal:
        """How much of the position the stops of the step have to guard once `closing` of it is closed as well: all that
        is left, and no more than they did."""
        by_stops, by_closes = self._executed(step)
        guarded, held = step.largest.open_size - by_stops, self._held.get(step.intent.symbol)
        if held is None:
            return guarded - by_closes - closing
        return min(guarded, abs(held) - by_stops - by_closes - closing)

    def _executed(self, step: StopsOfStep) -> tuple[Decimal, Decimal]:
        """What the stops beside an intent, and its own orders, have executed since the step began."""
        before = sum((order.filled_size for order in step.found), ZERO)
        stops = self._orders([*(order.client_id for order in step.found), *step.sent])
        closes = self._orders(step.closes)
        by_stops = sum((order.filled_size for order in stops), ZERO) - before
        return by_stops, sum((order.filled_size for order in closes), ZERO)

    def _beside(self, close: Order | Intent) -> list[Order]:
        """Live stops of ours on the instrument of a close, on its side."""
        working = self._journal.reader.load_working()
        return [order for order in working if _is_stop_beside(order, close)]

    def _has_successor(self, step: StopsOfStep) -> bool:
        return any(order.order_type.is_trigger and order.state.is_live for order in self._orders(step.closes))

    def _orders(self, client_ids: Sequence[str]) -> list[Order]:
        loaded = (self._journal.reader.load_order(client_id) for client_id in client_ids)
        return [order for order in loaded if order is not None]


def _is_stop_beside(order: Order, close: Order | Intent) -> bool:
    is_beside = order.symbol == close.symbol and order.side is close.side and order.reduce_only
    return is_beside and order.order_type.is_trigger and order.state.is_live and order.intent_id != FOREIGN


def _renewed(step: StopsOfStep, kind: OrderKind, size: Decimal) -> Intent:
    """What the largest stop found was sent for, at `size`."""
    stop, trigger = step.largest, step.largest.trigger_price or ZERO
    return replace(
        step.intent,
        id=kind.intent_id(stop.symbol),
        campaign=0,
        tranche=kind.number,
        leg=instrument_number(stop.symbol),
        purpose=kind.purpose,
        sector=stop.sector,
        size=size,
        worst_price=trigger,
        reference_price=trigger,
        order_type=OrderType.STOP,
        time_in_force=stop.time_in_force,
        trigger_price=trigger,
        words=f"stop of {size} in place of {stop.client_id}",
    )
