"""Cache of the inputs of signals between decisions.

Every decision ranks the newest value among those of months, and from one candle to the next nearly all of them are the
same. A caller that decides repeatedly passes the same `SignalCache`. A new one gives the same signals, more slowly.
That a series continues the one before is checked value by value, never assumed.
"""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Hashable, Sequence
from decimal import Decimal
from itertools import islice
from math import isnan, nan
from operator import is_, itemgetter
from typing import TypeVar, cast

from bot.domain.candles import CandleSeries

T = TypeVar("T")
Point = tuple[int, Decimal]
KEPT_MAX = 1_024
NOTHING = -1.0


class SignalCache:
    """Results of pure functions, each under a name that stands for one function. Not for use from several threads."""

    def __init__(self) -> None:
        self._newest: dict[str, tuple[tuple[object, ...], Hashable, object]] = {}
        self._windows: dict[tuple[str, str, int, int], tuple[CandleSeries, array[float]]] = {}
        self._steps: dict[str, tuple[CandleSeries, CandleSeries, int | None]] = {}
        self._points: dict[tuple[str, str], tuple[Sequence[Point], list[float]]] = {}
        self._pairs: dict[tuple[str, str], tuple[Sequence[Point], Hashable, list[float]]] = {}

    def latest(self, name: str, objects: tuple[object, ...], values: Hashable, work: Callable[[], T]) -> T:
        """The result of `work()`, again while the inputs are those of the call before.

        Args:
            objects: inputs that are immutable and compared by identity. They are kept, so that no other object can
                take the place of one of them.
            values: inputs that are compared by value.
        """
        known = self._newest.get(name)
        if known is not None and known[1] == values and _are_same(known[0], objects):
            return cast(T, known[2])
        result = work()
        self._newest[name] = objects, values, result
        return result

    def windows(
        self,
        name: str,
        series: CandleSeries,
        window: int,
        ends: Sequence[int],
        work: Callable[[Sequence[float], Sequence[float]], float | None],
    ) -> list[float | None]:
        """Results of `work(closes, volumes)` for the windows of candles that end before the places `ends`.

        `closes` are one more than `window`, None stands for a window without the candle before it. `work` gives a
        number of at least 0, or None.
        """
        values = self._window_values(name, series, window)
        results: list[float | None] = []
        for end in ends:
            if end <= window:
                results.append(None)
                continue
            value = values[end - 1]
            if isnan(value):  # not known yet
                start = end - window
                result = work(series.closes[start - 1 : end], series.volumes_quote[start:end])
                value = values[end - 1] = NOTHING if result is None else result
            results.append(None if value == NOTHING else value)
        return results

    def _window_values(self, name: str, series: CandleSeries, window: int) -> "array[float]":
        """What is known, by the place of a window's last candle."""
        key = (name, series.symbol, series.timeframe_ms, window)
        before, values = self._windows.pop(key, (None, array("d")))
        if before is not series:
            gone = self._dropped_count(before, series) if before is not None else None
            values = array("d") if gone is None else values[gone:]
            values.extend([nan] * (len(series) - len(values)))
        if len(self._windows) >= KEPT_MAX:
            del self._windows[next(iter(self._windows))]
        self._windows[key] = series, values
        return values

    def _dropped_count(self, before: CandleSeries, series: CandleSeries) -> int | None:
        """See below; several windows of a symbol ask the same."""
        known = self._steps.get(series.symbol)
        if known is not None and known[0] is before and known[1] is series:
            return known[2]
        gone = _dropped_count(before, series)
        if len(self._steps) >= KEPT_MAX:
            self._steps.clear()
        self._steps[series.symbol] = before, series, gone
        return gone

    def floats(self, name: str, symbol: str, points: Sequence[Point]) -> Sequence[float]:
        """The values of a symbol's history, in the order of its points."""
        before, values = self._points.pop((name, symbol), ((), []))
        if before is not points:
            gone = _gone_points(before, points)
            values = [] if gone is None else values[gone:]
            values += [float(value) for _, value in islice(points, len(values), None)]
        if len(self._points) >= KEPT_MAX:
            del self._points[next(iter(self._points))]
        self._points[name, symbol] = points, values
        return values

    def beside(
        self,
        name: str,
        symbol: str,
        points: Sequence[Point],
        values: Hashable,
        work: Callable[[Sequence[Point], int, int], list[float]],
    ) -> Sequence[float]:
        """Results of a function of each point of a symbol's history and of the points beside it.

        Args:
            values: what else the function depends on, compared by value.
            work: `work(points, start, end)` gives the results of the points from place `start` up to `end`.
        """
        before, of_before, results = self._pairs.pop((name, symbol), ((), None, []))
        if before is not points or of_before != values:
            gone = _gone_points(before, points) if of_before == values else None
            shared = 0 if gone is None else len(before) - gone
            if gone is None or shared < 2:
                results = work(points, 0, len(points))
            else:  # at both ends a point has other neighbours than before
                first = results[:1] if not gone else work(points, 0, 1)
                results = [*first, *results[gone + 1 : len(before) - 1], *work(points, shared - 1, len(points))]
        if len(self._pairs) >= KEPT_MAX:
            del self._pairs[next(iter(self._pairs))]
        self._pairs[name, symbol] = points, values, results
        return results


def _gone_points(before: Sequence[Point], points: Sequence[Point]) -> int | None:
    """How many points have left at the old end, None when the history does not continue the one before."""
    if not points:
        return None
    gone = bisect_left(before, points[0][0], key=itemgetter(0))
    shared = len(before) - gone
    is_same = shared <= len(points) and tuple(before[gone:]) == tuple(islice(points, shared))
    return gone if is_same else None


def _are_same(before: tuple[object, ...], now: tuple[object, ...]) -> bool:
    return len(before) == len(now) and all(map(is_, before, now))


def _dropped_count(before: CandleSeries, series: CandleSeries) -> int | None:
    """How many candles have left at the old end, None when the series does not continue the one before."""
    gone = bisect_left(before.starts_ms, series.starts_ms[0]) if len(series) else len(before)
    shared = len(before) - gone
    if shared <= 0 or shared > len(series):
        return None
    columns = zip(_compared(before), _compared(series), strict=True)
    return gone if all(old[gone:] == new[:shared] for old, new in columns) else None


def _compared(series: CandleSeries) -> tuple[Sequence[float], ...]:
    return series.starts_ms, series.closes, series.volumes_quote
