"""The signals of a journaled cycle, drawn for a terminal: a bar per score, its rank, its words, and what is missing
or has no source.

The journal is read and nothing is asked of a venue. Nothing depends on colour: a bar grows from the middle to the right
for what speaks for risk, to the left for what speaks against it.
"""

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from bot.report import queries as readings
from bot.report.format import NONE, Column, TextTable, age, percent, utc
from bot.report.queries import Document, JournalView

BAR_HALF = 8
WIDE = 140


def signals(view: JournalView, number: int | None = None) -> Document:
    """Signals of one cycle, the last full one unless named, as plain mappings.

    Raises:
        CommandFailed: there is no such cycle, or none at all.
    """
    read = readings.why(view, number)
    shown = ("name", "value", "score", "rank", "rank_is", "age_ms", "words")
    rows = [{key: signal.get(key) for key in shown} for signal in read["signals"]]
    missing = [
        {"name": note["subject"], "why": note["words"]} for note in read["notes"] if note["reason"] == "signal_missing"
    ]
    kept = ("cycle", "at_ms", "condition", "since_ms", "confidence", "phases")
    return {**{key: read[key] for key in kept}, "signals": rows, "missing": missing, "unasked": read["unasked"]}


def drawn(document: Document, now_ms: int, width: int) -> RenderableType:
    """The same for a person. On a narrow terminal the words stand below the table, numbered like its rows."""
    rows = document["signals"]
    head = Text(
        f"cycle {document['cycle']}, {utc(document['at_ms'], now_ms)}\n"
        f"condition {document['condition']}, confidence {percent(document['confidence'])}; "
        + (", ".join(f"{sector} is {phase}" for sector, phase in document["phases"].items()) or "phases are not known")
        + "\n"
    )
    columns = [
        Column("#", True),
        Column("signal"),
        Column("value", True),
        Column("against │for risk"),
        Column("score", True),
        Column("rank", True),
        Column("age", True),
    ]
    cells = [_cells(number, row) for number, row in enumerate(rows, start=1)]
    parts: list[RenderableType] = [head]
    if width >= WIDE:
        cells = [[*cell, row["words"]] for cell, row in zip(cells, rows, strict=True)]
        parts.append(TextTable("Signals", [*columns, Column("in words")], cells))
    else:
        parts.append(TextTable("Signals", columns, cells))
        parts += [Text(f"{number:>3}  {row['words']}") for number, row in enumerate(rows, start=1)]
        parts.append(Text())
    absent = [
        f"  · {missing['name']}: {missing['why'].removeprefix(missing['name'] + ': ')}"
        for missing in document["missing"]
    ]
    parts.append(Text("\n".join(["Missing: they count for nothing and lower confidence", *(absent or ["  · none"])])))
    if document["unasked"]:
        parts.append(
            Text(f"No source is set up, so they are no part of the evidence: {', '.join(document['unasked'])}")
        )
    return Group(*parts)


def _cells(number: int, row: Mapping[str, Any]) -> list[str]:
    return [
        str(number),
        row["name"],
        f"{row['value']:,.4g}",
        bar(row["score"]),
        f"{row['score'] + 0.0:+.2f}",
        rank(row),
        age(row["age_ms"]).removesuffix(" ago"),
    ]


def bar(score: float) -> str:
    """A bar from the middle: `BAR_HALF` cells on each side stand for a score of 1."""
    filled = min(BAR_HALF, round(abs(score) * BAR_HALF))
    left, right = (filled, 0) if score < 0 else (0, filled)
    return ("█" * left).rjust(BAR_HALF) + "│" + ("█" * right).ljust(BAR_HALF)


def rank(row: Mapping[str, Any]) -> str:
    """A z-score as `z +1.90`, a percentile or share as percent, a dash without one."""
    value, kind = row.get("rank"), row.get("rank_is")
    if value is None or not kind:
        return NONE
    return f"z {value:+.2f}" if kind == "z" else f"{value:.0%}"
