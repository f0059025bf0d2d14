"""Wallets, positions, leverage, margin, modes, income, transfers, fee rates, maintenance tiers, rights of a key."""

from decimal import Decimal
from typing import Any

from bot.domain.instrument import Kind
from bot.domain.money import ZERO
from bot.simex.dialects.bingx.common import (
    EVERYTHING,
    BingxCall,
    BingxRefusal,
    invalid,
    loose,
    private,
    text,
    venue_symbol,
)
from bot.simex.engine.refusal import Refusal, RefusalReason
from bot.simex.engine.types import IncomeKind, PositionSide

_INCOME = {
    IncomeKind.TRANSFER: "TRANSFER",
    IncomeKind.REALIZED_PNL: "REALIZED_PNL",
    IncomeKind.FUNDING_FEE: "FUNDING_FEE",
    IncomeKind.COMMISSION: "TRADING_FEE",
    IncomeKind.INSURANCE_CLEAR: "INSURANCE_CLEAR",
}
_RIGHTS = {"spot": 1, "perp": 3, "withdraw": 5}
_READ = 2
_WALLETS = ("spot", "USDTMPerp")


def spot_balance(call: BingxCall) -> dict[str, Any]:
    rows = [
        {"asset": name, "disPlayName": name, "free": text(held.free), "locked": text(held.used)}
        for name, held in sorted(call.exchange.balances(call.account).items())
    ]
    return {"balances": rows}


def perp_balance(call: BingxCall) -> list[dict[str, Any]]:
    """A row for each asset in the perp wallet; margin of positions and of orders is part of the balance."""
    exchange, wallet = call.exchange, call.exchange.wallet(call.account)
    held = sum((p.initial_margin for p in exchange.positions(call.account)), ZERO)
    rows = [
        {
            "userId": "1",
            "asset": call.money,
            "balance": text(wallet.balance),
            "equity": text(wallet.balance + wallet.unrealised_pnl),
            "unrealizedProfit": text(wallet.unrealised_pnl),
            "realisedProfit": "0",
            "availableMargin": text(max(ZERO, wallet.available)),
            "usedMargin": text(held),
            "freezedMargin": text(wallet.order_margin),
            "shortUid": "1",
        }
    ]
    others = {name: amount for name, amount in exchange.perp_assets(call.account).items() if name != wallet.asset}
    empty = dict.fromkeys(("unrealizedProfit", "realisedProfit", "usedMargin", "freezedMargin"), "0")
    return rows + [
        {**rows[0], **empty, "asset": name, **dict.fromkeys(("balance", "equity", "availableMargin"), text(amount))}
        for name, amount in sorted(others.items())
    ]


def positions(call: BingxCall) -> list[dict[str, Any]]:
    """Positions with a size; LONG or SHORT in either mode, the size without a sign."""
    name = call.params.maybe_text("symbol")
    return [
        {
            "positionId": str(1_735_947_424_543_109_120 + number),
            "symbol": venue_symbol(held.symbol),
            "currency": call.money,
            "positionAmt": text(abs(held.size)),
            "availableAmt": text(abs(held.size)),
            "positionSide": "LONG" if held.size > 0 else "SHORT",
            "isolated": held.is_isolated,
            "avgPrice": text(held.entry_price),
            "initialMargin": text(held.initial_margin),
            "margin": text((held.isolated_wallet if held.is_isolated else held.initial_margin) + held.unrealised_pnl),
            "leverage": held.leverage,
            "unrealizedProfit": text(held.unrealised_pnl),
            "realisedProfit": "0",
            "liquidationPrice": loose(held.liquidation_price or ZERO),
            "onlyOnePosition": held.is_isolated,
            "positionValue": text(abs(held.notional)),
            "markPrice": text(held.mark),
            "updateTime": held.updated_ms,
        }
        for number, held in enumerate(call.exchange.positions(call.account))
        if not name or venue_symbol(held.symbol) == name
    ]


