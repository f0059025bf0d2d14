"""Which venue has what, and the quote money that a person has to move where the bot has no transfers."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, TypedDict

from bot.domain.money import ZERO, plain
from bot.domain.portfolio import Portfolio
from bot.domain.symbol import is_perp
from bot.playbook.policy.numbers import Policy
from bot.report.format import money
from bot.report.views.parts import Row, Rows

FUTURES = ".futures"


class WalletRow(TypedDict):
    """Free quote money of a wallet."""

    wallet: str
    venue: str
    free_quote: str


TransferRow = TypedDict("TransferRow", {"from": str, "to": str, "wanted_quote": str, "amount_quote": str})
"""Quote money that a person has to move: how much lacks, and how much of it is free in the wallet that gives."""


def venues_of(name: str) -> tuple[str, str]:
    """The venues of spot and of perps in the name of one venue, or of two: `a+b`."""
    spot, _, perp = name.partition("+")
    return spot, perp or spot


def are_apart(name: str) -> bool:
    """Whether the rows of a book have more than one venue."""
    spot, perp = venues_of(name)
    return spot != perp


def venue_text(name: str) -> str:
    """`binance`, or who trades what."""
    spot, perp = venues_of(name)
    return f"spot at {spot}, perps at {perp}" if "+" in name else name


def with_venue(rows: Rows, name: str) -> list[Row]:
    """Rows of instruments or of sleeves, each with the venue where it is; a row without either is of spot."""
    spot, perp = venues_of(name)
    return [{**row, "venue": perp if _is_of_perps(row) else spot} for row in rows]


def _is_of_perps(row: Mapping[str, Any]) -> bool:
    return is_perp(row.get("symbol", "")) or str(row.get("sleeve", "")).endswith(FUTURES)


def wallet_rows(portfolio: Portfolio, name: str) -> list[WalletRow]:
    """Free quote money by wallet; none of a unified account, whose one wallet is the cash."""
    account, (spot, perp) = portfolio.account, venues_of(name)
    if account.is_unified:
        return []
    return [
        {"wallet": "spot", "venue": spot, "free_quote": plain(account.cash_free)},
        {"wallet": "perps", "venue": perp, "free_quote": plain(account.perp_free)},
    ]


def transfer_row(
    portfolio: Portfolio, target: Mapping[str, Decimal], policy: Policy, wallets: tuple[str, str]
) -> TransferRow | None:
    """What a person has to move so that the futures sleeves can have their targets; None where the bot moves it, where
    one wallet serves both, or where nothing lacks.

    `wanted_quote` is the whole distance, `amount_quote` what of it is free in the wallet that gives: 0 when nothing is.

    Args:
        wallets: the names of the spot and of the perp wallet.
    """
    account = portfolio.account
    if policy.allocation.transfers or account.is_unified or not target:
        return None
    wanted = sum((share for sleeve, share in target.items() if sleeve.endswith(FUTURES)), ZERO) * portfolio.book
    lack = wanted - sum((sleeves.futures for sleeves in portfolio.sectors.values()), ZERO)
    if abs(lack) < max(policy.constants.transfer_min_quote, portfolio.book / 1000):
        return None
    source, destination = wallets if lack > 0 else reversed(wallets)
    room = account.cash_free - policy.allocation.reserve_quote if lack > 0 else account.perp_free
    return {
        "from": source,
        "to": destination,
        "wanted_quote": _cents(abs(lack)),
        "amount_quote": _cents(max(ZERO, min(abs(lack), room))),
    }


def _cents(value: Decimal) -> str:
    return plain(value.quantize(Decimal("0.01"), rounding="ROUND_FLOOR"))


def wallets_text(rows: Sequence[Mapping[str, Any]], quote: str) -> str:
    """Free money at each of the venues."""
    return ", ".join(f"{row['wallet']} at {row['venue']} {money(row['free_quote'])}" for row in rows) + f" {quote} free"


def transfer_text(row: Mapping[str, Any], quote: str) -> str:
    """What to move, and how much of it is there."""
    amount, wanted = Decimal(row["amount_quote"]), Decimal(row["wanted_quote"])
    way = f"from {row['from']} to {row['to']}"
    if not amount:
        return f"{money(wanted)} {quote} {way}, once it is free there"
    rest = f", and {money(wanted - amount)} more once it is free there" if amount < wanted else ""
    return f"move {money(amount)} {quote} {way}{rest}"
