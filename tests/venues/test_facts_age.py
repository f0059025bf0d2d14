"""Facts of the venue have an age: instruments, filters, status, brackets. Prices carry the venue's own time."""

import copy
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bot.feeds.snapshot import Observer, SnapshotRequest
from bot.ports import Answered, Rejection, Unavailable, VenueRejected
from bot.venues.binance.errors import BINANCE_ERRORS
from bot.venues.binance.parse import venue_ms
from bot.venues.ccxt.account.brackets import BRACKETS_AGE_MAX_MS
from bot.venues.ccxt.connection import FACTS_AGE_MAX_MS
from bot.venues.ccxt.venue import CcxtVenue, ConnectionRules
from tests.venues.binance_server import NOW_MS, BinanceServer, Canned, perp_symbol, placed, refusal, spot_symbol
from tests.venues.conftest import SYMBOLS, HandClock
from tests.venues.orders import PERP_ORDER, SPOT_ORDER, request

PERP = "UNI/USDT:USDT"
INFO = ("GET", "/api/v3/exchangeInfo")


def asked(server: BinanceServer) -> int:
    return server.count(*INFO)


@pytest.fixture
def cached(make_venue: Callable[..., CcxtVenue], tmp_path: Path) -> Callable[[], CcxtVenue]:
    return lambda: make_venue(rules=ConnectionRules(cache_folder=tmp_path))


async def test_the_file_answers_the_first_question_and_the_venue_every_later_one(
    cached: Callable[[], CcxtVenue], server: BinanceServer
) -> None:
    first = cached()
    await first.open()
    await first.fetch_instruments(SYMBOLS)
    server.answers[INFO]["symbols"][0] = spot_symbol("UNI", tick="0.05")
    again = cached()
    await again.open()
    count = asked(server)
    assert (await again.fetch_instruments(SYMBOLS))["UNI/USDT"].price_tick == Decimal("0.001")
    assert asked(server) == count
    assert again.are_facts_due()
    assert (await again.fetch_instruments(("UNI/USDT",)))["UNI/USDT"].price_tick == Decimal("0.05")
    assert not again.are_facts_due()


async def test_the_second_look_after_a_start_from_the_file_asks_the_venue(
    cached: Callable[[], CcxtVenue], server: BinanceServer
) -> None:
    first = cached()
    await first.open()
    await first.fetch_instruments(("UNI/USDT",))
    server.answers[INFO]["symbols"][0] = spot_symbol("UNI", tick="0.05")
    again = cached()
    await again.open()
    observer = Observer(again, SnapshotRequest(spot=("UNI/USDT",)))
    ticks = [(await observer.observe(with_history=False)).instruments["UNI/USDT"].price_tick for _ in range(3)]
    assert ticks == [Decimal("0.001"), Decimal("0.05"), Decimal("0.05")]


async def test_what_is_known_holds_for_its_age(venue: CcxtVenue, server: BinanceServer, clock: HandClock) -> None:
    await venue.fetch_instruments(("UNI/USDT",))
    assert asked(server) == 0
    clock.value_ms += FACTS_AGE_MAX_MS
    assert venue.are_facts_due()
    await venue.fetch_instruments(("UNI/USDT",))
    assert asked(server) == 1


@pytest.mark.parametrize(
    ("code", "words", "is_due"),
    [
        (-1013, "Filter failure: PRICE_FILTER", True),
        (-1111, "Precision is over the maximum", True),
        (-4003, "Quantity", True),
        (-4014, "Price not increased by tick size.", True),
        (-4164, "notional", True),
        (-1121, "Invalid symbol.", True),
        (-2027, "Exceeded the maximum allowable position at current leverage.", True),
        (-4028, "Leverage is not valid", True),
        (-4141, "Symbol is closed.", True),
        (-4047, "Margin type cannot be changed", True),
        (-2019, "Margin is insufficient.", False),
        (-2022, "ReduceOnly Order is rejected.", False),
    ],
)
async def test_a_refusal_that_contradicts_what_is_known_makes_the_next_look_ask_at_once(
    code: int, words: str, is_due: bool, venue: CcxtVenue, server: BinanceServer
) -> None:
    server.answers["POST", PERP_ORDER] = refusal(code, words)
    with pytest.raises(VenueRejected):
        await venue.submit_order(request(PERP))
    assert venue.are_facts_due() is is_due
    observer = Observer(venue, SnapshotRequest(perps=(PERP,)))
    await observer.observe(with_history=False)
    assert not venue.are_facts_due()


