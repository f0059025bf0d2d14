"""The canned exchanges of the research, through the venue: what it asks is well signed, what it reads is what they say.

They are no part of the project: without the shared folder nothing is tried here, and other tests of this folder have
shapes of their own.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from bot.domain.durations import HOUR_MS
from bot.domain.instrument import Side
from bot.domain.order import OrderType, TimeInForce
from bot.ports import OrderRequest, OutcomeUnknown, Rejection, ReportState, Unavailable, VenueRejected
from bot.venues.bybit.adapter import ADAPTER
from bot.venues.ccxt.venue import CcxtVenue, ConnectionRules
from tests.venues.bybit.canned import PERP, SPOT, CannedSession, Reply, Sent, listed, usual, venue_on
from tests.venues.bybit.test_outcomes import ID, order, unhold
from tests.venues.conftest import skipped_waits
from tests.venues.recorded import cases_of, check_that_all_take_part

D = Decimal
SINCE_MS = 1_759_990_000_000
SYMBOLS = (SPOT, PERP, "PEPE/USDT", "1000PEPE/USDT:USDT")
Recorded = tuple[CcxtVenue, CannedSession]
Request = tuple[str, str, dict[str, Any]]
R = Rejection
KINDS = {
    "10001": R.FILTER,
    "10002": R.CLOCK,
    "10003": R.AUTHENTICATION,
    "10004": R.AUTHENTICATION,
    "10005": R.AUTHENTICATION,
    "10006": R.RATE_LIMIT,
    "10010": R.AUTHENTICATION,
    "10024": R.PERMANENT,
    "10028": R.PERMANENT,
    "110001": R.NOT_FOUND,
    "110003": R.FILTER,
    "110007": R.FUNDS,
    "110017": R.REDUCE_ONLY,
    "110072": R.DUPLICATE_ID,
    "110074": R.MARKET_CLOSED,
    "110094": R.FILTER,
    "110121": R.FILTER,
    "170131": R.FUNDS,
    "170141": R.DUPLICATE_ID,
    "170213": R.NOT_FOUND,
    "170218": R.WOULD_TAKE,
    "30228": R.MARKET_CLOSED,
    "HTTP": R.RATE_LIMIT,
}
"""What the bot makes of the recorded refusals, by the first word of their names."""


def answers_of(folder: Path, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(name, answers) of the cases of a file."""
    for case in json.loads((folder / f"{name}.json").read_text())["cases"]:
        found = {}
        for path, answer in case.get("answers", {}).items():
            is_raw = isinstance(answer, dict) and "$body" in answer
            found[path] = Reply(answer["$body"], answer.get("$status", 200)) if is_raw else answer
        yield case["name"], found


def answered(folder: Path, name: str, *cases: str) -> dict[str, Any]:
    """The answers of some cases of a file."""
    known = dict(answers_of(folder, name))
    return {path: answer for case in cases for path, answer in known[case].items()}


def asked_for(part: str, answers: Mapping[str, Any]) -> dict[str, Any]:
    """The answers as those to questions whose query has that part only."""
    return {f"{path}?{part}": answer for path, answer in answers.items()}


def requests_of(folder: Path, name: str, case: str) -> list[Request]:
    """(method, path, query or body) of the requests of a case."""
    (found,) = [one for one in cases_of(folder, name) if one["name"] == case]
    requests = []
    for wire in found["wire"]:
        method, _, rest = wire.partition(" ")
        path, _, body = rest.partition(" ")
        path, _, query = path.partition("?")
        requests.append((method, path, json.loads(body) if body else dict(parse_qsl(query))))
    return requests


def request_of(sent: Sent) -> Request:
    """The same of one that the bot sent."""
    return sent.method, sent.path, json.loads(sent.body) if sent.body else dict(parse_qsl(sent.query))


