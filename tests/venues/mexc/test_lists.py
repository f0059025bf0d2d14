"""Lists of MEXC's orders and positions: of thousands of pairs in time, and one row takes down nothing but itself."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bot.domain.durations import DAY_MS
from bot.domain.instrument import Kind
from bot.domain.order import Fill
from bot.domain.portfolio import Balance
from bot.execution.history_check import HistoryCheck
from bot.execution.order_reports import OrderReports
from bot.journal.journal import Journal
from bot.ports import Listed, OrderReport, ReportState, kinds_listed_by_symbol
from bot.venues.ccxt.rows import UNREADABLE
from bot.venues.ccxt.venue import CcxtVenue, ConnectionRules, Seams
from bot.venues.mexc import parse
from bot.venues.pair.venue import PairVenue
from tests.execution.worlds import FAST, TOKEN
from tests.venues.bybit.canned import NOW_MS, Reply
from tests.venues.mexc.canned import (
    HISTORY,
    ID,
    NUMBER,
    OPEN,
    PERP,
    PLANS,
    POSITIONS,
    PRIVATE,
    SPOT,
    STOP,
    MexcSession,
    perp_row,
    plan_row,
    refusal,
    spot_market,
    spot_row,
    success,
    usual,
    venue_on,
)
from tests.venues.mexc.test_outcomes import order
from tests.venues.mexc.test_requests import STOP_OF_LONG

D = Decimal
LISTED = 1_700
OPEN_SPOT = "GET /api/v3/openOrders"
CHILD = "739113577038255700"
CHILD_QUERY = f"GET {PRIVATE}/order/get/{CHILD}"


async def test_the_past_is_checked_within_a_deadline_at_a_venue_of_1700_pairs(tmp_path: Path) -> None:
    """Open orders of spot come for one pair in each request: 1,700 of them are minutes of the venue's limit."""
    slept_s = 0.0

    async def sleep(seconds: float) -> None:
        nonlocal slept_s
        slept_s += seconds
        await asyncio.sleep(0)

    answers = usual() | {OPEN_SPOT: [], "GET /api/v3/allOrders": []}
    answers["GET /api/v3/exchangeInfo"] = {
        "symbols": [spot_market("BTC"), *(spot_market(f"T{number:04d}") for number in range(LISTED - 1))]
    }
    session = MexcSession(answers)
    venue = venue_on(session, rules=ConnectionRules(seams=Seams(monotonic=lambda: slept_s, sleep=sleep)))
    await venue.open()
    journal = await Journal.open(tmp_path / "j.db", account="main", now_ms=venue.now_ms, threaded=False, token=TOKEN)
    account = await venue.fetch_account()
    held = replace(account, balances={**account.balances, "T0007": Balance("T0007", D(1))})
    check = HistoryCheck(venue, journal, FAST, OrderReports(venue, journal, FAST))
    slept_s, session.sent = 0.0, []
    notes = await check.run([SPOT, "T0003/USDT"], held)
    asked = {
        sent.query.partition("symbol=")[2].partition("&")[0] for sent in session.sent if sent.path == OPEN_SPOT[4:]
    }
    await journal.close()
    await venue.close()
    assert (notes, check.is_done) == ((), True)
    assert asked == {"BTCUSDT", "GASUSDT", "T0003USDT", "T0007USDT"}  # GAS is held, and no list has its pair
    assert slept_s * 1_000 < FAST.timing.read_deadline_ms


def test_a_pair_of_venues_lists_as_each_half_does(venue: CcxtVenue, session: MexcSession) -> None:
    assert kinds_listed_by_symbol(venue) == {Kind.SPOT}
    other = venue_on(session)
    other.kinds_listed_by_symbol = frozenset({Kind.PERP})
    assert kinds_listed_by_symbol(PairVenue(venue, other, quote="USDT")) == frozenset(Kind)
    assert kinds_listed_by_symbol(PairVenue(other, venue, quote="USDT")) == frozenset()


