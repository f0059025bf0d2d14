"""Ways to pass over the venue's leverage brackets."""

import pytest

from bot.domain.instrument import Instrument
from tests.sim.faults import Kind
from tests.sim.mutants import LARGE, Mutant


def take_every_size_for_allowed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Instrument, "notional_max", lambda self, leverage: None)


MUTANTS = (
    Mutant(
        "take every size for allowed",
        take_every_size_for_allowed,
        ("an entry fits the brackets",),
        (Kind.BRACKETS_BY_SIZE,),
        seeds=12,
        heaviness=16,
        playbook={**LARGE, "playbook.regime.override": "downtrend"},  # hedges, time and again
        lives=8,
    ),
)
