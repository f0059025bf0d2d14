"""Spot prices of one token that stand still, at the embedded exchange: its entries wait, the others go on."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.domain.instrument import Side
from bot.domain.reason import Reason
from bot.risk import Refused
from tests.stage import Stage, staged

X = "UNI/USDT"


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path) as made:
        yield made


async def test_frozen_prices_of_one_token_stop_its_entries_alone(stage: Stage) -> None:
    exchange, clock = stage.embedded.exchange, stage.embedded.clock
    async with stage.app() as app:
        exchange.freeze_prices(X)
        await app.cycle.guard()
        clock.skip(60_000)
        for _ in range(5):
            await stage.turn(app)
        refused = [v for turn in stage.results for v in turn.verdicts if isinstance(v, Refused)]
        assert {v.intent.symbol for v in refused if v.note.reason is Reason.PRICE_STALE} == {X}
        bought = {o.symbol for o in stage.orders() if o.filled_size > 0 and o.side is Side.BUY}
        assert X not in bought
        assert {o.symbol for o in stage.orders() if o.filled_size > 0} >= {"ETH/USDT", "AVAX/USDT"}
        exchange.freeze_prices(X, frozen=False)
        await stage.rotate(app)
        assert X in {o.symbol for o in stage.orders() if o.filled_size > 0 and o.side is Side.BUY}
        await stage.check_books(app)
