"""Orders on the wire: signed with the journaled stamp, digit by digit, in the venue's own words."""

import contextlib
from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Decimal, Underflow, getcontext, localcontext
from typing import Any

import pytest

from bot.domain.instrument import Side
from bot.domain.order import OrderType, TimeInForce
from bot.ports import OrderRequest, OutcomeUnknown, Rejection, ReportState, VenueRejected
from bot.venues.ccxt.account.writes import LEVERAGE_KNOWN_MS
from bot.venues.ccxt.venue import CcxtVenue
from tests.venues.binance_server import NOW_MS, BinanceServer, placed, refusal
from tests.venues.conftest import HandClock
from tests.venues.orders import ALGO_ORDER, PERP_ORDER, SPOT_ORDER, market, request, stop

PERP = "UNI/USDT:USDT"


async def test_ccxt_does_not_change_the_arithmetic_of_this_process(venue: CcxtVenue, server: BinanceServer) -> None:
    """It sets rounding and traps of whatever decimal context it runs in; ours must be the same before and after."""
    server.answers["POST", SPOT_ORDER] = placed
    with localcontext() as ours:
        ours.rounding, ours.traps[Underflow] = ROUND_HALF_EVEN, False
        await venue.submit_order(request())
        assert (getcontext().rounding, getcontext().traps[Underflow]) == (ROUND_HALF_EVEN, False)


@pytest.mark.parametrize(
    ("order", "path"), [(request(), SPOT_ORDER), (request(PERP), PERP_ORDER), (stop(), ALGO_ORDER)]
)
async def test_the_signed_timestamp_is_the_journaled_stamp_and_the_window_is_explicit(
    order: OrderRequest, path: str, venue: CcxtVenue, server: BinanceServer
) -> None:
    server.answers["POST", path] = placed
    await venue.submit_order(order)
    sent = server.last("POST", path)
    assert sent.params["timestamp"] == str(order.stamp_ms) != str(venue.now_ms())
    assert sent.params["recvWindow"] == str(order.receive_window_ms)
    assert sent.raw.count("timestamp=") == sent.raw.count("recvWindow=") == 1


CASES: list[tuple[OrderRequest, dict[str, str]]] = [
    (request(), {"type": "LIMIT", "timeInForce": "IOC", "price": "10.001", "quantity": "3", "side": "BUY"}),
    (request(time_in_force=TimeInForce.FOK), {"type": "LIMIT", "timeInForce": "FOK"}),
    (request(time_in_force=TimeInForce.GTC), {"type": "LIMIT", "timeInForce": "GTC"}),
    (request(time_in_force=TimeInForce.POST_ONLY), {"type": "LIMIT_MAKER"}),
    (request(PERP, time_in_force=TimeInForce.POST_ONLY), {"type": "LIMIT", "timeInForce": "GTX"}),
    (request(PERP, reduce_only=True, side=Side.SELL), {"reduceOnly": "true", "side": "SELL"}),
    (market(), {"type": "MARKET", "quantity": "3"}),
    (market(PERP, reduce_only=True), {"type": "MARKET", "quantity": "3", "reduceOnly": "true"}),
    (
        stop(reduce_only=True),
        {
            "type": "STOP_MARKET",
            "triggerPrice": "9.5",
            "algoType": "CONDITIONAL",
            "workingType": "MARK_PRICE",
            "reduceOnly": "true",
            "quantity": "3",
        },
    ),
    (stop(order_type=OrderType.TAKE_PROFIT), {"type": "TAKE_PROFIT_MARKET", "triggerPrice": "9.5"}),
    (stop("UNI/USDT"), {"type": "STOP_LOSS", "stopPrice": "9.5", "quantity": "3"}),
    (
        request("1000PEPE/USDT:USDT", size=Decimal("1E+3"), price=Decimal("0.0123457")),
        {"symbol": "1000PEPEUSDT", "quantity": "1000", "price": "0.0123457"},
    ),
]


@pytest.mark.parametrize(("order", "expected"), CASES)
async def test_an_order_is_worded_as_the_venue_wants_it(
    order: OrderRequest, expected: dict[str, str], venue: CcxtVenue, server: BinanceServer
) -> None:
    for path in (SPOT_ORDER, PERP_ORDER, ALGO_ORDER):
        server.answers["POST", path] = placed
    report = await venue.submit_order(order)
    assert len(server.hits) == 1
    sent = server.hits[0].params
    assert expected.items() <= sent.items()
    assert sent.get("newClientOrderId", sent.get("clientAlgoId")) == order.client_id
    assert ("reduceOnly" in sent) is order.reduce_only
    assert not {"quoteOrderQty", "positionSide", "test", "stopLossPrice", "takeProfitPrice", "postOnly"} & sent.keys()
    assert ("price" in sent) is (order.price is not None)
    assert report.client_id == order.client_id
    assert report.state is ReportState.OPEN


