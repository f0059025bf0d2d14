"""Each sector's own trend: an ensemble of channel breakouts over several look-backs (decision 0029).

After Zarattini, Pagani, Barbon (2025), "Catching Crypto Trends": a look-back is up from the day on which the sector's
index closes above the highest close of the days before, until it closes below a stop that follows the middle of the
channel and never falls. The strength is the part of the look-backs that are up. Only days that are over are read.
"""

from collections.abc import Mapping, Sequence

from bot.domain.durations import DAY_MS
from bot.domain.money import ZERO
from bot.domain.turn.decision import Signal
from bot.playbook.market import indicators
from bot.playbook.market.view import SHARE, MarketView, Reader, sector_index

LOOKBACKS = (10, 20, 30, 60, 90)  # days; `trend_history_days` is twice the longest
LOOKBACKS_MIN = 3


def is_up(closes: Sequence[float], days: int) -> bool | None:
    """Whether a look-back is up after the last close; None with too few closes."""
    if len(closes) <= days:
        return None
    stop: float | None = None
    for place in range(days, len(closes)):
        window, close = closes[place - days : place], closes[place]
        high, low = max(window), min(window)
        if stop is None and close > high:
            stop = (high + low) / 2
        elif stop is not None:
            stop = max(stop, (high + low) / 2)
            stop = None if close < stop else stop
    return stop is not None


def trend_strength(closes: Sequence[float]) -> float | None:
    """Part of the look-backs that are up, 0 to 1; None while fewer than `LOOKBACKS_MIN` have enough closes."""
    states = [state for days in LOOKBACKS if (state := is_up(closes, days)) is not None]
    return sum(states) / len(states) if len(states) >= LOOKBACKS_MIN else None


def sector_trends(view: MarketView) -> Mapping[str, float]:
    """Strength by sector; nothing of a sector without enough closes, nothing at all while this is off."""
    if not view.policy.trend.is_on or not view.is_fresh:
        return {}
    today, candles = view.snapshot.at_ms // DAY_MS, view.snapshot.candles
    return view.cache.latest(
        "sector trends",
        (view.policy, view.sectors, *candles.values()),
        (*candles, today),
        lambda: _read_trends(view, today),
    )


def _read_trends(view: MarketView, today: int) -> Mapping[str, float]:
    result = {}
    for name in view.sectors.sectors:
        weights = {token: float(view.sectors.membership(token, name)) for token in view.sectors.members(name)}
        starts, levels = sector_index(view.snapshot, view.sectors, weights)
        closes = _daily(starts, levels, view.policy.candle_ms, today)
        strength = trend_strength(closes[-view.policy.constants.trend_history_days :])
        if strength is not None:
            result[name] = strength
    return result


def _daily(starts: Sequence[int], levels: Sequence[float], candle_ms: int, today: int) -> list[float]:
    """The last level of each UTC day that is over."""
    days = {(start + candle_ms - 1) // DAY_MS: level for start, level in zip(starts, levels, strict=True)}
    return [level for day, level in sorted(days.items()) if day < today]


def sector_trend(view: MarketView) -> Signal | str | None:
    """The sectors' trends together, weighted by their neutral spot; the score is −1 when no look-back is up."""
    if not view.policy.trend.is_on:
        return None
    strengths, neutral = sector_trends(view), view.policy.allocation.neutral
    parts = {name: float(neutral.get(f"{name}.spot", ZERO)) for name in view.sectors.sectors}
    parts = {name: part for name, part in parts.items() if part > 0}
    missing = [name for name in parts if name not in strengths]
    if missing or not parts:
        return f"{', '.join(missing) or 'no sector'} has too few days for {LOOKBACKS_MIN} look-backs"
    value = sum(parts[name] * strengths[name] for name in parts) / sum(parts.values())
    message = ", ".join(f"{name} is up on {strengths[name]:.0%} of its look-backs" for name in parts)
    return Signal("sector_trend", value, indicators.clip(2 * value - 1), message, view.age_ms, value, SHARE)


READERS: Mapping[str, Reader] = {"sector_trend": sector_trend}
