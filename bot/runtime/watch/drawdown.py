"""The beginning and the end of a drawdown's stop as facts of the journal (decision 0020).

A fact is due whenever the memory differs from the last fact, so that a crash between the two loses none.
"""

from dataclasses import replace
from decimal import Decimal

from bot.domain.campaign import Memory, PriceWait
from bot.domain.durations import DAY_MS, HOUR_MS
from bot.domain.money import ZERO
from bot.domain.portfolio import Portfolio
from bot.domain.reason import Note, Reason
from bot.domain.symbol import base_of
from bot.journal.journal import Journal
from bot.journal.reader import JournalReader
from bot.risk import Limits
from bot.risk.cooldown import count_drawdown, ends_ms, span_text
from bot.runtime.cash_flows import PEAK_REBASED

DRAWDOWN_STOP = "drawdown_stop"
_NEVER = {"since_ms": 0, "peak_since_ms": 0}
LOOK_MAX_MS = 6 * HOUR_MS  # of the time between two turns, so much counts as watched
STOPPED, RECOVERED, PEAK_ANEW, REBASED = "stopped", "recovered", "peak_anew", "rebased"


def is_stop_known(reader: JournalReader, memory: Memory) -> bool:
    """Whether the last fact says of a stop what the memory says. Raises JournalError."""
    last = reader.load_facts(DRAWDOWN_STOP, limit=1)
    known = last[0].payload if last else _NEVER
    return bool(known["since_ms"] == memory.drawdown_since_ms)


async def record_drawdown(journal: Journal, memory: Memory, equity: Decimal, limits: Limits) -> tuple[Note, ...]:
    """Record that a stop has begun or ended since the last fact, with a note that says so. Raises JournalError."""
    if is_stop_known(journal.reader, memory):
        return ()
    last = journal.reader.load_facts(DRAWDOWN_STOP, limit=1)
    known = last[0].payload if last else _NEVER
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


def mark_equity(memory: Memory, portfolio: Portfolio, limits: Limits, now_ms: int) -> Memory:
    """Carry the equity peak, the time in drawdown and the day's opening equity forward; days are UTC.

    An account that cannot be priced or read whole says nothing about equity. A holding that turns have
    watched without a price for a day counts nothing from then on, so that no token keeps a day from beginning.
    """
    memory = _with_price_waits(memory, portfolio, now_ms)
    if portfolio.unpriced or portfolio.unread:
        return memory
    day_start = now_ms - now_ms % DAY_MS
    is_new_day = memory.day_start_ms != day_start or memory.day_start_equity == ZERO
    memory = replace(memory, equity_peak=max(memory.equity_peak, portfolio.equity))
    return replace(
        count_drawdown(memory, portfolio.equity, limits, now_ms),
        day_start_ms=day_start,
        day_start_equity=portfolio.equity if is_new_day else memory.day_start_equity,
    )


def _with_price_waits(memory: Memory, portfolio: Portfolio, now_ms: int) -> Memory:
    """Which holdings that count have no price, and for how long that was watched: a bot that slept has not watched. One
    that counted nothing and has a price again belongs to the equity of the day that began without it."""
    known = memory.price_waits
    waiting = (*portfolio.unpriced, *(asset for asset in portfolio.uncounted if asset in known))
    waits = {asset: _watched(known.get(asset), now_ms) for asset in waiting}
    back = {asset for asset, wait in known.items() if wait.watched_ms >= DAY_MS and asset not in waits}
    value = sum((one.value for one in portfolio.holdings if base_of(one.symbol) in back), ZERO)
    opening = memory.day_start_equity
    return replace(memory, price_waits=waits, day_start_equity=opening + value if opening else opening)


def _watched(wait: PriceWait | None, now_ms: int) -> PriceWait:
    if wait is None:
        return PriceWait(now_ms)
    return PriceWait(now_ms, wait.watched_ms + min(max(0, now_ms - wait.seen_ms), LOOK_MAX_MS))
