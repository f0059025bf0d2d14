"""The executor: each order once, inside its bound, in the playbook's order, and nothing unwritten."""

import asyncio
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bot.domain.instrument import Side
from bot.domain.money import ZERO
from bot.domain.order import OrderType, Purpose, TimeInForce
from bot.domain.order_ids import is_ours
from bot.domain.reason import Reason
from bot.domain.states import KillLevel, OrderEvent, OrderState
from bot.execution.executor import Outcome
from bot.journal.journal import JournalReadOnly
from bot.ports import Lane, OrderReport, OrderRequest, ReportState
from bot.report.profit.export import fills_table
from tests.execution.scripted_venue import PERP, SPOT, START_MS, ScriptedVenue
from tests.execution.worlds import ACCOUNT, FAST, SYMBOLS, World, approve, open_world


@pytest.fixture
async def world(tmp_path: Path) -> Any:
    made = await open_world(tmp_path / "j.db", ScriptedVenue(), threaded=True)
    yield made
    await made.journal.close()


async def act(world: World, *words: str, **changes: Any) -> Outcome:
    """As a turn does, which reads the executions of what it has sent last once all of it is out."""
    world.venue.submits.extend(words)
    (outcome,) = await world.executor.act([approve(**changes)])
    await world.executor.collect_executions()
    return outcome


def reasons(outcome: Outcome) -> list[Reason]:
    return [note.reason for note in outcome.notes]


async def test_the_price_at_which_an_order_was_decided_is_journaled_with_it(world: World) -> None:
    """From the decision to each execution: what slippage is measured against."""
    price = Decimal("9.9")
    await act(world, reference_price=price)
    booked = world.journal.reader.load_booked_fills()
    assert booked
    assert all(order is not None and order.decided == price for _, _, _, order in booked)
    table = fills_table(world.journal.reader, 0, 1 << 62)
    row = dict(zip(table.columns, table.rows[0], strict=True))
    slippage = sum(Decimal(one[-1] or "nan") for one in table.rows)
    paid = sum(value - fill.size * price for _, fill, value, _ in booked)
    assert (row["decided_price"], slippage) == ("9.9", paid)
    assert paid > 0


async def test_a_filled_order_is_journaled_with_its_fills_and_fees(world: World) -> None:
    outcome = await act(world)
    assert (outcome.state, outcome.filled_size, outcome.filled_quote) == (OrderState.FILLED, Decimal(4), Decimal(40))
    assert outcome.is_complete
    (fill,) = world.journal.reader.load_fills()
    assert (fill.fee, fill.client_id) == (Decimal("0.040"), outcome.client_ids[0])
    assert is_ours(outcome.client_ids[0], ACCOUNT)


async def test_the_request_carries_the_journaled_stamp_and_the_bound(world: World) -> None:
    outcome = await act(world)
    (post,) = world.venue.posts
    order = world.journal.reader.load_order(outcome.client_ids[0])
    assert order is not None
    assert (post.stamp_ms, post.receive_window_ms) == (order.sent_ms, order.receive_window_ms) == (START_MS, 5_000)
    assert (post.price, post.size, post.client_id) == (Decimal(11), Decimal(4), order.client_id)


@pytest.mark.parametrize("order_type", [OrderType.MARKET, OrderType.STOP])
async def test_orders_without_a_limit_carry_no_price(world: World, order_type: OrderType) -> None:
    await act(world, order_type=order_type, trigger_price=Decimal(9))
    assert world.venue.posts[0].price is None


@pytest.mark.parametrize(
    ("word", "state", "filled"),
    [
        ("partial", OrderState.EXPIRED, "2"),
        ("expire", OrderState.EXPIRED, "0"),
        ("reject:funds", OrderState.REJECTED, "0"),
        ("reject:filter", OrderState.REJECTED, "0"),
        ("lost_request", OrderState.IN_DOUBT, "0"),
        ("lost_reply", OrderState.FILLED, "4"),
        ("duplicate", OrderState.FILLED, "4"),
        ("garbage", OrderState.FILLED, "4"),
        ("late:3000", OrderState.IN_DOUBT, "0"),
        ("rest", OrderState.CANCELED, "0"),
    ],
)
async def test_every_answer_has_its_outcome_and_one_post(
    world: World, word: str, state: OrderState, filled: str
) -> None:
    outcome = await act(world, word)
    assert (outcome.state, outcome.filled_size) == (state, Decimal(filled))
    assert len(world.venue.posts) == 1
    assert outcome.is_settled == (state is not OrderState.IN_DOUBT)
    world.journal.reader.verify()


