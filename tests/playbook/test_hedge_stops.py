"""Every hedge has a resting stop of its full size between the guard's own last step and its liquidation.

A hedge that its stop has closed is not opened again until the pause is over.
"""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.durations import HOUR_MS
from bot.domain.instrument import Side
from bot.domain.order import Intent, OrderType, Purpose
from bot.domain.perp import liquidation_distance
from bot.domain.portfolio import Position
from bot.domain.reason import Reason
from bot.domain.states import LegState, OrderState
from bot.domain.turn.decision import Decision
from bot.playbook.book.context import PlanContext
from bot.playbook.positions.hedge_stops import hedge_stop
from bot.playbook.positions.stops import resting_stop
from tests.playbook.builders import World, golden_policy, neutral_world, one_token_each, resting

D = Decimal
ETH = "ETH/USDT:USDT"
LIQUIDATION = D("11.9")


def hedged(**changes: object) -> World:
    """A world in the middle of its first tranche: infra is hedged on ETH, its stop is not asked for yet."""
    world = neutral_world(golden_policy(bridge="reserve", reserve_quote=5000, **changes), sectors=one_token_each())
    made = world.decide()
    world.apply(made.intents)
    assert world.positions[ETH].size < 0
    report(world, world.positions[ETH].entry_price * LIQUIDATION / 10)
    return world


def report(world: World, liquidation: Decimal | None) -> None:
    """What the venue says of the liquidation price of the hedge."""
    world.positions[ETH] = replace(world.positions[ETH], liquidation_price=liquidation)


def stops(made: Decision) -> list[Intent]:
    return [intent for intent in made.intents if intent.order_type.is_trigger and intent.symbol == ETH]


def follow(world: World, made: Decision) -> None:
    """The venue withdraws what the decision withdraws and lets rest what it sends."""
    world.working = tuple(order for order in world.working if order.client_id not in made.cancels)
    for number, intent in enumerate(stops(made)):
        world.working += (resting(intent, len(world.decisions) * 10 + number + len(world.working)),)


def test_a_hedge_gets_a_stop_of_its_full_size_inside_the_reported_liquidation() -> None:
    world = hedged()
    made = world.guard()
    (stop,) = stops(made)
    held = world.positions[ETH]
    assert (stop.side, stop.size, stop.reduce_only) == (Side.BUY, -held.size, True)
    assert (stop.order_type, stop.id, stop.purpose) == (OrderType.STOP, f"x3.{ETH}", Purpose.EXIT)
    assert held.mark_price < (stop.trigger_price or D(0)) < (held.liquidation_price or D(0))
    assert made.memory.unguarded == {}, "it has one turn"
    follow(world, made)
    settled = world.guard()
    assert (stops(settled), settled.cancels, dict(settled.memory.unguarded)) == ([], (), {})


def test_a_hedge_without_its_stop_for_a_turn_stops_entries() -> None:
    world = hedged()
    world.guard()
    made = world.guard()
    assert list(made.memory.unguarded) == [ETH]
    assert "the hedge of" in made.memory.unguarded[ETH]
    follow(world, made)
    assert world.guard().memory.unguarded == {}


@pytest.mark.parametrize("moved", ["12.5", "11.2"])
def test_the_stop_moves_with_the_liquidation_and_the_old_one_goes_in_the_same_turn(moved: str) -> None:
    world = hedged()
    follow(world, world.guard())
    (old,) = world.working
    entry = world.positions[ETH].entry_price
    report(world, entry * D(moved) / 10)
    made = world.guard()
    (stop,) = stops(made)
    assert made.cancels == (old.client_id,), "the two are never more than the position"
    assert stop.id != old.intent_id
    assert ((stop.trigger_price or D(0)) > (old.trigger_price or D(0))) is (D(moved) > LIQUIDATION)
    follow(world, made)
    assert [order.trigger_price for order in world.working] == [stop.trigger_price]
    assert world.guard().intents == ()


@pytest.mark.parametrize("key", ["perp:", f"perp:{ETH}"])
def test_a_position_whose_row_cannot_be_read_keeps_its_stop(key: str) -> None:
    """Its liquidation price was calculated without leverage, and the stop moved beyond the real one and back: seen in
    the demo at two venues, while one of them was slow."""
    world = hedged()
    follow(world, world.guard())
    world.unreadable = {key: "no answer"}
    world.positions[ETH] = replace(world.positions[ETH], liquidation_price=None, leverage=None, margin=D(0))
    made = world.guard()
    assert (stops(made), made.cancels) == ([], ())
    world.working = ()
    (stop,) = stops(world.guard())
    assert stop.size == -world.positions[ETH].size, "without one it gets one all the same"


