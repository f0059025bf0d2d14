"""Hedges outside a rotation: of unrealised gains, for carry, and to hold spot delta-neutral (PLAYBOOK §§2, 5, 6).

While no rotation runs they are computed anew in each cycle: each feature that is on gives the share of a sector to be
short, the largest one counts, and a hedge that no feature needs is closed with the reason. A rotation takes the
positions over. Each share has one threshold to open and another to close (hysteresis).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from bot.domain.campaign import Memory, Stance
from bot.domain.instrument import Side
from bot.domain.money import ONE, ZERO, share
from bot.domain.order import Intent, IntentTerms
from bot.domain.order_ids import OrderKind
from bot.domain.perp import bracket_room, opening_cost
from bot.domain.portfolio import Holding
from bot.domain.reason import Note, Reason
from bot.domain.states import CampaignState
from bot.playbook.book.context import PlanContext
from bot.playbook.book.portfolio import signed_notional
from bot.playbook.book.transfers import free_margin
from bot.playbook.orders.entry import largest
from bot.playbook.orders.factory import can_close, can_open, kind_intent, worst_price
from bot.playbook.policy.choices import GainHedge, NeutralFutures
from bot.playbook.positions.funding import average_funding
from bot.playbook.positions.hedge import HedgePlan, plan_hedges
from bot.playbook.positions.hedge_choice import choose_hedges


@dataclass(frozen=True, slots=True)
class OverlayTarget:
    """The part of a sector's spot that one feature hedges, quote, with its reason; ZERO with the reason why not."""

    notional_quote: Decimal
    words: str


@dataclass(frozen=True, slots=True)
class OverlayHedges:
    """The result of the standing hedges. `hedges` are perps that are hedges from now on, by the sector they cover."""

    intents: tuple[Intent, ...] = ()
    hedges: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()


def plan_overlay_hedges(memory: Memory, context: PlanContext, stance: Stance) -> OverlayHedges:
    """Orders that bring every sector's standing hedge to what is wanted; none while a rotation runs or is
    about to."""
    campaign = memory.campaign
    if stance is not memory.stance or (campaign is not None and campaign.state is not CampaignState.DONE):
        return OverlayHedges()
    intents: list[Intent] = []
    notes: list[Note] = []
    hedges: dict[str, str] = {}
    free = free_margin(context.portfolio.account)
    unpriced = {name for token in context.portfolio.unpriced for name in context.sectors.tokens.get(token, {})}
    for sector in context.sectors.sectors:
        held = {s: -context.held(s) for s, name in memory.hedges.items() if name == sector and context.held(s) < 0}
        if sector in unpriced:
            continue  # spot that has no price at the moment has not gone
        if any(context.price(symbol) is None for symbol in held):
            continue  # nor has a part of the hedge: the others do not stand in for it
        target, why = read_target(sector, context, stance, is_held=bool(held))
        notes += why
        locked, usable = _margins(sector, held, context)
        plans, more = _plans(sector, target, usable, context)
        notes += more
        room = max(ZERO, min(usable - locked, free))
        chosen = {plan.symbol for plan in plans}
        is_over = target.notional_quote <= 0
        for plan in plans:
            step = _step(sector, plan, held.get(plan.symbol, ZERO), target, room, context)
            intents += step
            hedges[plan.symbol] = sector
            context = replace(context, hedges={**context.hedges, plan.symbol: sector})
            room, free = (left - sum((intent.margin_quote for intent in step), ZERO) for left in (room, free))
        for symbol in sorted(set(held) - chosen) if is_over or chosen else ():
            ending = target.words if is_over else f"{', '.join(sorted(chosen))} stands in for it"
            message = f"{symbol}: the hedge of {sector} ends: {ending}"
            notes.append(Note(Reason.HEDGE_OFF, message, symbol))
            intents += _reduce(sector, symbol, held[symbol], message, context)
    return OverlayHedges(tuple(intents), hedges, tuple(notes))