@asynccontextmanager
async def opened(
    folder: Path, answers: Mapping[str, Any] | None = None, **changes: Any
) -> AsyncIterator[tuple[CcxtVenue, CannedSession]]:
    """A venue over the recorded markets."""
    markets = json.loads((folder / "markets.json").read_text())["answers"]
    session = CannedSession({**usual(), **markets, **(answers or {})})
    venue = venue_on(session, **changes)
    await venue.open()
    await venue.fetch_instruments(SYMBOLS)
    yield venue, session
    await venue.close()


@pytest.fixture
async def recorded(folder: Path) -> AsyncIterator[Recorded]:
    """The same; the session's record begins empty."""
    async with opened(folder) as (venue, session):
        session.sent.clear()
        yield venue, session


async def test_recorded_markets_are_read(folder: Path) -> None:
    async with opened(folder) as (venue, session):
        asked = [request_of(sent) for sent in session.of("/v5/market/instruments-info")]
        found = await venue.fetch_instruments(SYMBOLS)
    assert (found[PERP].size_step, found["1000PEPE/USDT:USDT"].size_step) == (D("0.001"), D(100))
    assert found["1000PEPE/USDT:USDT"].multiplier == 1000
    assert found["PEPE/USDT"].price_tick == D("0.0000000001")
    assert (found[SPOT].size_step, found[SPOT].notional_min, found[SPOT].market_size_max) == (D("0.000001"), 5, 120)
    assert (found[PERP].price_tick, found["1000PEPE/USDT:USDT"].venue_symbol) == (D("0.1"), "1000PEPEUSDT")
    expected = requests_of(folder, "markets", "load_markets asks three public endpoints")
    assert sorted(asked, key=str) == sorted(expected, key=str)


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        ("testnet", "sandbox moves every section to the test network"),
        ("demo", "demo trading moves every section, flag stays down"),
    ],
)
async def test_a_test_environment_has_the_recorded_host_for_every_request(
    environment: str, name: str, folder: Path
) -> None:
    async with opened(folder, environment=environment) as (venue, session):
        await venue.fetch_account()
    (case,) = [one for one in cases_of(folder, "markets") if one["name"] == name]
    host = urlsplit(case["expect"]["urls|private"].replace("{hostname}", "bybit.com")).netloc
    assert {urlsplit(sent.url).netloc for sent in session.sent} == {host}


async def test_every_recorded_answer_to_a_write_has_its_outcome(folder: Path, recorded: Recorded) -> None:
    venue, session = recorded
    writes: dict[str, Callable[[list[Any]], Awaitable[Any]]] = {
        "create_order": lambda call: venue.submit_order(order(call[1])),
        "cancel_order": lambda call: venue.cancel_order(call[2], ID),
        "set_leverage": lambda call: venue.set_leverage(call[2], D(call[1])),
    }
    tried = {"UNKNOWN": 0, "refused": 0, "no change": 0}
    answers = dict(answers_of(folder, "errors"))
    for case in cases_of(folder, "errors"):
        name, call = case["name"], case["call"]
        if name in NOT_ASKED["errors"]:
            continue
        unhold(venue)
        session.answers |= answers[name]
        session.sent.clear()
        if "UNKNOWN" in name:
            with pytest.raises(OutcomeUnknown):
                await writes[call[0]](call)
            tried["UNKNOWN"] += 1
        elif "no change" in name:
            await writes[call[0]](call)
            tried["no change"] += 1
        else:
            with pytest.raises(VenueRejected) as caught:
                await writes[call[0]](call)
            assert caught.value.kind is KINDS[name.split()[0]], name
            tried["refused"] += 1
        (sent,) = session.sent
        assert f"{sent.method} {sent.path}" in answers[name], name
        assert sent.is_signed_well
    assert tried == {"UNKNOWN": 12, "refused": 23, "no change": 1}
    assert sum(tried.values()) + len(NOT_ASKED["errors"]) == len(answers)