def test_a_stop_that_covers_a_hedge_stays_while_part_of_the_hedge_is_closed() -> None:
    """Its withdrawal would leave the hedge without one while the order for the part is in doubt."""
    world = hedged()
    follow(world, world.guard())
    report(world, world.positions[ETH].entry_price * D("12.5") / 10)
    world.spot = {token: size * D("0.05") for token, size in world.spot.items()}
    made = world.guard()
    assert [intent.id for intent in made.intents] == [f"x4.{ETH}"]
    assert made.cancels == ()
    world.apply(made.intents)
    made = world.guard()
    assert [stop.size for stop in stops(made)] == [-world.positions[ETH].size], "what is left has a stop of its own"


@pytest.mark.parametrize("factor", ["0.5", "1.5"])
def test_the_stop_follows_the_size(factor: str) -> None:
    world = hedged()
    follow(world, world.guard())
    size = world.positions[ETH].size * D(factor)
    world.positions[ETH] = replace(world.positions[ETH], size=size)
    for _ in range(3):
        follow(world, world.guard())
    assert [order.size for order in world.working] == [-size]


def test_a_hedge_that_grows_in_every_turn_is_never_without_a_stop_nor_blocked_by_it() -> None:
    world = hedged()
    before = D(0)
    for step in range(1, 8):
        made = world.guard()
        assert made.memory.unguarded == {}, "a stop for the new size is asked for in every turn"
        follow(world, made)
        covered = max((order.open_size for order in world.working), default=D(0))
        assert covered >= before
        before = -world.positions[ETH].size
        world.positions[ETH] = replace(world.positions[ETH], size=world.positions[ETH].size - step)


@pytest.mark.parametrize("reported", [None, D(0)])
def test_a_liquidation_that_the_venue_does_not_report_is_calculated(reported: Decimal | None) -> None:
    world = hedged()
    report(world, reported)
    (stop,) = stops(world.guard())
    entry = world.positions[ETH].entry_price
    assert entry * D("1.13") < (stop.trigger_price or D(0)) < entry * D("1.19"), "5x is liquidated near +19 %"


def test_a_price_near_the_liquidation_gets_a_stop_between_the_two() -> None:
    world = hedged()
    world.prices["ETH"] = world.positions[ETH].entry_price * D("1.185")
    made = world.guard()
    (stop,) = stops(made)
    assert world.prices["ETH"] < (stop.trigger_price or D(0)) < (world.positions[ETH].liquidation_price or D(0))
    follow(world, made)
    world.prices["ETH"] += D("0.01")
    assert stops(world.guard()) == [], "it does not run away from the price"


def test_beyond_its_liquidation_no_stop_can_help_and_entries_stop() -> None:
    world = hedged()
    world.prices["ETH"] = world.positions[ETH].entry_price * D("1.25")
    made = world.guard()
    assert stops(made) == []
    assert list(made.memory.unguarded) == [ETH]


def test_the_stop_of_a_hedge_that_is_gone_is_withdrawn() -> None:
    world = hedged()
    follow(world, world.guard())
    world.positions.pop(ETH)
    made = world.guard()
    assert made.cancels == tuple(order.client_id for order in world.working)


def test_a_stop_larger_than_the_venue_takes_leaves_the_hedge_unguarded(monkeypatch: pytest.MonkeyPatch) -> None:
    world = hedged()
    largest = -world.positions[ETH].size / 2
    listed = {s: replace(i, market_size_max=largest) for s, i in world.instruments().items()}
    monkeypatch.setattr(world, "instruments", lambda: listed)
    made = world.guard()
    assert [intent.size for intent in stops(made)] == [largest], "what can be stopped is"
    follow(world, made)
    made = world.guard()
    assert (stops(made), list(made.memory.unguarded)) == ([], [ETH])


