"""Public market data: time, markets, tickers, depth, candles, funding."""

from typing import Any

from bot.domain.durations import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from bot.domain.instrument import Instrument, Kind
from bot.domain.money import ZERO, floor_to
from bot.simex.dialects.grids import decimals
from bot.simex.dialects.mexc.common import (
    VOLUME_UNIT,
    MexcCall,
    contract_size,
    contracts,
    loose,
    market,
    spot,
    text,
    venue_symbol,
)
from bot.simex.engine.refusal import Refusal

SPOT_INTERVALS = {
    "1m": MINUTE_MS,
    "5m": 5 * MINUTE_MS,
    "15m": 15 * MINUTE_MS,
    "30m": 30 * MINUTE_MS,
    "60m": HOUR_MS,
    "4h": 4 * HOUR_MS,
    "1d": DAY_MS,
    "1W": 7 * DAY_MS,
}
PERP_INTERVALS = {
    "Min1": MINUTE_MS,
    "Min5": 5 * MINUTE_MS,
    "Min15": 15 * MINUTE_MS,
    "Min30": 30 * MINUTE_MS,
    "Min60": HOUR_MS,
    "Hour4": 4 * HOUR_MS,
    "Hour8": 8 * HOUR_MS,
    "Day1": DAY_MS,
}
_SPOT_CANDLES, _PERP_CANDLES = 500, 2_000


def spot_time(call: MexcCall) -> dict[str, Any]:
    return {"serverTime": call.now_ms}


def perp_time(call: MexcCall) -> int:
    return call.now_ms


def spot_markets(call: MexcCall) -> dict[str, Any]:
    rows = [
        {
            "symbol": venue_symbol(one),
            "status": "1" if one.active else "2",
            "baseAsset": one.base,
            "baseAssetPrecision": decimals(one.size_step),
            "quoteAsset": one.quote,
            "quotePrecision": decimals(one.price_tick),
            "quoteAssetPrecision": decimals(one.price_tick),
            "baseCommissionPrecision": 8,
            "quoteCommissionPrecision": 8,
            "orderTypes": ["LIMIT", "MARKET", "LIMIT_MAKER"],
            "isSpotTradingAllowed": one.active,
            "isMarginTradingAllowed": False,
            "quoteAmountPrecision": text(one.notional_min),
            "baseSizePrecision": text(one.size_step),
            "permissions": ["SPOT"],
            "filters": [],
            "maxQuoteAmount": "2000000",
            "makerCommission": text(one.maker_fee),
            "takerCommission": text(one.taker_fee),
            "quoteAmountPrecisionMarket": text(one.notional_min),
            "maxQuoteAmountMarket": "100000",
            "tradeSideType": 1,
        }
        for one in call.desk.instruments(Kind.SPOT)
        if one.price_tick.normalize().as_tuple().digits == (1,)  # the venue writes it as a number of digits
    ]
    return {"timezone": "CST", "serverTime": call.now_ms, "rateLimits": [], "exchangeFilters": [], "symbols": rows}


def perp_markets(call: MexcCall) -> list[dict[str, Any]]:
    return [
        {
            "symbol": venue_symbol(one),
            "displayName": venue_symbol(one),
            "positionOpenType": 3,
            "baseCoin": one.base,
            "quoteCoin": one.quote,
            "settleCoin": one.quote,
            "contractSize": loose(contract_size(one)),
            "minLeverage": 1,
            "maxLeverage": call.exchange.brackets(one.symbol)[0].leverage_max,
            "priceScale": decimals(one.price_tick),
            "volScale": 0,
            "amountScale": 4,
            "priceUnit": loose(one.price_tick),
            "volUnit": VOLUME_UNIT,
            "minVol": contracts(one, one.size_min),
            "maxVol": 10**12 if one.size_max is None else contracts(one, one.size_max),
            "takerFeeRate": loose(one.taker_fee),
            "makerFeeRate": loose(one.maker_fee),
            "state": 0 if one.active else 4,
            "apiAllowed": call.desk.api_allowed,
            "riskLimitMode": "CUSTOM",
            "riskLimitCustom": _tiers(call, one),
        }
        for one in call.desk.instruments(Kind.PERP)
    ]


