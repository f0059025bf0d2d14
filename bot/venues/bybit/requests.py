"""Writes to Bybit. Every write is one HTTP request, sent once; nothing here is retried by any layer.

The caller has rounded: sizes and prices must lie on the instrument's grid and reach the wire digit by digit. Requests
are signed with the journaled stamp, because a fresh one, after a pause of the process, would be accepted too late. An
acknowledgement says that the order was taken, and no more: what became of it is asked for.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from bot.domain.instrument import Instrument, Side
from bot.domain.money import ZERO, floor_to, plain
from bot.domain.order import OrderType, TimeInForce
from bot.domain.portfolio import Position
from bot.ports import Lane, OrderReport, OrderRequest, OutcomeUnknown, Rejection, ReportState, VenueRejected
from bot.venues.bybit.asking import result_of
from bot.venues.bybit.errors import SUCCESS, code_of
from bot.venues.bybit.markets import LINEAR, SPOT, category_of
from bot.venues.ccxt.connection import Connection
from bot.venues.ccxt.errors import NotSent

LEVERAGE_KNOWN_MS = 600_000
SPOT_STOP = "tpslOrder"
_TIME_IN_FORCE = {
    TimeInForce.GTC: "GTC",
    TimeInForce.IOC: "IOC",
    TimeInForce.FOK: "FOK",
    TimeInForce.POST_ONLY: "PostOnly",
}
_RISES, _FALLS = 1, 2
_ORDER_ID = re.compile(r"[0-9A-Za-z-]{1,64}")


class BybitWrites:
    """Writes of one account. Everything raises VenueRejected (it did not happen) or OutcomeUnknown (it may have)."""

    def __init__(self, connection: Connection) -> None:
        self._link = connection
        self._client_id = re.compile(connection.profile.client_id_pattern)
        self._leverage: dict[str, tuple[Decimal, int]] = {}

    async def admit(self, symbol: str, lane: Lane) -> None:
        """Wait for the throttle on behalf of this task's next order or cancel."""
        await self._link.wire.admit(self._link.market_of(symbol), lane)

    async def submit_order(self, request: OrderRequest) -> OrderReport:
        """One POST. Success is a result code of 0 with an order id and our own id; anything else is unknown."""
        try:
            order_id = await self._link.write(lambda: self._create(request))
        except VenueRejected as rejected:
            raise self._judged(rejected, request.symbol) from rejected
        return _accepted(request, order_id)

    async def cancel_order(self, symbol: str, client_id: str, *, is_trigger: bool = False) -> None:
        """One POST, by client id."""
        params = {
            "category": category_of(symbol),
            "symbol": self._link.venue_symbol(symbol),
            "orderLinkId": client_id,
        }
        if is_trigger and params["category"] == SPOT:
            params["orderFilter"] = SPOT_STOP
        await self._link.write(lambda: self._named("privatePostV5OrderCancel", params, client_id))

    async def set_leverage(self, symbol: str, leverage: Decimal) -> None:
        """The leverage of a perp; "no change" is success. Isolated margin is the account's and is not set here. Nothing
        is sent when the venue confirmed the same less than ten minutes ago."""
        known, confirmed_ms = self._leverage.pop(symbol, (None, 0))
        if known == leverage and self._link.now_ms() - confirmed_ms < LEVERAGE_KNOWN_MS:
            self._leverage[symbol] = (leverage, confirmed_ms)
            return
        instrument = self._link.known(symbol)
        if instrument.is_former:
            raise VenueRejected(
                "not sent", f"the venue does not list {symbol}: nothing is opened in it", Rejection.OTHER
            )
        if leverage != leverage.to_integral_value() or leverage < 1:
            raise VenueRejected("not sent", f"leverage {leverage} is not a whole number from 1", Rejection.LEVERAGE)
        text = plain(leverage)
        try:
            await self._post("privatePostV5PositionSetLeverage", instrument, buyLeverage=text, sellLeverage=text)
        except VenueRejected as rejected:
            if rejected.kind is not Rejection.NO_CHANGE:
                raise
        self._leverage[symbol] = (leverage, self._link.now_ms())

    def compare_leverage(self, positions: Mapping[str, Position]) -> None:
        """Forget what the venue confirmed where it now reports something else: the next setting is sent."""
        for symbol, position in positions.items():
            known, _ = self._leverage.get(symbol, (position.leverage, 0))
            if position.leverage != known:
                self._leverage.pop(symbol, None)

    async def move_cash(self, amount: Decimal, *, to_perp: bool) -> None:
        """Spot and perps share one wallet: there is nowhere to move money to."""
        raise VenueRejected(
            "not sent",
            f"spot and perps share one wallet: {amount} {self._link.quote} cannot be moved "
            f"to {'perps' if to_perp else 'spot'}",
            Rejection.OTHER,
        )

    async def move_margin(self, symbol: str, amount: Decimal) -> None:
        """Add (positive) or take (negative) isolated margin of a position."""
        if amount == 0:
            return
        instrument = self._link.known(symbol)
        answer = await self._post("privatePostV5PositionAddMargin", instrument, margin=plain(amount))
        if result_of(answer).get("symbol") != instrument.venue_symbol:
            raise OutcomeUnknown(f"{symbol}: moving margin was answered without a confirmation")

    async def _create(self, request: OrderRequest) -> str:
        instrument = self._link.known(request.symbol)
        if instrument.is_former and not (request.reduce_only if instrument.is_perp else request.side is Side.SELL):
            message = (
                f"the venue does not list {request.symbol}: what is held in it may be closed, nothing may be opened"
            )
            raise NotSent(message, Rejection.OTHER)
        if request.receive_window_ms != self._link.receive_window_ms:
            raise NotSent(
                f"the order was journaled with a receive window of {request.receive_window_ms} ms, and requests are "
                f"signed with {self._link.receive_window_ms}",
                Rejection.OTHER,
            )
        self._check(request, instrument)
        params = _params(request, instrument)
        with self._link.stamped(request.stamp_ms):
            return await self._named("privatePostV5OrderCreate", params, request.client_id)

    def _check(self, request: OrderRequest, instrument: Instrument) -> None:
        """Raises NotSent for what would be refused, or reach the wire in other digits."""
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

    async def _named(self, method: str, params: Mapping[str, Any], client_id: str) -> str:
        """The order id of an answer that names our order."""
        answer = await self._send(method, params)
        result = answer.get("result")
        order_id = result.get("orderId") if isinstance(result, Mapping) else None
        is_proven = isinstance(order_id, str) and _ORDER_ID.fullmatch(order_id)
        if not is_proven or result["orderLinkId"] != client_id:  # type: ignore[index]
            raise OutcomeUnknown(f"{client_id}: the venue answered without naming the order")
        return str(order_id)

    async def _post(self, method: str, instrument: Instrument, **params: Any) -> Mapping[str, Any]:
        if not instrument.is_perp:
            raise VenueRejected("not sent", f"{instrument.symbol} is not a perp", Rejection.OTHER)
        wanted = {"category": LINEAR, "symbol": instrument.venue_symbol, **params}
        answer: Mapping[str, Any] = await self._link.write(lambda: self._send(method, wanted))
        return answer

    async def _send(self, method: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        answer = await getattr(self._link.exchange, method)(dict(params))
        if code_of(answer) != SUCCESS:
            raise OutcomeUnknown("the venue's answer does not say that it is one")
        return answer  # type: ignore[no-any-return]

    def _judged(self, rejected: VenueRejected, symbol: str) -> VenueRejected:
        """A refusal in a market that is listed no more is final where it says that the market has ended."""
        has_ended = (
            rejected.kind is Rejection.MARKET_CLOSED or rejected.code in self._link.profile.errors.unknown_symbol_codes
        )
        if not has_ended or not self._link.known(symbol).is_former:
            return rejected
        self._link.note_end(symbol)
        return VenueRejected(rejected.code, f"{rejected.message} (the market has ended)", Rejection.PERMANENT)


def _params(request: OrderRequest, instrument: Instrument) -> dict[str, Any]:
    """The whole body of a new order. All values are texts but flags and numbers of a choice."""
    perp = instrument.is_perp
    params: dict[str, Any] = {
        "category": LINEAR if perp else SPOT,
        "symbol": instrument.venue_symbol,
        "side": request.side.value.capitalize(),
        "orderType": "Limit" if request.order_type is OrderType.LIMIT else "Market",
        "qty": plain(request.size),
        "orderLinkId": request.client_id,
    }
    if perp:
        params["positionIdx"] = 0
    elif params["orderType"] == "Market":
        params["marketUnit"] = "baseCoin"  # without it a purchase would be for money
    if request.price is not None:
        params["price"] = plain(request.price)
        params["timeInForce"] = _TIME_IN_FORCE[request.time_in_force]
    if request.reduce_only:
        params["reduceOnly"] = True
    if request.trigger_price is not None:
        params["triggerPrice"] = plain(request.trigger_price)
        if perp:
            is_rising = (request.order_type is OrderType.STOP) is (request.side is Side.BUY)
            params |= {"triggerDirection": _RISES if is_rising else _FALLS, "triggerBy": "MarkPrice"}
        else:
            params["orderFilter"] = SPOT_STOP
    return params


def _accepted(request: OrderRequest, venue_id: str) -> OrderReport:
    return OrderReport(
        symbol=request.symbol,
        client_id=request.client_id,
        venue_id=venue_id,
        state=ReportState.OPEN,
        side=request.side,
        size=request.size,
        filled_size=ZERO,
        filled_quote=ZERO,
        price=request.price,
        reduce_only=request.reduce_only,
        is_trigger=request.order_type.is_trigger,
        at_ms=request.stamp_ms,
        trigger_price=request.trigger_price,
    )
