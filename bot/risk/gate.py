"""The gate: every intent passes every check that concerns it, or is refused with one reason (DESIGN §9).

It approves a bound or refuses; it never shrinks. Exposure is judged as if everything pending fills in whichever subset
is worst, so the order of fills cannot break a cap. What only reduces is never held up by a limit on entries.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from bot.domain.order import Intent
from bot.domain.reason import Note
from bot.risk import account_checks as account
from bot.risk import market_checks as market
from bot.risk import order_checks as order
from bot.risk import time_checks as time
from bot.risk.case import ENTRIES, NOT_SHRINKING, PERP_ENTRIES, Check, OrderReview, TurnRisk, effect_of
from bot.risk.limits import Limits
from bot.risk.projection import Pending, Projection, pending_of, project


@dataclass(frozen=True, slots=True)
class Approved:
    """A bound: no more than `size`, no worse than `worst_price`, reduce-only where the intent is."""

    intent: Intent
    size: Decimal
    worst_price: Decimal


@dataclass(frozen=True, slots=True)
class Refused:
    """The verdict on an intent that is not sent: why."""

    intent: Intent
    note: Note


# In order: the first refusal is the one that is reported, and a check may rely on those above it. A new check is a row
# of its module's table; here stand those that come between the tables.
CHECKS: tuple[Check, ...] = (
    *order.CHECKS,
    Check(time.check_account_settings, ENTRIES),
    Check(time.check_guarded, ENTRIES),
    Check(time.check_leverage_reported, ENTRIES),
    Check(order.check_currency, ENTRIES),
    Check(order.check_self_cross, ENTRIES),
    Check(order.check_resting, PERP_ENTRIES),
    Check(order.check_unknown_outcomes, NOT_SHRINKING),
    *market.CHECKS,
    *time.CHECKS,
    Check(order.check_order_notional, ENTRIES),
    Check(time.check_canary, ENTRIES),
    Check(order.check_parent, ENTRIES),
    *account.CHECKS,
)


def review(intents: Sequence[Intent], context: TurnRisk, limits: Limits) -> tuple[Approved | Refused, ...]:
    """One verdict per intent, in order. Later intents see the approved earlier ones at full size; every entry also
    sees every reduction of the whole batch as something that may happen, so that a hedge is never left over."""
    reductions = (Pending.of_intent(intent) for intent in intents if _is_countable_reduction(intent, context))
    pending = (*pending_of(context.working, context.snapshot, context.portfolio), *reductions)
    before = project(context.snapshot, context.portfolio, pending)
    approved: list[Intent] = []
    verdicts: list[Approved | Refused] = []
    for intent in intents:
        joined = (*pending, Pending.of_intent(intent))
        projected = Projection(context.snapshot, context.portfolio, joined)
        order_review = OrderReview(
            intent, effect_of(intent), context, limits, tuple(approved), pending, before, projected
        )
        note = first_refusal(order_review)
        if note is not None:
            verdicts.append(Refused(intent, note))
            continue
        verdicts.append(Approved(intent, intent.size, intent.worst_price))
        approved.append(intent)
        if order_review.effect in ENTRIES:
            pending, before = joined, order_review.after
    return tuple(verdicts)


def first_refusal(order_review: OrderReview) -> Note | None:
    """The first check that objects, None when all let it pass."""
    return next(
        (note for check in CHECKS if order_review.effect in check.concerns and (note := check.judge(order_review))),
        None,
    )


def _is_countable_reduction(intent: Intent, context: TurnRisk) -> bool:
    return (
        effect_of(intent) not in ENTRIES
        and intent.symbol in context.snapshot.instruments
        and all(number.is_finite() and number > 0 for number in (intent.size, intent.worst_price))
    )
