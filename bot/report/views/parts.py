"""What the views share: rows, texts of cells, and words beside or below a table."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from bot.domain.instrument import Instrument
from bot.domain.money import plain
from bot.domain.symbol import base_of
from bot.report.format import NONE, Column, TextTable

Row = dict[str, Any]
Rows = Sequence[Mapping[str, Any]]


WIDE = 130


def unit_of(symbol: str, instrument: Instrument | None) -> str:
    if instrument is not None and instrument.is_perp and instrument.contract_size != 1:
        return "contracts"
    return instrument.base if instrument else base_of(symbol)


def text_of(value: Decimal | None) -> str | None:
    return None if value is None else plain(value)


def side_text(row: Mapping[str, Any]) -> str:
    return f"{row['side']} (reduce)" if row["reduce_only"] else str(row["side"])


def with_message(
    title: str, columns: list[Column], cells: list[list[str]], message: Sequence[str], heading: str, width: int
) -> RenderableType:
    """Words as a last column where there is room, else as numbered lines below."""
    if not any(message):
        return TextTable(title, columns, cells)
    if width >= WIDE:
        rows = [[*row, said or NONE] for row, said in zip(cells, message, strict=True)]
        return TextTable(title, [*columns, Column(heading)], rows)
    below = [Text(f"{row[0]:>3}  {said}") for row, said in zip(cells, message, strict=True) if said]
    return Group(TextTable(title, columns, cells), *below, Text())
