"""Ways to overlook trades by hand."""

import pytest

from bot.execution.history_check import HistoryCheck, RestingOfOthers
from tests.sim.faults import Kind
from tests.sim.mutants import SLICED, Mutant


def read_trades_of_others_on_a_difference_alone(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(HistoryCheck, "_is_unread", lambda self, report: False)


def forget_what_rested(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(RestingOfOthers, "changed", frozenset())


MUTANTS = (
    Mutant(
        "forget which orders of others rested",
        forget_what_rested,
        ("every trade of others is read",),
        (Kind.ORDER_HIDDEN,),
        heaviness=18,
        playbook=SLICED,
        ends=True,
        lives=3,
    ),
    Mutant(
        "read trades of others on a difference alone",
        read_trades_of_others_on_a_difference_alone,
        ("every trade of others is read",),
        (Kind.TRADE_HIDDEN,),
        heaviness=32,
        playbook=SLICED,
        ends=True,
    ),
)
