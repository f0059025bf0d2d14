"""From the flag file to the first request of the kill switch: `tests/bench/bench_switch.py [REPEATS] [LEVEL ...]`.

Every level in every situation: idle, in the middle of a rotation, with a turn that hangs, with a venue that is dark
(the first attempt counts), and on a full disk. A purchase rests at the exchange, so that every level has something to
do; the bot is the real one over HTTPS on loopback, its switch polls as it does in production. Requests of a turn beside
it do not count.
"""

import asyncio
import contextlib
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent.parent))
import structlog

from bot.domain.states import KillLevel
from bot.ports import Unavailable
from bot.runtime.daemon import Daemon, Health
from bot.runtime.kill.flag_file import FlagFile
from bot.runtime.kill.resume_file import ResumeFile, ResumeRequest
from bot.runtime.simulator.embedded import ACCOUNT
from bot.runtime.wiring import App
from tests.stage import Stage, staged

LEVELS = tuple(KillLevel)[1:]
SITUATIONS = ("idle", "mid-rotation", "hung turn", "dark venue", "full disk")
CHANGES = (
    "playbook.orders.increase_style=post-only",
    "playbook.entries.wait=false",
    "playbook.entries.wait_hours=0",
    "playbook.orders.rest_minutes=30",
    "cadence.cycle_seconds=3600",
    "cadence.guard_seconds=3600",
    "risk.drawdown_max=1",
    "risk.daily_loss_max=1",
    "risk.turnover_max=100",
)
FULL = 13
WAIT_SECONDS = 30.0
ATTEMPTS_MAX = 10
BY_SWITCH: ContextVar[bool] = ContextVar("by_switch", default=False)


