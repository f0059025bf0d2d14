"""Kill signals from the first instruction of the process on, before the kill switch runs.

Standard library only: `bot.__main__` calls `listen` before it imports anything else. A signal is remembered here, and
written as a flag file once the state directory is known; the kill switch takes over from there.
"""

import contextlib
import signal
from pathlib import Path
from types import FrameType

from bot.atomic_file import write_atomically

LEVELS = {signal.SIGUSR1: "cancel", signal.SIGUSR2: "flatten"}
_asked: list[signal.Signals] = []
_directories: list[Path] = []


def listen() -> None:
    """Take the kill signals, whose default would end the process without a trace."""
    for number in LEVELS:
        signal.signal(number, _take)


def keep_in(directory: Path) -> None:
    """Write what was asked for so far, and what will be, as a flag file in this directory."""
    _directories[:] = [directory]
    if _asked:
        _write(_asked[-1])


def taken() -> tuple[signal.Signals, ...]:
    """The signals that came before anybody asked; each is given once."""
    result = tuple(_asked)
    _asked.clear()
    return result


def _take(number: int, _: FrameType | None) -> None:
    _asked.append(signal.Signals(number))
    _write(signal.Signals(number))


def _write(number: signal.Signals) -> None:
    """For the moments when no kill switch lives: before it and after it. A flag that is there asks for `cancel` at
    least, or was written by hand; only `flatten` takes its place."""
    with contextlib.suppress(OSError):
        for directory in _directories:
            flag = directory / "KILL"
            if number is signal.SIGUSR2 or not flag.exists():
                write_atomically(flag, f"{LEVELS[number]}\nasked for by {number.name}\n")
