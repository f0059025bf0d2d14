"""The driver: starts exchange, proxy and life after life of the daemon, and has the books compared at the end."""

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import IO, Any, TypeVar

from bot.domain.campaign import Campaign
from bot.domain.durations import MINUTE_MS
from bot.domain.states import OrderState
from bot.journal.journal import JournalError, JournalReader
from bot.runtime.exit_codes import ExitCode
from bot.runtime.kill.switch import ResumeFile, ResumeRequest
from bot.simex.server import FIRST_DIALECTS
from tests.conftest import ROOT
from tests.soak.books import Verdict, compare
from tests.soak.clock import SharedClock
from tests.soak.exchange import ACCOUNT
from tests.soak.intrusions import Backups, Intrusion, draw_intrusion, fill, run_second_bot, small_disk
from tests.soak.lives import End, Happening, Life, draw_life
from tests.soak.proxy import ChaosProxy, Snare
from tests.soak.spoiling import Plan

T = TypeVar("T")
SPEED = 10
ONE_VENUE = (f"venue.id={FIRST_DIALECTS[0]}",)
FEW_ORDERS = ("risk.order_notional_max_quote=25000",)  # one per leg: a rotation is soon done
CONDITIONS = ("euphoria", "uncertainty")
END_SECONDS, UP_SECONDS = 30.0, 10.0
SETTLE_SECONDS = 240.0
CALM_CYCLES = 5  # turns without an order, guards included
UNSETTLED = (OrderState.SUBMITTING, OrderState.IN_DOUBT, OrderState.CANCELING)


@dataclass(slots=True)
class Tally:
    """All that was done to the daemon, and what came of it."""

    seed: int
    lives: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    happenings: Counter[str] = field(default_factory=Counter)
    exits: Counter[int] = field(default_factory=Counter)
    rotations: int = 0
    problems: list[str] = field(default_factory=list)
    intrusions: Counter[str] = field(default_factory=Counter)
    seconds: Counter[int | None] = field(default_factory=Counter)  # exit codes of second bots


