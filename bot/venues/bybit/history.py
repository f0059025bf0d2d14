"""Candles and funding settlements of Bybit as rows of texts."""

import functools

from bot.domain.durations import DAY_MS, HOUR_MS, MINUTE_MS
from bot.ports import Unavailable
from bot.venues.bybit.asking import BybitAsking
from bot.venues.bybit.markets import LINEAR, category_of
from bot.venues.ccxt import rows
from bot.venues.ccxt.adapter import CandleRow
from bot.venues.ccxt.connection import Connection
from bot.venues.ccxt.history import in_halves

INTERVALS = {
    MINUTE_MS: "1",
    3 * MINUTE_MS: "3",
    5 * MINUTE_MS: "5",
    15 * MINUTE_MS: "15",
    30 * MINUTE_MS: "30",
    HOUR_MS: "60",
    2 * HOUR_MS: "120",
    4 * HOUR_MS: "240",
    6 * HOUR_MS: "360",
    12 * HOUR_MS: "720",
    DAY_MS: "D",
}
_UNITS_MS = {"m": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS}
_FUNDING_PAGE = 200


class BybitHistory(BybitAsking):
    """Implements `bot.venues.ccxt.adapter.VenueHistory`. Pages end where a question of this size ends."""

    page = _FUNDING_PAGE

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)

    async def fetch_candles(self, symbol: str, interval: str, start_ms: int, end_ms: int) -> list[CandleRow]:
        """Closed candles that open in [start, end), oldest first, at most a page; `interval` is like 1h."""
        length_ms = int(interval[:-1]) * _UNITS_MS.get(interval[-1], 0) if interval[:-1].isdigit() else 0
        if length_ms not in INTERVALS:
            raise Unavailable(f"no candles of {interval!r}")
        last_ms = min(end_ms, start_ms + self.page * length_ms) - 1
        result = await self._result(
            "publicGetV5MarketKline",
            category=category_of(symbol),
            symbol=self._link.instrument(symbol).venue_symbol,
            interval=INTERVALS[length_ms],
            start=start_ms,
            end=last_ms,
            limit=self.page,
        )
        now_ms = self._link.now_ms()
        found: dict[int, CandleRow] = {}
        for row in rows.rows_of(result.get("list"), "candles"):
            opens_ms = int(row[0])
            if start_ms <= opens_ms and opens_ms + length_ms <= now_ms:
                found[opens_ms] = (opens_ms, *map(str, row[1:7]))  # type: ignore[assignment]
        return [found[opens_ms] for opens_ms in sorted(found)]

    async def fetch_funding(self, perp: str, start_ms: int, end_ms: int) -> list[tuple[int, str]]:
        """(time, rate) of settlements in [start, end), oldest first, at most a page."""
        return await in_halves(functools.partial(self._settlements, perp), start_ms, end_ms, self.page)

    async def _settlements(self, perp: str, start_ms: int, end_ms: int) -> list[tuple[int, str]]:
        """The newest settlements of a span, at most a page, oldest first."""
        result = await self._result(
            "publicGetV5MarketFundingHistory",
            category=LINEAR,
            symbol=self._link.instrument(perp).venue_symbol,
            startTime=start_ms,
            endTime=end_ms - 1,
            limit=self.page,
        )
        return sorted(
            (int(row["fundingRateTimestamp"]), str(row["fundingRate"]))
            for row in rows.rows_of(result.get("list"), "funding settlements")
        )
