"""Reads: the venue's rows become exact domain values, with as few requests as its weights suggest."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.instrument import Side
from bot.ports import ReportState, Unavailable
from bot.venues.binance import parse
from bot.venues.binance.markets import BinanceMarkets
from bot.venues.ccxt import candles as parse_candles
from bot.venues.ccxt.venue import CcxtVenue
from tests.venues.binance_server import NOW_MS, BinanceServer, Hit, refusal
from tests.venues.conftest import SYMBOLS, HandClock
from tests.venues.orders import ALGO_ORDER, PERP_ORDER

PERP, PEPE = "UNI/USDT:USDT", "1000PEPE/USDT:USDT"
HOUR_MS, DAY_MS = 3_600_000, 86_400_000


def position_row(**changes: Any) -> dict[str, Any]:
    row = {
        "symbol": "UNIUSDT",
        "positionSide": "BOTH",
        "positionAmt": "-50",
        "entryPrice": "10.2",
        "markPrice": "10.0",
        "unRealizedProfit": "10.0",
        "liquidationPrice": "11.9",
        "isolatedMargin": "110",
        "isolatedWallet": "100",
        "notional": "-500.0",
        "positionInitialMargin": "100.0",
        "updateTime": NOW_MS,
    }
    return row | changes


async def test_the_account_is_both_wallets_and_every_position_that_is_not_flat(
    venue: CcxtVenue, server: BinanceServer
) -> None:
    flat, foreign = position_row(symbol="DOTUSDT", positionAmt="0"), position_row(symbol="XYZUSDT", isolatedWallet="0")
    server.answers["GET", "/fapi/v3/positionRisk"] = [position_row(), flat, foreign]
    account = await venue.fetch_account()
    assert account.cash == Decimal("1000")
    assert account.cash_free == Decimal("900.5")
    assert account.balances.keys() == {"USDT", "UNI"}
    assert (account.perp_wallet, account.perp_free) == (Decimal(500), Decimal(380))
    assert account.positions.keys() == {PERP, "XYZ/USDT:USDT"}
    short = account.positions[PERP]
    assert (short.size, short.leverage, short.margin) == (Decimal(-50), Decimal(5), Decimal(100))
    assert short.is_isolated
    assert short.liquidation_price == Decimal("11.9")
    assert not account.positions["XYZ/USDT:USDT"].is_isolated
    assert server.count("GET", "/fapi/v1/symbolConfig") == 0


async def test_leverage_is_asked_for_only_where_the_position_does_not_tell_it(
    venue: CcxtVenue, server: BinanceServer
) -> None:
    server.answers["GET", "/fapi/v3/positionRisk"] = [position_row(positionInitialMargin="0", initialMargin="0")]
    server.answers["GET", "/fapi/v1/symbolConfig"] = [{"symbol": "UNIUSDT", "leverage": 7, "marginType": "ISOLATED"}]
    assert (await venue.fetch_account()).positions[PERP].leverage == 7


async def test_a_position_in_hedge_mode_is_read_and_named(venue: CcxtVenue, server: BinanceServer) -> None:
    rows = [position_row(positionSide="SHORT"), position_row(positionSide="LONG", positionAmt="70", notional="700")]
    for order in (rows, rows[::-1]):
        server.answers["GET", "/fapi/v3/positionRisk"] = order
        account = await venue.fetch_account()
        assert account.positions[PERP].size == Decimal(70), "of two sides the larger one comes first"
        assert f"{PERP} is held in hedge mode" in account.unreadable[f"perp:{PERP}"]
        assert "set the account to one-way mode" in account.unreadable[f"perp:{PERP}"]
    server.answers["GET", "/fapi/v3/positionRisk"] = [position_row()]
    assert (await venue.fetch_account()).unreadable == {}


async def test_a_delisted_symbol_does_not_take_the_other_quotes_with_it(
    venue: CcxtVenue, server: BinanceServer
) -> None:
    everything = server.answers["GET", "/api/v3/ticker/bookTicker"]

    def answer(hit: Hit) -> Any:
        return refusal(-1121, "Invalid symbol.") if "symbols" in hit.params else everything[:1]

    server.answers["GET", "/api/v3/ticker/bookTicker"] = answer
    quotes = await venue.fetch_quotes(["UNI/USDT", "AAVE/USDT"])
    assert quotes.keys() == {"UNI/USDT"}


async def test_one_unreadable_row_does_not_cost_the_other_quotes(venue: CcxtVenue, server: BinanceServer) -> None:
    rows = server.answers["GET", "/api/v3/ticker/bookTicker"]
    spoilt = [row | {"bidPrice": "n/a"} if row["symbol"] == "AAVEUSDT" else row for row in rows]
    server.answers["GET", "/api/v3/ticker/bookTicker"] = spoilt
    assert (await venue.fetch_quotes(["UNI/USDT", "AAVE/USDT"])).keys() == {"UNI/USDT"}


async def test_book_levels_are_sorted_as_numbers_and_cut(venue: CcxtVenue, server: BinanceServer) -> None:
    """With numbers as text ccxt's own book sorts 999 above 1000."""
    bids = [["1000.5", "1"], ["1000", "2"], ["999", "3"]]
    server.answers["GET", "/fapi/v1/depth"] = {"bids": bids, "asks": [["1001", "1"], ["10000", "4"]]}
    book = await venue.fetch_book(PERP, 2)
    assert book.bids == ((Decimal("1000.5"), Decimal(1)), (Decimal(1000), Decimal(2)))
    assert server.last("GET", "/fapi/v1/depth").params["limit"] == "5"


