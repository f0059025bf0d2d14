"""A WEEX that answers from a table, for unmodified ccxt: what was asked is kept, nothing leaves the process."""

import base64
import hashlib
import hmac
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from bot.venues.ccxt.adapter import Adapter
from bot.venues.ccxt.venue import CcxtVenue, ConnectionRules, Credentials
from bot.venues.weex.adapter import ADAPTER
from tests.venues.bybit.canned import KEY, NOW_MS, SECRET, CannedSession, Sent
from tests.venues.conftest import HandClock, skipped_waits

PASSPHRASE = "a-passphrase"
SPOT, PERP = "BTC/USDT", "BTC/USDT:USDT"
SPOT_ORDER, SPOT_CANCEL, SPOT_QUERY = "POST /api/v3/order", "DELETE /api/v3/order", "GET /api/v3/order"
PERP_ORDER, PERP_CANCEL, PERP_QUERY = "POST /capi/v3/order", "DELETE /capi/v3/order", "GET /capi/v3/order"
ALGO_ORDER, ALGO_CANCEL = "POST /capi/v3/algoOrder", "DELETE /capi/v3/algoOrder"
OPEN, OPEN_ALGO = "GET /capi/v3/openOrders", "GET /capi/v3/openAlgoOrders"
HISTORY, ALL_ALGO = "GET /capi/v3/order/history", "GET /capi/v3/allAlgoOrders"
POSITIONS, CONFIG = "GET /capi/v3/account/position/allPosition", "GET /capi/v3/account/symbolConfig"
MARGIN_TYPE, LEVERAGE = "POST /capi/v3/account/marginType", "POST /capi/v3/account/leverage"
MARGIN = "POST /capi/v3/account/positionMargin"
SPOT_OPEN, PERP_OPEN = "GET /api/v3/apiTradingSymbols", "GET /capi/v3/market/apiTradingSymbols"
DONE = {"code": "200", "msg": "success", "requestTime": NOW_MS}


class WeexSession(CannedSession):
    """Takes cancels, which are DELETEs, as well."""

    def delete(self, url: Any, **options: Any) -> Any:
        return self._ask("DELETE", url, options)


