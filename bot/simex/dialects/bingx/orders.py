"""Orders and fills: create, cancel, open and former orders, what was traded.

Conditional orders of perps share endpoint and lists with plain ones, keep their id when they have fired, and lose the
client id that they are sent with. Those of spot have one type for both directions.
"""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

from bot.domain.instrument import Instrument, Kind, Side
from bot.domain.money import ZERO
from bot.domain.order import OrderType, TimeInForce
from bot.simex.dialects.bingx.common import (
    EVERYTHING,
    WINDOW_MAX_MS,
    BingxCall,
    client_id_of,
    error_of,
    invalid,
    loose,
    order_number,
    private,
    text,
    venue_symbol,
)
from bot.simex.engine.refusal import Refusal, RefusalReason
from bot.simex.engine.types import ForcedBy, NewOrder, OrderStatus, PositionSide, SimOrder, SimTrade

CLIENT_ID = {Kind.SPOT: re.compile(r"[A-Za-z0-9_]{1,40}"), Kind.PERP: re.compile(r"[A-Za-z0-9_-]{1,40}")}
SIDES = {"BUY": Side.BUY, "SELL": Side.SELL}
TIMES_IN_FORCE = {
    "": TimeInForce.GTC,
    "GTC": TimeInForce.GTC,
    "IOC": TimeInForce.IOC,
    "FOK": TimeInForce.FOK,
    "PostOnly": TimeInForce.POST_ONLY,
}
_TIF_WORDS = {value: name for name, value in TIMES_IN_FORCE.items() if name}
_PERP_TYPES = {
    "LIMIT": OrderType.LIMIT,
    "MARKET": OrderType.MARKET,
    "STOP_MARKET": OrderType.STOP,
    "TAKE_PROFIT_MARKET": OrderType.TAKE_PROFIT,
}
_TYPE_WORDS = {kind: word for word, kind in _PERP_TYPES.items()}
_CAUSES = {
    "LIQUIDATION": (ForcedBy.LIQUIDATION, ForcedBy.INSURANCE),
    "ADL": (ForcedBy.DELEVERAGING,),
}
_ZONE = timezone(timedelta(hours=8))
_OPEN = ("NEW", "PENDING", "PARTIALLY_FILLED")


def create_spot(call: BingxCall) -> dict[str, Any]:
    params, instrument = call.params, call.instrument()
    kind, trigger = params.text("type"), params.maybe_number("stopPrice")
    if kind not in ("LIMIT", "MARKET", "TAKE_STOP_MARKET", "TAKE_STOP_LIMIT"):
        raise invalid("type")
    side = _side(call)
    if kind.startswith("TAKE_STOP") is (trigger is None):
        raise invalid("stopPrice")
    order_type = OrderType.LIMIT if kind == "LIMIT" else OrderType.MARKET
    if trigger is not None:  # where the price is decides whether it waits for a rise or a fall
        is_rising = trigger > call.exchange.quote(instrument.symbol).mid
        order_type = OrderType.STOP if is_rising is (side is Side.BUY) else OrderType.TAKE_PROFIT
    size, worth = params.maybe_number("quantity"), params.maybe_number("quoteOrderQty")
    is_by_quote = kind == "MARKET" and size is None and worth is not None
    placed = call.exchange.place(
        call.account,
        NewOrder(
            symbol=instrument.symbol,
            side=side,
            type=order_type,
            size=None if is_by_quote else _needed(size, "quantity"),
            quote_size=worth if is_by_quote else None,
            price=_needed(params.maybe_number("price"), "price") if kind.endswith("LIMIT") else None,
            time_in_force=_time_in_force(call) if kind.endswith("LIMIT") else TimeInForce.GTC,
            trigger_price=trigger,
            client_id=_client_id(call, "newClientOrderId"),
        ),
    )
    row = _spot_row(call, placed)
    kept = {name: row[name] for name in ("symbol", "orderId", "price", "origQty", "executedQty", "cummulativeQuoteQty")}
    more = {name: row[name] for name in ("status", "type", "side", "clientOrderID")}
    return {**kept, **more, "transactTime": call.now_ms, "stopPrice": row["StopPrice"]}


