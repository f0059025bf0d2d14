"""The pace of a rotation by the phase of the sector it moves into and by the cost of funding (PLAYBOOK §3, §8). Both
are options; without them every rotation has the configured pace.

A sector that accumulates is bought sooner, with a larger first tranche inside the cap on sales; into one that
distributes a rotation goes slower. While hedges and longs pay funding, tranches follow faster; while they earn it,
slower. The interval stays within half and twice of the one that is set.
"""

from dataclasses import dataclass, replace
from decimal import Decimal

from bot.domain.campaign import Campaign, Memory, OpenExit, Phase
from bot.domain.durations import MINUTE_MS
from bot.domain.instrument import Side
from bot.domain.money import ONE, ZERO, clamp
from bot.domain.order import Purpose
from bot.domain.reason import Note, Reason
from bot.playbook.book.context import PlanContext
from bot.playbook.book.portfolio import signed_notional
from bot.playbook.policy.numbers import Policy
from bot.playbook.positions.funding import average_funding

FIRST_LARGER, FIRST_SMALLER = Decimal(4) / Decimal(3), Decimal(2) / Decimal(3)
SLOWER = Decimal("1.5")
TIGHTER = Decimal("0.75")
FASTEST, SLOWEST = Decimal("0.5"), Decimal(2)
_FUNDING_FASTEST, _FUNDING_SLOWEST = Decimal("0.5"), Decimal("1.5")
_HUNDREDTH = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Pace:
    """The interval between two tranches, ms, and why it is not the one that is set; empty when it is."""

    interval_ms: int
    words: str = ""


def phase_of(sector: str, context: PlanContext) -> Phase:
    """Where a sector stands, as far as phases decide anything."""
    return context.phases.get(sector, Phase.UNKNOWN) if context.policy.rotation.by_phase else Phase.UNKNOWN


def first_part(destination: str, context: PlanContext) -> tuple[Decimal, tuple[Note, ...]]:
    """The part of a shift that the first tranche sells, before the cap on sales, with a note where a phase moves it."""
    usual, phase = context.policy.rotation.first_tranche, phase_of(destination, context)
    factor = {Phase.ACCUMULATING: FIRST_LARGER, Phase.DISTRIBUTING: FIRST_SMALLER}.get(phase, ONE)
    part = min(ONE, usual * factor)
    if part == usual:
        return usual, ()
    message = f"{destination} is {phase.value}: the first tranche is {part:.0%} of the shift instead of {usual:.0%}"
    return part, (Note(Reason.PACE, message, destination, {"first": f"{part:.4f}"}),)


def pace_of(campaign: Campaign, memory: Memory, context: PlanContext) -> Pace:
    """How long after the start of one tranche the next one begins, now.

    Args:
        campaign: the rotation that runs.
        memory: hedges and open exits, whose funding counts.
        context: prices, funding, phases.
    """
    usual = context.policy.rotation.tranche_interval_minutes * MINUTE_MS
    factor, reasons = ONE, []
    if phase_of(campaign.destination, context) is Phase.DISTRIBUTING:
        factor *= SLOWER
        reasons.append(f"{campaign.destination} is distributing: ×{SLOWER}")
    yearly = funding_rate_of(campaign, memory, context) if context.policy.rotation.by_funding else None
    if yearly is not None:
        by_funding = clamp(ONE - yearly / (2 * context.policy.hedging.funding_max), _FUNDING_FASTEST, _FUNDING_SLOWEST)
        by_funding = by_funding.quantize(_HUNDREDTH)
        if by_funding != ONE:
            verb = "pay" if yearly > 0 else "earn"
            reasons.append(f"its hedges and longs {verb} {abs(yearly):.1%} of funding a year: ×{by_funding}")
            factor *= by_funding
    factor = clamp(factor, FASTEST, SLOWEST)
    if not reasons or factor == ONE:
        return Pace(usual)
    words = (
        f"the interval is {int(usual * factor) // MINUTE_MS} min instead of {usual // MINUTE_MS}: {'; '.join(reasons)}"
    )
    return Pace(int(usual * factor), words)


def funding_rate_of(campaign: Campaign, memory: Memory, context: PlanContext) -> Decimal | None:
    """What the perps that last as long as the rotation are expected to pay (+) or earn (−) in funding, a year, as a
    share of their notional; None without such a perp or without its average.

    These are the hedges, which are released tranche by tranche, and the long that the rotation has opened.
    """
    longs = {held.symbol for held in memory.exits if held.campaign == campaign.number}
    notional = cost = ZERO
    for symbol in sorted({*memory.hedges, *longs}):
        position, funding = context.position(symbol), context.snapshot.funding.get(symbol)
        if position is None or funding is None:
            continue
        rate = average_funding(funding, context.at_ms, context.policy.constants.funding_average_hours)
        if rate is None:
            continue
        value = signed_notional(position, context.snapshot)
        notional, cost = notional + abs(value), cost + value * rate
    return cost / notional if notional > 0 else None


def tightened(memory: Memory, context: PlanContext) -> tuple[Memory, tuple[Note, ...]]:
    """Memory in which tactical longs of a sector that distributes have a nearer stop and a nearer trailing stop; never
    farther ones, and once only."""
    exits, notes = [], []
    for held in memory.exits:
        is_long = held.purpose is Purpose.TACTICAL and held.side is Side.BUY and not held.closing
        if is_long and phase_of(held.sector, context) is Phase.DISTRIBUTING:
            nearer = _nearer(held, context)
            if nearer != held:
                message = f"{held.symbol}: {held.sector} is distributing: the stop of the {held.words} moves from "
                message += f"{held.plan.stop_price} to {nearer.plan.stop_price}"
                notes.append(Note(Reason.PACE, message, held.symbol))
            held = nearer
        exits.append(held)
    return (replace(memory, exits=tuple(exits)) if notes else memory), tuple(notes)


def _nearer(held: OpenExit, context: PlanContext) -> OpenExit:
    policy: Policy = context.policy
    instrument = context.instrument(held.symbol)
    if instrument is None:
        return held
    stop = instrument.ceil_price(held.entry_price * (ONE - policy.exits.stop * TIGHTER))
    trailing = min(held.plan.trailing_share, policy.exits.trailing * TIGHTER)
    plan = replace(held.plan, stop_price=max(held.plan.stop_price, stop), trailing_share=trailing)
    return replace(held, plan=plan)
