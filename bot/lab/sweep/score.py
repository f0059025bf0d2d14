"""What a trial is judged by, and several windows joined to one curve. Floats: nothing here becomes an order."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, pstdev

from bot.lab.backtest.figures import DAYS_PER_YEAR, NO_VARIANCE, drawdowns, returns_of

OBJECTIVES = ("sharpe", "growth", "calmar")
NO_DRAWDOWN = 1e-4  # below one basis point a fall says nothing about risk


@dataclass(frozen=True, slots=True)
class Score:
    """A curve in four numbers: mean log growth per year, Sharpe ratio, deepest fall (≤ 0), growth by that fall."""

    growth: float
    sharpe: float
    drawdown_max: float
    calmar: float

    def of(self, objective: str) -> float:
        """The number that a search maximises: one of `OBJECTIVES`."""
        return float(getattr(self, objective))


def score_of(equity: Sequence[float]) -> Score:
    """Of daily equity.

    Raises:
        ValueError: with fewer than two values.
    """
    if len(equity) < 2:
        raise ValueError("two days of equity at least are needed for a score")
    daily = returns_of(equity)
    growth = fmean(math.log(max(1 + value, 1e-9)) for value in daily) * DAYS_PER_YEAR
    deviation = pstdev(daily)
    sharpe = 0.0 if deviation**2 < NO_VARIANCE else fmean(daily) / deviation * math.sqrt(DAYS_PER_YEAR)
    fall = min(drawdowns(equity))
    return Score(growth, sharpe, fall, growth / max(-fall, NO_DRAWDOWN))


def joined(curves: Iterable[Sequence[float]]) -> list[float]:
    """One curve from 1.0 through windows that follow each other, each of which began with an account of its own."""
    created = [1.0]
    for curve in curves:
        for change in returns_of(curve):
            created.append(created[-1] * (1 + change))
    return created
