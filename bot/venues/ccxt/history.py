"""Public history of a venue, page by page, without a key: candles and funding settlements as rows of texts."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

import aiohttp

from bot.domain.durations import HOUR_MS
from bot.domain.instrument import Instrument
from bot.ports import Clock
from bot.venues.ccxt.adapter import Adapter, CandleRow
from bot.venues.ccxt.connection import Connection, ConnectionRules

FundingRows = list[tuple[int, str]]


async def in_halves(
    ask: Callable[[int, int], Awaitable[FundingRows]], start_ms: int, end_ms: int, page: int
) -> FundingRows:
    """(time, rate) of settlements in [start, end), oldest first, at most a page, where a venue answers with the newest
    of a span: one that is full is asked for in halves, down to two hours.

    Args:
        ask: the settlements of a span in the order of time, at most `page`.
    """
    found = await ask(start_ms, end_ms)
    if len(found) < page or end_ms - start_ms < 2 * HOUR_MS:
        return found
    middle_ms = (start_ms + end_ms) // 2
    earlier = await in_halves(ask, start_ms, middle_ms, page)
    if len(earlier) >= page:
        return earlier
    return [*earlier, *await in_halves(ask, middle_ms, end_ms, page)][:page]


class PublicHistory:
    """Reads of public endpoints; throttled and retried as the trading connection does it.

    Raises from every read:
        Unavailable: the venue did not answer, or the symbol has not been loaded.
    """

    def __init__(
        self,
        adapter: Adapter,
        environment: str,
        *,
        quote: str,
        clock: Clock,
        session_factory: Callable[[], aiohttp.ClientSession] | None = None,
        rules: ConnectionRules | None = None,
    ) -> None:
        self._link = Connection(
            adapter.profile,
            environment,
            credentials=None,
            quote=quote,
            session_factory=session_factory,
            clock=clock,
            rules=rules or ConnectionRules(),
        )
        self._history = adapter.history(self._link)

    async def open(self) -> None:
        """Connect and verify the environment."""
        await self._link.open()

    async def close(self) -> None:
        await self._link.close()

    def now_ms(self) -> int:
        return self._link.now_ms()

    def page_of(self, symbol: str) -> int:
        """Rows of a full page; a shorter one is the last."""
        del symbol
        return self._history.page

    async def fetch_instruments(self, symbols: Sequence[str]) -> Mapping[str, Instrument]:
        """What the venue lists of them; the other reads know these only."""
        return await self._link.load_instruments(symbols)

    async def fetch_candles(self, symbol: str, interval: str, start_ms: int, end_ms: int) -> Sequence[CandleRow]:
        return await self._history.fetch_candles(symbol, interval, start_ms, end_ms)

    async def fetch_funding(self, perp: str, start_ms: int, end_ms: int) -> Sequence[tuple[int, str]]:
        return await self._history.fetch_funding(perp, start_ms, end_ms)
