"""Answers of a journal that hold until its next event: one who reads where it is written asks most things often.

Every projection is a function of the events alone, and the newest event's hash stands for all of them.
"""

from collections.abc import Callable, Hashable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
ANSWERS_MAX = 1_024


class Answers:
    """Remembers while `head`, which tells the newest event by number and hash, stays; nothing where there is none."""

    def __init__(self) -> None:
        self._head: Callable[[], Hashable] | None = None
        self._answers: dict[Hashable, Any] = {}
        self._answered: Hashable = None

    @property
    def state(self) -> Hashable:
        """What two looks have in common when no event came between them; None where another may write unseen."""
        return None if self._head is None else self._head()

    def _answers_now(self) -> dict[Hashable, Any] | None:
        """What was asked since the newest event; None where nothing may be remembered."""
        if self._head is None:
            return None
        head = self._head()
        if head != self._answered or len(self._answers) > ANSWERS_MAX:
            self._answers, self._answered = {}, head
        return self._answers


A = TypeVar("A", bound=Answers)


def remembered(load: Callable[Concatenate[A, P], T]) -> Callable[Concatenate[A, P], T]:
    """For a method whose answer depends on its arguments and on projections, and that nobody changes."""

    @wraps(load)
    def recalled(self: A, /, *args: P.args, **kwargs: P.kwargs) -> T:
        answers = self._answers_now()
        if answers is None:
            return load(self, *args, **kwargs)
        key = (load.__name__, args, *kwargs.items())
        if key not in answers:
            answers[key] = load(self, *args, **kwargs)
        return answers[key]  # type: ignore[no-any-return]

    return recalled
