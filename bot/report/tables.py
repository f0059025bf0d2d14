"""Rows as tables for a terminal: readable at 100 columns, richer at 130 and more, and without colour.

Takes the mappings of `rows`; knows nothing of the journal.
"""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from textwrap import TextWrapper
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from bot.domain.money import ZERO
from bot.domain.reason import Reason
from bot.report.format import NONE, Column, TextTable, age, coloured, money, percent, utc
from bot.report.notices import undelivered_text
from bot.report.profit.views import profit_line
from bot.report.views.parts import Rows
from bot.report.views.venues import are_apart, transfer_text, venue_text, wallets_text

_NAMED_MAX = 5  # differences
COUNTED = {"ended": "canceled or expired", "working": "at the venue", "in_doubt": "in doubt"}


def status_lines(row: Mapping[str, Any]) -> Text:
    """`status` in lines of name and value."""
    quote, now_ms = row["quote"] or "", row["now_ms"]
    kill = row["kill_switch"] + (f" ({row['kill_reason']})" if row["kill_reason"] else "")
    if row["kill_switch"] != "off" and row["kill_by"]:
        kill += f", by {row['kill_by']}, {utc(row['kill_since_ms'], row['now_ms'])}"
    held, account = row.get("held_seconds") or {}, row.get("account") or ()
    obstacles = [f"the venue asks for silence on {name}, {seconds} s" for name, seconds in held.items()]
    obstacles += [f"ENTRIES STOPPED: {message}" for message in account]
    if row.get("kill_pending"):
        kill += f"; NOT YET WITHDRAWN: {', '.join(row['kill_pending'])}"
    fall = f"{percent(row['drawdown'])} from the peak"
    if row.get("peak_since_ms"):
        fall += f", which began anew {utc(row['peak_since_ms'], now_ms)}"
    if row.get("drawdown_since_ms"):
        since, until = utc(row["drawdown_since_ms"], now_ms), utc(row["drawdown_until_ms"], now_ms)
        fall += f", ENTRIES STOPPED since {since} until {until}, when the peak begins anew"
    lines = {
        "mode": _mode_text(row),
        "kill switch": kill,
        "last cycle": f"{row['last_cycle']}, {utc(row['last_cycle_ms'], now_ms)}" if row["last_cycle_ms"] else "never",
        "condition": f"{row['condition']}, stance {row['stance']}",
        "equity": _equity(row, quote),
        "book": _parts(row, quote),
        **({"wallets": wallets_text(row["wallets"], quote)} if row["wallets"] and are_apart(row["venue"]) else {}),
        **({"transfer": transfer_text(row["transfer"], quote)} if row["transfer"] else {}),
        "drawdown": f"{fall}, {percent(row['fall_today'])} since 00:00 UTC",
        **({"risk": _risk_text(row["exposure"])} if row.get("exposure") else {}),
        "profit": profit_line(row.get("profit") or {}, quote),
        "orders": _counts(row),
        **({"books": _books_text(row["differences"])} if row.get("differences") else {}),
        "locked": ", ".join(f"{symbol}: {message}" for symbol, message in row["locked"].items()) or "nothing",
    }
    if row.get("unlisted"):
        lines["left out"] = "; ".join(row["unlisted"])
    if row.get("notices_dead"):
        lines["notices"] = "; ".join(undelivered_text(dead, now_ms) for dead in row["notices_dead"])
    if row.get("streams"):
        lines["streams"] = "; ".join(stream_text(name, stream) for name, stream in row["streams"].items())
    return _lines(lines | ({"venue": "; ".join(obstacles)} if obstacles else {}))


def _books_text(differences: Sequence[str]) -> str:
    named = "; ".join(differences[:_NAMED_MAX])
    more = f"; and {len(differences) - _NAMED_MAX} more" if len(differences) > _NAMED_MAX else ""
    return f"JOURNAL AND ACCOUNT DIFFER, entries stopped: {named}{more}"


def _mode_text(row: Mapping[str, Any]) -> str:
    venue = venue_text(row["venue"])
    place = f"{row['mode']}: {venue}" if "+" in row["venue"] else f"{row['mode']} on {venue}"
    return f"{place}, environment {row['environment']}"


def _risk_text(exposure: Mapping[str, Any]) -> str:
    """Volatility and betas, and the shock that costs most against its limit; `plan` has the whole table."""
    first, worst = exposure["words"][0], min(exposure["stresses"], key=lambda stress: Decimal(stress["change"]))
    loss = max(Decimal(0), -Decimal(worst["change"]))
    return f"{first}; worst shock {worst['name']}: {loss:.1%} of equity, limit {Decimal(exposure['limit']):.0%}"


def stream_text(name: str, stream: Mapping[str, Any]) -> str:
    """One stream of the health file in words."""
    age = f"{stream['silent_seconds']:.0f} s"
    if stream["is_fresh"]:
        return f"{name} {age} ago"
    return f"{name} LATE, silent for {age}" + (f" ({stream['problem']})" if stream["problem"] else "")


