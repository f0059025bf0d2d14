"""A venue that lets no reduce-only order stand beside another (-4118): a position's own stop never keeps it open, and a
close never leaves what it does not close without its stop."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bot.domain.instrument import Side
from bot.domain.order import OrderType, Purpose, TimeInForce
from bot.domain.order_ids import OrderKind
from bot.domain.states import OrderState
from bot.execution.placement import Placed
from bot.execution.stops_beside import FAILED_MS, UNCLEARED_MS
from bot.ports import ReportState
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
    world.venue.submits.extend(["reject:reduce_only", "rest"])
    world.venue.cancels.append("lost_request")
    (refused,) = await world.executor.act([close()])
    assert refused.state is OrderState.REJECTED
    assert [order.order_type for order in world.journal.reader.load_working()] == [OrderType.STOP]


HELD = {PERP: Decimal(-10)}


def short_stop(size: int = 10) -> Approved:
    kind = OrderKind.STOP
    return approve(
        Purpose.EXIT,
        id=kind.intent_id(PERP),
        campaign=0,
        tranche=kind.number,
        symbol=PERP,
        side=Side.BUY,
        size=Decimal(size),
        reduce_only=True,
        order_type=OrderType.STOP,
        trigger_price=Decimal(14),
        time_in_force=TimeInForce.GTC,
    )


def buy_back(size: int) -> Approved:
    kind = OrderKind.HEDGE_OVER_SPOT
    return approve(
        Purpose.EXIT,
        id=kind.intent_id(PERP),
        campaign=0,
        tranche=kind.number,
        symbol=PERP,
        side=Side.BUY,
        size=Decimal(size),
        reduce_only=True,
    )


async def with_a_short(world: World) -> None:
    world.venue.positions[PERP] = (Decimal(-10), Decimal(10))
    world.venue.submits.append("rest")
    (rested,) = await world.executor.act([short_stop()])
    assert rested.state is OrderState.OPEN


def stops(world: World) -> list[tuple[Decimal, Decimal | None]]:
    working = world.journal.reader.load_working()
    return [(order.open_size, order.trigger_price) for order in working if order.order_type is OrderType.STOP]


def sent(world: World) -> list[tuple[str, Decimal]]:
    return [("stop" if post.trigger_price else "close", post.size) for post in world.venue.posts]


async def test_a_part_of_a_short_is_bought_back_beside_the_stop_of_the_rest(world: World) -> None:
    await with_a_short(world)
    world.venue.submits.extend(["rest", "fill"])
    (closed,) = await world.executor.act([buy_back(3)], HELD)
    assert closed.state is OrderState.FILLED
    assert sent(world) == [("stop", 10), ("stop", 7), ("close", 3)]
    assert stops(world) == [(Decimal(7), Decimal(14))]


@pytest.mark.parametrize("word", ["lost_request", "lost_reply", "expire", "reject:funds"])
async def test_a_position_has_its_whole_stop_again_when_its_close_comes_to_nothing_or_is_in_doubt(
    world: World, word: str
) -> None:
    """Simulator seed 950002: a hedge three contracts too large stood without its stop for the 18 s in which the order
    for three contracts was in doubt."""
    await with_a_short(world)
    world.venue.submits.extend(["rest", word, "rest", "rest"])
    await world.executor.act([buy_back(3)], HELD)
    assert sent(world)[:3] == [("stop", 10), ("stop", 7), ("close", 3)], "while it is in doubt the rest has its stop"
    whole = Decimal(7) if word == "lost_reply" else Decimal(10)
    assert stops(world) == [(whole, Decimal(14))]


@pytest.mark.parametrize("word", ["lost_request", "expire", "reject:filter"])
async def test_a_position_has_its_whole_stop_again_while_the_report_of_the_cut_one_lags(
    world: World, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cut stop is withdrawn for certain and counts as working: the stop put back was sent for the difference."""
    await with_a_short(world)
    submit, fetch = world.venue.submit_order, world.venue.fetch_order
    old: dict[str, Any] = {}

    async def noting(request: Any) -> Any:
        report = await submit(request)
        if request.trigger_price is not None:
            old.setdefault(request.client_id, report)
        return report

    async def lagging(symbol: str, client_id: str, *, is_trigger: bool = False) -> Any:
        return old.get(client_id) or await fetch(symbol, client_id, is_trigger=is_trigger)

    monkeypatch.setattr(world.venue, "submit_order", noting)
    monkeypatch.setattr(world.venue, "fetch_order", lagging)
    world.venue.submits.extend(["rest", word, "rest"])
    await world.executor.act([buy_back(4)], HELD)
    assert sent(world) == [("stop", 10), ("stop", 6), ("close", 4), ("stop", 10)]
    resting = [one.request.size for one in world.venue.orders if one.state is ReportState.OPEN]
    assert resting == [Decimal(10)]


