"""What the reader of a daemon's journal keeps until the next event: written by another thread, read by this one."""

import asyncio
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

from bot.domain.campaign import Memory
from bot.domain.states import KillLevel
from bot.journal import journal as journal_module
from bot.journal.journal import Journal
from tests.execution.scripted_venue import START_MS
from tests.execution.worlds import make_order


async def opened(path: Path) -> Journal:
    return await Journal.open(path, account="main", now_ms=lambda: START_MS)


def counted(journal: Journal, monkeypatch: Any) -> list[str]:
    """The questions that reach the file."""
    asked = list[str]()
    rows = journal.reader._rows

    def ask(sql: str, parameters: Any = ()) -> Any:
        asked.append(sql)
        return rows(sql, parameters)

    monkeypatch.setattr(journal.reader, "_rows", ask)
    return asked


async def test_the_file_is_asked_once_until_an_event_of_the_kind(tmp_path: Path, monkeypatch: Any) -> None:
    journal = await opened(tmp_path / "j.db")
    asked = counted(journal, monkeypatch)
    await journal.record_submitting(make_order())
    for _ in range(3):
        assert [order.client_id for order in journal.reader.load_working()] == [make_order().client_id]
        assert journal.reader.load_latch().level is KillLevel.OFF
    assert len(asked) == 2
    await journal.record_latch(KillLevel.PAUSE, by="me", reason="because")
    assert journal.reader.load_latch().level is KillLevel.PAUSE
    assert len(journal.reader.load_working()) == 1
    assert len(asked) == 3
    await journal.close()


async def test_what_is_being_written_is_neither_read_nor_taken_for_read(tmp_path: Path, monkeypatch: Any) -> None:
    """An answer that is asked for while its event is written and not committed yet does not outlive the commit."""
    journal = await opened(tmp_path / "j.db")
    await journal.record_memory(Memory(equity_peak=Decimal(1)))
    written, may_commit = threading.Event(), threading.Event()
    renew = journal_module.renew_lease

    def slow(db: Any, now_ms: int) -> None:
        renew(db, now_ms)
        written.set()
        assert may_commit.wait(10)

    monkeypatch.setattr(journal_module, "renew_lease", slow)
    writing = asyncio.create_task(journal.record_memory(Memory(equity_peak=Decimal(2))))
    while not written.is_set():  # noqa: ASYNC110 - set by the writer's thread
        await asyncio.sleep(0.001)
    assert journal.reader.load_memory().equity_peak == 1
    may_commit.set()
    await writing
    assert journal.reader.load_memory().equity_peak == 2
    await journal.close()


async def test_a_rebuilt_journal_is_read_again(tmp_path: Path, monkeypatch: Any) -> None:
    journal = await opened(tmp_path / "j.db")
    await journal.record_submitting(make_order())
    assert len(journal.reader.load_working()) == 1
    asked = counted(journal, monkeypatch)
    await journal.rebuild()
    assert len(journal.reader.load_working()) == 1
    assert len(asked) == 1
    await journal.close()


async def test_a_reader_of_another_file_keeps_nothing(tmp_path: Path, monkeypatch: Any) -> None:
    journal = await opened(tmp_path / "j.db")
    await journal.record_submitting(make_order())
    assert len(journal.reader.load_working()) == 1
    other = await opened(tmp_path / "other.db")
    await other.close()
    journal.reader.follow(tmp_path / "other.db")
    assert journal.reader.load_working() == ()
    await journal.close()
