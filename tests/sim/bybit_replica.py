"""Bybit's dialect in front of a simulated world, and a replica of it that lags."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl

from bot.simex.dialects.bybit.common import VISIBLE_AFTER_MS, BybitCall, BybitParams
from bot.simex.dialects.wire import WireRequest
from tests.sim.replica import KEY, Replica

WALLET, POSITIONS = "/v5/account/wallet-balance", "/v5/position/list"
PARTS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    WALLET: (WALLET, {"accountType": "UNIFIED"}),
    **{
        f"{POSITIONS} {coin}": (POSITIONS, {"category": "linear", "settleCoin": coin, "limit": "200"})
        for coin in ("USDT", "USDC")
    },
}


class BybitReplica(Replica):
    """The same exchange at an earlier time, as Bybit."""

    venue_id = "bybit"

    def account_part(self, request: WireRequest) -> str:
        if request.path == WALLET:
            return WALLET
        coin = dict(parse_qsl(request.query)).get("settleCoin", "")
        return f"{POSITIONS} {coin}" if request.path == POSITIONS and f"{POSITIONS} {coin}" in PARTS else ""

    @contextlib.contextmanager
    def _as_of(self, at_ms: int) -> Iterator[None]:
        desk = self._dialect.desk
        desk.visible_after_ms = max(VISIBLE_AFTER_MS, self._wire.now_ms() - at_ms)
        try:
            with super()._as_of(at_ms):
                yield
        finally:
            desk.visible_after_ms = VISIBLE_AFTER_MS

    def _account(self) -> Mapping[str, Any]:
        """What the account's endpoints say now."""
        now_ms, desk = self._wire.now_ms(), self._dialect.desk
        answers = {}
        for part, (path, params) in PARTS.items():
            result = self._dialect._endpoints["GET", path].act(BybitCall(desk, BybitParams(params), now_ms, KEY))
            answers[part] = {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": now_ms}
        return answers
