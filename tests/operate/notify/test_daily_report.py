"""The daily report says what was earned, as the report on profit has it."""

from pathlib import Path

from bot.domain.durations import DAY_MS
from bot.report.daily import daily_report
from bot.report.profit.periods import load_profit
from bot.report.profit.views import earned_text
from tests.stage import staged


async def test_the_report_has_the_turns_and_the_profit_of_a_day(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage, stage.app() as app:
        await stage.turn(app)
        reader, sectors, now_ms = app.journal.reader, stage.settings.universe, app.clock.now_ms()
        text = daily_report(reader, sectors, now_ms)
        earned = earned_text(load_profit(reader, sectors, now_ms, since_ms=now_ms - DAY_MS), "since")
    assert "1 turn recorded" in text
    assert earned
    assert earned in text
