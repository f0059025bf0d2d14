"""The snapshot as every signal reads it: aligned series of the sectors and the market; and what a signal is.

Only closed candles that the snapshot holds are read, so nothing looks ahead.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bot.domain.candles import CandleSeries
from bot.domain.durations import MINUTE_MS
from bot.domain.market import Snapshot
from bot.domain.turn.decision import Signal
from bot.playbook.market.signal_cache import SignalCache
from bot.playbook.policy.membership import Sectors
from bot.playbook.policy.numbers import Policy

YEAR_DAYS = 365.0
RANKED_MIN = 8
Z_SCORE, PERCENTILE, SHARE = "z", "percentile", "share"


@dataclass(frozen=True, slots=True)
class MarketView:
    """The snapshot as aligned series: the newest candles that all symbols of a line share. `is_fresh`: they are of now,
    so that a token's own candles may be read too. `listed` are the spot symbols of the list that the venue trades,
    `strength` is the risk-off sector's index over the market."""

    snapshot: Snapshot
    policy: Policy
    sectors: Sectors
    is_fresh: bool
    ratio: tuple[float, ...]
    market: tuple[float, ...]
    age_ms: int
    cache: SignalCache = field(default_factory=SignalCache, compare=False, repr=False)
    listed: tuple[str, ...] = ()
    strength: tuple[float, ...] = ()


Index = tuple[tuple[int, ...], tuple[float, ...]]
Reader = Callable[[MarketView], Signal | str | None]


def sector_index(snapshot: Snapshot, sectors: Sectors, weights: Mapping[str, float]) -> Index:
    """A sector's index over the candle times its tokens share: weighted closes, each rebased to 1 at the start.

    Tokens with less than half of the longest history are left out, so that a new listing does not shorten the index.
    """
    symbols = {token: sectors.spot(token) for token in weights}
    series = {token: snapshot.candles[symbol] for token, symbol in symbols.items() if symbol in snapshot.candles}
    longest = max((len(result) for result in series.values()), default=0)
    series = {token: result for token, result in series.items() if len(result) > 0 and 2 * len(result) >= longest}
    if not series:
        return (), ()
    shared, columns = _aligned(tuple(series.values()))
    total = math.fsum(weights[token] for token in series)
    if not shared or total <= 0 or any(column[0] <= 0 for column in columns):
        return (), ()
    parts = [weights[token] / column[0] / total for token, column in zip(series, columns, strict=True)]
    weighted = [map(part.__mul__, column) for part, column in zip(parts, columns, strict=True)]
    return shared, tuple(map(math.fsum, zip(*weighted, strict=True)))


def _aligned(series: Sequence[CandleSeries]) -> tuple[tuple[int, ...], Sequence[tuple[float, ...]]]:
    """Candle times that all series share, and the closes of each at them."""
    starts = series[0].starts_ms
    if all(result.starts_ms == starts for result in series):
        return starts, [result.closes for result in series]
    closes = [dict(zip(result.starts_ms, result.closes, strict=True)) for result in series]
    shared = tuple(sorted(set.intersection(*map(set, closes))))
    return shared, [tuple(column[at] for at in shared) for column in closes]


def view_of(snapshot: Snapshot, policy: Policy, sectors: Sectors, cache: SignalCache) -> MarketView:
    """The view of a snapshot. Rounds of a rotation and hours within a candle look at the same candles again."""
    seen = (policy, sectors, *snapshot.candles.values())
    end_ms, ratio, strength = cache.latest(
        "ratio", seen, tuple(snapshot.candles), lambda: _ratio_of(snapshot.candles, policy, sectors)
    )
    market = snapshot.candles.get(policy.signals.market_symbol)
    newest = max(end_ms, market.end_ms if market else 0)
    age, listed = max(0, snapshot.at_ms - newest) if newest else 0, listed_symbols(snapshot, sectors)
    if age > policy.constants.signal_age_max_minutes * MINUTE_MS:
        return MarketView(snapshot, policy, sectors, False, (), (), age, cache, listed)
    closes = market.closes if market else ()
    return MarketView(snapshot, policy, sectors, bool(sectors.sectors), ratio, closes, age, cache, listed, strength)


def listed_symbols(snapshot: Snapshot, sectors: Sectors) -> tuple[str, ...]:
    """Spot symbols of the list that the venue has and trades; all of them where no instrument is known at all."""
    if not snapshot.instruments:
        return tuple(sectors.spot(token) for token in sectors.tokens if token not in sectors.paused)
    members = (sectors.spot(token) for token in sectors.tokens if token not in sectors.paused)
    result = ((symbol, snapshot.instruments.get(symbol)) for symbol in members)
    return tuple(symbol for symbol, instrument in result if instrument is not None and instrument.active)


def _ratio_of(
    candles: Mapping[str, CandleSeries], policy: Policy, sectors: Sectors
) -> tuple[int, tuple[float, ...], tuple[float, ...]]:
    """When the newest candle that both sectors share has closed (0: there is none), the ratio of their indexes, and
    that of the risk-off sector's to the market where both have the newest candle."""
    snapshot = Snapshot(0, {}, {}, candles=candles)
    risk_on, risk_off = (
        _index_of(snapshot, sectors, name) for name in (policy.allocation.risk_on, policy.allocation.risk_off)
    )
    shared, on, off = _shared(risk_on, risk_off)
    ratio = tuple(level / other for level, other in zip(on, off, strict=True) if other > 0)
    market = candles.get(policy.signals.market_symbol)
    line = (market.starts_ms, market.closes) if market is not None else ((), ())
    times, held, against = _shared(risk_off, line)
    is_newest = bool(shared and times) and times[-1] == shared[-1]
    strength = tuple(level / other for level, other in zip(held, against, strict=True) if other > 0)
    return (shared[-1] + policy.candle_ms if shared else 0), ratio, strength if is_newest else ()


def _index_of(snapshot: Snapshot, sectors: Sectors, name: str) -> Index:
    if name not in sectors.sectors:
        return (), ()
    return sector_index(snapshot, sectors, {t: float(sectors.membership(t, name)) for t in sectors.members(name)})


def _shared(one: Index, other: Index) -> tuple[tuple[int, ...], Sequence[float], Sequence[float]]:
    """Times that two indexes share, and the levels of each at them."""
    if one[0] == other[0]:
        return one[0], one[1], other[1]
    levels, others = dict(zip(*one, strict=True)), dict(zip(*other, strict=True))
    times = tuple(sorted(levels.keys() & others.keys()))
    return times, [levels[at] for at in times], [others[at] for at in times]


def ranked(rank: float | None, kind: str) -> tuple[float | None, str]:
    """(rank, kind of history): the kind is empty where there is no rank."""
    return rank, kind if rank is not None else ""
