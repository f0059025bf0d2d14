"""Hedges of spot: those of a rotation, of unrealised gains, and carry (PLAYBOOK §2, §8)."""

from decimal import Decimal

from pydantic import BaseModel, Field, model_validator
from pydantic.json_schema import SkipJsonSchema

from bot.playbook.policy.choices import FROZEN, GainHedge, HedgeWith, Share


class HedgingPolicy(BaseModel):
    """Hedges of spot that waits to be sold, and which perps carry hedges."""

    model_config = FROZEN

    is_on: bool = Field(default=True, description="whether spot that waits to be sold is hedged")
    leverage: Decimal = Field(default=Decimal(5), ge=1, le=5, description="leverage of a hedge, isolated")
    whole_from: tuple[str, ...] = Field(
        default=("defi",), description="sectors whose whole shift is hedged before the first sale (scenario B)"
    )
    instrument: HedgeWith = Field(
        default=HedgeWith.BASKET,
        description="what hedges a sector: basket (the first of its hedge list, in equal parts, by one beta), leader "
        "(the first) or index (its index perp)",
    )
    basket_size: SkipJsonSchema[int] = Field(default=3, ge=2, le=10, description="most perps of a basket, count")
    by_beta: bool = Field(
        default=False, description="whether leader and index are sized by their beta; a basket always is"
    )
    stop_pause_hours: SkipJsonSchema[int] = Field(
        default=24,
        ge=1,
        le=720,
        description="no hedge of a sector is opened after the stop of one has closed it, hours",
    )
    margin_keep: SkipJsonSchema[Decimal] = Field(
        default=Decimal(1),
        ge=0,
        le=5,
        description="margin kept free beside a hedge before the sleeve may bridge a purchase, multiple of its margin",
    )
    funding_max: Decimal = Field(
        default=Decimal("0.30"),
        gt=0,
        le=10,
        description="average funding paid at which a standing hedge ends and a rotation takes another perp, share per "
        "year; a standing one may begin below half",
    )


class GainPolicy(BaseModel):
    """Hedges of unrealised gains of spot."""

    model_config = FROZEN

    hedge: GainHedge = Field(
        default=GainHedge.OFF, description="hedge of unrealised gains of spot: off, gain (the gain) or full (all spot)"
    )
    trigger: Decimal = Field(
        default=Decimal("1.00"), gt=0, le=100, description="unrealised gain at which it is hedged, share of its cost"
    )
    end: SkipJsonSchema[Decimal | None] = Field(
        default=None,
        ge=0,
        le=100,
        description="unrealised gain below which that ends, share of its cost; unset: half of trigger",
    )

    @model_validator(mode="after")
    def _hang_together(self) -> "GainPolicy":
        if self.ends_below >= self.trigger:
            raise ValueError(f"end = {self.end} must be below trigger = {self.trigger}")
        return self

    @property
    def ends_below(self) -> Decimal:
        """Unrealised gain below which a hedge of it ends, share of its cost."""
        return self.trigger / 2 if self.end is None else self.end


class CarryPolicy(BaseModel):
    """Spot held against a short perp that earns funding."""

    model_config = FROZEN

    is_on: bool = Field(default=False, description="whether spot is held against a short perp that earns funding")
    share: Share = Field(default=Decimal("0.50"), description="spot of a sector held in carry, share")
    enter: Decimal = Field(
        default=Decimal("0.15"),
        gt=0,
        le=10,
        description="average funding less fees at which carry begins, share per year",
    )
    end: SkipJsonSchema[Decimal | None] = Field(
        default=None,
        ge=0,
        le=10,
        description="average funding below which carry ends, share per year; unset: a third of enter",
    )

    @model_validator(mode="after")
    def _hang_together(self) -> "CarryPolicy":
        if self.ends_below >= self.enter:
            raise ValueError(f"end = {self.end} must be below enter = {self.enter}")
        return self

    @property
    def ends_below(self) -> Decimal:
        """Average funding below which carry ends, share per year."""
        return self.enter / 3 if self.end is None else self.end
