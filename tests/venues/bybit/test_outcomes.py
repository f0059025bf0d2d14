"""What an answer of Bybit to a write means: only a listed code says that it did not happen, only ids that it did."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from bot.domain.instrument import Side
from bot.domain.order import OrderType, TimeInForce
from bot.ports import NotListed, OrderRequest, OutcomeUnknown, Rejection, ReportState, Unavailable, VenueRejected
from bot.venues.bybit.errors import BYBIT_ERRORS, read_error
from bot.venues.ccxt.venue import CcxtVenue
from tests.venues.bybit.canned import NOW_MS, PERP, SPOT, CannedSession, Reply, refusal, success

CREATE, CANCEL = "POST /v5/order/create", "POST /v5/order/cancel"
ID = "tsbabc00001010101a01"
ROWS = [
    (code, needle or "Whatever the venue says.", kind)
    for code, rows in BYBIT_ERRORS.codes.items()
    for needle, kind in rows
]
MAYBE = (-1, 429, 10000, 10016, 10429, 110079, 170001, 170007, 170032, 170146, 170147, 3400214, 999999)
NOT_PROVEN: tuple[Any, ...] = (
    "",
    "<html>maintenance</html>",
    "{}",
    "[]",
    "null",
    '{"retCode":0,"retMsg":"OK","result":{"orderId":"13',
    success(),
    success({"orderId": "", "orderLinkId": ID}),
    success({"orderId": None, "orderLinkId": ID}),
    success({"orderId": "1321003749386327552"}),
    success({"orderId": "1321003749386327552", "orderLinkId": "another"}),
    success({"orderId": "<html>", "orderLinkId": ID}),
    {"retMsg": "OK", "result": {"orderId": "1", "orderLinkId": ID}},
    {"retCode": None, "retMsg": "OK", "result": {"orderId": "1", "orderLinkId": ID}},
    {"retCode": False, "retMsg": "OK", "result": {"orderId": "1", "orderLinkId": ID}},
    {"ret_code": 0, "result": {"orderId": "1", "orderLinkId": ID}},
    {"retCode": 30084, "retMsg": "ccxt takes this code for a success", "result": {"orderId": "1", "orderLinkId": ID}},
)


def order(symbol: str = PERP, **changes: Any) -> OrderRequest:
    base = OrderRequest(
        client_id=ID,
        symbol=symbol,
        side=Side.BUY,
        size=Decimal("0.010"),
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.IOC,
        stamp_ms=NOW_MS - 900,
        receive_window_ms=5_000,
        price=Decimal("50000.1"),
    )
    return replace(base, **changes)


def unhold(venue: CcxtVenue) -> None:
    for gate in venue._link.wire.gates.values():
        gate._held_until = gate._critical_until = 0.0
        for bucket in gate._buckets.values():
            for window in (bucket.total, *bucket._shares.values()):
                window._task_logs.clear()


@pytest.mark.parametrize("symbol", [SPOT, PERP])
async def test_every_listed_code_is_a_refusal_inside_a_200(
    symbol: str, venue: CcxtVenue, session: CannedSession
) -> None:
    for code, message, kind in ROWS:
        unhold(venue)
        session.answers[CREATE] = refusal(int(code), message)
        with pytest.raises(VenueRejected) as caught:
            await venue.submit_order(order(symbol))
        assert (caught.value.code, caught.value.kind) == (code, kind)
    assert len(session.of("/v5/order/create")) == len(ROWS)


@pytest.mark.parametrize("code", MAYBE)
async def test_a_code_that_is_not_listed_is_unknown_whatever_class_ccxt_gives_it(
    code: int, venue: CcxtVenue, session: CannedSession
) -> None:
    for path, write in (
        (CREATE, lambda: venue.submit_order(order())),
        (CANCEL, lambda: venue.cancel_order(PERP, ID)),
        ("POST /v5/position/set-leverage", lambda: venue.set_leverage(PERP, Decimal(5))),
        ("POST /v5/position/add-margin", lambda: venue.move_margin(PERP, Decimal(5))),
    ):
        unhold(venue)
        session.answers[path] = refusal(code)
        with pytest.raises(OutcomeUnknown):
            await write()


@pytest.mark.parametrize("status", [408, 409, 500, 502, 503, 504])
async def test_a_listed_code_under_a_status_that_proves_nothing_is_unknown(
    status: int, venue: CcxtVenue, session: CannedSession
) -> None:
    for code, message, _ in ROWS:
        unhold(venue)
        session.answers[CREATE] = Reply(refusal(int(code), message), status)
        with pytest.raises(OutcomeUnknown):
            await venue.submit_order(order())


@pytest.mark.parametrize("body", NOT_PROVEN)
async def test_a_success_without_the_code_and_both_ids_is_unknown(
    body: Any, venue: CcxtVenue, session: CannedSession
) -> None:
    session.answers[CREATE] = session.answers[CANCEL] = Reply(body)
    with pytest.raises(OutcomeUnknown):
        await venue.submit_order(order())
    with pytest.raises(OutcomeUnknown):
        await venue.cancel_order(PERP, ID)
    assert len(session.sent) == 2


async def test_an_acknowledged_order_is_open_and_no_more_is_claimed(venue: CcxtVenue, session: CannedSession) -> None:
    session.answers[CREATE] = success({"orderId": "9a8b7c6d-0000-4000-8000-000000000001", "orderLinkId": ID})
    report = await venue.submit_order(order())
    assert (report.state, report.filled_size, report.client_id) == (ReportState.OPEN, 0, ID)
    assert report.venue_id == "9a8b7c6d-0000-4000-8000-000000000001"
    assert len(session.sent) == 1


async def test_a_403_is_a_refusal_that_silences_every_request_for_ten_minutes(
    venue: CcxtVenue, session: CannedSession
) -> None:
    session.answers[CREATE] = Reply("403 Forbidden: access too frequent", 403)
    with pytest.raises(VenueRejected) as caught:
        await venue.submit_order(order())
    assert caught.value.kind is Rejection.RATE_LIMIT
    (held,) = venue.held_seconds().values()
    assert 590 < held <= 600
    session.sent.clear()
    with pytest.raises(VenueRejected) as caught:
        await venue.cancel_order(PERP, ID)
    assert caught.value.code == "not sent"
    with pytest.raises(Unavailable):
        await venue.fetch_account()
    assert session.sent == []


async def test_a_limit_of_an_endpoint_is_waited_for_as_long_as_its_header_says(
    venue: CcxtVenue, session: CannedSession
) -> None:
    headers = {"X-Bapi-Limit-Reset-Timestamp": str(NOW_MS + 2_500)}
    session.answers[CREATE] = Reply(refusal(10006, "Too many visits!"), 200, headers)
    with pytest.raises(VenueRejected) as caught:
        await venue.submit_order(order())
    assert caught.value.kind is Rejection.RATE_LIMIT
    (held,) = venue.held_seconds().values()
    assert 2 < held <= 2.5


async def test_what_the_venue_has_left_of_an_endpoint_counts_against_that_endpoint_alone(
    venue: CcxtVenue, session: CannedSession
) -> None:
    headers = {"X-Bapi-Limit": "20", "X-Bapi-Limit-Status": "13"}
    session.answers[CREATE] = Reply(success({"orderId": "1", "orderLinkId": ID}), 200, headers)
    await venue.submit_order(order())
    loads = venue._link.wire.gates["v5"].loads()
    assert loads["create"][0] == 7
    assert loads["cancel"][0] == loads["realtime"][0] == 0


def test_bodies_that_are_no_refusal_have_no_code() -> None:
    for body in ("", "{}", "[]", "null", "<html>", '{"retCode":0,"x":1}', '{"retCode":"0"}', '{"retCode":true}'):
        assert read_error(body) == ("", "")
    assert read_error('{"retMsg": "no", "retCode": 10001}') == ("10001", "no")
    assert read_error('{"retCode":"10001","retMsg":"no"}') == ("10001", "no")


@pytest.mark.parametrize(
    ("symbol", "code", "words", "is_unlisted"),
    [
        (PERP, 10001, "params error: symbol invalid", True),
        (PERP, 10001, "params error: Symbol Invalid", True),
        (PERP, 10001, "Not supported symbols", True),
        (SPOT, 170121, "Invalid symbol.", True),
        (PERP, 10001, "params error: qty invalid", False),
        (PERP, 110007, "symbol invalid", False),
        (PERP, 10001, "params error", False),
    ],
)
async def test_a_symbol_that_the_venue_does_not_know_is_not_listed(
    symbol: str, code: int, words: str, is_unlisted: bool, venue: CcxtVenue, session: CannedSession
) -> None:
    """Perps have no code of their own for it: an order in a perp that the venue removed stayed in doubt for ever."""
    session.answers |= dict.fromkeys(("GET /v5/order/realtime", "GET /v5/order/history"), refusal(code, words))
    with pytest.raises(Unavailable, match=words) as error:
        await venue.fetch_order(symbol, ID)
    assert isinstance(error.value, NotListed) is is_unlisted
