"""What happened since a moment: starts, conditions, executions, switch, breakers, locks; and one paragraph of it."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from rich.text import Text

from bot.domain.durations import DAY_MS, HOUR_MS, MINUTE_MS
from bot.domain.money import ZERO, plain
from bot.domain.states import TrancheState
from bot.journal.reader import JournalReader
from bot.report.format import amount, coloured, money, utc
from bot.runtime.exit_codes import CommandFailed, ExitCode
from bot.runtime.settings.snapshot import KEPT_MAX

Row = dict[str, Any]
_SPAN = re.compile(r"(\d{1,6})\s*(min|h|d)")
_UNITS = {"min": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS}
CONFIG, NAMED_MAX = "config", 5
KINDS = ("started", "stopped", "latch", "breakers", "lock", "unlock", "peak_rebased")
CONDITION, ORDERS, ROTATION = "condition", "orders", "rotation"


def since_ms(text: str, now_ms: int, option: str = "--since") -> int:
    """A span before now (`90min`, `12h`, `3d`) or a date and time in UTC, as UTC ms.

    Raises:
        CommandFailed: it is neither.
    """
    if span := _SPAN.fullmatch(text.strip()):
        return now_ms - int(span[1]) * _UNITS[span[2]]
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        message = f"{option} {text}: give a span such as 90min, 12h or 3d, or a date such as 2026-01-31"
        raise CommandFailed(message, ExitCode.USAGE) from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def history(reader: JournalReader, begin_ms: int, now_ms: int, earned: str = "", quote: str = "") -> Row:
    """The document of `history --json`. `earned` is the profit of the span in words (`views.earned_text`), for the
    paragraph under `summary`; what was traded counts in `quote`."""
    rows = history_rows(reader, begin_ms)
    turns = sum(at_ms >= begin_ms for at_ms, _, _ in reader.load_conditions_since(begin_ms))
    summary = paragraph(rows, turns, reader.load_fees(begin_ms), begin_ms, now_ms, earned, quote)
    return {"since_ms": begin_ms, "now_ms": now_ms, "turns": turns, "events": rows, "summary": summary}


def history_rows(reader: JournalReader, since_ms: int) -> list[Row]:
    """Events since a moment, oldest first: `at_ms`, `kind`, `text`, and for executed orders `quote` and `count`."""
    rows = [_fact_row(fact.kind, fact.at_ms, fact.payload) for fact in reader.load_facts_since(KINDS, since_ms)]
    rows += _conditions(reader.load_conditions_since(since_ms))
    rows += _rotations(reader.load_rotations_since(since_ms), since_ms)
    rows += _changed_settings(reader, since_ms)
    rows += _executed(reader, since_ms)
    return sorted(rows, key=lambda row: row["at_ms"])


def _fact_row(kind: str, at_ms: int, payload: Mapping[str, Any]) -> Row:
    texts = {
        "started": lambda: f"{payload['mode']} on {payload['venue']} {payload['environment']} started",
        "stopped": lambda: f"stopped after turn {payload['cycle']}" + f" by {payload['by']}" * bool(payload["by"]),
        "peak_rebased": lambda: f"peak of equity begins anew, by {payload['by']}: {payload['reason']}",
        "latch": lambda: f"kill switch {payload['level']}, by {payload['by']}: {payload['reason']}",
        "breakers": lambda: f"entries stop: {'; '.join(payload['words'])}" if payload["reasons"] else "entries go on",
        "lock": lambda: f"{payload['symbol']} locked: {payload['note']['words']}",
        "unlock": lambda: f"{payload['symbol']} unlocked: {payload['reason']}",
    }
    return {"at_ms": at_ms, "kind": kind, "text": texts[kind]()}


def _conditions(cycles: Iterable[tuple[int, int, str]]) -> Iterator[Row]:
    before = None
    for at_ms, number, condition in cycles:
        if before is not None and condition != before:
            yield {"at_ms": at_ms, "kind": CONDITION, "text": f"cycle {number}: {before} → {condition}"}
        before = condition


def _changed_settings(reader: JournalReader, since_ms: int) -> Iterator[Row]:
    """The settings of playbook, sectors and limits that differ from the ones before."""
    before: dict[str, Any] | None = None
    for fact in reversed(reader.load_facts(CONFIG, limit=KEPT_MAX)):
        now = {f"{table}.{name}": value for table, name, value in _settings_in(fact.payload)}
        if before is not None and fact.at_ms >= since_ms:
            names = [name for name in dict.fromkeys((*before, *now)) if before.get(name) != now.get(name)]
            more = f" and {len(names) - NAMED_MAX} more" if len(names) > NAMED_MAX else ""
            if names:
                text = f"configuration changed: {', '.join(names[:NAMED_MAX])}{more}"
                yield {"at_ms": fact.at_ms, "kind": CONFIG, "text": text}
        before = now


def _settings_in(payload: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    for table in ("playbook", "universe", "risk"):
        for name, value in json.loads(payload.get(table) or "{}").items():
            if isinstance(value, dict) and table == "playbook":
                yield from ((f"{table}.{name}", key, inner) for key, inner in value.items())
            else:
                yield table, name, value


def _rotations(turns: Iterable[tuple[int, Any]], since_ms: int) -> Iterator[Row]:
    """Beginnings and ends of rotations and of their tranches."""
    known: dict[str, str] = {}
    for at_ms, (number, state, tranches) in turns:
        now = {} if number is None else {f"rotation {number}": str(state)}
        for tranche in tranches or ():
            now[f"rotation {number}, tranche {tranche['index']}"] = tranche["state"]
        for name, is_now in now.items():
            if at_ms >= since_ms and known.get(name) != is_now and is_now != TrancheState.WAITING:
                yield {"at_ms": at_ms, "kind": ROTATION, "text": f"{name}: {is_now}"}
        known = now


def _executed(reader: JournalReader, since_ms: int) -> Iterator[Row]:
    """Executions that belong together: the same purpose and side within one minute."""
    groups: dict[tuple[int, str, str], list[Decimal]] = {}
    first: dict[tuple[int, str, str], int] = {}
    for at_ms, purpose, side, quote in reader.load_executions_since(since_ms):
        key = (at_ms // 60_000, purpose, side)
        groups.setdefault(key, []).append(quote)
        first.setdefault(key, at_ms)
    for key, quotes in groups.items():
        _, purpose, side = key
        value = sum(quotes, ZERO)
        text = f"{purpose}: {side} {money(value)} in {len(quotes)} execution{'s' * (len(quotes) > 1)}"
        row = {"at_ms": first[key], "kind": ORDERS, "text": text, "purpose": purpose, "side": side}
        yield row | {"quote": plain(value), "count": len(quotes)}


def paragraph(
    rows: Sequence[Row],
    cycles: int,
    fees: Mapping[str, Decimal],
    since_ms: int,
    now_ms: int,
    earned: str = "",
    quote: str = "",
) -> str:
    """The same in a few sentences, for the morning. `earned` says what the profit was, fees included; without it they
    are named by asset."""
    by_side: dict[str, Decimal] = {}
    for row in rows:
        if row["kind"] == ORDERS:
            by_side[row["side"]] = by_side.get(row["side"], ZERO) + Decimal(row["quote"])
    traded = " and ".join(f"{'sold' if side == 'sell' else 'bought'} {money(sum_)}" for side, sum_ in by_side.items())
    paid = ", ".join(f"{amount(plain(round(fee, 8)))} {asset}" for asset, fee in sorted(fees.items()) if fee)
    changes = [row["text"] for row in rows if row["kind"] == CONDITION]
    halted = [row["text"] for row in rows if row["kind"] in {"latch", "breakers", "lock"}]
    traded = f"it {traded} {quote}".rstrip() + ("" if earned else f", fees {paid or 'none'}")
    parts = [
        f"Since {utc(since_ms, now_ms)}: {cycles} turn{'s' * (cycles != 1)} recorded",
        traded if by_side else "nothing was traded",
        f"the condition changed {len(changes)} time{'s' * (len(changes) > 1)}, last {changes[-1]}"
        if changes
        else "the condition did not change",
        halted[-1] if halted else "no switch, breaker or lock",
        *([earned] if earned else []),
    ]
    return "; ".join(parts) + "."


def history_lines(rows: Sequence[Row]) -> Text:
    """One line an event."""
    return coloured("\n".join(f"{utc(row['at_ms'])}  {row['text']}" for row in rows) or "nothing happened")
