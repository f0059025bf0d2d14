"""Candle rows to a series: the one place of the venues where float() is allowed.

Candles feed indicators; no price or size of an order is ever computed from one.
"""

from collections.abc import Sequence
from typing import Any

from bot.domain.candles import CandleSeries

_OPEN_TIME, _OPEN, _HIGH, _LOW, _CLOSE, _QUOTE_VOLUME = 0, 1, 2, 3, 4, 7


def candles(rows: Sequence[Sequence[Any]], *, symbol: str, timeframe_ms: int, now_ms: int) -> CandleSeries:
    """Closed candles of Binance kline rows, oldest first, each open once; the running candle is dropped."""
    closed = {int(row[_OPEN_TIME]): row for row in rows if int(row[_OPEN_TIME]) + timeframe_ms <= now_ms}
    starts = sorted(closed)
    ordered = [closed[start] for start in starts]
    opens, highs, lows, closes, volumes = (
        tuple([float(row[column]) for row in ordered]) for column in (_OPEN, _HIGH, _LOW, _CLOSE, _QUOTE_VOLUME)
    )
    return CandleSeries(symbol, timeframe_ms, tuple(starts), opens, highs, lows, closes, volumes)
