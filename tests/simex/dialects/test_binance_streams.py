"""WebSockets: market streams, private events by listen key, the WebSocket API; once on real sockets."""

import asyncio
import json
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.simex.dialects.binance.routes import SPOT_ROUTES, USDM_ROUTES
from bot.simex.dialects.binance.streams import api
from bot.simex.dialects.wire import RequestTimes, SocketSession, WireRequest
from bot.simex.signing import sign
from tests.simex.dialects.conftest import KEYS, Bench

D = Decimal
SPOT, PERP = "UNI/USDT", "UNI/USDT:USDT"
UNI = {"symbol": "UNIUSDT"}
SORDER, FORDER = "/api/v3/order", "/fapi/v1/order"
LIMIT = {**UNI, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "20", "price": "9"}
MARKET = {**UNI, "side": "BUY", "type": "MARKET", "quantity": "10"}
PERP_ONLY_STREAMS = [
    "!assetIndex@arr",
    "uniusdt@markPrice",
    "uniusdt@depth5@0ms",
    "!markPrice@arr@1s",
    "uniusdt_perpetual@continuousKline_1m",
    "!bookTicker",
]
SPOT_ONLY_STREAMS = ["uniusdt@avgPrice", "uniusdt@ticker_4h", "!ticker_1h@arr"]
BOTH_STREAMS = [
    "uniusdt@kline_1m",
    "uniusdt@miniTicker",
    "uniusdt@ticker",
    "uniusdt@bookTicker",
    "uniusdt@depth5",
    "uniusdt@depth20@100ms",
    "!miniTicker@arr",
    "!miniTicker@arr@1000ms",
    "!ticker@arr",
]


class Socket:
    """A session without a socket."""

    def __init__(self, bench: Bench, path: str, host: str = "127.0.0.1") -> None:
        self.bench = bench
        path, _, query = path.partition("?")
        (self.dialect,) = bench.simex._dialects
        session = self.dialect.open_socket(WireRequest("GET", path, query, host=host), self.moment())
        assert session is not None
        self.session: SocketSession = session

    def moment(self) -> RequestTimes:
        return RequestTimes(self.bench.simex._catch_up(), self.bench.clock.now_ms)

    def news(self, after_ms: int = 0) -> list[Any]:
        self.bench.clock.now_ms += after_ms
        return [json.loads(text) for text in self.session.poll(self.moment())]

    def say(self, message: Any) -> Any:
        text = message if isinstance(message, str) else json.dumps(message)
        answers = self.session.receive(text, self.moment())
        return json.loads(answers[0]) if answers else None


def listen(bench: Bench, path: str) -> str:
    headers = {"x-mbx-apikey": "mainkey"}
    return str(bench.simex.respond(WireRequest("POST", path, headers=headers)).content["listenKey"])


@pytest.mark.parametrize(
    ("prefix", "name"),
    [
        *(("", name) for name in (*BOTH_STREAMS, *SPOT_ONLY_STREAMS)),
        *(("/fapi", n) for n in BOTH_STREAMS + PERP_ONLY_STREAMS),
    ],
)
def test_a_market_stream_speaks_at_once_and_again(bench: Bench, prefix: str, name: str) -> None:
    socket = Socket(bench, f"{prefix}/ws/{name}")
    first = socket.news(1)
    if name == "!bookTicker":
        first = socket.news(5000)
    assert first
    bench.move(SPOT, 10.5, after_ms=5000)
    bench.move(PERP, 10.5, after_ms=5000)
    again = socket.news(5000)
    assert again
    assert again != first
    combined = Socket(bench, f"{prefix}/stream?streams={name}").news(5001)
    assert {part["stream"] for part in combined} == {name}


@pytest.mark.parametrize(
    ("host", "path", "event"),
    [
        ("stream.binance.com", "/ws/uniusdt@ticker", {"x", "b"}),
        ("fstream.binance.com", "/ws/uniusdt@ticker", set()),
        ("fstream.binance.com", "/market/ws/uniusdt@ticker", set()),
        ("127.0.0.1", "/market/ws/uniusdt@ticker", set()),
    ],
)
def test_the_host_and_the_path_name_the_market(bench: Bench, host: str, path: str, event: set[str]) -> None:
    (news,) = Socket(bench, path, host).news(1)
    assert news.keys() & {"x", "b"} == event
    (dialect,) = bench.simex._dialects
    assert host == "127.0.0.1" or host in dialect.guide(1, KEYS["mainkey"]).hosts


