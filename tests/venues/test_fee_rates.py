"""Fee rates are the account's own: asked of the venue, with an age; the listed ones serve where it does not answer."""

from collections.abc import Callable
from typing import Any

import pytest

from bot.domain.instrument import Instrument, Side
from bot.domain.money import dec
from bot.domain.order import TimeInForce
from bot.feeds.snapshot import Observer, SnapshotRequest
from bot.ports import VenueRejected
from bot.simex.faults import Fault, FaultRule
from bot.venues.binance import fee_rates
from bot.venues.ccxt.connection import FACTS_AGE_MAX_MS
from bot.venues.ccxt.venue import CcxtVenue, ConnectionRules
from tests.venues.binance_server import BinanceServer, Canned, Hit, perp_symbol, refusal
from tests.venues.conftest import SYMBOLS, HandClock
from tests.venues.orders import PERP_ORDER, request
from tests.venues.test_against_simex import PERP, SPOT, Bench, D, bench

__all__ = ["bench"]

LIST = ("GET", "/sapi/v1/asset/tradeFee")
ONE_SPOT = ("GET", "/api/v3/account/commission")
ONE_PERP = ("GET", "/fapi/v1/commissionRate")
OTHER_SPOT, OTHER_PERP = "AAVE/USDT", "1000PEPE/USDT:USDT"
LISTED = {SPOT: ("0.001", "0.001"), PERP: ("0.0002", "0.0005")}  # what ccxt lists


def rates(instrument: Instrument) -> tuple[str, str]:
    return str(instrument.maker_fee), str(instrument.taker_fee)


def spot_row(maker: Any, taker: Any, name: Any = "UNIUSDT") -> dict[str, Any]:
    return {"symbol": name, "makerCommission": maker, "takerCommission": taker}


def perp_row(maker: Any, taker: Any, name: Any = "UNIUSDT") -> dict[str, Any]:
    return {"symbol": name, "makerCommissionRate": maker, "takerCommissionRate": taker, "rpiCommissionRate": "0"}


def whole_row(**parts: Any) -> dict[str, Any]:
    """The answer about one spot symbol, in the shape of the venue's documentation."""
    none = {"maker": "0.00000000", "taker": "0.00000000", "buyer": "0.00000000", "seller": "0.00000000"}
    return {
        "symbol": "UNIUSDT",
        "standardCommission": none | {"maker": "0.00080000", "taker": "0.00090000"},
        "specialCommission": none,
        "taxCommission": none,
        "discount": {
            "enabledForAccount": True,
            "enabledForSymbol": True,
            "discountAsset": "BNB",
            "discount": "0.75000000",
        },
        **{name: part if not isinstance(part, dict) else none | part for name, part in parts.items()},
    }


def answer_perps(server: BinanceServer, **answers: Any) -> None:
    def answer(hit: Hit) -> Any:
        return answers.get(hit.params["symbol"], perp_row("0.00011", "0.00033", hit.params["symbol"]))

    server.answers[ONE_PERP] = answer


async def asked_anew(venue: CcxtVenue, clock: HandClock) -> Any:
    clock.value_ms += FACTS_AGE_MAX_MS
    return await venue.fetch_instruments(SYMBOLS)


async def test_the_accounts_own_rates_replace_the_listed_ones(
    venue: CcxtVenue, server: BinanceServer, clock: HandClock
) -> None:
    server.answers[LIST] = [spot_row("0.0007", "0.0009"), spot_row("0", "0", "AAVEUSDT"), spot_row("1", "x", "ZZZ")]
    answer_perps(server, UNIUSDT=perp_row("-0.0001", "0.00041"))
    found = await asked_anew(venue, clock)
    assert rates(found[SPOT]) == ("0.0007", "0.0009")
    assert rates(found[OTHER_SPOT]) == ("0", "0")
    assert rates(found[PERP]) == ("-0.0001", "0.00041")
    assert rates(found[OTHER_PERP]) == ("0.00011", "0.00033")
    assert found.notes == {}
    assert (server.count(*LIST), server.count(*ONE_PERP)) == (1, 2)


