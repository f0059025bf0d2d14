"""A seed from beginning to end: lives under faults, then a last life without any, in which everything must settle."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace

import structlog

from bot.domain.instrument import Kind as MarketKind
from bot.domain.order import Order
from bot.domain.reason import Reason
from bot.domain.states import KillLevel
from bot.execution.another_writer import UNKNOWN_OUTCOME_STATES
from bot.execution.reconcile import Truth
from bot.journal.journal import JournalError
from bot.ports import SetupFailed, Unavailable
from bot.runtime.cycle import CycleResult
from bot.venues.ccxt.account.sole_list import SOLE_LAG_MS
from tests.sim.at_the_wire import no_real_time
from tests.sim.chaos import Chaos
from tests.sim.checkers import Checkers
from tests.sim.ending import check_end, close_by_hand
from tests.sim.faults import Kind
from tests.sim.loop import VirtualLoop, run_virtually
from tests.sim.wire import Crash
from tests.sim.world import BINANCE, CONDITIONS, Life, Seam, World

LIVES, TURNS = 6, 24
CYCLES_TO_FINISH = 40  # that change nothing, each a quarter of an hour after the last
REST_SECONDS = 900
CALM = {
    "daily_loss_max": "1",
    "drawdown_max": "1",
    "failed_turns_max": "1000",
    "rejections_max": "1000",
    "orders_per_minute_max": "1000",
    "fills_per_minute_max": "10000",
}


@dataclass(frozen=True)
class Report:
    """What came of one seed. `faults` by kind; `virtual_hours` of the exchange's time; `codes`: which of the venue's
    error table were said at the wire, and how often; `cpu_seconds` of this process."""

    seed: int
    orders: int
    turns: int
    lives: int
    virtual_hours: float
    faults: Counter[Kind]
    violations: tuple[str, ...]
    trace: str
    cycles_to_finish: int
    codes: Counter[str]
    errors: tuple[BaseException, ...] = field(default=(), repr=False)
    cpu_seconds: float = field(default=0.0, compare=False)


def simulate(
    seed: int,
    *,
    only: Collection[Kind] | None = None,
    heaviness: float | None = None,
    lives: int = LIVES,
    limits: Mapping[str, str] | None = None,
    playbook: Mapping[str, str] | None = None,
    ends: bool = True,
    tell: Callable[[str], None] | None = None,
    is_enough: Callable[[World], bool] = lambda world: False,
    seam: Seam = Seam.PORT,
    renames: bool = False,
    venue: str = BINANCE,
    options: bool = False,
) -> Report:
    """Run one seed.

    `limits` of the gate make it a seed of tight limits, `playbook` replaces choices of the seed; without `ends` the
    faultless last life is left out. `is_enough` is asked after every turn; True ends the run there.
    With `renames` the exchange turns one of the tokens into another, once, at some moment. `venue` is where the bot
    trades; `world.venue_of` draws one for a seed. With `options` the seed may turn on some of the playbook's.
    """

    async def run(loop: VirtualLoop) -> Report:
        with no_real_time(loop, seed) if seam is Seam.WIRE else contextlib.nullcontext():
            return await lead(loop)

    async def lead(loop: VirtualLoop) -> Report:
        world = World(
            seed,
            loop,
            only=only,
            heaviness=heaviness,
            limits=limits,
            playbook=playbook,
            tell=tell,
            seam=seam,
            renames=renames,
            venue=venue,
            options=options,
        )
        checkers = Checkers(world)
        chaos = Chaos(world, checkers)
        world.hooks.join(world, checkers, chaos)
        try:
            if await _live(world, checkers, chaos, lives, is_enough) and ends:
                await _settle_down(world, checkers, chaos)
            for error in world.wire.broken:
                raise RuntimeError("the simulated network broke") from error
            return _report(world)
        finally:
            world.hooks.close()
            checkers.close()
            world.remove()

    started = time.process_time()
    with structlog.testing.capture_logs():
        report = run_virtually(run)
    return replace(report, cpu_seconds=time.process_time() - started)


async def _live(world: World, checkers: Checkers, chaos: Chaos, lives: int, is_enough: Callable[[World], bool]) -> bool:
    """The lives under faults; whether the run is to go on."""
    events = world.loop.create_task(chaos.run(), name="sim chaos")
    try:
        for _ in range(lives):
            await world.hooks.between_lives()
            life = await _begin(world, checkers)
            if life is None:
                continue
            is_clean = True
            for _ in range(TURNS):
                await _turns(world, life, chaos)
                checkers.read_journal()
                if is_enough(world):
                    await world.end(life, is_clean=False)
                    return False
                if life.doom.is_dead or life.app.journal.failed is not None:
                    is_clean = not life.doom.is_dead
                    break
                if world.is_idle or world.plan.strikes(Kind.RESTART):
                    break
            await world.end(life, is_clean=is_clean)
            checkers.read_journal()
            if world.is_idle:
                world.condition = world.chance.choice([c for c in CONDITIONS if c != world.condition])
                world.is_idle = False
            world.write_user_file()
            await asyncio.sleep(world.chance.choice([0.1, 1.0, 3.0, 20.0]))
    finally:
        events.cancel()
        await asyncio.gather(events, return_exceptions=True)
    return True


async def _begin(world: World, checkers: Checkers) -> Life | None:
    try:
        life = await world.begin()
    except (JournalError, Crash, SetupFailed, Unavailable) as error:
        world.note(f"no start: {type(error).__name__}")
        if world.life is not None:
            await world.end(world.life, is_clean=False)
        return None
    checkers.attach(life)
    world.hooks.at_start_of_life(life)
    if life.app.kill.level() is not KillLevel.OFF:
        life.watch_switch()
        world.loop.call_later(world.chance.uniform(1, 100), lambda: world.resume(accepts=True))
    return life


async def _turns(world: World, life: Life, chaos: Chaos) -> None:
    """A turn, now and then a second one beside it or cut short, and the wait until the next."""
    chance, plan = world.chance, world.plan
    kind = "cycle" if chance.random() < 0.75 else "guard"
    cancel_after = plan.between(Kind.TURN_CANCELLED, 0.01, 20) if plan.strikes(Kind.TURN_CANCELLED) else None
    if plan.strikes(Kind.KILL_IN_TURN):
        world.loop.call_later(plan.between(Kind.KILL_IN_TURN, 0.01, 0.4), chaos.throw_switch, Kind.KILL_IN_TURN)
    result = await world.run_turn(life, kind, cancel_after=cancel_after)
    if life.doom.is_dead:
        return
    if result is not None and kind == "cycle":
        campaign = result.decision.campaign
        is_over = campaign is None or campaign.is_over
        is_reached = is_over and not result.decision.intents and world.plan.is_armed
        world.is_idle = is_reached and not world.keeps_standing()
    if result is None or not result.has_acted:
        seconds = chance.choice([1, 1, 2, 5, 10, 30, 60, 120 if life.is_watched else chance.choice([300, 3_600])])
        await world.rest(life, seconds)


async def _settle_down(world: World, checkers: Checkers, chaos: Chaos) -> None:
    """No more faults: one life that brings the rotation to its end, and then the truth."""
    world.plan.is_armed = False
    world.note("faults stop")
    chaos.heal()
    world.clock_error_ms = 0
    if not world.is_tight:
        world.limits = dict(CALM)
    world.write_user_file()
    await asyncio.sleep(10)
    life = await world.begin()
    checkers.attach(life)
    world.hooks.at_start_of_life(life)
    life.watch_switch()
    world.resume(accepts=False)
    await asyncio.sleep(2)
    stuck = await _finish(world, life)
    for _ in range(2):  # what was bought last gets its exits from a guard
        await world.run_turn(life, "guard")
        await asyncio.sleep(15)
    truth = await _proven(world, life, await life.app.cycle.settle())
    if not truth.is_agreed:  # others have moved what is ours: an operator looks and accepts
        await life.app.cycle.accept(by="operator", reason="the simulation is over")
        truth = await life.app.cycle.settle()
        for _ in range(4):
            await world.run_turn(life, "guard")
            await asyncio.sleep(15)
        truth = await life.app.cycle.settle()
    checkers.read_journal()
    check_end(world, life, truth, checkers.forgotten)
    world.hooks.at_end(life, truth)
    if stuck and not world.is_tight:
        world.violate("progress", f"after {CYCLES_TO_FINISH} idle cycles: {stuck}")
    await world.end(life, is_clean=True)


async def _proven(world: World, life: Life, truth: Truth) -> Truth:
    """The truth, once it can be proven what is absent: an order that the last guard has sent, after its quiet period;
    where one list alone shows stops, a stop that it lacks after as long as such a list may be behind."""
    if any(order.state in UNKNOWN_OUTCOME_STATES for order in truth.working):
        await asyncio.sleep((life.venue.quiet_period_ms + life.app.settings.execution.receive_window_ms) / 1_000)
        truth = await life.app.cycle.settle()
    if world.seam is Seam.PORT or not world.spoken_at(MarketKind.PERP).has_sole_list:
        return truth
    until = world.loop.time() + SOLE_LAG_MS / 1_000 + REST_SECONDS
    while world.loop.time() < until and any(_is_doubtful_stop(order) for order in truth.working):
        await asyncio.sleep(REST_SECONDS)
        await world.run_turn(life, "guard")
        truth = await life.app.cycle.settle()
    return truth


def _is_doubtful_stop(order: Order) -> bool:
    return order.order_type.is_trigger and order.state in UNKNOWN_OUTCOME_STATES


async def _finish(world: World, life: Life) -> str:
    """Cycles until nothing is wanted any more; else why not."""
    why, idle, rounds, has_looked = "", 0, 0, False
    rounds_max = life.app.settings.cadence.timing.rounds_max
    for number in range(8 * CYCLES_TO_FINISH):
        result = await world.run_turn(life, "cycle")
        if result is not None:
            campaign = result.decision.campaign
            if (campaign is None or campaign.is_over) and not result.decision.intents:
                world.cycles_to_finish = number + 1
                await world.run_turn(life, "guard")
                return ""
            why = _why(result)
        if idle >= (10 if world.is_tight else CYCLES_TO_FINISH):
            return why
        has_acted = result is not None and result.has_acted
        idle, rounds = idle + (not has_acted), rounds + 1
        if not has_acted or rounds >= rounds_max:  # the daemon rests too, and meanwhile a thin book grows back
            rounds = 0
            await asyncio.sleep(REST_SECONDS)
        if number and number % (CYCLES_TO_FINISH // 4) == 0 and result is not None:
            memory = result.decision.memory
            if close_by_hand(world, {*memory.unguarded, *memory.leverage_wrong}):
                has_looked = False  # what he closes himself is one more difference that he has to accept
        has_waited = number >= CYCLES_TO_FINISH // 4 and not has_looked
        if has_waited and result is not None and not result.truth.is_agreed:
            has_looked = True
            await life.app.cycle.accept(by="operator", reason="the simulation is over")
    return why


def _why(result: CycleResult) -> str:
    refused = [verdict.note.words for verdict in result.verdicts if hasattr(verdict, "note")]
    acted = [note.words for outcome in result.outcomes for note in outcome.notes]
    noted = [note.words for note in result.decision.notes if note.reason is not Reason.SIGNAL_MISSING]
    return " | ".join([*refused, *acted, *noted])[:500]


def _report(world: World) -> Report:
    return Report(
        seed=world.seed,
        orders=len(world.wire.sent),
        turns=world.turns,
        lives=world.lives,
        virtual_hours=world.loop.time() / 3_600,
        faults=world.plan.counts,
        violations=tuple(world.violations),
        trace=world.trace,
        cycles_to_finish=world.cycles_to_finish,
        codes=world.codes,
        errors=tuple(world.errors),
    )
