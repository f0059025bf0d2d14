"""Carry approved intents out, phase by phase, each order exactly once (DESIGN §3–4).

The gate's approval is a bound: the orders of one approval never add up to more than its size. What ends leverage comes
first and relies on nothing; a hedge is released after the sale of its own sector in the same batch. An order in doubt
stops the entries and sales of later phases, because they rely on it.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from bot.domain.money import ZERO
from bot.domain.order import Intent, Order, OrderType, Purpose
from bot.domain.order_ids import LAST_ATTEMPT, ClientOrderId, slice_and_attempt
from bot.domain.reason import Note, Reason
from bot.domain.states import IllegalTransition, OrderEvent, OrderState
from bot.execution.order_reports import OrderReports, together
from bot.execution.phases import RefusedEntries, phase_of
from bot.execution.placement import Placed, Placement
from bot.execution.rules import ExecutionRules
from bot.execution.stops_beside import StopsBeside
from bot.journal.journal import DuplicateOrder, Journal, JournalError
from bot.ports import Lane, Rejection, Unavailable, Venue, VenueRejected
from bot.risk import Approved

_INDEPENDENT = (Purpose.EXIT, Purpose.FLATTEN)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one approved intent.

    `state` is that of its last order, None when none was sent; `filled_size` (instrument's unit) and `filled_quote` add
    up all orders of this approval, `client_ids` names them. `is_settled`: nothing about them is in doubt.
    """

    intent: Intent
    size: Decimal
    state: OrderState | None
    filled_size: Decimal = ZERO
    filled_quote: Decimal = ZERO
    client_ids: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()
    is_settled: bool = True

    @property
    def refused_for_good(self) -> str:
        """The venue's words where it refused for a reason that does not pass by itself; else empty."""
        return next((note.words for note in self.notes if note.reason is Reason.LEG_REFUSED), "")

    @property
    def is_complete(self) -> bool:
        """Whether all that was approved is done."""
        return self.filled_size >= self.size


CancelCheck = Callable[[Order], bool]


def _always(order: Order) -> bool:
    del order
    return True


