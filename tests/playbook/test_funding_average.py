"""Funding is the sum of settled rates over the time they cover, whatever the interval was or is (PLAYBOOK §8)."""

from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.durations import HOUR_MS, HOURS_PER_YEAR
from bot.domain.market import Funding, Snapshot
from bot.domain.perp import settlement_hours
from bot.feeds.history import Past
from bot.playbook.positions.funding import average_funding

PERP = "UNI/USDT:USDT"
START_MS = 1_767_744_000_000  # a midnight
PER_HOUR = Decimal("0.0000125")
YEAR = PER_HOUR * HOURS_PER_YEAR


def settled(intervals: Sequence[int], rate_per_hour: Decimal = PER_HOUR) -> tuple[tuple[int, Decimal], ...]:
    """Settlements of these intervals, hours, one after the other, the first one an hour-less start."""
    points, at_ms = [(START_MS, rate_per_hour * intervals[0])], START_MS
    for interval in intervals:
        at_ms += interval * HOUR_MS
        points.append((at_ms, rate_per_hour * interval))
    return tuple(points)


@given(st.lists(st.sampled_from([1, 2, 4, 8]), max_size=120), st.sampled_from([1, 2, 4, 8]))
def test_the_same_rate_per_hour_is_the_same_average_whatever_the_intervals(past: list[int], now: int) -> None:
    points = settled([8] * 12 + past)
    at_ms = points[-1][0]
    funding = Funding(PERP, PER_HOUR * now, now, at_ms + now * HOUR_MS, at_ms, points)
    found = average_funding(funding, at_ms, 72)
    assert found is not None
    assert abs(found / YEAR - 1) < Decimal("1e-20")


@pytest.mark.parametrize(("was", "now"), [(8, 1), (8, 4), (4, 1), (1, 8), (1, 4), (4, 8), (8, 8), (1, 1)])
def test_a_changed_interval_leaves_the_average_alone(was: int, now: int) -> None:
    points = settled([was] * (96 // was) + [now] * (24 // now))
    at_ms = points[-1][0]
    funding = Funding(PERP, PER_HOUR * now, now, at_ms + now * HOUR_MS, at_ms, points)
    assert average_funding(funding, at_ms, 72) == YEAR


def test_settlements_that_were_not_watched_are_no_time_covered() -> None:
    points = (*settled([8] * 12), *((at + 20 * 24 * HOUR_MS, rate) for at, rate in settled([8] * 3)))
    assert settlement_hours([at for at, _ in points], 0, 1)[:14] == [8] * 14
    at_ms = points[-1][0]
    young = Funding(PERP, PER_HOUR * 8, 8, at_ms + 8 * HOUR_MS, at_ms, points[-4:-1])
    assert average_funding(young, at_ms, 72) is None


def test_a_settlement_that_the_venue_moved_is_forgotten() -> None:
    past = Past()

    def look(at_ms: int, next_ms: int, interval: int) -> Funding:
        seen = Funding(PERP, Decimal("0.0001"), interval, next_ms, at_ms)
        return past.joined(Snapshot(at_ms, {}, {}, funding={PERP: seen})).funding[PERP]

    look(START_MS, START_MS + HOUR_MS, 1)
    look(START_MS + HOUR_MS // 2, START_MS + 8 * HOUR_MS, 8)
    later = look(START_MS + 9 * HOUR_MS, START_MS + 16 * HOUR_MS, 8)
    assert [at_ms for at_ms, _ in later.earlier] == [START_MS + 8 * HOUR_MS]
