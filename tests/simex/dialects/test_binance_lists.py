"""Binance spot order lists: OCO, OTO, OTOCO, the older OCO; what they lock, what ends them, what streams say of it."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from bot.domain.codec import encode
from bot.simex.engine.snapshot import Key
from tests.simex.dialects.conftest import Bench
from tests.simex.dialects.test_binance_streams import Socket

D = Decimal
SPOT = "UNI/USDT"
UNI = {"symbol": "UNIUSDT"}
OCO, OTO, OTOCO = (f"/api/v3/orderList/{kind}" for kind in ("oco", "oto", "otoco"))
ORDER, LIST, OPEN = "/api/v3/order", "/api/v3/orderList", "/api/v3/openOrders"
SELL_PAIR = {
    **UNI,
    "side": "SELL",
    "quantity": "10",
    "aboveType": "LIMIT_MAKER",
    "abovePrice": "11",
    "aboveClientOrderId": "profit",
    "belowType": "STOP_LOSS_LIMIT",
    "belowStopPrice": "9",
    "belowPrice": "8.9",
    "belowTimeInForce": "GTC",
    "belowClientOrderId": "stop",
    "listClientOrderId": "pair",
}
BUY_PAIR = {
    **UNI,
    "side": "BUY",
    "quantity": "10",
    "aboveType": "STOP_LOSS_LIMIT",
    "aboveStopPrice": "11",
    "abovePrice": "12",
    "aboveTimeInForce": "GTC",
    "belowType": "LIMIT_MAKER",
    "belowPrice": "9",
}
WORKING = {
    **UNI,
    "workingType": "LIMIT",
    "workingSide": "BUY",
    "workingPrice": "9",
    "workingQuantity": "10",
    "workingTimeInForce": "GTC",
    "workingClientOrderId": "working",
}
THEN_LIMIT = {
    **WORKING,
    "pendingType": "LIMIT",
    "pendingSide": "SELL",
    "pendingPrice": "12",
    "pendingQuantity": "9",
    "pendingTimeInForce": "GTC",
    "pendingClientOrderId": "pending",
}
THEN_PAIR = {
    **WORKING,
    "pendingSide": "SELL",
    "pendingQuantity": "9",
    "pendingAboveType": "TAKE_PROFIT",
    "pendingAboveStopPrice": "12",
    "pendingBelowType": "STOP_LOSS",
    "pendingBelowStopPrice": "8",
}


def by_client(bench: Bench, name: str) -> Mapping[str, Any]:
    row: Mapping[str, Any] = bench.ok("GET", ORDER, {**UNI, "origClientOrderId": name})
    return row


def locked(bench: Bench, asset: str) -> Decimal:
    (row,) = [r for r in bench.ok("GET", "/api/v3/account")["balances"] if r["asset"] == asset]
    return D(row["locked"])


def test_a_pair_locks_once_and_is_shown_as_documented(bench: Bench) -> None:
    made = bench.ok("POST", OCO, SELL_PAIR)
    assert [made[n] for n in ("contingencyType", "listStatusType", "listOrderStatus", "listClientOrderId")] == [
        "OCO",
        "EXEC_STARTED",
        "EXECUTING",
        "pair",
    ]
    stop, profit = made["orderReports"]
    assert (stop["type"], stop["status"], stop["workingTime"], D(stop["stopPrice"])) == (
        "STOP_LOSS_LIMIT",
        "NEW",
        -1,
        9,
    )
    assert (profit["type"], profit["status"], profit["workingTime"]) == ("LIMIT_MAKER", "NEW", bench.clock.now_ms)
    assert {stop["orderListId"], profit["orderListId"]} == {made["orderListId"]}
    assert [part["orderId"] for part in made["orders"]] == [stop["orderId"], profit["orderId"]]
    assert locked(bench, "UNI") == 10
    own = {"orderListId": made["orderListId"]}
    assert bench.ok("GET", LIST, own) == {name: made[name] for name in made if name != "orderReports"}
    assert bench.ok("GET", LIST, {"origClientOrderId": "pair"}) == bench.ok("GET", "/api/v3/openOrderList")[0]
    assert bench.ok("GET", "/api/v3/allOrderList") == bench.ok("GET", "/api/v3/openOrderList")
    bench.exchange.audit()


@pytest.mark.parametrize(
    ("price", "filled", "ended"), [(11.5, "profit", "stop"), (8.95, "stop", "profit")], ids=["profit", "stop"]
)
def test_what_one_order_of_a_pair_fills_ends_the_other(bench: Bench, price: float, filled: str, ended: str) -> None:
    made = bench.ok("POST", OCO, SELL_PAIR)
    bench.move(SPOT, price)
    bench.clock.now_ms += 1000
    assert by_client(bench, filled)["status"] == "FILLED"
    assert by_client(bench, ended)["status"] == "EXPIRED"
    done = bench.ok("GET", LIST, {"orderListId": made["orderListId"]})
    assert (done["listStatusType"], done["listOrderStatus"]) == ("ALL_DONE", "ALL_DONE")
    assert bench.ok("GET", "/api/v3/openOrderList") == []
    assert locked(bench, "UNI") == 0
    (trade, *_) = bench.ok("GET", "/api/v3/myTrades", UNI)
    assert trade["orderListId"] == made["orderListId"]
    bench.exchange.audit()


@pytest.mark.parametrize("price", [8.5, 11.2])
def test_a_pair_that_buys_locks_the_dearer_order_and_pays_out_of_it(bench: Bench, price: float) -> None:
    bench.ok("POST", OCO, BUY_PAIR | {"quantity": "800"})
    assert locked(bench, "USDT") == 800 * 12
    bench.move(SPOT, price)
    bench.clock.now_ms += 1000
    bench.exchange.audit()
    orders = bench.ok("GET", "/api/v3/allOrders", UNI)
    assert {row["status"] for row in orders} == {"EXPIRED", "FILLED"}
    assert locked(bench, "USDT") == 0


def test_a_pair_that_nobody_can_pay_is_refused_whole(bench: Bench) -> None:
    assert bench.no("POST", OCO, SELL_PAIR | {"quantity": "101"}) == (
        -2010,
        "Account has insufficient balance for requested action.",
    )
    assert bench.ok("GET", OPEN, UNI) == [] == bench.ok("GET", "/api/v3/openOrderList")
    assert locked(bench, "UNI") == 0


@pytest.mark.parametrize("by", ["order", "list", "all", "list name"])
def test_a_cancel_of_one_order_ends_the_list(bench: Bench, by: str) -> None:
    made = bench.ok("POST", OCO, SELL_PAIR)
    if by == "order":
        answer = bench.ok("DELETE", ORDER, {**UNI, "origClientOrderId": "profit"})
    elif by == "all":
        (answer,) = bench.ok("DELETE", OPEN, UNI)
    else:
        name = {"orderListId": made["orderListId"]} if by == "list" else {"listClientOrderId": "pair"}
        answer = bench.ok("DELETE", LIST, {**UNI, **name})
    assert (answer["listOrderStatus"], answer["orderListId"]) == ("ALL_DONE", made["orderListId"])
    assert [r["status"] for r in answer["orderReports"]] == ["CANCELED", "CANCELED"]
    assert [r["origClientOrderId"] for r in answer["orderReports"]] == ["stop", "profit"]
    assert locked(bench, "UNI") == 0
    assert bench.no("DELETE", LIST, {**UNI, "orderListId": made["orderListId"]}) == (-2011, "Unknown order list sent.")
    bench.exchange.audit()


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        ({"abovePrice": "9.5"}, -2010, "The relationship of the prices for the orders is not correct."),
        ({"belowStopPrice": "10.5"}, -2010, "The relationship of the prices for the orders is not correct."),
        ({"aboveType": "LIMIT"}, -1158, "Order type not supported in OCO."),
        ({"belowType": "LIMIT_MAKER"}, -1168, "At least one OCO order must be contingent."),
        ({"side": "BUY"}, -1165, "A limit order in a buy OCO must be below."),
        ({"aboveType": "STOP_LOSS"}, -1197, "A stop loss order in a sell OCO must be below."),
        ({"belowType": "TAKE_PROFIT"}, -1199, "A take profit order in a sell OCO must be above."),
        ({"belowClientOrderId": "profit"}, -2010, "Duplicate order sent."),
        ({"aboveTimeInForce": "GTC"}, -1106, "Parameter 'aboveTimeInForce' sent when not required."),
        ({"abovePrice": None}, -1102, "Mandatory parameter 'abovePrice' was not sent, was empty/null, or malformed."),
        ({"abovePrice": "11.0001"}, -1013, "Filter failure: PRICE_FILTER"),
        ({"nonsense": "1"}, -1104, "Not all sent parameters were read; read '12' parameter(s) but was sent '13'."),
    ],
)
def test_wrong_pairs_are_refused_in_the_documented_words(
    bench: Bench, changes: Mapping[str, str | None], code: int, message: str
) -> None:
    asked = {name: value for name, value in (SELL_PAIR | dict(changes)).items() if value is not None}
    found_code, found_message = bench.no("POST", OCO, asked)
    assert found_code == code
    assert found_message == message or code == -1104
    assert bench.ok("GET", OPEN, UNI) == []


def test_the_list_id_is_taken_while_the_list_is_open(bench: Bench) -> None:
    other = SELL_PAIR | {"aboveClientOrderId": "p2", "belowClientOrderId": "s2"}
    bench.ok("POST", OCO, SELL_PAIR)
    assert bench.no("POST", OCO, other) == (-2010, "Duplicate order sent.")
    bench.ok("DELETE", LIST, {**UNI, "listClientOrderId": "pair"})
    bench.ok("POST", OCO, other)


def test_the_older_form_makes_the_same_pair(bench: Bench) -> None:
    old = {
        **UNI,
        "side": "SELL",
        "quantity": "10",
        "price": "11",
        "stopPrice": "9",
        "stopLimitPrice": "8.9",
        "stopLimitTimeInForce": "GTC",
    }
    stop, limit = bench.ok("POST", "/api/v3/order/oco", old)["orderReports"]
    assert (stop["type"], limit["type"]) == ("STOP_LOSS_LIMIT", "LIMIT_MAKER")
    without = {n: v for n, v in old.items() if not n.startswith("stopLimit")}
    stop, _ = bench.ok("POST", "/api/v3/order/oco", without)["orderReports"]
    assert stop["type"] == "STOP_LOSS"
    del old["stopLimitTimeInForce"]
    assert bench.no("POST", "/api/v3/order/oco", old)[0] == -1102


def test_the_second_order_waits_until_the_first_is_filled(bench: Bench) -> None:
    made = bench.ok("POST", OTO, THEN_LIMIT)
    assert [r["status"] for r in made["orderReports"]] == ["NEW", "PENDING_NEW"]
    assert [r["workingTime"] for r in made["orderReports"]] == [bench.clock.now_ms, -1]
    assert locked(bench, "UNI") == 0
    bench.move(SPOT, 13.0)  # where the waiting order would fill, if it were there
    assert by_client(bench, "pending")["status"] == "PENDING_NEW"
    bench.move(SPOT, 8.9)
    bench.clock.now_ms += 1000
    assert [by_client(bench, name)["status"] for name in ("working", "pending")] == ["FILLED", "NEW"]
    assert locked(bench, "UNI") == 9
    assert by_client(bench, "pending")["workingTime"] > made["transactionTime"]
    bench.move(SPOT, 12.5)
    bench.clock.now_ms += 1000
    assert by_client(bench, "pending")["status"] == "FILLED"
    assert bench.ok("GET", LIST, {"orderListId": made["orderListId"]})["listOrderStatus"] == "ALL_DONE"
    bench.exchange.audit()


def test_a_first_order_filled_at_once_is_answered_before_the_second_begins(bench: Bench) -> None:
    made = bench.ok("POST", OTO, THEN_LIMIT | {"workingPrice": "10.5", "newOrderRespType": "FULL"})
    first, second = made["orderReports"]
    assert (first["status"], second["status"], len(first["fills"])) == ("FILLED", "PENDING_NEW", 1)
    assert by_client(bench, "pending")["status"] == "NEW"


@pytest.mark.parametrize("name", ["working", "pending"])
def test_no_order_of_a_list_outlives_the_cancel_of_another(bench: Bench, name: str) -> None:
    bench.ok("POST", OTO, THEN_LIMIT)
    bench.ok("DELETE", ORDER, {**UNI, "origClientOrderId": name})
    assert [by_client(bench, n)["status"] for n in ("working", "pending")] == ["CANCELED", "CANCELED"]
    assert bench.ok("GET", "/api/v3/openOrderList") == []
    bench.exchange.audit()


def test_an_expired_first_order_ends_the_waiting_one(bench: Bench) -> None:
    bench.ok("POST", OTO, THEN_LIMIT | {"workingTimeInForce": "IOC"})
    assert [by_client(bench, n)["status"] for n in ("working", "pending")] == ["EXPIRED", "EXPIRED"]


def test_what_cannot_be_paid_when_its_turn_comes_is_rejected(bench: Bench) -> None:
    bench.ok("POST", OTO, THEN_LIMIT | {"pendingQuantity": "500"})
    bench.move(SPOT, 8.9)
    bench.clock.now_ms += 1000
    assert by_client(bench, "pending")["status"] == "REJECTED"
    assert bench.ok("GET", "/api/v3/openOrderList") == []
    bench.exchange.audit()


@pytest.mark.parametrize(("price", "statuses"), [(12.5, ["EXPIRED", "FILLED"]), (7.9, ["FILLED", "EXPIRED"])])
def test_a_pair_begins_once_the_first_order_is_filled(bench: Bench, price: float, statuses: list[str]) -> None:
    made = bench.ok("POST", OTOCO, THEN_PAIR)
    assert [r["type"] for r in made["orderReports"]] == ["LIMIT", "STOP_LOSS", "TAKE_PROFIT"]
    assert made["contingencyType"] == "OTO"
    bench.move(SPOT, 8.9)
    bench.clock.now_ms += 1000
    stop, profit = (part["orderId"] for part in made["orders"][1:])
    assert locked(bench, "UNI") == 9
    bench.move(SPOT, price)
    bench.clock.now_ms += 1000
    assert [bench.ok("GET", ORDER, {**UNI, "orderId": number})["status"] for number in (stop, profit)] == statuses
    bench.exchange.audit()


def test_streams_say_what_becomes_of_a_list(bench: Bench) -> None:
    key = bench.ok("POST", "/api/v3/userDataStream", key="mainkey")["listenKey"]
    stream = Socket(bench, f"/ws/{key}")
    made = bench.ok("POST", OCO, SELL_PAIR)
    first = stream.news()
    assert [e["e"] for e in first].count("listStatus") == 1
    reports = [e for e in first if e["e"] == "executionReport"]
    assert {e["g"] for e in reports} == {made["orderListId"]}
    bench.move(SPOT, 11.5)
    later = stream.news(1000)
    kinds = [(e["c"], e["x"], e["X"]) for e in later if e["e"] == "executionReport"]
    assert kinds == [("stop", "EXPIRED", "EXPIRED"), ("profit", "TRADE", "FILLED")]
    (done,) = [e for e in later if e["e"] == "listStatus"]
    assert [done[n] for n in "gcClLr"] == [made["orderListId"], "OCO", "pair", "ALL_DONE", "ALL_DONE", "NONE"]
    assert [part["c"] for part in done["O"]] == ["stop", "profit"]


def test_lists_are_kept_over_a_restart(bench: Bench, make_bench: Any) -> None:
    made = bench.ok("POST", OCO, SELL_PAIR)
    rows: dict[Key, Any] = dict(bench.exchange.rows())
    fresh = make_bench()
    for name in fresh.exchange.account_names():
        del fresh.exchange._state.accounts[name]
    fresh.exchange.restore({key: encode(value) for key, value in rows.items()})
    assert fresh.ok("GET", LIST, {"orderListId": made["orderListId"]})["listOrderStatus"] == "EXECUTING"
    fresh.move(SPOT, 11.5)
    fresh.clock.now_ms += 1000
    assert by_client(fresh, "stop")["status"] == "EXPIRED"
    assert fresh.ok("POST", OCO, SELL_PAIR | {"abovePrice": "13"})["orderListId"] > made["orderListId"]
    fresh.exchange.audit()


def test_unknown_lists_and_kinds_that_are_not_there(bench: Bench) -> None:
    assert bench.no("GET", LIST, {"orderListId": 9}) == (-2018, "Order list does not exist.")
    assert bench.no("GET", LIST)[0] == -1102
    assert bench.no("POST", "/api/v3/orderList/opo", UNI) == (-2010, "OPO orders are not supported for this symbol.")
    assert bench.no("POST", "/api/v3/sor/order", UNI) == (-1013, "This symbol has no SOR.")
    (symbol,) = bench.public("/api/v3/exchangeInfo", **UNI)["symbols"]
    assert (symbol["ocoAllowed"], symbol["otoAllowed"], symbol["opoAllowed"]) == (True, True, False)


def test_a_cancel_only_of_untouched_orders(bench: Bench) -> None:
    limit = {**UNI, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "20", "price": "9"}
    own = {**UNI, "orderId": bench.ok("POST", ORDER, limit)["orderId"]}
    assert bench.no("DELETE", ORDER, {**own, "cancelRestrictions": "ONLY_PARTIALLY_FILLED"}) == (
        -2011,
        "Order was not canceled due to cancel restrictions.",
    )
    assert bench.no("DELETE", ORDER, {**own, "cancelRestrictions": "NEVER"})[0] == -1145
    assert bench.ok("DELETE", ORDER, {**own, "cancelRestrictions": "ONLY_NEW"})["status"] == "CANCELED"