BAD_ROWS = [
    None,
    7,
    [],
    "0.001",
    {},
    ("x", "0.0004"),
    ("0.0002", "NaN"),
    ("0.0002", "Infinity"),
    ("0.0002", None),
    ("0.0002", True),
    ("0.0002", ""),
    ("0.0002", "-0.0004"),
    ("0.0002", "0.5"),
    ("0.0002", "40"),
    ("-1", "0.0004"),
    ("0.0002", ["0.0004"]),
]


@pytest.mark.parametrize("bad", BAD_ROWS, ids=str)
async def test_a_bad_row_costs_its_own_symbol_only(
    bad: Any, venue: CcxtVenue, server: BinanceServer, clock: HandClock
) -> None:
    cells = isinstance(bad, tuple)
    server.answers[LIST] = [spot_row(*bad) if cells else bad, spot_row("0.0003", "0.0004", "AAVEUSDT")]
    answer_perps(server, UNIUSDT=perp_row(*bad) if cells else bad)
    found = await asked_anew(venue, clock)
    assert (rates(found[SPOT]), rates(found[PERP])) == (LISTED[SPOT], LISTED[PERP])
    assert (rates(found[OTHER_SPOT]), rates(found[OTHER_PERP])) == (("0.0003", "0.0004"), ("0.00011", "0.00033"))
    assert set(found.notes) == {SPOT, PERP}
    assert all("fee rates" in why for why in found.notes.values())


async def test_an_answer_about_another_symbol_is_not_this_ones(
    venue: CcxtVenue, server: BinanceServer, clock: HandClock
) -> None:
    answer_perps(server, UNIUSDT=perp_row("0", "0", "1000PEPEUSDT"))
    found = await asked_anew(venue, clock)
    assert rates(found[PERP]) == LISTED[PERP]
    assert "an answer about '1000PEPEUSDT'" in found.notes[PERP]


NO_ANSWERS = [
    Canned(404, "<html>no such route</html>", content_type="text/html"),
    Canned(503, "busy"),
    Canned(200, ""),
    refusal(-2015, "Invalid API-key, IP, or permissions for action."),
    refusal(-1121, "Invalid symbol."),
    {},
    [],
    None,
]


@pytest.mark.parametrize("answer", NO_ANSWERS, ids=str)
async def test_a_venue_that_does_not_answer_starts_with_the_listed_rates_and_says_so(
    answer: Any, make_venue: Callable[..., CcxtVenue], server: BinanceServer
) -> None:
    server.answers[LIST] = server.answers[ONE_PERP] = answer
    opened = make_venue()
    await opened.open()
    snapshot = await Observer(opened, SnapshotRequest(spot=(SPOT,), perps=(PERP,))).observe(with_history=False)
    assert {symbol: rates(i) for symbol, i in snapshot.instruments.items()} == LISTED
    named = {one.what: one.why for one in snapshot.missing}
    for symbol in (SPOT, PERP):
        assert "the listed rates of the venue serve" in named[f"part of instrument {symbol}"]
    assert not opened.are_facts_due()


async def test_a_venue_that_stays_silent_delays_a_start_by_the_deadline_only(
    make_venue: Callable[..., CcxtVenue], server: BinanceServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fee_rates, "DEADLINE_S", 0.2)
    server.silent = {LIST}
    opened = make_venue()
    await opened.open()
    found = await opened.fetch_instruments(SYMBOLS)
    assert rates(found[SPOT]) == LISTED[SPOT]
    assert "no answer in time" in found.notes[SPOT]
    assert PERP not in found.notes


