"""Writes to Binance. ccxt builds the orders, so each digit is checked against what it would send."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from bot.domain.instrument import Instrument
from bot.domain.money import plain
from bot.domain.order import OrderType, TimeInForce
from bot.domain.symbol import is_perp
from bot.ports import OrderReport, OrderRequest, OutcomeUnknown, Rejection, VenueRejected, acknowledged
from bot.venues.binance import parse
from bot.venues.ccxt.account.sides import closed_by
from bot.venues.ccxt.account.writes import AccountWrites
from bot.venues.ccxt.errors import NotSent
from bot.venues.ccxt.rows import UNREADABLE

_TIME_IN_FORCE = {TimeInForce.GTC: "GTC", TimeInForce.IOC: "IOC", TimeInForce.FOK: "FOK"}


class Writes(AccountWrites):
    """Writes of one account, in Binance's terms."""

    sets_margin_mode = True

    async def cancel_order(self, symbol: str, client_id: str, *, is_trigger: bool = False) -> None:
        """One DELETE, by client id."""
        await self._link.write(lambda: self._cancel(symbol, client_id, is_trigger=is_trigger))

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
        self._check(request, instrument)
        size, price, trigger = self._digits(request)
        params = self._params(request, instrument, trigger)
        kind = "limit" if request.order_type is OrderType.LIMIT else "market"
        order = await exchange.create_order(request.symbol, kind, request.side.value, size, price, params)
        row = order.get("info")
        if order.get("id") is None or not isinstance(row, dict):
            raise OutcomeUnknown(f"{request.client_id}: the venue answered without an order id")
        return row

    def _report(self, request: OrderRequest, created: Mapping[str, Any]) -> OrderReport:
        instrument = self._link.known(request.symbol)
        try:
            if "algoId" in created:
                return parse.trigger_report(created, request.symbol)
            fills = parse.placement_fills(created, venue=instrument.venue, symbol=request.symbol)
            return parse.order_report(created, request.symbol, contract_size=instrument.contract_size, fills=fills)
        except UNREADABLE:
            # The id is there, so the order is; what the rest means is asked for by the reconciler.
            return acknowledged(request, str(created.get("orderId") or created.get("algoId")), request.stamp_ms)

    async def _send_leverage(self, symbol: str, leverage: Decimal) -> None:
        """Isolated margin first, then the leverage: two requests, each sent once."""
        try:
            await self._post("fapiPrivatePostMarginType", symbol, marginType="ISOLATED")
        except VenueRejected as rejected:
            if rejected.kind is not Rejection.NO_CHANGE:
                raise
        answer = await self._post("fapiPrivatePostLeverage", symbol, leverage=int(leverage))
        if str(answer.get("leverage")) != str(int(leverage)):
            raise OutcomeUnknown(f"{symbol}: asked for leverage {leverage}, the answer says {answer.get('leverage')}")

    def _digits(self, request: OrderRequest) -> tuple[str, str | None, str | None]:
        """(size, price, trigger price) as text that ccxt passes on unchanged."""
        exchange, size = self._link.exchange, plain(request.size)
        price, trigger = (None if value is None else plain(value) for value in (request.price, request.trigger_price))
        passed = exchange.amount_to_precision(request.symbol, size)
        if Decimal(passed) != request.size:
            raise NotSent(f"ccxt would send size {passed} instead of {size}", Rejection.FILTER)
        for text in (price, trigger):
            if text is not None and Decimal(exchange.price_to_precision(request.symbol, text)) != Decimal(text):
                raise NotSent(f"ccxt would round the price {text}", Rejection.FILTER)
        return size, price, trigger

    def _params(self, request: OrderRequest, instrument: Instrument, trigger: str | None) -> dict[str, Any]:
        params: dict[str, Any] = {
            "timestamp": request.stamp_ms,
            "recvWindow": request.receive_window_ms,
            "newClientOrderId": request.client_id,
        }
        if request.reduce_only:
            if self._link.position_sides:  # in hedge mode the side says it, and the flag is refused
                params["positionSide"] = closed_by(request.side)
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

    async def _send(self, method: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        answer = await getattr(self._link.exchange, method)(dict(params))
        if not isinstance(answer, dict):
            raise OutcomeUnknown("the venue's answer is not JSON")
        return answer
