"""Rows of the report's sections: months by year, drawdowns, days by their return, tokens, rotations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.domain.durations import DAY_MS
from bot.lab.backtest.record import Record, day_of
from bot.lab.tear_sheet.spans import deepest_falls, spread_of

OURS = "sectorbot"
HEAT_STEPS = (0.01, 0.05, 0.10)
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class Cell:
    """A return in the heat map with the class of its colour; None where the run was not there."""

    value: float | None
    style: str


def heat_rows(document: Mapping[str, Any]) -> list[tuple[str, list[Cell], Cell]]:
    """By year: the return of each month, and of the year."""
    return [
        (
            year,
            [_cell(document["months"].get(f"{year}-{month:02}", {}).get(OURS)) for month in range(1, 13)],
            _cell(found[OURS]),
        )
        for year, found in document["years"].items()
    ]


def fall_rows(record: Record) -> list[dict[str, Any]]:
    """The deepest drawdowns with their days; `recovered` is None while the peak is not reached again."""
    times = record.times_ms
    return [
        {
            "depth": fall.depth,
            "peak_ms": times[fall.peak],
            "lowest_ms": times[fall.lowest],
            "recovered_ms": None if fall.recovered is None else times[fall.recovered],
            "days_down": _days(times, fall.peak, fall.lowest),
            "days_up": None if fall.recovered is None else _days(times, fall.lowest, fall.recovered),
        }
        for fall in deepest_falls(record.curve())
    ]


def spread_rows(record: Record) -> list[dict[str, Any]]:
    """Days by their return, without the empty steps at both ends."""
    bins = spread_of(record.curve())
    filled = [place for place, one in enumerate(bins) if one.days]
    if not filled:
        return []
    most, total = max(one.days for one in bins), sum(one.days for one in bins)
    return [
        {
            "low": one.low,
            "high": one.high,
            "days": one.days,
            "share": one.days / total,
            "length": one.days / most,
            "is_loss": one.high is not None and one.high <= 0,
        }
        for one in bins[filled[0] : filled[-1] + 1]
    ]


def token_rows(document: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Tokens by what they gained, the best first."""
    return sorted(document["by_token"].items(), key=lambda row: -float(row[1]["net_quote"]))


def split_rotations(campaigns: Sequence[Mapping[str, Any]]) -> tuple[list[Mapping[str, Any]], str]:
    """The rotations that traded, and a sentence about those that did not."""
    traded = [one for one in campaigns if one["orders"]]
    blank = [one for one in campaigns if not one["orders"]]
    if not blank:
        return traded, ""
    many = "rotation" if len(blank) == 1 else "rotations"
    first, last = (day_of(blank[place]["started_ms"]) for place in (0, -1))
    when = f"on {first}" if first == last else f"between {first} and {last}"
    return (
        traded,
        f"{len(blank)} more {many}, begun {when}, sent no order: entries were held back, or nothing was to be moved.",
    )


def _cell(value: float | None) -> Cell:
    if value is None:
        return Cell(None, "none")
    step = sum(abs(value) >= limit for limit in HEAT_STEPS)
    return Cell(value, f"gain{step}" if value >= 0 else f"loss{step}")


def _days(times_ms: Sequence[int], first: int, last: int) -> int:
    return round((times_ms[last] - times_ms[first]) / DAY_MS)
