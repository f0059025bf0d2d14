"""When funding, transfers, deposits and withdrawals are asked for again."""

from bot.domain.durations import DAY_MS


class PaymentReadings:
    """The answers about payments so far, in the venue's time.

    Payments of which a half is missing are asked for again at once, for one interval. A half that stays dark keeps the
    books from beginning afresh, and each question is then for more days: it is asked after as many intervals as days,
    so that the rows of an hour do not become more.
    """

    def __init__(self, interval_ms: int) -> None:
        self._interval_ms = interval_ms
        self.whole_ms: int | None = None  # when the newest answer was asked for that had everything
        self._asked_ms: int | None = None
        self._missing_since_ms: int | None = None

    def note(self, now_ms: int, *, is_whole: bool) -> None:
        """An answer was recorded that was asked for at this time."""
        self._asked_ms = now_ms
        if is_whole:
            self.whole_ms, self._missing_since_ms = now_ms, None
        elif self._missing_since_ms is None:
            self._missing_since_ms = now_ms

    def is_due(self, now_ms: int, agreed_ms: int) -> bool:
        """Whether they are to be asked for, of since the books last agreed."""
        if self._asked_ms is None:
            return True
        if self._missing_since_ms is None:
            return now_ms - self._asked_ms >= self._interval_ms
        if now_ms - self._missing_since_ms < self._interval_ms:
            return True
        days = max(1, (now_ms - agreed_ms) // DAY_MS)
        return now_ms - self._asked_ms >= days * self._interval_ms
