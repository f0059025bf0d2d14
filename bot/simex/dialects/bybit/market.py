"""Public market data: time, instruments, tickers, depth, candles, funding, open interest, risk limits."""

from decimal import Decimal
from typing import Any

from bot.domain.candles import CandleSeries
from bot.domain.durations import DAY_MS, HOUR_MS, MINUTE_MS
from bot.domain.instrument import Instrument
from bot.domain.money import ZERO
from bot.simex.dialects.bybit.common import (
    LINEAR,
    BybitCall,
    BybitDesk,
    BybitRefusal,
    error_of,
    invalid,
    page_of,
    public,
    text,
    venue_symbol,
)
from bot.simex.engine.market import PriceKind
from bot.simex.engine.refusal import Refusal

INTERVALS_MS = {
    "1": MINUTE_MS,
    "3": 3 * MINUTE_MS,
    "5": 5 * MINUTE_MS,
    "15": 15 * MINUTE_MS,
    "30": 30 * MINUTE_MS,
    "60": HOUR_MS,
    "120": 2 * HOUR_MS,
    "240": 4 * HOUR_MS,
    "360": 6 * HOUR_MS,
    "720": 12 * HOUR_MS,
    "D": DAY_MS,
    "W": 7 * DAY_MS,
}
_DEPTH = {"spot": 200, "linear": 500}
_NO_LIMIT = "1000000000"


