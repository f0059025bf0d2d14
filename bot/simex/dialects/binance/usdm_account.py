"""Binance USDⓈ-M account: balances, positions, leverage, margin types and modes, income, brackets.

Three spellings of one thing are the venue's: `isolated`/`cross` in positionRisk, `ISOLATED`/`CROSSED` in symbolConfig
and requests, a boolean in account. In hedge mode a symbol has a LONG and a SHORT row where one-way mode has BOTH.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from bot.domain.durations import WEEK_MS
from bot.domain.instrument import Instrument, Kind
from bot.domain.money import ONE, ZERO, plain
from bot.domain.symbol import is_perp
from bot.simex.dialects.binance.common import (
    ApiError,
    Call,
    Route,
    Security,
    fixed,
    number,
    private,
    times,
    venue_symbol,
)
from bot.simex.dialects.binance.refusals import perp_error
from bot.simex.dialects.binance.spot_account import order_limits
from bot.simex.dialects.binance.spot_market import size_text
from bot.simex.dialects.binance.usdm_market import margin_assets
from bot.simex.dialects.binance.usdm_terms import position_side_of
from bot.simex.engine.refusal import Refusal, RefusalReason
from bot.simex.engine.types import IncomeKind, PositionSide, SimPosition

_OK = {"code": 200, "msg": "success"}


def balance(call: Call) -> list[Mapping[str, Any]]:
    """A row for every margin asset and for each other one that lies in the wallet."""
    wallet = call.exchange.wallet(call.account)
    rows: list[Mapping[str, Any]] = [
        {
            "accountAlias": "SgsR",
            "asset": wallet.asset,
            "balance": fixed(wallet.balance),
            "crossWalletBalance": fixed(wallet.cross_balance),
            "crossUnPnl": fixed(wallet.cross_unrealised_pnl),
            "availableBalance": fixed(wallet.available),
            "maxWithdrawAmount": fixed(wallet.transferable),
            "marginAvailable": True,
            "updateTime": call.now_ms,
        }
    ]
    for asset, amount in _other_assets(call):
        held = dict.fromkeys(("balance", "crossWalletBalance", "availableBalance", "maxWithdrawAmount"), fixed(amount))
        rows.append({**rows[0], **held, "asset": asset, "crossUnPnl": fixed(ZERO)})
    return rows


def _other_assets(call: Call) -> list[tuple[str, Decimal]]:
    """Margin assets and what else lies in the wallet, beside the quote asset."""
    held = call.exchange.perp_assets(call.account)
    quote = call.exchange.wallet(call.account).asset
    return [(asset, held.get(asset, ZERO)) for asset in margin_assets(held) if asset != quote]


def account(call: Call) -> Mapping[str, Any]:
    """v3: contracts with a position or open orders."""
    held = _held(call)
    rows = [
        _account_position(call, position, call.desk.listed[symbol], side)
        for symbol in sorted({name for name, _ in held} | _ordered(call))
        for side, position in _in_use(held, _sides(call), symbol)
    ]
    return {**_totals(call), "positions": rows}


def _ordered(call: Call) -> set[str]:
    """Contracts with open orders."""
    return {order.symbol for order in call.exchange.open_orders(call.account) if is_perp(order.symbol)}


def account_full(call: Call) -> Mapping[str, Any]:
    """v2: a position for every contract, flat or not, and what the account may do."""
    held = _held(call)
    rows = [
        _account_position(call, held.get((instrument.symbol, side)), instrument, side)
        for instrument in call.desk.instruments(Kind.PERP)
        for side in _sides(call)
    ]
    return {**_rights(call), "feeBurn": False, **_totals(call), "positions": rows}


def _held(call: Call) -> dict[tuple[str, PositionSide], SimPosition]:
    return {(position.symbol, position.side): position for position in call.exchange.positions(call.account)}


def _sides(call: Call) -> tuple[PositionSide, ...]:
    """Which rows a symbol has: BOTH, or in hedge mode LONG and SHORT."""
    is_hedge_mode = call.exchange.modes(call.account).is_hedge_mode
    return (PositionSide.LONG, PositionSide.SHORT) if is_hedge_mode else (PositionSide.BOTH,)


def _in_use(
    held: Mapping[tuple[str, PositionSide], SimPosition], sides: Sequence[PositionSide], symbol: str
) -> list[tuple[PositionSide, SimPosition | None]]:
    """The rows of a symbol with a position; every row, flat, where there are only orders."""
    result = [(side, held[symbol, side]) for side in sides if (symbol, side) in held]
    return [*result] or [(side, None) for side in sides]


def _rights(call: Call) -> dict[str, Any]:
    modes = call.exchange.modes(call.account)
    return {
        "feeTier": 0,
        "canTrade": modes.can_trade,
        "canDeposit": modes.can_deposit,
        "canWithdraw": modes.can_withdraw,
        "dualSidePosition": modes.is_hedge_mode,
        "multiAssetsMargin": modes.is_multi_assets,
        "tradeGroupId": -1,
        "updateTime": call.now_ms,
    }


def _totals(call: Call) -> dict[str, Any]:
    wallet = call.exchange.wallet(call.account)
    position_margin = wallet.initial_margin - wallet.order_margin
    asset = {
        "walletBalance": fixed(wallet.balance),
        "unrealizedProfit": fixed(wallet.unrealised_pnl),
        "marginBalance": fixed(wallet.balance + wallet.unrealised_pnl),
        "maintMargin": fixed(wallet.maintenance_margin),
        "initialMargin": fixed(wallet.initial_margin),
        "positionInitialMargin": fixed(position_margin),
        "openOrderInitialMargin": fixed(wallet.order_margin),
        "crossWalletBalance": fixed(wallet.cross_balance),
        "crossUnPnl": fixed(wallet.cross_unrealised_pnl),
        "availableBalance": fixed(wallet.available),
        "maxWithdrawAmount": fixed(wallet.transferable),
    }
    totals = {
        f"total{name[0].upper()}{name[1:]}": text
        for name, text in asset.items()
        if name not in ("availableBalance", "maxWithdrawAmount")
    }
    collateral = call.exchange.collateral(call.account)
    if collateral:  # in multi-assets mode the totals are in dollars, over all assets
        for name in ("WalletBalance", "MarginBalance", "CrossWalletBalance"):
            totals[f"total{name}"] = fixed(Decimal(totals[f"total{name}"]) + collateral)
    rows = [{"asset": wallet.asset, **asset, "marginAvailable": True, "updateTime": call.now_ms}]
    zeros = dict.fromkeys(asset, fixed(ZERO))
    for name, amount in _other_assets(call):
        held = ("walletBalance", "marginBalance", "crossWalletBalance", "availableBalance", "maxWithdrawAmount")
        rows.append({**rows[0], **zeros, **dict.fromkeys(held, fixed(amount)), "asset": name})
    return {
        **totals,
        "availableBalance": asset["availableBalance"],
        "maxWithdrawAmount": asset["maxWithdrawAmount"],
        "assets": rows,
    }


def _account_position(
    call: Call, position: SimPosition | None, instrument: Instrument, side: PositionSide
) -> Mapping[str, Any]:
    symbol = instrument.symbol
    config = call.exchange.symbol_config(call.account, symbol)
    initial = position.initial_margin if position else ZERO
    ordered = call.exchange.order_margin(call.account, symbol, side)
    return {
        "symbol": venue_symbol(instrument),
        "positionSide": side.value,
        "positionAmt": size_text(instrument, position.size if position else ZERO),
        "unrealizedProfit": fixed(position.unrealised_pnl if position else ZERO),
        "isolatedMargin": fixed(_isolated_margin(position)),
        "notional": fixed(position.notional if position else ZERO),
        "isolatedWallet": fixed(position.isolated_wallet if position else ZERO),
        "initialMargin": fixed(initial + ordered),
        "maintMargin": fixed(position.maintenance_margin if position else ZERO),
        "positionInitialMargin": fixed(initial),
        "openOrderInitialMargin": fixed(ordered),
        "leverage": str(config.leverage),
        "isolated": config.is_isolated,
        "entryPrice": fixed(position.entry_price if position else ZERO),
        "breakEvenPrice": fixed(break_even(call, position)),
        "maxNotional": plain(notional_max(call, symbol, config.leverage)),
        "bidNotional": "0",
        "askNotional": "0",
        "updateTime": position.updated_ms if position else 0,
    }


def break_even(call: Call, position: SimPosition | None) -> Decimal:
    """Where closing at the taker's rate leaves nothing, the fee of opening paid."""
    if position is None:
        return ZERO
    rate = call.exchange.fee_rates(call.account, position.symbol)[1]
    paid, owed = (ONE + rate, ONE - rate) if position.size > 0 else (ONE - rate, ONE + rate)
    return position.entry_price * paid / owed


