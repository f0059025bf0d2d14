"""A journal that is older than the account is recognised before the first order, and nothing of it is done again."""

import shutil
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from bot.domain.durations import HOUR_MS
from bot.domain.order import OrderType, Purpose
from bot.journal.disk.backup import back_up
from bot.lab.demo.scenarios import SIM_START
from bot.runtime.simulator.embedded import ACCOUNT, embed, tokens_of
from bot.runtime.wiring import App
from bot.simex.engine.types import SimOrder
from tests.client_ids import leg_of
from tests.stage import Stage, golden, market_of, staged

COMMAND = "sectorbot resume --accept-mismatch"
BACK = "playbook.regime.override=uncertainty"


def _holdings(stage: Stage) -> dict[str, Decimal]:
    exchange = stage.embedded.exchange
    spot = {asset: balance.total for asset, balance in exchange.balances(ACCOUNT).items()}
    return spot | {p.symbol: p.size for p in exchange.positions(ACCOUNT)}


def _put_in_place(stage: Stage, copy: Path | None) -> None:
    """What the README says: the copy in place of the journal, and no `-wal` and `-shm`; or nothing at all."""
    path = stage.settings.journal_path
    for file in path.parent.glob(path.name + "*"):
        file.unlink()
    if copy is not None:
        shutil.copy(copy, path)


def _unique(stage: Stage) -> None:
    ids = Counter((order.symbol, order.client_id) for order in stage.orders() if order.parent_id is None)
    assert max(ids.values()) == 1, "an id was used twice"


def _are_longs_stopped(stage: Stage) -> bool:
    exchange = stage.embedded.exchange
    longs = [position.symbol for position in exchange.positions(ACCOUNT) if position.size > 0]
    return all(any(o.type is OrderType.STOP for o in exchange.open_orders(ACCOUNT, symbol)) for symbol in longs)


async def _lead_to(stage: Stage, moment: str, copy: Path) -> None:
    """A life that is copied at some moment and goes on after it: the rest of the rotation, or another rotation."""
    async with stage.app() as app:
        if moment == "before":
            await app.cycle.guard()
            back_up(stage.settings.journal_path, copy)
        elif moment.startswith("inside"):
            for _ in range(int(moment.split()[1])):
                await stage.turn(app)
            back_up(stage.settings.journal_path, copy)
        await stage.rotate(app)
        if moment == "after":
            back_up(stage.settings.journal_path, copy)
    if moment == "after" or moment.endswith("and another"):
        await _rotate_back(stage)


async def _rotate_back(stage: Stage) -> None:
    stage.settings = golden(stage.settings.state_directory, BACK)
    stage.embedded.clock.skip(30 * HOUR_MS)
    async with stage.app() as app:
        await stage.rotate(app)


async def _check_it_stands_still(stage: Stage, app: App, before: dict[str, Decimal]) -> None:
    posted = len(stage.orders())
    for number in range(4):
        result = await (app.cycle.run() if number % 2 else app.cycle.guard())
        assert not result.truth.is_agreed
        said = [note.words for note in result.truth.notes if COMMAND in note.words]
        assert len(said) == 1, "one sentence says which command decides"
        assert _are_longs_stopped(stage)
        stage.embedded.clock.skip(60_000)
    assert {order.reduce_only for order in stage.orders()[posted:]} <= {True}, "exits at most"
    assert _holdings(stage) == before, "what the lost part of the journal did is not done again"


def _turnover(orders: list[SimOrder]) -> Decimal:
    return sum((order.filled_quote for order in orders if ":" not in order.symbol), Decimal(0))


