"""Rows of Bybit as the port's values: every number from its text, one wallet counted once, nothing taken for absent."""

from decimal import Decimal
from typing import Any

import pytest

from bot.domain.durations import DAY_MS, HOUR_MS
from bot.domain.instrument import Side
from bot.ports import DEPOSIT, Listed, ReportState, Unavailable
from bot.venues.ccxt.venue import CcxtVenue
from tests.venues.bybit.canned import (
    NOW_MS,
    PERP,
    SPOT,
    CannedSession,
    Reply,
    coin,
    listed,
    perp_row,
    refusal,
    spot_row,
    success,
    usual,
    venue_on,
    wallet,
)
from tests.venues.bybit.test_outcomes import ID

D = Decimal
REALTIME, HISTORY = "GET /v5/order/realtime", "GET /v5/order/history"
TICKER = {
    "symbol": "BTCUSDT",
    "bid1Price": "50000.1",
    "ask1Price": "50000.2",
    "indexPrice": "50001.5",
    "markPrice": "50000.9",
    "openInterest": "61234.567",
    "openInterestValue": "3061728350",
    "fundingRate": "0.0001",
    "nextFundingTime": "1760025600000",
    "fundingIntervalHour": "4",
}


def position(**changes: Any) -> dict[str, Any]:
    row = {
        "positionIdx": 0,
        "symbol": "BTCUSDT",
        "side": "Sell",
        "size": "0.010",
        "avgPrice": "50500",
        "leverage": "5",
        "markPrice": "50000.9",
        "liqPrice": "59800.5",
        "positionIM": "101.3",
        "positionBalance": "111.3",
        "unrealisedPnl": "4.991",
    }
    return {**row, **changes}


def order_row(**changes: Any) -> dict[str, Any]:
    row = {
        "orderId": "1321003749386327552",
        "orderLinkId": ID,
        "symbol": "BTCUSDT",
        "side": "Buy",
        "orderType": "Limit",
        "price": "50000.1",
        "qty": "0.010",
        "orderStatus": "PartiallyFilled",
        "cancelType": "UNKNOWN",
        "rejectReason": "EC_NoError",
        "cumExecQty": "0.004",
        "cumExecValue": "200",
        "stopOrderType": "",
        "triggerPrice": "",
        "reduceOnly": False,
        "createdTime": str(NOW_MS - 10_000),
        "updatedTime": str(NOW_MS - 5_000),
    }
    return {**row, **changes}


def execution(number: int, **changes: Any) -> dict[str, Any]:
    row = {
        "symbol": "BTCUSDT",
        "orderId": "77",
        "orderLinkId": ID,
        "side": "Buy",
        "execId": f"e{number}",
        "execPrice": "50000",
        "execQty": "0.004",
        "execFee": "0.11",
        "feeCurrency": "",
        "execType": "Trade",
        "execTime": str(NOW_MS - number),
        "isMaker": False,
    }
    return {**row, **changes}


async def test_instruments_have_the_venues_own_grid(venue: CcxtVenue) -> None:
    found = await venue.fetch_instruments([SPOT, PERP])
    spot, perp = found[SPOT], found[PERP]
    assert (spot.size_step, spot.price_tick, spot.notional_min) == (D("0.000001"), D("0.1"), D(5))
    assert (spot.size_max, spot.market_size_max) == (D(230), D(120))
    assert (perp.size_step, perp.price_tick, perp.notional_min) == (D("0.001"), D("0.10"), D(5))
    assert (perp.size_max, perp.market_size_max, perp.contract_size) == (D(1190), D(500), D(1))
    assert (spot.maker_fee, spot.taker_fee) == (D("0.0001"), D("0.0006"))
    assert [(b.notional_floor, b.notional_cap, b.leverage_max, b.cum) for b in perp.brackets] == [
        (D(0), D(2_000_000), 100, D(0)),
        (D(2_000_000), D(4_000_000), 90, D(1200)),
    ]


