"""Open interest, one request for each perp at most venues: asked again when a reading has become old.

What is read from it reaches over days, and with one request a perp it would be most of what a cycle asks.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from bot.domain.durations import MINUTE_MS
from bot.domain.market import OpenInterest
from bot.feeds.concurrent_fetch import Answers, gather_each

INTEREST_EVERY_MS = 30 * MINUTE_MS


@dataclass(slots=True)
class InterestCache:
    """The newest reading of each symbol, with the time at which it was asked for. A reading that cannot be used, and
    one that failed, are asked for again by the next cycle."""

    _asked: dict[str, tuple[int, OpenInterest]] = field(default_factory=dict)

    async def refresh(
        self,
        fetch: Callable[[str], Awaitable[OpenInterest]],
        symbols: Sequence[str],
        now_ms: int,
        *,
        every_ms: int,
        deadline_ms: int,
        at_once: int,
    ) -> Answers[OpenInterest]:
        """Readings that are at most `every_ms` old, in the order of `symbols`, and what is missing. Symbols that are
        no longer wanted are forgotten."""
        known = {s: self._asked[s] for s in symbols if s in self._asked and 0 <= now_ms - self._asked[s][0] < every_ms}
        due = [symbol for symbol in symbols if symbol not in known]
        fresh, missing = await gather_each("open interest", due, fetch, deadline_ms=deadline_ms, at_once=at_once)
        sound = {symbol: (now_ms, reading) for symbol, reading in fresh.items() if interest_defect(reading) is None}
        self._asked = known | sound
        readings = {symbol: reading for symbol, (_, reading) in known.items()} | fresh
        return {symbol: readings[symbol] for symbol in symbols if symbol in readings}, missing


def interest_defect(interest: OpenInterest) -> str | None:
    """Why a reading cannot be used, None for a sound one."""
    is_sound = interest.value_quote.is_finite() and interest.value_quote >= 0
    return None if is_sound else f"value is {interest.value_quote}"
