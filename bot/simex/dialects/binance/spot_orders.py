"""Binance spot orders: place, test, query, list, and the trades they made."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from bot.domain.durations import DAY_MS
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
from bot.simex.dialects.grids import decimals
from bot.simex.engine.types import ExpiryReason, NewOrder, OrderStatus, SelfTrade, SimOrder, SimTrade

CLIENT_ID_RANGE = "^[a-zA-Z0-9-_]{1,36}$"
FORGOTTEN_AFTER_MS, ARCHIVED_AFTER_MS = 3 * DAY_MS, 90 * DAY_MS
SIDES = {"BUY": Side.BUY, "SELL": Side.SELL}
TIMES_IN_FORCE = {"GTC": TimeInForce.GTC, "IOC": TimeInForce.IOC, "FOK": TimeInForce.FOK}
# name on the wire: (engine type, has a price, has a trigger)
TYPES: Mapping[str, tuple[OrderType, bool, bool]] = {
    "LIMIT": (OrderType.LIMIT, True, False),
    "MARKET": (OrderType.MARKET, False, False),
    "LIMIT_MAKER": (OrderType.LIMIT, True, False),
    "STOP_LOSS": (OrderType.STOP, False, True),
    "STOP_LOSS_LIMIT": (OrderType.STOP, True, True),
    "TAKE_PROFIT": (OrderType.TAKE_PROFIT, False, True),
    "TAKE_PROFIT_LIMIT": (OrderType.TAKE_PROFIT, True, True),
}
UNSUPPORTED = {
    "icebergQty": "Iceberg orders are not supported",
    "trailingDelta": "Trailing stop orders are not supported",
    "pegPriceType": "Pegged orders are not supported",
}
EXPIRY_REASONS = {
    ExpiryReason.IOC_REST: "UNFILLED_IOC_QUANTITY_EXPIRED",
    ExpiryReason.FOK_UNFILLED: "UNFILLED_FOK_ORDER_EXPIRED",
    ExpiryReason.BOOK_EMPTY: "INSUFFICIENT_LIQUIDITY",
    ExpiryReason.DELISTED: "EXCHANGE_CANCELED",
    ExpiryReason.PRICE_BOUND: "EXECUTION_RULE_PRICE_RANGE_EXCEEDED",
}
_WAITING = (OrderStatus.UNTRIGGERED, OrderStatus.PENDING_NEW)
REPLY_KINDS = {name: name for name in ("ACK", "RESULT", "FULL")}
_KNOWN = frozenset(
    {
        "symbol",
        "side",
        "type",
        "timeInForce",
        "quantity",
        "quoteOrderQty",
        "price",
        "newClientOrderId",
        "strategyId",
        "strategyType",
        "stopPrice",
        "newOrderRespType",
        "selfTradePreventionMode",
        "computeCommissionRates",
        "icebergQty",
        "trailingDelta",
        "pegPriceType",
        "pegOffsetValue",
        "pegOffsetType",
    }
)


LEAST_STRATEGY_TYPE = 1_000_000


def place(call: Call) -> Mapping[str, Any]:
    order, type_name = new_order(call)
    default = "FULL" if type_name in ("MARKET", "LIMIT") else "ACK"
    kind = default
    if "newOrderRespType" in call.params:
        kind = call.params.choice("newOrderRespType", REPLY_KINDS, -1130, _invalid("newOrderRespType"))
    return report(call, call.exchange.place(call.account, order), kind)


def report(call: Call, placed: SimOrder, kind: str) -> Mapping[str, Any]:
    """A new order as the answer to its placing shows it: as ACK, RESULT or FULL."""
    row: dict[str, Any] = {
        "symbol": call.name(placed.symbol),
        "orderId": placed.id,
        "orderListId": placed.list_id,
        "clientOrderId": placed.client_id,
        "transactTime": placed.created_ms,
    }
    if kind == "ACK":
        return row
    row |= {**_core(placed), "workingTime": _working_ms(placed)}
    if kind == "FULL":
        row["fills"] = [_fill(trade) for trade in placed.trades]
    return row


def test(call: Call) -> Mapping[str, Any]:
    order, _ = new_order(call)
    call.exchange.check(call.account, order)
    if not call.params.flag("computeCommissionRates"):
        return {}
    instrument, none = call.instrument(), {"maker": fixed(ZERO), "taker": fixed(ZERO)}
    return {
        "standardCommissionForOrder": _rates(call, instrument),
        "specialCommissionForOrder": none,
        "taxCommissionForOrder": none,
        "discount": discount(call, instrument),
    }


def new_order(call: Call) -> tuple[NewOrder, str]:
    """The order that the parameters describe, and its type on the wire.

    Raises:
        ApiError: a parameter is missing, contradicts the type, or has more decimals than the venue reads.
    """
    params, instrument = call.params, call.instrument()
    side = params.choice("side", SIDES, -1117, "Invalid side.")
    type_name = params.text("type")
    if type_name not in TYPES:
        raise ApiError(-1116, "Invalid orderType.")
    for name, message in UNSUPPORTED.items():
        if name in params:
            raise ApiError(-2010, f"{message} for this symbol.")
    kind, has_price, has_trigger = TYPES[type_name]
    time_in_force = _time_in_force(params, type_name, has_price)
    quote_size = params.maybe_decimal("quoteOrderQty")
    if quote_size is not None and ("quantity" in params or type_name != "MARKET"):
        raise _unwanted("quoteOrderQty")
    if type_name == "MARKET" and quote_size is None and "quantity" not in params:
        raise ApiError(-1102, "Param 'quantity' or 'quoteOrderQty' must be sent, but both were empty/null!")
    client_id = params.maybe_text("newClientOrderId", CLIENT_ID_RANGE)
    order = NewOrder(
        symbol=instrument.symbol,
        side=side,
        type=kind,
        time_in_force=time_in_force,
        size=None if quote_size is not None else params.decimal("quantity"),
        price=_if_wanted(params, "price", has_price),
        quote_size=quote_size,
        trigger_price=_if_wanted(params, "stopPrice", has_trigger),
        client_id=client_id or call.desk.make_client_id(call.account),
        self_trade=self_trade_of(params),
        strategy=_strategy_of(params),
    )
    for name in ("quantity", "quoteOrderQty", "price", "stopPrice"):
        value = params.maybe_decimal(name)
        if value is not None and decimals(value) > 8:
            raise ApiError(-1111, f"Parameter '{name}' has too much precision.")
    return order, type_name


def _strategy_of(params: Params) -> tuple[int | None, int | None]:
    """Id and type of the strategy that the order is labeled with. ApiError(-1134) for a type that the venue keeps for
    itself."""
    strategy = params.maybe_integer("strategyType")
    if strategy is not None and strategy < LEAST_STRATEGY_TYPE:
        raise ApiError(-1134, f"strategyType was less than {LEAST_STRATEGY_TYPE}.")
    return params.maybe_integer("strategyId"), strategy


def self_trade_of(params: Params) -> SelfTrade:
    """The mode that the order asks for; the venue's default is that resting orders expire.

    Raises:
        ApiError: the mode is unknown, or the symbols here do not allow it.
    """
    if "selfTradePreventionMode" not in params:
        return SelfTrade.EXPIRE_MAKER
    name = "selfTradePreventionMode"
    if params.text(name) in ("DECREMENT", "TRANSFER"):
        raise ApiError(-2010, "This symbol does not allow the specified self-trade prevention mode.")
    return params.choice(name, dict(SelfTrade.__members__), -1130, _invalid(name))


def discount(call: Call, instrument: Instrument) -> Mapping[str, Any]:
    """What paying fees in the account's fee asset saves."""
    asset = call.exchange.fee_asset(call.account)
    return {
        "enabledForAccount": asset is not None,
        "enabledForSymbol": asset is not None and asset not in (instrument.base, instrument.quote),
        "discountAsset": asset or "BNB",
        "discount": fixed(call.exchange.rules.fee_discount),
    }


