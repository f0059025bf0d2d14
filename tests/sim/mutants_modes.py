"""Ways to be wrong in hedge mode."""

from dataclasses import replace
from typing import Any

import pytest

from bot.domain.instrument import Side
from bot.ports import OrderRequest
from bot.risk import breakers
from bot.simex.engine.types import NewOrder, PositionSide
from bot.venues.paper.engine_account import EngineAccount
from tests.sim.faults import Kind
from tests.sim.mutants import SLICED, Mutant


def name_a_side_to_open(patch: pytest.MonkeyPatch) -> None:
    """An order that opens names the side that it opens, and nobody looks at the account's mode."""
    original = EngineAccount.submit_order

    async def mutant(self: Any, request: OrderRequest) -> Any:
        engine = await self._current()
        is_opening = not request.reduce_only and ":" in request.symbol
        if not is_opening or not engine.modes(self.account_name).is_hedge_mode:
            return await original(self, request)
        place, side = engine.place, PositionSide.LONG if request.side is Side.BUY else PositionSide.SHORT

        def sided(account: str, order: NewOrder) -> Any:
            return place(account, replace(order, position_side=side))

        engine.place = sided
        try:
            return await original(self, request)
        finally:
            del engine.place

    patch.setattr(EngineAccount, "submit_order", mutant)
    patch.setattr(breakers, "account_setting", lambda context, limits: None)


MUTANTS = (
    Mutant(
        "name a side to open",
        name_a_side_to_open,
        ("no side is opened in hedge mode",),
        (Kind.MODE_BY_HAND, Kind.HEDGE_MODE_HELD),
        seeds=12,
        heaviness=16,
        playbook={**SLICED, "playbook.regime.override": "downtrend"},  # it hedges first
    ),
)
