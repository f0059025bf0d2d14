"""All settings: one frozen model over layered sources (DESIGN §8).

Weakest first: `config/default.toml`, `config/sectors.toml` (under `universe`), the user's files, `SECTORBOT__A__B`, a
secrets directory, `--set`. Unknown names, missing files and wrong values are errors that name their place.
"""

import difflib
import hashlib
import os
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from bot.app import settings_layers
from bot.app.settings_layers import Layer, SettingsProblem
from bot.domain.states import KillLevel
from bot.execution.rules import ExecutionRules
from bot.playbook.policy import Policy, Sectors
from bot.risk import Limits

ACKNOWLEDGEMENT = "I accept that real orders will be placed"
USER_FILE = Path("sectorbot.toml")
_FROZEN = ConfigDict(frozen=True, extra="forbid")


class VenueSettings(BaseModel):
    """Which account at which exchange."""

    model_config = _FROZEN

    id: str = Field("binance", description="exchange, by its ccxt id")
    account: str = Field("main", min_length=1, max_length=32, description="our name of the account; part of order ids")
    spot_testnet: bool = Field(False, description="use the spot-only test network instead of demo trading")
    api_key: SecretStr | None = Field(None, description="key; give it in a secrets file or the environment")
    api_secret: SecretStr | None = Field(None, description="secret; give it in a secrets file or the environment")
    latency_spread_ms: int = Field(1_000, ge=0, le=10_000, description="lengthens every rate-limit window, ms")
    clock_check_seconds: int = Field(3_600, ge=60, description="how often the clock skew is measured, seconds")


class Cadence(BaseModel):
    """How often the bot looks."""

    model_config = _FROZEN

    cycle_seconds: float = Field(300, gt=0, le=86_400, description="between two cycles, seconds")
    guard_seconds: float = Field(10, gt=0, le=3_600, description="between two guards, seconds")
    rounds_max: int = Field(12, ge=1, le=100, description="cycles run at once while a rotation makes progress, count")
    book_levels: int = Field(50, ge=5, le=1_000, description="depth read for the gate, levels")


class Paper(BaseModel):
    """The account of a dry-run without keys. With keys it starts as a copy of the real one."""

    model_config = _FROZEN

    book_quote: Decimal = Field(Decimal(100_000), gt=0, description="book at its neutral weights, quote")


class JournalSettings(BaseModel):
    """The file that remembers."""

    model_config = _FROZEN

    path: Path | None = Field(None, description="journal file; default journal.db in the state directory")
    keep_snapshots: int = Field(200, ge=1, le=100_000, description="cycles that keep what they saw, count")


class Logs(BaseModel):
    """What is printed while running."""

    model_config = _FROZEN

    format: Literal["auto", "console", "json"] = Field("auto", description="auto: console on a terminal, else JSON")
    level: Literal["debug", "info", "warning", "error"] = Field("info", description="least level printed")


class Settings(BaseSettings):
    """Everything that can be set. Frozen."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid")

    environment: Literal["sim", "testnet", "mainnet"] = Field("testnet", description="sim is the embedded exchange")
    mode: Literal["dry-run", "trade"] = Field("dry-run", description="dry-run fills on paper, trade sends orders")
    mainnet_acknowledgement: str = Field("", description=f'must read "{ACKNOWLEDGEMENT}" to trade on mainnet')
    kill_switch: KillLevel = Field(KillLevel.OFF, description="off, pause, reduce-only, cancel (or true), flatten")
    state_directory: Path = Field(Path("var"), description="journal, health file, kill file")
    venue: VenueSettings = VenueSettings()
    cadence: Cadence = Cadence()
    paper: Paper = Paper()
    playbook: Policy = Policy()
    risk: Limits = Limits()
    execution: ExecutionRules = ExecutionRules()
    journal: JournalSettings = JournalSettings()
    logs: Logs = Logs()
    universe: Sectors = Field(description="sectors and tokens, from config/sectors.toml")

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource, **_: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what `load_settings` merged: every source is read there, so that none is ignored silently."""
        return (init_settings,)

    @field_validator("kill_switch", mode="before")
    @classmethod
    def _accept_a_plain_switch(cls, value: Any) -> Any:
        return {True: "cancel", False: "off"}.get(value, value) if isinstance(value, bool) else value

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
    def journal_path(self) -> Path:
        return self.journal.path or self.state_directory / "journal.db"

    @property
    def digest(self) -> str:
        """Names this configuration in the journal; secrets are not part of it."""
        return hashlib.sha256(orjson.dumps(redacted(self), option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]

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
    root = Path(__file__).resolve().parent.parent
    checkout = root.parent / "config"
    return checkout if (checkout / "default.toml").is_file() else root / "_config"


def read_layers(files: Sequence[Path] = (), assignments: Sequence[str] = ()) -> list[Layer]:
    """Every source, weakest first.

    Raises:
        SettingsProblem: a file is missing or is not TOML, an assignment is not one.
    """
    defaults = packaged_config()
    chosen = list(files) or ([USER_FILE] if USER_FILE.is_file() else [])
    layers = [
        settings_layers.read_toml(defaults / "default.toml", name="config/default.toml"),
        settings_layers.read_toml(defaults / "sectors.toml", under="universe", name="config/sectors.toml"),
        *(settings_layers.read_toml(file) for file in chosen),
        settings_layers.read_environment(),
    ]
    asked = settings_layers.merge(layers).get("secrets_directory")
    credentials = [Path(d) for d in (asked, os.environ.get("CREDENTIALS_DIRECTORY"), "/run/secrets", "secrets") if d]
    return [*layers, settings_layers.read_secrets(credentials), settings_layers.read_assignments(assignments)]


def load_settings(files: Sequence[Path] = (), assignments: Sequence[str] = ()) -> Settings:
    """The settings in force.

    Raises:
        SettingsProblem: lists every problem as place, key = value, reason and suggestion.
    """
    return validate(read_layers(files, assignments))


def validate(layers: Sequence[Layer]) -> Settings:
    """Settings from layers.

    Raises:
        SettingsProblem: see `load_settings`.
    """
    try:
        return Settings(**settings_layers.merge(layers))
    except ValidationError as error:
        raise SettingsProblem([_sentence(item, layers) for item in error.errors(include_url=False)]) from None


def _sentence(item: Mapping[str, Any], layers: Sequence[Layer]) -> str:
    path = tuple(str(part) for part in item["loc"])
    layer = settings_layers.origin(layers, path) if path else None
    place = layer.place(path) if layer is not None else "configuration"
    reason = str(item["msg"]).removeprefix("Value error, ")
    shown = "" if isinstance(item["input"], Mapping | BaseModel) else f" = {_shown(path, item['input'])}"
    if item["type"] == "extra_forbidden":
        known = _known_names(path[:-1])
        close = difflib.get_close_matches(path[-1], known, n=1)
        reason = f"unknown key; did you mean {close[0]!r}?" if close else f"unknown key; known are {', '.join(known)}"
    return f"{place} {'.'.join(path)}{shown}: {reason}" if path else f"{place}: {reason}"


def _shown(path: tuple[str, ...], value: Any) -> str:
    return "********" if any("secret" in part or "key" in part for part in path) else repr(value)


def _known_names(path: tuple[str, ...]) -> list[str]:
    model: Any = Settings
    for part in path:
        fields = model.model_fields if isinstance(model, type) and issubclass(model, BaseModel) else {}
        if part not in fields:
            return []
        model = fields[part].annotation
    return sorted(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []
