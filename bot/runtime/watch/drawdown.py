"""The beginning and the end of a drawdown's stop as facts of the journal (decision 0020).

A fact is due whenever the memory differs from the last fact, so that a crash between the two loses none.
"""

from decimal import Decimal

from bot.domain.campaign import Memory
from bot.domain.reason import Note, Reason
from bot.journal.journal import Journal
from bot.risk import Limits
from bot.risk.cooldown import ends_ms, span_text
from bot.runtime.cash_flows import PEAK_REBASED

DRAWDOWN_STOP = "drawdown_stop"
STOPPED, RECOVERED, PEAK_ANEW, REBASED = "stopped", "recovered", "peak_anew", "rebased"


async def record_drawdown(journal: Journal, memory: Memory, equity: Decimal, limits: Limits) -> tuple[Note, ...]:
    """Record that a stop has begun or ended since the last fact, with a note that says so. Raises JournalError."""
    last = journal.reader.load_facts(DRAWDOWN_STOP, limit=1)
    known = last[0].payload if last else {"since_ms": 0, "peak_since_ms": 0}
    if known["since_ms"] == memory.drawdown_since_ms:
        return ()
    if memory.drawdown_since_ms:
        state, message = STOPPED, f"equity fell to {equity:.2f} from {memory.equity_peak:.2f}: entries are "
        message += span_text(memory, limits)
    elif memory.peak_since_ms == known["peak_since_ms"]:
        state, message = RECOVERED, f"equity is back at its peak, {equity:.2f}: entries go on"
    else:
        is_rebased = bool(last and journal.reader.load_facts_after(PEAK_REBASED, last[0].seq))
        state, reason = (REBASED, "an operator ended the stop") if is_rebased else (PEAK_ANEW, "the cool-down is over")
        message = f"{reason}: drawdown is measured from {memory.equity_peak:.2f} now on"
    payload = {
        "state": state,
        "since_ms": memory.drawdown_since_ms,
        "peak_since_ms": memory.peak_since_ms,
        "until_ms": ends_ms(memory, limits) or 0,
        "equity": str(equity),
        "peak": str(memory.equity_peak),
        "message": message,
    }
    await journal.record_fact(DRAWDOWN_STOP, payload)
    return (Note(Reason.DRAWDOWN if memory.drawdown_since_ms else Reason.DRAWDOWN_OVER, message, state),)
