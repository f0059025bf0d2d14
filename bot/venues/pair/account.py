"""One account of two: the spot wallet of the first venue, the perp wallet and the positions of the second."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from bot.domain.money import ZERO
from bot.domain.portfolio import Account, Balance
from bot.ports import (
    DEPOSIT,
    FLOWS,
    PERP_DEPOSIT,
    PERP_WITHDRAWAL,
    WITHDRAWAL,
    AccountProblem,
    AccountReview,
    Payment,
    Unavailable,
)

ALL_SPOT, ALL_PERPS, WALLET = "spot:", "perp:", "wallet"
"""Keys of `Account.unreadable`: any spot asset, any position, the perp wallet."""


def joined(spot: Account | Unavailable, perp: Account | Unavailable, quote: str) -> Account:
    """The account; a half that could not be read is unreadable as a whole, and never believed to be empty.

    Args:
        quote: for the case that the spot half could not be read.
    """
    unreadable: dict[str, str] = {}
    balances: Mapping[str, Balance] = {}
    if isinstance(spot, Unavailable):
        unreadable |= {ALL_SPOT: str(spot), f"{ALL_SPOT}{quote}": str(spot)}
    else:
        balances = spot.balances
        unreadable |= {key: why for key, why in spot.unreadable.items() if key.startswith(ALL_SPOT)}
    if isinstance(perp, Unavailable):
        unreadable |= {ALL_PERPS: str(perp), WALLET: str(perp)}
        return Account(_read_ms(spot, perp), quote, balances, ZERO, ZERO, {}, unreadable=unreadable)
    cash = perp.balances.get(perp.quote, Balance(perp.quote, ZERO))
    unreadable |= dict(_unreadable_of_perps(perp))
    return Account(
        at_ms=_read_ms(spot, perp),
        quote=quote,
        balances=balances,
        perp_wallet=cash.total if perp.is_unified else perp.perp_wallet,
        perp_free=cash.free if perp.is_unified else perp.perp_free,
        positions=perp.positions,
        unreadable=unreadable,
    )


def _unreadable_of_perps(perp: Account) -> Iterator[tuple[str, str]]:
    """Where one wallet serves both kinds, its quote currency is the perp wallet; its tokens are not traded."""
    of_cash = (ALL_SPOT, f"{ALL_SPOT}{perp.quote}")
    for key, why in perp.unreadable.items():
        if key == WALLET or key.startswith(ALL_PERPS):
            yield key, why
        elif perp.is_unified and key in of_cash:
            yield WALLET, why


def _read_ms(*halves: Account | Unavailable) -> int:
    """When the older of the answers was read."""
    return min(half.at_ms for half in halves if isinstance(half, Account))


def spot_payments(payments: Iterable[Payment], *, is_unified: bool) -> Iterator[Payment]:
    """What moved in the spot wallet: deposits and withdrawals. In a unified wallet whatever else moves its money is
    no result of a trade of ours, and counts as one of them."""
    for payment in payments:
        if payment.kind in FLOWS:
            yield payment
        elif is_unified:
            yield replace(payment, kind=DEPOSIT if payment.amount > 0 else WITHDRAWAL)


def perp_payments(payments: Iterable[Payment], *, is_unified: bool) -> Iterator[Payment]:
    """What moved in the perp wallet. What its account's own spot wallet gave or took comes from outside of the two
    wallets that are ours; that other wallet's deposits are none of ours."""
    for payment in payments:
        is_moved = payment.kind in FLOWS if is_unified else "transfer" in payment.kind.lower()
        if is_moved:
            yield replace(payment, kind=PERP_DEPOSIT if payment.amount > 0 else PERP_WITHDRAWAL)
        elif payment.kind not in FLOWS:
            yield payment


def joined_review(reviews: Mapping[str, AccountReview | Unavailable]) -> AccountReview:
    """What the checks of both accounts found, each with the name of its half; a half without a review is unanswered."""
    problems: list[AccountProblem] = []
    unanswered: dict[str, str] = {}
    skipped: list[str] = []
    for name, review in reviews.items():
        if isinstance(review, Unavailable):
            unanswered[f"{name}: account"] = str(review)
            continue
        problems += [
            replace(one, check=f"{name}: {one.check}", words=f"{name}: {one.words}") for one in review.problems
        ]
        unanswered |= {f"{name}: {check}": f"{name}: {why}" for check, why in review.unanswered.items()}
        skipped += [f"{name}: {line}" for line in review.skipped]
    return AccountReview(tuple(problems), unanswered, tuple(skipped))
