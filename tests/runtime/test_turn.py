"""A turn is a function of what it has read: the journal's record repeats it, field by field."""

from pathlib import Path

import pytest

from bot.domain.codec import encode
from bot.domain.order import Purpose
from bot.domain.states import KillLevel
from bot.domain.turn.inputs import TurnBooks
from bot.runtime import cycle as cycle_module
from bot.runtime.cycle import Observation
from bot.runtime.turn import Numbers, Proposal, TurnPlan, judge, propose, record_of, repeat
from tests.stage import staged


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> list[TurnPlan]:
    """Every plan that a turn has come to, in order."""
    found: list[TurnPlan] = []

    def judged(proposal: Proposal, books: TurnBooks, numbers: Numbers) -> TurnPlan:
        found.append(judge(proposal, books, numbers))
        return found[-1]

    monkeypatch.setattr(cycle_module, "judge", judged)
    return found


async def test_every_record_of_a_rotation_repeats_its_plan(tmp_path: Path, plans: list[TurnPlan]) -> None:
    """Cycles and guards, a small first order, a long with its stop, a pause and a flatten."""
    async with staged(tmp_path) as stage, stage.app() as app:
        app.cycle.is_canary = True
        await stage.rotate(app)
        await app.cycle.guard()
        for level in (KillLevel.PAUSE, KillLevel.FLATTEN):
            app.kill.engage(level)
            await app.cycle.run()
            await app.cycle.guard()
        numbers = app.cycle.parts.numbers
        records = [app.journal.reader.load_cycle(n) for n in range(1, app.journal.reader.next_cycle_number())]
    recorded = {(plan.inputs.kind, plan.inputs.snapshot.at_ms): plan for plan in plans}
    assert {record.kind for record in records if record} == {"cycle", "guard"}
    seen: set[str] = set()
    for record in records:
        assert record is not None
        plan, inputs = recorded[record.kind, record.at_ms], record.inputs
        assert encode(inputs) == encode(plan.inputs), record.number
        again = judge(propose(inputs, numbers), inputs.books, numbers)
        assert (again.decision, again.verdicts, again.breakers) == (plan.decision, plan.verdicts, plan.breakers)
        assert repeat(plan.inputs, numbers) == plan
        rewritten = record_of(again, record.number, record.config_digest)
        assert encode(rewritten) == encode(record)
        seen |= {"canary"} if inputs.is_canary and any(one.approved for one in [plan]) else set()
        seen |= {intent.purpose.value for intent in plan.decision.intents}
        seen.add(inputs.kill.value)
    assert seen >= {"canary", "pause", "flatten", Purpose.TACTICAL.value, Purpose.EXIT.value, Purpose.FLATTEN.value}


async def test_inputs_that_lack_the_gates_are_not_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[Observation] = []
    original = cycle_module.Cycle._plan

    async def plan(self: cycle_module.Cycle, look: Observation) -> TurnPlan:
        looks.append(look)
        return await original(self, look)

    monkeypatch.setattr(cycle_module.Cycle, "_plan", plan)
    async with staged(tmp_path) as stage, stage.app() as app:
        await app.cycle.guard()
        with pytest.raises(ValueError, match="not complete"):
            repeat(looks[0].inputs, app.cycle.parts.numbers)
