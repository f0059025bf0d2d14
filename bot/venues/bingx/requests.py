"""Writes to BingX, through ccxt's implicit methods: its unified ones write small sizes as 1e-05.

All parameters are in the query, and the answers come with HTTP 200 whatever they say: an order was taken where the
answer has the code of a success, an order id, and our own id. Conditional orders of perps have none, so their answer
has to name the order by what it is.
"""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from bot.domain.instrument import Instrument
from bot.domain.money import plain
from bot.domain.order import OrderType, TimeInForce
from bot.domain.symbol import is_perp
from bot.ports import OrderReport, OrderRequest, OutcomeUnknown, Rejection, VenueRejected, acknowledged
from bot.venues.bingx import parse
from bot.venues.bingx.errors import SUCCESS, code_of
from bot.venues.bingx.order_reads import BingxOrderReads
from bot.venues.ccxt.account.sides import closed_by
from bot.venues.ccxt.account.unnamed_writes import UnnamedStopWrites
from bot.venues.ccxt.connection import Connection
from bot.venues.ccxt.errors import NotSent
from bot.venues.ccxt.rows import UNREADABLE, number

_TIME_IN_FORCE = {
    TimeInForce.GTC: "GTC",
    TimeInForce.IOC: "IOC",
    TimeInForce.FOK: "FOK",
    TimeInForce.POST_ONLY: "PostOnly",
}
_TYPES = {
    OrderType.LIMIT: "LIMIT",
    OrderType.MARKET: "MARKET",
    OrderType.STOP: "STOP_MARKET",
    OrderType.TAKE_PROFIT: "TAKE_PROFIT_MARKET",
}
_SPOT_WALLET, _PERP_WALLET = "spot", "USDTMPerp"


