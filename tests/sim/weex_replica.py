"""WEEX's dialect in front of a simulated world, and a replica of it that lags."""

from collections.abc import Mapping
from typing import Any

from bot.domain.instrument import Kind as MarketKind
from bot.simex.dialects.weex.common import WeexCall, WeexParams
from bot.simex.dialects.wire import WireRequest
from tests.sim.replica import KEY, Replica

PARTS: Mapping[str, MarketKind] = {
    "/api/v3/account/": MarketKind.SPOT,
    "/capi/v3/account/balance": MarketKind.PERP,
    "/capi/v3/account/position/allPosition": MarketKind.PERP,
}


class WeexReplica(Replica):
    """The same exchange at an earlier time, as WEEX."""

    venue_id = "weex"

    def account_part(self, request: WireRequest) -> str:
        return request.path if request.path in PARTS else ""

    def _account(self) -> Mapping[str, Any]:
        """What the account's endpoints say now."""
        now_ms, desk = self._wire.now_ms(), self._dialect.desk
        answers = {}
        for path, kind in PARTS.items():
            call = WeexCall(desk, WeexParams({}), now_ms, kind, KEY)
            answers[path] = self._dialect._endpoints["GET", path].act(call)
        return answers
