"""What an operator may do from the dashboard: the levels of the kill switch and resume, by the path of the command
line. The bot is asked with files, and its answer is waited for; nothing here sends an order."""

from dataclasses import dataclass

import structlog

from bot.domain.states import KILL_TABLE, KillLevel
from bot.operate.dashboard.source import BotSource
from bot.runtime.exit_codes import ExitCode
from bot.runtime.health.healthcheck import find_running
from bot.runtime.kill.halt import CONFIRM_SECONDS, halt
from bot.runtime.kill.resume import release
from bot.runtime.kill.resume_file import ResumeRequest, request_from_daemon
from bot.runtime.settings.chosen_journal import choose_journal

REASON_MAX = 200
RESUME = "resume"
LEVELS = {
    KillLevel.PAUSE: "no new risk; hedges, reductions and exits go on",
    KillLevel.REDUCE_ONLY: "reductions and exits only",
    KillLevel.CANCEL: "withdraws everything but exits, which go on; protective stops stay",
    KillLevel.CANCEL_ALL: "withdraws everything, protective stops as well, and sends nothing",
    KillLevel.FLATTEN: "withdraws everything, then sells everything, hedges last",
}
_log = structlog.get_logger("sectorbot.dashboard")


@dataclass(frozen=True, slots=True)
class Request:
    """What an operator asks for: a level or `resume`, why, and for a resume what else counts."""

    what: str
    reason: str
    accept_mismatch: bool = False
    rebase_peak: bool = False

    @property
    def problem(self) -> str:
        """What is wrong with it; empty when nothing is."""
        if self.what != RESUME and self.what not in {level.value for level in LEVELS}:
            known = ", ".join(level.value for level in LEVELS)
            return f"level: choose one of {known}"
        if not self.reason:
            return "reason: say why, it is written down"
        return ""

    @property
    def needs_word(self) -> bool:
        """Whether the confirmation has to be typed."""
        return self.what in {KillLevel.FLATTEN.value, KillLevel.CANCEL_ALL.value}


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a request."""

    is_done: bool
    text: str
    level: str


def clean_reason(text: str) -> str:
    """A reason as one line of a bounded length."""
    return " ".join(text.split())[:REASON_MAX]


def withdraws(what: str) -> tuple[str, str]:
    """What a level withdraws, and what is still sent."""
    return KILL_TABLE[KillLevel(what)] if what != RESUME else ("nothing", "everything")


def carry_out(source: BotSource, request: Request, name: str, through: str) -> Answer:
    """Ask the bot, and wait for its answer, some seconds at most.

    Args:
        name: the account that asks.
        through: the page or the API.

    Raises:
        OSError: a file of the state directory cannot be written.
        JournalError: nothing runs, and the journal cannot be written.
        SettingsProblem: the configuration is broken; a level other than `resume` needs none.
    """
    by = f"{name} ({through})"
    if request.what == RESUME:
        answer = _resume(source, request, by)
    else:
        answer = _halt(source, KillLevel(request.what), request.reason, by)
    _log.warning("dashboard_action", what=request.what, by=by, reason=request.reason, is_done=answer.is_done)
    return answer


def _halt(source: BotSource, level: KillLevel, reason: str, by: str) -> Answer:
    halted = halt(source.directory, level, reason, by)
    if halted.taken is not None:
        return Answer(
            True, f"the daemon (process {halted.pid}) has taken level {halted.taken.value}", halted.taken.value
        )
    if not halted.pid:
        text = f"no daemon runs on {source.directory.absolute()}: one that starts there will take {halted.asked.value}"
    else:
        text = (
            f"the daemon has not confirmed {halted.asked.value} within {CONFIRM_SECONDS:.0f} s: it sends no forbidden "
        )
        text += "order, yet look at its log"
    return Answer(False, text, halted.asked.value)


def _resume(source: BotSource, request: Request, by: str) -> Answer:
    requested = ResumeRequest(request.reason, by, request.accept_mismatch, request.rebase_peak)
    answered = request_from_daemon(source.directory, requested)
    settings = source.settings.sources.load()  # as they are now: a switch in the configuration still holds
    chosen = choose_journal(settings, find_running(source.directory))
    settings = settings.model_copy(update={"journal": settings.journal.model_copy(update={"path": chosen})})
    text, code = release(settings, requested, answered=answered)
    return Answer(code is ExitCode.OK, text, KillLevel.OFF.value if code is ExitCode.OK else "")
