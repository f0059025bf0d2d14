"""Paths: candles are walked through all their prices, crossings are found where a fine walk finds them."""

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.simex.market.path import CandlePath, PointPath, sampled
from tests.profiles import examples

H = 3_600_000
bars = st.lists(st.tuples(*[st.integers(900, 1_100)] * 4, st.integers(0, 3)), min_size=1, max_size=6)


def path_of(rows: list[tuple[int, int, int, int, int]]) -> CandlePath:
    """Candles from four prices each, in any order, with a hole of so many hours after each."""
    path, at = CandlePath(H), 10 * H
    for a, b, c, d, hole in rows:
        path.starts.append(at)
        path.opens.append(a / 100)
        path.closes.append(b / 100)
        path.highs.append(max(a, b, c, d) / 100)
        path.lows.append(min(a, b, c, d) / 100)
        path.volumes.append(1_000.0)
        at += H * (1 + hole)
    return path


def test_a_rising_candle_runs_down_first_and_a_falling_one_up_first() -> None:
    up = CandlePath(H, [0], [10.0], [12.0], [9.0], [11.0], [1.0])
    down = CandlePath(H, [0], [11.0], [12.0], [9.0], [10.0], [1.0])
    third = H // 3
    assert [up.price(at) for at in (0, third, 2 * third, H)] == [10.0, 9.0, 12.0, 11.0]
    assert [down.price(at) for at in (0, third, 2 * third, H)] == [11.0, 12.0, 9.0, 10.0]


def test_before_the_first_and_after_the_last_candle_the_price_stands() -> None:
    path = CandlePath(H, [H], [10.0], [12.0], [9.0], [11.0], [1.0])
    assert (path.price(0), path.price(5 * H), path.end_ms) == (10.0, 11.0, 2 * H)


@settings(max_examples=examples(80), deadline=None)
@given(bars, st.integers(9 * H, 20 * H), st.integers(0, 12 * H), st.integers(900, 1_100), st.booleans())
def test_a_crossing_is_where_a_fine_walk_finds_it(
    rows: list[tuple[int, int, int, int, int]], start_ms: int, span_ms: int, level: int, rising: bool
) -> None:
    path, price = path_of(rows), level / 100
    end_ms = start_ms + span_ms
    found = path.crossing(start_ms, end_ms, price, rising=rising)
    slack = 1e-6
    if found is not None:
        assert start_ms <= found <= end_ms
        assert path.price(found) >= price - slack if rising else path.price(found) <= price + slack
    for at in range(start_ms, found if found is not None else end_ms + 1, H // 12):
        assert path.price(at) < price + slack if rising else path.price(at) > price - slack
    low, high = path.extremes(start_ms, end_ms)
    assert (found is None) == (high < price if rising else low > price)


@settings(max_examples=examples(60), deadline=None)
@given(bars, st.integers(10 * H, 30 * H), st.sampled_from([H, 2 * H, 4 * H, H // 4]))
def test_candles_drawn_from_a_path_end_at_now_and_hold_its_prices(
    rows: list[tuple[int, int, int, int, int]], now_ms: int, timeframe_ms: int
) -> None:
    path = path_of(rows)
    starts, opens, highs, lows, closes, volumes = path.columns(timeframe_ms, 0, now_ms, 1_000, now_ms)
    assert starts == sorted(set(starts))
    assert all(start % timeframe_ms == 0 and start <= now_ms for start in starts)
    for low, opened, closed, high in zip(lows, opens, closes, highs, strict=True):
        assert low - 1e-9 <= min(opened, closed)
        assert max(opened, closed) <= high + 1e-9
    if starts and path.end_ms > now_ms >= path.starts[-1]:
        assert abs(closes[-1] - path.price(now_ms)) < 1e-9
    assert sum(volumes) <= sum(path.volumes) + 1e-6


def test_limits_keep_the_newest_without_a_start_and_the_oldest_with_one() -> None:
    path = CandlePath(H, [at * H for at in range(48)], *([[1.0] * 48] * 4), [1.0] * 48)
    now_ms = 47 * H + H // 2
    assert path.columns(H, 0, now_ms, 3, now_ms)[0] == [45 * H, 46 * H, 47 * H]
    assert path.columns(H, 10 * H, now_ms, 3, now_ms)[0] == [10 * H, 11 * H, 12 * H]
    assert path.columns(H, 10 * H - 1, 11 * H, 9, now_ms)[0] == [10 * H, 11 * H]
    assert path.columns(H, 0, now_ms, 1, now_ms)[5] == [0.5]
    assert path.columns(4 * H, 0, now_ms, 2, now_ms)[0] == [40 * H, 44 * H]
    assert path.columns(4 * H, 5 * H, now_ms, 2, now_ms)[5] == [4.0, 4.0]


def test_candles_show_nothing_after_now() -> None:
    path = CandlePath(H, [0, H], [10.0, 10.0], [20.0, 99.0], [5.0, 1.0], [10.0, 10.0], [1.0, 1.0])
    _, _, highs, lows, closes, _ = path.columns(H, 0, 2 * H, 10, H // 6)
    assert (highs, lows, closes) == ([10.0], [7.5], [7.5])


def test_points_may_jump_and_grow() -> None:
    path = PointPath([0, H, H], [10.0, 10.0, 8.0])
    path.add(2 * H, 9.0)
    assert [path.price(at) for at in (0, H - 1, H, 2 * H, 9 * H)] == [10.0, 10.0, 8.0, 9.0, 9.0]
    assert path.crossing(0, 2 * H, 8.5, rising=False) == H
    assert path.crossing(H, 3 * H, 8.5, rising=True) == H + H // 2


@settings(max_examples=examples(80), deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([0, H // 3, H, 5 * H]), st.integers(900, 1_100)), min_size=1, max_size=8),
    st.sampled_from([H // 4, H, 4 * H]),
    st.integers(0, 25 * H),
    st.integers(0, 30 * H),
    st.integers(0, 30 * H),
    st.integers(0, 40),
)
def test_candles_of_points_are_those_drawn_from_any_path(
    steps: list[tuple[int, int]], timeframe_ms: int, start_ms: int, end_ms: int, now_ms: int, limit: int
) -> None:
    path, at = PointPath([], [], 1_000.0), 0
    for wait_ms, price in steps:
        at += wait_ms
        path.add(at, price / 100)
    drawn = path.columns(timeframe_ms, start_ms, end_ms, limit, now_ms)
    first_ms = max(start_ms, path.times[0])
    assert drawn == sampled(path, timeframe_ms, first_ms, end_ms, limit, now_ms, is_newest=start_ms <= 0)
