"""Where settings come from: files, environment, secrets, command line; and which of them said what.

Layers are plain nested mappings, weakest first. Each remembers where a key stands, so that an error and
`config show --origin` can name the line.
"""

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ENV_PREFIX = "SECTORBOT__"
_HEAD = re.compile(r"^\s*\[{1,2}\s*([^\]]+?)\s*\]{1,2}")
_KEY = re.compile(r"""^\s*((?:"[^"]*"|'[^']*'|[A-Za-z0-9_\-]+)(?:\s*\.\s*(?:"[^"]*"|'[^']*'|[A-Za-z0-9_\-]+))*)\s*=""")
_PART = re.compile(r""""([^"]*)"|'([^']*)'|([A-Za-z0-9_\-]+)""")

Path_ = tuple[str, ...]


class SettingsProblem(Exception):  # noqa: N818 - it lists what is wrong, it is not one error
    """The configuration cannot be used. `problems` are sentences, each with its place, value and reason."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        lines = "\n".join(f"  {problem}" for problem in self.problems)
        super().__init__(f"the configuration has {count} problem{'s' if count > 1 else ''}:\n{lines}")


@dataclass(frozen=True, slots=True)
class Layer:
    """One source of settings. `lines` maps a key path to the line it stands on, where there are lines."""

    name: str
    content: Mapping[str, Any]
    lines: Mapping[Path_, int] = field(default_factory=dict)

    def place(self, path: Path_) -> str:
        """Where this layer says `path`: file:line, or the environment variable's name."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.lines:
                return f"{self.name}:{self.lines[path[:length]]}"
        if self.name == "environment":
            return "environment " + ENV_PREFIX + "__".join(path).upper()
        return self.name

    def says(self, path: Path_) -> bool:
        """Whether this layer gives a value at `path` or above it."""
        node: Any = self.content
        for part in path:
            if not isinstance(node, Mapping):
                return True
            if part not in node:
                return False
            node = node[part]
        return True


def read_toml(path: Path, *, under: str | None = None, name: str | None = None) -> Layer:
    """A TOML file as a layer, optionally as the content of one table.

    Raises:
        SettingsProblem: no such file, not readable, not TOML.
    """
    shown = name or str(path)
    try:
        text = path.read_text(encoding="utf-8")
        content: Mapping[str, Any] = tomllib.loads(text)
    except FileNotFoundError:
        raise SettingsProblem([f"{shown}: no such file; give an existing one with --config"]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsProblem([f"{shown}: cannot be read: {error}"]) from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsProblem([f"{shown}: is not valid TOML: {error}"]) from None
    lines = index_lines(text)
    if under is not None:
        content, lines = {under: content}, {(under, *path_): line for path_, line in lines.items()}
    return Layer(shown, content, lines)


def index_lines(text: str) -> dict[Path_, int]:
    """The line of every table header and key of a TOML text."""
    index: dict[Path_, int] = {}
    table: Path_ = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if head := _HEAD.match(line):
            table = _parts(head[1])
            index.setdefault(table, number)
        elif key := _KEY.match(line):
            index.setdefault(table + _parts(key[1]), number)
    return index


def _parts(dotted: str) -> Path_:
    return tuple(a or b or c for a, b, c in _PART.findall(dotted))


def read_environment(names: Mapping[str, str] | None = None) -> Layer:
    """`SECTORBOT__A__B=value` as nested keys. Values are read as TOML values, and as text when they are none."""
    found: dict[str, Any] = {}
    for key, value in sorted((os.environ if names is None else names).items()):
        if key.upper().startswith(ENV_PREFIX):
            _put(found, tuple(part.lower() for part in key[len(ENV_PREFIX) :].split("__")), read_value(value))
    return Layer("environment", found)


def read_secrets(directories: Sequence[Path]) -> Layer:
    """Files such as `venue__api_key` in a secrets directory; the first directory that exists counts."""
    for directory in directories:
        if directory.is_dir():
            found: dict[str, Any] = {}
            for file in sorted(directory.iterdir()):
                if file.is_file() and file.name.startswith("venue__"):
                    _put(found, tuple(file.name.lower().split("__")), file.read_text(encoding="utf-8").strip())
            return Layer(f"secrets directory {directory}", found)
    return Layer("secrets directory", {})


def read_assignments(assignments: Sequence[str]) -> Layer:
    """`a.b=value` from the command line.

    Raises:
        SettingsProblem: when one is not of that form.
    """
    found: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals or not key.strip():
            raise SettingsProblem([f"--set {assignment}: give KEY=VALUE, for example --set risk.gross_max=1.5"])
        _put(found, _parts(key.strip()), read_value(value.strip()))
    return Layer("--set", found)


def read_value(text: str) -> Any:
    """A TOML value (number, true, list, quoted text), or the text itself."""
    try:
        return tomllib.loads(f"value = {text}", parse_float=str)["value"]
    except tomllib.TOMLDecodeError:
        return text


def merge(layers: Sequence[Layer]) -> dict[str, Any]:
    """One mapping; stronger layers win key by key, lists are replaced whole."""
    merged: dict[str, Any] = {}
    for layer in layers:
        _merge_into(merged, layer.content)
    return merged


def origin(layers: Sequence[Layer], path: Path_) -> Layer | None:
    """The strongest layer that says `path`."""
    return next((layer for layer in reversed(layers) if layer.says(path)), None)


def _merge_into(target: dict[str, Any], source: Mapping[str, Any]) -> None:
    for key, value in source.items():
        if isinstance(value, Mapping):
            inner = target.get(key)
            target[key] = dict(inner) if isinstance(inner, Mapping) else {}
            _merge_into(target[key], value)
        else:
            target[key] = value


def _put(target: dict[str, Any], path: Path_, value: Any) -> None:
    for part in path[:-1]:
        inner = target.setdefault(part, {})
        if not isinstance(inner, dict):
            return
        target = inner
    target[path[-1]] = value