class Soak:
    """One soak in one directory, which holds exchange, journal and logs."""

    def __init__(
        self,
        directory: Path,
        *,
        seed: int,
        scenario: str = "golden",
        plan: Plan | None = None,
        assignments: tuple[str, ...] = (),
        allowed: frozenset[Intrusion] = frozenset(),
        venues: tuple[str, ...] = ONE_VENUE,
    ) -> None:
        self._venues = venues
        self._allowed, self.backups = allowed, Backups(directory / "backups")
        self._disk = contextlib.ExitStack()
        self.directory, self.tally = directory, Tally(seed)
        self.plan = plan or Plan(seed)
        self._scenario, self._assignments = scenario, (*venues, *assignments)
        self._condition = 0
        self._campaign = 0
        self._logs: dict[str, IO[bytes]] = {}
        self.journal = directory / "state" / "journal.db"

    async def __aenter__(self) -> "Soak":
        self.directory.mkdir(parents=True, exist_ok=True)
        if Intrusion.FULL_DISK in self._allowed and not self._disk.enter_context(small_disk(self.journal.parent)):
            self._allowed -= {Intrusion.FULL_DISK}  # this machine lets nobody mount a file system
        self._exchange = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.soak.exchange",
            "--seed",
            str(self.tally.seed),
            "--speed",
            str(SPEED),
            "--scenario",
            self._scenario,
            "--directory",
            str(self.directory),
            "--venues",
            *self._venues,
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=self._log("exchange.log"),
            limit=1 << 20,
        )
        assert self._exchange.stdout is not None
        self.world = json.loads(await self._exchange.stdout.readline())
        self.clock = SharedClock.of(self.world["clock"])
        self.proxy = ChaosProxy(int(self.world["http_port"]), Path(self.world["certificate"]), self.plan)
        await self.proxy.start()
        self.world["https_port"] = self.proxy.port
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.proxy.stop()
        assert self._exchange.stdin is not None
        self._exchange.stdin.close()
        await self._exchange.wait()
        for log in self._logs.values():
            log.close()
        self._disk.close()

    async def dump(self) -> dict[str, Any]:
        """What the exchange knows."""
        path = self.directory / "exchange.json"
        assert self._exchange.stdin is not None
        assert self._exchange.stdout is not None
        self._exchange.stdin.write(f"{path}\n".encode())
        await self._exchange.stdin.drain()
        answer = await self._exchange.stdout.readline()
        assert answer.decode().strip() == str(path), "the exchange has ended"
        found: dict[str, Any] = json.loads(path.read_text())
        return found

    async def start(
        self, *assignments: str, trap: Any = None, disk: Any = None, once: bool = False, state: str = "state"
    ) -> asyncio.subprocess.Process:
        """A daemon process; its log goes on in `daemon.log`."""
        condition = f"playbook.regime.override={CONDITIONS[self._condition]}"
        life = {
            "world": self.world,
            "directory": str(self.directory / state),
            "trap": trap,
            "disk": disk,
            "once": once,
            "assignments": [condition, *self._assignments, *assignments],
        }
        path = self.directory / f"life-{state}.json"
        path.write_text(json.dumps(life))
        log = self._log("daemon.log" if state == "state" else f"{state}.log")
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.soak.daemon", str(path), cwd=ROOT, stdout=log, stderr=log
        )

    def _log(self, name: str) -> IO[bytes]:
        """A file that grows with every process."""
        if name not in self._logs:
            self._logs[name] = (self.directory / name).open("ab")
        return self._logs[name]

    async def until(
        self, process: asyncio.subprocess.Process, what: Callable[[JournalReader], bool], seconds: float = 40
    ) -> None:
        """Wait until the journal says so.

        Raises:
            TimeoutError: it did not.
            RuntimeError: the daemon ended first.
        """
        async with asyncio.timeout(seconds):
            while True:
                if process.returncode is not None:
                    raise RuntimeError(f"the daemon ended with {process.returncode}")
                if self._ask(what, False):
                    return
                await asyncio.sleep(0.05)

    async def live(self, life: Life) -> None:
        """One life from start to end, all that was drawn for it included."""
        self.tally.lives += 1
        what = draw_intrusion(self.tally.seed, life.number, self._allowed)
        if what is Intrusion.RESTORE:
            what = what if self._restore(life.number) else None
        self._turn_if_done(life.rest_ms)
        process = await self.start(trap=life.trap)
        seen = asyncio.create_task(self._wake_when_stopped(process, life))
        if life.snare is not None:
            self._set_snare(process, life)
        if life.end is not End.START:
            await self._until_up(process)
        tasks = [asyncio.create_task(self._let_happen(process, *happening)) for happening in life.happenings]
        if what is not None:
            self.tally.intrusions[what] += 1
            tasks.append(asyncio.create_task(self._intrude(what)))
        idle, over = asyncio.create_task(self._hurry(process)), asyncio.create_task(process.wait())
        try:
            await asyncio.wait({idle, over}, timeout=life.seconds, return_when=asyncio.FIRST_COMPLETED)
            if what is Intrusion.SECOND_BOT:
                await tasks[-1]  # it lasts longer than most lives
            if process.returncode is None:
                await self._end(process, life)
            elif life.trap is not None and life.end is End.AT_CALL:
                self.tally.ends[f"{life.end}: {life.trap['when']} {life.trap['method']}"] += 1
        finally:
            self.proxy.snare = None
            for task in (*tasks, seen, idle):
                task.cancel()
            await asyncio.gather(*tasks, seen, idle, return_exceptions=True)
            self.proxy.is_dark = False
        self._judge_exit(process, life, what)
        if self.backups.is_wanted(self._allowed):
            self.backups.take(self.journal)

    def _restore(self, number: int) -> bool:
        """Put an earlier backup in place of the journal; False when there is none yet."""
        if len(self.backups.taken) < 2:
            return False
        self.backups.restore(self.journal, Random(f"{self.tally.seed}/restore/{number}"))
        campaign = self._campaign_now()
        self._campaign = campaign.number if campaign is not None and campaign.is_over else 0
        return True

    async def _intrude(self, what: Intrusion) -> None:
        if what is Intrusion.SECOND_BOT:
            await run_second_bot(self)
        elif what is Intrusion.RESTORE:
            await asyncio.sleep(3.0)  # entries have stopped; the operator has read why
        else:
            filler = self.journal.parent / "filler"
            try:
                await asyncio.sleep(1.5)
                await asyncio.to_thread(fill, self.journal.parent)
                await asyncio.sleep(2.0)
            finally:
                filler.unlink(missing_ok=True)
        if what is not Intrusion.FULL_DISK:
            ResumeFile(self.journal.parent).record(ResumeRequest("looked at", accept_mismatch=True))

    async def settle(self, *, finishes: bool = True) -> Verdict:
        """Faults stop; one life more settles what is in doubt until no orders are sent; the books are compared.

        With `finishes` the rotation has to be over, too.
        """
        self.plan.is_on, self.proxy.is_dark = False, False
        await self.proxy.quiet()
        process = await self.start("execution.timing.payments_interval_ms=0")
        orders, since, deadline = -1, 0, time.monotonic() + SETTLE_SECONDS
        while process.returncode is None:
            await asyncio.sleep(0.5)
            count, number = self._ask(lambda reader: (reader.count_orders(0), reader.next_cycle_number()), (-1, 0))
            if count != orders:
                orders, since = count, number
            if self._is_calm(finishes=finishes) and number >= since + CALM_CYCLES:
                break
            if time.monotonic() > deadline:
                words = f"in doubt {self.unsettled()}, {_words_of(self._campaign_now())}"
                self.tally.problems.append(f"it did not settle within {SETTLE_SECONDS:.0f} s: {words}")
                break
            self.clock.skip(MINUTE_MS)
        await self._terminate(process)
        if process.returncode != 0:
            self.tally.problems.append(f"the last life ended with {process.returncode}")
        return compare(await self.dump(), self.journal, ACCOUNT, lost=self.backups.lost)

    def has_orders(self) -> bool:
        """Whether an order of the daemon has executed within a day: a second bot finds it at the venue."""
        since_ms = self.clock.now_ms() - 24 * 60 * MINUTE_MS
        return self._ask(lambda reader: reader.count_fills(since_ms) > 0, False)

    def unsettled(self) -> list[str]:
        """Orders whose fate the journal does not know."""
        return self._ask(lambda reader: [o.client_id for o in reader.load_working() if o.state in UNSETTLED], ["?"])

    def _campaign_now(self) -> Campaign | None:
        return self._ask(lambda reader: reader.load_memory().campaign, None)

    def _is_calm(self, *, finishes: bool) -> bool:
        """Nothing is in doubt, and the rotation is over if it is to be finished."""
        campaign = self._campaign_now()
        return not self.unsettled() and (campaign is None or campaign.is_over or not finishes)

    def _ask(self, question: Callable[[JournalReader], T], otherwise: T) -> T:
        """What the journal says; `otherwise` while it is being made."""
        if not self.journal.exists():
            return otherwise
        reader = JournalReader(self.journal)
        try:
            return question(reader)
        except JournalError:
            return otherwise
        finally:
            reader.close()

    def _turn_if_done(self, rest_ms: int) -> None:
        """A rotation that is over is followed, after a rest, by the one back."""
        campaign = self._campaign_now()
        if campaign is not None and campaign.is_over and campaign.number != self._campaign:
            self._campaign = campaign.number
            self._condition = 1 - self._condition
            self.tally.rotations += 1
            self.clock.skip(rest_ms)

    async def _until_up(self, process: asyncio.subprocess.Process) -> None:
        """Until the daemon has written its health file, has ended, or takes too long."""
        path, deadline = self.journal.parent / "health.json", time.monotonic() + UP_SECONDS
        while process.returncode is None and time.monotonic() < deadline:
            if _pid_in(path) == process.pid:
                return
            await asyncio.sleep(0.05)

    def _set_snare(self, process: asyncio.subprocess.Process, life: Life) -> None:
        assert life.snare is not None
        pattern, nth, point, what = life.snare

        async def spring() -> None:
            if what is Happening.PAUSE_AT_ORDER:
                self.tally.happenings[f"{what}: {point}"] += 1
                await self._pause(process, life.pause_seconds)
            else:
                self.tally.ends[f"{what}: {point}"] += 1
                _signal(process, signal.SIGKILL)
                await process.wait()

        self.proxy.snare = Snare(pattern, nth, point, spring)

    async def _let_happen(
        self, process: asyncio.subprocess.Process, second: float, what: Happening, amount: float
    ) -> None:
        await asyncio.sleep(second)
        self.tally.happenings[what] += 1
        if what is Happening.JUMP:
            self.clock.skip(int(amount))
        elif what is Happening.DARK:
            self.proxy.is_dark = True
            await asyncio.sleep(amount)
            self.proxy.is_dark = False
        else:
            await self._pause(process, amount)

    async def _hurry(self, process: asyncio.subprocess.Process) -> None:
        """Skip the hours between two tranches; return once the rotation is over, because then nothing happens."""
        while process.returncode is None:
            await asyncio.sleep(0.5)
            campaign = self._campaign_now()
            if campaign is not None and campaign.is_over and campaign.number != self._campaign:
                await asyncio.sleep(1.0)
                return
            tranche = campaign.current if campaign is not None and not campaign.is_over else None
            if tranche is not None and tranche.begins_ms > self.clock.now_ms() + MINUTE_MS:
                self.tally.happenings[Happening.TO_TRANCHE] += 1
                self.clock.skip(tranche.begins_ms - self.clock.now_ms())

    async def _pause(self, process: asyncio.subprocess.Process, seconds: float) -> None:
        _signal(process, signal.SIGSTOP)
        await asyncio.sleep(seconds)
        _signal(process, signal.SIGCONT)

    async def _wake_when_stopped(self, process: asyncio.subprocess.Process, life: Life) -> None:
        """A daemon that has stopped itself at its trap is continued after a while."""
        if life.trap is None or life.trap["signal"] != signal.SIGSTOP:
            return
        while process.returncode is None:
            if _is_stopped(process.pid):
                self.tally.happenings[Happening.PAUSE_AT_CALL] += 1
                await asyncio.sleep(life.pause_seconds)
                _signal(process, signal.SIGCONT)
                return
            await asyncio.sleep(0.05)

    async def _end(self, process: asyncio.subprocess.Process, life: Life) -> None:
        if life.end is End.ASKED:
            self.tally.ends[End.ASKED] += 1
            await self._terminate(process)
            return
        self.tally.ends[life.end if life.end is End.START else End.ANY_MOMENT] += 1
        _signal(process, signal.SIGKILL)
        await process.wait()

    async def _terminate(self, process: asyncio.subprocess.Process) -> None:
        _signal(process, signal.SIGCONT)
        _signal(process, signal.SIGTERM)
        try:
            async with asyncio.timeout(END_SECONDS):
                await process.wait()
        except TimeoutError:
            self.tally.problems.append(f"SIGTERM was not obeyed within {END_SECONDS:.0f} s")
            _signal(process, signal.SIGKILL)
            await process.wait()

    def _judge_exit(self, process: asyncio.subprocess.Process, life: Life, what: Intrusion | None) -> None:
        code = process.returncode if process.returncode is not None else 0
        self.tally.exits[code] += 1
        expected = (0, -signal.SIGTERM) if life.end is End.ASKED else (-signal.SIGKILL,)
        if what is Intrusion.FULL_DISK:
            expected = (*expected, ExitCode.ERROR)  # it stops trading and says so; the container starts it again
        if code not in (*expected, -signal.SIGKILL):  # SIGTERM kills an interpreter that is still starting
            self.tally.problems.append(f"life {life.number} ended by itself with exit code {code}")


