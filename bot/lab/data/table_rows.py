"""What is wrong in the rows of a table of candles, settlements, open interest or value locked.

Each of these faults would change a result unnoticed. Importing this module needs pyarrow.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from bot.domain.durations import DAY_MS, HOUR_MS

PRICES = ("open", "high", "low", "close")
TIMEFRAMES = {"ohlcv_1h": HOUR_MS, "perp_ohlcv_1h": HOUR_MS, "ohlcv_1d": DAY_MS, "perp_ohlcv_1d": DAY_MS}
SPOT = ("ohlcv_1h", "ohlcv_1d")
HIGH_FACTOR = 100.0  # a high this far above open and close is a slipped decimal point, no trade
LOW_FACTOR = 1e6  # crashes to a four-thousandth within one candle are recorded
SPIKE_FACTOR = 10.0  # recorded candles have gone up and back by less than four times within one
AMOUNT_MAX = 1e24  # beyond any volume, interest or value locked
SCOPES = ("total", "chain", "protocol")  # those that are read; others may be there
RATE_MAX = 0.1  # of one settlement; venues cap it at 0.02 to 0.04
RATE_MEDIAN_MAX = 0.004  # of a series; recorded ones have 0.0001
ROWS_FOR_MEDIAN = 20
PROVIDER = "defillama"
NULLS_LEFT_OUT = ("oi_usd",)  # a source that counts in coins only has no value in dollars; the reader leaves it out
_SPELLING = {True: re.compile(r"[^/:\s]+/[^/:\s]+"), False: re.compile(r"[^/:\s]+/[^/:\s]+:[^/:\s]+")}
_JOINED = re.compile(r"([A-Z0-9]+?)[-_/]?(USDT|USDC|FDUSD|BUSD|TUSD|USD|EUR|BTC|ETH)(?:[-_:.]?(?:PERP|SWAP|USDT))?")


@dataclass(frozen=True, slots=True)
class Problem:
    """One kind of wrong row: how many, the first of them with symbol, UTC ms and value, and what to do."""

    why: str
    do: str
    symbol: str = ""
    at_ms: int | None = None
    value: str = ""

    def __str__(self) -> str:
        first = " ".join(part for part in (self.symbol, _moment(self.at_ms), self.value) if part)
        return f"{self.why}{f' (first: {first})' if first else ''}; {self.do}"


def row_problems(table: Any, name: str, numbers: tuple[str, ...]) -> Iterator[Problem]:
    """Everything wrong in the rows of a table whose columns have the right names and types."""
    texts = [column for column in ("symbol", "scope", "name", "exchange", "provider") if column in table.column_names]
    yield from _without_value(table, ("ts", *texts, *numbers))
    for column in numbers:
        yield from _bad_numbers(table, column)
    if name in TIMEFRAMES:
        yield from _bad_candles(table, TIMEFRAMES[name])
        yield from _spikes(table)
    for column in ("tvl_usd", "oi_usd"):
        if column in numbers:
            yield from _zeros_between(table, texts, column)
    if "symbol" in texts:
        yield from _bad_symbols(table, is_spot=name in SPOT)
    if name == "funding_8h":
        yield from _bad_rates(table)
    if "scope" in texts:
        yield from _bad_parts(table)
    if "provider" in texts:
        yield from _bad_providers(table)
    yield from _twice(table, ["ts", *texts])


def _rows(table: Any, mask: Any, why: str, do: str, column: str) -> Iterator[Problem]:
    count = pc.sum(pc.fill_null(mask, False).cast("int64")).as_py() or 0
    if count:
        row = table.filter(mask).slice(0, 1).to_pylist()[0]
        symbol = str(row.get("symbol") or row.get("name") or "")
        yield Problem(f"{count:,} {why}", do, symbol, row["ts"], f"{column} {row[column]}" if column != "ts" else "")


def _without_value(table: Any, columns: tuple[str, ...]) -> Iterator[Problem]:
    for column in columns:
        if column not in NULLS_LEFT_OUT and table[column].null_count:
            why = f"cells of column {column} without a value"
            yield from _rows(
                table, pc.is_null(table[column]), why, "fill them from the source or drop the rows", column
            )


def _bad_numbers(table: Any, column: str) -> Iterator[Problem]:
    values = table[column]
    if pa.types.is_floating(values.type):
        why = f"cells of column {column} that are NaN or infinite"
        yield from _rows(table, pc.invert(pc.is_finite(values)), why, "drop the rows or fetch them again", column)
    if column in {"tvl_usd", "oi_usd", "volume", "quote_volume"}:
        do = "drop the rows or fetch them again"
        yield from _rows(table, pc.less(values, 0), f"rows with a negative {column}", do, column)
        large = pc.and_(pc.greater(values, AMOUNT_MAX), pc.is_finite(values))
        yield from _rows(table, large, f"rows with a {column} beyond {AMOUNT_MAX:g}", do, column)


def _bad_candles(table: Any, timeframe_ms: int) -> Iterator[Problem]:
    opened, high, low, close = (table[name] for name in PRICES)
    upper, lower = pc.max_element_wise(opened, close), pc.min_element_wise(opened, close)
    again = "fetch these candles again"
    why = "rows whose low or high does not hold their open and close"
    for column, mask in (("low", pc.greater(low, lower)), ("high", pc.less(high, upper))):
        yield from _rows(table, mask, why, again, column)
    yield from _rows(table, pc.less_equal(low, 0), "rows with a price that is not positive", again, "low")
    wick = pc.and_(pc.greater(high, pc.multiply(upper, HIGH_FACTOR)), pc.greater(upper, 0))
    yield from _rows(table, wick, f"rows whose high is {HIGH_FACTOR:.0f} times their open and close", again, "high")
    dip = pc.and_(pc.less(pc.multiply(low, LOW_FACTOR), lower), pc.greater(low, 0))
    yield from _rows(
        table, dip, f"rows whose low is less than a {LOW_FACTOR:.0f}th of their open and close", again, "low"
    )
    rest = pc.subtract(table["ts"], pc.multiply(pc.divide(table["ts"], timeframe_ms), timeframe_ms))
    do = "write the time at which the candle opens, UTC"
    yield from _rows(table, pc.not_equal(rest, 0), "rows that do not begin at their timeframe", do, "ts")


def _spikes(table: Any) -> Iterator[Problem]:
    """A close far from both its neighbours is a slipped decimal point or of another market, and no price."""
    ordered = table.select(["symbol", "ts", "close"])
    if not _is_in_order(ordered, ["ts", "symbol"]):
        ordered = ordered.sort_by([("symbol", "ascending"), ("ts", "ascending")])
    count = ordered.num_rows - 2
    if count < 1:
        return
    before, rows, after = (ordered.slice(at, count) for at in range(3))
    one = pc.and_(pc.equal(before["symbol"], rows["symbol"]), pc.equal(rows["symbol"], after["symbol"]))
    upper = pc.max_element_wise(before["close"], after["close"])
    lower = pc.min_element_wise(before["close"], after["close"])
    far = pc.or_(
        pc.greater(rows["close"], pc.multiply(upper, SPIKE_FACTOR)),
        pc.less(pc.multiply(rows["close"], SPIKE_FACTOR), lower),
    )
    why = f"rows whose close is {SPIKE_FACTOR:.0f} times away from the candles before and after"
    yield from _rows(rows, pc.and_(one, far), why, "fetch these candles again", "close")


def _zeros_between(table: Any, texts: list[str], column: str) -> Iterator[Problem]:
    """A value of 0 between others is a day that the source has missed; the live source leaves such a day out."""
    zeros = table.filter(pc.equal(table[column], 0)).to_pylist()
    if not zeros:
        return
    valued = table.filter(pc.greater(table[column], 0)).group_by(texts, use_threads=False)
    spans = {
        tuple(row[name] for name in texts): (row["ts_min"], row["ts_max"])
        for row in valued.aggregate([("ts", "min"), ("ts", "max")]).to_pylist()
    }
    wrong = []
    for row in zeros:
        first, last = spans.get(tuple(row[name] for name in texts), (row["ts"], row["ts"]))
        if first < row["ts"] < last:
            wrong.append(row)
    if wrong:
        why = f"{len(wrong):,} rows with a {column} of 0 between others"
        symbol = str(wrong[0].get("symbol") or wrong[0].get("name") or "")
        yield Problem(why, "drop the rows or fetch them again", symbol, wrong[0]["ts"])


def _bad_symbols(table: Any, *, is_spot: bool) -> Iterator[Problem]:
    shape = "UNI/USDT" if is_spot else "UNI/USDT:USDT"
    for symbol in table["symbol"].unique().to_pylist():
        if symbol is None or (_SPELLING[is_spot].fullmatch(symbol) and symbol == symbol.upper()):
            continue
        parts = _JOINED.fullmatch(symbol.strip().upper())
        meant = f"{parts[1]}/{parts[2]}{'' if is_spot else f':{parts[2]}'}" if parts else ""
        do = f"did you mean {meant}?" if meant else f"write it as {shape}"
        yield Problem(f"symbol {symbol!r} is not written as {shape}", do)


def _bad_rates(table: Any) -> Iterator[Problem]:
    sizes = pc.abs(table["funding_rate"])
    do = "write the share paid at a settlement, 0.0001 for 0.01 %"
    why = f"rows with a funding_rate beyond {RATE_MAX} of the position"
    yield from _rows(table, pc.and_(pc.greater(sizes, RATE_MAX), pc.is_finite(sizes)), why, do, "funding_rate")
    result = pa.table({"symbol": table["symbol"], "size": sizes}).group_by("symbol", use_threads=False)
    for row in result.aggregate([("size", "approximate_median"), ("size", "count")]).to_pylist():
        median = row["size_approximate_median"]
        if median is not None and row["size_count"] >= ROWS_FOR_MEDIAN and median > RATE_MEDIAN_MAX:
            why = "half of the funding rates are larger than any venue's: they look like percent"
            yield Problem(why, do, str(row["symbol"]), None, f"median {median:g}")


def _bad_parts(table: Any) -> Iterator[Problem]:
    """A part of the value locked that is written otherwise than it is read would be missing without a word."""
    for scope in table["scope"].unique().to_pylist():
        meant = (scope or "").strip().lower()
        meant = meant if meant in SCOPES else meant.removesuffix("s")
        if scope is not None and scope != meant and meant in SCOPES:
            yield Problem(f"scope {scope!r} is not read", f"write {meant!r}")
    pairs = table.select(["scope", "name"]).group_by(["scope", "name"], use_threads=False).aggregate([]).to_pylist()
    spelled: dict[tuple[str, str], str] = {}
    for row in pairs:
        scope, name = row["scope"], row["name"]
        if scope is None or name is None:
            continue
        if not name or name != name.strip():
            yield Problem(f"name {name!r} of scope {scope!r} is empty or has blanks around it", "write the name alone")
        other = spelled.setdefault((scope, name.lower()), name)
        if other != name and scope in SCOPES:
            yield Problem(f"names {other!r} and {name!r} of scope {scope!r} are one to the reader", "keep one spelling")


def _bad_providers(table: Any) -> Iterator[Problem]:
    for provider in table["provider"].unique().to_pylist():
        if provider is not None and provider != PROVIDER and provider.strip().lower() == PROVIDER:
            yield Problem(f"provider {provider!r} is not read", f"write {PROVIDER!r}")


def _is_in_order(table: Any, keys: list[str]) -> bool:
    """Whether every row has a later time than the one before or begins another series: then none is there twice."""
    before, after = table.slice(0, table.num_rows - 1), table.slice(1)
    same: Any = None
    series = [key for key in keys if key != "ts"]
    for key in series:
        equal = pc.equal(before[key], after[key])
        same = equal if same is None else pc.and_(same, equal)
    begins = table.num_rows - (pc.sum(same.cast("int64")).as_py() or 0) if same is not None else 0
    later = pc.or_(pc.invert(same), pc.greater(after["ts"], before["ts"]))
    return bool(pc.all(later).as_py()) and begins == table.select(series).group_by(series).aggregate([]).num_rows


def _twice(table: Any, keys: list[str]) -> Iterator[Problem]:
    if _is_in_order(table, keys):
        return
    counted = (
        table.select(keys)
        .append_column("one", table["ts"])
        .group_by(keys, use_threads=False)
        .aggregate([("one", "count")])
    )
    if counted.num_rows != table.num_rows:
        mask = pc.greater(counted["one_count"], 1)
        what = "candles" if "open" in table.column_names else "rows"
        why = f"{table.num_rows - counted.num_rows:,} {what} that are there twice"
        first: dict[str, Any] = next(iter(counted.filter(mask).slice(0, 1).to_pylist()), {})
        symbol = str(first.get("symbol") or first.get("name") or "")
        yield Problem(why, "keep one row of each time", symbol, first.get("ts"))


def _moment(at_ms: int | None) -> str:
    if at_ms is None:
        return ""
    try:
        return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError, OSError):
        return str(at_ms)
