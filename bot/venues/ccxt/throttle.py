"""Rate limits: weighted sliding windows, three lanes, one gate per market.

asyncio-throttle supplies the window; weights, order of arrival, the exact wait and an injected clock are added here.
Windows are lengthened by the latency spread, because the venue counts arrivals and we stamp departures: head-room on
the count does not help there, a longer window does.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal

from asyncio_throttle.throttler import Throttler

from bot.ports import Lane
from bot.venues.ccxt.profile import BucketSpec

_HAIR_S = 1e-4
SHARES: Mapping[Lane, Decimal] = {Lane.GUARD: Decimal("0.95"), Lane.BULK: Decimal("0.8")}
"""What the less urgent lanes may use of a limit, each together with those after it."""
_URGENT = tuple(Lane)
CRITICAL_HOLD_S, CRITICAL_PACE_S = 60.0, 1.0


class WeightedThrottler(Throttler):
    """`rate_limit` units in any window of `period` seconds, first come first served."""

    def __init__(
        self,
        limit: int,
        period_s: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        super().__init__(limit, period_s)
        self._clock, self._sleep, self._turn = clock, sleep, asyncio.Lock()

    def flush(self) -> None:
        """Forget the units that have left the window."""
        now = self._clock()
        while self._task_logs and now - self._task_logs[0] > self.period:
            self._task_logs.popleft()

    @property
    def used(self) -> int:
        """Units inside the window now."""
        self.flush()
        return len(self._task_logs)

    def wait_for(self, cost: int) -> float:
        """Seconds until `cost` units fit; 0 when they fit now.

        Raises:
            ValueError: when they never will.
        """
        if cost > self.rate_limit:
            raise ValueError(f"a request of {cost} units never fits a limit of {self.rate_limit}")
        over = self.used + cost - self.rate_limit
        if cost <= 0 or over <= 0:
            return 0.0
        return max(_HAIR_S, float(self._task_logs[over - 1] + self.period - self._clock() + _HAIR_S))

    def take(self, cost: int) -> None:
        """Count `cost` units as used now."""
        self._task_logs.extend([self._clock()] * cost)

    async def acquire(self, cost: int = 1) -> None:
        """Wait until `cost` units fit, in order of arrival, and take them."""
        async with self._turn:
            while (wait := self.wait_for(cost)) > 0:
                await self._sleep(wait)
            self.take(cost)


class _Bucket:
    """One limit: all of it for critical requests, a share for those of other lanes.

    The shares' own window is the venue's, not the longer one: whole windows are kept by `total`, and a critical request
    that meets others of the window before waits for the spread at most.
    """

    def __init__(self, spec: BucketSpec, spread_s: float, clock: Callable[[], float]) -> None:
        window_s = spec.period_ms / 1000
        self.spec = spec
        self.total = WeightedThrottler(spec.limit, window_s + spread_s, clock=clock)
        self._shares = {
            lane: WeightedThrottler(units, window_s, clock=clock) for lane, units in shares_of(spec.limit).items()
        }

    def wait_for(self, cost: int, lane: Lane) -> float:
        wait = self.total.wait_for(cost)
        return max([wait, *(share.wait_for(cost) for share in self._shares_of(lane))])

    def take(self, cost: int, lane: Lane) -> None:
        self.total.take(cost)
        for share in self._shares_of(lane):
            share.take(cost)

    def sync(self, used: int) -> None:
        missing = used - self.total.used
        if missing > 0:
            self.take(missing, Lane.BULK)

    def _shares_of(self, lane: Lane) -> Sequence[WeightedThrottler]:
        """The shares that a request of the lane counts in: its own and those of more urgent ones."""
        return [share for one, share in self._shares.items() if _URGENT.index(one) <= _URGENT.index(lane)]


def shares_of(limit: int) -> Mapping[Lane, int]:
    """What the less urgent lanes may use of a limit: each keeps a unit before those after it, if it has two."""
    found, above = {}, limit + 1
    for lane, share in SHARES.items():
        found[lane] = above = max(1, min(int(limit * share), above - 1))
    return found


class Gate:
    """All limits of one market. A request is admitted by every bucket at one instant: no stamp is older than its send.

    Lanes are first come, first served in themselves; nobody is admitted while a request of a more urgent lane waits.
    """

    def __init__(
        self,
        specs: Sequence[BucketSpec],
        *,
        spread_ms: int = 1_000,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._buckets = {spec.name: _Bucket(spec, spread_ms / 1000, clock) for spec in specs}
        self._clock, self._sleep = clock, sleep
        self._turns = {lane: asyncio.Lock() for lane in Lane}
        self._waiting = dict.fromkeys(Lane, 0)
        self._calm = {lane: asyncio.Event() for lane in Lane}
        self._held_until = self._critical_until = clock()

    @property
    def held_s(self) -> float:
        """Seconds for which the venue has asked us to be silent."""
        return max(0.0, self._held_until - self._clock())

    def held_for(self, lane: Lane) -> float:
        """Seconds for which a lane sends nothing because of that."""
        return max(0.0, self._critical_until - self._clock()) if lane is Lane.CRITICAL else self.held_s

    def hold(self, seconds: float, *, is_ban: bool = True) -> None:
        """Admit nobody for that long: the venue has said 429 or 418. A ban holds every request. Short of a ban,
        critical requests wait a minute, which outlasts every window of the venues, and then go on one by one."""
        now = self._clock()
        self._held_until = max(self._held_until, now + seconds)
        critical_s = seconds if is_ban else min(seconds, CRITICAL_HOLD_S)
        self._critical_until = max(self._critical_until, now + critical_s)

    def sync(self, bucket: str, used: int) -> None:
        """The venue has counted `used` units: adopt what we did not know of."""
        self._buckets[bucket].sync(used)

    def loads(self) -> Mapping[str, tuple[int, int]]:
        """Units used and the limit, by bucket."""
        return {name: (bucket.total.used, bucket.spec.limit) for name, bucket in self._buckets.items()}

    async def admit(self, costs: Mapping[str, int], lane: Lane) -> None:
        """Wait until every bucket has room, then take from all of them.

        Raises:
            ValueError: when a cost is larger than its whole limit.
        """
        self._wait(lane, 1)
        try:
            async with self._turns[lane]:
                while True:
                    if self._has_more_urgent(lane):
                        await self._calm[lane].wait()
                    elif (wait := self._wait_for(costs, lane)) > 0:
                        await self._sleep(wait)
                    else:
                        break
                self._take(costs, lane)
        finally:
            self._wait(lane, -1)

    def _wait(self, lane: Lane, count: int) -> None:
        """One more request of a lane waits, or one less; less urgent ones go on when none does."""
        self._waiting[lane] += count
        for one, calm in self._calm.items():
            (calm.clear if self._has_more_urgent(one) else calm.set)()

    def _has_more_urgent(self, lane: Lane) -> bool:
        return any(self._waiting[one] for one in _URGENT[: _URGENT.index(lane)])

    def _wait_for(self, costs: Mapping[str, int], lane: Lane) -> float:
        waits = [self._buckets[name].wait_for(cost, lane) for name, cost in costs.items()]
        return max([self.held_for(lane), *waits])

    def _take(self, costs: Mapping[str, int], lane: Lane) -> None:
        if lane is Lane.CRITICAL and self.held_s:
            self._critical_until = self._clock() + CRITICAL_PACE_S
        for name, cost in costs.items():
            self._buckets[name].take(cost, lane)
