"""Notices: what an operator is informed of, and the text of each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class NoticeEvent(StrEnum):
    """What a notice is about."""

    START = "start"
    STOP = "stop"
    CRASH = "crash"
    SWITCH = "switch"
    BREAKER = "breaker"
    MISMATCH = "mismatch"
    DOUBT = "doubt"
    LIQUIDATION = "liquidation"
    VENUE_DARK = "venue_dark"
    STOP_MISSING = "stop_missing"
    TRANCHE = "tranche"
    CAMPAIGN = "campaign"
    CONDITION = "condition"
    REPORT = "report"
    START_FAILED = "start_failed"


# Sent in quiet hours as well, and without waiting for others to join it.
URGENT = frozenset(
    {
        NoticeEvent.CRASH,
        NoticeEvent.START_FAILED,
        NoticeEvent.SWITCH,
        NoticeEvent.BREAKER,
        NoticeEvent.MISMATCH,
        NoticeEvent.DOUBT,
        NoticeEvent.LIQUIDATION,
        NoticeEvent.VENUE_DARK,
        NoticeEvent.STOP_MISSING,
    }
)
# The text of each event. `{text}` is always there; the others are those of `FIELDS`.
TEMPLATES: Mapping[NoticeEvent, str] = {
    NoticeEvent.START: "started: {text}",
    NoticeEvent.STOP: "stopped: {text}",
    NoticeEvent.CRASH: "started again after a crash: {text}",
    NoticeEvent.SWITCH: "kill switch {level}, by {by}: {reason}",
    NoticeEvent.BREAKER: "{text}",
    NoticeEvent.MISMATCH: "journal and account differ: {text}",
    NoticeEvent.DOUBT: "order in doubt past its deadline: {text}",
    NoticeEvent.LIQUIDATION: "liquidation near: {text}",
    NoticeEvent.VENUE_DARK: "venue: {text}",
    NoticeEvent.STOP_MISSING: "position without its stop: {text}",
    NoticeEvent.TRANCHE: "{text}",
    NoticeEvent.CAMPAIGN: "{text}",
    NoticeEvent.CONDITION: "market condition: {text}",
    NoticeEvent.REPORT: "{text}",
    NoticeEvent.START_FAILED: "not started: {text}",
}
COMMON_FIELDS = frozenset({"bot", "text", "event", "time", "subject"})
FIELDS: Mapping[NoticeEvent, frozenset[str]] = {
    event: COMMON_FIELDS | (frozenset({"level", "by", "reason"}) if event is NoticeEvent.SWITCH else frozenset())
    for event in NoticeEvent
}


@dataclass(frozen=True, slots=True)
class Notice:
    """One event to report. `id` names the event of the journal and the place in it, so the same event has the same id
    after every restart. Of several with one `subject` within a while only the first is sent, unless it is empty."""

    id: str
    at_ms: int
    event: NoticeEvent
    text: str
    subject: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_urgent(self) -> bool:
        """Whether it waits neither for quiet hours to end nor for others to join it."""
        return self.event in URGENT

    @property
    def seq(self) -> int:
        """Number of the event in the journal."""
        return int(self.id.partition(".")[0])
