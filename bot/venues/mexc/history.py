"""Candles and funding settlements of MEXC as rows of texts."""

from collections.abc import Mapping
from typing import Any

from bot.domain.durations import DAY_MS, HOUR_MS, MINUTE_MS
from bot.domain.symbol import is_perp
from bot.ports import Unavailable
from bot.venues.ccxt import rows
from bot.venues.ccxt.adapter import CandleRow
from bot.venues.ccxt.connection import Connection
from bot.venues.mexc.asking import PAGE, PAGES_MAX, MexcAsking

INTERVALS: Mapping[str, tuple[int, str, str]] = {  # length, what it is called for spot, and for perps
    "1m": (MINUTE_MS, "1m", "Min1"),
    "5m": (5 * MINUTE_MS, "5m", "Min5"),
    "15m": (15 * MINUTE_MS, "15m", "Min15"),
    "30m": (30 * MINUTE_MS, "30m", "Min30"),
    "1h": (HOUR_MS, "60m", "Min60"),
    "4h": (4 * HOUR_MS, "4h", "Hour4"),
    "1d": (DAY_MS, "1d", "Day1"),
}
CANDLES_PAGE = 500
QUOTE_VOLUME = 6  # its column in a row as it is made here
_COLUMNS = ("time", "open", "high", "low", "close", "vol", "amount")


class MexcHistory(MexcAsking):
    """Implements `bot.venues.ccxt.adapter.VenueHistory`. Pages end where a question of this size ends."""

    page = CANDLES_PAGE

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)

    async def fetch_candles(self, symbol: str, interval: str, start_ms: int, end_ms: int) -> list[CandleRow]:
        """Closed candles that open in [start, end), oldest first, at most a page; `interval` is like 1h."""
        if interval not in INTERVALS:
            raise Unavailable(f"no candles of {interval!r}")
        length_ms = INTERVALS[interval][0]
        last_ms = min(end_ms, start_ms + self.page * length_ms) - 1
        now_ms = self._link.now_ms()
        found: dict[int, CandleRow] = {}
        for opens_ms, *numbers in await self.list_candles(symbol, interval, start_ms, last_ms):
            if start_ms <= int(opens_ms) < end_ms and int(opens_ms) + length_ms <= now_ms:
                found[int(opens_ms)] = (int(opens_ms), *map(str, numbers))  # type: ignore[assignment]
        return [found[opens_ms] for opens_ms in sorted(found)]

    async def list_candles(self, symbol: str, interval: str, start_ms: int, last_ms: int) -> list[list[Any]]:
        """Candles as time, open, high, low, close, volume, volume in quote. Perps come in columns, by seconds; their
        volume counts contracts and is not used."""
        name, (_, spot_name, perp_name) = self._link.instrument(symbol).venue_symbol, INTERVALS[interval]
        if not is_perp(symbol):
            found = await self._spot(
                "spotPublicGetKlines",
                symbol=name,
                interval=spot_name,
                startTime=start_ms,
                endTime=last_ms,
                limit=self.page,
            )
            return [[*row[:6], row[7]] for row in rows.rows_of(found, "candles")]
        data = await self._perp(
            "contractPublicGetKlineSymbol",
            symbol=name,
            interval=perp_name,
            start=-(-start_ms // 1_000),
            end=last_ms // 1_000,
        )
        columns = [rows.rows_of(data[column], "candles") for column in _COLUMNS]
        return [[int(row[0]) * 1_000, *row[1:]] for row in zip(*columns, strict=True)]

    async def fetch_funding(self, perp: str, start_ms: int, end_ms: int) -> list[tuple[int, str]]:
        """(time, rate) of settlements in [start, end), oldest first, at most a page. The venue lists the newest first,
        page by page, and takes no time: it is asked until what it lists is older.

        Raises:
            TypeError: the span lies beyond the last page that is asked for.
        """
        name, found = self._link.instrument(perp).venue_symbol, dict[int, str]()
        for page in range(1, PAGES_MAX + 1):
            data = await self._perp("contractPublicGetFundingRateHistory", symbol=name, page_num=page, page_size=PAGE)
            listed = rows.rows_of(data["resultList"], "funding settlements")
            found |= {int(row["settleTime"]): str(row["fundingRate"]) for row in listed}
            if len(listed) < PAGE or min(found) < start_ms:
                return sorted((at_ms, rate) for at_ms, rate in found.items() if start_ms <= at_ms < end_ms)[: self.page]
        raise TypeError(f"funding settlements: more than {PAGES_MAX} pages")