async def test_names_that_no_list_has_leave_the_next_question_to_the_venue(
    venue: CcxtVenue, server: BinanceServer
) -> None:
    """The check of the past asks for both symbols of each token; the instruments of every cycle then had to age."""
    await venue.fetch_instruments(SYMBOLS)
    before = asked(server)
    assert not await venue.fetch_instruments(("NOPE/USDT:USDT",))
    count = asked(server)
    for _ in range(2):
        await venue.fetch_instruments(SYMBOLS)
    assert asked(server) == count + 2 > before


async def test_our_own_refusal_before_the_wire_contradicts_nothing(venue: CcxtVenue) -> None:
    with pytest.raises(VenueRejected, match="grid"):
        await venue.submit_order(replace(request(), size=Decimal("0.001")))
    assert not venue.are_facts_due()
    assert not BINANCE_ERRORS.contradicts_facts("not sent", Rejection.FILTER)


async def test_a_refresh_that_fails_keeps_what_is_known_and_stays_due(
    venue: CcxtVenue, server: BinanceServer, clock: HandClock
) -> None:
    good = server.answers[INFO]
    for answer in (Canned(503, "busy"), {"symbols": []}, {}):
        server.answers[INFO] = answer
        server.answers["GET", "/fapi/v1/exchangeInfo"] = answer
        clock.value_ms += FACTS_AGE_MAX_MS
        with pytest.raises(Unavailable):
            await venue.fetch_instruments(SYMBOLS)
        assert venue.are_facts_due()
        assert set(venue._link.instruments) == set(SYMBOLS)
    server.answers[INFO] = good


async def test_what_is_no_longer_listed_is_dropped_and_its_orders_are_still_handled(
    venue: CcxtVenue, server: BinanceServer
) -> None:
    server.answers["GET", "/fapi/v1/exchangeInfo"]["symbols"] = [perp_symbol("1000PEPE")]
    found = await venue.fetch_instruments(SYMBOLS)
    assert PERP not in found
    assert found.notes[PERP] == "the venue no longer lists it"  # type: ignore[attr-defined]
    server.answers["DELETE", PERP_ORDER] = {"symbol": "UNIUSDT", "orderId": 5, "status": "CANCELED"}
    await venue.cancel_order(PERP, "tsbabc1")
    assert server.last("DELETE", PERP_ORDER).params["symbol"] == "UNIUSDT"
    server.answers["POST", PERP_ORDER] = placed
    await venue.submit_order(replace(request(PERP), reduce_only=True))
    server.answers["GET", "/fapi/v3/positionRisk"] = [
        {
            "symbol": "UNIUSDT",
            "positionAmt": "3",
            "entryPrice": "1",
            "markPrice": "1",
            "unRealizedProfit": "0",
            "notional": "3",
            "positionInitialMargin": "1",
        }
    ]
    assert set((await venue.fetch_account()).positions) == {PERP}


async def test_a_listing_that_returns_is_known_again(venue: CcxtVenue, server: BinanceServer) -> None:
    whole = server.answers["GET", "/fapi/v1/exchangeInfo"]["symbols"]
    server.answers["GET", "/fapi/v1/exchangeInfo"]["symbols"] = whole[1:]
    assert PERP not in await venue.fetch_instruments(SYMBOLS)
    server.answers["GET", "/fapi/v1/exchangeInfo"]["symbols"] = whole
    assert PERP in await venue.fetch_instruments(SYMBOLS)
    assert venue._link.former == {}