class FirstCycle(Health):
    """The health file, which says as well when the first cycle of the daemon is over."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage.settings.state_directory / "health.json", "trade", "sim")
        self.is_over = asyncio.Event()

    def beat(self, name: str) -> None:
        super().beat(name)
        if name == "cycle":
            self.is_over.set()


class Probe:
    """Notes when the first cancel or order of the switch leaves, and stands in for what is spoiled."""

    def __init__(self, app: App) -> None:
        self.app, self.first = app, 0.0
        self.is_dark = False
        self.has_read = asyncio.Event()
        cycle: Any = app.cycle
        withdraw = cycle.withdraw

        async def withdraw_by_switch(level: KillLevel) -> Any:
            BY_SWITCH.set(True)  # for the task of the switch, and the tasks that it starts
            return await withdraw(level)

        cycle.withdraw = withdraw_by_switch
        self.hangs: asyncio.Event | None = None
        venue: Any = app.venue
        for name in ("cancel_order", "submit_order"):
            setattr(venue, name, self._noted(getattr(venue, name)))
        account = venue.fetch_account

        async def fetch_account() -> Any:
            self.has_read.set()
            if self.hangs is not None:
                self.hangs.set()
                await asyncio.Event().wait()
            return await account()

        venue.fetch_account = fetch_account
        self.is_full = False
        writer: Any = app.journal._writer
        transact = writer._transact

        def full(db: Any, batch: Any) -> Any:
            if self.is_full and app.journal.reserve.path.exists():
                error = sqlite3.OperationalError("database or disk is full")
                error.sqlite_errorcode = FULL
                raise error
            return transact(db, batch)

        writer._transact = full

    def _noted(self, send: Callable[..., Any]) -> Callable[..., Any]:
        async def call(*arguments: Any, **options: Any) -> Any:
            if BY_SWITCH.get():
                self.first = self.first or time.perf_counter()
            if self.is_dark:
                raise Unavailable("dark")
            return await send(*arguments, **options)

        return call


async def measure(level: KillLevel, situation: str) -> float:
    """Seconds from the flag to the first request.

    Raises:
        TimeoutError: the switch sent nothing, or the turns beside it left it nothing to withdraw, time after time.
    """
    for _ in range(ATTEMPTS_MAX):
        if (seconds := await measure_once(level, situation)) is not None:
            return seconds
    raise TimeoutError(f"{level} in {situation}: nothing rested in {ATTEMPTS_MAX} attempts")


async def measure_once(level: KillLevel, situation: str) -> float | None:
    """The same, None where nothing rests at the flag, or the turn has withdrawn all before the switch has looked."""
    with tempfile.TemporaryDirectory() as folder:
        async with staged(Path(folder), *CHANGES) as stage, real_time(stage).app() as app:
            await until_one_rests(stage, app)
            probe, stop, health = Probe(app), asyncio.Event(), FirstCycle(stage)
            app.journal.reserve.prepare()
            daemon = asyncio.create_task(Daemon(app, stage.settings, health, stop).run(None))
            turn = None
            try:
                await asyncio.wait_for(health.is_over.wait(), WAIT_SECONDS)
                turn = await spoil(probe, stage, situation)
                if not rests(stage, app, level):
                    return None
                started = time.perf_counter()
                FlagFile(stage.settings.state_directory).record(level, "a measurement")
                while not probe.first:
                    await asyncio.sleep(0.001)
                    if turn is not None and turn.done() and not rests(stage, app, level):
                        return None
                    if time.perf_counter() - started > WAIT_SECONDS:
                        raise TimeoutError(f"{level} in {situation}: nothing was sent")
                return probe.first - started
            finally:
                probe.is_dark = probe.is_full = False
                probe.hangs = None
                FlagFile(stage.settings.state_directory).remove()
                ResumeFile(stage.settings.state_directory).record(ResumeRequest("measured"))
                stop.set()
                tasks = [task for task in (daemon, turn) if task is not None]
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)


def real_time(stage: Stage) -> Stage:
    """The stage, whose App waits for its throttle as in production: a request of the switch may have to."""
    stage.skips_waits = False
    return stage


async def spoil(probe: Probe, stage: Stage, situation: str) -> "asyncio.Task[Any] | None":
    """Bring the situation about; the turn that runs in it."""
    if situation == "mid-rotation":
        stage.embedded.clock.skip(60_000)  # not so far that the turn withdraws what has rested too long
        probe.has_read.clear()
        turn = asyncio.create_task(probe.app.cycle.run())
        await asyncio.wait_for(probe.has_read.wait(), WAIT_SECONDS)
        return turn
    if situation == "hung turn":
        probe.hangs = asyncio.Event()
        turn = asyncio.create_task(probe.app.cycle.guard())
        await asyncio.wait_for(probe.hangs.wait(), WAIT_SECONDS)
        return turn
    probe.is_dark, probe.is_full = situation == "dark venue", situation == "full disk"
    return None


def rests(stage: Stage, app: App, level: KillLevel) -> bool:
    """Whether the switch has something to withdraw: an order which the journal holds for live and the exchange has."""
    there = {order.client_id for order in stage.embedded.exchange.open_orders(ACCOUNT)}
    return any(order.client_id in there for order in app.cycle.load_withdrawn(level))


async def until_one_rests(stage: Stage, app: App) -> None:
    for _ in range(20):
        await stage.turn(app)
        if any(":" not in order.symbol for order in stage.embedded.exchange.open_orders(ACCOUNT)):
            return
    raise TimeoutError("nothing rests")


async def main(repeats: int, levels: Sequence[KillLevel]) -> None:
    print(f"| level | {' | '.join(SITUATIONS)} |")
    print("|---" * (len(SITUATIONS) + 1) + "|")
    for level in levels:
        cells = []
        for situation in SITUATIONS:
            times = []
            for _ in range(repeats):
                with contextlib.suppress(asyncio.CancelledError):
                    times.append(await measure(level, situation))
            cells.append(f"{statistics.median(times):.2f} / {max(times):.2f}")
        print(f"| `{level.value}` | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    chosen = tuple(map(KillLevel, sys.argv[2:])) or LEVELS
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 5, chosen))
