"""Notices of what no event of the journal shows: a venue that does not answer, cash that differs, the daily report."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from bot.domain.durations import DAY_MS, HOUR_MS
from bot.operate.notify.outbox import local_time
from bot.runtime.services.notice import NoticeEvent
from bot.runtime.settings.operate.notify import NotifySettings

REPORT_LATE_MS = 6 * HOUR_MS
MISMATCH = "mismatch"
Payload = Mapping[str, Any]


@dataclass(slots=True)
class Observed:
    """Watches what a running bot says about itself.

    Args:
        reported_ms: when the last daily report was written; a report that was due before it is not written again.
    """

    settings: NotifySettings
    venue: str
    reported_ms: int
    _problem: str = ""
    _since_ms: int = 0
    _is_reported: bool = False

    def update(self, problem: str, *, has_locks: bool, now_ms: int) -> Iterator[Payload]:
        """The payloads of new facts. `problem`: what the last turn came to nothing for, or `mismatch`; empty for
        neither."""
        if _kind(problem) != _kind(self._problem):
            if self._is_reported and self._problem != MISMATCH:
                yield _payload(NoticeEvent.VENUE_DARK, f"{self.venue} answers again", self._since_ms)
            elif self._is_reported:
                yield _payload(NoticeEvent.MISMATCH, "over: journal and account agree again", self._since_ms)
            self._since_ms, self._is_reported = now_ms, False
        self._problem = problem
        self._since_ms = min(self._since_ms, now_ms)  # the clock may have been set back
        is_lasting = now_ms - self._since_ms >= self.settings.timing.unreachable_seconds * 1000
        if not problem or self._is_reported or not is_lasting:
            return
        seconds = (now_ms - self._since_ms) // 1000
        if problem != MISMATCH:
            self._is_reported = True
            text = f"{self.venue} has not answered for {seconds} s; no turn is possible: {problem}"
            yield _payload(NoticeEvent.VENUE_DARK, text, self._since_ms)
        elif not has_locks:  # a lock has a notice of its own
            self._is_reported = True
            text = f"for {seconds} s; entries stop, `sectorbot status` names the difference"
            yield _payload(NoticeEvent.MISMATCH, text, self._since_ms)

    def is_report_due(self, now_ms: int) -> bool:
        """Whether the daily report is to be written. One that is late by more than `REPORT_LATE_MS` is left out."""
        if not self.settings.report_at:
            return False
        now = local_time(now_ms, self.settings.time_zone)
        hour, minute = map(int, self.settings.report_at.split(":"))
        due = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
        if due > now:
            due -= timedelta(days=1)
        due_ms = int(due.timestamp() * 1000)
        return self.reported_ms < due_ms and now_ms - due_ms < min(REPORT_LATE_MS, DAY_MS)

    def report(self, text: str, now_ms: int) -> Payload:
        """The fact of the daily report."""
        self.reported_ms = now_ms
        return _payload(NoticeEvent.REPORT, text, now_ms)


def _kind(problem: str) -> str:
    return problem and (MISMATCH if problem == MISMATCH else "dark")


def _payload(event: NoticeEvent, text: str, since_ms: int) -> Payload:
    return {"event": event.value, "text": text, "since_ms": since_ms}
