"""The account's own fee rates: one list for spot and one for perps."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal

from bot.domain.instrument import Instrument
from bot.domain.money import ZERO
from bot.ports import Unavailable
from bot.venues.bybit.asking import BybitAsking
from bot.venues.bybit.markets import category_of
from bot.venues.ccxt import rows
from bot.venues.ccxt.connection import Connection
from bot.venues.ccxt.rows import UNREADABLE

RATE_MAX = Decimal("0.05")
_DEADLINE_S = 5.0  # the listed rates serve without an answer
Rates = tuple[Decimal, Decimal]


class BybitFees(BybitAsking):
    """(maker, taker) rates of one account by symbol, as far as the venue answers."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._own: dict[str, Rates] = {}
        self._asked: set[str] = set()
        self._failed: dict[str, str] = {}

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

    def applied(self, instrument: Instrument) -> Instrument:
        """The instrument with the account's own rates, or as it is where they are not known."""
        own = self._own.get(instrument.symbol)
        return instrument if own is None else replace(instrument, maker_fee=own[0], taker_fee=own[1])

    def notes(self) -> Mapping[str, str]:
        """Which rates serve, and why, for the symbols whose own rates could not be read."""
        return {
            symbol: f"its fee rates could not be read ({why}); "
            + ("those read before serve" if symbol in self._own else "the listed rates of the venue serve")
            for symbol, why in self._failed.items()
        }

    async def _take(self, category: str, symbols: list[str]) -> None:
        """Keep what the venue answers about the symbols: their rates, or why there are none."""
        names = {self._link.venue_symbol(symbol): symbol for symbol in symbols}
        asked = {"symbol": next(iter(names))} if len(names) == 1 else {}
        self._failed |= dict.fromkeys(symbols, "the venue's list has no row of it")
        try:
            async with asyncio.timeout(_DEADLINE_S):
                listed = await self._list("privateGetV5AccountFeeRate", "fee rates", category=category, **asked)
        except (*UNREADABLE, Unavailable, TimeoutError) as error:
            self._failed |= dict.fromkeys(symbols, str(error) or "no answer in time")
            return
        for row in listed:
            symbol = names.get(str(row.get("symbol"))) if isinstance(row, Mapping) else None
            if symbol is None:
                continue
            try:
                self._own[symbol] = rates_of(row)
                self._failed.pop(symbol, None)
            except UNREADABLE as error:
                self._failed[symbol] = rows.message_of("fee rates", row, error)


def rates_of(row: Mapping[str, object]) -> Rates:
    """A row of the list. A maker may be paid; a taker is not. Raises ValueError for anything else."""
    maker, taker = rows.number(row["makerFeeRate"]), rows.number(row["takerFeeRate"])
    if not (-RATE_MAX <= maker <= RATE_MAX and ZERO <= taker <= RATE_MAX):
        raise ValueError(f"fee rates of {maker} and {taker}")
    return maker, taker
