"""Control requests for people and tests, on plain loopback only: look at the exchange, and make things happen to it.

- GET /simex/clock: {"now_ms", "speed"}; clients of an exchange that runs faster set their clocks by it
- GET /simex/state: accounts, positions, open orders
- GET /simex/unknown: endpoints, methods and streams that are not there, with how often each was asked for
- POST /simex/advance?ms=60000: skip exchange time
- POST /simex/fault: a JSON object with the fields of FaultRule, the fault's own under "fault"
- POST /simex/price {"symbol", "price"}: the token's spot and perp move by as much as this symbol must move
- POST /simex/halt, /simex/resume {"symbol"}: take no orders and fill none, take them again
- POST /simex/delist {"symbol", "price"}: end a symbol now; positions are settled at the price, by default at mark
- POST /simex/fund {"account", "asset", "amount", "wallet"}: deposit into the wallet `spot` (default) or `perp`
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import fields
from decimal import Decimal, InvalidOperation
from typing import Any, Protocol
from urllib.parse import parse_qsl

from bot.domain.codec import encode
from bot.domain.symbol import base_of
from bot.simex.dialects.wire import WireReply, WireRequest
from bot.simex.engine.exchange import Exchange
from bot.simex.engine.refusal import Refusal
from bot.simex.faults import Fault, FaultPlan, FaultRule
from bot.simex.market.moved import MovedMarket


class Controlled(Protocol):
    """What a control request may change."""

    exchange: Exchange
    faults: FaultPlan
    market: MovedMarket | None
    unknown: Counter[str]

    @property
    def speed(self) -> Any: ...

    def now_ms(self) -> int: ...

    def advance(self, milliseconds: int) -> int: ...


def respond(simex: Controlled, request: WireRequest) -> WireReply:
    """Answer a control request; 404 with the list of requests for an unknown one, 400 with a message for a bad one."""
    act = _REQUESTS.get((request.method, request.path))
    if act is None:
        known = ", ".join(f"{method} {path}" for method, path in _REQUESTS)
        return WireReply(404, {"error": f"{request.method} {request.path} is not known here; known are {known}"})
    try:
        return WireReply(200, act(simex, request))
    except (ValueError, TypeError, Refusal) as error:
        return WireReply(400, {"error": str(error)})


def is_clock(request: WireRequest) -> bool:
    """Whether only the time is asked for, which is answered also where control requests are switched off."""
    return (request.method, request.path) == ("GET", "/simex/clock")


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


def _unknown(simex: Controlled, request: WireRequest) -> Mapping[str, Any]:
    return dict(sorted(simex.unknown.items(), key=lambda pair: (-pair[1], pair[0])))


def _fault(simex: Controlled, request: WireRequest) -> Mapping[str, Any]:
    simex.faults.add(rule_of(json.loads(request.body or "{}")))
    return {"added": True}


def rule_of(asked: Any) -> FaultRule:
    """The rule that a JSON object describes.

    Raises:
        TypeError, ValueError: for anything else; the message names the field.
    """
    if not isinstance(asked, dict) or not isinstance(asked.get("fault"), dict):
        raise TypeError('the body must be a JSON object with a "fault" object in it')
    fault = Fault(**_known(Fault, asked["fault"]))
    return FaultRule(fault, **_known(FaultRule, {name: value for name, value in asked.items() if name != "fault"}))


def _price(simex: Controlled, request: WireRequest) -> Mapping[str, Any]:
    """The step is one millisecond from now, so that what has been shown stays as it was."""
    requested = _body(request, ("symbol", "price"))
    symbol, price = _text(requested, "symbol"), _amount(requested, "price")
    if simex.market is None:
        raise ValueError("the prices of this exchange cannot be moved")
    exchange = simex.exchange
    factor = float(price / exchange.quote(symbol).mid)
    moved = sorted(name for name in exchange.instruments if base_of(name) == base_of(symbol))
    for name in moved:
        simex.market.move(name, exchange.now_ms + 1, factor)
    return {"factor": factor, "moved": moved, "now_ms": simex.advance(1)}


def _halt(simex: Controlled, request: WireRequest) -> Mapping[str, Any]:
    symbol = _text(_body(request, ("symbol",)), "symbol")
    simex.exchange.halt(symbol)
    return {"halted": symbol}


def _resume(simex: Controlled, request: WireRequest) -> Mapping[str, Any]:
    symbol = _text(_body(request, ("symbol",)), "symbol")
    simex.exchange.resume(symbol)
    return {"resumed": symbol}


def _delist(simex: Controlled, request: WireRequest) -> Mapping[str, Any]:
    requested = _body(request, ("symbol", "price"))
    symbol = _text(requested, "symbol")
    simex.exchange.delist(symbol, _amount(requested, "price") if "price" in requested else None)
    return {"delisted": symbol}


def _fund(simex: Controlled, request: WireRequest) -> Mapping[str, Any]:
    requested = _body(request, ("account", "asset", "amount", "wallet"))
    account, asset, amount = _text(requested, "account"), _text(requested, "asset"), _amount(requested, "amount")
    wallet = requested.get("wallet", "spot")
    if wallet not in ("spot", "perp"):
        raise ValueError(f"wallet={wallet!r}: give spot or perp")
    simex.exchange.deposit(account, asset, amount, to_perp=wallet == "perp")
    return {"account": account, "asset": asset, "amount": str(amount), "wallet": wallet}


def _body(request: WireRequest, names: tuple[str, ...]) -> Mapping[str, Any]:
    requested = json.loads(request.body or "{}")
    if not isinstance(requested, dict):
        raise TypeError("the body must be a JSON object")
    unknown = sorted(requested.keys() - set(names))
    if unknown:
        raise ValueError(f"{request.path} has no {', '.join(unknown)}; it has {', '.join(names)}")
    return requested


def _text(asked: Mapping[str, Any], name: str) -> str:
    value = asked.get(name)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name}={value!r}: give a text")
    return value


def _amount(asked: Mapping[str, Any], name: str) -> Decimal:
    """A positive number, as text or as a whole number, so that no digit is lost."""
    value = asked.get(name)
    try:
        amount = Decimal(value) if isinstance(value, str | int) and not isinstance(value, bool) else Decimal("nan")
    except InvalidOperation:
        amount = Decimal("nan")
    if not amount.is_finite() or amount <= 0:
        raise ValueError(f'{name}={value!r}: give a positive number as text, such as "9.5"')
    return amount


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


_REQUESTS: Mapping[tuple[str, str], Callable[[Controlled, WireRequest], Mapping[str, Any]]] = {
    ("GET", "/simex/clock"): _clock,
    ("GET", "/simex/state"): _state,
    ("GET", "/simex/unknown"): _unknown,
    ("POST", "/simex/advance"): _advance,
    ("POST", "/simex/fault"): _fault,
    ("POST", "/simex/price"): _price,
    ("POST", "/simex/halt"): _halt,
    ("POST", "/simex/resume"): _resume,
    ("POST", "/simex/delist"): _delist,
    ("POST", "/simex/fund"): _fund,
}
