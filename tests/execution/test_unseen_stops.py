"""A stop rests while the list of open orders has it and its own endpoint shows it: either may be minutes behind."""

import asyncio
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from bot.domain.states import OrderState
from bot.execution.reconcile import Reconciler
from bot.execution.rules import ExecutionTiming
from bot.ports import OrderReport, ReportState, Unavailable
from bot.risk.limits import Limits
from tests.execution.scripted_venue import PERP, ScriptedVenue
from tests.execution.worlds import FAST, SYMBOLS, World, approve_stop, open_world

ORDER, LIST, HISTORY = "order", "open orders", "order history"


@dataclass
class LaggingVenue(ScriptedVenue):
    """The endpoints in `behind` say what was so when `remember` was called; those in `failing` refuse, those in
    `hanging` do not answer."""

    behind: set[str] = field(default_factory=set)
    failing: set[str] = field(default_factory=set)
    hanging: set[str] = field(default_factory=set)
    former: dict[str, Any] = field(default_factory=dict)

    async def remember(self, client_id: str) -> None:
        self.former = {
            ORDER: await super().fetch_order(PERP, client_id),
            LIST: await super().fetch_open_orders(SYMBOLS),
            HISTORY: await super().fetch_order_history(PERP, 0),
        }

    async def fetch_order(self, symbol: str, client_id: str, *, is_trigger: bool = False) -> OrderReport | None:
        await self._hang(ORDER)
        now = await super().fetch_order(symbol, client_id, is_trigger=is_trigger)
        found: OrderReport | None = self._answer(ORDER, now)
        return found

    async def fetch_open_orders(self, symbols: Any) -> tuple[OrderReport, ...]:
        found: tuple[OrderReport, ...] = self._answer(LIST, await super().fetch_open_orders(symbols))
        return found

    async def fetch_order_history(self, symbol: str, since_ms: int) -> tuple[OrderReport, ...]:
        await self._hang(HISTORY)
        found: tuple[OrderReport, ...] = self._answer(HISTORY, await super().fetch_order_history(symbol, since_ms))
        return found

    async def _hang(self, endpoint: str) -> None:
        if endpoint in self.hanging:
            await asyncio.Event().wait()

    def _answer(self, endpoint: str, now: Any) -> Any:
        if endpoint in self.failing:
            raise Unavailable("no route to the exchange")
        return self.former[endpoint] if endpoint in self.behind else now


@pytest.fixture
async def world(tmp_path: Path) -> Any:
    opened = await open_world(tmp_path / "j.db", LaggingVenue(), threaded=True)
    yield opened
    await opened.journal.close()


async def with_a_stop_that_was_taken_away(world: World) -> str:
    """The venue has cancelled it, and its reply to that was not heard."""
    venue: Any = world.venue
    venue.submits.append("rest")
    (rested,) = await world.executor.act([approve_stop()])
    venue.advance(60_000)
    (client_id,) = rested.client_ids
    await venue.remember(client_id)
    venue.orders[0].state = ReportState.CANCELED
    return str(client_id)


async def test_the_order_history_says_the_end_that_the_order_endpoint_does_not_show_yet(world: World) -> None:
    venue: Any = world.venue
    client_id = await with_a_stop_that_was_taken_away(world)
    venue.behind = {ORDER}
    truth = await world.reconciler.settle(SYMBOLS)
    assert truth.working == ()
    order = world.journal.reader.load_order(client_id)
    assert order is not None
    assert order.state is OrderState.CANCELED


@pytest.mark.parametrize(
    ("behind", "failing"),
    [({ORDER}, {HISTORY}), ({ORDER, HISTORY}, set()), (set(), {ORDER}), ({HISTORY}, {ORDER, HISTORY})],
    ids=["history fails", "history behind as well", "order endpoint fails", "both fail"],
)
async def test_a_stop_that_only_an_older_answer_or_none_keeps_open_is_unseen(
    world: World, behind: set[str], failing: set[str]
) -> None:
    venue: Any = world.venue
    client_id = await with_a_stop_that_was_taken_away(world)
    venue.behind, venue.failing = behind, failing
    truth = await world.reconciler.settle(SYMBOLS)
    assert [order.client_id for order in truth.working] == [client_id], "it counts in every cap"
    assert truth.unseen == {client_id}


@pytest.mark.parametrize("endpoints", [(ORDER,), (HISTORY,), (ORDER, HISTORY)], ids=" and ".join)
async def test_a_stop_that_the_list_has_is_seen_whatever_else_fails(world: World, endpoints: tuple[str, ...]) -> None:
    venue: Any = world.venue
    venue.submits.append("rest")
    await world.executor.act([approve_stop()])
    venue.advance(60_000)
    venue.failing = set(endpoints)
    truth = await world.reconciler.settle(SYMBOLS)
    assert (len(truth.working), truth.unseen) == (1, frozenset())


async def test_a_list_may_lack_a_stop_within_the_quiet_period_and_not_after_it(world: World) -> None:
    venue: Any = world.venue
    await venue.remember("none")
    venue.submits.append("rest")
    (rested,) = await world.executor.act([approve_stop()])
    venue.behind = {LIST}
    venue.advance(venue.quiet_period_ms - 1)
    truth = await world.reconciler.settle(SYMBOLS)
    assert (len(truth.working), truth.unseen) == (1, frozenset())
    venue.advance(1)
    truth = await world.reconciler.settle(SYMBOLS)
    assert (len(truth.working), truth.unseen) == (1, set(rested.client_ids))
    venue.behind = set()
    assert (await world.reconciler.settle(SYMBOLS)).unseen == frozenset()


