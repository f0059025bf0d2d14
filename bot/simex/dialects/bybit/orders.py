"""Orders: create, cancel, open and closed ones.

An order is acknowledged first and matched then: what the matching refuses ends as a cancelled order, not as an error.
Conditional orders share endpoint and ids with plain ones, and keep their id when they have fired.
"""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from bot.domain.durations import DAY_MS
from bot.domain.instrument import Instrument, Side
from bot.domain.money import ZERO
from bot.domain.order import OrderType, TimeInForce
from bot.domain.symbol import is_perp
from bot.simex.dialects.bybit.common import (
    EVERYTHING,
    ISOLATED,
    LINEAR,
    POSITION_INDEXES,
    SPOT,
    BybitCall,
    BybitRefusal,
    error_of,
    invalid,
    order_id,
    own_number,
    page_of,
    private,
    text,
)
from bot.simex.engine.refusal import Refusal, RefusalReason
from bot.simex.engine.types import (
    ExpiryReason,
    ForcedBy,
    NewOrder,
    OrderStatus,
    PositionSide,
    SimOrder,
)

LINK_ID = re.compile(r"[A-Za-z0-9_-]{1,36}")
SIDES = {"Buy": Side.BUY, "Sell": Side.SELL}
TIMES_IN_FORCE = {
    "": TimeInForce.GTC,
    "GTC": TimeInForce.GTC,
    "IOC": TimeInForce.IOC,
    "FOK": TimeInForce.FOK,
    "PostOnly": TimeInForce.POST_ONLY,
}
_TIF_WORDS = {value: name for name, value in TIMES_IN_FORCE.items() if name}
RECENT = 500
FORGOTTEN_AFTER_MS = DAY_MS  # orders that ended without an execution
_LATER = {
    RefusalReason.WOULD_TAKE: "EC_PostOnlyWillTakeLiquidity",
    RefusalReason.FOK_UNFILLED: "EC_NoImmediateQtyToFill",
    RefusalReason.NO_BOOK: "EC_NoImmediateQtyToFill",
}
_REASONS = {
    ExpiryReason.WOULD_TAKE: "EC_PostOnlyWillTakeLiquidity",
    ExpiryReason.FOK_UNFILLED: "EC_NoImmediateQtyToFill",
    ExpiryReason.IOC_REST: "EC_NoImmediateQtyToFill",
    ExpiryReason.BOOK_EMPTY: "EC_NoImmediateQtyToFill",
    ExpiryReason.PRICE_BOUND: "EC_NoImmediateQtyToFill",
}
_CREATED = {
    ForcedBy.NOBODY: "CreateByUser",
    ForcedBy.LIQUIDATION: "CreateByLiq",
    ForcedBy.INSURANCE: "CreateByTakeOver_PassThrough",
    ForcedBy.DELEVERAGING: "CreateByAdl_PassThrough",
    ForcedBy.SETTLEMENT: "CreateBySettle",
}


def create(call: BybitCall) -> dict[str, Any]:
    category, instrument = call.params.category(), call.instrument()
    order = _new_order(call, category, instrument)
    if _is_used(call, order.client_id):
        raise error_of(Refusal(RefusalReason.DUPLICATE_CLIENT_ID), perp=category == LINEAR)
    perp = category == LINEAR
    try:
        if perp:
            call.desk.gather(call.account)
            _isolate(call, instrument.symbol)
        elif order.side is Side.BUY:
            call.desk.spread(call.account)
        placed = call.exchange.place(call.account, order)
    except Refusal as refusal:
        reason = _LATER.get(refusal.reason) if perp else None
        if reason is None:
            raise
        return _refuse_later(call, order, reason)
    finally:
        call.desk.gather(call.account)
    return {"orderId": order_id(placed.symbol, placed.id), "orderLinkId": order.client_id}


def _isolate(call: BybitCall, symbol: str) -> None:
    """The account's margin mode is the one of every perp, as far as the engine lets it be changed."""
    wanted = call.desk.margin_modes.get(call.account, ISOLATED) == ISOLATED
    if call.exchange.symbol_config(call.account, symbol).is_isolated is wanted:
        return
    try:
        with call.desk.arranging():
            call.exchange.set_margin_type(call.account, symbol, isolated=wanted)
    except Refusal as refusal:
        if refusal.reason not in (RefusalReason.OPEN_ORDERS_EXIST, RefusalReason.POSITION_EXISTS):
            raise


