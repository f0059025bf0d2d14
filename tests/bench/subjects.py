"""The measured processes: a plan, a daemon that idles, cycles, orders. Run by `rig.py`."""

import asyncio
import json
import resource
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from bot.cli import main as cli
from bot.domain.instrument import Side
from bot.domain.order import Intent, Purpose
from bot.risk import Approved
from bot.runtime import daemon
from bot.runtime.health.collector import LongLived
from bot.runtime.settings import model as settings
from bot.runtime.wiring import App, build
from bot.venues.ccxt.loader import load_exchange_class
from tests.bench import rig

World = dict[str, Any]


def _settings(world: World, *assignments: str) -> Any:
    return rig.settings_for(Path(world["state"]), world["count"], *assignments)


def plan(world: World) -> None:
    """`sectorbot plan`, told where its exchange is; the parent takes the time."""
    rig.attach(world)
    settings.load_settings = lambda *_: _settings(world)  # type: ignore[assignment]
    cli.app(["plan"], prog_name="sectorbot")


def _resident() -> float:
    """MiB in memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


async def _pause(seconds: float) -> None:
    """A wait that the test of the benches makes short."""
    await asyncio.sleep(seconds * rig.PACE)


def idle(world: World, minutes: str, *assignments: str) -> None:
    """The daemon at its default cadence, with these set; CPU of all but the first minute, and memory at the end."""
    rig.attach(world)
    marks: list[float] = []

    async def watch() -> None:
        await _pause(60)
        marks.append(time.process_time())
        await _pause(60 * float(minutes) - 60)
        marks.append(time.process_time())
        per_minute = (marks[1] - marks[0]) / (float(minutes) - 1) / rig.PACE
        print(json.dumps({"cpu_per_minute": per_minute, "rss": _resident()}), flush=True)

    async def both() -> None:
        app = await build(_settings(world, *assignments))
        stop = asyncio.Event()
        health = daemon.Health(Path(world["state"]) / "health.json", "trade", "sim")
        running = asyncio.create_task(daemon.Daemon(app, app.settings, health, stop).run(None))
        await watch()
        stop.set()
        await running
        await app.close()

    asyncio.run(both())


def cycles(world: World, count: str) -> None:
    """CPU seconds of one cycle, after a first one that fetched the history."""

    async def work(app: App) -> list[float]:
        await app.cycle.run()
        long_lived.leave_out()  # as the daemon does after its first cycle
        await _pause(61)  # the venue's weights of the minute that fetched the history
        found = []
        for _ in range(int(count)):
            await _pause(15)
            started = time.process_time()
            await app.cycle.run()
            found.append(time.process_time() - started)
        return found

    long_lived = LongLived()
    rss_before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    found = _with_app(world, work)
    long_lived.take_back()
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"cpu": found, "rss": rss, "rss_before": rss_before}))


def orders(world: World, rounds: str, count: str) -> None:
    """Orders through the executor and through bare ccxt, at the same exchange, in turns: `count` perps `rounds` times,
    single orders four times as often."""
    perp_rounds, at_once = int(rounds), int(count)

    async def work(app: App) -> Mapping[str, Any]:
        result = await app.cycle.run()
        snapshot = result.snapshot
        bounds = {s: i.floor_price(snapshot.quotes[s].ask * Decimal("1.02")) for s, i in snapshot.instruments.items()}
        spot = {s: bound for s, bound in bounds.items() if ":" not in s}
        perps = {s: bound for s, bound in bounds.items() if ":" in s}
        bare, limited = await _bare(world, limited=False), await _bare(world, limited=True)
        try:
            executor = app.cycle.parts.executor
            await _act(app, _first(perps, at_once), 1)  # leverage is set, connections are open
            await executor.collect_executions()
            await _bare_orders(bare, _first(spot, 5), 1)
            await _pause(11)
            found: dict[str, Any] = {
                "perps": [],
                "perps_executions_read": [],
                "perps_bare": [],
                "perps_floor": [],
                "spot_100": [],
                "spot_100_bare": [],
            }
            for _ in range(perp_rounds):
                found["perps"].append(await _timed(lambda: _act(app, _first(perps, at_once), 1)))
                read = await _timed(executor.collect_executions)
                found["perps_executions_read"].append(found["perps"][-1] + read)
                await _pause(11)
                found["perps_bare"].append(await _timed(lambda: _bare_orders(bare, _first(perps, at_once), 1)))
                await _pause(11)
                found["perps_floor"].append(await _timed(lambda: _floor(app, bare, _first(perps, at_once), after=1)))
                await _pause(11)
            for _ in range(min(2, perp_rounds - 1)):
                found["spot_100"].append(await _timed(lambda: _act(app, _first(spot, 20), 5)))
                await _pause(11)
                found["spot_100_bare"].append(await _timed(lambda: _bare_orders(bare, _first(spot, 20), 5)))
                await _pause(11)
            found["perps_default_limiter"] = await _timed(lambda: _bare_orders(limited, _first(perps, at_once), 1))
            await _pause(11)
            if found["spot_100"]:
                found["spot_150"] = await _timed(lambda: _act(app, _first(spot, 15), 10))
                await _pause(11)
            idle = {
                "after_idle": lambda: _act(app, _first(spot, 1), 1),
                "after_idle_bare": lambda: _bare_orders(bare, _first(spot, 1), 1),
                "after_idle_floor": lambda: _floor(app, bare, _first(spot, 1), after=2),
                "after_idle_default_limiter": lambda: _bare_orders(limited, _first(spot, 1), 1),
            }
            found |= {name: [] for name in idle}
            for _ in range(4 * perp_rounds):
                for name, call in idle.items():
                    await _pause(3)
                    found[name].append(await _timed(call))
            found["journal_write"] = await _journal_writes(app)
            return found
        finally:
            await bare.close()
            await limited.close()

    print(json.dumps(_with_app(world, work)))


async def _journal_writes(app: App) -> list[float]:
    """Seconds of one durable write, as the one that stands between decision and wire."""
    found = []
    for number in range(200):
        started = time.perf_counter()
        await app.journal.record_fact("bench", {"number": number})
        found.append(time.perf_counter() - started)
    return found


async def _timed(call: Callable[[], Awaitable[object]]) -> float:
    started = time.perf_counter()
    await call()
    return time.perf_counter() - started


def _first(bounds: Mapping[str, Decimal], count: int) -> dict[str, Decimal]:
    return dict(list(bounds.items())[:count])


_numbers = iter(range(1, 1_000_000))


async def _act(app: App, bounds: Mapping[str, Decimal], each: int) -> None:
    """`each` small purchases of each symbol, as the gate would have approved them."""
    approved = []
    for symbol, bound in bounds.items():
        for _ in range(each):
            number = next(_numbers)
            is_perp = ":" in symbol
            intent = Intent(
                id=f"bench.{number}",
                campaign=1 + number // 1000,
                tranche=1,
                leg=number % 1000,
                purpose=Purpose.TACTICAL if is_perp else Purpose.INCREASE,
                sector="defi",
                symbol=symbol,
                side=Side.BUY,
                size=Decimal(1),
                worst_price=bound,
                reference_price=bound,
                leverage=Decimal(2) if is_perp else None,
            )
            approved.append(Approved(intent, intent.size, intent.worst_price))
    outcomes = await app.cycle.parts.executor.act(approved)
    done = sum(outcome.filled_size > 0 for outcome in outcomes)
    if done != len(approved):
        notes = {note.words for outcome in outcomes for note in outcome.notes}
        raise SystemExit(f"{done} of {len(approved)} orders filled: {sorted(notes)[:3]}")


async def _bare(world: World, *, limited: bool) -> Any:
    """ccxt as it comes, at the same exchange."""
    exchange = load_exchange_class(rig.VENUE)(
        {"apiKey": world["key"], "secret": world["secret"], "enableRateLimit": limited, "timeout": 60_000}
    )
    exchange.session = rig.Attached(world).session()
    exchange.own_session = True
    exchange.has = {**exchange.has, "fetchCurrencies": False}
    exchange.options["fetchMarkets"] = {"types": ["spot", "linear"]}
    exchange.options["defaultType"] = "spot"
    exchange.options["adjustForTimeDifference"] = True  # the exchange has a clock of its own
    await exchange.load_markets()
    return exchange


async def _bare_orders(exchange: Any, bounds: Mapping[str, Decimal], each: int) -> None:
    calls = [
        exchange.create_order(symbol, "limit", "buy", 1, float(bound), {"timeInForce": "IOC"})
        for symbol, bound in bounds.items()
        for _ in range(each)
    ]
    await asyncio.gather(*calls)


async def _floor(app: App, exchange: Any, bounds: Mapping[str, Decimal], *, after: int) -> None:
    """The least that a journaled order takes: bare ccxt between one durable write before it and those `after` it, its
    state and, where the answer has them, its fills. Nothing is checked, numbered, throttled or read."""

    async def one(symbol: str, bound: Decimal) -> None:
        await app.journal.record_fact("bench", {"symbol": symbol})
        await _bare_orders(exchange, {symbol: bound}, 1)
        for _ in range(after):
            await app.journal.record_fact("bench", {"symbol": symbol})

    await asyncio.gather(*[one(symbol, bound) for symbol, bound in bounds.items()])


def _with_app(world: World, work: Callable[[App], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        rig.attach(world)
        app = await build(_settings(world))
        try:
            return await work(app)
        finally:
            await app.close()

    return asyncio.run(run())


COMMANDS: Mapping[str, Callable[..., None]] = {"plan": plan, "idle": idle, "cycles": cycles, "orders": orders}

if __name__ == "__main__":
    sys.exit("run by rig.py")
