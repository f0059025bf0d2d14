"""Ways to trust a journal that is older than the account."""

from typing import Any

import pytest

from bot.execution.another_writer import AnotherWriter
from bot.execution.history_check import HistoryCheck
from bot.execution.reconcile import Reconciler
from bot.journal.journal import Journal
from bot.runtime import cycle
from tests.sim.faults import Kind
from tests.sim.mutants import SLICED, Mutant


def trust_a_restored_journal(patch: pytest.MonkeyPatch) -> None:
    async def mutant(self: Any, *_: Any) -> tuple[Any, ...]:
        self.is_done = True
        return ()

    settle = Reconciler.settle

    async def trusting(self: Any, symbols: Any) -> Any:
        truth = await settle(self, symbols)
        if truth.is_agreed:
            return truth
        await self.accept(by="bot", reason="the exchange is right")
        return await settle(self, symbols)

    patch.setattr(HistoryCheck, "run", mutant)
    patch.setattr(Reconciler, "settle", trusting)
    patch.setattr(cycle, "renew_memory", lambda memory, *_: memory)


def believe_the_client_id_alone(patch: pytest.MonkeyPatch) -> None:
    async def nobody_else(self: Any, *_: Any) -> bool:
        return False

    patch.setattr(AnotherWriter, "check_report", nobody_else)
    patch.setattr(AnotherWriter, "unknown_ids", lambda self: ())
    patch.setattr(Journal, "epoch", property(lambda self: 1))


MUTANTS = (
    Mutant(
        "trust a restored journal",
        trust_a_restored_journal,
        ("no entry on an older journal", "a leg is moved once"),
        (Kind.JOURNAL_RESTORED,),
        seeds=4,
        heaviness=32,
        playbook=SLICED,
        lives=4,
    ),
    Mutant(
        "believe the client id alone",
        believe_the_client_id_alone,
        ("an id is used once",),
        (Kind.JOURNAL_RESTORED,),
        seeds=4,
        first=6,
        heaviness=32,
        playbook=SLICED,
        lives=4,
    ),
)