def _refuse_later(call: BybitCall, order: NewOrder, reason: str) -> dict[str, Any]:
    number = len(call.desk.refused_later) + 1
    name = f"ffffffff-0000-4000-8000-{number:012x}"
    made = SimOrder(
        id=0,
        account=call.account,
        client_id=order.client_id,
        symbol=order.symbol,
        side=order.side,
        type=order.type,
        time_in_force=order.time_in_force,
        size=order.size or ZERO,
        price=order.price,
        status=OrderStatus.CANCELED,
        created_ms=call.now_ms,
        updated_ms=call.now_ms,
        reduce_only=order.reduce_only,
    )
    row = {**order_row(call, made), "orderId": name, "rejectReason": reason, "cancelType": "UNKNOWN"}
    call.desk.refused_later[call.account, order.client_id or name] = row
    for hearer in call.desk.hearers:
        hearer.hear_refused(call.account, row)
    return {"orderId": name, "orderLinkId": order.client_id}


def _new_order(call: BybitCall, category: str, instrument: Instrument) -> NewOrder:
    params, perp = call.params, category == LINEAR
    side, kind = params.text("side"), params.text("orderType")
    if side not in SIDES or kind not in ("Limit", "Market"):
        raise invalid("side" if side not in SIDES else "orderType")
    in_force = params.maybe_text("timeInForce")
    if in_force not in TIMES_IN_FORCE:
        raise invalid("timeInForce")
    link_id = params.maybe_text("orderLinkId")
    if link_id and not LINK_ID.fullmatch(link_id):
        raise invalid("orderLinkId")
    position_side = _position_side(call, SIDES[side]) if perp else PositionSide.BOTH
    size, price = params.maybe_number("qty"), params.maybe_number("price")
    if size is None or size <= 0:
        raise invalid("qty")
    if kind == "Limit" and price is None:
        raise invalid("price")
    trigger = params.maybe_number("triggerPrice")
    is_by_quote = not perp and kind == "Market" and side == "Buy" and params.maybe_text("marketUnit") != "baseCoin"
    # the venue reads the quantity of a spot market purchase as money, unless the order says otherwise
    order_type = OrderType.LIMIT if kind == "Limit" else OrderType.MARKET
    if trigger is not None:
        order_type = _trigger_type(call, instrument, SIDES[side], trigger)
    elif params.maybe_text("orderFilter") not in ("", "Order"):
        raise invalid("triggerPrice")
    if params.flag("reduceOnly") and not perp:
        raise invalid("reduceOnly")
    return NewOrder(
        symbol=instrument.symbol,
        side=SIDES[side],
        type=order_type,
        size=None if is_by_quote else size,
        quote_size=size if is_by_quote else None,
        price=price if kind == "Limit" else None,
        time_in_force=TIMES_IN_FORCE[in_force] if kind == "Limit" else TimeInForce.GTC,
        trigger_price=trigger,
        reduce_only=params.flag("reduceOnly") and position_side is PositionSide.BOTH,  # else the side says it
        client_id=link_id,
        trigger_by_mark=params.maybe_text("triggerBy") == "MarkPrice",
        position_side=position_side,
    )


def _position_side(call: BybitCall, side: Side) -> PositionSide:
    """The position that an order of a perp names, which has to fit the account's position mode."""
    found = {index: name for name, index in POSITION_INDEXES.items()}.get(call.params.maybe_integer("positionIdx") or 0)
    if found is None or (found is PositionSide.BOTH) is call.exchange.modes(call.account).is_hedge_mode:
        raise BybitRefusal(10001, "position idx not match position mode")
    is_opening = found is not PositionSide.BOTH and found is not PositionSide.closed_by(side)
    if is_opening and call.params.flag("reduceOnly"):
        raise error_of(Refusal(RefusalReason.REDUCE_ONLY), perp=True)
    return found


def _trigger_type(call: BybitCall, instrument: Instrument, side: Side, trigger: Decimal) -> OrderType:
    """Whether a conditional order waits for a rise or a fall: perps say it, spot orders by where the price is."""
    direction = call.params.maybe_integer("triggerDirection")
    if instrument.is_perp:
        if direction not in (1, 2):
            raise invalid("triggerDirection")
        is_rising = direction == 1
    else:
        if call.params.maybe_text("orderFilter") not in ("tpslOrder", "StopOrder"):
            raise invalid("orderFilter")
        is_rising = trigger > call.exchange.quote(instrument.symbol).mid
    return OrderType.STOP if is_rising is (side is Side.BUY) else OrderType.TAKE_PROFIT


def _is_used(call: BybitCall, link_id: str) -> bool:
    """Whether the account has ever used this id, on whatever symbol."""
    if not link_id:
        return False
    if (call.account, link_id) in call.desk.refused_later:
        return True
    symbols = call.exchange.instruments
    return any(call.exchange.order(call.account, symbol, client_id=link_id) is not None for symbol in symbols)


