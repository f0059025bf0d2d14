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
    ordered = [closed[start] for start in sorted(closed)]
    return CandleSeries(
        symbol=symbol,
        timeframe_ms=timeframe_ms,
        starts_ms=tuple(int(row[_OPEN_TIME]) for row in ordered),
        opens=tuple(float(row[_OPEN]) for row in ordered),
        highs=tuple(float(row[_HIGH]) for row in ordered),
        lows=tuple(float(row[_LOW]) for row in ordered),
        closes=tuple(float(row[_CLOSE]) for row in ordered),
        volumes_quote=tuple(float(row[_QUOTE_VOLUME]) for row in ordered),
    )
