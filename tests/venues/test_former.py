"""A market that the venue listed no more before this process began: cancels, questions and closing go on, entries do
not."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from bot.domain.instrument import Side
from bot.ports import Rejection, VenueRejected
from bot.venues.ccxt.instruments_cache import InstrumentsCache
from bot.venues.ccxt.venue import CcxtVenue, ConnectionRules
from tests.venues.binance_server import NOW_MS, BinanceServer, perp_symbol, placed, refusal, spot_symbol
from tests.venues.orders import ALGO_ORDER, PERP_ORDER, SPOT_ORDER, market, request, stop

PERP, SPOT = "UNI/USDT:USDT", "UNI/USDT"
SELL = {"side": Side.SELL, "reduce_only": True}
INFO = ("GET", "/fapi/v1/exchangeInfo")


@pytest.fixture
async def delisted(make_venue: Callable[..., CcxtVenue], server: BinanceServer) -> CcxtVenue:
    """A venue opened after UNI had left every list."""
    server.answers[INFO]["symbols"] = [perp_symbol("DOT")]
    server.answers["GET", "/api/v3/exchangeInfo"]["symbols"] = [spot_symbol("DOT")]
    venue = make_venue()
    await venue.open()
    await venue.fetch_instruments(("DOT/USDT", "DOT/USDT:USDT", SPOT, PERP))
    server.hits.clear()
    return venue


@pytest.mark.parametrize(
    ("symbol", "is_trigger", "path"), [(SPOT, False, SPOT_ORDER), (PERP, False, PERP_ORDER), (PERP, True, ALGO_ORDER)]
)
async def test_an_order_there_can_be_cancelled(
    delisted: CcxtVenue, server: BinanceServer, symbol: str, is_trigger: bool, path: str
) -> None:
    server.answers["DELETE", path] = {"symbol": "UNIUSDT", "orderId": 5, "algoId": 5, "status": "CANCELED"}
    await delisted.cancel_order(symbol, "tsbabc1", is_trigger=is_trigger)
    assert [hit.route for hit in server.hits] == [("DELETE", path)], "one request, and no list of markets before it"
    assert server.hits[0].params.get("symbol", "UNIUSDT") == "UNIUSDT"


async def test_an_order_can_be_cancelled_before_any_market_is_loaded(
    make_venue: Callable[..., CcxtVenue], server: BinanceServer
) -> None:
    venue = make_venue()
    await venue.open()
    server.hits.clear()
    server.answers["DELETE", PERP_ORDER] = {"symbol": "UNIUSDT", "orderId": 5, "status": "CANCELED"}
    await venue.cancel_order(PERP, "tsbabc1")
    assert [hit.route for hit in server.hits] == [("DELETE", PERP_ORDER)]
    assert (await venue.fetch_instruments((PERP,)))[PERP].active, "the list takes the place of what was made up"


async def test_an_order_there_can_be_asked_about(delisted: CcxtVenue, server: BinanceServer) -> None:
    server.answers["GET", PERP_ORDER] = {
        "symbol": "UNIUSDT",
        "orderId": 5,
        "clientOrderId": "tsbabc1",
        "status": "CANCELED",
        "side": "SELL",
        "origQty": "3",
        "executedQty": "1",
        "cumQuote": "10",
        "price": "0",
        "type": "MARKET",
        "updateTime": NOW_MS,
    }
    found = await delisted.fetch_order(PERP, "tsbabc1")
    assert found is not None
    assert (found.filled_size, found.filled_quote) == (1, 10)


@pytest.mark.parametrize("asked", [market(PERP, **SELL), stop(reduce_only=True), request(PERP, **SELL)])
async def test_what_is_held_there_can_be_closed_and_stopped(
    delisted: CcxtVenue, server: BinanceServer, asked: object
) -> None:
    path = ALGO_ORDER if asked.trigger_price else PERP_ORDER  # type: ignore[attr-defined]
    server.answers["POST", path] = placed
    await delisted.submit_order(asked)  # type: ignore[arg-type]
    (hit,) = server.hits
    assert (hit.params["symbol"], hit.params["quantity"]) == ("UNIUSDT", "3")


@pytest.mark.parametrize("asked", [request(PERP), request(PERP, side=Side.SELL), request(SPOT)])
async def test_nothing_is_opened_there(delisted: CcxtVenue, server: BinanceServer, asked: object) -> None:
    with pytest.raises(VenueRejected, match="nothing may be opened"):
        await delisted.submit_order(asked)  # type: ignore[arg-type]
    with pytest.raises(VenueRejected, match="nothing is opened"):
        await delisted.set_leverage(PERP, Decimal(3))
    assert server.hits == []


@pytest.mark.parametrize(("code", "words"), [(-1121, "Invalid symbol."), (-4141, "Symbol is closed.")])
async def test_a_refusal_of_an_ended_market_is_final(
    delisted: CcxtVenue, server: BinanceServer, code: int, words: str
) -> None:
    server.answers["POST", PERP_ORDER] = refusal(code, words)
    with pytest.raises(VenueRejected) as refused:
        await delisted.submit_order(market(PERP, **SELL))
    assert (refused.value.kind, refused.value.code) == (Rejection.PERMANENT, str(code))
    with pytest.raises(VenueRejected) as other:
        await delisted.submit_order(market("DOT/USDT:USDT", **SELL))
    assert other.value.kind is not Rejection.PERMANENT, "of a listed market it may pass"


@pytest.mark.parametrize("symbol", ["1000PEPE/USDT:USDT", "1INCH/USDT:USDT", "UNI/USDC:USDC"])
async def test_the_name_at_the_venue_is_made_of_the_symbol(
    delisted: CcxtVenue, server: BinanceServer, symbol: str
) -> None:
    server.answers["DELETE", PERP_ORDER] = {"symbol": "X", "orderId": 5, "status": "CANCELED"}
    await delisted.cancel_order(symbol, "tsbabc1")
    assert server.hits[0].params["symbol"] == symbol.partition(":")[0].replace("/", "")


async def test_the_file_keeps_the_grid_of_what_is_listed_no_more(
    make_venue: Callable[..., CcxtVenue], server: BinanceServer, tmp_path: Path
) -> None:
    whole, rules = server.answers[INFO]["symbols"], ConnectionRules(cache_folder=tmp_path)
    for listed in (whole, [perp_symbol("DOT")], [perp_symbol("DOT")]):
        server.answers[INFO]["symbols"] = listed
        venue = make_venue(rules=rules)
        await venue.open()
        for _ in range(2):  # the first look of a process may be answered by the file
            found = await venue.fetch_instruments((PERP, "DOT/USDT:USDT"))
        await venue.close()
    assert PERP not in found
    former = found.former[PERP]  # type: ignore[attr-defined]
    assert (former.is_former, former.active, former.price_tick) == (True, False, Decimal("0.001"))


@pytest.mark.parametrize("spoilt", [{}, {"id": "UNIUSDT"}, {"id": "DOTUSDT", "symbol": "DOT/USDT:USDT", "info": {}}, 7])
async def test_a_record_in_the_file_that_cannot_be_read_gives_way_to_the_names(
    make_venue: Callable[..., CcxtVenue], server: BinanceServer, tmp_path: Path, spoilt: object
) -> None:
    server.answers[INFO]["symbols"] = [perp_symbol("DOT")]
    InstrumentsCache(tmp_path, "binance", "sim").save({}, [], now_ms=0, former={PERP: spoilt})
    venue = make_venue(rules=ConnectionRules(cache_folder=tmp_path))
    await venue.open()
    server.answers["POST", PERP_ORDER] = placed
    await venue.submit_order(replace(market(PERP, **SELL), size=Decimal("0.0003")))
    assert server.last("POST", PERP_ORDER).params["symbol"] == "UNIUSDT"
