"""The order protocol of `bot/execution` as a model: daemons here, wire and venue in `tests.model.outside`.

Left out, so that the model must do without: the comparison of books and account, the revival of orders that ended by
mistake, the look-up straight after a doubt, the refusal to send after a pause. Each is a second net in the code.
The rows of the journal move through the project's own ORDER_TABLE.
"""

from collections.abc import Callable, Iterable, Iterator

from bot.domain.states import ORDER_TABLE, IllegalTransition, OrderEvent, OrderState, advance
from tests.model.checker import Label
from tests.model.outside import Outside
from tests.model.rules import Rules, World
from tests.model.state import (
    ADMITTED,
    ASKING_AGAIN,
    CANCEL_WAITING,
    CANCELED,
    CONFIRMED,
    DEAD,
    DOWN,
    DUPLICATE,
    ENDED,
    FILLED,
    GARBLED,
    IDLE,
    IN_WINDOW,
    LATE,
    LOOKING,
    NOWHERE,
    OPENED,
    QUIET,
    REFUSED,
    RESTING,
    SENT,
    UNKNOWN_OUTCOME_STATES,
    UNWRITTEN,
    WAITING,
    WRITTEN,
    Budget,
    Daemon,
    Order,
    Report,
    State,
)

TWO_ORDERS_LIVE = "two_orders_live"
ORDER_NOT_JOURNALED = "order_not_journaled"
DEAD_CAME_ALIVE = "dead_came_alive"
FILL_FORGOTTEN = "fill_forgotten"
FILL_INVENTED = "fill_invented"
CAP_PASSED = "cap_passed"
SENT_AFTER_SWITCH = "sent_after_switch"
ILLEGAL_TRANSITION = "illegal_transition"
DAEMON_EVICTED = "daemon_evicted"

CRASH = "daemon {d} crashes"
PAUSE = "daemon {d} is paused"
THROW = "the operator throws the kill switch"
GLITCH = "daemon {d} asks about order {o}: a replica without any order answers"
_FAULTS = frozenset({CRASH, PAUSE, THROW, GLITCH})
_ENDS = {FILLED: OrderEvent.FILLED, CANCELED: OrderEvent.CANCELED}

Steps = Iterator[tuple[Label, State]]


def report_event(order: Order, report: Report) -> OrderEvent | None:
    """What a report means in the present state of a row: the same as `evidence._event_of`, which a test compares."""
    row, (what, done) = order.row, report
    if row is None:
        return None
    if what in _ENDS:
        event = _ENDS[what]
        is_known = row is OrderState.FILLED and event is OrderEvent.FILLED and order.known >= done
        return event if event in ORDER_TABLE[row] and not is_known else None
    if row is OrderState.FILLED:
        return None
    if row in (OrderState.OPEN, OrderState.CANCELING):
        return OrderEvent.SEEN_OPEN if done > order.known else None
    if row in (OrderState.CANCELED, OrderState.EXPIRED) and done <= order.known:
        return None
    return OrderEvent.ACKED if row is OrderState.SUBMITTING else OrderEvent.SEEN_OPEN


