"""Former names of tokens, and tickers that another asset had before: the settings and their checks (PLAYBOOK §10)."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise

from pydantic import BaseModel, ConfigDict, Field


class Rename(BaseModel):
    """A former name of a token."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    was: str = Field(pattern=r"^[A-Z0-9]+$", description="the former name, as it was traded")
    at: date = Field(description="first day of the new name at the exchange, UTC")
    ratio: Decimal = Field(default=Decimal(1), gt=0, description="new tokens that the exchange pays for one old one")

    @property
    def at_ms(self) -> int:
        return day_ms(self.at)


def day_ms(day: date) -> int:
    """The first instant of a day, UTC ms."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)


def rename_problems(
    renames: Mapping[str, Sequence[Rename]], listed: Mapping[str, date], tokens: Mapping[str, object]
) -> list[str]:
    """What contradicts itself: unknown tokens, former names out of order or claimed twice, a listing within history."""
    result = [
        f"listed.{token}: {token} is not a token of the list; add it under [tokens] or remove its date"
        for token in listed
        if token not in tokens
    ]
    claimed: dict[str, str] = {}
    for token, formers in renames.items():
        where = f"renames.{token}"
        if token not in tokens:
            result.append(
                f"{where}: {token} is not a token of the list; add it under [tokens] or remove its former names"
            )
        days = [former.at for former in formers]
        if any(a >= b for a, b in pairwise(days)):
            listing = ", ".join(f"{former.was} till {former.at}" for former in formers)
            result.append(
                f"{where}: former names stand oldest first, each with a later day than the one before ({listing})"
            )
        for former in formers:
            if former.was in claimed:
                result.append(
                    f"{where}: {former.was} has become {claimed[former.was]} already; one name goes on under one other "
                    "name, so remove one of them"
                )
            claimed[former.was] = token
            if former.was in renames and former.was != token:
                result.append(
                    f"{where}: {former.was} has former names of its own; write them all under {token}, oldest first"
                )
            if former.was in listed and former.was != token and former.at > listed[former.was]:
                result.append(
                    f"{where}: {former.was} bears this name till {former.at}, but listed.{former.was} gives the ticker "
                    f"to another asset from {listed[former.was]}; the day of the rename is that one or an earlier one"
                )
        if token in listed and formers and listed[token] >= formers[0].at:
            result.append(
                f"listed.{token}: {listed[token]} is not before {formers[0].at}, when {formers[0].was} became {token}: "
                "its candles would be cut off; remove the date or the former name"
            )
    return result
