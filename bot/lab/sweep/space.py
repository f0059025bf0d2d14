"""The settings a sweep varies: lists on the command line, lists and ranges in a TOML file; each value tried for sense.

A value is kept as the text that `--set` takes, so a trial can be repeated by hand with `backtest --set`.
"""

import json
import math
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from bot.runtime.exit_codes import CommandFailed, ExitCode
from bot.runtime.settings.layers import SettingsProblem
from bot.runtime.settings.model import Settings

Combination = tuple[tuple[str, str], ...]  # (setting, text of its value), in the order of the space
TRIED_MAX = 2_000
EXAMPLE = "--set-grid 'risk.gross_max=[1.0, 1.5]'"


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers between two bounds, both included. `step` 0: any; whole numbers when both bounds are."""

    low: float
    high: float
    step: float = 0.0
    is_log: bool = False
    is_whole: bool = False


@dataclass(frozen=True, slots=True)
class Space:
    """What is varied, by setting: texts to choose from, or a range."""

    choices: Mapping[str, tuple[str, ...]]
    ranges: Mapping[str, Range]

    @property
    def size(self) -> int | None:
        """Number of combinations; None where a range makes them uncountable."""
        return None if self.ranges else math.prod(len(values) for values in self.choices.values())

    def combinations(self) -> Iterator[Combination]:
        """Of a space without ranges: all of them, the last setting changing fastest."""
        for values in product(*self.choices.values()):
            yield tuple(zip(self.choices, values, strict=True))

    def document(self) -> dict[str, Any]:
        """What identifies this space in the results file."""
        ranges = {key: [r.low, r.high, r.step, r.is_log] for key, r in self.ranges.items()}
        return {"grid": {key: list(values) for key, values in self.choices.items()}, "range": ranges}


def assignments_of(combination: Combination) -> tuple[str, ...]:
    """As `--set` takes them."""
    return tuple(f"{key}={value}" for key, value in combination)


def read_space(grids: Sequence[str], file: Path | None) -> Space:
    """The space that the command line names.

    Raises:
        CommandFailed: nothing is named, or something that is no list and no range.
    """
    choices: dict[str, tuple[str, ...]] = {}
    ranges: dict[str, Range] = {}
    if file is not None:
        _read_file(file, choices, ranges)
    for grid in grids:
        key, equals, text = grid.partition("=")
        if not equals or not key.strip():
            raise _wrong("--set-grid", grid, f"is not KEY=[VALUE, …]; write for example {EXAMPLE}")
        try:
            values = tomllib.loads(f"value = {text}", parse_float=str)["value"]
        except (ValueError, RecursionError) as error:
            raise _wrong(f"--set-grid {key}", text, f"is no list of values ({error}); write {EXAMPLE}") from error
        choices[key.strip()] = _texts(f"--set-grid {key}", values)
    if not choices and not ranges:
        raise CommandFailed(f"nothing to vary: give a setting and its values, {EXAMPLE}, or a --space", ExitCode.USAGE)
    if both := sorted(choices.keys() & ranges.keys()):
        raise CommandFailed(f"{both[0]}: has both a list and a range; leave one of them out", ExitCode.USAGE)
    return Space(choices, ranges)


def check_space(space: Space, load: Callable[[Sequence[str]], Settings]) -> None:
    """Try every value. One that fails alone may still fit another: it is wrong when no combination takes it.

    Raises:
        CommandFailed: names the setting, the value, and why the settings refuse it.
    """
    for key, values in space.choices.items():
        for value in values:
            reason = _refusal(((key, value),), load)
            if reason and not _fits_somewhere(space, key, value, load):
                raise _refused(key, value, reason)
    for key, span in space.ranges.items():
        for bound in (span.low, span.high):
            text = number_text(bound, span)
            reason = _refusal(((key, text),), load)
            if reason:
                raise _refused(key, text, reason)


def number_text(value: float, span: Range) -> str:
    """A number of a range as `--set` takes it."""
    return str(round(value)) if span.is_whole else f"{value:.6g}"


def _read_file(file: Path, choices: dict[str, tuple[str, ...]], ranges: dict[str, Range]) -> None:
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"), parse_float=float)
    except FileNotFoundError:
        raise _wrong("--space", str(file), "there is no such file; give one that exists") from None
    except (OSError, ValueError, RecursionError) as error:
        raise _wrong("--space", str(file), f"cannot be read as TOML: {error}") from error
    for table in content:
        if table not in ("grid", "range"):
            raise _wrong("--space", str(file), f"unknown table [{table}]; there are [grid] and [range]")
    for key, values in _flat(content.get("grid", {})):
        choices[key] = _texts(f"{file} [grid] {key}", values)
    for key, bounds in _flat(content.get("range", {}), leaf="low"):
        ranges[key] = _range(f"{file} [range] {key}", bounds)


def _flat(table: Mapping[str, Any], *, leaf: str = "", above: str = "") -> Iterator[tuple[str, Any]]:
    """Settings of a table, names quoted as a whole or nested; a table that has `leaf` is a value."""
    for name, value in table.items():
        key = f"{above}{name}"
        if isinstance(value, Mapping) and not (leaf and leaf in value):
            yield from _flat(value, leaf=leaf, above=f"{key}.")
        else:
            yield key, value


def _texts(place: str, values: Any) -> tuple[str, ...]:
    if not isinstance(values, list) or not values:
        raise _wrong(place, str(values), "is no list with values; write [VALUE, VALUE, …]")
    return tuple(dict.fromkeys(_text(place, value) for value in values))


def _text(place: str, value: Any) -> str:
    if isinstance(value, dict):
        raise _wrong(place, str(value), "is a table; name the setting inside it, a.b.c=[…]")
    return value if isinstance(value, str) else json.dumps(value)


def _range(place: str, bounds: Any) -> Range:
    if not isinstance(bounds, dict) or not {"low", "high"} <= bounds.keys() <= {"low", "high", "step", "log"}:
        raise _wrong(place, str(bounds), "is no range; write {low = 1, high = 5} with step = … or log = true if wanted")
    low, high, step = bounds["low"], bounds["high"], bounds.get("step", 0)
    if any(isinstance(number, bool) or not isinstance(number, int | float) for number in (low, high, step)):
        raise _wrong(place, str(bounds), "has a bound that is no number; write numbers without quotes")
    is_log = bool(bounds.get("log", False))
    if not low < high or step < 0 or (is_log and (low <= 0 or step)):
        raise _wrong(place, str(bounds), "needs low < high and step ≥ 0; with log a positive low and no step")
    return Range(low, high, step, is_log, is_whole=all(isinstance(number, int) for number in (low, high, step)))


def _refusal(combination: Combination, load: Callable[[Sequence[str]], Settings]) -> str:
    try:
        load(assignments_of(combination))
    except SettingsProblem as problem:
        return problem.problems[0]
    return ""


def _fits_somewhere(space: Space, key: str, value: str, load: Callable[[Sequence[str]], Settings]) -> bool:
    if space.ranges or (space.size or 0) > TRIED_MAX:
        return False
    return any(not _refusal(c, load) for c in space.combinations() if (key, value) in c)


def _refused(key: str, value: str, reason: str) -> CommandFailed:
    advice = "`sectorbot config show` prints every setting"
    return CommandFailed(f"{key}: the value {value} cannot be tried: {reason}; {advice}", ExitCode.CONFIGURATION)


def _wrong(place: str, value: str, message: str) -> CommandFailed:
    return CommandFailed(f"{place}: {value} {message}", ExitCode.USAGE)
