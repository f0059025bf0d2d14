"""The daemon: cycle and guard on their own periods, a kill switch that does not depend on either, a clean end.

A failed read ends the cycle, not the daemon: the next cycle reads everything again. A journal that cannot be written
ends trading at once. SIGTERM lets the running cycle finish its orders: an abandoned order is an unknown outcome.
All tasks run in one group: an exception that nobody expects ends all of them and the process, with exit code 1.
"""

import asyncio
import contextlib
import os
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import structlog

from bot.domain.order import Order
from bot.domain.reason import Reason
from bot.domain.states import KillLevel, highest
from bot.journal.journal import JournalBusy, JournalError, JournalLocked
from bot.ports import SetupFailed, Unavailable
from bot.risk import Refused
from bot.runtime.build_info import started
from bot.runtime.cycle import CycleResult
from bot.runtime.exit_codes import ExitCode
from bot.runtime.health.collector import LongLived
from bot.runtime.health.health_file import Health
from bot.runtime.kill import early_signals as early
from bot.runtime.kill.actions import SwitchActions
from bot.runtime.kill.switch import SIGNALS
from bot.runtime.log_lines.run import RunLog, load_working, log_end, start_text
from bot.runtime.logs import log_cycle
from bot.runtime.services.run_end import STARTED, StopEvent, causes_of, has_crashed, record_stopped, stopped_within
from bot.runtime.services.service import MakeService, RunningBot, Services
from bot.runtime.services.thread_failures import fail_with, hand_over
from bot.runtime.settings.model import Settings
from bot.runtime.start.attempts import build_patiently, only_daemon_of, why_unreachable
from bot.runtime.start.guarded import left_open
from bot.runtime.start.report import ReportStart, StartReport
from bot.runtime.streams.pace import GuardPace
from bot.runtime.watch.retry_after import HoldWatch
from bot.runtime.watch.slow_rounds import SETTLEMENTS_MAX
from bot.runtime.wiring import App, SwitchParts, listen

LOOP_BEAT_SECONDS, LOOP_LATE_SECONDS = 1.0, 30.0
SWITCH_LATE_SECONDS, JOURNAL_LATE_SECONDS = 15.0, 60.0
_log = structlog.get_logger("sectorbot.daemon")


def run_daemon(
    settings: Settings,
    *,
    once: bool = False,
    cycles: int | None = None,
    services: Sequence[MakeService] = (),
    report_start: ReportStart | None = None,
) -> int:
    """Run until a signal, or for a number of cycles. Returns an exit code (see `docs/configuration.md`)."""
    report = StartReport(settings, report_start)
    return asyncio.run(_run(settings, limit=1 if once else cycles, makers=services, report=report))


async def _run(
    settings: Settings, *, limit: int | None, makers: Sequence[MakeService] = (), report: StartReport | None = None
) -> int:
    stop = StopEvent()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set_by, number.name)
    switch = listen(settings)
    early.keep_in(settings.state_directory)
    switch.kill.start()  # before the first network call, until the last
    for asked in early.taken():
        switch.kill.engage(SIGNALS[asked], asked.name)
    try:
        return await _start_and_run(settings, switch, stop, limit, makers, report)
    finally:
        switch.kill.stop()


async def _start_and_run(
    settings: Settings,
    switch: SwitchParts,
    stop: asyncio.Event,
    limit: int | None,
    makers: Sequence[MakeService],
    report: StartReport | None = None,
) -> int:
    try:
        with only_daemon_of(settings):
            return await _build_and_run(settings, switch, stop, limit, makers, report)
    except JournalBusy as error:
        _log.error("cannot_start", why=str(error), left_open="")
        return ExitCode.ERROR


async def _build_and_run(
    settings: Settings,
    switch: SwitchParts,
    stop: asyncio.Event,
    limit: int | None,
    makers: Sequence[MakeService],
    report: StartReport | None = None,
) -> int:
    report = report or StartReport(settings, None)
    try:
        app = await build_patiently(settings, switch, stop, report, patient=limit is None)
    except (SetupFailed, JournalError) as error:
        _log.error("cannot_start", why=str(error), left_open=left_open(settings))
        if isinstance(error, SetupFailed):
            await report.given_up(str(error))
            return ExitCode.CONFIGURATION
        if not isinstance(error, JournalBusy) or isinstance(error, JournalLocked):  # else a daemon has it, and works
            await report.given_up(str(error), has_journal=False)
        return ExitCode.ERROR
    except Unavailable as error:
        why = why_unreachable(settings, error)
        _log.error("venue_unreachable", why=why, left_open=left_open(settings))
        await report.given_up(why)
        return ExitCode.TIMEOUT
    if app is None:
        return ExitCode.OK
    if not app.journal.reserve.prepare():
        _log.warning("no_journal_reserve", path=str(app.journal.reserve.path), what="too little room on the disk")
    health = Health(settings.state_directory / "health.json", settings.mode, settings.environment)
    health.last["journal"] = str(settings.journal_path.absolute())
    services = Services(RunningBot(app, settings, health), makers)
    try:
        return await Daemon(app, settings, health, stop, services).run(limit)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is logged whole and ends the process
        for cause in causes_of(error):
            _log.critical("task_failed", why=f"{type(cause).__name__}: {cause}", exc_info=cause)
        return ExitCode.ERROR
    finally:
        working, by, last_turn = load_working(app.journal.reader), getattr(stop, "by", ""), health.last.get("cycle")
        await record_stopped(app.journal, by, last_turn)
        await services.close()
        await app.close()
        health.remove()
        log_end(settings, by, last_turn, working)


