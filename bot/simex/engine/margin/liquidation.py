"""What happens when margin no longer carries a position: it is closed, at the worst at its bankruptcy price.

Isolated: the position's own margin balance counts. Cross: all cross positions and the cross wallet together; positions
are closed one by one, the one that needs most maintenance first, until the rest is carried.
The insurance fund takes over what the book does not take inside the bankruptcy price, and gets the liquidation fee.
"""

from dataclasses import replace
from decimal import Decimal

from bot.domain.instrument import Instrument, Side
from bot.domain.money import ZERO, ceil_to, floor_to
from bot.domain.order import OrderType, TimeInForce
from bot.simex.engine.depth import Depth
from bot.simex.engine.margin.requirements import Margin, bankruptcy_price
from bot.simex.engine.orders.matching import Matching
from bot.simex.engine.settlement import Execution, Settlement, cents
from bot.simex.engine.state import AccountState, PositionKey, PositionState, State
from bot.simex.engine.types import EventKind, ExpiryReason, ForcedBy, NewOrder, PositionSide, SimOrder

SETTLED_ID, DELEVERAGED_ID, LIQUIDATED_ID = "settlement_autoclose", "adl_autoclose", "autoclose"
"""How the client ids of forced orders begin."""


class Liquidation:
    """Closes positions that their margin no longer carries."""

    def __init__(self, state: State, depth: Depth, margin: Margin, settlement: Settlement, matching: Matching) -> None:
        self._state, self._depth, self._margin = state, depth, margin
        self._settlement, self._matching = settlement, matching

    def check(self, account: AccountState) -> None:
        """Liquidate whatever of an account is due now."""
        state = self._state
        has_cross = False
        for (symbol, side), position in tuple(account.positions.items()):
            if not position.size or not state.is_open(symbol):
                continue
            if state.config(account, symbol).is_isolated:
                self._check_isolated(account, (symbol, side), position)
            else:
                has_cross = True
        if has_cross:
            self._check_cross(account)

    def settle_delisted(self, account: AccountState, symbol: str, at: Decimal | None = None) -> None:
        """Close what is held at the settlement price (mark if none is given), without a fee: its symbol ends."""
        mark = at if at is not None else self._state.mark(symbol)
        instrument = self._state.listings[symbol].instrument
        for side, position in account.sides_of(symbol):
            price = max(instrument.price_tick, mark)
            if self._state.config(account, symbol).is_isolated:
                price = _inside(price, bankruptcy_price(instrument, position, position.isolated_wallet), position.size)
            execution = Execution(price, abs(position.size), is_maker=False, is_free=True)
            order = self._order((symbol, side), position, price, f"{SETTLED_ID}-")
            self._matching.enter_forced(account, order, [execution], ForcedBy.SETTLEMENT)

    def deleverage(self, account: AccountState, key: PositionKey, size: Decimal) -> SimOrder:
        """Close so much of a position at mark against another account whose liquidation the fund cannot take."""
        state, position, (symbol, side) = self._state, account.positions[key], key
        for order in account.open_of(symbol):
            if order.trigger_price is None and order.position_side is side:
                self._matching.expire(account, order, ExpiryReason.LIQUIDATION)
        tick = state.listings[symbol].instrument.price_tick
        price = max(tick, state.mark(symbol))
        new = self._order(key, position, price, f"{DELEVERAGED_ID}-")
        executions = [Execution(price, size, is_maker=False, is_free=True)]
        return self._matching.enter_forced(account, replace(new, size=size), executions, ForcedBy.DELEVERAGING)

    def _check_isolated(self, account: AccountState, key: PositionKey, position: PositionState) -> None:
        symbol, side = key
        mark = self._state.mark(symbol)
        balance = position.isolated_wallet + self._margin.profit(symbol, position, mark)
        if balance > self._margin.maintenance(symbol, position, mark):
            return
        self._warn(account, key)
        self._expire_orders(account, symbol, side)
        instrument = self._state.listings[symbol].instrument
        margin = position.isolated_wallet
        bound = bankruptcy_price(instrument, position, margin)
        order = self._close(account, key, position, bound)
        realised = sum((t.realised_pnl for t in account.trades[symbol] if t.order_id == order.id), ZERO)
        self._charge(account, key, order, margin + realised)

    def _check_cross(self, account: AccountState) -> None:
        state, margin = self._state, self._margin
        is_warned = False
        while True:
            cross = margin.cross(account)
            if cross.equity > cross.maintenance or not cross.maintenance:
                break
            held = [
                (margin.maintenance(s, p, state.mark(s)), (s, side))
                for (s, side), p in account.positions.items()
                if p.size and not state.config(account, s).is_isolated and state.is_open(s)
            ]
            if not held:
                break
            key = symbol, _ = max(held)[1]
            if not is_warned:
                is_warned = True
                self._warn(account, key)
                for other in tuple(account.open):
                    if state.listings[other].instrument.is_perp:
                        self._expire_orders(account, other)
            position = account.positions[key]
            instrument, mark = state.listings[symbol].instrument, state.mark(symbol)
            bound = mark - max(ZERO, cross.equity) / (position.size * instrument.contract_size)
            order = self._close(account, key, position, bound)
            self._charge(account, key, order, margin.cross_balance(account))
        if not any(p.size and not state.config(account, s).is_isolated for (s, _), p in account.positions.items()):
            self._settlement.clear(account, "", max(ZERO, -margin.cross_balance(account)))

    def _close(self, account: AccountState, key: PositionKey, position: PositionState, bound: Decimal) -> SimOrder:
        symbol, _ = key
        instrument = self._state.listings[symbol].instrument
        size = abs(position.size)
        price = _on_safe_tick(instrument, bound, position.size)
        side = Side.of(-position.size)
        fills = [
            Execution(at, part, is_maker=False, is_free=True)
            for at, part in self._depth.walk(symbol, side, size=size, bound=price)
        ]
        rest = size - sum((fill.size for fill in fills), ZERO)
        if rest:
            fills.append(Execution(price, rest, is_maker=False, by_fund=True))
        forced_by = ForcedBy.INSURANCE if rest else ForcedBy.LIQUIDATION
        new = self._order(key, position, price, f"{LIQUIDATED_ID}-")
        order = self._matching.enter_forced(account, new, fills, forced_by)
        self._state.emit(EventKind.LIQUIDATION, account.name, symbol, order=order)
        return order

    def _charge(self, account: AccountState, key: PositionKey, order: SimOrder, left: Decimal) -> None:
        """The liquidation fee, as far as something is left."""
        symbol, side = key
        fee = cents(min(order.filled_quote * self._state.rules.liquidation_fee_of(symbol), max(ZERO, left)))
        self._settlement.clear(account, symbol, -fee, side)

    def _order(self, key: PositionKey, position: PositionState, price: Decimal, prefix: str) -> NewOrder:
        symbol, position_side = key
        number = self._state.listings[symbol].last_order_id + 1
        return NewOrder(
            symbol=symbol,
            position_side=position_side,
            side=Side.of(-position.size),
            type=OrderType.LIMIT,
            size=abs(position.size),
            price=price,
            time_in_force=TimeInForce.IOC,
            reduce_only=True,
            client_id=f"{prefix}{self._state.now_ms}{number:06d}",
        )

    def _warn(self, account: AccountState, key: PositionKey) -> None:
        symbol, side = key
        self._state.emit(EventKind.MARGIN_CALL, account.name, symbol, side=side)

    def _expire_orders(self, account: AccountState, symbol: str, side: PositionSide | None = None) -> None:
        for order in account.open_of(symbol):
            if side in (None, order.position_side):
                self._matching.expire(account, order, ExpiryReason.LIQUIDATION)


def _on_safe_tick(instrument: Instrument, bound: Decimal, size: Decimal) -> Decimal:
    """The bound on the grid, rounded so that closing there loses no more than at the bound."""
    rounded = ceil_to(bound, instrument.price_tick) if size > 0 else floor_to(bound, instrument.price_tick)
    return max(instrument.price_tick, rounded)


def _inside(price: Decimal, bound: Decimal, size: Decimal) -> Decimal:
    return max(price, bound) if size > 0 else min(price, bound)
