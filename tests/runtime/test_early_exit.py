"""An exit ahead of its guard: what is asked before it, what it closes, and everything that leaves it to the guard."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bot.domain.campaign import OpenExit
from bot.domain.durations import HOUR_MS
from bot.domain.instrument import Side
from bot.domain.order import FOREIGN, ExitPlan, Intent, Order, OrderType, Purpose
from bot.domain.states import KillLevel, OrderState
from bot.feeds.fee_prices import FeePrices
from bot.journal.journal import JournalFull, JournalReader
from bot.journal.record import CycleRecord
from bot.ports import Unavailable
from bot.risk import Approved
from bot.runtime.cycle import CycleResult
from bot.runtime.simulator.embedded import ACCOUNT
from bot.runtime.streams.early_exit import DEADLINE_MS, LOOK_AGE_MS, Look, is_settled
from bot.runtime.turn import EARLY_EXIT, record_of, repeat
from bot.runtime.wiring import App
from bot.simex.dialects.wire import WireReply, WireRequest
from tests.execution.worlds import make_order
from tests.runtime.test_fee_prices import Market
from tests.runtime.test_speculation import AAVE, BEGINS_HOURS, START_MS, downtrend
from tests.stage import Stage

RISES = ((0.996, 1.0), (1, 1.10), (200, 1.10))
BEFORE_MS = 60_000
RISEN_MS = START_MS + (BEGINS_HOURS + 1) * HOUR_MS
SIZE = Decimal(4)
SETTINGS = ('playbook.regime.override="neutral"', "playbook.tactical.is_on=true")
ASKED = ["/fapi/v1/premiumIndex", "/fapi/v1/ticker/bookTicker", "/fapi/v3/positionRisk"]


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine takes longer than the bot would wait."""
    monkeypatch.setattr("bot.runtime.streams.early_exit.DEADLINE_MS", 60_000)


@dataclass
class Held:
    """A long with a stop that rests, whose first target the mark passes a minute after the latest look."""

    stage: Stage
    app: App

    async def close(self) -> CycleResult | None:
        return await self.app.cycle.close_early((AAVE,))

    def rise(self) -> None:
        """The mark passes the first target."""
        self.stage.embedded.clock.skip(RISEN_MS - self.app.clock.now_ms())

    @property
    def size(self) -> Decimal:
        found = [p.size for p in self.stage.embedded.exchange.positions(ACCOUNT) if p.symbol == AAVE]
        return found[0] if found else Decimal(0)


@asynccontextmanager
async def held_long(directory: Path) -> AsyncIterator[Held]:
    async with long_before_the_rise(directory) as held:
        held.rise()
        yield held


@asynccontextmanager
async def long_before_the_rise(directory: Path) -> AsyncIterator[Held]:
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
        stage.embedded.clock.skip(RISEN_MS - BEFORE_MS - app.clock.now_ms())
        for _ in range(3):
            await app.cycle.guard()
        stops = [o for o in stage.embedded.exchange.open_orders(ACCOUNT, AAVE) if o.type is OrderType.STOP]
        assert [o.size for o in stops] == [SIZE]
        yield Held(stage, app)


def look_of(held: Held) -> Look:
    look = held.app.cycle._latest
    assert look is not None
    return look


async def test_the_order_leaves_after_three_questions_about_its_own_perp(tmp_path: Path) -> None:
    def answer(_: WireRequest) -> WireReply | None:
        return None

    async with held_long(tmp_path) as held:
        looked = look_of(held)
        with held.stage.answering(answer) as asked:
            result = await held.close()
        assert look_of(held).at_ms == looked.at_ms, "it has asked for a part only: the look grows no younger"
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


async def test_turn_and_order_are_on_disk_by_one_commit_before_the_order_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.journal.writer.FOLLOWED_SECONDS", 60.0)
    found: list[tuple[int, list[str]]] = []

    async with held_long(tmp_path) as held:
        writer: Any = held.app.journal._writer
        transact, commits = writer._transact, [0]

        def counted(db: Any, batch: Any) -> Any:
            commits[0] += 1
            return transact(db, batch)

        def look(request: WireRequest) -> WireReply | None:
            if (request.method, request.path) == ("POST", "/fapi/v1/order"):
                with closing(sqlite3.connect(held.app.journal.path)) as db:
                    kinds = db.execute("SELECT kind FROM event ORDER BY seq DESC LIMIT 2").fetchall()
                found.append((commits[0], [kind for (kind,) in kinds]))
            return None

        monkeypatch.setattr(writer, "_transact", counted)
        with held.stage.answering(look):
            assert await held.close() is not None
    assert found[0] == (1, ["order_submitting", "cycle"])


async def test_no_exit_leaves_whose_turn_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise error

    async with held_long(tmp_path) as held:
        before = held.stage.writes()
        monkeypatch.setattr(held.app.journal, "_write_cycle", full)
        with pytest.raises(JournalFull):
            await held.close()
        assert (held.stage.writes(), held.size) == (before, SIZE)


