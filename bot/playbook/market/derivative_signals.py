"""Signals from perps: crowding by funding, open interest, basis (PLAYBOOK §§3, 8)."""

import bisect
import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import partial

from bot.domain.candles import CandleSeries
from bot.domain.durations import DAY_MS, MINUTE_MS
from bot.domain.market import Funding, OpenInterest, Premium
from bot.domain.perp import settlement_hours
from bot.domain.turn.decision import Signal
from bot.playbook.market import indicators
from bot.playbook.market.signal_cache import SignalCache
from bot.playbook.market.view import PERCENTILE, RANKED_MIN, YEAR_DAYS, Z_SCORE, MarketView, Reader, ranked


def funding_rates(view: MarketView, perps: Sequence[str]) -> list[float]:
    """What longs of these perps pay, as shares per year; unknown ones are left out."""
    result = (view.snapshot.funding.get(symbol) for symbol in perps)
    return [float(f.rate) * 24 / f.interval_hours * YEAR_DAYS for f in result if f is not None and f.interval_hours > 0]


def crowding(view: MarketView) -> Signal | str:
    """What the leaders' longs pay in funding, share per year; −1 at `funding_full`."""
    rates = funding_rates(view, view.sectors.perp_symbols)
    if not rates:
        return "no funding rate of any leader"
    known = [view.snapshot.funding[symbol] for symbol in view.sectors.perp_symbols if symbol in view.snapshot.funding]
    known = [result for result in known if result.interval_hours > 0]
    past = view.cache.latest(
        "past rates",
        tuple(result.earlier for result in known),
        tuple((result.symbol, result.interval_hours) for result in known),
        lambda: _past_rates(known, view.cache),
    )
    age = max(0, *(view.snapshot.at_ms - result.at_ms for result in known))
    value = indicators.mean(rates)
    message = f"leaders' longs {'pay' if value >= 0 else 'receive'} {abs(value):.1%} a year in funding"
    rank = indicators.percentile(value, past) if len(past) >= RANKED_MIN else None
    score = indicators.clip(-value / float(view.policy.constants.funding_full))
    return Signal("crowding", value, score, message, age, *ranked(rank, PERCENTILE))


def _past_rates(known: Sequence[Funding], cache: SignalCache) -> tuple[float, ...]:
    """What longs paid at the settlements that were watched, each over the time it covers, shares per year."""
    result: list[float] = []
    for funding in known:
        interval = funding.interval_hours
        result += cache.beside("rates", funding.symbol, funding.earlier, interval, partial(_rates, interval))
    return tuple(result)


def _rates(interval_hours: int, settlements: Sequence[tuple[int, Decimal]], start: int, end: int) -> list[float]:
    """What longs paid at the settlements from `start` up to `end`, of which those next to them say the hours."""
    first = max(0, start - 1)
    hours = settlement_hours([at_ms for at_ms, _ in settlements[first : end + 1]], start - first, interval_hours)
    rates = (float(rate) for _, rate in settlements[start:end])
    return [rate * 24 / covered * YEAR_DAYS for rate, covered in zip(rates, hours, strict=False)]


def open_interest(view: MarketView) -> Signal | str:
    """Growth of open interest beyond that of the price, mean of the leaders: new positions, not dearer ones. Crowded
    when it is high (PLAYBOOK §§3, 7)."""
    days, at_ms = view.policy.constants.interest_days, view.snapshot.at_ms
    oldest = at_ms - view.policy.constants.signal_age_max_minutes * MINUTE_MS
    lines, age = [], 0
    for symbol in view.sectors.perp_symbols:
        result = view.snapshot.open_interest.get(symbol)
        if result is not None and result.at_ms >= oldest:
            lines.append(_contracts(result, view.snapshot.candles.get(view.sectors.spot_of(symbol)), at_ms))
            age = max(age, at_ms - result.at_ms)
    times = sorted({at for line_times, _ in lines for at in line_times} | {at_ms})
    past = [growth for at in times[::-3] if (growth := _mean_growth(lines, at, days * DAY_MS)) is not None]
    now = _mean_growth(lines, at_ms, days * DAY_MS)
    if now is None:
        return f"no leader's open interest has been watched for {days} days"
    rank = indicators.zscore(now, past) if len(past) >= RANKED_MIN else None
    message = f"leaders' open interest {math.expm1(now):+.1%} in {days} days, prices taken out"
    score = indicators.clip(-math.expm1(now) / float(view.policy.constants.interest_full))
    return Signal("open_interest", math.expm1(now), score, message, max(0, age), *ranked(rank, Z_SCORE))


