"""An order that was given up as never having been, and executions under its id: its own, or another writer's."""

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from bot.domain.instrument import Side
from bot.domain.reason import Reason
from bot.domain.states import OrderState
from bot.execution.another_writer import AnotherWriter
from bot.execution.order_reports import HISTORY_LAG_MS
from bot.execution.reconcile import Truth
from bot.ports import OrderReport
from tests.execution.scripted_venue import SPOT, ScriptedVenue
from tests.execution.worlds import SYMBOLS, World, approve, open_world, reasons


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


class BehindVenue(ScriptedVenue):
    """Its executions name no client id, and until `shown_ms` nothing shows an order that has executed."""

    shown_ms = 0

    async def fetch_order(self, symbol: str, client_id: str, *, is_trigger: bool = False) -> OrderReport | None:
        found = await super().fetch_order(symbol, client_id, is_trigger=is_trigger)
        return found if self.now_ms() >= self.shown_ms else None

    async def fetch_order_history(self, symbol: str, since_ms: int) -> tuple[OrderReport, ...]:
        found = await super().fetch_order_history(symbol, since_ms)
        return found if self.now_ms() >= self.shown_ms else ()


@pytest.fixture
async def behind(tmp_path: Path) -> AsyncIterator[World]:
    made = await open_world(tmp_path / "j.db", BehindVenue())
    await made.reconciler.settle(SYMBOLS)
    made.venue.advance(1_000)
    made.venue.shown_ms = made.venue.now_ms() + 300_000
    yield made
    made.journal.reader.verify()
    await made.journal.close()


async def settle_quietly(world: World, times: int = 3) -> Truth:
    for _ in range(times):
        world.venue.advance(world.venue.quiet_period_ms + 1)
        truth = await world.reconciler.settle(SYMBOLS)
    return truth


async def test_an_order_that_executed_is_not_given_up_while_the_history_is_behind(behind: World) -> None:
    """Found by the simulator at the wire of WEEX (seed 2513023): its answer was lost, it had executed at once, and the
    history that alone shows such an order was four minutes behind. Its execution was there, without a client id."""
    behind.venue.submits.append("lost_reply")
    (outcome,) = await behind.executor.act([approve()])
    truth = await settle_quietly(behind)
    assert state(behind, outcome.client_ids[0]) is OrderState.IN_DOUBT
    assert Reason.FOREIGN_ORDER not in reasons(truth)
    behind.venue.advance(300_000)
    truth = await behind.reconciler.settle(SYMBOLS)
    assert (state(behind, outcome.client_ids[0]), truth.is_agreed) == (OrderState.FILLED, True)
    assert Reason.FOREIGN_ORDER not in reasons(truth)
    order = behind.journal.reader.load_order(outcome.client_ids[0])
    assert order is not None
    assert [fill.client_id for fill in behind.journal.reader.load_fills()] == [order.client_id]


@pytest.mark.parametrize(("side", "size"), [(Side.SELL, "4"), (Side.BUY, "9")])
async def test_an_execution_that_cannot_be_of_an_order_holds_up_its_end_no_longer(
    behind: World, side: Side, size: str
) -> None:
    behind.venue.submits.append("lost_request")
    (outcome,) = await behind.executor.act([approve()])
    behind.venue.execute(SPOT, side, Decimal(size), client_id=None, price=Decimal(10))
    await settle_quietly(behind)
    assert state(behind, outcome.client_ids[0]) is OrderState.REJECTED


async def test_an_order_is_given_up_once_an_execution_like_its_own_is_another_ones(behind: World) -> None:
    behind.venue.submits.append("lost_request")
    (outcome,) = await behind.executor.act([approve()])
    behind.venue.execute(SPOT, Side.BUY, Decimal(4), client_id=None, price=Decimal(10))
    await settle_quietly(behind)
    assert state(behind, outcome.client_ids[0]) is OrderState.IN_DOUBT
    behind.venue.advance(300_000)
    truth = await behind.reconciler.settle(SYMBOLS)
    assert state(behind, outcome.client_ids[0]) is OrderState.REJECTED
    assert Reason.FOREIGN_ORDER in reasons(truth)


async def test_an_order_is_given_up_when_a_history_never_shows_whose_an_execution_is(behind: World) -> None:
    behind.venue.shown_ms += HISTORY_LAG_MS
    behind.venue.submits.append("lost_request")
    (outcome,) = await behind.executor.act([approve()])
    behind.venue.execute(SPOT, Side.BUY, Decimal(4), client_id=None, price=Decimal(10))
    behind.venue.advance(HISTORY_LAG_MS - 1)
    await behind.reconciler.settle(SYMBOLS)
    assert state(behind, outcome.client_ids[0]) is OrderState.IN_DOUBT
    behind.venue.advance(1)
    await behind.reconciler.settle(SYMBOLS)
    assert state(behind, outcome.client_ids[0]) is OrderState.REJECTED
