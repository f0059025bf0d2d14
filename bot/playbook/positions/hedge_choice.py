"""What a sector is hedged with: a basket of perps, its leader, or a venue's index perp (PLAYBOOK §§5, 6).

A basket is sized by one beta, that of the sector to the basket; leader and index by theirs where the policy says so.
Where a beta cannot be estimated the hedge is of equal value, and a note says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from bot.domain.money import ONE
from bot.domain.reason import Note, Reason
from bot.playbook.book.context import PlanContext
from bot.playbook.policy.choices import HedgeWith
from bot.playbook.positions.funding import average_funding
from bot.playbook.positions.hedge_beta import bounded_beta, has_candles


@dataclass(frozen=True, slots=True)
class HedgePart:
    """One perp of a hedge: its part of what is hedged (the parts add up to 1) and the beta of the whole hedge; 1 where
    none is used."""

    symbol: str
    part: Decimal
    beta: Decimal = ONE

    @property
    def words(self) -> str:
        """`ETH/USDT:USDT (33% of it, beta 1.12)`, as little of it as there is to say."""
        said = [f"{self.part:.0%} of it"] if self.part < ONE else []
        said += [f"beta {self.beta}"] if self.beta != ONE else []
        return f"{self.symbol} ({', '.join(said)})" if said else self.symbol


def choose_hedges(
    sector: str,
    context: PlanContext,
    closing: frozenset[str] = frozenset(),
    most: int | None = None,
    *,
    spares_expensive: bool = False,
) -> tuple[tuple[HedgePart, ...], tuple[Note, ...]]:
    """The perps that hedge a sector by `hedging.instrument`.

    Args:
        sector: the sector to hedge.
        context: the instant.
        closing: longs and hedges that are closed first.
        most: perps of a basket at most, where less than `basket_size`.
        spares_expensive: whether a perp at which shorts pay too much is left out while another one is usable.

    Returns:
        The parts, none when no perp is usable, and notes. A sector without an index perp is hedged with its leader.
    """
    policy = context.policy
    leaders = usable(context.sectors.hedges(sector), sector, context, closing)
    leaders, notes = without_expensive(sector, leaders, context) if spares_expensive else (leaders, [])
    chosen = leaders[:1]
    if policy.hedging.instrument is HedgeWith.BASKET:
        # Candles that are missing for a turn do not close what hedges already.
        known = [s for s in leaders if has_candles(s, context) or _hedges_now(s, sector, context)] or leaders
        chosen = known[: min(policy.hedging.basket_size, most or policy.hedging.basket_size)]
    elif policy.hedging.instrument is HedgeWith.INDEX:
        indices = usable(context.sectors.indices(sector), sector, context, closing)
        chosen = indices[:1] or chosen
        if not indices:
            message = f"{sector}: no index perp is listed and priced; {chosen[0] if chosen else 'nothing'} stands in"
            notes.append(Note(Reason.HEDGE_CUT, message, sector))
    parts = tuple(HedgePart(symbol, ONE / len(chosen)) for symbol in chosen)
    if parts and (policy.hedging.by_beta or policy.hedging.instrument is HedgeWith.BASKET):
        beta = bounded_beta(sector, [s for s in chosen if has_candles(s, context)] or chosen, context)
        if beta is None:
            named = ", ".join(chosen)
            message = f"{named}: too few candles for its beta to {sector}; the hedge is of equal value"
            notes.append(Note(Reason.SIGNAL_MISSING, message, chosen[0]))
        else:
            parts = tuple(replace(part, beta=beta) for part in parts)
    return parts, tuple(notes)


def without_expensive(sector: str, perps: list[str], context: PlanContext) -> tuple[list[str], list[Note]]:
    """The perps at which shorts do not pay more than `hedging.funding_max` on average, all of them where all do: the
    hedge of a rotation is worth its funding, and is over with its sale. What is not known is no reason."""
    limit, hours = context.policy.hedging.funding_max, context.policy.constants.funding_average_hours
    notes, kept = [], []
    for perp in perps:
        funding = context.snapshot.funding.get(perp)
        earned = average_funding(funding, context.at_ms, hours) if funding is not None else None
        if earned is None or -earned <= limit:
            kept.append(perp)
            continue
        about = f"{sector}: shorts of {perp} pay {-earned:.1%} a year on average, more than {limit:.1%}"
        notes.append(Note(Reason.FUNDING_DEAR, about, perp, {"paid": f"{-earned:.4f}"}))
    if kept:
        return kept, [replace(note, words=f"{note.words}: it hedges nothing while another does") for note in notes]
    return perps, [replace(note, words=f"{note.words}: it hedges all the same, no other is cheaper") for note in notes]


def usable(symbols: Sequence[str], sector: str, context: PlanContext, closing: frozenset[str]) -> list[str]:
    """Perps that are listed, priced, and hold neither a long, nor the hedge of another sector, nor a directional
    position that stays."""
    found = (s for s in symbols if context.instrument(s) is not None and context.price(s) is not None)
    return [s for s in found if s in closing or _is_free(s, sector, context)]


def _hedges_now(symbol: str, sector: str, context: PlanContext) -> bool:
    return context.hedges.get(symbol) == sector and context.held(symbol) < 0


def _is_free(symbol: str, sector: str, context: PlanContext) -> bool:
    is_own = context.hedges.get(symbol, sector) == sector
    return is_own and context.held(symbol) <= 0 and symbol not in context.directional
