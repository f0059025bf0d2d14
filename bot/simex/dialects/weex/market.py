"""Public market data: time, markets, tickers, depth, candles, funding, open interest."""

from typing import Any

from bot.domain.durations import DAY_MS, HOUR_MS, MINUTE_MS
from bot.domain.instrument import Instrument, Kind
from bot.domain.money import ZERO
from bot.simex.dialects.grids import decimals, is_written_in_digits
from bot.simex.dialects.weex.common import PAGE_MAX, WeexCall, WeexRefusal, invalid, public, text, venue_symbol
from bot.simex.engine.refusal import Refusal

INTERVALS_MS = {
    "1m": MINUTE_MS,
    "5m": 5 * MINUTE_MS,
    "15m": 15 * MINUTE_MS,
    "30m": 30 * MINUTE_MS,
    "1h": HOUR_MS,
    "2h": 2 * HOUR_MS,
    "4h": 4 * HOUR_MS,
    "6h": 6 * HOUR_MS,
    "8h": 8 * HOUR_MS,
    "12h": 12 * HOUR_MS,
    "1d": DAY_MS,
}
SPOT_CANDLES, PERP_CANDLES = 300, 1_000
_DEPTHS = (15, 200)
_CONTRACT = 10_000  # what the list of markets calls one contract, in coins of which there are so many in one


def time(call: WeexCall) -> dict[str, Any]:
    return {"serverTime": call.now_ms}


def spot_markets(call: WeexCall) -> dict[str, Any]:
    rows = [
        {
            "symbol": venue_symbol(one.symbol),
            "status": "TRADING",
            "baseAsset": one.base,
            "baseAssetPrecision": 8,
            "quoteAsset": one.quote,
            "quoteAssetPrecision": 8,
            "tickSize": text(one.price_tick),
            "stepSize": text(one.size_step),
            "minTradeAmount": text(one.size_min),
            "maxTradeAmount": text(one.size_max) if one.size_max else "99999999",
            "takerFeeRate": text(one.taker_fee),
            "makerFeeRate": text(one.maker_fee),
            "enableTrade": one.active,
            "enableDisplay": True,
        }
        for one in call.desk.instruments(Kind.SPOT)
    ]
    return {"timezone": "UTC", "serverTime": call.now_ms, "symbols": rows}


def perp_markets(call: WeexCall) -> dict[str, Any]:
    """The value of a contract is information alone: every size counts coins. No row says whether a perp is traded, and
    none has a least value of an order."""
    rows = [
        {
            "symbol": venue_symbol(one.symbol),
            "baseAsset": one.base,
            "quoteAsset": one.quote,
            "marginAsset": one.quote,
            "pricePrecision": decimals(one.price_tick),
            "quantityPrecision": decimals(one.size_step),
            "contractVal": float(one.size_step / _CONTRACT),
            "delivery": ["00:00:00", "08:00:00", "16:00:00"],
            "forwardContractFlag": True,
            "minLeverage": 1,
            "maxLeverage": call.exchange.brackets(one.symbol)[0].leverage_max,
            "makerFeeRate": float(one.maker_fee),
            "takerFeeRate": float(one.taker_fee),
            "minOrderSize": text(one.size_min),
            "maxOrderSize": text(one.size_max) if one.size_max else "99999999",
            "maxPositionSize": "99999999",
            "marketOpenLimitSize": text(one.market_size_max) if one.market_size_max else "99999999",
        }
        for one in call.desk.instruments(Kind.PERP)
        if one.active and is_written_in_digits(one)
    ]
    return {"assets": [], "symbols": rows}


def open_symbols(call: WeexCall) -> list[str]:
    """Names of the markets that the API may trade."""
    known = call.desk.instruments(call.kind)
    return [venue_symbol(one.symbol) for one in known if one.active and one.symbol not in call.desk.closed]


def spot_best(call: WeexCall) -> list[dict[str, Any]]:
    """Without a time."""
    return [_best(call, one) for one in call.wanted() if one.active]


def perp_best(call: WeexCall) -> list[dict[str, Any]]:
    return [{**_best(call, one), "time": call.now_ms} for one in call.wanted() if one.active]


