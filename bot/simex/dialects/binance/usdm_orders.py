"""Binance USDⓈ-M plain orders: LIMIT and MARKET. Conditional ones live at the algo service.

`newOrderRespType` defaults to ACK, which shows status NEW and nothing executed even when all of it was.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from bot.domain.durations import WEEK_MS
from bot.domain.instrument import Instrument, Side
from bot.domain.money import ZERO
from bot.domain.order import OrderType, TimeInForce
from bot.domain.symbol import is_perp
from bot.simex.dialects.binance.common import (
    EVERYTHING,
    ApiError,
    Call,
    Params,
    Route,
    Security,
    fixed,
    private,
    times,
)
from bot.simex.dialects.binance.refusals import perp_error
from bot.simex.dialects.binance.spot_market import kept_price_text, price_text, size_text
from bot.simex.dialects.binance.spot_orders import SIDES, find_order, is_forgotten, listed, traded
from bot.simex.dialects.binance.usdm_market import price_precision, size_precision
from bot.simex.dialects.binance.usdm_terms import (
    good_till_ms,
    matched_price,
    position_side_of,
    price_match_of,
    self_trade_of,
    time_in_force_name,
    time_in_force_of,
)
from bot.simex.dialects.grids import decimals
from bot.simex.engine.refusal import Refusal, RefusalReason
from bot.simex.engine.types import ForcedBy, NewOrder, OrderStatus, PositionSide, SimOrder, SimTrade

CLIENT_ID_RANGE = r"^[\.A-Z\:/a-z0-9_-]{1,36}$"
_REPLY_KINDS = {name: name for name in ("ACK", "RESULT")}
_PLAIN_TYPES = {"LIMIT": OrderType.LIMIT, "MARKET": OrderType.MARKET}
_ALGO_TYPES = frozenset({"STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"})


# What the venue's own orders show for good, executed or not.
_FORCED_STATES = {ForcedBy.DELEVERAGING: "NEW_ADL", ForcedBy.INSURANCE: "NEW_INSURANCE"}


def place(call: Call) -> Mapping[str, Any]:
    order = _new_order(call)
    kind = "ACK"
    if "newOrderRespType" in call.params:
        kind = call.params.choice("newOrderRespType", _REPLY_KINDS, -1130, invalid("newOrderRespType"))
    placed = submit(call, order)
    shown = {**_core(call, placed), "cumQty": size_text(call.instrument(), placed.filled_size)}
    if kind == "ACK":
        nothing = dict.fromkeys(("executedQty", "cumQty", "cumQuote", "avgPrice"), "0.00")
        shown |= {"status": "NEW", **nothing}
    return shown


def test(call: Call) -> Mapping[str, Any]:
    """The order as it would be acknowledged, with the number 0; nothing is placed."""
    order = _new_order(call)
    try:
        call.exchange.check(call.account, order)
    except Refusal as refusal:
        raise _verdict(call, order, refusal) from refusal
    shown = SimOrder(
        id=0,
        account=call.account,
        client_id=order.client_id,
        symbol=order.symbol,
        side=order.side,
        type=order.type,
        time_in_force=order.time_in_force,
        size=order.size or ZERO,
        price=order.price,
        status=OrderStatus.NEW,
        created_ms=call.now_ms,
        updated_ms=call.now_ms,
        reduce_only=order.reduce_only,
        position_side=order.position_side,
        self_trade=order.self_trade,
        good_till_ms=order.good_till_ms,
        price_match=order.price_match,
    )
    return {**_core(call, shown), "cumQty": size_text(call.instrument(), ZERO)}


def submit(call: Call, order: NewOrder) -> SimOrder:
    """Place an order; refusals come with the numbers that the venue puts into its messages."""
    try:
        return call.exchange.place(call.account, order)
    except Refusal as refusal:
        raise _verdict(call, order, refusal) from refusal


def _verdict(call: Call, order: NewOrder, refusal: Refusal) -> ApiError:
    instrument = call.desk.listed[order.symbol]
    number = ""
    match refusal.reason:
        case RefusalReason.MIN_NOTIONAL:
            number = str(float(instrument.notional_min))
        case RefusalReason.PERCENT_PRICE_HIGH | RefusalReason.PERCENT_PRICE_LOW:
            number = refusal.detail
        case RefusalReason.LOT_SIZE if order.size is not None and order.size < instrument.size_min:
            return ApiError(-4004, "Quantity less than min quantity.")
        case RefusalReason.PRICE_FILTER if _is_below_bounds(call, order, instrument):
            return ApiError(-4013, "Price less than min price.")
    return perp_error(refusal, number)


def _is_below_bounds(call: Call, order: NewOrder, instrument: Instrument) -> bool:
    lowest, highest = call.exchange.rules.price_bounds_of(instrument)
    prices = [price for price in (order.price, order.trigger_price) if price is not None]
    first_outside = next((price for price in prices if not lowest <= price <= highest), None)
    return first_outside is not None and first_outside < lowest


def _new_order(call: Call) -> NewOrder:
    params, instrument = call.params, call.instrument()
    side = params.choice("side", SIDES, -1117, "Invalid side.")
    type_name = params.text("type")
    if type_name in _ALGO_TYPES:
        raise ApiError(
            -4120, "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead."
        )
    kind = params.choice("type", _PLAIN_TYPES, -1116, "Invalid orderType.")
    position_side = position_side_of(params)
    is_limit = kind is OrderType.LIMIT
    time_in_force = TimeInForce.GTC
    if is_limit:
        time_in_force = time_in_force_of(params)
    elif "timeInForce" in params:
        raise ApiError(-1106, "Parameter 'timeInforce' sent when not required.")
    if not is_limit and "price" in params:
        raise ApiError(-1106, "Parameter 'price' sent when not required.")
    if params.flag("closePosition"):
        raise ApiError(-4136, "Target strategy invalid for orderType LIMIT,closePosition true.")
    match, price = price_match_of(params, type_name), None
    if match != "NONE":
        price = matched_price(call, instrument, side, match)
    elif is_limit and check_price(call, instrument, "price"):
        price = params.decimal("price")
    return NewOrder(
        symbol=instrument.symbol,
        side=side,
        type=kind,
        time_in_force=time_in_force,
        size=params.decimal("quantity") if check_size(params, instrument) else None,
        price=price,
        reduce_only=params.flag("reduceOnly"),
        client_id=client_id(params, "newClientOrderId") or call.desk.make_client_id(call.account),
        position_side=position_side,
        self_trade=self_trade_of(params),
        good_till_ms=good_till_ms(params, call.now_ms),
        price_match=match,
    )


def check_size(params: Params, instrument: Instrument) -> bool:
    """Refuse what can be refused before the grid is looked at: nothing, zero, too many decimals.

    Raises:
        ApiError: it is zero or less.
    """
    size = params.decimal("quantity")
    if size <= 0:
        raise ApiError(-4003, "Quantity less than or equal to zero.")
    return _check_precision(size, size_precision(instrument))


def check_price(call: Call, instrument: Instrument, name: str) -> bool:
    """The same for a price.

    Args:
        name: the parameter that has it.

    Raises:
        ApiError: it is zero or less.
    """
    price = call.params.decimal(name)
    if price <= 0:
        raise ApiError(-4001, "Price less than 0.")
    return _check_precision(price, price_precision(call, instrument))


def _check_precision(value: Decimal, precision: int) -> bool:
    if decimals(value) > precision:
        raise ApiError(-1111, "Precision is over the maximum defined for this asset.")
    return True


def client_id(params: Params, name: str) -> str | None:
    """The client's own id, None when it sent none.

    Raises:
        ApiError: -4015 for its length, -1100 for its characters.
    """
    if len(params.maybe_text(name) or "") > 36:
        raise ApiError(-4015, "Client order id length should not be more than 36 chars")
    return params.maybe_text(name, CLIENT_ID_RANGE)


def invalid(name: str) -> str:
    """The message of a refused parameter."""
    return f"Data sent for parameter '{name}' is not valid."


def cancel(call: Call) -> Mapping[str, Any]:
    order = find_order(call, call.instrument(), ApiError(-2011, "Unknown order sent."))
    ended = call.exchange.cancel(call.account, order.symbol, order_id=order.id)
    return {**_core(call, ended), "cumQty": size_text(call.instrument(), ended.filled_size)}


def cancel_all(call: Call) -> Mapping[str, Any]:
    """Conditional orders stay: they are the algo service's."""
    call.exchange.cancel_all(call.account, call.instrument().symbol, is_trigger=False)
    return {"code": 200, "msg": "The operation of cancel all open order is done."}


