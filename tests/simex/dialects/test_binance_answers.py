"""Answers that outside clients met and that the venue gives otherwise: each with its right value."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from bot.simex.dialects.wire import WireRequest
from bot.simex.engine.rules import Rules
from tests.simex.dialects.conftest import START_MS, Bench, MakeBench

D = Decimal
SPOT, PERP = "UNI/USDT", "UNI/USDT:USDT"
UNI = {"symbol": "UNIUSDT"}
SORDER, FORDER, ALGO = "/api/v3/order", "/fapi/v1/order", "/fapi/v1/algoOrder"
LIMIT = {**UNI, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "20", "price": "9"}
MARKET = {**UNI, "side": "BUY", "type": "MARKET", "quantity": "50"}
STOP = {**UNI, "algoType": "CONDITIONAL", "side": "SELL", "type": "STOP_MARKET", "quantity": "50", "triggerPrice": "9"}
TRAIL = {k: v for k, v in STOP.items() if k != "triggerPrice"} | {"type": "TRAILING_STOP_MARKET", "callbackRate": "5"}


def is_on(text: str, grid: Decimal) -> bool:
    return D(text) % grid == 0


def test_a_contract_has_the_day_it_was_listed(bench: Bench) -> None:
    symbols = bench.public("/fapi/v1/exchangeInfo")["symbols"]
    assert {row["onboardDate"] for row in symbols} == {bench.market.listed(PERP)[0]}


@pytest.mark.parametrize(("path", "symbol"), [("/api/v3/klines", SPOT), ("/fapi/v1/klines", PERP)])
def test_candles_lie_on_tick_and_step(bench: Bench, path: str, symbol: str) -> None:
    for number, price in enumerate((10.0012345, 9.87654321, 10.2345678)):
        bench.move(symbol, price, after_ms=60_000 * (number + 1))
    instrument = bench.exchange.instruments[symbol]
    rows = bench.public(path, **UNI, interval="1m", limit=10)
    assert any(D(row[2]) != D(row[3]) for row in rows)
    for row in rows:
        assert all(is_on(text, instrument.price_tick) for text in row[1:5])
        assert is_on(row[5], instrument.size_step)
        assert is_on(row[9], instrument.size_step)
        assert D(row[3]) <= min(D(row[1]), D(row[4])) <= max(D(row[1]), D(row[4])) <= D(row[2])
    last = bench.public(path.replace("klines", "ticker/price"), **UNI)["price"]
    assert D(rows[-1][4]) == D(last)


@pytest.mark.parametrize("path", ["/api/v3/klines", "/fapi/v1/klines", "/fapi/v1/markPriceKlines"])
def test_weeks_begin_on_monday_and_months_with_their_first_day(bench: Bench, path: str) -> None:
    bench.clock.now_ms += 70 * 86_400_000
    weeks = bench.public(path, **UNI, interval="1w", limit=5)
    months = bench.public(path, **UNI, interval="1M", limit=3)
    days = {row[0]: row for row in bench.public(path, **UNI, interval="1d", limit=1000)}
    for rows in (weeks, months):
        assert [row[6] + 1 for row in rows[:-1]] == [row[0] for row in rows[1:]], "no hole and no overlap"
        assert rows[-1][0] <= bench.clock.now_ms <= rows[-1][6]
        for row in rows[1:]:
            inside = [days[at_ms] for at_ms in sorted(days) if row[0] <= at_ms <= row[6]]
            assert (row[1], row[4]) == (inside[0][1], inside[-1][4])
            assert (D(row[2]), D(row[3])) == (max(D(d[2]) for d in inside), min(D(d[3]) for d in inside))
    assert (len(weeks), len(months)) == (5, 3)
    assert all(datetime.fromtimestamp(row[0] / 1000, UTC).weekday() == 0 for row in weeks)
    assert all(datetime.fromtimestamp(row[0] / 1000, UTC).day == 1 for row in months)
    ranged = bench.public(path, **UNI, interval="1w", startTime=weeks[1][0] - 1, endTime=weeks[3][0])
    assert [row[0] for row in ranged] == [row[0] for row in weeks[1:4]]


def test_prices_have_the_bounds_that_the_symbol_lists(make_bench: MakeBench) -> None:
    """A price below the lowest one was told to be above the highest where it was a trigger's."""
    bench = make_bench(rules=Rules(price_bounds={SPOT: (D("0.5"), D(40)), PERP: (D("0.5"), D(1000))}))
    for path, highest in (("/api/v3/exchangeInfo", 40), ("/fapi/v1/exchangeInfo", 1000)):
        (row,) = [row for row in bench.public(path)["symbols"] if row["symbol"] == "UNIUSDT"]
        (shown,) = [one for one in row["filters"] if one["filterType"] == "PRICE_FILTER"]
        assert (D(shown["minPrice"]), D(shown["maxPrice"])) == (D("0.5"), highest)
    assert bench.no("POST", FORDER, {**LIMIT, "price": "9.0001"})[0] == -1111
    low, high = (-4013, "Price less than min price."), (-4002, "Price greater than max price.")
    sell = {**LIMIT, "side": "SELL", "quantity": "100"}
    for price, expected in (("0.495", low), ("1000.005", high)):
        assert bench.no("POST", FORDER, {**sell, "price": price}) == expected
        assert bench.no("POST", ALGO, {**STOP, "triggerPrice": price}) == expected
    for price in ("0.499", "40.001"):
        assert bench.no("POST", SORDER, {**sell, "price": price}) == (-1013, "Filter failure: PRICE_FILTER")
    assert bench.ok("POST", SORDER, {**sell, "price": "40"})["status"] == "NEW"


