"""Earlier readings of open interest, premiums and funding, because venues report only the present.

Open interest and premiums are thinned to one reading a step, funding is kept once per settlement: the rate last seen
before it. The past goes into every snapshot, so that a decision sees it and the journal keeps it; after a restart it is
recalled from there. A past that was not watched is missing, never filled in.
"""

from bisect import bisect_left
from dataclasses import dataclass, field, replace
from decimal import Decimal
from operator import itemgetter

from bot.domain.durations import DAY_MS, HOUR_MS
from bot.domain.market import Funding, OpenInterest, Premium, Quote, Snapshot

Point = tuple[int, Decimal]
_time = itemgetter(0)
PREMIUM_STEP = Decimal("0.0000001")
PREMIUM_MAX = Decimal(1)  # beyond it one of the two prices is wrong


@dataclass(frozen=True, slots=True)
class PastRules:
    """How often open interest and premiums are kept, and how far back everything reaches, ms."""

    step_ms: int = 8 * HOUR_MS
    span_ms: int = 60 * DAY_MS


@dataclass(slots=True)
class Past:
    """Mutable: grows with every look. Points are kept by step or settlement, so that seeing one twice adds nothing."""

    rules: PastRules = PastRules()
    _interest: dict[str, "PointHistory"] = field(default_factory=dict)
    _funding: dict[str, "PointHistory"] = field(default_factory=dict)
    _premiums: dict[str, "PointHistory"] = field(default_factory=dict)
    _expected: dict[str, int] = field(default_factory=dict)

    def joined(self, snapshot: Snapshot) -> Snapshot:
        """The snapshot with the past of its readings; they become part of the past of later ones.

        Premiums are read off the quotes, in a look at everything only: a guard, which has no use for them, has no
        candles.
        """
        if snapshot.candles:
            snapshot = replace(snapshot, premiums=_premiums(snapshot))
        if not snapshot.premiums and not snapshot.open_interest and not snapshot.funding:
            return snapshot
        self._update(snapshot)
        oldest = snapshot.at_ms - self.rules.span_ms
        interest = {
            symbol: OpenInterest(
                result.symbol, result.value_quote, result.at_ms, self._interest[symbol].between(oldest, result.at_ms)
            )
            for symbol, result in snapshot.open_interest.items()
        }
        funding = {
            symbol: Funding(
                result.symbol,
                result.rate,
                result.interval_hours,
                result.next_ms,
                result.at_ms,
                self._funding[symbol].between(oldest, result.next_ms),
            )
            for symbol, result in snapshot.funding.items()
        }
        premiums = {
            symbol: Premium(
                result.symbol, result.share, result.at_ms, self._premiums[symbol].between(oldest, result.at_ms)
            )
            for symbol, result in snapshot.premiums.items()
        }
        return replace(snapshot, open_interest=interest, funding=funding, premiums=premiums)

    def recall(self, snapshot: Snapshot) -> None:
        """Take over the past that a journaled snapshot holds. What is known already stays."""
        self._update(snapshot)

    def _update(self, snapshot: Snapshot) -> None:
        step = self.rules.step_ms
        for symbol, interest in snapshot.open_interest.items():
            watched = self._interest.setdefault(symbol, PointHistory())
            for point in (*interest.earlier, (interest.at_ms, interest.value_quote)):
                watched.add(point[0] // step, point)
        for symbol, premium in snapshot.premiums.items():
            watched = self._premiums.setdefault(symbol, PointHistory())
            for point in (*premium.earlier, (premium.at_ms, premium.share)):
                watched.add(point[0] // step, point)
        for symbol, funding in snapshot.funding.items():
            watched = self._funding.setdefault(symbol, PointHistory())
            for point in funding.earlier:
                watched.add(point[0], point)
            expected_ms = self._expected.get(symbol, 0)
            if funding.at_ms < expected_ms != funding.next_ms:
                watched.drop(expected_ms)  # the venue moved the settlement: none took place then
            self._expected[symbol] = funding.next_ms
            watched.put(funding.next_ms, (funding.next_ms, funding.rate))


@dataclass(slots=True)
class PointHistory:
    """Points of one symbol by step or settlement. The cached tuple is returned while no point was added: most
    looks add nothing."""

    _points: dict[int, Point] = field(default_factory=dict)
    _ordered: list[Point] | None = None
    _cached: tuple[Point, ...] = ()

    def add(self, key: int, point: Point) -> None:
        """One more point, unless there is one of this key."""
        if key not in self._points:
            self._points[key], self._ordered = point, None

    def put(self, key: int, point: Point) -> None:
        """The point of this key."""
        if self._points.get(key) != point:
            self._points[key], self._ordered = point, None

    def drop(self, key: int) -> None:
        """Forget the point of this key."""
        if self._points.pop(key, None) is not None:
            self._ordered = None

    def between(self, oldest_ms: int, end_ms: int) -> tuple[Point, ...]:
        """Points in [oldest, end), oldest first. What has become too old is forgotten."""
        cached: tuple[Point, ...] | None = self._cached
        if self._ordered is None:
            self._ordered, cached = sorted(self._points.values()), None
        if self._ordered and self._ordered[0][0] < oldest_ms:
            self._points = {key: point for key, point in self._points.items() if point[0] >= oldest_ms}
            self._ordered, cached = sorted(self._points.values()), None
        count = bisect_left(self._ordered, end_ms, key=_time)
        if cached is None or len(cached) != count:
            self._cached = cached = tuple(self._ordered[:count])
        return cached


def _premiums(snapshot: Snapshot) -> dict[str, Premium]:
    result = {symbol: _premium(quote) for symbol, quote in snapshot.quotes.items() if quote.mark is not None}
    return {symbol: Premium(symbol, share, snapshot.at_ms) for symbol, share in result.items() if share is not None}


def _premium(quote: Quote) -> Decimal | None:
    if quote.mark is None or quote.index is None or quote.defect():
        return None
    share = quote.mark / quote.index - 1
    return share.quantize(PREMIUM_STEP) if abs(share) < PREMIUM_MAX else None
