"""Public history of two venues as one: spot of the one, perps and their funding of the other."""

import asyncio
from collections.abc import Mapping, Sequence

from bot.domain.instrument import Instrument
from bot.domain.symbol import is_perp
from bot.venues.ccxt.adapter import CandleRow
from bot.venues.ccxt.history import PublicHistory


class PairHistory:
    """Has the reads of `PublicHistory`; every symbol is asked for where it is traded."""

    def __init__(self, spot: PublicHistory, perp: PublicHistory) -> None:
        self._spot, self._perp = spot, perp

    async def open(self) -> None:
        """Connect to both and verify their environments."""
        await asyncio.gather(self._spot.open(), self._perp.open())

    async def close(self) -> None:
        await asyncio.gather(self._spot.close(), self._perp.close())

    def now_ms(self) -> int:
        """What is past at both."""
        return min(self._spot.now_ms(), self._perp.now_ms())

    def page_of(self, symbol: str) -> int:
        """Rows of a full page."""
        return self._of(symbol).page_of(symbol)

    async def fetch_instruments(self, symbols: Sequence[str]) -> Mapping[str, Instrument]:
        """What each lists of its own; the other reads know these only."""
        perps = [symbol for symbol in symbols if is_perp(symbol)]
        spot = [symbol for symbol in symbols if not is_perp(symbol)]
        asked = [half.fetch_instruments(own) for half, own in ((self._spot, spot), (self._perp, perps)) if own]
        return {symbol: one for found in await asyncio.gather(*asked) for symbol, one in found.items()}

    async def fetch_candles(self, symbol: str, interval: str, start_ms: int, end_ms: int) -> Sequence[CandleRow]:
        return await self._of(symbol).fetch_candles(symbol, interval, start_ms, end_ms)

    async def fetch_funding(self, perp: str, start_ms: int, end_ms: int) -> Sequence[tuple[int, str]]:
        return await self._perp.fetch_funding(perp, start_ms, end_ms)

    def _of(self, symbol: str) -> PublicHistory:
        return self._perp if is_perp(symbol) else self._spot
