"""The wire: one admission per HTTP request, the venue's counts adopted, silence obeyed, nothing sent twice."""

import asyncio
from collections.abc import Callable
from decimal import Decimal

import pytest
import tenacity

from bot.ports import URGENT, Lane, OutcomeUnknown, Rejection, Unavailable, VenueRejected
from bot.venues.ccxt.error_table import read_retry_after
from bot.venues.ccxt.venue import CcxtVenue, ConnectionRules, Seams
from bot.venues.ccxt.wire import _ATTEMPT
from tests.venues.binance_server import NOW_MS, BinanceServer, Canned, placed, refusal
from tests.venues.conftest import SYMBOLS, endless_waits
from tests.venues.orders import ALGO_ORDER, PERP_ORDER, SPOT_ORDER, request, stop

PERP = "UNI/USDT:USDT"


def used(venue: CcxtVenue, market: str, bucket: str) -> int:
    return venue._link.wire.gates[market].loads()[bucket][0]


@pytest.mark.parametrize(
    ("market", "weight", "read"),
    [
        ("spot", 5, lambda v: v.fetch_book("UNI/USDT", 100)),
        ("spot", 4, lambda v: v.fetch_order("UNI/USDT", "tsbabc1")),
        ("spot", 6, lambda v: v.fetch_open_orders(["UNI/USDT"])),
        ("usdm", 2, lambda v: v.fetch_open_orders([PERP])),
        ("usdm", 1, lambda v: v.fetch_order(PERP, "tsbabc1")),
        ("usdm", 30, lambda v: v.fetch_payments(0)),
    ],
)
async def test_a_read_costs_the_venues_weight_once(
    market: str, weight: int, read: Callable[[CcxtVenue], object], venue: CcxtVenue, server: BinanceServer
) -> None:
    server.answers["GET", "/api/v3/depth"] = {"bids": [["1", "1"]], "asks": [["2", "1"]]}
    server.answers["GET", SPOT_ORDER] = server.answers["GET", PERP_ORDER] = refusal(-2013, "Order does not exist.")
    server.answers["GET", "/fapi/v1/income"] = []
    before = used(venue, market, "weight")
    try:
        await read(venue)  # type: ignore[misc]
    except Unavailable:
        assert weight == 1
    assert used(venue, market, "weight") - before == weight


