"""Order reports of the venue, and their journal events.

Executor and reconciler share this, so that a report has the same effect wherever it was read.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Collection, Coroutine, Sequence
from decimal import Decimal
from statistics import median_low
from typing import Any, TypeVar

from bot.domain.money import ONE, ZERO
from bot.domain.order import Fill, Order
from bot.domain.reason import Note, Reason
from bot.domain.states import ORDER_TABLE, IllegalTransition, OrderEvent, OrderState, is_late
from bot.domain.symbol import is_perp
from bot.execution.another_writer import UNKNOWN_OUTCOME_STATES, AnotherWriter
from bot.execution.rules import ExecutionRules
from bot.journal.journal import Journal
from bot.ports import Answered, Listed, NotListed, OrderReport, ReportState, Unavailable, Venue, answers_at_once

T = TypeVar("T")
OLDER_MS = 60_000
HISTORY_LAG_MS = 600_000  # an order history is so far behind at most
DEFECTS_KEPT = 1_000
_ENDS = {
    ReportState.FILLED: OrderEvent.FILLED,
    ReportState.CANCELED: OrderEvent.CANCELED,
    ReportState.EXPIRED: OrderEvent.EXPIRED,
}


class OrderReports:
    """Reads with a deadline, and the recording of what they returned."""

    def __init__(self, venue: Venue, journal: Journal, rules: ExecutionRules) -> None:
        self._venue, self._journal, self._rules = venue, journal, rules
        self._is_immediate = answers_at_once(venue)
        self.others = AnotherWriter(journal)
        self._contract_sizes: dict[str, Decimal] = {}
        self._durations_ms: deque[int] = deque(maxlen=100)
        self._defects: deque[tuple[str, str]] = deque(maxlen=DEFECTS_KEPT)

    async def read(self, reading: Awaitable[T], what: str) -> T:
        """The result of a venue read.

        Raises:
            Unavailable: also when it took longer than `read_deadline_ms`.
        """
        if self._is_immediate:
            self._durations_ms.append(0)
            return self._noted(await reading)
        clock = asyncio.get_running_loop().time
        started = clock()
        try:
            async with asyncio.timeout(self._rules.timing.read_deadline_ms / 1000):
                return self._noted(await reading)
        except TimeoutError:
            raise Unavailable(f"no {what} within {self._rules.timing.read_deadline_ms} ms") from None
        finally:
            self._durations_ms.append(round((clock() - started) * 1000))

    def _noted(self, result: T) -> T:
        if isinstance(result, Listed):
            self._defects.extend(result.defects)
        return result

    async def is_listed(self, symbol: str) -> bool:
        """Whether the venue's list has the symbol. A row that cannot be read is in the list.

        Raises:
            Unavailable: the list could not be read.
        """
        return bool(await self.listed_of([symbol]))

    async def listed_of(self, symbols: Collection[str]) -> frozenset[str]:
        """Those that the venue's list has when it is asked for them by name, in one question. A row that cannot be read
        is in the list, and so is what a half of a pair may list that does not answer.

        Raises:
            Unavailable: the list could not be read.
        """
        if not symbols:
            return frozenset()
        asked = sorted(symbols)
        listed = await self.read(self._venue.fetch_instruments(asked), f"instruments {', '.join(asked)}")
        return frozenset(asked) & {*listed, *(listed.unreadable if isinstance(listed, Answered) else ())}

    def take_defects(self) -> tuple[tuple[str, str], ...]:
        """(symbol, words) of the rows since the last call that could not be read, each once."""
        result = tuple(dict.fromkeys(self._defects))
        self._defects.clear()
        return result

    def take_latency_ms(self) -> int:
        """Median time, ms, of the reads since the last call, failed ones included; 0 when there were none."""
        result = median_low(self._durations_ms) if self._durations_ms else 0
        self._durations_ms.clear()
        return result

    async def fetch_order(self, order: Order) -> OrderReport | None:
        """What the venue says of an order by its client id; None when it knows no such order, or only an older one.

        Raises:
            Unavailable: when it could not be asked.
        """
        reading = self._venue.fetch_order(order.symbol, order.client_id, is_trigger=order.order_type.is_trigger)
        report = await self.read(reading, f"answer about order {order.client_id}")
        if report is None or is_about(order, report):
            return report
        if report.client_id == order.client_id and report.symbol == order.symbol:
            await self.others.check_report(self._journal.reader.load_order(order.client_id) or order, report)
        return None

    async def record_report(self, order: Order, report: OrderReport) -> tuple[Order, tuple[Note, ...]]:
        """Write a report down as the event it is in the order's present state; the order after it, and alerts.

        A report that adds nothing, or that is older than what is known, is not written. The cancel of a turn that was
        stopped may settle the order while `order` is in hand: then the report is judged by what it has written.
        """
        if report.fills:
            sizes = await self._contract_size_of(order.symbol)
            await self.others.check_fills(await self._journal.record_fills(report.fills, contract_sizes=sizes))
        try:
            return await self._record_event_of(order, report)
        except IllegalTransition:
            present = self._journal.reader.load_order(order.client_id)
            if present is None or present.state is order.state:
                raise
            return await self._record_event_of(present, report)

    async def _record_event_of(self, order: Order, report: OrderReport) -> tuple[Order, tuple[Note, ...]]:
        event = _event_of(order, report)
        if event is None:
            return order, ()
        reason = ""
        if report.state is ReportState.REJECTED:
            reason = "the venue rejected it"
        filled_size = (
            order.size if report.state is ReportState.FILLED and report.filled_size == 0 else report.filled_size
        )
        after = await self._journal.record_order_event(
            order.client_id,
            event,
            venue_id=report.venue_id or None,
            reason=reason,
            filled_size=filled_size,
            filled_quote=report.filled_quote,
        )
        if is_late(order.state, event):
            return after, (late_note(order, f"it is {report.state} after it had been {order.state}"),)
        return after, ()

    async def collect_fills(self, symbol: str, since_ms: int) -> Listed[Fill]:
        """Record the executions of a symbol since a venue time; the new ones, with the defects of the venue's answer.

        Raises:
            Unavailable: when they could not be read.
        """
        sizes = await self._contract_size_of(symbol)
        fills = await self.read(self._venue.fetch_fills(symbol, since_ms), f"fills of {symbol}")
        new = await self._journal.record_fills(fills, contract_sizes=sizes)
        await self.others.check_fills(new)
        if not isinstance(fills, Listed):
            return Listed(new)
        return Listed(new, fills.defects, kept_since_ms=fills.kept_since_ms)

    async def find_by_fills(self, order: Order) -> OrderReport | None:
        """The order behind an execution that may be of an order in doubt: executions of some venues name no client id,
        and an order history may be behind them. None: no execution can be of it, or those that can are of others.

        Raises:
            Unavailable: whose one is cannot be read yet.
        """
        reader = self._journal.reader
        for fill in reader.load_fills(1_000, order.sent_ms - OLDER_MS):
            is_of_it = (fill.symbol, fill.side) == (order.symbol, order.side) and fill.size <= order.size
            if not is_of_it or fill.client_id is not None or fill.venue_order_id is None:
                continue
            if reader.load_order_by_venue_id(fill.symbol, fill.venue_order_id) is None:
                report = await self.order_of(fill)
                if report is not None and report.client_id == order.client_id:
                    return report
        return None

    async def order_of(self, fill: Fill) -> OrderReport | None:
        """The order behind a fill; None when the venue's history does not have it, or has none of a symbol that ended.

        Raises:
            Unavailable: it cannot be read, or may not be shown yet. Where it may be an order in doubt, it is waited for
                as long as the history may be behind.
        """
        try:
            history = await self.read(
                self._venue.fetch_order_history(fill.symbol, fill.at_ms - OLDER_MS), f"order history of {fill.symbol}"
            )
        except NotListed:
            if await self.is_listed(fill.symbol):
                raise
            return None  # the market has ended: to wait for an answer would hold entries back for ever
        result = next((report for report in history if report.venue_id == fill.venue_order_id), None)
        lag_ms = HISTORY_LAG_MS if self._may_be_doubtful(fill) else self._venue.quiet_period_ms
        if result is None and self._venue.now_ms() - fill.at_ms < lag_ms:
            raise Unavailable(f"order {fill.venue_order_id} is not in the order history yet")
        return result

    def _may_be_doubtful(self, fill: Fill) -> bool:
        working = self._journal.reader.load_working()
        doubtful = {(order.symbol, order.side) for order in working if order.state in UNKNOWN_OUTCOME_STATES}
        return (fill.symbol, fill.side) in doubtful

    async def collect_fills_of(self, order: Order) -> Order:
        """Wait, within the polls allowed, until the fills of an order add up to what it executed.

        Never raises Unavailable: what is missing is fetched by the next reconciliation.
        """
        for poll in range(self._rules.timing.polls):
            if not self.has_fills_missing(order):
                break  # a venue's reply to the order may carry them
            if poll:
                await self.pause()
            try:
                await self.collect_fills(order.symbol, order.sent_ms - OLDER_MS)
            except Unavailable:
                continue
        return self._journal.reader.load_order(order.client_id) or order

    def has_fills_missing(self, order: Order) -> bool:
        """Whether an order executed more than its recorded fills add up to."""
        since = order.sent_ms
        return any(o.client_id == order.client_id for o in self._journal.reader.load_unfilled_reports(since))

    async def pause(self) -> None:
        """The wait between two questions."""
        await asyncio.sleep(self._rules.timing.poll_interval_ms / 1000)

    async def _contract_size_of(self, symbol: str) -> dict[str, Decimal]:
        if not is_perp(symbol):
            return {}
        if symbol not in self._contract_sizes:
            result = await self.read(self._venue.fetch_instruments([symbol]), f"instrument {symbol}")
            # What is no longer listed is a linear perp of the venue, and those have a contract size of 1.
            self._contract_sizes[symbol] = result[symbol].contract_size if symbol in result else ONE
        return {symbol: self._contract_sizes[symbol]}


def is_about(order: Order, report: OrderReport) -> bool:
    """Whether a report can be of this order: some venues accept a used client id again once its order is closed.

    The venue's id decides where it is known, and the size where it is not; a conditional order becomes another one when
    it triggers. A row that could not be read is about the order whose id is in it.
    """
    if report.defect:
        is_named = report.client_id == order.client_id or (
            order.venue_id is not None and report.venue_id == order.venue_id
        )
        return report.symbol == order.symbol and is_named
    if report.symbol != order.symbol or report.side is not order.side or not report.venue_id:
        return False
    if not order.order_type.is_trigger:
        if order.venue_id is not None and report.venue_id != order.venue_id:
            return False
        if (
            order.state in UNKNOWN_OUTCOME_STATES
            and order.venue_id is None
            and report.size > 0
            and report.size != order.size
        ):
            return False
    if report.client_id is not None and report.client_id != order.client_id:
        return False
    return report.at_ms <= 0 or report.at_ms >= order.sent_ms - OLDER_MS


def find_report(order: Order, reports: Sequence[OrderReport]) -> OrderReport | None:
    """The report of an order among many, by client id or by the venue's id."""
    for report in reports:
        is_named = report.client_id == order.client_id
        if (is_named or (report.client_id is None and report.venue_id == order.venue_id)) and is_about(order, report):
            return report
    return None


