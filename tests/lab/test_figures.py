"""Figures that can be worked out by hand, and intervals that tell luck from none."""

import math
import random
from itertools import pairwise
from statistics import fmean, stdev

import pytest

from bot.lab.backtest.figures import drawdowns, excess, figures_of, resampled, returns_of

DAY = 86_400_000


def figures(equity: list[float], seed: int = 1):  # type: ignore[no-untyped-def]
    return figures_of([index * DAY for index in range(len(equity))], equity, seed=seed)


def test_drawdown_and_worst_day_by_hand() -> None:
    found = figures([100.0, 120.0, 90.0, 99.0, 150.0])
    assert drawdowns([100.0, 120.0, 90.0]) == pytest.approx([0.0, 0.0, -0.25])
    assert found.drawdown_max == pytest.approx(-0.25)
    assert found.worst_day == pytest.approx(-0.25)
    assert found.worst_day_ms == DAY, "the day that began there"
    assert found.total == pytest.approx(0.5)


def test_steady_growth_has_no_uncertainty() -> None:
    found = figures([100 * 1.001**day for day in range(366)])
    assert found.per_year == pytest.approx(1.001**365 - 1)
    assert found.per_year_interval.low == pytest.approx(found.per_year_interval.high)
    assert found.drawdown_max == 0


def test_luck_alone_gives_an_interval_around_nothing() -> None:
    chance = random.Random(5)
    equity = [100.0]
    for _ in range(1_000):
        equity.append(equity[-1] * (1 + chance.gauss(0, 0.03)))
    found = figures(equity)
    assert found.sharpe_interval.low < 0 < found.sharpe_interval.high
    assert found.per_year_interval.low <= found.per_year <= found.per_year_interval.high


def test_the_same_seed_gives_the_same_histories_and_another_seed_others() -> None:
    values = [float(index) for index in range(100)]
    assert list(resampled(values, seed=3, samples=5)) == list(resampled(values, seed=3, samples=5))
    assert list(resampled(values, seed=3, samples=5)) != list(resampled(values, seed=4, samples=5))


def test_histories_are_made_of_whole_stretches_of_the_real_one() -> None:
    values = [float(index) for index in range(60)]
    one = next(resampled(values, seed=1, samples=1, block=20))
    assert len(one) == 60
    jumps = sum((after - before) % 60 != 1 for before, after in pairwise(one))
    assert jumps <= 2


def test_what_both_curves_have_in_common_cancels() -> None:
    chance = random.Random(7)
    one, other = [100.0], [100.0]
    for _ in range(700):
        move = chance.gauss(0, 0.04)
        one.append(one[-1] * (1 + move) * 1.0005)
        other.append(other[-1] * (1 + move))
    gap, interval, above = excess(one, other, seed=1)
    assert gap == pytest.approx(math.log(1.0005) * 365, rel=1e-3)
    assert interval.low > 0
    assert above == 1.0


def test_a_day_that_begins_with_nothing_returns_nothing() -> None:
    assert returns_of([0.0, 0.0, 5.0]) == [0.0, 0.0]


def test_one_day_is_no_curve() -> None:
    with pytest.raises(ValueError, match="two days"):
        figures([100.0])


def test_an_interval_is_that_of_the_histories_added_up_day_by_day() -> None:
    chance = random.Random(11)
    equity = [100.0]
    for _ in range(130):
        equity.append(equity[-1] * (1 + chance.gauss(0.001, 0.04)))
    found = figures(equity, seed=9)
    years, falls, sharpes = [], [], []
    for sample in resampled(returns_of(equity), seed=9):
        curve = [1.0]
        for value in sample:
            curve.append(curve[-1] * (1 + value))
        years.append(curve[-1] ** (365 / len(sample)) - 1)
        falls.append(min(drawdowns(curve)))
        sharpes.append(fmean(sample) / stdev(sample) * math.sqrt(365))
    for interval, values in (
        (found.per_year_interval, years),
        (found.drawdown_interval, falls),
        (found.sharpe_interval, sharpes),
    ):
        ranked = sorted(values)
        assert (interval.low, interval.high) == pytest.approx((ranked[100], ranked[1900]), rel=1e-9)
