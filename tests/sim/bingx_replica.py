"""BingX's dialect in front of a simulated world, and a replica of it that lags."""

from collections.abc import Mapping
from random import Random
from typing import Any

from bot.domain.instrument import Kind as MarketKind
from bot.simex.dialects.bingx.common import BingxCall, BingxParams
from bot.simex.dialects.wire import WireRequest
from tests.sim.replica import KEY, Replica

PARTS: Mapping[str, MarketKind] = {
    "/openApi/spot/v1/account/balance": MarketKind.SPOT,
    "/openApi/swap/v3/user/balance": MarketKind.PERP,
    "/openApi/swap/v2/user/positions": MarketKind.PERP,
}


class BingxReplica(Replica):
    """The same exchange at an earlier time, as BingX."""

    venue_id = "bingx"

    def draw(self, chance: Random) -> None:
        desk = self._dialect.desk
        desk.numbers_anew, desk.shows_fired = chance.random() < 0.5, chance.random() < 0.5

    def account_part(self, request: WireRequest) -> str:
        return request.path if request.path in PARTS else ""

    def _account(self) -> Mapping[str, Any]:
        """What the account's endpoints say now."""
        now_ms, desk = self._wire.now_ms(), self._dialect.desk
        answers = {}
        for path, kind in PARTS.items():
            call = BingxCall(desk, BingxParams({}), now_ms, kind, KEY)
            answers[path] = {"code": 0, "msg": "", "data": self._dialect._endpoints["GET", path].act(call)}
        return answers
