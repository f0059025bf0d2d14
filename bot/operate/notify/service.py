"""The service that sends notices.

The journal is the outbox: a notice is an event of the journal that nobody has been informed of, and what a destination
has received is a fact of the journal as well. A crash loses nothing; one between sending and recording repeats a
message, whose lines carry the same ids. Reads and sends happen in threads, so that no turn waits for them.
"""

import asyncio
import contextlib
from collections.abc import Sequence

from bot.journal.journal import Journal, JournalBusy, JournalError, JournalLocked
from bot.journal.reader import JournalReader
from bot.operate.notify.delivery import Delivery
from bot.operate.notify.direct import send_directly
from bot.operate.notify.events import NOTICE
from bot.operate.notify.observed import Observed, Payload
from bot.operate.notify.sender import Sender
from bot.report.daily import daily_report
from bot.runtime.clock import SystemClock
from bot.runtime.cycle import CycleResult
from bot.runtime.services.notice import NoticeEvent
from bot.runtime.services.service import RunningBot
from bot.runtime.settings.model import Settings


def make_notifier(bot: RunningBot) -> "Notifier":
    """The service for the destinations of the settings.

    Raises:
        ValueError: Apprise does not know one of the URLs.
    """
    return Notifier(bot, make_senders(bot.settings))


def make_senders(settings: Settings) -> tuple[Sender, ...]:
    """One for each URL.

    Raises:
        ValueError: Apprise does not know one of them.
    """
    timeout = settings.notify.timing.send_seconds
    found = settings.notify.destinations.items()
    return tuple(Sender(name, url, timeout_seconds=timeout) for name, url in found)


async def report_failed_start(settings: Settings, text: str, has_journal: bool = True) -> bool:
    """Journal and send that a start does not come about; whether it has arrived everywhere. What has not is sent by the
    next run. Without a usable journal it is sent once, straight, and not again while `direct.is_repeated`.

    Raises:
        JournalBusy: another process is at work on the journal.
    """
    account, clock, senders = settings.venue.account, SystemClock(), make_senders(settings)
    if not has_journal:
        return await send_directly(settings, senders, NoticeEvent.START_FAILED, text, clock.now_ms())
    try:
        return await _report_by_journal(settings, senders, text, clock, account)
    except JournalError as error:
        if isinstance(error, JournalBusy) and not isinstance(error, JournalLocked):
            raise
        return await send_directly(settings, senders, NoticeEvent.START_FAILED, f"{text}; {error}", clock.now_ms())


async def _report_by_journal(
    settings: Settings, senders: Sequence[Sender], text: str, clock: SystemClock, account: str
) -> bool:
    journal = await Journal.open(settings.journal_path, account=account, now_ms=clock.now_ms)
    try:
        return await Delivery(settings, journal, clock, senders).report(NoticeEvent.START_FAILED, text)
    finally:
        await journal.close()


class Notifier(Delivery):
    """Reads new events, and sends each to every destination until it has arrived or is given up."""

    name = "notify"

    def __init__(self, bot: RunningBot, senders: Sequence[Sender]) -> None:
        super().__init__(bot.settings, bot.app.journal, bot.app.clock, senders)
        self._bot = bot
        self._observed: Observed | None = None
        self._unwritten: list[Payload] = []
        self._sending: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Collect and send until cancelled."""
        reader = JournalReader(self._bot.app.journal.path)
        try:
            self._observed = Observed(self._settings, self._bot.settings.venue.name, await self._open(reader))
            async with asyncio.TaskGroup() as group:
                group.create_task(self._collect_for_ever(reader))
                for sender in self._senders:
                    group.create_task(self._send_for_ever(sender))
        finally:
            await asyncio.to_thread(reader.close)

    def on_turn(self, result: CycleResult) -> None:
        """Nothing to do: the journal has it."""

    async def close(self) -> None:
        """Send what the end of the run has left, the notice of the end included. What does not arrive now is sent by
        the next run."""
        if not self._outboxes:
            return
        reader = JournalReader(self._bot.app.journal.path)
        try:
            await asyncio.gather(*self._sending.values(), return_exceptions=True)
            await self._collect(reader)
            await asyncio.gather(*(self._send_due(sender, is_last=True) for sender in self._senders))
        finally:
            await asyncio.to_thread(reader.close)

    async def _collect_for_ever(self, reader: JournalReader) -> None:
        while True:
            await self._observe(reader)
            await self._collect(reader)
            await asyncio.sleep(self._settings.timing.poll_seconds)

    async def _observe(self, reader: JournalReader) -> None:
        """Write down what no other event of the journal shows."""
        observed, now_ms = self._observed, self._now_ms()
        if observed is None or self._bot.app.journal.is_substituted:
            return
        problem = str(self._bot.health.last.get("problem") or "")
        has_locks = bool(problem) and bool(await asyncio.to_thread(reader.load_locks))
        self._unwritten += observed.update(problem, has_locks=has_locks, now_ms=now_ms)
        if observed.is_report_due(now_ms):
            sectors = self._bot.settings.universe
            text = await asyncio.to_thread(daily_report, reader, sectors, now_ms)
            self._unwritten.append(observed.report(text, now_ms))
        with contextlib.suppress(JournalError):  # the daemon meets it as well; the next look tries again
            while self._unwritten:
                await self._bot.app.journal.record_fact(NOTICE, self._unwritten[0])
                del self._unwritten[0]

    async def _send_for_ever(self, sender: Sender) -> None:
        while True:
            task = self._sending[sender.name] = asyncio.create_task(self._send_due(sender))
            await asyncio.shield(task)  # `close` waits for it where the run ends meanwhile
            await asyncio.sleep(self._settings.timing.poll_seconds)
