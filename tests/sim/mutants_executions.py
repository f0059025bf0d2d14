"""Ways to leave the executions of an order unread."""

from typing import Any

import pytest

from bot.execution.order_reports import OrderReports
from bot.ports import Listed
from tests.sim.mutants import SLICED, Mutant
from tests.sim.world import BYBIT


def ask_for_no_executions(patch: pytest.MonkeyPatch) -> None:
    async def nothing(self: Any, symbol: str, since_ms: int) -> Listed[Any]:
        return Listed(())

    patch.setattr(OrderReports, "collect_fills", nothing)


MUTANTS = (
    Mutant(
        "ask for no executions",
        ask_for_no_executions,
        ("executions are asked for in their turn",),
        (),
        seeds=3,
        playbook=SLICED,
        venue=BYBIT,  # its answer to an order names no execution
    ),
)
