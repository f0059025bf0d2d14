"""Whether the daemon of a state directory is alive. Standard library only: a supervisor asks every few seconds.

Reads `health.json`, which the daemon replaces every few seconds: `pid`, `at_ms`, `stale_after_ms`, `parts` (each with
the time of its last beat and how long it may be silent), and more for `status`.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bot.runtime.exit_codes import ExitCode
from bot.runtime.settings.layers import find_state_directory

HEALTH_NAME = "health.json"
STALE_AFTER_MS = 900_000


def load_health(state: Path) -> Mapping[str, Any] | None:
    """What the daemon said last; None when there is no such file or it says nothing usable."""
    try:
        result = json.loads((state / HEALTH_NAME).read_text(encoding="utf-8"))
        return {**result, "pid": int(result["pid"]), "at_ms": int(result["at_ms"])}
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def is_alive(pid: int) -> bool:
    """Whether a process of this machine has the number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def find_running(state: Path) -> Mapping[str, Any] | None:
    """What a daemon whose process is alive said last, however long ago; None when none runs."""
    health = load_health(state)
    return health if health is not None and is_alive(health["pid"]) else None


def check(state: Path, now_ms: int) -> tuple[ExitCode, str]:
    """The exit code and the sentence."""
    health = load_health(state)
    if health is None:
        return ExitCode.NOT_RUNNING, f"not running: {state / HEALTH_NAME} is not there"
    if not is_alive(health["pid"]):
        return ExitCode.NOT_RUNNING, f"not running: process {health['pid']} is gone and left {state / HEALTH_NAME}"
    age_ms, stale_ms = now_ms - health["at_ms"], int(health.get("stale_after_ms") or STALE_AFTER_MS)
    if age_ms > stale_ms:
        return ExitCode.ERROR, f"stale: last sign of life {age_ms // 1000} s ago, more than {stale_ms // 1000} s"
    late = find_late(health, now_ms)
    if late:
        named = ", ".join(f"{name} (silent for {seconds} s)" for name, seconds in late.items())
        return ExitCode.ERROR, f"late: {named}; process {health['pid']} runs, see its log"
    message = f"healthy: process {health['pid']}, last sign of life {max(0, age_ms) // 1000} s ago"
    silent = find_late_streams(health)
    if silent:
        message += f"; streams that are late, for which it polls: {', '.join(silent)}"
    return ExitCode.OK, message


def find_late_streams(health: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the streams that are not fresh. The bot polls as without them, so they are no reason to restart it."""
    streams = health.get("streams")
    rows = streams.items() if isinstance(streams, Mapping) else ()
    return tuple(str(name) for name, row in rows if isinstance(row, Mapping) and not row.get("is_fresh"))


def find_late(health: Mapping[str, Any], now_ms: int) -> dict[str, int]:
    """The parts of the daemon that are silent for longer than they may be, and for how many seconds.

    A part that cannot be read counts as late: a file of an older version has none.
    """
    late: dict[str, int] = {}
    parts = health.get("parts")
    for name, part in (parts if isinstance(parts, Mapping) else {}).items():
        try:
            silent_ms, limit_ms = now_ms - int(part["at_ms"]), int(part["late_after_ms"])
        except (ValueError, KeyError, TypeError):
            silent_ms, limit_ms = 0, -1
        if silent_ms > limit_ms:
            late[str(name)] = silent_ms // 1000
    return late


def main(arguments: Sequence[str]) -> int:
    """`sectorbot healthcheck`: prints one line and returns an exit code."""
    parser = argparse.ArgumentParser(prog="sectorbot healthcheck", description="Whether the daemon is alive.")
    parser.add_argument("--state", type=Path, help="state directory; default: as the configuration says")
    parser.add_argument("--config", type=Path, action="append", default=[], help="settings file, may be repeated")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting, may be repeated")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args(arguments)
    state = given.state or find_state_directory(given.config, given.set)
    return print_health(state, as_json=given.json)


def print_health(state: Path, *, as_json: bool) -> int:
    """Print one line, or JSON, about the daemon of a state directory; the exit code."""
    code, message = check(state, time.time_ns() // 1_000_000)
    health = {key: value for key, value in (load_health(state) or {}).items() if key != "words"}
    shown = json.dumps({"exit_code": int(code), "words": message, "health": health}) if as_json else message
    sys.stdout.write(shown + "\n")
    return int(code)
