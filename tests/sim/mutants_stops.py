"""Ways to lose sight of a stop whose answer was lost, or that an earlier process has sent, where the venue keeps no
client id of stops."""

import pytest

from bot.runtime.start import guarded
from bot.venues.ccxt.account.stops import _OwnStop
from tests.sim.faults import Kind
from tests.sim.mutants import SLICED, Mutant


def know_no_stop_by_what_it_is(patch: pytest.MonkeyPatch) -> None:
    """No order at the venue is like one of ours whose answer was lost."""
    patch.setattr(_OwnStop, "fits", lambda self, seen: False)


def tell_the_venue_of_no_order_at_a_start(patch: pytest.MonkeyPatch) -> None:
    """Until a turn has settled no stop of an earlier process can be withdrawn."""
    patch.setattr(guarded, "RecallsStops", ())


MUTANTS = (
    Mutant(
        "know no stop by what it is",
        know_no_stop_by_what_it_is,
        ("a rejected order does not exist",),
        (Kind.REPLY_LOST, Kind.REQUEST_LATE),
        seeds=4,
        heaviness=16,
        playbook=SLICED,
        lives=2,
        venue="bingx",
    ),
    Mutant(
        "tell the venue of no order at a start",
        tell_the_venue_of_no_order_at_a_start,
        ("the switch acts within its bound",),
        (Kind.SWITCH_AT_START, Kind.READ_SLOW),
        seeds=2,
        heaviness=8,
        lives=6,
        venue="bingx",
    ),
)
