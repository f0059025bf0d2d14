"""The twelve facts about ccxt that change the design, each shown to be dealt with, on the wire."""

import asyncio
from collections.abc import Callable
from decimal import Decimal

import pytest

from bot.ports import Lane, OutcomeUnknown, Rejection, SetupFailed, VenueRejected
from bot.venues.binance.profiles import BINANCE
from bot.venues.ccxt.loader import load_exchange_class
from bot.venues.ccxt.profile import Profile, SandboxMode
from bot.venues.ccxt.venue import CcxtVenue, ConnectionRules, Seams
from tests.venues.binance_server import BinanceServer, Canned, placed, refusal
from tests.venues.conftest import SYMBOLS, endless_waits
from tests.venues.orders import PERP_ORDER, SPOT_ORDER, market, request

PERP = "UNI/USDT:USDT"


async def test_fact_01_perp_rejections_are_recognised_under_the_real_host_names(
    venue: CcxtVenue, server: BinanceServer
) -> None:
    server.answers["POST", PERP_ORDER] = refusal(-2019, "Margin is insufficient.")
    with pytest.raises(VenueRejected) as caught:
        await venue.submit_order(request(PERP))
    assert (caught.value.code, caught.value.kind) == ("-2019", Rejection.FUNDS)
    assert server.last("POST", PERP_ORDER).host == "fapi.binance.com"


@pytest.mark.parametrize(
    "answer",
    [
        refusal(-1006, "An unexpected response was received from the message bus. Execution status unknown."),
        refusal(-1000, "Unknown error, please check your request or try again later.", 503),
        refusal(-1007, "Timeout waiting for response from backend server.", 408),
        refusal(-1001, "Internal error; unable to process your request. Please try again.", 400),
        refusal(-1008, "Server is currently overloaded.", 503),
        refusal(-99999, "Something nobody has described."),
        refusal(-2010, "Account has insufficient balance for requested action.", 502),
        Canned(502, "<html>Bad Gateway</html>", content_type="text/html"),
        Canned(503, "Service Unavailable.", content_type="text/plain"),
        Canned(200, '{"code":-2010,"msg":"Duplicate order sent."}'),
        Canned(200, "\x1f\x8b not gzip", {"Content-Encoding": "gzip"}),
    ],
)
async def test_fact_02_whatever_is_no_recognised_verdict_leaves_a_write_unknown(
    answer: Canned, venue: CcxtVenue, server: BinanceServer
) -> None:
    server.answers["POST", SPOT_ORDER] = answer
    with pytest.raises(OutcomeUnknown):
        await venue.submit_order(request())
    assert server.count("POST", SPOT_ORDER) == 1


@pytest.mark.parametrize(
    "answer",
    [
        Canned(200, "<html>hello</html>", content_type="text/html"),
        Canned(200, ""),
        Canned(200, "{}"),
        Canned(200, "[]"),
    ],
)
async def test_fact_03_an_answer_without_an_order_id_is_unknown_and_no_success(
    answer: Canned, venue: CcxtVenue, server: BinanceServer
) -> None:
    server.answers["POST", SPOT_ORDER] = server.answers["POST", PERP_ORDER] = answer
    for symbol in ("UNI/USDT", PERP):
        with pytest.raises(OutcomeUnknown):
            await venue.submit_order(request(symbol))


async def test_fact_04_duplicate_ids_are_recognised_by_code_and_message(
    venue: CcxtVenue, server: BinanceServer
) -> None:
    server.answers["POST", SPOT_ORDER] = refusal(-2010, "Duplicate order sent.")
    server.answers["POST", PERP_ORDER] = refusal(-4116, "ClientOrderId is duplicated.")
    for symbol in ("UNI/USDT", PERP):
        with pytest.raises(VenueRejected) as caught:
            await venue.submit_order(request(symbol))
        assert caught.value.kind is Rejection.DUPLICATE_ID