@pytest.mark.parametrize(
    ("part", "spoken"),
    [
        ("public", {"uniusdt@bookTicker"}),
        ("fapi/public", {"uniusdt@bookTicker"}),
        ("market", {"uniusdt@ticker"}),
        ("private", set()),
        ("fapi", None),
    ],
)
def test_a_path_of_futures_has_its_own_streams_only(bench: Bench, part: str, spoken: set[str] | None) -> None:
    names = {"uniusdt@bookTicker", "uniusdt@ticker"}
    key = listen(bench, "/fapi/v1/listenKey")
    socket = Socket(bench, f"/{part}/stream?streams={'/'.join(sorted(names))}/{key}")
    assert {row["stream"] for row in socket.news(5001)} == (names if spoken is None else spoken)
    bench.ok("POST", FORDER, LIMIT)
    heard = {row["data"]["e"] for row in socket.news() if row["stream"] == key}
    assert heard == ({"ORDER_TRADE_UPDATE"} if part in ("private", "fapi") else set())


def test_trades_of_the_stream_are_those_of_the_tape(bench: Bench) -> None:
    socket = Socket(bench, "/ws/uniusdt@aggTrade/uniusdt@trade")
    assert socket.news() == []
    news = socket.news(5000)
    rows = bench.public("/api/v3/aggTrades", **UNI, limit=5)
    assert [n["a"] for n in news if n["e"] == "aggTrade"] == [row["a"] for row in rows]
    assert [n["p"] for n in news if n["e"] == "trade"] == [row["p"] for row in rows]
    assert socket.news() == [], "each is sent once"


def test_a_candle_that_closes_is_sent_closed(bench: Bench) -> None:
    socket = Socket(bench, "/ws/uniusdt@kline_1m")
    socket.news(30_000)
    closed, running = socket.news(60_000)
    assert (closed["k"]["x"], running["k"]["x"]) == (True, False)
    assert running["k"]["t"] == closed["k"]["T"] + 1


def test_differences_lead_from_the_snapshot_to_the_book(bench: Bench) -> None:
    socket = Socket(bench, "/ws/uniusdt@depth@100ms")
    socket.news(100)
    snapshot = bench.public("/api/v3/depth", **UNI, limit=1000)
    book = {side: dict(map(tuple, snapshot[side])) for side in ("bids", "asks")}
    last = snapshot["lastUpdateId"]
    for price in (10.3, 9.8, 10.05):
        bench.move(SPOT, price)
        for news in socket.news(100):
            assert news["U"] <= last + 1 <= news["u"]
            last = news["u"]
            for side, name in (("bids", "b"), ("asks", "a")):
                for level, size in news[name]:
                    book[side][level] = size
                    if not D(size):
                        del book[side][level]
    now = bench.public("/api/v3/depth", **UNI, limit=1000)
    assert book == {side: dict(map(tuple, now[side])) for side in ("bids", "asks")}


def test_a_book_that_does_not_change_is_not_news(bench: Bench) -> None:
    socket = Socket(bench, "/ws/uniusdt@depth@100ms")
    first_ms = bench.clock.now_ms
    assert socket.news(1000) == []
    bench.move(SPOT, 10.3)
    (news,) = socket.news(100)
    assert news["U"] == first_ms + 1, "the next message covers the time in which nothing changed"
    assert news["b"]
    assert news["a"]


def test_a_stream_that_is_not_there_is_taken_and_counted(bench: Bench) -> None:
    socket = Socket(bench, "/ws/uniusdt@weather/uniusdt@referencePrice")
    socket.say({"method": "SUBSCRIBE", "params": ["nosuch@trade"], "id": 1})
    assert socket.news(5000) == []
    assert bench.simex.unknown == {"STREAM uniusdt@weather": 1, "STREAM nosuch@trade": 1}


