"""One exchange, one account, one journal file, and the lives of the bot that trades there. Assembled as in production.

A `Life` is one process: real cycle, observer, reconciler, executor, journal and kill switch over a `FaultyVenue` (the
seam at the port) or a `WireVenue` (the seam at the wire). It ends cleanly, by a journal that fails, or by a crash; the
next one is new parts over the same file and exchange.
"""

import asyncio
import contextlib
import hashlib
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from random import Random
from typing import Any

from bot.domain.campaign import Stance
from bot.domain.instrument import Kind as MarketKind
from bot.domain.money import ZERO
from bot.domain.states import KillLevel
from bot.domain.symbol import is_perp
from bot.feeds.macro import JoinedMacro
from bot.feeds.series.source import ConfiguredSeries
from bot.journal.errors import JournalLocked
from bot.journal.journal import Journal, JournalError
from bot.playbook.market.stance import CASH, target_shares
from bot.ports import AccountRefused, OrderRequest, SetupFailed, Unavailable
from bot.runtime.cycle import CycleResult
from bot.runtime.kill.actions import SwitchActions
from bot.runtime.kill.flag_file import FlagFile
from bot.runtime.kill.switch import ResumeFile, ResumeRequest
from bot.runtime.settings.model import Settings, Sources, packaged_config
from bot.runtime.settings.snapshot import record_config
from bot.runtime.simulator.embedded import neutral_holdings
from bot.runtime.start.guarded import level_in_force, open_venue
from bot.runtime.streams.pace import GuardPace
from bot.runtime.turn import EARLY_EXIT
from bot.runtime.wiring import App, AppSeams, assemble
from bot.simex.engine.exchange import Exchange
from bot.simex.engine.rules import DuplicateScope, Rules
from bot.simex.engine.types import SimOrder
from bot.simex.market.catalogue import recorded_liquidation_fees
from bot.venues.pair.venue import PairVenue
from bot.venues.paper.engine_venue import EngineVenue
from tests.sim.at_the_wire import WireVenue
from tests.sim.faults import AT_THE_WIRE, FaultPlan, Kind
from tests.sim.halves import Darkness, engines_of, pair_of
from tests.sim.halves_at_the_wire import pair_at_the_wire, pair_of_seed, replicas_of
from tests.sim.hooks import Hooks
from tests.sim.loop import VirtualLoop
from tests.sim.market import GIFT, MARKETS, NEW, OLD, RATIO, START_MS, brackets_of, instruments, market_of
from tests.sim.options import drawn, needs_past, with_series
from tests.sim.spoken import SPOKEN
from tests.sim.spoken.shape import Spoken
from tests.sim.streams import SimStreams
from tests.sim.unified import UnifiedEngine
from tests.sim.venue import FaultyVenue
from tests.sim.wire import ACCOUNT, Crash, Doom, Wire
from tests.stage import DROPPED

