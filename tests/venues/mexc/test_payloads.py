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
from bot.domain.order import OrderType, TimeInForce
from bot.ports import OutcomeUnknown, Rejection, ReportState, VenueRejected
from bot.venues.ccxt.venue import CcxtVenue
from tests.venues.bybit.canned import Reply
from tests.venues.bybit.test_outcomes import unhold
from tests.venues.bybit.test_payloads import answers_of
from tests.venues.mexc.canned import (
    ID,
    NUMBER,
    PERP,
    PLANS,
    SMALL,
    SPOT,
    MexcSession,
    is_signed_well,
    plan_row,
    success,
    usual,
    venue_on,
)
from tests.venues.mexc.test_outcomes import order
from tests.venues.mexc.test_requests import STOP_OF_LONG
from tests.venues.recorded import cases_of, check_that_all_take_part

D = Decimal
SINCE_MS = 1_759_990_000_000


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


FORMS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("create spot limit", SPOT, {"size": D("0.001"), "time_in_force": TimeInForce.GTC}),
    ("create spot post-only is a type", SPOT, {"size": D("0.001"), "time_in_force": TimeInForce.POST_ONLY}),
    ("create spot market by base", SPOT, {"size": D("0.00001"), "order_type": OrderType.MARKET, "price": None}),
    ("implicit create spot", SPOT, {"size": D("0.00001")}),
    ("create swap post-only is type 2", PERP, {"time_in_force": TimeInForce.POST_ONLY}),
    ("implicit create swap: a raw answer that has everything", PERP, {}),
)


@pytest.mark.parametrize(("name", "symbol", "changes"), FORMS)
async def test_a_recorded_form_of_an_order_is_sent_as_recorded(
    name: str, symbol: str, changes: dict[str, Any], folder: Path, recorded: tuple[CcxtVenue, MexcSession]
) -> None:
    venue, session = recorded
    session.answers |= answered(folder, "account", "set_leverage needs both types") | answered(folder, "orders", name)
    await venue.set_leverage(PERP, D(5))
    await venue.submit_order(order(symbol, **changes))
    (wire,) = next(case["wire"] for case in cases_of(folder, "orders") if case["name"] == name)
    sent = session.sent[-1]
    if symbol == SPOT:
        assert f"{sent.method} {sent.path}?{sent.query.partition('&timestamp=')[0]}" == wire
    else:
        assert json.loads(sent.body) == json.loads(wire.rpartition(" ")[2])


async def test_recorded_settings_of_a_position_are_sent_as_recorded(
    folder: Path, recorded: tuple[CcxtVenue, MexcSession]
) -> None:
    venue, session = recorded
    session.answers |= answered(folder, "account", "set_leverage needs both types")
    await venue.set_leverage(PERP, D(5))
    session.answers |= answered(folder, "account", "fetch_positions", "move margin")
    await venue.move_margin(PERP, D(10))
    sent = [(f"{one.method} {one.path}", json.loads(one.body)) for one in session.sent if one.body]
    for name in ("set_leverage needs both types", "move margin"):
        (wire,) = next(case["wire"] for case in cases_of(folder, "account") if case["name"] == name)
        path, _, body = wire.rpartition(" ")
        assert (path, json.loads(body)) in sent


async def test_recorded_orders_that_have_ended_are_read(folder: Path, recorded: tuple[CcxtVenue, MexcSession]) -> None:
    venue, session = recorded
    session.answers |= answered(folder, "orders", "fetch_order spot, part filled then cancelled")
    found = await venue.fetch_order(SPOT, ID)
    assert found is not None
    assert (found.state, found.filled_size, found.size) == (ReportState.CANCELED, D("0.0004"), D("0.001"))
    session.answers |= answered(folder, "orders", "a stop is a plan order", "closing sides come through raw")
    await venue.submit_order(order(**STOP_OF_LONG))
    session.answers[PLANS] = success([plan_row(739113577038255617, state=3, orderId=int(NUMBER))])
    became = await venue.fetch_order(PERP, ID, is_trigger=True)
    assert became is not None
    assert (became.side, became.reduce_only, became.state) == (Side.SELL, True, ReportState.REJECTED)


NOT_ASKED = {
    "account": {
        "set_position_mode one-way": "never sent: the bot changes no position mode",
        "set_leverage without them": "no request: ccxt refuses it",
        "set_margin_mode is change_leverage": "the same request as that of the leverage, which the bot sends",
        "leverage in force": "not asked: positions have their leverage, and each order names it",
        "key rights": "not asked: to which pairs a key is bound is not read",
    },
    "markets": {
        "load_markets asks two public endpoints": "the answers of the file, over which every test here runs",
        "renamed codes": "the answers of the file, see test_recorded_markets_are_read_in_decimals",
        "spot trading not allowed reads inactive": "as `renamed codes`",
        "there is no sandbox": "no request: it is no environment, see test_environments.py",
        "there is no demo mode": "no request: it is no environment, see test_environments.py",
    },
    "orders": {
        "SPOT STOP BECOMES AN IMMEDIATE MARKET ORDER": "never sent: refused before, see test_requests.py",
        "our stamp and window are overwritten": "never sent so: the stamp is ours, see test_requests.py",
        "create swap limit rests: no time in force": "never sent: ccxt adds a word that means nothing",
        "create swap market reduce-only": "never sent: type 6 becomes a limit order, the bot sends type 5",
        "create swap without a margin mode is cross": "never sent: each order names its margin mode",
        "SWAP stopLossPrice IS AN IMMEDIATE ORDER WITH A STOP ATTACHED": "never sent: a stop is a plan order",
        "cancel_order swap by our id sends null": "never sent: the request that works is the implicit one",
        "cancel swap by id": "the bot cancels by its own id",
        "fetch_order swap by our id asks for None": "never sent: the request that works is the implicit one",
        "fetch_order swap by id": "asked for what a stop became only, as in `closing sides come through raw`",
    },
    "public": {
        "fetch_time spot": "the clock of the tests answers",
        "fetch_time swap": "the time of spot is asked",
        "fetch_bids_asks spot, one symbol, is empty": "best prices come from the 24-hour tickers",
        "fetch_bids_asks spot, several": "best prices come from the 24-hour tickers",
        "fetch_bids_asks swap": "no request: ccxt has none",
        "fetch_open_interest": "no request: ccxt has none",
        "fetch_funding_rates": "no request: ccxt has none",
        "fetch_leverage_tiers of today's contracts": "no request: the list of markets has them",
        "fetch_leverage_tiers of the old kind": "no request: the list of markets has them",
    },
}
"""Recorded cases that no test sends, and why."""
IN_LOOPS = {
    "errors": "test_recorded_answers_to_writes_have_their_outcome",
    "public": "test_recorded_market_data_are_read",
}


def test_every_recorded_case_takes_part_or_has_a_reason(folder: Path) -> None:
    check_that_all_take_part(folder, Path(__file__), NOT_ASKED, IN_LOOPS, globals())
