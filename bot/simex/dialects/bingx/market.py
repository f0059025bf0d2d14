"""Public market data: time, markets, tickers, depth, candles, funding, open interest."""

from typing import Any

from bot.domain.candles import CandleSeries
from bot.domain.durations import DAY_MS, HOUR_MS, MINUTE_MS
from bot.domain.instrument import Instrument, Kind
from bot.domain.money import ZERO
from bot.simex.dialects.bingx.common import BingxCall, BingxRefusal, invalid, loose, public, text, venue_symbol
from bot.simex.dialects.grids import decimals, is_written_in_digits
from bot.simex.engine.refusal import Refusal

INTERVALS_MS = {
    "1m": MINUTE_MS,
    "3m": 3 * MINUTE_MS,
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
    "1w": 7 * DAY_MS,
}
_CANDLES = 1_440
_DEPTHS = (5, 10, 20, 50, 100, 500, 1_000)
_CONTRACT = 100  # size steps in one of the contracts that books count beside coins


def time(call: BingxCall) -> dict[str, Any]:
    return {"serverTime": call.now_ms}


def spot_markets(call: BingxCall) -> dict[str, Any]:
    """Steps are JSON numbers: a small one comes out as 1e-06."""
    rows = [
        {
            "symbol": venue_symbol(one.symbol),
            "minQty": loose(one.size_min),
            "maxQty": loose(one.size_max or ZERO),
            "minNotional": loose(one.notional_min),
            "maxNotional": 500_000,
            "status": 1 if one.active else 25,
            "tickSize": loose(one.price_tick),
            "stepSize": loose(one.size_step),
            "apiStateSell": one.active,
            "apiStateBuy": one.active,
            "timeOnline": 0,
            "offTime": 0,
            "maintainTime": 0,
        }
        for one in call.desk.instruments(Kind.SPOT)
    ]
    return {"symbols": rows}


def perp_markets(call: BingxCall) -> list[dict[str, Any]]:
    return [
        {
            "contractId": "100",
            "symbol": venue_symbol(one.symbol),
            "size": text(one.size_step * _CONTRACT),
            "quantityPrecision": decimals(one.size_step),
            "pricePrecision": decimals(one.price_tick),
            "makerFeeRate": loose(one.maker_fee),
            "takerFeeRate": loose(one.taker_fee),
            "tradeMinLimit": 0,
            "tradeMinQuantity": loose(one.size_min),
            "tradeMinUSDT": loose(one.notional_min),
            "maxLongLeverage": call.exchange.brackets(one.symbol)[0].leverage_max,
            "maxShortLeverage": call.exchange.brackets(one.symbol)[0].leverage_max,
            "currency": one.quote,
            "asset": one.base,
            "status": 1 if one.active else 25,
            "apiStateOpen": str(one.active).lower(),
            "apiStateClose": str(one.active).lower(),
        }
        for one in call.desk.instruments(Kind.PERP)
        if is_written_in_digits(one)
    ]


def inverse_markets(call: BingxCall) -> list[Any]:
    del call
    return []


def spot_tickers(call: BingxCall) -> list[dict[str, Any]]:
    """All of them, or the one that is asked for; prices are JSON numbers."""
    return [_ticker(call, one, loose) for one in call.wanted() if one.active or call.params.maybe_text("symbol")]


def perp_tickers(call: BingxCall) -> Any:
    """A list; an object where one symbol is asked for."""
    name = call.params.maybe_text("symbol")
    rows = [_ticker(call, one, text) for one in call.wanted() if one.active or name]
    return rows[0] if name else rows


def _ticker(call: BingxCall, one: Instrument, written: Any) -> dict[str, Any]:
    exchange = call.exchange
    quote, day, book = exchange.quote(one.symbol), exchange.day_stats(one.symbol), exchange.book(one.symbol, 1)
    return {
        "symbol": venue_symbol(one.symbol),
        "openPrice": written(day.open),
        "highPrice": written(day.high),
        "lowPrice": written(day.low),
        "lastPrice": written(day.last),
        "volume": written(day.volume_base),
        "quoteVolume": written(day.volume_quote),
        "openTime": call.now_ms - DAY_MS,
        "closeTime": call.now_ms,
        "askPrice": written(quote.ask),
        "askQty": written(book.asks[0][1] if book.asks else ZERO),
        "bidPrice": written(quote.bid),
        "bidQty": written(book.bids[0][1] if book.bids else ZERO),
    }


def premiums(call: BingxCall) -> Any:
    name = call.params.maybe_text("symbol")
    rows = [_premium(call, one) for one in call.wanted() if one.active or name]
    return rows[0] if name else rows


def _premium(call: BingxCall, one: Instrument) -> dict[str, Any]:
    quote = call.exchange.quote(one.symbol)
    row = {"symbol": venue_symbol(one.symbol), "markPrice": text(quote.mark), "indexPrice": text(quote.index)}
    try:
        funding = call.exchange.funding(one.symbol)
    except Refusal:
        return row | {"lastFundingRate": "", "nextFundingTime": 0, "fundingIntervalHours": 8}
    return row | {
        "lastFundingRate": text(funding.rate),
        "nextFundingTime": funding.next_ms,
        "fundingIntervalHours": funding.interval_hours,
        "updateTime": call.now_ms,
    }


