"""Admission of requests to MEXC: hosts, two ways to sign, time, limits, two envelopes. Spot refuses with HTTP 4xx and
perps with HTTP 200."""

import json
from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

from bot.domain.instrument import Kind
from bot.simex.dialects.mexc.account import ACCOUNT_ENDPOINTS
from bot.simex.dialects.mexc.common import (
    MexcCall,
    MexcDesk,
    MexcEndpoint,
    MexcParams,
    MexcRefusal,
    error_of,
    patterns_of,
)
from bot.simex.dialects.mexc.guide import guide
from bot.simex.dialects.mexc.limits import MexcLimits
from bot.simex.dialects.mexc.market import MARKET_ENDPOINTS
from bot.simex.dialects.mexc.perp_orders import PERP_ORDER_ENDPOINTS
from bot.simex.dialects.mexc.spot_orders import SPOT_ORDER_ENDPOINTS
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
from bot.simex.engine.snapshot import Key
from bot.simex.signing import ApiKey, is_signed_by

HOSTS = ("api.mexc.com", "contract.mexc.com")
WINDOW_MS, WINDOW_MAX_MS, LEAD_MS, PERP_WINDOW_MS = 5_000, 60_000, 1_000, 10_000
ENDPOINTS = (*MARKET_ENDPOINTS, *SPOT_ORDER_ENDPOINTS, *PERP_ORDER_ENDPOINTS, *ACCOUNT_ENDPOINTS)
_PREFIXES = ("/api/v1/", "/api/v3/")


