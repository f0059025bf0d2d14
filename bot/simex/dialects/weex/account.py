"""Wallets, positions, settings of perps, margin, income, fee rates. There are no transfers."""

import zlib
from typing import Any

from bot.domain.durations import DAY_MS
from bot.domain.instrument import Kind
from bot.domain.money import ZERO
from bot.simex.dialects.weex.common import (
    EVERYTHING,
    PAGE_MAX,
    UNLISTED,
    WeexCall,
    WeexRefusal,
    invalid,
    private,
    text,
    venue_symbol,
    writing,
)
from bot.simex.engine.types import Income, IncomeKind, PositionSide, SimPosition

_INCOME_DAYS = 100
_DONE = {"code": "200", "msg": "success"}


def spot_account(call: WeexCall) -> dict[str, Any]:
    modes = call.exchange.modes(call.account)
    rows = [
        {"asset": name, "free": text(held.free), "locked": text(held.used)}
        for name, held in sorted(call.exchange.balances(call.account).items())
    ]
    return {
        "makerCommission": 10,
        "takerCommission": 10,
        "canTrade": modes.can_trade,
        "canWithdraw": modes.can_withdraw,
        "canDeposit": modes.can_deposit,
        "accountType": "SPOT",
        "permissions": ["SPOT"],
        "balances": rows,
        "uid": 1,
    }


def perp_balance(call: WeexCall) -> list[dict[str, Any]]:
    """`frozen` is what orders hold, without the margin of positions."""
    exchange, wallet = call.exchange, call.exchange.wallet(call.account)
    rows = [
        {
            "asset": wallet.asset,
            "balance": text(wallet.balance),
            "availableBalance": text(max(ZERO, wallet.available)),
            "frozen": text(wallet.order_margin),
            "unrealizePnl": text(wallet.unrealised_pnl),
        }
    ]
    others = {name: amount for name, amount in exchange.perp_assets(call.account).items() if name != wallet.asset}
    empty = {"frozen": "0", "unrealizePnl": "0"}
    return rows + [
        {"asset": name, "balance": text(amount), "availableBalance": text(amount), **empty}
        for name, amount in sorted(others.items())
    ]


def positions(call: WeexCall) -> list[dict[str, Any]]:
    """Positions with a size, which has no sign; no mark price."""
    name = call.params.maybe_text("symbol")
    held = call.exchange.positions(call.account)
    return [_position(one) for one in held if not name or venue_symbol(one.symbol) == name]


def _position(held: SimPosition) -> dict[str, Any]:
    value = abs(held.size) * held.entry_price
    margin = held.isolated_wallet if held.is_isolated else held.initial_margin
    return {
        "id": position_id(held),
        "asset": "USDT",
        "symbol": venue_symbol(held.symbol),
        "side": _side(held),
        "marginType": "ISOLATED" if held.is_isolated else "CROSSED",
        "separatedMode": "COMBINED",
        "separatedOpenOrderId": 0,
        "leverage": str(held.leverage),
        "size": text(abs(held.size)),
        "openValue": text(value),
        "openFee": "0",
        "fundingFee": "0",
        "marginSize": text(margin),
        "isolatedMargin": text(margin) if held.is_isolated else "0",
        "isAutoAppendIsolatedMargin": False,
        "createdTime": held.updated_ms,
        "updatedTime": held.updated_ms,
        "unrealizePnl": text(held.unrealised_pnl),
        "liquidatePrice": text(held.liquidation_price),
    }


def _side(held: SimPosition) -> str:
    return "LONG" if held.size > 0 else "SHORT"


def position_id(held: SimPosition) -> int:
    """The venue's number of a position, beyond what a float holds."""
    return (680_000_000 + zlib.crc32(held.symbol.encode()) % 10**7) * 10**9 + (held.size > 0)


def settings(call: WeexCall) -> list[dict[str, Any]]:
    rows = []
    for one in call.wanted():
        config = call.exchange.symbol_config(call.account, one.symbol)
        leverage = str(config.leverage)
        rows.append(
            {
                "symbol": venue_symbol(one.symbol),
                "marginType": "ISOLATED" if config.is_isolated else "CROSSED",
                "separatedType": "COMBINED",
                "crossLeverage": leverage,
                "isolatedLongLeverage": leverage,
                "isolatedShortLeverage": leverage,
            }
        )
    return rows


def set_margin_type(call: WeexCall) -> dict[str, Any]:
    """What it answers where nothing changes is not documented: a code that nobody has listed.

    Raises:
        WeexRefusal: nothing would change.
    """
    symbol, wanted = call.instrument().symbol, call.params.text("marginType")
    if wanted not in ("ISOLATED", "CROSSED"):
        raise invalid("marginType")
    if call.params.maybe_text("separatedType") not in ("", "COMBINED"):
        raise invalid("separatedType")
    is_isolated = wanted == "ISOLATED"
    if call.exchange.symbol_config(call.account, symbol).is_isolated is is_isolated:
        raise WeexRefusal(UNLISTED, "The margin type is the same.")
    call.exchange.set_margin_type(call.account, symbol, isolated=is_isolated)
    return {**_DONE, "requestTime": call.now_ms}


