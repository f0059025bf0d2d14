"""Every question to the journal, against the same question asked of plain lists: at, before and after each moment."""

import asyncio
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlite_utils import Database

from bot.domain.campaign import Memory
from bot.domain.instrument import Side
from bot.domain.order import Fill, Order
from bot.domain.order_ids import ClientOrderId, read_place
from bot.domain.reason import Note, Reason
from bot.domain.states import KillLevel, OrderEvent, OrderState
from bot.journal.journal import Journal
from bot.journal.reader import JournalReader
from bot.journal.schema import NEVER_CAME_TO_BE, NOT_SENT
from bot.ports import Payment, Rejection, VenueRejected
from tests.execution.fills import make_fill
from tests.execution.scripted_venue import START_MS
from tests.execution.worlds import ACCOUNT, make_order
from tests.journal.test_journal import cycle_record
from tests.profiles import examples

SYMBOLS = ("UNI/USDT", "ETH/USDT:USDT")
MOMENTS = st.integers(min_value=START_MS, max_value=START_MS + 3)
ENDINGS = ("open", "held back", "never came to be", "would take", "rejected", "executed", "in doubt")


@dataclass(frozen=True)
class Past:
    """What is written: orders with what becomes of them, executions, payments."""

    orders: tuple[tuple[Order, str], ...]
    fills: tuple[Fill, ...]
    payments: tuple[Payment, ...]


@st.composite
def pasts(draw: st.DrawFn) -> Past:
    orders = []
    for number in range(draw(st.integers(min_value=0, max_value=6))):
        campaign, ending = draw(st.integers(min_value=1, max_value=2)), draw(st.sampled_from(ENDINGS))
        client_id = ClientOrderId(ACCOUNT, campaign, 1, 1, number, 0).text
        intent = draw(st.sampled_from(("a", "b"))) if ending not in ("open", "in doubt") else f"i{number}"
        order = make_order(
            number,
            client_id=client_id,
            intent_id=intent,
            symbol=draw(st.sampled_from(SYMBOLS)),
            side=draw(st.sampled_from(Side)),
            sent_ms=draw(MOMENTS),
        )
        orders.append((order, ending))
    fills = []
    for number in range(draw(st.integers(min_value=0, max_value=8))):
        owner = draw(st.sampled_from([None, *range(len(orders))]))
        venue_id = "foreign" if owner is None else f"v{owner}"
        known_by = draw(st.booleans())
        fill = make_fill(number, venue_id, size=draw(st.sampled_from(("0.1", "1", "2.5", "4.0"))))
        fills.append(
            replace(
                fill,
                symbol=draw(st.sampled_from(SYMBOLS)) if owner is None else orders[owner][0].symbol,
                client_id=None if owner is None or not known_by else orders[owner][0].client_id,
                price=draw(st.sampled_from((Decimal("9.5"), Decimal(10)))),
                fee_asset=draw(st.sampled_from(("USDT", "BNB"))),
                is_maker=draw(st.booleans()),
                at_ms=draw(MOMENTS),
            )
        )
    payments = [
        Payment(
            f"p{n}",
            draw(st.sampled_from(("funding", "deposit"))),
            "USDT",
            Decimal(n) - 1,
            draw(st.sampled_from((None, *SYMBOLS))),
            draw(MOMENTS),
        )
        for n in range(draw(st.integers(min_value=0, max_value=4)))
    ]
    return Past(tuple(orders), tuple(fills), tuple(payments))


async def written(past: Past, path: Path) -> Journal:
    journal = await Journal.open(path, account=ACCOUNT, now_ms=lambda: START_MS, threaded=False)
    for number, (order, ending) in enumerate(past.orders):
        await journal.record_submitting(order)
        if ending in ("open", "executed"):
            await journal.record_order_event(order.client_id, OrderEvent.ACKED, venue_id=f"v{number}")
        if ending == "executed":
            await journal.record_order_event(
                order.client_id, OrderEvent.FILLED, filled_size=Decimal(4), filled_quote=Decimal(40)
            )
        if ending == "in doubt":
            await journal.record_order_event(order.client_id, OrderEvent.LOST, venue_id=f"v{number}")
        if ending in ("held back", "never came to be", "would take", "rejected"):
            words = {
                "held back": f"{NOT_SENT}: why",
                "never came to be": f"{NEVER_CAME_TO_BE}, really",
                "would take": str(VenueRejected("-2010", "it would match", Rejection.WOULD_TAKE)),
            }
            await journal.record_order_event(
                order.client_id,
                OrderEvent.REJECTED,
                venue_id=f"v{number}",
                reason=words.get(ending, "the venue says no"),
            )
    await journal.record_fills(past.fills)
    await journal.record_payments(past.payments)
    return journal


