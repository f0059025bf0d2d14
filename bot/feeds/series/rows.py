"""A text of dated values, CSV or JSON, becomes rows; what cannot be read is named with its place.

A value that is dated by a day counts from the end of that day, UTC, and so does a time that is midnight: most sources
date a day's value by the start of the day. Every other time counts from then.
"""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from bot.domain.durations import DAY_MS

ROWS_MAX = 20_000
DIGITS_MAX = 24
MISSING = (None, "", ".", "null", "NA")  # as sources write a time without a value
FIRST_MS, LAST_MS = 1_230_768_000_000, 4_102_444_800_000  # 2009 and 2100


class SeriesTextError(ValueError):
    """A text that gives no series: key or row, value, why, and what to do."""


@dataclass(frozen=True, slots=True)
class SeriesColumns:
    """Where time and value stand: names of columns in CSV; keys or places in a row of JSON, whose rows stand under the
    keys of `rows`, joined by points; none where the document is the list itself."""

    time: str = "date"
    value: str = "value"
    rows: str = ""


@dataclass(frozen=True, slots=True)
class SeriesRows:
    """(Time from which it counts, value), times rising, and what was left out of the text."""

    rows: tuple[tuple[int, Decimal], ...]
    left_out: str | None = None


def read_rows(text: str, columns: SeriesColumns) -> SeriesRows:
    """The rows of a text that can be read; of several of one time the last in the text counts.

    Args:
        text: CSV with a line of names first, or JSON. Lines of CSV that begin with `#` are passed over.
        columns: which columns or keys are meant.

    Raises:
        SeriesTextError: the text is neither, a column is not there, or most of its rows cannot be read.
    """
    start = text.lstrip("\ufeff \t\r\n")[:1]
    if not start:
        raise SeriesTextError("is empty; it needs a line of names and a line for each value, or JSON")
    if start == "<":
        raise SeriesTextError("is a web page (HTML), neither CSV nor JSON; give the address or file of the data itself")
    pairs = list(_json_pairs(text, columns) if start in "[{" else _csv_pairs(text, columns))
    result: dict[int, Decimal] = {}
    problems: list[str] = []
    for place, time, value in pairs:
        if (value.strip() if isinstance(value, str) else value) in MISSING:
            continue
        try:
            from_ms, number = _time(time), _number(value)
        except (ValueError, ArithmeticError) as error:
            problems.append(f"{place}: {str(error) or type(error).__name__}")
            continue
        if result.get(from_ms, number) != number:
            problems.append(f"{place}: time = {time!s:.40} is given twice, with two values; keep one row of each time")
        result[from_ms] = number
    if not result or 2 * len(problems) > len(pairs):
        raise SeriesTextError(problems[0] if problems else "has no row with a value")
    said = f"{len(problems)} of its rows left out or replaced: {problems[0]}" if problems else None
    return SeriesRows(tuple(sorted(result.items())), said)


