"""Rows that could not be read: named, believed to be what the books say, and their instrument only reduced."""

from decimal import Decimal
from typing import Any

import pytest

from bot.domain.instrument import Side
from bot.domain.portfolio import Account, Balance, Position
from bot.domain.reason import Reason
from bot.execution.books.ledger import Books
from bot.execution.order_reports import find_report, has_unnamed, is_about
from bot.execution.unreadable import believed, review
from bot.ports import OrderReport, ReportState
from tests.execution.worlds import make_order

UNI, ETH = "UNI/USDT:USDT", "ETH/USDT:USDT"
D = Decimal


def account() -> Account:
    held = {UNI: Position(UNI, D(5), D(10), D(10), D(0), D(10))}
    return Account(1, "USDT", {"USDT": Balance("USDT", D(100))}, D(50), D(20), held)


BOOKS = Books({f"perp:{ETH}": D(-2), f"perp:{UNI}": D(7), "spot:ARB": D(3), "wallet": D(60)}, {ETH: D(2000), UNI: D(9)})
SYMBOLS = (UNI, ETH, "ARB/USDT", "UNI/USDT")


def marked(key: str) -> Account:
    found = account()
    return Account(
        found.at_ms,
        found.quote,
        found.balances,
        found.perp_wallet,
        found.perp_free,
        found.positions,
        unreadable={key: "why"},
    )


def test_a_position_that_cannot_be_read_is_what_the_books_say_and_one_that_can_is_not_replaced() -> None:
    found = believed(marked(f"perp:{ETH}"), BOOKS)
    assert found.positions[ETH] == Position(ETH, D(-2), D(2000), D(2000), D(0), D(0))
    assert believed(marked(f"perp:{UNI}"), BOOKS).positions[UNI].size == 5


def test_a_row_that_names_nothing_may_be_any_position_of_the_books() -> None:
    assert set(believed(marked("perp:"), BOOKS).positions) == {UNI, ETH}
    unread = review(marked("perp:"), (), SYMBOLS)
    assert (unread.locked, unread.is_unbounded) == ({UNI, ETH}, True)


def test_a_balance_and_the_wallet_are_what_the_books_say() -> None:
    assert believed(marked("spot:ARB"), BOOKS).balances["ARB"] == Balance("ARB", D(3))
    assert believed(marked("wallet"), BOOKS).perp_wallet == 60
    assert believed(account(), BOOKS) == account()


@pytest.mark.parametrize(
    ("key", "locked", "is_unbounded"),
    [
        (f"perp:{ETH}", {ETH}, False),
        ("spot:ARB", {"ARB/USDT"}, False),
        ("wallet", set(), True),
        ("spot:USDT", set(), True),
        ("spot:", set(), True),
    ],
)
def test_a_row_locks_its_instrument_and_cash_stops_entries(key: str, locked: set[str], is_unbounded: bool) -> None:
    unread = review(marked(key), (), SYMBOLS)
    assert (unread.locked, unread.is_unbounded) == (locked, is_unbounded)
    assert [(note.reason, note.subject) for note in unread.notes] == [(Reason.ROW_UNREADABLE, key)]


def test_rows_of_lists_lock_the_symbol_they_were_asked_for_and_are_said_once() -> None:
    unread = review(account(), [(UNI, "a"), (UNI, "a"), ("", "payments")], SYMBOLS)
    assert unread.locked == {UNI}
    assert not unread.is_unbounded
    assert len(unread.notes) == 2


def report(**changes: Any) -> OrderReport:
    parts: dict[str, Any] = {
        "symbol": make_order().symbol,
        "client_id": None,
        "venue_id": "",
        "state": ReportState.OPEN,
        "side": Side.BUY,
        "size": D(0),
        "filled_size": D(0),
        "filled_quote": D(0),
        "price": None,
        "reduce_only": False,
        "is_trigger": False,
        "at_ms": 0,
        "defect": "why",
    }
    return OrderReport(**(parts | changes))


def test_a_row_that_names_our_order_is_about_it_whatever_else_it_lacks() -> None:
    ours = make_order()
    assert find_report(ours, [report(client_id=ours.client_id, side=Side.of(Decimal(-ours.side.sign)))]) is not None
    assert not is_about(ours, report(client_id="another"))


def test_a_row_without_an_id_keeps_absence_from_being_believed() -> None:
    ours = make_order()
    assert has_unnamed(ours, [report()])
    assert not has_unnamed(ours, [report(client_id="another"), report(defect="")])
