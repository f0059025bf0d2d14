"""What MEXC is asked: market data and account truth, as rows of its own endpoints through ccxt's implicit methods."""

import asyncio
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from bot.domain.brackets import Bracket
from bot.domain.candles import CandleSeries
from bot.domain.instrument import Kind
from bot.domain.market import Book, Funding, OpenInterest, Quote
from bot.domain.money import ONE, ZERO
from bot.domain.portfolio import Account, Position
from bot.domain.symbol import is_perp
from bot.ports import Answered, Unavailable
from bot.venues.ccxt import candles as parse_candles
from bot.venues.ccxt import rows
from bot.venues.ccxt.account.holdings import read_balances, read_positions
from bot.venues.ccxt.account.sides import note_sides
from bot.venues.ccxt.connection import Connection
from bot.venues.ccxt.rows import UNREADABLE, Row, number, number_or, readable
from bot.venues.mexc import parse
from bot.venues.mexc.account_checks import HEDGE, ONE_WAY
from bot.venues.mexc.history import CANDLES_PAGE, INTERVALS, QUOTE_VOLUME, MexcHistory
from bot.venues.mexc.order_reads import MexcOrderReads


class MexcReads(MexcOrderReads):
    """Reads of one account. Everything raises Unavailable."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._candles = MexcHistory(connection)

    @readable
    async def fetch_account(self) -> Account:
        """Both wallets, all positions and the position mode, read side by side."""
        at_ms, has_perps = self._link.now_ms(), Kind.PERP in self._link.environment.kinds
        has_spot = Kind.SPOT in self._link.environment.kinds
        spot, assets, held, mode, tickers = await asyncio.gather(
            self._spot("spotPrivateGetAccount") if has_spot else _none(),
            self._perp("contractPrivateGetAccountAssets") if has_perps else _none(),
            self._perp("contractPrivateGetPositionOpenPositions") if has_perps else _none(),
            self._perp("contractPrivateGetPositionPositionMode") if has_perps else _none(),
            self._perp("contractPublicGetTicker") if has_perps else _none(),
        )
        if has_perps and str(mode) not in (str(HEDGE), str(ONE_WAY)):
            raise ValueError(f"the account is neither in one-way mode nor in hedge mode but in {mode!r}")
        self._link.is_hedged = str(mode) == str(HEDGE)
        unreadable: dict[str, str] = {}
        wallet, free = self._perp_wallet(rows.rows_of(assets or [], "balances"), unreadable)
        marks = {row.get("symbol"): row.get("fairPrice") for row in tickers or () if isinstance(row, Mapping)}
        positions = [row for row in rows.rows_of(held or [], "positions") if parse.is_held(row)]
        return Account(
            at_ms=at_ms,
            quote=self._link.quote,
            balances=read_balances(
                rows.rows_of(spot["balances"], "balances") if spot else [], parse.balance, unreadable
            ),
            perp_wallet=wallet,
            perp_free=free,
            positions=self._positions(positions, marks, unreadable),
            unreadable=unreadable,
        )

    @readable
    async def fetch_quotes(self, symbols: Sequence[str]) -> Mapping[str, Quote]:
        """Best prices; symbols the venue does not answer for, or not readably, are missing, with the reason."""
        at_ms = self._link.now_ms()
        spot, perps = [s for s in symbols if not is_perp(s)], [s for s in symbols if is_perp(s)]
        of_spot, of_perps = await asyncio.gather(
            self._spot("spotPublicGetTicker24hr") if spot else _none(),
            self._perp("contractPublicGetTicker") if perps else _none(),
        )
        found: dict[str, Quote] = {}
        notes: dict[str, str] = {}
        for listed, wanted in ((of_spot, spot), (of_perps, perps)):
            for symbol, row in self._named(listed, wanted).items():
                read = parse.perp_quote if is_perp(symbol) else parse.spot_quote
                try:
                    found[symbol] = read(row, symbol, at_ms=at_ms)
                except UNREADABLE as error:
                    notes[symbol] = rows.message_of("quotes", row, error)
        return Answered(found, notes)

    @readable
    async def fetch_book(self, symbol: str, levels: int) -> Book:
        """Order book with at least `levels` levels where the venue has them, cut to `levels`."""
        name = self._link.venue_symbol(symbol)
        if is_perp(symbol):
            data = await self._perp("contractPublicGetDepthSymbol", symbol=name, limit=levels)
        else:
            data = await self._spot("spotPublicGetDepth", symbol=name, limit=levels)
        contract = self.contract(symbol) if is_perp(symbol) else ONE
        return parse.book(data, symbol, at_ms=self._link.now_ms(), levels=levels, contract=contract)

    @readable
    async def fetch_candles(self, symbol: str, timeframe_ms: int, since_ms: int, limit: int) -> CandleSeries:
        """Closed candles opening at or after `since_ms`, at most `limit`."""
        interval = next((name for name, (length, *_) in INTERVALS.items() if length == timeframe_ms), None)
        if interval is None:
            raise Unavailable(f"no candles of {timeframe_ms} ms; there are {[one[0] for one in INTERVALS.values()]}")
        found: dict[Any, list[Any]] = {}
        start_ms = -(-since_ms // timeframe_ms) * timeframe_ms
        while len(found) < limit and start_ms + timeframe_ms <= self._link.now_ms():
            end_ms = start_ms + min(CANDLES_PAGE, limit - len(found)) * timeframe_ms
            for row in await self._candles.list_candles(symbol, interval, start_ms, end_ms - 1):
                opens_ms = parse_candles.start_of(row)
                if opens_ms is None or start_ms <= opens_ms < end_ms:
                    found[repr(row) if opens_ms is None else opens_ms] = row
            start_ms = end_ms
        return parse_candles.candles(
            list(found.values()),
            symbol=symbol,
            timeframe_ms=timeframe_ms,
            now_ms=self._link.now_ms(),
            quote_volume_column=QUOTE_VOLUME,
        )

    @readable
    async def fetch_funding(self, symbols: Sequence[str]) -> Mapping[str, Funding]:
        """Expected funding of perps, and how often they settle: a question for each."""
        found: dict[str, Funding] = {}
        notes: dict[str, str] = {}
        at_ms, perps = self._link.now_ms(), [symbol for symbol in symbols if is_perp(symbol)]
        answers = await asyncio.gather(
            *(
                self._perp("contractPublicGetFundingRateSymbol", symbol=self._link.venue_symbol(symbol))
                for symbol in perps
            ),
            return_exceptions=True,
        )
        for symbol, answer in zip(perps, answers, strict=True):
            if isinstance(answer, (*UNREADABLE, Unavailable)):
                notes[symbol] = str(answer)
            elif isinstance(answer, BaseException):
                raise answer
            else:
                try:
                    found[symbol] = parse.funding(answer, symbol, at_ms=at_ms)
                except UNREADABLE as error:
                    notes[symbol] = rows.message_of("funding", answer, error)
        return Answered(found, notes)

    @readable
    async def fetch_open_interest(self, symbol: str) -> OpenInterest:
        """Open interest, which the venue counts in contracts."""
        data = await self._perp("contractPublicGetTicker", symbol=self._link.venue_symbol(symbol))
        row = self._named(data if isinstance(data, list) else [data], [symbol])[symbol]
        value = number(row["holdVol"]) * self.contract(symbol) * number(row["fairPrice"])
        return OpenInterest(symbol, value, min(int(row["timestamp"]), self._link.now_ms()))

    @readable
    async def load_brackets(self) -> Mapping[str, tuple[Bracket, ...]]:
        """The maintenance tiers of all loaded perps, which stand in the list of markets in contracts, at the mark of
        now; those that cannot be read are missing."""
        perps = [symbol for symbol, one in self._link.instruments.items() if one.is_perp]
        tickers = self._named(await self._perp("contractPublicGetTicker"), perps)
        found: dict[str, tuple[Bracket, ...]] = {}
        for symbol, row in tickers.items():
            try:
                market = self._link.exchange.markets[symbol]
                found[symbol] = parse.brackets(market["info"], self.contract(symbol), number(row["fairPrice"]))
            except UNREADABLE:
                continue
        return {symbol: tiers for symbol, tiers in found.items() if tiers}

    def _named(self, listed: Any, symbols: Sequence[str]) -> dict[str, Any]:
        """Rows of a public list by symbol."""
        names = {self._link.venue_symbol(symbol): symbol for symbol in symbols}
        if not names:
            return {}
        found = {}
        for row in rows.rows_of(listed, "tickers"):
            name = row.get("symbol") if isinstance(row, Mapping) else None
            if isinstance(name, str) and name in names:
                found[names[name]] = row
        return found

    def _perp_wallet(self, assets: Sequence[Any], unreadable: dict[str, str]) -> tuple[Decimal, Decimal]:
        """(wallet balance without unrealised profit, free margin) of the quote currency; zero where the wallet has no
        row of it. What the venue calls a balance leaves out the margin of positions."""
        for row in assets:
            if not isinstance(row, Mapping) or row.get("currency") != self._link.quote:
                continue
            try:
                wallet = number(row["equity"]) - number(row["unrealized"])
                return wallet, max(ZERO, number(row["availableBalance"]))
            except UNREADABLE as error:
                unreadable["wallet"] = rows.message_of("balances", row, error)
        return ZERO, ZERO

    def _positions(
        self, held: Sequence[Any], marks: Mapping[Any, Any], unreadable: dict[str, str]
    ) -> dict[str, Position]:
        found, named = read_positions(
            held,
            lambda row: self._link.symbol_of(row["symbol"], Kind.PERP),
            lambda row, symbol: parse.position(row, symbol, self.contract(symbol), number(marks[row["symbol"]])),
            lambda row, symbol: self._partial_position(row, symbol, number_or(marks.get(row["symbol"]), ZERO)),
            unreadable,
        )
        sides = [(symbol, parse.side_of(row)) for symbol, row in named] if self._link.is_hedged else []
        self._link.position_sides = note_sides(sides, found, unreadable)
        return found

    def _partial_position(self, row: Row, symbol: str, mark: Decimal) -> Position | None:
        """What is left of a row that cannot be read whole, where it is known how large a contract is."""
        is_known = symbol in (self._link.exchange.markets or {})
        return parse.partial_position(row, symbol, self.contract(symbol), mark) if is_known else None


async def _none() -> None:
    return None
