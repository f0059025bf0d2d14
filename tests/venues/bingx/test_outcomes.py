"""What an answer of BingX to a write means: only a listed code says that it did not happen, only ids that it did."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from bot.domain.instrument import Side
from bot.domain.order import OrderType, TimeInForce
from bot.ports import OrderRequest, OutcomeUnknown, Rejection, ReportState, Unavailable, VenueRejected
from bot.venues.bingx.errors import BINGX_ERRORS, read_error
from bot.venues.ccxt.venue import CcxtVenue
from tests.venues.bingx.canned import (
    MODE,
    PERP,
    PERP_CANCEL,
    PERP_ORDER,
    PERP_QUERY,
    SPOT,
    SPOT_CANCEL,
    SPOT_ORDER,
    BingxSession,
    refusal,
    success,
)
from tests.venues.bybit.canned import NOW_MS, Reply
from tests.venues.bybit.test_outcomes import unhold

ID, NUMBER = "tsbabc00001010101a01", 1_735_950_529_123_455_488
ROWS = [
    (code, needle or "Whatever the venue says.", kind)
    for code, rows in BINGX_ERRORS.codes.items()
    for needle, kind in rows
    if code.isdigit()
]
MAYBE = (
    (100410, "The current system is busy, please try again later"),
    (100500, "The current system is busy, please try again later"),
    (109500, "internal server error"),
    (110500, "order system busy"),
    (100503, "service unavailable"),
    (109701, "network request exception"),
    (80012, '{"Code":100500,"Msg":"busy"}'),
    (500, ""),
    (504, "gateway timeout"),
    (999999, "a code nobody has listed"),
    (-1, ""),
)
PERP_ROW = {"symbol": "BTC-USDT", "orderId": NUMBER, "orderID": str(NUMBER), "clientOrderId": ID}
SPOT_ROW = {
    "symbol": "BTC-USDT",
    "orderId": NUMBER,
    "clientOrderID": ID,
    "origQty": "0.010",
    "executedQty": "0.004",
    "cummulativeQuoteQty": "200",
    "status": "PARTIALLY_FILLED",
    "type": "LIMIT",
    "side": "BUY",
    "price": "50000.1",
    "transactTime": NOW_MS,
}
NOT_PROVEN: tuple[Any, ...] = (
    "",
    "<html>maintenance</html>",
    "{}",
    "[]",
    "null",
    '{"code":0,"msg":"","data":{"order":{"orderId":17',
    success(),
    success({"order": {}}),
    success({"order": {**PERP_ROW, "orderId": "", "orderID": ""}}),
    success({"order": {**PERP_ROW, "orderId": "<html>", "orderID": ""}}),
    success({"order": {**PERP_ROW, "clientOrderId": "another"}}),
    success({"order": {**PERP_ROW, "clientOrderId": ""}}),
    success({"order": {**PERP_ROW, "symbol": "ETH-USDT"}}),
    {"msg": "", "data": {"order": PERP_ROW}},
    {"code": None, "data": {"order": PERP_ROW}},
    {"code": False, "data": {"order": PERP_ROW}},
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


@pytest.mark.parametrize(("code", "words", "kind"), ROWS)
async def test_a_listed_code_says_that_it_did_not_happen(
    code: str, words: str, kind: Rejection, venue: CcxtVenue, session: BingxSession
) -> None:
    session.answers[PERP_ORDER] = refusal(int(code), words)
    with pytest.raises(VenueRejected) as caught:
        await venue.submit_order(order())
    assert (caught.value.code, caught.value.kind) == (code, kind)
    assert len(session.sent) == 1


@pytest.mark.parametrize(("code", "words"), MAYBE)
async def test_every_other_code_of_a_write_is_unknown(
    code: int, words: str, venue: CcxtVenue, session: BingxSession
) -> None:
    for path, write in (
        (PERP_ORDER, lambda: venue.submit_order(order())),
        (SPOT_ORDER, lambda: venue.submit_order(order(SPOT))),
        (PERP_CANCEL, lambda: venue.cancel_order(PERP, ID)),
        (SPOT_CANCEL, lambda: venue.cancel_order(SPOT, ID)),
        ("POST /openApi/swap/v2/trade/marginType", lambda: venue.set_leverage(PERP, Decimal(5))),
        ("POST /openApi/swap/v2/trade/positionMargin", lambda: venue.move_margin(PERP, Decimal(5))),
        ("POST /openApi/api/asset/v1/transfer", lambda: venue.move_cash(Decimal(5), to_perp=True)),
    ):
        unhold(venue)
        session.answers[path] = refusal(code, words)
        with pytest.raises(OutcomeUnknown):
            await write()


@pytest.mark.parametrize("status", [408, 409, 500, 502, 503, 504])
async def test_a_listed_code_under_a_status_that_proves_nothing_is_unknown(
    status: int, venue: CcxtVenue, session: BingxSession
) -> None:
    for code, words, _ in ROWS:
        unhold(venue)
        session.answers[PERP_ORDER] = Reply(refusal(int(code), words), status)
        with pytest.raises(OutcomeUnknown):
            await venue.submit_order(order())


@pytest.mark.parametrize("body", NOT_PROVEN)
async def test_a_success_without_the_code_and_both_ids_is_unknown(
    body: Any, venue: CcxtVenue, session: BingxSession
) -> None:
    session.answers[PERP_ORDER] = session.answers[PERP_CANCEL] = Reply(body)
    with pytest.raises(OutcomeUnknown):
        await venue.submit_order(order())
    with pytest.raises(OutcomeUnknown):
        await venue.cancel_order(PERP, ID)
    assert len(session.sent) == 2


async def test_a_perp_order_is_acknowledged_and_a_spot_order_says_how_it_stands(
    venue: CcxtVenue, session: BingxSession
) -> None:
    session.answers[PERP_ORDER] = success({"order": PERP_ROW})
    session.answers[SPOT_ORDER] = success(SPOT_ROW)
    report = await venue.submit_order(order())
    assert (report.state, report.filled_size, report.venue_id) == (ReportState.OPEN, 0, str(NUMBER))
    report = await venue.submit_order(order(SPOT))
    assert (report.state, report.filled_size, report.client_id) == (ReportState.OPEN, Decimal("0.004"), ID)
    assert len(session.sent) == 2


async def test_a_cancel_that_is_still_pending_is_no_proof(venue: CcxtVenue, session: BingxSession) -> None:
    session.answers[PERP_CANCEL] = success({"order": {**PERP_ROW, "status": "PENDING"}})
    with pytest.raises(OutcomeUnknown, match="without showing"):
        await venue.cancel_order(PERP, ID)
    session.answers[PERP_CANCEL] = success({"order": {**PERP_ROW, "status": "CANCELLED"}})
    await venue.cancel_order(PERP, ID)


async def test_a_transfer_is_refused_in_a_shape_of_its_own(venue: CcxtVenue, session: BingxSession) -> None:
    path = "POST /openApi/api/asset/v1/transfer"
    session.answers[path] = {"transferErrorMsg": "Insufficient assets"}
    with pytest.raises(VenueRejected) as caught:
        await venue.move_cash(Decimal(10), to_perp=True)
    assert caught.value.kind is Rejection.FUNDS
    session.answers[path] = {"transferErrorMsg": "something else"}
    with pytest.raises(OutcomeUnknown):
        await venue.move_cash(Decimal(10), to_perp=True)


async def test_too_many_requests_hold_the_next_ones_for_ten_seconds(venue: CcxtVenue, session: BingxSession) -> None:
    session.answers[PERP_ORDER] = refusal(100410, "rate limited")
    with pytest.raises(VenueRejected) as caught:
        await venue.submit_order(order())
    assert caught.value.kind is Rejection.RATE_LIMIT
    (held,) = venue.held_seconds().values()
    assert 9 < held <= 10


async def test_hedge_mode_is_seen_in_every_reading_of_the_account(venue: CcxtVenue, session: BingxSession) -> None:
    held = {
        "symbol": "BTC-USDT",
        "positionAmt": "0.01",
        "positionSide": "SHORT",
        "isolated": True,
        "avgPrice": "50000",
        "markPrice": "50000",
        "margin": "100",
    }
    session.answers["GET /openApi/swap/v2/user/positions"] = success([held])
    for said in (True, "true"):
        session.answers[MODE] = success({"dualSidePosition": said})
        account = await venue.fetch_account()
        assert account.positions[PERP].size < 0
        assert "one-way mode" in account.unreadable[f"perp:{PERP}"]
    session.answers[MODE] = success({"dualSidePosition": False})
    account = await venue.fetch_account()
    assert account.unreadable == {}
    assert (account.cash, account.perp_wallet, account.perp_free) == (
        Decimal("1000.5"),
        Decimal("1000.5"),
        Decimal("880.2"),
    )


async def test_an_order_is_asked_for_by_the_spelling_of_its_market(venue: CcxtVenue, session: BingxSession) -> None:
    spot_query = "GET /openApi/spot/v1/trade/query"
    session.answers[PERP_QUERY] = refusal(109421, "order not exist")
    session.answers[spot_query] = success({**SPOT_ROW, "updateTime": NOW_MS})
    assert await venue.fetch_order(PERP, ID) is None
    report = await venue.fetch_order(SPOT, ID)
    assert report is not None
    assert report.filled_quote == 200
    asked = {sent.path: sent.query for sent in session.sent}
    assert f"clientOrderId={ID}" in asked["/openApi/swap/v2/trade/order"]
    assert f"clientOrderID={ID}" in asked["/openApi/spot/v1/trade/query"]
    assert "None" not in "".join(asked.values())
    session.answers[PERP_QUERY] = refusal(100500, "busy")
    with pytest.raises(Unavailable):
        await venue.fetch_order(PERP, ID)


def test_bodies_that_are_no_refusal_have_no_code() -> None:
    for body in ("", "{}", "[]", "null", "<html>", '{"code":0,"x":1}', '{"code":"0"}', '{"code":true}'):
        assert read_error(body) == ("", "")
    assert read_error('{"msg": "no", "code": 100410}') == ("100410", "no")
    assert read_error('{"transferErrorMsg":"no"}') == ("transferErrorMsg", "no")
