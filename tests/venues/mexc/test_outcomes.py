"""What an answer of MEXC to a write means: only a listed code says that it did not happen, only an id that it did."""

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from bot.domain.instrument import Side
from bot.domain.order import OrderType, TimeInForce
from bot.ports import OrderRequest, OutcomeUnknown, Rejection, ReportState, Unavailable, VenueRejected
from bot.venues.ccxt.venue import CcxtVenue
from bot.venues.mexc.errors import MEXC_ERRORS, read_error
from bot.venues.mexc.profiles import MEXC
from tests.venues.bybit.canned import NOW_MS, Reply
from tests.venues.bybit.test_outcomes import unhold
from tests.venues.mexc.canned import (
    ID,
    MODE,
    NUMBER,
    PERP,
    PERP_CANCEL,
    PERP_ORDER,
    POSITIONS,
    PRIVATE,
    SMALL,
    SPOT,
    SPOT_CANCEL,
    SPOT_ORDER,
    SPOT_QUERY,
    MexcSession,
    perp_row,
    refusal,
    spot_row,
    success,
)

D = Decimal
ROWS = [
    (code, needle or "Whatever the venue says.", kind)
    for code, rows in MEXC_ERRORS.codes.items()
    for needle, kind in rows
]
MAYBE = (500, 501, 503, 506, 603, 604, 801, 9999, 20002, 999999, -1)
LEVERAGE = f"POST {PRIVATE}/position/change_leverage"
TAKEN: dict[str, Any] = {"symbol": "BTCUSDT", "orderId": "C02__468615423963070464", "side": "BUY", "type": "LIMIT"}
SPOT_NOT_PROVEN: tuple[Any, ...] = (
    "",
    "<html>maintenance</html>",
    "{}",
    "[]",
    "null",
    '{"symbol":"BTCUSDT","orderId":"C02__4686154',
    {**TAKEN, "orderId": ""},
    {**TAKEN, "orderId": "<html>"},
    {**TAKEN, "orderId": None},
    {**TAKEN, "symbol": "ETHUSDT"},
    {**TAKEN, "side": "SELL"},
    {name: value for name, value in TAKEN.items() if name != "symbol"},
)
PERP_NOT_PROVEN: tuple[Any, ...] = (
    "",
    "<html>maintenance</html>",
    "{}",
    "[]",
    success(),
    success({}),
    success({"orderId": ""}),
    success({"orderId": "<html>"}),
    success({"orderId": 0}),
    {"code": 0, "data": {"orderId": NUMBER}},
    {"success": "true", "code": 0, "data": {"orderId": NUMBER}},
    {"success": True, "code": 1, "data": {"orderId": NUMBER}},
)


def order(symbol: str = PERP, **changes: Any) -> OrderRequest:
    base = OrderRequest(
        client_id=ID,
        symbol=symbol,
        side=Side.BUY,
        size=D("0.01"),
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.IOC,
        stamp_ms=NOW_MS - 900,
        receive_window_ms=5_000,
        price=D("50000.1"),
    )
    return replace(base, **changes)


@pytest.mark.parametrize(("code", "words", "kind"), ROWS)
async def test_a_listed_code_says_that_it_did_not_happen(
    code: str, words: str, kind: Rejection, venue: CcxtVenue, session: MexcSession
) -> None:
    session.answers[SPOT_ORDER] = Reply({"code": int(code), "msg": words}, 400)
    session.answers[PERP_ORDER] = refusal(int(code), words)
    for symbol in (SPOT, PERP):
        with pytest.raises(VenueRejected) as caught:
            await venue.submit_order(order(symbol))
        assert (caught.value.code, caught.value.kind) == (code, kind)
    assert len(session.sent) == 2


@pytest.mark.parametrize("code", MAYBE)
async def test_every_other_code_of_a_write_is_unknown(code: int, venue: CcxtVenue, session: MexcSession) -> None:
    for path, write in (
        (PERP_ORDER, lambda: venue.submit_order(order())),
        (SPOT_ORDER, lambda: venue.submit_order(order(SPOT))),
        (PERP_CANCEL, lambda: venue.cancel_order(PERP, ID)),
        (SPOT_CANCEL, lambda: venue.cancel_order(SPOT, ID)),
        (LEVERAGE, lambda: venue.set_leverage(PERP, D(5))),
        ("POST /api/v3/capital/transfer", lambda: venue.move_cash(D(5), to_perp=True)),
    ):
        unhold(venue)
        is_spot = "/v3/" in path
        session.answers[path] = Reply({"code": code, "msg": ""}, 400) if is_spot else refusal(code, "")
        with pytest.raises(OutcomeUnknown):
            await write()


