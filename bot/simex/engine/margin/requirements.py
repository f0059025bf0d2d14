"""Margin of perps: what is bound, what is free, what an order costs, where a position is liquidated.

Signed sizes are contracts, money is quote. Formulas: `bot.domain.perp`; order cost and the use of
max(|position + buys|, |position − sells|) as Binance's FAQs on order cost and available balance describe them.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from bot.domain import perp
from bot.domain.brackets import Bracket, notional_cap
from bot.domain.instrument import Instrument, Side
from bot.domain.money import ZERO
from bot.simex.engine.refusal import Refusal, RefusalReason
from bot.simex.engine.state import AccountState, PositionKey, PositionState, State
from bot.simex.engine.types import NewOrder, PerpWallet, PositionSide, SimOrder, SimPosition


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


def liquidation_of_both(
    instrument: Instrument,
    brackets: Sequence[Bracket],
    positions: Sequence[PositionState],
    margin: Decimal,
    mark: Decimal,
) -> Decimal | None:
    """The price next to the mark at which margin and both profits meet both maintenances, each side by the bracket that
    it is in then; None when there is none."""
    result: list[Decimal] = []
    bases = [position.size * instrument.contract_size for position in positions]
    paid = sum((base * position.entry for base, position in zip(bases, positions, strict=True)), ZERO)
    slopes = [[(b, abs(base) * b.maintenance_rate - base) for b in brackets] for base in bases]
    for chosen in itertools.product(*slopes):
        slope = sum((part for _, part in chosen), ZERO)
        if not slope:
            continue
        price = (margin - paid + sum((b.cum for b, _ in chosen), ZERO)) / slope
        if price > 0 and all(
            b.notional_floor <= instrument.notional(position.size, price) <= b.notional_cap
            for (b, _), position in zip(chosen, positions, strict=True)
        ):
            result.append(price)
    return min(result, key=lambda price: abs(price - mark), default=None)


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
        for (symbol, _), position in account.positions.items():
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

    def order_margin(
        self,
        account: AccountState,
        symbol: str,
        extra: tuple[Side, Decimal] | None = None,
        side: PositionSide | None = None,
    ) -> Decimal:
        """Margin that resting orders of a symbol hold, with one more of (side, notional); with `side` those of one side
        of hedge mode alone, in which what opens is never set against what the other side holds."""
        sums = {Side.BUY: ZERO, Side.SELL: ZERO}
        instrument = self._state.listings[symbol].instrument
        for order in account.open.get(symbol, {}).values():
            is_of_side = side in (None, order.position_side)
            if is_of_side and not order.reduce_only and order.trigger_price is None and order.price is not None:
                sums[order.side] += instrument.notional(order.open_size, order.price)
        if extra is not None:
            sums[extra[0]] += extra[1]
        if not sums[Side.BUY] and not sums[Side.SELL]:
            return ZERO
        leverage = self._state.config(account, symbol).leverage
        if account.is_hedge_mode:
            return (sums[Side.BUY] + sums[Side.SELL]) / leverage
        size = account.size_of(symbol)
        held = size * instrument.contract_size * self._state.mark(symbol) if size else ZERO
        worst = max(abs(held + sums[Side.BUY]), abs(held - sums[Side.SELL]))
        return max(ZERO, worst - abs(held)) / leverage

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
        positions = [self.position(account, key) for key, p in account.positions.items() if p.size]
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

    def position(self, account: AccountState, key: PositionKey) -> SimPosition:
        state, (symbol, side) = self._state, key
        position, config = account.positions[key], state.config(account, symbol)
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
            liquidation_price=self.liquidation(account, key),
            is_isolated=config.is_isolated,
            updated_ms=position.updated_ms,
            side=side,
        )

    def liquidation(self, account: AccountState, key: PositionKey, cross: CrossMargin | None = None) -> Decimal | None:
        """Liquidation price of a position, the other symbols standing still; None when there is none.

        Both sides of one symbol share the wallet in cross margin: they have one price, the same for both.
        """
        state, (symbol, _) = self._state, key
        position = account.positions[key]
        if not position.size:
            return None
        instrument, brackets = state.listings[symbol].instrument, self.brackets(symbol)
        if state.config(account, symbol).is_isolated:
            return perp.liquidation_in_brackets(
                instrument, brackets, size=position.size, entry=position.entry, margin=position.isolated_wallet
            )
        sums, mark = cross or self.cross(account), state.mark(symbol)
        together = [held for _, held in account.sides_of(symbol)]
        others = sums.unrealised_pnl - sum((self.profit(symbol, held, mark) for held in together), ZERO)
        maintenance = sums.maintenance - sum((self.maintenance(symbol, held, mark) for held in together), ZERO)
        margin = sums.balance + sums.collateral + others - maintenance
        if len(together) > 1:
            return liquidation_of_both(instrument, brackets, together, margin, mark)
        return perp.liquidation_in_brackets(
            instrument, brackets, size=position.size, entry=position.entry, margin=margin
        )

    def is_liquidated_above(self, account: AccountState, key: PositionKey, price: Decimal) -> bool:
        """Whether a position's liquidation price is met by a rising mark; of both sides in cross margin it may be on
        either side of the mark."""
        symbol, _ = key
        is_shared = len(account.sides_of(symbol)) > 1 and not self._state.config(account, symbol).is_isolated
        return price > self._state.mark(symbol) if is_shared else account.positions[key].size < 0

    def check_order(self, account: AccountState, order: NewOrder, size: Decimal, price: Decimal) -> None:
        """Whether an order that may add to a position can be carried; `price` is what it will be filled at, or its
        limit. Raises Refusal(LEVERAGE_BRACKET, INSUFFICIENT_MARGIN)."""
        state, symbol, side = self._state, order.symbol, order.side
        instrument, config, mark = state.listings[symbol].instrument, state.config(account, symbol), state.mark(symbol)
        held = account.size_of(symbol, order.position_side)
        adding = size if held * side.sign >= 0 else size - abs(held)
        assumed = price if side is Side.BUY else max(price, mark)
        after = self.order_margin(account, symbol, (side, instrument.notional(size, assumed)))
        cost = after - self.order_margin(account, symbol)
        if adding <= 0 and cost <= 0:
            return
        exposure = instrument.notional(held + side.sign * size, assumed)
        for other in account.open.get(symbol, {}).values():
            if other.side is side and not other.reduce_only and other.price is not None and not other.trigger_price:
                exposure += instrument.notional(other.open_size, other.price)
        cap = notional_cap(self.brackets(symbol), config.leverage)
        if exposure > cap:
            raise Refusal(RefusalReason.LEVERAGE_BRACKET, f"notional {exposure} is above {cap} at {config.leverage}x")
        if config.is_isolated and ZERO < adding < size:
            opening = instrument.notional(adding, assumed) / config.leverage
            cost = max(cost, opening - self._released(account, (symbol, order.position_side), price))
        loss = max(ZERO, side.sign * (price - mark)) * max(ZERO, adding) * instrument.contract_size
        fee = instrument.notional(max(ZERO, adding), assumed) * self._state.fee_rate(account, symbol, is_maker=False)
        free = self.available(account)
        if cost + loss + fee > free:
            raise Refusal(RefusalReason.INSUFFICIENT_MARGIN, f"needs {cost + loss + fee}, available {free}")

    def is_beyond_bankruptcy(self, account: AccountState, order: SimOrder, price: Decimal) -> bool:
        """Whether an order that closes an isolated position at `price` would lose more than its margin."""
        symbol, side = order.symbol, order.side
        position = account.positions.get((symbol, order.position_side))
        if position is None or position.size * side.sign >= 0 or not self._state.config(account, symbol).is_isolated:
            return False
        bound = bankruptcy_price(self._state.listings[symbol].instrument, position, position.isolated_wallet)
        return (price - bound) * side.sign > 0

    def _released(self, account: AccountState, key: PositionKey, price: Decimal) -> Decimal:
        """What closing an isolated position at `price` gives back."""
        position = account.positions[key]
        return position.isolated_wallet + self.profit(key[0], position, price)

    def _cross_initial(self, account: AccountState) -> Decimal:
        total = ZERO
        for (symbol, _), position in account.positions.items():
            config = self._state.config(account, symbol)
            if position.size and not config.is_isolated:
                instrument = self._state.listings[symbol].instrument
                total += instrument.notional(position.size, self._state.mark(symbol)) / config.leverage
        return total
