"""The bytes of Bybit's writes: every digit as asked, signed with the journaled stamp; what is refused is not sent."""

import json
from decimal import Decimal
from typing import Any

import pytest

from bot.domain.instrument import Side
from bot.domain.order import OrderType, TimeInForce
from bot.ports import Rejection, VenueRejected
from bot.venues.ccxt.venue import CcxtVenue
from tests.venues.bybit.canned import NOW_MS, PERP, SPOT, CannedSession, listed, refusal, success
from tests.venues.bybit.test_outcomes import CANCEL, CREATE, ID, order

D = Decimal
PLACED = success({"orderId": "1321003749386327552", "orderLinkId": ID})
SPOT_BODY = {"category": "spot", "symbol": "BTCUSDT", "side": "Buy", "qty": "0.01", "orderLinkId": ID}
PERP_BODY = {**SPOT_BODY, "category": "linear", "positionIdx": 0}
MARKET: dict[str, Any] = {"order_type": OrderType.MARKET, "price": None}
STOP: dict[str, Any] = {
    "order_type": OrderType.STOP,
    "price": None,
    "side": Side.SELL,
    "trigger_price": D("45000.5"),
}
BODIES = [
    (SPOT, {}, {**SPOT_BODY, "orderType": "Limit", "price": "50000.1", "timeInForce": "IOC"}),
    (SPOT, MARKET, {**SPOT_BODY, "orderType": "Market", "marketUnit": "baseCoin"}),
    (
        SPOT,
        STOP,
        {
            **SPOT_BODY,
            "side": "Sell",
            "orderType": "Market",
            "marketUnit": "baseCoin",
            "triggerPrice": "45000.5",
            "orderFilter": "tpslOrder",
        },
    ),
    (
        PERP,
        {"time_in_force": TimeInForce.POST_ONLY, "side": Side.SELL},
        {**PERP_BODY, "side": "Sell", "orderType": "Limit", "price": "50000.1", "timeInForce": "PostOnly"},
    ),
    (
        PERP,
        {"time_in_force": TimeInForce.FOK, "reduce_only": True},
        {**PERP_BODY, "orderType": "Limit", "price": "50000.1", "timeInForce": "FOK", "reduceOnly": True},
    ),
    (
        PERP,
        {**STOP, "reduce_only": True},
        {
            **PERP_BODY,
            "side": "Sell",
            "orderType": "Market",
            "reduceOnly": True,
            "triggerPrice": "45000.5",
            "triggerDirection": 2,
            "triggerBy": "MarkPrice",
        },
    ),
    (
        PERP,
        {**STOP, "order_type": OrderType.TAKE_PROFIT, "trigger_price": D(60000)},
        {
            **PERP_BODY,
            "side": "Sell",
            "orderType": "Market",
            "triggerPrice": "60000",
            "triggerDirection": 1,
            "triggerBy": "MarkPrice",
        },
    ),
]
NOT_SENT = [
    (SPOT, {"client_id": "no spaces allowed"}, Rejection.OTHER),
    (SPOT, {"client_id": "x" * 37}, Rejection.OTHER),
    (SPOT, {"size": D("0.0000001")}, Rejection.FILTER),
    (PERP, {"price": D("50000.15")}, Rejection.FILTER),
    (PERP, {"price": None}, Rejection.FILTER),
    (PERP, {**MARKET, "price": D(50000)}, Rejection.FILTER),
    (PERP, {**STOP, "trigger_price": D("45000.55")}, Rejection.FILTER),
    (PERP, {**STOP, "trigger_price": None}, Rejection.FILTER),
    (SPOT, {"reduce_only": True}, Rejection.REDUCE_ONLY),
    (PERP, {"receive_window_ms": 4_000}, Rejection.OTHER),
]


