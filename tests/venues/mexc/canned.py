"""A MEXC that answers from a table, for unmodified ccxt: what was asked is kept, nothing leaves the process."""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from bot.venues.ccxt.adapter import Adapter
from bot.venues.ccxt.venue import CcxtVenue, ConnectionRules, Credentials
from bot.venues.mexc.adapter import ADAPTER
from tests.venues.bybit.canned import KEY, NOW_MS, SECRET, CannedSession, Sent
from tests.venues.conftest import HandClock, skipped_waits

SPOT, PERP, SMALL = "BTC/USDT", "BTC/USDT:USDT", "PEPE/USDT:USDT"
SPOT_ORDER, SPOT_CANCEL, SPOT_QUERY = "POST /api/v3/order", "DELETE /api/v3/order", "GET /api/v3/order"
PRIVATE = "/api/v1/private"
PERP_ORDER, PERP_CANCEL = f"POST {PRIVATE}/order/create", f"POST {PRIVATE}/order/cancel_with_external"
STOP, STOP_CANCEL = f"POST {PRIVATE}/planorder/place", f"POST {PRIVATE}/planorder/cancel"
OPEN, PLANS = f"GET {PRIVATE}/order/list/open_orders", f"GET {PRIVATE}/planorder/list/orders"
SELF_SYMBOLS = "GET /api/v3/selfSymbols"
HISTORY, DEALS = f"GET {PRIVATE}/order/list/history_orders", f"GET {PRIVATE}/order/list/order_deals"
POSITIONS, MODE = f"GET {PRIVATE}/position/open_positions", f"GET {PRIVATE}/position/position_mode"
ID = "tsbabc00001010101a01"
NUMBER = "739113577038255616"


class MexcSession(CannedSession):
    """Takes cancels of spot, which are DELETEs, as well."""

    def delete(self, url: Any, **options: Any) -> Any:
        return self._ask("DELETE", url, options)


def is_signed_well(sent: Sent) -> bool:
    """By the venue's two recipes, over the bytes that were sent."""
    head = {name.lower(): value for name, value in sent.headers.items()}
    raw = urlsplit(sent.url).query
    if "signature" in head:
        signed = head["apikey"] + head["request-time"] + (sent.body if sent.method == "POST" else raw)
        return _signature(signed) == head["signature"]
    signed, _, signature = raw.rpartition("&signature=")
    return _signature(signed) == signature


def _signature(text: str) -> str:
    return hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()


def success(data: Any = None) -> dict[str, Any]:
    """An answer about perps."""
    return {"success": True, "code": 0} | ({} if data is None else {"data": data})


def refusal(code: int, message: str = "Refused.") -> dict[str, Any]:
    return {"success": False, "code": code, "message": message}


def paged(*rows: Any) -> dict[str, Any]:
    return success({"pageSize": 100, "totalCount": len(rows), "totalPage": 1, "currentPage": 1, "resultList": rows})


def spot_market(base: str, **changes: Any) -> dict[str, Any]:
    row = {
        "symbol": f"{base}USDT",
        "status": "1",
        "baseAsset": base,
        "baseAssetPrecision": 6,
        "quoteAsset": "USDT",
        "quotePrecision": 2,
        "quoteAssetPrecision": 2,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "quoteAmountPrecision": "1",
        "baseSizePrecision": "0.000001",
        "maxQuoteAmount": "2000000",
        "makerCommission": "0",
        "takerCommission": "0.0005",
        "quoteAmountPrecisionMarket": "1",
    }
    return {**row, **changes}


def perp_market(base: str, size: Any, **changes: Any) -> dict[str, Any]:
    row = {
        "symbol": f"{base}_USDT",
        "baseCoin": base,
        "quoteCoin": "USDT",
        "settleCoin": "USDT",
        "contractSize": size,
        "minLeverage": 1,
        "maxLeverage": 200,
        "priceUnit": 0.1,
        "volUnit": 1,
        "minVol": 1,
        "maxVol": 1_500_000,
        "takerFeeRate": 0.0004,
        "makerFeeRate": 0.0001,
        "state": 0,
        "apiAllowed": True,
        "riskLimitMode": "CUSTOM",
        "riskLimitCustom": [
            {"level": 1, "maxVol": 30_000, "mmr": 0.001, "imr": 0.005, "maxLeverage": 200},
            {"level": 2, "maxVol": 300_000, "mmr": 0.004, "imr": 0.02, "maxLeverage": 50},
        ],
    }
    return {**row, **changes}


