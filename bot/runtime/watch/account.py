"""The account checks of the start, asked again every hour: what is found later stops entries until it is set right.

A check that gets no answer keeps what it last said, is asked again every minute, and counts as failed once its last
answer is twice as old as it may be. One that has never been answered counts as failed.
"""

import asyncio

import structlog

from bot.domain.reason import Note, Reason
from bot.ports import AccountChecking, AccountProblem

RETRY_MS = 60_000
LOOK_SECONDS = 10.0
_log = structlog.get_logger("sectorbot.account")


class AccountWatch:
    """Holds the latest findings about one account.

    Args:
        every_ms: how long the answers count.
    """

    def __init__(self, venue: AccountChecking, every_ms: int) -> None:
        self._venue, self._every_ms = venue, every_ms
        self._due_ms: int | None = None
        self._max_age_ms = every_ms
        self._answered_ms: int | None = None
        self._problems: tuple[AccountProblem, ...] = ()
        self._unanswered: dict[str, str] = {}
        self._said: tuple[str, ...] = ()
        self._skipped: tuple[str, ...] = ()

    @property
    def blocking(self) -> tuple[str, ...]:
        """Why nothing may be opened, each with what to do; empty when nothing stands in the way."""
        return tuple(f"{problem.words}: {problem.remedy}" for problem in self._problems if problem.is_blocking)

    @property
    def notices(self) -> tuple[str, ...]:
        """What a person should know and what does not stop anything."""
        result = tuple(f"{problem.words}: {problem.remedy}" for problem in self._problems if not problem.is_blocking)
        return (*result, *self._skipped)

    @property
    def notes(self) -> tuple[Note, ...]:
        return tuple(Note(Reason.ACCOUNT_SETTING, message) for message in self.blocking)

    def ask_again(self) -> None:
        """A refusal of the venue contradicts what the checks said: the next look asks."""
        self._due_ms, self._max_age_ms = None, 0

    async def poll(self) -> None:
        """Ask when it is due. Never longer than `LOOK_SECONDS`, and a failure is no reason to lose a turn."""
        now_ms = self._venue.now_ms()
        if self._due_ms is not None and 0 < self._due_ms - now_ms <= self._every_ms:
            return
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                review = await self._venue.fetch_account_review(self._max_age_ms)
        except Exception as error:  # noqa: BLE001 - whatever it is, the checks were not answered
            problems, unanswered = self._problems, {"all": f"the account checks: {type(error).__name__} {error}"}
        else:
            kept = tuple(p for p in self._problems if p.check in review.unanswered)
            problems, unanswered = (*review.problems, *kept), dict(review.unanswered)
            self._skipped = review.skipped
        self._answered_ms = self._answered_ms if unanswered else now_ms
        self._unanswered = unanswered
        self._problems = (*(p for p in problems if p.check != _AGE), *self._outdated(now_ms))
        is_settled = not unanswered and not self.blocking
        self._max_age_ms = self._every_ms if is_settled else 0
        self._due_ms = now_ms + (self._every_ms if is_settled else min(RETRY_MS, self._every_ms))
        self._report()

    def _outdated(self, now_ms: int) -> tuple[AccountProblem, ...]:
        if not self._unanswered:
            return ()
        since = "since the start"
        if self._answered_ms is not None:
            age_ms = now_ms - self._answered_ms
            if 0 <= age_ms < 2 * self._every_ms:
                return ()
            since = f"for {age_ms // 60_000} min"
        message = f"the account could not be checked {since} ({'; '.join(self._unanswered.values())})"
        return (AccountProblem(_AGE, message, "see whether the key may read this, and the venue's status page"),)

    def _report(self) -> None:
        """A blocking problem is said at every look while it is there; everything else when it changes."""
        blocking, said = self.blocking, (*self.blocking, *self.notices, *self._unanswered.values())
        if blocking:
            _log.critical("account_setting", found=list(blocking), what="entries stop, exits go on")
        elif said != self._said:
            if self._said and not said:
                _log.warning("account_setting", found=[], what="account and key are as they must be")
            for message in self.notices:
                _log.warning("account_notice", what=message)
            for message in self._unanswered.values():
                _log.warning("account_check_unanswered", why=message, what="asked again within a minute")
        self._said = said


_AGE = "age"
