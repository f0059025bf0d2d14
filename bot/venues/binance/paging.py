"""Questions that a venue answers with lists: for one symbol or for all, window by window, page by page.

What the venue refuses for one symbol costs that symbol; a row without a readable id is kept.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bot.domain.durations import DAY_MS
from bot.domain.instrument import Kind
from bot.domain.symbol import is_perp
from bot.ports import Answered, Listed, Unavailable
from bot.venues.ccxt import rows
from bot.venues.ccxt.connection import Connection
from bot.venues.ccxt.rows import UNREADABLE

PAGE = 1_000
_HISTORY_MS = 90 * DAY_MS
_WINDOW_MS = {Kind.SPOT: DAY_MS, Kind.PERP: 7 * DAY_MS}

Rows = list[Mapping[str, Any]]


class Asking:
    """How one account is asked."""

    def __init__(self, connection: Connection) -> None:
        self._link = connection

    async def _call(self, method: str, **params: Any) -> Any:
        return await self._link.read(lambda: _answer(getattr(self._link.exchange, method), params))

    async def _get(self, method: str, symbol: str, **params: Any) -> Any:
        return await self._call(method, symbol=self._link.venue_symbol(symbol), **params)

    async def _one_or_all(self, method: str, symbols: Sequence[str], few: int) -> Answered[Any]:
        """One row for each symbol. What the venue refuses for one symbol alone is looked for in its list of all."""
        names = {self._link.venue_symbol(symbol): symbol for symbol in symbols}
        if not names:
            return Answered({}, {})
        if len(names) > few:
            return by_symbol(await self._call(method), names)
        answers, failed = await self._each(method, names)
        if not failed:
            return Answered({names[name]: row for name, row in answers.items()}, {})
        result, notes = {names[name]: row for name, row in answers.items()}, {}
        try:
            whole = by_symbol(await self._call(method), {name: names[name] for name in failed})
        except (*UNREADABLE, Unavailable):
            if not answers:
                raise
            whole = Answered({}, {})
        result |= whole
        notes = {names[name]: str(error) for name, error in failed.items() if names[name] not in result}
        return Answered(result, notes)

    async def _each(self, method: str, names: Iterable[str]) -> tuple[dict[str, Any], dict[str, Unavailable]]:
        """The answer about each venue symbol by itself, and why there is none about the others."""
        required = list(names)
        requested = await asyncio.gather(
            *(self._call(method, symbol=name) for name in required), return_exceptions=True
        )
        answers, failed = {}, {}
        for name, answer in zip(required, requested, strict=True):
            if isinstance(answer, Unavailable):
                failed[name] = answer
            elif isinstance(answer, BaseException):
                raise answer
            else:
                answers[name] = answer
        return answers, failed

    async def _open_rows(self, method: str, symbols: Sequence[str], few: int) -> Listed[tuple[str, Any]]:
        """(symbol, row) of open orders. A symbol that the venue refuses to answer for alone is looked for in its list
        of all; a row of that list without a readable symbol makes every symbol be asked by itself."""
        names = {self._link.venue_symbol(symbol): symbol for symbol in symbols}
        if not names:
            return Listed(())
        if len(names) > few:
            whole = rows.rows_of(await self._call(method), "open orders")
            if all(isinstance(row, Mapping) and isinstance(row.get("symbol"), str) for row in whole):
                return Listed((names[row["symbol"]], row) for row in whole if row["symbol"] in names)
        answers, failed = await self._each(method, names)
        result = [(names[name], row) for name, page in answers.items() for row in rows.rows_of(page, "open orders")]
        if not failed:
            return Listed(result)
        try:
            whole = rows.rows_of(await self._call(method), "open orders")
        except (TypeError, Unavailable):
            if not answers:
                raise next(iter(failed.values())) from None
            return Listed(result, ((names[name], f"open orders: {error}") for name, error in failed.items()))
        result += [(names[r["symbol"]], r) for r in whole if isinstance(r, Mapping) and r.get("symbol") in failed]
        return Listed(result)

    async def _windows(
        self, method: str, symbol: str, since_ms: int, *, key: str = "orderId", cursor: str | None = None
    ) -> Rows:
        """Rows of a time-bounded endpoint: the venue refuses windows longer than a day (spot) or a week (perps).

        Without times the spot endpoints answer with the latest rows, whatever their age: where these reach back far
        enough, one request takes the place of many windows.
        """
        span = _WINDOW_MS[Kind.PERP if is_perp(symbol) else Kind.SPOT]
        result: dict[str, Any] = {}
        now = self._link.now_ms()
        start = max(since_ms, now - _HISTORY_MS)
        if not is_perp(symbol) and now - start >= 2 * span:
            latest = rows.rows_of(await self._get(method, symbol, limit=PAGE), "a page")
            times = [time for row in latest if (time := whole_of(row, "time")) is not None]
            if len(latest) < PAGE or (times and min(times) < start):
                kept = [row for row in latest if (whole_of(row, "time") or now) >= start]
                return sorted(kept, key=lambda row: whole_of(row, key) or 0)
        while start <= now:
            end = start + span - 1
            page: Rows = await self._get(method, symbol, startTime=start, endTime=min(end, now + 1_000), limit=PAGE)
            result |= {_row_key(row, key): row for row in rows.rows_of(page, "a page")}
            while len(page) == PAGE:
                ids = [number for row in page if (number := whole_of(row, key)) is not None]
                if not ids:
                    raise Unavailable(f"{method}: no row of a page has a readable {key}")
                page = await self._get(method, symbol, limit=PAGE, **{cursor or key: max(ids) + 1})
                result |= {_row_key(row, key): row for row in rows.rows_of(page, "a page")}
            start = end + 1
        return sorted(result.values(), key=lambda row: whole_of(row, key) or 0)


def by_symbol(answer: Any, names: Mapping[str, str]) -> Answered[Any]:
    """Rows by our symbol, of those among `names`; rows of other symbols or of none are nobody's."""
    result = rows.rows_of(answer, "a list")
    return Answered({names[row["symbol"]]: row for row in result if _symbol_in(row) in names}, {})


def _symbol_in(row: Any) -> str:
    symbol = row.get("symbol") if isinstance(row, Mapping) else None
    return symbol if isinstance(symbol, str) else ""


def whole_of(row: Any, key: str) -> int | None:
    """The whole number of a cell, None where there is none."""
    try:
        return int(row[key])
    except UNREADABLE:
        return None


def _row_key(row: Any, key: str) -> str:
    """The key of a row: its id, or all of it where it has none."""
    number = whole_of(row, key)
    return repr(row) if number is None else str(number)


def payment_key(row: Any) -> str:
    try:
        return f"{row['incomeType']} {row['tranId']}"
    except UNREADABLE:
        return repr(row)


async def _answer(method: Any, params: Mapping[str, Any]) -> Any:
    answer = await method(dict(params))
    if not isinstance(answer, dict | list):
        raise TypeError("the venue's answer is not JSON")
    return answer
