"""Time that only passes while everybody waits."""

import asyncio

import pytest

from bot.lab.backtest.virtual_time import VirtualClock, run_virtual

START_MS = 1_700_000_000_000
YEAR_SECONDS = 365 * 86_400


def test_a_wait_of_years_moves_the_clock_by_exactly_that() -> None:
    clock = VirtualClock(START_MS)

    async def wait() -> int:
        await asyncio.sleep(5 * YEAR_SECONDS)
        return clock.now_ms()

    assert run_virtual(wait(), clock) == START_MS + 5 * YEAR_SECONDS * 1000


def test_work_takes_no_time_and_timers_end_in_their_order() -> None:
    clock = VirtualClock(START_MS)
    ended: list[tuple[str, int]] = []

    async def nap(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        ended.append((name, clock.now_ms() - START_MS))

    async def all_of_them() -> None:
        sum(range(10_000))
        await asyncio.gather(nap("late", 3_600), nap("soon", 0.25), nap("now", 0))

    run_virtual(all_of_them(), clock)
    assert ended == [("now", 0), ("soon", 250), ("late", 3_600_000)]


def test_deadlines_run_on_the_same_time() -> None:
    clock = VirtualClock(START_MS)

    async def too_long() -> None:
        async with asyncio.timeout(15):
            await asyncio.sleep(3_600)

    with pytest.raises(TimeoutError):
        run_virtual(too_long(), clock)
    assert clock.now_ms() == START_MS + 15_000


def test_the_hours_of_seven_years_are_met_to_the_millisecond() -> None:
    clock = VirtualClock(START_MS)

    async def hours() -> None:
        for hour in range(1, 60_001):
            await asyncio.sleep(max(0, START_MS + hour * 3_600_000 - clock.now_ms()) / 1000)
            assert clock.now_ms() == START_MS + hour * 3_600_000

    run_virtual(hours(), clock)
