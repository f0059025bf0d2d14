"""Binance's WebSocket API: requests as messages, answered by the endpoints of REST, and user data by subscription."""

import json
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from bot.domain.instrument import Kind
from bot.simex.dialects.binance.common import Call, Desk, Params
from bot.simex.dialects.binance.streams.user import of_account, payloads
from bot.simex.dialects.wire import RequestTimes, WireReply, WireRequest
from bot.simex.engine.types import ExchangeEvent

Respond = Callable[[WireRequest, RequestTimes], WireReply]
PATHS = {"/ws-api/v3": Kind.SPOT, "/ws-fapi/v1": Kind.PERP}
HOSTS: Mapping[str, Kind] = {
    **dict.fromkeys(("ws-api.binance.com", "ws-api.testnet.binance.vision", "demo-ws-api.binance.com"), Kind.SPOT),
    **dict.fromkeys(("ws-fapi.binance.com", "testnet.binancefuture.com", "demo-ws-fapi.binance.com"), Kind.PERP),
}
_KEYS = {
    "userDataStream.start": ("POST", "listen"),
    "userDataStream.ping": ("PUT", "listen"),
    "userDataStream.stop": ("DELETE", "listen"),
}
_SPOT = {
    "ping": ("GET", "ping"),
    "time": ("GET", "time"),
    "exchangeInfo": ("GET", "exchangeInfo"),
    "depth": ("GET", "depth"),
    "trades.recent": ("GET", "trades"),
    "trades.historical": ("GET", "historicalTrades"),
    "trades.aggregate": ("GET", "aggTrades"),
    "klines": ("GET", "klines"),
    "uiKlines": ("GET", "uiKlines"),
    "avgPrice": ("GET", "avgPrice"),
    "ticker": ("GET", "ticker"),
    "ticker.24hr": ("GET", "ticker/24hr"),
    "ticker.tradingDay": ("GET", "ticker/tradingDay"),
    "ticker.price": ("GET", "ticker/price"),
    "ticker.book": ("GET", "ticker/bookTicker"),
    "order.place": ("POST", "order"),
    "order.test": ("POST", "order/test"),
    "order.status": ("GET", "order"),
    "order.cancel": ("DELETE", "order"),
    "order.cancelReplace": ("POST", "order/cancelReplace"),
    "order.amend.keepPriority": ("PUT", "order/amend/keepPriority"),
    "order.amendments": ("GET", "order/amendments"),
    "openOrders.status": ("GET", "openOrders"),
    "openOrders.cancelAll": ("DELETE", "openOrders"),
    "orderList.place": ("POST", "order/oco"),
    "orderList.place.oco": ("POST", "orderList/oco"),
    "orderList.place.oto": ("POST", "orderList/oto"),
    "orderList.place.otoco": ("POST", "orderList/otoco"),
    "orderList.place.opo": ("POST", "orderList/opo"),
    "orderList.place.opoco": ("POST", "orderList/opoco"),
    "sor.order.place": ("POST", "sor/order"),
    "sor.order.test": ("POST", "sor/order/test"),
    "orderList.status": ("GET", "orderList"),
    "orderList.cancel": ("DELETE", "orderList"),
    "openOrderLists.status": ("GET", "openOrderList"),
    "allOrders": ("GET", "allOrders"),
    "allOrderLists": ("GET", "allOrderList"),
    "myTrades": ("GET", "myTrades"),
    "myPreventedMatches": ("GET", "myPreventedMatches"),
    "myAllocations": ("GET", "myAllocations"),
    "myFilters": ("GET", "myFilters"),
    "account.status": ("GET", "account"),
    "account.commission": ("GET", "account/commission"),
    "account.rateLimits.orders": ("GET", "rateLimit/order"),
}
_PERP = {
    "depth": ("GET", "v1/depth"),
    "ticker.price": ("GET", "v1/ticker/price"),
    "ticker.book": ("GET", "v1/ticker/bookTicker"),
    "order.place": ("POST", "v1/order"),
    "order.modify": ("PUT", "v1/order"),
    "order.cancel": ("DELETE", "v1/order"),
    "order.status": ("GET", "v1/order"),
    "algoOrder.place": ("POST", "v1/algoOrder"),
    "algoOrder.cancel": ("DELETE", "v1/algoOrder"),
    "account.position": ("GET", "v2/positionRisk"),
    "v2/account.position": ("GET", "v3/positionRisk"),
    "account.status": ("GET", "v2/account"),
    "v2/account.status": ("GET", "v3/account"),
    "account.balance": ("GET", "v2/balance"),
    "v2/account.balance": ("GET", "v3/balance"),
}
_SUBSCRIBE = "userDataStream.subscribe.signature"
_OWN = frozenset({"session.logon", "session.status", "session.logout", "userDataStream.unsubscribe", _SUBSCRIBE})


def target_of(kind: Kind, method: str) -> tuple[str, str] | None:
    """(HTTP method, path) of the endpoint behind a method, None for an unknown one."""
    if method in _KEYS:
        return _KEYS[method][0], "/api/v3/userDataStream" if kind is Kind.SPOT else "/fapi/v1/listenKey"
    found = (_SPOT if kind is Kind.SPOT else _PERP).get(method)
    return None if found is None else (found[0], ("/api/v3/" if kind is Kind.SPOT else "/fapi/") + found[1])


