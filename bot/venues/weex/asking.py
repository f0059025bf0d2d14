"""How WEEX is asked: refusals inside an answer, windows of seven days, halves of what is too long for one answer."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from bot.domain.durations import DAY_MS
from bot.ports import Rejection
from bot.venues.ccxt import rows
from bot.venues.ccxt.connection import Connection
from bot.venues.ccxt.errors import ReadRefused
from bot.venues.weex.errors import WEEX_ERRORS, refusal_in

WINDOW_MS = 7 * DAY_MS
HISTORY_MS = 90 * DAY_MS
PAGE = 100  # rows of an answer
Listing = Callable[[int, int], Awaitable[list[Any]]]
"""Rows of a span, from its first to its last millisecond."""


def rejection_of(code: str, message: str) -> Rejection | None:
    """What a refusal inside an answer means; None where nothing is known of it."""
    return next((kind for needle, kind in WEEX_ERRORS.codes.get(code, ()) if needle in message), None)


class WeexAsking:
    """How one account is asked."""

    def __init__(self, connection: Connection) -> None:
        self._link = connection

    async def _call(self, method: str, **params: Any) -> Any:
        """An answer that is no refusal. Raises ReadRefused for one."""
        answer = await self._link.read(lambda: getattr(self._link.exchange, method)(dict(params)))
        code, message = refusal_in(answer)
        if code:
            raise ReadRefused(code, message, rejection_of(code, message) or Rejection.OTHER)
        return answer

    async def _rows(self, method: str, what: str, name: str = "", **params: Any) -> list[Any]:
        """The rows of an answer; `name` is where they stand in it. Raises TypeError where there is no list."""
        answer = await self._call(method, **params)
        if not name:
            return rows.rows_of(answer, what)
        if not isinstance(answer, Mapping) or name not in answer:
            raise TypeError(f"{what}: the answer has no {name}")
        return rows.rows_of(answer[name], what)

    async def _windows(self, list_span: Listing, since_ms: int, until_ms: int | None = None) -> list[Any]:
        """The rows since then, or of the span, as far back as the venue is asked, by seven days at most."""
        now_ms = self._link.now_ms()
        last_ms = now_ms + 1_000 if until_ms is None else until_ms
        start_ms, found = max(since_ms, now_ms - HISTORY_MS), []
        while start_ms <= min(now_ms, last_ms):
            end_ms = min(start_ms + WINDOW_MS - 1, last_ms)
            found += await self._halves(list_span, start_ms, end_ms)
            start_ms += WINDOW_MS
        return found

    async def _halves(self, list_span: Listing, start_ms: int, end_ms: int) -> list[Any]:
        """The rows of a span; one that fills an answer is asked for in halves, because rows may be missing.

        Raises:
            TypeError: one millisecond fills an answer, so the rest of it cannot be had.
        """
        found = await list_span(start_ms, end_ms)
        if len(found) < PAGE:
            return found
        if end_ms <= start_ms:
            raise TypeError(f"{len(found)} rows of one millisecond fill an answer, and there may be more")
        middle_ms = (start_ms + end_ms) // 2
        return await self._halves(list_span, start_ms, middle_ms) + await self._halves(list_span, middle_ms + 1, end_ms)