def _contracts(found: OpenInterest, series: CandleSeries | None, at_ms: int) -> tuple[Sequence[int], Sequence[float]]:
    """Times and logarithms of open interest over the price of its time, oldest first; without a price of that time a
    reading is left out."""
    times: list[int] = []
    levels: list[float] = []
    for at, value in (*found.earlier, (min(found.at_ms, at_ms), found.value_quote)):
        place = bisect.bisect_right(series.starts_ms, at - series.timeframe_ms) - 1 if series is not None else -1
        if series is not None and place >= 0 and value > 0 and series.closes[place] > 0:
            times.append(at)
            levels.append(math.log(float(value)) - math.log(series.closes[place]))
    return times, levels


def _mean_growth(lines: Sequence[tuple[Sequence[int], Sequence[float]]], at_ms: int, span_ms: int) -> float | None:
    """Mean growth over a span that ends at a time, of the lines that reach back so far; a reading stands for a day."""
    growths = []
    for times, levels in lines:
        now, then = bisect.bisect_right(times, at_ms) - 1, bisect.bisect_right(times, at_ms - span_ms) - 1
        if then >= 0 and at_ms - times[now] <= DAY_MS and at_ms - span_ms - times[then] <= DAY_MS:
            growths.append(levels[now] - levels[then])
    return indicators.mean(growths) if growths else None


def basis(view: MarketView) -> Signal | str:
    """Premium of the leaders' perps over spot as three fundings a day would earn it, share per year; ranked among the
    means of the earlier readings, which are of the same market."""
    perps = view.sectors.perp_symbols
    premiums, age = _premiums_now(view, perps)
    if not premiums:
        return "no leader has a mark and an index"
    now = indicators.mean(premiums)
    watched = [view.snapshot.premiums[symbol] for symbol in perps if symbol in view.snapshot.premiums]
    past = view.cache.latest(
        "mean premiums",
        tuple(premium.earlier for premium in watched),
        tuple(premium.symbol for premium in watched),
        lambda: _mean_premiums(watched, view.cache),
    )
    rank = indicators.percentile(now, past) if len(past) >= RANKED_MIN else None
    value = now * YEAR_DAYS * 3
    message = f"perps stand {basis_words(now)}"
    score = indicators.clip(-value / float(view.policy.constants.funding_full))
    return Signal("basis", value, score, message, age, *ranked(rank, PERCENTILE))


def basis_words(premium: float) -> str:
    """How far perps stand from spot."""
    return f"{abs(premium):.3%} {'above' if premium > 0 else 'below'} spot" if round(premium, 5) else "at spot"


def _premiums_now(view: MarketView, perps: Sequence[str]) -> tuple[list[float], int]:
    """Premiums of these perps in the market that signals are read from, and the age of the oldest one, ms. Quotes are
    of the market that is traded."""
    elsewhere = view.snapshot.signal_market
    if elsewhere is not None:
        known = [elsewhere.premiums[symbol] for symbol in perps if symbol in elsewhere.premiums]
        age = max((view.snapshot.at_ms - premium.at_ms for premium in known), default=0)
        return [float(premium.share) for premium in known], max(0, age)
    quotes = [view.snapshot.quotes[symbol] for symbol in perps if symbol in view.snapshot.quotes]
    return [
        float(quote.mark / quote.index) - 1.0
        for quote in quotes
        if quote.mark is not None and quote.index is not None and not quote.defect()
    ], 0


def _mean_premiums(watched: Sequence[Premium], cache: SignalCache) -> tuple[float, ...]:
    """Mean premium of each earlier look, of the perps that were seen in it."""
    looks: dict[int, list[float]] = {}
    for premium in watched:
        shares = cache.floats("premiums", premium.symbol, premium.earlier)
        for (at_ms, _), share in zip(premium.earlier, shares, strict=True):
            looks.setdefault(at_ms, []).append(share)
    return tuple(indicators.mean(of_look) for _, of_look in sorted(looks.items()))


READERS: Mapping[str, Reader] = {
    "crowding": crowding,
    "open_interest": open_interest,
    "basis": basis,
}
