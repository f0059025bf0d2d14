"""Ways to break the guard: what its rule must be able to see."""

import pytest

from bot.playbook.positions import exits, stops, unguarded
from tests.sim.faults import Kind
from tests.sim.mutants import LARGE, SLICED, Mutant

RULE = ("every position is stopped inside its liquidation or entries stop",)
LONG = {**LARGE, "playbook.tactical.leverage": "3", "playbook.exits.stop": "0.08"}


def guard_only_what_memory_expects(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(exits, "unowned", lambda memory, scene: ())


def believe_planned_liquidation(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(exits, "nearest_stop", lambda position, policy, planned: planned)
    for module in (unguarded, stops):
        patch.setattr(module, "is_inside", lambda trigger, position: True)


def leave_hedges_without_a_stop(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(exits, "overlay_shorts", lambda memory, scene: {})
    patch.setattr(exits, "guard_hedges", lambda memory, scene, shrinking: ((), ()))


def do_not_judge_leverage(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(exits, "judge_leverage", lambda memory, scene: ({}, {}))


MUTANTS = (
    Mutant(
        "guard only what memory expects",
        guard_only_what_memory_expects,
        RULE,
        (Kind.FOREIGN_TRADE,),
        seeds=12,
        heaviness=16,
        playbook=SLICED,
    ),
    Mutant(
        "believe the planned liquidation",
        believe_planned_liquidation,
        RULE,
        (Kind.MARGIN_TAKEN,),
        seeds=8,
        heaviness=6,
        playbook=LONG,
    ),
    Mutant(
        "leave hedges without a stop",
        leave_hedges_without_a_stop,
        RULE,
        (Kind.MARGIN_TAKEN,),
        seeds=8,
        heaviness=6,
        playbook=LARGE,
    ),
    Mutant(
        "do not judge the leverage",
        do_not_judge_leverage,
        ("leverage that was not set stops entries",),
        (Kind.LEVERAGE_BY_HAND,),
        seeds=12,
        heaviness=16,
        playbook=SLICED,
    ),
)
