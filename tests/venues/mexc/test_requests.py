"""What MEXC is sent: our digits, types and sides as numbers, contracts, the journaled stamp, a signature over it."""

import json
from decimal import Decimal
from typing import Any

import pytest

from bot.domain.durations import DAY_MS
from bot.domain.instrument import Side
from bot.domain.order import OrderType, TimeInForce
from bot.ports import Rejection, ReportState, VenueRejected
from bot.venues.ccxt.venue import CcxtVenue
from tests.venues.bybit.canned import NOW_MS, Sent
from tests.venues.mexc.canned import (
    ID,
    NUMBER,
    PERP,
    PERP_ORDER,
    PLANS,
    POSITIONS,
    PRIVATE,
    SMALL,
    SPOT,
    SPOT_ORDER,
    STOP,
    STOP_CANCEL,
    MexcSession,
    is_signed_well,
    perp_row,
    plan_row,
    success,
)
from tests.venues.mexc.test_outcomes import LEVERAGE, TAKEN, order

D = Decimal
STOP_OF_LONG = {
    "order_type": OrderType.STOP,
    "price": None,
    "side": Side.SELL,
    "reduce_only": True,
    "trigger_price": D("45000.5"),
}


def the_only(session: MexcSession) -> Sent:
    (sent,) = session.sent
    assert is_signed_well(sent)
    return sent


SPOT_ORDERS = (
    ({"size": D("0.00001")}, "IMMEDIATE_OR_CANCEL&quantity=0.00001&price=50000.1"),
    ({"time_in_force": TimeInForce.GTC}, "LIMIT&quantity=0.01&price=50000.1"),
    ({"time_in_force": TimeInForce.FOK}, "FILL_OR_KILL&quantity=0.01&price=50000.1"),
    ({"time_in_force": TimeInForce.POST_ONLY}, "LIMIT_MAKER&quantity=0.01&price=50000.1"),
    ({"order_type": OrderType.MARKET, "price": None}, "MARKET&quantity=0.01"),
)


@pytest.mark.parametrize(("changes", "words"), SPOT_ORDERS)
async def test_how_long_a_spot_order_stays_is_its_type(
    changes: dict[str, Any], words: str, venue: CcxtVenue, session: MexcSession
) -> None:
    session.answers[SPOT_ORDER] = TAKEN
    sent = order(SPOT, **changes)
    await venue.submit_order(sent)
    query = the_only(session).query.partition("&signature=")[0]
    assert query == (
        f"symbol=BTCUSDT&side=BUY&type={words}&newClientOrderId={ID}&timestamp={sent.stamp_ms}&recvWindow=5000"
    )


PERP_ORDERS: tuple[tuple[str, dict[str, Any], dict[str, Any]], ...] = (
    (PERP, {}, {"vol": 100, "side": 1, "type": 3, "price": 50000.1, "leverage": 1}),
    (PERP, {"side": Side.SELL, "time_in_force": TimeInForce.GTC}, {"side": 3, "type": 1, "leverage": 1}),
    (PERP, {"side": Side.SELL, "reduce_only": True}, {"side": 4, "type": 3}),
    (PERP, {"reduce_only": True, "order_type": OrderType.MARKET, "price": None}, {"side": 2, "type": 5}),
    (PERP, {"time_in_force": TimeInForce.POST_ONLY}, {"type": 2}),
    (SMALL, {"size": D(30_000_000), "price": D("0.0000098540")}, {"vol": 3, "price": 9.854e-06}),
)


@pytest.mark.parametrize(("symbol", "changes", "body"), PERP_ORDERS)
async def test_an_order_of_a_perp_counts_contracts_and_says_its_margin_mode(
    symbol: str, changes: dict[str, Any], body: dict[str, Any], venue: CcxtVenue, session: MexcSession
) -> None:
    session.answers[PERP_ORDER] = success({"orderId": NUMBER})
    sent = order(symbol, **changes)
    await venue.submit_order(sent)
    wire = the_only(session)
    found = json.loads(wire.body)
    assert {name: found[name] for name in body} == body
    assert (found["openType"], found["externalOid"]) == (1, ID)
    assert ("leverage" in found) is not sent.reduce_only
    assert ("price" in found) is (sent.price is not None)
    assert wire.headers["Request-Time"] == str(sent.stamp_ms)


