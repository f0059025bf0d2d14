"""Bybit's WebSockets without a socket: tickers, the private topics, logon, limits; once with unmodified ccxt.pro."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import ccxt.pro
import pytest

from bot.domain.durations import MINUTE_MS
from bot.simex.dialects.bybit.dialect import Bybit
from bot.simex.dialects.wire import RequestTimes, SocketSession, WireRequest
from bot.simex.signing import sign
from tests.simex.dialects.conftest import KEYS, MakeBench
from tests.simex.dialects.test_bybit import MARKET, Hand

D = Decimal
SPOT, PERP = "UNI/USDT", "UNI/USDT:USDT"
ALL = ("order", "execution", "position", "wallet")
FUNDING_MS = 28_800_000


class Socket:
    """One session of a hand's exchange."""

    def __init__(self, hand: Hand, path: str, host: str = "stream.bybit.com") -> None:
        self.bench = hand.bench
        path, _, query = path.partition("?")
        dialect = next(one for one in hand.bench.simex._dialects if isinstance(one, Bybit))
        session = dialect.open_socket(WireRequest("GET", path, query, host=host), self.moment())
        assert session is not None
        self.session: SocketSession = session

    def moment(self) -> RequestTimes:
        return RequestTimes(self.bench.simex._catch_up(), self.bench.clock.now_ms)

    def news(self, after_ms: int = 0) -> list[Any]:
        self.bench.clock.now_ms += after_ms
        return [json.loads(text) for text in self.session.poll(self.moment())]

    def say(self, message: Any) -> Any:
        text = message if isinstance(message, str) else json.dumps(message)
        (answer,) = self.session.receive(text, self.moment())
        return json.loads(answer)

    def log_on(self, key: str = "mainkey", lead_ms: int = 1_000, secret: str = "") -> Any:
        expires = self.bench.clock.now_ms + lead_ms
        signature = sign(secret or KEYS[key].secret, f"GET/realtime{expires}")
        return self.say({"op": "auth", "args": [key, expires, signature]})

    def told(self, after_ms: int = 0) -> list[tuple[str, dict[str, Any]]]:
        """(topic, row) of every row that is new."""
        return [(news["topic"], row) for news in self.news(after_ms) for row in news["data"]]


@pytest.fixture
def make_hand(make_bench: MakeBench) -> Callable[..., Hand]:
    def make(**kwargs: Any) -> Hand:
        bench = make_bench(**kwargs)
        bench.simex.serve_dialects(("bybit",))
        return Hand(bench)

    return make


@pytest.fixture
def hand(make_hand: Callable[..., Hand]) -> Hand:
    return make_hand()


@pytest.fixture
def private(hand: Hand) -> Socket:
    """A connection that has logged on and hears all."""
    socket = Socket(hand, "/v5/private")
    assert socket.log_on()["success"] is True
    assert socket.say({"op": "subscribe", "args": list(ALL)})["success"] is True
    return socket


def subscribe(socket: Socket, *topics: str) -> Any:
    return socket.say({"op": "subscribe", "args": list(topics), "req_id": "7"})


def test_tickers_of_perps_go_on_with_what_has_changed(hand: Hand) -> None:
    socket = Socket(hand, "/v5/public/linear")
    assert subscribe(socket, "tickers.UNIUSDT", "tickers.LINKUSDT")["success"] is True
    first, other = socket.news()
    assert (first["topic"], first["type"], other["topic"]) == ("tickers.UNIUSDT", "snapshot", "tickers.LINKUSDT")
    assert (D(first["data"]["markPrice"]), first["ts"]) == (10, hand.now_ms)
    assert all("markPrice" not in news["data"] for news in socket.news(1_000)), "it has not changed"
    hand.bench.move(PERP, 10.5)
    change, _ = socket.news()
    assert (change["topic"], change["type"], D(change["data"]["markPrice"])) == ("tickers.UNIUSDT", "delta", D("10.5"))
    assert "prevPrice24h" not in change["data"]
    hand.bench.market.step(PERP, hand.now_ms + 20, 11.0)
    hand.bench.clock.now_ms = hand.now_ms // 100 * 100 + 50
    at_once = len(socket.news())
    assert at_once == 0, "not yet a tenth of a second later"
    assert D(socket.news(100)[0]["data"]["markPrice"]) == 11