async def test_a_multiplier_is_read_before_the_name_and_behind_it(session: CannedSession) -> None:
    row = {**perp_row("SHIB1000USDT"), "baseCoin": "SHIB1000"}
    session.answers["GET /v5/market/instruments-info?category=linear"] = listed(
        row, perp_row("1000PEPEUSDT"), category="linear"
    )
    venue = venue_on(session)
    await venue.open()
    found = await venue.fetch_instruments(["SHIB1000/USDT:USDT", "1000PEPE/USDT:USDT"])
    assert found["1000PEPE/USDT:USDT"].multiplier == 1000
    assert found["SHIB1000/USDT:USDT"].multiplier == 1000
    await venue.close()


async def test_a_market_without_a_grid_is_left_out_and_costs_no_other(session: CannedSession) -> None:
    bare = spot_row("ETHUSDT")
    del bare["priceFilter"]
    session.answers["GET /v5/market/instruments-info?category=spot"] = listed(bare, spot_row())
    venue = venue_on(session)
    await venue.open()
    found = await venue.fetch_instruments(["ETH/USDT", SPOT])
    assert set(found) == {SPOT}
    assert "ETH/USDT" in found.unreadable  # type: ignore[attr-defined]
    await venue.close()


async def test_one_wallet_is_counted_once_and_what_perps_hold_of_it_is_not_free(
    venue: CcxtVenue, session: CannedSession
) -> None:
    usdt = coin("USDT", "1000", locked="50", totalOrderIM="20", totalPositionIM="101.3")
    session.answers["GET /v5/account/wallet-balance"] = wallet(usdt, coin("BTC", "0.01", locked="0.002"))
    session.answers["GET /v5/position/list?settleCoin=USDT"] = listed(position())
    account = await venue.fetch_account()
    assert account.is_unified
    assert (account.perp_wallet, account.perp_free) == (0, 0)
    assert account.cash == D(1000)
    assert account.cash_free == D(1000) - D(50) - D(20) - D("111.3")  # the margin that was added is bound as well
    assert (account.balances["BTC"].free, account.balances["BTC"].used) == (D("0.008"), D("0.002"))
    held = account.positions[PERP]
    assert (held.size, held.margin, held.leverage, held.is_isolated) == (D("-0.010"), D("111.3"), D(5), True)
    assert held.liquidation_price == D("59800.5")


async def test_free_money_is_no_more_than_the_venue_says_is_available(venue: CcxtVenue, session: CannedSession) -> None:
    session.answers["GET /v5/account/wallet-balance"] = wallet(coin("USDT", "1000"), available="400.5")
    assert (await venue.fetch_account()).cash_free == D("400.5")
    session.answers["GET /v5/account/wallet-balance"] = wallet(coin("USDT", "1000"), available="-3")
    account = await venue.fetch_account()
    assert (account.cash_free, account.cash) == (0, D(1000))


async def test_what_is_available_and_cannot_be_read_counts_as_nothing_and_costs_nothing_else(
    venue: CcxtVenue, session: CannedSession
) -> None:
    session.answers["GET /v5/account/wallet-balance"] = wallet(coin("USDT", "1000"), coin("BTC", "1"), available="much")
    session.answers["GET /v5/position/list?settleCoin=USDT"] = listed(position())
    account = await venue.fetch_account()
    assert (account.cash, account.cash_free, account.balances["BTC"].total) == (D(1000), 0, 1)
    assert account.positions[PERP].size == D("-0.010")
    assert set(account.unreadable) == {"spot:USDT"}


async def test_an_unknown_margin_mode_leaves_the_positions_readable(venue: CcxtVenue, session: CannedSession) -> None:
    session.answers["GET /v5/account/info"] = success({"unifiedMarginStatus": 6})
    session.answers["GET /v5/position/list?settleCoin=USDT"] = listed(position())
    assert not (await venue.fetch_account()).positions[PERP].is_isolated


async def test_a_loan_and_a_row_that_cannot_be_read_are_named(venue: CcxtVenue, session: CannedSession) -> None:
    session.answers["GET /v5/account/wallet-balance"] = wallet(
        coin("USDT", "-1"), coin("BTC", "much"), coin("ETH", "2")
    )
    session.answers["GET /v5/position/list?settleCoin=USDT"] = listed(position(markPrice="?"))
    account = await venue.fetch_account()
    assert set(account.unreadable) == {"spot:USDT", "spot:BTC", f"perp:{PERP}"}
    assert set(account.balances) == {"ETH"}
    assert account.positions[PERP].size == D("-0.010")


