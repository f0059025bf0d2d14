"""Two back-tests side by side, from the documents that `backtest --json` and `--out` write."""

import csv
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bot.lab.backtest.figures import SHORT_DAYS, excess, shallower
from bot.lab.backtest.record import SCHEMA
from bot.runtime.exit_codes import CommandFailed

OURS = "sectorbot"
_SAME = ("from", "to", "book_quote", "quote", "cadence", "seed")


def read_document(path: Path) -> dict[str, Any]:
    """The document of a back-test: its own file, or the one beside its page.

    Raises:
        CommandFailed: there is none, or it is another kind of file.
    """
    file = path if path.suffix == ".json" else path.with_suffix(".json")
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        hint = "write one with `sectorbot backtest … --out report.html`, or `--json > run.json`"
        raise CommandFailed(f"{file}: {error.strerror or error}; {hint}") from error
    except ValueError as error:
        raise CommandFailed(f"{file}: no JSON: {error}") from error
    if not isinstance(found, dict) or "figures" not in found or "contributions" not in found:
        raise CommandFailed(f"{file}: no document of a back-test")
    if found.get("schema") != SCHEMA:
        raise CommandFailed(
            f"{file}: schema {found.get('schema')}, this version reads {SCHEMA}; run the back-test again"
        )
    return found


def compare_documents(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Figures with both values and their difference, what differs in the set-up, results by source and token."""
    rows: list[dict[str, Any]] = []
    for name, unit, value in _FIGURES:
        a, b = value(first), value(second)
        change = b - a if a is not None and b is not None else None
        rows.append({"figure": name, "unit": unit, "a": a, "b": b, "difference": change})
    differing = {key: {"a": first[key], "b": second[key]} for key in _SAME if first[key] != second[key]}
    return {
        "a": _name(first),
        "b": _name(second),
        "set_up_differs": differing,
        "figures": rows,
        "sources_quote": _by_name(first["contributions"], second["contributions"]),
        "tokens_quote": _by_name(first.get("by_token", {}), second.get("by_token", {})),
    }


def compare_curves(first: Path, second: Path, *, seed: int) -> dict[str, Any] | None:
    """B against A by pairs of resampled days, from the daily equity that `--out` writes beside each page.

    Returns:
        The difference of log growth a year and of the deepest drawdown, each with its interval and the share of the
        resamples in which B's is better; None where a curve is missing or too short, or the days are not the same.
    """
    curves = [_curve(page.with_suffix(".csv")) for page in (first, second)]
    if not curves[0] or list(curves[0]) != list(curves[1]) or len(curves[0]) <= SHORT_DAYS:
        return None
    a, b = (list(curve.values()) for curve in curves)
    growth, interval, above = excess(b, a, seed=seed)
    share, deeper = shallower(b, a, seed=seed)
    return {
        "growth_year": growth,
        "growth_interval": asdict(interval),
        "growth_above": above,
        "drawdown_interval": asdict(deeper),
        "drawdown_shallower": share,
    }


def _curve(file: Path) -> dict[str, float]:
    """Daily equity by date, nothing where there is no such file."""
    if not file.is_file():
        return {}
    with file.open(encoding="utf-8", newline="") as rows:
        return {row["date"]: float(row["equity"]) for row in csv.DictReader(rows)}


def lines_of(found: Mapping[str, Any]) -> list[str]:
    """The comparison as a person reads it."""
    lines = [f"A  {found['a']}", f"B  {found['b']}"]
    for key, both in found["set_up_differs"].items():
        lines.append(f"   {key} differs: {both['a']} and {both['b']}; the figures cannot be compared as they stand")
    lines += ["", f"{'':28} {'A':>14} {'B':>14} {'B less A':>14}"]
    for row in found["figures"]:
        cells = " ".join(f"{_text(row[key], row['unit'], signed=key == 'difference'):>14}" for key in _CELLS)
        lines.append(f"{row['figure']:28} {cells}")
    if paired := found.get("paired"):
        growth, fall = paired["growth_interval"], paired["drawdown_interval"]
        lines += [
            "",
            f"B against A, by pairs of resampled days: log growth {paired['growth_year']:+.2f} a year "
            f"(90 %: {growth['low']:+.2f} … {growth['high']:+.2f}), higher in {paired['growth_above']:.1%} of them;",
            f"deepest drawdown shallower in {paired['drawdown_shallower']:.1%} of them, by {fall['low']:+.1%} … "
            f"{fall['high']:+.1%}",
        ]
    for title, part in (("result by source", "sources_quote"), ("result by token", "tokens_quote")):
        if found[part]:
            lines += ["", title]
        for name, row in found[part].items():
            cells = " ".join(f"{_text(row[key], 'quote', signed=True):>14}" for key in _CELLS)
            lines.append(f"  {name:26} {cells}")
    return lines


_CELLS = ("a", "b", "difference")


def _name(document: Mapping[str, Any]) -> str:
    span = f"{document['from']} → {document['to']}"
    return f"{span}, configuration {document['config_digest']}, seed {document['seed']}"


def _figure(name: str) -> Callable[[Mapping[str, Any]], float | None]:
    def read(document: Mapping[str, Any]) -> float | None:
        found = document["figures"][OURS][name]
        return None if found is None else float(found)

    return read


def _yearly(read: Callable[[Mapping[str, Any]], float]) -> Callable[[Mapping[str, Any]], float | None]:
    """A figure a year, which a run without yearly figures has not."""
    return lambda document: None if document["figures"][OURS]["per_year"] is None else read(document)


def _by_name(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    rows = {}
    for name in sorted({*first, *second}):
        a, b = (float(one.get(name, {}).get("net_quote", 0)) for one in (first, second))
        rows[name] = {"a": a, "b": b, "difference": b - a}
    return rows


def _text(value: float | None, unit: str, *, signed: bool) -> str:
    if value is None:
        return "too short"
    sign = "+" if signed else ""
    form = {"share": f"{sign}.1%", "number": f"{sign}.2f", "quote": f"{sign},.0f", "count": f"{sign},.0f"}[unit]
    return format(value, form)


_FIGURES: tuple[tuple[str, str, Callable[[Mapping[str, Any]], float | None]], ...] = (
    ("equity at the end", "quote", lambda d: float(d["equity_end_quote"])),
    ("total return", "share", _figure("total")),
    ("return a year", "share", _figure("per_year")),
    ("volatility a year", "share", _figure("volatility_year")),
    ("Sharpe", "number", _figure("sharpe")),
    ("deepest drawdown", "share", _figure("drawdown_max")),
    ("worst day", "share", _figure("worst_day")),
    ("turnover a year", "number", _yearly(lambda d: float(d["costs"]["turnover_per_year"]))),
    ("fees", "quote", lambda d: float(d["costs"]["fees_quote"])),
    ("spread and depth", "quote", lambda d: float(d["costs"]["slippage_quote"])),
    ("orders", "count", lambda d: float(d["counts"]["orders"])),
    ("rotations that traded", "count", lambda d: float(sum(one["orders"] > 0 for one in d["campaigns"]))),
    ("changes of condition a year", "number", _yearly(lambda d: float(d["condition_changes_per_year"]))),
    ("days without entries", "count", lambda d: float(d["held_days"])),
)
