"""Spot orders and fills: create, cancel, open and former orders, what was traded.

How long an order stays is a type of its own, an answer to a new order has neither our id nor a state, and a stop price
is a parameter that nobody looks at.
"""

import re
from collections.abc import Iterator
from typing import Any

from bot.domain.durations import DAY_MS
from bot.domain.instrument import Instrument, Side
from bot.domain.order import OrderType, TimeInForce
from bot.simex.dialects.mexc.common import (
    EVERYTHING,
    MexcCall,
    MexcRefusal,
    error_of,
    is_venues,
    order_number,
    spot,
    spot_number,
    text,
    venue_symbol,
)
from bot.simex.engine.refusal import Refusal, RefusalReason
from bot.simex.engine.types import NewOrder, OrderStatus, SimOrder

CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")
TYPES = {
    "LIMIT": TimeInForce.GTC,
    "IMMEDIATE_OR_CANCEL": TimeInForce.IOC,
    "FILL_OR_KILL": TimeInForce.FOK,
    "LIMIT_MAKER": TimeInForce.POST_ONLY,
}
_TYPE_WORDS = {value: name for name, value in TYPES.items()}
_SPAN_MS, _FILLS_MS = 7 * DAY_MS, 30 * DAY_MS
_SIDES = {"BUY": Side.BUY, "SELL": Side.SELL}


def create(call: MexcCall) -> dict[str, Any]:
    """Place a spot order.

    Raises:
        MexcRefusal: the instrument is not open to orders through the API.
    """
    params, one = call.params, call.instrument()
    word, side, name = params.text("type"), params.text("side"), params.maybe_text("newClientOrderId")
    if (word != "MARKET" and word not in TYPES) or side not in _SIDES:
        raise params.bad("type" if side in _SIDES else "side")
    if one.symbol in call.desk.unbound:
        raise MexcRefusal(10007, "bad symbol")
    if name and not CLIENT_ID.fullmatch(name):
        raise error_of(Refusal(RefusalReason.BAD_CLIENT_ID), call.kind)
    size, worth = params.maybe_number("quantity"), params.maybe_number("quoteOrderQty")
    is_by_quote = word == "MARKET" and size is None and worth is not None
    placed = call.exchange.place(
        call.account,
        NewOrder(
            symbol=one.symbol,
            side=_SIDES[side],
            type=OrderType.MARKET if word == "MARKET" else OrderType.LIMIT,
            size=None if is_by_quote else params.number("quantity"),
            quote_size=worth if is_by_quote else None,
            price=None if word == "MARKET" else params.number("price"),
            time_in_force=TYPES.get(word, TimeInForce.GTC),
            client_id=name,
        ),
    )
    return {
        "symbol": venue_symbol(one),
        "orderId": spot_number(one.symbol, placed.id),
        "orderListId": -1,
        "price": text(placed.price),
        "origQty": text(placed.size),
        "type": word,
        "side": side,
        "stpMode": "",
        "transactTime": call.now_ms,
    }


def cancel(call: MexcCall) -> dict[str, Any]:
    """Cancel a spot order.

    Raises:
        MexcRefusal: it is unknown, or closed already.
    """
    found = _find(call, -2011, "Unknown order sent.")
    if not found.is_open:
        raise MexcRefusal(-2011, "Unknown order sent.")
    ended = call.exchange.cancel(call.account, found.symbol, order_id=found.id)
    row = _row(call, ended)
    return {**row, "clientOrderId": f"cancel{ended.id}", "origClientOrderId": row["clientOrderId"]}


def query(call: MexcCall) -> dict[str, Any]:
    return _row(call, _find(call, -2013, "Order does not exist."))