async def test_fact_05_a_post_whose_answer_is_lost_is_never_sent_again_with_the_same_id(
    venue: CcxtVenue, server: BinanceServer
) -> None:
    server.drops.add(("POST", SPOT_ORDER))
    with pytest.raises(OutcomeUnknown):
        await venue.submit_order(market())
    assert server.count("POST", SPOT_ORDER) == 1


@pytest.mark.parametrize("symbol", ["UNI/USDT", PERP])
async def test_fact_06_orders_are_asked_and_cancelled_by_client_id_alone(
    symbol: str, venue: CcxtVenue, server: BinanceServer
) -> None:
    path = PERP_ORDER if ":" in symbol else SPOT_ORDER
    server.answers["GET", path] = refusal(-2013, "Order does not exist.")
    server.answers["DELETE", path] = refusal(-2011, "Unknown order sent.")
    assert await venue.fetch_order(symbol, "tsbabc1") is None
    with pytest.raises(VenueRejected) as caught:
        await venue.cancel_order(symbol, "tsbabc1")
    assert caught.value.kind is Rejection.NOT_FOUND
    for method in ("GET", "DELETE"):
        sent = server.last(method, path).params
        assert sent["origClientOrderId"] == "tsbabc1"
        assert "orderId" not in sent


async def test_fact_07_no_order_is_ever_marked_as_a_test(venue: CcxtVenue, server: BinanceServer) -> None:
    server.answers["POST", SPOT_ORDER] = server.answers["POST", PERP_ORDER] = placed
    for symbol in ("UNI/USDT", PERP):
        await venue.submit_order(request(symbol))
    assert [hit.path for hit in server.hits] == [SPOT_ORDER, PERP_ORDER]
    assert all("test" not in hit.params for hit in server.hits)


def with_switch(ccxt_id: str, switch: SandboxMode) -> Profile:
    changed = {field: getattr(BINANCE, field) for field in Profile.__slots__}
    testnet = BINANCE.environments["testnet"]
    return Profile(
        **changed
        | {
            "ccxt_id": ccxt_id,
            "environments": {
                "testnet": type(testnet)("testnet", switch, testnet.hosts),
            },
        }
    )


@pytest.mark.parametrize("ccxt_id", ["mexc", "kucoin"])
@pytest.mark.parametrize("switch", [SandboxMode.SANDBOX, SandboxMode.DEMO])
async def test_fact_08_a_switch_that_raises_and_leaves_production_urls_is_refused(
    ccxt_id: str, switch: SandboxMode, make_venue: Callable[..., CcxtVenue], server: BinanceServer
) -> None:
    refused = make_venue(environment="testnet", profile=with_switch(ccxt_id, switch))
    with pytest.raises(SetupFailed, match=r"cannot be switched|must not use"):
        await refused.open()
    assert server.hits == []


async def test_fact_08_a_switch_that_silently_does_nothing_is_refused(
    make_venue: Callable[..., CcxtVenue], server: BinanceServer
) -> None:
    class Silent(load_exchange_class("binance")):  # type: ignore[misc]
        def enable_demo_trading(self, enable: bool) -> None:
            self.options["enableDemoTrading"] = enable

    refused = make_venue(environment="testnet", rules=ConnectionRules(seams=Seams(exchange_class=Silent)))
    with pytest.raises(SetupFailed, match=r"must not use https://api\.binance\.com"):
        await refused.open()
    assert server.hits == []


@pytest.mark.parametrize("price", ["10.001", "9999.999", "0.001"])
async def test_fact_09_numbers_are_text_and_reach_the_wire_digit_by_digit(
    price: str, venue: CcxtVenue, server: BinanceServer
) -> None:
    assert venue._link.exchange.number is str
    server.answers["POST", SPOT_ORDER] = placed
    await venue.submit_order(request(size=Decimal("0.30"), price=Decimal(price)))
    sent = server.last("POST", SPOT_ORDER).params
    assert (sent["quantity"], sent["price"]) == ("0.3", price)


