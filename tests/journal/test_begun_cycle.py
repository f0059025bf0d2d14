"""A turn whose order follows at once: one commit for both, and no order on disk without its turn."""

import asyncio
import sqlite3
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.domain.turn.decision import Signal
from bot.journal import writer as writer_module
from bot.journal.journal import DuplicateOrder, Journal, JournalError, JournalFull
from tests.execution.worlds import make_order
from tests.journal.test_journal import cycle_record, opened

KINDS = ["cycle", "order_submitting"]


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine takes longer from the turn to its order."""
    monkeypatch.setattr(writer_module, "FOLLOWED_SECONDS", 60.0)


def batches_of(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many pieces of work each transaction from now on has."""
    writer: Any = journal._writer
    transact, sizes = writer._transact, list[int]()

    def counted(db: Any, batch: Any) -> Any:
        sizes.append(len(batch))
        return transact(db, batch)

    monkeypatch.setattr(writer, "_transact", counted)
    return sizes


def kinds_on_disk(path: Path) -> list[str]:
    """The events of turns and orders, as another program reads the file."""
    with closing(sqlite3.connect(path)) as db:
        rows = db.execute("SELECT kind FROM event WHERE kind IN ('cycle', 'order_submitting') ORDER BY seq")
        return [kind for (kind,) in rows]


async def test_a_turn_and_the_order_that_follows_it_are_one_transaction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = await opened(tmp_path / "j.db")
    sizes = batches_of(journal, monkeypatch)
    recorded = journal.begin_cycle(await cycle_record(1))
    await asyncio.sleep(0.2)
    assert kinds_on_disk(journal.path) == []
    await journal.record_submitting(make_order(0))
    assert kinds_on_disk(journal.path) == KINDS
    await recorded
    assert sizes == [2]
    assert journal.reader.next_cycle_number() == 2
    with closing(sqlite3.connect(journal.path)) as db:
        assert db.execute("SELECT cycle FROM event WHERE kind = 'order_submitting'").fetchall() == [(1,)]
    journal.reader.verify()
    await journal.close()


async def test_a_turn_that_nothing_follows_is_committed_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "FOLLOWED_SECONDS", 0.05)
    journal = await opened(tmp_path / "j.db")
    sizes = batches_of(journal, monkeypatch)
    async with asyncio.timeout(30):
        await journal.begin_cycle(await cycle_record(1))
    assert (kinds_on_disk(journal.path), sizes) == (["cycle"], [1])
    await journal.record_submitting(make_order(0))
    assert (kinds_on_disk(journal.path), sizes) == (KINDS, [1, 1])
    await journal.close()


async def test_a_turn_that_waits_for_its_order_ends_with_the_journal(tmp_path: Path) -> None:
    journal = await opened(tmp_path / "j.db")
    recorded = journal.begin_cycle(await cycle_record(1))
    async with asyncio.timeout(30):
        await journal.close()
    await recorded
    assert kinds_on_disk(journal.path) == ["cycle"]


async def test_an_order_that_is_refused_takes_no_turn_with_it(tmp_path: Path) -> None:
    journal = await opened(tmp_path / "j.db")
    await journal.record_submitting(make_order(0))
    recorded = journal.begin_cycle(await cycle_record(1))
    with pytest.raises(DuplicateOrder, match="used before"):
        await journal.record_submitting(make_order(0))
    await recorded
    assert kinds_on_disk(journal.path) == ["order_submitting", "cycle"]
    journal.reader.verify()
    await journal.close()


@pytest.mark.parametrize("seconds", [60.0, 0.01], ids=["one transaction", "two transactions"])
@pytest.mark.parametrize("is_full", [True, False], ids=["full disk", "no number"])
async def test_no_order_is_on_disk_whose_turn_could_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, *, is_full: bool
) -> None:
    """Neither where the storage fails, nor where the record itself has no written form."""
    monkeypatch.setattr(writer_module, "FOLLOWED_SECONDS", seconds)
    journal = await opened(tmp_path / "j.db")
    record = await cycle_record(1)
    if is_full:

        def full(*_: object) -> None:
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error

        monkeypatch.setattr(journal, "_write_cycle", full)
    else:
        signals = (Signal("momentum", float("nan"), 0.0, "no number", 0),)
        record = replace(record, decision=replace(record.decision, signals=signals))
    recorded = journal.begin_cycle(record)
    if seconds < 1:
        await asyncio.wait([asyncio.ensure_future(recorded)])
    with pytest.raises(JournalFull if is_full else JournalError):
        await journal.record_submitting(make_order(0))
    with pytest.raises(JournalFull if is_full else JournalError):
        await recorded
    assert kinds_on_disk(journal.path) == []
    with suppress(JournalError):
        await journal.close()


async def test_without_a_thread_a_begun_turn_is_on_disk_at_once(tmp_path: Path) -> None:
    journal = await opened(tmp_path / "j.db", threaded=False)
    recorded = journal.begin_cycle(await cycle_record(1))
    assert kinds_on_disk(journal.path) == ["cycle"]
    await recorded
    await journal.close()
    with pytest.raises(JournalError, match="is closed"):
        journal.begin_cycle(await cycle_record(2))