class BingxWrites(UnnamedStopWrites):
    """Writes of one account, in BingX's terms."""

    sets_margin_mode = True

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._orders = BingxOrderReads(connection)

    async def cancel_order(self, symbol: str, client_id: str, *, is_trigger: bool = False) -> None:
        """One request: by client id, or by the venue's id for a conditional order of a perp, which is looked up first
        where it is not known yet."""
        params = {"symbol": self._link.venue_symbol(symbol)}
        if not is_perp(symbol):
            await self._link.write(
                lambda: self._cancelled("spotV1PrivatePostTradeCancel", params | {"clientOrderID": client_id}, symbol)
            )
            return
        if is_trigger:
            params |= {"orderId": await self._venue_id(symbol, client_id)}
        else:
            params |= {"clientOrderId": client_id}
        await self._link.write(lambda: self._cancelled("swapV2PrivateDeleteTradeOrder", params, symbol))
        if is_trigger:
            self._link.stops.ended(client_id)

    async def move_cash(self, amount: Decimal, *, to_perp: bool) -> None:
        """One transfer of quote money between the spot and the perp wallet."""
        if not self._link.environment.has_transfers:
            raise VenueRejected(
                "not sent",
                f"environment {self._link.environment.name!r} has no transfers: there is no way to move money",
                Rejection.OTHER,
            )
        if amount <= 0:
            raise VenueRejected("not sent", f"cannot move {amount}; the amount must be positive", Rejection.OTHER)
        wallets = (_SPOT_WALLET, _PERP_WALLET) if to_perp else (_PERP_WALLET, _SPOT_WALLET)
        params = {
            "fromAccount": wallets[0],
            "toAccount": wallets[1],
            "asset": self._link.quote,
            "amount": plain(amount),
        }
        answer = await self._link.write(lambda: self._send("apiAssetV1PrivatePostTransfer", params))
        data = answer.get("data")
        if not isinstance(data, Mapping) or not data.get("tranId"):
            raise OutcomeUnknown(f"transfer of {amount} {self._link.quote}: the answer carries no id")

    async def move_margin(self, symbol: str, amount: Decimal) -> None:
        """Add (positive) or take (negative) isolated margin of a position."""
        if amount == 0:
            return
        answer = await self._post(
            "swapV2PrivatePostTradePositionMargin",
            symbol,
            amount=plain(abs(amount)),
            type=1 if amount > 0 else 2,
            positionSide=self._link.position_sides.get(symbol, "BOTH"),
        )
        try:
            is_done = number(answer["amount"]) == abs(amount)
        except UNREADABLE:
            is_done = False
        if not is_done:
            raise OutcomeUnknown(f"{symbol}: moving margin was answered without a confirmation")

    async def _create(self, request: OrderRequest) -> Mapping[str, Any]:
        instrument = self._link.known(request.symbol)
        self._check(request, instrument)
        if request.order_type.is_trigger and not instrument.is_perp:
            raise NotSent(f"conditional orders of spot are not used here: {request.symbol}", Rejection.OTHER)
        if request.receive_window_ms > self._link.profile.receive_window_max_ms:
            raise NotSent(
                f"the order was journaled with a receive window of {request.receive_window_ms} ms, and the venue "
                f"takes {self._link.profile.receive_window_max_ms} at most",
                Rejection.OTHER,
            )
        params = _params(request, instrument)
        if request.reduce_only and self._link.position_sides:  # in hedge mode the side says it, and the flag is refused
            del params["reduceOnly"]
            params["positionSide"] = closed_by(request.side)
        if request.order_type.is_trigger:
            self._link.stops.expect(request, self._link.profile.quiet_period_ms(request.receive_window_ms))
        method = "swapV2PrivatePostTradeOrder" if instrument.is_perp else "spotV1PrivatePostTradeOrder"
        with self._link.stamped(request.stamp_ms):
            answer = await self._send(method, params)
        row = _order_of(answer, instrument)
        if not _is_proof(row, request, instrument):
            raise OutcomeUnknown(f"{request.client_id}: the venue answered without naming the order")
        if request.order_type.is_trigger:
            self._link.stops.took(request.client_id, parse.order_id(row))
        return row

    def _report(self, request: OrderRequest, created: Mapping[str, Any]) -> OrderReport:
        """A perp's answer repeats the order and says nothing of its state; a spot order's has it."""
        taken = acknowledged(request, parse.order_id(created), request.stamp_ms)
        if is_perp(request.symbol):
            return taken
        try:
            return replace(parse.order_report(created, request.symbol), client_id=request.client_id)
        except UNREADABLE:
            return taken  # the id is there, so the order is; what the rest means is asked for

    async def _send_leverage(self, symbol: str, leverage: Decimal) -> None:
        """Isolated margin first, then the leverage: two requests, each sent once. Both are answered alike where nothing
        changes."""
        await self._post("swapV2PrivatePostTradeMarginType", symbol, marginType="ISOLATED")
        answer = await self._post("swapV2PrivatePostTradeLeverage", symbol, side="BOTH", leverage=str(int(leverage)))
        data = answer.get("data")
        said = data.get("leverage") if isinstance(data, Mapping) else None
        if str(said) != str(int(leverage)):
            raise OutcomeUnknown(f"{symbol}: asked for leverage {leverage}, the answer says {said}")

    async def _find_stop(self, symbol: str, client_id: str) -> str:
        return await self._orders.find_stop(symbol, client_id)

    async def _cancelled(self, method: str, params: Mapping[str, Any], symbol: str) -> None:
        """Send a cancel. Raises OutcomeUnknown where the answer does not show the order as ended: the venue may say
        PENDING of an order that it is about to cancel."""
        answer = await self._send(method, params)
        row = _order_of(answer, self._link.known(symbol))
        wanted = str(params.get("orderId") or params.get("clientOrderId") or params.get("clientOrderID"))
        try:
            names = (parse.order_id(row), str(row.get("clientOrderId") or row.get("clientOrderID")).lower())
            is_ended = str(row["status"]).startswith("CANCEL")
        except UNREADABLE:
            names, is_ended = ("", ""), False
        if wanted not in names or not is_ended:
            raise OutcomeUnknown(f"{wanted}: the cancel was answered without showing the order as cancelled")

    async def _send(self, method: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        answer = await getattr(self._link.exchange, method)({"recvWindow": self._link.receive_window_ms, **params})
        if code_of(answer) != SUCCESS:
            raise OutcomeUnknown("the venue's answer does not say that it is one")
        return answer  # type: ignore[no-any-return]


def _order_of(answer: Mapping[str, Any], instrument: Instrument) -> Mapping[str, Any]:
    """The order in an answer, empty where there is none."""
    data = answer.get("data")
    row = data.get("order") if instrument.is_perp and isinstance(data, Mapping) else data
    return row if isinstance(row, Mapping) else {}


def _is_proof(row: Mapping[str, Any], request: OrderRequest, instrument: Instrument) -> bool:
    """Whether an answer names our order: by our id, or, where the venue keeps none, by what was ordered."""
    try:
        parse.order_id(row)
        given = str(row.get("clientOrderId") or row.get("clientOrderID") or "").lower()
        is_named, is_unnamed = given == request.client_id, not given
        if request.order_type.is_trigger and is_unnamed:
            is_same = (number(row["stopPrice"]), row["type"], row["side"]) == (
                request.trigger_price,
                _TYPES[request.order_type],
                request.side.value.upper(),
            )
            return is_same and bool(row["symbol"] == instrument.venue_symbol)
    except UNREADABLE:
        return False
    return is_named and row.get("symbol") == instrument.venue_symbol


def _params(request: OrderRequest, instrument: Instrument) -> dict[str, Any]:
    """The whole of a new order, every number in our own digits."""
    perp = instrument.is_perp
    params: dict[str, Any] = {
        "symbol": instrument.venue_symbol,
        "side": request.side.value.upper(),
        "type": _TYPES[request.order_type],
        "quantity": plain(request.size),
        "recvWindow": request.receive_window_ms,
    }
    if request.price is not None:
        params |= {"price": plain(request.price), "timeInForce": _TIME_IN_FORCE[request.time_in_force]}
    if not perp:
        return params | {"newClientOrderId": request.client_id}
    params["positionSide"] = "BOTH"
    if request.reduce_only:
        params["reduceOnly"] = "true"
    params["clientOrderId"] = request.client_id  # of conditional orders it is said not to be kept
    if request.trigger_price is None:
        return params
    return params | {"stopPrice": plain(request.trigger_price), "workingType": "MARK_PRICE"}
