"""Options of the playbook that some seeds turn on, with what they need: months of candles and an operator's file.

They are drawn apart and only where `simulate` is asked for them, as `python -m tests.sim` asks: the seeds that tests
name stand for what was found in them.
"""

from collections.abc import Mapping
from pathlib import Path
from random import Random

from bot.domain.durations import DAY_MS, HOUR_MS, MINUTE_MS
from tests.sim.market import START_MS

PART = 0.3  # of the seeds; each of them turns on each option by a coin
SERIES, SERIES_AGE_DAYS = "activity", 1
MEMBERS = frozenset({"UNI", "AAVE", "ETH", "SOL"})  # the two most traded of each sector, six times over (`PRICES`)
_SIMPLE = (
    {"playbook.rotation.by_phase": "true"},
    {"playbook.rotation.by_funding": "true"},
    {"playbook.entries.pullback": "true"},
)
_WITH_DAYS = (  # for seeds whose candles are days: of the short ones that wagers need months have thousands
    {"playbook.trend.is_on": "true"},
    {"universe.selection": "liquid", "universe.per_sector": "2"},
)
_SERIES = f"series.{SERIES}"
_SCALP = {
    "playbook.scalp.is_on": "true",
    "playbook.entries.wait": "true",
    "playbook.entries.rsi_max": "50",
    "playbook.constants.scalp_rsi": "49",
    "playbook.hedging.instrument": "leader",  # a basket leaves no perp to a scalp
}
_NEAR = {  # within the day of a calm market: exits are reached and stops follow the price
    "playbook.exits.targets": '[{ move = "0.001", part = "0.4" }, { move = "0.002", part = "0.3" }]',
    "playbook.exits.trailing": "0.002",
}
OPTIONS = (*_SIMPLE, *_WITH_DAYS, {f"{_SERIES}.sector": "defi"}, _SCALP, _NEAR)
_FIRST_MS, _COUNT = START_MS - 10 * DAY_MS + 30 * MINUTE_MS, 15 * 24  # beyond the end: what is not yet is in the file


def drawn(seed: int, *, stands: bool, renames: bool) -> dict[str, str]:
    """The options of a seed, by setting; none for most seeds."""
    chance = Random(f"{seed}/options")
    if chance.random() >= PART:
        return {}
    coins = [option for option in OPTIONS if chance.random() < 0.5]
    kept = [one for one in coins if one not in _WITH_DAYS or not (stands or renames)]
    return {name: value for option in kept for name, value in option.items()}


def needs_past(choices: Mapping[str, str]) -> bool:
    """Whether the settings read candles of months."""
    return any(name in choices for option in (*_SIMPLE, *_WITH_DAYS) for name in option)


def with_series(choices: Mapping[str, str], file: Path) -> dict[str, str]:
    """The settings with the rest of the series' table, where they have one; its file is written."""
    if f"{_SERIES}.sector" not in choices:
        return dict(choices)
    file.write_text(series_text(START_MS + 30 * DAY_MS))
    table = {"source": str(file), "window_days": "1", "age_max_days": str(SERIES_AGE_DAYS)}
    return {**choices, **{f"{_SERIES}.{key}": value for key, value in table.items()}}


def series_rows() -> dict[int, float]:
    """Value by time, one an hour: what the file says, and nothing else ever."""
    chance, value, rows = Random("series"), 1_000.0, {}
    for number in range(_COUNT):
        value *= 1 + chance.gauss(0, 0.02)
        rows[_FIRST_MS + number * HOUR_MS] = round(value, 4)
    return rows


def series_text(until_ms: int) -> str:
    """The file with the rows up to a moment."""
    rows = (f"{at_ms},{value}" for at_ms, value in series_rows().items() if at_ms <= until_ms)
    return "\n".join(["date,value", *rows]) + "\n"
