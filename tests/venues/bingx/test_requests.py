"""What BingX is sent: our digits, one spelling, the journaled stamp, a receive window, a signature over all of it."""

from decimal import Decimal
from typing import Any

import pytest

from bot.domain.instrument import Side
from bot.domain.order import OrderType, TimeInForce
from bot.ports import OutcomeUnknown, Rejection, VenueRejected
from bot.venues.ccxt.venue import CcxtVenue
from tests.venues.bingx.canned import (
    PERP,
    PERP_ORDER,
    SMALL,
    SPOT,
    SPOT_ORDER,
    BingxSession,
    is_signed_well,
    stop_answer,
    success,
)
from tests.venues.bingx.test_outcomes import ID, PERP_ROW, SPOT_ROW, order
from tests.venues.bybit.canned import NOW_MS

D = Decimal
STOP = {"order_type": OrderType.STOP, "price": None, "side": Side.SELL, "reduce_only": True}
NUMBER = 1_735_950_529_123_455_489


def wire_of(session: BingxSession) -> str:
    """The query of the only request, without its signature."""
    (sent,) = session.sent
    assert is_signed_well(sent)
    assert sent.body == ""
    return sent.query.partition("&signature=")[0]


ORDERS = (
    (
        SPOT,
        {"size": D("0.00001")},
        f"newClientOrderId={ID}&price=50000.1&quantity=0.00001&recvWindow=5000&side=BUY&symbol=BTC-USDT"
        "&timeInForce=IOC&timestamp={stamp}&type=LIMIT",
    ),
    (
        SPOT,
        {"order_type": OrderType.MARKET, "price": None},
        f"newClientOrderId={ID}&quantity=0.01&recvWindow=5000&side=BUY&symbol=BTC-USDT&timestamp={{stamp}}&type=MARKET",
    ),
    (
        SMALL,
        {"size": D(1000), "price": D("0.0000098540"), "time_in_force": TimeInForce.POST_ONLY, "side": Side.SELL},
        f"clientOrderId={ID}&positionSide=BOTH&price=0.000009854&quantity=1000&recvWindow=5000&side=SELL"
        "&symbol=PEPE-USDT&timeInForce=PostOnly&timestamp={stamp}&type=LIMIT",
    ),
    (
        PERP,
        {"reduce_only": True, "side": Side.SELL, "receive_window_ms": 4_321},
        f"clientOrderId={ID}&positionSide=BOTH&price=50000.1&quantity=0.01&recvWindow=4321&reduceOnly=true&side=SELL"
        "&symbol=BTC-USDT&timeInForce=IOC&timestamp={stamp}&type=LIMIT",
    ),
)


@pytest.mark.parametrize(("symbol", "changes", "wire"), ORDERS)
async def test_an_order_reaches_the_wire_digit_by_digit_with_its_own_stamp(
    symbol: str, changes: dict[str, Any], wire: str, venue: CcxtVenue, session: BingxSession
) -> None:
    name = symbol.partition(":")[0].replace("/", "-")
    session.answers[PERP_ORDER] = success({"order": {**PERP_ROW, "symbol": name}})
    session.answers[SPOT_ORDER] = success(SPOT_ROW)
    sent = order(symbol, **changes)
    await venue.submit_order(sent)
    assert wire_of(session) == wire.format(stamp=sent.stamp_ms)


async def test_a_stop_goes_by_the_mark_price(venue: CcxtVenue, session: BingxSession) -> None:
    session.answers[PERP_ORDER] = stop_answer(NUMBER)
    report = await venue.submit_order(order(**STOP, trigger_price=D("45000.5")))
    assert (report.venue_id, report.client_id, report.is_trigger) == (str(NUMBER), ID, True)
    assert wire_of(session) == (
        f"clientOrderId={ID}&positionSide=BOTH&quantity=0.01&recvWindow=5000&reduceOnly=true&side=SELL"
        f"&stopPrice=45000.5&symbol=BTC-USDT&timestamp={NOW_MS - 900}&type=STOP_MARKET&workingType=MARK_PRICE"
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"stopPrice": "45000.4"},
        {"type": "LIMIT"},
        {"side": "BUY"},
        {"clientOrderId": "another"},
        {"orderID": "", "orderId": ""},
    ],
)
async def test_a_stop_whose_answer_is_about_another_order_is_unknown(
    changes: dict[str, Any], venue: CcxtVenue, session: BingxSession
) -> None:
    session.answers[PERP_ORDER] = stop_answer(NUMBER, **changes)
    with pytest.raises(OutcomeUnknown):
        await venue.submit_order(order(**STOP, trigger_price=D("45000.5")))


UNCLAIMED = (
    (SPOT, {**STOP, "reduce_only": False, "trigger_price": D("45000.5")}, Rejection.OTHER),
    (SPOT, {"reduce_only": True}, Rejection.REDUCE_ONLY),
    (SPOT, {"size": D("0.0000001")}, Rejection.FILTER),
    (PERP, {"price": D("50000.12")}, Rejection.FILTER),
    (PERP, {"client_id": "UpperCase"}, Rejection.OTHER),
    (SPOT, {"client_id": "with-a-dash"}, Rejection.OTHER),
    (PERP, {"receive_window_ms": 5_001}, Rejection.OTHER),
)


@pytest.mark.parametrize(("symbol", "changes", "kind"), UNCLAIMED)
async def test_what_the_venue_is_not_said_to_take_is_refused_before_a_request_leaves(
    symbol: str, changes: dict[str, Any], kind: Rejection, venue: CcxtVenue, session: BingxSession
) -> None:
    with pytest.raises(VenueRejected) as caught:
        await venue.submit_order(order(symbol, **changes))
    assert (caught.value.code, caught.value.kind) == ("not sent", kind)
    assert session.sent == []


async def test_every_question_of_an_account_is_signed_and_says_its_receive_window(
    venue: CcxtVenue, session: BingxSession
) -> None:
    await venue.fetch_account()
    await venue.fetch_open_orders([PERP])
    assert session.sent
    assert all(is_signed_well(sent) and "recvWindow=5000" in sent.query for sent in session.sent)


async def test_margin_and_leverage_are_two_requests_and_money_is_not_rounded(
    venue: CcxtVenue, session: BingxSession
) -> None:
    session.answers["POST /openApi/swap/v2/trade/marginType"] = success()
    session.answers["POST /openApi/swap/v2/trade/leverage"] = success({"leverage": 5, "symbol": "BTC-USDT"})
    await venue.set_leverage(PERP, D(5))
    assert [sent.path.rpartition("/")[2] for sent in session.sent] == ["marginType", "leverage"]
    assert "side=BOTH" in session.sent[1].query
    session.answers["POST /openApi/swap/v2/trade/leverage"] = success({"leverage": 3, "symbol": "BTC-USDT"})
    with pytest.raises(OutcomeUnknown):
        await venue.set_leverage(PERP, D(4))
    path = "POST /openApi/swap/v2/trade/positionMargin"
    session.answers[path] = {"code": 0, "msg": "", "amount": 1.23456, "type": 2}
    await venue.move_margin(PERP, D("-1.23456"))
    assert "amount=1.23456&" in session.sent[-1].query
    assert "type=2" in session.sent[-1].query
    session.answers[path] = {"code": 0, "msg": "", "amount": 1.2345, "type": 1}
    with pytest.raises(OutcomeUnknown):
        await venue.move_margin(PERP, D("1.23456"))