def create_perp(call: BingxCall) -> dict[str, Any]:
    params, instrument = call.params, call.instrument()
    word, trigger = params.text("type"), params.maybe_number("stopPrice")
    if word not in _PERP_TYPES:
        raise invalid("type")
    order_type = _PERP_TYPES[word]
    if order_type.is_trigger is (trigger is None):
        raise invalid("stopPrice")
    position_side = params.maybe_text("positionSide") or "BOTH"
    is_hedged = call.exchange.modes(call.account).is_hedge_mode
    if position_side not in ("BOTH", "LONG", "SHORT") or (position_side == "BOTH") is is_hedged:
        raise error_of(Refusal(RefusalReason.POSITION_SIDE), perp=True)
    working = params.maybe_text("workingType") or "MARK_PRICE"
    if working not in ("MARK_PRICE", "CONTRACT_PRICE"):
        raise invalid("workingType")
    placed = call.exchange.place(
        call.account,
        NewOrder(
            symbol=instrument.symbol,
            side=_side(call),
            type=order_type,
            size=_needed(params.maybe_number("quantity"), "quantity"),
            price=_needed(params.maybe_number("price"), "price") if word == "LIMIT" else None,
            time_in_force=_time_in_force(call) if word == "LIMIT" else TimeInForce.GTC,
            trigger_price=trigger,
            reduce_only=params.flag("reduceOnly") and not is_hedged,
            client_id=_client_id(call, "clientOrderId", "clientOrderID"),
            trigger_by_mark=working == "MARK_PRICE",
            position_side=PositionSide(position_side),
        ),
    )
    name, client_id = order_number(placed, placed.symbol, placed.id), client_id_of(call.desk, placed)
    return {
        "order": {
            "symbol": venue_symbol(placed.symbol),
            "orderId": name,
            "orderID": str(name),
            "side": placed.side.value.upper(),
            "positionSide": position_side,
            "type": word,
            "clientOrderID": client_id,
            "clientOrderId": client_id,
            "price": text(placed.price) or "0",
            "quantity": loose(placed.size),
            "stopPrice": text(trigger) or "0",
            "workingType": working,
            "timeInForce": _TIF_WORDS[placed.time_in_force],
            "reduceOnly": placed.reduce_only,
        }
    }


def cancel_spot(call: BingxCall) -> dict[str, Any]:
    return _spot_row(call, _cancel(call))


def cancel_perp(call: BingxCall) -> dict[str, Any]:
    return {"order": _perp_row(call, _cancel(call))}


def _cancel(call: BingxCall) -> SimOrder:
    instrument = call.instrument()
    found = _find(call, instrument)
    if not found.is_open:
        raise error_of(Refusal(RefusalReason.UNKNOWN_ORDER), perp=instrument.is_perp)
    return call.exchange.cancel(call.account, found.symbol, order_id=found.id)


def query_spot(call: BingxCall) -> dict[str, Any]:
    return _spot_row(call, _find(call, call.instrument()))


def query_perp(call: BingxCall) -> dict[str, Any]:
    instrument, wanted = call.instrument(), call.params.maybe_integer("orderId")
    if call.desk.numbers_anew and call.desk.shows_fired:
        for order in _known(call, instrument):
            if order.parent_id is not None and order_number(None, order.symbol, order.parent_id) == wanted:
                return {"order": _perp_row(call, order, is_anew=False)}
    return {"order": _perp_row(call, _find(call, instrument))}


