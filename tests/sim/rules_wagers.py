"""What the bot remembers of its shorts: each is a hedge or a wager. What it sells is judged by `checkers`."""

from typing import Any

from bot.domain.order import Purpose
from tests.sim.hooks import Rule
from tests.sim.world import Life

_WAGERS = (Purpose.TACTICAL_SHORT, Purpose.SCALP)


class HedgesAreNoWagers(Rule):
    """No perp that hedges spot is a wager too: its exits would close the hedge, which then covers less than is sold
    against it. An opening that was given up may become one."""

    def after_turn(self, life: Life, kind: str, result: Any) -> None:
        if result is None:
            return
        memory = result.decision.memory
        wagers = {held.symbol for held in memory.exits if held.purpose in _WAGERS}
        wagers |= {one.symbol for one in memory.opening if one.purpose in _WAGERS and not one.over_ms}
        for symbol in sorted(wagers & set(memory.hedges)):
            self.world.violate("hedge or wager", f"{symbol} is remembered as both")


RULES = (HedgesAreNoWagers,)
