"""Writes to WEEX, through ccxt's implicit methods.

ccxt's unified ones forward `postOnly`, which the venue ignores, and make a market order of a conditional order of spot.
An answer names the order and says nothing of its state; refusals may stand in an answer with HTTP 200, so an order was
taken where the answer is none of those and has both ids. The side of a perp's position is in every order: one that
opens the side that is not held makes a second position beside the first.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from bot.domain.instrument import Instrument
from bot.domain.money import plain
from bot.domain.order import OrderType, TimeInForce
from bot.domain.symbol import is_perp
from bot.ports import OrderReport, OrderRequest, OutcomeUnknown, Rejection, Unavailable, VenueRejected, acknowledged
from bot.venues.ccxt.account.sides import LONG, SHORT, closed_by
from bot.venues.ccxt.account.writes import AccountWrites
from bot.venues.ccxt.connection import Connection
from bot.venues.ccxt.errors import NotSent
from bot.venues.ccxt.rows import UNREADABLE
from bot.venues.weex import parse
from bot.venues.weex.asking import rejection_of
from bot.venues.weex.errors import refusal_in
from bot.venues.weex.order_reads import WeexOrderReads

_TIME_IN_FORCE = {
    TimeInForce.GTC: "GTC",
    TimeInForce.IOC: "IOC",
    TimeInForce.FOK: "FOK",
    TimeInForce.POST_ONLY: "POST_ONLY",
}
_TYPES = {
    OrderType.LIMIT: "LIMIT",
    OrderType.MARKET: "MARKET",
    OrderType.STOP: "STOP_MARKET",
    OrderType.TAKE_PROFIT: "TAKE_PROFIT_MARKET",
}
_ISOLATED = "ISOLATED"


class WeexWrites(AccountWrites):
    """Writes of one account, in WEEX's terms."""

    sets_margin_mode = True

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._orders = WeexOrderReads(connection)

    async def cancel_order(self, symbol: str, client_id: str, *, is_trigger: bool = False) -> None:
        """One request: by client id, or by the venue's id for a conditional order, which is looked up first."""
        if is_trigger and is_perp(symbol):
            params = {"orderId": await self._algo_id(symbol, client_id)}
            await self._link.write(lambda: self._cancelled("contractPrivateDeleteCapiV3AlgoOrder", params))
            return
        method = "contractPrivateDeleteCapiV3Order" if is_perp(symbol) else "privateDeleteApiV3Order"
        await self._link.write(lambda: self._cancelled(method, {"origClientOrderId": client_id}))

    async def move_cash(self, amount: Decimal, *, to_perp: bool) -> None:
        """Refused: the venue's API has no transfers."""
        del to_perp
        raise VenueRejected(
            "not sent",
            f"{self._link.profile.id} has no transfers: there is no way to move {amount}, but by hand at the venue",
            Rejection.OTHER,
        )

    async def move_margin(self, symbol: str, amount: Decimal) -> None:
        """Add (positive) or take (negative) isolated margin of a position, which the venue knows by a number."""
        if amount == 0:
            return
        name = await self._position_id(symbol)
        answer = await self._link.write(
            lambda: self._send(
                "contractPrivatePostCapiV3AccountPositionMargin",
                {"isolatedPositionId": name, "amount": plain(abs(amount)), "type": 1 if amount > 0 else 2},
            )
        )
        _confirm(answer, f"{symbol}: moving margin")

    async def _create(self, request: OrderRequest) -> str:
        """Send the order, once, and return the venue's id of it."""
        instrument = self._link.known(request.symbol)
        self._check(request, instrument)
        if request.order_type.is_trigger and not instrument.is_perp:
            raise NotSent(f"the venue has no conditional orders of spot: {request.symbol}", Rejection.OTHER)
        if instrument.is_perp and not request.reduce_only:
            self._check_opening(request, instrument)
        params = _params(request, instrument)
        with self._link.stamped(request.stamp_ms):
            answer = await self._send(_method(request, instrument), params)
        found = _proven_id(answer, request, instrument)
        if instrument.is_perp:
            is_trigger = request.order_type.is_trigger
            self._link.sent.took(request.client_id, found, request.stamp_ms, is_trigger=is_trigger)
        return found

    def _report(self, request: OrderRequest, created: str) -> OrderReport:
        """The answer says that the order is there, and nothing of its state."""
        return acknowledged(request, created, request.stamp_ms)

    async def _send_leverage(self, symbol: str, leverage: Decimal) -> None:
        """Isolated margin and one position a side first, then the leverage of both sides, each where it is not so
        already: the answer to a change that changes nothing is not documented."""
        whole = str(int(leverage))
        config = await self._config(symbol)
        if (config.get("marginType"), config.get("separatedType")) != (_ISOLATED, parse.COMBINED):
            answer = await self._post(
                "contractPrivatePostCapiV3AccountMarginType",
                symbol,
                marginType=_ISOLATED,
                separatedType=parse.COMBINED,
            )
            _confirm(answer, f"{symbol}: setting isolated margin")
        sides = ("isolatedLongLeverage", "isolatedShortLeverage")
        if all(str(config.get(side)) == whole for side in sides):
            return
        answer = await self._post(
            "contractPrivatePostCapiV3AccountLeverage",
            symbol,
            marginType=_ISOLATED,
            **dict.fromkeys(sides, int(leverage)),
        )
        said = [str(answer.get(side)) for side in sides]
        if said != [whole, whole]:
            raise OutcomeUnknown(f"{symbol}: asked for leverage {leverage}, the answer says {', '.join(said)}")

    def _check_opening(self, request: OrderRequest, instrument: Instrument) -> None:
        """Check an order that opens or increases a position.

        Raises:
            NotSent: nobody has said at which margin the venue would liquidate it, or the other side is held.
        """
        if not instrument.brackets and self._link.has_keys:
            raise NotSent(
                f"the venue does not report what maintenance margin {request.symbol} asks for, and neither does "
                "risk.maintenance_rate: nothing is opened in it",
                Rejection.OTHER,
            )
        held = self._link.position_sides.get(request.symbol)
        if held is not None and held == closed_by(request.side):
            raise NotSent(
                f"{request.symbol}: a {held} position is held, and this {request.side.value} would open a second one "
                "beside it instead of reducing it",
                Rejection.OTHER,
            )

    async def _config(self, symbol: str) -> Mapping[str, Any]:
        """The settings of a perp. Raises VenueRejected where they cannot be read: nothing is sent then."""
        name = self._link.known(symbol).venue_symbol
        try:
            found = await self._orders.rows_of_symbol("contractPrivateGetCapiV3AccountSymbolConfig", name)
            (row,) = [one for one in found if one.get("symbol") == name]
        except (*UNREADABLE, Unavailable) as error:
            raise VenueRejected(
                "not sent", f"the settings of {symbol} cannot be read: {error}", Rejection.OTHER
            ) from None
        return row  # type: ignore[no-any-return]

    async def _position_id(self, symbol: str) -> str:
        """The venue's number of an isolated position, of two sides the one that was last read. Raises VenueRejected
        where there is not exactly one."""
        name = self._link.known(symbol).venue_symbol
        try:
            found = await self._orders.rows_of_symbol("contractPrivateGetCapiV3AccountPositionAllPosition", name)
            held = [row for row in found if row.get("symbol") == name and parse.is_held(row)]
            if len(held) > 1:
                side = self._link.position_sides.get(symbol)
                held = [row for row in held if row.get("side") == side] or held
            if len(held) == 1:
                return parse.order_id(held[0]["id"])
            why = f"{len(held)} positions of it are held"
        except (*UNREADABLE, Unavailable) as error:
            why = str(error)
        raise VenueRejected("not sent", f"the position of {symbol} cannot be named: {why}", Rejection.OTHER)

    async def _algo_id(self, symbol: str, client_id: str) -> str:
        """Raises VenueRejected where the order cannot be named: nothing is sent then."""
        return await self._id_found_by(self._orders.algo_id(symbol, client_id), symbol, client_id)

    async def _cancelled(self, method: str, params: Mapping[str, Any]) -> None:
        """Send a cancel. Raises OutcomeUnknown where the answer does not say that the order has ended."""
        answer = await self._send(method, params, is_cancel=True)
        wanted = params.get("orderId") or params.get("origClientOrderId")
        names = {str(answer.get(name)) for name in ("orderId", "origClientOrderId")}
        is_done = answer.get("success") is True and wanted in names
        is_spot = "status" in answer and str(answer["status"]) in ("CANCELED", "CANCELLED")
        if not is_done and not (is_spot and str(answer.get("orderId")).isdigit()):
            raise OutcomeUnknown(f"{wanted}: the cancel was answered without showing the order as cancelled")

    async def _send(self, method: str, params: Mapping[str, Any], *, is_cancel: bool = False) -> Mapping[str, Any]:
        """Send one request.

        Raises:
            VenueRejected: the answer is a refusal that is known to say that nothing happened.
            OutcomeUnknown: it is another refusal, or no answer of the venue.
        """
        answer = await getattr(self._link.exchange, method)(dict(params))
        code, message = refusal_in(answer, is_cancel=is_cancel)
        kind = rejection_of(code, message) if code else None
        if kind is not None:
            raise VenueRejected(code, message, kind)
        if code:
            raise OutcomeUnknown(f"the venue answers {code} {message}")
        if not isinstance(answer, Mapping):
            raise OutcomeUnknown("the venue's answer does not say that it is one")
        return answer


