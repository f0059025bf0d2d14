"""Ways to believe a table of the journal that its events do not say."""

import pytest

from bot.journal import recovery
from tests.sim.faults import Kind
from tests.sim.mutants import SLICED, Mutant


def believe_the_projections(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(recovery, "prove", lambda db, path, *, reads_all: "")


MUTANTS = (
    Mutant(
        "believe the projections",
        believe_the_projections,
        ("what is read at the start is proven",),
        (Kind.PROJECTION_FLIPPED,),
        seeds=4,
        heaviness=4,
        playbook=SLICED,
        lives=6,
    ),
)