def _isolated_margin(position: SimPosition | None) -> Decimal:
    if position is None or not position.is_isolated:
        return ZERO
    return position.isolated_wallet + position.unrealised_pnl


def notional_max(call: Call, symbol: str, leverage: int) -> Decimal:
    """The largest position at a leverage: the cap of the highest bracket that still allows it."""
    caps = [b.notional_cap for b in call.exchange.brackets(symbol) if b.leverage_max >= leverage]
    return max(caps, default=ZERO)


def position_risk(call: Call) -> list[Mapping[str, Any]]:
    """v3: contracts with a position or open orders; neither leverage nor margin type."""
    chosen, held = call.maybe_instrument(), _held(call)
    return [
        {
            **_risk(call, symbol, position, side),
            "marginAsset": call.desk.listed[symbol].quote,
            "initialMargin": fixed((position.initial_margin if position else ZERO) + order_margin),
            "maintMargin": fixed(position.maintenance_margin if position else ZERO),
            "positionInitialMargin": fixed(position.initial_margin if position else ZERO),
            "openOrderInitialMargin": fixed(order_margin),
            "adl": 1 if position else 0,
            "bidNotional": "0",
            "askNotional": "0",
        }
        for symbol in sorted({name for name, _ in held} | _ordered(call))
        if chosen is None or chosen.symbol == symbol
        for side, position in _in_use(held, _sides(call), symbol)
        for order_margin in (call.exchange.order_margin(call.account, symbol, side),)
    ]


