"""Dry-run: a venue's market data, an account of our own that trades against it in the embedded exchange's engine.

Everything is pushed into the engine as it is read, so resting orders and triggers meet the prices the bot itself saw.
The account lives in memory: a restart takes up where an `Account` says, without resting orders.
"""

import functools
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, ParamSpec, TypeVar

from bot.domain.candles import CandleSeries
from bot.domain.instrument import Instrument, Side
from bot.domain.market import Book, Funding, OpenInterest, Quote
from bot.domain.money import ZERO
from bot.domain.order import Fill, OrderType
from bot.domain.portfolio import Account, Position
from bot.ports import (
    Lane,
    OrderReport,
    OrderRequest,
    Payment,
    Rejection,
    ReportState,
    SetupFailed,
    Unavailable,
    Venue,
    VenueRejected,
)
from bot.simex.engine.exchange import Exchange
from bot.simex.engine.refusal import Refusal, RefusalReason
from bot.simex.engine.types import IncomeKind, NewOrder, OrderStatus, SimOrder, SimTrade
from bot.simex.market.pushed import PushedMarket

P = ParamSpec("P")
T = TypeVar("T")

_BOOK_LEVELS = 100
_ALL = 1_000_000
_R, _K = RefusalReason, Rejection
_REJECTIONS: Mapping[RefusalReason, Rejection] = {
    _R.UNKNOWN_SYMBOL: _K.OTHER,
    _R.MARKET_CLOSED: _K.MARKET_CLOSED,
    _R.BAD_REQUEST: _K.OTHER,
    _R.PRECISION: _K.FILTER,
    _R.PRICE_FILTER: _K.FILTER,
    _R.PRICE_TICK: _K.FILTER,
    _R.PERCENT_PRICE_HIGH: _K.FILTER,
    _R.PERCENT_PRICE_LOW: _K.FILTER,
    _R.LOT_SIZE: _K.FILTER,
    _R.LOT_STEP: _K.FILTER,
    _R.MARKET_LOT_SIZE: _K.FILTER,
    _R.MIN_NOTIONAL: _K.FILTER,
    _R.MAX_ORDERS: _K.OTHER,
    _R.INSUFFICIENT_BALANCE: _K.FUNDS,
    _R.INSUFFICIENT_MARGIN: _K.FUNDS,
    _R.LEVERAGE_BRACKET: _K.LEVERAGE,
    _R.DUPLICATE_CLIENT_ID: _K.DUPLICATE_ID,
    _R.BAD_CLIENT_ID: _K.OTHER,
    _R.WOULD_TAKE: _K.WOULD_TAKE,
    _R.FOK_UNFILLED: _K.OTHER,
    _R.REDUCE_ONLY: _K.REDUCE_ONLY,
    _R.TRIGGER_IMMEDIATE: _K.OTHER,
    _R.NO_BOOK: _K.OTHER,
    _R.UNKNOWN_ORDER: _K.NOT_FOUND,
    _R.MARGIN_TYPE_SAME: _K.NO_CHANGE,
    _R.OPEN_ORDERS_EXIST: _K.OTHER,
    _R.POSITION_EXISTS: _K.OTHER,
    _R.POSITION_MISSING: _K.OTHER,
    _R.LEVERAGE_INVALID: _K.LEVERAGE,
    _R.LEVERAGE_REDUCTION: _K.LEVERAGE,
    _R.MARGIN_INSUFFICIENT: _K.FUNDS,
    _R.ACCOUNT_UNKNOWN: _K.OTHER,
}
_STATES = {
    OrderStatus.NEW: ReportState.OPEN,
    OrderStatus.PARTIALLY_FILLED: ReportState.OPEN,
    OrderStatus.UNTRIGGERED: ReportState.OPEN,
    OrderStatus.TRIGGERED: ReportState.OPEN,
    OrderStatus.FILLED: ReportState.FILLED,
    OrderStatus.CANCELED: ReportState.CANCELED,
    OrderStatus.EXPIRED: ReportState.EXPIRED,
    OrderStatus.REJECTED: ReportState.REJECTED,
}
_PAYMENTS = {
    IncomeKind.FUNDING_FEE: "funding",
    IncomeKind.INSURANCE_CLEAR: "liquidation_clearance",
    IncomeKind.TRANSFER: "transfer",
}


