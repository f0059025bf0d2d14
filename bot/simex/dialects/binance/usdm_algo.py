"""Binance USDⓈ-M conditional orders: the algo service, since December 2025."""

from collections.abc import Mapping
from typing import Any

from bot.domain.durations import WEEK_MS
from bot.domain.money import ZERO, plain
from bot.domain.order import OrderType, TimeInForce
from bot.simex.dialects.binance.common import EVERYTHING, ApiError, Call, Params, Route, Security, private, times
from bot.simex.dialects.binance.spot_market import kept_price_text, price_text, size_text
from bot.simex.dialects.binance.spot_orders import SIDES
from bot.simex.dialects.binance.usdm_orders import (
    check_price,
    check_size,
    client_id,
    invalid,
    submit,
)
from bot.simex.dialects.binance.usdm_terms import (
    callback_rate_of,
    good_till_ms,
    position_side_of,
    price_match_of,
    self_trade_of,
    time_in_force_name,
    time_in_force_of,
)
from bot.simex.engine.types import NewOrder, OrderStatus, SimOrder

# name on the wire: (engine type, has a price)
TYPES: Mapping[str, tuple[OrderType, bool]] = {
    "STOP": (OrderType.STOP, True),
    "STOP_MARKET": (OrderType.STOP, False),
    "TAKE_PROFIT": (OrderType.TAKE_PROFIT, True),
    "TAKE_PROFIT_MARKET": (OrderType.TAKE_PROFIT, False),
    "TRAILING_STOP_MARKET": (OrderType.STOP, False),
}
_WORKING_TYPES = {"CONTRACT_PRICE": False, "MARK_PRICE": True}
_STATES = {
    OrderStatus.UNTRIGGERED: "NEW",
    OrderStatus.TRIGGERED: "FINISHED",
    OrderStatus.CANCELED: "CANCELED",
    OrderStatus.EXPIRED: "EXPIRED",
    OrderStatus.REJECTED: "REJECTED",
}


_LISTED_ONLY = frozenset(
    {"actualOrderId", "actualPrice", "tpTriggerPrice", "tpPrice", "slTriggerPrice", "slPrice", "tpOrderType"}
)
"""Fields of queries that the answer to a new order does not have."""


def place(call: Call) -> Mapping[str, Any]:
    """Place a conditional order.

    Raises:
        ApiError: the type is another one than `CONDITIONAL`.
    """
    if call.params.text("algoType") != "CONDITIONAL":
        raise ApiError(-1130, invalid("algoType"))
    order = submit(call, _new_order(call))
    activation, rate = order.activation_price, order.callback_rate
    return {
        **{name: value for name, value in row(call, order).items() if name not in _LISTED_ONLY},
        "activatePrice": "" if activation is None else kept_price_text(call.instrument(), activation),
        "callbackRate": "" if rate is None else plain(rate * 100),
    }


def _new_order(call: Call) -> NewOrder:
    params, instrument = call.params, call.instrument()
    side = params.choice("side", SIDES, -1117, "Invalid side.")
    kind, has_price = params.choice("type", TYPES, -1116, "Invalid orderType.")
    position_side = position_side_of(params)
    closes = params.flag("closePosition")
    if closes and (has_price or "quantity" in params):
        raise ApiError(-4137, "Quantity must be zero with closePosition equals true.")
    if closes and "reduceOnly" in params:
        raise ApiError(-1106, "Parameter 'reduceonly' sent when not required.")
    if not has_price and "price" in params:
        raise ApiError(-1106, "Parameter 'price' sent when not required.")
    time_in_force = TimeInForce.GTC
    if "timeInForce" in params:
        time_in_force = time_in_force_of(params)
    by_mark = False
    if "workingType" in params:
        by_mark = params.choice("workingType", _WORKING_TYPES, -1130, invalid("workingType"))
    is_trailing = params.text("type") == "TRAILING_STOP_MARKET"
    if is_trailing and closes:
        raise ApiError(-4136, "Target strategy invalid for orderType TRAILING_STOP_MARKET,closePosition true.")
    if is_trailing and "triggerPrice" in params:
        raise ApiError(-1106, "Parameter 'triggerprice' sent when not required.")
    for name in () if is_trailing else ("activatePrice", "callbackRate"):
        if name in params:
            raise ApiError(-1106, f"Parameter '{name.lower()}' sent when not required.")
    if price_match_of(params, params.text("type")) != "NONE":
        raise ApiError(-5037, "Invalid price match")  # a conditional order's price is chosen here when it is placed
    if not is_trailing:
        check_price(call, instrument, "triggerPrice")
    has_activation = "activatePrice" in params and check_price(call, instrument, "activatePrice")
    return NewOrder(
        symbol=instrument.symbol,
        side=side,
        type=kind,
        time_in_force=time_in_force,
        size=None if closes else params.decimal("quantity") if check_size(params, instrument) else None,
        price=params.decimal("price") if has_price and check_price(call, instrument, "price") else None,
        trigger_price=None if is_trailing else params.decimal("triggerPrice"),
        reduce_only=params.flag("reduceOnly") or closes,
        close_position=closes,
        client_id=client_id(params, "clientAlgoId") or call.desk.make_client_id(call.account),
        trigger_by_mark=by_mark,
        position_side=position_side,
        self_trade=self_trade_of(params),
        good_till_ms=good_till_ms(params, call.now_ms),
        price_protect=params.flag("priceProtect"),
        callback_rate=callback_rate_of(params) if is_trailing else None,
        activation_price=params.decimal("activatePrice") if has_activation else None,
    )


