"""Streams against the embedded exchange: what they say, and how they come back from whatever befalls a connection."""

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import aiohttp
import pytest
from aiohttp import RequestInfo
from multidict import CIMultiDict
from yarl import URL

from bot.domain.instrument import Side
from bot.ports import StreamNews, Unavailable
from bot.runtime.health.health_file import Health
from bot.simex.faults import Fault, FaultRule
from bot.venues.ccxt.venue import Credentials
from bot.venues.streams.client import MISREAD_MAX
from tests.venues.listening import listening, until
from tests.venues.simex_bench import PERP, SPOT, simex_bench

HOUR_MS = 3_600_000
ACCOUNTS = ("spot account", "perp account")


async def test_prices_of_both_markets_are_named_as_ours(tmp_path: Path) -> None:
    async with simex_bench(tmp_path) as bench, listening(bench, "spot prices", "perp prices") as made:
        await until(lambda: all(made.heard.values()))
        spot, perp = made.heard["spot prices"][0], made.heard["perp prices"][0]
        assert (spot.symbol, perp.symbol) == (SPOT, PERP)
        assert spot.price == perp.price == Decimal(10)
        assert perp.at_ms == bench.clock.now_ms()
        bench.clock.value_ms += 1_000
        await until(lambda: len(made.heard["perp prices"]) > 1)
        assert made.heard["perp prices"][-1].at_ms == bench.clock.now_ms()


async def test_a_fill_is_heard_of_on_either_market(tmp_path: Path) -> None:
    async with simex_bench(tmp_path) as bench, listening(bench, *ACCOUNTS) as made:
        await until(lambda: all(made.is_fresh(name) for name in ACCOUNTS))
        await bench.venue.submit_order(bench.request(SPOT, Side.SELL, "1", "9"))
        await until(lambda: len(made.heard["spot account"]) > 1)
        assert len(made.heard["perp account"]) == 1, "that it listens"
        bench.clock.value_ms += 1
        await bench.venue.submit_order(bench.request(PERP, Side.BUY, "1", "11"))
        await until(lambda: len(made.heard["perp account"]) > 1)
        assert all(news.price is None for news in (*made.heard["spot account"], *made.heard["perp account"]))


@pytest.mark.parametrize("fault", [{"reset": True}, {"before_engine_drop": True}], ids=["reset", "closed"])
async def test_a_connection_that_ends_is_opened_again(tmp_path: Path, fault: dict[str, Any]) -> None:
    async with simex_bench(tmp_path) as bench:
        bench.simex.faults.add(FaultRule(Fault(**fault), method="PUSH", path="/market/*"))
        async with listening(bench, "perp prices") as made:
            await until(lambda: bool(made.heard["perp prices"]))
            state = made.clients["perp prices"].state()
            assert (state.is_fresh, state.connections) == (True, 2)


async def test_a_half_open_connection_of_prices_is_left(tmp_path: Path) -> None:
    async with simex_bench(tmp_path) as bench:
        bench.simex.faults.add(FaultRule(Fault(half_open=True), method="PUSH", path="/market/*", skip=1))
        async with listening(bench, "perp prices", silence_max_s=0.4, ping_s=0.1) as made:
            await until(lambda: made.clients["perp prices"].state().connections > 1)


async def test_a_half_open_connection_of_the_account_is_left_by_its_unanswered_ping(tmp_path: Path) -> None:
    async with simex_bench(tmp_path) as bench, listening(bench, "perp account", silence_max_s=0, ping_s=0.2) as made:
        await until(lambda: made.is_fresh("perp account"))
        await asyncio.sleep(0.6)
        assert made.clients["perp account"].state().connections == 1, (
            "pings are answered, so it may have nothing to say"
        )
        bench.simex.faults.add(FaultRule(Fault(half_open=True), method="PUSH", path="/private/*"))
        await bench.venue.submit_order(bench.request(PERP, Side.BUY, "1", "11"))
        await until(lambda: made.clients["perp account"].state().connections > 1)


async def test_an_expired_listen_key_is_replaced(tmp_path: Path) -> None:
    async with simex_bench(tmp_path) as bench, listening(bench, "perp account") as made:
        await until(lambda: made.is_fresh("perp account"))
        bench.clock.value_ms += HOUR_MS + 1
        await until(lambda: made.clients["perp account"].state().connections == 2 and made.is_fresh("perp account"))
        known = len(made.heard["perp account"])
        await bench.venue.submit_order(bench.request(PERP, Side.BUY, "1", "11"))
        await until(lambda: len(made.heard["perp account"]) > known)


@pytest.mark.parametrize("name", ACCOUNTS)
async def test_every_new_connection_of_an_account_is_news_of_it(tmp_path: Path, name: str) -> None:
    """A fill while it was away is told by nobody: venues repeat nothing."""
    async with simex_bench(tmp_path) as bench:
        where = "/ws-api/*" if name == "spot account" else "/private/*"
        symbol, side, price = (SPOT, Side.SELL, "9") if name == "spot account" else (PERP, Side.BUY, "11")
        async with listening(bench, name) as made:
            await until(lambda: made.is_fresh(name))
            assert len(made.heard[name]) == 1
            bench.simex.faults.add(FaultRule(Fault(before_engine_drop=True), method="PUSH", path=where, times=1))
            await bench.venue.submit_order(bench.request(symbol, side, "1", price))  # its event ends the connection
            await until(lambda: made.clients[name].state().connections == 2 and made.is_fresh(name))
            assert made.heard[name][1:]
            assert all(news.price is None for news in made.heard[name])


