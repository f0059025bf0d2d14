"""A market that is fed from outside: quotes and books as a venue shows them, in the order they come."""

from collections.abc import Iterable
from decimal import Decimal

from bot.domain.durations import HOUR_MS
from bot.domain.market import Book, Funding, Quote
from bot.domain.symbol import is_perp
from bot.simex.engine.market import FundingTerms, Levels
from bot.simex.market.base import PathMarket, Track
from bot.simex.market.path import PointPath

PRICES_KEPT = 2_000


class PushedMarket(PathMarket):
    """`push` sets what is known of a symbol; before its first push a symbol is not there (KeyError).

    Between two quotes prices move in a straight line; after the last one they stand still. So an engine is advanced to
    a quote's time after that quote was pushed, and resting orders that the move crossed are filled.
    """

    def __init__(self, *, depth_quote: Decimal = Decimal(100_000)) -> None:
        super().__init__({})
        self._depth_quote = depth_quote
        self._levels: dict[str, tuple[Levels, Levels]] = {}
        self._terms: dict[str, Funding] = {}
        self._events: dict[str, list[tuple[int, float]]] = {}

    def push(self, quote: Quote, book: Book | None = None) -> None:
        """One quote, with its book where known; without one the touch is `depth_quote` deep on both sides.

        Raises:
            ValueError: for a quote with a defect or older than the last one.
        """
        defect = quote.defect()
        if defect is not None:
            raise ValueError(f"{quote.symbol}: {defect}")
        last, mark, index = self._paths(quote.symbol)
        middle = float(quote.mid)
        for path, price in ((last, quote.mid), (mark, quote.mark), (index, quote.index)):
            path.add(quote.at_ms, float(price) if price is not None else middle)
            if len(path.times) > 2 * PRICES_KEPT:
                del path.times[:PRICES_KEPT], path.prices[:PRICES_KEPT]
        if book is not None and (book.bids or book.asks):
            self._levels[quote.symbol] = (book.bids, book.asks)
        else:
            size = self._depth_quote / quote.mid
            self._levels[quote.symbol] = (((quote.bid, size),), ((quote.ask, size),))

    def push_funding(self, funding: Funding) -> None:
        """Terms of the next settlement; a settlement that has passed since the last push is kept as an event."""
        before = self._terms.get(funding.symbol)
        if before is not None and before.next_ms < funding.next_ms:
            self._events.setdefault(funding.symbol, []).append((before.next_ms, float(before.rate)))
        self._terms[funding.symbol] = funding

    def has(self, symbols: Iterable[str]) -> bool:
        """Whether all of these have been pushed."""
        return all(symbol in self._tracks for symbol in symbols)

    def levels(self, symbol: str, ms: int) -> tuple[Levels, Levels] | None:
        return self._levels.get(symbol)

    def funding(self, symbol: str, ms: int) -> FundingTerms | None:
        terms = self._terms.get(symbol)
        if terms is None:
            return None
        interval_ms = terms.interval_hours * HOUR_MS
        next_ms = terms.next_ms
        if next_ms <= ms:
            next_ms += (ms - next_ms) // interval_ms * interval_ms + interval_ms
        return FundingTerms(float(terms.rate), terms.interval_hours, next_ms)

    def funding_events(self, symbol: str, start_ms: int, end_ms: int) -> tuple[tuple[int, float], ...]:
        """Settlements seen to pass, and the coming one once `end` reaches it."""
        terms = self._terms.get(symbol)
        known = [*self._events.get(symbol, ())]
        if terms is not None:
            known.append((terms.next_ms, float(terms.rate)))
        return tuple((at, rate) for at, rate in known if start_ms < at <= end_ms)

    def _paths(self, symbol: str) -> tuple[PointPath, PointPath, PointPath]:
        track = self._tracks.get(symbol)
        if track is None:
            paths = (PointPath([], []), PointPath([], []), PointPath([], []))
            self._tracks[symbol] = Track(*paths, start_ms=0, is_perp=is_perp(symbol), interval_hours=8)
            return paths
        last, mark, index = track.last, track.mark, track.index
        if not (isinstance(last, PointPath) and isinstance(mark, PointPath) and isinstance(index, PointPath)):
            raise TypeError(f"{symbol}: not a path of points")
        return last, mark, index