def test_commands_subscribe_list_and_fail_in_words(bench: Bench) -> None:
    socket = Socket(bench, "/ws")
    assert socket.news(5000) == []
    names = ["uniusdt@miniTicker", "no@such"]
    assert socket.say({"method": "SUBSCRIBE", "params": names, "id": 1}) == {"result": None, "id": 1}
    assert len(socket.news(1001)) == 1
    assert socket.say({"method": "LIST_SUBSCRIPTIONS", "id": 2})["result"] == names
    socket.say({"method": "SET_PROPERTY", "params": ["combined", True], "id": 3})
    assert socket.news(1001)[0]["stream"] == "uniusdt@miniTicker"
    socket.say({"method": "UNSUBSCRIBE", "params": ["uniusdt@miniTicker"], "id": 4})
    assert socket.news(2000) == []
    for bad in ("{", "[]", {"method": "DANCE", "id": 5}, {"method": "SUBSCRIBE", "params": "x", "id": 6}):
        assert "error" in socket.say(bad)
        bench.clock.now_ms += 1000


@pytest.mark.parametrize(("path", "most"), [("/ws", 5), ("/fapi/ws", 10)])
def test_too_many_messages_end_the_connection(bench: Bench, path: str, most: int) -> None:
    socket = Socket(bench, path)
    for number in range(most):
        socket.say({"method": "LIST_SUBSCRIPTIONS", "id": number})
    assert not socket.session.is_over
    socket.say({"method": "LIST_SUBSCRIPTIONS", "id": most})
    assert socket.session.is_over


def test_a_connection_has_so_many_streams_and_no_more(bench: Bench) -> None:
    socket = Socket(bench, "/ws")
    names = [f"no{number}@trade" for number in range(1024)]
    assert socket.say({"method": "SUBSCRIBE", "params": names, "id": 1})["result"] is None
    refused = socket.say({"method": "SUBSCRIBE", "params": ["uniusdt@trade"], "id": 2})
    assert refused["error"]["msg"] == "Invalid request: too many subscriptions"
    assert socket.say({"method": "SUBSCRIBE", "params": names[:2], "id": 3})["result"] is None, "they are there already"
    assert len(socket.say({"method": "LIST_SUBSCRIPTIONS", "id": 4})["result"]) == 1024


def test_a_spot_account_hears_of_its_orders(bench: Bench) -> None:
    socket = Socket(bench, f"/ws/{listen(bench, '/api/v3/userDataStream')}")
    placed = bench.ok("POST", SORDER, {**LIMIT, "newClientOrderId": "mine"})
    report, position = socket.news()
    assert (report["e"], report["x"], report["X"], report["i"], report["c"]) == (
        "executionReport",
        "NEW",
        "NEW",
        placed["orderId"],
        "mine",
    )
    assert {row["a"]: D(row["l"]) for row in position["B"]} == {"UNI": 0, "USDT": 180}
    bench.ok("DELETE", SORDER, {**UNI, "origClientOrderId": "mine", "newClientOrderId": "stop"})
    report = socket.news()[0]
    assert (report["x"], report["c"], report["C"]) == ("CANCELED", "stop", "mine")
    bench.ok("POST", SORDER, MARKET)
    trades = [news for news in socket.news() if news.get("x") == "TRADE"]
    assert sum(D(news["l"]) for news in trades) == 10
    assert trades[-1]["X"] == "FILLED"


def test_a_report_says_why_an_order_expired_and_its_strategy(bench: Bench) -> None:
    socket = Socket(bench, f"/ws/{listen(bench, '/api/v3/userDataStream')}")
    label = {"strategyId": 7, "strategyType": 1_000_001}
    bench.ok("POST", SORDER, {**LIMIT, **label, "timeInForce": "IOC"})
    new, expired = (news for news in socket.news() if news["e"] == "executionReport")
    assert (new["j"], new["J"], "eR" in new) == (7, 1_000_001, False)
    assert (expired["x"], expired["j"], expired["eR"]) == ("EXPIRED", 7, "UNFILLED_IOC_QUANTITY_EXPIRED")
    bench.ok("POST", SORDER, LIMIT)
    assert not {"j", "J", "eR"} & socket.news()[0].keys()