def read_target(
    sector: str, context: PlanContext, stance: Stance, *, is_held: bool
) -> tuple[OverlayTarget, tuple[Note, ...]]:
    """The largest of what the features ask for in a sector, never more than `standing_cover` of its spot."""
    policy, result, notes = context.policy, [], []
    if policy.allocation.neutral_futures is NeutralFutures.DELTA_NEUTRAL:
        result.append(_delta_neutral(sector, context, stance))
    if policy.gains.hedge is not GainHedge.OFF:
        target, note = _gain(sector, context, is_held=is_held)
        result.append(target)
        notes += [note] if note else []
    if policy.carry.is_on:
        target, note = _carry(sector, context, stance, is_held=is_held)
        result.append(target)
        notes += [note] if note else []
    if not result:
        return OverlayTarget(ZERO, "nothing asks for it any more"), ()
    best = max(result, key=lambda target: target.notional_quote)
    if best.notional_quote <= 0:
        return OverlayTarget(ZERO, "; ".join(target.words for target in result)), tuple(notes)
    refused = _too_expensive(sector, context, is_held=is_held)
    if refused is not None:
        notes.append(Note(Reason.FUNDING_DEAR, f"{sector}: no standing hedge: {refused}", sector))
        return OverlayTarget(ZERO, refused), tuple(notes)
    room = policy.constants.standing_cover * context.portfolio.hedge_room(sector)
    return OverlayTarget(min(best.notional_quote, room), best.words), tuple(notes)


def _delta_neutral(sector: str, context: PlanContext, stance: Stance) -> OverlayTarget:
    if stance is not Stance.NEUTRAL:
        return OverlayTarget(ZERO, f"the stance is {stance.value}, delta-neutral is for waiting")
    return OverlayTarget(context.portfolio.sectors[sector].spot, f"{sector} waits delta-neutral")


def _gain(sector: str, context: PlanContext, *, is_held: bool) -> tuple[OverlayTarget, Note | None]:
    """Begins at `gains.trigger` and ends below half of it. Spot without a journaled cost has no gain that is known."""
    policy = context.policy
    holdings = [holding for holding in context.portfolio.holdings if holding.sector == sector]
    costed = [result for holding in holdings if (result := _known(holding, context)) is not None]
    if not costed:
        message = f"{sector}: no spot of it has a journaled cost, so its gain is not known"
        return OverlayTarget(ZERO, message), Note(Reason.SIGNAL_MISSING, message, sector) if holdings else None
    cost, value = sum((paid for paid, _ in costed), ZERO), sum((worth for _, worth in costed), ZERO)
    gain = share(value - cost, cost)
    threshold = policy.gains.ends_below if is_held else policy.gains.trigger
    if gain < threshold or value <= cost:
        return OverlayTarget(ZERO, f"the gain of {sector} is {gain:.0%}, below {threshold:.0%}"), None
    whole = policy.gains.hedge is GainHedge.FULL
    required = context.portfolio.sectors[sector].spot if whole else value - cost
    return OverlayTarget(required, f"{sector} has gained {gain:.0%} ({value - cost:.2f}) on what was paid"), None


def _known(holding: Holding, context: PlanContext) -> tuple[Decimal, Decimal] | None:
    """Cost and value of the part of a holding whose price was journaled, as it counts in the sector."""
    cost = context.snapshot.costs.get(holding.symbol)
    if cost is None or cost.size <= 0 or holding.size <= 0:
        return None
    known = min(cost.size, holding.size)
    counted = holding.value / (holding.size * holding.price) if holding.price > 0 else ONE
    return cost.value_quote * known / cost.size * counted, holding.value * known / holding.size


def _carry(sector: str, context: PlanContext, stance: Stance, *, is_held: bool) -> tuple[OverlayTarget, Note | None]:
    """Spot against a short that earns funding: begins at `carry.enter` after the fees of both ways, ends below
    a third of it. The sector that a rotation has just bought is left its upside."""
    policy = context.policy
    if stance is Stance.INTO_DEFI and sector == policy.allocation.risk_on:
        return OverlayTarget(ZERO, f"{sector} was rotated into, it is not held in carry"), None
    earned, symbol = _average(sector, context)
    if earned is None:
        message = f"{sector}: funding of {symbol or 'its hedge perps'} has not been watched for half of its window"
        return OverlayTarget(ZERO, message), Note(Reason.SIGNAL_MISSING, message, sector)
    instrument = context.instrument(symbol)
    fees = 2 * instrument.taker_fee * 365 / policy.constants.carry_days if instrument is not None else ZERO
    net, threshold = (earned, policy.carry.ends_below) if is_held else (earned - fees, policy.carry.enter)
    about = f"shorts of {symbol} earn {earned:.1%} a year on average"
    if net < threshold:
        return OverlayTarget(ZERO, f"{about}, {'' if is_held else 'after fees '}less than {threshold:.1%}"), None
    return OverlayTarget(policy.carry.share * context.portfolio.sectors[sector].spot, f"carry: {about}"), None


def _too_expensive(sector: str, context: PlanContext, *, is_held: bool) -> str | None:
    """Why funding forbids a standing hedge: shorts pay too much on average; an unknown average forbids nothing."""
    earned, symbol = _average(sector, context)
    limit = context.policy.hedging.funding_max if is_held else context.policy.hedging.funding_max / 2
    if earned is None or -earned <= limit:
        return None
    return f"shorts of {symbol} pay {-earned:.1%} a year on average, more than {limit:.1%}"


