"""Endpoints that outside clients ask for beside the usual ones: the tape, batches, changed orders, statistics."""

import json
from decimal import Decimal
from typing import Any

import pytest

from tests.simex.dialects.conftest import START_MS, Bench

D = Decimal
SPOT, PERP = "UNI/USDT", "UNI/USDT:USDT"
UNI = {"symbol": "UNIUSDT"}
SORDER, FORDER, BATCH = "/api/v3/order", "/fapi/v1/order", "/fapi/v1/batchOrders"
LIMIT = {**UNI, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "20", "price": "9"}
REPLACE, AMEND = "/api/v3/order/cancelReplace", "/api/v3/order/amend/keepPriority"


@pytest.mark.parametrize("root", ["/api/v3", "/fapi/v1"])
def test_the_tape_is_the_same_however_it_is_asked_for(bench: Bench, root: str) -> None:
    key = "mainkey"
    rows = bench.public(f"{root}/trades", **UNI, limit=50)
    assert [row["id"] for row in rows] == list(range(rows[0]["id"], rows[0]["id"] + 50))
    assert all(START_MS - 50_000 < row["time"] <= START_MS for row in rows)
    first = rows[10]["id"]
    older = bench.ok("GET", f"{root}/historicalTrades", {**UNI, "fromId": first, "limit": 5}, key=key)
    assert older == rows[10:15]
    by_id = bench.public(f"{root}/aggTrades", **UNI, fromId=first, limit=5)
    times = {"startTime": rows[10]["time"], "endTime": rows[14]["time"]}
    assert bench.public(f"{root}/aggTrades", **UNI, **times) == by_id
    assert [(row["a"], row["p"], row["q"], row["T"]) for row in by_id] == [
        (row["id"], row["price"], row["qty"], row["time"]) for row in rows[10:15]
    ]
    assert (
        bench.public(f"{root}/aggTrades", **UNI, limit=1)[0]["p"]
        == bench.public(f"{root}/ticker/price", **UNI)["price"]
    )


def test_futures_history_of_trades_asks_for_a_key(bench: Bench) -> None:
    assert bench.no("GET", "/fapi/v1/historicalTrades", UNI, key=None)[0] == -2014


def test_windows_of_other_lengths(bench: Bench) -> None:
    bench.move(SPOT, 12.0, after_ms=600_000)
    row = bench.public("/api/v3/ticker", **UNI, windowSize="1h")
    assert (D(row["lastPrice"]), D(row["highPrice"]), D(row["openPrice"])) == (12, 12, 10)
    assert row["closeTime"] - row["openTime"] == pytest.approx(3_600_000, abs=60_000)
    day = bench.public("/api/v3/ticker/tradingDay", **UNI, timeZone="2")
    assert (day["openTime"] + 7_200_000) % 86_400_000 == 0
    assert bench.public("/api/v3/ticker", symbols='["UNIUSDT"]', type="MINI")[0].keys() < row.keys()
    for params in ({}, {**UNI, "windowSize": "8d"}, {**UNI, "windowSize": "x"}):
        assert bench.no("GET", "/api/v3/ticker", params, key=None)[0] in (-1128, -1130)


def test_a_batch_answers_each_order(bench: Bench) -> None:
    bad = {**LIMIT, "quantity": "0"}
    orders = [{**LIMIT, "newClientOrderId": "a"}, bad, {**LIMIT, "price": "9.5", "newClientOrderId": "b"}]
    placed = bench.ok("POST", BATCH, {"batchOrders": json.dumps(orders)})
    assert [row.get("clientOrderId") or row["code"] for row in placed] == ["a", -4003, "b"]
    change = [{**UNI, "side": "BUY", "origClientOrderId": "a", "quantity": "10", "price": "8.5"}]
    (changed,) = bench.ok("PUT", BATCH, {"batchOrders": json.dumps(change)})
    assert (D(changed["price"]), D(changed["origQty"]), changed["orderId"]) == (D("8.5"), 10, placed[0]["orderId"])
    gone = bench.ok("DELETE", BATCH, {**UNI, "origClientOrderIdList": '["a","nobody"]'})
    assert [row.get("status") or row["code"] for row in gone] == ["CANCELED", -2011]
    assert bench.ok("DELETE", BATCH, {**UNI, "orderIdList": f"[{placed[2]['orderId']}]"})[0]["status"] == "CANCELED"
    many = {"batchOrders": json.dumps([LIMIT] * 6)}
    assert bench.no("POST", BATCH, many) == (-4082, "Invalid number of batch place orders: 6")
    numbers = {**UNI, "orderIdList": json.dumps(list(range(1, 12)))}
    assert bench.no("DELETE", BATCH, numbers) == (-4032, "Exceed maximum cancel order size.")
    assert bench.no("POST", BATCH, {"batchOrders": "["})[0] == -1130