@pytest.mark.sweep(keep=1)
@pytest.mark.parametrize(
    "moment",
    [
        "before",
        "inside 1",
        "lost",
        *(pytest.param(moment, marks=pytest.mark.slow) for moment in ("inside 3", "inside 2 and another", "after")),
    ],
)
async def test_a_restored_copy_never_rotates_again_nor_reuses_an_id(tmp_path: Path, moment: str) -> None:
    async with staged(tmp_path / "state") as stage:
        copy = tmp_path / "copy.db"
        await _lead_to(stage, moment, copy)
        before, done = _holdings(stage), {(o.symbol, o.id) for o in stage.orders()}
        stage.embedded.clock.skip(HOUR_MS)
        _put_in_place(stage, None if moment == "lost" else copy)
        async with stage.app() as app:
            await _check_it_stands_still(stage, app, before)
            await app.cycle.accept(by="operator", reason="restored from a copy")
            result = await app.cycle.guard()
            assert result.truth.is_agreed
            assert _are_longs_stopped(stage)
            await stage.rotate(app)
            await app.cycle.guard()
            assert _are_longs_stopped(stage)
            assert (await app.cycle.settle()).is_agreed
            again = [order for order in stage.orders() if (order.symbol, order.id) not in done]
            assert _turnover(again) < 2_500, "what has been rotated stays where it is"
            campaigns = {
                o.purpose for o in app.journal.reader.load_orders(1_000) if o.client_id in {a.client_id for a in again}
            }
            assert not campaigns & {Purpose.HEDGE, Purpose.TACTICAL}
        _unique(stage)
        stage.embedded.exchange.audit()


async def test_what_is_accepted_before_it_was_seen_is_looked_for_first(tmp_path: Path) -> None:
    """`resume` without a daemon: the next one finds the request before its first turn."""
    async with staged(tmp_path / "state") as stage:
        copy = tmp_path / "copy.db"
        await _lead_to(stage, "inside 1", copy)
        _put_in_place(stage, copy)
        async with stage.app() as app:
            await app.cycle.accept(by="operator", reason="restored")
            assert (await app.cycle.guard()).truth.is_agreed


async def test_an_exchange_that_was_reset_is_traded_on_once_it_is_accepted(tmp_path: Path) -> None:
    """A test network forgets the account and begins its numbers anew. Trades under numbers of old ones are new: each
    sale is made once, and needs no second word of the operator."""
    async with staged(tmp_path) as stage, stage.app() as app:
        for _ in range(5):
            await stage.turn(app)
    start_ms = int(SIM_START.timestamp() * 1000)
    market = market_of(tokens_of(stage.settings), start_ms)
    embedded = await embed(stage.settings, market, start_ms + 6 * HOUR_MS)
    anew = Stage(stage.settings, embedded)
    async with anew.app() as app:
        assert not (await anew.turn(app)).truth.is_agreed
        assert not anew.orders(), "nothing is sent before the books are compared"
        await app.cycle.accept(by="operator", reason="the exchange was reset")
        for _ in range(6):
            assert (await anew.turn(app)).truth.is_agreed
            embedded.clock.skip(120_000)
        orders = anew.orders()
        legs = Counter(leg_of(order.client_id) for order in orders if order.filled_size)
        assert legs
        assert max(legs.values()) == 1, "the sale of a leg was repeated"
        for order in orders:
            ours = app.journal.reader.load_order(order.client_id)
            assert ours is not None
            assert ours.filled_size == order.filled_size
            fills = app.journal.reader.load_fills(1_000)
            assert sum(fill.size for fill in fills if fill.client_id == ours.client_id) == order.filled_size
    await embedded.stop()


async def test_an_ordinary_restart_finds_nothing_unknown(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        for _ in range(3):
            async with stage.app() as app:
                await stage.turn(app)
                assert stage.results[-1].truth.is_agreed
        async with stage.app() as app:
            await stage.rotate(app)
            await stage.check_books(app)


async def test_a_second_bot_with_its_own_journal_is_noticed_by_both(tmp_path: Path) -> None:
    async with staged(tmp_path / "one") as stage:
        second = Stage(golden(tmp_path / "two"), stage.embedded)
        async with second.app() as newcomer, stage.app() as app:
            # both see an untouched account, then the first one trades
            assert (await newcomer.cycle.guard()).truth.is_agreed
            assert (await stage.turn(app)).truth.is_agreed
            posted = len(stage.orders())
            assert posted
            for _ in range(3):
                assert not (await second.turn(newcomer)).truth.is_agreed
            assert len(stage.orders()) == posted, "it sends nothing beside the other one"
        third = Stage(golden(tmp_path / "three"), stage.embedded)
        async with third.app() as latecomer:
            result = await third.turn(latecomer)
            assert not result.truth.is_agreed, "noticed at its start"
            assert any(COMMAND in note.words for note in result.truth.notes)
            assert len(stage.orders()) == posted
        _unique(stage)
