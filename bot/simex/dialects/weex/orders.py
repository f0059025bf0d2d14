"""Orders and fills: create, cancel, open and former orders, what was traded.

Every order of a perp names the side of its position: LONG and SHORT of one perp stand side by side, so that a SELL of
SHORT opens while a LONG is held. The engine's account has one position of a perp until somebody opens a second one.
Conditional orders stand in lists of their own and are cancelled by the venue's id alone. Unknown parameters are ignored
as the venue ignores them: `postOnly` does nothing, and a trigger price makes no conditional order of spot.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from bot.domain.instrument import Instrument, Kind, Side
from bot.domain.money import ZERO
from bot.domain.order import OrderType, TimeInForce
from bot.simex.dialects.weex.common import (
    EVERYTHING,
    PAGE_MAX,
    WeexCall,
    WeexRefusal,
    client_id_of,
    error_of,
    invalid,
    order_number,
    private,
    side_of,
    text,
    venue_symbol,
    writing,
)
from bot.simex.engine.refusal import Refusal, RefusalReason
from bot.simex.engine.types import NewOrder, OrderStatus, PositionSide, SimOrder, SimTrade

CLIENT_ID = re.compile(r"[.A-Za-z:/0-9_-]{1,36}")
SIDES = {"BUY": Side.BUY, "SELL": Side.SELL}
TIMES_IN_FORCE = {
    "GTC": TimeInForce.GTC,
    "IOC": TimeInForce.IOC,
    "FOK": TimeInForce.FOK,
    "POST_ONLY": TimeInForce.POST_ONLY,
}
_TIF_WORDS = {value: name for name, value in TIMES_IN_FORCE.items()}
_TRIGGERS = {"STOP_MARKET": OrderType.STOP, "TAKE_PROFIT_MARKET": OrderType.TAKE_PROFIT}
_TRIGGER_WORDS = {kind: word for word, kind in _TRIGGERS.items()}
_WORKING_TYPES = {"STOP_MARKET": "SlWorkingType", "TAKE_PROFIT_MARKET": "TpWorkingType"}


def create_spot(call: WeexCall) -> dict[str, Any]:
    """A trigger price is ignored: what is sent is done at once.

    Raises:
        WeexRefusal: the type is neither `LIMIT` nor `MARKET`.
    """
    params, instrument = call.params, _open_instrument(call)
    kind = params.text("type")
    if kind not in ("LIMIT", "MARKET"):
        raise WeexRefusal(-1116, "Invalid order type.")
    placed = call.exchange.place(call.account, _plain(call, instrument, kind, "newClientOrderId"))
    return {
        "symbol": venue_symbol(placed.symbol),
        "orderId": order_number(placed.symbol, placed.id),
        "clientOrderId": placed.client_id,
        "transactTime": call.now_ms,
    }


def create_perp(call: WeexCall) -> dict[str, Any]:
    """Place an order of a perp, which names the side of its position.

    Raises:
        WeexRefusal: the type is neither `LIMIT` nor `MARKET`.
    """
    params, instrument = call.params, _open_instrument(call)
    kind = params.text("type")
    if kind not in ("LIMIT", "MARKET"):
        raise WeexRefusal(-1116, "Invalid order type.")
    wanted = _plain(call, instrument, kind, "newClientOrderId")
    return _placed(call, call.exchange.place(call.account, _on_its_side(call, wanted)))


def create_algo(call: WeexCall) -> dict[str, Any]:
    """A conditional order; it takes no time in force.

    Raises:
        WeexRefusal: the type is no conditional one, or a time in force was sent.
    """
    params, instrument = call.params, _open_instrument(call)
    kind = params.text("type")
    if kind not in _TRIGGERS:
        raise WeexRefusal(-1116, "Invalid order type.")
    if params.maybe_text("timeInForce"):
        raise WeexRefusal(-1115, "Invalid timeInForce.")
    working = params.maybe_text(_WORKING_TYPES[kind]) or "CONTRACT_PRICE"
    if working not in ("MARK_PRICE", "CONTRACT_PRICE"):
        raise invalid(_WORKING_TYPES[kind])
    wanted = NewOrder(
        symbol=instrument.symbol,
        side=_side(call),
        type=_TRIGGERS[kind],
        size=_needed(params.maybe_number("quantity"), "quantity"),
        trigger_price=_needed(params.maybe_number("triggerPrice"), "triggerPrice"),
        client_id=_client_id(call, "clientAlgoId"),
        trigger_by_mark=working == "MARK_PRICE",
    )
    return _placed(call, call.exchange.place(call.account, _on_its_side(call, wanted)))


def _open_instrument(call: WeexCall) -> Instrument:
    """The instrument of a new order. Raises WeexRefusal where the API may not trade it."""
    instrument = call.instrument()
    if instrument.symbol in call.desk.closed:
        code = -3235 if instrument.is_perp else -1058
        raise WeexRefusal(code, "This trading pair is not supported via the API.")
    return instrument


def _plain(call: WeexCall, instrument: Instrument, kind: str, name: str) -> NewOrder:
    """A plain order; a limit has to say its time in force."""
    params, is_limit = call.params, kind == "LIMIT"
    word = params.maybe_text("timeInForce")
    if is_limit and word not in TIMES_IN_FORCE:
        raise WeexRefusal(-1115, "Invalid timeInForce.")
    return NewOrder(
        symbol=instrument.symbol,
        side=_side(call),
        type=OrderType.LIMIT if is_limit else OrderType.MARKET,
        size=_needed(params.maybe_number("quantity"), "quantity"),
        price=_needed(params.maybe_number("price"), "price") if is_limit else None,
        time_in_force=TIMES_IN_FORCE[word] if is_limit else TimeInForce.GTC,
        client_id=_client_id(call, name),
    )


def _on_its_side(call: WeexCall, order: NewOrder) -> NewOrder:
    """The order of the position that it names. One that opens while the other side is held, or is being opened, gives
    the account two positions of a perp from then on."""
    word = call.params.text("positionSide")
    if word not in ("LONG", "SHORT"):
        raise invalid("positionSide")
    side, exchange = PositionSide(word), call.exchange
    is_closing = side is PositionSide.closed_by(order.side)
    modes = exchange.modes(call.account)
    if not is_closing and not modes.is_hedge_mode and _has_other_side(call, order):
        modes = replace(modes, is_hedge_mode=True)
        exchange.put_into_modes(call.account, modes)
    if modes.is_hedge_mode:
        return replace(order, position_side=side)
    return replace(order, reduce_only=is_closing)


def _has_other_side(call: WeexCall, order: NewOrder) -> bool:
    held = call.exchange.position(call.account, order.symbol)
    is_held = held is not None and held.size * order.side.sign < 0
    resting = call.exchange.open_orders(call.account, order.symbol)
    return is_held or any(one.side is not order.side and not one.reduce_only for one in resting)


def _placed(call: WeexCall, placed: SimOrder) -> dict[str, Any]:
    del call
    return _answer(str(order_number(placed.symbol, placed.id)), clientOrderId=placed.client_id)


def _answer(name: str, **more: Any) -> dict[str, Any]:
    return {"orderId": name, **more, "success": True, "errorCode": "", "errorMessage": ""}


def cancel_spot(call: WeexCall) -> dict[str, Any]:
    """One that has ended is refused in an answer that says so."""
    found = _find(call, is_algo=False)
    number = order_number(found.symbol, found.id)
    if not found.is_open:
        return {"orderId": number, "status": "FAILED", "errorMsg": "FAILED_ORDER_NOT_FOUND"}
    call.exchange.cancel(call.account, found.symbol, order_id=found.id)
    return {"orderId": number, "status": "CANCELED"}


def cancel_perp(call: WeexCall) -> dict[str, Any]:
    return _cancelled(call, _find(call, is_algo=False))


def cancel_algo(call: WeexCall) -> dict[str, Any]:
    """By the venue's id and by no other.

    Raises:
        WeexRefusal: the id was not sent.
    """
    if call.params.maybe_integer("orderId") is None:
        raise WeexRefusal(-1141, "Parameter orderId cannot be empty.")
    return _cancelled(call, _find(call, is_algo=True))


def _cancelled(call: WeexCall, found: SimOrder) -> dict[str, Any]:
    if not found.is_open:
        raise error_of(Refusal(RefusalReason.UNKNOWN_ORDER), perp=True)
    call.exchange.cancel(call.account, found.symbol, order_id=found.id)
    own = "" if found.type.is_trigger else client_id_of(found)
    return _answer(str(order_number(found.symbol, found.id)), origClientOrderId=own)


def query_spot(call: WeexCall) -> dict[str, Any]:
    return _spot_row(_find(call, is_algo=False))


def query_perp(call: WeexCall) -> dict[str, Any]:
    """By the venue's id: that a client id is understood is not documented, and it is not.

    Raises:
        WeexRefusal: the id was not sent.
    """
    if call.params.maybe_integer("orderId") is None:
        raise WeexRefusal(-1141, "Parameter orderId cannot be empty.")
    return _perp_row(call, _find(call, is_algo=False))


def _find(call: WeexCall, *, is_algo: bool) -> SimOrder:
    """The order that a request names, by the venue's id before ours, in whatever symbol."""
    number, name = call.params.maybe_integer("orderId"), call.params.maybe_text("origClientOrderId")
    if number is None and not name:
        raise WeexRefusal(-1140, "Either orderId or origClientOrderId must be sent.")
    for instrument in call.desk.instruments(call.kind):
        for order in _known(call, instrument, is_algo=is_algo):
            is_named = number is None and client_id_of(order) == name
            if is_named or (number is not None and order_number(order.symbol, order.id) == number):
                return order
    raise error_of(Refusal(RefusalReason.UNKNOWN_ORDER), perp=call.kind is Kind.PERP)


