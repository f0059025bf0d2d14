"""One endpoint stands still for minutes, and meanwhile somebody withdraws a stop that it goes on showing: the list of
open orders, or the endpoint of one order."""

from typing import TYPE_CHECKING, Any

from bot.domain.order import OrderType
from tests.sim.faults import Kind
from tests.sim.hooks import Disturbance
from tests.sim.wire import ACCOUNT

if TYPE_CHECKING:
    from tests.sim.chaos import Chaos
    from tests.sim.world import World

SLOW_MS = 15_000  # how much later than it was asked for an answer may be given


class _Stale(Disturbance):
    """Not in a life in which another endpoint is minutes behind: two of them prove nothing against each other."""

    kind: Kind
    place: str
    words: str

    def __init__(self, world: "World", chaos: "Chaos") -> None:
        super().__init__(world, chaos)
        self._end = 0.0

    async def act(self) -> None:
        wire, now = self.world.wire, self.world.loop.time()
        if now >= self._end:
            self.heal()
        is_one_behind = wire.list_stale_since is not None or wire.order_stale_since is not None
        if is_one_behind or wire.blind is not None or not self.plan.strikes(self.kind):
            return
        since_ms = self.world.now_ms() - SLOW_MS
        resting = self.exchange.open_orders(ACCOUNT, is_trigger=True)
        stops = [o for o in resting if o.type is OrderType.STOP and o.created_ms < since_ms]
        if not stops:
            return
        stop = self.plan.choose(self.kind, stops)
        self._end = now + self.plan.between(self.kind, 600, 4_000)
        setattr(wire, self.place, since_ms)
        self.exchange.cancel(ACCOUNT, stop.symbol, order_id=stop.id)
        wire.withdrawn[stop.symbol] = now
        self.world.note(f"{self.words}; the stop {stop.client_id} of {stop.symbol} is withdrawn")

    def on_connect(self, venue: Any) -> None:
        """Another endpoint may be the one that is behind in the new life."""
        self.heal()

    def heal(self) -> None:
        setattr(self.world.wire, self.place, None)


class StaleList(_Stale):
    """The list goes on showing a stop that is gone."""

    kind, place, words = Kind.LIST_STALE, "list_stale_since", "the list of open orders stands still"


class StaleOrders(_Stale):
    """The stop's own endpoint does; the list lacks it, and the order history has its end."""

    kind, place, words = Kind.ORDER_STALE, "order_stale_since", "what answers about one order stands still"


WORLDS = (StaleList, StaleOrders)
