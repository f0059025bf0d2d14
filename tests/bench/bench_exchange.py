"""Load on the embedded exchange: requests a second and CPU a request beside a bare aiohttp handler in the same run, and
then many sockets with many orders for a stated time: answered orders, lost messages, CPU, and memory at each tenth.

    python -m tests.bench.bench_exchange [--sockets 1000] [--orders 200] [--seconds 60]

The server has a process of its own; the requests come from this one, over kept connections.
"""

import argparse
import asyncio
import contextlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

sys.path.insert(0, str(Path(__file__).parent.parent.parent))
from bot.simex.signing import sign

AT_ONCE, REQUESTS = 16, 3000
BARE = """
import asyncio, json, sys
from aiohttp import web
async def main():
    body = {"symbol": "UNIUSDT", "price": "10.00000000"}
    async def answer(request):
        await request.read()
        return web.Response(text=json.dumps(body), content_type="application/json")
    application = web.Application()
    application.router.add_route("*", "/{tail:.*}", answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(json.dumps({"http": f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"}), flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""
EXCHANGE = [
    sys.executable,
    "-m",
    "bot",
    "exchange",
    "--json",
    "--control",
    "--account",
    "main:USDT=1e9,ETH=1e5,perp.USDT=1e9",
]


@dataclass(frozen=True)
class Rate:
    """Requests a second, and CPU milliseconds of the server for each."""

    per_second: float
    cpu_ms: float


@contextlib.asynccontextmanager
async def serving(command: list[str]) -> AsyncIterator[tuple[dict[str, Any], int]]:
    """(document, process id) of a server that prints one."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        process = await asyncio.create_subprocess_exec(
            *command, stdout=subprocess.PIPE, limit=1 << 20, cwd=folder, env=environment
        )
        assert process.stdout is not None
        try:
            yield json.loads(await process.stdout.readline()), process.pid
        finally:
            process.terminate()
            await process.wait()


def cpu_of(pid: int) -> float:
    """CPU seconds of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_of(pid: int) -> float:
    """Resident MiB of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 2**20


async def rate(pid: int, ask: Callable[[int], Awaitable[Any]], count: int) -> Rate:
    """The rate of `count` requests, so many at once."""
    numbers = iter(range(count))

    async def client() -> None:
        for number in numbers:
            await ask(number)

    for number in range(min(50, count)):
        await ask(-1 - number)
    begun, used = time.monotonic(), cpu_of(pid)
    await asyncio.gather(*(client() for _ in range(AT_ONCE)))
    return Rate(count / (time.monotonic() - begun), (cpu_of(pid) - used) / count * 1000)


class Client:
    """Requests to a served exchange."""

    def __init__(self, session: aiohttp.ClientSession, document: dict[str, Any]) -> None:
        self._session, self.base = session, document["http"]
        pair = document["accounts"]["main"]
        self._key, self._secret = pair["key"], pair["secret"]

    async def get(self, path: str) -> int:
        async with self._session.get(self.base + path) as reply:
            await reply.read()
            return reply.status

    async def signed(self, method: str, path: str, query: str) -> Any:
        query += f"&timestamp={time.time_ns() // 1_000_000}&recvWindow=60000"
        url = f"{self.base}{path}?{query}&signature={sign(self._secret, query)}"
        async with self._session.request(method, url, headers={"X-MBX-APIKEY": self._key}) as reply:
            return reply.status, await reply.json()


async def compare(session: aiohttp.ClientSession, count: int) -> dict[str, Rate]:
    """Rates of the bare handler and of kinds of requests."""
    rates: dict[str, Rate] = {}
    async with serving([sys.executable, "-c", BARE]) as (bare, pid):

        async def bare_get(number: int) -> None:
            async with session.get(bare["http"] + "/x") as reply:
                await reply.read()

        rates["bare aiohttp"] = await rate(pid, bare_get, count)
    async with serving([*EXCHANGE, "--limits", "1000000"]) as (document, pid):
        client = Client(session, document)
        limit = "symbol=UNIUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=6"
        market = "symbol=UNIUSDT&side=BUY&type=MARKET&quantity=1"
        rates["GET time"] = await rate(pid, lambda n: client.get("/api/v3/time"), count)
        rates["GET ticker/price"] = await rate(pid, lambda n: client.get("/api/v3/ticker/price?symbol=UNIUSDT"), count)
        rates["GET depth"] = await rate(pid, lambda n: client.get("/api/v3/depth?symbol=UNIUSDT&limit=20"), count)
        rates["GET exchangeInfo"] = await rate(pid, lambda n: client.get("/api/v3/exchangeInfo"), min(count, 400))
        rates["GET fapi exchangeInfo"] = await rate(pid, lambda n: client.get("/fapi/v1/exchangeInfo"), min(count, 400))
        rates["GET account"] = await rate(
            pid, lambda n: client.signed("GET", "/api/v3/account", "omitZeroBalances=true"), count
        )

        async def place_market(number: int) -> None:
            await client.signed("POST", "/api/v3/order", market)

        rates["POST order, market"] = await rate(
            pid, lambda n: client.signed("POST", "/api/v3/order", market), min(count, 1000)
        )

        async def in_and_out(number: int) -> None:
            own = f"&newClientOrderId=b{number + 1000}"
            await client.signed("POST", "/api/v3/order", limit + own)
            await client.signed("DELETE", "/api/v3/order", f"symbol=UNIUSDT&origClientOrderId=b{number + 1000}")

        rates["POST and DELETE order"] = await rate(pid, in_and_out, min(count, 1000))
    return rates


