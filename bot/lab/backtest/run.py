"""The cycle that trades, over recorded candles: virtual clock, the exchange's engine in process, nothing else changed.

Everything between the venue's port and the report is the daemon's own: observer, reconciler, executor, journal, gate
and playbook (DESIGN §3). Only composition and schedule are here.
"""

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from bot.domain.durations import HOUR_MS
from bot.domain.instrument import Instrument, Kind
from bot.domain.market import Funding, OpenInterest, Premium
from bot.domain.money import ZERO
from bot.domain.order_ids import NEW_EXCHANGE
from bot.domain.reason import Reason
from bot.domain.states import KillLevel, TrancheState
from bot.domain.symbol import base_of, is_perp
from bot.journal.journal import CycleRecord, Journal
from bot.lab.backtest.benchmarks import Benchmarks
from bot.lab.backtest.quiet_guard import QuietGuard
from bot.lab.backtest.record import Record
from bot.lab.backtest.recorder import BacktestRecorder
from bot.lab.backtest.settled_books import EngineReconciler
from bot.lab.backtest.virtual_time import VirtualClock, run_virtual
from bot.ports import MacroSource, TvlSource, Unavailable
from bot.runtime.cash_flows import record_rebased
from bot.runtime.cycle import Cycle, CycleResult
from bot.runtime.kill.fixed_level import FixedLevel
from bot.runtime.kill.switch import ResumeRequest
from bot.runtime.settings.model import Settings
from bot.runtime.settings.snapshot import record_config
from bot.runtime.settings.watch import ConfigWatcher
from bot.runtime.wiring import App, AppSeams, SwitchParts, assemble, snapshot_request
from bot.simex.engine.exchange import Exchange
from bot.simex.engine.market import Market
from bot.simex.market.catalogue import default_instruments, recorded_rules
from bot.venues.paper.engine_venue import EngineVenue
from bot.venues.registry import abilities_of

GUARDS_AT_ONCE = 4  # after one turn
REFIT = 4  # a price that has moved so far has a finer grid


@dataclass(frozen=True, slots=True)
class Schedule:
    """When to look. A cycle also runs when a tranche falls due, and an hour after one that has traded and is not done.

    `is_lazy`: no guard while there is nothing to guard, neither a perp nor a resting order nor an exit plan. All that
    such a guard would do is to mark the peak of equity, which is then marked by decisions only. `rebase_days`: an
    operator lets the peak begin anew when the breaker of drawdown has stopped entries for so long; 0 for nobody.
    `is_thorough`: every guard is taken and every settlement made as the daemon does, for a comparison.
    """

    start_ms: int
    end_ms: int
    decide_ms: int = 24 * HOUR_MS
    guard_ms: int = HOUR_MS
    is_lazy: bool = True
    rebase_days: int = 0
    is_thorough: bool = False


@dataclass(frozen=True, slots=True)
class World:
    """What is traded in: a market, the account's size, TVL and macro series by the clock they are given.

    `endow` opens the account; without it all of the book is cash, the futures sleeves' part of it in the perp wallet.
    """

    market: Market
    book_quote: Decimal
    tvl: Callable[[VirtualClock], TvlSource] | None = None
    endow: Callable[[Exchange], None] | None = None
    macro: Callable[[VirtualClock], MacroSource] | None = None


class LeanJournal(Journal):
    """The journal without what cycles saw of the past: the directory it came from keeps it better. It is not forced to
    the disk either: a run that the power ends is run again.

    `why` and the rest read it as always; `replay` of its cycles cannot come to the same decision and says so.
    """

    async def record_cycle(self, record: CycleRecord) -> None:
        """See `Journal.record_cycle`."""
        seen = record.snapshot
        funding = {
            symbol: Funding(result.symbol, result.rate, result.interval_hours, result.next_ms, result.at_ms)
            for symbol, result in seen.funding.items()
        }
        interest = {
            symbol: OpenInterest(result.symbol, result.value_quote, result.at_ms)
            for symbol, result in seen.open_interest.items()
        }
        premiums = {
            symbol: Premium(result.symbol, result.share, result.at_ms) for symbol, result in seen.premiums.items()
        }
        lean = replace(seen, candles={}, tvl={}, macro={}, funding=funding, open_interest=interest, premiums=premiums)
        await super().record_cycle(replace(record, inputs=replace(record.inputs, snapshot=lean)))

    def _connect(self) -> Any:
        db = super()._connect()
        db.execute("PRAGMA synchronous = OFF")
        self.reader.read_through(db, self._events.newest)
        return db


