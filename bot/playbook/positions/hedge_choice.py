"""What a sector is hedged with: its leader, a venue's index perp, or a basket, each by its beta (PLAYBOOK §§5, 6).

A beta is the slope of the sector's returns on the perp's token, estimated from closed candles, bounded and cut to
hundredths, so that what is shown is what is used. Where it cannot be estimated the hedge is of equal value, and a note
says so.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from bot.domain.money import ONE, clamp
from bot.domain.reason import Note, Reason
from bot.playbook.book.context import PlanContext
from bot.playbook.market import indicators
from bot.playbook.market.view import sector_index
from bot.playbook.policy.choices import HedgeWith

BETA_RETURNS_MIN = 30
_HUNDREDTH = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class HedgePart:
    """One perp of a hedge: its part of what is hedged (the parts add up to 1) and its beta; 1 where none is used."""

    symbol: str
    part: Decimal
    beta: Decimal = ONE

    @property
    def words(self) -> str:
        """`ETH/USDT:USDT (half of it, beta 1.12)`, as little of it as there is to say."""
        said = [f"{self.part:.0%} of it"] if self.part < ONE else []
        said += [f"beta {self.beta}"] if self.beta != ONE else []
        return f"{self.symbol} ({', '.join(said)})" if said else self.symbol


def choose_hedges(
    sector: str, context: PlanContext, closing: frozenset[str] = frozenset()
) -> tuple[tuple[HedgePart, ...], tuple[Note, ...]]:
    """The perps that hedge a sector by `hedge_with`; none when no perp is listed, priced and free of a long that stays.

    A sector without an index perp is hedged with its leader. `closing` names longs that are closed first.
    """
    policy, notes = context.policy, []
    leaders = usable(context.sectors.hedges(sector), context, closing)
    chosen = leaders[:1]
    if policy.hedging.instrument is HedgeWith.BASKET:
        chosen = leaders[: policy.hedging.basket_size]
    elif policy.hedging.instrument is HedgeWith.INDEX:
        indices = usable(context.sectors.indices(sector), context, closing)
        chosen = indices[:1] or chosen
        if not indices:
            message = f"{sector}: no index perp is listed and priced; {chosen[0] if chosen else 'nothing'} stands in"
            notes.append(Note(Reason.HEDGE_CUT, message, sector))
    parts = [HedgePart(symbol, ONE / len(chosen)) for symbol in chosen]
    if policy.hedging.by_beta or policy.hedging.instrument is HedgeWith.BASKET:
        parts, more = _with_betas(sector, parts, context)
        notes += more
    return tuple(parts), tuple(notes)


def usable(symbols: Sequence[str], context: PlanContext, closing: frozenset[str]) -> list[str]:
    """Perps that are listed, priced, and hold neither a long nor a directional position that stays."""
    found = (s for s in symbols if context.instrument(s) is not None and context.price(s) is not None)
    return [s for s in found if s in closing or (context.held(s) <= 0 and s not in context.directional)]


def estimate_beta(sector: str, symbol: str, context: PlanContext) -> float | None:
    """Slope of the sector's log returns on those of the perp's token over `beta_days`; None of too few candles."""
    policy, sectors = context.policy, context.sectors
    token = context.snapshot.candles.get(sectors.spot_of(symbol))
    weights = {name: float(sectors.membership(name, sector)) for name in sectors.members(sector)}
    starts, levels = sector_index(context.snapshot, sectors, weights)
    if token is None or not starts:
        return None
    closes = dict(zip(token.starts_ms, token.closes, strict=True))
    shared = [(level, closes[at]) for at, level in zip(starts, levels, strict=True) if at in closes]
    shared = [pair for pair in shared[-policy.candles_in(policy.constants.beta_days) - 1 :] if min(pair) > 0]
    if len(shared) <= BETA_RETURNS_MIN:
        return None
    moves = [(math.log(after[0] / before[0]), math.log(after[1] / before[1])) for before, after in pairwise(shared)]
    return indicators.beta([move for move, _ in moves], [move for _, move in moves])


def _with_betas(sector: str, parts: Sequence[HedgePart], context: PlanContext) -> tuple[list[HedgePart], list[Note]]:
    result, notes = [], []
    for part in parts:
        found = estimate_beta(sector, part.symbol, context)
        if found is None or not math.isfinite(found):
            message = f"{part.symbol}: too few candles for its beta to {sector}; the hedge is of equal value"
            notes.append(Note(Reason.SIGNAL_MISSING, message, part.symbol))
            result.append(part)
            continue
        bounded = clamp(
            Decimal(f"{found:.6f}"), context.policy.constants.beta_min, context.policy.constants.beta_max
        ).quantize(_HUNDREDTH)
        result.append(HedgePart(part.symbol, part.part, bounded))
    return result, notes
