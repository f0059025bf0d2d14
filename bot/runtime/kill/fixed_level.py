"""A kill switch with a fixed level: for a back-test, which has no operator, and for `plan`, which only reads."""

from pathlib import Path

from bot.domain.states import KillLevel
from bot.runtime.kill.flag_file import FlagFile
from bot.runtime.kill.switch import KillSwitch


class FixedLevel(KillSwitch):
    """Stays at `level`, or at the journal's latch where that is higher. It reads and writes no file."""

    def __init__(self, level: KillLevel) -> None:
        super().__init__(FlagFile(Path()), configured=lambda: level)

    def poll(self) -> None:
        """See `KillSwitch.poll`."""
        self._raise(self._latched(), "journal")
        self._raise(self._configured(), "configuration")
        self._has_polled = True
