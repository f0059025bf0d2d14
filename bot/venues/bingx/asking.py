"""How BingX is asked: the envelope of an answer, windows of seven days, halves of what is too long for one answer."""

from collections.abc import Mapping
from typing import Any

from bot.domain.durations import DAY_MS
from bot.venues.bingx.errors import SUCCESS, code_of
from bot.venues.ccxt import rows
from bot.venues.ccxt.account.spans import Listing, rows_in_windows
from bot.venues.ccxt.connection import Connection

WINDOW_MS = 7 * DAY_MS
HISTORY_MS = 90 * DAY_MS


class BingxAsking:
    """How one account is asked."""

    def __init__(self, connection: Connection) -> None:
        self._link = connection

    async def _data(self, method: str, **params: Any) -> Any:
        """The data of an answer; without the code of a success it is no answer (TypeError)."""
        return await self._link.read(lambda: _answer(getattr(self._link.exchange, method), params))

    async def _signed(self, method: str, **params: Any) -> Any:
        """The same of a question that is signed: without a receive window the venue's own rule would hold."""
        return await self._data(method, **params, recvWindow=self._link.receive_window_ms)

    async def _rows(self, method: str, what: str, name: str = "", **params: Any) -> list[Any]:
        """The rows of a signed question; `name` is where they stand in the data, which lacks it when there are none."""
        data = await self._signed(method, **params)
        return listed(data, what, name)

    async def _windows(self, list_span: Listing, since_ms: int, *, page: int) -> list[Any]:
        """The rows since then: the venue answers for seven days at most in one question, and with `page` rows."""
        now_ms = self._link.now_ms()
        start_ms = max(since_ms, now_ms - HISTORY_MS)
        return await rows_in_windows(list_span, start_ms, now_ms, window_ms=WINDOW_MS, page=page)


def listed(data: Any, what: str, name: str = "") -> list[Any]:
    """The rows in an answer's data; none where the venue writes null for an empty list.

    Raises:
        TypeError: there is no list.
    """
    if not name:
        return rows.rows_of(data, what)
    if not isinstance(data, Mapping) or name not in data:
        raise TypeError(f"{what}: the answer has no {name}")
    return [] if data[name] is None else rows.rows_of(data[name], what)


async def _answer(method: Any, params: Mapping[str, Any]) -> Any:
    answer = await method(dict(params))
    if code_of(answer) != SUCCESS or "data" not in answer:
        raise TypeError("the venue's answer does not say that it is one")
    return answer["data"]
