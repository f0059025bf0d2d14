"""Domain values to JSON and back, directed by their types: the frozen dataclasses themselves are the schema.

Decimals travel as text, so that a journaled snapshot replays to the very same decision. A field that the data does not
have keeps its default, and a field that the type does not have is ignored: journals of older and newer versions differ
in both.
"""

from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_ENCODER = msgspec.json.Encoder(order="sorted")


def encode(value: Any) -> Any:
    """The JSON-able form of a value: dataclasses and mappings as dicts, tuples as lists, enums and Decimals as text.

    Raises:
        TypeError: for an object without a written form.
    """
    return msgspec.json.decode(msgspec.json.encode(value))


def to_json(value: Any) -> bytes:
    """JSON text (UTF-8) of a value or of its JSON-able form, with one spelling: keys sorted, no spaces.

    Raises:
        TypeError: for an object without a written form.
    """
    return _ENCODER.encode(value)


def decode(kind: type[T], data: Any) -> T:
    """The value of type `kind` that `encode` wrote.

    Raises:
        ValueError: when the data does not fit the type.
    """
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        raise ValueError(f"data does not fit {kind.__name__}: {error}") from error