def position_mode(call: BingxCall) -> dict[str, Any]:
    """As text; a JSON boolean is read as False by some clients."""
    return {"dualSidePosition": str(call.exchange.modes(call.account).is_hedge_mode).lower()}


def set_position_mode(call: BingxCall) -> dict[str, Any]:
    call.params.text("dualSidePosition")
    wanted = call.params.flag("dualSidePosition")
    if call.exchange.modes(call.account).is_hedge_mode is not wanted:
        call.exchange.set_position_mode(call.account, hedge=wanted)
    return position_mode(call)


def margin_type(call: BingxCall) -> dict[str, Any]:
    config = call.exchange.symbol_config(call.account, call.instrument().symbol)
    return {"marginType": "ISOLATED" if config.is_isolated else "CROSSED"}


def set_margin_type(call: BingxCall) -> dict[str, Any]:
    """Answered alike where nothing changes."""
    symbol, wanted = call.instrument().symbol, call.params.text("marginType")
    if wanted not in ("ISOLATED", "CROSSED"):
        raise invalid("marginType")
    is_isolated = wanted == "ISOLATED"
    if call.exchange.symbol_config(call.account, symbol).is_isolated is not is_isolated:
        call.exchange.set_margin_type(call.account, symbol, isolated=is_isolated)
    return {}


def set_leverage(call: BingxCall) -> dict[str, Any]:
    instrument, leverage, side = call.instrument(), call.params.maybe_integer("leverage"), call.params.text("side")
    is_hedged = call.exchange.modes(call.account).is_hedge_mode
    if not leverage or side not in ("BOTH", "LONG", "SHORT") or (side == "BOTH") is is_hedged:
        raise invalid("side" if leverage else "leverage")
    config = call.exchange.set_leverage(call.account, instrument.symbol, leverage)
    return {"leverage": config.leverage, "symbol": venue_symbol(instrument.symbol)}


def move_margin(call: BingxCall) -> dict[str, Any]:
    instrument, amount = call.instrument(), call.params.maybe_number("amount")
    kind, side = call.params.maybe_integer("type"), call.params.maybe_text("positionSide") or "BOTH"
    if not amount or kind not in (1, 2) or side not in ("BOTH", "LONG", "SHORT"):
        raise invalid("amount" if not amount else "type")
    signed = amount if kind == 1 else -amount
    call.exchange.move_margin(call.account, instrument.symbol, signed, PositionSide(side))
    return {"amount": loose(amount), "type": kind}


def income(call: BingxCall) -> list[dict[str, Any]]:
    """Newest first; what was received is positive."""
    limit, (start_ms, end_ms), wanted = (
        call.params.limit(100, 1_000),
        call.window(),
        call.params.maybe_text("incomeType"),
    )
    rows = [
        {
            "symbol": venue_symbol(one.symbol) if one.symbol else "",
            "incomeType": _INCOME[one.kind],
            "income": text(one.amount),
            "asset": call.money if one.asset == call.exchange.wallet(call.account).asset else one.asset,
            "info": _INCOME[one.kind],
            "time": one.at_ms,
            "tranId": f"{one.at_ms}_{one.id}",
            "tradeId": "" if one.trade_id is None else str(one.trade_id),
        }
        for one in reversed(call.exchange.income(call.account, start_ms, limit=EVERYTHING, end_ms=end_ms))
    ]
    return [row for row in rows if not wanted or row["incomeType"] == wanted][:limit]


