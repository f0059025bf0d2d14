"""Dry-run: a venue's market data, an account of our own that trades against it in the embedded exchange's engine.

Everything is pushed into the engine as it is read, so resting orders and triggers meet the prices the bot itself saw.
The account lives in memory: a restart takes up where an `Account` says, without resting orders.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from bot.domain.candles import CandleSeries
from bot.domain.instrument import Instrument, Side
from bot.domain.market import Book, Funding, OpenInterest, Quote
from bot.domain.money import ZERO
from bot.domain.order import Fill, OrderType
from bot.domain.portfolio import Account, Position
from bot.domain.symbol import is_perp
from bot.ports import AccountReview, Lane, OrderReport, Rejection, SetupFailed, Unavailable, Venue, VenueRejected
from bot.simex.engine.exchange import Exchange
from bot.simex.engine.refusal import Refusal
from bot.simex.engine.types import NewOrder
from bot.simex.market.catalogue import recorded_rules
from bot.simex.market.pushed import PushedMarket
from bot.venues.paper.engine_account import EngineAccount, isolate

_BOOK_LEVELS = 100


class PaperVenue(EngineAccount):
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
        self._carried: set[str] = set()  # ids of the engine's orders that stand for positions held before the start
        self._engine: Exchange | None = None
        super().__init__(name=account, venue=data.id, session="")
        self.environment = data.environment
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

    def are_facts_due(self) -> bool:
        """Whether instruments should be asked for again."""
        are_due: Callable[[], bool] = getattr(self._data, "are_facts_due", lambda: False)
        return are_due()

    async def fetch_instruments(self, symbols: Sequence[str] | None = None) -> Mapping[str, Instrument]:
        result = await self._data.fetch_instruments(symbols)
        if self._engine is None:
            await self._start(result)
        else:
            for symbol, instrument in result.items():
                if symbol not in self._engine.instruments:
                    await self._observe([symbol])
                if symbol in self._market.symbols:
                    self._engine.replace_instrument(instrument)
        return result

    async def fetch_clock_skew(self) -> int:
        return await self._data.fetch_clock_skew()

    def held_seconds(self) -> Mapping[str, float]:
        return self._data.held_seconds()

    def requests_used(self) -> Mapping[str, float]:
        return self._data.requests_used()

    async def fetch_account_review(self, max_age_ms: int) -> AccountReview:
        return await self._data.fetch_account_review(max_age_ms)

    async def fetch_quotes(self, symbols: Sequence[str]) -> Mapping[str, Quote]:
        quotes = await self._data.fetch_quotes(symbols)
        self._show(quotes.values())
        return quotes

    async def fetch_book(self, symbol: str, levels: int) -> Book:
        return await self._data.fetch_book(symbol, levels)

    async def fetch_candles(self, symbol: str, timeframe_ms: int, since_ms: int, limit: int) -> CandleSeries:
        return await self._data.fetch_candles(symbol, timeframe_ms, since_ms, limit)

    async def fetch_funding(self, symbols: Sequence[str]) -> Mapping[str, Funding]:
        result = await self._data.fetch_funding(symbols)
        for funding in result.values():
            self._market.push_funding(funding)
        return result

    async def fetch_open_interest(self, symbol: str) -> OpenInterest:
        return await self._data.fetch_open_interest(symbol)

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
        free = {symbol: _lenient(result, held.get(symbol)) for symbol, result in instruments.items()}
        known = {symbol: instrument for symbol, instrument in free.items() if self._market.has([symbol])}
        rules = recorded_rules(instruments)
        engine = Exchange(instruments=known, market=self._market, start_ms=self.now_ms() - 1, rules=rules)
        self._session = f"paper-{engine.now_ms}"
        spot = {name: balance.total for name, balance in initial.balances.items()}
        perp = initial.perp_wallet
        if initial.is_unified:  # here two wallets: what positions hold lies in the one for perps
            perp = min(spot.get(initial.quote, ZERO), sum((_margin_of(p, free[s]) for s, p in held.items()), ZERO))
            spot[initial.quote] = spot.get(initial.quote, ZERO) - perp
        engine.create_account(self.account_name, spot=spot, perp=perp, quote=initial.quote)
        for symbol, position in held.items():
            order_id = _reopen(engine, self.account_name, symbol, position)
            self._carried.add(self._id(symbol, order_id))
        for symbol in known:
            engine.replace_instrument(instruments[symbol])
        self._engine = engine
        if held:
            await self._observe(list(held))

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

    async def _observe(self, symbols: Sequence[str]) -> None:
        """Show the engine the present quotes of these symbols, and the funding of the perps among them."""
        await self.fetch_quotes(symbols)
        perps = [symbol for symbol in symbols if is_perp(symbol)]
        if perps:
            await self.fetch_funding(perps)

    async def fetch_order_history(self, symbol: str, since_ms: int) -> tuple[OrderReport, ...]:
        history = await super().fetch_order_history(symbol, since_ms)
        return tuple(report for report in history if report.venue_id not in self._carried)

    async def fetch_fills(self, symbol: str, since_ms: int) -> tuple[Fill, ...]:
        """Executions of this account; a position that it began with is none, the engine's own entry of it left out."""
        fills = await super().fetch_fills(symbol, since_ms)
        return tuple(fill for fill in fills if fill.venue_order_id not in self._carried)

    async def admit(self, symbol: str, lane: Lane) -> None:
        """Paper orders cost the venue nothing."""

    async def _current(self) -> Exchange:
        """The engine, advanced to now with fresh prices of whatever the account holds or has resting."""
        if self._engine is None:
            raise Unavailable("the paper account has no instruments yet")
        held = [position.symbol for position in self._engine.positions(self.account_name)]
        resting = [order.symbol for order in self._engine.open_orders(self.account_name)]
        if held or resting:
            await self._observe(list(dict.fromkeys([*held, *resting])))
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
            if is_perp(symbol):
                await self.fetch_funding([symbol])
            book = await self._data.fetch_book(symbol, _BOOK_LEVELS)
            quote = (await self._data.fetch_quotes([symbol]))[symbol]
        except (Unavailable, KeyError) as error:
            raise VenueRejected("paper", f"no market data: {error}", Rejection.OTHER) from error
        self._push(quote, book)
        self._engine.advance(self.now_ms())
        return self._engine


