"""The account's own fee rates: one pair for all perps, and a question for each spot symbol."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from bot.domain.durations import HOUR_MS
from bot.domain.symbol import is_perp
from bot.ports import Unavailable
from bot.venues.bingx.asking import BingxAsking
from bot.venues.ccxt import rows
from bot.venues.ccxt.account.fees import DEADLINE_S, NO_ANSWER, OwnRates, Rates, checked_rates
from bot.venues.ccxt.connection import Connection
from bot.venues.ccxt.rows import UNREADABLE

PER_LOOK = 4  # spot symbols that one look asks about: the venue takes five such questions in a second
AGE_MAX_MS = HOUR_MS


class BingxFees(BingxAsking, OwnRates):
    """(maker, taker) rates of one account by symbol, as far as the venue answers."""

    def __init__(self, connection: Connection) -> None:
        BingxAsking.__init__(self, connection)
        OwnRates.__init__(self)
        self._asked_ms: dict[str, int] = {}
        self._due: dict[str, None] = {}

    def are_due(self) -> bool:
        """Whether the last look left symbols to the next one."""
        return bool(self._due)

    async def refresh(self, symbols: Iterable[str], *, is_fresh: bool) -> None:
        """Ask about symbols that were never asked about and, where the instruments were loaded anew (`is_fresh`), about
        those whose answer is older than `AGE_MAX_MS`. Never raises for a venue that does not answer."""
        if not self._link.environment.has_fee_list:
            return
        now_ms, never_ms = self._link.now_ms(), -AGE_MAX_MS
        for symbol in dict.fromkeys((*self._asked_ms, *symbols)):
            age_ms = abs(now_ms - self._asked_ms.get(symbol, never_ms))
            is_due = symbol not in self._asked_ms or (is_fresh and age_ms >= AGE_MAX_MS)
            if symbol in self._link.instruments and is_due:
                self._due[symbol] = None
        perps = [symbol for symbol in self._due if is_perp(symbol)]
        spot = [symbol for symbol in self._due if not is_perp(symbol)][:PER_LOOK]
        asked = dict.fromkeys((*perps, *spot))
        if not asked:
            return
        self._failed |= dict.fromkeys(asked, NO_ANSWER)
        self._asked_ms |= dict.fromkeys(asked, now_ms)
        self._due = {symbol: None for symbol in self._due if symbol not in asked}
        try:
            async with asyncio.timeout(DEADLINE_S):
                await asyncio.gather(*([self._take(perps)] if perps else []), *(self._take([one]) for one in spot))
        except TimeoutError:
            pass

    async def _take(self, symbols: list[str]) -> None:
        """Keep what the venue answers about the symbols, which share their rates."""
        try:
            if is_perp(symbols[0]):
                answer: Rates | str = rates_of((await self._signed("swapV2PrivateGetUserCommissionRate"))["commission"])
            else:
                name = self._link.venue_symbol(symbols[0])
                answer = rates_of(await self._signed("spotV1PrivateGetUserCommissionRate", symbol=name))
        except (*UNREADABLE, Unavailable) as error:
            answer = str(error)
        for symbol in symbols:
            self._keep(symbol, answer)


def rates_of(row: Mapping[str, Any]) -> Rates:
    """The rates in an answer. Raises ValueError for rates that are none."""
    return checked_rates(rows.number(row["makerCommissionRate"]), rows.number(row["takerCommissionRate"]))
