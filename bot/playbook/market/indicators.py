"""Indicators over plain sequences of floats, oldest first. They describe; no amount is ever computed from one. Tests
compare each with TA-Lib to nine digits.

A function that has too little to go on answers None instead of a number.
"""

import math
from collections.abc import Sequence
from itertools import pairwise


def mean(values: Sequence[float]) -> float:
    """Arithmetic mean, 0 of nothing."""
    return math.fsum(values) / len(values) if values else 0.0


def sma(values: Sequence[float], period: int) -> float | None:
    """Simple moving average of the newest `period` values."""
    return mean(values[-period:]) if 0 < period <= len(values) else None


def emas(values: Sequence[float], period: int) -> list[float]:
    """The exponential moving average as it stood at every value from the `period`-th on; the last one is `ema`."""
    if not 0 < period <= len(values):
        return []
    weight = 2.0 / (period + 1)
    average = mean(values[:period])
    result = [average]
    for value in values[period:]:
        average += weight * (value - average)
        result.append(average)
    return result


def rsi(closes: Sequence[float], period: int) -> float | None:
    """Wilder's relative strength index, 0 to 100; 50 when nothing moved."""
    if period < 1 or len(closes) < period + 1:
        return None
    changes = [after - before for before, after in pairwise(closes)]
    gain = mean([max(0.0, change) for change in changes[:period]])
    loss = mean([max(0.0, -change) for change in changes[:period]])
    for change in changes[period:]:
        gain += (max(0.0, change) - gain) / period
        loss += (max(0.0, -change) - loss) / period
    if gain + loss == 0:
        return 50.0
    return 100.0 * gain / (gain + loss)


def deviation(values: Sequence[float]) -> float:
    """Population standard deviation."""
    if len(values) < 2:
        return 0.0
    centre = mean(values)
    return math.sqrt(mean([(value - centre) ** 2 for value in values]))


def zscore(value: float, history: Sequence[float]) -> float | None:
    """Distance of a value from its history's mean in standard deviations; None without spread."""
    spread = deviation(history)
    return (value - mean(history)) / spread if spread > 0 else None


def percentile(value: float, history: Sequence[float]) -> float | None:
    """Share of the history below the value, ties counted half."""
    if not history:
        return None
    below, equal = sum(map(float(value).__gt__, history)), sum(map(float(value).__eq__, history))
    return (below + 0.5 * equal) / len(history)


def log_returns(closes: Sequence[float]) -> list[float]:
    """Logarithms of successive ratios; prices that are not positive are left out."""
    return [math.log(after / before) for before, after in pairwise(closes) if before > 0 and after > 0]


def realised_volatility(closes: Sequence[float], per_year: float) -> float | None:
    """Standard deviation of log returns, annualised; `per_year` is the number of steps in a year."""
    returns = log_returns(closes)
    return deviation(returns) * math.sqrt(per_year) if len(returns) >= 2 else None


def drawdown(closes: Sequence[float]) -> float | None:
    """Fall of the newest value from the highest one, as a share in [0, 1]."""
    high = max(closes, default=0.0)
    return 1.0 - closes[-1] / high if high > 0 else None


def range_position(closes: Sequence[float], period: int) -> float | None:
    """Where the newest value stands in the range of the `period` values before it: 0 at its low, 1 at its high.

    Below 0 and above 1 are breakouts. None without a range.
    """
    if period < 1 or len(closes) < period + 1:
        return None
    window = closes[-period - 1 : -1]
    low, high = min(window), max(window)
    return (closes[-1] - low) / (high - low) if high > low else None


def last_swing(highs: Sequence[float], lows: Sequence[float]) -> tuple[float, float, bool] | None:
    """Low and high of the last swing, and whether it rose: the highest high and the lowest low, of which the later one
    ends it. None without a range."""
    if not highs or len(highs) != len(lows):
        return None
    high, low = max(highs), min(lows)
    top = len(highs) - 1 - highs[::-1].index(high)
    bottom = len(lows) - 1 - lows[::-1].index(low)
    return (low, high, bottom < top) if high > low and bottom != top else None


def retracement(low: float, high: float, part: float) -> float:
    """The price at which a rise from low to high has given back `part` of itself."""
    return high - part * (high - low)


def beta(returns: Sequence[float], market: Sequence[float]) -> float | None:
    """Slope of a token's returns on the market's; both of the same length."""
    if len(returns) != len(market) or len(returns) < 3:
        return None
    centre, market_centre = mean(returns), mean(market)
    spread = math.fsum((m - market_centre) ** 2 for m in market)
    joint = math.fsum((r - centre) * (m - market_centre) for r, m in zip(returns, market, strict=True))
    return joint / spread if spread > 0 else None


def clip(value: float, low: float = -1.0, high: float = 1.0) -> float:
    """`value` moved into [low, high]; NaN becomes 0."""
    return 0.0 if math.isnan(value) else max(low, min(high, value))
