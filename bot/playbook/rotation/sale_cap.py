"""The cap on what one tranche sells of a sector, also where earlier tranches have left sales undone (PLAYBOOK §2).

A tranche that begins catches up what came short before. With that it could sell more than `rotation.max_sell_fraction`
of the sector's baseline: what is beyond goes to the later tranches, and to more of them after the last planned one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal

from bot.domain.campaign import Campaign, Leg, Tranche
from bot.domain.durations import MINUTE_MS
from bot.domain.money import ONE, ZERO
from bot.domain.reason import Note, Reason
from bot.domain.states import TrancheState
from bot.domain.symbol import base_of
from bot.playbook.book.context import PlanContext
from bot.playbook.rotation.draft import is_sale

# What orders leave undone by their steps is sold with the next tranche, as ever: it is no sale of its own.
SLACK = Decimal("0.001")


def within_cap(campaign: Campaign, context: PlanContext) -> tuple[Campaign, tuple[Note, ...]]:
    """The campaign with the sales of its next tranche inside the cap, and the rest outlined after it.

    Sizes are measured at the prices of the outline, so a price that moves does not change what a tranche may sell.
    """
    current = campaign.current
    if current is None:
        return campaign, ()
    notes: list[Note] = []
    for sector in sorted({leg.sector for leg in current.legs if is_sale(leg)}):
        cap = context.policy.rotation.max_sell_fraction * campaign.baseline.get(f"{sector}.spot", ZERO)
        due = _value(sector, current, _held(sector, (current,), context), context)
        if cap <= 0 or due <= cap * (ONE + SLACK):
            continue
        planned = len(campaign.tranches)
        campaign, left = _divided(campaign, sector, current.index, cap, context)
        message = (
            f"{sector}: {due:.2f} are due for sale, tranche {current.index} sells {cap:.2f} and later ones the rest"
        )
        if len(campaign.tranches) > planned:
            message += f"; the campaign has {len(campaign.tranches)} tranches instead of {planned}"
        if left > 0:
            message += f"; {left:.2f} stays for the next campaign"
        numbers = {"due": str(due), "cap": str(cap), "left": str(left)}
        notes.append(Note(Reason.SALE_CAPPED, message, sector, numbers))
    return campaign, tuple(notes)


def _held(sector: str, tranches: Iterable[Tranche], context: PlanContext) -> dict[str, Decimal]:
    sales = (leg for tranche in tranches for leg in tranche.legs if is_sale(leg) and leg.sector == sector)
    return {leg.symbol: context.held(leg.symbol) for leg in sales}


def _value(sector: str, tranche: Tranche, held: Mapping[str, Decimal], context: PlanContext) -> Decimal:
    """The sector's part of what a tranche would sell to reach its sizes."""
    return sum((_quote(leg, held, context) for leg in tranche.legs if is_sale(leg) and leg.sector == sector), ZERO)


def _quote(leg: Leg, held: Mapping[str, Decimal], context: PlanContext) -> Decimal:
    size = max(ZERO, held[leg.symbol] - leg.size_to)
    return size * leg.price * context.sectors.membership(base_of(leg.symbol), leg.sector)


def _divided(
    campaign: Campaign, sector: str, number: int, cap: Decimal, context: PlanContext
) -> tuple[Campaign, Decimal]:
    """The campaign with a sector's sales from a tranche on inside the cap, and the value no tranche is left for."""
    tranches = [tranche for tranche in campaign.tranches if tranche.index < number]
    planned = [tranche for tranche in campaign.tranches if tranche.index >= number]
    interval = context.policy.rotation.tranche_interval_minutes * MINUTE_MS
    held = _held(sector, planned, context)
    while planned:
        tranche = planned.pop(0)
        capped, after = _cut(tranche, sector, held, cap, context)
        tranches.append(capped)
        rest = _value(sector, tranche, after, context)
        held = after
        if not planned and _is_worth_a_tranche(tranche, sector, held, cap, context):
            if len(tranches) >= context.policy.rotation.tranches_max:
                return replace(campaign, tranches=tuple(tranches)), rest
            legs = tuple(leg for leg in tranche.legs if is_sale(leg) and leg.sector == sector)
            more = tuple(replace(leg, index=place) for place, leg in enumerate(legs, start=1))
            planned.append(Tranche(tranche.index + 1, TrancheState.WAITING, tranche.not_before_ms + interval, more))
    return replace(campaign, tranches=tuple(tranches)), ZERO


def _cut(
    tranche: Tranche, sector: str, held: Mapping[str, Decimal], cap: Decimal, context: PlanContext
) -> tuple[Tranche, dict[str, Decimal]]:
    """A tranche whose sales of a sector are cut in proportion, and what is held after them."""
    due = _value(sector, tranche, held, context)
    part = min(ONE, cap / due) if due > cap * (ONE + SLACK) else ONE
    legs, after = [], dict(held)
    for leg in tranche.legs:
        if is_sale(leg) and leg.sector == sector:
            has = held[leg.symbol]
            size_to = has - max(ZERO, has - leg.size_to) * part if part < ONE else leg.size_to
            value = max(ZERO, has - size_to) * leg.price
            after[leg.symbol] = min(has, size_to)
            leg = replace(leg, size_from=has, size_to=size_to, quote_value=value)
        legs.append(leg)
    return replace(tranche, legs=tuple(legs)), after


def _is_worth_a_tranche(
    tranche: Tranche, sector: str, held: Mapping[str, Decimal], cap: Decimal, context: PlanContext
) -> bool:
    """Whether what the last tranche leaves is more than what orders leave undone, and can be sold."""
    if _value(sector, tranche, held, context) <= context.policy.constants.leg_tolerance * cap:
        return False
    for leg in (leg for leg in tranche.legs if is_sale(leg) and leg.sector == sector):
        instrument = context.instrument(leg.symbol)
        left = max(ZERO, held[leg.symbol] - leg.size_to)
        if instrument is not None and instrument.is_tradable(instrument.floor_size(left), leg.price):
            return True
    return False
