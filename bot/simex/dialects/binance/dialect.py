"""Admission of requests to Binance: hosts, signatures, rate limits, error bodies. `spot` and `usdm` answer them.

Checks run in this order: address limits, key, time, signature, permission, order limits, unread parameters, then the
route. So a refused request costs what the venue says it costs and never reaches the engine.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal
from typing import Any

from bot.domain.instrument import Kind
from bot.domain.symbol import is_perp
from bot.simex.dialects.binance.common import ApiError, Call, Desk, Params, Route, Security, table_of
from bot.simex.dialects.binance.guide import guide
from bot.simex.dialects.binance.refusals import perp_error, spot_error
from bot.simex.dialects.binance.routes import SPOT_ROUTES, USDM_ROUTES
from bot.simex.dialects.binance.streams.api import HOSTS as API_HOSTS
from bot.simex.dialects.binance.streams.api import PATHS, ApiSession
from bot.simex.dialects.binance.streams.sessions import HOSTS as STREAM_HOSTS
from bot.simex.dialects.binance.streams.sessions import open_session
from bot.simex.dialects.binance.time_unit import factor_of, in_unit
from bot.simex.dialects.wire import (
    LOOPBACK_HOSTS,
    DialectParts,
    Guide,
    RequestTimes,
    SocketSession,
    WireReply,
    WireRequest,
)
from bot.simex.engine.exchange import Exchange
from bot.simex.engine.refusal import Refusal
from bot.simex.engine.snapshot import Key
from bot.simex.engine.types import EventKind, ExchangeEvent
from bot.simex.limits import FUNDING_IP, PERP_IP, PERP_ORDERS, SAPI_IP, SPOT_IP, SPOT_ORDERS, Excess, IpGate, OrderGate
from bot.simex.signing import (
    RECEIVE_WINDOW_MAX_MS,
    RECEIVE_WINDOW_MS,
    ApiKey,
    TimingDefect,
    signed_payload,
    timing_defect,
)

TAKER_COUNT_BACK, MAKER_COUNT_BACK = 1, 5
_SPOT, _PERP, _COIN = ("/api/", "/sapi/"), ("/fapi/", "/futures/data/"), ("/dapi/", "/futures/data/")
HOSTS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    **{f"api{tail}.binance.com": ("production", _SPOT) for tail in ("", "1", "2", "3", "4", "-gcp")},
    "data-api.binance.vision": ("production", ("/api/",)),
    "fapi.binance.com": ("production", _PERP),
    "dapi.binance.com": ("production", _COIN),
    "demo-api.binance.com": ("demo", ("/api/",)),
    "demo-fapi.binance.com": ("demo", _PERP),
    "demo-dapi.binance.com": ("demo", _COIN),
    "testnet.binance.vision": ("testnet", ("/api/",)),
    "testnet.binancefuture.com": ("testnet", (*_PERP, "/dapi/")),
}
_PREFIXES = ("/api/", "/sapi/", "/fapi/", "/dapi/", "/futures/data/")
_KEY_FORMAT = re.compile(r"[A-Za-z0-9_-]{1,128}")
_NOT_FOUND_HTML = "<html><body><h2>404 Not found</h2></body></html>"
_LATE = "Timestamp for this request is outside of the recvWindow."
_EARLY = "Timestamp for this request was 1000ms ahead of the server's time."


class Binance:
    """Spot, the wallet endpoints and USDⓈ-M futures over one engine. `respond` is a function of bytes and time."""

    def __init__(
        self,
        exchange: Exchange,
        keys: Mapping[str, ApiKey],
        *,
        limits_scale: Decimal = Decimal(1),
        id_salt: str = "",
        unknown: Counter[str] | None = None,
    ) -> None:
        self._keys = keys
        self.desk = Desk(
            exchange,
            ip={
                "spot": IpGate(SPOT_IP, limits_scale),
                "sapi": IpGate(SAPI_IP, limits_scale, header="X-SAPI-USED-IP-WEIGHT"),
                "perp": IpGate(PERP_IP, limits_scale),
                "funding": IpGate(FUNDING_IP, limits_scale),
            },
            orders={"spot": OrderGate(SPOT_ORDERS, limits_scale), "perp": OrderGate(PERP_ORDERS, limits_scale)},
        )
        self.desk.id_salt = id_salt
        self.desk.unknown = Counter() if unknown is None else unknown
        self._routes = table_of(SPOT_ROUTES, USDM_ROUTES)
        self._paths = frozenset(path for _, path in self._routes)
        self._wall_ms = 0
        exchange.listeners.append(self._hear)

    @property
    def hosts(self) -> Collection[str]:
        return tuple(dict.fromkeys((*HOSTS, *STREAM_HOSTS, *API_HOSTS)))

    def serves(self, host: str, path: str) -> bool:
        return path.startswith(_PREFIXES) if host in LOOPBACK_HOSTS else host in HOSTS

    def open_socket(self, request: WireRequest, moment: RequestTimes) -> SocketSession | None:
        """Market streams, user data, or the WebSocket API, by host and path."""
        session: SocketSession | None = None
        kind = API_HOSTS.get(request.host) or (PATHS.get(request.path) if request.host in LOOPBACK_HOSTS else None)
        if kind is not None and PATHS.get(request.path) is kind:
            session = ApiSession(self.desk, kind, self.respond, self._keys, request, moment.exchange_ms)
        elif request.host in LOOPBACK_HOSTS or request.host in STREAM_HOSTS:
            session = open_session(self.desk, request, moment)
        return session

    def close_socket(self, session: SocketSession) -> None:
        self.desk.hearers.pop(session, None)

    def rows(self) -> Iterable[tuple[Key, Any]]:
        """The engine has it all."""
        return ()

    def restore(self, rows: Mapping[Key, Any]) -> None:
        """The engine has it all."""

    def guide(self, http_port: int, key: ApiKey) -> Guide:
        return guide(http_port, self.hosts, key)

    def respond(self, request: WireRequest, moment: RequestTimes) -> WireReply:
        family = _family(request.path)
        route = self._routes.get((request.method, request.path))
        if route is None or not _is_served(request):
            return self._unknown(request, family)
        address, wall_ms = request.address, moment.wall_ms
        self._wall_ms = wall_ms
        self.desk.begin()
        gate = self.desk.ip[route.gate or family]
        try:
            call, weight = self._admit(route, request, family, moment)
            factor = factor_of(request.headers) if request.path.startswith("/api/") else 1
            content = in_unit(request.path, self._act(route, call, family, wall_ms), factor)
        except ApiError as error:
            headers = {**gate.headers(address, wall_ms), **error.headers}
            body: dict[str, Any] = {"code": error.code, "msg": error.message}
            return WireReply(error.status, body if error.data is None else {**body, "data": error.data}, headers)
        if route.is_free:
            gate.refund(address, weight, wall_ms)
        headers = gate.headers(address, wall_ms)
        if route.orders:
            headers |= self.desk.orders[family].headers(call.account, wall_ms)
        return WireReply(200, content, headers)

    def _admit(self, route: Route, request: WireRequest, family: str, moment: RequestTimes) -> tuple[Call, int]:
        try:
            params, malformed = Params(request.query, "" if request.method == "GET" else request.body), None
            weight = route.cost(params)
        except ApiError as error:
            params, malformed, weight = Params(""), error, 1
        excess = self.desk.ip[route.gate or family].admit(request.address, weight, moment.wall_ms)
        if excess is not None:
            raise _too_much(excess, moment, family)
        if malformed is not None:
            raise malformed
        key = None if route.security is Security.NONE else self._caller(request)
        if key is not None and route.security is Security.SIGNED:
            _verify(key, params, request, moment.exchange_ms)
        if key is not None and not _may(key, route, request.host):
            raise _unknown_path()
        unread = params.names - route.known - {"timestamp", "recvWindow", "signature", "apiKey", "returnRateLimits"}
        if route.known and unread:
            read, sent = len(params.names) - len(unread), len(params.names)
            raise ApiError(
                -1104, f"Not all sent parameters were read; read '{read}' parameter(s) but was sent '{sent}'."
            )
        kind = Kind.PERP if family == "perp" else Kind.SPOT
        return Call(self.desk, params, moment.exchange_ms, kind, key, moment.wall_ms), weight

    def _caller(self, request: WireRequest) -> ApiKey:
        text = request.headers.get("x-mbx-apikey", request.session_key)
        if not _KEY_FORMAT.fullmatch(text):
            raise ApiError(-2014, "API-key format invalid.", 401)
        key = self._keys.get(text)
        if key is None:
            raise _unknown_path()
        return key

    def _act(self, route: Route, call: Call, family: str, wall_ms: int) -> Any:
        orders = self.desk.orders.get(family) if route.orders else None
        excess = orders.excess(call.account, wall_ms) if orders else None
        if excess is not None:
            window = excess.window
            limit = f"{window.limit} orders per {window.count} {window.interval}"
            raise ApiError(
                -1015,
                f"Too many new orders; current limit is {limit}.",
                429,
                {"Retry-After": str(excess.retry_after_s)},
            )
        if orders:
            orders.add(call.account, wall_ms, route.orders)
        try:
            return route.act(call)
        except (Refusal, ApiError) as error:
            if orders:
                orders.add(call.account, wall_ms, -route.orders)
            if isinstance(error, ApiError):
                raise
            raise (perp_error if family == "perp" else spot_error)(error) from error

    def _hear(self, event: ExchangeEvent) -> None:
        """The first fill of a spot order gives its count back, a resting order's several."""
        for session in self.desk.hearers:
            session.hear(event)
        order, trade = event.order, event.trade
        if event.kind is not EventKind.ORDER_FILLED or order is None or trade is None or is_perp(event.symbol):
            return
        if order.filled_size == trade.size:
            back = MAKER_COUNT_BACK if trade.is_maker else TAKER_COUNT_BACK
            self.desk.orders["spot"].add(event.account, self._wall_ms, -back)

    def _unknown(self, request: WireRequest, family: str) -> WireReply:
        if family == "perp":
            message = f"Path {request.path}, Method {request.method} is invalid"
            return WireReply(404, {"code": -5000, "msg": message})
        if request.path in self._paths and _is_served(request):
            return WireReply(405, {"code": 0, "msg": f"Request method '{request.method}' is not supported."})
        return WireReply(404, _NOT_FOUND_HTML)


