"""The outbox of one destination: which notices are sent next, together or alone, and when. Pure, without a clock.

A notice is done once it was sent or given up. `low` is the number of the event up to which all are done: a restart
reads the journal from there. Urgent notices go at once. The others wait a moment for each other and for the end of the
quiet hours. At most three quarters of the messages of an hour are without anything urgent.

The clock of the machine may be set back. A notice from before the last one of its subject is no repetition, and nothing
waits for the clock to reach a time that was noted before.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from bot.domain.durations import HOUR_MS
from bot.runtime.services.notice import Notice
from bot.runtime.settings.operate.notify import NotifySettings

BATCH_MAX = 20
ROUTINE_SHARE = 0.75


@dataclass(slots=True)
class Outbox:
    """What one destination still has to receive.

    Args:
        low: every notice of events up to this one is done.
        read_upto: notices of events up to this one were added.
        done: ids above `low` that are done.
        sent_ms: when the last messages were sent.
    """

    settings: NotifySettings
    low: int
    read_upto: int = 0
    done: set[str] = field(default_factory=set)
    sent_ms: list[int] = field(default_factory=list)
    pending: dict[str, Notice] = field(default_factory=dict)
    failures: int = 0
    retry_at_ms: int = 0
    _last_of_subject: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.read_upto = max(self.read_upto, self.low)

    def add(self, notices: Iterable[Notice], upto: int) -> None:
        """Notices of the events up to `upto`. What is done, muted or a repetition is left out."""
        repeat_ms = self.settings.timing.repeat_seconds * 1000
        for notice in notices:
            if notice.seq <= self.read_upto or notice.event in self.settings.muted:
                continue
            if notice.subject:
                last = self._last_of_subject.get(notice.subject)
                if last is not None and 0 <= notice.at_ms - last < repeat_ms:
                    continue
                self._last_of_subject[notice.subject] = notice.at_ms
            if notice.id not in self.done:
                self.pending[notice.id] = notice
        self.read_upto = max(self.read_upto, upto)

    def due(self, now_ms: int, *, is_last: bool = False) -> tuple[Notice, ...]:
        """What may be sent now as one message; oldest first, empty for nothing. `is_last`: the bot ends, so nothing
        waits for others to join it."""
        longest_ms = int(self.settings.timing.retry_max_seconds * 1000)
        if not self.pending or 0 < self.retry_at_ms - now_ms <= longest_ms:
            return ()
        waiting = sorted(self.pending.values(), key=lambda notice: (notice.at_ms, notice.seq, notice.id))
        has_urgent = any(notice.is_urgent for notice in waiting)
        self.sent_ms = [min(at_ms, now_ms) for at_ms in self.sent_ms if now_ms - at_ms < HOUR_MS]
        most = self.settings.hourly_max
        if len(self.sent_ms) >= (most if has_urgent else max(1, int(most * ROUTINE_SHARE))):
            return ()
        if self._is_quiet(now_ms):
            waiting = [notice for notice in waiting if notice.is_urgent]
        group_ms = 0 if has_urgent or is_last else self.settings.timing.group_seconds * 1000
        if not waiting or 0 <= now_ms - waiting[0].at_ms < group_ms:
            return ()
        return tuple(sorted(waiting, key=lambda notice: not notice.is_urgent)[:BATCH_MAX])

    def count_sent(self, notices: Iterable[Notice], now_ms: int) -> None:
        """They have arrived."""
        self.failures, self.retry_at_ms = 0, 0
        self.sent_ms.append(now_ms)
        self._finish(notices)

    def count_failed(self, notices: Iterable[Notice], now_ms: int) -> tuple[Notice, ...]:
        """They have not; those that are given up now."""
        timing, self.failures = self.settings.timing, self.failures + 1
        wait = min(timing.retry_seconds * 2 ** min(self.failures - 1, 30), timing.retry_max_seconds)
        self.retry_at_ms = now_ms + int(wait * 1000)
        if self.failures < timing.attempts_min:
            return ()
        given_up = tuple(n for n in notices if now_ms - n.at_ms >= timing.give_up_seconds * 1000)
        self._finish(given_up)
        return given_up

    def _finish(self, notices: Iterable[Notice]) -> None:
        for notice in notices:
            self.pending.pop(notice.id, None)
            self.done.add(notice.id)
        self.low = min((notice.seq for notice in self.pending.values()), default=self.read_upto + 1) - 1
        self.done = {name for name in self.done if int(name.partition(".")[0]) > self.low}

    def _is_quiet(self, now_ms: int) -> bool:
        start, _, end = self.settings.quiet_hours.partition("-")
        if not start:
            return False
        now = local_time(now_ms, self.settings.time_zone).strftime("%H:%M")
        return start <= now < end if start < end else now >= start or now < end


def local_time(now_ms: int, zone: str) -> datetime:
    """A moment in a time zone."""
    return datetime.fromtimestamp(now_ms / 1000, ZoneInfo(zone))
