"""What an answer of WEEX to a write means: only a listed code says that it did not happen, only ids that it did."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from bot.domain.instrument import Side
from bot.domain.order import OrderType, TimeInForce
from bot.ports import OrderRequest, OutcomeUnknown, Rejection, ReportState, Unavailable, VenueRejected
from bot.venues.ccxt.venue import CcxtVenue
from bot.venues.weex.errors import DUPLICATE_WORDS, FUNDS_WORDS, WEEX_ERRORS, read_error
from tests.venues.bybit.canned import NOW_MS, Reply
from tests.venues.bybit.test_outcomes import unhold
from tests.venues.weex.canned import (
    ALGO_CANCEL,
    ALGO_ORDER,
    CONFIG,
    DONE,
    LEVERAGE,
    MARGIN,
    MARGIN_TYPE,
    OPEN_ALGO,
    PERP,
    PERP_CANCEL,
    PERP_ORDER,
    POSITIONS,
    SPOT,
    SPOT_CANCEL,
    SPOT_ORDER,
    WeexSession,
    algo_row,
    config_row,
    position_row,
    refusal,
    refused_inside,
)

ID, NUMBER = "tsbabc00001010101a01", 702_345_678_901_234_567
CODES = [(code, kind) for code, rows in WEEX_ERRORS.codes.items() for _, kind in rows]
NUMBERED = [(code, kind) for code, kind in CODES if code.startswith("-")]
MAYBE = (
    (-1000, "An unknown error occurred."),
    (-1054, "System error, please retry later."),
    (-1048, "Too many requests."),
    (-1045, "Invalid Content-Type"),
    (-999999, "a code nobody has listed"),
    ("FAILED_PRECONDITION", "no"),
    (40008, "a code of the former API"),
    (500, ""),
    ("", "without a code"),
)
PERP_TAKEN = {"orderId": str(NUMBER), "clientOrderId": ID, "success": True, "errorCode": "", "errorMessage": ""}
SPOT_TAKEN = {"symbol": "BTCUSDT", "orderId": NUMBER, "clientOrderId": ID, "transactTime": NOW_MS}
NOT_PROVEN: tuple[Any, ...] = (
    "",
    "<html>maintenance</html>",
    "{}",
    "[]",
    "null",
    '{"orderId":"17","clientOrderId":"' + ID,
    {**PERP_TAKEN, "orderId": None},
    {**PERP_TAKEN, "orderId": "<html>"},
    {**PERP_TAKEN, "clientOrderId": "another"},
    {**PERP_TAKEN, "clientOrderId": ""},
    {**PERP_TAKEN, "success": None},
    {**PERP_TAKEN, "success": "true"},
    {**PERP_TAKEN, "success": False},
    {**PERP_TAKEN, "errorCode": "-1000"},
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


Write = Callable[[CcxtVenue], Any]
WRITES: tuple[tuple[str, Write], ...] = (
    (PERP_ORDER, lambda venue: venue.submit_order(order())),
    (SPOT_ORDER, lambda venue: venue.submit_order(order(SPOT))),
    (PERP_CANCEL, lambda venue: venue.cancel_order(PERP, ID)),
    (SPOT_CANCEL, lambda venue: venue.cancel_order(SPOT, ID)),
    (ALGO_CANCEL, lambda venue: venue.cancel_order(PERP, ID, is_trigger=True)),
    (MARGIN_TYPE, lambda venue: venue.set_leverage(PERP, Decimal(3))),
    (MARGIN, lambda venue: venue.move_margin(PERP, Decimal(5))),
)


@pytest.mark.parametrize(("code", "kind"), NUMBERED)
@pytest.mark.parametrize("form", ["status 400", "inside 200"])
async def test_a_listed_code_says_that_it_did_not_happen(
    code: str, kind: Rejection, form: str, venue: CcxtVenue, session: WeexSession
) -> None:
    is_inside = form == "inside 200"
    answer = refused_inside(code) if is_inside else Reply(refusal(int(code)), 400)
    for path, symbol in ((PERP_ORDER, PERP), (SPOT_ORDER, SPOT)):
        session.sent.clear()
        session.answers[path] = answer
        with pytest.raises(VenueRejected) as caught:
            await venue.submit_order(order(symbol))
        assert (caught.value.code, caught.value.kind) == (code, kind)
        assert len(session.sent) == 1


@pytest.mark.parametrize(("code", "words"), MAYBE)
async def test_every_other_code_of_a_write_is_unknown(
    code: int | str, words: str, venue: CcxtVenue, session: WeexSession
) -> None:
    session.answers[OPEN_ALGO] = [algo_row(NUMBER, clientAlgoId=ID)]
    session.answers[POSITIONS] = [position_row()]
    for path, write in WRITES:
        for answer in (Reply(refusal(code, words), 400), refusal(code, words), refused_inside(code, words)):
            unhold(venue)
            session.answers[path] = answer
            with pytest.raises(OutcomeUnknown):
                await write(venue)


@pytest.mark.parametrize("status", [408, 409, 500, 502, 503, 504])
async def test_a_listed_code_under_a_status_that_proves_nothing_is_unknown(
    status: int, venue: CcxtVenue, session: WeexSession
) -> None:
    for code, _ in NUMBERED:
        unhold(venue)
        session.answers[PERP_ORDER] = Reply(refusal(int(code)), status)
        with pytest.raises(OutcomeUnknown):
            await venue.submit_order(order())


@pytest.mark.parametrize("body", NOT_PROVEN)
async def test_a_success_without_both_ids_is_unknown(body: Any, venue: CcxtVenue, session: WeexSession) -> None:
    session.answers[PERP_ORDER] = session.answers[PERP_CANCEL] = Reply(body)
    with pytest.raises(OutcomeUnknown):
        await venue.submit_order(order())
    with pytest.raises(OutcomeUnknown):
        await venue.cancel_order(PERP, ID)
    assert len(session.sent) == 2


@pytest.mark.parametrize("changes", [{"symbol": "ETHUSDT"}, {"orderId": None}, {"clientOrderId": "another"}])
async def test_a_spot_order_is_proven_by_its_symbol_and_both_ids(
    changes: dict[str, Any], venue: CcxtVenue, session: WeexSession
) -> None:
    session.answers[SPOT_ORDER] = {**SPOT_TAKEN, **changes}
    with pytest.raises(OutcomeUnknown):
        await venue.submit_order(order(SPOT))


async def test_an_order_is_acknowledged_and_its_state_is_asked_for(venue: CcxtVenue, session: WeexSession) -> None:
    session.answers |= {PERP_ORDER: PERP_TAKEN, SPOT_ORDER: SPOT_TAKEN}
    for symbol in (PERP, SPOT):
        report = await venue.submit_order(order(symbol))
        assert (report.state, report.filled_size, report.venue_id) == (ReportState.OPEN, 0, str(NUMBER))


@pytest.mark.parametrize("code", [-1054, "FAILED_PRECONDITION", -424242])
async def test_a_lack_of_money_is_told_by_its_words_under_any_code(
    code: int | str, venue: CcxtVenue, session: WeexSession
) -> None:
    words = "FAILED_PRECONDITION: available amount not enough"
    for answer in (Reply(refusal(code, words), 400), refused_inside(code, words)):
        session.answers[PERP_ORDER] = answer
        with pytest.raises(VenueRejected) as caught:
            await venue.submit_order(order())
        assert (caught.value.kind, caught.value.code) == (Rejection.FUNDS, FUNDS_WORDS)
        assert str(code) in caught.value.message


async def test_a_client_id_in_use_is_told_by_its_words(venue: CcxtVenue, session: WeexSession) -> None:
    session.answers[PERP_ORDER] = refused_inside(-424242, "Duplicate client order id.")
    with pytest.raises(VenueRejected) as caught:
        await venue.submit_order(order())
    assert (caught.value.kind, caught.value.code) == (Rejection.DUPLICATE_ID, DUPLICATE_WORDS)


async def test_a_spot_cancel_that_failed_inside_an_answer_proves_nothing_about_the_order(
    venue: CcxtVenue, session: WeexSession
) -> None:
    session.answers[SPOT_CANCEL] = {"orderId": 121231, "status": "FAILED", "errorMsg": "FAILED_ORDER_NOT_FOUND"}
    with pytest.raises(VenueRejected) as caught:
        await venue.cancel_order(SPOT, ID)
    assert caught.value.kind is Rejection.NOT_FOUND
    session.answers[SPOT_CANCEL] = {"orderId": 121231, "status": "FAILED"}
    with pytest.raises(OutcomeUnknown):
        await venue.cancel_order(SPOT, ID)
    session.answers[SPOT_CANCEL] = {"orderId": 121231, "status": "CANCELED"}
    await venue.cancel_order(SPOT, ID)


@pytest.mark.parametrize(("status", "seconds"), [(429, 30), (418, 600)])
async def test_too_many_requests_hold_the_next_ones(
    status: int, seconds: int, venue: CcxtVenue, session: WeexSession
) -> None:
    session.answers[PERP_ORDER] = Reply(refusal(status, "Too Many Requests"), status)
    with pytest.raises(VenueRejected) as caught:
        await venue.submit_order(order())
    assert caught.value.kind is Rejection.RATE_LIMIT
    (held,) = venue.held_seconds().values()
    assert seconds - 1 < held <= seconds


async def test_a_leverage_is_set_where_it_differs_and_confirmed_for_both_sides(
    venue: CcxtVenue, session: WeexSession
) -> None:
    session.answers[LEVERAGE] = {"isolatedLongLeverage": "3", "isolatedShortLeverage": "3"}
    await venue.set_leverage(PERP, Decimal(3))
    bodies = [sent.body for sent in session.sent if sent.method == "POST"]
    assert bodies == [
        '{"symbol":"BTCUSDT","marginType":"ISOLATED","separatedType":"COMBINED"}',
        '{"symbol":"BTCUSDT","marginType":"ISOLATED","isolatedLongLeverage":3,"isolatedShortLeverage":3}',
    ]
    session.sent.clear()
    session.answers[CONFIG] = [config_row(marginType="ISOLATED", isolatedLongLeverage="2", isolatedShortLeverage="2")]
    await venue.set_leverage(PERP, Decimal(2))
    assert [sent.method for sent in session.sent] == ["GET"]
    session.answers[LEVERAGE] = {"isolatedLongLeverage": "3", "isolatedShortLeverage": "20"}
    with pytest.raises(OutcomeUnknown):
        await venue.set_leverage(PERP, Decimal(3))
    session.answers[CONFIG] = []
    with pytest.raises(VenueRejected, match="cannot be read"):
        await venue.set_leverage(PERP, Decimal(3))


async def test_margin_is_moved_by_the_number_of_the_position(venue: CcxtVenue, session: WeexSession) -> None:
    session.answers |= {POSITIONS: [position_row()], MARGIN: DONE}
    await venue.move_margin(PERP, Decimal("-1.23456"))
    assert session.sent[-1].body == '{"isolatedPositionId":"689987235755328154","amount":"1.23456","type":2}'
    session.answers[MARGIN] = {}
    with pytest.raises(OutcomeUnknown):
        await venue.move_margin(PERP, Decimal(1))
    session.answers[POSITIONS] = [position_row(), position_row(side="LONG")]
    session.sent.clear()
    with pytest.raises(VenueRejected, match="2 positions"):
        await venue.move_margin(PERP, Decimal(1))
    assert [sent.method for sent in session.sent] == ["GET"]


async def test_a_stop_is_cancelled_by_the_venues_id_and_never_by_a_guess(
    venue: CcxtVenue, session: WeexSession
) -> None:
    session.answers[OPEN_ALGO] = [algo_row(17, clientAlgoId="another"), algo_row(NUMBER, clientAlgoId=ID)]
    session.answers[ALGO_CANCEL] = {"orderId": str(NUMBER), "origClientOrderId": "", "success": True}
    await venue.cancel_order(PERP, ID, is_trigger=True)
    assert session.sent[-1].query == f"orderId={NUMBER}"
    session.answers[OPEN_ALGO] = [algo_row(17, clientAlgoId="another")]
    session.sent.clear()
    with pytest.raises(VenueRejected) as caught:
        await venue.cancel_order(PERP, ID, is_trigger=True)
    assert (caught.value.code, caught.value.kind) == ("not sent", Rejection.NOT_FOUND)
    session.answers[OPEN_ALGO] = Reply("<html>", 502)
    with pytest.raises(VenueRejected, match="cannot be named") as caught:
        await venue.cancel_order(PERP, ID, is_trigger=True)
    assert caught.value.kind is Rejection.OTHER
    assert all(sent.method == "GET" for sent in session.sent)


async def test_a_stop_goes_by_the_mark_price(venue: CcxtVenue, session: WeexSession) -> None:
    session.answers[ALGO_ORDER] = PERP_TAKEN
    stop = order(
        order_type=OrderType.STOP, price=None, side=Side.SELL, reduce_only=True, trigger_price=Decimal("45000.5")
    )
    report = await venue.submit_order(stop)
    assert (report.venue_id, report.is_trigger) == (str(NUMBER), True)
    assert session.sent[0].body == (
        '{"symbol":"BTCUSDT","side":"SELL","type":"STOP_MARKET","quantity":"0.01","positionSide":"LONG",'
        f'"clientAlgoId":"{ID}","triggerPrice":"45000.5","SlWorkingType":"MARK_PRICE"}}'
    )


async def test_a_refusal_inside_an_answer_to_a_read_is_no_empty_list(venue: CcxtVenue, session: WeexSession) -> None:
    session.answers[OPEN_ALGO] = refused_inside(-424242)
    with pytest.raises(Unavailable):
        await venue.fetch_open_orders([PERP])


def test_bodies_that_are_no_refusal_have_no_code() -> None:
    for body in ("", "{}", "[]", "null", "<html>", '{"code":"200","msg":"success"}', '{"success":true,"errorCode":""}'):
        assert read_error(body) == ("", "")
    assert read_error('{"msg": "no", "code": -1046}') == ("-1046", "no")
    assert read_error('{"success":false,"errorCode":"","errorMessage":"no"}')[0] != ""
