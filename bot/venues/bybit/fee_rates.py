"""The account's own fee rates: one list for spot and one for perps."""

import asyncio
from collections.abc import Iterable, Mapping

from bot.ports import Unavailable
from bot.venues.bybit.asking import BybitAsking
from bot.venues.bybit.markets import category_of
from bot.venues.ccxt import rows
from bot.venues.ccxt.account.fees import DEADLINE_S, NO_ANSWER, NO_ROW, OwnRates, Rates, checked_rates
from bot.venues.ccxt.connection import Connection
from bot.venues.ccxt.rows import UNREADABLE


class BybitFees(BybitAsking, OwnRates):
    """(maker, taker) rates of one account by symbol, as far as the venue answers."""

    def __init__(self, connection: Connection) -> None:
        BybitAsking.__init__(self, connection)
        OwnRates.__init__(self)
        self._asked: set[str] = set()

    def are_due(self) -> bool:
        """One question is about all symbols: nothing is left to the next one."""
        return False

    async def refresh(self, symbols: Iterable[str], *, is_fresh: bool) -> None:
        """Ask about the kinds of the symbols that were never asked about, and about all of them where the instruments
        were loaded anew (`is_fresh`). Never raises for a venue that does not answer."""
        named = [symbol for symbol in dict.fromkeys((*self._asked, *symbols)) if symbol in self._link.instruments]
        due = named if is_fresh else [symbol for symbol in named if symbol not in self._asked]
        if not due or not self._link.environment.has_fee_list:
            return
        self._asked |= set(due)
        categories = dict.fromkeys(category_of(symbol) for symbol in due)
        await asyncio.gather(
            *(self._take(one, [symbol for symbol in due if category_of(symbol) == one]) for one in categories)
        )

    async def _take(self, category: str, symbols: list[str]) -> None:
        """Keep what the venue answers about the symbols: their rates, or why there are none."""
        names = {self._link.venue_symbol(symbol): symbol for symbol in symbols}
        asked = {"symbol": next(iter(names))} if len(names) == 1 else {}
        self._failed |= dict.fromkeys(symbols, NO_ROW)
        try:
            async with asyncio.timeout(DEADLINE_S):
                listed = await self._list("privateGetV5AccountFeeRate", "fee rates", category=category, **asked)
        except (*UNREADABLE, Unavailable, TimeoutError) as error:
            self._failed |= dict.fromkeys(symbols, str(error) or NO_ANSWER)
            return
        for row in listed:
            symbol = names.get(str(row.get("symbol"))) if isinstance(row, Mapping) else None
            if symbol is None:
                continue
            try:
                self._keep(symbol, rates_of(row))
            except UNREADABLE as error:
                self._keep(symbol, rows.message_of("fee rates", row, error))


def rates_of(row: Mapping[str, object]) -> Rates:
    """A row of the list. Raises ValueError for rates that are none."""
    return checked_rates(rows.number(row["makerFeeRate"]), rows.number(row["takerFeeRate"]))
