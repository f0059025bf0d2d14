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
    """Closed candles of Binance kline rows, oldest first, each open once. The running candle is left out, and rows that
    cannot be read are: `unread` names them."""
    closed, unread = {}, []
    for row in rows:
        start = start_of(row)
        if start is None:
            unread.append(0)
        elif start + timeframe_ms <= now_ms:
            closed[start] = row
    try:
        return _series(closed, symbol, timeframe_ms, unread)
    except _UNREADABLE:
        unread += [start for start, row in closed.items() if not _is_readable(row)]
        kept = {start: row for start, row in closed.items() if _is_readable(row)}
        return _series(kept, symbol, timeframe_ms, unread)


def start_of(row: Any) -> int | None:
    """When a candle opens, None where its row does not say."""
    try:
        return int(row[_OPEN_TIME])
    except _UNREADABLE:
        return None


def _series(closed: dict[int, Any], symbol: str, timeframe_ms: int, unread: Sequence[int]) -> CandleSeries:
    starts = sorted(closed)
    ordered = [closed[start] for start in starts]
    opens, highs, lows, closes, volumes = (tuple([float(row[column]) for row in ordered]) for column in _COLUMNS)
    return CandleSeries(symbol, timeframe_ms, tuple(starts), opens, highs, lows, closes, volumes, tuple(unread))


def _is_readable(row: Any) -> bool:
    try:
        return all(float(row[column]) >= 0 for column in _COLUMNS)
    except _UNREADABLE:
        return False
