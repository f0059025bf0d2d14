"""Binance USDⓈ-M: several orders in one request, and orders that are changed while they rest."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from bot.domain.durations import WEEK_MS
from bot.domain.money import ZERO
from bot.simex.dialects.binance.common import ApiError, Call, Params, Route, Security, private, times
from bot.simex.dialects.binance.refusals import perp_error
from bot.simex.dialects.binance.spot_market import kept_price_text, size_text
from bot.simex.dialects.binance.spot_orders import SIDES, find_order
from bot.simex.dialects.binance.usdm_orders import cancel, check_price, check_size, place, row
from bot.simex.dialects.binance.usdm_terms import matched_price, price_match_of
from bot.simex.engine.refusal import Refusal, RefusalReason
from bot.simex.engine.types import ForcedBy

MOST = 5
MOST_CANCELS = 10
_FORCED = {"LIQUIDATION": (ForcedBy.LIQUIDATION, ForcedBy.INSURANCE), "ADL": (ForcedBy.DELEVERAGING,)}


def modify(call: Call) -> Mapping[str, Any]:
    """Another size and price; both must be sent, and the order keeps its id.

    Raises:
        ApiError: the order is unknown, or nothing would change.
    """
    instrument, params = call.instrument(), call.params
    side = params.choice("side", SIDES, -1117, "Invalid side.")
    order = find_order(call, instrument, ApiError(-2013, "Order does not exist."))
    check_size(params, instrument)
    match = price_match_of(params, "LIMIT")
    if match != "NONE":
        price = matched_price(call, instrument, side, match)
    else:
        check_price(call, instrument, "price")
        price = params.decimal("price")
    size, label = params.decimal("quantity"), params.maybe_integer("modifyId")
    if (size, price) == (order.size, order.price):
        raise ApiError(-5027, "No need to modify the order.")
    try:
        changed = call.exchange.amendments.amend(call.account, order, side=side, size=size, price=price, label=label)
    except Refusal as refusal:
        if refusal.reason is RefusalReason.UNKNOWN_ORDER:
            raise ApiError(-2013, "Order does not exist.") from refusal
        raise
    shown = {name: value for name, value in row(call, changed).items() if name != "time"}
    own = {"pair": call.name(instrument.symbol), "cumQty": size_text(instrument, changed.filled_size)}
    return {**shown, **own, **({} if label is None else {"modifyId": label})}


def amendments(call: Call) -> list[Mapping[str, Any]]:
    instrument, order_id = call.instrument(), call.params.maybe_integer("orderId")
    client_id = call.params.maybe_text("origClientOrderId")
    start_ms, end_ms = times(call)
    rows: list[Mapping[str, Any]] = [
        {
            "amendmentId": change.id,
            "symbol": call.name(instrument.symbol),
            "pair": call.name(instrument.symbol),
            "orderId": change.before.id,
            "clientOrderId": change.before.client_id,
            "time": change.at_ms,
            "amendment": {
                "price": {
                    "before": kept_price_text(instrument, change.before.price or ZERO),
                    "after": kept_price_text(instrument, change.after.price or ZERO),
                },
                "origQty": {
                    "before": size_text(instrument, change.before.size),
                    "after": size_text(instrument, change.after.size),
                },
                "count": change.count,
                **({} if change.label is None else {"modifyId": change.label}),
            },
            "priceMatch": change.after.price_match,
        }
        for change in call.exchange.amendments.of(call.account, instrument.symbol, order_id)
        if (start_ms or 0) <= change.at_ms <= end_ms and client_id in (None, change.before.client_id)
    ]
    return rows[-call.params.limit(50, 100) :]


def place_all(call: Call) -> list[Mapping[str, Any]]:
    return _each(call, place)


def modify_all(call: Call) -> list[Mapping[str, Any]]:
    return _each(call, modify)


def _each(call: Call, act: Callable[[Call], Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """One answer for each part, in order; a part that is refused has its error."""
    parts = _list(call.params, "batchOrders")
    if len(parts) > MOST:
        raise ApiError(-4082, f"Invalid number of batch place orders: {len(parts)}")
    if not all(isinstance(part, dict) for part in parts):
        raise ApiError(-1130, "Data sent for parameter 'batchOrders' is not valid.")
    return [_one(replace(call, params=Params.of(part)), act) for part in parts]


def _one(call: Call, act: Callable[[Call], Mapping[str, Any]]) -> Mapping[str, Any]:
    try:
        return act(call)
    except ApiError as error:
        return {"code": error.code, "msg": error.message}
    except Refusal as refusal:
        worded = perp_error(refusal)
        return {"code": worded.code, "msg": worded.message}


def cancel_listed(call: Call) -> list[Mapping[str, Any]]:
    """Orders of one symbol by `orderIdList` or `origClientOrderIdList`.

    Raises:
        ApiError: neither list was sent, or one with more than `MOST_CANCELS`.
    """
    symbol, params = call.params.text("symbol"), call.params
    call.instrument()
    if "orderIdList" not in params and "origClientOrderIdList" not in params:
        raise ApiError(-1102, "Param 'origclientorderidlist' or 'orderidlist' must be sent, but both were empty/null!")
    by_id = "orderIdList" in params
    numbers = _list(params, "orderIdList" if by_id else "origClientOrderIdList")
    if len(numbers) > MOST_CANCELS:
        raise ApiError(-4032, "Exceed maximum cancel order size.")
    name = "orderId" if by_id else "origClientOrderId"
    return [_one(replace(call, params=Params.of({"symbol": symbol, name: number})), cancel) for number in numbers]


def _list(params: Params, name: str) -> list[Any]:
    try:
        parts = json.loads(params.text(name))
    except ValueError:
        parts = None
    if not isinstance(parts, list) or not parts:
        raise ApiError(-1130, f"Data sent for parameter '{name}' is not valid.")
    return parts


def forced_orders(call: Call) -> list[Mapping[str, Any]]:
    """Orders of the exchange that closed positions of the account.

    Raises:
        ApiError: the kind that is asked for is none of the venue's.
    """
    chosen = call.maybe_instrument()
    name = call.params.maybe_text("autoCloseType")
    if name is not None and name not in _FORCED:
        raise ApiError(-1130, "Data sent for parameter 'autoCloseType' is not valid.")
    kinds = [kind for key, both in _FORCED.items() if name in (None, key) for kind in both]
    start_ms, end_ms = times(call, WEEK_MS)
    symbols = [chosen.symbol] if chosen else [i.symbol for i in call.desk.instruments(call.kind)]
    orders = [
        order
        for symbol in symbols
        for order in call.exchange.orders(call.account, symbol, start_ms, end_ms, limit=1000)
        if order.forced_by in kinds
    ]
    orders.sort(key=lambda order: order.created_ms)
    return [row(call, order) for order in orders[-call.params.limit(50, 100) :]]


def _write(method: str, path: str, act: Any, weight: int, orders: int = 0) -> Route:
    return Route(method, path, act, Security.SIGNED, weight, orders=orders, permission="perp")


USDM_BATCH_ROUTES: tuple[Route, ...] = (
    _write("PUT", "/fapi/v1/order", modify, 0, orders=1),
    _write("POST", "/fapi/v1/batchOrders", place_all, 5, orders=5),
    _write("PUT", "/fapi/v1/batchOrders", modify_all, 5, orders=5),
    _write("DELETE", "/fapi/v1/batchOrders", cancel_listed, 1),
    private("GET", "/fapi/v1/orderAmendment", amendments, 1, "perp"),
    private("GET", "/fapi/v1/forceOrders", forced_orders, lambda params: 20 if "symbol" in params else 50, "perp"),
)
