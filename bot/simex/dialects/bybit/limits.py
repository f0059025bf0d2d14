"""Rate limits as Bybit keeps them: rolling windows, a ban of an address, and headers with what an account has left.

Source: Bybit v5 documentation, "Rate limit". Six hundred requests in five seconds are an address's; more are answered
with 403, and the address has to be silent for ten minutes. Limits of an account are per endpoint and second.
"""

from collections import deque
from decimal import Decimal

from bot.domain.durations import SECOND_MS

ADDRESS_LIMIT, ADDRESS_WINDOW_MS, BAN_MS = 600, 5_000, 600_000


class Rolling:
    """`limit` requests in any `window_ms`."""

    def __init__(self, limit: int, window_ms: int) -> None:
        self.limit, self._window_ms = limit, window_ms
        self._times: deque[int] = deque()

    def admit(self, now_ms: int) -> bool:
        """Count a request, unless the window is full."""
        while self._times and now_ms - self._times[0] >= self._window_ms:
            self._times.popleft()
        if len(self._times) >= self.limit:
            return False
        self._times.append(now_ms)
        return True

    @property
    def left(self) -> int:
        return self.limit - len(self._times)

    def free_ms(self, now_ms: int) -> int:
        """When there is room again."""
        return self._times[0] + self._window_ms if self.left <= 0 else now_ms


class BybitLimits:
    """Both kinds of limits. `scale` multiplies them."""

    def __init__(self, scale: Decimal = Decimal(1)) -> None:
        self._scale = scale
        self._addresses: dict[str, Rolling] = {}
        self._banned_ms: dict[str, int] = {}
        self._endpoints: dict[tuple[str, str], Rolling] = {}

    def is_banned(self, address: str, now_ms: int) -> bool:
        """Count a request of an address; whether it is shut out, from this request on or since before."""
        if now_ms < self._banned_ms.get(address, 0):
            return True
        limit = max(1, int(ADDRESS_LIMIT * self._scale))
        if self._addresses.setdefault(address, Rolling(limit, ADDRESS_WINDOW_MS)).admit(now_ms):
            return False
        self._banned_ms[address] = now_ms + BAN_MS
        return True

    def admit(self, account: str, path: str, per_second: int, now_ms: int) -> tuple[bool, dict[str, str]]:
        """Whether an account may ask an endpoint now, and the headers that say what is left."""
        limit = max(1, int(per_second * self._scale))
        rolling = self._endpoints.setdefault((account, path), Rolling(limit, SECOND_MS))
        is_admitted = rolling.admit(now_ms)
        headers = {
            "X-Bapi-Limit": str(rolling.limit),
            "X-Bapi-Limit-Status": str(max(0, rolling.left)),
            "X-Bapi-Limit-Reset-Timestamp": str(rolling.free_ms(now_ms)),
        }
        return is_admitted, headers
