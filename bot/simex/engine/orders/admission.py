"""Every question asked of a new order before it exists. Answers are a plan or a refusal; nothing is changed."""

from dataclasses import dataclass, replace
from decimal import Decimal

from bot.domain.instrument import Instrument, Side
from bot.domain.money import ZERO
from bot.domain.order import OrderType, TimeInForce
from bot.domain.symbol import is_perp
from bot.simex.engine.depth import Depth, Level
from bot.simex.engine.margin.requirements import Margin, bankruptcy_price
from bot.simex.engine.orders.filters import check_filters, check_shape
from bot.simex.engine.orders.trailing import with_first_trigger
from bot.simex.engine.refusal import Refusal, RefusalReason
from bot.simex.engine.rules import DuplicateScope, ReduceOnlyCounting
from bot.simex.engine.state import AccountState, State
from bot.simex.engine.types import ListingStatus, NewOrder, PositionSide, SimOrder

R = RefusalReason


@dataclass(frozen=True, slots=True)
class AdmittedOrder:
    """An admitted order: what it takes at once, whether the rest may rest, and whether it is dead on arrival.

    `is_bounded`: the taking stopped at a price bound and not at the end of the book. `is_prevented`: it ends where it
    would have met an order of its own account.
    """

    order: NewOrder
    fills: tuple[Level, ...] = ()
    is_trigger: bool = False
    is_missed: bool = False
    is_bounded: bool = False
    is_prevented: bool = False


