"""Accept records again after a failure: in the reserve of a full disk, or in a copy while the journal is locked.

Both are for the kill switch, which has to act (docs/decisions/0013 and 0016). Any other failure stays: only a new start
reads what is on the disk.
"""

import sqlite3
from collections.abc import Callable
from pathlib import Path

from sqlite_utils import Database

from bot.journal.chain import check_chain
from bot.journal.disk.reserve import Reserve
from bot.journal.errors import JournalBusy, JournalError, JournalFull, JournalLocked, JournalReadOnly, classify, corrupt
from bot.journal.proof import check_file, prove
from bot.journal.reader import JournalReader
from bot.journal.schema import GENESIS, migrations
from bot.journal.substitute import QUICK_SECONDS, Substitute
from bot.journal.writer import Writer

CHECKED_AT_OPEN = 1_000  # newest events whose hash chain is followed
WHOLE_CHECK_MAX_BYTES = 32 * 1024 * 1024
FEW_PAGES = 100
BUSY_SECONDS = 10.0
# The storage failed and not what stands in it, so that the copy may be used on.
_STORAGE_ERRORS = (JournalLocked, JournalFull, JournalReadOnly, OSError, sqlite3.OperationalError)


class Recovery:
    """The two ways of one journal.

    Args:
        head: the last event that this process has written: number and hash.
        claim: writes this process into the lease, and which table had to be rebuilt, empty for none.
    """

    def __init__(
        self,
        path: Path,
        reader: JournalReader,
        writer: Writer,
        reserve: Reserve,
        *,
        head: Callable[[], tuple[int, str]],
        claim: Callable[[Database, str], None],
    ) -> None:
        self._journal, self._reader, self._writer, self._reserve = path, reader, writer, reserve
        self._head, self._claim = head, claim
        self._substitute = Substitute(path)
        self.path = path  # of the file in use

    @property
    def is_substituted(self) -> bool:
        return self.path != self._journal

    async def recover(self) -> bool:
        """Whether records are accepted. The file must be as this process left it. A full disk costs the reserve; a
        locked file is replaced by a copy of it until `return_if_unlocked`."""
        failed, writer = self._writer.failed, self._writer
        is_full = isinstance(failed, JournalFull) or (type(failed) is JournalError and self._reserve.is_disk_full())
        if failed is None:
            return True
        if writer.is_closed or not (is_full or isinstance(failed, JournalBusy)):
            return False
        if isinstance(failed, JournalLocked) and await self._go_on_in_substitute():
            return True
        if is_full:
            self._reserve.release()
        writer.failed = None
        try:
            await writer.run(self._check_head)  # the commit renews the lease, so it writes
        except JournalError:
            return False
        return True

    async def return_if_unlocked(self, *, may_stay: bool) -> bool:
        """Back from the copy, if the journal can be written again; whether the journal itself is in use.

        Args:
            may_stay: a level of the kill switch is in force, which may go on in the copy.

        Raises:
            JournalLocked: the journal still is locked, and nothing may go on in the copy.
            JournalError: it cannot be written and nothing may go on in the copy, or the two do not belong together.
        """
        if not self.is_substituted:
            return True
        try:
            await self._writer.reopen(self._open_again)
        except _STORAGE_ERRORS as error:
            if not may_stay:
                raise classify(error, self._journal) from error
            return False
        except sqlite3.Error as error:
            raise classify(error, self._journal) from error
        return True

    def enter_at_start(self) -> None:
        """Before the first connection: the start happens in the copy, if one can be made."""
        if self._substitute.make():
            self._use(self._substitute.path)

    def prove_at_start(self, db: Database) -> str:
        """Take in what an earlier process wrote into a copy, then compare what the start relies on with its events.

        Returns:
            Which table had to be rebuilt, empty for none.

        Raises:
            JournalCorrupt: an event is not what was written.
            JournalLocked, JournalError: as `Substitute.return_into`.
        """
        # Every page of a journal of years would take longer to read than a restart may; `verify` reads them all.
        is_small = self.path.stat().st_size <= WHOLE_CHECK_MAX_BYTES
        findings = [check_file(db, self.path)] if is_small else []
        db.enable_wal()
        migrations.apply(db)
        if not self.is_substituted:
            self._substitute.return_into(db)
        return "; ".join(filter(None, [*findings, self._prove(db, self.path, is_small)]))

    @staticmethod
    def _prove(db: Database, path: Path, is_small: bool) -> str:
        check_chain(db, path, CHECKED_AT_OPEN)
        return prove(db, path, reads_all=is_small)

    async def _go_on_in_substitute(self) -> bool:
        if self.is_substituted:  # the copy itself is locked
            return False
        try:
            await self._writer.reopen(self._open_substitute)
        except (JournalError, OSError, sqlite3.Error):
            return False
        return True

    def _open_substitute(self) -> Database:
        """A connection to the copy, which must end where this process has written last. In the writer's thread."""
        if not self._substitute.make():
            raise JournalLocked(self._journal, "is locked and cannot be copied", "close whatever is writing to it")
        db = open_file(self._substitute.path, BUSY_SECONDS)
        try:
            db.enable_wal()
            self._check_head(db)
        except BaseException:
            db.close()
            raise
        self._use(self._substitute.path)
        return db

    def _open_again(self) -> Database:
        db = open_file(self._journal, QUICK_SECONDS)
        try:
            self._substitute.return_into(db)
            self._check_head(db)
            # The start proved the copy alone: the journal's own tables have not been compared with its events yet.
            is_small = self._journal.stat().st_size <= WHOLE_CHECK_MAX_BYTES
            self._claim(db, self._prove(db, self._journal, is_small))
            db.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")
        except BaseException:
            db.close()
            raise
        self._use(self._journal)
        return db

    def _use(self, path: Path) -> None:
        self.path = path
        self._reader.follow(path)

    def _check_head(self, db: Database) -> None:
        """The file ends where this process left it. Checkpoints come early from here on: the log stays small."""
        db.execute(f"PRAGMA wal_autocheckpoint = {FEW_PAGES}")
        row = db.execute("SELECT seq, hash FROM event ORDER BY seq DESC LIMIT 1").fetchone()
        if tuple(row or (0, GENESIS)) != self._head():
            raise corrupt(self.path, "it ends with another event than the last one acknowledged")


def open_file(path: Path, busy_seconds: float) -> Database:
    """A connection that is on disk when a commit returns."""
    db = Database(sqlite3.connect(path, isolation_level=None, timeout=busy_seconds))
    for pragma in ("synchronous = FULL", "foreign_keys = ON", "fullfsync = ON"):
        db.execute(f"PRAGMA {pragma}")
    return db
