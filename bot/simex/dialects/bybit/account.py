"""The unified account: one wallet, positions, margin, leverage, fee rates, the transaction log, rights of a key.

The engine keeps two wallets. Here they are one: what is free lies where it is needed, and the moves between them are
not part of the log.
"""

from decimal import Decimal
from typing import Any

from bot.domain.instrument import Instrument
from bot.domain.money import ZERO
from bot.simex.dialects.bybit.common import (
    CROSS,
    EVERYTHING,
    ISOLATED,
    LINEAR,
    PORTFOLIO,
    POSITION_INDEXES,
    BybitCall,
    BybitRefusal,
    invalid,
    page_of,
    private,
    text,
    trade_id,
    venue_symbol,
)
from bot.simex.engine.refusal import Refusal, RefusalReason
from bot.simex.engine.types import Income, IncomeKind, PositionSide, SimPosition, SimTrade

_TYPES = {
    IncomeKind.FUNDING_FEE: "SETTLEMENT",
    IncomeKind.INSURANCE_CLEAR: "BONUS",  # the engine's fund pays apart from the trades
}


def wallet_balance(call: BybitCall) -> dict[str, Any]:
    if call.params.text("accountType") != "UNIFIED":
        raise invalid("accountType")
    return {"list": [wallet_row(call)]}


def wallet_row(call: BybitCall) -> dict[str, Any]:
    exchange, account = call.exchange, call.account
    perps, balances = exchange.wallet(account), exchange.balances(account)
    others = exchange.perp_assets(account)
    is_isolated = _mode(call) == ISOLATED
    positions = exchange.positions(account)
    held = sum((p.isolated_wallet if p.is_isolated else p.initial_margin for p in positions), ZERO)
    profit = sum((p.unrealised_pnl for p in positions), ZERO)
    coins = []
    for name in sorted({*balances, *others}):
        balance, is_quote = balances.get(name), name == perps.asset
        total = (balance.total if balance else ZERO) + others.get(name, ZERO)
        coins.append(
            {
                "coin": name,
                "equity": text(total + (profit if is_quote else ZERO)),
                "walletBalance": text(total),
                "locked": text(balance.used if balance else ZERO),
                "borrowAmount": "0",
                "spotBorrow": "0",
                "accruedInterest": "0",
                "totalOrderIM": text(perps.order_margin if is_quote else ZERO),
                "totalPositionIM": text(held if is_quote else ZERO),
                "unrealisedPnl": text(profit if is_quote else ZERO),
                "marginCollateral": True,
                "collateralSwitch": True,
                "availableToWithdraw": "",
            }
        )
    quote = balances.get(perps.asset)
    available = max(ZERO, perps.available) + (quote.free if quote else ZERO)
    return {
        "accountType": "UNIFIED",
        "totalAvailableBalance": "" if is_isolated else text(available),
        "totalPerpUPL": text(profit),
        "coin": coins,
    }


def info(call: BybitCall) -> dict[str, Any]:
    return {
        "marginMode": _mode(call),
        "unifiedMarginStatus": 6,
        "updatedTime": "0",
        "dcpStatus": "OFF",
        "spotHedgingStatus": "OFF",
    }


def _mode(call: BybitCall) -> str:
    return call.desk.margin_modes.get(call.account, ISOLATED)


def set_margin_mode(call: BybitCall) -> dict[str, Any]:
    """The margin mode of the whole account.

    Raises:
        BybitRefusal: another mode is asked for while a position or an order is open.
    """
    wanted = call.params.text("setMarginMode")
    if wanted not in (ISOLATED, CROSS, PORTFOLIO):
        raise invalid("setMarginMode")
    open_orders = call.exchange.open_orders(call.account)
    if wanted != _mode(call) and (call.exchange.positions(call.account) or open_orders):
        raise BybitRefusal(3400045, "Set margin mode failed")
    call.desk.margin_modes[call.account] = wanted
    return {"reasons": []}


def positions(call: BybitCall) -> dict[str, Any]:
    """One row of a symbol that is named, flat or not; otherwise those that are held.

    Raises:
        BybitRefusal: neither a symbol nor a settlement currency is named.
    """
    if call.params.category() != LINEAR:
        raise invalid("category")
    name, coin = call.params.maybe_text("symbol"), call.params.maybe_text("settleCoin")
    if not name and not coin:
        raise BybitRefusal(10001, "params error: symbol or settleCoin must be filled in")
    if name:
        instrument = call.desk.instrument(LINEAR, name)
        rows = position_rows(call, instrument)
    else:
        known = call.exchange.instruments
        held = [p for p in call.exchange.positions(call.account) if p.symbol in known and known[p.symbol].quote == coin]
        rows = [position_row(call, known[p.symbol], p) for p in held]
    return page_of(call, rows, default=20, largest=200, category=LINEAR)


