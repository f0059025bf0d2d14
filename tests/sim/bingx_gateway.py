"""The same faults in BingX's words: a refusal comes with HTTP 200, a code in the envelope says what it is."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import parse_qsl

from bot.ports import Rejection
from bot.simex.dialects.bingx.common import venue_symbol
from bot.simex.dialects.wire import WireReply, WireRequest
from bot.venues.bingx.errors import BINGX_ERRORS
from tests.sim.bingx_spoiled import spoiled_market
from tests.sim.faults import Kind
from tests.sim.gateway import HTML, Gateway, _as_answer, _text
from tests.sim.memory import Answer
from tests.sim.wire import ACCOUNT

CODES = tuple(
    (code, needle, kind)
    for code, rows in BINGX_ERRORS.codes.items()
    for needle, kind in rows
    if kind not in (Rejection.DUPLICATE_ID, Rejection.NO_CHANGE) and code.isdigit()
)
UNLISTED = (100500, 109500, 110500, 100503, 109701, 100410, 500, 504, 999999)
BUSY = "The current system is busy, please try again later"
LAGS: Mapping[str, Kind] = {
    "/openApi/spot/v1/trade/query": Kind.LAG_ORDER,
    "/openApi/swap/v2/trade/order": Kind.LAG_ORDER,
    "/openApi/spot/v1/trade/openOrders": Kind.LAG_OPEN,
    "/openApi/swap/v2/trade/openOrders": Kind.LAG_OPEN,
    "/openApi/spot/v1/trade/historyOrders": Kind.LAG_HISTORY,
    "/openApi/swap/v2/trade/allOrders": Kind.LAG_HISTORY,
    "/openApi/spot/v1/trade/myTrades": Kind.LAG_FILLS,
    "/openApi/swap/v2/trade/fillHistory": Kind.LAG_FILLS,
    "/openApi/swap/v2/user/income": Kind.LAG_PAYMENTS,
}
SPOT_ORDER, SPOT_CANCEL = "/openApi/spot/v1/trade/order", "/openApi/spot/v1/trade/cancel"
PERP_ORDER = "/openApi/swap/v2/trade/order"
NUMBERED = 10**9  # the engine's own number of an order stands behind its symbol's


def bingx_envelope(code: int, message: str) -> dict[str, Any]:
    return {"code": code, "msg": message, "debugMsg": "", "data": {}}


def query_of(request: WireRequest) -> Mapping[str, str]:
    return dict(parse_qsl(request.query))


class BingxGateway(Gateway):
    """The way of one bot's requests to BingX."""

    TIMEOUT: ClassVar[str] = json.dumps(bingx_envelope(504, "gateway timeout"))
    UNKNOWN_BODIES: ClassVar[tuple[str, ...]] = (
        *(json.dumps(bingx_envelope(code, BUSY)) for code in (100500, 109500, 101204, 101400, 100410)),
        HTML,
        "",
    )
    UNKNOWN_CODES: ClassVar[tuple[int, ...]] = UNLISTED

    def _is_cancel(self, request: WireRequest) -> bool:
        return request.method == "DELETE" or request.path == SPOT_CANCEL

    def _client_id(self, request: WireRequest) -> str:
        if request.method != "POST" or request.path not in (SPOT_ORDER, PERP_ORDER):
            return ""
        params = query_of(request)
        return params.get("newClientOrderId") or params.get("clientOrderId") or ""

    def _stop_cancelled(self, request: WireRequest) -> str:
        """A conditional order is cancelled by the venue's id: the exchange knows which one that is."""
        params = query_of(request)
        if request.method != "DELETE" or not params.get("orderId", "").isdigit():
            return ""
        engine = self.wire.exchange
        symbol = next((s for s in engine.instruments if ":" in s and venue_symbol(s) == params.get("symbol")), None)
        if symbol is None:
            return ""
        order = engine.order(ACCOUNT, symbol, order_id=int(params["orderId"]) % NUMBERED)
        return order.client_id if order is not None and order.type.is_trigger else ""

    def _lag_of(self, request: WireRequest) -> Kind | None:
        return LAGS.get(request.path)

    def _spoiled(self, request: WireRequest, reply: WireReply) -> WireReply:
        return spoiled_market(self._plan, request, reply) if self._is_done(reply) else reply

    def _named(self, request: WireRequest) -> str:
        params = query_of(request)
        names = ("newClientOrderId", "clientOrderId", "clientOrderID", "orderId", "symbol")
        return f"{request.method} {request.path} {next((params[name] for name in names if name in params), '')}"

    def _is_done(self, reply: WireReply) -> bool:
        return reply.status == 200 and isinstance(reply.content, dict) and reply.content.get("code", 0) == 0

    def _limited(self, seconds: int, *, is_ban: bool) -> WireReply:
        if is_ban:
            return WireReply(418, bingx_envelope(418, "banned"), {"Retry-After": str(seconds)})
        return WireReply(200, bingx_envelope(100410, "rate limited"))

    def _banned(self, milliseconds: int) -> WireReply:
        seconds = max(1, milliseconds // 1_000)
        return WireReply(418, bingx_envelope(418, "banned"), {"Retry-After": str(seconds)})

    def _unknown_order(self, request: WireRequest) -> WireReply:
        code = 100404 if request.path == SPOT_CANCEL else 109421
        return WireReply(200, bingx_envelope(code, "order not exist"))

    def _refusal(self, kind: Kind, request: WireRequest) -> WireReply:
        is_read = request.method == "GET"
        known = [row for row in CODES if not (is_read and row[2] is Rejection.NOT_FOUND)]
        code, needle, _ = self._plan.choose(kind, known)
        self.codes[code] += 1
        return WireReply(200, bingx_envelope(int(code), f"{needle or 'By a fault'}."))

    def _coded(self, code: int) -> dict[str, Any]:
        return bingx_envelope(code, BUSY)

    def _odd(self, request: WireRequest, reply: WireReply) -> Answer:
        """The answer to a new order, at times about another one or about none, from before it was matched, or said
        twice."""
        plan, answer = self._plan, _as_answer(reply)
        is_placed = request.method == "POST" and request.path in (SPOT_ORDER, PERP_ORDER) and self._is_done(reply)
        if is_placed and plan.strikes(Kind.REPLY_GARBLED):
            row = dict(_order_in(reply.content))
            for name in plan.choose(Kind.REPLY_GARBLED, [("orderId", "orderID"), ("symbol",), ("clientOrderId",)]):
                row.pop(name, None)
            if plan.choose(Kind.REPLY_GARBLED, [True, False]):
                row |= {"clientOrderId": "another", "clientOrderID": "another"}
            answer = replace(answer, body=_text(_with_order(reply.content, row)))
        elif request.path == SPOT_ORDER and is_placed and plan.strikes(Kind.REPLY_EARLY):
            early = {"status": "PENDING", "executedQty": "0", "cummulativeQuoteQty": "0"}
            answer = replace(answer, body=_text(_with_order(reply.content, {**_order_in(reply.content), **early})))
        elif plan.strikes(Kind.REPLY_TWICE):
            answer = replace(answer, is_twice=True)
        return answer


def _order_in(content: Any) -> Mapping[str, Any]:
    data = content["data"]
    found: Mapping[str, Any] = data.get("order", data)
    return found


def _with_order(content: Any, row: Mapping[str, Any]) -> dict[str, Any]:
    data = {"order": row} if "order" in content["data"] else row
    return {**content, "data": data}
