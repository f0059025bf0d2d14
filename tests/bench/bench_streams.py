"""What streams are worth: requests of an idle daemon, and the time from a mark at an exit level to the exit's order.

Two daemons run side by side for the whole time, one with streams and one without, each at an exchange of its own in a
process of its own. Each holds a long with a ladder of targets. In the first part nothing happens, and the requests
are counted, at the default cadence and whole cycles of it. In the second a price passes the next target every few
seconds, and the order that takes it is timed: from the message with the new mark (`heard`, with streams only; `cpu` is
what the process used of it), and from the moment at which the price was moved (`moved`); marks come once a second.
Between two exits the process with streams does the least that one has to do (`floor`, `floor cpu`): the three requests
of an early exit at once, one commit on the disk, one order, with aiohttp and nothing of the bot.

python tests/bench/bench_streams.py [IDLE_MINUTES] [SAMPLES]
"""

import asyncio
import hashlib
import hmac
import json
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp

sys.path.insert(0, str(Path(__file__).parent.parent.parent))
from bot.domain.campaign import OpenExit
from bot.domain.instrument import Side
from bot.domain.order import ExitPlan, Intent, Purpose
from bot.ports import StreamNews
from bot.risk import Approved
from bot.runtime.daemon import Daemon, Health
from bot.runtime.streams.pace import GuardPace
from bot.runtime.wiring import App, build
from tests.bench import rig

PERP = "T001/USDT:USDT"
SIZE = 2000
FIRST_MINUTE_S, PAUSE_S = max(10.0, 60.0 * rig.PACE), 11.0
STEP = Decimal("0.004")
ORDER_PATHS = ("/fapi/v1/order", "/v5/order/create")
FUTURES = "https://fapi.binance.com"
WINDOW = "recvWindow=60000"  # the floor keeps no clock of the exchange, which refuses a time that is ahead of its own


class Floor:
    """The least that stands between a message and an exit's order, where the venue is the default one."""

    def __init__(self, world: dict[str, Any]) -> None:
        self._key, self._secret = world["key"], world["secret"]
        self._db = sqlite3.connect(Path(world["state"]) / "floor.db", isolation_level=None, check_same_thread=False)
        for statement in ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "CREATE TABLE rows (body TEXT)"):
            self._db.execute(statement)
        self.seconds: list[float] = []
        self.cpu: list[float] = []

    async def measure(self, session: aiohttp.ClientSession) -> None:
        """One exit."""
        begun, cpu = time.perf_counter(), time.process_time()
        name, stamp = PERP.partition(":")[0].replace("/", ""), time.time_ns() // 1_000_000 - 2_000
        held_query = self._signed(f"symbol={name}&{WINDOW}&timestamp={stamp}")
        asked = (
            session.get(f"{FUTURES}/fapi/v3/positionRisk?{held_query}", headers=self._headers),
            session.get(f"{FUTURES}/fapi/v1/ticker/bookTicker?symbol={name}"),
            session.get(f"{FUTURES}/fapi/v1/premiumIndex?symbol={name}"),
        )
        held, book, mark = await asyncio.gather(*map(self._answer, asked))
        await asyncio.to_thread(self._db.execute, "INSERT INTO rows VALUES (?)", [json.dumps([held, book, mark])])
        limit = f"type=LIMIT&timeInForce=IOC&quantity=10&price={book['bidPrice']}"
        order = self._signed(f"symbol={name}&side=SELL&{limit}&{WINDOW}&timestamp={stamp}")
        self.seconds.append(time.perf_counter() - begun)
        self.cpu.append(time.process_time() - cpu)
        await self._answer(session.post(f"{FUTURES}/fapi/v1/order/test", data=order, headers=self._headers))

    @property
    def _headers(self) -> dict[str, str]:
        return {"X-MBX-APIKEY": self._key, "Content-Type": "application/x-www-form-urlencoded"}

    def _signed(self, query: str) -> str:
        return f"{query}&signature={hmac.new(self._secret.encode(), query.encode(), hashlib.sha256).hexdigest()}"

    @staticmethod
    async def _answer(request: Any) -> Any:
        async with request as answer:
            if answer.status != 200:
                raise SystemExit(await answer.text())
            return json.loads(await answer.text())


