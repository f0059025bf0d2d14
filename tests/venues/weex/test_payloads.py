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
from bot.ports import OrderRequest, OutcomeUnknown, Rejection, ReportState, VenueRejected
from bot.venues.ccxt.venue import CcxtVenue
from tests.venues.bybit.test_outcomes import unhold
from tests.venues.bybit.test_payloads import answers_of
from tests.venues.recorded import cases_of, check_that_all_take_part
from tests.venues.weex.canned import CONFIG, OPEN, PERP, SPOT, WeexSession, is_signed_well, usual, venue_on
from tests.venues.weex.test_outcomes import ID, order

D = Decimal
SINCE_MS = 1_759_990_000_000


@pytest.fixture
async def recorded(folder: Path) -> AsyncIterator[tuple[CcxtVenue, WeexSession]]:
    """A venue over the recorded markets."""
    markets = json.loads((folder / "markets.json").read_text())["answers"]
    session = WeexSession({**usual(), **markets})
    venue = venue_on(session)
    await venue.open()
    await venue.fetch_instruments([SPOT, PERP])
    session.sent.clear()
    yield venue, session
    await venue.close()


def answered(folder: Path, name: str, *cases: str) -> dict[str, Any]:
    """The answers of some cases of a file."""
    known = dict(answers_of(folder, name))
    return {path: answer for case in cases for path, answer in known[case].items()}


async def test_recorded_markets_are_read_in_coins(recorded: tuple[CcxtVenue, WeexSession]) -> None:
    found = await recorded[0].fetch_instruments([SPOT, PERP, "OLD/USDT"])
    assert (found[SPOT].size_step, found[SPOT].size_min, found[SPOT].price_tick) == (
        D("0.00001"),
        D("0.00001"),
        D("0.1"),
    )
    perp = found[PERP]
    assert (perp.size_step, perp.size_min, perp.contract_size, perp.price_tick) == (
        D("0.0001"),
        D("0.0001"),
        D(1),
        D("0.1"),
    )
    assert (perp.market_size_max, perp.leverage_max) == (D(100), D(3))
    assert "OLD/USDT" not in found


async def test_every_recorded_answer_to_a_write_has_its_outcome(
    folder: Path, recorded: tuple[CcxtVenue, WeexSession]
) -> None:
    venue, session = recorded
    tried = {"UNKNOWN": 0, "refused": 0}
    for name, answers in answers_of(folder, "errors"):
        unhold(venue)
        session.answers |= answers
        path = next(iter(answers))
        symbol = PERP if "/capi/" in path else SPOT
        is_new = path.startswith("POST")
        write = venue.submit_order(order(symbol)) if is_new else venue.cancel_order(symbol, ID)
        is_unlisted = "code unknown to ccxt" in name
        if "UNKNOWN" in name or is_unlisted:
            with pytest.raises(OutcomeUnknown):
                await write
            tried["UNKNOWN"] += 1
            continue
        with pytest.raises(VenueRejected) as caught:
            await write
        expected = Rejection.CLOCK if "clock" in name else None if is_new else Rejection.NOT_FOUND
        assert expected in (None, caught.value.kind), name
        tried["refused"] += 1
    assert sum(tried.values()) == len(list(answers_of(folder, "errors")))  # every case
    assert tried["UNKNOWN"] >= 9
    assert all(is_signed_well(sent) for sent in session.sent)


