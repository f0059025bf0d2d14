"""Fields of the settings by key path: which are constants, their types, and the text of a problem with one."""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic.json_schema import SkipJsonSchema

from bot.domain.money import plain
from bot.runtime.settings import layers as settings_layers
from bot.runtime.settings.layers import SECRET_PATHS, SECRET_SECTIONS, KeyPath, Layer
from bot.runtime.settings.renamed import RENAMED


def is_constant(field: FieldInfo) -> bool:
    """Whether a field is no setting but a constant, which tests and older journals may replace: it is marked with
    `SkipJsonSchema`."""
    return any(isinstance(mark, SkipJsonSchema) for mark in field.metadata)  # type: ignore[misc] # an alias to mypy


def constants_in(model: type[BaseModel], above: KeyPath = ()) -> Iterator[KeyPath]:
    """The key paths of a model that are constants."""
    for name, field in model.model_fields.items():
        if is_constant(field):
            yield (*above, name)
        elif isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from constants_in(field.annotation, (*above, name))


def hidden_in(model: type[BaseModel]) -> dict[str, Any]:
    """The constants as `model_dump` leaves them out."""
    hidden: dict[str, Any] = {}
    for *tables, name in constants_in(model):
        inner = hidden
        for table in tables:
            inner = inner.setdefault(table, {})
        inner[name] = True
    return hidden


def field_at(model: type[BaseModel], path: KeyPath) -> tuple[Any, str]:
    """The type that stands at a key path, and its description; (None, "") where the path leads nowhere."""
    kind: Any = model
    description = ""
    for part in path:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            field = kind.model_fields.get(part)
            kind, description = (field.annotation, field.description or "") if field else (None, "")
        elif get_origin(kind) in (Mapping, tuple):
            kind = get_args(kind)[get_origin(kind) is Mapping]
        else:
            return None, ""
    return kind, description


def problem_text(model: type[BaseModel], item: Mapping[str, Any], layers: Sequence[Layer]) -> str:
    """`place key = value: reason`, in the user's words, for an error of pydantic."""
    path = tuple(str(part) for part in item["loc"] if part != "[key]")
    reason = str(item["msg"]).removeprefix("Value error, ")
    is_ours = item["type"] == "value_error"
    if is_ours and (named := re.match(r"[\w.]+(?=:| = | and )", reason)):
        inner = settings_layers.split_key(named[0])
        longer = inner if inner[: len(path)] == path else (*path, *inner)
        if settings_layers.origin(layers, longer) is not None:
            path, reason = longer, reason.removeprefix(f"{named[0]}: ")
    layer = settings_layers.origin(layers, path) if path else None
    place = layer.place(path) if layer is not None else "configuration"
    if item["type"] == "extra_forbidden":
        known = _known_names(model, path[:-1])
        options = {**_names_within(model, path[:-1]), **{name: name for name in known}}
        close = [
            found for name in (path[-1], path[-1].lower()) for found in difflib.get_close_matches(name, options, n=1)
        ]
        near = options[close[0]] if close else ""
        reason = f"unknown key; did you mean {near!r}?" if close else f"unknown key; known are {', '.join(known)}"
    elif not is_ours and (description := field_at(model, path)[1]):
        reason = f"{reason}{_as_share(item['input'])} ({description})"
    is_shown = not is_ours and not isinstance(item["input"], Mapping | BaseModel)
    is_foreign = item["type"] == "extra_forbidden" and path[0] in SECRET_SECTIONS  # a secret by another name
    shown = f" = {'********' if is_foreign else _shown(path, layer, item['input'])}" if is_shown else ""
    if is_ours and path and reason.startswith(f"{'.'.join(path)} and "):  # after `api_key:` all would be starred out
        return f"{place} {reason}"
    return f"{place} {'.'.join(path)}{shown}: {reason}" if path else f"{place}: {reason}"


def _as_share(value: Any) -> str:
    """How a percentage is written; empty for what is none."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*%\s*", value) if isinstance(value, str) else None
    return f", without %: {plain(Decimal(found[1]) / 100)}" if found else ""


def _shown(path: KeyPath, layer: Layer | None, value: Any) -> str:
    is_named = path[:1] == ("venue",) and any(word in path[-1].lower() for word in ("key", "secret", "pass", "token"))
    is_secret = is_named or path in SECRET_PATHS
    return "********" if is_secret or (layer is not None and layer.is_secret) else repr(value)


def _known_names(model: type[BaseModel], path: KeyPath) -> list[str]:
    kind = field_at(model, path)[0] if path else model
    if not isinstance(kind, type) or not issubclass(kind, BaseModel):
        return []
    return sorted(name for name, field in kind.model_fields.items() if not is_constant(field))


def _names_within(model: type[BaseModel], path: KeyPath) -> dict[str, str]:
    """What may be meant by a key of a table: a key of a table in it, also by its former name."""
    result: dict[str, str] = {}
    for table in _known_names(model, path) if path else ():
        result |= {name: f"{table}.{name}" for name in _known_names(model, (*path, table))}
    for old, new in RENAMED.items():
        section, _, name = old.partition(".")
        if (section,) == path:
            result[name] = new.removeprefix(f"{section}.")
    return result
