"""Private events of an account as Binance's user data streams word them."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from bot.domain.instrument import Kind
from bot.domain.money import ZERO
from bot.domain.symbol import is_perp
from bot.simex.dialects.binance.common import Call, fixed
from bot.simex.dialects.binance.spot_market import kept_price_text, price_text, size_text
from bot.simex.dialects.binance.spot_orders import row as spot_row
from bot.simex.dialects.binance.trade.spot_cancels import list_row
from bot.simex.dialects.binance.usdm_account import break_even
from bot.simex.dialects.binance.usdm_algo import row as algo_row
from bot.simex.dialects.binance.usdm_orders import row as perp_row
from bot.simex.engine.types import EventKind, ExchangeEvent, ExpiryReason, OrderList, SimOrder
from bot.simex.signing import ApiKey

_EXECUTIONS = {
    EventKind.ORDER_PLACED: "NEW",
    EventKind.ORDER_FILLED: "TRADE",
    EventKind.ORDER_CANCELED: "CANCELED",
    EventKind.ORDER_EXPIRED: "EXPIRED",
    EventKind.ORDER_REJECTED: "REJECTED",
    EventKind.ORDER_AMENDED: "AMENDMENT",
}
_REASONS = {
    "order": "ORDER",
    "funding": "FUNDING_FEE",
    "transfer": "ASSET_TRANSFER",
    "margin": "MARGIN_TRANSFER",
    "insurance_clear": "INSURANCE_CLEAR",
}


def of_account(call: Call, account: str) -> Call:
    """The call of somebody who has heard the key of this account."""
    return replace(call, key=ApiKey("", "", account))


def payloads(call: Call, event: ExchangeEvent, kind: Kind) -> Iterator[Mapping[str, Any]]:
    """What a stream of this market sends for an event of its account."""
    order = event.order
    if order is not None:
        if is_perp(event.symbol) is not (kind is Kind.PERP):
            return
        if kind is Kind.SPOT:
            yield from _spot_order(call, event, order)
        elif order.type.is_trigger:
            yield _algo(call, event, order)
        elif event.kind in _EXECUTIONS:
            yield _perp_order(call, event, order)
    elif kind is Kind.SPOT and event.order_list is not None:
        yield _order_list(call, event, event.order_list)
    elif kind is Kind.SPOT and event.kind is EventKind.SPOT_WALLET:
        yield from _spot_wallet(call, event)
    elif kind is Kind.PERP and event.kind is EventKind.PERP_WALLET:
        yield _perp_wallet(call, event)
    elif kind is Kind.PERP and event.kind is EventKind.CONFIG:
        yield from _config(call, event)
    elif kind is Kind.PERP and event.kind is EventKind.MARGIN_CALL:
        yield _margin_call(call, event)


_CONDITIONAL = {"j": "strategyId", "J": "strategyType", "eR": "expiryReason"}


def _spot_order(call: Call, event: ExchangeEvent, order: SimOrder) -> Iterator[Mapping[str, Any]]:
    name = "NEW" if event.kind is EventKind.ORDER_TRIGGERED else _EXECUTIONS.get(event.kind)
    if name is None:
        return
    if event.kind is EventKind.ORDER_EXPIRED and order.expiry_reason is ExpiryReason.SELF_TRADE:
        name = "TRADE_PREVENTION"
    if event.kind is EventKind.ORDER_AMENDED:
        name = "REPLACED"
    trade, row = event.trade, spot_row(call, order)
    is_canceled = event.kind is EventKind.ORDER_CANCELED
    yield {
        "e": "executionReport",
        "E": call.now_ms,
        "s": row["symbol"],
        "c": order.cancel_client_id if is_canceled and order.cancel_client_id else order.client_id,
        "S": row["side"],
        "o": row["type"],
        "f": row["timeInForce"],
        "q": row["origQty"],
        "p": row["price"],
        "P": row["stopPrice"],
        "F": fixed(ZERO),
        "g": order.list_id,
        "C": order.client_id if is_canceled else "",
        "x": name,
        "X": row["status"],
        "r": "NONE",
        "i": order.id,
        "l": fixed(trade.size if trade else ZERO),
        "z": row["executedQty"],
        "L": fixed(trade.price if trade else ZERO),
        "n": fixed(trade.fee) if trade else "0",
        "N": trade.fee_asset if trade else None,
        "T": event.at_ms,
        "t": trade.id if trade else -1,
        "I": event.number,
        "w": order.is_open and row["isWorking"],
        "m": trade.is_maker if trade else False,
        "M": trade is not None,
        "O": order.created_ms,
        "Z": row["cummulativeQuoteQty"],
        "Y": fixed(trade.quote if trade else ZERO),
        "Q": row["origQuoteOrderQty"],
        "W": row["workingTime"],
        "V": row["selfTradePreventionMode"],
        **{short: row[name] for short, name in _CONDITIONAL.items() if name in row},
    }


def _order_list(call: Call, event: ExchangeEvent, one: OrderList) -> Mapping[str, Any]:
    row = list_row(call, one)
    return {
        "e": "listStatus",
        "E": call.now_ms,
        "s": row["symbol"],
        "g": one.id,
        "c": row["contingencyType"],
        "l": row["listStatusType"],
        "L": row["listOrderStatus"],
        "r": "NONE",
        "C": one.client_id,
        "T": event.at_ms,
        "O": [{"s": part["symbol"], "i": part["orderId"], "c": part["clientOrderId"]} for part in row["orders"]],
    }


def _spot_wallet(call: Call, event: ExchangeEvent) -> Iterator[Mapping[str, Any]]:
    held = call.exchange.balances(event.account)
    instrument = call.desk.listed.get(event.symbol)
    fee_asset = call.exchange.fee_asset(event.account)
    assets = [instrument.base, instrument.quote] if instrument else ["USDT"]
    if fee_asset is not None and fee_asset not in assets:
        assets.append(fee_asset)
    if event.reason == "transfer":
        yield {"e": "balanceUpdate", "E": call.now_ms, "a": "USDT", "d": fixed(event.amount), "T": event.at_ms}
    rows = []
    for asset in assets:
        balance = held.get(asset)
        rows.append({"a": asset, "f": fixed(balance.free if balance else ZERO)})
        rows[-1]["l"] = fixed(balance.used if balance else ZERO)
    yield {"e": "outboundAccountPosition", "E": call.now_ms, "u": event.at_ms, "B": rows}


def _perp_order(call: Call, event: ExchangeEvent, order: SimOrder) -> Mapping[str, Any]:
    row, trade, instrument = perp_row(call, order), event.trade, call.desk.listed[order.symbol]
    name = _EXECUTIONS[event.kind]
    fee = {"N": trade.fee_asset, "n": fixed(trade.fee)} if trade else {}
    reason = "1" if order.expiry_reason is ExpiryReason.SELF_TRADE else "0"
    shown = {
        "s": row["symbol"],
        "c": order.client_id,
        "S": row["side"],
        "o": "LIQUIDATION" if order.is_liquidation else row["type"],
        "f": row["timeInForce"],
        "q": row["origQty"],
        "p": row["price"],
        "ap": row["avgPrice"],
        "sp": row["stopPrice"],
        "x": "CALCULATED" if order.is_liquidation and trade else name,
        "X": row["status"],
        "i": order.id,
        "l": size_text(instrument, trade.size if trade else ZERO),
        "z": row["executedQty"],
        "L": kept_price_text(instrument, trade.price) if trade else price_text(instrument, ZERO),
        **fee,
        "T": event.at_ms,
        "t": trade.id if trade else 0,
        "b": "0",
        "a": "0",
        "m": trade.is_maker if trade else False,
        "R": order.reduce_only,
        "wt": row["workingType"],
        "ot": row["origType"],
        "ps": row["positionSide"],
        "cp": order.close_position,
        "rp": fixed(trade.realised_pnl if trade else ZERO),
        "pP": row["priceProtect"],
        "si": 0,
        "ss": 0,
        "V": row["selfTradePreventionMode"],
        "pm": row["priceMatch"],
        "gtd": row["goodTillDate"],
        "er": reason,
    }
    if event.kind is EventKind.ORDER_AMENDED and (label := call.exchange.amendments.label_of(order)) is not None:
        shown["M"] = str(label)
    return {"e": "ORDER_TRADE_UPDATE", "E": call.now_ms, "T": event.at_ms, "o": shown}


def _algo(call: Call, event: ExchangeEvent, order: SimOrder) -> Mapping[str, Any]:
    row = algo_row(call, order)
    shown = {
        "caid": order.client_id,
        "aid": order.id,
        "at": "CONDITIONAL",
        "o": row["orderType"],
        "s": row["symbol"],
        "S": row["side"],
        "ps": row["positionSide"],
        "f": row["timeInForce"],
        "q": row["quantity"],
        "X": "TRIGGERED" if event.kind is EventKind.ORDER_TRIGGERED else row["algoStatus"],
        "ai": row["actualOrderId"],
        "ap": row["actualPrice"],
        "aq": row["quantity"] if row["actualOrderId"] else "0",
        "act": "0",
        "tp": row["triggerPrice"],
        "p": row["price"],
        "V": row["selfTradePreventionMode"],
        "wt": row["workingType"],
        "pm": row["priceMatch"],
        "cp": row["closePosition"],
        "pP": row["priceProtect"],
        "R": row["reduceOnly"],
        "tt": row["triggerTime"],
        "gtd": row["goodTillDate"],
        "rm": order.expiry_reason.value,
        "ia": order.trail_price is not None,
    }
    return {"e": "ALGO_UPDATE", "T": event.at_ms, "E": call.now_ms, "o": shown}


def _perp_wallet(call: Call, event: ExchangeEvent) -> Mapping[str, Any]:
    wallet = call.exchange.wallet(event.account)
    balance = {"a": wallet.asset, "wb": fixed(wallet.balance), "cw": fixed(wallet.cross_balance)}
    moved = event.amount if event.reason in ("transfer", "funding") else ZERO
    rows = [_position(call, event)] if event.symbol else []
    body: dict[str, Any] = {"m": _REASONS.get(event.reason, "ORDER"), "B": [{**balance, "bc": fixed(moved)}], "P": rows}
    if event.reason == "funding":
        body["S"] = call.name(event.symbol)
    return {"e": "ACCOUNT_UPDATE", "E": call.now_ms, "T": event.at_ms, "a": body}


def _position(call: Call, event: ExchangeEvent) -> Mapping[str, Any]:
    position = call.exchange.position(event.account, event.symbol, event.side)
    instrument = call.desk.listed[event.symbol]
    config = call.exchange.symbol_config(event.account, event.symbol)
    size = position.size if position else ZERO
    return {
        "s": call.name(event.symbol),
        "pa": size_text(instrument, size),
        "ep": fixed(position.entry_price if position else ZERO),
        "bep": fixed(break_even(call, position)),
        "cr": fixed(ZERO),
        "up": fixed(position.unrealised_pnl if position else ZERO),
        "mt": "isolated" if config.is_isolated else "cross",
        "iw": fixed(position.isolated_wallet if position else ZERO),
        "ps": event.side.value,
    }


def _config(call: Call, event: ExchangeEvent) -> Iterator[Mapping[str, Any]]:
    head = {"e": "ACCOUNT_CONFIG_UPDATE", "E": call.now_ms, "T": event.at_ms}
    if event.reason == "leverage":
        yield {**head, "ac": {"s": call.name(event.symbol), "l": int(event.amount)}}
    elif event.reason == "multi_assets":
        yield {**head, "ai": {"j": call.exchange.modes(event.account).is_multi_assets}}


def _margin_call(call: Call, event: ExchangeEvent) -> Mapping[str, Any]:
    wallet = call.exchange.wallet(event.account)
    row = _position(call, event)
    position = call.exchange.position(event.account, event.symbol, event.side)
    shown = {
        **{name: row[name] for name in ("s", "ps", "pa", "iw", "up")},
        "mt": row["mt"].upper().replace("CROSS", "CROSSED"),
        "mp": fixed(position.mark if position else ZERO),
        "mm": fixed(position.maintenance_margin if position else ZERO),
    }
    return {"e": "MARGIN_CALL", "E": call.now_ms, "cw": fixed(wallet.cross_balance), "p": [shown]}


def forced_order(call: Call, event: ExchangeEvent) -> Mapping[str, Any] | None:
    """What the public liquidation stream sends."""
    order = event.order
    if event.kind is not EventKind.LIQUIDATION or order is None:
        return None
    row = perp_row(call, order)
    shown = {
        "s": row["symbol"],
        "S": row["side"],
        "o": "LIMIT",
        "f": "IOC",
        "q": row["origQty"],
        "p": row["price"],
        "ap": row["avgPrice"],
        "X": "FILLED",
        "l": row["executedQty"],
        "z": row["executedQty"],
        "T": event.at_ms,
    }
    return {"e": "forceOrder", "E": call.now_ms, "o": shown}