def _tiers(call: MexcCall, one: Instrument) -> list[dict[str, Any]]:
    """Limits in contracts at the mark of now, rounded down."""
    quote = call.exchange.quote(one.symbol)
    mark = quote.mark or quote.mid
    return [
        {
            "level": tier.number,
            "maxVol": int(floor_to(tier.notional_cap / mark / contract_size(one), one.size_step / one.size_step)),
            "mmr": loose(tier.maintenance_rate),
            "imr": float(1 / tier.leverage_max),
            "maxLeverage": tier.leverage_max,
        }
        for tier in call.exchange.brackets(one.symbol)
    ]


def spot_tickers(call: MexcCall) -> Any:
    """A list; an object where one symbol is asked for."""
    name = call.params.maybe_text("symbol")
    rows = [_spot_ticker(call, one) for one in call.wanted() if one.active or name]
    return rows[0] if name else rows


def _spot_ticker(call: MexcCall, one: Instrument) -> dict[str, Any]:
    exchange = call.exchange
    quote, day, book = exchange.quote(one.symbol), exchange.day_stats(one.symbol), exchange.book(one.symbol, 1)
    return {
        "symbol": venue_symbol(one),
        "priceChange": text(day.last - day.open),
        "prevClosePrice": text(day.open),
        "lastPrice": text(day.last),
        "bidPrice": text(quote.bid),
        "bidQty": text(book.bids[0][1] if book.bids else ZERO),
        "askPrice": text(quote.ask),
        "askQty": text(book.asks[0][1] if book.asks else ZERO),
        "openPrice": text(day.open),
        "highPrice": text(day.high),
        "lowPrice": text(day.low),
        "volume": text(day.volume_base),
        "quoteVolume": text(day.volume_quote),
        "openTime": call.now_ms - DAY_MS,
        "closeTime": call.now_ms,
        "count": None,
    }


def perp_tickers(call: MexcCall) -> Any:
    """A list; an object where one symbol is asked for. Mark, index, funding and open interest stand in it."""
    name = call.params.maybe_text("symbol")
    rows = [_perp_ticker(call, one) for one in call.wanted() if one.active or name]
    return rows[0] if name else rows


def _perp_ticker(call: MexcCall, one: Instrument) -> dict[str, Any]:
    exchange = call.exchange
    quote, day = exchange.quote(one.symbol), exchange.day_stats(one.symbol)
    row = {
        "contractId": 10,
        "symbol": venue_symbol(one),
        "lastPrice": loose(day.last),
        "bid1": loose(quote.bid),
        "ask1": loose(quote.ask),
        "volume24": contracts(one, day.volume_base),
        "amount24": loose(day.volume_quote),
        "lower24Price": loose(day.low),
        "high24Price": loose(day.high),
        "indexPrice": loose(quote.index or quote.mid),
        "fairPrice": loose(quote.mark or quote.mid),
        "timestamp": call.now_ms,
    }
    try:
        interest = exchange.open_interest(one.symbol).value_quote
        row["holdVol"] = contracts(one, interest / (quote.mark or quote.mid))
        row["fundingRate"] = loose(exchange.funding(one.symbol).rate)
    except Refusal:
        row |= {"holdVol": None, "fundingRate": None}
    return row


def spot_depth(call: MexcCall) -> dict[str, Any]:
    book = call.exchange.book(call.instrument().symbol, call.params.limit(100, 5_000))
    return {
        "lastUpdateId": call.now_ms,
        "bids": [[text(price), text(size)] for price, size in book.bids],
        "asks": [[text(price), text(size)] for price, size in book.asks],
        "timestamp": call.now_ms,
    }


def perp_depth(call: MexcCall) -> dict[str, Any]:
    """In contracts, with the number of orders."""
    one = call.instrument()
    book = call.exchange.book(one.symbol, call.params.limit(20, 1_000))
    return {
        "asks": [[loose(price), contracts(one, size), 1] for price, size in book.asks],
        "bids": [[loose(price), contracts(one, size), 1] for price, size in book.bids],
        "version": call.now_ms,
        "timestamp": call.now_ms,
    }