async def test_of_two_rows_of_one_coin_the_larger_counts_and_it_is_unreadable(
    venue: CcxtVenue, session: CannedSession
) -> None:
    coins = [coin("USDT", "1000"), coin("BTC", "3"), coin("BTC", "1"), coin("ETH", "2"), coin("ETH", "2")]
    session.answers["GET /v5/account/wallet-balance"] = wallet(*coins)
    account = await venue.fetch_account()
    assert {asset: held.total for asset, held in account.balances.items()} == {"USDT": 1000, "BTC": 3, "ETH": 2}
    assert set(account.unreadable) == {"spot:BTC"}


async def test_cross_margin_is_no_isolated_position(venue: CcxtVenue, session: CannedSession) -> None:
    session.answers["GET /v5/account/info"] = success({"marginMode": "REGULAR_MARGIN", "unifiedMarginStatus": 6})
    session.answers["GET /v5/position/list?settleCoin=USDT"] = listed(position())
    held = (await venue.fetch_account()).positions[PERP]
    assert (held.is_isolated, held.margin) == (False, 0)


@pytest.mark.parametrize(("index", "side", "size"), [(1, "Buy", "0.5"), (2, "Sell", "-0.5")])
async def test_a_perp_in_hedge_mode_is_named_and_costs_no_other_perp_anything(
    index: int, side: str, size: str, venue: CcxtVenue, session: CannedSession
) -> None:
    hedged = position(symbol="ETHUSDT", positionIdx=index, side=side, size="0.5")
    session.answers["GET /v5/position/list?settleCoin=USDT"] = listed(hedged, position())
    account = await venue.fetch_account()
    assert {symbol: held.size for symbol, held in account.positions.items()} == {
        "ETH/USDT:USDT": D(size),
        PERP: D("-0.010"),
    }
    assert set(account.unreadable) == {"perp:ETH/USDT:USDT"}
    assert "hedge mode" in account.unreadable["perp:ETH/USDT:USDT"]


async def test_a_hedged_perp_whose_row_cannot_be_read_keeps_its_side(venue: CcxtVenue, session: CannedSession) -> None:
    """Without it an order that reduces would name no side, and hedge mode would refuse it."""
    session.answers["GET /v5/position/list?settleCoin=USDT"] = listed(
        position(positionIdx=2, side="Sell", markPrice="?")
    )
    account = await venue.fetch_account()
    assert "hedge mode" in account.unreadable[f"perp:{PERP}"]
    assert venue._link.position_sides == {PERP: "SHORT"}


async def test_a_position_of_an_unknown_index_is_held_and_unreadable(venue: CcxtVenue, session: CannedSession) -> None:
    session.answers["GET /v5/position/list?settleCoin=USDT"] = listed(position(positionIdx=3))
    account = await venue.fetch_account()
    assert account.positions[PERP].size == D("-0.010")
    assert set(account.unreadable) == {f"perp:{PERP}"}


async def test_positions_of_other_currencies_and_pages_are_read_as_well(
    venue: CcxtVenue, session: CannedSession
) -> None:
    session.answers["GET /v5/position/list?settleCoin=USDT"] = listed(position(), cursor="one%3A2")
    session.answers["GET /v5/position/list?cursor=one:2"] = listed(position(symbol="ETHUSDT", side="Buy", size="3"))
    session.answers["GET /v5/position/list?settleCoin=USDC"] = listed(position(symbol="ETHPERP", side="Buy", size="7"))
    session.answers["GET /v5/position/list?settleCoin=USDT&limit=200&cursor=one:2"] = listed(
        position(symbol="ETHUSDT", side="Buy", size="3")
    )
    account = await venue.fetch_account()
    assert {symbol: held.size for symbol, held in account.positions.items()} == {
        PERP: D("-0.010"),
        "ETH/USDT:USDT": D(3),
        "ETH/USDC:USDC": D(7),
    }


