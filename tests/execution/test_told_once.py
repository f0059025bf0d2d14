"""What is told of an execution once is told although the journal fails, or the process ends, at that moment."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bot.domain.durations import MINUTE_MS
from bot.domain.instrument import Side
from bot.domain.reason import Reason
from bot.execution.another_writer import CONFLICT
from bot.execution.foreign import FACT
from bot.execution.reconcile import Reconciler
from bot.journal.journal import JournalError
from bot.ports import Payment
from tests.execution.scripted_venue import PERP, SPOT
from tests.execution.worlds import FAST, SYMBOLS, World, approve


async def test_a_liquidation_that_a_full_journal_did_not_take_is_told_by_the_next_turn(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found by the simulation (seed 1451101)."""
    world.venue.advance(1_000)
    await world.executor.act([approve(symbol=PERP, side=Side.SELL)])
    world.venue.advance(1_000)
    world.venue.execute(PERP, Side.BUY, Decimal(4), client_id="autoclose-1", price=Decimal(12))
    record, is_full = world.journal.record_fact, True

    async def recorded(kind: str, payload: Any) -> Any:
        if kind == FACT and is_full:
            raise JournalError(Path("j.db"), "the disk is full", "free it")
        return await record(kind, payload)

    monkeypatch.setattr(world.journal, "record_fact", recorded)
    with pytest.raises(JournalError):
        await world.reconciler.settle(SYMBOLS)
    is_full = False
    for told in ([Reason.LIQUIDATED], []):
        assert [note.reason for note in (await world.reconciler.settle(SYMBOLS)).notes] == told
    assert len(world.journal.reader.load_facts(FACT)) == 1


async def test_an_execution_that_was_written_down_by_a_process_that_ended_then_is_looked_at(world: World) -> None:
    """More than the size of an order has executed: no report of the order contradicts the journal."""
    await world.executor.act([approve()])
    (order,) = world.venue.orders
    world.venue.advance(1_000)
    world.venue._fill(order, Decimal(1), Decimal(10))
    await world.journal.record_fills(await world.venue.fetch_fills(SPOT, 0))
    for _ in range(2):
        truth = await Reconciler(world.venue, world.journal, FAST).settle(SYMBOLS)
        assert (truth.is_agreed, Reason.ANOTHER_WRITER in {note.reason for note in truth.notes}) == (False, True)
    assert len(world.journal.reader.load_facts(CONFLICT)) == 1


@pytest.mark.parametrize("amount", [500, -50])
async def test_a_payment_that_was_recorded_by_a_process_that_ended_then_takes_back_its_adjustment(
    world: World, amount: int
) -> None:
    world.venue.advance(1_000)
    world.venue.balances["USDT"] += amount
    kind = "deposit" if amount > 0 else "withdrawal"
    world.venue.payments.append(Payment("1", kind, "USDT", Decimal(amount), None, world.venue.clock_ms))
    late, world.venue.payments = world.venue.payments, []
    world.venue.advance(1_000)
    await world.reconciler.settle(SYMBOLS)
    world.venue.payments = late
    await world.journal.record_payments(late)
    for _ in range(2):
        truth = await Reconciler(world.venue, world.journal, FAST).settle(SYMBOLS)
        assert (truth.is_agreed, truth.notes) == (True, ())
    undone, made = world.journal.reader.load_facts("adjustment")
    assert (undone.payload["replaces"], undone.payload["amount"]) == (made.seq, str(-amount))


async def test_a_payment_that_needed_no_adjustment_takes_back_none_of_later(world: World) -> None:
    world.venue.advance(1_000)
    for is_listed in (True, False):
        world.venue.balances["USDT"] += 500
        if is_listed:
            world.venue.payments.append(Payment("1", "deposit", "USDT", Decimal(500), None, world.venue.clock_ms))
        world.venue.advance(6 * MINUTE_MS)
        await world.reconciler.settle(SYMBOLS)
    world.venue.advance(6 * MINUTE_MS)
    truth = await world.reconciler.settle(SYMBOLS)
    assert (truth.is_agreed, len(world.journal.reader.load_facts("adjustment"))) == (True, 1)


async def test_a_payment_of_before_the_books_takes_back_no_adjustment(world: World) -> None:
    """Some venues list a deposit by the time at which it was announced; the books count those of after their begin."""
    announced_ms = world.venue.clock_ms - MINUTE_MS
    world.venue.advance(1_000)
    world.venue.balances["USDT"] += 500
    await world.reconciler.settle(SYMBOLS)
    world.venue.payments.append(Payment("1", "deposit", "USDT", Decimal(500), None, announced_ms))
    world.venue.advance(6 * MINUTE_MS)
    truth = await world.reconciler.settle(SYMBOLS)
    assert len(world.journal.reader.load_payments()) == 1
    assert (truth.is_agreed, truth.notes, len(world.journal.reader.load_facts("adjustment"))) == (True, (), 1)


async def test_payments_that_a_full_journal_did_not_take_are_asked_for_by_the_next_turn(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.venue.advance(6 * MINUTE_MS)
    world.venue.payments.append(Payment("1", "funding", "USDT", Decimal("-0.2"), PERP, world.venue.clock_ms))
    world.venue.wallet -= Decimal("0.2")

    async def full(payments: Any) -> Any:
        raise JournalError(Path("j.db"), "the disk is full", "free it")

    with monkeypatch.context() as patch:
        patch.setattr(world.journal, "record_payments", full)
        with pytest.raises(JournalError):
            await world.reconciler.settle(SYMBOLS)
    await world.reconciler.settle(SYMBOLS)
    assert [payment.id for payment in world.journal.reader.load_payments()] == ["1"]
