"""Checks of what has happened lately: turnover, order rate, repeated execution, the day's loss, the drawdown."""

from decimal import Decimal

from bot.domain.money import ZERO, share
from bot.domain.reason import Note, Reason
from bot.risk.case import Case


def check_turnover(case: Case) -> Note | None:
    """Traded today, working, approved before and this, against a multiple of equity."""
    context = case.context
    instruments, equity = context.snapshot.instruments, context.portfolio.equity
    total = context.turnover_today_quote + case.notional
    total += sum((instruments[i.symbol].notional(i.size, i.worst_price) for i in case.approved), ZERO)
    for order in context.working:
        instrument = instruments.get(order.symbol)
        price = order.price or context.snapshot.price(order.symbol)
        if instrument and price and not order.order_type.is_trigger:
            total += instrument.notional(order.open_size, price)
    if total <= case.limits.turnover_max * equity:
        return None
    return case.refuse(
        Reason.TURNOVER,
        f"the day's turnover could reach {total:.2f}, more than {case.limits.turnover_max} of the equity",
        turnover=total, equity=equity, limit_share=case.limits.turnover_max,
    )  # fmt: skip


def check_order_rate(case: Case) -> Note | None:
    count, limit = case.context.orders_last_minute + len(case.approved) + 1, case.limits.orders_per_minute_max
    if count <= limit:
        return None
    return case.refuse(
        Reason.ORDER_RATE, f"it would be order {count} within a minute; allowed are {limit}", count=count, limit=limit
    )


def check_repeats(case: Case) -> Note | None:
    count, limit = case.context.recent_fills, case.limits.fills_per_minute_max
    if count <= limit:
        return None
    return case.refuse(
        Reason.REPEATED_EXECUTION,
        f"{count} fills within a minute; entries stop above {limit}",
        count=count,
        limit=limit,
    )


def check_daily_loss(case: Case) -> Note | None:
    start, equity = case.context.memory.day_start_equity, case.context.portfolio.equity
    return _fallen(case, Reason.DAILY_LOSS, "since the day began", start, equity, case.limits.daily_loss_max)


def check_drawdown(case: Case) -> Note | None:
    peak, equity = case.context.memory.equity_peak, case.context.portfolio.equity
    return _fallen(case, Reason.DRAWDOWN, "from its highest", peak, equity, case.limits.drawdown_max)


def _fallen(case: Case, reason: Reason, since: str, reference: Decimal, equity: Decimal, limit: Decimal) -> Note | None:
    fall = share(reference - equity, reference)
    if fall < limit:
        return None
    return case.refuse(
        reason, f"equity fell {fall:.4f} {since}, from {reference:.2f} to {equity:.2f}; entries stop at {limit}",
        fall=fall, reference=reference, equity=equity, limit=limit,
    )  # fmt: skip
