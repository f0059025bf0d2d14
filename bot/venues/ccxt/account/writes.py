"""Writes of one account, as far as they are the same at every venue: the checks before a request and the leverage that
the venue confirmed.

Every write is one HTTP request, sent once; nothing here is retried by any layer. The caller has rounded: sizes and
prices must lie on the instrument's grid and reach the wire digit by digit. Requests are signed with the journaled
stamp, because a fresh one, after a pause of the process, would be accepted too late.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Mapping
from decimal import Decimal
from typing import Any, ClassVar

from bot.domain.instrument import Instrument, Side
from bot.domain.money import floor_to
from bot.domain.order import OrderType
from bot.domain.portfolio import Position
from bot.domain.symbol import is_perp
from bot.ports import Lane, OrderReport, OrderRequest, Rejection, Unavailable, VenueRejected
from bot.venues.ccxt.connection import Connection
from bot.venues.ccxt.errors import NotSent
from bot.venues.ccxt.rows import UNREADABLE

LEVERAGE_KNOWN_MS = 600_000


class AccountWrites(ABC):
    """Writes of one account. Everything raises VenueRejected (it did not happen) or OutcomeUnknown (it may have)."""

    sets_margin_mode: ClassVar[bool]
    """Whether setting the leverage sets isolated margin as well."""
    perp_params: ClassVar[Mapping[str, Any]] = {}
    """What every request about one perp carries besides its symbol."""

    def __init__(self, connection: Connection) -> None:
        self._link = connection
        self._client_id = re.compile(connection.profile.client_id_pattern)
        self._leverage: dict[str, tuple[Decimal, int]] = {}

    @abstractmethod
    async def _create(self, request: OrderRequest) -> Any:
        """Send the order, once, and return what proves that the venue took it."""

    @abstractmethod
    def _report(self, request: OrderRequest, created: Any) -> OrderReport:
        """What `_create` returned, as a report."""

    @abstractmethod
    async def _send_leverage(self, symbol: str, leverage: Decimal) -> None:
        """Set the leverage of a perp; the venue's "no change" is success."""

    @abstractmethod
    async def _send(self, method: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """Send one request. Raises OutcomeUnknown for an answer that is not the venue's."""

    async def admit(self, symbol: str, lane: Lane) -> None:
        """Wait for the throttle on behalf of this task's next order or cancel."""
        await self._link.wire.admit(self._link.market_of(symbol), lane, is_spot=not is_perp(symbol))

    async def submit_order(self, request: OrderRequest) -> OrderReport:
        """One POST. Without a proof that the venue took the order the outcome is unknown."""
        try:
            created = await self._link.write(lambda: self._create(request))
        except VenueRejected as rejected:
            raise self._final_where_ended(rejected, request.symbol) from rejected
        return self._report(request, created)

    async def set_leverage(self, symbol: str, leverage: Decimal) -> None:
        """Set the leverage of a perp. Nothing is sent when the venue confirmed the same less than ten minutes ago."""
        known, confirmed_ms = self._leverage.pop(symbol, (None, 0))
        if known == leverage and self._link.now_ms() - confirmed_ms < LEVERAGE_KNOWN_MS:
            self._leverage[symbol] = (leverage, confirmed_ms)
            return
        if self._link.known(symbol).is_former:
            raise VenueRejected(
                "not sent", f"the venue does not list {symbol}: nothing is opened in it", Rejection.OTHER
            )
        if leverage != leverage.to_integral_value() or leverage < 1:
            raise VenueRejected("not sent", f"leverage {leverage} is not a whole number from 1", Rejection.LEVERAGE)
        await self._send_leverage(symbol, leverage)
        self._leverage[symbol] = (leverage, self._link.now_ms())

    def compare_leverage(self, positions: Mapping[str, Position]) -> None:
        """Forget what the venue confirmed where it now reports something else: the next setting is sent."""
        for symbol, position in positions.items():
            known, _ = self._leverage.get(symbol, (position.leverage, 0))
            if position.leverage != known or (self.sets_margin_mode and not position.is_isolated):
                self._leverage.pop(symbol, None)

    def _check(self, request: OrderRequest, instrument: Instrument) -> None:
        """Check an order before it is sent.

        Raises:
            NotSent: the venue would refuse it, or it would reach the wire in other digits.
        """
        if instrument.is_former and not (request.reduce_only if instrument.is_perp else request.side is Side.SELL):
            raise NotSent(
                f"the venue does not list {request.symbol}: what is held in it may be closed, nothing may be opened",
                Rejection.OTHER,
            )
        if not self._client_id.fullmatch(request.client_id):
            raise NotSent(f"client id {request.client_id!r} is not valid at {self._link.profile.id}", Rejection.OTHER)
        if request.size <= 0 or floor_to(request.size, instrument.size_step) != request.size:
            raise NotSent(f"size {request.size} is not on the grid of {instrument.size_step}", Rejection.FILTER)
        for name, price in (("price", request.price), ("trigger price", request.trigger_price)):
            if price is not None and (price <= 0 or floor_to(price, instrument.price_tick) != price):
                raise NotSent(f"{name} {price} is not on the grid of {instrument.price_tick}", Rejection.FILTER)
        if (request.price is None) is (request.order_type is OrderType.LIMIT):
            raise NotSent(f"a {request.order_type} order with price {request.price}", Rejection.FILTER)
        if request.order_type.is_trigger is (request.trigger_price is None):
            raise NotSent(f"a {request.order_type} order with trigger {request.trigger_price}", Rejection.FILTER)
        if request.reduce_only and not instrument.is_perp:
            raise NotSent(f"{request.symbol} is spot: it has no reduce-only orders", Rejection.REDUCE_ONLY)

    async def _post(self, method: str, symbol: str, **params: Any) -> Mapping[str, Any]:
        """Send one request about a perp."""
        instrument = self._link.known(symbol)
        if not instrument.is_perp:
            raise VenueRejected("not sent", f"{symbol} is not a perp", Rejection.OTHER)
        body = {**self.perp_params, "symbol": instrument.venue_symbol, **params}
        answer: Mapping[str, Any] = await self._link.write(lambda: self._send(method, body))
        return answer

    async def _id_found_by(self, finding: Awaitable[str], symbol: str, client_id: str) -> str:
        """The venue's id of an open order of ours. Raises VenueRejected where it is not found: nothing is sent then."""
        try:
            found = await finding
        except (*UNREADABLE, Unavailable) as error:
            raise VenueRejected(
                "not sent", f"{client_id} cannot be named to the venue: {error}", Rejection.OTHER
            ) from None
        if not found:
            raise VenueRejected("not sent", f"no open order of {symbol} is {client_id}", Rejection.NOT_FOUND)
        return found

    def _final_where_ended(self, rejected: VenueRejected, symbol: str) -> VenueRejected:
        """A rejection in a market that is listed no more is final where it says that the market has ended."""
        is_unknown = self._link.profile.errors.is_symbol_unknown(rejected.code, rejected.message)
        has_ended = rejected.kind is Rejection.MARKET_CLOSED or is_unknown
        if not has_ended or not self._link.known(symbol).is_former:
            return rejected
        self._link.note_end(symbol)
        return VenueRejected(rejected.code, f"{rejected.message} (the market has ended)", Rejection.PERMANENT)
