"""What Bybit is asked: market data and account truth, as rows of its own endpoints through ccxt's implicit methods."""

import asyncio
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

from bot.domain.brackets import Bracket
from bot.domain.candles import CandleSeries
from bot.domain.instrument import Kind
from bot.domain.market import Book, Funding, OpenInterest, Quote
from bot.domain.money import ZERO
from bot.domain.order import Fill
from bot.domain.portfolio import Account, Balance, Position
from bot.domain.symbol import is_perp
from bot.ports import Answered, Listed, OrderReport, Payment, Unavailable
from bot.venues.bybit import parse
from bot.venues.bybit.asking import BybitAsking, result_of
from bot.venues.bybit.history import INTERVALS
from bot.venues.bybit.markets import LINEAR, SPOT, category_of
from bot.venues.ccxt import candles as parse_candles
from bot.venues.ccxt import rows
from bot.venues.ccxt.account.holdings import keep_balance, read_positions
from bot.venues.ccxt.account.sides import note_sides
from bot.venues.ccxt.connection import Connection
from bot.venues.ccxt.rows import UNREADABLE, Row, readable

ISOLATED = "ISOLATED_MARGIN"
_QUOTE_VOLUME = 6  # its column in a row of candles
_CANDLES = 1_000
_ORDERS, _EXECUTIONS, _POSITIONS, _LOG = 50, 100, 200, 50  # rows of a page
_FEW_TICKERS, _FEW_BRACKETS = 2, 15
_SETTLED_IN = ("USDT", "USDC")
_BOOKS = {SPOT: 200, LINEAR: 500}