async def test_recorded_orders_are_read(folder: Path, recorded: tuple[CcxtVenue, WeexSession]) -> None:
    venue, session = recorded
    session.answers |= answered(folder, "orders", "fetch_order spot by our id")
    report = await venue.fetch_order(SPOT, ID)
    assert report is not None
    assert (report.state, report.filled_size, report.filled_quote) == (ReportState.OPEN, D("0.0004"), D("20.00004"))
    partial = answered(folder, "orders", "PARTIAL_FILL reads closed")
    session.answers[OPEN] = list(partial.values())
    report = await venue.fetch_order(PERP, ID)
    assert report is not None
    assert (report.state, report.filled_size, report.filled_quote) == (ReportState.OPEN, D("0.0004"), D(20))
    session.answers |= answered(
        folder, "orders", "fetch_open_orders spot", "fetch_open_orders swap", "fetch_open_orders swap, stops"
    )
    spot, plain, stop = await venue.fetch_open_orders([SPOT, PERP])
    assert (spot.client_id, plain.client_id, stop.client_id) == (ID, ID, ID)
    assert (plain.is_trigger, stop.is_trigger, stop.trigger_price, stop.reduce_only) == (
        False,
        True,
        D("45000.5"),
        True,
    )
    assert (plain.reduce_only, stop.venue_id) == (False, "812345678901234500")
    session.answers |= answered(folder, "orders", "swap history", "spot history")
    session.answers[OPEN] = []
    reports = await venue.fetch_order_history(PERP, SINCE_MS)
    assert ReportState.FILLED in {one.state for one in reports}
    (report,) = await venue.fetch_order_history(SPOT, SINCE_MS)
    assert report.state is ReportState.FILLED


async def test_a_recorded_stop_that_fired_is_what_it_became(
    folder: Path, recorded: tuple[CcxtVenue, WeexSession]
) -> None:
    venue, session = recorded
    session.answers |= answered(folder, "orders", "stops that ended", "fetch_order swap, documented by id only")
    report = await venue.fetch_order(PERP, ID, is_trigger=True)
    assert report is not None
    assert (report.state, report.filled_size, report.is_trigger) == (ReportState.OPEN, D("0.0004"), True)
    assert report.venue_id == "702345678901234567"
    assert session.sent[-1].query == "orderId=702345678901234700"


async def test_recorded_writes_are_taken(folder: Path, recorded: tuple[CcxtVenue, WeexSession]) -> None:
    venue, session = recorded
    session.answers |= answered(folder, "orders", "create spot IOC", "implicit create swap", "cancel spot by our id")
    assert (await venue.submit_order(order(SPOT))).venue_id == "702345678901234567"
    assert (await venue.submit_order(order(PERP))).venue_id == "702345678901234567"
    session.answers |= answered(folder, "orders", "cancel swap by our id")
    await venue.cancel_order(PERP, ID)
    await venue.cancel_order(SPOT, ID)
    session.answers |= answered(folder, "orders", "create swap stop by mark", "fetch_open_orders swap, stops")
    session.answers |= answered(folder, "orders", "cancel a stop needs its id")
    await venue.cancel_order(PERP, ID, is_trigger=True)
    assert session.sent[-1].query == "orderId=812345678901234500"
    session.answers |= answered(folder, "account", "fetch_positions", "add_margin")
    await venue.move_margin(PERP, D(10))
    assert session.sent[-1].body == '{"isolatedPositionId":"689987235755328154","amount":"10","type":1}'
    session.answers |= answered(folder, "account", "symbol settings")
    config = dict(session.answers[CONFIG][0], isolatedLongLeverage="3", isolatedShortLeverage="3")
    session.answers[CONFIG] = [config]
    await venue.set_leverage(PERP, D(3))
    assert all(is_signed_well(sent) for sent in session.sent)


async def test_recorded_fills_are_read(folder: Path, recorded: tuple[CcxtVenue, WeexSession]) -> None:
    venue, session = recorded
    session.answers |= answered(folder, "orders", "fetch_my_trades spot", "fetch_my_trades swap")
    (fill,) = await venue.fetch_fills(SPOT, SINCE_MS)
    assert (fill.fee, fill.fee_asset, fill.side, fill.venue_order_id) == (
        D("0.0000004"),
        "BTC",
        Side.BUY,
        "702345678901234567",
    )
    (fill,) = await venue.fetch_fills(PERP, SINCE_MS)
    assert (fill.size, fill.fee, fill.fee_asset, fill.is_maker) == (D("0.0004"), D("0.016"), "USDT", False)