def _find(call: BingxCall, instrument: Instrument) -> SimOrder:
    """The order that a request names, by the venue's id before ours; what a fired one has become."""
    wanted = call.params.maybe_integer("orderId")
    name = (call.params.maybe_text("clientOrderId") or call.params.maybe_text("clientOrderID")).lower()
    if wanted is None and not name:
        raise invalid("orderId")
    for order in _known(call, instrument):
        number = order_number(order, order.symbol, order.id, is_anew=call.desk.numbers_anew)
        if number == wanted or (wanted is None and client_id_of(call.desk, order) == name):
            return order
    raise error_of(Refusal(RefusalReason.UNKNOWN_ORDER), perp=instrument.is_perp)


def _known(call: BingxCall, instrument: Instrument) -> Iterator[SimOrder]:
    """Orders of a symbol, newest first; one that has fired is what it has become."""
    for order in reversed(call.exchange.orders(call.account, instrument.symbol, limit=EVERYTHING)):
        if order.status is not OrderStatus.TRIGGERED:
            yield order


def open_orders(call: BingxCall) -> dict[str, Any]:
    rows = [row for one in call.wanted() for row in _rows(call, one) if row["status"] in _OPEN]
    return {"orders": rows}


def history_spot(call: BingxCall) -> dict[str, Any]:
    """Orders that have ended, newest first."""
    size, page = call.params.limit(100, 100, "pageSize"), call.params.maybe_integer("pageIndex") or 1
    start_ms, end_ms = call.window(longest_ms=EVERYTHING * 1_000)
    rows = [row for row in _rows(call, call.instrument()) if row["status"] not in _OPEN]
    found = [row for row in rows if start_ms <= row["time"] <= end_ms]
    return {"orders": found[(page - 1) * size : page * size], "total": len(found)}


def history_perp(call: BingxCall) -> dict[str, Any]:
    """All orders of a span, newest first."""
    limit, (start_ms, end_ms) = call.params.limit(500, 1_000), call.window(is_needed=True)
    found = [row for row in _rows(call, call.instrument()) if start_ms <= row["time"] <= end_ms]
    return {"orders": found[:limit]}


def forced_orders(call: BingxCall) -> dict[str, Any]:
    """Orders by which the venue closed positions."""
    cause, limit = call.params.maybe_text("autoCloseType"), call.params.limit(50, 100)
    if cause and cause not in _CAUSES:
        raise invalid("autoCloseType")
    wanted = _CAUSES[cause] if cause else tuple(one for group in _CAUSES.values() for one in group)
    start_ms, end_ms = call.window()
    made = [o for one in call.wanted() for o in _known(call, one) if o.forced_by in wanted]
    return {"orders": [_perp_row(call, o) for o in made if start_ms <= o.created_ms <= end_ms][:limit]}


def _rows(call: BingxCall, instrument: Instrument) -> list[dict[str, Any]]:
    make = _perp_row if instrument.is_perp else _spot_row
    return [make(call, order) for order in _known(call, instrument)]


def _spot_row(call: BingxCall, order: SimOrder) -> dict[str, Any]:
    is_waiting = order.trigger_price is not None
    return {
        "symbol": venue_symbol(order.symbol),
        "orderId": order_number(order, order.symbol, order.id),
        "price": text(order.price) or "0",
        "StopPrice": text(order.trigger_price) or "0",
        "origQty": text(order.size),
        "executedQty": text(order.filled_size),
        "cummulativeQuoteQty": text(order.filled_quote),
        "status": _status(order, cancelled="CANCELED", expired="CANCELED"),
        "type": ("TAKE_STOP_" if is_waiting else "") + ("MARKET" if order.price is None else "LIMIT"),
        "side": order.side.value.upper(),
        "time": order.created_ms,
        "updateTime": order.updated_ms,
        "origQuoteOrderQty": text(order.quote_size) or "0",
        "fee": 0,
        "feeAsset": "",
        "clientOrderID": client_id_of(call.desk, order),
    }


