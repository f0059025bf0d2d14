"""One decision: snapshot, account and memory → intents and the next memory (DESIGN §3).

read → choose → guard → plan → enter. Deterministic in its arguments, so that a journaled cycle replays to the same
decision. `Memory` is the only state.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from bot.domain.campaign import Condition, Memory, OpenExit, Stance
from bot.domain.market import Snapshot
from bot.domain.money import ZERO, share
from bot.domain.order import Order, Purpose
from bot.domain.portfolio import Portfolio
from bot.domain.reason import Note, Reason
from bot.domain.states import CampaignState, LegState
from bot.domain.turn.decision import Decision
from bot.playbook.book.context import PlanContext, belongs_to
from bot.playbook.book.portfolio import former_holdings
from bot.playbook.book.transfers import read_labels, settle_transfer
from bot.playbook.book.universe import notes_of
from bot.playbook.market.point_in_time import as_of
from bot.playbook.market.regime import read_regime
from bot.playbook.market.signal_cache import SignalCache
from bot.playbook.market.signals import exit_signs, read_market, signs_against_shorts
from bot.playbook.market.stance import Choice, choose_stance, current_stance, target_shares, with_kept
from bot.playbook.orders.timing import withdrawn
from bot.playbook.overlays.directional import (
    after_hedges,
    book_scalps,
    end_openings,
    no_longer_justified,
    plan_speculation,
)
from bot.playbook.overlays.standing_hedges import plan_overlay_hedges
from bot.playbook.policy.numbers import Policy, Sectors
from bot.playbook.positions.exits import Guarded, guard_positions, shrink_before_sales
from bot.playbook.rotation.apply_renames import apply_renames
from bot.playbook.rotation.campaign import drift, sleeve_values, start_campaign, without_purchases
from bot.playbook.rotation.pace import tightened
from bot.playbook.rotation.progress import Step, end_tactical, live_hedges, step_campaign
from bot.playbook.rotation.purchases import can_trade


def decide(
    snapshot: Snapshot,
    portfolio: Portfolio,
    memory: Memory,
    policy: Policy,
    sectors: Sectors,
    working: tuple[Order, ...],
    cache: SignalCache,
    unseen: tuple[str, ...] = (),
) -> Decision:
    """A full cycle: read the market, choose the stance, keep the exits, take the campaign one step further.

    `cache` changes nothing but the time it takes. `unseen`: see `PlanContext`.
    """
    snapshot = as_of(snapshot)
    context = _context(snapshot, portfolio, memory, policy, sectors, working, unseen)
    memory = _settled(memory, context)
    market = read_market(snapshot, policy, sectors, cache)
    signals, context = market.signals, replace(context, phases=market.phases)
    memory, nearer = tightened(memory, context)
    reading = read_regime(signals, memory.regime, policy, snapshot.at_ms, market.unconfigured)
    memory = replace(memory, regime=reading.memory)
    signs = exit_signs(signals, policy)
    choice = choose_stance(reading, signs, memory, policy, snapshot)
    rising = () if policy.regime.override else signs_against_shorts(signals, policy)
    over = no_longer_justified(memory, choice.stance, rising, context)
    guarded = _guarded(memory, context, () if policy.regime.override else signs, over)
    carried, renamed = apply_renames(guarded.memory, context)
    memory, more = _steer(carried, choice, context, market.trends)
    step = step_campaign(memory, context, tactical_allowed=choice.tactical_allowed, ended=guarded.ended)
    intents, waiting = shrink_before_sales(step.intents, step.memory, context)
    step = replace(step, intents=intents, notes=(*step.notes, *waiting))
    shares, share_notes = _shares(step.memory, choice, context, market.trends)
    former = former_holdings(portfolio, snapshot, sectors)
    notes = (
        *market.notes,
        *reading.notes,
        *choice.notes,
        *share_notes,
        *former,
        *notes_of(sectors),
        *renamed,
        *nearer,
        *guarded.notes,
        *more,
        *step.notes,
    )
    stood = plan_overlay_hedges(step.memory, context, choice.stance)
    # A perp that becomes a hedge in this turn is taken: one net position serves one purpose.
    hedged = replace(step.memory, hedges={**step.memory.hedges, **stood.hedges})
    risked = plan_speculation(hedged, after_hedges(stood.intents, context), reading, choice, rising)
    step = replace(step, memory=risked.memory, intents=(*step.intents, *stood.intents, *risked.intents))
    notes = (*notes, *stood.notes, *risked.notes)
    created = _decision(context, guarded, step, notes, reading.condition, reading.confidence, choice.stance, shares)
    memory = replace(created.memory, hedges={**created.memory.hedges, **stood.hedges})
    return replace(created, signals=signals, phases=market.phases, memory=memory)


def guard(
    snapshot: Snapshot,
    portfolio: Portfolio,
    memory: Memory,
    policy: Policy,
    sectors: Sectors,
    working: tuple[Order, ...],
    unseen: tuple[str, ...] = (),
) -> Decision:
    """Exits, hedge ≤ spot and liquidation distance only; regime, target and campaign stay as they are."""
    context = _context(snapshot, portfolio, memory, policy, sectors, working, unseen)
    memory = _settled(memory, context)
    guarded = _guarded(memory, context)
    choice = Choice(current_stance(memory), tactical_allowed=False)
    shares, _ = _shares(memory, choice, context, {})  # trends are read in a cycle only
    step = Step(end_tactical(guarded.memory, guarded.ended))
    return _decision(context, guarded, step, guarded.notes, memory.regime.condition, ZERO, choice.stance, shares)


def close_early(found: Decision, before: Memory, symbols: Collection[str]) -> Decision:
    """Of what a guard has `found`: what it closes now of the positions with exits in these perps, and nothing else.
    Stops, hedges and all that is remembered of other positions are left to the guard that follows."""
    owned = {held.symbol for held in before.exits} & set(symbols)
    intents = tuple(
        intent
        for intent in found.intents
        if intent.symbol in owned and intent.reduce_only and not intent.order_type.is_trigger
    )
    closed = {intent.symbol for intent in intents}
    after = {held.symbol: held for held in found.memory.exits if held.symbol in closed}
    memory = replace(before, exits=tuple(after.get(held.symbol, held) for held in before.exits))
    notes = tuple(note for note in found.notes if note.subject in closed)
    return replace(found, intents=intents, cancels=(), top_ups={}, transfers=(), notes=notes, memory=memory)


def _context(
    snapshot: Snapshot,
    portfolio: Portfolio,
    memory: Memory,
    policy: Policy,
    sectors: Sectors,
    working: tuple[Order, ...],
    unseen: tuple[str, ...],
) -> PlanContext:
    directional, stopped, hedges = memory.directional, memory.hedges_stopped, memory.hedges
    return PlanContext(snapshot, portfolio, policy, sectors, working, directional, stopped, unseen, hedges)


def _guarded(
    memory: Memory, context: PlanContext, signs: Sequence[str] = (), over: Mapping[str, str] | None = None
) -> Guarded:
    """The guard, and what its endings mean for what is being opened and for the scalps' budget."""
    guarded = guard_positions(memory, context, signs, over)
    after = end_openings(book_scalps(memory, guarded.memory, context), guarded.ended)
    return replace(guarded, memory=after)


