"""One cycle and one guard, top to bottom (DESIGN §3).

observe → settle → decide → review → record → act → settle. Everything between settle and record is pure, and the record
holds all it saw, so `replay` gives the same plan again. Cycle and guard share one lock: one writer.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from bot.domain.campaign import Memory, Transfer
from bot.domain.codec import encode
from bot.domain.market import Snapshot
from bot.domain.money import ZERO
from bot.domain.order import Order
from bot.domain.portfolio import Portfolio
from bot.domain.reason import Note, Reason
from bot.domain.states import KillLevel
from bot.execution.executor import Executor, Outcome
from bot.execution.journal import CycleRecord, Journal, JournalReader
from bot.execution.reconcile import Reconciler, Truth
from bot.feeds.snapshot import Observer
from bot.playbook.decide import Decision, decide, guard
from bot.playbook.exits import with_funding
from bot.playbook.flatten import flatten
from bot.playbook.policy import Policy, Sectors
from bot.playbook.sectors import build_portfolio
from bot.ports import OutcomeUnknown, Venue, VenueRejected
from bot.risk import Approved, Limits, Refused, RiskContext, review

DAY_MS = 86_400_000
FUNDING, ACCOUNT = "funding", "account"
MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class CycleResult:
    """All that happened in one cycle, for those who tell about it."""

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

    @property
    def has_acted(self) -> bool:
        """Whether anything changed at the venue, so that another round may have more to do."""
        return any(outcome.filled_size > 0 for outcome in self.outcomes) or any(
            note.reason is Reason.TRANSFER_NEEDED and note.numbers.get("moved") for note in self.notes
        )


@dataclass(frozen=True, slots=True)
class Parts:
    """What a cycle works with; `wiring` puts it together."""

    venue: Venue
    journal: Journal
    reconciler: Reconciler
    executor: Executor
    observer: Observer
    policy: Policy
    sectors: Sectors
    limits: Limits
    config_digest: str


class Cycle:
    """Runs cycles and guards over one set of parts, one at a time."""

    def __init__(self, parts: Parts, *, kill_level: Callable[[], KillLevel]) -> None:
        self.parts = parts
        self._kill_level = kill_level
        self._lock = asyncio.Lock()

    async def run(self) -> CycleResult:
        """A full cycle.

        Raises:
            Unavailable: when truth cannot be had; nothing was done.
            JournalError: when it cannot be written down; nothing more is done.
        """
        async with self._lock:
            return await self._turn("cycle")

    async def guard(self) -> CycleResult:
        """Exits, hedges and liquidation distance only."""
        async with self._lock:
            return await self._turn("guard")

    async def settle(self) -> Truth:
        """Journal and venue compared, without a decision."""
        async with self._lock:
            return await self.parts.reconciler.settle(self.parts.observer.symbols)

    async def accept(self, *, by: str, reason: str) -> tuple[Note, ...]:
        """An operator's word that the account is right where the books differ; see `Reconciler.accept`."""
        async with self._lock:
            return await self.parts.reconciler.accept(by=by, reason=reason)

    async def cancel_all(self) -> int:
        """Cancel every working order of ours; how many were asked for."""
        async with self._lock:
            working = self.parts.journal.reader.load_working()
            await self.parts.executor.cancel(working)
            return len(working)

    async def _turn(self, kind: str) -> CycleResult:
        parts, kill, started = self.parts, self._kill_level(), time.monotonic()
        if kill.severity >= KillLevel.CANCEL.severity:
            await parts.executor.cancel(parts.journal.reader.load_working())
        snapshot = await parts.observer.observe(with_history=kind == "cycle")
        truth = await parts.reconciler.settle(tuple(snapshot.instruments))
        memory = parts.journal.reader.load_memory()
        portfolio = build_portfolio(truth.account, snapshot, memory, parts.policy, parts.sectors)
        memory = count_funding(mark_equity(memory, portfolio, snapshot.at_ms), parts.journal.reader)
        decision = self._decide(kind, kill, snapshot, portfolio, memory, truth.working)
        snapshot = await parts.observer.with_books(snapshot, tuple({intent.symbol for intent in decision.intents}))
        context = self._context(snapshot, portfolio, truth, decision.memory, kill)
        verdicts = review(decision.intents, context, parts.limits)
        number = parts.journal.reader.next_cycle_number()
        if kind == "cycle" or is_eventful(decision):
            await parts.journal.record_cycle(self._record(number, kind, snapshot, truth, memory, decision, verdicts))
        elif decision.memory.exits != memory.exits:
            await parts.journal.record_memory(decision.memory)
        notes = await self._transfer(decision.transfers, kill, truth)
        await self._cancel(decision.cancels)
        notes += await self._top_up(decision.top_ups, kill)
        outcomes = await parts.executor.act([verdict for verdict in verdicts if isinstance(verdict, Approved)])
        if outcomes or notes:
            truth = await parts.reconciler.settle(tuple(snapshot.instruments))
            portfolio = build_portfolio(truth.account, snapshot, decision.memory, parts.policy, parts.sectors)
            await parts.journal.record_fact(ACCOUNT, encode(truth.account))
        return CycleResult(
            number, kind, snapshot, portfolio, decision, tuple(verdicts), outcomes, truth, kill, notes,
            time.monotonic() - started,
        )  # fmt: skip

    def _decide(
        self, kind: str, kill: KillLevel, snapshot: Snapshot, portfolio: Portfolio, memory: Memory,
        working: Sequence[Order],
    ) -> Decision:  # fmt: skip
        policy, sectors = self.parts.policy, self.parts.sectors
        chosen = (decide if kind == "cycle" else guard)(snapshot, portfolio, memory, policy, sectors, tuple(working))
        if kill is not KillLevel.FLATTEN:
            return chosen
        intents = flatten(
            snapshot, portfolio, memory.hedges,
            slice_share=policy.flatten_slice, slippage=policy.flatten_slippage,
        )  # fmt: skip
        return replace(chosen, intents=intents, transfers=())

    def _context(
        self, snapshot: Snapshot, portfolio: Portfolio, truth: Truth, memory: Memory, kill: KillLevel
    ) -> RiskContext:
        reader, now = self.parts.journal.reader, self.parts.venue.now_ms()
        return RiskContext(
            now_ms=now,
            snapshot=snapshot,
            portfolio=portfolio,
            working=truth.working,
            memory=memory,
            kill=kill,
            is_reconciled=truth.is_agreed,
            locked=truth.locked,
            clock_skew_ms=self.parts.venue.clock_skew_ms,
            turnover_today_quote=reader.load_turnover(memory.day_start_ms),
            orders_last_minute=reader.count_orders(now - MINUTE_MS),
            recent_fills=reader.count_fills(now - MINUTE_MS),
            hedges=memory.hedges,
        )

    def _record(
        self, number: int, kind: str, snapshot: Snapshot, truth: Truth, memory: Memory, decision: Decision,
        verdicts: Sequence[Approved | Refused],
    ) -> CycleRecord:  # fmt: skip
        return CycleRecord(
            number=number,
            kind=kind,
            at_ms=snapshot.at_ms,
            snapshot=snapshot,
            account=truth.account,
            memory_before=memory,
            decision=encode(decision),
            verdicts=tuple(verdict_mapping(verdict) for verdict in verdicts),
            working=truth.working,
            config_digest=self.parts.config_digest,
        )

    async def _transfer(self, transfers: Sequence[Transfer], kill: KillLevel, truth: Truth) -> tuple[Note, ...]:
        """Move cash between the wallets. Whether a transfer has happened is read off the wallets by the next decision,
        so one that ends in doubt only needs to be given the quiet period before it is looked at again."""
        if kill is not KillLevel.OFF or not truth.is_agreed:
            return ()
        notes, venue, journal = [], self.parts.venue, self.parts.journal
        for transfer in transfers:
            if transfer.amount == ZERO:
                continue
            payload = {"amount": str(transfer.amount), "to_perp": transfer.to_perp, "sector": transfer.sector}
            await journal.record_fact("transfer_sent", payload)
            try:
                await venue.move_cash(transfer.amount, to_perp=transfer.to_perp)
                ending = "transfer_done"
            except VenueRejected as error:
                ending, payload = "transfer_rejected", payload | {"why": str(error)}
            except OutcomeUnknown as error:
                ending, payload = "transfer_in_doubt", payload | {"why": str(error)}
            await journal.record_fact(ending, payload)
            where = "spot → perp wallet" if transfer.to_perp else "perp → spot wallet"
            notes.append(
                Note(
                    Reason.TRANSFER_NEEDED,
                    f"{where}: {transfer.amount} {truth.account.quote}, {ending.removeprefix('transfer_')}",
                    transfer.sector,
                    {"amount": str(transfer.amount), "moved": "yes" if ending == "transfer_done" else ""},
                )
            )
            if ending == "transfer_in_doubt":
                await asyncio.sleep(venue.quiet_period_ms / 1000)
        return tuple(notes)

    async def _cancel(self, client_ids: Sequence[str]) -> None:
        """Withdraw resting orders that the decision no longer wants, such as the stop of a position that has shrunk."""
        orders = [self.parts.journal.reader.load_order(client_id) for client_id in client_ids]
        await self.parts.executor.cancel([order for order in orders if order is not None and order.state.is_live])

    async def _top_up(self, amounts: Mapping[str, Decimal], kill: KillLevel) -> tuple[Note, ...]:
        """Add margin to positions whose liquidation came too near. The next account shows it."""
        if kill.severity > KillLevel.REDUCE_ONLY.severity:
            return ()
        notes = []
        for symbol, amount in amounts.items():
            payload = {"symbol": symbol, "amount": str(amount)}
            await self.parts.journal.record_fact("margin_sent", payload)
            try:
                await self.parts.venue.move_margin(symbol, amount)
                ending = "margin_done"
            except (VenueRejected, OutcomeUnknown) as error:
                ending, payload = "margin_failed", payload | {"why": str(error)}
            await self.parts.journal.record_fact(ending, payload)
            words = (
                f"{symbol}: margin topped up by {amount}" if ending == "margin_done" else f"{symbol}: {payload['why']}"
            )
            notes.append(Note(Reason.LIQUIDATION_NEAR, words, symbol, {"amount": str(amount)}))
        return tuple(notes)


