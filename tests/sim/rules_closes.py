"""No close is refused turn after turn because of a stop that the bot itself has placed, and none of a part leaves the
rest without its stop."""

from collections import Counter
from decimal import Decimal
from typing import Any

from bot.domain.durations import MINUTE_MS
from bot.domain.money import ZERO, floor_to
from bot.domain.order import Order, Purpose
from bot.domain.states import KillLevel, OrderState
from bot.execution.stops_beside import UNCLEARED_MS
from bot.journal.reader import JournalReader
from bot.ports import OrderRequest, Rejection
from tests.sim.hooks import Rule
from tests.sim.wire import ACCOUNT
from tests.sim.world import Life

TURNS = 4  # in which a close is refused in a row; one may be spent on a cancel without a verdict
OURS = "tsb"
LOOKED_AT = 500  # the newest orders


class ClosesAreNotHeldByOurStops(Rule):
    """Counted of closes refused as `reduce_only_taken` while nobody else's order takes the position.

    A turn in which the cancel of the stop came to no answer does not count. Nor does one within `UNCLEARED_MS` after a
    close was refused by a fault while the stop was away: the bot has to take the stop for not the cause.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._refused = Counter[str]()

    def at_start_of_life(self, life: Life) -> None:
        self._refused.clear()

    def after_turn(self, life: Life, kind: str, result: Any) -> None:
        if result is None or result.kill is not KillLevel.OFF:
            self._refused.clear()
            return
        reader = life.app.journal.reader
        for outcome in result.outcomes:
            intent, symbol = outcome.intent, outcome.intent.symbol
            if not intent.reduce_only or intent.order_type.is_trigger:
                continue
            last = reader.load_order(outcome.client_ids[-1]) if outcome.client_ids else None
            is_taken = last is not None and last.state is OrderState.REJECTED and "reduce_only_taken" in last.reason
            working = {order.client_id: order for order in reader.load_working() if order.symbol == symbol}
            resting = self.world.exchange.open_orders(ACCOUNT, symbol)
            is_others = any(
                not (one.client_id or "").startswith(OURS) or one.client_id not in working for one in resting
            )
            is_unanswered = any(order.state is not OrderState.OPEN for order in working.values())
            if not is_taken or is_others or self._was_misled(symbol, reader):
                self._refused.pop(symbol, None)
            elif not (resting and is_unanswered):
                self._refused[symbol] += 1
            if self._refused[symbol] >= TURNS:
                words = f"{intent.id} {symbol}, {self._refused[symbol]} turns"
                self.world.violate("no close is held by our own stop", words)

    def _was_misled(self, symbol: str, reader: JournalReader) -> bool:
        since_ms = self.world.now_ms() - UNCLEARED_MS
        closes = (
            order for order in reader.load_orders(LOOKED_AT) if order.symbol == symbol and order.sent_ms > since_ms
        )
        return any(order.reason.startswith(f"{Rejection.REDUCE_ONLY}: -1 by a fault") for order in closes)


class PartsAreClosedBesideAStop(Rule):
    """No close of a part leaves after its stop was withdrawn in the same turn and before one for what it leaves was
    sent. A stop may be gone altogether where the close was refused beside one of the right size, and where the rest is
    less than the exchange takes in an order, as after a grid became coarser.

    Judged where the bot knows that the cancel was executed: a cancel in doubt does not hold up a close.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._withdrawn: dict[str, str] = {}  # the stop, by perp

    def before_turn(self, life: Life, kind: str) -> None:
        self._withdrawn.clear()

    def on_cancel(self, client_id: str) -> None:
        life, request = self.world.life, self.checkers._posted.get(client_id)
        if life is None or request is None or request.trigger_price is None or not request.reduce_only:
            return
        if life.app.kill.level().severity < KillLevel.CANCEL_ALL.severity and self._protects(request):
            self._withdrawn[request.symbol] = client_id

    def _protects(self, stop: OrderRequest) -> bool:
        """A stop beyond the liquidation, as after margin was taken by hand, would not execute before it."""
        held = (one for one in self.world.exchange.positions(ACCOUNT) if one.symbol == stop.symbol and one.size)
        return all(
            one.liquidation_price is None
            or stop.trigger_price is None
            or (stop.trigger_price - one.liquidation_price) * one.size > 0
            for one in held
        )

    def on_submit(self, request: OrderRequest) -> None:
        withdrawn = self._withdrawn.get(request.symbol)
        if not request.reduce_only or withdrawn is None:
            return
        if request.trigger_price is not None:
            del self._withdrawn[request.symbol]
            return
        held = abs(self.world.exchange._state.account(ACCOUNT).size_of(request.symbol))
        due = self._largest_stop(request.symbol, held - request.size)
        resting = self.world.exchange.open_orders(ACCOUNT, request.symbol, is_trigger=True)
        largest = max((order.size - order.filled_size for order in resting), default=ZERO)
        if largest < due and not self._was_tried_beside_one(request) and self._is_over(withdrawn):
            words = f"{request.client_id} of {request.size} leaves {held - request.size} without {withdrawn}"
            self.world.violate("a part is closed beside the stop of the rest", words)

    def _largest_stop(self, symbol: str, size: Decimal) -> Decimal:
        """How much of a position one stop can guard; nothing of what no order may be as small as."""
        instrument = self.world.exchange.instruments[symbol]
        whole = floor_to(max(size, ZERO), instrument.size_step)
        return whole if whole >= instrument.size_min else ZERO

    def _is_over(self, client_id: str) -> bool:
        order = self.checkers._reader.load_order(client_id)
        return order is not None and not order.state.is_live

    def _was_tried_beside_one(self, request: OrderRequest) -> bool:
        """Whether it is an order of a flatten, or the third try of a close that the exchange refuses beside stops."""
        order = self.checkers._reader.load_order(request.client_id)
        if order is None or order.purpose is Purpose.FLATTEN:
            return True
        tried = self.checkers._reader.load_orders_of_intent(order.intent_id)
        return sum(self._is_refused_beside(one, order) for one in tried) > 1

    def _is_refused_beside(self, former: Order, order: Order) -> bool:
        return (
            former.state is OrderState.REJECTED
            and former.reason.startswith("reduce_only")
            and order.sent_ms - former.sent_ms < MINUTE_MS
        )


RULES = (ClosesAreNotHeldByOurStops, PartsAreClosedBesideAStop)