def test_a_changed_futures_order_keeps_its_id_and_may_fill(bench: Bench) -> None:
    placed = bench.ok("POST", FORDER, LIMIT)
    own = {**UNI, "side": "BUY", "orderId": placed["orderId"]}
    assert bench.no("PUT", FORDER, {**own, "quantity": "20", "price": "9"})[0] == -5027
    assert bench.no("PUT", FORDER, {**own, "quantity": "99999", "price": "9"})[0] < 0
    assert bench.ok("GET", "/fapi/v1/openOrders")[0]["origQty"] == placed["origQty"], "a refused change changes nothing"
    changed = bench.ok("PUT", FORDER, {**own, "quantity": "30", "price": "9.5"})
    assert (changed["orderId"], D(changed["price"]), D(changed["origQty"]), changed["status"]) == (
        placed["orderId"],
        D("9.5"),
        30,
        "NEW",
    )
    filled = bench.ok("PUT", FORDER, {**own, "quantity": "30", "price": "10.5"})
    assert (filled["status"], D(filled["executedQty"])) == ("FILLED", 30)
    assert D(bench.ok("GET", "/fapi/v3/positionRisk")[0]["positionAmt"]) == 30
    history = bench.ok("GET", "/fapi/v1/orderAmendment", UNI)
    assert [row["amendment"]["count"] for row in history] == [1, 2]
    assert D(history[0]["amendment"]["price"]["before"]) == 9
    bench.exchange.audit()


def test_the_margin_of_a_changed_order_is_counted_once(bench: Bench) -> None:
    bench.ok("POST", "/fapi/v1/leverage", {**UNI, "leverage": 1})
    placed = bench.ok("POST", FORDER, {**LIMIT, "quantity": "500"})
    own = {**UNI, "side": "BUY", "orderId": placed["orderId"]}
    bench.ok("PUT", FORDER, {**own, "quantity": "520", "price": "9"})
    assert bench.no("PUT", FORDER, {**own, "quantity": "600", "price": "9"})[0] == -2019
    account = bench.ok("GET", "/fapi/v3/account")
    assert D(account["totalOpenOrderInitialMargin"]) == 520 * 9


def replaced(bench: Bench, **more: Any) -> Any:
    return bench.ask("POST", REPLACE, {**LIMIT, "price": "8.8", "cancelReplaceMode": "STOP_ON_FAILURE", **more})


def test_cancel_and_replace_shows_both_results(bench: Bench) -> None:
    placed = bench.ok("POST", SORDER, LIMIT)
    both = replaced(bench, cancelOrderId=placed["orderId"]).content
    assert (both["cancelResult"], both["newOrderResult"]) == ("SUCCESS", "SUCCESS")
    assert both["cancelResponse"]["orderId"] == placed["orderId"] != both["newOrderResponse"]["orderId"]
    stopped = replaced(bench, cancelOrderId=placed["orderId"])
    assert (stopped.status, stopped.content["code"]) == (400, -2022)
    assert stopped.content["data"]["newOrderResult"] == "NOT_ATTEMPTED"
    partly = replaced(bench, cancelOrderId=placed["orderId"], cancelReplaceMode="ALLOW_FAILURE")
    assert (partly.status, partly.content["code"]) == (409, -2021)
    assert partly.content["data"]["cancelResponse"]["code"] == -2011
    assert len(bench.ok("GET", "/api/v3/openOrders")) == 2


def test_a_smaller_order_keeps_its_place(bench: Bench) -> None:
    placed = bench.ok("POST", SORDER, LIMIT)
    own = {**UNI, "orderId": placed["orderId"]}
    changed = bench.ok("PUT", AMEND, {**own, "newQty": "12"})
    assert D(changed["amendedOrder"]["qty"]) == 12
    (locked,) = [row for row in bench.ok("GET", "/api/v3/account")["balances"] if row["asset"] == "USDT"]
    assert D(locked["locked"]) == 12 * 9
    assert bench.no("PUT", AMEND, {**own, "newQty": "12"})[0] == -2038
    assert bench.no("PUT", AMEND, {**own, "newQty": "30"})[0] == -2038
    assert bench.no("PUT", AMEND, {**own, "newQty": "0.1"}) == (-1013, "Filter failure: NOTIONAL")
    (row,) = bench.ok("GET", "/api/v3/order/amendments", own)
    assert (D(row["origQty"]), D(row["newQty"])) == (20, 12)
    bench.exchange.audit()


