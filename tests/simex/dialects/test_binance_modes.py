"""Account-wide modes: hedge mode, multi-assets mode, what an account and its key may do, and the venue's refusals."""

from decimal import Decimal
from typing import Any

import pytest

from bot.simex.engine.rules import ReduceOnlyCounting, Rules
from bot.simex.engine.types import AccountModes
from tests.simex.dialects.conftest import Bench, MakeBench

D = Decimal
ORDER, ALGO = "/fapi/v1/order", "/fapi/v1/algoOrder"
DUAL, MULTI = "/fapi/v1/positionSide/dual", "/fapi/v1/multiAssetsMargin"
UNI = {"symbol": "UNIUSDT"}
BUY = {**UNI, "side": "BUY", "type": "MARKET", "quantity": "50"}
SELL = {**UNI, "side": "SELL", "type": "MARKET", "quantity": "50"}
LIMIT = {**UNI, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "10", "price": "9"}
SAME_MODE = "No need to change position side."
SAME_ASSETS = "Adjusted asset mode is currently set and does not need to be adjusted repeatedly."
TAKEN = "ReduceOnly Order Failed. Please check your existing position and open orders."
NOT_MATCHING = "Order's position side does not match user's setting."


def stop(**changed: Any) -> dict[str, Any]:
    return {
        **UNI,
        "algoType": "CONDITIONAL",
        "side": "SELL",
        "type": "STOP_MARKET",
        "quantity": "50",
        "triggerPrice": "9",
        "reduceOnly": "true",
        "workingType": "MARK_PRICE",
        **changed,
    }


def hedged(bench: Bench) -> Bench:
    assert bench.ok("POST", DUAL, {"dualSidePosition": "true"}) == {"code": 200, "msg": "success"}
    return bench


def test_hedge_mode_is_switched_on_and_off_again(bench: Bench) -> None:
    hedged(bench)
    assert bench.ok("GET", DUAL) == {"dualSidePosition": True}
    assert bench.ok("GET", "/fapi/v1/accountConfig")["dualSidePosition"] is True
    assert bench.no("POST", DUAL, {"dualSidePosition": "true"}) == (-4059, SAME_MODE)
    bench.ok("POST", DUAL, {"dualSidePosition": "false"})
    assert bench.no("POST", DUAL, {"dualSidePosition": "false"}) == (-4059, SAME_MODE)
    assert bench.no("POST", DUAL)[0] == -1102


def test_position_mode_is_kept_while_orders_or_positions_are_open(bench: Bench) -> None:
    bench.ok("POST", ORDER, LIMIT)
    assert bench.no("POST", DUAL, {"dualSidePosition": "true"}) == (
        -4067,
        "Position side cannot be changed if there exists open orders.",
    )
    bench.ok("DELETE", "/fapi/v1/allOpenOrders", UNI)
    bench.ok("POST", ORDER, BUY)
    assert bench.no("POST", DUAL, {"dualSidePosition": "true"}) == (
        -4068,
        "Position side cannot be changed if there exists position.",
    )


@pytest.mark.parametrize("side", [{}, {"positionSide": "BOTH"}])
def test_hedge_mode_refuses_orders_without_a_side(bench: Bench, side: dict[str, str]) -> None:
    hedged(bench)
    assert bench.no("POST", ORDER, {**BUY, **side}) == (-4061, NOT_MATCHING)
    assert bench.no("POST", "/fapi/v1/order/test", {**BUY, **side}) == (-4061, NOT_MATCHING)
    assert bench.no("POST", ALGO, {**stop(), **side}) == (-4061, NOT_MATCHING)


def test_one_way_mode_refuses_orders_with_a_side(bench: Bench) -> None:
    for side in ("LONG", "SHORT"):
        assert bench.no("POST", ORDER, {**BUY, "positionSide": side}) == (-4061, NOT_MATCHING)
    assert bench.no("POST", ORDER, {**BUY, "positionSide": "UP"})[0] == -4060


def test_hedge_mode_has_a_row_for_each_side(bench: Bench) -> None:
    hedged(bench)
    bench.ok("POST", ORDER, {**SELL, "positionSide": "SHORT"})
    (row,) = bench.ok("GET", "/fapi/v3/positionRisk")
    assert (row["positionSide"], D(row["positionAmt"])) == ("SHORT", D(-50))
    both = {row["positionSide"]: D(row["positionAmt"]) for row in bench.ok("GET", "/fapi/v2/positionRisk", UNI)}
    assert both == {"LONG": D(0), "SHORT": D(-50)}
    (row,) = bench.ok("GET", "/fapi/v3/account")["positions"]
    assert row["positionSide"] == "SHORT"
    sides = [row["positionSide"] for row in bench.ok("GET", "/fapi/v2/account")["positions"]]
    assert sides == ["LONG", "SHORT"] * 2
    (order,) = bench.ok("GET", "/fapi/v1/allOrders", UNI)
    (trade,) = bench.ok("GET", "/fapi/v1/userTrades", UNI)
    assert order["positionSide"] == trade["positionSide"] == "SHORT"


