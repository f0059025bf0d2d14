"""Settings of an account and its key at Binance that must be right before positions are opened."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from bot.domain.instrument import Kind
from bot.ports import AccountProblem
from bot.venues.account_review import AccountCheck, AccountReviewer, Answer, RequiredSetup, flag, is_false, rows_in
from bot.venues.ccxt.connection import Connection

QUOTE_ASSETS = frozenset(
    ("USDT", "USDC", "FDUSD", "BUSD", "TUSD", "USDP", "USD1", "BFUSD", "DAI", "EUR", "EURI", "TRY", "BRL", "BNFCR")
)
"""Assets that venues quote prices in, and their credits that count as margin."""


def _judge_spot(answer: Answer, wanted: RequiredSetup) -> Iterator[AccountProblem]:
    rows = rows_in(answer, "balances")
    if is_false(answer, "canTrade"):
        yield AccountProblem(
            "spot_account",
            f"the spot account of {wanted.account!r} may not trade at {wanted.venue}",
            "enable spot trading for account and key at the venue",
            is_blocking=wanted.trades,
        )
    yield from _other_quotes(rows, ("free", "locked"), "spot", wanted)


def _judge_futures(answer: Answer, wanted: RequiredSetup) -> Iterator[AccountProblem]:
    rows = rows_in(answer, "assets")
    if is_false(answer, "canTrade"):
        yield AccountProblem(
            "futures_account",
            f"the futures account of {wanted.account!r} may not trade at {wanted.venue}",
            "enable futures trading for account and key at the venue",
            is_blocking=wanted.trades,
        )
    yield from _other_quotes(rows, ("walletBalance",), "futures", wanted)


def _other_quotes(
    rows: Sequence[Mapping[str, Any]], names: Sequence[str], wallet: str, wanted: RequiredSetup
) -> Iterator[AccountProblem]:
    """Balances in another quote currency: named, never taken for ours. They count nothing in equity."""
    held = {str(row.get("asset")): [_number(row.get(name)) for name in names] for row in rows}
    known = {asset: amounts for asset, amounts in held.items() if wallet == "futures" or asset in QUOTE_ASSETS}
    others = {asset: amounts for asset, amounts in known.items() if asset != wanted.quote and any(amounts)}
    if others:
        amounts = ", ".join(f"{_sum_text(parts)} {asset}" for asset, parts in sorted(others.items()))
        yield AccountProblem(
            f"{wallet}_account",
            f"the {wallet} wallet of {wanted.account!r} also holds {amounts}, which is not {wanted.quote}: it is not "
            "counted in the bot's equity and not used",
            f"convert it to {wanted.quote}, move it away, or leave it",
            is_blocking=False,
        )


def _number(value: object) -> Decimal:
    """Not a number is an amount that cannot be read: it counts as held."""
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return Decimal("NaN")


def _sum_text(parts: Sequence[Decimal]) -> str:
    total = sum(parts, Decimal(0))
    return f"{total.normalize():f}" if total.is_finite() else "an unreadable amount of"


def _judge_position_mode(answer: Answer, wanted: RequiredSetup) -> Iterator[AccountProblem]:
    if flag(answer, "dualSidePosition"):
        yield AccountProblem(
            "position_mode",
            f"the futures account of {wanted.venue} is in hedge mode",
            "switch it to one-way mode in the venue's futures preferences",
        )


def _judge_assets_mode(answer: Answer, wanted: RequiredSetup) -> Iterator[AccountProblem]:
    if flag(answer, "multiAssetsMargin"):
        yield AccountProblem(
            "assets_mode",
            f"the futures account of {wanted.venue} is in multi-assets mode, which forbids isolated margin: no hedge "
            "and no long could be opened",
            "switch it to single-asset mode in the venue's futures preferences",
        )


def _judge_key(answer: Answer, wanted: RequiredSetup) -> Iterator[AccountProblem]:
    key = f"the API key of account {wanted.account!r}"
    if is_false(answer, "enableReading"):
        yield AccountProblem("key_rights", f"{key} may not read", f"enable reading for it at {wanted.venue}")
    if "enableWithdrawals" in answer and flag(answer, "enableWithdrawals"):
        yield AccountProblem(
            "key_rights",
            f"{key} may withdraw; a trading key must not",
            f"remove the withdrawal permission at {wanted.venue} or make a new key",
        )
    if wanted.has_perps and is_false(answer, "enableFutures"):
        yield AccountProblem(
            "key_rights", f"{key} has no futures permission", f"enable it at {wanted.venue}", is_blocking=wanted.trades
        )
    if wanted.has_spot and is_false(answer, "enableSpotAndMarginTrading"):
        yield AccountProblem(
            "key_rights",
            f"{key} has no permission for spot trading",
            f"enable it at {wanted.venue}",
            is_blocking=wanted.trades,
        )
    if "enablePortfolioMarginTrading" in answer and flag(answer, "enablePortfolioMarginTrading"):
        yield AccountProblem(
            "key_rights",
            f"{key} belongs to a portfolio-margin account, whose positions and wallets this bot cannot read",
            f"leave portfolio margin at {wanted.venue}, or use an account without it",
        )
    if is_false(answer, "ipRestrict"):
        yield AccountProblem(
            "key_rights",
            f"{key} works from any IP address",
            "restrict it to the address of this machine",
            is_blocking=False,
        )
    flag(answer, "enableWithdrawals")
    if wanted.has_perps:
        flag(answer, "enableFutures")


CHECKS: tuple[AccountCheck, ...] = (
    AccountCheck(
        "spot_account",
        "the spot wallet",
        "privateGetAccount",
        _judge_spot,
        Kind.SPOT,
        {"omitZeroBalances": "true"},
        "spot",
    ),
    AccountCheck(
        "futures_account",
        "the futures wallet",
        "fapiPrivateV3GetAccount",
        _judge_futures,
        Kind.PERP,
        wallet="futures",
    ),
    AccountCheck(
        "position_mode", "one-way or hedge mode", "fapiPrivateGetPositionSideDual", _judge_position_mode, Kind.PERP
    ),
    AccountCheck(
        "assets_mode",
        "single-asset or multi-assets mode",
        "fapiPrivateGetMultiAssetsMargin",
        _judge_assets_mode,
        Kind.PERP,
    ),
    AccountCheck("key_rights", "the rights of the API key", "sapiGetAccountApiRestrictions", _judge_key),
)


class AccountChecks(AccountReviewer):
    """All of them over one connection."""

    def __init__(self, connection: Connection, *, account: str, trades: bool) -> None:
        super().__init__(connection, checks=CHECKS, account=account, trades=trades)
