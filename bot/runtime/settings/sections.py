"""The sections of the settings that belong to running the bot: venue, cadence, paper account, series, journal, logs,
dashboard."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic.json_schema import SkipJsonSchema

from bot.domain.durations import DAY_MS
from bot.domain.instrument import Kind
from bot.domain.market import CalendarEvent
from bot.feeds.macro import SeriesFile, read_series
from bot.runtime.settings.places import whole_path
from bot.venues.registry import FOLDERS, abilities_of

FROZEN = ConfigDict(frozen=True, extra="forbid")


class Section(BaseModel):
    """A section of the settings: frozen, and without unknown names."""

    model_config = FROZEN


TVL_PARTS: Mapping[str, tuple[str, ...]] = {
    "total": ("all",),
    "defi": ("all",),
    "infra": ("chain:Ethereum", "chain:Solana", "chain:Avalanche", "chain:Arbitrum"),
}


@dataclass(frozen=True, slots=True)
class VenueTiming:
    """How often the venue's clock and the account's settings are checked. Tests may replace it."""

    # how much every rate-limit window is lengthened, ms
    latency_spread_ms: Annotated[int, Field(ge=0, le=10_000)] = 1_000
    # how often the clock skew is measured, seconds
    clock_check_seconds: Annotated[int, Field(ge=60)] = 3_600
    # how often the settings of account and key are checked again, seconds
    account_check_seconds: Annotated[int, Field(ge=60, le=86_400)] = 3_600


@dataclass(frozen=True, slots=True)
class TurnCounts:
    """Counts of turns. Tests may replace them."""

    # cycles run at once while a rotation makes progress
    rounds_max: Annotated[int, Field(ge=1, le=100)] = 12
    # depth of the order books that the gate walks, levels
    book_levels: Annotated[int, Field(ge=5, le=1_000)] = 50


def _known_venue(value: str) -> str:
    if value not in FOLDERS:
        if value.lower() in FOLDERS:
            raise ValueError(f"{value!r} is written in small letters: {value.lower()!r}")
        raise ValueError(f"{value!r} is not supported; the exchanges are {', '.join(sorted(FOLDERS))}")
    return value


def _empty_as_absent(value: Any) -> Any:
    return None if value == "" else value


class VenueSide(BaseModel):
    """Where one kind of market is traded, if not at the account of [venue]."""

    model_config = FROZEN

    id: str | None = Field(default=None, description="exchange, by its ccxt id; unset: venue.id")
    demo: bool | None = Field(default=None, description="whether testnet is its demo trading; unset: as venue.demo")
    api_key: SecretStr | None = Field(
        default=None, description="key of its account, if it is another one; a secret, like venue.api_key"
    )
    api_secret: SecretStr | None = Field(default=None, description="its secret")

    _is_known = field_validator("id")(lambda value: value if value is None else _known_venue(value))
    _take_empty_as_absent = field_validator("api_key", "api_secret", mode="before")(_empty_as_absent)

    @property
    def secrets(self) -> tuple[SecretStr, ...]:
        """The keys that are given."""
        return tuple(secret for secret in (self.api_key, self.api_secret) if secret is not None)


@dataclass(frozen=True, slots=True)
class VenueAccount:
    """An account that is traded. `where` is the table of the settings that its keys belong in."""

    id: str
    demo: bool
    api_key: SecretStr | None
    api_secret: SecretStr | None
    where: str

    @property
    def has_keys(self) -> bool:
        return self.api_key is not None and self.api_secret is not None

    @property
    def words(self) -> str:
        """The exchange, and whether it is asked with keys."""
        keys = f"with the keys of [{self.where}]" if self.has_keys else "without keys"
        return f"{self.id}{', demo trading' if self.demo else ''}, {keys}"


class VenueSettings(BaseModel):
    """Which account at which exchange. With [venue.spot] or [venue.perp] spot and perps are at two of them."""

    model_config = FROZEN

    id: str = Field(default="binance", description="exchange, by its ccxt id")
    account: str = Field(
        default="main", min_length=1, max_length=32, description="our name of the account; part of order ids"
    )
    spot_testnet: bool = Field(
        default=False, description="whether to use the spot-only test network instead of demo trading"
    )
    demo: bool = Field(
        default=False,
        description="whether testnet is the venue's demo trading, at the prices of its real market; where it has both",
    )
    signals_from: Literal["venue", "mainnet"] = Field(
        default="venue",
        description="market that signals are read from: venue (the one that is traded) or, on a test network, mainnet "
        "(public data of the venue's real market)",
    )
    streams: bool = Field(
        default=False,
        description="whether the venue's WebSocket streams make the guard look sooner, and less often while nothing "
        "happens; nothing is decided by them. trade mode only",
    )
    api_key: SecretStr | None = Field(
        default=None, description="key; a secret: give it in a secrets file or as SECTORBOT__VENUE__API_KEY"
    )
    api_secret: SecretStr | None = Field(
        default=None,
        description="its secret; give it in a secrets file or as SECTORBOT__VENUE__API_SECRET; where keys have a "
        "passphrase: SECRET,PASSPHRASE",
    )

    trust_env: bool = Field(
        default=True, description="whether to use the proxies that HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY name"
    )

    exchange: Path | None = Field(
        default=None,
        description="state directory of a running `sectorbot exchange`: sim trades there instead of at an exchange of "
        "its own, with the key that is kept there",
    )

    timing: SkipJsonSchema[VenueTiming] = Field(default=VenueTiming(), repr=False)
    spot: VenueSide = Field(default=VenueSide(), description="where spot is traded")
    perp: VenueSide = Field(default=VenueSide(), description="where perps are traded")

    _is_known = field_validator("id")(_known_venue)
    _take_empty_as_absent = field_validator("api_key", "api_secret", mode="before")(_empty_as_absent)

    def account_of(self, kind: Kind) -> VenueAccount:
        """The account that trades one kind of market. The keys of [venue] are those of venue.id and of no other."""
        name = kind.value
        side: VenueSide = self.spot if kind is Kind.SPOT else self.perp
        venue_id = side.id or self.id
        is_own = venue_id == self.id and side.api_key is None and side.api_secret is None
        demo = side.demo if side.demo is not None else self.demo and venue_id == self.id
        if is_own:
            return VenueAccount(venue_id, demo, self.api_key, self.api_secret, "venue")
        return VenueAccount(venue_id, demo, side.api_key, side.api_secret, f"venue.{name}")

    @property
    def kinds(self) -> frozenset[Kind]:
        """The kinds of markets that are traded: at some venues perps only where their table names the venue."""
        named = {Kind.SPOT: self.spot.id, Kind.PERP: self.perp.id}
        return frozenset(
            kind for kind in Kind if named[kind] or kind not in abilities_of(self.account_of(kind).id).named_kinds
        )

    @property
    def accounts(self) -> tuple[VenueAccount, ...]:
        """The one account, or that of spot and that of perps."""
        spot, perp = self.account_of(Kind.SPOT), self.account_of(Kind.PERP)
        return (spot,) if spot == perp or Kind.PERP not in self.kinds else (spot, perp)

    @property
    def secrets(self) -> tuple[SecretStr, ...]:
        """The keys that are given, those of all tables."""
        own = tuple(secret for secret in (self.api_key, self.api_secret) if secret is not None)
        return (*own, *self.spot.secrets, *self.perp.secrets)

    def without_keys(self) -> "VenueSettings":
        """The same without any key."""
        none = {"api_key": None, "api_secret": None}
        spot, perp = self.spot.model_copy(update=none), self.perp.model_copy(update=none)
        return self.model_copy(update={**none, "spot": spot, "perp": perp})

    @property
    def is_pair(self) -> bool:
        """Whether spot and perps are at two accounts."""
        return len(self.accounts) > 1

    @property
    def name(self) -> str:
        """The exchange; of two that of spot and that of perps, as in `a+b`."""
        return "+".join(account.id for account in self.accounts)

    def words_for(self, environment: str) -> Mapping[str, str]:
        """Where each kind of market is traded: a simulator is never shown as the venue that it speaks as."""
        if environment != "sim":
            return {role: account.words for role, account in self.roles.items()}
        which = "an exchange of this run's own" if self.exchange is None else f"the exchange of {str(self.exchange)!r}"
        return {role: f"{which}: a simulator on this machine that speaks as {a.id}" for role, a in self.roles.items()}

    @property
    def roles(self) -> Mapping[str, VenueAccount]:
        """The account of each kind of market; of both where it is one."""
        spot, *others = self.accounts
        if others:
            return {"spot": spot, "perps": others[0]}
        return {"spot and perps" if Kind.PERP in self.kinds else "spot": spot}

    @property
    def problem(self) -> str:
        """What is wrong with the keys as they are given; empty when nothing is."""
        for account in self.accounts:
            if (account.api_key is None) != (account.api_secret is None):
                return f"{account.where}.api_key and {account.where}.api_secret belong together; give both or neither"
        if self.api_key is not None and all(account.where != "venue" for account in self.accounts):
            return (
                "venue.api_key is of an account that trades neither spot nor perps here: give each key in its own "
                "table, venue.spot.api_key and venue.perp.api_key"
            )
        return ""


class Cadence(BaseModel):
    """How often the bot looks."""

    model_config = FROZEN

    cycle_seconds: float = Field(default=300, gt=0, le=86_400, description="from one cycle to the next, seconds")
    guard_seconds: float = Field(
        default=10, gt=0, le=3_600, description="from one guard (exits, hedges) to the next, seconds"
    )
    timing: SkipJsonSchema[TurnCounts] = Field(default=TurnCounts(), repr=False)


class Paper(BaseModel):
    """The account of a dry-run without keys: all of it cash. With keys it starts as a copy of the real one."""

    model_config = FROZEN

    book_quote: Decimal = Field(default=Decimal(100_000), gt=0, description="book at the start, quote")


class TvlSettings(BaseModel):
    """Total value locked, from DefiLlama's public interface. A missing series lowers confidence and nothing else."""

    model_config = FROZEN

    is_on: bool = Field(default=True, description="whether TVL is asked for; not in sim, which has its own")
    parts: Mapping[str, tuple[str, ...]] = Field(
        default=TVL_PARTS, description="sector or total → what is added up: protocol:SLUG, chain:NAME or all"
    )


