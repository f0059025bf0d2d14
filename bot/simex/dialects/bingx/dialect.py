"""Admission of requests to BingX: hosts, signatures, time, limits, envelopes. Refusals come with HTTP 200."""

from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

from bot.domain.instrument import Kind
from bot.simex.dialects.bingx.account import ACCOUNT_ENDPOINTS
from bot.simex.dialects.bingx.common import (
    BingxCall,
    BingxDesk,
    BingxEndpoint,
    BingxParams,
    BingxRefusal,
    error_of,
    invalid,
    table_of,
)
from bot.simex.dialects.bingx.guide import guide
from bot.simex.dialects.bingx.limits import BingxLimits
from bot.simex.dialects.bingx.market import MARKET_ENDPOINTS
from bot.simex.dialects.bingx.orders import ORDER_ENDPOINTS
from bot.simex.dialects.wire import (
    LOOPBACK_HOSTS,
    Dialect,
    DialectParts,
    Guide,
    RequestTimes,
    WireReply,
    WireRequest,
)
from bot.simex.engine.exchange import Exchange
from bot.simex.engine.refusal import Refusal
from bot.simex.signing import ApiKey, is_signed_by

HOSTS: Mapping[str, str] = {"open-api.bingx.com": "production", "open-api-vst.bingx.com": "testnet"}
WINDOW_MS, LEAD_MS = 5_000, 1_000
_PREFIX = "/openApi/"
ENDPOINTS = (*MARKET_ENDPOINTS, *ORDER_ENDPOINTS, *ACCOUNT_ENDPOINTS)


class Bingx(Dialect):
    """Spot and USDT perps of one account over one engine. `respond` is a function of bytes and time."""

    def __init__(self, exchange: Exchange, keys: Mapping[str, ApiKey], *, limits_scale: Decimal = Decimal(1)) -> None:
        self._keys = keys
        self.desk = BingxDesk(exchange)
        self._limits = BingxLimits(limits_scale)
        self._endpoints = table_of(ENDPOINTS)

    @property
    def hosts(self) -> Collection[str]:
        return HOSTS

    def serves(self, host: str, path: str) -> bool:
        return path.startswith(_PREFIX) if host in LOOPBACK_HOSTS else host in HOSTS

    def guide(self, http_port: int, key: ApiKey) -> Guide:
        return guide(http_port, HOSTS, key)

    def respond(self, request: WireRequest, moment: RequestTimes) -> WireReply:
        endpoint = self._endpoints.get((request.method, request.path))
        is_virtual = HOSTS.get(request.host) == "testnet"
        if endpoint is None or (is_virtual and endpoint.kind is Kind.SPOT):
            return WireReply(200, {"code": 100400, "msg": "this api is not exist", "timestamp": moment.exchange_ms})
        try:
            if not self._limits.admit_address(request.address, moment.wall_ms):
                raise BingxRefusal(100410, "rate limited")
            key = self._caller(request, endpoint, moment.exchange_ms) if endpoint.is_signed else None
            name = f"{request.method} {request.path}"
            if key is not None and not self._limits.admit(key.account, name, endpoint.per_second, moment.wall_ms):
                raise BingxRefusal(100410, "rate limited")
            params = BingxParams(dict(parse_qsl(request.query, keep_blank_values=True)))
            call = BingxCall(self.desk, params, moment.exchange_ms, endpoint.kind, key, is_virtual)
            result = self._act(endpoint, call)
        except BingxRefusal as error:
            if error.is_transfer:
                return WireReply(200, {"transferErrorMsg": error.message})
            return WireReply(200, {"code": error.code, "msg": error.message, "debugMsg": "", "data": {}})
        if not endpoint.has_data:
            return WireReply(200, {"code": 0, "msg": "", **result})
        return WireReply(200, {"code": 0, "msg": "", "debugMsg": "", "data": result})

    def _act(self, endpoint: BingxEndpoint, call: BingxCall) -> Any:
        try:
            return endpoint.act(call)
        except Refusal as refusal:
            raise error_of(refusal, perp=endpoint.kind is Kind.PERP) from refusal

    def _caller(self, request: WireRequest, endpoint: BingxEndpoint, now_ms: int) -> ApiKey:
        """The key of a signed request: all of its parameters stand in the query, and its signature stands last."""
        key = self._keys.get(request.headers.get("x-bx-apikey", ""))
        if key is None or not _is_for(key, request.host):
            raise BingxRefusal(100413, "Incorrect apiKey")
        if request.body:
            raise invalid("body")
        raw, _, signature = request.query.rpartition("signature=")
        pairs = parse_qsl(raw.rstrip("&"), keep_blank_values=True)
        signed = "&".join(f"{name}={value}" for name, value in sorted(pairs))
        if not signature or len(dict(pairs)) != len(pairs) or not is_signed_by(key.secret, signed, signature):
            raise BingxRefusal(100001, "signature verification failed")
        sent = BingxParams(dict(pairs))
        stamp, window = sent.maybe_integer("timestamp"), sent.maybe_integer("recvWindow")
        if stamp is None or (window is not None and not 0 < window <= WINDOW_MS):
            raise invalid("timestamp" if stamp is None else "recvWindow")
        if not now_ms - (WINDOW_MS if window is None else window) <= stamp < now_ms + LEAD_MS:
            raise BingxRefusal(100421, "timestamp is invalid or mismatch with server time")
        wanted = "spot" if endpoint.kind is Kind.SPOT else "perp"
        if request.method != "GET" and wanted not in key.permissions:
            raise BingxRefusal(100004, "Permission denied")
        return key


def make(parts: DialectParts) -> Bingx:
    """The dialect over an exchange."""
    return Bingx(parts.exchange, parts.keys, limits_scale=parts.limits_scale)


def _is_for(key: ApiKey, host: str) -> bool:
    """One key serves the real and the virtual environment, unless it is held to one of them."""
    return host in LOOPBACK_HOSTS or not key.hosts or host in key.hosts or HOSTS[host] in key.hosts
