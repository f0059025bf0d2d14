"""Ways to break the guard: what its rule must be able to see."""

import pytest

from bot.playbook import exits
from tests.sim.faults import Kind
from tests.sim.mutants import SLICED, Mutant

RULE = ("every position is stopped inside its liquidation or entries stop",)


def guard_only_what_memory_expects(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(exits, "unowned", lambda memory, scene: ())


MUTANTS = (
    Mutant(
        "guard only what memory expects", guard_only_what_memory_expects, RULE, (Kind.FOREIGN_TRADE,),
        seeds=12, heaviness=16, playbook=SLICED,
    ),
)  # fmt: skip
