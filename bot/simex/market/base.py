"""The part all path markets share: one path per symbol and price kind behind the engine's `Market` protocol."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf

from bot.domain.candles import CandleSeries
from bot.domain.durations import DAY_MS, HOUR_MS
from bot.domain.instrument import multiplier_of, token_of
from bot.domain.symbol import base_of, quote_of
from bot.simex.engine.market import FundingTerms, Levels, PriceKind, PricePoint
from bot.simex.market.path import Path, series_of, thinned


@dataclass(frozen=True, slots=True)
class Track:
    """One symbol: the path of its trades, of its mark and of its index, and how deep its book is.

    `funding` are settlements (time, rate), oldest first; `interest` open interest (time, quote value) likewise.
    """

    last: Path
    mark: Path
    index: Path
    start_ms: int
    end_ms: int | None = None
    spread: float = 0.0004
    depth_quote: float = 1_000_000.0
    interval_hours: int = 8
    is_perp: bool = False
    funding: Sequence[tuple[int, float]] = ()
    interest: Sequence[tuple[int, float]] = ()

    def path(self, kind: PriceKind) -> Path:
        return self.last if kind == "last" else self.mark if kind == "mark" else self.index


def spot_behind(perp: str) -> tuple[str, float]:
    """The spot symbol that a perp follows where it is not listed as a token of its own, and how many of its tokens one
    unit of the perp is: PEPE/USDT and 1000 for 1000PEPE/USDT:USDT."""
    base, quote = base_of(perp), quote_of(perp)
    return f"{token_of(base)}/{quote}", float(multiplier_of(base))


class PathMarket:
    """A `Market` over tracks. Subclasses fill `tracks`, or override `track` to make them when they are asked for."""

    def __init__(self, tracks: Mapping[str, Track]) -> None:
        self._tracks = dict(tracks)

    @property
    def symbols(self) -> Sequence[str]:
        return tuple(self._tracks)

    def track(self, symbol: str) -> Track:
        return self._tracks[symbol]

    def listed(self, symbol: str) -> tuple[int, int | None]:
        track = self.track(symbol)
        return track.start_ms, track.end_ms

    def at(self, symbol: str, ms: int) -> PricePoint:
        track = self.track(symbol)
        mid = track.last.price(ms)
        if not track.is_perp:
            return PricePoint(mid, track.spread, track.depth_quote, mid, mid)
        mark = mid if track.mark is track.last else track.mark.price(ms)
        return PricePoint(mid, track.spread, track.depth_quote, mark, track.index.price(ms))

    def levels(self, symbol: str, ms: int) -> tuple[Levels, Levels] | None:
        return None

    def crossing(
        self, symbol: str, start_ms: int, end_ms: int, price: float, *, rising: bool, kind: PriceKind
    ) -> int | None:
        return self.track(symbol).path(kind).crossing(start_ms, end_ms, price, rising=rising)

    def extremes(self, symbol: str, start_ms: int, end_ms: int, kind: PriceKind) -> tuple[float, float]:
        return self.track(symbol).path(kind).extremes(start_ms, end_ms)

    def candles(
        self, symbol: str, timeframe_ms: int, start_ms: int, end_ms: int, limit: int, kind: PriceKind, now_ms: int
    ) -> CandleSeries:
        path = self.track(symbol).path(kind)
        return series_of(symbol, timeframe_ms, path.columns(timeframe_ms, start_ms, end_ms, limit, now_ms))

    def funding(self, symbol: str, ms: int) -> FundingTerms | None:
        """The rate expected is the one settled last: what comes next is not looked up, only when."""
        track = self.track(symbol)
        if not track.is_perp:
            return None
        known = thinned(track.funding, ms - 2 * DAY_MS, ms)
        hours = track.interval_hours
        if len(known) > 1:
            hours = max(1, min(8, round((known[-1][0] - known[-2][0]) / HOUR_MS)))
        coming = thinned(track.funding, ms, ms + hours * HOUR_MS)
        next_ms = coming[0][0] if coming else ms - ms % (hours * HOUR_MS) + hours * HOUR_MS
        return FundingTerms(known[-1][1] if known else 0.0, hours, next_ms)

    def funding_events(self, symbol: str, start_ms: int, end_ms: int) -> Sequence[tuple[int, float]]:
        return thinned(self.track(symbol).funding, start_ms, end_ms)

    def open_interest(self, symbol: str, ms: int) -> float | None:
        interest = self.track(symbol).interest
        known = bisect_right(interest, (ms, inf))
        return interest[known - 1][1] if known and interest[known - 1][0] > 0 else None
