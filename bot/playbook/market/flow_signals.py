"""Signals from outside the market: value locked, stablecoins, rates, usage, the operator's calendar (PLAYBOOK §3).

A source that is not set up gives None: its signal is no part of the evidence. One that is and does not answer gives the
reason why the signal is missing.
"""

import bisect
import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TypeVar

from bot.domain.durations import DAY_MS
from bot.domain.market import Macro, Tvl
from bot.domain.turn.decision import Signal
from bot.playbook.market import indicators
from bot.playbook.market.tvl_price import AdjustedTvl, without_price
from bot.playbook.market.view import RANKED_MIN, Z_SCORE, MarketView, Reader, ranked

TOTAL = "total"
Number = TypeVar("Number", Decimal, float)


def tvl_growth(view: MarketView) -> Signal | str:
    """Growth of the risk-on sector's value locked, share; 1 at `tvl_full`."""
    name = view.policy.allocation.risk_on
    result = view.snapshot.tvl.get(name)
    if result is None or len(result.at_ms) < 2:
        return f"no TVL of {name}"
    value = tvl_change(view, name)
    if value is None:
        return f"TVL of {name} does not reach back {_span(view)}"
    others = {other: tvl_change(view, other) for other in sorted(view.snapshot.tvl) if other not in (name, TOTAL)}
    beside = ", ".join(f"{other} {change:+.1%}" for other, change in others.items() if change is not None)
    return _growth_of(view, "tvl_growth", result, value, f" ({beside})" if beside else "")


def tvl_total(view: MarketView) -> Signal | str | None:
    """Growth of all value locked there is, share; 1 at `tvl_full`. Not asked for unless `tvl.parts` has a total."""
    result = view.snapshot.tvl.get(TOTAL)
    if result is None:
        return "no total TVL" if view.snapshot.has_asked(f"tvl {TOTAL}") else None
    value = tvl_change(view, TOTAL)
    if value is None:
        return f"the total TVL does not reach back {_span(view)}"
    return _growth_of(view, "tvl_total", result, value, "")


def _growth_of(view: MarketView, name: str, found: Tvl, value: float, beside: str) -> Signal:
    of = "all there is" if found.name == TOTAL else found.name
    days = view.policy.constants.tvl_days
    message = f"TVL of {of} {value:+.1%} in {days} days{beside}"
    adjusted = _adjusted(view, found) if view.policy.signals.tvl_without_price else None
    if adjusted is not None:
        whole = _change(found.at_ms, found.values_quote, days)
        how = f"beta {adjusted.beta:.2f} to {view.policy.signals.market_symbol}" if adjusted.beta is not None else ""
        own = f"{adjusted.native:.0%} of it by amounts of tokens" if adjusted.native else ""
        message += f", without its price part ({', '.join(text for text in (own, how) if text)}"
        message += f"; {whole:+.1%} with it)" if whole is not None else ")"
        growths = _growths(adjusted.levels, days)
    else:
        values = found.values_quote
        growths = view.cache.latest(f"growth of {found.name}", (), (values, days), lambda: _growths(values, days))
    rank = indicators.zscore(value, growths) if len(growths) >= RANKED_MIN else None
    score = indicators.clip(value / (float(view.policy.constants.tvl_full) or 1.0))
    age = max(0, view.snapshot.at_ms - found.at_ms[-1])
    return Signal(name, value, score, message, age, *ranked(rank, Z_SCORE))


def _span(view: MarketView) -> str:
    days = f"{view.policy.constants.tvl_days} days"
    return days + (", or the market's candles do not" if view.policy.signals.tvl_without_price else "")


def _adjusted(view: MarketView, found: Tvl) -> AdjustedTvl | None:
    return without_price(found, view.snapshot.candles.get(view.policy.signals.market_symbol))


def _growths(values: Sequence[Number], days: int) -> Sequence[float]:
    """Growth up to every day."""
    pairs = zip(values, values[days:], strict=False)
    return [float(after / before) - 1.0 for before, after in pairs if before > 0]


def tvl_change(view: MarketView, name: str) -> float | None:
    """Growth of a TVL over `tvl_days`; None when it is not known for so long, or its price part is to be taken out and
    is not known."""
    result, days = view.snapshot.tvl.get(name), view.policy.constants.tvl_days
    if result is None or len(result.at_ms) < 2:
        return None
    if not view.policy.signals.tvl_without_price:
        return _change(result.at_ms, result.values_quote, days)
    adjusted = _adjusted(view, result)
    return _change(adjusted.at_ms, adjusted.levels, days) if adjusted is not None else None


