"""Inside its band no exit of a position is due; at its edge one is, or the price has moved far."""

from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.campaign import Memory, OpenExit
from bot.domain.instrument import Side
from bot.domain.order import ExitPlan
from bot.domain.portfolio import Account, Balance, Position
from bot.playbook.policy.numbers import Policy
from bot.playbook.positions.exit_rules import ExitReview, why_it_ends
from bot.playbook.positions.unguarded import nearest_stop
from bot.playbook.positions.wake_levels import MOVE, PriceRange, wake_levels

D = Decimal
PERP, SPOT = "UNI/USDT:USDT", "UNI/USDT"
POLICY = Policy()
LONG = ExitPlan(D(92), ((D(110), D("0.5")), (D(120), D("0.25"))), D("0.1"), 10**15, D(1000))
SHORT = ExitPlan(D(108), ((D(90), D("0.5")), (D(80), D("0.25"))), D("0.1"), 10**15, D(1000))


def exit_of(side: Side, best: Decimal, hit: int = 0) -> OpenExit:
    return OpenExit(PERP, "defi", D(10), D(100), LONG if side is Side.BUY else SHORT, best, hit, side=side)


def position(side: Side, mark: Decimal, liquidation: Decimal | None = None) -> Position:
    return Position(PERP, 10 * side.sign * D(1), D(100), mark, D(0), D(200), liquidation_price=liquidation)


def band_of(held: OpenExit | None, at: Position) -> PriceRange:
    memory = replace(Memory(), exits=(held,) if held else ())
    account = Account(0, "USDT", {}, D(1000), D(500), {PERP: at})
    return wake_levels(memory, account, cast(Any, SimpleNamespace(quotes={})), POLICY)[PERP]


def due(held: OpenExit, at: Position) -> tuple[bool, int]:
    """Whether the position ends at its mark, and how many of its targets are hit there."""
    stop = nearest_stop(at, POLICY, held.plan.stop_price)
    hit = sum((at.mark_price - price) * held.side.sign >= 0 for price, _ in held.plan.targets)
    review = ExitReview(held, at.mark_price, stop, "", 0, POLICY)
    return why_it_ends(review) is not None, max(held.targets_hit, hit)


@given(st.sampled_from(Side), st.integers(9_201, 10_799), st.integers(-60, 60), st.integers(0, 2))
def test_inside_the_band_nothing_ends_and_no_target_is_hit(side: Side, cents: int, parts: int, hit: int) -> None:
    mark = D(cents) / 100
    held = exit_of(side, best=mark, hit=hit)
    at = position(side, mark)
    if due(held, at) != (False, hit):
        return  # this turn acts, and its band is about the next
    band, price = band_of(held, at), mark * (1 + D(parts) / 10_000)
    if band.holds(price):
        assert due(held, replace(at, mark_price=price)) == (False, hit)


@pytest.mark.parametrize(
    ("held", "mark", "edge", "level"),
    [
        (exit_of(Side.BUY, D("92.3")), "92.3", ("92", "92.7615"), "92"),
        (exit_of(Side.SELL, D("107.8")), "107.8", ("107.261", "108"), "108"),
        (exit_of(Side.BUY, D("109.9")), "109.9", ("109.3505", "110"), "110"),
        (exit_of(Side.SELL, D("90.1")), "90.1", ("90", "90.5505"), "90"),
        (exit_of(Side.BUY, D(125), hit=2), "112.7", ("112.5", "113.2635"), "112.5"),
        (exit_of(Side.SELL, D(75), hit=2), "82.4", ("81.988", "82.5"), "82.5"),
    ],
    ids=[
        "stop of a long",
        "stop of a short",
        "target of a long",
        "target of a short",
        "trailing long",
        "trailing short",
    ],
)
def test_the_nearest_level_is_the_edge(held: OpenExit, mark: str, edge: tuple[str, str], level: str) -> None:
    band = band_of(held, position(held.side, D(mark)))
    assert (band.low, band.high) == (D(edge[0]), D(edge[1]))
    assert [band.has_exit_at(D(price)) for price in edge] == [D(price) == D(level) for price in edge]


def test_a_stop_before_the_liquidation_price_is_a_level() -> None:
    band = band_of(exit_of(Side.BUY, D(95)), position(Side.BUY, D("95.1"), liquidation=D(94)))
    assert D(94) < band.low < D("95.1")
    assert band.low == nearest_stop(position(Side.BUY, D("95.1"), liquidation=D(94)), POLICY, D(92))


def test_a_hedge_is_looked_at_when_its_price_has_moved() -> None:
    assert band_of(None, position(Side.SELL, D(100))) == PriceRange(100 * (1 - MOVE), 100 * (1 + MOVE))


def test_of_spot_only_what_is_held_has_a_band() -> None:
    quotes = {name: SimpleNamespace(valuation=D(10)) for name in (SPOT, "LDO/USDT", PERP)}
    account = Account(0, "USDT", {"UNI": Balance("UNI", D(5)), "USDT": Balance("USDT", D(5))}, D(0), D(0), {})
    assert list(wake_levels(Memory(), account, cast(Any, SimpleNamespace(quotes=quotes)), POLICY)) == [SPOT]


@pytest.mark.parametrize(("price", "is_exit"), [("99.4", False), ("93", False), ("92", True), ("1", True)])
def test_a_jump_past_a_move_and_an_exit_is_an_exit(price: str, is_exit: bool) -> None:
    band = band_of(exit_of(Side.BUY, D(100)), position(Side.BUY, D(100)))
    assert not band.holds(D(price))
    assert band.has_exit_at(D(price)) is is_exit


@pytest.mark.parametrize(
    ("price", "inside"), [("9", False), ("9.01", True), ("10", True), ("10.99", True), ("11", False)]
)
def test_the_edges_do_not_belong_to_a_band(price: str, inside: bool) -> None:
    assert PriceRange(D(9), D(11)).holds(D(price)) is inside