def set_leverage(call: WeexCall) -> dict[str, Any]:
    """Without a margin type it is the leverage of cross margin that changes."""
    symbol, params = call.instrument().symbol, call.params
    config = call.exchange.symbol_config(call.account, symbol)
    if params.maybe_text("marginType") != "ISOLATED":
        cross = params.maybe_integer("crossLeverage")
        if not cross:
            raise invalid("crossLeverage")
        if not config.is_isolated:
            call.exchange.set_leverage(call.account, symbol, cross)
        return {**_DONE, "requestTime": call.now_ms}
    long, short = params.maybe_integer("isolatedLongLeverage"), params.maybe_integer("isolatedShortLeverage")
    if not long or long != short or not config.is_isolated:
        raise invalid("isolatedLongLeverage")
    call.exchange.set_leverage(call.account, symbol, long)
    said = {"isolatedLongLeverage": str(long), "isolatedShortLeverage": str(short)}
    return {"symbol": venue_symbol(symbol), "marginType": "ISOLATED", **said}


def move_margin(call: WeexCall) -> dict[str, Any]:
    name, amount = call.params.maybe_integer("isolatedPositionId"), call.params.maybe_number("amount")
    kind = call.params.maybe_integer("type")
    held = next((one for one in call.exchange.positions(call.account) if position_id(one) == name), None)
    if held is None or not amount or kind not in (1, 2):
        raise invalid("isolatedPositionId" if held is None else "amount")
    is_sided = call.exchange.modes(call.account).is_hedge_mode
    side = PositionSide(_side(held)) if is_sided else PositionSide.BOTH
    call.exchange.move_margin(call.account, held.symbol, amount if kind == 1 else -amount, side)
    return {**_DONE, "requestTime": call.now_ms}


def income(call: WeexCall) -> dict[str, Any]:
    """Newest first; what was received is positive. Start and end are given both or not at all.

    Raises:
        WeexRefusal: the span is longer than the venue reads at once.
    """
    limit, params = call.params.limit(20, PAGE_MAX), call.params
    start_ms, end_ms = params.maybe_integer("startTime"), params.maybe_integer("endTime")
    if (start_ms is None) is not (end_ms is None):
        raise invalid("endTime")
    end_ms = call.now_ms if end_ms is None else end_ms
    start_ms = end_ms - _INCOME_DAYS * DAY_MS if start_ms is None else start_ms
    if not 0 <= end_ms - start_ms <= _INCOME_DAYS * DAY_MS:
        raise WeexRefusal(-1170, f"Time range cannot exceed {_INCOME_DAYS} days.")
    found = call.exchange.income(call.account, start_ms, limit=EVERYTHING, end_ms=end_ms)
    wanted, name = params.maybe_text("incomeType"), params.maybe_text("symbol")
    rows = [_income_row(one) for one in reversed(found)]
    kept = [r for r in rows if (not wanted or r["incomeType"] == wanted) and (not name or r["symbol"] == name)]
    return {"hasNextPage": len(kept) > limit, "items": kept[:limit]}


def _income_row(one: Income) -> dict[str, Any]:
    return {
        "billId": f"{one.at_ms}{one.id:06d}",
        "asset": one.asset,
        "symbol": venue_symbol(one.symbol) if one.symbol else None,
        "income": text(one.amount),
        "incomeType": _income_type(one),
        "balance": "0",
        "fillFee": "0",
        "time": one.at_ms,
        "transferReason": "UNKNOWN_TRANSFER_REASON",
    }


def _income_type(one: Income) -> str:
    if one.kind is IncomeKind.TRANSFER:
        return "transfer_in" if one.amount > 0 else "transfer_out"
    return {
        IncomeKind.REALIZED_PNL: "position_close_long",
        IncomeKind.FUNDING_FEE: "position_funding",
        IncomeKind.COMMISSION: "order_fill_fee_income",
        IncomeKind.INSURANCE_CLEAR: "order_liquidate_fee_income",
    }[one.kind]


def perp_fees(call: WeexCall) -> dict[str, Any]:
    symbol = call.instrument().symbol
    maker, taker = call.exchange.fee_rates(call.account, symbol)
    return {
        "symbol": venue_symbol(symbol),
        "makerCommissionRate": text(maker),
        "takerCommissionRate": text(taker),
    }


_SPOT, _PERP = "/api/v3/account", "/capi/v3/account"
ACCOUNT_ENDPOINTS = (
    private("GET", f"{_SPOT}/", Kind.SPOT, spot_account, 5),
    private("GET", f"{_PERP}/balance", Kind.PERP, perp_balance, 10),
    private("GET", f"{_PERP}/position/allPosition", Kind.PERP, positions, 15),
    private("GET", f"{_PERP}/symbolConfig", Kind.PERP, settings, 10),
    private("GET", f"{_PERP}/commissionRate", Kind.PERP, perp_fees, 10),
    private("POST", f"{_PERP}/income", Kind.PERP, income, 5),
    writing("POST", f"{_PERP}/marginType", Kind.PERP, set_margin_type, 50),
    writing("POST", f"{_PERP}/leverage", Kind.PERP, set_leverage, 20),
    writing("POST", f"{_PERP}/positionMargin", Kind.PERP, move_margin, 30),
)