class Daemon:
    """Schedules turns of one App until it receives a stop signal."""

    def __init__(
        self, app: App, settings: Settings, health: Health, stop: asyncio.Event, services: Services | None = None
    ) -> None:
        self._app, self._settings, self._health, self._stop = app, settings, health, stop
        self._services = services or Services(RunningBot(app, settings, health), ())
        self._exit_code = ExitCode.OK
        self._run_log = RunLog(app.journal.reader, settings)
        self._tripped: tuple[Reason, ...] = ()
        self._failure, self._is_substituted = "", False
        self._holds = HoldWatch(app.venue)
        self._clock_checked_ms = app.clock.now_ms()
        self._pending: tuple[str, ...] = ()
        self._long_lived = LongLived()
        self._pace = GuardPace(settings.cadence.guard_seconds, app.streams, venue_ms=app.venue.now_ms)
        self._actions = SwitchActions(
            app.cycle,
            level=app.kill.level,
            guard=lambda: self._turn(app.cycle.guard),
            recover=app.journal.recover,
            report=self._report_pending,
            is_waiting=app.kill.is_waiting,
        )

    async def run(self, limit: int | None) -> int:
        """Cycles and guards until stopped, `limit` cycles done, or the journal fails.

        Raises:
            ExceptionGroup: of what no task expected; all of them have ended.
        """
        self._expect_parts(limit)
        self._health.write(kill=self._app.kill.level().value)
        failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        previous, threading.excepthook = threading.excepthook, hand_over(failed)
        try:
            async with asyncio.TaskGroup() as group:
                others: tuple[asyncio.Task[None], ...] = (
                    group.create_task(self._app.kill.watch(self._on_kill, self._on_resume), name="switch"),
                    group.create_task(self._guards(), name="guard"),
                    group.create_task(self._pace.run(), name="streams"),
                    group.create_task(self._beat(), name="event loop"),
                    group.create_task(fail_with(failed), name="threads"),
                )
                await self._report_start()  # the switch listens already: it acts before anything is written
                others += (group.create_task(self._services.run(), name="services"),)
                await self._cycles(limit)
                for task in others:
                    task.cancel()
        finally:
            threading.excepthook = previous
            self._long_lived.take_back()
            with contextlib.suppress(Unavailable, JournalError):
                # Nobody looks after resting entries from here on.
                await self._app.cycle.withdraw(highest(KillLevel.PAUSE, self._withdrawing()))
        if self._exit_code == ExitCode.OK and limit is not None and self._app.kill.level() is not KillLevel.OFF:
            return ExitCode.KILLED
        if limit is None and self._exit_code in (ExitCode.TIMEOUT, ExitCode.MISMATCH):
            return ExitCode.OK  # a stop signal came; errors of its last turn are in the log
        return self._exit_code

    def _withdrawing(self) -> KillLevel:
        """The level whose cancels leave before the process ends; a flatten's cancels are those of `cancel-all`."""
        level = self._app.kill.level()
        return KillLevel.CANCEL_ALL if level is KillLevel.FLATTEN else level

    def _expect_parts(self, limit: int | None) -> None:
        """What health names when it is late. A turn that settles doubts may take its whole deadline, each time that
        it settles, and a guard waits for the cycle."""
        cadence, health, kill = self._settings.cadence, self._health, self._app.kill
        turn_seconds = SETTLEMENTS_MAX * self._settings.execution.timing.settle_deadline_ms / 1000
        health.last["stale_after_ms"] = int((3 * cadence.guard_seconds + turn_seconds) * 1000)
        self._expect_guard()
        if limit is None:
            health.expect("cycle", cadence.cycle_seconds * 2 + cadence.timing.rounds_max * turn_seconds)
        health.expect("event loop", LOOP_LATE_SECONDS)
        health.expect("switch watch", SWITCH_LATE_SECONDS)
        health.expect("config watch", SWITCH_LATE_SECONDS)
        health.expect("journal writer", JOURNAL_LATE_SECONDS, self._app.journal.silent_seconds)
        kill.beat = self._on_beat

    def _expect_guard(self) -> None:
        """The next guard, by what the latest turn has found: ten periods are only long enough while nothing is held
        that has no stop, and nothing else is under way."""
        turn_seconds = SETTLEMENTS_MAX * self._settings.execution.timing.settle_deadline_ms / 1000
        seconds = self._pace.limit_s + 2 * self._settings.cadence.guard_seconds + turn_seconds
        self._health.expect("guard", seconds)

    def _on_beat(self, name: str) -> None:
        """The switch's thread has looked. It writes the health file as well, so that a hung loop is named in it."""
        self._health.beat(name)
        self._health.write_if_due()

    async def _beat(self) -> None:
        while True:
            self._health.beat("event loop")
            self._health.last["streams"] = self._pace.report()
            await asyncio.sleep(LOOP_BEAT_SECONDS)

    async def _cycles(self, limit: int | None) -> None:
        seconds, done = self._settings.cadence.cycle_seconds, 0
        while not self._stop.is_set():
            started = time.monotonic()
            await self._cycle()
            self._health.beat("cycle")
            done += 1
            if (limit is not None and done >= limit) or self._stop.is_set():
                return
            self._long_lived.leave_out()  # a start is over with the first cycle
            if await stopped_within(self._stop, max(0.0, seconds - (time.monotonic() - started))):
                return

    async def _guards(self) -> None:
        while not await self._pace.wait(self._stop):
            if crossed := self._pace.take_crossed():
                await self._turn(partial(self._app.cycle.close_early, crossed), is_early=True)
            await self._guard()
            self._expect_guard()

    async def _cycle(self) -> None:
        """One cycle, and the next at once while a rotation makes progress: its phases need not wait for the clock."""
        for _ in range(self._settings.cadence.timing.rounds_max):
            result = await self._turn(self._app.cycle.run)
            if result is None or not result.has_acted:
                return
            if self._stop.is_set():
                await self._guard()  # what was just entered must not be left without its stop
                return

    async def _guard(self) -> None:
        """A guard, and a cycle when it finds a resting purchase over: the rest follows the price, or the next phase."""
        result = await self._turn(self._app.cycle.guard)
        if result is not None and result.has_rest_ended and result.kill is KillLevel.OFF and not self._stop.is_set():
            await self._cycle()

    async def _turn(
        self, turn: Callable[[], Awaitable[CycleResult | None]], *, is_early: bool = False
    ) -> CycleResult | None:
        """One turn, logged; None when it came to nothing. An early exit leaves what takes time to its guard."""
        if not is_early:
            self._write_obstacles()
        result: CycleResult | None = None
        self._pace.begin()
        try:
            await self._return_to_journal()
            await self._app.take_tighter_limits()
            if not is_early:
                await self._check_clock_if_due()
            result = await turn()
        except Unavailable as error:
            _log.warning("cycle_abandoned", why=str(error))
            self._health.write(problem=str(error))
            self._exit_code = ExitCode.TIMEOUT
            return None
        except JournalError as error:
            await self._on_journal_failure(error)
            return None
        finally:
            self._pace.end(result)
        if result is None:
            return None
        self._run_log.write(result)
        log_cycle(result, self._app.kill.source() if result.kill is not KillLevel.OFF else ("", ""))
        self._write_obstacles()
        self._report_breakers(result)
        self._services.on_turn(result)
        is_agreed = result.truth.is_agreed
        self._exit_code = ExitCode.OK if is_agreed else ExitCode.MISMATCH
        self._health.write(
            cycle=result.number,
            kill=self._app.kill.level().value,
            problem="" if is_agreed else "mismatch",
            differences=[] if is_agreed else [note.words for note in result.truth.notes],
        )
        return result

    async def _return_to_journal(self) -> None:
        """Back from the copy of a locked journal once that is free. Only a level of the switch goes on in the copy.

        Raises:
            JournalError: the journal is locked and no level is in force, or the copy does not fit to it.
        """
        journal = self._app.journal
        if not journal.is_substituted:
            return
        if not self._is_substituted:
            what = "the switch goes on in a copy, whose events come back into the journal once it is free"
            _log.critical("journal_substituted", path=str(journal.path), what=what)
        may_stay = self._app.kill.level() is not KillLevel.OFF
        self._is_substituted = not await journal.return_if_unlocked(may_stay=may_stay)
        if not self._is_substituted:
            _log.warning("journal_returned", what="it is free again, and has every event of its copy")

    async def _on_journal_failure(self, error: JournalError) -> None:
        """Trading ends with the journal. Only a kill switch that has something to do goes on, as soon as the journal
        takes records again."""
        with contextlib.suppress(JournalError):
            self._app.kill.poll()  # a flag that was raised since the last look has the last word
        is_acting = self._app.kill.level() is not KillLevel.OFF
        is_recovered = is_acting and await self._app.journal.recover()
        if self._failure != str(error):  # cycle and guard meet the same one
            self._failure = str(error)
            what = "trading stops; nothing is sent without a journal"
            if is_acting:
                place = "in a copy of the journal" if self._app.journal.is_substituted else "on the journal's reserve"
                what = f"the switch goes on {place if is_recovered else 'once it can be written'}"
            _log.critical("journal_failed", why=str(error), what=what)
        self._health.write(problem=str(error))
        if not is_acting:
            self._exit_code = ExitCode.ERROR
            self._stop.set()

    async def _report_start(self) -> None:
        """Say what runs, where, with which limits; the journal remembers which code it was."""
        settings, limits = self._settings, self._app.cycle.parts.limits
        for note in settings.notes:
            _log.warning("setting_renamed", what=note)
        what: dict[str, object] = {**started(settings), "pid": os.getpid(), "after_crash": False}
        with contextlib.suppress(JournalError):  # the first turn meets it as well, and ends trading with clear words
            what["after_crash"] = has_crashed(self._app.journal.reader)
            await self._app.journal.record_fact(STARTED, what)
        if former := self._app.journal.former:
            why = "the embedded exchange starts empty, so the last run's journal has this name now; a dry-run goes on"
            _log.warning("journal_set_aside", path=str(former), what=why)
        if migrated := self._app.journal.migrated:
            what_it_was = "an older version wrote the journal; that version cannot read it any more"
            _log.info("journal_migrated", migrations=migrated, what=what_it_was)
        if found := self._app.journal.rebuilt:
            _log.critical(
                "projections_rebuilt", difference=found, what="a table was not what its events say; check the disk"
            )
        is_real = settings.environment == "mainnet" and settings.mode == "trade"
        message = "orders are real" if is_real else "no real money"
        text = start_text(settings, str(what["version"]), message)
        (_log.critical if is_real else _log.info)(
            "started", **what, limits=limits.model_dump(mode="json"), what=message, text=text
        )

    def _report_breakers(self, result: CycleResult) -> None:
        """Say once what stops entries. A bot that repeats itself is paused until a person has looked."""
        reasons = tuple(note.reason for note in result.breakers)
        if reasons != self._tripped:
            self._tripped = reasons
            log = _log.critical if reasons else _log.warning
            log(
                "breakers", tripped=[note.words for note in result.breakers], what="entries stop" if reasons else "none"
            )
        refusals = (verdict.note.reason for verdict in result.verdicts if isinstance(verdict, Refused))
        if Reason.REPEATED_EXECUTION in (*reasons, *refusals):
            self._app.kill.engage(KillLevel.PAUSE, Reason.REPEATED_EXECUTION.value)

    def _write_obstacles(self) -> None:
        """What `status` says about the venue's silence and the account's settings."""
        account = list(self._app.cycle.account_watch.blocking)
        self._health.write(held_seconds=self._holds.poll(), requests_used=self._holds.used(), account=account)

    async def _check_clock_if_due(self) -> None:
        """Measure the venue's clock again now and then: ours may drift, and every stamp rests on it."""
        now_ms = self._app.clock.now_ms()
        if abs(now_ms - self._clock_checked_ms) < self._settings.venue.timing.clock_check_seconds * 1000:
            return
        self._clock_checked_ms = now_ms
        with contextlib.suppress(Unavailable):
            skew_ms = await self._app.venue.fetch_clock_skew()
            _log.debug("clock_checked", skew_ms=skew_ms)

    async def _on_kill(self, level: KillLevel) -> None:
        """The switch moved: working orders that may not live are cancelled at once, outside the schedule."""
        by, why = self._app.kill.source()
        _log.critical("kill_switch", kill=level.value, by=by, why=why)
        self._health.write(kill=level.value)
        await self._actions.on_rise(level)

    def _report_pending(self, orders: Sequence[Order]) -> None:
        """What the switch has not got through yet, for the log and `status`."""
        pending = tuple(f"{order.client_id} {order.symbol} {order.state.value}" for order in orders)
        if pending != self._pending:
            self._pending = pending
            self._health.write(kill_pending=list(pending))
            (_log.warning if pending else _log.info)("kill_switch_pending", orders=list(pending))

    async def _on_resume(self) -> None:
        self._pending = ()
        self._health.write(kill=KillLevel.OFF.value, kill_pending=[])
