"""A BingX of canned answers or of recorded ones, and an open venue on it."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.venues.ccxt.venue import CcxtVenue
from tests.venues.bingx.canned import PERP, SMALL, SPOT, BingxSession, usual, venue_on


@pytest.fixture
def session() -> BingxSession:
    return BingxSession(usual())


@pytest.fixture
async def venue(session: BingxSession) -> AsyncIterator[CcxtVenue]:
    """An open venue that knows its markets; the session's record begins empty."""
    opened = venue_on(session)
    await opened.open()
    await opened.fetch_instruments([SPOT, PERP, SMALL])
    session.sent.clear()
    yield opened
    await opened.close()


@pytest.fixture
async def recorded(folder: Path) -> AsyncIterator[tuple[CcxtVenue, BingxSession]]:
    """A venue over the recorded markets."""
    markets = json.loads((folder / "markets.json").read_text())["answers"]
    session = BingxSession({**usual(), **markets})
    venue = venue_on(session)
    await venue.open()
    await venue.fetch_instruments([SPOT, PERP, SMALL])
    session.sent.clear()
    yield venue, session
    await venue.close()
