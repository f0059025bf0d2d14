"""Rate limits as Binance keeps them: fixed windows on the wall clock, weight per address, orders per account.

Source: rest-api.md "LIMITS", web-socket-api.md "Rate limits", faqs/order_count_decrement.md, USDⓈ-M general info.
How many requests after a 429 lead to a 418 is not documented; a few do here, so a client that ignores 429 is found.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from bot.domain.durations import DAY_MS

_UNIT_MS = {"SECOND": 1_000, "MINUTE": 60_000, "DAY": DAY_MS}
FIRST_BAN_MS = 2 * 60_000
LONGEST_BAN_MS = 3 * DAY_MS
PATIENCE = 5
WEIGHT_HEADER = "X-MBX-USED-WEIGHT"


@dataclass(frozen=True, slots=True)
class LimitWindow:
    """`limit` units of `kind` (REQUEST_WEIGHT, RAW_REQUESTS or ORDERS) in every `count` `interval`s."""

    kind: str
    interval: str
    count: int
    limit: int

    @property
    def length_ms(self) -> int:
        return _UNIT_MS[self.interval] * self.count

    @property
    def tag(self) -> str:
        """The ending of the headers: 1M, 10S, 1D."""
        return f"{self.count}{self.interval[0]}"

    def scaled(self, scale: Decimal) -> "LimitWindow":
        return LimitWindow(self.kind, self.interval, self.count, max(1, int(self.limit * scale)))


SPOT_IP = (LimitWindow("REQUEST_WEIGHT", "MINUTE", 1, 6000), LimitWindow("RAW_REQUESTS", "MINUTE", 5, 300_000))
SPOT_ORDERS = (LimitWindow("ORDERS", "SECOND", 10, 100), LimitWindow("ORDERS", "DAY", 1, 200_000))
PERP_IP = (LimitWindow("REQUEST_WEIGHT", "MINUTE", 1, 2400),)
PERP_ORDERS = (LimitWindow("ORDERS", "SECOND", 10, 300), LimitWindow("ORDERS", "MINUTE", 1, 1200))
SAPI_IP = (LimitWindow("REQUEST_WEIGHT", "MINUTE", 1, 12_000),)
FUNDING_IP = (LimitWindow("RAW_REQUESTS", "MINUTE", 5, 500),)


@dataclass(frozen=True, slots=True)
class Excess:
    """A refusal for rate: `status` 429 or 418, and when the caller may come back."""

    status: int
    window: LimitWindow
    retry_after_s: int
    until_ms: int


class Counter:
    """One window's use. It starts anew at the multiples of its length since the epoch, whoever asks."""

    def __init__(self, window: LimitWindow) -> None:
        self.window = window
        self._start_ms = 0
        self._used = 0

    def used(self, now_ms: int) -> int:
        start_ms = now_ms - now_ms % self.window.length_ms
        if start_ms != self._start_ms:
            self._start_ms, self._used = start_ms, 0
        return self._used

    def add(self, amount: int, now_ms: int) -> None:
        """Count `amount`, which may be negative; use never falls below 0."""
        self._used = max(0, self.used(now_ms) + amount)

    def end_ms(self, now_ms: int) -> int:
        return now_ms - now_ms % self.window.length_ms + self.window.length_ms


class IpGate:
    """Weight and raw requests per address; those who go on after a 429 are banned, each time for longer."""

    def __init__(
        self,
        windows: Iterable[LimitWindow],
        scale: Decimal = Decimal(1),
        *,
        header: str = WEIGHT_HEADER,
        patience: int = PATIENCE,
    ) -> None:
        self.windows = tuple(window.scaled(scale) for window in windows)
        self._header, self._patience = header, patience
        self._counters: dict[str, tuple[Counter, ...]] = {}
        self._bans: dict[str, tuple[int, int]] = {}
        self._ignored: dict[str, int] = {}

    def admit(self, address: str, weight: int, now_ms: int) -> Excess | None:
        """Charge a request, or say why not. A refused request is charged as well."""
        until_ms, bans = self._bans.get(address, (0, 0))
        if now_ms < until_ms:
            return Excess(418, self.windows[0], _seconds(until_ms - now_ms), until_ms)
        full = None
        for counter in self._of(address):
            counter.add(_units(counter.window, weight), now_ms)
            if counter.used(now_ms) > counter.window.limit:
                full = counter
        if full is None:
            self._ignored.pop(address, None)
            return None
        self._ignored[address] = self._ignored.get(address, 0) + 1
        if self._ignored[address] > self._patience:
            del self._ignored[address]
            length_ms = min(FIRST_BAN_MS * 4**bans, LONGEST_BAN_MS)
            self._bans[address] = (now_ms + length_ms, bans + 1)
            return Excess(418, full.window, _seconds(length_ms), now_ms + length_ms)
        until_ms = full.end_ms(now_ms)
        return Excess(429, full.window, _seconds(until_ms - now_ms), until_ms)

    def refund(self, address: str, weight: int, now_ms: int) -> None:
        """Give weight back: successful spot orders and cancels cost nothing."""
        for counter in self._of(address):
            if counter.window.kind == "REQUEST_WEIGHT":
                counter.add(-weight, now_ms)

    def headers(self, address: str, now_ms: int) -> dict[str, str]:
        used = {c.window.tag: c.used(now_ms) for c in self._of(address) if c.window.kind == "REQUEST_WEIGHT"}
        headers = {f"{self._header}-{tag}": str(count) for tag, count in used.items()}
        return {self._header: next(iter(headers.values())), **headers} if headers else {}

    def _of(self, address: str) -> tuple[Counter, ...]:
        return self._counters.setdefault(address, tuple(Counter(window) for window in self.windows))


class OrderGate:
    """Orders per account, over all its keys and addresses. Spot gives counts back when an order first fills."""

    def __init__(self, windows: Iterable[LimitWindow], scale: Decimal = Decimal(1)) -> None:
        self.windows = tuple(window.scaled(scale) for window in windows)
        self._counters: dict[str, tuple[Counter, ...]] = {}

    def excess(self, account: str, now_ms: int) -> Excess | None:
        """Why another order may not come in now, or None. Counts nothing."""
        for counter in self._of(account):
            if counter.used(now_ms) >= counter.window.limit:
                until_ms = counter.end_ms(now_ms)
                return Excess(429, counter.window, _seconds(until_ms - now_ms), until_ms)
        return None

    def add(self, account: str, now_ms: int, orders: int = 1) -> None:
        """Count accepted orders; negative for first fills."""
        for counter in self._of(account):
            counter.add(orders, now_ms)

    def used(self, account: str, now_ms: int) -> tuple[tuple[LimitWindow, int], ...]:
        return tuple((counter.window, counter.used(now_ms)) for counter in self._of(account))

    def headers(self, account: str, now_ms: int) -> dict[str, str]:
        return {f"X-MBX-ORDER-COUNT-{window.tag}": str(used) for window, used in self.used(account, now_ms)}

    def _of(self, account: str) -> tuple[Counter, ...]:
        return self._counters.setdefault(account, tuple(Counter(window) for window in self.windows))


def _units(window: LimitWindow, weight: int) -> int:
    return weight if window.kind == "REQUEST_WEIGHT" else 1


def _seconds(milliseconds: int) -> int:
    return max(1, -(-milliseconds // 1000))
