"""What signals are made of, kept from one decision to the next.

Every decision ranks the newest value among those of months, and from one candle to the next nearly all of them are the
same. Whoever decides repeatedly passes the same `SignalCache`; with a new one the signals are the same, only later.
That a series continues the one before is checked value by value, never assumed.
"""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Hashable, Sequence
from decimal import Decimal
from itertools import islice
from math import isnan, nan
from operator import is_
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
        self._points: dict[tuple[str, str], tuple[Sequence[Point], list[float]]] = {}

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
            gone = _dropped_count(before, series) if before is not None else None
            values = array("d") if gone is None else values[gone:]
            values.extend([nan] * (len(series) - len(values)))
        if len(self._windows) >= KEPT_MAX:
            del self._windows[next(iter(self._windows))]
        self._windows[key] = series, values
        return values

    def floats(self, name: str, symbol: str, points: Sequence[Point]) -> Sequence[float]:
        """The values of a symbol's history, in the order of its points."""
        before, values = self._points.pop((name, symbol), ((), []))
        if before is not points:
            gone = next((at for at, point in enumerate(before) if point == points[0]), 0) if points else 0
            shared = len(before) - gone
            is_same = shared <= len(points) and tuple(before[gone:]) == tuple(islice(points, shared))
            values = values[gone:] if is_same else []
            values += [float(value) for _, value in islice(points, len(values), None)]
        if len(self._points) >= KEPT_MAX:
            del self._points[next(iter(self._points))]
        self._points[name, symbol] = points, values
        return values


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
