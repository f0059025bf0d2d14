"""An opening of the journal that is cancelled gives back what it has: thread, connection, lease and lock.

The report of a failed start waits for a journal so long and no longer.
"""

import asyncio
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bot.journal.journal import Journal


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "journal"]


async def all_threads_ended() -> None:
    for thread in threads():
        await asyncio.to_thread(thread.join, 20)
    assert threads() == []


def is_released(path: Path) -> bool:
    with closing(sqlite3.connect(path)) as connection:
        return bool(connection.execute("SELECT is_released FROM lease").fetchone()[0])


async def cancelled(opening: asyncio.Future[Journal]) -> None:
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening


@pytest.mark.parametrize("turns", [1, 200], ids=["before its thread has begun", "while it waits for the file"])
async def test_a_cancelled_opening_of_a_locked_journal_leaves_no_thread_and_no_lock(tmp_path: Path, turns: int) -> None:
    path = tmp_path / "j.db"
    await (await Journal.open(path, account="main", now_ms=lambda: 1)).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as locker:
        locker.execute("BEGIN IMMEDIATE")
        opening = asyncio.ensure_future(Journal.open(path, account="main", now_ms=lambda: 1))
        for _ in range(turns):
            await asyncio.sleep(0.001)
        assert not opening.done()
        await cancelled(opening)
        locker.execute("ROLLBACK")
    await all_threads_ended()
    assert is_released(path)
    await (await Journal.open(path, account="main", now_ms=lambda: 2)).close()


async def test_an_opening_that_is_cancelled_once_the_file_is_open_gives_its_lease_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, connect = threading.Event(), Journal._connect

    def told(self: Journal) -> Any:
        database = connect(self)
        opened.set()
        return database

    monkeypatch.setattr(Journal, "_connect", told)
    opening = asyncio.ensure_future(Journal.open(tmp_path / "j.db", account="main", now_ms=lambda: 1))
    await asyncio.sleep(0)
    assert opened.wait(10), "the loop is held meanwhile, so that nobody hears of it"
    await cancelled(opening)
    await all_threads_ended()
    assert is_released(tmp_path / "j.db")
