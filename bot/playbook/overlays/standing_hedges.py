"""Hedges that stand for themselves, outside of a rotation: of unrealised gains, for carry, and to wait delta-neutral
(PLAYBOOK §§2, 5, 6).

They are decided afresh while no rotation runs: each feature that is on says how much of a sector it wants short, the
largest wish wins, and what no feature asks for any more is closed with the reason. A rotation takes the positions over
as it finds them. Every wish has two thresholds, so that nothing opens and closes around one number.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from bot.domain.campaign import Memory, Stance
from bot.domain.instrument import Side
from bot.domain.money import ONE, ZERO, share
from bot.domain.order import Intent
from bot.domain.order_ids import OrderKind
from bot.domain.perp import opening_cost
from bot.domain.portfolio import Holding
from bot.domain.reason import Note, Reason
from bot.domain.states import CampaignState
from bot.playbook.book.context import PlanContext
from bot.playbook.book.portfolio import signed_notional
from bot.playbook.book.transfers import free_margin
from bot.playbook.orders.entry import largest
from bot.playbook.orders.factory import IntentTerms, can_close, can_open, kind_intent, worst_price
from bot.playbook.policy.choices import GainHedge, NeutralFutures
from bot.playbook.positions.funding import average_funding
from bot.playbook.positions.hedge import HedgePlan, plan_hedges
from bot.playbook.positions.hedge_choice import choose_hedges


@dataclass(frozen=True, slots=True)
class Wish:
    """How much of a sector's spot one feature wants short, quote, and why; ZERO with the reason why not."""

    notional_quote: Decimal
    words: str


@dataclass(frozen=True, slots=True)
class OverlayHedges:
    """What the standing hedges want. `hedges` are perps that are hedges from now on, by the sector they cover."""

    intents: tuple[Intent, ...] = ()
    hedges: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()


def plan_standing(memory: Memory, scene: PlanContext, stance: Stance) -> OverlayHedges:
    """Orders that bring every sector's standing hedge to what is wanted; none while a rotation runs or is
    about to."""
    campaign = memory.campaign
    if stance is not memory.stance or (campaign is not None and campaign.state is not CampaignState.DONE):
        return OverlayHedges()
    intents: list[Intent] = []
    notes: list[Note] = []
    hedges: dict[str, str] = {}
    free = free_margin(scene.portfolio.account)
    unpriced = {name for token in scene.portfolio.unpriced for name in scene.sectors.tokens.get(token, {})}
    for sector in scene.sectors.sectors:
        held = {s: -scene.held(s) for s, name in memory.hedges.items() if name == sector and scene.held(s) < 0}
        if sector in unpriced:
            continue  # spot that has no price at the moment has not gone
        wish, why = read_wish(sector, scene, stance, is_held=bool(held))
        notes += why
        locked, usable = _margins(sector, held, scene)
        plans, more = _plans(sector, wish, usable, scene)
        notes += more
        room = max(ZERO, min(usable - locked, free))
        chosen = {plan.symbol for plan in plans}
        is_over = wish.notional_quote <= 0
        for plan in plans:
            step = _step(sector, plan, held.get(plan.symbol, ZERO), wish, room, scene)
            intents += step
            hedges[plan.symbol] = sector
            room, free = (left - sum((intent.margin_quote for intent in step), ZERO) for left in (room, free))
        for symbol in sorted(set(held) - chosen) if is_over or chosen else ():
            ending = wish.words if is_over else f"{', '.join(sorted(chosen))} stands in for it"
            words = f"{symbol}: the hedge of {sector} ends: {ending}"
            notes.append(Note(Reason.HEDGE_OFF, words, symbol))
            intents += _reduce(sector, symbol, held[symbol], words, scene)
    return OverlayHedges(tuple(intents), hedges, tuple(notes))


def read_wish(sector: str, scene: PlanContext, stance: Stance, *, is_held: bool) -> tuple[Wish, tuple[Note, ...]]:
    """The largest of what the features ask for in a sector, never more than `standing_cover` of its spot."""
    policy, found, notes = scene.policy, [], []
    if policy.allocation.neutral_futures is NeutralFutures.DELTA_NEUTRAL:
        found.append(_delta_neutral(sector, scene, stance))
    if policy.gains.hedge is not GainHedge.OFF:
        wish, note = _gain(sector, scene, is_held=is_held)
        found.append(wish)
        notes += [note] if note else []
    if policy.carry.is_on:
        wish, note = _carry(sector, scene, stance, is_held=is_held)
        found.append(wish)
        notes += [note] if note else []
    if not found:
        return Wish(ZERO, "nothing asks for it any more"), ()
    best = max(found, key=lambda wish: wish.notional_quote)
    if best.notional_quote <= 0:
        return Wish(ZERO, "; ".join(wish.words for wish in found)), tuple(notes)
    dear = _too_dear(sector, scene, is_held=is_held)
    if dear is not None:
        notes.append(Note(Reason.FUNDING_DEAR, f"{sector}: no standing hedge: {dear}", sector))
        return Wish(ZERO, dear), tuple(notes)
    room = policy.constants.standing_cover * scene.portfolio.hedge_room(sector)
    return Wish(min(best.notional_quote, room), best.words), tuple(notes)


