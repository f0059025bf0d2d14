"""`plan` is the next `run`: the same inputs of the gate, breakers, verdicts and orders wherever a limit bites."""

import hashlib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bot.domain.instrument import Side
from bot.domain.order import Purpose
from bot.domain.reason import Reason
from bot.domain.states import KillLevel
from bot.journal.journal import JournalError
from bot.ports import SetupFailed, Unavailable
from bot.risk import Refused
from bot.runtime import cycle as cycle_module
from bot.runtime import preview as preview_module
from bot.runtime import wiring
from bot.runtime.cycle import CycleResult
from bot.runtime.kill.flag_file import FlagFile
from bot.runtime.preview import preview
from bot.runtime.turn import Numbers, Proposal, TurnBooks, TurnPlan, judge
from bot.runtime.wiring import App, build
from bot.simex.engine.ledger import DEPOSITS
from bot.simex.engine.types import NewOrder, OrderType
from bot.simex.faults import Fault, FaultRule
from tests.stage import ACCOUNT, Stage, golden, staged

UNI, ETH = "UNI/USDT:USDT", "ETH/USDT:USDT"
MOVING = {"now_ms", "latency_ms", "clock_skew_ms"}  # differ between two moments and say nothing about limits
LARGE = "risk.order_notional_max_quote=1000000"
Prepare = Callable[[Stage, App], Awaitable[None]]


async def rotate_partly(stage: Stage, app: App) -> None:
    """Hedge and sales of today are done: something for every budget of the day. The purchases are next."""
    for _ in range(2):
        await stage.turn(app)


async def buy_a_little(stage: Stage, app: App) -> None:
    """The first purchases were small ones; the rest of them is next."""
    await rotate_partly(stage, app)
    app.cycle.is_canary = True
    await stage.turn(app)


async def pay_a_fee_without_a_price(stage: Stage, app: App) -> None:
    await rotate_partly(stage, app)
    fill = app.journal.reader.load_fills(1)[0]
    await app.journal.record_fills([replace(fill, trade_id="77", size=Decimal(0), fee=Decimal(1), fee_asset="XYZ")])


async def answer_slowly(stage: Stage, app: App) -> None:
    await rotate_partly(stage, app)
    stage.spoil(Fault(delay_before_ms=150), "GET", "*", times=None)


async def lose_the_quotes_of_perps(stage: Stage, app: App) -> None:
    await rotate_partly(stage, app)
    stage.spoil(Fault(reply_status=400, skips_engine=True), "GET", "/fapi/*/ticker/bookTicker", times=None)


async def lose_since_the_day_began(stage: Stage, app: App) -> None:
    await rotate_partly(stage, app)
    memory = app.journal.reader.load_memory()
    await app.journal.record_memory(replace(memory, day_start_equity=Decimal(200_000)))


async def fall_from_the_peak(stage: Stage, app: App) -> None:
    await rotate_partly(stage, app)
    await app.journal.record_memory(replace(app.journal.reader.load_memory(), equity_peak=Decimal(200_000)))


async def be_rejected(stage: Stage, app: App) -> None:
    lost = Fault(reply_status=400, reply_body='{"code":-2010,"msg":"This action is disabled."}', skips_engine=True)
    stage.embedded.server.faults.add(FaultRule(lost, "POST", "*/order", times=None))
    for _ in range(2):
        await stage.turn(app)
    stage.heal()
    await rotate_partly(stage, app)


async def open_a_position_of_a_stranger(stage: Stage, app: App) -> None:
    await rotate_partly(stage, app)
    stage.embedded.exchange.set_margin_type(ACCOUNT, UNI, isolated=True)
    stage.embedded.exchange.place(ACCOUNT, NewOrder(UNI, Side.BUY, OrderType.MARKET, Decimal(50)))


async def keep_a_position_without_a_stop(stage: Stage, app: App) -> None:
    await open_a_position_of_a_stranger(stage, app)
    lost = Fault(
        reply_status=400, reply_body='{"code":-2021,"msg":"Order would immediately trigger."}', skips_engine=True
    )
    stage.embedded.server.faults.add(FaultRule(lost, "POST", "/fapi/*rder*", times=None))
    for _ in range(3):
        await app.cycle.guard()
        stage.embedded.clock.skip(60_000)


async def spoil_the_account(stage: Stage, app: App) -> None:
    """A hedge is held, so the next start goes on without entries."""
    await rotate_partly(stage, app)
    exchange = stage.embedded.exchange
    exchange.put_into_modes(ACCOUNT, replace(exchange.modes(ACCOUNT), is_multi_assets=True))


async def miss_tokens(stage: Stage, app: App) -> None:
    """Tokens that no order, payment or conversion has taken."""
    await rotate_partly(stage, app)
    account = stage.embedded.exchange._state.account(ACCOUNT)
    stage.embedded.exchange._state.ledger.move("SOL", account.spot, DEPOSITS, Decimal(20))


