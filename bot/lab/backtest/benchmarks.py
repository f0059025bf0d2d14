"""What a run is compared with, traded at an exchange of its own on the same market: same spread, depth, fees, filters.

`hold` buys the neutral spot shares and never trades again, `monthly` brings them back to neutral on the first of every
month, `btc` is all of it in what stands for the whole market. A sector's part waits in cash until one of its tokens is
listed. Futures sleeves are cash here: the neutral stance leaves them flat.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from bot.domain.instrument import Instrument, Side
from bot.domain.market import Snapshot
from bot.domain.money import ZERO, floor_to
from bot.domain.order import OrderType
from bot.domain.symbol import base_of
from bot.playbook.book.portfolio import read_weights
from bot.playbook.policy.membership import Sectors
from bot.playbook.policy.numbers import Policy
from bot.simex.engine.exchange import Exchange
from bot.simex.engine.market import Market
from bot.simex.engine.refusal import Refusal
from bot.simex.engine.types import NewOrder

HOLD, MONTHLY, BTC = "hold", "monthly", "btc"
NAMES = (HOLD, MONTHLY, BTC)
WORDS = {
    HOLD: "neutral spot shares bought once and held",
    MONTHLY: "neutral spot shares, rebalanced on the first of every month",
    BTC: "all of it in the market symbol",
}
SLICES = 20


@dataclass(slots=True)
class Tally:
    """What a benchmark has cost so far, in quote."""

    traded_quote: Decimal = ZERO
    fees_quote: Decimal = ZERO
    orders: int = 0


class Benchmarks:
    """Three accounts at one exchange. Call `step` at every moment of the run, in order; it returns their equity.

    Args:
        refit: brings the instruments' grids up to the present prices, as the run's own exchange does.
    """

    def __init__(
        self,
        market: Market,
        instruments: Mapping[str, Instrument],
        policy: Policy,
        sectors: Sectors,
        *,
        start_ms: int,
        book_quote: Decimal,
        refit: Callable[[Exchange], None] = lambda _: None,
    ) -> None:
        self._policy, self._sectors, self._refit, self._book_quote = policy, sectors, refit, book_quote
        spot = {symbol: result for symbol, result in instruments.items() if not result.is_perp}
        self.exchanges = {name: Exchange(instruments=spot, market=market, start_ms=start_ms) for name in NAMES}
        for name, exchange in self.exchanges.items():
            exchange.create_account(name, spot={sectors.quote: book_quote}, quote=sectors.quote)
        self._symbols = frozenset(spot)
        self.tallies = {name: Tally() for name in NAMES}
        self._bought: set[str] = set()
        self._month: tuple[int, int] | None = None

    def step(self, at_ms: int) -> Mapping[str, Decimal]:
        """Trade what is due at this moment; equity by benchmark, in quote."""
        for exchange in self.exchanges.values():
            exchange.advance(at_ms)
            self._refit(exchange)
        self._hold()
        moment = datetime.fromtimestamp(at_ms / 1000, UTC)
        if (moment.year, moment.month) != self._month:
            self._month = (moment.year, moment.month)
            self._rebalance()
        if BTC not in self._bought and self.exchanges[BTC].is_open(self._policy.signals.market_symbol):
            self._bought.add(BTC)
            self._buy(BTC, self._policy.signals.market_symbol, self.equity(BTC))
        return {name: self.equity(name) for name in NAMES}

    def equity(self, name: str) -> Decimal:
        """Cash and holdings at the middle of the market. What no longer trades counts nothing."""
        exchange, total = self.exchanges[name], ZERO
        for asset, balance in exchange.balances(name).items():
            symbol = self._sectors.spot(asset)
            if asset == self._sectors.quote:
                total += balance.total
            elif symbol in self._symbols and exchange.is_open(symbol):
                total += balance.total * exchange.quote(symbol).mid
        return total

    def _hold(self) -> None:
        for sector in self._sectors.sectors:
            if sector in self._bought or not (weights := self._weights(HOLD, sector)):
                continue
            self._bought.add(sector)
            budget = self._share(sector) * self._book_quote
            for symbol, weight in weights.items():
                self._buy(HOLD, symbol, budget * weight)

    def _rebalance(self) -> None:
        """Sales first, so that purchases have the cash."""
        exchange, equity = self.exchanges[MONTHLY], self.equity(MONTHLY)
        required: dict[str, Decimal] = {}
        for sector in self._sectors.sectors:
            for symbol, weight in self._weights(MONTHLY, sector).items():
                required[symbol] = self._share(sector) * equity * weight
        held = exchange.balances(MONTHLY)
        moves = []
        for symbol in sorted(self._symbols):
            if exchange.is_open(symbol):
                balance = held.get(base_of(symbol))
                value = balance.total * exchange.quote(symbol).mid if balance else ZERO
                moves.append((required.get(symbol, ZERO) - value, symbol))
        for change, symbol in sorted(moves):
            if change < 0:
                self._trade(MONTHLY, symbol, Side.SELL, -change / exchange.quote(symbol).bid)
            elif change > 0:
                self._buy(MONTHLY, symbol, change)

    def _share(self, sector: str) -> Decimal:
        return self._policy.allocation.neutral.get(f"{sector}.spot", ZERO)

    def _weights(self, name: str, sector: str) -> Mapping[str, Decimal]:
        """Weight of each listed token of a sector, by symbol."""
        exchange = self.exchanges[name]
        instruments = exchange.instruments
        quotes = {symbol: exchange.quote(symbol) for symbol, result in instruments.items() if result.active}
        weights, _ = read_weights(sector, Snapshot(exchange.now_ms, instruments, quotes), self._sectors)
        return {self._sectors.spot(token): weight for token, weight in weights.items()}

    def _buy(self, name: str, symbol: str, budget: Decimal) -> None:
        """For at most `budget`, and never more than the cash there is, fee included."""
        exchange = self.exchanges[name]
        balance = exchange.balances(name).get(self._sectors.quote)
        quote = exchange.quote(symbol)
        spend = min(budget, balance.free if balance else ZERO)
        self._trade(name, symbol, Side.BUY, spend / quote.ask)

    def _trade(self, name: str, symbol: str, side: Side, size: Decimal) -> None:
        """Take what the book offers, in orders the filters allow, until it is done or nothing more is to be had."""
        exchange, tally = self.exchanges[name], self.tallies[name]
        for _ in range(SLICES):
            instrument = exchange.instruments[symbol]
            part = floor_to(min(size, instrument.market_size_max or size), instrument.size_step)
            part = self._affordable(name, symbol, part) if side is Side.BUY else part
            if part <= 0:
                return
            try:
                order = exchange.place(name, NewOrder(symbol, side, OrderType.MARKET, size=part))
            except Refusal:
                return
            tally.orders += 1
            tally.traded_quote += order.filled_quote
            for trade in order.trades:
                tally.fees_quote += trade.fee if trade.fee_asset == self._sectors.quote else trade.fee * trade.price
            size -= order.filled_size
            if order.filled_size < part:
                return

    def _affordable(self, name: str, symbol: str, size: Decimal) -> Decimal:
        """As much of it as the cash pays for along the book."""
        exchange = self.exchanges[name]
        balance = exchange.balances(name).get(self._sectors.quote)
        cash, taken = balance.free if balance else ZERO, ZERO
        instrument = exchange.instruments[symbol]
        for price, offered in exchange.book(symbol, 60).asks:
            part = min(offered, size - taken, floor_to(cash / price, instrument.size_step))
            if part <= 0:
                break
            taken += part
            cash -= part * price
        return floor_to(min(taken, size), instrument.size_step)
