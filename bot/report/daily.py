"""The daily report: one paragraph about the last day."""

from bot.domain.durations import DAY_MS
from bot.journal.reader import JournalReader
from bot.playbook.policy.membership import Sectors
from bot.report.history import history
from bot.report.profit.periods import load_profit
from bot.report.profit.views import earned_text


def daily_report(reader: JournalReader, sectors: Sectors, now_ms: int) -> str:
    """What happened in the last 24 hours and what was earned, from the journal alone."""
    begin_ms = now_ms - DAY_MS
    earned = earned_text(load_profit(reader, sectors, now_ms, since_ms=begin_ms), "since")
    return str(history(reader, begin_ms, now_ms, earned, sectors.quote)["summary"])
