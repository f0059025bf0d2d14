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
from bot.ports import OutcomeUnknown, Rejection, ReportState, VenueRejected
from bot.venues.ccxt.venue import CcxtVenue
from tests.venues.bybit.canned import PERP, SPOT, CannedSession, Reply, usual, venue_on
from tests.venues.bybit.test_outcomes import CANCEL, CREATE, ID, order, unhold

D = Decimal
HELD = {
    "did not happen": None,
    "duplicate": Rejection.DUPLICATE_ID,
    "unknown or finished": Rejection.NOT_FOUND,
    "address banned": Rejection.RATE_LIMIT,
}


@pytest.fixture
def folder(shared: Path) -> Path:
    found = shared / "research" / "payloads" / "bybit"
    if not found.is_dir():
        pytest.skip("the canned exchanges are not here")
    return found


def answers_of(folder: Path, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(name, answers) of the cases of a file."""
    for case in json.loads((folder / f"{name}.json").read_text())["cases"]:
        found = {}
        for path, answer in case.get("answers", {}).items():
            is_raw = isinstance(answer, dict) and "$body" in answer
            found[path] = Reply(answer["$body"], answer.get("$status", 200)) if is_raw else answer
        yield case["name"], found


@pytest.fixture
async def recorded(folder: Path) -> AsyncIterator[tuple[CcxtVenue, CannedSession]]:
    """A venue over the recorded markets."""
    markets = json.loads((folder / "markets.json").read_text())["answers"]
    session = CannedSession({**usual(), **markets})
    venue = venue_on(session)
    await venue.open()
    await venue.fetch_instruments([SPOT, PERP, "PEPE/USDT", "1000PEPE/USDT:USDT"])
    session.sent.clear()
    yield venue, session
    await venue.close()


async def test_recorded_markets_are_read(recorded: tuple[CcxtVenue, CannedSession]) -> None:
    found = await recorded[0].fetch_instruments([SPOT, PERP, "PEPE/USDT", "1000PEPE/USDT:USDT"])
    assert (found[PERP].size_step, found["1000PEPE/USDT:USDT"].size_step) == (D("0.001"), D(100))
    assert found["1000PEPE/USDT:USDT"].multiplier == 1000
    assert found["PEPE/USDT"].price_tick == D("0.0000000001")
    assert (found[SPOT].notional_min, found[SPOT].market_size_max) == (D(5), D(120))


async def test_recorded_errors_have_their_outcome(folder: Path, recorded: tuple[CcxtVenue, CannedSession]) -> None:
    venue, session = recorded
    tried = {"UNKNOWN": 0, "refused": 0}
    for name, answers in answers_of(folder, "errors"):
        path = next(iter(answers))
        if path not in (CREATE, CANCEL):
            continue
        unhold(venue)
        session.answers |= answers
        symbol = SPOT if "spot" in name else PERP
        write = venue.submit_order(order(symbol)) if path == CREATE else venue.cancel_order(symbol, ID)
        if "UNKNOWN" in name:
            with pytest.raises(OutcomeUnknown):
                await write
            tried["UNKNOWN"] += 1
            continue
        with pytest.raises(VenueRejected) as caught:
            await write
        kind = next(kind for words, kind in HELD.items() if words in name)
        assert kind in (None, caught.value.kind), name
        tried["refused"] += 1
    assert tried["UNKNOWN"] >= 10
    assert tried["refused"] >= 20
    assert all(sent.is_signed_well for sent in session.sent)


async def test_recorded_orders_and_executions_are_read(folder: Path, recorded: tuple[CcxtVenue, CannedSession]) -> None:
    venue, session = recorded
    cases = dict(answers_of(folder, "orders"))
    usual_answers = dict(session.answers)

    def with_answers(name: str) -> None:
        session.answers.clear()
        session.answers |= {**usual_answers, **cases[name]}

    with_answers("fetch by our id: open and the last 500 closed")
    report = await venue.fetch_order(PERP, ID)
    assert report is not None
    assert (report.state, report.filled_size, report.filled_quote) == (ReportState.OPEN, D("0.004"), D(200))
    with_answers("fetch_open_orders, conditional ones included")
    plain, stop = await venue.fetch_open_orders([PERP])
    assert (plain.is_trigger, stop.is_trigger, stop.trigger_price) == (False, True, D("45000.5"))
    with_answers("closed orders by our id")
    session.answers["GET /v5/order/realtime"] = {"retCode": 0, "result": {"list": []}}
    report = await venue.fetch_order(PERP, ID)
    assert report is not None
    assert (report.state, report.filled_size) == (ReportState.CANCELED, D("0.004"))
    with_answers("fetch_my_trades swap")
    (fill,) = await venue.fetch_fills(PERP, 1_759_990_000_000)
    assert (fill.client_id, fill.fee, fill.fee_asset) == (ID, D("0.11"), "USDT")
    with_answers("fetch_my_trades spot: the fee is in base when buying")
    (fill,) = await venue.fetch_fills(SPOT, 1_759_990_000_000)
    assert (fill.fee, fill.fee_asset, fill.is_maker) == (D("0.000001"), "BTC", True)


async def test_the_recorded_account_is_read(folder: Path, recorded: tuple[CcxtVenue, CannedSession]) -> None:
    venue, session = recorded
    cases = dict(answers_of(folder, "account"))
    session.answers |= cases["fetch_balance is one wallet for spot and perps"] | cases["fetch_positions"]
    session.answers |= cases["account settings"]
    account = await venue.fetch_account()
    assert (account.is_unified, account.cash) == (True, D(1000))
    assert account.cash_free == D(1000) - D(50) - D(20) - D("101.3")
    assert account.positions[PERP].size == D("-0.010")
    session.answers |= cases["transaction log: what was received is positive"]
    payments = await venue.fetch_payments(1_759_990_000_000)
    assert [(p.kind, p.amount) for p in payments] == [("deposit", D(100)), ("funding", D("0.05"))]
    session.answers |= cases["rights of the key"]
    problems = (await venue.fetch_account_review(0)).problems
    assert any(problem.check == "key_rights" and problem.is_blocking for problem in problems)


async def test_recorded_market_data_are_read(folder: Path, recorded: tuple[CcxtVenue, CannedSession]) -> None:
    venue, session = recorded
    cases = dict(answers_of(folder, "public"))
    for name in (
        "fetch_tickers spot",
        "fetch_tickers swap carries bid, ask, mark, index and funding",
        "fetch_ohlcv swap, newest row first on the wire",
        "fetch_order_book",
    ):
        session.answers |= cases[name]
    quotes = await venue.fetch_quotes([SPOT, PERP])
    assert quotes[PERP].mark == D("50000.9")
    assert (await venue.fetch_funding([PERP]))[PERP].interval_hours == 8
    assert (await venue.fetch_open_interest(PERP)).value_quote == D(3_061_728_350)
    assert (await venue.fetch_book(PERP, 2)).asks[1] == (D("50000.5"), D(2))
    assert (await venue.fetch_candles(PERP, HOUR_MS, 1_759_989_600_000, 2)).closes == (50000.0, 50050.0)