async def test_candles_are_paged_closed_and_counted_in_quote(
    venue: CcxtVenue, server: BinanceServer, clock: HandClock
) -> None:
    def klines(hit: Hit) -> Any:
        start, count = int(hit.params["startTime"]), int(hit.params["limit"])
        starts = range(start, min(start + count * HOUR_MS, NOW_MS + 1), HOUR_MS)
        return [[at, "1", "2", "0.5", "1.5", "10", at + HOUR_MS - 1, "15", 1, "5", "7", "0"] for at in starts]

    server.answers["GET", "/api/v3/klines"] = klines
    clock.value_ms = NOW_MS + HOUR_MS // 2
    since = NOW_MS - 1_500 * HOUR_MS
    series = await venue.fetch_candles("UNI/USDT", HOUR_MS, since, 2_000)
    assert len(series) == 1_500
    assert (series.starts_ms[0], series.end_ms) == (since, NOW_MS)
    assert series.volumes_quote[0] == 15.0
    assert server.count("GET", "/api/v3/klines") == 2
    server.hits.clear()
    assert len(await venue.fetch_candles("UNI/USDT", HOUR_MS, NOW_MS, 10)) == 0
    assert server.hits == []


@given(st.lists(st.integers(0, 50), max_size=60), st.integers(0, 60))
def test_candles_are_ordered_unique_and_closed_whatever_order_rows_come_in(opens: list[int], now: int) -> None:
    rows = [[at, "1", "1", "1", "1", "1", 0, "1"] for at in opens]
    series = parse_candles.candles(rows, symbol="X", timeframe_ms=1, now_ms=now, quote_volume_column=7)
    assert list(series.starts_ms) == sorted({at for at in opens if at + 1 <= now})


async def test_funding_takes_its_interval_from_the_venue_and_asks_once_an_hour(
    venue: CcxtVenue, server: BinanceServer, clock: HandClock
) -> None:
    premium = server.answers["GET", "/fapi/v1/premiumIndex"]
    server.answers["GET", "/fapi/v1/premiumIndex"] = lambda hit: premium | {"symbol": hit.params["symbol"]}
    found = await venue.fetch_funding([PERP, PEPE, "UNI/USDT"])
    assert {symbol: row.interval_hours for symbol, row in found.items()} == {PERP: 4, PEPE: 8}
    assert found[PERP].rate == Decimal("0.0001")
    await venue.fetch_funding([PERP])
    assert server.count("GET", "/fapi/v1/fundingInfo") == 1
    clock.value_ms += HOUR_MS
    await venue.fetch_funding([PERP])
    assert server.count("GET", "/fapi/v1/fundingInfo") == 2


async def test_open_interest_is_valued_at_mark(venue: CcxtVenue, server: BinanceServer) -> None:
    server.answers["GET", "/fapi/v1/openInterest"] = {"openInterest": "2000", "symbol": "UNIUSDT", "time": NOW_MS}
    assert (await venue.fetch_open_interest(PERP)).value_quote == Decimal("20010")


