"""A symbol's life at the venue: states before its end, settlement, removal; other filters, brackets and intervals."""

from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from bot.domain.durations import HOUR_MS
from bot.simex.engine.rules import MINOR_BRACKETS, make_brackets
from bot.simex.engine.types import ListingStatus
from tests.simex.dialects.conftest import START_MS, Bench

D = Decimal
SPOT, PERP = "UNI/USDT", "UNI/USDT:USDT"
UNI, LINK = {"symbol": "UNIUSDT"}, {"symbol": "LINKUSDT"}
FORDER, SORDER, ALGO = "/fapi/v1/order", "/api/v3/order", "/fapi/v1/algoOrder"
BUY = {**UNI, "side": "BUY", "type": "MARKET", "quantity": "50"}
STOP = {
    **UNI,
    "algoType": "CONDITIONAL",
    "side": "SELL",
    "type": "STOP_MARKET",
    "quantity": "50",
    "triggerPrice": "9",
    "reduceOnly": "true",
}
INVALID = (-1121, "Invalid symbol.")
PUBLIC = (
    "/api/v3/depth",
    "/api/v3/klines",
    "/api/v3/ticker/24hr",
    "/api/v3/ticker/price",
    "/api/v3/ticker/bookTicker",
    "/api/v3/avgPrice",
    "/fapi/v1/depth",
    "/fapi/v1/klines",
    "/fapi/v1/markPriceKlines",
    "/fapi/v1/ticker/24hr",
    "/fapi/v1/ticker/price",
    "/fapi/v1/ticker/bookTicker",
    "/fapi/v1/premiumIndex",
    "/fapi/v1/fundingRate",
    "/fapi/v1/openInterest",
    "/futures/data/openInterestHist",
    "/api/v3/exchangeInfo",
)
PRIVATE = (
    ("GET", SORDER),
    ("GET", "/api/v3/openOrders"),
    ("GET", "/api/v3/allOrders"),
    ("GET", "/api/v3/myTrades"),
    ("POST", SORDER),
    ("DELETE", SORDER),
    ("DELETE", "/api/v3/openOrders"),
    ("GET", "/api/v3/account/commission"),
    ("GET", FORDER),
    ("GET", "/fapi/v1/openOrders"),
    ("GET", "/fapi/v1/allOrders"),
    ("GET", "/fapi/v1/userTrades"),
    ("POST", FORDER),
    ("DELETE", FORDER),
    ("DELETE", "/fapi/v1/allOpenOrders"),
    ("POST", ALGO),
    ("GET", "/fapi/v1/openAlgoOrders"),
    ("GET", "/fapi/v1/allAlgoOrders"),
    ("POST", "/fapi/v1/leverage"),
    ("POST", "/fapi/v1/marginType"),
    ("POST", "/fapi/v1/positionMargin"),
    ("GET", "/fapi/v2/positionRisk"),
    ("GET", "/fapi/v3/positionRisk"),
    ("GET", "/fapi/v1/symbolConfig"),
    ("GET", "/fapi/v1/leverageBracket"),
    ("GET", "/fapi/v1/commissionRate"),
    ("GET", "/fapi/v1/income"),
)
ASKED = {
    **UNI,
    "interval": "1h",
    "period": "1h",
    "side": "SELL",
    "type": "MARKET",
    "quantity": "1",
    "orderId": "1",
    "leverage": "3",
    "marginType": "ISOLATED",
    "amount": "1",
    "algoType": "CONDITIONAL",
}


def names_of(bench: Bench, family: str) -> dict[str, str]:
    return {row["symbol"]: row["status"] for row in bench.public(f"{family}/exchangeInfo")["symbols"]}


def remove_uni(bench: Bench) -> None:
    bench.exchange.remove(SPOT)
    bench.exchange.remove(PERP)


@pytest.mark.parametrize("path", PUBLIC)
def test_a_removed_symbol_is_unknown_to_public_endpoints(bench: Bench, path: str) -> None:
    remove_uni(bench)
    assert bench.no("GET", path, {k: ASKED[k] for k in ("symbol", "interval", "period")}, key=None) == INVALID


@pytest.mark.parametrize(("method", "path"), PRIVATE)
def test_a_removed_symbol_is_unknown_to_signed_endpoints(bench: Bench, method: str, path: str) -> None:
    remove_uni(bench)
    asked = ASKED if path != SORDER or method != "POST" else {k: ASKED[k] for k in ("symbol", "side", "type")}
    assert bench.no(method, path, asked) == INVALID


