"""Formulas of a contract, against the venue's own example and against their meaning."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.brackets import Bracket, highest_leverage
from bot.domain.instrument import Instrument, Kind, Side
from bot.domain.perp import (
    basis_annualised,
    bracket_room,
    expected_liquidation,
    funding_per_day,
    liquidation_move,
    liquidation_price,
    margin_under,
    opening_cost,
    unrealised_pnl,
)
from bot.domain.portfolio import Position

PERP = Instrument(
    "binance",
    "ETH/USDT:USDT",
    Kind.PERP,
    "ETH",
    "USDT",
    Decimal("0.01"),
    Decimal("0.001"),
    Decimal("0.001"),
    Decimal(20),
)
prices = st.decimals(min_value=1, max_value=100_000, places=2)


def test_the_documented_example_of_a_long_one_contract() -> None:
    price = liquidation_price(
        PERP, size=Decimal(1), entry=Decimal(10_000), margin=Decimal(1_000), maintenance_rate=Decimal("0.004")
    )
    assert price is not None
    assert round(price, 2) == Decimal("9036.14")


@given(prices, st.sampled_from([-3, -1, 2, 5]), st.integers(1, 10))
def test_at_the_liquidation_price_equity_equals_maintenance(entry: Decimal, size: int, leverage: int) -> None:
    margin = entry * abs(size) / leverage
    rate = Decimal("0.01")
    price = liquidation_price(PERP, size=Decimal(size), entry=entry, margin=margin, maintenance_rate=rate)
    if price is None:
        return
    equity = margin + unrealised_pnl(PERP, Decimal(size), entry, price)
    assert abs(equity - abs(size) * price * rate) < Decimal("0.0001") * entry


BRACKETS = (
    Bracket(1, 20, Decimal(0), Decimal(1_000), Decimal("0.02"), Decimal(0)),
    Bracket(2, 5, Decimal(1_000), Decimal(10_000), Decimal("0.10"), Decimal(80)),
    Bracket(3, 1, Decimal(10_000), Decimal(50_000), Decimal("0.50"), Decimal(4_080)),
)
BRACKETED = replace(PERP, brackets=BRACKETS)


@pytest.mark.parametrize(("leverage", "most"), [("21", 0), ("20", 1_000), ("6", 1_000), ("5", 10_000), ("1", 50_000)])
def test_the_largest_position_at_a_leverage_is_the_cap_of_the_highest_bracket_that_allows_it(
    leverage: str, most: int
) -> None:
    assert BRACKETED.notional_max(Decimal(leverage)) == most
    assert PERP.notional_max(Decimal(leverage)) is None
    assert highest_leverage(BRACKETS) == 20


@pytest.mark.parametrize(
    ("held", "side", "room"),
    [("0", Side.BUY, "100"), ("30", Side.BUY, "70"), ("30", Side.SELL, "100"), ("-120", Side.SELL, "0")],
)
def test_what_may_be_added_leaves_room_for_what_is_held(held: str, side: Side, room: str) -> None:
    found = bracket_room(BRACKETED, Decimal(5), held=Decimal(held), side=side, price=Decimal(100))
    assert found == Decimal(room)
    assert bracket_room(PERP, Decimal(5), held=Decimal(held), side=side, price=Decimal(100)) is None


@given(prices, st.sampled_from([-9, -1, 2, 5]), st.integers(1, 10), st.sampled_from(["0", "0.01", "0.2"]))
def test_at_the_expected_liquidation_equity_is_at_least_the_brackets_maintenance(
    entry: Decimal, size: int, leverage: int, least: str
) -> None:
    """Against the meaning of brackets: the maintenance of each value is that of the bracket which holds it."""
    margin = entry * abs(size) / leverage
    price = expected_liquidation(BRACKETED, size=Decimal(size), entry=entry, margin=margin, rate_min=Decimal(least))
    if price is None:
        return
    value = abs(size) * price
    held = next((b for b in BRACKETS if value <= b.notional_cap), BRACKETS[-1])
    needed = max(value * held.maintenance_rate - held.cum, value * Decimal(least))
    equity = margin + unrealised_pnl(PERP, Decimal(size), entry, price)
    assert equity >= needed - Decimal("0.0001") * entry


def test_a_five_times_short_is_liquidated_near_nineteen_percent() -> None:
    price = liquidation_price(
        PERP, size=Decimal(-10), entry=Decimal(100), margin=Decimal(200), maintenance_rate=Decimal("0.01")
    )
    assert price is not None
    assert Decimal("0.185") < price / 100 - 1 < Decimal("0.195")


@given(
    prices,
    st.sampled_from(list(Side)),
    st.integers(1, 10),
    st.decimals(min_value=0, max_value=Decimal("0.2"), places=3),
)
def test_the_move_to_liquidation_is_that_of_the_liquidation_price(
    entry: Decimal, side: Side, leverage: int, rate: Decimal
) -> None:
    move = liquidation_move(side, Decimal(leverage), rate)
    price = liquidation_price(
        PERP, size=side.sign * Decimal(3), entry=entry, margin=3 * entry / leverage, maintenance_rate=rate
    )
    if price is None:
        assert move >= 1
    else:
        assert abs((entry - price) * side.sign - move * entry) < Decimal("1e-15") * entry


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("leverage", [1, 2, 3, 5, 7, 10])
def test_the_move_to_liquidation_has_the_digits_it_had(side: Side, leverage: int) -> None:
    """Stops of journaled plans are made of it, so that a replay must find every digit."""
    sign, rate = side.sign, Decimal("0.01")
    before = sign * (1 - (1 - sign * Decimal(1) / leverage) / (1 - sign * rate))
    assert liquidation_move(side, Decimal(leverage), rate) == before


def test_the_margin_under_a_position_is_its_wallet_or_what_its_leverage_locks() -> None:
    position = Position("ETH/USDT:USDT", Decimal(-2), Decimal(100), Decimal(120), Decimal(-40), Decimal(30), Decimal(4))
    assert margin_under(PERP, position) == 30
    assert margin_under(PERP, replace(position, margin=Decimal(0))) == 50
    assert margin_under(PERP, replace(position, margin=Decimal(0), leverage=None)) == 200


def test_opening_takes_margin_and_fee_of_one_contract() -> None:
    perp = replace(PERP, contract_size=Decimal(10), taker_fee=Decimal("0.0005"))
    assert opening_cost(perp, Decimal(100), Decimal(4)) == Decimal("250.5")


def test_longs_pay_positive_funding_and_shorts_receive_it() -> None:
    assert funding_per_day(Decimal(10_000), Decimal("0.0001"), 8) == Decimal("-3")
    assert funding_per_day(Decimal(-10_000), Decimal("0.0001"), 4) == Decimal("6")


def test_a_perp_above_spot_is_contango() -> None:
    assert basis_annualised(Decimal("101"), Decimal("100")) > 0 > basis_annualised(Decimal("99"), Decimal("100"))


@given(st.decimals(min_value=1, max_value=1_000_000, places=4), prices)
def test_a_size_for_a_notional_never_costs_more(notional: Decimal, price: Decimal) -> None:
    size = PERP.size_for(notional, price)
    assert PERP.notional(size, price) <= notional < PERP.notional(size + PERP.size_step, price)


@given(prices)
def test_a_worst_price_never_becomes_worse_by_rounding(price: Decimal) -> None:
    odd = price + Decimal("0.003")
    assert PERP.round_limit_price(odd, Side.BUY) <= odd <= PERP.round_limit_price(odd, Side.SELL)
