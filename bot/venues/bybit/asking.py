"""How Bybit is asked: the envelope of an answer, pages by cursor, windows of seven days."""

from collections.abc import Mapping
from typing import Any

from bot.domain.durations import DAY_MS
from bot.venues.bybit.errors import SUCCESS, code_of
from bot.venues.ccxt import rows
from bot.venues.ccxt.connection import Connection

WINDOW_MS = 7 * DAY_MS
HISTORY_MS = 90 * DAY_MS
_PAGES_MAX = 200


class BybitAsking:
    """How one account is asked."""

    def __init__(self, connection: Connection) -> None:
        self._link = connection

    async def _call(self, method: str, **params: Any) -> Mapping[str, Any]:
        """The whole answer; without the result code of a success it is no answer (TypeError)."""
        answer: Mapping[str, Any] = await self._link.read(lambda: _answer(getattr(self._link.exchange, method), params))
        return answer

    async def _result(self, method: str, **params: Any) -> Mapping[str, Any]:
        return result_of(await self._call(method, **params))

    async def _list(self, method: str, what: str, **params: Any) -> list[Any]:
        """The rows of all pages. Raises TypeError for an answer that is no list, or a cursor that leads nowhere new."""
        found: list[Any] = []
        cursors: set[str] = set()
        cursor = ""
        while True:
            page = await self._result(method, **params, **({"cursor": cursor} if cursor else {}))
            listed = rows.rows_of(page.get("list"), what)
            found += listed
            cursor = str(page.get("nextPageCursor") or "")
            if not cursor or not listed:
                return found
            if cursor in cursors or len(cursors) >= _PAGES_MAX:
                raise TypeError(f"{what}: the cursor of a page leads to no new page")
            cursors.add(cursor)

    async def _windows(self, method: str, what: str, since_ms: int, **params: Any) -> list[Any]:
        """The rows since then: the venue answers for seven days at most in one question."""
        now_ms = self._link.now_ms()
        start_ms, found = max(since_ms, now_ms - HISTORY_MS), []
        while start_ms <= now_ms:
            end_ms = min(start_ms + WINDOW_MS - 1, now_ms + 1_000)
            found += await self._list(method, what, startTime=start_ms, endTime=end_ms, **params)
            start_ms += WINDOW_MS
        return found


def result_of(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """The result of an answer. Raises TypeError where there is none."""
    result = answer.get("result")
    if not isinstance(result, Mapping):
        raise TypeError("the answer has no result")
    return result


async def _answer(method: Any, params: Mapping[str, Any]) -> Mapping[str, Any]:
    answer = await method(dict(params))
    if code_of(answer) != SUCCESS:
        raise TypeError("the venue's answer does not say that it is one")
    return answer  # type: ignore[no-any-return]
