"""Ways to meet a refused start badly: to give up whatever there is, and to open beside the wrong mode."""

from typing import Any

import pytest

from bot.runtime.start import guarded as guarded_start
from bot.runtime.watch.account import AccountWatch
from tests.sim.faults import Kind
from tests.sim.mutants import SLICED, Mutant


def give_up_at_a_refusal(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(guarded_start, "describe_open", lambda reader: "")


def open_beside_a_refusal(patch: pytest.MonkeyPatch) -> None:
    """The checks of the start are not asked again while the process runs."""

    async def nothing(self: Any) -> None:
        return None

    patch.setattr(AccountWatch, "poll", nothing)


MUTANTS = (
    Mutant(
        "give up at a refused start",
        give_up_at_a_refusal,
        ("a refused start looks after what there is",),
        (Kind.START_REFUSED,),
        seeds=6,
        heaviness=6,
        playbook=SLICED,
        lives=6,
    ),
    Mutant(
        "open beside a refused account",
        open_beside_a_refusal,
        ("a refused start opens nothing",),
        (Kind.START_REFUSED,),
        seeds=6,
        heaviness=6,
        playbook=SLICED,
        lives=6,
    ),
)
