"""Proof of absence at a venue where one list alone shows a resting order, and that list may lag.

Two answers without the order prove nothing then, whatever their distance from the order's quiet period. The list proves
absence by something newer than the order can be, or by an age that no list reaches.
"""

from collections.abc import Callable, Iterable
from typing import Any

from bot.domain.durations import MINUTE_MS
from bot.venues.ccxt.rows import Row, read_each

SOLE_LAG_MS = 90 * MINUTE_MS  # how far behind a list may be: an hour and more has to be survived


def proves_absence(*, until_ms: int, newest_ms: int, asked_ms: int) -> bool:
    """Whether an order that the list lacks does not exist.

    Args:
        until_ms: the venue can have made the order no later.
        newest_ms: of what the list shows, the latest that happened; 0 where it shows nothing.
        asked_ms: when the list was asked for, by the venue's clock.
    """
    return newest_ms > until_ms or asked_ms > until_ms + SOLE_LAG_MS


def newest_ms(listed: Iterable[Any], changed_ms: Callable[[Row], int]) -> int:
    """When the latest order of a list was made or changed, by what the venue's rows say; 0 where no row says it."""
    return max(read_each("times of orders", listed, changed_ms, "", []), default=0)
