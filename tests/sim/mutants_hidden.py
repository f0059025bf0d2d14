"""Ways to overlook trades by hand."""

from typing import Any

import pytest

from bot.execution.history_check import HistoryCheck, RestingOfOthers
from bot.execution.order_reports import OrderReports
from tests.sim.faults import Kind
from tests.sim.mutants import SLICED, Mutant


def read_trades_of_others_on_a_difference_alone(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(HistoryCheck, "_is_unread", lambda self, report: False)


def forget_what_rested(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(RestingOfOthers, "changed", frozenset())


def take_every_answer_for_whole(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(HistoryCheck, "_owe", lambda self, symbol, since_ms: None)


def believe_the_list_of_instruments(patch: pytest.MonkeyPatch) -> None:
    check = HistoryCheck._check

    async def nothing(self: Any, symbols: Any) -> frozenset[str]:
        return frozenset()

    async def of_the_list(self: Any, symbol: str, gate: Any) -> Any:
        return None if symbol in self._unlisted else await check(self, symbol, gate)

    patch.setattr(OrderReports, "listed_of", nothing)
    patch.setattr(HistoryCheck, "_check", of_the_list)


MUTANTS = (
    Mutant(
        "take every answer about the past for whole",
        take_every_answer_for_whole,
        ("every trade of others is read",),
        (Kind.TRADE_UNREADABLE,),
        heaviness=18,
        playbook=SLICED,
        ends=True,
        first=1,
        lives=5,
    ),
    Mutant(
        "believe that the list of instruments is whole",
        believe_the_list_of_instruments,
        ("every trade of others is read",),
        (Kind.TRADE_UNREADABLE,),
        heaviness=18,
        playbook=SLICED,
        ends=True,
        first=7,
        lives=5,
    ),
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
