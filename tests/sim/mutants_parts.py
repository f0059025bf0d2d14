"""Ways to take a damaged part for a whole one."""

import pytest

from bot.journal import chain
from tests.sim.faults import Kind
from tests.sim.mutants import SLICED, Mutant


def do_not_check_the_parts(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(chain, "check_parts", lambda ask: None)
    patch.setattr(chain, "check_parts_of", lambda db, row, path: None)
    patch.setattr(chain, "check_seen", lambda ask, digest: None)


MUTANTS = (
    Mutant(
        "do not check the parts",
        do_not_check_the_parts,
        ("a damaged part is named",),
        (Kind.PART_FLIPPED,),
        seeds=8,
        playbook=SLICED,
        lives=12,
    ),
)
