"""BingX at the wire of a simulation."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from bot.domain.brackets import Bracket, highest_leverage
from bot.simex.dialects.wire import WireReply, WireRequest
from bot.venues.bingx.account_checks import CHECKS
from bot.venues.bingx.profiles import BINGX
from tests.sim.bingx_gateway import BUSY, BingxGateway, bingx_envelope
from tests.sim.bingx_replica import BingxReplica
from tests.sim.gateway import HTML
from tests.sim.spoken.shape import NAMES, NUMBERS, PAGES, Found, Rows, Spoken, plain_ban
from tests.sim.unnamed import UnnamedVenue

_ORDERS = {"origQty": NUMBERS, "executedQty": NUMBERS, "status": NAMES, "side": NAMES}
_FILLS = ("/openApi/spot/v1/trade/myTrades", "/openApi/swap/v2/trade/fillHistory")


def _find_rows(name: str, rows: Rows, content: Any) -> Found | None:
    """The rows are the data, or stand in it."""
    del name
    data = content.get("data") if isinstance(content, dict) else None
    inner = next((one for one in (rows.envelope, "fill_orders") if isinstance(data, dict) and one in data), "")
    found = data[inner] if inner else data
    if not isinstance(found, list):
        return None
    return found, lambda changed: {**content, "data": {**data, inner: changed} if inner else changed}


def _is_about_perps(request: WireRequest) -> bool:
    return "/swap/" in request.path


def _refuse_symbol(symbol: str) -> WireReply:
    del symbol
    return WireReply(200, bingx_envelope(109425, "symbol not exist"))


def _told_brackets(brackets: Sequence[Bracket]) -> Sequence[Bracket]:
    """Its tiers name a maintenance rate and no leverage: each allows what its rate leaves twice over."""
    most = int(highest_leverage(brackets))
    return [replace(one, leverage_max=min(most, int(1 / (2 * one.maintenance_rate)))) for one in brackets]


SPOKEN = Spoken(
    profile=BINGX,
    checks=CHECKS,
    gateway=BingxGateway,
    replica=BingxReplica,
    check_paths={
        "spot_wallet": "/openApi/spot/v1/account/balance",
        "futures_wallet": "/openApi/swap/v3/user/balance",
        "position_mode": "/openApi/swap/v1/positionSide/dual",
        "key_rights": "/openApi/v1/account/apiPermissions",
    },
    shapes=(
        WireReply(200, bingx_envelope(100500, BUSY)),
        *PAGES,
        WireReply(200, {}),
        WireReply(200, []),
        WireReply(200, {"code": 0, "msg": ""}),
        WireReply(401, HTML),
        WireReply(200, bingx_envelope(100410, "rate limited")),
        WireReply(418, bingx_envelope(418, "banned"), {"Retry-After": "90"}),
    ),
    lists={
        "positions": Rows(
            ("/openApi/swap/v2/user/positions",),
            dict.fromkeys(("positionAmt", "avgPrice", "markPrice", "unrealizedProfit"), NUMBERS),
        ),
        "balances": Rows(("/openApi/spot/v1/account/balance",), {"free": NUMBERS, "locked": NUMBERS}, "balances"),
        "open orders": Rows(
            ("/openApi/spot/v1/trade/openOrders", "/openApi/swap/v2/trade/openOrders"), _ORDERS, "orders"
        ),
        "order history": Rows(
            ("/openApi/spot/v1/trade/historyOrders", "/openApi/swap/v2/trade/allOrders"), _ORDERS, "orders"
        ),
        "executions": Rows(_FILLS, dict.fromkeys(("price", "qty", "commission"), NUMBERS), "fills"),
        "payments": Rows(("/openApi/swap/v2/user/income",), {"income": NUMBERS, "asset": (None, 5, "", ...)}),
        "instruments": Rows(
            ("/openApi/spot/v1/common/symbols", "/openApi/swap/v2/quote/contracts"),
            dict.fromkeys(("stepSize", "tickSize", "quantityPrecision", "pricePrecision"), (None, [], "x", ...)),
            "symbols",
        ),
        "funding": Rows(
            ("/openApi/swap/v2/quote/premiumIndex",),
            {"lastFundingRate": NUMBERS, "nextFundingTime": (None, "x", [], ...)},
        ),
    },
    find_rows=_find_rows,
    is_about_perps=_is_about_perps,
    refuse_symbol=_refuse_symbol,
    ban=plain_ban,
    port=UnnamedVenue,
    names_stops=False,
    writes_digits=True,
    told_brackets=_told_brackets,
)