def _known(call: WeexCall, instrument: Instrument, *, is_algo: bool) -> Iterator[SimOrder]:
    """Orders of a symbol, newest first: the conditional ones of a perp, or all others."""
    for order in reversed(call.exchange.orders(call.account, instrument.symbol, limit=EVERYTHING)):
        if (instrument.is_perp and order.type.is_trigger) is is_algo:
            yield order


def open_spot(call: WeexCall) -> list[dict[str, Any]]:
    return [_spot_row(order) for one in call.wanted() for order in _known(call, one, is_algo=False) if order.is_open]


def open_perp(call: WeexCall) -> list[dict[str, Any]]:
    """Without conditional orders."""
    orders = [order for one in call.wanted() for order in _known(call, one, is_algo=False) if order.is_open]
    return [_perp_row(call, order) for order in orders][: call.params.limit(PAGE_MAX, PAGE_MAX)]


def open_algo(call: WeexCall) -> list[dict[str, Any]]:
    orders = [order for one in call.wanted() for order in _known(call, one, is_algo=True) if order.is_open]
    return [_algo_row(call, order) for order in orders][: call.params.limit(PAGE_MAX, PAGE_MAX)]


def history_spot(call: WeexCall) -> list[dict[str, Any]]:
    """Orders of a span in any state, newest first."""
    limit, (start_ms, end_ms) = call.params.limit(PAGE_MAX, 1_000), call.window()
    orders = _known(call, call.instrument(), is_algo=False)
    return [_spot_row(order) for order in orders if start_ms <= order.created_ms <= end_ms][:limit]