async def our_stop(venue: CcxtVenue, session: MexcSession, **changes: Any) -> None:
    """A stop of ours that was taken, and a list of conditional orders with its row."""
    session.answers[STOP] = success(NUMBER)
    await venue.submit_order(order(**STOP_OF_LONG))
    session.answers[PLANS] = success([plan_row(int(NUMBER), **changes)])


async def test_a_refused_order_of_a_fired_stop_is_a_defect_of_its_own_row(
    venue: CcxtVenue, session: MexcSession
) -> None:
    await our_stop(venue, session, state=3, orderId=int(CHILD))
    session.answers[CHILD_QUERY] = refusal(2040, "order not exist")
    session.answers[OPEN_SPOT] = [spot_row()]
    session.answers[OPEN] = success([perp_row(state=2, externalOid="", orderType=1)])
    spot, perp, broken = await venue.fetch_open_orders([SPOT, PERP])  # what is listed ignores the state asked for
    assert (spot.client_id, perp.is_trigger, spot.defect, perp.defect) == (ID, False, "", "")
    assert (broken.client_id, broken.state) == (ID, ReportState.OPEN)
    assert "order not exist" in broken.defect
    session.answers[OPEN] = success([])
    session.answers[HISTORY] = success([perp_row(orderId="77", externalOid="another")])
    broken, kept = sorted(await venue.fetch_order_history(PERP, NOW_MS - DAY_MS), key=lambda one: one.defect == "")
    assert (broken.client_id, broken.state) == (ID, ReportState.OPEN)
    assert "the order that it became cannot be read: 2040 order not exist" in broken.defect
    assert (kept.client_id, kept.defect) == ("another", "")
    with pytest.raises(Exception, match="order not exist"):
        await venue.fetch_order(PERP, ID, is_trigger=True)


async def test_what_became_of_the_stops_of_others_is_not_asked_for(venue: CcxtVenue, session: MexcSession) -> None:
    """Sixty that have fired, of which one rests as another order."""
    fired = [plan_row(1_000 + at, state=3, orderId=50_000 + at) for at in range(60)]
    session.answers[PLANS] = success(fired)
    session.answers[OPEN] = success([perp_row(orderId="50007", state=2, externalOid="", orderType=1, side=4)])
    (resting,) = await venue.fetch_open_orders([PERP])
    assert (resting.venue_id, resting.is_trigger, resting.client_id) == ("1007", True, None)
    assert len(session.sent) == 3
    session.sent.clear()
    listed = await venue.fetch_order_history(PERP, NOW_MS - DAY_MS)
    assert [(one.venue_id, one.defect) for one in listed] == [("1007", "")]
    assert len(session.sent) == 3


@pytest.mark.parametrize("state", [2, 4, 5])
async def test_a_stop_that_was_seen_to_have_ended_can_be_replaced_in_the_same_turn(
    state: int, venue: CcxtVenue, session: MexcSession
) -> None:
    await our_stop(venue, session)
    (resting,) = await venue.fetch_open_orders([PERP])
    with pytest.raises(Exception, match="keeps no client id to distinguish them"):
        await venue.submit_order(order(client_id="second", **STOP_OF_LONG))
    session.answers[PLANS] = success([plan_row(int(NUMBER), state=state)])
    ended = await venue.fetch_order(PERP, ID, is_trigger=True)
    assert isinstance(ended, OrderReport)
    assert (resting.state, ended.state is ReportState.OPEN) == (ReportState.OPEN, False)
    session.answers[STOP] = success("7")
    assert (await venue.submit_order(order(client_id="second", **STOP_OF_LONG))).venue_id == "7"


@pytest.mark.parametrize("side", [None, "", 0, 3, "long"])
async def test_a_position_whose_side_cannot_be_read_is_no_long(
    side: object, venue: CcxtVenue, session: MexcSession
) -> None:
    row = {"positionId": 77, "symbol": "BTC_USDT", "openType": 1, "holdVol": 100, "leverage": 3, "im": 101}
    row |= {"holdAvgPrice": 50500, "liquidatePrice": 1}
    for broken, size in (({"positionType": side}, None), ({"positionType": 2, "im": "?"}, D("-0.01"))):
        session.answers[POSITIONS] = success([{**row, **broken}])
        account = await venue.fetch_account()
        assert set(account.unreadable) == {f"perp:{PERP}"}
        assert (account.positions[PERP].size if PERP in account.positions else None) == size


