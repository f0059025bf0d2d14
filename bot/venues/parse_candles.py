"""Candle rows to a series: the one place of the venues where float() is allowed.

Candles feed indicators; no price or size of an order is ever computed from one.
"""

from collections.abc import Sequence
from typing import Any

from bot.domain.candles import CandleSeries

_OPEN_TIME, _OPEN, _HIGH, _LOW, _CLOSE, _QUOTE_VOLUME = 0, 1, 2, 3, 4, 7
_COLUMNS = (_OPEN, _HIGH, _LOW, _CLOSE, _QUOTE_VOLUME)
_UNREADABLE = (LookupError, TypeError, ValueError, ArithmeticError)


def candles(rows: Sequence[Any], *, symbol: str, timeframe_ms: int, now_ms: int) -> CandleSeries:
    """Closed candles of Binance kline rows, oldest first, each open once; the running candle and rows that cannot be
    read are left out."""
    closed = {}
    for row in rows:
        start = start_of(row)
        if start is not None and start + timeframe_ms <= now_ms:
            closed[start] = row
    try:
        return _series(closed, symbol, timeframe_ms)
    except _UNREADABLE:
        return _series({start: row for start, row in closed.items() if _is_readable(row)}, symbol, timeframe_ms)


def start_of(row: Any) -> int | None:
    """When a candle opens, None where its row does not say."""
    try:
        return int(row[_OPEN_TIME])
    except _UNREADABLE:
        return None


def _series(closed: dict[int, Any], symbol: str, timeframe_ms: int) -> CandleSeries:
    starts = sorted(closed)
    ordered = [closed[start] for start in starts]
    opens, highs, lows, closes, volumes = (tuple([float(row[column]) for row in ordered]) for column in _COLUMNS)
    return CandleSeries(symbol, timeframe_ms, tuple(starts), opens, highs, lows, closes, volumes)


def _is_readable(row: Any) -> bool:
    try:
        return all(float(row[column]) >= 0 for column in _COLUMNS)
    except _UNREADABLE:
        return False