@pytest.mark.parametrize("kind", ["rate_limit", "clock"])
async def test_only_answers_that_pass_are_tried_again_and_each_try_has_its_own_id(world: World, kind: str) -> None:
    outcome = await act(world, f"reject:{kind}", f"reject:{kind}", "fill")
    assert outcome.state is OrderState.FILLED
    assert len({post.client_id for post in world.venue.posts}) == 3
    assert [client_id[-2:] for client_id in outcome.client_ids] == ["00", "01", "02"]
    assert ("fetch_clock_skew" in world.venue.calls) == (kind == "clock")


async def test_attempts_end(world: World) -> None:
    outcome = await act(world, *["reject:rate_limit"] * 9)
    assert len(world.venue.posts) == FAST.max_attempts
    assert reasons(outcome)[-1] is Reason.ATTEMPTS_SPENT


async def test_an_order_in_doubt_blocks_its_intent_until_it_is_settled(world: World) -> None:
    await world.reconciler.settle(SYMBOLS)
    await act(world, "lost_request")
    again = await act(world)
    assert (again.state, reasons(again)) == (None, [Reason.INTENT_IN_FLIGHT])
    world.venue.advance(world.venue.quiet_period_ms)
    await world.reconciler.settle(SYMBOLS)
    third = await act(world)
    assert third.state is OrderState.FILLED
    assert len({post.client_id for post in world.venue.posts}) == 2


async def test_the_next_slice_follows_what_came_to_be(world: World) -> None:
    first = await act(world, "partial")
    second = await act(world, size=Decimal(2))
    assert first.client_ids[0][:-5] == second.client_ids[0][:-5]
    assert (first.client_ids[0][-5:], second.client_ids[0][-5:]) == ("00000", "00100")


async def test_two_intents_of_one_leg_get_different_ids(world: World) -> None:
    outcomes = await world.executor.act([approve(id="a"), approve(id="b", symbol=PERP)])
    assert [outcome.state for outcome in outcomes] == [OrderState.FILLED, OrderState.FILLED]
    assert len({post.client_id for post in world.venue.posts}) == 2


async def test_the_kill_switch_stops_an_order_that_has_been_admitted(tmp_path: Path) -> None:
    venue, thrown = ScriptedVenue(), []
    venue.on_admit = lambda: thrown.append(True)
    world = await open_world(tmp_path / "j.db", venue, is_stopped=lambda intent: bool(thrown))
    outcome = await act(world)
    assert (outcome.state, reasons(outcome)) == (None, [Reason.KILL_SWITCH])
    assert not venue.posts
    assert not world.journal.reader.load_orders()
    await world.journal.close()


async def test_the_kill_switch_stops_an_order_between_paper_and_wire(tmp_path: Path) -> None:
    venue, answers = ScriptedVenue(), iter([False, False, True])
    world = await open_world(tmp_path / "j.db", venue, is_stopped=lambda intent: next(answers))
    outcome = await act(world)
    assert (outcome.state, reasons(outcome)) == (OrderState.REJECTED, [Reason.KILL_SWITCH])
    assert not venue.posts
    assert world.journal.reader.load_orders()[0].reason.startswith("not sent")
    await world.journal.close()


async def test_an_order_whose_stamp_grew_old_on_paper_is_not_sent(world: World) -> None:
    record, slow = world.journal.record_submitting, [2_600, 2_400]

    async def slow_record(order: Any, decided: Any) -> None:
        await record(order, decided)
        world.venue.advance(slow.pop(0))

    world.journal.record_submitting = slow_record  # type: ignore[method-assign]
    outcome = await act(world)
    assert outcome.state is OrderState.FILLED
    assert len(world.venue.posts) == 1
    first = world.journal.reader.load_order(outcome.client_ids[0])
    assert first is not None
    assert (first.state, "not sent" in first.reason) == (OrderState.REJECTED, True)


async def test_a_cancelled_caller_loses_no_answer(world: World) -> None:
    world.venue.submits.append("hang")
    task = asyncio.create_task(world.executor.act([approve()]))
    await world.venue.posted.wait()
    task.cancel()
    await asyncio.sleep(0)
    world.venue.released.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    (order,) = world.journal.reader.load_orders()
    assert (order.state, order.filled_size) == (OrderState.FILLED, Decimal(4))


