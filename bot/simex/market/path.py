"""Prices as functions of time: candles walked through open, low, high, close, and bare points joined by lines.

A candle that closes at or above its open runs open → low → high → close, the others open → high → low → close, each
step a third of the time. So every price of a candle is met, in an order that does not depend on how time is advanced.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, MutableSequence, Sequence
from dataclasses import dataclass, field
from math import ceil, inf
from typing import Protocol

from bot.domain.candles import CandleSeries
from bot.domain.durations import HOUR_MS

Numbers = MutableSequence[float]  # a list, or an array where a market holds years
Columns = tuple[MutableSequence[int], Numbers, Numbers, Numbers, Numbers, Numbers]


class Path(Protocol):
    """One price through time. Before its first moment it stands at its first price, after its last at its last."""

    def price(self, ms: int) -> float: ...

    def extremes(self, start_ms: int, end_ms: int) -> tuple[float, float]: ...

    def crossing(self, start_ms: int, end_ms: int, price: float, *, rising: bool) -> int | None: ...

    def columns(self, timeframe_ms: int, start_ms: int, end_ms: int, limit: int, now_ms: int) -> Columns: ...


def series_of(symbol: str, timeframe_ms: int, columns: Columns) -> CandleSeries:
    starts, opens, highs, lows, closes, volumes = columns
    return CandleSeries(
        symbol, timeframe_ms, tuple(starts), tuple(opens), tuple(highs), tuple(lows), tuple(closes), tuple(volumes)
    )


def _line_crossing(
    a_ms: float, a: float, b_ms: float, b: float, start_ms: int, end_ms: int, price: float, rising: bool
) -> int | None:
    """First whole millisecond in [start, end] on the line from a to b that is at or beyond the price."""
    low_ms, high_ms = max(a_ms, start_ms), min(b_ms, end_ms)
    if low_ms > high_ms:
        return None
    slope = (b - a) / (b_ms - a_ms) if b_ms > a_ms else 0.0
    at_low = a + slope * (low_ms - a_ms)
    if at_low >= price if rising else at_low <= price:
        at = ceil(low_ms)
        return at if at <= end_ms else None
    if (slope <= 0) if rising else (slope >= 0):
        return None
    # A crossing at a whole millisecond must not slip to the next one by the division's last digit.
    at = max(ceil(a_ms + (price - a) / slope - 1e-4), start_ms)
    return at if at <= high_ms + 1 and at <= end_ms else None


@dataclass(slots=True)
class CandlePath:
    """Candles of one timeframe, oldest first; holes are bridged at the last close. `volumes` are in quote."""

    timeframe_ms: int
    starts: MutableSequence[int] = field(default_factory=list)
    opens: Numbers = field(default_factory=list)
    highs: Numbers = field(default_factory=list)
    lows: Numbers = field(default_factory=list)
    closes: Numbers = field(default_factory=list)
    volumes: Numbers = field(default_factory=list)

    @property
    def end_ms(self) -> int:
        """Just after the last candle; 0 when there is none."""
        return self.starts[-1] + self.timeframe_ms if self.starts else 0

    def locate(self, ms: int) -> int:
        """Index of the candle that began last at or before `ms`; -1 before the first."""
        guess = (ms - self.starts[0]) // self.timeframe_ms
        if guess < 0:
            return -1
        if guess < len(self.starts) and self.starts[guess] <= ms < self.starts[guess] + self.timeframe_ms:
            return guess
        return bisect_right(self.starts, ms) - 1

    def price(self, ms: int) -> float:
        index = self.locate(ms)
        if index < 0:
            return self.opens[0]
        share = (ms - self.starts[index]) / self.timeframe_ms * 3
        if share >= 3:
            return self.closes[index]
        first, second = self._turns(index)
        if share < 1:
            return self.opens[index] + (first - self.opens[index]) * share
        if share < 2:
            return first + (second - first) * (share - 1)
        return second + (self.closes[index] - second) * (share - 2)

    def extremes(self, start_ms: int, end_ms: int) -> tuple[float, float]:
        first, last = self.locate(start_ms), self.locate(end_ms)
        ends = (self.price(start_ms), self.price(end_ms))
        low, high = min(ends), max(ends)
        if last - first > 1:
            low = min(low, *self.lows[first + 1 : last])
            high = max(high, *self.highs[first + 1 : last])
        for index in {first, last}:
            for ms, price in self._knots(index):
                if start_ms <= ms <= end_ms:
                    low, high = min(low, price), max(high, price)
        return low, high

    def crossing(self, start_ms: int, end_ms: int, price: float, *, rising: bool) -> int | None:
        first, last = self.locate(start_ms), self.locate(end_ms)
        at_start = self.price(start_ms)
        if at_start >= price if rising else at_start <= price:
            return start_ms
        reach = self.highs if rising else self.lows
        for index in range(max(first, 0), last + 1):
            if reach[index] < price if rising else reach[index] > price:
                continue
            before: tuple[float, float] | None = None
            for knot in self._knots(index):
                if before is not None:
                    at = _line_crossing(*before, *knot, start_ms, end_ms, price, rising)
                    if at is not None:
                        return at
                before = knot
        return None

    def columns(self, timeframe_ms: int, start_ms: int, end_ms: int, limit: int, now_ms: int) -> Columns:
        if not self.starts:
            return [], [], [], [], [], []
        if timeframe_ms < self.timeframe_ms or timeframe_ms % self.timeframe_ms:
            first_ms, last_ms = max(start_ms, self.starts[0]), min(end_ms, self.end_ms - 1)
            return sampled(self, timeframe_ms, first_ms, last_ms, limit, now_ms, is_newest=start_ms <= 0)
        every = timeframe_ms // self.timeframe_ms
        low = bisect_left(self.starts, start_ms + -start_ms % timeframe_ms)
        high = bisect_right(self.starts, min(end_ms - end_ms % timeframe_ms + timeframe_ms - 1, now_ms))
        if start_ms > 0:
            high = min(high, low + limit * every)
        else:
            low = max(low, high - limit * every)
        rows = self._cut(low, high, now_ms)
        if every == 1:
            return rows
        grouped = _grouped(rows, timeframe_ms)
        # Counted back in rows, the oldest group may have lost its beginning; then there is one group too many.
        spare = max(0, len(grouped[0]) - limit)
        return tuple(column[spare:] for column in grouped)  # type: ignore[return-value]

    def volume(self, start_ms: int, end_ms: int) -> float:
        """Quote volume in the time span, candles cut in proportion."""
        total = 0.0
        for index in range(max(self.locate(start_ms), 0), self.locate(end_ms) + 1):
            opened = self.starts[index]
            part = min(end_ms, opened + self.timeframe_ms) - max(start_ms, opened)
            total += self.volumes[index] * max(0, part) / self.timeframe_ms
        return total

    def _turns(self, index: int) -> tuple[float, float]:
        rises = self.closes[index] >= self.opens[index]
        low, high = self.lows[index], self.highs[index]
        return (low, high) if rises else (high, low)

    def _knots(self, index: int) -> Iterator[tuple[float, float]]:
        if index < 0:
            return
        start, third = self.starts[index], self.timeframe_ms / 3
        first, second = self._turns(index)
        yield start, self.opens[index]
        yield start + third, first
        yield start + 2 * third, second
        yield start + self.timeframe_ms, self.closes[index]

    def _cut(self, low: int, high: int, now_ms: int) -> Columns:
        """Rows [low, high), the last one as far as it has come at `now_ms`."""
        part = slice(low, max(low, high))
        rows = (
            self.starts[part],
            self.opens[part],
            self.highs[part],
            self.lows[part],
            self.closes[part],
            self.volumes[part],
        )
        if rows[0] and rows[0][-1] + self.timeframe_ms > now_ms:
            opened = rows[0][-1]
            least, most = self.extremes(opened, now_ms)
            rows[2][-1], rows[3][-1], rows[4][-1] = most, least, self.price(now_ms)
            rows[5][-1] *= (now_ms - opened) / self.timeframe_ms
        return rows


def rescaled(path: CandlePath, factor: float) -> CandlePath:
    """The same candles in another unit: a thousand tokens cost a thousand times as much. Volumes, in quote, stay."""
    opens, highs, lows, closes = (
        array("d", (price * factor for price in column)) for column in (path.opens, path.highs, path.lows, path.closes)
    )
    return CandlePath(path.timeframe_ms, path.starts, opens, highs, lows, closes, path.volumes)


@dataclass(slots=True)
class PointPath:
    """Points joined by lines. `volume_per_hour` is quote volume, the same at all times. Points at one time: a jump."""

    times: list[int]
    prices: list[float]
    volume_per_hour: float = 0.0

    def add(self, ms: int, price: float) -> None:
        """One more point.

        Raises:
            ValueError: when it is before the last one.
        """
        if self.times and ms < self.times[-1]:
            raise ValueError(f"a point at {ms} cannot follow one at {self.times[-1]}")
        self.times.append(ms)
        self.prices.append(price)

    def price(self, ms: int) -> float:
        index = bisect_right(self.times, ms) - 1
        if index < 0:
            return self.prices[0]
        if index + 1 >= len(self.times):
            return self.prices[-1]
        a_ms, b_ms = self.times[index], self.times[index + 1]
        a, b = self.prices[index], self.prices[index + 1]
        return a + (b - a) * (ms - a_ms) / (b_ms - a_ms)

    def extremes(self, start_ms: int, end_ms: int) -> tuple[float, float]:
        inner = self.prices[bisect_left(self.times, start_ms) : bisect_right(self.times, end_ms)]
        all_of_it = [self.price(start_ms), self.price(end_ms), *inner]
        return min(all_of_it), max(all_of_it)

    def crossing(self, start_ms: int, end_ms: int, price: float, *, rising: bool) -> int | None:
        at_start = self.price(start_ms)
        if at_start >= price if rising else at_start <= price:
            return start_ms
        first = max(bisect_right(self.times, start_ms) - 1, 0)
        for index in range(first, min(bisect_right(self.times, end_ms), len(self.times) - 1)):
            a_ms, b_ms = self.times[index], self.times[index + 1]
            at = _line_crossing(a_ms, self.prices[index], b_ms, self.prices[index + 1], start_ms, end_ms, price, rising)
            if at is not None:
                return at
        return None

    def columns(self, timeframe_ms: int, start_ms: int, end_ms: int, limit: int, now_ms: int) -> Columns:
        """As `sampled`, with the price between two candles looked up once."""
        begin_ms, is_newest = max(start_ms, self.times[0]), start_ms <= 0
        opens = _opens(timeframe_ms, begin_ms, end_ms, limit, now_ms, is_newest=is_newest)
        rows: Columns = (list(opens), [], [], [], [], [])
        close = self.price(opens[0]) if opens else 0.0
        for opened in opens:
            closed, price = min(opened + timeframe_ms, now_ms), close
            close = self.price(closed)
            inner = self.prices[bisect_left(self.times, opened) : bisect_right(self.times, closed)]
            values = (price, max(price, close, *inner), min(price, close, *inner), close, self.volume(opened, closed))
            for column, value in zip(rows[1:], values, strict=True):
                column.append(value)
        return rows

    def volume(self, start_ms: int, end_ms: int) -> float:
        return self.volume_per_hour * (end_ms - start_ms) / HOUR_MS


class Sampled(Protocol):
    """What candles can be drawn from."""

    def price(self, ms: int) -> float: ...

    def extremes(self, start_ms: int, end_ms: int) -> tuple[float, float]: ...

    def volume(self, start_ms: int, end_ms: int) -> float: ...


def sampled(
    path: Sampled, timeframe_ms: int, start_ms: int, end_ms: int, limit: int, now_ms: int, *, is_newest: bool = False
) -> Columns:
    """Candles drawn from a path, for timeframes finer than what is stored."""
    rows: Columns = ([], [], [], [], [], [])
    for opened in _opens(timeframe_ms, start_ms, end_ms, limit, now_ms, is_newest=is_newest):
        closed = min(opened + timeframe_ms, now_ms)
        low, high = path.extremes(opened, closed)
        values = (path.price(opened), high, low, path.price(closed), path.volume(opened, closed))
        rows[0].append(opened)
        for column, value in zip(rows[1:], values, strict=True):
            column.append(value)
    return rows


def _opens(timeframe_ms: int, start_ms: int, end_ms: int, limit: int, now_ms: int, *, is_newest: bool) -> Sequence[int]:
    """When the candles open that are asked for, at most `limit`."""
    first = start_ms + -start_ms % timeframe_ms
    last = min(end_ms, now_ms) // timeframe_ms * timeframe_ms
    if is_newest:
        first = max(start_ms - start_ms % timeframe_ms, last - (limit - 1) * timeframe_ms)
    return range(first, last + 1, timeframe_ms)[: max(0, limit)]


def _grouped(rows: Columns, timeframe_ms: int) -> Columns:
    starts, opens, highs, lows, closes, volumes = rows
    out: Columns = ([], [], [], [], [], [])
    low = 0
    while low < len(starts):
        opened = starts[low] - starts[low] % timeframe_ms
        high = bisect_left(starts, opened + timeframe_ms, low)
        out[0].append(opened)
        out[1].append(opens[low])
        out[2].append(max(highs[low:high]))
        out[3].append(min(lows[low:high]))
        out[4].append(closes[high - 1])
        out[5].append(sum(volumes[low:high]))
        low = high
    return out


def thinned(values: Sequence[tuple[int, float]], start_ms: int, end_ms: int) -> Sequence[tuple[int, float]]:
    """The (time, value) pairs in (start, end]; `values` are sorted by time."""
    low = bisect_right(values, (start_ms, inf))  # no value is above it, so that the time alone decides
    return values[low : bisect_right(values, (end_ms, inf), low)] if end_ms > start_ms else values[:0]
