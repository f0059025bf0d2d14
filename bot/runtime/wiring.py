"""The composition root: the only place that names concrete classes, modes and environments (DESIGN §3)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import aiohttp

from bot.domain.codec import decode
from bot.domain.durations import MINUTE_MS
from bot.domain.instrument import Kind
from bot.domain.money import ZERO
from bot.domain.portfolio import Account, Balance
from bot.domain.states import KillLevel, highest
from bot.execution.executor import Executor
from bot.execution.reconcile import Reconciler
from bot.feeds.macro import JoinedMacro, SeriesFiles
from bot.feeds.open_interest import INTEREST_EVERY_MS
from bot.feeds.series.address import AddressReader
from bot.feeds.series.source import ConfiguredSeries
from bot.feeds.signal_feed import SignalFeed
from bot.feeds.snapshot import SnapshotRequest
from bot.feeds.stablecoins import DefiLlamaStablecoins
from bot.feeds.tvl import DefiLlamaTvl
from bot.journal.journal import Journal, JournalError, JournalReader
from bot.playbook.policy.numbers import Policy
from bot.ports import Clock, MacroSource, Stream, TvlSource, Venue
from bot.runtime.cash_flows import record_rebased
from bot.runtime.clock import SkippingClock, SystemClock
from bot.runtime.cycle import ACCOUNT, Cycle, Parts
from bot.runtime.kill.switch import FlagFile, KillSwitch
from bot.runtime.observer_setup import make_observer
from bot.runtime.settings.model import Settings
from bot.runtime.settings.places import WORLD
from bot.runtime.settings.proxy_hint import apply_proxies
from bot.runtime.settings.snapshot import record_config
from bot.runtime.settings.watch import ConfigWatcher
from bot.runtime.simulator.sim_port import SimulatorControl, on_paper, start_embedded_exchange
from bot.runtime.start.guarded import open_venue
from bot.venues.ccxt.adapter import load_adapter, only
from bot.venues.ccxt.venue import CcxtVenue, ConnectionRules, Credentials, Seams
from bot.venues.pair.venue import PairVenue
from bot.venues.read_only import read_only


class OneSession:
    """An HTTP session made when it is first needed, inside the loop that uses it."""

    def __init__(self, *, trust_env: bool = True) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._trust_env = trust_env

    def __call__(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(trust_env=self._trust_env)
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


@dataclass(slots=True)
class App:
    """A bot put together, ready to run turns. `close` ends it in the reverse order of `build`, an exchange it was
    handed excepted."""

    settings: Settings
    clock: Clock
    venue: Venue
    journal: Journal
    cycle: Cycle
    kill: KillSwitch
    watcher: ConfigWatcher
    session: OneSession
    owned: SimulatorControl | None = None
    signals: SignalFeed | None = None
    streams: Sequence[Stream] = ()

    async def take_tighter_limits(self) -> None:
        """Before a turn: go by the limits as the configuration files have tightened them meanwhile.

        They are journaled first, so that a cycle is replayed with the limits it was decided with.

        Raises:
            JournalError: when they cannot be; the next turn tries again.
        """
        effective, parts = self.watcher.effective, self.cycle.parts
        if effective.risk != parts.limits:
            await record_config(self.journal, effective, parts.policy)
            self.cycle.parts = replace(parts, limits=effective.risk, config_digest=effective.digest)

    async def close(self) -> None:
        await self.cycle.parts.executor.close()
        await self.venue.close()
        if self.signals is not None:
            await self.signals.close()
        await self.session.close()
        await self.journal.close()
        if self.owned is not None:
            await self.owned.stop()


@dataclass(frozen=True, slots=True)
class SwitchParts:
    """The kill switch and the watcher of the configuration that it asks. Both work before there is an App."""

    kill: KillSwitch
    watcher: ConfigWatcher


def listen(settings: Settings) -> SwitchParts:
    """A kill switch without a journal yet: it obeys files, configuration and signals from its `start` on."""
    watcher = ConfigWatcher(settings)
    return SwitchParts(KillSwitch(FlagFile(settings.state_directory), configured=watcher.poll), watcher)


@dataclass(frozen=True, slots=True)
class AppSeams:
    """What differs between the daemon, a demo, `plan`, a back-test and a simulation. Everything else is the same.

    `switch`: without one a new one listens to files and configuration. `session` is closed with the App.
    `are_candles_joined`: the venue's candles of a renamed token go back through its former names already.
    `reconciler`: what compares journal and account, where it is not the usual one.
    """

    settings: Settings
    clock: Clock
    venue: Venue
    journal: Journal
    tvl: TvlSource | None = None
    macro: MacroSource | None = None
    switch: SwitchParts | None = None
    session: OneSession = field(default_factory=OneSession)
    are_candles_joined: bool = False
    signals: SignalFeed | None = None
    reconciler: Reconciler | None = None


async def build(
    settings: Settings,
    *,
    embedded: SimulatorControl | None = None,
    switch: SwitchParts | None = None,
    token: str = "",
    substituted: bool = False,
    reads_only: bool = False,
) -> App:
    """Open journal and venue, settle nothing yet. In environment `sim` the exchange is started here, or the one
    that settings name is looked up, unless one is given.

    A `switch` that listens already is joined to the journal. `token` replaces the random one that client order ids
    carry: only for an exchange and a journal that begin with this process (see `NEW_EXCHANGE`). `substituted`
    goes on in a copy of a journal that another program has locked. `reads_only`: nothing can be sent to the venue.

    Raises:
        SetupFailed: the venue cannot be used as configured.
        Unavailable: it cannot be reached.
        JournalError: the journal cannot be opened.
    """
    owns_exchange = settings.environment == "sim" and embedded is None
    if owns_exchange:
        embedded = await start_embedded_exchange(settings)
    clock: SystemClock | SkippingClock = embedded.clock if embedded else SystemClock()
    venue = make_venue(settings, clock, embedded)
    venue = read_only(venue) if reads_only else venue
    session = OneSession(trust_env=settings.venue.trust_env)
    journal = None
    try:
        journal = await Journal.open(
            settings.journal_path,
            account=settings.venue.account,
            now_ms=clock.now_ms,
            keep_snapshots=settings.journal.keep_snapshots,
            # An exchange that starts empty numbers its orders anew: an old journal would take new orders for its own.
            fresh=owns_exchange and settings.venue.exchange is None and settings.mode == "trade",
            token=token,
            substituted=substituted,
        )
        world = _world_of_run(settings, embedded)
        _check_world(journal, settings, world)
        level = (switch or listen(settings)).kill.level()
        await open_venue(venue, settings, journal.reader, level, reads_only=reads_only)
        await _claim(journal, world)
        tvl, macro = make_tvl(settings, clock, embedded, session), make_macro(settings, clock, embedded, session)
        app = assemble(
            AppSeams(
                settings,
                clock,
                venue,
                journal,
                tvl,
                macro,
                switch,
                session,
                signals=make_signal_feed(settings, clock),
            )
        )
        app.owned = embedded if owns_exchange else None
        app.streams = make_streams(settings, venue)
        await record_config(journal, settings, app.cycle.parts.policy)
    except BaseException:
        await venue.close()
        if journal is not None:
            await journal.close()
        if owns_exchange and embedded is not None:
            await embedded.stop()
        raise
    return app


def _world_of_run(settings: Settings, embedded: SimulatorControl | None) -> dict[str, str]:
    world = {"environment": settings.environment, "mode": settings.mode, "venue": settings.venue.name}
    return world | ({"exchange": embedded.identity} if embedded is not None and embedded.identity else {})


def _check_world(journal: Journal, settings: Settings, world: Mapping[str, str]) -> None:
    """A journal belongs to one mode of one environment, and to one exchange where several are possible: fills of
    another must never be taken for its own."""
    known = journal.reader.load_facts(WORLD, 1)
    if known and dict(known[-1].payload) != world:
        was = _shown_world(known[-1].payload)
        names = f"{settings.environment}-{settings.mode}-{settings.venue.name}"
        own = settings.state_directory.with_name(f"{settings.state_directory.name}-{names}")
        raise JournalError(
            journal.path,
            f"belongs to {was}, and this run is {_shown_world(world)}",
            f"give this run a state directory of its own: --set state_directory={own}",
        )


def _shown_world(world: Mapping[str, str]) -> str:
    exchange = f", exchange {world['exchange']}" if "exchange" in world else ""
    return " ".join(world[name] for name in ("mode", "environment", "venue")) + exchange


async def _claim(journal: Journal, world: Mapping[str, str]) -> None:
    """Record mode, environment and venue in the journal once the venue has answered."""
    if not journal.reader.load_facts(WORLD, 1):
        await journal.record_fact(WORLD, dict(world))


def make_venue(settings: Settings, clock: SystemClock | SkippingClock, embedded: SimulatorControl | None) -> Venue:
    """The venue that mode and environment ask for: the one place where they differ."""
    real = _composed(settings, lambda kinds: _connected(settings, kinds, clock, embedded))
    if settings.mode == "trade":
        return real
    initial = _remembered_account(settings)
    if initial is None and embedded is None and not all(account.has_keys for account in settings.venue.accounts):
        initial = _paper_account(settings, clock.now_ms())
    return on_paper(real, account=settings.venue.account, initial=initial)


def make_account_reader(settings: Settings, clock: SystemClock) -> Venue:
    """The account of the settings, whatever the mode, which can only be read."""
    return read_only(_composed(settings, lambda kinds: _connected(settings, kinds, clock, None)))


def _composed(settings: Settings, connect: Callable[[frozenset[Kind]], Venue]) -> Venue:
    """One connection for all markets, or one for spot and one for perps where they are at two accounts."""
    if not settings.venue.is_pair:
        return connect(settings.venue.kinds)
    halves = [connect(frozenset({kind})) for kind in (Kind.SPOT, Kind.PERP)]
    return PairVenue(*halves, quote=settings.universe.quote)


def _connected(
    settings: Settings,
    kinds: frozenset[Kind],
    clock: SystemClock | SkippingClock,
    embedded: SimulatorControl | None,
) -> Venue:
    """The connection to the account that trades these kinds of markets."""
    account, environment = settings.venue.account_of(min(kinds)), _environment_of(settings, kinds)
    adapter = only(load_adapter(account.id), kinds)
    if embedded is None and settings.venue.trust_env and environment in adapter.profile.environments:
        apply_proxies(adapter.profile.environments[environment].hosts)
    credentials = None
    session_factory: Callable[[], aiohttp.ClientSession] | None = None
    seams = Seams()
    if embedded is not None:
        key = embedded.key_of(min(kinds))
        credentials = Credentials(key.key, key.secret)
        session_factory = embedded.session
        seams = Seams(monotonic=lambda: clock.now_ms() / 1000)
    elif account.api_key is not None and account.api_secret is not None:
        credentials = Credentials(account.api_key.get_secret_value(), account.api_secret.get_secret_value())
    return CcxtVenue(
        adapter,
        environment=environment,
        account=settings.venue.account,
        credentials=credentials,
        quote=settings.universe.quote,
        session_factory=session_factory,
        clock=clock,
        rules=ConnectionRules(
            trust_env=settings.venue.trust_env,
            receive_window_ms=settings.execution.receive_window_ms,
            latency_spread_ms=settings.venue.timing.latency_spread_ms,
            trades=settings.mode == "trade",
            maintenance_rate=settings.risk.maintenance_rate,
            cache_folder=_cache_of(settings, kinds) if embedded is None else None,
            seams=seams,
        ),
    )


def _cache_of(settings: Settings, kinds: frozenset[Kind]) -> Path:
    """Where lists of markets are kept; one account's may have half of them."""
    folder = settings.state_directory / "cache"
    return folder if kinds == frozenset(Kind) else folder / min(kinds).value


