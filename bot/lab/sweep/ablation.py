"""Ablation: the same back-test without one leg of the playbook at a time, and what that leg was worth.

The value of a leg is the log growth a year of the whole playbook above that of the run without the leg, from pairs of
days, so that what both have in common cancels. Its interval holds for one comparison; the wider one is corrected for
the number of legs (Bonferroni), and only a leg whose wider interval leaves out zero is shown to matter.
"""

import math
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from bot.lab.backtest.command import BacktestRequest, run_record, settings_of
from bot.lab.backtest.figures import DAYS_PER_YEAR, SHORT_DAYS, Interval, excess, figures_of, resampled, returns_of
from bot.lab.backtest.history import RecordedHistory
from bot.lab.backtest.record import Record
from bot.playbook.policy.choices import HedgeWith
from bot.runtime.settings.model import Settings

ERROR = 0.10  # of all comparisons together
SAMPLES = 4_000
LEAST = -0.999999  # a return whose log is still a number


@dataclass(frozen=True, slots=True)
class PlaybookLeg:
    """A leg of the playbook and the assignments that switch it off."""

    name: str
    off: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LegValue:
    """The run without a leg, and what the leg adds to growth, log a year. `above` is the share of resampled histories
    in which it adds something; `corrected` is the interval for all legs together."""

    name: str
    total: float
    sharpe: float
    drawdown_max: float
    growth: float
    interval: Interval
    corrected: Interval
    above: float

    @property
    def is_shown(self) -> bool:
        """Whether the corrected interval leaves out zero."""
        return self.corrected.low > 0 or self.corrected.high < 0


def legs_of(settings: Settings) -> tuple[PlaybookLeg, ...]:
    """The legs that are on in these settings."""
    playbook = settings.playbook
    neutral = ", ".join(f'"{sleeve}" = "{share}"' for sleeve, share in playbook.allocation.neutral.items())
    unscaled = ("playbook.trend.core=1",) if playbook.trend.is_on else ()  # it would reduce what the table does not
    found = [
        PlaybookLeg("all rotations", ("playbook.regime.override=neutral",)),
        PlaybookLeg("reduction in a downtrend", (f"playbook.allocation.de_risk={{ {neutral} }}", *unscaled)),
    ]
    if playbook.trend.is_on:
        found.append(PlaybookLeg("the sectors' own trends", ("playbook.trend.is_on=false",)))
    if playbook.hedging.is_on:
        found.append(PlaybookLeg("hedges", ("playbook.hedging.is_on=false",)))
    if playbook.hedging.is_on and playbook.hedging.instrument is HedgeWith.BASKET:
        found.append(PlaybookLeg("basket, against the leader", ("playbook.hedging.instrument=leader",)))
    if playbook.tactical.is_on:
        found.append(PlaybookLeg("tactical longs", ("playbook.tactical.is_on=false",)))
    if playbook.entries.wait:
        found.append(PlaybookLeg("waiting for entries", ("playbook.entries.wait=false",)))
    if settings.risk.drawdown_max < 1:
        found.append(PlaybookLeg("stop after a drawdown", ("risk.drawdown_max=1",)))
    return tuple(found)


def ablate(
    asked: BacktestRequest,
    settings: Settings,
    history: RecordedHistory,
    whole: Record,
    *,
    on_progress: Callable[[float], None],
) -> dict[str, Any]:
    """Run the back-test without each leg, over what has been read already.

    Args:
        asked: the request of the whole run; its files are not written again.
        whole: the record of the run with all legs.

    Returns:
        The document: a list of legs in the order of `legs_of`.
    """
    legs, values = legs_of(settings), []
    for number, leg in enumerate(legs):
        scratch = Path(tempfile.mkdtemp(prefix="sectorbot-ablation-"))
        without = replace(asked, assignments=(*asked.assignments, *leg.off), page=None, journal=None)
        try:
            record = run_record(
                without,
                settings_of(without, scratch),
                history,
                on_progress=partial(_pass_on, on_progress, number, len(legs)),
            )
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        values.append(value_of(leg.name, whole.times_ms, whole.curve(), record.curve(), asked.seed, len(legs)))
    is_short = len(whole.times_ms) <= SHORT_DAYS
    rows = [asdict(value) | {"is_shown": value.is_shown and not is_short} for value in values]
    return {"error_of_all": ERROR, "is_short": is_short, "legs": rows}


def _pass_on(on_progress: Callable[[float], None], number: int, count: int, share: float) -> None:
    on_progress((number + share) / count)


def value_of(
    name: str, times_ms: Sequence[int], whole: Sequence[float], without: Sequence[float], seed: int, count: int
) -> LegValue:
    """The value of one of `count` legs, from daily equity with and without it.

    Raises:
        ValueError: the curves have fewer than two days, or not the same number of them.
    """
    figures = figures_of(times_ms, without, seed=seed)
    growth, interval, above = excess(whole, without, seed=seed)
    pairs = zip(returns_of(whole), returns_of(without), strict=True)
    gaps = [math.log1p(max(a, LEAST)) - math.log1p(max(b, LEAST)) for a, b in pairs]
    means = sorted(sum(sample) / len(sample) * DAYS_PER_YEAR for sample in resampled(gaps, seed=seed, samples=SAMPLES))
    place = int(ERROR / 2 / count * len(means))
    corrected = Interval(means[place], means[-1 - place])
    return LegValue(name, figures.total, figures.sharpe, figures.drawdown_max, growth, interval, corrected, above)


def ablation_text(document: Mapping[str, Any]) -> str:
    """The table for a person."""
    legs = document["legs"]
    lines = [
        "without each leg of the playbook, and what the leg adds to growth, log a year (for one comparison; for all):",
        f"{'without':27} {'total':>9} {'Sharpe':>7} {'drawdown':>9} {'adds':>7} {'90 %':>16} {f'of {len(legs)}':>16}",
    ]
    for leg in legs:
        spans = [f"{leg[name]['low']:+.2f} … {leg[name]['high']:+.2f}" for name in ("interval", "corrected")]
        lines.append(
            f"{leg['name']:27} {leg['total']:>+9.1%} {leg['sharpe']:>7.2f} {leg['drawdown_max']:>9.1%} "
            f"{leg['growth']:>+7.2f} {spans[0]:>16} {spans[1]:>16}"
        )
    if document["is_short"]:
        lines.append(f"up to {SHORT_DAYS} days say nothing about a year: only totals and drawdowns count here")
        return "\n".join(lines)
    shown = [leg["name"] for leg in legs if leg["is_shown"]]
    lines.append(f"shown to matter: {', '.join(shown) or 'none of them; the intervals for all of them contain zero'}")
    return "\n".join(lines)
