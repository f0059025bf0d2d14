"""The guard's subject is every position that the venue reports, not what memory expects."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from bot.domain.instrument import Side
from bot.domain.order import OrderType
from bot.domain.portfolio import Position
from bot.domain.reason import Reason
from bot.domain.states import OrderState
from bot.playbook.decide import guard
from bot.playbook.policy.choices import Unowned
from tests.playbook.builders import World, golden_policy, neutral_world, one_token_each, resting
from tests.playbook.test_exits import UNI, reasons, world_with_a_long

ETH = "ETH/USDT:USDT"
D = Decimal
AAVE = "AAVE/USDT:USDT"


def world_with_a_stranger(
    size: str = "100", *, symbol: str = UNI, liquidation: str | None = "9.6", **changes: object
) -> World:
    world = neutral_world(golden_policy(**changes), sectors=one_token_each())
    world.positions[symbol] = Position(
        symbol, D(size), D(10), D(10), D(0), D(50), D(20), None if liquidation is None else D(liquidation)
    )
    return world


def rest(world: World) -> None:
    """Take the stops that the guard asks for to the venue."""
    for intent in world.guard().intents:
        if intent.order_type.is_trigger:
            world.working += (resting(intent),)


@pytest.mark.parametrize(
    ("size", "liquidation", "low", "high"),
    [
        ("100", "9.6", "9.6", "10"),
        ("100", "5", "9.19", "9.21"),
        ("100", None, "9.19", "9.21"),
        ("100", "0", "9.19", "9.21"),
        ("-100", "10.4", "10", "10.4"),
        ("-100", None, "10.79", "10.81"),
    ],
)
def test_a_position_that_no_plan_knows_gets_a_full_size_stop_inside_its_liquidation(
    size: str, liquidation: str | None, low: str, high: str
) -> None:
    world = world_with_a_stranger(size, liquidation=liquidation)
    made = world.guard()
    assert Reason.POSITION_UNOWNED in reasons(made)
    (stop,) = made.intents
    assert (stop.order_type, stop.size, stop.reduce_only) == (OrderType.STOP, D(100), True)
    assert stop.side is Side.of(-D(size))
    assert D(low) < (stop.trigger_price or D(0)) < D(high)
    assert made.memory.unguarded == {}, "it gets this turn"
    world.working = (resting(stop),)
    assert world.guard().intents == ()
    assert world.memory.unguarded == {}


def test_a_stop_that_does_not_come_to_rest_stops_entries_from_the_next_guard_on_until_it_rests() -> None:
    world = world_with_a_stranger()
    world.guard()
    made = world.guard()
    assert list(made.memory.unguarded) == [UNI]
    rest(world)
    assert world.guard().memory.unguarded == {}


@pytest.mark.parametrize("make", [world_with_a_stranger, world_with_a_long], ids=["position of others", "long"])
def test_a_stop_that_the_list_of_open_orders_lacks_protects_nothing_and_is_not_sent_twice(
    make: Callable[[], World],
) -> None:
    """Seed 500629: its cancel was not written down, and the order endpoint was minutes behind."""
    world = make()
    rest(world)
    assert world.guard().memory.unguarded == {}
    stops = {order.symbol: order.client_id for order in world.working if order.order_type.is_trigger}
    ids = tuple(stops.values())
    made = guard(world.snapshot(), world.portfolio(), world.memory, world.policy, world.sectors, world.working, ids)
    assert UNI in stops
    assert set(made.memory.unguarded) == set(stops)
    assert all(stops[symbol] in message for symbol, message in made.memory.unguarded.items())
    assert made.intents == (), "it may rest after all"
    seen = guard(world.snapshot(), world.portfolio(), made.memory, world.policy, world.sectors, world.working, ())
    assert seen.memory.unguarded == {}


def test_a_position_of_an_instrument_that_is_not_read_stops_entries_at_once() -> None:
    world = world_with_a_stranger()
    stranger = Position("PEPE/USDC:USDC", D(5), D(1), D(1), D(0), D(1), D(5), D("0.8"))
    account = replace(world.account(), positions={"PEPE/USDC:USDC": stranger})
    portfolio = replace(world.portfolio(), account=account)
    made = guard(world.snapshot(), portfolio, world.memory, world.policy, world.sectors, ())
    assert "PEPE/USDC:USDC" in made.memory.unguarded
    assert "close it by hand" in made.memory.unguarded["PEPE/USDC:USDC"]


def test_halt_stops_entries_beside_the_stop_and_ignore_does_nothing() -> None:
    halted = world_with_a_stranger(unowned_position=Unowned.HALT)
    rest(halted)
    assert list(halted.guard().memory.unguarded) == [UNI]
    ignored = world_with_a_stranger(unowned_position=Unowned.IGNORE)
    made = ignored.guard()
    assert (made.intents, dict(made.memory.unguarded)) == ((), {})


def test_the_stop_moves_inside_the_liquidation_price_that_the_venue_reports() -> None:
    """Case a24: the leverage was raised by hand; the planned stop lay beyond the liquidation."""
    world = world_with_a_long()
    (old,) = world.working = tuple(order for order in world.working if order.symbol == UNI)
    world.positions.pop(ETH)
    position = replace(world.positions[UNI], leverage=D(50), liquidation_price=D("9.8"))
    world.positions[UNI] = position
    made = world.guard()
    assert Reason.LEVERAGE_DIFFERS in reasons(made)
    (stop,) = made.intents
    assert D("9.8") < (stop.trigger_price or D(0)) < D(10)
    assert made.cancels == ()
    world.working = (old, resting(stop))
    assert world.guard().cancels == (old.client_id,)


def test_a_price_between_the_stop_inside_and_the_liquidation_closes_the_position() -> None:
    world = world_with_a_long()
    world.positions[UNI] = replace(world.positions[UNI], liquidation_price=D("9.8"))
    world.prices["UNI"] = D("9.81")
    made = world.guard()
    assert Reason.EXIT_STOP in reasons(made)
    assert [intent.size for intent in made.intents if not intent.order_type.is_trigger] == [world.positions[UNI].size]


def test_a_position_that_was_turned_round_by_hand_gets_a_stop_of_its_own_side() -> None:
    world = world_with_a_long()
    old = [order for order in world.working if order.symbol == UNI]
    world.positions[UNI] = replace(world.positions[UNI], size=-world.positions[UNI].size)
    made = world.guard()
    assert set(made.cancels) >= {order.client_id for order in old}
    assert [(i.side, i.order_type) for i in made.intents if i.symbol == UNI] == [(Side.BUY, OrderType.STOP)]


def test_a_stop_whose_position_was_closed_by_hand_is_withdrawn() -> None:
    world = world_with_a_stranger()
    rest(world)
    world.positions.clear()
    assert world.guard().cancels == tuple(order.client_id for order in world.working)


def test_a_stop_comes_back_while_a_close_does_not_succeed() -> None:
    world = world_with_a_long()
    world.at_ms = world.memory.exits[0].plan.deadline_ms
    world.working = ()
    made = world.guard()
    assert [intent.order_type.is_trigger for intent in made.intents if intent.symbol == UNI] == [False, True]
    world.working = tuple(resting(i, state=OrderState.OPEN) for i in made.intents if i.order_type.is_trigger)
    assert [i.order_type.is_trigger for i in world.guard().intents if i.symbol == UNI] == [False]
