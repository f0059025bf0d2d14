"""The canned exchanges of the research, through the venue: what it asks is well signed, what it reads is what they say.

They are no part of the project: without the shared folder nothing is tried here, and other tests of this folder have
shapes of their own.
"""

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bot.domain.durations import HOUR_MS
from bot.domain.instrument import Side
from bot.domain.order import OrderType
from bot.ports import OutcomeUnknown, Rejection, ReportState, VenueRejected
from bot.venues.ccxt.venue import CcxtVenue
from tests.venues.bybit.canned import Reply
from tests.venues.bybit.test_outcomes import unhold
from tests.venues.bybit.test_payloads import answers_of
from tests.venues.mexc.canned import ID, PERP, SMALL, SPOT, MexcSession, is_signed_well, usual, venue_on
from tests.venues.mexc.test_outcomes import order

D = Decimal
SINCE_MS = 1_759_990_000_000


@pytest.fixture
def folder(shared: Path) -> Path:
    found = shared / "research" / "payloads" / "mexc"
    if not found.is_dir():
        pytest.skip("the canned exchanges are not here")
    return found


@pytest.fixture
async def recorded(folder: Path) -> AsyncIterator[tuple[CcxtVenue, MexcSession]]:
    """A venue over the recorded markets."""
    markets = json.loads((folder / "markets.json").read_text())["answers"]
    session = MexcSession({**usual(), **markets})
    venue = venue_on(session)
    await venue.open()
    await venue.fetch_instruments([SPOT, PERP, SMALL, "ZZZ/USDT", "GASDAO/USDT"])
    session.sent.clear()
    yield venue, session
    await venue.close()


def answered(folder: Path, name: str, *cases: str) -> dict[str, Any]:
    """The answers of some cases of a file."""
    known = dict(answers_of(folder, name))
    return {path: answer for case in cases for path, answer in known[case].items()}


async def test_recorded_markets_are_read_in_decimals(recorded: tuple[CcxtVenue, MexcSession]) -> None:
    found = await recorded[0].fetch_instruments([SPOT, PERP, SMALL, "ZZZ/USDT", "GASDAO/USDT"])
    assert (found[SPOT].size_step, found[SPOT].price_tick, found[SPOT].notional_min) == (D("0.000001"), D("0.01"), 1)
    assert (found[PERP].size_step, found[PERP].price_tick, found[PERP].active) == (D("0.0001"), D("0.1"), False)
    assert (found[SMALL].size_step, found[SMALL].price_tick, found[SMALL].active) == (D(10_000_000), D("1E-10"), True)
    assert (found["ZZZ/USDT"].active, found["ZZZ/USDT"].size_step) == (False, D("0.000001"))
    assert (found["GASDAO/USDT"].venue_symbol, found["GASDAO/USDT"].active) == ("GASUSDT", False)


async def test_recorded_answers_to_writes_have_their_outcome(
    folder: Path, recorded: tuple[CcxtVenue, MexcSession]
) -> None:
    venue, session = recorded
    tried = {"UNKNOWN": 0, "refused": 0}
    for name, answers in answers_of(folder, "errors"):
        unhold(venue)
        session.answers |= answers
        path = next(iter(answers))
        symbol = SPOT if "/v3/" in path else PERP
        write = venue.cancel_order(symbol, ID) if path.startswith("DELETE") else venue.submit_order(order(symbol))
        if "UNKNOWN" in name:
            with pytest.raises(OutcomeUnknown):
                await write
            tried["UNKNOWN"] += 1
            continue
        with pytest.raises(VenueRejected) as caught:
            await write
        kinds = {"duplicate": Rejection.DUPLICATE_ID, "not found": Rejection.NOT_FOUND}
        expected = next((kind for words, kind in kinds.items() if words in name), None)
        assert expected in (None, caught.value.kind), name
        tried["refused"] += 1
    assert tried["UNKNOWN"] >= 10
    assert tried["refused"] >= 45
    assert all(is_signed_well(sent) for sent in session.sent)


async def test_recorded_orders_are_read(folder: Path, recorded: tuple[CcxtVenue, MexcSession]) -> None:
    venue, session = recorded
    session.answers |= answered(folder, "orders", "fetch_order spot by our id", "implicit: swap order by our id")
    spot, perp = await venue.fetch_order(SPOT, ID), await venue.fetch_order(PERP, ID)
    assert spot is not None
    assert perp is not None
    assert (spot.state, spot.filled_size, spot.filled_quote) == (ReportState.OPEN, D("0.0004"), D("20.00004"))
    assert (perp.state, perp.filled_size, perp.filled_quote) == (ReportState.CANCELED, D("0.004"), D(200))
    session.answers |= answered(
        folder,
        "orders",
        "fetch_open_orders spot",
        "fetch_open_orders swap has no symbol",
        "fetch_open_orders swap, plan orders",
        "spot history by window",
        "fetch_my_trades spot",
        "fetch_my_trades swap",
    )
    plain, of_perp, stop = await venue.fetch_open_orders([SPOT, PERP])
    assert (plain.client_id, of_perp.client_id, of_perp.size) == (ID, ID, D("0.01"))
    assert (stop.is_trigger, stop.client_id, stop.trigger_price, stop.size) == (True, None, D("45000.5"), D("0.01"))
    history = await venue.fetch_order_history(SPOT, SINCE_MS)
    assert [one.state for one in history] == [ReportState.FILLED]
    (bought,) = await venue.fetch_fills(SPOT, SINCE_MS)
    assert (bought.size, bought.fee, bought.fee_asset, bought.side) == (D("0.0004"), D("0.01000002"), "USDT", Side.BUY)
    (deal,) = await venue.fetch_fills(PERP, SINCE_MS)
    assert (deal.size, deal.fee, deal.client_id, deal.is_maker) == (D("0.004"), D("0.008"), ID, False)


