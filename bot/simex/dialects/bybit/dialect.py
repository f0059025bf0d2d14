"""Admission of requests to Bybit: hosts, signatures, time, limits, envelopes. Everything is answered with HTTP 200, but
what is no request of the venue's and an address that asks too much."""

import json
from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

from bot.simex.dialects.bybit.account import ACCOUNT_ENDPOINTS
from bot.simex.dialects.bybit.changes import CHANGE_ENDPOINTS
from bot.simex.dialects.bybit.common import (
    BatchAnswers,
    BybitCall,
    BybitDesk,
    BybitParams,
    BybitRefusal,
    Endpoint,
    error_of,
    table_of,
)
from bot.simex.dialects.bybit.executions import EXECUTION_ENDPOINTS
from bot.simex.dialects.bybit.guide import guide
from bot.simex.dialects.bybit.limits import BybitLimits
from bot.simex.dialects.bybit.market import MARKET_ENDPOINTS
from bot.simex.dialects.bybit.orders import ORDER_ENDPOINTS
from bot.simex.dialects.bybit.streams.private import PATH as PRIVATE_PATH
from bot.simex.dialects.bybit.streams.private import PrivateSocket
from bot.simex.dialects.bybit.streams.public import PATHS, PublicSocket
from bot.simex.dialects.bybit.streams.sessions import HOSTS as STREAM_HOSTS
from bot.simex.dialects.bybit.streams.sessions import silence_of
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
from bot.simex.signing import ApiKey, is_signed_by

HOSTS: Mapping[str, str] = {
    "api.bybit.com": "production",
    "api-testnet.bybit.com": "testnet",
    "api-demo.bybit.com": "demo",
}
ENDPOINTS = (*MARKET_ENDPOINTS, *ORDER_ENDPOINTS, *EXECUTION_ENDPOINTS, *CHANGE_ENDPOINTS, *ACCOUNT_ENDPOINTS)
NOT_IN_DEMO = frozenset({"/v5/user/query-api"})
WINDOW_MS, LEAD_MS = 5_000, 1_000
_MOVES_A_ROW = 500
_SIGNING = ("x-bapi-timestamp", "x-bapi-api-key", "x-bapi-sign")