class Executor:
    """Sends, follows and cancels orders. One at a time: the caller holds the cycle's lock.

    `is_stopped(intent)` is the kill switch's view of an intent; it is asked again after every wait.
    """

    def __init__(
        self,
        venue: Venue,
        journal: Journal,
        rules: ExecutionRules,
        *,
        account: str,
        is_stopped: Callable[[Intent | None], bool],
    ) -> None:
        self._venue, self._journal, self._rules, self._account = venue, journal, rules, account
        self._is_stopped = is_stopped
        self._evidence = OrderReports(venue, journal, rules)
        self._placement = Placement(venue, journal, rules, self._evidence, is_stopped)
        self._by_symbol: dict[str, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(rules.timing.orders_per_instrument)
        )
        self._in_all = asyncio.Semaphore(rules.orders_at_once)
        self._stops = StopsBeside(journal, self._placement, venue.now_ms, self._attempt, self.cancel)
        self._refused = RefusedEntries()
        self._cancels_sent: set[str] = set()  # by `send_cancels`, until `settle_cancels` has written them down
        self._unread: list[Order] = []  # executed in full; their executions are read together
        self._held_sales: set[str] = set()  # waited for a hedge that ended in doubt: next time they go first

    async def act(self, approved: Sequence[Approved], held: Mapping[str, Decimal] | None = None) -> tuple[Outcome, ...]:
        """Cancel what has rested too long, then carry out what was approved; outcomes in the order given.

        `held` are the signed sizes of the positions, by perp: what closes leave of them keeps its stops.

        What the orders of the last phase have executed is left to `collect_executions`, that of earlier ones is read
        before the next, as is what a turn has left unread that did not come to its end.

        Raises:
            JournalError: nothing is sent that could not be written down; what was sent is settled at the next start.
        """
        await self.cancel_overdue()
        self._evidence.others.has_stranger = False
        self._stops.see(held or {})
        done: dict[int, Outcome] = {}
        phases = [phase_of(item.intent, approved, self._held_sales) for item in approved]
        for phase in sorted(set(phases)):
            members = [index for index, found in enumerate(phases) if found == phase]
            ready = []
            for index in members:
                note = _why_wait(approved[index].intent, list(done.values()))
                if note is None:
                    ready.append(index)
                    self._held_sales.discard(approved[index].intent.id)
                else:
                    if approved[index].intent.purpose is Purpose.REDUCE:
                        self._held_sales.add(approved[index].intent.id)
                    done[index] = Outcome(approved[index].intent, approved[index].size, None, notes=(note,))
            await self.collect_executions()
            results = await together([self._carry_out(approved[index]) for index in ready])
            done.update(zip(ready, results, strict=True))
        return tuple(done[index] for index in range(len(approved)))

    async def collect_executions(self) -> None:
        """Read, all at once, the executions of orders that were executed in full: their fees and the venue's numbers.

        Their sizes were in the answers. What cannot be read now is read by the next settlement.

        Raises:
            JournalError: they could not be written down.
        """
        orders, self._unread = self._unread, []
        by_symbol: dict[str, list[Order]] = defaultdict(list)
        for order in orders:
            by_symbol[order.symbol].append(order)
        await together([self._collect_of(each) for each in by_symbol.values()])

    async def _collect_of(self, orders: Sequence[Order]) -> None:
        """Of one symbol, one after the other: the first answer has mostly those of all."""
        for order in orders:
            await self._evidence.collect_fills_of(order)

    async def cancel(self, orders: Sequence[Order], should_cancel: CancelCheck = _always) -> tuple[Note, ...]:
        """Cancel orders of ours; those of others are left alone. Notes say what has no verdict yet.

        `should_cancel` is asked about each order after its last wait, as in `send_cancels` and `settle_cancels`.
        """
        notes = await together([self._cancel_one(order, should_cancel) for order in orders])
        return tuple(note for group in notes for note in group)

    async def send_cancels(self, orders: Sequence[Order], should_cancel: CancelCheck = _always) -> None:
        """Ask the venue to cancel, and write nothing: for the kill switch, which acts before it writes.

        A cancel does no harm twice. What it did is read afterwards, as evidence, by `settle_cancels` or any turn.
        """
        await together([self._send_cancel(order, should_cancel) for order in orders])

    async def settle_cancels(self, orders: Sequence[Order], should_cancel: CancelCheck = _always) -> tuple[Note, ...]:
        """Write down what `send_cancels` has done, and cancel the ordinary way what is still there."""
        notes = await together([self._settle_cancel(order, should_cancel) for order in orders])
        return tuple(note for group in notes for note in group)

    async def cancel_overdue(self) -> tuple[Note, ...]:
        """Cancel orders that rested longer than `order_deadline_ms`, never should have, or whose cancel had no verdict.

        Trigger orders may rest for ever.
        """
        now_ms = self._venue.now_ms()
        overdue = [
            order
            for order in self._journal.reader.load_working()
            if order.state is OrderState.CANCELING
            or (order.state is OrderState.OPEN and self._is_overdue(order, now_ms))
        ]
        return await self.cancel(overdue)

    def write_deadline(self) -> asyncio.Timeout:
        """The longest wait for the reply to one write: `async with executor.write_deadline():`."""
        return asyncio.timeout(self._rules.timing.post_deadline_ms / 1000)

    async def close(self) -> None:
        """Wait, within the deadline of one write, for replies that a cancelled task left behind."""
        await self._placement.drain()

    async def _carry_out(self, item: Approved) -> Outcome:
        async with self._by_symbol[item.intent.symbol], self._in_all:
            obstacle = self._refused.find(item.intent, self._venue.now_ms()) or await self._prepare(item)
            if obstacle is not None:
                return self._refusable(Outcome(item.intent, item.size, None, notes=(obstacle,)))
            notes: list[Note] = []
            stops = self._stops.begin(item.intent)
            client_ids = stops.closes
            await self._stops.cut_beside_short(stops, item)
            await self._stops.cut_beside_lost(stops, item)
            for attempt in range(self._rules.max_attempts):
                if attempt:
                    await asyncio.sleep(self._rules.timing.backoff_ms * 2 ** (attempt - 1) / 1000)
                placed = await self._attempt(item, client_ids)
                while isinstance(placed, Placed) and await self._stops.give_way(stops, placed.order):
                    notes.extend(placed.notes)
                    placed = await self._attempt(item, client_ids)
                notes.extend(placed.notes if isinstance(placed, Placed) else (placed,))
                if not isinstance(placed, Placed) or not placed.may_retry:
                    break
            else:
                text = f"{len(client_ids)} orders of {item.intent.symbol} were not taken: it waits for the next cycle"
                notes.append(Note(Reason.ATTEMPTS_SPENT, text, item.intent.symbol))
            await self._stops.put_back(stops)
            return self._refusable(self._outcome(item, client_ids, [*notes, *stops.notes]))

    def _refusable(self, outcome: Outcome) -> Outcome:
        """The same, its refusal remembered where it is one that does not pass."""
        now_ms = self._venue.now_ms()
        if outcome.refused_for_good and self._refused.find(outcome.intent, now_ms) is None:
            self._refused.record(outcome.intent, outcome.refused_for_good, now_ms)
        return outcome

    async def _prepare(self, item: Approved) -> Note | None:
        """Everything that can say no before an order is made."""
        intent = item.intent
        if self._is_stopped(intent):
            return Note(Reason.KILL_SWITCH, f"{intent.symbol}: the kill switch was thrown", intent.symbol)
        if (why := self._why_held(intent)) is not None:
            return why
        live = [o for o in self._journal.reader.load_orders_of_intent(intent.id) if o.state.is_live]
        if live:
            message = f"order {live[0].client_id} of {intent.id} is still {live[0].state}"
            return Note(Reason.INTENT_IN_FLIGHT, message, intent.symbol)
        if intent.leverage is None or intent.reduce_only:
            return None
        try:
            async with self.write_deadline():
                await self._venue.set_leverage(intent.symbol, intent.leverage)
        except VenueRejected as rejection:
            if rejection.kind is Rejection.NO_CHANGE:
                return None
            message = f"{intent.symbol}: leverage {intent.leverage} was rejected ({rejection}), no order was sent"
            reason = Reason.LEG_REFUSED if rejection.kind.is_permanent else Reason.ORDER_REJECTED
            return Note(reason, message, intent.symbol)
        except Exception as error:  # noqa: BLE001 - whatever is not recognised leaves the leverage unknown
            message = f"{intent.symbol}: leverage {intent.leverage} is not confirmed ({error!r}), no order was sent"
            return Note(Reason.VENUE_UNAVAILABLE, message, intent.symbol)
        return None

    async def _attempt(self, item: Approved, client_ids: list[str]) -> Placed | Note:
        """One order for what is left of the bound; a Note when none was sent."""
        intent = item.intent
        left = item.size - sum((order.filled_size + order.open_size for order in self._orders(client_ids)), ZERO)
        if left <= 0:
            return Note(Reason.PARENT_EXCEEDED, f"{intent.symbol}: {item.size} are done already", intent.symbol)
        is_critical = intent.reduce_only or intent.purpose in _INDEPENDENT
        try:
            async with self.write_deadline():
                await self._venue.admit(intent.symbol, Lane.CRITICAL if is_critical else Lane.BULK)
        except (Unavailable, TimeoutError) as error:
            return Note(Reason.RATE_LIMITED, f"{intent.symbol}: not admitted ({error!r})", intent.symbol)
        if self._is_stopped(intent):
            return Note(Reason.KILL_SWITCH, f"{intent.symbol}: the kill switch was thrown", intent.symbol)
        if (why := self._why_held(intent)) is not None:
            return why
        try:
            placed = await self._place(item, left, client_ids)
        except DuplicateOrder as refusal:
            return Note(Reason.INTENT_IN_FLIGHT, f"{intent.symbol}: {refusal}", intent.symbol)
        if isinstance(placed, Note):
            return placed
        order, notes = await self._follow(placed.order)
        return replace(placed, order=order, notes=placed.notes + notes)

    def _why_held(self, intent: Intent) -> Note | None:
        """While another writer is suspected only the guard's exits and flattening go on: what the rotation has still to
        do, exits included, may have been done already. A position that no plan knows or no order of ours has opened may
        be the other's: it gets no stop and no exit. Asked before every order; the executions of a phase are read
        before the next one, which they may hold back."""
        others = self._evidence.others
        if not (others.has_stranger or others.is_suspected()):
            return None
        if intent.purpose is Purpose.FLATTEN:
            return None
        is_of_guard = intent.purpose is Purpose.EXIT and intent.campaign == 0
        if is_of_guard and not intent.is_for_unowned and self._journal.reader.has_opened(intent.symbol):
            return None
        message = f"{intent.symbol}: held back while another writer is suspected"
        return Note(Reason.ANOTHER_WRITER, message, intent.symbol)

    async def _place(self, item: Approved, left: Decimal, client_ids: list[str]) -> Placed | Note:
        """Number and send one order. Two intents of one leg may reach for the same number: the slower tries again."""
        while True:
            try:
                order = self._new_order(item, left)
            except ValueError as error:
                return Note(Reason.ATTEMPTS_SPENT, f"{item.intent.symbol}: {error}", item.intent.symbol)
            client_ids.append(order.client_id)
            try:
                return await self._placement.place(order, item.intent)
            except DuplicateOrder as refusal:
                client_ids.remove(order.client_id)
                if not refusal.is_id_taken:
                    raise

    def _new_order(self, item: Approved, size: Decimal) -> Order:
        intent = item.intent
        is_market = intent.order_type is not OrderType.LIMIT
        window_ms = min(self._rules.receive_window_ms, self._venue.receive_window_ms or self._rules.receive_window_ms)
        return Order(
            client_id=self._next_id(intent),
            intent_id=intent.id,
            purpose=intent.purpose,
            sector=intent.sector,
            symbol=intent.symbol,
            side=intent.side,
            size=size,
            price=None if is_market else item.worst_price,
            order_type=intent.order_type,
            time_in_force=intent.time_in_force,
            reduce_only=intent.reduce_only,
            state=OrderState.SUBMITTING,
            sent_ms=self._venue.now_ms(),
            receive_window_ms=window_ms,
            trigger_price=intent.trigger_price,
        )

    def _next_id(self, intent: Intent) -> str:
        """A new attempt of the slice while its orders never came to be, else the next slice: never a used id."""
        first = ClientOrderId(self._account, intent.campaign, intent.tranche, intent.leg, 0, 0, self._journal.epoch)
        last = self._journal.reader.load_last_of_prefix(first.prefix)
        unknown_ids = self._evidence.others.unknown_ids()
        lost = max((used for used in unknown_ids if used.startswith(first.prefix)), default="")
        if lost and (last is None or last.client_id < lost):  # an older copy of the journal has forgotten this one
            return replace(first, slice=slice_and_attempt(lost)[0] + 1, attempt=0).text
        if last is None:
            return first.text
        number, attempt = slice_and_attempt(last.client_id)
        if last.state is OrderState.REJECTED and attempt < LAST_ATTEMPT:
            return replace(first, slice=number, attempt=attempt + 1).text
        return replace(first, slice=number + 1, attempt=0).text

    async def _follow(self, order: Order) -> tuple[Order, tuple[Note, ...]]:
        """Wait for the end of an order that cannot rest, and for the fills of what executed in part."""
        notes: tuple[Note, ...] = ()
        if order.state is OrderState.OPEN and not _may_rest(order):
            order, notes = await self._poll(order)
            if order.state is OrderState.OPEN:
                order, more = await self._placement.cancel(order)
                notes += more
        if order.state is OrderState.FILLED and order.filled_size >= order.size:
            self._unread.append(order)  # no later order depends on more than its size
        elif order.filled_size > 0:
            order = await self._evidence.collect_fills_of(order)
        return order, notes

    async def _poll(self, order: Order) -> tuple[Order, tuple[Note, ...]]:
        notes: tuple[Note, ...] = ()
        for poll in range(self._rules.timing.polls):
            if poll:
                await self._evidence.pause()
            try:
                report = await self._evidence.fetch_order(order)
            except Unavailable:
                continue
            if report is not None:
                order, notes = await self._evidence.record_report(order, report)
            if order.state is not OrderState.OPEN:
                break
        return order, notes

    async def _send_cancel(self, order: Order, should_cancel: CancelCheck) -> None:
        with contextlib.suppress(Exception):  # refused, unreachable or unknown: the evidence says what became of it
            async with self.write_deadline():
                await self._venue.admit(order.symbol, Lane.CRITICAL)
                if should_cancel(order) and not self._is_over(order):
                    self._cancels_sent.add(order.client_id)
                    try:
                        await self._venue.cancel_order(
                            order.symbol, order.client_id, is_trigger=order.order_type.is_trigger
                        )
                    except VenueRejected as refusal:
                        if refusal.kind is not Rejection.NOT_FOUND:  # it did not happen: the order rests on
                            self._cancels_sent.discard(order.client_id)

    def _is_over(self, order: Order) -> bool:
        """Whether a turn has settled the order while its cancel waited; a journal that cannot be read says no."""
        try:
            known = self._journal.reader.load_order(order.client_id)
        except JournalError:
            return False
        return known is not None and not known.state.is_live

    async def _settle_cancel(self, order: Order, should_cancel: CancelCheck) -> tuple[Note, ...]:
        known = self._journal.reader.load_order(order.client_id)
        if known is None or not known.state.is_live:
            return ()
        notes: tuple[Note, ...] = ()
        with contextlib.suppress(Unavailable):
            report = await self._evidence.fetch_order(known)
            if report is not None:
                known, notes = await self._evidence.record_report(known, report)
                if not known.state.is_live:
                    if known.filled_size > 0:
                        await self._evidence.collect_fills_of(known)
                    return notes
        was_sent = order.client_id in self._cancels_sent
        self._cancels_sent.discard(order.client_id)
        if was_sent and known.state is OrderState.OPEN:  # a report may be older than the cancel: it proves no life
            try:
                known = await self._journal.record_order_event(known.client_id, OrderEvent.CANCEL_SENT)
            except IllegalTransition:  # a turn has settled it meanwhile
                if not self._is_over(known):
                    raise
                return notes
        return notes + await self._cancel_one(known, should_cancel)

    async def _cancel_one(self, order: Order, should_cancel: CancelCheck) -> tuple[Note, ...]:
        known = self._journal.reader.load_order(order.client_id)
        if known is None or not known.state.is_live:
            return ()
        try:
            async with self.write_deadline():
                await self._venue.admit(known.symbol, Lane.CRITICAL)
        except (Unavailable, TimeoutError) as error:
            return (Note(Reason.RATE_LIMITED, f"cancel of {known.client_id} not admitted ({error!r})", known.symbol),)
        notes: tuple[Note, ...] = ()
        if known.state in (OrderState.SUBMITTING, OrderState.IN_DOUBT):
            known, notes = await self._query_unknown_outcome(known)
        if known.state in (OrderState.OPEN, OrderState.CANCELING) and should_cancel(known):
            known, more = await self._placement.cancel(known)
            notes += more
        if known.filled_size > 0:
            await self._evidence.collect_fills_of(known)
        return notes

    async def _query_unknown_outcome(self, order: Order) -> tuple[Order, tuple[Note, ...]]:
        """Find out whether an order in doubt is there to be cancelled."""
        try:
            report = await self._evidence.fetch_order(order)
        except Unavailable:
            report = None
        if report is not None:
            return await self._evidence.record_report(order, report)
        message = f"order {order.client_id} of {order.symbol} is in doubt: it cannot be cancelled before it is found"
        return order, (Note(Reason.ORDER_IN_DOUBT, message, order.symbol),)

    def _is_overdue(self, order: Order, now_ms: int) -> bool:
        if order.order_type.is_trigger:
            return False
        return not _may_rest(order) or now_ms - order.sent_ms > self._rules.order_deadline_ms

    def _orders(self, client_ids: Sequence[str]) -> list[Order]:
        loaded = (self._journal.reader.load_order(client_id) for client_id in client_ids)
        return [order for order in loaded if order is not None]

    def _outcome(self, item: Approved, client_ids: Sequence[str], notes: Sequence[Note]) -> Outcome:
        orders = self._orders(client_ids)
        filled = sum((order.filled_size for order in orders), ZERO)
        quote = sum((order.filled_quote for order in orders), ZERO)
        is_settled = all(not o.state.is_live or (o.state is OrderState.OPEN and _may_rest(o)) for o in orders)
        state = orders[-1].state if orders else None
        return Outcome(item.intent, item.size, state, filled, quote, tuple(client_ids), tuple(notes), is_settled)


def _may_rest(order: Order) -> bool:
    return order.order_type.is_trigger or order.time_in_force.may_rest


def _why_wait(intent: Intent, done: Sequence[Outcome]) -> Note | None:
    """Why an intent must not follow what happened in the phases before it."""
    if intent.purpose in _INDEPENDENT:
        return None
    if intent.purpose is Purpose.RELEASE:
        for outcome in done:
            is_sale = outcome.intent.purpose is Purpose.REDUCE and outcome.intent.sector == intent.sector
            if is_sale and not outcome.is_complete:
                message = f"{intent.symbol}: the hedge stays until {outcome.intent.symbol} is sold"
                return Note(Reason.PHASE_WAITS, message, intent.symbol)
        return None
    for outcome in done:
        earlier = outcome.intent
        if outcome.is_settled or earlier.purpose.phase >= intent.purpose.phase:
            continue
        if earlier.purpose.reduces_leverage and earlier.symbol != intent.symbol and not intent.purpose.is_directional:
            continue  # nothing of another instrument is bought or hedged with what an exit brings
        message = f"{intent.symbol}: waits, because {earlier.symbol} is in doubt"
        return Note(Reason.ORDER_IN_DOUBT, message, intent.symbol)
    return None