def make_streams(settings: Settings, venue: Venue) -> Sequence[Stream]:
    """The venue's streams, where they are on. A dry-run has none: its orders meet the prices that it polls."""
    if not settings.venue.streams or settings.mode != "trade" or not isinstance(venue, CcxtVenue | PairVenue):
        return ()
    return venue.streams(snapshot_request(settings).symbols)


def make_signal_feed(settings: Settings, clock: SystemClock | SkippingClock) -> SignalFeed | None:
    """The real market of the venue, read without keys and never written to, where signals are to come from there."""
    if settings.venue.signals_from == "venue":
        return None

    def connect(kinds: frozenset[Kind]) -> Venue:
        return CcxtVenue(
            only(load_adapter(settings.venue.account_of(min(kinds)).id), kinds),
            environment=settings.venue.signals_from,
            account=settings.venue.account,
            credentials=None,
            quote=settings.universe.quote,
            clock=clock,
            rules=ConnectionRules(
                trust_env=settings.venue.trust_env,
                latency_spread_ms=settings.venue.timing.latency_spread_ms,
                trades=False,
                cache_folder=_cache_of(settings, kinds),
            ),
        )

    def make() -> Venue:
        return read_only(_composed(settings, connect))

    return SignalFeed(settings.venue.signals_from, snapshot_request(settings).symbols, make, clock.now_ms)


