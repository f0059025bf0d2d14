"""Report a start that fails, while it is tried again and when it is given up."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog

from bot.runtime.settings.model import Settings

ReportStart = Callable[[Settings, str, bool], Awaitable[bool]]
"""Sends a text about a start, where the last argument says so by way of the journal; whether it has arrived."""
SEND_SECONDS = 15.0
AGAIN_SECONDS = 60.0
_log = structlog.get_logger("sectorbot.daemon")


class StartReport:
    """Of one start: sends until the report has arrived, for `SEND_SECONDS` at a time at most.

    Args:
        report: how; None where no destination is set.
    """

    def __init__(self, settings: Settings, report: ReportStart | None) -> None:
        self._settings, self._report = settings, report
        self._began = time.monotonic()
        self._next = self._began + settings.notify.timing.unreachable_seconds

    async def failing(self, why: str) -> None:
        """It is tried again: reported once it has failed for as long as a venue may be dark while the bot runs."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + AGAIN_SECONDS
            await self._send(f"tried for {now - self._began:.0f} s, and tried again: {why}")

    async def given_up(self, why: str, *, has_journal: bool = True) -> None:
        """The process ends without having started; without a journal where that is why."""
        await self._send(f"given up: {why}", has_journal=has_journal)

    async def _send(self, text: str, *, has_journal: bool = True) -> None:
        if self._report is None:
            return
        try:
            async with asyncio.timeout(SEND_SECONDS):
                if await self._report(self._settings, text, has_journal):
                    self._report = None
        except Exception as error:  # noqa: BLE001 - a report never keeps the bot from being started
            _log.warning("start_not_reported", why=type(error).__name__, what="it is sent later, if it was journaled")
