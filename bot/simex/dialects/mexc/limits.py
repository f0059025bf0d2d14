"""Rate limits as MEXC keeps them: of each endpoint by itself, in rolling windows.

Source: MEXC API documentation. Spot counts weight and refuses with 429, then with 418; perps count requests and refuse
with HTTP 200 and a code.
"""

from collections import deque
from decimal import Decimal

from bot.domain.durations import MINUTE_MS, SECOND_MS

SPOT_WEIGHT, SPOT_WINDOW_MS = 500, 10 * SECOND_MS
PERP_REQUESTS, PERP_WINDOW_MS = 20, 2 * SECOND_MS
BAN_AFTER, BAN_MS = 10, 2 * MINUTE_MS
"""So many requests over the limit without a pause shut the account's address out, for so long."""


class _Window:
    """`limit` units in any `window_ms`."""

    def __init__(self, limit: int, window_ms: int) -> None:
        self._limit, self._window_ms = limit, window_ms
        self._taken: deque[tuple[int, int]] = deque()
        self._used = 0

    def admit(self, units: int, now_ms: int) -> bool:
        """Count a request, unless the window is full."""
        while self._taken and now_ms - self._taken[0][0] >= self._window_ms:
            self._used -= self._taken.popleft()[1]
        if self._used + units > self._limit:
            return False
        self._taken.append((now_ms, units))
        self._used += units
        return True


class MexcLimits:
    """Both kinds of limits, and bans of those who go on. `scale` multiplies them."""

    def __init__(self, scale: Decimal = Decimal(1)) -> None:
        self._scale = scale
        self._windows: dict[tuple[str, str], _Window] = {}
        self._refused: dict[str, int] = {}
        self._banned_until: dict[str, int] = {}

    def banned_s(self, address: str, now_ms: int) -> int:
        """Seconds until an address is answered again, 0 where it is answered."""
        return max(0, -(-(self._banned_until.get(address, 0) - now_ms) // 1_000))

    def admit(self, who: str, endpoint: str, units: int, limit: int, window_ms: int, address: str, now_ms: int) -> bool:
        scaled = max(units, int(limit * self._scale))
        window = self._windows.setdefault((who, endpoint), _Window(scaled, window_ms))
        if window.admit(units, now_ms):
            self._refused.pop(address, None)
            return True
        self._refused[address] = self._refused.get(address, 0) + 1
        if self._refused[address] >= BAN_AFTER:
            self._banned_until[address] = now_ms + BAN_MS
            self._refused.pop(address)
        return False
