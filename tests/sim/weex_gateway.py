"""The same faults in WEEX's words: refusals come with HTTP 400, and those of perp orders inside an answer as well."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import parse_qsl

from bot.ports import Rejection
from bot.simex.dialects.weex.common import own_number
from bot.simex.dialects.wire import WireReply, WireRequest
from bot.venues.weex.errors import FUNDS_WORDS, WEEX_ERRORS
from tests.sim.faults import Kind
from tests.sim.gateway import HTML, Gateway, _as_answer, _text
from tests.sim.memory import Answer, MemoryTransport
from tests.sim.weex_spoiled import spoiled_market
from tests.sim.wire import ACCOUNT

SYSTEM_ERROR = "-1054"
CODES = tuple(
    (SYSTEM_ERROR if code == FUNDS_WORDS else code, f"available {code}" if code == FUNDS_WORDS else "By a fault.", kind)
    for code, rows in WEEX_ERRORS.codes.items()
    for _, kind in rows
    if kind not in (Rejection.DUPLICATE_ID, Rejection.NO_CHANGE) and (code.startswith("-") or code == FUNDS_WORDS)
)
UNLISTED = (-1000, -1054, -1045, -1039, -999999, 40008, 500)
BUSY = "System error, please retry later."
ORDERS = ("/api/v3/order", "/capi/v3/order", "/capi/v3/algoOrder")
INCOME = "/capi/v3/account/income"
LAGS: Mapping[str, Kind] = {
    "/api/v3/order": Kind.LAG_ORDER,
    "/capi/v3/order": Kind.LAG_ORDER,
    "/api/v3/openOrders": Kind.LAG_OPEN,
    "/capi/v3/openOrders": Kind.LAG_OPEN,
    "/capi/v3/openAlgoOrders": Kind.LAG_OPEN,
    "/api/v3/allOrders": Kind.LAG_HISTORY,
    "/capi/v3/order/history": Kind.LAG_HISTORY,
    "/capi/v3/allAlgoOrders": Kind.LAG_HISTORY,
    "/api/v3/myTrades": Kind.LAG_FILLS,
    "/capi/v3/userTrades": Kind.LAG_FILLS,
    INCOME: Kind.LAG_PAYMENTS,
}


def weex_refusal(code: int | str, message: str) -> dict[str, Any]:
    return {"code": code, "msg": message}


def refused_inside(code: int | str, message: str) -> dict[str, Any]:
    """A refusal in an answer with HTTP 200."""
    return {"orderId": None, "clientOrderId": "", "success": False, "errorCode": str(code), "errorMessage": message}


def params_of(request: WireRequest) -> Mapping[str, Any]:
    """Query and body, whichever a request has."""
    body = json.loads(request.body) if request.body else {}
    return {**dict(parse_qsl(request.query)), **body}


class WeexGateway(Gateway):
    """The way of one bot's requests to WEEX."""

    TIMEOUT: ClassVar[str] = json.dumps(weex_refusal(-1054, BUSY))
    UNKNOWN_BODIES: ClassVar[tuple[str, ...]] = (
        *(json.dumps(weex_refusal(code, BUSY)) for code in (-1000, -1054, -1046, -3007)),
        json.dumps(refused_inside(-3200, BUSY)),
        HTML,
        "",
    )
    UNKNOWN_CODES: ClassVar[tuple[int, ...]] = UNLISTED

    def take(self, request: WireRequest, transport: MemoryTransport) -> None:
        """Payments are read by a POST."""
        if request.path != INCOME:
            super().take(request, transport)
            return
        task = asyncio.get_running_loop().create_task(self._ask(request, transport), name="sim network")
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _client_id(self, request: WireRequest) -> str:
        if request.method != "POST" or request.path not in ORDERS:
            return ""
        params = params_of(request)
        return str(params.get("newClientOrderId") or params.get("clientAlgoId") or "")

    def _stop_cancelled(self, request: WireRequest) -> str:
        """A conditional order is cancelled by the venue's id: the exchange knows which one that is."""
        if request.method != "DELETE" or request.path != "/capi/v3/algoOrder":
            return ""
        number, engine = int(params_of(request)["orderId"]), self.wire.exchange
        for symbol in engine.instruments:
            order = engine.order(ACCOUNT, symbol, order_id=own_number(number)) if ":" in symbol else None
            if order is not None and order.type.is_trigger and order.is_open:
                return order.client_id
        return ""

    def _lag_of(self, request: WireRequest) -> Kind | None:
        return LAGS.get(request.path)

    def _spoiled(self, request: WireRequest, reply: WireReply) -> WireReply:
        return spoiled_market(self._plan, request, reply) if self._is_done(reply) else reply

    def _named(self, request: WireRequest) -> str:
        params = params_of(request)
        names = ("newClientOrderId", "clientAlgoId", "origClientOrderId", "orderId", "symbol")
        return f"{request.method} {request.path} {next((params[name] for name in names if name in params), '')}"

    def _is_done(self, reply: WireReply) -> bool:
        content = reply.content
        is_refused = isinstance(content, dict) and (
            content.get("success") is False or content.get("status") == "FAILED"
        )
        return reply.status == 200 and not is_refused

    def _limited(self, seconds: int, *, is_ban: bool) -> WireReply:
        status = 418 if is_ban else 429
        return WireReply(status, weex_refusal(status, "Too Many Requests"), {"Retry-After": str(seconds)})

    def _banned(self, milliseconds: int) -> WireReply:
        seconds = max(1, milliseconds // 1_000)
        return WireReply(418, weex_refusal(418, "banned"), {"Retry-After": str(seconds)})

    def _unknown_order(self, request: WireRequest) -> WireReply:
        if request.path.startswith("/capi/"):
            return WireReply(200, refused_inside(-3200, "Order does not exist."))
        return WireReply(400, weex_refusal(-2200, "Order does not exist."))

    def _refusal(self, kind: Kind, request: WireRequest) -> WireReply:
        is_read = request.method == "GET" or request.path == INCOME
        known = [row for row in CODES if not (is_read and row[2] is Rejection.NOT_FOUND)]
        code, words, _ = self._plan.choose(kind, known)
        self.codes[code] += 1
        if not is_read and request.path.startswith("/capi/") and self._plan.choose(kind, [True, False]):
            return WireReply(200, refused_inside(code, words))
        return WireReply(400, weex_refusal(int(code), words))

    def _coded(self, code: int) -> dict[str, Any]:
        return weex_refusal(code, BUSY)

    def _odd(self, request: WireRequest, reply: WireReply) -> Answer:
        """The answer to a new order, at times about another one or about none, or said twice."""
        plan, answer = self._plan, _as_answer(reply)
        is_placed = request.method == "POST" and request.path in ORDERS and self._is_done(reply)
        if is_placed and plan.strikes(Kind.REPLY_GARBLED):
            row = dict(reply.content)
            for name in plan.choose(Kind.REPLY_GARBLED, [("orderId",), ("symbol", "success"), ("clientOrderId",)]):
                row.pop(name, None)
            if plan.choose(Kind.REPLY_GARBLED, [True, False]):
                row |= {"clientOrderId": "another"}
            answer = replace(answer, body=_text(row))
        elif plan.strikes(Kind.REPLY_TWICE):
            answer = replace(answer, is_twice=True)
        return answer
