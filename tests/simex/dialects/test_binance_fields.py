"""Every documented field is there: strict clients fail on a missing one, none on one too many."""

from typing import Any

import pytest

from tests.simex.dialects.conftest import Bench

UNI = {"symbol": "UNIUSDT"}
SPOT_LIMIT = {**UNI, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1", "price": "9"}
SPOT_CORE = (
    "symbol orderId orderListId clientOrderId price origQty executedQty origQuoteOrderQty "
    "cummulativeQuoteQty status timeInForce type side selfTradePreventionMode"
)
PERP_ORDER = (
    "orderId symbol status clientOrderId price avgPrice origQty executedQty cumQuote timeInForce type "
    "origType reduceOnly closePosition side positionSide stopPrice workingType priceProtect priceMatch "
    "selfTradePreventionMode goodTillDate updateTime"
)
RISK = (
    "symbol positionAmt entryPrice breakEvenPrice markPrice unRealizedProfit liquidationPrice "
    "isolatedMargin positionSide notional isolatedWallet updateTime"
)
ALGO = (
    "algoId clientAlgoId algoType orderType symbol side positionSide timeInForce quantity algoStatus "
    "triggerPrice price icebergQuantity selfTradePreventionMode workingType priceMatch closePosition "
    "priceProtect reduceOnly createTime updateTime triggerTime goodTillDate"
)
LISTED_ALGO = f"{ALGO} actualOrderId actualPrice tpTriggerPrice tpPrice slTriggerPrice slPrice tpOrderType"
TOTALS = (
    "totalInitialMargin totalMaintMargin totalWalletBalance totalUnrealizedProfit totalMarginBalance "
    "totalPositionInitialMargin totalOpenOrderInitialMargin totalCrossWalletBalance totalCrossUnPnl"
)
SPOT_ROW = f"{SPOT_CORE} stopPrice icebergQty time updateTime isWorking workingTime"
MARKET = {**UNI, "side": "BUY", "type": "MARKET", "quantity": "5"}
STOP = {**UNI, "algoType": "CONDITIONAL", "side": "SELL", "type": "STOP_MARKET", "quantity": "5", "triggerPrice": "9"}
ASKED: list[tuple[str, str, dict[str, Any], str]] = [
    ("POST", "/api/v3/order", SPOT_LIMIT, f"{SPOT_CORE} transactTime workingTime fills"),
    ("GET", "/api/v3/order", {**UNI, "orderId": 1}, SPOT_ROW),
    ("GET", "/api/v3/openOrders", UNI, SPOT_ROW),
    ("DELETE", "/api/v3/order", {**UNI, "orderId": 1}, f"{SPOT_CORE} origClientOrderId transactTime"),
    (
        "GET",
        "/api/v3/account",
        {},
        "makerCommission takerCommission buyerCommission sellerCommission commissionRates canTrade "
        "canWithdraw canDeposit brokered requireSelfTradePrevention preventSor updateTime accountType "
        "balances permissions uid",
    ),
    (
        "GET",
        "/api/v3/myTrades",
        UNI,
        "symbol id orderId orderListId price qty quoteQty commission commissionAsset time isBuyer isMaker isBestMatch",
    ),
    ("GET", "/api/v3/account/commission", UNI, "symbol standardCommission specialCommission taxCommission discount"),
    ("POST", "/fapi/v1/order", MARKET, f"{PERP_ORDER} cumQty"),
    ("GET", "/fapi/v1/order", {**UNI, "orderId": 1}, f"{PERP_ORDER} time"),
    ("GET", "/fapi/v1/allOrders", UNI, f"{PERP_ORDER} time"),
    ("POST", "/fapi/v1/algoOrder", STOP, f"{ALGO} activatePrice callbackRate"),
    ("GET", "/fapi/v1/openAlgoOrders", UNI, LISTED_ALGO),
    ("GET", "/fapi/v1/allAlgoOrders", UNI, LISTED_ALGO),
    ("GET", "/fapi/v1/algoOrder", {"algoId": 2}, LISTED_ALGO),
    ("GET", "/fapi/v2/positionRisk", UNI, f"{RISK} leverage maxNotionalValue marginType isAutoAddMargin"),
    (
        "GET",
        "/fapi/v3/positionRisk",
        UNI,
        f"{RISK} marginAsset initialMargin maintMargin positionInitialMargin openOrderInitialMargin adl bidNotional "
        "askNotional",
    ),
    (
        "GET",
        "/fapi/v2/account",
        {},
        f"feeTier feeBurn canTrade canDeposit canWithdraw multiAssetsMargin {TOTALS} availableBalance maxWithdrawAmount"
        " assets positions updateTime tradeGroupId",
    ),
    ("GET", "/fapi/v3/account", {}, f"{TOTALS} availableBalance maxWithdrawAmount assets positions"),
    (
        "GET",
        "/fapi/v2/balance",
        {},
        "accountAlias asset balance crossWalletBalance crossUnPnl availableBalance maxWithdrawAmount "
        "marginAvailable updateTime",
    ),
    ("GET", "/fapi/v1/symbolConfig", UNI, "symbol marginType isAutoAddMargin leverage maxNotionalValue"),
    (
        "GET",
        "/fapi/v1/accountConfig",
        {},
        "feeTier canTrade canDeposit canWithdraw dualSidePosition updateTime multiAssetsMargin tradeGroupId",
    ),
    (
        "GET",
        "/fapi/v1/userTrades",
        UNI,
        "buyer commission commissionAsset id maker orderId price qty quoteQty realizedPnl side positionSide symbol"
        " time",
    ),
    ("GET", "/fapi/v1/income", {}, "symbol incomeType income asset info time tranId tradeId"),
    (
        "GET",
        "/fapi/v1/premiumIndex",
        UNI,
        "symbol markPrice indexPrice estimatedSettlePrice lastFundingRate interestRate nextFundingTime time",
    ),
    ("GET", "/fapi/v1/fundingRate", UNI, "symbol fundingRate fundingTime markPrice"),
    (
        "GET",
        "/futures/data/openInterestHist",
        {**UNI, "period": "1h"},
        "symbol sumOpenInterest sumOpenInterestValue timestamp",
    ),
]
NOT_TEXT = (
    "orderId orderListId transactTime workingTime time updateTime id adl leverage uid feeTier tradeGroupId algoId "
    "createTime triggerTime goodTillDate fundingTime nextFundingTime timestamp tranId icebergQuantity serverTime "
    "makerCommission takerCommission buyerCommission sellerCommission"
)


@pytest.fixture
def busy(bench: Bench) -> Bench:
    """A bench with an open order, a trade and a position in each market."""
    bench.ok("POST", "/api/v3/order", {**SPOT_LIMIT, "price": "8"})
    bench.ok("POST", "/api/v3/order", MARKET)
    bench.ok("POST", "/fapi/v1/order", MARKET)
    bench.ok("POST", "/fapi/v1/algoOrder", STOP)
    return bench


@pytest.mark.parametrize(("method", "path", "params", "fields"), ASKED)
def test_replies_have_all_documented_fields_and_numbers_are_text(
    busy: Bench, method: str, path: str, params: dict[str, Any], fields: str
) -> None:
    answer = busy.ok(method, path, params)
    row = answer[0] if isinstance(answer, list) else answer
    assert set(fields.split()) <= row.keys()
    numbers = {name for name, value in row.items() if isinstance(value, int | float) and not isinstance(value, bool)}
    assert numbers <= set(NOT_TEXT.split())


def test_a_new_conditional_order_has_the_documented_fields_and_no_others(busy: Bench) -> None:
    """It had those of the lists too."""
    answer = busy.ok("POST", "/fapi/v1/algoOrder", STOP)
    assert answer.keys() == set(f"{ALGO} activatePrice callbackRate".split())


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        (
            "/api/v3/exchangeInfo",
            "symbol status baseAsset baseAssetPrecision quoteAsset quotePrecision quoteAssetPrecision "
            "baseCommissionPrecision quoteCommissionPrecision orderTypes icebergAllowed ocoAllowed otoAllowed "
            "opoAllowed quoteOrderQtyMarketAllowed allowTrailingStop cancelReplaceAllowed amendAllowed "
            "pegInstructionsAllowed isSpotTradingAllowed isMarginTradingAllowed filters permissions "
            "permissionSets defaultSelfTradePreventionMode allowedSelfTradePreventionModes",
        ),
        (
            "/fapi/v1/exchangeInfo",
            "symbol pair contractType deliveryDate onboardDate status maintMarginPercent requiredMarginPercent "
            "baseAsset quoteAsset marginAsset pricePrecision quantityPrecision baseAssetPrecision quotePrecision "
            "underlyingType underlyingSubType triggerProtect liquidationFee marketTakeBound maxMoveOrderLimit "
            "filters orderTypes timeInForce",
        ),
    ],
)
def test_symbols_have_all_documented_fields(bench: Bench, path: str, fields: str) -> None:
    assert set(fields.split()) <= bench.public(path)["symbols"][0].keys()


def test_a_halted_symbol_stays_listed_and_takes_no_orders(bench: Bench) -> None:
    for symbol in ("UNI/USDT", "UNI/USDT:USDT"):
        bench.exchange.halt(symbol)
    assert bench.public("/api/v3/exchangeInfo", **UNI)["symbols"][0]["status"] == "BREAK"
    assert bench.public("/fapi/v1/exchangeInfo")["symbols"][0]["status"] == "SETTLING"
    assert bench.no("POST", "/api/v3/order", SPOT_LIMIT) == (-2010, "Market is closed.")
    assert bench.no("POST", "/fapi/v1/order", SPOT_LIMIT)[0] == -4140