class Watch:
    """Requests of one bot, when its exits left, and when it heard of a price."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.left: list[tuple[float, float]] = []
        self.heard: list[tuple[float, float, Decimal]] = []

    def trace(self) -> aiohttp.TraceConfig:
        config = aiohttp.TraceConfig()
        config.on_request_start.append(self._on_start)
        config.freeze()
        return config

    async def _on_start(self, session: object, context: object, params: aiohttp.TraceRequestStartParams) -> None:
        self.requests[f"{params.method} {params.url.path}"] += 1
        if params.method == "POST" and params.url.path in ORDER_PATHS:
            self.left.append((time.perf_counter(), time.process_time()))


def ladder(price: Decimal, count: int) -> ExitPlan:
    """Targets `STEP` apart, each for an equal part; the stop is far away."""
    grid = Decimal("0.001")
    targets = tuple(((price * (1 + STEP * n)).quantize(grid), Decimal(1) / (2 * count)) for n in range(1, count + 1))
    return ExitPlan((price / 2).quantize(grid), targets, Decimal("0.4"), 10**15, Decimal(10**6))


def buy(price: Decimal, bound: Decimal) -> Intent:
    """The purchase of the long, as the gate would have approved it."""
    return Intent(
        id="bench.1",
        campaign=1,
        tranche=1,
        leg=1,
        purpose=Purpose.TACTICAL,
        sector="defi",
        symbol=PERP,
        side=Side.BUY,
        size=Decimal(SIZE),
        worst_price=bound,
        reference_price=price,
        leverage=Decimal(2),
    )


async def hold_a_ladder(app: App, count: int) -> ExitPlan:
    """Buy a long and let the journal know its exits."""
    result = await app.cycle.run()
    price = result.snapshot.quotes[PERP].ask
    await app.venue.set_leverage(PERP, Decimal(2))
    bound = result.snapshot.instruments[PERP].floor_price(price * Decimal("1.02"))
    await app.cycle.parts.executor.act([Approved(buy(price, bound), Decimal(SIZE), bound)])
    for _ in range(3):
        held = (await app.venue.fetch_account()).positions[PERP]
        if abs(held.size) >= SIZE:
            break
        await asyncio.sleep(0.5)
    plan = ladder(held.mark_price, count)
    held_exit = OpenExit(
        PERP, "defi", abs(held.size), held.entry_price, plan, held.mark_price, campaign=1, side=Side.BUY
    )
    await app.journal.record_memory(replace(app.journal.reader.load_memory(), exits=(held_exit,)))
    return plan


def run(world: dict[str, Any], mode: str, idle_minutes: str, samples: str) -> None:
    """The measured process: one daemon, with streams or without."""
    watch = Watch()
    attached = rig.attach(world)
    plain = attached.session

    def traced() -> aiohttp.ClientSession:
        session = plain()
        session._trace_configs.append(watch.trace())
        return session

    attached.session = traced  # type: ignore[method-assign]
    hear = GuardPace.hear

    def note(self: GuardPace, news: StreamNews) -> None:
        if news.symbol == PERP and news.price is not None:
            watch.heard.append((time.perf_counter(), time.process_time(), news.price))
        hear(self, news)

    GuardPace.hear = note  # type: ignore[method-assign]
    asyncio.run(measure(world, watch, mode == "streams", float(idle_minutes), int(samples)))


async def measure(world: dict[str, Any], watch: Watch, has_streams: bool, idle_minutes: float, samples: int) -> None:
    # quiet in all but the exit: a rotation would add requests of its own
    settings = rig.settings_for(
        Path(world["state"]), world["count"], f"venue.streams={str(has_streams).lower()}", *QUIET
    )
    app = await build(settings)
    plan = await hold_a_ladder(app, samples)
    stop = asyncio.Event()
    health = Health(Path(world["state"]) / "health.json", "trade", "sim")
    daemon = Daemon(app, settings, health, stop)
    running = asyncio.create_task(daemon.run(None))
    try:
        await asyncio.sleep(FIRST_MINUTE_S)
        watch.requests.clear()
        cpu = time.process_time()
        await asyncio.sleep(60 * idle_minutes)
        idle = sum(watch.requests.values()) / idle_minutes if idle_minutes else 0
        cpu = (time.process_time() - cpu) / idle_minutes if idle_minutes else 0
        counts = dict(watch.requests.most_common(6))
        found = {"idle_per_minute": idle, "cpu_per_minute": cpu, "counts": counts}
        floor = Floor(world) if has_streams and rig.VENUE == "binance" else None
        found |= await reactions(world, watch, plan, samples, floor)
        print(json.dumps(found), flush=True)
    finally:
        stop.set()
        await asyncio.gather(running, return_exceptions=True)
        await app.close()


async def reactions(
    world: dict[str, Any], watch: Watch, plan: ExitPlan, samples: int, floor: Floor | None
) -> dict[str, list[float]]:
    """Seconds to the order of each target, from the move of the price and from the message about it; the CPU that the
    process has used since the message; and the same of the floor."""
    found: dict[str, list[float]] = {"moved": [], "heard": [], "cpu": []}
    async with rig.Attached(world).session() as session:
        for price, _ in plan.targets[:samples]:
            watch.left.clear()
            watch.heard.clear()
            body = {"symbol": PERP, "price": str(price * Decimal("1.0005"))}
            begun = time.perf_counter()
            async with session.post("https://localhost/simex/price", json=body) as answer:
                if answer.status != 200:
                    raise SystemExit(await answer.text())
            async with asyncio.timeout(60):
                while not watch.left:  # noqa: ASYNC110 - set inside aiohttp
                    await asyncio.sleep(0.01)
            left, cpu = watch.left[0]
            found["moved"].append(left - begun)
            first = next((row for row in watch.heard if row[2] >= price), None)
            if first is not None and first[0] < left:
                found["heard"].append(left - first[0])
                found["cpu"].append(cpu - first[1])
            await asyncio.sleep(PAUSE_S / 2)
            if floor is not None:
                await floor.measure(session)
            await asyncio.sleep(PAUSE_S / 2)
    if floor is not None:
        found |= {"floor": floor.seconds[1:], "floor cpu": floor.cpu[1:]}  # the first one connects
    return found


QUIET = (
    'playbook.regime.override="neutral"',
    "playbook.tactical.is_on=true",
)


def quantile(values: list[float], share: float) -> float:
    """The value that `share` of the values do not exceed."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def line(name: str, values: list[float]) -> str:
    if not values:
        return f"  {name:9} none"
    shown = [
        f"{label} {1000 * quantile(values, share):.0f}" for label, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99))
    ]
    return f"  {name:9} {', '.join(shown)}, max {1000 * max(values):.0f} ms of {len(values)}"


