"""Admission of requests to WEEX: hosts, signatures, time, limits, envelopes. Refusals come with HTTP 400, those of
orders of perps in an answer with HTTP 200."""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

from bot.domain.instrument import Kind
from bot.simex.dialects.weex.account import ACCOUNT_ENDPOINTS
from bot.simex.dialects.weex.common import (
    WeexCall,
    WeexDesk,
    WeexEndpoint,
    WeexParams,
    WeexRefusal,
    error_of,
    table_of,
)
from bot.simex.dialects.weex.guide import guide
from bot.simex.dialects.weex.limits import WeexLimits
from bot.simex.dialects.weex.market import MARKET_ENDPOINTS
from bot.simex.dialects.weex.orders import ORDER_ENDPOINTS
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
from bot.simex.signing import ApiKey

HOSTS: Mapping[str, str] = {"api-spot.weex.com": "/api/", "api-contract.weex.com": "/capi/"}
WINDOW_MS, LEAD_MS = 30_000, 30_000
ENDPOINTS = (*MARKET_ENDPOINTS, *ORDER_ENDPOINTS, *ACCOUNT_ENDPOINTS)


def passphrase_of(key: ApiKey) -> str:
    """An embedded key has no passphrase of its own: the secret serves as one."""
    return key.secret


class Weex(Dialect):
    """Spot and USDT perps of one account over one engine. `respond` is a function of bytes and time."""

    def __init__(self, exchange: Exchange, keys: Mapping[str, ApiKey], *, limits_scale: Decimal = Decimal(1)) -> None:
        self._keys = keys
        self.desk = WeexDesk(exchange)
        self._limits = WeexLimits(limits_scale)
        self._endpoints = table_of(ENDPOINTS)

    @property
    def hosts(self) -> Collection[str]:
        return HOSTS

    def serves(self, host: str, path: str) -> bool:
        if host in LOOPBACK_HOSTS:
            return path.startswith(tuple(HOSTS.values()))
        return host in HOSTS

    def guide(self, http_port: int, key: ApiKey) -> Guide:
        return guide(http_port, HOSTS, key)

    def respond(self, request: WireRequest, moment: RequestTimes) -> WireReply:
        endpoint = self._endpoints.get((request.method, request.path))
        if endpoint is None or not request.path.startswith(HOSTS.get(request.host, "/")):
            return WireReply(404, {"code": 404, "msg": "Not Found"})
        try:
            key = self._admit(request, endpoint, moment)
            call = WeexCall(self.desk, _params_of(request), moment.exchange_ms, endpoint.kind, key)
        except WeexRefusal as error:
            return WireReply(error.status, {"code": error.code, "msg": error.message})
        try:
            return WireReply(200, self._act(endpoint, call))
        except WeexRefusal as error:
            return self._refused(error, endpoint)

    def _admit(self, request: WireRequest, endpoint: WeexEndpoint, moment: RequestTimes) -> ApiKey | None:
        """Count the request against address and account. Raises WeexRefusal for what is too much or not signed."""
        is_within = self._limits.admit_weight(request.address, endpoint.weight, moment.wall_ms)
        key = self._caller(request, endpoint, moment.exchange_ms) if endpoint.is_signed and is_within else None
        if key is not None:
            account = f"account {key.account}"
            is_within = self._limits.admit_weight(account, endpoint.weight, moment.wall_ms)
            is_within = is_within and self._limits.admit_write(account, endpoint.counts_as, moment.wall_ms)
        if not is_within:
            raise WeexRefusal(429, "Too Many Requests", 429)
        return key

    def _act(self, endpoint: WeexEndpoint, call: WeexCall) -> Any:
        try:
            return endpoint.act(call)
        except Refusal as refusal:
            raise error_of(refusal, perp=endpoint.kind is Kind.PERP) from refusal

    def _refused(self, error: WeexRefusal, endpoint: WeexEndpoint) -> WireReply:
        if endpoint.kind is Kind.PERP and endpoint.counts_as and self.desk.refuses_in_answers:
            refused = {"success": False, "errorCode": str(error.code), "errorMessage": error.message}
            return WireReply(200, {"orderId": None, "clientOrderId": "", **refused})
        return WireReply(error.status, {"code": error.code, "msg": error.message})

    def _caller(self, request: WireRequest, endpoint: WeexEndpoint, now_ms: int) -> ApiKey:
        """The key of a signed request, whose signature covers time, method, path, query and body."""
        for number, name in ((-1040, "access-key"), (-1041, "access-sign"), (-1042, "access-timestamp")):
            if not request.headers.get(name):
                raise WeexRefusal(number, f"{name.upper().replace('-', '_')} header is required.")
        stamp = request.headers["access-timestamp"]
        if not stamp.isdigit():
            raise WeexRefusal(-1043, "Invalid ACCESS_TIMESTAMP.")
        key = self._keys.get(request.headers["access-key"])
        if key is None or (key.hosts and request.host not in (*key.hosts, *LOOPBACK_HOSTS)):
            raise WeexRefusal(-1044, "Invalid ACCESS_KEY.")
        if not now_ms - WINDOW_MS <= int(stamp) <= now_ms + LEAD_MS:
            raise WeexRefusal(-1046, "Request timestamp expired.")
        if request.headers.get("access-passphrase") != passphrase_of(key):
            raise WeexRefusal(-1049, "API key or passphrase incorrect.")
        query = f"?{request.query}" if request.query else ""
        signed = f"{stamp}{request.method}{request.path}{query}{request.body}"
        if not is_signed_by(key.secret, signed, request.headers["access-sign"]):
            raise WeexRefusal(-1047, "API authentication failed.")
        if request.method == "POST" and "application/json" not in request.headers.get("content-type", ""):
            raise WeexRefusal(-1045, "Invalid Content-Type, please use application/json.")
        wanted = "spot" if endpoint.kind is Kind.SPOT else "perp"
        if endpoint.is_write and wanted not in key.permissions:
            raise WeexRefusal(-1052, "Insufficient permissions for this action.")
        return key


def make(parts: DialectParts) -> Weex:
    """The dialect over an exchange."""
    return Weex(parts.exchange, parts.keys, limits_scale=parts.limits_scale)


def sign(secret: str, payload: str) -> str:
    """HMAC-SHA256 in base64."""
    digest = hmac.new(secret.encode(), payload.encode("utf-8", "surrogateescape"), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def is_signed_by(secret: str, payload: str, signature: str) -> bool:
    """Whether a signature is the secret's over the payload: of what the base64 says, in whatever padding."""
    try:
        given = base64.b64decode(signature.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return False
    return hmac.compare_digest(base64.b64decode(sign(secret, payload)), given)


def _params_of(request: WireRequest) -> WeexParams:
    """The query of a GET or DELETE, the JSON body of a POST."""
    if request.method != "POST":
        return WeexParams(dict(parse_qsl(request.query, keep_blank_values=True)))
    try:
        values = json.loads(request.body or "{}")
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise WeexRefusal(-1135, "Invalid JSON request.")
    return WeexParams(values)