async def test_every_http_request_passes_the_gate_exactly_once(
    make_venue: Callable[..., CcxtVenue], server: BinanceServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    venue = make_venue()
    await venue._link.open()
    passes: list[str] = []
    for market, gate in venue._link.wire.gates.items():

        def counting(costs: object, lane: object, market: str = market) -> object:
            passes.append(market)
            return asyncio.sleep(0)

        monkeypatch.setattr(gate, "admit", counting)
    server.hits.clear()
    await venue.fetch_instruments(SYMBOLS)
    await venue.fetch_account()
    await venue.fetch_quotes(SYMBOLS)
    server.answers["POST", SPOT_ORDER] = placed
    await venue.submit_order(request())
    assert len(passes) == len(server.hits) >= 9


@pytest.mark.parametrize(("symbol", "path"), [("UNI/USDT", SPOT_ORDER), (PERP, PERP_ORDER), (PERP, ALGO_ORDER)])
async def test_an_admitted_order_passes_without_a_second_wait_and_is_counted_once(
    symbol: str, path: str, venue: CcxtVenue, server: BinanceServer
) -> None:
    server.answers["POST", path] = placed
    market = "usdm" if ":" in symbol else "spot"
    before = used(venue, market, "orders_10s")
    await venue.admit(symbol, Lane.BULK)
    gate = venue._link.wire.gates[market]
    for _ in range(gate.loads()["weight"][1] - gate.loads()["weight"][0]):
        await gate.admit({"weight": 1}, Lane.CRITICAL)
    sent = stop() if path == ALGO_ORDER else request(symbol)
    await asyncio.wait_for(venue.submit_order(sent), 5)
    assert used(venue, market, "orders_10s") - before == 1


async def test_an_admission_pays_for_one_order_only(venue: CcxtVenue, server: BinanceServer) -> None:
    server.answers["POST", PERP_ORDER] = placed
    await venue.admit(PERP, Lane.CRITICAL)
    await venue.submit_order(request(PERP))
    await venue.submit_order(request(PERP))
    assert used(venue, "usdm", "orders_1m") == 2


async def test_setting_leverage_does_not_spend_the_admission_of_the_order_after_it(
    venue: CcxtVenue, server: BinanceServer
) -> None:
    server.answers["POST", "/fapi/v1/marginType"] = {"code": 200, "msg": "success"}
    server.answers["POST", "/fapi/v1/leverage"] = {"leverage": 5, "symbol": "UNIUSDT"}
    server.answers["POST", PERP_ORDER] = placed
    await venue.admit(PERP, Lane.CRITICAL)
    await venue.set_leverage(PERP, Decimal(5))
    await venue.submit_order(request(PERP))
    assert used(venue, "usdm", "orders_1m") == 1


async def test_usdm_orders_cost_no_weight_on_the_wire(venue: CcxtVenue, server: BinanceServer) -> None:
    server.answers["POST", PERP_ORDER] = placed
    before = used(venue, "usdm", "weight")
    await venue.submit_order(request(PERP))
    assert used(venue, "usdm", "weight") == before


async def test_the_venues_own_counts_are_adopted_from_headers(venue: CcxtVenue, server: BinanceServer) -> None:
    headers = {"X-MBX-USED-WEIGHT-1M": "1234", "X-MBX-ORDER-COUNT-10S": "17"}
    server.answers["POST", SPOT_ORDER] = Canned(400, '{"code":-1013,"msg":"Filter failure: NOTIONAL"}', headers)
    with pytest.raises(VenueRejected):
        await venue.submit_order(request())
    assert used(venue, "spot", "weight") == 1234
    assert used(venue, "spot", "orders_10s") == 17
    assert used(venue, "usdm", "orders_10s") == 0


@pytest.mark.parametrize(("status", "code"), [(429, -1003), (418, -1003), (429, -1015), (400, -1015)])
async def test_a_rate_limit_answer_silences_the_market_for_as_long_as_the_venue_says(
    status: int, code: int, venue: CcxtVenue, server: BinanceServer
) -> None:
    server.answers["POST", SPOT_ORDER] = refusal(code, "Too many requests.", status, **{"Retry-After": "77"})
    with pytest.raises(VenueRejected) as caught:
        await venue.submit_order(request())
    assert caught.value.kind is Rejection.RATE_LIMIT
    assert 70 < venue._link.wire.gates["spot"].held_s <= 77
    assert venue._link.wire.gates["usdm"].held_s == 0
    server.hits.clear()
    with pytest.raises(Unavailable, match="silence") as silence:
        await venue.fetch_order("UNI/USDT", "tsbabc1")
    assert silence.value.retry_after is not None
    assert server.hits == []


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7),
        ("1.5", 1.5),
        ("0", 1),
        (" 20 ", 20),
        ("86400", 86_400),
        ("99999999999", 259_200),
        ("Fri, 15 Jan 2027 08:02:00 GMT", 120),
        ("Thu, 14 Jan 2027 08:00:00 GMT", 1),
        ("Fri, 01 Jan 9999 00:00:00 GMT", 259_200),
        ("1" * 400, None),
        ("-5", None),
        ("nan", None),
        ("inf", None),
        ("soon", None),
        ("", None),
        ("12 s", None),
        ("0x10", None),
    ],
)
def test_every_form_of_retry_after_is_read_or_known_to_be_unreadable(value: str, seconds: float | None) -> None:
    assert read_retry_after(value, NOW_MS) == seconds


@pytest.mark.parametrize("value", ["-5", "soon", "", "nan"])
async def test_an_unreadable_retry_after_is_a_hold_of_the_usual_length(
    value: str, make_venue: Callable[..., CcxtVenue], server: BinanceServer
) -> None:
    now_s = [0.0]

    async def sleep(seconds: float) -> None:
        now_s[0] += seconds

    venue = make_venue(rules=ConnectionRules(read_attempts=1, seams=Seams(monotonic=lambda: now_s[0], sleep=sleep)))
    await venue.open()
    await venue.fetch_instruments(SYMBOLS)
    server.answers["GET", "/api/v3/depth"] = refusal(-1003, "Too many requests.", 429, **{"Retry-After": value})
    with pytest.raises(Unavailable):
        await venue.fetch_book("UNI/USDT", 5)
    assert venue.held_seconds() == {"spot": pytest.approx(30)}


