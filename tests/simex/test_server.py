"""The exchange on its sockets: two ports, faults of the wire, a clock of its own, pokes for people."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import pytest

from bot.simex.faults import Fault, FaultPlan, FaultRule
from bot.simex.server import Delay, Simex
from bot.simex.signing import sign
from bot.simex.tls import loopback_session
from tests.simex.dialects.conftest import KEYS, START_MS, Bench, MakeBench, make_bench

__all__ = ["make_bench"]
ORDER = "/api/v3/order"


class Served:
    """A running exchange and a plain-HTTP client of it."""

    def __init__(self, bench: Bench, session: aiohttp.ClientSession) -> None:
        self.bench, self.simex, self.session = bench, bench.simex, session

    def url(self, path: str, **params: Any) -> str:
        query = "&".join(f"{name}={value}" for name, value in {**params, "timestamp": self.simex.now_ms()}.items())
        signature = sign(KEYS["mainkey"].secret, query)
        return f"http://127.0.0.1:{self.simex.http_port}{path}?{query}&signature={signature}"

    async def ask(self, method: str, path: str, **params: Any) -> tuple[int, Any]:
        headers = {"X-MBX-APIKEY": "mainkey"}
        async with self.session.request(method, self.url(path, **params), headers=headers) as reply:
            return reply.status, await reply.json()

    async def buy(self, name: str = "a") -> tuple[int, Any]:
        return await self.ask(
            "POST", ORDER, symbol="UNIUSDT", side="BUY", type="MARKET", quantity="1", newClientOrderId=name
        )

    def bought(self) -> int:
        return len(self.simex.exchange.orders("main", "UNI/USDT"))

    async def poke(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        url = f"http://127.0.0.1:{self.simex.http_port}{path}"
        async with self.session.request(method, url, data=None if body is None else json.dumps(body)) as reply:
            return reply.status, await reply.json()


@pytest.fixture
async def served(make_bench: MakeBench, tmp_path: Path) -> AsyncIterator[Served]:
    bench = make_bench()
    await bench.simex.start(tls_dir=tmp_path)
    async with aiohttp.ClientSession() as session:
        yield Served(bench, session)
    await bench.simex.stop()


async def test_both_ports_answer_and_every_request_is_logged(served: Served) -> None:
    simex = served.simex
    assert simex.https_port != simex.http_port
    async with loopback_session(simex.https_port, simex.ca_path) as session:
        for url in (
            "https://api.binance.com/api/v3/time",
            "https://fapi.binance.com/fapi/v1/time",
            f"https://127.0.0.1:{simex.https_port}/api/v3/time",
        ):
            async with session.get(url) as reply:
                assert (await reply.json())["serverTime"] == START_MS
        async with session.get("https://api.binance.com/simex/clock") as reply:
            assert reply.status == 404, "venues have no such paths"
    status, _ = await served.buy()
    assert [(method, path, code) for _, method, path, code in simex.request_log][-1] == ("POST", ORDER, status)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api.binance.com/api/v3/time", 200),
        ("/api.binance.com:443/api/v3/time", 200),
        ("/API.Binance.com/sapi/v1/system/status", 200),
        ("/fapi.binance.com/fapi/v1/time", 200),
        ("/fapi.binance.com/api/v3/time", 404),
        ("/api.bybit.com/api/v3/time", 404),
        ("/api.binance.com/simex/clock", 404),
        ("/api.binance.com", 404),
    ],
)
async def test_a_path_may_begin_with_the_host_that_it_is_for(served: Served, path: str, status: int) -> None:
    async with served.session.get(f"http://127.0.0.1:{served.simex.http_port}{path}") as reply:
        assert reply.status == status


async def test_an_order_over_plain_http_is_an_order(served: Served) -> None:
    status, reply = await served.buy("over-http")
    assert (status, reply["status"], reply["clientOrderId"]) == (200, "FILLED", "over-http")
    assert served.bought() == 1


@pytest.mark.parametrize(
    ("fault", "executions"),
    [
        (Fault(before_engine_drop=True), 0),
        (Fault(after_engine_drop=True), 1),
        (Fault(reset=True), 1),
        (Fault(truncate=20), 1),
    ],
)
async def test_a_lost_reply_says_nothing_and_the_engine_knows(served: Served, fault: Fault, executions: int) -> None:
    served.simex.faults.add(FaultRule(fault, method="POST", path=ORDER))
    with pytest.raises(aiohttp.ClientError):
        await served.buy("lost")
    assert served.bought() == executions
    status, _ = await served.ask("GET", ORDER, symbol="UNIUSDT", origClientOrderId="lost")
    assert status == (200 if executions else 400)


@pytest.mark.parametrize(("skips", "executions"), [(True, 0), (False, 1)])
async def test_a_replaced_reply_hides_what_happened(served: Served, skips: bool, executions: int) -> None:
    body = '{"code":-1007,"msg":"Timeout waiting for response from backend server."}'
    fault = Fault(reply_status=503, reply_body=body, skips_engine=skips)
    served.simex.faults.add(FaultRule(fault, method="POST", path=ORDER))
    assert await served.buy() == (503, json.loads(body))
    assert served.bought() == executions
    assert (await served.buy())[0] == 200, "the rule was for one request"


@pytest.mark.parametrize(
    ("fault", "text"),
    [(Fault(html=True), "<html>"), (Fault(empty=True), ""), (Fault(reply_status=502, html=True), "<")],
)
async def test_replies_that_are_no_json(served: Served, fault: Fault, text: str) -> None:
    served.simex.faults.add(FaultRule(fault))
    async with served.session.get(f"http://127.0.0.1:{served.simex.http_port}/api/v3/time") as reply:
        assert (await reply.text()).startswith(text)
        assert reply.status == (fault.reply_status or 200)


async def test_a_delay_beyond_the_receive_window_makes_no_order(make_bench: MakeBench, tmp_path: Path) -> None:
    plan = FaultPlan([FaultRule(Fault(delay_before_ms=60))])
    bench = make_bench(faults=plan, clock=None)
    await bench.simex.start(tls_dir=tmp_path)
    async with aiohttp.ClientSession() as session:
        served = Served(bench, session)
        market = {"symbol": "UNIUSDT", "side": "BUY", "type": "MARKET", "quantity": "1"}
        status, reply = await served.ask("POST", ORDER, **market, recvWindow=20)
        assert (status, reply["code"]) == (400, -1021)
        assert served.bought() == 0
    await bench.simex.stop()


async def test_exchange_time_runs_at_its_own_speed(make_bench: MakeBench, tmp_path: Path) -> None:
    bench = make_bench(speed=60)
    assert bench.public("/api/v3/time")["serverTime"] == START_MS
    bench.clock.now_ms += 1000
    assert bench.public("/api/v3/time")["serverTime"] == START_MS + 60_000
    assert bench.exchange.now_ms == START_MS + 60_000
    assert bench.no("GET", "/api/v3/account")[0] == -1021, "a client that keeps its own time is late"
    assert bench.ok("GET", "/api/v3/account", lead_ms=59_000)


async def test_a_request_that_is_cut_off_does_nothing_and_is_not_an_accident(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", served.simex.http_port)
    body = served.url(ORDER, symbol="UNIUSDT", side="BUY", type="MARKET", quantity="1").partition("?")[2].encode()
    head = f"POST {ORDER} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-MBX-APIKEY: mainkey\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body[:-10])
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert (await served.buy("whole"))[0] == 200
    await asyncio.sleep(0.05)
    assert served.bought() == 1
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_people_can_look_skip_time_and_order_faults(served: Served) -> None:
    assert await served.poke("GET", "/simex/clock") == (200, {"now_ms": START_MS, "speed": 1.0})
    _, reply = await served.poke("POST", "/simex/advance?ms=60000")
    assert reply == {"now_ms": START_MS + 60_000}
    assert served.simex.exchange.now_ms == START_MS + 60_000
    await served.ask(
        "POST", ORDER, symbol="UNIUSDT", side="BUY", type="LIMIT", timeInForce="GTC", quantity="1", price="9"
    )
    _, state = await served.poke("GET", "/simex/state")
    assert state["accounts"]["main"]["spot"]["USDT"] == {"asset": "USDT", "free": "9991", "used": "9"}
    assert len(state["accounts"]["main"]["open_orders"]) == 1
    rule = {"fault": {"reply_status": 503, "skips_engine": True}, "path": "/api/v3/ping"}
    assert await served.poke("POST", "/simex/fault", rule) == (200, {"added": True})
    async with served.session.get(f"http://127.0.0.1:{served.simex.http_port}/api/v3/ping") as ping:
        assert ping.status == 503


@pytest.mark.parametrize(
    ("method", "path", "body", "word"),
    [
        ("GET", "/simex/nothing", None, "/simex/state"),
        ("POST", "/simex/advance?ms=-5", None, "backwards"),
        ("POST", "/simex/advance", None, "ms="),
        ("POST", "/simex/fault", {"fault": {"explode": True}}, "explode"),
        ("POST", "/simex/fault", {"fault": {"delay_before_ms": "long"}}, "delay_before_ms"),
        ("POST", "/simex/fault", {"fault": {}, "times": "all"}, "times"),
        ("POST", "/simex/fault", [], "fault"),
    ],
)
async def test_a_bad_poke_says_what_is_known(served: Served, method: str, path: str, body: Any, word: str) -> None:
    status, reply = await served.poke(method, path, body)
    assert status in (400, 404)
    assert word in reply["error"]


async def test_a_taken_port_leaves_nothing_behind(served: Served, make_bench: MakeBench, tmp_path: Path) -> None:
    second = make_bench().simex
    with pytest.raises(OSError, match="in use"):
        await second.start(https_port=0, http_port=served.simex.http_port, tls_dir=tmp_path / "second")
    await second.start(tls_dir=tmp_path / "second")
    await second.stop()


async def test_starting_twice_is_refused_and_stopping_twice_is_fine(make_bench: MakeBench, tmp_path: Path) -> None:
    simex: Simex = make_bench().simex
    await simex.start(tls_dir=tmp_path)
    with pytest.raises(RuntimeError, match="already"):
        await simex.start(tls_dir=tmp_path)
    await simex.stop()
    await simex.stop()


async def test_a_request_takes_the_delay_and_a_part_of_the_jitter(served: Served) -> None:
    served.simex.set_delay(Delay(base_ms=60, jitter_ms=40, seed=3))
    begun = time.monotonic()
    for _ in range(3):
        assert (await served.ask("GET", ORDER, symbol="UNIUSDT", orderId="9"))[0] == 400
    assert time.monotonic() - begun >= 0.18
    draws = [Delay(60, 40, 3).draw_s(Random(3)) for _ in range(2)]
    assert draws[0] == draws[1]
    assert all(0.06 <= Delay(60, 40).draw_s(Random(n)) <= 0.1 for n in range(50))
