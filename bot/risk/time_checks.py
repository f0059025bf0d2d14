"""Checks of what has happened lately: turnover, order rate, repeated execution, the first order, and the breakers."""

from dataclasses import replace

from bot.domain.money import ZERO
from bot.domain.reason import Note, Reason
from bot.risk import breakers
from bot.risk.breakers import Breaker, executed_key
from bot.risk.canary import canary_value
from bot.risk.case import OrderReview


def check_turnover(case: OrderReview) -> Note | None:
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
        turnover=total,
        equity=equity,
        limit_share=case.limits.turnover_max,
    )


def check_order_rate(case: OrderReview) -> Note | None:
    count, limit = case.context.orders_last_minute + len(case.approved) + 1, case.limits.orders_per_minute_max
    if count <= limit:
        return None
    return case.refuse(
        Reason.ORDER_RATE, f"it would be order {count} within a minute; allowed are {limit}", count=count, limit=limit
    )


def check_order_budget(case: OrderReview) -> Note | None:
    count, limit = case.context.orders_today + len(case.approved) + 1, case.limits.orders_per_day_max
    if count <= limit:
        return None
    return case.refuse(
        Reason.ORDER_RATE, f"it would be order {count} of the day; allowed are {limit}", count=count, limit=limit
    )


def check_fees(case: OrderReview) -> Note | None:
    """Fees of the day, what was approved before and this, against a share of equity."""
    instruments, equity = case.context.snapshot.instruments, case.context.portfolio.equity
    total = case.context.fees_today_quote + case.notional * case.instrument.taker_fee
    for intent in case.approved:
        instrument = instruments[intent.symbol]
        total += instrument.notional(intent.size, intent.worst_price) * instrument.taker_fee
    if total <= case.limits.fees_max_day * equity:
        return None
    return case.refuse(
        Reason.FEE_BUDGET,
        f"the day's fees could reach {total:.2f}, more than {case.limits.fees_max_day} of the equity",
        fees=total,
        equity=equity,
        limit_share=case.limits.fees_max_day,
    )


def check_executions(case: OrderReview) -> Note | None:
    """The same instrument in the same direction, again and again: a loop that believes nothing has happened."""
    intent, limit = case.intent, case.limits.executions_per_hour_max
    count = case.context.executed_lately.get(executed_key(intent.symbol, intent.side), 0)
    if count < limit:
        return None
    return case.refuse(
        Reason.REPEATED_EXECUTION,
        f"{count} orders to {intent.side.value} it executed within an hour; allowed are {limit}",
        count=count,
        limit=limit,
    )


def check_canary(case: OrderReview) -> Note | None:
    """Until an order of this run has filled, entries are as small as `canary.shrink` makes them."""
    if not case.context.is_canary:
        return None
    limit = canary_value(case.instrument, max(case.quote.valuation, case.intent.worst_price), case.limits)
    if case.notional <= limit:
        return None
    return case.refuse(
        Reason.CANARY_SIZE,
        f"worth {case.notional:.2f} before the first order has filled; allowed are {limit:.2f}",
        notional=case.notional,
        limit=limit,
    )


def check_repeats(case: OrderReview) -> Note | None:
    return _broken(case, breakers.repeated_execution)


def check_daily_loss(case: OrderReview) -> Note | None:
    return _broken(case, breakers.daily_loss)


def check_drawdown(case: OrderReview) -> Note | None:
    return _broken(case, breakers.drawdown)


def check_reject_rate(case: OrderReview) -> Note | None:
    return _broken(case, breakers.reject_rate)


def check_latency(case: OrderReview) -> Note | None:
    return _broken(case, breakers.slow_venue)


def check_lost_readings(case: OrderReview) -> Note | None:
    return _broken(case, breakers.lost_readings)


def check_doubt_age(case: OrderReview) -> Note | None:
    return _broken(case, breakers.old_doubt)


def check_guarded(case: OrderReview) -> Note | None:
    return _broken(case, breakers.unguarded_position)


def check_leverage_reported(case: OrderReview) -> Note | None:
    return _broken(case, breakers.leverage_differs)


def check_account_settings(case: OrderReview) -> Note | None:
    return _broken(case, breakers.account_setting)


def check_unknown_fees(case: OrderReview) -> Note | None:
    return _broken(case, breakers.fees_unknown)


def _broken(case: OrderReview, breaker: Breaker) -> Note | None:
    note = breaker(case.context, case.limits)
    return note and replace(note, words=f"{case.intent.symbol}: {note.words}", subject=case.intent.id)
