"""The canned exchanges of the research, through the venue: what it asks is well signed, what it reads is what they say.

They are no part of the project: without the shared folder nothing is tried here, and other tests of this folder have
shapes of their own.
"""

import json
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bot.domain.durations import HOUR_MS
from bot.domain.instrument import Side
from bot.ports import OutcomeUnknown, Rejection, ReportState, VenueRejected
from bot.venues.ccxt.venue import CcxtVenue
from tests.venues.bingx.canned import (
    PERP,
    PERP_QUERY,
    SMALL,
    SPOT,
    BingxSession,
    is_signed_well,
    success,
    usual,
    venue_on,
)
from tests.venues.bingx.test_fills import FILLS
from tests.venues.bingx.test_fills import ROW as FILL_ROW
from tests.venues.bingx.test_outcomes import ID, order
from tests.venues.bybit.canned import Reply
from tests.venues.bybit.test_outcomes import unhold
from tests.venues.bybit.test_payloads import answers_of

D = Decimal
SINCE_MS = 1_759_990_000_000
OF_THE_ORDER = {  # a fill of the recorded order, without a side
    "filledTm": "2025-10-09T16:53:15Z",
    "filledTime": "2025-10-09T16:53:15.000+0800",
    "price": "50000",
    "qty": "0.0040",
    "quoteQty": "200",
    "commission": "-0.1",
    "orderId": "1735950529123455488",
    "symbol": "BTC-USDT",
    "side": "",
}


@pytest.fixture
def folder(shared: Path) -> Path:
    found = shared / "research" / "payloads" / "bingx"
    if not found.is_dir():
        pytest.skip("the canned exchanges are not here")
    return found


@pytest.fixture
async def recorded(folder: Path) -> AsyncIterator[tuple[CcxtVenue, BingxSession]]:
    """A venue over the recorded markets."""
    markets = json.loads((folder / "markets.json").read_text())["answers"]
    session = BingxSession({**usual(), **markets})
    venue = venue_on(session)
    await venue.open()
    await venue.fetch_instruments([SPOT, PERP, SMALL])
    session.sent.clear()
    yield venue, session
    await venue.close()


def answered(folder: Path, name: str, *cases: str) -> dict[str, Any]:
    """The answers of some cases of a file."""
    known = dict(answers_of(folder, name))
    return {path: answer for case in cases for path, answer in known[case].items()}