def ticker(base: str, bid: Any, ask: Any, fair: Any) -> dict[str, Any]:
    return {
        "symbol": f"{base}_USDT",
        "lastPrice": bid,
        "bid1": bid,
        "ask1": ask,
        "holdVol": 55_102_960,
        "indexPrice": fair,
        "fairPrice": fair,
        "fundingRate": 0.0001,
        "timestamp": NOW_MS,
    }


def spot_row(**changes: Any) -> dict[str, Any]:
    row = {
        "symbol": "BTCUSDT",
        "orderId": "C02__468615423963070464",
        "clientOrderId": ID,
        "price": "50000.1",
        "origQty": "0.01",
        "executedQty": "0.0004",
        "cummulativeQuoteQty": "20.00004",
        "status": "PARTIALLY_FILLED",
        "type": "LIMIT",
        "side": "BUY",
        "time": NOW_MS - 900,
        "updateTime": NOW_MS - 800,
    }
    return {**row, **changes}


def perp_row(**changes: Any) -> dict[str, Any]:
    row = {
        "orderId": NUMBER,
        "symbol": "BTC_USDT",
        "price": 50000.1,
        "vol": 100,
        "leverage": 5,
        "side": 1,
        "category": 1,
        "orderType": 3,
        "dealAvgPrice": 50000,
        "dealVol": 40,
        "openType": 1,
        "state": 4,
        "externalOid": ID,
        "errorCode": 0,
        "createTime": NOW_MS - 900,
        "updateTime": NOW_MS - 800,
    }
    return {**row, **changes}


def plan_row(number: int, **changes: Any) -> dict[str, Any]:
    """An open conditional order: it has no client id."""
    row = {
        "id": number,
        "symbol": "BTC_USDT",
        "leverage": 5,
        "side": 4,
        "triggerPrice": 45000.5,
        "price": 45000.5,
        "vol": 100,
        "openType": 1,
        "triggerType": 2,
        "state": 1,
        "executeCycle": 168,
        "trend": 2,
        "orderType": 5,
        "orderId": None,
        "errorCode": 0,
        "createTime": NOW_MS - 800,
        "updateTime": NOW_MS - 800,
    }
    return {**row, **changes}


def usual() -> dict[str, Any]:
    """Answers of a healthy account with one spot pair and two perps."""
    return {
        "GET /api/v3/time": {"serverTime": NOW_MS},
        "GET /api/v3/exchangeInfo": {
            "symbols": [spot_market("BTC"), spot_market("GAS", baseSizePrecision="0.01", quotePrecision=4)]
        },
        "GET /api/v1/contract/detail": success(
            [
                perp_market("BTC", 0.0001),
                perp_market("PEPE", 10_000_000, priceUnit=1e-10, maxVol=15_000),
                perp_market("ETH", 0.01, apiAllowed=False),
            ]
        ),
        "GET /api/v1/contract/ticker": success(
            [ticker("BTC", 50000.1, 50000.2, 50000.9), ticker("PEPE", 9.854e-06, 9.855e-06, 9.8546e-06)]
        ),
        "GET /api/v3/account": {
            "canTrade": True,
            "balances": [
                {"asset": "USDT", "free": "950.5", "locked": "50"},
                {"asset": "GAS", "free": "7", "locked": "0"},
            ],
        },
        SELF_SYMBOLS: {"code": 200, "data": ["BTCUSDT", "GASUSDT"], "msg": None},
        f"GET {PRIVATE}/account/assets": success(
            [{"currency": "USDT", "availableBalance": 880.2, "equity": 1005.49, "unrealized": 4.99}]
        ),
        POSITIONS: success([]),
        MODE: success(2),
        OPEN: success([]),
        PLANS: success([]),
        HISTORY: success([]),
        DEALS: success([]),
        f"GET {PRIVATE}/position/funding_records": paged(),
        f"GET {PRIVATE}/account/transfer_record": paged(),
    }


def venue_on(
    session: CannedSession, *, environment: str = "sim", adapter: Adapter = ADAPTER, **changes: Any
) -> CcxtVenue:
    """A venue that is not open yet."""
    settings: Mapping[str, Any] = {
        "environment": environment,
        "account": "main",
        "credentials": Credentials(KEY, SECRET),
        "session_factory": lambda: session,
        "clock": HandClock(NOW_MS),
        "rules": ConnectionRules(seams=skipped_waits()),
        **changes,
    }
    return CcxtVenue(adapter, **settings)
