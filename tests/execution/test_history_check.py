"""The account's past is read again: a venue's history lags by minutes after a restore or a start."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from bot.domain.durations import DAY_MS
from bot.domain.instrument import Instrument, Side
from bot.domain.order import Fill
from bot.domain.order_ids import ClientOrderId
from bot.domain.reason import Reason
from bot.execution.another_writer import AnotherWriter
from bot.execution.history_check import AT_ONCE, CHECKED, EVERY_MS, LAG_MS, PAUSE_MS, RETRY_MS
from bot.execution.reconcile import Reconciler
from bot.ports import Answered, OrderReport, ReportState, Unavailable
from tests.execution.scripted_venue import PERP, SPOT, ScriptedVenue, VenueOrder
from tests.execution.worlds import ACCOUNT, FAST, SYMBOLS, World, open_world


class LaggingVenue(ScriptedVenue):
    """Its order history shows nothing until `shown_ms`; it may be `broken`."""

    shown_ms = 0
    broken = False
    unread: str | None = None  # a symbol whose history cannot be read

    async def fetch_order_history(self, symbol: str, since_ms: int) -> tuple[OrderReport, ...]:
        found = await super().fetch_order_history(symbol, since_ms)
        if self.broken or symbol == self.unread:
            raise Unavailable("maintenance")
        return found if self.now_ms() >= self.shown_ms else ()


@pytest.fixture
def venue() -> LaggingVenue:
    return LaggingVenue()


@pytest.fixture
async def world(tmp_path: Path, venue: LaggingVenue) -> AsyncIterator[World]:
    made = await open_world(tmp_path / "j.db", venue)
    yield made
    made.journal.reader.verify()
    await made.journal.close()


def execute_unknown(venue: LaggingVenue) -> None:
    """An order with our mark that no journal knows, bought and sold so that no holding shows it."""
    client_id = ClientOrderId(ACCOUNT, 1, 1, 1, 0, 0).text
    venue.execute(SPOT, Side.BUY, Decimal(4), client_id=client_id, price=Decimal(10))
    venue.fills.clear()
    venue.balances["UNI"] -= 4
    venue.balances["USDT"] += Decimal("40.04")


def asked(venue: LaggingVenue) -> int:
    return venue.calls.count("fetch_order_history")


async def test_an_order_that_the_history_shows_late_is_noticed(world: World, venue: LaggingVenue) -> None:
    execute_unknown(venue)
    venue.shown_ms = venue.now_ms() + LAG_MS // 2
    assert (await world.reconciler.settle(SYMBOLS)).is_agreed
    venue.advance(LAG_MS - 1)
    assert (await world.reconciler.settle(SYMBOLS)).is_agreed
    venue.advance(1)
    truth = await world.reconciler.settle(SYMBOLS)
    assert not truth.is_agreed
    assert Reason.ANOTHER_WRITER in {note.reason for note in truth.notes}


async def test_it_is_read_after_the_lag_and_then_every_hour_and_not_more(world: World, venue: LaggingVenue) -> None:
    for wait_ms, is_read in (
        (0, True),
        (0, False),
        (LAG_MS - 1, False),
        (1, True),
        (EVERY_MS - 1, False),
        (1, True),
        (0, False),
    ):
        venue.calls.clear()
        left_ms = wait_ms
        while left_ms > PAUSE_MS:  # a bot that runs
            venue.advance(PAUSE_MS)
            left_ms -= PAUSE_MS
            await world.reconciler.settle(SYMBOLS)
        venue.advance(left_ms)
        await world.reconciler.settle(SYMBOLS)
        assert (asked(venue) > 0) is is_read, wait_ms
        assert asked(venue) <= max(AT_ONCE, len(SYMBOLS))


async def test_a_later_read_that_fails_is_said_tried_again_and_stops_nothing(world: World, venue: LaggingVenue) -> None:
    await world.reconciler.settle(SYMBOLS)
    venue.advance(LAG_MS)
    venue.broken = True
    truth = await world.reconciler.settle(SYMBOLS)
    assert truth.is_agreed
    assert Reason.VENUE_UNAVAILABLE in {note.reason for note in truth.notes}
    venue.calls.clear()
    await world.reconciler.settle(SYMBOLS)
    assert asked(venue) == 0
    venue.broken = False
    venue.advance(RETRY_MS)
    await world.reconciler.settle(SYMBOLS)
    assert asked(venue) > 0
    assert world.journal.reader.load_facts(CHECKED, limit=1)[0].payload["is_final"]


@pytest.mark.parametrize("lives", [1, 3])
async def test_processes_that_end_before_the_lag_leave_the_past_to_the_next(
    tmp_path: Path, venue: LaggingVenue, lives: int
) -> None:
    execute_unknown(venue)
    venue.shown_ms = venue.now_ms() + LAG_MS
    for _ in range(lives):
        made = await open_world(tmp_path / "lives.db", venue)
        assert (await made.reconciler.settle(SYMBOLS)).is_agreed
        await made.journal.close()
        venue.advance(LAG_MS // 4)
    venue.advance(LAG_MS)
    made = await open_world(tmp_path / "lives.db", venue)
    assert not (await made.reconciler.settle(SYMBOLS)).is_agreed
    assert made.journal.reader.load_facts(CHECKED, limit=1)[0].payload["is_final"], "it was read twice, by two of them"
    await made.journal.close()


async def test_a_journal_without_a_past_finds_orders_of_weeks_ago(world: World, venue: LaggingVenue) -> None:
    """A stance may stand for weeks without an order, and a second bot may start in one of them."""
    execute_unknown(venue)
    venue.advance(25 * DAY_MS)
    truth = await world.reconciler.settle(SYMBOLS)
    assert not truth.is_agreed
    assert Reason.ANOTHER_WRITER in {note.reason for note in truth.notes}


async def test_an_order_on_a_perp_of_a_traded_token_is_noticed_where_only_spot_is_traded(
    world: World, venue: LaggingVenue
) -> None:
    """The guard had placed a stop on a perp that somebody held; the position is closed, the journal an older copy."""
    client_id = ClientOrderId(ACCOUNT, 1, 1, 1, 0, 0).text
    venue.rest_foreign(client_id)
    order = venue.orders.pop()
    request = replace(order.request, symbol=PERP, side=Side.BUY, reduce_only=True)
    venue.orders.append(replace(order, request=request, state=ReportState.CANCELED))
    truth = await world.reconciler.settle([SPOT])
    assert not truth.is_agreed
    assert Reason.ANOTHER_WRITER in {note.reason for note in truth.notes}


@pytest.mark.parametrize("executed", ["DOGE/USDT:USDT", "DOGE/USDT"])
async def test_an_order_of_ours_that_rests_in_an_unknown_instrument_is_asked_about(
    world: World, venue: LaggingVenue, monkeypatch: pytest.MonkeyPatch, executed: str
) -> None:
    """Neither configured nor held nor journaled: a stop that a lost journal has left on a perp outside the universe,
    and an order of before in the same token."""
    other, listed = "DOGE/USDT:USDT", venue.fetch_instruments
    stop_id, executed_id = (ClientOrderId(ACCOUNT, 1, 1, 1, number, 0).text for number in (0, 1))
    for client_id, symbol, state in (
        (stop_id, other, ReportState.OPEN),
        (executed_id, executed, ReportState.CANCELED),
    ):
        venue.rest_foreign(client_id)
        order = venue.orders.pop()
        request = replace(order.request, symbol=symbol, side=Side.BUY, reduce_only=True)
        venue.orders.append(replace(order, request=request, state=state))

    async def with_other(symbols: Sequence[str] | None = None) -> Mapping[str, Instrument]:
        found = dict(await listed(symbols))
        others = {symbol: replace(found[PERP], symbol=symbol) for symbol in {other, executed}}
        return found if symbols is not None else {**found, **others}

    monkeypatch.setattr(venue, "fetch_instruments", with_other)
    truth = await world.reconciler.settle([SPOT])
    assert not truth.is_agreed
    assert set(AnotherWriter(world.journal).unknown_ids()) == {stop_id, executed_id}


async def test_an_instrument_whose_row_cannot_be_read_is_asked_about_as_well(
    world: World, venue: LaggingVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = venue.fetch_instruments

    async def without_spot(symbols: Sequence[str] | None = None) -> Mapping[str, Instrument]:
        found = {symbol: one for symbol, one in (await listed(symbols)).items() if symbol != SPOT}
        return Answered(found, {}, {SPOT})

    monkeypatch.setattr(venue, "fetch_instruments", without_spot)
    execute_unknown(venue)
    assert not (await world.reconciler.settle([SPOT])).is_agreed


async def settle_for(world: World, venue: LaggingVenue, duration_ms: int, symbols: Sequence[str] = SYMBOLS) -> None:
    """Let a bot run without a pause."""
    for _ in range(duration_ms // PAUSE_MS + 1):
        await world.reconciler.settle(symbols)
        venue.advance(PAUSE_MS)
    await world.reconciler.settle(symbols)


async def test_what_a_process_missed_while_it_did_not_run_is_read_before_its_next_order(
    world: World, venue: LaggingVenue
) -> None:
    """An order under our mark whose position was closed again: no holding shows it, and no hour is over."""
    await settle_for(world, venue, LAG_MS)
    venue.advance(PAUSE_MS + 1)
    execute_unknown(venue)
    truth = await world.reconciler.settle(SYMBOLS)
    assert not truth.is_agreed
    assert Reason.ANOTHER_WRITER in {note.reason for note in truth.notes}


async def test_what_a_start_had_read_before_a_pause_is_read_again(world: World, venue: LaggingVenue) -> None:
    """Found by the simulator (heavy seed 1300395): the process stood still while its first look at the account's past
    was not over; the instruments that it had read were not read again."""
    venue.unread = PERP
    assert not (await world.reconciler.settle(SYMBOLS)).is_agreed
    venue.advance(PAUSE_MS + 1)
    execute_unknown(venue)
    venue.unread = None
    truth = await world.reconciler.settle(SYMBOLS)
    assert Reason.ANOTHER_WRITER in {note.reason for note in truth.notes}


async def test_after_a_pause_entries_wait_while_the_history_cannot_be_read(world: World, venue: LaggingVenue) -> None:
    await settle_for(world, venue, LAG_MS)
    venue.advance(PAUSE_MS + 1)
    venue.broken = True
    assert not (await world.reconciler.settle(SYMBOLS)).is_agreed
    venue.broken = False
    assert (await world.reconciler.settle(SYMBOLS)).is_agreed


async def test_what_was_missed_and_not_read_is_left_to_the_next_process(tmp_path: Path, venue: LaggingVenue) -> None:
    """Five hours without a turn, and a process that ends before it could read them."""
    made = await open_world(tmp_path / "paused.db", venue)
    await settle_for(made, venue, LAG_MS)
    venue.advance(EVERY_MS)
    execute_unknown(venue)
    venue.advance(4 * EVERY_MS)
    venue.broken = True
    assert not (await made.reconciler.settle(SYMBOLS)).is_agreed
    await made.journal.close()
    venue.broken = False
    made = await open_world(tmp_path / "paused.db", venue)
    assert not (await made.reconciler.settle(SYMBOLS)).is_agreed
    await made.journal.close()


async def trade_unseen(world: World, venue: LaggingVenue, symbol: str, symbols: Sequence[str] = SYMBOLS) -> None:
    """Somebody trades 7 by hand while as much comes in or goes out by a way that the venue does not list."""
    await world.reconciler.settle(symbols)
    venue.advance(1_000)
    venue.execute(symbol, Side.SELL, Decimal(7), client_id=None, price=Decimal(10))
    if symbol == SPOT:
        venue.balances["UNI"] += 7
        venue.balances["USDT"] -= Decimal("69.93")
    else:
        venue.positions.clear()
        venue.wallet += Decimal("0.07")


@pytest.mark.parametrize("symbol", SYMBOLS)
@pytest.mark.parametrize("is_restarted", [False, True])
async def test_a_trade_that_no_holding_shows_is_read_within_the_hour_and_at_a_start(
    world: World, venue: LaggingVenue, symbol: str, is_restarted: bool
) -> None:
    """Found by the simulator (heavy seed 1320260): a deposit and a sale by hand hid each other, until the sale was read
    by chance hours later."""
    await settle_for(world, venue, LAG_MS)
    await trade_unseen(world, venue, symbol)
    assert (await world.reconciler.settle(SYMBOLS)).is_agreed
    if is_restarted:
        world.reconciler = Reconciler(venue, world.journal, FAST)
    else:
        await settle_for(world, venue, EVERY_MS)
    truth = await world.reconciler.settle(SYMBOLS)
    assert [fill.symbol for fill in world.journal.reader.load_fills()] == [symbol]
    assert (truth.is_agreed, truth.locked) == (False, {symbol})
    await world.reconciler.accept(by="operator", reason="sold by hand and sent as much")
    assert (await world.reconciler.settle(SYMBOLS)).is_agreed


@pytest.mark.parametrize("is_restarted", [False, True])
async def test_a_trade_by_hand_in_the_perp_of_a_held_token_is_read_where_its_spot_is_removed(
    world: World, venue: LaggingVenue, monkeypatch: pytest.MonkeyPatch, is_restarted: bool
) -> None:
    """Found by the simulator (heavy seed 1330002): the token is held and nothing of it is traded any more, so its perp
    was asked about in no look."""
    listed = venue.fetch_instruments

    async def without_spot(symbols: Sequence[str] | None = None) -> Mapping[str, Instrument]:
        return {symbol: one for symbol, one in (await listed(symbols)).items() if symbol != SPOT}

    monkeypatch.setattr(venue, "fetch_instruments", without_spot)
    await settle_for(world, venue, LAG_MS, [])
    await trade_unseen(world, venue, PERP, [])
    if is_restarted:
        world.reconciler = Reconciler(venue, world.journal, FAST)
    else:
        await settle_for(world, venue, EVERY_MS, [])
    truth = await world.reconciler.settle([])
    assert [fill.symbol for fill in world.journal.reader.load_fills()] == [PERP]
    assert (truth.is_agreed, truth.locked) == (False, {PERP})


async def test_executions_are_asked_for_once_and_not_those_of_before_the_books(
    world: World, venue: LaggingVenue
) -> None:
    venue.execute(SPOT, Side.BUY, Decimal(3), client_id=None, price=Decimal(10))  # by hand, before the bot
    venue.advance(1_000)
    venue.calls.clear()
    await settle_for(world, venue, EVERY_MS)
    assert "fetch_fills" not in venue.calls
    await trade_unseen(world, venue, SPOT)
    await world.reconciler.accept(by="operator", reason="looked at")
    await settle_for(world, venue, EVERY_MS)
    await world.reconciler.accept(by="operator", reason="looked at")
    venue.calls.clear()
    await settle_for(world, venue, 2 * EVERY_MS)
    assert (venue.calls.count("fetch_order_history") > 0, "fetch_fills" in venue.calls) == (True, False)


def rest_by_hand(venue: LaggingVenue, symbol: str) -> VenueOrder:
    """Somebody asks for 7 at a price that is far away."""
    venue.rest_foreign("hand", Side.SELL)
    order = venue.orders[-1]
    order.request = replace(order.request, symbol=symbol, size=Decimal(7), price=Decimal(11))
    return order


def execute_unseen(venue: LaggingVenue, order: VenueOrder, size: Decimal) -> None:
    """The order executes, and as much comes in and goes out by a way that the venue does not list."""
    kept = dict(venue.balances), venue.wallet, dict(venue.positions)
    venue.fill_resting(order, size)
    venue.balances, venue.wallet, venue.positions = kept


@pytest.mark.parametrize("symbol", SYMBOLS)
@pytest.mark.parametrize("is_restarted", [False, True])
@pytest.mark.parametrize("parts", [1, 2])
async def test_a_trade_of_an_order_that_rested_for_hours_is_read_within_the_hour_and_at_a_start(
    world: World, venue: LaggingVenue, symbol: str, is_restarted: bool, parts: int
) -> None:
    """An order history goes by the time at which an order was made: it is in no later list when it executes."""
    await settle_for(world, venue, LAG_MS)
    order = rest_by_hand(venue, symbol)
    await settle_for(world, venue, 3 * EVERY_MS)
    for part in range(1, parts + 1):
        venue.advance(1_000)
        execute_unseen(venue, order, Decimal(7) / parts)
        if is_restarted:
            world.reconciler = Reconciler(venue, world.journal, FAST)
            venue.advance(3 * EVERY_MS)
        await settle_for(world, venue, EVERY_MS)
        assert len(world.journal.reader.load_fills()) == part


async def test_executions_that_the_venue_lists_late_are_read_in_the_look_after(
    world: World, venue: LaggingVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    await settle_for(world, venue, LAG_MS)
    order, read = rest_by_hand(venue, SPOT), venue.fetch_fills
    await settle_for(world, venue, 3 * EVERY_MS)
    execute_unseen(venue, order, Decimal(7))

    async def nothing_yet(symbol: str, since_ms: int) -> tuple[Fill, ...]:
        await read(symbol, since_ms)
        return ()

    with monkeypatch.context() as patch:
        patch.setattr(venue, "fetch_fills", nothing_yet)
        venue.calls.clear()
        await settle_for(world, venue, EVERY_MS)
        assert "fetch_fills" in venue.calls
    await settle_for(world, venue, EVERY_MS)
    assert len(world.journal.reader.load_fills()) == 1


async def test_orders_of_others_that_go_on_resting_cost_no_reading(world: World, venue: LaggingVenue) -> None:
    await settle_for(world, venue, LAG_MS)
    rest_by_hand(venue, SPOT)
    venue.calls.clear()
    await settle_for(world, venue, 5 * EVERY_MS)
    assert ("fetch_order_history" in venue.calls, "fetch_fills" in venue.calls) == (True, False)
    looks = [fact for fact in world.journal.reader.load_facts(CHECKED, 100) if fact.payload["is_final"]]
    assert len(looks) == 6, "the one after the lag, and one every hour"
