"""All settings: one frozen model over layered sources (DESIGN §8).

Weakest first: `config/default.toml`, `config/sectors.toml` (under `universe`), the user's files, `.env`,
`SECTORBOT__A__B`, a secrets directory, `--set`. Unknown names, missing files and wrong values are errors that name
their place.
"""

import difflib
import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import orjson
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from bot.domain.durations import DAY_MS
from bot.domain.market import CalendarEvent
from bot.domain.states import KillLevel
from bot.execution.rules import ExecutionRules
from bot.feeds.macro import SeriesFile, read_series
from bot.playbook.policy.numbers import Policy, Sectors
from bot.risk import Limits
from bot.runtime.settings import layers as settings_layers
from bot.runtime.settings.layers import DOTENV_FILE, STATE_DIRECTORY, USER_FILE, KeyPath, Layer, SettingsProblem
from bot.runtime.settings.secret_shape import secret_problems
from bot.venues.binance.profiles import PROFILES

ACKNOWLEDGEMENT = "I accept that real orders will be placed"
_FROZEN = ConfigDict(frozen=True, extra="forbid")


TVL_PARTS: Mapping[str, tuple[str, ...]] = {
    "total": ("all",),
    "defi": ("all",),
    "infra": ("chain:Ethereum", "chain:Solana", "chain:Avalanche", "chain:Arbitrum"),
}


class VenueSettings(BaseModel):
    """Which account at which exchange."""

    model_config = _FROZEN

    id: str = Field(default="binance", description="exchange, by its ccxt id")
    account: str = Field(
        default="main", min_length=1, max_length=32, description="our name of the account; part of order ids"
    )
    spot_testnet: bool = Field(
        default=False, description="whether to use the spot-only test network instead of demo trading"
    )
    api_key: SecretStr | None = Field(
        default=None, description="key; a secret: give it in a secrets file or as SECTORBOT__VENUE__API_KEY"
    )
    api_secret: SecretStr | None = Field(
        default=None, description="its secret; give it in a secrets file or as SECTORBOT__VENUE__API_SECRET"
    )
    latency_spread_ms: int = Field(
        default=1_000, ge=0, le=10_000, description="how much every rate-limit window is lengthened, ms"
    )
    clock_check_seconds: int = Field(default=3_600, ge=60, description="how often the clock skew is measured, seconds")
    account_check_seconds: int = Field(
        default=3_600,
        ge=60,
        le=86_400,
        description="how often the settings of account and key are checked again, seconds",
    )

    trust_env: bool = Field(
        default=True, description="whether to use the proxies that HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY name"
    )

    @field_validator("id")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if value not in PROFILES:
            raise ValueError(f"{value!r} is not supported; the exchanges are {', '.join(sorted(PROFILES))}")
        return value

    @field_validator("api_key", "api_secret", mode="before")
    @classmethod
    def _take_empty_as_absent(cls, value: Any) -> Any:
        return None if value == "" else value


class Cadence(BaseModel):
    """How often the bot looks."""

    model_config = _FROZEN

    cycle_seconds: float = Field(default=300, gt=0, le=86_400, description="from one cycle to the next, seconds")
    guard_seconds: float = Field(
        default=10, gt=0, le=3_600, description="from one guard (exits, hedges) to the next, seconds"
    )
    rounds_max: int = Field(
        default=12, ge=1, le=100, description="cycles run at once while a rotation makes progress, count"
    )
    book_levels: int = Field(
        default=50, ge=5, le=1_000, description="depth of the order books that the gate walks, levels"
    )


class Paper(BaseModel):
    """The account of a dry-run without keys: all of it cash. With keys it starts as a copy of the real one."""

    model_config = _FROZEN

    book_quote: Decimal = Field(default=Decimal(100_000), gt=0, description="book at the start, quote")


class TvlSettings(BaseModel):
    """Total value locked, from DefiLlama's public interface. A missing series lowers confidence and nothing else."""

    model_config = _FROZEN

    is_on: bool = Field(default=True, description="whether TVL is asked for; not in sim, which has its own")
    parts: Mapping[str, tuple[str, ...]] = Field(
        default=TVL_PARTS, description="sector or total → what is added up: protocol:SLUG, chain:NAME or all"
    )