async def test_rates_hold_for_the_age_of_the_instruments_and_those_read_before_outlast_a_failure(
    venue: CcxtVenue, server: BinanceServer, clock: HandClock
) -> None:
    server.answers[LIST] = [spot_row("0.0003", "0.0004")]
    answer_perps(server)
    clock.value_ms += FACTS_AGE_MAX_MS - 1
    assert rates((await venue.fetch_instruments([SPOT]))[SPOT]) == LISTED[SPOT]
    assert server.count(*LIST) == 0
    clock.value_ms += 1
    assert rates((await venue.fetch_instruments([SPOT]))[SPOT]) == ("0.0003", "0.0004")
    server.answers[LIST] = server.answers[ONE_PERP] = Canned(503, "busy")
    found = await asked_anew(venue, clock)
    assert rates(found[SPOT]) == ("0.0003", "0.0004")
    assert rates(found[PERP]) == ("0.00011", "0.00033")
    assert "those read before serve" in found.notes[SPOT]


async def test_a_refusal_that_contradicts_the_facts_asks_for_the_rates_too(
    venue: CcxtVenue, server: BinanceServer, clock: HandClock
) -> None:
    answer_perps(server)
    server.answers["POST", PERP_ORDER] = refusal(-4164, "notional")
    clock.value_ms += 60_000
    with pytest.raises(VenueRejected):
        await venue.submit_order(request(PERP))
    assert venue.are_facts_due()
    assert rates((await venue.fetch_instruments([PERP]))[PERP]) == ("0.00011", "0.00033")


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({}, ("0.00080000", "0.00090000")),
        (
            {"specialCommission": {"taker": "0.0001"}, "taxCommission": {"maker": "0.0002", "taker": "0.0002"}},
            ("0.00100000", "0.00120000"),
        ),
        ({"taxCommission": {"buyer": "0.0001", "seller": "0.0003"}}, ("0.00110000", "0.00120000")),
        ({"specialCommission": None, "taxCommission": {}}, ("0.00080000", "0.00090000")),
        ({"standardCommission": None}, LISTED[SPOT]),
        ({"taxCommission": {"taker": "x"}}, LISTED[SPOT]),
        ({"specialCommission": 5}, LISTED[SPOT]),
        ({"symbol": "AAVEUSDT"}, LISTED[SPOT]),
    ],
)
async def test_without_the_wallets_list_a_spot_symbol_is_asked_about_by_itself(
    parts: dict[str, Any],
    expected: tuple[str, str],
    make_venue: Callable[..., CcxtVenue],
    server: BinanceServer,
) -> None:
    server.answers[ONE_SPOT] = whole_row(**parts)
    opened = make_venue(environment="testnet")
    await opened.open()
    found = await opened.fetch_instruments([SPOT])
    assert tuple(map(dec, rates(found[SPOT]))) == tuple(map(dec, expected))
    assert server.count(*LIST) == 0
    assert (SPOT in found.notes) is (expected == LISTED[SPOT])  # type: ignore[attr-defined]


async def test_a_look_asks_for_so_many_perps_and_the_next_goes_on_without_a_new_list_of_instruments(
    make_venue: Callable[..., CcxtVenue], server: BinanceServer, clock: HandClock
) -> None:
    count = fee_rates.PER_LOOK + 5
    names = [f"T{number}" for number in range(count)]
    server.answers["GET", "/fapi/v1/exchangeInfo"]["symbols"] = [perp_symbol(name) for name in names]
    answer_perps(server)
    symbols = [f"{name}/USDT:USDT" for name in names]
    opened = make_venue()
    await opened.open()
    own = []
    for _ in range(3):
        found = await opened.fetch_instruments(symbols)
        own.append(sum(rates(i) == ("0.00011", "0.00033") for i in found.values()))
        clock.value_ms += 1_000
    assert own == [fee_rates.PER_LOOK, count, count]
    assert server.count(*ONE_PERP) == count
    assert server.count("GET", "/fapi/v1/exchangeInfo") == 2  # the third question is an ordinary one about all
    assert not opened.are_facts_due()


async def test_a_question_about_every_instrument_of_the_venue_asks_for_no_rates(
    venue: CcxtVenue, server: BinanceServer
) -> None:
    assert len(await venue.fetch_instruments()) > len(SYMBOLS)
    assert {hit.params["symbol"] for hit in server.hits if hit.route == ONE_PERP} <= {"UNIUSDT", "1000PEPEUSDT"}
    assert not venue.are_facts_due()