STREAMS = ("uniusdt@bookTicker", "ethusdt@ticker", "btcusdt@miniTicker", "btcusdt@depth5", "solusdt@trade")


@dataclass
class Heard:
    """What arrived at the sockets. A public trade has the number after the one before it, so that a hole in the numbers
    of one socket is a message that was lost."""

    messages: int = 0
    lost: int = 0
    cut_off: int = 0
    is_over: bool = False

    async def listen(self, socket: aiohttp.ClientWebSocketResponse, name: str) -> None:
        last = 0
        async for message in socket:
            self.messages += 1
            if name.endswith("@trade"):
                number = json.loads(message.data)["t"]
                self.lost += max(0, number - last - 1) if last else 0
                last = number
        self.cut_off += not self.is_over


@dataclass
class Orders:
    """Orders of one run, sent at their times. `late` were not sent: a second's worth of orders had no answer yet."""

    client: Client
    a_second: int
    taken: int = 0
    refused: int = 0
    late: int = 0
    waits_s: list[float] = field(default_factory=list)
    _open: set[asyncio.Task[None]] = field(default_factory=set)
    _count: int = 0

    def keep_up(self, passed_s: float) -> None:
        """Send what is due by now."""
        while self._count < passed_s * self.a_second:
            self._count += 1
            if len(self._open) >= self.a_second:
                self.late += 1
                continue
            task = asyncio.create_task(self._place("BUY" if self._count % 2 else "SELL"))
            self._open.add(task)
            task.add_done_callback(self._open.discard)

    async def finish(self) -> None:
        await asyncio.gather(*self._open)
        self.waits_s.sort()

    async def _place(self, side: str) -> None:
        begun = time.monotonic()
        order = f"symbol=ETHUSDT&side={side}&type=MARKET&quantity=0.01"
        try:
            status, body = await self.client.signed("POST", "/api/v3/order", order)
        except aiohttp.ClientError:
            status, body = 0, {}
        is_taken = status == 200 and body.get("status") == "FILLED"
        self.taken, self.refused = self.taken + is_taken, self.refused + (not is_taken)
        self.waits_s.append(time.monotonic() - begun)


@dataclass(frozen=True)
class Load:
    """Figures of one run under load; memory in MiB by the second at which it was read."""

    sockets: int
    seconds: float
    heard: Heard
    orders: Orders
    cpu_s: float
    memory: dict[int, float]

    def lines(self) -> list[str]:
        orders, heard, waits = self.orders, self.heard, self.orders.waits_s
        middle = min(self.memory, key=lambda at_s: abs(at_s - self.seconds / 2))
        growth = list(self.memory.values())[-1] - self.memory[middle]
        median_ms, late_ms = (waits[int(share * (len(waits) - 1))] * 1000 for share in (0.5, 0.99))
        return [
            f"{self.sockets} sockets, {orders.a_second} orders a second for {self.seconds:.0f} s",
            f"orders: {orders.taken} filled ({orders.taken / self.seconds:.1f} a second), {orders.refused} refused or "
            f"unanswered, {orders.late} not sent for want of answers",
            f"answers: median {median_ms:.1f} ms, p99 {late_ms:.1f} ms",
            f"messages: {heard.messages / self.seconds:.0f} a second, {heard.lost} lost, {heard.cut_off} sockets cut",
            f"CPU: {self.cpu_s / self.seconds:.2f} of a core; with its share of the messages an order has "
            f"{self.cpu_s / len(waits) * 1000:.3f} ms",
            "memory: " + ", ".join(f"{value:.0f} MiB at {at_s} s" for at_s, value in self.memory.items()),
            f"memory of the second half: {growth:+.1f} MiB",
        ]


async def load(session: aiohttp.ClientSession, sockets: int, a_second: int, seconds: int) -> Load:
    """So many open sockets and so many orders a second; memory is read ten times."""
    async with serving([*EXCHANGE, "--limits", "1000000"]) as (document, pid):
        heard, orders, tasks = Heard(), Orders(Client(session, document), a_second), []
        for number in range(sockets):
            name = STREAMS[number % len(STREAMS)]
            socket = await session.ws_connect(f"{document['http']}/ws/{name}")
            tasks.append(asyncio.create_task(heard.listen(socket, name)))
        memory, used, begun = {0: memory_of(pid)}, cpu_of(pid), time.monotonic()
        while (passed_s := time.monotonic() - begun) < seconds:
            orders.keep_up(passed_s)
            if passed_s >= len(memory) * seconds / 10:
                memory[round(passed_s)] = memory_of(pid)
            await asyncio.sleep(0.01)
        await orders.finish()
        memory[seconds] = memory_of(pid)
        result = Load(sockets, time.monotonic() - begun, heard, orders, cpu_of(pid) - used, memory)
        heard.is_over = True
        for task in tasks:
            task.cancel()
    return result


async def main(sockets: int, orders: int, seconds: int, requests: int) -> None:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        for name, found in (await compare(session, requests)).items():
            print(f"{name:<24} {found.per_second:8.0f} a second  {found.cpu_ms:7.3f} ms CPU each", flush=True)
        if sockets:
            print(*("", *(await load(session, sockets, orders, seconds)).lines()), sep="\n", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sockets", type=int, default=0, help="0: compare requests only")
    parser.add_argument("--orders", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--requests", type=int, default=REQUESTS, help="of each kind that is compared")
    given = parser.parse_args()
    asyncio.run(main(given.sockets, given.orders, given.seconds, given.requests))
