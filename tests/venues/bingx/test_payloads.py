"""The canned exchanges of the research, through the venue: what it asks is well signed, what it reads is what they say.

They are no part of the project: without the shared folder nothing is tried here, and other tests of this folder have
shapes of their own.
"""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bot.domain.durations import DAY_MS, HOUR_MS
from bot.domain.instrument import Side
from bot.domain.order import OrderType, TimeInForce
from bot.ports import OutcomeUnknown, Rejection, ReportState, VenueRejected
from bot.venues.bingx.adapter import ADAPTER
from bot.venues.ccxt.history import PublicHistory
from bot.venues.ccxt.venue import CcxtVenue, ConnectionRules
from tests.venues.bingx.canned import (
    MODE,
    OPEN,
    PERP,
    PERP_ORDER,
    PERP_QUERY,
    SMALL,
    SPOT,
    BingxSession,
    answered,
    is_signed_well,
    line_of,
    success,
    usual,
    venue_on,
    wire_of,
)
from tests.venues.bingx.test_fills import FILLS
from tests.venues.bingx.test_fills import ROW as FILL_ROW
from tests.venues.bingx.test_outcomes import ID, order
from tests.venues.bybit.canned import NOW_MS
from tests.venues.bybit.test_outcomes import unhold
from tests.venues.bybit.test_payloads import answers_of
from tests.venues.conftest import HandClock, skipped_waits
from tests.venues.recorded import cases_of, check_that_all_take_part

D = Decimal
SINCE_MS = 1_759_990_000_000
STOP_ID = "tsbabc00001010101a02"
KINDS = {  # by words in the name of a recorded refusal
    "duplicate": Rejection.DUPLICATE_ID,
    "cancel": Rejection.NOT_FOUND,
    "clock": Rejection.CLOCK,
    "would take": Rejection.WOULD_TAKE,
    "100410 did not happen": Rejection.RATE_LIMIT,
    "109429": Rejection.RATE_LIMIT,
    "HTTP 4": Rejection.RATE_LIMIT,
    "100202": Rejection.FUNDS,
    "101204": Rejection.FUNDS,
    "101253": Rejection.FUNDS,
    "80012": Rejection.FUNDS,
    "100001": Rejection.AUTHENTICATION,
    "100004": Rejection.AUTHENTICATION,
    "100413": Rejection.AUTHENTICATION,
    "100419": Rejection.AUTHENTICATION,
    "101205": Rejection.REDUCE_ONLY,
    "101290": Rejection.REDUCE_ONLY,
    "101414": Rejection.LEVERAGE,
    "100490": Rejection.MARKET_CLOSED,
    "101415": Rejection.MARKET_CLOSED,
    "109418": Rejection.MARKET_CLOSED,
    "109400": Rejection.FILTER,
    "100440": Rejection.FILTER,
    "101211": Rejection.FILTER,
    "110422": Rejection.FILTER,
    "110425": Rejection.FILTER,
}
FORCED = "GET /openApi/swap/v2/trade/forceOrders"
STOP = {
    "size": D("0.01"),
    "order_type": OrderType.STOP,
    "price": None,
    "side": Side.SELL,
    "reduce_only": True,
    "trigger_price": D("45000.5"),
}
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


async def test_recorded_markets_are_read_in_decimals(recorded: tuple[CcxtVenue, BingxSession]) -> None:
    found = await recorded[0].fetch_instruments([SPOT, PERP, SMALL])
    assert (found[SPOT].size_step, found[SPOT].size_min, found[SPOT].price_tick) == (
        D("0.000001"),
        D("0.0000256"),
        D("0.01"),
    )
    assert (found[PERP].size_step, found[PERP].notional_min, found[PERP].contract_size) == (D("0.0001"), D(2), D(1))
    assert found[PERP].leverage_max == 125
    assert (found[SMALL].price_tick, found[SMALL].size_step, found[SMALL].size_min) == (D("1E-10"), D(1), D(1000))