def executed(past: Past, number: int) -> Decimal:
    """By the fills of an order, or by its report where that says more."""
    told = sum((fill.size for fill in past.fills if fill.venue_order_id == f"v{number}"), Decimal(0))
    return max(told, Decimal(4) if past.orders[number][1] == "executed" else Decimal(0))


def check(past: Past, reader: JournalReader, since_ms: int, limit: int) -> None:
    numbered = list(enumerate(past.orders))
    ids = [order.client_id for order, _ in past.orders]
    late = [(n, order, ending) for n, (order, ending) in numbered if order.sent_ms >= since_ms]
    assert reader.count_orders(since_ms) == len(late)
    assert reader.count_rejections(since_ms) == sum(ending == "rejected" for _, _, ending in late)
    done = Counter((order.symbol, order.side.value) for n, order, _ in late if executed(past, n) > 0)
    assert reader.count_executed(since_ms) == done
    assert [o.client_id for o in reader.load_orders(limit)] == ids[::-1][:limit]
    assert reader.load_ordered_symbols(limit) == {o.symbol for o in reader.load_orders(limit)}
    for campaign in (1, 2):
        own = [name for name in ids if (read_place(name) or (0, 0))[0] == campaign]
        assert [o.client_id for o in reader.load_orders(limit, campaign)] == own[::-1][:limit]
    for intent in ("a", "b"):
        own = [order.client_id for order, _ in past.orders if order.intent_id == intent]
        assert [o.client_id for o in reader.load_orders_of_intent(intent)] == own
    live = [order.client_id for order, ending in past.orders if ending in ("open", "in doubt")]
    assert [o.client_id for o in reader.load_working()] == live
    short = [
        order.client_id
        for n, order, _ in late
        if executed(past, n) > sum((f.size for f in past.fills if f.venue_order_id == f"v{n}"), Decimal(0))
    ]
    assert [o.client_id for o in reader.load_unfilled_reports(since_ms)] == short
    for number, (order, _) in numbered:
        kept = reader.load_order(order.client_id)
        assert kept is not None
        assert kept.filled_size == executed(past, number)
        found = reader.load_order_by_venue_id(order.symbol, f"v{number}")
        assert found == kept
        elsewhere = SYMBOLS[1 - SYMBOLS.index(order.symbol)]
        assert reader.load_order_by_venue_id(elsewhere, f"v{number}") is None
        prefix = order.client_id[:-5]
        last = reader.load_last_of_prefix(prefix)
        assert last is not None
        assert last.client_id == max(name for name in ids if name.startswith(prefix))
    check_executions(past, reader, since_ms, limit)


def check_executions(past: Past, reader: JournalReader, since_ms: int, limit: int) -> None:
    recent = [fill for fill in past.fills if fill.at_ms >= since_ms]
    newest_first = sorted(enumerate(recent), key=lambda row: (-row[1].at_ms, -row[0]))
    assert [f.trade_id for f in reader.load_fills(limit, since_ms)] == [f.trade_id for _, f in newest_first][:limit]
    assert reader.count_fills(since_ms) == len(recent)
    assert reader.load_turnover(since_ms) == sum((f.price * f.size for f in recent), Decimal(0))
    fees: dict[str, Decimal] = {}
    for fill in recent:
        fees[fill.fee_asset] = fees.get(fill.fee_asset, Decimal(0)) + fill.fee
    assert reader.load_fees(since_ms) == fees
    known = [f for f in past.fills if f.venue_order_id != "foreign" or f.at_ms > since_ms]
    counted = reader.load_fills_after(0, since_ms)
    in_order = [f.trade_id for _, f in sorted(enumerate(known), key=lambda row: (row[1].at_ms, row[0]))]
    assert [fill.trade_id for fill, _ in counted] == in_order
    assert all(quote == fill.price * fill.size for fill, quote in counted)
    assert {f.trade_id: (f.is_maker, f.price, f.fee) for f in reader.load_fills(100)} == {
        f.trade_id: (f.is_maker, f.price, f.fee) for f in past.fills
    }
    paid = sorted(enumerate(past.payments), key=lambda row: (row[1].at_ms, row[0]))
    assert list(reader.load_payments(since_ms)) == [p for _, p in paid if p.at_ms >= since_ms]
    assert [payment for payment, _ in reader.load_payments_after(0)] == [p for _, p in paid]
    for payment, seq in reader.load_payments_after(0):
        later = [p for p, own in reader.load_payments_after(0) if own > seq]
        assert [p for p, _ in reader.load_payments_after(seq)] == later
        assert payment not in later


