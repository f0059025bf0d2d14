"""The service that sends notices.

The journal is the outbox: a notice is an event of the journal that nobody has been informed of, and what a destination
has received is a fact of the journal as well. A crash loses nothing; one between sending and recording repeats a
message, whose lines carry the same ids. Reads and sends happen in threads, so that no turn waits for them.
"""

import asyncio
import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from bot.journal.facts import Fact
from bot.journal.journal import JournalError
from bot.journal.reader import JournalReader
from bot.operate.notify.events import KINDS, NOTICE, notices_of
from bot.operate.notify.message import compose
from bot.operate.notify.observed import Observed, Payload
from bot.operate.notify.outbox import Outbox
from bot.operate.notify.sender import Sender
from bot.report.daily import daily_report
from bot.report.notices import DEAD, SENT
from bot.runtime.cycle import CycleResult
from bot.runtime.services.notice import Notice
from bot.runtime.services.service import RunningBot
from bot.runtime.settings.model import Settings
from bot.runtime.settings.operate.notify import NotifySettings

READ_MAX = 500
RECENT = 500
_log = structlog.get_logger("sectorbot.notify")


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


def name_of(settings: Settings) -> str:
    """Which bot a message is of."""
    return f"sectorbot {settings.venue.account} ({settings.mode} {settings.environment})"


@dataclass(frozen=True, slots=True)
class _Loaded:
    """What the journal knows when the service starts."""

    outboxes: dict[str, Outbox]
    reported_ms: int


class Notifier:
    """Reads new events, and sends each to every destination until it has arrived or is given up."""

    name = "notify"

    def __init__(self, bot: RunningBot, senders: Sequence[Sender]) -> None:
        self._bot, self._senders = bot, senders
        self._settings = bot.settings.notify
        self._bot_name = name_of(bot.settings)
        self._outboxes: dict[str, Outbox] = {}
        self._observed: Observed | None = None
        self._unwritten: list[Payload] = []
        self._sending: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Collect and send until cancelled."""
        reader = JournalReader(self._bot.app.journal.path)
        try:
            await self._open(reader)
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

    async def _open(self, reader: JournalReader) -> None:
        loaded = await asyncio.to_thread(self._load, reader)
        self._outboxes = loaded.outboxes
        self._observed = Observed(self._settings, self._bot.settings.venue.id, loaded.reported_ms)

    def _load(self, reader: JournalReader) -> _Loaded:
        """The outboxes as the journal leaves them. A destination that is new gets what happens from this start on."""
        starts = reader.load_facts("started", 1)
        low = starts[0].seq - 1 if starts else reader.count_events()
        facts = sorted((*reader.load_facts(SENT, RECENT), *reader.load_facts(DEAD, RECENT)), key=lambda fact: fact.seq)
        outboxes = {sender.name: _outbox_of(sender.name, self._settings, facts, low) for sender in self._senders}
        reports = [fact.at_ms for fact in reader.load_facts(NOTICE, RECENT) if fact.payload.get("event") == "report"]
        started_ms = starts[0].at_ms if starts else 0
        return _Loaded(outboxes, reports[0] if reports else started_ms)

    async def _collect_for_ever(self, reader: JournalReader) -> None:
        while True:
            await self._observe(reader)
            await self._collect(reader)
            await asyncio.sleep(self._settings.timing.poll_seconds)

    async def _collect(self, reader: JournalReader) -> None:
        """Read new events until there are none."""
        while True:
            after = min(outbox.read_upto for outbox in self._outboxes.values())
            facts, newest = await asyncio.to_thread(_read, reader, after)
            notices = [notice for fact in facts for notice in notices_of(fact)]
            is_whole = len(facts) < READ_MAX
            upto = newest if is_whole else facts[-1].seq
            for outbox in self._outboxes.values():
                outbox.add(notices, upto)
            if is_whole:
                return

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

    async def _send_due(self, sender: Sender, *, is_last: bool = False) -> None:
        outbox = self._outboxes[sender.name]
        notices = outbox.due(self._now_ms(), is_last=is_last)
        if not notices:
            return
        why = await sender.send(compose(notices, self._settings, self._bot_name))
        if not why:
            outbox.count_sent(notices, self._now_ms())
            await self._record(SENT, sender.name, notices, outbox)
            return
        given_up = outbox.count_failed(notices, self._now_ms())
        wait = max(0, outbox.retry_at_ms - self._now_ms()) // 1000
        _log.warning("notice_not_sent", to=sender.name, why=why, count=len(notices), retry_in_seconds=wait)
        if given_up:
            _log.error("notices_given_up", to=sender.name, why=why, events=[str(n.event) for n in given_up])
            await self._record(DEAD, sender.name, given_up, outbox, why=why)

    async def _record(self, kind: str, name: str, notices: Iterable[Notice], outbox: Outbox, **fields: Any) -> None:
        """Without the record, the next run sends the same once more."""
        done = list(notices)
        payload = {"to": name, "ids": [n.id for n in done], "low": outbox.low, "done": sorted(outbox.done), **fields}
        if kind == DEAD:
            payload["events"] = [notice.event.value for notice in done]
        if self._bot.app.journal.is_substituted:
            return
        try:
            await self._bot.app.journal.record_fact(kind, payload)
        except JournalError as error:
            _log.warning("notice_not_recorded", to=name, why=str(error), what="it may come twice")

    def _now_ms(self) -> int:
        return self._bot.app.clock.now_ms()


def _read(reader: JournalReader, after: int) -> tuple[tuple[Fact, ...], int]:
    """New events that may be notices, and the number of the newest event of any kind before they were read."""
    newest = reader.count_events()
    facts = reader.load_events(READ_MAX, after, KINDS)
    return facts, max(newest, facts[-1].seq if facts else 0)


def _outbox_of(name: str, settings: NotifySettings, facts: Sequence[Fact], low: int) -> Outbox:
    own = [fact for fact in facts if fact.payload["to"] == name]
    if not own:
        return Outbox(settings, low)
    last = own[-1].payload
    sent_ms = [fact.at_ms for fact in own if fact.kind == SENT]
    return Outbox(settings, int(last["low"]), done=set(last["done"]), sent_ms=sent_ms)
