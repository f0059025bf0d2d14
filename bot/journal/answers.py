"""Cache of journal queries, invalidated by the next event of the kinds that a query depends on.

Every projection is a function of the events of a few kinds, and the newest of each, by its hash, stands for all before.
"""

from collections.abc import Callable, Hashable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
ANSWERS_MAX = 1_024
ANY_KIND = ""
ORDERS = ("order_submitting", "order_event", "order_absent", "fill")  # a fill and its order change together
PAYMENTS, MEMORY, CYCLES, LOCKS, LATCH = ("payment",), ("memory", "cycle"), ("cycle",), ("lock", "unlock"), ("latch",)


class Answers:
    """Cache of journal queries, invalidated by event kind; without event numbers nothing is cached."""

    def __init__(self) -> None:
        self._newest: Callable[[str], Hashable] | None = None
        self._answers: dict[Hashable, tuple[Hashable, Hashable, Any]] = {}  # the newest event of any kind, of some

    def state(self, *kinds: str) -> Hashable:
        """What two looks have in common when no event of these kinds came between them; None where another may write
        unseen."""
        newest = self._newest  # another thread may end the remembering meanwhile
        return None if newest is None else tuple(map(newest, kinds))

    def forget(self) -> None:
        """Ask everything again: the answers have changed without an event."""
        self._answers.clear()

    def _recalled(self, key: Hashable, kinds: tuple[str, ...], load: Callable[[], T]) -> T:
        newest = self._newest
        if newest is None:
            return load()
        any_event, known = newest(ANY_KIND), self._answers.get(key)
        if known is not None and known[0] is any_event:
            return known[2]  # type: ignore[no-any-return]
        return self._renewed(key, kinds, any_event, load)

    def _renewed(self, key: Hashable, kinds: tuple[str, ...], any_event: Hashable, load: Callable[[], T]) -> T:
        """The answer after an event, which may be of another kind."""
        state, known = self.state(*kinds), self._answers.get(key)  # first: what is loaded may be newer, never older
        answer: T = known[2] if known is not None and known[1] == state else load()
        if len(self._answers) >= ANSWERS_MAX:  # moments in the questions move on, and nobody asks them again
            self._answers.clear()
        self._answers[key] = any_event, state, answer
        return answer


A = TypeVar("A", bound=Answers)
Method = Callable[Concatenate[A, P], T]


def remembered(*kinds: str) -> Callable[[Method[A, P, T]], Method[A, P, T]]:
    """For a method whose answer depends on its arguments and on events of these kinds, and that nobody changes. Without
    kinds the first argument is the kind."""

    def made(load: Method[A, P, T]) -> Method[A, P, T]:
        name = load.__name__

        @wraps(load)
        def recalled(self: A, /, *args: P.args, **kwargs: P.kwargs) -> T:
            newest = self._newest
            if newest is None:
                return load(self, *args, **kwargs)
            key = (name, args, *kwargs.items())
            any_event, known = newest(ANY_KIND), self._answers.get(key)
            if known is not None and known[0] is any_event:  # asked since the last event: most questions are
                return known[2]  # type: ignore[no-any-return]
            return self._renewed(key, kinds or (str(args[0]),), any_event, lambda: load(self, *args, **kwargs))

        return recalled

    return made