async def test_an_account_that_is_fresh_again_is_news_of_it(tmp_path: Path) -> None:
    async with simex_bench(tmp_path) as bench, listening(bench, "perp account", silence_max_s=0, ping_s=5) as made:
        client, heard = made.clients["perp account"], made.heard["perp account"]
        await until(lambda: client.state().is_fresh)
        missed = StreamNews(-1)
        client._channel.missed = lambda: (missed,)  # type: ignore[method-assign]
        client._seen_s -= 8  # no sign of life for longer than it may be
        assert not client.state().is_fresh
        await bench.venue.submit_order(bench.request(PERP, Side.BUY, "1", "11"))
        await until(lambda: client.state().is_fresh)
        assert missed in heard
        assert client.state().connections == 1


SECRET = "pqia91ma19a5s61cv6a81va65sdf19v8a65a1a5s61cv"


@pytest.mark.parametrize(
    "error",
    [
        aiohttp.WSServerHandshakeError(
            RequestInfo(
                URL(f"wss://fstream.binance.com/private/ws?listenKey={SECRET}"), "GET", cast(Any, CIMultiDict())
            ),
            (),
            status=503,
            message="Invalid response status",
        ),
        aiohttp.InvalidURL(f"wss://fstream.binance.com:x/private/ws?listenKey={SECRET}"),
        Unavailable(f"GET https://fapi.binance.com/fapi/v1/listenKey?timestamp=1&signature={SECRET} timed out"),
    ],
    ids=["handshake", "address", "request"],
)
async def test_why_a_connection_ended_names_no_listen_key(tmp_path: Path, error: Exception) -> None:
    async with simex_bench(tmp_path) as bench, listening(bench, "perp account") as made:
        client = made.clients["perp account"]
        await until(lambda: client.state().is_fresh)

        async def refuse() -> str:
            raise error

        client._channel.address = refuse  # type: ignore[method-assign]
        bench.clock.value_ms += HOUR_MS + 1
        await until(lambda: "listen key has expired" not in client.state().problem and not client.state().is_fresh)
        assert client.state().problem
        assert SECRET not in client.state().problem
        health = Health(tmp_path / "health.json", "trade", "sim")
        health.write(problem=f"{error}", streams={"perp account": {"problem": f"{error}"}})
        assert SECRET not in health.path.read_text()


async def test_a_listen_key_is_renewed_before_it_expires(tmp_path: Path) -> None:
    keep_alive = {"silence_max_s": 0, "ping_s": 0.15, "renew_s": 0.01}  # nearer pings end it on a busy machine
    async with simex_bench(tmp_path) as bench, listening(bench, "perp account", **keep_alive) as made:
        await until(lambda: made.is_fresh("perp account"))
        for _ in range(4):
            bench.clock.value_ms += HOUR_MS // 2
            known = sum(one["request"].startswith("PUT") for one in bench.sent)
            await until(lambda known=known: sum(one["request"].startswith("PUT") for one in bench.sent) > known + 1)
        assert made.clients["perp account"].state().connections == 1


async def test_a_refused_subscription_is_not_fresh_and_says_why(tmp_path: Path) -> None:
    async with simex_bench(tmp_path, opens=False, credentials=Credentials("simulated-key", "wrong")) as bench:
        await bench.venue._link.open()
        async with listening(bench, "spot account") as made:
            await until(lambda: made.clients["spot account"].state().connections > 1)
            state = made.clients["spot account"].state()
            assert not state.is_fresh
            assert "-1022" in state.problem


async def test_messages_that_cannot_be_read_say_nothing_and_end_the_connection_at_last(tmp_path: Path) -> None:
    async with simex_bench(tmp_path) as bench, listening(bench, "perp prices") as made:
        client, heard = made.clients["perp prices"], made.heard["perp prices"]
        await until(lambda: bool(heard))
        known = len(heard)
        bad = ["", "[]", "null", '{"data": 5}', '{"data": {"e": "markPriceUpdate", "s": "UNIUSDT", "E": 1, "p": "x"}}']
        for text in bad:
            client._take(text, heard.append)
        assert len(heard) == known
        for _ in range(MISREAD_MAX - len(bad) - 1):
            client._take("{", heard.append)
        with pytest.raises(Exception, match="could not be read"):
            client._take("{", heard.append)


async def test_a_stream_waits_while_the_venue_is_closed(tmp_path: Path) -> None:
    async with simex_bench(tmp_path, opens=False) as bench:
        (stream,) = (one for one in bench.venue.streams([SPOT]) if one.name == "spot prices")
        task = asyncio.create_task(stream.run(lambda news: None))
        await until(lambda: "closed" in stream.state().problem)
        assert not stream.state().is_fresh
        task.cancel()


async def test_a_venue_without_keys_has_prices_alone(tmp_path: Path) -> None:
    async with simex_bench(tmp_path, credentials=None) as bench:
        assert [one.name for one in bench.venue.streams([SPOT, PERP])] == ["spot prices", "perp prices"]
