"""What WEEX is asked: market data and account truth, as rows of its own endpoints through ccxt's implicit methods."""

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
from bot.venues.ccxt import candles as parse_candles
from bot.venues.ccxt import rows
from bot.venues.ccxt.account.holdings import read_balances, read_positions
from bot.venues.ccxt.account.sides import LONG, SHORT, note_sides
from bot.venues.ccxt.connection import Connection
from bot.venues.ccxt.rows import UNREADABLE, readable
from bot.venues.weex import parse
from bot.venues.weex.history import INTERVALS, QUOTE_VOLUME, WeexHistory
from bot.venues.weex.order_reads import WeexOrderReads
from bot.venues.weex.profiles import LEVERAGE_MAX

_DEPTHS = (15, 200)
_PREMIUMS = "contractGetCapiV3MarketPremiumIndex"
_MARKS_AGE_MAX_MS = 60_000  # of marks that only value open interest: each question about one perp would ask for all
_LARGEST = Decimal(10) ** 12  # of a position, quote: the rate that the settings name holds for every size


class WeexReads(WeexOrderReads):
    """Reads of one account. Everything raises Unavailable."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._history = WeexHistory(connection)
        self._known_marks: tuple[int, dict[str, Decimal]] = (-_MARKS_AGE_MAX_MS, {})
        self._asks_marks = asyncio.Lock()

    @readable
    async def fetch_account(self) -> Account:
        """Both wallets and all positions, with the marks that their rows lack, read side by side."""
        at_ms, has_perps = self._link.now_ms(), Kind.PERP in self._link.environment.kinds
        spot, perp, listed_rows = await asyncio.gather(
            self._spot_rows(),
            self._perp_rows("contractPrivateGetCapiV3AccountBalance", "the wallet"),
            self._perp_rows("contractPrivateGetCapiV3AccountPositionAllPosition", "positions"),
        )
        held = [row for row in listed_rows if parse.is_held(row)]
        unreadable: dict[str, str] = {}
        wallet, free = self._perp_wallet(perp, unreadable)
        return Account(
            at_ms=at_ms,
            quote=self._link.quote,
            balances=read_balances(spot, parse.balance, unreadable),
            perp_wallet=wallet,
            perp_free=free,
            positions=self._positions(held, await self._marks() if held and has_perps else {}, unreadable),
            unreadable=unreadable,
        )

    @readable
    async def fetch_quotes(self, symbols: Sequence[str]) -> Mapping[str, Quote]:
        """Best prices; symbols the venue does not answer for, or not readably, are missing, with the reason."""
        at_ms = self._link.now_ms()
        spot, perps = [s for s in symbols if not is_perp(s)], [s for s in symbols if is_perp(s)]
        best, perp_best, premiums = await asyncio.gather(
            self._by_symbol("publicGetApiV3MarketTickerBookTicker", spot),
            self._by_symbol("contractGetCapiV3MarketTickerBookTicker", perps),
            self._by_symbol(_PREMIUMS, perps),
        )
        found: dict[str, Quote] = {}
        notes: dict[str, str] = {}
        for symbol, row in {**best, **perp_best}.items():
            if is_perp(symbol) and symbol not in premiums:
                continue
            try:
                found[symbol] = parse.quote(row, symbol, at_ms=at_ms, premium=premiums.get(symbol))
            except UNREADABLE as error:
                notes[symbol] = rows.message_of("quotes", row, error)
        return Answered(found, notes)

    @readable
    async def fetch_book(self, symbol: str, levels: int) -> Book:
        """Order book, cut to `levels`; the venue has 15 or 200 levels, and says no time."""
        at_ms = self._link.now_ms()
        data = await self._call(
            "contractGetCapiV3MarketDepth" if is_perp(symbol) else "publicGetApiV3MarketDepth",
            symbol=self._link.venue_symbol(symbol),
            limit=next((depth for depth in _DEPTHS if depth >= levels), _DEPTHS[-1]),
        )
        return parse.book(data, symbol, at_ms=at_ms, levels=levels)

    @readable
    async def fetch_candles(self, symbol: str, timeframe_ms: int, since_ms: int, limit: int) -> CandleSeries:
        """Closed candles opening at or after `since_ms`, at most `limit`, as far back as the venue has them."""
        if timeframe_ms not in INTERVALS:
            raise Unavailable(f"no candles of {timeframe_ms} ms; there are {sorted(INTERVALS)}")
        now_ms, end_ms = self._link.now_ms(), -(-since_ms // timeframe_ms) * timeframe_ms + limit * timeframe_ms
        found = await self._history.newest_candles(symbol, timeframe_ms, (now_ms - since_ms) // timeframe_ms + 2)
        return parse_candles.candles(
            [row for row in found if (at := parse_candles.start_of(row)) is None or since_ms <= at < end_ms],
            symbol=symbol,
            timeframe_ms=timeframe_ms,
            now_ms=now_ms,
            quote_volume_column=QUOTE_VOLUME,
        )

    @readable
    async def fetch_funding(self, symbols: Sequence[str]) -> Mapping[str, Funding]:
        """Expected funding of perps, and how often they settle."""
        found: dict[str, Funding] = {}
        notes: dict[str, str] = {}
        at_ms, perps = self._link.now_ms(), [symbol for symbol in symbols if is_perp(symbol)]
        for symbol, row in (await self._by_symbol(_PREMIUMS, perps)).items():
            try:
                found[symbol] = parse.funding(row, symbol, at_ms=at_ms)
            except UNREADABLE as error:
                notes[symbol] = rows.message_of("funding", row, error)
        return Answered(found, notes)

    @readable
    async def fetch_open_interest(self, symbol: str) -> OpenInterest:
        """Open interest, which the venue counts in coins, in quote value at the mark."""
        data = await self._call("contractGetCapiV3MarketOpenInterest", symbol=self._link.venue_symbol(symbol))
        marks = await self._recent_marks()
        at_ms = min(int(data["time"]), self._link.now_ms())
        return OpenInterest(symbol, rows.number(data["openInterest"]) * marks[symbol], at_ms)

    async def load_brackets(self) -> Mapping[str, tuple[Bracket, ...]]:
        """One bracket of every loaded perp, at the rate that the environment or the settings name: the venue reports
        none. Without a rate there is no bracket."""
        rate = self._link.environment.maintenance_rate or self._link.rules.maintenance_rate
        if rate is None or rate <= 0:
            return {}
        return {
            symbol: (Bracket(1, int(min(LEVERAGE_MAX, one.leverage_max)) or 1, ZERO, _LARGEST, rate, ZERO),)
            for symbol, one in self._link.instruments.items()
            if one.is_perp
        }

    async def _by_symbol(self, method: str, symbols: Sequence[str]) -> dict[str, Any]:
        """Rows of a public list by symbol."""
        names = {self._link.venue_symbol(symbol): symbol for symbol in symbols}
        if not names:
            return {}
        found = {}
        for row in await self._rows(method, "tickers"):
            name = row.get("symbol") if isinstance(row, Mapping) else None
            if isinstance(name, str) and name in names:
                found[names[name]] = row
        return found

    async def _marks(self) -> dict[str, Decimal]:
        """Mark prices of perps, as far as they can be read."""
        found: dict[str, Decimal] = {}
        for row in await self._rows(_PREMIUMS, "marks"):
            if isinstance(row, Mapping) and isinstance(row.get("symbol"), str):
                mark = rows.number_or(row.get("markPrice"), ZERO)
                found |= {self._link.symbol_of(row["symbol"], Kind.PERP): mark} if mark > 0 else {}
        return found

    async def _recent_marks(self) -> dict[str, Decimal]:
        """Mark prices, asked once for all who want them within `_MARKS_AGE_MAX_MS`."""
        async with self._asks_marks:
            if self._link.now_ms() - self._known_marks[0] >= _MARKS_AGE_MAX_MS:
                self._known_marks = self._link.now_ms(), await self._marks()
        return self._known_marks[1]

    async def _spot_rows(self) -> list[Any]:
        if Kind.SPOT not in self._link.environment.kinds:
            return []
        return await self._rows("privateGetApiV3Account", "the account", "balances")

    async def _perp_rows(self, method: str, what: str) -> list[Any]:
        if Kind.PERP not in self._link.environment.kinds:
            return []
        return await self._rows(method, what)

    def _perp_wallet(self, balances: Sequence[Any], unreadable: dict[str, str]) -> tuple[Decimal, Decimal]:
        """(wallet balance without unrealised profit, free margin) of the quote currency; zero where the wallet has no
        row of it."""
        for row in balances:
            if not isinstance(row, Mapping) or row.get("asset") != self._link.quote:
                continue
            try:
                return rows.number(row["balance"]), max(ZERO, rows.number(row["availableBalance"]))
            except UNREADABLE as error:
                unreadable["wallet"] = rows.message_of("balances", row, error)
        return ZERO, ZERO

    def _positions(
        self, held: Sequence[Any], marks: Mapping[str, Decimal], unreadable: dict[str, str]
    ) -> dict[str, Position]:
        """Positions by symbol: at this venue a long and a short of one perp stand side by side."""
        found, named = read_positions(
            held,
            lambda row: self._link.symbol_of(row["symbol"], Kind.PERP),
            lambda row, symbol: parse.position(row, symbol, marks.get(symbol, ZERO)),
            lambda row, symbol: parse.partial_position(row, symbol, marks.get(symbol)),
            unreadable,
        )
        sides: dict[str, set[str]] = {}
        for symbol, row in named:
            sides.setdefault(symbol, set()).add(str(row.get("side")))
        both = [(symbol, side) for symbol, known in sides.items() if {LONG, SHORT} <= known for side in (LONG, SHORT)]
        note_sides(both, found, unreadable, remedy="close one of them by hand")
        # every position here has a side that orders name, not those of two sides alone
        self._link.position_sides = {s: LONG if one.size > 0 else SHORT for s, one in found.items()}
        return found
