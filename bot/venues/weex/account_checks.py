"""Settings of an account at WEEX that must be right before positions are opened.

Margin mode and the mode of positions are settings of each perp: they are read and set with its leverage, and read again
with every position. Nothing in the API shows what a key may do.
"""

from collections.abc import Iterator

from bot.domain.instrument import Kind
from bot.ports import AccountProblem
from bot.venues.account_review import (
    ROWS,
    AccountCheck,
    AccountReviewer,
    Answer,
    RequiredSetup,
    Unreadable,
    flag,
    rows_in,
)
from bot.venues.ccxt.connection import Connection


def _judge_spot(answer: Answer, wanted: RequiredSetup) -> Iterator[AccountProblem]:
    rows_in(answer, "balances")
    if not flag(answer, "canTrade"):
        yield AccountProblem(
            "spot_wallet",
            f"the spot account {wanted.account!r} may not trade",
            "see the venue's messages to you",
            is_blocking=wanted.trades,
        )


def _judge_futures(answer: Answer, wanted: RequiredSetup) -> Iterator[AccountProblem]:
    del wanted
    if not all(row.get("asset") for row in rows_in(answer, ROWS)):
        raise Unreadable("the answer has a wallet without an asset")
    return iter(())


def _judge_key(answer: Answer, wanted: RequiredSetup) -> Iterator[AccountProblem]:
    """Nothing is asked: no environment has this check, so that a start says what to look up."""
    del answer, wanted
    raise Unreadable("the venue does not report what a key may do")


CHECKS: tuple[AccountCheck, ...] = (
    AccountCheck("spot_wallet", "the spot wallet", "privateGetApiV3Account", _judge_spot, Kind.SPOT, wallet="spot"),
    AccountCheck(
        "futures_wallet",
        "the futures wallet",
        "contractPrivateGetCapiV3AccountBalance",
        _judge_futures,
        Kind.PERP,
        wallet="futures",
        is_list=True,
    ),
    AccountCheck("key_rights", "the rights of the API key", "", _judge_key),
)


class WeexChecks(AccountReviewer):
    """All of them over one connection."""

    def __init__(self, connection: Connection, *, account: str, trades: bool) -> None:
        super().__init__(connection, checks=CHECKS, account=account, trades=trades)