@pytest.mark.parametrize(
    "path", ["globalLongShortAccountRatio", "topLongShortAccountRatio", "topLongShortPositionRatio"]
)
def test_ratios_are_the_same_whenever_they_are_asked_for(bench: Bench, path: str) -> None:
    rows = bench.public(f"/futures/data/{path}", **UNI, period="5m", limit=10)
    assert len(rows) == 10
    assert all(D(row["longAccount"]) + D(row["shortAccount"]) == 1 for row in rows)
    bench.clock.now_ms += 300_000
    assert bench.public(f"/futures/data/{path}", **UNI, period="5m", limit=10)[:-1] == rows[1:]


def test_forced_orders_and_moved_margin_are_listed(bench: Bench) -> None:
    bench.ok("POST", "/fapi/v1/marginType", {**UNI, "marginType": "ISOLATED"})
    bench.ok("POST", "/fapi/v1/leverage", {**UNI, "leverage": 50})
    bench.ok("POST", FORDER, {**UNI, "side": "BUY", "type": "MARKET", "quantity": "50"})
    bench.ok("POST", "/fapi/v1/positionMargin", {**UNI, "amount": "3", "type": "1"})
    (row,) = bench.ok("GET", "/fapi/v1/positionMargin/history", UNI)
    assert (D(row["amount"]), row["type"]) == (3, 1)
    assert bench.ok("GET", "/fapi/v1/forceOrders") == []
    bench.move(PERP, 8.0)
    (order,) = bench.ok("GET", "/fapi/v1/forceOrders", {"autoCloseType": "LIQUIDATION"})
    assert order["clientOrderId"].startswith("autoclose-")
    assert bench.ok("GET", "/fapi/v1/forceOrders", {"autoCloseType": "ADL"}) == []


def test_transfers_are_listed_by_direction(bench: Bench) -> None:
    bench.ok("POST", "/sapi/v1/asset/transfer", {"type": "MAIN_UMFUTURE", "asset": "USDT", "amount": "7"})
    shown = bench.ok("GET", "/sapi/v1/asset/transfer", {"type": "MAIN_UMFUTURE"})
    assert (shown["rows"][0]["amount"], shown["rows"][0]["status"]) == ("7", "CONFIRMED")
    assert bench.ok("GET", "/sapi/v1/asset/transfer", {"type": "UMFUTURE_MAIN"}) == {"total": 0, "rows": []}


def test_the_switch_of_fees_is_kept(bench: Bench) -> None:
    path = "/fapi/v1/feeBurn"
    assert bench.ok("GET", path) == {"feeBurn": False}
    bench.ok("POST", path, {"feeBurn": "true"})
    assert bench.ok("GET", path) == {"feeBurn": True}
    assert bench.ok("GET", path, key="otherkey") == {"feeBurn": False}


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("/fapi/v1/assetIndex", {}),
        ("/fapi/v1/indexInfo", {}),
        ("/fapi/v1/constituents", UNI),
        ("/fapi/v1/insuranceBalance", {}),
        ("/fapi/v1/symbolAdlRisk", {}),
        ("/fapi/v1/tradingSchedule", {}),
        ("/futures/data/delivery-price", {"pair": "UNIUSDT"}),
        ("/api/v3/executionRules", UNI),
        ("/api/v3/historicalBlockTrades", UNI),
        ("/futures/data/takerlongshortRatio", {**UNI, "period": "1h"}),
        ("/futures/data/basis", {"pair": "UNIUSDT", "contractType": "PERPETUAL", "period": "1h"}),
    ],
)
def test_public_reads_answer(bench: Bench, path: str, params: dict[str, str]) -> None:
    assert bench.public(path, **params) is not None


@pytest.mark.parametrize(
    "path",
    [
        "/sapi/v1/account/status",
        "/sapi/v1/account/apiTradingStatus",
        "/sapi/v1/account/info",
        "/sapi/v1/asset/assetDividend",
        "/sapi/v1/asset/assetDetail",
        "/sapi/v1/spot/delist-schedule",
        "/sapi/v1/bnbBurn",
        "/fapi/v1/apiTradingStatus",
        "/api/v3/allOrderList",
    ],
)
def test_private_reads_answer(bench: Bench, path: str) -> None:
    bench.ok("GET", path)


def test_times_out_of_order_are_refused_in_the_words_of_their_market(bench: Bench) -> None:
    query = {**UNI, "interval": "1h", "startTime": START_MS, "endTime": START_MS - 1}
    spot = bench.no("GET", "/api/v3/klines", query, key=None)
    assert spot == (-1128, "Combination of optional parameters invalid.")
    perp = bench.no("GET", "/fapi/v1/klines", query, key=None)
    assert perp == (-1023, "Start time is greater than end time.")