async def test_prices_and_funding_come_from_the_tickers_at_the_venues_time(
    venue: CcxtVenue, session: CannedSession
) -> None:
    session.answers["GET /v5/market/tickers?category=linear"] = {**listed(TICKER), "time": NOW_MS - 700}
    session.answers["GET /v5/market/tickers?category=spot"] = {**listed(TICKER), "time": NOW_MS + 60_000}
    quotes = await venue.fetch_quotes([SPOT, PERP])
    assert (quotes[PERP].bid, quotes[PERP].mark, quotes[PERP].index) == (D("50000.1"), D("50000.9"), D("50001.5"))
    assert quotes[PERP].at_ms == NOW_MS - 700
    assert (quotes[SPOT].mark, quotes[SPOT].at_ms) == (None, NOW_MS)  # never later than we are
    funding = (await venue.fetch_funding([PERP]))[PERP]
    assert (funding.rate, funding.interval_hours, funding.next_ms) == (D("0.0001"), 4, 1_760_025_600_000)
    assert (await venue.fetch_open_interest(PERP)).value_quote == D(3_061_728_350)


async def test_candles_come_newest_first_and_are_given_oldest_first(venue: CcxtVenue, session: CannedSession) -> None:
    hour = NOW_MS // HOUR_MS * HOUR_MS
    rows = [[str(hour - n * HOUR_MS), "10", "12", "9", str(10 + n), "5", "55"] for n in range(4)]
    session.answers["GET /v5/market/kline"] = listed(*rows)
    found = await venue.fetch_candles(SPOT, HOUR_MS, hour - 3 * HOUR_MS, 3)
    assert found.closes == (13.0, 12.0, 11.0)
    assert found.volumes_quote == (55.0, 55.0, 55.0)


STATES = [
    ({"orderStatus": "New"}, ReportState.OPEN),
    ({"orderStatus": "Untriggered", "stopOrderType": "Stop"}, ReportState.OPEN),
    ({"orderStatus": "Triggered", "stopOrderType": "Stop"}, ReportState.OPEN),
    ({"orderStatus": "Filled", "cumExecQty": "0.010"}, ReportState.FILLED),
    ({"orderStatus": "Cancelled", "cancelType": "CancelByUser"}, ReportState.CANCELED),
    ({"orderStatus": "Cancelled", "rejectReason": "EC_PostOnlyWillTakeLiquidity"}, ReportState.EXPIRED),
    ({"orderStatus": "Cancelled", "cancelType": "CancelByReduceOnly"}, ReportState.EXPIRED),
    ({"orderStatus": "PartiallyFilledCanceled", "cancelType": "CancelByUser"}, ReportState.CANCELED),
    ({"orderStatus": "Deactivated", "stopOrderType": "Stop"}, ReportState.CANCELED),
    ({"orderStatus": "Rejected", "cumExecQty": "0"}, ReportState.REJECTED),
    ({"orderStatus": "Rejected", "cumExecQty": "0.004"}, ReportState.EXPIRED),
]


@pytest.mark.parametrize(("cells", "state"), STATES)
async def test_states_are_read_from_status_and_reason(
    cells: dict[str, str], state: ReportState, venue: CcxtVenue, session: CannedSession
) -> None:
    session.answers[REALTIME] = listed(order_row(**cells))
    report = await venue.fetch_order(PERP, ID)
    assert report is not None
    assert report.state is state
    assert report.filled_size == D(cells.get("cumExecQty", "0.004"))


async def test_a_status_nobody_described_is_no_state(venue: CcxtVenue, session: CannedSession) -> None:
    session.answers[REALTIME] = listed(order_row(orderStatus="Sleeping"))
    with pytest.raises(Unavailable, match="nobody has described"):
        await venue.fetch_order(PERP, ID)
    (report,) = await venue.fetch_open_orders([PERP])
    assert (report.state, report.size, bool(report.defect)) == (ReportState.OPEN, D("0.010"), True)


async def test_an_order_is_absent_only_where_three_lists_say_so(venue: CcxtVenue, session: CannedSession) -> None:
    session.answers |= {REALTIME: listed(), HISTORY: listed()}
    assert await venue.fetch_order(PERP, ID) is None
    assert [(sent.path, "openOnly=1" in sent.query) for sent in session.sent] == [
        ("/v5/order/realtime", False),
        ("/v5/order/realtime", True),
        ("/v5/order/history", False),
    ]
    session.answers[HISTORY] = listed(order_row(orderStatus="Filled", cumExecQty="0.010"))
    report = await venue.fetch_order(PERP, ID)
    assert report is not None
    assert report.state is ReportState.FILLED


