"""Balances and positions row by row: what cannot be read is named under its key, `spot:UNI` or `perp:UNI/USDT:USDT`,
and costs no other row anything."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from bot.domain.portfolio import Balance, Position
from bot.venues.ccxt.rows import UNREADABLE, Row, message_of


def read_balances(
    rows: Iterable[Any], read: Callable[[Row], Balance], unreadable: dict[str, str]
) -> dict[str, Balance]:
    """Balances that are not zero, by asset; the rows name it `asset`."""
    found: dict[str, Balance] = {}
    for row in rows:
        try:
            balance = read(row)
        except UNREADABLE as error:
            name = row.get("asset") if isinstance(row, Mapping) else ""
            unreadable[f"spot:{name if isinstance(name, str) else ''}"] = message_of("balances", row, error)
            continue
        keep_balance(balance, row, found, unreadable)
    return {asset: balance for asset, balance in found.items() if balance.total}


def keep_balance(balance: Balance, row: Any, found: dict[str, Balance], unreadable: dict[str, str]) -> None:
    """Add a balance to those found, zeros as well. Of two rows of one asset that differ the larger counts, and the
    asset is unreadable."""
    before = found.setdefault(balance.asset, balance)
    if before != balance:
        unreadable[f"spot:{balance.asset}"] = message_of("balances", row, ValueError("a second row of one asset"))
    if balance.total > before.total:
        found[balance.asset] = balance


def read_positions(
    rows: Iterable[Any],
    symbol_of: Callable[[Row], str],
    read: Callable[[Row, str], Position],
    read_part: Callable[[Row, str], Position | None],
    unreadable: dict[str, str],
) -> tuple[dict[str, Position], list[tuple[str, Row]]]:
    """Positions by symbol, and every row with its symbol. Of two rows of one symbol the larger counts and the symbol is
    unreadable.

    Args:
        symbol_of: the symbol of a row, which the venue calls `symbol`.
        read: a position of a row and its symbol.
        read_part: what is left of one that cannot be read whole, None where nothing is.
    """
    found: dict[str, Position] = {}
    named: list[tuple[str, Row]] = []
    for row in rows:
        if not isinstance(row, Mapping) or not isinstance(row.get("symbol"), str) or not row["symbol"]:
            unreadable["perp:"] = message_of("positions", row, KeyError("symbol"))
            continue
        symbol = symbol_of(row)
        named.append((symbol, row))
        try:
            position: Position | None = read(row, symbol)
        except UNREADABLE as error:
            unreadable[f"perp:{symbol}"] = message_of("positions", row, error)
            position = read_part(row, symbol)
        if position is None:
            continue
        if symbol in found:
            unreadable[f"perp:{symbol}"] = message_of("positions", row, ValueError("a second row of one symbol"))
        if symbol not in found or abs(position.size) > abs(found[symbol].size):
            found[symbol] = position
    return found, named