def position_risk_full(call: Call) -> list[Mapping[str, Any]]:
    """v2: every contract, with leverage and margin type."""
    chosen, held = call.maybe_instrument(), _held(call)
    rows: list[Mapping[str, Any]] = []
    for instrument in (chosen,) if chosen else call.desk.instruments(Kind.PERP):
        config = call.exchange.symbol_config(call.account, instrument.symbol)
        rows += [
            {
                **_risk(call, instrument.symbol, held.get((instrument.symbol, side)), side),
                "leverage": str(config.leverage),
                "maxNotionalValue": plain(notional_max(call, instrument.symbol, config.leverage)),
                "marginType": "isolated" if config.is_isolated else "cross",
                "isAutoAddMargin": "false",
            }
            for side in _sides(call)
        ]
    return rows


def _risk(call: Call, symbol: str, position: SimPosition | None, side: PositionSide) -> dict[str, Any]:
    instrument = call.desk.listed[symbol]
    quote = call.exchange.quote(symbol)
    return {
        "symbol": venue_symbol(instrument),
        "positionSide": side.value,
        "positionAmt": size_text(instrument, position.size if position else ZERO),
        "entryPrice": fixed(position.entry_price if position else ZERO),
        "breakEvenPrice": fixed(break_even(call, position)),
        "markPrice": fixed(position.mark if position else quote.mark or quote.mid),
        "unRealizedProfit": fixed(position.unrealised_pnl if position else ZERO),
        "liquidationPrice": fixed((position.liquidation_price if position else None) or ZERO),
        "isolatedMargin": fixed(_isolated_margin(position)),
        "notional": fixed(position.notional if position else ZERO),
        "isolatedWallet": fixed(position.isolated_wallet if position else ZERO),
        "updateTime": position.updated_ms if position else 0,
    }


