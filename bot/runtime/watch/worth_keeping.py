"""Which guards are journaled. Most change nothing and are not."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from bot.domain.campaign import Memory, OpenExit
from bot.domain.money import ZERO
from bot.domain.reason import Note, Reason
from bot.domain.turn.decision import Decision
from bot.execution.reconcile import Truth
from bot.journal.reader import JournalReader
from bot.runtime.turn import TurnPlan
from bot.runtime.watch.drawdown import is_stop_known

BREAKERS = "breakers"
PEAK_STEP = Decimal("1.001")
_LASTING = (Reason.NOTHING_TO_DO, Reason.POSITION_UNOWNED, Reason.LEVERAGE_DIFFERS)  # repeated by every guard


def is_worth_keeping(before: Memory, marked: Memory, after: Memory) -> bool:
    """Whether a guard's memory must be persisted: exits moved, a day began, money came or went, the peak moved.
    Of the peak and of an exit's best price only every tenth of a percent counts, or a rising market would be journaled
    every few seconds."""
    has_risen = not before.equity_peak <= after.equity_peak <= before.equity_peak * PEAK_STEP
    is_new_day = (after.day_start_ms, after.day_start_equity) != (before.day_start_ms, before.day_start_equity)
    directional_changed = (after.opening, after.scalps) != (marked.opening, marked.scalps)
    is_guarded_anew = (after.unguarded, after.stops_asked) != (marked.unguarded, marked.stops_asked)
    is_geared_anew = (after.leverages, after.leverage_wrong) != (marked.leverages, marked.leverage_wrong)
    is_hedged_anew = (after.hedges_since, after.hedges_stopped) != (before.hedges_since, before.hedges_stopped)
    is_stopped_anew = _drawdown_of(after) != _drawdown_of(before)
    has_changed = is_guarded_anew or is_geared_anew or is_hedged_anew or is_stopped_anew
    return _have_moved(marked.exits, after.exits) or is_new_day or has_risen or directional_changed or has_changed


def _drawdown_of(memory: Memory) -> tuple[int, int]:
    return memory.drawdown_since_ms, memory.peak_since_ms


def _have_moved(before: Sequence[OpenExit], after: Sequence[OpenExit]) -> bool:
    if [replace(held, best_price=ZERO) for held in before] != [replace(held, best_price=ZERO) for held in after]:
        return True
    return any(
        (new.best_price - old.best_price) * old.side.sign > old.best_price * (PEAK_STEP - 1)
        for old, new in zip(before, after, strict=True)
    )


def is_eventful(decision: Decision) -> bool:
    """Whether a guard saw or wants anything. The thousands a day that do not would only bury those that do."""
    has_seen = any(note.reason not in _LASTING for note in decision.notes)
    return bool(decision.intents or decision.cancels or decision.top_ups or has_seen)


def are_breakers_news(reader: JournalReader, notes: Sequence[Note]) -> bool:
    """Whether other breakers stop entries now than the last fact says. Raises JournalError."""
    last = reader.load_facts(BREAKERS, limit=1)
    return [note.reason.value for note in notes] != (last[0].payload["reasons"] if last else [])


def leaves_no_trace(before: Memory, plan: TurnPlan, truth: Truth, reader: JournalReader) -> bool:
    """Whether a guard with this plan neither writes nor sends nor withdraws anything. Raises JournalError.

    Args:
        before: the memory as the journal holds it.
        plan: what the guard would do.
        truth: what it has read.
        reader: of the journal.
    """
    decision, memory = plan.decision, plan.decision.memory
    has_done = is_eventful(decision) or is_worth_keeping(before, plan.inputs.memory, memory)
    has_wanted = plan.verdicts or decision.transfers or memory.leverage_wrong
    is_news = plan.breakers or are_breakers_news(reader, ()) or not is_stop_known(reader, memory)
    has_resting = any(order.is_resting_entry for order in truth.working)
    return not (has_done or has_wanted or is_news or has_resting)