@pytest.mark.parametrize(("symbol", "changes", "body"), BODIES)
async def test_an_order_goes_out_in_these_words_under_the_journaled_stamp(
    symbol: str, changes: dict[str, Any], body: dict[str, Any], venue: CcxtVenue, session: CannedSession
) -> None:
    session.answers[CREATE] = PLACED
    await venue.submit_order(order(symbol, **changes))
    (sent,) = session.sent
    assert json.loads(sent.body) == body
    assert sent.headers["X-BAPI-TIMESTAMP"] == str(NOW_MS - 900)
    assert sent.headers["X-BAPI-RECV-WINDOW"] == "5000"
    assert sent.is_signed_well
    assert sent.url == "https://api.bybit.com/v5/order/create"


async def test_only_the_order_is_signed_with_its_stamp(venue: CcxtVenue, session: CannedSession) -> None:
    session.answers |= {CREATE: PLACED, "GET /v5/order/realtime": listed(), "GET /v5/order/history": listed()}
    await venue.submit_order(order())
    await venue.fetch_order(PERP, ID)
    stamps = [sent.headers["X-BAPI-TIMESTAMP"] for sent in session.sent]
    assert stamps == [str(NOW_MS - 900)] + 3 * [str(NOW_MS)]
    assert all(sent.is_signed_well for sent in session.sent)


@pytest.mark.parametrize(("symbol", "changes", "kind"), NOT_SENT)
async def test_what_would_be_refused_or_changed_is_not_sent(
    symbol: str, changes: dict[str, Any], kind: Rejection, venue: CcxtVenue, session: CannedSession
) -> None:
    with pytest.raises(VenueRejected) as caught:
        await venue.submit_order(order(symbol, **changes))
    assert (caught.value.code, caught.value.kind) == ("not sent", kind)
    assert session.sent == []


async def test_cancels_name_our_id_and_the_list_that_the_order_is_in(venue: CcxtVenue, session: CannedSession) -> None:
    session.answers[CANCEL] = PLACED
    await venue.cancel_order(PERP, ID)
    await venue.cancel_order(PERP, ID, is_trigger=True)
    await venue.cancel_order(SPOT, ID)
    await venue.cancel_order(SPOT, ID, is_trigger=True)
    perp = {"category": "linear", "symbol": "BTCUSDT", "orderLinkId": ID}
    spot = {**perp, "category": "spot"}
    assert [json.loads(sent.body) for sent in session.sent] == [perp, perp, spot, {**spot, "orderFilter": "tpslOrder"}]


async def test_leverage_is_set_once_and_unchanged_leverage_is_a_success(
    venue: CcxtVenue, session: CannedSession
) -> None:
    session.answers["POST /v5/position/set-leverage"] = refusal(110043, "Set leverage has not been modified.")
    await venue.set_leverage(PERP, D(5))
    await venue.set_leverage(PERP, D(5))
    (sent,) = session.sent
    wanted = {"category": "linear", "symbol": "BTCUSDT", "buyLeverage": "5", "sellLeverage": "5"}
    assert json.loads(sent.body) == wanted
    session.answers["POST /v5/position/set-leverage"] = success()
    await venue.set_leverage(PERP, D(4))
    assert len(session.sent) == 2


async def test_margin_is_moved_with_its_sign_and_confirmed_by_the_symbol(
    venue: CcxtVenue, session: CannedSession
) -> None:
    session.answers["POST /v5/position/add-margin"] = success({"symbol": "BTCUSDT"})
    await venue.move_margin(PERP, D("-2.250"))
    await venue.move_margin(PERP, D(0))
    (sent,) = session.sent
    assert json.loads(sent.body) == {"category": "linear", "symbol": "BTCUSDT", "margin": "-2.25"}


async def test_one_wallet_has_nowhere_to_move_cash_to(venue: CcxtVenue, session: CannedSession) -> None:
    assert not venue.has_transfers
    with pytest.raises(VenueRejected, match="share one wallet"):
        await venue.move_cash(D(10), to_perp=True)
    assert session.sent == []
