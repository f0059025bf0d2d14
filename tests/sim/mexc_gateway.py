"""The same faults in MEXC's words: spot refuses with HTTP 400, perps with HTTP 200 and the word of no success."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import parse_qsl

from bot.ports import Rejection
from bot.simex.dialects.mexc.common import venue_symbol
from bot.simex.dialects.wire import WireReply, WireRequest
from bot.venues.mexc.errors import MEXC_ERRORS
from tests.sim.faults import Kind
from tests.sim.gateway import HTML, Gateway, _as_answer, _text
from tests.sim.memory import Answer
from tests.sim.mexc_spoiled import spoiled_market
from tests.sim.wire import ACCOUNT

CODES = tuple(
    (code, needle, kind)
    for code, rows in MEXC_ERRORS.codes.items()
    for needle, kind in rows
    if kind not in (Rejection.DUPLICATE_ID, Rejection.NO_CHANGE)
)
UNLISTED = (500, 501, 506, 603, 604, 801, 9999, 20002, 999999)
PRIVATE = "/api/v1/private"
SPOT_ORDER, PERP_ORDER, STOP = "/api/v3/order", f"{PRIVATE}/order/create", f"{PRIVATE}/planorder/place"
CANCELS = (f"{PRIVATE}/order/cancel_with_external", f"{PRIVATE}/planorder/cancel")
LAGS: Mapping[str, Kind] = {
    "/api/v3/order": Kind.LAG_ORDER,
    f"{PRIVATE}/order/external/": Kind.LAG_ORDER,
    f"{PRIVATE}/order/get/": Kind.LAG_ORDER,
    "/api/v3/openOrders": Kind.LAG_OPEN,
    f"{PRIVATE}/order/list/open_orders": Kind.LAG_OPEN,
    f"{PRIVATE}/planorder/list/orders": Kind.LAG_OPEN,
    "/api/v3/allOrders": Kind.LAG_HISTORY,
    f"{PRIVATE}/order/list/history_orders": Kind.LAG_HISTORY,
    "/api/v3/myTrades": Kind.LAG_FILLS,
    f"{PRIVATE}/order/list/order_deals": Kind.LAG_FILLS,
    f"{PRIVATE}/position/funding_records": Kind.LAG_PAYMENTS,
    f"{PRIVATE}/account/transfer_record": Kind.LAG_PAYMENTS,
}
NUMBERED = 10**9  # the engine's own number of an order stands behind its symbol's


def is_about_perps(request: WireRequest) -> bool:
    return request.path.startswith("/api/v1/")


def mexc_refusal(code: int, words: str, *, perp: bool) -> WireReply:
    if perp:
        return WireReply(200, {"success": False, "code": code, "message": words})
    return WireReply(429 if code == 429 else 400, {"code": code, "msg": words})


def _params(request: WireRequest) -> Any:
    if request.method == "POST" and is_about_perps(request):
        return json.loads(request.body or "{}")
    return dict(parse_qsl(request.query))


def _of_perps(code: str) -> bool:
    return code.isdigit() and len(code) <= 4 and code != "429"


class MexcGateway(Gateway):
    """The way of one bot's requests to MEXC."""

    TIMEOUT: ClassVar[str] = '{"code":504,"msg":"gateway timeout"}'
    UNKNOWN_BODIES: ClassVar[tuple[str, ...]] = (
        *(json.dumps({"success": False, "code": code, "message": "By a fault."}) for code in (500, 501, 2005, 30004)),
        HTML,
        "",
    )
    UNKNOWN_CODES: ClassVar[tuple[int, ...]] = UNLISTED

    def _is_cancel(self, request: WireRequest) -> bool:
        return request.method == "DELETE" or request.path in CANCELS

    def _client_id(self, request: WireRequest) -> str:
        if request.method != "POST" or request.path not in (SPOT_ORDER, PERP_ORDER, STOP):
            return ""
        params = _params(request)
        return str(params.get("newClientOrderId") or params.get("externalOid") or "")

    def _stop_cancelled(self, request: WireRequest) -> str:
        """A conditional order is cancelled by the venue's id: the exchange knows which one that is."""
        if request.path != CANCELS[1]:
            return ""
        (plan,) = _params(request)
        engine = self.wire.exchange
        known = (one for one in engine.instruments.values() if one.is_perp and venue_symbol(one) == plan["symbol"])
        symbol = next((one.symbol for one in known), None)
        if symbol is None:
            return ""
        order = engine.order(ACCOUNT, symbol, order_id=int(plan["orderId"]) % NUMBERED)
        return order.client_id if order is not None and order.type.is_trigger else ""

    def _lag_of(self, request: WireRequest) -> Kind | None:
        return next((kind for path, kind in LAGS.items() if request.path.startswith(path)), None)

    def _spoiled(self, request: WireRequest, reply: WireReply) -> WireReply:
        return spoiled_market(self._plan, request, reply) if self._is_done(reply) else reply

    def _named(self, request: WireRequest) -> str:
        params = _params(request)
        names = ("newClientOrderId", "origClientOrderId", "externalOid", "symbol")
        found = params if isinstance(params, dict) else {}
        return f"{request.method} {request.path} {next((found[name] for name in names if name in found), '')}"

    def _is_done(self, reply: WireReply) -> bool:
        is_refusal = isinstance(reply.content, dict) and reply.content.get("success") is False
        return reply.status == 200 and not is_refusal

    def _limited(self, seconds: int, *, is_ban: bool) -> WireReply:
        code = 418 if is_ban else 429
        return WireReply(code, {"code": code, "msg": "too many requests"}, {"Retry-After": str(seconds)})

    def _banned(self, milliseconds: int) -> WireReply:
        return self._limited(max(1, milliseconds // 1_000), is_ban=True)

    def _unknown_order(self, request: WireRequest) -> WireReply:
        perp = is_about_perps(request)
        return mexc_refusal(2040 if perp else -2011, "order not exist", perp=perp)

    def _refusal(self, kind: Kind, request: WireRequest) -> WireReply:
        is_read, perp = request.method == "GET", is_about_perps(request)
        known = [row for row in CODES if _of_perps(row[0]) is perp and not (is_read and row[2] is Rejection.NOT_FOUND)]
        code, needle, _ = self._plan.choose(kind, known)
        self.codes[code] += 1
        return mexc_refusal(int(code), f"{needle or 'By a fault'}.", perp=perp)

    def _coded(self, code: int) -> dict[str, Any]:
        return {"success": False, "code": code, "message": "By a fault."}

    def _odd(self, request: WireRequest, reply: WireReply) -> Answer:
        """The answer to a new order, at times about another one or about none, or said twice."""
        plan, answer = self._plan, _as_answer(reply)
        is_placed = request.method == "POST" and request.path in (SPOT_ORDER, PERP_ORDER, STOP) and self._is_done(reply)
        if is_placed and plan.strikes(Kind.REPLY_GARBLED):
            row = dict(reply.content)
            lost = ("success", "data") if is_about_perps(request) else ("orderId", "symbol", "side")
            row.pop(plan.choose(Kind.REPLY_GARBLED, list(lost)))
            answer = replace(answer, body=_text(row))
        elif plan.strikes(Kind.REPLY_TWICE):
            answer = replace(answer, is_twice=True)
        return answer