class ApiSession:
    """One connection. `respond` is the dialect's own; `accounts` says whose a key is."""

    def __init__(
        self,
        desk: Desk,
        kind: Kind,
        respond: Respond,
        accounts: Callable[[str], str],
        request: WireRequest,
        now_ms: int,
    ) -> None:
        self._desk, self._kind, self._respond, self._accounts = desk, kind, respond, accounts
        self._request, self._since_ms = request, now_ms
        self._listening: dict[int, str] = {}
        self._made = 0
        self._events: deque[ExchangeEvent] = deque()
        self.is_over = False
        self.ping_s = 20 if kind is Kind.SPOT else 180

    def hear(self, event: ExchangeEvent) -> None:
        if event.account in self._listening.values():
            self._events.append(event)

    def poll(self, moment: RequestTimes) -> list[str]:
        """Private events of the subscribed accounts."""
        said: list[str] = []
        if not self._events:
            return said
        self._desk.begin()
        call = Call(self._desk, Params(""), moment.exchange_ms, self._kind)
        while self._events:
            event = self._events.popleft()
            for number, account in self._listening.items():
                if account == event.account:
                    parts = payloads(of_account(call, account), event, self._kind)
                    said += [json.dumps({"subscriptionId": number, "event": part}) for part in parts]
        return said

    def receive(self, text: str, moment: RequestTimes) -> list[str]:
        """Answer one request."""
        try:
            asked = json.loads(text, parse_float=str)
        except ValueError:
            asked = None
        params = asked.get("params") or {} if isinstance(asked, dict) else None
        if not isinstance(asked, dict) or not isinstance(params, dict):
            return [_failed(None, 400, -1135, "Invalid JSON Request")]
        number, method = asked.get("id"), asked.get("method")
        if not isinstance(method, str):
            return [
                _failed(number, 400, -1102, "Mandatory parameter 'method' was not sent, was empty/null, or malformed.")
            ]
        if method in _OWN:
            return [self._session(method, params, number, moment)]
        target = target_of(self._kind, method)
        if target is None:
            return [_failed(number, 400, -1020, "This operation is not supported.")]
        reply = self._ask(target, params, moment)
        return [self._worded(number, reply, shows_limits=params.get("returnRateLimits") is not False)]

    def _ask(self, target: tuple[str, str], params: Mapping[str, Any], moment: RequestTimes) -> WireReply:
        """The endpoint's answer; a signature covers the parameters in the order of their names."""
        texts = {name: _text(value) for name, value in params.items() if name != "returnRateLimits"}
        signature = texts.pop("signature", None)
        query = "&".join(f"{name}={texts[name]}" for name in sorted(texts))
        if signature is not None:
            query += f"&signature={signature}"
        headers = {"x-mbx-apikey": texts["apiKey"]} if "apiKey" in texts else {}
        own = self._request
        return self._respond(WireRequest(*target, query, "", headers, "127.0.0.1", own.address), moment)

    def _session(self, method: str, params: Mapping[str, Any], number: Any, moment: RequestTimes) -> str:
        if method == "session.logon":
            return _failed(number, 400, -4056, "HMAC_SHA256 API key is not supported.")
        if method == "userDataStream.unsubscribe":
            chosen = params.get("subscriptionId")
            for known in [n for n in self._listening if chosen in (None, n)]:
                del self._listening[known]
            return json.dumps({"id": number, "status": 200, "result": {}})
        if method == _SUBSCRIBE:
            path = "/api/v3/rateLimit/order" if self._kind is Kind.SPOT else "/fapi/v1/rateLimit/order"
            reply = self._ask(("GET", path), params, moment)
            if reply.status != 200:
                return self._worded(number, reply, shows_limits=True)
            self._listening[self._made] = self._accounts(str(params["apiKey"]))
            self._made += 1
            return json.dumps({"id": number, "status": 200, "result": {"subscriptionId": self._made - 1}})
        status = {
            "apiKey": None,
            "authorizedSince": None,
            "connectedSince": self._since_ms,
            "returnRateLimits": True,
            "serverTime": moment.exchange_ms,
            "userDataStream": bool(self._listening),
        }
        return json.dumps({"id": number, "status": 200, "result": status})

    def _worded(self, number: Any, reply: WireReply, *, shows_limits: bool) -> str:
        body: dict[str, Any] = {"id": number, "status": reply.status}
        body["result" if reply.status == 200 else "error"] = reply.content
        if shows_limits:
            body["rateLimits"] = self._limits(reply.headers)
        return json.dumps(body, separators=(",", ":"))

    def _limits(self, headers: Mapping[str, str]) -> list[Mapping[str, Any]]:
        family = "spot" if self._kind is Kind.SPOT else "perp"
        windows = [(w, f"X-MBX-USED-WEIGHT-{w.tag}") for w in self._desk.ip[family].windows[:1]]
        windows += [(w, f"X-MBX-ORDER-COUNT-{w.tag}") for w in self._desk.orders[family].windows]
        return [
            {
                "rateLimitType": window.kind,
                "interval": window.interval,
                "intervalNum": window.count,
                "limit": window.limit,
                "count": int(headers[name]),
            }
            for window, name in windows
            if name in headers
        ]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value, separators=(",", ":")) if isinstance(value, list | dict) else str(value)


def _failed(number: Any, status: int, code: int, message: str) -> str:
    return json.dumps({"id": number, "status": status, "error": {"code": code, "msg": message}})