def questions(world: World) -> int:
    return world.venue.calls.count("fetch_order")


@pytest.mark.parametrize("behind", [{LIST}, {LIST, HISTORY}], ids=["list", "list and history"])
async def test_a_stop_that_only_an_older_list_shows_is_over_when_it_is_asked_about(
    world: World, behind: set[str]
) -> None:
    venue: Any = world.venue
    client_id = await with_a_stop_that_was_taken_away(world)
    venue.behind = behind
    assert (await world.reconciler.settle(SYMBOLS)).working == (), "a process begins by asking about every stop"
    order = world.journal.reader.load_order(client_id)
    assert order is not None
    assert order.state is OrderState.CANCELED


async def test_a_stop_is_asked_about_by_itself_every_half_minute(world: World) -> None:
    venue: Any = world.venue
    client_id = await with_a_stop_that_was_taken_away(world)
    venue.orders[0].state = ReportState.OPEN
    await world.reconciler.settle(SYMBOLS)
    venue.orders[0].state = ReportState.CANCELED
    venue.behind = {LIST}
    asked = questions(world)
    for _ in range(3):
        venue.advance(9_999)
        truth = await world.reconciler.settle(SYMBOLS)
        assert [order.client_id for order in truth.working] == [client_id]
    assert questions(world) == asked, "a proof holds for half a minute"
    venue.advance(10)
    assert (await world.reconciler.settle(SYMBOLS)).working == ()


async def test_an_order_that_its_endpoint_does_not_know_is_looked_up_in_the_history(world: World) -> None:
    venue: Any = world.venue
    await with_a_stop_that_was_taken_away(world)
    venue.behind = {LIST, ORDER}
    venue.former[ORDER] = None
    assert (await world.reconciler.settle(SYMBOLS)).working == ()


@pytest.mark.parametrize("restarts", [False, True], ids=["proved before", "never proved"])
async def test_a_stop_whose_own_endpoint_stays_silent_protects_nothing_after_a_minute(
    world: World, restarts: bool
) -> None:
    venue: Any = world.venue
    client_id = await with_a_stop_that_was_taken_away(world)
    venue.orders[0].state = ReportState.OPEN
    await world.reconciler.settle(SYMBOLS)
    venue.failing = {ORDER}
    if restarts:
        world.reconciler = Reconciler(world.venue, world.journal, FAST)
        await world.reconciler.settle(SYMBOLS)
    for pause_ms in (30_000, 29_999):
        venue.advance(pause_ms)
        truth = await world.reconciler.settle(SYMBOLS)
        assert (len(truth.working), truth.unseen) == (1, frozenset())
    venue.advance(1)
    truth = await world.reconciler.settle(SYMBOLS)
    assert (len(truth.working), truth.unseen) == (1, {client_id})
    venue.failing = set()
    truth = await world.reconciler.settle(SYMBOLS)
    assert (len(truth.working), truth.unseen) == (1, frozenset())


async def test_one_question_in_vain_after_a_long_pause_says_nothing_of_a_stop(world: World) -> None:
    venue: Any = world.venue
    client_id = await with_a_stop_that_was_taken_away(world)
    venue.orders[0].state = ReportState.OPEN
    await world.reconciler.settle(SYMBOLS)
    venue.failing = {ORDER}
    venue.advance(3_600_000)
    assert (await world.reconciler.settle(SYMBOLS)).unseen == frozenset()
    venue.advance(30_000)
    assert (await world.reconciler.settle(SYMBOLS)).unseen == {client_id}


async def test_a_clock_that_is_set_back_does_not_keep_a_proof_for_longer(world: World) -> None:
    venue: Any = world.venue
    await with_a_stop_that_was_taken_away(world)
    venue.orders[0].state = ReportState.OPEN
    venue.advance(3_600_000)
    await world.reconciler.settle(SYMBOLS)
    venue.orders[0].state = ReportState.CANCELED
    venue.behind = {LIST}
    venue.advance(-3_000_000)
    assert (await world.reconciler.settle(SYMBOLS)).working == ()


@pytest.mark.parametrize("hanging", [(ORDER,), (HISTORY,), (ORDER, HISTORY)], ids=" and ".join)
async def test_a_stops_own_endpoint_that_hangs_holds_no_settlement_up(world: World, hanging: tuple[str, ...]) -> None:
    """Each settlement goes on after the deadline of the question; the stop counts as unseen after a minute."""
    venue: Any = world.venue
    client_id = await with_a_stop_that_was_taken_away(world)
    venue.orders[0].state = ReportState.OPEN
    rules = FAST.model_copy(update={"timing": replace(FAST.timing, stop_proof_deadline_ms=50)})
    world.reconciler = Reconciler(world.venue, world.journal, rules)
    await world.reconciler.settle(SYMBOLS)
    venue.behind, venue.hanging = {ORDER}, hanging
    venue.former[ORDER] = None  # the history is asked as well
    unseen = []
    for _ in range(2):
        venue.advance(30_000)
        async with asyncio.timeout(5):
            truth = await world.reconciler.settle(SYMBOLS)
        assert [order.client_id for order in truth.working] == [client_id]
        unseen.append(truth.unseen)
    assert unseen == [frozenset(), {client_id}]


def test_a_settlement_waits_for_a_stops_endpoint_no_longer_than_for_a_venue_that_is_slow() -> None:
    assert ExecutionTiming().stop_proof_deadline_ms <= Limits().latency_max_ms
