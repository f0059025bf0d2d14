"""Candles by interval: Binance's weeks begin on Monday, its months are those of the calendar, and spot's candles begin
by the clock of a time zone where one is named."""

import re
from datetime import UTC, datetime
from itertools import groupby
from math import gcd

from bot.domain.candles import CandleSeries
from bot.domain.durations import DAY_MS, HOUR_MS, MINUTE_MS, WEEK_MS
from bot.simex.dialects.binance.common import INTERVALS_MS, ApiError, Call
from bot.simex.engine.market import PriceKind

MONTH_MS = 30 * DAY_MS
"""Stands for a month: `begin_of` and `end_of` know how long each is."""
LENGTHS_MS = {**INTERVALS_MS, "1M": MONTH_MS}
_MONDAY_MS = 4 * DAY_MS  # the epoch began on a Thursday
_LONGEST_DAYS = 31
_ZONE = re.compile(r"([+-]?)(\d{1,2})(?::([0-5]\d))?")
_EARLIEST_MS, _LATEST_MS = -12 * HOUR_MS, 14 * HOUR_MS


def zone_of(call: Call) -> int:
    """How far ahead of UTC the time zone is that `timeZone` names (`8`, `-1:00`, `05:45`), in milliseconds.

    Raises:
        ApiError: it names none from -12:00 to 14:00.
    """
    match = _ZONE.fullmatch(call.params.maybe_text("timeZone") or "0")
    if match is not None:
        offset_ms = int(match[2]) * HOUR_MS + int(match[3] or 0) * MINUTE_MS
        offset_ms = -offset_ms if match[1] == "-" else offset_ms
        if _EARLIEST_MS <= offset_ms <= _LATEST_MS:
            return offset_ms
    raise ApiError(-1130, "Data sent for parameter 'timeZone' is not valid.")


def begin_of(at_ms: int, length_ms: int, zone_ms: int = 0) -> int:
    """When the candle opened that a moment lies in, by the clock of a time zone."""
    local_ms = at_ms + zone_ms
    if length_ms == MONTH_MS:
        day = datetime.fromtimestamp(local_ms / 1000, UTC)
        return int(datetime(day.year, day.month, 1, tzinfo=UTC).timestamp()) * 1000 - zone_ms
    return at_ms - (local_ms - (_MONDAY_MS if length_ms == WEEK_MS else 0)) % length_ms


def end_of(start_ms: int, length_ms: int, zone_ms: int = 0) -> int:
    """When the candle after the one that opens at `start_ms` opens."""
    if length_ms == MONTH_MS:
        return begin_of(start_ms + _LONGEST_DAYS * DAY_MS, MONTH_MS, zone_ms)
    return start_ms + length_ms


def begin_before(at_ms: int, length_ms: int, count: int, zone_ms: int = 0) -> int:
    """When the candle opened that is `count` before the one that a moment lies in."""
    start_ms = begin_of(at_ms, length_ms, zone_ms)
    if length_ms != MONTH_MS:
        return start_ms - count * length_ms
    for _ in range(count):
        start_ms = begin_of(start_ms - 1, MONTH_MS, zone_ms)
    return start_ms


def series_of(
    call: Call,
    symbol: str,
    length_ms: int,
    start_ms: int,
    end_ms: int,
    limit: int,
    kind: PriceKind = "last",
    zone_ms: int = 0,
) -> CandleSeries:
    """The oldest `limit` candles that open in [start, end], the running one included. Weeks, months and those that open
    at other times than in UTC are made of shorter ones."""
    exchange, is_calendar = call.exchange, length_ms in (WEEK_MS, MONTH_MS)
    if not is_calendar and zone_ms % length_ms == 0:
        return exchange.candles(symbol, length_ms, start_ms, end_ms, limit, kind)
    part_ms = gcd(DAY_MS if is_calendar else length_ms, zone_ms)
    first_ms = begin_of(start_ms, length_ms, zone_ms)
    if first_ms < start_ms:
        first_ms = end_of(first_ms, length_ms, zone_ms)
    last_ms = end_of(begin_of(end_ms, length_ms, zone_ms), length_ms, zone_ms) - 1
    most = limit * (_LONGEST_DAYS * DAY_MS if is_calendar else length_ms) // part_ms
    parts = exchange.candles(symbol, part_ms, max(1, first_ms), last_ms, most, kind)
    return _joined(parts, length_ms, limit, zone_ms)


def _joined(parts: CandleSeries, length_ms: int, limit: int, zone_ms: int) -> CandleSeries:
    numbers = groupby(range(len(parts)), key=lambda number: begin_of(parts.starts_ms[number], length_ms, zone_ms))
    groups = [(start_ms, list(members)) for start_ms, members in numbers][:limit]

    return CandleSeries(
        symbol=parts.symbol,
        timeframe_ms=length_ms,
        starts_ms=tuple(start_ms for start_ms, _ in groups),
        opens=tuple(parts.opens[members[0]] for _, members in groups),
        highs=tuple(max(parts.highs[n] for n in members) for _, members in groups),
        lows=tuple(min(parts.lows[n] for n in members) for _, members in groups),
        closes=tuple(parts.closes[members[-1]] for _, members in groups),
        volumes_quote=tuple(sum(parts.volumes_quote[n] for n in members) for _, members in groups),
    )
