"""The daily report: one paragraph about the last day."""

from bot.domain.durations import DAY_MS
from bot.journal.reader import JournalReader
from bot.report.history import history


def daily_report(reader: JournalReader, now_ms: int) -> str:
    """What happened in the last 24 hours, from the journal alone."""
    return str(history(reader, now_ms - DAY_MS, now_ms)["summary"])
