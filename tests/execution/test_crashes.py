"""The process dies at every point at which it waits; the next start must find one order at most, and lose nothing."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bot.domain.order import TimeInForce
from bot.domain.states import OrderState
from bot.ports import ReportState
from tests.execution.scripted_venue import ScriptedVenue
from tests.execution.worlds import SYMBOLS, World, approve, open_world

WRITES = (
    "record_submitting",
    "record_order_event",
    "record_fills",
    "record_not_found",
    "record_fact",
    "record_payments",
)
CALLS = ("admit", "submit_order", "cancel_order", "fetch_order", "fetch_fills", "fetch_open_orders", "fetch_account")


class Crash(BaseException):
    """The process is gone."""


class Doom:
    """Counts the points before and after every wait, and dies at the chosen one."""

    def __init__(self, at: int) -> None:
        self.at, self.count, self.is_dead = at, 0, False

    def point(self) -> None:
        self.count += 1
        if self.is_dead or self.count == self.at:
            self.is_dead = True
            raise Crash

    def wrap(self, target: Any, names: tuple[str, ...]) -> None:
        for name in names:
            setattr(target, name, self._wrapped(getattr(target, name)))

    def _wrapped(self, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def doomed(*args: Any, **kwargs: Any) -> Any:
            self.point()
            result = await call(*args, **kwargs)
            self.point()
            return result

        return doomed


def unwrap(target: Any, names: tuple[str, ...]) -> None:
    for name in names:
        target.__dict__.pop(name, None)


SCRIPTS = {
    "fills": ("fill", "ioc"),
    "fills in part": ("partial", "ioc"),
    "rests": ("rest", "gtc"),
    "an immediate order that stays open": ("rest", "ioc"),
    "request lost": ("lost_request", "ioc"),
    "reply lost": ("lost_reply", "ioc"),
    "request late, inside the window": ("late_fill:4000", "ioc"),
    "request late, outside the window": ("late_fill:6000", "ioc"),
    "rejected": ("reject:funds", "ioc"),
    "told it is a duplicate": ("duplicate", "ioc"),
}


async def life(world: World, item: Any) -> None:
    await world.reconciler.settle(SYMBOLS)
    await world.executor.act([item])
    await world.reconciler.settle(SYMBOLS)


@pytest.mark.sweep(keep=2)
@pytest.mark.parametrize("script", SCRIPTS)
async def test_after_a_crash_at_any_point_the_journal_tells_the_venues_truth(tmp_path: Path, script: str) -> None:
    word, time_in_force = SCRIPTS[script]
    item = approve(time_in_force=TimeInForce(time_in_force))
    point = 0
    while True:
        point += 1
        venue, path = ScriptedVenue(), tmp_path / f"{point}.db"
        venue.submits.append(word)
        doom = Doom(point)
        world = await open_world(path, venue)
        doom.wrap(world.journal, WRITES)
        doom.wrap(venue, CALLS)
        died = True
        try:
            await life(world, item)
            died = False
        except Crash:
            pass
        unwrap(venue, CALLS)
        await world.journal.close()
        await check_next_life(path, venue, item)
        if not died:
            break
    assert point > 15, "the crash points were not reached"


async def check_next_life(path: Path, venue: ScriptedVenue, item: Any) -> None:
    world = await open_world(path, venue)
    await world.reconciler.settle(SYMBOLS)
    await world.executor.act([item] if not venue.posts else [])
    venue.advance(20_000)
    await world.reconciler.settle(SYMBOLS)
    await world.executor.act([])
    truth = await world.reconciler.settle(SYMBOLS)
    reader = world.journal.reader
    assert all(order.state is OrderState.OPEN for order in truth.working), truth.working
    assert truth.is_agreed, truth.notes
    assert not truth.locked
    assert len(venue.orders) <= 1 or venue.posts[0].client_id != venue.posts[-1].client_id
    assert sum(order.filled_size for order in venue.orders) <= item.size
    for there in venue.orders:
        here = reader.load_order(there.request.client_id)
        assert here is not None, "an order at the venue is not in the journal"
        assert (here.filled_size, here.filled_quote) == (there.filled_size, there.filled_quote)
        assert here.state.value == there.state.value or not here.state.is_live
        assert (there.state is ReportState.OPEN) == here.state.is_live
    assert {fill.trade_id for fill in reader.load_fills()} == {fill.trade_id for fill in venue.fills}
    known = {order.client_id for order in reader.load_orders()}
    assert {order.client_id for order in truth.working} == {
        order.request.client_id for order in venue.orders if order.state is ReportState.OPEN
    }
    assert known >= {post.client_id for post in venue.posts}
    assert sum((fill.size for fill in reader.load_fills()), Decimal(0)) == sum(o.filled_size for o in venue.orders)
    reader.verify()
    await world.journal.close()


CHASES = {
    "rests": ("rest", "ok"),
    "executes in part": ("partial", "ok"),
    "executes while it is cancelled": ("rest", "filled_first"),
    "reply of the cancel lost": ("partial", "lost_reply"),
    "request of the cancel lost": ("partial", "lost_request"),
}


@pytest.mark.sweep(keep=1)
@pytest.mark.parametrize("script", CHASES)
async def test_a_crash_anywhere_in_a_chase_never_leaves_two_orders_or_more_than_was_meant(
    tmp_path: Path, script: str
) -> None:
    """Rest, withdraw, settle, and the next slice for what is left: each turn of the planner, and the process dies."""
    word, cancel = CHASES[script]
    item = approve(time_in_force=TimeInForce.POST_ONLY)
    point, died = 0, True
    while died:
        point += 1
        venue, path = ScriptedVenue(), tmp_path / f"{point}.db"
        venue.submits.extend([word, "rest"])
        venue.cancels.append(cancel)
        doom, died = Doom(point), True
        world = await open_world(path, venue)
        doom.wrap(world.journal, WRITES)
        doom.wrap(venue, CALLS)
        try:
            await chase(world, item)
            died = False
        except Crash:
            pass
        unwrap(venue, CALLS)
        await world.journal.close()
        await after_a_chase(path, venue, item)
    assert point > 30, "the crash points were not reached"


async def chase(world: World, item: Any) -> None:
    for is_withdrawing in (False, True, False):
        truth = await world.reconciler.settle(SYMBOLS)
        if is_withdrawing:
            await world.executor.cancel(truth.working)
            continue
        left = item.size - sum((fill.size for fill in world.journal.reader.load_fills()), Decimal(0))
        if left > 0 and not truth.working:
            await world.executor.act([replace(item, size=left)])


async def after_a_chase(path: Path, venue: ScriptedVenue, item: Any) -> None:
    world = await open_world(path, venue)
    await chase(world, item)
    venue.advance(20_000)
    truth = await world.reconciler.settle(SYMBOLS)
    assert truth.is_agreed, truth.notes
    there = [order for order in venue.orders if order.state is ReportState.OPEN]
    assert len(there) <= 1, "two orders of one intent"
    open_size = sum((order.request.size - order.filled_size for order in there), Decimal(0))
    assert sum((order.filled_size for order in venue.orders), open_size) <= item.size
    assert {order.request.price for order in venue.orders} <= {item.worst_price}
    assert {fill.trade_id for fill in world.journal.reader.load_fills()} == {fill.trade_id for fill in venue.fills}
    world.journal.reader.verify()
    await world.journal.close()
