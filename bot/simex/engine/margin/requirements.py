"""Margin of perps: what is bound, what is free, what an order costs, where a position is liquidated.

Signed sizes are contracts, money is quote. Formulas: `bot.domain.perp`; order cost and the use of
max(|position + buys|, |position − sells|) as Binance's FAQs on order cost and available balance describe them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from bot.domain import perp
from bot.domain.brackets import Bracket, notional_cap
from bot.domain.instrument import Instrument, Side
from bot.domain.money import ZERO
from bot.simex.engine.refusal import Refusal, RefusalReason
from bot.simex.engine.state import AccountState, PositionState, State
from bot.simex.engine.types import PerpWallet, SimPosition


@dataclass(frozen=True, slots=True)
class CrossMargin:
    """Sums over the cross positions of an account. `collateral` is the value of other assets that carry them."""

    balance: Decimal
    unrealised_pnl: Decimal
    maintenance: Decimal
    collateral: Decimal = ZERO

    @property
    def equity(self) -> Decimal:
        return self.balance + self.collateral + self.unrealised_pnl


def bracket_of(brackets: Sequence[Bracket], notional: Decimal) -> Bracket:
    """The bracket that holds a notional; the last one for what is above all."""
    return next((b for b in brackets if notional <= b.notional_cap), brackets[-1])


def maintenance_of(brackets: Sequence[Bracket], notional: Decimal) -> Decimal:
    bracket = bracket_of(brackets, notional)
    return notional * bracket.maintenance_rate - bracket.cum


def bankruptcy_price(instrument: Instrument, position: PositionState, margin: Decimal) -> Decimal:
    """The price at which a position has lost `margin`; below zero when it cannot."""
    base = position.size * instrument.contract_size
    return position.entry - margin / base


class Margin:
    """Reads of an account's perp wallet at now."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._changed: dict[str, tuple[Bracket, ...]] = {}
        self._usual: dict[tuple[str, Decimal, tuple[Bracket, ...]], tuple[Bracket, ...]] = {}

    @property
    def changed_brackets(self) -> Mapping[str, tuple[Bracket, ...]]:
        """Brackets other than the rules', by symbol."""
        return self._changed

    def set_brackets(self, symbol: str, brackets: tuple[Bracket, ...]) -> None:
        self._changed[symbol] = brackets

    def reset_brackets(self, symbol: str) -> None:
        self._changed.pop(symbol, None)

    def brackets(self, symbol: str) -> tuple[Bracket, ...]:
        changed = self._changed.get(symbol)
        if changed is not None:
            return changed
        instrument = self._state.listings[symbol].instrument
        key = symbol, instrument.leverage_max, instrument.brackets
        if key not in self._usual:
            self._usual[key] = self._state.rules.brackets_for(instrument)
        return self._usual[key]

    def profit(self, symbol: str, position: PositionState, mark: Decimal) -> Decimal:
        return perp.unrealised_pnl(self._state.listings[symbol].instrument, position.size, position.entry, mark)

    def maintenance(self, symbol: str, position: PositionState, mark: Decimal) -> Decimal:
        notional = self._state.listings[symbol].instrument.notional(position.size, mark)
        return maintenance_of(self.brackets(symbol), notional)

    def isolated_total(self, account: AccountState) -> Decimal:
        return sum((p.isolated_wallet for p in account.positions.values()), ZERO)

    def cross_balance(self, account: AccountState) -> Decimal:
        return self._state.ledger.held(account.perp, account.quote) - self.isolated_total(account)

    def cross(self, account: AccountState) -> CrossMargin:
        profit = maintenance = ZERO
        for symbol, position in account.positions.items():
            if position.size and not self._state.config(account, symbol).is_isolated:
                mark = self._state.mark(symbol)
                profit += self.profit(symbol, position, mark)
                maintenance += self.maintenance(symbol, position, mark)
        return CrossMargin(self.cross_balance(account), profit, maintenance, self.collateral(account))

    def collateral(self, account: AccountState) -> Decimal:
        """Value in quote of the perp wallet's other assets; only the multi-assets mode counts them as margin."""
        if not account.is_multi_assets:
            return ZERO
        held = self._state.ledger.assets(account.perp)
        return sum((self.value_of(asset, amount, account.quote) for asset, amount in held.items()), ZERO) - held.get(
            account.quote, ZERO
        )

    def value_of(self, asset: str, amount: Decimal, quote: str) -> Decimal:
        """By the asset's spot market; an asset without one is a stable coin, worth its number."""
        symbol = f"{asset}/{quote}"
        is_priced = asset != quote and symbol in self._state.listings
        return amount * self._state.mid(symbol) if is_priced else amount

    def order_margin(self, account: AccountState, symbol: str, extra: tuple[Side, Decimal] | None = None) -> Decimal:
        """Margin that resting orders of a symbol hold, with one more of (side, notional)."""
        sums = {Side.BUY: ZERO, Side.SELL: ZERO}
        instrument = self._state.listings[symbol].instrument
        for order in account.open.get(symbol, {}).values():
            if not order.reduce_only and order.trigger_price is None and order.price is not None:
                sums[order.side] += instrument.notional(order.open_size, order.price)
        if extra is not None:
            sums[extra[0]] += extra[1]
        if not sums[Side.BUY] and not sums[Side.SELL]:
            return ZERO
        size = account.size_of(symbol)
        held = size * instrument.contract_size * self._state.mark(symbol) if size else ZERO
        worst = max(abs(held + sums[Side.BUY]), abs(held - sums[Side.SELL]))
        return max(ZERO, worst - abs(held)) / self._state.config(account, symbol).leverage

    def orders_margin(self, account: AccountState) -> Decimal:
        perps = (s for s, orders in account.open.items() if orders and self._state.listings[s].instrument.is_perp)
        return sum((self.order_margin(account, symbol) for symbol in perps), ZERO)

    def available(self, account: AccountState) -> Decimal:
        """What a new order may bind; below zero when losses have eaten into what is bound."""
        cross = self.cross(account)
        return cross.equity - self._cross_initial(account) - self.orders_margin(account)

    def wallet(self, account: AccountState) -> PerpWallet:
        state = self._state
        cross = self.cross(account)
        positions = [self.position(account, s) for s, p in account.positions.items() if p.size]
        orders = self.orders_margin(account)
        free = cross.equity - self._cross_initial(account) - orders
        return PerpWallet(
            asset=account.quote,
            balance=state.ledger.held(account.perp, account.quote),
            cross_balance=cross.balance,
            available=max(ZERO, free),
            transferable=max(ZERO, min(free, cross.balance, free - max(ZERO, cross.unrealised_pnl))),
            initial_margin=sum((p.initial_margin for p in positions), ZERO) + orders,
            maintenance_margin=sum((p.maintenance_margin for p in positions), ZERO),
            unrealised_pnl=sum((p.unrealised_pnl for p in positions), ZERO),
            cross_unrealised_pnl=cross.unrealised_pnl,
            order_margin=orders,
        )

    def position(self, account: AccountState, symbol: str) -> SimPosition:
        state = self._state
        position, config = account.positions[symbol], state.config(account, symbol)
        instrument, mark = state.listings[symbol].instrument, state.mark(symbol)
        notional = position.size * instrument.contract_size * mark
        return SimPosition(
            symbol=symbol,
            size=position.size,
            entry_price=position.entry,
            mark=mark,
            notional=notional,
            unrealised_pnl=self.profit(symbol, position, mark),
            isolated_wallet=position.isolated_wallet,
            initial_margin=abs(notional) / config.leverage,
            maintenance_margin=self.maintenance(symbol, position, mark),
            leverage=config.leverage,
            liquidation_price=self.liquidation(account, symbol),
            is_isolated=config.is_isolated,
            updated_ms=position.updated_ms,
        )

    def liquidation(self, account: AccountState, symbol: str, cross: CrossMargin | None = None) -> Decimal | None:
        """Liquidation price of a position, the other symbols standing still; None when there is none."""
        state = self._state
        position = account.positions[symbol]
        if not position.size:
            return None
        margin = position.isolated_wallet
        if not state.config(account, symbol).is_isolated:
            sums = cross or self.cross(account)
            mark = state.mark(symbol)
            others = sums.unrealised_pnl - self.profit(symbol, position, mark)
            margin = (
                sums.balance + sums.collateral + others - (sums.maintenance - self.maintenance(symbol, position, mark))
            )
        instrument = state.listings[symbol].instrument
        return perp.liquidation_in_brackets(
            instrument, self.brackets(symbol), size=position.size, entry=position.entry, margin=margin
        )

    def check_order(self, account: AccountState, symbol: str, side: Side, size: Decimal, price: Decimal) -> None:
        """Whether an order that may add to a position can be carried; `price` is what it will be filled at, or its
        limit. Raises Refusal(LEVERAGE_BRACKET, INSUFFICIENT_MARGIN)."""
        state = self._state
        instrument, config, mark = state.listings[symbol].instrument, state.config(account, symbol), state.mark(symbol)
        held = account.size_of(symbol)
        adding = size if held * side.sign >= 0 else size - abs(held)
        assumed = price if side is Side.BUY else max(price, mark)
        after = self.order_margin(account, symbol, (side, instrument.notional(size, assumed)))
        cost = after - self.order_margin(account, symbol)
        if adding <= 0 and cost <= 0:
            return
        exposure = instrument.notional(held + side.sign * size, assumed)
        for order in account.open.get(symbol, {}).values():
            if order.side is side and not order.reduce_only and order.price is not None and not order.trigger_price:
                exposure += instrument.notional(order.open_size, order.price)
        cap = notional_cap(self.brackets(symbol), config.leverage)
        if exposure > cap:
            raise Refusal(RefusalReason.LEVERAGE_BRACKET, f"notional {exposure} is above {cap} at {config.leverage}x")
        if config.is_isolated and ZERO < adding < size:
            opening = instrument.notional(adding, assumed) / config.leverage
            cost = max(cost, opening - self._released(account, symbol, price))
        loss = max(ZERO, side.sign * (price - mark)) * max(ZERO, adding) * instrument.contract_size
        fee = instrument.notional(max(ZERO, adding), assumed) * self._state.fee_rate(account, symbol, is_maker=False)
        free = self.available(account)
        if cost + loss + fee > free:
            raise Refusal(RefusalReason.INSUFFICIENT_MARGIN, f"needs {cost + loss + fee}, available {free}")

    def is_beyond_bankruptcy(self, account: AccountState, symbol: str, side: Side, price: Decimal) -> bool:
        """Whether closing an isolated position at `price` would lose more than its margin."""
        position = account.positions.get(symbol)
        if position is None or position.size * side.sign >= 0 or not self._state.config(account, symbol).is_isolated:
            return False
        bound = bankruptcy_price(self._state.listings[symbol].instrument, position, position.isolated_wallet)
        return (price - bound) * side.sign > 0

    def _released(self, account: AccountState, symbol: str, price: Decimal) -> Decimal:
        """What closing an isolated position at `price` gives back."""
        position = account.positions[symbol]
        return position.isolated_wallet + self.profit(symbol, position, price)

    def _cross_initial(self, account: AccountState) -> Decimal:
        total = ZERO
        for symbol, position in account.positions.items():
            config = self._state.config(account, symbol)
            if position.size and not config.is_isolated:
                instrument = self._state.listings[symbol].instrument
                total += instrument.notional(position.size, self._state.mark(symbol)) / config.leverage
        return total
