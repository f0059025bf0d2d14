"""Directional positions and how they end (PLAYBOOK §5, §7, §8)."""

from decimal import Decimal

from pydantic import BaseModel, Field, model_validator
from pydantic.json_schema import SkipJsonSchema

from bot.playbook.policy.choices import FROZEN, Share, Unowned
from bot.playbook.policy.targets import ProfitTarget


class TacticalPolicy(BaseModel):
    """The tactical long of a rotation."""

    model_config = FROZEN

    is_on: bool = Field(default=True, description="whether tactical longs are opened at all")
    leverage: Decimal = Field(default=Decimal(3), ge=1, le=10, description="leverage of a tactical long")
    margin_max: Decimal = Field(
        default=Decimal("0.05"), gt=0, le=Decimal("0.05"), description="margin of tactical longs, share of the book"
    )
    confidence: Share = Field(
        default=Decimal("0.80"), description="confidence at which euphoria allows a tactical long, 0 to 1"
    )
    funding_budget: Share = Field(
        default=Decimal("0.10"), description="funding a tactical long may cost, share of its margin"
    )
    hours: int = Field(default=168, ge=1, le=2160, description="time stop of a tactical long, hours")


class ShortPolicy(BaseModel):
    """The speculative short of a broad downtrend."""

    model_config = FROZEN

    is_on: bool = Field(
        default=False, description="whether a broad downtrend may be shorted beyond the spot that is held"
    )
    margin: Decimal = Field(
        default=Decimal("0.02"),
        gt=0,
        le=Decimal("0.05"),
        description="margin of a speculative short, share of the book",
    )


class ScalpPolicy(BaseModel):
    """A short of a token while its purchase waits for a better price."""

    model_config = FROZEN

    is_on: bool = Field(
        default=False, description="whether a token whose purchase waits is sold short when its RSI turns down"
    )
    margin: SkipJsonSchema[Decimal] = Field(
        default=Decimal("0.01"), gt=0, le=Decimal("0.02"), description="margin of a scalp, share of the book"
    )
    leverage: SkipJsonSchema[Decimal] = Field(default=Decimal(3), ge=1, le=10, description="leverage of a scalp")
    per_day: SkipJsonSchema[int] = Field(default=2, ge=1, le=24, description="most scalps begun in a UTC day, count")
    loss_max: SkipJsonSchema[Decimal] = Field(
        default=Decimal("0.002"),
        gt=0,
        le=Decimal("0.02"),
        description="losses of scalps after which none begins till the next UTC day, share of the book",
    )


class ExitPolicy(BaseModel):
    """The ends of leveraged positions: stop, profit ladder, trailing stop."""

    model_config = FROZEN

    stop: Decimal = Field(default=Decimal("0.08"), gt=0, le=Decimal("0.5"), description="stop below entry, share")
    stop_deviations: Decimal = Field(
        default=Decimal(0),
        ge=0,
        le=5,
        description="stop as a multiple of the token's own daily volatility, within half and twice of `stop`; targets "
        "and trailing stop keep their proportion to it. 0: the same distances for every token",
    )
    targets: tuple[ProfitTarget, ...] = Field(
        default=(
            ProfitTarget(move=Decimal("0.08"), part=Decimal("0.4")),
            ProfitTarget(move=Decimal("0.15"), part=Decimal("0.3")),
        ),
        description="profit ladder; the rest trails",
    )
    trailing: Decimal = Field(
        default=Decimal("0.06"), gt=0, le=Decimal("0.5"), description="fall from the best price that ends the rest"
    )
    sign: SkipJsonSchema[Share] = Field(
        default=Decimal("0.5"), description="score below its negative makes a signal an exit sign, 0 to 1"
    )
    liquidation_buffer: SkipJsonSchema[Decimal] = Field(
        default=Decimal("0.15"),
        ge=0,
        lt=1,
        description="part of the way to liquidation that the stop leaves unused, share",
    )
    slippage_bps: SkipJsonSchema[int] = Field(
        default=150, ge=1, le=2000, description="worst price of an exit off reference, bps"
    )
    unowned_position: Unowned = Field(
        default=Unowned.GUARD, description="perp positions that no plan knows: guard (a stop), halt entries, or ignore"
    )

    @model_validator(mode="after")
    def _hang_together(self) -> "ExitPolicy":
        for problem in self._problems():
            raise ValueError(problem)
        return self

    def _problems(self) -> list[str]:
        result = []
        if sum(rung.part for rung in self.targets) > 1:
            result.append("targets: the parts add up to more than 1, there is not that much to close")
        moves = [rung.move for rung in self.targets]
        if moves != sorted(moves):
            result.append("targets: moves must rise from rung to rung")
        return result
