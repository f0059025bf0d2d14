"""Value locked without the part of it that is price: what is locked in tokens rises with them (PLAYBOOK §3).

Where the source has amounts of tokens, they count at one price for all days. A sum of chains comes in dollars only, so
its price part is estimated: beta is the slope of its daily changes on those of the market, and each day's value is
brought to the newest price by it. Only closed candles of before a day are read.
"""

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from bot.domain.candles import CandleSeries
from bot.domain.market import Tvl
from bot.playbook.market import indicators

PAIRS_MIN = 30
BETA_MAX = 1.5


@dataclass(frozen=True, slots=True)
class AdjustedTvl:
    """Levels by time at the newest prices. `beta` is what the part in dollars was adjusted with, None without such a
    part; `native` the part of the newest level that comes from amounts of tokens, share."""

    at_ms: tuple[int, ...]
    levels: tuple[float, ...]
    beta: float | None
    native: float = 0.0


def without_price(tvl: Tvl, market: CandleSeries | None) -> AdjustedTvl | None:
    """The series without its price part; what is in dollars only over the days on which the market has a price.

    Args:
        tvl: value locked, in quote.
        market: candles of what stands for the whole market.

    Returns:
        None where there is a part in dollars only and fewer than `PAIRS_MIN` days have both.
    """
    if not tvl.native_quote:
        return _by_beta(tvl, market)
    native = dict(zip(tvl.at_ms, map(float, tvl.native_quote), strict=True))
    if not any(tvl.rest_quote):
        return AdjustedTvl(tvl.at_ms, tuple(native.values()), None, 1.0)
    rest = _by_beta(replace(tvl, values_quote=tvl.rest_quote), market)
    if rest is None:
        return None
    levels = tuple(native[at_ms] + level for at_ms, level in zip(rest.at_ms, rest.levels, strict=True))
    share = native[rest.at_ms[-1]] / levels[-1] if levels[-1] > 0 else 0.0
    return AdjustedTvl(rest.at_ms, levels, rest.beta, share)


def _by_beta(tvl: Tvl, market: CandleSeries | None) -> AdjustedTvl | None:
    if market is None or not len(market):
        return None
    ends = [start + market.timeframe_ms for start in market.starts_ms]
    rows = []
    for at_ms, value in zip(tvl.at_ms, tvl.values_quote, strict=True):
        place = bisect.bisect_right(ends, at_ms) - 1
        if place >= 0 and value > 0 and market.closes[place] > 0:
            rows.append((at_ms, math.log(value), math.log(market.closes[place])))
    if len(rows) <= PAIRS_MIN:
        return None
    changes = [(a[1] - b[1], a[2] - b[2]) for b, a in pairwise(rows)]
    beta = indicators.clip(_slope(changes), 0.0, BETA_MAX)
    newest = rows[-1][2]
    levels = tuple(math.exp(value + beta * (newest - price)) for _, value, price in rows)
    return AdjustedTvl(tuple(at_ms for at_ms, _, _ in rows), levels, beta)


def _slope(pairs: Sequence[tuple[float, float]]) -> float:
    """Least squares of the first on the second; 0 where the second does not move."""
    middle = indicators.mean([x for _, x in pairs])
    spread = math.fsum((x - middle) ** 2 for _, x in pairs)
    return math.fsum(y * (x - middle) for y, x in pairs) / spread if spread > 0 else 0.0
