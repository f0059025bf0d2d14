"""Binance spot's tickers of other windows than the rolling day: `ticker` with windowSize, and `ticker/tradingDay`."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from bot.domain.candles import CandleSeries
from bot.domain.durations import DAY_MS, HOUR_MS, MINUTE_MS
from bot.domain.instrument import Instrument
from bot.domain.money import ZERO
from bot.simex.dialects.binance.common import ApiError, Call, Params, Route, fixed, public, venue_symbol
from bot.simex.dialects.binance.public.candles import begin_of, zone_of
from bot.simex.dialects.binance.public.trades import EVERY_MS
from bot.simex.dialects.binance.spot_market import price_text, selected, size_text, symbol_names

_UNITS = {"m": (MINUTE_MS, 59), "h": (HOUR_MS, 23), "d": (DAY_MS, 7)}
_MINI_LEAVES_OUT = ("priceChange", "priceChangePercent", "weightedAvgPrice")
_MOST_PARTS = 1000


def ticker(call: Call) -> Any:
    """Prices of a rolling window that begins at a full minute.

    Raises:
        ApiError: the length of the window is not one that the venue has.
    """
    text = call.params.maybe_text("windowSize") or "1d"
    unit, most = _UNITS.get(text[-1], (0, 0))
    if not text[:-1].isdigit() or not 1 <= int(text[:-1]) <= most:
        raise ApiError(-1130, "Data sent for parameter 'windowSize' is not valid.")
    return _rows(call, window_start(call, int(text[:-1]) * unit), call.now_ms)


def window_start(call: Call, length_ms: int) -> int:
    """Where a rolling window of this length begins: at a full minute."""
    return (call.now_ms - length_ms) // MINUTE_MS * MINUTE_MS


def trading_day(call: Call) -> Any:
    """Prices of the running day of a time zone."""
    start_ms = begin_of(call.now_ms, DAY_MS, zone_of(call))
    return _rows(call, start_ms, start_ms + DAY_MS - 1)


def _rows(call: Call, start_ms: int, close_ms: int) -> Any:
    if "symbol" not in call.params and "symbols" not in call.params:
        raise ApiError(-1128, "Combination of optional parameters invalid.")
    is_mini = (call.params.maybe_text("type") or "FULL") == "MINI"
    rows = [window_row(call, instrument, start_ms, close_ms) for instrument in selected(call)]
    if is_mini:
        rows = [{name: value for name, value in row.items() if name not in _MINI_LEAVES_OUT} for row in rows]
    return rows[0] if "symbol" in call.params else rows


def window_row(call: Call, instrument: Instrument, start_ms: int, close_ms: int) -> Mapping[str, Any]:
    parts = _parts(call, instrument.symbol, start_ms)
    tick, lot = instrument.price_tick, instrument.size_step * instrument.contract_size

    def on_tick(price: float) -> Decimal:
        return max(tick, round(Decimal(repr(price)) / tick) * tick)

    quote = call.exchange.quote(instrument.symbol)
    last = quote.last or quote.mid
    first = next((on_tick(series.opens[0]) for series in parts if series.opens), last)
    value = sum(sum(series.volumes_quote) for series in parts)
    traded = [pair for series in parts for pair in zip(series.volumes_quote, series.closes, strict=True)]
    base = sum(part / close for part, close in traded if close)
    return {
        "symbol": venue_symbol(instrument),
        "priceChange": price_text(instrument, last - first),
        "priceChangePercent": fixed((last - first) / first * 100, Decimal("0.001")),
        "weightedAvgPrice": price_text(instrument, Decimal(repr(value / base)) if base else last),
        "openPrice": price_text(instrument, first),
        "highPrice": price_text(instrument, max((on_tick(p) for part in parts for p in part.highs), default=last)),
        "lowPrice": price_text(instrument, min((on_tick(p) for part in parts for p in part.lows), default=last)),
        "lastPrice": price_text(instrument, last),
        "volume": size_text(instrument, round(Decimal(repr(base)) / lot) * lot if base else ZERO),
        "quoteVolume": fixed(Decimal(repr(value)) if value else ZERO),
        "openTime": start_ms,
        "closeTime": close_ms,
        "firstId": -(-start_ms // EVERY_MS),
        "lastId": call.now_ms // EVERY_MS,
        "count": call.now_ms // EVERY_MS + start_ms // -EVERY_MS + 1,
    }


def _parts(call: Call, symbol: str, start_ms: int) -> tuple[CandleSeries, CandleSeries]:
    """Candles from a full minute to now: minutes up to the first full hour, hours from there."""
    first_ms = max(1, start_ms)
    full_ms = -(-first_ms // HOUR_MS) * HOUR_MS
    minutes = call.exchange.candles(symbol, MINUTE_MS, first_ms, full_ms - 1, _MOST_PARTS)
    return minutes, call.exchange.candles(symbol, HOUR_MS, full_ms, call.now_ms, _MOST_PARTS)


def _weight(params: Params) -> int:
    return min(200, 4 * len(symbol_names(params) or range(1)))


WINDOW_ROUTES: tuple[Route, ...] = (
    public("/api/v3/ticker", ticker, _weight),
    public("/api/v3/ticker/tradingDay", trading_day, _weight),
)
