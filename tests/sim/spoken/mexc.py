"""MEXC at the wire of a simulation."""

import re
from typing import Any
from urllib.parse import parse_qsl

from bot.simex.dialects.mexc.common import venue_symbol
from bot.simex.dialects.wire import WireReply, WireRequest
from bot.venues.mexc.account_checks import CHECKS
from bot.venues.mexc.profiles import MEXC
from tests.sim.gateway import HTML
from tests.sim.market import instruments
from tests.sim.mexc_gateway import PRIVATE, MexcGateway, is_about_perps, mexc_refusal
from tests.sim.mexc_replica import MexcReplica
from tests.sim.spoken.shape import NAMES, NUMBERS, PAGES, Found, Rows, Spoken, bare, plain_ban
from tests.sim.unnamed import UnnamedVenue

_ORDERS = {
    "origQty": NUMBERS,
    "vol": NUMBERS,
    "executedQty": NUMBERS,
    "dealVol": NUMBERS,
    "status": NAMES,
    "state": NAMES,
    "side": NAMES,
}
_IN_PATH = re.compile(r"/(?:depth|kline|funding_rate|external)/([A-Z0-9]+_[A-Z]+)")
_FUNDING = tuple(
    f"/api/v1/contract/funding_rate/{venue_symbol(one)}" for one in instruments(renames=True).values() if one.is_perp
)


def _find_rows(name: str, rows: Rows, content: Any) -> Found | None:
    """The rows are the answer itself, stand in it, are the data, or stand in the data."""
    del name
    if isinstance(content, list):
        return content, lambda changed: changed
    if not isinstance(content, dict):
        return None
    if rows.envelope in content:
        return content[rows.envelope], lambda changed: {**content, rows.envelope: changed}
    data = content.get("data")
    if isinstance(data, dict) and "resultList" in data:
        return data["resultList"], lambda changed: {**content, "data": {**data, "resultList": changed}}
    if isinstance(data, list):
        return data, lambda changed: {**content, "data": changed}
    return ([data], lambda changed: {**content, "data": changed[0]}) if isinstance(data, dict) else None


def _symbol_in(request: WireRequest) -> str:
    found = _IN_PATH.search(request.path)
    return bare(found.group(1) if found else dict(parse_qsl(request.query)).get("symbol", ""))


def _refuse_symbol(symbol: str) -> WireReply:
    perp = ":" in symbol
    return mexc_refusal(1001 if perp else -1121, "Invalid symbol.", perp=perp)


SPOKEN = Spoken(
    profile=MEXC,
    checks=CHECKS,
    gateway=MexcGateway,
    replica=MexcReplica,
    check_paths={
        "spot_wallet": "/api/v3/account",
        "futures_wallet": f"{PRIVATE}/account/assets",
        "position_mode": f"{PRIVATE}/position/position_mode",
    },
    shapes=(
        WireReply(500, {"code": 500, "msg": "internal"}),
        *PAGES,
        WireReply(200, {}),
        WireReply(200, []),
        WireReply(200, {"success": True, "code": 0}),
        WireReply(401, HTML),
        WireReply(429, {"code": 429, "msg": "too many requests"}, {"Retry-After": "2"}),
        WireReply(418, {"code": 418, "msg": "banned"}, {"Retry-After": "90"}),
    ),
    lists={
        "positions": Rows(
            (f"{PRIVATE}/position/open_positions",), dict.fromkeys(("holdVol", "holdAvgPrice", "im"), NUMBERS)
        ),
        "balances": Rows(("/api/v3/account",), {"free": NUMBERS, "locked": NUMBERS}, "balances"),
        "open orders": Rows(
            ("/api/v3/openOrders", f"{PRIVATE}/order/list/open_orders", f"{PRIVATE}/planorder/list/orders"), _ORDERS
        ),
        "order history": Rows(
            ("/api/v3/allOrders", f"{PRIVATE}/order/list/history_orders", f"{PRIVATE}/planorder/list/orders"), _ORDERS
        ),
        "executions": Rows(
            ("/api/v3/myTrades", f"{PRIVATE}/order/list/order_deals"),
            dict.fromkeys(("price", "qty", "vol", "commission", "fee"), NUMBERS),
        ),
        "payments": Rows((f"{PRIVATE}/position/funding_records",), {"funding": NUMBERS}),
        "instruments": Rows(
            ("/api/v3/exchangeInfo", "/api/v1/contract/detail"),
            dict.fromkeys(("baseSizePrecision", "quotePrecision", "priceUnit", "contractSize"), (None, [], "x", ...)),
            "symbols",
        ),
        "funding": Rows(_FUNDING, {"fundingRate": NUMBERS, "nextSettleTime": (None, "x", [], ...)}),
    },
    find_rows=_find_rows,
    is_about_perps=is_about_perps,
    refuse_symbol=_refuse_symbol,
    ban=plain_ban,
    symbol_in=_symbol_in,
    port=UnnamedVenue,
    names_stops=False,
    settings=("venue.perp.id=mexc",),
    lists_liquidations=False,
    has_sole_list=True,
)
