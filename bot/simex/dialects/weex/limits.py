"""Rate limits as WEEX keeps them: weight of an address and of an account in ten seconds, orders and cancels of an
account in a minute.

Source: WEEX API documentation v3 (2026-04) and its questions and answers. No header says what is left; what is too much
is answered with HTTP 429.
"""

from collections import deque
from decimal import Decimal

from bot.domain.durations import MINUTE_MS

WEIGHT, WINDOW_MS = 500, 10_000
COUNTS = {
    "spot order": (100, MINUTE_MS),
    "spot cancel": (80, WINDOW_MS),
    "perp order": (50, MINUTE_MS),
    "perp cancel": (50, MINUTE_MS),
}


class _Window:
    """`limit` units in any `window_ms`."""

    def __init__(self, limit: int, window_ms: int) -> None:
        self._limit, self._window_ms = limit, window_ms
        self._spent: deque[tuple[int, int]] = deque()
        self._used = 0

    def admit(self, units: int, now_ms: int) -> bool:
        """Count the units, unless the window has no room for them."""
        while self._spent and now_ms - self._spent[0][0] >= self._window_ms:
            self._used -= self._spent.popleft()[1]
        if self._used + units > self._limit:
            return False
        self._spent.append((now_ms, units))
        self._used += units
        return True


class WeexLimits:
    """All of them. `scale` multiplies them."""

    def __init__(self, scale: Decimal = Decimal(1)) -> None:
        self._scale = scale
        self._windows: dict[tuple[str, str], _Window] = {}

    def admit_weight(self, who: str, weight: int, now_ms: int) -> bool:
        """Count a request of an address or an account."""
        return self._admit(who, "", WEIGHT, WINDOW_MS, weight, now_ms)

    def admit_write(self, account: str, name: str, now_ms: int) -> bool:
        """Count an order or a cancel; `name` is empty for what is neither."""
        if not name:
            return True
        limit, window_ms = COUNTS[name]
        return self._admit(account, name, limit, window_ms, 1, now_ms)

    def _admit(self, who: str, what: str, limit: int, window_ms: int, units: int, now_ms: int) -> bool:
        scaled = max(1, int(limit * self._scale))
        return self._windows.setdefault((who, what), _Window(scaled, window_ms)).admit(units, now_ms)
