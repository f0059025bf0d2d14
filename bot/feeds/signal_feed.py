"""The market that signals are read from, where it is not the one that is traded: on a test network, the real one.

Reads only, without keys. It is opened at the first question and again after a failure, so that the bot starts and goes
on without it: what it does not answer is missing, and is never taken from the network that is traded.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from bot.domain.candles import CandleSeries
from bot.domain.market import Funding, Missing, OpenInterest, Quote, SignalMarket, Snapshot
from bot.feeds.concurrent_fetch import gather_all, without_bugs
from bot.feeds.history import Past
from bot.ports import SetupFailed, Unavailable, Venue

RETRY_MS = 60_000


class SignalFeed:
    """Candles, open interest, funding and premiums of one market for a bot that trades at another.

    Args:
        name: what the market is called: `mainnet`.
        symbols: what it is asked about, as far as it lists it.
        make: makes a venue that is not open yet; one is made for each attempt to open it.
        now_ms: our clock.
    """

    def __init__(self, name: str, symbols: Sequence[str], make: Callable[[], Venue], now_ms: Callable[[], int]) -> None:
        self.name, self._symbols = name, symbols
        self._known: frozenset[str] = frozenset()
        self._make, self._now_ms = make, now_ms
        self._venue: Venue | None = None
        self._opening = asyncio.Lock()
        self._failure = ""
        self._failed_ms = 0
        self._past = Past()

    def recall(self, snapshot: Snapshot) -> None:
        """Go on from what a journaled snapshot knew of the past of this market."""
        result = snapshot.signal_market
        if result is not None and result.name == self.name:
            self._past.recall(Snapshot(result.at_ms, {}, {}, funding=result.funding, premiums=result.premiums))

    def now_ms(self) -> int:
        return self._now_ms() if self._venue is None else self._venue.now_ms()

    async def fetch_candles(self, symbol: str, timeframe_ms: int, since_ms: int, limit: int) -> CandleSeries:
        async def candles_of(symbol: str) -> CandleSeries:
            venue = await self._opened()
            self._check_listed(symbol)
            return await venue.fetch_candles(symbol, timeframe_ms, since_ms, limit)

        return await without_bugs(candles_of)(symbol)

    async def fetch_open_interest(self, symbol: str) -> OpenInterest:
        async def interest_of(symbol: str) -> OpenInterest:
            venue = await self._opened()
            self._check_listed(symbol)
            return await venue.fetch_open_interest(symbol)

        return await without_bugs(interest_of)(symbol)

    async def fetch_market(
        self, spot: Sequence[str], perps: Sequence[str], *, deadline_ms: int
    ) -> tuple[SignalMarket, tuple[Missing, ...]]:
        """Prices, funding and premiums now, with the past of this market."""

        async def quotes_of(symbols: Sequence[str]) -> Mapping[str, Quote]:
            venue = await self._opened()
            return await venue.fetch_quotes([symbol for symbol in symbols if symbol in self._known])

        async def funding_of(symbols: Sequence[str]) -> Mapping[str, Funding]:
            venue = await self._opened()
            return await venue.fetch_funding([symbol for symbol in symbols if symbol in self._known])

        (quotes, no_quotes), (funding, no_funding) = await asyncio.gather(
            gather_all(f"{self.name} quote", (*spot, *perps), without_bugs(quotes_of), deadline_ms=deadline_ms),
            gather_all(f"{self.name} funding", perps, without_bugs(funding_of), deadline_ms=deadline_ms),
        )
        sound = {symbol: quote for symbol, quote in quotes.items() if not quote.defect()}
        paid = {symbol: result for symbol, result in funding.items() if _is_valid(result)}
        # Premiums are read off the quotes of a look that has candles; which ones does not matter here.
        seen = Snapshot(self.now_ms(), {}, sound, candles={"": EMPTY}, funding=paid)
        seen = self._past.joined(seen)
        prices = {symbol: sound[symbol].mid for symbol in spot if symbol in sound}
        market = SignalMarket(self.name, seen.at_ms, prices, seen.funding, seen.premiums)
        return market, (*no_quotes, *no_funding)

    async def close(self) -> None:
        if self._venue is not None:
            await self._venue.close()

    async def _opened(self) -> Venue:
        async with self._opening:
            if self._venue is not None:
                return self._venue
            if self._failure and self._now_ms() - self._failed_ms < RETRY_MS:
                raise Unavailable(self._failure)
            venue = self._make()
            try:
                await venue.open()
                known = frozenset(await venue.fetch_instruments(self._symbols))
            except BaseException as error:  # also a deadline, which cancels this
                self._failure, self._failed_ms = (
                    f"{self.name} cannot be read: {str(error) or 'too slow'}",
                    self._now_ms(),
                )
                await venue.close()
                if isinstance(error, Unavailable | SetupFailed):
                    raise Unavailable(self._failure) from error
                raise
            self._venue, self._known, self._failure = venue, known, ""
            return venue

    def _check_listed(self, symbol: str) -> None:
        if symbol not in self._known:
            raise Unavailable(f"{self.name} does not list it")


EMPTY = CandleSeries("", 1, (), (), (), (), (), ())


def _is_valid(funding: Funding) -> bool:
    return funding.rate.is_finite() and abs(funding.rate) < Decimal(1) and funding.interval_hours > 0