def perp_order(**changes: Any) -> dict[str, Any]:
    row = {
        "symbol": "UNIUSDT",
        "orderId": 5,
        "clientOrderId": "tsbabc1",
        "price": "10",
        "origQty": "3",
        "executedQty": "1",
        "cumQuote": "10",
        "status": "PARTIALLY_FILLED",
        "type": "LIMIT",
        "side": "SELL",
        "reduceOnly": True,
        "updateTime": NOW_MS,
    }
    return row | changes


def algo_order(**changes: Any) -> dict[str, Any]:
    row = {
        "symbol": "UNIUSDT",
        "algoId": 9,
        "clientAlgoId": "tsbabc2",
        "algoStatus": "NEW",
        "side": "SELL",
        "quantity": "3",
        "price": "0",
        "triggerPrice": "9.5",
        "reduceOnly": True,
        "createTime": NOW_MS,
    }
    return row | changes


async def test_open_orders_include_conditional_ones_from_their_own_endpoint(
    venue: CcxtVenue, server: BinanceServer
) -> None:
    server.answers["GET", "/fapi/v1/openOrders"] = lambda h: [perp_order()] if h.params["symbol"] == "UNIUSDT" else []
    server.answers["GET", "/fapi/v1/openAlgoOrders"] = lambda h: (
        [algo_order()] if h.params["symbol"] == "UNIUSDT" else []
    )
    reports = await venue.fetch_open_orders(SYMBOLS)
    assert [(r.client_id, r.is_trigger, r.reduce_only, r.state) for r in reports] == [
        ("tsbabc1", False, True, ReportState.OPEN),
        ("tsbabc2", True, True, ReportState.OPEN),
    ]
    assert (reports[0].filled_size, reports[0].side) == (Decimal(1), Side.SELL)


async def test_a_triggered_order_is_reported_as_what_it_became(venue: CcxtVenue, server: BinanceServer) -> None:
    server.answers["GET", ALGO_ORDER] = algo_order(algoStatus="FINISHED", actualOrderId="77")
    server.answers["GET", PERP_ORDER] = lambda hit: perp_order(
        orderId=int(hit.params["orderId"]), status="FILLED", executedQty="3", cumQuote="28.5"
    )
    report = await venue.fetch_order(PERP, "tsbabc2", is_trigger=True)
    assert report is not None
    assert (report.state, report.filled_size, report.filled_quote) == (ReportState.FILLED, Decimal(3), Decimal("28.5"))
    assert (report.client_id, report.is_trigger) == ("tsbabc2", True)
    assert report.venue_id == "77", "the id that its trades carry"


async def test_an_order_status_nobody_described_is_an_error_and_not_a_guess(
    venue: CcxtVenue, server: BinanceServer
) -> None:
    server.answers["GET", PERP_ORDER] = perp_order(status="SOMETHING_NEW")
    with pytest.raises(Unavailable, match="SOMETHING_NEW"):
        await venue.fetch_order(PERP, "tsbabc1")


