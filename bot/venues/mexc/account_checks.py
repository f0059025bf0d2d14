"""Settings of an account and its key at MEXC that must be right before positions are opened.

What a key may do is not reported by the venue: nobody asks for `key_rights`, so that a start says to look it up.
"""

from collections.abc import Iterator
from typing import Any

from bot.domain.instrument import Kind
from bot.ports import AccountProblem
from bot.venues.account_review import AccountCheck, AccountReviewer, Answer, RequiredSetup, Unreadable, flag, rows_in
from bot.venues.ccxt.connection import Connection
from bot.venues.mexc.errors import is_success

HEDGE, ONE_WAY = 1, 2


def _data(answer: Answer) -> Any:
    if not is_success(answer) or "data" not in answer:
        raise Unreadable("the answer has no data")
    return answer["data"]


def _judge_spot(answer: Answer, wanted: RequiredSetup) -> Iterator[AccountProblem]:
    rows_in(answer, "balances")
    if not flag(answer, "canTrade"):
        yield AccountProblem(
            "spot_wallet",
            f"account {wanted.account!r} may not trade spot",
            f"see at {wanted.venue} why",
            is_blocking=wanted.trades,
        )


def _judge_futures(answer: Answer, wanted: RequiredSetup) -> Iterator[AccountProblem]:
    del wanted
    if not isinstance(_data(answer), list):
        raise Unreadable("the answer is no list of balances")
    return iter(())


def _judge_position_mode(answer: Answer, wanted: RequiredSetup) -> Iterator[AccountProblem]:
    mode = _data(answer)
    if str(mode) not in (str(HEDGE), str(ONE_WAY)):
        raise Unreadable(f"the answer says neither one-way nor hedge mode but {mode!r}")
    if str(mode) == str(HEDGE):
        yield AccountProblem(
            "position_mode",
            f"the perps of {wanted.account!r} are in hedge mode",
            "switch futures to one-way mode in the venue's position settings, while there are neither positions nor "
            "orders",
        )


def _judge_key(answer: Answer, wanted: RequiredSetup) -> Iterator[AccountProblem]:
    del answer, wanted
    return iter(())


CHECKS: tuple[AccountCheck, ...] = (
    AccountCheck("spot_wallet", "the spot wallet", "spotPrivateGetAccount", _judge_spot, Kind.SPOT, wallet="spot"),
    AccountCheck(
        "futures_wallet",
        "the futures wallet",
        "contractPrivateGetAccountAssets",
        _judge_futures,
        Kind.PERP,
        wallet="futures",
    ),
    AccountCheck(
        "position_mode",
        "one-way or hedge mode",
        "contractPrivateGetPositionPositionMode",
        _judge_position_mode,
        Kind.PERP,
    ),
    AccountCheck("key_rights", "the rights of the API key", "", _judge_key),
)


class MexcChecks(AccountReviewer):
    """All of them over one connection."""

    def __init__(self, connection: Connection, *, account: str, trades: bool) -> None:
        super().__init__(connection, checks=CHECKS, account=account, trades=trades)
