"""The recorded supply of stablecoins as it was known at a time."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from decimal import Decimal

from bot.domain.durations import DAY_MS
from bot.domain.market import Macro
from bot.ports import Unavailable

STABLECOINS = "stablecoins"
DAYS, AGE_DAYS = 400, 4


class RecordedSupply:
    """A `MacroSource` of one name over (day's start, value) rows, oldest first. A day is known when it is over."""

    names = (STABLECOINS,)

    def __init__(self, rows: Sequence[tuple[int, float]], now_ms: Callable[[], int]) -> None:
        self._starts = [at_ms for at_ms, _ in rows]
        self._values = [Decimal(round(value)) for _, value in rows]
        self._now_ms = now_ms

    async def fetch_macro(self, name: str) -> Macro:
        """What was known at this time of the clock.

        Raises:
            Unavailable: nothing was, or the newest value was too old.
        """
        now_ms = self._now_ms()
        upto = bisect_right(self._starts, now_ms - DAY_MS)
        if not upto or now_ms - self._starts[upto - 1] > AGE_DAYS * DAY_MS:
            raise Unavailable(f"no recorded {name} of {AGE_DAYS} days before")
        within = slice(max(0, upto - DAYS), upto)
        return Macro(name, "stablecoin supply", "USD", tuple(self._starts[within]), tuple(self._values[within]))
