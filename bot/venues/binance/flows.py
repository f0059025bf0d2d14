"""Deposits and withdrawals of the spot wallet as payments.

A deposit counts once it is credited. A withdrawal has left the wallet as soon as it was asked for, its fee with it; one
that was cancelled, rejected or failed has come back, which is a payment of its own.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from bot.domain.money import ZERO
from bot.ports import DEPOSIT, RETURNED, WITHDRAWAL, Payment
from bot.venues.ccxt.rows import Row, number

_CREDITED, _NOT_CREDITED = frozenset((1, 6)), frozenset((0, 2, 7, 8))
_GONE, _RETURNED = frozenset((0, 2, 4, 6)), frozenset((1, 3, 5))


def deposit(row: Row) -> tuple[Payment, ...]:
    """A row of capital/deposit/hisrec; nothing where the wallet does not have it yet.

    Raises:
        ValueError: for a status or an amount that cannot be one.
    """
    status, amount = int(row["status"]), number(row["amount"])
    if status not in _CREDITED | _NOT_CREDITED or amount <= 0:
        raise ValueError(f"a deposit of {amount} with status {status}")
    if status in _NOT_CREDITED:
        return ()
    at_ms = int(row.get("completeTime") or row["insertTime"])
    return (Payment(f"DEPOSIT:{_id(row)}", DEPOSIT, str(row["coin"]), amount, None, at_ms),)


def withdrawal(row: Row) -> tuple[Payment, ...]:
    """A row of capital/withdraw/history. Raises ValueError for a status or an amount that cannot be one."""
    status, amount, fee = int(row["status"]), number(row["amount"]), number(row.get("transactionFee") or "0")
    if status not in _GONE | _RETURNED or amount <= 0 or fee < 0:
        raise ValueError(f"a withdrawal of {amount} with status {status}")
    name, asset, at_ms = f"WITHDRAWAL:{_id(row)}", str(row["coin"]), _time_of(row["applyTime"])
    gone = Payment(name, WITHDRAWAL, asset, ZERO - amount - fee, None, at_ms)
    return (gone,) if status in _GONE else (gone, Payment(name, RETURNED, asset, amount + fee, None, at_ms))


def since(payments: Iterable[Payment], since_ms: int) -> Iterator[Payment]:
    """Those that moved money since then: the venue is asked for when they began."""
    return (payment for payment in payments if payment.at_ms >= since_ms)


def _id(row: Row) -> str:
    result = row.get("id") or row.get("txId")
    if not isinstance(result, str | int) or not str(result).strip():
        raise ValueError("the row has no id")
    return str(result)


def _time_of(cell: Any) -> int:
    """Milliseconds of a time as text, UTC, whose last one it may be, or as a number."""
    text = str(cell)
    if text.isdigit() and len(text) >= 12:
        return int(text)
    return int(datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).timestamp() * 1000) + 999
