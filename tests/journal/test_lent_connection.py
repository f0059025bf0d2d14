"""A journal whose reader reads through the writer's connection, as a back-test's does."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bot.domain.campaign import Memory
from bot.domain.reason import Note, Reason
from bot.domain.states import KillLevel, OrderEvent
from bot.journal.journal import DuplicateOrder, Journal, JournalReader
from bot.lab.backtest.run import LeanJournal
from bot.ports import Payment
from tests.execution.fills import make_fill
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


@pytest.mark.parametrize(("kind", "threaded"), [(LeanJournal, False), (Journal, False), (Journal, True)])
async def test_what_is_remembered_between_two_events_is_what_a_fresh_reader_finds(
    kind: type[Journal], threaded: bool, tmp_path: Path
) -> None:
    path = tmp_path / "j.db"
    journal = await kind.open(path, account="main", now_ms=lambda: START_MS, threaded=threaded)
    first, second = make_order(), make_order(1)
    fill = make_fill(1, "9", client_id=first.client_id, size="2")
    payment = Payment("7", "funding", "USDT", Decimal("-0.1"), "UNI/USDT:USDT", START_MS)
    writes: list[Callable[[], Awaitable[Any]]] = [
        lambda: journal.record_memory(Memory(equity_peak=Decimal(100))),
        lambda: journal.record_submitting(first),
        lambda: journal.record_submitting(first),  # refused: nothing of it may be seen
        lambda: journal.record_order_event(first.client_id, OrderEvent.ACKED, venue_id="9"),
        lambda: journal.record_fills([fill]),
        lambda: journal.record_fills([fill]),  # known already
        lambda: journal.record_payments([payment]),
        lambda: journal.record_lock("UNI/USDT", Note(Reason.POSITION_MISMATCH, "words", "UNI/USDT")),
        lambda: journal.record_submitting(second),
        lambda: journal.record_order_event(second.client_id, OrderEvent.REJECTED, reason="because"),
        lambda: journal.record_unlock("UNI/USDT", "settled"),
        lambda: journal.record_fact("note", {"number": 1}),
        lambda: journal.record_not_found(second.client_id),
        lambda: journal.record_latch(KillLevel.PAUSE, by="me", reason="because"),
    ]
    for write in writes:
        _all_answers(journal.reader)
        with suppress(DuplicateOrder):
            await write()
        alone = JournalReader(path)
        fresh = _all_answers(alone)
        alone.close()
        assert _all_answers(journal.reader) == fresh
        assert _all_answers(journal.reader) == fresh
    await journal.close()


def _all_answers(reader: JournalReader) -> list[Any]:
    moments = (0, START_MS - 1, START_MS, START_MS + 1)
    windows = (
        reader.count_orders,
        reader.count_fills,
        reader.count_rejections,
        reader.count_executed,
        reader.load_turnover,
        reader.load_fees,
        reader.load_unfilled_reports,
        reader.load_payments_after,
    )
    return [
        reader.load_memory(),
        reader.load_memory_seq(),
        reader.load_working(),
        [reader.load_orders_of_intent(make_order(number).intent_id) for number in range(2)],
        reader.has_opened(make_order().symbol),
        sorted(reader.load_ordered_symbols(1)),
        sorted(reader.load_ordered_symbols(1_000)),
        reader.load_locks(),
        reader.load_lock_reasons(),
        reader.next_cycle_number(),
        reader.count_events(),
        reader.load_latch(),
        reader.load_fills_after(0, 0),
        reader.load_facts("note", limit=1),
        reader.load_facts_after("note", 0),
        *(window(moment) for window in windows for moment in moments),
    ]
