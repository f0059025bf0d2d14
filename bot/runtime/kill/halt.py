"""Engage the kill switch from outside the daemon: write the flag file and wait for the daemon's confirmation."""

import time
from dataclasses import dataclass
from pathlib import Path

from bot.domain.states import KillLevel
from bot.runtime.health.healthcheck import find_running
from bot.runtime.kill.flag_file import FlagFile

CONFIRM_SECONDS = 3.0
POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Halted:
    """`asked`: the level that the flag file asks for now. `taken`: what the daemon is at, None where it has not
    confirmed; `pid`: its process, 0 where none runs."""

    asked: KillLevel
    taken: KillLevel | None
    pid: int


def halt(directory: Path, level: KillLevel, reason: str, by: str) -> Halted:
    """Ask for a level, and wait a few seconds for the daemon of the state directory to take it.

    Raises:
        OSError: the flag file cannot be written.
    """
    requested = FlagFile(directory).record(level, reason, by)
    deadline, health = time.monotonic() + CONFIRM_SECONDS, find_running(directory)
    while health is not None and time.monotonic() < deadline:
        said = health.get("kill", "off")
        if said in set(KillLevel) and KillLevel(said).severity >= requested.severity:
            return Halted(requested, KillLevel(said), int(health["pid"]))
        time.sleep(POLL_SECONDS)
        health = find_running(directory)
    return Halted(requested, None, int(health["pid"]) if health else 0)