class Mexc(Dialect):
    """Spot and USDT perps of one account over one engine. `respond` is a function of bytes and time."""

    def __init__(self, exchange: Exchange, keys: Mapping[str, ApiKey], *, limits_scale: Decimal = Decimal(1)) -> None:
        self._keys = keys
        self.desk = MexcDesk(exchange)
        self._limits = MexcLimits(limits_scale)
        self._patterns = patterns_of(ENDPOINTS)
        self._endpoints = {(one.method, one.path): one for one in ENDPOINTS}

    @property
    def hosts(self) -> Collection[str]:
        return HOSTS

    def serves(self, host: str, path: str) -> bool:
        return path.startswith(_PREFIXES) if host in LOOPBACK_HOSTS else host in HOSTS

    def guide(self, http_port: int, key: ApiKey) -> Guide:
        return guide(http_port, HOSTS, key)

    def rows(self) -> Iterable[tuple[Key, Any]]:
        """Orders that were accepted and never rested."""
        for (account, name), row in self.desk.refused_later.items():
            yield ("mexc", "refused", account, name), row

    def restore(self, rows: Mapping[Key, Any]) -> None:
        for key, value in rows.items():
            if key[:2] == ("mexc", "refused"):
                self.desk.refused_later[key[2], key[3]] = value

    def respond(self, request: WireRequest, moment: RequestTimes) -> WireReply:
        banned_s = self._limits.banned_s(request.address, moment.wall_ms)
        if banned_s:
            return WireReply(418, {"code": 418, "msg": "banned"}, {"Retry-After": str(banned_s)})
        endpoint, parts = self._endpoint(request)
        if endpoint is None:
            return WireReply(404, {"code": 404, "msg": "Not Found"})
        try:
            key = self._caller(request, endpoint, moment.exchange_ms) if endpoint.is_signed else None
            who, (limit, window_ms) = request.address if key is None else key.account, endpoint.limit
            name = f"{endpoint.method} {endpoint.path}"
            if not self._limits.admit(who, name, endpoint.weight, limit, window_ms, request.address, moment.wall_ms):
                return _too_much(endpoint.kind)
            result = self._act(endpoint, self._call(request, endpoint, parts, key, moment.exchange_ms))
        except MexcRefusal as error:
            if endpoint.kind is Kind.PERP:
                return WireReply(200, {"success": False, "code": error.code, "message": error.message})
            return WireReply(error.status, {"code": error.code, "msg": error.message})
        if endpoint.kind is Kind.SPOT:
            return WireReply(200, result)
        return WireReply(200, {"success": True, "code": 0} | ({} if result is None else {"data": result}))

    def _endpoint(self, request: WireRequest) -> tuple[MexcEndpoint | None, Mapping[str, str]]:
        """The endpoint, and the parts of its path that have a name."""
        for method, pattern, endpoint in self._patterns:
            found = pattern.fullmatch(request.path) if method == request.method else None
            if found is not None:
                return endpoint, found.groupdict()
        return None, {}

    def _call(
        self,
        request: WireRequest,
        endpoint: MexcEndpoint,
        parts: Mapping[str, str],
        key: ApiKey | None,
        now_ms: int,
    ) -> MexcCall:
        values: Any = dict(parse_qsl(request.query, keep_blank_values=True))
        listed = None
        if endpoint.kind is Kind.PERP and endpoint.method == "POST":
            try:
                values = json.loads(request.body or "{}")
            except ValueError:
                raise MexcRefusal(600, "Parameter error: the body is no JSON") from None
            listed = tuple(values) if isinstance(values, list) else None
        found = values if isinstance(values, dict) else {}
        return MexcCall(self.desk, MexcParams({**found, **parts}, endpoint.kind), now_ms, endpoint.kind, key, listed)

    def _act(self, endpoint: MexcEndpoint, call: MexcCall) -> Any:
        try:
            return endpoint.act(call)
        except Refusal as refusal:
            raise error_of(refusal, endpoint.kind) from refusal

    def _caller(self, request: WireRequest, endpoint: MexcEndpoint, now_ms: int) -> ApiKey:
        """The key of a signed request."""
        key = (self._spot_caller if endpoint.kind is Kind.SPOT else self._perp_caller)(request, now_ms)
        wanted = "spot" if endpoint.kind is Kind.SPOT else "perp"
        if request.method != "GET" and wanted not in key.permissions:
            raise (
                MexcRefusal(700007, "No permission to access the endpoint")
                if wanted == "spot"
                else MexcRefusal(703, "permission denied")
            )
        return key

    def _spot_caller(self, request: WireRequest, now_ms: int) -> ApiKey:
        """All parameters stand in the query, the signature over them last."""
        key = self._keys.get(request.headers.get("x-mexc-apikey", ""))
        if key is None or not _is_for(key, request.host):
            raise MexcRefusal(10072, "Api key info invalid")
        signed, _, signature = request.query.rpartition("signature=")
        if request.body or not signature or not is_signed_by(key.secret, signed.rstrip("&"), signature):
            raise MexcRefusal(700002, "Signature for this request is not valid.")
        pairs = parse_qsl(signed.rstrip("&"), keep_blank_values=True)
        sent = MexcParams(dict(pairs), Kind.SPOT)
        if len(dict(pairs)) != len(pairs):
            raise sent.bad("signature")
        stamp, window = sent.integer("timestamp"), sent.maybe_integer("recvWindow")
        window = WINDOW_MS if window is None else window
        if window > WINDOW_MAX_MS:
            raise MexcRefusal(700005, "recvWindow must less than 60000")
        if stamp >= now_ms + LEAD_MS or now_ms - stamp > window:
            raise MexcRefusal(700003, "Timestamp for this request is outside of the recvWindow.")
        return key

    def _perp_caller(self, request: WireRequest, now_ms: int) -> ApiKey:
        """Key, time and signature stand in headers; the signature is over the query or the body as it was sent."""
        key = self._keys.get(request.headers.get("apikey", ""))
        if key is None or not _is_for(key, request.host):
            raise MexcRefusal(401, "Unauthorized")
        stamp, signature = request.headers.get("request-time", ""), request.headers.get("signature", "")
        sent = request.body if request.method == "POST" else request.query
        if not is_signed_by(key.secret, f"{key.key}{stamp}{sent}", signature):
            raise MexcRefusal(602, "Signature verification failed")
        if not stamp.isdigit() or abs(now_ms - int(stamp)) > PERP_WINDOW_MS:
            raise MexcRefusal(513, "Invalid request time")
        return key


def make(parts: DialectParts) -> Mexc:
    """The dialect over an exchange."""
    return Mexc(parts.exchange, parts.keys, limits_scale=parts.limits_scale)


def _too_much(kind: Kind) -> WireReply:
    if kind is Kind.PERP:
        return WireReply(200, {"success": False, "code": 510, "message": "Requests are too frequent"})
    return WireReply(429, {"code": 429, "msg": "too many requests"}, {"Retry-After": "10"})


def _is_for(key: ApiKey, host: str) -> bool:
    """There is one environment."""
    return host in LOOPBACK_HOSTS or not key.hosts or host in key.hosts or "production" in key.hosts
