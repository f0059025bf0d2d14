"""A baseline closes what is before it: it waits until all of that was looked at, and takes nothing twice."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bot.domain.durations import DAY_MS, HOUR_MS, MINUTE_MS
from bot.domain.instrument import Side
from bot.domain.reason import Reason
from bot.domain.states import OrderEvent, OrderState
from bot.execution.books.agreed import BASELINE, BASELINE_AGE_MS
from bot.execution.reconcile import Reconciler
from bot.ports import Listed, OrderReport, Payment, Unavailable
from tests.execution.scripted_venue import PERP, SPOT, ScriptedVenue
from tests.execution.worlds import FAST, SYMBOLS, World, approve, make_order, open_world, reasons

LATER_MS = BASELINE_AGE_MS + HOUR_MS


def count_baselines(world: World) -> int:
    return len(world.journal.reader.load_facts(BASELINE))


async def test_what_the_venue_closed_while_the_bot_was_off_for_a_day_is_told(world: World) -> None:
    world.venue.advance(1_000)
    await world.executor.act([approve(symbol=PERP, side=Side.SELL)])
    world.venue.advance(1_000)
    world.venue.execute(PERP, Side.BUY, Decimal(4), client_id="autoclose-1", price=Decimal(12))
    world.venue.advance(LATER_MS)
    truth = await Reconciler(world.venue, world.journal, FAST).settle(SYMBOLS)
    assert (truth.is_agreed, reasons(truth), count_baselines(world)) == (True, {Reason.LIQUIDATED}, 2)


async def test_an_order_believed_absent_is_revived_by_its_executions_after_a_day_as_well(world: World) -> None:
    order = make_order()
    await world.journal.record_submitting(order)
    await world.journal.record_order_event(order.client_id, OrderEvent.REJECTED)
    world.venue.execute(SPOT, Side.BUY, Decimal(4), client_id=order.client_id, price=Decimal(10))
    world.venue.fills[0] = replace(world.venue.fills[0], client_id=order.client_id)
    world.venue.advance(LATER_MS)
    truth = await Reconciler(world.venue, world.journal, FAST).settle(SYMBOLS)
    assert (truth.is_agreed, reasons(truth)) == (True, {Reason.LATE_FACT})
    assert world.journal.reader.load_orders()[0].state is OrderState.FILLED


async def test_the_books_do_not_roll_past_an_execution_of_which_nobody_says_whose_it_is(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.venue.advance(LATER_MS)
    world.venue.execute(PERP, Side.SELL, Decimal(7), client_id="by-hand", price=Decimal(10))
    world.venue.fills = [replace(fill, client_id=None) for fill in world.venue.fills]
    world.reconciler._history.is_done = True
    answered, is_dark = world.venue.fetch_order_history, True

    async def dark(symbol: str, since_ms: int) -> tuple[OrderReport, ...]:
        if is_dark:
            raise Unavailable("maintenance")
        return await answered(symbol, since_ms)

    monkeypatch.setattr(world.venue, "fetch_order_history", dark)
    for _ in range(3):
        truth = await world.reconciler.settle(SYMBOLS)
        assert any("whose execution" in note.words for note in truth.notes), "asked again in every turn"
        assert (truth.is_agreed, count_baselines(world)) == (False, 1)
        world.venue.advance(MINUTE_MS)
    is_dark = False
    truth = await world.reconciler.settle(SYMBOLS)
    assert Reason.FOREIGN_ORDER in reasons(truth)


async def test_funding_of_the_minutes_before_a_roll_is_read(world: World) -> None:
    """It passes for rounding of the cash, so nothing asks for it but the next reading of payments."""
    world.venue.advance(BASELINE_AGE_MS - 2 * MINUTE_MS)
    await world.reconciler.settle(SYMBOLS)
    world.venue.advance(20_000)
    world.venue.payments.append(Payment("1", "funding", "USDT", Decimal("-0.2"), PERP, world.venue.clock_ms))
    world.venue.wallet -= Decimal("0.2")
    world.venue.advance(2 * MINUTE_MS)
    for _ in range(2):
        await world.reconciler.settle(SYMBOLS)
        world.venue.advance(5 * MINUTE_MS)
    assert count_baselines(world) == 2
    assert [payment.id for payment in world.journal.reader.load_payments()] == ["1"]


@pytest.mark.parametrize("is_in_account", [True, False])
async def test_funding_that_is_listed_after_a_roll_is_recorded_and_counts_once(
    world: World, is_in_account: bool
) -> None:
    """It may be listed minutes after its time, and be in the account some seconds after it."""
    world.venue.advance(BASELINE_AGE_MS - 5 * MINUTE_MS if is_in_account else BASELINE_AGE_MS)
    late = Payment("1", "funding", "USDT", Decimal("-0.2"), PERP, world.venue.clock_ms)
    before, after = (late.amount, 0) if is_in_account else (0, late.amount)
    world.venue.wallet += before
    world.venue.advance(6 * MINUTE_MS if is_in_account else 2_000)
    await world.reconciler.settle(SYMBOLS)
    assert count_baselines(world) == 2
    world.venue.wallet += after
    world.venue.payments.append(late)
    world.venue.advance(6 * MINUTE_MS)
    truth = await world.reconciler.settle(SYMBOLS)
    assert [payment.id for payment in world.journal.reader.load_payments()] == ["1"]
    books, baseline = world.reconciler._books, world.reconciler._books.baseline()
    assert baseline is not None
    assert books.expected(baseline, truth.account)[0].amounts["wallet"] == world.venue.wallet


@pytest.mark.parametrize("amount", [500, -50])
async def test_a_deposit_that_is_listed_after_a_roll_takes_back_its_adjustment(world: World, amount: int) -> None:
    world.venue.advance(BASELINE_AGE_MS - 10_000)
    await world.reconciler.settle(SYMBOLS)
    world.venue.balances["USDT"] += amount
    kind = "deposit" if amount > 0 else "withdrawal"
    late = Payment("1", kind, "USDT", Decimal(amount), None, world.venue.clock_ms)
    world.venue.advance(1_000)
    truth = await world.reconciler.settle(SYMBOLS)
    assert reasons(truth) == {Reason.BALANCE_MISMATCH}
    world.venue.advance(5 * MINUTE_MS)
    await world.reconciler.settle(SYMBOLS)
    assert count_baselines(world) == 2
    world.venue.payments.append(late)
    world.venue.advance(5 * MINUTE_MS)
    truth = await world.reconciler.settle(SYMBOLS)
    undone, made = world.journal.reader.load_facts("adjustment")
    assert (truth.is_agreed, undone.payload["replaces"], undone.payload["amount"]) == (True, made.seq, str(-amount))


async def test_an_adjustment_of_the_account_before_explains_no_payment_of_this_one(tmp_path: Path) -> None:
    world = await open_world(tmp_path / "j.db", ScriptedVenue())
    await world.reconciler.settle(SYMBOLS)
    world.venue.balances["USDT"] += 500
    world.venue.advance(1_000)
    await world.reconciler.settle(SYMBOLS)
    other: Any = ScriptedVenue(session="second")
    other.advance(HOUR_MS)
    reconciler = Reconciler(other, world.journal, FAST, is_account_new=True)
    await reconciler.settle(SYMBOLS)
    other.advance(6 * MINUTE_MS)
    other.balances["USDT"] += 500
    other.payments.append(Payment("2", "deposit", "USDT", Decimal(500), None, other.clock_ms))
    truth = await reconciler.settle(SYMBOLS)
    assert (truth.is_agreed, truth.notes) == (True, ())
    assert len(world.journal.reader.load_facts("adjustment")) == 1
    await world.journal.close()


@pytest.mark.parametrize(("unread_days", "is_lost"), [(2, False), (9, True)])
async def test_a_payment_whose_row_cannot_be_read_is_waited_for_a_week(
    world: World, monkeypatch: pytest.MonkeyPatch, unread_days: int, is_lost: bool
) -> None:
    """Found by the simulator (heavy seed 1490209): the books began afresh while a row of funding could not be read, and
    were not asked for it again."""
    venue, answered, begun_ms = world.venue, world.venue.fetch_payments, world.venue.clock_ms

    async def paid(since_ms: int) -> Listed[Payment]:
        rows = await answered(since_ms)
        is_odd = bool(rows) and venue.clock_ms - begun_ms < unread_days * DAY_MS
        return Listed([] if is_odd else rows, [(PERP, "a row cannot be read")] if is_odd else [])

    monkeypatch.setattr(venue, "fetch_payments", paid)
    venue.advance(6 * MINUTE_MS)
    venue.payments.append(Payment("1", "funding", "USDT", Decimal("-0.2"), PERP, venue.clock_ms))
    venue.wallet -= Decimal("0.2")
    for _ in range(unread_days * 24 + 12):
        venue.advance(HOUR_MS)
        truth = await world.reconciler.settle(SYMBOLS)
    assert [payment.id for payment in world.journal.reader.load_payments()] == ([] if is_lost else ["1"])
    assert (truth.is_agreed, count_baselines(world) > 1) == (True, True)


async def test_payments_of_which_a_half_stays_missing_are_asked_for_less_often_and_none_is_lost(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The books wait for them, so that each reading is of more days; a roll would leave them out for ever."""
    venue, answered, is_dark = world.venue, world.venue.fetch_payments, True
    asked: list[int] = []

    async def paid(since_ms: int) -> Listed[Payment]:
        asked.append(venue.clock_ms - since_ms)
        rows = await answered(since_ms)
        return Listed([], [("", "payments of perps: no route")], is_whole=False) if is_dark else Listed(rows)

    monkeypatch.setattr(venue, "fetch_payments", paid)
    venue.advance(6 * MINUTE_MS)
    venue.payments.append(Payment("1", "funding", "USDT", Decimal("-0.2"), PERP, venue.clock_ms))
    venue.wallet -= Decimal("0.2")
    counts = []
    for _ in range(4):
        asked.clear()
        for _ in range(60):
            await world.reconciler.settle(SYMBOLS)
            venue.advance(MINUTE_MS)
        counts.append(len(asked))
        venue.advance(DAY_MS - HOUR_MS)
    assert counts == [16, 12, 6, 4], "again at once for one interval, then by the days that are asked for"
    is_dark = False
    truth = await world.reconciler.settle(SYMBOLS)
    assert (truth.is_agreed, count_baselines(world)) == (True, 2)
    assert [payment.id for payment in world.journal.reader.load_payments()] == ["1"]
    books, baseline = world.reconciler._books, world.reconciler._books.baseline()
    assert baseline is not None
    assert books.expected(baseline, truth.account)[0].amounts["wallet"] == venue.wallet
