"""Unmodified ccxt.pro on loopback, its addresses kept whole behind the server's own: every stream and every order."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import ccxt.pro
import pytest

from tests.simex.dialects.conftest import Bench, MakeBench

SPOT, PERP = "UNI/USDT", "UNI/USDT:USDT"
PATIENCE_S = 5


async def keep_time(bench: Bench) -> None:
    """Exchange time at ten times the speed, the price with it: once a second it is another one."""
    while True:
        await asyncio.sleep(0.01)
        bench.clock.now_ms += 100
        if bench.clock.now_ms % 1000 == 0:
            for symbol in (SPOT, PERP):
                bench.market.step(symbol, bench.clock.now_ms, 10 + bench.clock.now_ms // 1000 % 2 * 0.1)


@pytest.fixture(params=[SPOT, PERP])
async def client(
    request: pytest.FixtureRequest, make_bench: MakeBench, tmp_path: Path
) -> AsyncIterator[tuple[Any, str]]:
    bench = make_bench(limits_scale=1000)
    await bench.simex.start(tls_dir=tmp_path)
    kind = "spot" if request.param == SPOT else "swap"
    pro = ccxt.pro.binance({"apiKey": "mainkey", "secret": "main-secret", "enableRateLimit": False})
    pro.options["defaultType"] = kind
    pro.options["watchPositions"] = {"fetchPositionsSnapshot": False, "awaitPositionsSnapshot": False}
    address = f"127.0.0.1:{bench.simex.http_port}"
    urls = json.dumps(pro.urls["api"]).replace("https://", f"http://{address}/").replace("wss://", f"ws://{address}/")
    pro.urls["api"] = json.loads(urls)
    pro.milliseconds = lambda: bench.clock.now_ms
    time = asyncio.create_task(keep_time(bench))
    await pro.load_markets()
    yield pro, request.param
    assert not bench.simex.unknown
    await pro.close()
    time.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await time
    await bench.simex.stop()


async def first(watch: Callable[[], Awaitable[Any]]) -> Any:
    return await asyncio.wait_for(watch(), PATIENCE_S)


async def test_market_streams_arrive(client: tuple[Any, str]) -> None:
    pro, symbol = client
    ticker = await first(lambda: pro.watch_ticker(symbol))
    assert (ticker["symbol"], ticker["last"]) in [(symbol, 10.0), (symbol, 10.1)]
    assert set(await first(lambda: pro.watch_tickers([symbol]))) == {symbol}
    best = (await first(lambda: pro.watch_bids_asks([symbol])))[symbol]
    assert best["bid"] < best["ask"]
    book = await first(lambda: pro.watch_order_book(symbol))
    assert book["symbol"] == symbol
    assert book["bids"][0][0] < book["asks"][0][0]
    changed = await first(lambda: pro.watch_order_book(symbol))
    assert changed["nonce"] >= book["nonce"]
    trades = await first(lambda: pro.watch_trades(symbol))
    assert {trade["symbol"] for trade in trades} == {symbol}
    candles = await first(lambda: pro.watch_ohlcv(symbol, "1m"))
    assert candles[-1][0] % 60_000 == 0
    if symbol == PERP:
        assert (await first(lambda: pro.watch_mark_price(symbol)))["markPrice"] > 0
    await pro.un_watch_ticker(symbol)
    await pro.un_watch_order_book(symbol)


async def test_private_streams_tell_of_an_order(client: tuple[Any, str]) -> None:
    pro, symbol = client
    watches = {
        "orders": pro.watch_orders(symbol),
        "trades": pro.watch_my_trades(symbol),
        "balance": pro.watch_balance(),
    }
    if symbol == PERP:
        watches["positions"] = pro.watch_positions([symbol])
    tasks = {name: asyncio.create_task(watch) for name, watch in watches.items()}
    await asyncio.sleep(0.3)
    placed = await pro.create_order(symbol, "market", "buy", 3)
    heard = {name: await asyncio.wait_for(task, PATIENCE_S) for name, task in tasks.items()}
    assert heard["orders"][-1]["id"] == placed["id"]
    assert [trade["amount"] for trade in heard["trades"]] == [3.0]
    assert heard["balance"]["USDT"]["total"] < (10000 if symbol == SPOT else 5000)
    if symbol == PERP:
        assert [(p["symbol"], p["contracts"]) for p in heard["positions"]] == [(symbol, 3.0)]


async def test_orders_over_the_websocket_api(client: tuple[Any, str]) -> None:
    pro, symbol = client
    placed = await first(lambda: pro.create_order_ws(symbol, "limit", "buy", 2, 9))
    assert placed["status"] == "open"
    assert (await first(lambda: pro.fetch_order_ws(placed["id"], symbol)))["id"] == placed["id"]
    changed = await first(lambda: pro.edit_order_ws(placed["id"], symbol, "limit", "buy", 3, 8.5))
    assert (changed["price"], changed["amount"]) == (8.5, 3.0)
    canceled = await first(lambda: pro.cancel_order_ws(changed["id"], symbol))
    assert canceled["status"] == "canceled"
    status = (await first(pro.fetch_balance_ws))["info"]
    assert {row["asset"] for row in status["balances" if symbol == SPOT else "assets"]} >= {"USDT"}
