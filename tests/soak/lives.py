"""What happens to one life of the daemon, drawn from the seed and the number of the life."""

import signal
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Any

from bot.domain.durations import MINUTE_MS
from tests.soak.proxy import Point

JUMP_MINUTES = (1, 5, 20, 600)
REST_MINUTES = (60, 600, 2_000)  # between two rotations
ORDER, OTHER_WRITE = r"POST .*[oO]rder", r"DELETE .*|POST .*(?<![oO]rder)"
JOURNAL_METHODS = (
    "record_submitting",
    "record_order_event",
    "record_fills",
    "record_cycle",
    "record_fact",
    "record_memory",
    "record_payments",
    "record_not_found",
)
VENUE_METHODS = ("submit_order", "cancel_order", "set_leverage", "move_cash", "fetch_order", "fetch_fills", "admit")


class End(StrEnum):
    """How a life ends."""

    ANY_MOMENT = "SIGKILL at any moment"
    START = "SIGKILL while starting"
    AT_ORDER = "SIGKILL at an order on the wire"
    AT_WRITE = "SIGKILL at another write on the wire"
    AT_CALL = "SIGKILL at a call of journal or venue"
    ASKED = "SIGTERM"


class Happening(StrEnum):
    """What happens within a life."""

    PAUSE = "SIGSTOP at any moment"
    PAUSE_AT_ORDER = "SIGSTOP at an order on the wire"
    PAUSE_AT_CALL = "SIGSTOP between paper and wire"
    JUMP = "clock jump"
    TO_TRANCHE = "clock jump to the next tranche"
    DARK = "blackout"


ENDS = {End.ANY_MOMENT: 5, End.START: 1, End.AT_ORDER: 6, End.AT_WRITE: 2, End.AT_CALL: 5, End.ASKED: 2}


@dataclass(frozen=True, slots=True)
class Life:
    """One life: how it ends and when at the latest (seconds), a snare, a trap (see `tests.soak.daemon`), and
    happenings as (second, what, how much): seconds of a pause or blackout, virtual ms of a jump. `rest_ms` is skipped
    where the life begins between two rotations."""

    number: int
    end: End
    seconds: float
    snare: tuple[str, int, Point, End | Happening] | None
    trap: Mapping[str, Any] | None
    happenings: tuple[tuple[float, Happening, float], ...]
    pause_seconds: float
    rest_ms: int


def draw_life(seed: int, number: int) -> Life:
    dice = Random(f"{seed}/life/{number}")
    end = dice.choices(list(ENDS), list(ENDS.values()))[0]
    snare: tuple[str, int, Point, End | Happening] | None = None
    trap: dict[str, Any] | None = None
    point = dice.choice(list(Point))
    if end is End.AT_ORDER:
        snare = (ORDER, dice.randrange(1, 7), point, end)
    elif end is End.AT_WRITE:
        snare = (OTHER_WRITE, dice.randrange(1, 3), point, end)
    elif end is End.AT_CALL:
        trap = _trap(dice, signal.SIGKILL, dice.choice(JOURNAL_METHODS + VENUE_METHODS))
    elif (chance := dice.random()) < 0.3:
        snare = (ORDER, dice.randrange(1, 7), point, Happening.PAUSE_AT_ORDER)
    elif chance < 0.5:
        trap = _trap(dice, signal.SIGSTOP, "record_submitting")
    seconds = dice.uniform(0.1, 2.5) if end is End.START else dice.uniform(3.0, 11.0)
    rest = dice.choice(REST_MINUTES) * MINUTE_MS
    return Life(number, end, seconds, snare, trap, _happenings(dice, seconds), dice.choice((0.05, 0.4, 1.2, 3.0)), rest)


def _trap(dice: Random, number: signal.Signals, method: str) -> dict[str, Any]:
    return {"method": method, "nth": dice.randrange(1, 9), "when": dice.choice(("before", "after")), "signal": number}


def _happenings(dice: Random, seconds: float) -> tuple[tuple[float, Happening, float], ...]:
    drawn = [
        (dice.uniform(1.5, seconds + 1.5), Happening.JUMP, float(dice.choice(JUMP_MINUTES) * MINUTE_MS))
        for _ in range(dice.randrange(1, 4))
    ]
    if dice.random() < 0.35:
        drawn.append((dice.uniform(0.5, seconds), Happening.PAUSE, dice.choice((0.05, 0.4, 1.2, 3.0))))
    if dice.random() < 0.12:
        drawn.append((dice.uniform(0.0, seconds), Happening.DARK, dice.uniform(0.3, 2.5)))
    return tuple(sorted(drawn))
