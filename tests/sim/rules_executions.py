"""The executions of an order are asked for in the turn that sent it, however late in it."""

from typing import Any

from bot.domain.states import OrderState
from tests.sim.hooks import Rule
from tests.sim.market import START_MS
from tests.sim.wire import engine_number
from tests.sim.world import Life

ALL = 1_000_000


class ExecutionsAreAskedFor(Rule):
    """When a turn has come to its result, each execution of an order that it reports as filled is in the journal, or
    the venue was asked for it after it had happened and did not show it."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._asked_ms: dict[str, int] = {}

    def at_start_of_life(self, life: Life) -> None:
        venue: Any = life.venue
        ask = venue.fetch_fills

        async def asked(symbol: str, *arguments: Any, **named: Any) -> Any:
            self._asked_ms[symbol] = self.world.now_ms()
            return await ask(symbol, *arguments, **named)

        venue.fetch_fills = asked

    def after_turn(self, life: Life, kind: str, result: Any) -> None:
        outcomes = () if result is None else result.outcomes
        filled = {name for one in outcomes if one.state is OrderState.FILLED for name in one.client_ids}
        if not filled:
            return
        fills = self.checkers._reader.load_fills(ALL, START_MS)
        written = {(fill.symbol, engine_number(fill.trade_id)) for fill in fills}
        for (symbol, number), trade in self.checkers._trades.items():
            is_due = trade.client_id in filled and (symbol, number) not in written
            if is_due and self._asked_ms.get(symbol, 0) < trade.at_ms:
                self.world.violate("executions are asked for in their turn", f"{symbol} {number} {trade.client_id}")


RULES = (ExecutionsAreAskedFor,)
