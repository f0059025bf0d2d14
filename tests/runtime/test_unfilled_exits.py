"""Exits that are sent again and again and execute nothing are said aloud at a bound."""

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bot.domain.durations import DAY_MS, MINUTE_MS
from bot.domain.instrument import Side
from bot.domain.order import Purpose
from bot.domain.reason import Note, Reason
from bot.domain.states import KillLevel
from bot.risk import Approved
from bot.runtime.logs import log_cycle
from bot.runtime.watch.unfilled_exits import UNFILLED_MAX, note_unfilled_exits
from bot.simex.dialects.wire import WireReply, WireRequest
from tests.execution.scripted_venue import PERP, ScriptedVenue
from tests.execution.worlds import World, approve, open_world
from tests.stage import staged

CLOSE = approve(
    Purpose.EXIT,
    id=f"x1.{PERP}",
    campaign=0,
    tranche=1,
    symbol=PERP,
    side=Side.SELL,
    reduce_only=True,
    worst_price=Decimal(9),
)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = await open_world(tmp_path / "j.db", ScriptedVenue())
    yield made
    await made.journal.close()


async def tried(world: World, word: str, item: Approved = CLOSE) -> tuple[Note, ...]:
    """One turn that sends the exit; `word` is what becomes of its orders."""
    world.venue.submits.extend([word] * 3)
    outcomes = await world.executor.act([item])
    world.venue.submits.clear()
    world.venue.advance(MINUTE_MS)
    return note_unfilled_exits(outcomes, world.journal.reader, world.venue.now_ms())


def count(world: World) -> int:
    return len(world.journal.reader.load_orders_of_intent(CLOSE.intent.id))


@pytest.mark.parametrize("word", ["expire", "reject:other"])
async def test_an_exit_that_executes_nothing_is_said_at_the_bound_and_not_before(world: World, word: str) -> None:
    while count(world) < UNFILLED_MAX:
        notes = await tried(world, word)
        assert bool(notes) is (count(world) >= UNFILLED_MAX)
    (note,) = notes
    assert (note.reason, note.subject) == (Reason.EXIT_UNFILLED, PERP)
    assert f"{count(world)} orders that close it executed nothing" in note.words


async def test_an_execution_begins_the_count_anew(world: World) -> None:
    while count(world) < UNFILLED_MAX:
        await tried(world, "expire")
    assert await tried(world, "partial") == ()
    assert await tried(world, "expire") == ()


async def test_tries_of_another_day_and_entries_do_not_count(world: World) -> None:
    while count(world) < UNFILLED_MAX - 1:
        await tried(world, "expire")
    world.venue.advance(DAY_MS)
    assert await tried(world, "expire") == ()
    for _ in range(UNFILLED_MAX):
        assert await tried(world, "expire", approve(id="c1.t1.l1")) == ()


async def test_a_flatten_whose_orders_are_all_refused_is_critical(tmp_path: Path) -> None:
    def refuse(asked: WireRequest) -> WireReply | None:
        is_order = asked.method == "POST" and asked.path.endswith("/order")
        return WireReply(400, {"code": -2010, "msg": "Account has insufficient balance."}) if is_order else None

    async with staged(tmp_path) as stage, stage.app() as app:
        app.kill.engage(KillLevel.FLATTEN, "test")
        with stage.answering(refuse), capture_logs() as said:
            for _ in range(UNFILLED_MAX):
                log_cycle(await stage.turn(app))
                stage.embedded.clock.skip(MINUTE_MS)
        assert any(line["event"] == "exit_unfilled" and line["log_level"] == "critical" for line in said)
