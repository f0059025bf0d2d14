"""Binance spot as a client meets it: market data, filters, client ids, order lives, commissions, wallet endpoints."""

import json
from decimal import Decimal
from typing import Any

import pytest

from tests.simex.dialects.conftest import START_MS, Bench

ORDER = "/api/v3/order"
LIMIT = {"symbol": "UNIUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1", "price": "9"}
MARKET = {"symbol": "UNIUSDT", "side": "BUY", "type": "MARKET", "quantity": "2"}


def free(bench: Bench, asset: str) -> Decimal:
    rows = bench.ok("GET", "/api/v3/account")["balances"]
    return next(Decimal(row["free"]) for row in rows if row["asset"] == asset)


def test_every_number_of_a_balance_or_price_is_text_with_eight_decimals(bench: Bench) -> None:
    rows = bench.ok("GET", "/api/v3/account", {"omitZeroBalances": "true"})["balances"]
    assert rows == [
        {"asset": "UNI", "free": "100.00000000", "locked": "0.00000000"},
        {"asset": "USDT", "free": "10000.00000000", "locked": "0.00000000"},
    ]
    assert bench.public("/api/v3/ticker/price", symbol="UNIUSDT")["price"].partition(".")[2].isdigit()


def test_exchange_info_has_the_fields_of_the_documentation(bench: Bench) -> None:
    answer = bench.public("/api/v3/exchangeInfo")
    assert {"timezone", "serverTime", "rateLimits", "exchangeFilters", "symbols"} <= answer.keys()
    assert [row["symbol"] for row in answer["symbols"]] == ["UNIUSDT", "LINKUSDT"]
    filters = {row["filterType"]: row for row in answer["symbols"][0]["filters"]}
    assert filters["PRICE_FILTER"]["tickSize"] == "0.00100000"
    assert filters["LOT_SIZE"]["stepSize"] == "0.01000000"
    assert filters["NOTIONAL"]["minNotional"] == "5.00000000"
    assert filters["MARKET_LOT_SIZE"]["maxQty"] == "20000.00000000"
    assert answer["symbols"][0]["permissions"] == []
    one = bench.public("/api/v3/exchangeInfo", symbol="LINKUSDT")["symbols"]
    assert [row["symbol"] for row in one] == ["LINKUSDT"]


@pytest.mark.parametrize("path", ["/api/v3/ticker/price", "/api/v3/ticker/bookTicker", "/api/v3/ticker/24hr"])
def test_tickers_are_one_object_or_an_array(bench: Bench, path: str) -> None:
    assert bench.public(path, symbol="UNIUSDT")["symbol"] == "UNIUSDT"
    assert [row["symbol"] for row in bench.public(path)] == ["UNIUSDT", "LINKUSDT"]
    assert [row["symbol"] for row in bench.public(path, symbols='["LINKUSDT"]')] == ["LINKUSDT"]
    assert bench.no("GET", path, {"symbol": "NOPE"}, key=None) == (-1121, "Invalid symbol.")
    assert bench.no("GET", path, {"symbols": "LINKUSDT"}, key=None)[0] == -1130
    assert bench.no("GET", path, {"symbol": "UNIUSDT", "symbols": '["LINKUSDT"]'}, key=None)[0] == -1128
    assert bench.no("GET", path, {"symbol": "uniusdt"}, key=None)[0] == -1100


def test_depth_and_book_ticker_agree(bench: Bench) -> None:
    depth, best = bench.public("/api/v3/depth", symbol="UNIUSDT", limit=5), None
    best = bench.public("/api/v3/ticker/bookTicker", symbol="UNIUSDT")
    assert [best["bidPrice"], best["bidQty"]] == depth["bids"][0]
    assert [best["askPrice"], best["askQty"]] == depth["asks"][0]
    assert len(depth["bids"]) == 5
    bids = [Decimal(price) for price, _ in depth["bids"]]
    assert bids == sorted(bids, reverse=True)
    assert Decimal(best["bidPrice"]) < 10 < Decimal(best["askPrice"])


