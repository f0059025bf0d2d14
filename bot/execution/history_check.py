"""Search the order history of the account, before the first order, for orders with our mark that the journal lacks.

Such orders mean that the journal is a restored copy or a new one, or that another bot trades on the account. Read is
the history of every instrument (spot and perp of each token that is traded, held or has an order with our mark) since
the last event of the journal. Without such an event it is read over `history_hours`, a week for perps. An instrument
that cannot be read blocks entries and is read again; the others are read once.

The history has orders of others as well. The executions of such an order are read if the journal lacks them: holdings
may agree all the same, because as much may have come in as it sold. A history is sorted by the time of creation, so an
order that rested for hours is in no later list (`RestingOfOthers`).

An answer may be incomplete: a row could not be read, or an order had executed and the list of executions did not have
it yet. Such a symbol is read again from the same time on, in this process or a later one (`owed`); nothing waits for
it. The same holds for a symbol that could not be read for an hour: while a bot runs, one symbol does not block the
check of the others. What a venue does not keep any more is reported once, as a defect of its answer, and not read
again.

A symbol of a checked token that is missing in the list of instruments is requested by its name: its row may be the
unreadable one, or its venue may not answer. If only its token suggests the symbol and the venue does not know it, the
check goes on without it. One that no list has is requested as well, and owed where there is no answer: some venues
leave out a halted or delisted perp, and what was traded there before is read then, or when it is listed again. Nothing
is owed for longer than `history_hours`.

What a check of the last day was about is in the next one as well (`asked`): which symbols matter depends on what is
listed, held and readable at the moment.

A history lags by minutes, so what was read before the first order is read once more after `LAG_MS`, some instruments
per turn. From then on the last hours are read every hour. A process that ends earlier leaves the rest to the next one.

A process that was paused for longer than `PAUSE_MS` (stopped, machine asleep, venue not answering) reads what it has
missed before its next order, like one that was down.
"""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from decimal import Decimal

from bot.domain.durations import DAY_MS, HOUR_MS
from bot.domain.instrument import Kind
from bot.domain.order_ids import is_ours
from bot.domain.portfolio import Account
from bot.domain.reason import Note, Reason
from bot.domain.symbol import base_of, is_perp, quote_of
from bot.execution.books.ledger import Baseline
from bot.execution.order_reports import HISTORY_LAG_MS, OrderReports, together
from bot.execution.rules import ExecutionRules
from bot.journal.facts import Fact
from bot.journal.journal import Journal
from bot.ports import (
    NotListed,
    OrderReport,
    ReportState,
    Unavailable,
    Venue,
    answers_at_once,
    defects_of,
    kinds_listed_by_symbol,
)

CHECKED, MISSED = "history_checked", "history_missed"
RESTING, OWED, ASKED = "resting", "owed", "asked"  # in the fact of a look
MARGIN_MS = HOUR_MS  # the journal's clock is the machine's, and the venue's endpoints lag
LAG_MS = HISTORY_LAG_MS
EVERY_MS = HOUR_MS
RETRY_MS = 60_000
PAUSE_MS = LAG_MS
PERP_PAST_MS = 7 * DAY_MS - HOUR_MS  # one request of each kind; what traded perps has traded spot as well
KEPT_MARGIN_MS = 2 * EVERY_MS  # what the venue is about to forget was in this answer, and is not asked for again
AT_ONCE = 8
_FACTS_MAX = 100