def has_unnamed(order: Order, reports: Sequence[OrderReport]) -> bool:
    """Whether a row that could not be read may be of the order: nothing in it says of which order it is."""
    return any(
        report.defect and report.client_id is None and (not report.venue_id or order.venue_id is None)
        for report in reports
    )


async def together(work: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """All results; every piece ends before the first error is raised, so that no order is left without its outcome."""
    results = await asyncio.gather(*work, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]


def late_note(order: Order, message: str) -> Note:
    """An alert about a fact that came after an order had ended."""
    return Note(Reason.LATE_FACT, f"order {order.client_id} of {order.symbol}: {message}", order.symbol)


def _event_of(order: Order, report: OrderReport) -> OrderEvent | None:
    if report.state is ReportState.OPEN:
        return _open_event(order, report)
    event = _ends_as(order, report)
    return event if event in ORDER_TABLE[order.state] and not _is_known(order, report, event) else None


def _ends_as(order: Order, report: OrderReport) -> OrderEvent:
    if report.state is ReportState.REJECTED:
        # only the reply to the POST itself may reject; later, and while canceling, the word means something else
        return OrderEvent.REJECTED if order.state is OrderState.SUBMITTING else OrderEvent.EXPIRED
    return _ENDS[report.state]


def _open_event(order: Order, report: OrderReport) -> OrderEvent | None:
    if order.state is OrderState.FILLED:
        return None
    if order.state in (OrderState.OPEN, OrderState.CANCELING):
        is_news = report.filled_size > order.filled_size or (report.venue_id and order.venue_id is None)
        return OrderEvent.SEEN_OPEN if is_news else None
    if order.state in (OrderState.CANCELED, OrderState.EXPIRED) and report.filled_size <= order.filled_size:
        return None
    return OrderEvent.ACKED if order.state is OrderState.SUBMITTING else OrderEvent.SEEN_OPEN


def _is_known(order: Order, report: OrderReport, event: OrderEvent) -> bool:
    return (
        order.state is OrderState.FILLED
        and event is OrderEvent.FILLED
        and order.filled_size >= max(report.filled_size, ZERO)
    )