def transfer(call: BingxCall) -> dict[str, Any]:
    """Between the spot and the perp wallet. Its refusals have no code.

    Raises:
        BingxRefusal: wallets, asset or amount are wrong, or the wallet has too little.
    """
    source, target = call.params.text("fromAccount"), call.params.text("toAccount")
    amount, asset = call.params.maybe_number("amount"), call.params.text("asset")
    if {source, target} != set(_WALLETS) or not amount or asset != call.exchange.wallet(call.account).asset:
        raise BingxRefusal(100400, "Invalid parameters", is_transfer=True)
    try:
        moved = call.exchange.transfer(call.account, amount, to_perp=target == _WALLETS[1])
    except Refusal as refusal:
        is_short = refusal.reason is RefusalReason.INSUFFICIENT_BALANCE
        raise BingxRefusal(100400, "Insufficient assets" if is_short else "refused", is_transfer=True) from refusal
    return {"timestamp": call.now_ms, "data": {"tranId": str(moved)}}


def perp_fees(call: BingxCall) -> dict[str, Any]:
    """One pair of rates for all perps."""
    first = next(iter(call.desk.instruments(Kind.PERP)), None)
    rates = (ZERO, ZERO) if first is None else call.exchange.fee_rates(call.account, first.symbol)
    return {"commission": _rates(*rates)}


def spot_fees(call: BingxCall) -> dict[str, Any]:
    return _rates(*call.exchange.fee_rates(call.account, call.instrument().symbol))


def _rates(maker: Decimal, taker: Decimal) -> dict[str, Any]:
    return {"takerCommissionRate": loose(taker), "makerCommissionRate": loose(maker)}


def tiers(call: BingxCall) -> list[dict[str, Any]]:
    """Maintenance rates by value of the position; the leverage of a tier is not said."""
    instrument = call.instrument()
    return [
        {
            "tier": f"Tier {one.number}",
            "symbol": venue_symbol(instrument.symbol),
            "minPositionVal": text(one.notional_floor),
            "maxPositionVal": text(one.notional_cap),
            "maintMarginRatio": f"{one.maintenance_rate:.6f}",
            "maintAmount": f"{one.cum:.6f}",
        }
        for one in call.exchange.brackets(instrument.symbol)
    ]


def key_rights(call: BingxCall) -> dict[str, Any]:
    rights = call.key.permissions if call.key is not None else frozenset()
    numbers = sorted({_READ, *(_RIGHTS[name] for name in rights if name in _RIGHTS)})
    return {
        "apiKey": call.key.key if call.key is not None else "",
        "permissions": numbers,
        "ipAddresses": ["127.0.0.1"],
        "note": "",
    }


ACCOUNT_ENDPOINTS = (
    private("GET", "/openApi/spot/v1/account/balance", Kind.SPOT, spot_balance, 5),
    private("GET", "/openApi/spot/v1/user/commissionRate", Kind.SPOT, spot_fees, 5),
    private("GET", "/openApi/swap/v3/user/balance", Kind.PERP, perp_balance, 5),
    private("GET", "/openApi/swap/v2/user/positions", Kind.PERP, positions, 10),
    private("GET", "/openApi/swap/v2/user/commissionRate", Kind.PERP, perp_fees, 5),
    private("GET", "/openApi/swap/v2/user/income", Kind.PERP, income, 5),
    private("GET", "/openApi/swap/v1/positionSide/dual", Kind.PERP, position_mode, 2),
    private("POST", "/openApi/swap/v1/positionSide/dual", Kind.PERP, set_position_mode, 2),
    private("GET", "/openApi/swap/v2/trade/marginType", Kind.PERP, margin_type, 2),
    private("POST", "/openApi/swap/v2/trade/marginType", Kind.PERP, set_margin_type, 2),
    private("POST", "/openApi/swap/v2/trade/leverage", Kind.PERP, set_leverage, 5),
    private("POST", "/openApi/swap/v2/trade/positionMargin", Kind.PERP, move_margin, 5, has_data=False),
    private("GET", "/openApi/swap/v1/maintMarginRatio", Kind.PERP, tiers, 10),
    private("POST", "/openApi/api/asset/v1/transfer", Kind.SPOT, transfer, 5, has_data=False),
    private("GET", "/openApi/v1/account/apiPermissions", Kind.PERP, key_rights, 5, has_data=False),
)
