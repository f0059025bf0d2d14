"""Candles and funding settlements of BingX as rows of texts."""

import functools
from collections.abc import Mapping
from typing import Any

from bot.domain.durations import DAY_MS, HOUR_MS, MINUTE_MS
from bot.domain.symbol import is_perp
from bot.ports import Unavailable
from bot.venues.bingx.asking import BingxAsking
from bot.venues.ccxt import rows
from bot.venues.ccxt.adapter import CandleRow
from bot.venues.ccxt.connection import Connection
from bot.venues.ccxt.history import in_halves

INTERVALS = {
    MINUTE_MS: "1m",
    3 * MINUTE_MS: "3m",
    5 * MINUTE_MS: "5m",
    15 * MINUTE_MS: "15m",
    30 * MINUTE_MS: "30m",
    HOUR_MS: "1h",
    2 * HOUR_MS: "2h",
    4 * HOUR_MS: "4h",
    6 * HOUR_MS: "6h",
    8 * HOUR_MS: "8h",
    12 * HOUR_MS: "12h",
    DAY_MS: "1d",
}
CANDLES_PAGE = 1_000
QUOTE_VOLUME = 6  # its column in a row of `candle_row`


class BingxHistory(BingxAsking):
    """Implements `bot.venues.ccxt.adapter.VenueHistory`. Pages end where a question of this size ends."""

    page = CANDLES_PAGE

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)

    async def fetch_candles(self, symbol: str, interval: str, start_ms: int, end_ms: int) -> list[CandleRow]:
        """Closed candles that open in [start, end), oldest first, at most a page; `interval` is like 1h."""
        length_ms = next((length for length, name in INTERVALS.items() if name == interval), 0)
        if not length_ms:
            raise Unavailable(f"no candles of {interval!r}")
        name = self._link.instrument(symbol).venue_symbol
        last_ms = min(end_ms, start_ms + self.page * length_ms) - 1
        now_ms = self._link.now_ms()
        found: dict[int, CandleRow] = {}
        for row in await self.list_candles(symbol, name, interval, start_ms, last_ms):
            opens_ms, *numbers = candle_row(row)
            if start_ms <= int(opens_ms) < end_ms and int(opens_ms) + length_ms <= now_ms:
                found[int(opens_ms)] = (int(opens_ms), *map(str, numbers))  # type: ignore[assignment]
        return [found[opens_ms] for opens_ms in sorted(found)]

    async def list_candles(self, symbol: str, name: str, interval: str, start_ms: int, last_ms: int) -> list[Any]:
        """Rows of candles, newest first, in the venue's own form."""
        params = {"symbol": name, "interval": interval, "startTime": start_ms, "endTime": last_ms}
        if is_perp(symbol):
            data = await self._data("swapV3PublicGetQuoteKlines", **params, limit=self.page)
        else:
            data = await self._data("spotV1PublicGetMarketKline", **params, limit=self.page, timeZone=0)
        return rows.rows_of(data, "candles")

    async def fetch_funding(self, perp: str, start_ms: int, end_ms: int) -> list[tuple[int, str]]:
        """(time, rate) of settlements in [start, end), oldest first, at most a page."""
        return await in_halves(functools.partial(self._settlements, perp), start_ms, end_ms, self.page)

    async def _settlements(self, perp: str, start_ms: int, end_ms: int) -> list[tuple[int, str]]:
        """The newest settlements of a span, at most a page, oldest first."""
        data = await self._data(
            "swapV2PublicGetQuoteFundingRate",
            symbol=self._link.instrument(perp).venue_symbol,
            startTime=start_ms,
            endTime=end_ms - 1,
            limit=self.page,
        )
        return sorted(
            (int(row["fundingTime"]), str(row["fundingRate"])) for row in rows.rows_of(data, "funding settlements")
        )


def candle_row(row: Any) -> list[Any]:
    """A candle as time, open, high, low, close, volume in base, volume in quote. Perps have no volume in quote: it is
    the volume at the middle of high, low and close, which is near it and no more."""
    if not isinstance(row, Mapping):
        return [*row[:6], row[7]]
    high, low, close, volume = (rows.number(row[name]) for name in ("high", "low", "close", "volume"))
    quote = str(volume * (high + low + close) / 3)
    return [int(row["time"]), row["open"], row["high"], row["low"], row["close"], row["volume"], quote]