def cancel(call: BybitCall) -> dict[str, Any]:
    category, instrument = call.params.category(), call.instrument()
    found = find_order(call, instrument.symbol)
    perp = category == LINEAR
    is_there = found is not None and found.is_open
    if is_there and found is not None and not perp:
        wanted = call.params.maybe_text("orderFilter") or "Order"
        is_there = (wanted != "Order") is (found.status is OrderStatus.UNTRIGGERED)
    if not is_there or found is None:
        raise error_of(Refusal(RefusalReason.UNKNOWN_ORDER), perp=perp)
    call.exchange.cancel(call.account, found.symbol, order_id=found.id)
    call.desk.gather(call.account)
    return {"orderId": order_id(found.symbol, own_number(found)), "orderLinkId": found.client_id}


def find_order(call: BybitCall, symbol: str) -> SimOrder | None:
    """The order that a request names, by the venue's id before ours; what a fired one has become."""
    wanted, link_id = call.params.maybe_text("orderId"), call.params.maybe_text("orderLinkId")
    if not wanted and not link_id:
        raise invalid("orderId")
    for order in visible_orders(call, symbol):
        if order_id(symbol, own_number(order)) == wanted or (not wanted and order.client_id == link_id):
            return order
    return None


def visible_orders(call: BybitCall, symbol: str) -> Iterator[SimOrder]:
    """Orders of a symbol that queries and cancels know, newest first; one that has fired is what it has become."""
    known = call.exchange.orders(call.account, symbol, limit=EVERYTHING)
    hidden = {order.id for order in known if not _is_visible(call, order.created_ms)}
    for order in reversed(known):
        if order.status is not OrderStatus.TRIGGERED and own_number(order) not in hidden:
            yield order


def _is_visible(call: BybitCall, created_ms: int) -> bool:
    return call.now_ms - created_ms >= call.desk.visible_after_ms


def realtime(call: BybitCall) -> dict[str, Any]:
    """Open orders; with `openOnly` 1, or for an order that is named, those closed last as well.

    Raises:
        BybitRefusal: nothing says which perps are meant.
    """
    category = call.params.category()
    is_named = bool(call.params.maybe_text("orderId") or call.params.maybe_text("orderLinkId"))
    closed_too = call.params.maybe_integer("openOnly") == 1
    scope = ("symbol", "baseCoin", "settleCoin", "orderId", "orderLinkId")
    if category == LINEAR and not any(call.params.maybe_text(name) for name in scope):
        raise BybitRefusal(10001, "params error: symbol, settleCoin or baseCoin must be filled in")
    found = [row for row in _rows(call, category) if row["updatedTime"]]
    open_rows = [row for row in found if _is_open(row)]
    closed = [row for row in found if not _is_open(row) and int(row["updatedTime"]) >= call.desk.forgotten_ms]
    rows = [*open_rows, *closed[:RECENT]] if is_named else closed[:RECENT] if closed_too else open_rows
    return page_of(call, rows, default=20, largest=50, category=category)


def history(call: BybitCall) -> dict[str, Any]:
    """Orders that have ended; those without an execution are kept for a day."""
    category = call.params.category()
    start_ms, end_ms = call.window()
    is_named = bool(call.params.maybe_text("orderId") or call.params.maybe_text("orderLinkId"))
    rows = []
    for row in _rows(call, category):
        is_kept = row["cumExecQty"] != "0" or call.now_ms - int(row["updatedTime"]) <= FORGOTTEN_AFTER_MS
        is_within = is_named or start_ms <= int(row["createdTime"]) <= end_ms
        if not _is_open(row) and is_kept and is_within:
            rows.append(row)
    return page_of(call, rows, default=20, largest=50, category=category)


def _is_open(row: dict[str, Any]) -> bool:
    return row["orderStatus"] in ("New", "PartiallyFilled", "Untriggered", "Triggered")


def _rows(call: BybitCall, category: str) -> list[dict[str, Any]]:
    """Rows of all orders that a question is about, newest first."""
    wanted, link_id = call.params.maybe_text("orderId"), call.params.maybe_text("orderLinkId")
    name = call.params.maybe_text("symbol")
    known = [call.desk.instrument(category, name)] if name else call.desk.instruments(category)
    rows = [
        order_row(call, order)
        for one in known
        for order in visible_orders(call, one.symbol)
        if order.client_id == link_id or not link_id or wanted
    ]
    names = {call.desk.name(one.symbol) for one in known}
    if category == LINEAR:
        later = call.desk.refused_later.items()
        mine = [row for (account, _), row in later if account == call.account and row["symbol"] in names]
        rows += [row for row in mine if _is_visible(call, int(row["createdTime"]))]
    found = [
        row
        for row in rows
        if (not wanted or row["orderId"] == wanted) and (bool(wanted) or not link_id or row["orderLinkId"] == link_id)
    ]
    return sorted(found, key=lambda row: int(row["createdTime"]), reverse=True)


