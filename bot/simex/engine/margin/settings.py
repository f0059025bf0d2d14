"""What an account may set: leverage, margin type and isolated margin of a perp, its position mode and asset mode."""

from dataclasses import replace
from decimal import Decimal

from bot.domain.brackets import notional_cap
from bot.domain.money import ZERO
from bot.simex.engine.margin.requirements import Margin
from bot.simex.engine.refusal import Refusal, RefusalReason
from bot.simex.engine.state import AccountState, State
from bot.simex.engine.types import EventKind, PositionSide, SymbolConfig

R = RefusalReason


class MarginSettings:
    """Leverage, margin types and modes of accounts."""

    def __init__(self, state: State, margin: Margin) -> None:
        self._state, self._margin = state, margin

    def set_leverage(self, account: str, symbol: str, leverage: int) -> SymbolConfig:
        state = self._state
        held, listing = state.account(account), state.perp(symbol)
        config = state.config(held, symbol)
        brackets = self._margin.brackets(symbol)
        if not 1 <= leverage <= brackets[0].leverage_max:
            raise Refusal(R.LEVERAGE_INVALID, f"leverage {leverage} is outside 1..{brackets[0].leverage_max}")
        sizes = [position.size for _, position in held.sides_of(symbol)]
        if config.is_isolated and sizes and leverage < config.leverage:
            raise Refusal(R.LEVERAGE_REDUCTION, f"{symbol} has an isolated position at {config.leverage}x")
        mark = state.mark(symbol) if sizes else ZERO
        notional = max((listing.instrument.notional(size, mark) for size in sizes), default=ZERO)
        if notional > notional_cap(brackets, leverage):
            raise Refusal(R.LEVERAGE_BRACKET, f"notional {notional} is too large for {leverage}x")
        held.configs[symbol] = replace(config, leverage=leverage)
        if leverage < config.leverage and self._margin.available(held) < 0:
            held.configs[symbol] = config
            raise Refusal(R.INSUFFICIENT_MARGIN, f"{leverage}x needs more margin than is available")
        state.emit(EventKind.CONFIG, account, symbol, reason="leverage", amount=Decimal(leverage))
        return held.configs[symbol]

    def set_margin_type(self, account: str, symbol: str, *, isolated: bool) -> None:
        """Isolated or cross margin of a perp.

        Raises:
            Refusal: it is so already, the account is in multi-assets mode, or the perp has orders or a position.
        """
        state = self._state
        held = state.account(account)
        state.perp(symbol)
        config = state.config(held, symbol)
        if config.is_isolated is isolated:
            raise Refusal(R.MARGIN_TYPE_SAME, f"{symbol} has this margin type")
        if isolated and held.is_multi_assets:
            raise Refusal(R.ISOLATED_UNDER_MULTI_ASSETS, "the account is in multi-assets mode")
        if held.open.get(symbol):
            raise Refusal(R.OPEN_ORDERS_EXIST, f"{symbol} has open orders")
        if held.sides_of(symbol):
            raise Refusal(R.POSITION_EXISTS, f"{symbol} has a position")
        held.configs[symbol] = replace(config, is_isolated=isolated)
        state.emit(EventKind.CONFIG, account, symbol, reason="margin_type")

    def set_position_mode(self, account: str, *, hedge: bool) -> None:
        """One position a perp, or one a side of it.

        Raises:
            Refusal: it is so already, or there are orders or positions of perps.
        """
        state = self._state
        held = state.account(account)
        if held.is_hedge_mode is hedge:
            raise Refusal(R.POSITION_MODE_SAME, "the account has this position mode")
        if self._has_perp_orders(held):
            raise Refusal(R.POSITION_MODE_ORDERS, "there are open orders")
        if any(position.size for position in held.positions.values()):
            raise Refusal(R.POSITION_MODE_POSITION, "there are positions")
        held.is_hedge_mode = hedge
        state.emit(EventKind.CONFIG, account, reason="position_mode")

    def put_into_position_mode(self, held: AccountState, *, hedge: bool) -> None:
        """Change the mode with all that is held, which no venue does: positions and orders get their new sides.

        Raises:
            ValueError: to leave hedge mode with both sides of one symbol.
        """
        if held.is_hedge_mode is hedge:
            return
        before = [(symbol, position) for (symbol, _), position in held.positions.items() if position.size]
        if not hedge and len({symbol for symbol, _ in before}) < len(before):
            raise ValueError("both sides of one symbol are held")
        held.is_hedge_mode = hedge
        held.positions = {
            (symbol, PositionSide.of(position.size, is_hedge_mode=hedge)): position for symbol, position in before
        }
        for orders in tuple(held.open.values()):
            for order in tuple(orders.values()):
                if self._state.listings[order.symbol].instrument.is_perp:
                    reducing = PositionSide.closed_by(order.side)
                    opening = PositionSide.SHORT if reducing is PositionSide.LONG else PositionSide.LONG
                    side = PositionSide.BOTH if not hedge else reducing if order.reduce_only else opening
                    self._state.keep(held, replace(order, position_side=side))

    def set_multi_assets(self, account: str, *, on: bool) -> None:
        """Whether all assets of the account are margin.

        Raises:
            Refusal: it is so already, a perp is isolated or has orders, or the quote asset alone does not suffice.
        """
        state = self._state
        held = state.account(account)
        if held.is_multi_assets is on:
            raise Refusal(R.MULTI_ASSETS_SAME, "the account has this asset mode")
        perps = [symbol for symbol, listing in state.listings.items() if listing.instrument.is_perp]
        if on and any(state.config(held, symbol).is_isolated for symbol in perps):
            raise Refusal(R.MULTI_ASSETS_ISOLATED, "some symbols are in isolated margin")
        if self._has_perp_orders(held):
            raise Refusal(R.MULTI_ASSETS_ORDERS, "there are open orders")
        held.is_multi_assets = on
        if not on and self._margin.available(held) < 0:
            held.is_multi_assets = True
            raise Refusal(R.MARGIN_INSUFFICIENT, "the quote asset alone does not carry the positions")
        state.emit(EventKind.CONFIG, account, reason="multi_assets")

    def _has_perp_orders(self, account: AccountState) -> bool:
        return any(orders for symbol, orders in account.open.items() if self._state.listings[symbol].instrument.is_perp)

    def move_margin(self, account: str, symbol: str, amount: Decimal, side: PositionSide = PositionSide.BOTH) -> None:
        state = self._state
        held, listing = state.account(account), state.perp(symbol)
        config = state.config(held, symbol)
        if held.is_hedge_mode is (side is PositionSide.BOTH):
            raise Refusal(R.POSITION_SIDE, f"{side} is no side of this account's position mode")
        position = held.positions.get((symbol, side))
        if position is None or not position.size or not config.is_isolated:
            raise Refusal(R.POSITION_MISSING, f"{symbol} has no isolated position")
        if not amount.is_finite() or not amount:
            raise Refusal(R.BAD_REQUEST, f"margin of {amount} cannot be moved")
        if amount > 0:
            room = min(self._margin.available(held), self._margin.cross_balance(held))
        else:
            mark = state.mark(symbol)
            initial = listing.instrument.notional(position.size, mark) / config.leverage
            profit = self._margin.profit(symbol, position, mark)
            room = position.isolated_wallet + min(profit, ZERO) - initial
        if abs(amount) > room:
            raise Refusal(R.MARGIN_INSUFFICIENT, f"{amount} is more than {room}")
        position.isolated_wallet += amount
        position.check_after_ms = 0
        state.emit(EventKind.PERP_WALLET, account, symbol, reason="margin", amount=amount, side=side)
