"""A notice without a journal: sent once to every destination, without an outbox.

The time of an empty file records when a destination has received it. A full disk usually accepts an empty file; if the
state directory does not, the directory of temporary files is tried. If neither does, a container that is restarted
sends the notice at every start. Other users can write to that directory as well, so only a plain file of the user that
runs the bot counts, and creating it follows no link.
"""

import asyncio
import hashlib
import os
import stat
import tempfile
from collections.abc import Sequence
from pathlib import Path

import structlog

from bot.operate.notify.delivery import name_of
from bot.operate.notify.message import Message, compose
from bot.operate.notify.sender import Sender
from bot.runtime.services.notice import Notice, NoticeEvent
from bot.runtime.settings.model import Settings

_log = structlog.get_logger("sectorbot.notify")


async def send_directly(
    settings: Settings, senders: Sequence[Sender], event: NoticeEvent, text: str, now_ms: int
) -> bool:
    """Send a notice that is in no journal, with the id 0.0; whether it has arrived everywhere or is not to be sent: it
    is muted, or each destination has had it within the time in which notices are not repeated."""
    if event in settings.notify.muted:
        return True
    due = [sender for sender in senders if not is_repeated(settings, event, sender.name, now_ms)]
    message = compose((Notice("0.0", now_ms, event, text),), settings.notify, name_of(settings))
    answers = await asyncio.gather(*(_send(settings, sender, event, message) for sender in due))
    return all(answers)


def is_repeated(settings: Settings, event: NoticeEvent, destination: str, now_ms: int) -> bool:
    """Whether a destination took a notice of its kind without a journal a moment ago."""
    repeat_ms = settings.notify.timing.repeat_seconds * 1000
    times = map(_time_of, _marks(settings, event, destination))
    return any(0 <= now_ms - at_ms < repeat_ms for at_ms in times if at_ms is not None)


async def _send(settings: Settings, sender: Sender, event: NoticeEvent, message: Message) -> bool:
    """Whether it has arrived; marked at once, because a destination that hangs may end the whole report."""
    if why := await sender.send(message):
        _log.warning("notice_not_sent", to=sender.name, why=why, count=1, what="there is no journal to keep it")
        return False
    _mark(settings, event, sender.name)
    return True


def _marks(settings: Settings, event: NoticeEvent, destination: str) -> tuple[Path, Path]:
    """Where the time of the last one may stand. The second place serves several bots."""
    directory = settings.state_directory
    to, place = _digest(destination), _digest(str(directory.absolute()))
    name = f"{event.value}-{to}.sent"
    return directory / name, Path(tempfile.gettempdir()) / f"sectorbot-{place}-{name}"


def _digest(words: str) -> str:
    return hashlib.sha256(words.encode()).hexdigest()[:16]


def _time_of(path: Path) -> int | None:
    try:
        found = path.lstat()
    except OSError:
        return None
    is_ours = stat.S_ISREG(found.st_mode) and found.st_uid == os.getuid()
    return found.st_mtime_ns // 1_000_000 if is_ours else None


def _mark(settings: Settings, event: NoticeEvent, destination: str) -> None:
    for path in _marks(settings, event, destination):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if _time_of(path) is None:
                os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
            else:
                os.utime(path, follow_symlinks=False)
        except OSError:
            continue
        return
