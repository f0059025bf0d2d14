"""A Bybit of canned answers and an open venue on it."""

from collections.abc import AsyncIterator

import pytest

from bot.venues.ccxt.venue import CcxtVenue
from tests.venues.bybit.canned import PERP, SPOT, CannedSession, usual, venue_on


@pytest.fixture
def session() -> CannedSession:
    return CannedSession(usual())


@pytest.fixture
async def venue(session: CannedSession) -> AsyncIterator[CcxtVenue]:
    """An open venue that knows SPOT and PERP; the session's record begins empty."""
    opened = venue_on(session)
    await opened.open()
    await opened.fetch_instruments([SPOT, PERP])
    session.sent.clear()
    yield opened
    await opened.close()
