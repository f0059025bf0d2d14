"""What a directory of candles holds and lacks. Importing this module needs pyarrow (the extra `data`)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from bot.backtest.history import HistoryProblem
from bot.backtest.record import day_of
from bot.backtest.table_shape import table_problems
from bot.simex.market.base import DAY_MS, HOUR_MS

TABLES = {"ohlcv_1h": HOUR_MS, "perp_ohlcv_1h": HOUR_MS, "ohlcv_1d": DAY_MS, "perp_ohlcv_1d": DAY_MS}
GAPS_SHOWN = 5

__all__ = ["HistoryProblem", "check_folder", "words_of"]


def check_folder(folder: Path, *, max_gap_hours: int = 12) -> dict[str, Any]:
    """Tables with their series: rows, span, missing candles, gaps longer than `max_gap_hours`, and rows that are wrong.

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
    for name, path in present.items():
        if name in problems:
            continue
        table = pq.read_table(path, columns=["ts", "symbol"]).sort_by([("symbol", "ascending"), ("ts", "ascending")])
        tables[name] = _series(table, TABLES[name], max(max_gap_hours * HOUR_MS, TABLES[name]))
    return {"directory": str(folder), "tables": tables, "errors": errors}


def words_of(found: Mapping[str, Any]) -> str:
    """For a person: a line per series with gaps, then what is wrong."""
    lines = []
    for name, table in found["tables"].items():
        lines.append(
            f"{name}: {table['rows']:,} candles of {len(table['series'])} symbols, {table['missing']:,} missing"
        )
        for symbol, series in table["series"].items():
            if series["gaps"]:
                shown = ", ".join(f"{gap['from']} {gap['hours']} h" for gap in series["gaps"][:GAPS_SHOWN])
                more = len(series["gaps"]) - GAPS_SHOWN
                lines.append(
                    f"  {symbol} {series['from']} → {series['to']}: {series['missing']:,} missing; {shown}"
                    + (f" and {more} more" if more > 0 else "")
                )
    lines += [f"WRONG {words}" for words in found["errors"]] or ["no row is wrong"]
    return "\n".join(lines)


def _series(table: Any, timeframe_ms: int, gap_ms: int) -> dict[str, Any]:
    series: dict[str, Any] = {}
    symbols, times = table["symbol"].to_pylist(), table["ts"].to_pylist()
    before: tuple[str, int] = ("", 0)
    for symbol, at in zip(symbols, times, strict=True):
        one = series.setdefault(symbol, {"rows": 0, "from": day_of(at), "to": "", "missing": 0, "gaps": []})
        one["rows"] += 1
        if before[0] == symbol and at - before[1] > timeframe_ms:
            lost = (at - before[1]) // timeframe_ms - 1
            one["missing"] += lost
            if at - before[1] - timeframe_ms > gap_ms:
                hours = (at - before[1] - timeframe_ms) // HOUR_MS
                one["gaps"].append({"from": day_of(before[1] + timeframe_ms), "hours": hours})
        one["to"] = day_of(at)
        before = (symbol, at)
    missing = sum(one["missing"] for one in series.values())
    return {"rows": table.num_rows, "missing": missing, "series": series}
