"""How much of WEEX's request limit market data take."""

import asyncio
from decimal import Decimal

from tests.venues.bybit.canned import NOW_MS
from tests.venues.conftest import HandClock
from tests.venues.weex.canned import PERP, SPOT, WeexSession, usual, venue_on

MARKS = "/capi/v3/market/premiumIndex"


async def test_open_interest_of_many_perps_asks_once_a_minute_for_the_marks_of_all() -> None:
    session, clock = WeexSession(usual()), HandClock(NOW_MS)
    session.answers["GET /capi/v3/market/openInterest"] = {"openInterest": "2", "time": NOW_MS}
    venue = venue_on(session, clock=clock)
    await venue.open()
    await venue.fetch_instruments([SPOT, PERP])
    for age_ms in (0, 59_999, 60_000):
        clock.value_ms = NOW_MS + age_ms
        session.sent.clear()
        found = await asyncio.gather(*(venue.fetch_open_interest(PERP) for _ in range(3)))
        assert {one.value_quote for one in found} == {2 * Decimal("50000.9")}
        assert sum(sent.path == MARKS for sent in session.sent) == (age_ms != 59_999)
    await venue.close()
