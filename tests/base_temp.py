"""The folder below which every test gets its own: in memory where there is room, so that no test waits for a disk.

The folder belongs to one run of the tests and goes with it. Where a test has failed it stays until the next run begins,
which removes the folders of all runs that are over. The lock says which are not: it ends with its process.
"""

import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from typing import IO

MEMORY = Path("/dev/shm")
NEEDED_BYTES = 1 << 30  # several times what the whole suite leaves behind
LOCK = "lock"


class BaseTemp:
    """A new folder in memory, held by this process."""

    def __init__(self, memory: Path = MEMORY) -> None:
        remove_old(memory)
        unheld = Path(tempfile.mkdtemp(prefix=f".{_prefix()}", dir=memory))
        self._lock = (unheld / LOCK).open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        # Under its own name only from here on: another run may remove a folder that nobody holds.
        self.folder = unheld.rename(memory / unheld.name.removeprefix("."))

    @property
    def base(self) -> Path:
        """Where pytest makes its folders; it wants to make this one itself."""
        return self.folder / "base"

    def release(self, *, keeps: bool) -> None:
        """Let the folder go, or leave it to be looked at until the next run."""
        if not keeps:
            shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.close()


def has_room(memory: Path = MEMORY, needed_bytes: int = NEEDED_BYTES) -> bool:
    """Whether files may be written and run there, and both the file system and the machine have room for them."""
    try:
        status = os.statvfs(memory)
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return False
    available = next((int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:")), 0)
    return (
        os.access(memory, os.W_OK | os.X_OK)
        and not status.f_flag & os.ST_NOEXEC
        and status.f_bavail * status.f_frsize >= needed_bytes
        and available >= 2 * needed_bytes
    )


def remove_old(memory: Path) -> None:
    """Remove this user's folders that no running process holds."""
    for folder in memory.glob(f"{_prefix()}*"):
        try:
            lock: IO[str] = (folder / LOCK).open("r+")
        except FileNotFoundError:  # it was removed while something still wrote below it
            shutil.rmtree(folder, ignore_errors=True)
            continue
        except OSError:
            continue
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            shutil.rmtree(folder, ignore_errors=True)


def _prefix() -> str:
    return f"sectorbot-tests-{os.getuid()}-"
