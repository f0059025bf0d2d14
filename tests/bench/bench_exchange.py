"""Load on the embedded exchange: requests a second and CPU a request beside a bare aiohttp handler in the same run, and
many sockets with many orders for a stated time.

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
from dataclasses import dataclass
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
EXCHANGE = [sys.executable, "-m", "bot", "exchange", "--json", "--control", "--account", "main:USDT=1e9,perp.USDT=1e9"]


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


async def load(session: aiohttp.ClientSession, sockets: int, orders: int, seconds: int) -> dict[str, Any]:
    """So many open sockets and so many orders a second: what arrived, how late answers were, memory at each tenth."""
    names = ("uniusdt@bookTicker", "ethusdt@ticker", "btcusdt@miniTicker", "btcusdt@depth5", "solusdt@trade")
    heard, waits, refused = [0], [], [0]
    async with serving([*EXCHANGE, "--limits", "1000000"]) as (document, pid):
        client = Client(session, document)

        async def listen(socket: aiohttp.ClientWebSocketResponse) -> None:
            async for _ in socket:
                heard[0] += 1

        async def place(number: int) -> None:
            side, begun = "BUY" if number % 2 else "SELL", time.monotonic()
            order = f"symbol=ETHUSDT&side={side}&type=MARKET&quantity=0.01"
            try:
                status, _ = await client.signed("POST", "/api/v3/order", order)
            except aiohttp.ClientError:
                status = 0
            waits.append(time.monotonic() - begun)
            refused[0] += status != 200

        tasks = []
        for number in range(sockets):
            url = f"{document['http']}/ws/{names[number % len(names)]}"
            tasks.append(asyncio.create_task(listen(await session.ws_connect(url))))
        memory, used, begun = [memory_of(pid)], cpu_of(pid), time.monotonic()
        ends, placing, number = begun + seconds, set(), 0
        while (now := time.monotonic()) < ends:
            while number < (now - begun) * orders:
                number += 1
                if len(placing) >= orders:  # a second behind: more at once would measure the client
                    refused[0] += 1
                    continue
                task = asyncio.create_task(place(number))
                placing.add(task)
                task.add_done_callback(placing.discard)
            if now - begun > len(memory) * seconds / 10:
                memory.append(memory_of(pid))
            await asyncio.sleep(0.01)
        await asyncio.gather(*placing)
        took = time.monotonic() - begun
        cpu = cpu_of(pid) - used
        for task in tasks:
            task.cancel()
    waits.sort()
    return {
        "sockets": sockets,
        "orders_a_second": round(len(waits) / took, 1),
        "refused": refused[0],
        "messages_a_second": round(heard[0] / took),
        "cpu": round(cpu / took, 2),
        "wait_ms": {"median": round(waits[len(waits) // 2] * 1000, 1), "p99": round(waits[-len(waits) // 100] * 1000)},
        "memory_mib": [round(value, 1) for value in memory],
    }


async def main(sockets: int, orders: int, seconds: int, requests: int) -> None:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        if not sockets:
            for name, found in (await compare(session, requests)).items():
                print(f"{name:<24} {found.per_second:8.0f} a second  {found.cpu_ms:7.3f} ms CPU each", flush=True)
            return
        print(json.dumps(await load(session, sockets, orders, seconds)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sockets", type=int, default=0, help="0: compare requests only")
    parser.add_argument("--orders", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--requests", type=int, default=REQUESTS, help="of each kind that is compared")
    given = parser.parse_args()
    asyncio.run(main(given.sockets, given.orders, given.seconds, given.requests))