def spot_depth(call: BingxCall) -> dict[str, Any]:
    bids, asks = _levels(call)
    return {
        "bids": [[text(price), text(size)] for price, size in bids],
        "asks": [[text(price), text(size)] for price, size in reversed(asks)],
        "ts": call.now_ms,
        "lastUpdateId": call.now_ms,
    }


def perp_depth(call: BingxCall) -> dict[str, Any]:
    """In contracts, and beside it in coins; asks from the highest down."""
    one, (bids, asks) = call.instrument(), _levels(call)
    contract = one.size_step * _CONTRACT
    sides = {"bids": bids, "asks": asks[::-1]}
    contracts = {name: [[text(p), text(size / contract)] for p, size in side] for name, side in sides.items()}
    coins = {f"{name}Coin": [[text(p), text(size)] for p, size in side] for name, side in sides.items()}
    return {"T": call.now_ms, **contracts, **coins}


def _levels(call: BingxCall) -> Any:
    limit = call.params.limit(20, _DEPTHS[-1])
    if call.kind is Kind.PERP and limit not in _DEPTHS:
        raise invalid("limit")
    book = call.exchange.book(call.instrument().symbol, limit)
    return list(book.bids), list(book.asks)


def spot_candles(call: BingxCall) -> list[list[Any]]:
    """Arrays of JSON numbers, newest first, the running candle included."""
    if call.params.maybe_text("timeZone") not in ("", "0", "8"):
        raise invalid("timeZone")
    series, length_ms = _series(call)
    return [
        [start, *prices, volume, start + length_ms - 1, quote] for start, prices, volume, quote in _candles(series)
    ][::-1]


def perp_candles(call: BingxCall) -> list[dict[str, Any]]:
    """Objects, newest first, without a volume in quote."""
    series, _ = _series(call)
    names = ("open", "high", "low", "close")
    return [
        {
            **{name: f"{price:.10f}" for name, price in zip(names, prices, strict=True)},
            "volume": f"{volume:.8f}",
            "time": start,
        }
        for start, prices, volume, _ in _candles(series)
    ][::-1]


def _series(call: BingxCall) -> tuple[CandleSeries, int]:
    instrument, name = call.instrument(), call.params.text("interval")
    if name not in INTERVALS_MS:
        raise invalid("interval")
    length_ms, limit = INTERVALS_MS[name], call.params.limit(500, _CANDLES)
    start_ms, end_ms = call.params.maybe_integer("startTime"), call.params.maybe_integer("endTime")
    end_ms = min(call.now_ms, call.now_ms if end_ms is None else end_ms)
    # of a span that has more than fit the venue answers with the newest
    newest_ms = end_ms - end_ms % length_ms - (limit - 1) * length_ms
    first_ms = newest_ms if start_ms is None else max(start_ms, newest_ms)
    return call.exchange.candles(instrument.symbol, length_ms, max(1, first_ms), end_ms, limit), length_ms


def _candles(series: CandleSeries) -> list[tuple[int, list[float], float, float]]:
    columns = (series.starts_ms, series.opens, series.highs, series.lows, series.closes, series.volumes_quote)
    return [
        (start, list(prices), round(quote / prices[-1], 8) if prices[-1] else 0.0, round(quote, 8))
        for start, *prices, quote in zip(*columns, strict=True)
    ]


def funding_history(call: BingxCall) -> list[dict[str, Any]]:
    """Newest first."""
    instrument, limit = call.instrument(), call.params.limit(100, 1_000)
    start_ms, end_ms = call.params.maybe_integer("startTime"), call.params.maybe_integer("endTime")
    events = call.exchange.funding_history(
        instrument.symbol, start_ms or 0, call.now_ms if end_ms is None else end_ms, 100_000
    )
    name = venue_symbol(instrument.symbol)
    rows = [{"symbol": name, "fundingRate": text(one.rate), "fundingTime": one.at_ms} for one in reversed(events)]
    return rows[:limit]


def open_interest(call: BingxCall) -> dict[str, Any]:
    """In quote value.

    Raises:
        BingxRefusal: the exchange has none of the instrument.
    """
    instrument = call.instrument()
    try:
        found = call.exchange.open_interest(instrument.symbol)
    except Refusal as refusal:
        raise BingxRefusal(109400, "no open interest") from refusal
    return {"openInterest": text(found.value_quote), "symbol": venue_symbol(instrument.symbol), "time": found.at_ms}


MARKET_ENDPOINTS = (
    public("/openApi/spot/v1/common/symbols", Kind.SPOT, spot_markets),
    public("/openApi/spot/v1/ticker/24hr", Kind.SPOT, spot_tickers),
    public("/openApi/spot/v1/market/depth", Kind.SPOT, spot_depth),
    public("/openApi/spot/v1/market/kline", Kind.SPOT, spot_candles),
    public("/openApi/swap/v2/server/time", Kind.PERP, time),
    public("/openApi/swap/v2/quote/contracts", Kind.PERP, perp_markets),
    public("/openApi/swap/v2/quote/ticker", Kind.PERP, perp_tickers),
    public("/openApi/swap/v2/quote/premiumIndex", Kind.PERP, premiums),
    public("/openApi/swap/v2/quote/depth", Kind.PERP, perp_depth),
    public("/openApi/swap/v3/quote/klines", Kind.PERP, perp_candles),
    public("/openApi/swap/v2/quote/fundingRate", Kind.PERP, funding_history),
    public("/openApi/swap/v2/quote/openInterest", Kind.PERP, open_interest),
    public("/openApi/cswap/v1/market/contracts", Kind.PERP, inverse_markets),
)
