"""Cuts a span of days into windows that choose settings and later windows that judge the choice."""

from dataclasses import dataclass

from bot.domain.durations import DAY_MS

DAYS_MIN = 2  # one return is the least that a figure can be made of


class WindowProblem(Exception):
    """The windows do not fit the span; the message says which, why and what to do."""


@dataclass(frozen=True, slots=True)
class Fold:
    """One step. Times are UTC ms; training ends where the test begins, so no day of a test has helped to choose."""

    number: int
    train_start_ms: int
    train_end_ms: int
    test_end_ms: int

    @property
    def train(self) -> tuple[int, int]:
        """(start, end) of the training."""
        return self.train_start_ms, self.train_end_ms

    @property
    def test(self) -> tuple[int, int]:
        """(start, end) of the test."""
        return self.train_end_ms, self.test_end_ms


def folds_of(start_ms: int, end_ms: int, *, train_days: int, test_days: int) -> tuple[Fold, ...]:
    """Folds whose test windows follow each other without gap or overlap; days that fill no window stay unused.

    Raises:
        WindowProblem: a window is too short for a figure, or one of each is longer than the span.
    """
    for name, days in (("--train-days", train_days), ("--test-days", test_days)):
        if days < DAYS_MIN:
            raise WindowProblem(f"{name} {days}: a figure needs {DAYS_MIN} days at least; give a longer window")
    span = (end_ms - start_ms) // DAY_MS
    count = (span - train_days) // test_days
    if count < 1:
        raise WindowProblem(
            f"--train-days {train_days} and --test-days {test_days}: one of each needs {train_days + test_days} days, "
            f"and --from … --to has {span}; shorten a window or give more days"
        )
    starts = [start_ms + number * test_days * DAY_MS for number in range(count)]
    return tuple(
        Fold(number, at, at + train_days * DAY_MS, at + (train_days + test_days) * DAY_MS)
        for number, at in enumerate(starts, start=1)
    )
