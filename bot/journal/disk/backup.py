"""A copy of a journal that is one moment of it, taken while the daemon goes on writing."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from bot.atomic_file import publish
from bot.journal.errors import JournalError, classify
from bot.journal.reader import JournalReader


def back_up(journal: Path, destination: Path) -> int:
    """Copy, verify the copy, and only then give it its name; the bytes written. The journal is only read.

    Raises:
        JournalError: there is no journal, the destination is taken or cannot be written, or the copy does not verify.
    """
    if not journal.is_file():
        raise JournalError(journal, "there is no journal to copy", "name the one to copy with --journal")
    if destination.exists():
        raise JournalError(destination, "is there already", "a backup never replaces a file: choose another name")
    partial = destination.with_name(destination.name + ".partial")
    try:
        partial.unlink(missing_ok=True)
        os.close(os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        with closing(sqlite3.connect(f"file:{journal}?mode=ro", uri=True)) as source:
            source.execute("VACUUM INTO ?", [str(partial)])
        _check(partial)
        publish(partial, destination)
    except (sqlite3.Error, OSError) as error:
        raise classify(error, destination) from error
    finally:
        partial.unlink(missing_ok=True)
    return destination.stat().st_size


def copy_unlocked(journal: Path, destination: Path) -> None:
    """Copy a journal as it is at this moment, with its lease given back: the copy may be written to, by anybody.

    Raises:
        JournalError: it cannot be read or copied; its path is the journal's.
    """
    try:
        with (
            closing(sqlite3.connect(f"{journal.absolute().as_uri()}?mode=ro", uri=True, timeout=10)) as source,
            closing(sqlite3.connect(destination)) as copy,
        ):
            source.backup(copy)
            if copy.execute("SELECT 1 FROM sqlite_master WHERE name = 'lease'").fetchone():
                copy.execute("UPDATE lease SET is_released = 1")
                copy.commit()
    except (sqlite3.Error, OSError) as error:
        raise classify(error, journal) from error


def _check(copy: Path) -> None:
    reader = JournalReader(copy)
    try:
        reader.verify()
    finally:
        reader.close()
