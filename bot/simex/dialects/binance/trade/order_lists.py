"""Binance spot: order lists are placed and read: OCO by position (above, below) and in the older form, OTO, OTOCO.

Source: rest-api.md "Order lists", errors.md -1158 to -1199, enums.md "Order list statuses".
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bot.domain.durations import DAY_MS
from bot.domain.instrument import Side
from bot.simex.dialects.binance.common import ApiError, Call, Params, Route, Security, private, times
from bot.simex.dialects.binance.spot_orders import (
    CLIENT_ID_RANGE,
    REPLY_KINDS,
    SIDES,
    new_order,
    report,
)
from bot.simex.dialects.binance.trade.spot_cancels import list_row, named_list
from bot.simex.engine.types import NewOrder, OrderList, SimOrder

_STOPS = frozenset({"STOP_LOSS", "STOP_LOSS_LIMIT"})
_PROFITS = frozenset({"TAKE_PROFIT", "TAKE_PROFIT_LIMIT"})
_MAKER = "LIMIT_MAKER"
_PAIR_TYPES = _STOPS | _PROFITS | {_MAKER}
_MISPLACED = {
    (Side.BUY, "above", "limit"): (-1165, "A limit order in a buy OCO must be below."),
    (Side.SELL, "below", "limit"): (-1166, "A limit order in a sell OCO must be above."),
    (Side.BUY, "below", "stop"): (-1196, "A stop loss order in a buy OCO must be above."),
    (Side.SELL, "above", "stop"): (-1197, "A stop loss order in a sell OCO must be below."),
    (Side.BUY, "above", "profit"): (-1198, "A take profit order in a buy OCO must be below."),
    (Side.SELL, "below", "profit"): (-1199, "A take profit order in a sell OCO must be above."),
}
# what an order of a list calls the parameters of an order: `abovePrice` is `price`
_OWN_NAMES = {
    "type": "type",
    "side": "side",
    "quantity": "quantity",
    "price": "price",
    "stopPrice": "stopPrice",
    "timeInForce": "timeInForce",
    "clientOrderId": "newClientOrderId",
    "icebergQty": "icebergQty",
    "trailingDelta": "trailingDelta",
    "pegPriceType": "pegPriceType",
    "strategyId": "strategyId",
    "strategyType": "strategyType",
}
_MORE_NAMES = ("pegOffsetType", "pegOffsetValue")
_COMMON = ("symbol", "listClientOrderId", "newOrderRespType", "selfTradePreventionMode")
_STOP_OF_OLD = {
    "stopPrice": "stopPrice",
    "stopLimitPrice": "price",
    "stopLimitTimeInForce": "timeInForce",
    "stopClientOrderId": "newClientOrderId",
    "stopIcebergQty": "icebergQty",
    "trailingDelta": "trailingDelta",
}
_LIMIT_OF_OLD = {"price": "price", "limitClientOrderId": "newClientOrderId", "limitIcebergQty": "icebergQty"}


def place_oco(call: Call) -> Mapping[str, Any]:
    side = call.params.choice("side", SIDES, -1117, "Invalid side.")
    shared = {"side": call.params.text("side"), "quantity": call.params.text("quantity")}
    stop, profit = _pair(call, side, "above", "below", shared)
    return _placed_pair(call, stop, profit)


def place_old_oco(call: Call) -> Mapping[str, Any]:
    """The form before `orderList/oco`: a limit order and a stop, named by what they are."""
    params = call.params
    shared = {"side": params.text("side"), "quantity": params.text("quantity")}
    stop_type = "STOP_LOSS_LIMIT" if "stopLimitPrice" in params else "STOP_LOSS"
    if stop_type == "STOP_LOSS_LIMIT":
        params.text("stopLimitTimeInForce")
    stop = _order(call, {**_read(params, _STOP_OF_OLD), **shared, "type": stop_type}, _STOP_OF_OLD)
    limit = _order(call, {**_read(params, _LIMIT_OF_OLD), **shared, "type": _MAKER}, _LIMIT_OF_OLD)
    return _placed_pair(call, stop, limit)


def place_oto(call: Call) -> Mapping[str, Any]:
    working = _working(call)
    return _placed_oto(call, working, (_leg(call, "pending"),))


def place_otoco(call: Call) -> Mapping[str, Any]:
    working = _working(call)
    side = call.params.choice("pendingSide", SIDES, -1117, "Invalid side.")
    shared = {"side": call.params.text("pendingSide"), "quantity": call.params.text("pendingQuantity")}
    return _placed_oto(call, working, _pair(call, side, "pendingAbove", "pendingBelow", shared))


def no_opo(call: Call) -> Any:
    """An order that pays with what another one buys: no symbol here allows it.

    Raises:
        ApiError: always.
    """
    call.instrument()
    raise ApiError(-2010, "OPO orders are not supported for this symbol.")


def no_routing(call: Call) -> Any:
    """No symbol here has another book to route to, as the empty `sors` of `exchangeInfo` says.

    Raises:
        ApiError: always.
    """
    call.instrument()
    raise ApiError(-1013, "This symbol has no SOR.")


def query_list(call: Call) -> Mapping[str, Any]:
    return list_row(call, named_list(call, "origClientOrderId", ApiError(-2018, "Order list does not exist.")))


def open_lists(call: Call) -> list[Mapping[str, Any]]:
    return [list_row(call, one) for one in call.exchange.lists.of(call.account) if not one.is_done]


def all_lists(call: Call) -> list[Mapping[str, Any]]:
    """Order lists from `fromId` up, or between the times, or the latest.

    Raises:
        ApiError: both a number and a time were sent.
    """
    limit, first = call.params.limit(500, 1000), call.params.maybe_integer("fromId")
    if first is not None and ("startTime" in call.params or "endTime" in call.params):
        raise ApiError(-1128, "Combination of optional parameters invalid.")
    start_ms, end_ms = times(call, DAY_MS)
    known = [one for one in call.exchange.lists.of(call.account) if (start_ms or 0) <= one.created_ms <= end_ms]
    if first is not None:
        known = [one for one in known if one.id >= first][:limit]
    elif start_ms is not None:
        known = known[:limit]
    return [list_row(call, one) for one in known[-limit:]]


def _placed_pair(call: Call, stop: NewOrder, profit: NewOrder) -> Mapping[str, Any]:
    kind, client_id = _reply_kind(call), _list_client_id(call)
    created = call.exchange.lists.place_oco(call.account, stop, profit, client_id)
    return _shown(call, created, call.exchange.lists.orders(created), kind)


def _placed_oto(call: Call, working: NewOrder, pending: tuple[NewOrder, ...]) -> Mapping[str, Any]:
    kind, client_id = _reply_kind(call), _list_client_id(call)
    created, placed = call.exchange.lists.place_oto(call.account, working, pending, client_id)
    answer = _shown(call, created, placed, kind)
    call.exchange.lists.follow()
    return answer


def _shown(call: Call, made: OrderList, orders: tuple[SimOrder, ...], kind: str) -> Mapping[str, Any]:
    return {**list_row(call, made), "orderReports": [report(call, order, kind) for order in orders]}


def _pair(call: Call, side: Side, above: str, below: str, shared: Mapping[str, str]) -> tuple[NewOrder, NewOrder]:
    """(stop, the other order) of a pair that is named by where its orders are."""
    names = {"above": above, "below": below}
    types = {where: call.params.text(f"{prefix}Type") for where, prefix in names.items()}
    if not _PAIR_TYPES.issuperset(types.values()):
        raise ApiError(-1158, "Order type not supported in OCO.")
    if set(types.values()) == {_MAKER}:
        raise ApiError(-1168, "At least one OCO order must be contingent.")
    for where, type_name in types.items():
        sort = "limit" if type_name == _MAKER else "stop" if type_name in _STOPS else "profit"
        if (side, where, sort) in _MISPLACED:
            raise ApiError(*_MISPLACED[side, where, sort])
    legs = {where: _leg(call, prefix, shared) for where, prefix in names.items()}
    return (legs["below"], legs["above"]) if side is Side.SELL else (legs["above"], legs["below"])


def _working(call: Call) -> NewOrder:
    if call.params.text("workingType") not in ("LIMIT", _MAKER):
        raise ApiError(-1130, "Data sent for parameter 'workingType' is not valid.")
    return _leg(call, "working")


def _leg(call: Call, prefix: str, shared: Mapping[str, str] | None = None) -> NewOrder:
    names = {_prefixed(prefix, name): own for name, own in _OWN_NAMES.items()}
    return _order(call, {**_read(call.params, names), **(shared or {})}, names)


def _order(call: Call, values: Mapping[str, str], names: Mapping[str, str]) -> NewOrder:
    """The order that a part of the parameters describes; refusals name the parameters as they were sent."""
    common = {n: call.params.text(n) for n in ("symbol", "selfTradePreventionMode") if n in call.params}
    sent = {own: name for name, own in names.items()}
    try:
        order, _ = new_order(replace(call, params=Params.of({**values, **common})))
    except ApiError as error:
        message = re.sub(r"'(\w+)'", lambda found: f"'{sent.get(found[1], found[1])}'", error.message)
        raise ApiError(error.code, message, error.status) from error
    return order


def _read(params: Params, names: Mapping[str, str]) -> dict[str, str]:
    return {own: params.text(name) for name, own in names.items() if name in params}


def _prefixed(prefix: str, name: str) -> str:
    return prefix + name[0].upper() + name[1:]


def _reply_kind(call: Call) -> str:
    if "newOrderRespType" not in call.params:
        return "RESULT"
    name = "newOrderRespType"
    return call.params.choice(name, REPLY_KINDS, -1130, f"Data sent for parameter '{name}' is not valid.")


def _list_client_id(call: Call) -> str:
    given = call.params.maybe_text("listClientOrderId", CLIENT_ID_RANGE)
    return given or call.desk.make_client_id(call.account)


def _known(*prefixes: str, also: tuple[str, ...] = ()) -> frozenset[str]:
    own = [_prefixed(prefix, name) for prefix in prefixes for name in (*_OWN_NAMES, *_MORE_NAMES)]
    return frozenset({*_COMMON, *own, *also})


def _write(path: str, act: Any, orders: int = 0, known: frozenset[str] = frozenset()) -> Route:
    return Route("POST", path, act, Security.SIGNED, 1, orders=orders, is_free=True, permission="spot", known=known)


_AMOUNT = ("side", "quantity")
_OLD = ("limitStrategyId", "limitStrategyType", "stopStrategyId", "stopStrategyType", *_STOP_OF_OLD, *_LIMIT_OF_OLD)
_PENDING_PAIR = ("pendingSide", "pendingQuantity")

ORDER_LIST_ROUTES: tuple[Route, ...] = (
    _write("/api/v3/order/oco", place_old_oco, 2, _known(also=(*_AMOUNT, *_OLD))),
    _write("/api/v3/orderList/oco", place_oco, 2, _known("above", "below", also=_AMOUNT)),
    _write("/api/v3/orderList/oto", place_oto, 2, _known("working", "pending")),
    _write(
        "/api/v3/orderList/otoco",
        place_otoco,
        3,
        _known("working", "pendingAbove", "pendingBelow", also=_PENDING_PAIR),
    ),
    _write("/api/v3/orderList/opo", no_opo, 2),
    _write("/api/v3/orderList/opoco", no_opo, 3),
    _write("/api/v3/sor/order", no_routing, 1),
    Route("POST", "/api/v3/sor/order/test", no_routing, Security.SIGNED, 1, permission="spot"),
    private("GET", "/api/v3/orderList", query_list, 4),
    private("GET", "/api/v3/allOrderList", all_lists, 20),
    private("GET", "/api/v3/openOrderList", open_lists, 6),
)