def _csv_pairs(text: str, columns: SeriesColumns) -> Iterator[tuple[str, Any, Any]]:
    lines = [
        (number, line)
        for number, line in enumerate(text.lstrip("\ufeff").splitlines(), start=1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    if not lines:
        raise SeriesTextError("has no line but comments; it needs a line of names and a line for each value")
    if len(lines) > ROWS_MAX:
        raise SeriesTextError(f"has {len(lines)} rows, more than {ROWS_MAX}; keep the newest, or a row for each day")
    try:
        cells = list(csv.reader((line for _, line in lines), skipinitialspace=True))
    except csv.Error as error:
        raise SeriesTextError(f"cannot be read as comma-separated values: {error}") from error
    if len(cells) != len(lines):
        raise SeriesTextError("has a quoted cell over several lines; write a row in one line")
    names = [cell.strip() for cell in cells[0]]
    places = [_place_of(key, name, names) for key, name in (("time", columns.time), ("column", columns.value))]
    for (number, _), row in zip(lines[1:], cells[1:], strict=True):
        if len(row) != len(names):
            yield f"line {number}", f"{len(row)} cells instead of {len(names)}", "no value"
            continue
        yield f"line {number}", row[places[0]].strip(), row[places[1]].strip()


def _place_of(key: str, name: str, names: Sequence[str]) -> int:
    if names.count(name) == 1:
        return names.index(name)
    why = "there is no such column" if name not in names else "several columns are called so"
    hint = "; columns are separated by a comma" if len(names) == 1 and ";" in names[0] else ""
    raise SeriesTextError(f"{key} = {name!r}: {why}; the columns are {', '.join(names)[:200]}{hint}")


def _json_pairs(text: str, columns: SeriesColumns) -> Iterator[tuple[str, Any, Any]]:
    try:
        document = json.loads(text.lstrip("\ufeff"), parse_float=number_of, parse_int=number_of, parse_constant=Decimal)
    except (ValueError, RecursionError) as error:
        raise SeriesTextError(f"is no JSON: {str(error)[:120]}; save it again, or give CSV") from error
    try:
        rows = _at(document, columns.rows)
    except LookupError as error:
        raise SeriesTextError(f"rows = {columns.rows!r}: {error}") from error
    if isinstance(rows, Mapping):
        rows = list(rows.items())
    if not isinstance(rows, list):
        raise SeriesTextError(f"rows = {columns.rows!r}: there is no list but {str(rows)[:60]!r}; name the keys to it")
    if len(rows) > ROWS_MAX:
        raise SeriesTextError(f"has {len(rows)} rows, more than {ROWS_MAX}; keep the newest, or a row for each day")
    for number, row in enumerate(rows, start=1):
        try:
            yield f"row {number}", _at(row, columns.time), _at(row, columns.value)
        except LookupError as error:
            yield f"row {number}", str(error), "no value"


def number_of(text: str) -> Decimal | str:
    """A number of JSON; its text where it is beyond any Decimal, so that only its own row is spoiled. As Python code it
    lets other threads run while a long text is parsed, where a class or a function of C does not."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return text


def _at(node: Any, path: str) -> Any:
    """What stands under keys and places that are joined by points."""
    for part in path.split(".") if path else ():
        if isinstance(node, Mapping) and part in node:
            node = node[part]
        elif isinstance(node, list | tuple) and part.isdecimal() and int(part) < len(node):
            node = node[int(part)]
        else:
            known = ", ".join(map(str, node))[:120] if isinstance(node, Mapping) else f"{str(node)[:60]!r}"
            raise LookupError(f"there is no {part!r} in it, but {known}")
    return node


def _number(value: Any) -> Decimal:
    try:
        number = Decimal(value) if isinstance(value, str | Decimal) else None
    except InvalidOperation:
        number = None
    if number is None or not number.is_finite():
        raise ValueError(f"value = {str(value)[:40]!r} is no number; write it like 1234.5")
    if number and abs(number.adjusted()) > DIGITS_MAX:
        size = "larger" if number.adjusted() > 0 else "nearer to zero"
        raise ValueError(f"value = {str(value)[:40]!r} is {size} than any amount; correct it")
    return number


def _time(value: Any) -> int:
    """From when a row counts, UTC ms."""
    if isinstance(value, Decimal) or (isinstance(value, str) and value.replace(".", "", 1).isdecimal()):
        at_ms = _unix_ms(Decimal(value))
        return at_ms if at_ms % DAY_MS else at_ms + DAY_MS
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        at = None
    if at is None:
        raise ValueError(f"time = {str(value)[:40]!r} is no time; write it like 2026-01-31 or 2026-01-31T12:00:00Z")
    if isinstance(value, str) and len(value) > len("2026-01-31") and at.tzinfo is None:
        raise ValueError(f"time = {value[:40]!r} has no time zone; add Z for UTC")
    try:
        at = at if at.tzinfo is not None else at.replace(tzinfo=UTC) + timedelta(days=1)
        at_ms = int(at.timestamp() * 1000)
    except OverflowError:  # the day after 9999-12-31
        at_ms = LAST_MS + 1
    if not FIRST_MS <= at_ms <= LAST_MS:
        raise ValueError(f"time = {str(value)[:40]!r} is not between 2009 and 2100; correct it")
    is_midnight = isinstance(value, str) and len(value) > len("2026-01-31") and at_ms % DAY_MS == 0
    return at_ms + DAY_MS if is_midnight else at_ms


def _unix_ms(at: Decimal) -> int:
    for factor in (1, 1_000):
        if at.is_finite() and FIRST_MS // factor <= at <= LAST_MS // factor:
            return int(at * factor)
    raise ValueError(
        f"time = {str(at)[:40]!r} is no time between 2009 and 2100 in seconds or milliseconds; write one of these"
    )