@pytest.mark.parametrize("status", [429, 418])
async def test_a_day_of_silence_leaves_cancels_unless_it_is_a_ban(
    status: int, make_venue: Callable[..., CcxtVenue], server: BinanceServer
) -> None:
    now_s = [0.0]

    async def sleep(seconds: float) -> None:
        now_s[0] += seconds

    venue = make_venue(rules=ConnectionRules(seams=Seams(monotonic=lambda: now_s[0], sleep=sleep)))
    await venue.open()
    await venue.fetch_instruments(SYMBOLS)
    server.answers["GET", "/api/v3/depth"] = refusal(-1003, "Too many.", status, **{"Retry-After": "86400"})
    with pytest.raises(Unavailable):
        await venue.fetch_book("UNI/USDT", 5)
    now_s[0] += 61
    server.hits.clear()
    with pytest.raises(Unavailable, match="silence"):
        await venue.fetch_order("UNI/USDT", "tsbabc1")
    server.answers["DELETE", SPOT_ORDER] = server.answers["GET", SPOT_ORDER] = refusal(-2011, "Unknown order sent.")
    token = URGENT.set(True)
    try:
        if status == 418:
            with pytest.raises(Unavailable, match="silence"):
                await venue.admit("UNI/USDT", Lane.CRITICAL)
            assert server.hits == []
            return
        await venue.admit("UNI/USDT", Lane.CRITICAL)
        with pytest.raises(VenueRejected) as caught:
            await venue.cancel_order("UNI/USDT", "tsbabc1")
        assert caught.value.kind is Rejection.NOT_FOUND
        assert await venue.fetch_order("UNI/USDT", "tsbabc1") is None
    finally:
        URGENT.reset(token)
    assert server.routes() == [("DELETE", SPOT_ORDER), ("GET", SPOT_ORDER)]
    await venue.admit(PERP, Lane.BULK)


async def test_what_a_guard_reads_does_not_wait_for_the_share_of_ordinary_reads(
    make_venue: Callable[..., CcxtVenue], server: BinanceServer
) -> None:
    venue = make_venue(rules=ConnectionRules(seams=endless_waits()))
    await venue.open()
    await venue.fetch_instruments(SYMBOLS)
    gate = venue._link.wire.gates["spot"]
    room = gate._buckets["weight"].spec.limit * 4 // 5 - used(venue, "spot", "weight")
    await gate.admit({"weight": room}, Lane.BULK)
    server.answers["GET", SPOT_ORDER] = refusal(-2013, "Order does not exist.")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await venue.fetch_order("UNI/USDT", "tsbabc1")
    token = URGENT.set(True)
    try:
        async with asyncio.timeout(5):
            assert await venue.fetch_order("UNI/USDT", "tsbabc1") is None
    finally:
        URGENT.reset(token)


async def test_a_ban_without_header_is_read_from_its_message(venue: CcxtVenue, server: BinanceServer) -> None:
    until = venue.now_ms() + 120_000
    server.answers["GET", "/api/v3/depth"] = refusal(-1003, f"Way too many; IP banned until {until}.", 418)
    with pytest.raises(Unavailable) as caught:
        await venue.fetch_book("UNI/USDT", 5)
    assert caught.value.retry_after == pytest.approx(120, abs=2)
    assert server.count("GET", "/api/v3/depth") == 1


async def test_an_admitted_write_does_not_leave_while_the_venue_asks_for_silence(
    venue: CcxtVenue, server: BinanceServer
) -> None:
    await venue.admit("UNI/USDT", Lane.CRITICAL)
    venue._link.wire.gates["spot"].hold(5)
    with pytest.raises(VenueRejected) as caught:
        await venue.submit_order(request())
    assert caught.value.kind is Rejection.RATE_LIMIT
    assert server.hits == []