def _method(request: OrderRequest, instrument: Instrument) -> str:
    if not instrument.is_perp:
        return "privatePostApiV3Order"
    if request.order_type.is_trigger:
        return "contractPrivatePostCapiV3AlgoOrder"
    return "contractPrivatePostCapiV3Order"


def _proven_id(answer: Mapping[str, Any], request: OrderRequest, instrument: Instrument) -> str:
    """The venue's id in an answer that names our order. Raises OutcomeUnknown for any other answer."""
    is_named = answer.get("clientOrderId") == request.client_id
    if instrument.is_perp:
        is_named = is_named and answer.get("success") is True
    else:
        is_named = is_named and answer.get("symbol") == instrument.venue_symbol
    try:
        found = parse.order_id(answer["orderId"])
    except UNREADABLE:
        is_named, found = False, ""
    if not is_named:
        raise OutcomeUnknown(f"{request.client_id}: the venue answered without naming the order")
    return found


def _params(request: OrderRequest, instrument: Instrument) -> dict[str, Any]:
    """The whole of a new order, every number in our own digits."""
    params: dict[str, Any] = {
        "symbol": instrument.venue_symbol,
        "side": request.side.value.upper(),
        "type": _TYPES[request.order_type],
        "quantity": plain(request.size),
    }
    if request.price is not None:
        params |= {"price": plain(request.price), "timeInForce": _TIME_IN_FORCE[request.time_in_force]}
    if instrument.is_perp:
        closes = closed_by(request.side)
        params["positionSide"] = closes if request.reduce_only else SHORT if closes == LONG else LONG
    if request.trigger_price is None:
        return params | {"newClientOrderId": request.client_id}
    trigger = {"triggerPrice": plain(request.trigger_price), "SlWorkingType": "MARK_PRICE"}
    if request.order_type is OrderType.TAKE_PROFIT:
        trigger = {"triggerPrice": plain(request.trigger_price), "TpWorkingType": "MARK_PRICE"}
    return params | {"clientAlgoId": request.client_id, **trigger}


def _confirm(answer: Mapping[str, Any], what: str) -> None:
    """Raises OutcomeUnknown where an answer does not say that what was asked for is done."""
    if str(answer.get("code")) != "200" or str(answer.get("msg")).lower() != "success":
        raise OutcomeUnknown(f"{what} was answered without a confirmation")
