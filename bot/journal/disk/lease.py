"""One writer: a lock file beside the journal, and a lease row inside it.

The lock file keeps a second daemon of the same machine out, the lease one of another machine that shares the file.
A lock dies with its process; a lease of another host is believed until it has not been renewed for `LEASE_MS`.
"""

import contextlib
import fcntl
import json
import os
import socket
from pathlib import Path

from sqlite_utils import Database

from bot.journal.errors import JournalBusy, JournalError, classify

LEASE_MS = 60_000


class LockFile:
    """An exclusive advisory lock on `<journal>.lock`, held until `release` or the end of the process."""

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self.path = journal.with_name(journal.name + ".lock")
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock or say who has it.

        Raises:
            JournalBusy: when another process holds it.
            JournalError: when the lock file cannot be made.
        """
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise classify(error, self.path) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(descriptor, 400).decode(errors="replace")
            os.close(descriptor)
            if not isinstance(error, BlockingIOError | PermissionError):
                raise classify(error, self.path) from error
            raise JournalBusy(self._journal, f"is in use by {_holder_text(holder)}", _REMEDY) from None
        with contextlib.suppress(OSError):  # the lock holds on a full disk as well, where nobody can read whose it is
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the lock back. The file stays, because removing it would let two processes lock two files."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


_REMEDY = "stop that process first: one account has one writer"


def take_lease(db: Database, path: Path, *, account: str, now_ms: int) -> None:
    """Write this process into the lease row. The caller holds the lock file and a transaction.

    Raises:
        JournalBusy: when a process of another host renewed its lease less than `LEASE_MS` ago.
        JournalError: when the journal belongs to another account.
    """
    row = db.execute("SELECT account, pid, host, renewed_ms, is_released FROM lease").fetchone()
    if row is not None:
        owner, pid, host, renewed_ms, is_released = row
        if owner != account:
            raise JournalError(
                path, f"belongs to account {owner!r}, not {account!r}", "give every account a journal of its own"
            )
        age_ms = now_ms - renewed_ms
        if not is_released and host != socket.gethostname() and age_ms < LEASE_MS:
            # A stamp from the future is one of a host whose clock is ahead: nothing says that the host is dead.
            seen = f"seen {age_ms // 1000} s ago" if age_ms >= 0 else f"its clock is {-age_ms // 1000} s ahead of ours"
            again = f"if it is dead, try again in {(LEASE_MS - age_ms) // 1000 + 1} s"
            if age_ms < -LEASE_MS:
                again += (
                    ", or synchronise the clocks of both hosts; a lease that is surely over is given back with "
                    f"`sqlite3 {path} 'UPDATE lease SET is_released = 1'`"
                )
            raise JournalBusy(path, f"is in use by process {pid} on host {host} ({seen})", f"{_REMEDY}; {again}")
    db.execute(
        "INSERT OR REPLACE INTO lease (id, account, pid, host, opened_ms, renewed_ms, is_released)"
        " VALUES (1, ?, ?, ?, ?, ?, 0)",
        [account, os.getpid(), socket.gethostname(), now_ms, now_ms],
    )


def renew_lease(db: Database, now_ms: int) -> None:
    """Say that this process is alive."""
    db.execute("UPDATE lease SET renewed_ms = ? WHERE id = 1 AND pid = ? AND host = ?", [now_ms, *_own_name()])


def release_lease(db: Database, now_ms: int) -> None:
    """Say that this process is done."""
    db.execute(
        "UPDATE lease SET renewed_ms = ?, is_released = 1 WHERE id = 1 AND pid = ? AND host = ?", [now_ms, *_own_name()]
    )


def _own_name() -> tuple[int, str]:
    """Only the holder speaks for a lease: one that was overtaken must not give its successor's back."""
    return os.getpid(), socket.gethostname()


def _holder_text(text: str) -> str:
    try:
        holder = json.loads(text)
        return f"process {holder['pid']} on host {holder['host']}"
    except (ValueError, KeyError, TypeError):
        return "another process"