class Admission:
    """Judges a new order before it is matched."""

    def __init__(self, state: State, depth: Depth, margin: Margin) -> None:
        self._state, self._depth, self._margin = state, depth, margin

    def plan(self, account: AccountState, order: NewOrder, *, is_known: bool = False) -> AdmittedOrder:
        """The plan of a new order, or of one that has waited under its own name (`is_known`). Raises Refusal."""
        state = self._state
        instrument = state.listing(order.symbol).instrument
        if order.callback_rate is not None:
            price = state.price(order.symbol, by_mark=order.trigger_by_mark)
            order = with_first_trigger(order, instrument, price)
        check_shape(order, instrument)
        if instrument.is_perp:
            order = self._on_its_side(account, order)
        is_settling = state.listings[order.symbol].status is ListingStatus.PRE_SETTLE
        if not state.is_open(order.symbol):
            raise Refusal(R.SYMBOL_CLOSED if order.reduce_only else R.MARKET_CLOSED, f"{order.symbol} takes no orders")
        if is_settling and not order.reduce_only:
            raise Refusal(R.MARKET_CLOSED, f"{order.symbol} takes only orders that reduce")
        if not account.can_trade:
            raise Refusal(R.TRADING_DISABLED, f"{account.name} may not trade")
        if not is_known:
            self._check_id(account, order)
        if not is_known and len(account.open.get(order.symbol, {})) >= state.rules.orders_max:
            raise Refusal(R.MAX_ORDERS, f"{state.rules.orders_max} orders of {order.symbol} are open")
        if order.type.is_trigger and not is_known:
            self._check_triggers(account, instrument)
        reference = state.mark(order.symbol) if instrument.is_perp else state.mid(order.symbol)
        check_filters(order, instrument, state.rules, reference)
        if order.type.is_trigger:
            return self._plan_trigger(account, order, instrument)
        return self.plan_active(account, order, instrument)

    def check_form(self, account: AccountState, order: NewOrder) -> None:
        """The checks that do not depend on price and money, for an order that another one will begin. Raises
        Refusal."""
        instrument = self._state.listing(order.symbol).instrument
        check_shape(order, instrument)
        self._check_id(account, order)
        check_filters(order, instrument, self._state.rules, self._state.mid(order.symbol))

    def plan_active(
        self, account: AccountState, order: NewOrder, instrument: Instrument, *, is_fired: bool = False
    ) -> AdmittedOrder:
        """The plan of an order that acts now: not a trigger order, or one that has just fired.

        Raises:
            Refusal: nothing is on the other side, or the price or size does not fit the book.
        """
        size = self._reducible(account, order, is_fired=is_fired) if order.reduce_only else order.size
        bound, is_limit = self._bound(account, order, instrument), order.price is not None
        if not is_limit:
            best = self._depth.best(order.symbol, order.side)
            if best is None:
                raise Refusal(R.NO_BOOK, f"nobody is on the other side of {order.symbol}")
        fills = self._depth.walk(order.symbol, order.side, size=size, quote=order.quote_size, bound=bound)
        if order.quote_size is not None and not fills:
            raise Refusal(R.LOT_SIZE, f"{order.quote_size} buys less than one step")
        if order.time_in_force is TimeInForce.POST_ONLY and fills:
            if self._state.rules.is_post_only_refused:
                raise Refusal(R.WOULD_TAKE, f"{order.side} at {order.price} would take")
            return AdmittedOrder(order, is_missed=True)
        self._check_funds(account, order, instrument, size, fills)
        if order.time_in_force is TimeInForce.FOK and is_limit and _sum(fills) < (size or ZERO):
            if instrument.is_perp and self._state.rules.is_perp_fok_refused:
                raise Refusal(R.FOK_UNFILLED, f"{size} at {order.price} is not there")
            return AdmittedOrder(order, is_missed=True)
        return AdmittedOrder(order, tuple(fills), is_bounded=not is_limit and bound is not None)

    def _plan_trigger(self, account: AccountState, order: NewOrder, instrument: Instrument) -> AdmittedOrder:
        state = self._state
        if order.trigger_price is None:
            raise Refusal(R.BAD_REQUEST, "a trigger order needs a trigger price")
        now = state.price(order.symbol, by_mark=order.trigger_by_mark)
        has_passed = now >= order.trigger_price if is_rising(order.type, order.side) else now <= order.trigger_price
        if has_passed and order.activation_price is None:
            raise Refusal(R.TRIGGER_IMMEDIATE, f"{order.trigger_price} has been passed: the price is {now}")
        if not instrument.is_perp:
            price = order.price or order.trigger_price
            self._check_spot(account, instrument, order.side, order.size or ZERO, (order.size or ZERO) * price)
        return AdmittedOrder(order, is_trigger=True)

    def _check_id(self, account: AccountState, order: NewOrder) -> None:
        if not order.client_id:
            return
        if not self._state.client_id.fullmatch(order.client_id):
            raise Refusal(R.BAD_CLIENT_ID, f"client id {order.client_id!r} does not match")
        if self._state.rules.duplicate_scope is DuplicateScope.NEVER:
            is_used = any(client_id == order.client_id for _, client_id in account.ids)
        else:
            used = account.ids.get((order.symbol, order.client_id), ())
            is_used = any(number in account.open.get(order.symbol, {}) for number in used)
        if is_used:
            raise Refusal(R.DUPLICATE_CLIENT_ID, f"client id {order.client_id} is in use")

    def _check_triggers(self, account: AccountState, instrument: Instrument) -> None:
        """Whether another trigger order may wait. An order of a list counts from when it is placed."""
        rules, which = self._state.rules, instrument.symbol
        symbols, most = [which], rules.spot_triggers_max
        if instrument.is_perp:
            symbols, most, which = list(filter(is_perp, account.open)), rules.perp_triggers_max, "perps"
        waiting = sum(other.type.is_trigger for symbol in symbols for other in account.open_of(symbol))
        if waiting >= most:
            raise Refusal(R.MAX_TRIGGERS, f"{waiting} trigger orders of {which} are open")

    def _on_its_side(self, account: AccountState, order: NewOrder) -> NewOrder:
        """The order with the position that it may change. In hedge mode a side's closing order only ever reduces it.

        Raises Refusal: POSITION_SIDE for a side that the account's position mode does not have, BAD_REQUEST for
        reduce-only in hedge mode and for a close-position order that would open.
        """
        if account.is_hedge_mode is (order.position_side is PositionSide.BOTH):
            raise Refusal(R.POSITION_SIDE, f"{order.position_side} is no side of this account's position mode")
        if order.position_side is PositionSide.BOTH:
            return order
        if order.reduce_only and not order.close_position:
            raise Refusal(R.BAD_REQUEST, "reduce-only is for one-way mode: in hedge mode the side says it")
        if order.position_side is PositionSide.closed_by(order.side):
            return replace(order, reduce_only=True)
        if order.close_position:
            raise Refusal(R.BAD_REQUEST, f"a {order.side} cannot close the {order.position_side} position")
        return order

    def _reducible(self, account: AccountState, order: NewOrder, *, is_fired: bool) -> Decimal:
        """What a reduce-only order may take. Raises Refusal(REDUCE_ONLY) when there is nothing to reduce."""
        held = account.size_of(order.symbol, order.position_side)
        if held * order.side.sign >= 0:
            raise Refusal(R.REDUCE_ONLY, f"position {held} is not reduced by a {order.side}")
        if not is_fired:
            self._check_reductions(account, order, abs(held))
        return min(abs(held), order.size if order.size is not None else abs(held))

    def _check_reductions(self, account: AccountState, order: NewOrder, held: Decimal) -> None:
        """Whether what already waits to reduce the position leaves this order its size.

        Raises Refusal: REDUCE_ONLY where orders that execute before it take the whole position, REDUCE_ONLY_TAKEN
        where together they would take more than there is.
        """
        counting = self._state.rules.reduce_only_counting
        if counting is ReduceOnlyCounting.NONE:
            return
        waiting = [other for other in account.open_of(order.symbol) if other.reduce_only and other.side is order.side]
        first = [o for o in waiting if o.trigger_price is None and _executes_before(o, order)]
        if order.price is not None and sum((o.open_size for o in first), ZERO) >= held:
            raise Refusal(R.REDUCE_ONLY, f"orders with a better price reduce all of {held}")
        if counting is ReduceOnlyCounting.RESTING:
            waiting = [other for other in waiting if other.trigger_price is None]
        taken = sum((held if other.close_position else other.open_size for other in waiting), ZERO)
        size = order.size if order.size is not None else held
        if taken and taken + min(size, held) > held:
            raise Refusal(R.REDUCE_ONLY_TAKEN, f"{taken} of {held} is taken by open reduce-only orders")

    def _bound(self, account: AccountState, order: NewOrder, instrument: Instrument) -> Decimal | None:
        """The worst price the order may take: its limit, the band around the mark, the bankruptcy of what it closes."""
        if not instrument.is_perp:
            return order.price
        state, is_buy = self._state, order.side is Side.BUY
        bounds = [order.price] if order.price is not None else []
        if order.price is None:
            bound = state.rules.take_bound_of(order.symbol)
            band = bound if is_buy else -bound
            bounds.append(state.mark(order.symbol) * (1 + band))
        position = account.positions.get((order.symbol, order.position_side))
        if position is not None and position.size * order.side.sign < 0 and position.isolated_wallet:
            bounds.append(bankruptcy_price(instrument, position, position.isolated_wallet))
        return min(bounds) if is_buy else max(bounds)

    def _check_funds(
        self, account: AccountState, order: NewOrder, instrument: Instrument, size: Decimal | None, fills: list[Level]
    ) -> None:
        filled = _sum(fills)
        cost = sum((price * part for price, part in fills), ZERO)
        if not instrument.is_perp:
            if order.quote_size is not None:
                self._check_spot(account, instrument, order.side, filled, order.quote_size)
            else:
                value = cost if order.price is None else (size or ZERO) * order.price
                self._check_spot(account, instrument, order.side, size or ZERO, value)
            return
        if order.reduce_only:
            return
        average = cost / filled if filled else ZERO
        price = max(order.price, average) if order.price is not None else average
        if order.price is not None and order.side is Side.BUY:
            price = order.price
        self._margin.check_order(account, order, size or ZERO, price)

    def _check_spot(
        self, account: AccountState, instrument: Instrument, side: Side, size: Decimal, value: Decimal
    ) -> None:
        asset, needed = (instrument.quote, value) if side is Side.BUY else (instrument.base, size)
        free = self._state.free(account, asset)
        if needed > free:
            raise Refusal(R.INSUFFICIENT_BALANCE, f"needs {needed} {asset}, free are {free}")


def is_rising(kind: OrderType, side: Side) -> bool:
    """Whether a trigger waits for the price to rise."""
    return (kind is OrderType.STOP) == (side is Side.BUY)


def as_active(order: NewOrder, size: Decimal | None) -> NewOrder:
    """What a fired trigger order becomes; `size` replaces a close-position's open question."""
    kind = OrderType.MARKET if order.price is None else OrderType.LIMIT
    return replace(
        order,
        type=kind,
        size=size,
        trigger_price=None,
        close_position=False,
        reduce_only=order.reduce_only or order.close_position,
        callback_rate=None,
        activation_price=None,
    )


def _executes_before(other: SimOrder, order: NewOrder) -> bool:
    """Whether a resting order of the same side is filled before the new one: at a price as good for the other side."""
    if other.price is None or order.price is None:
        return False
    return other.price >= order.price if order.side is Side.BUY else other.price <= order.price


def _sum(fills: list[Level]) -> Decimal:
    return sum((size for _, size in fills), ZERO)