def test_tickers_of_spot_are_whole(hand: Hand) -> None:
    socket = Socket(hand, "/v5/public/spot")
    assert subscribe(socket, "tickers.UNIUSDT")["ret_msg"] == "subscribe"
    assert [news["type"] for news in socket.news()] == ["snapshot"]
    hand.bench.move(SPOT, 10.5)
    (change,) = socket.news()
    assert (change["type"], D(change["data"]["lastPrice"]), "markPrice" in change["data"]) == (
        "snapshot",
        D("10.5"),
        False,
    )


def test_a_symbol_that_is_not_there_refuses_all_that_are_asked_for_with_it(hand: Hand) -> None:
    socket = Socket(hand, "/v5/public/linear")
    for topics in (("tickers.UNIUSDT", "tickers.GONEUSDT"), ("orderbook.7.UNIUSDT",), ("tickers",)):
        refused = subscribe(socket, *topics)
        assert (refused["success"], refused["req_id"], refused["op"]) == (False, "7", "subscribe")
        assert refused["ret_msg"] == f"error:handler not found,topic:{topics[-1]}"
    assert socket.news() == []
    assert subscribe(socket, "tickers.UNIUSDT")["success"] is True
    assert subscribe(socket, "tickers.UNIUSDT")["ret_msg"] == "error:already subscribed,topic:tickers.UNIUSDT"
    assert socket.say({"op": "unsubscribe", "args": ["tickers.UNIUSDT"]})["success"] is True
    assert socket.news(1_000) == []


def test_a_request_has_so_many_topics(hand: Hand) -> None:
    eleven = [f"tickers.{number}USDT" for number in range(11)]
    assert subscribe(Socket(hand, "/v5/public/spot"), *eleven)["ret_msg"] == "args size >10"
    assert "handler not found" in subscribe(Socket(hand, "/v5/public/linear"), *eleven)["ret_msg"]
    long = ["tickers." + "X" * 21_000]
    assert subscribe(Socket(hand, "/v5/public/linear"), *long)["ret_msg"] == "args length >21000"


@pytest.mark.parametrize("message", ["{", "[]", '{"op":"dance"}', '{"op":"subscribe","args":"x"}', '{"op":"auth"}'])
@pytest.mark.parametrize("path", ["/v5/public/spot", "/v5/private"])
def test_messages_that_mean_nothing_are_refused(hand: Hand, path: str, message: str) -> None:
    answer = Socket(hand, path).say(message)
    assert answer["success"] is False
    assert answer["ret_msg"]


def test_pings_are_answered_in_the_words_of_each_stream(hand: Hand) -> None:
    answer = Socket(hand, "/v5/public/linear").say({"op": "ping", "req_id": "1"})
    assert (answer["success"], answer["ret_msg"], answer["op"], answer["req_id"]) == (True, "pong", "ping", "1")
    answer = Socket(hand, "/v5/private").say({"op": "ping"})
    assert (answer["op"], answer["args"]) == ("pong", [str(hand.now_ms)])


def test_nothing_of_an_account_is_heard_before_a_logon_that_is_good(hand: Hand) -> None:
    socket = Socket(hand, "/v5/private")
    assert subscribe(socket, "order")["ret_msg"] == "Request not authorized"
    for bad in ({"lead_ms": 0}, {"lead_ms": -1}, {"secret": "wrong"}, {"key": "demokey"}):
        assert socket.log_on(**bad)["success"] is False  # type: ignore[arg-type]
    for args in ([], ["mainkey", "9" * 5_000, "x"], ["mainkey", "²", "x"]):
        assert socket.say({"op": "auth", "args": args})["ret_msg"] == "Params Error"
    hand.create()
    assert socket.news() == []
    assert Socket(hand, "/v5/private", "stream-demo.bybit.com").log_on("demokey")["success"] is True


def test_the_demo_network_has_accounts_alone(hand: Hand) -> None:
    with pytest.raises(AssertionError):
        Socket(hand, "/v5/public/linear", "stream-demo.bybit.com")