class HistoryCheck:
    """`is_done` once the past was read, and read again and again afterwards; an account that begins with the process
    has no past. Raises JournalError."""

    def __init__(self, venue: Venue, journal: Journal, rules: ExecutionRules, evidence: OrderReports) -> None:
        self._venue, self._journal, self._rules, self._evidence = venue, journal, rules, evidence
        self._read: set[str] = set()
        self._owed: dict[str, int] = {}  # symbols to be asked about once more, with the time from which
        self._guessed: frozenset[str] = frozenset()  # not in the list, and named by nothing but their token
        self._unlisted: frozenset[str] = frozenset()  # of checked tokens, listed by no venue now
        self._asked: frozenset[str] = frozenset()  # those that this look reads
        self._recent: dict[str, int] = {}  # symbols of the looks of the last day, with the last look of each
        self._since_ms: int | None = None
        self._began_ms = 0
        self._has_past = False
        self._resting = RestingOfOthers(journal)
        self._is_final = False  # read once more after the venue's lag
        self._asked_ms: int | None = None  # when it was read last, None while nothing was
        self._wait_ms = LAG_MS
        self._left: list[str] = []
        self._failed: set[str] = set()  # asked about in vain since they were read last
        self._ran_ms: int | None = None  # when it was run last, by the venue's clock
        self._origin_ms: int | None = None  # the first moment of the books; before it nothing is booked
        self.is_done = False

    async def run(self, symbols: Iterable[str], account: Account, books: Baseline | None = None) -> tuple[Note, ...]:
        """Read what has not been read yet; notes say what could not be. `books`: where those of the journal begin."""
        now_ms, self._origin_ms = self._venue.now_ms(), None if books is None else books.origin_ms
        before_ms, self._ran_ms = self._ran_ms, now_ms
        if before_ms is not None and now_ms - before_ms > PAUSE_MS:
            if self.is_done:
                await self._begin_again(now_ms)
            else:  # a part may have been read before the pause
                self._began_ms = now_ms
                self._read.clear()
        if self.is_done:
            return await self._run_again(symbols, account)
        if self._since_ms is None:
            self._began_ms = self._venue.now_ms()
            self._since_ms = self._began_ms - self._rules.history_hours * HOUR_MS
            last_ms = last_event_ms(self._journal)
            self._has_past = last_ms is not None
            if last_ms is not None:
                self._since_ms = min(last_ms, self._began_ms) - MARGIN_MS
            for fact in self._journal.reader.load_facts(CHECKED, limit=1):
                self._resting.recall(fact)
                self._recent = dict(fact.payload.get(ASKED, {}))
                self._owed = dict(fact.payload.get(OWED, {}))
        asked, unlisted = await self._listed(symbols, account)
        notes = await self._check_each([symbol for symbol in asked if symbol not in self._read])
        failed = tuple(note for note in notes if note is not None)
        if not failed and not unlisted:
            self.is_done, self._asked_ms = True, self._began_ms
            self._is_final = has_waited(self._journal, self._began_ms)
            self._wait_ms = EVERY_MS if self._is_final else LAG_MS
            await self._record()
        return failed

    async def _run_again(self, symbols: Iterable[str], account: Account) -> tuple[Note, ...]:
        """Read the next instruments of what is due; notes say what could not be read, it is tried again."""
        now_ms = self._venue.now_ms()
        if self._asked_ms is None or 0 <= now_ms - self._asked_ms < self._wait_ms:
            return ()
        if self._left and now_ms - self._began_ms >= EVERY_MS:
            await self._leave_to_next()
        if not self._left:
            asked, is_unlisted = await self._listed(symbols, account)
            if is_unlisted:
                return ()
            if self._is_final:
                self._since_ms = self._asked_ms - MARGIN_MS
            self._began_ms, self._left = now_ms, list(asked)
        part = self._left[:AT_ONCE]
        notes = await self._check_each(part)
        failed = [symbol for symbol, note in zip(part, notes, strict=True) if note is not None]
        self._left = [*self._left[AT_ONCE:], *failed]
        if failed:
            self._asked_ms, self._wait_ms = now_ms, RETRY_MS
        elif not self._left:
            await self._end_look()
        return tuple(note for note in notes if note is not None)

    async def _leave_to_next(self) -> None:
        """An hour was not enough for some instruments: they are owed, and hold up the look at the others no longer."""
        for symbol in self._left:
            self._owe(symbol, self._since(symbol))
        self._left = []
        await self._end_look()

    async def _end_look(self) -> None:
        self._asked_ms, self._wait_ms = self._began_ms, EVERY_MS
        self._is_final = True
        await self._record()

    async def _begin_again(self, now_ms: int) -> None:
        """Nobody has watched for a while: what is due is read before the next order, as at a start."""
        if self._asked_ms is None:
            return  # an account that began with this process
        if self._is_final and not self._left:
            self._since_ms = self._asked_ms - MARGIN_MS
        self.is_done = self._is_final = False
        self._began_ms, self._left = now_ms, []
        self._read.clear()
        await self._journal.record_fact(MISSED, {"since_ms": self._since_ms, "at_ms": now_ms})

    async def _record(self) -> None:
        """Write down that a look is over, with what is left to the next one. Executions that a look had to ask for are
        listed late as well."""
        changed, resting = self._resting.end_look()
        for symbol in changed:
            self._owe(symbol, self._since(symbol))
        oldest_ms = self._oldest_ms()
        self._owed = {
            symbol: max(since_ms, oldest_ms)
            for symbol, since_ms in self._owed.items()
            if since_ms > oldest_ms or symbol in self._asked
        }
        payload = {"since_ms": self._since_ms, "at_ms": self._began_ms, "is_final": self._is_final}
        kept = {OWED: self._owed, ASKED: self._recent}
        await self._journal.record_fact(
            CHECKED, payload | {RESTING: resting} | {name: dict(sorted(found.items())) for name, found in kept.items()}
        )

    def _since(self, symbol: str) -> int:
        """The time from which this look reads the past of a symbol that is not owed."""
        since_ms = self._since_ms or 0
        is_short = is_perp(symbol) and not self._has_past
        return max(since_ms, self._began_ms - PERP_PAST_MS) if is_short else since_ms

    def _oldest_ms(self) -> int:
        """Nothing is owed from before that: some venues keep executions as long as `history_hours`, and no longer."""
        return self._venue.now_ms() - self._rules.history_hours * HOUR_MS + KEPT_MARGIN_MS

    def _owe(self, symbol: str, since_ms: int) -> None:
        self._owed[symbol] = min(since_ms, self._owed.get(symbol, since_ms))

    async def _listed(self, symbols: Iterable[str], account: Account) -> tuple[Sequence[str], bool]:
        """The instruments in which an order of ours may stand, and whether they are not known now.

        A token that is traded or held in one kind of instrument may have orders in the other: the guard places a stop
        on any perp that is held, and a journal that was lost knows nothing of it; its spot may have been removed, and
        somebody trades its perp by hand. An instrument whose row cannot be read is asked about all the same.
        """
        quote = account.quote
        wanted = {*symbols, *account.positions}
        wanted |= self._journal.reader.load_ordered_symbols(1_000)
        wanted |= {f"{asset}/{quote}" for asset, held in account.balances.items() if held.total and asset != quote}
        wanted |= self._failed  # what was held or traded when this look began may be neither now
        of_tokens = both_kinds_of(wanted, quote)
        try:
            listed = await self._evidence.read(self._venue.fetch_instruments(), "instruments")
            asked = self._asked_for_resting(listed, wanted | of_tokens | self._owed.keys())
            resting = await self._evidence.read(self._venue.fetch_open_orders(asked), "all open orders")
            wanted |= {order.symbol for order in resting if is_ours(order.client_id, self._journal.account)}
            of_tokens = both_kinds_of(wanted, quote)
            since_ms = self._began_ms - DAY_MS
            self._recent = {symbol: at_ms for symbol, at_ms in self._recent.items() if at_ms > since_ms}
            before = self._recent.keys() | self._owed.keys()
            self._recent |= dict.fromkeys((wanted | of_tokens) & listed.keys(), self._began_ms)
            of_all = wanted | of_tokens | before
            unread = await self._evidence.listed_of(of_all - listed.keys())
        except Unavailable:
            return (), True
        self._guessed = unread - wanted
        result = sorted(wanted | of_tokens | (before & listed.keys()) | unread)
        self._asked = frozenset(result)
        self._unlisted = self._asked - listed.keys() - unread
        lacking = {symbol for symbol, _ in defects_of(resting)}
        shown = set() if "" in lacking else {*asked} - lacking
        self._resting.see([order for order in resting if order.symbol in result], hidden={*result} - shown)
        return result, False

    def _asked_for_resting(self, listed: Iterable[str], wanted: Collection[str]) -> list[str]:
        """The instruments whose resting orders are asked for: all, and of the kinds that the venue lists by instrument
        those that are wanted. It may list thousands, which no deadline of a reading allows for; an order of ours that
        rests in another token is not found there."""
        by_symbol = kinds_listed_by_symbol(self._venue)
        return sorted(
            symbol
            for symbol in listed
            if symbol in wanted or (Kind.PERP if is_perp(symbol) else Kind.SPOT) not in by_symbol
        )

    async def _check_each(self, symbols: Sequence[str]) -> list[Note | None]:
        gate = asyncio.Semaphore(AT_ONCE)
        if answers_at_once(self._venue):
            return [await self._check(symbol, gate) for symbol in symbols]
        return await together([self._check(symbol, gate) for symbol in symbols])

    async def _check(self, symbol: str, gate: asyncio.Semaphore) -> Note | None:
        since_ms = self._since(symbol)
        if symbol in self._owed:
            since_ms = min(since_ms, max(self._owed[symbol], self._oldest_ms()))
        try:
            async with gate:
                reading = self._venue.fetch_order_history(symbol, since_ms)
                reports = await self._evidence.read(reading, f"order history of {symbol}")
            self._resting.note(reports)
            unknown = [report for report in reports if await self._is_unknown(report)]
            is_whole = not defects_of(reports)
            is_executed = any(report.filled_size > 0 for report in unknown) or any(map(self._is_unread, reports))
            if is_executed or not is_whole or symbol in self._owed or symbol in self._resting.changed:
                fills = await self._evidence.collect_fills(symbol, max(since_ms, self._origin_ms or 0))
                is_whole = is_whole and not fills.defects and not any(map(self._is_unread, reports))
                if fills.kept_since_ms:
                    since_ms = max(since_ms, fills.kept_since_ms + KEPT_MARGIN_MS)
        except Unavailable as error:
            if symbol in self._unlisted or (isinstance(error, NotListed) and symbol in self._guessed):
                self._owe(symbol, since_ms)
                self._read.add(symbol)
                self._failed.discard(symbol)
                return None
            self._failed.add(symbol)
            waits = "it is asked again" if self.is_done else "entries wait for it"
            message = f"the order history of {symbol} could not be read, {waits}: {error}"
            return Note(Reason.VENUE_UNAVAILABLE, message, symbol)
        self._owed.pop(symbol, None)
        if not is_whole:
            self._owe(symbol, since_ms)
        self._read.add(symbol)
        self._failed.discard(symbol)
        return None

    async def _is_unknown(self, report: OrderReport) -> bool:
        if report.state is ReportState.REJECTED:
            return False
        order = self._journal.reader.load_order(report.client_id or "")
        return await self._evidence.others.check_report(order, report)

    def _is_unread(self, report: OrderReport) -> bool:
        """Whether an order of others has executed what the journal lacks, since the books began."""
        is_booked = self._origin_ms is not None and not 0 < report.at_ms <= self._origin_ms
        if not is_booked or report.filled_size <= 0 or not report.venue_id:
            return False
        reader = self._journal.reader
        if reader.load_order(report.client_id or "") or reader.load_order_by_venue_id(report.symbol, report.venue_id):
            return False  # what the journal's own orders report is compared with their executions in every turn
        return reader.load_executed_size(report.symbol, report.venue_id) < report.filled_size