STOP: dict[str, Any] = {"order_type": OrderType.STOP, "price": None, "side": Side.SELL, "trigger_price": D("45000.5")}
BY_BOT: dict[str, Any] = {"positionIdx": 0}
"""What the bot says of a perp beside the recorded words: one-way mode, which is the venue's own default."""
FORMS: dict[str, tuple[OrderRequest, dict[str, Any]]] = {
    "create spot limit IOC": (order(SPOT, size=D("0.001")), {}),
    "create spot market by base": (order(SPOT, size=D("0.001"), order_type=OrderType.MARKET, price=None), {}),
    "create swap post-only": (order(side=Side.SELL, time_in_force=TimeInForce.POST_ONLY), BY_BOT),
    "create swap reduce-only FOK": (
        order(side=Side.SELL, time_in_force=TimeInForce.FOK, reduce_only=True),
        BY_BOT,
    ),
    "create swap stop by mark": (order(**STOP, reduce_only=True), BY_BOT),
    # the venue says that spot has neither a direction nor reduce-only: ccxt sends both, the bot does not
    "create spot stop": (order(SPOT, size=D("0.001"), **STOP), {"triggerDirection": None, "reduceOnly": None}),
    # the bot writes a size without its last zeros
    "implicit create: our own text": (order(**STOP, reduce_only=True), {**BY_BOT, "qty": "0.01"}),
}
"""The order of the bot for each recorded one, and in which words of the body it differs (None: not said)."""


@pytest.mark.parametrize("name", FORMS)
async def test_a_recorded_form_of_an_order_is_sent_as_recorded(name: str, folder: Path, recorded: Recorded) -> None:
    venue, session = recorded
    session.answers |= answered(folder, "orders", name)
    request, changes = FORMS[name]
    report = await venue.submit_order(request)
    assert (report.venue_id, report.client_id, report.state) == ("1321003749386327552", ID, ReportState.OPEN)
    ((method, path, body),) = requests_of(folder, "orders", name)
    expected = {key: value for key, value in {**body, **changes}.items() if value is not None}
    (sent,) = session.sent
    assert request_of(sent) == (method, path, expected)
    assert sent.is_signed_well


async def test_the_recorded_stamp_and_window_are_signed_and_not_in_the_body(folder: Path) -> None:
    name = "our stamp and window do not reach the signature through params"
    ((_, _, body),) = requests_of(folder, "orders", name)
    stamp_ms, window_ms = body.pop("timestamp"), body.pop("recvWindow")
    rules = ConnectionRules(receive_window_ms=window_ms, seams=skipped_waits())
    async with opened(folder, answered(folder, "orders", name), rules=rules) as (venue, session):
        await venue.submit_order(order(stamp_ms=stamp_ms, receive_window_ms=window_ms))
    sent = session.sent[-1]
    assert json.loads(sent.body) == {**body, **BY_BOT, "timeInForce": "IOC"}
    assert sent.headers["X-BAPI-TIMESTAMP"] == str(stamp_ms)
    assert sent.headers["X-BAPI-RECV-WINDOW"] == str(window_ms)
    assert sent.is_signed_well


@pytest.mark.parametrize(
    ("name", "symbol", "changes"),
    [
        ("cancel by our id", PERP, {}),
        # the list that the bot's spot stops are in, which ccxt does not name
        ("cancel spot trigger by our id", SPOT, {"orderFilter": "tpslOrder"}),
    ],
)
async def test_a_recorded_cancel_is_sent_as_recorded(
    name: str, symbol: str, changes: dict[str, Any], folder: Path, recorded: Recorded
) -> None:
    venue, session = recorded
    session.answers |= answered(folder, "orders", name)
    await venue.cancel_order(symbol, ID, is_trigger="trigger" in name)
    ((method, path, body),) = requests_of(folder, "orders", name)
    assert [request_of(sent) for sent in session.sent] == [(method, path, {**body, **changes})]


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("set_leverage", lambda venue: venue.set_leverage(PERP, D(5))),
        ("add margin", lambda venue: venue.move_margin(PERP, D("10.00"))),
    ],
)
async def test_a_recorded_setting_of_a_position_is_sent_as_recorded(
    name: str, write: Callable[[CcxtVenue], Awaitable[None]], folder: Path, recorded: Recorded
) -> None:
    venue, session = recorded
    session.answers |= answered(folder, "account", name)
    await write(venue)
    assert [request_of(sent) for sent in session.sent] == requests_of(folder, "account", name)
    assert session.sent[0].is_signed_well