def test_all_and_single_categories_are_not_asked_for_at_once(hand: Hand) -> None:
    socket = Socket(hand, "/v5/private")
    socket.log_on()
    assert subscribe(socket, "order", "execution.spot")["success"] is False
    assert subscribe(socket, "order.spot", "wallet")["success"] is True
    hand.create(**MARKET)
    assert {topic for topic, _ in socket.told()} == {"wallet"}
    hand.create("spot")
    assert [row["category"] for topic, row in socket.told() if topic == "order.spot"] == ["spot"]


@pytest.mark.parametrize("category", ["spot", "linear"])
def test_an_order_is_told_of_from_its_place_to_its_end(hand: Hand, private: Socket, category: str) -> None:
    link = hand.create(category)
    told = private.told()
    placed = [row for topic, row in told if topic == "order"]
    assert [(row["orderLinkId"], row["orderStatus"], row["category"]) for row in placed] == [(link, "New", category)]
    assert ("position" in {topic for topic, _ in told}) is (category == "linear")
    hand.ok("POST", "/v5/order/cancel", {"category": category, "symbol": "UNIUSDT", "orderLinkId": link})
    ended = [row["orderStatus"] for topic, row in private.told() if topic == "order"]
    assert ended == ["Cancelled"]


@pytest.mark.parametrize("category", ["spot", "linear"])
def test_a_fill_is_told_of_as_an_order_an_execution_and_a_wallet(hand: Hand, private: Socket, category: str) -> None:
    link = hand.create(category, **MARKET, **({"marketUnit": "baseCoin"} if category == "spot" else {}))
    told = private.told()
    fills = [row for topic, row in told if topic == "execution"]
    assert sum(D(row["execQty"]) for row in fills) == 10
    assert {(row["orderLinkId"], row["category"], row["execType"]) for row in fills} == {(link, category, "Trade")}
    assert [row["orderStatus"] for topic, row in told if topic == "order"][-1] == "Filled"
    wallets = [row for topic, row in told if topic == "wallet"]
    assert wallets[-1] == hand.rows("/v5/account/wallet-balance", accountType="UNIFIED")[0]
    sizes = [D(row["size"]) for topic, row in told if topic == "position"]
    assert sizes[-1:] == ([10] if category == "linear" else [])


def test_an_order_is_told_of_before_any_query_knows_it(hand: Hand, private: Socket) -> None:
    order = hand.order()
    hand.ok("POST", "/v5/order/create", order)
    assert ("order", order["orderLinkId"]) in [(topic, row.get("orderLinkId")) for topic, row in private.told()]
    asked = {"category": "linear", "symbol": "UNIUSDT", "orderLinkId": order["orderLinkId"]}
    assert hand.rows("/v5/order/realtime", **asked) == []


def test_what_only_the_matching_refuses_is_told_of_as_an_order_that_ended(hand: Hand, private: Socket) -> None:
    link = hand.create(timeInForce="PostOnly", price="11")
    ((topic, row),) = private.told()
    assert (topic, row["orderLinkId"], row["orderStatus"]) == ("order", link, "Cancelled")
    assert row["rejectReason"] == "EC_PostOnlyWillTakeLiquidity"


def test_a_stop_that_fires_is_told_of_under_its_own_id(hand: Hand, private: Socket) -> None:
    hand.create(**MARKET)
    stop = hand.create(
        **{**MARKET, "side": "Sell", "triggerPrice": "9.8", "triggerDirection": 2, "triggerBy": "MarkPrice"},
        reduceOnly=True,
    )
    assert ("order", "Untriggered") in [(topic, row.get("orderStatus")) for topic, row in private.told()]
    hand.bench.move(PERP, 9.75)
    told = private.told()
    assert {row["orderLinkId"] for topic, row in told if topic in ("order", "execution")} == {stop}
    assert [row["orderStatus"] for topic, row in told if topic == "order"][-1] == "Filled"
    assert [row["size"] for topic, row in told if topic == "position"][-1] == "0"


def test_funding_is_told_of_as_an_execution(hand: Hand, private: Socket) -> None:
    hand.create(**MARKET)
    private.told()
    paid = [row for topic, row in private.told(FUNDING_MS) if topic == "execution"]
    assert [(row["execType"], D(row["execFee"]) > 0) for row in paid] == [("Funding", True)]


