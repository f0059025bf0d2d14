"""Hedge mode on the wire, with both sides of one symbol held: rows, orders, margin, refusals and the user's stream."""

from decimal import Decimal
from typing import Any

import pytest

from tests.simex.dialects.conftest import Bench
from tests.simex.dialects.test_binance_streams import Socket, listen

D = Decimal
PERP = "UNI/USDT:USDT"
ORDER, ALGO, DUAL = "/fapi/v1/order", "/fapi/v1/algoOrder", "/fapi/v1/positionSide/dual"
UNI = {"symbol": "UNIUSDT"}
NOT_MATCHING = "Order's position side does not match user's setting."
ACCOUNT, RISK = "/fapi/v{}/account", "/fapi/v{}/positionRisk"


def order(side: str, position_side: str, size: int = 50, **more: Any) -> dict[str, Any]:
    return {**UNI, "side": side, "type": "MARKET", "quantity": size, "positionSide": position_side, **more}


def stop(side: str, position_side: str, **more: Any) -> dict[str, Any]:
    return {
        **UNI,
        "algoType": "CONDITIONAL",
        "side": side,
        "type": "STOP_MARKET",
        "triggerPrice": "9" if side == "SELL" else "11",
        "positionSide": position_side,
        "workingType": "MARK_PRICE",
        **more,
    }


@pytest.fixture
def both(bench: Bench) -> Bench:
    """LONG 50 and SHORT 20 of one symbol."""
    bench.ok("POST", DUAL, {"dualSidePosition": "true"})
    bench.ok("POST", ORDER, order("BUY", "LONG"))
    bench.ok("POST", ORDER, order("SELL", "SHORT", 20))
    return bench


def amounts(rows: list[dict[str, Any]]) -> dict[str, Decimal]:
    assert len({row["positionSide"] for row in rows}) == len(rows)
    return {row["positionSide"]: D(row["positionAmt"]) for row in rows}


def test_every_list_of_positions_has_a_row_for_each_side(both: Bench) -> None:
    sides = {"LONG": D(50), "SHORT": D(-20)}
    for version in (2, 3):
        assert amounts(both.ok("GET", RISK.format(version), UNI)) == sides
        rows = both.ok("GET", ACCOUNT.format(version))["positions"]
        assert amounts([row for row in rows if row["symbol"] == "UNIUSDT"]) == sides
    long, short = both.ok("GET", RISK.format(3))
    assert D(long["entryPrice"]) > D(short["entryPrice"]), "each side has its own entry"
    total = both.ok("GET", ACCOUNT.format(3))
    assert D(total["totalPositionInitialMargin"]) == D(long["initialMargin"]) + D(short["initialMargin"])


def test_margin_of_resting_orders_is_of_their_side(both: Bench) -> None:
    both.ok("POST", "/fapi/v1/leverage", {**UNI, "leverage": 10})
    both.ok("POST", ORDER, order("BUY", "LONG", 10, type="LIMIT", timeInForce="GTC", price="9"))
    rows = {row["positionSide"]: D(row["openOrderInitialMargin"]) for row in both.ok("GET", RISK.format(3))}
    assert rows == {"LONG": D(9), "SHORT": D(0)}


@pytest.mark.parametrize(("side", "position_side"), [("SELL", "LONG"), ("BUY", "SHORT")])
def test_an_order_closes_its_side_and_no_more(both: Bench, side: str, position_side: str) -> None:
    other = "SHORT" if position_side == "LONG" else "LONG"
    before = amounts(both.ok("GET", RISK.format(3)))
    both.ok("POST", ORDER, order(side, position_side, 500))
    assert amounts(both.ok("GET", RISK.format(3))) == {other: before[other]}
    assert both.no("POST", ORDER, order(side, position_side, 5)) == (-2022, "ReduceOnly Order is rejected.")


@pytest.mark.parametrize("path", [ORDER, ALGO])
@pytest.mark.parametrize("flag", ["true", "false"])
def test_reduce_only_is_refused_where_the_side_says_it(both: Bench, path: str, flag: str) -> None:
    asked = order("SELL", "LONG", 5) if path == ORDER else stop("SELL", "LONG", quantity=5)
    assert both.no("POST", path, {**asked, "reduceOnly": flag})[0] == -1106


