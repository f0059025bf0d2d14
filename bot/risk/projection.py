"""The extremes an account can reach when any part of what is pending executes.

Nothing pending makes room for anything else: a sale that has not happened does not pay for exposure, so a bound that
holds here holds whichever subset fills, and however much of each (DESIGN §9). Pure arithmetic, no limits.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from bot.domain.instrument import Instrument, Side
from bot.domain.market import Snapshot
from bot.domain.money import ONE, ZERO
from bot.domain.order import Intent, Order, Purpose
from bot.domain.perp import funding_per_day
from bot.domain.portfolio import Portfolio
from bot.domain.states import OrderState
from bot.domain.symbol import base_of, is_perp

Range = tuple[Decimal, Decimal]
NOTHING: Range = (ZERO, ZERO)


@dataclass(frozen=True, slots=True)
class Pending:
    """Something that may execute: a working order's open size, or an intent. `price` is the worst it may get."""

    symbol: str
    side: Side
    size: Decimal
    price: Decimal
    sector: str
    purpose: Purpose
    reduce_only: bool
    is_trigger: bool
    leverage: Decimal | None = None
    margin_quote: Decimal = ZERO

    @classmethod
    def of_intent(cls, intent: Intent) -> "Pending":
        return cls(
            intent.symbol,
            intent.side,
            intent.size,
            intent.worst_price,
            intent.sector,
            intent.purpose,
            intent.reduce_only,
            intent.order_type.is_trigger,
            intent.leverage,
            intent.margin_quote,
        )

    @classmethod
    def of_order(cls, order: Order, snapshot: Snapshot, leverage: Decimal | None) -> "Pending":
        """A market order has no price of its own: the valuation stands in, ZERO where there is none."""
        price = order.price or order.trigger_price or snapshot.price(order.symbol) or ZERO
        return cls(
            order.symbol,
            order.side,
            order.open_size,
            price,
            order.sector,
            order.purpose,
            order.reduce_only,
            order.order_type.is_trigger,
            leverage,
        )

    @property
    def is_hedge(self) -> bool:
        return (
            self.purpose is Purpose.HEDGE and not self.reduce_only and is_perp(self.symbol) and self.side is Side.SELL
        )


@dataclass(frozen=True, slots=True)
class Exposure:
    """Extremes in quote, over every subset of what is pending. Ranges are (lowest, highest) signed values."""

    equity: Decimal
    gross: Decimal
    perp_gross: Decimal
    net: Range
    assets: Mapping[str, Range]
    sectors: Mapping[str, Range]
    perps: Mapping[str, Range]
    margin: Decimal
    hedges: Mapping[str, Decimal]
    covers: Mapping[str, Decimal]
    funding_cost_day: Decimal


def widest(bounds: Range) -> Decimal:
    """The larger absolute end of a range."""
    return max(abs(bounds[0]), abs(bounds[1]))


def pending_of(working: Iterable[Order], snapshot: Snapshot, portfolio: Portfolio) -> tuple[Pending, ...]:
    """Every working order that can still execute, doubts at full size. An order on an instrument that is not in the
    snapshot cannot be valued and is left out here; `order_checks.check_doubts` lets no entry pass beside it."""
    result = []
    for order in working:
        if order.open_size > 0 and order.symbol in snapshot.instruments:
            held = portfolio.account.positions.get(order.symbol)
            result.append(Pending.of_order(order, snapshot, held.leverage if held else None))
    return tuple(result)


def project(snapshot: Snapshot, portfolio: Portfolio, pending: Iterable[Pending]) -> Exposure:
    """The extremes of the account when any part of `pending` executes at its worst price."""
    tally = _Tally(snapshot, portfolio)
    for item in pending:
        tally.add(item)
    return tally.exposure()


class Projection:
    """The result of `project`, worked out at the first call: most refusals come before it is needed."""

    def __init__(self, snapshot: Snapshot, portfolio: Portfolio, pending: Sequence[Pending]) -> None:
        self._inputs = snapshot, portfolio, pending
        self._exposure: Exposure | None = None

    def __call__(self) -> Exposure:
        if self._exposure is None:
            self._exposure = project(*self._inputs)
        return self._exposure


