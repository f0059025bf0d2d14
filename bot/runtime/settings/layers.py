"""Where settings come from: files, environment, secrets, command line; and which of them said what.

Layers are plain nested mappings, weakest first. Each remembers where a key stands, so that an error and
`config show --origin` can name the line. Only the standard library and the parser of `.env` are needed here, because
`halt` and `healthcheck` must find the state directory while nothing else works.
"""

import os
import re
import tomllib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from bot.runtime.settings import dotenv_file

ENV_PREFIX = "SECTORBOT__"
USER_FILE = Path("sectorbot.toml")
DOTENV_FILE = Path(".env")
STATE_DIRECTORY = Path("var")
VENUE_SECRETS = frozenset(
    (*table, name) for table in (("venue",), ("venue", "spot"), ("venue", "perp")) for name in ("api_key", "api_secret")
)
SECRET_PATHS = VENUE_SECRETS | {("notify", "urls"), ("telegram", "token")}
SECRET_NAMES = frozenset(path[-1] for path in SECRET_PATHS)
SECRET_SECTIONS = frozenset(path[0] for path in SECRET_PATHS)
SECRET_FILES = tuple(sorted(f"{section}__" for section in SECRET_SECTIONS))
_HEAD = re.compile(r"^\s*\[{1,2}\s*([^\]]+?)\s*\]{1,2}")
_KEY = re.compile(r"""^\s*((?:"[^"]*"|'[^']*'|[A-Za-z0-9_\-]+)(?:\s*\.\s*(?:"[^"]*"|'[^']*'|[A-Za-z0-9_\-]+))*)\s*=""")
_PART = re.compile(r""""([^"]*)"|'([^']*)'|([A-Za-z0-9_\-]+)""")
_TOML_PLACE = re.compile(r"\s*\(at line (\d+), column \d+\)")
_COMMA = re.compile(r"-?\d+,\d+")
_STATE_LINE = re.compile(r"""^\s*state_directory\s*=\s*["']([^"'\n]+)["']""", re.MULTILINE)

KeyPath = tuple[str, ...]


class SettingsProblem(Exception):
    """The configuration cannot be used. `problems` are sentences, each with its place, value and reason."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        lines = "\n".join(f"  {problem}" for problem in self.problems)
        super().__init__(f"the configuration has {count} problem{'s' if count > 1 else ''}:\n{lines}")


@dataclass(frozen=True, slots=True)
class Layer:
    """One source of settings. `places` maps a key path to its position in the source, where it is known.

    `notes` are warnings about names that are accepted in this release only.
    """

    name: str
    content: Mapping[str, Any]
    places: Mapping[KeyPath, str] = field(default_factory=dict)
    is_secret: bool = False
    notes: tuple[str, ...] = ()

    def place(self, path: KeyPath) -> str:
        """Where this layer says `path`: file:line, or the environment variable's name."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.places:
                return self.places[path[:length]]
        return next((place for key, place in self.places.items() if key[: len(path)] == path), self.name)

    def has(self, path: KeyPath) -> bool:
        """Whether this layer gives a value at `path` or above it."""
        node: Any = self.content
        for part in path:
            if not isinstance(node, Mapping):
                return True
            if part not in node:
                return False
            node = node[part]
        return True


def user_files() -> tuple[Path, ...]:
    """The operator's file where it always is. A folder or a link of that name that leads nowhere counts: it is a file
    that was meant to be read, and reading it says what is wrong."""
    return (USER_FILE,) if os.path.lexists(USER_FILE) else ()


def read_toml(path: Path, *, under: str | None = None, name: str | None = None) -> Layer:
    """A TOML file as a layer, optionally as the content of one table.

    Raises:
        SettingsProblem: no such file, not readable, not TOML.
    """
    shown, text = name or str(path), ""
    try:
        text = path.read_text(encoding="utf-8-sig")
        content: Mapping[str, Any] = tomllib.loads(text)
    except FileNotFoundError:
        raise SettingsProblem([f"{shown}: no such file; give an existing one with --config"]) from None
    except OSError as error:
        raise SettingsProblem(
            [f"{shown}: cannot be read: {error.strerror or error}; give a file with --config"]
        ) from None
    except UnicodeDecodeError:
        raise SettingsProblem([f"{shown}: cannot be read: it is no UTF-8 text; save it as UTF-8"]) from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsProblem([_toml_problem(shown, text, str(error))]) from None
    except RecursionError:
        raise SettingsProblem([f"{shown}: has too many brackets inside each other; correct it"]) from None
    except ValueError as error:  # of Python's own numbers: one with thousands of digits
        raise SettingsProblem([f"{shown}: has a number that cannot be read: {error}; correct it"]) from None
    places = {key: f"{shown}:{line}" for key, line in index_lines(text).items()}
    if under is not None:
        content, places = {under: content}, {(under, *key): place for key, place in places.items()}
    return Layer(shown, content, places)


