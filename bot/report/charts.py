"""Charts as inline SVG: lines, stacked areas, bars and bands over time. No script, no font, nothing from outside.

Colours come from classes of the page's style sheet, so that light and dark need no second drawing.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape
from itertools import pairwise

from bot.domain.durations import DAY_MS, HOUR_MS, MINUTE_MS

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 960, 64, 14, 10, 24
POINTS_MAX = 900
MONTHS_PER_TICK = (1, 2, 3, 6, 12, 24)
TICKS_MAX, TICKS_LEAST = 12, 3
NARROW = 400
SLICES_MAX = 120
HOURS_SHOWN, CLOCK_TICKS = 60, 8
CLOCK_STEPS_MS = tuple(minutes * MINUTE_MS for minutes in (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720))


@dataclass(frozen=True, slots=True)
class Band:
    """A stretch of time with a class and a name."""

    start_ms: int
    end_ms: int
    style: str
    title: str


@dataclass(slots=True)
class Chart:
    """One drawing under construction: a time axis shared by all parts, a value axis from `low` to `high`."""

    start_ms: int
    end_ms: int
    low: float
    high: float
    height: int = 220
    is_log: bool = False
    unit: str = ""
    width: int = WIDTH
    _parts: list[str] = field(default_factory=list)

    def x(self, at_ms: float) -> float:
        span = max(1, self.end_ms - self.start_ms)
        return LEFT + (at_ms - self.start_ms) / span * (self.width - LEFT - RIGHT)

    def y(self, value: float) -> float:
        low, high, value = self._scaled(self.low), self._scaled(self.high), self._scaled(value)
        inside = self.height - TOP - BOTTOM
        return TOP + inside * (1 - (value - low) / (high - low if high > low else 1.0))

    def _scaled(self, value: float) -> float:
        return math.log10(max(value, 1e-12)) if self.is_log else value

    def bands(self, bands: Sequence[Band]) -> "Chart":
        """Stretches behind everything, from top to bottom."""
        for band in bands:
            left = self.x(band.start_ms)
            width = max(0.5, self.x(band.end_ms) - left)
            self._parts.append(
                f'<rect class="band {band.style}" x="{left:.1f}" y="{TOP}" width="{width:.1f}" '
                f'height="{self.height - TOP - BOTTOM}"><title>{escape(band.title)}</title></rect>'
            )
        return self

    def grid(self) -> "Chart":
        """Lines and words of both axes."""
        bottom = self.height - BOTTOM
        ticks = self._value_ticks()
        digits = _percent_digits(ticks) if self.unit == "%" else 0
        for value in ticks:
            y = self.y(value)
            self._parts.append(f'<line class="grid" x1="{LEFT}" y1="{y:.1f}" x2="{self.width - RIGHT}" y2="{y:.1f}"/>')
            text = _short(value, self.unit, digits)
            self._parts.append(f'<text class="tick" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{text}</text>')
        for at_ms, message in self._time_ticks():
            x = self.x(at_ms)
            self._parts.append(f'<line class="grid" x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{bottom}"/>')
            anchor = "end" if x > self.width - 2 * RIGHT else "middle"
            self._parts.append(
                f'<text class="tick" x="{x:.1f}" y="{bottom + 16}" text-anchor="{anchor}">{message}</text>'
            )
        return self

    def line(self, times_ms: Sequence[int], values: Sequence[float], style: str) -> "Chart":
        points = " ".join(f"{self.x(t):.1f},{self.y(v):.1f}" for t, v in _thinned(times_ms, values))
        self._parts.append(f'<polyline class="line {style}" points="{points}"/>')
        return self

    def area(self, times_ms: Sequence[int], lower: Sequence[float], upper: Sequence[float], style: str) -> "Chart":
        """The area between two curves."""
        step = max(1, len(times_ms) // POINTS_MAX)
        rows = list(zip(times_ms, lower, upper, strict=True))
        rows = [*rows[::step], rows[-1]] if rows else []
        there = [f"{self.x(t):.1f},{self.y(high):.1f}" for t, _, high in rows]
        back = [f"{self.x(t):.1f},{self.y(low):.1f}" for t, low, _ in reversed(rows)]
        self._parts.append(f'<polygon class="area {style}" points="{" ".join([*there, *back])}"/>')
        return self

    def bars(self, rows: Sequence[tuple[int, int, float]], style: str) -> "Chart":
        """One bar per (start, end, value), from zero."""
        zero = self.y(0.0)
        for start_ms, end_ms, value in rows:
            left, right, y = self.x(start_ms), self.x(end_ms), self.y(value)
            self._parts.append(
                f'<rect class="bar {style}" x="{left + 0.5:.1f}" y="{min(y, zero):.1f}" '
                f'width="{max(0.8, right - left - 1):.1f}" height="{abs(zero - y):.1f}"/>'
            )
        return self

    def slices(self, rows: Sequence[tuple[int, str]]) -> "Chart":
        """What is shown under the pointer: moments with their words. Of many, some that are evenly spread.

        A narrow drawing has none: it is for phones, which have no pointer.
        """
        if not rows or self.width < WIDTH:
            return self
        step = math.ceil(len(rows) / SLICES_MAX)
        kept = list(rows[::step])
        edges = [self.start_ms, *((a[0] + b[0]) // 2 for a, b in pairwise(kept)), self.end_ms]
        for (_, text), (begin_ms, end_ms) in zip(kept, pairwise(edges), strict=True):
            left, right = self.x(begin_ms), self.x(end_ms)
            self._parts.append(
                f'<rect class="slice" x="{left:.1f}" y="{TOP}" width="{max(0.5, right - left):.1f}" '
                f'height="{self.height - TOP - BOTTOM}"><title>{escape(text)}</title></rect>'
            )
        return self

    def svg(self, title: str) -> str:
        """The drawing; `title` is read out to those who cannot see it."""
        return (
            f'<svg viewBox="0 0 {self.width} {self.height}" role="img" aria-label="{escape(title)}">'
            f"{''.join(self._parts)}</svg>"
        )

    def _value_ticks(self) -> list[float]:
        if self.is_log:
            return _log_ticks(self.low, self.high)
        step = _nice((self.high - self.low) / 5)
        first = math.ceil(self.low / step - 1e-9) * step
        count = int((self.high - first) / step + 1e-9)
        return [round(first + index * step, 10) + 0.0 for index in range(count + 1)]

    def _hour_ticks(self) -> list[tuple[int, str]]:
        """Of a span of hours or minutes, on whole steps of the clock."""
        span = max(1, self.end_ms - self.start_ms)
        step = next((one for one in CLOCK_STEPS_MS if span / one <= CLOCK_TICKS), CLOCK_STEPS_MS[-1])
        first = -(-self.start_ms // step) * step
        return [
            (at, datetime.fromtimestamp(at / 1000, UTC).strftime("%H:%M")) for at in range(first, self.end_ms + 1, step)
        ]

    def _time_ticks(self) -> list[tuple[int, str]]:
        start, end = (datetime.fromtimestamp(at / 1000, UTC) for at in (self.start_ms, self.end_ms))
        months = (end.year - start.year) * 12 + end.month - start.month
        if self.end_ms - self.start_ms < HOURS_SHOWN * HOUR_MS:
            return self._hour_ticks()
        if months < 3:
            step = max(1, round((self.end_ms - self.start_ms) / DAY_MS / (8 * self.width / WIDTH))) * DAY_MS
            return [
                (at, datetime.fromtimestamp(at / 1000, UTC).strftime("%d %b"))
                for at in range(self.start_ms, self.end_ms + 1, step)
            ]
        every = next(
            (step for step in MONTHS_PER_TICK if months / step <= TICKS_MAX * self.width / WIDTH), MONTHS_PER_TICK[-1]
        )
        found = []
        for month in range(start.year * 12 + start.month - 1, end.year * 12 + end.month):
            moment = datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC)
            if month % every == 0 and start <= moment <= end:
                message = str(moment.year) if moment.month == 1 else moment.strftime("%b %y")
                found.append((int(moment.timestamp() * 1000), message))
        return found


def stacked(rows: Mapping[str, Sequence[float]]) -> dict[str, tuple[list[float], list[float]]]:
    """Lower and upper curve of each, piled up in order."""
    piled: dict[str, tuple[list[float], list[float]]] = {}
    below: list[float] | None = None
    for name, values in rows.items():
        lower = below if below is not None else [0.0] * len(values)
        upper = [low + value for low, value in zip(lower, values, strict=True)]
        piled[name] = (lower, upper)
        below = upper
    return piled


def _thinned(times_ms: Sequence[int], values: Sequence[float]) -> list[tuple[int, float]]:
    """At most a few points per pixel; of each stretch the lowest and the highest stay, so that no fall is lost."""
    rows = list(zip(times_ms, values, strict=True))
    if len(rows) <= 2 * POINTS_MAX:
        return rows
    step = math.ceil(len(rows) / POINTS_MAX)
    kept = []
    for start in range(0, len(rows), step):
        part = rows[start : start + step]
        kept += sorted({min(part, key=lambda row: row[1]), max(part, key=lambda row: row[1])})
    return [rows[0], *kept, rows[-1]]


def _log_ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 of every power of ten; every digit where that would leave an axis almost without words."""
    found: list[float] = []
    for digits in ((1, 2, 5), range(1, 10)):
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        found = [digit * 10.0**power for power in powers for digit in digits if low <= digit * 10.0**power <= high]
        if len(found) >= TICKS_LEAST:
            break
    return found


def _nice(step: float) -> float:
    if step <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(step))
    return next(power * digit for digit in (1, 2, 2.5, 5, 10) if power * digit >= step * 0.999)


def _percent_digits(ticks: Sequence[float]) -> int:
    """How many digits it takes to see that two ticks differ."""
    least = min((abs(later - tick) for tick, later in pairwise(ticks)), default=1.0)
    return max(0, min(4, math.ceil(-math.log10(least) - 1e-9) - 2)) if least > 0 else 0


def _short(value: float, unit: str, digits: int = 0) -> str:
    if unit == "%":
        return f"{value:.{digits}%}".replace("-", "−")
    for size, letter in ((1e9, "bn"), (1e6, "m"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{letter}".replace("-", "−")
    return f"{value:g}".replace("-", "−")