def test_klines_end_with_the_running_one_and_obey_their_bounds(bench: Bench) -> None:
    rows = bench.public("/api/v3/klines", symbol="UNIUSDT", interval="1h", limit=3)
    assert [row[0] for row in rows] == [START_MS - 2 * 3_600_000, START_MS - 3_600_000, START_MS]
    assert all(len(row) == 12 and row[6] == row[0] + 3_599_999 for row in rows)
    assert all(isinstance(text, str) for row in rows for text in row[1:6])
    early = bench.public("/api/v3/klines", symbol="UNIUSDT", interval="1h", startTime=START_MS - 36_000_000, limit=2)
    assert [row[0] for row in early] == [START_MS - 36_000_000, START_MS - 32_400_000]
    oldest = bench.public("/api/v3/klines", symbol="UNIUSDT", interval="1d", startTime=0, limit=1)
    assert oldest[0][0] < START_MS - 8 * 86_400_000, "startTime=0 asks for the first candle there is"
    assert bench.no("GET", "/api/v3/klines", {"symbol": "UNIUSDT", "interval": "7m"}, key=None)[0] == -1120


REFUSED: list[tuple[dict[str, Any], int, str]] = [
    ({"symbol": "NOPEUSDT"}, -1121, "Invalid symbol."),
    ({"side": "LONG"}, -1117, "Invalid side."),
    ({"type": "ICEBERG"}, -1116, "Invalid orderType."),
    ({"timeInForce": "GTX"}, -1115, "Invalid timeInForce."),
    (
        {"quantity": "abc"},
        -1100,
        "Illegal characters found in parameter 'quantity'; legal range is "
        r"'^([0-9]{1,20})(\.[0-9]{1,20})?$'.",
    ),
    ({"quantity": "-1"}, -1100, ""),
    ({"quantity": ""}, -1105, "Parameter 'quantity' was empty."),
    ({"price": None}, -1102, "Mandatory parameter 'price' was not sent, was empty/null, or malformed."),
    ({"timeInForce": None}, -1102, ""),
    ({"stopPrice": "8"}, -1106, "Parameter 'stopPrice' sent when not required."),
    ({"quoteOrderQty": "10"}, -1106, "Parameter 'quoteOrderQty' sent when not required."),
    ({"price": "9.000000001"}, -1111, "Parameter 'price' has too much precision."),
    ({"price": "9.0005"}, -1013, "Filter failure: PRICE_FILTER"),
    ({"price": "0"}, -1013, "Filter failure: PRICE_FILTER"),
    ({"price": "1"}, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
    ({"price": "90"}, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
    ({"quantity": "1.001"}, -1013, "Filter failure: LOT_SIZE"),
    ({"quantity": "0"}, -1013, "Filter failure: LOT_SIZE"),
    ({"quantity": "100000"}, -1013, "Filter failure: LOT_SIZE"),
    ({"quantity": "0.1"}, -1013, "Filter failure: NOTIONAL"),
    ({"quantity": "5000"}, -2010, "Account has insufficient balance for requested action."),
    ({"type": "LIMIT_MAKER", "timeInForce": None, "price": "11"}, -2010, "Order would immediately match and take."),
    (
        {"type": "STOP_LOSS", "timeInForce": None, "price": None, "stopPrice": "9"},
        -2010,
        "Order would trigger immediately.",
    ),
    (
        {"newClientOrderId": "with space"},
        -1100,
        "Illegal characters found in parameter 'newClientOrderId'; legal range is '^[a-zA-Z0-9-_]{1,36}$'.",
    ),
    ({"newClientOrderId": "x" * 37}, -1100, ""),
    ({"newOrderRespType": "MOST"}, -1130, "Data sent for parameter 'newOrderRespType' is not valid."),
]


@pytest.mark.parametrize("path", [ORDER, "/api/v3/order/test"])
@pytest.mark.parametrize(("change", "code", "message"), REFUSED)
def test_bad_orders_get_the_venues_code_and_words(
    bench: Bench, path: str, change: dict[str, Any], code: int, message: str
) -> None:
    order = {name: value for name, value in {**LIMIT, **change}.items() if value is not None}
    if change == {"newOrderRespType": "MOST"} and path != ORDER:
        return
    got = bench.no("POST", path, order)
    assert got[0] == code
    assert got[1] == message or not message
    assert bench.ok("GET", "/api/v3/openOrders") == []


def test_market_orders_above_their_own_lot_size_are_refused(bench: Bench) -> None:
    assert bench.no("POST", ORDER, {**MARKET, "quantity": "20000.01"}) == (-1013, "Filter failure: MARKET_LOT_SIZE")


def test_a_test_order_changes_nothing(bench: Bench) -> None:
    assert bench.ok("POST", "/api/v3/order/test", LIMIT) == {}
    assert bench.ok("POST", "/api/v3/order/test", MARKET) == {}
    assert free(bench, "USDT") == 10000
    assert bench.ok("GET", "/api/v3/allOrders", {"symbol": "UNIUSDT"}) == []


@pytest.mark.parametrize(
    ("order", "kind", "has"),
    [
        (MARKET, None, "fills"),
        (LIMIT, None, "fills"),
        (MARKET, "RESULT", "status"),
        (MARKET, "ACK", "transactTime"),
        (
            {"symbol": "UNIUSDT", "side": "BUY", "type": "LIMIT_MAKER", "quantity": "1", "price": "9"},
            None,
            "transactTime",
        ),
    ],
)
def test_the_reply_is_as_full_as_asked(bench: Bench, order: dict[str, str], kind: str | None, has: str) -> None:
    reply = bench.ok("POST", ORDER, {**order, **({"newOrderRespType": kind} if kind else {})})
    levels = {"transactTime": 0, "status": 1, "fills": 2}
    assert [name in reply for name in levels] == [level <= levels[has] for level in levels.values()]
    assert reply["orderListId"] == -1
    assert len(reply["clientOrderId"]) == 22


def test_a_purchase_pays_its_commission_in_what_it_bought(bench: Bench) -> None:
    reply = bench.ok("POST", ORDER, MARKET)
    assert (reply["status"], reply["price"], reply["executedQty"]) == ("FILLED", "0.00000000", "2.00000000")
    assert {fill["commissionAsset"] for fill in reply["fills"]} == {"UNI"}
    assert sum(Decimal(fill["commission"]) for fill in reply["fills"]) == Decimal("0.002")
    assert free(bench, "UNI") == Decimal("101.998")
    assert free(bench, "USDT") == 10000 - Decimal(reply["cummulativeQuoteQty"])
    sold = bench.ok("POST", ORDER, {**MARKET, "side": "SELL"})
    assert {fill["commissionAsset"] for fill in sold["fills"]} == {"USDT"}
    trades = bench.ok("GET", "/api/v3/myTrades", {"symbol": "UNIUSDT"})
    assert [(row["orderId"], row["isBuyer"]) for row in trades] == [
        *[(reply["orderId"], True)] * len(reply["fills"]),
        *[(sold["orderId"], False)] * len(sold["fills"]),
    ]
    only = bench.ok("GET", "/api/v3/myTrades", {"symbol": "UNIUSDT", "orderId": sold["orderId"]})
    assert [row["id"] for row in only] == [fill["tradeId"] for fill in sold["fills"]]
    assert bench.ok("GET", "/api/v3/myTrades", {"symbol": "UNIUSDT", "fromId": only[0]["id"]}) == only


def test_quote_order_quantity_spends_at_most_that(bench: Bench) -> None:
    reply = bench.ok("POST", ORDER, {"symbol": "UNIUSDT", "side": "BUY", "type": "MARKET", "quoteOrderQty": "100"})
    assert 99 < Decimal(reply["cummulativeQuoteQty"]) <= 100
    assert reply["origQuoteOrderQty"] == "100.00000000"
    assert reply["status"] == "FILLED"


def test_resting_buys_lock_quote_and_cancels_release_it(bench: Bench) -> None:
    placed = bench.ok("POST", ORDER, {**LIMIT, "newClientOrderId": "mine-1"})
    assert placed["status"] == "NEW"
    assert placed["fills"] == []
    assert free(bench, "USDT") == 9991
    by_id = bench.ok("GET", ORDER, {"symbol": "UNIUSDT", "orderId": placed["orderId"]})
    by_own = bench.ok("GET", ORDER, {"symbol": "UNIUSDT", "origClientOrderId": "mine-1"})
    assert by_id == by_own
    assert by_id["isWorking"] is True
    canceled = bench.ok("DELETE", ORDER, {"symbol": "UNIUSDT", "origClientOrderId": "mine-1"})
    assert canceled["status"] == "CANCELED"
    assert canceled["origClientOrderId"] == "mine-1"
    assert canceled["clientOrderId"] != "mine-1", "the reply names the cancel, not the order"
    assert free(bench, "USDT") == 10000


def test_a_cancel_may_bring_its_own_name(bench: Bench) -> None:
    bench.ok("POST", ORDER, {**LIMIT, "newClientOrderId": "a"})
    canceled = bench.ok("DELETE", ORDER, {"symbol": "UNIUSDT", "origClientOrderId": "a", "newClientOrderId": "b"})
    assert (canceled["origClientOrderId"], canceled["clientOrderId"]) == ("a", "b")
    assert bench.ok("GET", ORDER, {"symbol": "UNIUSDT", "origClientOrderId": "a"})["status"] == "CANCELED"


def test_an_id_is_unique_among_open_orders_only(bench: Bench) -> None:
    named = {**LIMIT, "newClientOrderId": "again"}
    first = bench.ok("POST", ORDER, named)
    assert bench.no("POST", ORDER, named) == (-2010, "Duplicate order sent.")
    bench.ok("DELETE", ORDER, {"symbol": "UNIUSDT", "orderId": first["orderId"]})
    second = bench.ok("POST", ORDER, named)
    assert second["orderId"] > first["orderId"]
    newest = bench.ok("GET", ORDER, {"symbol": "UNIUSDT", "origClientOrderId": "again"})
    assert newest["orderId"] == second["orderId"]
    executed = [bench.ok("POST", ORDER, {**MARKET, "newClientOrderId": "twice"})["status"] for _ in range(2)]
    assert executed == ["FILLED", "FILLED"], "an id whose order has filled makes a second order"


def test_lookups_that_find_nothing(bench: Bench) -> None:
    placed = bench.ok("POST", ORDER, {**LIMIT, "newClientOrderId": "mine"})
    unknown, here = (
        {"symbol": "UNIUSDT", "origClientOrderId": "no"},
        {"symbol": "UNIUSDT", "orderId": placed["orderId"]},
    )
    assert bench.no("GET", ORDER, unknown) == (-2013, "Order does not exist.")
    assert bench.no("DELETE", ORDER, unknown) == (-2011, "Unknown order sent.")
    assert bench.no("GET", ORDER, {"symbol": "UNIUSDT"})[0] == -1102
    assert bench.no("GET", ORDER, {**here, "origClientOrderId": "other"})[0] == -2039
    assert bench.no("GET", ORDER, here, key="otherkey")[0] == -2013, "other accounts do not see it"
    bench.ok("DELETE", ORDER, here)
    assert bench.no("DELETE", ORDER, here) == (-2011, "Unknown order sent.")


def test_idle_orders_are_archived_after_ninety_days(bench: Bench) -> None:
    placed = bench.ok("POST", ORDER, {**LIMIT, "timeInForce": "IOC"})
    asked = {"symbol": "UNIUSDT", "orderId": placed["orderId"]}
    bench.clock.now_ms += 90 * 86_400_000
    assert bench.ok("GET", ORDER, asked)["status"] == "EXPIRED"
    bench.clock.now_ms += 1
    assert bench.no("GET", ORDER, asked)[0] == -2026


def test_cancel_all_and_the_lists(bench: Bench) -> None:
    ids = [bench.ok("POST", ORDER, {**LIMIT, "price": str(price)})["orderId"] for price in (8, 9)]
    other = bench.ok("POST", ORDER, {**LIMIT, "symbol": "LINKUSDT", "price": "18"})
    assert [row["orderId"] for row in bench.ok("GET", "/api/v3/openOrders", {"symbol": "UNIUSDT"})] == ids
    assert len(bench.ok("GET", "/api/v3/openOrders")) == 3
    ended = bench.ok("DELETE", "/api/v3/openOrders", {"symbol": "UNIUSDT"})
    assert [row["status"] for row in ended] == ["CANCELED"] * 2
    assert bench.no("DELETE", "/api/v3/openOrders", {"symbol": "UNIUSDT"})[0] == -2011
    assert [row["orderId"] for row in bench.ok("GET", "/api/v3/openOrders")] == [other["orderId"]]
    history = {"symbol": "UNIUSDT"}
    assert [row["orderId"] for row in bench.ok("GET", "/api/v3/allOrders", history)] == ids
    assert [row["orderId"] for row in bench.ok("GET", "/api/v3/allOrders", {**history, "orderId": ids[1]})] == ids[1:]
    assert bench.ok("GET", "/api/v3/allOrders", {**history, "endTime": START_MS - 1, "startTime": START_MS - 9}) == []
    wide = {**history, "startTime": 1, "endTime": 90_000_000}
    assert bench.no("GET", "/api/v3/allOrders", wide) == (-1127, "More than 24 hours between startTime and endTime.")


def test_a_resting_order_fills_when_the_price_comes(bench: Bench) -> None:
    placed = bench.ok("POST", ORDER, LIMIT)
    bench.move("UNI/USDT", 8.0)
    order = bench.ok("GET", ORDER, {"symbol": "UNIUSDT", "orderId": placed["orderId"]})
    assert (order["status"], order["cummulativeQuoteQty"]) == ("FILLED", "9.00000000")
    trade = bench.ok("GET", "/api/v3/myTrades", {"symbol": "UNIUSDT"})[0]
    assert (trade["isMaker"], trade["price"]) == (True, "9.00000000")


def test_a_stop_waits_as_new_and_not_working_until_it_fires(bench: Bench) -> None:
    stop = {"symbol": "UNIUSDT", "side": "SELL", "type": "STOP_LOSS", "quantity": "3", "stopPrice": "9"}
    placed = bench.ok("POST", ORDER, stop)
    waiting = bench.ok("GET", ORDER, {"symbol": "UNIUSDT", "orderId": placed["orderId"]})
    assert (waiting["status"], waiting["isWorking"], waiting["type"]) == ("NEW", False, "STOP_LOSS")
    assert waiting["stopPrice"] == "9.00000000"
    bench.move("UNI/USDT", 8.5)
    assert bench.ok("GET", ORDER, {"symbol": "UNIUSDT", "orderId": placed["orderId"]})["status"] == "FILLED"


def test_the_rest_of_an_ioc_order_expires_with_status_200(bench: Bench) -> None:
    reply = bench.ok("POST", ORDER, {**LIMIT, "timeInForce": "IOC"})
    assert (reply["status"], reply["executedQty"]) == ("EXPIRED", "0.00000000")


def test_transfers_move_quote_between_the_wallets(bench: Bench) -> None:
    def perp() -> Decimal:
        return Decimal(bench.ok("GET", "/fapi/v3/balance")[0]["balance"])

    path, out = "/sapi/v1/asset/transfer", {"type": "MAIN_UMFUTURE", "asset": "USDT", "amount": "1000"}
    first = bench.ok("POST", path, out)["tranId"]
    assert (free(bench, "USDT"), perp()) == (9000, 6000)
    second = bench.ok("POST", path, {**out, "type": "UMFUTURE_MAIN", "amount": "6000"})["tranId"]
    assert second != first
    assert (free(bench, "USDT"), perp()) == (15000, 0)
    assert bench.no("POST", path, {**out, "type": "UMFUTURE_MAIN"})[0] == -5013
    assert bench.no("POST", path, {**out, "type": "MAIN_FUNDING"})[0] == -1130
    assert bench.no("POST", path, {**out, "asset": "UNI"})[0] == -9000
    assert bench.no("POST", path, {**out, "amount": "0"})[0] == -1130


@pytest.mark.parametrize(
    ("key", "withdraws", "futures"), [("mainkey", False, True), ("withdrawer", True, True), ("spotonly", False, False)]
)
def test_restrictions_tell_what_the_asking_key_may_do(bench: Bench, key: str, withdraws: bool, futures: bool) -> None:
    rights = bench.ok("GET", "/sapi/v1/account/apiRestrictions", key=key)
    assert rights["enableWithdrawals"] is withdraws
    assert rights["enableFutures"] is futures
    assert rights["enableReading"] is rights["enableSpotAndMarginTrading"] is True


def test_wallet_endpoints_that_clients_ask_while_loading(bench: Bench) -> None:
    coins = bench.ok("GET", "/sapi/v1/capital/config/getall")
    assert {row["coin"]: row["free"] for row in coins} == {"LINK": "0", "UNI": "100", "USDT": "10000"}
    assert bench.ok("GET", "/sapi/v1/margin/allPairs") == []
    fees = bench.ok("GET", "/sapi/v1/asset/tradeFee")
    assert fees[0] == {"symbol": "UNIUSDT", "makerCommission": "0.001", "takerCommission": "0.001"}


def test_every_reply_is_json(bench: Bench) -> None:
    for path in ("/api/v3/exchangeInfo", "/api/v3/ticker/24hr", "/fapi/v1/exchangeInfo", "/fapi/v1/premiumIndex"):
        bench.public(path)
    bench.ok("GET", "/fapi/v2/account")
    assert all(json.loads(json.dumps(reply.content)) == reply.content for reply in bench.seen)