def test_a_price_may_have_more_decimals_than_the_tick(make_bench: MakeBench) -> None:
    bench = make_bench(rules=Rules(price_digits={PERP: 4}))
    symbols = bench.public("/fapi/v1/exchangeInfo")["symbols"]
    assert {row["symbol"]: row["pricePrecision"] for row in symbols} == {"UNIUSDT": 4, "LINKUSDT": 3}
    assert bench.no("POST", FORDER, {**LIMIT, "price": "9.0001"})[0] == -4014, "off the tick"
    assert bench.no("POST", FORDER, {**LIMIT, "price": "9.00011"})[0] == -1111, "more decimals than there may be"


def test_open_interest_lies_on_the_step(bench: Bench) -> None:
    bench.move(PERP, 9.77)
    assert is_on(bench.public("/fapi/v1/openInterest", **UNI)["openInterest"], D("0.1"))
    for row in bench.public("/futures/data/openInterestHist", **UNI, period="5m"):
        assert is_on(row["sumOpenInterest"], D("0.1"))


def test_the_margin_of_orders_adds_up(bench: Bench) -> None:
    bench.ok("POST", FORDER, {**LIMIT, "symbol": "LINKUSDT", "price": "19"})
    bench.ok("POST", FORDER, MARKET)
    bench.ok("POST", FORDER, LIMIT)
    for path in ("/fapi/v3/account", "/fapi/v2/account"):
        account = bench.ok("GET", path)
        rows = [row for row in account["positions"] if D(row["initialMargin"])]
        assert [row["symbol"] for row in rows] == ["LINKUSDT", "UNIUSDT"] or path.startswith("/fapi/v2")
        for part, total in (
            ("openOrderInitialMargin", "totalOpenOrderInitialMargin"),
            ("positionInitialMargin", "totalPositionInitialMargin"),
            ("initialMargin", "totalInitialMargin"),
        ):
            assert sum(D(row[part]) for row in rows) == D(account[total]) > 0
    risk = {row["symbol"]: row for row in bench.ok("GET", "/fapi/v3/positionRisk")}
    assert D(risk["LINKUSDT"]["openOrderInitialMargin"]) == D("19") * 20 / 20 == D(risk["LINKUSDT"]["initialMargin"])