async def test_the_leverage_of_an_order_is_what_was_set_or_what_the_position_has(
    venue: CcxtVenue, session: MexcSession
) -> None:
    session.answers[PERP_ORDER], session.answers[LEVERAGE] = success({"orderId": NUMBER}), success()
    await venue.set_leverage(PERP, D(5))
    bodies = [json.loads(sent.body) for sent in session.sent if sent.method == "POST"]
    assert [(body["positionType"], body["openType"], body["leverage"]) for body in bodies] == [(1, 1, 5), (2, 1, 5)]
    await venue.submit_order(order())
    assert json.loads(session.sent[-1].body)["leverage"] == 5
    held = {"positionId": 77, "symbol": "BTC_USDT", "positionType": 2, "openType": 1, "holdVol": 100, "leverage": 3}
    session.answers[POSITIONS] = success([{**held, "holdAvgPrice": 50500, "liquidatePrice": 59800.5, "im": 101}])
    position = (await venue.fetch_account()).positions[PERP]
    assert (position.size, position.margin, position.unrealised_pnl) == (D("-0.01"), D(101), D("4.991"))
    await venue.submit_order(order(client_id="another"))
    assert json.loads(session.sent[-1].body)["leverage"] == 3
    session.sent.clear()
    await venue.set_leverage(PERP, D(4))
    assert json.loads(session.sent[-1].body) == {"leverage": 4, "openType": 1, "positionId": 77}
    session.answers[f"POST {PRIVATE}/position/change_margin"] = success()
    await venue.move_margin(PERP, D("-1.23456"))
    assert json.loads(session.sent[-1].body) == {"positionId": 77, "amount": "1.23456", "type": "SUB"}


@pytest.mark.parametrize(("mode", "isolated"), [(1, True), (2, False)])
async def test_a_close_names_the_margin_mode_of_the_position(
    mode: int, isolated: bool, venue: CcxtVenue, session: MexcSession
) -> None:
    held = {"positionId": 77, "symbol": "BTC_USDT", "positionType": 1, "openType": mode, "holdVol": 100, "leverage": 3}
    session.answers[POSITIONS] = success([{**held, "holdAvgPrice": 50500, "liquidatePrice": 1, "im": 101}])
    assert (await venue.fetch_account()).positions[PERP].is_isolated is isolated
    session.answers |= {PERP_ORDER: success({"orderId": NUMBER}), STOP: success(NUMBER)}
    for sent in (order(side=Side.SELL, reduce_only=True), order(**STOP_OF_LONG)):
        await venue.submit_order(sent)
        assert json.loads(session.sent[-1].body)["openType"] == mode
    await venue.submit_order(order(client_id="more"))
    assert json.loads(session.sent[-1].body)["openType"] == 1  # what opens is always isolated


@pytest.mark.parametrize(
    ("changes", "side", "direction"),
    [
        ({}, 4, 2),
        ({"side": Side.BUY}, 2, 1),
        ({"order_type": OrderType.TAKE_PROFIT}, 4, 1),
        ({"order_type": OrderType.TAKE_PROFIT, "side": Side.BUY}, 2, 2),
    ],
)
async def test_a_stop_is_a_plan_order_by_the_fair_price_that_lives_for_seven_days(
    changes: dict[str, Any], side: int, direction: int, venue: CcxtVenue, session: MexcSession
) -> None:
    session.answers[STOP] = success(NUMBER)
    report = await venue.submit_order(order(**{**STOP_OF_LONG, **changes}))
    assert (report.venue_id, report.is_trigger) == (NUMBER, True)
    assert json.loads(the_only(session).body) == {
        "symbol": "BTC_USDT",
        "vol": 100,
        "side": side,
        "openType": 1,
        "triggerPrice": "45000.5",
        "triggerType": direction,
        "executeCycle": 2,
        "orderType": 5,
        "trend": 2,
        "externalOid": ID,
    }


async def test_a_stop_is_found_by_what_it_is_and_cancelled_by_the_venues_id(
    venue: CcxtVenue, session: MexcSession
) -> None:
    session.answers[STOP] = {"success": False, "code": 501, "message": "busy"}
    with pytest.raises(Exception, match="501"):
        await venue.submit_order(order(**STOP_OF_LONG))
    session.answers[PLANS] = success([plan_row(int(NUMBER)), plan_row(7, triggerPrice=44000)])
    found = await venue.fetch_order(PERP, ID, is_trigger=True)
    assert found is not None
    assert (found.venue_id, found.size, found.reduce_only, found.state) == (
        NUMBER,
        D("0.01"),
        True,
        ReportState.OPEN,
    )
    ours, other = sorted(await venue.fetch_open_orders([PERP]), key=lambda one: one.client_id is None)
    assert (ours.client_id, other.client_id) == (ID, None)
    session.answers[STOP_CANCEL] = success()
    session.sent.clear()
    await venue.cancel_order(PERP, ID, is_trigger=True)
    assert json.loads(the_only(session).body) == [{"symbol": "BTC_USDT", "orderId": NUMBER}]


