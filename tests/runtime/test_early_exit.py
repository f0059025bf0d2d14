"""An exit ahead of its guard: what is asked before it, what it closes, and everything that leaves it to the guard."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bot.domain.campaign import OpenExit
from bot.domain.durations import HOUR_MS
from bot.domain.instrument import Side
from bot.domain.order import ExitPlan, Intent, OrderType, Purpose
from bot.domain.states import KillLevel
from bot.journal.record import CycleRecord
from bot.risk import Approved
from bot.runtime.cycle import CycleResult
from bot.runtime.simulator.embedded import ACCOUNT
from bot.runtime.turn import EARLY_EXIT, record_of, repeat
from bot.runtime.wiring import App
from bot.simex.dialects.wire import WireReply, WireRequest
from tests.runtime.test_speculation import AAVE, BEGINS_HOURS, START_MS, downtrend
from tests.stage import Stage

RISES = ((1, 1.10), (200, 1.10))
SIZE = Decimal(4)
SETTINGS = ('playbook.regime.override="neutral"', "playbook.tactical.is_on=true")
ASKED = ["/fapi/v1/premiumIndex", "/fapi/v1/ticker/bookTicker", "/fapi/v3/positionRisk"]


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine takes longer than the bot would wait."""
    monkeypatch.setattr("bot.runtime.streams.early_exit.DEADLINE_MS", 60_000)


@dataclass
class Held:
    """A long with a stop that rests, whose first target the mark has passed since the latest look."""

    stage: Stage
    app: App

    async def close(self) -> CycleResult | None:
        return await self.app.cycle.close_early((AAVE,))

    @property
    def size(self) -> Decimal:
        found = [p.size for p in self.stage.embedded.exchange.positions(ACCOUNT) if p.symbol == AAVE]
        return found[0] if found else Decimal(0)


@asynccontextmanager
async def held_long(directory: Path) -> AsyncIterator[Held]:
    async with downtrend(directory, RISES, SETTINGS) as stage, stage.app() as app:
        result = await app.cycle.run()
        price = result.snapshot.quotes[AAVE].ask
        bound = result.snapshot.instruments[AAVE].floor_price(price * Decimal("1.02"))
        intent = Intent(
            id="t.1",
            campaign=1,
            tranche=1,
            leg=1,
            purpose=Purpose.TACTICAL,
            sector="defi",
            symbol=AAVE,
            side=Side.BUY,
            size=SIZE,
            worst_price=bound,
            reference_price=price,
            leverage=Decimal(2),
        )
        await app.cycle.parts.executor.act([Approved(intent, SIZE, bound)])
        targets = ((price * Decimal("1.05"), Decimal("0.5")), (price * 2, Decimal("0.25")))
        plan = ExitPlan(price * Decimal("0.8"), targets, Decimal("0.2"), 10**15, Decimal(10**6))
        held = OpenExit(AAVE, "defi", SIZE, price, plan, price, campaign=1, side=Side.BUY)
        await app.journal.record_memory(replace(app.journal.reader.load_memory(), exits=(held,)))
        for _ in range(3):
            await app.cycle.guard()
        stops = [o for o in stage.embedded.exchange.open_orders(ACCOUNT, AAVE) if o.type is OrderType.STOP]
        assert [o.size for o in stops] == [SIZE]
        begun = START_MS + BEGINS_HOURS * HOUR_MS + HOUR_MS
        stage.embedded.clock.skip(begun - app.clock.now_ms())
        yield Held(stage, app)


async def test_the_order_leaves_after_three_questions_about_its_own_perp(tmp_path: Path) -> None:
    def answer(_: WireRequest) -> WireReply | None:
        return None

    async with held_long(tmp_path) as held:
        with held.stage.answering(answer) as asked:
            result = await held.close()
        assert result is not None
        assert result.kind == EARLY_EXIT
        first_write = next(n for n, one in enumerate(asked) if one.method == "POST")
        assert sorted(one.path for one in asked[:first_write]) == ASKED
        assert (asked[first_write].path, held.size) == ("/fapi/v1/order", SIZE / 2)
        memory = held.app.journal.reader.load_memory()
        assert [exit_.targets_hit for exit_ in memory.exits] == [1]
        guard = await held.app.cycle.guard()
        assert not [i for i in guard.decision.intents if not i.order_type.is_trigger]
        assert held.size == SIZE / 2
        await held.stage.check_books(held.app)


async def test_its_record_gives_the_same_plan_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[CycleRecord] = []

    def kept(*arguments: Any) -> CycleRecord:
        made.append(record_of(*arguments))
        return made[-1]

    async with held_long(tmp_path) as held:
        monkeypatch.setattr("bot.runtime.cycle.record_of", kept)
        assert await held.close() is not None
        record = held.app.journal.reader.load_cycle(made[0].number)
        assert record is not None
        assert record.inputs.early == (AAVE,)
        again = repeat(record.inputs, held.app.cycle.parts.numbers)
        assert (again.decision, len(again.approved)) == (record.decision, 1)


async def deleverage(held: Held) -> None:
    """The exchange takes a part of it, and no stream has told."""
    held.stage.embedded.exchange.deleverage(ACCOUNT, AAVE, Decimal(1))


async def throw_the_switch(held: Held) -> None:
    held.app.cycle._kill_level = lambda: KillLevel.PAUSE


async def fail_a_turn(held: Held) -> None:
    held.app.cycle._latest = None


async def answer_another_mark(held: Held) -> None:
    """The stream has lied: the venue's mark has not reached the target."""
    memory = held.app.journal.reader.load_memory()
    (one,) = memory.exits
    targets = ((one.plan.targets[0][0] * 2, Decimal("0.5")),)
    exits = (replace(one, plan=replace(one.plan, targets=targets)),)
    await held.app.journal.record_memory(replace(memory, exits=exits))


async def cancel_the_stop(held: Held) -> None:
    """An order of the perp is not what the look has found."""
    (stop,) = [o for o in held.app.journal.reader.load_working() if o.symbol == AAVE]
    await held.app.cycle.parts.executor.cancel([stop])


@pytest.mark.parametrize("happen", [deleverage, throw_the_switch, fail_a_turn, answer_another_mark, cancel_the_stop])
async def test_whatever_is_not_as_the_look_found_it_is_left_to_the_guard(
    tmp_path: Path, happen: Callable[[Held], Any]
) -> None:
    async with held_long(tmp_path) as held:
        await happen(held)
        before, number = held.stage.writes(), held.app.journal.reader.next_cycle_number()
        assert await held.close() is None
        assert (held.stage.writes(), held.app.journal.reader.next_cycle_number()) == (before, number)


@pytest.mark.parametrize("path", ASKED)
async def test_a_question_without_an_answer_leaves_it_to_the_guard(tmp_path: Path, path: str) -> None:
    def refuse(request: WireRequest) -> WireReply | None:
        return WireReply(503, "down") if request.path == path else None

    async with held_long(tmp_path) as held:
        before = held.stage.writes()
        with held.stage.answering(refuse):
            assert await held.close() is None
        assert (held.stage.writes(), held.size) == (before, SIZE)