def test_a_wallet_shows_every_margin_asset(bench: Bench) -> None:
    for path in ("/fapi/v2/balance", "/fapi/v3/balance"):
        assert {"USDT", "USDC", "BNB", "BTC", "ETH", "FDUSD"} <= {row["asset"] for row in bench.ok("GET", path)}
    assets = {row["asset"] for row in bench.ok("GET", "/fapi/v3/account")["assets"]}
    assert assets == {row["asset"] for row in bench.public("/fapi/v1/exchangeInfo")["assets"]}


@pytest.mark.parametrize("side", ["BUY", "SELL"])
def test_closing_at_the_break_even_price_leaves_nothing(bench: Bench, side: str) -> None:
    bench.ok("POST", FORDER, {**MARKET, "side": side})
    (row,) = bench.ok("GET", "/fapi/v3/positionRisk")
    entry, price, size, rate = D(row["entryPrice"]), D(row["breakEvenPrice"]), D(row["positionAmt"]), D("0.0005")
    assert price != entry
    assert abs((price - entry) * size - (price + entry) * abs(size) * rate) < D("0.000001")


def test_the_average_of_the_day_is_weighted_by_volume(bench: Bench) -> None:
    bench.move(SPOT, 5.0, after_ms=12 * 3_600_000)
    row = bench.public("/api/v3/ticker/24hr", **UNI)
    assert D(row["lastPrice"]) == 5
    assert D(row["lowPrice"]) <= D(row["weightedAvgPrice"]) <= D(row["highPrice"])
    assert D(row["weightedAvgPrice"]) > D(row["lastPrice"])


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"icebergQty": "5"}, "Iceberg orders are not supported for this symbol."),
        ({"trailingDelta": "100"}, "Trailing stop orders are not supported for this symbol."),
    ],
)
def test_what_a_symbol_does_not_offer_is_refused_in_words(bench: Bench, more: dict[str, str], message: str) -> None:
    assert bench.no("POST", SORDER, {**LIMIT, **more}) == (-2010, message)
    assert bench.ok("GET", "/api/v3/openOrders") == []


def test_a_market_order_without_an_amount_names_both(bench: Bench) -> None:
    order = {k: v for k, v in MARKET.items() if k != "quantity"}
    assert bench.no("POST", SORDER, order) == (
        -1102,
        "Param 'quantity' or 'quoteOrderQty' must be sent, but both were empty/null!",
    )


def test_a_test_order_shows_all_commissions(bench: Bench) -> None:
    shown = bench.ok("POST", f"{SORDER}/test", {**LIMIT, "computeCommissionRates": "true"})
    for name in ("standardCommissionForOrder", "specialCommissionForOrder", "taxCommissionForOrder"):
        assert set(shown[name]) == {"maker", "taker"}
    assert set(shown["discount"]) == {"enabledForAccount", "enabledForSymbol", "discountAsset", "discount"}


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"timeInForce": "IOC"}, "UNFILLED_IOC_QUANTITY_EXPIRED"),
        ({"timeInForce": "FOK"}, "UNFILLED_FOK_ORDER_EXPIRED"),
    ],
)
def test_an_expired_order_names_its_reason(bench: Bench, more: dict[str, str], reason: str) -> None:
    placed = bench.ok("POST", SORDER, {**LIMIT, **more})
    shown = bench.ok("GET", SORDER, {**UNI, "orderId": placed["orderId"]})
    assert (placed["status"], placed["expiryReason"], shown["expiryReason"]) == ("EXPIRED", reason, reason)