def _decision(
    context: PlanContext,
    guarded: Guarded,
    step: Step,
    notes: Sequence[Note],
    condition: Condition,
    confidence: Decimal,
    stance: Stance,
    shares: Mapping[str, Decimal],
) -> Decision:
    """Guard intents come first; a leg waits while the guard works on its instrument."""
    busy = {intent.symbol for intent in guarded.intents if not intent.order_type.is_trigger}
    intents = (*guarded.intents, *(intent for intent in step.intents if intent.symbol not in busy))
    if not intents and not step.transfers:
        notes = (*notes, Note(Reason.NOTHING_TO_DO, "nothing to do now"))
    memory = replace(step.memory, hedges=live_hedges(step.memory, context))
    return Decision(
        at_ms=context.at_ms,
        signals=(),
        condition=condition,
        confidence=confidence,
        phases={},
        stance=stance,
        target=shares,
        intents=intents,
        transfers=step.transfers,
        notes=tuple(notes),
        memory=memory,
        cancels=(*guarded.cancels, *withdrawn(context, memory.campaign)),
        top_ups=guarded.top_ups,
    )


def _settled(memory: Memory, context: PlanContext) -> Memory:
    """Memory brought up to what the account shows: transfers, labels, exits of longs that have been filled."""
    memory = settle_transfer(memory, context.portfolio.account)
    is_first = context.portfolio.account.is_unified and not memory.labels
    labels = context.portfolio.labels if is_first else read_labels(memory, context.portfolio.account, context.policy)
    memory = replace(memory, labels=labels)
    return replace(memory, exits=_open_exits(memory, context))


def _open_exits(memory: Memory, context: PlanContext) -> tuple[OpenExit, ...]:
    """An exit plan for every tactical position that stands, as soon as any of it is filled."""
    exits = {held.symbol: held for held in memory.exits}
    campaign = memory.campaign
    legs = [leg for t in campaign.tranches for leg in t.legs] if campaign is not None else []
    for leg in legs:
        position = context.position(leg.symbol)
        if leg.purpose is not Purpose.TACTICAL or leg.exits is None or position is None or position.size <= 0:
            continue
        known = exits.get(leg.symbol)
        # A leg that was given up may have executed all the same; what a leg that is done has left is an exit's rest.
        if known is None and leg.state is not LegState.DONE and campaign is not None:
            exits[leg.symbol] = OpenExit(
                leg.symbol,
                leg.sector,
                position.size,
                position.entry_price,
                leg.exits,
                position.mark_price,
                campaign=campaign.number,
            )
        elif known is not None and position.size > known.size_entered and not known.targets_hit:
            exits[leg.symbol] = replace(known, size_entered=position.size, entry_price=position.entry_price)
    for opening in memory.opening:
        position, known = context.position(opening.symbol), exits.get(opening.symbol)
        if position is None or position.size * opening.side.sign <= 0:
            continue
        if opening.over_ms and opening.symbol in memory.hedges:
            continue
        size = abs(position.size)
        if known is None:
            exits[opening.symbol] = OpenExit(
                opening.symbol,
                opening.sector,
                size,
                position.entry_price,
                opening.plan,
                position.mark_price,
                side=opening.side,
                purpose=opening.purpose,
            )
        elif known.purpose is opening.purpose and size > known.size_entered and not known.targets_hit:
            exits[opening.symbol] = replace(known, size_entered=size, entry_price=position.entry_price)
    return tuple(exits.values())