def show(results: Mapping[str, Mapping[str, Any]]) -> None:
    for mode, found in results.items():
        print(f"{mode}: {found['idle_per_minute']:.1f} requests and {found['cpu_per_minute']:.2f} CPU s a minute, idle")
        print(line("heard", found["heard"]))
        print(line("cpu", found["cpu"]))
        print(line("moved", found["moved"]))
        for name in ("floor", "floor cpu"):
            if name in found:
                print(line(name, found[name]))
        print("  most of the requests:", ", ".join(f"{name} {count}" for name, count in found["counts"].items()))
    few, many = results["streams"]["idle_per_minute"], results["polling"]["idle_per_minute"]
    if few:
        print(f"idle requests fall {many / few:.1f} times")


def main() -> None:
    if len(sys.argv) > 3:
        run(json.loads(Path(sys.argv[1]).read_text()), *sys.argv[2:])
        return
    minutes, samples = (*sys.argv[1:], *("10", "60")[len(sys.argv) - 1 :])
    with ExitStack() as stack:
        running = {}
        for mode in ("streams", "polling"):
            world, _ = stack.enter_context(rig.exchange_of(40))
            command = [sys.executable, __file__, str(world), mode, minutes, samples]
            running[mode] = subprocess.Popen(command, env=rig.environment(), stdout=subprocess.PIPE, text=True)
        show({mode: json.loads(one.communicate()[0].splitlines()[-1]) for mode, one in running.items()})


if __name__ == "__main__":
    main()
