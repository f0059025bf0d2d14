"""A position and its stop in a perp that the exchange listed no more when the bot started again."""

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from bot.domain.durations import HOUR_MS
from bot.domain.instrument import Side
from bot.domain.reason import Reason
from bot.domain.states import KillLevel
from bot.playbook.orders.flatten import flatten
from bot.runtime.cycle import CycleResult
from bot.runtime.wiring import App
from bot.simex.engine.types import ListingStatus, NewOrder, OrderType
from tests.stage import ACCOUNT, Stage, notes_of, staged

X = "UNI/USDT:USDT"


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """The position is held and has its stop; the bot is down, and the list of instruments lacks X."""
    async with staged(tmp_path) as made:
        exchange = made.embedded.exchange
        exchange.set_margin_type(ACCOUNT, X, isolated=True)
        exchange.place(ACCOUNT, NewOrder(X, Side.BUY, OrderType.MARKET, Decimal(20)))
        async with made.app() as app:
            await app.cycle.guard()
            assert len(stops(made)) == 1
        exchange.unlist(X)
        yield made


def stops(stage: Stage) -> list[tuple[Side, Decimal | None]]:
    return [(o.side, o.size) for o in stage.embedded.exchange.open_orders(ACCOUNT, X, is_trigger=True)]


def without_file(stage: Stage, is_kept: bool) -> None:
    for path in [] if is_kept else Path(stage.settings.state_directory).rglob("instruments-*.json"):
        path.unlink()


async def looks(app: App, count: int = 3) -> CycleResult:
    for _ in range(count):  # the first is answered by the file of instruments where there is one
        result = await app.cycle.guard()
    return result


@pytest.mark.parametrize("has_file", [True, False])
async def test_the_position_is_named_keeps_its_stop_and_entries_elsewhere_go_on(stage: Stage, has_file: bool) -> None:
    without_file(stage, has_file)
    async with stage.app() as app:
        result = await looks(app)
        assert any(absent.what == f"instrument {X}" for absent in result.snapshot.missing)
        assert result.snapshot.instruments[X].is_former
        assert any(note.subject == X and note.reason is Reason.POSITION_UNOWNED for note in notes_of(result))
        assert stops(stage) == [(Side.SELL, Decimal(20))]
        assert not result.breakers
        for _ in range(4):
            await stage.turn(app)
        traded = {order.symbol for order in stage.orders() if order.filled_size > 0}
        assert {"ETH/USDT", "UNI/USDT"} <= traded
        await stage.check_books(app)


@pytest.mark.parametrize("has_file", [True, False])
async def test_a_stop_that_is_lost_is_placed_again_and_the_switch_withdraws_it(stage: Stage, has_file: bool) -> None:
    without_file(stage, has_file)
    stage.embedded.exchange.cancel_all(ACCOUNT, X, is_trigger=True)
    async with stage.app() as app:
        await looks(app, 4)
        assert stops(stage) == [(Side.SELL, Decimal(20))]
        assert await app.cycle.withdraw(KillLevel.CANCEL_ALL) == ()
        assert stops(stage) == []
        await stage.check_books(app)


async def test_a_flatten_closes_it(stage: Stage) -> None:
    async with stage.app() as app:
        result = await looks(app)
        wanted = flatten(result.snapshot, result.portfolio, {}, slice_share=Decimal(1), slippage=Decimal("0.02"))
        assert [(intent.symbol, intent.size, intent.reduce_only) for intent in wanted] == [(X, Decimal(20), True)]


async def test_a_refusal_after_the_settlement_is_said_and_the_rest_goes_on(stage: Stage) -> None:
    exchange = stage.embedded.exchange
    exchange.cancel_all(ACCOUNT, X, is_trigger=True)
    exchange.set_status(X, ListingStatus.SETTLING)
    async with stage.app() as app:
        before = stage.writes("/algoOrder")
        results = [await app.cycle.guard() for _ in range(6)]
        assert 1 <= stage.writes("/algoOrder") - before <= 2, "a refusal that is final is not repeated"
        assert any(note.reason is Reason.LEG_REFUSED and X in note.words for r in results for note in notes_of(r))
        exchange.delist(X)
        await app.cycle.guard()
        exchange.remove(X)
        stage.embedded.clock.skip(HOUR_MS // 60)
        for _ in range(5):
            last = await stage.turn(app)
        assert X not in last.truth.account.positions
        assert not last.breakers
        assert {"ETH/USDT", "UNI/USDT"} <= {order.symbol for order in stage.orders() if order.filled_size > 0}
