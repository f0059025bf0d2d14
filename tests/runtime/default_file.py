"""`config/default.toml` and the JSON schema, made from the models of the settings.

`make reference` writes them. Every key stands below its description with unit and range; one that is unset by default
stands there as a comment.
"""

import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from bot.runtime.settings.model import Settings
from bot.runtime.settings.reference import dotted, settings_schema
from tests.runtime.configuration_page import bounds_of, first_line, is_table, settings_of

WIDTH = 120
NAMED = "universe"  # stands in config/sectors.toml, a file that is written by hand
HEADER = """\
# Every setting at its default, with unit and range. Made from the models by `make reference`; do not edit: put what you
# want to change into sectorbot.toml (or any file given with --config), SECTORBOT__SECTION__KEY variables, or
# --set SECTION.KEY=VALUE. Tables merge key by key, lists are replaced whole, and `false` takes an entry out of a table
# with free names (sleeves, tokens, sectors). Amounts may be written as text, so that no digit is lost.
# `sectorbot config show --origin` tells where a value comes from.
"""


def default_file() -> str:
    """The content of `config/default.toml`."""
    fields = {name: field for name, field in Settings.model_fields.items() if name != NAMED}
    return HEADER + "\n" + "\n".join(_table(fields, ())).strip() + "\n"


def schema_file() -> str:
    """The content of `config/schema.json`: what a file of settings may hold. No key of it is required."""
    return json.dumps(settings_schema(), indent=2, ensure_ascii=False) + "\n"


def _table(fields: Mapping[str, FieldInfo], path: tuple[str, ...]) -> Iterator[str]:
    """The lines of a table: its own keys, then the tables inside it."""
    inner = {}
    for name, field in fields.items():
        value = field.get_default(call_default_factory=True)
        if is_table(field) or (isinstance(value, Mapping) and value):
            inner[name] = field
        else:
            yield from _key(name, field, value)
    for name, field in inner.items():
        yield ""
        model = field.annotation
        if isinstance(model, type) and issubclass(model, BaseModel):
            if any(not is_table(below) for below in settings_of(model).values()):
                yield from _head((*path, name), first_line(model))
            yield from _table(settings_of(model), (*path, name))
        else:
            yield from _free_names((*path, name), field, field.get_default(call_default_factory=True))


def _key(name: str, field: FieldInfo, value: Any) -> Iterator[str]:
    yield from _comment("; ".join([field.description or "", *_range(field)]))
    yield f"# {name} = …" if value is None else f"{name} = {_toml(value)}"


def _free_names(path: tuple[str, ...], field: FieldInfo, content: Mapping[Any, Any]) -> Iterator[str]:
    """A table whose names are the operator's. One that holds tables gives a table of its own to each."""
    for nested in (value for value in content.values() if isinstance(value, Mapping)):
        name = next(key for key, value in content.items() if value is nested)
        yield from _free_names((*path, str(_plain(name))), field, nested)
        yield ""
    plain = {str(_plain(name)): value for name, value in content.items() if not isinstance(value, Mapping)}
    if plain:
        yield from _head(path, "; ".join([field.description or "", *_range(field)]))
        yield from (f"{dotted((name,))} = {_toml(value)}" for name, value in plain.items())


def _head(path: tuple[str, ...], text: str) -> Iterator[str]:
    """The name of a table and what it is for, on one line where that fits."""
    name = f"[{dotted(path)}]"
    if len(one_line := f"{name}  # {text}") <= WIDTH:
        yield one_line
    else:
        yield from (name, *_comment(text), "")


def _range(field: FieldInfo) -> list[str]:
    bounds = ", ".join(bounds_of(field))
    return [bounds] if bounds else []


def _comment(text: str) -> Iterator[str]:
    yield from textwrap.wrap(text, WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, BaseModel):
        return _toml({name: getattr(value, name) for name in type(value).model_fields})
    if isinstance(value, Mapping) and not value:
        return "{}"
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{dotted((str(name),))} = {_toml(inner)}" for name, inner in value.items()) + " }"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(_toml(inner) for inner in value) + "]"
    if isinstance(value, int | float):
        return f"{value:g}" if isinstance(value, float) else str(value)
    return json.dumps(str(_plain(value)), ensure_ascii=False)


def _plain(value: Any) -> Any:
    return getattr(value, "value", value)