READS: tuple[tuple[str, str, Callable[[CcxtVenue], Awaitable[Any]]], ...] = (
    ("account", "fetch_positions", lambda venue: venue.fetch_account()),
    ("orders", "fetch by our id: open and the last 500 closed", lambda venue: venue.fetch_order(PERP, ID)),
    ("public", "fetch_time", lambda venue: venue.fetch_clock_skew()),
    ("public", "fetch_funding_rates", lambda venue: venue.fetch_funding([PERP])),
    ("public", "fetch_order_book", lambda venue: venue.fetch_book(PERP, 50)),
)


@pytest.mark.parametrize(("file", "name", "read"), READS)
async def test_a_recorded_question_is_asked_as_recorded(
    file: str, name: str, read: Callable[[CcxtVenue], Awaitable[Any]], folder: Path, recorded: Recorded
) -> None:
    venue, session = recorded
    session.answers |= answered(folder, file, name)
    await read(venue)
    (expected,) = requests_of(folder, file, name)
    assert expected in [request_of(sent) for sent in session.sent]
    assert all(sent.is_signed_well for sent in session.sent if file != "public")


async def test_recorded_orders_are_read(folder: Path, recorded: Recorded) -> None:
    venue, session = recorded
    session.answers |= answered(folder, "orders", "fetch by our id: open and the last 500 closed")
    report = await venue.fetch_order(PERP, ID)
    assert report is not None
    assert (report.state, report.filled_size, report.filled_quote) == (ReportState.OPEN, D("0.004"), D(200))
    session.answers |= answered(folder, "orders", "fetch_open_orders, conditional ones included")
    plain, stop = await venue.fetch_open_orders([PERP])
    assert (plain.is_trigger, stop.is_trigger, stop.trigger_price) == (False, True, D("45000.5"))
    assert (plain.state, stop.state, stop.reduce_only) == (ReportState.OPEN, ReportState.OPEN, True)


async def test_recorded_orders_that_have_ended_are_read(folder: Path, recorded: Recorded) -> None:
    venue, session = recorded
    session.answers |= answered(folder, "orders", "fetch_order by our id sends orderId=None", "closed orders by our id")
    session.sent.clear()
    report = await venue.fetch_order(PERP, ID)
    assert report is not None
    assert (report.state, report.filled_size) == (ReportState.CANCELED, D("0.004"))
    assert request_of(session.sent[-1]) == requests_of(folder, "orders", "closed orders by our id")[0]
    session.answers["GET /v5/order/history"] = listed()
    assert await venue.fetch_order(PERP, ID) is None
    assert all("orderId=" not in sent.query for sent in session.sent)
    session.answers |= answered(folder, "orders", "spot partly filled and cancelled reads as closed")
    for report in (await venue.fetch_order(SPOT, ID), *await venue.fetch_order_history(SPOT, SINCE_MS)):
        assert report is not None
        assert (report.state, report.filled_size, report.size) == (ReportState.CANCELED, D("0.004"), D("0.01"))


async def test_recorded_executions_are_read(folder: Path, recorded: Recorded) -> None:
    venue, session = recorded
    session.answers |= answered(folder, "orders", "fetch_my_trades swap")
    (fill,) = await venue.fetch_fills(PERP, SINCE_MS)
    assert (fill.client_id, fill.fee, fill.fee_asset, fill.is_maker) == (ID, D("0.11"), "USDT", False)
    assert fill.trade_id == f"{PERP}:e0000001-0000-4000-8000-000000000001"
    session.answers |= answered(folder, "orders", "fetch_my_trades spot: the fee is in base when buying")
    (fill,) = await venue.fetch_fills(SPOT, SINCE_MS)
    assert (fill.fee, fill.fee_asset, fill.is_maker) == (D("0.000001"), "BTC", True)
    session.answers |= answered(folder, "account", "fetch_funding_history: what was paid is positive")
    found = await venue.fetch_fills(PERP, SINCE_MS)
    assert (tuple(found), tuple(found.defects)) == ((), ())  # funding is no trade: it comes with the payments


