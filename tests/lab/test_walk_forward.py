"""Windows of a walk-forward, the score of a curve, and several curves made one."""

import math

import pytest

from bot.lab.sweep.score import joined, score_of
from bot.lab.sweep.walk_forward import WindowProblem, folds_of

DAY = 86_400_000


def test_test_windows_tile_the_time_after_the_first_training_and_never_overlap_their_own_training() -> None:
    folds = folds_of(0, 100 * DAY, train_days=30, test_days=20)
    assert [fold.number for fold in folds] == [1, 2, 3]
    assert [fold.test for fold in folds] == [(30 * DAY, 50 * DAY), (50 * DAY, 70 * DAY), (70 * DAY, 90 * DAY)]
    assert all(fold.train == (fold.test[0] - 30 * DAY, fold.test[0]) for fold in folds)


def test_windows_larger_than_the_span_are_refused_with_both_numbers() -> None:
    with pytest.raises(WindowProblem, match="needs 50 days, and --from … --to has 49"):
        folds_of(0, 49 * DAY, train_days=30, test_days=20)
    assert len(folds_of(0, 50 * DAY, train_days=30, test_days=20)) == 1


def test_a_window_of_one_day_is_refused_because_it_has_no_figure() -> None:
    with pytest.raises(WindowProblem, match="--test-days 1"):
        folds_of(0, 100 * DAY, train_days=30, test_days=1)


def test_a_score_holds_growth_risk_and_the_deepest_fall() -> None:
    score = score_of([100.0, 110.0, 99.0])
    assert score.growth == pytest.approx(math.log(0.99) / 2 * 365)
    assert score.drawdown_max == pytest.approx(-0.1)
    assert score.calmar == pytest.approx(score.growth / 0.1)
    assert score.sharpe == pytest.approx(0.0, abs=1e-9)
    assert score_of([1.0, 1.0, 1.0]).sharpe == 0


def test_windows_with_accounts_of_their_own_join_by_returns() -> None:
    assert joined([[100.0, 110.0], [5.0, 10.0, 5.0]]) == pytest.approx([1.0, 1.1, 2.2, 1.1])
