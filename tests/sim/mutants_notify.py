"""Ways to lose a notice: nobody looks at what the service answered, or a run takes up nothing of the run before."""

from dataclasses import replace
from typing import Any

import pytest

from bot.operate.notify.delivery import Delivery
from bot.operate.notify.message import compose
from bot.operate.notify.outbox import Outbox
from bot.report.notices import SENT
from bot.runtime.services.run_end import STARTED
from tests.sim.faults import Kind
from tests.sim.mutants import SLICED, Mutant

RULE = ("a notice arrives:",)


def take_a_failure_for_a_success(patch: pytest.MonkeyPatch) -> None:
    async def unchecked(self: Any, sender: Any, *, is_last: bool = False) -> None:
        outbox = self._outboxes[sender.name]
        if notices := outbox.due(self._now_ms(), is_last=is_last):
            await sender.send(compose(notices, self._settings, self._bot_name))
            outbox.count_sent(notices, self._now_ms())
            await self._record(SENT, sender.name, notices, outbox)

    patch.setattr(Delivery, "_send_due", unchecked)


def take_up_nothing_of_the_run_before(patch: pytest.MonkeyPatch) -> None:
    real = Delivery._load

    def forgetful(self: Any, reader: Any, is_started: bool) -> Any:
        (start,) = reader.load_facts(STARTED, 1)
        outboxes = {sender.name: Outbox(self._settings, start.seq - 1) for sender in self._senders}
        return replace(real(self, reader, is_started), outboxes=outboxes)

    patch.setattr(Delivery, "_load", forgetful)


MUTANTS = (
    Mutant(
        "take a failed notice for sent", take_a_failure_for_a_success, RULE, (Kind.NOTICES_FAIL,), ends=True, lives=6
    ),
    Mutant(
        "take up no notices of the run before",
        take_up_nothing_of_the_run_before,
        RULE,
        (Kind.NOTICES_FAIL, Kind.CRASH_CALL, Kind.CRASH_STEP),
        playbook=SLICED,
        ends=True,
        lives=6,
    ),
)
