"""Ways to let the bot's own stop hold a position open."""

from dataclasses import replace
from typing import Any

import pytest

from bot.execution.executor import Executor
from bot.execution.stops_beside import StopsBeside
from tests.sim.faults import Kind
from tests.sim.mutants import LARGE, Mutant


def never_send_the_close_again(patch: pytest.MonkeyPatch) -> None:
    original = StopsBeside.give_way

    async def mutant(self: Any, step: Any, refused: Any) -> bool:
        await original(self, step, refused)
        return False

    patch.setattr(StopsBeside, "give_way", mutant)


def take_the_stop_away_for_a_part(patch: pytest.MonkeyPatch) -> None:
    async def mutant(self: Any, step: Any, close: Any, size: Any) -> bool:
        stops = self._beside(close)
        step.is_away = True
        return bool(stops) and await self._withdraw(stops)

    patch.setattr(StopsBeside, "_cut", mutant)


def send_a_stop_at_a_former_trigger(patch: pytest.MonkeyPatch) -> None:
    original = Executor._new_order

    def mutant(self: Any, item: Any, size: Any) -> Any:
        order = original(self, item, size)
        if order.trigger_price is None:
            return order
        former = self.__dict__.setdefault("triggers", {}).setdefault((order.symbol, order.side), [])
        if order.trigger_price not in former:
            former.append(order.trigger_price)
        return replace(order, trigger_price=former[0]) if len(former) > 2 else order

    patch.setattr(Executor, "_new_order", mutant)


MUTANTS = (
    Mutant(
        "send a stop at a former trigger",
        send_a_stop_at_a_former_trigger,
        ("approved before it is sent",),
        (),
        seeds=3,
        heaviness=2,
        lives=4,
        first=1,
    ),
    Mutant(
        "take the stop away for a part",
        take_the_stop_away_for_a_part,
        ("a part is closed beside the stop of the rest",),
        (),
        seeds=8,
        heaviness=2,
        lives=4,
        first=2,
    ),
    Mutant(
        "never send the close again",
        never_send_the_close_again,
        ("no close is held by our own stop",),
        (Kind.LAG_ORDER,),
        seeds=24,
        heaviness=4,
        lives=2,
        playbook={**LARGE, "playbook.tactical.leverage": "3"},
    ),
)