@settings(max_examples=examples(60), deadline=None)
@given(past=pasts(), since_ms=MOMENTS, limit=st.integers(min_value=1, max_value=4))
def test_the_journal_answers_like_plain_lists(past: Past, since_ms: int, limit: int) -> None:
    async def ask() -> None:
        with tempfile.TemporaryDirectory() as folder:
            journal = await written(past, Path(folder) / "j.db")
            check(past, journal.reader, since_ms, limit)
            assert await journal.record_fills(past.fills) == (), "a fill counts once"
            assert await journal.record_payments(past.payments) == ()
            check(past, journal.reader, since_ms, limit)
            await journal.rebuild()
            check(past, journal.reader, since_ms, limit)
            journal.reader.verify()
            await journal.close()

    asyncio.run(ask())


async def opened(path: Path, times: Sequence[int] = (START_MS,)) -> Journal:
    moments = iter((*times, *([times[-1]] * 100)))
    return await Journal.open(path, account=ACCOUNT, now_ms=lambda: next(moments), threaded=False)


WINDOWS = {
    "load_unfilled_reports": "orders_sent (sent_ms>?)",
    "count_executed": "orders_sent (sent_ms>?)",
    "load_fees": "fills_at (at_ms>?)",
    "load_turnover": "fills_at (at_ms>?)",
}


@pytest.mark.parametrize(("question", "index"), WINDOWS.items(), ids=WINDOWS)
async def test_a_window_of_time_is_no_walk_over_years_of_orders(question: str, index: str, tmp_path: Path) -> None:
    """Turns ask these after an order."""
    journal = await opened(tmp_path / "j.db")
    asked: list[str] = []
    with closing(sqlite3.connect(tmp_path / "j.db")) as db:
        reader = JournalReader(tmp_path / "j.db")
        db.set_trace_callback(asked.append)
        reader.read_through(Database(db))
        getattr(reader, question)(START_MS)
        db.set_trace_callback(None)
        plans = [row[3] for sql in asked for row in db.execute(f"EXPLAIN QUERY PLAN {sql}")]
    assert plans[0] == f"SEARCH {index.partition('_')[0]} USING INDEX {index}"
    assert [plan for plan in plans if plan.startswith("SCAN")] == []
    await journal.close()


async def test_an_empty_journal_answers_with_nothing(tmp_path: Path) -> None:
    journal = await opened(tmp_path / "j.db")
    reader = journal.reader
    assert (reader.load_memory(), reader.load_memory_seq(), reader.load_last_cycle()) == (Memory(), 0, None)
    assert (reader.load_latch().level, reader.load_latch().reason) == (KillLevel.OFF, "")
    assert (reader.load_locks(), reader.load_lock_reasons(), reader.load_cycle_heads()) == ({}, {}, ())
    assert (reader.next_cycle_number(), reader.count_orders(0), reader.load_turnover(0)) == (1, 0, Decimal(0))
    assert reader.load_order("none") is None
    assert reader.load_last_of_prefix("tsb") is None
    assert [event.kind for event in reader.load_events()] == ["opened"]
    await journal.close()


