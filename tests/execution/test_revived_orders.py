"""An order that was given up as never having been, and executions under its id: its own, or another writer's."""

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from bot.domain.instrument import Side
from bot.domain.states import OrderState
from bot.execution.another_writer import AnotherWriter
from tests.execution.scripted_venue import SPOT, ScriptedVenue
from tests.execution.worlds import SYMBOLS, World, approve, open_world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = await open_world(tmp_path / "j.db", ScriptedVenue())
    yield made
    await made.journal.close()


async def given_up(world: World) -> str:
    """The id of an order of 4 that was lost on its way, asked about until it was certain, and given up."""
    await world.reconciler.settle(SYMBOLS)
    world.venue.submits.append("lost_request")
    (outcome,) = await world.executor.act([approve()])
    client_id = outcome.client_ids[0]
    for _ in range(3):
        world.venue.advance(world.venue.quiet_period_ms + 1)
        await world.reconciler.settle(SYMBOLS)
    assert state(world, client_id) is OrderState.REJECTED
    return client_id


def state(world: World, client_id: str) -> OrderState:
    order = world.journal.reader.load_order(client_id)
    assert order is not None
    return order.state


@pytest.mark.parametrize(
    ("side", "size", "expected"),
    [
        (Side.BUY, "4", OrderState.FILLED),
        (Side.BUY, "9", OrderState.REJECTED),
        (Side.SELL, "4", OrderState.REJECTED),
    ],
    ids=["its own", "more than its size", "the other side"],
)
async def test_executions_bring_an_order_back_only_where_they_can_be_its_own(
    world: World, side: Side, size: str, expected: OrderState
) -> None:
    client_id = await given_up(world)
    world.venue.execute(SPOT, side, Decimal(size), client_id=client_id, price=Decimal(10))
    for _ in range(2):
        world.venue.advance(1_000)
        truth = await world.reconciler.settle(SYMBOLS)
    assert state(world, client_id) is expected
    is_anothers = expected is OrderState.REJECTED
    assert AnotherWriter(world.journal).is_suspected() is is_anothers
    assert truth.is_agreed is not is_anothers
