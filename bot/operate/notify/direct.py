"""A notice without a journal: sent once to every destination, straight, because there is no outbox to wait in.

When it was sent is the time of a file that may be empty: a full disk mostly takes one, and where the state directory
takes none, the one for temporary files may. Where neither does, a container that is restarted sends it at every start.
"""

import asyncio
import hashlib
import tempfile
from collections.abc import Sequence
from pathlib import Path

import structlog

from bot.operate.notify.delivery import name_of
from bot.operate.notify.message import compose
from bot.operate.notify.sender import Sender
from bot.runtime.services.notice import Notice, NoticeEvent
from bot.runtime.settings.model import Settings

_log = structlog.get_logger("sectorbot.notify")


async def send_directly(
    settings: Settings, senders: Sequence[Sender], event: NoticeEvent, text: str, now_ms: int
) -> bool:
    """Send a notice that is in no journal, with the id 0.0; whether it has arrived everywhere or is not to be sent: it
    is muted, or was sent within the time in which notices are not repeated."""
    if event in settings.notify.muted or is_repeated(settings, event, now_ms):
        return True
    notice = Notice("0.0", now_ms, event, text)
    message = compose((notice,), settings.notify, name_of(settings))
    answers = await asyncio.gather(*(sender.send(message) for sender in senders))
    for sender, why in zip(senders, answers, strict=True):
        if why:
            _log.warning("notice_not_sent", to=sender.name, why=why, count=1, what="there is no journal to keep it")
    if any(not why for why in answers):
        _mark(settings, event)
    return not any(answers)


def is_repeated(settings: Settings, event: NoticeEvent, now_ms: int) -> bool:
    """Whether a notice of its kind was sent without a journal a moment ago."""
    repeat_ms = settings.notify.timing.repeat_seconds * 1000
    return any(0 <= now_ms - at_ms < repeat_ms for at_ms in map(_time_of, _marks(settings, event)) if at_ms is not None)


def _marks(settings: Settings, event: NoticeEvent) -> tuple[Path, Path]:
    """Where the time of the last one may stand. The second place serves several bots."""
    directory = settings.state_directory
    place = hashlib.sha256(str(directory.absolute()).encode()).hexdigest()[:16]
    return directory / f"{event.value}.sent", Path(tempfile.gettempdir()) / f"sectorbot-{place}-{event.value}.sent"


def _time_of(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns // 1_000_000
    except OSError:
        return None


def _mark(settings: Settings, event: NoticeEvent) -> None:
    for path in _marks(settings, event):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
        except OSError:
            continue
        return
