"""The key under which an answer is kept: what is compared by identity, what by value, and what the answer is made of.

Candle series and settings are immutable and are handed on from look to look, so that the very same objects are the very
same values, and comparing them costs nothing; anything else is simply worked out again.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Same(Generic[T]):
    """`seen` must be immutable and is compared by identity, `plain` by value; `subject` follows from both and is what
    the answer is worked out from. The key keeps `seen` alive, so that no other object can take its place."""

    seen: tuple[object, ...]
    plain: tuple[Hashable, ...]
    subject: T

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self.plain == other.plain and self._ids() == other._ids()

    def __hash__(self) -> int:
        return hash((self._ids(), self.plain))

    def _ids(self) -> tuple[int, ...]:
        return tuple(map(id, self.seen))