async def test_a_start_from_the_file_asks_for_the_rates(
    make_venue: Callable[..., CcxtVenue], server: BinanceServer, tmp_path: Any
) -> None:
    for _ in range(2):
        opened = make_venue(rules=ConnectionRules(cache_folder=tmp_path))
        await opened.open()
        server.answers[LIST] = [spot_row("0.0003", "0.0004")]
        assert rates((await opened.fetch_instruments([SPOT]))[SPOT]) == ("0.0003", "0.0004")


# --- over the wire: what the exchange charges


async def test_a_fill_costs_what_the_instrument_says_for_an_account_with_its_own_rates(bench: Bench) -> None:
    own = {SPOT: (D("0.0004"), D("0.0006")), PERP: (D("0.00012"), D("0.00037"))}
    for symbol, (maker, taker) in own.items():
        bench.exchange.set_fee_rates("main", symbol, maker=maker, taker=taker)
    bench.clock.value_ms += FACTS_AGE_MAX_MS
    for symbol, (maker, taker) in own.items():
        found = (await bench.venue.fetch_instruments([SPOT, PERP]))[symbol]
        assert (found.maker_fee, found.taker_fee) == (maker, taker)
        for size, price, fee in (("20", None, found.taker_fee), ("20", "9.9", found.maker_fee)):
            bench.clock.value_ms += 1_000
            bench.market.move(symbol, bench.clock.now_ms(), 10.0)
            changes = {} if price is None else {"time_in_force": TimeInForce.GTC}
            await bench.venue.submit_order(bench.request(symbol, Side.BUY, size, price, **changes))
            bench.clock.value_ms += 1_000
            if price is not None:
                bench.market.move(symbol, bench.clock.now_ms(), 9.5)
            fills = await bench.venue.fetch_fills(symbol, bench.clock.now_ms() - 1_500)
            assert fills
            for fill in fills:
                received = fill.size if fill.fee_asset == "UNI" else found.notional(fill.size, fill.price)
                assert abs(fill.fee - received * fee) <= D("0.00000001"), (symbol, price, fill)
    bench.exchange.audit()


async def test_the_exchange_serves_an_account_its_own_rates_at_every_endpoint(bench: Bench) -> None:
    bench.exchange.set_fee_rates("main", SPOT, maker=D("0.0004"), taker=D("0.0006"))
    bench.exchange.set_fee_rates("main", PERP, maker=D("0.00012"), taker=D("0.00037"))
    link = bench.venue._link
    account = await link.exchange.privateGetAccount()
    assert dec(account["commissionRates"]["taker"]) == D("0.0006")
    one = await link.exchange.privateGetAccountCommission({"symbol": "UNIUSDT"})
    (row,) = await link.exchange.sapiGetAssetTradeFee({"symbol": "UNIUSDT"})
    perp = await link.exchange.fapiPrivateGetCommissionRate({"symbol": "UNIUSDT"})
    assert fee_rates.spot_rates(one) == fee_rates.listed_rates(row) == (D("0.0004"), D("0.0006"))
    assert fee_rates.perp_rates(perp) == (D("0.00012"), D("0.00037"))


async def test_an_outage_of_the_fee_endpoints_costs_nothing_but_the_own_rates(bench: Bench) -> None:
    bench.exchange.set_fee_rates("main", SPOT, maker=D("0.0004"), taker=D("0.0006"))
    bench.simex.faults.add(FaultRule(Fault(reply_status=503), path="/sapi/v1/asset/tradeFee", times=9))
    bench.clock.value_ms += FACTS_AGE_MAX_MS
    found = await bench.venue.fetch_instruments([SPOT, PERP])
    assert found[SPOT].taker_fee == D("0.001")
    assert set(found.notes) == {SPOT}  # type: ignore[attr-defined]
