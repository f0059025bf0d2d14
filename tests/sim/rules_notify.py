"""A notice arrives whatever happens to the process or the service: it is an event of the journal until it has."""

import asyncio
import contextlib
from collections import Counter
from typing import Any

from bot.execution.reconcile import Truth
from bot.journal.journal import JournalError, JournalReader
from bot.operate.notify.delivery import KNOWN
from bot.operate.notify.events import KINDS, notices_of
from bot.operate.notify.outbox import BATCH_MAX
from tests.sim.faults import Kind
from tests.sim.hooks import Rule
from tests.sim.wire import Crash
from tests.sim.world import Life
from tests.sim.worlds_notify import POLL_SECONDS, NoticeService

EVERY = 1_000_000
LATE_MS = int(10 * POLL_SECONDS * 1000)
STARTED = {"mode": "trade", "venue": "binance", "environment": "sim", "version": "1", "config": "c"}


class NoticesArrive(Rule):
    """In worlds whose service fails: every notice of the journal has arrived when the world is at rest, and one that
    was taken, answered and journaled is sent no second time."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._is_one_journal, self._began_seq = True, 0
        self._tasks: list[Any] = []

    @property
    def _service(self) -> NoticeService:
        (found,) = (one for one in self.world.hooks.disturbances if isinstance(one, NoticeService))
        return found

    def at_start_of_life(self, life: Life) -> None:
        if Kind.NOTICES_FAIL not in self.world.plan.kinds:
            return
        if not self._began_seq:
            self._began_seq = life.app.journal.reader.count_events()
        self._tasks.append(self.world.loop.create_task(self._serve(life)))

    async def _serve(self, life: Life) -> None:
        """As the daemon: the start is journaled, and a service that fails is started again."""
        is_written = False
        with contextlib.suppress(Crash):  # the life ends by it
            while True:
                try:
                    if not is_written:
                        await life.app.journal.record_fact("started", STARTED)
                    is_written = True
                    await self._service.serve(life)
                except JournalError:
                    await asyncio.sleep(POLL_SECONDS)

    def journal_replaced(self) -> None:
        self._is_one_journal = False  # events of before have numbers that are used again

    def at_end(self, life: Life, truth: Truth) -> None:
        if not self._tasks or not self._is_one_journal:
            return
        now_ms, service = self.world.clock.now_ms(), self._service
        reader = life.app.journal.reader
        facts = reader.load_events(EVERY, max(self._began_seq, _told_from(reader)), KINDS)
        ripe = [fact for fact in facts if now_ms - fact.at_ms > LATE_MS]
        arrived = {name for name, _ in service.arrived}
        missing = [notice for fact in ripe for notice in notices_of(fact) if notice.id not in arrived]
        # One message has so many lines; a service that came back a moment ago is still working off the rest.
        is_behind = sum(run == service._runs for _, run in service.arrived) >= BATCH_MAX
        if missing and not is_behind:
            first = missing[0]
            self.world.violate(
                "a notice arrives", f"{len(missing)} did not, first {first.id} {first.event} {first.text}"
            )
        again = [
            name for (name, _), count in Counter(service.arrived).items() if count > 1 and name not in service.unsaid
        ]
        if again:
            self.world.violate("a notice arrives once", f"{again[0]} came twice from one run of the service")


def _told_from(reader: JournalReader) -> int:
    """The event after which the destination is told, as the journal has it. Of a process that ended before it was
    written nobody knows that there was one to tell."""
    known = reader.load_events(1, 0, [KNOWN])
    return int(known[0].payload["low"]) if known else 0


RULES = (NoticesArrive,)