@pytest.mark.parametrize(("symbol", "window"), [("UNI/USDT", DAY_MS), (PERP, 7 * DAY_MS)])
async def test_fills_are_asked_in_windows_the_venue_accepts_and_pages_leave_none_out(
    symbol: str, window: int, venue: CcxtVenue, server: BinanceServer
) -> None:
    perp = ":" in symbol
    path = "/fapi/v1/userTrades" if perp else "/api/v3/myTrades"
    since = NOW_MS - 2 * window
    times = {number: since + number * window * 2 // 2_700 for number in range(2_700)}

    def trades(hit: Hit) -> Any:
        if "fromId" in hit.params:
            assert "startTime" not in hit.params
            found = [n for n in times if n >= int(hit.params["fromId"])]
        elif "startTime" not in hit.params:  # the latest page; these reach back too little
            found = list(times)[-int(hit.params["limit"]) :]
        else:
            start, end = int(hit.params["startTime"]), int(hit.params["endTime"])
            assert end - start < window
            found = [n for n, at in times.items() if start <= at <= end]
        side = {"side": "BUY", "maker": True} if perp else {"isBuyer": True, "isMaker": True}
        return [
            {
                "id": n,
                "orderId": 5,
                "price": "10",
                "qty": "1",
                "commission": "0.01",
                "commissionAsset": "USDT",
                "time": times[n],
                "symbol": "UNIUSDT",
                **side,
            }
            for n in found[: int(hit.params["limit"])]
        ]

    server.answers["GET", path] = trades
    fills = await venue.fetch_fills(symbol, since)
    assert [fill.trade_id for fill in fills] == [f"{symbol}:{number}" for number in times]
    assert fills[0].side is Side.BUY
    assert fills[0].is_maker


async def test_payments_leave_out_the_results_of_our_own_trades(venue: CcxtVenue, server: BinanceServer) -> None:
    kinds = ["FUNDING_FEE", "COMMISSION", "REALIZED_PNL", "TRANSFER", "INSURANCE_CLEAR", "WELCOME_BONUS"]
    server.answers["GET", "/fapi/v1/income"] = [
        {
            "incomeType": kind,
            "tranId": 7,
            "asset": "USDT",
            "income": "-0.25",
            "symbol": "" if i > 2 else "UNIUSDT",
            "time": NOW_MS + i,
        }
        for i, kind in enumerate(kinds)
    ]
    found = await venue.fetch_payments(0)
    assert [(p.kind, p.symbol) for p in found] == [
        ("funding", PERP),
        ("transfer", None),
        ("liquidation_clearance", None),
        ("welcome_bonus", None),
    ]
    assert len({payment.id for payment in found}) == 4


async def test_more_payments_than_a_page_holds_are_all_read(venue: CcxtVenue, server: BinanceServer) -> None:
    rows: list[dict[str, Any]] = [
        {"incomeType": "FUNDING_FEE", "tranId": n, "asset": "USDT", "income": "1", "symbol": "UNIUSDT", "time": n // 3}
        for n in range(2_500)
    ]

    def income(hit: Hit) -> Any:
        return [row for row in rows if row["time"] >= int(hit.params["startTime"])][:1_000]

    server.answers["GET", "/fapi/v1/income"] = income
    assert len(await venue.fetch_payments(0)) == 2_500


async def test_a_stale_stamp_makes_the_clock_be_measured_and_the_read_tried_again(
    venue: CcxtVenue, server: BinanceServer
) -> None:
    answers = iter([refusal(-1021, "Timestamp for this request is outside of the recvWindow.")])
    account = server.answers["GET", "/api/v3/account"]
    server.answers["GET", "/api/v3/account"] = lambda _: next(answers, account)
    server.now_ms = lambda: NOW_MS + 900
    await venue.fetch_account()
    assert venue.clock_skew_ms == 900
    assert server.last("GET", "/api/v3/account").params["timestamp"] == str(NOW_MS + 900)


@pytest.mark.parametrize(
    ("base", "multiplier"),
    [
        ("UNI", 1),
        ("1000PEPE", 1000),
        ("1000000MOG", 1_000_000),
        ("1INCH", 1),
        ("100X", 1),
        ("10000LADYS", 10_000),
        ("1MBABYDOGE", 1_000_000),
    ],
)
def test_scaled_bases_are_told_by_their_digits(base: str, multiplier: int) -> None:
    grid = [
        {"filterType": "PRICE_FILTER", "tickSize": "0.1"},
        {"filterType": "LOT_SIZE", "stepSize": "1", "minQty": "1", "maxQty": "10"},
    ]
    market = {"info": {"filters": grid}, "symbol": f"{base}/USDT", "base": base, "quote": "USDT", "id": "X"}
    assert BinanceMarkets().instrument(market, venue="binance").multiplier == multiplier


@given(st.decimals(allow_nan=False, allow_infinity=False, places=8, min_value=-(10**9), max_value=10**9))
def test_numbers_survive_parsing_exactly(value: Decimal) -> None:
    assert parse.number(str(value)) == value


@pytest.mark.parametrize("text", ["NaN", "Infinity", "", "abc", None, True])
def test_what_is_no_number_is_refused(text: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        parse.number(text)


def test_reads_of_a_closed_venue_say_that_it_is_closed(make_venue: Callable[..., CcxtVenue]) -> None:
    with pytest.raises(Unavailable, match="not open"):
        _ = make_venue()._link.wire
