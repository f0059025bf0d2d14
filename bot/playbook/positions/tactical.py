"""Tactical positions, long or short: which perp, which leverage, which exits (PLAYBOOK §§2, 4, 5, 7, 8).

What a long needs a short needs mirrored, so one function chooses for both sides; what is wanted, and why, is said by
whoever asks: the tranche of a rotation, or `overlays.directional`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from bot.domain.campaign import Leg
from bot.domain.instrument import Instrument, Side
from bot.domain.money import ONE, ZERO
from bot.domain.order import ExitPlan, Purpose
from bot.domain.perp import funding_per_day, whole_leverage
from bot.domain.reason import Note, Reason
from bot.playbook.book.context import PlanContext
from bot.playbook.policy.numbers import Policy
from bot.playbook.positions.exits import ExitRule, plan_exits, rule_of, tactical_rule

NOBODY: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Terms:
    """What is wanted: `margin_quote` at `leverage` on the first of `symbols` that can carry it. `words` name the kind
    of position."""

    words: str
    side: Side
    symbols: Sequence[str]
    margin_quote: Decimal
    leverage: Decimal
    rule: ExitRule
    is_scaled: bool = False


@dataclass(frozen=True, slots=True)
class DirectionalPosition:
    """A position to open: positive contracts of `symbol` at `price`, with its exits."""

    symbol: str
    side: Side
    size: Decimal
    price: Decimal
    notional_quote: Decimal
    margin_quote: Decimal
    leverage: Decimal
    exits: ExitPlan
    words: str


def tactical_terms(message: str, side: Side, symbols: Sequence[str], margin_quote: Decimal, policy: Policy) -> Terms:
    """The terms of a tactical position: its leverage and its exits are the policy's (PLAYBOOK §§2, 7)."""
    return Terms(message, side, symbols, margin_quote, policy.tactical.leverage, tactical_rule(policy), is_scaled=True)


def plan_tactical(
    sector: str,
    margin: Decimal,
    context: PlanContext,
    book: Decimal,
    hedges: frozenset[str],
    closing: frozenset[str] = NOBODY,
) -> tuple[Leg | None, tuple[Note, ...]]:
    """A long of `margin` quote on the sector's leader: the first listed perp whose funding fits its budget.

    The leg is None when no leader can carry it. Cuts of leverage and of margin are noted with their numbers. `closing`
    names positions that are closed before this one is opened.
    """
    usable = [s for s in context.sectors.tacticals(sector) if s not in hedges and context.held(s) >= 0]
    usable = [s for s in usable if s in closing or s not in context.directional]
    terms = tactical_terms("tactical long", Side.BUY, usable, margin, context.policy)
    tactical, notes = size_position(terms, sector, context, book, closing)
    if tactical is None:
        return None, notes
    held = ZERO if tactical.symbol in closing else context.held(tactical.symbol)
    leg = Leg(
        0,
        Purpose.TACTICAL,
        sector,
        tactical.symbol,
        held,
        held + tactical.size,
        tactical.price,
        tactical.notional_quote,
        tactical.margin_quote,
        tactical.leverage,
        tactical.exits,
        words=tactical.words,
    )
    return leg, notes