def _time_in_force(params: Params, type_name: str, has_price: bool) -> TimeInForce:
    if type_name == "LIMIT_MAKER" or not has_price:
        if "timeInForce" in params:
            raise _unwanted("timeInForce")
        return TimeInForce.POST_ONLY if type_name == "LIMIT_MAKER" else TimeInForce.GTC
    return params.choice("timeInForce", TIMES_IN_FORCE, -1115, "Invalid timeInForce.")


def _if_wanted(params: Params, name: str, is_wanted: bool) -> Decimal | None:
    if is_wanted:
        return params.decimal(name)
    if name in params:
        raise _unwanted(name)
    return None


def _unwanted(name: str) -> ApiError:
    return ApiError(-1106, f"Parameter '{name}' sent when not required.")


def _invalid(name: str) -> str:
    return f"Data sent for parameter '{name}' is not valid."


def _rates(call: Call, instrument: Instrument) -> Mapping[str, str]:
    maker, taker = call.fee_rates(instrument)
    return {"maker": fixed(maker), "taker": fixed(taker)}


def canceled_report(call: Call, ended: SimOrder, client_id: str, cancel_id: str) -> Mapping[str, Any]:
    """An order as the answer to its cancel shows it."""
    return {
        "symbol": call.name(ended.symbol),
        "origClientOrderId": client_id,
        "orderId": ended.id,
        "orderListId": ended.list_id,
        "clientOrderId": cancel_id,
        "transactTime": call.now_ms,
        **_core(ended),
    }


