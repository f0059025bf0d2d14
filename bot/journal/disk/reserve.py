"""Space reserved beside the journal, so that the kill switch can journal its orders on a full disk.

The file holds nothing. It is made while there is room and removed when the journal is full and the switch has something
to do: the journal itself goes on in the space it leaves, under the rules of every other day.
"""

import contextlib
import os
import shutil
from pathlib import Path

RESERVE_BYTES = 8 * 1024 * 1024
ROOM_FACTOR = 1.5  # a reserve that takes the last of a disk would bring about what it is for
_CHUNK = bytes(1024 * 1024)


class Reserve:
    """`<journal>.reserve`."""

    def __init__(self, journal: Path) -> None:
        self.path = journal.with_name(journal.name + ".reserve")

    def prepare(self) -> bool:
        """Make it unless it is there; whether it is there now."""
        try:
            if self.path.is_file() and self.path.stat().st_size >= RESERVE_BYTES:
                return True
            if shutil.disk_usage(self.path.parent).free < RESERVE_BYTES * ROOM_FACTOR:
                return False
            with self.path.open("wb") as file:
                for _ in range(RESERVE_BYTES // len(_CHUNK)):
                    file.write(_CHUNK)  # a hole would hold no space
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            self.release()
            return False
        return True

    def release(self) -> bool:
        """Give its space back; whether there was any."""
        with contextlib.suppress(OSError):
            has_space = self.path.stat().st_size > 0
            self.path.unlink()
            return has_space
        return False

    def is_disk_full(self) -> bool:
        """Whether next to nothing can be written beside the journal."""
        try:
            return shutil.disk_usage(self.path.parent).free < len(_CHUNK)
        except OSError:
            return False