def _average(sector: str, context: PlanContext) -> tuple[Decimal | None, str]:
    """Average funding that a short of the sector's hedge earns, weighted by its parts, and the first of its perps."""
    parts, _ = choose_hedges(sector, context)
    total = ZERO
    for part in parts:
        funding = context.snapshot.funding.get(part.symbol)
        hours = context.policy.constants.funding_average_hours
        result = average_funding(funding, context.at_ms, hours) if funding is not None else None
        if result is None:
            return None, part.symbol
        total += part.part * result
    return (total, parts[0].symbol) if parts else (None, "")


def _margins(sector: str, held: Mapping[str, Decimal], context: PlanContext) -> tuple[Decimal, Decimal]:
    """Margin that the sector's standing shorts lock now, and what they may lock: a part of the sleeve stays free to top
    them up, what a long of it locks is not theirs."""
    positions = (context.position(symbol) for symbol in held)
    own = sum(
        (p.margin or abs(signed_notional(p, context.snapshot)) / (p.leverage or ONE) for p in positions if p), ZERO
    )
    elsewhere = max(ZERO, context.portfolio.sectors[sector].margin_locked - own)
    label = context.portfolio.labels.get(sector, ZERO)
    return own, max(ZERO, label - elsewhere) / (ONE + context.policy.hedging.margin_keep)


def _plans(
    sector: str, target: OverlayTarget, usable: Decimal, context: PlanContext
) -> tuple[tuple[HedgePlan, ...], tuple[Note, ...]]:
    """What the wish comes to with the margin that is there."""
    if target.notional_quote <= 0:
        return (), ()
    room = context.policy.constants.standing_cover * context.portfolio.hedge_room(sector)
    return plan_hedges(
        sector, target.notional_quote, context, sleeve_margin=usable, closing=frozenset(), limit_quote=room
    )


def _step(
    sector: str, plan: HedgePlan, held: Decimal, target: OverlayTarget, margin: Decimal, context: PlanContext
) -> list[Intent]:
    """One order towards the planned size, when it is far enough from what is held. A short that stands needs no new
    margin: for want of margin it does not grow, and it does not shrink, which would only realise its loss."""
    change = plan.size - held if plan.size > held else min(ZERO, plan.target_size - held)
    if held > 0 and abs(change) <= context.policy.constants.standing_buffer * plan.size:
        return []
    message = f"hedge {plan.notional_quote:.2f} of {sector} on {plan.words}: {target.words}"
    if change < 0:
        return _reduce(sector, plan.symbol, -change, message, context)
    market = can_open(plan.symbol, context)
    if market is None or context.live_for(OrderKind.OPEN_HEDGE, plan.symbol):
        return []
    instrument, quote = market
    uncovered = context.portfolio.hedge_room(sector, beside_held=True)
    worst = worst_price(quote.mid, Side.SELL, context.policy.orders.slippage_bps, instrument)
    price = max(worst, quote.valuation)
    per_unit = opening_cost(instrument, price, plan.leverage)
    most = min(instrument.size_for(uncovered, plan.price), largest(price, instrument, context), margin / per_unit)
    room = bracket_room(instrument, plan.leverage, held=-held, side=Side.SELL, price=price)
    most = most if room is None else min(most, room)
    size = instrument.floor_size(min(change, most))
    if not instrument.is_tradable(size, min(worst, quote.valuation)):
        return []
    margin_quote = instrument.notional(size, quote.valuation) / plan.leverage
    terms = IntentTerms(size, worst, quote.mid, leverage=plan.leverage, margin_quote=margin_quote)
    return [kind_intent(OrderKind.OPEN_HEDGE, sector, plan.symbol, Side.SELL, terms, message)]


def _reduce(sector: str, symbol: str, size: Decimal, message: str, context: PlanContext) -> list[Intent]:
    market = can_close(symbol, context)
    if market is None or context.live_for(OrderKind.REDUCE_HEDGE, symbol):
        return []
    instrument, quote = market
    size = instrument.floor_size(min(size, largest(quote.valuation, instrument, context, reduces=True)))
    if not instrument.is_tradable(size, quote.valuation, reduce_only=True):
        return []
    worst = worst_price(quote.mid, Side.BUY, context.policy.exits.slippage_bps, instrument)
    terms = IntentTerms(size, worst, quote.mid, reduce_only=True)
    return [kind_intent(OrderKind.REDUCE_HEDGE, sector, symbol, Side.BUY, terms, message)]
