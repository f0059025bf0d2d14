"""Ways to take what was true once for what is true now: after a pause, and of a stop that nothing shows any more."""

from typing import Any

import pytest

from bot.execution.history_check import HistoryCheck
from bot.execution.unknown_outcomes import StopProofs, UnknownOutcomes
from tests.sim.faults import Kind
from tests.sim.mutants import SLICED, Mutant


def miss_what_came_in_a_pause(patch: pytest.MonkeyPatch) -> None:
    async def nothing(self: Any, now_ms: int) -> None:
        return None

    patch.setattr(HistoryCheck, "_begin_again", nothing)


def count_on_a_stop_that_the_list_lacks(patch: pytest.MonkeyPatch) -> None:
    """The answer of the order's own endpoint is proof, however old it is."""

    async def same(self: Any, order: Any, report: Any) -> Any:
        return report

    patch.setattr(UnknownOutcomes, "_newer_of", same)
    patch.setattr(UnknownOutcomes, "unseen", lambda self, orders, open_reports, asked_ms: frozenset())


def count_on_the_list_alone(patch: pytest.MonkeyPatch) -> None:
    """What the list of open orders has rests, however old the list is."""
    patch.setattr(StopProofs, "ask_if_due", lambda self, order, now_ms: False)


MUTANTS = (
    Mutant(
        "miss what came in a pause",
        miss_what_came_in_a_pause,
        ("an execution under a known id is noticed",),
        (Kind.LONG_DARK,),
        seeds=4,
        heaviness=24,
        playbook=SLICED,
        lives=4,
    ),
    Mutant(
        "count on a stop that the list lacks",
        count_on_a_stop_that_the_list_lacks,
        ("every position is stopped",),
        (Kind.ORDER_STALE,),
        seeds=4,
        heaviness=24,
        playbook=SLICED,
        lives=4,
    ),
    Mutant(
        "count on the list alone",
        count_on_the_list_alone,
        ("every position is stopped",),
        (Kind.LIST_STALE,),
        seeds=4,
        heaviness=24,
        playbook=SLICED,
        lives=4,
    ),
)