@pytest.mark.parametrize("environment", ["mainnet", "testnet"])
async def test_recorded_lists_of_markets_are_asked_for(environment: str, folder: Path) -> None:
    """The test environment has another host, and is asked about perps alone."""
    cases = {case["name"]: case for case in cases_of(folder, "markets")}
    session = BingxSession({**usual(), **json.loads((folder / "markets.json").read_text())["answers"]})
    venue = venue_on(session, environment=environment)
    await venue.open()
    found = await venue.fetch_instruments([SPOT, PERP, "OmniCat/USDT", "OMNI/USDT"])
    urls = venue._link.exchange.urls["api"]
    await venue.close()
    lists = {line_of(sent) for sent in session.sent if sent.path.endswith(("/contracts", "/symbols"))}
    assert found[PERP].venue_symbol == "BTC-USDT"
    if environment == "mainnet":
        assert lists == set(cases["load_markets asks three public endpoints"]["wire"])
        assert found.keys() == {SPOT, PERP, "OmniCat/USDT"}
        wanted = cases["renamed codes"]["expect"]["OmniCat/USDT|id"]
        assert found["OmniCat/USDT"].venue_symbol == wanted == "OMNI-USDT"
        return
    assert found.keys() == {PERP}
    assert lists == set(cases["the virtual environment is another host and has perps only"]["wire"])
    assert {sent.url.split("/")[2] for sent in session.sent} == {"open-api-vst.bingx.com"}
    moved = cases["sandbox moves every section"]["expect"]
    assert (urls["swap"], urls["spot"]) == (moved["urls|swap"], moved["urls|spot"])


async def test_recorded_answers_to_writes_have_their_outcome(
    folder: Path, recorded: tuple[CcxtVenue, BingxSession]
) -> None:
    venue, session = recorded
    tried = {"UNKNOWN": 0, "refused": 0}
    for name, answers in answers_of(folder, "errors"):
        if name in NOT_ASKED["errors"]:
            continue
        unhold(venue)
        session.answers |= answers
        session.sent.clear()
        path = next(iter(answers))
        symbol = SPOT if "spot" in path else PERP
        if path.endswith("asset/v1/transfer"):
            write = venue.move_cash(D(10), to_perp=True)
        elif path.startswith("POST") and path.endswith("trade/order"):
            write = venue.submit_order(order(symbol))
        else:
            write = venue.cancel_order(symbol, ID)
        if "UNKNOWN" in name and "101253" not in str(answers[path]):
            with pytest.raises(OutcomeUnknown):
                await write
            tried["UNKNOWN"] += 1
        else:
            with pytest.raises(VenueRejected) as caught:
                await write
            expected = next((kind for words, kind in KINDS.items() if words in name), None)
            assert expected in (None, caught.value.kind), name
            tried["refused"] += 1
        (sent,) = session.sent
        assert (f"{sent.method} {sent.path}", is_signed_well(sent)) == (path, True)
    assert sum(tried.values()) == len(cases_of(folder, "errors")) - len(NOT_ASKED["errors"])
    assert tried["UNKNOWN"] >= 10
    assert tried["refused"] >= 31


async def test_recorded_orders_are_read(folder: Path, recorded: tuple[CcxtVenue, BingxSession]) -> None:
    venue, session = recorded
    session.answers |= answered(folder, "orders", "implicit: swap order by our id", "implicit: spot order by our id")
    report = await venue.fetch_order(PERP, ID)
    assert report is not None
    assert (report.state, report.filled_size, report.filled_quote) == (ReportState.OPEN, D("0.0040"), D(200))
    assert report.venue_id == "1735950529123455488"
    assert line_of(session.sent[-1]) == wire_of(folder, "orders", "implicit: swap order by our id")
    report = await venue.fetch_order(SPOT, ID)
    assert line_of(session.sent[-1]) == wire_of(folder, "orders", "implicit: spot order by our id")
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