SHM = Path("/dev/shm")
BOOK = Decimal(100_000)
SQLITE_FULL, SQLITE_IOERR, SQLITE_BUSY = 13, 10, 5
FIXED = (
    "environment=sim",
    "mode=trade",
    f"venue.account={ACCOUNT}",
    "tvl.is_on=false",
    "macro.stablecoins=false",
    "journal.keep_snapshots=2",
    *(f"universe.tokens.{token}=false" for token in DROPPED),
    "universe.sectors.defi.weight_max=0.5",
    "universe.sectors.infra.weight_max=0.5",
    "playbook.signals.candle_minutes=1440",
    "playbook.signals.history_days=5",
    "playbook.signals.momentum_days=1",
    "playbook.signals.range_days=2",
    "playbook.signals.trend_days=2",
    "playbook.signals.drawdown_days=2",
    "playbook.signals.breadth_days=1",
    "playbook.constants.volatility_days=1",
    "playbook.constants.volume_days=1",
    "playbook.entries.wait_hours=1",
    "playbook.constants.leg_patience_hours=1",
    "playbook.rotation.tranche_interval_minutes=5",
    "playbook.orders.rest_minutes=30",
    "cadence.timing.book_levels=20",
)
RENAME = (
    f"universe.tokens.{NEW}={{ infra = 1 }}",
    f'universe.renames.{NEW}=[{{ was = "{OLD}", at = 2026-01-05, ratio = {RATIO} }}]',
    f'universe.sectors.infra.hedge=["{OLD}", "{NEW}", "ETH"]',
)
# A perp is left that hedges nothing, and candles are short enough for a scalp.
WAGERS = (
    "playbook.signals.candle_minutes=15",
    'universe.sectors.defi.tactical=["UNI", "AAVE", "LDO"]',
    'universe.sectors.infra.tactical=["ETH", "SOL", "AVAX"]',
)
# Limits that have nothing to do with what is proved here, and would only keep thin and wild markets from trading.
LOOSE = {
    "executions_per_hour_max": "10000",
    "turnover_max": "100",
    "rejections_max": "1000",
    "participation_max": "1",
    "slippage_max_bps": "500",
    "funding_rate_max_annual": "10",
    "funding_cost_max_day": "1",
}
CONDITIONS = ("breakout", "euphoria", "uncertainty", "downtrend", "neutral")
STANCES = {
    "breakout": Stance.INTO_DEFI,
    "euphoria": Stance.INTO_DEFI,
    "uncertainty": Stance.INTO_INFRA,
    "downtrend": Stance.DE_RISK,
    "neutral": Stance.NEUTRAL,
}
# Further off than half a receive window the bot is not let in at the wire; off by a second it opens nothing.
SKEW_AT_START_MS = 900
EARLY = {
    "playbook.tactical.is_on": "false",
    "playbook.scalp.is_on": "true",
    "playbook.constants.scalp_rsi": "49",
}
STANDING = 0.25  # part of the seeds in which a stance that is reached stands for hours, and wagers are made
_SETTINGS_OF = {
    **{venue: (f"venue.id={venue}", *spoken.settings) for venue, spoken in SPOKEN.items()},
    "mixed": ("venue.spot.id=binance", "venue.perp.id=bybit"),
}
STEPS_AT_THE_WIRE = 10  # of the loop, where the port has one


BINANCE, BYBIT, MIXED = "binance", "bybit", "mixed"
PART_OF_BYBIT, PART_OF_MIXED, PART_OF_EACH_OTHER = 1 / 3, 1 / 6, 1 / 12
"""Of the seeds: MIXED is drawn first, each of the others out of what it leaves, BYBIT out of what all these leave."""
OTHERS = tuple(venue for venue in SPOKEN if venue not in (BINANCE, BYBIT))


def venue_of(seed: int) -> str:
    """The venue that a seed trades at, or two: each is drawn apart, so that all else of a seed is as it was."""
    if Random(f"{seed}/mixed").random() < PART_OF_MIXED:
        return MIXED
    drawn = int(Random(f"{seed}/others").random() / PART_OF_EACH_OTHER)
    if drawn < len(OTHERS):
        return OTHERS[drawn]
    return BYBIT if Random(f"{seed}/venue").random() < PART_OF_BYBIT else BINANCE


class Seam(StrEnum):
    """Where the bot ends and the simulation begins: at `bot.ports.Venue`, or at the bytes of HTTP."""

    PORT = "port"
    WIRE = "wire"


class LocalClock:
    """The machine's own clock: the truth and an error."""

    def __init__(self, world: "World") -> None:
        self._world = world

    def now_ms(self) -> int:
        return self._world.now_ms() + self._world.clock_error_ms


