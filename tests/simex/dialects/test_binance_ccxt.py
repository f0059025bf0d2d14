"""Unmodified ccxt on the venues' real host names: every call the bot makes, every error in its class."""

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import ccxt.async_support as ccxt
import pytest

from bot.simex.engine.types import AccountModes, ListingStatus, OrderStatus
from bot.simex.faults import Fault, FaultRule
from bot.simex.tls import loopback_session
from tests.simex.dialects.conftest import FUNDING_MS, START_MS, Bench, MakeBench

SPOT, PERP, OTHER = "UNI/USDT", "UNI/USDT:USDT", "LINK/USDT:USDT"
BROKEN = Fault(reply_status=503, reply_body="", skips_engine=True)


def quick(client: Any, session: aiohttp.ClientSession) -> None:
    """A client prepares nothing for a session of its own, which it has not, and waits for none at the end."""
    client.ssl_context, client.timeout_on_exit = session.connector._ssl, 0  # type: ignore[union-attr]


@pytest.fixture
async def pair(make_bench: MakeBench, tmp_path: Path) -> AsyncIterator[tuple[Bench, Any]]:
    bench = make_bench()
    await bench.simex.start(tls_dir=tmp_path)
    session = loopback_session(bench.simex.https_port, bench.simex.ca_path)
    client = ccxt.binance({"apiKey": "mainkey", "secret": "main-secret", "session": session, "enableRateLimit": False})
    client.milliseconds = lambda: bench.clock.now_ms
    quick(client, session)
    client.options["fetchOpenOrders"] = {"warnWithoutSymbol": False}
    yield bench, client
    await client.close()
    await session.close()
    await bench.simex.stop()


async def test_loading_markets_with_all_defaults(pair: tuple[Bench, Any]) -> None:
    _, client = pair
    markets = await client.load_markets()
    assert {symbol for symbol in markets if symbol.startswith("UNI")} == {SPOT, PERP}
    assert markets[SPOT]["precision"] == {"amount": 0.01, "price": 0.001, "base": 1e-8, "quote": 1e-8}
    assert markets[SPOT]["limits"]["cost"]["min"] == 5.0
    assert (markets[PERP]["contractSize"], markets[PERP]["linear"], markets[PERP]["active"]) == (1.0, True, True)
    assert set(client.currencies) >= {"UNI", "LINK", "USDT"}


async def test_market_data(pair: tuple[Bench, Any]) -> None:
    _, client = pair
    assert await client.fetch_time() == START_MS
    tickers = await client.fetch_tickers([SPOT, "LINK/USDT"])
    assert (tickers[SPOT]["bid"], tickers[SPOT]["ask"]) == (9.995, 10.005)
    perps = await client.fetch_tickers([PERP])
    assert (perps[PERP]["bid"], perps[PERP]["last"]) == (None, 10.0)
    best = await client.fetch_bids_asks([PERP])
    assert best[PERP]["bid"] < 10 < best[PERP]["ask"]
    for symbol in (SPOT, PERP):
        book = await client.fetch_order_book(symbol, 5)
        assert len(book["bids"]) == len(book["asks"]) == 5
        candles = await client.fetch_ohlcv(symbol, "1h", limit=3)
        assert [row[0] for row in candles] == [START_MS - 7_200_000, START_MS - 3_600_000, START_MS]
        since = await client.fetch_ohlcv(symbol, "1h", since=START_MS - 10 * 3_600_000, limit=2)
        assert since[0][0] == START_MS - 10 * 3_600_000
    for kind in ("mark", "index"):
        assert len(await client.fetch_ohlcv(PERP, "1h", limit=2, params={"price": kind})) == 2


async def test_funding_and_open_interest(pair: tuple[Bench, Any]) -> None:
    _, client = pair
    await client.load_markets()
    rate = await client.fetch_funding_rate(PERP)
    assert (rate["fundingRate"], rate["markPrice"]) == (0.0001, 10.0)
    assert rate["fundingTimestamp"] % FUNDING_MS == 0
    assert set(await client.fetch_funding_rates([PERP])) == {PERP}
    assert (await client.fetch_funding_rate_history(PERP, limit=3))[-1]["fundingRate"] == 0.0001
    assert (await client.fetch_open_interest(PERP))["openInterestAmount"] == 500_000
    assert len(await client.fetch_open_interest_history(PERP, "1h", limit=4)) == 4
    assert await client.fetch_funding_intervals() is not None