def is_signed_well(sent: Sent) -> bool:
    """By the venue's own recipe: base64 over time, method, path, query and body."""
    head, parts = {name.lower(): value for name, value in sent.headers.items()}, urlsplit(sent.url)
    query = f"?{parts.query}" if parts.query else ""
    signed = f"{head['access-timestamp']}{sent.method}{parts.path}{query}{sent.body}"
    digest = hmac.new(SECRET.encode(), signed.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode() == head["access-sign"] and head["access-passphrase"] == PASSPHRASE


def refusal(code: int | str, message: str = "Refused.") -> dict[str, Any]:
    return {"code": code, "msg": message}


def refused_inside(code: int | str, message: str = "Refused.") -> dict[str, Any]:
    """A refusal in an answer with HTTP 200."""
    return {"orderId": None, "clientOrderId": "", "success": False, "errorCode": str(code), "errorMessage": message}


def perp_row(number: int, **changes: Any) -> dict[str, Any]:
    row = {
        "avgPrice": "0",
        "clientOrderId": "",
        "cumQuote": "0",
        "executedQty": "0",
        "orderId": number,
        "origQty": "0.01",
        "price": "50000.1",
        "reduceOnly": False,
        "side": "BUY",
        "positionSide": "LONG",
        "status": "NEW",
        "stopPrice": "0",
        "symbol": "BTCUSDT",
        "time": NOW_MS - 800,
        "timeInForce": "GTC",
        "type": "LIMIT",
        "updateTime": NOW_MS - 800,
    }
    return {**row, **changes}


def algo_row(number: int, **changes: Any) -> dict[str, Any]:
    row = {
        "algoId": number,
        "clientAlgoId": "",
        "algoType": "CONDITIONAL",
        "orderType": "STOP_MARKET",
        "symbol": "BTCUSDT",
        "side": "SELL",
        "positionSide": "LONG",
        "timeInForce": "IOC",
        "quantity": "0.01",
        "algoStatus": "UNTRIGGERED",
        "actualOrderId": None,
        "triggerPrice": "45000.5",
        "price": "0",
        "workingType": "MARK_PRICE",
        "reduceOnly": True,
        "createTime": NOW_MS - 800,
        "updateTime": NOW_MS - 800,
    }
    return {**row, **changes}


def position_row(**changes: Any) -> dict[str, Any]:
    row = {
        "id": 689_987_235_755_328_154,
        "asset": "USDT",
        "symbol": "BTCUSDT",
        "side": "SHORT",
        "marginType": "ISOLATED",
        "separatedMode": "COMBINED",
        "leverage": "3",
        "size": "0.010000",
        "openValue": "505.000000",
        "isolatedMargin": "101.000000",
        "unrealizePnl": "4.991",
        "liquidatePrice": "59800.5",
    }
    return {**row, **changes}


def config_row(**changes: Any) -> dict[str, Any]:
    row = {
        "symbol": "BTCUSDT",
        "marginType": "CROSSED",
        "separatedType": "COMBINED",
        "crossLeverage": "20",
        "isolatedLongLeverage": "20",
        "isolatedShortLeverage": "20",
    }
    return {**row, **changes}


def spot_market(symbol: str, base: str, **changes: Any) -> dict[str, Any]:
    row = {
        "symbol": symbol,
        "status": "TRADING",
        "baseAsset": base,
        "quoteAsset": "USDT",
        "tickSize": "0.1",
        "stepSize": "0.00001",
        "minTradeAmount": "0.00001",
        "maxTradeAmount": "1000",
        "takerFeeRate": "0.001",
        "makerFeeRate": "0.0008",
        "enableTrade": True,
    }
    return {name: value for name, value in {**row, **changes}.items() if value is not None}


def perp_market(symbol: str, base: str, **changes: Any) -> dict[str, Any]:
    row = {
        "symbol": symbol,
        "baseAsset": base,
        "quoteAsset": "USDT",
        "marginAsset": "USDT",
        "pricePrecision": 1,
        "quantityPrecision": 4,
        "contractVal": 0.0001,
        "minLeverage": 1,
        "maxLeverage": 400,
        "makerFeeRate": 0.0002,
        "takerFeeRate": 0.0008,
        "minOrderSize": "0.0001",
        "maxOrderSize": "1200",
        "marketOpenLimitSize": "100",
    }
    return {**row, **changes}


def usual() -> dict[str, Any]:
    """Answers of a healthy account with one spot and one perp market that can be read."""
    premium = {
        "symbol": "BTCUSDT",
        "markPrice": "50000.9",
        "indexPrice": "50001.5",
        "lastFundingRate": "0.00008",
        "forecastFundingRate": "0.0001",
        "nextFundingTime": NOW_MS + 25_600_000,
        "time": NOW_MS,
        "collectCycle": 480,
    }
    return {
        "GET /api/v3/time": {"serverTime": NOW_MS},
        "GET /api/v3/exchangeInfo": {
            "symbols": [
                spot_market("BTCUSDT", "BTC"),
                spot_market("OLDUSDT", "OLD", tickSize=None, stepSize=None),
            ]
        },
        SPOT_OPEN: ["BTCUSDT", "OLDUSDT"],
        PERP_OPEN: ["BTCUSDT"],
        "GET /capi/v3/market/exchangeInfo": {"assets": [], "symbols": [perp_market("BTCUSDT", "BTC")]},
        "GET /capi/v3/market/premiumIndex": [premium],
        "GET /api/v3/account/": {"canTrade": True, "balances": [{"asset": "USDT", "free": "950.5", "locked": "50"}]},
        "GET /capi/v3/account/balance": [
            {"asset": "USDT", "balance": "1000.5", "availableBalance": "880.2", "frozen": "20", "unrealizePnl": "4.9"}
        ],
        POSITIONS: [],
        CONFIG: [config_row()],
        MARGIN_TYPE: DONE,
        "GET /capi/v3/account/commissionRate": {
            "symbol": "BTCUSDT",
            "makerCommissionRate": "0.0001",
            "takerCommissionRate": "0.0006",
        },
        OPEN: [],
        OPEN_ALGO: [],
        HISTORY: [],
        ALL_ALGO: {"orders": [], "hasMore": False},
    }


def venue_on(
    session: CannedSession, *, environment: str = "mainnet", adapter: Adapter = ADAPTER, **changes: Any
) -> CcxtVenue:
    """A venue that is not open yet."""
    settings: dict[str, Any] = {
        "environment": environment,
        "account": "main",
        "credentials": Credentials(KEY, f"{SECRET},{PASSPHRASE}"),
        "session_factory": lambda: session,
        "clock": HandClock(NOW_MS),
        "rules": rules_of("0.02"),
        **changes,
    }
    return CcxtVenue(adapter, **settings)


def rules_of(maintenance_rate: str | None, **changes: Any) -> ConnectionRules:
    rate = None if maintenance_rate is None else Decimal(maintenance_rate)
    return ConnectionRules(maintenance_rate=rate, seams=skipped_waits(**changes))
