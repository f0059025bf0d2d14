"""Candles and funding settlements of WEEX as rows of texts."""

import functools
from typing import Any

from bot.domain.durations import DAY_MS, HOUR_MS, MINUTE_MS
from bot.domain.symbol import is_perp
from bot.ports import Unavailable
from bot.venues.ccxt.adapter import CandleRow
from bot.venues.ccxt.candles import start_of
from bot.venues.ccxt.history import in_halves
from bot.venues.weex.asking import WeexAsking

INTERVALS = {
    MINUTE_MS: "1m",
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
SPOT_CANDLES, PERP_CANDLES = 300, 1_000  # the newest that there are of spot; of perps, in one answer
QUOTE_VOLUME = 7  # its column


class WeexHistory(WeexAsking):
    """Implements `bot.venues.ccxt.adapter.VenueHistory`. Of perps there is a list of former candles; of spot there are
    the newest 300 and no others."""

    page = 100

    async def fetch_candles(self, symbol: str, interval: str, start_ms: int, end_ms: int) -> list[CandleRow]:
        """Closed candles that open in [start, end), oldest first, at most a page; `interval` is like 1h."""
        length_ms = next((length for length, name in INTERVALS.items() if name == interval), 0)
        if not length_ms:
            raise Unavailable(f"no candles of {interval!r}")
        last_ms = min(end_ms, start_ms + self.page * length_ms) - 1
        if is_perp(symbol):
            found = await self._former(symbol, interval, start_ms, last_ms)
        else:
            found = await self.newest_candles(symbol, length_ms, SPOT_CANDLES)
            starts = [at for row in found if (at := start_of(row)) is not None]
            if len(found) >= SPOT_CANDLES - 1 and starts and min(starts) > start_ms:
                raise Unavailable(
                    f"{self._link.profile.id} has the newest {SPOT_CANDLES} candles of {interval} of {symbol} and no "
                    "older ones; download them from another venue"
                )
        now_ms, kept = self._link.now_ms(), {}
        for row in found:
            opens_ms = int(row[0])
            if start_ms <= opens_ms <= last_ms and opens_ms + length_ms <= now_ms:
                kept[opens_ms] = (opens_ms, *map(str, (*row[1:6], row[QUOTE_VOLUME])))
        return [kept[opens_ms] for opens_ms in sorted(kept)]  # type: ignore[misc]

    async def newest_candles(self, symbol: str, length_ms: int, count: int) -> list[Any]:
        """Rows of the newest candles: of spot as many as there are, of perps as many as wanted and fit an answer."""
        name, interval = self._link.venue_symbol(symbol), INTERVALS[length_ms]
        if not is_perp(symbol):
            return await self._rows("publicGetApiV3MarketKlines", "candles", symbol=name, interval=interval)
        return await self._rows(
            "contractGetCapiV3MarketKlines",
            "candles",
            symbol=name,
            interval=interval,
            limit=max(1, min(count, PERP_CANDLES)),
        )

    async def _former(self, symbol: str, interval: str, start_ms: int, last_ms: int) -> list[Any]:
        return await self._rows(
            "contractGetCapiV3MarketHistoryKlines",
            "candles",
            symbol=self._link.instrument(symbol).venue_symbol,
            interval=interval,
            startTime=start_ms,
            endTime=last_ms,
            limit=self.page,
        )

    async def fetch_funding(self, perp: str, start_ms: int, end_ms: int) -> list[tuple[int, str]]:
        """(time, rate) of settlements in [start, end), oldest first, at most a page."""
        return await in_halves(functools.partial(self._settlements, perp), start_ms, end_ms, self.page)

    async def _settlements(self, perp: str, start_ms: int, end_ms: int) -> list[tuple[int, str]]:
        found = await self._rows(
            "contractGetCapiV3MarketFundingRate",
            "funding settlements",
            symbol=self._link.instrument(perp).venue_symbol,
            startTime=start_ms,
            endTime=end_ms - 1,
            limit=self.page,
        )
        return sorted((int(row["fundingTime"]), str(row["fundingRate"])) for row in found)