async def test_recorded_orders_that_have_ended_are_read(folder: Path, recorded: tuple[CcxtVenue, BingxSession]) -> None:
    venue, session = recorded
    session.answers |= {
        FORCED: success({"orders": []}),
        "GET /openApi/spot/v1/trade/openOrders": success({"orders": []}),
    }
    session.answers |= answered(folder, "orders", "implicit: swap history by window", "closed spot orders")
    (report,) = await venue.fetch_order_history(PERP, SINCE_MS)
    assert (report.client_id, report.state, report.filled_size) == (ID, ReportState.FILLED, D("0.0100"))
    wire = wire_of(folder, "orders", "implicit: swap history by window")
    assert wire.replace(f"={NOW_MS}&", f"={NOW_MS + 1_000}&") in map(line_of, session.sent)  # a second ahead
    (report,) = await venue.fetch_order_history(SPOT, SINCE_MS)
    assert (report.client_id, report.state, report.filled_quote) == (ID, ReportState.FILLED, D(50))
    assert report.venue_id == "1735963671248581632"


async def test_a_recorded_stop_without_a_client_id_is_found_by_what_it_is(
    folder: Path, recorded: tuple[CcxtVenue, BingxSession]
) -> None:
    venue, session = recorded
    session.answers |= answered(folder, "errors", "HTTP 502 UNKNOWN")
    with pytest.raises(OutcomeUnknown):
        await venue.submit_order(order(**STOP, client_id=STOP_ID, stamp_ms=1_759_999_990_000))
    listing = "fetch_open_orders swap, conditional ones included"
    session.answers |= answered(folder, "orders", listing, "implicit: swap history by window")
    row = session.answers[OPEN]["data"]["orders"][1]
    session.answers[f"{PERP_QUERY}?orderId=1735950529123455489"] = success({"order": row})
    report = await venue.fetch_order(PERP, STOP_ID, is_trigger=True)
    assert report is not None
    assert (report.client_id, report.venue_id, report.state) == (STOP_ID, "1735950529123455489", ReportState.OPEN)
    assert wire_of(folder, "orders", listing) in map(line_of, session.sent)


FORMS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("create spot limit IOC", SPOT, {"size": D("0.001")}),
    ("create spot market, small size goes out as 1e-05", SPOT, {"order_type": OrderType.MARKET, "price": None}),
    ("implicit: our digits reach the wire", SPOT, {}),
    ("create spot FOK is sent as FOK", SPOT, {"size": D("0.001"), "time_in_force": TimeInForce.FOK}),
    ("create spot post-only", SPOT, {"size": D("0.001"), "time_in_force": TimeInForce.POST_ONLY}),
    ("implicit create spot: our own text", SPOT, {}),
    ("create swap limit, one-way", PERP, {"time_in_force": TimeInForce.GTC}),
    ("create swap reduce-only IOC", PERP, {"side": Side.SELL, "reduce_only": True}),
    ("create swap stop by mark", PERP, STOP),
    (
        "implicit create swap: our own text",
        SMALL,
        {"side": Side.SELL, "size": D(1000), "price": D("0.0000098540"), "time_in_force": TimeInForce.POST_ONLY},
    ),
)
OTHER_DIGITS = {"=1e-05&": "=0.00001&", "=50000.10&": "=50000.1&", "=0.0000098540&": "=0.000009854&"}
"""Numbers of recorded requests, and how the bot writes them: never with an exponent, without zeros at the end."""


def in_own_words(wire: str) -> str:
    """A recorded request to an order of a perp or of spot in the bot's own digits, and with the documents' spelling of
    the client id of a perp, which ccxt writes as that of spot."""
    for theirs, ours in OTHER_DIGITS.items():
        wire = wire.replace(theirs, ours)
    return wire.replace("clientOrderID=", "clientOrderId=") if "/swap/" in wire else wire


@pytest.mark.parametrize(("name", "symbol", "changes"), FORMS)
async def test_a_recorded_form_of_an_order_is_sent_as_recorded(
    name: str, symbol: str, changes: dict[str, Any], folder: Path, recorded: tuple[CcxtVenue, BingxSession]
) -> None:
    venue, session = recorded
    session.answers |= answered(folder, "orders", name)
    small = {"size": D("0.01") if symbol == PERP else D("0.00001")}
    report = await venue.submit_order(order(symbol, **small | changes))
    number = "1735963671248581632" if symbol == SPOT else "1735950529123455488"
    is_filled = "market" in name
    assert (report.venue_id, report.client_id) == (number, ID)
    assert report.state is (ReportState.FILLED if is_filled else ReportState.OPEN)
    assert report.filled_quote == (D("0.500001") if is_filled else 0)
    (sent,) = session.sent
    assert line_of(sent) == in_own_words(wire_of(folder, "orders", name))
    assert is_signed_well(sent)


