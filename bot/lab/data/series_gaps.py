"""Gaps and ends of the series in the tables of a directory: one computation for `data check` and for the back-test.

A series is what the key columns of a table name: a symbol, a symbol of one exchange, a part of the value locked.
Importing this module needs pyarrow.
"""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bot.domain.durations import DAY_MS, HOUR_MS
from bot.lab.backtest.record import day_of
from bot.lab.data.table_rows import PROVIDER
from bot.lab.data.table_shape import OPTIONAL, TEXTS

CANDLES = {"ohlcv_1h": HOUR_MS, "perp_ohlcv_1h": HOUR_MS, "ohlcv_1d": DAY_MS, "perp_ohlcv_1d": DAY_MS}
WIDTHS = {**CANDLES, "funding_8h": 8 * HOUR_MS, "tvl_daily": DAY_MS, "open_interest": DAY_MS}
SPOT = ("ohlcv_1h", "ohlcv_1d")
MAX_GAP_HOURS = 12
BY_EXCHANGE = ("funding_8h", "open_interest")  # read of one exchange per symbol
NO_ROW: dict[str, Any] = {"to": None, "ends_early": True, "gaps": []}
SERIES_SHOWN, GAPS_SHOWN = 5, 5


def series_of(path: Path, width_ms: int, gap_ms: int, keep: Callable[[Any], Any] | None = None) -> dict[str, Any]:
    """By series: rows, first and last time, missing rows, and gaps longer than `gap_ms`; `keep` gives a mask of rows.

    Times are UTC ms: `first_ms`, `last_ms`, and `from_ms` of a gap, which lasts for `hours`.
    """
    known = pq.read_schema(path).names
    keys = [
        column for column in (*TEXTS[path.stem], *OPTIONAL[path.stem]) if column in known and column != "quote_volume"
    ]
    table = pq.read_table(path, columns=["ts", *keys], use_threads=False)
    if keep is not None:
        table = table.filter(keep(table))
    if not table.num_rows:
        return {}
    texts = [table[key].cast(pa.large_string()) for key in keys]
    named = pc.binary_join_element_wise(*texts, pa.scalar(" ", pa.large_string())).combine_chunks().dictionary_encode()
    times = table["ts"].cast(pa.int64())
    ordered = pa.table({"series": named.indices, "ts": times}).sort_by([("series", "ascending"), ("ts", "ascending")])
    names = named.dictionary.to_pylist()
    result: dict[str, Any] = {}
    spans = ordered.group_by("series", use_threads=False).aggregate([("ts", "min"), ("ts", "max"), ("ts", "count")])
    for row in sorted(spans.to_pylist(), key=lambda row: str(names[row["series"]])):
        result[names[row["series"]]] = {
            "rows": row["ts_count"],
            "first_ms": row["ts_min"],
            "last_ms": row["ts_max"],
            "missing": 0,
            "gaps": [],
        }
    before, after = ordered.slice(0, ordered.num_rows - 1), ordered.slice(1)
    steps = pc.subtract(after["ts"], before["ts"])
    within = pc.and_(pc.equal(before["series"], after["series"]), pc.greater(steps, width_ms))
    for row in pa.table({"series": before["series"], "ts": before["ts"], "step": steps}).filter(within).to_pylist():
        one, step = result[names[row["series"]]], row["step"]
        one["missing"] += step // width_ms - 1
        if step - width_ms > gap_ms:
            one["gaps"].append({"from_ms": row["ts"] + width_ms, "hours": (step - width_ms) // HOUR_MS})
    return result


def used_gaps(
    folder: Path,
    spots: Collection[str],
    perps: Collection[str],
    former: Collection[str],
    parts: Collection[str],
    span: tuple[int, int],
) -> dict[str, Any]:
    """By table and series that a run uses: gaps inside the span, and ends a day or more before its end.

    `former` names symbols that another one continues: their end is no finding. `parts` are those of the value locked,
    as the settings write them. Series without a finding are left out; a part of the value locked without any row, and
    a perp that has candles but nothing in another table that is there, is one.
    """
    start_ms, end_ms = span
    result: dict[str, Any] = {}
    seen: set[str] = set()  # perps with a row in a table read before: candles come first
    for table, width_ms in WIDTHS.items():
        path = folder / f"{table}.parquet"
        if not path.is_file():
            continue
        names = spots if table in SPOT else perps
        keep = _of_parts(parts, end_ms) if table == "tvl_daily" else _of_symbols((*names, *former), end_ms)
        every = series_of(path, width_ms, max(MAX_GAP_HOURS * HOUR_MS, width_ms), keep)
        series = _most_rows(every) if table in BY_EXCHANGE else every
        own = {
            name: _finding(one, width_ms, start_ms, end_ms, is_former=name.split(" ")[0] in former)
            for name, one in series.items()
        }
        own |= dict.fromkeys(_without_row(table, series, seen & {*perps}, parts), NO_ROW)
        seen |= {name.split(" ")[0] for name in series if table not in SPOT}
        if own := {name: one for name, one in own.items() if one["gaps"] or one["ends_early"]}:
            result[table] = own
    return result


def _without_row(table: str, series: Mapping[str, Any], perps: Collection[str], parts: Collection[str]) -> list[str]:
    if table == "tvl_daily":
        there = {_part_of(*name.removesuffix(f" {PROVIDER}").split(" ", 1)) for name in series}
        return sorted(part for part in parts if part.lower() not in there)
    there = {name.split(" ")[0] for name in series}
    return sorted(perp for perp in perps if perp not in there) if table in BY_EXCHANGE else []


def _part_of(scope: str, name: str) -> str:
    """As the settings write a part of the value locked, in small letters."""
    return "all" if scope == "total" else f"{scope}:{name}".lower()


def gap_lines(found: Mapping[str, Any], end: str) -> list[str]:
    """A line for a person of each table with a finding; the document has all of them."""
    lines = []
    for table, series in found.items():
        ordered = sorted(series.items(), key=lambda item: -sum(gap["hours"] for gap in item[1]["gaps"]))
        shown = "; ".join(_text(name, one, end) for name, one in ordered[:SERIES_SHOWN])
        more = f"; and {len(ordered) - SERIES_SHOWN} more series" if len(ordered) > SERIES_SHOWN else ""
        lines.append(f"{table} is incomplete: {shown}{more}")
    return lines


def _text(name: str, one: Mapping[str, Any], end: str) -> str:
    gaps = ", ".join(f"{gap['from']} {gap['hours']} h" for gap in one["gaps"][:GAPS_SHOWN])
    more = len(one["gaps"]) - GAPS_SHOWN
    parts = [f"gaps {gaps}{f' and {more} more' if more > 0 else ''}"] if gaps else []
    if one["to"] is None:
        parts.append("has no row")
    elif one["ends_early"]:
        parts.append(f"ends {one['to']}, the run {end}")
    return f"{name} {', '.join(parts)}"


def _finding(one: Mapping[str, Any], width_ms: int, start_ms: int, end_ms: int, *, is_former: bool) -> dict[str, Any]:
    gaps = [
        {"from": day_of(gap["from_ms"]), "hours": gap["hours"]}
        for gap in one["gaps"]
        if gap["from_ms"] + gap["hours"] * HOUR_MS > start_ms
    ]
    ends_early = not is_former and one["last_ms"] + width_ms <= end_ms - DAY_MS
    return {"to": day_of(one["last_ms"]), "ends_early": ends_early, "gaps": gaps}


def _of_symbols(symbols: Collection[str], end_ms: int) -> Callable[[Any], Any]:
    required = pa.array(list(dict.fromkeys(symbols)), pa.large_string())

    def keep(table: Any) -> Any:
        return pc.and_(pc.less(table["ts"], end_ms), pc.is_in(table["symbol"].cast(pa.large_string()), required))

    return keep


def _of_parts(parts: Collection[str], end_ms: int) -> Callable[[Any], Any]:
    """The rows that `RecordedTvl` adds up: `all` is the table's total, and only one provider is read."""
    required = {part.lower() for part in parts}

    def keep(table: Any) -> Any:
        pairs = zip(table["scope"].to_pylist(), table["name"].to_pylist(), strict=True)
        used = pa.array([_part_of(scope, name) in required for scope, name in pairs])
        mask = pc.and_(pc.less(table["ts"], end_ms), used)
        return pc.and_(mask, pc.equal(table["provider"], PROVIDER)) if "provider" in table.column_names else mask

    return keep


def _most_rows(series: Mapping[str, Any]) -> dict[str, Any]:
    """Of the exchanges of one symbol the one that is read: that with most rows."""
    best: dict[str, str] = {}
    for name, one in series.items():
        symbol = name.split(" ")[0]
        if symbol not in best or one["rows"] > series[best[symbol]]["rows"]:
            best[symbol] = name
    return {name: series[name] for name in best.values()}
