"""Expected holdings: spot pays in kind and in cash, perps pay their realised profit, a unified wallet is one purse."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.instrument import Side
from bot.domain.order import Fill
from bot.execution.books.ledger import WALLET, Baseline, Books, differences, expected_books
from bot.ports import Payment
from tests.execution.fills import make_fill
from tests.execution.scripted_venue import PERP, START_MS

EMPTY = Baseline({}, {}, START_MS, START_MS, 0, ("UNI",))


def books_of(*fills: tuple[Fill, Decimal], payments: tuple[Payment, ...] = (), is_unified: bool = False) -> Books:
    return expected_books(EMPTY, fills, payments, (), quote="USDT", is_unified=is_unified)


def perp_fill(number: int, side: Side, size: str, price: str) -> Fill:
    return replace(make_fill(number, None, size=size), symbol=PERP, side=side, price=Decimal(price), fee=Decimal(0))


def test_a_spot_purchase_moves_base_quote_and_fee() -> None:
    fill = replace(make_fill(1, None, size="2"), fee=Decimal("0.002"), fee_asset="UNI")
    assert books_of((fill, Decimal(20))).amounts == {"spot:UNI": Decimal("1.998"), "spot:USDT": Decimal(-20)}


@pytest.mark.parametrize(("is_unified", "cash"), [(False, WALLET), (True, "spot:USDT")])
def test_a_perp_pays_its_realised_profit_into_the_wallet_it_belongs_to(is_unified: bool, cash: str) -> None:
    short = (perp_fill(1, Side.SELL, "3", "10"), Decimal(3))  # contracts of a tenth
    back = (perp_fill(2, Side.BUY, "2", "8"), Decimal("1.6"))
    books = books_of(short, back, is_unified=is_unified)
    assert books.amounts == {f"perp:{PERP}": Decimal(-1), cash: Decimal("0.4")}


def test_a_transfer_leaves_one_wallet_for_the_other_and_a_unified_one_not_at_all() -> None:
    payment = Payment("1", "transfer", "USDT", Decimal(5), None, START_MS + 1)
    assert books_of(payments=(payment,)).amounts == {WALLET: Decimal(5), "spot:USDT": Decimal(-5)}
    old = replace(payment, at_ms=START_MS)
    assert books_of(payments=(old,)).amounts == {}


@given(st.lists(st.tuples(st.sampled_from(Side), st.integers(1, 9), st.integers(5, 15)), max_size=12))
def test_a_flat_perp_has_paid_exactly_what_its_trades_cost(trades: list[tuple[Side, int, int]]) -> None:
    fills = [
        (perp_fill(n, s, str(size), str(price)), Decimal(size * price)) for n, (s, size, price) in enumerate(trades)
    ]
    left = sum(size * side.sign for side, size, _ in trades)
    if left:
        side = Side.SELL if left > 0 else Side.BUY
        fills.append((perp_fill(99, side, str(abs(left)), "10"), Decimal(abs(left) * 10)))
    books = books_of(*fills)
    cost = sum((-value * fill.side.sign for fill, value in fills), Decimal(0))
    assert books.amounts.get(f"perp:{PERP}", 0) == 0
    assert abs(books.amounts.get(WALLET, Decimal(0)) - cost) < Decimal("1e-15")


@pytest.mark.parametrize(
    ("key", "have", "differs"),
    [
        ("spot:UNI", "100.01", False),
        ("spot:UNI", "100.02", True),
        ("perp:ARB/USDT:USDT", "0.001", True),
        ("spot:ARB", "5", False),
        ("spot:USDT", "1000.4", False),
        ("spot:USDT", "1001", True),
    ],
)
def test_only_differences_beyond_rounding_count(key: str, have: str, differs: bool) -> None:
    books = Books({"spot:UNI": Decimal(100), "spot:USDT": Decimal(1000)})
    actual = {**books.amounts, key: Decimal(have)}
    found = differences(books, actual, watched=("UNI",), quote="USDT", size_bps=1, cash_bps=5)
    assert [difference.key for difference in found] == ([key] if differs else [])