async def test_balances_and_transfers(pair: tuple[Bench, Any]) -> None:
    _, client = pair
    assert (await client.fetch_balance())["USDT"] == {"free": 10000.0, "used": 0.0, "total": 10000.0}
    assert (await client.fetch_balance({"type": "swap"}))["USDT"]["free"] == 5000.0
    moved = await client.transfer("USDT", 250, "spot", "swap")
    assert moved["id"] is not None
    assert (await client.fetch_balance({"type": "swap"}))["USDT"]["free"] == 5250.0
    with pytest.raises(ccxt.ExchangeError):
        await client.transfer("USDT", 1_000_000, "swap", "spot")


@pytest.mark.parametrize("symbol", [SPOT, PERP])
async def test_the_life_of_a_limit_order(pair: tuple[Bench, Any], symbol: str) -> None:
    _, client = pair
    placed = await client.create_order(symbol, "limit", "buy", 2, 9, {"newClientOrderId": "tsb-life"})
    assert (placed["status"], placed["clientOrderId"], placed["filled"]) == ("open", "tsb-life", 0.0)
    found = await client.fetch_order(None, symbol, {"clientOrderId": "tsb-life"})
    assert (found["id"], found["price"], found["remaining"]) == (placed["id"], 9.0, 2.0)
    assert [order["id"] for order in await client.fetch_open_orders(symbol)] == [placed["id"]]
    ended = await client.cancel_order(None, symbol, {"clientOrderId": "tsb-life"})
    assert ended["status"] == "canceled"
    with pytest.raises(ccxt.OrderNotFound):
        await client.cancel_order(placed["id"], symbol)
    with pytest.raises(ccxt.OrderNotFound):
        await client.fetch_order("999999", symbol)
    assert [order["status"] for order in await client.fetch_orders(symbol)] == ["canceled"]


@pytest.mark.parametrize("symbol", [SPOT, PERP])
async def test_market_ioc_fok_and_post_only_orders(pair: tuple[Bench, Any], symbol: str) -> None:
    _, client = pair
    market = await client.create_order(symbol, "market", "buy", 3)
    assert (market["status"], market["filled"]) == ("closed", 3.0)
    assert market["average"] == pytest.approx(10, rel=0.01)
    ioc = await client.create_order(symbol, "limit", "buy", 3, 9, {"timeInForce": "IOC"})
    assert (ioc["status"], ioc["filled"]) == ("expired", 0.0)
    resting = await client.create_order(symbol, "limit", "buy", 3, 9, {"postOnly": True})
    assert (await client.fetch_order(resting["id"], symbol))["status"] == "open"
    with pytest.raises(ccxt.InvalidOrder if symbol == SPOT else ccxt.OrderNotFillable):
        await client.create_order(symbol, "limit", "buy", 3, 11, {"postOnly": True})
    await client.cancel_all_orders(symbol)
    assert await client.fetch_open_orders(symbol) == []
    trades = await client.fetch_my_trades(symbol)
    assert sum(trade["amount"] for trade in trades) == 3.0
    assert {trade["fee"]["currency"] for trade in trades} == {"UNI" if symbol == SPOT else "USDT"}


async def test_positions_leverage_and_margin_mode(pair: tuple[Bench, Any]) -> None:
    _, client = pair
    await client.load_markets()
    await client.set_margin_mode("isolated", PERP)
    with pytest.raises(ccxt.MarginModeAlreadySet):
        await client.set_margin_mode("isolated", PERP)
    await client.set_leverage(4, PERP)
    assert (await client.fetch_leverage(PERP))["longLeverage"] == 4
    await client.create_order(PERP, "market", "sell", 10)
    position = next(row for row in await client.fetch_positions([PERP]) if row["contracts"])
    assert (position["side"], position["contracts"], position["marginMode"]) == ("short", 10.0, "isolated")
    assert position["liquidationPrice"] > 10
    await client.add_margin(PERP, 5)
    await client.reduce_margin(PERP, 1)
    tiers = await client.fetch_leverage_tiers([PERP])
    assert tiers[PERP][0]["maxLeverage"] <= 50
    assert (await client.fetch_trading_fee(PERP))["taker"] == 0.0005
    assert (await client.fetch_trading_fee(SPOT))["taker"] == 0.001
    closed = await client.create_order(PERP, "market", "buy", 10, params={"reduceOnly": True})
    assert closed["reduceOnly"] is True
    assert not [row for row in await client.fetch_positions([PERP]) if row["contracts"]]


