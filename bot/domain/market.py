"""What is known of the market at one instant. A Snapshot is all that a decision may see.

Times are UTC milliseconds. Mappings are keyed by unified symbol and never mutated after construction.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from bot.domain.candles import CandleSeries
from bot.domain.instrument import Instrument, Side


@dataclass(frozen=True, slots=True)
class Quote:
    """Best prices. `mark` and `index` are set for perps."""

    symbol: str
    bid: Decimal
    ask: Decimal
    at_ms: int
    last: Decimal | None = None
    mark: Decimal | None = None
    index: Decimal | None = None

    @property
    def mid(self) -> Decimal:
        return (self.bid + self.ask) / 2

    @property
    def valuation(self) -> Decimal:
        """The price that values a holding: mark for a perp, mid for spot."""
        return self.mark if self.mark is not None else self.mid

    def defect(self) -> str | None:
        """Why this quote must not be traded on, or None."""
        for name, price in (("bid", self.bid), ("ask", self.ask), ("mark", self.mark), ("index", self.index)):
            if price is not None and (not price.is_finite() or price <= 0):
                return f"{name} is {price}"
        return f"bid {self.bid} is above ask {self.ask}" if self.bid > self.ask else None


@dataclass(frozen=True, slots=True)
class Book:
    """Depth: (price, size) pairs, best first; sizes in the instrument's own unit."""

    symbol: str
    bids: tuple[tuple[Decimal, Decimal], ...]
    asks: tuple[tuple[Decimal, Decimal], ...]
    at_ms: int

    def side_for(self, side: Side) -> tuple[tuple[Decimal, Decimal], ...]:
        """The levels an order of `side` would take."""
        return self.asks if side is Side.BUY else self.bids


@dataclass(frozen=True, slots=True)
class Funding:
    """Funding of a perp: the rate expected at the next settlement. Positive: longs pay shorts (PLAYBOOK §8).

    `earlier` are past settlements as (time, the rate last seen before it), oldest first, as far as they were watched.
    """

    symbol: str
    rate: Decimal
    interval_hours: int
    next_ms: int
    at_ms: int
    earlier: tuple[tuple[int, Decimal], ...] = ()


@dataclass(frozen=True, slots=True)
class OpenInterest:
    """Open positions of a perp, quote. `earlier` are past readings as (time, value), oldest first and thinned."""

    symbol: str
    value_quote: Decimal
    at_ms: int
    earlier: tuple[tuple[int, Decimal], ...] = ()


@dataclass(frozen=True, slots=True)
class Premium:
    """How far a perp's mark stands above its index (+) or below it, share of the index (PLAYBOOK §8). `earlier` are
    past readings as (time, share), oldest first and thinned, as far as they were watched."""

    symbol: str
    share: Decimal
    at_ms: int
    earlier: tuple[tuple[int, Decimal], ...] = ()


@dataclass(frozen=True, slots=True)
class Tvl:
    """Total value locked of a sector (or `total`), oldest first, in quote currency.

    Where the source has the amounts of tokens of some parts, `native_quote` is what these parts are worth at the newest
    prices of their tokens, and `rest_quote` the value of the other parts; both are empty where it has none.
    """

    name: str
    at_ms: tuple[int, ...]
    values_quote: tuple[Decimal, ...]
    native_quote: tuple[Decimal, ...] = ()
    rest_quote: tuple[Decimal, ...] = ()


@dataclass(frozen=True, slots=True)
class Macro:
    """A series from outside the market, oldest first: `name` is the signal it feeds (`stablecoins`, `rates`, `usage`),
    `title` what people call it, `unit` what its values count."""

    name: str
    title: str
    unit: str
    at_ms: tuple[int, ...]
    values: tuple[Decimal, ...]


@dataclass(frozen=True, slots=True)
class Cost:
    """What is still held of a spot symbol's journaled purchases: `size` base units that were paid `value_quote`."""

    symbol: str
    size: Decimal
    value_quote: Decimal


@dataclass(frozen=True, slots=True)
class CalendarEvent:
    """An operator's event (PLAYBOOK §3): kind is `upgrade`, `regulatory` or `macro`; weight in [-1, 1]."""

    name: str
    kind: str
    start_ms: int
    end_ms: int
    weight: Decimal


@dataclass(frozen=True, slots=True)
class Missing:
    """Something that was asked for and did not come. `is_answered`: because its source answered that there is none.
    `since_ms`: the first of the questions in a row that went wrong, UTC ms; 0: this one, as far as is known."""

    what: str
    why: str
    is_answered: bool = False
    since_ms: int = 0


@dataclass(frozen=True, slots=True)
class SignalMarket:
    """The market that signals are read from, where it is not the one that is traded: its prices of spot, its funding
    and its premiums. Candles and open interest of the snapshot are its own then."""

    name: str
    at_ms: int
    prices: Mapping[str, Decimal] = field(default_factory=dict)
    funding: Mapping[str, Funding] = field(default_factory=dict)
    premiums: Mapping[str, Premium] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`signal_market` is None where signals are read from the market that is traded."""

    at_ms: int
    instruments: Mapping[str, Instrument]
    quotes: Mapping[str, Quote]
    candles: Mapping[str, CandleSeries] = field(default_factory=dict)
    books: Mapping[str, Book] = field(default_factory=dict)
    funding: Mapping[str, Funding] = field(default_factory=dict)
    open_interest: Mapping[str, OpenInterest] = field(default_factory=dict)
    tvl: Mapping[str, Tvl] = field(default_factory=dict)
    events: tuple[CalendarEvent, ...] = ()
    missing: tuple[Missing, ...] = ()
    costs: Mapping[str, Cost] = field(default_factory=dict)
    premiums: Mapping[str, Premium] = field(default_factory=dict)
    macro: Mapping[str, Macro] = field(default_factory=dict)
    signal_market: SignalMarket | None = None

    def has_asked(self, what: str) -> bool:
        """Whether something that is not here was asked for and did not come."""
        return any(absent.what == what for absent in self.missing)

    def price(self, symbol: str) -> Decimal | None:
        """Valuation price of a symbol, None when there is no sound quote."""
        quote = self.quotes.get(symbol)
        return None if quote is None or quote.defect() else quote.valuation