def query(call: Call) -> Mapping[str, Any]:
    return row(call, find_order(call, call.instrument(), ApiError(-2013, "Order does not exist.")))


def open_orders(call: Call) -> list[Mapping[str, Any]]:
    instrument = call.maybe_instrument()
    orders = call.exchange.open_orders(call.account, instrument.symbol if instrument else None)
    return [row(call, order) for order in orders if not is_perp(order.symbol)]


def all_orders(call: Call) -> list[Mapping[str, Any]]:
    return [row(call, order) for order in listed(call, DAY_MS)]


def listed(call: Call, longest_ms: int) -> tuple[SimOrder, ...]:
    """Orders in any state: from `orderId` up, or between the times, or the latest; ascending, `limit` of them."""
    instrument, limit = call.instrument(), call.params.limit(500, 1000)
    first_id = call.params.maybe_integer("orderId")
    start_ms, end_ms = times(call, longest_ms)
    if first_id is not None:
        orders = call.exchange.orders(call.account, instrument.symbol, limit=EVERYTHING)
        return tuple(order for order in orders if order.id >= first_id)[:limit]
    return call.exchange.orders(call.account, instrument.symbol, start_ms, end_ms, limit)


def my_trades(call: Call) -> list[Mapping[str, Any]]:
    return [
        {
            "symbol": call.name(trade.symbol),
            "id": trade.id,
            "orderId": trade.order_id,
            "orderListId": _list_id_of(call, trade),
            "price": fixed(trade.price),
            "qty": fixed(trade.size),
            "quoteQty": fixed(trade.quote),
            "commission": fixed(trade.fee),
            "commissionAsset": trade.fee_asset,
            "time": trade.at_ms,
            "isBuyer": trade.side is Side.BUY,
            "isMaker": trade.is_maker,
            "isBestMatch": True,
        }
        for trade in traded(call, DAY_MS)
    ]


def traded(call: Call, longest_ms: int) -> tuple[SimTrade, ...]:
    """Trades of an order, or from `fromId` up, or between the times, or the latest; ascending, `limit` of them.

    Args:
        longest_ms: the longest span that may be asked for at once.

    Raises:
        ApiError: both a number and a time to begin with were sent.
    """
    instrument, limit = call.instrument(), call.params.limit(500, 1000)
    order_id, first_id = call.params.maybe_integer("orderId"), call.params.maybe_integer("fromId")
    start_ms, end_ms = times(call, longest_ms)
    if first_id is not None and (start_ms is not None or "endTime" in call.params):
        raise ApiError(-1128, "Combination of optional parameters invalid.")
    return call.exchange.trades(call.account, instrument.symbol, start_ms, end_ms, order_id, limit, first_id)


