"""How MEXC is asked: spot answers with the rows themselves, perps with an envelope and in pages of a hundred."""

from collections.abc import Mapping
from typing import Any

from bot.domain.durations import DAY_MS
from bot.venues.ccxt import rows
from bot.venues.ccxt.account.spans import Listing, rows_in_windows
from bot.venues.ccxt.connection import Connection
from bot.venues.mexc.errors import is_success

PAGE = 100
PAGES_MAX = 100
SPAN_MS = 7 * DAY_MS


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
        start_ms = max(since_ms, now_ms - kept_ms)
        return await rows_in_windows(list_span, start_ms, now_ms, window_ms=SPAN_MS, page=page)


async def _data(method: Any, params: Mapping[str, Any]) -> Any:
    answer = await method(dict(params))
    if not is_success(answer) or "data" not in answer:
        raise TypeError("the venue's answer does not say that it is one")
    return answer["data"]