async def test_recorded_writes_are_taken(folder: Path, recorded: tuple[CcxtVenue, MexcSession]) -> None:
    venue, session = recorded
    session.answers |= answered(
        folder,
        "orders",
        "create spot IOC is a type",
        "create swap IOC is type 3",
        "a stop is a plan order",
        "implicit: cancel swap by our id",
        "cancel a plan order",
        "cancel spot by our id",
    )
    assert (await venue.submit_order(order(SPOT))).venue_id == "C02__468615423963070464"
    assert (await venue.submit_order(order())).venue_id == "739113577038255616"
    stop = order(
        client_id="tsbabc00001010101a02",
        order_type=OrderType.STOP,
        price=None,
        side=Side.SELL,
        reduce_only=True,
        trigger_price=D("45000.5"),
    )
    assert (await venue.submit_order(stop)).venue_id == "739113577038255617"
    await venue.cancel_order(SPOT, ID)
    await venue.cancel_order(PERP, ID)
    await venue.cancel_order(PERP, stop.client_id, is_trigger=True)
    assert len(session.sent) == 6


async def test_the_recorded_account_is_read(folder: Path, recorded: tuple[CcxtVenue, MexcSession]) -> None:
    venue, session = recorded
    session.answers |= answered(
        folder, "account", "fetch_balance spot", "fetch_balance swap: total is not the balance", "fetch_positions"
    )
    account = await venue.fetch_account()
    assert (account.cash, account.perp_wallet, account.perp_free) == (D("1000.5"), D("1000.50"), D("880.2"))
    held = account.positions[PERP]
    assert (held.size, held.margin, held.is_isolated, held.leverage) == (D("-0.0100"), D(101), True, D(5))
    assert held.unrealised_pnl == D("-0.01") * (D("50000.9") - D(50500))
    session.answers |= answered(folder, "account", "fetch_funding_history")
    (payment,) = await venue.fetch_payments(SINCE_MS)
    assert (payment.kind, payment.amount, payment.symbol) == ("funding", D("0.05"), PERP)
    session.answers |= answered(folder, "account", "transfer spot to futures", "position mode")
    await venue.move_cash(D(10), to_perp=True)
    (problem,) = (await venue.fetch_account_review(0)).problems
    assert problem.check == "position_mode"


async def test_recorded_market_data_are_read(folder: Path, recorded: tuple[CcxtVenue, MexcSession]) -> None:
    venue, session = recorded
    for name, answers in answers_of(folder, "public"):
        if "bids_asks" not in name and "fetch_time" not in name:
            session.answers |= {path: one for path, one in answers.items() if not isinstance(one, Reply)}
    ticker = session.answers["GET /api/v3/ticker/24hr"]
    session.answers["GET /api/v3/ticker/24hr"] = ticker if isinstance(ticker, list) else [ticker]
    quotes = await venue.fetch_quotes([SPOT, PERP])
    assert (quotes[SPOT].bid, quotes[PERP].ask, quotes[PERP].mark) == (D("50000.1"), D("50000.2"), D("50000.9"))
    book = await venue.fetch_book(PERP, 5)
    assert (book.bids, book.asks) == (((D("50000.1"), D("0.5000")),), ((D("50000.2"), D("0.4000")),))
    candles = await venue.fetch_candles(PERP, HOUR_MS, 1_759_989_600_000, 2)
    assert (candles.closes, candles.volumes_quote) == ((50000.0, 50050.0), (499000.0, 625000.0))
    spot = await venue.fetch_candles(SPOT, HOUR_MS, 1_759_989_600_000, 2)
    assert (spot.closes, spot.volumes_quote) == ((50000.0, 50050.0), (499000.0, 625000.0))
    funding = (await venue.fetch_funding([PERP]))[PERP]
    assert (funding.rate, funding.interval_hours) == (D("0.0001"), 8)
    first, second = (await venue.fetch_instruments([PERP]))[PERP].brackets
    assert (first.maintenance_rate, first.leverage_max, second.leverage_max) == (D("0.001"), 500, 200)
    assert second.notional_floor == 30_000 * D("0.0001") * D("50000.9")
