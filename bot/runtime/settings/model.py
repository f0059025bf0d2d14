"""All settings: one frozen model over layered sources (DESIGN §8).

Weakest first: `config/default.toml`, `config/sectors.toml` (under `universe`), the user's files, `.env`,
`SECTORBOT__A__B`, a secrets directory, `--set`. Unknown names, missing files and wrong values are errors that name
their place.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import orjson
from pydantic import (
    BaseModel,
    Field,
    PrivateAttr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from bot.domain.instrument import Kind
from bot.domain.order import SizingLimits
from bot.domain.states import KillLevel
from bot.execution.rules import ExecutionRules
from bot.playbook.policy.choices import Style
from bot.playbook.policy.numbers import Policy, Sectors
from bot.risk import Limits
from bot.runtime.settings import layers as settings_layers
from bot.runtime.settings.cost_basis import CostBasis
from bot.runtime.settings.fields import constants_in, hidden_in, problem_text
from bot.runtime.settings.layers import (
    DOTENV_FILE,
    STATE_DIRECTORY,
    USER_FILE,
    Layer,
    SettingsProblem,
)
from bot.runtime.settings.operate.metrics import MetricsSettings
from bot.runtime.settings.operate.notify import NotifySettings
from bot.runtime.settings.operate.telegram import TelegramSettings
from bot.runtime.settings.places import journal_path_of, whole_path
from bot.runtime.settings.renamed import with_names_of_today
from bot.runtime.settings.secret_shape import parts_of, secret_problems
from bot.runtime.settings.sections import (
    Cadence,
    CalendarEntry,
    DashboardSettings,
    JournalSettings,
    Logs,
    MacroSettings,
    Paper,
    TvlSettings,
    VenueSettings,
)
from bot.runtime.settings.series.model import SeriesSettings, series_problems
from bot.venues.abilities import OrderForm
from bot.venues.registry import Needs, problem_of, unasked_perps

ACKNOWLEDGEMENT = "I accept that real orders will be placed"
LEVERAGE_ADVISED = Decimal(5)
SELL_FRACTION_ADVISED = Decimal("0.20")
SeriesName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]


class Settings(BaseSettings):
    """Everything that can be set. Frozen."""

    # without case_sensitive a name in other letters is dropped without a word where a file of ours gives it as well
    model_config = SettingsConfigDict(frozen=True, extra="forbid", case_sensitive=True)

    environment: Literal["sim", "testnet", "mainnet"] = Field(
        default="testnet",
        description="sim (embedded exchange, no keys), testnet (the venue's test environment) or mainnet",
    )
    mode: Literal["dry-run", "trade"] = Field(
        default="dry-run",
        description="dry-run (paper fills on the venue's market data) or trade (orders are sent)",
    )
    mainnet_acknowledgement: str = Field(default="", description=f'must read "{ACKNOWLEDGEMENT}" to trade on mainnet')
    advanced: bool = Field(
        default=False,
        description="whether leverage above 5 (risk.position_leverage_max) and sales of more than 0.20 of a sector "
        "(playbook.rotation.max_sell_fraction) are accepted",
    )
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
    metrics: MetricsSettings = MetricsSettings()
    notify: NotifySettings = NotifySettings()
    telegram: TelegramSettings = TelegramSettings()
    dashboard: DashboardSettings = DashboardSettings()
    tvl: TvlSettings = TvlSettings()
    macro: MacroSettings = MacroSettings()
    calendar: tuple[CalendarEntry, ...] = Field(
        default=(), description="events you know of, each { name, kind, start, end, weight }"
    )
    cost_basis: Mapping[str, CostBasis] = Field(
        default={}, description="what holdings older than the bot were paid for, by token: { size, price }"
    )
    series: Mapping[SeriesName, SeriesSettings] = Field(
        default={},
        description="drivers of your own, by name: files or addresses of CSV or JSON (docs/your-own-signal.md)",
    )
    universe: Sectors = Field(description="sectors and tokens, from config/sectors.toml")
    _notes: tuple[str, ...] = PrivateAttr(default=())
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

    _is_whole = field_validator("state_directory")(whole_path)

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
        if self.venue.problem:
            raise ValueError(self.venue.problem)
        needs = _order_needs(self.playbook.orders.increase_style, has_pullback=self.playbook.entries.pullback)
        for kind in filter(self.venue.kinds.__contains__, Kind):
            account = self.venue.account_of(kind)
            unoffered = problem_of(
                account.id,
                environment=self.environment,
                spot_testnet=self.venue.spot_testnet and kind is Kind.SPOT,
                demo=account.demo,
                secret="" if account.api_secret is None else account.api_secret.get_secret_value(),
                has_maintenance=self.risk.maintenance_rate > SizingLimits().maintenance_rate,
                needs={need: setting for need, setting in needs.items() if need[0] is kind},
                streams=self.venue.streams,
            )
            if unoffered:
                raise ValueError(unoffered)
        if Kind.PERP not in self.venue.kinds and self.playbook.perp_uses:
            raise ValueError(unasked_perps(self.venue.account_of(Kind.PERP).id, self.playbook.perp_uses))
        if self.venue.signals_from == "mainnet" and self.environment != "testnet":
            raise ValueError(
                'venue.signals_from = "mainnet" is for a test network, whose prices are not the market\'s: use "venue" '
                f"with environment = {self.environment!r}"
            )
        beyond = () if self.advanced else _advanced_values(self)
        of_sectors = self.universe.problems_with(_sectors_named(self.playbook))
        for problem in (*_exchange_problems(self), *beyond, *of_sectors):
            raise ValueError(problem)
        sides = self.playbook.allocation
        for problem in series_problems(self.series, sides.risk_on, sides.risk_off):
            raise ValueError(problem)
        return self

    @property
    def policy(self) -> Policy:
        """The playbook with the rules of the configured series."""
        if not self.series:
            return self.playbook
        return self.playbook.model_copy(update={"series": {name: one.rule for name, one in self.series.items()}})

    @property
    def sources(self) -> "Sources":
        """Where they came from, so that they can be read again."""
        return self._sources

    @property
    def notes(self) -> tuple[str, ...]:
        """Warnings about names that are accepted in this release only."""
        return self._notes

    @property
    def journal_path(self) -> Path:
        """The journal of this environment and mode."""
        if self.journal.path is not None:
            return self.journal.path
        is_shared = self.state_directory == STATE_DIRECTORY
        # An exchange that goes on keeps its journal: those of `sim` begin anew with each run.
        environment = self.environment if self.venue.exchange is None else "exchange"
        return journal_path_of(self.state_directory, environment=environment, mode=self.mode, is_shared=is_shared)

    @property
    def key_problem(self) -> str:
        """What a run lacks to send orders to a venue; empty when it lacks nothing."""
        lacking = [account for account in self.venue.accounts if not account.has_keys]
        if self.mode != "trade" or self.environment == "sim" or not lacking:
            return ""
        names = " and ".join(f"{account.where}.api_key and {account.where}.api_secret" for account in lacking)
        of = f" (of {' and '.join(account.id for account in lacking)})" if self.venue.is_pair else ""
        return (
            f"mode = trade needs {names}{of}: copy config/example.env to .env and fill it in, or "
            "put them into a secrets directory; a dry-run needs neither"
        )

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
            "series",
        }
        content = self.model_dump(mode="json", include=deciding)
        return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]

    def secret_values(self) -> tuple[str, ...]:
        """What must never be printed."""
        keys = tuple(part for secret in self.venue.secrets for part in parts_of(secret.get_secret_value()))
        return (*keys, *self.notify.secret_parts, *self.telegram.secret_parts)


def _order_needs(style: Style, *, has_pullback: bool) -> Needs:
    """The orders that the playbook sends: purchases and exits at once, purchases that rest where the style asks for it,
    stops of what is held with leverage."""
    always = "the playbook"
    needs = {(Kind.SPOT, OrderForm.AT_ONCE): always, (Kind.PERP, OrderForm.AT_ONCE): always}
    needs |= {(Kind.PERP, OrderForm.STOP_BY_MARK): "the stop of a leveraged position"}
    rests = {Style.LIMIT: OrderForm.RESTING, Style.POST_ONLY: OrderForm.POST_ONLY}.get(style)
    if rests is not None:
        needs[Kind.SPOT, rests] = f'playbook.orders.increase_style = "{style.value}"'
    if has_pullback:
        needs.setdefault((Kind.SPOT, OrderForm.RESTING), "playbook.entries.pullback = true")
    return needs


def _exchange_problems(settings: Settings) -> Iterator[str]:
    """What keeps a run from trading at a running `sectorbot exchange`."""
    place, environment = settings.venue.exchange, settings.environment
    if place is None:
        return
    if environment != "sim":
        yield f'venue.exchange is for environment = "sim", and this is {environment}: take it out, or use -e sim'
    if settings.venue.api_key is not None:
        yield (
            "venue.exchange brings its own key: take venue.api_key and venue.api_secret out; a key of a real venue is "
            "never sent to a simulator"
        )
    if ":/" in str(place):
        yield f"venue.exchange = {str(place)!r}: give the state directory of `sectorbot exchange`, not an address"


def _advanced_values(settings: Settings) -> Iterator[str]:
    """What is set beyond what the playbook advises."""
    for name, value, advised in (
        ("risk.position_leverage_max", settings.risk.position_leverage_max, LEVERAGE_ADVISED),
        ("playbook.rotation.max_sell_fraction", settings.playbook.rotation.max_sell_fraction, SELL_FRACTION_ADVISED),
    ):
        if value > advised:
            yield f"{name} = {value} is above {advised}, what is advised: set advanced = true to mean it, or lower it"


def _sectors_named(policy: Policy) -> dict[str, str]:
    """Where the playbook names a sector, and which."""
    named = {
        "playbook.allocation.risk_on": policy.allocation.risk_on,
        "playbook.allocation.risk_off": policy.allocation.risk_off,
    }
    for where, target in policy.allocation.named_targets.items():
        named |= {f"playbook.allocation.{where}.{sleeve}": sleeve.rpartition(".")[0] for sleeve in target}
    return named | {f"playbook.hedging.whole_from.{name}": name for name in policy.hedging.whole_from}


def redacted(settings: Settings, *, with_constants: bool = False) -> dict[str, Any]:
    """JSON-able settings; secrets are shown as stars. Constants are left out unless they are asked for."""
    return settings.model_dump(mode="json", exclude=None if with_constants else hidden_in(Settings))


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
            *(settings_layers.read_toml(file) for file in self.files or settings_layers.user_files()),
        ]
        base = settings_layers.merge(layers)
        variables = (settings_layers.read_dotenv(), settings_layers.read_environment(known=list(Settings.model_fields)))
        layers.extend(settings_layers.match_case(layer, base) for layer in variables)
        assigned = settings_layers.read_assignments(self.assignments)
        requested = settings_layers.merge([*layers, assigned]).get("secrets_directory")
        usual = [Path(d) for d in (os.environ.get("CREDENTIALS_DIRECTORY"), "/run/secrets", "secrets") if d]
        required = Path(requested) if isinstance(requested, str) and requested else None
        result = [*layers, settings_layers.read_secrets(usual, required=required), assigned]
        if problems := secret_problems(result):
            raise SettingsProblem(problems)
        shipped = [layer.name for layer in layers[:2]]
        shipped += [str(file) for file in self.files if file.resolve().parent == defaults]
        return with_names_of_today(result, shipped=shipped, constants=tuple(constants_in(Settings)))

    def load(self) -> Settings:
        """The settings they give.

        Raises:
            SettingsProblem: lists every problem as place, key = value, reason and suggestion.
        """
        layers = self.read()
        settings = validate(layers)
        settings._sources = self
        settings._notes = tuple(note for layer in layers for note in layer.notes)
        return settings


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
        problems = [problem_text(Settings, item, layers) for item in error.errors(include_url=False)]
        raise SettingsProblem(problems) from None


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
