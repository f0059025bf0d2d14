"""Which columns of a CSV file are the time and the value, and how a row of them is read.

Known are a plain table (`date,value`), a download of FRED (`observation_date,DGS10`) and a chart's CSV of DefiLlama:
`Timestamp,Date,TVL`, where the time is in milliseconds (older exports: seconds), the date repeats it as `2026-01-31` or
`31/01/2026`, and a chart of several series has a column for each.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation

from bot.domain.durations import DAY_MS

DATE_NAMES = ("date", "observation_date")
TIME_NAMES = ("timestamp", "x")  # DefiLlama writes `x` where a chart has no table of its own
VALUE_NAME = "value"
MISSING = ("", ".")  # as FRED writes a day without a value
DIGITS_MAX = 24
FIRST_MS, LAST_MS = 1_230_768_000_000, 4_102_444_800_000  # 2009 and 2100


@dataclass(frozen=True, slots=True)
class Row:
    """`order_ms` is the time that must rise from row to row, `from_ms` that from which the value counts."""

    order_ms: int
    from_ms: int
    value: Decimal


@dataclass(frozen=True, slots=True)
class Columns:
    """Places of the columns. `time` is that of a number of milliseconds or seconds, None where only a date is there."""

    count: int
    date: int | None
    value: int
    time: int | None = None

    def is_missing(self, cells: Sequence[str]) -> bool:
        """Whether the row has no value, as sources write it."""
        return len(cells) == self.count and cells[self.value] in MISSING

    def read(self, cells: Sequence[str]) -> Row:
        """One row.

        Raises:
            ValueError: it cannot be read; says which cell and why.
        """
        if len(cells) != self.count:
            what = "a date and a value" if self.count == 2 else f"{self.count} cells"
            raise ValueError(f"{what} are needed, not {len(cells)} cells")
        value = _number(cells[self.value])
        if self.time is None:
            at_ms = _date_end(cells[self.date or 0])
            return Row(at_ms, at_ms, value)
        at_ms = _timestamp(cells[self.time])
        day = datetime.fromtimestamp(at_ms / 1000, UTC).date()
        if self.date is not None and cells[self.date] and _day(cells[self.date]) != day:
            raise ValueError(f"{cells[self.date]} is not the day of {cells[self.time]}, which is {day} UTC")
        return Row(at_ms, at_ms - at_ms % DAY_MS + DAY_MS, value)


def columns_of(header: Sequence[str]) -> Columns | None:
    """The columns that a first line names, None when it is none that is known.

    Raises:
        ValueError: it is a chart of several series and none of them is the value locked.
    """
    names = [cell.lower() for cell in header]
    times = [place for place, name in enumerate(names) if name in TIME_NAMES]
    dates = [place for place, name in enumerate(names) if name in DATE_NAMES]
    if len(times) > 1 or len(dates) > 1 or not (times or dates):
        return None
    others = [place for place in range(len(names)) if place not in (*times, *dates)]
    if not others or not all(header[place] for place in others):
        return None
    if times:
        return Columns(len(names), dates[0] if dates else None, _value_place(header, others), times[0])
    is_known = names[0] != "date" or names[-1] == VALUE_NAME or _is_series(header[-1]) or _is_locked(header[-1])
    return Columns(2, 0, 1) if len(names) == 2 and dates == [0] and is_known else None


def _value_place(header: Sequence[str], others: Sequence[int]) -> int:
    locked = [place for place in others if _is_locked(header[place])]
    result = others if len(others) == 1 else locked
    if len(result) != 1:
        names = ", ".join(header[place] for place in others)
        raise ValueError(f"has the series {names}; keep Timestamp, Date and one of them")
    return result[0]


def _is_locked(name: str) -> bool:
    return name.rsplit(maxsplit=1)[-1].lower() == "tvl"


def _is_series(name: str) -> bool:
    """The name of a series of FRED: capitals, digits and underscores."""
    return name.isascii() and name.replace("_", "").isalnum() and name.isupper()


def _number(text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation as error:
        raise ValueError(f"{text!r} is no number") from error
    if not value.is_finite():
        raise ValueError(f"{text!r} is no number")
    if value and abs(value.adjusted()) > DIGITS_MAX:
        raise ValueError(f"{text!r} is {'larger' if value.adjusted() > 0 else 'nearer to zero'} than any amount")
    return value


def _timestamp(text: str) -> int:
    at = _number(text)
    for factor in (1, 1_000):
        if FIRST_MS // factor <= at <= LAST_MS // factor:
            return int(at * factor)
    raise ValueError(f"{text!r} is no time in milliseconds or seconds between 2009 and 2100")


def _day(text: str) -> date:
    for form in ("%Y-%m-%d", "%d/%m/%Y"):
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC).date()
        except ValueError:
            continue
    raise ValueError(f"{text!r} is no date")


def _date_end(text: str) -> int:
    """A date is UTC and counts from its end; a time with its zone counts from then."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no date") from error
    if len(text) == len("2026-01-31"):
        at = at.replace(tzinfo=UTC) + timedelta(days=1)
    elif at.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return int(at.timestamp() * 1000)
