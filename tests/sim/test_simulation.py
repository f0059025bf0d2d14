"""A few seeds of the simulation, and that a seed is a seed. Many more: `python -m tests.sim --seeds 1000 --jobs 2`."""

import asyncio
import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sim.faults import FaultPlan, Kind
from tests.sim.known import known_reason
from tests.sim.loop import DeadlockError, VirtualLoop, run_virtually
from tests.sim.scenario import simulate
from tests.sim.world import BYBIT, MIXED, World, venue_of

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize("seed", [3, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (10, 18, 29))])
def test_every_rule_holds_through_a_seeds_faults(seed: int) -> None:
    report = simulate(seed, lives=3)
    assert report.faults.total() > 10
    assert [sentence for sentence in report.violations if not known_reason(sentence)] == []


@pytest.mark.parametrize("seed", [3, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (16, 21, 29))])
def test_every_rule_holds_at_a_venue_with_one_wallet_that_acknowledges_first(seed: int) -> None:
    report = simulate(seed, lives=3, venue=BYBIT)
    assert report.faults.total() > 10
    assert [sentence for sentence in report.violations if not known_reason(sentence)] == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", [3, 960_000, 960_001])
def test_every_rule_holds_with_spot_at_one_venue_and_perps_at_another(seed: int) -> None:
    report = simulate(seed, lives=3, venue=MIXED)
    assert report.faults.total() > 10
    assert [sentence for sentence in report.violations if not known_reason(sentence)] == []


@pytest.mark.slow
@pytest.mark.parametrize(("venue", "seed"), [("bingx", 17), ("mexc", 13), ("weex", 31)])
def test_every_rule_holds_at_the_venues_that_seeds_draw_besides(venue: str, seed: int) -> None:
    assert venue_of(seed) == venue
    report = simulate(seed, lives=3, venue=venue)
    assert report.faults.total() > 10
    assert [sentence for sentence in report.violations if not known_reason(sentence)] == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", [3, 5])
def test_a_journal_is_replaced_where_stops_have_no_client_id(seed: int) -> None:
    """The stops that it cannot know are withdrawn by hand: they would hold what new ones could reduce."""
    kinds = (Kind.JOURNAL_RESTORED, Kind.JOURNAL_LOST, Kind.RESTART, Kind.REPLY_LOST)
    report = simulate(seed, only=kinds, heaviness=12, lives=4, venue="bingx")
    assert report.faults[Kind.JOURNAL_LOST]
    assert [sentence for sentence in report.violations if not known_reason(sentence)] == []


@pytest.mark.parametrize("seed", [11, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (2, 22, 38))])
def test_every_rule_holds_with_options_of_the_playbook(seed: int) -> None:
    """Eleven has the sectors' trends; between them the others have every option."""
    report = simulate(seed, lives=3, options=True)
    assert report.faults.total() > 10
    assert [sentence for sentence in report.violations if not known_reason(sentence)] == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, pytest.param(5, marks=pytest.mark.slow)])
def test_a_token_that_is_converted_on_the_way_is_explained_by_the_books_alone(seed: int) -> None:
    report = simulate(seed, only=(Kind.CONVERSION,), lives=1, renames=True, heaviness=8)
    assert report.faults == {Kind.CONVERSION: 1}
    assert report.violations == ()
    assert report.orders > 5


@pytest.mark.slow
def test_every_rule_holds_through_faults_and_a_conversion() -> None:
    report = simulate(7, lives=3, renames=True)
    assert report.faults[Kind.CONVERSION] == 1
    assert [sentence for sentence in report.violations if not known_reason(sentence)] == []


@pytest.mark.slow
def test_without_faults_a_rotation_ends_and_the_books_agree() -> None:
    report = simulate(1, only=(), lives=1)
    assert report.violations == ()
    assert report.orders > 5
    assert report.cycles_to_finish


@pytest.mark.slow
def test_a_seed_gives_the_same_trace_under_two_hash_seeds() -> None:
    command = [sys.executable, "-m", "tests.sim", "--seed", "4", "--lives", "2"]
    running = [
        subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": salt}, stdout=subprocess.PIPE, text=True
        )
        for salt in ("1", "2")
    ]
    printed = [process.communicate(timeout=120)[0].splitlines()[0] for process in running]
    assert "trace" in printed[0]
    assert printed[0] == printed[1]


def test_another_seed_gives_another_trace() -> None:
    assert simulate(10, lives=1).trace != simulate(11, lives=1).trace


def test_a_seed_that_is_over_is_forgotten() -> None:
    """A worker that keeps the worlds of its seeds grows by a gigabyte in a night."""
    before = _worlds()
    report = simulate(700_000, only=(Kind.ODD_ERROR,), heaviness=16, lives=1, ends=False)
    assert report.faults[Kind.ODD_ERROR]
    assert _worlds() <= before


def _worlds() -> int:
    gc.collect()
    return sum(isinstance(one, World) for one in gc.get_objects())


def test_virtual_time_jumps_from_timer_to_timer_and_keeps_their_order() -> None:
    async def wait(loop: VirtualLoop) -> list[tuple[str, float]]:
        seen: list[tuple[str, float]] = []

        async def note(name: str, seconds: float) -> None:
            await asyncio.sleep(seconds)
            seen.append((name, loop.time()))

        await asyncio.gather(note("late", 86_400), note("first", 0.5), note("second", 0.5))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3):
                await asyncio.sleep(10)
        return [*seen, ("end", loop.time())]

    assert run_virtually(wait) == [("first", 0.5), ("second", 0.5), ("late", 86_400.0), ("end", 86_403.0)]


def test_a_wait_that_nothing_can_end_is_an_error_and_no_hang() -> None:
    async def wait(loop: VirtualLoop) -> None:
        await asyncio.Event().wait()

    with pytest.raises(DeadlockError):
        run_virtually(wait)


def test_a_plan_deals_the_same_faults_whatever_else_is_asked() -> None:
    def deal(others: int) -> list[bool]:
        plan = FaultPlan(7, only=tuple(Kind), heaviness=4)
        dealt = []
        for _ in range(200):
            for _ in range(others):
                plan.strikes(Kind.READ_SLOW)
            dealt.append(plan.strikes(Kind.REQUEST_LOST))
        return dealt

    assert deal(0) == deal(3)
    assert any(deal(0))


def test_rules_see_the_settings_that_the_operator_has_written_last() -> None:
    async def look(loop: VirtualLoop) -> None:
        world = World(3, loop)
        try:
            first = world.settings_now()
            assert first == world.settings()
            assert world.settings_now() is first
            world.choices["playbook.tactical.leverage"] = str(first.playbook.tactical.leverage - 1)
            world.write_user_file()
            assert world.settings_now() == world.settings() != first
        finally:
            world.remove()

    run_virtually(look)
