"""The gate: every intent passes every check that concerns it, or is refused with one reason (DESIGN §9).

It approves a bound or refuses; it never shrinks. Exposure is judged as if everything pending fills in whichever subset
is worst, so the order of fills cannot break a cap. What only reduces is never held up by a limit on entries.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from bot.domain.order import Intent
from bot.domain.reason import Note
from bot.risk import account_checks as account
from bot.risk import market_checks as market
from bot.risk import order_checks as order
from bot.risk import time_checks as time
from bot.risk.case import Effect, OrderReview, TurnRisk, effect_of
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
    intent: Intent
    note: Note


@dataclass(frozen=True, slots=True)
class Check:
    """A judge and the effects it concerns."""

    judge: Callable[[OrderReview], Note | None]
    concerns: frozenset[Effect]


_ALL = frozenset(Effect)
_NOT_SHRINKING = _ALL - {Effect.SHRINKS}
_ENTRIES = frozenset({Effect.BUYS, Effect.OPENS, Effect.HEDGES})
_PERP_ENTRIES = frozenset({Effect.OPENS, Effect.HEDGES})
_RISK = frozenset({Effect.BUYS, Effect.OPENS})  # a hedge lowers risk, so a loss does not forbid it

# In order: the first refusal is the one that is reported, and a check may rely on those above it.
CHECKS: tuple[Check, ...] = (
    Check(order.check_kill_switch, _ALL),
    Check(order.check_in_flight, _ALL),
    Check(order.check_instrument, _ALL),
    Check(order.check_price, _ALL),
    Check(order.check_size, _ALL),
    Check(order.check_size_max, _ALL),
    Check(order.check_reduces, frozenset({Effect.SHRINKS})),
    Check(order.check_collar, _ALL),
    Check(order.check_reconciled, _ENTRIES),
    Check(order.check_lock, _ENTRIES),
    Check(time.check_account_settings, _ENTRIES),
    Check(time.check_guarded, _ENTRIES),
    Check(time.check_leverage_reported, _ENTRIES),
    Check(order.check_currency, _ENTRIES),
    Check(order.check_self_cross, _ENTRIES),
    Check(order.check_resting, _PERP_ENTRIES),
    Check(order.check_unknown_outcomes, _NOT_SHRINKING),
    Check(market.check_price_age, _NOT_SHRINKING),
    Check(market.check_balance_age, _NOT_SHRINKING),
    Check(market.check_clock, _ENTRIES),
    Check(market.check_mark_index, _PERP_ENTRIES),
    Check(market.check_book, _ENTRIES),
    Check(market.check_slippage, _ENTRIES),
    Check(market.check_participation, _ENTRIES),
    Check(time.check_daily_loss, _RISK),
    Check(time.check_drawdown, _RISK),
    Check(time.check_repeats, _ENTRIES),
    Check(time.check_reject_rate, _ENTRIES),
    Check(time.check_latency, _ENTRIES),
    Check(time.check_lost_readings, _ENTRIES),
    Check(time.check_unknown_outcome_age, _ENTRIES),
    Check(time.check_executions, _ENTRIES),
    Check(time.check_order_rate, _ENTRIES),
    Check(time.check_turnover, _ENTRIES),
    Check(time.check_order_budget, _ENTRIES),
    Check(time.check_fees, _ENTRIES),
    Check(time.check_unknown_fees, _ENTRIES),
    Check(order.check_order_notional, _ENTRIES),
    Check(time.check_canary, _ENTRIES),
    Check(order.check_parent, _ENTRIES),
    Check(account.check_position_leverage, _PERP_ENTRIES),
    Check(account.check_exits, _RISK),
    Check(account.check_purpose, _PERP_ENTRIES),
    Check(account.check_hedge, frozenset({Effect.HEDGES})),
    Check(account.check_gross, _ENTRIES),
    Check(account.check_net, _ENTRIES),
    Check(account.check_asset, _ENTRIES),
    Check(account.check_sector, _ENTRIES),
    Check(account.check_account_leverage, _PERP_ENTRIES),
    Check(account.check_liquidation, _PERP_ENTRIES),
    Check(account.check_margin_use, _PERP_ENTRIES),
    Check(account.check_futures_budget, _PERP_ENTRIES),
    Check(account.check_funding, _PERP_ENTRIES),
    Check(account.check_money, _NOT_SHRINKING),
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
        if order_review.effect in _ENTRIES:
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
        effect_of(intent) not in _ENTRIES
        and intent.symbol in context.snapshot.instruments
        and all(number.is_finite() and number > 0 for number in (intent.size, intent.worst_price))
    )
