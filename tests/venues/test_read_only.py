"""A venue without its writes answers the same `isinstance` as the venue, on every Python.

From 3.12 on `isinstance` with a protocol looks with `inspect.getattr_static`, which does not call `__getattr__`; the
tests look with it so that 3.11 shows the same.
"""

import inspect
from types import SimpleNamespace
from typing import Any

import pytest

from bot import ports
from bot.domain.states import KillLevel
from bot.runtime.start.guarded import open_venue
from bot.venues.read_only import read_only
from tests.venues.bingx.canned import PERP, BingxSession, usual, venue_on
from tests.venues.bingx.test_stops import FIRST, ID, journaled, show, stop_row

OPTIONAL = [one for one in vars(ports).values() if getattr(one, "_is_runtime_protocol", False)]


def members(protocol: type) -> list[str]:
    return [name for name in vars(protocol) if not name.startswith("_")]


def is_static(venue: object, name: str) -> bool:
    return inspect.getattr_static(venue, name, None) is not None


async def test_plan_tells_the_venue_its_resting_stops() -> None:
    """On Python 3.12 it told none, and took the bot's own stops for orders of others."""
    session = BingxSession(usual())
    venue = read_only(venue_on(session))
    assert is_static(venue, "recall_stops")
    stored: Any = SimpleNamespace(load_working=lambda: (journaled(),))
    settings: Any = SimpleNamespace(mode="dry-run")
    await open_venue(venue, settings, stored, KillLevel.OFF, reads_only=True)
    await venue.fetch_instruments([PERP])
    show(session, [stop_row(FIRST)])
    (seen,) = await venue.fetch_open_orders([PERP])
    assert (seen.client_id, seen.venue_id) == (ID, str(FIRST))
    await venue.close()


@pytest.mark.parametrize("protocol", OPTIONAL)
def test_what_only_some_venues_have_is_found_exactly_where_the_venue_has_it(protocol: type) -> None:
    names = members(protocol)
    having: Any = SimpleNamespace(**dict.fromkeys(names, print))
    lacking: Any = SimpleNamespace()
    assert names
    assert all(is_static(read_only(having), name) for name in names)
    assert not any(is_static(read_only(lacking), name) for name in names)
    assert not isinstance(read_only(lacking), protocol)


def test_the_optional_roles_are_those_of_the_ports() -> None:
    assert {ports.RecallsStops, ports.ReadsPositionSize} <= set(OPTIONAL)