def _words_of(campaign: Campaign | None) -> str:
    if campaign is None or campaign.current is None:
        return "no rotation"
    legs = [f"{leg.purpose} {leg.symbol} {leg.state}" for leg in campaign.current.legs if not leg.state.is_over]
    return f"rotation {campaign.number} {campaign.state}, tranche {campaign.current.index}: {', '.join(legs)}"


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)


def _pid_in(path: Path) -> int | None:
    try:
        return int(json.loads(path.read_bytes())["pid"])
    except (OSError, ValueError, KeyError):
        return None


def _is_stopped(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    except OSError:
        return False


async def soak(
    directory: Path,
    *,
    seconds: float,
    seed: int,
    scenario: str = "golden",
    finishes: bool = True,
    allowed: frozenset[Intrusion] = frozenset(),
    venues: tuple[str, ...] = ONE_VENUE,
) -> tuple[Soak, Verdict, float]:
    """Lives until the time is over, then the comparison; the third is virtual hours."""
    async with Soak(directory, seed=seed, scenario=scenario, allowed=allowed, venues=venues) as run:
        began_ms, deadline = run.clock.now_ms(), time.monotonic() + seconds
        while time.monotonic() < deadline:
            await run.live(draw_life(seed, run.tally.lives))
        verdict = await run.settle(finishes=finishes)
        return run, verdict, (run.clock.now_ms() - began_ms) / (60 * MINUTE_MS)