def _lenient(instrument: Instrument, position: Position | None) -> Instrument:
    """Free of fees; and without the filters and brackets that a position held already may not fit: they have changed
    since."""
    free = replace(instrument, maker_fee=ZERO, taker_fee=ZERO)
    if position is None:
        return free
    exponent = position.size.normalize().as_tuple().exponent
    grain = Decimal(1).scaleb(min(0, exponent)) if isinstance(exponent, int) else instrument.size_step
    return replace(
        free,
        size_step=grain,
        size_min=grain,
        size_max=None,
        market_size_max=None,
        notional_min=ZERO,
        brackets=(),
    )


def _margin_of(position: Position, instrument: Instrument) -> Decimal:
    """What a position holds of its wallet, and at least what opening it takes."""
    notional = instrument.notional(position.size, position.entry_price)
    return max(position.margin, notional / (position.leverage or Decimal(1)))


def _reopen(engine: Exchange, account: str, symbol: str, position: Position) -> int:
    """Bring a position into the engine at its own entry price and margin; the engine's order that did it."""
    if position.is_isolated:
        isolate(engine, account, symbol, position.leverage or Decimal(1))
    side = Side.of(position.size)
    try:
        order = engine.place(
            account, NewOrder(symbol=symbol, side=side, type=OrderType.MARKET, size=abs(position.size))
        )
    except Refusal as refusal:
        raise SetupFailed(
            f"the paper account cannot take over the position of {position.size} {symbol} ({refusal}); give it "
            "starting balances of its own in the settings"
        ) from refusal
    created = engine.position(account, symbol)
    missing = position.margin - created.isolated_wallet if created is not None else ZERO
    if position.is_isolated and missing:
        engine.move_margin(account, symbol, missing)
    return order.id
