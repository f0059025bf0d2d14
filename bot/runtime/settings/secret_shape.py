"""What cannot be an API key or secret, whatever exchange it is for. Values are never shown."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from bot.runtime.settings.layers import VENUE_SECRETS, Layer

_PLACEHOLDER = re.compile(
    r"(?:your|my|insert|enter|put|paste|replace|change)[-_]?(?:me|this|it|here|own|api|key|secret|exchange|the|binance)"
    r"|placeholder|example|<.*>|\[.*\]|\{.*\}|\$\{?\w+\}?|x{3,}$|\.{3}|\*{3,}|todo$|none$|null$|api[-_]?(?:key|secret)$",
    re.IGNORECASE,
)
_ASSIGNMENT = re.compile(r"(?:export\s+)?[A-Za-z_]\w*\s*[=:]\s*[^=\s]")


def secret_problems(layers: Sequence[Layer]) -> list[str]:
    """A sentence for each secret that cannot be one, with its place."""
    problems = []
    for layer in layers:
        for path in sorted(VENUE_SECRETS):
            value: Any = layer.content
            for name in path:
                value = value.get(name) if isinstance(value, Mapping) else None
            if isinstance(value, str) and (problem := problem_of(value)):
                problems.append(f"{layer.place(path)}: {'.'.join(path)} {problem}; give the bare key, nothing else")
    return problems


def parts_of(value: str) -> tuple[str, ...]:
    """What must not be printed of a secret: all of it and, where a passphrase stands behind it, either part."""
    return tuple(dict.fromkeys((value, *value.split(","))))


def problem_of(value: str) -> str:
    """Why a text cannot be a key or secret, empty when it may be one."""
    if value.startswith("\ufeff"):
        return "begins with a byte order mark"
    if "\n" in value or "\r" in value:
        return "has more than one line"
    if _ASSIGNMENT.match(value):
        return "begins with a name and ="
    if any(quote in value for quote in "\"'`"):
        return "has quotes in it"
    if any(character.isspace() for character in value):
        return "has blanks in it"
    if not value.isascii() or not value.isprintable():
        return "has a character that is no printable ASCII"
    return "is a placeholder" if _PLACEHOLDER.match(value) else ""
