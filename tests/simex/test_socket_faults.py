"""Faults of messages on open sockets: lost, doubled, swapped, held, and connections that end or fall silent."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, MagicMock

import aiohttp
import pytest

from bot.domain.instrument import Kind
from bot.simex import sockets
from bot.simex.dialects.binance.streams.sessions import PING_S, PONG_S
from bot.simex.dialects.wire import RequestTimes
from bot.simex.faults import Fault, FaultPlan, FaultRule
from tests.simex.dialects.conftest import Bench, MakeBench, make_bench

__all__ = ["make_bench"]


@pytest.fixture
async def bench(make_bench: MakeBench, tmp_path: Path) -> AsyncIterator[Bench]:
    made = make_bench()
    await made.simex.start(tls_dir=tmp_path)
    yield made
    await made.simex.stop()


async def ask(socket: aiohttp.ClientWebSocketResponse, *numbers: int) -> None:
    for number in numbers:
        await socket.send_json({"id": number, "method": "ping"})


async def answers(socket: aiohttp.ClientWebSocketResponse, count: int) -> list[int]:
    return [(await socket.receive_json(timeout=5))["id"] for _ in range(count)]


def push(needle: str, **fault: Any) -> FaultRule:
    return FaultRule(Fault(**fault), method="PUSH", path="/ws-api/*", needle=needle)


@pytest.mark.parametrize(
    ("fault", "heard"),
    [
        ({"after_engine_drop": True}, [1, 3]),
        ({"duplicate": True}, [1, 2, 2, 3]),
        ({"reorder": True}, [1, 3, 2]),
        ({"delay_after_ms": 150}, [1, 2, 3]),
    ],
    ids=["lost", "doubled", "swapped", "held"],
)
async def test_a_message_goes_wrong_once(bench: Bench, fault: dict[str, Any], heard: list[int]) -> None:
    bench.simex.faults.add(push('"id":2', **fault))
    url = f"http://127.0.0.1:{bench.simex.http_port}/ws-api/v3"
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
        begun = asyncio.get_running_loop().time()
        await ask(socket, 1, 2, 3)
        assert await answers(socket, len(heard)) == heard
        if "delay_after_ms" in fault:
            assert asyncio.get_running_loop().time() - begun >= 0.15
        await ask(socket, 2)
        assert await answers(socket, 1) == [2], "the rule was for one message"


@pytest.mark.parametrize("fault", [{"before_engine_drop": True}, {"reset": True}], ids=["closed", "reset"])
async def test_a_connection_ends_in_the_middle(bench: Bench, fault: dict[str, Any]) -> None:
    bench.simex.faults.add(push('"id":2', **fault))
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(f"http://127.0.0.1:{bench.simex.http_port}/ws-api/v3") as socket:
            await ask(socket, 1, 2)
            assert await answers(socket, 1) == [1]
            ended = await socket.receive(timeout=5)
            assert ended.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
        async with session.ws_connect(f"http://127.0.0.1:{bench.simex.http_port}/ws-api/v3") as again:
            await ask(again, 2)
            assert await answers(again, 1) == [2]


async def test_a_half_open_connection_stays_and_says_nothing(bench: Bench) -> None:
    bench.simex.faults.add(push('"id":2', half_open=True))
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"http://127.0.0.1:{bench.simex.http_port}/ws-api/v3", autoping=False) as socket,
    ):
        await socket.ping(b"a")
        assert (await socket.receive(timeout=5)).type is aiohttp.WSMsgType.PONG
        await ask(socket, 2, 3)
        await socket.ping(b"b")
        with pytest.raises(asyncio.TimeoutError):
            await socket.receive(timeout=0.3)
        assert not socket.closed


async def test_a_control_request_orders_the_fault_of_a_message(bench: Bench) -> None:
    rule = {"method": "PUSH", "path": "/ws-api/*", "times": 1, "fault": {"duplicate": True}}
    async with aiohttp.ClientSession() as session:
        base = f"http://127.0.0.1:{bench.simex.http_port}"
        async with session.post(f"{base}/simex/fault", data=json.dumps(rule)) as reply:
            assert reply.status == 200
        async with session.get(f"{base}/api/v3/time") as reply:
            assert reply.status == 200
        async with session.ws_connect(f"{base}/ws-api/v3") as socket:
            await ask(socket, 1)
            assert await answers(socket, 2) == [1, 1]


def test_rules_for_messages_and_for_requests_do_not_meet() -> None:
    plan = FaultPlan([FaultRule(Fault(empty=True)), FaultRule(Fault(duplicate=True), method="PUSH", times=None)])
    assert plan.draw_push("/ws", "x") == Fault(duplicate=True)
    assert plan.draw("GET", "/ws") == Fault(empty=True)
    assert plan.draw("PUSH", "/ws") is None
    plan.disarm()
    assert plan.draw_push("/ws", "x") is None


class _Talkative:
    """A session that always has something to say."""

    is_over, ping_s, pong_s = False, 3600, 3600

    def hear(self, event: Any) -> None:
        """Nothing is heard."""

    def receive(self, text: str, moment: Any) -> list[str]:
        return [text]

    def poll(self, moment: Any) -> list[str]:
        return ["news"] * 10


async def test_a_connection_that_does_not_keep_up_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "WAITING_MOST", 25)
    transport, stuck = MagicMock(), MagicMock(closed=False, send_str=AsyncMock(side_effect=asyncio.Event().wait))
    out = sockets.Outgoing(MagicMock(transport=transport), stuck, _Talkative(), lambda text: None)
    writing = asyncio.create_task(out.write(lambda: RequestTimes(0, 0)))
    for number in range(3):
        assert not transport.abort.called, f"after {number} polls"
        out.poll(RequestTimes(0, 0), 0.0)
        await asyncio.sleep(0)
    assert transport.abort.called
    assert len(out._waiting) == 0, "nothing is kept for it"
    writing.cancel()


class _Silent(_Talkative):
    """A session that has nothing to say, with the pings of Binance's spot."""

    ping_s, pong_s = PING_S[Kind.SPOT], PONG_S[Kind.SPOT]

    def poll(self, moment: Any) -> list[str]:
        return []


