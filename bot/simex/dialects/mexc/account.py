"""Wallets, positions, leverage, margin, modes, funding paid, transfers."""

import zlib
from decimal import Decimal
from typing import Any

from bot.domain.instrument import Kind
from bot.domain.money import ZERO
from bot.domain.symbol import base_of, quote_of
from bot.simex.dialects.mexc.common import (
    EVERYTHING,
    MexcCall,
    MexcRefusal,
    contracts,
    error_of,
    loose,
    perp,
    spot,
    text,
    venue_symbol,
)
from bot.simex.engine.refusal import Refusal, RefusalReason
from bot.simex.engine.types import IncomeKind, PositionSide, SimPosition

HEDGE, ONE_WAY = 1, 2
_CENT = Decimal("0.00000001")
_WALLETS = ("SPOT", "FUTURES")


def spot_account(call: MexcCall) -> dict[str, Any]:
    """What the account may do: what the key may do is reported nowhere."""
    rows = [
        {"asset": name, "free": text(held.free), "locked": text(held.used), "available": text(held.free)}
        for name, held in sorted(call.exchange.balances(call.account).items())
    ]
    return {
        "makerCommission": None,
        "takerCommission": None,
        "canTrade": call.exchange.modes(call.account).can_trade,
        "canWithdraw": True,
        "canDeposit": True,
        "updateTime": None,
        "accountType": "SPOT",
        "balances": rows,
        "permissions": ["SPOT"],
    }


def self_symbols(call: MexcCall) -> dict[str, Any]:
    """The spot pairs that the key may trade, in an envelope that no other answer about spot has."""
    named = [venue_symbol(one) for one in call.desk.instruments(Kind.SPOT) if one.symbol not in call.desk.unbound]
    return {"code": 200, "data": named, "msg": None}


def assets(call: MexcCall) -> list[dict[str, Any]]:
    """A row for each asset in the perp wallet. The equity has the unrealised profit in it, the balance lacks what
    positions and orders hold."""
    exchange, wallet = call.exchange, call.exchange.wallet(call.account)
    held = sum((p.initial_margin for p in exchange.positions(call.account)), ZERO)
    profit, free = wallet.unrealised_pnl.quantize(_CENT), max(ZERO, wallet.available)
    rows = [
        {
            "currency": wallet.asset,
            "positionMargin": float(held),
            "availableBalance": float(free),
            "cashBalance": float(free),
            "frozenBalance": float(wallet.order_margin),
            "equity": float(wallet.balance + profit),
            "unrealized": float(profit),
            "bonus": 0,
        }
    ]
    others = {name: amount for name, amount in exchange.perp_assets(call.account).items() if name != wallet.asset}
    empty = dict.fromkeys(("positionMargin", "frozenBalance", "unrealized"), 0)
    return rows + [
        {
            **rows[0],
            **empty,
            "currency": name,
            **dict.fromkeys(("availableBalance", "cashBalance", "equity"), float(amount)),
        }
        for name, amount in sorted(others.items())
    ]


def positions(call: MexcCall) -> list[dict[str, Any]]:
    """Without a sign, a mark price or a profit."""
    name = call.params.maybe_text("symbol")
    return [
        {
            "positionId": position_number(held),
            "symbol": venue_symbol(one),
            "positionType": 1 if held.size > 0 else 2,
            "openType": 1 if held.is_isolated else 2,
            "state": 1,
            "holdVol": contracts(one, abs(held.size)),
            "frozenVol": 0,
            "closeVol": 0,
            "holdAvgPrice": loose(held.entry_price),
            "openAvgPrice": loose(held.entry_price),
            "closeAvgPrice": 0,
            "liquidatePrice": loose(held.liquidation_price or ZERO),
            "oim": loose(held.initial_margin),
            "im": loose(held.isolated_wallet if held.is_isolated else held.initial_margin),
            "holdFee": 0,
            "realised": 0,
            "leverage": held.leverage,
            "createTime": held.updated_ms,
            "updateTime": held.updated_ms,
            "autoAddIm": False,
        }
        for held in call.exchange.positions(call.account)
        for one in (call.exchange.instruments[held.symbol],)
        if not name or venue_symbol(one) == name
    ]


def position_number(held: SimPosition) -> int:
    """The venue's number of a position: each side of hedge mode has one."""
    name = held.symbol if held.side is PositionSide.BOTH else f"{held.symbol}:{held.side}"
    return 1_000_000 + zlib.crc32(name.encode()) % 10**6


def _position(call: MexcCall) -> SimPosition:
    """The open position of the parameter `positionId`."""
    wanted = call.params.integer("positionId")
    for held in call.exchange.positions(call.account):
        if position_number(held) == wanted:
            return held
    raise error_of(Refusal(RefusalReason.POSITION_MISSING), Kind.PERP)