BRACKETS = "GET", "/fapi/v1/leverageBracket"


def tightened(rows: Any) -> Any:
    """The same brackets with a highest leverage of 3 and a maintenance rate of 0.15."""
    changed = copy.deepcopy(rows)
    for row in changed:
        for part in row["brackets"]:
            part["initialLeverage"], part["maintMarginRatio"] = 3, 0.15
    return changed


async def test_leverage_brackets_are_read_with_the_instruments(
    venue: CcxtVenue, server: BinanceServer, clock: HandClock
) -> None:
    first = (await venue.fetch_instruments(SYMBOLS))[PERP]
    assert [(b.notional_cap, b.leverage_max, b.maintenance_rate, b.cum) for b in first.brackets] == [
        (5_000, 50, Decimal("0.01"), 0),
        (100_000, 25, Decimal("0.025"), 75),
    ]
    server.answers[BRACKETS] = tightened(server.answers[BRACKETS])
    assert not venue.are_facts_due()
    clock.value_ms += FACTS_AGE_MAX_MS
    assert venue.are_facts_due()
    found = (await venue.fetch_instruments(SYMBOLS))[PERP]
    assert (found.leverage_max, found.brackets[0].maintenance_rate) == (3, Decimal("0.15"))


async def test_a_refusal_of_the_leverage_asks_for_the_brackets_at_once(
    venue: CcxtVenue, server: BinanceServer, clock: HandClock
) -> None:
    await venue.fetch_instruments(SYMBOLS)
    asked = server.count(*BRACKETS)
    server.answers["POST", "/fapi/v1/marginType"] = {"code": 200, "msg": "success"}
    server.answers["POST", "/fapi/v1/leverage"] = refusal(-4028, "Leverage 5 is not valid")
    with pytest.raises(VenueRejected):
        await venue.set_leverage(PERP, Decimal(5))
    server.answers[BRACKETS] = tightened(server.answers[BRACKETS])
    assert (await venue.fetch_instruments((PERP,)))[PERP].leverage_max == 3
    assert server.count(*BRACKETS) == asked + 1


async def test_brackets_without_an_answer_hold_for_an_hour_and_then_count_as_leverage_one(
    venue: CcxtVenue, server: BinanceServer, clock: HandClock
) -> None:
    known = (await venue.fetch_instruments(SYMBOLS))[PERP].brackets
    answer, server.answers[BRACKETS] = server.answers[BRACKETS], Canned(503, "busy")
    clock.value_ms += BRACKETS_AGE_MAX_MS - 1
    assert (await venue.fetch_instruments(SYMBOLS))[PERP].brackets == known
    clock.value_ms += 1
    found = await venue.fetch_instruments(SYMBOLS)
    assert isinstance(found, Answered)
    assert (found[PERP].leverage_max, found[PERP].brackets) == (1, ())
    assert "more than 60 minutes ago" in found.notes[PERP]
    server.answers[BRACKETS] = answer
    clock.value_ms += 60_000
    assert (await venue.fetch_instruments((PERP,)))[PERP].brackets == known, "asked for again after a minute"


async def test_brackets_that_fail_at_the_start_take_no_instrument_away(
    make_venue: Callable[..., CcxtVenue], server: BinanceServer
) -> None:
    server.answers[BRACKETS] = Canned(503, "busy")
    venue = make_venue()
    await venue.open()
    found = await venue.fetch_instruments(SYMBOLS)
    assert isinstance(found, Answered)
    assert set(SYMBOLS) <= found.keys()
    assert (found[PERP].leverage_max, found.notes[PERP]) == (
        1,
        "its leverage brackets are not known; it counts as leverage 1",
    )