async def test_a_recorded_order_has_our_stamp_and_our_window(
    folder: Path, recorded: tuple[CcxtVenue, BingxSession]
) -> None:
    venue, session = recorded
    session.answers |= answered(folder, "orders", "our stamp is overwritten")
    await venue.submit_order(order(stamp_ms=1_759_999_999_000, receive_window_ms=4_000))
    (sent,) = session.sent
    assert {"timestamp=1759999999000", "recvWindow=4000"} <= set(sent.query.split("&"))
    assert is_signed_well(sent)
    session.answers |= answered(folder, "orders", "the answer as text")
    assert isinstance(session.answers[PERP_ORDER]["data"]["order"]["stopLoss"], str)
    report = await venue.submit_order(order())
    assert (report.venue_id, report.state, report.is_trigger) == ("1735950529123455488", ReportState.OPEN, False)


async def test_a_recorded_close_in_hedge_mode_names_the_side_it_closes(
    folder: Path, recorded: tuple[CcxtVenue, BingxSession]
) -> None:
    venue, session = recorded
    name = "create swap reduce-only in hedge mode"
    session.answers |= answered(folder, "account", "position mode", "fetch_positions") | answered(
        folder, "orders", name
    )
    held = session.answers["GET /openApi/swap/v2/user/positions"]["data"][0]
    session.answers["GET /openApi/swap/v2/user/positions"] = success([{**held, "positionSide": "LONG"}])
    await venue.fetch_account()
    close = {"size": D("0.01"), "order_type": OrderType.MARKET, "price": None, "side": Side.SELL, "reduce_only": True}
    await venue.submit_order(order(**close))
    assert line_of(session.sent[-1]) == in_own_words(wire_of(folder, "orders", name))


async def test_recorded_cancels_are_sent_as_recorded(folder: Path, recorded: tuple[CcxtVenue, BingxSession]) -> None:
    venue, session = recorded
    for symbol, name in ((SPOT, "cancel spot by our id is a POST"), (PERP, "cancel swap by our id is a DELETE")):
        session.answers |= answered(folder, "orders", name)
        await venue.cancel_order(symbol, ID)
        assert line_of(session.sent[-1]) == in_own_words(wire_of(folder, "orders", name))
    assert all(is_signed_well(sent) for sent in session.sent)


async def test_recorded_settings_and_transfers_are_sent_as_recorded(
    folder: Path, recorded: tuple[CcxtVenue, BingxSession]
) -> None:
    venue, session = recorded
    names = ("set_margin_mode per symbol", "set_leverage needs the side", "transfer spot to perpetual")
    session.answers |= answered(folder, "account", *names)
    await venue.set_leverage(PERP, D(5))
    await venue.move_cash(D(10), to_perp=True)
    assert [line_of(sent) for sent in session.sent] == [wire_of(folder, "account", name) for name in names]
    rounds = "add margin rounds to the size step"
    session.answers |= answered(folder, "account", rounds)
    await venue.move_margin(PERP, D("1.2345"))
    sided = wire_of(folder, "account", rounds).replace("&symbol=", "&positionSide=BOTH&symbol=")
    assert line_of(session.sent[-1]) == sided
    with pytest.raises(OutcomeUnknown):  # the amount of the answer is not what was asked for
        await venue.move_margin(PERP, D("1.23456"))
    assert line_of(session.sent[-1]) == sided.replace("=1.2345&", "=1.23456&")
    assert all(is_signed_well(sent) for sent in session.sent)