def countdown(call: Call) -> Mapping[str, Any]:
    """Cancel everything of a symbol unless called again in time; 0 takes it back."""
    instrument, length_ms = call.instrument(), call.params.integer("countdownTime")
    call.exchange.set_countdown(call.account, instrument.symbol, length_ms)
    return {"symbol": call.params.text("symbol"), "countdownTime": str(length_ms)}


def query(call: Call) -> Mapping[str, Any]:
    order = find_order(call, call.instrument(), ApiError(-2013, "Order does not exist."))
    return row(call, order)


def query_open(call: Call) -> Mapping[str, Any]:
    absent = ApiError(-2013, "Order does not exist.")
    order = find_order(call, call.instrument(), absent)
    if not order.is_open:
        raise absent
    return row(call, order)


def open_orders(call: Call) -> list[Mapping[str, Any]]:
    instrument = call.maybe_instrument()
    orders = call.exchange.open_orders(call.account, instrument.symbol if instrument else None, is_trigger=False)
    return [row(call, order) for order in orders if is_perp(order.symbol)]


def all_orders(call: Call) -> list[Mapping[str, Any]]:
    orders = listed(call, WEEK_MS) if "symbol" in call.params else _listed_of_all(call)
    return [row(call, order) for order in orders if not order.type.is_trigger and not is_forgotten(call, order)]


