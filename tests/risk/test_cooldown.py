"""A drawdown stops entries for its cool-down and no longer; what ends it is exact (decision 0020)."""

from collections.abc import Sequence
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.campaign import Memory
from bot.domain.durations import DAY_MS
from bot.risk import Limits
from bot.risk.breakers import drawdown
from bot.risk.cooldown import count_drawdown, ends_ms
from tests.profiles import examples
from tests.risk.worlds import context

D = Decimal
LIMITS = Limits()
START_MS = 1_760_000_000_000


def lived(equities: Sequence[int], limits: Limits = LIMITS, *, step_ms: int = DAY_MS) -> list[Memory]:
    """The memory after each of a row of turns, a day apart."""
    memory, found = Memory(), []
    for turn, equity in enumerate(equities):
        memory = Memory(
            equity_peak=max(memory.equity_peak, D(equity)),
            drawdown_since_ms=memory.drawdown_since_ms,
            peak_since_ms=memory.peak_since_ms,
        )
        memory = count_drawdown(memory, D(equity), limits, START_MS + turn * step_ms)
        found.append(memory)
    return found


def is_stopped(memory: Memory) -> bool:
    return memory.drawdown_since_ms > 0


def test_the_defaults_are_those_of_the_decision() -> None:
    assert (LIMITS.drawdown_max, LIMITS.drawdown_cooldown_days) == (D("0.35"), 14)


def test_after_the_cool_down_the_peak_is_the_equity_of_that_turn() -> None:
    found = lived([100_000] + [60_000] * 16)
    stopped = [turn for turn, memory in enumerate(found) if turn and is_stopped(memory)]
    assert stopped == list(range(1, 15)), "day 1 to day 14, on day 15 it is over"
    assert found[15].equity_peak == 60_000
    assert found[15].peak_since_ms == START_MS + 15 * DAY_MS
    assert found[15].drawdown_since_ms == 0


def test_a_stop_stays_while_equity_moves_about_the_limit() -> None:
    """It was lifted above the limit and begun again below it: entries by the hour, and a stop after each."""
    found = lived([100_000, *[60_000, 80_000] * 6, 99_999, 80_000])
    assert all(is_stopped(memory) for memory in found[1:])
    assert {memory.drawdown_since_ms for memory in found[1:]} == {START_MS + DAY_MS}


def test_equity_at_its_peak_ends_a_stop_and_the_next_one_lasts_as_long() -> None:
    found = lived([100_000, *[60_000] * 10, 100_000, 60_000])
    assert [is_stopped(memory) for memory in found[-3:]] == [True, False, True]
    assert ends_ms(found[-1], LIMITS) == found[-1].drawdown_since_ms + 14 * DAY_MS


def test_after_the_cool_down_the_peak_begins_anew_also_within_the_limit() -> None:
    found = lived([100_000, *[60_000] * 10, *[80_000] * 5])
    assert (found[15].equity_peak, is_stopped(found[15])) == (80_000, False)


def test_a_cool_down_of_a_century_is_none() -> None:
    limits = Limits(drawdown_cooldown_days=36_500)
    found = lived([100_000] + [60_000] * 400, limits)
    assert all(is_stopped(memory) for memory in found[1:])


def test_time_passes_while_the_bot_does_not_run() -> None:
    assert not is_stopped(lived([100_000, 60_000, 60_000], step_ms=20 * DAY_MS)[-1])


def test_the_breaker_says_since_when_and_until_when() -> None:
    seen = context()
    equity = seen.portfolio.equity
    memory = Memory(equity_peak=equity * 2, drawdown_since_ms=START_MS)
    note = drawdown(context(memory=memory), LIMITS)
    assert note is not None
    assert "stopped since 2025-10-09 08:53 UTC, until 2025-10-23 08:53 UTC, when the peak begins anew" in note.words
    assert "resume --rebase-peak" in note.words


@settings(max_examples=examples(200), deadline=None)
@given(st.lists(st.integers(1, 200_000), min_size=1, max_size=120), st.integers(1, 30))
def test_no_stop_lasts_longer_than_its_cool_down_or_ends_before_it_below_the_peak(
    equities: list[int], days: int
) -> None:
    found = lived(equities, Limits(drawdown_cooldown_days=days))
    lasted, before = 0, Memory()
    for memory, equity in zip(found, equities, strict=True):
        if is_stopped(before) and not is_stopped(memory):
            assert lasted == days or equity >= before.equity_peak
        lasted = lasted + 1 if is_stopped(memory) else 0
        assert lasted <= days
        before = memory
