"""Binance USDⓈ-M public market data: contracts, prices, candles of last, mark, index and premium, funding, interest.

`fundingInfo` lists only contracts whose interval is not eight hours.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from bot.domain.instrument import Instrument, Kind
from bot.domain.money import ZERO, floor_to
from bot.simex.dialects.binance.common import (
    INTERVALS_MS,
    ApiError,
    Call,
    Params,
    Route,
    fixed,
    from_float,
    public,
    times,
    venue_symbol,
)
from bot.simex.dialects.binance.spot_market import (
    book_row,
    candles,
    day_row,
    kline_rows,
    one_or_all,
    ping,
    price_text,
    rate_limits,
    selected,
    server_time,
    sides,
    size_text,
    untraded_rows,
)
from bot.simex.dialects.grids import decimals

USDM_ORDER_TYPES = (
    "LIMIT",
    "MARKET",
    "STOP",
    "STOP_MARKET",
    "TAKE_PROFIT",
    "TAKE_PROFIT_MARKET",
    "TRAILING_STOP_MARKET",
)
DEPTH_LIMITS = (5, 10, 20, 50, 100, 500, 1000)
FOREVER_MS = 4_133_404_800_000
USUAL_INTERVAL_HOURS = 8
_HUGE = Decimal(9_000_000_000)
MARGIN_ASSETS = ("BFUSD", "BNB", "BTC", "ETH", "FDUSD", "USDC", "USDT")
_INTEREST_RATE = Decimal("0.0001")
_BAND = Decimal("0.0001")
_RATE = Decimal("0.00000001")


def exchange_info(call: Call) -> Mapping[str, Any]:
    """Parameters are not read, as on the venue."""
    return call.desk.prepared(call, Params(""), lambda: _exchange_info(call))


def _exchange_info(call: Call) -> Mapping[str, Any]:
    ip, orders = call.desk.ip["perp"], call.desk.orders["perp"]
    instruments = [i for i in call.desk.instruments(Kind.PERP) if not call.desk.exchange.is_unlisted(i.symbol)]
    return {
        "timezone": "UTC",
        "serverTime": call.now_ms,
        "futuresType": "U_MARGINED",
        "rateLimits": rate_limits((*ip.windows, *reversed(orders.windows))),
        "exchangeFilters": [],
        "assets": [
            {"asset": asset, "marginAvailable": True, "autoAssetExchange": "0"}
            for asset in margin_assets({instrument.quote for instrument in instruments})
        ],
        "symbols": [_symbol_info(call, instrument) for instrument in instruments],
    }


def margin_assets(quotes: Iterable[str]) -> list[str]:
    """Assets that a futures wallet may hold."""
    return sorted({*MARGIN_ASSETS, *quotes})


def _symbol_info(call: Call, instrument: Instrument) -> Mapping[str, Any]:
    name = venue_symbol(instrument)
    return {
        "symbol": name,
        "pair": name,
        "contractType": "PERPETUAL",
        "deliveryDate": FOREVER_MS,
        "onboardDate": call.exchange.listed_ms(instrument.symbol),
        "status": call.exchange.status(instrument.symbol).value,
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": instrument.base,
        "quoteAsset": instrument.quote,
        "marginAsset": instrument.quote,
        "pricePrecision": price_precision(call, instrument),
        "quantityPrecision": size_precision(instrument),
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": [],
        "triggerProtect": fixed(call.exchange.rules.trigger_protect_of(instrument.symbol), _BAND),
        "liquidationFee": fixed(call.exchange.rules.liquidation_fee_of(instrument.symbol), Decimal("0.000001")),
        "marketTakeBound": fixed(call.exchange.rules.take_bound_of(instrument.symbol), _BAND),
        "maxMoveOrderLimit": 10000,
        "filters": list(_filters(call, instrument)),
        "orderTypes": list(USDM_ORDER_TYPES),
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
        "permissionSets": ["GRID", "COPY"],
    }


def price_precision(call: Call, instrument: Instrument) -> int:
    """Decimals a price may have before the grid is even looked at."""
    return call.exchange.rules.price_digits.get(instrument.symbol, decimals(instrument.price_tick))


def size_precision(instrument: Instrument) -> int:
    """Digits after the point that a size may have."""
    return decimals(instrument.size_step)


def _filters(call: Call, instrument: Instrument) -> tuple[Mapping[str, Any], ...]:
    largest = instrument.size_max or _HUGE
    lot = {
        "minQty": size_text(instrument, instrument.size_min),
        "stepSize": size_text(instrument, instrument.size_step),
    }
    rules = call.exchange.rules
    up, down = rules.perp_band(instrument.symbol)
    lowest, highest = rules.price_bounds_of(instrument)
    return (
        {
            "filterType": "PRICE_FILTER",
            "minPrice": price_text(instrument, lowest),
            "maxPrice": price_text(instrument, highest),
            "tickSize": price_text(instrument, instrument.price_tick),
        },
        {"filterType": "LOT_SIZE", **lot, "maxQty": size_text(instrument, largest)},
        {
            "filterType": "MARKET_LOT_SIZE",
            **lot,
            "maxQty": size_text(instrument, instrument.market_size_max or largest),
        },
        {"filterType": "MAX_NUM_ORDERS", "limit": rules.orders_max},
        {"filterType": "MIN_NOTIONAL", "notional": fixed(instrument.notional_min)},
        {
            "filterType": "PERCENT_PRICE",
            "multiplierUp": fixed(up, _BAND),
            "multiplierDown": fixed(down, _BAND),
            "multiplierDecimal": "4",
        },
        {"filterType": "POSITION_RISK_CONTROL", "positionControlSide": "NONE"},
    )


def depth(call: Call) -> Mapping[str, Any]:
    """The order book.

    Raises:
        ApiError: the venue has no book of that depth.
    """
    instrument = call.instrument()
    limit = call.params.maybe_integer("limit")
    if limit is not None and limit not in DEPTH_LIMITS:
        valid = ", ".join(str(count) for count in DEPTH_LIMITS)
        raise ApiError(-4021, f"Invalid depth limit. Valid limits: [{valid}]")
    book = call.exchange.book(instrument.symbol, limit or 500)
    stamps = {"lastUpdateId": call.now_ms, "E": call.now_ms, "T": call.now_ms}
    return {**stamps, **sides(instrument, book.bids, book.asks)}


def klines(call: Call) -> list[list[Any]]:
    instrument = call.instrument()
    return kline_rows(candles(call, instrument.symbol, "last", 1500), instrument)


def continuous_klines(call: Call) -> list[list[Any]]:
    """Candles by pair and kind of contract.

    Raises:
        ApiError: the contract is not a perpetual one.
    """
    if call.params.text("contractType") != "PERPETUAL":
        raise ApiError(-1130, "Data sent for parameter 'contractType' is not valid.")
    instrument = call.desk.instrument(Kind.PERP, call.params.text("pair"))
    return kline_rows(candles(call, instrument.symbol, "last", 1500), instrument)


def mark_klines(call: Call) -> list[list[Any]]:
    return untraded_rows(candles(call, call.instrument().symbol, "mark", 1500))


def index_klines(call: Call) -> list[list[Any]]:
    instrument = call.desk.instrument(Kind.PERP, call.params.text("pair"))
    return untraded_rows(candles(call, instrument.symbol, "index", 1500))


def premium_klines(call: Call) -> list[list[Any]]:
    """Mark over index minus one, point by point; high and low are those of the open and close."""
    symbol = call.instrument().symbol
    marks, indexes = candles(call, symbol, "mark", 1500), candles(call, symbol, "index", 1500)
    rows = untraded_rows(marks)
    for row, *prices in zip(rows, marks.opens, indexes.opens, marks.closes, indexes.closes, strict=False):
        opened, closed = prices[0] / prices[1] - 1, prices[2] / prices[3] - 1
        row[1:5] = [from_float(value) for value in (opened, max(opened, closed), min(opened, closed), closed)]
    return rows


def ticker_price(call: Call) -> Any:
    rows: list[Mapping[str, Any]] = []
    for instrument in selected(call):
        quote = call.exchange.quote(instrument.symbol)
        text = price_text(instrument, quote.last or quote.mid)
        rows.append({"symbol": venue_symbol(instrument), "price": text, "time": call.now_ms})
    return one_or_all(call, rows)


def ticker_book(call: Call) -> Any:
    stamps = {"time": call.now_ms, "lastUpdateId": call.now_ms}
    return one_or_all(call, [{**book_row(call, instrument), **stamps} for instrument in selected(call)])


def ticker_day(call: Call) -> Any:
    return one_or_all(call, [day_row(call, instrument) for instrument in selected(call)])


def premium_index(call: Call) -> Any:
    """`lastFundingRate` is the running estimate of the next settlement, whatever its name says."""
    rows: list[Mapping[str, Any]] = []
    for instrument in selected(call):
        quote, funding = call.exchange.quote(instrument.symbol), call.exchange.funding(instrument.symbol)
        mark, index = quote.mark or quote.mid, quote.index or quote.mid
        rows.append(
            {
                "symbol": venue_symbol(instrument),
                "markPrice": fixed(mark),
                "indexPrice": fixed(index),
                "estimatedSettlePrice": fixed(index),
                "lastFundingRate": fixed(funding.rate, _RATE),
                "interestRate": fixed(_INTEREST_RATE, _RATE),
                "nextFundingTime": funding.next_ms,
                "time": call.now_ms,
            }
        )
    return one_or_all(call, rows)


def funding_rate(call: Call) -> list[Mapping[str, Any]]:
    """Settled rates, ascending; without startTime the latest ones."""
    start_ms, end_ms = times(call)
    limit = call.params.limit(100, 1000)
    # The engine reads 0 as `the newest`, the venue as `from the beginning`.
    first_ms = 0 if start_ms is None else max(1, start_ms)
    chosen = call.maybe_instrument()
    instruments = (chosen,) if chosen else call.desk.instruments(Kind.PERP)
    events = [
        event
        for instrument in instruments
        for event in call.exchange.funding_history(instrument.symbol, first_ms, end_ms, limit)
    ]
    events.sort(key=lambda event: event.at_ms)
    events = events[:limit] if start_ms is not None else events[-limit:]
    return [
        {
            "symbol": call.name(event.symbol),
            "fundingTime": event.at_ms,
            "fundingRate": fixed(event.rate, _RATE),
            "markPrice": fixed(event.mark),
            "rateType": "Regular",
        }
        for event in events
    ]


def funding_info(call: Call) -> list[Mapping[str, Any]]:
    rows: list[Mapping[str, Any]] = []
    for instrument in call.desk.instruments(Kind.PERP):
        hours = call.exchange.funding(instrument.symbol).interval_hours
        if hours != USUAL_INTERVAL_HOURS:
            rows.append(
                {
                    "symbol": venue_symbol(instrument),
                    "adjustedFundingRateCap": "0.02000000",
                    "adjustedFundingRateFloor": "-0.02000000",
                    "fundingIntervalHours": hours,
                    "disclaimer": False,
                    "updateTime": call.now_ms,
                }
            )
    return rows


def open_interest(call: Call) -> Mapping[str, Any]:
    instrument = call.instrument()
    quote = call.exchange.quote(instrument.symbol)
    value = call.exchange.open_interest(instrument.symbol).value_quote
    contracts = floor_to(value / ((quote.mark or quote.mid) * instrument.contract_size), instrument.size_step)
    return {
        "openInterest": size_text(instrument, contracts),
        "symbol": venue_symbol(instrument),
        "time": call.now_ms,
    }


def open_interest_history(call: Call) -> list[Mapping[str, Any]]:
    """Points at the ends of past periods; contracts are counted at the mark of their own time."""
    instrument = call.instrument()
    period_ms = call.params.choice("period", _PERIODS_MS, -1130, "Data sent for parameter 'period' is not valid.")
    start_ms, end_ms = times(call)
    limit = call.params.limit(30, 500)
    last_ms = min(end_ms, call.now_ms) // period_ms * period_ms
    first_ms = last_ms - (limit - 1) * period_ms
    if start_ms is not None:
        first_ms = max(first_ms, -(-start_ms // period_ms) * period_ms)
    marks = call.exchange.candles(instrument.symbol, period_ms, max(1, first_ms), last_ms, limit, "mark")
    rows: list[Mapping[str, Any]] = []
    for at_ms, mark in zip(marks.starts_ms, marks.opens, strict=True):
        value = call.exchange.open_interest(instrument.symbol, at_ms).value_quote
        unit = Decimal(repr(mark)) * instrument.contract_size
        contracts = floor_to(value / unit, instrument.size_step)
        rows.append(
            {
                "symbol": venue_symbol(instrument),
                "sumOpenInterest": fixed(contracts),
                "sumOpenInterestValue": fixed(contracts * unit),
                "CMCCirculatingSupply": fixed(ZERO),
                "timestamp": at_ms,
            }
        )
    return rows


_PERIODS_MS = {name: INTERVALS_MS[name] for name in ("5m", "15m", "30m", "1h", "2h", "4h", "6h", "12h", "1d")}


def _one(few: int, many: int) -> Any:
    return lambda params: few if "symbol" in params else many


def _depth_weight(params: Params) -> int:
    limit = params.maybe_integer("limit") or 500
    return 2 if limit <= 50 else 5 if limit <= 100 else 10 if limit <= 500 else 20


def _kline_weight(params: Params) -> int:
    limit = params.limit(500, 1500)
    return 1 if limit < 100 else 2 if limit < 500 else 5 if limit <= 1000 else 10


def coin_exchange_info(call: Call) -> Mapping[str, Any]:
    """COIN-M lists nothing here; clients that load every market ask for it all the same."""
    return {"timezone": "UTC", "serverTime": call.now_ms, "rateLimits": [], "exchangeFilters": [], "symbols": []}


USDM_MARKET_ROUTES: tuple[Route, ...] = (
    public("/fapi/v1/ping", ping),
    public("/fapi/v1/time", server_time),
    public("/fapi/v1/exchangeInfo", exchange_info),
    public("/fapi/v1/depth", depth, _depth_weight),
    public("/fapi/v1/klines", klines, _kline_weight),
    public("/fapi/v1/continuousKlines", continuous_klines, _kline_weight),
    public("/fapi/v1/markPriceKlines", mark_klines, _kline_weight),
    public("/fapi/v1/indexPriceKlines", index_klines, _kline_weight),
    public("/fapi/v1/premiumIndexKlines", premium_klines, _kline_weight),
    public("/fapi/v1/ticker/24hr", ticker_day, _one(1, 40)),
    public("/fapi/v1/ticker/price", ticker_price, _one(1, 2)),
    public("/fapi/v2/ticker/price", ticker_price, _one(1, 2)),
    public("/fapi/v1/ticker/bookTicker", ticker_book, _one(2, 5)),
    public("/fapi/v1/premiumIndex", premium_index, _one(1, 10)),
    public("/fapi/v1/fundingRate", funding_rate, gate="funding"),
    public("/fapi/v1/fundingInfo", funding_info, gate="funding"),
    public("/fapi/v1/openInterest", open_interest),
    public("/futures/data/openInterestHist", open_interest_history, 0),
    public("/dapi/v1/ping", ping),
    public("/dapi/v1/time", server_time),
    public("/dapi/v1/exchangeInfo", coin_exchange_info),
)
