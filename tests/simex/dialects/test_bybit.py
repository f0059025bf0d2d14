"""Bybit's dialect over the engine: as strict as the venue's documents, one wallet, the truth of the one exchange."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pytest

from bot.domain.durations import DAY_MS
from bot.simex.dialects.bybit.common import VISIBLE_AFTER_MS
from bot.simex.dialects.bybit.limits import ADDRESS_LIMIT, BAN_MS
from bot.simex.dialects.wire import WireReply, WireRequest
from bot.simex.engine.types import AccountModes
from bot.simex.signing import sign
from tests.simex.dialects.conftest import KEYS, Bench, MakeBench

D = Decimal
HOST = "api.bybit.com"


@dataclass
class Hand:
    """Asks a bench in the words of Bybit."""

    bench: Bench
    links: int = 0

    @property
    def now_ms(self) -> int:
        return self.bench.simex.now_ms()

    def ask(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any] | None = None,
        *,
        key: str | None = "mainkey",
        host: str = HOST,
        lead_ms: int = 0,
        window: str = "5000",
        secret: str = "",
        raw: str | None = None,
    ) -> WireReply:
        query = urlencode(dict(params or {})) if method == "GET" else ""
        body = raw if raw is not None else json.dumps(dict(params or {})) if method == "POST" else ""
        headers = {}
        if key is not None:
            stamp = str(self.now_ms + lead_ms)
            payload = f"{stamp}{key}{window}{body if method == 'POST' else query}"
            headers = {
                "x-bapi-api-key": key,
                "x-bapi-timestamp": stamp,
                "x-bapi-recv-window": window,
                "x-bapi-sign": sign(secret or KEYS[key].secret, payload),
            }
        reply = self.bench.simex.respond(WireRequest(method, path, query, body, headers, host))
        self.bench.seen.append(reply)
        return reply

    def ok(self, method: str, path: str, params: Mapping[str, Any] | None = None, **kwargs: Any) -> Any:
        reply = self.ask(method, path, params, **kwargs)
        assert (reply.status, reply.content["retCode"], reply.content["retMsg"]) == (200, 0, "OK"), reply
        return reply.content["result"]

    def no(self, method: str, path: str, params: Mapping[str, Any] | None = None, **kwargs: Any) -> int:
        """The code of a refusal, which comes with status 200 and an empty result."""
        reply = self.ask(method, path, params, **kwargs)
        assert reply.status == 200, reply
        assert reply.content["result"] == {}
        assert reply.content["retCode"] != 0, reply
        code: int = reply.content["retCode"]
        return code

    def order(self, category: str = "linear", **changes: Any) -> dict[str, Any]:
        self.links += 1
        usual = {"category": category, "symbol": "UNIUSDT", "side": "Buy", "orderType": "Limit", "qty": "10"}
        return {**usual, "price": "9.5", "timeInForce": "GTC", "orderLinkId": f"link{self.links}", **changes}

    def create(self, category: str = "linear", **changes: Any) -> str:
        """Our id of an order that was acknowledged and is booked."""
        order = {name: value for name, value in self.order(category, **changes).items() if value is not None}
        placed = self.ok("POST", "/v5/order/create", order)
        assert placed["orderLinkId"] == order["orderLinkId"]
        self.bench.clock.now_ms += VISIBLE_AFTER_MS
        return str(order["orderLinkId"])

    def rows(self, path: str, **params: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ok("GET", path, params)["list"]
        return found

    def row(self, link: str, category: str = "linear") -> dict[str, Any]:
        (found,) = self.rows("/v5/order/realtime", category=category, symbol="UNIUSDT", orderLinkId=link)
        return found

    def coin(self, name: str) -> dict[str, Any]:
        (wallet,) = self.rows("/v5/account/wallet-balance", accountType="UNIFIED")
        return next(row for row in wallet["coin"] if row["coin"] == name)


@pytest.fixture
def make_hand(make_bench: MakeBench) -> Callable[..., Hand]:
    def make(*venues: str, **kwargs: Any) -> Hand:
        bench = make_bench(**kwargs)
        bench.simex.serve_dialects(venues or ("bybit",))
        return Hand(bench)

    return make


@pytest.fixture
def hand(make_hand: Callable[..., Hand]) -> Hand:
    return make_hand()


MARKET: dict[str, Any] = {"orderType": "Market", "price": None, "timeInForce": None}


def test_a_signature_covers_stamp_key_window_and_payload_as_sent(hand: Hand) -> None:
    path = "/v5/account/info"
    assert hand.ok("GET", path)["unifiedMarginStatus"] == 6
    assert hand.no("GET", path, secret="another") == 10004
    assert hand.no("GET", path, lead_ms=-5_001) == 10002
    assert hand.no("GET", path, lead_ms=1_000) == 10002
    assert hand.ok("GET", path, lead_ms=999)
    assert hand.ok("GET", path, lead_ms=-5_000)
    assert hand.no("GET", path, lead_ms=-2_001, window="2000") == 10002
    assert hand.no("GET", path, key=None) == 10001
    spaced = json.dumps(hand.order(), indent=3)
    assert hand.ok("POST", "/v5/order/create", raw=spaced)["orderLinkId"] == "link1"


def test_keys_belong_to_an_environment_and_to_what_they_may(hand: Hand) -> None:
    path = "/v5/account/info"
    assert hand.no("GET", path, key="demokey") == 10003
    assert hand.ok("GET", path, key="demokey", host="api-demo.bybit.com")
    assert hand.no("POST", "/v5/order/create", hand.order(), key="spotonly") == 10005
    assert hand.ok("POST", "/v5/order/create", hand.order("spot"), key="spotonly")
    assert hand.ok("GET", "/v5/user/query-api", key="withdrawer")["permissions"]["Wallet"]
    assert hand.ask("GET", "/v5/user/query-api", key="demokey", host="api-demo.bybit.com").status == 404


def test_what_is_not_there_is_not_answered_as_something_else(hand: Hand) -> None:
    reply = hand.ask("GET", "/v5/nowhere")
    assert (reply.status, reply.content["retCode"]) == (404, 10017)
    assert hand.ask("DELETE", "/v5/order/create").status == 404
    assert hand.no("POST", "/v5/order/create", raw="{") == 10001
    assert hand.no("POST", "/v5/order/create", raw="[]") == 10001


@pytest.mark.parametrize(
    "changes",
    [
        {"category": "option"},
        {"symbol": "NONEUSDT"},
        {"side": "buy"},
        {"orderType": "LIMIT"},
        {"qty": 10},
        {"qty": "ten"},
        {"qty": "0"},
        {"price": None},
        {"price": ""},
        {"timeInForce": "GTX"},
        {"orderLinkId": "no spaces"},
        {"orderLinkId": "x" * 37},
        {"reduceOnly": "true"},
        {"positionIdx": 1},
        {"triggerPrice": "11"},
        {"orderFilter": "tpslOrder"},
        {"qty": "10.55"},
        {"price": "9.50001"},
    ],
)
def test_a_parameter_that_is_not_as_documented_is_refused_and_places_nothing(
    changes: dict[str, Any], hand: Hand
) -> None:
    order = {name: value for name, value in hand.order(**changes).items() if value is not None}
    assert hand.no("POST", "/v5/order/create", order) == 10001
    assert hand.bench.exchange.open_orders("main") == ()


def test_an_order_is_acknowledged_with_ids_and_nothing_else(hand: Hand) -> None:
    spot = hand.ok("POST", "/v5/order/create", hand.order("spot"))
    perp = hand.ok("POST", "/v5/order/create", hand.order())
    assert set(spot) == set(perp) == {"orderId", "orderLinkId"}
    assert spot["orderId"].isdigit()
    assert len(perp["orderId"].split("-")) == 5


def test_what_only_the_matching_refuses_of_a_perp_ends_as_a_cancelled_order(hand: Hand) -> None:
    taker = hand.create(price="11", timeInForce="PostOnly")
    row = hand.row(taker)
    assert (row["orderStatus"], row["rejectReason"], row["cumExecQty"]) == (
        "Cancelled",
        "EC_PostOnlyWillTakeLiquidity",
        "0",
    )
    fok = hand.create(timeInForce="FOK")
    assert hand.row(fok)["orderStatus"] == "Cancelled"
    assert hand.no("POST", "/v5/order/create", hand.order("spot", price="11", timeInForce="PostOnly")) == 170218
    assert hand.no("POST", "/v5/order/create", hand.order(orderLinkId=taker)) == 110072


def test_an_id_is_used_up_for_ever_on_every_symbol(hand: Hand) -> None:
    used = hand.create()
    hand.ok("POST", "/v5/order/cancel", {"category": "linear", "symbol": "UNIUSDT", "orderLinkId": used})
    assert hand.no("POST", "/v5/order/create", hand.order(orderLinkId=used)) == 110072
    assert hand.no("POST", "/v5/order/create", hand.order("spot", orderLinkId=used)) == 170141
    stop = hand.create(**MARKET, side="Sell", triggerPrice="9", triggerDirection=2)
    assert hand.no("POST", "/v5/order/create", hand.order(orderLinkId=stop)) == 110072


def test_a_spot_purchase_at_the_market_is_for_money_unless_it_says_base(hand: Hand) -> None:
    by_money = hand.create("spot", **MARKET, qty="100")
    by_base = hand.create("spot", **MARKET, qty="10", marketUnit="baseCoin")
    assert hand.row(by_money, "spot")["marketUnit"] == "quoteCoin"
    assert D(hand.row(by_money, "spot")["cumExecValue"]) <= D(100)
    assert hand.row(by_base, "spot")["cumExecQty"] == "10"


def test_a_cancel_of_what_has_ended_and_of_what_never_was_look_alike(hand: Hand) -> None:
    filled = hand.create(price="11")
    for category, code in (("linear", 110001), ("spot", 170213)):
        asked = {"category": category, "symbol": "UNIUSDT"}
        assert hand.no("POST", "/v5/order/cancel", {**asked, "orderLinkId": filled}) == code
        assert hand.no("POST", "/v5/order/cancel", {**asked, "orderLinkId": "never"}) == code


def test_a_conditional_order_of_spot_is_cancelled_under_its_own_filter(hand: Hand) -> None:
    stop = hand.create("spot", **MARKET, side="Sell", triggerPrice="9", orderFilter="tpslOrder")
    asked = {"category": "spot", "symbol": "UNIUSDT", "orderLinkId": stop}
    assert hand.no("POST", "/v5/order/cancel", asked) == 170213
    hand.ok("POST", "/v5/order/cancel", {**asked, "orderFilter": "tpslOrder"})
    assert hand.row(stop, "spot")["orderStatus"] == "Deactivated"


def test_a_stop_that_fires_keeps_its_ids_and_its_executions_carry_them(hand: Hand) -> None:
    hand.ok("POST", "/v5/position/set-leverage", _leverage("2"))
    hand.create(**MARKET)
    stop = hand.create(
        **MARKET, side="Sell", triggerPrice="9", triggerDirection=2, triggerBy="MarkPrice", reduceOnly=True
    )
    before = hand.row(stop)
    assert (before["orderStatus"], before["stopOrderType"]) == ("Untriggered", "Stop")
    hand.bench.move("UNI/USDT", 8.9)
    hand.bench.move("UNI/USDT:USDT", 8.9)
    after = hand.row(stop)
    assert (after["orderStatus"], after["orderId"], after["triggerPrice"]) == ("Filled", before["orderId"], "9")
    (execution,) = hand.rows("/v5/execution/list", category="linear", symbol="UNIUSDT", orderLinkId=stop)
    assert execution["orderId"] == before["orderId"]
    assert hand.rows("/v5/order/realtime", category="linear", settleCoin="USDT") == []


@pytest.mark.parametrize("changes", [{}, {"price": "11"}, {"price": "11", "timeInForce": "PostOnly"}])
def test_an_acknowledged_order_is_unknown_until_it_is_booked(changes: dict[str, Any], hand: Hand) -> None:
    """A query right after the acknowledgement proves nothing: the id exists, and nobody knows it yet."""
    order = hand.order(**changes)
    hand.ok("POST", "/v5/order/create", order)
    asked = {"category": "linear", "symbol": "UNIUSDT", "orderLinkId": order["orderLinkId"]}
    paths = ("/v5/order/realtime", "/v5/order/history", "/v5/execution/list")
    assert [hand.rows(path, **asked) for path in paths] == [[], [], []]
    assert hand.no("POST", "/v5/order/cancel", asked) == 110001
    assert hand.no("POST", "/v5/order/create", order) == 110072
    hand.bench.clock.now_ms += VISIBLE_AFTER_MS
    assert hand.row(str(order["orderLinkId"]))["orderStatus"] in ("New", "Filled", "Cancelled")


def test_pages_lead_to_each_row_once(hand: Hand) -> None:
    links = [hand.create(price=f"9.{n:02d}") for n in range(1, 8)]
    found, cursor = [], ""
    while True:
        asked = {"category": "linear", "settleCoin": "USDT", "limit": 3} | ({"cursor": cursor} if cursor else {})
        page = hand.ok("GET", "/v5/order/realtime", asked)
        found += [row["orderLinkId"] for row in page["list"]]
        cursor = page["nextPageCursor"]
        if not cursor:
            break
    assert sorted(found) == sorted(links)
    assert hand.no("GET", "/v5/order/realtime", {"category": "linear", "symbol": "UNIUSDT", "cursor": "x"}) == 10001
    assert hand.no("GET", "/v5/order/realtime", {"category": "linear"}) == 10001


def test_after_a_restart_only_the_history_knows_what_has_ended(hand: Hand) -> None:
    filled = hand.create(price="11")
    rests = hand.create()
    asked = {"category": "linear", "symbol": "UNIUSDT", "orderLinkId": filled}
    assert hand.rows("/v5/order/realtime", **asked)
    hand.bench.simex._dialects[0].forget_closed()  # type: ignore[attr-defined]
    assert hand.rows("/v5/order/realtime", **asked) == hand.rows("/v5/order/realtime", **asked, openOnly=1) == []
    assert [row["orderStatus"] for row in hand.rows("/v5/order/history", **asked)] == ["Filled"]
    assert hand.row(rests)["orderStatus"] == "New"


def test_what_the_engine_does_not_know_is_kept_over_a_restart(make_hand: Callable[..., Hand]) -> None:
    """Ids of orders that never rested, the margin mode, and that moves between the engine's wallets are nobody's."""
    hand = make_hand()
    log = hand.rows("/v5/account/transaction-log", accountType="UNIFIED")
    hand.ok("POST", "/v5/account/set-margin-mode", {"setMarginMode": "REGULAR_MARGIN"})
    refused = hand.create(price="11", timeInForce="PostOnly")
    assert hand.rows("/v5/account/transaction-log", accountType="UNIFIED") == log
    kept = {key: json.loads(json.dumps(value)) for key, value in hand.bench.simex.dialect_rows()}
    hand.bench.simex.serve_dialects(("bybit",))
    assert hand.ok("GET", "/v5/account/info")["marginMode"] == "ISOLATED_MARGIN"
    hand.bench.simex.restore_dialects(kept)
    assert hand.ok("GET", "/v5/account/info")["marginMode"] == "REGULAR_MARGIN"
    assert hand.rows("/v5/account/transaction-log", accountType="UNIFIED") == log
    assert hand.no("POST", "/v5/order/create", hand.order(orderLinkId=refused)) == 110072


def test_the_history_spans_seven_days_and_forgets_in_a_day_what_never_traded(hand: Hand) -> None:
    ended = hand.create()
    asked = {"category": "linear", "symbol": "UNIUSDT", "orderLinkId": ended}
    hand.ok("POST", "/v5/order/cancel", asked)
    assert hand.rows("/v5/order/history", **asked)
    hand.bench.clock.now_ms += DAY_MS + 1
    assert hand.rows("/v5/order/history", **asked) == []
    wide = {"category": "linear", "startTime": hand.now_ms - 8 * DAY_MS, "endTime": hand.now_ms}
    for path in ("/v5/order/history", "/v5/execution/list"):
        assert hand.no("GET", path, wide) == 10001
    assert hand.no("GET", "/v5/account/transaction-log", {**wide, "accountType": "UNIFIED"}) == 10001
    assert (
        hand.no("GET", "/v5/market/funding/history", {"category": "linear", "symbol": "UNIUSDT", "startTime": 1})
        == 10001
    )


def test_spot_and_perps_are_paid_from_one_wallet(hand: Hand) -> None:
    assert hand.coin("USDT")["walletBalance"] == "15000"
    hand.create("spot", qty="1400", price="9.9")  # more than lay in either of the engine's two wallets
    assert hand.coin("USDT")["locked"] == "13860"
    hand.ok("POST", "/v5/order/cancel-all", {"category": "spot", "symbol": "UNIUSDT"})
    hand.ok("POST", "/v5/position/set-leverage", _leverage("1"))
    hand.create(**MARKET, qty="1200")
    assert D(hand.coin("USDT")["totalPositionIM"]) > 11_000
    assert hand.no("POST", "/v5/order/create", hand.order("spot", qty="500", price="9.9")) == 170131
    assert hand.no("POST", "/v5/order/create", hand.order(qty="500", price="9.9")) == 110007
    hand.bench.exchange.audit()


def test_moves_between_the_engines_wallets_are_no_part_of_the_log(hand: Hand) -> None:
    start_ms = hand.now_ms - 1
    hand.create("spot", qty="1200", price="11")
    hand.create(**MARKET, qty="5")
    hand.bench.clock.now_ms += 1
    rows = hand.rows(
        "/v5/account/transaction-log", accountType="UNIFIED", startTime=start_ms, endTime=hand.now_ms, limit=50
    )
    assert "TRADE" in {row["type"] for row in rows}
    transfers = [row for row in rows if row["type"].startswith("TRANSFER")]
    assert [row["change"] for row in transfers] in ([], ["5000"])  # the first deposit
    total = sum(D(row["change"]) for row in rows if row["currency"] == "USDT" and row["type"] == "TRADE")
    assert D(hand.coin("USDT")["walletBalance"]) == D(15_000) + total


def _leverage(text: str) -> dict[str, str]:
    return {"category": "linear", "symbol": "UNIUSDT", "buyLeverage": text, "sellLeverage": text}


def test_leverage_and_modes_are_settings_with_codes_for_no_change(hand: Hand) -> None:
    hand.ok("POST", "/v5/position/set-leverage", _leverage("5"))
    assert hand.no("POST", "/v5/position/set-leverage", _leverage("5")) == 110043
    assert hand.no("POST", "/v5/position/set-leverage", {**_leverage("5"), "sellLeverage": "4"}) == 10001
    assert hand.no("POST", "/v5/position/set-leverage", _leverage("5000")) == 110013
    mode = {"category": "linear", "coin": "USDT", "mode": 0}
    assert hand.no("POST", "/v5/position/switch-mode", mode) == 110025
    hand.create(**MARKET)
    assert hand.no("POST", "/v5/position/switch-mode", {**mode, "mode": 3}) == 110024
    (held,) = hand.rows("/v5/position/list", category="linear", settleCoin="USDT")
    assert (held["side"], held["leverage"], held["positionIdx"]) == ("Buy", "5", 0)


def test_the_margin_mode_is_the_accounts_and_is_not_changed_under_a_position(hand: Hand) -> None:
    assert hand.ok("GET", "/v5/account/info")["marginMode"] == "ISOLATED_MARGIN"
    hand.create(**MARKET)
    cross = {"setMarginMode": "REGULAR_MARGIN"}
    assert hand.no("POST", "/v5/account/set-margin-mode", cross) == 3400045
    hand.create(**MARKET, side="Sell", reduceOnly=True)
    hand.ok("POST", "/v5/account/set-margin-mode", cross)
    hand.create(**MARKET)
    position = hand.bench.exchange.position("main", "UNI/USDT:USDT")
    assert position is not None
    assert not position.is_isolated


def test_an_account_in_hedge_mode_refuses_orders_of_one_way_mode(hand: Hand) -> None:
    hand.bench.exchange.put_into_modes("main", AccountModes(is_hedge_mode=True))
    assert hand.no("POST", "/v5/order/create", hand.order(positionIdx=0)) == 10001
    rows = hand.rows("/v5/position/list", category="linear", symbol="UNIUSDT")
    assert [row["positionIdx"] for row in rows] == [1, 2]


def test_what_an_account_has_left_of_an_endpoint_is_in_the_headers(hand: Hand) -> None:
    path, asked = "/v5/position/list", {"category": "linear", "settleCoin": "USDT"}
    left = [int(hand.ask("GET", path, asked).headers["X-Bapi-Limit-Status"]) for _ in range(50)]
    assert left == list(range(49, -1, -1))
    assert hand.no("GET", path, asked) == 10006
    assert int(hand.bench.seen[-1].headers["X-Bapi-Limit-Reset-Timestamp"]) == hand.now_ms + 1_000
    assert hand.ok("GET", "/v5/account/info")  # another endpoint has its own
    hand.bench.clock.now_ms += 1_000
    assert hand.ok("GET", path, asked)["list"] == []


def test_an_address_that_asks_too_much_is_shut_out_for_ten_minutes(hand: Hand) -> None:
    for _ in range(ADDRESS_LIMIT):
        assert hand.ask("GET", "/v5/market/time", key=None).status == 200
    assert hand.ask("GET", "/v5/market/time", key=None).status == 403
    hand.bench.clock.now_ms += BAN_MS - 1
    assert hand.ask("POST", "/v5/order/create", hand.order()).status == 403
    hand.bench.clock.now_ms += 1
    assert hand.ask("GET", "/v5/market/time", key=None).status == 200


def test_one_account_is_reached_in_both_dialects(make_hand: Callable[..., Hand]) -> None:
    hand = make_hand("binance", "bybit")
    hand.create("spot", price="11")
    hand.create(**MARKET)
    trades = hand.bench.ok("GET", "/api/v3/myTrades", {"symbol": "UNIUSDT"})
    assert [trade["qty"] for trade in trades] == ["10.00000000"]
    (position,) = [row for row in hand.bench.ok("GET", "/fapi/v3/positionRisk") if float(row["positionAmt"])]
    assert D(position["positionAmt"]) == 10
    hand.bench.ok("POST", "/api/v3/order", {"symbol": "UNIUSDT", "side": "SELL", "type": "MARKET", "quantity": "5"})
    hand.bench.clock.now_ms += VISIBLE_AFTER_MS
    assert len(hand.rows("/v5/execution/list", category="spot", symbol="UNIUSDT")) == 2
    hand.bench.exchange.audit()


def test_a_liquidation_has_no_client_id_and_says_what_made_it(hand: Hand) -> None:
    hand.ok("POST", "/v5/position/set-leverage", _leverage("50"))
    hand.create(qty="50", **MARKET)
    for symbol in ("UNI/USDT", "UNI/USDT:USDT"):
        hand.bench.move(symbol, 8.0)
    hand.rows("/v5/position/list", category="linear", symbol="UNIUSDT")
    hand.bench.clock.now_ms += VISIBLE_AFTER_MS
    newest = hand.rows("/v5/order/history", category="linear", symbol="UNIUSDT")[0]
    assert (newest["side"], newest["orderLinkId"]) == ("Sell", "")
    assert newest["createType"].startswith(("CreateByLiq", "CreateByTakeOver"))
    execution = hand.rows("/v5/execution/list", category="linear", symbol="UNIUSDT")[0]
    assert (execution["execType"], execution["orderLinkId"]) == ("BustTrade", "")
