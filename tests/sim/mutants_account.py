"""Ways to believe an account that is not as it must be, and to ask for ever for what is refused for good."""

from typing import Any

import pytest

from bot.execution.phases import RefusedEntries
from bot.playbook.rotation import progress
from bot.risk import breakers
from bot.runtime import cycle
from tests.sim.faults import Kind
from tests.sim.mutants import SLICED, Mutant


def take_a_wrong_setting_for_passed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(breakers, "account_setting", lambda context, limits: None)


def ask_for_ever(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(cycle, "end_refused", lambda memory, refused: (memory, ()))
    patch.setattr(RefusedEntries, "find", lambda self, intent, now_ms: None)


def wait_for_the_hedge_for_ever(patch: pytest.MonkeyPatch) -> None:
    def mutant(memory: Any, scene: Any) -> tuple[Any, bool]:
        return memory, False

    patch.setattr(progress, "_wait_for_hedge", mutant)
    patch.setattr(cycle, "end_refused", lambda memory, refused: (memory, ()))


MUTANTS = (
    Mutant(
        "take a wrong setting for passed",
        take_a_wrong_setting_for_passed,
        ("nothing is opened with a wrong setting",),
        (Kind.MODE_IN_LIFE,),
        seeds=4,
        heaviness=6,
        playbook={
            **SLICED,
            "playbook.regime.override": "downtrend",  # it hedges first, and then sells and buys
            "venue.timing.account_check_seconds": "600",  # few lives last an hour
        },
        lives=6,
    ),
    Mutant(
        "ask for ever",
        ask_for_ever,
        ("what was refused for good is not asked again",),
        (Kind.REJECTED,),
        seeds=12,
        heaviness=16,
        playbook=SLICED,
    ),
    Mutant(
        "wait for the hedge for ever",
        wait_for_the_hedge_for_ever,
        ("sales do not wait for their hedge",),
        (Kind.REJECTED,),
        seeds=4,
        heaviness=16,
        playbook=SLICED,
    ),
)