def size_position(
    terms: Terms, sector: str, context: PlanContext, book: Decimal, closing: frozenset[str] = NOBODY
) -> tuple[DirectionalPosition | None, tuple[Note, ...]]:
    """What the terms come to under the caps on margin, leverage and funding; None when nothing is left of them."""
    policy, notes, margin = context.policy, [], terms.margin_quote
    cap = policy.tactical.margin_max * book - margin_used(context, closing)
    if margin > cap:
        message = f"the {terms.words}'s margin is cut from {margin:.2f} to {max(ZERO, cap):.2f}, the cap on all of them"
        notes.append(Note(Reason.LEVERAGE_CUT, message, sector, {"wanted": str(margin), "allowed": str(cap)}))
        margin = max(ZERO, cap)
    if margin <= 0:
        return None, tuple(notes)
    for symbol in terms.symbols:
        instrument, price = context.instrument(symbol), context.price(symbol)
        if instrument is None or price is None:
            continue
        leverage, cuts = _leverage(instrument, margin, terms, policy)
        affordable, refused = _within_funding(symbol, leverage, terms, context)
        notes += refused
        if affordable < ONE:
            continue
        notes += cuts
        leverage = min(leverage, affordable)
        allowed = instrument.notional_max(leverage)
        size = instrument.size_for(margin * leverage if allowed is None else min(margin * leverage, allowed), price)
        notional = instrument.notional(size, price)
        exits = plan_exits(
            price,
            side=terms.side,
            rule=rule_of(terms.rule, symbol, context) if terms.is_scaled else terms.rule,
            margin=notional / leverage,
            leverage=leverage,
            instrument=instrument,
            policy=policy,
            at_ms=context.at_ms,
        )
        message = f"{terms.words} on {symbol}: {notional:.2f} at {leverage}x"
        tactical = DirectionalPosition(
            symbol, terms.side, size, price, notional, notional / leverage, leverage, exits, message
        )
        return tactical, tuple(notes)
    return None, tuple(notes)


def margin_used(context: PlanContext, closing: frozenset[str] = NOBODY) -> Decimal:
    """Margin under all tactical positions, those that stay: the cap is on all of them together."""
    positions = context.portfolio.account.positions
    used = {symbol: p.margin for symbol, p in positions.items() if p.size > 0 or symbol in context.directional}
    for symbol, margin in context.directional.items():
        used[symbol] = max(margin, used.get(symbol, ZERO))
    return sum((margin for symbol, margin in used.items() if symbol not in closing), ZERO)


def _leverage(instrument: Instrument, margin: Decimal, terms: Terms, policy: Policy) -> tuple[Decimal, list[Note]]:
    required = terms.leverage
    allowed = whole_leverage(min(required, policy.sizing.position_leverage_max, max(ONE, instrument.leverage_max)))
    while allowed > ONE and not _is_in_brackets(instrument, margin, allowed):
        allowed -= 1
    if allowed >= required:
        return required, []
    what = "long" if terms.side is Side.BUY else "short"
    message = (
        f"{instrument.symbol}: leverage is cut from {required}x to {allowed}x: the {what} is {margin * allowed:.2f} "
        f"instead of {margin * required:.2f}"
    )
    numbers = {"wanted": str(required), "allowed": str(allowed)}
    return allowed, [Note(Reason.LEVERAGE_CUT, message, instrument.symbol, numbers)]


def _is_in_brackets(instrument: Instrument, margin: Decimal, leverage: Decimal) -> bool:
    cap = instrument.notional_max(leverage)
    return cap is None or margin * leverage <= cap


def _within_funding(symbol: str, leverage: Decimal, terms: Terms, context: PlanContext) -> tuple[Decimal, list[Note]]:
    """The leverage whose expected funding over the planned holding time stays inside the budget (PLAYBOOK §8)."""
    funding = context.snapshot.funding.get(symbol)
    if funding is None:
        return leverage, [Note(Reason.SIGNAL_MISSING, f"{symbol}: no funding rate, its cost is not known", symbol)]
    days = Decimal(terms.rule.hours) / 24
    cost = -funding_per_day(leverage * terms.side.sign, funding.rate, funding.interval_hours) * days
    if cost <= context.policy.tactical.funding_budget:
        return leverage, []
    affordable = (leverage * context.policy.tactical.funding_budget / cost).to_integral_value("ROUND_FLOOR")
    ending = f"leverage is cut to {affordable}x" if affordable >= ONE else "it is left out"
    message = (
        f"{symbol}: funding would cost {cost:.1%} of the margin in {terms.rule.hours} h, the budget is "
        f"{context.policy.tactical.funding_budget:.1%}: {ending}"
    )
    return affordable, [Note(Reason.FUNDING_DEAR, message, symbol, {"cost": str(cost), "rate": str(funding.rate)})]
