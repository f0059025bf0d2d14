"""When the log is copied into the journal's file: while nobody waits for the disk, and no later than SQLite does it."""

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from bot.journal import writer as writer_module
from bot.journal.journal import Journal
from tests.execution.scripted_venue import START_MS

PAGE_BYTES = 4_096
LOG_PAGES = 1_000  # at which SQLite makes a checkpoint inside a commit
COMMITS = writer_module.CHECKPOINT_COMMITS


async def opened(path: Path, monkeypatch: pytest.MonkeyPatch, *, idle_seconds: float = 0.02) -> Journal:
    monkeypatch.setattr(writer_module, "IDLE_SECONDS", idle_seconds)
    return await Journal.open(path, account="main", now_ms=lambda: START_MS)


async def record(journal: Journal, pages: int = 8) -> None:
    await journal.record_fact("note", {"padding": "x" * PAGE_BYTES * pages})


def written(path: Path) -> tuple[int, int]:
    """Differs after each checkpoint: nothing else writes the file itself."""
    seen = path.stat()
    return seen.st_size, seen.st_mtime_ns


class Checkpoints:
    """Counts those that the writer's thread has ended."""

    def __init__(self, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
        writer: Any = journal._writer
        self._make, self.count = writer._checkpoint, 0
        monkeypatch.setattr(writer, "_checkpoint", self._counted)

    def _counted(self) -> None:
        self._make()
        self.count += 1

    async def reach(self, count: int) -> None:
        async with asyncio.timeout(20):
            while self.count < count:  # noqa: ASYNC110 - counted in the writer's thread
                await asyncio.sleep(0.005)


async def test_commits_with_pauses_among_them_never_wait_for_a_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "j.db"
    journal = await opened(path, monkeypatch)
    checkpoints = Checkpoints(journal, monkeypatch)
    for number in range(3 * LOG_PAGES // (8 * COMMITS)):
        before = written(path)
        for _ in range(COMMITS - 1):
            await record(journal)
            assert written(path) == before
        await record(journal)
        await checkpoints.reach(number + 1)  # in the pause
        assert written(path) != before
    assert path.stat().st_size > 2 * LOG_PAGES * PAGE_BYTES
    journal.reader.verify()
    await journal.close()


async def test_commits_without_a_pause_keep_the_log_as_short_as_sqlite_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "j.db"
    journal = await opened(path, monkeypatch, idle_seconds=60.0)
    for _ in range(3 * LOG_PAGES // 40):
        await record(journal, 40)
    assert path.with_name("j.db-wal").stat().st_size < (LOG_PAGES + 100) * (PAGE_BYTES + 24)
    assert path.stat().st_size > 2 * LOG_PAGES * PAGE_BYTES
    await journal.close()


async def test_a_checkpoint_that_fails_costs_no_record_and_is_made_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "j.db"
    journal = await opened(path, monkeypatch)
    checkpoints, writer = Checkpoints(journal, monkeypatch), journal._writer
    # A statement that has not ended: SQLite refuses the checkpoint ("database table is locked").
    reading: sqlite3.Cursor = await writer.run(lambda db: db.execute("SELECT seq FROM event UNION ALL SELECT 1"))
    before = written(path)
    for _ in range(COMMITS):
        await record(journal)
    await checkpoints.reach(1)
    assert written(path) == before
    async with asyncio.timeout(20):
        await writer.run(lambda _: reading.close())
        for _ in range(COMMITS):
            await record(journal)
    await checkpoints.reach(2)
    assert written(path) != before
    assert journal.failed is None
    assert len(journal.reader.load_facts("note")) == 2 * COMMITS
    journal.reader.verify()
    await journal.close()
