"""One bad row is one bad row: every list that the venue answers with, one row spoiled in each way.

The other rows are read, the bad one is named, and no list is lost for it.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from bot.domain.durations import HOUR_MS
from bot.domain.portfolio import Account
from bot.ports import Answered, Listed, ReportState, Unavailable
from bot.venues.ccxt.venue import CcxtVenue
from tests.venues.binance_server import NOW_MS, BinanceServer, Hit, perp_symbol, refusal, spot_symbol
from tests.venues.test_reads import PEPE, PERP, algo_order, perp_order, position_row

SPOT = ("UNI/USDT", "AAVE/USDT", "DOT/USDT")
PERPS = (PERP, PEPE, "DOT/USDT:USDT")
DROPPED = object()
BAD_NUMBERS = (None, "", "x", "NaN", "Infinity", "1e999999999", "-1e-999999999", [], {}, True, DROPPED)


def trade(number: int, **changes: Any) -> dict[str, Any]:
    row = {
        "id": number,
        "orderId": 5,
        "price": "10",
        "qty": "1",
        "commission": "0.01",
        "commissionAsset": "USDT",
        "time": NOW_MS - 1000 + number,
        "symbol": "UNIUSDT",
        "side": "BUY",
        "maker": True,
    }
    return row | changes


def income(number: int, **changes: Any) -> dict[str, Any]:
    row = {
        "incomeType": "FUNDING_FEE",
        "tranId": number,
        "asset": "USDT",
        "income": "-0.25",
        "symbol": "UNIUSDT",
        "time": NOW_MS + number,
    }
    return row | changes


def kline(number: int) -> list[Any]:
    at = NOW_MS - (5 - number) * HOUR_MS
    return [at, "1", "2", "0.5", "1.5", "10", at + HOUR_MS - 1, "15", 1, "5", "7", "0"]


def book(symbol: str, **changes: Any) -> dict[str, Any]:
    return {"symbol": symbol, "bidPrice": "9.99", "bidQty": "1", "askPrice": "10.01", "askQty": "1"} | changes


def premium(symbol: str, **changes: Any) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "markPrice": "10",
        "indexPrice": "10",
        "lastFundingRate": "0.0001",
        "nextFundingTime": 8 * HOUR_MS * 70_000,
        "time": NOW_MS,
    } | changes


@dataclass(frozen=True)
class Case:
    """A list: where it comes from, three good rows, the fields that matter, how it is asked, what is left to count."""

    path: str
    rows: Callable[[], list[Any]]
    fields: tuple[Any, ...]
    ask: Callable[[CcxtVenue], Awaitable[Any]]
    names: tuple[str, ...]
    count: Callable[[Any], list[str]]
    envelope: str = ""
    wrong: Mapping[str, tuple[Any, ...]] | None = None


def listed(found: Any) -> list[str]:
    return sorted(found)


CASES = {
    "quotes of spot": Case(
        "/api/v3/ticker/bookTicker",
        lambda: [book(f"{b}USDT") for b in ("UNI", "AAVE", "DOT")],
        ("bidPrice", "askPrice"),
        lambda v: v.fetch_quotes(SPOT),
        SPOT,
        listed,
    ),
    "quotes of perps": Case(
        "/fapi/v1/ticker/bookTicker",
        lambda: [book(f"{b}USDT") for b in ("UNI", "1000PEPE", "DOT")],
        ("bidPrice", "askPrice"),
        lambda v: v.fetch_quotes(PERPS),
        PERPS,
        listed,
    ),
    "marks": Case(
        "/fapi/v1/premiumIndex",
        lambda: [premium(f"{b}USDT") for b in ("UNI", "1000PEPE", "DOT")],
        ("markPrice", "indexPrice"),
        lambda v: v.fetch_quotes(PERPS),
        PERPS,
        listed,
    ),
    "funding": Case(
        "/fapi/v1/premiumIndex",
        lambda: [premium(f"{b}USDT") for b in ("UNI", "1000PEPE", "DOT")],
        ("lastFundingRate", "nextFundingTime"),
        lambda v: v.fetch_funding(PERPS),
        PERPS,
        listed,
        wrong={"nextFundingTime": (None, "x", [], {}, DROPPED)},
    ),
    "executions": Case(
        "/fapi/v1/userTrades",
        lambda: [trade(1), trade(2), trade(3)],
        ("price", "qty", "commission", "commissionAsset", "time", "side"),
        lambda v: v.fetch_fills(PERP, NOW_MS - 5_000),
        ("1", "2", "3"),
        lambda found: [fill.trade_id.rsplit(":", 1)[1] for fill in found],
        wrong={"commissionAsset": (None, 5, [], DROPPED), "side": (None, "LEFT", 5), "time": (None, "x", DROPPED)},
    ),
    "payments": Case(
        "/fapi/v1/income",
        lambda: [income(1), income(2), income(3)],
        ("income", "asset", "time", "incomeType", "tranId"),
        lambda v: v.fetch_payments(0),
        ("1", "2", "3"),
        lambda found: [p.id.rsplit(":", 1)[1] for p in found],
        wrong={
            "asset": (None, 5, "", DROPPED),
            "incomeType": (None, 5, DROPPED),
            "tranId": (None, "", DROPPED),
            "time": (None, "x", DROPPED),
        },
    ),
    "candles": Case(
        "/api/v3/klines",
        lambda: [kline(1), kline(2), kline(3)],
        (1, 2, 3, 4, 7),
        lambda v: v.fetch_candles("UNI/USDT", HOUR_MS, NOW_MS - 4 * HOUR_MS, 10),
        ("1", "2", "3"),
        lambda found: [str(5 - (NOW_MS - at) // HOUR_MS) for at in found.starts_ms],
        wrong=dict.fromkeys((1, 2, 3, 4, 7), (None, "x", [])),
    ),
}


def spoiled(row: Any, field: Any, value: Any) -> Any:
    if value is DROPPED:
        return {name: cell for name, cell in row.items() if name != field}
    if isinstance(row, list):
        return [value if column == field else cell for column, cell in enumerate(row)]
    return row | {field: value}


def table() -> list[Any]:
    whole = [(None, value) for value in (None, 7, "row", [], {})]
    return [
        pytest.param(case, field, value, id=f"{name}-{field}-{'dropped' if value is DROPPED else value!r}")
        for name, case in CASES.items()
        for field, value in (
            *((field, value) for field in case.fields for value in (case.wrong or {}).get(field, BAD_NUMBERS)),
            *whole,
        )
    ]


def serve(server: BinanceServer, path: str, rows: list[Any]) -> None:
    """Single-symbol questions get their row alone, questions about all get the list."""

    def answer(hit: Hit) -> Any:
        name = hit.params.get("symbol")
        if name is None or not path.endswith(("Ticker", "premiumIndex")):
            return rows
        mine = [row for row in rows if isinstance(row, dict) and row.get("symbol") == name]
        return mine[0] if mine else refusal(-1121, "Invalid symbol.")

    server.answers["GET", path] = answer


@pytest.fixture
async def all_listed(venue: CcxtVenue, server: BinanceServer) -> CcxtVenue:
    serve(server, "/fapi/v1/ticker/bookTicker", [book(f"{b}USDT") for b in ("UNI", "1000PEPE", "DOT")])
    serve(server, "/fapi/v1/premiumIndex", [premium(f"{b}USDT") for b in ("UNI", "1000PEPE", "DOT")])
    for path in ("/sapi/v1/capital/deposit/hisrec", "/sapi/v1/capital/withdraw/history"):
        serve(server, path, [])
    await venue.fetch_instruments((*SPOT, *PERPS))
    return venue


@pytest.mark.sweep(keep=60)
@pytest.mark.parametrize(("case", "field", "value"), table())
async def test_a_bad_row_costs_itself_and_is_named(
    case: Case, field: Any, value: Any, all_listed: CcxtVenue, server: BinanceServer
) -> None:
    rows = case.rows()
    rows[1] = value if field is None else spoiled(rows[1], field, value)
    serve(server, case.path, rows)
    found = await case.ask(all_listed)
    assert case.count(found) == [name for name in sorted(case.names) if name != case.names[1]]
    if isinstance(found, Answered):
        assert case.names[1] in found.notes or field is None
    if isinstance(found, Listed):
        assert len(found.defects) == 1


@pytest.mark.parametrize("value", ["-1", "0", "NaN"])
async def test_a_price_that_is_no_price_is_not_passed_on_as_one(
    value: str, all_listed: CcxtVenue, server: BinanceServer
) -> None:
    rows = [book(f"{b}USDT") for b in ("UNI", "AAVE", "DOT")]
    rows[1]["bidPrice"] = value
    serve(server, "/api/v3/ticker/bookTicker", rows)
    found = await all_listed.fetch_quotes(SPOT)
    assert {"UNI/USDT", "DOT/USDT"} <= set(found)
    assert "AAVE/USDT" not in found or found["AAVE/USDT"].defect() is not None


ORDER_SPOILS = [
    ("status", "NEW_ADL"),
    ("status", "PENDING_BANANA"),
    ("status", None),
    ("status", DROPPED),
    ("side", "LEFT"),
    ("side", DROPPED),
    ("origQty", "NaN"),
    ("origQty", None),
    ("executedQty", "-1"),
    ("executedQty", DROPPED),
    ("executedQty", "7"),
    ("cumQuote", "x"),
    ("orderId", DROPPED),
]


@pytest.mark.parametrize(("field", "value"), ORDER_SPOILS)
@pytest.mark.parametrize("is_list", [True, False])
async def test_an_order_row_that_cannot_be_read_counts_as_open_at_full_size(
    field: str, value: Any, is_list: bool, all_listed: CcxtVenue, server: BinanceServer
) -> None:
    rows = [
        perp_order(orderId=1, clientOrderId="a"),
        spoiled(perp_order(orderId=2, clientOrderId="b"), field, value),
        perp_order(orderId=3, clientOrderId="c"),
    ]
    server.answers["GET", "/fapi/v1/openOrders"] = lambda hit: rows if hit.params["symbol"] == "UNIUSDT" else []
    server.answers["GET", "/fapi/v1/allOrders"], server.answers["GET", "/fapi/v1/allAlgoOrders"] = rows, []
    asked = all_listed.fetch_open_orders(PERPS) if is_list else all_listed.fetch_order_history(PERP, NOW_MS - 5_000)
    found = {report.client_id: report for report in await asked}
    assert set(found) == {"a", "b", "c"}
    bad = found["b"]
    assert (bad.state, bad.filled_size, bad.symbol) == (ReportState.OPEN, 0, PERP)
    assert bad.defect
    assert bad.size == (3 if field != "origQty" else 0)
    assert not found["a"].defect
    assert not found["c"].defect


@pytest.mark.parametrize(
    ("field", "value"), [("algoStatus", "SLEEPING"), ("algoStatus", DROPPED), ("quantity", "NaN"), ("side", 5)]
)
async def test_so_does_the_row_of_a_stop(field: str, value: Any, all_listed: CcxtVenue, server: BinanceServer) -> None:
    rows = [algo_order(), spoiled(algo_order(algoId=10, clientAlgoId="b"), field, value)]
    server.answers["GET", "/fapi/v1/openAlgoOrders"] = lambda hit: rows if hit.params["symbol"] == "UNIUSDT" else []
    found = {report.client_id: report for report in await all_listed.fetch_open_orders(PERPS)}
    assert found["b"].state is ReportState.OPEN
    assert found["b"].is_trigger
    assert found["b"].defect
    assert not found["tsbabc2"].defect


async def test_an_order_row_without_a_symbol_among_all_makes_each_symbol_be_asked(
    all_listed: CcxtVenue, server: BinanceServer
) -> None:
    more = tuple(f"T{n}" for n in range(6))
    server.answers["GET", "/fapi/v1/exchangeInfo"]["symbols"] += [perp_symbol(name) for name in more]
    perps = (*PERPS, *(f"{name}/USDT:USDT" for name in more))
    await all_listed.fetch_instruments((*SPOT, *perps))

    def orders(hit: Hit) -> Any:
        nameless = perp_order(symbol=None)
        return [nameless] if hit.params.get("symbol", "UNIUSDT") == "UNIUSDT" else []

    server.answers["GET", "/fapi/v1/openOrders"] = orders
    found = await all_listed.fetch_open_orders(perps)
    assert [(report.symbol, report.client_id) for report in found] == [(PERP, "tsbabc1")]


POSITION_SPOILS = [
    ("entryPrice", "NaN"),
    ("entryPrice", DROPPED),
    ("markPrice", None),
    ("markPrice", "0"),
    ("unRealizedProfit", "x"),
    ("notional", []),
    ("isolatedWallet", "x"),
    ("liquidationPrice", "x"),
    ("positionAmt", "NaN"),
    ("positionAmt", "1e400000"),
    ("notional", "1e-400000"),
    ("positionAmt", None),
    ("positionAmt", DROPPED),
]


@pytest.mark.parametrize(("field", "value"), POSITION_SPOILS)
async def test_a_position_that_cannot_be_read_is_kept_at_the_size_it_names(
    field: str, value: Any, all_listed: CcxtVenue, server: BinanceServer
) -> None:
    server.answers["GET", "/fapi/v1/symbolConfig"] = []
    rows = [position_row(symbol="DOTUSDT"), spoiled(position_row(), field, value), position_row(symbol="1000PEPEUSDT")]
    server.answers["GET", "/fapi/v3/positionRisk"] = rows
    account = await all_listed.fetch_account()
    assert set(account.positions) == set(PERPS)
    assert account.positions[PERP].size == -50
    assert account.positions[PERP].mark_price == 10 or field == "markPrice"
    assert set(account.unreadable) == {f"perp:{PERP}"}


@pytest.mark.parametrize("row", [None, 7, "row", [], {"positionAmt": "3"}, {"symbol": None, "positionAmt": "3"}])
async def test_a_position_row_that_names_nothing_is_said_and_costs_no_other(
    row: Any, all_listed: CcxtVenue, server: BinanceServer
) -> None:
    server.answers["GET", "/fapi/v3/positionRisk"] = [position_row(), row]
    account = await all_listed.fetch_account()
    assert set(account.positions) == {PERP}
    assert set(account.unreadable) == {"perp:"}


async def test_a_position_whose_size_nothing_tells_is_unreadable_and_not_flat(
    all_listed: CcxtVenue, server: BinanceServer
) -> None:
    server.answers["GET", "/fapi/v3/positionRisk"] = [{"symbol": "UNIUSDT", "positionAmt": "x"}]
    account = await all_listed.fetch_account()
    assert account.positions == {}
    assert set(account.unreadable) == {f"perp:{PERP}"}


@pytest.mark.parametrize(
    ("row", "key"),
    [
        ({"asset": "UNI", "free": "NaN", "locked": "0"}, "spot:UNI"),
        ({"asset": "UNI", "free": "1"}, "spot:UNI"),
        ({"asset": "UNI", "free": "-1", "locked": "0"}, "spot:UNI"),
        ({"asset": "UNI", "free": "1", "locked": "1e999999999"}, "spot:UNI"),
        ({"asset": "UNI", "free": "1e-999999999", "locked": "0"}, "spot:UNI"),
        ({"free": "1", "locked": "0"}, "spot:"),
        (None, "spot:"),
        (5, "spot:"),
    ],
)
async def test_a_balance_that_cannot_be_read_costs_itself_and_is_named(
    row: Any, key: str, all_listed: CcxtVenue, server: BinanceServer
) -> None:
    server.answers["GET", "/api/v3/account"]["balances"][1] = row
    account = await all_listed.fetch_account()
    assert account.cash == 1000
    assert set(account.unreadable) == {key}


@pytest.mark.parametrize("amounts", [("3", "1", "2"), ("1", "3", "0"), ("0", "3"), ("3", "0"), ("3", "3")])
async def test_of_two_rows_of_one_asset_the_larger_counts_and_it_is_unreadable_unless_they_agree(
    amounts: tuple[str, ...], all_listed: CcxtVenue, server: BinanceServer
) -> None:
    rows = [{"asset": "UNI", "free": amount, "locked": "0"} for amount in amounts]
    kept = [row for row in server.answers["GET", "/api/v3/account"]["balances"] if row["asset"] != "UNI"]
    server.answers["GET", "/api/v3/account"]["balances"] = [*kept, *rows]
    account = await all_listed.fetch_account()
    assert account.balances["UNI"].total == 3
    assert account.cash == 1000
    assert set(account.unreadable) == ({"spot:UNI"} if len({*amounts}) > 1 else set())


async def test_the_perp_wallet_of_another_currency_is_not_ours(all_listed: CcxtVenue, server: BinanceServer) -> None:
    wallet = {"walletBalance": "500", "availableBalance": "500"}
    account = server.answers["GET", "/fapi/v3/account"]
    account["assets"] = [{"asset": "USDC", **wallet}]
    found = await all_listed.fetch_account()
    assert (found.perp_wallet, found.perp_free, found.unreadable) == (0, 0, {})
    account["assets"] = [None, {"asset": "USDT", "walletBalance": "x"}]
    assert set((await all_listed.fetch_account()).unreadable) == {"wallet"}
    account["assets"] = [None, {"asset": "USDT", **wallet}]
    assert (await all_listed.fetch_account()).perp_wallet == 500


@pytest.mark.parametrize(
    ("venue_symbol", "symbol", "counts"),
    [
        ("BTCUSDC", "BTC/USDC:USDC", False),
        ("BTCUSDT_261225", "BTC/USDT:USDT-261225", True),
        ("ETHBTC", "ETH/BTC:BTC", False),
        ("DOGEUSDT", "DOGE/USDT:USDT", True),
        ("BTCXYZ", "BTCXYZ/?:?", False),
    ],
)
async def test_a_position_in_another_currency_is_named_rightly_and_its_profit_is_not_quote(
    venue_symbol: str, symbol: str, counts: bool, all_listed: CcxtVenue, server: BinanceServer
) -> None:
    server.answers["GET", "/fapi/v3/positionRisk"] = [position_row(symbol=venue_symbol, marginAsset="USDC")]
    account = await all_listed.fetch_account()
    assert set(account.positions) == {symbol}
    assert account.perp_equity == Decimal(500) + (10 if counts else 0)


@pytest.mark.parametrize(
    "path", ["/fapi/v1/ticker/bookTicker", "/fapi/v1/premiumIndex", "/fapi/v1/openOrders", "/fapi/v1/openAlgoOrders"]
)
@pytest.mark.parametrize("status", [400, 500])
async def test_what_is_refused_for_one_symbol_is_found_in_the_list_of_all(
    path: str, status: int, all_listed: CcxtVenue, server: BinanceServer
) -> None:
    whole = server.answers["GET", path]

    def answer(hit: Hit) -> Any:
        if hit.params.get("symbol") == "DOTUSDT":
            return refusal(-1121, "Invalid symbol.", status)
        if "pen" in path:
            return [] if "symbol" in hit.params else [(algo_order if "Algo" in path else perp_order)(symbol="DOTUSDT")]
        return whole(hit)

    server.answers["GET", path] = answer
    pair = ("DOT/USDT:USDT", PERP)
    if "pen" in path:
        assert [report.symbol for report in await all_listed.fetch_open_orders(pair)] == ["DOT/USDT:USDT"]
    else:
        assert set(await all_listed.fetch_quotes(pair)) == set(pair)


async def test_what_is_refused_for_one_symbol_and_for_all_costs_that_symbol(
    all_listed: CcxtVenue, server: BinanceServer
) -> None:
    server.answers["GET", "/fapi/v1/openOrders"] = lambda hit: (
        [] if hit.params.get("symbol") == "UNIUSDT" else refusal(-1121, "Invalid symbol.")
    )
    found = await all_listed.fetch_open_orders((PERP, PEPE))
    assert isinstance(found, Listed)
    assert [symbol for symbol, _ in found.defects] == [PEPE]
    server.answers["GET", "/fapi/v1/openOrders"] = refusal(-1121, "Invalid symbol.")
    with pytest.raises(Unavailable):
        await all_listed.fetch_open_orders((PERP, PEPE))


async def test_an_unloaded_symbol_is_asked_by_the_name_its_parts_give(
    all_listed: CcxtVenue, server: BinanceServer
) -> None:
    await all_listed.fetch_open_orders((PERP, "GONE/USDT:USDT"))
    asked = [hit.params.get("symbol") for hit in server.hits if hit.path == "/fapi/v1/openOrders"]
    assert "GONEUSDT" in asked


MARKET_SPOILS: list[Callable[[dict[str, Any]], Any]] = [
    lambda row: None,
    lambda row: 7,
    lambda row: "row",
    lambda row: {},
    lambda row: row | {"filters": None},
    lambda row: row | {"filters": []},
    lambda row: row | {"filters": [None, 5]},
    lambda row: row | {"filters": [{**f, "tickSize": "NaN", "stepSize": "NaN"} for f in row["filters"]]},
    lambda row: row | {"baseAsset": None},
    lambda row: {name: cell for name, cell in row.items() if name != "status"},
]


@pytest.mark.parametrize("spoil", MARKET_SPOILS)
@pytest.mark.parametrize("path", ["/api/v3/exchangeInfo", "/fapi/v1/exchangeInfo"])
async def test_a_market_that_cannot_be_read_costs_itself(
    path: str, spoil: Callable[[dict[str, Any]], Any], all_listed: CcxtVenue, server: BinanceServer
) -> None:
    made = perp_symbol("DOT") if "fapi" in path else spot_symbol("DOT")
    symbols = server.answers["GET", path]["symbols"]
    server.answers["GET", path]["symbols"] = [spoil(made) if row["symbol"] == "DOTUSDT" else row for row in symbols]
    found = await all_listed.fetch_instruments((*SPOT, *PERPS))
    bad = "DOT/USDT:USDT" if "fapi" in path else "DOT/USDT"
    assert {*SPOT, *PERPS} - set(found) <= {bad}
    if bad in found:
        assert not found[bad].active
    else:
        assert isinstance(found, Answered)
        assert bad in found.notes
        assert bad in found.unreadable, "the venue may list it: its orders are not over"


@pytest.mark.parametrize(
    "row", [None, {}, {"symbol": "UNIUSDT", "brackets": None}, {"symbol": "UNIUSDT", "brackets": [{}]}]
)
async def test_leverage_brackets_that_cannot_be_read_leave_what_was_known(
    row: Any, all_listed: CcxtVenue, server: BinanceServer
) -> None:
    rows = server.answers["GET", "/fapi/v1/leverageBracket"]
    rows[0] = row
    for part in rows[1]["brackets"]:
        part["initialLeverage"] = 3
    found = await all_listed.fetch_instruments((*SPOT, *PERPS))
    assert (found[PERP].leverage_max, found[PEPE].leverage_max) == (50, 3)


async def test_a_market_that_is_gone_is_not_one_whose_row_cannot_be_read(
    all_listed: CcxtVenue, server: BinanceServer
) -> None:
    listing = server.answers["GET", "/api/v3/exchangeInfo"]
    listing["symbols"] = [row for row in listing["symbols"] if row["symbol"] != "DOTUSDT"]
    found = await all_listed.fetch_instruments((*SPOT, *PERPS))
    assert isinstance(found, Answered)
    assert ("DOT/USDT" in found.notes, "DOT/USDT" in found.unreadable) == (True, False)


async def test_intervals_of_funding_are_read_row_by_row(all_listed: CcxtVenue, server: BinanceServer) -> None:
    server.answers["GET", "/fapi/v1/fundingInfo"] = [
        None,
        {"symbol": "UNIUSDT", "fundingIntervalHours": "x"},
        {"symbol": "DOTUSDT", "fundingIntervalHours": 8},
    ]
    found = await all_listed.fetch_funding(PERPS)
    assert set(found) == {PEPE, "DOT/USDT:USDT"}
    assert isinstance(found, Answered)
    assert PERP in found.notes


def test_an_account_written_before_rows_were_kept_is_read() -> None:
    assert Account(1, "USDT", {}, Decimal(0), Decimal(0), {}).unreadable == {}
