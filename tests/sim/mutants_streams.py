"""Ways to believe a stream: to wait for it alone, to obey it without bound, to rest whatever is under way."""

from typing import Any

import pytest

from bot.runtime.streams import pace as pace_module
from bot.runtime.streams.pace import GuardPace
from tests.sim.faults import Kind
from tests.sim.mutants import SLICED, Mutant


def wait_for_the_stream_alone(patch: pytest.MonkeyPatch) -> None:
    original = GuardPace._seconds_left

    def mutant(self: Any) -> float:
        return original(self) if self._heard else 3_600.0

    patch.setattr(GuardPace, "_seconds_left", mutant)


def obey_every_message(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(GuardPace, "_seconds_to_wake", lambda self, now_s: 0.0)


def rest_after_any_turn(patch: pytest.MonkeyPatch) -> None:
    """Fresh streams are enough, whatever is under way."""
    patch.setattr(pace_module, "is_calm", lambda result: True)
    patch.setattr(pace_module, "ALERT_S", 0.0)


MUTANTS = (
    Mutant(
        "wait for the stream alone",
        wait_for_the_stream_alone,
        ("a guard comes in time",),
        (Kind.STREAM_SILENT, Kind.STREAM_GAPPED),
        seeds=4,
        playbook=SLICED,
    ),
    Mutant(
        "obey every message of a stream",
        obey_every_message,
        ("streams start a bounded number",),
        (Kind.STREAM_STORM,),
        seeds=4,
        heaviness=24,
        playbook=SLICED,
    ),
    Mutant(
        "rest after any turn",
        rest_after_any_turn,
        ("a guard comes in time",),
        (Kind.STREAM_GAPPED, Kind.CASH_VANISHES),
        seeds=4,
        heaviness=24,
        playbook=SLICED,
    ),
)
