"""Candles that cannot be used are named with their symbol, for as long as they would be looked at."""

from collections.abc import Sequence
from typing import Any

import pytest

from bot.domain.candles import CandleSeries
from bot.domain.market import Missing
from bot.feeds.candle_cache import CandleCache, CandleHistory
from bot.ports import Unavailable
from bot.venues.ccxt.candles import candles

HOUR, UNI, AAVE = 3_600_000, "UNI/USDT", "AAVE/USDT"
NOW = 500_000 * HOUR
BAD: Sequence[Any] = ("x", None, "NaN", "-1", "Infinity", [], "0")


def row(start: Any, price: Any = "10") -> list[Any]:
    return [start, "10", "11", "9", price, "5", 0, "50", 1, "2", "20", "0"]


class Venue:
    """Hourly candles of which some closing prices are bad."""

    def __init__(self) -> None:
        self.bad: dict[int, Any] = {}
        self.now_ms = NOW

    async def fetch_candles(self, symbol: str, timeframe_ms: int, since_ms: int, limit: int) -> CandleSeries:
        starts = range(since_ms, min(self.now_ms, since_ms + limit * HOUR) + 1, HOUR)
        rows = [row(at, self.bad.get(at, "10") if symbol == UNI else "10") for at in starts]
        return candles(rows, symbol=symbol, timeframe_ms=timeframe_ms, now_ms=self.now_ms, quote_volume_column=7)


async def look(cache: CandleCache, venue: Venue) -> tuple[dict[str, CandleSeries], tuple[Missing, ...]]:
    wanted = CandleHistory((UNI, AAVE), HOUR, 24)
    return await cache.refresh(venue, wanted, venue.now_ms, deadline_ms=1_000, at_once=2)  # type: ignore[arg-type]


@pytest.mark.parametrize("price", BAD)
async def test_a_bad_candle_is_left_out_and_named_until_it_is_out_of_the_span(price: Any) -> None:
    cache, venue, bad_ms = CandleCache(), Venue(), NOW - 5 * HOUR
    venue.bad[bad_ms] = price
    for hours in range(25):
        venue.now_ms = NOW + hours * HOUR
        found, missing = await look(cache, venue)
        assert bad_ms not in found[UNI].starts_ms
        is_inside = bad_ms >= venue.now_ms - 24 * HOUR
        assert [one.what for one in missing] == ([f"part of candles {UNI}"] if is_inside else [])
        assert all("1 of its candles cannot be read" in one.why and "UTC" in one.why for one in missing)


async def test_a_candle_that_comes_right_is_not_named_any_more() -> None:
    cache, venue = CandleCache(), Venue()
    venue.bad[NOW - HOUR] = "x"
    _, missing = await look(cache, venue)
    assert [one.what for one in missing] == [f"part of candles {UNI}"]
    venue.bad.clear()
    found, missing = await look(cache, venue)
    assert (missing, len(found[UNI])) == ((), 24)


def test_the_running_candle_is_not_bad_and_a_row_without_a_time_is() -> None:
    rows = [row(NOW - HOUR), row(NOW, "x"), row("soon"), None, row(NOW - 2 * HOUR, "x")]
    found = candles(rows, symbol=UNI, timeframe_ms=HOUR, now_ms=NOW + 1, quote_volume_column=7)
    assert (found.starts_ms, sorted(found.unread)) == ((NOW - HOUR,), [0, 0, NOW - 2 * HOUR])


async def test_candles_that_fail_say_since_when_until_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    cache, venue, fetch = CandleCache(), Venue(), Venue.fetch_candles

    async def failing(self: Venue, symbol: str, *asked: Any) -> CandleSeries:
        if symbol == UNI:
            raise Unavailable("an odd row")
        return await fetch(self, symbol, *asked)

    monkeypatch.setattr(Venue, "fetch_candles", failing)
    for hours in range(3):
        venue.now_ms = NOW + hours * HOUR
        _, missing = await look(cache, venue)
        assert [(one.what, one.since_ms) for one in missing] == [(f"candles {UNI}", NOW)]
    monkeypatch.setattr(Venue, "fetch_candles", fetch)
    assert (await look(cache, venue))[1] == ()
    monkeypatch.setattr(Venue, "fetch_candles", failing)
    venue.now_ms += HOUR
    _, missing = await look(cache, venue)
    assert [one.since_ms for one in missing] == [venue.now_ms], "they came in between"
