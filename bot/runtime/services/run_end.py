"""The end of a run in the journal, by which the next start recognises a crash."""

import contextlib

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