def position_row(call: BybitCall, instrument: Instrument, held: SimPosition | None) -> dict[str, Any]:
    """A position; one that is flat has size 0."""
    config = call.exchange.symbol_config(call.account, instrument.symbol)
    mark = call.exchange.quote(instrument.symbol).mark
    margin = ZERO if held is None else held.isolated_wallet if held.is_isolated else held.initial_margin
    return {
        "positionIdx": POSITION_INDEXES[PositionSide.BOTH if held is None else held.side],
        "riskId": 1,
        "symbol": venue_symbol(instrument),
        "side": "" if held is None else "Buy" if held.size > 0 else "Sell",
        "size": "0" if held is None else text(abs(held.size)),
        "avgPrice": "0" if held is None else text(held.entry_price),
        "positionValue": "" if held is None else text(abs(held.notional)),
        "tradeMode": 0,
        "autoAddMargin": 0,
        "positionStatus": "Normal",
        "leverage": str(config.leverage),
        "markPrice": text(mark),
        "liqPrice": "" if held is None else text(held.liquidation_price),
        "positionIM": text(margin),
        "positionBalance": text(margin),
        "positionMM": "0" if held is None else text(held.maintenance_margin),
        "unrealisedPnl": "0" if held is None else text(held.unrealised_pnl),
        "updatedTime": str(0 if held is None else held.updated_ms),
    }


def position_rows(call: BybitCall, instrument: Instrument) -> list[dict[str, Any]]:
    """The position of a perp, flat or not; in hedge mode one of each side."""
    is_hedged = call.exchange.modes(call.account).is_hedge_mode
    sides = (PositionSide.LONG, PositionSide.SHORT) if is_hedged else (PositionSide.BOTH,)
    return [_row_of(call, instrument, side) for side in sides]


def _row_of(call: BybitCall, instrument: Instrument, side: PositionSide) -> dict[str, Any]:
    held = call.exchange.position(call.account, instrument.symbol, side)
    return {**position_row(call, instrument, held), "positionIdx": POSITION_INDEXES[side]}


def set_leverage(call: BybitCall) -> dict[str, Any]:
    """One leverage for both sides of an instrument.

    Raises:
        BybitRefusal: it is no whole number, or the one that is set already.
    """
    instrument = call.instrument()
    buy, sell = call.params.maybe_number("buyLeverage"), call.params.maybe_number("sellLeverage")
    if not instrument.is_perp or buy is None or buy != sell or buy < 1:
        raise invalid("buyLeverage")
    whole = int(buy)
    if whole != buy:
        raise BybitRefusal(10001, "params error: leverage of parts is not emulated")
    call.desk.gather(call.account)
    if call.exchange.symbol_config(call.account, instrument.symbol).leverage == whole:
        raise BybitRefusal(110043, "Set leverage has not been modified.")
    call.exchange.set_leverage(call.account, instrument.symbol, whole)
    return {}


def add_margin(call: BybitCall) -> dict[str, Any]:
    instrument, amount = call.instrument(), call.params.maybe_number("margin")
    if amount is None or not instrument.is_perp:
        raise invalid("margin")
    index = call.params.maybe_integer("positionIdx") or 0
    if index not in POSITION_INDEXES.values():
        raise invalid("positionIdx")
    side = next(side for side, number in POSITION_INDEXES.items() if number == index)
    call.desk.gather(call.account)
    call.exchange.move_margin(call.account, instrument.symbol, amount, side)
    return {"category": LINEAR, **_row_of(call, instrument, side)}


def switch_mode(call: BybitCall) -> dict[str, Any]:
    """One-way or hedge mode.

    Raises:
        BybitRefusal: the mode is set already, or a position or an order is open.
    """
    mode = call.params.maybe_integer("mode")
    if mode not in (0, 3):
        raise invalid("mode")
    codes = {
        RefusalReason.POSITION_MODE_SAME: (110025, "Position mode is not modified"),
        RefusalReason.POSITION_MODE_ORDERS: (110028, "You have existing open orders"),
        RefusalReason.POSITION_MODE_POSITION: (110024, "You have an existing position"),
    }
    try:
        call.exchange.set_position_mode(call.account, hedge=mode == 3)
    except Refusal as refusal:
        raise BybitRefusal(*codes[refusal.reason]) from refusal
    return {}