def order_row(call: BybitCall, order: SimOrder) -> dict[str, Any]:
    """An order as lists and the private stream show it."""
    perp = is_perp(order.symbol)
    parent = None
    if order.parent_id is not None:
        parent = call.exchange.order(call.account, order.symbol, order_id=order.parent_id)
    trigger = parent or (order if order.trigger_price is not None else None)
    is_market = order.price is None
    return {
        "orderId": order_id(order.symbol, own_number(order)),
        "orderLinkId": "" if _is_venues(order) else order.client_id,
        "symbol": call.desk.name(order.symbol),
        "price": text(order.price) if order.price is not None else "0",
        "qty": text(order.quote_size if order.quote_size is not None else order.size),
        "side": order.side.value.capitalize(),
        "isLeverage": "" if perp else "0",
        "positionIdx": POSITION_INDEXES[order.position_side],
        "orderStatus": _status(order, perp=perp),
        "createType": _CREATED[order.forced_by],
        "cancelType": "CancelByUser" if order.status is OrderStatus.CANCELED else _cancel_type(order),
        "rejectReason": _reject_reason(order),
        "avgPrice": text(order.average_price) if order.filled_size else "",
        "leavesQty": text(order.open_size),
        "cumExecQty": text(order.filled_size),
        "cumExecValue": text(order.filled_quote),
        "timeInForce": "IOC" if is_market else _TIF_WORDS[order.time_in_force],
        "orderType": "Market" if is_market else "Limit",
        "stopOrderType": "" if trigger is None else "Stop" if perp else "tpslOrder",
        **({"tpslMode": ""} if perp else {}),  # ccxt takes an order without it for one of spot
        "marketUnit": "quoteCoin" if order.quote_size is not None else "" if perp else "baseCoin",
        "triggerPrice": "" if trigger is None else text(trigger.trigger_price),
        "triggerDirection": 0,
        "triggerBy": "" if trigger is None or not perp else "MarkPrice" if trigger.trigger_by_mark else "LastPrice",
        "reduceOnly": order.reduce_only,
        "closeOnTrigger": False,
        "smpType": "None",
        "createdTime": str(parent.created_ms if parent is not None else order.created_ms),
        "updatedTime": str(order.updated_ms),
    }


def _status(order: SimOrder, *, perp: bool) -> str:
    status = order.status
    if status is OrderStatus.UNTRIGGERED:
        return "Untriggered"
    if status is OrderStatus.FILLED:
        return "Filled"
    if status.is_open:
        return "PartiallyFilled" if order.filled_size else "New"
    if status is OrderStatus.REJECTED:
        return "Rejected"
    if order.trigger_price is not None and not order.triggered_ms and not order.filled_size:
        return "Deactivated"
    return "PartiallyFilledCanceled" if order.filled_size and not perp else "Cancelled"


def _cancel_type(order: SimOrder) -> str:
    if order.status.is_open or order.status is OrderStatus.FILLED:
        return "UNKNOWN"
    return "CancelByReduceOnly" if order.expiry_reason is ExpiryReason.REDUCE_ONLY else "UNKNOWN"


def _reject_reason(order: SimOrder) -> str:
    if order.status is OrderStatus.CANCELED:
        return "EC_PerCancelRequest"
    if order.expiry_reason is ExpiryReason.NONE:
        return "EC_NoError"
    return _REASONS.get(order.expiry_reason, "EC_CancelByExchange")


def _is_venues(order: SimOrder) -> bool:
    """Whether the account gave the order no client id: it left it out, or the venue made the order."""
    return order.client_id.startswith("sx") or order.forced_by is not ForcedBy.NOBODY


def cancel_all(call: BybitCall) -> dict[str, Any]:
    """All orders of a symbol or a category; of perps conditional ones as well."""
    category, name = call.params.category(), call.params.maybe_text("symbol")
    known = [call.desk.instrument(category, name)] if name else call.desk.instruments(category)
    only = call.params.maybe_text("orderFilter")
    ended = []
    for one in known:
        for order in call.exchange.open_orders(call.account, one.symbol):
            is_waiting = order.status is OrderStatus.UNTRIGGERED
            is_meant = not is_waiting if category == SPOT and not only else not only or (only != "Order") is is_waiting
            if is_meant:
                ended.append(call.exchange.cancel(call.account, one.symbol, order_id=order.id))
    call.desk.gather(call.account)
    rows = [{"orderId": order_id(o.symbol, own_number(o)), "orderLinkId": o.client_id} for o in ended]
    return {"list": rows, "success": "1"}


ORDER_ENDPOINTS = (
    private("POST", "/v5/order/create", create, 10),
    private("POST", "/v5/order/cancel", cancel, 10),
    private("POST", "/v5/order/cancel-all", cancel_all, 10),
    private("GET", "/v5/order/realtime", realtime, 50),
    private("GET", "/v5/order/history", history, 50),
)
