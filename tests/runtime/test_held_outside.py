"""A position on a perp outside of the universe has its stop like any other."""

from decimal import Decimal
from pathlib import Path

from bot.domain.instrument import Side
from bot.domain.reason import Reason
from bot.lab.demo.scenarios import SIM_START
from bot.runtime.simulator.embedded import embed, tokens_of
from bot.simex.engine.types import NewOrder, OrderType
from tests.stage import ACCOUNT, Stage, golden, market_of

LDO = "LDO/USDT:USDT"


async def test_a_position_outside_of_the_universe_gets_a_full_size_stop_and_loses_it_when_it_is_closed(
    tmp_path: Path,
) -> None:
    wide, start_ms = golden(tmp_path), int(SIM_START.timestamp() * 1000)
    embedded = await embed(wide, market_of(tokens_of(wide), start_ms), start_ms)
    stage = Stage(golden(tmp_path, "universe.tokens.LDO=false"), embedded)
    exchange = embedded.exchange

    def stops() -> list[tuple[Side, Decimal | None, bool]]:
        found = exchange.open_orders(ACCOUNT, LDO, is_trigger=True)
        return [(order.side, order.size, order.reduce_only) for order in found]

    try:
        exchange.set_margin_type(ACCOUNT, LDO, isolated=True)
        exchange.place(ACCOUNT, NewOrder(LDO, Side.BUY, OrderType.MARKET, Decimal(20)))
        async with stage.app() as app:
            assert LDO not in app.cycle.parts.observer.wanted.symbols
            first = await app.cycle.guard()
            assert Reason.POSITION_UNOWNED in {note.reason for note in first.decision.notes}
            assert stops() == [(Side.SELL, Decimal(20), True)]
            assert not (await app.cycle.guard()).breakers
        async with stage.app() as app:
            assert not (await app.cycle.guard()).breakers, "a restart finds the stop where it is"
            assert len(stops()) == 1
            exchange.place(ACCOUNT, NewOrder(LDO, Side.SELL, OrderType.MARKET, Decimal(20)))
            embedded.clock.skip(5_000)
            for _ in range(3):
                last = await app.cycle.guard()
            assert stops() == []
            assert LDO not in last.snapshot.instruments
            app.journal.reader.verify()
    finally:
        await embedded.stop()
