"""`bot.ports.Venue` as one bot sees it: the engine behind a wire on which everything can go wrong."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from bot.domain.candles import CandleSeries
from bot.domain.instrument import Instrument
from bot.domain.market import Book, Funding, OpenInterest, Quote
from bot.domain.order import Fill
from bot.domain.portfolio import Account
from bot.ports import (
    AccountRefused,
    AccountReview,
    Clock,
    Lane,
    OrderReport,
    OrderRequest,
    Payment,
    Rejection,
    ReportState,
    Unavailable,
    VenueRejected,
)
from tests.sim.faults import Kind
from tests.sim.wire import (
    ACCOUNT,
    AHEAD_MAX_MS,
    NAN,
    QUIET_MS,
    WINDOW_MS,
    Doom,
    Port,
    Wire,
    at_once,
    fills_until,
    payments_until,
)


class FaultyVenue:
    """One bot's connection. `clock` is the machine's own, which may be wrong; the exchange's is the truth."""

    environment = "sim"
    account_name = ACCOUNT
    receive_window_ms = WINDOW_MS
    quiet_period_ms = QUIET_MS

    def __init__(self, wire: Wire, clock: Clock, doom: Doom) -> None:
        self._wire, self._clock, self._doom = wire, clock, doom
        self._inner, self._plan, self._port = wire.inner, wire.plan, Port(wire, doom)
        self.id, self.has_transfers, self.forced_ids = (
            wire.inner.id,
            wire.inner.has_transfers,
            wire.inner.forced_ids,
        )
        self._skew_ms = 0

    @property
    def clock_skew_ms(self) -> int:
        return self._skew_ms

    async def open(self) -> None:
        self._skew_ms = self._measure()
        blocking = [one for one in at_once(self._inner.fetch_account_review(0)).problems if one.is_blocking]
        if blocking:
            raise AccountRefused("; ".join(one.words for one in blocking))

    async def close(self) -> None:
        """Nothing is held open."""

    def now_ms(self) -> int:
        return self._clock.now_ms() + self._skew_ms

    async def fetch_clock_skew(self) -> int:
        self._skew_ms = await self._port.ask(self._measure)
        return self._skew_ms

    def held_seconds(self) -> Mapping[str, float]:
        return {}

    def requests_used(self) -> Mapping[str, float]:
        return {}

    async def fetch_account_review(self, max_age_ms: int) -> AccountReview:
        return await self._port.ask(lambda: at_once(self._inner.fetch_account_review(max_age_ms)))

    def _measure(self) -> int:
        return self._wire.now_ms() - self._clock.now_ms()

    # the market

    async def fetch_instruments(self, symbols: Sequence[str] | None = None) -> Mapping[str, Instrument]:
        found = dict(await self._port.ask(lambda: at_once(self._inner.fetch_instruments(symbols))))
        if found and self._plan.strikes(Kind.INSTRUMENT_MISSING):
            del found[self._plan.choose(Kind.INSTRUMENT_MISSING, sorted(found))]
        return found

    async def fetch_position_size(self, symbol: str) -> Decimal:
        held = (await self.fetch_account()).positions.get(symbol)
        return Decimal(0) if held is None else held.size

    async def fetch_quotes(self, symbols: Sequence[str]) -> Mapping[str, Quote]:
        found = await self._port.ask(lambda: at_once(self._inner.fetch_quotes(symbols)))
        return {
            symbol: self._spoiled(quote)
            for symbol, quote in found.items()
            if not self._plan.strikes(Kind.QUOTE_MISSING)
        }

    def _spoiled(self, quote: Quote) -> Quote:
        plan = self._plan
        if plan.strikes(Kind.QUOTE_STALE):
            return replace(quote, at_ms=quote.at_ms - plan.count(Kind.QUOTE_STALE, 1_000, 120_000))
        if plan.strikes(Kind.QUOTE_BAD):
            bad = plan.choose(Kind.QUOTE_BAD, [NAN, -quote.bid, Decimal(0), quote.ask * 2, Decimal("Infinity")])
            return replace(quote, bid=bad)
        if plan.strikes(Kind.QUOTE_OFF):
            factor = plan.choose(Kind.QUOTE_OFF, [Decimal("0.5"), Decimal("0.97"), Decimal("1.03"), Decimal(2)])
            mark = quote.mark * factor if quote.mark is not None else None
            return replace(quote, bid=quote.bid * factor, ask=quote.ask * factor, mark=mark)
        return quote

    async def fetch_book(self, symbol: str, levels: int) -> Book:
        book = await self._port.ask(lambda: at_once(self._inner.fetch_book(symbol, levels)))
        if self._plan.strikes(Kind.BOOK_EMPTY):
            return replace(book, bids=()) if self._plan.choose(Kind.BOOK_EMPTY, [0, 1]) else replace(book, asks=())
        if self._plan.strikes(Kind.BOOK_BAD) and book.asks:
            first = (NAN, book.asks[0][1]) if self._plan.choose(Kind.BOOK_BAD, [0, 1]) else book.asks[-1]
            return replace(book, asks=(first, *book.asks))
        return book

    async def fetch_candles(self, symbol: str, timeframe_ms: int, since_ms: int, limit: int) -> CandleSeries:
        return await self._port.ask(lambda: at_once(self._inner.fetch_candles(symbol, timeframe_ms, since_ms, limit)))

    async def fetch_funding(self, symbols: Sequence[str]) -> Mapping[str, Funding]:
        found = dict(await self._port.ask(lambda: at_once(self._inner.fetch_funding(symbols))))
        if found and self._plan.strikes(Kind.FUNDING_BAD):
            symbol = self._plan.choose(Kind.FUNDING_BAD, sorted(found))
            if self._plan.choose(Kind.FUNDING_BAD, [True, False]):
                del found[symbol]
            else:
                found[symbol] = replace(found[symbol], rate=NAN)
        return found

    async def fetch_open_interest(self, symbol: str) -> OpenInterest:
        return await self._port.ask(lambda: at_once(self._inner.fetch_open_interest(symbol)))

    # the account

    async def fetch_account(self) -> Account:
        lag_ms = self._port.lag_ms(Kind.LAG_ACCOUNT)

        def answer() -> Account:
            now = at_once(self._inner.fetch_account())
            past = self._wire.account_as_of(self._wire.now_ms() - lag_ms) if lag_ms else None
            return now if past is None else replace(past, at_ms=now.at_ms)

        return await self._port.ask(answer)

    async def fetch_order(self, symbol: str, client_id: str, *, is_trigger: bool = False) -> OrderReport | None:
        lag_ms = self._port.lag_ms(Kind.LAG_ORDER)
        if not lag_ms:
            return await self._port.ask(
                lambda: at_once(self._inner.fetch_order(symbol, client_id, is_trigger=is_trigger))
            )
        return await self._port.ask(
            lambda: self._wire.order_as_of(symbol, client_id, self._as_of(lag_ms), is_trigger=is_trigger)
        )

    async def fetch_open_orders(self, symbols: Sequence[str]) -> tuple[OrderReport, ...]:
        lag_ms = self._port.lag_ms(Kind.LAG_OPEN)
        if not lag_ms:
            return await self._port.ask(lambda: at_once(self._inner.fetch_open_orders(symbols)))
        return await self._port.ask(lambda: self._wire.open_as_of(symbols, self._as_of(lag_ms)))

    async def fetch_order_history(self, symbol: str, since_ms: int) -> tuple[OrderReport, ...]:
        lag_ms = self._port.lag_ms(Kind.LAG_HISTORY)
        if not lag_ms:
            return await self._port.ask(lambda: at_once(self._inner.fetch_order_history(symbol, since_ms)))
        return await self._port.ask(lambda: self._wire.history_as_of(symbol, since_ms, self._as_of(lag_ms)))

    async def fetch_fills(self, symbol: str, since_ms: int) -> tuple[Fill, ...]:
        lag_ms = self._port.lag_ms(Kind.LAG_FILLS)
        fills = await self._port.ask(lambda: at_once(self._inner.fetch_fills(symbol, since_ms)))
        return fills_until(fills, self._as_of(lag_ms))

    async def fetch_payments(self, since_ms: int) -> tuple[Payment, ...]:
        lag_ms = self._port.lag_ms(Kind.LAG_PAYMENTS)
        payments = await self._port.ask(lambda: at_once(self._inner.fetch_payments(since_ms)))
        return payments_until(payments, self._as_of(lag_ms))

    def _as_of(self, lag_ms: int) -> int:
        self._wire.exchange.advance(self._wire.now_ms())
        return self._wire.now_ms() - lag_ms

    # writes

    async def admit(self, symbol: str, lane: Lane) -> None:
        self._doom.call()
        if self._plan.strikes(Kind.ADMISSION):
            seconds, loop = self._plan.between(Kind.ADMISSION, 0.1, 20), asyncio.get_running_loop()
            self._wire.held_until = max(self._wire.held_until, loop.time() + seconds)
            await asyncio.sleep(seconds)
            if self._plan.choose(Kind.ADMISSION, [True, False]):
                raise Unavailable("the throttle holds every lane")

    async def submit_order(self, request: OrderRequest) -> OrderReport:
        wire, plan = self._wire, self._plan
        self._doom.call()
        for listener in wire.on_submit:
            listener(request)
        wire.sent.append(request)
        wire.under_way.append(request)
        try:
            report = await self._port.write(
                f"{request.side} {request.size} {request.symbol} {request.client_id}",
                lambda: self._accept(request),
                again=lambda: wire.can_repeat(request),
            )
        except VenueRejected as rejection:
            if rejection.kind is not Rejection.DUPLICATE_ID:
                wire.under_way.remove(request)
            raise
        wire.under_way.remove(request)
        if plan.strikes(Kind.REPLY_GARBLED):
            return plan.choose(Kind.REPLY_GARBLED, [replace(report, venue_id=""), replace(report, symbol="X/USDT")])
        if report.state in (ReportState.FILLED, ReportState.EXPIRED) and plan.strikes(Kind.REPLY_EARLY):
            return replace(report, state=ReportState.OPEN, filled_size=Decimal(0), filled_quote=Decimal(0), fills=())
        return report

    async def _accept(self, request: OrderRequest) -> OrderReport:
        if request.stamp_ms > self._wire.now_ms() + AHEAD_MAX_MS:
            raise VenueRejected("-1021", "the stamp lies in the future", Rejection.CLOCK)
        return await self._inner.submit_order(request)

    async def cancel_order(self, symbol: str, client_id: str, *, is_trigger: bool = False) -> None:
        self._doom.call()
        for listener in self._wire.on_cancel:
            listener(client_id)
        if is_trigger and self._plan.strikes(Kind.CANCEL_RACE):
            self._wire.fire(symbol, client_id)
        if self._plan.strikes(Kind.CANCEL_BLIND):
            raise VenueRejected("-2011", "by a fault", Rejection.NOT_FOUND)
        await self._port.write(
            f"cancel {client_id}", lambda: self._inner.cancel_order(symbol, client_id, is_trigger=is_trigger)
        )

    async def set_leverage(self, symbol: str, leverage: Decimal) -> None:
        await self._port.write(f"leverage {symbol} {leverage}", lambda: self._inner.set_leverage(symbol, leverage))

    async def move_cash(self, amount: Decimal, *, to_perp: bool) -> None:
        self._doom.call()
        for listener in self._wire.on_write:
            listener("move_cash")
        await self._port.write(
            f"cash {amount} {'to perp' if to_perp else 'to spot'}",
            lambda: self._inner.move_cash(amount, to_perp=to_perp),
        )

    async def move_margin(self, symbol: str, amount: Decimal) -> None:
        await self._port.write(f"margin {symbol} {amount}", lambda: self._inner.move_margin(symbol, amount))
