"""Spot by token: size, price, value, share of the sector, average cost and unrealised profit."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypedDict

from rich.console import RenderableType

from bot.domain.market import Cost
from bot.domain.money import ZERO, plain, share
from bot.domain.portfolio import Account, Portfolio
from bot.domain.symbol import base_of
from bot.report.format import NONE, Column, TextTable, amount, money, percent

WHOLE = Decimal("0.999")  # of a holding whose purchases are in the journal: dust that came as a fee does not count


class HoldingColumns(TypedDict):
    """A token that is held."""

    symbol: str
    sectors: list[str]
    size: str
    price: str | None
    value_quote: str | None
    share_of_sector: str | None
    cost_quote: str | None
    unrealised_quote: str | None


def holding_rows(portfolio: Portfolio, costs: Mapping[str, Cost]) -> list[HoldingColumns]:
    """Every priced token of the sectors; then those without a price, whose value is not known.

    `cost_quote` is the average price per unit that the journal's own fills paid, fees included, and older holdings by
    `[cost_basis]` or an imported file. It is None where nobody says where a part of the holding came from;
    `unrealised_quote` then is as well.
    """
    rows: list[HoldingColumns] = []
    for symbol in dict.fromkeys(holding.symbol for holding in portfolio.holdings):
        parts = [holding for holding in portfolio.holdings if holding.symbol == symbol]
        size, price, cost = parts[0].size, parts[0].price, costs.get(symbol)
        is_known = cost is not None and cost.size >= size * WHOLE
        average = cost.value_quote / cost.size if cost is not None and is_known else None
        rows.append(
            {
                "symbol": symbol,
                "sectors": [part.sector for part in parts],
                "size": plain(size),
                "price": plain(price),
                "value_quote": plain(size * price),
                "share_of_sector": plain(_largest_share(portfolio, parts)),
                "cost_quote": None if average is None else plain(round(average, 8)),
                "unrealised_quote": None if average is None else plain((price - average) * size),
            }
        )
    rows.sort(key=lambda row: (row["sectors"], -Decimal(row["value_quote"] or 0)))
    return [*rows, *(_priceless(asset, portfolio.account) for asset in (*portfolio.unpriced, *portfolio.uncounted))]


def _largest_share(portfolio: Portfolio, parts: Iterable[Any]) -> Decimal:
    return max((share(part.value, portfolio.sectors[part.sector].spot) for part in parts), default=ZERO)


def _priceless(asset: str, account: Account) -> HoldingColumns:
    return {
        "symbol": asset,
        "sectors": [],
        "size": plain(account.balances[asset].total),
        "price": None,
        "value_quote": None,
        "share_of_sector": None,
        "cost_quote": None,
        "unrealised_quote": None,
    }


def holdings_table(rows: Sequence[Mapping[str, Any]], quote: str, venue: str = "") -> RenderableType:
    """The holdings, largest first in each sector, and their sum. `venue` is where they are, if perps are elsewhere."""
    columns = [
        Column("token"),
        Column("sector", rank=3),
        Column("size", True),
        Column(f"price {quote}", True),
        Column(f"value {quote}", True),
        Column("of sector", True, rank=2),
        Column(f"cost {quote}", True, rank=1),
        Column(f"unrealised {quote}", True),
    ]
    cells = [
        [
            base_of(row["symbol"]) if row["sectors"] else row["symbol"],
            ", ".join(row["sectors"]) or NONE,
            amount(row["size"]),
            amount(row["price"]) if row["price"] is not None else "no price",
            money(row["value_quote"]),
            percent(row["share_of_sector"]),
            amount(row["cost_quote"]),
            money(row["unrealised_quote"]),
        ]
        for row in rows
    ]
    if cells:
        value, gain = (money(_sum(rows, name)) for name in ("value_quote", "unrealised_quote"))
        cells.append(["total", "", "", "", value, "", "", gain])
    return TextTable("Spot holdings" + (f" at {venue}" if venue else ""), columns, cells)


def _sum(rows: Sequence[Mapping[str, Any]], name: str) -> Decimal | None:
    known = [Decimal(row[name]) for row in rows if row[name] is not None]
    return sum(known, ZERO) if known else None