@pytest.mark.parametrize("path", [ORDER, ALGO])
@pytest.mark.parametrize("side", ["BOTH", None])
def test_an_order_without_a_side_is_refused(both: Bench, path: str, side: str | None) -> None:
    asked = order("SELL", "LONG", 5) if path == ORDER else stop("SELL", "LONG", quantity=5)
    asked = {name: value for name, value in asked.items() if name != "positionSide"}
    extra = {} if side is None else {"positionSide": side}
    for reduce in ({}, {"reduceOnly": "true"}):
        assert both.no("POST", path, {**asked, **extra, **reduce}) == (-4061, NOT_MATCHING)


def test_close_position_takes_its_own_side_whole(both: Bench) -> None:
    placed = both.ok("POST", ALGO, stop("SELL", "LONG", closePosition="true"))
    assert (placed["closePosition"], placed["positionSide"]) == (True, "LONG")
    both.move(PERP, 8.9)
    assert amounts(both.ok("GET", RISK.format(3))) == {"SHORT": D(-20)}


@pytest.mark.parametrize(("side", "position_side"), [("BUY", "LONG"), ("SELL", "SHORT")])
def test_close_position_is_refused_where_the_order_would_open(both: Bench, side: str, position_side: str) -> None:
    assert both.no("POST", ALGO, stop(side, position_side, closePosition="true"))[0] == -1128
    assert both.ok("GET", "/fapi/v1/openAlgoOrders") == []


def test_the_mode_stays_while_a_conditional_order_or_a_side_is_left(both: Bench) -> None:
    asked = {"dualSidePosition": "false"}
    algo = both.ok("POST", ALGO, stop("BUY", "SHORT", quantity=20))
    assert both.no("POST", DUAL, asked)[0] == -4067
    both.ok("DELETE", ALGO, {"algoId": algo["algoId"]})
    assert both.no("POST", DUAL, asked)[0] == -4068
    both.ok("POST", ORDER, order("SELL", "LONG"))
    assert both.no("POST", DUAL, asked)[0] == -4068
    both.ok("POST", ORDER, order("BUY", "SHORT", 20))
    both.ok("POST", DUAL, asked)


def test_isolated_margin_is_moved_to_the_side_that_is_named(bench: Bench) -> None:
    bench.ok("POST", DUAL, {"dualSidePosition": "true"})
    bench.ok("POST", "/fapi/v1/marginType", {**UNI, "marginType": "ISOLATED"})
    bench.ok("POST", ORDER, order("BUY", "LONG"))
    bench.ok("POST", ORDER, order("SELL", "SHORT", 20))
    path, asked = "/fapi/v1/positionMargin", {**UNI, "amount": "3", "type": 1}
    before = {row["positionSide"]: D(row["isolatedWallet"]) for row in bench.ok("GET", RISK.format(3))}
    assert bench.no("POST", path, asked) == (-4061, NOT_MATCHING)
    bench.ok("POST", path, {**asked, "positionSide": "SHORT"})
    after = {row["positionSide"]: D(row["isolatedWallet"]) for row in bench.ok("GET", RISK.format(3))}
    assert after == {"LONG": before["LONG"], "SHORT": before["SHORT"] + 3}


def test_the_user_stream_names_the_side_that_changed(both: Bench) -> None:
    socket = Socket(both, f"/ws/{listen(both, '/fapi/v1/listenKey')}")
    both.ok("POST", ORDER, order("BUY", "SHORT", 5))
    news = socket.news()
    (row,) = [news["a"]["P"][0] for news in news if news["e"] == "ACCOUNT_UPDATE"]
    assert (row["ps"], D(row["pa"])) == ("SHORT", D(-15))
    both.ok("POST", ORDER, order("SELL", "LONG"))
    news = socket.news()
    assert {update["o"]["ps"] for update in news if update["e"] == "ORDER_TRADE_UPDATE"} == {"LONG"}
    (row,) = [news["a"]["P"][0] for news in news if news["e"] == "ACCOUNT_UPDATE"]
    assert (row["ps"], D(row["pa"])) == ("LONG", D(0)), "a closed side is shown flat under its own name"


def test_queues_for_deleveraging_have_one_row_a_symbol(both: Bench) -> None:
    (row,) = both.ok("GET", "/fapi/v1/adlQuantile")
    assert set(row["adlQuantile"]) == {"LONG", "SHORT", "HEDGE"}


def test_trades_and_orders_say_their_side(both: Bench) -> None:
    assert [row["positionSide"] for row in both.ok("GET", "/fapi/v1/userTrades", UNI)] == ["LONG", "SHORT"]
    assert [row["positionSide"] for row in both.ok("GET", "/fapi/v1/allOrders", UNI)] == ["LONG", "SHORT"]