def _perp_row(call: BingxCall, order: SimOrder, *, is_anew: bool | None = None) -> dict[str, Any]:
    """`is_anew` None: what the venue does."""
    parent = None
    if order.parent_id is not None:
        parent = call.exchange.order(call.account, order.symbol, order_id=order.parent_id)
    is_anew = call.desk.numbers_anew if is_anew is None else is_anew
    first = order if is_anew else parent or order
    config = call.exchange.symbol_config(call.account, order.symbol)
    is_settled = order.forced_by is ForcedBy.SETTLEMENT
    return {
        "symbol": venue_symbol(order.symbol),
        "orderId": order_number(order, order.symbol, order.id, is_anew=is_anew),
        "side": order.side.value.upper(),
        "positionSide": order.position_side.value,
        "type": "SETTLEMENT" if is_settled else _TYPE_WORDS[first.type],
        "origQty": text(order.size),
        "price": text(order.price) or "0",
        "executedQty": text(order.filled_size),
        "avgPrice": text(order.average_price.quantize(call.exchange.instruments[order.symbol].price_tick))
        if order.filled_size and order.symbol in call.exchange.instruments
        else "0.0",
        "cumQuote": text(order.filled_quote),
        "stopPrice": text(first.trigger_price),
        "profit": "0.0000",
        "commission": "0",
        "status": _status(order, cancelled="CANCELLED", expired="EXPIRED"),
        "time": first.created_ms,
        "updateTime": order.updated_ms,
        "clientOrderId": client_id_of(call.desk, order),
        "leverage": f"{config.leverage}X",
        "workingType": "MARK_PRICE" if first.trigger_by_mark else "CONTRACT_PRICE",
        "onlyOnePosition": config.is_isolated,
        "reduceOnly": order.reduce_only,
        "triggerOrderId": order_number(None, parent.symbol, parent.id) if parent and is_anew else 0,
    }


def _status(order: SimOrder, *, cancelled: str, expired: str) -> str:
    status = order.status
    if status is OrderStatus.FILLED:
        return "FILLED"
    if status.is_open:
        return "PARTIALLY_FILLED" if order.filled_size else "NEW" if order.trigger_price is not None else "PENDING"
    if status is OrderStatus.REJECTED:
        return "FAILED"
    return cancelled if status is OrderStatus.CANCELED else expired


def fills_spot(call: BingxCall) -> dict[str, Any]:
    """Newest first. A commission that was paid is a negative number."""
    instrument, limit = call.instrument(), call.params.limit(500, 1_000)
    start_ms, end_ms = call.window(longest_ms=EVERYTHING * 1_000)
    trades = call.exchange.trades(call.account, instrument.symbol, start_ms, end_ms, limit=EVERYTHING)
    orders = _orders_by_id(call, instrument)
    rows = [
        {
            "symbol": venue_symbol(trade.symbol),
            "id": trade.id,
            "orderId": order_number(orders.get(trade.order_id), trade.symbol, trade.order_id),
            "price": text(trade.price),
            "qty": text(trade.size),
            "quoteQty": text(trade.quote),
            "commission": loose(-trade.fee),
            "commissionAsset": trade.fee_asset,
            "time": trade.at_ms,
            "isBuyer": trade.side is Side.BUY,
            "isMaker": trade.is_maker,
        }
        for trade in reversed(trades)
    ]
    return {"fills": rows[:limit]}


def fills_perp(call: BingxCall) -> dict[str, Any]:
    """Oldest first, after the start and up to the end, of the last seven days. Their times have whole seconds, by which
    they are found as well."""
    instrument, (start_ms, end_ms) = call.instrument(), call.window("startTs", "endTs", is_needed=True)
    size, last_id = call.params.limit(50, 1_000, "pageSize"), call.params.maybe_integer("lastFillId") or 0
    after_ms = max(start_ms, call.now_ms - WINDOW_MAX_MS)
    trades = call.exchange.trades(call.account, instrument.symbol, 0, end_ms + 1_000, limit=EVERYTHING)
    orders = _orders_by_id(call, instrument)
    found = [trade for trade in trades if after_ms < _second(trade) <= end_ms and trade.id > last_id]
    rows = [_perp_fill(call, trade, orders.get(trade.order_id)) for trade in found[:size]]
    return {"fill_orders": rows, "total": len(found)}


