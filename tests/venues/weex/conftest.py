"""A WEEX of canned answers and an open venue on it."""

from collections.abc import AsyncIterator

import pytest

from bot.venues.ccxt.venue import CcxtVenue
from tests.venues.weex.canned import PERP, SPOT, WeexSession, usual, venue_on


@pytest.fixture
def session() -> WeexSession:
    return WeexSession(usual())


@pytest.fixture
async def venue(session: WeexSession) -> AsyncIterator[CcxtVenue]:
    """An open venue that knows its markets; the session's record begins empty."""
    opened = venue_on(session)
    await opened.open()
    await opened.fetch_instruments([SPOT, PERP])
    session.sent.clear()
    yield opened
    await opened.close()