def _delta_neutral(sector: str, scene: PlanContext, stance: Stance) -> Wish:
    if stance is not Stance.NEUTRAL:
        return Wish(ZERO, f"the stance is {stance.value}, delta-neutral is for waiting")
    return Wish(scene.portfolio.sectors[sector].spot, f"{sector} waits delta-neutral")


def _gain(sector: str, scene: PlanContext, *, is_held: bool) -> tuple[Wish, Note | None]:
    """Begins at `gain_trigger` and ends below `gain_end`. Spot without a journaled cost has no gain that is known."""
    policy = scene.policy
    holdings = [holding for holding in scene.portfolio.holdings if holding.sector == sector]
    costed = [found for holding in holdings if (found := _known(holding, scene)) is not None]
    if not costed:
        words = f"{sector}: no spot of it has a journaled cost, so its gain is not known"
        return Wish(ZERO, words), Note(Reason.SIGNAL_MISSING, words, sector) if holdings else None
    cost, value = sum((paid for paid, _ in costed), ZERO), sum((worth for _, worth in costed), ZERO)
    gain = share(value - cost, cost)
    threshold = policy.gains.end if is_held else policy.gains.trigger
    if gain < threshold or value <= cost:
        return Wish(ZERO, f"the gain of {sector} is {gain:.0%}, below {threshold:.0%}"), None
    whole = policy.gains.hedge is GainHedge.FULL
    wanted = scene.portfolio.sectors[sector].spot if whole else value - cost
    return Wish(wanted, f"{sector} has gained {gain:.0%} ({value - cost:.2f}) on what was paid"), None


def _known(holding: Holding, scene: PlanContext) -> tuple[Decimal, Decimal] | None:
    """Cost and value of the part of a holding whose price was journaled, as it counts in the sector."""
    cost = scene.snapshot.costs.get(holding.symbol)
    if cost is None or cost.size <= 0 or holding.size <= 0:
        return None
    known = min(cost.size, holding.size)
    counted = holding.value / (holding.size * holding.price) if holding.price > 0 else ONE
    return cost.value_quote * known / cost.size * counted, holding.value * known / holding.size


def _carry(sector: str, scene: PlanContext, stance: Stance, *, is_held: bool) -> tuple[Wish, Note | None]:
    """Spot against a short that earns funding: begins at `carry_enter` after the fees of both ways, ends below
    `carry_end`. The sector that a rotation has just bought is left its upside."""
    policy = scene.policy
    if stance is Stance.INTO_DEFI and sector == policy.allocation.risk_on:
        return Wish(ZERO, f"{sector} was rotated into, it is not held in carry"), None
    earned, symbol = _average(sector, scene)
    if earned is None:
        words = f"{sector}: funding of {symbol or 'its hedge perps'} has not been watched for half of its window"
        return Wish(ZERO, words), Note(Reason.SIGNAL_MISSING, words, sector)
    instrument = scene.instrument(symbol)
    fees = 2 * instrument.taker_fee * 365 / policy.constants.carry_days if instrument is not None else ZERO
    net, threshold = (earned, policy.carry.end) if is_held else (earned - fees, policy.carry.enter)
    about = f"shorts of {symbol} earn {earned:.1%} a year on average"
    if net < threshold:
        return Wish(ZERO, f"{about}, {'' if is_held else 'after fees '}less than {threshold:.1%}"), None
    return Wish(policy.carry.share * scene.portfolio.sectors[sector].spot, f"carry: {about}"), None


def _too_dear(sector: str, scene: PlanContext, *, is_held: bool) -> str | None:
    """Why funding forbids a standing hedge: shorts pay too much on average; an unknown average forbids nothing."""
    earned, symbol = _average(sector, scene)
    limit = scene.policy.hedging.funding_max if is_held else scene.policy.hedging.funding_max / 2
    if earned is None or -earned <= limit:
        return None
    return f"shorts of {symbol} pay {-earned:.1%} a year on average, more than {limit:.1%}"