def symbol_config(call: Call) -> list[Mapping[str, Any]]:
    chosen = call.maybe_instrument()
    rows: list[Mapping[str, Any]] = []
    for instrument in (chosen,) if chosen else call.desk.instruments(Kind.PERP):
        config = call.exchange.symbol_config(call.account, instrument.symbol)
        rows.append(
            {
                "symbol": venue_symbol(instrument),
                "marginType": "ISOLATED" if config.is_isolated else "CROSSED",
                "isAutoAddMargin": False,
                "leverage": config.leverage,
                "maxNotionalValue": plain(notional_max(call, instrument.symbol, config.leverage)),
            }
        )
    return rows


def account_config(call: Call) -> Mapping[str, Any]:
    return _rights(call)


def set_leverage(call: Call) -> Mapping[str, Any]:
    instrument, leverage = call.instrument(), call.params.integer("leverage")
    try:
        config = call.exchange.set_leverage(call.account, instrument.symbol, leverage)
    except Refusal as refusal:
        raise perp_error(refusal, str(leverage)) from refusal
    return {
        "leverage": config.leverage,
        "maxNotionalValue": plain(notional_max(call, instrument.symbol, config.leverage)),
        "symbol": venue_symbol(instrument),
    }


def set_margin_type(call: Call) -> Mapping[str, Any]:
    instrument = call.instrument()
    table = {"ISOLATED": True, "CROSSED": False}
    isolated = call.params.choice("marginType", table, -1130, "Data sent for parameter 'marginType' is not valid.")
    call.exchange.set_margin_type(call.account, instrument.symbol, isolated=isolated)
    return _OK


def get_position_mode(call: Call) -> Mapping[str, Any]:
    return {"dualSidePosition": call.exchange.modes(call.account).is_hedge_mode}


def set_position_mode(call: Call) -> Mapping[str, Any]:
    """Hedge mode or one-way mode, for every symbol at once."""
    call.params.text("dualSidePosition")
    call.exchange.set_position_mode(call.account, hedge=call.params.flag("dualSidePosition"))
    return _OK


def get_multi_assets(call: Call) -> Mapping[str, Any]:
    return {"multiAssetsMargin": call.exchange.modes(call.account).is_multi_assets}


def set_multi_assets(call: Call) -> Mapping[str, Any]:
    """Whether assets besides the quote currency count as margin.

    Raises:
        ApiError: the margin balance does not allow the change.
    """
    call.params.text("multiAssetsMargin")
    required = call.params.flag("multiAssetsMargin")
    try:
        call.exchange.set_multi_assets(call.account, on=required)
    except Refusal as refusal:
        if refusal.reason is RefusalReason.MARGIN_INSUFFICIENT:
            raise ApiError(
                -4169, "Unable to adjust Multi-Assets Mode with insufficient margin balance in USDⓈ-M Futures."
            ) from refusal
        raise
    return _OK


def move_margin(call: Call) -> Mapping[str, Any]:
    """Type 1 adds isolated margin, type 2 takes it; in hedge mode the side must be named.

    Raises:
        ApiError: the type or the amount is wrong, or the wallet has too little.
    """
    instrument, amount, kind = call.instrument(), call.params.decimal("amount"), call.params.text("type")
    if kind not in ("1", "2"):
        raise ApiError(-1130, "Data sent for parameter 'type' is not valid.")
    if amount <= 0:
        raise ApiError(-4055, "Amount must be positive.")
    try:
        call.exchange.move_margin(
            call.account, instrument.symbol, amount if kind == "1" else -amount, position_side_of(call.params)
        )
    except Refusal as refusal:
        if refusal.reason is RefusalReason.MARGIN_INSUFFICIENT and kind == "1":
            raise ApiError(-4050, "Cross balance insufficient.") from refusal
        raise
    return {"amount": number(amount), "code": 200, "msg": "Successfully modify position margin.", "type": int(kind)}


