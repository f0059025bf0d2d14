"""The latest a venue has told us, as a market the engine can trade on.

The engine's market protocol speaks floats, so the conversions happen here; they place fills in time and pick triggers.
Prices and sizes of fills are the book's own Decimals, handed through as `levels`.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bot.domain.candles import CandleSeries
from bot.domain.market import Book, Funding, Quote
from bot.simex.engine.market import FundingTerms, Levels, PriceKind, PricePoint

_KEPT = 2_000
_BOOK_AGE_MS = 10_000
_THIN_DEPTH_QUOTE = 50_000.0
"""Value assumed within one percent of the middle while no book has been read: deliberately small."""


@dataclass(slots=True)
class _Track:
    """One symbol: when we looked, and what we saw; the books only of the last look."""

    times: list[int] = field(default_factory=list)
    points: list[PricePoint] = field(default_factory=list)
    book: Book | None = None
    funding: Funding | None = None
    settlements: dict[int, float] = field(default_factory=dict)


class PaperMarket:
    """Implements `bot.simex.engine.market.Market`. Between two looks a price stays what it was."""

    def __init__(self) -> None:
        self._tracks: dict[str, _Track] = {}

    def push_quote(self, quote: Quote) -> None:
        """Add a look; one that is defective or older than the last is left out."""
        track = self._tracks.setdefault(quote.symbol, _Track())
        if quote.defect() or (track.times and quote.at_ms < track.times[-1]):
            return
        middle = quote.mid
        point = PricePoint(
            mid=float(middle),
            spread=float((quote.ask - quote.bid) / middle),
            depth_quote=_THIN_DEPTH_QUOTE,
            mark=float(quote.mark if quote.mark is not None else middle),
            index=float(quote.index if quote.index is not None else middle),
        )
        if track.times and track.times[-1] == quote.at_ms:
            track.points[-1] = point
            return
        track.times.append(quote.at_ms)
        track.points.append(point)
        if len(track.times) > _KEPT:
            del track.times[: _KEPT // 2], track.points[: _KEPT // 2]

    def push_book(self, book: Book) -> None:
        self._tracks.setdefault(book.symbol, _Track()).book = book

    def push_funding(self, funding: Funding) -> None:
        """The rate last seen before a settlement is the one that is settled."""
        track = self._tracks.setdefault(funding.symbol, _Track())
        track.funding = funding
        if funding.at_ms <= funding.next_ms:
            track.settlements[funding.next_ms] = float(funding.rate)

    @property
    def symbols(self) -> Sequence[str]:
        return tuple(symbol for symbol, track in self._tracks.items() if track.points)

    def listed(self, symbol: str) -> tuple[int, int | None]:
        self._tracks[symbol]
        return 0, None

    def at(self, symbol: str, ms: int) -> PricePoint:
        track = self._tracks[symbol]
        if not track.points:
            raise KeyError(f"{symbol} has not been quoted")
        return track.points[max(0, bisect_left(track.times, ms + 1) - 1)]

    def levels(self, symbol: str, ms: int) -> tuple[Levels, Levels] | None:
        book = self._tracks[symbol].book
        if book is None or ms - book.at_ms > _BOOK_AGE_MS:
            return None
        return book.bids, book.asks

    def crossing(
        self, symbol: str, start_ms: int, end_ms: int, price: float, *, rising: bool, kind: PriceKind
    ) -> int | None:
        for ms, seen in self._seen(symbol, start_ms, end_ms, kind):
            if seen >= price if rising else seen <= price:
                return ms
        return None

    def extremes(self, symbol: str, start_ms: int, end_ms: int, kind: PriceKind) -> tuple[float, float]:
        seen = [price for _, price in self._seen(symbol, start_ms, end_ms, kind)]
        return min(seen), max(seen)

    def candles(
        self, symbol: str, timeframe_ms: int, start_ms: int, end_ms: int, limit: int, kind: PriceKind, now_ms: int
    ) -> CandleSeries:
        """None: candles are the venue's business."""
        del start_ms, end_ms, limit, kind, now_ms
        return CandleSeries(symbol, timeframe_ms, (), (), (), (), (), ())

    def funding(self, symbol: str, ms: int) -> FundingTerms | None:
        known = self._tracks[symbol].funding
        if known is None:
            return None
        interval_ms = known.interval_hours * 3_600_000
        missed = max(0, -(-(ms + 1 - known.next_ms) // interval_ms))
        return FundingTerms(float(known.rate), known.interval_hours, known.next_ms + missed * interval_ms)

    def funding_events(self, symbol: str, start_ms: int, end_ms: int) -> Sequence[tuple[int, float]]:
        settled = self._tracks[symbol].settlements
        return sorted((ms, rate) for ms, rate in settled.items() if start_ms < ms <= end_ms)

    def open_interest(self, symbol: str, ms: int) -> float | None:
        del symbol, ms
        return None

    def _seen(self, symbol: str, start_ms: int, end_ms: int, kind: PriceKind) -> list[tuple[int, float]]:
        """(time, price) in [start, end], beginning with what held at the start."""
        track = self._tracks[symbol]
        price: Callable[[PricePoint], float] = _PRICES[kind]
        first, last = bisect_left(track.times, start_ms + 1), bisect_left(track.times, end_ms + 1)
        later = [(track.times[i], price(track.points[i])) for i in range(first, last)]
        return [(start_ms, price(self.at(symbol, start_ms))), *later]


_PRICES: dict[PriceKind, Callable[[PricePoint], float]] = {
    "last": lambda point: point.mid,
    "mark": lambda point: point.mark,
    "index": lambda point: point.index,
}
