"""A journal whose reader reads through the writer's connection, as a back-test's does."""

from decimal import Decimal
from pathlib import Path

from bot.app.backtest import LeanJournal
from bot.domain.campaign import Memory
from bot.execution.journal import JournalReader
from tests.execution.scripted_venue import START_MS
from tests.execution.worlds import make_order


async def test_what_is_written_is_read_at_once_and_is_in_the_file_after_the_end(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    journal = await LeanJournal.open(path, account="main", now_ms=lambda: START_MS, threaded=False)
    for peak in (Decimal(100), Decimal(200), Decimal(200)):
        await journal.record_memory(Memory(equity_peak=peak))
        assert journal.reader.load_memory() == Memory(equity_peak=peak)
    await journal.record_submitting(make_order())
    assert [order.client_id for order in journal.reader.load_working()] == [make_order().client_id]
    await journal.close()
    alone = JournalReader(path)
    assert alone.load_memory() == Memory(equity_peak=Decimal(200))
    alone.verify()
    alone.close()


async def test_a_reader_that_is_closed_leaves_the_writer_its_connection(tmp_path: Path) -> None:
    journal = await LeanJournal.open(tmp_path / "j.db", account="main", now_ms=lambda: START_MS, threaded=False)
    journal.reader.close()
    await journal.record_memory(Memory(equity_peak=Decimal(1)))
    assert journal.reader.load_memory().equity_peak == 1
    await journal.close()