REFUSED: list[tuple[OrderRequest, Rejection]] = [
    (request(size=Decimal("0.005")), Rejection.FILTER),
    (request(size=Decimal("3.001")), Rejection.FILTER),
    (request(size=Decimal(0)), Rejection.FILTER),
    (request(size=Decimal(-1)), Rejection.FILTER),
    (request(price=Decimal("10.0015")), Rejection.FILTER),
    (request(price=Decimal(-1)), Rejection.FILTER),
    (request(price=None), Rejection.FILTER),
    (market(price=Decimal(10)), Rejection.FILTER),
    (stop(trigger_price=None), Rejection.FILTER),
    (stop(trigger_price=Decimal("9.5001")), Rejection.FILTER),
    (request(trigger_price=Decimal(9)), Rejection.FILTER),
    (request(reduce_only=True), Rejection.REDUCE_ONLY),
    (request(client_id="has a blank"), Rejection.OTHER),
    (request(client_id="x" * 37), Rejection.OTHER),
    (request("NOPE/USDT"), Rejection.OTHER),
]


@pytest.mark.parametrize(("order", "kind"), REFUSED)
async def test_an_order_that_cannot_be_sent_as_it_is_does_not_leave(
    order: OrderRequest, kind: Rejection, venue: CcxtVenue, server: BinanceServer
) -> None:
    with pytest.raises(VenueRejected, match="not sent") as caught:
        await venue.submit_order(order)
    assert caught.value.kind is kind
    assert server.hits == []


async def test_a_spot_fill_at_placement_comes_with_its_fees(venue: CcxtVenue, server: BinanceServer) -> None:
    part = {"price": "10.001", "qty": "3", "commission": "0.003", "commissionAsset": "UNI", "tradeId": 12}
    server.answers["POST", SPOT_ORDER] = lambda hit: (
        placed(hit, status="FILLED", filled="3")
        | {
            "cummulativeQuoteQty": "30.003",
            "fills": [part],
        }
    )
    report = await venue.submit_order(request())
    assert report.state is ReportState.FILLED
    assert (report.filled_size, report.filled_quote) == (Decimal(3), Decimal("30.003"))
    assert [(fill.trade_id, fill.fee, fill.fee_asset) for fill in report.fills] == [
        ("UNI/USDT:12", Decimal("0.003"), "UNI")
    ]


async def test_an_expired_remainder_with_a_partial_fill_keeps_what_was_filled(
    venue: CcxtVenue, server: BinanceServer
) -> None:
    server.answers["POST", PERP_ORDER] = lambda hit: placed(hit, status="EXPIRED", filled="1") | {"cumQuote": "10"}
    report = await venue.submit_order(request(PERP))
    assert (report.state, report.filled_size, report.filled_quote) == (ReportState.EXPIRED, Decimal(1), Decimal(10))


async def test_an_order_with_an_id_and_an_unreadable_rest_counts_as_accepted(
    venue: CcxtVenue, server: BinanceServer
) -> None:
    server.answers["POST", SPOT_ORDER] = lambda hit: placed(hit, status="SOMETHING_NEW")
    report = await venue.submit_order(request())
    assert (report.state, report.venue_id, report.filled_size) == (ReportState.OPEN, "4711", Decimal(0))


async def test_cancels_go_to_the_endpoint_where_the_order_lives(venue: CcxtVenue, server: BinanceServer) -> None:
    canceled = {"orderId": 1, "status": "CANCELED", "symbol": "UNIUSDT", "side": "BUY", "type": "LIMIT"}
    server.answers["DELETE", SPOT_ORDER] = server.answers["DELETE", PERP_ORDER] = canceled
    server.answers["DELETE", ALGO_ORDER] = {"algoId": 9, "clientAlgoId": "tsbabc1", "code": "200", "msg": "success"}
    await venue.cancel_order("UNI/USDT", "tsbabc1")
    await venue.cancel_order(PERP, "tsbabc1")
    await venue.cancel_order(PERP, "tsbabc1", is_trigger=True)
    await venue.cancel_order("UNI/USDT", "tsbabc1", is_trigger=True)
    assert [hit.path for hit in server.hits] == [SPOT_ORDER, PERP_ORDER, ALGO_ORDER, SPOT_ORDER]
    assert server.hits[2].params["clientAlgoId"] == "tsbabc1"


