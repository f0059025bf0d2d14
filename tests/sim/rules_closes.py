"""No close is refused turn after turn because of a stop that the bot itself has placed."""

from collections import Counter
from typing import Any

from bot.domain.states import KillLevel, OrderState
from tests.sim.hooks import Rule
from tests.sim.wire import ACCOUNT
from tests.sim.world import Life

TURNS = 4  # in which a close is refused in a row; one may be spent on a cancel without a verdict
OURS = "tsb"


class ClosesAreNotHeldByOurStops(Rule):
    """Counted of closes refused as `reduce_only_taken` while nobody else's order takes the position.

    A turn in which the cancel of the stop came to no answer does not count.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._refused = Counter[str]()

    def at_start_of_life(self, life: Life) -> None:
        self._refused.clear()

    def after_turn(self, life: Life, kind: str, result: Any) -> None:
        if result is None or result.kill is not KillLevel.OFF:
            self._refused.clear()
            return
        reader = life.app.journal.reader
        for outcome in result.outcomes:
            intent, symbol = outcome.intent, outcome.intent.symbol
            if not intent.reduce_only or intent.order_type.is_trigger:
                continue
            last = reader.load_order(outcome.client_ids[-1]) if outcome.client_ids else None
            is_taken = last is not None and last.state is OrderState.REJECTED and "reduce_only_taken" in last.reason
            working = {order.client_id: order for order in reader.load_working() if order.symbol == symbol}
            resting = self.world.exchange.open_orders(ACCOUNT, symbol)
            is_others = any(
                not (one.client_id or "").startswith(OURS) or one.client_id not in working for one in resting
            )
            is_unanswered = any(order.state is not OrderState.OPEN for order in working.values())
            if not is_taken or is_others:
                self._refused.pop(symbol, None)
            elif not (resting and is_unanswered):
                self._refused[symbol] += 1
            if self._refused[symbol] >= TURNS:
                words = f"{intent.id} {symbol}, {self._refused[symbol]} turns"
                self.world.violate("no close is held by our own stop", words)


RULES = (ClosesAreNotHeldByOurStops,)
