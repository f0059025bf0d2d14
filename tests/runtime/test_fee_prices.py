"""Prices of assets that fees were paid in and nobody trades: the venue's market is asked, and not too often."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, cast

import pytest

from bot.domain.market import Quote, Snapshot
from bot.feeds.fee_prices import ABSENT_MS, FRESH_MS, KNOWN_MS, FeePrices
from bot.ports import Unavailable, Venue

START_MS = 1_700_000_000_000


@dataclass
class Market:
    """A venue with prices by symbol, which counts the questions about instruments."""

    prices: dict[str, Decimal] = field(default_factory=dict)
    clock_ms: int = START_MS
    is_down: bool = False
    asked: list[str] = field(default_factory=list)

    def now_ms(self) -> int:
        return self.clock_ms

    async def fetch_instruments(self, symbols: Sequence[str]) -> Mapping[str, Any]:
        self.asked += symbols
        if self.is_down:
            raise Unavailable("down")
        return {symbol: symbol for symbol in symbols if symbol in self.prices}

    async def fetch_quotes(self, symbols: Sequence[str]) -> Mapping[str, Quote]:
        return {s: Quote(s, self.prices[s], self.prices[s], self.clock_ms) for s in symbols if s in self.prices}


def snapshot(**prices: str) -> Snapshot:
    quotes = {f"{a}/USDT": Quote(f"{a}/USDT", Decimal(p), Decimal(p), START_MS) for a, p in prices.items()}
    return Snapshot(START_MS, {}, quotes)


class Asking:
    def __init__(self, **prices: str) -> None:
        self.market = Market({f"{asset}/USDT": Decimal(price) for asset, price in prices.items()})
        self._prices = FeePrices(cast(Venue, self.market))

    async def price(self, asset: str = "BNB", after_ms: int = 0, **seen: str) -> Decimal | None:
        self.market.clock_ms += after_ms
        return (await self._prices.fetch_missing([asset], snapshot(**seen), "USDT")).get(asset)


async def test_a_price_comes_from_the_venues_own_market() -> None:
    asking = Asking(BNB="600")
    assert await asking.price() == 600
    assert asking.market.asked == ["BNB/USDT"]


async def test_what_is_priced_already_is_not_asked_for() -> None:
    asking = Asking(UNI="9")
    assert (await asking.price("USDT"), await asking.price("UNI", UNI="10")) == (Decimal(1), Decimal(10))
    assert asking.market.asked == []


async def test_a_price_is_asked_for_again_when_it_is_ten_minutes_old() -> None:
    asking = Asking(BNB="600")
    await asking.price()
    asking.market.prices["BNB/USDT"] = Decimal(700)
    assert await asking.price(after_ms=FRESH_MS - 1) == 600
    assert await asking.price(after_ms=1) == 700
    assert len(asking.market.asked) == 2


async def test_an_asset_without_a_market_is_asked_for_again_after_an_hour() -> None:
    asking = Asking()
    assert await asking.price() is None
    asking.market.prices["BNB/USDT"] = Decimal(600)
    assert await asking.price(after_ms=ABSENT_MS - 1) is None
    assert len(asking.market.asked) == 1
    assert await asking.price(after_ms=1) == 600


async def test_a_venue_that_does_not_answer_is_asked_again_after_ten_minutes() -> None:
    asking = Asking(BNB="600")
    asking.market.is_down = True
    assert await asking.price() is None
    asking.market.is_down = False
    assert await asking.price(after_ms=FRESH_MS - 1) is None
    assert await asking.price(after_ms=1) == 600


async def test_a_known_price_counts_for_a_day_without_a_market() -> None:
    asking = Asking(BNB="600")
    await asking.price()
    asking.market.prices.clear()
    assert await asking.price(after_ms=KNOWN_MS - 1) == 600
    assert await asking.price(after_ms=1) is None


@pytest.mark.parametrize("bad", ["NaN", "0", "-1", "Infinity"])
async def test_a_price_that_is_none_counts_for_nothing(bad: str) -> None:
    assert await Asking(BNB=bad).price() is None