async def test_a_cancelled_caller_who_cannot_wait_leaves_a_doubt_and_the_answer_still_counts(world: World) -> None:
    world.venue.submits.append("hang")
    task = asyncio.create_task(world.executor.act([approve()]))
    await world.venue.posted.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert world.journal.reader.load_orders()[0].state is OrderState.IN_DOUBT
    world.venue.released.set()
    await world.executor.close()
    assert world.journal.reader.load_orders()[0].state is OrderState.FILLED


async def test_phases_run_in_order_whatever_the_order_given(world: World) -> None:
    purposes = [Purpose.RELEASE, Purpose.TACTICAL, Purpose.HEDGE, Purpose.INCREASE, Purpose.REDUCE]
    items = [approve(purpose, id=purpose.value, leg=leg) for leg, purpose in enumerate(purposes)]
    outcomes = await world.executor.act(items)
    assert [outcome.intent.purpose for outcome in outcomes] == purposes
    legs = [int(post.client_id[-7:-5], 36) for post in world.venue.posts]
    order = [purposes[leg] for leg in legs]
    assert order[:2] == [Purpose.HEDGE, Purpose.REDUCE]
    assert set(order[2:4]) == {Purpose.RELEASE, Purpose.INCREASE}, "a hedge is released after the sale of its sector"
    assert order[4] is Purpose.TACTICAL


async def test_exits_and_releases_go_before_hedges_and_entries_and_wait_for_no_doubt(world: World) -> None:
    """EXIT stood sixth, behind every entry of its batch."""
    purposes = (Purpose.HEDGE, Purpose.INCREASE, Purpose.TACTICAL, Purpose.RELEASE, Purpose.EXIT)
    items = [approve(p, id=p.value, leg=leg) for leg, p in enumerate(purposes)]
    world.venue.submits.extend(["lost_request", "lost_request"])
    await world.executor.act(items)
    legs = [int(post.client_id[-7:-5], 36) for post in world.venue.posts]
    assert [purposes[leg] for leg in legs] == [Purpose.EXIT, Purpose.RELEASE], "the same instrument is in doubt"


async def test_hedges_that_end_in_doubt_again_and_again_hold_a_sale_back_once(world: World) -> None:
    for number, replies in enumerate((["lost_request"], ["fill", "lost_request"])):
        hedge = approve(Purpose.HEDGE, id=f"h{number}", leg=number, symbol=PERP, side=Side.SELL, worst_price=Decimal(9))
        sale = approve(Purpose.REDUCE, id="sale", leg=9, side=Side.SELL, worst_price=Decimal(9))
        world.venue.submits.extend(replies)
        hedged, sold = await world.executor.act([hedge, sale])
        assert hedged.state is OrderState.IN_DOUBT
        assert sold.state is (OrderState.FILLED if number else None)


async def test_a_doubt_stops_the_next_phases_but_never_an_exit(world: World) -> None:
    items = [approve(p, id=p.value, leg=leg) for leg, p in enumerate((Purpose.REDUCE, Purpose.INCREASE, Purpose.EXIT))]
    world.venue.submits.extend(["fill", "lost_request"])
    reduce, increase, leave = await world.executor.act(items)
    assert reduce.state is OrderState.IN_DOUBT
    assert (increase.state, reasons(increase)) == (None, [Reason.ORDER_IN_DOUBT])
    assert leave.state is OrderState.FILLED


async def test_a_hedge_is_not_released_before_its_spot_is_sold(world: World) -> None:
    items = [approve(p, id=p.value, leg=leg) for leg, p in enumerate((Purpose.REDUCE, Purpose.RELEASE))]
    world.venue.submits.append("partial")
    _, release = await world.executor.act(items)
    assert (release.state, reasons(release)) == (None, [Reason.PHASE_WAITS])


async def test_leverage_is_set_before_an_entry_and_never_for_an_exit(world: World) -> None:
    await act(world, symbol=PERP, leverage=Decimal(3))
    assert world.venue.calls.index(f"set_leverage {PERP} 3") < world.venue.calls.index(f"submit_order {PERP}")
    world.venue.calls.clear()
    await act(world, id="x", symbol=PERP, side=Side.SELL, leverage=Decimal(3), reduce_only=True)
    assert not [call for call in world.venue.calls if call.startswith("set_leverage")]
    assert "admit critical" in world.venue.calls


