"""A turn is a function of what the journal keeps of it: its record, read back, gives the same plan."""

from typing import Any

from bot.domain.codec import encode
from bot.runtime.turn import record_of, repeat
from tests.sim.hooks import Rule
from tests.sim.world import Life

EVERY = 8  # records are repeated: one in so many, and whatever the switch has decided


class RecordsRepeatTheirPlans(Rule):
    """Read from the file, decided and judged again."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._checked = 0

    def journal_replaced(self) -> None:
        self._checked = 0

    def after_turn(self, life: Life, kind: str, result: Any) -> None:
        if result is None or result.number <= self._checked:
            return
        if result.number % EVERY and not (result.kill.severity and result.decision.intents):
            return
        record = life.app.journal.reader.load_cycle(result.number)
        if record is None:  # a guard without an event
            return
        self._checked = result.number
        again = record_of(repeat(record.inputs, life.app.cycle.parts.numbers), record.number, record.config_digest)
        differing = [name for name, value in encode(record).items() if encode(again)[name] != value]
        if differing:
            words = f"{kind} {record.number} differs in {', '.join(differing)}"
            self.world.violate("a record repeats its plan", words)


RULES = (RecordsRepeatTheirPlans,)
