"""Markets that the venue lists and its API may not trade are known, and nothing is planned in them."""

from pathlib import Path
from typing import Any

import pytest

from bot.domain.instrument import Side
from bot.ports import Rejection, VenueRejected
from bot.simex.dialects.weex.dialect import Weex
from bot.venues.ccxt.venue import CcxtVenue
from bot.venues.weex.adapter import ADAPTER
from tests.venues.bybit.canned import Reply
from tests.venues.simex_bench import simex_bench
from tests.venues.weex.canned import PERP, PERP_OPEN, SPOT, SPOT_OPEN, WeexSession, refusal


async def active(venue: CcxtVenue) -> dict[str, bool]:
    return {symbol: one.active for symbol, one in (await venue.fetch_instruments([SPOT, PERP])).items()}


@pytest.mark.parametrize("path", [SPOT_OPEN, PERP_OPEN])
async def test_a_market_that_is_closed_to_the_api_is_inactive(
    path: str, venue: CcxtVenue, session: WeexSession
) -> None:
    assert await active(venue) == {SPOT: True, PERP: True}
    session.answers["GET /api/v3/exchangeInfo"]["symbols"].append(
        {**session.answers["GET /api/v3/exchangeInfo"]["symbols"][0], "symbol": "ETHUSDT", "baseAsset": "ETH"}
    )
    session.answers["GET /capi/v3/market/exchangeInfo"]["symbols"].append(
        {**session.answers["GET /capi/v3/market/exchangeInfo"]["symbols"][0], "symbol": "ETHUSDT", "baseAsset": "ETH"}
    )
    session.answers[path] = ["ETHUSDT"]
    closed = SPOT if path == SPOT_OPEN else PERP
    assert await active(venue) == {symbol: symbol != closed for symbol in (SPOT, PERP)}


@pytest.mark.parametrize(
    "answer", [[], None, {}, [17], ["cmt_btcusdt"], Reply(refusal(-1040, "ACCESS_KEY header is required."), 400)]
)
async def test_a_list_that_says_nothing_closes_nothing(answer: Any, venue: CcxtVenue, session: WeexSession) -> None:
    session.answers[SPOT_OPEN] = session.answers[PERP_OPEN] = answer
    assert await active(venue) == {SPOT: True, PERP: True}


@pytest.mark.parametrize(("symbol", "code"), [("UNI/USDT", "-1058"), ("UNI/USDT:USDT", "-3235")])
async def test_the_embedded_exchange_refuses_what_it_does_not_list_as_open(
    symbol: str, code: str, tmp_path: Path
) -> None:
    async with simex_bench(tmp_path, adapter=ADAPTER, bases=("UNI", "BTC")) as bench:
        (dialect,) = [one for one in bench.simex._dialects if isinstance(one, Weex)]
        dialect.desk.closed = frozenset({symbol})
        found = await bench.venue.fetch_instruments()
        assert [name for name, one in found.items() if not one.active] == [symbol]
        with pytest.raises(VenueRejected) as caught:
            await bench.venue.submit_order(bench.request(symbol, Side.BUY, "5", "11"))
        assert (caught.value.code, caught.value.kind) == (code, Rejection.MARKET_CLOSED)
