"""Ways to close the books before all that is in them was looked at."""

from collections.abc import Sequence
from typing import Any

import pytest

from bot.domain.durations import MINUTE_MS
from bot.domain.portfolio import Account
from bot.execution.books import agreed
from bot.execution.reconcile import Reconciler
from tests.sim.faults import Kind
from tests.sim.mutants import SLICED, Mutant


def roll_before_looking(patch: pytest.MonkeyPatch) -> None:
    """As it was: what a settlement had just read was in the baseline before anybody asked whose it was."""
    agree: Any = Reconciler._agree

    async def rolled(self: Reconciler, account: Account, symbols: Sequence[str]) -> Any:
        result = await agree(self, account, symbols)
        baseline = self._books.baseline()
        if not result[1] and baseline is not None and self._books.is_due(result[0], baseline):
            await self._books.roll(result[0], baseline)
        return result

    patch.setattr(agreed, "BASELINE_AGE_MS", MINUTE_MS)
    patch.setattr(Reconciler, "_agree", rolled)


MUTANTS = (
    Mutant(
        "roll the books before looking",
        roll_before_looking,
        ("executions of others are told",),
        (Kind.FOREIGN_TRADE, Kind.DELEVERAGING),
        seeds=4,
        heaviness=4,
        playbook=SLICED,
        ends=True,
    ),
)
