"""One schema for `data check` and for the back-test: what would change a result in silence is refused by both."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.lab.backtest.history import HistoryProblem, HistoryWindow, load_history
from bot.lab.data.check import check_folder, summary_of
from bot.lab.data.table_shape import NUMBERS, table_problems
from tests.profiles import examples

HOUR = 3_600_000
START = 1_640_995_200_000


def good(name: str) -> Any:
    table: dict[str, list[Any]] = {"ts": [START + 24 * HOUR * n for n in range(4)]}
    if name == "tvl_daily":
        table |= {"scope": ["chain"] * 4, "name": ["Ethereum"] * 4}
    else:
        table["symbol"] = ["UNI/USDT" if name.startswith("ohlcv") else "UNI/USDT:USDT"] * 4
    value = 0.0001 if name == "funding_8h" else 1.0
    return pa.table(table | {column: [value] * 4 for column in NUMBERS[name]})


def put(table: Any, column: str, values: Any) -> Any:
    return table.set_column(table.column_names.index(column), column, values)


def last(table: Any, column: str, value: float) -> Any:
    return put(table, column, pa.array([*table[column].to_pylist()[:-1], value], pa.float64()))


CHANGES: dict[str, tuple[Callable[[Any, str], Any], str]] = {
    "seconds": (lambda t, _: put(t, "ts", pc.divide(t["ts"], 1000)), "looks like seconds"),
    "microseconds": (lambda t, _: put(t, "ts", pc.multiply(t["ts"], 1000)), "looks like microseconds"),
    "text for times": (lambda t, _: put(t, "ts", t["ts"].cast(pa.string())), "column ts is string"),
    "timestamps": (lambda t, _: put(t, "ts", t["ts"].cast(pa.timestamp("ms", "UTC"))), "column ts is timestamp"),
    "no number": (lambda t, c: last(t, c, float("nan")), "NaN or infinite"),
    "without end": (lambda t, c: last(t, c, float("inf")), "NaN or infinite"),
    "text for numbers": (lambda t, c: put(t, c, t[c].cast(pa.string())), "is string; write numbers"),
    "another name": (lambda t, _: t.rename_columns(["timestamp", *t.column_names[1:]]), "has no column 'ts'"),
    "times beyond a whole number": (
        lambda t, _: put(t, "ts", pa.array([*t["ts"].to_pylist()[:-1], 2**64 - 1], pa.uint64())),
        "cannot be read",
    ),
    "a column twice": (lambda t, _: t.append_column("ts", t["ts"]), "has the column 'ts' more than once"),
    "half precision": (
        lambda t, c: put(t, c, t[c].cast(pa.float32()).cast(pa.float16())),
        "is halffloat; write numbers",
    ),
    "no amount": (lambda t, c: last(t, c, 1e300), "(first: "),
    "no row": (lambda t, _: t.slice(0, 0), "has no row"),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_the_span_of_every_table_is_named_with_its_holes_and_what_ends_early(tmp_path: Path, name: str) -> None:
    whole = pa.concat_tables([good(name), put(good(name), "ts", pc.add(good(name)["ts"], 10 * 24 * HOUR))])
    column = "name" if name == "tvl_daily" else "symbol"
    other = "Solana" if name == "tvl_daily" else whole[column][0].as_py().replace("UNI", "AAVE")
    short = put(good(name), column, pa.array([other] * 4))
    for table in {"ohlcv_1h", name}:
        pq.write_table(good(table), tmp_path / f"{table}.parquet")
    pq.write_table(pa.concat_tables([short, whole]), tmp_path / f"{name}.parquet")
    found = check_folder(tmp_path)
    assert found["errors"] == []
    table = found["tables"][name]
    assert (table["from"], table["to"], table["rows"]) == ("2022-01-01", "2022-01-14", 12)
    early = next(one for one in table["series"] if other in one)
    holed = next(one for one in table["series"] if one != early)
    assert table["series"][early]["to"] == "2022-01-04"
    assert any(gap["from"].startswith("2022-01-0") for gap in table["series"][holed]["gaps"])
    words = summary_of(found)
    assert f"  {early} ends 2022-01-04, the table 2022-01-14" in words
    assert f"  {holed} 2022-01-01 → 2022-01-14" in words


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize(("change", "words"), CHANGES.values(), ids=CHANGES)
def test_a_table_of_another_shape_is_refused_by_both(
    tmp_path: Path, name: str, change: Callable[[Any, str], Any], words: str
) -> None:
    for other in {"ohlcv_1h", name}:
        pq.write_table(good(other), tmp_path / f"{other}.parquet")
    assert table_problems(tmp_path) == {}
    pq.write_table(change(good(name), NUMBERS[name][0]), tmp_path / f"{name}.parquet")
    errors = check_folder(tmp_path)["errors"]
    assert any(error.startswith(f"{name}: ") and words in error for error in errors), errors
    any_sectors: Any = None  # nobody asks for them before the tables are looked at
    with pytest.raises(HistoryProblem, match=rf"{name}\.parquet: ") as caught:
        load_history(
            tmp_path, any_sectors, HistoryWindow(START, START + HOUR, 0), market_symbol="UNI/USDT", tvl_parts={}
        )
    assert words in str(caught.value)


@given(st.integers(0, 3), st.sampled_from([1e-9, 1e-6, 1e-3, 1e3, 1e6]))
@settings(max_examples=examples(20), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_one_time_in_another_unit_is_enough(tmp_path: Path, row: int, factor: float) -> None:
    table = good("ohlcv_1h")
    times = table["ts"].to_pylist()
    times[row] = int(times[row] * factor)
    pq.write_table(put(table, "ts", pa.array(times)), tmp_path / "ohlcv_1h.parquet")
    assert "times are not milliseconds" in table_problems(tmp_path)["ohlcv_1h"][0]


def test_a_file_that_is_no_table_is_named(tmp_path: Path) -> None:
    (tmp_path / "ohlcv_1h.parquet").write_text("ts,symbol\n")
    assert "cannot be read as a table" in check_folder(tmp_path)["errors"][0]


@pytest.mark.parametrize("name", NUMBERS)
def test_a_file_whose_pages_are_damaged_and_a_directory_are_named(tmp_path: Path, name: str) -> None:
    for other in {"ohlcv_1h", name}:
        pq.write_table(good(other), tmp_path / f"{other}.parquet")
    path = tmp_path / f"{name}.parquet"
    content = bytearray(path.read_bytes())
    content[8:60] = bytes(byte ^ 0xFF for byte in content[8:60])
    path.write_bytes(content)
    assert "cannot be read as a table: " in table_problems(tmp_path)[name][0]
    path.unlink()
    path.symlink_to(tmp_path / "nowhere")
    assert table_problems(tmp_path) == {name: ["is no file; write one table in one file"]}
    path.unlink()
    path.mkdir()
    assert table_problems(tmp_path) == {name: ["is no file; write one table in one file"]}


@pytest.mark.parametrize(
    ("column", "values", "words"),
    [
        ("scope", ["Chain"] * 4, "scope 'Chain' is not read; write 'chain'"),
        ("scope", ["protocols"] * 4, "scope 'protocols' is not read; write 'protocol'"),
        ("name", ["Ethereum "] * 4, "name 'Ethereum ' of scope 'chain' is empty or has blanks around it"),
        ("name", [""] * 4, "name '' of scope 'chain' is empty"),
        ("name", ["Ethereum", "ethereum"] * 2, "of scope 'chain' are one to the reader; keep one spelling"),
    ],
)
def test_a_part_of_the_value_locked_that_would_not_be_read_is_refused(
    tmp_path: Path, column: str, values: list[str], words: str
) -> None:
    pq.write_table(put(good("tvl_daily"), column, pa.array(values)), tmp_path / "tvl_daily.parquet")
    assert any(words in problem for problem in table_problems(tmp_path)["tvl_daily"])


@pytest.mark.parametrize("name", ["ohlcv_1h", "perp_ohlcv_1d", "funding_8h", "open_interest"])
def test_a_column_that_no_one_reads_may_hold_anything(tmp_path: Path, name: str) -> None:
    for other in {"ohlcv_1h", name}:
        pq.write_table(good(other), tmp_path / f"{other}.parquet")
    pq.write_table(good(name).append_column("provider", pa.nulls(4, pa.string())), tmp_path / f"{name}.parquet")
    assert check_folder(tmp_path)["errors"] == []