class PriceGrid:
    """Instruments on grids that fit their prices. A price that falls far gets a finer grid, as venues give it; a grid
    never becomes coarser, so that nothing held is left unsaleable."""

    def __init__(self, market: Market, symbols: tuple[str, ...], start_ms: int, settings: Settings) -> None:
        self._market, self._prices, self._refitted = market, dict[str, float](), dict[str, None]()
        self._venues = {kind: settings.venue.account_of(kind).id for kind in Kind}
        for symbol in symbols:
            self._prices[symbol] = market.at(symbol, max(start_ms, market.listed(symbol)[0])).mid
        self.instruments = {symbol: self._instrument_at(symbol, price) for symbol, price in self._prices.items()}

    def refit(self, exchange: Exchange) -> None:
        """Bring the exchange's instruments up to the present prices."""
        for symbol, fitted in self._prices.items():
            if not exchange.is_open(symbol):
                continue
            price = self._market.at(symbol, exchange.now_ms).mid
            if max(price / fitted, fitted / price) >= REFIT:
                self._prices[symbol] = price
                self.instruments[symbol] = _finer(self.instruments[symbol], self._instrument_at(symbol, price))
                self._refitted[symbol] = None
        listed = exchange.instruments if self._refitted else {}
        for symbol in self._refitted:
            known, required = listed[symbol], self.instruments[symbol]
            if (known.price_tick, known.size_step) != (required.price_tick, required.size_step):
                exchange.replace_instrument(required)

    def _instrument_at(self, symbol: str, price: float) -> Instrument:
        token = base_of(symbol)
        made = default_instruments((token,), {token: price})[symbol]
        return _at_venue(made, self._venues[made.kind])


def _at_venue(instrument: Instrument, venue: str) -> Instrument:
    """The instrument with fees and least order of the venue that it is traded at. Grids are recorded of one venue, and
    are those of the price at any other."""
    abilities = abilities_of(venue)
    fees, least = abilities.fees.get(instrument.kind), abilities.least_orders
    if fees is not None:
        instrument = replace(instrument, maker_fee=fees.maker, taker_fee=fees.taker)
    if venue == instrument.venue:
        return instrument
    value = least.perps.get(instrument.base, least.perp) if is_perp(instrument.symbol) else least.spot
    return replace(instrument, notional_min=value)


def _finer(old: Instrument, new: Instrument) -> Instrument:
    sizes = (old.market_size_max, new.market_size_max)
    return replace(
        new,
        price_tick=min(old.price_tick, new.price_tick),
        size_step=min(old.size_step, new.size_step),
        size_min=min(old.size_min, new.size_min),
        market_size_max=max(s for s in sizes if s is not None),
    )


def run_backtest(
    settings: Settings, world: World, schedule: Schedule, record: Record, *, on_progress: Callable[[float], None]
) -> Record:
    """Trade the world from start to end and fill the record in. `on_progress` receives the progress, 0 to 1.

    Raises:
        JournalError: when the journal fails.
    """
    clock = VirtualClock(schedule.start_ms)
    return run_virtual(_Run(settings, world, schedule, clock, record, on_progress).run(), clock)


