"""Questions to both venues at once: one that does not answer holds up the other for a moment only."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import structlog

from bot.ports import AccountRefused, ChecksUnanswered, SetupFailed, Unavailable, Venue

T = TypeVar("T")
PATIENCE_S = 3.0
"""How long the venue that has not answered is still waited for once the other has: less than any deadline of a turn."""


LIMITED_S = 12.0
"""How much longer while its own request limits hold the question back: a window of the strictest, and an answer."""


LIMITED_SHARE = 0.7
"""Of the request budget: from here on questions wait for room in it."""


REOPEN_S = 15.0
"""From one attempt to open a venue that did not answer at the start to the next."""
_log = structlog.get_logger("sectorbot.venue")


class Half:
    """One of the two venues, and what is traded there.

    Args:
        verify: asked once it was opened after the start; raises Unavailable where it cannot be used beside the other.
    """

    def __init__(self, venue: Venue, role: str, verify: Callable[[], None]) -> None:
        self.venue, self.role, self._verify = venue, role, verify
        self.is_open = True
        self._why, self._next_s = "", 0.0
        self._opening: asyncio.Task[None] | None = None

    def left_closed(self, error: Unavailable | SetupFailed) -> None:
        """It cannot be used for the reason in `error`; questions open it as soon as it can, after `REOPEN_S` at the
        earliest and not before the silence is over that it has asked for."""
        self.is_open, self._why = False, str(error)
        silence_s = error.retry_after or 0.0 if isinstance(error, Unavailable) else 0.0
        self._next_s = asyncio.get_running_loop().time() + max(REOPEN_S, silence_s)

    async def ask(self, question: Callable[[Venue], Coroutine[Any, Any, T]]) -> T:
        """The answer. A venue that is not open yet is opened beside the turn, which does not wait for it.

        Raises:
            Unavailable: there is no answer, or the venue is not open yet.
        """
        if not self.is_open:
            if asyncio.get_running_loop().time() >= self._next_s and self._opening is None:
                self._opening = asyncio.create_task(self._open())
            raise Unavailable(f"not answering since the start: {self._why}")
        return await question(self.venue)

    async def close(self) -> None:
        if self._opening is not None:
            self._opening.cancel()
        await self.venue.close()

    async def _open(self) -> None:
        try:
            with contextlib.suppress(AccountRefused, ChecksUnanswered):  # connected: the account checks stop entries
                await self.venue.open()
            try:
                self._verify()
            except Unavailable:
                await self.venue.close()
                raise
        except (Unavailable, SetupFailed) as error:
            self.left_closed(error)
        else:
            self.is_open = True
            _log.warning("venue_opened", what=f"{self.name} answers; entries go on once books and account agree")
        finally:
            self._opening = None

    @property
    def name(self) -> str:
        return f"{self.role} at {self.venue.id}"

    @property
    def is_limited(self) -> bool:
        """Whether its own request limits hold questions back; such a venue is not silent."""
        return max(self.venue.requests_used().values(), default=0.0) >= LIMITED_SHARE

    def failed(self, error: Unavailable) -> Unavailable:
        """The same failure, with the name of the half."""
        return Unavailable(f"{self.name}: {error}", error.retry_after)


async def read_both(
    spot: tuple[Half, Coroutine[Any, Any, T]], perp: tuple[Half, Coroutine[Any, Any, T]], *, patience_s: float
) -> tuple[T | Unavailable, T | Unavailable]:
    """The answer of each half, or why it has none. After the first answer the other half has `patience_s` left, and
    `LIMITED_S` more where its own request limits hold it back.

    Raises:
        Unavailable: neither half answered.
    """
    (first, asked), (second, asked_too) = spot, perp
    tasks = asyncio.ensure_future(asked), asyncio.ensure_future(asked_too)
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if any(not task.done() for task in tasks):
            await asyncio.wait(tasks, timeout=patience_s)
        if any(half.is_limited for half, task in zip((first, second), tasks, strict=True) if not task.done()):
            await asyncio.wait(tasks, timeout=LIMITED_S)
            patience_s += LIMITED_S
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