def _second(trade: SimTrade) -> int:
    return trade.at_ms - trade.at_ms % 1_000


def _perp_fill(call: BingxCall, trade: SimTrade, order: SimOrder | None) -> dict[str, Any]:
    moment = datetime.fromtimestamp(trade.at_ms // 1_000, _ZONE)
    row = {
        "filledTm": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),  # as the documents show it: of UTC+8, whatever the Z says
        "filledTime": moment.strftime("%Y-%m-%dT%H:%M:%S.000%z"),
        "price": text(trade.price),
        "qty": text(trade.size),
        "quoteQty": text(trade.quote),
        "commission": text(-trade.fee),
        "commissionAsset": call.money,
        "orderId": str(order_number(order, trade.symbol, trade.order_id, is_anew=call.desk.numbers_anew)),
        "tradeId": str(trade.id),
        "symbol": venue_symbol(trade.symbol),
        "positionSide": "BOTH" if order is None else order.position_side.value,
        "role": "maker" if trade.is_maker else "taker",
    }
    return row | ({"side": trade.side.value.upper()} if call.desk.names_sides else {})


def _orders_by_id(call: BingxCall, instrument: Instrument) -> dict[int, SimOrder]:
    found = call.exchange.orders(call.account, instrument.symbol, limit=EVERYTHING)
    return {order.id: order for order in found}


def _side(call: BingxCall) -> Side:
    word = call.params.text("side")
    if word not in SIDES:
        raise invalid("side")
    return SIDES[word]


def _time_in_force(call: BingxCall) -> TimeInForce:
    word = call.params.maybe_text("timeInForce")
    if word not in TIMES_IN_FORCE:
        raise invalid("timeInForce")
    return TIMES_IN_FORCE[word]


def _client_id(call: BingxCall, *names: str) -> str:
    """The client id of a new order, in small letters whatever it is sent in."""
    given = next((found for name in names if (found := call.params.maybe_text(name))), "")
    if given and not CLIENT_ID[call.kind].fullmatch(given):
        raise invalid(names[0])
    return given.lower()


def _needed(value: Any, name: str) -> Any:
    if value is None or value <= ZERO:
        raise invalid(name)
    return value


ORDER_ENDPOINTS = (
    private("POST", "/openApi/spot/v1/trade/order", Kind.SPOT, create_spot, 5),
    private("POST", "/openApi/spot/v1/trade/cancel", Kind.SPOT, cancel_spot, 5),
    private("GET", "/openApi/spot/v1/trade/query", Kind.SPOT, query_spot, 10),
    private("GET", "/openApi/spot/v1/trade/openOrders", Kind.SPOT, open_orders, 5),
    private("GET", "/openApi/spot/v1/trade/historyOrders", Kind.SPOT, history_spot, 5),
    private("GET", "/openApi/spot/v1/trade/myTrades", Kind.SPOT, fills_spot, 5),
    private("POST", "/openApi/swap/v2/trade/order", Kind.PERP, create_perp, 10),
    private("DELETE", "/openApi/swap/v2/trade/order", Kind.PERP, cancel_perp, 10),
    private("GET", "/openApi/swap/v2/trade/order", Kind.PERP, query_perp, 30),
    private("GET", "/openApi/swap/v2/trade/openOrders", Kind.PERP, open_orders, 5),
    private("GET", "/openApi/swap/v2/trade/allOrders", Kind.PERP, history_perp, 5),
    private("GET", "/openApi/swap/v2/trade/forceOrders", Kind.PERP, forced_orders, 5),
    private("GET", "/openApi/swap/v2/trade/fillHistory", Kind.PERP, fills_perp, 5),
)
