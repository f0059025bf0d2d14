"""Signals from prices and traded volume: strength, trend, breadth, volatility, volume, liquidity (PLAYBOOK §3)."""

import math
import operator
from collections.abc import Mapping, Sequence
from itertools import accumulate

from bot.domain.durations import DAY_MS, MINUTE_MS
from bot.domain.turn.decision import Signal
from bot.playbook.market import indicators
from bot.playbook.market.view import PERCENTILE, RANKED_MIN, SHARE, YEAR_DAYS, Z_SCORE, MarketView, Reader, ranked


def relative_strength(view: MarketView) -> Signal | str:
    """Momentum of the risk-on sector against the risk-off one: log change, z-score against its own history."""
    window = view.policy.candles_in(view.policy.signals.momentum_days)
    if len(view.ratio) < 2 * window + 2:
        return f"the ratio of the sectors has {len(view.ratio)} candles, {2 * window + 2} are needed"
    moves = [math.log(after / before) for before, after in zip(view.ratio, view.ratio[window:], strict=False)]
    spread = math.sqrt(indicators.mean([move * move for move in moves]))
    rank = moves[-1] / spread if spread > 0 else 0.0
    pair, days = (
        f"{view.policy.allocation.risk_on} against {view.policy.allocation.risk_off}",
        view.policy.signals.momentum_days,
    )
    message = f"{pair}: {math.expm1(moves[-1]):+.1%} in {days} days"
    return Signal("relative_strength", moves[-1], indicators.clip(rank / 1.5), message, view.age_ms, rank, Z_SCORE)


def resilience(view: MarketView) -> Signal | str:
    """Momentum of the risk-off sector against the market: log change, z-score against its own history. Positive while
    the sector holds up (decision 0021)."""
    window = view.policy.candles_in(view.policy.signals.momentum_days)
    held = view.strength
    if len(held) < 2 * window + 2:
        return (
            f"{view.policy.allocation.risk_off} against the market has {len(held)} candles, {2 * window + 2} are needed"
        )
    moves = [math.log(after / before) for before, after in zip(held, held[window:], strict=False)]
    spread = math.sqrt(indicators.mean([move * move for move in moves]))
    rank = moves[-1] / spread if spread > 0 else 0.0
    pair, days = (
        f"{view.policy.allocation.risk_off} against {view.policy.signals.market_symbol}",
        view.policy.signals.momentum_days,
    )
    message = f"{pair}: {math.expm1(moves[-1]):+.1%} in {days} days"
    return Signal("resilience", moves[-1], indicators.clip(rank / 1.5), message, view.age_ms, rank, Z_SCORE)


def ratio_breakout(view: MarketView) -> Signal | str:
    """Place of the sectors' ratio in the range before it: below 0 and above 1 it has broken out."""
    window = view.policy.candles_in(view.policy.signals.range_days)
    place = indicators.range_position(view.ratio, window)
    if place is None:
        return f"the ratio of the sectors has no range of {view.policy.signals.range_days} days"
    score = 1.0 if place > 1 else -1.0 if place < 0 else indicators.clip(place - 0.5)
    where = "above" if place > 1 else "below" if place < 0 else f"at {place:.0%} of"
    message = f"the ratio of the sectors is {where} its {view.policy.signals.range_days}-day range"
    return Signal("ratio_breakout", place, score, message, view.age_ms, indicators.clip(place, 0.0, 1.0), PERCENTILE)


def trend(view: MarketView) -> Signal | str:
    """Distance of the market from its exponential average, share of the average."""
    windows = view.policy.signals
    averages = indicators.emas(view.market, view.policy.candles_in(windows.trend_days))
    if not averages or averages[-1] <= 0:
        return f"{windows.market_symbol} has fewer candles than its {windows.trend_days}-day average needs"
    closes = view.market[-len(averages) :]
    distances = [close / average - 1.0 for close, average in zip(closes, averages, strict=True) if average > 0]
    distance, rank = distances[-1], indicators.zscore(distances[-1], distances)
    message = (
        f"{view.policy.signals.market_symbol} is {distance:+.1%} from its {view.policy.signals.trend_days}-day average"
    )
    return Signal("trend", distance, indicators.clip(distance / 0.10), message, view.age_ms, *ranked(rank, Z_SCORE))