def _toml_problem(shown: str, text: str, message: str) -> str:
    """A mistake of TOML with its place, and how the line is written where it is one of the usual mistakes."""
    place = _TOML_PLACE.search(message)
    number = int(place[1]) if place else 0
    line = text.splitlines()[number - 1].strip() if number else ""
    what = _TOML_PLACE.sub("", message).strip()
    return f"{shown}{f':{number}' if number else ''}: is not valid TOML: {what}{_toml_remedy(line)}"


def _toml_remedy(line: str) -> str:
    key, _, value = (part.strip() for part in line.partition("="))
    value = value.split("#", 1)[0].strip()
    if ":" in key and not value:
        name, _, given = (part.strip() for part in key.partition(":"))
        return f'; TOML writes key = value: {name} = "{given}"'
    if value.lower() in {"true", "false"}:
        return f"; TOML writes {value.lower()} in small letters: {key} = {value.lower()}"
    if _COMMA.fullmatch(value):
        return f"; a decimal point is written as a point: {key} = {value.replace(',', '.')}"
    if value and value[0] not in "\"'[{" and any(letter.isalpha() for letter in value):
        return f'; text needs quotes: {key} = "{value}"'
    return ""


def index_lines(text: str) -> dict[KeyPath, int]:
    """The line of every table header and key of a TOML text."""
    index: dict[KeyPath, int] = {}
    table: KeyPath = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if head := _HEAD.match(line):
            table = split_key(head[1])
            index.setdefault(table, number)
        elif key := _KEY.match(line):
            index.setdefault(table + split_key(key[1]), number)
    return index


def split_key(dotted: str) -> KeyPath:
    """`a."b.c".d` as its parts."""
    return tuple(a or b or c for a, b, c in _PART.findall(dotted))


def read_dotenv(path: Path = DOTENV_FILE, *, leaves_out_bad_lines: bool = False) -> Layer:
    """`SECTORBOT__A__B=value` lines of a file beside the working directory's others; empty when there is none.

    Raises:
        SettingsProblem: it is there and cannot be read, or has lines that are no assignments; with each line.
    """
    if not os.path.lexists(path):
        return Layer(str(path), {})
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SettingsProblem([f"{path}: cannot be read: {error}"]) from None
    result, problems = dotenv_file.parse(path, data, secret_names=SECRET_NAMES)
    if problems and not leaves_out_bad_lines:
        raise SettingsProblem(problems)
    return _read_variables(str(path), result)


def read_environment(names: Mapping[str, str] | None = None, *, known: Collection[str] = ()) -> Layer:
    """`SECTORBOT__A__B=value` as nested keys. Lists, tables and quoted texts are read as TOML, all else as text.

    Raises:
        SettingsProblem: a name has one underscore where two are meant, for the sections in `known`, or begins almost
            like ours.
    """
    given = os.environ if names is None else names
    for key in given:
        word = key.upper().removeprefix("SECTORBOT_").lower()
        is_prefixed = key.upper().startswith("SECTORBOT_") and not key.upper().startswith(ENV_PREFIX)
        if is_prefixed and any(word == name or word.startswith(name + "_") for name in known):
            raise SettingsProblem([f"environment {key}: unknown; names are {ENV_PREFIX}SECTION__KEY, two underscores"])
        if dotenv_file.is_misspelt(key):
            raise SettingsProblem([f"environment {key}: unknown; names begin with {ENV_PREFIX}"])
    return _read_variables("environment", [(key, given[key], f"environment {key}") for key in sorted(given)])


def _read_variables(name: str, variables: Iterable[tuple[str, str, str]]) -> Layer:
    content: dict[str, Any] = {}
    places: dict[KeyPath, str] = {}
    for key, value, place in variables:
        if key.upper().startswith(ENV_PREFIX):
            path = tuple(part.lower() for part in key[len(ENV_PREFIX) :].split("__"))
            _put(content, path, value if path[-1] in SECRET_NAMES else read_value(value), place)
            places[path] = place
    return Layer(name, content, places)


def read_secrets(directories: Sequence[Path], *, required: Path | None = None) -> Layer:
    """Files such as `venue__api_key`; from `required`, else from the first of `directories` that holds one.

    Raises:
        SettingsProblem: the required directory is missing, or a secret cannot be read, is empty or misnamed.
    """
    if required is not None and not required.is_dir():
        raise SettingsProblem([f"secrets_directory = {str(required)!r}: no such directory"])
    content: dict[str, Any] = {}
    places: dict[KeyPath, str] = {}
    for directory in (required,) if required is not None else directories:
        try:
            files = sorted(directory.iterdir()) if os.path.lexists(directory) else []
            for file in (file for file in files if _is_secret(file)):
                path = tuple(file.name.lower().split("__"))
                _put(content, path, _read_secret(file), str(file))
                places[path] = str(file)
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsProblem([f"secrets directory {directory}: cannot be read: {error}"]) from None
        if content:
            break
    return Layer("secrets directory", content, places, is_secret=True)


