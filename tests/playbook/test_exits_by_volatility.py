"""Exits that follow the token's own volatility: an option, within bounds, read from closed candles alone."""

import math
from dataclasses import dataclass
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.candles import CandleSeries
from bot.domain.durations import DAY_MS
from bot.domain.instrument import Side
from bot.domain.market import Snapshot
from bot.domain.order import ExitPlan, Purpose
from bot.playbook.book.context import PlanContext
from bot.playbook.policy.numbers import Policy
from bot.playbook.positions.exits import plan_exits, rule_of, tactical_rule
from tests.playbook.builders import D, World, golden_policy, neutral_world
from tests.profiles import examples

UNI = "UNI/USDT:USDT"
SET = Policy().exits


@dataclass
class Moving(World):
    """A world whose UNI alternates by `daily` up and down every day."""

    daily: float = 0.0

    def snapshot(self) -> Snapshot:
        base, count = super().snapshot(), 60
        starts = tuple(self.at_ms - self.at_ms % DAY_MS - (count - day) * DAY_MS for day in range(count))
        closes = tuple(10 * math.exp(self.daily * (day % 2)) for day in range(count))
        series = CandleSeries("UNI/USDT", DAY_MS, starts, closes, closes, closes, closes, (1e6,) * count)
        return Snapshot(base.at_ms, base.instruments, base.quotes, candles={"UNI/USDT": series})


def moving(daily: float, **changes: object) -> Moving:
    policy = golden_policy(candle_minutes=1440, exits=SET.model_dump() | changes)
    book = neutral_world(policy)
    return Moving(book.sectors, policy, prices=book.prices, spot=book.spot, perp_wallet=book.perp_wallet, daily=daily)


def context_of(world: World) -> PlanContext:
    return PlanContext(world.snapshot(), world.portfolio(), world.policy, world.sectors, ())


def planned(world: World) -> ExitPlan:
    world.turn()
    legs = [leg for t in world.memory.campaign.tranches for leg in t.legs if leg.purpose is Purpose.TACTICAL]  # type: ignore[union-attr]
    assert legs[0].exits is not None
    return legs[0].exits


def test_off_by_default_and_the_set_distances_hold() -> None:
    assert SET.stop_deviations == 0
    for daily in (0.0, 0.04, 0.3):
        context = context_of(moving(daily))
        assert rule_of(tactical_rule(context.policy), UNI, context) == tactical_rule(context.policy)


@pytest.mark.parametrize(
    ("daily", "stop"),
    [(0.04, "0.08"), (0.05, "0.10"), (0.001, "0.04"), (0.5, "0.16")],
    ids=["as set", "wider", "half at least", "twice at most"],
)
def test_the_stop_is_so_many_daily_deviations(daily: float, stop: str) -> None:
    context = context_of(moving(daily, stop_deviations=2))
    rule = rule_of(tactical_rule(context.policy), UNI, context)
    assert rule.stop == pytest.approx(D(stop), rel=D("0.02"))
    factor = rule.stop / SET.stop
    assert rule.targets == tuple((rung.move * factor, rung.part) for rung in SET.targets)
    assert rule.trailing == SET.trailing * factor


def test_a_token_without_candles_keeps_the_set_distances() -> None:
    context = context_of(moving(0.05, stop_deviations=2))
    rule = tactical_rule(context.policy)
    assert rule_of(rule, "AAVE/USDT:USDT", context) == rule
    assert rule_of(rule, UNI, context_of(moving(0.0, stop_deviations=2))) == rule, "no move is no measure"


@settings(max_examples=examples(60), deadline=None)
@given(st.floats(0.0, 1.0), st.integers(1, 5), st.sampled_from(Side))
def test_exits_stay_on_the_right_side_and_inside_the_liquidation(daily: float, count: int, side: Side) -> None:
    context = context_of(moving(daily, stop_deviations=count))
    instrument, price = context.instrument(UNI), D(10)
    assert instrument is not None
    rule = rule_of(tactical_rule(context.policy), UNI, context)
    plan = plan_exits(
        price,
        side=side,
        rule=rule,
        margin=D(1000),
        leverage=D(5),
        instrument=instrument,
        policy=context.policy,
        at_ms=context.at_ms,
    )
    assert 0 < (price - plan.stop_price) * side.sign <= price * Decimal("0.2")
    for target, _ in plan.targets:
        assert target > 0
        assert (target - price) * side.sign > 0


def test_a_tactical_long_is_planned_with_them() -> None:
    assert planned(moving(0.001, stop_deviations=2)).stop_price == D("9.6")
    assert planned(moving(0.001)).stop_price < D("9.6")
