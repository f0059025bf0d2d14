"""What a directory lacks is said, with place and size."""

from pathlib import Path

import pytest

pytest.importorskip("pyarrow")

from bot.lab.backtest.history import HistoryProblem
from bot.lab.data.check import check_folder, summary_of
from tests.lab.markets import START_MS, H, path_of, rows_of, write_table

ETH, UNI = "ETH/USDT", "UNI/USDT"


def test_gaps_longer_than_asked_are_named_and_short_ones_are_counted(tmp_path: Path) -> None:
    rows = rows_of(path_of(lambda _: 10.0, START_MS, 100))
    write_table(tmp_path / "ohlcv_1h.parquet", {ETH: [*rows[:10], *rows[12:40], *rows[70:]], UNI: rows})
    found = check_folder(tmp_path)
    series = found["tables"]["ohlcv_1h"]["series"]
    assert series[ETH]["missing"] == 32
    assert series[ETH]["gaps"] == [{"from": "2024-01-02", "hours": 30}]
    assert series[UNI]["gaps"] == []
    assert found["errors"] == []
    assert "ETH/USDT 2024-01-01 → 2024-01-05: 32 missing; 2024-01-02 30 h" in summary_of(found)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ((START_MS, 10.0, 9.0, 8.0, 9.5, 1.0), "1 rows whose low or high"),
        ((START_MS, 1.0, 1.0, -1.0, 1.0, 1.0), "1 rows with a price that is not positive"),
        ((START_MS, 1.0, 1.0, 1.0, 1.0, -1.0), "1 rows with a negative volume"),
        ((START_MS + 5, 1.0, 1.0, 1.0, 1.0, 1.0), "1 rows that do not begin at their timeframe"),
        ((START_MS + H, 1.0, 1.0, 1.0, 1.0, 1.0), "1 candles that are there twice"),
    ],
)
def test_a_row_that_is_wrong_is_an_error(
    tmp_path: Path, row: tuple[int, float, float, float, float, float], words: str
) -> None:
    good = (START_MS + H, 1.0, 1.0, 1.0, 1.0, 1.0)
    write_table(tmp_path / "ohlcv_1h.parquet", {ETH: sorted([row, good])})
    errors = check_folder(tmp_path)["errors"]
    assert any(error.startswith(f"ohlcv_1h: {words}") and "(first: ETH/USDT 2024-01-01 0" in error for error in errors)


def test_a_directory_without_candles_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(HistoryProblem, match="there is no table of candles"):
        check_folder(tmp_path)
    with pytest.raises(HistoryProblem, match="no such directory"):
        check_folder(tmp_path / "nowhere")
