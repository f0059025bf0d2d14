"""Binance spot: cancels. With an order of a list the whole list is canceled, and the answer is the list."""

from collections.abc import Mapping
from typing import Any

from bot.simex.dialects.binance.common import ApiError, Call, Params, Route, Security
from bot.simex.dialects.binance.spot_orders import CLIENT_ID_RANGE, canceled_report, find_order
from bot.simex.engine.types import OrderList, OrderStatus, SimOrder

_RESTRICTIONS = {"ONLY_NEW": OrderStatus.NEW, "ONLY_PARTIALLY_FILLED": OrderStatus.PARTIALLY_FILLED}


def cancel(call: Call) -> Mapping[str, Any]:
    instrument = call.instrument()
    order = find_order(call, instrument, ApiError(-2011, "Unknown order sent."))
    _check_restrictions(call.params, order)
    return _canceled(call, order, call.params.maybe_text("newClientOrderId", CLIENT_ID_RANGE))


def cancel_all(call: Call) -> list[Mapping[str, Any]]:
    """Every order alone, and every list as one.

    Raises:
        ApiError: no order of the symbol is open.
    """
    instrument = call.instrument()
    orders = call.exchange.open_orders(call.account, instrument.symbol)
    if not orders:
        raise ApiError(-2011, "Unknown order sent.")
    alone = [_canceled(call, order, None) for order in orders if order.list_id < 0]
    lists = dict.fromkeys(order.list_id for order in orders if order.list_id >= 0)
    open_lists = [call.exchange.lists.find(call.account, list_id=number) for number in lists]
    return [*alone, *(canceled_list(call, one, None) for one in open_lists if one is not None)]


def cancel_list(call: Call) -> Mapping[str, Any]:
    """Cancel every order of a list.

    Raises:
        ApiError: the list is unknown, of another symbol, or done.
    """
    instrument = call.instrument()
    one = named_list(call, "listClientOrderId", ApiError(-2011, "Unknown order list sent."))
    if one.symbol != instrument.symbol or one.is_done:
        raise ApiError(-2011, "Unknown order list sent.")
    return canceled_list(call, one, call.params.maybe_text("newClientOrderId", CLIENT_ID_RANGE))


def canceled_list(call: Call, one: OrderList, cancel_id: str | None) -> Mapping[str, Any]:
    """Cancel an open list; the answer shows all its orders."""
    cancel_id = cancel_id or call.desk.make_client_id(call.account)
    ended = call.exchange.lists.cancel(call.account, one.id, cancel_id)
    done = call.exchange.lists.find(call.account, list_id=one.id) or one
    reports = [canceled_report(call, order, order.client_id, order.cancel_client_id or cancel_id) for order in ended]
    return {**list_row(call, done), "orderReports": reports}


def list_row(call: Call, one: OrderList) -> dict[str, Any]:
    """A list as every answer shows it."""
    name = call.name(one.symbol)
    return {
        "orderListId": one.id,
        "contingencyType": one.contingency.value,
        "listStatusType": "ALL_DONE" if one.is_done else "EXEC_STARTED",
        "listOrderStatus": "ALL_DONE" if one.is_done else "EXECUTING",
        "listClientOrderId": one.client_id,
        "transactionTime": one.updated_ms,
        "symbol": name,
        "orders": [
            {"symbol": name, "orderId": order.id, "clientOrderId": order.client_id}
            for order in call.exchange.lists.orders(one)
        ],
    }


def named_list(call: Call, client_id_name: str, absent: ApiError) -> OrderList:
    """The list that the request names by number or by client id.

    Args:
        absent: raised where there is no such list.

    Raises:
        ApiError: neither of both was sent, or `absent`.
    """
    number, client_id = call.params.maybe_integer("orderListId"), call.params.maybe_text(client_id_name)
    if number is None and client_id is None:
        raise ApiError(-1102, f"Param 'orderListId' or '{client_id_name}' must be sent, but both were empty/null!")
    one = call.exchange.lists.find(call.account, list_id=number, client_id=client_id)
    if one is None or (number is not None and client_id is not None and one.client_id != client_id):
        raise absent
    return one


def _canceled(call: Call, order: SimOrder, cancel_id: str | None) -> Mapping[str, Any]:
    one = call.exchange.lists.find(call.account, list_id=order.list_id)
    if one is not None and order.is_open:
        return canceled_list(call, one, cancel_id)
    # The reply names the cancel request, not the order: bots that key on `clientOrderId` lose it here.
    cancel_id = cancel_id or call.desk.make_client_id(call.account)
    ended = call.exchange.cancel(call.account, order.symbol, order_id=order.id, cancel_client_id=cancel_id)
    return canceled_report(call, ended, order.client_id, cancel_id)


def _check_restrictions(params: Params, order: SimOrder) -> None:
    if "cancelRestrictions" not in params:
        return
    message = "cancelRestrictions has to be either ONLY_NEW or ONLY_PARTIALLY_FILLED."
    required = params.choice("cancelRestrictions", _RESTRICTIONS, -1145, message)
    status = OrderStatus.NEW if order.status is OrderStatus.UNTRIGGERED else order.status
    if status is not required:
        raise ApiError(-2011, "Order was not canceled due to cancel restrictions.")


def _write(path: str, act: Any) -> Route:
    return Route("DELETE", path, act, Security.SIGNED, 1, is_free=True, permission="spot")


SPOT_CANCEL_ROUTES: tuple[Route, ...] = (
    _write("/api/v3/order", cancel),
    _write("/api/v3/openOrders", cancel_all),
    _write("/api/v3/orderList", cancel_list),
)
