"""Virtual time: an asyncio event loop that never waits, because its clock jumps to whatever is due next.

Callbacks run in the order in which they became ready, timers in the order of their time; nothing is read from the real
clock, from sockets or from threads, so the same coroutine does the same every time.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
RESOLUTION_SECONDS = 1e-7


class DeadlockError(Exception):
    """Everybody waits and nothing is scheduled: in real time this would hang for ever."""


class _Skipper:
    """Stands where an event loop has its selector: instead of waiting for sockets it moves the clock."""

    def __init__(self, loop: "VirtualLoop") -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise DeadlockError("every task waits and no timer is set")
        if timeout > 0:
            self._loop.skip(timeout)
        return []

    def close(self) -> None:
        """Nothing is open."""


class VirtualLoop(asyncio.BaseEventLoop):
    """`time()` is virtual seconds since the loop was made. `on_step` is called before every round of callbacks."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._clock_resolution = RESOLUTION_SECONDS
        self._selector = _Skipper(self)
        self.on_step: Callable[[], None] | None = None
        self.unhandled: list[str] = []
        self.set_exception_handler(self._remember)

    def time(self) -> float:
        return self._now

    def skip(self, seconds: float) -> None:
        """To the next timer exactly: adding up waits would drift by rounding."""
        scheduled = self._scheduled  # type: ignore[attr-defined]
        self._now = max(self._now, scheduled[0].when()) if scheduled else self._now + seconds

    def _write_to_self(self) -> None:
        """Nothing waits for a socket, so nothing has to be woken."""

    def _run_once(self) -> None:
        if self.on_step is not None:
            self.on_step()
        super()._run_once()  # type: ignore[misc]

    def _process_events(self, event_list: list[Any]) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nobody waits in another thread."""

    def _remember(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.unhandled.append(f"{context.get('message')}: {context.get('exception')!r}")


def run_virtually(make: Callable[[VirtualLoop], Coroutine[Any, Any, T]]) -> T:
    """The result of `make(loop)`, run to its end on a loop of its own.

    Raises:
        DeadlockError: when it waits for something that never comes.
    """
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(make(loop))
    finally:
        left = [task for task in asyncio.all_tasks(loop) if not task.done()]
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        asyncio.set_event_loop(None)
        loop.close()
