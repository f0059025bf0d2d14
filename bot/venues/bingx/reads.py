"""What BingX is asked: market data and account truth, as rows of its own endpoints through ccxt's implicit methods."""

import asyncio
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from bot.domain.brackets import Bracket
from bot.domain.candles import CandleSeries
from bot.domain.instrument import Kind
from bot.domain.market import Book, Funding, OpenInterest, Quote
from bot.domain.money import ZERO
from bot.domain.portfolio import Account, Position
from bot.domain.symbol import is_perp
from bot.ports import Answered, Unavailable
from bot.venues.account_review import flag
from bot.venues.bingx import parse
from bot.venues.bingx.asking import listed
from bot.venues.bingx.history import CANDLES_PAGE, INTERVALS, QUOTE_VOLUME, BingxHistory, candle_row
from bot.venues.bingx.order_reads import BingxOrderReads
from bot.venues.ccxt import candles as parse_candles
from bot.venues.ccxt import rows
from bot.venues.ccxt.account.holdings import read_balances, read_positions
from bot.venues.ccxt.account.sides import note_sides
from bot.venues.ccxt.connection import Connection
from bot.venues.ccxt.rows import UNREADABLE, Row, readable

_DEPTHS = (5, 10, 20, 50, 100, 500, 1_000)


class BingxReads(BingxOrderReads):
    """Reads of one account. Everything raises Unavailable."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._candles = BingxHistory(connection)
        self._leverage_max: dict[str, int] = {}

    @readable
    async def fetch_account(self) -> Account:
        """Both wallets, all positions and the position mode, read side by side."""
        at_ms = self._link.now_ms()
        spot, perp, held, is_hedged = await asyncio.gather(
            self._rows_of(Kind.SPOT, "spotV1PrivateGetAccountBalance", "balances"),
            self._rows_of(Kind.PERP, "swapV3PrivateGetUserBalance"),
            self._rows_of(Kind.PERP, "swapV2PrivateGetUserPositions"),
            self._is_hedged(),
        )
        unreadable: dict[str, str] = {}
        wallet, free = self._perp_wallet(perp, unreadable)
        return Account(
            at_ms=at_ms,
            quote=self._link.quote,
            balances=read_balances(spot, parse.balance, unreadable),
            perp_wallet=wallet,
            perp_free=free,
            positions=self._positions([row for row in held if parse.is_held(row)], unreadable, is_hedged=is_hedged),
            unreadable=unreadable,
        )

    @readable
    async def fetch_quotes(self, symbols: Sequence[str]) -> Mapping[str, Quote]:
        """Best prices; symbols the venue does not answer for, or not readably, are missing, with the reason."""
        at_ms = self._link.now_ms()
        spot, perps = [s for s in symbols if not is_perp(s)], [s for s in symbols if is_perp(s)]
        tickers, perp_tickers, premiums = await asyncio.gather(
            self._by_symbol("spotV1PublicGetTicker24hr", spot),
            self._by_symbol("swapV2PublicGetQuoteTicker", perps),
            self._by_symbol("swapV2PublicGetQuotePremiumIndex", perps),
        )
        found: dict[str, Quote] = {}
        notes: dict[str, str] = {}
        for symbol, row in {**tickers, **perp_tickers}.items():
            if is_perp(symbol) and symbol not in premiums:
                continue
            try:
                found[symbol] = parse.quote(row, symbol, at_ms=at_ms, premium=premiums.get(symbol))
            except UNREADABLE as error:
                notes[symbol] = rows.message_of("quotes", row, error)
        return Answered(found, notes)

    @readable
    async def fetch_book(self, symbol: str, levels: int) -> Book:
        """Order book with at least `levels` levels where the venue has them, cut to `levels`."""
        data = await self._data(
            "swapV2PublicGetQuoteDepth" if is_perp(symbol) else "spotV1PublicGetMarketDepth",
            symbol=self._link.venue_symbol(symbol),
            limit=next((depth for depth in _DEPTHS if depth >= levels), _DEPTHS[-1]),
        )
        return parse.book(data, symbol, at_ms=self._link.now_ms(), levels=levels)

    @readable
    async def fetch_candles(self, symbol: str, timeframe_ms: int, since_ms: int, limit: int) -> CandleSeries:
        """Closed candles opening at or after `since_ms`, at most `limit`."""
        interval = INTERVALS.get(timeframe_ms)
        if interval is None:
            raise Unavailable(f"no candles of {timeframe_ms} ms; there are {sorted(INTERVALS)}")
        found: dict[int, list[Any]] = {}
        unread: list[Any] = []
        name, start_ms = self._link.venue_symbol(symbol), -(-since_ms // timeframe_ms) * timeframe_ms
        while len(found) < limit and start_ms + timeframe_ms <= self._link.now_ms():
            end_ms = start_ms + min(CANDLES_PAGE, limit - len(found)) * timeframe_ms
            for row in await self._candles.list_candles(symbol, name, interval, start_ms, end_ms - 1):
                try:
                    made = candle_row(row)
                    if start_ms <= int(made[0]) < end_ms:
                        found[int(made[0])] = made
                except UNREADABLE:
                    unread.append(row)
            start_ms = end_ms
        return parse_candles.candles(
            [*found.values(), *unread],
            symbol=symbol,
            timeframe_ms=timeframe_ms,
            now_ms=self._link.now_ms(),
            quote_volume_column=QUOTE_VOLUME,
        )

    @readable
    async def fetch_funding(self, symbols: Sequence[str]) -> Mapping[str, Funding]:
        """Expected funding of perps, and how often they settle."""
        found: dict[str, Funding] = {}
        notes: dict[str, str] = {}
        at_ms, perps = self._link.now_ms(), [symbol for symbol in symbols if is_perp(symbol)]
        for symbol, row in (await self._by_symbol("swapV2PublicGetQuotePremiumIndex", perps)).items():
            try:
                found[symbol] = parse.funding(row, symbol, at_ms=at_ms)
            except UNREADABLE as error:
                notes[symbol] = rows.message_of("funding", row, error)
        return Answered(found, notes)

    @readable
    async def fetch_open_interest(self, symbol: str) -> OpenInterest:
        """Open interest, which the venue counts in quote value."""
        data = await self._data("swapV2PublicGetQuoteOpenInterest", symbol=self._link.venue_symbol(symbol))
        at_ms = min(int(data["time"]), self._link.now_ms())
        return OpenInterest(symbol, rows.number(data["openInterest"]), at_ms)

    @readable
    async def load_brackets(self) -> Mapping[str, tuple[Bracket, ...]]:
        """Fetch the maintenance tiers of the perps that were asked for by name, one by one; those that cannot be read
        are missing. The venue lists hundreds, and answers about one at a time."""
        known = self._link.instruments
        perps = {symbol: known[symbol] for symbol in self._link.asked if symbol in known and known[symbol].is_perp}
        for symbol, one in perps.items():
            self._leverage_max[symbol] = max(self._leverage_max.get(symbol, 1), int(one.leverage_max))
        answers = await asyncio.gather(*(self._tiers(symbol) for symbol in perps), return_exceptions=True)
        failed = [answer for answer in answers if isinstance(answer, BaseException)]
        if failed and len(failed) == len(answers):
            raise failed[0]
        found = {symbol: answer for symbol, answer in zip(perps, answers, strict=True) if isinstance(answer, tuple)}
        return {symbol: tiers for symbol, tiers in found.items() if tiers}

    async def _tiers(self, symbol: str) -> tuple[Bracket, ...]:
        name = self._link.venue_symbol(symbol)
        tiers = await self._rows("swapV1PrivateGetMaintMarginRatio", "maintenance tiers", symbol=name)
        try:
            return parse.brackets(tiers, self._leverage_max[symbol])
        except UNREADABLE:
            return ()

    async def _by_symbol(self, method: str, symbols: Sequence[str]) -> dict[str, Any]:
        """Rows of a public list by symbol."""
        names = {self._link.venue_symbol(symbol): symbol for symbol in symbols}
        if not names:
            return {}
        found = {}
        for row in listed(await self._data(method), "tickers"):
            name = row.get("symbol") if isinstance(row, Mapping) else None
            if isinstance(name, str) and name in names:
                found[names[name]] = row
        return found

    async def _rows_of(self, kind: Kind, method: str, name: str = "") -> list[Any]:
        """The rows of a list about one kind of market; none where it is not traded here."""
        if kind not in self._link.environment.kinds:
            return []
        return await self._rows(method, "the account", name)

    async def _is_hedged(self) -> bool:
        """Whether the account is in hedge mode, which rows of positions do not say: they name a side in either mode."""
        if Kind.PERP not in self._link.environment.kinds:
            return False
        return flag(await self._signed("swapV1PrivateGetPositionSideDual"), "dualSidePosition")

    def _perp_wallet(self, balances: Sequence[Any], unreadable: dict[str, str]) -> tuple[Decimal, Decimal]:
        """(wallet balance without unrealised profit, free margin) of the quote currency, of the virtual money that
        stands for it in the test environment; zero where the wallet has no row of it."""
        wanted = {self._link.quote} | ({parse.VIRTUAL} if self._link.environment.name == "testnet" else set())
        for row in balances:
            if not isinstance(row, Mapping) or row.get("asset") not in wanted:
                continue
            try:
                return rows.number(row["balance"]), max(ZERO, rows.number(row["availableMargin"]))
            except UNREADABLE as error:
                unreadable["wallet"] = rows.message_of("balances", row, error)
        return ZERO, ZERO

    def _positions(self, held: Sequence[Any], unreadable: dict[str, str], *, is_hedged: bool) -> dict[str, Position]:
        found, named = read_positions(held, self._symbol_of, parse.position, parse.partial_position, unreadable)
        sides = [(symbol, str(row.get("positionSide"))) for symbol, row in named] if is_hedged else []
        self._link.position_sides = note_sides(sides, found, unreadable)
        return found

    def _symbol_of(self, row: Row) -> str:
        return self._link.symbol_of(row["symbol"], Kind.PERP)
