"""One series of the table `[series]`: its rule, and where its values stand."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from bot.domain.durations import DAY_MS, MINUTE_MS
from bot.feeds.series.defillama import CHART, PREFIX, SOURCES, addresses_of
from bot.feeds.series.rows import SeriesColumns, read_rows
from bot.feeds.series.source import READ_ERRORS, SeriesSpec, file_stamp, read_file, reason_of
from bot.playbook.policy.default_evidence import SIGNAL_NAMES
from bot.playbook.policy.series import MARKET, SeriesRule


class SeriesSettings(SeriesRule):
    """A series of your own as evidence: a file or an address of CSV or JSON."""

    source: str = Field(
        min_length=1,
        description="file or http(s) address of CSV or JSON; or defillama:fees, defillama:volumes (daily, USD, no key)",
    )
    parts: tuple[str, ...] = Field(
        default=(), description="what of DefiLlama is added up: protocol:SLUG, chain:NAME or all; none is all"
    )
    column: str = Field(
        default="value", min_length=1, description="column of the value; in JSON its key or place in a row"
    )
    time: str = Field(default="date", min_length=1, description="column of the time; in JSON its key or place in a row")
    rows: str = Field(default="", description="in JSON: keys to the list of rows, joined by points")
    age_max_days: int = Field(default=7, ge=1, le=1095, description="an older newest value is missing, days")
    delay_days: int = Field(
        default=0, ge=0, le=365, description="time from a value's date to its publication, days; for back-tests"
    )
    retry_minutes: int = Field(
        default=15, ge=1, le=1440, description="pause after an address has failed, minutes; else it is read hourly"
    )

    @field_validator("source")
    @classmethod
    def _is_file_or_address(cls, value: str) -> str:
        if value.startswith(PREFIX):
            addresses_of(value, ())
        if "://" not in value:
            return value
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{parts.scheme}://…: only files and http or https addresses are read")
        if parts.port == 0:
            raise ValueError("port 0 is no port; give another one, or none")
        if parts.username is not None or parts.password is not None:
            raise ValueError("an address with a password would stand in the journal; fetch it into a file instead")
        return value

    @model_validator(mode="after")
    def _has_parts_of_its_source(self) -> "SeriesSettings":
        if self.source.startswith(PREFIX):
            addresses_of(self.source, self.parts)
        elif self.parts:
            raise ValueError(f"parts belong to {' and '.join(SOURCES)}; take them out, or change source")
        return self

    @property
    def rule(self) -> SeriesRule:
        """The part that decides."""
        return SeriesRule(**{name: getattr(self, name) for name in SeriesRule.model_fields})

    def spec(self, name: str, source: str | None = None) -> SeriesSpec:
        """How it is read; from another file where one is given: a back-test may hold an answer of DefiLlama."""
        is_llama = self.source.startswith(PREFIX) and (source is None or source.endswith(".json"))
        return SeriesSpec(
            source=source or self.source,
            columns=CHART if is_llama else SeriesColumns(self.time, self.column, self.rows),
            addresses=addresses_of(self.source, self.parts) if is_llama and source is None else (),
            title=self.title or name.replace("_", " "),
            unit=self.unit,
            age_max_ms=self.age_max_days * DAY_MS,
            retry_ms=self.retry_minutes * MINUTE_MS,
            delay_ms=self.delay_days * DAY_MS,
        )


def series_problems(series: Mapping[str, SeriesSettings], risk_on: str, risk_off: str) -> Iterator[str]:
    """What contradicts the rest of the settings: a name that is a signal's, a sector that no condition buys."""
    for name, one in series.items():
        if name in SIGNAL_NAMES:
            yield f"series.{name}: there is a signal of that name already; call it, for example, own_{name}"
        if one.sector not in (risk_on, risk_off, MARKET):
            yield f"series.{name}.sector = {one.sector!r}: is none of {risk_on}, {risk_off}, {MARKET}"


def series_warnings(series: Mapping[str, SeriesSettings]) -> list[str]:
    """What is wrong with the files of series now. A run goes on without a series that cannot be read."""
    result = []
    for name, one in series.items():
        spec = one.spec(name)
        if spec.is_address:
            continue
        try:
            file_stamp(Path(spec.source))
            left_out = read_rows(read_file(Path(spec.source)), spec.columns).left_out
        except READ_ERRORS as error:
            result.append(f"series.{name}: {spec.place}: {reason_of(error)}; without it the signal is missing")
        else:
            result += [f"series.{name}: {spec.place}: {left_out}"] if left_out else []
    return result