def _equity(row: Mapping[str, Any], quote: str) -> str:
    if row["unpriced"]:
        return f"not known: no price of {', '.join(row['unpriced'])}"
    return f"{money(row['equity_quote'])} {quote}".strip()


def _parts(row: Mapping[str, Any], quote: str) -> str:
    """What equity is made of: the book that is shared out, and what is set aside from it."""
    outside = Decimal(row["outside_quote"] or 0)
    aside = f"reserve {money(row['reserve_quote'])}" + (
        f" + outside the sectors {money(outside)}" if money(outside) != money(ZERO) else ""
    )
    return f"{money(row['book_quote'])} + {aside} {quote}; free cash {money(row['cash_quote'])} {quote}"


def _counts(row: Mapping[str, Any]) -> str:
    parts = [f"{count} {COUNTED.get(name, name)}" for name, count in row["orders"].items()]
    return ", ".join([f"{parts[0]} ({row['orders_today']} today)", *parts[1:]])


def switch_line(row: Mapping[str, Any]) -> Text | None:
    """What the kill switch means for targets that are shown; None while it is off."""
    if row["kill_switch"] == "off":
        return None
    return coloured(
        f"{row['kill_switch']} is in force: nothing will be bought, and the targets are not worked towards", "bold"
    )


def why_view(row: Mapping[str, Any], now_ms: int) -> RenderableType:
    """A decision in words: the reading, its signals, the rules that spoke, what would change it, all notes. A condition
    that is read and not believed yet stands beside the one in force."""
    phases = ", ".join(f"{sector} {phase}" for sector, phase in row["phases"].items()) or NONE
    held = next((f"; {note['words']}" for note in row["rules"] if note["reason"] == Reason.CONDITION_HELD), "")
    head = _lines(
        {
            "cycle": f"{row['cycle']}, {utc(row['at_ms'], now_ms)}",
            **({"kill switch": row["kill"]} if row.get("kill") else {}),
            "condition": row["condition"]
            + (f" since {utc(row['since_ms'], row['at_ms'])}" if row["since_ms"] else "")
            + held,
            "confidence": percent(row["confidence"]),
            "stance": row["stance"],
            "phases": phases,
        }
    )
    columns = [Column("signal"), Column("value", True), Column("score", True), Column("age", True), Column("in words")]
    cells = [
        [s["name"], f"{s['value']:,.4g}", f"{round(s['score'], 2) + 0.0:+.2f}", age(s["age_ms"]), s["words"]]
        for s in row["signals"]
    ]
    parts: list[RenderableType] = [
        head,
        Text(),
        TextTable("Signals (score −1 to +1, + speaks for risk)", columns, cells),
    ]
    if row["evidence"]:
        parts.append(_evidence_grid(row["evidence"]))
    rules = [*row["rule"], *(note["words"] for note in row["rules"])]
    if row.get("kill"):
        rules.insert(0, f"the kill switch: {row['kill']}; `sectorbot resume --reason …` ends it")
    parts.append(_bullets("Rules that spoke", rules))
    parts.append(_bullets("What would change its mind", row["would_change"]))
    rest = [f"{note['reason']}: {note['words']}" for note in row["notes"] if note not in row["rules"]]
    parts.append(_bullets("Notes", [*rest, *(f"missing: {what}" for what in row["missing"])]))
    return Group(*parts)


def _evidence_grid(rows: Rows) -> RenderableType:
    columns = [Column("condition"), Column("confidence", True), Column("begins at", True), Column("made of, percent")]
    cells = [
        [row["condition"], percent(row["confidence"]), percent(row["enter"]), ", ".join(map(_part, row["parts"]))]
        for row in rows
    ]
    return TextTable("Conditions", columns, cells)


def _part(part: Mapping[str, Any]) -> str:
    has, most = (100 * float(part[name]) for name in ("points", "share"))
    return f"{part['signal']} {'missing' if part['score'] is None else f'{has:.0f}'} of {most:.0f}"


def _bullets(title: str, lines: Sequence[str]) -> Text:
    text = Text(f"{title}\n", "bold")
    for line in lines or ["none"]:
        text.append(f"  · {line}\n", "not bold")
    return text


def hanging(lines: Text, width: int) -> Text:
    """Lines of name and value; a value that is wider than the screen goes on below its beginning."""
    rows = lines.plain.split("\n")
    start = re.match(r".*?  +", rows[0])
    wrap = TextWrapper(
        width, subsequent_indent=" " * (start.end() if start else 0), break_long_words=False, break_on_hyphens=False
    )
    return coloured("\n".join(wrap.fill(row) for row in rows))


def _lines(values: Mapping[str, str]) -> Text:
    widest = max(len(name) for name in values)
    return coloured("\n".join(f"{name.ljust(widest)}  {value}" for name, value in values.items()))