def find_order(call: Call, instrument: Instrument, absent: ApiError) -> SimOrder:
    """The order that `orderId` or `origClientOrderId` names, the newest where a client id was used again. Conditional
    orders of futures are not among them.

    Raises:
        ApiError: `absent`; -2039 when both were sent and differ; -1102 when neither was.
    """
    order_id, client_id = call.params.maybe_integer("orderId"), call.params.maybe_text("origClientOrderId")
    if order_id is None and client_id is None:
        raise ApiError(-1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!")
    by_id = {"order_id": order_id} if order_id is not None else {"client_id": client_id}
    is_trigger = False if instrument.is_perp else None
    order = call.exchange.order(call.account, instrument.symbol, is_trigger=is_trigger, **by_id)
    if order is None or is_forgotten(call, order):
        raise absent
    if not instrument.is_perp and _is_idle_since(order, call.now_ms - ARCHIVED_AFTER_MS):
        raise ApiError(
            -2026, "Order was canceled or expired with no executed qty over 90 days ago and has been archived."
        )
    if order_id is not None and client_id is not None and order.client_id != client_id:
        raise ApiError(-2039, "Client order ID is not correct for this order ID.")
    return order


def is_forgotten(call: Call, order: SimOrder) -> bool:
    """Futures drop ended orders: without a fill after three days, all of them after ninety."""
    if not is_perp(order.symbol) or order.is_open:
        return False
    is_old = order.updated_ms < call.now_ms - ARCHIVED_AFTER_MS
    return is_old or _is_idle_since(order, call.now_ms - FORGOTTEN_AFTER_MS)


def _is_idle_since(order: SimOrder, before_ms: int) -> bool:
    return not order.is_open and not order.filled_size and order.updated_ms < before_ms


def row(call: Call, order: SimOrder) -> Mapping[str, Any]:
    """An order as GET shows it."""
    return {
        "symbol": call.name(order.symbol),
        "orderId": order.id,
        "orderListId": order.list_id,
        "clientOrderId": order.client_id,
        **_core(order),
        "stopPrice": fixed(order.trigger_price or ZERO),
        "icebergQty": fixed(ZERO),
        "time": order.created_ms,
        "updateTime": order.updated_ms,
        "isWorking": order.status not in _WAITING,
        "workingTime": _working_ms(order),
    }


def _working_ms(order: SimOrder) -> int:
    """Since when the order is in the book, -1 for one that has not been there."""
    return -1 if order.status in _WAITING else order.triggered_ms or order.created_ms


def _list_id_of(call: Call, trade: SimTrade) -> int:
    order = call.exchange.order(call.account, trade.symbol, order_id=trade.order_id)
    return order.list_id if order is not None else -1


def _core(order: SimOrder) -> dict[str, Any]:
    core: dict[str, Any] = {
        "price": fixed(order.price or ZERO),
        "origQty": fixed(order.size or order.filled_size),
        "executedQty": fixed(order.filled_size),
        "origQuoteOrderQty": fixed(order.quote_size or ZERO),
        "cummulativeQuoteQty": fixed(order.filled_quote),
        "status": _status(order),
        "timeInForce": _wire_time_in_force(order.time_in_force),
        "type": type_name(order),
        "side": order.side.value.upper(),
        "selfTradePreventionMode": order.self_trade.value,
    }
    reason = EXPIRY_REASONS.get(order.expiry_reason)
    if reason is not None:
        core["expiryReason"] = reason
    if order.trigger_price is not None:
        core["stopPrice"] = fixed(order.trigger_price)
    labels = zip(("strategyId", "strategyType"), order.strategy, strict=True)
    return core | {name: number for name, number in labels if number is not None}


def type_name(order: SimOrder) -> str:
    """The order's type on the wire."""
    if order.type is OrderType.LIMIT:
        return "LIMIT_MAKER" if order.time_in_force is TimeInForce.POST_ONLY else "LIMIT"
    if order.type is OrderType.MARKET:
        return "MARKET"
    name = "STOP_LOSS" if order.type is OrderType.STOP else "TAKE_PROFIT"
    return name if order.price is None else f"{name}_LIMIT"


def _status(order: SimOrder) -> str:
    return "NEW" if order.status in (OrderStatus.UNTRIGGERED, OrderStatus.TRIGGERED) else order.status.value


def _wire_time_in_force(time_in_force: TimeInForce) -> str:
    return "GTC" if time_in_force is TimeInForce.POST_ONLY else time_in_force.value.upper()


def _fill(trade: SimTrade) -> Mapping[str, Any]:
    return {
        "price": fixed(trade.price),
        "qty": fixed(trade.size),
        "commission": fixed(trade.fee),
        "commissionAsset": trade.fee_asset,
        "tradeId": trade.id,
    }


def _test_weight(params: Params) -> int:
    return 20 if params.maybe_text("computeCommissionRates") == "true" else 1


def _write(method: str, path: str, act: Any, *, orders: int = 0, known: frozenset[str] = frozenset()) -> Route:
    return Route(method, path, act, Security.SIGNED, 1, orders=orders, is_free=True, permission="spot", known=known)


SPOT_ORDER_ROUTES: tuple[Route, ...] = (
    _write("POST", "/api/v3/order", place, orders=1, known=_KNOWN),
    Route("POST", "/api/v3/order/test", test, Security.SIGNED, _test_weight, permission="spot", known=_KNOWN),
    private("GET", "/api/v3/order", query, 4),
    private("GET", "/api/v3/openOrders", open_orders, lambda params: 6 if "symbol" in params else 80),
    private("GET", "/api/v3/allOrders", all_orders, 20),
    private("GET", "/api/v3/myTrades", my_trades, lambda params: 5 if "orderId" in params else 20),
)