async def test_recorded_fills_are_read(folder: Path, recorded: tuple[CcxtVenue, BingxSession]) -> None:
    venue, session = recorded
    session.answers |= answered(folder, "orders", "fetch_my_trades spot")
    session.answers[FILLS] = success({"fill_orders": [{**FILL_ROW, **OF_THE_ORDER}]})
    (fill,) = await venue.fetch_fills(SPOT, SINCE_MS)
    assert (fill.fee, fill.fee_asset, fill.side) == (D("0.000001"), "BTC", Side.BUY)
    session.answers |= answered(folder, "orders", "fetch_order by id")  # the row of the fill has no side
    (fill,) = await venue.fetch_fills(PERP, SINCE_MS)
    assert (fill.size, fill.fee, fill.side, fill.client_id) == (D("0.0040"), D("0.1"), Side.BUY, None)
    assert fill.venue_order_id == OF_THE_ORDER["orderId"]
    assert fill.at_ms == 1_759_999_995_000
    asked = f"{PERP_QUERY}?orderId={OF_THE_ORDER['orderId']}&symbol=BTC-USDT"
    assert line_of(session.sent[-1]) == asked
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
    assert (account.balances["BTC"].used, account.unreadable) == (D("0.002"), {})
    held = account.positions[PERP]
    assert (held.size, held.margin, held.is_isolated, held.leverage) == (D("-0.0100"), D("100.999"), True, D(5))
    session.answers |= answered(folder, "account", "fetch_funding_history: received is positive")
    (payment,) = await venue.fetch_payments(SINCE_MS)
    assert (payment.kind, payment.amount, payment.symbol) == ("funding", D("0.0500"), PERP)
    assert payment.id == "FUNDING_FEE:170000000000_1_1_1"
    session.answers |= answered(folder, "account", "position mode")
    said = session.answers[MODE]["data"]["dualSidePosition"]
    (problem,) = (await venue.fetch_account_review(0)).problems
    assert (problem.check, said) == ("position_mode", "true")
    session.answers |= answered(folder, "account", "position mode as JSON boolean")
    (problem,) = (await venue.fetch_account_review(0)).problems
    assert (problem.check, session.answers[MODE]["data"]["dualSidePosition"]) == ("position_mode", True)
    assert f"perp:{PERP}" in (await venue.fetch_account()).unreadable


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
    quoted = ("fetch_tickers spot", "fetch_tickers swap", "fetch_funding_rates")
    session.answers |= answered(folder, "public", *quoted)
    quotes = await venue.fetch_quotes([SPOT, PERP])
    assert {line_of(sent) for sent in session.sent} == {wire_of(folder, "public", name) for name in quoted}
    assert (quotes[SPOT].bid, quotes[SPOT].ask) == (D("50000.1"), D("50000.2"))
    assert (quotes[PERP].ask, quotes[PERP].mark, quotes[PERP].index) == (D("50000.2"), D("50000.9"), D("50001.5"))
    funding = (await venue.fetch_funding([PERP]))[PERP]
    assert (funding.rate, funding.interval_hours, funding.next_ms) == (D("0.0001"), 8, 1_760_025_600_000)
    depth = "fetch_order_book swap: contracts and coins"
    session.answers |= answered(folder, "public", depth, "fetch_order_book spot")
    book = await venue.fetch_book(SMALL, 5)
    assert line_of(session.sent[-1]) == wire_of(folder, "public", depth)
    assert book.bids == ((D("0.0000098540"), D(483909000)),)  # coins, not contracts
    book = await venue.fetch_book(SPOT, 5)
    assert (book.bids, book.asks) == (((D("50000.1"), D("0.5")),), ((D("50000.2"), D("0.4")),))
    session.answers |= answered(folder, "public", "fetch_open_interest is quote value")
    assert (await venue.fetch_open_interest(PERP)).value_quote == D("3061728350.12")
    assert line_of(session.sent[-1]) == wire_of(folder, "public", "fetch_open_interest is quote value")


