"""Ways to break the kill switch: what its rules must be able to see."""

from dataclasses import replace
from typing import Any

import pytest

from bot.domain.order import Order, Purpose
from bot.domain.states import KillLevel
from bot.risk import gate
from bot.risk.order_checks import check_kill_switch
from bot.runtime.kill.actions import SwitchActions
from bot.runtime.kill.switch import KillSwitch
from tests.sim.faults import Kind
from tests.sim.mutants import SLICED, Mutant

RESTING = {**SLICED, "playbook.orders.increase_style": "limit"}
STANDING_LONG = {
    "risk.order_notional_max_quote": "25000",
    "playbook.rotation.bridge": "reserve",
    "playbook.regime.override": "breakout",
}


def write_before_acting(patch: pytest.MonkeyPatch) -> None:
    """Into the journal itself: a copy of a locked one takes the record a moment later."""
    original = SwitchActions.on_rise

    async def mutant(self: Any, level: KillLevel) -> None:
        journal = self._cycle.parts.journal
        await journal.return_if_unlocked(may_stay=False)
        await journal.record_fact("note", {"words": f"the switch is at {level.value}"})
        await original(self, level)

    patch.setattr(SwitchActions, "on_rise", mutant)


def take_the_stops_at_cancel(patch: pytest.MonkeyPatch) -> None:
    original = Order.is_withdrawn_at

    def mutant(self: Order, level: KillLevel) -> bool:
        return original(self, KillLevel.CANCEL_ALL if level is KillLevel.CANCEL else level)

    patch.setattr(Order, "is_withdrawn_at", mutant)


def go_on_with_a_flatten(patch: pytest.MonkeyPatch) -> None:
    original = KillSwitch.is_stopped

    def mutant(self: Any, intent: Any) -> bool:
        is_flattening = intent is not None and intent.purpose is Purpose.FLATTEN
        return not is_flattening and original(self, intent)

    patch.setattr(KillSwitch, "is_stopped", mutant)


def refuse_exits_at_cancel(patch: pytest.MonkeyPatch) -> None:
    def mutant(case: Any) -> Any:
        if case.context.kill is KillLevel.CANCEL:
            return check_kill_switch(replace(case, context=replace(case.context, kill=KillLevel.CANCEL_ALL)))
        return check_kill_switch(case)

    checks = tuple(replace(c, judge=mutant) if c.judge is check_kill_switch else c for c in gate.CHECKS)
    patch.setattr(gate, "CHECKS", checks)


MUTANTS = (
    Mutant(
        "write before acting",
        write_before_acting,
        ("the switch acts within its bound",),
        (Kind.SWITCH_JOURNAL_LOCKED,),
        seeds=12,
        heaviness=16,
        playbook=RESTING,
    ),
    Mutant(
        "take the stops at cancel",
        take_the_stops_at_cancel,
        ("cancel leaves protective stops",),
        (Kind.CANCEL_OVER_STOPS,),
        seeds=12,
        heaviness=16,
        playbook=STANDING_LONG,
    ),
    Mutant(
        "go on with a flatten",
        go_on_with_a_flatten,
        ("a flatten ends when it is called off",),
        (Kind.FLATTEN_CALLED_OFF, Kind.SLOW_WIRE),
        seeds=12,
        heaviness=16,
        playbook=SLICED,
    ),
    Mutant(
        "refuse exits at cancel",
        refuse_exits_at_cancel,
        ("exits go on at cancel",),
        (Kind.CANCEL_OVER_STOPS, Kind.STOP_WITHDRAWN),  # a stop withdrawn by hand is an exit that is due at once
        seeds=12,
        heaviness=16,
        playbook=STANDING_LONG,
    ),
)
