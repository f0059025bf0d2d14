"""An account that its owner has put into hedge mode, with both sides of one symbol: all is closed, nothing opened."""

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest

from bot.domain.durations import HOUR_MS
from bot.domain.instrument import Side
from bot.domain.order import OrderType, is_reducing
from bot.domain.reason import Reason
from bot.domain.states import KillLevel
from bot.domain.symbol import is_perp
from bot.ports import AccountRefused
from bot.runtime.kill.flag_file import FlagFile
from bot.runtime.wiring import build, listen
from bot.simex.engine.types import NewOrder, PositionSide
from tests.runtime.test_switch import ACCOUNT, serve, stops, until
from tests.stage import QUIET_MS, Stage, notes_of, rotated, staged

LONG, SHORT = PositionSide.LONG, PositionSide.SHORT
SYMBOL = "ETH/USDT:USDT"


def held(stage: Stage) -> dict[PositionSide, Decimal]:
    return {p.side: p.size for p in stage.embedded.exchange.positions(ACCOUNT) if p.symbol == SYMBOL}


def switch_by_owner(stage: Stage, long: str = "0.6", short: str = "0.2") -> None:
    """The owner closes all perps, as the venue asks, switches to hedge mode and opens both sides of one of them."""
    engine = stage.embedded.exchange
    engine.advance(stage.embedded.clock.now_ms())
    for symbol in [name for name in engine.instruments if is_perp(name)]:
        engine.cancel_all(ACCOUNT, symbol)
    for position in engine.positions(ACCOUNT):
        size = abs(position.size)
        engine.place(
            ACCOUNT, NewOrder(position.symbol, Side.of(-position.size), OrderType.MARKET, size=size, reduce_only=True)
        )
    engine.set_position_mode(ACCOUNT, hedge=True)
    for side, position_side, size in ((Side.BUY, LONG, long), (Side.SELL, SHORT, short)):
        engine.place(ACCOUNT, NewOrder(SYMBOL, side, OrderType.MARKET, size=Decimal(size), position_side=position_side))
    stage.embedded.clock.skip(1_000)


async def test_a_running_bot_opens_nothing_says_why_and_stops_the_side_it_guards(tmp_path: Path) -> None:
    async with rotated(tmp_path) as stage, stage.app() as app:
        known = {order.client_id for order in app.journal.reader.load_orders(10_000)}
        switch_by_owner(stage)
        stage.embedded.clock.skip(2 * HOUR_MS)  # the hourly check is due
        for _ in range(4):
            result = await stage.turn(app)
            stage.embedded.clock.skip(60_000)
        assert Reason.ACCOUNT_SETTING in [note.reason for note in result.breakers]
        (words,) = app.cycle.account_watch.blocking
        assert "is in hedge mode: switch it to one-way mode" in words
        unread = [note.words for note in notes_of(result) if note.reason is Reason.ROW_UNREADABLE]
        assert any("held in hedge mode" in words and "by hand" in words for words in unread)
        sent = [order for order in app.journal.reader.load_orders(10_000) if order.client_id not in known]
        assert all(is_reducing(order) for order in sent)
        engine = stage.embedded.exchange
        (stop,) = [o for o in engine.open_orders(ACCOUNT, SYMBOL) if o.type.is_trigger]
        assert (stop.position_side, stop.side, stop.size) == (LONG, Side.SELL, held(stage)[LONG])
        assert held(stage) == {LONG: Decimal("0.6"), SHORT: Decimal("-0.2")}


async def test_flatten_closes_both_sides(tmp_path: Path) -> None:
    async with rotated(tmp_path) as stage:
        switch_by_owner(stage)
        stage.embedded.clock.skip(QUIET_MS)
        FlagFile(stage.settings.state_directory).record(KillLevel.FLATTEN, "fire", "anna")
        switch = listen(stage.settings)
        app = await build(stage.settings, embedded=stage.embedded, switch=switch)
        try:
            task, stop = serve(app, stage)
            await until(lambda: not stops(stage) and not stage.embedded.exchange.positions(ACCOUNT), 60)
            stop.set()
            assert await asyncio.wait_for(task, 30) == 0
        finally:
            await app.close()
        assert held(stage) == {}
        stage.embedded.exchange.audit()


async def test_a_start_is_refused_where_nothing_is_to_be_looked_after(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        stage.embedded.exchange.set_position_mode(ACCOUNT, hedge=True)
        with pytest.raises(AccountRefused, match=r"is in hedge mode.*switch it to one-way mode"):
            await stage.build()
        assert stage.writes() == 0