def spot_candles(call: MexcCall) -> list[list[Any]]:
    """Oldest first, the running candle included."""
    name, limit = call.params.text("interval"), call.params.limit(500, _SPOT_CANDLES)
    if name not in SPOT_INTERVALS:
        raise call.params.bad("interval")
    length_ms = SPOT_INTERVALS[name]
    start_ms, end_ms = call.params.maybe_integer("startTime"), call.params.maybe_integer("endTime")
    return [
        [start, *(f"{price:.10f}" for price in prices), f"{base:.8f}", start + length_ms, f"{quote:.8f}"]
        for start, prices, base, quote in _candles(call, length_ms, start_ms, end_ms, limit)
    ]


def perp_candles(call: MexcCall) -> dict[str, Any]:
    """In columns, by seconds; the volume counts contracts."""
    name, one = call.params.text("interval"), call.instrument()
    if name not in PERP_INTERVALS:
        raise call.params.bad("interval")
    start, end = call.params.maybe_integer("start"), call.params.maybe_integer("end")
    span = (None if start is None else start * SECOND_MS, None if end is None else end * SECOND_MS)
    rows = _candles(call, PERP_INTERVALS[name], *span, _PERP_CANDLES)
    columns: dict[str, list[Any]] = {"time": [at_ms // SECOND_MS for at_ms, *_ in rows]}
    for index, column in enumerate(("open", "high", "low", "close")):
        columns[column] = [prices[index] for _, prices, *_ in rows]
    unit = float(contract_size(one))
    columns["vol"] = [round(base / unit, 4) for _, _, base, _ in rows]
    columns["amount"] = [quote for *_, quote in rows]
    return columns


def _candles(
    call: MexcCall, length_ms: int, start_ms: int | None, end_ms: int | None, limit: int
) -> list[tuple[int, list[float], float, float]]:
    """(opens at, prices, volume in base, volume in quote); of a span that has more than fit the newest."""
    end_ms = min(call.now_ms, call.now_ms if end_ms is None else end_ms)
    newest_ms = end_ms - end_ms % length_ms - (limit - 1) * length_ms
    first_ms = newest_ms if start_ms is None else max(start_ms, newest_ms)
    series = call.exchange.candles(call.instrument().symbol, length_ms, max(1, first_ms), end_ms, limit)
    columns = (series.starts_ms, series.opens, series.highs, series.lows, series.closes, series.volumes_quote)
    return [
        (start, list(prices), round(quote / prices[-1], 8) if prices[-1] else 0.0, round(quote, 8))
        for start, *prices, quote in zip(*columns, strict=True)
    ]


def funding(call: MexcCall) -> dict[str, Any]:
    one = call.instrument()
    try:
        found = call.exchange.funding(one.symbol)
    except Refusal as refusal:
        raise call.params.bad("symbol") from refusal
    return {
        "symbol": venue_symbol(one),
        "fundingRate": loose(found.rate),
        "collectCycle": found.interval_hours,
        "nextSettleTime": found.next_ms,
        "timestamp": call.now_ms,
    }


def funding_history(call: MexcCall) -> Any:
    """Newest first, by pages: it takes no time."""
    one = call.instrument()
    events = call.exchange.funding_history(one.symbol, 0, call.now_ms, 100_000)
    rows = [
        {"symbol": venue_symbol(one), "fundingRate": loose(event.rate), "settleTime": event.at_ms}
        for event in reversed(events)
    ]
    return call.paged(rows, named=True)


MARKET_ENDPOINTS = (
    spot("GET", "time", spot_time, is_signed=False),
    spot("GET", "exchangeInfo", spot_markets, 10, is_signed=False),
    spot("GET", "ticker/24hr", spot_tickers, 40, is_signed=False),
    spot("GET", "depth", spot_depth, is_signed=False),
    spot("GET", "klines", spot_candles, is_signed=False),
    market("ping", perp_time),
    market("detail", perp_markets, every_ms=5_000),
    market("ticker", perp_tickers),
    market("depth/{symbol}", perp_depth),
    market("kline/{symbol}", perp_candles),
    market("funding_rate/history", funding_history),
    market("funding_rate/{symbol}", funding),
)
