"""What an exit ahead of its guard may do, and what it has to know: mark and size of the perp, asked in its own turn."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from bot.domain.market import Quote
from bot.runtime.cycle import Observation
from bot.runtime.turn import EARLY_EXIT, TurnPlan
from tests.sim.hooks import PlanRule
from tests.sim.world import Life


class EarlyExitsOnlyClose(PlanRule):
    """It wants orders that only reduce, at once, of what the stream has named, and forgets nothing of the rest."""

    def on_plan(self, life: Life, observation: Observation, plan: TurnPlan) -> None:
        if plan.inputs.kind != EARLY_EXIT:
            return
        decision, before, named = plan.decision, plan.inputs.memory, set(life.crossed)
        for intent in decision.intents:
            if not intent.reduce_only or intent.order_type.is_trigger or intent.symbol not in named:
                self.world.violate("an early exit only closes", f"{intent.id} {intent.side} {intent.size}")
        if decision.cancels or decision.top_ups or decision.transfers:
            self.world.violate("an early exit only closes", f"{decision.cancels} {decision.top_ups}")
        others = [held for held in decision.memory.exits if held.symbol not in named]
        if replace(decision.memory, exits=()) != replace(before, exits=()) or others != [
            held for held in before.exits if held.symbol not in named
        ]:
            self.world.violate("an early exit only closes", "memory of something else has changed")


class EarlyExitsAsk(PlanRule):
    """Mark and size that it decides by are what the venue has answered since it began."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._marks: dict[str, set[str]] = defaultdict(set)
        self._sizes: dict[str, set[Decimal]] = defaultdict(set)

    def at_start_of_life(self, life: Life) -> None:
        venue: Any = life.venue
        ask, ask_size = venue.fetch_quotes, venue.fetch_position_size

        async def asked(symbols: Sequence[str]) -> Mapping[str, Quote]:
            found: Mapping[str, Quote] = await ask(symbols)
            for symbol, quote in found.items():
                self._marks[symbol].add(str(quote.mark))
            return found

        async def asked_size(symbol: str) -> Decimal:
            size: Decimal = await ask_size(symbol)
            self._sizes[symbol].add(size)
            return size

        venue.fetch_quotes, venue.fetch_position_size = asked, asked_size

    def before_turn(self, life: Life, kind: str) -> None:
        super().before_turn(life, kind)
        self._marks.clear()
        self._sizes.clear()

    def on_plan(self, life: Life, observation: Observation, plan: TurnPlan) -> None:
        if plan.inputs.kind != EARLY_EXIT:
            return
        for symbol in plan.inputs.early:
            held = plan.inputs.account.positions[symbol]
            if str(held.mark_price) not in self._marks[symbol] or held.size not in self._sizes[symbol]:
                what = f"{symbol}: mark {held.mark_price}, size {held.size}"
                self.world.violate("an early exit is decided by answers of its own", what)


RULES = (EarlyExitsOnlyClose, EarlyExitsAsk)
