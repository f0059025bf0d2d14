"""Writes to MEXC, through ccxt's implicit methods: its unified ones sell at once where a stop of spot is meant.

Spot echoes an order without our id and without a state; perps answer with an id alone. An order was taken where the
answer says so and has an id in the venue's form; what became of it is asked for. Perps take JSON numbers in contracts,
the margin mode and the leverage in each order, and one number for the side and for whether it opens or closes.
"""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from bot.domain.instrument import Instrument, Side
from bot.domain.money import ONE, plain
from bot.domain.order import OrderType, TimeInForce
from bot.domain.portfolio import Position
from bot.domain.symbol import is_perp
from bot.ports import OrderReport, OrderRequest, OutcomeUnknown, Rejection, Unavailable, VenueRejected, acknowledged
from bot.venues.ccxt.account.unnamed_writes import UnnamedStopWrites
from bot.venues.ccxt.connection import Connection
from bot.venues.ccxt.errors import NotSent
from bot.venues.ccxt.rows import UNREADABLE
from bot.venues.mexc import parse
from bot.venues.mexc.errors import is_success
from bot.venues.mexc.markets import why_unbound
from bot.venues.mexc.order_reads import MexcOrderReads

_SPOT_TYPES = {
    TimeInForce.GTC: "LIMIT",
    TimeInForce.IOC: "IMMEDIATE_OR_CANCEL",
    TimeInForce.FOK: "FILL_OR_KILL",
    TimeInForce.POST_ONLY: "LIMIT_MAKER",
}
_PERP_TYPES = {TimeInForce.GTC: 1, TimeInForce.POST_ONLY: 2, TimeInForce.IOC: 3, TimeInForce.FOK: 4}
_MARKET = 5
_ISOLATED, _CROSS = 1, 2
_BY_FAIR_PRICE, _SEVEN_DAYS = 2, 2
_AT_OR_ABOVE, _AT_OR_BELOW = 1, 2
_SIDES = {meaning: number for number, meaning in parse.SIDES.items()}
_LONG, _SHORT = 1, 2
_SPOT_WALLET, _PERP_WALLET = "SPOT", "FUTURES"


