"""Which stance earned what, and by what: profit divided as the report of a back-test divides it, from the journal.

A period is divided at the first valuation of each day (UTC); what lies between two belongs to the stance of the first.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import pairwise

from bot.domain.money import ONE, ZERO
from bot.domain.turn.valuation import Valuation
from bot.report.profit.ledger import OTHER
from bot.report.profit.parts import OUTSIDE, SPOT_END, ProfitParts, StanceProfit, Standing, is_hedge

NOT_RECORDED = "not recorded"  # the stance of a valuation from before they had one

NOTHING = ProfitParts()

Mark = tuple[Valuation, Standing]
"""The account at a moment, and all profit up to it."""


def divide(marks: Sequence[Mark], sector_of: Mapping[str, str]) -> dict[str, StanceProfit]:
    """Profit between the first and the last mark, by the stance of the mark that each step begins with.

    Spot is divided by the neutral shares and prices of that mark; where it has none, or no token of a sector has a
    price at both ends, all of what that spot did is selection.

    Args:
        marks: in the order of time.
        sector_of: the sector of each of their tokens.
    """
    found: dict[str, StanceProfit] = {}
    for before, after in pairwise(marks):
        name = before[0].stance or NOT_RECORDED
        found[name] = found.get(name, StanceProfit()) + _step(before, after, sector_of)
    return found


def _step(before: Mark, after: Mark, sector_of: Mapping[str, str]) -> StanceProfit:
    (first, stood), (last, stands) = before, after
    moved, held = _returns(first, last, sector_of), _held(first, sector_of)
    made = StanceProfit(span_ms=last.at_ms - first.at_ms)
    for sleeve, parts in _changes(stood, stands).items():
        gross = parts.price + parts.slippage
        made += StanceProfit(
            other=parts.other, funding=parts.funding, fees=-parts.fees, slippage=-parts.slippage
        ) + _gross_of(sleeve, gross, first, moved, held)
        if sleeve.endswith(SPOT_END):
            made += StanceProfit(covered=gross * _share_hedged(sleeve.removesuffix(SPOT_END), stood, held))
    return made


def _changes(before: Standing, after: Standing) -> dict[str, ProfitParts]:
    """What was added by sleeve. A journal of years has thousands of sources, of which a day moves a few: what has not
    moved is the same object and costs no sum."""
    found: dict[str, ProfitParts] = {}
    for source, parts in after.parts.items():
        earlier = before.parts.get(source, NOTHING)
        if parts is not earlier:
            found[source.sleeve] = found.get(source.sleeve, NOTHING) + parts - earlier
    for source in before.parts.keys() - after.parts.keys():
        found[source.sleeve] = found.get(source.sleeve, NOTHING) - before.parts[source]
    return found


def _gross_of(
    sleeve: str, gross: Decimal, first: Valuation, moved: Mapping[str, Decimal], held: Mapping[str, Decimal]
) -> StanceProfit:
    """What prices did to a sleeve, slippage left out, under the names of what made it."""
    if sleeve.endswith(SPOT_END):
        sector = sleeve.removesuffix(SPOT_END)
        at_neutral, as_held = (
            value * moved.get(sector, ZERO)
            for value in (first.neutral.get(sector, ZERO) * first.equity, held.get(sector, ZERO))
        )
        return StanceProfit(neutral=at_neutral, timing=as_held - at_neutral, selection=gross - as_held)
    if is_hedge(sleeve):
        return StanceProfit(hedges=gross)
    return StanceProfit(other=gross) if sleeve in (OUTSIDE, OTHER) else StanceProfit(longs=gross)


def _returns(first: Valuation, last: Valuation, sector_of: Mapping[str, str]) -> dict[str, Decimal]:
    """Return of each sector's tokens in equal parts, of those that have a price at both ends; none where the first end
    does not say what neutral is."""
    moves: dict[str, list[Decimal]] = {}
    for asset, sector in sector_of.items() if first.neutral else ():
        before, now = first.price(asset), last.price(asset)
        if before and now is not None:
            moves.setdefault(sector, []).append(now / before - ONE)
    return {sector: sum(found, ZERO) / len(found) for sector, found in moves.items()}


def _held(valuation: Valuation, sector_of: Mapping[str, str]) -> dict[str, Decimal]:
    """Value of the spot that is held, by sector."""
    found: dict[str, Decimal] = {}
    for asset, value in valuation.spot.items():
        if (sector := sector_of.get(asset)) is not None:
            found[sector] = found.get(sector, ZERO) + value.size * value.price
    return found


def _share_hedged(sector: str, stood: Standing, held: Mapping[str, Decimal]) -> Decimal:
    """The part of a sector's spot that its hedges covered."""
    spot = held.get(sector, ZERO)
    return min(ONE, stood.hedged.get(sector, ZERO) / spot) if spot > 0 else ZERO
