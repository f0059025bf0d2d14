"""When funding, transfers, deposits and withdrawals are asked for again, and when all of them were read."""

from bot.domain.durations import DAY_MS, MINUTE_MS

UNREAD_MAX_MS = 7 * DAY_MS  # a row that cannot be read keeps the books from beginning afresh so long
JUST_READ_MS = MINUTE_MS


class PaymentReadings:
    """The answers about payments so far, in the venue's time.

    Payments of which a half is missing, or a row that cannot be read, are asked for again at once, for one interval.
    Either keeps the books from beginning afresh, and each question is then for more days: it is asked after as many
    intervals as days, so that the rows of an hour do not become more.
    """

    def __init__(self, interval_ms: int) -> None:
        self._interval_ms = interval_ms
        self._asked_ms: int | None = None
        self._is_whole = False  # both halves have answered
        self._missing_since_ms: int | None = None

    def note(self, now_ms: int, *, is_whole: bool, is_readable: bool) -> None:
        """An answer was recorded that was asked for at this time: of all who were asked, with every row."""
        self._asked_ms, self._is_whole = now_ms, is_whole
        if is_whole and is_readable:
            self._missing_since_ms = None
        elif self._missing_since_ms is None:
            self._missing_since_ms = now_ms

    def may_close(self, at_ms: int, agreed_ms: int) -> bool:
        """Whether the payments of since the books last agreed were just read. A row that nobody can read is given up
        after a week, so that the books do not grow for ever; a half that does not answer is not."""
        if self._asked_ms is None or self._asked_ms <= at_ms - JUST_READ_MS or not self._is_whole:
            return False
        return self._missing_since_ms is None or at_ms - agreed_ms > UNREAD_MAX_MS

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
