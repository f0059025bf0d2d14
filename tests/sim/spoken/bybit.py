"""Bybit at the wire of a simulation."""

from typing import Any
from urllib.parse import parse_qsl

from bot.simex.dialects.wire import WireReply, WireRequest
from bot.venues.bybit.account_checks import CHECKS
from bot.venues.bybit.profiles import BYBIT
from tests.sim.bybit_gateway import BybitGateway, envelope
from tests.sim.bybit_replica import BybitReplica
from tests.sim.gateway import HTML
from tests.sim.memory import Answer
from tests.sim.spoken.shape import NAMES, NUMBERS, PAGES, Found, Rows, Spoken

_ORDERS = {"qty": NUMBERS, "cumExecQty": NUMBERS, "orderStatus": NAMES, "side": NAMES}


def _find_rows(name: str, rows: Rows, content: Any) -> Found | None:
    """The rows stand in the result; those of a coin in the wallet's. A refusal has neither."""
    result = content.get("result") if isinstance(content, dict) else None
    wallets = result.get("list") if isinstance(result, dict) and name == "balances" else [result]
    holder = wallets[0] if isinstance(wallets, list) and wallets else None
    if not isinstance(holder, dict) or not isinstance(holder.get(rows.envelope), list):
        return None

    def put(changed: list[Any]) -> Any:
        inner = {**holder, rows.envelope: changed}
        return {**content, "result": {**result, "list": [inner]} if name == "balances" else inner}

    return holder[rows.envelope], put


def _is_about_perps(request: WireRequest) -> bool:
    return dict(parse_qsl(request.query)).get("category") == "linear"


def _refuse_symbol(symbol: str) -> WireReply:
    code, words = (10001, "params error: symbol invalid") if ":" in symbol else (170121, "Invalid symbol.")
    return WireReply(200, envelope(code, words))


def _ban(seconds: int) -> Answer:
    return Answer(403, "403, access too frequent", headers=(("Retry-After", str(seconds)),))


SPOKEN = Spoken(
    profile=BYBIT,
    checks=CHECKS,
    gateway=BybitGateway,
    replica=BybitReplica,
    check_paths={
        "wallet": "/v5/account/wallet-balance",
        "margin_mode": "/v5/account/info",
        "position_mode": "/v5/position/list",
        "key_rights": "/v5/user/query-api",
    },
    shapes=(
        WireReply(200, envelope(10016, "Server error.")),
        *PAGES,
        WireReply(200, {}),
        WireReply(200, []),
        WireReply(200, {**envelope(0, "OK"), "result": {}}),
        WireReply(401, HTML),
        WireReply(200, envelope(10006, "Too many visits!")),
        WireReply(403, "403, access too frequent", {"Retry-After": "90"}),
    ),
    lists={
        "positions": Rows(
            ("/v5/position/list",), dict.fromkeys(("size", "avgPrice", "markPrice", "unrealisedPnl"), NUMBERS), "list"
        ),
        "balances": Rows(("/v5/account/wallet-balance",), {"walletBalance": NUMBERS, "locked": NUMBERS}, "coin"),
        "open orders": Rows(("/v5/order/realtime",), _ORDERS, "list"),
        "order history": Rows(("/v5/order/history",), _ORDERS, "list"),
        "executions": Rows(
            ("/v5/execution/list",),
            {**dict.fromkeys(("execPrice", "execQty", "execFee"), NUMBERS), "execType": NAMES},
            "list",
        ),
        "payments": Rows(("/v5/account/transaction-log",), {"change": NUMBERS, "currency": (None, 5, "", ...)}, "list"),
        "instruments": Rows(("/v5/market/instruments-info",), {"lotSizeFilter": (None, [], "x", ...)}, "list"),
        "funding": Rows(
            ("/v5/market/tickers",), {"fundingRate": NUMBERS, "nextFundingTime": (None, "x", [], ...)}, "list"
        ),
    },
    find_rows=_find_rows,
    is_about_perps=_is_about_perps,
    refuse_symbol=_refuse_symbol,
    ban=_ban,
    of_all=frozenset({"balances", "payments"}),
    ids_last=True,
)
