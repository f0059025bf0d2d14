"""What the engine asks of a market: prices, depth and their path through time. Floats; the engine rounds.

Paths are exact functions of time: asking twice gives the same, asking in any order gives the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, Protocol

from bot.domain.candles import CandleSeries

PriceKind = Literal["last", "mark", "index"]
Levels = tuple[tuple[Decimal, Decimal], ...]


@dataclass(frozen=True, slots=True)
class PricePoint:
    """A symbol at one instant. `spread` is relative (0.0004: 4 bps between bid and ask), `depth_quote` the value
    offered within one percent of the middle on either side. `mark` and `index` equal `mid` for spot."""

    mid: float
    spread: float
    depth_quote: float
    mark: float
    index: float


@dataclass(frozen=True, slots=True)
class FundingTerms:
    """Expected rate of the next settlement at `next_ms`."""

    rate: float
    interval_hours: int
    next_ms: int


class Market(Protocol):
    """Prices by unified symbol. `KeyError` for symbols that are not in `symbols`."""

    @property
    def symbols(self) -> Sequence[str]: ...

    def listed(self, symbol: str) -> tuple[int, int | None]:
        """(first millisecond, first millisecond after the last, None while there is no end)."""
        ...

    def at(self, symbol: str, ms: int) -> PricePoint: ...

    def levels(self, symbol: str, ms: int) -> tuple[Levels, Levels] | None:
        """Real (bids, asks), best first, where the market knows them; None: the engine makes a ladder from `at`."""
        ...

    def crossing(
        self, symbol: str, start_ms: int, end_ms: int, price: float, *, rising: bool, kind: PriceKind
    ) -> int | None:
        """The first millisecond in [start, end] at which the path is at or beyond `price`, None when it never is."""
        ...

    def extremes(self, symbol: str, start_ms: int, end_ms: int, kind: PriceKind) -> tuple[float, float]:
        """(lowest, highest) price of the path in [start, end]."""
        ...

    def candles(
        self, symbol: str, timeframe_ms: int, start_ms: int, end_ms: int, limit: int, kind: PriceKind, now_ms: int
    ) -> CandleSeries:
        """Candles that open in [start, end], at most `limit`: the newest of them where `start` is 0, else the oldest.
        The one running at `now_ms` is included as far as it has come; nothing after `now_ms` is in any candle."""
        ...

    def funding(self, symbol: str, ms: int) -> FundingTerms | None:
        """None for spot and for perps without funding."""
        ...

    def funding_events(self, symbol: str, start_ms: int, end_ms: int) -> Sequence[tuple[int, float]]:
        """(time, rate) of the settlements in (start, end], oldest first."""
        ...

    def open_interest(self, symbol: str, ms: int) -> float | None:
        """Quote value."""
        ...
