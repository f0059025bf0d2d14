"""Orders that are changed while they rest, and several orders in one request."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from bot.simex.dialects.bybit.common import (
    LINEAR,
    BatchAnswers,
    BybitCall,
    BybitParams,
    BybitRefusal,
    error_of,
    invalid,
    order_id,
    own_number,
    private,
)
from bot.simex.dialects.bybit.orders import cancel, create, find_order
from bot.simex.engine.refusal import Refusal, RefusalReason
from bot.simex.engine.types import OrderStatus, SimOrder

MOST = {LINEAR: 20}
_MOST_OF_SPOT = 10
_EMPTY = {"orderId": "", "orderLinkId": ""}
Act = Callable[[BybitCall], Mapping[str, Any]]


def amend(call: BybitCall) -> dict[str, Any]:
    """Another size, price or trigger; what is not sent stays."""
    category, instrument = call.params.category(), call.instrument()
    found = find_order(call, instrument.symbol)
    if found is None or not found.is_open:
        raise error_of(Refusal(RefusalReason.UNKNOWN_ORDER), perp=category == LINEAR)
    try:
        call.desk.gather(call.account)
        if category != LINEAR:
            call.desk.spread(call.account)
        _change(call, found)
    finally:
        call.desk.gather(call.account)
    return {"orderId": order_id(found.symbol, own_number(found)), "orderLinkId": found.client_id}


def _change(call: BybitCall, order: SimOrder) -> None:
    size, price = call.params.maybe_number("qty"), call.params.maybe_number("price")
    trigger = call.params.maybe_number("triggerPrice")
    if price is not None and order.price is None:
        raise invalid("price")
    if trigger is not None and order.status is not OrderStatus.UNTRIGGERED:
        raise invalid("triggerPrice")
    wanted = (
        order.size if size is None else size,
        order.price if price is None else price,
        trigger or order.trigger_price,
    )
    if wanted == (order.size, order.price, order.trigger_price):
        raise BybitRefusal(10001, "The order remains unchanged as the parameters entered match the existing ones.")
    amendments = call.exchange.amendments
    if order.status is OrderStatus.UNTRIGGERED and wanted[2] is not None:
        amendments.amend_trigger(call.account, order, size=wanted[0], price=wanted[1], trigger_price=wanted[2])
    elif wanted[1] is not None:
        amendments.amend(call.account, order, side=order.side, size=wanted[0], price=wanted[1])


def create_all(call: BybitCall) -> BatchAnswers:
    return _each(call, create, {"createAt": str(call.now_ms)}, {"createAt": ""})


def amend_all(call: BybitCall) -> BatchAnswers:
    return _each(call, amend, {}, {})


def cancel_all_listed(call: BybitCall) -> BatchAnswers:
    return _each(call, cancel, {}, {})


def _each(call: BybitCall, act: Act, done: Mapping[str, str], refused: Mapping[str, str]) -> BatchAnswers:
    """One answer for each part, in order; a part that is refused has a code of its own."""
    category = call.params.category()
    parts = call.params.parts("request", MOST.get(category, _MOST_OF_SPOT))
    rows, verdicts = [], []
    for part in parts:
        head = {"category": category, "symbol": str(part.get("symbol", ""))}
        try:
            answer = act(replace(call, params=BybitParams({**part, "category": category})))
            rows.append({**head, **answer, **done})
            verdicts.append((0, "OK"))
        except (BybitRefusal, Refusal) as error:
            found = error if isinstance(error, BybitRefusal) else error_of(error, perp=category == LINEAR)
            rows.append({**head, **_EMPTY, **refused})
            verdicts.append((found.code, found.message))
    return BatchAnswers(tuple(rows), tuple(verdicts))


CHANGE_ENDPOINTS = (
    private("POST", "/v5/order/amend", amend, 10),
    private("POST", "/v5/order/create-batch", create_all, 10),
    private("POST", "/v5/order/amend-batch", amend_all, 10),
    private("POST", "/v5/order/cancel-batch", cancel_all_listed, 10),
)
