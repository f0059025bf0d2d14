"""`docs/configuration.md`, made from the models of the settings; `make reference` writes it."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from bot.runtime.exit_codes import ExitCode
from bot.runtime.settings.fields import is_constant
from bot.runtime.settings.layers import KeyPath
from bot.runtime.settings.model import Settings
from bot.runtime.settings.reference import dotted

_BOUNDS = (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<"), ("min_length", "at least"), ("max_length", "at most"))
_PLAIN = {
    int: "whole number",
    Decimal: "number",
    float: "number",
    bool: "true or false",
    str: "text",
    Path: "path",
    date: "day",
}
INTRODUCTION = """# Configuration

Made from the models by `make reference`; a test compares.

Sources, weakest first; a stronger one wins key by key:

1. `config/default.toml`, every setting with its default, and `config/sectors.toml`, which is the section `universe`;
2. your files: `--config FILE`, which may be repeated, else `sectorbot.toml` in the working directory;
3. `.env` in the working directory, then environment variables, both as `SECTORBOT__SECTION__KEY=value`;
4. a secrets directory: `secrets_directory`, else `$CREDENTIALS_DIRECTORY`, `/run/secrets` or `./secrets`, with files
   named `venue__api_key`, `venue__api_secret`, `notify__urls`, `telegram__token`;
5. `--set SECTION.KEY=VALUE`, `--environment`, `--mode`. Secrets are refused here: anyone may read a command line.

Tables merge key by key and lists are replaced whole. In tables with free names (sleeves, tokens, sectors, evidence)
`false` takes an entry out: `[universe.tokens]` `CAKE = false`. A variable cannot make such a name up; a file or `--set`
can. Amounts may be written as text, so that no digit is lost. Unknown names, missing files and values out of range end
with exit code 78 and one line each: place, key, value, reason.

`sectorbot config check` says whether it can be used, `config show --origin` where every value comes from, and
`config schema` prints the JSON schema for editors, which is also the file `config/schema.json`.

## While it runs

The files are looked at every half second. The kill switch and tighter limits of `[risk]` apply at once. A looser limit
and everything else needs a restart, and the log says so once. A broken file changes nothing and is
logged as critical, but a kill switch that can be read in it is thrown. No file releases the kill switch: only
`sectorbot resume --reason …` does.
"""


def configuration_page() -> str:
    """`docs/configuration.md`."""
    parts = [INTRODUCTION, "## Settings\n", "The top of the file, outside of any section.\n"]
    parts.append(_table({name: field for name, field in Settings.model_fields.items() if not is_table(field)}))
    for name, field in Settings.model_fields.items():
        if is_table(field):
            continue
        for inner in _models_in(field.annotation):
            parts += [f"Each entry of `{name}`:\n", _table(inner.model_fields)]
    for name, field in Settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            parts += list(_section((name,), field.annotation))
    codes = "\n".join(f"| {code.value} | {code.words} |" for code in ExitCode)
    parts += ["## Exit codes\n", f"| code | meaning |\n|---|---|\n{codes}\n"]
    return "\n".join(parts)


def settings_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The fields of a model that are settings: not the constants that only tests replace."""
    return {name: field for name, field in model.model_fields.items() if not is_constant(field)}


def is_table(field: FieldInfo) -> bool:
    """Whether a field is a table with names of its own."""
    return isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)


def first_line(model: type[BaseModel]) -> str:
    """What a table is for: the first line of its model's docstring."""
    return (model.__doc__ or "").split("\n", 1)[0].strip()


def bounds_of(field: FieldInfo) -> list[str]:
    """The range of a field, or of the entries of a table or list, such as "≥ 0"."""
    result = [f"{sign} {plain}" for sign, plain in _bounds(field.metadata)]
    return result or [f"{sign} {plain}" for sign, plain in _bounds(list(_metadata_within(field.annotation)))]


def _section(path: KeyPath, model: type[BaseModel]) -> Iterator[str]:
    yield f"### [{dotted(path)}]\n"
    yield first_line(model) + "\n"
    if own := {name: field for name, field in settings_of(model).items() if not is_table(field)}:
        yield _table(own)
    for key, field in own.items():
        for inner in _models_in(field.annotation):
            yield f"Each entry of `{dotted((*path, key))}`:\n"
            yield _table(inner.model_fields)
    for key, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _section((*path, key), field.annotation)


def _metadata_within(kind: Any) -> Iterator[Any]:
    if get_origin(kind) is Annotated:
        yield from kind.__metadata__
    for argument in get_args(kind):
        yield from _metadata_within(argument)


def _table(fields: Mapping[str, FieldInfo]) -> str:
    lines = ["| key | value | default | meaning |", "|---|---|---|---|"]
    for name, field in fields.items():
        cells = (f"`{name}`", _values(field), _default(field), field.description or "")
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _values(field: FieldInfo) -> str:
    bounds = [f"{sign} {plain}" for sign, plain in _bounds(field.metadata)]
    return ", ".join([_kind(field.annotation), *bounds])


def _bounds(metadata: Sequence[Any]) -> Iterator[tuple[str, str]]:
    for name, sign in _BOUNDS:
        for item in metadata:
            bound = getattr(item, name, None)
            if bound is not None:
                yield sign, f"{bound} character{'s' if bound > 1 else ''}" if name.endswith("length") else str(bound)


def _kind(kind: Any) -> str:
    origin, arguments = get_origin(kind), get_args(kind)
    if kind in _PLAIN:
        return _PLAIN[kind]
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin is Annotated:
        bounds = [bound for item in arguments[1:] for bound in _bounds(getattr(item, "metadata", [item]))]
        return ", ".join([_kind(arguments[0]), *(f"{sign} {plain}" for sign, plain in bounds)])
    if origin in (UnionType, Union):
        return " or ".join("nothing" if kind is type(None) else _kind(kind) for kind in arguments)
    if origin is Mapping:
        return f"table of {_kind(arguments[1])}"
    if origin is tuple:
        return f"list of {_kind(arguments[0])}"
    if isinstance(kind, type) and issubclass(kind, Enum):
        return " or ".join(f"`{member.value}`" for member in kind)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return "table"
    return "secret text"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required" if field.annotation is not None else ""
    value = field.get_default(call_default_factory=True)
    if value is None or (isinstance(value, tuple | Mapping | str) and not value):
        return "none"
    return "see `config/default.toml`" if isinstance(value, Mapping | tuple) else f"`{_text(value)}`"


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value.value if isinstance(value, Enum) else value)


def _models_in(kind: Any) -> Iterator[type[BaseModel]]:
    for argument in get_args(kind):
        if isinstance(argument, type) and issubclass(argument, BaseModel):
            yield argument
        else:
            yield from _models_in(argument)
