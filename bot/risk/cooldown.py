"""How long a drawdown stops entries, and when the peak that it is measured from begins anew (decision 0020). Pure.

A stop stays in force until equity is back at its peak, until its cool-down is over or until an operator ends it.
Equity that moves about the limit does not end it, or entries would go on and stop again by the hour. The bot need not
run while the time passes.
"""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from bot.domain.campaign import Memory
from bot.domain.durations import DAY_MS
from bot.domain.money import share
from bot.risk.limits import Limits


def count_drawdown(memory: Memory, equity: Decimal, limits: Limits, now_ms: int) -> Memory:
    """The memory after one reading of equity: with a stop that begins, without one that ends.

    Args:
        memory: with a peak that counts this reading already.
        equity: of an account that is priced whole.
        limits: the limit and the cool-down.
        now_ms: time of the reading, UTC ms.
    """
    peak = memory.equity_peak
    if equity >= peak:
        return replace(memory, drawdown_since_ms=0)
    if not memory.drawdown_since_ms:
        is_fallen = share(peak - equity, peak) >= limits.drawdown_max
        return replace(memory, drawdown_since_ms=now_ms) if is_fallen else memory
    until_ms = ends_ms(memory, limits)
    if until_ms is None or now_ms < until_ms:
        return memory
    return replace(memory, equity_peak=equity, peak_since_ms=now_ms, drawdown_since_ms=0)


def ends_ms(memory: Memory, limits: Limits) -> int | None:
    """When the peak begins anew, UTC ms; None: entries are not stopped."""
    if not memory.drawdown_since_ms:
        return None
    return memory.drawdown_since_ms + limits.drawdown_cooldown_days * DAY_MS


def span_text(memory: Memory, limits: Limits) -> str:
    """Since when entries are stopped, and what ends it; empty when they are not."""
    until_ms = ends_ms(memory, limits)
    if until_ms is None:
        return ""
    ending = f"until {_utc(until_ms)}, when the peak begins anew"
    return f"stopped since {_utc(memory.drawdown_since_ms)}, {ending}, or `sectorbot resume --rebase-peak`"


def _utc(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