async def test_without_its_leverage_no_entry_is_sent(world: World) -> None:
    async def broken(symbol: str, leverage: Decimal) -> None:
        raise TimeoutError

    world.venue.set_leverage = broken  # type: ignore[method-assign]
    outcome = await act(world, symbol=PERP, leverage=Decimal(3))
    assert (outcome.state, reasons(outcome), world.venue.posts) == (None, [Reason.VENUE_UNAVAILABLE], [])


async def test_nothing_is_sent_that_could_not_be_written_down(world: World) -> None:
    with pytest.raises(JournalReadOnly):
        await world.journal._writer.run(lambda db: db.execute("PRAGMA query_only = ON"))
    with pytest.raises(JournalReadOnly):
        await act(world)
    assert not world.venue.posts


async def test_resting_orders_are_left_until_their_deadline_and_trigger_orders_for_ever(world: World) -> None:
    resting = await act(world, "rest", time_in_force=TimeInForce.GTC)
    stop = await act(
        world, "rest", id="stop", order_type=OrderType.STOP, time_in_force=TimeInForce.GTC, trigger_price=Decimal(8)
    )
    assert (resting.state, resting.is_settled, stop.state) == (OrderState.OPEN, True, OrderState.OPEN)
    world.venue.advance(FAST.order_deadline_ms)
    await world.executor.act([])
    assert len(world.journal.reader.load_working()) == 2
    world.venue.advance(1)
    await world.executor.act([])
    assert [order.intent_id for order in world.journal.reader.load_working()] == ["stop"]
    assert [order.state for order in world.venue.orders] == [ReportState.CANCELED, ReportState.OPEN]


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("ok", OrderState.CANCELED),
        ("filled_first", OrderState.FILLED),
        ("lost_request", OrderState.CANCELING),
        ("lost_reply", OrderState.CANCELED),
        ("refuse", OrderState.OPEN),
        ("not_found", OrderState.OPEN),
    ],
)
async def test_a_cancel_is_over_when_the_venue_says_what_became_of_the_order(
    world: World, word: str, state: OrderState
) -> None:
    await act(world, "rest", time_in_force=TimeInForce.GTC)
    world.venue.cancels.append(word)
    await world.executor.cancel(world.journal.reader.load_working())
    (order,) = world.journal.reader.load_orders()
    assert order.state is state
    assert order.filled_size == (4 if state is OrderState.FILLED else 0)
    assert len(world.journal.reader.load_fills()) == (1 if state is OrderState.FILLED else 0)


async def test_a_cancel_without_verdict_leaves_the_order_working_until_it_is_known(world: World) -> None:
    await world.reconciler.settle(SYMBOLS)
    await act(world, "rest", time_in_force=TimeInForce.GTC)
    world.venue.cancels.append("lost_request")
    world.venue.is_down = True
    await world.executor.cancel(world.journal.reader.load_working())
    assert world.journal.reader.load_working()[0].open_size == 4
    world.venue.is_down = False
    await world.executor.cancel_overdue()
    assert world.journal.reader.load_orders()[0].state is OrderState.CANCELED


@pytest.mark.parametrize("ends", [True, False], ids=["settled meanwhile", "still there"])
async def test_a_cancel_of_the_switch_is_sent_unless_its_order_was_settled_while_it_waited(
    world: World, monkeypatch: pytest.MonkeyPatch, ends: bool
) -> None:
    await act(world, "rest", time_in_force=TimeInForce.GTC)
    (order,) = world.journal.reader.load_working()

    async def admit(symbol: str, lane: Lane) -> None:
        if ends:
            await world.journal.record_order_event(order.client_id, OrderEvent.EXPIRED)

    monkeypatch.setattr(world.venue, "admit", admit)
    await world.executor.send_cancels([order])
    assert (f"cancel_order {order.client_id}" in world.venue.calls) is not ends