def test_times_come_in_microseconds_where_asked(bench: Bench) -> None:
    def ask(path: str, unit: str) -> Any:
        headers = {"x-mbx-time-unit": unit}
        query = "symbol=UNIUSDT&interval=1m&limit=2" if "klines" in path else ""
        return bench.simex.respond(WireRequest("GET", path, query, headers=headers)).content

    assert ask("/api/v3/time", "MICROSECOND") == {"serverTime": START_MS * 1000}
    assert ask("/api/v3/time", "millisecond") == {"serverTime": START_MS}
    assert ask("/fapi/v1/time", "MICROSECOND") == {"serverTime": START_MS}, "futures have milliseconds only"
    opened, *_, closed = ask("/api/v3/klines", "MICROSECOND")[-1][:7]
    assert (opened % 60_000_000, closed - opened) == (0, 59_999_999)
    assert ask("/api/v3/time", "FORTNIGHT")["code"] == -1194


def test_a_price_match_takes_the_price_of_the_book(bench: Bench) -> None:
    order = {k: v for k, v in LIMIT.items() if k != "price"} | {"newOrderRespType": "RESULT"}
    book = bench.public("/fapi/v1/depth", **UNI, limit=20)
    for match, price in (("QUEUE", book["bids"][0][0]), ("QUEUE_5", book["bids"][4][0])):
        placed = bench.ok("POST", FORDER, {**order, "priceMatch": match})
        assert (D(placed["price"]), placed["priceMatch"], placed["status"]) == (D(price), match, "NEW")
    taken = bench.ok("POST", FORDER, {**order, "priceMatch": "OPPONENT"})
    assert (D(taken["price"]), taken["status"]) == (D(book["asks"][0][0]), "FILLED")
    assert bench.no("POST", FORDER, {**order, "priceMatch": "NICE"})[0] == -5037
    assert bench.no("POST", FORDER, {**LIMIT, "priceMatch": "QUEUE"})[0] == -1106
    assert bench.no("POST", FORDER, {**MARKET, "priceMatch": "QUEUE"})[0] == -5038
    assert bench.no("POST", ALGO, {**STOP, "priceMatch": "QUEUE"})[0] == -5038


