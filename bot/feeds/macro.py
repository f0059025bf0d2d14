"""Macro inputs from the operator's own files, and several sources as one.

A file is looked at again whenever it has changed. A value that is dated by a day counts from that day's end, so that a
back-test over the file sees nothing before it could be known (PLAYBOOK §3).
"""

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from bot.domain.durations import DAY_MS
from bot.domain.market import Macro
from bot.feeds.series_columns import Columns, columns_of
from bot.ports import MacroSource, Unavailable

HEADER = ("date", "value")


class SeriesProblem(ValueError):
    """A file of dated values cannot be used; says which line and why."""


@dataclass(frozen=True, slots=True)
class SeriesFile:
    """Where a series stands, what it is called, in which unit it counts, and how old its newest value may be, ms."""

    path: Path
    title: str
    unit: str
    age_max_ms: int


class SeriesFiles:
    """Series from files, by name. A `MacroSource`."""

    def __init__(self, files: Mapping[str, SeriesFile], now_ms: Callable[[], int]) -> None:
        self.names = tuple(files)
        self._files, self._now_ms = dict(files), now_ms
        self._read: dict[str, tuple[tuple[int, int], tuple[tuple[int, Decimal], ...]]] = {}
        self.notes: dict[str, str] = {}

    async def fetch_macro(self, name: str) -> Macro:
        """What the file says up to now; `notes` says which of its lines were left out.

        Raises:
            Unavailable: it cannot be read, or its newest value is too old.
        """
        file, now_ms = self._files[name], self._now_ms()
        try:
            rows = [row for row in self._rows(name, file.path) if row[0] <= now_ms]
        except (OSError, SeriesProblem) as problem:
            raise Unavailable(str(problem)) from problem
        if not rows:
            raise Unavailable(f"{file.path}: every value lies in the future")
        if now_ms - rows[-1][0] > file.age_max_ms:
            days = (now_ms - rows[-1][0]) // DAY_MS
            raise Unavailable(f"{file.path}: the newest value is {days} days old")
        times, values = zip(*rows, strict=True)
        return Macro(name, file.title, file.unit, times, values)

    def _rows(self, name: str, path: Path) -> tuple[tuple[int, Decimal], ...]:
        status = path.stat()
        seen = status.st_mtime_ns, status.st_size
        if name not in self._read or self._read[name][0] != seen:
            rows, problems = read_lines(path)
            self._read[name] = seen, rows
            self.notes.pop(name, None)
            if problems:
                self.notes[name] = f"{len(problems)} of its lines left out: {problems[0]}"
        return self._read[name][1]


class JoinedMacro:
    """Several sources as one; each name is asked of the source that has it. A `MacroSource`."""

    def __init__(self, sources: Sequence[MacroSource]) -> None:
        self._by_name = {name: source for source in sources for name in source.names}
        self.names = tuple(self._by_name)

    @property
    def notes(self) -> Mapping[str, str]:
        """What was left out, by name."""
        return {name: said for source in self._by_name.values() for name, said in getattr(source, "notes", {}).items()}

    async def fetch_macro(self, name: str) -> Macro:
        """See the source's own. Raises Unavailable."""
        return await self._by_name[name].fetch_macro(name)


def read_series(path: Path) -> tuple[tuple[int, Decimal], ...]:
    """(time from which it counts, value) of every row of a CSV file: of `date` and the value, or as a source writes it.

    A date is UTC and counts from its end; a time with its zone counts from then. Empty lines, lines that begin with `#`
    and days whose value is empty or a point are passed over. A file of FRED is read as it comes, and so is the CSV of a
    chart of DefiLlama: its values count from the end of their day, the last of a day that has several.

    Raises:
        SeriesProblem: it is no such file, or one of its lines cannot be read; with the line.
        OSError: it cannot be read.
    """
    rows, problems = read_lines(path)
    if problems:
        raise problems[0]
    return rows


def read_lines(path: Path) -> tuple[tuple[tuple[int, Decimal], ...], list[SeriesProblem]]:
    """As `read_series`, with a problem for each line that cannot be read or whose date does not rise.

    A running bot goes on with what can be read, in order; of two lines of one date the later counts.

    Raises:
        SeriesProblem: it is no such file, or no line can be read.
        OSError: it cannot be read.
    """
    try:
        lines = list(enumerate(path.read_text(encoding="utf-8-sig").splitlines(), start=1))
    except UnicodeDecodeError as error:
        raise SeriesProblem(f"{path}: is not UTF-8; save it as CSV in UTF-8 ({error})") from error
    data_lines = [(number, line) for number, line in lines if line.strip() and not line.lstrip().startswith("#")]
    rows = [(number, _cells(path, number, line)) for number, line in data_lines]
    columns = _columns(path, *rows[0]) if rows else None
    if columns is None:
        message = (
            f"the first line must be {','.join(HEADER)}, or observation_date and the series as FRED writes it, "
            "or Timestamp,Date and the series as DefiLlama writes it"
        )
        is_semicolon = bool(data_lines) and ";" in data_lines[0][1]
        raise SeriesProblem(
            f"{path}:{rows[0][0] if rows else 1}: {message}"
            + ("; columns are separated by a comma and decimals by a point" if is_semicolon else "")
        )
    result: dict[int, Decimal] = {}
    latest_ms = 0
    problems: list[SeriesProblem] = []
    for number, cells in rows[1:]:
        if columns.is_missing(cells):
            continue
        try:
            row = columns.read(cells)
        except (ValueError, ArithmeticError) as error:
            problems.append(SeriesProblem(f"{path}:{number}: {error}"))
            continue
        if result and row.order_ms <= latest_ms:
            problems.append(SeriesProblem(f"{path}:{number}: {cells[0]} is not after the date before it"))
        result[row.from_ms], latest_ms = row.value, row.order_ms
    if not result:
        raise problems[0] if problems else SeriesProblem(f"{path}: there is no value in it")
    return tuple(sorted(result.items())), problems


def _columns(path: Path, number: int, header: Sequence[str]) -> Columns | None:
    try:
        return columns_of(header)
    except ValueError as error:
        raise SeriesProblem(f"{path}:{number}: {error}") from error


def _cells(path: Path, number: int, line: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line], skipinitialspace=True))]
    except csv.Error as error:
        raise SeriesProblem(f"{path}:{number}: cannot be read as comma-separated values: {error}") from error
