"""Everything that can go wrong between an HTTP client and an exchange, dealt out by the plan of a seed.

A reply is truthful, older than now, unreadable or absent; a refusal in the venue's own words is said only where nothing
has happened. What no table knows (5xx, 408, codes nobody has described, pages of proxies) comes either way.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar
from urllib.parse import parse_qsl

import aiohttp

from bot.ports import OrderRequest, Rejection
from bot.simex.dialects.wire import WireReply, WireRequest
from bot.venues.binance.errors import BINANCE_ERRORS
from tests.sim.faults import FaultPlan, Kind
from tests.sim.memory import Answer, MemoryTransport
from tests.sim.replica import Replica
from tests.sim.spoiled import spoiled_market
from tests.sim.wire import Port, Wire

HTML = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
UPLINK_SECONDS, DOWNLINK_SECONDS = 0.015, 0.015
# A used id and "no need to change" speak of something that has been; said of nothing they would be lies.
CODES = tuple(
    (code, needle, kind)
    for code, rows in BINANCE_ERRORS.codes.items()
    for needle, kind in rows
    if kind not in (Rejection.DUPLICATE_ID, Rejection.NO_CHANGE)
)
REFUSING_STATUSES = (403, 429, 451)
TIMEOUT = '{"code":-1007,"msg":"Timeout waiting for response from backend server."}'
UNKNOWN_BODIES = (
    '{"code":-1000,"msg":"An unknown error occurred while processing the request."}',
    '{"code":-1006,"msg":"An unexpected response was received from the message bus. Execution status unknown."}',
    '{"code":-1007,"msg":"Timeout waiting for response from backend server. Send status unknown."}',
    '{"code":-1008,"msg":"Server is currently overloaded with other requests. Please try again in a few minutes."}',
    '{"code":-2010,"msg":"Account has insufficient balance for requested action."}',
    HTML,
    "",
)
UNKNOWN_CODES = (-1, -1000, -1006, -1007, -9999, -4999)
LAGS: Mapping[str, Kind] = {
    "/api/v3/order": Kind.LAG_ORDER,
    "/fapi/v1/order": Kind.LAG_ORDER,
    "/fapi/v1/algoOrder": Kind.LAG_ORDER,
    "/api/v3/openOrders": Kind.LAG_OPEN,
    "/fapi/v1/openOrders": Kind.LAG_OPEN,
    "/fapi/v1/openAlgoOrders": Kind.LAG_OPEN,
    "/api/v3/allOrders": Kind.LAG_HISTORY,
    "/fapi/v1/allOrders": Kind.LAG_HISTORY,
    "/fapi/v1/allAlgoOrders": Kind.LAG_HISTORY,
    "/api/v3/myTrades": Kind.LAG_FILLS,
    "/fapi/v1/userTrades": Kind.LAG_FILLS,
    "/fapi/v1/income": Kind.LAG_PAYMENTS,
}
ORDER_PATHS = ("/api/v3/order", "/fapi/v1/order", "/fapi/v1/algoOrder")
# What spoils an answer whether or not the request has taken effect.
UNREADABLE = (
    Kind.REPLY_TRUNCATED,
    Kind.REPLY_HTML,
    Kind.REPLY_EMPTY,
    Kind.REPLY_BARE,
    Kind.STATUS_408,
    Kind.STATUS_5XX,
    Kind.CODE_UNKNOWN,
)


@dataclass
class Gateway:
    """The way of one bot's requests. `codes` counts the refusals of the table that were said; nothing arrives while it
    `is_dark`."""

    wire: Wire
    replica: Replica
    port: Port
    codes: Counter[str]
    TIMEOUT: ClassVar[str] = TIMEOUT
    UNKNOWN_BODIES: ClassVar[tuple[str, ...]] = UNKNOWN_BODIES
    UNKNOWN_CODES: ClassVar[tuple[int, ...]] = UNKNOWN_CODES
    broken: list[BaseException] = field(default_factory=list)
    is_dark: Callable[[], bool] = lambda: False
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    @property
    def _plan(self) -> FaultPlan:
        return self.wire.plan

    async def reach(self, request: aiohttp.ClientRequest) -> None:
        """A new connection. Raises OSError when there is none."""
        await asyncio.sleep(UPLINK_SECONDS)
        if self.is_dark():
            raise ConnectionRefusedError(111, "no route to this venue")
        if self._plan.strikes(Kind.NO_CONNECTION):
            self.wire.note(f"no connection to {request.url.host}")
            raise ConnectionRefusedError(111, "connection refused")

    def take(self, request: WireRequest, transport: MemoryTransport) -> None:
        """A whole request has left the client; from here on it is the network's."""
        work = self._ask(request, transport) if request.method == "GET" else self._write(request, transport)
        task = asyncio.get_running_loop().create_task(work, name="sim network")
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        """A network that breaks is a fault of the simulation, not of the bot."""
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.broken.append(error)

    # questions

    async def _ask(self, request: WireRequest, transport: MemoryTransport) -> None:
        plan = self._plan
        if plan.strikes(Kind.READ_SLOW):
            await asyncio.sleep(plan.between(Kind.READ_SLOW, 0.5, 12))
        await asyncio.sleep(UPLINK_SECONDS)
        if self.is_dark():
            self._break(Kind.HALF_DARK, transport)
            return
        if plan.strikes(Kind.READ_HUNG):
            return
        if plan.strikes(Kind.READ_FAILED):
            self._break(Kind.READ_FAILED, transport)
            return
        reply = self._answer_of(request)
        self.wire.note(f"GET {request.path} {_without_signature(request.query)}: {reply.status}")
        await asyncio.sleep(DOWNLINK_SECONDS)
        if plan.strikes(Kind.READ_UNREADABLE):
            transport.answer(self._bad(plan.choose(Kind.READ_UNREADABLE, UNREADABLE), reply))
        else:
            transport.answer(_as_answer(reply))

    def _answer_of(self, request: WireRequest) -> WireReply:
        plan = self._plan
        if plan.strikes(Kind.READ_LIMITED):
            is_ban = plan.choose(Kind.READ_LIMITED, (False, False, False, True))
            return self._limited(plan.count(Kind.READ_LIMITED, 1, 5), is_ban=is_ban)
        if plan.strikes(Kind.READ_REFUSED):
            return self._refusal(Kind.READ_REFUSED, request)
        kind = Kind.LAG_ACCOUNT if self.replica.account_part(request) else self._lag_of(request)
        lag_ms = self.port.lag_ms(kind) if kind is not None else 0
        reply = self.replica.look(request, lag_ms) if lag_ms else self.replica.act(request)
        if reply.status == 200:
            reply = self._spoiled(request, reply)
        for spoil in self.wire.spoilers:
            reply = spoil(request, reply)
        return reply

    # writes

    async def _write(self, request: WireRequest, transport: MemoryTransport) -> None:
        plan, what = self._plan, self._named(request)
        if plan.strikes(Kind.SLOW_WIRE):
            await asyncio.sleep(plan.between(Kind.SLOW_WIRE, 0.1, 7))
        await asyncio.sleep(UPLINK_SECONDS)
        if self._is_stopped(request, what, transport):
            return
        spoils = next((kind for kind in UNREADABLE if plan.strikes(kind)), None)
        has_effect = spoils in (None, Kind.REPLY_TRUNCATED) or plan.choose(spoils, [True, False])
        reply = self._perform(request, what) if has_effect else WireReply(200, {})
        if has_effect and self._can_repeat(request) and plan.strikes(Kind.REQUEST_TWICE):
            second = self._perform(request, f"{what} again")
            reply = plan.choose(Kind.REQUEST_TWICE, [reply, second])
        if plan.strikes(Kind.RESET_AFTER):
            transport.reset()
            return
        if plan.strikes(Kind.REPLY_LOST):
            self._break(Kind.REPLY_LOST, transport)
            return
        await asyncio.sleep(DOWNLINK_SECONDS)
        if plan.strikes(Kind.REPLY_LATE):
            await asyncio.sleep(plan.between(Kind.REPLY_LATE, 0.5, 30))
        answer = self._bad(spoils, reply) if spoils is not None else self._odd(request, reply)
        if spoils is not None:
            self.wire.note(f"{what}: {spoils}, {'done' if has_effect else 'not done'}, {answer.status}")
        transport.answer(answer)

    def _is_stopped(self, request: WireRequest, what: str, transport: MemoryTransport) -> bool:
        """Whether a request does not reach the exchange now."""
        plan, note = self._plan, self.wire.note
        if self.is_dark():
            note(f"{what}: the venue is dark")
            self._break(Kind.HALF_DARK, transport)
            return True
        stop = self._stop_cancelled(request)
        if stop and plan.strikes(Kind.CANCEL_RACE):
            self._fire(stop)
        for kind in (Kind.RESET_BEFORE, Kind.REQUEST_LOST, Kind.REQUEST_LATE):
            if not plan.strikes(kind):
                continue
            note(f"{what}: {kind}")
            if kind is Kind.REQUEST_LATE:
                asyncio.get_running_loop().call_later(
                    plan.between(kind, 0.05, 9), self._perform, request, f"{what}, late"
                )
            self._break(kind, transport)
            return True
        if self._is_cancel(request) and plan.strikes(Kind.CANCEL_BLIND):
            reply = self._unknown_order(request)
        elif plan.strikes(Kind.REJECTED):
            reply = self._refusal(Kind.REJECTED, request)
        elif plan.strikes(Kind.STATUS_REFUSED):
            reply = WireReply(plan.choose(Kind.STATUS_REFUSED, REFUSING_STATUSES), HTML, {"Retry-After": "2"})
        elif plan.strikes(Kind.STATUS_418):
            reply = self._banned(plan.count(Kind.STATUS_418, 1_000, 60_000))
        else:
            return False
        note(f"{what}: said to be refused, {reply.status} {_text(reply.content)[:80]}")
        transport.answer(_as_answer(reply))
        return True

    def _perform(self, request: WireRequest, what: str) -> WireReply:
        """The exchange takes it, at this instant."""
        reply = self.replica.act(request)
        said = "done" if self._is_done(reply) else _text(reply.content)[:120]
        self.wire.note(f"{what} {_without_signature(request.query + request.body)}: {reply.status} {said}")
        return reply

    def _can_repeat(self, request: WireRequest) -> bool:
        if self._is_cancel(request):
            return True
        sent = self._sent(self._client_id(request))
        return sent is not None and self.wire.can_repeat(sent)

    def _sent(self, client_id: str) -> OrderRequest | None:
        return next((one for one in reversed(self.wire.sent) if one.client_id == client_id), None)

    def _fire(self, client_id: str) -> None:
        sent = self._sent(client_id)
        if sent is not None:
            self.wire.fire(sent.symbol, client_id)

    # what is the venue's own

    def _is_cancel(self, request: WireRequest) -> bool:
        return request.method == "DELETE"

    def _client_id(self, request: WireRequest) -> str:
        """The id of a new order, empty for any other request."""
        params = _params(request)
        return params.get("newClientOrderId") or params.get("clientAlgoId") or ""

    def _stop_cancelled(self, request: WireRequest) -> str:
        """The id of the conditional order that a request cancels, empty where it cancels none."""
        return _params(request).get("clientAlgoId", "") if self._is_cancel(request) else ""

    def _lag_of(self, request: WireRequest) -> Kind | None:
        return LAGS.get(request.path)

    def _spoiled(self, request: WireRequest, reply: WireReply) -> WireReply:
        return spoiled_market(self._plan, request.path, reply)

    def _named(self, request: WireRequest) -> str:
        params = _params(request)
        names = (params.get(name) for name in ("newClientOrderId", "origClientOrderId", "clientAlgoId", "symbol"))
        return f"{request.method} {request.path} {next((name for name in names if name), '')}"

    def _is_done(self, reply: WireReply) -> bool:
        return reply.status == 200

    def _limited(self, seconds: int, *, is_ban: bool) -> WireReply:
        words = {"code": -1003, "msg": "Too many requests; current limit is 6000."}
        return WireReply(418 if is_ban else 429, words, {"Retry-After": str(seconds)})

    def _banned(self, milliseconds: int) -> WireReply:
        until_ms = self.wire.now_ms() + milliseconds
        return WireReply(418, {"code": -1003, "msg": f"Way too many requests; IP banned until {until_ms}."})

    def _unknown_order(self, request: WireRequest) -> WireReply:
        return WireReply(400, {"code": -2011, "msg": "Unknown order sent."})

    # what comes back

    def _break(self, kind: Kind, transport: MemoryTransport) -> None:
        """Nothing comes back: silence, an end without a byte, or a reset."""
        end = self._plan.choose(kind, ["silence", "end", "reset"])
        if end == "end":
            transport.hang_up()
        elif end == "reset":
            transport.reset()

    def _refusal(self, kind: Kind, request: WireRequest) -> WireReply:
        """A code of the table, by an exchange that has done nothing."""
        is_read = request.method == "GET"
        known = [row for row in CODES if not (is_read and row[2] is Rejection.NOT_FOUND)]
        code, needle, _ = self._plan.choose(kind, known)
        self.codes[code] += 1
        status = 400 if code not in ("-1003", "-1015") else 429
        return WireReply(status, {"code": int(code), "msg": f"{needle or 'By a fault'}."})

    def _bad(self, kind: Kind, reply: WireReply) -> Answer:
        plan, whole = self._plan, _as_answer(reply)
        if kind is Kind.REPLY_TRUNCATED:
            part = whole.body[: plan.count(kind, 0, max(0, len(whole.body) - 1))]
            length = len(whole.body.encode()) if plan.choose(kind, [True, False]) else None
            return replace(whole, body=part, announced=length)
        if kind is Kind.REPLY_HTML:
            return Answer(plan.choose(kind, (200, 200, 302, 400, 404, 502)), HTML, "text/html")
        if kind in (Kind.REPLY_EMPTY, Kind.REPLY_BARE):
            return replace(whole, status=200, body="" if kind is Kind.REPLY_EMPTY else "{}")
        if kind is Kind.STATUS_408:
            return Answer(plan.choose(kind, (408, 408, 409)), plan.choose(kind, (self.TIMEOUT, HTML, "")))
        if kind is Kind.STATUS_5XX:
            return Answer(plan.choose(kind, (500, 502, 503, 504, 520)), plan.choose(kind, self.UNKNOWN_BODIES))
        code = plan.choose(kind, self.UNKNOWN_CODES)
        return Answer(plan.choose(kind, (200, 400)), json.dumps(self._coded(code)))

    def _coded(self, code: int) -> dict[str, Any]:
        """An answer with a code that no table knows."""
        return {"code": code, "msg": "By a fault."}

    def _odd(self, request: WireRequest, reply: WireReply) -> Answer:
        """The answer to a new order, at times about another one, from before it was matched, or said twice."""
        plan, answer = self._plan, _as_answer(reply)
        is_placed = request.method == "POST" and request.path in ORDER_PATHS and reply.status == 200
        if is_placed and plan.strikes(Kind.REPLY_GARBLED):
            row = dict(reply.content)
            for name in plan.choose(Kind.REPLY_GARBLED, [("orderId", "algoId"), ("symbol",), ("status", "algoStatus")]):
                row.pop(name, None)
            answer = replace(answer, body=_text(row))
        elif is_placed and reply.content.get("status") in ("FILLED", "EXPIRED") and plan.strikes(Kind.REPLY_EARLY):
            bare = {"status": "NEW", "executedQty": "0", "cummulativeQuoteQty": "0", "cumQuote": "0", "fills": []}
            row = {name: bare.get(name, value) for name, value in reply.content.items()}
            answer = replace(answer, body=_text(row))
        elif plan.strikes(Kind.REPLY_TWICE):
            answer = replace(answer, is_twice=True)
        return answer


def _params(request: WireRequest) -> Mapping[str, str]:
    return dict(parse_qsl(f"{request.query}&{request.body}"))


def _without_signature(query: str) -> str:
    """Signatures follow from the rest."""
    return "&".join(part for part in query.split("&") if not part.startswith("signature="))


def _text(content: Any) -> str:
    return content if isinstance(content, str) else json.dumps(content, separators=(",", ":"))


def _as_answer(reply: WireReply) -> Answer:
    kind = "text/html" if isinstance(reply.content, str) else "application/json"
    return Answer(reply.status, _text(reply.content), kind, tuple(reply.headers.items()))