class Protocol:
    """The model under some rules in some world."""

    def __init__(self, rules: Rules, world: World) -> None:
        self.rules, self.world = rules, world
        self._outside = Outside(world)
        self._is_compact = rules.one_id_per_post and rules.id_from_journal
        doubtful = {
            GARBLED: rules.unknown_reply_is_doubt,
            DUPLICATE: rules.duplicate_id_is_doubt,
            LATE: rules.late_refusal_is_doubt,
        }
        self._doubtful_replies = frozenset(what for what, is_doubt in doubtful.items() if is_doubt)
        self._doings: dict[int, Callable[[State, int, Daemon], Steps]] = {
            DOWN: self._start,
            OPENED: self._settle_first,
            IDLE: self._begin,
            ADMITTED: self._write,
            WRITTEN: self._send,
            UNWRITTEN: self._write_late,
            WAITING: self._hear,
            CANCEL_WAITING: self._hear_cancel,
            LOOKING: self._ask_list,
            ASKING_AGAIN: self._ask_again,
        }

    def initial(self) -> Iterable[State]:
        world = self.world
        budget = Budget(world.crashes, world.duplicates, world.glitches, world.clock_steps, world.pauses)
        yield State((), (Daemon(),) * world.daemons, budget)

    def steps(self, state: State) -> Steps:
        for d, daemon in enumerate(state.daemons):
            if daemon.is_paused:
                yield ("daemon {d} goes on", d, -1), state.with_daemon(d, daemon._replace(is_paused=False))
                continue
            yield from self._doings[daemon.at](state, d, daemon)
            if daemon.at != DOWN:
                yield from self._interrupt(state, d, daemon)
        for label, after in self._outside.steps(state):
            yield label, self._compact(after, label[2])
        if self.world.has_switch and not state.is_thrown:
            yield (THROW, -1, -1), state._replace(is_thrown=True, is_held=True)

    def is_fault(self, label: Label) -> bool:
        return label[0] in _FAULTS or self._outside.is_fault(label)

    def violation(self, state: State) -> str | None:
        if state.broken:
            return state.broken
        taken = [0] * self.world.intents
        for order in state.orders:
            taken[order.intent] += order.past + (order.size if order.venue == RESTING else order.done)
            if order.row is None:
                if order.venue != NOWHERE:
                    return ORDER_NOT_JOURNALED
            elif order.known > order.done + order.past:
                return FILL_INVENTED
            elif order.row in DEAD:
                if order.venue == RESTING or self._outside.may_accept(order):
                    return DEAD_CAME_ALIVE
                if order.done > order.known:
                    return FILL_FORGOTTEN
        if max(taken) > self.world.size:
            return TWO_ORDERS_LIVE
        return CAP_PASSED if self.world.cap is not None and sum(taken) > self.world.cap else None

    def is_settled(self, state: State) -> bool:
        """Every row is what the order is, nothing is under way, a daemon is at work; after the switch nothing rests."""
        if not any(d.at == IDLE and not d.is_paused and state.owner == n for n, d in enumerate(state.daemons)):
            return False
        if any(d.at not in (IDLE, DOWN) or d.is_paused for d in state.daemons):
            return False
        for order in state.orders:
            if self._outside.may_accept(order) or (order.row not in ENDED and order.row is not OrderState.OPEN):
                return False
            if order.row is OrderState.OPEN and (
                state.is_thrown or (order.venue, order.done) != (RESTING, order.known)
            ):
                return False
        return True

    # The life of a process: Journal.open, journal_lease, journal_writer

    def _start(self, state: State, d: int, daemon: Daemon) -> Steps:
        others = [other for n, other in enumerate(state.daemons) if n != d and other.at != DOWN]
        if any(not other.is_paused for other in others) and self.rules.one_writer:
            return  # LockFile.acquire, take_lease: only who is silent for LEASE_MS is overtaken
        if state.owner < 0 and d:
            return  # daemons are alike: the first to open is number 0
        after = state
        for n, other in enumerate(state.daemons):
            if n != d and other.at != DOWN and not other.is_paused and self.world.minds_eviction:
                after = after.with_daemon(n, other._replace(is_robbed=True))
        after = after.with_daemon(d, Daemon(OPENED))
        yield ("daemon {d} opens the journal", d, -1), after._replace(owner=d)

    def _interrupt(self, state: State, d: int, daemon: Daemon) -> Steps:
        if state.budget.crashes:
            after = self._let_go(state, d).spend(crashes=state.budget.crashes - 1)
            orders = tuple(
                order if order.is_durable else order._replace(row=None, known=0, is_durable=True)
                for order in after.orders
            )
            is_held = state.is_held and self.rules.kill_outlives_process
            yield (CRASH, d, -1), after._replace(orders=orders, is_held=is_held)
        if state.budget.pauses:
            after = state.with_daemon(d, daemon._replace(is_paused=True))
            yield (PAUSE, d, -1), after.spend(pauses=state.budget.pauses - 1)

    def _let_go(self, state: State, d: int) -> State:
        """The process is gone, and with it whoever waited for a reply."""
        daemon = state.daemons[d]
        if daemon.at in (WAITING, UNWRITTEN):
            state = state.with_order(daemon.on, state.orders[daemon.on]._replace(reply=None))
        elif daemon.at == CANCEL_WAITING and state.orders[daemon.on].cancel != SENT:
            state = state.with_order(daemon.on, state.orders[daemon.on]._replace(cancel=NOWHERE))
        return state.with_daemon(d, Daemon())

    def _may_write(self, state: State, d: int) -> bool:
        """EventLog.append: the number of the next event is taken when somebody else has written since."""
        return state.owner == d or not self.rules.chain_refuses_stale_writer

    def _evicted(self, state: State, d: int) -> tuple[Label, State]:
        broken = DAEMON_EVICTED if state.daemons[d].is_robbed else ""
        return ("daemon {d} is refused by the journal and stops", d, -1), self._let_go(state, d)._replace(broken=broken)

    def _settle_first(self, state: State, d: int, daemon: Daemon) -> Steps:
        """Reconciler.settle at the start: UnknownOutcomes._settle_one makes a doubt of what has no outcome."""
        if not self._may_write(state, d):
            yield self._evicted(state, d)
            return
        after = state.with_daemon(d, Daemon(IDLE))
        event = OrderEvent.LOST if self.rules.restart_settles else OrderEvent.NOT_FOUND
        for o, order in enumerate(state.orders):
            if order.row is OrderState.SUBMITTING:
                after = self._record(after, o, event)
        yield ("daemon {d} begins with the orders that have no outcome", d, -1), after

    # One order: Executor._carry_out, _place; Placement._write_send_write

    def _begin(self, state: State, d: int, daemon: Daemon) -> Steps:
        if not self._may_write(state, d):
            yield self._evicted(state, d)  # Journal.record_cycle, once a turn
            return
        if not state.is_held:
            for intent in range(self.world.intents):
                yield from self._approve(state, d, daemon, intent)
        for o, order in enumerate(state.orders):
            if not order.is_live:
                continue
            yield from self._ask_by_id(state, d, daemon._replace(on=o, asks=0))
            wants_cancel = self.world.has_cancels or state.is_thrown
            if wants_cancel and order.cancel == NOWHERE and order.row not in UNKNOWN_OUTCOME_STATES:
                yield from self._cancel(state, d, o)

    def _approve(self, state: State, d: int, daemon: Daemon, intent: int) -> Steps:
        """Executor._prepare, and the gate: what is alive or in doubt counts at full size."""
        own = [order for order in state.orders if order.intent == intent]
        is_spent = len(own) >= self.world.orders_per_intent and self._is_compact
        if is_spent or any(self._blocks(order) for order in own):
            return
        left = self.world.size - sum(order.known for order in own)
        used = sum(order.size if self._fills_cap(order) else order.known for order in state.orders)
        if left <= 0 or (self.world.cap is not None and used + left > self.world.cap):
            return
        after = state.with_daemon(d, daemon._replace(at=ADMITTED, on=intent, left=left))
        yield ("daemon {d} approves an order", d, -1), after

    def _blocks(self, order: Order) -> bool:
        return order.is_live and (order.row is not OrderState.IN_DOUBT or self.rules.no_send_while_in_doubt)

    def _fills_cap(self, order: Order) -> bool:
        return order.is_live and (order.row not in UNKNOWN_OUTCOME_STATES or self.rules.doubt_fills_cap)

    def _write(self, state: State, d: int, daemon: Daemon) -> Steps:
        """Executor._attempt after the admission, Journal.record_submitting: the commit comes before the POST."""
        idle = state.with_daemon(d, daemon._replace(at=IDLE, on=-1, left=0))
        own = [order for order in state.orders if order.intent == daemon.on]
        if state.is_held or any(self._blocks(order) for order in own):
            yield ("daemon {d} holds its order back", d, -1), idle
            return
        is_first = self.rules.journal_before_send
        if is_first and not self._may_write(state, d):
            yield self._evicted(state, d)
            return
        fresh = Order(daemon.on, daemon.left, is_durable=self.rules.commit_is_on_disk)
        fresh = fresh._replace(row=OrderState.SUBMITTING) if is_first else fresh._replace(wire=1)
        o = self._next_number(state, daemon)
        if o == len(state.orders):
            after = state._replace(orders=(*state.orders, fresh))
        else:  # an id that is used again: the venue still remembers the order before
            old = state.orders[o]
            if old.is_live or old.wire:
                return
            past, by_id, by_list = old.past, old.by_id, old.by_list
            fresh = fresh._replace(venue=old.venue, done=old.done, past=past, by_id=by_id, by_list=by_list)
            after = state.with_order(o, fresh)
        made = daemon.made + (not self.rules.id_from_journal)
        after = after.with_daemon(d, Daemon(WRITTEN if is_first else UNWRITTEN, o, made=made))
        words = "daemon {d} writes order {o} down as submitting" if is_first else "daemon {d} sends order {o} unwritten"
        yield (words, d, o), after

    def _next_number(self, state: State, daemon: Daemon) -> int:
        """Executor._next_id: the journal knows which ids were used."""
        own = [o for o, order in enumerate(state.orders) if order.intent == daemon.on]
        if not self.rules.one_id_per_post and own:
            return own[0]
        if not self.rules.id_from_journal and daemon.made < len(own):
            return own[daemon.made]
        return len(state.orders)

    def _send(self, state: State, d: int, daemon: Daemon) -> Steps:
        """Placement._why_not_sent, then the POST: no await stands between the two."""
        o, order = daemon.on, state.orders[daemon.on]
        if state.is_held and self.rules.kill_checked_at_send:
            if not self._may_write(state, d):
                yield self._evicted(state, d)
                return
            after = self._record(state.with_daemon(d, daemon._replace(at=IDLE, on=-1)), o, OrderEvent.REJECTED)
            yield ("daemon {d} holds order {o} back: the switch was thrown", d, o), after
            return
        signed = order.age if self.rules.signed_with_journaled_stamp else IN_WINDOW
        after = state.with_order(o, order._replace(wire=order.wire + 1, signed=signed))
        broken = SENT_AFTER_SWITCH if state.is_thrown else ""
        yield (
            ("daemon {d} sends order {o}", d, o),
            after.with_daemon(d, daemon._replace(at=WAITING))._replace(broken=broken),
        )

    def _write_late(self, state: State, d: int, daemon: Daemon) -> Steps:
        after = state.with_order(daemon.on, state.orders[daemon.on]._replace(row=OrderState.SUBMITTING))
        yield (
            ("daemon {d} writes order {o} down after sending it", d, daemon.on),
            after.with_daemon(d, daemon._replace(at=WAITING)),
        )

    def _hear(self, state: State, d: int, daemon: Daemon) -> Steps:
        """Placement._answered, _rejected, _in_doubt."""
        if not self._may_write(state, d):
            yield self._evicted(state, d)
            return
        o, reply = daemon.on, state.orders[daemon.on].reply
        idle = state.with_daemon(d, daemon._replace(at=IDLE, on=-1))
        idle = idle.with_order(o, idle.orders[o]._replace(reply=None))
        is_open_question = idle.orders[o].row is OrderState.SUBMITTING  # else settled meanwhile, by evidence only
        doubted = self._record(idle, o, OrderEvent.LOST) if is_open_question else idle
        if reply is not None:
            what = reply[0]
            if what in (RESTING, FILLED, CANCELED):
                is_taken = self.rules.acknowledged_is_not_executed
                after = self._record_report(idle, o, reply if is_taken else (FILLED, idle.orders[o].size))
            elif what in self._doubtful_replies or not is_open_question:
                after = doubted
            else:
                after = self._record(idle, o, OrderEvent.REJECTED)
            yield (f"daemon {{d}} hears that order {{o}} is {what}", d, o), after
        yield ("daemon {d} waits no longer for the reply to order {o}", d, o), doubted

    # Doubts: UnknownOutcomes._resolve, _query_order, _is_quiet, _absent; OrderReports.record_report

    def _ask_by_id(self, state: State, d: int, daemon: Daemon) -> Steps:
        o, order = daemon.on, state.orders[daemon.on]
        if order.by_id is not None:
            yield from self._take(state, d, o, order.by_id)
        else:
            asking = daemon._replace(at=LOOKING, is_quiet=self._is_quiet(state, order))
            if not asking.is_quiet and self.rules.asked_after_quiet:
                if order.by_list is not None:
                    yield from self._take(state, d, o, order.by_list)  # absence would prove nothing yet
            else:
                yield from self._without(state, d, asking, "daemon {d} asks for order {o} by id: not found")
        if state.budget.glitches and self._is_quiet(state, order):
            blind = daemon._replace(at=LOOKING, is_quiet=True, is_blind=True)
            for _, after in self._without(state, d, blind, GLITCH):
                yield (GLITCH, d, o), after.spend(glitches=state.budget.glitches - 1)

    def _without(self, state: State, d: int, asking: Daemon, words: str) -> Steps:
        if self.rules.asked_everywhere:
            yield (words, d, asking.on), state.with_daemon(d, asking)
        else:
            yield from self._count_absence(state, d, asking, words)

    def _ask_list(self, state: State, d: int, daemon: Daemon) -> Steps:
        report = state.orders[daemon.on].by_list
        if report is None or daemon.is_blind:
            yield from self._count_absence(state, d, daemon, "daemon {d} looks for order {o} in the lists: not there")
            return
        idle = state.with_daemon(d, Daemon(IDLE, made=daemon.made))
        is_news = False
        for label, after in self._take(idle, d, daemon.on, report):
            is_news = True
            yield label, after
        if not is_news:
            yield ("daemon {d} finds order {o} as it is known", d, daemon.on), idle

    def _ask_again(self, state: State, d: int, daemon: Daemon) -> Steps:
        yield (
            ("daemon {d} leaves order {o} for later", d, daemon.on),
            state.with_daemon(d, Daemon(IDLE, made=daemon.made)),
        )
        yield from self._ask_by_id(state, d, daemon)

    def _count_absence(self, state: State, d: int, daemon: Daemon, words: str) -> Steps:
        o, order = daemon.on, state.orders[daemon.on]
        idle = state.with_daemon(d, Daemon(IDLE, made=daemon.made))
        is_quiet = daemon.is_quiet if self.rules.asked_after_quiet else self._is_quiet(state, order)
        asks = daemon.asks + 1
        if not order.is_live or not is_quiet or not self.rules.absence_ends_doubt:
            yield (words, d, o), idle
        elif asks < (2 if self.rules.asked_twice else 1):
            again = Daemon(ASKING_AGAIN, o, asks=asks, made=daemon.made)
            yield (words, d, o), state.with_daemon(d, again)
        elif not self._may_write(state, d):
            yield self._evicted(state, d)
        else:
            event = OrderEvent.NOT_FOUND if order.row is OrderState.IN_DOUBT else OrderEvent.EXPIRED
            yield (f"{words}; it is taken for dead", d, o), self._record(idle, o, event)

    def _is_quiet(self, state: State, order: Order) -> bool:
        """UnknownOutcomes._is_quiet, by the daemon's own idea of the venue's time."""
        age = order.age + (state.is_clock_ahead and not self.rules.clock_before_absence)
        if not self.rules.window_before_absence:
            return True
        return age >= (QUIET if self.rules.lag_before_absence else QUIET - 1)

    def _take(self, state: State, d: int, o: int, report: Report) -> Steps:
        if report_event(state.orders[o], report) is None and self.rules.fill_counts_once:
            return
        if not self._may_write(state, d):
            yield self._evicted(state, d)
            return
        idle = state.with_daemon(d, Daemon(IDLE, made=state.daemons[d].made))
        after = self._record_report(idle, o, report)
        if after != state:
            yield (f"daemon {{d}} asks for order {{o}}: it is {report[0]}", d, o), after

    # Cancels: Placement._write_cancel_write, _after_cancel

    def _cancel(self, state: State, d: int, o: int) -> Steps:
        if not self._may_write(state, d):
            yield self._evicted(state, d)
            return
        after = self._record(state, o, OrderEvent.CANCEL_SENT)
        after = after.with_order(o, after.orders[o]._replace(cancel=SENT))
        made = state.daemons[d].made
        yield ("daemon {d} asks to cancel order {o}", d, o), after.with_daemon(d, Daemon(CANCEL_WAITING, o, made=made))

    def _hear_cancel(self, state: State, d: int, daemon: Daemon) -> Steps:
        if not self._may_write(state, d):
            yield self._evicted(state, d)
            return
        o, order = daemon.on, state.orders[daemon.on]
        idle = state.with_daemon(d, Daemon(IDLE, made=daemon.made))
        if order.cancel in (CONFIRMED, REFUSED):
            idle = idle.with_order(o, order._replace(cancel=NOWHERE))
            words = f"daemon {{d}} hears that the cancel of order {{o}} is {order.cancel}"
            yield (words, d, o), self._after_cancel(idle, o, is_confirmed=order.cancel == CONFIRMED)
        if self.rules.cancel_lost_proves_nothing:
            after = self._record(idle, o, OrderEvent.LOST)
        else:
            after = self._record(idle, o, OrderEvent.CANCELED)
        yield ("daemon {d} waits no longer for the reply to the cancel of order {o}", d, o), after

    def _after_cancel(self, state: State, o: int, *, is_confirmed: bool) -> State:
        order = state.orders[o]
        if not order.is_live:
            return state
        if order.by_id is not None:
            state = self._record_report(state, o, order.by_id)
            if not state.orders[o].is_live:
                return state
        if is_confirmed and not self.rules.canceled_with_its_fills:
            return self._record(state, o, OrderEvent.CANCELED)
        if not is_confirmed and not self.rules.cancel_refused_proves_nothing:
            return self._record(state, o, OrderEvent.CANCELED)
        if not is_confirmed and order.by_id is not None:
            return self._record(state, o, OrderEvent.REJECTED)
        return state

    # The journal: Journal.record_order_event

    def _record_report(self, state: State, o: int, report: Report) -> State:
        """OrderReports.record_report: what adds nothing is not written."""
        order = state.orders[o]
        event = report_event(order, report)
        if event is None and not self.rules.fill_counts_once and order.is_live:
            event = OrderEvent.SEEN_OPEN
        return state if event is None else self._record(state, o, event, report[1])

    def _record(self, state: State, o: int, event: OrderEvent, done: int | None = None) -> State:
        order = state.orders[o]
        if order.row is None:
            return state
        try:
            row = advance(ORDER_TABLE, order.row, event)
        except IllegalTransition:
            return state._replace(broken=ILLEGAL_TRANSITION)
        known = order.known
        if done is not None:
            known = max(known, done) if self.rules.fill_counts_once else known + done
        return self._compact(state.with_order(o, order._replace(row=row, known=known)), o)

    def _compact(self, state: State, o: int) -> State:
        """Forget what can no longer matter, so that equal futures are equal states."""
        if o < 0 or not self._is_compact:
            return state
        order = state.orders[o]
        if order.row not in ENDED or order.wire or order.cancel != NOWHERE:
            return state
        bare = order._replace(age=QUIET, signed=QUIET, by_id=None, by_list=None, reply=None)
        return state if bare == order else state.with_order(o, bare)
