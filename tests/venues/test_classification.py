"""Every row of the classification table, through unmodified ccxt, over the wire."""

from collections.abc import Callable

import pytest

from bot.ports import OutcomeUnknown, Rejection, Unavailable, VenueRejected
from bot.venues.binance.errors import BINANCE_ERRORS, read_error
from bot.venues.ccxt.errors import ReadRefused
from bot.venues.ccxt.venue import CcxtVenue, ConnectionRules
from bot.venues.ccxt.wire import OnceSession
from tests.venues.binance_server import BinanceServer, Canned, refusal
from tests.venues.orders import PERP_ORDER, SPOT_ORDER, request

PERP = "UNI/USDT:USDT"
ROWS = [
    (code, needle or "Whatever the venue says.", kind)
    for code, rows in BINANCE_ERRORS.codes.items()
    for needle, kind in rows
]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('\r\n {"code":-1121,"msg":"Invalid symbol."}', ("-1121", "Invalid symbol.")),
        ('{"code":-1121,', ("", "")),
        ('[{"code":-1121,"msg":"Invalid symbol."}]', ("", "")),
        ('"code"', ("", "")),
        ("", ("", "")),
    ],
)
def test_a_refusal_is_an_object_and_nothing_else(body: str, said: tuple[str, str]) -> None:
    assert read_error(body) == said


@pytest.mark.parametrize(("symbol", "path"), [("UNI/USDT", SPOT_ORDER), (PERP, PERP_ORDER)])
async def test_every_code_of_the_table_is_a_rejection_of_its_kind_at_both_hosts(
    symbol: str, path: str, venue: CcxtVenue, server: BinanceServer
) -> None:
    for code, message, kind in ROWS:
        for gate in venue._link.wire.gates.values():
            gate._held_until = gate._critical_until = 0.0
        server.answers["POST", path] = refusal(int(code), message)
        with pytest.raises(VenueRejected) as caught:
            await venue.submit_order(request(symbol))
        assert (caught.value.code, caught.value.kind) == (code, kind), (code, message)
    assert server.count("POST", path) == len(ROWS)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408, 409, 200])
async def test_no_code_is_a_rejection_when_its_status_is_not_a_plain_4xx(
    status: int, venue: CcxtVenue, server: BinanceServer
) -> None:
    for code, message, _ in ROWS:
        for gate in venue._link.wire.gates.values():
            gate._held_until = gate._critical_until = 0.0
        server.answers["POST", PERP_ORDER] = refusal(int(code), message, status)
        with pytest.raises(OutcomeUnknown):
            await venue.submit_order(request(PERP))


@pytest.mark.parametrize(("status", "kind"), list(BINANCE_ERRORS.statuses.items()))
@pytest.mark.parametrize("text", ["<html>go away</html>", '{"code":-99999,"msg":"strange"}'])
async def test_statuses_that_mean_not_executed_do_so_whatever_the_body_says(
    status: int, kind: Rejection, text: str, venue: CcxtVenue, server: BinanceServer
) -> None:
    server.answers["POST", SPOT_ORDER] = Canned(status, text)
    with pytest.raises(VenueRejected) as caught:
        await venue.submit_order(request())
    assert caught.value.kind is kind


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("Account has insufficient balance for requested action.", Rejection.FUNDS),
        ("Duplicate order sent.", Rejection.DUPLICATE_ID),
        ("Order would immediately match and take.", Rejection.WOULD_TAKE),
        ("Market is closed.", Rejection.MARKET_CLOSED),
        ("This action is disabled on this account.", Rejection.AUTHENTICATION),
        ("Order would trigger immediately.", Rejection.OTHER),
        ("A reason of tomorrow.", Rejection.OTHER),
    ],
)
async def test_the_venues_own_sentences_under_2010_are_told_apart(
    message: str, kind: Rejection, venue: CcxtVenue, server: BinanceServer
) -> None:
    server.answers["POST", SPOT_ORDER] = refusal(-2010, message)
    with pytest.raises(VenueRejected) as caught:
        await venue.submit_order(request())
    assert caught.value.kind is kind


async def test_2015_stays_an_authentication_error_after_earlier_successes(
    venue: CcxtVenue, server: BinanceServer
) -> None:
    """ccxt calls it DDoSProtection once a private call has succeeded; the code decides here."""
    await venue.fetch_account()
    server.answers["POST", SPOT_ORDER] = refusal(-2015, "Invalid API-key, IP, or permissions for action.", 401)
    with pytest.raises(VenueRejected) as caught:
        await venue.submit_order(request())
    assert caught.value.kind is Rejection.AUTHENTICATION


async def test_a_refused_connection_proves_that_nothing_was_sent(venue: CcxtVenue, server: BinanceServer) -> None:
    await server.stop()
    async with server.session() as fresh:
        venue._link.exchange.session = OnceSession(fresh)
        with pytest.raises(VenueRejected, match="not sent"):
            await venue.submit_order(request())


async def test_no_time_out_is_shorter_than_the_venues_own(make_venue: Callable[..., CcxtVenue]) -> None:
    with pytest.raises(ValueError, match="at least 15000"):
        ConnectionRules(timeout_ms=10_000)
    assert make_venue()._link.rules.timeout_ms >= 15_000


async def test_reads_are_tried_again_only_while_the_venue_is_unavailable(
    venue: CcxtVenue, server: BinanceServer
) -> None:
    path = "/api/v3/depth"
    server.answers["GET", path] = Canned(503, "Service Unavailable.", content_type="text/plain")
    with pytest.raises(Unavailable):
        await venue.fetch_book("UNI/USDT", 5)
    assert server.count("GET", path) == 3
    server.hits.clear()
    server.answers["GET", path] = refusal(-1121, "Invalid symbol.")
    with pytest.raises(ReadRefused):
        await venue.fetch_book("UNI/USDT", 5)
    assert server.count("GET", path) == 1


async def test_a_read_comes_through_when_the_venue_recovers(venue: CcxtVenue, server: BinanceServer) -> None:
    answers = iter([Canned(200, "<html>"), Canned(502, "")])
    good = {"lastUpdateId": 1, "bids": [["999", "1"], ["1000", "2"]], "asks": [["1001", "1"]]}
    server.answers["GET", "/api/v3/depth"] = lambda _: next(answers, good)
    assert (await venue.fetch_book("UNI/USDT", 5)).asks
    assert server.count("GET", "/api/v3/depth") == 3


async def test_errors_say_what_happened_without_query_or_signature(venue: CcxtVenue, server: BinanceServer) -> None:
    server.drops.add(("POST", SPOT_ORDER))
    server.answers["POST", PERP_ORDER] = Canned(500, "<html>oops</html>")
    for symbol in ("UNI/USDT", PERP):
        with pytest.raises(OutcomeUnknown) as caught:
            await venue.submit_order(request(symbol))
        assert "signature" not in str(caught.value)
        assert "?" not in str(caught.value)
        assert str(caught.value)
