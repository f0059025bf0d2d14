"""Notices that did not reach their destination, for `status`."""

from collections.abc import Mapping
from typing import Any

from bot.domain.durations import DAY_MS
from bot.journal.reader import JournalReader
from bot.report.format import utc

SENT, DEAD = "notice_sent", "notice_dead"
SHOWN_MS = 7 * DAY_MS
RECENT = 200
Row = Mapping[str, Any]


def undelivered_notices(reader: JournalReader, now_ms: int) -> list[Row]:
    """Per destination what was given up within a week: `to`, `count`, `events`, `at_ms` and `why` of the newest."""
    result: dict[str, dict[str, Any]] = {}
    for fact in reader.load_facts(DEAD, RECENT):  # newest first
        if now_ms - fact.at_ms > SHOWN_MS:
            break
        payload = fact.payload
        row = result.setdefault(
            payload["to"], {"to": payload["to"], "count": 0, "events": [], "at_ms": fact.at_ms, "why": payload["why"]}
        )
        row["count"] += len(payload["ids"])
        row["events"] += [event for event in payload["events"] if event not in row["events"]]
    return list(result.values())


def undelivered_text(row: Row, now_ms: int) -> str:
    """One of them in a sentence."""
    events = ", ".join(row["events"])
    return f"{row['count']} to {row['to']} not delivered ({events}), last {utc(row['at_ms'], now_ms)}: {row['why']}"
