"""Candles and funding settlements of Binance as rows of texts."""

from typing import Any

from bot.domain.symbol import is_perp
from bot.venues.ccxt.adapter import CandleRow
from bot.venues.ccxt.connection import Connection


class BinanceHistory:
    """Implements `bot.venues.ccxt.adapter.VenueHistory`."""

    page = 1_000

    def __init__(self, connection: Connection) -> None:
        self._link = connection

    async def fetch_candles(self, symbol: str, interval: str, start_ms: int, end_ms: int) -> list[CandleRow]:
        """Closed candles that open in [start, end), oldest first, at most a page; fewer than `page` when no more are
        there. `interval` is the venue's word, 1h."""
        name = "fapiPublicGetKlines" if is_perp(symbol) else "publicGetKlines"
        rows = await self._get(name, symbol, interval=interval, startTime=start_ms, endTime=end_ms - 1, limit=self.page)
        now_ms = self._link.now_ms()
        return [(int(row[0]), *map(str, (*row[1:6], row[7]))) for row in rows if int(row[6]) < now_ms]  # type: ignore[misc]

    async def fetch_funding(self, perp: str, start_ms: int, end_ms: int) -> list[tuple[int, str]]:
        """(time, rate) of settlements in [start, end), oldest first, at most a page."""
        rows = await self._get(
            "fapiPublicGetFundingRate", perp, startTime=start_ms, endTime=end_ms - 1, limit=self.page
        )
        return [(int(row["fundingTime"]), str(row["fundingRate"])) for row in rows]

    async def _get(self, name: str, symbol: str, **parameters: Any) -> list[Any]:
        call = getattr(self._link.exchange, name)
        required = {"symbol": self._link.instrument(symbol).venue_symbol, **parameters}
        result = await self._link.read(lambda: call(required))
        return list(result)
