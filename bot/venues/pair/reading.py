"""Questions to both venues at once: one that does not answer holds up the other for a moment only."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from bot.ports import Unavailable, Venue

T = TypeVar("T")
PATIENCE_S = 3.0
"""How long the venue that has not answered is still waited for once the other has: less than any deadline of a turn."""


class Half:
    """One of the two venues, and what is traded there."""

    def __init__(self, venue: Venue, role: str) -> None:
        self.venue, self.role = venue, role

    @property
    def name(self) -> str:
        return f"{self.role} at {self.venue.id}"

    def failed(self, error: Unavailable) -> Unavailable:
        """The same failure, with the name of the half."""
        return Unavailable(f"{self.name}: {error}", error.retry_after)


async def read_both(
    spot: tuple[Half, Coroutine[Any, Any, T]], perp: tuple[Half, Coroutine[Any, Any, T]], *, patience_s: float
) -> tuple[T | Unavailable, T | Unavailable]:
    """The answer of each half, or why it has none. After the first answer the other half has `patience_s` left.

    Raises:
        Unavailable: neither half answered.
    """
    (first, asked), (second, asked_too) = spot, perp
    tasks = asyncio.ensure_future(asked), asyncio.ensure_future(asked_too)
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if any(not task.done() for task in tasks):
            await asyncio.wait(tasks, timeout=patience_s)
        answers = _result(first, tasks[0], patience_s), _result(second, tasks[1], patience_s)
    finally:
        for task in tasks:
            task.cancel()
    failures = [answer for answer in answers if isinstance(answer, Unavailable)]
    if len(failures) == len(answers):
        waits = [failure.retry_after for failure in failures if failure.retry_after is not None]
        raise Unavailable("; ".join(map(str, failures)), max(waits, default=None))
    return answers


def _result(half: Half, task: "asyncio.Future[T]", patience_s: float) -> T | Unavailable:
    if not task.done():
        return Unavailable(f"{half.name}: no answer {patience_s:g} s after that of the other venue")
    error = task.exception()
    if error is None:
        return task.result()
    if isinstance(error, Unavailable):
        return half.failed(error)
    raise error