def test_a_futures_account_hears_of_orders_positions_and_settings(bench: Bench) -> None:
    socket = Socket(bench, f"/ws/{listen(bench, '/fapi/v1/listenKey')}")
    bench.ok("POST", "/fapi/v1/leverage", {**UNI, "leverage": 5})
    assert [(n["e"], n["ac"]["l"]) for n in socket.news()] == [("ACCOUNT_CONFIG_UPDATE", 5)]
    bench.ok("POST", FORDER, MARKET)
    news = socket.news()
    assert [n["o"]["x"] for n in news if n["e"] == "ORDER_TRADE_UPDATE"] == ["NEW", "TRADE"]
    update = [n["a"] for n in news if n["e"] == "ACCOUNT_UPDATE"][-1]
    assert (update["m"], D(update["P"][0]["pa"])) == ("ORDER", 10)
    stop = {
        **UNI,
        "algoType": "CONDITIONAL",
        "side": "SELL",
        "type": "STOP_MARKET",
        "quantity": "10",
        "triggerPrice": "9",
    }
    bench.ok("POST", "/fapi/v1/algoOrder", stop)
    assert [(n["e"], n["o"]["X"]) for n in socket.news()] == [("ALGO_UPDATE", "NEW")]
    bench.move(PERP, 8.9)
    kinds = [(n["e"], n.get("o", {}).get("X")) for n in socket.news()]
    assert kinds[0] == ("ALGO_UPDATE", "TRIGGERED")
    assert ("ORDER_TRADE_UPDATE", "FILLED") in kinds


def test_what_the_futures_stream_says_besides(bench: Bench) -> None:
    """The label of a change, whether a trailing order is active, and what funding was paid for."""
    socket = Socket(bench, f"/ws/{listen(bench, '/fapi/v1/listenKey')}")
    placed = bench.ok("POST", FORDER, LIMIT)
    own = {**UNI, "side": "BUY", "orderId": placed["orderId"], "quantity": "20"}
    bench.ok("PUT", FORDER, {**own, "price": "9.1", "modifyId": 42})
    bench.ok("PUT", FORDER, {**own, "price": "9.2"})
    news = [news["o"] for news in socket.news() if news["e"] == "ORDER_TRADE_UPDATE"]
    assert [(one["x"], one.get("M")) for one in news] == [("NEW", None), ("AMENDMENT", "42"), ("AMENDMENT", None)]
    trailing = {**UNI, "algoType": "CONDITIONAL", "side": "SELL", "type": "TRAILING_STOP_MARKET", "quantity": "10"}
    for more in ({}, {"activatePrice": "11"}):
        bench.ok("POST", "/fapi/v1/algoOrder", {**trailing, "callbackRate": "5", **more})
    assert [news["o"]["ia"] for news in socket.news() if news["e"] == "ALGO_UPDATE"] == [True, False]
    bench.ok("POST", FORDER, MARKET)
    assert not any("S" in news["a"] for news in socket.news() if news["e"] == "ACCOUNT_UPDATE")
    paid = [news["a"] for news in socket.news(8 * 3_600_000) if news["e"] == "ACCOUNT_UPDATE"]
    assert [(one["m"], one["S"]) for one in paid] == [("FUNDING_FEE", "UNIUSDT")]


def test_nobody_hears_of_another_account(bench: Bench) -> None:
    key = bench.simex.respond(WireRequest("POST", "/api/v3/userDataStream", headers={"x-mbx-apikey": "otherkey"}))
    socket = Socket(bench, f"/ws/{key.content['listenKey']}")
    bench.ok("POST", SORDER, MARKET)
    assert socket.news() == []


