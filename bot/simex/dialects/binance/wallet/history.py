"""Binance wallet reads that clients ask at their start: transfers, status, assets, and lists that are empty here."""

from collections.abc import Mapping
from typing import Any

from bot.domain.durations import DAY_MS
from bot.domain.instrument import Kind
from bot.domain.money import plain
from bot.simex.dialects.binance.common import Call, Route, Security, private, times
from bot.simex.dialects.binance.spot_account import TRANSFERS, no_rows
from bot.simex.engine.types import IncomeKind


def transfers(call: Call) -> Mapping[str, Any]:
    """Moves between the spot and the futures wallet of one direction, newest first."""
    to_perp = call.params.choice("type", TRANSFERS, -1130, "Data sent for parameter 'type' is not valid.")
    rows = _moves(call, to_perp)
    size = min(100, call.params.maybe_integer("size") or 10)
    page = max(1, call.params.maybe_integer("current") or 1)
    name = call.params.text("type")
    shown = [
        {
            "asset": row["asset"],
            "amount": row["amount"],
            "type": name,
            "status": "CONFIRMED",
            "tranId": row["tranId"],
            "timestamp": row["timestamp"],
        }
        for row in rows
    ]
    return {"total": len(shown), "rows": shown[(page - 1) * size : page * size]}


def futures_transfers(call: Call) -> Mapping[str, Any]:
    """Both directions in the older form: type 1 into the futures wallet, 2 out of it."""
    asset = call.params.maybe_text("asset")
    rows = [row for row in (*_moves(call, True), *_moves(call, False)) if asset in (None, row["asset"])]
    rows.sort(key=lambda row: -row["timestamp"])
    size = min(100, call.params.maybe_integer("size") or 10)
    page = max(1, call.params.maybe_integer("current") or 1)
    return {"total": len(rows), "rows": rows[(page - 1) * size : page * size]}


def _moves(call: Call, to_perp: bool) -> list[dict[str, Any]]:
    start_ms, end_ms = times(call)
    first_ms = call.now_ms - 30 * DAY_MS if start_ms is None else start_ms
    rows = call.exchange.income(call.account, first_ms, IncomeKind.TRANSFER, 1000, None, end_ms)
    return [
        {
            "asset": row.asset,
            "tranId": row.id,
            "amount": plain(abs(row.amount)),
            "type": "1" if to_perp else "2",
            "timestamp": row.at_ms,
            "status": "CONFIRMED",
        }
        for row in reversed(rows)
        if (row.amount > 0) is to_perp
    ]


def user_assets(call: Call) -> list[Mapping[str, Any]]:
    """Assets that the spot wallet holds."""
    chosen = call.params.maybe_text("asset")
    zeros = dict.fromkeys(("freeze", "withdrawing", "ipoable", "btcValuation"), "0")
    return [
        {"asset": balance.asset, "free": plain(balance.free), "locked": plain(balance.used), **zeros}
        for balance in sorted(call.exchange.balances(call.account).values(), key=lambda b: b.asset)
        if chosen in (None, balance.asset)
    ]


def account_status(call: Call) -> Mapping[str, Any]:
    return {"data": "Normal"}


def trading_status(call: Call) -> Mapping[str, Any]:
    trigger = {"GCR": 150, "IFER": 150, "UFR": 300}
    data = {"isLocked": False, "plannedRecoverTime": 0, "triggerCondition": trigger, "updateTime": call.now_ms}
    return {"data": data}


def account_info(call: Call) -> Mapping[str, Any]:
    has_futures = call.key is not None and "perp" in call.key.permissions
    return {
        "vipLevel": 0,
        "isMarginEnabled": False,
        "isFutureEnabled": has_futures,
        "isOptionsEnabled": False,
        "isPortfolioMarginRetailEnabled": False,
    }


def no_snapshots(call: Call) -> Mapping[str, Any]:
    call.params.text("type")
    return {"code": 200, "msg": "", "snapshotVos": []}


def no_page(call: Call) -> Mapping[str, Any]:
    return {"total": 0, "rows": []}


def asset_details(call: Call) -> Mapping[str, Any]:
    """Every asset that is held, by name; nothing is deposited or withdrawn by request."""
    chosen = call.params.maybe_text("asset")
    assets = {asset for i in call.desk.instruments(Kind.SPOT) for asset in (i.base, i.quote)}
    closed = {"minWithdrawAmount": "0", "depositStatus": False, "withdrawFee": "0", "withdrawStatus": False}
    return {asset: closed for asset in sorted(assets) if chosen in (None, asset)}


def no_dust(call: Call) -> Mapping[str, Any]:
    return {"total": 0, "userAssetDribblets": []}


def burn(call: Call) -> Mapping[str, Any]:
    """Whether fees are paid in the account's fee asset."""
    return {"spotBNBBurn": call.exchange.fee_asset(call.account) is not None, "interestBNBBurn": False}


WALLET_ROUTES: tuple[Route, ...] = (
    private("GET", "/sapi/v1/asset/transfer", transfers),
    private("GET", "/sapi/v1/futures/transfer", futures_transfers, 10),
    Route("POST", "/sapi/v3/asset/getUserAsset", user_assets, Security.SIGNED, 5),
    Route("POST", "/sapi/v1/asset/get-funding-asset", no_rows, Security.SIGNED),
    private("GET", "/sapi/v1/asset/assetDividend", no_page, 10),
    private("GET", "/sapi/v1/asset/assetDetail", asset_details),
    private("GET", "/sapi/v1/asset/dribblet", no_dust),
    Route("GET", "/sapi/v1/spot/delist-schedule", no_rows, Security.KEY, 100),
    private("GET", "/sapi/v1/account/status", account_status),
    private("GET", "/sapi/v1/account/apiTradingStatus", trading_status),
    private("GET", "/sapi/v1/account/info", account_info),
    private("GET", "/sapi/v1/accountSnapshot", no_snapshots, 2400),
    private("GET", "/sapi/v1/bnbBurn", burn),
)