def _average(sector: str, scene: PlanContext) -> tuple[Decimal | None, str]:
    """Average funding that a short of the sector's hedge earns, weighted by its parts, and the first of its perps."""
    parts, _ = choose_hedges(sector, scene)
    total = ZERO
    for part in parts:
        funding = scene.snapshot.funding.get(part.symbol)
        hours = scene.policy.constants.funding_average_hours
        found = average_funding(funding, scene.at_ms, hours) if funding is not None else None
        if found is None:
            return None, part.symbol
        total += part.part * found
    return (total, parts[0].symbol) if parts else (None, "")


def _margins(sector: str, held: Mapping[str, Decimal], scene: PlanContext) -> tuple[Decimal, Decimal]:
    """Margin that the sector's standing shorts lock now, and what they may lock: a part of the sleeve stays free to top
    them up, what a long of it locks is not theirs."""
    positions = (scene.position(symbol) for symbol in held)
    own = sum((p.margin or abs(signed_notional(p, scene.snapshot)) / (p.leverage or ONE) for p in positions if p), ZERO)
    elsewhere = max(ZERO, scene.portfolio.sectors[sector].margin_locked - own)
    label = scene.portfolio.labels.get(sector, ZERO)
    return own, max(ZERO, label - elsewhere) / (ONE + scene.policy.hedging.margin_keep)


def _plans(
    sector: str, wish: Wish, usable: Decimal, scene: PlanContext
) -> tuple[tuple[HedgePlan, ...], tuple[Note, ...]]:
    """What the wish comes to with the margin that is there."""
    if wish.notional_quote <= 0:
        return (), ()
    room = scene.policy.constants.standing_cover * scene.portfolio.hedge_room(sector)
    return plan_hedges(sector, wish.notional_quote, scene, sleeve_margin=usable, closing=frozenset(), limit_quote=room)


def _step(sector: str, plan: HedgePlan, held: Decimal, wish: Wish, margin: Decimal, scene: PlanContext) -> list[Intent]:
    """One order towards the planned size, when it is far enough from what is held. A short that stands needs no new
    margin: for want of margin it does not grow, and it does not shrink, which would only realise its loss."""
    change = plan.size - held if plan.size > held else min(ZERO, plan.size_wanted - held)
    if held > 0 and abs(change) <= scene.policy.constants.standing_buffer * plan.size:
        return []
    words = f"hedge {plan.notional_quote:.2f} of {sector} on {plan.words}: {wish.words}"
    if change < 0:
        return _reduce(sector, plan.symbol, -change, words, scene)
    market = can_open(plan.symbol, scene)
    if market is None or scene.live_for(OrderKind.OPEN_HEDGE, plan.symbol):
        return []
    instrument, quote = market
    uncovered = scene.portfolio.hedge_room(sector, beside_held=True)
    worst = worst_price(quote.mid, Side.SELL, scene.policy.orders.slippage_bps, instrument)
    price = max(worst, quote.valuation)
    per_unit = opening_cost(instrument, price, plan.leverage)
    most = min(instrument.size_for(uncovered, plan.price), largest(price, instrument, scene), margin / per_unit)
    size = instrument.floor_size(min(change, most))
    if not instrument.is_tradable(size, min(worst, quote.valuation)):
        return []
    margin_quote = instrument.notional(size, quote.valuation) / plan.leverage
    terms = IntentTerms(size, worst, quote.mid, leverage=plan.leverage, margin_quote=margin_quote)
    return [kind_intent(OrderKind.OPEN_HEDGE, sector, plan.symbol, Side.SELL, terms, words)]


def _reduce(sector: str, symbol: str, size: Decimal, words: str, scene: PlanContext) -> list[Intent]:
    market = can_close(symbol, scene)
    if market is None or scene.live_for(OrderKind.REDUCE_HEDGE, symbol):
        return []
    instrument, quote = market
    size = instrument.floor_size(min(size, largest(quote.valuation, instrument, scene)))
    if not instrument.is_tradable(size, quote.valuation, reduce_only=True):
        return []
    worst = worst_price(quote.mid, Side.BUY, scene.policy.exits.slippage_bps, instrument)
    terms = IntentTerms(size, worst, quote.mid, reduce_only=True)
    return [kind_intent(OrderKind.REDUCE_HEDGE, sector, symbol, Side.BUY, terms, words)]
