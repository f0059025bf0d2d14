"""Orders from birth to end: placed, filled at once or while resting, fired, canceled, expired."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from bot.domain.instrument import Instrument, Side
from bot.domain.money import ZERO
from bot.domain.order import TimeInForce
from bot.simex.engine.depth import Depth, Level
from bot.simex.engine.margin.requirements import Margin
from bot.simex.engine.orders.admission import Admission, AdmittedOrder, as_active
from bot.simex.engine.orders.trailing import trail_start
from bot.simex.engine.refusal import Refusal, RefusalReason
from bot.simex.engine.settlement import Execution, Settlement
from bot.simex.engine.state import AccountState, State
from bot.simex.engine.types import (
    EventKind,
    ExpiryReason,
    ForcedBy,
    NewOrder,
    OrderStatus,
    SelfTrade,
    SimOrder,
    SimTrade,
)


class Matching:
    """Matches orders with the book and triggers conditional ones."""

    def __init__(
        self, state: State, depth: Depth, margin: Margin, settlement: Settlement, admission: Admission
    ) -> None:
        self._state, self._depth, self._margin = state, depth, margin
        self._settlement, self._admission = settlement, admission

    def place(self, account: AccountState, new: NewOrder) -> SimOrder:
        """Raises Refusal."""
        return self._enter(account, self.plan(account, new))

    def plan(self, account: AccountState, new: NewOrder) -> AdmittedOrder:
        """The plan of a new order; resting orders of its own account that it would meet have ended. Raises Refusal."""
        return self._without_self_trade(account, self._admission.plan(account, new))

    def reject(self, account: AccountState, order: SimOrder) -> SimOrder:
        """An order that waited for another one is not taken."""
        state = self._state
        rejected = replace(order, status=OrderStatus.REJECTED, updated_ms=state.now_ms)
        state.keep(account, rejected)
        state.emit(EventKind.ORDER_REJECTED, account.name, order.symbol, order=rejected)
        return rejected

    def begin(self, account: AccountState, order: SimOrder, plan: AdmittedOrder) -> SimOrder:
        """An order that waited for another one is in the book, or waits for its own trigger, from now on."""
        state = self._state
        begun = replace(
            order,
            status=OrderStatus.UNTRIGGERED if plan.is_trigger else OrderStatus.NEW,
            updated_ms=state.now_ms,
            triggered_ms=0 if plan.is_trigger else state.now_ms,
            is_lock_shared=plan.order.is_lock_shared,
        )
        state.keep(account, begun)
        state.emit(EventKind.ORDER_PLACED, account.name, order.symbol, order=begun)
        self._emit_unlocked(account, begun)
        return begun

    def cancel(self, account: AccountState, order: SimOrder, cancel_client_id: str = "") -> SimOrder:
        state = self._state
        canceled = replace(
            order, status=OrderStatus.CANCELED, updated_ms=state.now_ms, cancel_client_id=cancel_client_id
        )
        state.keep(account, canceled)
        state.emit(EventKind.ORDER_CANCELED, account.name, order.symbol, order=canceled)
        self._emit_unlocked(account, order)
        return canceled

    def expire(self, account: AccountState, order: SimOrder, reason: ExpiryReason) -> SimOrder:
        state = self._state
        status = OrderStatus.EXPIRED_IN_MATCH if reason is ExpiryReason.SELF_TRADE else OrderStatus.EXPIRED
        expired = replace(order, status=status, updated_ms=state.now_ms, expiry_reason=reason)
        state.keep(account, expired)
        state.emit(EventKind.ORDER_EXPIRED, account.name, order.symbol, order=expired, reason=reason.value)
        self._emit_unlocked(account, order)
        return expired

    def fill_resting(self, account: AccountState, order: SimOrder) -> None:
        """The path has reached a resting order's price: fill it there, as far as the other side reaches."""
        state = self._state
        if order.price is None:
            return
        size = order.open_size
        if order.reduce_only:
            held = account.size_of(order.symbol, order.position_side)
            size = min(size, abs(held)) if held * order.side.sign < 0 else ZERO
            if not size:
                self.expire(account, order, ExpiryReason.REDUCE_ONLY)
                return
        part = sum((part for _, part in self._depth.walk(order.symbol, order.side, size=size)), ZERO)
        account.retry_ms[order.symbol, order.id] = state.now_ms + state.rules.resting_retry_ms
        if part <= 0:
            return
        if self._margin.is_beyond_bankruptcy(account, order, order.price):
            self.expire(account, order, ExpiryReason.PRICE_BOUND)
            return
        if not self._is_carried(account, order, part, order.price):
            self.expire(account, order, ExpiryReason.MARGIN)
            return
        price, order = order.price, self._alone(account, order)
        self._depth.take(order.symbol, order.side, part)
        order, _ = self._settlement.fill(account, order, Execution(price, part, is_maker=True))
        if order.is_open and order.reduce_only and not account.size_of(order.symbol, order.position_side):
            self.expire(account, order, ExpiryReason.REDUCE_ONLY)
        self.sweep(account, order.symbol)

    def fire(self, account: AccountState, order: SimOrder) -> None:
        """A trigger price has been reached."""
        state = self._state
        instrument = state.listings[order.symbol].instrument
        held = account.size_of(order.symbol, order.position_side)
        new = as_active(request_of(order), abs(held) if order.close_position else order.size)
        if not instrument.is_perp:
            self._fire_spot(account, order, new, instrument)
            return
        mark = state.mark(order.symbol)
        if order.price_protect and abs(mark - state.mid(order.symbol)) > mark * state.rules.trigger_protect_of(
            order.symbol
        ):
            self.expire(account, replace(order, triggered_ms=state.now_ms), ExpiryReason.PRICE_PROTECTED)
            return
        try:
            plan = self._admission.plan_active(account, new, instrument, is_fired=True)
        except Refusal as refusal:
            reason = (
                ExpiryReason.REDUCE_ONLY
                if refusal.reason is RefusalReason.REDUCE_ONLY
                else (ExpiryReason.REFUSED_ON_TRIGGER)
            )
            self.expire(account, replace(order, triggered_ms=state.now_ms), reason)
            return
        child_id = state.listings[order.symbol].last_order_id + 1
        fired = replace(
            order,
            status=OrderStatus.TRIGGERED,
            updated_ms=state.now_ms,
            triggered_ms=state.now_ms,
            child_id=child_id,
        )
        state.keep(account, fired)
        state.emit(EventKind.ORDER_TRIGGERED, account.name, order.symbol, order=fired)
        self._enter(account, plan, parent_id=order.id)

    def sweep(self, account: AccountState, symbol: str) -> None:
        """Without a position, orders that could only reduce it end."""
        if not self._state.listings[symbol].instrument.is_perp:
            return
        for order in account.open_of(symbol):
            if account.size_of(symbol, order.position_side):
                continue
            if order.close_position or (order.reduce_only and order.trigger_price is None):
                self.expire(account, order, ExpiryReason.REDUCE_ONLY)

    def _without_self_trade(self, account: AccountState, plan: AdmittedOrder) -> AdmittedOrder:
        """The plan after self-trade prevention: resting orders that it would have met expire, or it ends before."""
        new = plan.order
        if new.self_trade is SelfTrade.NONE or plan.is_trigger or plan.is_missed:
            return plan
        required = new.size if new.size is not None else sum((size for _, size in plan.fills), ZERO)
        met = []
        for other in account.open_of(new.symbol):
            if other.side is new.side or other.price is None or other.status is OrderStatus.UNTRIGGERED:
                continue
            is_reached = new.price is None or (new.price - other.price) * new.side.sign >= 0
            if is_reached and sum((size for _, size in _better(plan.fills, other, new.side)), ZERO) < required:
                met.append(other)
        if not met:
            return plan
        if new.self_trade is not SelfTrade.EXPIRE_TAKER:
            for other in met:
                self.expire(account, other, ExpiryReason.SELF_TRADE)
        if new.self_trade is SelfTrade.EXPIRE_MAKER:
            return plan
        nearest = min(met, key=lambda other: (other.price or ZERO) * new.side.sign)
        return replace(plan, fills=_better(plan.fills, nearest, new.side), is_prevented=True)

    def enter_forced(
        self, account: AccountState, new: NewOrder, fills: Sequence[Execution], forced_by: ForcedBy
    ) -> SimOrder:
        """An order of the exchange itself that closes a position: its executions are given."""
        order = self._create(account, new, OrderStatus.NEW, forced_by=forced_by)
        for execution in fills:
            if not execution.by_fund:
                self._depth.take(order.symbol, order.side, execution.size)
            order, _ = self._settlement.fill(account, order, execution)
        self.sweep(account, order.symbol)
        return order

    def _enter(self, account: AccountState, plan: AdmittedOrder, parent_id: int | None = None) -> SimOrder:
        return self.act(account, self.create(account, plan, parent_id=parent_id), plan)

    def create(
        self,
        account: AccountState,
        plan: AdmittedOrder,
        *,
        parent_id: int | None = None,
        status: OrderStatus | None = None,
    ) -> SimOrder:
        """The order of a plan, which has not acted yet; `status` for one that waits for another order."""
        new = plan.order
        if new.quote_size is not None:
            # What the money buys is known once the book has been walked; from here on it is an order by size.
            new = replace(new, size=sum((size for _, size in plan.fills), ZERO))
        if status is None:
            status = OrderStatus.UNTRIGGERED if plan.is_trigger else OrderStatus.NEW
        return self._create(account, new, status, parent_id=parent_id)

    def act(self, account: AccountState, order: SimOrder, plan: AdmittedOrder) -> SimOrder:
        """What the plan of an order that exists says: wait, end, or take and rest."""
        if plan.is_trigger:
            return order
        if plan.is_missed:
            is_post = order.time_in_force is TimeInForce.POST_ONLY
            return self.expire(account, order, ExpiryReason.WOULD_TAKE if is_post else ExpiryReason.FOK_UNFILLED)
        return self.take(account, order, plan)

    def take(self, account: AccountState, order: SimOrder, plan: AdmittedOrder) -> SimOrder:
        """Execute the plan of an order that exists; the answer has its `trades`."""
        order, trades = self._execute(account, order, plan.fills)
        reason = self._rest_reason(account, order, plan)
        if reason is not None and order.is_open:
            self.expire(account, order, reason)
        if trades:
            self.sweep(account, order.symbol)
        return replace(self._state.account(account.name).orders[order.symbol][order.id], trades=trades)

    def _execute(
        self, account: AccountState, order: SimOrder, fills: Sequence[Level]
    ) -> tuple[SimOrder, tuple[SimTrade, ...]]:
        trades = []
        for price, size in fills:
            self._depth.take(order.symbol, order.side, size)
            order, trade = self._settlement.fill(account, order, Execution(price, size, is_maker=False))
            trades.append(trade)
        return order, tuple(trades)

    def _rest_reason(self, account: AccountState, order: SimOrder, plan: AdmittedOrder) -> ExpiryReason | None:
        """Why what is left of an order that has just acted may not rest; None when it may, or nothing is left."""
        if not order.is_open:
            return None
        if plan.is_prevented:
            return ExpiryReason.SELF_TRADE
        if order.reduce_only and not account.size_of(order.symbol, order.position_side):
            return ExpiryReason.REDUCE_ONLY
        if order.price is None:
            return ExpiryReason.PRICE_BOUND if plan.is_bounded else ExpiryReason.BOOK_EMPTY
        if order.time_in_force in (TimeInForce.IOC, TimeInForce.FOK):
            return ExpiryReason.IOC_REST
        return None

    def _create(
        self,
        account: AccountState,
        new: NewOrder,
        status: OrderStatus,
        *,
        parent_id: int | None = None,
        forced_by: ForcedBy = ForcedBy.NOBODY,
    ) -> SimOrder:
        state = self._state
        listing = state.listings[new.symbol]
        listing.last_order_id += 1
        order = SimOrder(
            id=listing.last_order_id,
            account=account.name,
            client_id=new.client_id or state.make_client_id(),
            symbol=new.symbol,
            side=new.side,
            type=new.type,
            time_in_force=new.time_in_force,
            size=new.size or ZERO,
            price=new.price,
            status=status,
            created_ms=state.now_ms,
            updated_ms=state.now_ms,
            quote_size=new.quote_size,
            trigger_price=new.trigger_price,
            trigger_by_mark=new.trigger_by_mark,
            reduce_only=new.reduce_only,
            close_position=new.close_position,
            parent_id=parent_id,
            is_liquidation=forced_by is not ForcedBy.NOBODY,
            self_trade=new.self_trade,
            forced_by=forced_by,
            position_side=new.position_side,
            good_till_ms=new.good_till_ms,
            price_match=new.price_match,
            price_protect=new.price_protect,
            callback_rate=new.callback_rate,
            activation_price=new.activation_price,
            trail_price=trail_start(new, state.price(new.symbol, by_mark=new.trigger_by_mark)),
            strategy=new.strategy,
            list_id=new.list_id,
            is_lock_shared=new.is_lock_shared,
        )
        state.keep(account, order)
        state.emit(EventKind.ORDER_PLACED, account.name, new.symbol, order=order)
        self._emit_unlocked(account, order)
        return order

    def _fire_spot(self, account: AccountState, order: SimOrder, new: NewOrder, instrument: Instrument) -> None:
        """A spot trigger order goes on under its own id; what it locked pays for it."""
        state = self._state
        order = self._alone(account, order)
        active = replace(
            order,
            status=OrderStatus.NEW,
            updated_ms=state.now_ms,
            triggered_ms=state.now_ms,
        )
        state.keep(account, active)
        state.emit(EventKind.ORDER_TRIGGERED, account.name, order.symbol, order=active)
        budget = None
        if new.side is Side.BUY and new.price is None:
            locked = state.lock_of(active)
            budget = state.free(account, instrument.quote) + (locked[1] if locked else ZERO)
        fills = self._depth.walk(new.symbol, new.side, size=new.size, quote=budget, bound=new.price)
        self.take(account, active, AdmittedOrder(new, tuple(fills)))

    def _alone(self, account: AccountState, order: SimOrder) -> SimOrder:
        """The order once the other one of its pair has ended, which it does before this one fills or fires."""
        if order.list_id < 0:
            return order
        for other in account.open_of(order.symbol):
            if other.list_id == order.list_id and other.id != order.id and other.status is not OrderStatus.PENDING_NEW:
                self.expire(account, other, ExpiryReason.ORDER_LIST)
        if not order.is_lock_shared:
            return order
        alone = replace(order, is_lock_shared=False)
        self._state.keep(account, alone)
        return alone

    def _is_carried(self, account: AccountState, order: SimOrder, size: Decimal, price: Decimal) -> bool:
        """Whether the wallet still pays for a resting perp order that has been reached."""
        state = self._state
        instrument = state.listings[order.symbol].instrument
        held = account.size_of(order.symbol, order.position_side)
        adding = size if held * order.side.sign >= 0 else size - abs(held)
        if not instrument.is_perp or adding <= 0:
            return True
        notional = instrument.notional(adding, price)
        fee = notional * state.fee_rate(account, order.symbol, is_maker=True)
        needed = notional / state.config(account, order.symbol).leverage + fee
        bound = self._margin.order_margin(account, order.symbol)
        return needed <= self._margin.available(account) + bound

    def _emit_unlocked(self, account: AccountState, order: SimOrder) -> None:
        if not self._state.listings[order.symbol].instrument.is_perp:
            self._state.emit(EventKind.SPOT_WALLET, account.name, order.symbol, reason="order")


def _better(fills: Sequence[Level], other: SimOrder, side: Side) -> tuple[Level, ...]:
    """The fills that come before a resting order: at prices better for the taker than the order's."""
    return tuple((price, size) for price, size in fills if (price - (other.price or ZERO)) * side.sign < 0)


def request_of(order: SimOrder) -> NewOrder:
    """The request an order came from, as far as firing needs it."""
    return NewOrder(
        symbol=order.symbol,
        side=order.side,
        type=order.type,
        size=order.size or None,
        price=order.price,
        time_in_force=order.time_in_force if order.price is not None else TimeInForce.GTC,
        trigger_price=order.trigger_price,
        reduce_only=order.reduce_only,
        close_position=order.close_position,
        client_id=order.client_id,
        trigger_by_mark=order.trigger_by_mark,
        position_side=order.position_side,
        self_trade=order.self_trade,
        good_till_ms=order.good_till_ms,
        price_match=order.price_match,
        strategy=order.strategy,
        list_id=order.list_id,
    )