@pytest.mark.parametrize("status", [408, 409, 500, 502, 503, 504])
async def test_a_listed_code_under_a_status_that_proves_nothing_is_unknown(
    status: int, venue: CcxtVenue, session: MexcSession
) -> None:
    for code, words, _ in ROWS:
        unhold(venue)
        session.answers[SPOT_ORDER] = Reply({"code": int(code), "msg": words}, status)
        with pytest.raises(OutcomeUnknown):
            await venue.submit_order(order(SPOT))


@pytest.mark.parametrize("body", SPOT_NOT_PROVEN)
async def test_a_spot_order_without_an_id_of_the_venues_form_is_unknown(
    body: Any, venue: CcxtVenue, session: MexcSession
) -> None:
    session.answers[SPOT_ORDER] = session.answers[SPOT_CANCEL] = Reply(body)
    with pytest.raises(OutcomeUnknown):
        await venue.submit_order(order(SPOT))
    with pytest.raises(OutcomeUnknown):
        await venue.cancel_order(SPOT, ID)
    assert len(session.sent) == 2


@pytest.mark.parametrize("body", PERP_NOT_PROVEN)
async def test_a_perp_order_without_the_word_of_success_and_an_id_is_unknown(
    body: Any, venue: CcxtVenue, session: MexcSession
) -> None:
    session.answers[PERP_ORDER] = Reply(body)
    with pytest.raises(OutcomeUnknown):
        await venue.submit_order(order())
    assert len(session.sent) == 1


async def test_an_order_is_acknowledged_without_a_state(venue: CcxtVenue, session: MexcSession) -> None:
    session.answers[SPOT_ORDER], session.answers[PERP_ORDER] = TAKEN, success({"orderId": NUMBER, "ts": NOW_MS})
    for symbol, number in ((SPOT, TAKEN["orderId"]), (PERP, NUMBER)):
        report = await venue.submit_order(order(symbol))
        assert (report.state, report.filled_size, report.venue_id) == (ReportState.OPEN, 0, number)
    session.answers[PERP_ORDER] = success(NUMBER)  # as older documents have it
    assert (await venue.submit_order(order())).venue_id == NUMBER


async def test_a_cancel_of_spot_has_to_show_our_order_as_ended(venue: CcxtVenue, session: MexcSession) -> None:
    for shown in (spot_row(), spot_row(status="CANCELED", clientOrderId="another")):
        session.answers[SPOT_CANCEL] = shown
        with pytest.raises(OutcomeUnknown, match="without showing"):
            await venue.cancel_order(SPOT, ID)
    session.answers[SPOT_CANCEL] = spot_row(status="PARTIALLY_CANCELED", clientOrderId="cancel-1", origClientOrderId=ID)
    await venue.cancel_order(SPOT, ID)


@pytest.mark.parametrize(("code", "kind"), [(2040, Rejection.NOT_FOUND), (2041, Rejection.NOT_FOUND), (2005, None)])
async def test_the_outcome_of_a_cancel_stands_in_its_row(
    code: int, kind: Rejection | None, venue: CcxtVenue, session: MexcSession
) -> None:
    session.answers[PERP_CANCEL] = success([{"orderId": 1, "errorCode": code, "errorMsg": "order not exist"}])
    with pytest.raises(VenueRejected) as caught:
        await venue.cancel_order(PERP, ID)
    assert kind in (None, caught.value.kind)
    session.answers[PERP_CANCEL] = success([{"orderId": 1, "errorCode": 4242}])
    with pytest.raises(OutcomeUnknown, match="4242"):
        await venue.cancel_order(PERP, ID)


async def test_hedge_mode_of_one_perp_leaves_the_account_readable(venue: CcxtVenue, session: MexcSession) -> None:
    """The account is read, the perp that is held in hedge mode is only closed, and nothing else is opened."""
    row = {"symbol": "BTC_USDT", "openType": 1, "leverage": 3, "holdAvgPrice": 50500, "liquidatePrice": 1, "im": 101}
    long, short = (
        {**row, "positionId": 77, "positionType": 1, "holdVol": 300},
        {**row, "positionId": 78, "holdVol": 200},
    )
    session.answers[POSITIONS] = success([{**short, "positionType": 2}, long])
    session.answers[MODE] = success(1)
    account = await venue.fetch_account()
    assert (account.cash, account.perp_wallet, account.perp_free) == (D("1000.5"), D("1000.5"), D("880.2"))
    assert account.positions[PERP].size == D("0.03")
    assert set(account.unreadable) == {f"perp:{PERP}"}
    assert "is held in hedge mode" in account.unreadable[f"perp:{PERP}"]
    session.answers[f"POST {PRIVATE}/position/change_margin"] = success()
    await venue.move_margin(PERP, D(1))
    assert json.loads(session.sent[-1].body)["positionId"] == 77
    session.answers[PERP_ORDER] = success({"orderId": NUMBER})
    await venue.submit_order(order(side=Side.SELL, reduce_only=True))
    assert json.loads(session.sent[-1].body)["side"] == 4
    session.sent.clear()
    for opening in (order(), order(SMALL, size=D(10_000_000), price=D("9.854e-06"))):
        with pytest.raises(VenueRejected, match="position side") as caught:
            await venue.submit_order(opening)
        assert caught.value.kind is Rejection.PERMANENT
    assert session.sent == []
    session.answers |= {MODE: success(2), POSITIONS: success([])}
    assert (await venue.fetch_account()).unreadable == {}
    await venue.submit_order(order(client_id="again"))


