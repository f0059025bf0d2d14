"""What the benchmarks share: an exchange in a process of its own, and a bot in another that is pointed at it.

`python tests/bench/rig.py exchange COUNT CASH` serves COUNT instruments until its input closes. The other commands are
the measured processes: each prints one line of JSON. Their imports are the bot's own and nothing of the simulator.
"""

import asyncio
import json
import os
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from bot.runtime.health.collector import begin_start
from bot.runtime.start.lean_tls import import_aiohttp

if sys.argv[1:2] in (["plan"], ["idle"]):  # where the commands do it: before anything of weight is imported
    begin_start()
    import_aiohttp()

import aiohttp
from aiohttp.abc import AbstractResolver

from bot.domain.instrument import Kind
from bot.feeds.macro import JoinedMacro
from bot.playbook.policy.numbers import Sectors
from bot.runtime import wiring
from bot.runtime.clock import SkippingClock
from bot.runtime.settings.model import Settings, Sources

ACCOUNT = "bench"
DAYS = 135
VENUE = os.environ.get("BENCH_VENUE", "binance")  # where the bot of every bench trades
PACE = float(os.environ.get("BENCH_PACE", "1"))  # × every wait; the test that starts each bench makes them short
HERE = Path(__file__)
ROOT = HERE.parent.parent.parent


class ToExchange(AbstractResolver):
    """Every host is the exchange."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_INET) -> list[Any]:
        return [
            {"hostname": host, "host": "127.0.0.1", "port": self.port, "family": socket.AF_INET, "proto": 0, "flags": 0}
        ]

    async def close(self) -> None:
        """Nothing is held."""


class Attached:
    """An exchange of another process, as wiring wants it."""

    tvl, macro, identity = None, JoinedMacro(()), ""

    def __init__(self, world: dict[str, Any]) -> None:
        self.world = world
        self.clock = SkippingClock()
        self.key = SimpleNamespace(key=world["key"], secret=world["secret"])

    def key_of(self, kind: Kind) -> SimpleNamespace:
        """One account trades both markets."""
        return self.key

    def session(self) -> aiohttp.ClientSession:
        context = ssl.create_default_context(cafile=self.world["ca"])
        connector = aiohttp.TCPConnector(ssl=context, resolver=ToExchange(self.world["https_port"]), limit=32)
        return aiohttp.ClientSession(connector=connector)

    async def stop(self) -> None:
        """It is not ours."""


def universe(count: int) -> Sectors:
    """`count` instruments: half of them spot, half the perps over it; every perp may hedge and carry a long."""
    tokens = {f"T{number:03}": {"defi" if number % 2 else "infra": 1} for number in range(count // 2)}
    sectors = {
        name: {"hedge": [t for t in tokens if name in tokens[t]], "tactical": [t for t in tokens if name in tokens[t]]}
        for name in ("defi", "infra")
    }
    return Sectors.model_validate({"sectors": sectors, "tokens": tokens})


def settings_for(directory: Path, count: int, *assignments: str) -> Settings:
    common = ("environment=sim", "mode=trade", f"venue.id={VENUE}", f"venue.account={ACCOUNT}")
    market = "playbook.signals.market_symbol=T000/USDT"
    made = Sources(assignments=(*common, market, f'state_directory="{directory}"', *assignments)).load()
    return made.model_copy(update={"universe": universe(count)})


def attach(world: dict[str, Any]) -> Attached:
    """Point `wiring` at the exchange, markets cached on disk as a bot at a real venue has them."""
    attached = Attached(world)

    async def given(_settings: Settings) -> Attached:
        return attached

    rules = wiring.ConnectionRules
    folder = Path(world["cache"])
    wiring.start_embedded_exchange = given  # type: ignore[assignment]
    wiring.ConnectionRules = lambda **fields: rules(**{**fields, "cache_folder": folder})  # type: ignore[misc,assignment]
    return attached


def drawn(market: Any, timeframe_ms: int, until_ms: int) -> Any:
    """The market with its candles made once, as a venue has them: their making is not to be measured. Perps have an
    open interest, or every cycle would measure how a refused question is answered."""
    from bot.simex.market.base import PathMarket
    from bot.simex.market.path import CandlePath

    tracks, eight_hours = {}, 8 * 3_600_000
    for symbol in market.symbols:
        track = market.track(symbol)
        columns = track.last.columns(timeframe_ms, track.start_ms, until_ms, (DAYS + 2) * 24, until_ms)
        path = CandlePath(timeframe_ms, *columns)
        times = range(track.start_ms, until_ms, eight_hours) if track.is_perp else ()
        interest = tuple((at_ms, 1e7 + at_ms // eight_hours % 7 * 1e5) for at_ms in times)
        tracks[symbol] = replace(track, last=path, mark=path, index=path, interest=interest)
    return PathMarket(tracks)


async def serve(count: int, cash: int) -> None:
    """The exchange's process; the account stands at its neutral weights, `cash` quote beyond them."""
    import math
    import secrets
    from decimal import Decimal

    from bot.runtime.simulator.embedded import neutral_holdings
    from bot.simex.engine.exchange import Exchange
    from bot.simex.market.catalogue import default_instruments
    from bot.simex.market.moved import MovedMarket
    from bot.simex.server import Simex
    from bot.simex.signing import ApiKey
    from tests.simex.scripted_market import ScriptedMarket

    with tempfile.TemporaryDirectory() as directory:
        settings = settings_for(Path(directory), count)
        now_ms = time.time_ns() // 1_000_000
        tokens = (*settings.universe.tokens, "BTC")  # a venue's account checks may ask about it
        points = {
            f"{token}/USDT": [
                (now_ms - (DAYS - day) * 86_400_000, 10 + math.sin(day / 9 + number)) for day in range(DAYS + 2)
            ]
            for number, token in enumerate(tokens)
        }
        perps = [f"{token}/USDT:USDT" for token in tokens]
        market = ScriptedMarket(points, perps=perps, depth_quote=1e7)
        market = MovedMarket(drawn(market, settings.playbook.candle_ms, now_ms + 86_400_000))
        prices = {token: Decimal(10) for token in tokens}
        exchange = Exchange(instruments=default_instruments(tokens, prices), market=market, start_ms=now_ms)
        policy, book = settings.playbook, settings.paper.book_quote
        spot = neutral_holdings(exchange, exchange.instruments, policy, settings.universe, book)
        spot["USDT"] = spot.get("USDT", Decimal(0)) + cash
        exchange.create_account(ACCOUNT, spot=spot, perp=Decimal(15_000), quote="USDT")
        key = ApiKey(secrets.token_hex(32), secrets.token_hex(32), ACCOUNT)
        server = Simex(exchange, keys={key.key: key}, clock=SkippingClock().now_ms, market=market)
        server.serve_dialects((VENUE,))
        await server.start(tls_dir=Path(directory) / "tls")
        hello = {"https_port": server.https_port, "ca": str(server.ca_path), "key": key.key, "secret": key.secret}
        print(json.dumps(hello), flush=True)
        while await asyncio.to_thread(sys.stdin.readline):
            statuses = [status for _, _, _, status in server.request_log]
            limited = sum(status in (418, 429) for status in statuses)
            failed = sum(status >= 400 for status in statuses) - limited
            print(json.dumps({"limited": limited, "failed": failed}), flush=True)
        await server.stop()


