"""The endpoints of listen keys: spot names the key in every call, futures know it by the account."""

from collections.abc import Mapping
from typing import Any

from bot.domain.instrument import Kind
from bot.simex.dialects.binance.common import ApiError, Call, Route, Security
from bot.simex.dialects.binance.streams.keys import ListenKey

_ABSENT = "This listenKey does not exist."
_ABSENT_PERP = f"{_ABSENT} Please use `POST /fapi/v1/listenKey` to recreate `listenKey`"


def create(call: Call) -> Mapping[str, Any]:
    key = call.desk.listen_keys.create(call.account, call.kind, call.now_ms, call.desk.id_salt)
    return {"listenKey": key.key}


def renew(call: Call) -> Mapping[str, Any]:
    held = _held(call)
    call.desk.listen_keys.renew(held, call.now_ms)
    return {"listenKey": held.key} if call.kind is Kind.PERP else {}


def close(call: Call) -> Mapping[str, Any]:
    call.desk.listen_keys.close(_held(call))
    return {}


def _held(call: Call) -> ListenKey:
    keys = call.desk.listen_keys
    if call.kind is Kind.PERP:
        held = keys.of(call.account, call.kind, call.now_ms)
    else:
        held = keys.find(call.params.text("listenKey"), call.now_ms)
    if held is None or held.account != call.account or held.kind is not call.kind:
        raise ApiError(-1125, _ABSENT_PERP if call.kind is Kind.PERP else _ABSENT)
    return held


def _routes(path: str, weight: int) -> tuple[Route, ...]:
    acts = (("POST", create), ("PUT", renew), ("DELETE", close))
    return tuple(Route(method, path, act, Security.KEY, weight) for method, act in acts)


SPOT_KEY_ROUTES = _routes("/api/v3/userDataStream", 2)
USDM_KEY_ROUTES = _routes("/fapi/v1/listenKey", 1)
