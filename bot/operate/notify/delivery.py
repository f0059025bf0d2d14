"""What brings notices from the journal to their destinations.

The journal is the outbox: a notice is an event of the journal that nobody has been informed of, and what a destination
has received is a fact of the journal as well.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog

from bot.journal.facts import Fact
from bot.journal.journal import Journal, JournalError
from bot.journal.reader import JournalReader
from bot.operate.notify.events import KINDS, NOTICE, notices_of
from bot.operate.notify.message import compose
from bot.operate.notify.outbox import Outbox
from bot.operate.notify.sender import Sender
from bot.ports import Clock
from bot.report.notices import DEAD, SENT
from bot.runtime.services.notice import Notice, NoticeEvent
from bot.runtime.services.run_end import STARTED
from bot.runtime.settings.model import Settings
from bot.runtime.settings.operate.notify import NotifySettings

READ_MAX = 500
RECENT = 500
KNOWN = "notice_destination"  # the kind of the fact that a destination is there, and from which event on
T = TypeVar("T")
_log = structlog.get_logger("sectorbot.notify")


def name_of(settings: Settings) -> str:
    """Which bot a message is of."""
    return f"sectorbot {settings.venue.account} ({settings.mode} {settings.environment})"


@dataclass(frozen=True, slots=True)
class _Loaded:
    """What the journal knows when the service starts."""

    outboxes: dict[str, Outbox]
    new: tuple[str, ...]
    reported_ms: int


class Delivery:
    """The outboxes of the destinations over one journal, and what is sent from them."""

    def __init__(self, settings: Settings, journal: Journal, clock: Clock, senders: Sequence[Sender]) -> None:
        self._settings, self._bot_name = settings.notify, name_of(settings)
        self._journal, self._clock, self._senders = journal, clock, senders
        self._outboxes: dict[str, Outbox] = {}

    async def report(self, event: NoticeEvent, text: str) -> bool:
        """Write a notice down and send it, outside of a run; whether no notice of its kind waits any more. One that the
        journal had within the time in which notices are not repeated is not written again.

        Raises:
            JournalError: it could not be written down.
        """
        reader, now_ms = self._journal.reader, self._now_ms()
        await self._open(reader, is_started=False)
        last = next((fact for fact in reader.load_facts(NOTICE, RECENT) if _event_of(fact) == event), None)
        if last is None or not 0 <= now_ms - last.at_ms < self._settings.timing.repeat_seconds * 1000:
            await self._journal.record_fact(NOTICE, {"event": event.value, "text": text, "since_ms": now_ms})
        await self._collect(reader)
        await asyncio.gather(*(self._send_due(sender, is_last=True) for sender in self._senders))
        waiting = [notice for outbox in self._outboxes.values() for notice in outbox.pending.values()]
        return all(notice.event is not event for notice in waiting)

    async def _open(self, reader: JournalReader, *, is_started: bool = True) -> int:
        """Take up the outboxes as the journal leaves them, and write down which destinations are new: where a run is
        killed before it has sent anything to one, the next run sends it.

        Returns:
            When the last daily report was written, ms.
        """
        loaded = await self._in_thread(self._load, reader, is_started)
        self._outboxes = loaded.outboxes
        if not self._journal.is_substituted:
            with contextlib.suppress(JournalError):
                for name in loaded.new:
                    await self._journal.record_fact(KNOWN, {"to": name, "low": self._outboxes[name].low})
        return loaded.reported_ms

    def _load(self, reader: JournalReader, is_started: bool) -> _Loaded:
        """A destination that is new gets what happens from this start on."""
        starts = reader.load_facts(STARTED, 1) if is_started else ()
        low = starts[0].seq - 1 if starts else reader.count_events()
        facts = sorted((*reader.load_facts(SENT, RECENT), *reader.load_facts(DEAD, RECENT)), key=lambda fact: fact.seq)
        known = {
            str(fact.payload["to"]): int(fact.payload["low"]) for fact in reversed(reader.load_facts(KNOWN, RECENT))
        }
        names = [sender.name for sender in self._senders]
        outboxes = {name: _outbox_of(name, self._settings, facts, known.get(name, low)) for name in names}
        new = [name for name in names if name not in known and all(fact.payload["to"] != name for fact in facts)]
        reports = [fact.at_ms for fact in reader.load_facts(NOTICE, RECENT) if _event_of(fact) == NoticeEvent.REPORT]
        return _Loaded(outboxes, tuple(new), reports[0] if reports else starts[0].at_ms if starts else 0)

    async def _in_thread(self, call: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.to_thread(call, *arguments)

    async def _collect(self, reader: JournalReader) -> None:
        """Read new events until there are none."""
        while True:
            after = min(outbox.read_upto for outbox in self._outboxes.values())
            facts, newest = await self._in_thread(_read, reader, after)
            notices = [notice for fact in facts for notice in notices_of(fact)]
            is_whole = len(facts) < READ_MAX
            upto = newest if is_whole else facts[-1].seq
            for outbox in self._outboxes.values():
                outbox.add(notices, upto)
            if is_whole:
                return

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
        if self._journal.is_substituted:
            return
        try:
            await self._journal.record_fact(kind, payload)
        except JournalError as error:
            _log.warning("notice_not_recorded", to=name, why=str(error), what="it may come twice")

    def _now_ms(self) -> int:
        return self._clock.now_ms()


def _read(reader: JournalReader, after: int) -> tuple[tuple[Fact, ...], int]:
    """New events that may be notices, and the number of the newest event of any kind before they were read."""
    newest = reader.count_events()
    facts = reader.load_events(READ_MAX, after, KINDS)
    return facts, max(newest, facts[-1].seq if facts else 0)


def _event_of(fact: Fact) -> str:
    return str(fact.payload.get("event", ""))


def _outbox_of(name: str, settings: NotifySettings, facts: Sequence[Fact], low: int) -> Outbox:
    own = [fact for fact in facts if fact.payload["to"] == name]
    if not own:
        return Outbox(settings, low)
    last = own[-1].payload
    sent_ms = [fact.at_ms for fact in own if fact.kind == SENT]
    return Outbox(settings, int(last["low"]), done=set(last["done"]), sent_ms=sent_ms)
