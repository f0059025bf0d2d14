"""Spot prices are as old as the venue shows: a price that stays while its last trade is old grows old."""

from decimal import Decimal
from typing import Any

import pytest

from bot.venues.binance.spot_times import SpotTimes
from bot.venues.ccxt.venue import CcxtVenue
from tests.venues.binance_server import NOW_MS, BinanceServer, Canned, refusal
from tests.venues.conftest import HandClock

UNI, AAVE = "UNI/USDT", "AAVE/USDT"
DAY, BEST, DEPTH = ("GET", "/api/v3/ticker/24hr"), ("GET", "/api/v3/ticker/bookTicker"), ("GET", "/api/v3/depth")


def row(bid: str = "9.990", size: str = "100", **more: Any) -> dict[str, Any]:
    return {"symbol": "UNIUSDT", "bidPrice": bid, "bidQty": size, "askPrice": "10.010", "askQty": "100", **more}


def depth(number: int, size: str = "100") -> dict[str, Any]:
    return {"lastUpdateId": number, "bids": [["9.990", size], ["9", "1"]], "asks": [["10.010", "100"], ["11", "1"]]}


async def age_of(venue: CcxtVenue, symbol: str = UNI) -> int:
    return venue.now_ms() - (await venue.fetch_quotes([UNI, AAVE]))[symbol].at_ms


async def test_a_price_that_stays_has_the_time_of_the_ticker_that_shows_the_same(
    venue: CcxtVenue, server: BinanceServer, clock: HandClock
) -> None:
    days = server.answers[DAY]
    assert await age_of(venue) == 0
    for age_ms in (5_000, 20_000, 600_000):
        clock.value_ms = NOW_MS + age_ms
        days[1]["closeTime"] = clock.value_ms - 7  # of AAVE alone
        assert await age_of(venue) == age_ms
        assert await age_of(venue, AAVE) == 7, "the others stay fresh"


async def test_a_price_that_moves_is_as_old_as_the_look_before_at_most(
    venue: CcxtVenue, server: BinanceServer, clock: HandClock
) -> None:
    await age_of(venue)
    for step in range(1, 4):
        clock.value_ms += 5_000
        server.answers[BEST][0]["bidQty"] = str(100 + step)
        assert await age_of(venue) == 5_000, "no trade since, and the book moves"
    clock.value_ms += 5_000
    assert await age_of(venue) == 10_000


async def test_an_old_cache_of_best_prices_is_not_vouched_for_by_a_ticker_that_shows_others(
    venue: CcxtVenue, server: BinanceServer, clock: HandClock
) -> None:
    await age_of(venue)
    clock.value_ms += 60_000
    server.answers[DAY][0] |= {"bidPrice": "9.500", "closeTime": clock.value_ms}
    assert await age_of(venue) == 60_000


@pytest.mark.parametrize("answer", [Canned(503, "busy"), [], {}, refusal(-1121, "Invalid symbol."), "<html>"])
async def test_prices_are_had_without_the_ticker_and_grow_old_from_the_first_sight(
    venue: CcxtVenue, server: BinanceServer, clock: HandClock, answer: Any
) -> None:
    server.answers[DAY] = answer
    assert await age_of(venue) == 0
    clock.value_ms += 30_000
    assert await age_of(venue) == 30_000


@pytest.mark.parametrize("spoilt", ["x", None, -5, 0, NOW_MS + 3_600_000, [], {}])
async def test_a_time_that_cannot_be_one_makes_no_price_younger(
    venue: CcxtVenue, server: BinanceServer, clock: HandClock, spoilt: Any
) -> None:
    server.answers[DAY][0]["closeTime"] = spoilt
    await age_of(venue)
    clock.value_ms += 30_000
    assert await age_of(venue) == 30_000


async def test_a_depth_is_as_old_as_the_best_prices_it_begins_with(
    venue: CcxtVenue, server: BinanceServer, clock: HandClock
) -> None:
    server.answers[DEPTH] = depth(1)
    await age_of(venue)
    clock.value_ms += 20_000
    await age_of(venue)
    assert (await venue.fetch_book(UNI, 2)).at_ms == NOW_MS
    server.answers[DEPTH] = depth(2, "101")
    assert (await venue.fetch_book(UNI, 2)).at_ms == clock.value_ms, "it has come after the look at the best prices"
    clock.value_ms += 20_000
    server.answers[BEST][0]["bidQty"] = "103"
    await age_of(venue)
    assert (await venue.fetch_book(UNI, 2)).at_ms == NOW_MS + 20_000, "the same depth again, beside other best prices"
    assert (await venue.fetch_book(UNI, 2)).bids[0] == (Decimal("9.990"), Decimal(101))


async def test_the_ticker_is_asked_for_in_parts_of_twenty(venue: CcxtVenue, server: BinanceServer) -> None:
    server.hits.clear()
    await venue.fetch_quotes([f"T{number}/USDT" for number in range(45)])
    assert sorted(hit.params["symbols"].count("USDT") for hit in server.hits if hit.route == DAY) == [5, 20, 20]


def test_a_first_look_without_prices_in_the_ticker_takes_its_time() -> None:
    times = SpotTimes()
    assert times.of_best(UNI, row(), {"closeTime": NOW_MS - 40_000}, NOW_MS) == NOW_MS - 40_000
    assert times.of_best(UNI, row(), {"closeTime": NOW_MS + 900}, NOW_MS + 1_000) == NOW_MS + 900
    assert times.of_best(UNI, row(bid="n/a"), None, NOW_MS + 2_000) == NOW_MS + 1_000
