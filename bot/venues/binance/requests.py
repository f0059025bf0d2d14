"""Writes to the venue. Every write is one HTTP request, sent once; nothing here is retried by any layer.

The caller has rounded: sizes and prices must lie on the instrument's grid and reach the wire digit by digit. Requests
are signed with the journaled stamp, because a fresh one, after a pause of the process, would be accepted too late.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from bot.domain.instrument import Instrument, Side
from bot.domain.money import ZERO, floor_to, plain
from bot.domain.order import OrderType, TimeInForce
from bot.domain.portfolio import Position
from bot.domain.symbol import is_perp
from bot.ports import Lane, OrderReport, OrderRequest, OutcomeUnknown, Rejection, ReportState, VenueRejected
from bot.venues.binance import parse
from bot.venues.ccxt.connection import Connection
from bot.venues.ccxt.errors import NotSent
from bot.venues.ccxt.rows import UNREADABLE

LEVERAGE_KNOWN_MS = 600_000
_TIME_IN_FORCE = {TimeInForce.GTC: "GTC", TimeInForce.IOC: "IOC", TimeInForce.FOK: "FOK"}


class Writes:
    """Writes of one account. Everything raises VenueRejected (it did not happen) or OutcomeUnknown (it may have)."""

    def __init__(self, connection: Connection) -> None:
        self._link = connection
        self._client_id = re.compile(connection.profile.client_id_pattern)
        self._leverage: dict[str, tuple[Decimal, int]] = {}

    async def admit(self, symbol: str, lane: Lane) -> None:
        """Wait for the throttle on behalf of this task's next order or cancel."""
        await self._link.wire.admit(self._link.market_of(symbol), lane)

    async def submit_order(self, request: OrderRequest) -> OrderReport:
        """One POST. The report is the venue's; without an order id in it the outcome is unknown."""
        try:
            row = await self._link.write(lambda: self._create(request))
        except VenueRejected as rejected:
            raise self._judged(rejected, request.symbol) from rejected
        instrument = self._link.known(request.symbol)
        try:
            if "algoId" in row:
                return parse.trigger_report(row, request.symbol)
            fills = parse.placement_fills(row, venue=instrument.venue, symbol=request.symbol)
            return parse.order_report(row, request.symbol, contract_size=instrument.contract_size, fills=fills)
        except UNREADABLE:
            # The id is there, so the order is; what the rest means is asked for by the reconciler.
            return _accepted(request, str(row.get("orderId") or row.get("algoId")))

    async def cancel_order(self, symbol: str, client_id: str, *, is_trigger: bool = False) -> None:
        """One DELETE, by client id."""
        await self._link.write(lambda: self._cancel(symbol, client_id, is_trigger=is_trigger))

    async def set_leverage(self, symbol: str, leverage: Decimal) -> None:
        """Isolated margin first, then the leverage; "no change" is success. Two requests, each sent once, and none when
        the venue confirmed the same less than ten minutes ago."""
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
        try:
            await self._post("fapiPrivatePostMarginType", symbol, marginType="ISOLATED")
        except VenueRejected as rejected:
            if rejected.kind is not Rejection.NO_CHANGE:
                raise
        answer = await self._post("fapiPrivatePostLeverage", symbol, leverage=int(leverage))
        if str(answer.get("leverage")) != str(int(leverage)):
            raise OutcomeUnknown(f"{symbol}: asked for leverage {leverage}, the answer says {answer.get('leverage')}")
        self._leverage[symbol] = (leverage, self._link.now_ms())

    def compare_leverage(self, positions: Mapping[str, Position]) -> None:
        """Forget what the venue confirmed where it now reports something else: the next setting is sent."""
        for symbol, position in positions.items():
            known, _ = self._leverage.get(symbol, (position.leverage, 0))
            if not position.is_isolated or position.leverage != known:
                self._leverage.pop(symbol, None)

    async def move_cash(self, amount: Decimal, *, to_perp: bool) -> None:
        """One transfer of quote money between the spot and the perp wallet."""
        if not self._link.environment.has_transfers:
            raise VenueRejected(
                "not sent",
                f"environment {self._link.environment.name!r} has no transfers; move the money at the venue",
                Rejection.OTHER,
            )
        if amount <= 0:
            raise VenueRejected("not sent", f"cannot move {amount}; the amount must be positive", Rejection.OTHER)
        params = {
            "type": "MAIN_UMFUTURE" if to_perp else "UMFUTURE_MAIN",
            "asset": self._link.quote,
            "amount": plain(amount),
        }
        answer = await self._link.write(lambda: self._send("sapiPostAssetTransfer", params))
        if not answer.get("tranId"):
            raise OutcomeUnknown(f"transfer of {amount} {self._link.quote}: the answer carries no id")

    async def move_margin(self, symbol: str, amount: Decimal) -> None:
        """Add (positive) or take (negative) isolated margin of a position."""
        if amount == 0:
            return
        side = self._link.position_sides.get(symbol)
        answer = await self._post(
            "fapiPrivatePostPositionMargin",
            symbol,
            amount=plain(abs(amount)),
            type=1 if amount > 0 else 2,
            **({} if side is None else {"positionSide": side}),
        )
        if str(answer.get("code")) != "200":
            raise OutcomeUnknown(f"{symbol}: moving margin was answered without a confirmation")

    async def _create(self, request: OrderRequest) -> Mapping[str, Any]:
        exchange, instrument = self._link.exchange, self._link.prepare(request.symbol)
        if instrument.is_former and not (request.reduce_only if instrument.is_perp else request.side is Side.SELL):
            message = (
                f"the venue does not list {request.symbol}: what is held in it may be closed, nothing may be opened"
            )
            raise NotSent(message, Rejection.OTHER)
        size, price, trigger = self._digits(request, instrument)
        params = self._params(request, instrument, trigger)
        kind = "limit" if request.order_type is OrderType.LIMIT else "market"
        order = await exchange.create_order(request.symbol, kind, request.side.value, size, price, params)
        row = order.get("info")
        if order.get("id") is None or not isinstance(row, dict):
            raise OutcomeUnknown(f"{request.client_id}: the venue answered without an order id")
        return row

    def _digits(self, request: OrderRequest, instrument: Instrument) -> tuple[str, str | None, str | None]:
        """(size, price, trigger price) as text that ccxt passes on unchanged."""
        if not self._client_id.fullmatch(request.client_id):
            raise NotSent(f"client id {request.client_id!r} is not valid at {self._link.profile.id}", Rejection.OTHER)
        if request.size <= 0 or floor_to(request.size, instrument.size_step) != request.size:
            raise NotSent(f"size {request.size} is not on the grid of {instrument.size_step}", Rejection.FILTER)
        prices = []
        for name, price in (("price", request.price), ("trigger price", request.trigger_price)):
            if price is not None and (price <= 0 or floor_to(price, instrument.price_tick) != price):
                raise NotSent(f"{name} {price} is not on the grid of {instrument.price_tick}", Rejection.FILTER)
            prices.append(None if price is None else plain(price))
        if (request.price is None) is (request.order_type is OrderType.LIMIT):
            raise NotSent(f"a {request.order_type} order with price {request.price}", Rejection.FILTER)
        if request.order_type.is_trigger is (request.trigger_price is None):
            raise NotSent(f"a {request.order_type} order with trigger {request.trigger_price}", Rejection.FILTER)
        exchange, size = self._link.exchange, plain(request.size)
        passed = exchange.amount_to_precision(request.symbol, size)
        if Decimal(passed) != request.size:
            raise NotSent(f"ccxt would send size {passed} instead of {size}", Rejection.FILTER)
        for text in prices:
            if text is not None and Decimal(exchange.price_to_precision(request.symbol, text)) != Decimal(text):
                raise NotSent(f"ccxt would round the price {text}", Rejection.FILTER)
        return size, prices[0], prices[1]

    def _params(self, request: OrderRequest, instrument: Instrument, trigger: str | None) -> dict[str, Any]:
        params: dict[str, Any] = {
            "timestamp": request.stamp_ms,
            "recvWindow": request.receive_window_ms,
            "newClientOrderId": request.client_id,
        }
        if request.reduce_only:
            if not instrument.is_perp:
                raise NotSent(f"{request.symbol} is spot: it has no reduce-only orders", Rejection.REDUCE_ONLY)
            if self._link.position_sides:  # in hedge mode the side says it, and the flag is refused
                params["positionSide"] = "LONG" if request.side is Side.SELL else "SHORT"
            else:
                params["reduceOnly"] = "true"
        if request.order_type is OrderType.LIMIT:
            if request.time_in_force is TimeInForce.POST_ONLY:
                params["postOnly"] = True
            else:
                params["timeInForce"] = _TIME_IN_FORCE[request.time_in_force]
        if trigger is not None:
            params["stopLossPrice" if request.order_type is OrderType.STOP else "takeProfitPrice"] = trigger
            if instrument.is_perp:
                params["workingType"] = "MARK_PRICE"
        return params

    async def _cancel(self, symbol: str, client_id: str, *, is_trigger: bool) -> None:
        params: dict[str, Any] = {"origClientOrderId": client_id}
        if is_trigger and is_perp(symbol):
            params["trigger"] = True
        self._link.prepare(symbol)  # ccxt cancels in markets that it knows
        order = await self._link.exchange.cancel_order(None, symbol, params)
        if order.get("id") is None:
            raise OutcomeUnknown(f"{client_id}: the cancel was answered without an order id")

    async def _post(self, method: str, symbol: str, **params: Any) -> Mapping[str, Any]:
        instrument = self._link.known(symbol)
        if not instrument.is_perp:
            raise VenueRejected("not sent", f"{symbol} is not a perp", Rejection.OTHER)
        answer: Mapping[str, Any] = await self._link.write(
            lambda: self._send(method, {"symbol": instrument.venue_symbol, **params})
        )
        return answer

    def _judged(self, rejected: VenueRejected, symbol: str) -> VenueRejected:
        """A refusal in a market that is listed no more is final where it says that the market has ended."""
        has_ended = (
            rejected.kind is Rejection.MARKET_CLOSED or rejected.code in self._link.profile.errors.unknown_symbol_codes
        )
        if not has_ended or not self._link.known(symbol).is_former:
            return rejected
        self._link.note_end(symbol)
        return VenueRejected(rejected.code, f"{rejected.message} (the market has ended)", Rejection.PERMANENT)

    async def _send(self, method: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        answer = await getattr(self._link.exchange, method)(dict(params))
        if not isinstance(answer, dict):
            raise OutcomeUnknown("the venue's answer is not JSON")
        return answer


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
    )