async def test_fact_10_a_cancel_does_not_wait_behind_market_data(
    make_venue: Callable[..., CcxtVenue], server: BinanceServer
) -> None:
    """ccxt's own throttle queues everything in one line; here bulk requests may use up only their share."""
    venue = make_venue(rules=ConnectionRules(seams=endless_waits()))
    await venue.open()
    await venue.fetch_instruments(SYMBOLS)
    gate = venue._link.wire.gates["spot"]
    for _ in range(4_800 - gate.loads()["weight"][0]):
        await gate.admit({"weight": 1}, Lane.BULK)
    waiting = asyncio.ensure_future(gate.admit({"weight": 100}, Lane.BULK))
    await asyncio.sleep(0)
    assert not waiting.done()
    server.answers["DELETE", SPOT_ORDER] = {"orderId": 1, "status": "CANCELED", "symbol": "UNIUSDT"}
    await asyncio.wait_for(venue.cancel_order("UNI/USDT", "tsbabc1"), 5)
    assert not waiting.done()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)


@pytest.mark.parametrize("symbol", ["UNI/USDT", PERP])
async def test_fact_11_a_market_order_carries_a_size_and_never_a_price(
    symbol: str, venue: CcxtVenue, server: BinanceServer
) -> None:
    path = PERP_ORDER if ":" in symbol else SPOT_ORDER
    server.answers["POST", path] = placed
    await venue.submit_order(market(symbol))
    sent = server.last("POST", path).params
    assert (sent["type"], sent["quantity"]) == ("MARKET", "3")
    assert not {"price", "quoteOrderQty", "timeInForce"} & sent.keys()
    with pytest.raises(VenueRejected, match="market order with price"):
        await venue.submit_order(market(symbol, price=Decimal(10)))
    assert len(server.hits) == 1


async def test_fact_12_a_delete_on_a_dropped_kept_alive_connection_is_sent_once(
    venue: CcxtVenue, server: BinanceServer
) -> None:
    """aiohttp repeats DELETE when a reused connection drops; the repeat is stopped before it leaves."""
    server.answers["GET", SPOT_ORDER] = refusal(-2013, "Order does not exist.")
    await venue.fetch_order("UNI/USDT", "tsbabc1")
    server.drops.add(("DELETE", SPOT_ORDER))
    with pytest.raises(OutcomeUnknown):
        await venue.cancel_order("UNI/USDT", "tsbabc1")
    assert server.count("DELETE", SPOT_ORDER) == 1


async def test_fact_12_the_repeat_really_happens_without_the_guard(venue: CcxtVenue, server: BinanceServer) -> None:
    """Keeps the test above honest: the same drop through a bare aiohttp session arrives twice."""
    async with server.session() as session:
        async with session.get("https://api.binance.com/api/v3/time") as answer:
            await answer.read()
        server.drops.add(("DELETE", SPOT_ORDER))
        with pytest.raises(Exception, match=r"disconnected|reset"):
            await session.delete(f"https://api.binance.com{SPOT_ORDER}")
    assert server.count("DELETE", SPOT_ORDER) == 2


async def test_fact_12_a_read_is_not_repeated_with_its_old_stamp(venue: CcxtVenue, server: BinanceServer) -> None:
    """The repeat would pass the throttle and go into a ban; whoever reads tries again with a new stamp."""
    address = "https://api.binance.com/api/v3/time"
    session = venue._link.exchange.session
    async with session.get(address) as answer:
        await answer.read()
    server.drops.add(("GET", "/api/v3/time"))
    before = server.count("GET", "/api/v3/time")
    with pytest.raises(Exception, match="not sent a second time"):
        async with session.get(address) as answer:
            await answer.read()
    assert server.count("GET", "/api/v3/time") == before + 1


async def test_fact_02_a_truncated_answer_leaves_a_write_unknown(venue: CcxtVenue, server: BinanceServer) -> None:
    server.truncates.add(("POST", SPOT_ORDER))
    with pytest.raises(OutcomeUnknown):
        await venue.submit_order(request())
