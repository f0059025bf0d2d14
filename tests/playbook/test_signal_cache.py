"""What is kept of a series that grows is what a series seen for the first time gives."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from bot.domain.candles import CandleSeries
from bot.domain.durations import HOUR_MS
from bot.playbook.market.signal_cache import SignalCache

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


def ends_of(series: CandleSeries, window: int, count: int) -> range:
    return range(len(series), len(series) - count * window, -window)


@given(histories(), st.integers(1, 5))
def test_windows_of_any_look_are_what_a_new_cache_finds(looks: list[CandleSeries], window: int) -> None:
    kept = SignalCache()
    for series in (*looks, *looks):
        ends = ends_of(series, window, len(series) // window)
        first = SignalCache().windows("change", series, window, ends, change)  # type: ignore[arg-type]
        assert kept.windows("change", series, window, ends, change) == first  # type: ignore[arg-type]


def test_a_window_is_worked_out_once_while_its_series_grows() -> None:
    asked: list[tuple[float, ...]] = []

    def noted(closes: tuple[float, ...], _volumes: tuple[float, ...]) -> float:
        asked.append(closes)
        return closes[-1]

    kept = SignalCache()
    rows = [(hour, 1.0 + hour, 1.0) for hour in range(1, 40)]

    def newest(series: CandleSeries) -> list[float | None]:
        return kept.windows("noted", series, 5, ends_of(series, 5, 5), noted)  # type: ignore[arg-type]

    assert newest(series_of(rows[:30])) == [31.0, 26.0, 21.0, 16.0, 11.0]
    assert newest(series_of(rows[5:35])) == [36.0, 31.0, 26.0, 21.0, 16.0]
    assert len(asked) == 6


points = st.lists(st.tuples(st.integers(0, 30), st.decimals("-1", "1", places=3)), max_size=20)


@given(points, st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=6), points)
def test_points_of_any_history_are_what_a_new_cache_finds(
    past: list[tuple[int, Decimal]], cuts: list[tuple[int, int]], other: list[tuple[int, Decimal]]
) -> None:
    kept = SignalCache()
    for low, high in cuts:
        for told in (tuple(past[low:high]), tuple(other[:high]), tuple(past[low : high + 3])):
            assert list(kept.floats("rates", "A", told)) == [float(value) for _, value in told]


def with_neighbours(known: Sequence[tuple[int, Decimal]], start: int, end: int) -> list[float]:
    """Something that depends on a point, on the one before it and on the one after it."""
    return [
        float(known[at][1])
        + (1000 * known[at - 1][0] if at else 0)
        + (7 * known[at + 1][0] if at + 1 < len(known) else 0)
        for at in range(start, end)
    ]


@given(points, st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=6), points)
def test_what_depends_on_neighbours_is_what_a_new_cache_finds(
    past: list[tuple[int, Decimal]], cuts: list[tuple[int, int]], other: list[tuple[int, Decimal]]
) -> None:
    kept, past = SignalCache(), sorted(past)
    for low, high in cuts:
        for known in (tuple(past[low:high]), tuple(other[:high]), tuple(past[low : high + 3]), tuple(past[low + 1 :])):
            for number in (8, 8, low):
                work = partial(shifted, number)
                assert list(kept.beside("rates", "A", known, number, work)) == work(known, 0, len(known))


def shifted(number: int, known: Sequence[tuple[int, Decimal]], start: int, end: int) -> list[float]:
    return [number + value for value in with_neighbours(known, start, end)]


def test_of_a_history_that_grows_only_the_ends_are_worked_out_anew() -> None:
    kept, asked = SignalCache(), []

    def noted(known: Sequence[tuple[int, Decimal]], start: int, end: int) -> list[float]:
        asked.append((start, end))
        return with_neighbours(known, start, end)

    rows = [(at, Decimal(at)) for at in range(40)]
    for low, high in ((0, 30), (0, 31), (2, 32)):
        assert list(kept.beside("rates", "A", rows[low:high], 8, noted)) == with_neighbours(
            rows[low:high], 0, high - low
        )
    assert asked == [(0, 30), (29, 31), (0, 1), (28, 30)]


def test_a_result_is_kept_for_the_same_objects_and_equal_values_alone() -> None:
    kept, calls = SignalCache(), iter(range(100))
    one = series_of([(1, 1.0, 1.0)])

    def asked(name: str, objects: tuple[object, ...], values: tuple[int, ...]) -> int:
        return kept.latest(name, objects, values, lambda: next(calls))

    assert asked("a", (one,), (1,)) == asked("a", (one,), (1,)) == 0
    assert asked("a", (replace(one),), (1,)) == 1, "an equal series is not the same one"
    assert asked("a", (one,), (2,)) == 2
    assert asked("a", (one, one), (2,)) == 3
    assert asked("b", (one, one), (2,)) == 4
    assert asked("a", (one, one), (2,)) == 3
