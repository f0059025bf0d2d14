"""What `data check` calls wrong keeps the back-test from running, for every table and by the same sentence."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bot.lab.backtest.command import ends_inside
from bot.lab.backtest.history import HistoryProblem, HistoryWindow, load_history
from bot.lab.data.check import check_folder
from bot.lab.data.table_shape import NUMBERS
from tests.lab.test_table_shape import HOUR, START, good, last, put

CANDLES = ("ohlcv_1h", "perp_ohlcv_1h", "ohlcv_1d", "perp_ohlcv_1d")
DAY = 24 * HOUR


def cell(column: str, value: float) -> Callable[[Any], Any]:
    return lambda table: last(table, column, value)


def inside(value: float, *columns: str) -> Callable[[Any], Any]:
    """The third of four rows."""

    def change(table: Any) -> Any:
        for column in columns:
            values = table[column].to_pylist()
            table = put(table, column, pa.array([*values[:2], value, *values[3:]]))
        return table

    return change


def null(column: str) -> Callable[[Any], Any]:
    return lambda table: put(table, column, pa.array([None, *table[column].to_pylist()[1:]], table[column].type))


def texts(column: str, value: str) -> Callable[[Any], Any]:
    return lambda table: put(table, column, pa.array([value] * table.num_rows))


def more(column: str, value: Any) -> Callable[[Any], Any]:
    return lambda table: table.append_column(column, pa.array([value] * table.num_rows, pa.string()))


def twice(table: Any) -> Any:
    return pa.concat_tables([table, table.slice(1, 1)])


def late(table: Any) -> Any:
    return put(table, "ts", pa.array([START + 60_000, *table["ts"].to_pylist()[1:]]))


def in_percent(table: Any) -> Any:
    count = 30
    return pa.table(
        {
            "ts": [START + n * 8 * HOUR for n in range(count)],
            "symbol": ["UNI/USDT:USDT"] * count,
            "funding_rate": [0.01] * count,
        }
    )


WRONG: list[tuple[str, Callable[[Any], Any], str]] = [
    *((name, cell("low", 2.0), "does not hold their open and close") for name in CANDLES),
    *((name, cell("high", 0.5), "does not hold their open and close") for name in CANDLES),
    *((name, cell("low", 0.0), "price that is not positive") for name in CANDLES),
    *((name, cell("high", 1000.0), "100 times") for name in CANDLES),
    *((name, inside(50.0, "high", "close"), "10 times away from the candles") for name in CANDLES),
    *((name, inside(0.01, "low", "close"), "10 times away from the candles") for name in CANDLES),
    *((name, inside(3_786_912_000_000, "ts"), "lie in the future (first: 2090-01-01)") for name in NUMBERS),
    *((name, late, "do not begin at their timeframe") for name in CANDLES),
    *(
        (name, null(column), f"cells of column {column} without a value")
        for name in CANDLES
        for column in ("ts", "close", "volume", "symbol")
    ),
    *((name, twice, "there twice") for name in NUMBERS),
    *((name, texts("symbol", "UNIUSDT"), "did you mean UNI/USDT?") for name in ("ohlcv_1h", "ohlcv_1d")),
    *((name, texts("symbol", "UNI-USDT"), "did you mean UNI/USDT?") for name in ("ohlcv_1h", "ohlcv_1d")),
    *((name, texts("symbol", "uni/usdt"), "did you mean UNI/USDT") for name in ("ohlcv_1h", "ohlcv_1d")),
    *(
        (name, texts("symbol", word), "did you mean UNI/USDT:USDT?")
        for name in ("perp_ohlcv_1h", "perp_ohlcv_1d", "funding_8h", "open_interest")
        for word in ("UNIUSDT", "UNI/USDT", "UNI-USDT-SWAP")
    ),
    ("funding_8h", cell("funding_rate", 0.5), "funding_rate beyond"),
    ("funding_8h", in_percent, "look like percent"),
    ("funding_8h", null("funding_rate"), "without a value"),
    ("tvl_daily", cell("tvl_usd", -1.0), "negative tvl_usd"),
    ("tvl_daily", inside(0.0, "tvl_usd"), "tvl_usd of 0 between others"),
    ("open_interest", inside(0.0, "oi_usd"), "oi_usd of 0 between others"),
    ("tvl_daily", null("name"), "without a value"),
    ("tvl_daily", more("provider", "DefiLlama"), "write 'defillama'"),
    ("open_interest", cell("oi_usd", -1.0), "negative oi_usd"),
    ("open_interest", more("exchange", None), "without a value"),
]


@pytest.mark.parametrize(("name", "change", "words"), WRONG, ids=[f"{name}-{words}" for name, _, words in WRONG])
def test_a_wrong_row_is_refused_by_data_check_and_by_the_back_test(
    tmp_path: Path, name: str, change: Callable[[Any], Any], words: str
) -> None:
    pq.write_table(good("ohlcv_1h"), tmp_path / "ohlcv_1h.parquet")
    pq.write_table(change(good(name)), tmp_path / f"{name}.parquet")
    errors = check_folder(tmp_path)["errors"]
    assert any(error.startswith(f"{name}: ") and words in error for error in errors), errors
    any_sectors: Any = None  # nobody asks for them before the tables are checked
    with pytest.raises(HistoryProblem) as caught:
        load_history(
            tmp_path, any_sectors, HistoryWindow(START, START + DAY, 0), market_symbol="UNI/USDT", tvl_parts={}
        )
    assert str(caught.value).startswith(f"{tmp_path}: {errors[0].replace(':', '.parquet:', 1)}")


@pytest.mark.parametrize("name", NUMBERS)
def test_rows_in_any_order_are_no_problem(tmp_path: Path, name: str) -> None:
    pq.write_table(good("ohlcv_1h"), tmp_path / "ohlcv_1h.parquet")
    pq.write_table(good(name).sort_by([("ts", "descending")]), tmp_path / f"{name}.parquet")
    assert check_folder(tmp_path)["errors"] == []


@pytest.mark.parametrize(("name", "column"), [("tvl_daily", "tvl_usd"), ("open_interest", "oi_usd")])
def test_zeros_before_the_first_value_and_after_the_last_are_no_problem(tmp_path: Path, name: str, column: str) -> None:
    pq.write_table(good("ohlcv_1h"), tmp_path / "ohlcv_1h.parquet")
    pq.write_table(put(good(name), column, pa.array([0.0, 1.0, 1.0, 0.0])), tmp_path / f"{name}.parquet")
    assert check_folder(tmp_path)["errors"] == []


def test_a_price_that_stays_where_it_went_is_no_problem(tmp_path: Path) -> None:
    table = good("ohlcv_1h")
    for column in ("open", "high", "low", "close"):
        table = put(table, column, pa.array([1.0, 1.0, 50.0, 50.0]))
    pq.write_table(table, tmp_path / "ohlcv_1h.parquet")
    assert check_folder(tmp_path)["errors"] == []


def test_candles_that_end_inside_the_span_are_named() -> None:
    listed = {"A/USDT": (0, 5 * DAY), "B/USDT": (0, 10 * DAY), "C/USDT": (0, 9 * DAY + 1), "D/USDT": (0, DAY)}
    assert ends_inside(listed, 2 * DAY, 10 * DAY) == {"A/USDT": 5 * DAY}
