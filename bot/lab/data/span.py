"""First and last moment of the spot candles in a directory, and its fingerprint. Needs pyarrow (the extra `data`)."""

import hashlib
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

from bot.domain.durations import DAY_MS, HOUR_MS
from bot.lab.backtest.history import HistoryProblem, columns_of

TABLES = {"ohlcv_1h": HOUR_MS, "ohlcv_1d": DAY_MS}


def span_of(folder: Path) -> tuple[int, int]:
    """UTC ms of the first spot candle's open and of the last one's end.

    Raises:
        HistoryProblem: no such directory, no table of spot candles in it, or no candle in those.
    """
    if not folder.is_dir():
        raise HistoryProblem(f"{folder}: there is no such directory of candles")
    ends: list[tuple[int, int]] = []
    for name, width_ms in TABLES.items():
        path = folder / f"{name}.parquet"
        if "ts" in columns_of(path):
            result = pc.min_max(pq.read_table(path, columns=["ts"])["ts"].cast("int64")).as_py()
            if result["min"] is not None:
                ends.append((result["min"], result["max"] + width_ms))
    if not ends:
        raise HistoryProblem(f"{folder}: there is no spot candle, neither in ohlcv_1h.parquet nor in ohlcv_1d.parquet")
    return min(first for first, _ in ends), max(last for _, last in ends)


def fingerprint(folder: Path) -> str:
    """Changes when a table does: names, sizes, rows and the footer's bytes, which hold the bounds of every column."""
    seen = hashlib.sha256()
    for path in sorted(folder.glob("*.parquet")):
        seen.update(f"{path.name} {path.stat().st_size}\n".encode())
        with path.open("rb") as table:
            table.seek(max(0, path.stat().st_size - 65_536))
            seen.update(table.read())
    return seen.hexdigest()[:16]
