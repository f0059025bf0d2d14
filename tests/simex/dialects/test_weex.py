"""WEEX's dialect over the engine: as strict as the venue's documents, and where they are silent never kinder."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pytest

from bot.domain.durations import DAY_MS
from bot.simex.dialects.weex.common import UNLISTED
from bot.simex.dialects.weex.dialect import sign
from bot.simex.dialects.wire import WireReply, WireRequest
from bot.simex.engine.types import PositionSide
from tests.simex.dialects.conftest import KEYS, Bench, MakeBench

D = Decimal
SPOT_HOST, PERP_HOST = "api-spot.weex.com", "api-contract.weex.com"
PERP = "UNI/USDT:USDT"


@dataclass
class WeexHand:
    """Asks a bench in the words of WEEX."""

    bench: Bench
    names: int = 0

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
        host: str = "",
        lead_ms: int = 0,
        secret: str = "",
        without: str = "",
        **headers: str,
    ) -> WireReply:
        host = host or (PERP_HOST if path.startswith("/capi/") else SPOT_HOST)
        query = urlencode(params or {}) if method != "POST" else ""
        body = json.dumps(params or {}, separators=(",", ":")) if method == "POST" else ""
        sent: dict[str, str] = {}
        if key is not None:
            stamp = str(self.now_ms + lead_ms)
            signed = f"{stamp}{method}{path}{'?' + query if query else ''}{body}"
            own = KEYS[key].secret if key in KEYS else "none"
            sent = {
                "access-key": key,
                "access-sign": sign(secret or own, signed),
                "access-passphrase": own,
                "access-timestamp": stamp,
                "content-type": "application/json",
                **{name.replace("_", "-"): value for name, value in headers.items()},
            }
            sent.pop(without, None)
        reply: WireReply = self.bench.simex.respond(WireRequest(method, path, query, body, sent, host))
        self.bench.seen.append(reply)
        return reply

    def ok(self, method: str, path: str, params: Mapping[str, Any] | None = None, **kwargs: Any) -> Any:
        found = self.ask(method, path, params, **kwargs)
        assert found.status == 200, found.content
        assert not (isinstance(found.content, dict) and found.content.get("success") is False), found.content
        return found.content

    def no(self, method: str, path: str, params: Mapping[str, Any] | None = None, **kwargs: Any) -> str:
        """The code of a refusal, of either form."""
        found = self.ask(method, path, params, **kwargs)
        is_inside = found.status == 200
        assert is_inside is ("errorCode" in found.content), found.content
        return str(found.content["errorCode"] if is_inside else found.content["code"])

    def order(self, **changes: Any) -> dict[str, Any]:
        self.names += 1
        usual = {
            "symbol": "UNIUSDT",
            "side": "BUY",
            "positionSide": "LONG",
            "type": "LIMIT",
            "quantity": "10",
            "price": "9.5",
            "timeInForce": "GTC",
            "newClientOrderId": f"name{self.names}",
        }
        return {name: value for name, value in {**usual, **changes}.items() if value is not None}

    def market(self, **changes: Any) -> dict[str, Any]:
        return self.order(type="MARKET", price=None, timeInForce=None, **changes)

    def stop(self, **changes: Any) -> dict[str, Any]:
        usual = {
            "side": "SELL",
            "type": "STOP_MARKET",
            "triggerPrice": "9",
            "SlWorkingType": "MARK_PRICE",
            "newClientOrderId": None,
        }
        made = self.order(**{"price": None, "timeInForce": None, **usual, **changes})
        return {"clientAlgoId": f"stop{self.names}", **made}


@pytest.fixture
def make_hand(make_bench: MakeBench) -> Callable[..., WeexHand]:
    def make(**kwargs: Any) -> WeexHand:
        bench = make_bench(**kwargs)
        bench.simex.serve_dialects(("weex",))
        return WeexHand(bench)

    return make


@pytest.fixture
def hand(make_hand: Callable[..., WeexHand]) -> WeexHand:
    return make_hand()


def desk_of(hand: WeexHand) -> Any:
    (dialect,) = hand.bench.simex._dialects
    return dialect.desk  # type: ignore[attr-defined]


def test_a_signature_covers_time_method_path_query_and_body(hand: WeexHand) -> None:
    path = "/capi/v3/account/symbolConfig"
    assert hand.ok("GET", path, {"symbol": "UNIUSDT"})[0]["separatedType"] == "COMBINED"
    assert hand.no("GET", path, secret="another") == "-1047"
    assert hand.no("GET", path, access_sign="no base64!") == "-1047"
    assert hand.no("GET", path, key="nobody") == "-1044"
    assert hand.no("GET", path, access_passphrase="another") == "-1049"
    for code, name in (("-1040", "access-key"), ("-1041", "access-sign"), ("-1042", "access-timestamp")):
        assert hand.no("GET", path, without=name) == code
    assert hand.no("GET", path, access_timestamp="soon") == "-1043"
    assert hand.no("POST", "/api/v3/order", hand.order(), content_type="text/plain") == "-1045"


def test_a_request_has_thirty_seconds_and_nothing_to_choose(hand: WeexHand) -> None:
    path = "/capi/v3/account/balance"
    hand.ok("GET", path, lead_ms=-30_000)
    assert hand.no("GET", path, lead_ms=-30_001) == "-1046"
    assert hand.no("GET", path, lead_ms=30_001) == "-1046"
    assert hand.no("GET", path, {"recvWindow": 60_000}, lead_ms=-30_001) == "-1046"


def test_each_host_has_its_own_paths(hand: WeexHand) -> None:
    assert hand.ask("GET", "/api/v3/time", key=None, host=PERP_HOST).status == 404
    assert hand.ask("GET", "/capi/v3/market/time", key=None, host=SPOT_HOST).status == 404
    assert hand.ok("GET", "/api/v3/time", key=None) == {"serverTime": hand.now_ms}
    for path in ("/capi/v3/sim/balance", "/capi/v3/sim/order", "/api/v3/account/transfer"):
        assert hand.ask("GET", path).status == 404


def test_weight_and_orders_are_counted_and_too_much_is_refused(hand: WeexHand) -> None:
    path = "/api/v3/exchangeInfo"
    statuses = [hand.ask("GET", path, key=None).status for _ in range(26)]
    assert statuses == [200] * 25 + [429]
    hand.bench.clock.now_ms += 10_000
    cancel = {"origClientOrderId": "none"}
    codes = []
    for _ in range(51):
        codes.append(hand.ask("DELETE", "/capi/v3/order", cancel).status)
        hand.bench.clock.now_ms += 100
    assert codes == [200] * 50 + [429]
    hand.bench.clock.now_ms += 60_000
    assert hand.no("DELETE", "/capi/v3/order", cancel) == "-3200"


def test_refusals_of_perp_orders_stand_in_an_answer_and_those_of_spot_do_not(hand: WeexHand) -> None:
    found = hand.ask("POST", "/capi/v3/order", hand.order(quantity="1e-05"))
    assert (found.status, found.content["success"], found.content["errorCode"]) == (200, False, "-1160")
    found = hand.ask("POST", "/api/v3/order", hand.order(quantity="1e-05"))
    assert (found.status, found.content["code"]) == (400, -1160)
    desk_of(hand).refuses_in_answers = False
    found = hand.ask("POST", "/capi/v3/order", hand.order(quantity="1e-05"))
    assert (found.status, found.content["code"]) == (400, -1160)


def test_a_sell_of_the_short_side_opens_it_while_a_long_is_held(hand: WeexHand) -> None:
    hand.ok("POST", "/capi/v3/order", hand.market())
    assert not hand.bench.exchange.modes("main").is_hedge_mode
    hand.ok("POST", "/capi/v3/order", hand.market(side="SELL", positionSide="SHORT", quantity="4"))
    rows = hand.ok("GET", "/capi/v3/account/position/allPosition")
    assert {(row["side"], row["size"]) for row in rows} == {("LONG", "10"), ("SHORT", "4")}
    hand.ok("POST", "/capi/v3/order", hand.market(side="SELL", positionSide="LONG", quantity="10"))
    (row,) = hand.ok("GET", "/capi/v3/account/position/allPosition")
    assert (row["side"], row["size"], row["separatedMode"]) == ("SHORT", "4", "COMBINED")


def test_a_sell_of_the_long_side_reduces_it_whatever_the_flag_says(hand: WeexHand) -> None:
    closing = hand.market(side="SELL", reduceOnly=False)
    assert hand.no("POST", "/capi/v3/order", closing) == str(UNLISTED)
    hand.ok("POST", "/capi/v3/order", hand.market())
    hand.ok("POST", "/capi/v3/order", hand.market(side="SELL", quantity="4", reduceOnly=False))
    (held,) = hand.bench.exchange.positions("main")
    assert (held.size, held.side) == (D(6), PositionSide.BOTH)
    assert hand.no("POST", "/capi/v3/order", hand.market(positionSide=None)) == "-1141"
    assert hand.no("POST", "/capi/v3/order", hand.market(positionSide="BOTH")) == "-1142"


def test_a_time_in_force_is_needed_and_post_only_is_one_of_them(hand: WeexHand) -> None:
    for path in ("/api/v3/order", "/capi/v3/order"):
        assert hand.no("POST", path, hand.order(timeInForce=None)) == "-1115"
        assert hand.no("POST", path, hand.order(timeInForce="GTX")) == "-1115"
        hand.ok("POST", path, hand.order(timeInForce="POST_ONLY"))
        assert hand.no("POST", path, hand.order(timeInForce="POST_ONLY", price="11")) == str(UNLISTED)
        hand.ok("POST", path, hand.order(postOnly=True, price="10.5"))  # ignored: it takes
    assert hand.bench.exchange.trades("main", PERP)


def test_a_stop_of_spot_is_a_market_order_at_once(hand: WeexHand) -> None:
    hand.ok("POST", "/api/v3/order", hand.market(side="SELL", stopLossPrice="9", triggerPrice="9"))
    (trade, *_) = hand.bench.exchange.trades("main", "UNI/USDT")
    assert trade.side.value == "sell"


def test_a_stop_has_lists_and_a_client_id_of_its_own_and_is_cancelled_by_number(hand: WeexHand) -> None:
    hand.ok("POST", "/capi/v3/order", hand.market())
    made = hand.ok("POST", "/capi/v3/algoOrder", hand.stop(clientAlgoId="mystop"))
    assert made["clientOrderId"] == "mystop"
    assert hand.ok("GET", "/capi/v3/openOrders", {"symbol": "UNIUSDT"}) == []
    (row,) = hand.ok("GET", "/capi/v3/openAlgoOrders", {"symbol": "UNIUSDT"})
    assert (row["clientAlgoId"], row["algoStatus"], row["positionSide"]) == ("mystop", "UNTRIGGERED", "LONG")
    assert hand.no("DELETE", "/capi/v3/algoOrder", {"origClientOrderId": "mystop"}) == "-1141"
    assert hand.no("DELETE", "/capi/v3/order", {"origClientOrderId": "mystop"}) == "-3200"
    hand.ok("DELETE", "/capi/v3/algoOrder", {"orderId": made["orderId"]})
    assert hand.no("DELETE", "/capi/v3/algoOrder", {"orderId": made["orderId"]}) == "-3200"
    assert hand.no("POST", "/capi/v3/algoOrder", hand.stop(timeInForce="GTC")) == "-1115"
    span = {"symbol": "UNIUSDT", "startTime": hand.now_ms - 1_000, "endTime": hand.now_ms}
    found = hand.ok("GET", "/capi/v3/allAlgoOrders", span)
    assert ([one["algoStatus"] for one in found["orders"]], found["hasMore"]) == (["CANCELED"], False)
    assert "STOP_MARKET" in [one["type"] for one in hand.ok("GET", "/capi/v3/order/history", span)]


def test_no_perp_order_is_found_by_its_client_id(hand: WeexHand) -> None:
    hand.ok("POST", "/capi/v3/order", hand.order(newClientOrderId="mine"))
    assert hand.no("GET", "/capi/v3/order", {"origClientOrderId": "mine"}) == "-1141"
    (row,) = hand.ok("GET", "/capi/v3/openOrders", {"symbol": "UNIUSDT"})
    assert hand.ok("GET", "/capi/v3/order", {"orderId": row["orderId"]})["clientOrderId"] == "mine"
    assert row["orderId"] > 2**53
    hand.ok("POST", "/api/v3/order", hand.order(newClientOrderId="mine too"[:4] + "2"))
    assert hand.ok("GET", "/api/v3/order", {"origClientOrderId": "mine2"})["status"] == "NEW"


def test_a_client_id_in_use_is_refused_by_words_alone(hand: WeexHand) -> None:
    hand.ok("POST", "/capi/v3/order", hand.order(newClientOrderId="mine"))
    found = hand.ask("POST", "/capi/v3/order", hand.order(newClientOrderId="mine")).content
    assert (found["errorCode"], "uplicate" in found["errorMessage"]) == (str(UNLISTED), True)
    assert hand.no("POST", "/capi/v3/order", hand.order(newClientOrderId="a blank")) == "-1180"
    assert hand.no("POST", "/capi/v3/order", hand.order(newClientOrderId=None)) == "-1141"


def test_a_spot_cancel_of_what_has_ended_fails_inside_an_answer(hand: WeexHand) -> None:
    hand.ok("POST", "/api/v3/order", hand.order(newClientOrderId="mine"))
    assert hand.ok("DELETE", "/api/v3/order", {"origClientOrderId": "mine"})["status"] == "CANCELED"
    again = hand.ok("DELETE", "/api/v3/order", {"origClientOrderId": "mine"})
    assert (again["status"], again["errorMsg"]) == ("FAILED", "FAILED_ORDER_NOT_FOUND")
    assert hand.no("DELETE", "/api/v3/order", {"origClientOrderId": "nobody"}) == "-2200"


def test_a_setting_that_changes_nothing_is_refused_in_words_that_nobody_knows(hand: WeexHand) -> None:
    wanted = {"symbol": "UNIUSDT", "marginType": "ISOLATED", "separatedType": "COMBINED"}
    assert hand.ok("POST", "/capi/v3/account/marginType", wanted)["code"] == "200"
    assert hand.no("POST", "/capi/v3/account/marginType", wanted) == str(UNLISTED)
    assert hand.no("POST", "/capi/v3/account/marginType", {**wanted, "separatedType": "SEPARATED"}) == "-1142"
    leverage = {"symbol": "UNIUSDT", "marginType": "ISOLATED", "isolatedLongLeverage": 3, "isolatedShortLeverage": 3}
    assert hand.ok("POST", "/capi/v3/account/leverage", leverage)["isolatedShortLeverage"] == "3"
    hand.ok("POST", "/capi/v3/account/leverage", {"symbol": "UNIUSDT", "crossLeverage": 7})
    (row,) = hand.ok("GET", "/capi/v3/account/symbolConfig", {"symbol": "UNIUSDT"})
    assert row["isolatedLongLeverage"] == "3"


def test_margin_goes_to_the_position_with_the_number(hand: WeexHand) -> None:
    wanted = {"symbol": "UNIUSDT", "marginType": "ISOLATED"}
    hand.ok("POST", "/capi/v3/account/marginType", wanted)
    hand.ok("POST", "/capi/v3/order", hand.market())
    (row,) = hand.ok("GET", "/capi/v3/account/position/allPosition")
    before = hand.bench.exchange.positions("main")[0].isolated_wallet
    move = {"isolatedPositionId": str(row["id"]), "amount": "2.5", "type": 1}
    hand.ok("POST", "/capi/v3/account/positionMargin", move)
    assert hand.bench.exchange.positions("main")[0].isolated_wallet == before + D("2.5")
    assert hand.no("POST", "/capi/v3/account/positionMargin", {**move, "isolatedPositionId": "17"}) == "-1142"
    assert hand.no("POST", "/capi/v3/account/positionMargin", {**move, "amount": "99999"}) == "-1054"


def test_spot_candles_are_the_newest_whatever_is_asked_for(hand: WeexHand) -> None:
    params = {"symbol": "UNIUSDT", "interval": "1m", "startTime": 1, "limit": 5}
    rows = hand.ok("GET", "/api/v3/market/klines", params, key=None)
    assert len(rows) == 300
    assert rows[-1][0] <= hand.now_ms < rows[-1][6]
    perp = {**params, "interval": "1h"}
    assert len(hand.ok("GET", "/capi/v3/market/klines", perp, key=None)) == 5
    assert hand.no("GET", "/capi/v3/market/historyKlines", {**perp, "limit": 101}, key=None) == "-1140"
    assert hand.no("GET", "/capi/v3/market/depth", {"symbol": "UNIUSDT", "limit": 20}, key=None) == "-1142"


def test_the_forecast_is_the_coming_rate_and_the_last_one_was_settled(hand: WeexHand) -> None:
    (row,) = hand.ok("GET", "/capi/v3/market/premiumIndex", {"symbol": "UNIUSDT"}, key=None)
    coming = hand.bench.exchange.funding(PERP)
    assert (D(row["forecastFundingRate"]), row["nextFundingTime"]) == (coming.rate, coming.next_ms)
    assert row["collectCycle"] == coming.interval_hours * 60
    (ticker, *_) = hand.ok("GET", "/capi/v3/market/ticker/24hr", {"symbol": "UNIUSDT"}, key=None)
    assert "bidPrice" not in ticker
    assert "markPrice" in ticker


def test_income_is_read_by_a_post_with_both_ends_or_neither(hand: WeexHand) -> None:
    path = "/capi/v3/account/income"
    hand.ok("POST", "/capi/v3/order", hand.market())
    found = hand.ok("POST", path, {"limit": 1})
    assert (len(found["items"]), found["items"][0]["incomeType"]) == (1, "order_fill_fee_income")
    assert hand.no("POST", path, {"startTime": hand.now_ms}) == "-1142"
    assert hand.no("POST", path, {"startTime": hand.now_ms - 101 * DAY_MS, "endTime": hand.now_ms}) == "-1170"
    assert hand.no("POST", path, {"limit": 101}) == "-1140"


def test_a_question_about_orders_has_seven_days_at_most(hand: WeexHand) -> None:
    span = {"symbol": "UNIUSDT", "startTime": hand.now_ms - 7 * DAY_MS - 1, "endTime": hand.now_ms}
    for path in ("/api/v3/allOrders", "/api/v3/myTrades", "/capi/v3/order/history", "/capi/v3/userTrades"):
        assert hand.no("GET", path, span) == "-1170"
        assert hand.no("GET", path, {**span, "startTime": hand.now_ms + 1}) == "-1171"
        hand.ok("GET", path, {**span, "startTime": hand.now_ms - 7 * DAY_MS})


def test_fills_of_spot_name_no_currency_of_the_fee_and_those_of_perps_do(hand: WeexHand) -> None:
    hand.ok("POST", "/api/v3/order", hand.market())
    hand.ok("POST", "/capi/v3/order", hand.market())
    (spot, *_) = hand.ok("GET", "/api/v3/myTrades", {"symbol": "UNIUSDT"})
    assert "commissionAsset" not in spot
    assert "isMaker" not in spot
    (perp, *_) = hand.ok("GET", "/capi/v3/userTrades", {"symbol": "UNIUSDT"})
    assert (perp["commissionAsset"], perp["maker"], "clientOrderId" in perp) == ("USDT", False, False)
