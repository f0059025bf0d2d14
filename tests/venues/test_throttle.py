"""The throttle under a clock of its own: no window ever holds more than its limit, and nobody is overtaken."""

import asyncio
import heapq
from collections.abc import Awaitable, Sequence
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.ports import Lane
from bot.venues.ccxt.profile import BucketSpec
from bot.venues.ccxt.throttle import CRITICAL_HOLD_S, CRITICAL_PACE_S, Gate, WeightedThrottler, shares_of
from tests.profiles import examples


class FakeTime:
    """A clock that moves only when every task sleeps, and then to the earliest wake-up."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self._sleepers: list[tuple[float, int, asyncio.Event]] = []
        self._count = 0

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        woken = asyncio.Event()
        self._count += 1
        heapq.heappush(self._sleepers, (self.now + seconds, self._count, woken))
        await woken.wait()

    async def run(self, *jobs: Awaitable[None], until: float | None = None) -> None:
        tasks = [asyncio.ensure_future(job) for job in jobs]
        while not all(task.done() for task in tasks):
            for _ in range(12 + 4 * len(tasks)):
                await asyncio.sleep(0)
            if all(task.done() for task in tasks):
                break
            assert self._sleepers, "everyone waits and nobody sleeps"
            if until is not None and self._sleepers[0][0] > until:
                break
            at, _, woken = heapq.heappop(self._sleepers)
            self.now = max(self.now, at)
            woken.set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def busiest(stamps: Sequence[tuple[float, int]], period_s: float) -> int:
    """The most units inside any window of that length."""
    return max((sum(cost for at, cost in stamps if start <= at < start + period_s) for start, _ in stamps), default=0)


COSTS = st.lists(st.integers(1, 20), min_size=1, max_size=40)
GAPS = st.lists(st.floats(0, 3), min_size=40, max_size=40)


@settings(max_examples=examples(40), deadline=None)
@given(costs=COSTS, gaps=GAPS, limit=st.integers(20, 60))
def test_no_window_ever_holds_more_units_than_the_limit_and_arrivals_keep_their_order(
    costs: list[int], gaps: list[float], limit: int
) -> None:
    async def scenario() -> None:
        fake = FakeTime()
        throttler = WeightedThrottler(limit, 10.0, clock=fake.clock, sleep=fake.sleep)
        admitted: list[tuple[float, int]] = []
        order: list[int] = []

        async def caller(number: int, cost: int) -> None:
            await throttler.acquire(cost)
            admitted.append((fake.now, cost))
            order.append(number)

        async def arrivals() -> None:
            tasks = []
            for number, cost in enumerate(costs):
                tasks.append(asyncio.ensure_future(caller(number, cost)))
                await fake.sleep(gaps[number])
            await asyncio.gather(*tasks)

        await fake.run(arrivals())
        assert busiest(admitted, 10.0) <= limit
        assert order == list(range(len(costs)))

    asyncio.run(scenario())


def make_gate(fake: FakeTime, *specs: BucketSpec, spread_ms: int = 0) -> Gate:
    return Gate(specs, spread_ms=spread_ms, clock=fake.clock, sleep=fake.sleep)


@settings(max_examples=examples(40), deadline=None)
@given(jobs=st.lists(st.tuples(st.sampled_from(list(Lane)), st.integers(1, 8), st.integers(0, 1)), max_size=50))
def test_every_bucket_keeps_its_limit_and_each_lane_its_order(jobs: list[tuple[Lane, int, int]]) -> None:
    async def scenario() -> None:
        fake = FakeTime()
        gate = make_gate(fake, BucketSpec("weight", 40, 10_000), BucketSpec("orders", 4, 3_000))
        admitted: list[tuple[float, int, int, Lane, int]] = []

        async def caller(number: int, lane: Lane, weight: int, orders: int) -> None:
            await gate.admit({"weight": weight, "orders": orders}, lane)
            admitted.append((fake.now, weight, orders, lane, number))

        await fake.run(*(caller(number, *job) for number, job in enumerate(jobs)))
        assert busiest([(at, weight) for at, weight, *_ in admitted], 10) <= 40
        assert busiest([(at, orders) for at, _, orders, *_ in admitted], 3) <= 4
        bulk = [(at, weight) for at, weight, _, lane, _ in admitted if lane is Lane.BULK]
        assert busiest(bulk, 10) <= 32
        others = [(at, weight) for at, weight, _, lane, _ in admitted if lane is not Lane.CRITICAL]
        assert busiest(others, 10) <= 38
        for lane in Lane:
            numbers = [number for *_, of, number in admitted if of is lane]
            assert numbers == sorted(numbers)

    asyncio.run(scenario())


async def test_critical_requests_pass_at_once_while_bulk_has_used_up_its_share() -> None:
    fake = FakeTime()
    gate = make_gate(fake, BucketSpec("weight", 100, 60_000))
    passed: list[tuple[str, float]] = []

    async def bulk() -> None:
        await gate.admit({"weight": 10}, Lane.BULK)
        passed.append(("bulk", fake.now))

    async def critical() -> None:
        await fake.sleep(1)
        await gate.admit({"weight": 1}, Lane.CRITICAL)
        passed.append(("critical", fake.now))

    await fake.run(*(bulk() for _ in range(30)), *(critical() for _ in range(15)), until=1_050)
    assert [at for name, at in passed if name == "critical"] == [1_001.0] * 15
    assert len([1 for name, _ in passed if name == "bulk"]) == 8


async def test_the_reads_of_a_guard_pass_while_bulk_has_used_up_its_share_and_leave_room_for_cancels() -> None:
    """A storm of exits once used up what ordinary reads may: the guard of the next exit waited for eleven seconds."""
    fake = FakeTime()
    gate = make_gate(fake, BucketSpec("weight", 100, 60_000))
    passed: list[tuple[str, float]] = []

    async def request(name: str, weight: int, lane: Lane, after: float) -> None:
        await fake.sleep(after)
        await gate.admit({"weight": weight}, lane)
        passed.append((name, fake.now))

    bulk = (request("bulk", 10, Lane.BULK, 0) for _ in range(9))
    guards = (request("guard", 5, Lane.GUARD, 1) for _ in range(4))
    cancels = (request("cancel", 1, Lane.CRITICAL, 2) for _ in range(5))
    await fake.run(*bulk, *guards, *cancels, until=1_050)
    assert [at for name, at in passed if name == "guard"] == [1_001.0] * 3, "80 and 15 of 100"
    assert [at for name, at in passed if name == "cancel"] == [1_002.0] * 5
    assert len([1 for name, _ in passed if name == "bulk"]) == 8


@pytest.mark.parametrize(
    ("waiting", "passed"),
    [
        ((("bulk", 1, Lane.BULK), ("critical", 8, Lane.CRITICAL)), ["critical", "bulk"]),
        ((("bulk", 1, Lane.BULK), ("guard", 5, Lane.GUARD), ("cancel", 5, Lane.CRITICAL)), ["cancel", "guard", "bulk"]),
    ],
)
async def test_of_waiting_requests_the_more_urgent_are_admitted_before_earlier_ones(
    waiting: Sequence[tuple[str, int, Lane]], passed: Sequence[str]
) -> None:
    fake = FakeTime()
    gate = make_gate(fake, BucketSpec("weight", 10, 60_000))
    admitted: list[str] = []

    async def request(name: str, weight: int, lane: Lane, after: float) -> None:
        await fake.sleep(after)
        await gate.admit({"weight": weight}, lane)
        admitted.append(name)

    first = request("first", 10, Lane.CRITICAL, 0)
    await fake.run(first, *(request(*one, float(after)) for after, one in enumerate(waiting, 1)))
    assert admitted == ["first", *passed]


async def test_a_cancelled_waiter_leaves_the_queue_whole() -> None:
    fake = FakeTime()
    gate = make_gate(fake, BucketSpec("weight", 10, 60_000))
    await gate.admit({"weight": 10}, Lane.CRITICAL)
    waiter = asyncio.ensure_future(gate.admit({"weight": 1}, Lane.CRITICAL))
    await asyncio.sleep(0)
    waiter.cancel()
    await asyncio.gather(waiter, return_exceptions=True)
    fake.now += 61
    await asyncio.wait_for(gate.admit({"weight": 1}, Lane.BULK), 1)


@pytest.mark.parametrize("lane", list(Lane))
async def test_a_hold_stops_every_lane_until_it_ends(lane: Lane) -> None:
    fake = FakeTime()
    gate = make_gate(fake, BucketSpec("weight", 10, 60_000))
    gate.hold(7)
    gate.hold(3)
    await fake.run(gate.admit({"weight": 1}, lane))
    assert fake.now == pytest.approx(1_007)


async def test_short_of_a_ban_critical_requests_go_on_slowly_after_a_minute_and_bulk_ones_obey() -> None:
    fake = FakeTime()
    gate = make_gate(fake, BucketSpec("weight", 100, 60_000))
    gate.hold(86_400, is_ban=False)
    for _ in range(3):
        await fake.run(gate.admit({"weight": 1}, Lane.CRITICAL))
    assert fake.now == pytest.approx(1_000 + CRITICAL_HOLD_S + 2 * CRITICAL_PACE_S)
    gate.hold(30, is_ban=False)
    assert gate.held_for(Lane.CRITICAL) == pytest.approx(30), "said again, it is obeyed again"
    await fake.run(gate.admit({"weight": 1}, Lane.BULK))
    assert fake.now == pytest.approx(1_000 + 86_400)


async def test_what_the_venue_has_counted_beyond_ours_is_adopted_once() -> None:
    fake = FakeTime()
    gate = make_gate(fake, BucketSpec("weight", 100, 60_000))
    await gate.admit({"weight": 10}, Lane.BULK)
    for _ in range(2):
        gate.sync("weight", 60)
    assert gate.loads() == {"weight": (60, 100)}
    gate.sync("weight", 5)
    assert gate.loads() == {"weight": (60, 100)}


async def test_the_window_is_longer_than_the_venues_by_the_latency_spread() -> None:
    fake = FakeTime()
    gate = make_gate(fake, BucketSpec("orders", 1, 10_000), spread_ms=1_500)
    await gate.admit({"orders": 1}, Lane.CRITICAL)
    await fake.run(gate.admit({"orders": 1}, Lane.CRITICAL))
    assert fake.now == pytest.approx(1_011.5, abs=0.01)


async def test_a_whole_limit_of_bulk_requests_needs_one_window_of_the_venue_and_no_longer_window_exceeds_it() -> None:
    fake = FakeTime()
    gate = make_gate(fake, BucketSpec("orders", 100, 10_000), spread_ms=1_000)
    admitted: list[tuple[float, int]] = []

    async def bulk() -> None:
        await gate.admit({"orders": 1}, Lane.BULK)
        admitted.append((fake.now, 1))

    await fake.run(*(bulk() for _ in range(250)))
    assert admitted[79][0] == 1_000.0
    assert admitted[99][0] == pytest.approx(1_010.0, abs=0.01)
    assert busiest(admitted, 11.0) <= 100


async def test_a_request_larger_than_its_whole_limit_is_refused_instead_of_waiting_for_ever() -> None:
    gate = make_gate(FakeTime(), BucketSpec("weight", 100, 60_000))
    with pytest.raises(ValueError, match="never fits"):
        await gate.admit({"weight": 81}, Lane.BULK)


def test_the_librarys_private_window_is_still_the_one_the_throttler_builds_on() -> None:
    throttler = WeightedThrottler(5, 1.0)
    throttler.take(2)
    assert throttler.rate_limit == 5
    assert len(throttler._task_logs) == throttler.used == 2
    assert Decimal(throttler.period) == 1


def test_the_gate_uses_no_wall_clock_when_it_is_given_another() -> None:
    readings: list[float] = []

    def clock() -> float:
        readings.append(5.0)
        return 5.0

    gate = Gate([BucketSpec("weight", 10, 1_000)], clock=clock)
    asyncio.run(gate.admit({"weight": 1}, Lane.BULK))
    assert readings
    assert gate.held_s == 0


@pytest.mark.parametrize(
    ("limit", "guard", "bulk"), [(1, 1, 1), (2, 1, 1), (3, 2, 1), (5, 4, 3), (10, 9, 8), (500, 475, 400)]
)
def test_a_lane_keeps_a_unit_of_a_small_limit_before_those_after_it(limit: int, guard: int, bulk: int) -> None:
    assert shares_of(limit) == {Lane.GUARD: guard, Lane.BULK: bulk}
