"""A key is bound to spot pairs: nothing is planned or sent in another one."""

from pathlib import Path
from typing import Any

import pytest

from bot.domain.instrument import Kind, Side
from bot.ports import Rejection, VenueRejected
from bot.simex.dialects.mexc.dialect import Mexc
from bot.venues.ccxt.adapter import only
from bot.venues.ccxt.venue import CcxtVenue, ConnectionRules
from bot.venues.mexc.adapter import ADAPTER
from tests.venues.bybit.canned import Reply
from tests.venues.conftest import skipped_waits
from tests.venues.mexc.canned import PERP, SELF_SYMBOLS, SMALL, SPOT, MexcSession, usual, venue_on
from tests.venues.mexc.test_outcomes import order
from tests.venues.simex_bench import simex_bench

SENTENCE = (
    f"the API key may not trade {SPOT}: add BTCUSDT to the key's pairs at mexc.com, API management, or take the token "
    "out of the sectors"
)


def bound_to(*names: Any) -> dict[str, Any]:
    return {"code": 200, "data": list(names), "msg": None}


async def active(venue: CcxtVenue) -> dict[str, bool]:
    found = await venue.fetch_instruments([SPOT, PERP, SMALL])
    return {symbol: found[symbol].active for symbol in (SPOT, PERP)}


async def test_a_pair_that_the_key_may_not_trade_is_refused_before_a_request(
    venue: CcxtVenue, session: MexcSession
) -> None:
    assert await active(venue) == {SPOT: True, PERP: True}
    session.answers[SELF_SYMBOLS] = bound_to("GASUSDT")
    assert await active(venue) == {SPOT: False, PERP: True}
    session.sent.clear()
    with pytest.raises(VenueRejected) as caught:
        await venue.submit_order(order(SPOT))
    assert (caught.value.code, caught.value.message, caught.value.kind) == (
        "not sent",
        SENTENCE,
        Rejection.MARKET_CLOSED,
    )
    assert session.sent == []
    session.answers[SELF_SYMBOLS] = bound_to("GASUSDT", "BTCUSDT")
    assert await active(venue) == {SPOT: True, PERP: True}


@pytest.mark.parametrize(
    "answer",
    [
        bound_to(),
        bound_to(17, None),
        bound_to("NOBODYUSDT"),
        {"code": 200, "data": None, "msg": None},
        {"code": 200},
        ["GASUSDT"],
        Reply({"code": 700007, "msg": "No permission to access the endpoint."}, 401),
    ],
)
async def test_a_list_that_says_nothing_closes_nothing(answer: Any, venue: CcxtVenue, session: MexcSession) -> None:
    session.answers[SELF_SYMBOLS] = answer
    assert await active(venue) == {SPOT: True, PERP: True}


async def test_what_the_key_may_not_trade_is_known_from_the_file_of_a_start(tmp_path: Path) -> None:
    session = MexcSession(usual() | {SELF_SYMBOLS: bound_to("GASUSDT")})
    for _ in range(2):
        venue = venue_on(session, rules=ConnectionRules(cache_folder=tmp_path, seams=skipped_waits()))
        await venue.open()
        assert await active(venue) == {SPOT: False, PERP: True}
        with pytest.raises(VenueRejected, match="may not trade"):
            await venue.submit_order(order(SPOT))
        await venue.close()
    assert [sent.path for sent in session.sent].count(SELF_SYMBOLS[4:]) == 1


@pytest.mark.parametrize("changes", [{"credentials": None}, {"adapter": only(ADAPTER, frozenset({Kind.PERP}))}])
async def test_nobody_asks_without_a_key_nor_where_no_spot_is_traded(changes: dict[str, Any]) -> None:
    session = MexcSession({name: answer for name, answer in usual().items() if name != SELF_SYMBOLS})
    venue = venue_on(session, **changes)
    await venue.open()
    assert (await venue.fetch_instruments([PERP]))[PERP].active
    await venue.close()


async def test_the_embedded_exchange_lists_what_a_key_may_trade(tmp_path: Path) -> None:
    async with simex_bench(tmp_path, adapter=ADAPTER, bases=("UNI", "BTC")) as bench:
        (dialect,) = [one for one in bench.simex._dialects if isinstance(one, Mexc)]
        dialect.desk.unbound = frozenset({"UNI/USDT"})
        request = bench.request("UNI/USDT", Side.BUY, "5", "11")
        with pytest.raises(VenueRejected) as caught:  # the list was read before: the venue itself refuses
            await bench.venue.submit_order(request)
        assert (caught.value.code, caught.value.kind) == ("10007", Rejection.MARKET_CLOSED)
        found = await bench.venue.fetch_instruments()
        assert [name for name, one in found.items() if not one.active] == ["UNI/USDT"]
        with pytest.raises(VenueRejected, match="may not trade UNI/USDT"):
            await bench.venue.submit_order(request)
