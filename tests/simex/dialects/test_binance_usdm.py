"""Binance USDⓈ-M futures as a client meets them: contracts, orders, conditional orders, positions, money."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from bot.simex.engine.rules import Rules
from tests.simex.dialects.conftest import FUNDING_MS, START_MS, Bench, MakeBench

ORDER, ALGO = "/fapi/v1/order", "/fapi/v1/algoOrder"
UNI = {"symbol": "UNIUSDT"}
LIMIT = {**UNI, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "10", "price": "9"}
MARKET = {**UNI, "side": "BUY", "type": "MARKET", "quantity": "10", "newOrderRespType": "RESULT"}
STOP = {**UNI, "algoType": "CONDITIONAL", "side": "SELL", "type": "STOP_MARKET", "quantity": "10", "triggerPrice": "9"}


def isolate(bench: Bench, leverage: int = 5) -> None:
    bench.ok("POST", "/fapi/v1/marginType", {**UNI, "marginType": "ISOLATED"})
    bench.ok("POST", "/fapi/v1/leverage", {**UNI, "leverage": leverage})


def risk(bench: Bench) -> dict[str, Any]:
    rows = bench.ok("GET", "/fapi/v3/positionRisk", UNI)
    return rows[0] if rows else {}


def test_exchange_info_lists_perpetuals_under_the_same_names_as_spot(bench: Bench) -> None:
    answer = bench.public("/fapi/v1/exchangeInfo")
    symbol = answer["symbols"][0]
    assert (symbol["symbol"], symbol["contractType"], symbol["marginAsset"]) == ("UNIUSDT", "PERPETUAL", "USDT")
    assert (symbol["pricePrecision"], symbol["quantityPrecision"]) == (3, 1)
    filters = {row["filterType"]: row for row in symbol["filters"]}
    assert filters["PRICE_FILTER"]["tickSize"] == "0.005"
    assert Decimal(filters["MIN_NOTIONAL"]["notional"]) == 5
    assert {"PERCENT_PRICE", "MAX_NUM_ORDERS", "LOT_SIZE", "MARKET_LOT_SIZE"} <= filters.keys()
    limits = {(row["rateLimitType"], row["interval"], row["limit"]) for row in answer["rateLimits"]}
    assert limits == {("REQUEST_WEIGHT", "MINUTE", 2400), ("ORDERS", "MINUTE", 1200), ("ORDERS", "SECOND", 300)}


def test_day_tickers_of_futures_have_no_bid_and_ask(bench: Bench) -> None:
    row = bench.public("/fapi/v1/ticker/24hr", **UNI)
    assert not {"bidPrice", "bidQty", "askPrice", "askQty"} & row.keys()
    assert bench.public("/fapi/v1/ticker/bookTicker", **UNI)["time"] == START_MS
    assert bench.no("GET", "/fapi/v1/depth", {**UNI, "limit": "7"}, key=None)[0] == -4021
    assert {"E", "T", "lastUpdateId", "bids", "asks"} == bench.public("/fapi/v1/depth", **UNI, limit=5).keys()


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("klines", "symbol"),
        ("markPriceKlines", "symbol"),
        ("indexPriceKlines", "pair"),
        ("premiumIndexKlines", "symbol"),
    ],
)
def test_candles_of_every_price(bench: Bench, path: str, name: str) -> None:
    rows = bench.public(f"/fapi/v1/{path}", **{name: "UNIUSDT"}, interval="1h", limit=2)
    assert [row[0] for row in rows] == [START_MS - 3_600_000, START_MS]
    assert rows[0][4] == ({"premiumIndexKlines": "0.00000000", "klines": "10.000"}.get(path, "10.00000000"))
    assert (rows[0][7] == "0.00000000") is (path != "klines"), "only what is traded has volume"


def test_funding_is_an_estimate_history_and_exceptions(bench: Bench) -> None:
    index = bench.public("/fapi/v1/premiumIndex", **UNI)
    assert (index["lastFundingRate"], index["nextFundingTime"] % FUNDING_MS) == ("0.00010000", 0)
    assert [row["symbol"] for row in bench.public("/fapi/v1/premiumIndex")] == ["UNIUSDT", "LINKUSDT"]
    rates = bench.public("/fapi/v1/fundingRate", **UNI, limit=3)
    stamps = [row["fundingTime"] for row in rates]
    assert stamps == sorted(stamps)
    assert stamps[-1] == START_MS - START_MS % FUNDING_MS
    assert bench.public("/fapi/v1/fundingInfo") == [], "only contracts with another interval than eight hours"


def test_open_interest_now_and_before(bench: Bench) -> None:
    now = bench.public("/fapi/v1/openInterest", **UNI)
    assert Decimal(now["openInterest"]) == 500_000
    past = bench.public("/futures/data/openInterestHist", **UNI, period="1h", limit=3)
    assert [row["timestamp"] for row in past] == [START_MS - 7_200_000, START_MS - 3_600_000, START_MS]
    assert Decimal(past[0]["sumOpenInterestValue"]) == 5_000_000


REFUSED: list[tuple[dict[str, Any], int, str]] = [
    ({"symbol": "NOPE"}, -1121, "Invalid symbol."),
    ({"symbol": "uniusdt"}, -1121, "Invalid symbol."),
    ({"side": "LONG"}, -1117, "Invalid side."),
    ({"type": "FOO"}, -1116, "Invalid orderType."),
    (
        {"type": "STOP_MARKET"},
        -4120,
        "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead.",
    ),
    ({"timeInForce": None}, -1102, ""),
    ({"timeInForce": "DAY"}, -1115, "Invalid timeInForce."),
    ({"quantity": "0"}, -4003, "Quantity less than or equal to zero."),
    ({"quantity": "1.05"}, -1111, "Precision is over the maximum defined for this asset."),
    ({"quantity": "100000"}, -4005, "Quantity greater than max quantity."),
    ({"price": "9.0001"}, -1111, "Precision is over the maximum defined for this asset."),
    ({"price": "9.001"}, -4014, "Price not increased by tick size."),
    ({"price": "12"}, -4016, "Limit price can't be higher than 11.500."),
    ({"side": "SELL", "price": "8"}, -4024, "Limit price can't be lower than 8.500."),
    ({"quantity": "0.5"}, -4164, "Order's notional must be no smaller than 5.0 (unless you choose reduce only)"),
    ({"quantity": "20000"}, -2019, "Margin is insufficient."),
    ({"reduceOnly": "true"}, -2022, "ReduceOnly Order is rejected."),
    ({"positionSide": "LONG"}, -4061, "Order's position side does not match user's setting."),
    ({"timeInForce": "GTX", "price": "10.5"}, -5022, ""),
    ({"timeInForce": "FOK"}, -5021, ""),
    ({"newClientOrderId": "y" * 37}, -4015, "Client order id length should not be more than 36 chars"),
    (
        {"newClientOrderId": "a b"},
        -1100,
        "Illegal characters found in parameter 'newClientOrderId'; legal range is "
        r"'^[\.A-Z\:/a-z0-9_-]{1,36}$'.",
    ),
]


@pytest.mark.parametrize(("change", "code", "message"), REFUSED)
def test_bad_orders_get_the_venues_code_and_words(
    bench: Bench, change: dict[str, Any], code: int, message: str
) -> None:
    order = {name: value for name, value in {**LIMIT, **change}.items() if value is not None}
    got = bench.no("POST", ORDER, order)
    assert got[0] == code
    assert got[1] == message or not message
    assert bench.ok("GET", "/fapi/v1/openOrders") == []


def test_the_default_reply_shows_new_even_when_all_is_done(bench: Bench) -> None:
    ack = bench.ok("POST", ORDER, {**MARKET, "newOrderRespType": "ACK"})
    assert (ack["status"], ack["executedQty"]) == ("NEW", "0.00")
    truth = bench.ok("GET", ORDER, {**UNI, "orderId": ack["orderId"]})
    assert (truth["status"], truth["executedQty"]) == ("FILLED", "10.0")
    result = bench.ok("POST", ORDER, MARKET)
    assert (result["status"], result["cumQty"]) == ("FILLED", "10.0")
    assert Decimal(result["avgPrice"]) * 10 == Decimal(result["cumQuote"])


def test_a_cancel_keeps_the_orders_name(bench: Bench) -> None:
    bench.ok("POST", ORDER, {**LIMIT, "newClientOrderId": "keep:me/1"})
    assert bench.no("POST", ORDER, {**LIMIT, "newClientOrderId": "keep:me/1"}) == (
        -4116,
        "ClientOrderId is duplicated.",
    )
    canceled = bench.ok("DELETE", ORDER, {**UNI, "origClientOrderId": "keep:me/1"})
    assert (canceled["status"], canceled["clientOrderId"]) == ("CANCELED", "keep:me/1")
    assert bench.no("DELETE", ORDER, {**UNI, "origClientOrderId": "keep:me/1"}) == (-2011, "Unknown order sent.")
    assert bench.no("GET", ORDER, {**UNI, "origClientOrderId": "none"}) == (-2013, "Order does not exist.")
    bench.ok("POST", ORDER, {**LIMIT, "newClientOrderId": "keep:me/1"})


def test_ended_orders_are_forgotten_sooner_without_a_fill(bench: Bench) -> None:
    canceled, filled = bench.ok("POST", ORDER, LIMIT), bench.ok("POST", ORDER, MARKET)
    bench.ok("DELETE", ORDER, {**UNI, "orderId": canceled["orderId"]})
    bench.clock.now_ms += 3 * 86_400_000 + 1000
    assert bench.no("GET", ORDER, {**UNI, "orderId": canceled["orderId"]})[0] == -2013
    assert bench.ok("GET", ORDER, {**UNI, "orderId": filled["orderId"]})["status"] == "FILLED"
    assert [row["orderId"] for row in bench.ok("GET", "/fapi/v1/allOrders", UNI)] == [filled["orderId"]]
    bench.clock.now_ms += 88 * 86_400_000
    assert bench.no("GET", ORDER, {**UNI, "orderId": filled["orderId"]})[0] == -2013


def test_reduce_only_orders_need_no_minimum_and_never_flip(bench: Bench) -> None:
    bench.ok("POST", ORDER, MARKET)
    sell = {**MARKET, "side": "SELL", "quantity": "0.1", "reduceOnly": "true"}
    assert bench.ok("POST", ORDER, sell)["status"] == "FILLED"
    assert Decimal(risk(bench)["positionAmt"]) == Decimal("9.9")
    bench.ask("POST", ORDER, {**sell, "quantity": "50"})
    assert Decimal(risk(bench).get("positionAmt", "0")) >= 0


def test_positions_in_both_versions(bench: Bench) -> None:
    isolate(bench)
    assert bench.ok("GET", "/fapi/v3/positionRisk") == []
    flat = bench.ok("GET", "/fapi/v2/positionRisk")
    assert {(row["symbol"], row["positionAmt"], row["marginType"]) for row in flat} == {
        ("UNIUSDT", "0.0", "isolated"),
        ("LINKUSDT", "0.0", "cross"),
    }
    bench.ok("POST", ORDER, {**MARKET, "side": "SELL"})
    new, old = risk(bench), bench.ok("GET", "/fapi/v2/positionRisk", UNI)[0]
    assert new["positionAmt"] == old["positionAmt"] == "-10.0"
    assert not {"leverage", "marginType"} & new.keys()
    assert (old["leverage"], old["marginType"]) == ("5", "isolated")
    assert Decimal(new["liquidationPrice"]) > 10
    assert Decimal(new["isolatedWallet"]) == pytest.approx(Decimal(20), rel=Decimal("0.01"))
    assert Decimal(new["notional"]) < 0
    config = bench.ok("GET", "/fapi/v1/symbolConfig", UNI)[0]
    assert (config["leverage"], config["marginType"]) == (5, "ISOLATED")
    account = bench.ok("GET", "/fapi/v3/account")
    assert [row["symbol"] for row in account["positions"]] == ["UNIUSDT"]
    assert len(bench.ok("GET", "/fapi/v2/account")["positions"]) == 2
    assert Decimal(account["totalWalletBalance"]) < 5000, "the fee is paid"


def test_setting_what_is_set_already_is_an_error_where_the_venue_says_so(bench: Bench) -> None:
    isolate(bench)
    assert bench.ok("POST", "/fapi/v1/leverage", {**UNI, "leverage": 5})["leverage"] == 5
    margin_type = ("POST", "/fapi/v1/marginType", {**UNI, "marginType": "ISOLATED"})
    assert bench.no(*margin_type) == (-4046, "No need to change margin type.")
    assert bench.no("POST", "/fapi/v1/positionSide/dual", {"dualSidePosition": "false"})[0] == -4059
    assert bench.no("POST", "/fapi/v1/multiAssetsMargin", {"multiAssetsMargin": "false"})[0] == -4171
    assert bench.ok("GET", "/fapi/v1/positionSide/dual") == {"dualSidePosition": False}
    assert bench.ok("GET", "/fapi/v1/multiAssetsMargin") == {"multiAssetsMargin": False}


def test_leverage_and_margin_type_are_guarded(bench: Bench) -> None:
    isolate(bench)
    assert bench.no("POST", "/fapi/v1/leverage", {**UNI, "leverage": 126}) == (-4028, "Leverage 126 is not valid")
    bench.ok("POST", ORDER, LIMIT)
    cross = {**UNI, "marginType": "CROSSED"}
    assert bench.no("POST", "/fapi/v1/marginType", cross)[0] == -4047
    assert bench.no("POST", "/fapi/v1/positionSide/dual", {"dualSidePosition": "true"})[0] == -4067
    bench.ok("DELETE", "/fapi/v1/allOpenOrders", UNI)
    bench.ok("POST", ORDER, MARKET)
    assert bench.no("POST", "/fapi/v1/marginType", cross)[0] == -4048
    assert bench.no("POST", "/fapi/v1/leverage", {**UNI, "leverage": 2})[0] == -4161
    assert bench.no("POST", "/fapi/v1/positionSide/dual", {"dualSidePosition": "true"})[0] == -4068


def test_isolated_margin_is_added_and_taken(bench: Bench) -> None:
    isolate(bench)
    bench.ok("POST", ORDER, MARKET)
    before, path = Decimal(risk(bench)["isolatedWallet"]), "/fapi/v1/positionMargin"
    reply = bench.ok("POST", path, {**UNI, "amount": "7.5", "type": 1})
    assert reply == {"amount": 7.5, "code": 200, "msg": "Successfully modify position margin.", "type": 1}
    assert Decimal(risk(bench)["isolatedWallet"]) == before + Decimal("7.5")
    bench.ok("POST", path, {**UNI, "amount": "7", "type": 2})
    assert Decimal(risk(bench)["isolatedWallet"]) == before + Decimal("0.5")
    assert bench.no("POST", path, {**UNI, "amount": "100000", "type": 1})[0] == -4050
    assert bench.no("POST", path, {**UNI, "amount": "100000", "type": 2})[0] == -4051
    assert bench.no("POST", path, {"symbol": "LINKUSDT", "amount": "1", "type": 1})[0] == -4049


def test_brackets_are_numbers_and_continuous(bench: Bench) -> None:
    rows = bench.ok("GET", "/fapi/v1/leverageBracket", UNI)[0]["brackets"]
    assert [row["notionalFloor"] for row in rows[1:]] == [row["notionalCap"] for row in rows[:-1]]
    assert all(isinstance(row["maintMarginRatio"], float) and row["initialLeverage"] <= 50 for row in rows)


def test_a_conditional_order_lives_at_the_algo_service(bench: Bench) -> None:
    bench.ok("POST", ORDER, MARKET)
    placed = bench.ok("POST", ALGO, {**STOP, "clientAlgoId": "stop-1", "reduceOnly": "true"})
    assert (placed["algoStatus"], placed["orderType"], placed["triggerPrice"]) == ("NEW", "STOP_MARKET", "9.000")
    assert bench.no("POST", ALGO, {**STOP, "clientAlgoId": "stop-1"})[0] == -4116
    assert bench.ok("GET", "/fapi/v1/openOrders") == [], "stops are not among plain orders"
    assert [row["clientAlgoId"] for row in bench.ok("GET", "/fapi/v1/openAlgoOrders")] == ["stop-1"]
    assert bench.no("GET", ORDER, {**UNI, "orderId": placed["algoId"]})[0] == -2013
    bench.ok("DELETE", "/fapi/v1/allOpenOrders", UNI)
    assert len(bench.ok("GET", "/fapi/v1/openAlgoOrders", UNI)) == 1, "cancel-all leaves stops alone"
    bench.move("UNI/USDT:USDT", 8.9)
    fired = bench.ok("GET", ALGO, {"clientAlgoId": "stop-1"})
    assert fired["algoStatus"] == "FINISHED"
    child = bench.ok("GET", ORDER, {**UNI, "orderId": fired["actualOrderId"]})
    assert (child["status"], child["type"], child["executedQty"]) == ("FILLED", "MARKET", "10.0")
    assert risk(bench) == {}
    assert bench.ok("GET", "/fapi/v1/openAlgoOrders") == []
    assert len(bench.ok("GET", "/fapi/v1/allAlgoOrders", UNI)) == 1


def test_conditional_orders_are_canceled_by_either_id(bench: Bench) -> None:
    placed = [bench.ok("POST", ALGO, {**STOP, "clientAlgoId": f"s{number}"}) for number in range(3)]
    reply = bench.ok("DELETE", ALGO, {"algoId": placed[0]["algoId"]})
    assert reply == {"algoId": placed[0]["algoId"], "clientAlgoId": "s0", "code": "200", "msg": "success"}
    bench.ok("DELETE", ALGO, {"clientAlgoId": "s1"})
    assert bench.no("DELETE", ALGO, {"clientAlgoId": "s1"}) == (-2011, "Unknown order sent.")
    assert bench.no("GET", ALGO, {"clientAlgoId": "none"}) == (-2013, "Order does not exist.")
    bench.ok("DELETE", "/fapi/v1/algoOpenOrders", UNI)
    states = [row["algoStatus"] for row in bench.ok("GET", "/fapi/v1/allAlgoOrders", UNI)]
    assert states == ["CANCELED"] * 3


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"triggerPrice": "11"}, -2021),
        ({"algoType": "VP"}, -1130),
        ({"type": "MARKET"}, -1116),
        ({"closePosition": "true"}, -4137),
        ({"price": "9"}, -1106),
        ({"workingType": "INDEX_PRICE"}, -1130),
        ({"clientAlgoId": "z" * 37}, -4015),
        ({"triggerPrice": "9.0001"}, -1111),
    ],
)
def test_bad_conditional_orders(bench: Bench, change: dict[str, str], code: int) -> None:
    assert bench.no("POST", ALGO, {**STOP, **change})[0] == code


def test_an_account_has_so_many_conditional_orders_and_no_more(make_bench: MakeBench) -> None:
    bench = make_bench(rules=Rules(perp_triggers_max=2))
    for number, symbol in enumerate(("UNIUSDT", "LINKUSDT")):
        bench.ok("POST", ALGO, {**STOP, "symbol": symbol, "clientAlgoId": f"s{number}"})
    assert bench.no("POST", ALGO, STOP) == (-4045, "Reach max stop order limit.")
    bench.ok("DELETE", ALGO, {"clientAlgoId": "s1"})
    bench.ok("POST", ALGO, STOP)


def test_income_is_the_wallets_statement(bench: Bench) -> None:
    bench.ok("POST", "/sapi/v1/asset/transfer", {"type": "MAIN_UMFUTURE", "asset": "USDT", "amount": "100"})
    bench.ok("POST", ORDER, MARKET)
    bench.clock.now_ms += FUNDING_MS
    bench.ok("POST", ORDER, {**MARKET, "side": "SELL", "reduceOnly": "true"})
    rows = bench.ok("GET", "/fapi/v1/income")
    kinds = {row["incomeType"] for row in rows}
    assert {"TRANSFER", "COMMISSION", "FUNDING_FEE", "REALIZED_PNL"} == kinds
    funding = bench.ok("GET", "/fapi/v1/income", {"incomeType": "FUNDING_FEE"})
    assert [(row["symbol"], row["asset"]) for row in funding] == [("UNIUSDT", "USDT")]
    assert Decimal(funding[0]["income"]) == Decimal("-0.01"), "a long pays a positive rate"
    balance = Decimal(bench.ok("GET", "/fapi/v3/balance")[0]["balance"])
    deposits = Decimal(5100) if len([row for row in rows if row["incomeType"] == "TRANSFER"]) == 1 else Decimal(100)
    moved = sum(Decimal(row["income"]) for row in rows if row["incomeType"] != "TRANSFER")
    assert balance == max(deposits, Decimal(5100)) + moved
    trades = bench.ok("GET", "/fapi/v1/userTrades", UNI)
    assert sum(Decimal(row["realizedPnl"]) for row in trades) == sum(
        Decimal(row["income"]) for row in rows if row["incomeType"] == "REALIZED_PNL"
    )
    assert all(Decimal(row["commission"]) > 0 and row["commissionAsset"] == "USDT" for row in trades)


def test_the_countdown_cancels_what_nobody_renews(bench: Bench) -> None:
    bench.ok("POST", ORDER, LIMIT)
    reply = bench.ok("POST", "/fapi/v1/countdownCancelAll", {**UNI, "countdownTime": 5000})
    assert reply == {"symbol": "UNIUSDT", "countdownTime": "5000"}
    bench.clock.now_ms += 4000
    assert len(bench.ok("GET", "/fapi/v1/openOrders", UNI)) == 1
    bench.ok("POST", "/fapi/v1/countdownCancelAll", {**UNI, "countdownTime": 5000})
    bench.clock.now_ms += 4000
    assert len(bench.ok("GET", "/fapi/v1/openOrders", UNI)) == 1
    bench.clock.now_ms += 2000
    assert bench.ok("GET", "/fapi/v1/openOrders", UNI) == []


def test_fees_are_told(bench: Bench) -> None:
    rate = bench.ok("GET", "/fapi/v1/commissionRate", UNI)
    assert (rate["makerCommissionRate"], rate["takerCommissionRate"]) == ("0.0002", "0.0005")
    assert bench.ok("GET", "/fapi/v1/accountConfig")["dualSidePosition"] is False


def test_what_is_older_than_a_coarser_filter_is_told_in_full(bench: Bench) -> None:
    filled = bench.ok("POST", ORDER, {**MARKET, "quantity": "10.3"})
    resting = bench.ok("POST", ORDER, {**LIMIT, "quantity": "10.3", "price": "9.005"})
    old = bench.exchange.instruments["UNI/USDT:USDT"]
    bench.exchange.replace_instrument(replace(old, size_step=Decimal(5), size_min=Decimal(5), price_tick=Decimal(1)))
    trade = bench.ok("GET", "/fapi/v1/userTrades", UNI)[-1]
    assert (trade["qty"], Decimal(trade["price"])) == ("10.3", Decimal(filled["avgPrice"]))
    shown = bench.ok("GET", ORDER, {**UNI, "orderId": resting["orderId"]})
    assert (shown["origQty"], shown["price"]) == ("10.3", "9.005")
    assert risk(bench)["positionAmt"] == "10.3"