def test_lists_go_on_without_a_removed_symbol(bench: Bench) -> None:
    remove_uni(bench)
    for family in ("/api/v3", "/fapi/v1"):
        assert names_of(bench, family) == {"LINKUSDT": "TRADING"}
        for path in ("ticker/bookTicker", "ticker/24hr", "ticker/price"):
            assert [row["symbol"] for row in bench.public(f"{family}/{path}")] == ["LINKUSDT"]
    assert [row["symbol"] for row in bench.public("/fapi/v1/premiumIndex")] == ["LINKUSDT"]
    assert {row["symbol"] for row in bench.public("/fapi/v1/fundingRate")} == {"LINKUSDT"}
    assert [row["symbol"] for row in bench.ok("GET", "/fapi/v1/leverageBracket")] == ["LINKUSDT"]


def test_the_token_of_a_removed_symbol_stays_in_the_wallet(bench: Bench) -> None:
    remove_uni(bench)
    held = {row["asset"]: row["free"] for row in bench.ok("GET", "/api/v3/account")["balances"]}
    assert D(held["UNI"]) == 100


def test_a_position_is_settled_at_the_settlement_price_with_its_statement(bench: Bench) -> None:
    bench.ok("POST", FORDER, BUY)
    bench.ok("POST", FORDER, {**BUY, "type": "LIMIT", "timeInForce": "GTC", "price": "9", "quantity": "5"})
    bench.ok("POST", ALGO, STOP)
    bench.exchange.delist(PERP, D("10.5"))
    assert not [row for row in bench.ok("GET", "/fapi/v3/positionRisk") if D(row["positionAmt"])]
    bought, rested, settled = (
        bench.ok("GET", "/fapi/v1/allOrders", UNI)[:2] + bench.ok("GET", "/fapi/v1/allOrders", UNI)[-1:]
    )
    assert rested["status"] == "EXPIRED"
    assert settled["clientOrderId"].startswith("settlement_autoclose-")
    assert (settled["status"], D(settled["avgPrice"])) == ("FILLED", D("10.5"))
    assert [row["algoStatus"] for row in bench.ok("GET", "/fapi/v1/allAlgoOrders", UNI)] == ["EXPIRED"]
    profit = bench.ok("GET", "/fapi/v1/income", {"incomeType": "REALIZED_PNL"})[-1]
    assert D(profit["income"]) == (D("10.5") - D(bought["avgPrice"])) * 50
    assert names_of(bench, "/fapi/v1")["UNIUSDT"] == "CLOSE"
    assert names_of(bench, "/api/v3")["UNIUSDT"] == "TRADING", "each market ends on its own"
    bench.exchange.remove(PERP)
    assert bench.ok("GET", "/fapi/v1/income", {"incomeType": "REALIZED_PNL"})[-1]["symbol"] == "UNIUSDT"
    assert bench.ok("GET", "/fapi/v1/openAlgoOrders") == []
    bench.exchange.audit()


PERP_STATES = ("PENDING_TRADING", "SETTLING", "PRE_DELIVERING", "DELIVERING", "DELIVERED", "CLOSE")


@pytest.mark.parametrize("status", PERP_STATES)
def test_a_perp_that_does_not_trade_says_so_and_refuses(bench: Bench, status: str) -> None:
    bench.ok("POST", FORDER, BUY)
    bench.exchange.set_status(PERP, ListingStatus[status])
    assert names_of(bench, "/fapi/v1")["UNIUSDT"] == status
    assert bench.no("POST", FORDER, BUY) == (-4140, "Invalid symbol status for opening position.")
    assert bench.no("POST", FORDER, {**BUY, "side": "SELL", "reduceOnly": "true"}) == (-4141, "Symbol is closed.")


def test_before_its_settlement_a_perp_takes_what_reduces(bench: Bench) -> None:
    bench.ok("POST", FORDER, BUY)
    bench.exchange.set_status(PERP, ListingStatus.PRE_SETTLE)
    assert names_of(bench, "/fapi/v1")["UNIUSDT"] == "PRE_SETTLE"
    assert bench.no("POST", FORDER, BUY) == (-4140, "Invalid symbol status for opening position.")
    bench.ok("POST", FORDER, {**BUY, "side": "SELL", "reduceOnly": "true"})


