"""Exits that are sent repeatedly without an execution: the position stays open."""

from collections.abc import Sequence

from bot.domain.durations import DAY_MS, MINUTE_MS
from bot.domain.order import Order, Purpose
from bot.domain.reason import Note, Reason
from bot.execution.executor import Outcome
from bot.journal.reader import JournalReader

UNFILLED_MAX = 6
_EXITS = (Purpose.EXIT, Purpose.FLATTEN)


def note_unfilled_exits(outcomes: Sequence[Outcome], reader: JournalReader, now_ms: int) -> tuple[Note, ...]:
    """A note for each exit of this turn whose newest `UNFILLED_MAX` orders or more, of a day, ended without execution.

    Resting stops are no tries: they end unfilled whenever they are replaced.
    """
    notes = []
    for intent in [outcome.intent for outcome in outcomes]:
        if intent.purpose not in _EXITS or intent.order_type.is_trigger:
            continue
        tries = _unfilled(reader.load_orders_of_intent(intent.id), now_ms)
        if len(tries) >= UNFILLED_MAX:
            minutes = (now_ms - tries[-1].sent_ms) // MINUTE_MS
            message = (
                f"{intent.symbol}: {len(tries)} orders that close it executed nothing in {minutes} min "
                f"(the newest is {tries[0].state}: {tries[0].reason or 'no reason given'}); they go on, see whether "
                "the market trades and close it by hand if it does"
            )
            notes.append(Note(Reason.EXIT_UNFILLED, message, intent.symbol, {"count": str(len(tries))}))
    return tuple(notes)


def _unfilled(orders: Sequence[Order], now_ms: int) -> list[Order]:
    """The newest orders on end that are over without an execution, newest first."""
    result: list[Order] = []
    for order in reversed(orders):
        if order.state.is_live or order.filled_size > 0 or not 0 <= now_ms - order.sent_ms < DAY_MS:
            break
        result.append(order)
    return result
