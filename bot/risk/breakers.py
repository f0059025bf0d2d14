"""Circuit breakers: recent losses, fees, rejections and latency, each against one limit. Pure.

They concern the whole account, so they are evaluated every turn, with or without an intent. The gate refuses entries
while one has tripped. None of them stops an order that only reduces.
"""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from bot.domain.instrument import Side
from bot.domain.money import share
from bot.domain.reason import Note, Reason
from bot.risk.case import TurnRisk, text
from bot.risk.cooldown import span_text
from bot.risk.limits import Limits
from bot.risk.projection import is_uncertain

Breaker = Callable[[TurnRisk, Limits], Note | None]


def daily_loss(context: TurnRisk, limits: Limits) -> Note | None:
    """Equity against that of 00:00 UTC, unrealised profit and loss included."""
    return _fallen(
        Reason.DAILY_LOSS, "since the day began", context.memory.day_start_equity, context, limits.daily_loss_max
    )


def drawdown(context: TurnRisk, limits: Limits) -> Note | None:
    """Equity against its highest, which the journal keeps over restarts; a begun stop stays (decision 0020)."""
    memory = context.memory
    is_stopped = memory.drawdown_since_ms > 0
    note = _fallen(
        Reason.DRAWDOWN, "from its highest", memory.equity_peak, context, limits.drawdown_max, is_stopped=is_stopped
    )
    span = span_text(memory, limits)
    return replace(note, words=f"{note.words}; {span}") if note is not None and span else note


def equity_unknown(context: TurnRisk, limits: Limits) -> Note | None:
    """Equity that rests on a row which cannot be read is believed, not known: no loss is judged by it, and nothing is
    opened while none is."""
    del limits
    unread = context.portfolio.unread
    if not unread:
        return None
    message = f"{', '.join(unread)} cannot be read: equity is not known, so no loss is judged by it; "
    message += "nothing is opened until it can be read, and purchases of other instruments that rest stay"
    return _note(Reason.EQUITY_UNKNOWN, message)


def repeated_execution(context: TurnRisk, limits: Limits) -> Note | None:
    """Fills of the last minute, all instruments together."""
    count, limit = context.recent_fills, limits.fills_per_minute_max
    if count <= limit:
        return None
    message = f"{count} fills within a minute; entries stop above {limit}"
    return _note(Reason.REPEATED_EXECUTION, message, count=count, limit=limit)


def reject_rate(context: TurnRisk, limits: Limits) -> Note | None:
    """Orders the venue said no to: a bot that is wrong about something is wrong every time."""
    count, limit = context.rejections, limits.rejections_max
    if count <= limit:
        return None
    message = f"{count} orders were rejected within ten minutes; entries stop above {limit}"
    return _note(Reason.REJECT_RATE, message, count=count, limit=limit)


def slow_venue(context: TurnRisk, limits: Limits) -> Note | None:
    """How long the venue took to answer while the account was settled."""
    latency_ms, limit_ms = context.latency_ms, limits.latency_max_ms
    if latency_ms <= limit_ms:
        return None
    message = f"the venue answers within {latency_ms} ms; entries stop above {limit_ms} ms"
    return _note(Reason.VENUE_SLOW, message, latency_ms=latency_ms, limit_ms=limit_ms)


def lost_readings(context: TurnRisk, limits: Limits) -> Note | None:
    """Too many instruments without a sound price, or the first look after an outage: it only looks."""
    if context.failed_turns > limits.failed_turns_max:
        message = f"{context.failed_turns} turns in a row came to nothing before this one, which only looks"
        return _note(Reason.READINGS_LOST, message, count=context.failed_turns, limit=limits.failed_turns_max)
    snapshot = context.snapshot
    active = [symbol for symbol, instrument in snapshot.instruments.items() if instrument.active]
    absent = [symbol for symbol in active if snapshot.price(symbol) is None]
    part = share(Decimal(len(absent)), Decimal(len(active)))
    if part <= limits.missing_max:
        return None
    message = f"{len(absent)} of {len(active)} instruments have no sound price; entries stop above {limits.missing_max}"
    return _note(Reason.READINGS_LOST, message, share=part, limit=limits.missing_max)


