"""Codes that confirm a command which acts. Each belongs to one user, is used once and expires."""

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass

CODE_DIGITS = 6
LIFE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class PendingCommand:
    """A command that waits for its code."""

    command: str
    reason: str
    code: str
    until: float


class Confirmations:
    """At most one waiting command per user: a new one takes the place of the one before it."""

    def __init__(
        self,
        *,
        monotonic: Callable[[], float],
        life_seconds: float = LIFE_SECONDS,
        new_code: Callable[[], str] | None = None,
    ) -> None:
        self._monotonic, self._life_seconds = monotonic, life_seconds
        self._new_code = new_code or (lambda: f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}d}")
        self._asked: dict[int, PendingCommand] = {}

    def ask(self, user: int, command: str, reason: str) -> PendingCommand:
        """Note a command; its code is to be sent back."""
        requested = PendingCommand(command, reason, self._new_code(), self._monotonic() + self._life_seconds)
        self._asked[user] = requested
        return requested

    def take(self, user: int, code: str) -> PendingCommand | str:
        """The command that this code confirms, else why it confirms none. Whatever the code is, nothing waits any more:
        guessing needs a new command for each guess."""
        requested = self._asked.pop(user, None)
        if requested is None:
            return "nothing waits for a code; send the command again"
        if self._monotonic() > requested.until:
            return f"the code has expired after {self._life_seconds:g} s; nothing was done, send the command again"
        if not hmac.compare_digest(requested.code.encode(), code.encode()):
            return "that is not the code; nothing was done, send the command again"
        return requested
