"""Binance at the wire of a simulation."""

from typing import Any

from bot.simex.dialects.wire import WireReply, WireRequest
from bot.venues.binance.account_checks import CHECKS
from bot.venues.binance.profiles import BINANCE
from tests.sim.gateway import HTML, Gateway
from tests.sim.replica import Replica
from tests.sim.spoken.shape import NAMES, NUMBERS, PAGES, Found, Rows, Spoken, plain_ban

_ORDERS = {
    "origQty": NUMBERS,
    "quantity": NUMBERS,
    "executedQty": NUMBERS,
    "status": NAMES,
    "algoStatus": NAMES,
    "side": NAMES,
}
_LIMITED = {"code": -1003, "msg": "Too many requests; current limit is 6000."}


def _find_rows(name: str, rows: Rows, content: Any) -> Found | None:
    del name
    whole = content.get(rows.envelope) if rows.envelope and isinstance(content, dict) else content
    if not isinstance(whole, list | dict):
        return None
    found = whole if isinstance(whole, list) else [whole]

    def put(changed: list[Any]) -> Any:
        inner = changed if isinstance(whole, list) else changed[0]
        return {**content, rows.envelope: inner} if rows.envelope else inner

    return found, put


def _is_about_perps(request: WireRequest) -> bool:
    """They have a host of their own."""
    return not request.path.startswith("/api/")


def _refuse_symbol(symbol: str) -> WireReply:
    del symbol
    return WireReply(400, {"code": -1121, "msg": "Invalid symbol."})


SPOKEN = Spoken(
    profile=BINANCE,
    checks=CHECKS,
    gateway=Gateway,
    replica=Replica,
    check_paths={
        "spot_account": "/api/v3/account",
        "futures_account": "/fapi/v3/account",
        "position_mode": "/fapi/v1/positionSide/dual",
        "assets_mode": "/fapi/v1/multiAssetsMargin",
        "key_rights": "/sapi/v1/account/apiRestrictions",
    },
    shapes=(
        WireReply(500, {"code": -1000, "msg": "An unknown error occurred while processing the request."}),
        *PAGES,
        WireReply(200, {}),
        WireReply(200, []),
        WireReply(200, {"code": 200, "msg": "success"}),
        WireReply(403, HTML),
        WireReply(429, _LIMITED, {"Retry-After": "2"}),
        WireReply(429, _LIMITED, {"Retry-After": "90"}),
    ),
    lists={
        "positions": Rows(
            ("/fapi/v3/positionRisk",),
            dict.fromkeys(("positionAmt", "entryPrice", "markPrice", "unRealizedProfit"), NUMBERS),
        ),
        "balances": Rows(("/api/v3/account",), {"free": NUMBERS, "locked": NUMBERS}, "balances"),
        "open orders": Rows(("/api/v3/openOrders", "/fapi/v1/openOrders", "/fapi/v1/openAlgoOrders"), _ORDERS),
        "order history": Rows(("/api/v3/allOrders", "/fapi/v1/allOrders", "/fapi/v1/allAlgoOrders"), _ORDERS),
        "executions": Rows(
            ("/api/v3/myTrades", "/fapi/v1/userTrades"),
            {**dict.fromkeys(("price", "qty", "commission"), NUMBERS), "commissionAsset": (None, 5, "", ...)},
        ),
        "payments": Rows(("/fapi/v1/income",), {"income": NUMBERS, "asset": (None, 5, "", ...)}),
        "instruments": Rows(
            ("/api/v3/exchangeInfo", "/fapi/v1/exchangeInfo"), {"filters": (None, [], "x", ...)}, "symbols"
        ),
        "funding": Rows(
            ("/fapi/v1/premiumIndex",), {"lastFundingRate": NUMBERS, "nextFundingTime": (None, "x", [], ...)}
        ),
    },
    find_rows=_find_rows,
    is_about_perps=_is_about_perps,
    refuse_symbol=_refuse_symbol,
    ban=plain_ban,
)
