"""What the venue is asked: market data and account truth, as rows of its own endpoints through ccxt's implicit methods.

Rows rather than ccxt's unified shapes, because those sort book levels as text when numbers are text, drop quote volume
from candles and hide which endpoint an order came from.
"""

import asyncio
import contextlib
import functools
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from bot.domain.brackets import Bracket
from bot.domain.candles import CandleSeries
from bot.domain.durations import DAY_MS, HOUR_MS
from bot.domain.instrument import Kind
from bot.domain.market import Book, Funding, OpenInterest, Quote
from bot.domain.order import Fill
from bot.domain.portfolio import Account, Position
from bot.domain.symbol import is_perp
from bot.ports import Answered, Listed, OrderReport, Payment, Rejection, Unavailable
from bot.venues.binance import parse
from bot.venues.binance import rows as partial_rows
from bot.venues.binance.flow_reads import FlowReads
from bot.venues.binance.paging import PAGE, Asking, Rows, by_symbol, payment_key, whole_of
from bot.venues.binance.spot_times import SpotTimes
from bot.venues.ccxt import candles as parse_candles
from bot.venues.ccxt import rows
from bot.venues.ccxt.account.holdings import read_balances, read_positions
from bot.venues.ccxt.account.sides import note_sides
from bot.venues.ccxt.connection import Connection
from bot.venues.ccxt.errors import ReadRefused
from bot.venues.ccxt.rows import UNREADABLE, Row, readable

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
QUOTE_VOLUME = 7  # its column in a row of candles
_DEFAULT_FUNDING_HOURS = 8
_INTERVALS_RETRY_MS = 60_000
# Below these counts single-symbol requests weigh less than one request for all symbols. Open orders of all perps weigh
# 40 and one request costs as much CPU as another, so many single ones save weight that nobody needs.
_FEW_BOOKS, _FEW_PREMIUMS, _FEW_SPOT_ORDERS, _FEW_PERP_ORDERS = 2, 9, 13, 5
_MARK_AGE_MAX_MS = 60_000
_DAYS_DEADLINE_S = 2.0  # without it prices are had all the same
_DAYS_AT_ONCE = 20  # more symbols in one request for the ticker of 24 hours weigh twenty times as much


