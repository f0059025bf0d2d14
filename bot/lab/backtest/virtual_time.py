"""An event loop whose time is the simulation's: a wait costs no wall time, and the clock moves only while all wait."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
NS_PER_MS, NS_PER_SECOND = 1_000_000, 1_000_000_000
RESOLUTION_SECONDS = 1e-6  # coarser than the resolution of a float of years, or a timer would never be due


class VirtualClock:
    """UTC milliseconds of the simulation. It starts at a given time and moves when the loop is idle."""

    def __init__(self, start_ms: int) -> None:
        self._start_ns = self._ns = start_ms * NS_PER_MS

    def now_ms(self) -> int:
        """The nearest millisecond: a timer may be due a hair before its time, and an hour must not look unfinished."""
        return (self._ns + NS_PER_MS // 2) // NS_PER_MS

    @property
    def elapsed_seconds(self) -> float:
        """Since the start; small, so that a float keeps its microseconds for years."""
        return (self._ns - self._start_ns) / NS_PER_SECOND

    def pass_seconds(self, seconds: float) -> None:
        """Move forward, by a nanosecond at least: a wait that ends now must end."""
        self._ns += max(1, round(seconds * NS_PER_SECOND))


class _NoWaiting(selectors.SelectSelector):
    """Waits for nothing: there is no network here, so what would be waited for is time, and that is passed."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """No event ever; a wait without an end is for a thread, and is a real one."""
        if timeout is None:
            return super().select(None)
        if timeout > 0:
            self._clock.pass_seconds(timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop on a `VirtualClock`. Not for code that talks to sockets or waits for threads beside timers."""

    def __init__(self, clock: VirtualClock) -> None:
        self._virtual = clock
        super().__init__(_NoWaiting(clock))
        self._clock_resolution = RESOLUTION_SECONDS

    def time(self) -> float:
        return self._virtual.elapsed_seconds


def run_virtual(main: Coroutine[Any, Any, T], clock: VirtualClock) -> T:
    """Run to its end on virtual time; Ctrl-C ends it like any other run."""
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(clock)) as runner:
        return runner.run(main)
