"""The same faults in Bybit's words: a refusal comes with HTTP 200, a code in the envelope tells what it is."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import parse_qsl

from bot.ports import Rejection
from bot.simex.dialects.wire import WireReply, WireRequest
from bot.venues.bybit.errors import BYBIT_ERRORS
from tests.sim.bybit_spoiled import spoiled_market
from tests.sim.faults import Kind
from tests.sim.gateway import HTML, Gateway, _as_answer, _text
from tests.sim.memory import Answer

CODES = tuple(
    (code, needle, kind)
    for code, rows in BYBIT_ERRORS.codes.items()
    for needle, kind in rows
    if kind not in (Rejection.DUPLICATE_ID, Rejection.NO_CHANGE)
)
UNLISTED = (10000, 10016, 170001, 170007, 170032, 170146, 110079, 3400214, 999999)
LAGS: Mapping[str, Kind] = {
    "/v5/execution/list": Kind.LAG_FILLS,
    "/v5/account/transaction-log": Kind.LAG_PAYMENTS,
}
CREATE, CANCEL = "/v5/order/create", "/v5/order/cancel"


def envelope(code: int, message: str) -> dict[str, Any]:
    return {"retCode": code, "retMsg": message, "result": {}, "retExtInfo": {}, "time": 0}


def params_of(request: WireRequest) -> Mapping[str, Any]:
    if request.method == "GET":
        return dict(parse_qsl(request.query))
    found: Mapping[str, Any] = json.loads(request.body or "{}")
    return found


class BybitGateway(Gateway):
    """The way of one bot's requests to Bybit."""

    TIMEOUT: ClassVar[str] = json.dumps(envelope(10000, "Server Timeout"))
    UNKNOWN_BODIES: ClassVar[tuple[str, ...]] = (
        *(json.dumps(envelope(code, "By a fault.")) for code in (10000, 10016, 170007, 110007, 10001)),
        HTML,
        "",
    )
    UNKNOWN_CODES: ClassVar[tuple[int, ...]] = UNLISTED

    def _is_cancel(self, request: WireRequest) -> bool:
        return request.path == CANCEL

    def _client_id(self, request: WireRequest) -> str:
        return str(params_of(request).get("orderLinkId", "")) if request.path == CREATE else ""

    def _stop_cancelled(self, request: WireRequest) -> str:
        name = str(params_of(request).get("orderLinkId", "")) if self._is_cancel(request) else ""
        sent = self._sent(name)
        return name if sent is not None and sent.order_type.is_trigger else ""

    def _lag_of(self, request: WireRequest) -> Kind | None:
        params = params_of(request)
        if request.path == "/v5/order/history":
            return Kind.LAG_ORDER if "orderLinkId" in params else Kind.LAG_HISTORY
        if request.path == "/v5/order/realtime":
            if "orderLinkId" in params:
                return Kind.LAG_ORDER
            return Kind.LAG_HISTORY if params.get("openOnly") == "1" else Kind.LAG_OPEN
        return LAGS.get(request.path)

    def _spoiled(self, request: WireRequest, reply: WireReply) -> WireReply:
        return spoiled_market(self._plan, request, reply) if self._is_done(reply) else reply

    def _named(self, request: WireRequest) -> str:
        params = params_of(request)
        return f"{request.method} {request.path} {params.get('orderLinkId') or params.get('symbol') or ''}"

    def _is_done(self, reply: WireReply) -> bool:
        return reply.status == 200 and isinstance(reply.content, dict) and reply.content.get("retCode") == 0

    def _limited(self, seconds: int, *, is_ban: bool) -> WireReply:
        if is_ban:
            return WireReply(403, "403, access too frequent", {"Retry-After": str(seconds)})
        until_ms = str(self.wire.now_ms() + seconds * 1_000)
        headers = {"X-Bapi-Limit": "10", "X-Bapi-Limit-Status": "0", "X-Bapi-Limit-Reset-Timestamp": until_ms}
        return WireReply(200, envelope(10006, "Too many visits!"), headers)

    def _banned(self, milliseconds: int) -> WireReply:
        return WireReply(403, "403, access too frequent", {"Retry-After": str(max(1, milliseconds // 1_000))})

    def _unknown_order(self, request: WireRequest) -> WireReply:
        is_spot = params_of(request).get("category") == "spot"
        code, message = (170213, "Order does not exist.") if is_spot else (110001, "order not exists")
        return WireReply(200, envelope(code, message))

    def _refusal(self, kind: Kind, request: WireRequest) -> WireReply:
        is_read = request.method == "GET"
        known = [row for row in CODES if not (is_read and row[2] is Rejection.NOT_FOUND)]
        code, needle, _ = self._plan.choose(kind, known)
        self.codes[code] += 1
        return WireReply(200, envelope(int(code), f"{needle or 'By a fault'}."))

    def _coded(self, code: int) -> dict[str, Any]:
        return envelope(code, "By a fault.")

    def _odd(self, request: WireRequest, reply: WireReply) -> Answer:
        """The answer to a new order, at times about another one or about none, or said twice."""
        plan, answer = self._plan, _as_answer(reply)
        if request.path == CREATE and self._is_done(reply) and plan.strikes(Kind.REPLY_GARBLED):
            result = dict(reply.content["result"])
            for name in plan.choose(Kind.REPLY_GARBLED, [("orderId",), ("orderLinkId",), ("orderId", "orderLinkId")]):
                result.pop(name, None)
            if plan.choose(Kind.REPLY_GARBLED, [True, False]):
                result["orderLinkId"] = "another"
            answer = replace(answer, body=_text({**reply.content, "result": result}))
        elif plan.strikes(Kind.REPLY_TWICE):
            answer = replace(answer, is_twice=True)
        return answer
