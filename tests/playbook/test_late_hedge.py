"""The sales of a rotation wait for their hedge for minutes and not for days (PLAYBOOK §5)."""

from dataclasses import replace

import pytest

from bot.domain.order import Order, OrderType, Purpose, TimeInForce
from bot.domain.reason import Reason
from bot.domain.states import LegState, OrderState
from bot.playbook.rotation.progress import end_refused
from tests.playbook.builders import World, golden_policy, neutral_world

MINUTES = 10


def started(minutes: int = MINUTES) -> World:
    """A world whose rotation has just asked for its hedge."""
    world = neutral_world(golden_policy(bridge="reserve", reserve_quote=5000, hedge_wait_minutes=minutes))
    assert {intent.purpose for intent in world.decide().intents} == {Purpose.HEDGE}
    return world


def doubtful(world: World) -> Order:
    hedge = world.decisions[-1].intents[0]
    return Order(
        "id",
        hedge.id,
        hedge.purpose,
        hedge.sector,
        hedge.symbol,
        hedge.side,
        hedge.size,
        hedge.worst_price,
        OrderType.LIMIT,
        TimeInForce.IOC,
        False,
        OrderState.IN_DOUBT,
        world.at_ms,
        5_000,
    )


@pytest.mark.parametrize("minutes", [1, 10, 60])
def test_the_sale_waits_for_the_hedge_up_to_the_bound_and_goes_on_with_a_note(minutes: int) -> None:
    world = started(minutes)
    for _ in range(minutes - 1):
        world.skip(1)
        assert {intent.purpose for intent in world.decide().intents} == {Purpose.HEDGE}
    made = None
    for _ in range(3):
        world.skip(1)
        made = world.decide()
    assert made is not None
    assert made.intents[0].purpose is Purpose.HEDGE, "it is still asked for, and first"
    assert Purpose.REDUCE in {intent.purpose for intent in made.intents}
    (note,) = [note for note in made.notes if note.reason is Reason.HEDGE_LATE]
    assert "the sales go on without it" in note.words
    world.apply([intent for intent in made.intents if intent.purpose is Purpose.REDUCE])
    assert {intent.purpose for intent in world.decide().intents} == {Purpose.HEDGE}, "purchases still wait"


def test_a_hedge_in_doubt_does_not_hold_the_sale_up_either() -> None:
    world = started()
    world.working = (doubtful(world),)
    assert world.decide().intents == ()
    world.skip(MINUTES)
    assert {intent.purpose for intent in world.decide().intents} == {Purpose.REDUCE}


@pytest.mark.parametrize("state", [OrderState.IN_DOUBT, OrderState.SUBMITTING])
def test_a_fresh_doubt_of_the_hedge_holds_a_late_sale_until_evidence_can_settle_it(state: OrderState) -> None:
    """Found by the simulation (seed 81005): a sale beside a hedge whose POST had been lost a second before."""
    world = started()
    world.skip(MINUTES)
    world.decide()
    world.decide()
    world.working = (replace(doubtful(world), sent_ms=world.at_ms, state=state),)
    assert world.decide().intents == ()
    world.skip(1)
    assert {intent.purpose for intent in world.decide().intents} == {Purpose.REDUCE}


def test_a_hedge_that_comes_in_time_comes_first() -> None:
    world = started()
    world.skip(MINUTES - 1)
    world.apply(world.decide().intents)
    made = world.decide()
    assert {i.purpose for i in made.intents if not i.order_type.is_trigger} == {Purpose.REDUCE}
    assert Reason.HEDGE_LATE not in {note.reason for note in made.notes}


def test_a_refused_leg_is_over_at_once_and_the_sale_goes_on() -> None:
    world = started()
    hedge = world.decisions[-1].intents[0]
    world.memory, notes = end_refused(world.memory, {hedge.id: "-4168 multi-assets mode", "9.9.9": "no such leg"})
    assert [note.reason for note in notes] == [Reason.LEG_REFUSED]
    assert "-4168" in notes[0].words
    for _ in range(3):
        assert {intent.purpose for intent in world.decide().intents} == {Purpose.REDUCE}


def test_a_leg_with_a_live_order_is_not_ended_by_a_refusal() -> None:
    world = started()
    hedge = world.decisions[-1].intents[0]
    world.working = (doubtful(world),)
    world.decide()
    memory, notes = end_refused(world.memory, {hedge.id: "refused"})
    assert (memory, notes) == (world.memory, ())
    campaign = memory.campaign
    assert campaign is not None
    assert LegState.WORKING in {leg.state for tranche in campaign.tranches for leg in tranche.legs}
    assert replace(memory) == memory


def test_a_hedge_that_fills_drop_by_drop_does_not_hold_the_sale_up_for_ever() -> None:
    world = started()
    for _ in range(MINUTES):
        world.skip(1)
        hedges = [intent for intent in world.decide().intents if intent.purpose is Purpose.HEDGE]
        world.apply([replace(hedge, size=hedge.size / 50) for hedge in hedges])
    world.skip(1)
    assert Purpose.REDUCE in {intent.purpose for intent in world.decide().intents}