def history_perp(call: WeexCall) -> list[dict[str, Any]]:
    """Orders of a span that have ended, newest first, conditional ones among them."""
    limit, (start_ms, end_ms) = call.params.limit(PAGE_MAX, PAGE_MAX), call.window()
    orders = call.exchange.orders(call.account, call.instrument().symbol, limit=EVERYTHING)
    ended = [order for order in reversed(orders) if not order.is_open and start_ms <= order.created_ms <= end_ms]
    return [_perp_row(call, order) for order in ended][:limit]


def history_algo(call: WeexCall) -> dict[str, Any]:
    """Conditional orders of a span that have ended, newest first."""
    limit, (start_ms, end_ms) = call.params.limit(PAGE_MAX, PAGE_MAX), call.window()
    orders = _known(call, call.instrument(), is_algo=True)
    ended = [order for order in orders if not order.is_open and start_ms <= order.created_ms <= end_ms]
    return {"orders": [_algo_row(call, order) for order in ended[:limit]], "hasMore": len(ended) > limit}


def _spot_row(order: SimOrder) -> dict[str, Any]:
    return {
        "symbol": venue_symbol(order.symbol),
        "orderId": order_number(order.symbol, order.id),
        "clientOrderId": client_id_of(order),
        "price": text(order.price),
        "origQty": text(order.size),
        "executedQty": text(order.filled_size),
        "cummulativeQuoteQty": text(order.filled_quote),
        "status": _status(order),
        "timeInForce": _TIF_WORDS[order.time_in_force],
        "type": "LIMIT" if order.price is not None else "MARKET",
        "side": order.side.value.upper(),
        "time": order.created_ms,
        "updateTime": order.updated_ms,
        "isWorking": order.is_open,
    }