GONE = "GONE/USDT:USDT"


async def test_a_perp_that_ended_while_the_bot_was_down_takes_no_list_with_it(
    venue: CcxtVenue, session: MexcSession
) -> None:
    """Nobody knows the size of its contracts any more, which are needed for its rows alone: without one, and with one
    that cannot be counted, the other orders are read. Every turn of such a process came to nothing."""
    session.answers[PLANS] = success([plan_row(int(NUMBER))])
    (resting,) = await venue.fetch_open_orders([PERP, GONE])
    assert (resting.symbol, resting.defect) == (PERP, "")
    session.answers[PLANS] = success([plan_row(int(NUMBER)), plan_row(7, symbol="GONE_USDT")])
    found = await venue.fetch_open_orders([PERP, GONE])
    assert [(one.symbol, one.venue_id, one.size, bool(one.defect)) for one in found] == [
        (PERP, NUMBER, D("0.01"), False),
        (GONE, "7", D(0), True),
    ]
    assert "no contract size" in found[1].defect
    assert await venue.fetch_fills(GONE, NOW_MS - DAY_MS) == ()


async def test_a_former_perp_is_counted_by_what_it_was(venue: CcxtVenue, session: MexcSession, tmp_path: Path) -> None:
    rules = ConnectionRules(cache_folder=tmp_path)
    before = venue_on(session, rules=rules)
    await before.open()
    await before.fetch_instruments([SPOT, PERP])
    await before.close()
    session.answers["GET /api/v1/contract/detail"] = success([])
    session.answers[PLANS] = success([plan_row(int(NUMBER))])
    later = venue_on(session, rules=replace(rules, cache_max_age_ms=-1))
    await later.open()
    listed = await later.fetch_instruments([SPOT, PERP])
    (resting,) = await later.fetch_open_orders([PERP])
    await later.close()
    assert (PERP in listed, resting.size, resting.defect) == (False, D("0.01"), "")


@pytest.mark.parametrize("fee", [None, "", "x", ...])
def test_a_fill_without_a_readable_fee_is_not_booked(fee: Any) -> None:
    """Its fee counted as zero for ever: a fill that is booked is not read again."""
    spot = {
        "id": "1",
        "orderId": "C02__468615423963070464",
        "isBuyer": True,
        "isMaker": False,
        "price": "2",
        "qty": "3",
        "time": NOW_MS,
    }
    perp = {"id": "1", "orderId": NUMBER, "side": 1, "price": 2, "vol": 3, "isTaker": True, "timestamp": NOW_MS}
    for row, name in ((spot, "commission"), (perp, "fee")):
        cells = {key: cell for key, cell in {**row, name: fee}.items() if cell is not ...}
        with pytest.raises(UNREADABLE):
            _read_fill(cells)
        assert _read_fill({**row, name: "0.3"}).fee == D("0.3")


def _read_fill(row: Mapping[str, Any]) -> Fill:
    if "vol" in row:
        return parse.perp_fill(row, venue="mexc", symbol=PERP, contract=D("0.0001"))
    return parse.spot_fill(row, venue="mexc", symbol=SPOT)


@pytest.mark.parametrize("is_listed", [False, True])
async def test_a_pair_that_the_venue_does_not_know_takes_no_list_with_it(
    is_listed: bool, venue: CcxtVenue, session: MexcSession
) -> None:
    """Open orders of spot are asked for pair by pair: a pair that was removed made every turn come to nothing."""
    symbol, name = (SPOT, "BTCUSDT") if is_listed else ("GONE/USDT", "GONEUSDT")
    session.answers[f"{OPEN_SPOT}?symbol={name}"] = Reply({"code": -1121, "msg": "Invalid symbol."}, 400)
    session.answers[PLANS] = success([plan_row(int(NUMBER))])
    found = await venue.fetch_open_orders([symbol, PERP])
    assert [one.symbol for one in found] == [PERP]
    assert isinstance(found, Listed)
    assert [name for name, _ in found.defects] == ([SPOT] if is_listed else [])