def test_the_closing_order_of_a_side_never_turns_it(bench: Bench) -> None:
    hedged(bench)
    short = {"positionSide": "SHORT"}
    assert bench.no("POST", ORDER, {**BUY, **short}) == (-2022, "ReduceOnly Order is rejected.")
    bench.ok("POST", ORDER, {**SELL, **short})
    assert bench.no("POST", ORDER, {**BUY, **short, "reduceOnly": "true"}) == (
        -1106,
        "Parameter 'reduceonly' sent when not required.",
    )
    bench.ok("POST", ORDER, {**BUY, **short, "quantity": "80"})
    assert bench.ok("GET", "/fapi/v3/positionRisk") == []


def test_a_stop_of_a_side_closes_that_side(bench: Bench) -> None:
    hedged(bench)
    bench.ok("POST", ORDER, {**BUY, "positionSide": "LONG"})
    bench.ok("POST", ALGO, {k: v for k, v in stop(positionSide="LONG").items() if k != "reduceOnly"})
    bench.move("UNI/USDT:USDT", 8.9)
    assert bench.ok("GET", "/fapi/v3/positionRisk") == []


def test_multi_assets_mode_is_switched_on_and_shown(bench: Bench) -> None:
    assert bench.ok("GET", MULTI) == {"multiAssetsMargin": False}
    bench.ok("POST", MULTI, {"multiAssetsMargin": "true"})
    assert bench.ok("GET", MULTI) == {"multiAssetsMargin": True}
    assert bench.ok("GET", "/fapi/v2/account")["multiAssetsMargin"] is True
    assert bench.ok("GET", "/fapi/v1/accountConfig")["multiAssetsMargin"] is True
    assert bench.no("POST", MULTI, {"multiAssetsMargin": "true"}) == (-4171, SAME_ASSETS)
    assert bench.no("POST", "/fapi/v1/marginType", {**UNI, "marginType": "ISOLATED"}) == (
        -4168,
        "Unable to adjust to isolated-margin mode under the Multi-Assets mode.",
    )
    bench.ok("POST", MULTI, {"multiAssetsMargin": "false"})
    assert bench.no("POST", MULTI, {"multiAssetsMargin": "false"}) == (-4171, SAME_ASSETS)


def test_multi_assets_mode_is_refused_beside_isolated_symbols_and_orders(bench: Bench) -> None:
    bench.ok("POST", ORDER, LIMIT)
    assert bench.no("POST", MULTI, {"multiAssetsMargin": "true"}) == (
        -4170,
        "Unable to adjust Multi-Assets Mode with open orders in USDⓈ-M Futures.",
    )
    bench.ok("DELETE", "/fapi/v1/allOpenOrders", UNI)
    bench.ok("POST", "/fapi/v1/marginType", {**UNI, "marginType": "ISOLATED"})
    assert bench.no("POST", MULTI, {"multiAssetsMargin": "true"}) == (
        -4167,
        "Unable to adjust to Multi-Assets mode with symbols of USDⓈ-M Futures under isolated-margin mode.",
    )


def test_other_assets_are_margin_in_multi_assets_mode_only(bench: Bench) -> None:
    bench.exchange.create_account("rich", spot={}, perp=D(10), perp_assets={"USDC": D(5000)})
    assert bench.exchange.wallet("rich").available == D(10)
    bench.exchange.set_multi_assets("rich", on=True)
    assert bench.exchange.wallet("rich").available == D(5010)
    assert bench.exchange.wallet("rich").balance == D(10), "the quote asset itself is not more"
    bench.exchange.audit()


def test_each_asset_of_the_wallet_has_a_row(make_bench: MakeBench) -> None:
    bench = make_bench()
    account = bench.exchange._state.account("main")
    bench.exchange._settlement.deposit(account, "USDC", D(70), to_perp=True)
    bench.exchange.put_into_modes("main", AccountModes(is_multi_assets=True))
    rows = {row["asset"]: D(row["balance"]) for row in bench.ok("GET", "/fapi/v3/balance")}
    assert {asset: amount for asset, amount in rows.items() if amount} == {"USDT": D(5000), "USDC": D(70)}
    answer = bench.ok("GET", "/fapi/v3/account")
    assert {row["asset"]: D(row["walletBalance"]) for row in answer["assets"]} == rows
    assert D(answer["totalWalletBalance"]) == D(5070)
    assert bench.ok("GET", "/fapi/v1/income")[-1]["asset"] == "USDC"


