"""Ways to let the bot's own stop hold a position open."""

from typing import Any

import pytest

from bot.execution.executor import Executor
from tests.sim.faults import Kind
from tests.sim.mutants import LARGE, Mutant


def never_send_the_close_again(patch: pytest.MonkeyPatch) -> None:
    original = Executor._clear_stops

    async def mutant(self: Any, refused: Any) -> bool:
        await original(self, refused)
        return False

    patch.setattr(Executor, "_clear_stops", mutant)


MUTANTS = (
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
