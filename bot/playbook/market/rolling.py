"""Answers about stretches of a series that grows: what is known of a stretch stays known while the series only goes on.

Every decision ranks the newest value among those of months, and from one candle to the next nearly all of them are the
same. That a series goes on is checked value by value, never assumed: another history begins anew.
"""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import islice
from math import isnan, nan

from bot.domain.candles import CandleSeries

Point = tuple[int, Decimal]
KEPT_MAX = 1_024
NOTHING = -1.0


class RollingWindows:
    """Results of `work(closes, volumes)` for stretches of closed candles, one of `margin` closes longer than volumes.

    `work` must be pure and give a number of at least 0, or None.
    """

    def __init__(self, work: Callable[[Sequence[float], Sequence[float]], float | None]) -> None:
        self._work = work
        self._known: dict[tuple[str, int, int], tuple[CandleSeries, array[float]]] = {}

    def __call__(self, series: CandleSeries, window: int, count: int) -> list[float | None]:
        """Of the newest `window` candles, of the `window` before them and so on, `count` results."""
        values = self._values_of(series, window)
        found: list[float | None] = []
        for end in range(len(series), len(series) - count * window, -window):
            if end <= window:
                found.append(None)
                continue
            value = values[end - 1]
            if isnan(value):  # not known yet
                start = end - window
                made = self._work(series.closes[start - 1 : end], series.volumes_quote[start:end])
                value = values[end - 1] = NOTHING if made is None else made
            found.append(None if value == NOTHING else value)
        return found

    def _values_of(self, series: CandleSeries, window: int) -> "array[float]":
        """What is known by the place of a stretch's last candle."""
        place = (series.symbol, series.timeframe_ms, window)
        before, values = self._known.pop(place, (None, array("d")))
        if before is not series:
            gone = _gone(before, series) if before is not None else None
            values = array("d") if gone is None else values[gone:]
            values.extend([nan] * (len(series) - len(values)))
        if len(self._known) >= KEPT_MAX:
            del self._known[next(iter(self._known))]
        self._known[place] = series, values
        return values


def _gone(before: CandleSeries, series: CandleSeries) -> int | None:
    """How many candles have left at the old end, None when the series is not the one before gone on."""
    gone = bisect_left(before.starts_ms, series.starts_ms[0]) if len(series) else len(before)
    shared = len(before) - gone
    if shared <= 0 or shared > len(series):
        return None
    columns = zip(_compared(before), _compared(series), strict=True)
    return gone if all(old[gone:] == new[:shared] for old, new in columns) else None


def _compared(series: CandleSeries) -> tuple[Sequence[float], ...]:
    return series.starts_ms, series.closes, series.volumes_quote


class HistoryValues:
    """Each point of a past, as `work(value)`; the pasts of symbols are kept apart."""

    def __init__(self, work: Callable[[Decimal], float]) -> None:
        self._work = work
        self._known: dict[str, tuple[Sequence[Point], list[float]]] = {}

    def __call__(self, symbol: str, past: Sequence[Point]) -> Sequence[float]:
        """Values in the order of the points."""
        before, values = self._known.pop(symbol, ((), []))
        if before is not past:
            gone = next((at for at, point in enumerate(before) if point == past[0]), 0) if past else 0
            shared = len(before) - gone
            is_same = shared <= len(past) and tuple(before[gone:]) == tuple(islice(past, shared))
            values = values[gone:] if is_same else []
            values += [self._work(value) for _, value in islice(past, len(values), None)]
        if len(self._known) >= KEPT_MAX:
            del self._known[next(iter(self._known))]
        self._known[symbol] = past, values
        return values