class _Line:
    """A connection on a clock of its own: what was sent on it, and whether it was cut off."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 0.0
        monkeypatch.setattr(sockets.time, "monotonic", lambda: self.now_s)
        self.transport = MagicMock()
        self.socket = MagicMock(closed=False, ping=AsyncMock(), close=AsyncMock())
        self.out = sockets.Outgoing(MagicMock(transport=self.transport), self.socket, _Silent(), lambda text: None)
        self.writing = asyncio.create_task(self.out.write(lambda: RequestTimes(int(self.now_s), 0)))

    async def wait(self, seconds: float) -> None:
        self.now_s += seconds
        self.out.poll(RequestTimes(int(self.now_s), 0), self.now_s)
        for _ in range(5):
            await asyncio.sleep(0)

    def last_ping(self) -> bytes:
        return bytes(self.socket.ping.await_args.args[0])


@pytest.mark.parametrize(
    ("answer", "is_cut_off"), [(lambda ping: ping, False), (lambda ping: b"", True), (lambda ping: None, True)]
)
async def test_who_does_not_answer_pings_is_cut_off(
    monkeypatch: pytest.MonkeyPatch, answer: Callable[[bytes], bytes | None], is_cut_off: bool
) -> None:
    line = _Line(monkeypatch)
    for number in range(1, 6):
        assert not line.transport.abort.called, f"{line.now_s} s"
        await line.wait(20)
        if line.transport.abort.called:
            break
        assert line.last_ping() == str(20 * number).encode()
        payload = answer(line.last_ping())
        if payload is not None:
            line.out.hear_pong(payload)
    assert line.transport.abort.called is is_cut_off
    assert line.now_s == (80 if is_cut_off else 100), "a minute after the first ping that nobody answered"
    line.writing.cancel()


async def test_a_connection_ends_after_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    line = _Line(monkeypatch)
    await line.wait(86_399)
    assert not line.socket.close.called
    line.out.hear_pong(line.last_ping())
    await line.wait(1)
    assert line.socket.close.await_args.kwargs == {"code": aiohttp.WSCloseCode.GOING_AWAY}
    line.writing.cancel()


async def test_one_task_asks_for_the_news_of_all_sockets(bench: Bench) -> None:
    url = f"http://127.0.0.1:{bench.simex.http_port}/ws/uniusdt@miniTicker"
    async with aiohttp.ClientSession() as session:
        opened = [await session.ws_connect(url) for _ in range(10)]
        for socket in opened:
            assert (await socket.receive_json(timeout=5))["s"] == "UNIUSDT"
        bench.clock.now_ms += 1000
        assert len({(await socket.receive_str(timeout=5)) for socket in opened}) == 1
        assert sum("Pulse" in repr(task.get_coro()) for task in asyncio.all_tasks()) == 1
        for socket in opened:
            await socket.close()
    for _ in range(100):
        if bench.simex._pulse._beating is None:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it beats on without sockets")
