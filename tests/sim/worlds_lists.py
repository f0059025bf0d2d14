"""The list of open orders stands still for minutes, and meanwhile somebody withdraws a stop that it goes on showing."""

from typing import TYPE_CHECKING, Any

from bot.domain.order import OrderType
from tests.sim.faults import Kind
from tests.sim.hooks import Disturbance
from tests.sim.wire import ACCOUNT

if TYPE_CHECKING:
    from tests.sim.chaos import Chaos
    from tests.sim.world import World

SLOW_MS = 15_000  # how much later than it was asked for an answer may be given


class StaleList(Disturbance):
    """Not in a life in which another endpoint is minutes behind: two of them prove nothing against each other."""

    def __init__(self, world: "World", chaos: "Chaos") -> None:
        super().__init__(world, chaos)
        self._end = 0.0

    async def act(self) -> None:
        wire, now = self.world.wire, self.world.loop.time()
        if now >= self._end:
            wire.list_stale_since = None
        if wire.list_stale_since is not None or wire.blind is not None or not self.plan.strikes(Kind.LIST_STALE):
            return
        since_ms = self.world.now_ms() - SLOW_MS
        resting = self.exchange.open_orders(ACCOUNT, is_trigger=True)
        stops = [o for o in resting if o.type is OrderType.STOP and o.created_ms < since_ms]
        if not stops:
            return
        stop = self.plan.choose(Kind.LIST_STALE, stops)
        self._end = now + self.plan.between(Kind.LIST_STALE, 600, 4_000)
        wire.list_stale_since = since_ms
        self.exchange.cancel(ACCOUNT, stop.symbol, order_id=stop.id)
        wire.withdrawn[stop.symbol] = now
        self.world.note(
            f"the list of open orders stands still; the stop {stop.client_id} of {stop.symbol} is withdrawn"
        )

    def on_connect(self, venue: Any) -> None:
        """Another endpoint may be the one that is behind in the new life."""
        self.heal()

    def heal(self) -> None:
        self.world.wire.list_stale_since = None


WORLDS = (StaleList,)
