"""The journal's files on the disk: put aside, and kept private."""

import os
import stat
from pathlib import Path


def set_aside(path: Path) -> Path | None:
    """Rename a journal and say its new name; None where there is none.

    Under the lock: a journal must never be renamed under the daemon that writes it.
    """
    if path.is_file():
        stamp = f"{path.stat().st_mtime:.0f}"
        for file in (path, *(path.with_name(path.name + end) for end in ("-wal", "-shm", ".substitute"))):
            if file.is_file():
                file.rename(file.with_name(f"{stamp}-{file.name}"))
        return path.with_name(f"{stamp}-{path.name}")
    return None


def make_private(path: Path) -> None:
    """The journal holds an account's history: nobody but its owner may read it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if stat.S_IMODE(os.fstat(descriptor).st_mode) & 0o077:
            os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)