def leverage_bracket(call: Call) -> Any:
    chosen = call.maybe_instrument()
    return [
        {
            "symbol": venue_symbol(instrument),
            "notionalCoef": 1.0,
            "brackets": [
                {
                    "bracket": bracket.number,
                    "initialLeverage": bracket.leverage_max,
                    "notionalCap": number(bracket.notional_cap),
                    "notionalFloor": number(bracket.notional_floor),
                    "maintMarginRatio": number(bracket.maintenance_rate),
                    "cum": number(bracket.cum),
                }
                for bracket in call.exchange.brackets(instrument.symbol)
            ],
        }
        for instrument in ((chosen,) if chosen else call.desk.instruments(Kind.PERP))
    ]


def income(call: Call) -> list[Mapping[str, Any]]:
    """The statement of the last seven days, or between the times."""
    chosen, kind_name = call.maybe_instrument(), call.params.maybe_text("incomeType")
    start_ms, end_ms = times(call)
    if kind_name is not None and kind_name not in IncomeKind.__members__:
        return []
    kind = None if kind_name is None else IncomeKind[kind_name]
    symbol = chosen.symbol if chosen else None
    rows = call.exchange.income(call.account, start_ms, kind, call.params.limit(100, 1000), symbol, end_ms)
    return [
        {
            "symbol": call.name(row.symbol) if row.symbol else "",
            "incomeType": row.kind.value,
            "income": fixed(row.amount),
            "asset": row.asset,
            "info": row.kind.value if row.trade_id is None else str(row.trade_id),
            "time": row.at_ms,
            "tranId": row.id,
            "tradeId": "" if row.trade_id is None else str(row.trade_id),
        }
        for row in rows
        if start_ms is not None or row.at_ms >= end_ms - WEEK_MS
    ]


def commission_rate(call: Call) -> Mapping[str, Any]:
    instrument = call.instrument()
    maker, taker = call.fee_rates(instrument)
    return {
        "symbol": venue_symbol(instrument),
        "makerCommissionRate": plain(maker),
        "takerCommissionRate": plain(taker),
        "rpiCommissionRate": "0",
    }


def adl_quantile(call: Call) -> list[Mapping[str, Any]]:
    names = ("LONG", "SHORT", "HEDGE" if call.exchange.modes(call.account).is_hedge_mode else "BOTH")
    return [
        {"symbol": call.name(symbol), "adlQuantile": dict.fromkeys(names, 1)}
        for symbol in sorted({position.symbol for position in call.exchange.positions(call.account)})
        if call.maybe_instrument() in (None, call.desk.listed[symbol])
    ]


def _write(path: str, act: Any) -> Route:
    return Route("POST", path, act, Security.SIGNED, 1, permission="perp")


def _read(path: str, act: Any, weight: int) -> Route:
    return private("GET", path, act, weight, "perp")


USDM_ACCOUNT_ROUTES: tuple[Route, ...] = (
    _read("/fapi/v2/balance", balance, 5),
    _read("/fapi/v3/balance", balance, 5),
    _read("/fapi/v2/account", account_full, 5),
    _read("/fapi/v3/account", account, 5),
    _read("/fapi/v2/positionRisk", position_risk_full, 5),
    _read("/fapi/v3/positionRisk", position_risk, 5),
    _read("/fapi/v1/symbolConfig", symbol_config, 5),
    _read("/fapi/v1/accountConfig", account_config, 5),
    _read("/fapi/v1/leverageBracket", leverage_bracket, 1),
    _read("/fapi/v1/positionSide/dual", get_position_mode, 30),
    _read("/fapi/v1/multiAssetsMargin", get_multi_assets, 30),
    _read("/fapi/v1/income", income, 30),
    _read("/fapi/v1/commissionRate", commission_rate, 20),
    _read("/fapi/v1/adlQuantile", adl_quantile, 5),
    _read("/fapi/v1/rateLimit/order", order_limits, 1),
    _write("/fapi/v1/leverage", set_leverage),
    _write("/fapi/v1/marginType", set_margin_type),
    _write("/fapi/v1/positionSide/dual", set_position_mode),
    _write("/fapi/v1/multiAssetsMargin", set_multi_assets),
    _write("/fapi/v1/positionMargin", move_margin),
)