async def set_another_leverage(stage: Stage, app: App) -> None:
    await stage.rotate(app)
    await app.cycle.guard()
    stage.embedded.exchange.set_leverage(ACCOUNT, UNI, 20)


async def leave_an_order_in_doubt(stage: Stage, app: App) -> None:
    """Its answer is lost, and the venue does not say whether it knows it."""
    await rotate_partly(stage, app)
    stage.spoil(Fault(after_engine_drop=True), "POST", "*/order", times=1)
    stage.spoil(Fault(reply_status=503, skips_engine=True), "GET", "*/order", times=None)
    with suppress(Unavailable):
        await stage.turn(app)
    stage.embedded.clock.skip(10_000)


@dataclass(frozen=True, slots=True)
class Case:
    """What happened before, the settings from then on, and what must bite."""

    reason: Reason
    changes: tuple[str, ...] = ()
    prepare: Prepare = rotate_partly
    is_breaker: bool = False


CASES = (
    Case(Reason.TURNOVER, ("risk.turnover_max=0.01",)),
    Case(Reason.ORDER_RATE, ("risk.orders_per_minute_max=1",)),
    Case(Reason.ORDER_RATE, ("risk.orders_per_day_max=1",)),
    Case(Reason.REPEATED_EXECUTION, ("risk.executions_per_hour_max=1",), buy_a_little),
    Case(Reason.FEE_BUDGET, ("risk.fees_max_day=0.000001",)),
    Case(Reason.REPEATED_EXECUTION, ("risk.fills_per_minute_max=1",), is_breaker=True),
    Case(Reason.DAILY_LOSS, prepare=lose_since_the_day_began, is_breaker=True),
    Case(Reason.DRAWDOWN, prepare=fall_from_the_peak, is_breaker=True),
    Case(Reason.REJECT_RATE, ("risk.rejections_max=0",), be_rejected, is_breaker=True),
    Case(Reason.LEVERAGE_DIFFERS, prepare=set_another_leverage, is_breaker=True),
    Case(Reason.VENUE_SLOW, ("risk.latency_max_ms=100",), answer_slowly, is_breaker=True),
    Case(Reason.READINGS_LOST, prepare=lose_the_quotes_of_perps, is_breaker=True),
    Case(Reason.DOUBT_OLD, ("risk.doubt_age_max_ms=1000",), leave_an_order_in_doubt, is_breaker=True),
    Case(Reason.FEES_UNKNOWN, ("risk.fees_unknown_max=0",), pay_a_fee_without_a_price, is_breaker=True),
    Case(Reason.POSITION_UNGUARDED, prepare=keep_a_position_without_a_stop, is_breaker=True),
    Case(Reason.LEVERAGE_DIFFERS, prepare=open_a_position_of_a_stranger, is_breaker=True),
    Case(Reason.ACCOUNT_SETTING, prepare=spoil_the_account, is_breaker=True),
    Case(Reason.NOT_RECONCILED, prepare=miss_tokens),
)


class Seen:
    """What reaches the gate, turn by turn."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.plans: list[TurnPlan] = []
        patch.setattr(cycle_module, "judge", self._judge)

    def _judge(self, proposal: Proposal, books: TurnBooks, numbers: Numbers) -> TurnPlan:
        self.plans.append(judge(proposal, books, numbers))
        return self.plans[-1]

    def last(self) -> dict[str, Any]:
        """The gate's inputs of the last turn, without what moves by itself; fees in tokens follow their prices."""
        inputs = asdict(self.plans[-1].inputs.books.risk)
        inputs["fees_today_quote"] = round(inputs["fees_today_quote"], 1)
        return {name: value for name, value in inputs.items() if name not in MOVING}


def said(result: CycleResult) -> dict[str, Any]:
    decision = result.decision
    return {
        "kill": result.kill,
        "breakers": [note.reason for note in result.breakers],
        "intents": [(one.id, one.symbol, one.side, one.purpose, one.reduce_only) for one in decision.intents],
        "verdicts": [v.note.reason if isinstance(v, Refused) else "approved" for v in result.verdicts],
        "cancels": decision.cancels,
        "transfers": [(one.sector, one.to_perp) for one in decision.transfers],
    }


async def compare(stage: Stage, seen: Seen, *changes: str) -> CycleResult:
    """Plan, then run, with the bot of the same settings; the plan."""
    settings = golden(stage.settings.state_directory, *changes)
    planned = await preview(settings, embedded=stage.embedded)
    inputs = seen.last()
    app = await build(settings, embedded=stage.embedded)
    try:
        ran = await app.cycle.run()
    finally:
        await app.close()
    assert said(planned) == said(ran)
    assert inputs == seen.last()
    return planned


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    return Seen(monkeypatch)


