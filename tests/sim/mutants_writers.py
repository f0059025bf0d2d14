"""Ways to overlook other writers and vanishing cash."""

from typing import Any

import pytest

from bot.execution import reconcile
from bot.execution.another_writer import AnotherWriter
from bot.journal.reader import JournalReader
from tests.sim.faults import Kind
from tests.sim.mutants import SLICED, Mutant


def adjust_any_cash_difference(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(reconcile, "why_beyond", lambda *_: None)


def go_on_beside_another_writer(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(AnotherWriter, "is_suspected", lambda self: False)


def send_exits_beside_another_writer(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(JournalReader, "has_opened", lambda self, symbol: True)


def judge_an_execution_by_its_client_id_alone(patch: pytest.MonkeyPatch) -> None:
    async def nothing(self: Any, *_: Any) -> None:
        return None

    patch.setattr(AnotherWriter, "record_conflict", nothing)


MUTANTS = (
    Mutant(
        "adjust any cash difference",
        adjust_any_cash_difference,
        ("no loss passes for a withdrawal",),
        (Kind.CASH_VANISHES,),
        seeds=8,
        heaviness=32,
        playbook=SLICED,
    ),
    Mutant(
        "go on beside another writer",
        go_on_beside_another_writer,
        ("no entry beside another writer",),
        (Kind.TWIN_ORDER,),
        seeds=8,
        heaviness=32,
        playbook=SLICED,
    ),
    Mutant(
        "send exits beside another writer",
        send_exits_beside_another_writer,
        ("no exit of what another writer may hold",),
        (Kind.JOURNAL_RESTORED,),
        seeds=8,
        heaviness=32,
        playbook=SLICED,
        lives=4,
    ),
    Mutant(
        "judge an execution by its client id alone",
        judge_an_execution_by_its_client_id_alone,
        ("an execution under a known id is noticed",),
        (Kind.ID_USED_AGAIN,),
        seeds=8,
        heaviness=32,
        playbook=SLICED,
    ),
)
