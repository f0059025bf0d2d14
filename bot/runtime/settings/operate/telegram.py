"""The section `telegram`: commands sent to a Telegram bot."""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic.json_schema import SkipJsonSchema

from bot.runtime.settings.sections import Section


@dataclass(frozen=True, slots=True)
class TelegramTiming:
    """Waiting times of the polling. Tests may replace it."""

    # how long Telegram holds a request until there is a message, seconds
    poll_seconds: Annotated[float, Field(ge=0)] = 25.0
    # how much longer a request may take, seconds
    slack_seconds: Annotated[float, Field(gt=0)] = 10.0
    # the first wait after a failure, doubled up to the longest, seconds
    retry_seconds: Annotated[float, Field(gt=0)] = 1.0
    retry_max_seconds: Annotated[float, Field(gt=0)] = 60.0
    # the wait while another program polls, and while the token is refused, seconds
    conflict_seconds: Annotated[float, Field(gt=0)] = 30.0
    refused_seconds: Annotated[float, Field(gt=0)] = 300.0
    # how often an answer is tried to be sent
    answer_attempts: Annotated[int, Field(ge=1)] = 3


class TelegramSettings(Section):
    """Commands sent to a Telegram bot of your own; docs/telegram.md says how to set one up."""

    token: SecretStr | None = Field(
        default=None,
        description="token of the bot; a secret: give it in a secrets file telegram__token or as "
        "SECTORBOT__TELEGRAM__TOKEN",
    )
    users: tuple[int, ...] = Field(
        default=(), description="ids of the users who may command the bot; others are ignored"
    )
    api_url: str = Field(
        default="https://api.telegram.org",
        pattern=r"^https?://[^\s/]+$",
        description="address of the Bot API, for a server of your own",
    )
    timing: SkipJsonSchema[TelegramTiming] = Field(default=TelegramTiming(), repr=False)

    @field_validator("token", mode="before")
    @classmethod
    def _take_empty_as_absent(cls, value: Any) -> Any:
        return None if value == "" else value

    @model_validator(mode="after")
    def _has_users(self) -> "TelegramSettings":
        if self.token is not None and not self.users:
            raise ValueError("telegram.users: is empty, so nobody could command the bot; give your user id")
        return self

    @property
    def secret_parts(self) -> tuple[str, ...]:
        """The token, and the part of it that is a secret alone."""
        token = self.token.get_secret_value() if self.token is not None else ""
        return tuple(part for part in (token, token.partition(":")[2]) if part)