@pytest.mark.parametrize("status", ["BREAK", "HALT", "END_OF_DAY", "CANCEL_ONLY"])
def test_a_spot_market_that_does_not_trade_says_so_and_takes_cancels(bench: Bench, status: str) -> None:
    order = {**UNI, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "10", "price": "9"}
    placed = bench.ok("POST", SORDER, order)
    bench.exchange.set_status(SPOT, ListingStatus[status])
    assert names_of(bench, "/api/v3")["UNIUSDT"] == status
    assert bench.no("POST", SORDER, order) == (-2010, "Market is closed.")
    assert bench.ok("DELETE", SORDER, {**UNI, "orderId": placed["orderId"]})["status"] == "CANCELED"


def test_a_position_above_new_brackets_keeps_its_leverage(bench: Bench) -> None:
    bench.ok("POST", "/fapi/v1/leverage", {**UNI, "leverage": 40})
    bench.ok("POST", FORDER, BUY)
    bench.exchange.set_brackets(PERP, make_brackets(MINOR_BRACKETS, 10))
    (row,) = bench.ok("GET", "/fapi/v2/positionRisk", UNI)
    assert (row["leverage"], D(row["positionAmt"])) == ("40", D(50))
    assert bench.ok("GET", "/fapi/v1/leverageBracket", UNI)[0]["brackets"][0]["initialLeverage"] == 10
    for leverage in (11, 40):
        refusal = (-4028, f"Leverage {leverage} is not valid")
        assert bench.no("POST", "/fapi/v1/leverage", {**UNI, "leverage": leverage}) == refusal
    assert bench.no("POST", FORDER, BUY) == (-2027, "Exceeded the maximum allowable position at current leverage.")
    bench.ok("POST", FORDER, {**BUY, "side": "SELL", "reduceOnly": "true"})


def test_what_a_coarser_step_leaves_cannot_be_sold(bench: Bench) -> None:
    uni = bench.exchange.instruments[SPOT]
    bench.exchange.replace_instrument(replace(uni, size_step=D(30), size_min=D(30)))
    sell = {**UNI, "side": "SELL", "type": "MARKET"}
    assert bench.no("POST", SORDER, {**sell, "quantity": "100"}) == (-1013, "Filter failure: LOT_SIZE")
    bench.ok("POST", SORDER, {**sell, "quantity": "90"})
    assert bench.no("POST", SORDER, {**sell, "quantity": "10"}) == (-1013, "Filter failure: LOT_SIZE")


@pytest.mark.parametrize("hours", [1, 4])
def test_a_funding_interval_changes_while_the_exchange_runs(bench: Bench, hours: int) -> None:
    assert bench.public("/fapi/v1/fundingInfo") == []
    bench.exchange.set_funding_interval(PERP, hours)
    (row,) = bench.public("/fapi/v1/fundingInfo")
    assert (row["symbol"], row["fundingIntervalHours"]) == ("UNIUSDT", hours)
    start_ms = bench.clock.now_ms
    premium = bench.public("/fapi/v1/premiumIndex", **UNI)
    assert 0 < premium["nextFundingTime"] - start_ms <= hours * HOUR_MS
    bench.ok("POST", FORDER, BUY)
    bench.clock.now_ms += 12 * HOUR_MS
    since = [row["fundingTime"] for row in bench.public("/fapi/v1/fundingRate", **UNI, startTime=start_ms)]
    assert len(since) == 12 // hours
    assert {later - before for before, later in pairwise(since)} == {hours * HOUR_MS}
    before = bench.public("/fapi/v1/fundingRate", **UNI, endTime=start_ms)
    assert before[-1]["fundingTime"] - before[-2]["fundingTime"] == 8 * HOUR_MS
    assert len(bench.ok("GET", "/fapi/v1/income", {"incomeType": "FUNDING_FEE"})) == 12 // hours
    assert len(bench.public("/fapi/v1/fundingRate", **LINK, startTime=start_ms)) == 1


def test_prices_carry_the_venues_own_time(bench: Bench) -> None:
    assert "time" not in bench.public("/api/v3/ticker/bookTicker", **UNI)
    assert "time" not in bench.public("/api/v3/ticker/price", **UNI)
    now_ms = bench.exchange.now_ms
    assert now_ms >= START_MS
    stamped: tuple[tuple[str, str], ...] = (
        ("/api/v3/ticker/24hr", "closeTime"),
        ("/fapi/v1/ticker/24hr", "closeTime"),
        ("/fapi/v1/ticker/bookTicker", "time"),
        ("/fapi/v1/ticker/price", "time"),
        ("/fapi/v1/premiumIndex", "time"),
        ("/fapi/v1/openInterest", "time"),
        ("/fapi/v1/depth", "T"),
    )
    for path, name in stamped:
        answer: Any = bench.public(path, **UNI)
        assert answer[name] == now_ms, path
