"""How a report writes numbers and times, and tables that never cut a number.

Every number column is as wide as its longest cell and right aligned; what is words may wrap. Nothing depends on colour:
it repeats what the text says, and is left out in pipes and with NO_COLOR.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from bot.domain.durations import DAY_MS, HOUR_MS
from bot.domain.money import ZERO, plain

NONE = "–"
_GAP, _EDGES, _WORDS_WIDTH = 3, 2, 13
_CENT, _BASIS_POINT = Decimal("0.01"), Decimal("0.01")
_UNITS = ((DAY_MS, "d"), (HOUR_MS, "h"), (60_000, "min"), (1_000, "s"))


_COLOURS = (  # of what must not be overlooked; later ones win
    (re.compile(r"(?<![\w.,])[+]\d[\d,]*\.\d{2}(?!\d)"), "green"),
    (re.compile(r"(?<![\w.,])[-−]\d[\d,]*\.\d{2}(?!\d)"), "red"),
    (re.compile(r"(?<!\b0 )\b(refused|rejected|in doubt|pause|reduce-only)\b"), "yellow"),
    (re.compile(r"\b(NOT RUNNING|ENTRIES STOPPED|NOT YET WITHDRAWN|cancel-all|flatten)\b"), "bold red"),
)


def coloured(text: str, style: str = "") -> Text:
    """Text with losses, refusals and the kill switch in colour."""
    result = Text(text, style)
    for pattern, colour in _COLOURS:
        result.highlight_regex(pattern, colour)
    return result


@dataclass(frozen=True, slots=True)
class Column:
    """A column of cells: numbers are right aligned and kept whole, words may wrap.

    `rank`: on a narrow screen columns are left out, the highest rank first; 0 is never left out.
    """

    title: str
    is_number: bool = False
    rank: int = 0


class TextTable:
    """Text cells under columns. Where the screen is too narrow for whole numbers, columns are left out by their rank,
    and a line below names them; where that is not enough, each row is a block of lines."""

    def __init__(self, title: str, columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> None:
        self.title, self.columns, self.rows = title, tuple(columns), [tuple(row) for row in rows]
        self._widths = [self._least_width(index) for index in range(len(self.columns))]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        kept = self._fitting(options.max_width)
        if not self.rows:
            yield Text(f"{self.title}: none\n")
        elif kept:
            yield self._table(kept)
            if absent := [column.title for index, column in enumerate(self.columns) if index not in kept]:
                yield Text(f"the screen is too narrow for: {', '.join(absent)}\n")
        else:
            yield from self._blocks()

    def _fitting(self, width: int) -> list[int]:
        """The columns that fit, by index; none where not even those without a rank do."""
        for limit in sorted({column.rank for column in self.columns} | {0}, reverse=True):
            kept = [index for index, column in enumerate(self.columns) if column.rank <= limit]
            if sum(self._widths[index] for index in kept) + _GAP * (len(kept) - 1) + _EDGES <= width:
                return kept
        return []

    def _table(self, kept: Sequence[int]) -> Table:
        table = Table(
            title=Text(self.title, "bold"), title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False
        )
        for column, width in ((self.columns[index], self._widths[index]) for index in kept):
            table.add_column(
                Text("\n".join(_title_parts(column))),
                justify="right" if column.is_number else "left",
                no_wrap=column.is_number,
                min_width=width,
                overflow="fold",
            )
        for row in self.rows:
            table.add_row(*(coloured(row[index]) for index in kept))
        return table

    def _blocks(self) -> Iterator[Text]:
        widest = max(len(column.title) for column in self.columns)
        yield Text(f"{self.title}\n", "bold")
        for row in self.rows:
            for column, cell in zip(self.columns, row, strict=True):
                yield Text(f" {column.title.ljust(widest)}  {cell}")
            yield Text()

    def _least_width(self, index: int) -> int:
        column = self.columns[index]
        parts = max(len(part) for part in _title_parts(column))
        cells = max((len(row[index]) for row in self.rows), default=0)
        return max(parts, cells) if column.is_number else max(parts, min(cells, _WORDS_WIDTH))


def _title_parts(column: Column) -> list[str]:
    return column.title.rsplit(" ", 1) if column.is_number else [column.title]


def money(value: Decimal | str | None) -> str:
    """Quote money with thousands and cents: 12,345.60. What rounds to nothing has no sign."""
    number = _number(value)
    return NONE if number is None else f"{_rounded(number, _CENT):,f}"


def amount(value: Decimal | str | None) -> str:
    """A size or a price with all of its digits and thousands: 1,234.5."""
    number = _number(value)
    if number is None:
        return NONE
    whole, _, fraction = plain(number).partition(".")
    sign, digits = ("-", whole[1:]) if whole.startswith("-") else ("", whole)
    return f"{sign}{int(digits):,}" + (f".{fraction}" if fraction else "")


def percent(value: Decimal | str | None) -> str:
    """A share as percent: 0.4812 is 48.12 %."""
    number = _number(value)
    return NONE if number is None else f"{_rounded(number * 100, _BASIS_POINT):,f} %"


def times(value: Decimal | str | None) -> str:
    """A leverage: 5x."""
    return NONE if _number(value) is None else f"{amount(value)}x"


def utc(at_ms: int, now_ms: int | None = None) -> str:
    """A time in UTC, with its age when `now_ms` is given."""
    if not at_ms:
        return "never"
    text = datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return text if now_ms is None else f"{text} ({age(now_ms - at_ms)})"


def moment(at_ms: int, now_ms: int) -> str:
    """The time of day of today, with its date before that; UTC."""
    at, now = (datetime.fromtimestamp(each / 1000, UTC) for each in (at_ms, now_ms))
    return at.strftime("%H:%M:%S" if at.date() == now.date() else "%Y-%m-%d %H:%M")


def age(span_ms: int) -> str:
    """A span in its two largest units: 3 h 12 min ago; from the future: in 5 s."""
    rest, parts = abs(span_ms), []
    for unit_ms, name in _UNITS:
        count, rest = divmod(rest, unit_ms)
        if count:
            parts.append(f"{count} {name}")
    span = " ".join(parts[:2]) or "0 s"
    return f"{span} ago" if span_ms >= 0 else f"in {span}"


def _rounded(number: Decimal, step: Decimal) -> Decimal:
    return number.quantize(step, ROUND_HALF_EVEN) or ZERO.quantize(step)


def _number(value: Decimal | str | None) -> Decimal | None:
    if value is None or value == "":
        return None
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