@pytest.mark.sweep(keep=2)
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.reason.value} {case.prepare.__name__}")
async def test_a_plan_meets_each_limit_as_the_next_run_does(tmp_path: Path, seen: Seen, case: Case) -> None:
    async with staged(tmp_path) as stage:
        async with stage.app() as app:
            await case.prepare(stage, app)
        planned = await compare(stage, seen, *case.changes)
        breakers = {note.reason for note in planned.breakers}
        refused = {verdict.note.reason for verdict in planned.verdicts if isinstance(verdict, Refused)}
        assert case.reason in (breakers if case.is_breaker else refused | breakers), (breakers, refused)


@pytest.mark.sweep(keep=2)
@pytest.mark.parametrize("level", [level for level in KillLevel if level is not KillLevel.OFF])
@pytest.mark.parametrize("hand", ["configuration", "flag file", "journal"])
async def test_a_plan_obeys_the_kill_switch_at_every_level(
    tmp_path: Path, seen: Seen, level: KillLevel, hand: str
) -> None:
    async with staged(tmp_path) as stage:
        async with stage.app() as app:
            await rotate_partly(stage, app)
            if hand == "journal":
                await app.journal.record_latch(level, by="operator", reason="looked at")
        if hand == "flag file":
            FlagFile(tmp_path).record(level, "looked at")
        changes = (f'kill_switch="{level.value}"',) if hand == "configuration" else ()
        planned = await compare(stage, seen, *changes)
        assert planned.kill is level
        purposes = {intent.purpose for intent in planned.decision.intents}
        assert (purposes == {Purpose.FLATTEN}) is (level is KillLevel.FLATTEN)


async def test_a_plan_begins_small_where_the_next_run_does(
    tmp_path: Path, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wiring, "is_start_small", lambda settings: True)
    async with staged(tmp_path) as stage:
        async with stage.app() as app:
            await rotate_partly(stage, app)
        planned = await compare(stage, seen)
    entries = [intent for intent in planned.decision.intents if not intent.order_type.is_trigger]
    sizes = [intent.size * intent.worst_price for intent in entries]
    assert sizes
    assert max(sizes) < 510


async def test_a_plan_ends_where_the_next_run_cannot_start(tmp_path: Path) -> None:
    """Nothing is held that would have to be looked after: the account checks end the start."""
    async with staged(tmp_path) as stage:
        exchange = stage.embedded.exchange
        exchange.put_into_modes(ACCOUNT, replace(exchange.modes(ACCOUNT), is_multi_assets=True))
        with pytest.raises(SetupFailed) as run:
            await stage.build()
        with pytest.raises(SetupFailed, match="multi-assets mode") as plan:
            await preview(stage.settings, embedded=stage.embedded)
        assert str(plan.value) == str(run.value)


async def test_a_journal_of_another_mode_is_refused_by_its_own_name(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        async with stage.app():
            pass
        other = golden(tmp_path, "mode=dry-run")
        with pytest.raises(JournalError) as plan:
            await preview(other, embedded=stage.embedded)
        with pytest.raises(JournalError) as run:
            await build(other, embedded=stage.embedded)
        assert str(plan.value) == str(run.value)


async def test_a_plan_beside_a_running_bot_changes_neither_journal_nor_exchange(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cases of a lock, of a lease and of an order that rests: the bot goes on as if nobody had asked."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(preview_module.tempfile, "gettempdir", lambda: str(folder))
    async with staged(tmp_path / "bot") as stage, stage.app() as app:
        await rotate_partly(stage, app)
        before = digest_of(tmp_path / "bot"), app.journal.reader.count_events(), len(stage.orders()), stage.writes("")
        planned = await preview(stage.settings, embedded=stage.embedded)
        after = digest_of(tmp_path / "bot"), app.journal.reader.count_events(), len(stage.orders()), stage.writes("")
        assert planned.decision.intents
        assert after == before
        assert list(folder.glob("sectorbot-plan-*")) == []
        ran = await stage.turn(app)
        assert [intent.id for intent in ran.decision.intents] == [intent.id for intent in planned.decision.intents]
        await stage.check_books(app)


async def test_the_copy_is_made_beside_the_journal_where_temporary_files_have_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with staged(tmp_path) as stage:
        async with stage.app() as app:
            await rotate_partly(stage, app)
        usage = preview_module.shutil.disk_usage(tmp_path)._replace(free=1)
        monkeypatch.setattr(preview_module.shutil, "disk_usage", lambda _: usage)
        made: list[Path] = []
        original = preview_module.copy_unlocked

        def copy(journal: Path, destination: Path) -> None:
            made.append(destination)
            original(journal, destination)

        monkeypatch.setattr(preview_module, "copy_unlocked", copy)
        assert (await preview(stage.settings, embedded=stage.embedded)).decision.intents
        assert [path.parent.parent for path in made] == [tmp_path]
        assert not made[0].parent.exists()


def digest_of(folder: Path) -> dict[str, str]:
    """Of every file but SQLite's `-shm`, in which each reader leaves its marks: it holds nothing that outlives them."""
    files = [path for path in folder.iterdir() if path.is_file() and not path.name.endswith("-shm")]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