def _environment_of(settings: Settings, kinds: frozenset[Kind]) -> str:
    """The venue's own name of the environment."""
    if settings.venue.spot_testnet and Kind.SPOT in kinds:
        return "spot-testnet"
    return "demo" if settings.venue.account_of(min(kinds)).demo else settings.environment


def _remembered_account(settings: Settings) -> Account | None:
    """What the paper account owned when the journal last saw it, so that a dry-run goes on after a restart."""
    if not settings.journal_path.is_file():
        return None
    reader = JournalReader(settings.journal_path)
    try:
        seen = [decode(Account, fact.payload) for fact in reader.load_facts(ACCOUNT, 1)]
        last = reader.load_last_cycle()
        return max([*seen, *([last.account] if last else [])], key=lambda account: account.at_ms, default=None)
    except (JournalError, ValueError):
        return None  # the journal will be opened for writing next, and say what is wrong with it
    finally:
        reader.close()


def _paper_account(settings: Settings, now_ms: int) -> Account:
    """All cash, with the neutral futures sleeves already in the perp wallet."""
    policy, quote, book = settings.playbook, settings.universe.quote, settings.paper.book_quote
    perp = sum((share for name, share in policy.allocation.neutral.items() if name.endswith(".futures")), ZERO) * book
    cash = book - perp + policy.allocation.reserve_quote
    return Account(now_ms, quote, {quote: Balance(quote, cash)}, perp, perp, {})