class _Run:
    def __init__(
        self,
        settings: Settings,
        world: World,
        schedule: Schedule,
        clock: VirtualClock,
        record: Record,
        on_progress: Callable[[float], None],
    ) -> None:
        self._settings, self._world, self._schedule, self._clock = settings, world, schedule, clock
        self._record, self._on_progress = record, on_progress
        self._held_since_ms: int | None = None
        self._quiet: QuietGuard | None = None
        required = snapshot_request(settings)
        known = set(world.market.symbols)
        symbols = tuple(s for s in required.symbols if s in known)
        self._grid = PriceGrid(world.market, symbols, schedule.start_ms, settings)
        self._exchange = Exchange(
            instruments=self._grid.instruments,
            market=world.market,
            start_ms=schedule.start_ms,
            rules=recorded_rules(known),
        )
        self._account = settings.venue.account
        if world.endow is not None:
            world.endow(self._exchange)
        else:
            _give_cash(self._exchange, settings, world.book_quote)
        self._benchmarks = Benchmarks(
            world.market,
            self._grid.instruments,
            settings.playbook,
            settings.universe,
            start_ms=schedule.start_ms,
            book_quote=world.book_quote + settings.playbook.allocation.reserve_quote,
            refit=PriceGrid(
                world.market, tuple(s for s in self._grid.instruments if not is_perp(s)), schedule.start_ms, settings
            ).refit,
        )

    async def run(self) -> Record:
        """The whole run; the journal goes where the settings say."""
        if sys.version_info >= (
            3,
            12,
        ):  # nothing waits for a network here: what can go on at once needs no turn of its own
            asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        journal = await LeanJournal.open(
            self._settings.journal_path,
            account=self._account,
            now_ms=self._clock.now_ms,
            keep_snapshots=self._settings.journal.keep_snapshots,
            threaded=False,
            fresh=True,
            token=NEW_EXCHANGE,
        )
        try:
            app = self._assemble(journal)
            cycle = app.cycle
            await record_config(journal, self._settings, cycle.parts.policy)
            watch = BacktestRecorder(
                self._record,
                self._exchange,
                self._world.market,
                self._benchmarks,
                self._account,
                self._settings.universe,
                self._settings.playbook.allocation.neutral_spot,
            )
            await self._walk(cycle, watch)
            truth = await cycle.settle()
            self._record.reconciled = truth.is_agreed
            watch.finish(journal.reader)
            self._exchange.audit()
            await cycle.parts.executor.close()
        finally:
            await journal.close()
        return self._record

    def _assemble(self, journal: Journal) -> App:
        """The daemon's own bot, with the engine for a venue and nobody at the kill switch."""
        settings, world, universe = self._settings, self._world, self._settings.universe
        venue = EngineVenue(self._exchange, self._clock, account=self._account, quote=universe.quote)
        venue.has_transfers = not settings.venue.is_pair  # between two accounts nothing is moved
        rules, successions, always = settings.execution, universe.successions, self._schedule.is_thorough
        reconciler = EngineReconciler(venue, journal, rules, successions=successions, always=always)
        app = assemble(
            AppSeams(
                settings,
                self._clock,
                venue,
                journal,
                tvl=world.tvl(self._clock) if world.tvl is not None else None,
                macro=world.macro(self._clock) if world.macro is not None else None,
                switch=SwitchParts(FixedLevel(KillLevel.OFF), ConfigWatcher(settings)),
                are_candles_joined=True,
                reconciler=reconciler,
            )
        )
        if not always:
            self._quiet = QuietGuard(app.cycle, venue, reconciler)
        return app

    async def _walk(self, cycle: Cycle, watch: BacktestRecorder) -> None:
        """From moment to moment; a wait inside a turn moves the clock, and what it overtakes is not caught up on."""
        schedule = self._schedule
        at_ms = due_ms = schedule.start_ms
        last: CycleResult | None = None
        is_moving = False
        while at_ms <= schedule.end_ms:
            is_due = at_ms >= due_ms
            if is_due or _is_busy(last, at_ms, is_moving=is_moving):
                await self._wait_until(at_ms)
                if is_due:
                    self._exchange.advance(self._clock.now_ms())
                    self._grid.refit(self._exchange)
                decided, is_moving = await self._decide(cycle, watch)
                last = decided or last
                await self._attend(cycle.parts.journal, last, at_ms)
            elif not schedule.is_lazy or last is None or _is_exposed(last):
                await self._wait_until(at_ms)
                last = await self._guard(cycle, watch, last) or last
            last = await self._finish_stops(cycle, watch, last)
            watch.keep_hour(at_ms)
            if is_due:
                due_ms = at_ms + schedule.decide_ms
            if (at_ms - schedule.start_ms) % (24 * HOUR_MS) == 0:
                watch.keep_day(at_ms, self._benchmarks.step(at_ms))
                self._on_progress((at_ms - schedule.start_ms) / max(1, schedule.end_ms - schedule.start_ms))
            at_ms += schedule.guard_ms
        await self._wait_until(at_ms - schedule.guard_ms)

    async def _wait_until(self, at_ms: int) -> None:
        """Hours without a turn are passed in one go."""
        await asyncio.sleep(max(0, at_ms - self._clock.now_ms()) / 1000)

    async def _decide(self, cycle: Cycle, watch: BacktestRecorder) -> tuple[CycleResult | None, bool]:
        """A cycle, and the next at once while a rotation makes progress, as the daemon does; the last of them, and
        whether there was any progress."""
        result, is_moving = None, False
        for _ in range(self._settings.cadence.timing.rounds_max):
            try:
                result = await cycle.run()
            except Unavailable:
                watch.count_abandoned()
                break
            watch.record_turn(result)
            if not result.has_acted:
                break
            is_moving = True
        return result, is_moving

    async def _attend(self, journal: Journal, last: CycleResult | None, at_ms: int) -> None:
        """Act as the operator of `Schedule.rebase_days`: `sectorbot resume --rebase-peak`, so many days late."""
        is_held = last is not None and any(note.reason is Reason.DRAWDOWN for note in last.breakers)
        self._held_since_ms = (self._held_since_ms or at_ms) if is_held else None
        days = self._schedule.rebase_days
        if days and self._held_since_ms is not None and at_ms - self._held_since_ms >= days * 24 * HOUR_MS:
            await record_rebased(journal, ResumeRequest(f"entries were held back for {days} days", by="back-test"))
            self._held_since_ms = None
            self._record.counts.rebased += 1

    async def _finish_stops(
        self, cycle: Cycle, watch: BacktestRecorder, last: CycleResult | None
    ) -> CycleResult | None:
        """Guards as close to each other as the daemon's while a turn has left a stop to the next one, as one does that
        has just traded: an hour without a full-size stop is the schedule's, never the bot's."""
        for _ in range(GUARDS_AT_ONCE):
            if last is None or not _leaves_stops(last):
                break
            await asyncio.sleep(self._settings.cadence.guard_seconds)
            last = await self._guard(cycle, watch, last) or last
        return last

    async def _guard(self, cycle: Cycle, watch: BacktestRecorder, last: CycleResult | None) -> CycleResult | None:
        """A guard, or what it would have found where it would have done nothing."""
        try:
            result = await self._quiet.look(last) if last is not None and self._quiet is not None else None
            result = result or await cycle.guard()
        except Unavailable:
            watch.count_abandoned()
            return None
        watch.record_turn(result)
        return result