async def test_an_exit_that_is_ended_before_its_order_leaves_its_turn_and_no_other_takes_its_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the kill switch ends a turn that hangs: the record was begun and nothing has followed it."""
    reached = asyncio.Event()

    async def hang(*_: Any) -> None:
        reached.set()
        await asyncio.Event().wait()

    async with held_long(tmp_path) as held:
        reader, before = held.app.journal.reader, held.stage.writes()
        number = reader.next_cycle_number()
        with monkeypatch.context() as patch:
            patch.setattr(held.app.cycle.parts.executor, "act", hang)
            task = asyncio.create_task(held.close())
            async with asyncio.timeout(30):
                await reached.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        record = reader.load_cycle(number)
        assert record is not None
        assert (record.kind, reader.next_cycle_number(), held.stage.writes()) == (EARLY_EXIT, number + 1, before)
        await held.app.cycle.guard()
        await held.app.cycle.guard()
        await held.stage.check_books(held.app)


async def deleverage(held: Held) -> None:
    """The exchange takes a part of it, and no stream has told."""
    held.stage.embedded.exchange.deleverage(ACCOUNT, AAVE, Decimal(1))


async def throw_the_switch(held: Held) -> None:
    held.app.cycle._kill_level = lambda: KillLevel.PAUSE


async def fail_a_turn(held: Held) -> None:
    """What the turn before it has found counts no more."""
    with held.stage.answering(lambda _: WireReply(503, "down")), pytest.raises(Unavailable):
        await held.app.cycle.guard()


async def wait_too_long(held: Held) -> None:
    held.stage.embedded.clock.skip(LOOK_AGE_MS)


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


HAPPENINGS = (deleverage, throw_the_switch, fail_a_turn, wait_too_long, answer_another_mark, cancel_the_stop)


@pytest.mark.parametrize("happen", HAPPENINGS)
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


@pytest.mark.parametrize("question", ["fetch_position_size", "fetch_quotes"])
async def test_a_question_that_hangs_leaves_it_to_the_guard_within_the_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, question: str
) -> None:
    async def hang(_: Any) -> None:
        await asyncio.Event().wait()

    async with held_long(tmp_path) as held:
        monkeypatch.setattr("bot.runtime.streams.early_exit.DEADLINE_MS", DEADLINE_MS)
        monkeypatch.setattr(held.app.cycle.parts.venue, question, hang)
        async with asyncio.timeout(30):
            assert await held.close() is None
        assert held.size == SIZE


async def test_only_what_is_known_whole_agrees_and_rests_is_settled(tmp_path: Path) -> None:
    """Each row is of one thing that the look or the journal says otherwise."""
    async with long_before_the_rise(tmp_path) as held:
        look, working = look_of(held), held.app.journal.reader.load_working()
    truth, account = look.truth, look.truth.account
    (stop,) = [order for order in truth.working if order.symbol == AAVE]
    rests = {"symbol": AAVE, "state": OrderState.OPEN}
    foreign = make_order(7, **rests, intent_id=FOREIGN, order_type=OrderType.STOP)
    limit, doubted = make_order(7, **rests), replace(stop, state=OrderState.IN_DOUBT)

    def beside(order: Order) -> tuple[Look, tuple[Order, ...]]:
        return replace(look, truth=replace(truth, working=(*truth.working, order))), (*working, order)

    unread = replace(account, unreadable={"spot:UNI": "no number"})
    flat = replace(account, positions={})
    rows = {
        "a lock": (replace(look, truth=replace(truth, locked=frozenset({AAVE}))), working),
        "a row that could not be read": (replace(look, truth=replace(truth, account=unread)), working),
        "books that differ": (replace(look, truth=replace(truth, is_agreed=False)), working),
        "a stop that the venue does not show": (replace(look, truth=replace(truth, unseen={stop.client_id})), working),
        "an order of somebody else": beside(foreign),
        "an order that is no stop": beside(limit),
        "a stop in doubt": (replace(look, truth=replace(truth, working=(doubted,))), (doubted,)),
        "an order since the look": (look, (*working, limit)),
        "a stop that is gone since the look": (look, ()),
        "no position": (replace(look, truth=replace(truth, account=flat)), working),
        "no rules of the perp": (replace(look, snapshot=replace(look.snapshot, instruments={})), working),
    }
    assert is_settled(AAVE, look, working)
    assert not [what for what, (seen, now) in rows.items() if is_settled(AAVE, seen, now)]
    other = make_order(7, symbol="UNI/USDT:USDT", state=OrderState.OPEN)
    assert is_settled(AAVE, replace(look, truth=replace(truth, locked=frozenset({"UNI/USDT"}))), (*working, other))


async def test_fees_in_an_asset_whose_price_the_guard_knows_stop_no_entries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An early exit asks for no price of fees: it goes by the answers of before."""
    market: Any = Market({"BNB/USDT": Decimal(600)}, clock_ms=START_MS)
    monkeypatch.setattr(JournalReader, "load_fees", lambda *_: {"BNB": Decimal("0.01")})
    monkeypatch.setattr("bot.runtime.cycle.FeePrices", lambda _: FeePrices(market))
    async with held_long(tmp_path) as held:
        result = await held.close()
        assert result is not None
        record = held.app.journal.reader.load_cycle(result.number)
        assert record is not None
        assert record.inputs.risk is not None
        assert (record.inputs.risk.fees_unknown_in, record.inputs.risk.fees_today_quote) == ((), Decimal(6))
        assert market.asked == ["BNB/USDT"]