def make(parts: DialectParts) -> Binance:
    """The dialect over an exchange."""
    return Binance(
        parts.exchange, parts.keys, limits_scale=parts.limits_scale, id_salt=parts.id_salt, unknown=parts.unknown
    )


def _family(path: str) -> str:
    if path.startswith("/sapi/"):
        return "sapi"
    return "spot" if path.startswith("/api/") else "perp"


def _is_served(request: WireRequest) -> bool:
    if request.host in LOOPBACK_HOSTS:
        return True
    return request.path.startswith(HOSTS[request.host][1])


def _verify(key: ApiKey, params: Params, request: WireRequest, now_ms: int) -> None:
    stamp, is_logged_on = params.integer("timestamp"), bool(request.session_key) and "signature" not in params
    signature = "" if is_logged_on else params.text("signature")
    window_ms = params.maybe_decimal("recvWindow")
    if window_ms is None:
        window_ms = RECEIVE_WINDOW_MS
    if window_ms > RECEIVE_WINDOW_MAX_MS:
        raise ApiError(-1131, "recvWindow must be less than 60000.")
    defect = timing_defect(stamp, window_ms, now_ms)
    if defect is not None:
        raise ApiError(-1021, _EARLY if defect is TimingDefect.EARLY else _LATE)
    body = "" if request.method == "GET" else request.body
    if not is_logged_on and not key.has_signed(signed_payload(request.query, body), signature):
        raise ApiError(-1022, "Signature for this request is not valid.")