def time(call: BybitCall) -> dict[str, Any]:
    return {"timeSecond": str(call.now_ms // 1000), "timeNano": f"{call.now_ms}000000"}


def instruments(call: BybitCall) -> dict[str, Any]:
    category, name, status = call.params.category(), call.params.maybe_text("symbol"), call.params.maybe_text("status")
    known = [call.desk.instrument(category, name)] if name else call.desk.instruments(category)
    rows = [_perp(call.desk, one) if one.is_perp else _spot(one) for one in known]
    if category != LINEAR:
        return {"category": category, "list": rows}
    wanted = [row for row in rows if (row["status"] == status if status else row["status"] != "PreLaunch")]
    return page_of(call, wanted, default=500, largest=1000, category=category)


def _spot(one: Instrument) -> dict[str, Any]:
    return {
        "symbol": venue_symbol(one),
        "baseCoin": one.base,
        "quoteCoin": one.quote,
        "innovation": "0",
        "status": "Trading" if one.active else "Closed",
        "marginTrading": "utaOnly",
        "stTag": "0",
        "lotSizeFilter": {
            "basePrecision": text(one.size_step),
            "quotePrecision": "0.00000001",
            "minOrderQty": text(one.size_min),
            "maxOrderQty": text(one.size_max) or _NO_LIMIT,
            "minOrderAmt": text(one.notional_min),
            "maxOrderAmt": _NO_LIMIT,
            "maxLimitOrderQty": text(one.size_max) or _NO_LIMIT,
            "maxMarketOrderQty": text(one.market_size_max or one.size_max) or _NO_LIMIT,
        },
        "priceFilter": {"tickSize": text(one.price_tick)},
        "riskParameters": {"priceLimitRatioX": "0.05", "priceLimitRatioY": "0.1"},
    }


def _perp(desk: BybitDesk, one: Instrument) -> dict[str, Any]:
    lowest, highest = desk.exchange.rules.price_bounds_of(one)
    return {
        "symbol": venue_symbol(one),
        "contractType": "LinearPerpetual",
        "status": "Trading" if one.active else "Closed",
        "baseCoin": one.base,
        "quoteCoin": one.quote,
        "settleCoin": one.quote,
        "launchTime": str(max(0, desk.exchange.listed_ms(one.symbol))),
        "deliveryTime": "0",
        "deliveryFeeRate": "",
        "priceScale": "2",
        "leverageFilter": {
            "minLeverage": "1",
            "maxLeverage": f"{desk.exchange.brackets(one.symbol)[0].leverage_max}.00",
            "leverageStep": "0.01",
        },
        "priceFilter": {"minPrice": text(lowest), "maxPrice": text(highest), "tickSize": text(one.price_tick)},
        "lotSizeFilter": {
            "maxOrderQty": text(one.size_max) or _NO_LIMIT,
            "minOrderQty": text(one.size_min),
            "qtyStep": text(one.size_step),
            "postOnlyMaxOrderQty": text(one.size_max) or _NO_LIMIT,
            "maxMktOrderQty": text(one.market_size_max or one.size_max) or _NO_LIMIT,
            "minNotionalValue": text(one.notional_min),
        },
        "unifiedMarginTrade": True,
        "fundingInterval": _hours(desk, one) * 60,
        "copyTrading": "none",
        "isPreListing": False,
        "preListingInfo": None,
    }


def _hours(desk: BybitDesk, one: Instrument) -> int:
    try:
        return desk.exchange.funding(one.symbol).interval_hours
    except Refusal:
        return 8


def tickers(call: BybitCall) -> dict[str, Any]:
    category, name = call.params.category(), call.params.maybe_text("symbol")
    known = [call.desk.instrument(category, name)] if name else call.desk.instruments(category)
    return {"category": category, "list": [ticker_row(call, one) for one in known if one.active or name]}


def ticker_row(call: BybitCall, one: Instrument) -> dict[str, Any]:
    exchange = call.exchange
    quote, day, book = exchange.quote(one.symbol), exchange.day_stats(one.symbol), exchange.book(one.symbol, 1)
    row = {
        "symbol": venue_symbol(one),
        "bid1Price": text(quote.bid),
        "bid1Size": text(book.bids[0][1]) if book.bids else "",
        "ask1Price": text(quote.ask),
        "ask1Size": text(book.asks[0][1]) if book.asks else "",
        "lastPrice": text(day.last),
        "prevPrice24h": text(day.open),
        "price24hPcnt": f"{(day.last - day.open) / day.open if day.open else ZERO:.6f}",
        "highPrice24h": text(day.high),
        "lowPrice24h": text(day.low),
        "turnover24h": text(day.volume_quote),
        "volume24h": text(day.volume_base),
    }
    if not one.is_perp:
        return row
    row |= {
        "indexPrice": text(quote.index),
        "markPrice": text(quote.mark),
        **_interest(call, one, quote.mark or quote.mid),
    }
    try:
        funding = exchange.funding(one.symbol)
    except Refusal:
        return row | {"fundingRate": "", "nextFundingTime": "0", "fundingIntervalHour": ""}
    return row | {
        "fundingRate": text(funding.rate),
        "nextFundingTime": str(funding.next_ms),
        "fundingIntervalHour": str(funding.interval_hours),
    }


def _interest(call: BybitCall, one: Instrument, mark: Decimal) -> dict[str, str]:
    """Open interest in base and in quote; empty where none is on record."""
    try:
        value = call.exchange.open_interest(one.symbol).value_quote
    except Refusal:
        return {"openInterest": "", "openInterestValue": ""}
    size = (value / mark / one.size_step).to_integral_value() * one.size_step
    return {"openInterest": text(size), "openInterestValue": text(value)}


def orderbook(call: BybitCall) -> dict[str, Any]:
    instrument = call.instrument()
    levels = call.params.limit(25 if instrument.is_perp else 1, _DEPTH[call.params.category()])
    book = call.exchange.book(instrument.symbol, levels)
    return {
        "s": venue_symbol(instrument),
        "b": [[text(price), text(size)] for price, size in book.bids],
        "a": [[text(price), text(size)] for price, size in book.asks],
        "ts": call.now_ms,
        "u": call.now_ms // 100,
        "seq": call.now_ms,
        "cts": call.now_ms,
    }


def kline(call: BybitCall) -> dict[str, Any]:
    """Newest first, the running candle included."""
    return _candles(call, call.instrument(), "last")


def mark_kline(call: BybitCall) -> dict[str, Any]:
    """Of what nobody trades: prices alone."""
    return _untraded(call, "mark")


def index_kline(call: BybitCall) -> dict[str, Any]:
    return _untraded(call, "index")


def _untraded(call: BybitCall, kind: PriceKind) -> dict[str, Any]:
    instrument = call.instrument()
    if not instrument.is_perp:
        raise invalid("category")
    answer = _candles(call, instrument, kind)
    return {**answer, "list": [row[:5] for row in answer["list"]]}


def _candles(call: BybitCall, instrument: Instrument, kind: PriceKind) -> dict[str, Any]:
    name = call.params.text("interval")
    if name not in INTERVALS_MS:
        raise BybitRefusal(10001, "Invalid period!")
    length_ms, limit = INTERVALS_MS[name], call.params.limit(200, 1000)
    start_ms = call.params.maybe_integer("start")
    end_ms = call.params.maybe_integer("end")
    if start_ms is not None and end_ms is None:
        end_ms = start_ms + limit * length_ms - 1
    end_ms = min(call.now_ms, call.now_ms if end_ms is None else end_ms)
    # of a span that has more than fit on a page the venue answers with the newest
    newest_ms = end_ms - end_ms % length_ms - (limit - 1) * length_ms
    first_ms = newest_ms if start_ms is None else max(start_ms, newest_ms)
    series = call.exchange.candles(instrument.symbol, length_ms, max(1, first_ms), end_ms, limit, kind)
    return {"category": call.params.category(), "symbol": venue_symbol(instrument), "list": _rows(series, instrument)}


def _rows(series: CandleSeries, instrument: Instrument) -> list[list[str]]:
    tick, step = float(instrument.price_tick), float(instrument.size_step)
    places = max(0, -int(instrument.price_tick.normalize().as_tuple().exponent))
    columns = (series.starts_ms, series.opens, series.highs, series.lows, series.closes, series.volumes_quote)
    rows = []
    for start_ms, *prices, quote in zip(*columns, strict=True):
        close = prices[-1]
        size = round(quote / close / step) * step if close else 0.0
        shown = (f"{max(1, round(price / tick)) * tick:.{places}f}" for price in prices)
        rows.append([str(start_ms), *shown, f"{size:.8f}", f"{quote:.8f}"])
    return rows[::-1]


def funding_history(call: BybitCall) -> dict[str, Any]:
    """Newest first; a start without an end is refused."""
    instrument = call.instrument()
    start_ms, end_ms = call.params.maybe_integer("startTime"), call.params.maybe_integer("endTime")
    if start_ms is not None and end_ms is None:
        raise invalid("endTime")
    events = call.exchange.funding_history(
        instrument.symbol, start_ms or 0, call.now_ms if end_ms is None else end_ms, 100_000
    )
    rows = [
        {"symbol": venue_symbol(instrument), "fundingRate": text(one.rate), "fundingRateTimestamp": str(one.at_ms)}
        for one in reversed(events)
    ]
    return {"category": LINEAR, "list": rows[: call.params.limit(200, 200)]}


def open_interest(call: BybitCall) -> dict[str, Any]:
    instrument = call.instrument()
    if not instrument.is_perp:
        raise invalid("category")
    call.params.text("intervalTime")
    quote = call.exchange.quote(instrument.symbol)
    size = _interest(call, instrument, quote.mark or quote.mid)["openInterest"]
    hour_ms = call.now_ms - call.now_ms % HOUR_MS
    rows = [{"openInterest": size, "timestamp": str(hour_ms)}] if size else []
    return {"symbol": venue_symbol(instrument), "category": LINEAR, "list": rows, "nextPageCursor": ""}


def risk_limit(call: BybitCall) -> dict[str, Any]:
    category, name = call.params.category(), call.params.maybe_text("symbol")
    if category != LINEAR:
        raise invalid("category")
    known = [call.desk.instrument(category, name)] if name else call.desk.instruments(category)
    rows = []
    for one in known:
        try:
            brackets = call.exchange.brackets(one.symbol)
        except Refusal as refusal:
            raise error_of(refusal, perp=True) from refusal
        rows += [
            {
                "id": bracket.number,
                "symbol": venue_symbol(one),
                "riskLimitValue": text(bracket.notional_cap),
                "maintenanceMargin": text(bracket.maintenance_rate),
                "initialMargin": f"{1 / bracket.leverage_max:.4f}",
                "isLowestRisk": int(bracket.number == brackets[0].number),
                "maxLeverage": f"{bracket.leverage_max}.00",
                "mmDeduction": text(bracket.cum) if bracket.cum else "",
            }
            for bracket in brackets
        ]
    return page_of(call, rows, default=200, largest=200, category=category)


MARKET_ENDPOINTS = (
    public("/v5/market/time", time),
    public("/v5/market/instruments-info", instruments),
    public("/v5/market/tickers", tickers),
    public("/v5/market/orderbook", orderbook),
    public("/v5/market/kline", kline),
    public("/v5/market/mark-price-kline", mark_kline),
    public("/v5/market/index-price-kline", index_kline),
    public("/v5/market/funding/history", funding_history),
    public("/v5/market/open-interest", open_interest),
    public("/v5/market/risk-limit", risk_limit),
)
