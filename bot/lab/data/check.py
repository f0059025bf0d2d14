"""What a directory of candles holds and lacks. Importing this module needs pyarrow (the extra `data`)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from bot.lab.backtest.history import HistoryProblem
from bot.lab.backtest.record import day_of
from bot.lab.data.table_shape import table_problems
from bot.simex.market.base import DAY_MS, HOUR_MS

TABLES = {"ohlcv_1h": HOUR_MS, "perp_ohlcv_1h": HOUR_MS, "ohlcv_1d": DAY_MS, "perp_ohlcv_1d": DAY_MS}
OTHERS = {"funding_8h": 8 * HOUR_MS, "tvl_daily": DAY_MS, "open_interest": DAY_MS}
NAMED_BY = ("symbol", "scope", "name", "exchange", "provider")  # what tells one series of a table from another
GAPS_SHOWN = 5

__all__ = ["HistoryProblem", "check_folder", "words_of"]


def check_folder(folder: Path, *, max_gap_hours: int = 12) -> dict[str, Any]:
    """Every table, its span and series: rows, missing rows, gaps longer than `max_gap_hours`, and what is wrong.

    Raises:
        HistoryProblem: there is no such directory, or no table of candles in it.
    """
    present = {name: folder / f"{name}.parquet" for name in TABLES if (folder / f"{name}.parquet").is_file()}
    if not folder.is_dir():
        raise HistoryProblem(f"{folder}: there is no such directory of candles")
    if not present:
        raise HistoryProblem(f"{folder}: there is no table of candles; expected one of {', '.join(TABLES)}.parquet")
    tables: dict[str, Any] = {}
    errors: list[str] = []
    problems = table_problems(folder)
    errors += [f"{name}: {words}" for name, sentences in problems.items() for words in sentences]
    present |= {name: folder / f"{name}.parquet" for name in OTHERS if (folder / f"{name}.parquet").is_file()}
    for name, path in present.items():
        if name in problems:
            continue
        keys = [column for column in NAMED_BY if column in pq.read_schema(path).names]
        table = pq.read_table(path, columns=["ts", *keys]).sort_by([(key, "ascending") for key in (*keys, "ts")])
        width_ms = {**TABLES, **OTHERS}[name]
        tables[name] = _series(table, keys, width_ms, max(max_gap_hours * HOUR_MS, width_ms))
    return {"directory": str(folder), "tables": tables, "errors": errors}


def words_of(found: Mapping[str, Any]) -> str:
    """For a person: a line per series with gaps, then what is wrong."""
    lines = []
    for name, table in found["tables"].items():
        what, of = ("candles", "symbols") if name in TABLES else ("rows", "series")
        lines.append(
            f"{name}: {table['rows']:,} {what} of {len(table['series'])} {of}, {table['missing']:,} missing,"
            f" {table['from']} → {table['to']}"
        )
        for symbol, series in table["series"].items():
            if series["to"] != table["to"]:
                lines.append(f"  {symbol} ends {series['to']}, the table {table['to']}")
            if series["gaps"]:
                shown = ", ".join(f"{gap['from']} {gap['hours']} h" for gap in series["gaps"][:GAPS_SHOWN])
                more = len(series["gaps"]) - GAPS_SHOWN
                lines.append(
                    f"  {symbol} {series['from']} → {series['to']}: {series['missing']:,} missing; {shown}"
                    + (f" and {more} more" if more > 0 else "")
                )
    lines += [f"WRONG {words}" for words in found["errors"]] or ["no row is wrong"]
    return "\n".join(lines)


def _series(table: Any, keys: list[str], width_ms: int, gap_ms: int) -> dict[str, Any]:
    series: dict[str, Any] = {}
    names, times = zip(*(table[key].to_pylist() for key in keys), strict=True), table["ts"].to_pylist()
    before: tuple[str, int] = ("", 0)
    for parts, at in zip(names, times, strict=True):
        name = " ".join(parts)
        one = series.setdefault(name, {"rows": 0, "from": day_of(at), "to": "", "missing": 0, "gaps": []})
        one["rows"] += 1
        if before[0] == name and at - before[1] > width_ms:
            lost = (at - before[1]) // width_ms - 1
            one["missing"] += lost
            if at - before[1] - width_ms > gap_ms:
                hours = (at - before[1] - width_ms) // HOUR_MS
                one["gaps"].append({"from": day_of(before[1] + width_ms), "hours": hours})
        one["to"] = day_of(at)
        before = (name, at)
    missing = sum(one["missing"] for one in series.values())
    span = {"from": day_of(min(times)), "to": day_of(max(times))}
    return {"rows": table.num_rows, **span, "missing": missing, "series": series}
