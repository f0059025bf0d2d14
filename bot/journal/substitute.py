"""`<journal>.substitute`: a copy of a locked journal in which the kill switch goes on, and its way back.

Another program's lock keeps everybody from writing, and nobody from reading. While a level is in force the journal is
copied, and its chain of events goes on in the copy, under the rules of every other day: an order is written down before
it is sent. Once the journal can be written, the events of the copy that it lacks are appended to it in one transaction,
and the copy is removed. Their hashes prove that they follow. docs/decisions/0016 has the choice and its price.
"""

import json
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from bot.atomic_file import publish
from bot.journal.chain import check_event, check_parts_of
from bot.journal.errors import JournalError, JournalLocked, is_busy
from bot.journal.parts import asking, copy_parts
from bot.journal.schema import GENESIS, migrations, project
from bot.journal.turns import whole_payload

SIZE_MAX = 512 * 1024 * 1024  # larger ones take longer to copy than most locks last
ROOM_FACTOR = 1.2
QUICK_SECONDS = 0.5
_COLUMNS = "seq, at_ms, kind, cycle, payload, prev_hash, hash"


class Substitute:
    """The copy beside one journal. All methods raise sqlite3.Error and OSError besides what they say."""

    def __init__(self, journal: Path) -> None:
        self.journal, self.path = journal, journal.with_name(journal.name + ".substitute")

    def exists(self) -> bool:
        return self.path.is_file()

    def make(self) -> bool:
        """Copy the journal unless there is a copy; False where it is too large, or has no room.

        A copy that is there was made of this journal, and may hold more than it does.
        """
        if self.exists():
            return True
        size = sum(file.stat().st_size for file in self._files(self.journal) if file.is_file())
        if size > SIZE_MAX or shutil.disk_usage(self.path.parent).free < size * ROOM_FACTOR:
            return False
        self._clear()
        partial = self.path.with_name(self.path.name + ".partial")
        partial.unlink(missing_ok=True)
        os.close(os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        with closing(_read_only(self.journal)) as source, closing(sqlite3.connect(partial)) as copy:
            source.backup(copy)
        publish(partial, self.path)
        return True

    def return_into(self, db: Database) -> int:
        """Append what the journal `db` lacks of the copy, and remove the copy; how many events that were. Either file
        may be of an earlier version.

        Raises:
            JournalLocked: the journal still is.
            JournalError: the two do not belong together.
        """
        if not self.exists():
            return 0
        with closing(sqlite3.connect(self.path, timeout=QUICK_SECONDS, isolation_level=None)) as copy:
            migrations.apply(Database(copy))
        try:
            migrations.apply(db)
        except sqlite3.OperationalError as error:
            if not is_busy(error):
                raise
            raise JournalLocked.by_holders(self.journal, error) from error
        with closing(_read_only(self.path)) as source:
            count = self._append(db, source)
        self._clear()
        return count

    def _append(self, db: Database, source: sqlite3.Connection) -> int:
        try:
            db.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if not is_busy(error):
                raise
            raise JournalLocked.by_holders(self.journal, error) from error
        try:
            last, head = db.execute("SELECT seq, hash FROM event ORDER BY seq DESC LIMIT 1").fetchone() or (0, GENESIS)
            known = source.execute("SELECT hash FROM event WHERE seq = ?", [last]).fetchone()
            newest = source.execute("SELECT coalesce(max(seq), 0) FROM event").fetchone()[0]
            if newest < last and self._has(db, source, newest):
                rows: list[Any] = []  # the journal has all of it, and has gone on
            elif known == (head,) or (last == 0 and known is None):
                rows = source.execute(f"SELECT {_COLUMNS} FROM event WHERE seq > ? ORDER BY seq", [last]).fetchall()
            else:
                raise JournalError(
                    self.path,
                    f"holds events that do not follow those of {self.journal}",
                    "one of the two was replaced: look at both, then move the one away that is not of this account",
                )
            copy_parts(db, source)
            for row in rows:
                self._take(db, head, row)
                head = row[6]
            columns = "digest, at_ms, body, kept_until"
            for snapshot in source.execute(f"SELECT {columns} FROM snapshots"):
                db.execute(f"INSERT OR IGNORE INTO snapshots ({columns}) VALUES (?, ?, ?, ?)", list(snapshot))
            db.execute("COMMIT")
        except BaseException:
            db.rollback()
            raise
        return len(rows)

    def _take(self, db: Database, head: str, row: tuple[Any, ...]) -> None:
        check_event(row, self.path)
        if row[5] != head:
            raise JournalError(
                self.path,
                f"breaks the hash chain at event {row[0]}",
                "keep both files, and restore a copy after a look",
            )
        db.execute(f"INSERT INTO event ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", list(row))
        check_parts_of(db, row, self.path)
        project(db, row[0], row[1], row[2], whole_payload(asking(db), json.loads(row[4])))

    def _has(self, db: Database, source: sqlite3.Connection, seq: int) -> bool:
        question = "SELECT hash FROM event WHERE seq = ?"
        theirs = source.execute(question, [seq]).fetchone()
        return theirs is not None and theirs == db.execute(question, [seq]).fetchone()

    def _clear(self) -> None:
        """The log goes first: a copy of another day must not find one that is not its own."""
        base, *logs = self._files(self.path)
        for file in (*logs, base):
            file.unlink(missing_ok=True)

    @staticmethod
    def _files(path: Path) -> tuple[Path, ...]:
        return (path, *(path.with_name(path.name + end) for end in ("-wal", "-shm")))


def _read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path.absolute().as_uri() + "?mode=ro", uri=True, timeout=QUICK_SECONDS, isolation_level=None)
