"""Orders that are changed while they rest. An order keeps its id; with another price it is matched anew."""

from dataclasses import dataclass, replace
from decimal import Decimal

from bot.domain.instrument import Side
from bot.domain.order import OrderType
from bot.simex.engine.orders.admission import Admission
from bot.simex.engine.orders.matching import Matching, request_of
from bot.simex.engine.refusal import Refusal, RefusalReason
from bot.simex.engine.state import State
from bot.simex.engine.types import EventKind, OrderStatus, PositionSide, SimOrder


@dataclass(frozen=True, slots=True)
class Amendment:
    """One change of an order: `id` rises over the exchange, `count` over the order; `label` is the caller's own."""

    id: int
    before: SimOrder
    after: SimOrder
    at_ms: int
    count: int
    label: int | None = None


class Amendments:
    """All changes, oldest first; since the exchange was started."""

    def __init__(self, state: State, admission: Admission, matching: Matching) -> None:
        self._state, self._admission, self._matching = state, admission, matching
        self._known: list[Amendment] = []

    def of(self, account: str, symbol: str, order_id: int | None = None) -> tuple[Amendment, ...]:
        return tuple(
            a
            for a in self._known
            if (a.before.account, a.before.symbol) == (account, symbol) and order_id in (None, a.before.id)
        )

    def label_of(self, changed: SimOrder) -> int | None:
        """What the caller named the change that led to this state of an order."""
        made = reversed(self.of(changed.account, changed.symbol, changed.id))
        return next((change.label for change in made if change.after == changed), None)

    def amend(
        self, account: str, order: SimOrder, *, side: Side, size: Decimal, price: Decimal, label: int | None = None
    ) -> SimOrder:
        """Another size and price of a limit order; what is filled already counts. It is canceled where no more than
        that is wanted.

        Raises:
            Refusal: UNKNOWN_ORDER for an order that is not open, BAD_REQUEST for one of another side or type, and what
                placing such an order would be refused for; the order then stays as it was.
        """
        held = self._state.account(account)
        if not order.is_open or order.status is OrderStatus.UNTRIGGERED:
            raise Refusal(RefusalReason.UNKNOWN_ORDER, f"order {order.id} is not open")
        if order.type is not OrderType.LIMIT or order.side is not side:
            raise Refusal(RefusalReason.BAD_REQUEST, "only a limit order is changed, and not its side")
        if size <= order.filled_size:
            return self._matching.cancel(held, order)
        is_reducing = order.reduce_only and order.position_side is PositionSide.BOTH  # in hedge mode its side says it
        required = replace(request_of(order), size=size - order.filled_size, price=price, reduce_only=is_reducing)
        self._state.keep(held, replace(order, status=OrderStatus.CANCELED))  # its margin is free for the new one
        try:
            plan = self._admission.plan(held, required)
        except Refusal:
            self._state.keep(held, order)
            raise
        changed = replace(order, size=size, price=price, updated_ms=self._state.now_ms)
        self._write(held.name, order, changed, label)
        return self._matching.take(held, changed, plan)

    def amend_trigger(
        self, account: str, order: SimOrder, *, size: Decimal, price: Decimal | None, trigger_price: Decimal
    ) -> SimOrder:
        """Another size, limit and trigger of an order that waits for its trigger.

        Raises:
            Refusal: UNKNOWN_ORDER for an order that does not wait, BAD_REQUEST for one that closes a position whole or
                trails the price, and what placing such an order would be refused for; the order then stays as it was.
        """
        held = self._state.account(account)
        if order.status is not OrderStatus.UNTRIGGERED:
            raise Refusal(RefusalReason.UNKNOWN_ORDER, f"order {order.id} does not wait for a trigger")
        if order.close_position or order.callback_rate is not None:
            raise Refusal(RefusalReason.BAD_REQUEST, "an order of another kind has no size or trigger of its own")
        required = replace(request_of(order), size=size, price=price, trigger_price=trigger_price)
        self._state.keep(held, replace(order, status=OrderStatus.CANCELED))  # it does not count beside itself
        try:
            self._admission.plan(held, required)
        finally:
            self._state.keep(held, order)
        changed = replace(order, size=size, price=price, trigger_price=trigger_price, updated_ms=self._state.now_ms)
        self._write(held.name, order, changed)
        return changed

    def reduce(self, account: str, order: SimOrder, size: Decimal) -> SimOrder:
        """A smaller size, at the same place in the book.

        Raises:
            Refusal: the order is not open, or the size is not between filled and old (BAD_REQUEST).
        """
        if not order.is_open:
            raise Refusal(RefusalReason.UNKNOWN_ORDER, f"order {order.id} is not open")
        if not order.filled_size < size < order.size:
            raise Refusal(RefusalReason.BAD_REQUEST, f"{size} is not between {order.filled_size} and {order.size}")
        changed = replace(order, size=size, updated_ms=self._state.now_ms)
        self._write(account, order, changed)
        self._state.emit(EventKind.SPOT_WALLET, account, order.symbol, reason="order")
        return changed

    def _write(self, account: str, before: SimOrder, after: SimOrder, label: int | None = None) -> None:
        self._state.keep(self._state.account(account), after)
        number = len(self._known) + 1
        count = len(self.of(account, before.symbol, before.id)) + 1
        self._known.append(Amendment(number, before, after, self._state.now_ms, count, label))
        self._state.emit(EventKind.ORDER_AMENDED, account, before.symbol, order=after)