def _listed_of_all(call: Call) -> list[SimOrder]:
    """Orders of every symbol, in the order of their times: the oldest from a start on, else the newest."""
    start_ms, end_ms = times(call, WEEK_MS)
    limit, known = call.params.limit(500, 1000), call.desk.instruments(call.kind)
    found = [
        order
        for instrument in known
        for order in call.exchange.orders(call.account, instrument.symbol, start_ms, end_ms, EVERYTHING)
        if not order.type.is_trigger and not is_forgotten(call, order)
    ]
    found.sort(key=lambda order: order.created_ms)
    return found[:limit] if start_ms is not None else found[-limit:]


def user_trades(call: Call) -> list[Mapping[str, Any]]:
    instrument = call.instrument()
    return [
        {
            "symbol": call.name(trade.symbol),
            "id": trade.id,
            "orderId": trade.order_id,
            "side": trade.side.value.upper(),
            "price": kept_price_text(instrument, trade.price),
            "qty": size_text(instrument, trade.size),
            "realizedPnl": fixed(trade.realised_pnl),
            "quoteQty": fixed(trade.quote),
            "commission": fixed(trade.fee),
            "commissionAsset": trade.fee_asset,
            "time": trade.at_ms,
            "positionSide": _side_of_trade(call, trade),
            "buyer": trade.side is Side.BUY,
            "maker": trade.is_maker,
            "pair": call.name(trade.symbol),
            "marginAsset": instrument.quote,
        }
        for trade in traded(call, WEEK_MS)
    ]


def _side_of_trade(call: Call, trade: SimTrade) -> str:
    order = call.exchange.order(call.account, trade.symbol, order_id=trade.order_id)
    return (order.position_side if order else PositionSide.BOTH).value


def row(call: Call, order: SimOrder) -> Mapping[str, Any]:
    """An order as GET shows it."""
    return {**_core(call, order), "time": order.created_ms}


def _core(call: Call, order: SimOrder) -> dict[str, Any]:
    instrument = call.desk.listed[order.symbol]
    average = order.average_price / instrument.contract_size
    name = order.type.value.upper()
    return {
        "orderId": order.id,
        "symbol": call.name(order.symbol),
        "status": _FORCED_STATES.get(order.forced_by, order.status.value),
        "clientOrderId": order.client_id,
        "price": kept_price_text(instrument, order.price or ZERO),
        "avgPrice": fixed(average),
        "origQty": size_text(instrument, order.size or order.filled_size),
        "executedQty": size_text(instrument, order.filled_size),
        "cumQuote": fixed(order.filled_quote),
        "timeInForce": time_in_force_name(order),
        "type": name,
        "origType": name,
        "reduceOnly": order.reduce_only,
        "closePosition": order.close_position,
        "side": order.side.value.upper(),
        "positionSide": order.position_side.value,
        "stopPrice": price_text(instrument, ZERO),
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "priceMatch": order.price_match,
        "selfTradePreventionMode": order.self_trade.value,
        "goodTillDate": order.good_till_ms,
        "updateTime": order.updated_ms,
    }


def _open_weight(params: Params) -> int:
    return 1 if "symbol" in params else 40


def _write(method: str, path: str, act: Any, weight: int, orders: int = 0) -> Route:
    return Route(method, path, act, Security.SIGNED, weight, orders=orders, permission="perp")


USDM_ORDER_ROUTES: tuple[Route, ...] = (
    _write("POST", "/fapi/v1/order", place, 0, orders=1),
    _write("POST", "/fapi/v1/order/test", test, 0),
    _write("DELETE", "/fapi/v1/order", cancel, 1),
    _write("DELETE", "/fapi/v1/allOpenOrders", cancel_all, 1),
    _write("POST", "/fapi/v1/countdownCancelAll", countdown, 10),
    private("GET", "/fapi/v1/order", query, 1, "perp"),
    private("GET", "/fapi/v1/openOrder", query_open, 1, "perp"),
    private("GET", "/fapi/v1/openOrders", open_orders, _open_weight, "perp"),
    private("GET", "/fapi/v1/allOrders", all_orders, 5, "perp"),
    private("GET", "/fapi/v1/userTrades", user_trades, 5, "perp"),
)