def _give_cash(exchange: Exchange, settings: Settings, book_quote: Decimal) -> None:
    policy, quote = settings.playbook, settings.universe.quote
    perp = book_quote * sum(
        (share for name, share in policy.allocation.neutral.items() if name.endswith(".futures")), ZERO
    )
    spot = {quote: book_quote - perp + policy.allocation.reserve_quote}
    exchange.create_account(settings.venue.account, spot=spot, perp=perp, quote=quote)


def _is_exposed(last: CycleResult) -> bool:
    """Whether a guard could have anything to do: leverage, a resting order, an exit plan, what was done just now."""
    memory = last.decision.memory
    return bool(last.truth.account.positions or last.truth.working or memory.exits or memory.hedges or last.outcomes)


def _leaves_stops(last: CycleResult) -> bool:
    """Whether positions may be without their stop: one is missing, one was withdrawn, or an order was sent."""
    return bool(last.decision.memory.unguarded or last.decision.cancels or last.outcomes)


def _is_busy(last: CycleResult | None, now_ms: int, *, is_moving: bool) -> bool:
    """Whether a tranche is under way and makes progress, or the next one is due."""
    campaign = last.decision.memory.campaign if last is not None else None
    if campaign is None or campaign.is_over or campaign.current is None:
        return False
    tranche = campaign.current
    return is_moving if tranche.state is TrancheState.RUNNING else tranche.begins_ms <= now_ms
