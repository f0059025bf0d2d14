"""The ask-and-tell interface of a search: it proposes combinations and receives their scores."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from bot.lab.sweep.space import Combination, Space


class Search(Protocol):
    """One search. The same answers give the same questions: a search that was killed asks again and finds them kept."""

    def ask(self) -> Sequence[Combination]:
        """What to try next; nothing when the search is over."""
        ...

    def tell(self, scores: Mapping[Combination, float | None]) -> None:
        """The scores of what `ask` gave last; None where a trial failed."""
        ...


class GridSearch:
    """Every combination, in one go."""

    def __init__(self, space: Space) -> None:
        self._left = tuple(space.combinations())

    def ask(self) -> Sequence[Combination]:
        """See `Search`."""
        left, self._left = self._left, ()
        return left

    def tell(self, scores: Mapping[Combination, float | None]) -> None:
        """A grid learns nothing."""
