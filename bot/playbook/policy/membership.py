"""What belongs to which sector: the content of `config/sectors.toml` (PLAYBOOK §10).

A token may lean towards several sectors; it is traded on behalf of the one it leans to most, and counted in each.
"""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.json_schema import SkipJsonSchema

from bot.domain.durations import DAY_MS
from bot.domain.instrument import multiplier_of
from bot.domain.money import ONE, ZERO
from bot.domain.symbol import FormerSymbol, Lineage, SymbolSuccession, base_of
from bot.playbook.policy.renames import Rename, day_ms, rename_problems

Weight = Annotated[Decimal, Field(gt=0, le=1)]


class Weighting(StrEnum):
    """How a sector divides its spot between its tokens."""

    EQUAL = "equal"
    LIQUIDITY = "liquidity"
    GIVEN = "given"


class Selection(StrEnum):
    """Which tokens of the list are members of their sector: all of them, or the most traded ones of each month."""

    LIST = "list"
    LIQUID = "liquid"


class Sector(BaseModel):
    """One sector: its weighting, and the perps that hedge it or carry its tactical long, best first."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str = Field(default="", description="name shown to people")
    weighting: Weighting = Field(
        default=Weighting.EQUAL, description="equal, liquidity (by rank of volume, capped by weight_max) or given"
    )
    weight_max: Decimal = Field(
        default=Decimal("0.30"), gt=0, le=1, description="cap on one token, equal or liquidity, share of the sector"
    )
    weights: Mapping[str, Weight] = Field(default={}, description="weight per token under given; they add up to 1")
    hedge: tuple[str, ...] = Field(default=(), description="tokens whose perp hedges the sector, by preference")
    index: tuple[str, ...] = Field(
        default=(), description="names under [perps] of perps that are an index of the sector, by preference"
    )
    tactical: tuple[str, ...] = Field(default=(), description="tokens whose perp carries the tactical long")


class Sectors(BaseModel):
    """Sectors and tokens. Frozen; unknown names are errors. `paused`, `unread` and `given_up` are no settings: a turn
    fills them in.

    Raises:
        ValueError: (pydantic) when a token names an unknown sector, weights do not add up, or a leader is unknown.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    quote: str = Field(
        default="USDT", pattern=r"^[A-Z0-9]+$", description="currency every token is priced and traded in"
    )
    sectors: Mapping[str, Sector] = Field(description="sectors by name")
    tokens: Mapping[str, Mapping[str, Weight]] = Field(
        description="token → weight per sector; the weights of a token add up to 1 or less"
    )
    perps: Mapping[str, str] = Field(
        default={}, description="unified perp symbols that differ from TOKEN/QUOTE:QUOTE, by token"
    )
    renames: Mapping[str, tuple[Rename, ...]] = Field(
        default={}, description="former names by token, oldest first: their history and balances are the token's"
    )
    listed: Mapping[str, date] = Field(
        default={}, description="first day, UTC, of the asset that bears the ticker now, by token: before, another did"
    )
    selection: Selection = Field(
        default=Selection.LIST,
        description="which tokens are members: list (all of them) or liquid (the per_sector most traded of each month)",
    )
    per_sector: int = Field(default=12, ge=1, le=100, description="members of a sector under liquid, count")
    since: Mapping[str, date] = Field(
        default={}, description="first day, UTC, on which a token may be a member under liquid, by token"
    )
    paused: SkipJsonSchema[frozenset[str]] = Field(default=frozenset(), exclude=True, repr=False)
    unread: SkipJsonSchema[frozenset[str]] = Field(default=frozenset(), exclude=True, repr=False)
    given_up: SkipJsonSchema[frozenset[str]] = Field(default=frozenset(), exclude=True, repr=False)
    listing_gap_days: int = Field(
        default=14,
        ge=0,
        le=365,
        description="a longer hole in a token's candles makes what follows another listing, days; 0: none does",
    )

    @model_validator(mode="after")
    def _hang_together(self) -> "Sectors":
        renamed = rename_problems(self.renames, self.listed, self.tokens)
        for problem in (*self._token_problems(), *self._sector_problems(), *renamed):
            raise ValueError(problem)
        return self

    def _token_problems(self) -> list[str]:
        result = []
        known = ", ".join(self.sectors)
        for token, weights in self.tokens.items():
            result += [
                f"tokens.{token}: there is no sector {name!r}; the sectors are {known}"
                for name in weights
                if name not in self.sectors
            ]
            total = sum(weights.values(), ZERO)
            if total > ONE:
                result.append(f"tokens.{token}: its sector weights add up to {total}; lower them to 1 or less")
            if not weights:
                result.append(f"tokens.{token}: it belongs to no sector; give it a weight or remove it")
        result += [
            f"since.{token}: it is none of the list; add it under [tokens]"
            for token in self.since
            if token not in self.tokens
        ]
        return result

    def _sector_problems(self) -> list[str]:
        result = []
        for name, sector in self.sectors.items():
            where = f"sectors.{name}"
            members = self.members(name)
            if not name.isidentifier():
                result.append(f"{where}: a sector's name is made of letters, digits and underscores")
            if not members:
                result.append(f"{where}: no token has its largest weight here; add one under [tokens]")
            if sector.weighting is Weighting.GIVEN:
                total = sum(sector.weights.values(), ZERO)
                if total != ONE:
                    result.append(f"{where}.weights: given weights add up to {total}; they must add up to 1")
                result += [
                    f"{where}.weights: {token} is not traded for this sector; its members are {', '.join(members)}"
                    for token in sector.weights
                    if token not in members
                ]
            elif sector.weights:
                result.append(f'{where}.weights: only used with weighting = "given"; remove them or change weighting')
            result += [
                f"{where}.{kind}: {token} is not a token of the list; add it under [tokens] or [perps]"
                for kind, leaders in (("hedge", sector.hedge), ("index", sector.index), ("tactical", sector.tactical))
                for token in leaders
                if token not in self.tokens and token not in self.perps
            ]
        return result

    def problems_with(self, names: Mapping[str, str]) -> tuple[str, ...]:
        """What is wrong with sector names used elsewhere. `names` maps where → sector name."""
        known = ", ".join(self.sectors)
        return tuple(
            f"{where}: there is no sector {name!r}; the sectors are {known}"
            for where, name in names.items()
            if name not in self.sectors
        )

    def main(self, token: str) -> str | None:
        """The sector on whose behalf a token is traded: its largest weight, the first of equals."""
        weights = self.tokens.get(token)
        return max(weights, key=lambda name: weights[name]) if weights else None

    def candidates(self, sector: str) -> tuple[str, ...]:
        """Tokens of the list traded on behalf of a sector, in the file's order."""
        return tuple(token for token in self.tokens if self.main(token) == sector)

    def members(self, sector: str) -> tuple[str, ...]:
        """Those of its tokens that a sector holds and is measured by now; `paused` ones count as held and are sold."""
        return tuple(token for token in self.candidates(sector) if token not in self.paused)

    def membership(self, token: str, sector: str) -> Decimal:
        """Part of a token's value that counts in a sector."""
        return self.tokens.get(token, {}).get(sector, ZERO)

    def spot(self, token: str) -> str:
        """Unified spot symbol of a token."""
        return f"{token}/{self.quote}"

    def perp(self, token: str) -> str:
        """Unified perp symbol of a token."""
        return self.perps.get(token, f"{token}/{self.quote}:{self.quote}")

    def spot_of(self, perp: str) -> str:
        """Unified spot symbol of the token behind a perp symbol."""
        token = next((token for token, symbol in self.perps.items() if symbol == perp), base_of(perp))
        return self.spot(token)

    def scale_of(self, perp: str) -> Decimal:
        """What one base unit of a perp is worth in units of the token behind it: 1000 for 1000PEPE over PEPE."""
        token = base_of(self.spot_of(perp))
        return multiplier_of(base_of(perp)) / multiplier_of(token)

    @property
    def lineages(self) -> Mapping[str, Lineage]:
        """What every spot symbol of the list, and the perps of renamed tokens, continue and where they begin."""
        gap_ms = self.listing_gap_days * DAY_MS
        result = {}
        for token in self.tokens:
            formers = self.renames.get(token, ())
            since_ms = day_ms(self.listed[token]) if token in self.listed else 0
            spots = tuple(FormerSymbol(self.spot(f.was), f.at_ms, f.ratio) for f in formers)
            result[self.spot(token)] = Lineage(spots, since_ms, gap_ms)
            if formers or since_ms:
                result[self.perp(token)] = Lineage(self._former_perps(token), since_ms)
        return result

    @property
    def former_symbols(self) -> tuple[str, ...]:
        """Spot symbols of former names, and their perps where the token's perp is used."""
        used = {*self.spot_symbols, *self.perp_symbols}
        return tuple(f.symbol for symbol, result in self.lineages.items() if symbol in used for f in result.formers)

    @property
    def successions(self) -> tuple[SymbolSuccession, ...]:
        """Balances that an exchange turns into others. A ticker that another asset bears now is none of them."""
        result = []
        for token, formers in self.renames.items():
            units = ONE
            for former in reversed(formers):
                units *= former.ratio
                if former.was not in self.listed:
                    result.append(SymbolSuccession(former.was, token, units))
        return tuple(result)

    def succession_of(self, asset: str) -> SymbolSuccession | None:
        """What an asset has become; None for one that goes by its own name."""
        return next((result for result in self.successions if result.was == asset != result.becomes), None)

    def _former_perps(self, token: str) -> tuple[FormerSymbol, ...]:
        """The perps of a token's former names; a contract of the one may be more tokens than one of the other."""
        own = self.scale_of(self.perp(token))
        perps = ((self.perp(former.was), former) for former in self.renames.get(token, ()))
        return tuple(FormerSymbol(perp, f.at_ms, f.ratio * self.scale_of(perp) / own) for perp, f in perps)

    def hedges(self, sector: str) -> tuple[str, ...]:
        """Perp symbols that may hedge a sector, best first."""
        return tuple(self.perp(token) for token in self.sectors[sector].hedge)

    def indices(self, sector: str) -> tuple[str, ...]:
        """Perp symbols that are an index of a sector, best first."""
        return tuple(self.perp(token) for token in self.sectors[sector].index)

    def tacticals(self, sector: str) -> tuple[str, ...]:
        """Perp symbols that may carry a sector's tactical long, best first."""
        return tuple(self.perp(token) for token in self.sectors[sector].tactical)

    @property
    def spot_symbols(self) -> tuple[str, ...]:
        return tuple(self.spot(token) for token in self.tokens)

    @property
    def perp_symbols(self) -> tuple[str, ...]:
        """Every perp a hedge or a tactical long may use, sorted: its place numbers the guard's orders."""
        return tuple(sorted({symbol for name in self.sectors for symbol in self.perps_of(name)}))

    def perps_of(self, sector: str) -> tuple[str, ...]:
        """Perps that a hedge or a tactical long of one sector may use, best first."""
        return tuple(dict.fromkeys((*self.hedges(sector), *self.indices(sector), *self.tacticals(sector))))

    def sector_of(self, symbol: str) -> str | None:
        """Main sector of the token behind a spot or perp symbol."""
        for token, perp in self.perps.items():
            if perp == symbol:
                return self.main(token)
        return self.main(base_of(symbol))
