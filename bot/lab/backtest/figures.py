"""Performance figures of an equity curve, with confidence intervals from a block bootstrap.

Floats on purpose: nothing here becomes an amount of an order.
"""

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate, pairwise
from typing import Any

DAYS_PER_YEAR = 365.0
BLOCK_DAYS = 20
SHORT_DAYS = 3 * BLOCK_DAYS  # fewer days say nothing about a year, and blocks of them are all the same
YEARLY = ("per_year", "volatility_year", "sharpe", "per_year_interval", "sharpe_interval", "drawdown_interval")
YEARLY_EXCESS = ("excess_log_growth_year", "excess_interval", "share_of_resamples_above")
SAMPLES = 2_000
NO_VARIANCE = 1e-16  # of a daily return: what rounding leaves of a steady curve
CAVEAT = (
    "One history, seen once: the rules and the list of tokens were written by people who knew how these years went, "
    "the intervals only say how much luck of the same kind of days could have changed the figures, not what other "
    "years will bring, and fills come from a model of the order book, not from real ones. This is no forecast."
)


@dataclass(frozen=True, slots=True)
class Interval:
    """The middle 90 % of what resampled histories gave."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Figures:
    """A curve of daily equity in numbers. Shares are fractions, per year where it says so; returns are not logs."""

    total: float
    per_year: float
    volatility_year: float
    sharpe: float
    drawdown_max: float
    worst_day: float
    worst_day_ms: int
    per_year_interval: Interval
    sharpe_interval: Interval
    drawdown_interval: Interval

    @property
    def document(self) -> dict[str, Any]:
        return asdict(self)


def returns_of(equity: Sequence[float]) -> list[float]:
    """Return from each day to the next; a day that begins with nothing returns 0."""
    return [after / before - 1 if before > 0 else 0.0 for before, after in pairwise(equity)]


def drawdowns(equity: Sequence[float]) -> list[float]:
    """How far below the highest so far, as a share, at each moment."""
    return [value / peak - 1 if peak > 0 else 0.0 for value, peak in zip(equity, accumulate(equity, max), strict=True)]


def figures_of(times_ms: Sequence[int], equity: Sequence[float], *, seed: int) -> Figures:
    """Figures of a curve with one value a day.

    Raises:
        ValueError: with fewer than two values.
    """
    if len(equity) < 2:
        raise ValueError("two days of equity at least are needed for a figure")
    daily = returns_of(equity)
    worst = min(range(len(daily)), key=daily.__getitem__)
    stretches = _Stretches(daily, BLOCK_DAYS)
    per_year, sharpe, _ = stretches.summary([0], len(daily))
    samples = [stretches.summary(starts, stretches.block) for starts in _drawn(len(daily), stretches.block, seed)]
    years, sharpes, falls = zip(*samples, strict=True)
    return Figures(
        total=equity[-1] / equity[0] - 1,
        per_year=per_year,
        volatility_year=_deviation(daily) * math.sqrt(DAYS_PER_YEAR),
        sharpe=sharpe,
        drawdown_max=min(drawdowns(equity)),
        worst_day=daily[worst],
        worst_day_ms=times_ms[worst],
        per_year_interval=_interval(years),
        sharpe_interval=_interval(sharpes),
        drawdown_interval=_interval(falls),
    )


def excess(equity: Sequence[float], other: Sequence[float], *, seed: int) -> tuple[float, Interval, float]:
    """Log growth per year above the other's, its interval, and the share of resampled histories in which it is above.

    Days are drawn in pairs, so that what both have in common cancels.
    """
    gaps = [_log(a) - _log(b) for a, b in zip(returns_of(equity), returns_of(other), strict=True)]
    if not gaps:
        return 0.0, Interval(0.0, 0.0), 0.0
    means = [math.fsum(sample) / len(sample) * DAYS_PER_YEAR for sample in resampled(gaps, seed=seed)]
    above = sum(mean > 0 for mean in means) / len(means)
    return math.fsum(gaps) / len(gaps) * DAYS_PER_YEAR, _interval(means), above


def shallower(equity: Sequence[float], other: Sequence[float], *, seed: int) -> tuple[float, Interval]:
    """The share of resampled histories in which the deepest drawdown is shallower than the other's, and by how much,
    positive where it is. Days are drawn in pairs."""
    mine, others = (_Stretches(returns_of(curve), BLOCK_DAYS) for curve in (equity, other))
    gaps = [
        mine.summary(starts, mine.block)[2] - others.summary(starts, others.block)[2]
        for starts in _drawn(mine.count, mine.block, seed)
    ]
    return sum(gap > 0 for gap in gaps) / len(gaps), _interval(gaps)


def resampled(
    values: Sequence[float], *, seed: int, samples: int = SAMPLES, block: int = BLOCK_DAYS
) -> Iterator[list[float]]:
    """Histories of the same length put together from blocks of this one, which wraps around (circular blocks)."""
    count = len(values)
    block = max(1, min(block, count))
    ring = [*values, *values[:block]]
    for starts in _drawn(count, block, seed, samples):
        one: list[float] = []
        for start in starts:
            one += ring[start : start + block]
        yield one[:count]


def _drawn(count: int, block: int, seed: int, samples: int = SAMPLES) -> Iterator[list[int]]:
    """Where the blocks of each resampled history begin; the last of them is cut to fit."""
    chance = random.Random(seed)
    for _ in range(samples):
        yield [int(chance.random() * count) for _ in range(-(-count // block))]


class _Stretches:
    """Daily returns as a ring of which whole stretches are summed up in one step: thousands of resampled histories are
    made of the same few, and adding their days one by one would take longer than the run itself."""

    def __init__(self, daily: Sequence[float], block: int) -> None:
        self.count, self.block = len(daily), max(1, min(block, len(daily)))
        self._ring = [*daily, *daily[: self.block]]
        self._logs = [_log(value) for value in self._ring]
        self._known: dict[int, tuple[float, ...]] = {}

    def summary(self, starts: Sequence[int], block: int) -> tuple[float, float, float]:
        """Return per year, Sharpe ratio over cash at 0 %, deepest drawdown of the stretches one after the other."""
        total = squares = level = peak = deepest = 0.0
        left, known = self.count, self._known
        for start in starts:
            if left < block or block != self.block:
                part = self._stretch(start, min(left, block))
            elif (part := known.get(start, ())) == ():
                part = known[start] = self._stretch(start, block)
            left -= block
            returns, squared, growth, low, high, fall = part
            total += returns
            squares += squared
            deepest = min(deepest, fall, level + low - peak)
            peak = max(peak, level + high)
            level += growth
        mean = total / self.count
        variance = max(0.0, squares - total * mean) / max(1, self.count - 1)
        sharpe = mean / math.sqrt(variance) * math.sqrt(DAYS_PER_YEAR) if variance > NO_VARIANCE else 0.0
        return math.expm1(level * DAYS_PER_YEAR / self.count), sharpe, math.expm1(deepest)

    def _stretch(self, start: int, length: int) -> tuple[float, ...]:
        """Sums of returns, of their squares and of logs; lowest and highest level, and deepest fall, from its start."""
        returns, logs = self._ring[start : start + length], self._logs[start : start + length]
        levels = [0.0, *accumulate(logs)]
        fall = min(level - peak for level, peak in zip(levels, accumulate(levels, max), strict=True))
        return math.fsum(returns), math.fsum(r * r for r in returns), levels[-1], min(levels), max(levels), fall


def _log(value: float) -> float:
    return math.log1p(max(value, -0.999999))


def _deviation(values: Sequence[float]) -> float:
    if len(values) < 2:
        return 0.0
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


def _interval(values: Sequence[float]) -> Interval:
    ranked = sorted(values)
    return Interval(ranked[int(0.05 * len(ranked))], ranked[min(len(ranked) - 1, int(0.95 * len(ranked)))])
