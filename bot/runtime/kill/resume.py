"""Releasing the kill switch from the command line: through the running daemon, else in the journal itself.

The journal has one writer, and only its lock shows whether one runs: a health file may be left over, and its
process number taken by another program. A daemon that holds it is asked with a file that its kill switch consumes; the
file lives no longer than the question, so that it cannot release a switch that was thrown later.
"""

import asyncio

from bot.domain.states import KillLevel
from bot.journal.journal import JournalBusy, JournalReader, Latch
from bot.runtime.cash_flows import record_rebased
from bot.runtime.exit_codes import ExitCode
from bot.runtime.health.healthcheck import find_running
from bot.runtime.kill.flag_file import FlagFile
from bot.runtime.kill.resume_file import CONFIRM_SECONDS, ResumeFile, ResumeRequest
from bot.runtime.settings.chosen_journal import open_to_write
from bot.runtime.settings.model import Settings

REBASED = "; drawdown is measured from the equity of the next turn on"


def release(settings: Settings, request: ResumeRequest, *, answered: KillLevel | None = None) -> tuple[str, ExitCode]:
    """Put the switch to `off`; a message for the operator, and the exit code.

    `answered`: the level at which a running daemon has been asked already, and has consumed the request.

    Raises:
        JournalError: the journal cannot be read or written.
        OSError: a file of the state directory cannot be written or removed.
    """
    if settings.kill_switch is not KillLevel.OFF:
        level = settings.kill_switch.value
        return f'the configuration itself says kill_switch = "{level}": set it to "off" first', ExitCode.KILLED
    if answered is not None:
        return _answer_of_daemon(settings, request, answered)
    before, rebase_peak = _latched(settings), request.rebase_peak
    flag, requested = FlagFile(settings.state_directory), ResumeFile(settings.state_directory)
    had_flag = flag.load() is not KillLevel.OFF
    flag.remove()
    if not settings.journal_path.is_file():
        return "the flag file is removed" if had_flag else "nothing to resume: no journal, no flag file", ExitCode.OK
    try:
        asyncio.run(_write(settings, request))
    except JournalBusy:
        return _through_daemon(settings, requested, request, before)
    was = before.level.value if before.level is KillLevel.OFF else f"{before.level.value}: {before.reason}"
    message = f"the kill switch is off (it was {was})" + REBASED * rebase_peak
    if request.accept_mismatch:
        requested.record(request)
        message += "; the next daemon will take the account as right where the books differ"
    return message + _locks(settings), ExitCode.OK


def _through_daemon(
    settings: Settings, asked: ResumeFile, request: ResumeRequest, before: Latch
) -> tuple[str, ExitCode]:
    if not asked.request(request):
        message = f"the daemon has not answered within {CONFIRM_SECONDS:.0f} s and stays as it is; look at its log"
        return message, ExitCode.TIMEOUT
    return _answer_of_daemon(settings, request, before.level)


def _answer_of_daemon(settings: Settings, request: ResumeRequest, before: KillLevel) -> tuple[str, ExitCode]:
    latch = _latched(settings)
    if latch.level is KillLevel.OFF:
        message = f"the running daemon has resumed (the switch was at {before.value})" + REBASED * request.rebase_peak
        return message + _differences(settings, request) + _locks(settings), ExitCode.OK
    return f"the daemon stays at {latch.level.value}: {latch.reason}", ExitCode.KILLED


def _differences(settings: Settings, request: ResumeRequest) -> str:
    """What a resume means while journal and account differ."""
    if (find_running(settings.state_directory) or {}).get("problem") != "mismatch":
        return ""
    if request.accept_mismatch:
        return "; the next turn takes the account as right where the journal differs"
    return "; journal and account differ still, which --accept-mismatch decides: `sectorbot status` names where"


async def _write(settings: Settings, request: ResumeRequest) -> None:
    async with open_to_write(settings) as journal:
        if request.rebase_peak:
            await record_rebased(journal, request)
        await journal.record_latch(KillLevel.OFF, by=request.by, reason=request.reason)


def _latched(settings: Settings) -> Latch:
    if not settings.journal_path.is_file():
        return Latch()
    reader = JournalReader(settings.journal_path)
    try:
        return reader.load_latch()
    finally:
        reader.close()


def _locks(settings: Settings) -> str:
    reader = JournalReader(settings.journal_path)
    try:
        locks = reader.load_locks()
    finally:
        reader.close()
    if not locks:
        return ""
    return f"; still locked: {', '.join(sorted(locks))} (--accept-mismatch, if the account is right)"
