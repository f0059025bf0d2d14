"""Fills a directory of candles from a venue's public endpoints. Importing this module needs pyarrow (the extra `data`).

Each symbol and month is a file of its own under `.parts`, written beside and then renamed, so what is there is whole
and is not asked for again; tables are made of the parts at the end, in the same way.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from bot.atomic_file import publish
from bot.domain.symbol import is_perp
from bot.lab.backtest.record import day_of
from bot.runtime.exit_codes import CommandFailed, ExitCode
from bot.venues.ccxt.history import PublicHistory
from bot.venues.pair.history import PairHistory

PARTS = ".parts"
CANDLES = pa.schema(
    [
        ("ts", pa.int64()),
        ("symbol", pa.string()),
        *((name, pa.float64()) for name in ("open", "high", "low", "close", "volume", "quote_volume")),
    ]
)
FUNDING = pa.schema([("ts", pa.int64()), ("symbol", pa.string()), ("funding_rate", pa.float64())])
SETTLED_WITHIN_MS = 60_000  # a settlement is stamped some milliseconds late


@dataclass(frozen=True, slots=True)
class DownloadRequest:
    """What to fetch; times are UTC ms, `symbols` spot and perp."""

    folder: Path
    start_ms: int
    end_ms: int
    symbols: tuple[str, ...]
    timeframe: str = "1h"


@dataclass(frozen=True, slots=True)
class MonthPart:
    """A month of one symbol in one table."""

    table: str
    symbol: str
    start_ms: int
    end_ms: int

    def file(self, folder: Path) -> Path:
        name = self.symbol.replace("/", "_").replace(":", "-")
        return folder / PARTS / self.table / name / f"{self.start_ms}-{self.end_ms}.parquet"


class OnProgress(Protocol):
    """Receives the number of finished parts, the number of all parts, and the last part."""

    def __call__(self, done: int, count: int, message: str) -> None: ...


async def download(
    wanted: DownloadRequest, history: PublicHistory | PairHistory, *, on_progress: OnProgress
) -> dict[str, Any]:
    """Fetch what is missing and write the tables; the document says what was fetched and what the venue lacks.

    Raises:
        CommandFailed: the time is not over yet, the venue lists none of the symbols, or the directory is not ours.
        Unavailable: the venue does not answer; what has been fetched stays.
    """
    if wanted.end_ms > history.now_ms():
        raise CommandFailed(
            f"--to {day_of(wanted.end_ms)}: is not over yet, the venue's day is {day_of(history.now_ms())}; give a day "
            "until then",
            ExitCode.USAGE,
        )
    listed = await history.fetch_instruments(wanted.symbols)
    absent = tuple(symbol for symbol in wanted.symbols if symbol not in listed)
    if not listed:
        raise CommandFailed(f"--symbols: the venue lists none of {', '.join(wanted.symbols)}; name others")
    parts = list(_parts(wanted, tuple(symbol for symbol in wanted.symbols if symbol in listed)))
    tables = tuple(dict.fromkeys(part.table for part in parts))
    _refuse_foreign(wanted.folder, tables)
    fetched = 0
    for done, part in enumerate(parts, start=1):
        file = part.file(wanted.folder)
        if not file.is_file():
            _write(await _fetch(part, wanted.timeframe, history), file)
            fetched += 1
        on_progress(done, len(parts), f"{part.table} {part.symbol} {day_of(part.start_ms)[:7]}")
    rows = {table: _assemble(wanted.folder, table) for table in tables}
    return {"directory": str(wanted.folder), "fetched": fetched, "parts": len(parts), "rows": rows, "absent": absent}


def summary_of(document: dict[str, Any]) -> str:
    """A line for a person, and one for what is not there."""
    rows = ", ".join(f"{name} {count:,} rows" for name, count in document["rows"].items())
    kept = document["parts"] - document["fetched"]
    lines = [f"{document['directory']}: {rows} ({document['fetched']} parts fetched, {kept} were there)"]
    if document["absent"]:
        lines.append(f"not listed at the venue: {', '.join(document['absent'])}")
    return "\n".join(lines)


def _parts(wanted: DownloadRequest, symbols: Sequence[str]) -> Iterator[MonthPart]:
    for symbol in symbols:
        tables = [f"perp_ohlcv_{wanted.timeframe}", "funding_8h"] if is_perp(symbol) else [f"ohlcv_{wanted.timeframe}"]
        for table in tables:
            for start_ms, end_ms in _months(wanted.start_ms, wanted.end_ms):
                yield MonthPart(table, symbol, start_ms, end_ms)


def _months(start_ms: int, end_ms: int) -> Iterator[tuple[int, int]]:
    while start_ms < end_ms:
        at = datetime.fromtimestamp(start_ms / 1000, UTC)
        following = datetime(at.year + at.month // 12, at.month % 12 + 1, 1, tzinfo=UTC)
        upto_ms = min(end_ms, int(following.timestamp() * 1000))
        yield start_ms, upto_ms
        start_ms = upto_ms


async def _fetch(part: MonthPart, timeframe: str, history: PublicHistory | PairHistory) -> pa.Table:
    page = history.page_of(part.symbol)
    if part.table.startswith("funding"):
        settled = await _paged(lambda at: history.fetch_funding(part.symbol, at, part.end_ms), page, part)
        rates = [(at - at % SETTLED_WITHIN_MS, part.symbol, float(rate)) for at, rate in settled]
        return _table(rates, FUNDING)
    rows = await _paged(lambda at: history.fetch_candles(part.symbol, timeframe, at, part.end_ms), page, part)
    return _table([(at, part.symbol, *map(float, values)) for at, *values in rows], CANDLES)


async def _paged(fetch: Callable[[int], Any], page_rows: int, part: MonthPart) -> list[Any]:
    rows: list[Any] = []
    at_ms = part.start_ms
    while at_ms < part.end_ms:
        page = [row for row in await fetch(at_ms) if at_ms <= row[0] < part.end_ms]
        rows += page
        if len(page) < page_rows:
            break
        at_ms = page[-1][0] + 1
    return rows


def _table(rows: Sequence[Sequence[Any]], schema: pa.Schema) -> pa.Table:
    columns = zip(*rows, strict=True) if rows else [()] * len(schema)
    return pa.table([list(column) for column in columns], schema=schema)


def _write(table: pa.Table, file: Path) -> None:
    """Whole or not at all: beside it first, forced to the disk, then renamed."""
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f"{file.name}.{os.getpid()}.partial")
    try:
        with beside.open("wb") as stream:
            pq.write_table(table, stream)
        publish(beside, file)
    finally:
        beside.unlink(missing_ok=True)


def _refuse_foreign(folder: Path, tables: Sequence[str]) -> None:
    for table in tables:
        file = folder / f"{table}.parquet"
        if file.exists() and not (folder / PARTS / table).is_dir():
            raise CommandFailed(
                f"--out {folder}: {file.name} was not made by a download and would be replaced; name another directory"
            )


def _assemble(folder: Path, table: str) -> int:
    """The table of all parts, those of earlier downloads included, one row per symbol and time; their number."""
    files = sorted((folder / PARTS / table).rglob("*.parquet"))
    whole = pa.concat_tables([pq.read_table(file) for file in files])
    others = [name for name in whole.column_names if name not in ("symbol", "ts")]
    single = whole.group_by(["symbol", "ts"], use_threads=False).aggregate([(name, "first") for name in others])
    single = single.rename_columns([name.removesuffix("_first") for name in single.column_names])
    ordered = single.select(whole.column_names).sort_by([("ts", "ascending"), ("symbol", "ascending")])
    _write(ordered, folder / f"{table}.parquet")
    return int(ordered.num_rows)
