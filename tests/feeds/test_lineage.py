"""Histories of tokens that changed their name, their unit or their bearer: no jump, and nothing of another asset."""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from bot.domain.candles import CandleSeries
from bot.domain.instrument import Side
from bot.domain.market import Missing, Snapshot
from bot.domain.order import Fill
from bot.domain.symbol import FormerSymbol, Lineage
from bot.feeds.candle_cache import PAGE, CandleCache, CandleHistory
from bot.feeds.cost_basis import Converted, cost_basis
from bot.playbook.market.view import sector_index
from bot.playbook.policy.membership import Sectors
from bot.ports import Unavailable, Venue

D = Decimal
HOUR, DAY = 3_600_000, 86_400_000
NOW = 20_000 * DAY + 5 * HOUR
COUNT = 700
OLD, NEW = "MATIC/USDT", "POL/USDT"
Price = Callable[[int], float]


def wave(at_ms: int) -> float:
    hours = at_ms / HOUR
    return 0.5 * math.exp(0.2 * math.sin(hours / 50) + 0.03 * math.sin(hours / 3))


@dataclass
class Listings:
    """A venue of candles: each symbol has its price from one hour to another."""

    prices: dict[str, tuple[Price, int, int]]
    asked: list[tuple[str, int]] = field(default_factory=list)

    async def fetch_candles(self, symbol: str, timeframe_ms: int, since_ms: int, limit: int) -> CandleSeries:
        self.asked.append((symbol, since_ms))
        assert limit <= PAGE
        if symbol not in self.prices:
            raise Unavailable(f"{symbol} is not among the instruments loaded from binance")
        price, first_ms, end_ms = self.prices[symbol]
        begun = max(since_ms, first_ms) + -max(since_ms, first_ms) % timeframe_ms
        starts = tuple(range(begun, min(end_ms, begun + limit * timeframe_ms), timeframe_ms))
        column = tuple(price(at) for at in starts)
        return CandleSeries(symbol, timeframe_ms, starts, column, column, column, column, (1e6,) * len(starts))


def read(
    listings: Listings, lineage: Lineage, cache: CandleCache | None = None, now_ms: int = NOW
) -> tuple[CandleSeries, tuple[Missing, ...]]:
    wanted = CandleHistory((NEW,), HOUR, COUNT, {NEW: lineage})
    known = CandleCache() if cache is None else cache
    refreshed = known.refresh(cast("Venue", listings), wanted, now_ms, deadline_ms=5_000, at_once=2)
    found, missing = asyncio.run(refreshed)
    return found[NEW], missing


def renamed(at_ms: int, ratio: int, pause_hours: int = 0) -> tuple[Listings, Lineage]:
    prices = {
        OLD: (wave, 0, at_ms - pause_hours * HOUR),
        NEW: (lambda at: wave(at) / ratio, at_ms, NOW + 30 * DAY),
    }
    return Listings(prices), Lineage((FormerSymbol(OLD, at_ms, Decimal(ratio)),), gap_ms=14 * DAY)


@given(hours=st.integers(2, COUNT + 50), ratio=st.sampled_from([1, 1000, 24_000]), pause=st.integers(0, 100))
def test_a_rename_at_any_hour_leaves_the_history_without_a_jump(hours: int, ratio: int, pause: int) -> None:
    at_ms = NOW - NOW % HOUR - hours * HOUR
    series, missing = read(*renamed(at_ms, ratio, pause))
    assert not missing
    for at, close in zip(series.starts_ms, series.closes, strict=True):
        assert math.isclose(close, wave(at) / ratio, rel_tol=1e-12), "in units of today, old candles too"
    absent = {at for at in range(at_ms - pause * HOUR, at_ms, HOUR) if at >= NOW - NOW % HOUR - COUNT * HOUR}
    assert len(series) == COUNT - len(absent)
    assert series.symbol == NEW


@given(hours=st.integers(2, COUNT), ratio=st.sampled_from([1, 24_000]))
def test_a_sectors_index_does_not_see_a_rename(hours: int, ratio: int) -> None:
    sectors = Sectors.model_validate({"sectors": {"infra": {}}, "tokens": {"POL": {"infra": 1}}})
    series, _ = read(*renamed(NOW - NOW % HOUR - hours * HOUR, ratio))
    plain, _ = read(Listings({NEW: (wave, 0, NOW)}), Lineage())
    indices = [sector_index(Snapshot(NOW, {}, {}, candles={NEW: s}), sectors, {"POL": 1.0}) for s in (series, plain)]
    assert indices[0][0] == indices[1][0]
    assert all(math.isclose(a, b, rel_tol=1e-12) for a, b in zip(indices[0][1], indices[1][1], strict=True))


