"""What can be wrong with a journal, each with its path and what to do about it.

Only this module interprets SQLite's result codes.
"""

import contextlib
import errno
import os
import sqlite3
from pathlib import Path

_FULL, _READONLY, _PERM, _CANTOPEN, _CORRUPT, _NOTADB, _BUSY, _LOCKED = 13, 8, 3, 14, 11, 26, 5, 6


class JournalError(Exception):
    """The journal cannot be used. Attributes: path, what (the finding), remedy (what to do)."""

    def __init__(self, path: Path, what: str, remedy: str) -> None:
        super().__init__(f"{path}: {what}; {remedy}")
        self.path, self.what, self.remedy = path, what, remedy


class JournalNewer(JournalError):
    """Written by a newer version of the program."""


class JournalReadOnly(JournalError):
    """The file or its directory cannot be written."""


class JournalBusy(JournalError):
    """Another daemon, or another program's write lock, holds the journal."""


class JournalLocked(JournalBusy):
    """Another program's write lock; it passes when that program ends its transaction."""

    @classmethod
    def by_holders(cls, path: Path, error: Exception) -> "JournalLocked":
        """Names the programs that have the file open, as far as this machine says."""
        holders = holders_of(path)
        who = f", it is open in {', '.join(holders)}" if holders else ""
        return cls(path, f"is locked by another program ({error}){who}", "close whatever is writing to it")


class JournalCorrupt(JournalError):
    """The file, the hash chain or a projection is not what was written."""


class JournalFull(JournalError):
    """The disk is full."""


class SnapshotPruned(JournalError):
    """The cycle is known, but what it saw is no longer kept."""


class DuplicateOrder(Exception):
    """The client order id was used before, or another order of the same intent is still live. Nothing was written.

    `is_id_taken` distinguishes the first case from the second.
    """

    def __init__(self, message: str, *, is_id_taken: bool = False) -> None:
        super().__init__(message)
        self.is_id_taken = is_id_taken


NO_JOURNAL = "start the bot, which makes one, or name another with --journal"


def classify(error: Exception, path: Path) -> JournalError:
    """The journal error for an SQLite or operating-system error raised while using the journal at `path`."""
    if isinstance(error, JournalError):
        return error
    if isinstance(error, OSError):
        return _of_system(error, path)
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == _FULL:
        return JournalFull(path, f"no space left ({error})", "free disk space and restart: nothing was lost")
    if code in (_READONLY, _PERM, _CANTOPEN):
        return JournalReadOnly(path, f"cannot be written ({error})", "make the file and its directory writable")
    if code in (_BUSY, _LOCKED):
        return JournalLocked.by_holders(path, error)
    if code in (_CORRUPT, _NOTADB):
        return corrupt(path, str(error))
    if isinstance(error, sqlite3.OperationalError) and str(error) == "no such table: event":
        return JournalError(path, "is no journal: it has no events", NO_JOURNAL)
    return JournalError(path, f"failed: {error!r}", "check the disk and restart: acknowledged records are kept")


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another connection holds the lock that was asked for."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (_BUSY, _LOCKED)


def holders_of(path: Path) -> list[str]:
    """The other processes of this machine that have a file open, where it may be asked: `process 42 (sqlite3)`."""
    result, own = [], os.getpid()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            required = path.stat()
            for link in (process / "fd").iterdir():
                seen = link.stat()
                if (seen.st_dev, seen.st_ino) == (required.st_dev, required.st_ino) and int(process.name) != own:
                    result.append(f"process {process.name} ({(process / 'comm').read_text().strip()})")
                    break
    return result


def corrupt(path: Path, what: str) -> JournalCorrupt:
    """A JournalCorrupt with the standing advice."""
    return JournalCorrupt(
        path, f"is damaged ({what})", "stop, keep the file, and restore a copy or start a new journal after a look"
    )


def newer(path: Path, names: list[str]) -> JournalNewer:
    """A JournalNewer naming the unknown migrations."""
    return JournalNewer(
        path, f"was written by a newer version (unknown migrations: {', '.join(names)})", "update the program"
    )


def is_fatal(error: Exception) -> bool:
    """Whether the journal must refuse everything after this error: the storage failed, not the request."""
    return isinstance(error, JournalError | sqlite3.Error | OSError) and not isinstance(
        error, sqlite3.IntegrityError | sqlite3.ProgrammingError
    )


def _of_system(error: OSError, path: Path) -> JournalError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return JournalFull(path, f"no space left ({error.strerror})", "free disk space and restart: nothing was lost")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return JournalReadOnly(
            path, f"cannot be written ({error.strerror})", "make the file and its directory writable"
        )
    if error.errno == errno.EEXIST:
        return JournalError(path, "is a file, where a folder is meant", "remove it, or name another state_directory")
    return JournalError(path, f"cannot be opened ({error.strerror or error})", "check the path in [journal]")