def _perp_row(call: WeexCall, order: SimOrder) -> dict[str, Any]:
    is_known = order.filled_size and order.symbol in call.exchange.instruments
    tick = call.exchange.instruments[order.symbol].price_tick if is_known else ZERO
    is_conditional = order.type.is_trigger
    return {
        "avgPrice": text(order.average_price.quantize(tick)) if is_known else "0",
        "clientOrderId": "" if is_conditional else client_id_of(order),
        "cumQuote": text(order.filled_quote),
        "executedQty": text(order.filled_size),
        "orderId": order_number(order.symbol, order.id),
        "origQty": text(order.size),
        "price": text(order.price),
        "reduceOnly": order.reduce_only,
        "side": order.side.value.upper(),
        "positionSide": side_of(order),
        "status": _status(order),
        "stopPrice": text(order.trigger_price),
        "symbol": venue_symbol(order.symbol),
        "time": order.created_ms,
        "timeInForce": _TIF_WORDS[order.time_in_force],
        "type": _TRIGGER_WORDS[order.type] if is_conditional else "MARKET" if order.price is None else "LIMIT",
        "updateTime": order.updated_ms,
        "workingType": "MARK_PRICE" if order.trigger_by_mark else "CONTRACT_PRICE",
    }


def _algo_row(call: WeexCall, order: SimOrder) -> dict[str, Any]:
    child = order.child_id
    del call
    return {
        "algoId": order_number(order.symbol, order.id),
        "clientAlgoId": client_id_of(order),
        "algoType": "CONDITIONAL",
        "orderType": _TRIGGER_WORDS[order.type],
        "symbol": venue_symbol(order.symbol),
        "side": order.side.value.upper(),
        "positionSide": side_of(order),
        "timeInForce": "IOC",
        "quantity": text(order.size),
        "algoStatus": _status(order, waiting="UNTRIGGERED"),
        "actualOrderId": None if child is None else order_number(order.symbol, child),
        "actualPrice": "0",
        "triggerPrice": text(order.trigger_price),
        "price": text(order.price),
        "workingType": "MARK_PRICE" if order.trigger_by_mark else "CONTRACT_PRICE",
        "closePosition": order.close_position,
        "reduceOnly": order.reduce_only,
        "createTime": order.created_ms,
        "updateTime": order.updated_ms,
        "triggerTime": order.triggered_ms,
    }


def _status(order: SimOrder, *, waiting: str = "NEW") -> str:
    status = order.status
    if status is OrderStatus.TRIGGERED:
        return "TRIGGERED"
    if status is OrderStatus.FILLED:
        return "FILLED"
    if status.is_open:
        return "PARTIALLY_FILLED" if order.filled_size else waiting
    return "REJECTED" if status is OrderStatus.REJECTED else "CANCELED"


