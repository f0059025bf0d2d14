"""What an account may set for a perp: leverage, margin type, the margin of an isolated position."""

from dataclasses import replace
from decimal import Decimal

from bot.domain.money import ZERO
from bot.simex.engine.margin import Margin, notional_cap
from bot.simex.engine.refusal import Refusal, RefusalReason
from bot.simex.engine.state import State
from bot.simex.engine.types import EventKind, SymbolConfig

R = RefusalReason


class MarginSettings:
    def __init__(self, state: State, margin: Margin) -> None:
        self._state, self._margin = state, margin

    def set_leverage(self, account: str, symbol: str, leverage: int) -> SymbolConfig:
        state = self._state
        held, listing = state.account(account), state.perp(symbol)
        config = state.config(held, symbol)
        brackets = self._margin.brackets(symbol)
        if not 1 <= leverage <= brackets[0].leverage_max:
            raise Refusal(R.LEVERAGE_INVALID, f"leverage {leverage} is outside 1..{brackets[0].leverage_max}")
        size = held.size_of(symbol)
        if config.is_isolated and size and leverage < config.leverage:
            raise Refusal(R.LEVERAGE_REDUCTION, f"{symbol} has an isolated position at {config.leverage}x")
        notional = listing.instrument.notional(size, state.mark(symbol)) if size else ZERO
        if notional > notional_cap(brackets, leverage):
            raise Refusal(R.LEVERAGE_BRACKET, f"notional {notional} is too large for {leverage}x")
        held.configs[symbol] = replace(config, leverage=leverage)
        if leverage < config.leverage and self._margin.available(held) < 0:
            held.configs[symbol] = config
            raise Refusal(R.INSUFFICIENT_MARGIN, f"{leverage}x needs more margin than is available")
        state.emit(EventKind.CONFIG, account, symbol, reason="leverage", amount=Decimal(leverage))
        return held.configs[symbol]

    def set_margin_type(self, account: str, symbol: str, *, isolated: bool) -> None:
        state = self._state
        held = state.account(account)
        state.perp(symbol)
        config = state.config(held, symbol)
        if config.is_isolated is isolated:
            raise Refusal(R.MARGIN_TYPE_SAME, f"{symbol} has this margin type")
        if held.open.get(symbol):
            raise Refusal(R.OPEN_ORDERS_EXIST, f"{symbol} has open orders")
        if held.size_of(symbol):
            raise Refusal(R.POSITION_EXISTS, f"{symbol} has a position")
        held.configs[symbol] = replace(config, is_isolated=isolated)
        state.emit(EventKind.CONFIG, account, symbol, reason="margin_type")

    def move_margin(self, account: str, symbol: str, amount: Decimal) -> None:
        state = self._state
        held, listing = state.account(account), state.perp(symbol)
        config = state.config(held, symbol)
        position = held.positions.get(symbol)
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
        state.emit(EventKind.PERP_WALLET, account, symbol, reason="margin", amount=amount)
