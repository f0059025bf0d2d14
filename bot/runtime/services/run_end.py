"""The end of a run: its stop event, and the journal record by which the next start recognises a crash."""

import asyncio
import contextlib
from collections.abc import Iterator

from bot.journal.journal import Journal, JournalError
from bot.journal.reader import JournalReader

STARTED, STOPPED = "started", "stopped"


def has_crashed(reader: JournalReader) -> bool:
    """Whether the last run that records its end has not done so. Runs of older versions name no process and count as
    ended.

    Raises:
        JournalError: the journal cannot be read.
    """
    starts, ends = reader.load_facts(STARTED, 1), reader.load_facts(STOPPED, 1)
    is_open = bool(starts) and "pid" in starts[0].payload
    return is_open and not (ends and ends[0].seq > starts[0].seq)


async def record_stopped(journal: Journal, by: str, last_turn: object) -> None:
    """Write down that this run ends as it should; a journal that refuses it shows a crash at the next start."""
    with contextlib.suppress(JournalError):
        await journal.record_fact(STOPPED, {"by": by, "cycle": last_turn})


class StopEvent(asyncio.Event):
    """Set once the process is to end; `by` names the signal that asked for it."""

    by = ""

    def set_by(self, name: str) -> None:
        self.by = name
        self.set()


async def stopped_within(stop: asyncio.Event, seconds: float) -> bool:
    """Wait; whether the process was asked to end meanwhile."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
    return stop.is_set()


def causes_of(error: BaseException) -> Iterator[BaseException]:
    """The exceptions in a group, one by one."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from causes_of(inner)
    else:
        yield error
