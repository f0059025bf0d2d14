"""Answers kept about a series that grows are those of a series seen for the first time."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from bot.domain.candles import CandleSeries
from bot.domain.durations import HOUR_MS
from bot.playbook.market.memo_key import Same
from bot.playbook.market.rolling import HistoryValues, RollingWindows

numbers = st.floats(0.5, 2.0, width=16)


def series_of(rows: list[tuple[int, float, float]]) -> CandleSeries:
    times, closes, volumes = zip(*rows, strict=True) if rows else ((), (), ())
    starts = tuple(time * HOUR_MS for time in times)
    return CandleSeries("A/USDT", HOUR_MS, starts, closes, closes, closes, closes, volumes)


def change(closes: tuple[float, ...], volumes: tuple[float, ...]) -> float | None:
    """Something that depends on every value."""
    worth = sum(close * (place + 1) for place, close in enumerate(closes))
    return None if volumes[-1] > 1.9 else worth + sum(volumes)


@st.composite
def histories(draw: st.DrawFn) -> list[CandleSeries]:
    """Looks at one series: it goes on, loses its oldest candles, has holes, and now and then was another all along."""
    times = sorted(draw(st.sets(st.integers(1, 60), min_size=2, max_size=40)))
    rows = [(time, draw(numbers), draw(numbers)) for time in times]
    looks = []
    for _ in range(draw(st.integers(1, 6))):
        low, high = sorted((draw(st.integers(0, len(rows))), draw(st.integers(0, len(rows)))))
        if draw(st.integers(0, 3)) == 0:
            place = draw(st.integers(0, len(rows) - 1))
            rows[place] = (rows[place][0], draw(numbers), draw(numbers))
        looks.append(series_of(rows[low:high]))
    return looks


@given(histories(), st.integers(1, 5))
def test_stretches_of_any_look_are_what_a_first_look_finds(looks: list[CandleSeries], window: int) -> None:
    kept = RollingWindows(change)  # type: ignore[arg-type]
    for series in (*looks, *looks):
        count = len(series) // window
        assert kept(series, window, count) == RollingWindows(change)(series, window, count)  # type: ignore[arg-type]


def test_a_stretch_is_worked_out_once_while_its_series_grows() -> None:
    asked: list[tuple[float, ...]] = []

    def noted(closes: tuple[float, ...], _volumes: tuple[float, ...]) -> float:
        asked.append(closes)
        return closes[-1]

    kept = RollingWindows(noted)  # type: ignore[arg-type]
    rows = [(hour, 1.0 + hour, 1.0) for hour in range(1, 40)]
    assert kept(series_of(rows[:30]), 5, 5) == [31.0, 26.0, 21.0, 16.0, 11.0]
    assert kept(series_of(rows[5:35]), 5, 5) == [36.0, 31.0, 26.0, 21.0, 16.0]
    assert len(asked) == 6


points = st.lists(st.tuples(st.integers(0, 30), st.decimals("-1", "1", places=3)), max_size=20)


@given(points, st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=6), points)
def test_points_of_any_past_are_what_a_first_look_finds(
    past: list[tuple[int, Decimal]], cuts: list[tuple[int, int]], other: list[tuple[int, Decimal]]
) -> None:
    kept = HistoryValues(float)
    for low, high in cuts:
        for told in (tuple(past[low:high]), tuple(other[:high]), tuple(past[low : high + 3])):
            assert list(kept("A", told)) == [float(value) for _, value in told]


def test_equal_series_are_not_the_same_and_the_same_ones_are() -> None:
    one = series_of([(1, 1.0, 1.0)])
    assert Same((one,), (1,), None) == Same((one,), (1,), "anything")
    assert hash(Same((one,), (1,), None)) == hash(Same((one,), (1,), "anything"))
    assert Same((one,), (1,), None) != Same((replace(one),), (1,), None)
    assert Same((one,), (1,), None) != Same((one,), (2,), None)
