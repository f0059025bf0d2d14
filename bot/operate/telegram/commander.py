"""What a command does. One that acts writes the files that `sectorbot halt` and `sectorbot resume` write, and nothing
else: the bot has one kill switch."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from bot.domain.states import KillLevel
from bot.journal.errors import JournalError
from bot.journal.reader import JournalReader
from bot.operate.telegram.answers import HELP, READING, answer
from bot.operate.telegram.confirmations import CODE_DIGITS, LIFE_SECONDS, Confirmations, PendingCommand
from bot.runtime.exit_codes import CommandFailed
from bot.runtime.kill.halt import halt
from bot.runtime.kill.resume import release
from bot.runtime.kill.resume_file import ResumeRequest, request_from_daemon
from bot.runtime.settings.model import Settings

LEVELS = {"pause": KillLevel.PAUSE, "flatten": KillLevel.FLATTEN}
ACTING = (*LEVELS, "resume")
MEANS = {
    "pause": "no new risk; hedges and reductions go on",
    "flatten": "withdraw all orders, then sell everything, hedges last",
    "resume": "release the kill switch",
}


@dataclass(frozen=True, slots=True)
class Reply:
    """The text of an answer, and what the journal notes as the outcome."""

    text: str
    outcome: str


class Commander:
    """Serves the commands of allowed users. It blocks: call it in a thread."""

    def __init__(self, settings: Settings, *, confirmations: Confirmations | None = None) -> None:
        self._settings = settings
        self._confirmations = confirmations or Confirmations(monotonic=time.monotonic)

    def serve(self, user: int, name: str, command: str, rest: str, reader: Callable[[], JournalReader]) -> Reply:
        """The reply to `/command rest` of a user."""
        try:
            if command in ACTING:
                return self._ask(user, command, rest)
            if command == "confirm":
                return self._confirm(user, name, rest)
            if command in READING:
                return Reply(answer(command, self._settings, reader()), "answered")
        except (CommandFailed, JournalError, OSError) as error:
            return Reply(f"failed: {error}", "failed")
        return Reply(HELP, "help")

    def _ask(self, user: int, command: str, reason: str) -> Reply:
        if not reason:
            return Reply(f"say why, it is written down: /{command} REASON", "no reason")
        requested = self._confirmations.ask(user, command, reason)
        text = f"{command}: {MEANS[command]}.\nWithin {LIFE_SECONDS:g} s send\n/confirm {requested.code}"
        return Reply(text, "asked for a code")

    def _confirm(self, user: int, name: str, code: str) -> Reply:
        requested = self._confirmations.take(user, code)
        if isinstance(requested, str):
            return Reply(requested, f"refused: {requested}")
        by = f"telegram {user} ({name})"
        return self._resume(requested, by) if requested.command == "resume" else self._halt(requested, by)

    def _halt(self, asked: PendingCommand, by: str) -> Reply:
        answered = halt(self._settings.state_directory, LEVELS[asked.command], asked.reason, by)
        if answered.taken is None:
            text = f"asked for {answered.asked.value}, but the bot has not confirmed it in time: look at its log"
        else:
            text = f"the bot has taken level {answered.taken.value}: {asked.reason}"
        return Reply(text, f"{asked.command}: {answered.asked.value} asked")

    def _resume(self, asked: PendingCommand, by: str) -> Reply:
        request = ResumeRequest(asked.reason, by)
        answered = request_from_daemon(self._settings.state_directory, request)
        if answered is None:
            return Reply("the kill switch is off, or the bot has not answered: see /status", "resume: no answer")
        text, _ = release(self._settings, request, answered=answered)
        return Reply(text, f"resume: was {answered.value}")


def read_command(text: str) -> tuple[str, str]:
    """Command and rest of a message: `/pause@my_bot why` is `pause`, `why`; digits alone are the code."""
    head, _, rest = text.strip().partition(" ")
    rest = " ".join(rest.split())
    if head.isascii() and head.isdigit() and len(head) == CODE_DIGITS and not rest:
        return "confirm", head
    if not head.startswith("/"):
        return "", ""
    return head[1:].partition("@")[0].lower(), rest