class RestingOfOthers:
    """What rested at the look before, what rests in this one, and the symbols in which that differs.

    An order that is older than what a look reads and executes after the look before rested at that one: it was among
    the open orders, and now it is gone or more of it is executed. For its symbol alone the executions are read. That
    costs no request while nobody else's order rests; to read the executions of every symbol would double what a look
    weighs. They are listed late as well, so the look after reads them again (`HistoryCheck`). The fact of a look has
    what it saw: a process knows what rested when the one before it looked last. A list may lack orders that rest, where
    a symbol is in no list of instruments, a row cannot be read or a half of a pair is silent: an order history shows
    them as well, and what rested there before is taken to rest on.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._before: dict[tuple[str, str], Decimal] = {}  # by symbol and number, how much is executed
        self._now: dict[tuple[str, str], Decimal] = {}  # all that was seen since this look began
        self._changed: set[str] = set()

    @property
    def changed(self) -> frozenset[str]:
        """Symbols whose executions are to be read in this look."""
        return frozenset(self._changed)

    def recall(self, look: Fact) -> None:
        """Begin with what the last look of an earlier process has seen."""
        self._before = {(symbol, number): Decimal(size) for symbol, number, size in look.payload.get(RESTING, ())}

    def see(self, reports: Iterable[OrderReport], hidden: Collection[str]) -> None:
        """Take the open orders of now; a look that is repeated may see several. `hidden` are symbols of which the list
        may lack some: what rested there before may rest on."""
        seen = {self._key(report): report.filled_size for report in reports if self._is_of_others(report)}
        before = {**self._before, **self._now}
        self._changed |= {key[0] for key, executed in before.items() if key not in seen or seen[key] > executed}
        kept = {key: executed for key, executed in before.items() if key[0] in hidden}
        self._now = kept | seen | self._now

    def note(self, history: Iterable[OrderReport]) -> None:
        """Take the orders that a history shows to rest: the list of open orders may lack them."""
        for report in history:
            if report.state is ReportState.OPEN and self._is_of_others(report):
                self._now.setdefault(self._key(report), report.filled_size)

    def end_look(self) -> tuple[frozenset[str], list[list[str]]]:
        """The look is over: the symbols that had changed, and for its fact the orders that rest."""
        self._before, self._now = self._now, {}
        changed, self._changed = self.changed, set()
        return changed, [[symbol, number, str(executed)] for (symbol, number), executed in sorted(self._before.items())]

    @staticmethod
    def _key(report: OrderReport) -> tuple[str, str]:
        return report.symbol, report.venue_id

    def _is_of_others(self, report: OrderReport) -> bool:
        reader = self._journal.reader
        known = reader.load_order(report.client_id or "")
        is_known = known is not None or reader.load_order_by_venue_id(report.symbol, report.venue_id) is not None
        return bool(report.venue_id) and not is_known


def both_kinds_of(symbols: Iterable[str], quote: str) -> set[str]:
    """Spot and perp of each token whose symbols are quoted in `quote`."""
    bases = {base_of(symbol) for symbol in symbols if quote_of(symbol) == quote}
    return {symbol for base in bases for symbol in (f"{base}/{quote}", f"{base}/{quote}:{quote}")}


def last_event_ms(journal: Journal) -> int | None:
    """When the journal was last written to before a start that has not been checked yet; None for a journal whose past
    is not known to have been checked."""
    reader = journal.reader
    checked = next((fact for fact in reader.load_facts(CHECKED, limit=_FACTS_MAX) if _is_final(fact)), None)
    if checked is None:
        return None
    opened = reader.load_facts_after("opened", checked.seq)
    if not opened:
        return checked.at_ms
    before = reader.load_events(limit=1, after_seq=opened[0].seq - 2)
    if not before:
        return None
    missed = [int(fact.payload["since_ms"]) for fact in reader.load_facts_after(MISSED, checked.seq)]
    if RESTING in checked.payload:  # what was made after that look is not among the orders that it saw rest
        missed.append(int(checked.payload["at_ms"]))
    return min([before[0].at_ms, *missed])


def has_waited(journal: Journal, now_ms: int) -> bool:
    """Whether the past that was read now was read before, by an earlier process, longer ago than the venue lags."""
    for limit in (1, _FACTS_MAX):  # the newest says it nearly always
        for fact in journal.reader.load_facts(CHECKED, limit=limit):
            if _is_final(fact):
                return False
            if now_ms - int(fact.payload["at_ms"]) >= LAG_MS:
                return True
    return False


def _is_final(fact: Fact) -> bool:
    """Whether the past needs no second look; in facts of earlier versions nothing says that it does."""
    return bool(fact.payload.get("is_final", True))