def is_eventful(decision: Decision) -> bool:
    """Whether a guard saw or wants anything. The thousands a day that do not would only bury those that do."""
    return bool(decision.intents or decision.cancels or decision.top_ups or decision.notes)


def mark_equity(memory: Memory, portfolio: Portfolio, now_ms: int) -> Memory:
    """Carry the equity peak and the day's opening equity forward; days are UTC.

    An account that cannot be priced whole says nothing about equity.
    """
    if portfolio.unpriced:
        return memory
    day_start = now_ms - now_ms % DAY_MS
    is_new_day = memory.day_start_ms != day_start or memory.day_start_equity == ZERO
    return replace(
        memory,
        equity_peak=max(memory.equity_peak, portfolio.equity),
        day_start_ms=day_start,
        day_start_equity=portfolio.equity if is_new_day else memory.day_start_equity,
    )


def count_funding(memory: Memory, reader: JournalReader) -> Memory:
    """Add the funding journaled since the last turn to the open exits, each payment once."""
    paid: dict[str, Decimal] = {}
    last = memory.payments_seq
    for payment, seq in reader.load_payments_after(last):
        last = max(last, seq)
        if payment.kind == FUNDING and payment.symbol is not None:
            paid[payment.symbol] = paid.get(payment.symbol, ZERO) - payment.amount
    return replace(with_funding(memory, paid), payments_seq=last)


def verdict_mapping(verdict: Approved | Refused) -> Mapping[str, Any]:
    """A verdict as the journal keeps it: the intent's id, whether it passed, and why not."""
    if isinstance(verdict, Approved):
        return {"intent": verdict.intent.id, "approved": True, "size": str(verdict.size)}
    return {"intent": verdict.intent.id, "approved": False, "note": encode(verdict.note)}
