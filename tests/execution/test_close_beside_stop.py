"""A venue that lets no reduce-only order stand beside another (-4118): a position's own stop never keeps it open."""

from pathlib import Path
from typing import Any

import pytest

from bot.domain.instrument import Side
from bot.domain.order import OrderType, Purpose
from bot.domain.states import OrderState
from bot.risk import Approved
from tests.execution.scripted_venue import PERP, ScriptedVenue
from tests.execution.worlds import World, approve, approve_stop, open_world


@pytest.fixture
async def world(tmp_path: Path) -> Any:
    opened = await open_world(tmp_path / "j.db", ScriptedVenue(), threaded=True)
    yield opened
    await opened.journal.close()


def close() -> Approved:
    return approve(
        Purpose.EXIT, id=f"x1.{PERP}", campaign=0, tranche=1, leg=1, symbol=PERP, side=Side.SELL, reduce_only=True
    )


async def with_a_stop(world: World) -> None:
    world.venue.submits.append("rest")
    (rested,) = await world.executor.act([approve_stop()])
    assert rested.state is OrderState.OPEN


async def test_a_close_refused_beside_its_stop_is_tried_again_without_it(world: World) -> None:
    await with_a_stop(world)
    world.venue.submits.append("reject:reduce_only")
    (closed,) = await world.executor.act([close()])
    assert closed.state is OrderState.FILLED
    assert world.journal.reader.load_working() == ()


@pytest.mark.parametrize("why", ["filter", "funds", "other"])
async def test_a_close_refused_for_another_reason_leaves_the_stop(world: World, why: str) -> None:
    await with_a_stop(world)
    world.venue.submits.append(f"reject:{why}")
    await world.executor.act([close()])
    assert [order.order_type for order in world.journal.reader.load_working()] == [OrderType.STOP]


async def test_a_stop_that_was_not_the_cause_is_not_withdrawn_again(world: World) -> None:
    await with_a_stop(world)
    world.venue.submits.extend(["reject:reduce_only"] * 2)
    (refused,) = await world.executor.act([close()])
    assert refused.state is OrderState.REJECTED
    await with_a_stop(world)
    world.venue.submits.append("reject:reduce_only")
    await world.executor.act([close()])
    assert [order.order_type for order in world.journal.reader.load_working()] == [OrderType.STOP]


async def test_a_close_is_sent_again_when_the_cancel_is_confirmed_and_the_report_still_older(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Simulator seed 814: every turn placed the stop, was refused the close beside it and took the stop away; while the
    reports lagged the close was never sent, and the position had no stop."""
    await with_a_stop(world)
    fetch = world.venue.fetch_order
    old = await fetch(PERP, world.venue.posts[0].client_id, is_trigger=True)

    async def lagging(symbol: str, client_id: str, *, is_trigger: bool = False) -> Any:
        return old if old is not None and client_id == old.client_id else await fetch(symbol, client_id)

    monkeypatch.setattr(world.venue, "fetch_order", lagging)
    world.venue.submits.append("reject:reduce_only")
    (closed,) = await world.executor.act([close()])
    assert closed.state is OrderState.FILLED
    (stopped,) = world.journal.reader.load_working()
    assert stopped.state is OrderState.CANCELING, "what the stop executed is not known yet: it counts"


async def test_a_close_is_not_sent_again_while_the_cancel_of_its_stop_has_no_verdict(world: World) -> None:
    await with_a_stop(world)
    world.venue.submits.append("reject:reduce_only")
    world.venue.cancels.append("lost_request")
    (refused,) = await world.executor.act([close()])
    assert refused.state is OrderState.REJECTED
    assert [order.order_type for order in world.journal.reader.load_working()] == [OrderType.STOP]
