"""Settings of an account and its key at BingX that must be right before positions are opened."""

from collections.abc import Iterator
from typing import Any

from bot.domain.instrument import Kind
from bot.ports import AccountProblem
from bot.venues.account_review import AccountCheck, AccountReviewer, Answer, RequiredSetup, Unreadable, flag, rows_in
from bot.venues.bingx.errors import SUCCESS, code_of
from bot.venues.ccxt.connection import Connection

_WINDOW = {"recvWindow": "5000"}
_SPOT, _READ, _PERPS, _TRANSFER, _WITHDRAW = 1, 2, 3, 4, 5


def _data(answer: Answer) -> Any:
    if code_of(answer) != SUCCESS or "data" not in answer:
        raise Unreadable("the answer has no data")
    return answer["data"]


def _judge_spot(answer: Answer, wanted: RequiredSetup) -> Iterator[AccountProblem]:
    del wanted
    data = _data(answer)
    if not isinstance(data, dict):
        raise Unreadable("the answer has no balances")
    rows_in(data, "balances")
    return iter(())


def _judge_futures(answer: Answer, wanted: RequiredSetup) -> Iterator[AccountProblem]:
    del wanted
    if not isinstance(_data(answer), list):
        raise Unreadable("the answer is no list of balances")
    return iter(())


def _judge_position_mode(answer: Answer, wanted: RequiredSetup) -> Iterator[AccountProblem]:
    data = _data(answer)
    if flag(data if isinstance(data, dict) else {}, "dualSidePosition"):
        yield AccountProblem(
            "position_mode",
            f"the perps of {wanted.account!r} are in hedge mode, as those of a new account are",
            "switch perpetual futures to one-way mode in the venue's position settings, while there are neither "
            "positions nor orders",
        )


def _judge_key(answer: Answer, wanted: RequiredSetup) -> Iterator[AccountProblem]:
    """Rights are numbers. An answer of another shape does not show that the key cannot withdraw, so it is none."""
    key = f"the API key of account {wanted.account!r}"
    if code_of(answer) != SUCCESS:
        raise Unreadable("the answer has no code of success")
    found = answer.get("permissions")
    if not isinstance(found, list) or not all(str(one).isdigit() for one in found):
        raise Unreadable(f"the answer has no list of numbers, so what {key} may do is not known")
    rights = {int(str(one)) for one in found}
    if _WITHDRAW in rights:
        yield AccountProblem(
            "key_rights",
            f"{key} may withdraw; a trading key must not",
            f"remove the withdrawal permission at {wanted.venue} or make a new key",
        )
    for right, what, is_needed in (
        (_READ, "reading", True),
        (_SPOT, "spot trading", wanted.has_spot),
        (_PERPS, "perpetual futures", wanted.has_perps),
    ):
        if is_needed and right not in rights:
            yield AccountProblem(
                "key_rights",
                f"{key} has no permission for {what}",
                f"enable it at {wanted.venue}",
                is_blocking=wanted.trades,
            )
    if answer.get("ipAddresses") in ([], None, ""):
        yield AccountProblem(
            "key_rights",
            f"{key} works from any IP address",
            "restrict it to the address of this machine",
            is_blocking=False,
        )


CHECKS: tuple[AccountCheck, ...] = (
    AccountCheck(
        "spot_wallet", "the spot wallet", "spotV1PrivateGetAccountBalance", _judge_spot, Kind.SPOT, _WINDOW, "spot"
    ),
    AccountCheck(
        "futures_wallet",
        "the futures wallet",
        "swapV3PrivateGetUserBalance",
        _judge_futures,
        Kind.PERP,
        _WINDOW,
        "futures",
    ),
    AccountCheck(
        "position_mode",
        "one-way or hedge mode",
        "swapV1PrivateGetPositionSideDual",
        _judge_position_mode,
        Kind.PERP,
        _WINDOW,
    ),
    AccountCheck(
        "key_rights",
        "the rights of the API key",
        "accountV1PrivateGetAccountApiPermissions",
        _judge_key,
        params=_WINDOW,
    ),
)


class BingxChecks(AccountReviewer):
    """All of them over one connection."""

    def __init__(self, connection: Connection, *, account: str, trades: bool) -> None:
        super().__init__(connection, checks=CHECKS, account=account, trades=trades)