@dataclass
class Life:
    """One process of the bot. `turn` is a cycle, a guard or an early exit as the daemon would run it; `crossed` are the
    perps that the latter is about."""

    app: App
    doom: Doom
    venue: FaultyVenue | WireVenue | PairVenue
    pace: GuardPace
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)
    watch: asyncio.Task[None] | None = None
    clock_checked_ms: int = 0
    results: int = 0
    acting: int = 0  # actions of the switch under way
    crossed: tuple[str, ...] = ()
    latest: CycleResult | None = None  # what came of the latest turn, and when it ended
    latest_ended: float = 0.0

    async def turn(self, kind: str) -> CycleResult | None:
        """None of an early exit that closes nothing.

        Raises what the daemon would meet: Unavailable, JournalError; anything else is a bug."""
        result: CycleResult | None = None
        self.pace.begin()
        try:
            result = await self._turn(kind)
        finally:
            self.pace.end(result)
            self.latest, self.latest_ended = result, asyncio.get_running_loop().time()
        return result

    async def _turn(self, kind: str) -> CycleResult | None:
        app = self.app
        app.kill.poll()
        await app.journal.return_if_unlocked(may_stay=app.kill.level() is not KillLevel.OFF)
        await app.take_tighter_limits()
        if kind == EARLY_EXIT:
            return await app.cycle.close_early(self.crossed)
        now_ms = app.clock.now_ms()
        if abs(now_ms - self.clock_checked_ms) > 300_000:
            self.clock_checked_ms = now_ms
            with contextlib.suppress(Unavailable):
                await self.venue.fetch_clock_skew()
        return await (app.cycle.run() if kind == "cycle" else app.cycle.guard())

    async def on_kill(self, level: KillLevel) -> None:
        """The daemon's own actions."""
        actions = SwitchActions(
            self.app.cycle,
            level=self.app.kill.level,
            guard=self._guard,
            recover=self.app.journal.recover,
            report=lambda _: None,
        )
        self.acting += 1
        try:
            await actions.on_rise(level)
        finally:
            self.acting -= 1

    async def _guard(self) -> CycleResult | None:
        """As the daemon's turn: what is known to go wrong comes to nothing."""
        try:
            return await self.app.cycle.guard()
        except Unavailable:
            return None
        except JournalError:
            await self.app.journal.recover()
            return None

    def watch_switch(self) -> None:
        """The switch's own task, with its thread left out: whoever throws the switch makes it look."""
        switch: Any = self.app.kill
        switch.start, switch.stop = switch.poll, lambda: None
        if not self.is_watched:
            self.watch = asyncio.get_running_loop().create_task(switch.watch(self.on_kill, self.on_resume))
            self.tasks.add(self.watch)

    async def on_resume(self) -> None:
        """Served: looking on twice a second for hours would only cost time. The request file goes by itself."""
        asyncio.get_running_loop().call_later(1, self._end_watch)

    def _end_watch(self) -> None:
        """Unless the switch has been thrown again meanwhile; an action under way ends first, as in the daemon."""
        if self.watch is None or self.app.kill.level() is not KillLevel.OFF:
            return
        if self.acting:
            asyncio.get_running_loop().call_later(1, self._end_watch)
        else:
            self.watch.cancel()

    @property
    def is_watched(self) -> bool:
        return self.watch is not None and not self.watch.done()

    def drop(self) -> None:
        """What the end of a process does: file handles and locks are gone, an open transaction with them."""
        let_go(self.app.journal)