async def test_a_stop_goes_through_the_algo_service_and_fires(pair: tuple[Bench, Any]) -> None:
    bench, client = pair
    await client.create_order(PERP, "market", "buy", 10)
    stop = await client.create_order(
        PERP, "market", "sell", 10, None, {"triggerPrice": 9, "reduceOnly": True, "clientOrderId": "tsb-stop"}
    )
    assert stop["clientOrderId"] == "tsb-stop"
    assert await client.fetch_open_orders(PERP) == []
    waiting = await client.fetch_open_orders(PERP, params={"trigger": True})
    assert [(order["clientOrderId"], order["triggerPrice"]) for order in waiting] == [("tsb-stop", 9.0)]
    other = await client.create_order(PERP, "market", "sell", 1, None, {"triggerPrice": 8, "clientOrderId": "tsb-2"})
    await client.cancel_order(None, PERP, {"clientOrderId": "tsb-2", "trigger": True})
    assert other["id"] != stop["id"]
    bench.move(PERP, 8.9)
    fired = await client.fetch_order(None, PERP, {"clientOrderId": "tsb-stop", "trigger": True})
    assert fired["status"] == "closed"
    child = await client.fetch_order(fired["info"]["actualOrderId"], PERP)
    assert (child["status"], child["filled"]) == ("closed", 10.0)
    assert not [row for row in await client.fetch_positions([PERP]) if row["contracts"]]


async def test_funding_payments_and_income(pair: tuple[Bench, Any]) -> None:
    bench, client = pair
    await client.create_order(PERP, "market", "buy", 10)
    bench.clock.now_ms += FUNDING_MS
    paid = await client.fetch_funding_history(PERP)
    assert [row["amount"] for row in paid] == [-0.01]
    assert len(await client.fapiPrivateGetIncome()) >= 2


@pytest.mark.parametrize(
    ("symbol", "order", "kind"),
    [
        (SPOT, ("limit", "buy", 5000, 9), ccxt.InsufficientFunds),
        (PERP, ("limit", "buy", 50000, 9), ccxt.InsufficientFunds),
        (SPOT, ("limit", "buy", 0.1, 9), ccxt.BadRequest),
        (PERP, ("limit", "buy", 0.1, 9), ccxt.InvalidOrder),
        (SPOT, ("limit", "buy", 1, 900), ccxt.InvalidOrder),
        (PERP, ("limit", "buy", 1, 900), ccxt.BadRequest),
        (PERP, ("market", "sell", 1, None, {"reduceOnly": True}), ccxt.InvalidOrder),
        (PERP, ("limit", "buy", 1, 9, {"timeInForce": "FOK"}), ccxt.OrderNotFillable),
        (PERP, ("market", "sell", 1, None, {"triggerPrice": 11}), ccxt.OrderImmediatelyFillable),
        (PERP, ("market", "buy", 1, None, {"hedged": True}), ccxt.OperationRejected),
    ],
)
async def test_refusals_arrive_in_the_class_that_ccxt_gives_them_in_production(
    pair: tuple[Bench, Any], symbol: str, order: tuple[Any, ...], kind: type[Exception]
) -> None:
    _, client = pair
    with pytest.raises(kind) as caught:
        await client.create_order(symbol, *order)
    assert type(caught.value) is kind


@pytest.mark.parametrize("symbol", [SPOT, PERP])
async def test_duplicates_clock_and_keys(pair: tuple[Bench, Any], symbol: str) -> None:
    bench, client = pair
    order = (symbol, "limit", "buy", 1, 9, {"newClientOrderId": "twice"})
    await client.create_order(*order)
    with pytest.raises(ccxt.InvalidOrder, match=r"Duplicate order sent|ClientOrderId is duplicated"):
        await client.create_order(*order)
    client.milliseconds = lambda: bench.clock.now_ms - 11_000
    with pytest.raises(ccxt.InvalidNonce):
        await client.fetch_open_orders(symbol)
    client.milliseconds = lambda: bench.clock.now_ms
    client.secret = "wrong"
    with pytest.raises(ccxt.AuthenticationError):
        await client.fetch_open_orders(symbol)