@given(
    over=st.decimals("0.01", "2", places=3),
    least=st.decimals("0.01", "0.5", places=2),
    buffer=st.decimals("0", "0.99", places=2),
    mark=st.decimals("0.5", "1.4", places=3),
)
def test_the_stop_lies_between_the_guards_last_step_and_the_liquidation(
    over: Decimal, least: Decimal, buffer: Decimal, mark: Decimal
) -> None:
    """Property: whatever the leverage, the policy and the price, the guard acts before the stop does."""
    policy = golden_policy(liquidation_distance_min=least, stop_liquidation_buffer=buffer)
    world = neutral_world(policy, sectors=one_token_each())
    entry, instrument = D(100), world.instruments()[ETH]
    liquidation = entry * (1 + over)
    position = Position(ETH, D(-3), entry, entry * mark, D(0), D(60), D(5), liquidation)
    wanted = hedge_stop(position, "infra", instrument, policy)
    if wanted is None:
        assert position.mark_price >= liquidation
        return
    assert wanted.price <= liquidation
    distance = liquidation_distance(wanted.price, liquidation)
    assert distance is not None
    assert distance < least / 2, "the guard has halved the hedge before"
    scene = PlanContext(world.snapshot(), world.portfolio(), world.policy, world.sectors, ())
    (stop,), _ = resting_stop(wanted, position, scene) if liquidation - position.mark_price > 1 else ([None], [])
    if stop is not None:
        assert position.mark_price < (stop.trigger_price or D(0)) < liquidation


def test_after_its_stop_has_fired_a_hedge_is_not_opened_again_before_the_pause_is_over() -> None:
    world = hedged()
    follow(world, world.guard())
    world.positions.pop(ETH)
    world.working = ()
    world.memory = replace(world.memory, hedges_stopped={"infra": world.at_ms})
    made = world.run()
    assert Reason.HEDGE_STOPPED in {note.reason for note in made[0].notes}
    assert not any(intent.purpose is Purpose.HEDGE for d in made for intent in d.intents)
    assert any(intent.purpose is Purpose.REDUCE for d in made for intent in d.intents), "the rotation goes on"
    campaign = world.memory.campaign
    assert campaign is not None
    legs = [leg for leg in campaign.tranches[0].legs if leg.purpose is Purpose.HEDGE]
    assert {leg.state for leg in legs} <= {LegState.SKIPPED, LegState.DONE}


def test_a_half_filled_hedge_whose_stop_fired_is_given_up_with_the_reason() -> None:
    world = neutral_world(golden_policy(bridge="reserve", reserve_quote=5000), sectors=one_token_each())
    (hedge,) = world.decide().intents
    world.apply([replace(hedge, size=hedge.size / 2)])
    world.guard()
    world.positions.pop(ETH)
    world.memory = replace(world.memory, hedges_stopped={"infra": world.at_ms})
    made = world.decide()
    assert Reason.HEDGE_PAUSED in {note.reason for note in made.notes}
    assert {intent.purpose for intent in made.intents} == {Purpose.REDUCE}


@pytest.mark.parametrize(("hours", "is_hedged"), [(23, False), (24, True)])
def test_a_standing_hedge_waits_for_the_pause(hours: int, is_hedged: bool) -> None:
    policy = golden_policy(neutral_futures="delta-neutral", condition_override="neutral")
    world = neutral_world(policy, sectors=one_token_each())
    world.memory = replace(world.memory, hedges_stopped={"infra": world.at_ms - hours * HOUR_MS})
    made = world.run()
    hedges = {intent.symbol for d in made for intent in d.intents if intent.purpose is Purpose.HEDGE}
    assert (ETH in hedges) is is_hedged
    assert "UNI/USDT:USDT" in hedges, "the other sector is hedged as ever"


def test_a_stop_in_doubt_is_not_sent_twice() -> None:
    world = hedged()
    (stop,) = stops(world.guard())
    world.working = (resting(stop, state=OrderState.IN_DOUBT),)
    made = world.guard()
    assert stops(made) == []
    assert list(made.memory.unguarded) == [ETH], "and entries wait until it is settled"


def test_a_liquidation_beyond_any_price_of_the_venue_leaves_a_stop_that_the_venue_takes() -> None:
    """Its price filter refused the stop for ever, and entries stayed blocked (simulation, seed 192)."""
    world = hedged()
    mark = world.positions[ETH].mark_price
    report(world, mark * 70_000)
    made = world.guard()
    (stop,) = stops(made)
    assert stop.trigger_price is not None
    assert mark < stop.trigger_price <= mark * 11
    follow(world, made)
    world.positions[ETH] = replace(world.positions[ETH], mark_price=mark * D("1.1"))
    assert stops(world.guard()) == [], "it is not replaced with every move of the mark"
