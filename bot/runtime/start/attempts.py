"""A daemon builds its bot: again while the venue is dark or while another program has the journal locked."""

import asyncio
import contextlib
import time
from collections.abc import Iterator

import structlog

from bot.domain.states import KillLevel
from bot.journal.disk.lease import LockFile
from bot.journal.disk.reserve import Reserve
from bot.journal.errors import classify
from bot.journal.journal import JournalError, JournalLocked
from bot.ports import ChecksUnanswered, Unavailable
from bot.runtime.services.run_end import stopped_within
from bot.runtime.settings.model import Settings
from bot.runtime.settings.places import JOURNAL_NAME
from bot.runtime.settings.proxy_hint import unreachable
from bot.runtime.start.guarded import level_in_force
from bot.runtime.start.report import StartReport
from bot.runtime.wiring import App, SwitchParts, build

START_RETRY_KILLED_SECONDS = 2
START_RETRY_SECONDS = (1, 2, 5, 10, 30, 60)
CHECK_ATTEMPTS = 8
LOCKED_SECONDS, LOCKED_RETRY_SECONDS = 60, 1.0
_log = structlog.get_logger("sectorbot.daemon")


@contextlib.contextmanager
def only_daemon_of(settings: Settings) -> Iterator[None]:
    """A state directory has one daemon, though each environment and mode has a journal of its own in it.

    Raises:
        JournalBusy: another process runs on the directory.
        JournalError: the directory cannot be made.
    """
    directory = settings.state_directory
    if settings.journal_path.parent.parent != directory:  # the lock of the journal itself does it
        yield
        return
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise classify(error, directory) from error
    lock = LockFile(directory / JOURNAL_NAME)
    lock.acquire()
    try:
        yield
    finally:
        lock.release()


def why_unreachable(settings: Settings, error: Exception) -> str:
    """Why the venue cannot be reached, with what the proxy has to do with it."""
    venue = settings.venue
    return unreachable(venue.name, settings.environment, str(error), trust_env=venue.trust_env)


async def build_patiently(
    settings: Settings, switch: SwitchParts, stop: asyncio.Event, report: StartReport | None = None, *, patient: bool
) -> App | None:
    """Build the bot, again and again while its venue or another program's lock on the journal keeps it from that.

    Args:
        patient: try the venue until it answers, and wait for the journal; a run of a number of cycles does not.

    Returns:
        None when the stop signal came first.

    Raises:
        SetupFailed: a person has to change something first.
        Unavailable, ChecksUnanswered: the venue does not answer, and it is not tried again.
        JournalError: the journal cannot be opened, and no level of the kill switch can act without it.
    """
    substituted, locked_until = False, time.monotonic() + LOCKED_SECONDS
    for attempt in range(1_000_000):
        try:
            return await build(settings, switch=switch, substituted=substituted)
        except JournalLocked as error:
            is_first, level = attempt == 0 or substituted, level_in_force(settings, switch.kill.level())
            is_acting = level is not KillLevel.OFF
            if not is_acting and (not patient or time.monotonic() >= locked_until):
                raise
            if is_acting and not substituted:
                what, substituted = f"level {level.value} is in force: it acts in a copy of the journal", True
            else:
                what = "tried again until it is free" + ("" if is_acting else f", for {LOCKED_SECONDS} s at most")
            if is_first or substituted:
                _log.critical("journal_locked", why=str(error), what=what)
            if await stopped_within(stop, LOCKED_RETRY_SECONDS):
                return None
        except JournalError as error:
            reserve = Reserve(settings.journal_path)
            is_needed = switch.kill.level() is not KillLevel.OFF and reserve.is_disk_full()
            if not (is_needed and reserve.release()):
                raise
            _log.critical("journal_reserve_used", why=str(error), what="the disk is full and the switch has to act")
        except (Unavailable, ChecksUnanswered) as error:
            is_last = isinstance(error, ChecksUnanswered) and attempt + 1 >= CHECK_ATTEMPTS
            if not patient or (is_last and switch.kill.level() is KillLevel.OFF):
                raise
            seconds = START_RETRY_SECONDS[min(attempt, len(START_RETRY_SECONDS) - 1)]
            if switch.kill.level() is not KillLevel.OFF:
                seconds = min(seconds, START_RETRY_KILLED_SECONDS)  # it has something to do there
            why = why_unreachable(settings, error)
            _log.warning("venue_unreachable", why=why, retry_in_seconds=seconds)
            if report is not None and switch.kill.level() is KillLevel.OFF:
                await report.failing(why)
            if await stopped_within(stop, seconds):
                return None
    return None