@pytest.mark.parametrize("root", ["/api/v3", "/fapi/v1"])
def test_the_volume_of_a_day_is_of_whole_steps(bench: Bench, root: str) -> None:
    step = D("0.01") if root == "/api/v3" else D("0.1")
    rows = [bench.public(f"{root}/ticker/24hr", **UNI)]
    if root == "/api/v3":
        rows.append(bench.public(f"{root}/ticker", **UNI))
    for row in rows:
        assert D(row["volume"]) > 0
        assert D(row["volume"]) % step == 0


def test_no_symbol_has_a_reference_price(bench: Bench) -> None:
    for path in ("/api/v3/referencePrice", "/api/v3/referencePrice/calculation"):
        assert bench.no("GET", path, UNI, key=None) == (-2043, "This symbol doesn't have a reference price.")


def test_the_book_with_the_orders_of_people_is_the_book(bench: Bench) -> None:
    book = bench.public("/fapi/v1/depth", **UNI, limit=1000)
    assert bench.public("/fapi/v1/rpiDepth", **UNI) == book


@pytest.mark.parametrize("extra", [{}, {"price": None, "timeInForce": None, "type": "MARKET", "quantity": "3"}])
def test_a_test_order_of_futures_is_shown_and_not_placed(bench: Bench, extra: dict[str, Any]) -> None:
    order = {name: value for name, value in {**LIMIT, "newClientOrderId": "mine", **extra}.items() if value}
    shown = bench.ok("POST", "/fapi/v1/order/test", order)
    placed = bench.ok("POST", FORDER, order)
    assert shown.keys() == placed.keys()
    assert (shown["orderId"], shown["status"], shown["clientOrderId"]) == (0, "NEW", "mine")
    same = ("symbol", "side", "type", "timeInForce", "origQty", "price", "reduceOnly", "positionSide")
    assert [shown[name] for name in same] == [placed[name] for name in same]
    assert len(bench.ok("GET", "/fapi/v1/allOrders", UNI)) == 1


def test_an_order_keeps_the_label_of_its_strategy(bench: Bench) -> None:
    """It was taken and forgotten, and any type was."""
    label = {"strategyId": 7, "strategyType": 1_000_001}
    placed = bench.ok("POST", SORDER, {**LIMIT, **label, "newOrderRespType": "RESULT"})
    assert placed.items() >= label.items()
    assert bench.ok("GET", SORDER, {**UNI, "orderId": placed["orderId"]}).items() >= label.items()
    (row,) = bench.ok("GET", "/api/v3/openOrders")
    assert row.items() >= label.items()
    assert "strategyId" not in bench.ok("POST", SORDER, {**LIMIT, "newOrderRespType": "RESULT"})
    refused = bench.no("POST", SORDER, {**LIMIT, "strategyType": 999_999})
    assert refused == (-1134, "strategyType was less than 1000000.")


def test_orders_of_all_futures_are_listed_without_a_symbol(bench: Bench) -> None:
    link = {**LIMIT, "symbol": "LINKUSDT", "price": "18"}
    for number, order in enumerate((LIMIT, link, LIMIT, link)):
        bench.clock.now_ms += 1000
        bench.ok("POST", FORDER, {**order, "newClientOrderId": f"o{number}"})
    names = [row["clientOrderId"] for row in bench.ok("GET", "/fapi/v1/allOrders")]
    assert names == ["o0", "o1", "o2", "o3"]
    assert [row["clientOrderId"] for row in bench.ok("GET", "/fapi/v1/allOrders", {"limit": 2})] == ["o2", "o3"]
    since = {"startTime": START_MS, "limit": 2}
    assert [row["clientOrderId"] for row in bench.ok("GET", "/fapi/v1/allOrders", since)] == ["o0", "o1"]
    assert len(bench.ok("GET", "/fapi/v1/allOrders", UNI)) == 2


def test_a_change_keeps_the_label_of_its_caller(bench: Bench) -> None:
    placed = bench.ok("POST", FORDER, LIMIT)
    own = {**UNI, "side": "BUY", "orderId": placed["orderId"], "quantity": "20"}
    changed = bench.ok("PUT", FORDER, {**own, "price": "9.1", "modifyId": 42})
    assert (changed["modifyId"], changed["pair"]) == (42, "UNIUSDT")
    assert "modifyId" not in bench.ok("PUT", FORDER, {**own, "price": "9.2"})
    shown = [row["amendment"].get("modifyId") for row in bench.ok("GET", "/fapi/v1/orderAmendment", UNI)]
    assert shown == [42, None]
