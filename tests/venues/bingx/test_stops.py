"""Conditional orders of perps, which keep no client id: found by what they are, and never guessed."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from bot.domain.instrument import Side
from bot.domain.order import Order, OrderType, Purpose, TimeInForce
from bot.domain.states import OrderState
from bot.ports import OutcomeUnknown, Rejection, ReportState, Unavailable, VenueRejected
from bot.venues.ccxt.account.stops import DOUBTFUL
from bot.venues.ccxt.venue import CcxtVenue
from tests.venues.bingx.canned import (
    HISTORY,
    OPEN,
    PERP,
    PERP_CANCEL,
    PERP_ORDER,
    PERP_QUERY,
    BingxSession,
    refusal,
    stop_answer,
    stop_row,
    success,
)
from tests.venues.bingx.test_outcomes import ID, order
from tests.venues.bybit.canned import NOW_MS, Reply

D = Decimal
OTHER_ID, FIRST, SECOND = "tsbabc00001010101a02", 17, 18


def stop(client_id: str = ID, **changes: Any) -> Any:
    settings = {
        "order_type": OrderType.STOP,
        "price": None,
        "side": Side.SELL,
        "reduce_only": True,
        "trigger_price": D("45000.5"),
        "client_id": client_id,
    }
    return order(**settings | changes)


def journaled(client_id: str = ID, venue_id: str | None = None) -> Order:
    """The same order as a journal has it."""
    return Order(
        client_id=client_id,
        intent_id="x3",
        purpose=Purpose.EXIT,
        sector="",
        symbol=PERP,
        side=Side.SELL,
        size=D("0.010"),
        price=None,
        order_type=OrderType.STOP,
        time_in_force=TimeInForce.GTC,
        reduce_only=True,
        state=OrderState.SUBMITTING,
        sent_ms=NOW_MS - 900,
        receive_window_ms=5_000,
        trigger_price=D("45000.5"),
        venue_id=venue_id,
    )


def show(session: BingxSession, rows: Sequence[Any], *, ended: Sequence[Any] = ()) -> None:
    session.answers[OPEN] = success({"orders": list(rows)})
    session.answers[HISTORY] = success({"orders": [*rows, *ended]})
    for row in (*rows, *ended):
        session.answers[f"{PERP_QUERY}?orderId={row['orderId']}"] = success({"order": row})


async def lose(venue: CcxtVenue, session: BingxSession) -> None:
    """Send a stop whose answer does not come."""
    session.answers[PERP_ORDER] = Reply("", 502)
    with pytest.raises(OutcomeUnknown):
        await venue.submit_order(stop())


async def test_a_stop_whose_answer_was_lost_is_found_by_what_it_is(venue: CcxtVenue, session: BingxSession) -> None:
    await lose(venue, session)
    assert await venue.fetch_order(PERP, ID, is_trigger=True) is None
    show(session, [stop_row(FIRST), stop_row(SECOND, stopPrice="44000")])
    report = await venue.fetch_order(PERP, ID, is_trigger=True)
    assert report is not None
    assert (report.client_id, report.venue_id, report.state) == (ID, str(FIRST), ReportState.OPEN)
    ours, another = await venue.fetch_open_orders([PERP])
    assert (ours.client_id, another.client_id, another.defect) == (ID, None, "")


@pytest.mark.parametrize(
    "changes",
    [
        {"stopPrice": "45000.4"},
        {"origQty": "0.0101"},
        {"side": "BUY"},
        {"reduceOnly": False},
        {"time": NOW_MS - 4_000},
        {"time": NOW_MS + 60_000},
        {"clientOrderId": "somebodyelse"},
        {"type": "LIMIT"},
    ],
)
async def test_an_order_that_differs_in_anything_is_not_ours(
    changes: dict[str, Any], venue: CcxtVenue, session: BingxSession
) -> None:
    await lose(venue, session)
    show(session, [stop_row(FIRST, **changes)])
    assert await venue.fetch_order(PERP, ID, is_trigger=True) is None
    (seen,) = await venue.fetch_open_orders([PERP])
    assert seen.client_id != ID


@pytest.mark.parametrize("missing", ["reduceOnly", "time", "stopPrice", "origQty", "side", "type"])
async def test_a_stop_that_cannot_be_compared_is_no_strangers(
    missing: str, venue: CcxtVenue, session: BingxSession
) -> None:
    """Otherwise the order counts as absent, and another one like it is sent."""
    await lose(venue, session)
    row = stop_row(FIRST)
    del row[missing]
    show(session, [row])
    with pytest.raises(Unavailable, match="cannot be"):
        await venue.fetch_order(PERP, ID, is_trigger=True)
    listed = await venue.fetch_open_orders([PERP])
    assert [(one.client_id, bool(one.defect)) for one in listed] == [(None, True)]
    assert [symbol for symbol, _ in listed.defects] == [PERP]  # type: ignore[attr-defined]
    with pytest.raises(VenueRejected) as caught:
        await venue.cancel_order(PERP, ID, is_trigger=True)
    assert (caught.value.code, caught.value.kind) == ("not sent", Rejection.OTHER)


async def test_a_stop_whose_number_is_known_needs_no_comparison(venue: CcxtVenue, session: BingxSession) -> None:
    session.answers[PERP_ORDER] = stop_answer(FIRST)
    await venue.submit_order(stop())
    row = stop_row(FIRST)
    del row["reduceOnly"]
    show(session, [row])
    (seen,) = await venue.fetch_open_orders([PERP])
    assert (seen.client_id, seen.defect) == (ID, "")
    report = await venue.fetch_order(PERP, ID, is_trigger=True)
    assert report is not None
    assert report.venue_id == str(FIRST)


async def test_conditional_orders_of_other_types_are_not_compared(venue: CcxtVenue, session: BingxSession) -> None:
    await lose(venue, session)
    row = stop_row(FIRST, type="TRAILING_STOP_MARKET", stopPrice="")
    del row["reduceOnly"]
    show(session, [row])
    assert await venue.fetch_order(PERP, ID, is_trigger=True) is None
    (seen,) = await venue.fetch_open_orders([PERP])
    assert (seen.client_id, seen.defect) == (None, "")


async def test_a_venue_that_keeps_the_client_id_of_a_stop_is_believed(venue: CcxtVenue, session: BingxSession) -> None:
    await lose(venue, session)
    show(session, [stop_row(FIRST, clientOrderId=ID.upper()), stop_row(SECOND, clientOrderId="somebodyelse")])
    report = await venue.fetch_order(PERP, ID, is_trigger=True)
    assert report is not None
    assert (report.client_id, report.venue_id) == (ID, str(FIRST))
    session.answers[PERP_CANCEL] = success({"order": stop_row(FIRST, clientOrderId=ID, status="CANCELLED")})
    await venue.cancel_order(PERP, ID, is_trigger=True)
    assert f"orderId={FIRST}" in session.sent[-1].query


@pytest.mark.parametrize(("code", "message"), [(101481, "duplicate"), (100421, "timestamp mismatch")])
async def test_a_refusal_that_proves_nothing_leaves_the_stop_known(
    code: int, message: str, venue: CcxtVenue, session: BingxSession
) -> None:
    """A copy of the request may be what was refused, and the first one rests."""
    session.answers[PERP_ORDER] = refusal(code, message)
    with pytest.raises(VenueRejected):
        await venue.submit_order(stop())
    session.sent.clear()
    with pytest.raises(VenueRejected, match="withdraw it first"):
        await venue.submit_order(stop(OTHER_ID))
    assert session.sent == []
    show(session, [stop_row(FIRST)])
    report = await venue.fetch_order(PERP, ID, is_trigger=True)
    assert report is not None
    assert report.venue_id == str(FIRST)


async def test_two_orders_that_fit_one_of_ours_are_an_alarm_and_neither_is_taken(
    venue: CcxtVenue, session: BingxSession
) -> None:
    await lose(venue, session)
    show(session, [stop_row(FIRST), stop_row(SECOND)])
    with pytest.raises(Unavailable, match="alike"):
        await venue.fetch_order(PERP, ID, is_trigger=True)
    listed = await venue.fetch_open_orders([PERP])
    assert [(one.client_id, one.defect) for one in listed] == [(None, DOUBTFUL)] * 2
    assert listed.defects == ((PERP, DOUBTFUL), (PERP, DOUBTFUL))  # type: ignore[attr-defined]
    session.sent.clear()
    with pytest.raises(VenueRejected) as caught:
        await venue.cancel_order(PERP, ID, is_trigger=True)
    assert caught.value.code == "not sent"
    assert PERP_CANCEL.partition(" ")[0] not in {sent.method for sent in session.sent}


async def test_a_second_stop_that_is_alike_is_refused_before_a_request_leaves(
    venue: CcxtVenue, session: BingxSession
) -> None:
    session.answers[PERP_ORDER] = stop_answer(FIRST)
    await venue.submit_order(stop())
    session.sent.clear()
    with pytest.raises(VenueRejected, match="withdraw it first") as caught:
        await venue.submit_order(stop(OTHER_ID))
    assert (caught.value.code, session.sent) == ("not sent", [])
    session.answers[PERP_ORDER] = stop_answer(SECOND, stopPrice="45000.6")
    await venue.submit_order(stop(OTHER_ID, trigger_price=D("45000.6")))


async def test_a_stop_that_is_withdrawn_or_refused_makes_room_for_one_like_it(
    venue: CcxtVenue, session: BingxSession
) -> None:
    session.answers[PERP_ORDER] = refusal(101205, "No position to close")
    with pytest.raises(VenueRejected):
        await venue.submit_order(stop())
    session.answers[PERP_ORDER] = stop_answer(FIRST)
    await venue.submit_order(stop(OTHER_ID))
    session.answers[PERP_CANCEL] = success({"order": stop_row(FIRST, status="CANCELLED")})
    await venue.cancel_order(PERP, OTHER_ID, is_trigger=True)
    assert f"orderId={FIRST}" in session.sent[-1].query
    session.answers[PERP_ORDER] = stop_answer(SECOND)
    await venue.submit_order(stop())


async def test_after_a_restart_the_journal_says_which_stops_are_ours(venue: CcxtVenue, session: BingxSession) -> None:
    show(session, [stop_row(FIRST)])
    (seen,) = await venue.fetch_open_orders([PERP])
    assert seen.client_id is None
    venue.recall_stops([journaled()])
    (seen,) = await venue.fetch_open_orders([PERP])
    assert (seen.client_id, seen.venue_id) == (ID, str(FIRST))
    venue.recall_stops([journaled(OTHER_ID, venue_id=str(FIRST))])
    (seen,) = await venue.fetch_open_orders([PERP])
    assert seen.client_id == OTHER_ID


async def test_a_stop_that_has_fired_is_found_in_the_history(venue: CcxtVenue, session: BingxSession) -> None:
    await lose(venue, session)
    fired = stop_row(FIRST, status="FILLED", executedQty="0.0100", cumQuote="450", avgPrice="45000.0")
    show(session, [], ended=[fired])
    report = await venue.fetch_order(PERP, ID, is_trigger=True)
    assert report is not None
    assert (report.state, report.filled_size, report.filled_quote) == (ReportState.FILLED, D("0.0100"), 450)


async def test_a_stop_that_nobody_sent_is_not_asked_for(venue: CcxtVenue, session: BingxSession) -> None:
    assert await venue.fetch_order(PERP, ID, is_trigger=True) is None
    assert session.sent == []
    with pytest.raises(VenueRejected) as caught:
        await venue.cancel_order(PERP, ID, is_trigger=True)
    assert caught.value.kind is Rejection.NOT_FOUND


CHILD = 99
FILLS, FORCED = "GET /openApi/swap/v2/trade/fillHistory", "GET /openApi/swap/v2/trade/forceOrders"


def child_row(**changes: Any) -> dict[str, Any]:
    """What a stop became, with a number and a type of its own."""
    row = stop_row(CHILD, type="MARKET", stopPrice="", status="FILLED", executedQty="0.0100", avgPrice="44990")
    return {**row, "cumQuote": "449.9", "triggerOrderId": FIRST, "updateTime": NOW_MS, **changes}


def child_fill(**changes: Any) -> dict[str, Any]:
    row = {"filledTime": "", "filledTm": "2025-10-09T08:53:20Z", "price": "44990", "qty": "0.01", "quoteQty": "449.9"}
    more = {"commission": "-0.2", "commissionAsset": "USDT", "orderId": str(CHILD), "tradeId": "1", "role": "taker"}
    return {**row, **more, "symbol": "BTC-USDT", "side": "SELL", **changes}


@pytest.mark.parametrize("is_sided", [True, False])
@pytest.mark.parametrize("is_kept", [False, True])
async def test_what_a_stop_became_is_the_stop_though_its_number_is_another(
    is_kept: bool, is_sided: bool, venue: CcxtVenue, session: BingxSession
) -> None:
    """Whether it is one is not documented: under another number it was an order and a fill of somebody else."""
    session.answers[PERP_ORDER] = stop_answer(FIRST)
    await venue.submit_order(stop())
    session.answers |= {OPEN: success({"orders": []}), FORCED: success({"orders": []})}
    session.answers[HISTORY] = success({"orders": [child_row(), *([stop_row(FIRST)] if is_kept else [])]})
    session.answers[f"{PERP_QUERY}?orderId={FIRST}"] = refusal(109421, "order not exist")
    session.answers[f"{PERP_QUERY}?orderId={CHILD}"] = success({"order": child_row()})
    fill = child_fill() if is_sided else {name: value for name, value in child_fill().items() if name != "side"}
    session.answers[FILLS] = success({"fill_orders": [fill]})
    (kept,) = await venue.fetch_order_history(PERP, NOW_MS - 10_000)
    assert (kept.client_id, kept.venue_id, kept.state, kept.filled_size) == (
        ID,
        str(FIRST),
        ReportState.FILLED,
        D("0.01"),
    )
    if not is_kept:
        report = await venue.fetch_order(PERP, ID, is_trigger=True)
        assert report == kept
    (executed,) = await venue.fetch_fills(PERP, NOW_MS - 10_000)
    assert (executed.venue_order_id, executed.side, executed.size) == (str(FIRST), Side.SELL, D("0.01"))


async def test_what_the_stop_of_another_became_is_an_order_of_its_own(venue: CcxtVenue, session: BingxSession) -> None:
    session.answers |= {HISTORY: success({"orders": [child_row()]}), FORCED: success({"orders": []})}
    (kept,) = await venue.fetch_order_history(PERP, NOW_MS - 10_000)
    assert (kept.client_id, kept.venue_id, kept.is_trigger) == (None, str(CHILD), False)
    session.answers[FILLS] = success({"fill_orders": [child_fill()]})
    (executed,) = await venue.fetch_fills(PERP, NOW_MS - 10_000)
    assert executed.venue_order_id == str(CHILD)


@pytest.mark.parametrize("is_listed", [True, False])
@pytest.mark.parametrize("is_restarted", [True, False])
async def test_fills_of_what_a_stop_became_are_its_own_before_the_history_was_read(
    is_restarted: bool, is_listed: bool, venue: CcxtVenue, session: BingxSession
) -> None:
    """The stop is known to be filled by its own number, so nothing else asks what it became; after a restart it is one
    of those that have ended without their fills."""
    if is_restarted:
        venue.recall_stops([replace(journaled(venue_id=str(FIRST)), state=OrderState.FILLED, filled_size=D("0.010"))])
    else:
        session.answers[PERP_ORDER] = stop_answer(FIRST)
        await venue.submit_order(stop())
    fired = stop_row(FIRST, status="FILLED", executedQty="0.0100", avgPrice="44990")
    session.answers |= {OPEN: success({"orders": []}), FORCED: success({"orders": []})}
    session.answers[HISTORY] = success({"orders": [child_row(), fired] if is_listed else [fired]})
    session.answers[f"{PERP_QUERY}?orderId={FIRST}"] = success({"order": fired})
    session.answers[f"{PERP_QUERY}?orderId={CHILD}"] = success({"order": child_row()})
    session.answers[FILLS] = success({"fill_orders": [child_fill()]})
    report = await venue.fetch_order(PERP, ID, is_trigger=True)
    assert report is not None
    assert (report.venue_id, report.state) == (str(FIRST), ReportState.FILLED)
    (executed,) = await venue.fetch_fills(PERP, NOW_MS - 10_000)
    assert executed.venue_order_id == str(FIRST)
    asked = len(session.sent)
    assert await venue.fetch_fills(PERP, NOW_MS - 10_000) == (executed,)
    assert len(session.sent) == asked + 1


async def test_a_plain_order_is_asked_once_whether_a_stop_became_it(venue: CcxtVenue, session: BingxSession) -> None:
    session.answers[PERP_ORDER] = stop_answer(FIRST)
    await venue.submit_order(stop())
    session.answers[f"{PERP_QUERY}?orderId={CHILD}"] = success({"order": child_row(triggerOrderId=0)})
    session.answers[FILLS] = success({"fill_orders": [child_fill()]})
    (executed,) = await venue.fetch_fills(PERP, NOW_MS - 10_000)
    assert executed.venue_order_id == str(CHILD)
    asked = len(session.sent)
    assert await venue.fetch_fills(PERP, NOW_MS - 10_000) == (executed,)
    assert len(session.sent) == asked + 1


@pytest.mark.parametrize("is_recent", [True, False])
async def test_a_fill_whose_order_is_not_shown_yet_waits_for_it(
    is_recent: bool, venue: CcxtVenue, session: BingxSession
) -> None:
    """A fill is booked once, so it cannot be corrected; an order that is never shown must not hide it for good."""
    session.answers[PERP_ORDER] = stop_answer(FIRST)
    await venue.submit_order(stop())
    session.answers[f"{PERP_QUERY}?orderId={CHILD}"] = refusal(109421, "order not exist")
    time = child_fill()["filledTm"] if is_recent else "2025-10-09T08:43:20Z"
    session.answers[FILLS] = success({"fill_orders": [child_fill(filledTm=time)]})
    listed = await venue.fetch_fills(PERP, NOW_MS - 3_600_000)
    assert [fill.venue_order_id for fill in listed] == ([] if is_recent else [str(CHILD)])
    shown = [(symbol, "does not show order 99" in why) for symbol, why in listed.defects]  # type: ignore[attr-defined]
    assert shown == ([(PERP, True)] if is_recent else [])


async def test_an_ended_stop_that_is_recalled_makes_room_for_one_like_it(
    venue: CcxtVenue, session: BingxSession
) -> None:
    venue.recall_stops([replace(journaled(venue_id=str(FIRST)), state=OrderState.FILLED)])
    session.answers[PERP_ORDER] = stop_answer(SECOND)
    await venue.submit_order(stop(OTHER_ID))
