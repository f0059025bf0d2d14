"""Pokes for people and tests, on plain loopback only: look at the exchange's clock and books, skip time, order a fault.

- GET /simex/clock: {"now_ms", "speed"}; clients of an exchange that runs faster set their clocks by it
- GET /simex/state: accounts, positions, open orders
- POST /simex/advance?ms=60000: skip exchange time
- POST /simex/fault: a JSON object with the fields of FaultRule, the fault's own under "fault"
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, Protocol
from urllib.parse import parse_qsl

from bot.domain.codec import encode
from bot.simex.dialects.wire import WireReply, WireRequest
from bot.simex.engine.exchange import Exchange
from bot.simex.faults import Fault, FaultPlan, FaultRule


class Controlled(Protocol):
    """What a control request may change."""

    exchange: Exchange
    faults: FaultPlan

    @property
    def speed(self) -> Any: ...

    def now_ms(self) -> int: ...

    def advance(self, milliseconds: int) -> int: ...


def respond(simex: Controlled, request: WireRequest) -> WireReply:
    """Answer a control request; 404 with the list of requests for an unknown one, 400 with a message for a bad one."""
    act = _POKES.get((request.method, request.path))
    if act is None:
        known = ", ".join(f"{method} {path}" for method, path in _POKES)
        return WireReply(404, {"error": f"{request.method} {request.path} is not known here; known are {known}"})
    try:
        return WireReply(200, act(simex, request))
    except (ValueError, TypeError) as error:
        return WireReply(400, {"error": str(error)})


def _clock(simex: Controlled, request: WireRequest) -> Mapping[str, Any]:
    return {"now_ms": simex.now_ms(), "speed": float(simex.speed)}


def _state(simex: Controlled, request: WireRequest) -> Mapping[str, Any]:
    exchange = simex.exchange
    return {
        "now_ms": exchange.now_ms,
        "accounts": {
            name: {
                "spot": encode(exchange.balances(name)),
                "perp": encode(exchange.wallet(name)),
                "positions": encode(exchange.positions(name)),
                "open_orders": encode(exchange.open_orders(name)),
            }
            for name in exchange.account_names()
        },
    }


def _advance(simex: Controlled, request: WireRequest) -> Mapping[str, Any]:
    text = dict(parse_qsl(request.query)).get("ms", "")
    if not text.lstrip("-").isdigit():
        raise ValueError(f"ms={text!r}: give a whole number of milliseconds, as in /simex/advance?ms=60000")
    return {"now_ms": simex.advance(int(text))}


def _fault(simex: Controlled, request: WireRequest) -> Mapping[str, Any]:
    asked = json.loads(request.body or "{}")
    if not isinstance(asked, dict) or not isinstance(asked.get("fault"), dict):
        raise TypeError('the body must be a JSON object with a "fault" object in it')
    fault = Fault(**_known(Fault, asked.pop("fault")))
    simex.faults.add(FaultRule(fault, **_known(FaultRule, asked)))
    return {"added": True}


def _known(kind: type, asked: Mapping[str, Any]) -> dict[str, Any]:
    names = {field.name for field in fields(kind)} - {"fault"}
    unknown = sorted(asked.keys() - names)
    if unknown:
        raise ValueError(f"{kind.__name__} has no {', '.join(unknown)}; it has {', '.join(sorted(names))}")
    kinds = {field.name: field.type for field in fields(kind)}
    for name, value in asked.items():
        allowed: Any = int | float if kinds[name] is float else kinds[name]
        if not isinstance(value, allowed):
            raise TypeError(f"{name}={value!r}: give {getattr(allowed, '__name__', allowed)}")
    return dict(asked)


_POKES: Mapping[tuple[str, str], Callable[[Controlled, WireRequest], Mapping[str, Any]]] = {
    ("GET", "/simex/clock"): _clock,
    ("GET", "/simex/state"): _state,
    ("POST", "/simex/advance"): _advance,
    ("POST", "/simex/fault"): _fault,
}
