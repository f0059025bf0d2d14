"""How a sector moves with the perps that hedge it: the slope of its returns on theirs (PLAYBOOK §5).

Only closed candles that the snapshot holds are read, so a beta is the same whenever the snapshot is read again.
"""

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import pairwise

from bot.domain.money import ZERO, clamp
from bot.playbook.book.context import PlanContext
from bot.playbook.market import indicators

BETA_RETURNS_MIN = 30
_HUNDREDTH = Decimal("0.01")

Closes = Mapping[int, float]


def bounded_beta(sector: str, perps: Sequence[str], context: PlanContext) -> Decimal | None:
    """Beta of a sector to its perps in equal parts, between `beta_min` and `beta_max`, cut to hundredths.

    Returns:
        The beta; None when the shared candles are too few.
    """
    slope = estimate_beta(sector, perps, context)
    if slope is None or not math.isfinite(slope):
        return None
    constants = context.policy.constants
    return clamp(Decimal(f"{slope:.6f}"), constants.beta_min, constants.beta_max).quantize(_HUNDREDTH)


def estimate_beta(sector: str, perps: Sequence[str], context: PlanContext) -> float | None:
    """Slope of the sector's returns on those of the perps' tokens in equal parts over `beta_days`.

    Returns:
        The slope; None when the shared candles are too few.
    """
    hedging = [_closes(context.sectors.spot_of(perp), context) for perp in perps]
    covered = {symbol: _closes(symbol, context) for symbol in sector_weights(sector, context)}
    longest = max(map(len, covered.values()), default=0)
    # A new listing does not shorten the returns of the others.
    covered = {symbol: closes for symbol, closes in covered.items() if closes and 2 * len(closes) >= longest}
    if not covered or not all(hedging):
        return None
    shared = sorted(set.intersection(*(set(closes) for closes in (*hedging, *covered.values()))))
    if len(shared) <= BETA_RETURNS_MIN:
        return None
    weights = sector_weights(sector, context)
    moves = _returns([(weights[symbol], closes) for symbol, closes in covered.items()], shared)
    return indicators.beta(moves, _returns([(1.0, closes) for closes in hedging], shared))


def has_candles(perp: str, context: PlanContext) -> bool:
    """Whether the token behind a perp has candles enough for a beta."""
    return len(_closes(context.sectors.spot_of(perp), context)) > BETA_RETURNS_MIN


def sector_weights(sector: str, context: PlanContext) -> Mapping[str, float]:
    """What is held of a sector by spot symbol, by value; without holdings its tokens by their part in it."""
    held: dict[str, Decimal] = {}
    for holding in context.portfolio.holdings:
        if holding.sector == sector and holding.value > 0:
            held[holding.symbol] = held.get(holding.symbol, ZERO) + holding.value
    if held:
        return {symbol: float(value) for symbol, value in held.items()}
    sectors = context.sectors
    return {sectors.spot(token): float(sectors.membership(token, sector)) for token in sectors.members(sector)}


def _closes(symbol: str, context: PlanContext) -> Closes:
    """Closes of the window of a beta by the start of their candle; nothing of a series with an unusable close."""
    series = context.snapshot.candles.get(symbol)
    if series is None:
        return {}
    count = context.policy.candles_in(context.policy.constants.beta_days) + 1
    closes = dict(zip(series.starts_ms[-count:], series.closes[-count:], strict=True))
    return closes if all(math.isfinite(close) and close > 0 for close in closes.values()) else {}


def _returns(parts: Sequence[tuple[float, Closes]], shared: Sequence[int]) -> list[float]:
    """Returns of a portfolio of fixed weights from each shared time to the next."""
    total = math.fsum(weight for weight, _ in parts)
    return [
        math.fsum(weight * (closes[after] / closes[before] - 1) for weight, closes in parts) / total
        for before, after in pairwise(shared)
    ]
