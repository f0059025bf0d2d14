"""The account's own fee rates at Binance.

Spot rates come in one list from the wallet's endpoint, or symbol by symbol where the environment has none. Rates of
perps come symbol by symbol and weigh 20 each, so a look asks for `PER_LOOK` symbols at most and the next goes on. A
discount for fees in another asset (BNB) is left out: it ends when that asset is used up.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from bot.domain.money import ZERO
from bot.domain.symbol import is_perp
from bot.ports import Unavailable
from bot.venues.binance.paging import Asking
from bot.venues.ccxt import rows
from bot.venues.ccxt.account.fees import DEADLINE_S, NO_ANSWER, NO_ROW, OwnRates, Rates, checked_rates
from bot.venues.ccxt.connection import CONTRADICTED_READ_MS, Connection
from bot.venues.ccxt.rows import UNREADABLE

PER_LOOK = 30
_AT_ONCE = 8
_PARTS = ("standardCommission", "specialCommission", "taxCommission")


class FeeRates(Asking, OwnRates):
    """(maker, taker) rates of one account by symbol, as far as the venue answers."""

    def __init__(self, connection: Connection) -> None:
        Asking.__init__(self, connection)
        OwnRates.__init__(self)
        self._asked_ms: dict[str, int] = {}
        self._due: dict[str, None] = {}

    def are_due(self) -> bool:
        """Whether the last look left symbols to the next one."""
        return bool(self._due)

    async def refresh(self, symbols: Iterable[str], *, is_fresh: bool) -> None:
        """Ask about the symbols never asked about and, when the instruments were loaded anew (`is_fresh`), about every
        one asked about before, those with the oldest answer first. Never raises for a venue that does not answer."""
        now_ms = self._link.now_ms()
        named = dict.fromkeys((*self._asked_ms, *self._due, *symbols))
        listed = [symbol for symbol in named if symbol in self._link.instruments]
        never = -CONTRADICTED_READ_MS
        for symbol in sorted(listed, key=lambda symbol: self._asked_ms.get(symbol, never)):
            age_ms = abs(now_ms - self._asked_ms.get(symbol, never))
            if symbol not in self._asked_ms or (is_fresh and age_ms >= CONTRADICTED_READ_MS):
                self._due[symbol] = None
        due = [symbol for symbol in self._due if symbol in listed]
        has_list = self._link.environment.has_fee_list
        spot = [symbol for symbol in due if not is_perp(symbol)] if has_list else []
        single = [symbol for symbol in due if symbol not in spot][:PER_LOOK]
        if not spot and not single:
            self._due = {}
            return
        requested = dict.fromkeys((*spot, *single), NO_ANSWER)
        self._failed |= requested
        self._asked_ms |= dict.fromkeys(requested, now_ms)
        self._due = {symbol: None for symbol in due if symbol not in requested}
        try:
            async with asyncio.timeout(DEADLINE_S):
                await self._request_rates(spot, single)
        except TimeoutError:
            pass

    async def _request_rates(self, spot: list[str], single: list[str]) -> None:
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(symbol: str) -> None:
            async with gate:
                await self._take([symbol], self._request_one(symbol))

        async with asyncio.TaskGroup() as tasks:
            if spot:
                tasks.create_task(self._take(spot, self._request_list(spot)))
            for symbol in single:
                tasks.create_task(one(symbol))

    async def _take(self, symbols: list[str], asking: Awaitable[Mapping[str, Rates | str]]) -> None:
        """Keep what the venue answers about the symbols: their rates, or why there are none."""
        try:
            result = await asking
        except Unavailable as error:
            result = dict.fromkeys(symbols, str(error))
        except UNREADABLE as error:
            result = dict.fromkeys(symbols, f"unreadable answer, {type(error).__name__}: {error}")
        for symbol in symbols:
            self._keep(symbol, result.get(symbol, NO_ROW))

    async def _request_one(self, symbol: str) -> Mapping[str, Rates | str]:
        method, read = (
            ("fapiPrivateGetCommissionRate", perp_rates)
            if is_perp(symbol)
            else ("privateGetAccountCommission", spot_rates)
        )
        row = await self._get(method, symbol)
        return {symbol: _read(row, read, self._link.venue_symbol(symbol))}

    async def _request_list(self, symbols: list[str]) -> Mapping[str, Rates | str]:
        names = {self._link.venue_symbol(symbol): symbol for symbol in symbols}
        result: dict[str, Rates | str] = {}
        for row in rows.rows_of(await self._call("sapiGetAssetTradeFee"), "fee rates"):
            name = row.get("symbol") if isinstance(row, Mapping) else None
            if isinstance(name, str) and name in names:
                result[names[name]] = _read(row, listed_rates, name)
        return result


def listed_rates(row: Mapping[str, Any]) -> Rates:
    """A row of the wallet's list of spot fees."""
    return checked_rates(rows.number(row["makerCommission"]), rows.number(row["takerCommission"]))


def perp_rates(row: Mapping[str, Any]) -> Rates:
    """The answer about one perp."""
    return checked_rates(rows.number(row["makerCommissionRate"]), rows.number(row["takerCommissionRate"]))


def spot_rates(row: Mapping[str, Any]) -> Rates:
    """The answer about one spot symbol: what is charged is the sum of its parts, of the dearer side."""
    maker = taker = ZERO
    for name in _PARTS:
        part = row["standardCommission"] if name == _PARTS[0] else row.get(name) or {}
        side = max(rows.number(part.get("buyer") or "0"), rows.number(part.get("seller") or "0"))
        is_whole = name == _PARTS[0]
        maker += side + rows.number(part["maker"] if is_whole else part.get("maker") or "0")
        taker += side + rows.number(part["taker"] if is_whole else part.get("taker") or "0")
    return checked_rates(maker, taker)


def _read(row: Any, read: Callable[[Mapping[str, Any]], Rates], name: str) -> Rates | str:
    try:
        if row["symbol"] != name:
            raise ValueError(f"an answer about {row['symbol']!r}")
        return read(row)
    except UNREADABLE as error:
        return rows.message_of("fee rates", row, error)
