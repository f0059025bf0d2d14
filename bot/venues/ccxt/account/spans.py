"""Lists of a span of time that a venue answers by windows, with so many rows at most."""

from collections.abc import Awaitable, Callable
from typing import Any

Listing = Callable[[int, int], Awaitable[list[Any]]]
"""Rows of a span, from its first to its last millisecond."""

_AHEAD_MS = 1_000  # how far the venue's clock may be ahead


async def rows_in_windows(
    list_span: Listing, since_ms: int, now_ms: int, *, window_ms: int, page: int, until_ms: int | None = None
) -> list[Any]:
    """The rows since then, or until another moment, asked for by windows.

    Raises:
        TypeError: as for `rows_of_span`.
    """
    last_ms = now_ms + _AHEAD_MS if until_ms is None else until_ms
    start_ms, found = since_ms, list[Any]()
    while start_ms <= min(now_ms, last_ms):
        found += await rows_of_span(list_span, start_ms, min(start_ms + window_ms - 1, last_ms), page)
        start_ms += window_ms
    return found


async def rows_of_span(list_span: Listing, start_ms: int, end_ms: int, page: int) -> list[Any]:
    """The rows of a span; one that fills an answer is asked for in halves, because rows may be missing.

    Raises:
        TypeError: one millisecond fills an answer, so the rest of it cannot be had.
    """
    found = await list_span(start_ms, end_ms)
    if len(found) < page:
        return found
    if end_ms <= start_ms:
        raise TypeError(f"{len(found)} rows of one millisecond fill an answer, and there may be more")
    middle_ms = (start_ms + end_ms) // 2
    earlier = await rows_of_span(list_span, start_ms, middle_ms, page)
    return earlier + await rows_of_span(list_span, middle_ms + 1, end_ms, page)