def fills_spot(call: WeexCall) -> list[dict[str, Any]]:
    """Newest first, without the currency of the fee and without who was first."""
    return [
        {
            "symbol": venue_symbol(trade.symbol),
            "id": trade.id,
            "orderId": order_number(trade.symbol, trade.order_id),
            "price": text(trade.price),
            "qty": text(trade.size),
            "quoteQty": text(trade.quote),
            "commission": text(trade.fee),
            "time": trade.at_ms,
            "isBuyer": trade.side is Side.BUY,
        }
        for trade in _trades(call)
    ]


def fills_perp(call: WeexCall) -> list[dict[str, Any]]:
    """Newest first."""
    return [
        {
            "id": trade.id,
            "orderId": order_number(trade.symbol, trade.order_id),
            "symbol": venue_symbol(trade.symbol),
            "buyer": trade.side is Side.BUY,
            "commission": text(trade.fee),
            "commissionAsset": trade.fee_asset,
            "maker": trade.is_maker,
            "price": text(trade.price),
            "qty": text(trade.size),
            "quoteQty": text(trade.quote),
            "realizedPnl": text(trade.realised_pnl),
            "side": trade.side.value.upper(),
            "time": trade.at_ms,
        }
        for trade in _trades(call)
    ]


def _trades(call: WeexCall) -> list[SimTrade]:
    limit, (start_ms, end_ms) = call.params.limit(PAGE_MAX, PAGE_MAX), call.window()
    found = call.exchange.trades(call.account, call.instrument().symbol, start_ms, end_ms, limit=EVERYTHING)
    return list(reversed(found))[:limit]


def _side(call: WeexCall) -> Side:
    word = call.params.text("side")
    if word not in SIDES:
        raise WeexRefusal(-1117, "Invalid side.")
    return SIDES[word]


def _client_id(call: WeexCall, name: str) -> str:
    given = call.params.text(name)
    if not CLIENT_ID.fullmatch(given):
        raise error_of(Refusal(RefusalReason.BAD_CLIENT_ID), perp=call.kind is Kind.PERP)
    return given


def _needed(value: Any, name: str) -> Any:
    if value is None or value <= ZERO:
        raise invalid(name)
    return value


_SPOT, _PERP = "/api/v3", "/capi/v3"
ORDER_ENDPOINTS = (
    writing("POST", f"{_SPOT}/order", Kind.SPOT, create_spot, 5, "spot order"),
    writing("DELETE", f"{_SPOT}/order", Kind.SPOT, cancel_spot, 1, "spot cancel"),
    private("GET", f"{_SPOT}/order", Kind.SPOT, query_spot, 2),
    private("GET", f"{_SPOT}/openOrders", Kind.SPOT, open_spot, 3),
    private("GET", f"{_SPOT}/allOrders", Kind.SPOT, history_spot, 10),
    private("GET", f"{_SPOT}/myTrades", Kind.SPOT, fills_spot, 5),
    writing("POST", f"{_PERP}/order", Kind.PERP, create_perp, 5, "perp order"),
    writing("DELETE", f"{_PERP}/order", Kind.PERP, cancel_perp, 3, "perp cancel"),
    private("GET", f"{_PERP}/order", Kind.PERP, query_perp, 3),
    private("GET", f"{_PERP}/openOrders", Kind.PERP, open_perp, 5),
    private("GET", f"{_PERP}/order/history", Kind.PERP, history_perp, 10),
    private("GET", f"{_PERP}/userTrades", Kind.PERP, fills_perp, 5),
    writing("POST", f"{_PERP}/algoOrder", Kind.PERP, create_algo, 5, "perp order"),
    writing("DELETE", f"{_PERP}/algoOrder", Kind.PERP, cancel_algo, 3, "perp cancel"),
    private("GET", f"{_PERP}/openAlgoOrders", Kind.PERP, open_algo, 3),
    private("GET", f"{_PERP}/allAlgoOrders", Kind.PERP, history_algo, 10),
)