def make_tvl(
    settings: Settings, clock: Clock, embedded: SimulatorControl | None, session: OneSession
) -> TvlSource | None:
    """Where total value locked comes from."""
    if embedded is not None:
        return embedded.tvl
    return DefiLlamaTvl(settings.tvl.parts, session, clock.now_ms) if settings.tvl.is_on else None


def make_macro(settings: Settings, clock: Clock, embedded: SimulatorControl | None, session: OneSession) -> MacroSource:
    """Where the series from outside the market come from: the operator's files everywhere, stablecoins as TVL; no
    address in `sim`, which needs no network."""
    series = {name: one.spec(name) for name, one in settings.series.items()}
    sources: list[MacroSource] = [
        SeriesFiles(settings.macro.files, clock.now_ms),
        ConfiguredSeries(series, clock.now_ms, None if embedded is not None else AddressReader(session)),
    ]
    if embedded is not None:
        sources.append(embedded.macro)
    elif settings.macro.stablecoins:
        sources.append(DefiLlamaStablecoins(session, clock.now_ms))
    return JoinedMacro(sources)


def assemble(seams: AppSeams) -> App:
    """The one composition of a bot: over these seams, with nothing opened, read or written yet."""
    settings, venue, journal = seams.settings, seams.venue, seams.journal
    switch = seams.switch or listen(settings)
    kill, watcher = switch.kill, switch.watcher
    kill.attach(
        latched=lambda: journal.reader.load_latch().level,
        latch=lambda level, by, reason: _record_latch(journal, level, by, reason),
        accept=lambda request: cycle.accept(by=request.by, reason=request.reason),
        rebase=lambda request: record_rebased(journal, request),
    )
    journal.hurry_while(kill.is_in_force)
    executor = Executor(venue, journal, settings.execution, account=settings.venue.account, is_stopped=kill.is_stopped)
    required = snapshot_request(settings)
    required = replace(required, lineages={}) if seams.are_candles_joined else required
    observer = make_observer(
        venue, required, settings, tvl=seams.tvl, macro=seams.macro, reader=journal.reader, signals=seams.signals
    )
    parts = Parts(
        venue=venue,
        journal=journal,
        reconciler=seams.reconciler
        or Reconciler(
            venue,
            journal,
            settings.execution,
            is_account_new=settings.mode != "trade",
            successions=settings.universe.successions,
        ),
        executor=executor,
        observer=observer,
        policy=policy_for(settings, venue),
        sectors=settings.universe,
        limits=settings.risk,
        config_digest=settings.digest,
        starts_small=is_start_small(settings),
        account_check_ms=settings.venue.timing.account_check_seconds * 1000,
    )
    cycle = Cycle(parts, kill_level=partial(_level_of_turns, kill, journal))
    return App(settings, seams.clock, venue, journal, cycle, kill, watcher, seams.session, signals=seams.signals)


