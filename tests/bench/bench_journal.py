"""Time of a write of the journal, and its growth: turns of many instruments, and orders among them; then the daemon of
the default settings (universe, cycles, guards) over whole days of virtual time, with a rotation among them.

Run it in two checkouts, one after the other, to compare a change: milliseconds of one machine mean nothing on another.

python tests/bench/bench_journal.py [TURNS] [TOKENS] [DAYS]
"""

import asyncio
import sqlite3
import statistics
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

import structlog

from bot.domain.money import ZERO
from bot.journal.journal import Journal
from bot.lab.demo.scenarios import SIM_START
from bot.runtime.daemon import Daemon, Health
from bot.runtime.settings.model import Settings, Sources
from bot.runtime.simulator.embedded import MarketMacro, MarketTvl, anchored_market, neutral_holdings, tokens_of
from bot.runtime.wiring import AppSeams, assemble
from bot.simex.engine.exchange import Exchange
from bot.simex.engine.rules import Rules
from bot.simex.market.catalogue import default_instruments
from bot.venues.paper.engine_venue import EngineVenue
from tests.bench import rig
from tests.execution.scripted_venue import START_MS
from tests.execution.worlds import ACCOUNT, make_order
from tests.journal.days import Days
from tests.sim.loop import VirtualLoop, run_virtually

MIB, DAY_SECONDS = 2**20, 86_400
BEGIN_MS = int(SIM_START.timestamp() * 1000)


class LoopClock:
    """UTC ms of the virtual loop."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def now_ms(self) -> int:
        return BEGIN_MS + round(self._loop.time() * 1000)


def main() -> None:
    turns, tokens, days = (
        int(sys.argv[at]) if len(sys.argv) > at else default for at, default in ((1, 288), (2, 40), (3, 2))
    )
    asyncio.run(write(turns, tokens))
    with tempfile.TemporaryDirectory() as directory, structlog.testing.capture_logs():
        run_virtually(lambda loop: live(loop, Path(directory), days))


async def write(turns: int, tokens: int) -> None:
    """Turns and orders, written one after the other."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "journal.db"
        journal = await Journal.open(path, account=ACCOUNT, now_ms=lambda: START_MS)
        writes: dict[str, list[float]] = {"turn": [], "order": [], "turn, CPU": []}
        for record in Days(tokens).records(1, turns):
            begun, cpu = time.perf_counter(), time.process_time()
            await journal.record_cycle(record)
            writes["turn"].append(time.perf_counter() - begun)
            writes["turn, CPU"].append(time.process_time() - cpu)
            begun = time.perf_counter()
            await journal.record_submitting(make_order(record.number))
            writes["order"].append(time.perf_counter() - begun)
        await journal.close()
        print(f"{turns} turns of {tokens} tokens: {path.stat().st_size / MIB:.2f} MiB; milliseconds, p50 and p99")
        for name, seconds in writes.items():
            p99 = statistics.quantiles(seconds, n=100)[98]
            print(f"{name:10} {statistics.median(seconds) * 1000:7.2f} {p99 * 1000:7.2f}")


def settings_of(directory: Path) -> Settings:
    fixed = ("environment=sim", "mode=trade", f"venue.account={ACCOUNT}", f'state_directory="{directory}"')
    return Sources(assignments=fixed).load()


async def live(loop: VirtualLoop, directory: Path, days: int) -> None:
    """A daemon, and what its journal has grown by at the end of each day."""
    clock, settings = LoopClock(loop), settings_of(directory)
    market = anchored_market(1, BEGIN_MS, tokens_of(settings), "golden")
    prices = {token: market.at(f"{token}/USDT", BEGIN_MS).mid for token in tokens_of(settings)}
    instruments = {s: one for s, one in default_instruments(tuple(prices), prices).items() if s in market.symbols}
    exchange = Exchange(instruments=instruments, market=market, start_ms=BEGIN_MS, rules=Rules())
    spot = neutral_holdings(exchange, instruments, settings.playbook, settings.universe, settings.paper.book_quote)
    shares = (s for name, s in settings.playbook.allocation.neutral.items() if name.endswith(".futures"))
    exchange.create_account(ACCOUNT, spot=spot, perp=sum(shares, ZERO) * settings.paper.book_quote)
    venue: Any = EngineVenue(exchange, clock, account=ACCOUNT)
    await venue.open()
    keep = settings.journal.keep_snapshots
    journal = await Journal.open(
        settings.journal_path, account=ACCOUNT, now_ms=clock.now_ms, keep_snapshots=keep, threaded=False
    )
    tvl, macro = MarketTvl(market, clock), MarketMacro(market, clock)  # type: ignore[arg-type]
    app = assemble(AppSeams(settings, clock, venue, journal, tvl, macro))
    switch: Any = app.kill
    switch.start, switch.stop = switch.poll, lambda: None  # its own thread would look at real time
    stop, health = asyncio.Event(), Health(directory / "health.json", "trade", "sim")
    running = asyncio.create_task(Daemon(app, settings, health, stop).run(None))
    before = 0.0
    try:
        for day in range(1, days + 1):
            await asyncio.sleep(DAY_SECONDS * rig.PACE)
            if running.done():
                raise SystemExit(f"the daemon has ended on day {day}: {running.result()}")
            size, orders = used_mib(settings.journal_path), sum(journal.reader.count_orders_by_state().values())
            turns = journal.reader.next_cycle_number() - 1
            print(
                f"day {day}, {len(settings.universe.tokens)} tokens: {turns} turns and {orders} orders so far, "
                f"journal {size:.2f} MiB, {size - before:.2f} more",
                flush=True,
            )
            before = size
        stop.set()
        await running
    finally:
        await journal.close()


def used_mib(path: Path) -> float:
    """Pages in use, those of the write-ahead log included: what is deleted leaves its pages to the next ones."""
    with closing(sqlite3.connect(path)) as db:
        pages, free, size = (
            db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
        )
    return float((pages - free) * size / MIB)


if __name__ == "__main__":
    main()
