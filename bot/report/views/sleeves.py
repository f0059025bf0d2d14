"""Capital per sleeve: rows, and their table."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TypedDict

from rich.console import RenderableType

from bot.domain.money import ZERO, plain, share
from bot.domain.portfolio import Portfolio
from bot.report.format import Column, TextTable, money, percent
from bot.report.views.parts import Rows, text_of


class SleeveColumns(TypedDict):
    """A sleeve against its target."""

    sleeve: str
    value_quote: str
    share: str | None
    target_share: str | None
    target_quote: str | None
    left_quote: str | None
    net_exposure_quote: str | None


def sleeve_rows(portfolio: Portfolio, target: Mapping[str, Decimal]) -> list[SleeveColumns]:
    """Capital per sleeve against its target share of the book, then cash: its share and the configured reserve. Futures
    capital is the sleeve's label."""
    actual: dict[str, Decimal] = {}
    for sector, sleeves in portfolio.sectors.items():
        actual[f"{sector}.spot"], actual[f"{sector}.futures"] = sleeves.spot, sleeves.futures
    actual["cash"] = portfolio.account.cash
    reserve = max(ZERO, portfolio.equity - portfolio.book)
    rows: list[SleeveColumns] = []
    for name in [*actual, *(name for name in target if name not in actual)]:
        value, required = actual.get(name, ZERO), target.get(name)
        aim = None if required is None else required * portfolio.book + (reserve if name == "cash" else ZERO)
        rows.append(
            {
                "sleeve": name,
                "value_quote": plain(value),
                "share": text_of(share(value, portfolio.book)),
                "target_share": text_of(required),
                "target_quote": text_of(aim),
                "left_quote": text_of(None if aim is None else aim - value),
                "net_exposure_quote": text_of(_net_exposure(portfolio, name)),
            }
        )
    return rows


def with_reserve(rows: Sequence[SleeveColumns], reserve: Decimal) -> list[SleeveColumns]:
    """The rows of the sleeves, with the reserve taken out of the cash into a row of its own."""
    if not reserve:
        return list(rows)
    result: list[SleeveColumns] = []
    for row in rows:
        if row["sleeve"] != "cash":
            result.append(row)
            continue
        cash = Decimal(row["value_quote"])
        held = max(ZERO, min(cash, reserve))
        aim = None if row["target_quote"] is None else Decimal(row["target_quote"]) - reserve
        result.append(
            {
                **row,
                "value_quote": plain(cash - held),
                "share": None,
                "target_quote": text_of(aim),
                "left_quote": text_of(None if aim is None else aim - cash + held),
            }
        )
        result.append(
            {
                "sleeve": "reserve",
                "value_quote": plain(held),
                "share": None,
                "target_share": None,
                "target_quote": plain(reserve),
                "left_quote": plain(reserve - held),
                "net_exposure_quote": None,
            }
        )
    return result


def outside_of(portfolio: Portfolio) -> Decimal:
    """The value of holdings that belong to no sector."""
    account = portfolio.account
    cash = account.cash + (account.unrealised_pnl if account.is_unified else account.perp_equity)
    return portfolio.equity - cash - sum((sleeves.spot for sleeves in portfolio.sectors.values()), ZERO)


def sleeves_table(rows: Rows, quote: str, *, with_venue: bool = False) -> RenderableType:
    """Capital per sleeve, as it is and as it is wanted; net exposure is the sector's spot and perps together."""
    columns = [
        Column("sleeve"),
        *([Column("venue")] if with_venue else []),
        Column(f"capital {quote}", True),
        Column("of book", True),
        Column("target", True),
        Column(f"target {quote}", True, rank=1),
        Column(f"to move {quote}", True),
        Column(f"net exposure {quote}", True, rank=2),
    ]
    cells = [
        [
            row["sleeve"],
            *([row["venue"]] if with_venue else []),
            money(row["value_quote"]),
            percent(row["share"]),
            percent(row["target_share"]),
            money(row["target_quote"]),
            money(row["left_quote"]),
            money(row["net_exposure_quote"]),
        ]
        for row in rows
    ]
    return TextTable("Sleeves", columns, cells)


def _net_exposure(portfolio: Portfolio, sleeve: str) -> Decimal | None:
    sector, _, part = sleeve.partition(".")
    return portfolio.sectors[sector].net_exposure if part == "spot" and sector in portfolio.sectors else None
