"""Binance's lists of deposits and withdrawals of the spot wallet. Nothing is deposited or withdrawn by request."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from bot.domain.durations import DAY_MS
from bot.domain.money import plain
from bot.simex.dialects.binance.common import Call, Route, private, times
from bot.simex.engine.flows import Flow, FlowState

_LONGEST_MS = 90 * DAY_MS
_DEPOSIT_STATUS = {FlowState.PENDING: 0, FlowState.DONE: 1, FlowState.FAILED: 7}
_WITHDRAWAL_STATUS = {FlowState.PENDING: 4, FlowState.DONE: 6, FlowState.FAILED: 5}


def deposits(call: Call) -> list[Mapping[str, Any]]:
    return [
        {
            "id": str(flow.id),
            "amount": plain(flow.amount),
            "coin": flow.asset,
            "network": "ETH",
            "status": _DEPOSIT_STATUS[flow.state],
            "address": "0x0",
            "addressTag": "",
            "txId": f"0x{flow.id:064x}",
            "insertTime": flow.begun_ms,
            "completeTime": flow.ended_ms or None,
            "transferType": 0,
            "confirmTimes": "1/1",
            "walletType": 0,
        }
        for flow in _shown(call, is_deposit=True)
    ]


def withdrawals(call: Call) -> list[Mapping[str, Any]]:
    """`amount` is what arrives; the wallet pays `transactionFee` beside it. Times are text, UTC."""
    return [
        {
            "id": f"{flow.id:032x}",
            "amount": plain(flow.amount),
            "transactionFee": plain(flow.fee),
            "coin": flow.asset,
            "status": _WITHDRAWAL_STATUS[flow.state],
            "address": "0x0",
            "txId": f"0x{flow.id:064x}",
            "applyTime": _text(flow.begun_ms),
            **({"completeTime": _text(flow.ended_ms)} if flow.state is FlowState.DONE else {}),
            "network": "ETH",
            "transferType": 0,
            "walletType": 0,
        }
        for flow in _shown(call, is_deposit=False)
    ]


def _shown(call: Call, *, is_deposit: bool) -> list[Flow]:
    """Newest first, as the venue has them; by the time they began, at most 90 days of them."""
    start_ms, end_ms = times(call, _LONGEST_MS)
    first_ms = call.now_ms - _LONGEST_MS if start_ms is None else start_ms
    limit, coin = call.params.limit(1000, 1000), call.params.maybe_text("coin")
    result = [
        f for f in call.exchange.flows.of(call.account, is_deposit=is_deposit) if first_ms <= f.begun_ms <= end_ms
    ]
    return [flow for flow in reversed(result) if coin in (None, flow.asset)][:limit]


def _text(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


CAPITAL_ROUTES: tuple[Route, ...] = (
    private("GET", "/sapi/v1/capital/deposit/hisrec", deposits),
    private("GET", "/sapi/v1/capital/withdraw/history", withdrawals),
)