def drawdown(view: MarketView) -> Signal | str:
    """Fall of the market from its high, share; −1 at `drawdown_full`."""
    fall = indicators.drawdown(view.market[-view.policy.candles_in(view.policy.signals.drawdown_days) :])
    if fall is None:
        return f"{view.policy.signals.market_symbol} has no candles"
    full = float(view.policy.constants.drawdown_full) or 1.0
    falls = [1.0 - close / high for close, high in zip(view.market, accumulate(view.market, max), strict=True) if high]
    rank = indicators.percentile(fall, falls)
    message = (
        f"{view.policy.signals.market_symbol} is {fall:.1%} below its {view.policy.signals.drawdown_days}-day high"
    )
    return Signal("drawdown", fall, indicators.clip(-fall / full), message, view.age_ms, *ranked(rank, PERCENTILE))


def breadth(view: MarketView) -> Signal | str:
    """Share of the listed tokens above their own average."""
    period, newest = view.policy.candles_in(view.policy.signals.breadth_days), oldest_fresh_ms(view)
    above = counted = 0
    for symbol in view.listed:
        series = view.snapshot.candles.get(symbol)
        is_read = series is not None and view.is_fresh and series.end_ms >= newest
        average = indicators.sma(series.closes, period) if series is not None and is_read else None
        if series is not None and average is not None:
            counted += 1
            above += series.closes[-1] > average
    if 2 * counted < len(view.listed) or not counted:
        return (
            f"only {counted} of {len(view.listed)} listed tokens have a {view.policy.signals.breadth_days}-day average"
        )
    share = above / counted
    message = f"{above} of {counted} tokens are above their {view.policy.signals.breadth_days}-day average"
    return Signal("breadth", share, indicators.clip(2 * share - 1), message, view.age_ms, share, SHARE)


