"""A month of the daemon in virtual time: memory, journal and what it did, day by day, and their slopes.

Scheduler, cycle, guards, executor and journal file are the daemon's; the exchange is the engine in the same process, so
its own history counts in the memory. A sector leads for some days and then the other, so that there are rotations. The
baseline is the memory at the end of the tenth day, when histories and caches are full.

python tests/bench/bench_month.py [DAYS] [SECONDS BETWEEN GUARDS]
"""

import asyncio
import gc
import math
import resource
import statistics
import sys
import tempfile
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

import structlog

from bot.domain.money import ZERO
from bot.journal.journal import Journal
from bot.runtime.daemon import Daemon, Health
from bot.runtime.settings.model import Sources, packaged_config
from bot.runtime.simulator.embedded import neutral_holdings
from bot.runtime.wiring import AppSeams, assemble
from bot.simex.engine.exchange import Exchange
from bot.simex.engine.rules import Rules
from bot.venues.paper.engine_venue import EngineVenue
from tests.bench import rig
from tests.sim.loop import VirtualLoop, run_virtually
from tests.sim.market import PRICES, START_MS, instruments
from tests.sim.wire import ACCOUNT
from tests.sim.world import BOOK, FIXED
from tests.simex.scripted_market import Points, ScriptedMarket

DAY_SECONDS, HOUR_MS = 86_400, 3_600_000
HISTORY_DAYS, WARM_DAYS = 12, 10
LEADING_DAYS = 5


class LoopClock:
    """UTC ms of the virtual loop."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def now_ms(self) -> int:
        return START_MS + round(self._loop.time() * 1000)


def market(days: int) -> ScriptedMarket:
    """Hourly points; the sectors take turns in leading."""
    points: dict[str, Points] = {}
    for token, start in PRICES.items():
        chance, price, rows = Random(token), start, []
        side = 0.0 if token == "BTC" else 1.0 if token in ("UNI", "AAVE", "LDO") else -1.0
        for hour in range((HISTORY_DAYS + days + 1) * 24):
            rows.append((START_MS + (hour - HISTORY_DAYS * 24) * HOUR_MS, price))
            lead = math.sin(hour / 24 / LEADING_DAYS * math.pi)
            price *= 1 + 0.0004 + side * 0.0025 * lead + chance.gauss(0, 0.003)
        points[f"{token}/USDT"] = rows
        points[f"{token}/USDT:USDT"] = rows
    return ScriptedMarket(points, spread=0.0003, depth_quote=2e6)


def main() -> None:
    days = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    guard_seconds = int(sys.argv[2]) if len(sys.argv) > 2 else 10
    with tempfile.TemporaryDirectory() as directory, structlog.testing.capture_logs() as logs:
        rows = run_virtually(lambda loop: live(loop, Path(directory), days, guard_seconds, logs))
    by_day = [(day, rss) for day, rss, *_ in rows if day >= min(WARM_DAYS, days // 3)]
    slope = statistics.linear_regression([d for d, _ in by_day], [r for _, r in by_day]).slope
    print(
        f"slope after day {by_day[0][0]}: {slope:.3f} MiB a day, {slope / by_day[0][1]:.5f} × the "
        f"{by_day[0][1]:.0f} MiB of that day"
    )


async def live(loop: VirtualLoop, directory: Path, days: int, guard_seconds: int, logs: list[Any]) -> list[Any]:
    clock = LoopClock(loop)
    exchange = Exchange(instruments=instruments(), market=market(days), start_ms=START_MS, rules=Rules())
    words = (
        *FIXED,
        "playbook.regime.dwell_hours=24",
        f"cadence.guard_seconds={guard_seconds}",
        "venue.timing.clock_check_seconds=3600",
    )
    sources = Sources(
        files=(packaged_config() / "golden.toml",), assignments=(*words, f'state_directory="{directory}"')
    )
    settings = sources.load()
    start = neutral_holdings(exchange, exchange.instruments, settings.playbook, settings.universe, BOOK)
    perp = sum((s for n, s in settings.playbook.allocation.neutral.items() if n.endswith(".futures")), ZERO) * BOOK
    exchange.create_account(ACCOUNT, spot=start, perp=perp)
    venue = EngineVenue(exchange, clock, account=ACCOUNT)
    await venue.open()
    journal = await Journal.open(
        settings.journal_path,
        account=ACCOUNT,
        now_ms=clock.now_ms,
        keep_snapshots=settings.journal.keep_snapshots,
        threaded=False,
    )
    app = assemble(AppSeams(settings, clock, venue, journal))
    switch: Any = app.kill
    switch.start, switch.stop = switch.poll, lambda: None  # its own thread would look at real time
    stop = asyncio.Event()
    running = asyncio.create_task(
        Daemon(app, settings, Health(directory / "health.json", "trade", "sim"), stop).run(None)
    )
    rows: list[Any] = []
    try:
        for day in range(1, days + 1):
            await asyncio.sleep(DAY_SECONDS * rig.PACE)
            if running.done():
                raise SystemExit(f"the daemon has ended on day {day}: {running.result()}")
            turns = sum(entry["event"] in ("cycle", "guard") for entry in logs)
            problems = {entry["event"] for entry in logs if entry["log_level"] in ("warning", "error", "critical")}
            logs.clear()
            gc.collect()
            orders = sum(1 for _ in journal.reader.load_orders(1_000_000))
            rows.append((day, resident_mib(), turns, orders, settings.journal_path.stat().st_size / 2**20))
            if day == 1 or day % 5 == 0:
                print(
                    f"day {day:3}: {rows[-1][1]:6.1f} MiB, {turns} turns told that day, {orders} orders so far, "
                    f"journal {rows[-1][4]:.1f} MiB{', told: ' + ', '.join(sorted(problems)) if problems else ''}",
                    flush=True,
                )
        stop.set()
        await running
        truth = await app.cycle.settle()
        print(f"journal and exchange {'agree' if truth.is_agreed else 'DISAGREE'} after {days} days")
        return rows
    finally:
        await journal.close()


def resident_mib() -> float:
    """Memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


if __name__ == "__main__":
    main()