class MacroSettings(BaseModel):
    """Series from outside the market. What is not set up is no part of the evidence, what fails lowers confidence.

    A file is CSV with the columns `date` and `value`; a date counts from its end, UTC.
    """

    model_config = FROZEN

    stablecoins: bool = Field(
        default=True, description="whether the supply of stablecoins is asked for, at DefiLlama; sim has its own"
    )
    rates_file: Path | None = Field(
        default=None,
        description="file of an interest rate, percent: lines of date,value, or as FRED or DefiLlama export it",
    )
    rates_title: SkipJsonSchema[str] = Field(
        default="interest rate", min_length=1, description="what that rate is called"
    )
    rates_unit: SkipJsonSchema[str] = Field(
        default="percent", description="what its values count; see playbook.signals.rates_full"
    )
    rates_age_max_days: SkipJsonSchema[int] = Field(
        default=45, ge=1, le=1095, description="an older newest value is missing, days"
    )
    usage_file: Path | None = Field(
        default=None, description="file of network usage: lines of date,value, or as FRED or DefiLlama export it"
    )
    usage_title: SkipJsonSchema[str] = Field(
        default="network usage", min_length=1, description="what that usage is called"
    )
    usage_unit: SkipJsonSchema[str] = Field(default="", description="what its values count")
    usage_age_max_days: SkipJsonSchema[int] = Field(
        default=7, ge=1, le=1095, description="an older newest value is missing, days"
    )

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

    model_config = FROZEN

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
    """The journal: its file and how long it keeps snapshots."""

    model_config = FROZEN

    path: Path | None = Field(
        default=None,
        description="journal file; unset: journal.db in the state directory, or in var/ENVIRONMENT-MODE where no "
        "state directory is named",
    )
    keep_snapshots: SkipJsonSchema[int] = Field(
        default=200,
        ge=1,
        le=100_000,
        description="newest cycles that keep what they saw, so that they can be replayed, count; the first of each day "
        "does so for ever",
    )

    _is_whole = field_validator("path")(whole_path)