def _best(call: WeexCall, one: Instrument) -> dict[str, Any]:
    quote, book = call.exchange.quote(one.symbol), call.exchange.book(one.symbol, 1)
    return {
        "symbol": venue_symbol(one.symbol),
        "bidPrice": text(quote.bid),
        "bidQty": text(book.bids[0][1] if book.bids else ZERO),
        "askPrice": text(quote.ask),
        "askQty": text(book.asks[0][1] if book.asks else ZERO),
    }


def spot_days(call: WeexCall) -> list[dict[str, Any]]:
    return [{**_day(call, one), **_best(call, one)} for one in call.wanted() if one.active]


def perp_days(call: WeexCall) -> list[dict[str, Any]]:
    """With mark and index, without bid and ask."""
    rows = []
    for one in call.wanted():
        if one.active:
            quote = call.exchange.quote(one.symbol)
            rows.append({**_day(call, one), "markPrice": text(quote.mark), "indexPrice": text(quote.index)})
    return rows


def _day(call: WeexCall, one: Instrument) -> dict[str, Any]:
    day = call.exchange.day_stats(one.symbol)
    return {
        "symbol": venue_symbol(one.symbol),
        "lastPrice": text(day.last),
        "openPrice": text(day.open),
        "highPrice": text(day.high),
        "lowPrice": text(day.low),
        "volume": text(day.volume_base),
        "quoteVolume": text(day.volume_quote),
        "openTime": call.now_ms - DAY_MS,
        "closeTime": call.now_ms,
    }


def premiums(call: WeexCall) -> list[dict[str, Any]]:
    """The last rate has been settled; the forecast is the coming one."""
    return [_premium(call, one) for one in call.wanted() if one.active]


def _premium(call: WeexCall, one: Instrument) -> dict[str, Any]:
    quote = call.exchange.quote(one.symbol)
    row = {
        "symbol": venue_symbol(one.symbol),
        "markPrice": text(quote.mark),
        "indexPrice": text(quote.index),
        "interestRate": "0.0001",
        "time": call.now_ms,
    }
    try:
        funding = call.exchange.funding(one.symbol)
    except Refusal:
        return row | {"lastFundingRate": "", "forecastFundingRate": "", "nextFundingTime": 0, "collectCycle": 480}
    settled = call.exchange.funding_history(one.symbol, 0, call.now_ms, 100_000)
    return row | {
        "lastFundingRate": text(settled[-1].rate) if settled else "0",
        "forecastFundingRate": text(funding.rate),
        "nextFundingTime": funding.next_ms,
        "collectCycle": funding.interval_hours * 60,
    }


def depth(call: WeexCall) -> dict[str, Any]:
    limit = call.params.limit(15, _DEPTHS[-1])
    if limit not in _DEPTHS:
        raise invalid("limit")
    book = call.exchange.book(call.instrument().symbol, limit)
    sides = {"bids": book.bids, "asks": book.asks}
    return {"lastUpdateId": call.now_ms} | {
        name: [[text(price), text(size)] for price, size in side] for name, side in sides.items()
    }


def spot_candles(call: WeexCall) -> list[list[Any]]:
    """The newest, the running one included, whatever else is asked for."""
    return _newest(call, SPOT_CANDLES)


def perp_candles(call: WeexCall) -> list[list[Any]]:
    """The newest, the running one included."""
    return _newest(call, call.params.limit(100, PERP_CANDLES))


def former_candles(call: WeexCall) -> list[list[Any]]:
    """Those of a span, from its beginning on.

    Raises:
        WeexRefusal: start or end was not sent.
    """
    length_ms, limit = _length_ms(call), call.params.limit(PAGE_MAX, PAGE_MAX)
    start_ms, end_ms = call.params.maybe_integer("startTime"), call.params.maybe_integer("endTime")
    if start_ms is None or end_ms is None:
        raise WeexRefusal(-1141, "Parameter startTime cannot be empty.")
    return _rows(call, length_ms, start_ms, min(end_ms, call.now_ms), limit)