def test_an_order_good_till_date_ends_then(bench: Bench) -> None:
    order = {**LIMIT, "timeInForce": "GTD", "newOrderRespType": "RESULT"}
    assert bench.no("POST", FORDER, order)[0] == -1102
    assert bench.no("POST", FORDER, {**order, "goodTillDate": START_MS + 600_000})[0] == -5040
    until_ms = START_MS + 900_999
    placed = bench.ok("POST", FORDER, {**order, "goodTillDate": until_ms})
    assert (placed["timeInForce"], placed["goodTillDate"]) == ("GTD", until_ms // 1000 * 1000)
    bench.ok("POST", ALGO, {**STOP, "timeInForce": "GTD", "goodTillDate": until_ms})
    bench.clock.now_ms = until_ms // 1000 * 1000 - 1
    assert len(bench.ok("GET", "/fapi/v1/openOrders")) == len(bench.ok("GET", "/fapi/v1/openAlgoOrders")) == 1
    bench.clock.now_ms += 2
    assert bench.ok("GET", "/fapi/v1/openOrders") == bench.ok("GET", "/fapi/v1/openAlgoOrders") == []
    assert bench.ok("GET", "/fapi/v1/allOrders", UNI)[0]["status"] == "EXPIRED"


def test_a_trailing_stop_follows_the_price_and_fires(bench: Bench) -> None:
    bench.ok("POST", FORDER, MARKET)
    placed = bench.ok("POST", ALGO, TRAIL)
    assert (placed["orderType"], placed["callbackRate"], D(placed["triggerPrice"])) == (
        "TRAILING_STOP_MARKET",
        "5",
        D("9.5"),
    )
    bench.move(PERP, 12.0, after_ms=60_000)
    (row,) = bench.ok("GET", "/fapi/v1/openAlgoOrders")
    assert D(row["triggerPrice"]) == D("11.4")
    assert "callbackRate" not in row
    bench.move(PERP, 11.5, after_ms=60_000)
    assert len(bench.ok("GET", "/fapi/v1/openAlgoOrders")) == 1
    bench.move(PERP, 11.3, after_ms=60_000)
    assert bench.ok("GET", "/fapi/v1/openAlgoOrders") == []
    assert bench.ok("GET", "/fapi/v3/positionRisk") == []
    fired = bench.ok("GET", "/fapi/v1/allAlgoOrders", UNI)[0]
    assert (fired["algoStatus"], D(fired["triggerPrice"])) == ("FINISHED", D("11.4"))
    bench.exchange.audit()


def test_a_trailing_stop_waits_for_its_activation(bench: Bench) -> None:
    bench.ok("POST", FORDER, MARKET)
    assert bench.no("POST", ALGO, {**TRAIL, "activatePrice": "9"})[0] == -2021
    placed = bench.ok("POST", ALGO, {**TRAIL, "activatePrice": "11"})
    assert D(placed["activatePrice"]) == 11
    bench.move(PERP, 9.0, after_ms=60_000)
    assert len(bench.ok("GET", "/fapi/v1/openAlgoOrders")) == 1, "not active yet, so a fall does not fire it"
    bench.move(PERP, 11.2, after_ms=60_000)
    bench.move(PERP, 10.0, after_ms=60_000)
    assert bench.ok("GET", "/fapi/v1/openAlgoOrders") == []


@pytest.mark.parametrize("rate", ["0.05", "20.1", "1.234"])
def test_a_trailing_distance_outside_its_range_is_refused(bench: Bench, rate: str) -> None:
    assert bench.no("POST", ALGO, {**TRAIL, "callbackRate": rate}) == (-2007, "Invalid callBack rate")
    assert bench.ok("POST", ALGO, {**TRAIL, "callbackRate": "20"})["callbackRate"] == "20"


@pytest.mark.parametrize(("side", "first", "then"), [("SELL", 8.0, 12.0), ("BUY", 12.0, 8.0)])
def test_a_trailing_stop_of_either_side_fires_on_its_own(bench: Bench, side: str, first: float, then: float) -> None:
    bench.ok("POST", ALGO, {**TRAIL, "side": side, "quantity": "10"})
    bench.move(PERP, then, after_ms=60_000)
    assert len(bench.ok("GET", "/fapi/v1/openAlgoOrders")) == 1
    bench.move(PERP, (then + 10) / 2, after_ms=60_000)
    assert bench.ok("GET", "/fapi/v1/openAlgoOrders") == []


@pytest.mark.parametrize(("protect", "state"), [("TRUE", "EXPIRED"), ("FALSE", "FINISHED")])
def test_a_protected_order_does_not_fire_far_from_the_mark(make_bench: MakeBench, protect: str, state: str) -> None:
    bench = make_bench(rules=Rules(trigger_protect=D("-1")))  # any distance is too far
    placed = bench.ok("POST", ALGO, {**STOP, "priceProtect": protect, "quantity": "10"})
    assert placed["priceProtect"] is (protect == "TRUE")
    bench.move(PERP, 8.9)
    assert bench.ok("GET", ALGO, {"algoId": placed["algoId"]})["algoStatus"] == state


def test_a_conditional_order_keeps_its_prevention_mode(bench: Bench) -> None:
    placed = bench.ok("POST", ALGO, {**STOP, "selfTradePreventionMode": "EXPIRE_BOTH", "quantity": "10"})
    assert placed["selfTradePreventionMode"] == "EXPIRE_BOTH"
    bench.move(PERP, 8.9)
    order = bench.ok("GET", "/fapi/v1/allOrders", UNI)[0]
    assert order["selfTradePreventionMode"] == "EXPIRE_BOTH"


def test_multi_assets_mode_is_taken_and_shown(bench: Bench) -> None:
    path = "/fapi/v1/multiAssetsMargin"
    assert bench.ok("POST", path, {"multiAssetsMargin": "true"}) == {"code": 200, "msg": "success"}
    assert bench.ok("GET", path) == {"multiAssetsMargin": True}
    assert bench.no("POST", path, {"multiAssetsMargin": "true"})[0] == -4171