@pytest.mark.parametrize("where", [REALTIME, "GET /v5/order/realtime?openOnly=1", HISTORY])
@pytest.mark.parametrize(
    "answer",
    [Reply(""), Reply("<html>"), Reply("{}"), refusal(10016), success(), success({"list": None}), listed("row")],
)
async def test_no_answer_is_no_absence(answer: Any, where: str, venue: CcxtVenue, session: CannedSession) -> None:
    session.answers |= {REALTIME: listed(), HISTORY: listed(), where: answer}
    with pytest.raises(Unavailable):
        await venue.fetch_order(PERP, ID)


async def test_open_orders_of_all_pages_are_found_and_conditional_ones_with_them(
    venue: CcxtVenue, session: CannedSession
) -> None:
    stop = order_row(
        orderId="2",
        orderLinkId="t2",
        orderStatus="Untriggered",
        stopOrderType="Stop",
        triggerPrice="45000.5",
        price="0",
    )
    session.answers["GET /v5/order/realtime?category=linear"] = listed(order_row(), cursor="next")
    session.answers["GET /v5/order/realtime?category=linear&settleCoin=USDT&limit=50&cursor=next"] = listed(stop)
    session.answers["GET /v5/order/realtime?category=spot"] = listed(order_row(symbol="ETHUSDT"))
    found = await venue.fetch_open_orders([SPOT, PERP])
    assert [(r.client_id, r.is_trigger, r.trigger_price) for r in found] == [
        (ID, False, None),
        ("t2", True, D("45000.5")),
    ]


async def test_a_cursor_that_leads_nowhere_is_an_error_and_no_end(venue: CcxtVenue, session: CannedSession) -> None:
    session.answers[REALTIME] = listed(order_row(), cursor="again")
    with pytest.raises(Unavailable, match="cursor"):
        await venue.fetch_open_orders([PERP])


async def test_an_open_order_of_an_unreadable_symbol_is_a_defect_of_the_answer(
    venue: CcxtVenue, session: CannedSession
) -> None:
    session.answers[REALTIME] = listed(order_row(symbol=None), order_row())
    found = await venue.fetch_open_orders([PERP])
    assert [report.client_id for report in found] == [ID]
    assert [symbol for symbol, _ in found.defects] == [""]  # type: ignore[attr-defined]


async def test_executions_are_trades_of_ours_and_of_the_venue_and_not_funding(
    venue: CcxtVenue, session: CannedSession
) -> None:
    session.answers["GET /v5/execution/list"] = listed(
        execution(1),
        execution(2, execType="Funding", orderLinkId=""),
        execution(3, execType="BustTrade", orderLinkId="", side="Sell"),
        execution(4, execType="Gift"),
    )
    fills = await venue.fetch_fills(PERP, NOW_MS - DAY_MS)
    assert [(fill.trade_id, fill.client_id, fill.fee, fill.fee_asset) for fill in fills] == [
        (f"{PERP}:e3", None, D("0.11"), "USDT"),
        (f"{PERP}:e1", ID, D("0.11"), "USDT"),
    ]
    assert len(fills.defects) == 1  # type: ignore[attr-defined]
    bought = (await venue.fetch_fills(SPOT, NOW_MS - DAY_MS))[-1]
    assert (bought.side, bought.fee_asset) == (Side.BUY, "BTC")


@pytest.mark.parametrize("fee", [None, "", "x", [], ...])
@pytest.mark.parametrize("kind", ["Trade", "BustTrade", "Settle"])
@pytest.mark.parametrize("symbol", [SPOT, PERP])
async def test_a_fill_without_a_readable_fee_is_not_booked(
    symbol: str, kind: str, fee: Any, venue: CcxtVenue, session: CannedSession
) -> None:
    """Its fee counted as zero for ever: a fill that is booked is not read again."""
    row = {name: cell for name, cell in execution(1, execType=kind, execFee=fee).items() if cell is not ...}
    session.answers["GET /v5/execution/list"] = listed(row)
    found = await venue.fetch_fills(symbol, NOW_MS - DAY_MS)
    assert isinstance(found, Listed)
    assert (tuple(found), [name for name, _ in found.defects]) == ((), [symbol])
    session.answers["GET /v5/execution/list"] = listed(execution(1, execType=kind, execFee="-0.02"))
    assert [fill.fee for fill in await venue.fetch_fills(symbol, NOW_MS - DAY_MS)] == [D("-0.02")]


