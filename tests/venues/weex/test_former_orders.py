"""Orders that the bot sent long ago, or before it was started again, are found, and none is given up by mistake."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs

import pytest

from bot.domain.durations import DAY_MS, HOUR_MS
from bot.domain.instrument import Side
from bot.domain.order import Order, OrderType, Purpose, TimeInForce
from bot.domain.states import OrderState
from bot.ports import Listed, ReportState, Unavailable
from bot.venues.ccxt.account.sole_list import SOLE_LAG_MS
from bot.venues.ccxt.venue import CcxtVenue
from bot.venues.weex.asking import PAGE
from bot.venues.weex.profiles import WEEX
from tests.venues.bybit.canned import NOW_MS, Reply, Sent
from tests.venues.weex.canned import (
    ALL_ALGO,
    HISTORY,
    OPEN,
    OPEN_ALGO,
    PERP,
    PERP_ORDER,
    PERP_QUERY,
    SPOT,
    SPOT_QUERY,
    WeexSession,
    algo_row,
    perp_row,
    refusal,
    usual,
    venue_on,
)
from tests.venues.weex.test_outcomes import ID, NUMBER, PERP_TAKEN, order

CHILD = 5
FILLS, SPOT_FILLS = "GET /capi/v3/userTrades", "GET /api/v3/myTrades"


class DatedSession(WeexSession):
    """Answers a question about a span with the rows that were made in it."""

    def get(self, url: Any, **options: Any) -> Any:
        sent = Sent("GET", str(url), {}, "")
        span, path = parse_qs(sent.query), f"GET {sent.path}"
        kept = self.answers.get(path)
        if "startTime" not in span or not isinstance(kept, dict | list):
            return super().get(url, **options)
        first, last = int(span["startTime"][0]), int(span["endTime"][0])
        assert last - first < 7 * DAY_MS

        def within(found: list[Any]) -> list[Any]:
            return [row for row in found if first <= (row.get("createTime") or row["time"]) <= last]

        self.answers[path] = {**kept, "orders": within(kept["orders"])} if isinstance(kept, dict) else within(kept)
        try:
            return super().get(url, **options)
        finally:
            self.answers[path] = kept


@pytest.fixture
def session() -> DatedSession:
    return DatedSession(usual() | {FILLS: [], SPOT_FILLS: []})


@pytest.fixture
async def venue(session: DatedSession) -> AsyncIterator[CcxtVenue]:
    opened = venue_on(session)
    await opened.open()
    await opened.fetch_instruments([SPOT, PERP])
    session.sent.clear()
    yield opened
    await opened.close()


def journaled(age_ms: int, *, is_stop: bool = False, venue_id: str | None = str(NUMBER), name: str = ID) -> Order:
    """An order that the journal holds for one that may still execute."""
    return Order(
        client_id=name,
        intent_id="x3",
        purpose=Purpose.EXIT if is_stop else Purpose.INCREASE,
        sector="",
        symbol=PERP,
        side=Side.SELL if is_stop else Side.BUY,
        size=Decimal("0.01"),
        order_type=OrderType.STOP if is_stop else OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        state=OrderState.OPEN,
        sent_ms=NOW_MS - age_ms,
        receive_window_ms=5_000,
        venue_id=venue_id,
        price=None if is_stop else Decimal("50000.1"),
        trigger_price=Decimal("45000.5") if is_stop else None,
        reduce_only=is_stop,
    )


def fired(age_ms: int, **changes: Any) -> dict[str, Any]:
    row = {"clientAlgoId": ID, "algoStatus": "TRIGGERED", "actualOrderId": CHILD, "createTime": NOW_MS - age_ms}
    return algo_row(NUMBER, **{**row, **changes})


def child(**changes: Any) -> dict[str, Any]:
    row = {"status": "FILLED", "executedQty": "0.01", "avgPrice": "44990", "side": "SELL", "type": "MARKET"}
    return perp_row(CHILD, **{**row, "clientOrderId": "made-by-the-venue", **changes})


@pytest.mark.parametrize("is_stop", [False, True])
async def test_an_order_of_the_journal_is_not_given_up_after_a_restart(is_stop: bool, venue: CcxtVenue) -> None:
    venue.recall_stops([journaled(60_000, is_stop=is_stop)])
    with pytest.raises(Unavailable, match=f"{NUMBER} was taken"):
        await venue.fetch_order(PERP, ID, is_trigger=is_stop)


async def test_an_order_whose_answer_was_lost_can_be_absent(venue: CcxtVenue) -> None:
    venue.recall_stops([journaled(60_000, venue_id=None)])
    assert await venue.fetch_order(PERP, ID) is None


@pytest.mark.parametrize(
    ("age_ms", "shown_ms", "rows", "is_absent"),
    [
        (60_000, None, 0, False),
        (60_000, WEEX.quiet_period_ms(5_000), 1, False),
        (60_000, WEEX.quiet_period_ms(5_000) + 1, 1, True),
        (60_000, WEEX.quiet_period_ms(5_000) + 1, PAGE, False),
        (WEEX.quiet_period_ms(5_000) + SOLE_LAG_MS, None, 0, False),
        (WEEX.quiet_period_ms(5_000) + SOLE_LAG_MS + 1, None, 0, True),
        (WEEX.quiet_period_ms(5_000) + SOLE_LAG_MS + 1, 0, PAGE, True),
    ],
)
async def test_a_stop_whose_answer_was_lost_is_absent_by_a_list_that_is_not_behind(
    age_ms: int, shown_ms: int | None, rows: int, is_absent: bool, venue: CcxtVenue, session: DatedSession
) -> None:
    """One list alone shows a stop that waits: it proves nothing before it shows what is newer than the stop can be."""
    at_ms = NOW_MS - age_ms + (shown_ms or 0)
    others = algo_row(77, symbol="ETHUSDT", clientAlgoId="another", createTime=at_ms, updateTime=at_ms)
    session.answers |= {f"{OPEN_ALGO}?symbol=": [], OPEN_ALGO: [others] * rows}
    venue.recall_stops([journaled(age_ms, is_stop=True, venue_id=None)])
    if is_absent:
        assert await venue.fetch_order(PERP, ID, is_trigger=True) is None
        return
    with pytest.raises(Unavailable, match="may be behind"):
        await venue.fetch_order(PERP, ID, is_trigger=True)


async def test_what_the_venue_took_is_remembered_while_the_journal_has_not_ended_it(
    venue: CcxtVenue, session: DatedSession
) -> None:
    session.answers[PERP_ORDER] = PERP_TAKEN
    await venue.submit_order(order())
    venue.recall_stops([journaled(900, venue_id=None)])
    with pytest.raises(Unavailable, match="was taken"):
        await venue.fetch_order(PERP, ID)
    venue.recall_stops([journaled(900, name="another")])
    assert await venue.fetch_order(PERP, ID) is None


@pytest.mark.parametrize("age_days", [8, 30, 89])
async def test_an_old_order_is_searched_for_from_its_own_time_on(
    age_days: int, venue: CcxtVenue, session: DatedSession
) -> None:
    age_ms = age_days * DAY_MS
    session.answers |= {
        ALL_ALGO: {"orders": [fired(age_ms, updateTime=NOW_MS - 1_000)], "hasMore": False},
        PERP_QUERY: child(),
    }
    venue.recall_stops([journaled(age_ms, is_stop=True)])
    report = await venue.fetch_order(PERP, ID, is_trigger=True)
    assert report is not None
    assert (report.state, report.filled_size, report.venue_id) == (ReportState.FILLED, Decimal("0.01"), str(CHILD))
    session.answers[HISTORY] = [perp_row(NUMBER, clientOrderId=ID, status="CANCELED", time=NOW_MS - age_ms)]
    venue.recall_stops([journaled(age_ms)])
    report = await venue.fetch_order(PERP, ID)
    assert report is not None
    assert report.state is ReportState.CANCELED


@pytest.mark.parametrize("is_stop", [False, True])
async def test_an_order_older_than_the_lists_can_be_over(is_stop: bool, venue: CcxtVenue) -> None:
    venue.recall_stops([journaled(91 * DAY_MS, is_stop=is_stop)])
    assert await venue.fetch_order(PERP, ID, is_trigger=is_stop) is None


@pytest.mark.parametrize("age_days", [1, 8, 60])
async def test_what_an_old_stop_became_is_no_order_of_another(
    age_days: int, venue: CcxtVenue, session: DatedSession
) -> None:
    row = fired(age_days * DAY_MS, updateTime=NOW_MS - 1_000)
    session.answers |= {ALL_ALGO: {"orders": [row], "hasMore": False}, HISTORY: [child()], PERP_QUERY: child()}
    (report,) = await venue.fetch_order_history(PERP, NOW_MS - 2 * HOUR_MS)
    assert (report.client_id, report.is_trigger, report.venue_id) == (ID, True, str(CHILD))
    assert (report.state, report.filled_size) == (ReportState.FILLED, Decimal("0.01"))


async def test_stops_of_long_ago_are_asked_for_only_where_one_may_have_fired(
    venue: CcxtVenue, session: DatedSession
) -> None:
    session.answers[HISTORY] = [perp_row(NUMBER, status="FILLED", executedQty="0.01")]
    assert len(await venue.fetch_order_history(PERP, NOW_MS - 2 * HOUR_MS)) == 1
    assert sum(sent.path.endswith("allAlgoOrders") for sent in session.sent) == 1
    session.answers[HISTORY] = [child(clientOrderId="by-hand")]
    (report,) = await venue.fetch_order_history(PERP, NOW_MS - 2 * HOUR_MS)
    assert (report.client_id, report.is_trigger) == ("by-hand", False)


@pytest.mark.parametrize("symbol", [SPOT, PERP])
async def test_fills_that_the_venue_no_longer_lists_are_a_defect(symbol: str, venue: CcxtVenue) -> None:
    found = await venue.fetch_fills(symbol, NOW_MS - 91 * DAY_MS)
    assert isinstance(found, Listed)
    assert [(name, "90 days" in words) for name, words in found.defects] == [(symbol, True)]
    for since_ms in (0, NOW_MS - 89 * DAY_MS):
        recent = await venue.fetch_fills(symbol, since_ms)
        assert isinstance(recent, Listed)
        assert not recent.defects


def fill_row(**changes: Any) -> dict[str, Any]:
    row = {"id": 9, "orderId": CHILD, "symbol": "BTCUSDT", "side": "SELL", "price": "44990", "qty": "0.01"}
    return {**row, "commission": "0.3", "commissionAsset": "USDT", "maker": False, "time": NOW_MS - HOUR_MS, **changes}


def show_fired(session: DatedSession, *, fired_ms: int = NOW_MS - HOUR_MS, **changes: Any) -> None:
    """A stop of yesterday that has fired; the order that it names is not known."""
    row = fired(DAY_MS, triggerTime=fired_ms, updateTime=fired_ms, **changes)
    session.answers[ALL_ALGO] = {"orders": [row], "hasMore": False}
    session.answers[PERP_QUERY] = Reply(refusal(-2200, "Order does not exist."), 400)


@pytest.mark.parametrize("named", [None, "", CHILD])
async def test_a_stop_that_fired_without_an_order_is_over_once_nothing_can_come(
    named: Any, venue: CcxtVenue, session: DatedSession
) -> None:
    show_fired(session, actualOrderId=named)
    report = await venue.fetch_order(PERP, ID, is_trigger=True)
    assert report is not None
    assert (report.state, report.filled_size, report.venue_id) == (ReportState.EXPIRED, 0, str(NUMBER))
    show_fired(session, actualOrderId=named, fired_ms=NOW_MS - venue.quiet_period_ms + 1)
    report = await venue.fetch_order(PERP, ID, is_trigger=True)
    assert report is not None
    assert report.state is ReportState.OPEN


@pytest.mark.parametrize(("qty", "state"), [("0.01", ReportState.FILLED), ("0.004", ReportState.EXPIRED)])
async def test_the_fills_say_what_a_fired_stop_did_whose_order_is_not_known(
    qty: str, state: ReportState, venue: CcxtVenue, session: DatedSession
) -> None:
    show_fired(session)
    session.answers[FILLS] = [fill_row(qty=qty), fill_row(id=10, orderId=77)]
    report = await venue.fetch_order(PERP, ID, is_trigger=True)
    assert report is not None
    assert (report.state, report.filled_size, report.venue_id) == (state, Decimal(qty), str(CHILD))
    assert report.filled_quote == Decimal(qty) * Decimal(44990)


@pytest.mark.parametrize(
    ("changes", "is_over"),
    [({}, False), ({"side": "BUY"}, True), ({"time": NOW_MS - HOUR_MS // 2}, True), ({"qty": "?"}, False)],
)
async def test_a_fill_that_may_be_of_a_fired_stop_keeps_it_from_being_over(
    changes: dict[str, Any], is_over: bool, venue: CcxtVenue, session: DatedSession
) -> None:
    show_fired(session, actualOrderId=None)
    session.answers[FILLS] = [fill_row(**changes)]
    if not is_over:
        with pytest.raises(Unavailable, match="it has fired"):
            await venue.fetch_order(PERP, ID, is_trigger=True)
        return
    report = await venue.fetch_order(PERP, ID, is_trigger=True)
    assert report is not None
    assert report.state is ReportState.EXPIRED


async def test_a_spot_order_that_the_venue_failed_is_read(venue: CcxtVenue, session: DatedSession) -> None:
    """FAILED is the state of an order there, and a refusal in the answer to a cancel alone."""
    row = {"symbol": "BTCUSDT", "orderId": 1, "clientOrderId": ID, "origQty": "1", "executedQty": "0", "side": "BUY"}
    session.answers[SPOT_QUERY] = {**row, "price": "1", "status": "FAILED", "time": NOW_MS}
    report = await venue.fetch_order(SPOT, ID)
    assert report is not None
    assert report.state is ReportState.REJECTED


NO_SYMBOL = Reply(refusal(-1121, "Invalid symbol."), 400)


async def test_a_symbol_that_is_unknown_alone_is_looked_for_in_the_list_of_all(
    venue: CcxtVenue, session: DatedSession
) -> None:
    """Its market has ended while the bot was down. A turn that could not read its orders came to nothing, each time."""
    session.answers |= {f"{OPEN}?symbol=": NO_SYMBOL, OPEN: [perp_row(NUMBER, clientOrderId=ID)]}
    (resting,) = await venue.fetch_open_orders([PERP])
    assert (resting.client_id, resting.symbol, resting.state) == (ID, PERP, ReportState.OPEN)
    session.answers[OPEN] = []
    found = await venue.fetch_open_orders([PERP])
    assert (tuple(found), found.defects if isinstance(found, Listed) else None) == ((), ())


async def test_a_full_list_of_all_does_not_show_that_an_unknown_symbol_has_no_order(
    venue: CcxtVenue, session: DatedSession
) -> None:
    others = [perp_row(number, symbol="ETHUSDT") for number in range(1, PAGE + 1)]
    session.answers |= {f"{OPEN}?symbol=": NO_SYMBOL, OPEN: others}
    found = await venue.fetch_open_orders([PERP])
    assert isinstance(found, Listed)
    assert (tuple(found), [symbol for symbol, _ in found.defects]) == ((), [PERP])
    assert "Invalid symbol" in found.defects[0][1]
    with pytest.raises(Unavailable, match="Invalid symbol"):
        await venue.fetch_order(PERP, ID)


@pytest.mark.parametrize("fee", [None, "", "x", ...])
@pytest.mark.parametrize(("symbol", "path"), [(SPOT, SPOT_FILLS), (PERP, FILLS)])
async def test_a_fill_without_a_readable_fee_is_not_booked(
    symbol: str, path: str, fee: Any, venue: CcxtVenue, session: DatedSession
) -> None:
    """Its fee counted as zero for ever: a fill that is booked is not read again."""
    row = fill_row(isBuyer=False, commission=fee)
    session.answers[path] = [{name: cell for name, cell in row.items() if cell is not ...}]
    found = await venue.fetch_fills(symbol, NOW_MS - DAY_MS)
    assert isinstance(found, Listed)
    assert (tuple(found), [name for name, _ in found.defects]) == ((), [symbol])
    session.answers[path] = [fill_row(isBuyer=False)]
    assert [fill.fee for fill in await venue.fetch_fills(symbol, NOW_MS - DAY_MS)] == [Decimal("0.3")]


@pytest.mark.parametrize(("symbol", "path"), [(SPOT, SPOT_FILLS), (PERP, FILLS)])
async def test_a_negative_fee_is_a_rebate(symbol: str, path: str, venue: CcxtVenue, session: DatedSession) -> None:
    """The documents show what was paid as a positive number. Of spot a rebate counted as a fee."""
    session.answers[path] = [fill_row(isBuyer=False, commission="-0.3")]
    (fill,) = await venue.fetch_fills(symbol, NOW_MS - DAY_MS)
    assert fill.fee == Decimal("-0.3")
