"""Binance's WebSocket API: requests as messages, answered by the endpoints of REST, and user data by subscription."""

import json
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from bot.domain.instrument import Kind
from bot.simex.dialects.binance.common import Call, Desk, Params
from bot.simex.dialects.binance.streams.sessions import PING_S, PONG_S
from bot.simex.dialects.binance.streams.user import of_account, payloads
from bot.simex.dialects.binance.time_unit import HEADER as TIME_UNIT
from bot.simex.dialects.wire import RequestTimes, WireReply, WireRequest
from bot.simex.engine.types import ExchangeEvent
from bot.simex.public_keys import PublicKeyKind
from bot.simex.signing import ApiKey

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
    "blockTrades.historical": ("GET", "historicalBlockTrades"),
    "executionRules": ("GET", "executionRules"),
    "referencePrice": ("GET", "referencePrice"),
    "referencePrice.calculation": ("GET", "referencePrice/calculation"),
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
_SUBSCRIBE_LOGGED_ON = "userDataStream.subscribe"
_OWN = frozenset(
    {
        "session.logon",
        "session.status",
        "session.logout",
        "session.subscriptions",
        "userDataStream.unsubscribe",
        _SUBSCRIBE,
        _SUBSCRIBE_LOGGED_ON,
    }
)
_SPOT_ONLY = frozenset({_SUBSCRIBE, _SUBSCRIBE_LOGGED_ON, "session.subscriptions", "userDataStream.unsubscribe"})
# what a logon with this kind of key is refused with; that of RSA is worded as the venue words the other one
_NO_LOGON = "{} API key is not supported."


def target_of(kind: Kind, method: str) -> tuple[str, str] | None:
    """(HTTP method, path) of the endpoint behind a method, None for an unknown one."""
    if method in _KEYS:
        return _KEYS[method][0], "/api/v3/userDataStream" if kind is Kind.SPOT else "/fapi/v1/listenKey"
    result = (_SPOT if kind is Kind.SPOT else _PERP).get(method)
    return None if result is None else (result[0], ("/api/v3/" if kind is Kind.SPOT else "/fapi/") + result[1])


