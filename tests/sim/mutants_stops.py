"""A way to lose sight of a stop whose answer was lost, where the venue keeps no client id of stops."""

import pytest

from bot.venues.ccxt.account.stops import _OwnStop
from tests.sim.faults import Kind
from tests.sim.mutants import SLICED, Mutant


def know_no_stop_by_what_it_is(patch: pytest.MonkeyPatch) -> None:
    """No order at the venue is like one of ours whose answer was lost."""
    patch.setattr(_OwnStop, "fits", lambda self, seen: False)


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
)
