"""Bybit's orders that are changed while they rest, several orders in one request, candles of mark and index."""

from typing import Any

import pytest

from bot.simex.dialects.bybit.common import VISIBLE_AFTER_MS
from tests.simex.dialects.test_bybit import MARKET, D, Hand, hand, make_hand

__all__ = ["hand", "make_hand"]
UNI = {"category": "linear", "symbol": "UNIUSDT"}
AMEND = "/v5/order/amend"


@pytest.mark.parametrize("category", ["linear", "spot"])
def test_an_order_takes_another_size_and_price(hand: Hand, category: str) -> None:
    link = hand.create(category, price="9")
    own, number = {**UNI, "category": category, "orderLinkId": link}, hand.row(link, category)["orderId"]
    named = {"orderId": number, "orderLinkId": link}
    assert hand.ok("POST", AMEND, {**own, "price": "9.5"}) == named
    assert hand.ok("POST", AMEND, {**UNI, "category": category, "orderId": number, "qty": "12"}) == named
    row = hand.row(link, category)
    assert (row["price"], row["qty"], row["orderId"]) == ("9.5", "12", number)
    assert hand.no("POST", AMEND, {**own, "qty": "12"}) == 10001
    assert hand.no("POST", AMEND, {**own, "triggerPrice": "8"}) == 10001
    assert hand.no("POST", AMEND, {**own, "qty": "1000000"}) == (10001 if category == "linear" else 170136)
    assert hand.row(link, category)["qty"] == "12", "a refused change changes nothing"
    hand.bench.exchange.audit()
    hand.ok("POST", "/v5/order/cancel", own)
    assert hand.no("POST", AMEND, {**own, "price": "9"}) == (110001 if category == "linear" else 170213)
    hand.bench.exchange.audit()


@pytest.mark.parametrize("category", ["linear", "spot"])
def test_a_changed_order_may_fill(hand: Hand, category: str) -> None:
    link = hand.create(category, price="9")
    hand.ok("POST", AMEND, {**UNI, "category": category, "orderLinkId": link, "price": "10.5"})
    assert hand.row(link, category)["orderStatus"] == "Filled"
    hand.bench.exchange.audit()


def test_a_stop_takes_another_trigger(hand: Hand) -> None:
    hand.create(**MARKET)
    fall = {"triggerPrice": "9.7", "triggerDirection": 2, "reduceOnly": True}
    link = hand.create(side="Sell", **MARKET, **fall)
    own = {**UNI, "orderLinkId": link}
    hand.ok("POST", AMEND, {**own, "triggerPrice": "9.9", "qty": "8"})
    row = hand.row(link)
    assert (row["triggerPrice"], row["qty"], row["orderStatus"]) == ("9.9", "8", "Untriggered")
    assert hand.no("POST", AMEND, {**own, "price": "9"}) == 10001
    assert hand.no("POST", AMEND, {**own, "triggerPrice": "12"}) == 110092, "it would fire at once"
    assert hand.row(link)["triggerPrice"] == "9.9"
    hand.bench.move("UNI/USDT:USDT", 9.8, after_ms=60_000)
    assert hand.row(link)["orderStatus"] == "Filled"
    hand.bench.exchange.audit()


def test_a_batch_answers_each_order(hand: Hand) -> None:
    def ask(what: str, request: Any) -> Any:
        return hand.ask("POST", f"/v5/order/{what}-batch", {"category": "linear", "request": request}).content

    order = {"symbol": "UNIUSDT", "side": "Buy", "orderType": "Limit", "qty": "10", "price": "9"}
    answer = ask("create", [{**order, "orderLinkId": "a"}, {**order, "qty": "0"}, order])
    assert (answer["retCode"], [row["code"] for row in answer["retExtInfo"]["list"]]) == (0, [0, 10001, 0])
    first, refused, last = answer["result"]["list"]
    assert (first["category"], first["symbol"], first["orderLinkId"]) == ("linear", "UNIUSDT", "a")
    assert int(first["createAt"]) == hand.now_ms
    assert (refused["orderId"], refused["createAt"], refused["symbol"]) == ("", "", "UNIUSDT")
    hand.bench.clock.now_ms += VISIBLE_AFTER_MS
    answer = ask("amend", [{"symbol": "UNIUSDT", "orderId": last["orderId"], "price": "9.5"}])
    assert answer["retExtInfo"]["list"] == [{"code": 0, "msg": "OK"}]
    assert answer["result"]["list"][0]["orderId"] == last["orderId"]
    answer = ask("cancel", [{"symbol": "UNIUSDT", "orderLinkId": name} for name in ("a", "nobody")])
    assert [row["code"] for row in answer["retExtInfo"]["list"]] == [0, 110001]
    (left,) = hand.rows("/v5/order/realtime", **UNI)
    assert (left["orderId"], left["price"]) == (last["orderId"], "9.5")
    for request in ([], [order] * 21, "x", [1]):
        assert ask("create", request)["retCode"] == 10001
    hand.bench.exchange.audit()


def test_candles_of_mark_and_index_have_prices_alone(hand: Hand) -> None:
    asked = {**UNI, "interval": "60", "limit": "3"}
    traded = hand.ok("GET", "/v5/market/kline", asked, key=None)["list"]
    for kind in ("mark", "index"):
        rows = hand.ok("GET", f"/v5/market/{kind}-price-kline", asked, key=None)["list"]
        assert [row[0] for row in rows] == [row[0] for row in traded]
        assert all(len(row) == 5 and D(row[3]) <= D(row[2]) for row in rows)
    assert hand.no("GET", "/v5/market/mark-price-kline", {**asked, "category": "spot"}, key=None) == 10001
