"""Orders and deals of perps: numbers for sides and types, contracts for sizes, margin mode and leverage in each order.

A conditional order stands in a list of its own, has no client id, ends after its cycle, and becomes another order with
another id when it fires. A post-only order that would take is accepted, and is then found to be invalid.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from bot.domain.durations import DAY_MS
from bot.domain.instrument import Instrument, Kind, Side
from bot.domain.money import ZERO, plain
from bot.domain.order import OrderType, TimeInForce
from bot.simex.dialects.mexc.common import (
    EVERYTHING,
    PERPS_KEPT_MS,
    VOLUME_UNIT,
    MexcCall,
    MexcRefusal,
    contract_size,
    contracts,
    error_of,
    is_venues,
    loose,
    order_number,
    perp,
    venue_symbol,
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

CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")
TYPES = {1: TimeInForce.GTC, 2: TimeInForce.POST_ONLY, 3: TimeInForce.IOC, 4: TimeInForce.FOK}
_TYPE_NUMBERS = {value: number for number, value in TYPES.items()}
_MARKETS = (5, 6)
_SIDES = {1: (Side.BUY, False), 2: (Side.BUY, True), 3: (Side.SELL, False), 4: (Side.SELL, True)}
_SIDE_NUMBERS = {meaning: number for number, meaning in _SIDES.items()}
_ISOLATED, _CROSS = 1, 2
_CYCLES = {1: DAY_MS, 2: 7 * DAY_MS}
_LATER = {RefusalReason.WOULD_TAKE: 20, RefusalReason.FOK_UNFILLED: 19}
"""What is found out after an order was accepted, and the code that its row has then."""
_EXPIRED = {
    ExpiryReason.IOC_REST: 18,
    ExpiryReason.BOOK_EMPTY: 18,
    ExpiryReason.FOK_UNFILLED: 19,
    ExpiryReason.WOULD_TAKE: 20,
}
_CATEGORIES = {
    ForcedBy.LIQUIDATION: 2,
    ForcedBy.INSURANCE: 2,
    ForcedBy.DELEVERAGING: 4,
}
OPEN, DONE, CANCELED, INVALID = 2, 3, 4, 5


def create(call: MexcCall) -> dict[str, Any]:
    params, one = call.params, call.instrument()
    kind = params.integer("type", *TYPES, *_MARKETS)
    name = params.maybe_text("externalOid")
    if name and not CLIENT_ID.fullmatch(name):
        raise error_of(Refusal(RefusalReason.BAD_CLIENT_ID), Kind.PERP)
    if name and (call.account, name) in call.desk.refused_later:
        raise error_of(Refusal(RefusalReason.DUPLICATE_CLIENT_ID), Kind.PERP)
    side, reduces = _SIDES[params.integer("side", *_SIDES)]
    order = NewOrder(
        symbol=one.symbol,
        side=side,
        type=OrderType.MARKET if kind in _MARKETS else OrderType.LIMIT,
        size=_size(call, one),
        price=None if kind in _MARKETS else params.number("price"),
        time_in_force=TYPES.get(kind, TimeInForce.GTC),
        reduce_only=reduces,
        client_id=name,
    )
    try:
        placed = _place(call, order)
    except Refusal as refusal:
        if refusal.reason not in _LATER:
            raise
        return {"orderId": str(_refuse_later(call, one, order, refusal.reason)), "ts": call.now_ms}
    return {"orderId": str(order_number(one.symbol, placed.id)), "ts": call.now_ms}


def place_plan(call: MexcCall) -> str:
    """A conditional order, which ends after its cycle."""
    params, one = call.params, call.instrument()
    side, reduces = _SIDES[params.integer("side", *_SIDES)]
    trigger, cycle = params.number("triggerPrice", as_text=True), params.integer("executeCycle", *_CYCLES)
    trend, kind = params.integer("trend", 1, 2, 3), params.integer("orderType", *TYPES, *_MARKETS)
    rises = params.integer("triggerType", 1, 2) == 1
    if kind not in _MARKETS or trend == 3:
        raise params.bad("orderType" if kind not in _MARKETS else "trend")  # not made here
    quote = call.exchange.quote(one.symbol)
    price = (quote.mark or quote.mid) if trend == 2 else quote.mid
    if (trigger <= price) if rises else (trigger >= price):
        raise error_of(Refusal(RefusalReason.TRIGGER_IMMEDIATE), Kind.PERP)
    placed = _place(
        call,
        NewOrder(
            symbol=one.symbol,
            side=side,
            type=OrderType.STOP if rises is (side is Side.BUY) else OrderType.TAKE_PROFIT,
            size=_size(call, one),
            trigger_price=trigger,
            reduce_only=reduces,
            trigger_by_mark=trend == 2,
            good_till_ms=call.now_ms + _CYCLES[cycle],
            client_id=params.maybe_text("externalOid"),  # which no answer shows
        ),
    )
    return str(order_number(one.symbol, placed.id, is_plan=True))


def _size(call: MexcCall, one: Instrument) -> Any:
    volume = call.params.number("vol")
    if volume % VOLUME_UNIT:
        raise error_of(Refusal(RefusalReason.LOT_STEP), Kind.PERP)
    return volume * contract_size(one)


def _place(call: MexcCall, order: NewOrder) -> SimOrder:
    """Place an order with the margin mode and the leverage that it says. An order that opens needs its leverage where
    it is isolated; one that closes takes the position's, and has to name its margin mode. Whether the venue insists on
    that is not documented: it is the stricter of two ways."""
    exchange, params, account = call.exchange, call.params, call.account
    if not call.desk.api_allowed:
        raise MexcRefusal(6001, "Trading forbidden")
    closes, side = order.reduce_only, PositionSide.BOTH
    if exchange.modes(account).is_hedge_mode:  # the number of the side names the position as well
        side = PositionSide.LONG if (order.side is Side.BUY) is not closes else PositionSide.SHORT
        order = replace(order, position_side=side, reduce_only=False)
    known = exchange.order(account, order.symbol, client_id=order.client_id) if order.client_id else None
    if known is not None and known.is_open:
        raise Refusal(RefusalReason.DUPLICATE_CLIENT_ID)
    is_isolated = params.integer("openType", _ISOLATED, _CROSS) == _ISOLATED
    leverage, before = params.maybe_integer("leverage"), exchange.symbol_config(account, order.symbol)
    held = exchange.position(account, order.symbol, side)
    if closes:
        if held is not None and held.is_isolated is not is_isolated:
            raise MexcRefusal(2027, "The margin mode of the order differs from the position's")
        return exchange.place(account, order)
    if leverage is None and is_isolated:
        raise params.bad("leverage")
    wanted = replace(before, leverage=leverage or before.leverage, is_isolated=is_isolated)
    if held is not None and wanted != before:
        code = 2021 if wanted.leverage != before.leverage else 2027
        raise MexcRefusal(code, "Leverage or margin mode of the order differs from the position's")
    _adopt(call, order.symbol, wanted)
    try:
        return exchange.place(account, order)
    except Refusal:
        _adopt(call, order.symbol, before)
        raise


def _adopt(call: MexcCall, symbol: str, wanted: Any) -> None:
    now = call.exchange.symbol_config(call.account, symbol)
    if now.is_isolated is not wanted.is_isolated:
        call.exchange.set_margin_type(call.account, symbol, isolated=wanted.is_isolated)
    if now.leverage != wanted.leverage:
        call.exchange.set_leverage(call.account, symbol, wanted.leverage)


def _refuse_later(call: MexcCall, one: Instrument, order: NewOrder, reason: RefusalReason) -> int:
    """An order that was accepted and ends at once. Its number is between those of the engine."""
    desk = call.desk
    number = order_number(one.symbol, 5 * 10**8 + len(desk.refused_later))
    name = order.client_id or f"sx{number}"
    row = {
        "orderId": str(number),
        "symbol": venue_symbol(one),
        "positionId": 0,
        "price": loose(order.price or ZERO),
        "vol": contracts(one, order.size or ZERO),
        "side": _SIDE_NUMBERS[order.side, order.reduce_only],
        "category": 1,
        "orderType": _TYPE_NUMBERS[order.time_in_force],
        "dealAvgPrice": 0,
        "dealVol": 0,
        "openType": _ISOLATED,
        "state": INVALID,
        "externalOid": order.client_id,
        "errorCode": _LATER[reason],
        "createTime": call.now_ms,
        "updateTime": call.now_ms,
    }
    desk.refused_later[call.account, name] = row
    return number


def cancel_external(call: MexcCall) -> dict[str, Any]:
    """Cancel an order by its client id.

    Raises:
        MexcRefusal: it is unknown, or closed already.
    """
    one, name = call.instrument(), call.params.text("externalOid")
    found = next((order for order in _plain(call, one) if order.client_id == name and order.parent_id is None), None)
    if found is None and (call.account, name) not in call.desk.refused_later:
        raise MexcRefusal(2040, "order not exist")
    if found is None or not found.is_open:
        raise MexcRefusal(2041, "order state cannot be cancelled")
    call.exchange.cancel(call.account, found.symbol, order_id=found.id)
    return {"symbol": venue_symbol(one), "externalOid": name}


def cancel_plans(call: MexcCall) -> list[dict[str, Any]]:
    """Up to fifty in one request: what became of each stands in its row."""
    if not call.listed or len(call.listed) > 50 or not all(isinstance(one, dict) for one in call.listed):
        raise call.params.bad("body")
    return [_cancel_plan(call, str(one.get("symbol")), str(one.get("orderId"))) for one in call.listed]


def _cancel_plan(call: MexcCall, name: str, number: str) -> dict[str, Any]:
    one = call.desk.instrument(Kind.PERP, name)
    for order in _plans(call, one):
        if str(order_number(one.symbol, order.id, is_plan=True)) != number:
            continue
        if not order.is_open:
            return {"orderId": int(number), "errorCode": 2041, "errorMsg": "order state cannot be cancelled"}
        call.exchange.cancel(call.account, one.symbol, order_id=order.id)
        return {"orderId": int(number), "errorCode": 0, "errorMsg": "success"}
    return {"orderId": int(number) if number.isdigit() else 0, "errorCode": 2040, "errorMsg": "order not exist"}


def query_external(call: MexcCall) -> dict[str, Any]:
    one, name = call.instrument(), call.params.text("external_oid")
    late = call.desk.refused_later.get((call.account, name))
    for order in _plain(call, one):
        if order.client_id == name and order.parent_id is None and not is_venues(order):
            return _row(call, one, order)
    if late is not None and late["symbol"] == venue_symbol(one):
        return late
    raise error_of(Refusal(RefusalReason.UNKNOWN_ORDER), Kind.PERP)


def query_number(call: MexcCall) -> dict[str, Any]:
    wanted = call.params.text("order_id")
    for one in call.desk.instruments(Kind.PERP):
        for order in _plain(call, one):
            if str(order_number(one.symbol, order.id)) == wanted:
                return _row(call, one, order)
    for (account, _), row in call.desk.refused_later.items():
        if account == call.account and row["orderId"] == wanted:
            return row
    raise error_of(Refusal(RefusalReason.UNKNOWN_ORDER), Kind.PERP)


def open_orders(call: MexcCall) -> Any:
    rows = [
        _row(call, one, order)
        for one in call.desk.instruments(Kind.PERP)
        for order in _plain(call, one)
        if order.is_open
    ]
    return call.paged(rows, named=False)


def history(call: MexcCall) -> Any:
    """Orders of a span that have ended, newest first."""
    start_ms, end_ms = _span(call)
    rows = [
        row
        for one in call.wanted()
        for row in (
            *(_row(call, one, order) for order in _plain(call, one) if not order.is_open),
            *(
                late
                for (account, _), late in call.desk.refused_later.items()
                if account == call.account and late["symbol"] == venue_symbol(one)
            ),
        )
        if start_ms <= row["createTime"] <= end_ms
    ]
    return call.paged(sorted(rows, key=lambda row: -row["createTime"]), named=False)


def plans(call: MexcCall) -> Any:
    """Conditional orders, newest first: those in the states that are asked for."""
    states, (start_ms, end_ms) = call.params.maybe_text("states"), _span(call)
    wanted = [int(state) for state in states.split(",") if state.isdigit()]
    rows = [_plan_row(call, one, order) for one in call.wanted() for order in _plans(call, one)]
    found = [row for row in rows if start_ms <= row["createTime"] <= end_ms and (not wanted or row["state"] in wanted)]
    return call.paged(found, named=False)


def _span(call: MexcCall) -> tuple[int, int]:
    """(start, end) of a question about the past: seven days where none is named, ninety at most."""
    start_ms, end_ms = call.params.maybe_integer("start_time"), call.params.maybe_integer("end_time")
    end_ms = call.now_ms if end_ms is None else end_ms
    start_ms = end_ms - 7 * DAY_MS if start_ms is None else start_ms
    if end_ms < start_ms or end_ms - start_ms > PERPS_KEPT_MS + DAY_MS:
        raise call.params.bad("start_time")
    return max(start_ms, call.now_ms - PERPS_KEPT_MS), end_ms


def _all(call: MexcCall, one: Instrument) -> Iterator[SimOrder]:
    yield from reversed(call.exchange.orders(call.account, one.symbol, limit=EVERYTHING))


def _plain(call: MexcCall, one: Instrument) -> Iterator[SimOrder]:
    """Plain orders, newest first, with those that conditional ones became."""
    return (order for order in _all(call, one) if order.trigger_price is None)


def _plans(call: MexcCall, one: Instrument) -> Iterator[SimOrder]:
    return (order for order in _all(call, one) if order.trigger_price is not None)


def _row(call: MexcCall, one: Instrument, order: SimOrder) -> dict[str, Any]:
    config = call.exchange.symbol_config(call.account, order.symbol)
    is_unnamed = is_venues(order) or order.parent_id is not None
    state, code = _state(order)
    return {
        "orderId": str(order_number(order.symbol, order.id)),
        "symbol": venue_symbol(one),
        "positionId": 0,
        "price": loose(order.price or ZERO),
        "vol": contracts(one, order.size),
        "leverage": config.leverage,
        "side": _SIDE_NUMBERS[order.side, order.reduce_only],
        "category": _CATEGORIES.get(order.forced_by, 1),
        "orderType": 5 if order.price is None else _TYPE_NUMBERS[order.time_in_force],
        "dealAvgPrice": loose(order.average_price),
        "dealVol": contracts(one, order.filled_size),
        "openType": _ISOLATED if config.is_isolated else _CROSS,
        "state": state,
        "externalOid": "" if is_unnamed else order.client_id,
        "errorCode": code,
        "createTime": order.created_ms,
        "updateTime": order.updated_ms,
    }


def _state(order: SimOrder) -> tuple[int, int]:
    """(state, what made the order invalid)."""
    if order.is_open:
        return OPEN, 0
    if order.status is OrderStatus.FILLED:
        return DONE, 0
    if order.status is OrderStatus.CANCELED or order.filled_size:
        return CANCELED, 0
    return INVALID, _EXPIRED.get(order.expiry_reason, 2)


def _plan_row(call: MexcCall, one: Instrument, order: SimOrder) -> dict[str, Any]:
    trigger = order.trigger_price or ZERO
    config = call.exchange.symbol_config(call.account, order.symbol)
    rises = (order.side is Side.BUY) is (order.type is OrderType.STOP)
    return {
        "id": order_number(order.symbol, order.id, is_plan=True),
        "symbol": venue_symbol(one),
        "leverage": config.leverage,
        "side": _SIDE_NUMBERS[order.side, order.reduce_only],
        "triggerPrice": loose(trigger),
        "price": loose(trigger),
        "vol": contracts(one, order.size),
        "openType": _ISOLATED if config.is_isolated else _CROSS,
        "triggerType": 1 if rises else 2,
        "state": _plan_state(order),
        "executeCycle": 168 if order.good_till_ms - order.created_ms > DAY_MS else 24,
        "trend": 2 if order.trigger_by_mark else 1,
        "orderType": 5,
        "orderId": None if order.child_id is None else order_number(order.symbol, order.child_id),
        "errorCode": 0,
        "createTime": order.created_ms,
        "updateTime": order.updated_ms,
    }


def _plan_state(order: SimOrder) -> int:
    """1 untriggered, 2 cancelled, 3 executed, 4 invalid, 5 failed."""
    if order.status is OrderStatus.TRIGGERED or order.child_id is not None:
        return 3
    if order.is_open:
        return 1
    if order.status is OrderStatus.CANCELED:
        return 2
    return 5 if order.expiry_reason is ExpiryReason.REFUSED_ON_TRIGGER else 4


def deals(call: MexcCall) -> Any:
    """Newest first, in contracts."""
    one, (start_ms, end_ms) = call.instrument(), _span(call)
    orders = {order.id: order for order in _all(call, one)}
    trades = call.exchange.trades(call.account, one.symbol, start_ms, end_ms, limit=EVERYTHING)
    rows = []
    for trade in reversed(trades):
        order = orders.get(trade.order_id)
        is_unnamed = order is None or is_venues(order) or order.parent_id is not None
        rows.append(
            {
                "id": str(order_number(trade.symbol, trade.id)),
                "symbol": venue_symbol(one),
                "side": _SIDE_NUMBERS[trade.side, order is not None and order.reduce_only],
                "vol": contracts(one, trade.size),
                "price": loose(trade.price),
                "fee": float(plain(trade.fee)),
                "feeCurrency": trade.fee_asset,
                "profit": float(trade.realised_pnl),
                "isTaker": not trade.is_maker,
                "category": 1 if order is None else _CATEGORIES.get(order.forced_by, 1),
                "orderId": order_number(trade.symbol, trade.order_id),
                "timestamp": trade.at_ms,
                "positionMode": 2,
                "externalOid": "" if is_unnamed or order is None else order.client_id,
            }
        )
    return call.paged(rows, named=False)


PERP_ORDER_ENDPOINTS = (
    perp("POST", "order/create", create),
    perp("POST", "order/cancel_with_external", cancel_external),
    perp("GET", "order/external/{symbol}/{external_oid}", query_external),
    perp("GET", "order/get/{order_id}", query_number),
    perp("GET", "order/list/open_orders", open_orders),
    perp("GET", "order/list/history_orders", history),
    perp("GET", "order/list/order_deals", deals),
    perp("POST", "planorder/place", place_plan),
    perp("POST", "planorder/cancel", cancel_plans),
    perp("GET", "planorder/list/orders", plans),
)