def _shares(
    memory: Memory, choice: Choice, context: PlanContext, trends: Mapping[str, float]
) -> tuple[Mapping[str, Decimal], tuple[Note, ...]]:
    """Target shares of the chosen stance; a stance that stands keeps the tactical long it was entered with, and, where
    the trend of a sector cannot be read, what it has been moved to."""
    policy, allowed, campaign = context.policy, choice.tactical_allowed, memory.campaign
    stands = current_stance(memory) is choice.stance
    if campaign is not None and campaign.stance_to is choice.stance and stands:
        allowed = campaign.tactical_allowed
    shares, notes = target_shares(choice.stance, policy, tactical_allowed=allowed, trends=trends)
    if policy.trend.is_on and choice.stance is Stance.DE_RISK and stands:
        unread = [name for name in context.sectors.sectors if name not in trends]
        return with_kept(shares, _last_shares(memory, context), unread), notes
    return shares, notes


def _last_shares(memory: Memory, context: PlanContext) -> Mapping[str, Decimal]:
    """Shares of the last campaign where it has led to the stance that stands; without one those that are held."""
    campaign = memory.campaign
    if campaign is not None and campaign.stance_to is current_stance(memory) and campaign.book and campaign.target:
        return {name: share(value, campaign.book) for name, value in campaign.target.items()}
    return {name: share(value, context.portfolio.book) for name, value in sleeve_values(context).items()}


def _steer(
    memory: Memory, choice: Choice, context: PlanContext, trends: Mapping[str, float]
) -> tuple[Memory, tuple[Note, ...]]:
    """Start, reverse or leave alone the campaign."""
    campaign, notes = memory.campaign, []
    running = campaign is not None and not campaign.is_over
    if campaign is not None and running:
        if campaign.stance_to is choice.stance:
            return memory, ()
        campaign = replace(campaign, state=CampaignState.ABORTED)
        message = f"campaign {campaign.number} towards {campaign.stance_to.value} is given up for {choice.stance.value}"
        notes.append(Note(Reason.CAMPAIGN_REVERSED, message, str(campaign.number)))
        # The book stands nowhere exact; what it is moved to is planned from where it is.
        memory = replace(memory, campaign=campaign, stance=campaign.stance_to)
    if campaign is not None and any(belongs_to(order, campaign) for order in context.working if order.state.is_live):
        message = f"orders of campaign {campaign.number} are still under way: a new one waits for them"
        return memory, (*notes, Note(Reason.PHASE_WAITS, message, str(campaign.number)))
    # A retreat is not held up: what is sold is held, and what is held and unread stays a member.
    if context.sectors.unread and not (choice.stance is Stance.DE_RISK and memory.stance is not choice.stance):
        unread = ", ".join(sorted(context.sectors.unread))
        message = f"no new campaign: candles of {unread} are missing, so it is not known who the members are"
        return memory, (*notes, Note(Reason.SIGNAL_MISSING, message, "members"))
    shares, _ = _shares(memory, choice, context, trends)
    if choice.stance is memory.stance:
        if choice.stance is Stance.DE_RISK and memory.regime.condition is Condition.DOWNTREND:
            shares = without_purchases(shares, context)  # a fall makes spot too small a share, and is not bought
        moved = drift(shares, context)
        if moved <= context.policy.allocation.drift_buffer:
            message = (
                f"the largest drift is {moved:.2%} of the book, within {context.policy.allocation.drift_buffer:.2%}"
            )
            return memory, (*notes, Note(Reason.DRIFT_WITHIN_BUFFER, message, choice.stance.value))
    if context.portfolio.book <= 0 or context.portfolio.unpriced:
        missing = ", ".join(context.portfolio.unpriced) or "the book is empty"
        return memory, (*notes, Note(Reason.PRICE_BAD, f"no new campaign: no sound price of {missing}", missing))
    allowed = choice.tactical_allowed
    if campaign is not None and choice.stance is memory.stance:
        allowed = campaign.tactical_allowed
    started, more = start_campaign(choice.stance, shares, memory, context, tactical_allowed=allowed)
    if not can_trade(started, memory, context):
        message = f"no campaign to {choice.stance.value}: nothing of it reaches the venue's minimums"
        return memory, (*notes, Note(Reason.BELOW_MINIMUM, message, choice.stance.value))
    return replace(memory, campaign=started, campaigns=started.number), (*notes, *more)