def _verdict(method: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """The engine's refusals in the port's words."""

    @functools.wraps(method)
    async def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await method(*args, **kwargs)
        except Refusal as refusal:
            raise VenueRejected(str(refusal.reason), refusal.detail, _REJECTIONS[refusal.reason]) from refusal

    return wrapped


class PaperVenue:
    """Implements `bot.ports.Venue` without sending a single write.

    Args:
        data: where market data come from; opened and closed with this venue.
        account: our name of the account.
        initial: what the account begins with, positions included; None copies the account of `data`.
    """

    def __init__(self, data: Venue, *, account: str, initial: Account | None = None) -> None:
        self._data, self._initial = data, initial
        self._market = PushedMarket()
        self._seen_ms: dict[str, int] = {}
        self._engine: Exchange | None = None
        self._session = ""
        self.id, self.environment, self.account_name = data.id, data.environment, account
        self.has_transfers = True
        self.receive_window_ms = data.receive_window_ms
        self.quiet_period_ms = data.quiet_period_ms

    @property
    def clock_skew_ms(self) -> int:
        return self._data.clock_skew_ms

    async def open(self) -> None:
        await self._data.open()
        if self._initial is None:
            try:
                self._initial = await self._data.fetch_account()
            except BaseException:
                await self._data.close()
                raise

    async def close(self) -> None:
        await self._data.close()

    def now_ms(self) -> int:
        return self._data.now_ms()

    # --- market data: passed through, and shown to the engine on the way

    async def fetch_instruments(self, symbols: Sequence[str] | None = None) -> Mapping[str, Instrument]:
        found = await self._data.fetch_instruments(symbols)
        if self._engine is None:
            await self._start(found)
        else:
            for symbol, instrument in found.items():
                if symbol not in self._engine.instruments:
                    await self._look([symbol])
                if symbol in self._market.symbols:
                    self._engine.replace_instrument(instrument)
        return found

    async def fetch_clock_skew(self) -> int:
        return await self._data.fetch_clock_skew()

    async def fetch_quotes(self, symbols: Sequence[str]) -> Mapping[str, Quote]:
        quotes = await self._data.fetch_quotes(symbols)
        self._show(quotes.values())
        return quotes

    async def fetch_book(self, symbol: str, levels: int) -> Book:
        return await self._data.fetch_book(symbol, levels)

    async def fetch_candles(self, symbol: str, timeframe_ms: int, since_ms: int, limit: int) -> CandleSeries:
        return await self._data.fetch_candles(symbol, timeframe_ms, since_ms, limit)

    async def fetch_funding(self, symbols: Sequence[str]) -> Mapping[str, Funding]:
        found = await self._data.fetch_funding(symbols)
        for funding in found.values():
            self._market.push_funding(funding)
        return found

    async def fetch_open_interest(self, symbol: str) -> OpenInterest:
        return await self._data.fetch_open_interest(symbol)

    # --- the account: the engine's

    async def fetch_account(self) -> Account:
        """The paper account at the venue's present prices."""
        engine = await self._current()
        wallet = engine.wallet(self.account_name)
        positions = {
            held.symbol: Position(
                symbol=held.symbol,
                size=held.size,
                entry_price=held.entry_price,
                mark_price=held.mark,
                unrealised_pnl=held.unrealised_pnl,
                margin=held.isolated_wallet,
                leverage=Decimal(held.leverage),
                liquidation_price=held.liquidation_price,
                is_isolated=held.is_isolated,
            )
            for held in engine.positions(self.account_name)
        }
        balances = {name: held for name, held in engine.balances(self.account_name).items() if held.total}
        return Account(engine.now_ms, self._quote, balances, wallet.balance, wallet.available, positions)

    async def fetch_order(self, symbol: str, client_id: str, *, is_trigger: bool = False) -> OrderReport | None:
        engine = await self._current()
        order = engine.order(self.account_name, symbol, client_id=client_id, is_trigger=is_trigger and ":" in symbol)
        return None if order is None else self._report(order)

    async def fetch_open_orders(self, symbols: Sequence[str]) -> tuple[OrderReport, ...]:
        engine = await self._current()
        return tuple(self._report(order) for s in symbols for order in engine.open_orders(self.account_name, s))

    async def fetch_order_history(self, symbol: str, since_ms: int) -> tuple[OrderReport, ...]:
        engine = await self._current()
        orders = engine.orders(self.account_name, symbol, start_ms=since_ms, limit=_ALL)
        return tuple(self._report(order) for order in orders if order.parent_id is None)

    async def fetch_fills(self, symbol: str, since_ms: int) -> tuple[Fill, ...]:
        engine = await self._current()
        return tuple(
            self._fill(trade) for trade in engine.trades(self.account_name, symbol, start_ms=since_ms, limit=_ALL)
        )

    async def fetch_payments(self, since_ms: int) -> tuple[Payment, ...]:
        engine = await self._current()
        rows = engine.income(self.account_name, start_ms=since_ms, limit=_ALL)
        return tuple(
            Payment(
                f"{self._session}:{row.id}", _PAYMENTS[row.kind], row.asset, row.amount, row.symbol or None, row.at_ms
            )
            for row in rows
            if row.kind in _PAYMENTS
        )

    async def fetch_maintenance_rate(self, symbol: str, notional_quote: Decimal) -> Decimal:
        brackets = (await self._current()).brackets(symbol)
        found = next((b for b in brackets if notional_quote < b.notional_cap), brackets[-1])
        return found.maintenance_rate

    # --- writes: into the engine only

    async def admit(self, symbol: str, lane: Lane) -> None:
        """Paper orders cost the venue nothing."""

    @_verdict
    async def submit_order(self, request: OrderRequest) -> OrderReport:
        """Fill against the book as it is now."""
        engine = await self._at_market(request.symbol)
        if self.now_ms() > request.stamp_ms + request.receive_window_ms:
            raise VenueRejected("paper", "the stamp is older than the receive window", Rejection.CLOCK)
        order = engine.place(
            self.account_name,
            NewOrder(
                symbol=request.symbol,
                side=request.side,
                type=request.order_type,
                size=request.size,
                price=request.price,
                time_in_force=request.time_in_force,
                trigger_price=request.trigger_price,
                reduce_only=request.reduce_only,
                client_id=request.client_id,
            ),
        )
        return replace(self._report(order), fills=tuple(self._fill(trade) for trade in order.trades))

    @_verdict
    async def cancel_order(self, symbol: str, client_id: str, *, is_trigger: bool = False) -> None:
        engine = await self._at_market(symbol)
        engine.cancel(self.account_name, symbol, client_id=client_id, is_trigger=is_trigger and ":" in symbol)

    @_verdict
    async def set_leverage(self, symbol: str, leverage: Decimal) -> None:
        engine = await self._current()
        _isolate(engine, self.account_name, symbol, leverage)

    @_verdict
    async def move_cash(self, amount: Decimal, *, to_perp: bool) -> None:
        (await self._current()).transfer(self.account_name, amount, to_perp=to_perp)

    @_verdict
    async def move_margin(self, symbol: str, amount: Decimal) -> None:
        (await self._at_market(symbol)).move_margin(self.account_name, symbol, amount)

    # --- the engine

    @property
    def _quote(self) -> str:
        return self._initial.quote if self._initial is not None else ""

    async def _start(self, instruments: Mapping[str, Instrument]) -> None:
        """Build the engine with the initial account in it; positions are re-opened at their entry, free of fees."""
        initial = self._initial
        if initial is None:
            raise Unavailable("the paper account is not open")
        held = {symbol: position for symbol, position in initial.positions.items() if symbol in instruments}
        for symbol, position in held.items():
            price, ms = position.entry_price, self.now_ms() - 1
            side = ((price, abs(position.size)),)
            self._push(Quote(symbol, price, price, ms, mark=price, index=price), Book(symbol, side, side, ms))
        quotes = await self._data.fetch_quotes([symbol for symbol in instruments if symbol not in held])
        self._show(quotes.values())
        free = {s: replace(i, maker_fee=ZERO, taker_fee=ZERO) for s, i in instruments.items()}
        known = {symbol: instrument for symbol, instrument in free.items() if self._market.has([symbol])}
        engine = Exchange(instruments=known, market=self._market, start_ms=self.now_ms() - 1)
        self._session = f"paper-{engine.now_ms}"
        spot = {name: balance.total for name, balance in initial.balances.items()}
        engine.create_account(self.account_name, spot=spot, perp=initial.perp_wallet, quote=initial.quote)
        for symbol, position in held.items():
            _reopen(engine, self.account_name, symbol, position)
        for symbol in known:
            engine.replace_instrument(instruments[symbol])
        self._engine = engine
        if held:
            await self._look(list(held))

    def _show(self, quotes: Iterable[Quote]) -> None:
        for quote in quotes:
            self._push(quote)
        if self._engine is not None:
            self._engine.advance(self.now_ms())

    def _push(self, quote: Quote, book: Book | None = None) -> None:
        """A look that is defective or older than the last one is left out."""
        if quote.defect() is None and quote.at_ms >= self._seen_ms.get(quote.symbol, 0):
            self._seen_ms[quote.symbol] = quote.at_ms
            self._market.push(quote, book)

    async def _look(self, symbols: Sequence[str]) -> None:
        """Show the engine the present quotes of these symbols, and the funding of the perps among them."""
        await self.fetch_quotes(symbols)
        perps = [symbol for symbol in symbols if ":" in symbol]
        if perps:
            await self.fetch_funding(perps)

    async def _current(self) -> Exchange:
        """The engine, advanced to now with fresh prices of whatever the account holds or has resting."""
        if self._engine is None:
            raise Unavailable("the paper account has no instruments yet")
        held = [position.symbol for position in self._engine.positions(self.account_name)]
        resting = [order.symbol for order in self._engine.open_orders(self.account_name)]
        if held or resting:
            await self._look(list(dict.fromkeys([*held, *resting])))
        self._engine.advance(self.now_ms())
        return self._engine

    async def _at_market(self, symbol: str) -> Exchange:
        """The engine with a fresh quote and book of one symbol.

        Raises:
            VenueRejected: when there is no market to trade at; a paper order that did not happen is certain.
        """
        if self._engine is None or symbol not in self._engine.instruments:
            raise VenueRejected("paper", f"{symbol} is not among the loaded instruments", Rejection.OTHER)
        try:
            if ":" in symbol:
                await self.fetch_funding([symbol])
            book = await self._data.fetch_book(symbol, _BOOK_LEVELS)
            quote = (await self._data.fetch_quotes([symbol]))[symbol]
        except (Unavailable, KeyError) as error:
            raise VenueRejected("paper", f"no market data: {error}", Rejection.OTHER) from error
        self._push(quote, book)
        self._engine.advance(self.now_ms())
        return self._engine

    def _report(self, order: SimOrder) -> OrderReport:
        became = order
        if order.child_id is not None and self._engine is not None:
            became = self._engine.order(self.account_name, order.symbol, order_id=order.child_id) or order
        return OrderReport(
            symbol=order.symbol,
            client_id=order.client_id,
            venue_id=self._id(order.symbol, order.id),
            state=_STATES[became.status],
            side=order.side,
            size=order.size,
            filled_size=became.filled_size,
            filled_quote=became.filled_quote,
            price=order.price,
            reduce_only=order.reduce_only,
            is_trigger=order.type.is_trigger,
            at_ms=became.updated_ms,
        )

    def _fill(self, trade: SimTrade) -> Fill:
        return Fill(
            venue=self.id,
            trade_id=self._id(trade.symbol, trade.id),
            symbol=trade.symbol,
            client_id=trade.client_id or None,
            venue_order_id=self._id(trade.symbol, trade.order_id),
            side=trade.side,
            price=trade.price,
            size=trade.size,
            fee=trade.fee,
            fee_asset=trade.fee_asset,
            is_maker=trade.is_maker,
            at_ms=trade.at_ms,
        )

    def _id(self, symbol: str, number: int) -> str:
        """The engine counts from one at every start; the journal must never take a new fill for an old one."""
        return f"{self._session}:{symbol}:{number}"


def _isolate(engine: Exchange, account: str, symbol: str, leverage: Decimal) -> None:
    try:
        engine.set_margin_type(account, symbol, isolated=True)
    except Refusal as refusal:
        if refusal.reason is not RefusalReason.MARGIN_TYPE_SAME:
            raise
    engine.set_leverage(account, symbol, int(leverage))


def _reopen(engine: Exchange, account: str, symbol: str, position: Position) -> None:
    """Bring a position into the engine at its own entry price and margin."""
    if position.is_isolated:
        _isolate(engine, account, symbol, position.leverage or Decimal(1))
    side = Side.of(position.size)
    try:
        engine.place(account, NewOrder(symbol=symbol, side=side, type=OrderType.MARKET, size=abs(position.size)))
    except Refusal as refusal:
        raise SetupFailed(
            f"the paper account cannot take over the position of {position.size} {symbol} ({refusal}); give it "
            "starting balances of its own in the settings"
        ) from refusal
    made = engine.position(account, symbol)
    missing = position.margin - made.isolated_wallet if made is not None else ZERO
    if position.is_isolated and missing:
        engine.move_margin(account, symbol, missing)