@pytest.mark.parametrize("said", [None, 3, "", "hedge"])
async def test_a_position_mode_that_is_neither_of_the_two_is_no_answer(
    said: object, venue: CcxtVenue, session: MexcSession
) -> None:
    session.answers[MODE] = {"success": True, "code": 0, "data": said}
    with pytest.raises(Unavailable, match="neither in one-way mode nor in hedge mode"):
        await venue.fetch_account()


async def test_the_firewall_before_the_venue_is_left_alone_for_ten_minutes(
    venue: CcxtVenue, session: MexcSession
) -> None:
    session.answers[SPOT_ORDER] = Reply("<html>Access Denied</html>", 403)
    with pytest.raises((VenueRejected, OutcomeUnknown)):
        await venue.submit_order(order(SPOT))
    assert max(venue.held_seconds().values()) > 590


def test_a_perp_is_in_doubt_while_the_venue_may_still_take_it() -> None:
    """Perps ignore the receive window that a request names: they take it ten seconds after its stamp."""
    for window_ms, quiet_ms in ((1_000, 15_000), (5_000, 15_000), (10_000, 15_000), (60_000, 65_000)):
        assert MEXC.quiet_period_ms(window_ms) == quiet_ms


async def test_an_order_is_asked_for_by_our_id_and_absence_is_a_code(venue: CcxtVenue, session: MexcSession) -> None:
    perp_query = f"GET {PRIVATE}/order/external/BTC_USDT/{ID}"
    session.answers[SPOT_QUERY] = Reply({"code": -2013, "msg": "Order does not exist."}, 400)
    session.answers[perp_query] = refusal(2040, "order not exist")
    assert await venue.fetch_order(SPOT, ID) is None
    assert await venue.fetch_order(PERP, ID) is None
    session.answers[SPOT_QUERY], session.answers[perp_query] = spot_row(), success(perp_row())
    found = await venue.fetch_order(PERP, ID)
    assert found is not None
    assert (found.state, found.size, found.filled_size, found.filled_quote) == (
        ReportState.CANCELED,
        D("0.01"),
        D("0.004"),
        D(200),
    )
    assert "None" not in "".join(sent.url for sent in session.sent)
    session.answers[SPOT_QUERY], session.answers[perp_query] = spot_row(clientOrderId="x"), refusal(501)
    for symbol in (SPOT, PERP):
        with pytest.raises(Unavailable):
            await venue.fetch_order(symbol, ID)


@pytest.mark.parametrize(
    ("state", "code", "kind"),
    [
        (1, 0, ReportState.OPEN),
        (2, 0, ReportState.OPEN),
        (3, 0, ReportState.FILLED),
        (4, 0, ReportState.CANCELED),
        (5, 18, ReportState.EXPIRED),
        (5, 20, ReportState.EXPIRED),
        (5, 2, ReportState.REJECTED),
    ],
)
async def test_an_invalid_order_says_why_in_a_code(
    state: int, code: int, kind: ReportState, venue: CcxtVenue, session: MexcSession
) -> None:
    session.answers[f"GET {PRIVATE}/order/external/BTC_USDT/{ID}"] = success(perp_row(state=state, errorCode=code))
    report = await venue.fetch_order(PERP, ID)
    assert report is not None
    assert report.state is kind


def test_bodies_that_are_no_refusal_have_no_code() -> None:
    for body in (
        "",
        "{}",
        "[]",
        "null",
        "<html>",
        '{"code":0}',
        '{"code":200}',
        '{"code":true}',
        '{"success":true,"code":9}',
    ):
        assert read_error(body) == ("", "")
    assert read_error('{"success":false,"code":2005,"message":"no"}') == ("2005", "no")
    assert read_error('{"code":-2011,"msg":"no"}') == ("-2011", "no")