def test_what_is_known_of_a_former_name_is_not_asked_for_again() -> None:
    listings, lineage = renamed(NOW - 10 * DAY, 1)
    cache = CandleCache()
    read(listings, lineage, cache)
    listings.asked.clear()
    series, _ = read(listings, lineage, cache, NOW + HOUR)
    assert [symbol for symbol, _ in listings.asked] == [NEW]
    assert len(series) == COUNT
    assert series.starts_ms[0] < lineage.own_ms


def test_a_former_name_that_the_venue_does_not_serve_is_told_and_asked_for_again() -> None:
    listings, lineage = renamed(NOW - 10 * DAY, 1)
    served = listings.prices.pop(OLD)
    cache = CandleCache()
    series, missing = read(listings, lineage, cache)
    assert series.starts_ms[0] >= lineage.own_ms
    assert [(m.what, "goes on without its former name" in m.why) for m in missing] == [(f"candles {OLD}", True)]
    listings.prices[OLD] = served
    series, missing = read(listings, lineage, cache, NOW + HOUR)
    assert not missing
    assert series.starts_ms[0] < lineage.own_ms


def reused(pause_days: int) -> Listings:
    """A ticker that was worth nothing when it stopped, and ten when it came back: another asset."""
    back_ms = NOW - NOW % HOUR - 8 * DAY

    def price(at_ms: int) -> float:
        return 10 * wave(at_ms) if at_ms >= back_ms else 0.0001 * wave(at_ms)

    class Reused(Listings):
        async def fetch_candles(self, symbol: str, timeframe_ms: int, since_ms: int, limit: int) -> CandleSeries:
            found = await super().fetch_candles(symbol, timeframe_ms, since_ms, limit)
            kept = [i for i, at in enumerate(found.starts_ms) if not back_ms - pause_days * DAY <= at < back_ms]
            starts, closes = (tuple(column[i] for i in kept) for column in (found.starts_ms, found.closes))
            return CandleSeries(symbol, timeframe_ms, starts, closes, closes, closes, closes, (1e6,) * len(kept))

    return Reused({NEW: (price, 0, NOW)})


def jumps(series: CandleSeries) -> bool:
    return any(abs(math.log(b / a)) > 1 for a, b in pairwise(series.closes))


def test_candles_before_a_long_hole_are_another_listings() -> None:
    series, _ = read(reused(pause_days=18), Lineage(gap_ms=14 * DAY))
    assert len(series) == 8 * 24
    assert not jumps(series)
    assert jumps(read(reused(pause_days=18), Lineage())[0]), "without the setting two assets are one series"


def test_candles_before_the_day_a_ticker_became_another_assets_are_left_out_however_short_the_hole() -> None:
    listings = reused(pause_days=2)
    assert jumps(read(listings, Lineage(gap_ms=14 * DAY))[0])
    series, _ = read(listings, Lineage(since_ms=NOW - NOW % HOUR - 8 * DAY, gap_ms=14 * DAY))
    assert len(series) == 8 * 24
    assert not jumps(series)


def fill(symbol: str, side: Side, size: int, at_ms: int) -> Fill:
    return Fill("sim", f"{at_ms}", symbol, None, None, side, D(10), D(size), D(0), "USDT", False, at_ms)


def test_the_cost_of_tokens_goes_over_to_what_they_became() -> None:
    bought = (fill(OLD, Side.BUY, 100, 1), D(1000))
    after = [(fill(NEW, Side.BUY, 1000, 9), D(500)), (fill(NEW, Side.SELL, 1000, 10), D(400))]
    became = Converted(5, OLD, NEW, D(100), D(1000))
    (cost,) = cost_basis([bought], (became,)).values()
    assert (cost.symbol, cost.size, cost.value_quote) == (NEW, D(1000), D(1000))
    (cost,) = cost_basis([bought, *after], (became,)).values()
    assert (cost.symbol, cost.size, cost.value_quote) == (NEW, D(1000), D(750))


def test_only_tokens_with_a_cost_bring_one_along_and_what_is_not_converted_keeps_its_own() -> None:
    bought = (fill(OLD, Side.BUY, 100, 1), D(1000))
    more_than_bought = cost_basis([bought], (Converted(5, OLD, NEW, D(400), D(4000)),))
    assert {s: (c.size, c.value_quote) for s, c in more_than_bought.items()} == {NEW: (D(1000), D(1000))}
    part = cost_basis([bought], (Converted(5, OLD, NEW, D(25), D(250)),))
    assert {s: (c.size, c.value_quote) for s, c in part.items()} == {OLD: (D(75), D(750)), NEW: (D(250), D(250))}
