"""The text of a message: one line a notice, from its template."""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.operate.notify.outbox import local_time
from bot.runtime.services.notice import TEMPLATES, Notice
from bot.runtime.settings.operate.notify import NotifySettings

LINE_MAX = 2_000
WARNING, INFO = "warning", "info"


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent; `kind` is Apprise's type of a notification."""

    title: str
    body: str
    kind: str


def compose(notices: Sequence[Notice], settings: NotifySettings, bot: str) -> Message:
    """One message of one or several notices. Each line ends with the id of its notice: after a crash between sending
    and recording the same notice may come twice, with the same id."""
    lines = [f"{_line(notice, settings, bot)} [{notice.id}]" for notice in notices]
    first = notices[0].event.value.replace("_", " ")
    title = f"{bot}: {first}" if len(notices) == 1 else f"{bot}: {len(notices)} notices, first {first}"
    is_urgent = any(notice.is_urgent for notice in notices)
    return Message(title, "\n".join(lines), WARNING if is_urgent else INFO)


def _line(notice: Notice, settings: NotifySettings, bot: str) -> str:
    template = settings.templates.get(notice.event, TEMPLATES[notice.event])
    time = local_time(notice.at_ms, settings.time_zone).strftime("%Y-%m-%d %H:%M %Z")
    known = {
        "bot": bot,
        "text": notice.text,
        "event": notice.event.value,
        "time": time,
        "subject": notice.subject,
    }
    text = template.format_map({**known, **notice.fields})
    return text if len(text) <= LINE_MAX else text[: LINE_MAX - 1] + "…"
