"""A speculative short or a scalp at the gate: no hedge, never without exits, alone on its perp (PLAYBOOK §§5, 7, 9)."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.campaign import Memory, OpenExit
from bot.domain.instrument import Side
from bot.domain.order import ExitPlan, Intent, Purpose
from bot.domain.reason import Reason
from bot.risk import Refused, TurnRisk, review
from tests.risk.test_checks import WIDE
from tests.risk.worlds import NOW, D, context, hedge, hedging, intent, portfolio, position, working


def verdict(wish: Intent, world: TurnRisk) -> Reason | None:
    (found,) = review([wish], world, WIDE)
    return found.note.reason if isinstance(found, Refused) else None


def short(value: int = 1000, symbol: str = "UNI/USDT:USDT", **changes: object) -> Intent:
    """A speculative short of a perp, its stop above."""
    plan = ExitPlan(D("10.8"), ((D("9.2"), D("0.5")),), D("0.06"), NOW + 86_400_000, D(100))
    made = intent(symbol, Side.SELL, value, Purpose.TACTICAL_SHORT, leverage=D(3), exits=plan)
    return replace(made, **changes)  # type: ignore[arg-type]


def carrying(purpose: Purpose, side: Side, symbol: str = "UNI/USDT:USDT") -> Memory:
    plan = ExitPlan(D("10.8"), (), D("0.06"), NOW + 86_400_000, D(100))
    held = OpenExit(symbol, "defi", D(50), D(10), plan, D(10), side=side, purpose=purpose)
    return Memory(equity_peak=D(105_000), exits=(held,))


def test_a_speculative_short_is_no_hedge_and_needs_no_spot_under_it() -> None:
    bare = context(portfolio=portfolio(sizes={"UNI": D(0), "AAVE": D(0)}), memory=Memory())
    assert verdict(short(), bare) is None
    assert verdict(hedge(1000, "UNI/USDT:USDT"), bare) is Reason.HEDGE_EXCEEDS_SPOT


def test_a_speculative_short_takes_no_room_from_the_hedges_of_its_sector() -> None:
    beside = context(
        portfolio=portfolio((position("AAVE/USDT:USDT", D(-290)),)),
        memory=carrying(Purpose.TACTICAL_SHORT, Side.SELL, "AAVE/USDT:USDT"),
    )
    assert verdict(hedge(1000, "UNI/USDT:USDT"), beside) is None
    as_hedge = replace(beside, memory=Memory(hedges={"AAVE/USDT:USDT": "defi"}))
    assert verdict(hedge(2000, "UNI/USDT:USDT"), as_hedge) is Reason.HEDGE_EXCEEDS_SPOT


@pytest.mark.parametrize(
    "exits",
    [None, ExitPlan(D("9.2"), (), D("0.1"), NOW + 1, D(1)), ExitPlan(D("14"), (), D("0.1"), NOW + 1, D(1))],
    ids=["none", "stop below", "stop beyond liquidation"],
)
def test_a_short_without_exits_that_can_work_is_refused(exits: ExitPlan | None) -> None:
    assert verdict(short(exits=exits), context()) is Reason.EXITS_MISSING


@pytest.mark.parametrize("purpose", [Purpose.TACTICAL_SHORT, Purpose.SCALP])
def test_a_wager_without_leverage_needs_exits_as_well(purpose: Purpose) -> None:
    assert verdict(short(purpose=purpose, leverage=D(1), exits=None), context()) is Reason.EXITS_MISSING


def test_a_perp_that_hedges_carries_no_wager() -> None:
    world = context(
        portfolio=portfolio((position("UNI/USDT:USDT", D(-50)),)), memory=hedging({"UNI/USDT:USDT": "defi"})
    )
    assert verdict(short(), world) is Reason.PERP_TAKEN
    coming = context(working=(working(hedge(500, "UNI/USDT:USDT")),))
    assert verdict(short(), coming) is Reason.PERP_TAKEN


def test_a_perp_that_carries_a_wager_hedges_nothing() -> None:
    world = context(
        portfolio=portfolio((position("UNI/USDT:USDT", D(-50)),)), memory=carrying(Purpose.TACTICAL_SHORT, Side.SELL)
    )
    assert verdict(hedge(1000, "UNI/USDT:USDT"), world) is Reason.PERP_TAKEN
    assert verdict(short(500), world) is None, "what has begun is filled up"
    assert verdict(short(500, purpose=Purpose.SCALP), world) is Reason.PERP_TAKEN


def test_a_wager_never_nets_a_position_of_the_other_direction() -> None:
    world = context(portfolio=portfolio((position("UNI/USDT:USDT", D(50)),)))
    assert verdict(short(), world) is Reason.PERP_TAKEN


@given(value=st.integers(100, 20_000), spot=st.integers(0, 2_000), covered=st.integers(0, 15_000))
def test_whatever_is_wagered_hedges_stay_within_their_spot(value: int, spot: int, covered: int) -> None:
    seen = portfolio((position("AAVE/USDT:USDT", -D(value) / 100),), sizes={"UNI": D(spot), "AAVE": D(0)})
    world = context(portfolio=seen, memory=carrying(Purpose.TACTICAL_SHORT, Side.SELL, "AAVE/USDT:USDT"))
    wish = hedge(covered, "UNI/USDT:USDT")
    if not isinstance(review([wish], world, WIDE)[0], Refused):
        assert wish.size * 10 <= spot * 10 + 1
