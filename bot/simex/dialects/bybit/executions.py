"""Executions of an account: trades, and of perps the funding that was paid or received."""

from typing import Any

from bot.domain.instrument import Instrument
from bot.domain.symbol import is_perp
from bot.simex.dialects.bybit.common import (
    EVERYTHING,
    BybitCall,
    order_id,
    own_number,
    page_of,
    private,
    text,
    trade_id,
)
from bot.simex.dialects.bybit.orders import visible_orders
from bot.simex.engine.types import ForcedBy, Income, IncomeKind, SimOrder, SimTrade

_FORCED = {
    ForcedBy.LIQUIDATION: "BustTrade",
    ForcedBy.INSURANCE: "BustTrade",
    ForcedBy.DELEVERAGING: "AdlTrade",
    ForcedBy.SETTLEMENT: "Settle",
}


def executions(call: BybitCall) -> dict[str, Any]:
    """Trades, newest first; of perps also the funding that was paid (positive) or received."""
    category = call.params.category()
    start_ms, end_ms = call.window()
    name = call.params.maybe_text("symbol")
    known = [call.desk.instrument(category, name)] if name else call.desk.instruments(category)
    wanted, link_id = call.params.maybe_text("orderId"), call.params.maybe_text("orderLinkId")
    rows = [row for one in known for row in _executions_of(call, one, start_ms, end_ms)]
    kind = call.params.maybe_text("execType")
    found = [
        row
        for row in rows
        if (not wanted or row["orderId"] == wanted)
        and (not link_id or row["orderLinkId"] == link_id)
        and (not kind or row["execType"] == kind)
    ]
    found.sort(key=lambda row: int(row["execTime"]), reverse=True)
    return page_of(call, found, default=50, largest=100, category=category)


def _executions_of(call: BybitCall, instrument: Instrument, start_ms: int, end_ms: int) -> list[dict[str, Any]]:
    symbol = instrument.symbol
    orders = {order.id: order for order in call.exchange.orders(call.account, symbol, limit=EVERYTHING)}
    trades = call.exchange.trades(call.account, symbol, start_ms, end_ms, limit=EVERYTHING)
    seen = {order.id for order in visible_orders(call, symbol)}
    rows = [
        execution_row(call, trade, orders.get(trade.order_id))
        for trade in trades
        if trade.order_id in seen or trade.order_id not in orders
    ]
    if not instrument.is_perp:
        return rows
    paid = call.exchange.income(call.account, start_ms, IncomeKind.FUNDING_FEE, EVERYTHING, symbol, end_ms)
    return [*rows, *(funding_row(call, income) for income in paid)]


def funding_row(call: BybitCall, income: Income) -> dict[str, Any]:
    """A payment of funding as the list of executions and the private stream show it."""
    return {
        "symbol": call.desk.name(income.symbol),
        "orderId": str(income.at_ms // 1000),
        "orderLinkId": "",
        "side": "Buy",
        "execId": f"fd{income.id:010d}",
        "execPrice": "0",
        "execQty": "0",
        "execValue": "0",
        "execFee": text(-income.amount),
        "feeCurrency": income.asset,
        "execType": "Funding",
        "execTime": str(income.at_ms),
        "isMaker": False,
    }


def execution_row(call: BybitCall, trade: SimTrade, order: SimOrder | None) -> dict[str, Any]:
    """A trade as the list of executions and the private stream show it; without its order where that is forgotten."""
    number = trade.order_id if order is None else own_number(order)
    forced = ForcedBy.NOBODY if order is None else order.forced_by
    return {
        "symbol": call.desk.name(trade.symbol),
        "orderId": order_id(trade.symbol, number),
        "orderLinkId": "" if trade.client_id.startswith("sx") or forced is not ForcedBy.NOBODY else trade.client_id,
        "side": trade.side.value.capitalize(),
        "orderPrice": "0" if order is None else text(order.price) or "0",
        "orderQty": "0" if order is None else text(order.size),
        "leavesQty": "0" if order is None else text(order.open_size),
        "orderType": "Market" if order is None or order.price is None else "Limit",
        "stopOrderType": "UNKNOWN",
        "execId": trade_id(trade),
        "execPrice": text(trade.price),
        "execQty": text(trade.size),
        "execValue": text(trade.quote),
        "execFee": text(trade.fee),
        "feeCurrency": "" if is_perp(trade.symbol) else trade.fee_asset,
        "execType": _FORCED.get(forced, "Trade"),
        "execTime": str(trade.at_ms),
        "isMaker": trade.is_maker,
    }


EXECUTION_ENDPOINTS = (private("GET", "/v5/execution/list", executions, 50),)
