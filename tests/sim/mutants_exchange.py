"""Ways to break what the bot does when the exchange itself changes."""

from typing import Any

import pytest

from bot.execution.doubts import Doubts
from tests.sim.faults import Kind
from tests.sim.mutants import Mutant


def keep_orders_of_removed_symbols(patch: pytest.MonkeyPatch) -> None:
    async def mutant(self: Any, order: Any, error: Any) -> Any:
        return order, ()

    patch.setattr(Doubts, "_unlisted", mutant)


CHANGES = (
    Kind.SYMBOL_REMOVED, Kind.RARE_ORDER_STATE, Kind.SYMBOL_BLIND, Kind.LISTS_BLIND, Kind.BRACKET_BELOW_POSITION,
    Kind.MODE_BY_HAND, Kind.FUNDING_INTERVAL, Kind.DELEVERAGING,
)  # fmt: skip
MUTANTS = (
    Mutant(
        "keep orders of removed symbols", keep_orders_of_removed_symbols, ("no doubt is left", "orders agree"),
        CHANGES, first=41020, seeds=5, ends=True,
    ),
)  # fmt: skip