class MacroSettings(BaseModel):
    """Series from outside the market. What is not set up is no part of the evidence, what fails lowers confidence.

    A file is CSV with the columns `date` and `value`; a date counts from its end, UTC.
    """

    model_config = _FROZEN

    stablecoins: bool = Field(
        default=True, description="whether the supply of stablecoins is asked for, at DefiLlama; sim has its own"
    )
    rates_file: Path | None = Field(
        default=None, description="file of an interest rate: lines of date,value, or as FRED or DefiLlama export it"
    )
    rates_title: str = Field(default="interest rate", min_length=1, description="what that rate is called")
    rates_unit: str = Field(default="percent", description="what its values count; see playbook.rates_full")
    rates_age_max_days: int = Field(default=45, ge=1, le=1095, description="an older newest value is missing, days")
    usage_file: Path | None = Field(
        default=None, description="file of network usage: lines of date,value, or as FRED or DefiLlama export it"
    )
    usage_title: str = Field(default="network usage", min_length=1, description="what that usage is called")
    usage_unit: str = Field(default="", description="what its values count")
    usage_age_max_days: int = Field(default=7, ge=1, le=1095, description="an older newest value is missing, days")

    @field_validator("rates_file", "usage_file")
    @classmethod
    def _can_be_read(cls, value: Path | None) -> Path | None:
        if value is not None:
            try:
                read_series(value)
            except OSError as error:
                raise ValueError(f"{value}: {error.strerror or error}") from error
        return value

    @property
    def files(self) -> Mapping[str, SeriesFile]:
        """The files that are set up, by the signal they feed."""
        given = {
            "rates": (self.rates_file, self.rates_title, self.rates_unit, self.rates_age_max_days),
            "usage": (self.usage_file, self.usage_title, self.usage_unit, self.usage_age_max_days),
        }
        return {
            name: SeriesFile(path, title, unit, days * DAY_MS)
            for name, (path, title, unit, days) in given.items()
            if path is not None
        }


class CalendarEntry(BaseModel):
    """An event the operator knows of (PLAYBOOK §3)."""

    model_config = _FROZEN

    name: str = Field(min_length=1, description="what it is, for people")
    kind: Literal["upgrade", "regulatory", "macro"] = Field(description="upgrade, regulatory or macro")
    start: AwareDatetime = Field(description="when it begins to count, with time zone")
    end: AwareDatetime = Field(description="when it ends, with time zone")
    weight: Decimal = Field(ge=-1, le=1, description="−1 speaks against risk, +1 for it")

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> "CalendarEntry":
        if self.end <= self.start:
            raise ValueError(f"{self.name}: end {self.end} is not after start {self.start}")
        return self

    @property
    def event(self) -> CalendarEvent:
        start_ms, end_ms = (int(at.timestamp() * 1000) for at in (self.start, self.end))
        return CalendarEvent(self.name, self.kind, start_ms, end_ms, self.weight)


class JournalSettings(BaseModel):
    """The file that remembers."""

    model_config = _FROZEN

    path: Path | None = Field(default=None, description="journal file; unset: journal.db in the state directory")
    keep_snapshots: int = Field(
        default=200, ge=1, le=100_000, description="cycles that keep what they saw, so that they can be replayed, count"
    )


class Logs(BaseModel):
    """What is printed while running."""

    model_config = _FROZEN

    format: Literal["auto", "console", "json"] = Field(
        default="auto", description="auto: console on a terminal, else JSON"
    )
    level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="least level printed")


