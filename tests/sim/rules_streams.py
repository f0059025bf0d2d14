"""An order follows answers of the venue: streams make a turn begin, and every turn asks before it sends.

That guards come in time and in number is judged where they are timed (`streams.py`).
"""

from typing import TYPE_CHECKING, Any

from bot.ports import OrderRequest
from tests.sim.hooks import Rule

if TYPE_CHECKING:
    from bot.runtime.cycle import CycleResult
    from tests.sim.checkers import Checkers
    from tests.sim.world import Life, World

READS = ("fetch_account", "fetch_quotes", "fetch_open_orders")


class OrdersFollowAnswers(Rule):
    """In every turn that sends an order, account, prices and open orders were asked for before it."""

    def __init__(self, world: "World", checkers: "Checkers") -> None:
        super().__init__(world, checkers)
        self._asked: set[str] = set()
        self._is_in_turn = False

    def at_start_of_life(self, life: "Life") -> None:
        for name in READS:
            setattr(life.venue, name, self._noting(name, getattr(life.venue, name)))

    def _noting(self, name: str, original: Any) -> Any:
        async def call(*given: Any, **named: Any) -> Any:
            answer = await original(*given, **named)
            self._asked.add(name)
            return answer

        return call

    def before_turn(self, life: "Life", kind: str) -> None:
        self._asked.clear()
        self._is_in_turn = True

    def after_turn(self, life: "Life", kind: str, result: "CycleResult | None") -> None:
        self._is_in_turn = False

    def on_submit(self, request: OrderRequest) -> None:
        missing = [name for name in READS if name not in self._asked]
        if self._is_in_turn and missing:
            self.world.violate("an order follows answers of its own turn", f"{request.client_id} without {missing}")


RULES = (OrdersFollowAnswers,)
