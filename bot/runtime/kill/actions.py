"""What the kill switch does when it rises: withdraw what may not live, flatten where asked, and go on until it is done.

One set of actions for the daemon and for the simulation. Nothing here waits for the journal before it acts, and every
wait ends when the level has fallen.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from itertools import count

import structlog

from bot.domain.order import Order
from bot.domain.states import KillLevel
from bot.journal.journal import JournalError
from bot.runtime.cycle import Cycle, CycleResult

ROUND_SECONDS = 2.0  # between two rounds of a flatten: books fill up again, and an operator may call it off
RETRY_SECONDS = (0.5, 1.0, 2.0, 5.0)
_log = structlog.get_logger("sectorbot.kill")


class SwitchActions:
    """The actions over one cycle.

    Args:
        level: the level in force now; an action ends when it is below the one it was called for.
        guard: one guard, None when it came to nothing.
        recover: makes the journal take records again if that is possible; whether it does.
        report: is given the orders that are still to be withdrawn, after every attempt.
        is_waiting: whether a flatten is held back for a moment.
    """

    def __init__(
        self,
        cycle: Cycle,
        *,
        level: Callable[[], KillLevel],
        guard: Callable[[], Awaitable[CycleResult | None]],
        recover: Callable[[], Awaitable[bool]],
        report: Callable[[Sequence[Order]], None],
        is_waiting: Callable[[], bool] = lambda: False,
    ) -> None:
        self._cycle, self._level, self._guard = cycle, level, guard
        self._recover, self._report, self._is_waiting = recover, report, is_waiting

    async def on_rise(self, level: KillLevel) -> None:
        """Until nothing is left that may not live at this level, or the level has fallen."""
        if level is KillLevel.FLATTEN:
            await self._attempt(level)
            await self._flatten()
        attempt = 0
        while self._is_in_force(level) and await self._attempt(level):
            await asyncio.sleep(RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)])
            attempt += 1

    async def _attempt(self, level: KillLevel) -> bool:
        """Withdraw once; whether something is left."""
        try:
            left = await self._cycle.withdraw(level)
        except JournalError as error:  # the cancels were sent, what they did is not written yet
            await self._recover()
            left = self._cycle.load_withdrawn(level)
            _log.error("kill_switch_unwritten", why=str(error), left=len(left))
            self._report(left)
            return True
        self._report(left)
        return bool(left)

    async def _flatten(self) -> None:
        """Round after round until nothing moves. A round that came to nothing, because the venue or the journal does
        not answer, is tried again. What a cancel has not reached yet is withdrawn before each round."""
        attempt = 0
        while self._is_in_force(KillLevel.FLATTEN):
            result = await self._round()
            if result is not None and not result.has_acted and not self._is_waiting():
                return
            if result is None:
                await asyncio.sleep(RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)])
                attempt += 1
            else:
                attempt = 0
                await asyncio.sleep(ROUND_SECONDS)
            if self._is_in_force(KillLevel.FLATTEN) and self._cycle.load_withdrawn(KillLevel.FLATTEN):
                await self._attempt(KillLevel.FLATTEN)

    async def _round(self) -> CycleResult | None:
        """One guard. Its reads may take long, so that cancels which have not got through are repeated beside it."""
        left = self._cycle.load_withdrawn(KillLevel.FLATTEN)
        if not left:
            return await self._guard()
        repeats = asyncio.create_task(self._repeat_cancels(left))
        try:
            return await self._guard()
        finally:
            repeats.cancel()  # a request on its way does no harm: what it did is read as evidence
            await asyncio.wait({repeats})  # it alone may end as cancelled, and not whoever waits here
            if not repeats.cancelled():
                repeats.result()

    async def _repeat_cancels(self, orders: Sequence[Order]) -> None:
        with contextlib.suppress(JournalError):  # the guard meets it as well
            for attempt in count():
                await asyncio.sleep(RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)])
                if self._is_in_force(KillLevel.FLATTEN):
                    await self._cycle.repeat_cancels(orders, KillLevel.FLATTEN)

    def _is_in_force(self, level: KillLevel) -> bool:
        return self._level().severity >= level.severity