async def test_the_recorded_account_is_read(folder: Path, recorded: tuple[CcxtVenue, WeexSession]) -> None:
    venue, session = recorded
    session.answers |= answered(folder, "account", "fetch_balance spot", "fetch_balance swap", "fetch_positions")
    account = await venue.fetch_account()
    assert (account.cash, account.cash_free, account.is_unified) == (D("1000.5"), D("950.5"), False)
    assert (account.perp_wallet, account.perp_free) == (D("1000.5"), D("880.2"))
    held = account.positions[PERP]
    assert (held.size, held.entry_price, held.margin, held.leverage, held.is_isolated) == (
        D("-0.010000"),
        D(50500),
        D("101.000000"),
        D(5),
        True,
    )
    assert (held.mark_price, held.liquidation_price, account.unreadable) == (D("50000.9"), D("59800.5"), {})
    session.answers |= answered(folder, "account", "fetch_funding_history is a POST")
    (payment,) = await venue.fetch_payments(SINCE_MS)
    assert (payment.kind, payment.amount, payment.symbol) == ("funding", D("0.05"), PERP)


async def test_recorded_market_data_are_read(folder: Path, recorded: tuple[CcxtVenue, WeexSession]) -> None:
    venue, session = recorded
    for name, answers in answers_of(folder, "public"):
        if name not in NOT_ASKED["public"]:
            session.answers |= answers
    quotes = await venue.fetch_quotes([SPOT, PERP])
    assert (quotes[SPOT].bid, quotes[PERP].ask, quotes[PERP].mark) == (D("50000.1"), D("50000.2"), D("50000.9"))
    assert (await venue.fetch_book(PERP, 5)).bids == ((D("50000.1"), D("0.5")),)
    for symbol, closes in ((PERP, (50000.0, 50050.0)), (SPOT, (50000.0,))):
        candles = await venue.fetch_candles(symbol, HOUR_MS, 1_759_989_600_000, 2)
        assert candles.closes == closes
        assert candles.volumes_quote[0] == 499000.0
    funding = (await venue.fetch_funding([PERP]))[PERP]
    assert (funding.rate, funding.interval_hours, funding.next_ms) == (D("0.0001"), 8, 1_760_025_600_000)
    interest = await venue.fetch_open_interest(PERP)
    assert interest.value_quote == D("12345.6") * D("50000.9")
    (one,) = (await venue.fetch_instruments([PERP]))[PERP].brackets
    assert (one.maintenance_rate, one.leverage_max) == (D("0.02"), 3)


FORMS: dict[str, OrderRequest] = {
    "create spot limit": order(SPOT, size=D("0.001"), time_in_force=TimeInForce.GTC),
    "create spot IOC": order(SPOT, size=D("0.001")),
    "create spot post-only": order(SPOT, size=D("0.001"), time_in_force=TimeInForce.POST_ONLY),
    "implicit create spot": order(SPOT, size=D("0.00001"), time_in_force=TimeInForce.POST_ONLY),
    "create swap opens by side": order(size=D("0.001"), side=Side.SELL),
    "create swap reduce-only": order(size=D("0.001"), side=Side.SELL, reduce_only=True),
    "create swap post-only": order(size=D("0.001"), time_in_force=TimeInForce.POST_ONLY),
    "create swap market": order(size=D("0.001"), order_type=OrderType.MARKET, price=None),
}
"""The recorded orders that ccxt sends as the bot does, but for `reduceOnly`, which says nothing beside the side."""


@pytest.mark.parametrize("name", FORMS)
async def test_an_order_of_each_form_goes_out_as_it_was_recorded(
    name: str, folder: Path, recorded: tuple[CcxtVenue, WeexSession]
) -> None:
    venue, session = recorded
    session.answers |= answered(folder, "orders", name)
    assert (await venue.submit_order(FORMS[name])).venue_id == "702345678901234567"
    (wire,) = next(case["wire"] for case in cases_of(folder, "orders") if case["name"] == name)
    method, path, body = wire.split(" ", 2)
    sent = session.sent[-1]
    expected = {key: value for key, value in json.loads(body).items() if key != "reduceOnly"}
    assert (sent.method, sent.path, json.loads(sent.body)) == (method, path, expected)
    assert is_signed_well(sent)


