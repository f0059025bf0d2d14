"""The file `.env`: every line is understood, or is a problem with its place. Values are never shown."""

import codecs
import re
from collections.abc import Collection
from difflib import SequenceMatcher
from io import StringIO
from pathlib import Path

from dotenv.parser import Binding, parse_stream

ENV_PREFIX = "SECTORBOT__"
OF_OTHER_TOOLS = ("SECTORBOT_STATE", "SECTORBOT_REPLICA")  # the units and litestream of deploy/
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MEANT = re.compile(r"sector[^a-z]*bot")
_NEAR = 0.8  # share of letters in common: one or two are wrong
_ONLY_COMMENT = re.compile(r"=[^\S\r\n]+#")
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

Assigned = tuple[str, str, str]  # name, value, place


def is_misspelt(name: str) -> bool:
    """Whether a name begins almost like ours: SECTOBOT__KILL_SWITCH. Names of other tools do not."""
    prefix, underscores, _ = name.upper().partition("__")
    is_near = SequenceMatcher(None, prefix, ENV_PREFIX.rstrip("_")).ratio() >= _NEAR
    return bool(underscores) and is_near and not name.upper().startswith(ENV_PREFIX)


def parse(path: Path, data: bytes, *, secret_names: Collection[str]) -> tuple[list[Assigned], list[str]]:
    """The assignments of a `.env` file, and a sentence for every line that is none."""
    if data.startswith(_UTF_16):
        return [], [f"{path}: is UTF-16; save it as UTF-8"]
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return [], [f"{path}:{line}: is not UTF-8; save the file as UTF-8"]
    result: list[Assigned] = []
    problems: list[str] = []
    lines: dict[str, int] = {}
    for binding in parse_stream(StringIO(text.replace("\r\n", "\n").replace("\r", "\n"), newline="")):
        number = _line(binding)
        problem = _problem(binding, lines, secret_names)
        if problem:
            problems.append(f"{path}:{number}: {problem}")
        elif binding.key is not None:
            lines[binding.key.upper()] = number
            result.append((binding.key, _value(binding), f"{path}:{number}"))
    return result, problems


def _line(binding: Binding) -> int:
    """The parser counts blank lines and comments before an assignment as part of it."""
    text = binding.original.string
    return binding.original.line + text[: len(text) - len(text.lstrip())].count("\n")


def _value(binding: Binding) -> str:
    value = binding.value or ""
    return "" if value.startswith("#") and _ONLY_COMMENT.search(binding.original.string) else value.strip()


def _problem(binding: Binding, lines: dict[str, int], secret_names: Collection[str]) -> str:
    """What is wrong with a line, empty when nothing is. Only the name may be shown, and only when it is one."""
    name = binding.key
    if binding.error:
        return "is not NAME=value; a value with an opening quote needs a closing one, a comment begins with #"
    if name is None:
        return ""
    if not _NAME.fullmatch(name):
        return f"{_printable(name)}: is not a name; names are {ENV_PREFIX}SECTION__KEY, of letters, digits and _"
    if binding.value is None:
        return f"{name}: has no =; write {name}=value" if _MEANT.match(name.lower()) else "has no =; write NAME=value"
    is_foreign = not name.upper().startswith(ENV_PREFIX) and name not in OF_OTHER_TOOLS
    if is_foreign and (_MEANT.match(name.lower()) or is_misspelt(name)):
        return f"{name}: unknown; names are {ENV_PREFIX}SECTION__KEY, two underscores"
    if name.upper() in lines:
        return f"{name}: is given twice, first in line {lines[name.upper()]}; remove one"
    is_ours = name.upper().startswith(ENV_PREFIX)
    is_secret = name.lower().rsplit("__", 1)[-1] in secret_names
    if is_ours and not is_secret and "${" in binding.value:
        return f"{name}: variables inside values are not replaced; write the value itself"
    return ""


def _printable(name: str) -> str:
    """A name with what cannot be seen written out."""
    return (
        name.encode("ascii", "backslashreplace").decode()[:60] if _MEANT.search(name.lower()) else "the text before ="
    )
