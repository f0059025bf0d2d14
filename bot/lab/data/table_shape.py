"""The shape of the tables of a directory of candles: one schema for `data check` and for the back-test.

What is refused here would change a result in silence or end in a stack trace: a column that is missing or of another
type, times in seconds or microseconds, rows that are wrong (`bot.lab.data.table_rows`).
Importing this module needs pyarrow.
"""

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bot.domain.durations import DAY_MS
from bot.lab.data.table_rows import row_problems

FIRST_MS, LAST_MS = 1_230_768_000_000, 4_102_444_800_000  # 2009 and 2100: outside, the unit is another one
_CANDLES = ("open", "high", "low", "close", "volume")
NUMBERS = {
    "ohlcv_1h": _CANDLES,
    "perp_ohlcv_1h": _CANDLES,
    "ohlcv_1d": _CANDLES,
    "perp_ohlcv_1d": _CANDLES,
    "funding_8h": ("funding_rate",),
    "tvl_daily": ("tvl_usd",),
    "open_interest": ("oi_usd",),
}
OPTIONAL = {
    **dict.fromkeys(("ohlcv_1h", "perp_ohlcv_1h", "ohlcv_1d", "perp_ohlcv_1d"), ("quote_volume",)),
    "funding_8h": ("exchange",),
    "tvl_daily": ("provider",),
    "open_interest": ("exchange",),
}
TEXTS = {name: ("scope", "name") if name == "tvl_daily" else ("symbol",) for name in NUMBERS}
_UNITS = {"seconds": 1_000, "microseconds": 0.001, "nanoseconds": 0.000_001}


def table_problems(folder: Path) -> dict[str, list[str]]:
    """By table, a sentence for everything that is wrong with it; tables that are not there are left out."""
    result = {}
    for name in NUMBERS:
        path = folder / f"{name}.parquet"
        if os.path.lexists(path) and (problems := list(_problems(path, name))):
            result[name] = problems
    return result


def _problems(path: Path, name: str) -> Iterator[str]:
    """Whatever the library cannot read or compute is a problem of the file too, never an error of the program."""
    if not path.is_file():
        yield "is no file; write one table in one file"
        return
    try:
        yield from _problems_of_file(path, name)
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        message = next(iter(str(error).splitlines()), "") or type(error).__name__
        yield f"cannot be read as a table: {message[:120]}; write it again or fetch it again"


def _problems_of_file(path: Path, name: str) -> Iterator[str]:
    file = pq.ParquetFile(path)
    schema = file.schema_arrow
    texts = TEXTS[name]
    required = ("ts", *texts, *NUMBERS[name])
    if missing := [column for column in required if column not in schema.names]:
        yield f"has no column {', '.join(map(repr, missing))}"
        return
    if twice := [column for column in (*required, *OPTIONAL[name]) if schema.names.count(column) > 1]:
        yield f"has the column {twice[0]!r} more than once; keep one"
        return
    if file.metadata.num_rows == 0:
        yield "has no row"
        return
    optional = [column for column in OPTIONAL.get(name, ()) if column in schema.names]
    numbers = (*NUMBERS[name], *(column for column in optional if column == "quote_volume"))
    texts = (*texts, *(column for column in optional if column != "quote_volume"))
    if types := list(_types(schema, texts, numbers)):
        yield from types
        return
    table = pq.read_table(path, columns=["ts", *texts, *numbers], use_threads=False)
    if wrong := [*_units(table["ts"])] or [*_future(table["ts"])]:
        yield from wrong
        return
    yield from map(str, row_problems(table, name, numbers))


def _types(schema: Any, texts: tuple[str, ...], numbers: tuple[str, ...]) -> Iterator[str]:
    if not pa.types.is_integer(schema.field("ts").type):
        yield f"column ts is {schema.field('ts').type}; write milliseconds UTC as whole numbers (int64)"
    for column in texts:
        kind = schema.field(column).type
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
            yield f"column {column} is {schema.field(column).type}; write text (string)"
    for column in numbers:
        kind = schema.field(column).type
        if pa.types.is_float16(kind) or not (pa.types.is_floating(kind) or pa.types.is_integer(kind)):
            yield f"column {column} is {kind}; write numbers (double)"


def _future(times: Any) -> Iterator[str]:
    """A recorded row cannot be of the future; a back-test would end there."""
    limit_ms = time.time_ns() // 1_000_000 + DAY_MS
    later = times.filter(pc.greater(times, limit_ms))
    if len(later):
        day = datetime.fromtimestamp(later[0].as_py() / 1000, UTC).date()
        yield f"{len(later):,} times lie in the future (first: {day}); drop the rows or correct their time"


def _units(times: Any) -> Iterator[str]:
    outside = times.filter(pc.or_(pc.less(times, FIRST_MS), pc.greater(times, LAST_MS)))
    if len(outside):
        one = outside[0].as_py()
        unit = next((word for word, factor in _UNITS.items() if FIRST_MS <= one * factor <= LAST_MS), "another unit")
        yield f"{len(outside):,} times are not milliseconds UTC: {one} looks like {unit}"