async def test_a_recorded_refusal_in_an_answer_is_a_refusal(
    folder: Path, recorded: tuple[CcxtVenue, WeexSession]
) -> None:
    venue, session = recorded
    session.answers |= answered(folder, "orders", "implicit create: a refusal inside a 200 raises nothing")
    with pytest.raises(VenueRejected) as caught:
        await venue.submit_order(order())
    assert (caught.value.code, caught.value.kind) == ("-3007", Rejection.FILTER)


async def test_a_recorded_change_of_leverage_is_confirmed(
    folder: Path, recorded: tuple[CcxtVenue, WeexSession]
) -> None:
    venue, session = recorded
    session.answers |= answered(folder, "account", "set_position_mode one-way", "set_leverage isolated")
    await venue.set_leverage(PERP, D(5))
    for name in ("set_position_mode one-way", "set_leverage isolated"):
        (wire,) = next(case["wire"] for case in cases_of(folder, "account") if case["name"] == name)
        assert wire in [f"{sent.method} {sent.path} {sent.body}" for sent in session.sent]
    session.answers |= answered(folder, "account", "set_leverage without a mode changes the cross one")
    with pytest.raises(OutcomeUnknown):
        await venue.set_leverage(PERP, D(4))


async def test_a_recorded_pair_without_steps_is_left_out(recorded: tuple[CcxtVenue, WeexSession]) -> None:
    """As the recorded case "a pair without steps": ccxt fails at its first order."""
    found = await recorded[0].fetch_instruments(["OLD/USDT"])
    assert "OLD/USDT" not in found


NOT_ASKED = {
    "account": {
        "position mode": "the answer of `symbol settings`, which is read",
        "set_margin_mode": "the answer of `set_position_mode one-way`; the bot sends both settings in one request",
        "transfer": "no request: `move_cash` is refused, see test_environments.py",
    },
    "markets": {
        "load_markets asks two public endpoints": "the answers of the file, over which every test here runs",
        "sandbox keeps the production hosts": "no request: it is no environment, see test_environments.py",
        "there is no demo mode": "no request: it is no environment, see test_environments.py",
    },
    "orders": {
        "create spot limit without time in force": "never sent: a limit order always says its time in force",
        "postOnly IS FORWARDED AND IGNORED": "never sent: `create spot post-only` is the form that works",
        "SPOT STOP BECOMES AN IMMEDIATE MARKET ORDER": "never sent: refused before, see test_environments.py",
        "our stamp and window go into the body": "never sent: the stamp is in the signed header",
        "no id of ours: ccxt adds its own": "never sent: every order has an id of ours",
        "cancel swap by id": "the bot cancels by its own id: `cancel swap by our id`",
        "cancel all swap": "the bot cancels each order by its id",
        "sandbox: create": "no environment of the bot",
        "sandbox: no cancel, no lookup": "no environment of the bot",
        "sandbox: balance": "no environment of the bot",
    },
    "public": {
        "fetch_time swap": "the time of the other host is asked",
        "fetch_tickers spot": "best prices come from `fetch_bids_asks spot`",
        "fetch_tickers swap has no bid and ask": "best prices come from `fetch_bids_asks swap`",
        "fetch_leverage_tiers": "no request: the venue has none",
    },
}
"""Recorded cases that no test sends, and why."""
IN_LOOPS = {
    "errors": "test_every_recorded_answer_to_a_write_has_its_outcome",
    "public": "test_recorded_market_data_are_read",
}


def test_every_recorded_case_takes_part_or_has_a_reason(folder: Path) -> None:
    check_that_all_take_part(folder, Path(__file__), NOT_ASKED, IN_LOOPS, globals())
