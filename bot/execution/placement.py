"""One order, exactly once: write, send, write (DESIGN §4.1–4.3).

The part between the commit of SUBMITTING and the record of its outcome runs in a task of its own, so that a caller who
is cancelled cannot lose the venue's answer.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from bot.domain.order import Intent, Order
from bot.domain.reason import Note, Reason
from bot.domain.states import IllegalTransition, OrderEvent, OrderState
from bot.execution.order_reports import OrderReports, is_about
from bot.execution.rules import ExecutionRules
from bot.journal.journal import Journal
from bot.journal.schema import NOT_SENT
from bot.ports import OrderReport, OrderRequest, Rejection, Unavailable, Venue, VenueRejected

T = TypeVar("T")
_RETRIABLE = (Rejection.RATE_LIMIT, Rejection.CLOCK)


@dataclass(frozen=True, slots=True)
class Placed:
    """What became of one order. `may_retry`: it certainly does not exist, and another attempt makes sense."""

    order: Order
    notes: tuple[Note, ...] = ()
    may_retry: bool = False


class Placement:
    """Sends single orders and single cancels. Raises JournalError when the journal fails; nothing is sent unwritten."""

    def __init__(
        self,
        venue: Venue,
        journal: Journal,
        rules: ExecutionRules,
        evidence: OrderReports,
        is_stopped: Callable[[Intent | None], bool],
    ) -> None:
        self._venue, self._journal, self._rules, self._evidence = venue, journal, rules, evidence
        self._is_stopped = is_stopped
        self._under_way: set[asyncio.Task[Any]] = set()
        self._withdrawn: set[str] = set()

    async def place(self, order: Order, intent: Intent) -> Placed:
        """Write the order down, send it once, write the outcome down.

        Raises:
            DuplicateOrder: the id is taken, or another order of the intent is live. Nothing was sent.
            asyncio.CancelledError: after the outcome, or the doubt, was written.
        """
        stopping = asyncio.Event()
        return await self._protect(self._write_send_write(order, intent, stopping), order.client_id, stopping)

    async def cancel(self, order: Order) -> tuple[Order, tuple[Note, ...]]:
        """Cancel a live order; what it is afterwards. A cancel without a verdict leaves it CANCELING (DESIGN §4.8)."""
        return await self._protect(self._write_cancel_write(order), order.client_id, asyncio.Event())

    def is_withdrawn(self, client_id: str) -> bool:
        """Whether the venue has confirmed the cancel of an order whose last report is still older than that: it counts
        as working, because what it executed is not known, but nothing of it rests any more."""
        return client_id in self._withdrawn

    async def drain(self) -> None:
        """Wait for what a cancelled caller left behind."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=self._rules.timing.post_deadline_ms / 1000)

    async def _protect(self, work: Coroutine[Any, Any, T], client_id: str, stopping: asyncio.Event) -> T:
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            stopping.set()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait({task}, timeout=self._rules.timing.cancel_grace_ms / 1000)
            if task.done():
                if not task.cancelled() and (error := task.exception()) is not None:
                    raise asyncio.CancelledError from error
            else:
                await asyncio.shield(self._record_unknown_outcome(client_id, "the bot stopped before the reply came"))
            raise

    async def _write_send_write(self, order: Order, intent: Intent, stopping: asyncio.Event) -> Placed:
        await self._journal.record_submitting(order, order.trigger_price or intent.reference_price)
        if (why := self._why_not_sent(order, intent, stopping)) is not None:
            unsent = await self._journal.record_order_event(
                order.client_id, OrderEvent.REJECTED, reason=f"{NOT_SENT}: {why.words}"
            )
            return Placed(unsent, (why,), may_retry=why.reason is Reason.CLOCK_SKEW)
        try:
            async with asyncio.timeout(self._rules.timing.post_deadline_ms / 1000):
                report = await self._venue.submit_order(_request(order))
        except VenueRejected as rejection:
            if rejection.kind is Rejection.DUPLICATE_ID:
                return await self._settle_unknown_outcome(order, f"the venue knows this id already ({rejection})")
            age_ms = self._venue.now_ms() - order.sent_ms
            if rejection.kind is Rejection.CLOCK and age_ms >= order.receive_window_ms // 2:
                return await self._settle_unknown_outcome(
                    order, f"a late copy may have been refused, not the first ({rejection})"
                )
            return await self._rejected(order, rejection)
        except asyncio.CancelledError:
            await self._record_unknown_outcome(order.client_id, "the bot was stopped while sending")
            raise
        except Exception as error:  # noqa: BLE001 - whatever is not recognised may have happened
            return await self._settle_unknown_outcome(order, _text(error))
        return await self._answered(order, report)

    def _why_not_sent(self, order: Order, intent: Intent, stopping: asyncio.Event) -> Note | None:
        """The order is on paper and not on the wire: the last moment at which it can still be held back for certain."""
        if stopping.is_set():
            return Note(Reason.KILL_SWITCH, "the bot is stopping", order.symbol)
        if self._is_stopped(intent):
            return Note(Reason.KILL_SWITCH, "the kill switch was thrown", order.symbol)
        pause_ms = abs(self._venue.now_ms() - order.sent_ms)
        if pause_ms >= order.receive_window_ms // 2:
            message = f"{pause_ms} ms passed since its stamp, more than half of {order.receive_window_ms} ms"
            return Note(Reason.CLOCK_SKEW, message, order.symbol)
        return None

    async def _answered(self, order: Order, report: OrderReport) -> Placed:
        if not is_about(order, report):
            return await self._settle_unknown_outcome(
                order, f"the reply is about something else ({report.symbol} {report.venue_id!r})"
            )
        current = self._journal.reader.load_order(order.client_id) or order
        after, notes = await self._evidence.record_report(current, report)
        if after.state is OrderState.REJECTED:
            notes += (_rejection_note(after, "the venue reports it as rejected"),)
        return Placed(after, notes)

    async def _rejected(self, order: Order, rejection: VenueRejected) -> Placed:
        current = self._journal.reader.load_order(order.client_id)
        if current is None or current.state is not OrderState.SUBMITTING:
            return Placed(current or order)  # settled or doubted meanwhile: only evidence leads out of that
        after = await self._journal.record_order_event(order.client_id, OrderEvent.REJECTED, reason=str(rejection))
        if rejection.kind is Rejection.CLOCK:
            with contextlib.suppress(Unavailable):
                await self._evidence.read(self._venue.fetch_clock_skew(), "clock of the venue")
        if rejection.kind is Rejection.RATE_LIMIT:
            note = Note(Reason.RATE_LIMITED, f"order {order.client_id} was not taken: {rejection}", order.symbol)
        elif rejection.kind.is_permanent:
            note = Note(Reason.LEG_REFUSED, f"{order.symbol}: refused for good ({rejection})", order.symbol)
        else:
            note = _rejection_note(order, str(rejection))
        return Placed(after, (note,), may_retry=rejection.kind in _RETRIABLE)

    async def _settle_unknown_outcome(self, order: Order, why: str) -> Placed:
        """Doubt is written first; then the venue is asked: a found order is proof, a missing one is not."""
        await self._record_unknown_outcome(order.client_id, why)
        note = Note(Reason.ORDER_IN_DOUBT, f"order {order.client_id} of {order.symbol} may exist: {why}", order.symbol)
        return await self._query_again(order, (note,))

    async def _query_again(self, order: Order, notes: tuple[Note, ...]) -> Placed:
        for poll in range(self._rules.timing.polls):
            if poll:
                await self._evidence.pause()
            current = self._journal.reader.load_order(order.client_id) or order
            try:
                report = await self._evidence.fetch_order(current)
            except Unavailable:
                continue
            if report is not None:
                after, more = await self._evidence.record_report(current, report)
                settled = Note(
                    Reason.DOUBT_SETTLED, f"order {order.client_id} of {order.symbol} is {after.state}", order.symbol
                )
                return Placed(after, (*notes, *more, settled))
        return Placed(self._journal.reader.load_order(order.client_id) or order, notes)

    async def _record_unknown_outcome(self, client_id: str, why: str) -> None:
        current = self._journal.reader.load_order(client_id)
        if current is not None and current.state in (OrderState.SUBMITTING, OrderState.CANCELING):
            await self._journal.record_order_event(client_id, OrderEvent.LOST, reason=why)

    async def _write_cancel_write(self, order: Order) -> tuple[Order, tuple[Note, ...]]:
        client_id, is_trigger = order.client_id, order.order_type.is_trigger
        try:
            order = await self._journal.record_order_event(client_id, OrderEvent.CANCEL_SENT)
        except IllegalTransition:  # a reply that a stopped turn left behind has ended it while this cancel waited
            ended = self._journal.reader.load_order(client_id)
            if ended is None or ended.state.is_live:
                raise
            return ended, ()
        refusal: VenueRejected | None = None
        is_confirmed = False
        try:
            async with asyncio.timeout(self._rules.timing.post_deadline_ms / 1000):
                await self._venue.cancel_order(order.symbol, client_id, is_trigger=is_trigger)
            is_confirmed = True
        except VenueRejected as rejection:
            refusal = rejection
        except asyncio.CancelledError:
            await self._record_unknown_outcome(client_id, "the bot was stopped while canceling")
            raise
        except Exception as error:  # noqa: BLE001 - whatever is not recognised may have happened
            await self._record_unknown_outcome(client_id, _text(error))
        return await self._after_cancel(order, is_confirmed, refusal)

    async def _after_cancel(
        self, order: Order, is_confirmed: bool, refusal: VenueRejected | None
    ) -> tuple[Order, tuple[Note, ...]]:
        order = self._journal.reader.load_order(order.client_id) or order
        report: OrderReport | None = None
        for poll in range(self._rules.timing.polls if is_confirmed else 1):
            if poll:
                await self._evidence.pause()
            try:
                report = await self._evidence.fetch_order(order)
            except Unavailable:
                continue
            if report is not None:
                order, notes = await self._evidence.record_report(order, report)
                if not order.state.is_live:
                    return order, notes
        message = f"cancel of order {order.client_id} has no verdict yet: it counts as working"
        self._withdrawn = {client_id for client_id in self._withdrawn if self._is_live(client_id)}
        if is_confirmed:  # a report from before the cancel may lack executions: only its end says how much there was
            message = f"cancel of order {order.client_id} is confirmed, what it executed is not: it counts as working"
            self._withdrawn.add(order.client_id)
        if refusal is not None and report is not None and self._is_live(order.client_id):
            try:
                order = await self._journal.record_order_event(
                    order.client_id, OrderEvent.REJECTED, reason=str(refusal)
                )
            except IllegalTransition:  # another cancel of the order had its verdict meanwhile
                known = self._journal.reader.load_order(order.client_id)
                if known is None or known.state is OrderState.CANCELING:
                    raise
                order = known
                if not order.state.is_live:
                    return order, ()
            message = f"cancel of order {order.client_id} was refused ({refusal}) and the order is open"
        return order, (Note(Reason.ORDER_IN_DOUBT, message, order.symbol),)

    def _is_live(self, client_id: str) -> bool:
        order = self._journal.reader.load_order(client_id)
        return order is not None and order.state.is_live


def _request(order: Order) -> OrderRequest:
    return OrderRequest(
        client_id=order.client_id,
        symbol=order.symbol,
        side=order.side,
        size=order.size,
        order_type=order.order_type,
        time_in_force=order.time_in_force,
        stamp_ms=order.sent_ms,
        receive_window_ms=order.receive_window_ms,
        price=order.price,
        trigger_price=order.trigger_price,
        reduce_only=order.reduce_only,
    )


def _rejection_note(order: Order, message: str) -> Note:
    return Note(Reason.ORDER_REJECTED, f"order {order.client_id} of {order.symbol}: {message}", order.symbol)


def _text(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
