"""Binance USDⓈ-M account reads that clients ask at their start."""

from collections.abc import Mapping
from typing import Any

from bot.domain.money import plain
from bot.simex.dialects.binance.common import ApiError, Call, Route, Security, private, times
from bot.simex.engine.types import EventKind

_OK = {"code": 200, "msg": "success"}


def margin_history(call: Call) -> list[Mapping[str, Any]]:
    """Isolated margin that was added (type 1) or taken (2), as far as the exchange's history reaches.

    Raises:
        ApiError: the type is neither 1 nor 2.
    """
    instrument, chosen = call.instrument(), call.params.maybe_integer("type")
    if chosen not in (None, 1, 2):
        raise ApiError(-1130, "Data sent for parameter 'type' is not valid.")
    start_ms, end_ms = times(call)
    rows: list[Mapping[str, Any]] = [
        {
            "symbol": call.params.text("symbol"),
            "type": 1 if event.amount > 0 else 2,
            "deltaType": "USER_ADJUST",
            "amount": plain(event.amount),
            "asset": instrument.quote,
            "time": event.at_ms,
            "positionSide": "BOTH",
        }
        for event in call.exchange.history
        if event.kind is EventKind.PERP_WALLET
        and event.reason == "margin"
        and (event.account, event.symbol) == (call.account, instrument.symbol)
        and (start_ms or 0) <= event.at_ms <= end_ms
        and chosen in (None, 1 if event.amount > 0 else 2)
    ]
    return rows[-call.params.limit(500, 1000) :]


def fee_burn(call: Call) -> Mapping[str, Any]:
    return {"feeBurn": call.account in call.desk.fee_burners}


def set_fee_burn(call: Call) -> Mapping[str, Any]:
    """The switch is kept and shown; futures fees are paid in the quote asset all the same."""
    call.params.text("feeBurn")
    if call.params.flag("feeBurn"):
        call.desk.fee_burners.add(call.account)
    else:
        call.desk.fee_burners.discard(call.account)
    return _OK


def trading_status(call: Call) -> Mapping[str, Any]:
    call.maybe_instrument()
    return {"indicators": {}, "updateTime": call.now_ms}


FUTURES_READ_ROUTES: tuple[Route, ...] = (
    private("GET", "/fapi/v1/positionMargin/history", margin_history, 1, "perp"),
    private("GET", "/fapi/v1/feeBurn", fee_burn, 30, "perp"),
    Route("POST", "/fapi/v1/feeBurn", set_fee_burn, Security.SIGNED, 1, permission="perp"),
    private("GET", "/fapi/v1/apiTradingStatus", trading_status, 1, "perp"),
)