class ApiSession:
    """One connection. `respond` is the dialect's own; `keys` are all API keys. Who has logged on need not name and sign
    by the key again."""

    def __init__(
        self,
        desk: Desk,
        kind: Kind,
        respond: Respond,
        keys: Mapping[str, ApiKey],
        request: WireRequest,
        now_ms: int,
    ) -> None:
        self._desk, self._kind, self._respond, self._keys = desk, kind, respond, keys
        self._request, self._since_ms = request, now_ms
        self._query = dict(part.partition("=")[::2] for part in request.query.split("&"))
        self._listening: dict[int, str] = {}
        self._made = 0
        self._key, self._logged_on_ms = "", 0
        self._events: deque[ExchangeEvent] = deque()
        self.is_over = False
        self.ping_s, self.pong_s = PING_S[kind], PONG_S[kind]

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
            requested = json.loads(text, parse_float=str)
        except ValueError:
            requested = None
        params = requested.get("params") or {} if isinstance(requested, dict) else None
        if not isinstance(requested, dict) or not isinstance(params, dict):
            return [_failed(None, 400, -1135, "Invalid JSON Request")]
        number, method = requested.get("id"), requested.get("method")
        if not isinstance(method, str):
            return [
                _failed(number, 400, -1102, "Mandatory parameter 'method' was not sent, was empty/null, or malformed.")
            ]
        if method in _OWN and not (self._kind is Kind.PERP and method in _SPOT_ONLY):
            return [self._session(method, params, number, moment)]
        target = target_of(self._kind, method)
        if target is None:
            self._desk.count_unknown(f"WS {self._request.path} {method}")
        if target is None and self._kind is Kind.PERP:
            return [_failed(number, 400, -5000, f"Method {method} is invalid")]
        if target is None:
            return [_failed(number, 400, -1020, "This operation is not supported.")]
        reply = self._ask(target, params, moment)
        return [self._worded(number, reply, shows_limits=self._shows_limits(params))]

    def _shows_limits(self, params: Mapping[str, Any]) -> bool:
        """What the message says, or else the address of the connection."""
        return bool(params.get("returnRateLimits", self._query.get("returnRateLimits") != "false"))

    def _ask(self, target: tuple[str, str], params: Mapping[str, Any], moment: RequestTimes) -> WireReply:
        """The endpoint's answer; a signature covers the parameters in the order of their names."""
        texts = {name: _text(value) for name, value in params.items()}
        signature = texts.pop("signature", None)
        query = "&".join(f"{name}={texts[name]}" for name in sorted(texts))
        if signature is not None:
            query += f"&signature={quote(signature, safe='')}"
        headers = {"x-mbx-apikey": texts["apiKey"]} if "apiKey" in texts else {}
        own = self._request
        session_key = "" if headers else self._key
        if "timeUnit" in self._query:
            headers |= {TIME_UNIT: self._query["timeUnit"]}
        return self._respond(WireRequest(*target, query, "", headers, "127.0.0.1", own.address, session_key), moment)

    def _session(self, method: str, params: Mapping[str, Any], number: Any, moment: RequestTimes) -> str:
        if method == "session.logon":
            return self._logon(params, number, moment)
        if method == "session.logout":
            self._key, self._logged_on_ms = "", 0
        elif method == "userDataStream.unsubscribe":
            return self._done(number, self._unsubscribe(params.get("subscriptionId")), params, moment)
        elif method in (_SUBSCRIBE, _SUBSCRIBE_LOGGED_ON):
            return self._subscribe(method, params, number, moment)
        elif method == "session.subscriptions":
            return self._done(number, [{"subscriptionId": known} for known in self._listening], params, moment)
        return self._done(number, self._status(moment), params, moment)

    def _logon(self, params: Mapping[str, Any], number: Any, moment: RequestTimes) -> str:
        """Only an Ed25519 key can be logged on with."""
        reply = self._ask(("GET", self._limit_path()), params, moment)
        if reply.status != 200:
            return self._worded(number, reply, shows_limits=True)
        key = self._keys[str(params.get("apiKey", self._key))]
        if key.public is None or key.public.kind is not PublicKeyKind.ED25519:
            kind = "HMAC_SHA256" if key.public is None else key.public.kind.value
            return _failed(number, 400, -4056, _NO_LOGON.format(kind))
        self._key, self._logged_on_ms = key.key, moment.exchange_ms
        return self._done(number, self._status(moment), params, moment)

    def _subscribe(self, method: str, params: Mapping[str, Any], number: Any, moment: RequestTimes) -> str:
        name = str(params.get("apiKey", "")) if method == _SUBSCRIBE else self._key
        if method == _SUBSCRIBE:
            reply = self._ask(("GET", self._limit_path()), params, moment)
            if reply.status != 200:
                return self._worded(number, reply, shows_limits=True)
        elif not self._key:
            return _failed(number, 400, -2015, "Invalid API-key, IP, or permissions for action.")
        account = self._keys[name or self._key].account
        if account in self._listening.values():
            return _failed(number, 400, -2035, "User Data Stream subscription already active.")
        self._listening[self._made] = account
        self._desk.hearers[self] = None
        self._made += 1
        return self._done(number, {"subscriptionId": self._made - 1}, params, moment)

    def _unsubscribe(self, chosen: Any) -> Mapping[str, Any]:
        for known in [n for n in self._listening if chosen in (None, n, str(n))]:
            del self._listening[known]
        return {}

    def _status(self, moment: RequestTimes) -> Mapping[str, Any]:
        return {
            "apiKey": self._key or None,
            "authorizedSince": self._logged_on_ms or None,
            "connectedSince": self._since_ms,
            "returnRateLimits": self._shows_limits({}),
            "serverTime": moment.exchange_ms,
            "userDataStream": bool(self._listening),
        }

    def _limit_path(self) -> str:
        return "/api/v3/rateLimit/order" if self._kind is Kind.SPOT else "/fapi/v1/rateLimit/order"

    def _worded(self, number: Any, reply: WireReply, *, shows_limits: bool) -> str:
        body: dict[str, Any] = {"id": number, "status": reply.status}
        body["result" if reply.status == 200 else "error"] = reply.content
        if shows_limits:
            body["rateLimits"] = self._limits(reply.headers)
        return json.dumps(body, separators=(",", ":"))

    def _done(self, number: Any, result: Any, params: Mapping[str, Any], moment: RequestTimes) -> str:
        """The reply of a method that no endpoint is behind."""
        gate = self._desk.ip["spot" if self._kind is Kind.SPOT else "perp"]
        reply = WireReply(200, result, gate.headers(self._request.address, moment.wall_ms))
        return self._worded(number, reply, shows_limits=self._shows_limits(params))

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
