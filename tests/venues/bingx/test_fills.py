"""Fills of perps, from rows that have the fields of the documented sample; its sizes do not fit its price."""

from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

import pytest

from bot.domain.durations import DAY_MS, HOUR_MS
from bot.domain.instrument import Side
from bot.ports import Unavailable
from bot.venues.bingx import order_reads, parse
from bot.venues.ccxt.rows import UNREADABLE, kept_since
from bot.venues.ccxt.venue import CcxtVenue
from tests.venues.bingx.canned import PERP, BingxSession, success
from tests.venues.bybit.canned import NOW_MS

D = Decimal
FILLS = "GET /openApi/swap/v2/trade/fillHistory"
AT_MS = 1_702_731_516_000  # 20:58:36 of UTC+8; the sample's request is stamped some seconds later
ROW: dict[str, Any] = {
    "filledTm": "2023-12-16T20:58:36Z",
    "price": "3.1088",
    "qty": "4.10",
    "quoteQty": "12.74",
    "commission": "-0.0025",
    "commissionAsset": "USDT",
    "orderId": "1736007768311123456",
    "tradeId": "241512",
    "filledTime": "2023-12-16T20:58:36.000+0800",
    "symbol": "WLD-USDT",
    "role": "maker",
    "side": "buy",
    "positionSide": "short",
}


def read(row: dict[str, Any]) -> Any:
    return parse.perp_fill(row, venue="bingx", symbol="WLD/USDT:USDT", side=Side.BUY, quote="USDT")


def test_the_time_of_a_fill_is_the_one_that_names_its_zone() -> None:
    assert read(ROW).at_ms == AT_MS
    assert read({**ROW, "filledTime": "2023-12-16T20:58:36.125+0800"}).at_ms == AT_MS + 125
    assert read({**ROW, "filledTime": ""}).at_ms == AT_MS + 8 * HOUR_MS  # the Z is believed where nothing is beside it


def test_a_fill_of_the_future_is_a_defect() -> None:
    false_zone = read({**ROW, "filledTime": ""})
    with pytest.raises(ValueError, match="the zone of its time"):
        parse.past_fill(false_zone, AT_MS + 5_000)
    assert parse.past_fill(read(ROW), AT_MS - 2_000).at_ms == AT_MS  # clocks differ by seconds


def test_a_size_that_does_not_make_the_worth_is_a_defect() -> None:
    fill = read(ROW)
    assert (fill.trade_id, fill.size, fill.fee, fill.is_maker) == ("WLD/USDT:USDT:241512", D("4.10"), D("0.0025"), True)
    with pytest.raises(ValueError, match="contracts or money"):
        read({**ROW, "qty": "12.74", "quoteQty": "211.40"})  # the sample's own numbers
    assert read({**ROW, "qty": "0.001", "quoteQty": "0.00"}).size == D("0.001")


async def test_fills_are_asked_for_with_the_first_millisecond_in_the_span(
    venue: CcxtVenue, session: BingxSession
) -> None:
    """The venue leaves out what is at the start of a span, and times of whole seconds stand there."""
    session.answers[FILLS] = success({"fill_orders": []})
    await venue.fetch_fills(PERP, NOW_MS - 1_500)
    (sent,) = session.sent
    asked = dict(parse_qsl(sent.query))
    first_ms = (NOW_MS - 1_500) // 1_000 * 1_000
    assert (int(asked["startTs"]), asked["pageSize"], asked["symbol"]) == (first_ms - 1, "1000", "BTC-USDT")


async def test_older_fills_than_the_venue_has_are_a_defect_and_no_silence(
    venue: CcxtVenue, session: BingxSession
) -> None:
    session.answers[FILLS] = success({"fill_orders": []})
    listed = await venue.fetch_fills(PERP, NOW_MS - 8 * DAY_MS)
    ((symbol, defect),) = listed.defects  # type: ignore[attr-defined]
    assert symbol == PERP
    assert "7 days" in defect
    starts = [int(dict(parse_qsl(sent.query))["startTs"]) for sent in session.sent]
    assert min(starts) >= NOW_MS - 7 * DAY_MS
    assert (await venue.fetch_fills(PERP, 0)).defects == ()  # type: ignore[attr-defined]
    assert (await venue.fetch_fills(PERP, NOW_MS - 6 * DAY_MS)).defects == ()  # type: ignore[attr-defined]


async def test_an_answer_that_one_millisecond_fills_is_not_taken(
    venue: CcxtVenue, session: BingxSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order_reads, "_PAGE", 1)
    session.answers[FILLS] = success({"fill_orders": [{**ROW, "symbol": "BTC-USDT"}]})
    with pytest.raises(Unavailable, match="there may be more"):
        await venue.fetch_fills(PERP, NOW_MS)


async def test_a_fill_of_the_future_is_a_defect_of_its_instrument(venue: CcxtVenue, session: BingxSession) -> None:
    ahead = {**ROW, "symbol": "BTC-USDT", "filledTime": "2099-01-01T00:00:00.000+0800"}
    session.answers[FILLS] = success({"fill_orders": [ahead]})
    listed = await venue.fetch_fills(PERP, NOW_MS)
    ((symbol, defect),) = listed.defects  # type: ignore[attr-defined]
    assert (len(listed), symbol) == (0, PERP)
    assert "the zone of its time" in defect


@pytest.mark.parametrize("fee", [None, "", "x", ...])
def test_a_fill_without_a_readable_fee_is_not_booked(fee: Any) -> None:
    """Its fee counted as zero for ever: a fill that is booked is not read again."""
    row = {name: cell for name, cell in {**ROW, "commission": fee}.items() if cell is not ...}
    with pytest.raises(UNREADABLE):
        read(row)


@pytest.mark.parametrize(("since_ms", "is_short"), [(0, False), (1, True), (NOW_MS - DAY_MS, True), (NOW_MS, False)])
def test_fills_of_before_what_is_read_are_a_defect(since_ms: int, is_short: bool) -> None:
    """The first moment that a venue keeps is short as well: the question begins behind it."""
    defects: list[tuple[str, str]] = []
    assert kept_since(PERP, since_ms, NOW_MS, DAY_MS, defects) == (NOW_MS - DAY_MS if is_short else 0)
    assert [symbol for symbol, _ in defects] == [PERP] * is_short
