"""The account's own fee rates: the venue reports those of a perp, one by one. Of spot the listed rates serve."""

import asyncio
from collections.abc import Iterable

from bot.domain.durations import HOUR_MS
from bot.domain.symbol import is_perp
from bot.ports import Unavailable
from bot.venues.ccxt import rows
from bot.venues.ccxt.account.fees import DEADLINE_S, NO_ANSWER, OwnRates, Rates, checked_rates
from bot.venues.ccxt.connection import Connection
from bot.venues.ccxt.rows import UNREADABLE
from bot.venues.weex.asking import WeexAsking

PER_LOOK = 4  # perps that one look asks about
AGE_MAX_MS = HOUR_MS


class WeexFees(WeexAsking, OwnRates):
    """(maker, taker) rates of one account by symbol, as far as the venue answers."""

    def __init__(self, connection: Connection) -> None:
        WeexAsking.__init__(self, connection)
        OwnRates.__init__(self)
        self._asked_ms: dict[str, int] = {}
        self._due: dict[str, None] = {}

    def are_due(self) -> bool:
        """Whether the last look left symbols to the next one."""
        return bool(self._due)

    async def refresh(self, symbols: Iterable[str], *, is_fresh: bool) -> None:
        """Ask about perps that were never asked about and, where the instruments were loaded anew (`is_fresh`), about
        those whose answer is older than `AGE_MAX_MS`. Never raises for a venue that does not answer."""
        now_ms, never_ms = self._link.now_ms(), -AGE_MAX_MS
        for symbol in dict.fromkeys((*self._asked_ms, *symbols)):
            age_ms = abs(now_ms - self._asked_ms.get(symbol, never_ms))
            is_due = symbol not in self._asked_ms or (is_fresh and age_ms >= AGE_MAX_MS)
            if is_due and is_perp(symbol) and symbol in self._link.instruments:
                self._due[symbol] = None
        asked = list(self._due)[:PER_LOOK]
        if not asked:
            return
        self._failed |= dict.fromkeys(asked, NO_ANSWER)
        self._asked_ms |= dict.fromkeys(asked, now_ms)
        self._due = {symbol: None for symbol in self._due if symbol not in asked}
        try:
            async with asyncio.timeout(DEADLINE_S):
                await asyncio.gather(*(self._take(symbol) for symbol in asked))
        except TimeoutError:
            pass

    async def _take(self, symbol: str) -> None:
        """Keep what the venue answers about a perp."""
        try:
            row = await self._call(
                "contractPrivateGetCapiV3AccountCommissionRate", symbol=self._link.venue_symbol(symbol)
            )
            answer: Rates | str = checked_rates(
                rows.number(row["makerCommissionRate"]), rows.number(row["takerCommissionRate"])
            )
        except (*UNREADABLE, Unavailable) as error:
            answer = str(error)
        self._keep(symbol, answer)