@contextmanager
def exchange_of(count: int, cash: int = 0) -> Iterator[tuple[Path, Any]]:
    """A running exchange: the file that says where it is, and a question to it (how many requests it refused for its
    limits, and how many for another reason)."""
    with tempfile.TemporaryDirectory() as directory:
        process = subprocess.Popen(
            [sys.executable, str(HERE), "exchange", str(count), str(cash)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            stdin, stdout = process.stdin, process.stdout
            world = Path(directory) / "world.json"
            hello = json.loads(stdout.readline())
            world.write_text(json.dumps(hello | {"cache": directory, "count": count, "state": f"{directory}/state"}))

            def refused() -> tuple[int, int]:
                stdin.write("refused\n")
                stdin.flush()
                counts = json.loads(stdout.readline())
                return int(counts["limited"]), int(counts["failed"])

            yield world, refused
        finally:
            process.terminate()
            process.wait()


def environment() -> dict[str, str]:
    """Bytecode is cached, as in an installed program."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    path = os.pathsep.join(filter(None, (str(ROOT), kept.get("PYTHONPATH"))))
    return kept | {"PYTHONPATH": path, "PYTHONPYCACHEPREFIX": str(Path(tempfile.gettempdir()) / "bench-bytecode")}


def measured(*arguments: str) -> Any:
    """Run one of the measured processes to its end; the JSON it printed last."""
    process = subprocess.run(
        [sys.executable, str(HERE), *arguments], env=environment(), capture_output=True, text=True, check=False
    )
    if process.returncode:
        raise SystemExit(process.stderr[-2000:])
    return json.loads(process.stdout.splitlines()[-1])


def spread(values: Sequence[float]) -> str:
    """Median and range."""
    return f"{statistics.median(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def main() -> None:
    command, rest = sys.argv[1], sys.argv[2:]
    if command == "exchange":
        asyncio.run(serve(int(rest[0]), int(rest[1])))
        return
    from tests.bench import subjects

    world = json.loads(Path(rest[0]).read_text())
    subjects.COMMANDS[command](world, *rest[1:])


if __name__ == "__main__":
    main()
