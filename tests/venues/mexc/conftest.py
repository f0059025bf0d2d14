"""A MEXC of canned answers and an open venue on it."""

from collections.abc import AsyncIterator

import pytest

from bot.venues.ccxt.venue import CcxtVenue
from tests.venues.mexc.canned import PERP, SMALL, SPOT, MexcSession, usual, venue_on


@pytest.fixture
def session() -> MexcSession:
    return MexcSession(usual())


@pytest.fixture
async def venue(session: MexcSession) -> AsyncIterator[CcxtVenue]:
    """An open venue that knows its markets; the session's record begins empty."""
    opened = venue_on(session)
    await opened.open()
    await opened.fetch_instruments([SPOT, PERP, SMALL])
    session.sent.clear()
    yield opened
    await opened.close()