def test_moves_between_the_engines_wallets_and_another_account_are_told_to_nobody(hand: Hand, private: Socket) -> None:
    hand.bench.simex._dialects[0].desk.spread("main")  # type: ignore[attr-defined]
    assert private.told() == []
    hand.bench.exchange.create_account("third", spot={"USDT": D(1_000)}, perp=D(1_000))
    hand.bench.exchange.transfer("third", D(5), to_perp=True)
    assert private.told() == []


@pytest.mark.parametrize(("query", "minutes"), [("", 10), ("?max_active_time=1m", 1), ("?max_active_time=5s", 0.5)])
def test_a_connection_on_which_nothing_is_said_is_ended(hand: Hand, query: str, minutes: float) -> None:
    socket = Socket(hand, f"/v5/private{query}")
    for _ in range(3):
        socket.news(int(minutes * MINUTE_MS))
        assert not socket.session.is_over
        socket.say({"op": "ping"})
    socket.news(int(minutes * MINUTE_MS) + 1)
    assert socket.session.is_over


async def test_a_session_that_is_over_ends_its_connection_and_hears_no_more(hand: Hand, tmp_path: Path) -> None:
    bench = hand.bench
    desk = bench.simex._dialects[0].desk  # type: ignore[attr-defined]
    await bench.simex.start(tls_dir=tmp_path)
    try:
        async with aiohttp.ClientSession() as session:
            url = f"ws://127.0.0.1:{bench.simex.http_port}/v5/private"
            async with session.ws_connect(url) as socket:
                expires = bench.clock.now_ms + 1_000
                signature = sign(KEYS["mainkey"].secret, f"GET/realtime{expires}")
                await socket.send_json({"op": "auth", "args": ["mainkey", expires, signature]})
                assert (await socket.receive_json(timeout=5))["success"] is True
                assert len(desk.hearers) == 1
                bench.clock.now_ms += 10 * MINUTE_MS + 1
                assert (await socket.receive(timeout=5)).type is aiohttp.WSMsgType.CLOSE
            for _ in range(100):
                if not desk.hearers:
                    break
                await asyncio.sleep(0.02)
            assert desk.hearers == {}
    finally:
        await bench.simex.stop()


@pytest.mark.parametrize("symbol", [SPOT, PERP])
async def test_unmodified_ccxt_pro_hears_prices_and_orders(
    make_hand: Callable[..., Hand], tmp_path: Path, symbol: str
) -> None:
    bench = make_hand(limits_scale=1000).bench
    await bench.simex.start(tls_dir=tmp_path)
    pro = ccxt.pro.bybit({"apiKey": "mainkey", "secret": "main-secret", "enableRateLimit": False})
    pro.has["fetchCurrencies"] = False
    pro.options |= {"enableUnifiedMargin": False, "enableUnifiedAccount": True, "unifiedMarginStatus": 6}
    pro.options |= {"fetchMarkets": {"types": ["spot", "linear"]}, "defaultType": "spot" if symbol == SPOT else "swap"}
    pro.options["watchPositions"] = {"fetchPositionsSnapshot": False, "awaitPositionsSnapshot": False}
    address = f"127.0.0.1:{bench.simex.http_port}"
    urls = json.dumps(pro.urls["api"]).replace("https://", f"http://{address}/").replace("wss://", f"ws://{address}/")
    pro.urls["api"] = json.loads(urls)
    pro.milliseconds = lambda: bench.clock.now_ms
    try:
        await pro.load_markets()
        ticker = await asyncio.wait_for(pro.watch_ticker(symbol), 5)
        assert (ticker["symbol"], ticker["last"]) == (symbol, 10.0)
        watches = [pro.watch_orders(symbol), pro.watch_my_trades(symbol), pro.watch_balance()]
        tasks = [asyncio.create_task(watch) for watch in watches]
        await asyncio.sleep(0.3)
        placed = await pro.create_order(symbol, "market", "buy", 3)
        orders, trades, balance = [await asyncio.wait_for(task, 5) for task in tasks]
        assert orders[-1]["id"] == placed["id"]
        assert [trade["amount"] for trade in trades] == [3.0]
        assert balance["USDT"]["total"] < 15_000
        assert not bench.simex.unknown
    finally:
        with contextlib.suppress(Exception):
            await pro.close()
        await bench.simex.stop()