class _Tally:
    """Running extremes. Mutable, lives inside one call of `project`."""

    def __init__(self, snapshot: Snapshot, portfolio: Portfolio) -> None:
        self.snapshot, self.portfolio = snapshot, portfolio
        self.weights = sector_weights(portfolio)
        self.loss = ZERO
        self.margin = sum((held_margin(snapshot, portfolio, symbol) for symbol in portfolio.account.positions), ZERO)
        self.hedges: dict[str, Decimal] = defaultdict(lambda: ZERO)
        self.covers = {name: sleeves.spot for name, sleeves in portfolio.sectors.items()}
        self.low: dict[str, Decimal] = {}
        self.high: dict[str, Decimal] = {}
        self.sector_low = {name: sleeves.net_exposure for name, sleeves in portfolio.sectors.items()}
        self.sector_high = dict(self.sector_low)
        self.shrunk: dict[tuple[str, Side], Decimal] = defaultdict(lambda: ZERO)
        for symbol, value in held_values(snapshot, portfolio).items():
            self.low[symbol] = self.high[symbol] = value

    def add(self, item: Pending) -> None:
        instrument = self.snapshot.instruments[item.symbol]
        valuation = self.snapshot.price(item.symbol) or item.price
        size = self._effective_size(item)
        is_spot_sale = not instrument.is_perp and item.side is Side.SELL
        is_reduction = is_spot_sale or item.reduce_only
        value = instrument.notional(size, valuation if is_reduction else max(valuation, item.price))
        if not item.is_trigger:
            worse = (item.price - valuation) * item.side.sign
            fee = instrument.taker_fee * instrument.notional(item.size, max(valuation, item.price))
            self.loss += instrument.notional(item.size, max(worse, ZERO)) + fee
        self._widen(item, -value if item.side is Side.SELL else value, is_spot_sale)
        if is_spot_sale:
            for sector, weight in self.weights.get(item.symbol, {item.sector: ONE}).items():
                self.covers[sector] = self.covers.get(sector, ZERO) - value * weight
        if instrument.is_perp and not item.reduce_only:
            self.margin += max(item.margin_quote, value / (item.leverage or ONE))
            if item.is_hedge:
                self.hedges[item.sector] += value

    def _effective_size(self, item: Pending) -> Decimal:
        """A reduce-only order moves at most what is held against it, all such orders together."""
        if not item.reduce_only:
            return item.size
        held = self.portfolio.held(item.symbol)
        key = (item.symbol, item.side)
        room = max(ZERO, -held * item.side.sign) - self.shrunk[key]
        size = min(item.size, room)
        self.shrunk[key] += size
        return size

    def _widen(self, item: Pending, change: Decimal, is_spot_sale: bool) -> None:
        low, high = self.low.get(item.symbol, ZERO), self.high.get(item.symbol, ZERO)
        if change < 0:
            reached = max(low + change, ZERO) if is_spot_sale else low + change
            change, self.low[item.symbol], self.high[item.symbol] = reached - low, reached, high
        else:
            self.low[item.symbol], self.high[item.symbol] = low, high + change
        is_perp = self.snapshot.instruments[item.symbol].is_perp
        weights = {item.sector: ONE} if is_perp else self.weights.get(item.symbol, {item.sector: ONE})
        for sector, weight in weights.items():
            self.sector_low[sector] = self.sector_low.get(sector, ZERO) + min(change, ZERO) * weight
            self.sector_high[sector] = self.sector_high.get(sector, ZERO) + max(change, ZERO) * weight

    def exposure(self) -> Exposure:
        ranges = {symbol: (self.low[symbol], self.high[symbol]) for symbol in self.low}
        perps = {symbol: bounds for symbol, bounds in ranges.items() if is_perp(symbol)}
        assets: dict[str, Range] = {}
        for symbol, (low, high) in ranges.items():
            token = _token(self.snapshot.instruments.get(symbol), symbol)
            before = assets.get(token, NOTHING)
            assets[token] = (before[0] + low, before[1] + high)
        return Exposure(
            equity=self.portfolio.equity - self.loss,
            gross=sum((widest(bounds) for bounds in ranges.values()), ZERO),
            perp_gross=sum((widest(bounds) for bounds in perps.values()), ZERO),
            net=(sum(self.low.values(), ZERO), sum(self.high.values(), ZERO)),
            assets=assets,
            sectors={name: (self.sector_low[name], self.sector_high[name]) for name in self.sector_low},
            perps=perps,
            margin=self.margin,
            hedges=dict(self.hedges),
            covers=self.covers,
            funding_cost_day=sum((self._funding_cost(symbol, bounds) for symbol, bounds in perps.items()), ZERO),
        )

    def _funding_cost(self, symbol: str, bounds: Range) -> Decimal:
        funding = self.snapshot.funding.get(symbol)
        if funding is None:
            return ZERO
        return max(ZERO, *(-funding_per_day(value, funding.rate, funding.interval_hours) for value in bounds))


def _token(instrument: Instrument | None, symbol: str) -> str:
    return instrument.token if instrument else base_of(symbol)


def held_values(snapshot: Snapshot, portfolio: Portfolio) -> dict[str, Decimal]:
    """Signed quote value of each spot holding and each perp position, by symbol."""
    values = {holding.symbol: holding.size * holding.price for holding in portfolio.holdings}
    values.update((symbol, position_value(snapshot, portfolio, symbol)) for symbol in portfolio.account.positions)
    return values


def position_value(snapshot: Snapshot, portfolio: Portfolio, symbol: str) -> Decimal:
    """Signed notional of a position at the snapshot's mark, at the account's own where the snapshot has none."""
    position, instrument = portfolio.account.positions[symbol], snapshot.instruments.get(symbol)
    contract = instrument.contract_size if instrument else ONE
    return position.size * contract * (snapshot.price(symbol) or position.mark_price)


def held_margin(snapshot: Snapshot, portfolio: Portfolio, symbol: str) -> Decimal:
    """Margin a position locks: its isolated wallet, else its notional over its leverage."""
    position = portfolio.account.positions[symbol]
    if position.margin > 0:
        return position.margin
    return abs(position_value(snapshot, portfolio, symbol)) / (position.leverage or ONE)


def sector_weights(portfolio: Portfolio) -> dict[str, dict[str, Decimal]]:
    """By spot symbol, the part of its value that each sector counts."""
    weights: dict[str, dict[str, Decimal]] = {}
    for holding in portfolio.holdings:
        whole = holding.size * holding.price
        if whole > 0:
            weights.setdefault(holding.symbol, {})[holding.sector] = holding.value / whole
    return weights


def held_hedges(snapshot: Snapshot, portfolio: Portfolio, hedges: Mapping[str, str]) -> dict[str, Decimal]:
    """Notional of the shorts held as hedges, by the sector they cover."""
    result: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for symbol, sector in hedges.items():
        if symbol in portfolio.account.positions:
            result[sector] += max(ZERO, -position_value(snapshot, portfolio, symbol))
    return dict(result)


def is_uncertain(order: Order) -> bool:
    """Whether the venue may or may not have the order, so that its balances do not show it yet."""
    return order.state in (OrderState.SUBMITTING, OrderState.IN_DOUBT)
