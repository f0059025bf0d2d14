"""What is done about rows of the venue that could not be read: they are named, and their instrument is only reduced.

A holding whose row cannot be read is believed to be what the books say, so that exits and `flatten` go on with it; it
is never believed to be gone. Pure.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from bot.domain.money import ZERO
from bot.domain.portfolio import Account, Balance, Position
from bot.domain.reason import Note, Reason
from bot.domain.symbol import base_of, is_perp
from bot.execution.books.ledger import WALLET, Books

_ANY_POSITION, _ANY_ASSET = "perp:", "spot:"
_SCOPE = (
    "its instrument may only be reduced until it can be read; others keep purchases that rest, and open nothing new "
    "where equity rests on the row (equity_unknown)"
)
Defects = Iterable[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Unread:
    """What follows from unreadable rows: instruments that may only be reduced, notes, and whether all entries stop,
    because a row may be of anything or is of cash."""

    locked: frozenset[str]
    notes: tuple[Note, ...]
    is_unbounded: bool


def believed(account: Account, books: Books) -> Account:
    """The account with the holdings of the books where its own rows could not be read."""
    unreadable = account.unreadable
    if not unreadable:
        return account
    balances, positions = dict(account.balances), dict(account.positions)
    for key, amount in books.amounts.items():
        asset, symbol = key.removeprefix("spot:"), key.removeprefix("perp:")
        if (key in unreadable or _ANY_ASSET in unreadable) and asset != key and amount > 0:
            balances.setdefault(asset, Balance(asset, amount))
        is_asked = key in unreadable or _ANY_POSITION in unreadable
        if is_asked and symbol != key and amount != 0 and symbol not in positions:
            positions[symbol] = _position(symbol, amount, books.entries)
    wallet = books.amounts.get(WALLET, ZERO) if WALLET in unreadable else account.perp_wallet
    return replace(account, balances=balances, positions=positions, perp_wallet=wallet)


def review(account: Account, defects: Defects, symbols: Iterable[str]) -> Unread:
    """Notes and locks for what could not be read of the account and of lists since the last settlement."""
    locked: set[str] = set()
    notes = []
    is_unbounded = False
    listed = tuple(symbols)
    for key, message in sorted(account.unreadable.items()):
        touched = _instruments_of(key, listed)
        locked |= touched
        is_cash = key in (WALLET, _ANY_ASSET, _ANY_POSITION, f"spot:{account.quote}")
        is_unbounded = is_unbounded or is_cash
        scope = "entries stop until it can be read" if is_cash else _SCOPE
        notes.append(Note(Reason.ROW_UNREADABLE, f"{key}: {scope}: {message}", key))
    for symbol, message in dict.fromkeys(defects):
        locked |= {symbol} if symbol else set()
        scope = "it may only be reduced until the row can be read: " if symbol else ""
        notes.append(Note(Reason.ROW_UNREADABLE, f"{symbol or 'the venue'}: {scope}{message}", symbol))
    return Unread(frozenset(locked), tuple(notes), is_unbounded)


def _position(symbol: str, size: Decimal, entries: Mapping[str, Decimal]) -> Position:
    """A position as the books know it: at its entry price, without profit, leverage or liquidation price."""
    entry = entries.get(symbol, ZERO)
    return Position(symbol, size, entry, entry, ZERO, ZERO)


def _instruments_of(key: str, symbols: tuple[str, ...]) -> set[str]:
    """The instruments of a holding; every perp where the holding does not say which."""
    if key == _ANY_POSITION:
        return {symbol for symbol in symbols if is_perp(symbol)}
    if key.startswith("perp:"):
        return {key.removeprefix("perp:")}
    asset = key.removeprefix("spot:")
    return {symbol for symbol in symbols if not is_perp(symbol) and base_of(symbol) == asset}