class MexcWrites(UnnamedStopWrites):
    """Writes of one account, in MEXC's terms."""

    sets_margin_mode = True

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._orders = MexcOrderReads(connection)
        self._held: dict[str, Decimal] = {}  # leverage of open positions, as they were last read
        self._cross: set[str] = set()  # those of them that are not isolated

    def compare_leverage(self, positions: Mapping[str, Position]) -> None:
        super().compare_leverage(positions)
        self._held = {symbol: held.leverage for symbol, held in positions.items() if held.leverage is not None}
        # of a position that cannot be read neither leverage nor margin mode is known
        self._cross = {symbol for symbol in self._held if not positions[symbol].is_isolated}

    async def cancel_order(self, symbol: str, client_id: str, *, is_trigger: bool = False) -> None:
        """One request: by client id, or by the venue's id for a conditional order of a perp, which is looked up first
        where it is not known yet."""
        name = self._link.venue_symbol(symbol)
        if not is_perp(symbol):
            params = {"symbol": name, "origClientOrderId": client_id}
            await self._link.write(lambda: self._cancelled_spot(params, client_id))
        elif is_trigger:
            plan = [{"symbol": name, "orderId": await self._venue_id(symbol, client_id)}]
            await self._link.write(lambda: self._cancelled("contractPrivatePostPlanorderCancel", plan))
            self._link.stops.ended(client_id)
        else:
            asked = {"symbol": name, "externalOid": client_id}
            await self._link.write(lambda: self._cancelled("contractPrivatePostOrderCancelWithExternal", asked))

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
            "asset": self._link.quote,
            "amount": plain(amount),
            "fromAccountType": wallets[0],
            "toAccountType": wallets[1],
        }
        answer = await self._link.write(lambda: self._link.exchange.spotPrivatePostCapitalTransfer(params))
        row = answer[0] if isinstance(answer, list) and answer else answer
        if not isinstance(row, Mapping) or not row.get("tranId"):
            raise OutcomeUnknown(f"transfer of {amount} {self._link.quote}: the answer carries no id")

    async def move_margin(self, symbol: str, amount: Decimal) -> None:
        """Add (positive) or take (negative) isolated margin of a position, which the venue knows by a number."""
        if amount == 0:
            return
        number = await self._position_id(symbol)
        if not number:
            raise VenueRejected("not sent", f"there is no position in {symbol}", Rejection.REDUCE_ONLY)
        body = {"positionId": number, "amount": plain(abs(amount)), "type": "ADD" if amount > 0 else "SUB"}
        await self._link.write(lambda: self._send("contractPrivatePostPositionChangeMargin", body))

    async def _create(self, request: OrderRequest) -> str:
        instrument = self._link.known(request.symbol)
        self._check(request, instrument)
        if request.order_type.is_trigger and not instrument.is_perp:
            raise NotSent(
                f"the venue has no conditional orders of spot and would sell {request.symbol} at once", Rejection.OTHER
            )
        if request.receive_window_ms != self._link.receive_window_ms:
            raise NotSent(
                f"the order was journaled with a receive window of {request.receive_window_ms} ms, and requests are "
                f"signed with {self._link.receive_window_ms}",
                Rejection.OTHER,
            )
        if not instrument.is_perp:
            return await self._create_spot(request, instrument)
        if self._link.is_hedged and not request.reduce_only:
            raise NotSent(
                f"the account is in hedge mode, where {request.symbol} would get another position side",
                Rejection.PERMANENT,
            )
        params = self._perp_params(request, instrument)
        if request.order_type.is_trigger:
            self._link.stops.expect(request, self._link.profile.quiet_period_ms(request.receive_window_ms))
        method = "Planorder" if request.order_type.is_trigger else "Order"
        with self._link.stamped(request.stamp_ms):
            answer = await self._send(
                f"contractPrivatePost{method}{'Place' if request.order_type.is_trigger else 'Create'}", params
            )
        data = answer.get("data")
        found = str(data.get("orderId") if isinstance(data, Mapping) else data)
        if not found.isdigit() or found == "0":
            raise OutcomeUnknown(f"{request.client_id}: the venue answered without naming the order")
        if request.order_type.is_trigger:
            self._link.stops.took(request.client_id, found)
        return found

    async def _create_spot(self, request: OrderRequest, instrument: Instrument) -> str:
        unbound = why_unbound((self._link.exchange.markets or {}).get(request.symbol))
        if unbound:
            raise NotSent(unbound, Rejection.MARKET_CLOSED)
        params = {
            "symbol": instrument.venue_symbol,
            "side": request.side.value.upper(),
            "type": "MARKET" if request.price is None else _SPOT_TYPES[request.time_in_force],
            "quantity": plain(request.size),
        }
        if request.price is not None:
            params["price"] = plain(request.price)
        with self._link.stamped(request.stamp_ms):
            answer = await self._link.exchange.spotPrivatePostOrder({**params, "newClientOrderId": request.client_id})
        try:
            found = parse.order_id(answer, request.symbol)
            is_ours = (answer["symbol"], answer["side"]) == (instrument.venue_symbol, params["side"])
        except UNREADABLE:
            found, is_ours = "", False
        if not is_ours:
            raise OutcomeUnknown(f"{request.client_id}: the venue answered without naming the order")
        return found

    def _report(self, request: OrderRequest, created: str) -> OrderReport:
        """Neither answer says what became of the order."""
        return acknowledged(request, created, request.stamp_ms)

    async def _send_leverage(self, symbol: str, leverage: Decimal) -> None:
        """Of an open position by its number; else for longs and for shorts, two requests, each sent once. The margin
        mode goes with it."""
        number = await self._position_id(symbol)
        body = {"leverage": int(leverage), "openType": _ISOLATED}
        if number:
            held = {**body, "positionId": number}
            await self._link.write(lambda: self._send("contractPrivatePostPositionChangeLeverage", held))
            return
        for side in (_LONG, _SHORT):
            await self._post("contractPrivatePostPositionChangeLeverage", symbol, **body, positionType=side)

    def _perp_params(self, request: OrderRequest, instrument: Instrument) -> dict[str, Any]:
        """The whole of a new order of a perp, in contracts."""
        contract = self._orders.contract(request.symbol)
        reduces = request.reduce_only
        params: dict[str, Any] = {
            "symbol": instrument.venue_symbol,
            "vol": _number(request.size / contract),
            "side": _SIDES[request.side, reduces],
            "openType": _CROSS if reduces and request.symbol in self._cross else _ISOLATED,
        }
        if not reduces:
            params["leverage"] = int(self._leverage_of(request.symbol))
        if request.trigger_price is None:
            params["type"] = _MARKET if request.price is None else _PERP_TYPES[request.time_in_force]
            if request.price is not None:
                params["price"] = _number(request.price)
            return params | {"externalOid": request.client_id}
        rises = (request.side is Side.BUY) is (request.order_type is OrderType.STOP)
        return params | {
            "triggerPrice": plain(request.trigger_price),
            "triggerType": _AT_OR_ABOVE if rises else _AT_OR_BELOW,
            "executeCycle": _SEVEN_DAYS,
            "orderType": _MARKET,
            "trend": _BY_FAIR_PRICE,
            "externalOid": request.client_id,  # not documented for these, and not kept as far as is known
        }

    def _leverage_of(self, symbol: str) -> Decimal:
        """What was set, what an open position has, else 1: an order says its leverage itself."""
        known = self._leverage.get(symbol)
        return known[0] if known is not None else self._held.get(symbol, ONE)

    async def _position_id(self, symbol: str) -> int:
        """The venue's number of an open position, 0 where there is none. Raises VenueRejected where it cannot be had:
        nothing is sent then."""
        name = self._link.venue_symbol(symbol)
        try:
            held = await self._orders.open_position_id(name, self._link.position_sides.get(symbol, ""))
        except (*UNREADABLE, Unavailable) as error:
            raise VenueRejected(
                "not sent", f"the position in {symbol} cannot be named to the venue: {error}", Rejection.OTHER
            ) from None
        return held

    async def _find_stop(self, symbol: str, client_id: str) -> str:
        return await self._orders.find_stop(symbol, client_id)

    async def _cancelled_spot(self, params: Mapping[str, Any], client_id: str) -> None:
        """Send a cancel. Raises OutcomeUnknown where the answer does not show our order as ended."""
        answer = await self._link.exchange.spotPrivateDeleteOrder(dict(params))
        try:
            is_ended = str(answer["status"]) in ("CANCELED", "PARTIALLY_CANCELED")
            is_ours = client_id in (answer.get("origClientOrderId"), answer.get("clientOrderId"))
        except UNREADABLE:
            is_ended = is_ours = False
        if not is_ended or not is_ours:
            raise OutcomeUnknown(f"{client_id}: the cancel was answered without showing the order as cancelled")

    async def _cancelled(self, method: str, params: Any) -> None:
        """Send a cancel about perps. Its outcome may stand in rows inside a success.

        Raises:
            VenueRejected: a row has a code of the table.
            OutcomeUnknown: it has another one.
        """
        answer = await self._send(method, params)
        data = answer.get("data")
        for row in data if isinstance(data, list) else [data] if isinstance(data, Mapping) else []:
            code = str(row.get("errorCode") or "0") if isinstance(row, Mapping) else "?"
            if code == "0":
                continue
            known = self._link.profile.errors.codes.get(code)
            if known is None:
                raise OutcomeUnknown(f"the cancel was answered with {code}, which nobody has described")
            raise VenueRejected(code, str(row.get("errorMsg")), known[-1][1])

    async def _send(self, method: str, params: Any) -> Mapping[str, Any]:
        """Send one request about perps. Raises OutcomeUnknown for an answer that does not say that it is one."""
        answer = await getattr(self._link.exchange, method)(params)
        if not is_success(answer):
            raise OutcomeUnknown("the venue's answer does not say that it is one")
        return answer  # type: ignore[no-any-return]


def _number(value: Decimal) -> Any:
    """A JSON number with the digits of the value.

    Raises:
        NotSent: none has all of them.
    """
    made = json.loads(plain(value))
    if Decimal(str(made)) != value:
        raise NotSent(f"{value} has more digits than a JSON number keeps", Rejection.FILTER)
    return made