async def test_the_recorded_account_is_read(folder: Path, recorded: Recorded) -> None:
    venue, session = recorded
    session.answers |= asked_for("settleCoin=USDT", answered(folder, "account", "fetch_positions"))
    session.answers |= answered(folder, "account", "account settings")
    for name in ("fetch_balance is one wallet for spot and perps", "fetch_balance spot is the same request"):
        session.answers |= answered(folder, "account", name)
        session.sent.clear()
        account = await venue.fetch_account()
        assert [request_of(sent) for sent in session.of("/v5/account/wallet-balance")] == requests_of(
            folder, "account", name
        )
        assert (account.is_unified, account.cash, account.unreadable) == (True, D(1000), {})
        assert account.cash_free == D(1000) - D(50) - D(20) - D("101.3")
        assert account.balances["BTC"].free == D("0.008")
    held = account.positions[PERP]
    assert (held.size, held.leverage, held.margin, held.is_isolated) == (D("-0.010"), D(5), D("101.3"), True)
    assert (held.liquidation_price, held.unrealised_pnl) == (D("59800.5"), D("4.991"))
    session.answers |= answered(folder, "account", "transaction log: what was received is positive")
    payments = await venue.fetch_payments(SINCE_MS)
    assert [(p.kind, p.amount) for p in payments] == [("deposit", D(100)), ("funding", D("0.05"))]
    session.answers |= answered(folder, "account", "rights of the key")
    (problem,) = (await venue.fetch_account_review(0)).problems
    assert (problem.check, problem.is_blocking) == ("key_rights", True)
    assert "AccountTransfer" in problem.words


async def test_a_recorded_account_is_read_without_further_questions(folder: Path, recorded: Recorded) -> None:
    venue, session = recorded
    name = "without the two options a first private call asks twice more"
    session.answers |= answered(folder, "account", name)
    account = await venue.fetch_account()
    assert account.cash_free == D(1000) - D(50) - D(20) - D(100)
    assert len(session.of("/v5/account/info")) == 1  # the bot's own question: the margin mode
    assert session.of("/v5/user/query-api") == []
    (problem,) = (await venue.fetch_account_review(0)).problems
    assert (problem.check, problem.is_blocking) == ("key_rights", False)
    assert "any IP address" in problem.words


async def test_a_recorded_position_of_hedge_mode_can_be_closed(folder: Path, recorded: Recorded) -> None:
    venue, session = recorded
    hedged = answered(folder, "account", "hedge mode shows as positionIdx 1 or 2")
    for part in ("settleCoin=USDT", "symbol=BTCUSDT"):
        session.answers |= asked_for(part, hedged)
    assert (await venue.fetch_account()).positions[PERP].size == D("0.010")
    (problem,) = (await venue.fetch_account_review(0)).problems
    assert (problem.check, problem.is_blocking) == ("position_mode", True)
    with pytest.raises(Unavailable, match="one-way mode"):
        await venue.fetch_position_size(PERP)
    session.answers |= answered(folder, "orders", "create swap reduce-only FOK")
    await venue.submit_order(FORMS["create swap reduce-only FOK"][0])
    assert json.loads(session.sent[-1].body)["positionIdx"] == 1