async def test_funding_among_the_executions_has_no_fee_to_read(venue: CcxtVenue, session: CannedSession) -> None:
    session.answers["GET /v5/execution/list"] = listed(execution(1, execType="Funding", execFee=""), execution(2))
    found = await venue.fetch_fills(PERP, NOW_MS - DAY_MS)
    assert isinstance(found, Listed)
    assert ([fill.trade_id for fill in found], found.defects) == ([f"{PERP}:e2"], ())


async def test_history_is_asked_for_in_windows_of_seven_days(venue: CcxtVenue, session: CannedSession) -> None:
    session.answers["GET /v5/execution/list"] = listed()
    await venue.fetch_fills(PERP, NOW_MS - 20 * DAY_MS)
    spans = []
    for sent in session.sent:
        cells = dict(part.split("=") for part in sent.query.split("&"))
        spans.append((int(cells["startTime"]), int(cells["endTime"])))
    assert len(spans) == 3
    assert all(end - start < 7 * DAY_MS for start, end in spans)
    assert [start for start, _ in spans[1:]] == [end + 1 for _, end in spans[:-1]]
    assert spans[0][0] == NOW_MS - 20 * DAY_MS
    assert spans[-1][1] >= NOW_MS


async def test_payments_come_from_the_account_log_with_what_was_received_positive(
    venue: CcxtVenue, session: CannedSession
) -> None:
    def row(number: int, kind: str, change: str, **more: str) -> dict[str, str]:
        at = {"id": f"log_{number}", "type": kind, "currency": "USDT", "transactionTime": str(NOW_MS - number)}
        return {**at, "symbol": "", "change": change, **more}

    session.answers["GET /v5/account/transaction-log"] = listed(
        row(1, "SETTLEMENT", "0.05", symbol="BTCUSDT"), row(2, "TRADE", "-7"), row(3, "TRANSFER_IN", "100")
    )
    found = await venue.fetch_payments(NOW_MS - DAY_MS)
    assert [(p.kind, p.amount, p.symbol) for p in found] == [(DEPOSIT, D(100), None), ("funding", D("0.05"), PERP)]


CHECKS = [
    ("GET /v5/account/info", success({"marginMode": "REGULAR_MARGIN", "unifiedMarginStatus": 6}), "isolated margin"),
    ("GET /v5/account/info", success({"marginMode": "ISOLATED_MARGIN", "unifiedMarginStatus": 1}), "unified trading"),
    ("GET /v5/account/info", success({}), "could not be checked"),
    ("GET /v5/account/info", Reply("{}"), "could not be checked"),
    ("GET /v5/account/wallet-balance", wallet(coin("USDT", "1", borrowAmount="2")), "repay"),
    (
        "GET /v5/position/list?symbol=BTCUSDT",
        listed({"positionIdx": 1, "size": "0"}, {"positionIdx": 2, "size": "0"}),
        "one-way mode",
    ),
    ("GET /v5/position/list?symbol=BTCUSDT", listed(), "could not be checked"),
    ("GET /v5/user/query-api", refusal(10003, "API key is invalid."), "use a key of this environment"),
    (
        "GET /v5/user/query-api",
        success({"readOnly": 0, "permissions": {"Wallet": ["Withdraw"], "Spot": ["x"], "Derivatives": ["x"]}}),
        "wallet permissions",
    ),
    ("GET /v5/user/query-api", success({"readOnly": 1, "permissions": {"Wallet": []}}), "read and write"),
    (
        "GET /v5/user/query-api",
        success({"readOnly": 0, "permissions": {"Wallet": [], "Spot": ["SpotTrade"]}}),
        "orders and positions of contracts",
    ),
]


@pytest.mark.parametrize(("path", "answer", "words"), CHECKS)
async def test_an_account_that_is_not_as_it_must_be_is_refused_in_words(path: str, answer: Any, words: str) -> None:
    venue = venue_on(CannedSession({**usual(), path: answer}))
    with pytest.raises(Exception, match=words) as caught:
        await venue.open()
    assert type(caught.value).__name__ in ("AccountRefused", "ChecksUnanswered", "SetupFailed")
    await venue.close()