@pytest.mark.parametrize("when", ["known", "unknown"])
async def test_what_the_cut_stop_has_executed_counts_once_in_the_stop_put_back(
    world: World, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`known`: a fill of the cut stop is in the journal when the step ends; `unknown`: its cancel shows it."""
    await with_a_short(world)
    submit = world.venue.submit_order

    async def beside_a_fill(request: Any) -> Any:
        if request.trigger_price is None:
            (cut,) = [one for one in world.venue.orders if one.state is ReportState.OPEN]
            world.venue.fill_resting(cut, Decimal(2))
            if when == "known":
                report = await world.venue.fetch_order(PERP, cut.request.client_id, is_trigger=True)
                order = world.journal.reader.load_order(cut.request.client_id)
                assert order is not None
                assert report is not None
                await world.executor._evidence.record_report(order, report)
        return await submit(request)

    monkeypatch.setattr(world.venue, "submit_order", beside_a_fill)
    world.venue.submits.extend(["rest", "reject:filter", "rest"])
    await world.executor.act([buy_back(4)], HELD)
    assert world.venue.positions[PERP][0] == -8
    assert stops(world) == [(Decimal(8), Decimal(14))]


async def test_a_stop_gives_way_to_what_is_left_of_a_close_that_has_executed_in_part(world: World) -> None:
    await with_a_short(world)
    item, executor = buy_back(4), world.executor
    executor._stops.see(HELD)
    step = executor._stops.begin(item.intent)
    world.venue.submits.extend(["partial", "reject:reduce_only", "rest"])
    await executor._attempt(item, step.closes)
    refused = await executor._attempt(item, step.closes)
    assert isinstance(refused, Placed)
    assert await executor._stops.give_way(step, refused.order)
    assert sent(world)[1:] == [("close", 4), ("close", 2), ("stop", 6)]
    assert world.venue.positions[PERP][0] == -8, "two have executed and two more are to: six are left"


async def test_a_buy_back_refused_without_its_stop_leaves_the_stop_for_a_while(world: World) -> None:
    await with_a_short(world)
    world.venue.submits.extend(["reject:reduce_only", "rest"])
    await world.executor.act([buy_back(10)], HELD)
    world.venue.submits.append("reject:reduce_only")
    await world.executor.act([buy_back(10)], HELD)
    assert sent(world) == [("stop", 10), ("close", 10), ("stop", 10), ("close", 10)]
    assert stops(world) == [(Decimal(10), Decimal(14))]
    world.venue.advance(UNCLEARED_MS)
    (closed,) = await world.executor.act([buy_back(10)], HELD)
    assert closed.state is OrderState.FILLED


async def test_a_part_that_has_just_failed_to_close_leaves_the_stop_whole_for_a_minute(world: World) -> None:
    """Found by the simulator (seed 136): a release refused turn after turn had the stop cut each time."""
    await with_a_short(world)
    world.venue.submits.extend(["rest", "reject:would_take", "rest"])
    await world.executor.act([buy_back(4)], HELD)
    before = sent(world)
    assert before[1:] == [("stop", 6), ("close", 4), ("stop", 10)]
    world.venue.submits.append("reject:would_take")
    await world.executor.act([buy_back(4)], HELD)
    assert sent(world)[len(before) :] == [("close", 4)]
    assert stops(world) == [(Decimal(10), Decimal(14))]
    world.venue.advance(FAILED_MS)
    await world.executor.act([buy_back(4)], HELD)
    assert sent(world)[len(before) + 1 :] == [("stop", 6), ("close", 4)]


@pytest.mark.parametrize("word", ["lost_request", "expire", "reject:reduce_only"])
async def test_a_close_of_everything_that_comes_to_nothing_or_is_in_doubt_has_its_stop_put_back(
    world: World, word: str
) -> None:
    await with_a_short(world)
    world.venue.submits.extend([word, "rest"])
    await world.executor.act([buy_back(10)], HELD)
    assert sent(world) == [("stop", 10), ("close", 10), ("stop", 10)]
    assert stops(world) == [(Decimal(10), Decimal(14))]


async def test_a_close_of_everything_leaves_no_stop(world: World) -> None:
    await with_a_short(world)
    (closed,) = await world.executor.act([buy_back(10)], HELD)
    assert closed.state is OrderState.FILLED
    assert (sent(world), stops(world)) == ([("stop", 10), ("close", 10)], [])


async def test_a_close_of_everything_of_a_long_that_is_refused_and_then_in_doubt_has_its_stop_put_back(
    world: World,
) -> None:
    await with_a_stop(world)
    world.venue.submits.extend(["reject:reduce_only", "lost_request", "rest"])
    await world.executor.act([close()], {PERP: Decimal(4)})
    assert sent(world) == [("stop", 4), ("close", 4), ("close", 4), ("stop", 4)]
    assert stops(world) == [(Decimal(4), Decimal(8))]


async def test_a_close_of_a_part_of_a_long_leaves_the_stop_of_the_rest_where_the_venue_counts_it(world: World) -> None:
    """The stop may be larger than the position: it gives way by the size of the close from the position."""
    await with_a_stop(world)  # of 4
    world.venue.submits.extend(["reject:reduce_only", "rest", "fill"])
    part = approve(
        Purpose.EXIT,
        id=f"x2.{PERP}",
        campaign=0,
        tranche=2,
        symbol=PERP,
        side=Side.SELL,
        size=Decimal(1),
        reduce_only=True,
    )
    (closed,) = await world.executor.act([part], {PERP: Decimal(3)})
    assert closed.state is OrderState.FILLED
    assert sent(world) == [("stop", 4), ("close", 1), ("stop", 2), ("close", 1)]
    assert stops(world) == [(Decimal(2), Decimal(8))]


async def test_a_close_as_large_as_a_stop_that_guards_a_part_leaves_the_rest_with_a_stop(world: World) -> None:
    """Simulator seed 1462103: an entry had grown a long from 14 to 21 when 14 of it were closed. The stop of 14 was
    withdrawn, and the 7 that were left had none."""
    await with_a_stop(world)  # of 4
    world.venue.positions[PERP] = (Decimal(6), Decimal(10))
    world.venue.submits.extend(["reject:reduce_only", "rest", "fill"])
    (closed,) = await world.executor.act([close()], {PERP: Decimal(6)})
    assert closed.state is OrderState.FILLED
    assert sent(world) == [("stop", 4), ("close", 4), ("stop", 2), ("close", 4)]
    assert stops(world) == [(Decimal(2), Decimal(8))]


@pytest.mark.parametrize(("size", "cut"), [(2, None), (4, None), (5, 9), (10, 4)])
async def test_a_buy_back_takes_first_what_the_stop_of_a_short_does_not_guard(
    world: World, size: int, cut: int | None
) -> None:
    """A stop of 10 stands beside a short of 14."""
    await with_a_short(world)
    world.venue.positions[PERP] = (Decimal(-14), Decimal(10))
    world.venue.submits.extend(["fill"] if cut is None else ["rest", "fill"])
    await world.executor.act([buy_back(size)], {PERP: Decimal(-14)})
    assert sent(world)[1:] == [*([] if cut is None else [("stop", cut)]), ("close", size)]
    assert stops(world) == [(Decimal(cut or 10), Decimal(14))]


@pytest.mark.parametrize(("size", "cut"), [(6, 8), (10, 4)])
@pytest.mark.parametrize("is_counted", [False, True])
async def test_a_stop_of_a_part_is_put_back_as_large_as_it_was_or_as_the_doubt_leaves_room_for(
    world: World, size: int, cut: int, is_counted: bool
) -> None:
    """A stop of 10 stands beside a short of 14, and the order that buys back a part of it is in doubt."""
    await with_a_short(world)
    world.venue.positions[PERP] = (Decimal(-14), Decimal(10))
    world.venue.submits.extend(["rest", "lost_request", *(["reject:reduce_only"] if is_counted else []), "rest"])
    await world.executor.act([buy_back(size)], {PERP: Decimal(-14)})
    assert sent(world)[1:4] == [("stop", cut), ("close", size), ("stop", 10)]
    assert stops(world) == [(Decimal(cut if is_counted else 10), Decimal(14))]


async def test_what_a_stop_of_a_part_executes_is_not_taken_for_unguarded(world: World) -> None:
    """Of the stop of 10 beside a short of 14, 3 execute before it is cut: it is sent for 7 at the most."""
    await with_a_short(world)
    executor, item = world.executor, buy_back(6)
    world.venue.positions[PERP] = (Decimal(-14), Decimal(10))
    executor._stops.see({PERP: Decimal(-14)})
    step = executor._stops.begin(item.intent)
    (resting,) = [one for one in world.venue.orders if one.state is ReportState.OPEN]
    world.venue.fill_resting(resting, Decimal(3))
    world.venue.submits.extend(["rest", "reject:filter", "rest"])
    await executor._stops.cut_beside_short(step, item)
    assert stops(world) == [(Decimal(5), Decimal(14))], "8 are left once 6 are bought back of 14, 3 of them already"
    await executor._attempt(item, step.closes)
    await executor._stops.put_back(step)
    assert stops(world) == [(Decimal(7), Decimal(14))]


async def test_a_close_that_is_refused_beside_the_cut_stop_as_well_is_sent_without_any(world: World) -> None:
    await with_a_short(world)
    world.venue.submits.extend(["rest", "reject:reduce_only", "fill", "rest"])
    (closed,) = await world.executor.act([buy_back(3)], HELD)
    assert closed.state is OrderState.FILLED
    assert sent(world) == [("stop", 10), ("stop", 7), ("close", 3), ("close", 3), ("stop", 7)]
    assert stops(world) == [(Decimal(7), Decimal(14))]


async def test_a_stop_put_back_that_the_venue_counts_beside_the_doubt_is_cut_again(world: World) -> None:
    await with_a_short(world)
    world.venue.submits.extend(["rest", "lost_request", "reject:reduce_only", "rest"])
    await world.executor.act([buy_back(3)], HELD)
    assert sent(world)[-2:] == [("stop", 10), ("stop", 7)]
    assert stops(world) == [(Decimal(7), Decimal(14))]


async def test_the_old_stop_returns_when_its_successor_is_refused_for_another_reason(world: World) -> None:
    await with_a_short(world)
    successor = approve(
        Purpose.EXIT,
        id=OrderKind.NEXT_STOP.intent_id(PERP),
        campaign=0,
        tranche=OrderKind.NEXT_STOP.number,
        symbol=PERP,
        side=Side.BUY,
        size=Decimal(10),
        reduce_only=True,
        order_type=OrderType.STOP,
        trigger_price=Decimal(13),
        time_in_force=TimeInForce.GTC,
    )
    world.venue.submits.extend(["reject:reduce_only", "reject:filter", "rest"])
    await world.executor.act([successor], HELD)
    assert stops(world) == [(Decimal(10), Decimal(14))]


@pytest.mark.parametrize(("lost", "held", "is_away"), [(2, 4, True), (1, 4, False), (2, 5, False)])
async def test_a_close_that_never_came_to_be_twice_is_sent_without_its_stop(
    world: World, lost: int, held: int, is_away: bool
) -> None:
    """A venue refused each close beside a stop by a code of no table: it was in doubt, then nowhere, and the position
    was never closed (simulation at the wire, seed 2510018). A close of a part leaves the stop."""
    positions = {PERP: Decimal(held)}
    await with_a_stop(world)
    for _ in range(lost):
        world.venue.submits.append("lost_request")
        await world.executor.act([close()], held=positions)
        for _ in range(2):
            world.venue.advance(world.venue.quiet_period_ms + 1)
            await world.reconciler.settle([PERP])
    assert [order.order_type for order in world.journal.reader.load_working()] == [OrderType.STOP]
    world.venue.submits.append("lost_request")
    await world.executor.act([close()], held=positions)
    first = world.journal.reader.load_orders()[-1]
    assert (first.order_type, first.state) == (
        OrderType.STOP,
        OrderState.CANCELED if is_away else OrderState.OPEN,
    )
