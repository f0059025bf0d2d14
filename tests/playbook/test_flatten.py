"""Out of everything, slice by slice, never a naked leg."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.instrument import Instrument, Kind
from bot.domain.market import Quote, Snapshot
from bot.domain.portfolio import Account, Balance, Holding, Portfolio, Position, Sleeves
from bot.playbook.orders.flatten import flatten

D = Decimal
SPOT, PERP = "ETH/USDT", "ETH/USDT:USDT"
GRID = (D("0.01"), D("0.001"), D("0.001"), D(5))
INSTRUMENTS = {
    SPOT: Instrument("x", SPOT, Kind.SPOT, "ETH", "USDT", *GRID),
    PERP: Instrument("x", PERP, Kind.PERP, "ETH", "USDT", *GRID),
}
HEDGES = {PERP: "infra"}


def wishes(spot: str, perp: str, *, locked: str = "0", size_max: str | None = None) -> list[tuple[str, str, Decimal]]:
    """What flatten wants of an account with that much ETH and that perp position, at a price of 100. Orders of others
    hold `locked` ETH, and the venue takes at most `size_max` at once."""
    size, price = D(spot), D(100)
    quotes = {
        s: Quote(s, price - D("0.01"), price + D("0.01"), 0, mark=price if ":" in s else None) for s in INSTRUMENTS
    }
    positions = {PERP: Position(PERP, D(perp), price, price, D(0), D(10))} if D(perp) else {}
    account = Account(0, "USDT", {"ETH": Balance("ETH", size - D(locked), D(locked))}, D(100), D(50), positions)
    holdings = (Holding(SPOT, "infra", size, price, size * price),) if size else ()
    portfolio = Portfolio(account, D(1000), D(0), D(1000), {"infra": Sleeves(spot=size * price)}, holdings)
    limited = {s: replace(i, size_max=None if size_max is None else D(size_max)) for s, i in INSTRUMENTS.items()}
    snapshot = Snapshot(0, limited, quotes)
    found = flatten(snapshot, portfolio, HEDGES, slice_share=D("0.25"), slippage=D("0.02"))
    return [(intent.symbol, intent.side.value, intent.size) for intent in found]


def test_longs_go_first() -> None:
    assert wishes("4", "2") == [(PERP, "sell", D(2))]


def test_a_short_shrinks_to_what_the_slice_will_leave_before_the_slice_is_sold() -> None:
    # A quarter of 4 is to be sold: the hedge over 4 shrinks to 3 less the headroom of 1 %, then the slice goes.
    assert wishes("4", "-4") == [(PERP, "buy", D("1.03"))]
    assert wishes("4", "-2.97") == [(SPOT, "sell", D(1))]


def test_a_holding_between_the_minimum_and_its_worst_price_is_left_instead_of_asked_for_in_vain() -> None:
    # 0.0505 at 100 is worth 5.05, but 4.949 at the worst price that the gate and the venue go by.
    assert wishes("0.0505", "0") == []
    assert wishes("0.052", "0") == [(SPOT, "sell", D("0.052"))]


@given(spot=st.decimals("0.001", "50", places=3), hedged=st.decimals("0", "1", places=2))
def test_flatten_comes_to_an_end_and_no_short_ever_stands_over_less_spot(spot: Decimal, hedged: Decimal) -> None:
    held, short = spot, INSTRUMENTS[PERP].floor_size(spot * hedged)
    for _ in range(200):
        wanted = wishes(str(held), str(-short))
        if not wanted:
            break
        for symbol, _, size in wanted:
            held, short = (held - size, short) if symbol == SPOT else (held, short - size)
            is_dust = held * 98 < 5
            assert short <= held or is_dust
    assert short == 0
    assert held * 98 < 5


def test_covered_spot_is_sold_by_slices() -> None:
    assert wishes("4", "-1") == [(SPOT, "sell", D(1))]


def test_a_slice_below_the_minimum_sells_the_whole_instead_of_nothing() -> None:
    assert wishes("0.1", "0") == [(SPOT, "sell", D("0.1"))]
    assert wishes("0.1", "-0.05") == [(PERP, "buy", D("0.05"))]


def test_a_short_over_dust_that_cannot_be_sold_is_closed_at_last() -> None:
    assert wishes("0.02", "-0.01") == [(PERP, "buy", D("0.01"))]


def test_a_flat_account_wants_nothing() -> None:
    assert wishes("0", "0") == []


def test_what_an_order_of_somebody_else_holds_is_not_asked_for() -> None:
    assert wishes("4", "0", locked="3") == [(SPOT, "sell", D("0.25"))]
    assert wishes("4", "0", locked="4") == []


@given(
    spot=st.decimals("0.001", "5", places=4),
    size_max=st.one_of(st.none(), st.decimals("0.06", "2", places=3)),
)
def test_every_slice_is_one_that_the_venue_takes_and_only_dust_is_left(spot: Decimal, size_max: Decimal | None) -> None:
    held = spot
    for _ in range(400):
        wanted = wishes(str(held), "0", size_max=None if size_max is None else str(size_max))
        if not wanted:
            break
        ((_, _, size),) = wanted
        assert size * 98 >= 5
        assert size % D("0.001") == 0
        assert size_max is None or size <= size_max
        held -= size
    assert INSTRUMENTS[SPOT].floor_size(held) * 98 < 5


@pytest.mark.parametrize(("spot", "size_max", "first"), [("0.11", "0.1", "0.055"), ("0.2", "0.1", "0.1")])
def test_a_slice_leaves_no_rest_below_the_minimum_where_a_smaller_one_would_not(
    spot: str, size_max: str, first: str
) -> None:
    assert wishes(spot, "0", size_max=size_max) == [(SPOT, "sell", D(first))]
