"""Days of the recorded market on which the bot once decided wrongly (decisions 0018 and 0019)."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

pytest.importorskip("pyarrow")

from bot.lab.backtest.command import BacktestRequest, read_history, run_record, settings_of
from bot.lab.backtest.record import Record, StanceChange


@pytest.fixture
def recorded(shared: Path) -> Path:
    folder = shared / "data"
    if not (folder / "ohlcv_1h.parquet").is_file():
        pytest.skip("the recorded candles are absent")
    return folder


def ms(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1000)


def walk(folder: Path, scratch: Path, start: str, end: str, *changes: str) -> Record:
    asked = BacktestRequest(folder, ms(start), ms(end), assignments=changes)
    settings = settings_of(asked, scratch)
    return run_record(asked, settings, read_history(asked, settings), on_progress=lambda _: None)


def read_on(record: Record, day: str) -> StanceChange:
    """The condition and the stance that were in force at the end of a day."""
    return [turn for turn in record.turns if turn.at_ms < ms(day) + 24 * 3_600_000][-1]


def test_the_crash_of_march_2020_is_a_downtrend_and_nothing_is_bought(recorded: Path, tmp_path: Path) -> None:
    """36 % of all evidence was there, and all that a downtrend needs: neutral held, and infrastructure was bought."""
    record = walk(recorded, tmp_path, "2020-03-05", "2020-03-20")
    seen = read_on(record, "2020-03-13")
    assert (seen.condition, seen.stance) == ("downtrend", "de_risk")
    later = [rotation for rotation in record.rotations.values() if rotation.started_ms >= ms("2020-03-12")]
    assert sum(rotation.traded_quote for rotation in later) == 0


def test_a_crowded_euphoria_leads_to_neutral_and_a_neutral_week_too(recorded: Path, tmp_path: Path) -> None:
    """From 2024-02-15 on euphoria was vetoed every day, and the book stood at 43 % cash until 03-16."""
    record = walk(recorded, tmp_path, "2024-01-05", "2024-03-12")
    assert read_on(record, "2024-01-25").stance == "de_risk"
    assert read_on(record, "2024-02-07").stance == "neutral", "a week of neutral"
    vetoed = read_on(record, "2024-02-16")
    assert (vetoed.condition, vetoed.stance) == ("euphoria", "neutral")
    cash = record.moments[-1].sleeves["cash"] / record.moments[-1].equity
    assert cash < 0.05


def test_a_veto_alone_ends_de_risk(recorded: Path, tmp_path: Path) -> None:
    record = walk(recorded, tmp_path, "2024-01-05", "2024-02-25", "playbook.regime.neutral_return_hours=0")
    assert read_on(record, "2024-02-13").stance == "de_risk"
    assert read_on(record, "2024-02-16").stance == "neutral"
