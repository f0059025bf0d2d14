"""The shape of the tables of a directory of candles: one schema for `data check` and for the back-test.

What is refused here would change a result in silence or end in a stack trace: a column that is missing or of another
type, times in seconds or microseconds, values that are no numbers. Importing this module needs pyarrow.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

FIRST_MS, LAST_MS = 1_230_768_000_000, 4_102_444_800_000  # 2009 and 2100: outside, the unit is another one
_CANDLES = ("open", "high", "low", "close", "volume")
NUMBERS = {
    "ohlcv_1h": _CANDLES, "perp_ohlcv_1h": _CANDLES, "ohlcv_1d": _CANDLES, "perp_ohlcv_1d": _CANDLES,
    "funding_8h": ("funding_rate",), "tvl_daily": ("tvl_usd",), "open_interest": ("oi_usd",),
}  # fmt: skip
NOT_NEGATIVE = ("tvl_usd", "oi_usd", "volume")
_UNITS = {"seconds": 1_000, "microseconds": 0.001, "nanoseconds": 0.000_001}


def shape_problems(folder: Path) -> dict[str, list[str]]:
    """By table, a sentence for everything that keeps it from being read; tables that are not there are left out."""
    found = {}
    for name in NUMBERS:
        path = folder / f"{name}.parquet"
        if path.is_file() and (problems := list(_problems(path, name))):
            found[name] = problems
    return found


def _problems(path: Path, name: str) -> Iterator[str]:
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        yield f"cannot be read as a table: {str(error).splitlines()[0][:120]}"
        return
    schema = file.schema_arrow
    texts = ("scope", "name") if name == "tvl_daily" else ("symbol",)
    wanted = ("ts", *texts, *NUMBERS[name])
    if missing := [column for column in wanted if column not in schema.names]:
        yield f"has no column {', '.join(map(repr, missing))}"
        return
    if file.metadata.num_rows == 0:
        yield "has no row"
        return
    yield from _types(schema, texts, name)
    is_whole = pa.types.is_integer(schema.field("ts").type)
    if is_whole:
        yield from _units(pq.read_table(path, columns=["ts"])["ts"])
    for column in NUMBERS[name]:
        if pa.types.is_floating(schema.field(column).type):
            yield from _values(pq.read_table(path, columns=[column])[column], column)


def _types(schema: Any, texts: tuple[str, ...], name: str) -> Iterator[str]:
    if not pa.types.is_integer(schema.field("ts").type):
        yield f"column ts is {schema.field('ts').type}; write milliseconds UTC as whole numbers (int64)"
    for column in texts:
        kind = schema.field(column).type
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
            yield f"column {column} is {schema.field(column).type}; write text (string)"
    for column in NUMBERS[name]:
        kind = schema.field(column).type
        if not (pa.types.is_floating(kind) or pa.types.is_integer(kind)):
            yield f"column {column} is {kind}; write numbers (double)"


def _units(times: Any) -> Iterator[str]:
    outside = times.filter(pc.or_(pc.less(times, FIRST_MS), pc.greater(times, LAST_MS)))
    if len(outside):
        one = outside[0].as_py()
        unit = next((word for word, factor in _UNITS.items() if FIRST_MS <= one * factor <= LAST_MS), "another unit")
        yield f"{len(outside):,} times are not milliseconds UTC: {one} looks like {unit}"


def _values(values: Any, column: str) -> Iterator[str]:
    bad = pc.sum(pc.invert(pc.is_finite(values)).cast("int64")).as_py() or 0
    if bad:
        yield f"column {column} has {bad:,} cells that are NaN or infinite"
    if column in NOT_NEGATIVE and (count := pc.sum(pc.less(values, 0).cast("int64")).as_py() or 0):
        yield f"{count:,} rows with a negative {column}"
