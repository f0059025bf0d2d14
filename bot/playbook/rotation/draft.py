"""A tranche in the making: its legs, transfers and notes, and what its sector still has to sell."""

from dataclasses import replace
from decimal import Decimal

from bot.domain.campaign import Campaign, Leg, Memory, Transfer
from bot.domain.money import ZERO, plain
from bot.domain.order import Purpose
from bot.domain.reason import Note, Reason
from bot.domain.states import LegState
from bot.domain.symbol import base_of
from bot.playbook.book.context import PlanContext


class Draft:
    """A tranche in the making; lives inside one call of `start_tranche`. `labels` is the perp wallet by sector, once
    margin has been lent between sleeves for a hedge. `hedge_sizes` and `hedged`: see `Campaign`."""

    def __init__(self, campaign: Campaign, number: int, memory: Memory, context: PlanContext) -> None:
        self.campaign, self.number, self.memory, self.context = campaign, number, memory, context
        self.legs: list[Leg] = []
        self.transfers: list[Transfer] = []
        self.notes: list[Note] = []
        self.hedges = dict(memory.hedges)
        self.owed = dict(campaign.owed)
        self.hedge_margin: dict[str, Decimal] = {}
        self.hedged = dict(campaign.hedged)
        self.hedge_sizes = dict(campaign.hedge_sizes)
        self.labels = dict(context.portfolio.labels)

    @property
    def is_rotation(self) -> bool:
        return self.campaign.stance_from is not self.campaign.stance_to

    @property
    def is_last(self) -> bool:
        return self.number == self.campaign.tranches[-1].index

    def add(self, leg: Leg) -> None:
        """Number the leg, and leave it out at once when it is below the venue's minimum."""
        instrument = self.context.instrument(leg.symbol)
        size = abs(leg.size_to - leg.size_from)
        reducing = leg.purpose in (Purpose.EXIT, Purpose.RELEASE)
        floored = instrument.floor_size(size) if instrument is not None else ZERO
        if instrument is None or not instrument.is_tradable(floored, leg.price, reduce_only=reducing):
            reason = Reason.BELOW_MINIMUM
            message = f"{leg.words}: {plain(size)} at {plain(leg.price)} is below the minimum of {leg.symbol}"
            if instrument is None:
                reason = Reason.INSTRUMENT_UNKNOWN
                message = f"{leg.words}: the venue does not list {leg.symbol}"
            self.notes.append(Note(reason, message, leg.symbol, {"size": str(size)}))
            leg = replace(leg, state=LegState.SKIPPED)
        self.legs.append(replace(leg, index=len(self.legs) + 1))

    def unsold(self, sector: str, number: int) -> Decimal:
        """Quote value, at the campaign's prices, that a sector still has to sell after a tranche."""
        later = (t for t in self.campaign.tranches if t.index > number)
        legs = (leg for tranche in later for leg in tranche.legs)
        return sum((sector_quote(leg, self.context) for leg in legs if leg.sector == sector and is_sale(leg)), ZERO)


def is_sale(leg: Leg) -> bool:
    return leg.purpose is Purpose.REDUCE


def sector_quote(leg: Leg, context: PlanContext) -> Decimal:
    """The part of a spot leg's value that counts in its sector."""
    return leg.quote_value * context.sectors.membership(base_of(leg.symbol), leg.sector)


def sold_value(sector: str, sales: list[Leg], context: PlanContext) -> Decimal:
    """Quote value of a sector's spot that these legs sell, at the prices of now."""
    return sum((sector_quote(leg, context) for leg in sales if leg.sector == sector), ZERO)