class Reads(Asking):
    """Reads of one account. Everything raises Unavailable."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._funding_hours: tuple[int, Mapping[str, Any]] = (-2 * HOUR_MS, {})
        self._marks: dict[str, tuple[int, Decimal]] = {}
        self._times = SpotTimes()
        self._flows = FlowReads(connection)

    @readable
    async def fetch_account(self) -> Account:
        """Both wallets and all positions, read side by side."""
        at_ms = self._link.now_ms()
        spot, perp, risk = await asyncio.gather(self._spot_account(), self._perp_account(), self._position_rows())
        unreadable: dict[str, str] = {}
        has_perps = Kind.PERP in self._link.environment.kinds
        wallet, free = (
            partial_rows.read_wallet(perp, self._link.quote, unreadable) if has_perps else (Decimal(0), Decimal(0))
        )
        return Account(
            at_ms=at_ms,
            quote=self._link.quote,
            balances=read_balances(rows.rows_of(spot["balances"], "balances"), parse.balance, unreadable),
            perp_wallet=wallet,
            perp_free=free,
            positions=await self._positions(risk, unreadable),
            unreadable=unreadable,
        )

    @readable
    async def fetch_position_size(self, symbol: str) -> Decimal:
        """A row for each side that has a position or orders, one at most in one-way mode."""
        found = rows.rows_of(await self._get("fapiPrivateV3GetPositionRisk", symbol), "positions")
        name = self._link.venue_symbol(symbol)
        if len(found) > 1 or any(row["symbol"] != name or partial_rows.side_of(row) != "BOTH" for row in found):
            raise Unavailable(f"{symbol}: not the one position of one-way mode")
        return rows.number(found[0]["positionAmt"]) if found else Decimal(0)

    @readable
    async def fetch_quotes(self, symbols: Sequence[str]) -> Mapping[str, Quote]:
        """Best prices; symbols the venue does not answer for, or not readably, are missing, with the reason."""
        at_ms = self._link.now_ms()
        spot, perps = _divide(symbols)
        books, days, perp_books, premiums = await asyncio.gather(
            self._spot_books(spot), self._spot_days(spot), self._perp_books(perps), self._premiums(perps)
        )
        result, notes = {}, books.notes | perp_books.notes | premiums.notes
        for symbol in (*spot, *perps):
            row, premium = (perp_books if is_perp(symbol) else books).get(symbol), premiums.get(symbol)
            if row is None or (is_perp(symbol) and premium is None):
                continue
            try:
                row_ms = at_ms if is_perp(symbol) else self._times.of_best(symbol, row, days.get(symbol), at_ms)
                quote = result[symbol] = parse.quote(row, symbol, at_ms=row_ms, premium=premium)
                if quote.mark is not None:
                    self._marks[symbol] = (at_ms, quote.mark)
            except UNREADABLE as error:
                notes[symbol] = rows.message_of("quotes", row, error)
        return Answered(result, {symbol: why for symbol, why in notes.items() if symbol not in result})

    @readable
    async def fetch_book(self, symbol: str, levels: int) -> Book:
        """Order book with at least `levels` levels where the venue has them, cut to `levels`."""
        at_ms, perp = self._link.now_ms(), is_perp(symbol)
        limit = next((size for size in (5, 10, 20, 50, 100, 500, 1_000) if size >= levels), 1_000)
        row = await self._get("fapiPublicGetDepth" if perp else "publicGetDepth", symbol, limit=limit)
        whole = parse.book(row, symbol, at_ms=at_ms if perp else self._times.of_depth(symbol, row, at_ms))
        return Book(symbol, whole.bids[:levels], whole.asks[:levels], whole.at_ms)

    @readable
    async def fetch_candles(self, symbol: str, timeframe_ms: int, since_ms: int, limit: int) -> CandleSeries:
        """Closed candles opening at or after `since_ms`, at most `limit`."""
        interval = _INTERVALS.get(timeframe_ms)
        if interval is None:
            raise Unavailable(f"no candles of {timeframe_ms} ms; there are {sorted(_INTERVALS)}")
        method = "fapiPublicGetKlines" if is_perp(symbol) else "publicGetKlines"
        result: list[Any] = []
        start = since_ms
        while len(result) < limit and start + timeframe_ms <= self._link.now_ms():
            count = min(PAGE, limit - len(result))
            page = await self._get(method, symbol, interval=interval, startTime=start, limit=count)
            result.extend(rows.rows_of(page, "candles"))
            latest_ms = max((at for at in map(parse_candles.start_of, page) if at is not None), default=start)
            if len(page) < count or latest_ms < start:
                break
            start = latest_ms + timeframe_ms
        return parse_candles.candles(
            result,
            symbol=symbol,
            timeframe_ms=timeframe_ms,
            now_ms=self._link.now_ms(),
            quote_volume_column=QUOTE_VOLUME,
        )

    @readable
    async def fetch_funding(self, symbols: Sequence[str]) -> Mapping[str, Funding]:
        """Expected funding of perps. Intervals are asked once an hour, and at once where the time of the next
        settlement does not fit what is known."""
        at_ms, perps = self._link.now_ms(), _divide(symbols)[1]
        premiums, hours = await asyncio.gather(self._premiums(perps), self._intervals())
        names = {symbol: self._link.venue_symbol(symbol) for symbol in premiums}
        if any(not _fits(row, hours.get(names[symbol])) for symbol, row in premiums.items()):
            hours = await self._intervals(age_max_ms=_INTERVALS_RETRY_MS)
        result, notes = {}, dict(premiums.notes)
        for symbol, row in premiums.items():
            try:
                interval = int(hours.get(names[symbol], _DEFAULT_FUNDING_HOURS))
                result[symbol] = parse.funding(row, symbol, interval_hours=interval, at_ms=at_ms)
            except UNREADABLE as error:
                notes[symbol] = rows.message_of("funding", row, error)
        return Answered(result, notes)

    @readable
    async def fetch_open_interest(self, symbol: str) -> OpenInterest:
        """Open interest in quote value at mark, which may be a minute old."""
        row, mark = await asyncio.gather(self._get("fapiPublicGetOpenInterest", symbol), self._mark(symbol))
        size = rows.number(row["openInterest"])
        return OpenInterest(
            symbol, size * self._link.contract_size(symbol) * mark, int(row.get("time") or self._link.now_ms())
        )

    @readable
    async def fetch_order(self, symbol: str, client_id: str, *, is_trigger: bool = False) -> OrderReport | None:
        """The order, or None when the venue does not know the id. A triggered order is reported as what it became."""
        perp = is_perp(symbol)
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

    @readable
    async def fetch_open_orders(self, symbols: Sequence[str]) -> tuple[OrderReport, ...]:
        """Resting orders of the symbols, conditional ones included."""
        spot, perps = _divide(symbols)
        plain, perp, triggers = await asyncio.gather(
            self._open_rows("privateGetOpenOrders", spot, _FEW_SPOT_ORDERS),
            self._open_rows("fapiPrivateGetOpenOrders", perps, _FEW_PERP_ORDERS),
            self._open_rows("fapiPrivateGetOpenAlgoOrders", perps, _FEW_PERP_ORDERS),
        )
        defects = [defect for answer in (plain, perp, triggers) for defect in answer.defects]
        reports: list[OrderReport] = []
        for symbol, row in (*plain, *perp):
            read = functools.partial(self._report, symbol=symbol)
            reports += rows.read_orders([row], read, partial_rows.open_order, symbol, defects)
        for symbol, row in triggers:
            read = functools.partial(parse.trigger_report, symbol=symbol)
            reports += rows.read_orders([row], read, partial_rows.open_order, symbol, defects)
        return Listed(reports, defects)

    @readable
    async def fetch_order_history(self, symbol: str, since_ms: int) -> tuple[OrderReport, ...]:
        """Orders in any state since then, oldest first; asked window by window, as the venue bounds them."""
        perp = is_perp(symbol)
        result = await self._windows("fapiPrivateGetAllOrders" if perp else "privateGetAllOrders", symbol, since_ms)
        defects: list[tuple[str, str]] = []
        read = functools.partial(self._report, symbol=symbol)
        reports = rows.read_orders(result, read, partial_rows.open_order, symbol, defects)
        if perp:
            for row in await self._windows("fapiPrivateGetAllAlgoOrders", symbol, since_ms, key="algoId"):
                try:
                    reports.append(await self._trigger(row, symbol))
                except (*UNREADABLE, Unavailable) as error:
                    defects.append((symbol, rows.message_of("orders", row, error)))
                    reports.append(partial_rows.open_order(row, symbol, defects[-1][1]))
        return Listed(sorted(reports, key=lambda report: report.at_ms), defects)

    @readable
    async def fetch_fills(self, symbol: str, since_ms: int) -> tuple[Fill, ...]:
        """Our trades since then, oldest first."""
        perp = is_perp(symbol)
        method = "fapiPrivateGetUserTrades" if perp else "privateGetMyTrades"
        result = await self._windows(method, symbol, since_ms, key="id", cursor="fromId")
        defects: list[tuple[str, str]] = []
        read = functools.partial(parse.fill, venue=self._link.profile.id, symbol=symbol)
        return Listed(rows.read_each("executions", result, read, symbol, defects), defects)

    @readable
    async def fetch_payments(self, since_ms: int) -> tuple[Payment, ...]:
        """Money that moved without a trade of ours, oldest first: of the perp wallet, and deposits and withdrawals of
        the spot wallet where the environment has a list of them."""
        income, flows = await asyncio.gather(self._income(since_ms), self._flows.fetch(since_ms))
        return Listed(sorted((*income, *flows), key=lambda payment: payment.at_ms), income.defects + flows.defects)

    async def _income(self, since_ms: int) -> Listed[Payment]:
        if Kind.PERP not in self._link.environment.kinds:
            return Listed(())
        seen: dict[str, Any] = {}
        start = since_ms
        while True:
            page = rows.rows_of(await self._call("fapiPrivateGetIncome", startTime=start, limit=PAGE), "payments")
            fresh = {payment_key(row): row for row in page}
            is_stuck = fresh.keys() <= seen.keys()
            seen |= fresh
            times = [time for row in page if (time := whole_of(row, "time")) is not None]
            if len(page) < PAGE or is_stuck or not times:
                break
            start = max(times)
        defects: list[tuple[str, str]] = []
        read = functools.partial(parse.payment, symbol_of=lambda name: self._link.symbol_of(name, Kind.PERP))
        result = [payment for payment in rows.read_each("payments", seen.values(), read, "", defects) if payment]
        return Listed(result, defects)

    @readable
    async def load_brackets(self) -> Mapping[str, tuple[Bracket, ...]]:
        """Fetch the leverage brackets of all loaded perps; those of a symbol whose row cannot be read are missing."""
        result = {}
        for row in rows.rows_of(await self._call("fapiPrivateGetLeverageBracket"), "leverage brackets"):
            with contextlib.suppress(*UNREADABLE):
                symbol = self._link.symbols_by_id[Kind.PERP].get(row["symbol"])
                brackets = parse.brackets(row)
                if symbol is not None and brackets:
                    result[symbol] = brackets
        return result

    async def _spot_account(self) -> Mapping[str, Any]:
        if Kind.SPOT not in self._link.environment.kinds:
            return {"balances": []}
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
        result = rows.rows_of(await self._call("fapiPrivateV3GetPositionRisk"), "positions")
        return [row for row in result if partial_rows.is_held(row)]

    async def _positions(self, found: Rows, unreadable: dict[str, str]) -> Mapping[str, Position]:
        def name(row: Mapping[str, Any]) -> str:
            return self._link.symbol_of(row["symbol"], Kind.PERP, str(row.get("marginAsset") or ""))

        def read(settings: Mapping[str, Decimal]) -> tuple[dict[str, Position], list[tuple[str, Row]]]:
            return read_positions(
                found,
                name,
                lambda row, symbol: parse.position(row, symbol, settings.get(row["symbol"])),
                lambda row, symbol: partial_rows.partial_position(row, symbol, settings.get(row["symbol"])),
                unreadable,
            )

        positions, named = read({})
        if any(position.leverage is None for position in positions.values()):
            positions, named = read(await self._leverages())
        sides = [(symbol, partial_rows.side_of(row)) for symbol, row in named if partial_rows.side_of(row) != "BOTH"]
        self._link.position_sides = note_sides(sides, positions, unreadable)
        return positions

    async def _leverages(self) -> Mapping[str, Decimal]:
        """Leverage settings by venue symbol, as far as the venue reports them."""
        result: dict[str, Decimal] = {}
        with contextlib.suppress(Unavailable):
            for row in rows.rows_of(await self._call("fapiPrivateGetSymbolConfig"), "leverage settings"):
                with contextlib.suppress(*UNREADABLE):
                    result[row["symbol"]] = rows.number(str(row["leverage"]))
        return result

    async def _spot_books(self, symbols: Sequence[str]) -> Answered[Any]:
        names = {self._link.venue_symbol(symbol): symbol for symbol in symbols}
        if not names:
            return Answered({}, {})
        required = "[" + ",".join(f'"{name}"' for name in names) + "]"
        try:
            return by_symbol(await self._call("publicGetTickerBookTicker", symbols=required), names)
        except ReadRefused:
            # One delisted symbol makes the venue refuse the whole list; all of them cost the same.
            return by_symbol(await self._call("publicGetTickerBookTicker"), names)

    async def _spot_days(self, symbols: Sequence[str]) -> Answered[Any]:
        """Rows of the ticker of 24 hours, which have a time; what cannot be had of it is missing."""
        names = {self._link.venue_symbol(symbol): symbol for symbol in symbols}
        parts = [list(names)[at : at + _DAYS_AT_ONCE] for at in range(0, len(names), _DAYS_AT_ONCE)]
        requested = await asyncio.gather(*(self._spot_day(part, names) for part in parts))
        return Answered({symbol: row for answer in requested for symbol, row in answer.items()}, {})

    async def _spot_day(self, part: Sequence[str], names: Mapping[str, str]) -> Answered[Any]:
        required = "[" + ",".join(f'"{name}"' for name in part) + "]"
        try:
            async with asyncio.timeout(_DAYS_DEADLINE_S):
                return by_symbol(await self._call("publicGetTicker24hr", symbols=required), names)
        except (*UNREADABLE, Unavailable, TimeoutError):
            return Answered({}, {})

    async def _perp_books(self, symbols: Sequence[str]) -> Answered[Any]:
        return await self._one_or_all("fapiPublicGetTickerBookTicker", symbols, _FEW_BOOKS)

    async def _premiums(self, symbols: Sequence[str]) -> Answered[Any]:
        return await self._one_or_all("fapiPublicGetPremiumIndex", symbols, _FEW_PREMIUMS)

    async def _mark(self, symbol: str) -> Decimal:
        asked_ms, mark = self._marks.get(symbol, (-_MARK_AGE_MAX_MS, Decimal(0)))
        if self._link.now_ms() - asked_ms < _MARK_AGE_MAX_MS:
            return mark
        return rows.number((await self._premiums([symbol]))[symbol]["markPrice"])

    async def _intervals(self, age_max_ms: int = HOUR_MS) -> Mapping[str, Any]:
        """Funding intervals by venue symbol, as the venue writes them. What was known stands in for an hour more."""
        asked_ms, hours = self._funding_hours
        if self._link.now_ms() - asked_ms >= age_max_ms:
            try:
                listed = rows.rows_of(await self._call("fapiPublicGetFundingInfo"), "funding intervals")
            except (TypeError, Unavailable):
                if self._link.now_ms() - asked_ms >= 2 * HOUR_MS:
                    raise
                return hours
            hours = {
                row["symbol"]: row.get("fundingIntervalHours")
                for row in listed
                if isinstance(row, Mapping) and isinstance(row.get("symbol"), str)
            }
            self._funding_hours = (self._link.now_ms(), hours)
        return hours

    async def _trigger(self, row: Mapping[str, Any], symbol: str) -> OrderReport:
        became = str(row.get("actualOrderId") or "")
        if row["algoStatus"] not in parse.TRIGGERED or became in ("", "0"):
            return parse.trigger_report(row, symbol)
        order = await self._get("fapiPrivateGetOrder", symbol, orderId=became)
        return parse.trigger_report(row, symbol, executed=self._report(order, symbol))

    def _report(self, row: Mapping[str, Any], symbol: str) -> OrderReport:
        return parse.order_report(row, symbol, contract_size=self._link.contract_size(symbol))


def _fits(row: Any, hours: Any) -> bool:
    """Whether the next settlement lies where the interval has one; a row that cannot be read says nothing."""
    next_ms = whole_of(row, "nextFundingTime")
    try:
        return (
            not next_ms or (next_ms + 60_000) % ((int(hours) if hours else _DEFAULT_FUNDING_HOURS) * HOUR_MS) < 120_000
        )
    except UNREADABLE:
        return True


def _divide(symbols: Iterable[str]) -> tuple[list[str], list[str]]:
    """(spot, perps), each once, in order."""
    unique = dict.fromkeys(symbols)
    return [s for s in unique if not is_perp(s)], [s for s in unique if is_perp(s)]