def _change(at_ms: Sequence[int], values: Sequence[Number], days: int) -> float | None:
    since = at_ms[-1] - days * DAY_MS
    start = next((v for at, v in zip(at_ms, values, strict=True) if at >= since), None)
    if start is None or start <= 0 or at_ms[0] > since + DAY_MS:
        return None
    return float(values[-1] / start) - 1.0


def stablecoins(view: MarketView) -> Signal | str | None:
    """Growth of the supply of stablecoins, share; 1 at `stablecoin_full`."""
    policy = view.policy
    return _macro(
        view, "stablecoins", policy.constants.stablecoin_days, float(policy.constants.stablecoin_full), is_level=True
    )


def usage(view: MarketView) -> Signal | str | None:
    """Growth of the operator's series of network usage, share; 1 at `usage_full`."""
    return _macro(view, "usage", view.policy.signals.usage_days, float(view.policy.signals.usage_full), is_level=True)


def rates(view: MarketView) -> Signal | str | None:
    """Change of the operator's series of interest rates, in its unit; −1 at a rise of `rates_full`."""
    return _macro(view, "rates", view.policy.signals.rates_days, -float(view.policy.signals.rates_full), is_level=False)


def _macro(view: MarketView, name: str, days: int, full: float, *, is_level: bool) -> Signal | str | None:
    """A series' change over days: of a level its growth, of a rate its difference. A value holds until the next."""
    result = view.snapshot.macro.get(name)
    if result is None:
        return f"no series of {name}" if view.snapshot.has_asked(f"macro {name}") else None
    if not result.values:
        return f"{result.title} has no value before now"
    changes = changes_of(result, days * DAY_MS, is_level=is_level)
    if not changes or changes[-1][0] != result.at_ms[-1]:
        return f"{result.title} does not reach back {days} days"
    value = changes[-1][1]
    history = [change for _, change in changes]
    rank = indicators.zscore(value, history) if len(history) >= RANKED_MIN else None
    moved = f"{value:+.1%}" if is_level else f"{value:+.2f}"
    message = f"{result.title} {short_number(result.values[-1])} {result.unit}".rstrip() + f", {moved} in {days} days"
    age = max(0, view.snapshot.at_ms - result.at_ms[-1])
    return Signal(name, value, indicators.clip(value / full), message, age, *ranked(rank, Z_SCORE))


def short_number(value: Decimal) -> str:
    """A number for people: billions and millions by letters, at most four decimals."""
    for size, letters in ((Decimal(10) ** 9, "bn"), (Decimal(10) ** 6, "m")):
        if abs(value) >= size:
            return f"{value / size:,.1f} {letters}"
    return f"{value:,.4f}".rstrip("0").rstrip(".")


def changes_of(found: Macro, span_ms: int, *, is_level: bool) -> Sequence[tuple[int, float]]:
    """Change up to each value that has one a span before it, with its time; a level that was not positive has none."""
    result = []
    for at_ms, value in zip(found.at_ms, found.values, strict=True):
        place = bisect.bisect_right(found.at_ms, at_ms - span_ms) - 1
        before = found.values[place] if place >= 0 else None
        if before is not None and (before > 0 or not is_level):
            result.append((at_ms, float(value / before - Decimal(1) if is_level else value - before)))
    return result


def calendar(view: MarketView) -> Signal | None:
    """Sum of the weights of the operator's events that are on now; upgrades are asked for elsewhere. A calendar without
    any event is not set up (decision 0018)."""
    active = [e for e in view.snapshot.events if e.start_ms <= view.snapshot.at_ms < e.end_ms and e.kind != "upgrade"]
    if not view.snapshot.events:
        return None
    value = math.fsum(float(event.weight) for event in active)
    message = ", ".join(f"{event.name} ({event.kind})" for event in active) or "nothing on the calendar now"
    return Signal("calendar", value, indicators.clip(value), message, 0)


MACRO_READERS: Mapping[str, Reader] = {"stablecoins": stablecoins, "rates": rates, "usage": usage}
"""Signals of a series of the same name (`Snapshot.macro`), or of one for each token: `NAME TOKEN`."""
READERS: Mapping[str, Reader] = {
    "tvl_growth": tvl_growth,
    "tvl_total": tvl_total,
    **MACRO_READERS,
    "calendar": calendar,
}
