"""Deposits and withdrawals of the spot wallet, asked for rarely: the venue allows ten questions a minute."""

import asyncio
from collections.abc import Callable
from typing import Any

from bot.domain.durations import DAY_MS
from bot.domain.instrument import Kind
from bot.ports import Listed, Payment, Unavailable
from bot.venues.binance import flows
from bot.venues.binance.paging import PAGE, Asking
from bot.venues.binance.parse import Row
from bot.venues.ccxt import rows
from bot.venues.ccxt.connection import Connection
from bot.venues.ccxt.rows import UNREADABLE

KNOWN_MS = 15_000
_DEADLINE_S = 5.0
_PENDING_MS = 7 * DAY_MS  # the venue is asked for when they began, and they complete later
_LONGEST_MS = 89 * DAY_MS


class FlowReads(Asking):
    """The lists of one account. A list that cannot be read is a defect of the answer, never a failure of it."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._known: tuple[int, int, Listed[Payment]] | None = None

    async def fetch(self, since_ms: int) -> Listed[Payment]:
        """What came in or went out since then. Nothing where the environment has no such lists."""
        spec = self._link.environment
        if not spec.has_flows or Kind.SPOT not in spec.kinds or not self._link.has_keys:
            return Listed(())
        now_ms, known = self._link.now_ms(), self._known
        if known is None or known[1] > since_ms or not 0 <= now_ms - known[0] < KNOWN_MS:
            parts = await asyncio.gather(
                self._list("deposits", "sapiGetCapitalDepositHisrec", flows.deposit, since_ms),
                self._list("withdrawals", "sapiGetCapitalWithdrawHistory", flows.withdrawal, since_ms),
            )
            result = Listed((p for part in parts for p in part), (d for part in parts for d in part.defects))
            known = self._known = (now_ms, since_ms, result)
        return Listed(flows.since(known[2], since_ms), known[2].defects)

    async def _list(
        self, what: str, method: str, read: Callable[[Row], tuple[Payment, ...]], since_ms: int
    ) -> Listed[Payment]:
        start_ms = max(since_ms - _PENDING_MS, self._link.now_ms() - _LONGEST_MS)
        try:
            async with asyncio.timeout(_DEADLINE_S):
                answer: Any = await self._call(method, startTime=start_ms, limit=PAGE)
            page = rows.rows_of(answer, what)
        except (*UNREADABLE, Unavailable, TimeoutError) as error:
            return Listed(
                (), [("", f"{what} of the spot wallet could not be read: {str(error) or 'no answer in time'}")]
            )
        defects: list[tuple[str, str]] = []
        if len(page) >= PAGE:
            defects.append(("", f"{what} of the spot wallet: there are more than the {PAGE} that were read"))
        return Listed((p for part in rows.read_each(what, page, read, "", defects) for p in part), defects)
