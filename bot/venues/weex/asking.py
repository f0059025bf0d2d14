"""How WEEX is asked: refusals inside an answer, windows of seven days, halves of what is too long for one answer."""

from collections.abc import Mapping
from typing import Any

from bot.domain.durations import DAY_MS
from bot.ports import Rejection
from bot.venues.ccxt import rows
from bot.venues.ccxt.account.spans import Listing, rows_in_windows
from bot.venues.ccxt.connection import Connection
from bot.venues.ccxt.errors import ReadRefused
from bot.venues.weex.errors import WEEX_ERRORS, refusal_in

WINDOW_MS = 7 * DAY_MS
HISTORY_MS = 90 * DAY_MS
PAGE = 100  # rows of an answer


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
        start_ms = max(since_ms, now_ms - HISTORY_MS)
        return await rows_in_windows(list_span, start_ms, now_ms, window_ms=WINDOW_MS, page=PAGE, until_ms=until_ms)
