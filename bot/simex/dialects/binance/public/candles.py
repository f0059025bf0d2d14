"""Candles by interval: Binance's weeks begin on Monday, and its months are those of the calendar."""

from datetime import UTC, datetime
from itertools import groupby

from bot.domain.candles import CandleSeries
from bot.domain.durations import DAY_MS, WEEK_MS
from bot.simex.dialects.binance.common import INTERVALS_MS, Call
from bot.simex.engine.market import PriceKind

MONTH_MS = 30 * DAY_MS
"""Stands for a month: `begin_of` and `end_of` know how long each is."""
LENGTHS_MS = {**INTERVALS_MS, "1M": MONTH_MS}
_MONDAY_MS = 4 * DAY_MS  # the epoch began on a Thursday
_LONGEST_DAYS = 31


def begin_of(at_ms: int, length_ms: int) -> int:
    """When the candle opened that a moment lies in."""
    if length_ms == MONTH_MS:
        day = datetime.fromtimestamp(at_ms / 1000, UTC)
        return int(datetime(day.year, day.month, 1, tzinfo=UTC).timestamp()) * 1000
    return at_ms - (at_ms - (_MONDAY_MS if length_ms == WEEK_MS else 0)) % length_ms


def end_of(start_ms: int, length_ms: int) -> int:
    """When the candle after the one that opens at `start_ms` opens."""
    return begin_of(start_ms + _LONGEST_DAYS * DAY_MS, MONTH_MS) if length_ms == MONTH_MS else start_ms + length_ms


def begin_before(at_ms: int, length_ms: int, count: int) -> int:
    """When the candle opened that is `count` before the one that a moment lies in."""
    start_ms = begin_of(at_ms, length_ms)
    if length_ms != MONTH_MS:
        return start_ms - count * length_ms
    for _ in range(count):
        start_ms = begin_of(start_ms - 1, MONTH_MS)
    return start_ms


def series_of(
    call: Call, symbol: str, length_ms: int, start_ms: int, end_ms: int, limit: int, kind: PriceKind = "last"
) -> CandleSeries:
    """The oldest `limit` candles that open in [start, end], the running one included; weeks and months are made of
    days."""
    exchange = call.exchange
    if length_ms not in (WEEK_MS, MONTH_MS):
        return exchange.candles(symbol, length_ms, start_ms, end_ms, limit, kind)
    first_ms = begin_of(start_ms, length_ms)
    if first_ms < start_ms:
        first_ms = end_of(first_ms, length_ms)
    last_ms = end_of(begin_of(end_ms, length_ms), length_ms) - 1
    days = exchange.candles(symbol, DAY_MS, max(1, first_ms), last_ms, limit * _LONGEST_DAYS, kind)
    return _joined(days, length_ms, limit)


def _joined(days: CandleSeries, length_ms: int, limit: int) -> CandleSeries:
    numbers = groupby(range(len(days)), key=lambda number: begin_of(days.starts_ms[number], length_ms))
    groups = [(start_ms, list(members)) for start_ms, members in numbers][:limit]

    return CandleSeries(
        symbol=days.symbol,
        timeframe_ms=length_ms,
        starts_ms=tuple(start_ms for start_ms, _ in groups),
        opens=tuple(days.opens[members[0]] for _, members in groups),
        highs=tuple(max(days.highs[n] for n in members) for _, members in groups),
        lows=tuple(min(days.lows[n] for n in members) for _, members in groups),
        closes=tuple(days.closes[members[-1]] for _, members in groups),
        volumes_quote=tuple(sum(days.volumes_quote[n] for n in members) for _, members in groups),
    )
