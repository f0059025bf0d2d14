"""Where a running tranche stands, derived from truth every cycle (PLAYBOOK §2, DESIGN §3).

What is left of a leg is its size to reach, less what is held; while an order of it is live, nothing more is asked for.
A leg that was over stays over: an exit that closes what it opened, or a deposit, does not start it again. A phase
starts when every leg of the earlier ones is over, so a doubt in one phase stops the next: a leg with a live order, in
doubt or not, is never over. A hedge that cannot be had does not hold the sales up for longer than `hedge_wait_minutes`:
they go on, and the hedge is asked for beside them. Then too an order of the hedge that was just sent and is in doubt
holds them until evidence can settle it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from bot.domain.campaign import Campaign, Leg, LegAttempts, Memory, Tranche, Transfer
from bot.domain.durations import HOUR_MS, MINUTE_MS
from bot.domain.money import ZERO
from bot.domain.order import TRANCHE_PHASES, Intent, Purpose
from bot.domain.order_ids import leg_id
from bot.domain.reason import Note, Reason
from bot.domain.states import CampaignState, LegState, OrderState, TrancheState
from bot.playbook.book.context import PlanContext
from bot.playbook.book.transfers import finish_transfer, running_tranche, wallet_names
from bot.playbook.orders.entry import enter_legs
from bot.playbook.positions.hedge_stops import pause_left
from bot.playbook.rotation.pace import pace_of
from bot.playbook.rotation.tranche import start_tranche

ASKS_MIN, HEDGE_ASKS = 12, 2
DOUBT_SETTLES_MS = 60_000  # longer than any venue's quiet period: what is in doubt after that is not settled by waiting
_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a campaign: the next memory, with the intents and transfers of this cycle."""

    memory: Memory
    intents: tuple[Intent, ...] = ()
    transfers: tuple[Transfer, ...] = ()
    notes: tuple[Note, ...] = ()