def fee_rate(call: BybitCall) -> dict[str, Any]:
    category, name = call.params.category(), call.params.maybe_text("symbol")
    known = [call.desk.instrument(category, name)] if name else call.desk.instruments(category)
    rows = []
    for one in known:
        maker, taker = call.exchange.fee_rates(call.account, one.symbol)
        rows.append({"symbol": venue_symbol(one), "makerFeeRate": text(maker), "takerFeeRate": text(taker)})
    return {"list": rows}


def transaction_log(call: BybitCall) -> dict[str, Any]:
    """Newest first: trades of both kinds, funding, and what came in or went out."""
    start_ms, end_ms = call.window()
    rows = []
    for instrument in call.exchange.instruments.values():
        trades = call.exchange.trades(call.account, instrument.symbol, start_ms, end_ms, limit=EVERYTHING)
        rows += [_trade_row(call, instrument, trade) for trade in trades]
    for income in call.exchange.income(call.account, start_ms, limit=EVERYTHING, end_ms=end_ms):
        is_moved = income.kind is IncomeKind.TRANSFER and income.id not in call.desk.own_moves
        rows += [_income_row(call, income)] if income.kind in _TYPES or is_moved else []
    rows += [row for row in _flow_rows(call) if start_ms <= int(row["transactionTime"]) <= end_ms]
    rows.sort(key=lambda row: int(row["transactionTime"]), reverse=True)
    return page_of(call, rows, default=20, largest=50)


def _log_row(
    call: BybitCall, name: str, kind: str, asset: str, change: Decimal, at_ms: int, symbol: str = ""
) -> dict[str, Any]:
    return {
        "id": name,
        "symbol": call.desk.name(symbol) if symbol else "",
        "type": kind,
        "currency": asset,
        "change": text(change),
        "cashFlow": text(change),
        "transactionTime": str(at_ms),
        "orderId": "",
        "orderLinkId": "",
    }


def _trade_row(call: BybitCall, instrument: Instrument, trade: SimTrade) -> dict[str, Any]:
    if instrument.is_perp:
        change = trade.realised_pnl - trade.fee
    else:
        change = -trade.quote * trade.side.sign - (trade.fee if trade.fee_asset == instrument.quote else ZERO)
    return _log_row(call, f"t_{trade_id(trade)}", "TRADE", instrument.quote, change, trade.at_ms, instrument.symbol)


def _income_row(call: BybitCall, income: Income) -> dict[str, Any]:
    kind = _TYPES.get(income.kind) or ("TRANSFER_IN" if income.amount > 0 else "TRANSFER_OUT")
    return _log_row(call, f"log_{income.id}", kind, income.asset, income.amount, income.at_ms, income.symbol)


def _flow_rows(call: BybitCall) -> list[dict[str, Any]]:
    rows = []
    for is_deposit in (True, False):
        for flow in call.exchange.flows.of(call.account, is_deposit=is_deposit):
            amount = flow.amount if is_deposit else -flow.amount - flow.fee
            at_ms = flow.ended_ms if is_deposit else flow.begun_ms
            if not is_deposit or flow.state == "done":
                kind = "TRANSFER_IN" if is_deposit else "TRANSFER_OUT"
                rows.append(_log_row(call, f"flow_{flow.id}", kind, flow.asset, amount, at_ms))
            if not is_deposit and flow.state == "failed":
                back = _log_row(call, f"back_{flow.id}", "TRANSFER_IN", flow.asset, -amount, flow.ended_ms)
                rows.append(back)
    return rows


def query_api(call: BybitCall) -> dict[str, Any]:
    rights = call.key.permissions if call.key is not None else frozenset()
    return {
        "id": "1",
        "readOnly": 0,
        "permissions": {
            "ContractTrade": ["Order", "Position"] if "perp" in rights else [],
            "Spot": ["SpotTrade"] if "spot" in rights else [],
            "Derivatives": ["DerivativesTrade"] if "perp" in rights else [],
            "Wallet": ["AccountTransfer", "Withdraw"] if "withdraw" in rights else [],
        },
        "ips": ["127.0.0.1"],
        "type": 1,
        "unified": 0,
        "uta": 1,
    }


ACCOUNT_ENDPOINTS = (
    private("GET", "/v5/account/wallet-balance", wallet_balance, 50),
    private("GET", "/v5/account/info", info, 50),
    private("GET", "/v5/account/fee-rate", fee_rate, 5),
    private("GET", "/v5/account/transaction-log", transaction_log, 30),
    private("POST", "/v5/account/set-margin-mode", set_margin_mode, 5),
    private("GET", "/v5/position/list", positions, 50),
    private("POST", "/v5/position/set-leverage", set_leverage, 10),
    private("POST", "/v5/position/add-margin", add_margin, 10),
    private("POST", "/v5/position/switch-mode", switch_mode, 10),
    private("GET", "/v5/user/query-api", query_api, 10),
)