def _is_secret(file: Path) -> bool:
    """Whether a file of a directory that others may use as well is one of our secrets, by its name.

    Raises:
        SettingsProblem: it has the name of one with a single underscore.
    """
    name = file.name.lower()
    if meant := {"_".join(path): "__".join(path) for path in SECRET_PATHS}.get(name):
        raise SettingsProblem([f"{file}: is not read; with two underscores it is the secret {meant}"])
    return name.startswith(SECRET_FILES)


def _read_secret(file: Path) -> str:
    if not file.is_file():
        raise SettingsProblem(
            [f"{file}: is no file, but a folder or a link that leads nowhere; put the bare key there"]
        )
    value = file.read_text(encoding="utf-8").strip()
    if not value:
        raise SettingsProblem([f"{file}: is empty; write the bare key into it, or remove it"])
    return value


def read_assignments(assignments: Sequence[str]) -> Layer:
    """`a.b=value` from the command line.

    Raises:
        SettingsProblem: when one is not of that form, or holds a secret, which every process of the machine could read.
    """
    content: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        path = split_key(key)
        if not equals or not path:
            raise SettingsProblem([f"--set {assignment}: give KEY=VALUE, for example --set risk.gross_max=1.5"])
        if path[-1] in SECRET_NAMES:
            why = "a secret must not stand on a command line; give it in a secrets file or in .env"
            raise SettingsProblem([f"--set {key} is refused: {why}"])
        _put(content, path, read_value(value.strip()), f"--set {key}")
    return Layer("--set", content)


def read_value(text: str) -> Any:
    """A list, an inline table or a quoted text as TOML; anything else as it stands, for the field to read."""
    if not text.startswith(("[", "{", '"', "'")):
        return text
    try:
        return tomllib.loads(f"value = {text}", parse_float=str)["value"]
    except (ValueError, RecursionError):
        return text


def merge(layers: Sequence[Layer]) -> dict[str, Any]:
    """One mapping; stronger layers win key by key, lists are replaced whole."""
    merged: dict[str, Any] = {}
    for layer in layers:
        _merge_into(merged, layer.content)
    return merged


def match_case(layer: Layer, base: Mapping[str, Any]) -> Layer:
    """The layer with its keys written as `base` writes them, because variables have no case: `uni` becomes `UNI`."""
    places = {_cased(path, base): place for path, place in layer.places.items()}
    return Layer(layer.name, _recased(layer.content, base), places, layer.is_secret)


def origin(layers: Sequence[Layer], path: KeyPath) -> Layer | None:
    """The strongest layer that says `path`."""
    return next((layer for layer in reversed(layers) if layer.has(path)), None)


def find_state_directory(files: Sequence[Path] = (), assignments: Sequence[str] = ()) -> Path:
    """Where journal, health and kill file are, even while the configuration is broken.

    What cannot be read is left out; of a file that is not TOML the line that names the directory still counts.
    """
    layers = []
    readers: list[Callable[[], Layer]] = [
        *(partial(_salvage_toml, file) for file in files or user_files()),
        partial(read_dotenv, leaves_out_bad_lines=True),
        read_environment,
        lambda: read_assignments(assignments),
    ]
    for read in readers:
        try:
            layers.append(read())
        except SettingsProblem:
            continue
    result = merge(layers).get("state_directory")
    return Path(result) if isinstance(result, str) else STATE_DIRECTORY


def _salvage_toml(file: Path) -> Layer:
    try:
        return read_toml(file)
    except SettingsProblem:
        try:
            line = _STATE_LINE.search(file.read_text(encoding="utf-8", errors="replace"))
        except OSError:
            line = None
        return Layer(str(file), {"state_directory": line[1]} if line else {})


def _merge_into(target: dict[str, Any], source: Mapping[str, Any]) -> None:
    for key, value in source.items():
        if isinstance(value, Mapping):
            inner = target.get(key)
            target[key] = dict(inner) if isinstance(inner, Mapping) else {}
            _merge_into(target[key], value)
        else:
            target[key] = value


def _put(target: dict[str, Any], path: KeyPath, value: Any, place: str) -> None:
    for depth, part in enumerate(path[:-1], start=1):
        inner = target.setdefault(part, {})
        if not isinstance(inner, dict):
            above = ".".join(path[:depth])
            raise SettingsProblem([f"{place}: {above} was given a value of its own; give one of the two"])
        target = inner
    target[path[-1]] = value


def _cased(path: KeyPath, base: Any) -> KeyPath:
    if not path:
        return ()
    known = {str(key).lower(): str(key) for key in base} if isinstance(base, Mapping) else {}
    name = path[0] if isinstance(base, Mapping) and path[0] in base else known.get(path[0], path[0])
    return (name, *_cased(path[1:], base.get(name) if isinstance(base, Mapping) else None))


def _recased(content: Mapping[str, Any], base: Any) -> dict[str, Any]:
    result = {}
    for key, value in content.items():
        (name,) = _cased((key,), base)
        inner = base.get(name) if isinstance(base, Mapping) else None
        result[name] = _recased(value, inner) if isinstance(value, Mapping) else value
    return result