def volatility(view: MarketView) -> Signal | str:
    """Realised volatility of the market, per year; the score falls with its percentile."""
    window = view.policy.candles_in(view.policy.constants.volatility_days)
    per_year = math.sqrt(YEAR_DAYS * DAY_MS / view.policy.candle_ms)
    series, history = view.snapshot.candles.get(view.policy.signals.market_symbol), []
    if series is not None and view.market:
        ends = range(len(series), window + 1, -max(1, window // 8))
        result = view.cache.windows("volatility", series, window, ends, _deviation)
        history = [value * per_year for value in result if value is not None]
    if len(history) < 8:
        return f"{view.policy.signals.market_symbol} has too few candles to rank its volatility"
    rank = indicators.percentile(history[0], history[1:]) or 0.0
    message = f"volatility {history[0]:.0%} a year, {beside_history(rank, 'higher', 'lower')}"
    return Signal("volatility", history[0], indicators.clip(1 - 2 * rank), message, view.age_ms, rank, PERCENTILE)


def beside_history(rank: float, above: str, below: str) -> str:
    """Where a value stands among the earlier ones, in words."""
    if rank in (0.0, 1.0):
        return f"{above if rank else below} than ever in its history"
    return f"{above} than {indicators.clip(rank, 0.01, 0.99):.0%} of its history"


def volume(view: MarketView) -> Signal | str:
    """Traded value of the risk-on sector against its usual one: the median of its tokens, ratio."""
    recent, usual = (
        view.policy.candles_in(view.policy.constants.volume_days),
        view.policy.candles_in(view.policy.signals.range_days),
    )
    ratios, traded = [], []
    for token in view.sectors.members(view.policy.allocation.risk_on):
        series = view.snapshot.candles.get(view.sectors.spot(token))
        if series and len(series) >= usual and view.is_fresh:
            base = indicators.mean(series.volumes_quote[-usual:])
            if base > 0:
                ratios.append(indicators.mean(series.volumes_quote[-recent:]) / base)
                traded.append(series.volumes_quote)
    if not ratios:
        return f"no token of {view.policy.allocation.risk_on} has {view.policy.signals.range_days} days of volume"
    value = sorted(ratios)[len(ratios) // 2]
    past = _past_volumes(traded, recent, usual)
    rank = indicators.percentile(value, past) if len(past) >= RANKED_MIN else None
    message = f"{view.policy.allocation.risk_on} trades {value:.0%} of its usual volume"
    return Signal("volume", value, indicators.clip((value - 1) / 0.5), message, view.age_ms, *ranked(rank, PERCENTILE))


def _past_volumes(traded: Sequence[Sequence[float]], recent: int, usual: int) -> list[float]:
    """What `volume` was a step, two steps, … of `recent` candles ago, as far as half of its tokens reach back."""
    totals = [[0.0, *accumulate(volumes)] for volumes in traded]
    history = []
    for back in range(recent, max(map(len, totals)) - usual, recent):
        ratios = []
        for sums in totals:
            end = len(sums) - 1 - back
            base = (sums[end] - sums[end - usual]) / usual if end >= usual else 0.0
            if base > 0:
                ratios.append((sums[end] - sums[end - recent]) / recent / base)
        if 2 * len(ratios) < len(totals):
            break
        history.append(sorted(ratios)[len(ratios) // 2])
    return history


def liquidity(view: MarketView) -> Signal | str:
    """How far prices travel for the money that is traded (Amihud 2002): the median of the listed tokens, against its
    history.

    Score +1 in a market that has never moved less per quote traded, −1 in one that has never moved more.
    """
    window = view.policy.candles_in(view.policy.constants.volume_days)
    newest = oldest_fresh_ms(view)
    traded = [view.snapshot.candles.get(symbol) for symbol in view.listed]
    fresh = [series for series in traded if series is not None and series.end_ms >= newest and len(series) > window]
    if 2 * len(fresh) < len(traded) or not fresh:
        days = view.policy.constants.volume_days
        return f"only {len(fresh)} of {len(traded)} listed tokens have {days} days of fresh candles"
    steps = (max(map(len, fresh)) - 1) // window
    history = []
    impacts_of = (
        view.cache.windows("impact", series, window, _ends(len(series), window, steps), _impact) for series in fresh
    )
    for of_step in zip(*impacts_of, strict=True):
        impacts = [result for result in of_step if result is not None]
        if 2 * len(impacts) >= len(fresh):
            history.append(sorted(impacts)[len(impacts) // 2])
    if len(history) < 8:
        return f"{len(history)} periods of {view.policy.constants.volume_days} days are too few to rank liquidity"
    rank = indicators.percentile(history[0], history[1:]) or 0.0
    message = f"a million of quote moves a token by {history[0] * 1e4:,.1f} bps, {beside_history(rank, 'more', 'less')}"
    return Signal("liquidity", history[0], indicators.clip(1 - 2 * rank), message, view.age_ms, rank, PERCENTILE)


def oldest_fresh_ms(view: MarketView) -> int:
    """Candles that closed before it are too old for a current signal, UTC ms."""
    return view.snapshot.at_ms - view.policy.constants.signal_age_max_minutes * MINUTE_MS


def _ends(count: int, window: int, steps: int) -> range:
    """Ends of the newest window, of the one before it and so on, `steps` of them."""
    return range(count, count - steps * window, -window)


def _deviation(closes: Sequence[float], _volumes: Sequence[float]) -> float | None:
    return indicators.realised_volatility(closes, 1.0)


def _impact(closes: Sequence[float], volumes: Sequence[float]) -> float | None:
    """Path of the closes as a share of the last one, per million of quote traded; None where nothing was traded."""
    traded = sum(volumes)
    if traded <= 0 or closes[-1] <= 0:
        return None
    path: float = sum(map(abs, map(operator.sub, closes[1:], closes)))
    return path / closes[-1] / traded * 1e6


READERS: Mapping[str, Reader] = {
    "relative_strength": relative_strength,
    "ratio_breakout": ratio_breakout,
    "resilience": resilience,
    "trend": trend,
    "drawdown": drawdown,
    "breadth": breadth,
    "volatility": volatility,
    "volume": volume,
    "liquidity": liquidity,
}