async def test_two_stops_that_are_alike_are_an_alarm(venue: CcxtVenue, session: MexcSession) -> None:
    session.answers[STOP] = {"success": False, "code": 501, "message": "busy"}
    with pytest.raises(Exception, match="501"):
        await venue.submit_order(order(**STOP_OF_LONG))
    session.answers[PLANS] = success([plan_row(int(NUMBER)), plan_row(7)])
    with pytest.raises(Exception, match="alike"):
        await venue.fetch_order(PERP, ID, is_trigger=True)
    reports = await venue.fetch_open_orders([PERP])
    assert all("alike" in one.defect for one in reports)


async def test_a_stop_that_has_fired_is_one_order_with_what_it_became(venue: CcxtVenue, session: MexcSession) -> None:
    session.answers[STOP] = success(NUMBER)
    await venue.submit_order(order(**STOP_OF_LONG))
    child = 739_113_577_038_255_700
    session.answers[PLANS] = success([plan_row(int(NUMBER), state=3, orderId=child)])
    became = perp_row(orderId=str(child), externalOid="", side=4, state=3, dealVol=100, dealAvgPrice=44990)
    session.answers[f"GET {PRIVATE}/order/get/{child}"] = success(became)
    session.answers[f"GET {PRIVATE}/order/list/history_orders"] = success([became])
    report = await venue.fetch_order(PERP, ID, is_trigger=True)
    assert report is not None
    assert (report.state, report.filled_size, report.client_id) == (ReportState.FILLED, D("0.01"), ID)
    (kept,) = await venue.fetch_order_history(PERP, NOW_MS - DAY_MS)
    assert (kept.venue_id, kept.client_id, kept.is_trigger) == (NUMBER, ID, True)
    deal = {"id": "1", "symbol": "BTC_USDT", "side": 4, "vol": 100, "price": 44990, "fee": 0.18, "feeCurrency": "USDT"}
    more = {"isTaker": True, "category": 1, "orderId": child, "timestamp": NOW_MS, "externalOid": ""}
    session.answers[f"GET {PRIVATE}/order/list/order_deals"] = success([{**deal, **more}])
    (fill,) = await venue.fetch_fills(PERP, NOW_MS - DAY_MS)
    assert (fill.venue_order_id, fill.size, fill.side, fill.is_maker) == (NUMBER, D("0.01"), Side.SELL, False)


@pytest.mark.parametrize(
    ("state", "kind"), [(2, ReportState.CANCELED), (4, ReportState.EXPIRED), (5, ReportState.REJECTED)]
)
async def test_the_states_of_plan_orders_are_numbers_of_their_own(
    state: int, kind: ReportState, venue: CcxtVenue, session: MexcSession
) -> None:
    session.answers[STOP] = success(NUMBER)
    await venue.submit_order(order(**STOP_OF_LONG))
    session.answers[PLANS] = success([plan_row(int(NUMBER), state=state)])
    report = await venue.fetch_order(PERP, ID, is_trigger=True)
    assert report is not None
    assert report.state is kind


UNCLAIMED = (
    (SPOT, {**STOP_OF_LONG, "reduce_only": False}, Rejection.OTHER),
    (SPOT, {**STOP_OF_LONG, "reduce_only": False, "order_type": OrderType.TAKE_PROFIT}, Rejection.OTHER),
    (SPOT, {"reduce_only": True}, Rejection.REDUCE_ONLY),
    (SPOT, {"size": D("0.0000001")}, Rejection.FILTER),
    (PERP, {"size": D("0.00015")}, Rejection.FILTER),
    (PERP, {"price": D("50000.12")}, Rejection.FILTER),
    (PERP, {"client_id": "UpperCase"}, Rejection.OTHER),
    (SPOT, {"client_id": "with-a-dash"}, Rejection.OTHER),
    (SPOT, {"client_id": "a" * 33}, Rejection.OTHER),
    (PERP, {"receive_window_ms": 4_000}, Rejection.OTHER),
    (SPOT, {"receive_window_ms": 6_000}, Rejection.OTHER),
)


@pytest.mark.parametrize(("symbol", "changes", "kind"), UNCLAIMED)
async def test_what_the_venue_is_not_said_to_take_is_refused_before_a_request_leaves(
    symbol: str, changes: dict[str, Any], kind: Rejection, venue: CcxtVenue, session: MexcSession
) -> None:
    with pytest.raises(VenueRejected) as caught:
        await venue.submit_order(order(symbol, **changes))
    assert (caught.value.code, caught.value.kind) == ("not sent", kind)
    assert session.sent == []


async def test_every_question_of_an_account_is_signed(venue: CcxtVenue, session: MexcSession) -> None:
    session.answers["GET /api/v3/openOrders"] = []
    await venue.fetch_account()
    await venue.fetch_open_orders([SPOT, PERP])
    private = [sent for sent in session.sent if "/contract/" not in sent.path]
    assert len(private) >= 7
    assert all(is_signed_well(sent) for sent in private)
