"""Ways to misuse the copy of a locked journal: to stay in it, and to lose what was written there."""

from typing import Any

import pytest

from bot.journal.recovery import Recovery
from tests.sim.faults import Kind
from tests.sim.mutants import SLICED, Mutant


def stay_in_the_copy(patch: pytest.MonkeyPatch) -> None:
    async def never(self: Any, *, may_stay: bool) -> bool:
        return not self.is_substituted

    patch.setattr(Recovery, "return_if_unlocked", never)


def drop_the_copy_at_a_start(patch: pytest.MonkeyPatch) -> None:
    original = Recovery.prove_at_start

    def dropped(self: Any, db: Any) -> str:
        if not self.is_substituted and self._substitute.exists():
            self._substitute._clear()
        return original(self, db)

    patch.setattr(Recovery, "prove_at_start", dropped)


MUTANTS = (
    Mutant(
        "stay in the copy of a locked journal",
        stay_in_the_copy,
        ("a copy goes back into its journal", "nothing is opened from a copy"),
        (Kind.JOURNAL_LOCKED_LONG,),
        seeds=6,
        heaviness=24,
        playbook=SLICED,
    ),
    Mutant(
        "drop the copy at a start",
        drop_the_copy_at_a_start,
        ("what a copy holds comes into the journal",),
        (Kind.JOURNAL_LOCKED_LONG,),
        seeds=6,
        heaviness=16,
        playbook=SLICED,
        lives=6,
    ),
)
