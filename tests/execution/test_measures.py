"""What the breakers are told: how long the venue takes, how many orders it rejects, what executed lately."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bot.domain.instrument import Side
from bot.domain.portfolio import Account
from bot.execution.order_reports import OrderReports
from bot.ports import OrderReport, Unavailable
from tests.execution.scripted_venue import SPOT, ScriptedVenue
from tests.execution.worlds import FAST, SYMBOLS, World, approve, open_world


class SlowVenue(ScriptedVenue):
    """Waits before it answers what a settlement asks; `pauses` are seconds, used up one by one."""

    pauses: Sequence[float] = ()

    async def _pause(self) -> None:
        if self.pauses:
            pause, *self.pauses = self.pauses
            await asyncio.sleep(pause)

    async def fetch_account(self) -> Account:
        await self._pause()
        return await super().fetch_account()

    async def fetch_open_orders(self, symbols: Sequence[str]) -> tuple[OrderReport, ...]:
        await self._pause()
        return await super().fetch_open_orders(symbols)


@pytest.fixture
async def world(tmp_path: Path) -> Any:
    made = await open_world(tmp_path / "j.db", SlowVenue())
    await made.reconciler.settle(SYMBOLS)
    yield made
    await made.journal.close()


async def test_a_settlement_tells_how_long_the_answers_took_and_forgets_it_for_the_next(world: World) -> None:
    world.venue.pauses = (0.3, 0.3)  # type: ignore[attr-defined]
    slow = await world.reconciler.settle(SYMBOLS)
    fast = await world.reconciler.settle(SYMBOLS)
    assert slow.latency_ms >= 250
    assert fast.latency_ms < slow.latency_ms


async def test_one_slow_answer_among_quick_ones_does_not_count(world: World) -> None:
    evidence = OrderReports(world.venue, world.journal, FAST)
    for pause in (0.0, 0.3, 0.0):
        await evidence.read(asyncio.sleep(pause), "something")
    assert evidence.take_latency_ms() < 250
    assert evidence.take_latency_ms() == 0


async def test_an_answer_that_never_comes_counts_as_long_as_it_was_waited_for(world: World) -> None:
    rules = FAST.model_copy(update={"timing": replace(FAST.timing, read_deadline_ms=100)})
    evidence = OrderReports(world.venue, world.journal, rules)
    with pytest.raises(Unavailable):
        await evidence.read(asyncio.sleep(30), "something")
    assert evidence.take_latency_ms() >= 90


async def test_only_what_the_venue_said_no_to_is_a_rejection(world: World) -> None:
    world.venue.submits += ["reject:other", "lost_request"]
    await world.executor.act([approve(id="refused", leg=1)])
    await world.executor.act([approve(id="lost", leg=2)])
    world.venue.advance(world.venue.quiet_period_ms)
    await world.reconciler.settle(SYMBOLS)
    orders = world.journal.reader.load_orders()
    assert {order.state.value for order in orders} == {"rejected"}
    assert world.journal.reader.count_rejections(0) == 1
    assert world.journal.reader.count_rejections(world.venue.now_ms() + 1) == 0


async def test_executed_orders_are_counted_by_instrument_and_side(world: World) -> None:
    world.venue.submits += ["fill", "reject:other"]
    for leg in (1, 2, 3):
        await world.executor.act([approve(id=f"leg {leg}", leg=leg)])
    await world.executor.act([approve(id="sale", leg=4, side=Side.SELL, size=Decimal(1), worst_price=Decimal(9))])
    assert world.journal.reader.count_executed(0) == {(SPOT, "buy"): 2, (SPOT, "sell"): 1}
    assert world.journal.reader.count_executed(world.venue.now_ms() + 1) == {}
