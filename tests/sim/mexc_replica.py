"""MEXC's dialect in front of a simulated world, and a replica of it that lags."""

from collections.abc import Mapping
from typing import Any

from bot.domain.instrument import Kind as MarketKind
from bot.simex.dialects.mexc.common import MexcCall, MexcParams
from bot.simex.dialects.wire import WireRequest
from tests.sim.replica import KEY, Replica

PARTS: Mapping[str, MarketKind] = {
    "/api/v3/account": MarketKind.SPOT,
    "/api/v1/private/account/assets": MarketKind.PERP,
    "/api/v1/private/position/open_positions": MarketKind.PERP,
}


class MexcReplica(Replica):
    """The same exchange at an earlier time, as MEXC."""

    venue_id = "mexc"

    def account_part(self, request: WireRequest) -> str:
        return request.path if request.path in PARTS else ""

    def _account(self) -> Mapping[str, Any]:
        """What the account's endpoints say now."""
        now_ms, desk = self._wire.now_ms(), self._dialect.desk
        answers = {}
        for path, kind in PARTS.items():
            call = MexcCall(desk, MexcParams({}, kind), now_ms, kind, KEY)
            result = self._dialect._endpoints["GET", path].act(call)
            answers[path] = result if kind is MarketKind.SPOT else {"success": True, "code": 0, "data": result}
        return answers