def _length_ms(call: WeexCall) -> int:
    name = call.params.text("interval")
    if name not in INTERVALS_MS:
        raise invalid("interval")
    return INTERVALS_MS[name]


def _newest(call: WeexCall, count: int) -> list[list[Any]]:
    length_ms = _length_ms(call)
    first_ms = call.now_ms - call.now_ms % length_ms - (count - 1) * length_ms
    return _rows(call, length_ms, first_ms, call.now_ms, count)


def _rows(call: WeexCall, length_ms: int, start_ms: int, end_ms: int, limit: int) -> list[list[Any]]:
    series = call.exchange.candles(call.instrument().symbol, length_ms, max(1, start_ms), end_ms, limit)
    columns = (series.starts_ms, series.opens, series.highs, series.lows, series.closes, series.volumes_quote)
    return [
        [
            start,
            *(f"{price:.10f}" for price in prices),
            f"{quote / prices[-1] if prices[-1] else 0:.8f}",
            start + length_ms,
            f"{quote:.8f}",
            0,
            "0",
            "0",
        ]
        for start, *prices, quote in zip(*columns, strict=True)
    ]


def settlements(call: WeexCall) -> list[dict[str, Any]]:
    """Oldest first; of a span that has more than fit those that were last."""
    instrument, limit = call.instrument(), call.params.limit(PAGE_MAX, PAGE_MAX)
    start_ms, end_ms = call.params.maybe_integer("startTime"), call.params.maybe_integer("endTime")
    events = call.exchange.funding_history(
        instrument.symbol, start_ms or 0, call.now_ms if end_ms is None else end_ms, 100_000
    )
    name = venue_symbol(instrument.symbol)
    return [{"symbol": name, "fundingRate": text(one.rate), "fundingTime": one.at_ms} for one in events[-limit:]]


def open_interest(call: WeexCall) -> dict[str, Any]:
    """In coins.

    Raises:
        WeexRefusal: the exchange has none of the instrument.
    """
    instrument = call.instrument()
    try:
        found = call.exchange.open_interest(instrument.symbol)
    except Refusal as refusal:
        raise WeexRefusal(-1142, "no open interest") from refusal
    mark = call.exchange.quote(instrument.symbol).mark
    size = (found.value_quote / mark).quantize(instrument.size_step) if mark else ZERO
    return {"symbol": venue_symbol(instrument.symbol), "openInterest": text(size), "time": found.at_ms}


_SPOT, _PERP = "/api/v3", "/capi/v3/market"
MARKET_ENDPOINTS = (
    public(f"{_SPOT}/time", Kind.SPOT, time, 1),
    public(f"{_SPOT}/exchangeInfo", Kind.SPOT, spot_markets, 20),
    public(f"{_SPOT}/apiTradingSymbols", Kind.SPOT, open_symbols, 5),
    public(f"{_SPOT}/market/ticker/bookTicker", Kind.SPOT, spot_best, 4),
    public(f"{_SPOT}/market/ticker/24hr", Kind.SPOT, spot_days, 2),
    public(f"{_SPOT}/market/depth", Kind.SPOT, depth, 5),
    public(f"{_SPOT}/market/klines", Kind.SPOT, spot_candles, 2),
    public(f"{_PERP}/time", Kind.PERP, time, 1),
    public(f"{_PERP}/exchangeInfo", Kind.PERP, perp_markets, 1),
    public(f"{_PERP}/apiTradingSymbols", Kind.PERP, open_symbols, 5),
    public(f"{_PERP}/ticker/bookTicker", Kind.PERP, perp_best, 1),
    public(f"{_PERP}/ticker/24hr", Kind.PERP, perp_days, 40),
    public(f"{_PERP}/premiumIndex", Kind.PERP, premiums, 1),
    public(f"{_PERP}/depth", Kind.PERP, depth, 1),
    public(f"{_PERP}/klines", Kind.PERP, perp_candles, 1),
    public(f"{_PERP}/historyKlines", Kind.PERP, former_candles, 5),
    public(f"{_PERP}/fundingRate", Kind.PERP, settlements, 5),
    public(f"{_PERP}/openInterest", Kind.PERP, open_interest, 2),
)
