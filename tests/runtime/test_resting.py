"""Purchases that rest at the exchange, over the real wire: one at a time, inside the bound, gone when they must be."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.domain.durations import HOUR_MS
from bot.domain.order import Purpose, TimeInForce
from bot.domain.states import KillLevel, OrderState
from bot.domain.symbol import base_of
from bot.runtime.cycle import CycleResult
from bot.runtime.daemon import Daemon, Health
from bot.runtime.replay import replay
from bot.runtime.simulator.embedded import ACCOUNT
from bot.runtime.wiring import App
from bot.simex.dialects.wire import WireReply, WireRequest
from bot.simex.engine.types import SimOrder
from tests.stage import SPOT_ORDER, Stage, staged

CYCLE_MS, LIFE_MS = 300_000, 241_000
STYLE = ("playbook.entries.wait=false", "playbook.entries.wait_hours=0", "playbook.orders.rest_minutes=30")


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path, "playbook.orders.increase_style=post-only", *STYLE) as made:
        yield made


def resting(stage: Stage) -> tuple[SimOrder, ...]:
    """Purchases that rest on spot."""
    return tuple(order for order in stage.embedded.exchange.open_orders(ACCOUNT) if ":" not in order.symbol)


async def until_one_rests(stage: Stage, app: App) -> CycleResult:
    for _ in range(12):
        result = await stage.turn(app)
        if resting(stage):
            return result
    raise AssertionError("nothing rests")


async def test_a_purchase_rests_at_the_bid_follows_it_and_goes_at_once_after_its_time(stage: Stage) -> None:
    async with stage.app() as app:
        await until_one_rests(stage, app)
        first = {order.symbol: order for order in resting(stage)}
        for symbol, order in first.items():
            assert order.time_in_force is TimeInForce.POST_ONLY
            assert order.price == stage.embedded.exchange.quote(symbol).bid
        count = len(stage.orders())
        await stage.turn(app)
        assert len(stage.orders()) == count, "while it rests nothing more is asked for"
        stage.embedded.clock.skip(LIFE_MS)
        await app.cycle.guard()
        assert resting(stage) == (), "it is called back when it has rested for long"
        exchange = stage.embedded.exchange
        ended = {name: exchange.order(ACCOUNT, name, order_id=order.id) for name, order in first.items()}
        left = {name for name, order in ended.items() if order is not None and order.filled_size < order.size}
        assert left, "the price has come to all of them meanwhile"
        await stage.turn(app)
        assert {o.symbol for o in resting(stage)} == left, "and placed again at the bid of then"
        assert not {o.client_id for o in resting(stage)} & {o.client_id for o in first.values()}
        await stage.rotate(app)
        await stage.check_books(app)
        bounds = {i.id: i.worst_price for result in stage.results for i in result.decision.intents}
        bought = [o for o in app.journal.reader.load_orders(1_000) if o.purpose is Purpose.INCREASE and o.filled_size]
        assert bought
        assert all(o.price is not None and o.filled_quote <= o.price * o.filled_size for o in bought)
        assert {o.intent_id for o in bought} <= set(bounds)


@pytest.mark.sweep(keep=1)
@pytest.mark.parametrize("level", [KillLevel.PAUSE, KillLevel.REDUCE_ONLY, KillLevel.CANCEL, KillLevel.CANCEL_ALL])
async def test_every_level_of_the_switch_calls_a_resting_purchase_back(stage: Stage, level: KillLevel) -> None:
    async with stage.app() as app:
        await until_one_rests(stage, app)
        app.kill.engage(level)
        assert app.cycle.load_withdrawn(level)
        assert await app.cycle.withdraw(level) == ()
        assert resting(stage) == ()
        await app.cycle.guard()
        await stage.turn(app)
        assert resting(stage) == ()
        await stage.check_books(app)


async def test_a_guard_that_finds_a_purchase_over_has_it_placed_again_without_waiting_for_the_next_cycle(
    stage: Stage, tmp_path: Path
) -> None:
    async with stage.app() as app:
        daemon = Daemon(app, app.settings, Health(tmp_path / "health.json", "trade", "sim"), asyncio.Event())
        result = await until_one_rests(stage, app)
        assert not result.has_rest_ended
        first = {order.client_id: order.symbol for order in resting(stage)}
        await daemon._guard()
        assert {order.client_id for order in resting(stage)} == set(first), "what still rests is left alone"
        stage.embedded.clock.skip(LIFE_MS)
        await daemon._guard()
        assert resting(stage)
        assert not {order.client_id for order in resting(stage)} & set(first)
        stage.embedded.clock.skip(LIFE_MS)
        app.kill.engage(KillLevel.PAUSE)
        await daemon._guard()
        assert resting(stage) == ()


async def test_a_pause_that_is_first_seen_by_a_turn_calls_it_back_and_leaves_stops(stage: Stage) -> None:
    async with stage.app() as app:
        await stage.rotate(app)
        stops = [order for order in stage.embedded.exchange.open_orders(ACCOUNT) if ":" in order.symbol]
        assert stops
        app.kill.engage(KillLevel.PAUSE)
        assert await app.cycle.withdraw(KillLevel.PAUSE) == ()
        await app.cycle.guard()
        assert [o.client_id for o in stage.embedded.exchange.open_orders(ACCOUNT)] == [o.client_id for o in stops]


async def test_a_purchase_that_outlived_its_process_is_found_counted_and_not_doubled(stage: Stage) -> None:
    async with stage.app() as app:
        await until_one_rests(stage, app)
        before = {order.client_id: order.symbol for order in resting(stage)}
    assert {order.client_id for order in resting(stage)} == set(before), "the process is gone, what it sent is not"
    async with stage.app() as again:
        result = await stage.turn(again)
        assert {o.client_id for o in resting(stage)} == set(before)
        assert not [i for i in result.decision.intents if i.symbol in before.values() and i.purpose is Purpose.INCREASE]
        await stage.rotate(again)
        await stage.check_books(again)


async def test_a_bid_that_would_take_is_refused_settled_and_placed_anew(stage: Stage) -> None:
    refused: list[str] = []

    def answer(request: WireRequest) -> WireReply | None:
        is_first = (
            request.method == "POST" and request.path == SPOT_ORDER and "LIMIT_MAKER" in request.body + request.query
        )
        if not is_first or len(refused) >= 3:
            return None
        refused.append(request.path)
        return WireReply(400, {"code": -2010, "msg": "Order would immediately match and take."})

    async with stage.app() as app:
        with stage.answering(answer):
            for _ in range(12):
                await stage.turn(app)
                if refused:
                    break
            states = {
                o.state for o in app.journal.reader.load_orders(1_000) if o.time_in_force is TimeInForce.POST_ONLY
            }
            assert states == {OrderState.REJECTED}
            await stage.turn(app)
        assert resting(stage)
        await stage.check_books(app)


async def test_a_purchase_rests_where_its_pullback_is_waited_for_until_the_deadline(tmp_path: Path) -> None:
    changes = ("playbook.entries.pullback=true", "playbook.entries.wait=false", "playbook.entries.wait_hours=2")
    async with staged(tmp_path, *changes) as stage, stage.app() as app:
        result = await until_one_rests(stage, app)
        exchange = stage.embedded.exchange
        first = resting(stage)
        assert all(o.price is not None and o.price < exchange.quote(o.symbol).bid for o in first)
        assert replay(stage.settings, app.journal.reader, result.number).is_identical
        await app.cycle.guard()
        assert resting(stage) == first, "a guard leaves it where it waits"
        stage.embedded.clock.skip(2 * HOUR_MS)
        before = exchange.balances(ACCOUNT)
        await stage.turn(app)
        await stage.turn(app)
        assert resting(stage) == ()
        after, tokens = exchange.balances(ACCOUNT), {base_of(order.symbol) for order in first}
        assert all(after[token].free > before[token].free for token in tokens), "and bought at once after it"
