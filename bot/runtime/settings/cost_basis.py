"""What holdings that are older than the bot were paid for: the setting `cost_basis`, and the same as a file."""

import csv
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from bot.domain.market import Cost

COLUMNS = ("token", "size", "price")


class CostBasis(BaseModel):
    """Tokens that no fill of the bot explains, and their average price."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: Decimal = Field(gt=0, le=Decimal("1e18"), description="tokens held before the bot's first purchase, count")
    price: Decimal = Field(gt=0, le=Decimal("1e12"), description="average price paid for one, quote")


class CostFileError(Exception):
    """A file of costs that cannot be used: file, line, column, value, why, and what to do."""


def opening_costs(found: Mapping[str, CostBasis], quote: str) -> dict[str, Cost]:
    """By spot symbol, as the cost of journaled fills goes on from it."""
    return {
        f"{token}/{quote}": Cost(f"{token}/{quote}", one.size, one.size * one.price) for token, one in found.items()
    }


def read_cost_file(path: Path, tokens: Mapping[str, object]) -> dict[str, CostBasis]:
    """A CSV file with the columns token, size and price, one line a purchase; several of one token are averaged.

    Raises:
        CostFileError: the file cannot be read, or a line of it is wrong. Nothing of it is used then.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise CostFileError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    reader = csv.DictReader(text.splitlines())
    absent = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
    if absent:
        raise CostFileError(f"{path}: line 1: no column {absent[0]}; the first line must read {','.join(COLUMNS)}")
    sizes: dict[str, Decimal] = {}
    paid: dict[str, Decimal] = {}
    for number, row in enumerate(reader, start=2):
        where, token = f"{path}: line {number}", (row["token"] or "").strip()
        if token not in tokens:
            raise CostFileError(
                f"{where}: token = {token!r} is none of the list; add it to sectors.toml or leave it out"
            )
        size, price = (_amount(row[name], f"{where}: {name}") for name in ("size", "price"))
        sizes[token] = sizes.get(token, Decimal(0)) + size
        paid[token] = paid.get(token, Decimal(0)) + size * price
    if not sizes:
        raise CostFileError(f"{path}: no line after the first; write one line of {','.join(COLUMNS)} a purchase")
    return {token: CostBasis(size=size, price=paid[token] / size) for token, size in sizes.items()}


def _amount(text: str | None, where: str) -> Decimal:
    try:
        amount = Decimal((text or "").strip())
    except InvalidOperation:
        raise CostFileError(f"{where} = {text!r} is not a number; write it like 12.5") from None
    if not amount.is_finite() or amount <= 0 or amount > Decimal("1e18"):
        raise CostFileError(f"{where} = {text!r} must be above 0 and at most 1e18")
    return amount
