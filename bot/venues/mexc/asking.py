"""How MEXC is asked: spot answers with the rows themselves, perps with an envelope and in pages of a hundred."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from bot.domain.durations import DAY_MS
from bot.venues.ccxt import rows
from bot.venues.ccxt.connection import Connection
from bot.venues.mexc.errors import is_success

PAGE = 100
PAGES_MAX = 100
SPAN_MS = 7 * DAY_MS
Listing = Callable[[int, int], Awaitable[list[Any]]]
"""Rows of a span, from its first to its last millisecond."""


class MexcAsking:
    """How one account is asked."""

    def __init__(self, connection: Connection) -> None:
        self._link = connection

    async def _spot(self, method: str, **params: Any) -> Any:
        """The answer to a question about spot, a list or an object: a text is none (TypeError)."""
        answer = await self._link.read(lambda: getattr(self._link.exchange, method)(dict(params)))
        if not isinstance(answer, list | Mapping):
            raise TypeError("the venue's answer does not say that it is one")
        return answer

    async def _perp(self, method: str, **params: Any) -> Any:
        """The data of an answer about perps; without the word of a success it is no answer (TypeError)."""
        return await self._link.read(lambda: _data(getattr(self._link.exchange, method), params))

    async def _perp_pages(self, method: str, what: str, **params: Any) -> list[Any]:
        """All rows of a list about perps, which may stand in a result list.

        Raises:
            TypeError: there is no list, or there are too many pages.
        """
        found: list[Any] = []
        for page in range(1, PAGES_MAX + 1):
            data = await self._perp(method, **params, page_num=page, page_size=PAGE)
            listed = rows.rows_of(data["resultList"] if isinstance(data, Mapping) else data, what)
            found += listed
            if len(listed) < PAGE:
                return found
        raise TypeError(f"{what}: more than {PAGES_MAX} pages")

    async def _spans(self, list_span: Listing, since_ms: int, *, page: int, kept_ms: int) -> list[Any]:
        """The rows since then, as far back as the venue keeps them: it answers for seven days at most in one
        question, and with `page` rows."""
        now_ms = self._link.now_ms()
        start_ms, found = max(since_ms, now_ms - kept_ms), []
        while start_ms <= now_ms:
            found += await self._halves(list_span, start_ms, min(start_ms + SPAN_MS - 1, now_ms + 1_000), page)
            start_ms += SPAN_MS
        return found

    async def _halves(self, list_span: Listing, start_ms: int, end_ms: int, page: int) -> list[Any]:
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
        earlier = await self._halves(list_span, start_ms, middle_ms, page)
        return earlier + await self._halves(list_span, middle_ms + 1, end_ms, page)


async def _data(method: Any, params: Mapping[str, Any]) -> Any:
    answer = await method(dict(params))
    if not is_success(answer) or "data" not in answer:
        raise TypeError("the venue's answer does not say that it is one")
    return answer["data"]
