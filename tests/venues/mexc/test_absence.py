"""A conditional order that its one list lacks is not given up while that list may be behind."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from bot.domain.durations import MINUTE_MS, SECOND_MS
from bot.ports import OutcomeUnknown, ReportState, Unavailable
from bot.venues.ccxt.account.sole_list import SOLE_LAG_MS
from bot.venues.ccxt.venue import CcxtVenue
from bot.venues.mexc.profiles import MEXC
from tests.venues.bybit.canned import NOW_MS, Reply
from tests.venues.conftest import HandClock
from tests.venues.mexc.canned import (
    ID,
    NUMBER,
    PERP,
    PLANS,
    SMALL,
    SPOT,
    STOP,
    MexcSession,
    plan_row,
    success,
    venue_on,
)
from tests.venues.mexc.test_outcomes import order
from tests.venues.mexc.test_requests import STOP_OF_LONG

SENT_MS = NOW_MS - 900
UNTIL_MS = SENT_MS + MEXC.quiet_period_ms(5_000)  # the venue can have made it no later
LATER_MS = UNTIL_MS + MINUTE_MS
OTHERS: dict[str, Any] = {"symbol": "PEPE_USDT", "triggerPrice": 9.1e-06, "vol": 7}


@pytest.fixture
def clock() -> HandClock:
    return HandClock(NOW_MS)


@pytest.fixture
async def venue(session: MexcSession, clock: HandClock) -> AsyncIterator[CcxtVenue]:
    opened = venue_on(session, clock=clock)
    await opened.open()
    await opened.fetch_instruments([SPOT, PERP, SMALL])
    session.sent.clear()
    yield opened
    await opened.close()


async def lose_the_answer(venue: CcxtVenue, session: MexcSession) -> None:
    session.answers[STOP] = Reply("", 504)
    with pytest.raises(OutcomeUnknown):
        await venue.submit_order(order(**STOP_OF_LONG))


@pytest.mark.parametrize("later_ms", [0, MINUTE_MS, SOLE_LAG_MS, 24 * SOLE_LAG_MS])
async def test_a_stop_that_the_venue_took_is_never_absent(
    later_ms: int, venue: CcxtVenue, session: MexcSession, clock: HandClock
) -> None:
    session.answers[STOP] = success(NUMBER)
    await venue.submit_order(order(**STOP_OF_LONG))
    clock.value_ms += later_ms
    for listed in ([], [plan_row(8, **OTHERS, createTime=UNTIL_MS + 1, updateTime=UNTIL_MS + 1)]):
        session.answers[PLANS] = success(listed)
        with pytest.raises(Unavailable, match=f"order {NUMBER} was taken and is not in the list"):
            await venue.fetch_order(PERP, ID, is_trigger=True)


async def test_a_stop_whose_answer_was_lost_is_not_absent_from_a_list_that_may_be_behind(
    venue: CcxtVenue, session: MexcSession, clock: HandClock
) -> None:
    """Minutes later the list has it: it was behind. Two answers without it had been taken for a proof."""
    await lose_the_answer(venue, session)
    clock.value_ms = LATER_MS
    older = plan_row(8, **OTHERS, createTime=UNTIL_MS - 1, updateTime=UNTIL_MS)
    for listed in ([], [older], [older]):
        session.answers[PLANS] = success(listed)
        with pytest.raises(Unavailable, match="may be behind"):
            await venue.fetch_order(PERP, ID, is_trigger=True)
    session.answers[PLANS] = success([plan_row(int(NUMBER)), older])
    found = await venue.fetch_order(PERP, ID, is_trigger=True)
    assert found is not None
    assert (found.venue_id, found.client_id, found.state) == (NUMBER, ID, ReportState.OPEN)


@pytest.mark.parametrize("name", ["createTime", "updateTime"])
async def test_a_list_that_shows_something_newer_proves_that_a_stop_is_not_there(
    name: str, venue: CcxtVenue, session: MexcSession, clock: HandClock
) -> None:
    await lose_the_answer(venue, session)
    clock.value_ms = LATER_MS
    newer = plan_row(8, **OTHERS, **{"createTime": SENT_MS, "updateTime": SENT_MS, name: UNTIL_MS + 1})
    session.answers[PLANS] = success([newer])
    assert await venue.fetch_order(PERP, ID, is_trigger=True) is None
    assert "symbol=" not in session.sent[-1].query  # conditional orders of other perps are as good a proof


@pytest.mark.parametrize("times", [{"createTime": None, "updateTime": None}, {"createTime": "x"}, {"updateTime": "x"}])
async def test_a_row_without_a_readable_time_proves_nothing(
    times: dict[str, Any], venue: CcxtVenue, session: MexcSession, clock: HandClock
) -> None:
    await lose_the_answer(venue, session)
    clock.value_ms = LATER_MS
    newer = {"createTime": UNTIL_MS + 1, "updateTime": UNTIL_MS + 1}
    session.answers[PLANS] = success([plan_row(8, **OTHERS, **newer | times)])
    with pytest.raises(Unavailable, match="may be behind"):
        await venue.fetch_order(PERP, ID, is_trigger=True)
    session.answers[PLANS] = success([plan_row(8, **OTHERS, **newer | times), plan_row(9, **OTHERS, **newer)])
    assert await venue.fetch_order(PERP, ID, is_trigger=True) is None


async def test_after_the_longest_lag_of_a_list_a_stop_is_absent(
    venue: CcxtVenue, session: MexcSession, clock: HandClock
) -> None:
    await lose_the_answer(venue, session)
    clock.value_ms = UNTIL_MS + SOLE_LAG_MS
    with pytest.raises(Unavailable, match="may be behind"):
        await venue.fetch_order(PERP, ID, is_trigger=True)
    clock.value_ms += SECOND_MS
    assert await venue.fetch_order(PERP, ID, is_trigger=True) is None


@pytest.mark.parametrize("row", [None, "x", plan_row(8, symbol=None), plan_row(8, symbol=""), {"id": 8}])
async def test_a_row_that_names_no_perp_may_be_the_stop(
    row: object, venue: CcxtVenue, session: MexcSession, clock: HandClock
) -> None:
    await lose_the_answer(venue, session)
    clock.value_ms = UNTIL_MS + 2 * SOLE_LAG_MS
    session.answers[PLANS] = success([row])
    with pytest.raises(Unavailable, match="open orders"):
        await venue.fetch_order(PERP, ID, is_trigger=True)