class BybitReads(BybitAsking):
    """Reads of one account. Everything raises Unavailable."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)

    @readable
    async def fetch_account(self) -> Account:
        """The one wallet and all positions, read side by side."""
        at_ms = self._link.now_ms()
        wallet, info, held = await asyncio.gather(
            self._result("privateGetV5AccountWalletBalance", accountType="UNIFIED"),
            self._result("privateGetV5AccountInfo"),
            self._position_rows(),
        )
        unreadable: dict[str, str] = {}
        positions = self._positions(held, unreadable, is_isolated=info.get("marginMode") == ISOLATED)
        return Account(
            at_ms=at_ms,
            quote=self._link.quote,
            balances=self._balances(wallet, positions, unreadable),
            perp_wallet=ZERO,
            perp_free=ZERO,
            positions=positions,
            is_unified=True,
            unreadable=unreadable,
        )

    @readable
    async def fetch_position_size(self, symbol: str) -> Decimal:
        """A symbol that is asked for has a row, an empty one where nothing is held."""
        name = self._link.venue_symbol(symbol)
        found = await self._list("privateGetV5PositionList", "positions", category=LINEAR, symbol=name)
        one_way = (name, str(parse.ONE_WAY))
        if [(row["symbol"], str(row.get("positionIdx", parse.ONE_WAY))) for row in found] != [one_way]:
            raise Unavailable(f"{symbol}: not the one position of one-way mode")
        return parse.signed_size(found[0])

    @readable
    async def fetch_quotes(self, symbols: Sequence[str]) -> Mapping[str, Quote]:
        """Best prices; symbols the venue does not answer for, or not readably, are missing, with the reason."""
        found: dict[str, Quote] = {}
        notes: dict[str, str] = {}
        for symbol, (row, at_ms) in (await self._tickers(symbols)).items():
            try:
                found[symbol] = parse.quote(row, symbol, at_ms=at_ms)
            except UNREADABLE as error:
                notes[symbol] = rows.message_of("quotes", row, error)
        return Answered(found, notes)

    @readable
    async def fetch_book(self, symbol: str, levels: int) -> Book:
        """Order book with at least `levels` levels where the venue has them, cut to `levels`."""
        category = category_of(symbol)
        result = await self._result(
            "publicGetV5MarketOrderbook",
            category=category,
            symbol=self._link.venue_symbol(symbol),
            limit=min(levels, _BOOKS[category]),
        )
        return parse.book(result, symbol, at_ms=self._link.now_ms(), levels=levels)

    @readable
    async def fetch_candles(self, symbol: str, timeframe_ms: int, since_ms: int, limit: int) -> CandleSeries:
        """Closed candles opening at or after `since_ms`, at most `limit`."""
        interval = INTERVALS.get(timeframe_ms)
        if interval is None:
            raise Unavailable(f"no candles of {timeframe_ms} ms; there are {sorted(INTERVALS)}")
        found: list[Any] = []
        start_ms = -(-since_ms // timeframe_ms) * timeframe_ms
        while len(found) < limit and start_ms + timeframe_ms <= self._link.now_ms():
            count = min(_CANDLES, limit - len(found))
            result = await self._result(
                "publicGetV5MarketKline",
                category=category_of(symbol),
                symbol=self._link.venue_symbol(symbol),
                interval=interval,
                start=start_ms,
                end=start_ms + count * timeframe_ms - 1,
                limit=count,
            )
            found += rows.rows_of(result.get("list"), "candles")
            start_ms += count * timeframe_ms
        return parse_candles.candles(
            found,
            symbol=symbol,
            timeframe_ms=timeframe_ms,
            now_ms=self._link.now_ms(),
            quote_volume_column=_QUOTE_VOLUME,
        )

    @readable
    async def fetch_funding(self, symbols: Sequence[str]) -> Mapping[str, Funding]:
        """Expected funding of perps, and how often they settle."""
        found: dict[str, Funding] = {}
        notes: dict[str, str] = {}
        for symbol, (row, at_ms) in (await self._tickers([s for s in symbols if is_perp(s)])).items():
            try:
                found[symbol] = parse.funding(row, symbol, at_ms=at_ms)
            except UNREADABLE as error:
                notes[symbol] = rows.message_of("funding", row, error)
        return Answered(found, notes)

    @readable
    async def fetch_open_interest(self, symbol: str) -> OpenInterest:
        """Open interest in quote value."""
        row, at_ms = (await self._tickers([symbol]))[symbol]
        return OpenInterest(symbol, parse.open_interest(row), at_ms)

    @readable
    async def fetch_order(self, symbol: str, client_id: str, *, is_trigger: bool = False) -> OrderReport | None:
        """The order, or None when the venue does not know the id: neither among the open ones, nor among those closed
        last, nor in the history. Conditional orders share ids and lists with plain ones."""
        del is_trigger
        asked = {"category": category_of(symbol), "symbol": self._link.venue_symbol(symbol), "orderLinkId": client_id}
        for method, more in (
            ("privateGetV5OrderRealtime", {}),
            ("privateGetV5OrderRealtime", {"openOnly": 1}),
            ("privateGetV5OrderHistory", {}),
        ):
            for row in await self._list(method, "orders", **asked, **more):
                if row["orderLinkId"] == client_id:
                    return parse.order_report(row, symbol)
        return None

    @readable
    async def fetch_open_orders(self, symbols: Sequence[str]) -> tuple[OrderReport, ...]:
        """Resting orders of the symbols, conditional ones included."""
        spot, perps = _divide(symbols)
        nothing: list[Any] = []
        method, defects, reports = "privateGetV5OrderRealtime", list[tuple[str, str]](), list[OrderReport]()
        plain, perp = await asyncio.gather(
            self._list(method, "open orders", category=SPOT, limit=_ORDERS) if spot else _given(nothing),
            self._list(method, "open orders", category=LINEAR, settleCoin=self._link.quote, limit=_ORDERS)
            if perps
            else _given(nothing),
        )
        for found, wanted in ((plain, spot), (perp, perps)):
            names = {self._link.venue_symbol(symbol): symbol for symbol in wanted}
            for row in found:
                name = row.get("symbol") if isinstance(row, Mapping) else None
                if not isinstance(name, str) or not name:
                    defects.append(("", rows.message_of("open orders", row, KeyError("symbol"))))
                elif name in names:
                    reports += parse.read_orders([row], names[name], defects)
        return Listed(reports, defects)

    @readable
    async def fetch_order_history(self, symbol: str, since_ms: int) -> tuple[OrderReport, ...]:
        """Orders in any state since then, oldest first: those of the history and those that are open or closed last,
        which it may not have yet."""
        asked = {"category": category_of(symbol), "symbol": self._link.venue_symbol(symbol), "limit": _ORDERS}
        kept, latest, resting = await asyncio.gather(
            self._windows("privateGetV5OrderHistory", "orders", since_ms, **asked),
            self._list("privateGetV5OrderRealtime", "orders", openOnly=1, **asked),
            self._list("privateGetV5OrderRealtime", "orders", **asked),
        )
        # an order that one of them shows as ended is over, whatever an older answer says: the later row of an id counts
        unique = {_id_of(row): row for row in (*resting, *latest, *kept)}
        defects: list[tuple[str, str]] = []
        reports = parse.read_orders(unique.values(), symbol, defects)
        since = [report for report in reports if report.defect or report.at_ms >= since_ms]
        return Listed(sorted(since, key=lambda report: report.at_ms), defects)

    @readable
    async def fetch_fills(self, symbol: str, since_ms: int) -> tuple[Fill, ...]:
        """Our trades since then, oldest first, those that the venue forced included."""
        found = await self._windows(
            "privateGetV5ExecutionList",
            "executions",
            since_ms,
            category=category_of(symbol),
            symbol=self._link.venue_symbol(symbol),
            limit=_EXECUTIONS,
        )
        defects: list[tuple[str, str]] = []
        read = partial(parse.fill, venue=self._link.profile.id, symbol=symbol)
        fills = rows.read_each(
            "executions", found, lambda row: read(row) if parse.is_trade(row) else None, symbol, defects
        )
        unique = {fill.trade_id: fill for fill in fills if fill is not None}
        return Listed(sorted(unique.values(), key=lambda fill: fill.at_ms), defects)

    @readable
    async def fetch_payments(self, since_ms: int) -> tuple[Payment, ...]:
        """Money that moved without a trade of ours, oldest first, by the account's own log."""
        found = await self._windows(
            "privateGetV5AccountTransactionLog", "payments", since_ms, accountType="UNIFIED", limit=_LOG
        )
        defects: list[tuple[str, str]] = []
        read = partial(parse.payment, symbol_of=lambda name: self._link.symbol_of(name, Kind.PERP))
        unique = {p.id: p for p in rows.read_each("payments", found, read, "", defects) if p is not None}
        return Listed(sorted(unique.values(), key=lambda payment: payment.at_ms), defects)

    @readable
    async def load_brackets(self) -> Mapping[str, tuple[Bracket, ...]]:
        """Fetch the risk limits of all loaded perps; those of a symbol whose rows cannot be read are missing."""
        names = dict(self._link.symbols_by_id[Kind.PERP])
        wanted = {name: symbol for name, symbol in names.items() if symbol in self._link.instruments}
        if len(wanted) > _FEW_BRACKETS:
            listed = await self._list("publicGetV5MarketRiskLimit", "risk limits", category=LINEAR)
        else:
            pages = await asyncio.gather(*(self._risk_limits(name) for name in wanted), return_exceptions=True)
            listed = [row for page in pages if isinstance(page, list) for row in page]
            failed = [page for page in pages if isinstance(page, BaseException)]
            if failed and not listed:
                raise failed[0]
        found: dict[str, list[Any]] = {}
        for row in listed:
            if isinstance(row, Mapping) and row.get("symbol") in wanted:
                found.setdefault(wanted[row["symbol"]], []).append(row)
        return {symbol: made for symbol, limits in found.items() if (made := _brackets(limits))}

    async def _risk_limits(self, name: str) -> list[Any]:
        return await self._list("publicGetV5MarketRiskLimit", "risk limits", category=LINEAR, symbol=name)

    async def _tickers(self, symbols: Sequence[str]) -> Answered[tuple[Any, int]]:
        """(row, its time) of each symbol: the venue's time of the answer, and never a later one than ours."""
        spot, perps = _divide(symbols)
        answers = await asyncio.gather(self._tickers_of(SPOT, spot), self._tickers_of(LINEAR, perps))
        return Answered({symbol: seen for answer in answers for symbol, seen in answer.items()}, {})

    async def _tickers_of(self, category: str, symbols: Sequence[str]) -> dict[str, tuple[Any, int]]:
        names = {self._link.venue_symbol(symbol): symbol for symbol in symbols}
        if not names:
            return {}
        asked: list[dict[str, str]] = [{"symbol": name} for name in names] if len(names) <= _FEW_TICKERS else [{}]
        answers = await asyncio.gather(
            *(self._call("publicGetV5MarketTickers", category=category, **one) for one in asked), return_exceptions=True
        )
        failed = [answer for answer in answers if isinstance(answer, BaseException)]
        if failed and (len(failed) == len(answers) or not all(isinstance(error, Unavailable) for error in failed)):
            raise failed[0]
        found = {}
        for answer in answers:
            if isinstance(answer, BaseException):
                continue
            at_ms = min(int(answer["time"]), self._link.now_ms())
            for row in rows.rows_of(result_of(answer).get("list"), "tickers"):
                name = row.get("symbol") if isinstance(row, Mapping) else None
                if isinstance(name, str) and name in names:
                    found[names[name]] = row, at_ms
        return found

    async def _position_rows(self) -> list[Any]:
        coins = dict.fromkeys((self._link.quote, *_SETTLED_IN))
        pages = await asyncio.gather(
            *(
                self._list("privateGetV5PositionList", "positions", category=LINEAR, settleCoin=coin, limit=_POSITIONS)
                for coin in coins
            )
        )
        return [row for page in pages for row in page if parse.is_held(row)]

    def _positions(self, held: Sequence[Any], unreadable: dict[str, str], *, is_isolated: bool) -> dict[str, Position]:
        sides: list[tuple[str, str]] = []

        def read(row: Row, symbol: str) -> Position:
            side = parse.side_of(row)  # before anything else: a position that is read in part has its side too
            sides.extend([] if side is None else [(symbol, side)])
            return parse.position(row, symbol, is_isolated=is_isolated)

        found, _ = read_positions(
            held,
            lambda row: self._link.symbol_of(row["symbol"], Kind.PERP),
            read,
            lambda row, symbol: parse.partial_position(row, symbol, is_isolated=is_isolated),
            unreadable,
        )
        self._link.position_sides = note_sides(sides, found, unreadable)
        return found

    def _balances(
        self, wallet: Mapping[str, Any], positions: Mapping[str, Position], unreadable: dict[str, str]
    ) -> dict[str, Balance]:
        """Balances that are not zero. Of the quote currency only what neither positions nor orders hold is free, and no
        more than the venue itself says is available."""
        (account,) = rows.rows_of(wallet.get("list"), "wallets")
        quote = self._link.quote
        found: dict[str, Balance] = {}
        margins = sum((p.margin for p in positions.values() if p.settles_in in ("", quote)), ZERO)
        for row in rows.rows_of(account["coin"], "coins"):
            try:
                bound = parse.bound_in(row)
                if row["coin"] == quote:
                    bound = max(bound, margins + rows.number(row.get("totalOrderIM") or "0"))
                balance = parse.balance(row, bound)
            except UNREADABLE as error:
                name = row.get("coin") if isinstance(row, Mapping) else ""
                unreadable[f"spot:{name if isinstance(name, str) else ''}"] = rows.message_of("coins", row, error)
                continue
            keep_balance(balance, row, found, unreadable)
        found = {asset: balance for asset, balance in found.items() if balance.total}
        available = account.get("totalAvailableBalance")
        if quote in found and available not in (None, ""):
            try:
                found[quote] = _capped(found[quote], rows.number(available))
            except UNREADABLE as error:
                unreadable[f"spot:{quote}"] = rows.message_of("the wallet", {"totalAvailableBalance": available}, error)
                found[quote] = _capped(found[quote], ZERO)
        return found


def _capped(balance: Balance, available: Decimal) -> Balance:
    free = max(ZERO, min(balance.free, available))
    return Balance(balance.asset, free, balance.total - free)


def _brackets(limits: Sequence[Any]) -> tuple[Bracket, ...]:
    try:
        return parse.brackets(limits)
    except UNREADABLE:
        return ()


def _id_of(row: Any) -> str:
    try:
        return str(row["orderId"])
    except UNREADABLE:
        return repr(row)


def _divide(symbols: Sequence[str]) -> tuple[list[str], list[str]]:
    """(spot, perps), each once, in order."""
    unique = dict.fromkeys(symbols)
    return [s for s in unique if not is_perp(s)], [s for s in unique if is_perp(s)]


async def _given(found: list[Any]) -> list[Any]:
    return found
