"""The one connection that writes, and its thread.

Group commit: whatever is queued while a commit runs goes into the next transaction, so a hundred waiters cost one
fsync. A caller hears back only after the commit. After a failed transaction nothing is accepted any more: a journal
that lost one record must not go on as if it had it.

Work that is begun and not waited for is committed together with the work that follows at once: what follows is on disk
only with it or after it.

What is committed stands in SQLite's log until a checkpoint copies it into the file. SQLite makes one inside the commit
that brings the log to 1,000 pages, and whoever waits for that commit waits for it; the thread makes most of them
before, while nobody waits.
"""

import asyncio
import contextlib
import queue
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sqlite_utils import Database

from bot.journal.errors import JournalError, classify, is_busy, is_fatal

T = TypeVar("T")
BATCH_MAX = 500
HEARTBEAT_SECONDS = 15.0
IDLE_SECONDS = 2.0  # without work, after which none is expected for the time of a checkpoint
CHECKPOINT_COMMITS = 10
"""So many commits are worth a checkpoint: a turn of 180 instruments takes 60 pages, an order 10."""
POLL_SECONDS = 0.1  # of one attempt to take another program's write lock
HURRIED_SECONDS = 0.3
"""How long a write waits for another program's lock while the kill switch is in force."""
FOLLOWED_SECONDS = 0.05
"""How long work that was begun waits for the work that follows it, before it is committed alone."""


@dataclass(slots=True)
class _Job:
    work: Callable[[Database], Any]
    answer: "Future[Any]"
    connect: Callable[[], Database] | None = None  # another connection instead of work
    is_followed: bool = False  # by work that relies on it


def _nothing(_: Database) -> None:
    """No work."""


def _no_more() -> None:
    """Nobody waits for the end of the thread."""


