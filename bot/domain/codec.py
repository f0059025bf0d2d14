"""Domain values to JSON-able data and back, directed by their types.

Decimals travel as text, so that a journaled snapshot replays to the very same decision.
"""

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")
_PLAIN = frozenset({int, float, str, bool, type(None)})


def encode(value: Any) -> Any:
    """JSON-able form of frozen dataclasses, mappings with text keys, tuples, enums, Decimals and plain values."""
    if value is None or isinstance(value, bool | float) or type(value) is int or type(value) is str:
        return value
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value) and not isinstance(value, type):
        return {name: encode(getattr(value, name)) for name in _names(type(value))}
    if isinstance(value, Mapping):
        return {str(key.value if isinstance(key, Enum) else key): encode(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        # Candles are long columns of plain numbers; looking at each would be most of the cost of a record.
        return list(value) if _PLAIN.issuperset(map(type, value)) else [encode(item) for item in value]
    raise TypeError(f"cannot encode {type(value).__name__}")


def decode(kind: type[T], data: Any) -> T:
    """The value of type `kind` that `encode` wrote.

    Raises:
        ValueError: when the data does not fit the type.
    """
    try:
        return _decode(kind, data)  # type: ignore[no-any-return]
    except (TypeError, KeyError, ArithmeticError) as error:
        raise ValueError(f"data does not fit {kind}: {error!r}") from error


def _decode(kind: Any, data: Any) -> Any:
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        options = [option for option in get_args(kind) if option is not type(None)]
        return None if data is None else _decode(options[0], data)
    if origin is tuple:
        args = get_args(kind)
        if len(args) == 2 and args[1] is Ellipsis:
            if args[0] in (float, int, str):
                return tuple(data)
            return tuple(_decode(args[0], item) for item in data)
        return tuple(_decode(arg, item) for arg, item in zip(args, data, strict=True))
    if origin is not None and issubclass(origin, Mapping):
        key_kind, item_kind = get_args(kind)
        return {_decode(key_kind, key): _decode(item_kind, item) for key, item in data.items()}
    if kind is Decimal:
        return Decimal(data)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(data)
    if isinstance(kind, type) and is_dataclass(kind):
        hints = _hints(kind)
        return kind(**{name: _decode(hints[name], data[name]) for name in hints if name in data})
    return data


@cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


@cache
def _hints(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {name: hints[name] for name in _names(kind)}
