"""Public history of a venue, page by page, without a key: candles and funding settlements as rows of texts."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import aiohttp

from bot.domain.instrument import Instrument
from bot.domain.symbol import is_perp
from bot.ports import Clock
from bot.venues.binance.profiles import Profile
from bot.venues.ccxt.connection import Connection, ConnectionRules

PAGE = 1_000
CandleRow = tuple[int, str, str, str, str, str, str]  # opens at ms, open, high, low, close, volume in base, in quote


class PublicHistory:
    """Reads of public endpoints; throttled and retried as the trading connection does it.

    Raises from every read:
        Unavailable: the venue did not answer, or the symbol has not been loaded.
    """

    def __init__(
        self,
        profile: Profile,
        environment: str,
        *,
        quote: str,
        clock: Clock,
        session_factory: Callable[[], aiohttp.ClientSession] | None = None,
        rules: ConnectionRules | None = None,
    ) -> None:
        self._link = Connection(
            profile,
            environment,
            credentials=None,
            quote=quote,
            session_factory=session_factory,
            clock=clock,
            rules=rules or ConnectionRules(),
        )

    async def open(self) -> None:
        """Connect and verify the environment."""
        await self._link.open()

    async def close(self) -> None:
        await self._link.close()

    def now_ms(self) -> int:
        return self._link.now_ms()

    async def fetch_instruments(self, symbols: Sequence[str]) -> Mapping[str, Instrument]:
        """What the venue lists of them; the other reads know these only."""
        return await self._link.load_instruments(symbols)

    async def fetch_candles(self, symbol: str, interval: str, start_ms: int, end_ms: int) -> list[CandleRow]:
        """Closed candles that open in [start, end), oldest first, at most a page; fewer than `PAGE` when no more are
        there. `interval` is the venue's word, 1h."""
        name = "fapiPublicGetKlines" if is_perp(symbol) else "publicGetKlines"
        rows = await self._get(name, symbol, interval=interval, startTime=start_ms, endTime=end_ms - 1, limit=PAGE)
        now_ms = self.now_ms()
        return [(int(row[0]), *map(str, (*row[1:6], row[7]))) for row in rows if int(row[6]) < now_ms]  # type: ignore[misc]

    async def fetch_funding(self, perp: str, start_ms: int, end_ms: int) -> list[tuple[int, str]]:
        """(time, rate) of settlements in [start, end), oldest first, at most a page."""
        rows = await self._get("fapiPublicGetFundingRate", perp, startTime=start_ms, endTime=end_ms - 1, limit=PAGE)
        return [(int(row["fundingTime"]), str(row["fundingRate"])) for row in rows]

    async def _get(self, name: str, symbol: str, **parameters: Any) -> list[Any]:
        call = getattr(self._link.exchange, name)
        wanted = {"symbol": self._link.instrument(symbol).venue_symbol, **parameters}
        found = await self._link.read(lambda: call(wanted))
        return list(found)
