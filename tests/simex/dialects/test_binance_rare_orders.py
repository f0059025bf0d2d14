"""States of orders that are seldom seen: self-trade prevention, auto-deleveraging, the insurance fund, pending ones."""

from decimal import Decimal

import pytest

from bot.domain.instrument import Side
from bot.domain.order import OrderType
from bot.simex.engine.types import NewOrder, OrderStatus
from tests.simex.dialects.conftest import Bench

D = Decimal
SPOT, PERP = "UNI/USDT", "UNI/USDT:USDT"
UNI = {"symbol": "UNIUSDT"}
FORDER, SORDER = "/fapi/v1/order", "/api/v3/order"
BUY = {**UNI, "side": "BUY", "type": "MARKET", "quantity": "50"}
PATHS = [(SORDER, "/api/v3/allOrders"), (FORDER, "/fapi/v1/allOrders")]


def rest(bench: Bench, path: str, side: str, price: str, **more: str) -> int:
    order = {**UNI, "side": side, "type": "LIMIT", "timeInForce": "GTC", "quantity": "20", "price": price, **more}
    return int(bench.ok("POST", path, order)["orderId"])


def states(bench: Bench, path: str) -> list[tuple[str, Decimal]]:
    return [(row["status"], D(row["executedQty"])) for row in bench.ok("GET", path, UNI)]


@pytest.mark.parametrize(("path", "history"), PATHS)
@pytest.mark.parametrize(
    ("mode", "maker", "taker"),
    [
        ("EXPIRE_MAKER", "EXPIRED_IN_MATCH", "FILLED"),
        (None, "EXPIRED_IN_MATCH", "FILLED"),
        ("EXPIRE_TAKER", "NEW", "EXPIRED_IN_MATCH"),
        ("EXPIRE_BOTH", "EXPIRED_IN_MATCH", "EXPIRED_IN_MATCH"),
        ("NONE", "NEW", "FILLED"),
    ],
)
def test_the_takers_mode_decides_which_order_expires(
    bench: Bench, path: str, history: str, mode: str | None, maker: str, taker: str
) -> None:
    rest(bench, path, "BUY", "10")  # inside the spread, so that a seller meets it first
    sell = {**UNI, "side": "SELL", "type": "LIMIT", "timeInForce": "GTC", "quantity": "10", "price": "9.9"}
    reply = bench.ok("POST", path, {**sell, **({"selfTradePreventionMode": mode} if mode else {})})
    assert reply["selfTradePreventionMode"] == (mode or "EXPIRE_MAKER")
    filled = D(10) if taker == "FILLED" else D(0)
    assert states(bench, history) == [(maker, D(0)), (taker, filled)]
    bench.exchange.audit()


@pytest.mark.parametrize(("path", "history"), PATHS)
def test_an_order_that_is_not_reached_stays(bench: Bench, path: str, history: str) -> None:
    rest(bench, path, "BUY", "9.5")
    bench.ok("POST", path, {**UNI, "side": "SELL", "type": "MARKET", "quantity": "10"})
    assert [status for status, _ in states(bench, history)] == ["NEW", "FILLED"]


def test_an_unknown_prevention_mode_is_refused(bench: Bench) -> None:
    assert bench.no("POST", FORDER, {**BUY, "selfTradePreventionMode": "SOMETIMES"})[0] == -5039
    assert bench.no("POST", SORDER, {**BUY, "selfTradePreventionMode": "SOMETIMES"})[0] == -1130
    assert "does not allow" in bench.no("POST", SORDER, {**BUY, "selfTradePreventionMode": "DECREMENT"})[1]


def test_a_deleveraged_position_shrinks_without_an_order_of_its_owner(bench: Bench) -> None:
    bench.ok("POST", FORDER, BUY)
    rest(bench, FORDER, "BUY", "9")
    bench.exchange.deleverage("main", PERP, D(20))
    (position,) = bench.ok("GET", "/fapi/v3/positionRisk")
    assert D(position["positionAmt"]) == 30
    order = bench.ok("GET", "/fapi/v1/allOrders", UNI)[-1]
    assert order["clientOrderId"].startswith("adl_autoclose")
    assert (order["status"], D(order["executedQty"])) == ("NEW_ADL", D(20))
    assert states(bench, "/fapi/v1/allOrders")[1] == ("EXPIRED", D(0)), "what rested is withdrawn"
    assert bench.ok("GET", "/fapi/v1/openOrders", UNI) == []
    bench.exchange.audit()


def test_a_position_that_the_insurance_fund_takes_over_shows_its_order(bench: Bench) -> None:
    bench.ok("POST", "/fapi/v1/marginType", {**UNI, "marginType": "ISOLATED"})
    bench.ok("POST", "/fapi/v1/leverage", {**UNI, "leverage": 50})
    bench.ok("POST", FORDER, BUY)
    bench.move(PERP, 8.0)
    assert not [row for row in bench.ok("GET", "/fapi/v3/positionRisk") if D(row["positionAmt"])]
    order = bench.ok("GET", "/fapi/v1/allOrders", UNI)[-1]
    assert order["clientOrderId"].startswith("autoclose-")
    assert (order["status"], D(order["executedQty"])) == ("NEW_INSURANCE", D(50))


@pytest.mark.parametrize(("path", "history"), PATHS)
def test_an_order_whose_cancel_is_on_its_way_is_open_and_may_fill(bench: Bench, path: str, history: str) -> None:
    symbol = PERP if path == FORDER else SPOT
    number = rest(bench, path, "BUY", "9.5")
    bench.exchange.put_order_into("main", symbol, number, OrderStatus.PENDING_CANCEL)
    (row,) = bench.ok("GET", history.replace("allOrders", "openOrders"), UNI)
    assert row["status"] == "PENDING_CANCEL"
    bench.move(symbol, 9.4)
    assert states(bench, history) == [("FILLED", D(20))]


def test_an_order_that_waits_for_another_one_is_not_filled(bench: Bench) -> None:
    number = rest(bench, SORDER, "BUY", "9.5")
    bench.exchange.put_order_into("main", SPOT, number, OrderStatus.PENDING_NEW)
    bench.move(SPOT, 9.4)
    assert states(bench, "/api/v3/allOrders") == [("PENDING_NEW", D(0))]
    bench.exchange.put_order_into("main", SPOT, number, OrderStatus.NEW)
    bench.clock.now_ms += 61_000
    assert states(bench, "/api/v3/allOrders") == [("FILLED", D(20))]


@pytest.mark.parametrize(("path", "history"), PATHS)
@pytest.mark.parametrize("end", ["fill", "cancel"])
def test_a_client_id_is_free_again_once_its_order_is_over(bench: Bench, path: str, history: str, end: str) -> None:
    symbol = PERP if path == FORDER else SPOT
    number = rest(bench, path, "BUY", "9.5", newClientOrderId="mine")
    again = {
        **UNI,
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "20",
        "price": "9",
        "newClientOrderId": "mine",
    }
    assert bench.no("POST", path, again)[0] == (-4116 if path == FORDER else -2010)
    if end == "fill":
        bench.move(symbol, 9.4)
    else:
        bench.ok("DELETE", path, {**UNI, "orderId": number})
    bench.ok("POST", path, again)
    assert len(states(bench, history)) == 2


def test_a_size_that_is_no_part_of_the_position_is_not_deleveraged(bench: Bench) -> None:
    bench.exchange.place("main", NewOrder(PERP, Side.BUY, OrderType.MARKET, D(5)))
    with pytest.raises(Exception, match="position_missing"):
        bench.exchange.deleverage("main", PERP, D(6))