class Settings(BaseSettings):
    """Everything that can be set. Frozen."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid")

    environment: Literal["sim", "testnet", "mainnet"] = Field(
        default="testnet",
        description="sim (embedded exchange, no keys), testnet (the venue's test environment) or mainnet",
    )
    mode: Literal["dry-run", "trade"] = Field(
        default="dry-run",
        description="dry-run (paper fills on the venue's market data) or trade (orders are sent)",
    )
    mainnet_acknowledgement: str = Field(default="", description=f'must read "{ACKNOWLEDGEMENT}" to trade on mainnet')
    kill_switch: KillLevel = Field(
        default=KillLevel.OFF,
        description="off; pause: no new risk; reduce-only; cancel (or true): exits only, stops stay; "
        "cancel-all: no order at all; flatten: sell all; read several times a second",
    )
    state_directory: Path = Field(
        default=STATE_DIRECTORY, description="directory of journal, health file and kill file"
    )
    secrets_directory: Path | None = Field(
        default=None,
        description="directory of the files venue__api_key and venue__api_secret; unset: the first that exists of "
        "$CREDENTIALS_DIRECTORY, /run/secrets and ./secrets",
    )
    venue: VenueSettings = VenueSettings()
    cadence: Cadence = Cadence()
    paper: Paper = Paper()
    playbook: Policy = Policy()
    risk: Limits = Limits()
    execution: ExecutionRules = ExecutionRules()
    journal: JournalSettings = JournalSettings()
    logs: Logs = Logs()
    tvl: TvlSettings = TvlSettings()
    macro: MacroSettings = MacroSettings()
    calendar: tuple[CalendarEntry, ...] = Field(
        default=(), description="events you know of, each { name, kind, start, end, weight }"
    )
    universe: Sectors = Field(description="sectors and tokens, from config/sectors.toml")
    _sources: "Sources" = PrivateAttr(default_factory=lambda: Sources())  # noqa: PLW0108 - defined below

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - named by the base class, as are the others
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what `load_settings` merged: every source is read there, so that none is ignored silently."""
        return (init_settings,)

    @field_validator("kill_switch", mode="before")
    @classmethod
    def _accept_a_plain_switch(cls, value: Any) -> Any:
        return {"true": "cancel", "false": "off"}.get(str(value).lower(), value)

    @model_validator(mode="after")
    def _three_locks(self) -> "Settings":
        if self.environment == "mainnet" and self.mode == "trade" and self.mainnet_acknowledgement != ACKNOWLEDGEMENT:
            raise ValueError(
                f'mainnet and trade together need mainnet_acknowledgement = "{ACKNOWLEDGEMENT}"; '
                'use environment = "testnet" or mode = "dry-run" if real orders are not what you want'
            )
        if (self.venue.api_key is None) != (self.venue.api_secret is None):
            raise ValueError("venue.api_key and venue.api_secret belong together; give both or neither")
        for problem in self.universe.problems_with(_sectors_named(self.playbook)):
            raise ValueError(problem)
        return self

    @property
    def sources(self) -> "Sources":
        """Where they came from, so that they can be read again."""
        return self._sources

    @property
    def journal_path(self) -> Path:
        return self.journal.path or self.state_directory / "journal.db"

    @property
    def digest(self) -> str:
        """Names what decides in this configuration; secrets, logs, places and the kill switch are no part of it."""
        deciding = {
            "environment",
            "mode",
            "venue",
            "playbook",
            "risk",
            "execution",
            "paper",
            "universe",
            "tvl",
            "macro",
            "calendar",
        }
        content = self.model_dump(mode="json", include=deciding)
        return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]

    def secret_values(self) -> tuple[str, ...]:
        """What must never be printed."""
        found = (self.venue.api_key, self.venue.api_secret)
        return tuple(secret.get_secret_value() for secret in found if secret is not None)


def _sectors_named(policy: Policy) -> dict[str, str]:
    """Where the playbook names a sector, and which."""
    named = {"playbook.risk_on": policy.risk_on, "playbook.risk_off": policy.risk_off}
    for where in ("neutral", "de_risk"):
        named |= {f"playbook.{where}.{sleeve}": sleeve.rpartition(".")[0] for sleeve in getattr(policy, where)}
    return named | {f"playbook.hedge_whole_from.{name}": name for name in policy.hedge_whole_from}


def redacted(settings: Settings) -> dict[str, Any]:
    """JSON-able settings; secrets are shown as stars."""
    return settings.model_dump(mode="json")


def packaged_config() -> Path:
    """The folder of the defaults: the checkout's `config`, else the copy inside the package."""
    root = Path(__file__).resolve().parent.parent.parent
    checkout = root.parent / "config"
    return checkout if (checkout / "default.toml").is_file() else root / "_config"


@dataclass(frozen=True, slots=True)
class Sources:
    """The files and assignments a command line names; the rest is found where it always is."""

    files: tuple[Path, ...] = ()
    assignments: tuple[str, ...] = ()

    @property
    def watched(self) -> tuple[Path, ...]:
        """Every file that may change the settings, present or not. Secrets are read at the start only."""
        defaults = packaged_config()
        return (defaults / "default.toml", defaults / "sectors.toml", *(self.files or (USER_FILE,)), DOTENV_FILE)

    def read(self) -> list[Layer]:
        """Every source, weakest first.

        Raises:
            SettingsProblem: a file is missing or is not TOML, an assignment is not one.
        """
        defaults = packaged_config()
        layers = [
            settings_layers.read_toml(defaults / "default.toml", name="config/default.toml"),
            settings_layers.read_toml(defaults / "sectors.toml", under="universe", name="config/sectors.toml"),
            *(settings_layers.read_toml(file) for file in self.files or ((USER_FILE,) if USER_FILE.is_file() else ())),
        ]
        base = settings_layers.merge(layers)
        variables = (settings_layers.read_dotenv(), settings_layers.read_environment(known=list(Settings.model_fields)))
        layers.extend(settings_layers.match_case(layer, base) for layer in variables)
        assigned = settings_layers.read_assignments(self.assignments)
        asked = settings_layers.merge([*layers, assigned]).get("secrets_directory")
        usual = [Path(d) for d in (os.environ.get("CREDENTIALS_DIRECTORY"), "/run/secrets", "secrets") if d]
        required = Path(asked) if isinstance(asked, str) and asked else None
        found = [*layers, settings_layers.read_secrets(usual, required=required), assigned]
        if problems := secret_problems(found):
            raise SettingsProblem(problems)
        return found

    def load(self) -> Settings:
        """The settings they give.

        Raises:
            SettingsProblem: lists every problem as place, key = value, reason and suggestion.
        """
        settings = validate(self.read())
        settings._sources = self
        return settings


