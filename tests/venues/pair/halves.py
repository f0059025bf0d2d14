"""A pair over two accounts of one engine, each of which can be made silent, slow or forgetful by hand."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from bot.ports import AccountReview, SetupFailed, Unavailable
from bot.simex.engine.exchange import Exchange
from bot.simex.market.catalogue import default_instruments
from bot.simex.market.synthetic import SyntheticMarket
from bot.venues.pair.venue import PairVenue
from bot.venues.paper.engine_venue import EngineVenue

D = Decimal
START_MS = 1_700_000_000_000
SPOT, PERP = "UNI/USDT", "UNI/USDT:USDT"
PRICES = {"UNI": D(10), "BTC": D(90_000)}


@dataclass
class HandClock:
    ms: int = START_MS

    def now_ms(self) -> int:
        return self.ms


class HalfVenue(EngineVenue):
    """One account of the engine. `why`: nothing is answered, for that reason. `is_hung`: nothing ever comes back."""

    def __init__(self, exchange: Exchange, clock: HandClock, *, account: str, venue: str) -> None:
        super().__init__(exchange, clock, account=account, venue=venue)
        self.why, self.is_hung, self.skew_ms, self.calls = "", False, 0, list[str]()
        self.start_error: Exception | None = None
        self.is_open = False
        self.review = AccountReview()

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if not name.startswith(("fetch_", "submit_", "cancel_", "set_", "move_")):
            return found

        async def asked(*arguments: Any, **named: Any) -> Any:
            self.calls.append(name)
            if self.is_hung:
                await asyncio.Event().wait()
            if self.why:
                raise Unavailable(self.why)
            return await found(*arguments, **named)

        return asked

    @property
    def clock_skew_ms(self) -> int:
        return self.skew_ms

    async def fetch_clock_skew(self) -> int:
        return self.skew_ms

    async def fetch_account_review(self, max_age_ms: int) -> AccountReview:
        del max_age_ms
        return self.review

    async def open(self) -> None:
        if self.start_error is not None:
            self.is_open = not isinstance(self.start_error, Unavailable) and type(self.start_error) is not SetupFailed
            raise self.start_error
        self.is_open = True

    async def close(self) -> None:
        self.is_open = False


@dataclass
class Two:
    """The pair, its halves, and what they stand on."""

    exchange: Exchange
    clock: HandClock
    spot: HalfVenue
    perp: HalfVenue
    venue: PairVenue = field(init=False)

    def __post_init__(self) -> None:
        self.venue = PairVenue(self.spot, self.perp, quote="USDT")


def two(spot: Mapping[str, Decimal] | None = None) -> Two:
    market = SyntheticMarket(seed=1, start_ms=START_MS, tokens=tuple(PRICES), scenario="golden", anchor_prices=PRICES)
    exchange = Exchange(instruments=default_instruments(tuple(PRICES), PRICES), market=market, start_ms=START_MS)
    exchange.create_account("a", spot=spot or {"USDT": D(10_000), "UNI": D(100)}, perp=D(77))
    exchange.create_account("b", spot={"USDT": D(33), "BTC": D(1)}, perp=D(1_000))
    clock = HandClock()
    first = HalfVenue(exchange, clock, account="a", venue="first")
    second = HalfVenue(exchange, clock, account="b", venue="second")
    return Two(exchange, clock, first, second)