async def test_recorded_candles_are_read(folder: Path, recorded: tuple[CcxtVenue, BingxSession]) -> None:
    venue, session = recorded
    session.answers |= answered(folder, "public", "fetch_ohlcv swap", "fetch_ohlcv spot")
    candles = await venue.fetch_candles(PERP, HOUR_MS, 1_759_989_600_000, 2)
    assert candles.closes == (50000.0, 50050.0)
    assert candles.volumes_quote[0] == pytest.approx(10 * (50020 + 49800 + 50000) / 3)
    days = await venue.fetch_candles(SPOT, DAY_MS, 1_759_881_600_000, 2)
    assert (days.closes, days.volumes_quote) == ((50000.0,), (499000.0,))  # the second day is not over
    assert {"interval=1d", "timeZone=0"} <= set(session.sent[-1].query.split("&"))


async def test_recorded_maintenance_tiers_are_read(folder: Path) -> None:
    name = "fetch_market_leverage_tiers needs a key"
    markets = json.loads((folder / "markets.json").read_text())["answers"]
    session = BingxSession({**usual(), **markets, **answered(folder, "public", name)})
    venue = venue_on(session)
    await venue.open()
    (first, second) = (await venue.fetch_instruments([PERP]))[PERP].brackets
    await venue.close()
    assert (first.maintenance_rate, first.leverage_max, second.notional_floor) == (D("0.0038"), 125, D(150000))
    assert (second.maintenance_rate, second.cum, second.notional_cap) == (D("0.004"), D(30), D(900000))
    (asked,) = [sent for sent in session.sent if line_of(sent) == wire_of(folder, "public", name)]
    assert is_signed_well(asked)


async def test_the_recorded_time_and_the_recorded_settlements_are_read(folder: Path) -> None:
    markets = json.loads((folder / "markets.json").read_text())["answers"]
    session = BingxSession({**usual(), **markets, **answered(folder, "public", "fetch_time", "funding settlements")})
    history = PublicHistory(
        ADAPTER,
        "mainnet",
        quote="USDT",
        clock=HandClock(NOW_MS),
        session_factory=lambda: session,  # type: ignore[arg-type, return-value]
        rules=ConnectionRules(seams=skipped_waits()),
    )
    await history.open()
    assert wire_of(folder, "public", "fetch_time") in map(line_of, session.sent)
    assert history.now_ms() == NOW_MS + 123
    await history.fetch_instruments([PERP])
    settled = await history.fetch_funding(PERP, 1_759_968_000_000, NOW_MS)
    await history.close()
    assert settled == [(1_759_968_000_000, "0.00012"), (1_759_996_800_000, "0.0001")]


NOT_ASKED = {
    "account": {
        "set_position_mode is account-wide": "never sent: the bot changes no position mode, the review names it",
        "set_leverage without a side": "no request: ccxt refuses it, and the bot names the side itself",
    },
    "errors": {
        "104103 set_position_mode with orders or positions": "never sent: the bot changes no position mode",
    },
    "markets": {
        "there is no demo mode": "no request: the test environment of the bot is the sandbox, see profiles.py",
    },
    "orders": {
        "create spot stop": "never sent: conditional orders of spot are refused before, see test_requests.py",
        "cancel all swap": "never sent: the bot cancels each order by its id",
        "fetch_order by our id sends orderId=None": "never sent: the request that works is the implicit one",
        "closed swap orders: since and limit are not sent": "never sent: the bot asks by window, as the implicit one",
        "fetch_my_trades swap counts contracts by default": "not asked: the bot reads fillHistory, see test_fills.py",
        "fetch_my_trades swap in coins": "not asked: the bot reads fillHistory, which has quantities in coins",
        "unified create sends a small size as 1e-05": "never sent: `implicit create spot: our own text` is its request",
    },
    "public": {
        "fetch_bids_asks swap takes one symbol": "not asked: best prices come from the 24-hour tickers of all symbols",
    },
}
"""Recorded cases that no test sends, and why."""
IN_LOOPS = {"errors": "test_recorded_answers_to_writes_have_their_outcome"}


def test_every_recorded_case_takes_part_or_has_a_reason(folder: Path) -> None:
    check_that_all_take_part(folder, Path(__file__), NOT_ASKED, IN_LOOPS, globals())