REPLACED: list[tuple[int, Any, type[Exception]]] = [
    (408, {"code": -1007, "msg": "Timeout waiting for response from backend server."}, ccxt.RequestTimeout),
    (503, {"code": -1000, "msg": "Unknown error, please check your request or try again later."}, ccxt.OperationFailed),
    (503, "Service Unavailable.", ccxt.ExchangeNotAvailable),
    (503, {"code": -1008, "msg": "Request throttled by system-level protection."}, ccxt.OperationFailed),
    (429, {"code": -1003, "msg": "Too many requests"}, ccxt.DDoSProtection),
    (418, {"code": -1003, "msg": "Way too many requests"}, ccxt.DDoSProtection),
]


@pytest.mark.parametrize(("status", "body", "kind"), REPLACED)
async def test_faulty_replies_map_as_in_production(
    pair: tuple[Bench, Any], status: int, body: Any, kind: type[Exception]
) -> None:
    bench, client = pair
    await client.load_markets()
    text = body if isinstance(body, str) else json.dumps(body)
    bench.simex.faults.add(FaultRule(Fault(reply_status=status, reply_body=text), method="POST"))
    with pytest.raises(kind) as caught:
        await client.create_order(PERP, "market", "buy", 1)
    assert type(caught.value) is kind
    assert len(bench.exchange.orders("main", PERP)) == 1, "what the reply hid did happen"


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(after_engine_drop=True), ccxt.ExchangeNotAvailable),
        (Fault(reset=True), ccxt.ExchangeNotAvailable),
        (Fault(truncate=10), ccxt.ExchangeError),
        (Fault(reply_status=502, html=True), ccxt.ExchangeNotAvailable),
        (Fault(html=True), None),
    ],
)
async def test_lost_replies_look_as_they_do_in_production(
    pair: tuple[Bench, Any], fault: Fault, kind: type[Exception] | None
) -> None:
    bench, client = pair
    await client.load_markets()
    bench.simex.faults.add(FaultRule(fault, method="POST"))
    if kind is None:
        assert (await client.create_order(SPOT, "market", "buy", 1))["id"] is None
    else:
        with pytest.raises(kind) as caught:
            await client.create_order(SPOT, "market", "buy", 1)
        assert type(caught.value) is kind
    assert len(bench.exchange.orders("main", SPOT)) == 1


async def test_real_limits_reach_ccxt_with_retry_after(make_bench: MakeBench, tmp_path: Path) -> None:
    bench = make_bench(limits_scale="0.01")
    await bench.simex.start(tls_dir=tmp_path)
    session = loopback_session(bench.simex.https_port, bench.simex.ca_path)
    client = ccxt.binance({"session": session, "enableRateLimit": False})
    quick(client, session)
    statuses = []
    for _ in range(12):
        try:
            await client.publicGetExchangeInfo()
        except ccxt.DDoSProtection:
            assert int(client.last_response_headers["Retry-After"]) >= 1
        statuses.append(bench.simex.request_log[-1][3])
    assert statuses == [200] * 3 + [429] * 5 + [418] * 4
    await client.close()
    await session.close()
    await bench.simex.stop()


async def test_the_demo_environment_is_reached_under_its_own_hosts(make_bench: MakeBench, tmp_path: Path) -> None:
    bench = make_bench()
    await bench.simex.start(tls_dir=tmp_path)
    session = loopback_session(bench.simex.https_port, bench.simex.ca_path)
    client = ccxt.binance({"apiKey": "demokey", "secret": "demo-secret", "session": session, "enableRateLimit": False})
    client.milliseconds = lambda: bench.clock.now_ms
    quick(client, session)
    client.enable_demo_trading(True)
    await client.load_markets()
    assert (await client.create_order(PERP, "market", "buy", 1))["status"] == "closed"
    assert (await client.create_order(SPOT, "market", "buy", 1))["status"] == "closed"
    production = ccxt.binance({"apiKey": "demokey", "secret": "demo-secret", "session": session})
    production.milliseconds = client.milliseconds
    quick(production, session)
    with pytest.raises(ccxt.AuthenticationError):
        await production.fetch_balance()
    for one in (client, production):
        await one.close()
    await session.close()
    await bench.simex.stop()