def read_layers(files: Sequence[Path] = (), assignments: Sequence[str] = ()) -> list[Layer]:
    """See `Sources.read`."""
    return Sources(tuple(files), tuple(assignments)).read()


def load_settings(files: Sequence[Path] = (), assignments: Sequence[str] = ()) -> Settings:
    """See `Sources.load`."""
    return Sources(tuple(files), tuple(assignments)).load()


def validate(layers: Sequence[Layer]) -> Settings:
    """Settings from layers.

    Raises:
        SettingsProblem: see `Sources.load`.
    """
    merged = settings_layers.merge(layers)
    _take_out(Settings, merged)
    try:
        return Settings(**merged)
    except ValidationError as error:
        raise SettingsProblem([_sentence(item, layers) for item in error.errors(include_url=False)]) from None


def field_at(path: KeyPath) -> tuple[Any, str]:
    """The type that stands at a key path, and its description; (None, "") where the path leads nowhere."""
    kind: Any = Settings
    description = ""
    for part in path:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            field = kind.model_fields.get(part)
            kind, description = (field.annotation, field.description or "") if field else (None, "")
        elif get_origin(kind) in (Mapping, tuple):
            kind = get_args(kind)[get_origin(kind) is Mapping]
        else:
            return None, ""
    return kind, description


def _take_out(kind: Any, content: Any) -> None:
    """Entries of tables with free names that a stronger layer set to `false`."""
    if not isinstance(content, dict):
        return
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        for name, field in kind.model_fields.items():
            _take_out(field.annotation, content.get(name))
    elif get_origin(kind) is Mapping:
        for name in [name for name, value in content.items() if value in (False, "false")]:
            del content[name]
        for value in content.values():
            _take_out(get_args(kind)[1], value)


def _sentence(item: Mapping[str, Any], layers: Sequence[Layer]) -> str:
    """`place key = value: reason`, in the user's words."""
    path = tuple(str(part) for part in item["loc"] if part != "[key]")
    reason = str(item["msg"]).removeprefix("Value error, ")
    is_ours = item["type"] == "value_error"
    if is_ours and (named := re.match(r"[\w.]+(?=:| = | and )", reason)):
        longer = (*path, *settings_layers.split_key(named[0]))
        if settings_layers.origin(layers, longer) is not None:
            path, reason = longer, reason.removeprefix(f"{named[0]}: ")
    layer = settings_layers.origin(layers, path) if path else None
    place = layer.place(path) if layer is not None else "configuration"
    if item["type"] == "extra_forbidden":
        known = _known_names(path[:-1])
        close = difflib.get_close_matches(path[-1], known, n=1)
        reason = f"unknown key; did you mean {close[0]!r}?" if close else f"unknown key; known are {', '.join(known)}"
    elif not is_ours and (description := field_at(path)[1]):
        reason = f"{reason} ({description})"
    is_shown = not is_ours and not isinstance(item["input"], Mapping | BaseModel)
    is_foreign = item["type"] == "extra_forbidden" and path[:1] == ("venue",)  # a key by a name of another program
    shown = f" = {'********' if is_foreign else _shown(path, layer, item['input'])}" if is_shown else ""
    return f"{place} {'.'.join(path)}{shown}: {reason}" if path else f"{place}: {reason}"


def _shown(path: KeyPath, layer: Layer | None, value: Any) -> str:
    is_secret = path[:1] == ("venue",) and any(word in path[-1].lower() for word in ("key", "secret", "pass", "token"))
    return "********" if is_secret or (layer is not None and layer.is_secret) else repr(value)


def _known_names(path: KeyPath) -> list[str]:
    kind = field_at(path)[0]
    return sorted(kind.model_fields) if isinstance(kind, type) and issubclass(kind, BaseModel) else []
