"""Checks of what has happened lately: turnover, order rate, repeated execution, the first order, and the breakers."""

from dataclasses import replace

from bot.domain.money import ZERO
from bot.domain.reason import Note, Reason
from bot.risk import breakers
from bot.risk.breakers import Breaker, executed_key
from bot.risk.canary import canary_value
from bot.risk.case import ENTRIES, RISK, Check, OrderReview


def check_turnover(review: OrderReview) -> Note | None:
    """Traded today, working, approved before and this, against a multiple of equity."""
    context = review.context
    instruments, equity = context.snapshot.instruments, context.portfolio.equity
    total = context.turnover_today_quote + review.notional
    total += sum((instruments[i.symbol].notional(i.size, i.worst_price) for i in review.approved), ZERO)
    for order in context.working:
        instrument = instruments.get(order.symbol)
        price = order.price or context.snapshot.price(order.symbol)
        if instrument and price and not order.order_type.is_trigger:
            total += instrument.notional(order.open_size, price)
    if total <= review.limits.turnover_max * equity:
        return None
    return review.refuse(
        Reason.TURNOVER,
        f"the day's turnover could reach {total:.2f}, more than {review.limits.turnover_max} of the equity",
        turnover=total,
        equity=equity,
        limit_share=review.limits.turnover_max,
    )


def check_order_rate(review: OrderReview) -> Note | None:
    count, limit = review.context.orders_last_minute + len(review.approved) + 1, review.limits.orders_per_minute_max
    if count <= limit:
        return None
    return review.refuse(
        Reason.ORDER_RATE, f"it would be order {count} within a minute; allowed are {limit}", count=count, limit=limit
    )


def check_order_budget(review: OrderReview) -> Note | None:
    count, limit = review.context.orders_today + len(review.approved) + 1, review.limits.orders_per_day_max
    if count <= limit:
        return None
    return review.refuse(
        Reason.ORDER_RATE, f"it would be order {count} of the day; allowed are {limit}", count=count, limit=limit
    )


def check_fees(review: OrderReview) -> Note | None:
    """Fees of the day, what was approved before and this, against a share of equity."""
    instruments, equity = review.context.snapshot.instruments, review.context.portfolio.equity
    total = review.context.fees_today_quote + review.notional * review.instrument.taker_fee
    for intent in review.approved:
        instrument = instruments[intent.symbol]
        total += instrument.notional(intent.size, intent.worst_price) * instrument.taker_fee
    if total <= review.limits.fees_max_day * equity:
        return None
    return review.refuse(
        Reason.FEE_BUDGET,
        f"the day's fees could reach {total:.2f}, more than {review.limits.fees_max_day} of the equity",
        fees=total,
        equity=equity,
        limit_share=review.limits.fees_max_day,
    )


def check_executions(review: OrderReview) -> Note | None:
    """The same instrument in the same direction, again and again: a loop that believes nothing has happened."""
    intent, limit = review.intent, review.limits.executions_per_hour_max
    count = review.context.executed_lately.get(executed_key(intent.symbol, intent.side), 0)
    if count < limit:
        return None
    return review.refuse(
        Reason.REPEATED_EXECUTION,
        f"{count} orders to {intent.side.value} it executed within an hour; allowed are {limit}",
        count=count,
        limit=limit,
    )


def check_canary(review: OrderReview) -> Note | None:
    """Until an order of this run has filled, entries are as small as `canary.shrink` makes them."""
    if not review.context.is_canary:
        return None
    limit = canary_value(review.instrument, max(review.quote.valuation, review.intent.worst_price), review.limits)
    if review.notional <= limit:
        return None
    return review.refuse(
        Reason.CANARY_SIZE,
        f"worth {review.notional:.2f} before the first order has filled; allowed are {limit:.2f}",
        notional=review.notional,
        limit=limit,
    )


def check_repeats(review: OrderReview) -> Note | None:
    return _broken(review, breakers.repeated_execution)


def check_daily_loss(review: OrderReview) -> Note | None:
    return _broken(review, breakers.daily_loss)


def check_drawdown(review: OrderReview) -> Note | None:
    return _broken(review, breakers.drawdown)


def check_equity_known(review: OrderReview) -> Note | None:
    return _broken(review, breakers.equity_unknown)


def check_reject_rate(review: OrderReview) -> Note | None:
    return _broken(review, breakers.reject_rate)


def check_latency(review: OrderReview) -> Note | None:
    return _broken(review, breakers.slow_venue)


def check_lost_readings(review: OrderReview) -> Note | None:
    return _broken(review, breakers.lost_readings)


def check_unknown_outcome_age(review: OrderReview) -> Note | None:
    return _broken(review, breakers.old_unknown_outcome)


def check_guarded(review: OrderReview) -> Note | None:
    return _broken(review, breakers.unguarded_position)


def check_leverage_reported(review: OrderReview) -> Note | None:
    return _broken(review, breakers.leverage_differs)


def check_account_settings(review: OrderReview) -> Note | None:
    return _broken(review, breakers.account_setting)


def check_unknown_fees(review: OrderReview) -> Note | None:
    return _broken(review, breakers.fees_unknown)


def _broken(review: OrderReview, breaker: Breaker) -> Note | None:
    note = breaker(review.context, review.limits)
    return note and replace(note, words=f"{review.intent.symbol}: {note.words}", subject=review.intent.id)


# In order; see `bot.risk.gate.CHECKS`.
CHECKS: tuple[Check, ...] = (
    Check(check_daily_loss, RISK),
    Check(check_drawdown, RISK),
    Check(check_equity_known, RISK),
    Check(check_repeats, ENTRIES),
    Check(check_reject_rate, ENTRIES),
    Check(check_latency, ENTRIES),
    Check(check_lost_readings, ENTRIES),
    Check(check_unknown_outcome_age, ENTRIES),
    Check(check_executions, ENTRIES),
    Check(check_order_rate, ENTRIES),
    Check(check_turnover, ENTRIES),
    Check(check_order_budget, ENTRIES),
    Check(check_fees, ENTRIES),
    Check(check_unknown_fees, ENTRIES),
)