def _may(key: ApiKey, route: Route, host: str) -> bool:
    if route.permission and route.permission not in key.permissions:
        return False
    if host in LOOPBACK_HOSTS or not key.hosts:
        return True
    return host in key.hosts or HOSTS[host][0] in key.hosts


def _unknown_path() -> ApiError:
    return ApiError(-2015, "Invalid API-key, IP, or permissions for action.", 401)


def _too_much(excess: Excess, moment: RequestTimes, family: str) -> ApiError:
    window, headers = excess.window, {"Retry-After": str(excess.retry_after_s)}
    until_ms = moment.exchange_ms + excess.until_ms - moment.wall_ms
    streams = "Please use the websocket for live updates to avoid"
    if family != "perp":
        streams = "Please use WebSocket Streams for live updates to avoid"
    if excess.status == 418:
        message = "Way too many requests" if family == "perp" else "Way too much request weight used"
        return ApiError(-1003, f"{message}; IP banned until {until_ms}. {streams} bans.", 418, headers)
    if family == "perp":
        message = f"Too many requests; current limit is {window.limit} requests per minute."
    else:
        unit = "request weight" if window.kind == "REQUEST_WEIGHT" else "raw requests"
        message = f"Too much {unit} used; current limit is {window.limit} {unit} per {window.count} {window.interval}."
    return ApiError(-1003, f"{message} {streams} polling the API.", 429, headers)
