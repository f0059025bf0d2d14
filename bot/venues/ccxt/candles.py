"""Candle rows to a series: the one place of the venues where float() is allowed.

Candles feed indicators; no price or size of an order is ever computed from one.
"""

from collections.abc import Sequence
from typing import Any

from bot.domain.candles import CandleSeries

_OPEN_TIME, _OPEN, _HIGH, _LOW, _CLOSE = 0, 1, 2, 3, 4
_UNREADABLE = (LookupError, TypeError, ValueError, ArithmeticError)


def candles(
    rows: Sequence[Any], *, symbol: str, timeframe_ms: int, now_ms: int, quote_volume_column: int
) -> CandleSeries:
    """Closed candles of rows that begin with time, open, high, low and close; oldest first, each open once. The running
    candle is left out, and rows that cannot be read are: `unread` names them."""
    columns = (_OPEN, _HIGH, _LOW, _CLOSE, quote_volume_column)
    closed, unread = {}, []
    for row in rows:
        start = start_of(row)
        if start is None:
            unread.append(0)
        elif start + timeframe_ms <= now_ms:
            closed[start] = row
    try:
        return _series(closed, columns, symbol, timeframe_ms, unread)
    except _UNREADABLE:
        unread += [start for start, row in closed.items() if not _is_readable(row, columns)]
        kept = {start: row for start, row in closed.items() if _is_readable(row, columns)}
        return _series(kept, columns, symbol, timeframe_ms, unread)


def start_of(row: Any) -> int | None:
    """When a candle opens, None where its row does not say."""
    try:
        return int(row[_OPEN_TIME])
    except _UNREADABLE:
        return None


def _series(
    closed: dict[int, Any], columns: Sequence[int], symbol: str, timeframe_ms: int, unread: Sequence[int]
) -> CandleSeries:
    starts = sorted(closed)
    ordered = [closed[start] for start in starts]
    opens, highs, lows, closes, volumes = (tuple([float(row[column]) for row in ordered]) for column in columns)
    return CandleSeries(symbol, timeframe_ms, tuple(starts), opens, highs, lows, closes, volumes, tuple(unread))


def _is_readable(row: Any, columns: Sequence[int]) -> bool:
    try:
        return all(float(row[column]) >= 0 for column in columns)
    except _UNREADABLE:
        return False
