"""Before the first order of a process: does the account know orders with our mark that the journal does not?

They mean that the journal is a restored copy or begun anew, or that another bot trades on the account. The order
history of every instrument is read from the journal's last event on, or over `history_hours` where the journal has no
past. An instrument that cannot be read blocks entries and is asked about again; the others are not read twice.
"""

import asyncio
from collections.abc import Iterable, Sequence

from bot.domain.portfolio import Account
from bot.domain.reason import Note, Reason
from bot.execution.evidence import Evidence, together
from bot.execution.journal import Journal
from bot.execution.rules import ExecutionRules
from bot.ports import OrderReport, ReportState, Unavailable, Venue

CHECKED = "history_checked"
MARGIN_MS = 3_600_000  # the journal's clock is the machine's, and the venue's endpoints lag
AT_ONCE = 8


class HistoryCheck:
    """Runs once per process; `is_done` afterwards. Raises JournalError."""

    def __init__(self, venue: Venue, journal: Journal, rules: ExecutionRules, evidence: Evidence) -> None:
        self._venue, self._journal, self._rules, self._evidence = venue, journal, rules, evidence
        self._read: set[str] = set()
        self._since_ms: int | None = None
        self._began_ms = 0
        self.is_done = False

    async def run(self, symbols: Iterable[str], account: Account) -> tuple[Note, ...]:
        """Read what has not been read yet; notes say what could not be."""
        if self.is_done:
            return ()
        if self._since_ms is None:
            self._began_ms = self._venue.now_ms()
            self._since_ms = self._began_ms - self._rules.history_hours * 3_600_000
            last_ms = last_event_ms(self._journal)
            if last_ms is not None:
                self._since_ms = min(last_ms, self._began_ms) - MARGIN_MS
        asked, unlisted = await self._listed(symbols, account)
        gate = asyncio.Semaphore(AT_ONCE)
        notes = await together([self._check(symbol, gate) for symbol in asked if symbol not in self._read])
        failed = tuple(note for note in notes if note is not None)
        if not failed and not unlisted:
            self.is_done = True
            await self._journal.record_fact(CHECKED, {"since_ms": self._since_ms, "at_ms": self._began_ms})
        return failed

    async def _listed(self, symbols: Iterable[str], account: Account) -> tuple[Sequence[str], bool]:
        """The listed instruments in which an order of ours may stand, and whether they are not known now."""
        quote = account.quote
        wanted = {*symbols, *account.positions}
        wanted |= {f"{asset}/{quote}" for asset, held in account.balances.items() if held.total and asset != quote}
        wanted |= {order.symbol for order in self._journal.reader.load_orders(1_000)}
        try:
            listed = await self._evidence.read(self._venue.fetch_instruments(), "instruments")
        except Unavailable:
            return (), True
        return sorted(wanted & listed.keys()), False

    async def _check(self, symbol: str, gate: asyncio.Semaphore) -> Note | None:
        try:
            async with gate:
                reading = self._venue.fetch_order_history(symbol, self._since_ms or 0)
                reports = await self._evidence.read(reading, f"order history of {symbol}")
            unknown = [report for report in reports if await self._is_unknown(report)]
            if any(report.filled_size > 0 for report in unknown):
                await self._evidence.collect_fills(symbol, self._since_ms or 0)
        except Unavailable as error:
            words = f"the order history of {symbol} could not be read, entries wait for it: {error}"
            return Note(Reason.VENUE_UNAVAILABLE, words, symbol)
        self._read.add(symbol)
        return None

    async def _is_unknown(self, report: OrderReport) -> bool:
        if report.state is ReportState.REJECTED:
            return False
        order = self._journal.reader.load_order(report.client_id or "")
        return await self._evidence.others.check_report(order, report)


def last_event_ms(journal: Journal) -> int | None:
    """When the journal was last written to before a start that has not been checked yet; None for a journal whose past
    is not known to have been checked."""
    reader = journal.reader
    checked = reader.load_facts(CHECKED, limit=1)
    if not checked:
        return None
    opened = reader.load_facts_after("opened", checked[0].seq)
    if not opened:
        return checked[0].at_ms
    before = reader.load_events(limit=1, after_seq=opened[0].seq - 2)
    return before[0].at_ms if before else None