def step_campaign(memory: Memory, context: PlanContext, *, tactical_allowed: bool, ended: frozenset[str]) -> Step:
    """Take the running campaign one step further. `ended` names perps whose tactical long the guard is ending."""
    campaign = memory.campaign
    if campaign is None or campaign.is_over:
        return Step(memory)
    notes: tuple[Note, ...] = ()
    campaign, why = _paced(campaign, memory, context)
    memory, current = replace(memory, campaign=campaign), campaign.current
    if current is not None and current.state is TrancheState.WAITING:
        if context.at_ms < current.begins_ms:
            minutes = -(-(current.begins_ms - context.at_ms) // MINUTE_MS)
            message = f"campaign {campaign.number}: tranche {current.index} begins in {minutes} min{why}"
            return Step(memory, notes=(Note(Reason.TRANCHE_WAITS, message, str(campaign.number)),))
        campaign, hedges, notes = start_tranche(
            campaign, memory, context, tactical_allowed=tactical_allowed and campaign.tactical_allowed
        )
        memory = replace(memory, campaign=campaign, hedges=hedges)
    step = _advance(memory, context, tactical_allowed=tactical_allowed, ended=ended)
    campaign = step.memory.campaign
    if campaign is not None and not campaign.is_over:
        step = replace(step, memory=replace(step.memory, campaign=_paced(campaign, step.memory, context)[0]))
    return replace(step, notes=(*notes, *step.notes))


def _paced(campaign: Campaign, memory: Memory, context: PlanContext) -> tuple[Campaign, str]:
    """The campaign with the times at which its tranches that wait begin, and why not after the interval that is set.

    The pace is judged anew each cycle: funding and phases change while a rotation lasts. Whoever asks when a tranche
    begins reads `Tranche.begins_ms`."""
    started = [tranche for tranche in campaign.tranches if tranche.state is not TrancheState.WAITING]
    if not started:
        return campaign, ""
    pace, last = pace_of(campaign, memory, context), started[-1]
    tranches = tuple(
        replace(t, due_ms=last.started_ms + (t.index - last.index) * pace.interval_ms if pace.words else 0)
        if t.state is TrancheState.WAITING
        else t
        for t in campaign.tranches
    )
    return replace(campaign, tranches=tranches), f"; {pace.words}" if pace.words else ""


def _advance(memory: Memory, context: PlanContext, *, tactical_allowed: bool, ended: frozenset[str]) -> Step:
    """Walk the phases of the running tranche up to the first that is not finished."""
    notes: list[Note] = []
    for phase in TRANCHE_PHASES:
        memory, intents, more, is_open = _work_phase(memory, phase, context, tactical_allowed, ended)
        notes += more
        if is_open and phase is Purpose.HEDGE:
            memory, is_late = _wait_for_hedge(memory, context)
            if is_late and _has_recent_unknown_outcome(memory, context):
                return Step(_blocked_after(memory, phase), notes=tuple(notes))
            if is_late:
                memory, sales, more, is_selling = _work_phase(memory, Purpose.REDUCE, context, tactical_allowed, ended)
                notes += [*more, *([_late_note(memory, context)] if is_selling else [])]
                return Step(_blocked_after(memory, Purpose.REDUCE), (*intents, *sales), (), tuple(notes))
        if is_open:
            return Step(_blocked_after(memory, phase), intents, (), tuple(notes))
        memory, transfers, more, is_open = _work_transfers(memory, phase, context)
        notes += more
        if is_open:
            return Step(_blocked_after(memory, phase), (), transfers, tuple(notes))
    memory, more = _finish_tranche(memory, context)
    return Step(memory, notes=(*notes, *more))


def _work_phase(
    memory: Memory, phase: Purpose, context: PlanContext, tactical_allowed: bool, ended: frozenset[str]
) -> tuple[Memory, tuple[Intent, ...], tuple[Note, ...], bool]:
    campaign, tranche = memory.campaign, running_tranche(memory)
    if campaign is None or tranche is None:
        return memory, (), (), False
    legs = {leg.index: leg for leg in tranche.legs}
    notes: list[Note] = []
    for leg in tranche.legs:
        if leg.purpose is phase:
            legs[leg.index], note = _read_leg(campaign, tranche, leg, context, tactical_allowed, ended)
            notes += [note] if note else []
    ready = [leg for leg in legs.values() if leg.purpose is phase and leg.state is LegState.READY]
    intents = []
    for entry in enter_legs(campaign, tranche, ready, context):
        notes += entry.notes
        if entry.intent is not None:
            intents.append(entry.intent)
            legs[entry.leg.index] = entry.leg
        elif entry.is_exhausted:
            legs[entry.leg.index] = replace(entry.leg, state=LegState.DONE)
    tranche = replace(tranche, legs=tuple(legs.values()))
    is_open = any(leg.purpose is phase and not leg.state.is_over for leg in tranche.legs)
    return _with_tranche(memory, tranche), tuple(intents), tuple(notes), is_open


def _wait_for_hedge(memory: Memory, context: PlanContext) -> tuple[Memory, bool]:
    """Since when the sales wait for the hedge, and whether that is too long. Time alone does not count: after an outage
    the hedge is asked for again first."""
    tranche = running_tranche(memory)
    if tranche is None:
        return memory, False
    if not tranche.hedge_wait_ms:
        tranche = replace(tranche, hedge_wait_ms=context.at_ms, hedge_asks=0)
    tranche = replace(tranche, hedge_asks=tranche.hedge_asks + 1)
    waited, bound = context.at_ms - tranche.hedge_wait_ms, context.policy.rotation.hedge_wait_minutes * MINUTE_MS
    return _with_tranche(memory, tranche), waited >= bound and (bound == 0 or tranche.hedge_asks > HEDGE_ASKS)


def _has_recent_unknown_outcome(memory: Memory, context: PlanContext) -> bool:
    """Whether an order of the hedge was sent so lately that its doubt will be settled by evidence in a moment."""
    campaign, tranche = memory.campaign, running_tranche(memory)
    if campaign is None or tranche is None:
        return False
    hedges = [leg for leg in tranche.legs if leg.purpose is Purpose.HEDGE]
    live = (o for leg in hedges for o in context.live_orders(leg_id(campaign.number, tranche.index, leg.index)))
    doubtful = (OrderState.SUBMITTING, OrderState.IN_DOUBT)
    return any(o.state in doubtful and context.at_ms - o.sent_ms < DOUBT_SETTLES_MS for o in live)


def _late_note(memory: Memory, context: PlanContext) -> Note:
    tranche = running_tranche(memory)
    legs = tranche.legs if tranche else ()
    late = ", ".join(leg.symbol for leg in legs if leg.purpose is Purpose.HEDGE and not leg.state.is_over)
    minutes = (context.at_ms - tranche.hedge_wait_ms) // MINUTE_MS if tranche else 0
    message = f"the hedge on {late} could not be had for {minutes} min: the sales go on without it"
    return Note(Reason.HEDGE_LATE, message, late)


def _read_leg(
    campaign: Campaign, tranche: Tranche, leg: Leg, context: PlanContext, tactical_allowed: bool, ended: frozenset[str]
) -> tuple[Leg, Note | None]:
    if leg.state.is_over:
        return leg, None
    live = context.live_orders(leg_id(campaign.number, tranche.index, leg.index))
    if live:
        unknown = [order for order in live if order.state is OrderState.IN_DOUBT]
        message = f"{leg.words}: {len(live)} orders under way" + (f", {len(unknown)} in doubt" if unknown else "")
        reason = Reason.ORDER_IN_DOUBT if unknown else Reason.PHASE_WAITS
        return replace(leg, state=LegState.WORKING), Note(reason, message, leg.symbol)
    deadline = tranche.started_ms + context.policy.entries.wait_hours * HOUR_MS
    if context.instrument(leg.symbol) is None and context.at_ms >= deadline:
        # Halted and delisted look alike; what has not traded for that long must not hold up the others for ever.
        message = f"{leg.words}: skipped, {leg.symbol} does not trade"
        return replace(leg, state=LegState.SKIPPED), Note(Reason.INSTRUMENT_INACTIVE, message, leg.symbol)
    held = context.held(leg.symbol)
    why = _why_no_tactical(leg, context, tactical_allowed, ended) if leg.purpose is Purpose.TACTICAL else None
    if why is not None:
        state = LegState.DONE if abs(held) > abs(leg.size_from) or leg.symbol in ended else LegState.SKIPPED
        return replace(leg, state=state), Note(Reason.EXIT_SIGNS, f"{leg.words}: left as it is, {why}", leg.symbol)
    if _is_done(leg, context):
        return replace(leg, state=LegState.DONE), None
    paused = pause_left(leg.sector, context) if leg.purpose is Purpose.HEDGE else None
    if paused is not None:
        message = f"{leg.words}: goes no further, {paused}"
        return replace(leg, state=LegState.SKIPPED), Note(Reason.HEDGE_PAUSED, message, leg.symbol)
    requested = leg.asked if leg.asked is not None and leg.asked.held == held else LegAttempts(context.at_ms, 0, held)
    hours = context.policy.entries.wait_hours + context.policy.constants.leg_patience_hours
    # Time alone does not count: a bot that was away for a week has not been refused for a week.
    if requested.count >= ASKS_MIN and context.at_ms >= requested.since_ms + hours * HOUR_MS:
        message = f"{leg.words}: given up, it was refused or did not fill for {hours} h"
        return replace(leg, state=LegState.SKIPPED), Note(Reason.LEG_GIVEN_UP, message, leg.symbol)
    return replace(leg, state=LegState.READY, asked=replace(requested, count=requested.count + 1)), None


def _why_no_tactical(leg: Leg, context: PlanContext, tactical_allowed: bool, ended: frozenset[str]) -> str | None:
    """Why a tactical leg goes no further; None while it may."""
    if leg.symbol in ended:
        return "an exit has begun"
    if not tactical_allowed:
        return "no longer allowed"
    price, exits = context.price(leg.symbol), leg.exits
    if exits is not None and context.at_ms >= exits.deadline_ms:
        return "its time is over"
    if exits is not None and price is not None and (price - exits.stop_price) * leg.side.sign <= 0:
        return "the price is beyond its stop"
    return None


def _is_done(leg: Leg, context: PlanContext) -> bool:
    left, instrument = context.left(leg), context.instrument(leg.symbol)
    if left <= 0:
        return True
    if instrument is None:
        return False
    closes = leg.size_to == 0 and instrument.is_perp
    whole = abs(leg.size_to - leg.size_from)
    # What a fee taken in kind leaves undone is not bought again; more than fees explain is.
    tolerance = min(context.policy.constants.leg_tolerance, 2 * instrument.taker_fee)
    if not closes and left <= tolerance * whole + instrument.size_step and left < whole:
        return True
    price = context.least_price(leg.symbol, leg.side) or leg.price
    reduce_only = instrument.is_perp and leg.purpose in (Purpose.EXIT, Purpose.RELEASE)
    return not instrument.is_tradable(instrument.floor_size(left), price, reduce_only=reduce_only)


def _work_transfers(
    memory: Memory, phase: Purpose, context: PlanContext
) -> tuple[Memory, tuple[Transfer, ...], tuple[Note, ...], bool]:
    """The next transfer that waits for `phase`: relabel at once, ask for money to move, wait for the evidence."""
    notes: list[Note] = []
    while True:
        tranche, account = running_tranche(memory), context.portfolio.account
        if tranche is None or tranche.transfers_done >= len(tranche.transfers):
            return memory, (), tuple(notes), False
        transfer = tranche.transfers[tranche.transfers_done]
        if TRANCHE_PHASES.index(transfer.after) > TRANCHE_PHASES.index(phase):
            return memory, (), tuple(notes), False
        if transfer.source or account.is_unified:
            memory = finish_transfer(memory, transfer)
            continue
        if not context.policy.allocation.transfers:
            spot, perp = wallet_names(context.snapshot.instruments.values())
            source, target = (spot, perp) if transfer.to_perp else (perp, spot)
            message = (
                f"there are no transfers: move {transfer.amount:,} {account.quote} from {source} to {target}: "
                f"{transfer.words}"
            )
            numbers = {"amount": str(transfer.amount)}
            notes.append(Note(Reason.TRANSFER_NEEDED, message, transfer.sector, numbers))
            memory = finish_transfer(memory, transfer, moves_labels=False)
            continue
        if tranche.transfer_level is not None:
            waited = context.at_ms - tranche.transfer_sent_ms
            if waited < context.policy.constants.transfer_retry_seconds * 1000:
                message = f"{transfer.words}: asked for {waited // 1000} s ago, the wallets do not show it yet"
                return memory, (), (*notes, Note(Reason.PHASE_WAITS, message, transfer.sector)), True
        room = account.cash_free if transfer.to_perp else account.perp_free
        amount = min(transfer.amount, room).quantize(_CENT, rounding="ROUND_FLOOR")
        if amount < max(context.policy.constants.transfer_min_quote, _CENT):
            message = f"{transfer.words}: given up, the wallet has {room:.2f} free"
            notes.append(Note(Reason.CASH_SHORT, message, transfer.sector, {"amount": str(transfer.amount)}))
            memory = finish_transfer(memory, transfer, moves_labels=False)
            continue
        requested = replace(transfer, amount=amount)
        transfers = tuple(requested if t is transfer else t for t in tranche.transfers)
        tranche = replace(
            tranche, transfers=transfers, transfer_level=account.perp_wallet, transfer_sent_ms=context.at_ms
        )
        return _with_tranche(memory, tranche), (requested,), tuple(notes), True


def _blocked_after(memory: Memory, phase: Purpose) -> Memory:
    tranche = running_tranche(memory)
    if tranche is None:
        return memory
    later = TRANCHE_PHASES[TRANCHE_PHASES.index(phase) + 1 :]
    legs = tuple(
        replace(leg, state=LegState.BLOCKED) if leg.purpose in later and not leg.state.is_over else leg
        for leg in tranche.legs
    )
    return _with_tranche(memory, replace(tranche, legs=legs))


def _with_tranche(memory: Memory, tranche: Tranche) -> Memory:
    campaign = memory.campaign
    if campaign is None:
        raise ValueError("there is no campaign that the tranche could belong to")
    tranches = tuple(tranche if t.index == tranche.index else t for t in campaign.tranches)
    return replace(memory, campaign=replace(campaign, tranches=tranches))


def _finish_tranche(memory: Memory, context: PlanContext) -> tuple[Memory, tuple[Note, ...]]:
    campaign, tranche = memory.campaign, running_tranche(memory)
    if campaign is None or tranche is None:
        return memory, ()
    interval = context.policy.rotation.tranche_interval_minutes * MINUTE_MS
    tranches = []
    for other in campaign.tranches:
        if other.index == tranche.index:
            other = replace(tranche, state=TrancheState.DONE)
        elif other.index == tranche.index + 1:
            other = replace(other, not_before_ms=max(other.not_before_ms, tranche.started_ms + interval))
        tranches.append(other)
    campaign = replace(campaign, tranches=tuple(tranches))
    if campaign.current is not None:
        return replace(memory, campaign=campaign), ()
    owed = {source: amount for source, amount in campaign.owed.items() if amount >= _CENT}
    campaign = replace(campaign, state=CampaignState.DONE, owed=owed)
    message = f"campaign {campaign.number}: the book stands at {campaign.stance_to.value}"
    done = Note(Reason.CAMPAIGN_DONE, message, str(campaign.number), {k: str(v) for k, v in owed.items()})
    return replace(memory, campaign=campaign, stance=campaign.stance_to), (done,)


def end_tactical(memory: Memory, ended: frozenset[str]) -> Memory:
    """Memory in which legs whose long is ending are over: what an exit has closed is not opened again."""
    tranche = running_tranche(memory)
    if tranche is None or not ended:
        return memory
    legs = tuple(
        replace(leg, state=LegState.DONE)
        if leg.purpose is Purpose.TACTICAL and leg.symbol in ended and not leg.state.is_over
        else leg
        for leg in tranche.legs
    )
    return _with_tranche(memory, replace(tranche, legs=legs))


def end_refused(memory: Memory, refused: Mapping[str, str]) -> tuple[Memory, tuple[Note, ...]]:
    """Memory in which the legs of these intents are over, because the venue refused them for a reason that does not
    pass: `refused` has its words by intent id. A leg with a live order is left alone."""
    campaign, tranche = memory.campaign, running_tranche(memory)
    if campaign is None or tranche is None or not refused:
        return memory, ()
    legs, notes = [], []
    for leg in tranche.legs:
        why = refused.get(leg_id(campaign.number, tranche.index, leg.index))
        if why is not None and leg.state is LegState.READY:
            leg = replace(leg, state=LegState.SKIPPED)
            notes.append(Note(Reason.LEG_REFUSED, f"{leg.words}: ended, {why}", leg.symbol))
        legs.append(leg)
    return _with_tranche(memory, replace(tranche, legs=tuple(legs))), tuple(notes)


def live_hedges(memory: Memory, context: PlanContext) -> Mapping[str, str]:
    """Hedges that still stand, or that a leg of the running tranche is still to open."""
    tranche = running_tranche(memory)
    legs = tranche.legs if tranche else ()
    coming = {leg.symbol for leg in legs if leg.purpose is Purpose.HEDGE and not leg.state.is_over}
    return {
        symbol: sector
        for symbol, sector in memory.hedges.items()
        if symbol in coming
        or context.held(symbol) < ZERO
        or any(not order.order_type.is_trigger for order in context.live_on(symbol))
    }