async def test_leverage_is_set_after_isolated_margin_and_no_change_is_success(
    venue: CcxtVenue, server: BinanceServer
) -> None:
    server.answers["POST", "/fapi/v1/marginType"] = refusal(-4046, "No need to change margin type.")
    server.answers["POST", "/fapi/v1/leverage"] = {"leverage": 5, "maxNotionalValue": "1", "symbol": "UNIUSDT"}
    await venue.set_leverage(PERP, Decimal(5))
    assert [hit.path for hit in server.hits] == ["/fapi/v1/marginType", "/fapi/v1/leverage"]
    assert (server.hits[0].params["marginType"], server.hits[1].params["leverage"]) == ("ISOLATED", "5")


async def test_a_leverage_just_confirmed_is_not_asked_for_again_and_an_old_or_failed_one_is(
    venue: CcxtVenue, server: BinanceServer, clock: HandClock
) -> None:
    server.answers["POST", "/fapi/v1/marginType"] = refusal(-4046, "No need to change margin type.")
    server.answers["POST", "/fapi/v1/leverage"] = {"leverage": 5, "maxNotionalValue": "1", "symbol": "UNIUSDT"}

    async def asked_for(leverage: int) -> int:
        before = server.count("POST", "/fapi/v1/leverage")
        with contextlib.suppress(OutcomeUnknown):
            await venue.set_leverage(PERP, Decimal(leverage))
        return server.count("POST", "/fapi/v1/leverage") - before

    assert [await asked_for(5), await asked_for(5)] == [1, 0]
    assert await asked_for(3) == 1, "another one, which the venue does not confirm"
    assert await asked_for(5) == 1, "so what stood before is not known any more"
    clock.value_ms += LEVERAGE_KNOWN_MS
    assert await asked_for(5) == 1


@pytest.mark.parametrize(
    ("code", "leverage", "kind"),
    [(-4048, Decimal(5), Rejection.PERMANENT), (-4046, Decimal("2.5"), Rejection.LEVERAGE)],
)
async def test_a_leverage_that_cannot_be_set_is_rejected_before_it_is_tried(
    code: int, leverage: Decimal, kind: Rejection, venue: CcxtVenue, server: BinanceServer
) -> None:
    server.answers["POST", "/fapi/v1/marginType"] = refusal(code, "Margin type cannot be changed.")
    with pytest.raises(VenueRejected) as caught:
        await venue.set_leverage(PERP, leverage)
    assert caught.value.kind is kind
    assert server.count("POST", "/fapi/v1/leverage") == 0


@pytest.mark.parametrize(("to_perp", "kind"), [(True, "MAIN_UMFUTURE"), (False, "UMFUTURE_MAIN")])
async def test_cash_moves_to_the_cent_between_the_wallets(
    to_perp: bool, kind: str, venue: CcxtVenue, server: BinanceServer
) -> None:
    """ccxt's own transfer would cut the amount to the price tick of some market."""
    server.answers["POST", "/sapi/v1/asset/transfer"] = {"tranId": 1}
    await venue.move_cash(Decimal("1234.56789"), to_perp=to_perp)
    sent = server.last("POST", "/sapi/v1/asset/transfer").params
    assert (sent["type"], sent["asset"], sent["amount"]) == (kind, "USDT", "1234.56789")


async def test_a_transfer_without_an_id_is_unknown(venue: CcxtVenue, server: BinanceServer) -> None:
    server.answers["POST", "/sapi/v1/asset/transfer"] = {}
    with pytest.raises(OutcomeUnknown):
        await venue.move_cash(Decimal(1), to_perp=True)


async def test_an_environment_without_transfers_says_so(make_venue: Callable[..., CcxtVenue]) -> None:
    venue = make_venue(environment="testnet")
    await venue.open()
    assert not venue.has_transfers
    with pytest.raises(VenueRejected, match="no transfers"):
        await venue.move_cash(Decimal(1), to_perp=True)


@pytest.mark.parametrize(("amount", "kind"), [("12.34", "1"), ("-0.5", "2")])
async def test_margin_moves_in_both_directions_unrounded(
    amount: str, kind: str, venue: CcxtVenue, server: BinanceServer
) -> None:
    """ccxt's own call would cut the amount to the instrument's size step."""
    server.answers["POST", "/fapi/v1/positionMargin"] = {"code": 200, "msg": "ok", "amount": 1.0, "type": int(kind)}
    await venue.move_margin(PERP, Decimal(amount))
    sent = server.last("POST", "/fapi/v1/positionMargin").params
    assert (sent["amount"], sent["type"]) == (amount.lstrip("-"), kind)


def test_stamps_of_the_cases_are_not_the_clocks() -> None:
    stamps: set[Any] = {order.stamp_ms for order, _ in CASES}
    assert stamps == {NOW_MS - 137}