def test_an_account_that_may_not_trade_says_so_and_refuses(bench: Bench) -> None:
    bench.exchange.put_into_modes("main", AccountModes(can_trade=False, can_withdraw=False))
    assert bench.ok("GET", "/api/v3/account")["canTrade"] is False
    assert bench.ok("GET", "/fapi/v2/account")["canTrade"] is False
    assert bench.ok("GET", "/fapi/v2/account")["canWithdraw"] is False
    spot = {**UNI, "side": "BUY", "type": "MARKET", "quantity": "1"}
    assert bench.no("POST", "/api/v3/order", spot) == (-2010, "This action is disabled on this account.")
    assert bench.no("POST", ORDER, BUY) == (-4088, "User can not place order currently")


def test_a_key_says_what_it_may_do(bench: Bench) -> None:
    path = "/sapi/v1/account/apiRestrictions"
    plain = bench.ok("GET", path)
    assert all(plain[name] for name in ("enableReading", "enableFutures", "enableSpotAndMarginTrading"))
    assert not any(plain[name] for name in ("enableWithdrawals", "enablePortfolioMarginTrading"))
    assert bench.ok("GET", path, key="withdrawer")["enableWithdrawals"] is True
    assert bench.ok("GET", path, key="spotonly")["enableFutures"] is False
    assert bench.ok("GET", path, key="portfolio")["enablePortfolioMarginTrading"] is True


def resting_exit(bench: Bench, price: str = "11") -> None:
    bench.ok("POST", ORDER, BUY)
    row = {**LIMIT, "side": "SELL", "quantity": "50", "price": price, "reduceOnly": "true"}
    bench.ok("POST", ORDER, row)


def test_a_reduce_only_order_beside_a_resting_one_is_refused(bench: Bench) -> None:
    resting_exit(bench)
    close = {**SELL, "reduceOnly": "true"}
    assert bench.no("POST", ORDER, close) == (-4118, TAKEN)
    worse = {**LIMIT, "side": "SELL", "quantity": "50", "price": "12", "reduceOnly": "true"}
    assert bench.no("POST", ORDER, worse) == (-2022, "ReduceOnly Order is rejected.")
    bench.ok("DELETE", "/fapi/v1/allOpenOrders", UNI)
    bench.ok("POST", ORDER, close)
    assert bench.ok("GET", "/fapi/v3/positionRisk") == []


def test_what_open_orders_leave_of_the_position_may_still_be_reduced(bench: Bench) -> None:
    bench.ok("POST", ORDER, BUY)
    part = {**LIMIT, "side": "SELL", "quantity": "30", "price": "11", "reduceOnly": "true"}
    bench.ok("POST", ORDER, part)
    assert bench.no("POST", ORDER, {**SELL, "quantity": "21", "reduceOnly": "true"}) == (-4118, TAKEN)
    bench.ok("POST", ORDER, {**SELL, "quantity": "20", "reduceOnly": "true"})


@pytest.mark.parametrize("kind", [{}, {"closePosition": "true"}])
def test_a_stop_counts_where_the_venue_counts_conditional_orders(make_bench: MakeBench, kind: dict[str, str]) -> None:
    bench = make_bench(rules=Rules(reduce_only_counting=ReduceOnlyCounting.ALL))
    bench.ok("POST", ORDER, BUY)
    asked = stop(**kind)
    if kind:
        asked = {name: value for name, value in asked.items() if name not in ("quantity", "reduceOnly")}
    algo = bench.ok("POST", ALGO, asked)
    close = {**SELL, "reduceOnly": "true"}
    assert bench.no("POST", ORDER, close) == (-4118, TAKEN)
    bench.ok("DELETE", ALGO, {"algoId": algo["algoId"]})
    bench.ok("POST", ORDER, close)


def test_a_stop_that_fires_is_not_in_its_own_way(make_bench: MakeBench) -> None:
    bench = make_bench(rules=Rules(reduce_only_counting=ReduceOnlyCounting.ALL))
    bench.ok("POST", ORDER, BUY)
    bench.ok("POST", ALGO, stop())
    bench.ok("POST", ALGO, stop(triggerPrice="8.8"))
    bench.move("UNI/USDT:USDT", 8.9)
    assert [row for row in bench.ok("GET", "/fapi/v3/positionRisk") if D(row["positionAmt"])] == []