def test_a_listen_key_lasts_an_hour_from_its_renewal(bench: Bench) -> None:
    path, headers = "/api/v3/userDataStream", {"x-mbx-apikey": "mainkey"}
    key = listen(bench, path)
    assert listen(bench, path) == key, "the same while it is good"
    socket = Socket(bench, f"/ws/{key}")
    bench.clock.now_ms += 3_000_000
    assert bench.simex.respond(WireRequest("PUT", path, f"listenKey={key}", headers=headers)).content == {}
    assert socket.news(3_000_000) == []
    assert [n["e"] for n in socket.news(700_000)] == ["listenKeyExpired"]
    late = bench.simex.respond(WireRequest("PUT", path, f"listenKey={key}", headers=headers))
    assert (late.status, late.content["code"]) == (400, -1125)
    perp = bench.simex.respond(WireRequest("PUT", "/fapi/v1/listenKey", headers=headers))
    assert perp.content["msg"].endswith("Please use `POST /fapi/v1/listenKey` to recreate `listenKey`")
    assert listen(bench, path) != key


def test_the_liquidation_of_anybody_is_public(bench: Bench) -> None:
    socket = Socket(bench, "/ws/!forceOrder@arr")
    bench.ok("POST", "/fapi/v1/marginType", {**UNI, "marginType": "ISOLATED"})
    bench.ok("POST", "/fapi/v1/leverage", {**UNI, "leverage": 50})
    bench.ok("POST", FORDER, MARKET)
    bench.move(PERP, 8.0)
    (forced,) = socket.news()
    assert (forced["e"], forced["o"]["S"]) == ("forceOrder", "SELL")


def signed(bench: Bench, **params: Any) -> dict[str, Any]:
    params |= {"apiKey": "mainkey", "timestamp": bench.clock.now_ms}
    payload = "&".join(f"{name}={params[name]}" for name in sorted(params))
    return {**params, "signature": sign(KEYS["mainkey"].secret, payload)}


@pytest.mark.parametrize(("path", "root"), [("/ws-api/v3", "/api/v3"), ("/ws-fapi/v1", "/fapi/v1")])
def test_orders_are_placed_and_canceled_by_message(bench: Bench, path: str, root: str) -> None:
    socket = Socket(bench, path)
    reply = socket.say({"id": "a", "method": "order.place", "params": signed(bench, **LIMIT)})
    assert (reply["id"], reply["status"]) == ("a", 200)
    assert {"REQUEST_WEIGHT", "ORDERS"} == {row["rateLimitType"] for row in reply["rateLimits"]}
    number = reply["result"]["orderId"]
    status = socket.say({"id": 2, "method": "order.status", "params": signed(bench, **UNI, orderId=number)})
    assert status["result"]["status"] == "NEW"
    assert (
        socket.say({"id": 3, "method": "order.cancel", "params": signed(bench, **UNI, orderId=number)})["status"] == 200
    )
    gone = socket.say({"id": 4, "method": "order.cancel", "params": signed(bench, **UNI, orderId=number)})
    assert (gone["status"], gone["error"]["code"]) == (400, -2011)
    assert bench.ok("GET", f"{root}/openOrders") == []
    forged = socket.say({"id": 5, "method": "order.place", "params": {**signed(bench, **LIMIT), "quantity": "21"}})
    assert forged["error"]["code"] == -1022


@pytest.mark.parametrize("path", ["/ws-api/v3", "/ws-fapi/v1"])
def test_a_signature_covers_the_wish_for_no_rate_limits(bench: Bench, path: str) -> None:
    """As ccxt signs: every parameter that is sent."""
    params = signed(bench, **MARKET, returnRateLimits="false") | {"returnRateLimits": False}
    reply = Socket(bench, path).say({"id": 1, "method": "order.place", "params": params})
    assert (reply["status"], "rateLimits" in reply) == (200, False)


def test_user_data_comes_by_a_signed_subscription(bench: Bench) -> None:
    socket = Socket(bench, "/ws-api/v3")
    reply = socket.say({"id": 1, "method": "userDataStream.subscribe.signature", "params": signed(bench)})
    assert reply["result"] == {"subscriptionId": 0}
    assert [row["rateLimitType"] for row in reply["rateLimits"]] == ["REQUEST_WEIGHT"], "as in every answer"
    bench.ok("POST", SORDER, LIMIT)
    news = socket.news()
    assert (news[0]["subscriptionId"], news[0]["event"]["e"]) == (0, "executionReport")
    socket.say({"id": 2, "method": "userDataStream.unsubscribe", "params": {}})
    bench.ok("POST", SORDER, LIMIT)
    assert socket.news() == []


