"""Rate limits: weighted sliding windows, two lanes, one gate per market.

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
BULK_SHARE = Decimal("0.8")
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
    """One limit: all of it for critical requests, a share for bulk ones.

    The share's own window is the venue's, not the longer one: whole windows are kept by `total`, and a critical request
    that meets bulk ones of the window before waits for the spread at most.
    """

    def __init__(self, spec: BucketSpec, spread_s: float, share: Decimal, clock: Callable[[], float]) -> None:
        period_s = spec.period_ms / 1000 + spread_s
        self.spec = spec
        self.total = WeightedThrottler(spec.limit, period_s, clock=clock)
        self.bulk = WeightedThrottler(max(1, int(spec.limit * share)), spec.period_ms / 1000, clock=clock)

    def wait_for(self, cost: int, lane: Lane) -> float:
        wait = self.total.wait_for(cost)
        return wait if lane is Lane.CRITICAL else max(wait, self.bulk.wait_for(cost))

    def take(self, cost: int, lane: Lane) -> None:
        self.total.take(cost)
        if lane is Lane.BULK:
            self.bulk.take(cost)

    def sync(self, used: int) -> None:
        missing = used - self.total.used
        if missing > 0:
            self.total.take(missing)
            self.bulk.take(missing)


class Gate:
    """All limits of one market. A request is admitted by every bucket at one instant: no stamp is older than its send.

    Lanes are first come, first served in themselves; nobody in the bulk lane is admitted while a critical one waits.
    """

    def __init__(
        self,
        specs: Sequence[BucketSpec],
        *,
        spread_ms: int = 1_000,
        bulk_share: Decimal = BULK_SHARE,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._buckets = {spec.name: _Bucket(spec, spread_ms / 1000, bulk_share, clock) for spec in specs}
        self._clock, self._sleep = clock, sleep
        self._turns = {lane: asyncio.Lock() for lane in Lane}
        self._urgent = 0
        self._calm = asyncio.Event()
        self._calm.set()
        self._held_until = self._critical_until = clock()

    @property
    def held_s(self) -> float:
        """Seconds for which the venue has asked us to be silent."""
        return max(0.0, self._held_until - self._clock())

    def held_for(self, lane: Lane) -> float:
        """Seconds for which a lane sends nothing because of that."""
        return self.held_s if lane is Lane.BULK else max(0.0, self._critical_until - self._clock())

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
        if lane is Lane.CRITICAL:
            await self._admit_critical(costs)
        else:
            await self._admit_bulk(costs)

    async def _admit_critical(self, costs: Mapping[str, int]) -> None:
        self._urgent += 1
        self._calm.clear()
        try:
            async with self._turns[Lane.CRITICAL]:
                while (wait := self._wait_for(costs, Lane.CRITICAL)) > 0:
                    await self._sleep(wait)
                self._take(costs, Lane.CRITICAL)
        finally:
            self._urgent -= 1
            if not self._urgent:
                self._calm.set()

    async def _admit_bulk(self, costs: Mapping[str, int]) -> None:
        async with self._turns[Lane.BULK]:
            while True:
                if self._urgent:
                    await self._calm.wait()
                elif (wait := self._wait_for(costs, Lane.BULK)) > 0:
                    await self._sleep(wait)
                else:
                    break
            self._take(costs, Lane.BULK)

    def _wait_for(self, costs: Mapping[str, int], lane: Lane) -> float:
        waits = [self._buckets[name].wait_for(cost, lane) for name, cost in costs.items()]
        return max([self.held_for(lane), *waits])

    def _take(self, costs: Mapping[str, int], lane: Lane) -> None:
        if lane is Lane.CRITICAL and self.held_s:
            self._critical_until = self._clock() + CRITICAL_PACE_S
        for name, cost in costs.items():
            self._buckets[name].take(cost, lane)
