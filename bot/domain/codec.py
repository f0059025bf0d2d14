"""Domain values to JSON-able data and back, directed by their types.

Decimals travel as text, so that a journaled snapshot replays to the very same decision.
"""

import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import Enum
from operator import attrgetter
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")
_PLAIN = frozenset({int, float, str, bool, type(None)})


def encode(value: Any) -> Any:
    """JSON-able form of frozen dataclasses, mappings with text keys, tuples, enums, Decimals and plain values.

    Whoever gets it must not change it: of a class with `WRITTEN_KEPT` the same value gives the same object again.
    """
    return _WRITERS[type(value)](value)


class _Writers(dict[Any, Callable[[Any], Any]]):
    """How values of each type are written, worked out once: a record is thousands of values of a few types."""

    def __missing__(self, kind: type) -> Callable[[Any], Any]:
        made = self[kind] = _writer(kind)
        return made


_WRITERS = _Writers()


def _writer(kind: type) -> Callable[[Any], Any]:
    if kind in _PLAIN or (issubclass(kind, bool | float) and not issubclass(kind, Enum)):
        return lambda value: value
    if issubclass(kind, Decimal):
        return str
    if issubclass(kind, Enum):
        return lambda value: value.value
    if is_dataclass(kind):
        writer = _dataclass_writer(_names(kind)) if _names(kind) else lambda _: {}
        return _Kept(writer, kind.WRITTEN_KEPT).write if hasattr(kind, "WRITTEN_KEPT") else writer
    if issubclass(kind, Mapping):
        return _write_mapping
    if issubclass(kind, tuple | list):
        return _write_sequence
    raise TypeError(f"cannot encode {kind.__name__}")


class _Kept:
    """What was written of values that are written again and again. They are immutable and known by identity, and are
    kept alive with what was written, so that no other value can take their place. Any thread may ask."""

    def __init__(self, writer: Callable[[Any], Any], count: int) -> None:
        self._writer, self._count = writer, count
        self._known: dict[int, tuple[Any, Any]] = {}

    def write(self, value: Any) -> Any:
        known = self._known.get(id(value))
        if known is not None and known[0] is value:
            return known[1]
        if len(self._known) >= self._count:
            self._known.clear()
        written = self._writer(value)
        self._known[id(value)] = value, written
        return written


def _dataclass_writer(names: tuple[str, ...]) -> Callable[[Any], Any]:
    fields_of: Callable[[Any], tuple[Any, ...]] = attrgetter(*names, names[0])  # one more: of one it would be no tuple

    def write(value: Any) -> dict[str, Any]:
        # Most fields are plain, and calling a writer that returns what it is given would double the cost of a record.
        return {
            name: item if type(item) in _PLAIN else _WRITERS[type(item)](item)
            for name, item in zip(names, fields_of(value), strict=False)
        }

    return write


def _write_mapping(value: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        key if type(key) is str else str(key.value if isinstance(key, Enum) else key): item
        if type(item) in _PLAIN
        else _WRITERS[type(item)](item)
        for key, item in value.items()
    }


def _write_sequence(value: Sequence[Any]) -> list[Any]:
    # Candles are long columns of plain numbers; looking at each would be most of the cost of a record.
    return list(value) if _PLAIN.issuperset(map(type, value)) else [_WRITERS[type(item)](item) for item in value]


def decode(kind: type[T], data: Any) -> T:
    """The value of type `kind` that `encode` wrote.

    Raises:
        ValueError: when the data does not fit the type.
    """
    try:
        return cast(T, _READERS[kind](data))
    except (TypeError, KeyError, ArithmeticError) as error:
        raise ValueError(f"data does not fit {kind}: {error!r}") from error


class _Readers(dict[Any, Callable[[Any], Any]]):
    """How values of each type are read, worked out once: a journal is read row by row, and types are slow to read."""

    def __missing__(self, kind: Any) -> Callable[[Any], Any]:
        made = self[kind] = _reader(kind)
        return made


_READERS = _Readers()


def _reader(kind: Any) -> Callable[[Any], Any]:
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        inner = _READERS[next(option for option in args if option is not type(None))]
        return lambda data: None if data is None else inner(data)
    if origin is tuple:
        return _tuple_reader(args)
    if origin is not None and issubclass(origin, Mapping):
        read_key, read_item = _READERS[args[0]], _READERS[args[1]]
        return lambda data: {read_key(key): read_item(item) for key, item in data.items()}
    if isinstance(kind, type) and (kind is Decimal or issubclass(kind, Enum)):
        return kind
    if isinstance(kind, type) and is_dataclass(kind):
        readers = tuple((name, _READERS[hint]) for name, hint in _hints(kind).items())
        return lambda data: kind(
            **{name: data[name] if read is _unchanged else read(data[name]) for name, read in readers if name in data}
        )
    return _unchanged


def _unchanged(data: Any) -> Any:
    return data


def _tuple_reader(args: tuple[Any, ...]) -> Callable[[Any], Any]:
    if len(args) == 2 and args[1] is Ellipsis:
        if args[0] in (float, int, str):
            return tuple
        read = _READERS[args[0]]
        return lambda data: tuple(read(item) for item in data)
    readers = tuple(_READERS[arg] for arg in args)
    return lambda data: tuple(read(item) for read, item in zip(readers, data, strict=True))


def _names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


def _hints(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {name: hints[name] for name in _names(kind)}
