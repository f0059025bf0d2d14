"""Our indicators against TA-Lib's, on made-up series: the same to nine digits, and where ours differ, by what."""

import math
from itertools import accumulate

import numpy as np
import pytest
import talib
from hypothesis import assume, given
from hypothesis import strategies as st

from bot.playbook.market import indicators

NINE_DIGITS = 1e-9
Closes = list[float]


@st.composite
def closes(draw: st.DrawFn, least: int = 2, most: int = 120) -> Closes:
    """Prices that move by up to a fifth per step, at any scale a token is priced at."""
    start = draw(st.floats(1e-6, 1e6))
    moves = draw(st.lists(st.floats(-0.2, 0.2), min_size=least - 1, max_size=most - 1))
    return list(accumulate(moves, lambda price, move: price * math.exp(move), initial=start))


@st.composite
def windowed(draw: st.DrawFn, extra: int = 0) -> tuple[Closes, int]:
    """A series and a period that fits into it, with `extra` values to spare."""
    series = draw(closes(least=3 + extra))
    return series, draw(st.integers(2, len(series) - extra))


def same(ours: float | None, theirs: float, scale: float = 0.0) -> bool:
    """Equal to nine digits; `scale` is what a difference is measured by where the value itself may be near nothing."""
    assert ours is not None
    return ours == pytest.approx(theirs, rel=NINE_DIGITS, abs=NINE_DIGITS * scale)


@given(windowed())
def test_the_simple_average(given_: tuple[Closes, int]) -> None:
    series, period = given_
    assert same(indicators.sma(series, period), talib.SMA(np.array(series), period)[-1])


@given(windowed())
def test_the_exponential_average_at_every_value(given_: tuple[Closes, int]) -> None:
    """Both are seeded with the mean of the first `period` values."""
    series, period = given_
    theirs = talib.EMA(np.array(series), period)
    assert indicators.emas(series, period) == pytest.approx(list(theirs[period - 1 :]), rel=NINE_DIGITS)


@given(windowed(extra=1))
def test_the_relative_strength_index(given_: tuple[Closes, int]) -> None:
    series, period = given_
    # TA-Lib takes averages of moves below 1e-14 for nothing: prices have a scale, and the last of them moves.
    assume(abs(series[-1] - series[-2]) > 1e-6 * series[0])
    scaled = [price / series[0] * 100 for price in series]
    assert same(indicators.rsi(scaled, period), talib.RSI(np.array(scaled), period)[-1], scale=100)


def test_a_market_that_stands_still_is_neither_strong_nor_weak() -> None:
    """The one difference: TA-Lib says 0, which a bot would read as sold off."""
    still = [5.0] * 20
    assert talib.RSI(np.array(still), 14)[-1] == 0
    assert indicators.rsi(still, 14) == 50


@given(closes(least=4))
def test_realised_volatility_is_the_deviation_of_log_returns(series: Closes) -> None:
    returns = np.diff(np.log(np.array(series)))
    assume(returns.std() > 1e-4)
    theirs = talib.STDDEV(returns, len(returns))[-1] * math.sqrt(365)
    assert same(indicators.realised_volatility(series, 365), theirs)


@given(closes(least=3))
def test_the_z_score_is_the_distance_from_the_average_in_deviations(series: Closes) -> None:
    values = np.diff(np.log(np.array(series)))
    assume(len(values) >= 2 and values.std() > 1e-4)
    average, spread = talib.SMA(values, len(values))[-1], talib.STDDEV(values, len(values))[-1]
    assert same(indicators.zscore(values[-1], list(values)), (values[-1] - average) / spread, scale=1)


@given(closes(least=3))
def test_beta_to_time_is_the_slope_of_the_regression_line(series: Closes) -> None:
    values = [price / series[0] for price in series]
    theirs = talib.LINEARREG_SLOPE(np.array(values), len(values))[-1]
    assert same(indicators.beta(values, [float(n) for n in range(len(values))]), theirs, scale=max(values))


@given(st.lists(st.tuples(st.floats(-0.2, 0.2), st.floats(-0.2, 0.2)), min_size=3, max_size=100))
def test_beta_to_a_market_is_theirs_of_the_prices_behind_the_returns(moves: list[tuple[float, float]]) -> None:
    """TA-Lib makes simple returns of two prices itself, the market's given first."""
    token, market = ([move[side] for move in moves] for side in (0, 1))
    assume(np.std(market) > 1e-3)
    prices = [np.array(list(accumulate(part, lambda p, r: p * (1 + r), initial=100.0))) for part in (market, token)]
    theirs = talib.BETA(*prices, timeperiod=len(moves))[-1]
    assert same(indicators.beta(token, market), theirs, scale=1)


@given(windowed(extra=1))
def test_the_place_in_a_range_is_between_its_lowest_and_its_highest(given_: tuple[Closes, int]) -> None:
    series, period = given_
    before = np.array(series[:-1])
    low, high = talib.MIN(before, period)[-1], talib.MAX(before, period)[-1]
    assume(high > low * (1 + 1e-6))
    assert same(indicators.range_position(series, period), (series[-1] - low) / (high - low), scale=1)


@given(closes(least=3))
def test_a_drawdown_is_measured_from_the_highest(series: Closes) -> None:
    high = talib.MAX(np.array(series), len(series))[-1]
    assert same(indicators.drawdown(series), 1 - series[-1] / high, scale=1)


@given(st.lists(st.floats(1e-6, 1e6), min_size=2, max_size=120, unique=True))
def test_a_swing_lies_between_the_lowest_and_the_highest(series: Closes) -> None:
    low_at, high_at = (found[-1] for found in talib.MINMAXINDEX(np.array(series), len(series)))
    assert indicators.last_swing(series, series) == (series[low_at], series[high_at], bool(low_at < high_at))
