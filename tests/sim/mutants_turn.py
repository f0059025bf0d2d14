"""Ways to decide by something that the journal does not keep: what the rule of repeated records must be able to see."""

from dataclasses import replace

import pytest

from bot.domain.turn.inputs import TurnInputs
from bot.journal.record import CycleRecord
from bot.playbook.book.context import PlanContext
from bot.playbook.market.signal_cache import SignalCache
from bot.runtime import cycle
from bot.runtime.turn import Numbers, Proposal, TurnPlan, propose
from tests.sim.faults import Kind
from tests.sim.mutants import SLICED, Mutant


def decide_by_a_hidden_input(patch: pytest.MonkeyPatch) -> None:
    def mutant(inputs: TurnInputs, numbers: Numbers, cache: SignalCache) -> Proposal:
        found = propose(inputs, numbers, cache)
        return replace(found, decision=replace(found.decision, notes=found.decision.notes[1:]))

    patch.setattr(cycle, "propose", mutant)


def forget_an_order_in_the_record(patch: pytest.MonkeyPatch) -> None:
    original = cycle.record_of

    def mutant(plan: TurnPlan, number: int, config_digest: str) -> CycleRecord:
        record = original(plan, number, config_digest)
        return replace(record, inputs=replace(record.inputs, working=()))

    patch.setattr(cycle, "record_of", mutant)


def sell_what_a_stale_account_shows(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(PlanContext, "left", lambda self, leg: leg.left(self.held(leg.symbol)))


MUTANTS = (
    Mutant(
        "sell what a stale account shows",
        sell_what_a_stale_account_shows,
        ("a leg is moved once",),
        (Kind.BLIND, Kind.LAG_ACCOUNT),
        heaviness=8.0,
        seeds=2,
        first=6,
    ),
    Mutant("decide by a hidden input", decide_by_a_hidden_input, ("a record repeats its plan",), ()),
    Mutant(
        "forget an order in the record",
        forget_an_order_in_the_record,
        ("a record repeats its plan",),
        (),
        seeds=8,
        playbook={
            **SLICED,
            "playbook.orders.increase_style": "post-only",
            "playbook.tactical.leverage": "3",
            "playbook.exits.stop": "0.08",
        },
    ),
)