def test_the_address_of_a_connection_chooses_limits_and_time_unit(bench: Bench) -> None:
    socket = Socket(bench, "/ws-api/v3?returnRateLimits=false&timeUnit=MICROSECOND")
    reply = socket.say({"id": 1, "method": "time"})
    assert reply["result"] == {"serverTime": bench.clock.now_ms * 1000}
    assert "rateLimits" not in reply
    status = socket.say({"id": 2, "method": "session.status"})
    assert (status["result"]["returnRateLimits"], "rateLimits" in status) == (False, False)
    told = socket.say({"id": 3, "method": "time", "params": {"returnRateLimits": True}})
    assert "rateLimits" in told, "the message has the last word"


def test_messages_that_mean_nothing_are_refused(bench: Bench) -> None:
    socket = Socket(bench, "/ws-api/v3")
    assert socket.say("{")["error"]["code"] == -1135
    assert socket.say({"id": 1, "method": "dance"})["error"]["code"] == -1020
    assert socket.say({"id": 1})["error"]["code"] == -1102
    logon = {"id": 1, "method": "session.logon", "params": signed(bench)}
    assert socket.say(logon)["error"] == {"code": -4056, "msg": "HMAC_SHA256 API key is not supported."}
    perp = Socket(bench, "/ws-fapi/v1")
    refused = {"code": -5000, "msg": "Method userDataStream.subscribe.signature is invalid"}
    assert perp.say({"id": 1, "method": "userDataStream.subscribe.signature", "params": {}})["error"] == refused
    assert socket.say({"id": 1, "method": "time"})["result"] == {"serverTime": bench.clock.now_ms}


def test_every_method_has_an_endpoint() -> None:
    served = {(route.method, route.path) for route in (*SPOT_ROUTES, *USDM_ROUTES)}
    for kind, table in (("spot", api._SPOT), ("perp", api._PERP)):
        for method in (*table, *api._KEYS):
            assert api.target_of(api.PATHS["/ws-api/v3" if kind == "spot" else "/ws-fapi/v1"], method) in served


@pytest.fixture
async def port(bench: Bench, tmp_path: Path) -> AsyncIterator[int]:
    await bench.simex.start(tls_dir=tmp_path)
    yield bench.simex.http_port
    await bench.simex.stop()


async def test_a_socket_answers_pings_and_sends_news(bench: Bench, port: int) -> None:
    async with aiohttp.ClientSession() as session:
        key = listen(bench, "/api/v3/userDataStream")
        async with session.ws_connect(f"ws://127.0.0.1:{port}/stream?streams={key}/uniusdt@miniTicker") as socket:
            await socket.ping(b"x")
            first = await socket.receive_json(timeout=5)
            assert first["stream"] == "uniusdt@miniTicker"
            bench.ok("POST", SORDER, LIMIT)
            news = await socket.receive_json(timeout=5)
            assert (news["stream"], news["data"]["e"]) == (key, "executionReport")
            for number in range(6):
                await socket.send_json({"method": "LIST_SUBSCRIPTIONS", "id": number})
            while not socket.closed:
                await socket.receive(timeout=5)
            assert socket.close_code == aiohttp.WSCloseCode.POLICY_VIOLATION
        for _ in range(100):
            if not bench.simex._dialects[0].desk.hearers:
                break
            await asyncio.sleep(0.02)
        assert bench.simex._dialects[0].desk.hearers == {}
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(f"ws://127.0.0.1:{port}/elsewhere")
    assert bench.simex.unknown == {"WS /elsewhere": 1}


@pytest.mark.parametrize("path", ["/ws-api/v3", "/ws-fapi/v1"])
def test_methods_that_are_not_there_are_counted(bench: Bench, path: str) -> None:
    socket = Socket(bench, path)
    for method in ("klines.of.tomorrow", "klines.of.tomorrow", "order.place"):
        assert socket.say({"id": 1, "method": method})["status"] == 400 or method == "order.place"
    assert bench.simex.unknown == {f"WS {path} klines.of.tomorrow": 2}