class Bybit:
    """Spot and linear perps of one unified account over one engine. `respond` is a function of bytes and time."""

    def __init__(self, exchange: Exchange, keys: Mapping[str, ApiKey], *, limits_scale: Decimal = Decimal(1)) -> None:
        self._keys = keys
        self.desk = BybitDesk(exchange)
        self._limits = BybitLimits(limits_scale)
        self._endpoints = table_of(ENDPOINTS)
        exchange.listeners.append(self.desk.notify)

    @property
    def hosts(self) -> Collection[str]:
        return (*HOSTS, *STREAM_HOSTS)

    def serves(self, host: str, path: str) -> bool:
        return path.startswith("/v5/") if host in LOOPBACK_HOSTS else host in HOSTS

    def guide(self, http_port: int, key: ApiKey) -> Guide:
        return guide(http_port, self.hosts, key)

    def rows(self) -> Iterable[tuple[Key, Any]]:
        """Orders that never rested, whose ids are used up, margin modes, and the moves between the engine's wallets."""
        desk = self.desk
        yield ("bybit", "modes"), dict(desk.margin_modes)
        for (account, name), row in desk.refused_later.items():
            yield ("bybit", "refused", account, name), row
        moves = sorted(desk.own_moves)
        for start in range(0, len(moves), _MOVES_A_ROW):
            yield ("bybit", "moves", str(start)), moves[start : start + _MOVES_A_ROW]

    def restore(self, rows: Mapping[Key, Any]) -> None:
        desk = self.desk
        for key, value in rows.items():
            if key == ("bybit", "modes"):
                desk.margin_modes.update(value)
            elif key[:2] == ("bybit", "refused"):
                desk.refused_later[key[2], key[3]] = value
            elif key[:2] == ("bybit", "moves"):
                desk.own_moves.update(value)
        self.forget_closed()

    def open_socket(self, request: WireRequest, moment: RequestTimes) -> SocketSession | None:
        """Prices of a category, or an account, by path; the demo network has accounts alone."""
        host, category = request.host, PATHS.get(request.path)
        if host not in LOOPBACK_HOSTS and host not in STREAM_HOSTS:
            return None
        if category is not None and STREAM_HOSTS.get(host) != "demo":
            return PublicSocket(self.desk, category, moment)
        if request.path == PRIVATE_PATH:
            may_use = partial(_is_for, host=host)
            return PrivateSocket(self.desk, self._keys, may_use, moment, silence_of(request))
        return None

    def close_socket(self, session: SocketSession) -> None:
        if isinstance(session, PrivateSocket):
            self.desk.hearers.pop(session, None)

    def forget_closed(self) -> None:
        """The venue restarts: orders that have ended are in the history alone from now on."""
        self.desk.forgotten_ms = self.desk.exchange.now_ms + 1

    def respond(self, request: WireRequest, moment: RequestTimes) -> WireReply:
        if self._limits.is_banned(request.address, moment.wall_ms):
            return WireReply(403, "403, access too frequent")
        endpoint = self._endpoints.get((request.method, request.path))
        if endpoint is None or (request.host == "api-demo.bybit.com" and request.path in NOT_IN_DEMO):
            return WireReply(404, _envelope(10017, "Route not found.", {}, moment.exchange_ms))
        headers: dict[str, str] = {}
        try:
            key = self._caller(request, moment.exchange_ms) if endpoint.is_signed else None
            if key is not None:
                is_admitted, headers = self._limits.admit(
                    key.account, endpoint.path, endpoint.per_second, moment.wall_ms
                )
                headers["X-Bapi-Limit-Reset-Timestamp"] = _shifted(headers, moment)
                if not is_admitted:
                    raise BybitRefusal(10006, "Too many visits!")
            result = self._act(endpoint, BybitCall(self.desk, _params(request), moment.exchange_ms, key))
        except BybitRefusal as error:
            return WireReply(200, _envelope(error.code, error.message, {}, moment.exchange_ms), headers)
        return WireReply(200, _envelope(0, "OK", result, moment.exchange_ms), headers)

    def _act(self, endpoint: Endpoint, call: BybitCall) -> Any:
        try:
            return endpoint.act(call)
        except Refusal as refusal:
            raise error_of(refusal, perp=call.params.maybe_text("category") != "spot") from refusal

    def _caller(self, request: WireRequest, now_ms: int) -> ApiKey:
        """The key of a signed request. Time is looked at before the signature, as the venue does."""
        stamp, name, signature = (request.headers.get(header, "") for header in _SIGNING)
        if not stamp or not name or not signature:
            raise BybitRefusal(10001, "Request parameter error: empty value: apiTimestamp, apiKey or apiSignature")
        window = request.headers.get("x-bapi-recv-window", str(WINDOW_MS))
        if not stamp.isdigit() or not window.isdigit():
            raise BybitRefusal(10001, "Request parameter error: timestamp")
        if not now_ms - int(window) <= int(stamp) < now_ms + LEAD_MS:
            raise BybitRefusal(10002, "invalid request, please check your server timestamp or recv_window param")
        key = self._keys.get(name)
        if key is None or not _is_for(key, request.host):
            raise BybitRefusal(10003, "API key is invalid.")
        raw = request.query if request.method == "GET" else request.body
        if not is_signed_by(key.secret, f"{stamp}{name}{window}{raw}", signature):
            raise BybitRefusal(10004, "error sign! origin_string[...]")
        if request.method == "POST" and not _may(key, request):
            raise BybitRefusal(10005, "Permission denied, please check your API key permissions.")
        return key


def make(parts: DialectParts) -> Bybit:
    """The dialect over an exchange."""
    return Bybit(parts.exchange, parts.keys, limits_scale=parts.limits_scale)


def _envelope(code: int, message: str, result: Any, now_ms: int) -> dict[str, Any]:
    more: dict[str, Any] = {}
    if isinstance(result, BatchAnswers):
        more = {"list": [{"code": one, "msg": words} for one, words in result.verdicts]}
        result = {"list": list(result.rows)}
    return {"retCode": code, "retMsg": message, "result": result, "retExtInfo": more, "time": now_ms}


def _params(request: WireRequest) -> BybitParams:
    if request.method == "GET":
        return BybitParams(dict(parse_qsl(request.query, keep_blank_values=True)))
    try:
        parsed = json.loads(request.body or "{}")
    except ValueError:
        raise BybitRefusal(10001, "Request parameter error: the body is no JSON") from None
    if not isinstance(parsed, dict):
        raise BybitRefusal(10001, "Request parameter error: the body is no object")
    return BybitParams(parsed)


def _is_for(key: ApiKey, host: str) -> bool:
    """Keys belong to one environment."""
    network = HOSTS.get(host) or STREAM_HOSTS.get(host, "")
    return host in LOOPBACK_HOSTS or not key.hosts or host in key.hosts or network in key.hosts


def _may(key: ApiKey, request: WireRequest) -> bool:
    """Whether the key has the right to trade what the request is about."""
    wanted = "spot" if _params(request).maybe_text("category") == "spot" else "perp"
    return wanted in key.permissions


def _shifted(headers: Mapping[str, str], moment: RequestTimes) -> str:
    """A moment of the wall clock, which limits run on, as exchange time."""
    return str(int(headers["X-Bapi-Limit-Reset-Timestamp"]) - moment.wall_ms + moment.exchange_ms)