class Logs(BaseModel):
    """What is printed while running."""

    model_config = FROZEN

    format: Literal["auto", "console", "json"] = Field(
        default="auto", description="auto: console on a terminal, else JSON"
    )
    level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="least level printed")


class DashboardAccount(BaseModel):
    """Who may use the dashboard and its API."""

    model_config = FROZEN

    role: Literal["viewer", "operator"] = Field(
        default="viewer", description="viewer reads; operator may also pause, cancel, flatten and resume"
    )
    password_hash: SecretStr | None = Field(default=None, description="argon2 hash of the password for the pages")
    token_hash: SecretStr | None = Field(default=None, description="SHA-256 of the token for /api/v1, hexadecimal")


class DashboardSettings(BaseModel):
    """The web page of the bot (docs/dashboard.md)."""

    model_config = FROZEN

    enabled: bool | None = Field(
        default=None, description="whether a run serves it; unset: in environment sim, in a run without end"
    )
    host: str = Field(
        default="127.0.0.1", min_length=1, description="address it listens on; one beyond this machine needs an account"
    )
    port: int = Field(
        default=8420, ge=0, le=65_535, description="its port; if taken, one of the next nine; 0 takes any that is free"
    )
    names: tuple[str, ...] = Field(
        default=(), description="host names, besides localhost, by which browsers may ask for it"
    )
    accounts: Mapping[str, DashboardAccount] = Field(
        default={},
        description="who may log in, by name: { role, password_hash, token_hash } of `dashboard --account`",
    )

    @model_validator(mode="after")
    def _needs_a_password_beyond_this_machine(self) -> "DashboardSettings":
        if not self.is_local and not any(account.password_hash for account in self.accounts.values()):
            raise ValueError(
                f"host = {self.host} lets other machines ask for the dashboard, so it needs an account with a "
                "password: make one with `sectorbot dashboard --account NAME`, or set host = 127.0.0.1"
            )
        return self

    @property
    def is_local(self) -> bool:
        """Whether only programs of this machine reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"
