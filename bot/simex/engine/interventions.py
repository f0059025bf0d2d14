"""What a person, a test or a simulation makes happen at the exchange: halts, ends of symbols, other rules, deposits."""

from dataclasses import replace
from decimal import Decimal

from bot.domain.brackets import Bracket
from bot.domain.instrument import Instrument
from bot.domain.money import ZERO
from bot.simex.engine import records
from bot.simex.engine.margin.liquidation import Liquidation
from bot.simex.engine.margin.requirements import Margin
from bot.simex.engine.refusal import Refusal, RefusalReason
from bot.simex.engine.rules import check_brackets
from bot.simex.engine.settlement import Settlement
from bot.simex.engine.state import State
from bot.simex.engine.timeline import Timeline
from bot.simex.engine.types import EventKind, ListingStatus, OrderStatus, PositionSide, SimOrder


class Interventions:
    """The part of `Exchange` that no client of a venue can call. Refusal as there."""

    _state: State
    _margin: Margin
    _settlement: Settlement
    _liquidation: Liquidation
    _timeline: Timeline

    def is_listed(self, symbol: str) -> bool:
        """Whether the symbol is one of `instruments`, open or not."""
        listing = self._state.listings.get(symbol)
        return listing is not None and not listing.is_removed

    def deposit(self, account: str, asset: str, amount: Decimal, *, to_perp: bool) -> None:
        """Money from outside is in the wallet at once. BAD_REQUEST for an amount below zero."""
        self._settlement.deposit(self._state.account(account), asset, amount, to_perp=to_perp)

    def halt(self, symbol: str) -> None:
        """Take no orders and fill none until `resume`; cancels are taken."""
        self._state.listing(symbol).is_halted = True
        self._state.emit(EventKind.INSTRUMENT, symbol=symbol, reason="halted")

    def freeze_prices(self, symbol: str, *, frozen: bool = True) -> None:
        """Show the prices of now for as long as it lasts, their time with them; trading goes on at the true ones."""
        self._state.listing(symbol).are_prices_frozen = frozen

    def are_prices_frozen(self, symbol: str) -> bool:
        """Whether old prices of the symbol are shown."""
        return self._state.listing(symbol).are_prices_frozen

    def resume(self, symbol: str) -> None:
        self._state.listing(symbol).is_halted = False
        self._state.emit(EventKind.INSTRUMENT, symbol=symbol, reason="resumed")

    def set_status(self, symbol: str, status: ListingStatus) -> None:
        """Anything but TRADING takes no orders; PRE_SETTLE takes those that reduce. Cancels are always taken."""
        self._state.listing(symbol).status = status
        self._state.emit(EventKind.INSTRUMENT, symbol=symbol, reason=status.value)

    def delist(self, symbol: str, settlement_price: Decimal | None = None) -> None:
        """End a symbol now: orders expire, positions are settled, at mark unless a price is given."""
        if not self._state.listing(symbol).is_delisted:
            self._timeline.delist(symbol, settlement_price)

    def remove(self, symbol: str) -> None:
        """End a symbol and remove it from every endpoint. Balances of its token stay."""
        self.delist(symbol)
        self._state.listing(symbol).is_removed = True
        self._state.emit(EventKind.INSTRUMENT, symbol=symbol, reason="removed")

    def unlist(self, symbol: str) -> None:
        """Leave a symbol out of the list of instruments; every other endpoint goes on with it."""
        self._state.listing(symbol).is_unlisted = True
        self._state.emit(EventKind.INSTRUMENT, symbol=symbol, reason="unlisted")

    def is_unlisted(self, symbol: str) -> bool:
        """Whether the list of instruments leaves it out."""
        return self._state.listing(symbol).is_unlisted

    def deleverage(self, account: str, symbol: str, size: Decimal, side: PositionSide = PositionSide.BOTH) -> SimOrder:
        """Close so much of a position at mark, as auto-deleveraging does. POSITION_MISSING."""
        held = self._state.account(account)
        self._state.perp(symbol)
        if not ZERO < size <= abs(held.size_of(symbol, side)):
            raise Refusal(RefusalReason.POSITION_MISSING, f"{symbol} has no {size} to close")
        return self._liquidation.deleverage(held, (symbol, side), size)

    def put_order_into(self, account: str, symbol: str, order_id: int, status: OrderStatus) -> SimOrder:
        """An open order has another open status from now on: PENDING_NEW (it waits for another order and is not
        filled), PENDING_CANCEL (its cancel is on its way) or NEW. UNKNOWN_ORDER when it is not open."""
        held = self._state.account(account)
        result = records.find_order(held, symbol, order_id, None, None)
        if result is None or not result.is_open or not status.is_open:
            raise Refusal(RefusalReason.UNKNOWN_ORDER, f"no open order {order_id} of {symbol}")
        changed = replace(result, status=status, updated_ms=self._state.now_ms)
        self._state.keep(held, changed)
        return changed

    def set_brackets(self, symbol: str, brackets: tuple[Bracket, ...]) -> None:
        """Other risk brackets from now on. Positions keep their leverage; orders and settings beyond are refused.

        Raises:
            ValueError: for brackets that no exchange has: with a gap, or with maintenance that jumps between two.
        """
        self._state.perp(symbol)
        check_brackets(brackets)
        self._margin.set_brackets(symbol, brackets)
        self._state.emit(EventKind.INSTRUMENT, symbol=symbol, reason="brackets")

    def reset_brackets(self, symbol: str) -> None:
        """The usual risk brackets again."""
        self._state.perp(symbol)
        self._margin.reset_brackets(symbol)
        self._state.emit(EventKind.INSTRUMENT, symbol=symbol, reason="brackets")

    def set_funding_interval(self, symbol: str, hours: int) -> None:
        """Settle funding every so many hours from now on. ValueError for hours that do not divide a day."""
        self._state.perp(symbol)
        self._state.set_funding_interval(symbol, hours)

    def convert(self, was: str, becomes: str, ratio: Decimal, quote: str = "USDT") -> None:
        """Rename a token: its markets end (orders expire, perps are settled at mark), every balance of it becomes
        `ratio` times as much of the new one, whose markets open if the market knows them.

        UNKNOWN_SYMBOL when the new token's spot is not one of `instruments`.
        """
        self._state.listing(f"{becomes}/{quote}")
        for symbol in (f"{was}/{quote}", f"{was}/{quote}:{quote}"):
            if self.is_listed(symbol):
                self.delist(symbol)
        for account in self._state.accounts.values():
            self._settlement.convert(account, was, becomes, ratio)
        for symbol in (f"{becomes}/{quote}", f"{becomes}/{quote}:{quote}"):
            if self.is_listed(symbol):
                self.resume(symbol)

    def replace_instrument(self, instrument: Instrument) -> None:
        """Change filters, fees or add a symbol the market knows; resting orders stay."""
        self._state.replace_instrument(instrument)
