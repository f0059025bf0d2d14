"""Signals from the operator's own series (`[series.NAME]`): growth, difference or sum over a window (PLAYBOOK §3).

A score is the measure by its full scale, in the direction that speaks for the series' sector.
"""

import bisect
from collections.abc import Sequence
from decimal import Decimal
from itertools import accumulate

from bot.domain.durations import DAY_MS
from bot.domain.market import Macro
from bot.domain.money import ZERO
from bot.domain.turn.decision import Signal
from bot.playbook.market import indicators
from bot.playbook.market.flow_signals import changes_of, short_number
from bot.playbook.market.view import RANKED_MIN, Z_SCORE, MarketView, ranked
from bot.playbook.policy.series import Measure, SeriesRule


def series_signal(view: MarketView, name: str, rule: SeriesRule) -> Signal | str | None:
    """The signal of a configured series.

    Args:
        view: what was read of the market.
        name: the name of the series, which is that of its signal.
        rule: how it is measured.

    Returns:
        The signal; a sentence that says why there is none; None where nothing asks for the series here.
    """
    series = view.snapshot.macro.get(name)
    if series is None:
        return next((a.why for a in view.snapshot.missing if a.what == f"macro {name}"), None)
    if not series.values:
        return f"{series.title} has no value before now"
    history = _history(series, rule)
    if not history or history[-1][0] != series.at_ms[-1]:
        is_growth = rule.measure in (Measure.GROWTH, Measure.FLOW_GROWTH)
        days = rule.window_days * (2 if rule.measure is Measure.FLOW_GROWTH else 1)
        return f"{series.title} does not reach back {days} days{' from a value above 0' if is_growth else ''}"
    value, values = history[-1][1], [change for _, change in history]
    rank = indicators.zscore(value, values) if len(values) >= RANKED_MIN else None
    score = indicators.clip(rule.sign * value / float(rule.full))
    age = max(0, view.snapshot.at_ms - series.at_ms[-1])
    return Signal(name, value, score, _message(series, rule, value), age, *ranked(rank, Z_SCORE))


def _history(series: Macro, rule: SeriesRule) -> Sequence[tuple[int, float]]:
    """The measure up to each value that has a whole window before it, with its time."""
    span_ms = rule.window_days * DAY_MS
    if rule.measure in (Measure.GROWTH, Measure.DIFFERENCE):
        return changes_of(series, span_ms, is_level=rule.measure is Measure.GROWTH)
    totals, result = [ZERO, *accumulate(series.values)], []
    for place, at_ms in enumerate(series.at_ms):
        first = bisect.bisect_right(series.at_ms, at_ms - span_ms)
        total = totals[place + 1] - totals[first]
        if rule.measure is Measure.SUM and first:
            result.append((at_ms, float(total)))
        before = bisect.bisect_right(series.at_ms, at_ms - 2 * span_ms)
        earlier = totals[first] - totals[before]
        if rule.measure is Measure.FLOW_GROWTH and before and earlier > 0:
            result.append((at_ms, float(total / earlier) - 1.0))
    return result


def _message(series: Macro, rule: SeriesRule, value: float) -> str:
    unit = f" {series.unit}" if series.unit else ""
    if rule.measure is Measure.SUM:
        moved = f"{short_number(Decimal(repr(value)))}{unit} in {rule.window_days} days"
    elif rule.measure is Measure.FLOW_GROWTH:
        moved = f"{value:+.1%} in {rule.window_days} days against the {rule.window_days} before"
    else:
        newest = f"{short_number(series.values[-1])}{unit}"
        change = f"{value:+.1%}" if rule.measure is Measure.GROWTH else f"{value:+.2f}"
        moved = f"{newest}, {change} in {rule.window_days} days"
    return f"{series.title} {moved}; a {'rise' if rule.sign > 0 else 'fall'} speaks for {rule.sector}"