def position_mode(call: MexcCall) -> int:
    return HEDGE if call.exchange.modes(call.account).is_hedge_mode else ONE_WAY


def set_position_mode(call: MexcCall) -> None:
    """Its answer has a success code and no data."""
    wanted = call.params.integer("positionMode", HEDGE, ONE_WAY) == HEDGE
    if call.exchange.modes(call.account).is_hedge_mode is not wanted:
        call.exchange.set_position_mode(call.account, hedge=wanted)


def set_leverage(call: MexcCall) -> None:
    """Of an open position by its number; else of a symbol, a direction and a margin mode, which goes with it."""
    leverage = call.params.integer("leverage")
    if call.params.maybe_integer("positionId"):
        held = _position(call)
        call.exchange.set_leverage(call.account, held.symbol, leverage)
        return
    one, is_isolated = call.instrument(), call.params.integer("openType", 1, 2) == 1
    call.params.integer("positionType", 1, 2)
    if any(held.symbol == one.symbol for held in call.exchange.positions(call.account)):
        raise call.params.bad("positionId")
    if call.exchange.symbol_config(call.account, one.symbol).is_isolated is not is_isolated:
        call.exchange.set_margin_type(call.account, one.symbol, isolated=is_isolated)
    call.exchange.set_leverage(call.account, one.symbol, leverage)


def change_margin(call: MexcCall) -> None:
    held, kind = _position(call), call.params.text("type")
    amount = call.params.number("amount", as_text=True)
    if kind not in ("ADD", "SUB"):
        raise call.params.bad("type")
    call.exchange.move_margin(call.account, held.symbol, amount if kind == "ADD" else -amount, held.side)


def funding_records(call: MexcCall) -> Any:
    """Newest first; what was received is positive. It takes no time."""
    name, rows = call.params.maybe_text("symbol"), []
    for one in reversed(call.exchange.income(call.account, 0, limit=EVERYTHING, end_ms=call.now_ms)):
        if one.kind is not IncomeKind.FUNDING_FEE or one.symbol is None:
            continue
        known = call.exchange.instruments.get(one.symbol)
        symbol = f"{base_of(one.symbol)}_{quote_of(one.symbol)}" if known is None else venue_symbol(known)
        if not name or symbol == name:
            rows.append(
                {
                    "id": one.id,
                    "symbol": symbol,
                    "positionType": 1,
                    "positionValue": 0,
                    "funding": float(one.amount),
                    "rate": 0,
                    "settleTime": one.at_ms,
                }
            )
    return call.paged(rows, named=True)


def transfer_records(call: MexcCall) -> Any:
    """Newest first: what came into the perp wallet, and what left it."""
    rows = [
        {
            "id": one.id,
            "txid": f"{one.id:032x}",
            "currency": one.asset,
            "amount": float(abs(one.amount)),
            "type": "IN" if one.amount > 0 else "OUT",
            "state": "SUCCESS",
            "createTime": one.at_ms,
            "updateTime": one.at_ms,
        }
        for one in reversed(call.exchange.income(call.account, 0, limit=EVERYTHING, end_ms=call.now_ms))
        if one.kind is IncomeKind.TRANSFER
    ]
    return call.paged(rows, named=True)


def transfer(call: MexcCall) -> list[dict[str, Any]]:
    """Between the spot and the perp wallet.

    Raises:
        MexcRefusal: the wallet has too little.
    """
    source, target = call.params.text("fromAccountType"), call.params.text("toAccountType")
    amount, asset = call.params.number("amount"), call.params.text("asset")
    if {source, target} != set(_WALLETS) or asset != call.exchange.wallet(call.account).asset:
        raise call.params.bad("asset")
    try:
        moved = call.exchange.transfer(call.account, amount, to_perp=target == _WALLETS[1])
    except Refusal as refusal:
        if refusal.reason is RefusalReason.INSUFFICIENT_BALANCE:
            raise MexcRefusal(10101, "Insufficient balance") from refusal
        raise
    return [{"tranId": f"{moved:032x}"}]


ACCOUNT_ENDPOINTS = (
    spot("GET", "account", spot_account, 10),
    spot("POST", "capital/transfer", transfer),
    spot("GET", "selfSymbols", self_symbols),
    perp("GET", "account/assets", assets),
    perp("GET", "account/transfer_record", transfer_records),
    perp("GET", "position/open_positions", positions),
    perp("GET", "position/position_mode", position_mode),
    perp("POST", "position/change_position_mode", set_position_mode),
    perp("POST", "position/change_leverage", set_leverage),
    perp("POST", "position/change_margin", change_margin),
    perp("GET", "position/funding_records", funding_records),
)