def _find(call: MexcCall, code: int, words: str) -> SimOrder:
    one, number = call.instrument(), call.params.maybe_text("orderId")
    name = call.params.maybe_text("origClientOrderId")
    if not number and not name:
        raise MexcRefusal(700004, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!")
    for order in _known(call, one):
        if spot_number(order.symbol, order.id) == number or (not number and order.client_id == name):
            return order
    raise MexcRefusal(code, words)


def _known(call: MexcCall, one: Instrument) -> Iterator[SimOrder]:
    """Orders of a symbol, newest first."""
    yield from reversed(call.exchange.orders(call.account, one.symbol, limit=EVERYTHING))


def open_orders(call: MexcCall) -> list[dict[str, Any]]:
    """Of the symbol, which has to be named."""
    return [_row(call, order) for order in _known(call, call.instrument()) if order.is_open]


def history(call: MexcCall) -> list[dict[str, Any]]:
    """All orders of a span of seven days at most, of the last seven days, newest first; of a day where none is asked
    for."""
    limit, now_ms = call.params.limit(500, 1_000), call.now_ms
    end_ms = call.params.maybe_integer("endTime") or now_ms
    start_ms = call.params.maybe_integer("startTime")
    start_ms = end_ms - DAY_MS if start_ms is None else start_ms
    if end_ms < start_ms or end_ms - start_ms > _SPAN_MS:
        raise call.params.bad("startTime")
    start_ms = max(start_ms, now_ms - _SPAN_MS)
    rows = [_row(call, order) for order in _known(call, call.instrument())]
    return [row for row in rows if start_ms <= row["time"] <= end_ms][:limit]


def _row(call: MexcCall, order: SimOrder) -> dict[str, Any]:
    return {
        "symbol": venue_symbol(call.exchange.instruments[order.symbol])
        if order.symbol in call.exchange.instruments
        else "",
        "orderId": spot_number(order.symbol, order.id),
        "orderListId": -1,
        "clientOrderId": "" if is_venues(order) else order.client_id,
        "price": text(order.price),
        "origQty": text(order.size),
        "executedQty": text(order.filled_size),
        "cummulativeQuoteQty": text(order.filled_quote),
        "status": _status(order),
        "timeInForce": None,
        "type": "MARKET" if order.price is None else _TYPE_WORDS[order.time_in_force],
        "side": order.side.value.upper(),
        "stopPrice": None,
        "icebergQty": None,
        "time": order.created_ms,
        "updateTime": order.updated_ms,
        "isWorking": True,
        "origQuoteOrderQty": text(order.quote_size),
    }


def _status(order: SimOrder) -> str:
    if order.status is OrderStatus.FILLED:
        return "FILLED"
    if order.is_open:
        return "PARTIALLY_FILLED" if order.filled_size else "NEW"
    return "PARTIALLY_CANCELED" if order.filled_size else "CANCELED"


def fills(call: MexcCall) -> list[dict[str, Any]]:
    """Of the last month, newest first."""
    one, limit = call.instrument(), call.params.limit(100, 100)
    start_ms, end_ms = call.params.maybe_integer("startTime") or 0, call.params.maybe_integer("endTime") or call.now_ms
    trades = call.exchange.trades(
        call.account, one.symbol, max(start_ms, call.now_ms - _FILLS_MS), end_ms, limit=EVERYTHING
    )
    rows = [
        {
            "symbol": venue_symbol(one),
            "id": str(order_number(trade.symbol, trade.id)),
            "orderId": spot_number(trade.symbol, trade.order_id),
            "orderListId": -1,
            "price": text(trade.price),
            "qty": text(trade.size),
            "quoteQty": text(trade.quote),
            "commission": text(trade.fee),
            "commissionAsset": trade.fee_asset,
            "time": trade.at_ms,
            "isBuyer": trade.side is Side.BUY,
            "isMaker": trade.is_maker,
            "isBestMatch": True,
            "isSelfTrade": False,
            "clientOrderId": None,
        }
        for trade in reversed(trades)
    ]
    return rows[:limit]


SPOT_ORDER_ENDPOINTS = (
    spot("POST", "order", create),
    spot("DELETE", "order", cancel),
    spot("GET", "order", query, 2),
    spot("GET", "openOrders", open_orders, 3),
    spot("GET", "allOrders", history, 10),
    spot("GET", "myTrades", fills, 10),
)
