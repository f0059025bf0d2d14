"""The section `notify`: where notices go, which, and when."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, field_validator
from pydantic.json_schema import SkipJsonSchema

from bot.runtime.services.notice import FIELDS, NoticeEvent
from bot.runtime.settings.sections import Section

_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://\S+")


@dataclass(frozen=True, slots=True)
class NotifyTiming:
    """Waiting times of the notices. Tests may replace it."""

    # how often the journal is looked at, seconds
    poll_seconds: Annotated[float, Field(gt=0)] = 1.0
    # how long a notice waits for others, which join it in one message, seconds
    group_seconds: Annotated[float, Field(ge=0)] = 5.0
    # how long one sending may take, seconds
    send_seconds: Annotated[float, Field(gt=0)] = 20.0
    # the first wait after a failure, doubled up to the longest, seconds
    retry_seconds: Annotated[float, Field(gt=0)] = 5.0
    retry_max_seconds: Annotated[float, Field(gt=0)] = 900.0
    # attempts at least, and age at least, before a notice is given up
    attempts_min: Annotated[int, Field(ge=1)] = 3
    give_up_seconds: Annotated[float, Field(ge=0)] = 86_400.0
    # a second notice about the same subject within this time is left out, seconds
    repeat_seconds: Annotated[float, Field(ge=0)] = 3_600.0
    # how long the venue does not answer before it is reported, seconds
    unreachable_seconds: Annotated[float, Field(ge=0)] = 180.0


class NotifySettings(Section):
    """Where notices go, through Apprise; docs/notify.md has examples."""

    urls: SecretStr | None = Field(
        default=None,
        description="Apprise URLs, one a line or separated by blanks; secrets: give them in a secrets file "
        "notify__urls or as SECTORBOT__NOTIFY__URLS",
    )
    muted: tuple[NoticeEvent, ...] = Field(default=(), description="events of which no notice is sent")
    templates: Mapping[NoticeEvent, str] = Field(
        default={}, description="text of an event instead of the usual one, such as { switch = '{level}: {reason}' }"
    )
    quiet_hours: str = Field(
        default="", description='hours in which only urgent notices are sent, such as "22:00-07:00"; the rest waits'
    )
    report_at: str = Field(default="07:00", description="time of the daily report; empty: none")
    time_zone: str = Field(default="UTC", description="time zone of quiet hours and report, such as Europe/Berlin")
    hourly_max: int = Field(
        default=20, ge=1, le=1_000, description="messages per hour and destination; what is more waits and is joined"
    )
    timing: SkipJsonSchema[NotifyTiming] = Field(default=NotifyTiming(), repr=False)

    @field_validator("urls", mode="before")
    @classmethod
    def _take_empty_as_absent(cls, value: Any) -> Any:
        return None if isinstance(value, str) and not value.strip() else value

    @field_validator("urls")
    @classmethod
    def _are_urls(cls, value: SecretStr | None) -> SecretStr | None:
        for number, url in enumerate(_split(value), start=1):
            if not _SCHEME.fullmatch(url):
                raise ValueError(f"notify.urls: number {number} is no URL; one is SCHEME://…, blanks in it as %20")
        return value

    @field_validator("templates")
    @classmethod
    def _name_known_fields(cls, value: Mapping[NoticeEvent, str]) -> Mapping[NoticeEvent, str]:
        for event, template in value.items():
            try:
                names = {name for _, name, _, _ in Formatter().parse(template) if name is not None}
            except ValueError as error:
                raise ValueError(f"notify.templates.{event}: {error}; a brace of the text is written twice") from None
            if unknown := sorted(names - FIELDS[event]):
                known = ", ".join(sorted(FIELDS[event]))
                raise ValueError(f"notify.templates.{event}: unknown {{{unknown[0]}}}; known are {known}")
        return value

    @field_validator("quiet_hours")
    @classmethod
    def _is_a_span(cls, value: str) -> str:
        start, dash, end = value.partition("-")
        if value and not (dash and _CLOCK.fullmatch(start) and _CLOCK.fullmatch(end) and start != end):
            raise ValueError(f'notify.quiet_hours: {value!r} is no span; one is "22:00-07:00"')
        return value

    @field_validator("report_at")
    @classmethod
    def _is_a_time(cls, value: str) -> str:
        if value and not _CLOCK.fullmatch(value):
            raise ValueError(f'notify.report_at: {value!r} is no time; one is "07:00"')
        return value

    @field_validator("time_zone")
    @classmethod
    def _is_a_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (OSError, ValueError, LookupError):
            raise ValueError(f"notify.time_zone: {value!r} is unknown; one is Europe/Berlin") from None
        return value

    @property
    def destinations(self) -> Mapping[str, str]:
        """Every URL, by a name that holds no secret: its scheme and its place, such as `json-1`."""
        result = {}
        for number, url in enumerate(_split(self.urls), start=1):
            result[f"{url.partition(':')[0].lower()}-{number}"] = url
        return result

    @property
    def secret_parts(self) -> tuple[str, ...]:
        """The URLs, and what in them may be a secret of its own."""
        urls = _split(self.urls)
        parts = (part for url in urls for part in re.split(r"[/:@?&=,]+", url.partition("://")[2]))
        return (*urls, *(part for part in parts if len(part) >= SECRET_LENGTH and not _HOST.fullmatch(part)))


SECRET_LENGTH = 8
_HOST = re.compile(r"(?:\d{1,3}\.){3}\d{1,3}|[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,}|localhost", re.IGNORECASE)


def _split(urls: SecretStr | None) -> list[str]:
    return urls.get_secret_value().split() if urls is not None else []
