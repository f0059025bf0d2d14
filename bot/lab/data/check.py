"""What a directory of candles holds and lacks. Importing this module needs pyarrow (the extra `data`)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bot.domain.durations import HOUR_MS
from bot.lab.backtest.history import HistoryProblem
from bot.lab.backtest.record import day_of
from bot.lab.data.series_gaps import CANDLES, GAPS_SHOWN, MAX_GAP_HOURS, WIDTHS, series_of
from bot.lab.data.table_shape import table_problems

__all__ = ["HistoryProblem", "check_folder", "summary_of"]


def check_folder(folder: Path, *, max_gap_hours: int = MAX_GAP_HOURS) -> dict[str, Any]:
    """Every table, its span and series: rows, missing rows, gaps longer than `max_gap_hours`, and what is wrong.

    Raises:
        HistoryProblem: there is no such directory, or no table of candles in it.
    """
    present = {name: folder / f"{name}.parquet" for name in CANDLES if (folder / f"{name}.parquet").is_file()}
    if not folder.is_dir():
        raise HistoryProblem(f"{folder}: there is no such directory of candles")
    if not present:
        raise HistoryProblem(f"{folder}: there is no table of candles; expected one of {', '.join(CANDLES)}.parquet")
    tables: dict[str, Any] = {}
    errors: list[str] = []
    problems = table_problems(folder)
    errors += [f"{name}: {message}" for name, sentences in problems.items() for message in sentences]
    present |= {name: folder / f"{name}.parquet" for name in WIDTHS if (folder / f"{name}.parquet").is_file()}
    for name, path in present.items():
        if name in problems:
            continue
        result = series_of(path, WIDTHS[name], max(max_gap_hours * HOUR_MS, WIDTHS[name]))
        tables[name] = _document(result)
    return {"directory": str(folder), "tables": tables, "errors": errors}


def summary_of(found: Mapping[str, Any]) -> str:
    """For a person: a line per series with gaps, then what is wrong."""
    lines = []
    for name, table in found["tables"].items():
        what, of = ("candles", "symbols") if name in CANDLES else ("rows", "series")
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
    lines += [f"WRONG {message}" for message in found["errors"]] or ["no row is wrong"]
    return "\n".join(lines)


def _document(found: Mapping[str, Any]) -> dict[str, Any]:
    series = {
        name: {
            "rows": one["rows"],
            "from": day_of(one["first_ms"]),
            "to": day_of(one["last_ms"]),
            "missing": one["missing"],
            "gaps": [{"from": day_of(gap["from_ms"]), "hours": gap["hours"]} for gap in one["gaps"]],
        }
        for name, one in found.items()
    }
    span = {
        "from": day_of(min(one["first_ms"] for one in found.values())),
        "to": day_of(max(one["last_ms"] for one in found.values())),
    }
    rows, missing = (sum(one[key] for one in found.values()) for key in ("rows", "missing"))
    return {"rows": rows, **span, "missing": missing, "series": series}
