"""Binance spot account and the wallet endpoints (/sapi) that clients call beside it."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from bot.domain.durations import DAY_MS
from bot.domain.instrument import Instrument, Kind
from bot.domain.money import ZERO, plain
from bot.domain.portfolio import Balance
from bot.simex.dialects.binance.common import ApiError, Call, Route, Security, fixed, private, public, venue_symbol
from bot.simex.dialects.binance.spot_market import rate_limits
from bot.simex.dialects.binance.spot_orders import discount
from bot.simex.engine.refusal import Refusal

TRANSFERS = {"MAIN_UMFUTURE": True, "UMFUTURE_MAIN": False}


def account(call: Call) -> Mapping[str, Any]:
    maker, taker = _account_fees(call)
    modes = call.exchange.modes(call.account)
    has_trade = modes.can_trade and call.key is not None and "spot" in call.key.permissions
    hide_zeros = call.params.flag("omitZeroBalances")
    balances = [balance for balance in _balances(call) if balance.total or not hide_zeros]
    return {
        "makerCommission": int(maker * 10_000),
        "takerCommission": int(taker * 10_000),
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": _rates(maker, taker),
        "canTrade": has_trade,
        "canWithdraw": modes.can_withdraw,
        "canDeposit": modes.can_deposit,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": call.now_ms,
        "accountType": "SPOT",
        "balances": [{"asset": b.asset, "free": fixed(b.free), "locked": fixed(b.used)} for b in balances],
        "permissions": ["SPOT"],
        "uid": 1,
    }


def _balances(call: Call) -> list[Balance]:
    held = call.exchange.balances(call.account)
    assets = {asset for i in call.desk.instruments(Kind.SPOT) for asset in (i.base, i.quote)} | set(held)
    return [held.get(asset) or Balance(asset, ZERO) for asset in sorted(assets)]


def _account_fees(call: Call) -> tuple[Decimal, Decimal]:
    rates = [call.fee_rates(instrument) for instrument in call.desk.instruments(Kind.SPOT)]
    return max((maker for maker, _ in rates), default=ZERO), max((taker for _, taker in rates), default=ZERO)


def _rates(maker: Decimal, taker: Decimal) -> Mapping[str, str]:
    return {"maker": fixed(maker), "taker": fixed(taker), "buyer": fixed(ZERO), "seller": fixed(ZERO)}


def commission(call: Call) -> Mapping[str, Any]:
    instrument, none = call.instrument(), _rates(ZERO, ZERO)
    return {
        "symbol": venue_symbol(instrument),
        "standardCommission": _rates(*call.fee_rates(instrument)),
        "specialCommission": none,
        "taxCommission": none,
        "discount": discount(call, instrument),
    }


def order_limits(call: Call) -> list[Mapping[str, Any]]:
    gate = call.desk.orders["spot" if call.kind is Kind.SPOT else "perp"]
    used = [count for _, count in gate.used(call.account, call.wall_ms)]
    rows = zip(rate_limits(gate.windows), used, strict=True)
    return [{**limit, "count": count} if call.kind is Kind.SPOT else limit for limit, count in rows]


def coins(call: Call) -> list[Mapping[str, Any]]:
    """Every asset; deposits and withdrawals do not exist here."""
    zero = dict.fromkeys(("freeze", "withdrawing", "ipoing", "ipoable", "storage"), "0")
    return [
        {
            "coin": balance.asset,
            "name": balance.asset,
            "free": plain(balance.free),
            "locked": plain(balance.used),
            **zero,
            "isLegalMoney": False,
            "trading": True,
            "depositAllEnable": False,
            "withdrawAllEnable": False,
            "networkList": [],
        }
        for balance in _balances(call)
    ]


def no_rows(call: Call) -> list[Any]:
    return []


def transfer(call: Call) -> Mapping[str, Any]:
    """Quote money between the spot and the futures wallet."""
    to_perp = call.params.choice("type", TRANSFERS, -1130, "Data sent for parameter 'type' is not valid.")
    return _move(call, to_perp)


def _move(call: Call, to_perp: bool) -> Mapping[str, Any]:
    asset, amount = call.params.text("asset"), call.params.decimal("amount")
    if call.key is None or not {"spot", "perp"} <= call.key.permissions:
        raise ApiError(-2015, "Invalid API-key, IP, or permissions for action.", 401)
    if asset not in {instrument.quote for instrument in call.desk.instruments(Kind.PERP)}:
        raise ApiError(-9000, f"user have no avaliable amount of {asset}")
    if amount <= 0:
        raise ApiError(-1130, "Data sent for parameter 'amount' is not valid.")
    try:
        number = call.exchange.transfer(call.account, amount, to_perp=to_perp)
    except Refusal as refusal:
        raise ApiError(-5013, "Asset transfer failed: insufficient balance") from refusal
    return {"tranId": number}


def futures_transfer(call: Call) -> Mapping[str, Any]:
    """The older way to move money, still used by clients: type 1 into the futures wallet, 2 out of it."""
    to_perp = call.params.choice("type", {"1": True, "2": False}, -1130, "Data sent for parameter 'type' is not valid.")
    return _move(call, to_perp)


def system_status(call: Call) -> Mapping[str, Any]:
    return {"status": 0, "msg": "normal"}


def trade_fees(call: Call) -> list[Mapping[str, Any]]:
    chosen = call.maybe_instrument()
    instruments: tuple[Instrument, ...] = (chosen,) if chosen else call.desk.instruments(Kind.SPOT)
    return [
        {
            "symbol": venue_symbol(instrument),
            "makerCommission": plain(maker),
            "takerCommission": plain(taker),
        }
        for instrument in instruments
        for maker, taker in (call.fee_rates(instrument),)
    ]


def api_restrictions(call: Call) -> Mapping[str, Any]:
    """What the calling key may do; a bot that refuses keys with withdrawal rights asks here."""
    permissions = call.key.permissions if call.key else frozenset()
    return {
        "ipRestrict": True,
        "createTime": call.now_ms // DAY_MS * DAY_MS,
        "enableReading": True,
        "enableWithdrawals": "withdraw" in permissions,
        "enableInternalTransfer": False,
        "enableMargin": "margin" in permissions,
        "enableFutures": "perp" in permissions,
        "permitsUniversalTransfer": {"spot", "perp"} <= permissions,
        "enableVanillaOptions": False,
        "enableFixApiTrade": False,
        "enableFixReadOnly": False,
        "enableSpotAndMarginTrading": "spot" in permissions,
        "enablePortfolioMarginTrading": "portfolio" in permissions,
    }


SPOT_ACCOUNT_ROUTES: tuple[Route, ...] = (
    private("GET", "/api/v3/account", account, 20),
    private("GET", "/api/v3/account/commission", commission, 20),
    private("GET", "/api/v3/rateLimit/order", order_limits, 40),
    private("GET", "/sapi/v1/capital/config/getall", coins, 10),
    Route("GET", "/sapi/v1/margin/allPairs", no_rows, Security.KEY),
    private("GET", "/sapi/v1/margin/isolated/allPairs", no_rows, 10),
    private("POST", "/sapi/v1/asset/transfer", transfer, 900),
    private("POST", "/sapi/v1/futures/transfer", futures_transfer),
    public("/sapi/v1/system/status", system_status),
    private("GET", "/sapi/v1/asset/tradeFee", trade_fees),
    private("GET", "/sapi/v1/account/apiRestrictions", api_restrictions),
)
