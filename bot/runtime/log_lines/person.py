"""Log lines for a person at a terminal: the time, one sentence, and whatever stands beside it in short."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from structlog.typing import EventDict, WrappedLogger

BOLD_RED, YELLOW, DIM, PLAIN = "\x1b[1;31m", "\x1b[33m", "\x1b[2m", "\x1b[0m"
_COLOURS = {"critical": BOLD_RED, "error": BOLD_RED, "warning": YELLOW, "debug": DIM}
_SENTENCES = ("text", "why", "what")
_LEFT_OUT = frozenset({"at", "event", "level", "exception", "limits", *_SENTENCES})


class PersonRenderer:
    """Renders an event as one line. `text` is the whole sentence where it is given; else the event is named, and its
    reason and its other values follow."""

    def __init__(self, *, is_coloured: bool) -> None:
        self._is_coloured = is_coloured

    def __call__(self, _logger: WrappedLogger, _name: str, event: EventDict) -> str:
        level = str(event.get("level", "info"))
        loud = f"{level.upper()}: " if level in {"critical", "error"} else ""
        line = f"{_clock(str(event.get('at', '')))}  {loud}{_sentence(event)}"
        colour = _COLOURS.get(level, "") if self._is_coloured else ""
        trace = f"\n{event['exception']}" if event.get("exception") else ""
        return f"{colour}{line}{PLAIN if colour else ''}{trace}"


def _clock(at: str) -> str:
    """UTC hours, minutes and seconds of an ISO time."""
    try:
        return datetime.fromisoformat(at).astimezone(UTC).strftime("%H:%M:%S")
    except ValueError:
        return datetime.now(UTC).strftime("%H:%M:%S")


def _sentence(event: Mapping[str, Any]) -> str:
    if event.get("text"):
        return str(event["text"])
    parts = [str(event[name]) for name in ("why", "what") if event.get(name)]
    rest = [f"{name} {value}" for name, value in event.items() if name not in _LEFT_OUT and _is_short(value)]
    name, details = str(event.get("event", "")).replace("_", " "), "; ".join([*parts, *rest])
    return f"{name}: {details}" if details else name


def _is_short(value: Any) -> bool:
    return value not in (None, "", [], {}, ()) and len(str(value)) <= 200