def _level_of_turns(kill: KillSwitch, journal: Journal) -> KillLevel:
    """What a turn obeys: nothing is opened in the copy of a locked journal, also when the level whose work goes on
    there was lifted a moment ago."""
    return highest(kill.level(), KillLevel.REDUCE_ONLY) if journal.is_substituted else kill.level()


async def _record_latch(journal: Journal, level: KillLevel, by: str, reason: str) -> None:
    """The latch, on the journal's reserve if it must be."""
    try:
        await journal.record_latch(level, by=by, reason=reason)
    except JournalError:
        if not await journal.recover():
            raise
        await journal.record_latch(level, by=by, reason=reason)


def is_start_small(settings: Settings) -> bool:
    """Whether the first orders are canaries: wherever orders reach an exchange that is not our own."""
    return settings.mode == "trade" and settings.environment != "sim"


def policy_for(settings: Settings, venue: Venue) -> Policy:
    """The playbook, without transfers where the venue has none."""
    required = settings.playbook.allocation.transfers
    return settings.policy.changed({"allocation.transfers": venue.has_transfers and required})


def snapshot_request(settings: Settings) -> SnapshotRequest:
    """Everything a cycle looks at: the universe's spot and perps, and what stands for the whole market."""
    policy, universe = settings.playbook, settings.universe
    spot = tuple(dict.fromkeys((policy.signals.market_symbol, *universe.spot_symbols)))
    perps = universe.perp_symbols if Kind.PERP in settings.venue.kinds else ()
    return SnapshotRequest(
        spot=spot,
        perps=perps,
        candles=spot,
        timeframe_ms=policy.candle_ms,
        candle_count=policy.candle_count,
        funding=perps,
        open_interest=perps,
        tvl=(*universe.sectors, *(("total",) if "total" in settings.tvl.parts else ())),
        book_levels=settings.cadence.timing.book_levels,
        lineages=universe.lineages,
        open_interest_every_ms=min(INTEREST_EVERY_MS, policy.constants.signal_age_max_minutes * MINUTE_MS // 2),
    )
