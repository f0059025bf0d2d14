"""Binance spot: cancel-and-replace, orders made smaller at their place in the book, reads that stay empty here."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from bot.domain.money import ZERO
from bot.simex.dialects.binance.common import ApiError, Call, Params, Route, Security, fixed, private, times
from bot.simex.dialects.binance.refusals import spot_error
from bot.simex.dialects.binance.spot_orders import CLIENT_ID_RANGE, find_order, place, row
from bot.simex.dialects.binance.trade.spot_cancels import cancel
from bot.simex.engine.refusal import Refusal, RefusalReason

_MODES = {"STOP_ON_FAILURE": True, "ALLOW_FAILURE": False}
_OWN = ("cancelReplaceMode", "cancelNewClientOrderId", "cancelOrigClientOrderId", "cancelOrderId", "cancelRestrictions")
_STAMPS = ("timestamp", "recvWindow", "signature", "orderRateLimitExceededMode")
_NAMES = {
    "cancelOrderId": "orderId",
    "cancelOrigClientOrderId": "origClientOrderId",
    "cancelNewClientOrderId": "newClientOrderId",
}


def cancel_replace(call: Call) -> Mapping[str, Any]:
    """Cancel, then place. Whatever does not come about is in the answer beside what does.

    Raises:
        ApiError: the order is not named, or one of both did not come about; `data` has what did.
    """
    params = call.params
    stops = params.choice(
        "cancelReplaceMode", _MODES, -1130, "Data sent for parameter 'cancelReplaceMode' is not valid."
    )
    if "cancelOrderId" not in params and "cancelOrigClientOrderId" not in params:
        raise ApiError(
            -1102, "Param 'cancelOrigClientOrderId' or 'cancelOrderId' must be sent, but both were empty/null!"
        )
    values = params.as_dict()
    named = {"symbol": params.text("symbol")} | {_NAMES[n]: v for n, v in values.items() if n in _NAMES}
    order = {name: value for name, value in values.items() if name not in (*_OWN, *_STAMPS)}
    is_canceled, canceled = _tried(cancel, replace(call, params=Params.of(named)))
    is_placed, placed = (False, None)
    if is_canceled or not stops:
        is_placed, placed = _tried(place, replace(call, params=Params.of(order)))
    results = {
        "cancelResult": "SUCCESS" if is_canceled else "FAILURE",
        "newOrderResult": "SUCCESS" if is_placed else "FAILURE" if placed is not None else "NOT_ATTEMPTED",
        "cancelResponse": canceled,
        "newOrderResponse": placed,
    }
    if is_canceled and is_placed:
        return results
    if is_canceled or is_placed:
        raise ApiError(-2021, "Order cancel-replace partially failed.", 409, data=results)
    raise ApiError(-2022, "Order cancel-replace failed.", data=results)


def _tried(act: Callable[[Call], Mapping[str, Any]], call: Call) -> tuple[bool, Mapping[str, Any]]:
    try:
        return True, act(call)
    except ApiError as error:
        return False, {"code": error.code, "msg": error.message}
    except Refusal as refusal:
        worded = spot_error(refusal)
        return False, {"code": worded.code, "msg": worded.message}


def keep_priority(call: Call) -> Mapping[str, Any]:
    """A smaller quantity at the same place in the book; the order has a new client id afterwards where one is sent.

    Raises:
        ApiError: the order is unknown or was changed too often, or the quantity is off the grid or not smaller.
    """
    instrument = call.instrument()
    order = find_order(call, instrument, ApiError(-2013, "Order does not exist."))
    size = call.params.decimal("newQty")
    call.params.maybe_text("newClientOrderId", CLIENT_ID_RANGE)
    if (instrument.size_step and size % instrument.size_step) or size < instrument.size_min:
        raise ApiError(-1013, "Filter failure: LOT_SIZE")
    if instrument.notional(size, order.price or ZERO) < instrument.notional_min:
        raise ApiError(-1013, "Filter failure: NOTIONAL")
    known = call.exchange.amendments.of(call.account, order.symbol, order.id)
    if len(known) >= call.exchange.rules.spot_amends_max:
        raise ApiError(-2038, "Filter failure: MAX_NUM_ORDER_AMENDS")
    try:
        changed = call.exchange.amendments.reduce(call.account, order, size)
    except Refusal as refusal:
        if refusal.reason is RefusalReason.UNKNOWN_ORDER:
            raise ApiError(-2013, "Order does not exist.") from refusal
        raise ApiError(
            -2038,
            "The requested action would change no state; rejecting."
            if size == order.size
            else "Invalid quantity: the new quantity must be below the order's and above what is executed.",
        ) from refusal
    shown = row(call, changed)
    amended = {
        **{name: shown[name] for name in ("symbol", "orderId", "orderListId")},
        "origClientOrderId": order.client_id,
        "clientOrderId": changed.client_id,
        **{name: shown[name] for name in ("price", "status", "timeInForce", "type", "side", "workingTime")},
        "qty": shown["origQty"],
        "executedQty": shown["executedQty"],
        "preventedQty": fixed(ZERO),
        "quoteOrderQty": shown["origQuoteOrderQty"],
        "cumulativeQuoteQty": shown["cummulativeQuoteQty"],
        "selfTradePreventionMode": shown["selfTradePreventionMode"],
    }
    number = call.exchange.amendments.of(call.account, order.symbol, order.id)[-1].id
    return {"transactTime": call.now_ms, "executionId": number, "amendedOrder": amended}


def amendments(call: Call) -> list[Mapping[str, Any]]:
    order_id, limit = call.params.integer("orderId"), call.params.limit(500, 1000)
    first = call.params.maybe_integer("fromExecutionId") or 0
    rows: list[Mapping[str, Any]] = [
        {
            "symbol": call.name(change.before.symbol),
            "orderId": change.before.id,
            "executionId": change.id,
            "origClientOrderId": change.before.client_id,
            "newClientOrderId": change.after.client_id,
            "origQty": fixed(change.before.size),
            "newQty": fixed(change.after.size),
            "time": change.at_ms,
        }
        for change in call.exchange.amendments.of(call.account, call.instrument().symbol, order_id)
        if change.id >= first
    ]
    return rows[:limit]


def own_filters(call: Call) -> Mapping[str, Any]:
    call.instrument()
    return {"exchangeFilters": [], "symbolFilters": [], "assetFilters": []}


def nothing_prevented(call: Call) -> list[Any]:
    call.instrument()
    times(call)
    return []


def _write(method: str, path: str, act: Any, orders: int = 0) -> Route:
    return Route(method, path, act, Security.SIGNED, 1, orders=orders, is_free=True, permission="spot")


SPOT_CHANGE_ROUTES: tuple[Route, ...] = (
    _write("POST", "/api/v3/order/cancelReplace", cancel_replace, orders=1),
    Route("PUT", "/api/v3/order/amend/keepPriority", keep_priority, Security.SIGNED, 4, permission="spot"),
    private("GET", "/api/v3/order/amendments", amendments, 4),
    private("GET", "/api/v3/myPreventedMatches", nothing_prevented, 20),
    private("GET", "/api/v3/myAllocations", nothing_prevented, 20),
    private("GET", "/api/v3/myFilters", own_filters, 40),
)