async def test_hedge_mode(pair: tuple[Bench, Any]) -> None:
    _, client = pair
    await client.load_markets()
    assert (await client.fetch_position_mode(PERP))["hedged"] is False
    await client.set_position_mode(True, PERP)
    assert (await client.fetch_position_mode(PERP))["hedged"] is True
    with pytest.raises(ccxt.OperationRejected, match="-4059"):
        await client.set_position_mode(True, PERP)
    with pytest.raises(ccxt.OperationRejected, match="-4061"):
        await client.create_order(PERP, "market", "buy", 5)
    await client.create_order(PERP, "market", "sell", 5, None, {"positionSide": "SHORT"})
    (position,) = await client.fetch_positions([PERP])
    assert (position["side"], position["hedged"], position["contracts"]) == ("short", True, 5.0)


async def test_multi_assets_mode_forbids_isolated_margin(pair: tuple[Bench, Any]) -> None:
    bench, client = pair
    await client.load_markets()
    bench.exchange.put_into_modes("main", AccountModes(is_multi_assets=True))
    assert await client.fapiPrivateGetMultiAssetsMargin() == {"multiAssetsMargin": True}
    with pytest.raises(ccxt.ExchangeError, match="-4168"):
        await client.set_margin_mode("isolated", PERP)


async def test_a_symbol_ends_and_is_gone(pair: tuple[Bench, Any]) -> None:
    bench, client = pair
    await client.load_markets()
    bench.exchange.set_status(PERP, ListingStatus.PRE_SETTLE)
    markets = await client.load_markets(True)
    assert markets[PERP]["active"] is False
    bench.exchange.remove(PERP)
    with pytest.raises(ccxt.BadSymbol, match="-1121"):
        await client.fetch_order_book(PERP, 5)
    with pytest.raises(ccxt.BadSymbol, match="-1121"):
        await client.fetch_orders(PERP)
    markets = await client.load_markets(True)
    assert PERP not in markets
    assert SPOT in markets
    assert set(await client.fetch_tickers([OTHER])) == {OTHER}


async def test_one_symbol_fails_while_the_list_answers_and_the_reverse(pair: tuple[Bench, Any]) -> None:
    bench, client = pair
    await client.load_markets()
    bench.simex.faults.add(FaultRule(BROKEN, path="/fapi/v1/*", needle="symbol=UNIUSDT", times=2))
    with pytest.raises(ccxt.ExchangeNotAvailable):
        await client.fetch_order_book(PERP, 5)
    assert PERP in await client.fetch_bids_asks([PERP, OTHER])
    with pytest.raises(ccxt.ExchangeNotAvailable):
        await client.fetch_funding_rate(PERP)
    bench.simex.faults.add(FaultRule(BROKEN, path="/fapi/v1/ticker/bookTicker", without="symbol=", times=1))
    with pytest.raises(ccxt.ExchangeNotAvailable):
        await client.fetch_bids_asks([PERP, OTHER])
    assert (await client.fetch_order_book(PERP, 5))["bids"]


async def test_rare_states_of_orders(pair: tuple[Bench, Any]) -> None:
    bench, client = pair
    await client.load_markets()
    placed = await client.create_order(SPOT, "limit", "buy", 10, 9)
    bench.exchange.put_order_into("main", SPOT, int(placed["id"]), OrderStatus.PENDING_CANCEL)
    (order,) = await client.fetch_open_orders(SPOT)
    assert (order["status"], order["info"]["status"]) == ("canceling", "PENDING_CANCEL")
    await client.create_order(PERP, "market", "buy", 5)
    bench.exchange.deleverage("main", PERP, Decimal(2))
    order = (await client.fetch_orders(PERP))[-1]
    assert (order["info"]["status"], order["filled"]) == ("NEW_ADL", 2.0)
