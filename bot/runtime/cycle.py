"""One cycle and one guard, top to bottom (DESIGN §3).

observe → settle → propose → order books → judge → record → act → settle. The two functions in between are pure
(`turn`), and the record holds all they read, so `replay` gives the same plan again. What a slow round of requests has
made old is asked again before it is judged (decision 0039). Cycle and guard share one lock: one writer.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar

from bot.domain.campaign import Memory
from bot.domain.codec import encode
from bot.domain.durations import HOUR_MS
from bot.domain.market import Snapshot
from bot.domain.money import decimal_context
from bot.domain.order import Order
from bot.domain.portfolio import Account, Portfolio
from bot.domain.reason import Note, Reason
from bot.domain.states import KillLevel
from bot.domain.turn.decision import Decision
from bot.domain.turn.inputs import TurnBooks, TurnInputs
from bot.execution.executor import Executor, Outcome
from bot.execution.reconcile import Reconciler, Truth
from bot.feeds.fee_prices import FeePrices
from bot.feeds.snapshot import Observer
from bot.journal.journal import Journal
from bot.playbook.book.portfolio import build_portfolio
from bot.playbook.market.signal_cache import SignalCache
from bot.playbook.policy.numbers import Policy, Sectors
from bot.playbook.rotation.progress import end_refused
from bot.ports import URGENT, Unavailable, Venue
from bot.risk import Approved, Limits, Refused
from bot.runtime.cash_flows import count_flows, count_funding, count_universe
from bot.runtime.risk_inputs import load_risk_inputs
from bot.runtime.streams.early_exit import LOOK_AGE_MS, Look, is_settled, look_again
from bot.runtime.turn import (
    CYCLE,
    EARLY_EXIT,
    GUARD,
    Numbers,
    Proposal,
    TurnPlan,
    judge,
    propose,
    record_of,
    stopped_entries,
)
from bot.runtime.watch.account import AccountWatch
from bot.runtime.watch.drawdown import mark_equity, record_drawdown
from bot.runtime.watch.leverage import LeverageWatch
from bot.runtime.watch.money_moves import MoneyMoves
from bot.runtime.watch.restored_rotation import renew_memory
from bot.runtime.watch.slow_rounds import SlowRounds
from bot.runtime.watch.stopped_hedges import count_stopped
from bot.runtime.watch.unfilled_exits import note_unfilled_exits
from bot.runtime.watch.valuation import record_valuation
from bot.runtime.watch.worth_keeping import (
    BREAKERS,
    are_breakers_news,
    is_eventful,
    is_worth_keeping,
    leaves_no_trace,
)

ACCOUNT = "account"
Ordered = TypeVar("Ordered", Snapshot, Account)
T = TypeVar("T")
TURN_GRACE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class CycleResult:
    """The result of one cycle, for logs and reports. `funding_hours`: over which
    funding is averaged; 0: the next rate alone. `policy`: the numbers it was decided with.
    `has_rest_ended`: a resting purchase is over, so that its leg may go on."""

    number: int
    kind: str
    snapshot: Snapshot
    portfolio: Portfolio
    decision: Decision
    verdicts: tuple[Approved | Refused, ...]
    outcomes: tuple[Outcome, ...]
    truth: Truth
    kill: KillLevel
    notes: tuple[Note, ...] = ()
    seconds: float = 0.0
    breakers: tuple[Note, ...] = ()
    funding_hours: int = 0
    policy: Policy | None = None
    has_rest_ended: bool = False

    @property
    def has_acted(self) -> bool:
        """Whether anything changed at the venue, so that another round may have more to do."""
        return any(outcome.filled_size > 0 for outcome in self.outcomes) or any(
            note.reason is Reason.TRANSFER_NEEDED and note.numbers.get("moved") for note in self.notes
        )


@dataclass(frozen=True, slots=True)
class Parts:
    """What a cycle works with; `wiring` puts it together. `starts_small`: the first orders are canaries."""

    venue: Venue
    journal: Journal
    reconciler: Reconciler
    executor: Executor
    observer: Observer
    policy: Policy
    sectors: Sectors
    limits: Limits
    config_digest: str
    starts_small: bool = False
    account_check_ms: int = HOUR_MS
    numbers: Numbers = field(init=False)

    def __post_init__(self) -> None:
        # Once, not in every turn: signals that are kept ask whether they were made with this very policy.
        object.__setattr__(self, "numbers", Numbers(self.policy, self.sectors, self.limits))


@dataclass(frozen=True, slots=True)
class Observation:
    """What a turn has read before it proposes. `before` is the memory as the journal holds it."""

    inputs: TurnInputs
    truth: Truth
    before: Memory


class Cycle:
    """Runs cycles and guards over one set of parts, one at a time."""

    def __init__(self, parts: Parts, *, kill_level: Callable[[], KillLevel]) -> None:
        self.parts = parts
        self.is_canary = parts.starts_small
        self.account_watch = AccountWatch(parts.venue, parts.account_check_ms)
        self._fee_prices = FeePrices(parts.venue)
        self._signal_cache = SignalCache()
        self._kill_level = kill_level
        self._money = MoneyMoves(parts.venue, parts.journal, parts.executor, kill_level=kill_level)
        self._leverage_watch = LeverageWatch(parts.venue, parts.journal, parts.executor, kill_level=kill_level)
        self._slow_rounds = SlowRounds(parts.venue, parts.journal, parts.reconciler, parts.observer)
        self._lock = asyncio.Lock()
        self._failed_turns = 0
        self._under_way: asyncio.Task[Any] | None = None
        self._latest: Look | None = None  # what the latest turn has found; None after one that came to nothing

    async def run(self) -> CycleResult:
        """A full cycle.

        Raises:
            Unavailable: when truth cannot be had; nothing was done.
            JournalError: when it cannot be written down; nothing more is done.
        """
        return await self._counted(CYCLE)

    async def guard(self) -> CycleResult:
        """Exits, hedges and liquidation distance only."""
        return await self._counted(GUARD)

    async def close_early(self, symbols: Sequence[str]) -> CycleResult | None:
        """Close what the exits of these perps close now, before a guard has looked at everything (decision 0036). None
        where nothing is to be closed, or where it takes a guard to know; a guard has to follow either way.

        Raises:
            Unavailable, JournalError: as for `run`.
        """
        async with self._lock:
            return await self._alone(self._early_turn(symbols))

    async def settle(self) -> Truth:
        """Journal and venue compared, without a decision."""
        async with self._lock:
            return await self.parts.reconciler.settle(self.parts.observer.symbols)

    async def accept(self, *, by: str, reason: str) -> tuple[Note, ...]:
        """An operator's word that the account is right where the books differ; see `Reconciler.accept`."""
        async with self._lock:
            if not self.parts.reconciler.has_checked_history:  # what is accepted must have been looked for
                snapshot = await self.parts.observer.observe(with_history=False)
                await self.parts.reconciler.settle(tuple(snapshot.instruments))
            return await self.parts.reconciler.accept(by=by, reason=reason)

    async def withdraw(self, level: KillLevel) -> tuple[Order, ...]:
        """Cancel what may not live at this level of the kill switch; what is still there afterwards.

        The cancels leave at once, beside a turn and before anything is written. A turn that hangs does not hold up the
        rest: it is given a moment to end, then it is ended as a crash would end it; what it has sent meanwhile is
        withdrawn as well, and all of it is written down. An order whose cancel still waits when an operator resumes is
        left: from then on it may live.

        Raises:
            JournalError: when it cannot be written down. The cancels were sent.
        """
        executor = self.parts.executor
        URGENT.set(True)
        is_by_switch = self._kill_level().severity >= level.severity

        def should_cancel(order: Order) -> bool:
            return not is_by_switch or order.is_withdrawn_at(self._kill_level())

        chosen = self.load_withdrawn(level)
        if chosen or level.severity >= KillLevel.CANCEL.severity:
            await asyncio.gather(executor.send_cancels(chosen, should_cancel), self._end_turn())
            async with self._lock:
                left, ids = self.load_withdrawn(level), {order.client_id for order in chosen}
                await executor.settle_cancels([o for o in left if o.client_id in ids], should_cancel)
                left = self.load_withdrawn(level)
                await executor.cancel([o for o in left if o.client_id not in ids], should_cancel)
        return self.load_withdrawn(level)

    async def repeat_cancels(self, orders: Iterable[Order], level: KillLevel) -> None:
        """Send once more the cancels of those of the orders that are live still, beside the turn under way, which goes
        on. Nothing is written: the turn, or the next withdrawal, reads what they did. Raises JournalError."""
        ids = {order.client_id for order in orders}
        URGENT.set(True)
        await self.parts.executor.send_cancels(
            [order for order in self.load_withdrawn(level) if order.client_id in ids],
            lambda order: order.is_withdrawn_at(self._kill_level()),
        )

    def load_withdrawn(self, level: KillLevel) -> tuple[Order, ...]:
        """The working orders that may not live at this level."""
        return tuple(o for o in self.parts.journal.reader.load_working() if o.is_withdrawn_at(level))

    async def _end_turn(self) -> None:
        turn = self._under_way
        if turn is not None:
            _, hanging = await asyncio.wait({turn}, timeout=TURN_GRACE_SECONDS)
            if hanging:  # and not the turn after it, which has begun under the new level
                turn.cancel()

    async def _counted(self, kind: str) -> CycleResult:
        """One turn at a time; how many in a row came to nothing is what the gate asks after an outage."""
        async with self._lock:
            try:
                result = await self._alone(self._turn(kind))
            except Unavailable:
                self._failed_turns += 1
                raise
            self._failed_turns = 0
            if any(outcome.filled_size > 0 for outcome in result.outcomes):
                self.is_canary = False
            return result

    async def _alone(self, turn: Coroutine[Any, Any, T]) -> T:
        """The result of the one turn that is under way, which the kill switch may end."""
        self._under_way = asyncio.create_task(turn)
        try:
            result: T = await self._under_way
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if caller is None or caller.cancelling():
                raise
            raise Unavailable("the kill switch ended the turn, which hung") from None
        finally:
            self._under_way = None
        return result

    async def plan(self) -> CycleResult:
        """What `run` would do now: the same reads and the same two functions; nothing is recorded, sent or cancelled.

        The reads settle the books, so the parts hold a copy of the journal (see `preview`). Orders that the kill switch
        withdraws before the turn count as withdrawn.

        Raises:
            Unavailable, JournalError: as for `run`.
        """
        async with self._lock:
            kill, started = self._kill_level(), time.monotonic()
            withdrawn = frozenset(order.client_id for order in self.load_withdrawn(kill))
            observation = await self._observe(CYCLE, kill, withdrawn)
            plan = await self._plan(observation)
            return self._result(0, "plan", plan, observation.truth, started=started)

    async def _observe(self, kind: str, kill: KillLevel, withdrawn: Collection[str] = ()) -> Observation:
        """Observe and settle: all that a turn reads before it proposes anything."""
        parts = self.parts
        observed, _ = await asyncio.gather(
            parts.observer.observe(with_history=kind == CYCLE), self.account_watch.poll()
        )
        snapshot = in_order(observed)
        truth = await self._slow_rounds.settle(kind, tuple(snapshot.instruments), parts.limits)
        working = tuple(order for order in truth.working if order.client_id not in withdrawn)
        truth = replace(truth, account=in_order(truth.account), working=working)
        return self._prepared(kind, kill, in_order(await parts.observer.with_held(snapshot, truth.account)), truth)

    def _prepared(self, kind: str, kill: KillLevel, snapshot: Snapshot, truth: Truth) -> Observation:
        """All that a turn reads, with the memory as the journal and what was seen make it."""
        parts, working, reader = self.parts, truth.working, self.parts.journal.reader
        before, numbers = reader.load_memory(), parts.numbers
        with decimal_context():
            portfolio = build_portfolio(truth.account, snapshot, before, numbers.policy, parts.sectors)
            flowed = count_flows(before, reader, snapshot, truth.account.quote)
            flowed = count_universe(flowed, reader, snapshot, portfolio, parts.sectors)
            flowed = renew_memory(flowed, reader, snapshot, portfolio, numbers.policy, parts.sectors, working)
            marked = mark_equity(flowed, portfolio, parts.limits, snapshot.at_ms)
            memory = count_funding(marked, reader)
            memory = count_stopped(memory, reader, truth.account.positions, snapshot.at_ms)
        unseen = tuple(sorted(truth.unseen))
        inputs = TurnInputs(kind, kill, self.is_canary, snapshot, truth.account, memory, working, unseen=unseen)
        return Observation(inputs, truth, before)

    async def _plan(self, observation: Observation) -> TurnPlan:
        """Propose, read what the gate needs besides, judge."""
        parts, truth = self.parts, observation.truth
        proposal, snapshot = await self._propose(observation.inputs, truth)
        inputs, is_early = proposal.inputs, proposal.inputs.kind == EARLY_EXIT
        reader, day_start_ms, quote = parts.journal.reader, inputs.memory.day_start_ms, inputs.account.quote
        fees = reader.load_fees(day_start_ms)
        prices, asked = self._fee_prices, (fees, snapshot, quote)
        risk = load_risk_inputs(
            reader,
            parts.venue,
            snapshot,
            truth,
            inputs.kill,
            day_start_ms=day_start_ms,
            failed_turns=self._failed_turns,
            is_canary=inputs.is_canary,
            account_problems=self.account_watch.blocking,
            fee_prices=prices.known(*asked) if is_early else await prices.fetch_missing(*asked),
        )
        return judge(proposal, TurnBooks(snapshot, risk), parts.numbers)

    async def _propose(self, inputs: TurnInputs, truth: Truth) -> tuple[Proposal, Snapshot]:
        """What is wanted, and its snapshot with the order books of that. Prices that a slow round of requests has made
        old are asked again first, and it is decided by them: replay gives what was judged. An early exit asks for no
        order books and no prices of fees: what only reduces is judged without."""
        observer, numbers = self.parts.observer, self.parts.numbers
        proposal = propose(inputs, numbers, self._signal_cache)
        fresh = await self._slow_rounds.with_fresh_prices(proposal, self.parts.limits)
        if fresh is not None:
            inputs = self._prepared(inputs.kind, inputs.kill, in_order(fresh), truth).inputs
            proposal = propose(inputs, numbers, self._signal_cache)
        if inputs.kind == EARLY_EXIT or not proposal.symbols:
            return proposal, inputs.snapshot
        return proposal, in_order(await observer.with_books(inputs.snapshot, proposal.symbols))

    async def look(self, snapshot: Snapshot, truth: Truth) -> CycleResult | None:
        """A guard over what is known already: nothing is observed or settled. None where it would write, send or
        withdraw anything, and has to be taken. Raises JournalError."""
        async with self._lock:
            kill, started, reader = self._kill_level(), time.monotonic(), self.parts.journal.reader
            truth = replace(truth, account=in_order(truth.account))
            observation = self._prepared(GUARD, kill, in_order(snapshot), truth)
            plan, is_disturbed = await self._plan(observation), self._failed_turns > 0 or kill is not KillLevel.OFF
            if is_disturbed or not leaves_no_trace(observation.before, plan, truth, reader):
                return None
            return self._result(reader.next_cycle_number(), GUARD, plan, truth, started=started)

    async def _turn(self, kind: str) -> CycleResult:
        parts, kill, started = self.parts, self._kill_level(), time.monotonic()
        self._latest = None
        URGENT.set(kind == GUARD or kill is not KillLevel.OFF)
        resting = self._resting_entries()
        await parts.executor.cancel(self.load_withdrawn(kill))
        observation = await self._observe(kind, kill)
        plan, truth = await self._plan(observation), observation.truth
        decision, number = plan.decision, parts.journal.reader.next_cycle_number()
        if kind == CYCLE or is_eventful(decision):
            await parts.journal.record_cycle(record_of(plan, number, parts.config_digest))
        elif is_worth_keeping(observation.before, plan.inputs.memory, decision.memory):
            await parts.journal.record_memory(decision.memory)
        await record_valuation(parts.journal, plan, truth, parts.numbers)
        await _record_breakers(parts.journal, plan.breakers)
        notes = await record_drawdown(parts.journal, decision.memory, plan.portfolio.equity, parts.limits)
        notes += await self._money.move_cash(decision.transfers, kill, truth)
        await self._cancel(decision.cancels)
        await parts.executor.cancel(stopped_entries(plan, truth))
        notes += await self._money.top_up(decision.top_ups)
        notes += await self._leverage_watch.set_right(decision.memory, truth.account)
        result = await self._act(kind, number, plan, truth, notes, started)
        self._latest = Look(result.snapshot, result.truth, result.snapshot.at_ms)
        return replace(result, has_rest_ended=bool(resting - self._resting_entries()))

    async def _early_turn(self, symbols: Sequence[str]) -> CycleResult | None:
        """An early exit: `_turn` with the observation of the latest one, as far as it still holds. Flows, equity marks
        and funding are not counted: the guard that follows counts them."""
        parts, kill, latest, started = self.parts, self._kill_level(), self._latest, time.monotonic()
        reader = parts.journal.reader
        if latest is None or kill is not KillLevel.OFF or parts.venue.now_ms() - latest.at_ms > LOOK_AGE_MS:
            return None
        URGENT.set(True)
        working = reader.load_working()
        settled = sorted(symbol for symbol in set(symbols) if is_settled(symbol, latest, working))
        seen, same = await look_again(latest, settled, parts.venue, parts.observer) if settled else (latest, ())
        if not same:
            return None
        memory, truth = reader.load_memory(), seen.truth
        inputs = TurnInputs(
            EARLY_EXIT, kill, self.is_canary, in_order(seen.snapshot), truth.account, memory, truth.working, early=same
        )
        plan = await self._plan(Observation(inputs, truth, memory))
        if not plan.approved:
            return None
        self._latest, number = None, reader.next_cycle_number()
        recorded = parts.journal.begin_cycle(record_of(plan, number, parts.config_digest))
        try:  # the order is on disk only with its turn, in one commit for both
            result = await self._act(EARLY_EXIT, number, plan, truth, (), started)
        finally:
            await recorded
        self._latest = Look(result.snapshot, result.truth, seen.at_ms)
        return result

    async def _act(
        self, kind: str, number: int, plan: TurnPlan, truth: Truth, notes: tuple[Note, ...], started: float
    ) -> CycleResult:
        """Carry out what was approved, and settle where anything was done."""
        parts, decision = self.parts, plan.decision
        held = {symbol: position.size for symbol, position in truth.account.positions.items()}
        outcomes = await parts.executor.act(plan.approved, held)
        await parts.executor.collect_executions()
        decision, ended = await self._end_refused(decision, outcomes)
        notes += (*ended, *note_unfilled_exits(outcomes, parts.journal.reader, parts.venue.now_ms()))
        plan = replace(plan, decision=decision)
        if outcomes or notes:
            truth = await parts.reconciler.settle(tuple(plan.inputs.snapshot.instruments))
            portfolio = build_portfolio(
                truth.account, plan.inputs.snapshot, decision.memory, parts.numbers.policy, parts.sectors
            )
            plan = replace(plan, portfolio=portfolio)
            await parts.journal.record_fact(ACCOUNT, encode(truth.account))
        return replace(self._result(number, kind, plan, truth, started=started), outcomes=outcomes, notes=notes)

    def _result(self, number: int, kind: str, plan: TurnPlan, truth: Truth, *, started: float) -> CycleResult:
        policy = self.parts.policy
        return CycleResult(
            number,
            kind,
            plan.inputs.snapshot,
            plan.portfolio,
            plan.decision,
            plan.verdicts,
            (),
            truth,
            plan.inputs.kill,
            (),
            time.monotonic() - started,
            plan.breakers,
            policy.constants.funding_average_hours,
            policy,
        )

    async def _end_refused(self, decision: Decision, outcomes: Sequence[Outcome]) -> tuple[Decision, tuple[Note, ...]]:
        """End the legs that the venue refused for a reason that does not pass, and look at the account again."""
        refused = {outcome.intent.id: outcome.refused_for_good for outcome in outcomes if outcome.refused_for_good}
        if not refused:
            return decision, ()
        self.account_watch.ask_again()
        memory, notes = end_refused(decision.memory, refused)
        if memory != decision.memory:
            await self.parts.journal.record_memory(memory)
        others = (
            tuple(Note(Reason.LEG_REFUSED, message, name) for name, message in refused.items()) if not notes else ()
        )
        return replace(decision, memory=memory), (*notes, *others)

    def _resting_entries(self) -> frozenset[str]:
        working = self.parts.journal.reader.load_working()
        return frozenset(order.client_id for order in working if order.is_resting_entry)

    async def _cancel(self, client_ids: Sequence[str]) -> None:
        """Cancel resting orders that the decision replaces, such as the stop of a position that has shrunk."""
        orders = [self.parts.journal.reader.load_order(client_id) for client_id in client_ids]
        await self.parts.executor.cancel([order for order in orders if order is not None and order.state.is_live])


async def _record_breakers(journal: Journal, notes: Sequence[Note]) -> None:
    """One fact when a breaker trips or its cause is gone, none while nothing changes."""
    if are_breakers_news(journal.reader, notes):
        reasons = [note.reason.value for note in notes]
        await journal.record_fact(BREAKERS, {"reasons": reasons, "words": [note.words for note in notes]})


def in_order(value: Ordered) -> Ordered:
    """The same with its mappings sorted by key, as the journal keeps them: sums depend, in their last digit, on the
    order in which they are added up, and a replay must come to the very same."""
    result = {one.name: getattr(value, one.name) for one in fields(value)}
    ordered: dict[str, Any] = {n: dict(sorted(m.items())) for n, m in result.items() if isinstance(m, Mapping)}
    return replace(value, **ordered)
