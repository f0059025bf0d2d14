"""The embedded exchange's engine as a venue without a network: what back-tests and simulations trade at.

Nothing here waits, so a whole day of cycles costs no wall time; the engine is advanced to the clock on every call.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from operator import is_

from bot.domain.brackets import highest_leverage
from bot.domain.candles import CandleSeries
from bot.domain.instrument import Instrument
from bot.domain.market import Book, Funding, OpenInterest, Quote
from bot.ports import AccountProblem, AccountReview, Clock, Lane, Rejection, Unavailable, VenueRejected
from bot.simex.engine.exchange import Exchange
from bot.simex.engine.refusal import Refusal
from bot.venues.paper.engine_account import EngineAccount

RECEIVE_WINDOW_MS = 5_000
QUIET_PERIOD_MS = 1_000


class EngineVenue(EngineAccount):
    """Implements `bot.ports.Venue` over one account of an `Exchange`.

    Args:
        exchange: the engine, the account in it.
        clock: the simulation's time; it must never run backwards.
        account: name of the account, in the engine and for us.
        quote: the currency everything is counted in.
        venue: the id fills carry.
    """

    answers_at_once = True

    def __init__(
        self, exchange: Exchange, clock: Clock, *, account: str, quote: str = "USDT", venue: str = "binance"
    ) -> None:
        super().__init__(name=account, venue=venue, session="engine")
        self._exchange, self._clock, self._quote_asset = exchange, clock, quote
        self._described: dict[str, tuple[tuple[object, ...], Instrument]] = {}
        self.environment = "sim"
        self.has_transfers = True
        self.receive_window_ms, self.quiet_period_ms = RECEIVE_WINDOW_MS, QUIET_PERIOD_MS

    @property
    def clock_skew_ms(self) -> int:
        return 0

    @property
    def _quote(self) -> str:
        return self._quote_asset

    @property
    def change_number(self) -> tuple[int, int]:
        """(events, moves of money), see `Exchange.change_number`."""
        return self._advanced().change_number

    async def open(self) -> None:
        self._advanced()

    async def close(self) -> None:
        """There is nothing to end: the engine is its owner's."""

    def now_ms(self) -> int:
        return self._clock.now_ms()

    async def fetch_clock_skew(self) -> int:
        return 0

    def held_seconds(self) -> Mapping[str, float]:
        return {}

    def requests_used(self) -> Mapping[str, float]:
        return {}

    async def fetch_account_review(self, max_age_ms: int) -> AccountReview:
        """The engine's modes and rights, as a venue's checks would find them."""
        del max_age_ms
        modes = self._advanced().modes(self.account_name)
        result = {
            "position_mode": ("hedge mode", "one-way mode", modes.is_hedge_mode),
            "assets_mode": ("multi-assets mode", "single-asset mode", modes.is_multi_assets),
            "futures_account": ("no state to trade", "a state to trade", not modes.can_trade),
        }
        return AccountReview(
            tuple(
                AccountProblem(check, f"the account of {self.id} is in {wrong}", f"switch it to {right}")
                for check, (wrong, right, is_found) in result.items()
                if is_found
            )
        )

    async def fetch_instruments(self, symbols: Sequence[str] | None = None) -> Mapping[str, Instrument]:
        """With the account's fee rates and the leverage brackets of perps."""
        engine = self._advanced()
        known = engine.instruments
        return {
            symbol: self._instrument(engine, known[symbol])
            for symbol in (known if symbols is None else symbols)
            if symbol in known
        }

    def _instrument(self, engine: Exchange, listed: Instrument) -> Instrument:
        """The same object while nothing of it has changed."""
        symbol = listed.symbol
        maker, taker = engine.fee_rates(self.account_name, symbol)
        brackets = engine.brackets(symbol) if listed.is_perp else ()
        made_of = (listed, maker, taker, brackets)
        known = self._described.get(symbol)
        if known is not None and all(map(is_, known[0], made_of)):
            return known[1]
        result = replace(listed, maker_fee=maker, taker_fee=taker)
        if listed.is_perp:
            result = replace(result, leverage_max=highest_leverage(brackets), brackets=brackets)
        self._described[symbol] = made_of, result
        return result

    async def fetch_quotes(self, symbols: Sequence[str]) -> Mapping[str, Quote]:
        """Symbols that do not trade are left out."""
        engine = self._advanced()
        return {symbol: engine.quote(symbol) for symbol in self._open(engine, symbols)}

    async def fetch_book(self, symbol: str, levels: int) -> Book:
        engine = self._advanced()
        if not self._open(engine, [symbol]):
            raise Unavailable(f"{symbol} does not trade")
        return engine.book(symbol, levels)

    async def fetch_candles(self, symbol: str, timeframe_ms: int, since_ms: int, limit: int) -> CandleSeries:
        """Closed candles opening at or after `since_ms`, at most `limit`."""
        engine = self._advanced()
        try:
            result = engine.candles(symbol, timeframe_ms, max(1, since_ms), engine.now_ms - timeframe_ms, limit)
        except Refusal as refusal:
            raise Unavailable(str(refusal)) from refusal
        return result

    async def fetch_funding(self, symbols: Sequence[str]) -> Mapping[str, Funding]:
        engine = self._advanced()
        return {symbol: engine.funding(symbol) for symbol in self._open(engine, symbols)}

    async def fetch_open_interest(self, symbol: str) -> OpenInterest:
        try:
            return self._advanced().open_interest(symbol)
        except Refusal as refusal:
            raise Unavailable(str(refusal)) from refusal

    async def admit(self, symbol: str, lane: Lane) -> None:
        """The engine has no order limits."""

    def _advanced(self) -> Exchange:
        self._exchange.advance(self._clock.now_ms())
        return self._exchange

    async def _current(self) -> Exchange:
        return self._advanced()

    async def _at_market(self, symbol: str) -> Exchange:
        engine = self._advanced()
        if not engine.is_listed(symbol):
            raise VenueRejected("engine", f"{symbol} is not listed", Rejection.OTHER)
        return engine

    def _open(self, engine: Exchange, symbols: Sequence[str]) -> list[str]:
        return [symbol for symbol in symbols if engine.is_listed(symbol) and engine.is_open(symbol)]
