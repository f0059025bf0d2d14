"""The texts that answer a reading command, for the width of a phone."""

import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from bot.domain.durations import HOUR_MS
from bot.journal.reader import JournalReader
from bot.report import queries
from bot.report.format import money, percent, utc
from bot.report.profit.views import NAMES, NOTHING, signed
from bot.report.queries import JournalView
from bot.report.tables import status_lines
from bot.report.views.venues import are_apart, venues_of
from bot.runtime.exit_codes import CommandFailed
from bot.runtime.health.healthcheck import find_running
from bot.runtime.settings.model import Settings

HISTORY_HOURS, HISTORY_LINES = 12, 20
HELP = """/status  mode, switch, equity, orders
/positions  what is held
/pnl  what was earned
/why  the last decision
/history  the last 12 hours
/pause REASON  no new risk
/resume REASON  release the switch
/flatten REASON  sell everything
The last three ask for a code."""


def answer(command: str, settings: Settings, reader: JournalReader) -> str:
    """The answer to a reading command; help for one that is unknown."""
    make = _ANSWERS.get(command)
    if make is None:
        return HELP
    view = JournalView(settings, reader, find_running(settings.state_directory), False, time.time_ns() // 1_000_000)
    try:
        return make(view)
    except CommandFailed as error:
        return str(error)


def _status(view: JournalView) -> str:
    row, _ = queries.status(view)
    return f"{status_lines(row).plain.rstrip()}\n{row['running']}"


def _positions(view: JournalView) -> str:
    document = queries.positions(view)
    lines = [
        f"{row['sleeve']}: {money(row['value_quote'])}"
        + (f" of {money(row['target_quote'])}" if row.get("target_quote") else "")
        for row in document["sleeves"]
    ]
    spot, perp = (f"at {name}:" for name in venues_of(document["venue"])) if are_apart(document["venue"]) else ("", "")
    lines += [spot, *(_holding(row) for row in document["holdings"])]
    lines += [perp, *(_perp(row) for row in document["positions"])]
    return "\n".join([*lines, "", document["as_of"]])


def _holding(row: Mapping[str, Any]) -> str:
    value = "no price" if row["value_quote"] is None else money(row["value_quote"])
    gain = "" if row["unrealised_quote"] is None else f" ({signed(row['unrealised_quote'])})"
    return f"{row['symbol']}: {row['size']} = {value}{gain}"


def _perp(row: Mapping[str, Any]) -> str:
    far = "" if row["liquidation_distance"] is None else f", liquidation {percent(row['liquidation_distance'])} away"
    return f"{row['symbol']}: {row['side']} {row['size']} ({signed(row['unrealised_pnl_quote'])}){far}"


def _pnl(view: JournalView) -> str:
    document = queries.profit(view)
    if not document["periods"]:
        return NOTHING
    lines = [
        f"{NAMES[name]}: {signed(row['net_quote'])} ({percent(row['return'])})\n"
        f"  prices {signed(Decimal(row['realised_quote']) + Decimal(row['unrealised_quote']))}, "
        f"funding {signed(row['funding_quote'])}, fees {signed(-Decimal(row['fees_quote']))}"
        for name, row in document["periods"].items()
    ]
    equity = document["periods"]["start"]["equity_end_quote"]
    return "\n".join([f"equity {money(equity)} {document['quote']}", *lines])


def _why(view: JournalView) -> str:
    row = queries.why(view, None)
    rules = [*row["rule"], *(note["words"] for note in row["rules"])]
    lines = [
        f"cycle {row['cycle']}, {utc(row['at_ms'], view.now_ms)}",
        f"condition {row['condition']}, confidence {percent(row['confidence'])}, stance {row['stance']}",
        *([f"kill switch: {row['kill']}"] if row["kill"] else []),
        *(f"· {rule}" for rule in rules),
        "what would change it:",
        *(f"· {change}" for change in row["would_change"]),
    ]
    return "\n".join(lines)


def _history(view: JournalView) -> str:
    document = queries.past(view, view.now_ms - HISTORY_HOURS * HOUR_MS)
    events = [f"{utc(row['at_ms'])} {row['text']}" for row in document["events"][-HISTORY_LINES:]]
    return "\n".join([document["summary"], *events])


_ANSWERS: Mapping[str, Callable[[JournalView], str]] = {
    "status": _status,
    "positions": _positions,
    "pnl": _pnl,
    "why": _why,
    "history": _history,
}
READING = tuple(_ANSWERS)
