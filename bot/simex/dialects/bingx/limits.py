"""Rate limits as BingX keeps them: rolling windows of an address, and of an account on an endpoint per second.

Source: BingX API documentation. What is too much is answered with HTTP 200 and code 100410, and no header says when
there is room again.
"""

from collections import deque
from decimal import Decimal

from bot.domain.durations import SECOND_MS

ADDRESS_LIMIT, ADDRESS_WINDOW_MS = 500, 10_000


class _Window:
    """`limit` requests in any `window_ms`."""

    def __init__(self, limit: int, window_ms: int) -> None:
        self._limit, self._window_ms = limit, window_ms
        self._times: deque[int] = deque()

    def admit(self, now_ms: int) -> bool:
        """Count a request, unless the window is full."""
        while self._times and now_ms - self._times[0] >= self._window_ms:
            self._times.popleft()
        if len(self._times) >= self._limit:
            return False
        self._times.append(now_ms)
        return True


class BingxLimits:
    """Both kinds of limits. `scale` multiplies them."""

    def __init__(self, scale: Decimal = Decimal(1)) -> None:
        self._scale = scale
        self._windows: dict[tuple[str, str], _Window] = {}

    def admit_address(self, address: str, now_ms: int) -> bool:
        return self._admit("", address, ADDRESS_LIMIT, ADDRESS_WINDOW_MS, now_ms)

    def admit(self, account: str, endpoint: str, per_second: int, now_ms: int) -> bool:
        return per_second == 0 or self._admit(account, endpoint, per_second, SECOND_MS, now_ms)

    def _admit(self, who: str, what: str, limit: int, window_ms: int, now_ms: int) -> bool:
        scaled = max(1, int(limit * self._scale))
        return self._windows.setdefault((who, what), _Window(scaled, window_ms)).admit(now_ms)