def cancel(call: Call) -> Mapping[str, Any]:
    """Cancel a conditional order.

    Raises:
        ApiError: it is unknown, or has triggered already.
    """
    order = _find_order(call, ApiError(-2011, "Unknown order sent."))
    if order.status is not OrderStatus.UNTRIGGERED:
        raise ApiError(-2011, "Unknown order sent.")
    call.exchange.cancel(call.account, order.symbol, order_id=order.id, is_trigger=True)
    return {"algoId": order.id, "clientAlgoId": order.client_id, "code": "200", "msg": "success"}


def cancel_all(call: Call) -> Mapping[str, Any]:
    call.exchange.cancel_all(call.account, call.instrument().symbol, is_trigger=True)
    return {"code": 200, "msg": "The operation of cancel all open order is done."}


def query(call: Call) -> Mapping[str, Any]:
    return row(call, _find_order(call, ApiError(-2013, "Order does not exist.")))


def _find_order(call: Call, absent: ApiError) -> SimOrder:
    """The conditional order named by `algoId` or `clientAlgoId`; neither call takes a symbol."""
    algo_id, own_id = call.params.maybe_integer("algoId"), call.params.maybe_text("clientAlgoId")
    if algo_id is None and own_id is None:
        raise ApiError(-1102, "Param 'algoid' or 'clientalgoid' must be sent, but both were empty/null!")
    chosen = [
        order
        for order in _every(call)
        if (algo_id is None or order.id == algo_id) and (own_id is None or order.client_id == own_id)
    ]
    if not chosen:
        raise absent
    return max(chosen, key=lambda order: (order.status is OrderStatus.UNTRIGGERED, order.created_ms, order.id))


def _every(call: Call) -> list[SimOrder]:
    instrument = call.maybe_instrument()
    symbols = [instrument.symbol] if instrument else [i.symbol for i in call.desk.instruments(call.kind)]
    orders = (order for symbol in symbols for order in call.exchange.orders(call.account, symbol, limit=EVERYTHING))
    return sorted((order for order in orders if order.type.is_trigger), key=lambda o: (o.created_ms, o.id))


def open_orders(call: Call) -> list[Mapping[str, Any]]:
    algo_id = call.params.maybe_integer("algoId")
    return [
        row(call, order)
        for order in _every(call)
        if order.status is OrderStatus.UNTRIGGERED and algo_id in (None, order.id)
    ]


def all_orders(call: Call) -> list[Mapping[str, Any]]:
    call.instrument()
    first_id, limit = call.params.maybe_integer("algoId"), call.params.limit(500, 1000)
    start_ms, end_ms = times(call, WEEK_MS)
    rows = [
        order
        for order in _every(call)
        if (start_ms or 0) <= order.created_ms <= end_ms and (first_id is None or order.id >= first_id)
    ]
    is_from = start_ms is not None or first_id is not None
    return [row(call, order) for order in (rows[:limit] if is_from else rows[-limit:])]


def type_name(order: SimOrder) -> str:
    """The conditional type on the wire."""
    if order.callback_rate is not None:
        return "TRAILING_STOP_MARKET"
    return ("STOP" if order.type is OrderType.STOP else "TAKE_PROFIT") + ("" if order.price is not None else "_MARKET")


def row(call: Call, order: SimOrder) -> Mapping[str, Any]:
    """A conditional order; what it became after its trigger is an order of its own on /order."""
    instrument = call.desk.listed[order.symbol]
    child = None if order.child_id is None else call.exchange.order(call.account, order.symbol, order_id=order.child_id)
    average = child.average_price / instrument.contract_size if child else ZERO
    return {
        "algoId": order.id,
        "clientAlgoId": order.client_id,
        "algoType": "CONDITIONAL",
        "orderType": type_name(order),
        "symbol": call.name(order.symbol),
        "side": order.side.value.upper(),
        "positionSide": order.position_side.value,
        "timeInForce": time_in_force_name(order),
        "quantity": size_text(instrument, order.size or ZERO),
        "algoStatus": _STATES[order.status],
        "actualOrderId": "" if child is None else str(child.id),
        "actualPrice": price_text(instrument, average),
        "triggerPrice": kept_price_text(instrument, order.trigger_price or ZERO),
        "price": kept_price_text(instrument, order.price or ZERO),
        "icebergQuantity": None,
        **dict.fromkeys(("tpTriggerPrice", "tpPrice", "slTriggerPrice", "slPrice"), price_text(instrument, ZERO)),
        "tpOrderType": "",
        "selfTradePreventionMode": order.self_trade.value,
        "workingType": "MARK_PRICE" if order.trigger_by_mark else "CONTRACT_PRICE",
        "priceMatch": "NONE",
        "closePosition": order.close_position,
        "priceProtect": order.price_protect,
        "reduceOnly": order.reduce_only,
        "createTime": order.created_ms,
        "updateTime": order.updated_ms,
        "triggerTime": order.triggered_ms,
        "goodTillDate": order.good_till_ms,
    }


def _open_weight(params: Params) -> int:
    return 1 if "symbol" in params else 40


USDM_ALGO_ROUTES: tuple[Route, ...] = (
    Route("POST", "/fapi/v1/algoOrder", place, Security.SIGNED, 0, orders=1, permission="perp"),
    private("DELETE", "/fapi/v1/algoOrder", cancel, 1, "perp"),
    private("DELETE", "/fapi/v1/algoOpenOrders", cancel_all, 1, "perp"),
    private("GET", "/fapi/v1/algoOrder", query, 1, "perp"),
    private("GET", "/fapi/v1/openAlgoOrders", open_orders, _open_weight, "perp"),
    private("GET", "/fapi/v1/allAlgoOrders", all_orders, 5, "perp"),
)
