"""Binance spot's public market data, and the pieces of it that futures word the same way."""

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from bot.domain.candles import CandleSeries
from bot.domain.durations import DAY_MS
from bot.domain.instrument import Instrument, Kind
from bot.domain.money import ZERO
from bot.simex.dialects.binance.common import (
    SATOSHI,
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
from bot.simex.dialects.binance.public.candles import LENGTHS_MS, begin_before, end_of, series_of, zone_of
from bot.simex.dialects.grids import decimals
from bot.simex.engine.market import PriceKind
from bot.simex.limits import LimitWindow

SPOT_ORDER_TYPES = (
    "LIMIT",
    "LIMIT_MAKER",
    "MARKET",
    "STOP_LOSS",
    "STOP_LOSS_LIMIT",
    "TAKE_PROFIT",
    "TAKE_PROFIT_LIMIT",
)
_HUGE = Decimal(9_000_000_000)
_BAND = Decimal("0.0001")
_STP_MODES = ("EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH")


def rate_limits(windows: Iterable[LimitWindow]) -> list[dict[str, Any]]:
    return [
        {"rateLimitType": w.kind, "interval": w.interval, "intervalNum": w.count, "limit": w.limit} for w in windows
    ]


def ping(call: Call) -> Mapping[str, Any]:
    return {}


def server_time(call: Call) -> Mapping[str, Any]:
    return {"serverTime": call.now_ms}


def selected(call: Call) -> tuple[Instrument, ...]:
    """The instruments `symbol` or `symbols` ask for, or all that are listed.

    Raises:
        ApiError: both were sent.
    """
    if "symbol" in call.params and "symbols" in call.params:
        raise ApiError(-1128, "Combination of optional parameters invalid.")
    if "symbol" in call.params:
        return (call.instrument(),)
    names = symbol_names(call.params)
    if names is None:
        return call.desk.instruments(call.kind)
    return tuple(call.desk.instrument(call.kind, name) for name in names)


def symbol_names(params: Params) -> tuple[str, ...] | None:
    """The names in `symbols=["A","B"]`, None when it was not sent.

    Raises:
        ApiError: it is no JSON list of names.
    """
    text = params.maybe_text("symbols")
    if text is None:
        return None
    try:
        names = json.loads(text)
    except ValueError:
        names = None
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise ApiError(-1130, "Data sent for parameter 'symbols' is not valid.")
    return tuple(names)


def one_or_all(call: Call, rows: list[Mapping[str, Any]]) -> Any:
    """An object when `symbol` was sent, an array otherwise."""
    return rows[0] if "symbol" in call.params else rows


_ICEBERG_PARTS, _TRAILING = 100, {"min": 10, "max": 2000}  # of orders that no symbol here takes


def exchange_info(call: Call) -> Mapping[str, Any]:
    return call.desk.prepared(call, call.params, lambda: _exchange_info(call))


def _exchange_info(call: Call) -> Mapping[str, Any]:
    ip, orders = call.desk.ip["spot"], call.desk.orders["spot"]
    shown = [i for i in selected(call) if not call.desk.exchange.is_unlisted(i.symbol)]
    return {
        "timezone": "UTC",
        "serverTime": call.now_ms,
        "rateLimits": rate_limits((ip.windows[0], *orders.windows, *ip.windows[1:])),
        "exchangeFilters": [],
        "symbols": [_symbol_info(call, instrument) for instrument in shown],
        "sors": [],
    }


def _symbol_info(call: Call, instrument: Instrument) -> Mapping[str, Any]:
    return {
        "symbol": venue_symbol(instrument),
        "status": call.exchange.status(instrument.symbol).value,
        "baseAsset": instrument.base,
        "baseAssetPrecision": 8,
        "quoteAsset": instrument.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": list(SPOT_ORDER_TYPES),
        "icebergAllowed": False,
        "ocoAllowed": True,
        "otoAllowed": True,
        "opoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": True,
        "amendAllowed": True,
        "pegInstructionsAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": list(_filters(call, instrument)),
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": list(_STP_MODES),
    }


def _filters(call: Call, instrument: Instrument) -> Iterable[Mapping[str, Any]]:
    step, tick = instrument.size_step, instrument.price_tick
    largest = instrument.size_max or _HUGE
    rules = call.exchange.rules
    lowest, highest = rules.price_bounds_of(instrument)
    yield {
        "filterType": "PRICE_FILTER",
        "minPrice": fixed(lowest),
        "maxPrice": fixed(highest),
        "tickSize": fixed(tick),
    }
    yield {
        "filterType": "LOT_SIZE",
        "minQty": fixed(instrument.size_min),
        "maxQty": fixed(largest),
        "stepSize": fixed(step),
    }
    yield {
        "filterType": "MARKET_LOT_SIZE",
        "minQty": fixed(ZERO),
        "maxQty": fixed(instrument.market_size_max or largest),
        "stepSize": fixed(ZERO),
    }
    yield {
        "filterType": "NOTIONAL",
        "minNotional": fixed(instrument.notional_min),
        "applyMinToMarket": True,
        "maxNotional": fixed(rules.spot_notional_max),
        "applyMaxToMarket": False,
        "avgPriceMins": 0,
    }
    up, down = fixed(rules.spot_band_up, _BAND), fixed(rules.spot_band_down, _BAND)
    bands = {"bidMultiplierUp": up, "bidMultiplierDown": down, "askMultiplierUp": up, "askMultiplierDown": down}
    yield {"filterType": "PERCENT_PRICE_BY_SIDE", **bands, "avgPriceMins": 0}
    deltas = {f"{end}Trailing{side}Delta": value for end, value in _TRAILING.items() for side in ("Above", "Below")}
    yield {"filterType": "TRAILING_DELTA", **deltas}
    yield {"filterType": "ICEBERG_PARTS", "limit": _ICEBERG_PARTS}
    yield {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": rules.orders_max}
    yield {"filterType": "MAX_NUM_ORDER_LISTS", "maxNumOrderLists": rules.spot_lists_max}
    yield {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": rules.spot_triggers_max}
    yield {"filterType": "MAX_NUM_ORDER_AMENDS", "maxNumOrderAmends": rules.spot_amends_max}


def depth(call: Call) -> Mapping[str, Any]:
    instrument = call.instrument()
    limit = call.params.limit(100, 5000)

    def made() -> Mapping[str, Any]:
        book = call.exchange.book(instrument.symbol, limit)
        return {"lastUpdateId": call.now_ms, **sides(instrument, book.bids, book.asks)}

    return call.desk.shown(f"depth {limit}", instrument.symbol, made)


Levels = tuple[tuple[Decimal, Decimal], ...]


def sides(instrument: Instrument, bids: Levels, asks: Levels) -> dict[str, Any]:
    """Both sides of a book as pairs of texts."""

    def pairs(levels: Levels) -> list[list[str]]:
        return [[price_text(instrument, price), size_text(instrument, size)] for price, size in levels]

    return {"bids": pairs(bids), "asks": pairs(asks)}


def price_text(instrument: Instrument, price: Decimal) -> str:
    """Spot writes eight decimals, futures those of the tick."""
    return fixed(price) if instrument.kind is Kind.SPOT else fixed(price, instrument.price_tick)


def size_text(instrument: Instrument, size: Decimal) -> str:
    """Spot writes eight decimals, futures those of the step, and more where a size is older than the step."""
    return fixed(size) if instrument.kind is Kind.SPOT else fixed(size, min(instrument.size_step, _grain(size)))


def kept_price_text(instrument: Instrument, price: Decimal) -> str:
    """A price that an order or an execution keeps, whatever became of the tick since."""
    return fixed(price) if instrument.kind is Kind.SPOT else fixed(price, min(instrument.price_tick, _grain(price)))


def _grain(value: Decimal) -> Decimal:
    return max(SATOSHI, Decimal(1).scaleb(-decimals(value)))


def klines(call: Call) -> list[list[Any]]:
    """`timeZone` moves where candles begin, and not what startTime and endTime mean."""
    instrument, zone_ms = call.instrument(), zone_of(call)
    return kline_rows(candles(call, instrument.symbol, "last", 1000, zone_ms), instrument, zone_ms)


def candles(call: Call, symbol: str, kind: PriceKind, largest: int, zone_ms: int = 0) -> CandleSeries:
    """The candles that interval, startTime, endTime and limit ask for, the running one included."""
    length_ms = call.params.choice("interval", LENGTHS_MS, -1120, "Invalid interval.")
    start_ms, end_ms = times(call)
    limit = call.params.limit(500, largest)
    if start_ms is None:
        start_ms = begin_before(end_ms, length_ms, limit - 1, zone_ms)
    # 0 would ask the engine for the newest, the venue answers startTime=0 with the oldest.
    return series_of(call, symbol, length_ms, max(1, start_ms), end_ms, limit, kind, zone_ms)


def kline_rows(series: CandleSeries, instrument: Instrument, zone_ms: int = 0) -> list[list[Any]]:
    """Twelve-element rows, oldest first: prices on the tick, sizes on the step."""
    tick, step = float(instrument.price_tick), float(instrument.size_step)
    is_spot, lot = instrument.kind is Kind.SPOT, step * float(instrument.contract_size)
    price_places = 8 if is_spot else decimals(instrument.price_tick)
    size_places = 8 if is_spot else decimals(instrument.size_step)
    rows: list[list[Any]] = []
    columns = (series.starts_ms, series.opens, series.highs, series.lows, series.closes, series.volumes_quote)
    for start_ms, open_, high, low, close, quote in zip(*columns, strict=True):
        steps = round(quote / close / lot) if close else 0
        rows.append(
            [
                start_ms,
                *(f"{max(1, round(value / tick)) * tick:.{price_places}f}" for value in (open_, high, low, close)),
                f"{steps * step:.{size_places}f}",
                end_of(start_ms, series.timeframe_ms, zone_ms) - 1,
                from_float(quote),
                int(quote / 500) + 1,
                f"{steps // 2 * step:.{size_places}f}",
                from_float(quote / 2),
                "0",
            ]
        )
    return rows


def untraded_rows(series: CandleSeries) -> list[list[Any]]:
    """The same for prices that nobody trades (mark, index): eight decimals, volumes 0."""
    columns = (series.starts_ms, series.opens, series.highs, series.lows, series.closes)
    tail = [from_float(0), 0, from_float(0), from_float(0), "0"]
    return [
        [start_ms, *map(from_float, (*prices, 0)), end_of(start_ms, series.timeframe_ms) - 1, *tail]
        for start_ms, *prices in zip(*columns, strict=True)
    ]


def average_price(call: Call) -> Mapping[str, Any]:
    quote = call.exchange.quote(call.instrument().symbol)
    return {"mins": 5, "price": fixed(quote.last or quote.mid), "closeTime": call.now_ms}


def ticker_price(call: Call) -> Any:
    rows: list[Mapping[str, Any]] = []
    for instrument in selected(call):
        quote = call.exchange.quote(instrument.symbol)
        rows.append({"symbol": venue_symbol(instrument), "price": price_text(instrument, quote.last or quote.mid)})
    return one_or_all(call, rows)


def ticker_book(call: Call) -> Any:
    return one_or_all(call, [book_row(call, instrument) for instrument in selected(call)])


def book_row(call: Call, instrument: Instrument) -> dict[str, Any]:
    """Best prices and their sizes; a side that is empty is 0."""
    return call.desk.shown("best", instrument.symbol, lambda: _book_row(call, instrument))


def _book_row(call: Call, instrument: Instrument) -> dict[str, Any]:
    book = call.exchange.book(instrument.symbol, 1)
    bid, ask = (side[0] if side else (ZERO, ZERO) for side in (book.bids, book.asks))
    return {
        "symbol": venue_symbol(instrument),
        "bidPrice": price_text(instrument, bid[0]),
        "bidQty": size_text(instrument, bid[1]),
        "askPrice": price_text(instrument, ask[0]),
        "askQty": size_text(instrument, ask[1]),
    }


def ticker_day(call: Call) -> Any:
    rows: list[Mapping[str, Any]] = []
    for instrument in selected(call):
        row = day_row(call, instrument)
        if call.params.maybe_text("type") == "MINI":
            keep = ("symbol", "openPrice", "highPrice", "lowPrice", "lastPrice", "volume", "quoteVolume", "openTime")
            rows.append({name: row[name] for name in (*keep, "closeTime", "firstId", "lastId", "count")})
        else:
            book = {name: text for name, text in book_row(call, instrument).items() if name != "symbol"}
            rows.append({**row, "prevClosePrice": row["openPrice"], **book})
    return one_or_all(call, rows)


def day_row(call: Call, instrument: Instrument) -> dict[str, Any]:
    """The rolling day without bid and ask: futures send none, and clients distinguish the markets by it."""
    return call.desk.shown("day", instrument.symbol, lambda: _day_row(call, instrument))


def _day_row(call: Call, instrument: Instrument) -> dict[str, Any]:
    stats = call.exchange.day_stats(instrument.symbol)
    change = stats.last - stats.open
    percent = change / stats.open * 100 if stats.open else ZERO
    average = stats.volume_quote / stats.volume_base if stats.volume_base else stats.last
    return {
        "symbol": venue_symbol(instrument),
        "priceChange": price_text(instrument, change),
        "priceChangePercent": fixed(percent, Decimal("0.001")),
        "weightedAvgPrice": price_text(instrument, average),
        "lastPrice": price_text(instrument, stats.last),
        "lastQty": size_text(instrument, instrument.size_min),
        "openPrice": price_text(instrument, stats.open),
        "highPrice": price_text(instrument, stats.high),
        "lowPrice": price_text(instrument, stats.low),
        "volume": size_text(instrument, stats.volume_base),
        "quoteVolume": fixed(stats.volume_quote),
        "openTime": call.now_ms - DAY_MS,
        "closeTime": call.now_ms,
        "firstId": 0,
        "lastId": stats.count,
        "count": stats.count,
    }


def _depth_weight(params: Params) -> int:
    limit = params.limit(100, 5000)
    return next(weight for largest, weight in ((100, 5), (500, 25), (1000, 50), (5000, 250)) if limit <= largest)


def _day_weight(params: Params) -> int:
    if "symbol" in params:
        return 2
    count = len(symbol_names(params) or range(1000))
    return 2 if count <= 20 else 40 if count <= 100 else 80


def _price_weight(params: Params) -> int:
    return 2 if "symbol" in params else 4


SPOT_MARKET_ROUTES: tuple[Route, ...] = (
    public("/api/v3/ping", ping),
    public("/api/v3/time", server_time),
    public("/api/v1/ping", ping),
    public("/api/v1/time", server_time),
    public("/api/v3/exchangeInfo", exchange_info, 20),
    public("/api/v3/depth", depth, _depth_weight),
    public("/api/v3/klines", klines, 2),
    public("/api/v3/uiKlines", klines, 2),
    public("/api/v3/avgPrice", average_price, 2),
    public("/api/v3/ticker/24hr", ticker_day, _day_weight),
    public("/api/v3/ticker/price", ticker_price, _price_weight),
    public("/api/v3/ticker/bookTicker", ticker_book, _price_weight),
)
