"""Breakers, the first small orders, tightened limits and the clock, in the real cycle over the embedded exchange."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal, getcontext
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bot.domain.campaign import Memory, OpenExit
from bot.domain.durations import DAY_MS, HOUR_MS
from bot.domain.instrument import Side
from bot.domain.order import ExitPlan, OrderType, Purpose, TimeInForce
from bot.domain.reason import Reason
from bot.domain.states import KillLevel
from bot.lab.demo.scenarios import SIM_START, packaged_config
from bot.ports import Unavailable
from bot.report.queries import JournalView, status
from bot.report.tables import status_lines
from bot.risk import Refused
from bot.runtime import replay as again
from bot.runtime.build_info import code_digest
from bot.runtime.cash_flows import record_rebased
from bot.runtime.cycle import Cycle, CycleResult
from bot.runtime.daemon import Daemon, Health
from bot.runtime.exit_codes import ExitCode
from bot.runtime.health.healthcheck import find_running
from bot.runtime.kill.resume import release
from bot.runtime.kill.switch import ResumeRequest
from bot.runtime.settings.model import ACKNOWLEDGEMENT, Settings, Sources, load_settings
from bot.runtime.simulator.embedded import ACCOUNT, Embedded, embed, tokens_of
from bot.runtime.watch.worth_keeping import BREAKERS, is_worth_keeping
from bot.runtime.wiring import App, is_start_small
from bot.simex.engine.ledger import DEPOSITS
from bot.simex.engine.types import NewOrder
from bot.simex.faults import Fault, FaultRule
from tests.stage import FEW, build_on, market_of

QUICK = (
    "execution.timing.poll_interval_ms=20",
    "execution.timing.not_found_interval_ms=20",
    "execution.timing.mismatch_interval_ms=20",
    "execution.timing.post_deadline_ms=2000",
)
GOLDEN = packaged_config() / "golden.toml"
D = Decimal


@dataclass
class Bench:
    """An exchange in a golden market, and how to start a bot at it."""

    embedded: Embedded
    start: Callable[..., Awaitable[App]]

    async def rotate(self, app: App) -> CycleResult:
        for _ in range(60):
            result = await app.cycle.run()
            if (
                result.decision.campaign is not None
                and result.decision.campaign.is_over
                and not result.decision.intents
            ):
                return result
            if not result.has_acted:
                self.embedded.clock.skip(HOUR_MS)
        pytest.fail("the rotation did not finish")


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    def settings(*more: str) -> Settings:
        place = ("environment=sim", "mode=trade", "venue.account=demo", f'state_directory="{tmp_path}"')
        return Sources(files=(GOLDEN,), assignments=(*FEW, *QUICK, *place, *more)).load()

    start_ms = int(SIM_START.timestamp() * 1000)
    embedded = await embed(settings(), market_of(tokens_of(settings()), start_ms), start_ms)
    started: list[App] = []

    async def start(*more: str) -> App:
        started.append(await build_on(settings(*more), embedded=embedded))
        return started[-1]

    yield Bench(embedded, start)
    for app in started:
        await app.close()
    await embedded.stop()


def refusals(result: CycleResult) -> set[Reason]:
    return {verdict.note.reason for verdict in result.verdicts if isinstance(verdict, Refused)}


def breakers(app: App) -> list[list[str]]:
    """What was journaled about breakers, oldest first."""
    return [list(fact.payload["reasons"]) for fact in reversed(app.journal.reader.load_facts(BREAKERS))]


async def test_the_first_orders_are_small_and_the_rotation_ends_where_it_would_have(bench: Bench) -> None:
    app = await bench.start()
    app.cycle.is_canary = True
    first = await app.cycle.run()
    assert first.has_acted
    assert refusals(first) == set()
    orders = app.journal.reader.load_orders(100)
    assert orders
    assert all(order.filled_quote <= 500 for order in orders)
    assert not app.cycle.is_canary
    second = await app.cycle.run()
    assert max(outcome.filled_quote for outcome in second.outcomes) > 500
    last = await bench.rotate(app)
    assert abs(last.portfolio.sectors["defi"].spot - 48_000) < 300
    assert abs(last.portfolio.sectors["infra"].spot - 35_000) < 300
    assert (await app.cycle.settle()).is_agreed


async def test_orders_stay_small_until_one_has_filled(bench: Bench) -> None:
    app = await bench.start()
    app.cycle.is_canary = True
    lost = Fault(reply_status=400, reply_body='{"code":-2010,"msg":"This action is disabled."}', skips_engine=True)
    bench.embedded.server.faults.add(FaultRule(lost, "POST", "*/order", times=3))
    await app.cycle.run()
    small = [order.size * (order.price or D(0)) for order in app.journal.reader.load_orders(100)]
    assert small
    assert max(small) < 510


@pytest.mark.parametrize(
    ("environment", "mode", "is_small"),
    [("testnet", "trade", True), ("mainnet", "trade", True), ("testnet", "dry-run", False), ("sim", "trade", False)],
)
def test_real_exchanges_are_met_with_small_orders_first(
    workplace: Path, environment: str, mode: str, is_small: bool
) -> None:
    asked = (f"environment={environment}", f"mode={mode}", f"mainnet_acknowledgement={ACKNOWLEDGEMENT!r}")
    assert is_start_small(load_settings((), asked)) is is_small


async def test_the_peak_of_equity_survives_a_restart_and_holds_entries_back(bench: Bench) -> None:
    app = await bench.start()
    memory = app.journal.reader.load_memory()
    await app.journal.record_memory(replace(memory, equity_peak=D(200_000)))
    await app.close()
    app = await bench.start()
    results = [await app.cycle.run() for _ in range(4)]
    assert app.journal.reader.load_memory().equity_peak == 200_000
    assert {note.reason for result in results for note in result.breakers} == {Reason.DRAWDOWN}
    refused = {v.intent.purpose for result in results for v in result.verdicts if isinstance(v, Refused)}
    assert refused == {Purpose.INCREASE}
    done = {o.intent.purpose for result in results for o in result.outcomes if o.filled_size > 0}
    assert done == {Purpose.HEDGE, Purpose.REDUCE}, "what lowers risk goes on"


async def test_after_a_long_fall_an_operator_lets_the_peak_begin_anew(bench: Bench) -> None:
    app = await bench.start()
    await app.cycle.guard()
    await app.journal.record_memory(replace(app.journal.reader.load_memory(), equity_peak=D(200_000)))
    await record_rebased(app.journal, ResumeRequest("the fall is understood", rebase_peak=True))
    result = await app.cycle.guard()
    assert result.breakers == ()
    assert app.journal.reader.load_memory().equity_peak == result.portfolio.equity
    await app.journal.record_memory(replace(app.journal.reader.load_memory(), equity_peak=D(300_000)))
    again = await app.cycle.guard()
    assert {note.reason for note in again.breakers} == {Reason.DRAWDOWN}, "one word, one time"
    (fact,) = app.journal.reader.load_facts("peak_rebased")
    assert fact.payload == {"by": "operator", "reason": "the fall is understood"}


async def test_a_drawdown_cools_down_and_its_beginning_and_end_are_facts(bench: Bench) -> None:
    app = await bench.start()
    await app.cycle.guard()
    await app.journal.record_memory(replace(app.journal.reader.load_memory(), equity_peak=D(200_000)))
    began = await app.cycle.guard()
    assert {note.reason for note in began.breakers} == {Reason.DRAWDOWN}
    assert [note.reason for note in began.notes] == [Reason.DRAWDOWN]
    memory = app.journal.reader.load_memory()
    assert memory.drawdown_since_ms == began.snapshot.at_ms
    assert not (await app.cycle.guard()).notes, "said once"
    await app.close()
    app = await bench.start()
    days = app.cycle.parts.limits.drawdown_cooldown_days
    long_ago = memory.drawdown_since_ms - days * DAY_MS
    await app.journal.record_memory(replace(memory, drawdown_since_ms=long_ago))
    over = await app.cycle.guard()
    assert over.breakers == ()
    assert [note.reason for note in over.notes] == [Reason.DRAWDOWN_OVER]
    kept = app.journal.reader.load_memory()
    assert (kept.drawdown_since_ms, kept.equity_peak) == (0, over.portfolio.equity)
    assert kept.peak_since_ms == over.snapshot.at_ms
    end, start = app.journal.reader.load_facts("drawdown_stop")
    assert (start.payload["state"], end.payload["state"]) == ("stopped", "peak_anew")
    assert start.payload["until_ms"] == start.payload["since_ms"] + days * DAY_MS
    assert not (await app.cycle.guard()).notes


def test_a_guard_keeps_a_new_peak_a_new_day_and_moved_exits_and_nothing_else() -> None:
    old = Memory(equity_peak=D(1_000), day_start_ms=1, day_start_equity=D(1_000))
    slightly, clearly = replace(old, equity_peak=D(1_001)), replace(old, equity_peak=D("1001.1"))
    assert not is_worth_keeping(old, slightly, slightly)
    assert is_worth_keeping(old, clearly, clearly)
    assert is_worth_keeping(old, lower := replace(old, equity_peak=D(999)), lower)
    assert is_worth_keeping(old, tomorrow := replace(old, day_start_ms=2), tomorrow)
    plan = ExitPlan(D(90), ((D(110), D("0.5")),), D("0.06"), 10, D(5))
    held = replace(old, exits=(OpenExit("UNI/USDT:USDT", "defi", D(1), D(100), plan, best_price=D(100)),))
    higher, clearly_higher, hit = (
        replace(held, exits=(replace(held.exits[0], **change),))
        for change in ({"best_price": D("100.1")}, {"best_price": D("100.11")}, {"targets_hit": 1})
    )
    assert is_worth_keeping(old, old, held)
    assert not is_worth_keeping(held, held, higher)
    assert is_worth_keeping(held, held, clearly_higher)
    assert is_worth_keeping(held, held, hit)
    assert is_worth_keeping(held, held, old)


async def test_a_guard_journals_the_peak_it_sees(bench: Bench) -> None:
    app = await bench.start()
    result = await app.cycle.guard()
    assert not result.decision.intents
    assert app.journal.reader.load_memory().equity_peak == result.portfolio.equity > 100_000


async def test_a_guard_that_neither_sees_nor_wants_anything_is_not_journaled(bench: Bench) -> None:
    app = await bench.start()
    await app.cycle.run()
    asking = await app.cycle.guard()  # asks for the stop of the hedge that the cycle has opened
    assert [intent.order_type for intent in asking.decision.intents] == [OrderType.STOP]
    before = app.journal.reader.next_cycle_number()
    quiet = await app.cycle.guard()
    assert [note.reason for note in quiet.decision.notes] in ([], [Reason.NOTHING_TO_DO])
    assert app.journal.reader.next_cycle_number() == before


async def test_many_rejections_stop_entries_and_not_reductions_until_they_are_old(bench: Bench) -> None:
    app = await bench.start("risk.rejections_max=2")
    lost = Fault(reply_status=400, reply_body='{"code":-2010,"msg":"This action is disabled."}', skips_engine=True)
    bench.embedded.server.faults.add(FaultRule(lost, "POST", "*/order", times=None))
    for _ in range(3):
        await app.cycle.run()
    assert app.journal.reader.count_rejections(0) == 3
    bench.embedded.server.faults.disarm()
    result = await app.cycle.run()
    assert [note.reason for note in result.breakers] == [Reason.REJECT_RATE]
    assert refusals(result) == {Reason.REJECT_RATE}
    bench.embedded.clock.skip(601_000)
    assert (await app.cycle.run()).breakers == ()
    assert breakers(app) == [["reject_rate"], []]


async def test_after_an_outage_the_first_good_turn_only_looks(bench: Bench) -> None:
    app = await bench.start()
    down = FaultRule(Fault(reply_status=503, skips_engine=True), "GET", "*/openOrders", times=None)
    bench.embedded.server.faults.add(down)
    for _ in range(3):
        with pytest.raises(Unavailable):
            await app.cycle.guard()
    bench.embedded.server.faults.disarm()
    result = await app.cycle.run()
    assert [note.reason for note in result.breakers] == [Reason.READINGS_LOST]
    assert Purpose.HEDGE not in {outcome.intent.purpose for outcome in result.outcomes}
    assert (await app.cycle.run()).breakers == ()


async def test_limits_tightened_while_running_are_journaled_and_replayed_as_they_were(bench: Bench) -> None:
    app = await bench.start()
    before = after = await app.cycle.run()
    effective = app.watcher.effective
    risk = effective.risk.model_copy(update={"turnover_max": D(0), "orders_per_minute_max": 59})
    app.watcher.effective = effective.model_copy(update={"risk": risk})
    await app.take_tighter_limits()
    for _ in range(3):
        after = await app.cycle.run()
        if refusals(after):
            break
    assert refusals(after) == {Reason.TURNOVER}
    records = [app.journal.reader.load_cycle(result.number) for result in (before, after)]
    assert len({record.config_digest for record in records if record}) == 2
    for result in (before, after):
        replayed = again.replay(effective, app.journal.reader, result.number)
        assert (replayed.configuration, replayed.differences) == ("journaled", ())
    facts = app.journal.reader.load_facts("config")
    await app.take_tighter_limits()
    assert app.journal.reader.load_facts("config") == facts, "nothing new, nothing written"


async def test_a_first_small_cycle_and_a_flattening_one_replay_to_the_same_orders(bench: Bench) -> None:
    app = await bench.start()
    app.cycle.is_canary = True
    numbers = [(await app.cycle.run()).number]
    app.kill.engage(KillLevel.FLATTEN)
    numbers.append((await app.cycle.guard()).number)
    for number in numbers:
        assert again.replay(app.settings, app.journal.reader, number).differences == ()


async def test_every_turn_of_a_rotation_replays_whatever_a_library_does_to_decimals(bench: Bench) -> None:
    """ccxt sets another rounding in the whole process when it formats its first number."""
    app = await bench.start()
    await bench.rotate(app)
    numbers = range(1, app.journal.reader.next_cycle_number())
    assert len(numbers) > 5
    for rounding in (ROUND_HALF_UP, ROUND_DOWN):
        getcontext().rounding = rounding
        differing = [n for n in numbers if again.replay(app.settings, app.journal.reader, n).differences]
        assert differing == []


async def test_a_bot_that_repeats_itself_is_paused_until_a_person_resumes(bench: Bench, tmp_path: Path) -> None:
    app = await bench.start("risk.fills_per_minute_max=1", "cadence.cycle_seconds=0.2", "cadence.timing.rounds_max=3")
    health = Health(tmp_path / "health.json", "trade", "sim")
    code = await Daemon(app, app.settings, health, asyncio.Event()).run(1)
    assert app.kill.level() is KillLevel.PAUSE
    assert code == ExitCode.KILLED
    sent = app.journal.reader.count_orders(0)
    result = await app.cycle.run()
    assert refusals(result) <= {Reason.KILL_SWITCH}
    buys = [o for o in app.journal.reader.load_orders(100) if o.purpose is Purpose.INCREASE]
    assert (sent > 0, buys) == (True, [])


async def test_a_pause_that_comes_while_a_turn_decides_moves_no_cash(bench: Bench) -> None:
    app = await bench.start()
    looks = 0

    def level() -> KillLevel:
        nonlocal looks
        looks += 1
        return KillLevel.OFF if looks % 2 else KillLevel.PAUSE

    cycle = Cycle(app.cycle.parts, kill_level=level)
    for _ in range(12):
        looks = 0
        await cycle.run()
        bench.embedded.clock.skip(HOUR_MS)
    assert app.journal.reader.load_facts("transfer_sent") == ()


async def test_the_clock_of_the_venue_is_measured_again_when_it_is_due(bench: Bench, tmp_path: Path) -> None:
    app = await bench.start(
        "venue.timing.clock_check_seconds=60", "cadence.cycle_seconds=0.1", "cadence.timing.rounds_max=1"
    )
    health = Health(tmp_path / "health.json", "trade", "sim")
    asked = len(bench.embedded.server.faults.hits)
    probe = FaultRule(Fault(), "GET", "*/time", times=None)
    bench.embedded.server.faults.add(probe)
    daemon = Daemon(app, app.settings, health, asyncio.Event())
    await daemon.run(1)
    assert len(bench.embedded.server.faults.hits) == asked
    bench.embedded.clock.skip(61_000)
    await daemon.run(1)
    assert len(bench.embedded.server.faults.hits) > asked


async def test_status_names_where_journal_and_account_differ_and_resume_says_that_they_still_do(
    bench: Bench, tmp_path: Path
) -> None:
    app = await bench.start("cadence.cycle_seconds=0.1", "cadence.timing.rounds_max=1")
    health, settings = Health(app.settings.state_directory / "health.json", "trade", "sim"), app.settings
    daemon = Daemon(app, settings, health, asyncio.Event())
    await daemon.run(1)
    assert health.last["differences"] == []
    state = bench.embedded.exchange._state
    state.ledger.move("USDT", state.account(ACCOUNT).spot, DEPOSITS, D(10_000))
    assert await daemon.run(1) == ExitCode.MISMATCH
    health.write()

    def lines() -> str:
        view = JournalView(
            settings, app.journal.reader, find_running(settings.state_directory), False, app.clock.now_ms()
        )
        row, code = status(view)
        assert code == (ExitCode.MISMATCH if view.health else ExitCode.NOT_RUNNING)
        return str(status_lines(row))

    (found,) = [line for line in lines().splitlines() if line.startswith("books ")]
    assert found.startswith("books        JOURNAL AND ACCOUNT DIFFER, entries stopped: ")
    assert "USDT" in found.partition("stopped: ")[2]
    message, _ = release(settings, ResumeRequest("x"), answered=KillLevel.OFF)
    assert message.endswith("differ still, which --accept-mismatch decides: `sectorbot status` names where")
    message, _ = release(settings, ResumeRequest("x", accept_mismatch=True), answered=KillLevel.OFF)
    assert message.endswith("; the next turn takes the account as right where the journal differs")
    health.remove()
    assert "JOURNAL AND ACCOUNT DIFFER, entries stopped: the last turn found it" in lines()
    await app.cycle.accept(by="operator", reason="my withdrawal")
    await app.cycle.run()
    assert "DIFFER" not in lines()


async def test_a_start_says_what_runs_and_the_journal_remembers_it(bench: Bench, tmp_path: Path) -> None:
    app = await bench.start("cadence.cycle_seconds=0.1", "cadence.timing.rounds_max=1")
    with capture_logs() as logs:
        await Daemon(app, app.settings, Health(tmp_path / "health.json", "trade", "sim"), asyncio.Event()).run(1)
    told = next(line for line in logs if line["event"] == "started")
    fact = app.journal.reader.load_facts("started")[0].payload
    assert {name: told[name] for name in fact} == dict(fact)
    assert (fact["code"], fact["config"], fact["environment"]) == (code_digest(), app.settings.digest, "sim")
    assert told["limits"]["order_share_max"] == str(app.settings.risk.order_share_max)
    assert told["what"] == "no real money"


async def test_a_countdown_of_the_exchange_would_take_the_stop_of_a_position_with_it(bench: Bench) -> None:
    """Why none is used (docs/decisions/0005): the stop is the one order that must outlive the bot."""
    exchange, perp = bench.embedded.exchange, "UNI/USDT:USDT"
    exchange.place(ACCOUNT, NewOrder(perp, Side.BUY, OrderType.MARKET, D(10)))
    stop = NewOrder(perp, Side.SELL, OrderType.STOP, D(10), trigger_price=D(9), reduce_only=True, client_id="stop")
    exchange.place(ACCOUNT, stop)
    exchange.set_countdown(ACCOUNT, perp, 5_000)
    exchange.advance(exchange.now_ms + 5_001)
    found = exchange.order(ACCOUNT, perp, client_id="stop", is_trigger=True)
    assert found is not None
    assert not found.is_open


async def test_nothing_but_stops_rests_on_a_perp_in_a_whole_rotation(bench: Bench) -> None:
    app = await bench.start()
    await bench.rotate(app)
    resting = [
        order
        for order in app.journal.reader.load_orders(1_000)
        if order.time_in_force in (TimeInForce.GTC, TimeInForce.POST_ONLY) and order.order_type is not OrderType.MARKET
    ]
    assert resting
    assert {(order.order_type, order.reduce_only) for order in resting if ":" in order.symbol} == {
        (OrderType.STOP, True)
    }


async def test_a_withdrawal_is_no_loss_and_a_deposit_hides_none(bench: Bench) -> None:
    app = await bench.start()
    before = (await app.cycle.guard()).portfolio.equity
    state = bench.embedded.exchange._state
    spot = state.account(ACCOUNT).spot
    state.ledger.move("USDT", DEPOSITS, spot, D(50_000))
    after = await app.cycle.guard()
    memory = app.journal.reader.load_memory()
    assert after.portfolio.equity - before > 49_000
    assert abs(memory.day_start_equity - before - 50_000) < 5
    state.ledger.move("USDT", spot, DEPOSITS, D(50_000))
    result = await app.cycle.guard()
    assert not result.truth.is_agreed, "a third of the equity is gone, and the venue lists no payment for it"
    assert {note.reason for note in result.breakers} >= {Reason.DAILY_LOSS}
    await app.cycle.accept(by="operator", reason="my withdrawal")
    result = await app.cycle.guard()
    assert result.truth.is_agreed
    assert result.breakers == (), "a withdrawal that was accepted is no loss"
    await app.cycle.guard()
    assert abs(app.journal.reader.load_memory().equity_peak - before) < 50
    assert (await app.cycle.guard()).breakers == (), "counted once"
