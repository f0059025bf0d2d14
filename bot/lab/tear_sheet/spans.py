"""What the days of a curve say one by one: drawdowns with their recovery, rolling figures, how days are spread.

Floats on purpose: nothing here becomes an amount of an order.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from bot.lab.backtest.figures import DAYS_PER_YEAR, returns_of

ROLLING_DAYS = 90
BIN_WIDTH, BINS_MAX = 0.01, 6
DRAWDOWNS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Fall:
    """A drawdown: places of its peak, of its lowest day, and of the day that reached the peak again (None: not yet)."""

    depth: float
    peak: int
    lowest: int
    recovered: int | None


@dataclass(frozen=True, slots=True)
class RollingFigures:
    """Figures of the `ROLLING_DAYS` up to a day, from the first day that has as many before it."""

    places: tuple[int, ...]
    returns: tuple[float, ...]
    volatility_year: tuple[float, ...]
    beta: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Bin:
    """Days with a return from `low` to below `high`; the outermost are open."""

    low: float | None
    high: float | None
    days: int


def deepest_falls(equity: Sequence[float], count: int = DRAWDOWNS_SHOWN) -> list[Fall]:
    """The deepest drawdowns, deepest first. They do not overlap: each lasts until its peak is reached again."""
    found: list[Fall] = []
    peak = lowest = 0
    for place, value in enumerate(equity):
        if value >= equity[peak]:
            if lowest > peak:
                found.append(Fall(equity[lowest] / equity[peak] - 1, peak, lowest, place))
            peak = lowest = place
        elif lowest == peak or value < equity[lowest]:
            lowest = place
    if lowest > peak:
        found.append(Fall(equity[lowest] / equity[peak] - 1, peak, lowest, None))
    return sorted(found, key=lambda fall: fall.depth)[:count]


def rolling(equity: Sequence[float], market: Sequence[float], window: int = ROLLING_DAYS) -> RollingFigures | None:
    """Return, volatility and beta to the market in a moving window; None with less than two windows of days."""
    ours, theirs = returns_of(equity), returns_of(market)
    if len(ours) < 2 * window:
        return None
    sums = [_sums(values) for values in (ours, theirs, *_products(ours, theirs))]
    places = range(window, len(ours) + 1)
    volatility, beta = [], []
    for end in places:
        mean, other, square, cross, other_square = ((one[end] - one[end - window]) / window for one in sums)
        variance, other_variance = max(0.0, square - mean * mean), other_square - other * other
        volatility.append(math.sqrt(variance * DAYS_PER_YEAR))
        beta.append((cross - mean * other) / other_variance if other_variance > 1e-12 else 0.0)
    changes = [equity[end] / equity[end - window] - 1 if equity[end - window] > 0 else 0.0 for end in places]
    return RollingFigures(tuple(places), tuple(changes), tuple(volatility), tuple(beta))


def spread_of(equity: Sequence[float]) -> list[Bin]:
    """Days by their return, in steps of one percent; beyond six percent in one step on each side."""
    edges = [round(step * BIN_WIDTH, 4) for step in range(-BINS_MAX, BINS_MAX + 1)]
    limits = [None, *edges, None]
    counts = [0] * (len(limits) - 1)
    for value in returns_of(equity):
        counts[sum(value >= edge for edge in edges)] += 1
    return [Bin(low, high, days) for low, high, days in zip(limits, limits[1:], counts, strict=False)]


def _sums(values: Sequence[float]) -> list[float]:
    return [0.0, *accumulate(values)]


def _products(ours: Sequence[float], theirs: Sequence[float]) -> tuple[list[float], list[float], list[float]]:
    """Squares of ours, products of both, squares of theirs."""
    pairs = list(zip(ours, theirs, strict=True))
    return [a * a for a, _ in pairs], [a * b for a, b in pairs], [b * b for _, b in pairs]
