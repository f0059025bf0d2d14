"""Ways to let the bot's own stop hold a position open."""

from typing import Any

import pytest

from bot.execution.stops_beside import StopsBeside
from tests.sim.faults import Kind
from tests.sim.mutants import LARGE, Mutant


def never_send_the_close_again(patch: pytest.MonkeyPatch) -> None:
    original = StopsBeside.give_way

    async def mutant(self: Any, step: Any, refused: Any) -> bool:
        await original(self, step, refused)
        return False

    patch.setattr(StopsBeside, "give_way", mutant)


def take_the_stop_away_for_a_part(patch: pytest.MonkeyPatch) -> None:
    async def mutant(self: Any, step: Any, close: Any, size: Any) -> bool:
        stops = self._beside(close)
        step.is_away = True
        return bool(stops) and await self._withdraw(stops)

    patch.setattr(StopsBeside, "_cut", mutant)


MUTANTS = (
    Mutant(
        "take the stop away for a part",
        take_the_stop_away_for_a_part,
        ("a part is closed beside the stop of the rest",),
        (),
        seeds=8,
        heaviness=2,
        lives=4,
        first=2,
    ),
    Mutant(
        "never send the close again",
        never_send_the_close_again,
        ("no close is held by our own stop",),
        (Kind.LAG_ORDER,),
        seeds=24,
        heaviness=4,
        lives=2,
        playbook={**LARGE, "playbook.tactical.leverage": "3"},
    ),
)
