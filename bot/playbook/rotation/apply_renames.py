"""A rotation goes on under a token's new name (PLAYBOOK §10): what was planned under the old one is given up with its
reason and planned anew, and a hedge that the venue settled with the old contract is opened on the new one.
"""

from collections.abc import Mapping
from dataclasses import replace

from bot.domain.campaign import Campaign, Leg, Memory, Tranche
from bot.domain.instrument import Instrument
from bot.domain.money import ZERO
from bot.domain.order import Purpose
from bot.domain.order_ids import leg_id
from bot.domain.reason import Note, Reason
from bot.domain.states import LegState, TrancheState
from bot.domain.symbol import Span, base_of
from bot.playbook.book.context import PlanContext
from bot.playbook.policy.membership import Sectors

_GOES_ON = (Purpose.HEDGE, Purpose.REDUCE, Purpose.INCREASE)


def apply_renames(memory: Memory, context: PlanContext) -> tuple[Memory, tuple[Note, ...]]:
    """The running campaign under the names of now. Legs of names that still trade, or are still held, stay."""
    campaign = memory.campaign
    former = former_symbols(context.sectors) if campaign is not None and not campaign.is_over else {}
    if campaign is None or not former:
        return memory, ()
    notes: list[Note] = []
    tranches = tuple(_carried(campaign, tranche, former, context, notes) for tranche in campaign.tranches)
    campaign = replace(campaign, tranches=tranches)
    campaign, hedges = _reopened(campaign, dict(memory.hedges), former, context, notes)
    return replace(memory, campaign=campaign, hedges=hedges), tuple(notes)


def former_symbols(sectors: Sectors) -> Mapping[str, tuple[str, Span]]:
    """What continues each former symbol, spot and perp. A ticker that another asset bears now is none of them."""
    result = {}
    for symbol, lineage in sectors.lineages.items() if sectors.renames else ():
        for span in lineage.spans(symbol)[:-1]:
            if span.symbol != symbol and base_of(span.symbol) not in sectors.listed:
                result[span.symbol] = symbol, span
    return result


def _is_delisted(symbol: str, context: PlanContext) -> bool:
    return context.instrument(symbol) is None and context.held(symbol) == 0 and not context.live_on(symbol)


def _carried(
    campaign: Campaign,
    tranche: Tranche,
    former: Mapping[str, tuple[str, Span]],
    context: PlanContext,
    notes: list[Note],
) -> Tranche:
    legs: list[Leg] = []
    more: list[Leg] = []
    for leg in tranche.legs:
        if leg.state.is_over or leg.symbol not in former or not _is_delisted(leg.symbol, context):
            legs.append(leg)
            continue
        symbol, span = former[leg.symbol]
        goes_on = leg.purpose in _GOES_ON and (tranche.state is TrancheState.WAITING or _is_tradable(symbol, context))
        if tranche.state is TrancheState.WAITING and goes_on:
            legs.append(_renamed(leg, symbol, span))
            continue
        message = f"{leg.words}: given up, {leg.symbol} is {symbol} now"
        notes.append(Note(Reason.TOKEN_RENAMED, message, leg.symbol, {"intent": _id(campaign, tranche, leg)}))
        legs.append(replace(leg, state=LegState.SKIPPED))
        if goes_on:
            more.append(replace(_renamed(leg, symbol, span), state=LegState.READY, asked=None))
    more = [replace(leg, index=len(legs) + place) for place, leg in enumerate(more, start=1)]
    return replace(tranche, legs=(*legs, *more)) if legs or more else tranche


def _id(campaign: Campaign, tranche: Tranche, leg: Leg) -> str:
    return leg_id(campaign.number, tranche.index, leg.index)


def _renamed(leg: Leg, symbol: str, span: Span) -> Leg:
    return replace(
        leg,
        symbol=symbol,
        size_from=leg.size_from * span.units,
        size_to=leg.size_to * span.units,
        price=leg.price / span.units,
        words=f"{leg.words}, as {symbol}",
    )


def _is_tradable(symbol: str, context: PlanContext) -> bool:
    return context.instrument(symbol) is not None and context.price(symbol) is not None


def _reopened(
    campaign: Campaign,
    hedges: dict[str, str],
    former: Mapping[str, tuple[str, Span]],
    context: PlanContext,
    notes: list[Note],
) -> tuple[Campaign, dict[str, str]]:
    """The last tranche that has begun gets a leg for each hedge that went with its contract: it runs once more."""
    begun = [tranche for tranche in campaign.tranches if tranche.state is not TrancheState.WAITING]
    if not begun:
        return campaign, hedges
    tranche, known = begun[-1], {leg.symbol for t in begun for leg in t.legs if leg.purpose is Purpose.HEDGE}
    added: list[Leg] = []
    for leg in (leg for t in begun for leg in t.legs):
        if leg.purpose is not Purpose.HEDGE or leg.state is not LegState.DONE or leg.symbol not in former:
            continue
        symbol, span = former[leg.symbol]
        instrument, price = context.instrument(symbol), context.price(symbol)
        if symbol in known or not _is_delisted(leg.symbol, context) or instrument is None or price is None:
            continue
        created = _hedge(campaign, _renamed(leg, symbol, span), instrument, context)
        if created is not None:
            known.add(symbol)
            hedges[symbol] = leg.sector
            added.append(replace(created, index=len(tranche.legs) + len(added) + 1))
            message = f"{leg.symbol} ended with its hedge of {leg.sector}; it is opened again on {symbol}"
            notes.append(Note(Reason.TOKEN_RENAMED, message, symbol, {"size": str(abs(created.size_to))}))
    if not added:
        return campaign, hedges
    again = replace(tranche, state=TrancheState.RUNNING, legs=(*tranche.legs, *added))
    tranches = tuple(again if t.index == again.index else t for t in campaign.tranches)
    return replace(campaign, tranches=tranches), hedges


def _hedge(campaign: Campaign, leg: Leg, instrument: Instrument, context: PlanContext) -> Leg | None:
    """The hedge in contracts of now: no more than it was, and than the spot that still waits to be sold."""
    price = context.price(leg.symbol) or leg.price
    waiting = (
        part.quote_value * context.sectors.membership(base_of(part.symbol), part.sector)
        for tranche in campaign.tranches
        for part in tranche.legs
        if part.purpose is Purpose.REDUCE and part.sector == leg.sector and not part.state.is_over
    )
    value = min(sum(waiting, ZERO), context.portfolio.sectors[leg.sector].spot)
    size = min(instrument.floor_size(abs(leg.size_to)), instrument.size_for(max(ZERO, value), price))
    if not instrument.is_tradable(size, price):
        return None
    notional = instrument.notional(size, price)
    margin = notional / leg.leverage if leg.leverage else leg.margin
    return replace(
        leg,
        size_from=ZERO,
        size_to=-size,
        price=price,
        quote_value=notional,
        margin=margin,
        state=LegState.READY,
        asked=None,
    )
