"""The kill switch: five levels, many hands, one latch (DESIGN §8).

The level in force is the highest of what the configuration says, what the flag file says and what the journal has
latched. It can rise at any moment and falls only through an explicit `resume` with a reason. A thread of its own watches
the file and the configuration, so that it works while the strategy loop hangs.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from bot.domain.order import Intent, Purpose
from bot.domain.states import KillLevel

FLAG_NAME = "KILL"
POLL_SECONDS = 0.5


class FlagFile:
    """A file whose existence is an order to stop. Empty, or with a word nobody knows, it means `cancel`."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / FLAG_NAME

    def load(self) -> KillLevel:
        """The level it asks for; a file that cannot be read asks for `cancel`."""
        try:
            word = self.path.read_text(encoding="utf-8").split("\n", 1)[0].strip().lower()
        except FileNotFoundError:
            return KillLevel.OFF
        except (OSError, UnicodeDecodeError):
            return KillLevel.CANCEL
        return KillLevel(word) if word in set(KillLevel) - {KillLevel.OFF} else KillLevel.CANCEL

    def record(self, level: KillLevel, reason: str) -> None:
        """Write it in one step, so that a reader sees all of it or nothing."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_name(FLAG_NAME + ".new")
        temporary.write_text(f"{level.value}\n{reason}\n", encoding="utf-8")
        temporary.replace(self.path)

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)


def highest(*levels: KillLevel) -> KillLevel:
    return max(levels, key=lambda level: level.severity)


class KillSwitch:
    """The level in force, for everyone who must obey it.

    Args:
        flag: the flag file.
        configured: reads the level of the configuration; keeps the last one while the file is broken.
        latched: reads the level the journal holds.
        latch: writes a risen level into the journal.
    """

    def __init__(
        self,
        flag: FlagFile,
        *,
        configured: Callable[[], KillLevel],
        latched: Callable[[], KillLevel],
        latch: Callable[[KillLevel, str, str], Awaitable[None]],
    ) -> None:
        self._flag, self._configured, self._latched, self._latch = flag, configured, latched, latch
        self._seen = KillLevel.OFF
        self._source = ""
        self._asked = KillLevel.OFF
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def level(self) -> KillLevel:
        """The level in force now: what was latched, and what any hand asked for since."""
        return highest(self._latched(), self._seen, self._asked)

    def ask(self, level: KillLevel) -> None:
        """A hand that is no file: the signal handler."""
        self._asked = highest(self._asked, level)

    def is_stopped(self, intent: Intent | None) -> bool:
        """Whether an order for `intent` may not be sent at this instant; asked again right before every send."""
        level = self.level()
        if level is KillLevel.OFF:
            return False
        if level is KillLevel.FLATTEN:
            return intent is None or intent.purpose is not Purpose.FLATTEN
        if level is KillLevel.CANCEL or intent is None:
            return True
        is_reducing = intent.reduce_only or (":" not in intent.symbol and intent.side.sign < 0)
        return not is_reducing and (level is KillLevel.REDUCE_ONLY or intent.purpose is not Purpose.HEDGE)

    def look(self) -> None:
        """Read file and configuration once; a level once seen stays until `resume`."""
        flag, configured = self._flag.load(), self._configured()
        if highest(flag, configured).severity > self._seen.severity:
            self._source = "flag file" if flag.severity >= configured.severity else "configuration"
            self._seen = highest(flag, configured)

    def start(self) -> None:
        """Begin to watch in a thread, which lives whatever the event loop does."""
        self.look()
        self._thread = threading.Thread(target=self._watch_files, name="kill-switch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def _watch_files(self) -> None:
        while not self._stop.wait(POLL_SECONDS):
            with contextlib.suppress(Exception):
                self.look()

    async def watch(self, on_rise: Callable[[KillLevel], Awaitable[None]]) -> None:
        """Latch every rise in the journal and tell `on_rise`, until cancelled. Also tells the level found at the start."""
        told = KillLevel.OFF
        while True:
            level = self.level()
            if level.severity > self._latched().severity:
                await self._latch(level, self._source or "signal", f"kill switch set to {level.value}")
            if level.severity > told.severity:
                told = level
                await on_rise(level)
            await asyncio.sleep(POLL_SECONDS)


def wait_until_latched(level_now: Callable[[], KillLevel], wanted: KillLevel, seconds: float) -> bool:
    """Whether a running daemon took the level within `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if level_now().severity >= wanted.severity:
            return True
        time.sleep(0.1)
    return False
