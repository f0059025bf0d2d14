"""A BingX that answers from a table, for unmodified ccxt: what was asked is kept, nothing leaves the process."""

import hashlib
import hmac
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from bot.venues.bingx.adapter import ADAPTER
from bot.venues.ccxt.adapter import Adapter
from bot.venues.ccxt.venue import CcxtVenue, ConnectionRules, Credentials
from tests.venues.bybit.canned import KEY, NOW_MS, SECRET, CannedSession, Sent
from tests.venues.bybit.test_payloads import answers_of
from tests.venues.conftest import HandClock, skipped_waits
from tests.venues.recorded import cases_of

SPOT, PERP, SMALL = "BTC/USDT", "BTC/USDT:USDT", "PEPE/USDT:USDT"
SPOT_ORDER, SPOT_CANCEL = "POST /openApi/spot/v1/trade/order", "POST /openApi/spot/v1/trade/cancel"
PERP_ORDER, PERP_CANCEL = "POST /openApi/swap/v2/trade/order", "DELETE /openApi/swap/v2/trade/order"
PERP_QUERY, OPEN = "GET /openApi/swap/v2/trade/order", "GET /openApi/swap/v2/trade/openOrders"
HISTORY, MODE = "GET /openApi/swap/v2/trade/allOrders", "GET /openApi/swap/v1/positionSide/dual"


class BingxSession(CannedSession):
    """Takes cancels of perps, which are DELETEs, as well."""

    def delete(self, url: Any, **options: Any) -> Any:
        return self._ask("DELETE", url, options)


def is_signed_well(sent: Sent) -> bool:
    """By the venue's own recipe: over the sorted query with its values as they are."""
    raw, _, signature = urlsplit(sent.url).query.rpartition("signature=")
    signed = unquote(raw.rstrip("&"))
    is_sorted = signed.split("&") == sorted(signed.split("&"))
    return is_sorted and hmac.new(SECRET.encode(), signed.encode(), hashlib.sha256).hexdigest() == signature


def success(data: Any = None, **more: Any) -> dict[str, Any]:
    return {"code": 0, "msg": "", "debugMsg": "", "data": {} if data is None else data, **more}


def refusal(code: int, message: str = "Refused.") -> dict[str, Any]:
    return {"code": code, "msg": message, "debugMsg": "", "data": {}}


def perp_market(symbol: str, *, digits: int, price_digits: int, smallest: float) -> dict[str, Any]:
    return {
        "contractId": "100",
        "symbol": symbol,
        "size": "0.0001",
        "quantityPrecision": digits,
        "pricePrecision": price_digits,
        "makerFeeRate": 0.0002,
        "takerFeeRate": 0.0005,
        "tradeMinQuantity": smallest,
        "tradeMinUSDT": 2,
        "maxLongLeverage": 125,
        "maxShortLeverage": 100,
        "currency": "USDT",
        "asset": symbol.partition("-")[0],
        "status": 1,
        "apiStateOpen": "true",
        "apiStateClose": "true",
    }


def spot_market(symbol: str, *, tick: float, step: float) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "minQty": 2.56e-05,
        "maxQty": 2.56,
        "minNotional": 1,
        "status": 1,
        "tickSize": tick,
        "stepSize": step,
        "apiStateSell": True,
        "apiStateBuy": True,
    }


def stop_row(number: int, **changes: Any) -> dict[str, Any]:
    """An open conditional order: it has no client id."""
    row = {
        "symbol": "BTC-USDT",
        "orderId": number,
        "side": "SELL",
        "positionSide": "BOTH",
        "type": "STOP_MARKET",
        "origQty": "0.0100",
        "price": "0",
        "executedQty": "0",
        "avgPrice": "0.0",
        "cumQuote": "0",
        "stopPrice": "45000.5",
        "status": "NEW",
        "time": NOW_MS - 800,
        "updateTime": NOW_MS - 800,
        "clientOrderId": "",
        "workingType": "MARK_PRICE",
        "reduceOnly": True,
    }
    return {**row, **changes}