async def test_recorded_market_data_are_read(folder: Path, recorded: Recorded) -> None:
    venue, session = recorded
    session.answers |= answered(folder, "public", "fetch_tickers spot", "fetch_order_book")
    session.answers |= answered(folder, "public", "fetch_ohlcv swap, newest row first on the wire")
    quote = (await venue.fetch_quotes([SPOT]))[SPOT]
    assert (quote.bid, quote.ask, quote.mark) == (D("50000.1"), D("50000.2"), None)
    book = await venue.fetch_book(PERP, 2)
    assert (book.bids[0], book.asks[1]) == ((D("50000.1"), D("0.5")), (D("50000.5"), D(2)))
    session.sent.clear()
    candles = await venue.fetch_candles(PERP, HOUR_MS, 1_759_989_600_000, 2)
    assert (candles.closes, candles.volumes_quote) == ((50000.0, 50050.0), (499000.0, 625000.0))
    ((method, path, query),) = requests_of(folder, "public", "fetch_ohlcv swap, newest row first on the wire")
    (asked,) = [request_of(sent) for sent in session.sent]
    assert asked == (method, path, {**query, "end": str(1_759_989_600_000 + 2 * HOUR_MS - 1)})
    session.answers |= answered(folder, "public", "funding settlements")
    settled = await ADAPTER.history(venue._link).fetch_funding(PERP, 1_759_968_000_000, 1_760_000_000_000)
    assert settled == [(1_759_968_000_000, "0.00012"), (1_759_996_800_000, "0.0001")]
    session.answers |= answered(folder, "public", "fetch_time")
    assert await venue.fetch_clock_skew() == 123


@pytest.mark.parametrize(
    "name",
    [
        "fetch_tickers swap carries bid, ask, mark, index and funding",
        "fetch_bids_asks is the same request",
        "fetch_funding_rates",
    ],
)
async def test_a_recorded_ticker_of_a_perp_has_all_that_is_read(name: str, folder: Path, recorded: Recorded) -> None:
    venue, session = recorded
    session.answers |= answered(folder, "public", name)
    quote = (await venue.fetch_quotes([PERP]))[PERP]
    assert (quote.bid, quote.ask, quote.mark, quote.index) == (
        D("50000.1"),
        D("50000.2"),
        D("50000.9"),
        D("50001.5"),
    )
    funding = (await venue.fetch_funding([PERP]))[PERP]
    assert (funding.rate, funding.interval_hours, funding.next_ms) == (D("0.0001"), 8, 1_760_025_600_000)
    assert (await venue.fetch_open_interest(PERP)).value_quote == D(3_061_728_350)


async def test_recorded_risk_limits_are_the_brackets_of_a_perp(folder: Path) -> None:
    limits = answered(folder, "public", "fetch_market_leverage_tiers")
    answers = {"GET /v5/market/risk-limit": listed(), **asked_for("symbol=BTCUSDT", limits)}
    async with opened(folder, answers) as (venue, session):
        asked = [request_of(sent) for sent in session.of("/v5/market/risk-limit")]
        first, second = (await venue.fetch_instruments([PERP]))[PERP].brackets
    assert (first.notional_floor, first.notional_cap, first.leverage_max, first.cum) == (0, 2_000_000, 100, 0)
    assert (second.notional_floor, second.leverage_max, second.cum) == (2_000_000, 90, 1200)
    assert second.maintenance_rate == D("0.0056")
    assert requests_of(folder, "public", "fetch_market_leverage_tiers")[0] in asked


NOT_ASKED = {
    "account": {
        "set_margin_mode is account-wide": "never sent: the bot reads the mode and opens nothing in another one",
        "set_position_mode for the coin": "never sent: the bot reads the mode and opens nothing in hedge mode",
        "transfer within the venue": "no request: `move_cash` is refused, see test_requests.py",
    },
    "errors": {
        "110025 set_position_mode: no change": "never met: the bot changes no position mode",
    },
    "markets": {},
    "orders": {
        "cancel all of a symbol": "never sent: the bot cancels each order by its own id",
        "fetch_order by id": "never asked: the bot names its own id, and the answer is the same",
    },
    "public": {
        "fetch_open_interest": "never asked: the ticker has the live figure, also in money",
        "fetch_open_interest, empty list": "never asked: the ticker has the live figure, also in money",
    },
}
"""Recorded cases that no test sends, and why."""
IN_LOOPS = {"errors": "test_every_recorded_answer_to_a_write_has_its_outcome"}


def test_every_recorded_case_takes_part_or_has_a_reason(folder: Path) -> None:
    check_that_all_take_part(folder, Path(__file__), NOT_ASKED, IN_LOOPS, globals())