async def test_a_cancel_of_an_order_that_ends_while_it_waits_is_not_sent(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found by the simulation (seed 350003): the reply that a stopped turn had left behind came during the wait."""
    await act(world, "rest", time_in_force=TimeInForce.GTC)
    (order,) = world.journal.reader.load_working()

    async def admit(symbol: str, lane: Lane) -> None:
        await world.journal.record_order_event(order.client_id, OrderEvent.EXPIRED)

    monkeypatch.setattr(world.venue, "admit", admit)
    assert await world.executor.cancel([order]) == ()
    assert f"cancel_order {order.client_id}" not in world.venue.calls
    (after,) = world.journal.reader.load_orders()
    assert after.state is OrderState.EXPIRED


async def test_a_cancel_that_another_settlement_overtakes_takes_its_outcome(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found by the simulation (heavy seed 760248): the cancel of a stopped turn settled the order between the answer
    about it and its record, and the turn after it ended with an IllegalTransition."""
    await act(world, "rest", time_in_force=TimeInForce.GTC)
    (order,) = world.journal.reader.load_working()
    answer = world.venue.fetch_order

    async def fetch_order(symbol: str, client_id: str, **options: Any) -> Any:
        report = await answer(symbol, client_id, **options)
        await world.journal.record_order_event(client_id, OrderEvent.CANCELED)
        return report

    monkeypatch.setattr(world.venue, "fetch_order", fetch_order)
    await world.executor.cancel([order])
    (after,) = world.journal.reader.load_orders()
    assert after.state is OrderState.CANCELED


@pytest.mark.parametrize("event", [OrderEvent.REJECTED, OrderEvent.CANCELED])
async def test_of_two_cancels_of_one_order_the_second_verdict_finds_what_the_first_has_left(
    world: World, monkeypatch: pytest.MonkeyPatch, event: OrderEvent
) -> None:
    """Found by the simulation (heavy seed 1420077): the switch and a turn had each sent one, both were refused, and the
    turn ended with an IllegalTransition."""
    await act(world, "rest", time_in_force=TimeInForce.GTC)
    (order,) = world.journal.reader.load_working()
    world.venue.cancels.append("refuse")
    record = world.journal.record_order_event

    async def overtaken(client_id: str, verdict: OrderEvent, **fields: Any) -> Any:
        if verdict is OrderEvent.REJECTED:
            await record(client_id, event)
        return await record(client_id, verdict, **fields)

    monkeypatch.setattr(world.journal, "record_order_event", overtaken)
    await world.executor.cancel([order])
    (after,) = world.journal.reader.load_orders()
    assert after.state is (OrderState.OPEN if event is OrderEvent.REJECTED else OrderState.CANCELED)


async def test_a_cancel_of_the_switch_that_a_turn_overtakes_takes_its_outcome(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order ends between the answer about it and the record that its cancel was sent."""
    await act(world, "rest", time_in_force=TimeInForce.GTC)
    (order,) = world.journal.reader.load_working()
    world.venue.cancels.append("refuse")
    await world.executor.send_cancels([order])
    world.executor._cancels_sent.add(order.client_id)
    record = world.journal.record_order_event

    async def overtaken(client_id: str, verdict: OrderEvent, **fields: Any) -> Any:
        if verdict is OrderEvent.CANCEL_SENT:
            await record(client_id, OrderEvent.CANCELED)
        return await record(client_id, verdict, **fields)

    monkeypatch.setattr(world.journal, "record_order_event", overtaken)
    assert await world.executor.settle_cancels([order]) == ()
    assert world.journal.reader.load_orders()[0].state is OrderState.CANCELED


@pytest.mark.parametrize("way", ["send_cancels", "settle_cancels", "cancel"])
async def test_a_cancel_of_the_switch_that_waited_during_a_resume_is_not_sent(
    world: World, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """Found by the simulation: a stop was cancelled after the operator had resumed, because the throttle held the
    cancel until then."""
    await act(world, "rest", time_in_force=TimeInForce.GTC)
    (order,) = world.journal.reader.load_working()
    level = KillLevel.CANCEL_ALL

    async def admit(symbol: str, lane: Lane) -> None:
        nonlocal level
        level = KillLevel.OFF

    monkeypatch.setattr(world.venue, "admit", admit)
    await getattr(world.executor, way)([order], lambda one: one.is_withdrawn_at(level))
    assert f"cancel_order {order.client_id}" not in world.venue.calls
    assert world.journal.reader.load_working() == (order,)


async def test_orders_of_others_are_never_cancelled(world: World) -> None:
    world.venue.rest_foreign("by-hand")
    truth = await world.reconciler.settle(SYMBOLS)
    assert [order.intent_id for order in truth.working] == ["foreign"]
    await world.executor.cancel(truth.working)
    assert world.venue.orders[0].state is ReportState.OPEN


async def test_an_unreachable_venue_after_an_ack_leaves_the_order_to_the_next_reconciliation(world: World) -> None:
    await world.reconciler.settle(SYMBOLS)
    world.venue.is_down = True
    outcome = await act(world, "fill")
    assert (outcome.state, outcome.filled_size) == (OrderState.FILLED, Decimal(4))
    assert not world.journal.reader.load_fills()
    world.venue.is_down = False
    truth = await world.reconciler.settle(SYMBOLS)
    assert truth.is_agreed
    assert len(world.journal.reader.load_fills()) == 1


async def test_orders_of_one_instrument_do_not_overlap(tmp_path: Path) -> None:
    world = await open_world(tmp_path / "j.db", ScriptedVenue())
    under_way, most = [0], [0]
    submit = world.venue.submit_order

    async def watched(request: Any) -> Any:
        under_way[0] += 1
        most[0] = max(most[0], under_way[0])
        await asyncio.sleep(0)
        under_way[0] -= 1
        return await submit(request)

    world.venue.submit_order = watched  # type: ignore[method-assign]
    items = [approve(id=f"i{leg}", leg=leg, symbol=SPOT) for leg in range(5)]
    outcomes = await world.executor.act(items)
    assert [outcome.state for outcome in outcomes] == [OrderState.FILLED] * 5
    assert most == [1]
    await world.journal.close()


async def test_children_never_exceed_what_was_approved(world: World) -> None:
    small = replace(approve(), size=Decimal(3))
    (outcome,) = await world.executor.act([small])
    assert outcome.filled_size == Decimal(3)
    assert sum(post.size for post in world.venue.posts) == 3


async def test_executions_that_came_with_the_reply_are_recorded_and_not_asked_for_again(tmp_path: Path) -> None:
    class Telling(ScriptedVenue):
        """The reply to an order carries its executions, as spot replies do."""

        async def submit_order(self, request: OrderRequest) -> OrderReport:
            report = await super().submit_order(request)
            own = tuple(fill for fill in self.fills if fill.venue_order_id == report.venue_id)
            return replace(report, fills=own)

    venue = Telling()
    world = await open_world(tmp_path / "j.db", venue)
    (outcome,) = await world.executor.act([approve()])
    assert outcome.is_complete
    assert "fetch_fills" not in venue.calls
    assert world.journal.reader.load_fills(10)
    assert (await world.reconciler.settle(SYMBOLS)).is_agreed
    await world.journal.close()


async def test_executions_are_read_after_the_orders_of_their_phase_and_before_those_of_the_next(world: World) -> None:
    sale = approve(Purpose.REDUCE, id="sale", side=Side.SELL, worst_price=Decimal(9))
    purchases = [approve(id=f"buy{leg}", leg=leg + 2, symbol=symbol) for leg, symbol in enumerate(SYMBOLS)]
    await world.executor.act([*purchases, sale])
    calls = [call.partition(" ")[0] for call in world.venue.calls]
    sent = [call for call in calls if call in ("submit_order", "fetch_fills")]
    assert sent == ["submit_order", "fetch_fills", "submit_order", "submit_order"]
    assert len(world.journal.reader.load_fills()) == 1
    await world.executor.collect_executions()
    assert len(world.journal.reader.load_fills()) == 3
    before = len(world.venue.calls)
    await world.executor.collect_executions()
    assert len(world.venue.calls) == before


async def test_a_strangers_execution_in_one_phase_holds_the_next_one_back(world: World) -> None:
    world.venue.execute(SPOT, Side.SELL, Decimal(1), client_id=None, price=Decimal(10))
    world.venue.fills = [replace(fill, client_id=None) for fill in world.venue.fills]
    sale = approve(Purpose.REDUCE, id="sale", side=Side.SELL, worst_price=Decimal(9))
    sold, bought = await world.executor.act([sale, approve(id="buy", leg=2, symbol=PERP)])
    assert sold.is_complete
    assert (bought.client_ids, reasons(bought)) == ((), [Reason.ANOTHER_WRITER])


async def test_executions_that_a_turn_has_left_unread_are_read_before_the_next_order(world: World) -> None:
    """It was ended before it came to them; whose they are decides what may be sent."""
    (left,) = await world.executor.act([approve()])
    assert not world.journal.reader.load_fills()
    (sent,) = await world.executor.act([approve(id="next", leg=2, symbol=PERP)])
    assert sent.is_complete
    assert [fill.client_id for fill in world.journal.reader.load_fills()] == list(left.client_ids)


async def test_what_executed_in_part_is_read_at_once_because_the_rest_may_be_sent_again(world: World) -> None:
    world.venue.submits.append("partial")
    (outcome,) = await world.executor.act([approve()])
    assert ZERO < outcome.filled_size < 4
    assert len(world.journal.reader.load_fills()) == 1
