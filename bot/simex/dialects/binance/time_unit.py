"""Spot's header X-MBX-TIME-UNIT: times of a reply in microseconds where the caller asks for them."""

from collections.abc import Mapping
from typing import Any

from bot.simex.dialects.binance.common import ApiError

HEADER = "x-mbx-time-unit"
_UNITS = {"MILLISECOND": 1, "MICROSECOND": 1000}
_TIMES = frozenset(
    (
        *("time", "serverTime", "updateTime", "transactTime", "workingTime", "openTime", "closeTime"),
        *("transactionTime", "trailingTime", "T", "E"),
    )
)
_CANDLES = ("/api/v3/klines", "/api/v3/uiKlines")


def factor_of(headers: Mapping[str, str]) -> int:
    """How many of the asked units a millisecond has.

    Raises:
        ApiError: -1194 for an unknown unit.
    """
    unit = headers.get(HEADER, "MILLISECOND").upper()
    if unit not in _UNITS:
        raise ApiError(-1194, "Invalid value for time unit; expected either MICROSECOND or MILLISECOND.")
    return _UNITS[unit]


def in_unit(path: str, content: Any, factor: int) -> Any:
    """The reply with its times in the asked unit."""
    if factor == 1:
        return content
    if path in _CANDLES:  # the last unit before the next candle
        return [[row[0] * factor, *row[1:6], (row[6] + 1) * factor - 1, *row[7:]] for row in content]
    return _converted(content, factor)


def _converted(content: Any, factor: int) -> Any:
    if isinstance(content, Mapping):
        return {name: _field(name, value, factor) for name, value in content.items()}
    return [_converted(part, factor) for part in content] if isinstance(content, list) else content


def _field(name: str, value: Any, factor: int) -> Any:
    if name in _TIMES and isinstance(value, int):
        return value * factor if value > 0 else value
    return _converted(value, factor)