class World:
    """Everything of one seed. `violations` are sentences; `trace` is a digest of all that happened, in order."""

    journal_locked_until = 0.0  # by another program, in the time of the loop

    def __init__(
        self,
        seed: int,
        loop: VirtualLoop,
        *,
        only: Collection[Kind] | None = None,
        heaviness: float | None = None,
        limits: Mapping[str, str] | None = None,
        playbook: Mapping[str, str] | None = None,
        tell: Callable[[str], None] | None = None,
        seam: Seam = Seam.PORT,
        renames: bool = False,
        venue: str = BINANCE,
        options: bool = False,
    ) -> None:
        self.renames, self.venue, self.has_options = renames, venue, options
        self.seed, self.loop, self._tell, self.seam = seed, loop, tell, seam
        self.chance = chance = Random(f"{seed}/world")
        self.plan = FaultPlan(seed, only=only, heaviness=heaviness, rates=AT_THE_WIRE if seam is Seam.WIRE else {})
        self.directory = Path(tempfile.mkdtemp(prefix="sim-", dir=SHM if SHM.is_dir() else None))
        self.clock = LocalClock(self)
        self.violations: list[str] = []
        self.errors: list[BaseException] = []
        self.notes: list[str] = []
        self.is_idle = False  # nothing is left to rotate: the operator changes his mind
        self.turns = self.lives = self.cycles_to_finish = self.clock_error_ms = 0
        self._last_file = self.journal_path
        self._trace = hashlib.sha256()
        self.hooks = Hooks()
        self.is_tight = chance.random() < 0.3 or bool(limits)
        self.is_strange: set[str] = set()  # tokens whose holdings others have moved
        self.held_on_both_sides: set[str] = set()  # perps, in hedge mode
        self.used_again: set[tuple[str, int]] = set()  # orders of others under ids of ours, by symbol and venue's id
        self._patience = Random(f"{self.seed}/stands")  # of its own, like whatever not every seed draws
        self.stands = self._patience.random() < STANDING
        chosen = {**(drawn(seed, stands=self.stands, renames=renames) if options else {}), **(playbook or {})}
        scope = chance.choice(list(DuplicateScope))
        self.exchange = Exchange(
            instruments=instruments(renames=renames),
            market=market_of(chance.randrange(MARKETS), has_past=needs_past(chosen)),
            start_ms=START_MS,
            rules=Rules(
                duplicate_scope=scope if venue in SPOKEN and not SPOKEN[venue].ids_last else DuplicateScope.NEVER,
                brackets=brackets_of(Rules()),
                liquidation_fees=recorded_liquidation_fees(instruments(renames=renames)),
            ),
        )
        for symbol in set(self.exchange.instruments) - set(instruments()):
            self.exchange.halt(symbol)  # until the exchange converts
        self.user_file = self.directory / "user.toml"
        self._looked_at: tuple[bytes, Settings] | None = None
        self.choices = with_series({**self._choose(chance), **chosen}, self.series_file)
        self.condition = self.choices.pop("playbook.regime.override", chance.choice(CONDITIONS[:4]))
        self.limits = dict(limits) if limits else self._tight_limits(chance) if self.is_tight else {}
        self.write_user_file()
        settings = self.settings()
        at = settings.playbook
        if self.stands:
            shares, _ = target_shares(STANCES[self.condition], at, tactical_allowed=False)
            at = at.changed({"allocation.neutral": {name: part for name, part in shares.items() if name != CASH}})
        self.start = neutral_holdings(self.exchange, self.exchange.instruments, at, settings.universe, BOOK)
        perp = sum((s for n, s in at.allocation.neutral.items() if n.endswith(".futures")), ZERO) * BOOK
        self.exchange.create_account(ACCOUNT, spot={**self.start, GIFT: Decimal(7)}, perp=perp)
        inner = self._inner(venue)
        self.wire = Wire(self.exchange, self.plan, inner, self.now_ms, self.note)
        self.darkness = Darkness(self.plan, loop.time)
        self._connect_halves()
        self.streams = SimStreams(self, only)
        self.life: Life | None = None
        self.codes: Counter[str] = Counter()

    def _inner(self, venue: str) -> EngineVenue:
        """The exchange as one account sees it without a wire."""
        if venue == BYBIT:
            return UnifiedEngine(self.exchange, _Truth(self), account=ACCOUNT)
        return EngineVenue(self.exchange, _Truth(self), account=ACCOUNT, venue=venue if venue in SPOKEN else BINANCE)

    @property
    def journal_path(self) -> Path:
        return self.directory / "journal.db"

    @property
    def series_file(self) -> Path:
        """Of the operator's own series, in seeds that have one."""
        return self.directory / "series.csv"

    @property
    def has_series(self) -> bool:
        return any(name.startswith("series.") for name in self.choices)

    @property
    def trace(self) -> str:
        return self._trace.hexdigest()

    def _connect_halves(self) -> None:
        """What stands behind the connections: `engines` of the halves of a pair at the port, `replicas` of them at
        the wire; `replica` is the one behind the perps."""
        is_pair, is_wire = self.venue == MIXED, self.seam is Seam.WIRE
        self.engines = engines_of(self.seed, self.exchange, _Truth(self)) if is_pair and not is_wire else None
        self.replicas = replicas_of(self.seed, self.wire) if is_pair and is_wire else {}
        alone = SPOKEN[self.venue].replica(self.wire) if is_wire and not is_pair else None
        self.replica = self.replicas.get(MarketKind.PERP) or alone
        if self.replica is not None:
            self.replica.draw(Random(f"{self.seed}/undocumented"))

    def venue_at(self, kind: MarketKind) -> str:
        """Where this kind of market is traded; at the port the two venues of a pair are not told apart."""
        if self.venue != MIXED or self.seam is Seam.PORT:
            return self.venue
        return pair_of_seed(self.seed)[kind]

    def spoken_at(self, kind: MarketKind) -> Spoken:
        """The same with its words; Binance's of a pair at the port."""
        return SPOKEN.get(self.venue_at(kind), SPOKEN[BINANCE])

    def is_nameless(self, order: OrderRequest | SimOrder) -> bool:
        """Whether the venue shows no client id of such an order: a journal that is older than it cannot know it."""
        is_stop = order.trigger_price is not None and is_perp(order.symbol)
        return is_stop and not self.spoken_at(MarketKind.PERP).names_stops

    def is_journal_locked(self) -> bool:
        return self.loop.time() < self.journal_locked_until

    def file_in_use(self) -> Path:
        """Where the events go: the journal, or its copy. Between two lives, where the last one has written."""
        if self.life is not None:
            self._last_file = self.life.app.journal._recovery.path
        if not self._last_file.exists():  # the process was killed between the copy's end and its own knowledge of it
            self._last_file = self.journal_path
        return self._last_file

    def forget_copy(self) -> None:
        """The journal has been replaced while no process ran, and a copy beside it removed."""
        self._last_file = self.journal_path

    def now_ms(self) -> int:
        """True time: the exchange's."""
        return START_MS + round(self.loop.time() * 1000)

    def note(self, words: str) -> None:
        """One line of the trace."""
        line = f"{self.loop.time():11.3f} {words}"
        self._trace.update(line.encode())
        if self._tell is not None:
            self._tell(line)

    def violate(self, rule: str, words: str) -> None:
        """Something that must never be."""
        sentence = f"{rule}: {words}"
        self.note(f"VIOLATION {sentence}")
        if sentence not in self.violations:
            self.violations.append(sentence)

    # configuration

    def _choose(self, chance: Random) -> dict[str, str]:
        """What differs from seed to seed and stays within one."""
        wagers = Random(f"{self.seed}/wagers")  # of its own, so that what else a seed draws stays as it was
        return {
            "playbook.short.is_on": wagers.choice(["true", "false"]),
            "playbook.scalp.is_on": wagers.choice(["true", "false"]),
            "playbook.constants.scalp_rsi": wagers.choice(["30", "49"]),
            "playbook.rotation.bridge": chance.choice(["reserve", "reserve", "none", "idle-margin"]),
            "risk.order_notional_max_quote": str(chance.choice([1_500, 4_000, 25_000])),
            "playbook.tactical.leverage": str(chance.choice([3, 5, 10])),
            "playbook.exits.stop": chance.choice(["0.01", "0.03", "0.08"]),
            "playbook.tactical.hours": str(chance.choice([1, 3, 168])),
            # Drawn apart, so that everything else of a seed is what it was before there were styles.
            "playbook.orders.increase_style": Random(f"{self.seed}/style").choice(
                ["market", "market", "twap", "limit", "post-only"]
            ),
            "playbook.hedging.instrument": Random(f"{self.seed}/hedge").choice(["leader", "basket"]),
            **(
                {
                    "playbook.tactical.is_on": "false",
                    "playbook.scalp.is_on": "true",
                    "playbook.constants.scalp_rsi": "49",
                    "playbook.signals.candle_minutes": "60",
                }
                if self.stands
                else {}
            ),
        }

    def keeps_standing(self) -> bool:
        """Whether the operator leaves a stance alone that has been reached, so that wagers have their time; long
        positions are allowed from then on."""
        if not self.stands or self._patience.random() < 0.1:
            return False
        self.choices["playbook.tactical.is_on"] = "true"
        self.write_user_file()
        return True

    def _tight_limits(self, chance: Random) -> dict[str, str]:
        """Limits that bind in an ordinary rotation; it may then never finish, and is not asked to."""
        name, value = chance.choice(
            [
                ("turnover_max", "0.30"),
                ("account_leverage_max", "0.12"),
                ("gross_max", "1.05"),
                ("asset_max", "0.22"),
                ("orders_per_minute_max", "6"),
                ("margin_use_max", "0.15"),
                ("order_notional_max_quote", "1600"),
                ("executions_per_hour_max", "5"),
            ]
        )
        return {name: value}

    def write_user_file(self) -> None:
        """What the operator has configured; a value in brackets is a list. The bot may be reading it right now."""
        risk = {f"risk.{name}": value for name, value in LOOSE.items()}
        tight = {f"risk.{name}": value for name, value in self.limits.items()}
        chosen = {**risk, **self.choices, "playbook.regime.override": self.condition, **tight}
        written = {name: value if value.startswith("[") else f'"{value}"' for name, value in chosen.items()}
        lines = [f"{name} = {value}" for name, value in written.items()]
        self.user_file.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def settings(self) -> Settings:
        files = (packaged_config() / "golden.toml", self.user_file)
        extra = (*(RENAME if self.renames else ()), *(WAGERS if self.stands else ()))
        fixed = (*FIXED, *self._settings_of_venue(), *extra)
        return Sources(files=files, assignments=(*fixed, f'state_directory="{self.directory}"')).load()

    def settings_now(self) -> Settings:
        """The same for a rule that only looks: read again when the operator has changed the file."""
        written = self.user_file.read_bytes()
        if self._looked_at is None or self._looked_at[0] != written:
            self._looked_at = written, self.settings()
        return self._looked_at[1]

    def _settings_of_venue(self) -> tuple[str, ...]:
        if self.venue == MIXED and self.seam is Seam.WIRE:
            return tuple(f"venue.{kind.value}.id={venue}" for kind, venue in pair_of_seed(self.seed).items())
        return _SETTINGS_OF[self.venue]

    # lives

    async def begin(self) -> Life:
        """A new process. Raises JournalError; at the wire also SetupFailed and Unavailable."""
        self.lives += 1
        doom = self._draw_doom()
        if self.plan.strikes(Kind.CLOCK_SKEW):
            self.clock_error_ms = self.plan.count(Kind.CLOCK_SKEW, -30_000, 30_000)
        self.note(f"life {self.lives} begins, clock off by {self.clock_error_ms} ms")
        settings = self.settings()
        journal = await Journal.open(
            self.journal_path,
            account=ACCOUNT,
            now_ms=self.clock.now_ms,
            keep_snapshots=settings.journal.keep_snapshots,
            threaded=False,
            token=f"{self.seed}/{self.lives}",
            substituted=self._must_be_substituted(settings),
        )
        self._spoil(journal, doom)
        venue = self._connect(settings, doom)
        self.hooks.on_connect(venue)
        try:
            await open_venue(venue, settings, journal.reader, FlagFile(self.directory).load())
            app = assemble(AppSeams(settings, self.clock, venue, journal, macro=self._macro(settings)))
        except BaseException as error:
            let_go(journal)
            await venue.close()
            if isinstance(error, AccountRefused):
                self.hooks.on_refused_start()
            if isinstance(error, SetupFailed):  # an operator reads it and synchronises the machine's clock
                self.clock_error_ms = self.plan.count(Kind.CLOCK_SKEW, -SKEW_AT_START_MS, SKEW_AT_START_MS)
            raise
        pace = GuardPace(
            settings.cadence.guard_seconds, self.streams.begin_life(), venue_ms=venue.now_ms, now=self.loop.time
        )
        self.streams.pace = pace
        self.life = Life(app, doom, venue, pace, clock_checked_ms=self.clock.now_ms())
        await record_config(journal, settings, app.cycle.parts.policy)
        return self.life

    def _macro(self, settings: Settings) -> JoinedMacro:
        """The operator's own series and nothing else."""
        specs = {name: one.spec(name) for name, one in settings.series.items()}
        return JoinedMacro([ConfiguredSeries(specs, self.clock.now_ms)] if specs else ())

    def _must_be_substituted(self, settings: Settings) -> bool:
        """As the daemon's start: a locked journal is waited for, unless a level is in force that can act in a copy.

        Raises:
            JournalLocked: nothing can be done before it is free.
        """
        if not self.is_journal_locked():
            return False
        if level_in_force(settings, FlagFile(self.directory).load()) is KillLevel.OFF:
            raise JournalLocked(self.journal_path, "is locked by another program", "close whatever is writing to it")
        return True

    def _connect(self, settings: Settings, doom: Doom) -> FaultyVenue | WireVenue | PairVenue:
        if self.engines is not None:
            return pair_of(self.wire, self.clock, doom, self.engines, self.darkness)
        if self.replica is None:
            return SPOKEN[self.venue].port(self.wire, self.clock, doom)
        if self.replicas:
            return pair_at_the_wire(
                self.wire,
                self.replicas,
                self.codes,
                settings=settings,
                clock=self.clock,
                doom=doom,
                loop=self.loop,
                darkness=self.darkness,
            )
        return WireVenue(
            self.wire, self.replica, self.codes, settings=settings, clock=self.clock, doom=doom, loop=self.loop
        )

    def _draw_doom(self) -> Doom:
        plan, doom = self.plan, Doom()
        if plan.strikes(Kind.CRASH_CALL):
            doom.at_call = plan.count(Kind.CRASH_CALL, 1, 600)
        if plan.strikes(Kind.CRASH_COMMIT):
            doom.at_commit = plan.count(Kind.CRASH_COMMIT, 1, 200)
        if plan.strikes(Kind.CRASH_STEP):
            doom.at_step = plan.count(Kind.CRASH_STEP, 1, 3_000) * (STEPS_AT_THE_WIRE if self.replica else 1)
        return doom

    def _spoil(self, journal: Journal, doom: Doom) -> None:
        """Let transactions fail, or the process die before and after a commit."""
        writer: Any = journal._writer
        original = writer._transact

        def transact(db: Any, batch: Any) -> Any:
            doom.commit()
            if self.is_journal_locked() and not journal.is_substituted:
                raise _storage_error("database is locked", SQLITE_BUSY)
            if self.plan.strikes(Kind.JOURNAL_FULL):
                raise _storage_error("database or disk is full", SQLITE_FULL)
            is_broken = self.plan.strikes(Kind.JOURNAL_BROKEN)
            if is_broken and self.plan.choose(Kind.JOURNAL_BROKEN, [True, False]):
                raise _storage_error("disk I/O error", SQLITE_IOERR)
            answers = original(db, batch)
            if is_broken:  # the commit is on disk, and its caller hears that it failed
                raise _storage_error("disk I/O error", SQLITE_IOERR)
            doom.commit()
            return answers

        writer._transact = transact
        recovery: Any = journal._recovery
        open_again = recovery._open_again

        def opened_again() -> Any:
            if self.is_journal_locked():
                raise JournalLocked(self.journal_path, "is locked by another program", "close whatever is writing")
            return open_again()

        recovery._open_again = opened_again

    async def run_turn(self, life: Life, kind: str, *, cancel_after: float | None = None) -> CycleResult | None:
        """One turn; None when it came to nothing. The caller looks whether the life is over."""
        self.turns += 1
        self.hooks.before_turn(life, kind)
        task = self.loop.create_task(life.turn(kind))
        life.tasks.add(task)
        timer = None if cancel_after is None else self.loop.call_later(cancel_after, task.cancel)

        def step() -> None:
            life.doom.step()
            if life.doom.is_dead and not task.done():
                task.cancel()

        self.loop.on_step = step
        try:
            await asyncio.wait({task})
        finally:
            self.loop.on_step = None
        life.tasks.discard(task)
        if timer is not None:
            timer.cancel()
        result = self._read_turn(life, kind, task)
        self.hooks.after_turn(life, kind, result)
        return result

    def _read_turn(self, life: Life, kind: str, task: "asyncio.Task[CycleResult | None]") -> CycleResult | None:
        if task.cancelled():
            self.note(f"{kind}: cancelled")
            return None
        error = task.exception()
        if error is None:
            result = task.result()
            if result is None:
                return None
            life.results += 1
            self.note(f"{kind} {result.number}: {len(result.outcomes)} outcomes")
            return result
        if life.doom.is_dead or isinstance(error, Crash):
            self.note(f"{kind}: the process died")
        elif isinstance(error, Unavailable | JournalError):
            self.note(f"{kind}: {type(error).__name__}")
        else:
            self.errors.append(error)
            self.violate("a turn ends with a known error", f"{kind}: {error!r}")
        return None

    async def end(self, life: Life, *, is_clean: bool) -> None:
        """Close it as the daemon does, or let it vanish."""
        self.hooks.at_end_of_life(life, is_clean=is_clean)
        for task in life.tasks:
            task.cancel()
        await asyncio.gather(*life.tasks, return_exceptions=True)
        if is_clean and not life.doom.is_dead:
            with contextlib.suppress(Crash):
                await life.app.cycle.parts.executor.close()
        life.doom.is_dead = life.doom.is_dead or not is_clean
        mine = {task for task in asyncio.all_tasks() if task is not asyncio.current_task()} - self.own_tasks()
        for task in mine:
            task.cancel()
        await asyncio.gather(*mine, return_exceptions=True)
        if is_clean and not life.doom.is_dead:
            with contextlib.suppress(Crash):
                await life.app.journal.close()
        await life.venue.close()
        life.drop()
        self.note(f"life {self.lives} ends, {'clean' if is_clean else 'killed'}")
        self.life = None

    async def rest(self, life: Life, seconds: float) -> None:
        """The time until the next turn of the scenario; with streams guards come in it, as in the daemon."""
        if not self.streams.are_on:
            await asyncio.sleep(seconds)
            return
        await self.streams.rest(life, seconds)

    def own_tasks(self) -> set["asyncio.Task[Any]"]:
        """Tasks of the simulation, not of the bot."""
        return {task for task in asyncio.all_tasks() if task.get_name().startswith("sim ")}

    def resume(self, *, accepts: bool, reason: str = "looked at") -> None:
        """The operator takes the hand off the switch and asks the bot to go on."""
        (self.directory / "KILL").unlink(missing_ok=True)
        ResumeFile(self.directory).record(ResumeRequest(reason, accept_mismatch=accepts))

    def remove(self) -> None:
        shutil.rmtree(self.directory, ignore_errors=True)


def let_go(journal: Journal) -> None:
    """What is left of a journal when its process has ended: nothing open, nothing locked."""
    journal._writer._close()
    journal.reader.close()
    journal._lock_file.release()


class _Truth:
    """The exchange's clock."""

    def __init__(self, world: World) -> None:
        self._world = world

    def now_ms(self) -> int:
        return self._world.now_ms()


def _storage_error(words: str, code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError(words)
    error.sqlite_errorcode = code
    return error