@pytest.mark.parametrize(
    "change",
    [{"notionalCap": 0}, {"initialLeverage": 0}, {"maintMarginRatio": 1.5}, {"notionalFloor": -1}, {"cum": None}],
)
async def test_brackets_that_make_no_sense_leave_what_was_known(
    change: dict[str, Any], venue: CcxtVenue, server: BinanceServer, clock: HandClock
) -> None:
    known = (await venue.fetch_instruments(SYMBOLS))[PERP].brackets
    for row in server.answers[BRACKETS]:
        row["brackets"][0] |= change
    clock.value_ms += FACTS_AGE_MAX_MS
    assert (await venue.fetch_instruments(SYMBOLS))[PERP].brackets == known


OLD_MS = NOW_MS - 3_600_000


@pytest.mark.parametrize("path", ["/fapi/v1/ticker/bookTicker", "/fapi/v1/premiumIndex"])
async def test_a_quote_is_as_old_as_the_oldest_of_its_prices(
    path: str, venue: CcxtVenue, server: BinanceServer
) -> None:
    assert (await venue.fetch_quotes([PERP]))[PERP].at_ms == NOW_MS
    server.answers["GET", path] = server.answers["GET", path] | {"time": OLD_MS}
    assert (await venue.fetch_quotes([PERP]))[PERP].at_ms == OLD_MS


@pytest.mark.parametrize("stamps", [{"E": OLD_MS}, {"T": OLD_MS}, {"E": OLD_MS, "T": OLD_MS - 5}])
async def test_a_book_carries_the_time_of_the_venue(
    stamps: dict[str, int], venue: CcxtVenue, server: BinanceServer
) -> None:
    server.answers["GET", "/fapi/v1/depth"] = {"bids": [["9", "1"]], "asks": [["10", "1"]], **stamps}
    assert (await venue.fetch_book(PERP, 5)).at_ms == OLD_MS


async def test_funding_carries_the_time_of_its_mark(venue: CcxtVenue, server: BinanceServer) -> None:
    server.answers["GET", "/fapi/v1/premiumIndex"] |= {"time": OLD_MS}
    assert (await venue.fetch_funding([PERP]))[PERP].at_ms == OLD_MS


@pytest.mark.parametrize("row", [{}, {"time": 0}, {"time": None}])
def test_a_price_without_a_time_has_that_of_the_question(row: dict[str, Any]) -> None:
    assert venue_ms(row, NOW_MS) == NOW_MS


async def test_an_interval_that_does_not_fit_the_next_settlement_is_asked_for_again(
    venue: CcxtVenue, server: BinanceServer, clock: HandClock
) -> None:
    hour, eight = 3_600_000, 8 * 3_600_000
    midnight = NOW_MS - NOW_MS % eight + eight
    premium = server.answers["GET", "/fapi/v1/premiumIndex"]
    server.answers["GET", "/fapi/v1/fundingInfo"] = []
    server.answers["GET", "/fapi/v1/premiumIndex"] = premium | {"nextFundingTime": midnight}
    assert (await venue.fetch_funding([PERP]))[PERP].interval_hours == 8
    server.answers["GET", "/fapi/v1/fundingInfo"] = [{"symbol": "UNIUSDT", "fundingIntervalHours": 1}]
    server.answers["GET", "/fapi/v1/premiumIndex"] = premium | {"nextFundingTime": midnight + hour}
    clock.value_ms += 60_000
    assert (await venue.fetch_funding([PERP]))[PERP].interval_hours == 1
    assert server.count("GET", "/fapi/v1/fundingInfo") == 2


async def test_an_order_answered_in_part_is_an_order_all_the_same(venue: CcxtVenue, server: BinanceServer) -> None:
    server.answers["POST", SPOT_ORDER] = lambda hit: placed(hit, status="PENDING_BANANA")
    assert (await venue.submit_order(request())).venue_id == "4711"
