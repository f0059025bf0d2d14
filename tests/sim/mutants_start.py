"""Ways to start without answers, and to talk on where the exchange asks for silence."""

from typing import Any

import pytest

from bot.venues.binance.account_checks import AccountChecks
from bot.venues.ccxt.throttle import Gate
from tests.sim.faults import Kind
from tests.sim.mutants import SLICED, Mutant
from tests.sim.world import Seam


def pass_when_unanswered(patch: pytest.MonkeyPatch) -> None:
    ask = AccountChecks._run_check

    async def mutant(self: Any, check: Any) -> Any:
        problems, _ = await ask(self, check)
        return problems, ""

    patch.setattr(AccountChecks, "_run_check", mutant)


def ignore_retry_after(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Gate, "hold", lambda self, seconds, *, is_ban=True: None)


MUTANTS = (
    Mutant(
        "pass when unanswered",
        pass_when_unanswered,
        ("nothing is opened before the checks pass",),
        (Kind.CHECK_UNANSWERED,),
        seeds=6,
        heaviness=4,
        playbook={**SLICED, "playbook.regime.override": "downtrend"},
        lives=4,
        seam=Seam.WIRE,
    ),
    Mutant(
        "ignore Retry-After",
        ignore_retry_after,
        ("nothing is sent inside a Retry-After",),
        (Kind.SILENCE_ASKED,),
        seeds=4,
        heaviness=16,
        playbook=SLICED,
        seam=Seam.WIRE,
    ),
)
