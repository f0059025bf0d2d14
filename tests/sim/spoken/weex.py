"""WEEX at the wire of a simulation."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from bot.domain.brackets import Bracket
from bot.simex.dialects.wire import WireReply, WireRequest
from bot.venues.weex.account_checks import CHECKS
from bot.venues.weex.profiles import LEVERAGE_MAX, WEEX
from tests.sim.gateway import HTML
from tests.sim.spoken.shape import NAMES, NUMBERS, PAGES, Found, Rows, Spoken, plain_ban
from tests.sim.weex_gateway import BUSY, WeexGateway, weex_refusal
from tests.sim.weex_replica import WeexReplica

_ORDERS = {
    "origQty": NUMBERS,
    "quantity": NUMBERS,
    "executedQty": NUMBERS,
    "status": NAMES,
    "algoStatus": NAMES,
    "side": NAMES,
}


def _find_rows(name: str, rows: Rows, content: Any) -> Found | None:
    """The rows are the answer, or stand in it."""
    del name
    if isinstance(content, list):
        return content, lambda changed: changed
    if not isinstance(content, dict) or not isinstance(content.get(rows.envelope), list):
        return None
    return content[rows.envelope], lambda changed: {**content, rows.envelope: changed}


def _is_about_perps(request: WireRequest) -> bool:
    return request.path.startswith("/capi/")


def _refuse_symbol(symbol: str) -> WireReply:
    code, words = (-1121, "Invalid symbol.") if ":" in symbol else (-2007, "Symbol does not exist.")
    return WireReply(400, weex_refusal(code, words))


def _told_brackets(brackets: Sequence[Bracket]) -> Sequence[Bracket]:
    """It tells nothing of them: every position has the same leverage at most."""
    return [replace(brackets[-1], leverage_max=int(LEVERAGE_MAX))]


SPOKEN = Spoken(
    profile=WEEX,
    checks=CHECKS,
    gateway=WeexGateway,
    replica=WeexReplica,
    check_paths={"spot_wallet": "/api/v3/account/", "futures_wallet": "/capi/v3/account/balance"},
    shapes=(
        WireReply(500, weex_refusal(-1054, BUSY)),
        *PAGES,
        WireReply(200, {}),
        WireReply(200, {"code": "200", "msg": "success"}),
        WireReply(200, {"success": False, "errorCode": "-1054", "errorMessage": BUSY}),
        WireReply(401, HTML),
        WireReply(429, weex_refusal(429, "Too Many Requests"), {"Retry-After": "2"}),
        WireReply(418, weex_refusal(418, "banned"), {"Retry-After": "90"}),
    ),
    lists={
        "positions": Rows(
            ("/capi/v3/account/position/allPosition",),
            dict.fromkeys(("size", "openValue", "isolatedMargin", "unrealizePnl"), NUMBERS),
        ),
        "balances": Rows(("/api/v3/account/",), {"free": NUMBERS, "locked": NUMBERS}, "balances"),
        "open orders": Rows(("/api/v3/openOrders", "/capi/v3/openOrders", "/capi/v3/openAlgoOrders"), _ORDERS),
        "order history": Rows(
            ("/api/v3/allOrders", "/capi/v3/order/history", "/capi/v3/allAlgoOrders"), _ORDERS, "orders"
        ),
        "executions": Rows(
            ("/api/v3/myTrades", "/capi/v3/userTrades"), {**dict.fromkeys(("price", "qty", "commission"), NUMBERS)}
        ),
        "payments": Rows(("/capi/v3/account/income",), {"income": NUMBERS, "asset": (None, 5, "", ...)}, "items"),
        "instruments": Rows(
            ("/api/v3/exchangeInfo", "/capi/v3/market/exchangeInfo"),
            dict.fromkeys(("stepSize", "tickSize", "quantityPrecision", "pricePrecision"), (None, [], "x", ...)),
            "symbols",
        ),
        "funding": Rows(
            ("/capi/v3/market/premiumIndex",),
            {"forecastFundingRate": NUMBERS, "nextFundingTime": (None, "x", [], ...)},
        ),
    },
    find_rows=_find_rows,
    is_about_perps=_is_about_perps,
    refuse_symbol=_refuse_symbol,
    ban=plain_ban,
    writes_digits=True,
    told_brackets=_told_brackets,
    has_sole_list=True,
    tells_mode=False,
)