async def test_events_and_facts_are_told_in_their_order_and_from_where_one_asks(tmp_path: Path) -> None:
    journal = await opened(tmp_path / "j.db")
    for number in range(4):
        await journal.record_fact("even" if number % 2 == 0 else "odd", {"number": number})
    reader = journal.reader
    assert reader.count_events() == 5
    assert [fact.payload["number"] for fact in reader.load_facts("even")] == [2, 0]
    assert [fact.payload["number"] for fact in reader.load_facts("even", limit=1)] == [2]
    assert [(f.seq, f.kind, f.at_ms) for f in reader.load_facts("odd")] == [(5, "odd", START_MS), (3, "odd", START_MS)]
    assert [fact.seq for fact in reader.load_facts_after("even", 2)] == [4]
    assert [fact.seq for fact in reader.load_facts_after("even", 1)] == [2, 4]
    assert [fact.seq for fact in reader.load_events(after_seq=2)] == [3, 4, 5]
    assert [fact.seq for fact in reader.load_events(limit=2)] == [1, 2]
    await journal.close()


async def test_latch_locks_and_memory_are_those_written_last(tmp_path: Path) -> None:
    journal = await opened(tmp_path / "j.db", range(START_MS, START_MS + 50))
    reader = journal.reader
    await journal.record_latch(KillLevel.PAUSE, by="one", reason="first")
    await journal.record_latch(KillLevel.FLATTEN, by="two", reason="second")
    latch = reader.load_latch()
    assert (latch.level, latch.by, latch.reason) == (KillLevel.FLATTEN, "two", "second")
    assert latch.at_ms == reader.load_facts("latch")[0].at_ms
    await journal.record_lock("B", Note(Reason.POSITION_MISMATCH, "b differs"))
    await journal.record_lock("A", Note(Reason.BALANCE_MISMATCH, "a differs"))
    await journal.record_lock("A", Note(Reason.DOUBT_OLD, "a is in doubt"))
    assert list(reader.load_locks().items()) == [("A", "a is in doubt"), ("B", "b differs")]
    assert reader.load_lock_reasons() == {"A": "doubt_old", "B": "position_mismatch"}
    await journal.record_unlock("A", "settled")
    assert reader.load_locks() == {"B": "b differs"}
    assert reader.load_facts("unlock")[0].payload == {"symbol": "A", "reason": "settled"}
    for peak in (Decimal(1), Decimal(2)):
        await journal.record_memory(Memory(equity_peak=peak))
        assert reader.load_memory().equity_peak == peak
        assert reader.load_memory_seq() == reader.count_events()
    await journal.close()


async def test_a_prefix_ends_where_the_next_one_begins(tmp_path: Path) -> None:
    journal = await opened(tmp_path / "j.db")
    for slice_number, attempt in ((0, 0), (0, 1), (35, 35), (36, 0)):
        client_id = ClientOrderId(ACCOUNT, 1, 1, 1, slice_number, attempt).text
        await journal.record_submitting(make_order(client_id=client_id, intent_id=client_id))
        last = journal.reader.load_last_of_prefix(client_id[:-5])
        assert last is not None
        assert last.client_id == client_id
    other = ClientOrderId(ACCOUNT, 1, 1, 2, 0, 0).text
    assert journal.reader.load_last_of_prefix(other[:-5]) is None
    await journal.close()


@pytest.mark.parametrize("state", [state for state in OrderState if state is not OrderState.SUBMITTING])
async def test_an_order_begins_as_submitting_and_as_nothing_else(tmp_path: Path, state: OrderState) -> None:
    journal = await opened(tmp_path / "j.db")
    with pytest.raises(ValueError, match=f"is {state}, not submitting"):
        await journal.record_submitting(make_order(state=state))
    assert journal.reader.load_orders() == ()
    with pytest.raises(KeyError, match="no order tsb0000"):
        await journal.record_order_event("tsb0000", OrderEvent.ACKED)
    await journal.close()


async def test_cycles_are_told_by_their_heads(tmp_path: Path) -> None:
    journal = await opened(tmp_path / "j.db")
    for number in (1, 2, 3):
        await journal.record_cycle(await cycle_record(number))
    heads = journal.reader.load_cycle_heads(2)
    assert [(h.number, h.kind, h.at_ms, h.config_digest) for h in heads] == [
        (3, "cycle", START_MS + 3, "abc"),
        (2, "cycle", START_MS + 2, "abc"),
    ]
    assert journal.reader.next_cycle_number() == 4
    last = journal.reader.load_last_cycle()
    assert last is not None
    assert last.number == 3
    await journal.close()
