"""The hedge legs of a tranche: opened before the sales, replaced, shrunk to the spot that is left, released
(PLAYBOOK §§2, 4, 5)."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from bot.domain.campaign import Leg, Transfer
from bot.domain.money import ONE, ZERO, share
from bot.domain.order import Purpose
from bot.domain.reason import Note, Reason
from bot.playbook.book.context import PlanContext
from bot.playbook.book.portfolio import signed_notional
from bot.playbook.policy.choices import HedgeWith
from bot.playbook.positions.hedge import HedgePlan, common_level, plan_hedges
from bot.playbook.rotation.draft import Draft, sold_value

_CENT = Decimal("0.01")
_PLAIN = (HedgeWith.LEADER, False)


def shrink_legs(draft: Draft, sales: list[Leg]) -> None:
    """Shrink a standing hedge to the spot that the sales will leave, before they are made: it never exceeds it."""
    context = draft.context
    room = {
        name: context.portfolio.hedge_room(name, sold=sold_value(name, sales, context))
        for name in context.portfolio.sectors
    }
    worth = {s: _short_value(s, context) for s, name in draft.hedges.items() if name in room}
    for symbol, sector in sorted(draft.hedges.items()):
        instrument, price, held = context.instrument(symbol), context.price(symbol), context.held(symbol)
        if instrument is None or price is None or held >= 0 or sector not in context.portfolio.sectors:
            continue
        values = [worth[s] for s, name in draft.hedges.items() if name == sector and worth[s] > 0]
        level = common_level(values, max(ZERO, room[sector]))
        size_to = held if worth[symbol] <= level else -instrument.size_for(level, price)
        if size_to > held:
            value = instrument.notional(size_to - held, price)
            message = f"shrink the hedge of {sector} by {value:.2f} to the spot that its sale leaves"
            draft.add(Leg(0, Purpose.EXIT, sector, symbol, held, size_to, price, value, words=message))


def _short_value(symbol: str, context: PlanContext) -> Decimal:
    instrument, price = context.instrument(symbol), context.price(symbol)
    if instrument is None or price is None:
        return ZERO
    return instrument.notional(max(ZERO, -context.held(symbol)), price)


def hedge_legs(draft: Draft, sales: list[Leg]) -> None:
    """Not more than the spot that this tranche leaves: a hedge never exceeds what it covers, not in between.

    A perp has one net position, so what a sector has taken here is closed to the sectors after it.
    """
    context, policy = draft.context, draft.context.policy
    closing = frozenset(leg.symbol for leg in draft.legs)
    taken: set[str] = set()
    for sector in context.sectors.sectors:
        whole, wanted = draft.unsold(sector, 0), draft.unsold(sector, draft.number)
        left = context.portfolio.hedge_room(sector, sold=sold_value(sector, sales, context))
        if sector in policy.hedging.whole_from:
            wanted = max(wanted, min(whole, left))
        wanted = min(wanted, left)
        if wanted <= 0:
            continue
        if not policy.hedging.is_on:
            message = f"{sector}: {wanted:.2f} stays without a hedge (hedge = false)"
            draft.notes.append(Note(Reason.HEDGE_OFF, message, sector))
            continue
        plans, notes = plan_hedges(
            sector,
            wanted,
            replace(context, hedges=draft.hedges),
            sleeve_margin=draft.labels.get(sector, ZERO) + _spare_margin(sector, draft),
            closing=closing - taken,
            limit_quote=left,
            spares_expensive=True,
        )
        draft.notes += notes
        draft.hedged[sector] = wanted
        _lend_margin(sector, plans, draft)
        _replace_hedges(sector, frozenset(plan.symbol for plan in plans), closing, draft)
        taken |= {plan.symbol for plan in plans}
        for plan in plans:
            draft.hedges[plan.symbol] = sector
            draft.hedge_sizes[plan.symbol] = plan.target_size
            draft.hedge_margin[sector] = draft.hedge_margin.get(sector, ZERO) + plan.margin_quote
            held = ZERO if plan.symbol in closing else context.held(plan.symbol)
            purpose = Purpose.HEDGE if -plan.size < held else Purpose.EXIT
            message = f"hedge {plan.notional_quote:.2f} of {sector} spot that waits to be sold"
            if plan.words != plan.symbol:
                message += f", on {plan.words}"
            if held != -plan.size:
                draft.add(
                    Leg(
                        0,
                        purpose,
                        sector,
                        plan.symbol,
                        held,
                        -plan.size,
                        plan.price,
                        plan.notional_quote,
                        plan.margin_quote,
                        plan.leverage,
                        words=message,
                    )
                )


def _spare_margin(sector: str, draft: Draft) -> Decimal:
    """Idle margin of the other sleeves that a hedge of `sector` may stand on: only of one that is hedged whole, before
    its sale, because its spot is what the rotation flees from."""
    if sector not in draft.context.policy.hedging.whole_from:
        return ZERO
    return sum((_idle_margin(name, draft) for name in draft.labels if name != sector), ZERO)


def _idle_margin(sector: str, draft: Draft) -> Decimal:
    """What a sleeve can lend: neither locked nor needed by a hedge of its own, nor kept to top that up."""
    sleeves = draft.context.portfolio.sectors.get(sector)
    locked = sleeves.margin_locked if sleeves is not None else ZERO
    own = max(locked, draft.hedge_margin.get(sector, ZERO)) * (ONE + draft.context.policy.hedging.margin_keep)
    return max(ZERO, draft.labels.get(sector, ZERO) - own)


def _lend_margin(sector: str, plans: Sequence[HedgePlan], draft: Draft) -> None:
    """Relabel margin of other sleeves for a hedge that its own sleeve is too small for, with the fees of opening it."""
    instruments = (draft.context.instrument(plan.symbol) for plan in plans)
    rates = (found.taker_fee if found is not None else ZERO for found in instruments)
    needed = sum((p.margin_quote + p.notional_quote * rate for p, rate in zip(plans, rates, strict=True)), ZERO)
    short = needed - draft.labels.get(sector, ZERO)
    for giver in sorted(draft.labels):
        amount = min(short, _idle_margin(giver, draft)).quantize(_CENT, rounding="ROUND_CEILING")
        if giver == sector or amount <= 0:
            continue
        short -= amount
        draft.labels[giver] -= amount
        draft.labels[sector] = draft.labels.get(sector, ZERO) + amount
        message = f"{amount} of the futures sleeve of {giver} becomes {sector}'s, for its hedge"
        draft.transfers.append(Transfer(amount, True, sector, message, source=giver, after=Purpose.EXIT))


def _replace_hedges(sector: str, chosen: frozenset[str], closing: frozenset[str], draft: Draft) -> None:
    """Close hedges of the sector on perps that are not chosen any more, before others are opened."""
    for symbol, covered in sorted(draft.memory.hedges.items()):
        position = draft.context.position(symbol)
        if covered != sector or position is None or not chosen or symbol in chosen | closing:
            continue
        value = abs(signed_notional(position, draft.context.snapshot))
        message = f"close the hedge on {symbol}: {', '.join(sorted(chosen))} stands in for it"
        draft.add(Leg(0, Purpose.EXIT, sector, symbol, position.size, ZERO, position.mark_price, value, words=message))


def release_legs(draft: Draft) -> None:
    """Close the part of each hedge whose spot is sold once this tranche is through."""
    context = draft.context
    for symbol, sector in sorted(draft.hedges.items()):
        planned = [leg.size_to for leg in draft.legs if leg.symbol == symbol]
        held = planned[-1] if planned else context.held(symbol)
        instrument, price = context.instrument(symbol), context.price(symbol)
        if held >= 0 or instrument is None or price is None:
            continue
        left, before = draft.unsold(sector, draft.number), draft.unsold(sector, draft.number - 1)
        if not draft.is_rotation:
            continue  # a hedge that stands for itself outlives a rebalance
        is_plain = (context.policy.hedging.instrument, context.policy.hedging.by_beta) == _PLAIN
        is_planned = symbol in draft.hedge_sizes and draft.hedged.get(sector, ZERO) > 0
        if left > 0 and ((draft.number == 1 and not is_plain) or (draft.number > 1 and is_planned)):
            kept = min(ONE, share(left, draft.hedged.get(sector, left)))
            # What margin has cut is below its target already: a release goes down to the target of what is left.
            size_to = -min(-held, instrument.floor_size(draft.hedge_sizes.get(symbol, -held) * kept))
        elif draft.number == 1 and left > 0:
            size_to = -min(-held, instrument.size_for(left, price))
        else:
            kept = min(ONE, left / before) if before > 0 else ZERO
            size_to = -min(-held, instrument.floor_size(-context.held(symbol) * kept))
        if size_to > held:
            value = instrument.notional(size_to - held, price)
            message = f"release {value:.2f} of the hedge of {sector}: its spot is sold"
            draft.add(Leg(0, Purpose.RELEASE, sector, symbol, held, size_to, price, value, words=message))