@pytest.mark.parametrize(("symbol", "path"), [("UNI/USDT", SPOT_ORDER), (PERP, PERP_ORDER)])
async def test_a_post_on_a_dropped_connection_arrives_once(
    symbol: str, path: str, venue: CcxtVenue, server: BinanceServer
) -> None:
    await venue.fetch_account()
    server.drops.add(("POST", path))
    with pytest.raises(OutcomeUnknown):
        await venue.submit_order(request(symbol))
    assert server.count("POST", path) == 1


async def test_a_cancelled_task_keeps_its_cancellation(venue: CcxtVenue, server: BinanceServer) -> None:
    task = asyncio.ensure_future(venue.submit_order(request()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_facts_of_concurrent_failures_are_not_mixed_up(venue: CcxtVenue, server: BinanceServer) -> None:
    server.answers["POST", SPOT_ORDER] = refusal(-1013, "Filter failure: LOT_SIZE")
    server.answers["POST", PERP_ORDER] = refusal(-2019, "Margin is insufficient.")
    results = await asyncio.gather(
        *(venue.submit_order(request(symbol)) for symbol in ("UNI/USDT", PERP) * 8), return_exceptions=True
    )
    kinds = [result.kind for result in results if isinstance(result, VenueRejected)]
    assert kinds == [Rejection.FILTER, Rejection.FUNDS] * 8


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_not_followed_by_a_write_nor_by_a_read(
    status: int, venue: CcxtVenue, server: BinanceServer
) -> None:
    away = Canned(status, "", {"Location": "https://api.binance.com/elsewhere"})
    server.answers["POST", SPOT_ORDER] = server.answers["GET", "/api/v3/depth"] = away
    with pytest.raises(OutcomeUnknown):
        await venue.submit_order(request())
    with pytest.raises(Unavailable):
        await venue.fetch_book("UNI/USDT", 5)
    assert not [hit for hit in server.hits if hit.path == "/elsewhere"]


async def test_history_is_not_asked_further_back_than_the_venue_keeps_it(
    venue: CcxtVenue, server: BinanceServer
) -> None:
    server.answers["GET", "/fapi/v1/userTrades"] = []
    assert await venue.fetch_fills(PERP, 0) == ()
    assert server.count("GET", "/fapi/v1/userTrades") == 13


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_a_write_that_is_not_answered_in_time_is_unknown_and_was_sent_once(
    method: str, venue: CcxtVenue, server: BinanceServer
) -> None:
    server.silent.add((method, PERP_ORDER))
    venue._link.exchange.timeout = 200
    with pytest.raises(OutcomeUnknown, match="RequestTimeout"):
        await (venue.submit_order(request(PERP)) if method == "POST" else venue.cancel_order(PERP, "tsbabc1"))
    assert server.count(method, PERP_ORDER) == 1


async def test_an_endpoint_that_is_not_there_is_not_asked_again(venue: CcxtVenue, server: BinanceServer) -> None:
    with pytest.raises(Unavailable, match="HTTP 404"):
        await venue.fetch_open_interest(PERP)
    assert server.count("GET", "/fapi/v1/openInterest") == 1


@pytest.mark.parametrize(("failures", "calls", "pauses", "machines"), [(0, 1, 0, 0), (1, 2, 1, 1), (3, 3, 2, 1)])
async def test_a_read_is_tried_as_often_as_allowed_and_what_repeats_is_made_after_a_failure(
    failures: int, calls: int, pauses: int, machines: int, venue: CcxtVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, waited, wire = list[object](), list[float](), venue._link.wire
    make = tenacity.AsyncRetrying

    def retrying(*arguments: object, **named: object) -> object:
        made.append(named)
        return make(*arguments, **named)  # type: ignore[arg-type]

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    async def ask() -> str:
        asked.append("")
        if len(asked) <= failures:
            _ATTEMPT.get().was_sent = True  # type: ignore[union-attr]
            raise TimeoutError(f"number {len(asked)}")
        return "answer"

    asked: list[str] = []
    monkeypatch.setattr("bot.venues.ccxt.wire.AsyncRetrying", retrying)
    monkeypatch.setattr(wire, "_sleep", sleep)
    if failures < calls:
        assert await wire.read(ask) == "answer"
    else:
        with pytest.raises(Unavailable):
            await wire.read(ask)
    assert (len(asked), len(waited), len(made)) == (calls, pauses, machines)