def stop_answer(number: int, **changes: Any) -> dict[str, Any]:
    """The answer to a new conditional order."""
    row = {**stop_row(number), "orderID": str(number), "clientOrderID": "", "quantity": 0.01, **changes}
    return success({"order": row})


def usual() -> dict[str, Any]:
    """Answers of a healthy account with one spot and two perp markets."""
    return {
        "GET /openApi/swap/v2/server/time": success({"serverTime": NOW_MS}),
        "GET /openApi/swap/v2/quote/contracts": success(
            [
                perp_market("BTC-USDT", digits=4, price_digits=1, smallest=0.0001),
                perp_market("PEPE-USDT", digits=0, price_digits=10, smallest=1000),
            ]
        ),
        "GET /openApi/cswap/v1/market/contracts": success([]),
        "GET /openApi/spot/v1/common/symbols": success(
            {"symbols": [spot_market("BTC-USDT", tick=0.01, step=1e-06), spot_market("OMNI-USDT", tick=0.001, step=1)]}
        ),
        "GET /openApi/spot/v1/account/balance": success(
            {
                "balances": [
                    {"asset": "USDT", "free": "950.5", "locked": "50"},
                    {"asset": "OMNI", "free": "7", "locked": "0"},
                ]
            }
        ),
        "GET /openApi/swap/v3/user/balance": success(
            [
                {
                    "asset": "USDT",
                    "balance": "1000.5",
                    "equity": "1005.49",
                    "availableMargin": "880.2",
                    "usedMargin": "101.3",
                    "freezedMargin": "20",
                }
            ]
        ),
        "GET /openApi/swap/v2/user/positions": success([]),
        MODE: success({"dualSidePosition": "false"}),
        "GET /openApi/v1/account/apiPermissions": {
            "code": 0,
            "msg": "",
            "permissions": [1, 2, 3],
            "ipAddresses": ["192.0.2.1"],
        },
        "GET /openApi/swap/v2/user/commissionRate": success(
            {"commission": {"takerCommissionRate": 0.0006, "makerCommissionRate": 0.0001}}
        ),
        "GET /openApi/spot/v1/user/commissionRate": success(
            {"takerCommissionRate": 0.0012, "makerCommissionRate": 0.0008}
        ),
        "GET /openApi/swap/v1/maintMarginRatio": success(
            [
                {
                    "tier": "Tier 1",
                    "minPositionVal": "0",
                    "maxPositionVal": "150000",
                    "maintMarginRatio": "0.0038",
                    "maintAmount": "0",
                },
                {
                    "tier": "Tier 2",
                    "minPositionVal": "150000",
                    "maxPositionVal": "900000",
                    "maintMarginRatio": "0.02",
                    "maintAmount": "2430",
                },
            ]
        ),
        OPEN: success({"orders": []}),
        HISTORY: success({"orders": []}),
    }


def venue_on(
    session: CannedSession, *, environment: str = "sim", adapter: Adapter = ADAPTER, **changes: Any
) -> CcxtVenue:
    """A venue that is not open yet."""
    settings: dict[str, Any] = {
        "environment": environment,
        "account": "main",
        "credentials": Credentials(KEY, SECRET),
        "session_factory": lambda: session,
        "clock": HandClock(NOW_MS),
        "rules": ConnectionRules(seams=skipped_waits()),
        **changes,
    }
    return CcxtVenue(adapter, **settings)


def answered(folder: Path, name: str, *cases: str) -> dict[str, Any]:
    """The answers of some cases of a file."""
    known = dict(answers_of(folder, name))
    return {path: answer for case in cases for path, answer in known[case].items()}


def wire_of(folder: Path, name: str, case_name: str) -> str:
    """The only request of a case, without what signing adds."""
    (wire,) = next(case["wire"] for case in cases_of(folder, name) if case["name"] == case_name)
    return str(wire)


def line_of(sent: Sent) -> str:
    """A request as a recorded one is written: byte for byte, without what signing adds."""
    parts = urlsplit(sent.url)
    unsigned = ("timestamp=", "recvWindow=", "signature=")
    query = "&".join(one for one in parts.query.split("&") if one and not one.startswith(unsigned))
    return f"{sent.method} {parts.path}" + (f"?{query}" if query else "")