def writes_of(folder: Path) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(name, path, answers) of the recorded answers to orders and cancels."""
    for name, answers in answers_of(folder, "errors"):
        path = next(iter(answers))
        if path.endswith(("trade/order", "trade/cancel")):
            yield name, path, answers


async def test_recorded_markets_are_read_in_decimals(recorded: tuple[CcxtVenue, BingxSession]) -> None:
    found = await recorded[0].fetch_instruments([SPOT, PERP, SMALL])
    assert (found[SPOT].size_step, found[SPOT].size_min, found[SPOT].price_tick) == (
        D("0.000001"),
        D("0.0000256"),
        D("0.01"),
    )
    assert (found[PERP].size_step, found[PERP].notional_min, found[PERP].contract_size) == (D("0.0001"), D(2), D(1))
    assert (found[SMALL].price_tick, found[SMALL].size_step, found[SMALL].size_min) == (D("1E-10"), D(1), D(1000))


async def test_recorded_answers_to_writes_have_their_outcome(
    folder: Path, recorded: tuple[CcxtVenue, BingxSession]
) -> None:
    venue, session = recorded
    tried = {"UNKNOWN": 0, "refused": 0}
    for name, path, answers in writes_of(folder):
        unhold(venue)
        session.answers |= answers
        symbol = SPOT if "spot" in path else PERP
        is_new = path.startswith("POST") and path.endswith("order")
        write = venue.submit_order(order(symbol)) if is_new else venue.cancel_order(symbol, ID)
        inner = str(next(iter(answers.values())))
        if "UNKNOWN" in name and "101253" not in inner:
            with pytest.raises(OutcomeUnknown):
                await write
            tried["UNKNOWN"] += 1
            continue
        with pytest.raises(VenueRejected) as caught:
            await write
        expected = Rejection.DUPLICATE_ID if "duplicate" in name else Rejection.NOT_FOUND if "cancel" in name else None
        assert expected in (None, caught.value.kind), name
        tried["refused"] += 1
    assert tried["UNKNOWN"] >= 10
    assert tried["refused"] >= 30
    assert all(is_signed_well(sent) for sent in session.sent)


async def test_recorded_orders_are_read(folder: Path, recorded: tuple[CcxtVenue, BingxSession]) -> None:
    venue, session = recorded
    session.answers |= answered(folder, "orders", "implicit: swap order by our id", "implicit: spot order by our id")
    report = await venue.fetch_order(PERP, ID)
    assert report is not None
    assert (report.state, report.filled_size, report.filled_quote) == (ReportState.OPEN, D("0.0040"), D(200))
    assert report.venue_id == "1735950529123455488"
    report = await venue.fetch_order(SPOT, ID)
    assert report is not None
    assert (report.state, report.filled_quote, report.price) == (ReportState.FILLED, D(50), D("50000.1"))
    session.answers |= answered(folder, "orders", "expired reads as an unknown state")
    report = await venue.fetch_order(PERP, ID)
    assert report is not None
    assert report.state is ReportState.EXPIRED
    session.answers |= answered(folder, "orders", "fetch_open_orders swap, conditional ones included")
    plain, stop = await venue.fetch_open_orders([PERP])
    assert (plain.is_trigger, plain.client_id) == (False, ID)
    assert (stop.is_trigger, stop.client_id, stop.trigger_price) == (True, None, D("45000.5"))


async def test_recorded_writes_are_taken(folder: Path, recorded: tuple[CcxtVenue, BingxSession]) -> None:
    venue, session = recorded
    session.answers |= answered(folder, "orders", "create spot limit IOC", "create swap limit, one-way")
    assert (await venue.submit_order(order(SPOT))).venue_id == "1735963671248581632"
    assert (await venue.submit_order(order(PERP))).venue_id == "1735950529123455488"
    session.answers |= answered(folder, "orders", "cancel swap by our id is a DELETE")
    await venue.cancel_order(PERP, ID)
    session.answers |= answered(folder, "account", "set_margin_mode per symbol", "set_leverage needs the side")
    await venue.set_leverage(PERP, D(5))
    session.answers |= answered(folder, "account", "transfer spot to perpetual")
    await venue.move_cash(D(10), to_perp=True)
    assert all(is_signed_well(sent) for sent in session.sent)


async def test_recorded_fills_are_read(folder: Path, recorded: tuple[CcxtVenue, BingxSession]) -> None:
    venue, session = recorded
    session.answers |= answered(folder, "orders", "fetch_my_trades spot")
    session.answers[FILLS] = success({"fill_orders": [{**FILL_ROW, **OF_THE_ORDER}]})
    (fill,) = await venue.fetch_fills(SPOT, SINCE_MS)
    assert (fill.fee, fill.fee_asset, fill.side) == (D("0.000001"), "BTC", Side.BUY)
    session.answers |= answered(folder, "orders", "implicit: swap order by our id")  # its row of the fill has no side
    (fill,) = await venue.fetch_fills(PERP, SINCE_MS)
    assert (fill.size, fill.fee, fill.side, fill.client_id) == (D("0.0040"), D("0.1"), Side.BUY, None)
    assert fill.venue_order_id == OF_THE_ORDER["orderId"]
    assert fill.at_ms == 1_759_999_995_000
    session.answers[PERP_QUERY] = success({"order": {}})
    fills = await venue.fetch_fills(PERP, SINCE_MS)
    assert (fills, len(fills.defects)) == ((), 1)  # type: ignore[attr-defined]


async def test_the_recorded_account_is_read(folder: Path, recorded: tuple[CcxtVenue, BingxSession]) -> None:
    venue, session = recorded
    session.answers |= answered(
        folder, "account", "fetch_balance spot", "fetch_balance swap: total is not the balance", "fetch_positions"
    )
    account = await venue.fetch_account()
    assert (account.cash, account.cash_free, account.is_unified) == (D("1000.5"), D("950.5"), False)
    assert (account.perp_wallet, account.perp_free) == (D("1000.5"), D("880.2"))
    held = account.positions[PERP]
    assert (held.size, held.margin, held.is_isolated, held.leverage) == (D("-0.0100"), D("100.999"), True, D(5))
    session.answers |= answered(folder, "account", "fetch_funding_history: received is positive")
    (payment,) = await venue.fetch_payments(SINCE_MS)
    assert (payment.kind, payment.amount, payment.symbol) == ("funding", D("0.0500"), PERP)
    session.answers |= answered(folder, "account", "position mode")
    (problem,) = (await venue.fetch_account_review(0)).problems
    assert problem.check == "position_mode"


async def test_a_key_that_may_withdraw_is_refused(folder: Path, recorded: tuple[CcxtVenue, BingxSession]) -> None:
    venue, session = recorded
    session.answers |= answered(folder, "account", "rights of the key")
    (problem,) = (await venue.fetch_account_review(0)).problems
    assert "may withdraw" in problem.words
    assert problem.is_blocking
    for unclear in ("all", None, {}, ["Withdraw"], [1, 2, "3x"]):
        session.answers["GET /openApi/v1/account/apiPermissions"] = {"code": 0, "msg": "", "permissions": unclear}
        review = await venue.fetch_account_review(0)
        assert review.problems == ()
        assert "what the API key" in review.unanswered["key_rights"]


async def test_recorded_market_data_are_read(folder: Path, recorded: tuple[CcxtVenue, BingxSession]) -> None:
    venue, session = recorded
    cases = dict(answers_of(folder, "public"))
    for name, answers in cases.items():
        if "bids_asks" not in name and "time" not in name:
            session.answers |= {path: one for path, one in answers.items() if not isinstance(one, Reply)}
    quotes = await venue.fetch_quotes([SPOT, PERP])
    assert (quotes[SPOT].bid, quotes[PERP].ask, quotes[PERP].mark) == (D("50000.1"), D("50000.2"), D("50000.9"))
    book = await venue.fetch_book(SMALL, 5)
    assert book.bids == ((D("0.0000098540"), D(483909000)),)  # coins, not contracts
    candles = await venue.fetch_candles(PERP, HOUR_MS, 1_759_989_600_000, 2)
    assert candles.closes == (50000.0, 50050.0)
    assert candles.volumes_quote[0] == pytest.approx(10 * (50020 + 49800 + 50000) / 3)
    funding = (await venue.fetch_funding([PERP]))[PERP]
    assert (funding.rate, funding.interval_hours) == (D("0.0001"), 8)
    assert (await venue.fetch_open_interest(PERP)).value_quote == D("3061728350.12")
    (first, second) = (await venue.fetch_instruments([PERP]))[PERP].brackets
    assert (first.maintenance_rate, first.leverage_max, second.notional_floor) == (D("0.0038"), 125, D(150000))
