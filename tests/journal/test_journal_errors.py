"""What an operator reads when the journal cannot be used: path, finding, and what to do, word for word."""

import errno
import sqlite3
from pathlib import Path

import pytest

from bot.journal.errors import (
    DuplicateOrder,
    JournalCorrupt,
    JournalError,
    JournalFull,
    JournalLocked,
    JournalNewer,
    JournalReadOnly,
    classify,
    corrupt,
    is_fatal,
    newer,
)

PATH = Path("j.db")
FULL = "free disk space and restart: nothing was lost"
WRITABLE = "make the file and its directory writable"
DAMAGED = "stop, keep the file, and restore a copy or start a new journal after a look"
ANYTHING = "check the disk and restart: acknowledged records are kept"


def of_sqlite(code: int) -> sqlite3.Error:
    error = sqlite3.OperationalError("words of SQLite")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        (sqlite3.SQLITE_FULL, JournalFull, f"j.db: no space left (words of SQLite); {FULL}"),
        (sqlite3.SQLITE_READONLY, JournalReadOnly, f"j.db: cannot be written (words of SQLite); {WRITABLE}"),
        (sqlite3.SQLITE_READONLY_DBMOVED, JournalReadOnly, f"j.db: cannot be written (words of SQLite); {WRITABLE}"),
        (sqlite3.SQLITE_PERM, JournalReadOnly, f"j.db: cannot be written (words of SQLite); {WRITABLE}"),
        (sqlite3.SQLITE_CANTOPEN, JournalReadOnly, f"j.db: cannot be written (words of SQLite); {WRITABLE}"),
        (
            sqlite3.SQLITE_BUSY,
            JournalLocked,
            "j.db: is locked by another program (words of SQLite); close whatever is writing to it",
        ),
        (
            sqlite3.SQLITE_LOCKED,
            JournalLocked,
            "j.db: is locked by another program (words of SQLite); close whatever is writing to it",
        ),
        (sqlite3.SQLITE_CORRUPT, JournalCorrupt, f"j.db: is damaged (words of SQLite); {DAMAGED}"),
        (sqlite3.SQLITE_NOTADB, JournalCorrupt, f"j.db: is damaged (words of SQLite); {DAMAGED}"),
        (sqlite3.SQLITE_IOERR_WRITE, JournalError, f"j.db: failed: OperationalError('words of SQLite'); {ANYTHING}"),
    ],
)
def test_a_code_of_sqlite_has_a_name_and_a_remedy(code: int, kind: type[JournalError], words: str) -> None:
    found = classify(of_sqlite(code), PATH)
    assert (type(found), str(found)) == (kind, words)
    assert f"{found.path}: {found.what}; {found.remedy}" == words
    assert classify(found, Path("elsewhere")) is found


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (OSError(errno.ENOSPC, "No space"), JournalFull, f"j.db: no space left (No space); {FULL}"),
        (OSError(errno.EDQUOT, "Quota"), JournalFull, f"j.db: no space left (Quota); {FULL}"),
        (OSError(errno.EACCES, "Denied"), JournalReadOnly, f"j.db: cannot be written (Denied); {WRITABLE}"),
        (OSError(errno.EPERM, "Not yours"), JournalReadOnly, f"j.db: cannot be written (Not yours); {WRITABLE}"),
        (OSError(errno.EROFS, "Read-only"), JournalReadOnly, f"j.db: cannot be written (Read-only); {WRITABLE}"),
        (
            OSError(errno.EIO, "I/O error"),
            JournalError,
            "j.db: cannot be opened (I/O error); check the path in [journal]",
        ),
        (
            OSError(errno.EEXIST, "File exists"),
            JournalError,
            "j.db: is a file, where a folder is meant; remove it, or name another state_directory",
        ),
        (OSError("no number"), JournalError, "j.db: cannot be opened (no number); check the path in [journal]"),
        (sqlite3.OperationalError("no code"), JournalError, f"j.db: failed: OperationalError('no code'); {ANYTHING}"),
    ],
)
def test_an_error_without_such_a_code_has_one_too(error: Exception, kind: type[JournalError], words: str) -> None:
    found = classify(error, PATH)
    assert (type(found), str(found)) == (kind, words)


def test_the_standing_advice() -> None:
    assert str(corrupt(PATH, "event 5 is missing")) == f"j.db: is damaged (event 5 is missing); {DAMAGED}"
    found = newer(PATH, ["m002_x", "m003_y"])
    assert isinstance(found, JournalNewer)
    assert str(found) == (
        "j.db: was written by a newer version (unknown migrations: m002_x, m003_y); update the program"
    )


@pytest.mark.parametrize(
    ("error", "fatal"),
    [
        (JournalFull(PATH, "a", "b"), True),
        (sqlite3.OperationalError("x"), True),
        (OSError("x"), True),
        (sqlite3.IntegrityError("x"), False),
        (sqlite3.ProgrammingError("x"), False),
        (ValueError("x"), False),
        (DuplicateOrder("x", is_id_taken=True), False),
        (KeyError("x"), False),
    ],
)
def test_storage_that_failed_stops_the_journal_and_a_bad_request_does_not(error: Exception, fatal: bool) -> None:
    assert is_fatal(error) is fatal
