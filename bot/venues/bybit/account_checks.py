"""Settings of an account and its key at Bybit that must be right before positions are opened."""

from collections.abc import Iterator, Mapping
from typing import Any

from bot.domain.instrument import Kind
from bot.ports import AccountProblem
from bot.venues.account_review import AccountCheck, AccountReviewer, Answer, RequiredSetup, Unreadable, rows_in
from bot.venues.bybit.parse import ONE_WAY
from bot.venues.bybit.reads import ISOLATED
from bot.venues.ccxt.connection import Connection
from bot.venues.ccxt.rows import UNREADABLE, number

_UNIFIED_FROM = 3
_PROBE = "BTCUSDT"
_MODES = {"REGULAR_MARGIN": "cross margin", "PORTFOLIO_MARGIN": "portfolio margin"}


def _result(answer: Answer) -> Mapping[str, Any]:
    result = answer.get("result")
    if str(answer.get("retCode")) != "0" or not isinstance(result, Mapping):
        raise Unreadable("the answer has no result")
    return result


def _judge_wallet(answer: Answer, wanted: RequiredSetup) -> Iterator[AccountProblem]:
    for wallet in rows_in(_result(answer), "list"):
        for coin in rows_in(wallet, "coin"):
            try:
                owed = number(coin.get("borrowAmount") or "0")
            except UNREADABLE as error:
                raise Unreadable(f"what {coin.get('coin')} is borrowed cannot be read") from error
            if owed > 0:
                yield AccountProblem(
                    "wallet",
                    f"the account {wanted.account!r} owes {owed} {coin.get('coin')}",
                    "repay the loan and switch spot margin trading off at the venue",
                )


def _judge_margin_mode(answer: Answer, wanted: RequiredSetup) -> Iterator[AccountProblem]:
    result = _result(answer)
    status, mode = result.get("unifiedMarginStatus"), result.get("marginMode")
    if not isinstance(status, int) or isinstance(status, bool) or not isinstance(mode, str):
        raise Unreadable("the answer does not say unifiedMarginStatus and marginMode")
    if status < _UNIFIED_FROM:
        yield AccountProblem(
            "margin_mode",
            f"the account {wanted.account!r} is a classic account, which the bot does not trade",
            "upgrade it to a unified trading account at the venue, or use another one",
        )
    elif mode != ISOLATED:
        yield AccountProblem(
            "margin_mode",
            f"the account {wanted.account!r} uses {_MODES.get(mode, mode)}, where a loss of one position takes the "
            "money of all",
            "choose isolated margin in the margin settings of the unified account; the venue allows it while there "
            "are neither positions nor orders",
        )


def _judge_position_mode(answer: Answer, wanted: RequiredSetup) -> Iterator[AccountProblem]:
    found = rows_in(_result(answer), "list")
    if not found or any("positionIdx" not in row for row in found):
        raise Unreadable("the answer does not say positionIdx")
    if any(str(row["positionIdx"]) != str(ONE_WAY) for row in found):
        yield AccountProblem(
            "position_mode",
            f"the perps of {wanted.account!r} are in hedge mode",
            "switch all USDT perpetuals to one-way mode in the venue's position settings",
        )


def _judge_key(answer: Answer, wanted: RequiredSetup) -> Iterator[AccountProblem]:
    result = _result(answer)
    key, rights = f"the API key of account {wanted.account!r}", result.get("permissions")
    if not isinstance(rights, Mapping) or "readOnly" not in result:
        raise Unreadable("the answer does not say permissions and readOnly")
    wallet = rights.get("Wallet")
    if not isinstance(wallet, list):
        raise Unreadable("the answer has no list permissions.Wallet")
    if wallet:
        yield AccountProblem(
            "key_rights",
            f"{key} may move money ({', '.join(map(str, wallet))}); a trading key must not",
            f"remove all wallet permissions of the key at {wanted.venue} or make a new one",
        )
    if str(result["readOnly"]) != "0":
        yield AccountProblem(
            "key_rights",
            f"{key} may only read",
            f"make a key that may read and write at {wanted.venue}",
            is_blocking=wanted.trades,
        )
    for name, what, is_needed in (
        ("Spot", "spot trading", wanted.has_spot),
        ("ContractTrade", "orders and positions of contracts", wanted.has_perps),
    ):
        if not is_needed:
            continue
        if not rights.get(name) and not (name == "ContractTrade" and rights.get("Derivatives")):
            yield AccountProblem(
                "key_rights",
                f"{key} has no permission for {what}",
                f"enable it at {wanted.venue}",
                is_blocking=wanted.trades,
            )
    if result.get("ips") in (["*"], []):
        yield AccountProblem(
            "key_rights",
            f"{key} works from any IP address",
            "restrict it to the address of this machine",
            is_blocking=False,
        )


CHECKS: tuple[AccountCheck, ...] = (
    AccountCheck(
        "wallet",
        "the wallet of the unified account",
        "privateGetV5AccountWalletBalance",
        _judge_wallet,
        params={"accountType": "UNIFIED"},
        wallet="unified",
    ),
    AccountCheck("margin_mode", "kind and margin mode of the account", "privateGetV5AccountInfo", _judge_margin_mode),
    AccountCheck(
        "position_mode",
        "one-way or hedge mode",
        "privateGetV5PositionList",
        _judge_position_mode,
        Kind.PERP,
        {"category": "linear", "symbol": _PROBE},
    ),
    AccountCheck("key_rights", "the rights of the API key", "privateGetV5UserQueryApi", _judge_key),
)


class BybitChecks(AccountReviewer):
    """All of them over one connection."""

    def __init__(self, connection: Connection, *, account: str, trades: bool) -> None:
        super().__init__(connection, checks=CHECKS, account=account, trades=trades)