def old_unknown_outcome(context: TurnRisk, limits: Limits) -> Note | None:
    """An order in doubt that nothing settles: the account is not known as well as every cap assumes."""
    unknown = [order for order in context.working if is_uncertain(order)]
    if not unknown:
        return None
    oldest = min(unknown, key=lambda order: order.sent_ms)
    age_ms = context.now_ms - oldest.sent_ms
    if age_ms <= limits.doubt_age_max_ms:
        return None
    message = (
        f"order {oldest.client_id} of {oldest.symbol} is in doubt for {age_ms // 1000} s; entries wait for its end"
    )
    return _note(Reason.DOUBT_OLD, message, age_ms=age_ms, limit_ms=limits.doubt_age_max_ms)


def account_setting(context: TurnRisk, limits: Limits) -> Note | None:
    """A setting of the account or its key that must be put right by a person."""
    del limits
    if not context.account_problems:
        return None
    return _note(Reason.ACCOUNT_SETTING, f"{'; '.join(context.account_problems)}; entries stop until it is set right")


def unguarded_position(context: TurnRisk, limits: Limits) -> Note | None:
    """A perp position, whoever opened it, without a full-size stop inside the liquidation price the venue reports."""
    del limits
    result = [message for message in context.memory.unguarded.values() if message]
    return _note(Reason.POSITION_UNGUARDED, "; ".join(result)) if result else None


def leverage_differs(context: TurnRisk, limits: Limits) -> Note | None:
    """A position at another leverage than was set, or on cross margin, as the venue reports it."""
    del limits
    result = tuple(context.memory.leverage_wrong.values())
    return _note(Reason.LEVERAGE_DIFFERS, "; ".join(result)) if result else None


def fees_unknown(context: TurnRisk, limits: Limits) -> Note | None:
    """Fees in assets without a price: they count nothing against the fee budget, so only so many may be paid."""
    count, limit = context.fees_unknown, limits.fees_unknown_max
    if count <= limit:
        return None
    assets = f" ({', '.join(context.fees_unknown_in)})" if context.fees_unknown_in else ""
    message = f"{count} fills of the day paid a fee in an asset without a price{assets}; entries stop above {limit}"
    return _note(Reason.FEES_UNKNOWN, message, count=count, limit=limit)


BREAKERS: tuple[Breaker, ...] = (
    daily_loss,
    drawdown,
    equity_unknown,
    repeated_execution,
    reject_rate,
    slow_venue,
    lost_readings,
    old_unknown_outcome,
    account_setting,
    fees_unknown,
    unguarded_position,
    leverage_differs,
)


def tripped(context: TurnRisk, limits: Limits) -> tuple[Note, ...]:
    """What stops entries now, in the order of `BREAKERS`."""
    return tuple(note for breaker in BREAKERS if (note := breaker(context, limits)))


def executed_key(symbol: str, side: Side) -> str:
    """How `TurnRisk.executed_lately` names an instrument and a direction."""
    return f"{symbol} {side.value}"


def _fallen(
    reason: Reason, since: str, reference: Decimal, context: TurnRisk, limit: Decimal, *, is_stopped: bool = False
) -> Note | None:
    """A holding without a price counts nothing: what cannot be known stops entries as well, and the words say so. What
    cannot be read is no fall; see `equity_unknown`."""
    equity, unpriced = context.portfolio.equity, context.portfolio.unpriced
    if context.portfolio.unread:
        message = f"the fall {since}, from {reference:.2f}, is not over; equity is not known meanwhile"
        return _note(reason, message, reference=reference, limit=limit) if is_stopped else None
    fall = share(reference - equity, reference)
    if fall < limit and not is_stopped:
        return None
    message = f"equity fell {fall:.4f} {since}, from {reference:.2f} to {equity:.2f}; entries stop at {limit}"
    if unpriced:
        message = f"{', '.join(unpriced)} without a price: equity is not known, priced holdings are worth {equity:.2f} "
        message += f"of the {reference:.2f} {since}; entries stop"
    return _note(reason, message, fall=fall, reference=reference, equity=equity, limit=limit)


def _note(reason: Reason, message: str, **numbers: Decimal | int) -> Note:
    return Note(reason, message, "", {name: text(value) for name, value in numbers.items()})