class Writer:
    """Runs functions of the database inside transactions, in the order they came.

    `connect` opens the database in the thread that will use it. `on_batch` runs last in every transaction, `restore`
    whenever a piece of work or a transaction was rolled back, `on_commit` before the first caller hears of a commit.
    Without a thread (`threaded=False`, for virtual time) every piece of work is a transaction of its own, on the
    caller's thread.
    """

    def __init__(
        self,
        path: Path,
        connect: Callable[[], Database],
        *,
        on_batch: Callable[[Database], None],
        mark: Callable[[], Any],
        restore: Callable[[Any], None],
        on_commit: Callable[[], None],
        threaded: bool,
    ) -> None:
        self._path = path
        self._connect = connect
        self._on_batch = on_batch
        self._mark, self._restore, self._on_commit = mark, restore, on_commit
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._loop, name="journal", daemon=True) if threaded else None
        self._db: Database | None = None
        self._opened: Future[None] = Future()
        self._ending, self._has_ended = threading.Lock(), self._thread is None
        self._after: Callable[[], None] = _no_more
        self.failed: JournalError | None = None
        self.is_closed = False
        self.turned = time.monotonic()
        self._busy_seconds = 0.0
        self._unchecked = 0  # commits since the last checkpoint that this thread has made
        self.is_hurried: Callable[[], bool] = lambda: False

    def silent_seconds(self) -> float:
        """Since the thread's last turn; without a thread there is nothing to be late."""
        return 0.0 if self._thread is None else time.monotonic() - self.turned

    async def start(self) -> None:
        """Open the database.

        Raises:
            JournalError: what `connect` met.
        """
        if self._thread is None:
            self._db = self._open()
            return
        self._thread.start()
        await asyncio.wrap_future(self._opened)

    def abandon(self, last: Callable[[Database], None], then: Callable[[], None]) -> None:
        """End without anybody who waits: `start` was cancelled, and its thread may still be opening the database. It
        does `last` with what it has opened, closes it and calls `then`."""
        self.is_closed = True
        with self._ending:
            if not self._has_ended:
                self._after = then
                self._queue.put(_Job(last, Future()))
                self._queue.put(None)
                return
        then()

    async def run(self, work: Callable[[Database], T]) -> T:
        """The result of `work(db)`, once its transaction is on disk.

        Raises:
            JournalError: when the storage failed now or before; nothing of `work` is kept.
            Exception: what `work` itself raised; its writes are undone, those of its neighbours are not.
        """
        job = self._accepted(work)
        if self._thread is None:
            self._commit([job])
            return job.answer.result()  # type: ignore[no-any-return]
        self._queue.put(job)
        return await asyncio.wrap_future(job.answer)

    def begin(self, work: Callable[[Database], T]) -> Awaitable[T]:
        """The same for work that other work follows, which is asked for before the result is awaited: both are one
        transaction where the other comes in time. Any failure is one of the storage: what follows relies on it, and
        must not be kept without it. Without a thread the work is on disk when this returns.

        Raises:
            JournalError: as `run`; later ones when the result is awaited.
        """
        job = self._accepted(work, is_followed=True)
        if self._thread is None:
            done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
            self._commit([job])
            done.set_result(job.answer.result())
            return done
        self._queue.put(job)
        return asyncio.wrap_future(job.answer)

    def _accepted(self, work: Callable[[Database], Any], *, is_followed: bool = False) -> _Job:
        """A piece of work for a writer that takes some. Raises JournalError."""
        if self.failed is not None:
            raise self.failed
        if self.is_closed:
            raise JournalError(self._path, "is closed", "open it again")
        return _Job(work, Future(), is_followed=is_followed)

    async def reopen(self, connect: Callable[[], Database]) -> None:
        """Go on with another connection, made where it will be used; the one before stays where that fails.

        Raises:
            JournalError, OSError, sqlite3.Error: what `connect` met.
        """
        job = _Job(_nothing, Future(), connect)
        if self._thread is None:
            self._reopen(job, connect)
            job.answer.result()
            return
        self._queue.put(job)
        await asyncio.wrap_future(job.answer)

    def _reopen(self, job: _Job, connect: Callable[[], Database]) -> None:
        if not job.answer.set_running_or_notify_cancel():
            return
        try:
            new = connect()
        except BaseException as error:  # noqa: BLE001 - handed to the one who waits
            job.answer.set_exception(error)
            return
        self._close()
        self._db, self.failed = self._adopted(new), None
        job.answer.set_result(None)

    async def stop(self) -> None:
        """Finish what is queued and close the connection. Safe to call twice."""
        if self.is_closed:
            return
        self.is_closed = True
        if self._thread is None:
            self._close()
            return
        self._queue.put(None)
        if self._thread.is_alive():
            await asyncio.get_running_loop().run_in_executor(None, self._thread.join)

    def _open(self) -> Database:
        try:
            return self._adopted(self._connect())
        except Exception as error:
            raise classify(error, self._path) from error

    def _adopted(self, db: Database) -> Database:
        """The connection; its wait for another program's lock is divided into attempts, so that it can be cut short."""
        self._busy_seconds = db.execute("PRAGMA busy_timeout").fetchone()[0] / 1000
        db.execute(f"PRAGMA busy_timeout = {int(min(self._busy_seconds, POLL_SECONDS) * 1000)}")
        return db

    def _begin(self, db: Database) -> None:
        """Begin a transaction that writes, as soon as no other program does."""
        begun = time.monotonic()
        while True:
            try:
                db.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                longest = min(self._busy_seconds, HURRIED_SECONDS) if self.is_hurried() else self._busy_seconds
                if not is_busy(error) or time.monotonic() - begun >= longest:
                    raise
            else:
                return

    def _close(self) -> None:
        if self._db is not None:
            with contextlib.suppress(Exception):
                self._db.close()

    def _loop(self) -> None:
        try:
            self._work()
        finally:
            with self._ending:
                self._has_ended = True
            self._after()

    def _work(self) -> None:
        if not self._opened.set_running_or_notify_cancel():  # from here on nobody can cancel it
            return
        try:
            self._db = self._open()
        except BaseException as error:  # noqa: BLE001 - handed to the one who waits for the start
            self._opened.set_exception(error)
            return
        self._opened.set_result(None)
        while (batch := self._next_batch()) is not None:
            self._commit(batch)
            self.turned = time.monotonic()
        self._close()

    def _next_batch(self) -> list[_Job] | None:
        try:
            first = self._first()
        except queue.Empty:
            return []
        if first is None:
            return None
        if first.connect is not None:
            self._reopen(first, first.connect)
            return []
        batch = [first]
        while len(batch) < BATCH_MAX:
            try:
                seconds = FOLLOWED_SECONDS if batch[-1].is_followed else 0
                job = self._queue.get(timeout=seconds) if seconds else self._queue.get_nowait()
            except queue.Empty:
                break
            if job is None or job.connect is not None:
                self._queue.put(job)
                break
            batch.append(job)
        return batch

    def _first(self) -> _Job | None:
        """The next piece of work, and a checkpoint if none comes for a moment. Raises queue.Empty: still none."""
        if self._unchecked >= CHECKPOINT_COMMITS and self.failed is None:
            with contextlib.suppress(queue.Empty):
                return self._queue.get(timeout=IDLE_SECONDS)
            self._checkpoint()
        return self._queue.get(timeout=HEARTBEAT_SECONDS)

    def _checkpoint(self) -> None:
        """Copy the log into the file, without waiting for a reader or another program. What cannot be copied stays in
        the log, which is as durable: as after a failure of SQLite's own checkpoint, later commits try again."""
        self._unchecked = 0
        with contextlib.suppress(sqlite3.Error):
            assert self._db is not None  # noqa: S101 - as in `_commit`
            self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def _commit(self, batch: list[_Job]) -> None:
        batch = [job for job in batch if job.answer.set_running_or_notify_cancel()]
        if self.failed is not None:
            for job in batch:
                job.answer.set_exception(self.failed)
            return
        assert self._db is not None  # noqa: S101 - our own invariant: nothing runs before `start`
        mark = self._mark()
        try:
            answers = self._transact(self._db, batch)
        except Exception as error:  # noqa: BLE001 - handed to everyone who waits for this transaction
            self._restore(mark)
            self.failed = classify(error, self._path)
            with contextlib.suppress(Exception):
                self._db.rollback()
            for job in batch:
                job.answer.set_exception(self.failed)
            return
        self._unchecked += 1
        self._on_commit()
        for job, (result, refusal) in zip(batch, answers, strict=True):
            if refusal is not None:
                job.answer.set_exception(refusal)
            else:
                job.answer.set_result(result)

    def _transact(self, db: Database, batch: list[_Job]) -> list[tuple[Any, Exception | None]]:
        if len(batch) == 1:
            return [self._transact_alone(db, batch[0])]
        answers: list[tuple[Any, Exception | None]] = []
        self._begin(db)
        for job in batch:
            mark = self._mark()
            try:
                with db.atomic():
                    answers.append((job.work(db), None))
            except Exception as error:
                if _ends_all(error, job, db):
                    raise
                self._restore(mark)
                answers.append((None, error))
        self._on_batch(db)
        db.execute("COMMIT")
        return answers

    def _transact_alone(self, db: Database, job: _Job) -> tuple[Any, Exception | None]:
        """The same for work without neighbours: the transaction is undone with it, no savepoint is needed."""
        mark = self._mark()
        self._begin(db)
        try:
            answer = job.work(db)
        except Exception as error:
            if _ends_all(error, job, db):
                raise
            db.execute("ROLLBACK")
            self._restore(mark)
            return None, error
        self._on_batch(db)
        db.execute("COMMIT")
        return answer, None


def _ends_all(error: Exception, job: _Job, db: Database) -> bool:
    """Whether nothing may be kept after the failure of a piece of work."""
    return is_fatal(error) or job.is_followed or not db.conn.in_transaction
