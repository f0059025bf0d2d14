"""What holds of every plan: it leads towards its target and nowhere else, and asks for nothing a venue would refuse."""

from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.domain.campaign import Condition, Memory, Stance
from bot.domain.money import ZERO
from bot.domain.order import Purpose
from bot.domain.states import LegState
from bot.playbook.market.stance import target_shares
from bot.playbook.policy.numbers import Policy
from tests.playbook.builders import World, make_sectors, neutral_world
from tests.playbook.test_properties import policies
from tests.profiles import examples

D = Decimal
QUIET = settings(max_examples=examples(30), deadline=None, suppress_health_check=list(HealthCheck))
CONDITIONS = {
    Stance.INTO_DEFI: Condition.BREAKOUT,
    Stance.INTO_INFRA: Condition.UNCERTAINTY,
    Stance.DE_RISK: Condition.DOWNTREND,
}


def at_target(stance: Stance, policy: Policy) -> World:
    """An account that stands exactly where a stance wants it."""
    book = D(100_000)
    shares, _ = target_shares(stance, policy, tactical_allowed=False)
    world = World(make_sectors(), policy)
    for name in world.sectors.sectors:
        members = world.sectors.members(name)
        for token in members:
            world.spot[token] = book * shares[f"{name}.spot"] / len(members) / world.prices[token]
    labels = {name: book * shares[f"{name}.futures"] for name in world.sectors.sectors}
    world.spot["USDT"] = book * shares["cash"] + policy.allocation.reserve_quote
    world.perp_wallet = sum(labels.values(), ZERO)
    world.memory = Memory(stance=stance, labels=labels)
    return world


@QUIET
@given(stance=st.sampled_from(list(Stance)), policy=policies())
def test_the_plan_of_a_reached_target_is_empty(stance: Stance, policy: Policy) -> None:
    override = CONDITIONS.get(stance, Condition.NEUTRAL)
    world = at_target(stance, policy.changed({"regime.override": override, "tactical.is_on": False}))
    made = world.decide()
    assert made.stance is stance
    assert (made.intents, made.transfers, made.cancels, made.campaign) == ((), (), (), None)


@QUIET
@given(policy=policies())
def test_every_order_leads_towards_the_target_and_none_beyond_it(policy: Policy) -> None:
    """Prices stand still, so what moves is what the plan did: no spot sleeve is ever further from its target than
    before, and none is led past it."""
    world = neutral_world(policy)
    before: dict[str, Decimal] = {}
    for _ in range(12):
        for _ in range(40):
            made = world.turn()
            campaign = made.campaign
            assert campaign is not None
            for name, sleeves in world.portfolio().sectors.items():
                target = campaign.target[f"{name}.spot"]
                left = sleeves.spot - target
                start = campaign.baseline[f"{name}.spot"] - target
                assert abs(left) <= before.get(name, abs(start)) + 1
                assert left * start >= -abs(start) * D("0.001") - 1, "not past the target"
                before[name] = abs(left)
            if not made.intents and not made.transfers:
                break
        world.skip(61)


@QUIET
@given(policy=policies())
def test_net_exposure_moves_towards_the_target_from_tranche_to_tranche(policy: Policy) -> None:
    """With its hedge a source is never further from its target at the end of a tranche than at the end of the one
    before: hedging brings the rotation forward, it does not undo it."""
    world = neutral_world(policy.changed({"tactical.is_on": False}))
    sectors = ("defi", "infra")
    last: dict[str, Decimal] = {}
    for _ in range(12):
        world.run(60)
        campaign = world.memory.campaign
        assert campaign is not None
        portfolio = world.portfolio()
        for name in sectors:
            target = campaign.target[f"{name}.spot"]
            distance = abs(portfolio.sectors[name].net_exposure - target)
            assert distance <= last.get(name, abs(campaign.baseline[f"{name}.spot"] - target)) + 5
            last[name] = distance
        world.skip(61)


@QUIET
@given(
    policy=policies(),
    notional_min=st.sampled_from([D(5), D(100), D(700), D(3_000)]),
    lot=st.sampled_from([D("0.0001"), D("0.1"), D(3)]),
)
def test_no_leg_that_is_worked_is_below_the_minimum(policy: Policy, notional_min: Decimal, lot: Decimal) -> None:
    world = neutral_world(policy, notional_min=notional_min, lot=lot)
    for _ in range(60):
        made = world.turn()
        instruments = world.instruments()
        for intent in made.intents:
            instrument = instruments[intent.symbol]
            assert instrument.is_tradable(intent.size, intent.reference_price, reduce_only=intent.reduce_only)
        legs = [leg for t in made.campaign.tranches for leg in t.legs] if made.campaign else []
        for leg in legs:
            if leg.state is not LegState.SKIPPED and leg.purpose in (Purpose.HEDGE, Purpose.TACTICAL, Purpose.INCREASE):
                size = instruments[leg.symbol].floor_size(abs(leg.size_to - leg.size_from))
                assert instruments[leg.symbol].is_tradable(size, leg.price)
        if not made.intents and not made.transfers:
            world.skip(61)


@pytest.mark.parametrize("stance", list(Stance))
@pytest.mark.parametrize("tactical", [True, False])
def test_the_shares_of_the_article_add_up_to_the_book(stance: Stance, tactical: bool) -> None:
    shares, _ = target_shares(stance, Policy(), tactical_allowed=tactical)
    assert sum(shares.values(), ZERO) == 1


@QUIET
@given(scale=st.sampled_from([3, 10, 50]), keep=st.integers(0, 2), cover=st.sampled_from(["0.4", "0.95"]))
def test_standing_hedges_are_free_of_scale(scale: int, keep: int, cover: str) -> None:
    policy = Policy.model_validate(
        {
            "neutral_futures": "delta-neutral",
            "order_share_max": 1,
            "order_max_quote": 10**9,
            "hedge_margin_keep": keep,
            "standing_cover": cover,
        }
    )
    small, large = (neutral_world(policy, book=D(100_000) * k) for k in (1, scale))
    small.run()
    large.run()
    for name in small.sectors.sectors:
        one, other = (w.portfolio().sectors[name].perp_notional for w in (small, large))
        assert one < 0
        assert abs(other - scale * one) <= scale * 2
