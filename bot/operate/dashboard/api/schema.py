"""The schemas of the OpenAPI document, made from the types of the answers."""

import types
from collections.abc import Mapping
from typing import Any, Union, get_args, get_origin, get_type_hints, is_typeddict

from bot.operate.dashboard.api.answers import (
    BotRow,
    CampaignsAnswer,
    ConfigurationAnswer,
    HealthAnswer,
    HistoryAnswer,
    LogAnswer,
    NowAnswer,
    OrderAnswer,
    OrderRow,
    PositionsAnswer,
    ReplayAnswer,
    SignalsAnswer,
    StatusAnswer,
    WhyAnswer,
)
from bot.operate.dashboard.api.profit_answers import ProfitAnswer

ANSWERS: Mapping[str, Any] = {
    "/status": StatusAnswer,
    "/pnl": ProfitAnswer,
    "/positions": PositionsAnswer,
    "/now": NowAnswer,
    "/health": HealthAnswer,
    "/orders": list[OrderRow],
    "/orders/{client_id}": OrderAnswer,
    "/campaigns": CampaignsAnswer,
    "/history": HistoryAnswer,
    "/why": WhyAnswer,
    "/signals": SignalsAnswer,
    "/replay/{cycle}": ReplayAnswer,
    "/configuration": ConfigurationAnswer,
    "/log": LogAnswer,
    "/bots": list[BotRow],
}
_PLAIN: Mapping[Any, str] = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}


def schema_of(kind: Any) -> dict[str, Any]:
    """The JSON schema of a type; named types are referred to."""
    if kind in _PLAIN:
        return {"type": _PLAIN[kind]}
    if is_typeddict(kind):
        return {"$ref": f"#/components/schemas/{kind.__name__}"}
    origin, inner = get_origin(kind), get_args(kind)
    if origin in {Union, types.UnionType}:
        return {"anyOf": [schema_of(one) for one in inner]}
    if origin is list:
        return {"type": "array", "items": schema_of(inner[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": schema_of(inner[1])}
    return {}


def schemas() -> dict[str, Any]:
    """Every named type of the answers."""
    found: dict[str, Any] = {}
    for kind in ANSWERS.values():
        _add(found, kind)
    return found


def _add(found: dict[str, Any], kind: Any) -> None:
    if not is_typeddict(kind):
        for inner in get_args(kind):
            _add(found, inner)
        return
    if kind.__name__ in found:
        return
    hints = get_type_hints(kind)
    found[kind.__name__] = {
        "type": "object",
        "description": (kind.__doc__ or "").strip(),
        "required": sorted(kind.__required_keys__),
        "properties": {name: schema_of(hint) for name, hint in hints.items()},
        "additionalProperties": False,
    }
    for hint in hints.values():
        _add(found, hint)
