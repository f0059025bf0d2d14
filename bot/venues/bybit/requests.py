"""Writes to Bybit. An acknowledgement says that the order was taken, and no more: what became of it is asked for."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar

from bot.domain.instrument import Instrument, Side
from bot.domain.money import plain
from bot.domain.order import OrderType, TimeInForce
from bot.ports import OrderReport, OrderRequest, OutcomeUnknown, Rejection, VenueRejected, acknowledged
from bot.venues.bybit.asking import result_of
from bot.venues.bybit.errors import SUCCESS, code_of
from bot.venues.bybit.markets import LINEAR, SPOT, category_of
from bot.venues.bybit.parse import INDEXES, ONE_WAY
from bot.venues.ccxt.account.sides import closed_by
from bot.venues.ccxt.account.writes import AccountWrites
from bot.venues.ccxt.errors import NotSent

SPOT_STOP = "tpslOrder"
_TIME_IN_FORCE = {
    TimeInForce.GTC: "GTC",
    TimeInForce.IOC: "IOC",
    TimeInForce.FOK: "FOK",
    TimeInForce.POST_ONLY: "PostOnly",
}
_RISES, _FALLS = 1, 2
_ORDER_ID = re.compile(r"[0-9A-Za-z-]{1,64}")


class BybitWrites(AccountWrites):
    """Writes of one account, in Bybit's terms. Isolated margin is the account's and is not set here."""

    sets_margin_mode = False
    perp_params: ClassVar[Mapping[str, Any]] = {"category": LINEAR}

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
        side = self._link.position_sides.get(symbol)
        index = {} if side is None else {"positionIdx": INDEXES[side]}
        answer = await self._post("privatePostV5PositionAddMargin", symbol, margin=plain(amount), **index)
        if result_of(answer).get("symbol") != self._link.known(symbol).venue_symbol:
            raise OutcomeUnknown(f"{symbol}: moving margin was answered without a confirmation")

    async def _create(self, request: OrderRequest) -> str:
        instrument = self._link.known(request.symbol)
        self._check(request, instrument)
        if request.receive_window_ms != self._link.receive_window_ms:
            raise NotSent(
                f"the order was journaled with a receive window of {request.receive_window_ms} ms, and requests are "
                f"signed with {self._link.receive_window_ms}",
                Rejection.OTHER,
            )
        params = _params(request, instrument)
        if request.reduce_only and request.symbol in self._link.position_sides:
            params["positionIdx"] = INDEXES[closed_by(request.side)]
        with self._link.stamped(request.stamp_ms):
            return await self._named("privatePostV5OrderCreate", params, request.client_id)

    def _report(self, request: OrderRequest, created: str) -> OrderReport:
        return acknowledged(request, created, request.stamp_ms)

    async def _send_leverage(self, symbol: str, leverage: Decimal) -> None:
        text = plain(leverage)
        try:
            await self._post("privatePostV5PositionSetLeverage", symbol, buyLeverage=text, sellLeverage=text)
        except VenueRejected as rejected:
            if rejected.kind is not Rejection.NO_CHANGE:
                raise

    async def _named(self, method: str, params: Mapping[str, Any], client_id: str) -> str:
        """The order id of an answer that names our order."""
        answer = await self._send(method, params)
        result = answer.get("result")
        order_id = result.get("orderId") if isinstance(result, Mapping) else None
        is_proven = isinstance(order_id, str) and _ORDER_ID.fullmatch(order_id)
        if not is_proven or result["orderLinkId"] != client_id:  # type: ignore[index]
            raise OutcomeUnknown(f"{client_id}: the venue answered without naming the order")
        return str(order_id)

    async def _send(self, method: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        answer = await getattr(self._link.exchange, method)(dict(params))
        if code_of(answer) != SUCCESS:
            raise OutcomeUnknown("the venue's answer does not say that it is one")
        return answer  # type: ignore[no-any-return]


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
        params["positionIdx"] = ONE_WAY
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
