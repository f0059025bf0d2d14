"""What the venue is asked: market data and account truth, as rows of its own endpoints through ccxt's implicit methods.

Rows rather than ccxt's unified shapes, because those sort book levels as text when numbers are text, drop quote volume
from candles and hide which endpoint an order came from.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from bot.domain.candles import CandleSeries
from bot.domain.instrument import Kind
from bot.domain.market import Book, Funding, OpenInterest, Quote
from bot.domain.order import Fill
from bot.domain.portfolio import Account, Position
from bot.ports import OrderReport, Payment, Rejection, Unavailable
from bot.venues import parse, parse_candles
from bot.venues.ccxt_connection import Connection, leverage_limit
from bot.venues.errors import ReadRefused

P = ParamSpec("P")
T = TypeVar("T")

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
_INTERVALS = {
    60_000: "1m",
    180_000: "3m",
    300_000: "5m",
    900_000: "15m",
    1_800_000: "30m",
    HOUR_MS: "1h",
    2 * HOUR_MS: "2h",
    4 * HOUR_MS: "4h",
    6 * HOUR_MS: "6h",
    8 * HOUR_MS: "8h",
    12 * HOUR_MS: "12h",
    DAY_MS: "1d",
}
_PAGE = 1_000
_DEFAULT_FUNDING_HOURS = 8
# Below these counts single-symbol requests weigh less than one request for all symbols. Open orders of all perps weigh
# 40 and one request costs as much CPU as another, so many single ones save weight that nobody needs.
_FEW_BOOKS, _FEW_PREMIUMS, _FEW_SPOT_ORDERS, _FEW_PERP_ORDERS = 2, 9, 13, 5
_MARK_AGE_MAX_MS = 60_000
_HISTORY_MS = 90 * DAY_MS
_WINDOW_MS = {Kind.SPOT: DAY_MS, Kind.PERP: 7 * DAY_MS}

Rows = list[Mapping[str, Any]]


_UNREADABLE = (LookupError, TypeError, ValueError, ArithmeticError)


def _readable(method: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """An answer that does not have the shape we know is an unavailable venue, not a crash."""

    @wraps(method)
    async def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await method(*args, **kwargs)
        except _UNREADABLE as error:
            raise Unavailable(f"{method.__name__}: unreadable answer, {type(error).__name__}: {error}") from error

    return wrapped


class Reads:
    """Reads of one account. Everything raises Unavailable."""

    def __init__(self, connection: Connection) -> None:
        self._link = connection
        self._brackets: dict[str, tuple[tuple[Decimal, Decimal, Decimal, int], ...]] = {}
        self._funding_hours: tuple[int, Mapping[str, int]] = (-HOUR_MS, {})
        self._marks: dict[str, tuple[int, Decimal]] = {}

    @_readable
    async def fetch_account(self) -> Account:
        """Both wallets and all positions, read side by side."""
        at_ms = self._link.now_ms()
        spot, perp, risk = await asyncio.gather(self._spot_account(), self._perp_account(), self._position_rows())
        wallet, free = parse.perp_wallet(perp, self._link.quote) if perp else (Decimal(0), Decimal(0))
        return Account(
            at_ms=at_ms,
            quote=self._link.quote,
            balances=parse.balances(spot),
            perp_wallet=wallet,
            perp_free=free,
            positions=await self._positions(risk),
        )

    @_readable
    async def fetch_quotes(self, symbols: Sequence[str]) -> Mapping[str, Quote]:
        """Best prices; symbols the venue does not answer for, or not readably, are missing."""
        at_ms = self._link.now_ms()
        spot, perps = _divide(symbols)
        books, perp_books, premiums = await asyncio.gather(
            self._spot_books(spot), self._perp_books(perps), self._premiums(perps)
        )
        found = {}
        for symbol in (*spot, *perps):
            row, premium = (perp_books if ":" in symbol else books).get(symbol), premiums.get(symbol)
            if row is None or (":" in symbol and premium is None):
                continue
            # One row that cannot be read must not cost the prices of all the others.
            with contextlib.suppress(*_UNREADABLE):
                quote = found[symbol] = parse.quote(row, symbol, at_ms=at_ms, premium=premium)
                if quote.mark is not None:
                    self._marks[symbol] = (at_ms, quote.mark)
        return found

    @_readable
    async def fetch_book(self, symbol: str, levels: int) -> Book:
        """Order book with at least `levels` levels where the venue has them, cut to `levels`."""
        at_ms, perp = self._link.now_ms(), ":" in symbol
        limit = next((size for size in (5, 10, 20, 50, 100, 500, 1_000) if size >= levels), 1_000)
        row = await self._get("fapiPublicGetDepth" if perp else "publicGetDepth", symbol, limit=limit)
        whole = parse.book(row, symbol, at_ms=at_ms)
        return Book(symbol, whole.bids[:levels], whole.asks[:levels], at_ms)

    @_readable
    async def fetch_candles(self, symbol: str, timeframe_ms: int, since_ms: int, limit: int) -> CandleSeries:
        """Closed candles opening at or after `since_ms`, at most `limit`."""
        interval = _INTERVALS.get(timeframe_ms)
        if interval is None:
            raise Unavailable(f"no candles of {timeframe_ms} ms; there are {sorted(_INTERVALS)}")
        method = "fapiPublicGetKlines" if ":" in symbol else "publicGetKlines"
        rows: list[Any] = []
        start = since_ms
        while len(rows) < limit and start + timeframe_ms <= self._link.now_ms():
            count = min(_PAGE, limit - len(rows))
            page = await self._get(method, symbol, interval=interval, startTime=start, limit=count)
            rows.extend(page)
            if len(page) < count:
                break
            start = int(page[-1][0]) + timeframe_ms
        return parse_candles.candles(rows, symbol=symbol, timeframe_ms=timeframe_ms, now_ms=self._link.now_ms())

    @_readable
    async def fetch_funding(self, symbols: Sequence[str]) -> Mapping[str, Funding]:
        """Expected funding of perps; intervals are asked once an hour."""
        at_ms, perps = self._link.now_ms(), _divide(symbols)[1]
        premiums, hours = await asyncio.gather(self._premiums(perps), self._intervals())
        return {
            symbol: parse.funding(
                row, symbol, interval_hours=hours.get(row["symbol"], _DEFAULT_FUNDING_HOURS), at_ms=at_ms
            )
            for symbol, row in premiums.items()
        }

    @_readable
    async def fetch_open_interest(self, symbol: str) -> OpenInterest:
        """Open interest in quote value at mark, which may be a minute old."""
        instrument = self._link.instrument(symbol)
        row, mark = await asyncio.gather(self._get("fapiPublicGetOpenInterest", symbol), self._mark(symbol))
        size = parse.number(row["openInterest"])
        return OpenInterest(symbol, instrument.notional(size, mark), int(row.get("time") or self._link.now_ms()))

    @_readable
    async def fetch_order(self, symbol: str, client_id: str, *, is_trigger: bool = False) -> OrderReport | None:
        """The order, or None when the venue does not know the id. A triggered order is reported as what it became."""
        perp = ":" in symbol
        try:
            if perp and is_trigger:
                row = await self._get("fapiPrivateGetAlgoOrder", symbol, clientAlgoId=client_id)
                return await self._trigger(row, symbol)
            method = "fapiPrivateGetOrder" if perp else "privateGetOrder"
            return self._report(await self._get(method, symbol, origClientOrderId=client_id), symbol)
        except ReadRefused as error:
            if error.kind is Rejection.NOT_FOUND:
                return None
            raise

    @_readable
    async def fetch_open_orders(self, symbols: Sequence[str]) -> tuple[OrderReport, ...]:
        """Resting orders of the symbols, conditional ones included."""
        spot, perps = _divide(symbols)
        plain, perp, triggers = await asyncio.gather(
            self._open_rows("privateGetOpenOrders", spot, _FEW_SPOT_ORDERS),
            self._open_rows("fapiPrivateGetOpenOrders", perps, _FEW_PERP_ORDERS),
            self._open_rows("fapiPrivateGetOpenAlgoOrders", perps, _FEW_PERP_ORDERS),
        )
        reports = [self._report(row, symbol) for symbol, row in (*plain, *perp)]
        return (*reports, *(parse.trigger_report(row, symbol) for symbol, row in triggers))

    @_readable
    async def fetch_order_history(self, symbol: str, since_ms: int) -> tuple[OrderReport, ...]:
        """Orders in any state since then, oldest first; asked window by window, as the venue bounds them."""
        perp = ":" in symbol
        rows = await self._windows("fapiPrivateGetAllOrders" if perp else "privateGetAllOrders", symbol, since_ms)
        reports = [self._report(row, symbol) for row in rows]
        if perp:
            triggers = await self._windows("fapiPrivateGetAllAlgoOrders", symbol, since_ms, key="algoId")
            reports.extend([await self._trigger(row, symbol) for row in triggers])
        return tuple(sorted(reports, key=lambda report: report.at_ms))

    @_readable
    async def fetch_fills(self, symbol: str, since_ms: int) -> tuple[Fill, ...]:
        """Our trades since then, oldest first."""
        perp = ":" in symbol
        method = "fapiPrivateGetUserTrades" if perp else "privateGetMyTrades"
        rows = await self._windows(method, symbol, since_ms, key="id", cursor="fromId")
        return tuple(parse.fill(row, venue=self._link.profile.id, symbol=symbol) for row in rows)

    @_readable
    async def fetch_payments(self, since_ms: int) -> tuple[Payment, ...]:
        """Money of the perp wallet that moved without a trade of ours, oldest first."""
        if Kind.PERP not in self._link.environment.kinds:
            return ()
        seen: dict[tuple[str, str], Mapping[str, Any]] = {}
        start = since_ms
        while True:
            page = await self._call("fapiPrivateGetIncome", startTime=start, limit=_PAGE)
            fresh = {(str(row["incomeType"]), str(row["tranId"])): row for row in page} if page else {}
            is_stuck = fresh.keys() <= seen.keys()
            seen |= fresh
            if len(page) < _PAGE or is_stuck:
                break
            start = int(page[-1]["time"])
        ids = {str(row.get("symbol")) for row in seen.values() if row.get("symbol")}
        symbols = {name: self._link.symbol_of(name, Kind.PERP) for name in ids}
        return parse.payments(sorted(seen.values(), key=lambda row: int(row["time"])), symbols)

    @_readable
    async def fetch_maintenance_rate(self, symbol: str, notional_quote: Decimal) -> Decimal:
        """Maintenance-margin rate of the bracket that holds the notional."""
        if symbol not in self._brackets:
            await self.load_brackets()
        found = self._brackets.get(symbol)
        if not found:
            raise ReadRefused("", f"{symbol} has no leverage brackets", Rejection.OTHER)
        return next((rate for _, cap, rate, _ in found if notional_quote < cap), found[-1][2])

    @_readable
    async def load_brackets(self) -> Mapping[str, Decimal]:
        """Fetch all leverage brackets; the highest leverage by loaded symbol."""
        for row in await self._call("fapiPrivateGetLeverageBracket"):
            symbol = self._link.symbols_by_id[Kind.PERP].get(row["symbol"])
            if symbol is not None:
                self._brackets[symbol] = parse.brackets(row)
        return {symbol: leverage_limit(found) for symbol, found in self._brackets.items() if found}

    async def _call(self, method: str, **params: Any) -> Any:
        return await self._link.read(lambda: _answer(getattr(self._link.exchange, method), params))

    async def _get(self, method: str, symbol: str, **params: Any) -> Any:
        return await self._call(method, symbol=self._link.instrument(symbol).venue_symbol, **params)

    async def _spot_account(self) -> Mapping[str, Any]:
        if Kind.SPOT not in self._link.environment.kinds:
            return {"balances": ()}
        row: Mapping[str, Any] = await self._call("privateGetAccount", omitZeroBalances="true")
        return row

    async def _perp_account(self) -> Mapping[str, Any]:
        if Kind.PERP not in self._link.environment.kinds:
            return {}
        row: Mapping[str, Any] = await self._call("fapiPrivateV3GetAccount")
        return row

    async def _position_rows(self) -> Rows:
        if Kind.PERP not in self._link.environment.kinds:
            return []
        rows: Rows = await self._call("fapiPrivateV3GetPositionRisk")
        return [row for row in rows if parse.number(row["positionAmt"])]

    async def _positions(self, rows: Rows) -> Mapping[str, Position]:
        positions = {}
        for row in rows:
            if row.get("positionSide", "BOTH") != "BOTH":
                raise ReadRefused(
                    "", f"{row['symbol']} is held in hedge mode; set the account to one-way mode", Rejection.OTHER
                )
            symbol = self._link.symbol_of(row["symbol"], Kind.PERP)
            positions[symbol] = parse.position(row, symbol)
        if any(position.leverage is None for position in positions.values()):
            positions |= await self._with_leverage(rows)
        return positions

    async def _with_leverage(self, rows: Rows) -> Mapping[str, Position]:
        settings = {
            row["symbol"]: Decimal(str(row["leverage"])) for row in await self._call("fapiPrivateGetSymbolConfig")
        }
        found = {}
        for row in rows:
            symbol = self._link.symbol_of(row["symbol"], Kind.PERP)
            found[symbol] = parse.position(row, symbol, settings.get(row["symbol"]))
        return found

    async def _spot_books(self, symbols: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        if not symbols:
            return {}
        names = {self._link.instrument(symbol).venue_symbol: symbol for symbol in symbols}
        wanted = "[" + ",".join(f'"{name}"' for name in names) + "]"
        try:
            rows = await self._call("publicGetTickerBookTicker", symbols=wanted)
        except ReadRefused:
            # One delisted symbol makes the venue refuse the whole list; all of them cost the same.
            rows = await self._call("publicGetTickerBookTicker")
        return {names[row["symbol"]]: row for row in rows if row["symbol"] in names}

    async def _perp_books(self, symbols: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        return await self._one_or_all("fapiPublicGetTickerBookTicker", symbols, _FEW_BOOKS)

    async def _premiums(self, symbols: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        return await self._one_or_all("fapiPublicGetPremiumIndex", symbols, _FEW_PREMIUMS)

    async def _mark(self, symbol: str) -> Decimal:
        asked_ms, mark = self._marks.get(symbol, (-_MARK_AGE_MAX_MS, Decimal(0)))
        if self._link.now_ms() - asked_ms < _MARK_AGE_MAX_MS:
            return mark
        return parse.number((await self._premiums([symbol]))[symbol]["markPrice"])

    async def _one_or_all(self, method: str, symbols: Sequence[str], few: int) -> Mapping[str, Mapping[str, Any]]:
        names = {self._link.instrument(symbol).venue_symbol: symbol for symbol in symbols}
        if not names:
            return {}
        if len(names) <= few:
            rows = await asyncio.gather(*(self._call(method, symbol=name) for name in names))
            return {names[row["symbol"]]: row for row in rows}
        return {names[row["symbol"]]: row for row in await self._call(method) if row["symbol"] in names}

    async def _intervals(self) -> Mapping[str, int]:
        asked_ms, hours = self._funding_hours
        if self._link.now_ms() - asked_ms >= HOUR_MS:
            rows = await self._call("fapiPublicGetFundingInfo")
            hours = {row["symbol"]: int(row["fundingIntervalHours"]) for row in rows}
            self._funding_hours = (self._link.now_ms(), hours)
        return hours

    async def _open_rows(self, method: str, symbols: Sequence[str], few: int) -> list[tuple[str, Mapping[str, Any]]]:
        names = {self._link.instrument(symbol).venue_symbol: symbol for symbol in symbols}
        if not names:
            return []
        if len(names) <= few:
            pages = await asyncio.gather(*(self._call(method, symbol=name) for name in names))
        else:
            pages = [await self._call(method)]
        return [(names[row["symbol"]], row) for page in pages for row in page if row["symbol"] in names]

    async def _windows(
        self, method: str, symbol: str, since_ms: int, *, key: str = "orderId", cursor: str | None = None
    ) -> Rows:
        """Rows of a time-bounded endpoint: the venue refuses windows longer than a day (spot) or a week (perps)."""
        span = _WINDOW_MS[Kind.PERP if ":" in symbol else Kind.SPOT]
        found: dict[str, Mapping[str, Any]] = {}
        now = self._link.now_ms()
        start = max(since_ms, now - _HISTORY_MS)
        while start <= now:
            end = start + span - 1
            page: Rows = await self._get(method, symbol, startTime=start, endTime=min(end, now + 1_000), limit=_PAGE)
            found |= {str(row[key]): row for row in page}
            while len(page) == _PAGE:
                following = {cursor or key: int(page[-1][key]) + 1}
                page = await self._get(method, symbol, limit=_PAGE, **following)
                found |= {str(row[key]): row for row in page}
            start = end + 1
        return sorted(found.values(), key=lambda row: int(row[key]))

    async def _trigger(self, row: Mapping[str, Any], symbol: str) -> OrderReport:
        became = str(row.get("actualOrderId") or "")
        if row["algoStatus"] not in parse.TRIGGERED or became in ("", "0"):
            return parse.trigger_report(row, symbol)
        order = await self._get("fapiPrivateGetOrder", symbol, orderId=became)
        return parse.trigger_report(row, symbol, executed=self._report(order, symbol))

    def _report(self, row: Mapping[str, Any], symbol: str) -> OrderReport:
        return parse.order_report(row, symbol, contract_size=self._link.instrument(symbol).contract_size)


async def _answer(method: Any, params: Mapping[str, Any]) -> Any:
    answer = await method(dict(params))
    if not isinstance(answer, dict | list):
        raise TypeError("the venue's answer is not JSON")
    return answer


def _divide(symbols: Iterable[str]) -> tuple[list[str], list[str]]:
    """(spot, perps), each once, in order."""
    unique = dict.fromkeys(symbols)
    return [s for s in unique if ":" not in s], [s for s in unique if ":" in s]
