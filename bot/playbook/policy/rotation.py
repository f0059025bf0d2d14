"""How a rotation is sized and divided (PLAYBOOK §4)."""

from decimal import Decimal

from pydantic import BaseModel, Field
from pydantic.json_schema import SkipJsonSchema

from bot.domain.campaign import Bridge
from bot.playbook.policy.choices import FROZEN


class RotationPolicy(BaseModel):
    """One rotation: how much, in which steps, and what pays for it."""

    model_config = FROZEN

    shift: Decimal = Field(default=Decimal("0.20"), gt=0, le=Decimal("0.5"), description="share of the book rotated")
    tactical_split: Decimal = Field(
        default=Decimal("0.10"),
        ge=Decimal("0.05"),
        le=Decimal("0.10"),
        description="part of the rotated capital that becomes margin of the tactical long, when one is allowed",
    )
    first_tranche: Decimal = Field(default=Decimal("0.75"), gt=0, le=1, description="part of a shift sold at once")
    max_sell_fraction: Decimal = Field(
        default=Decimal("0.20"),
        ge=Decimal("0.01"),
        le=Decimal("0.5"),
        description="part of a sector's spot sold per tranche; above 0.20 needs advanced",
    )
    tranche_interval_minutes: int = Field(
        default=1440, ge=1, le=43_200, description="from the start of one tranche to the start of the next, minutes"
    )
    tranches_max: SkipJsonSchema[int] = Field(
        default=30, ge=1, le=90, description="most tranches of one rotation, count"
    )
    bridge: Bridge = Field(
        default=Bridge.NONE, description="what pays for purchases before their sale: none, reserve or idle-margin"
    )
    breakout_by_beta: SkipJsonSchema[bool] = Field(
        default=True, description="whether purchases of the risk-on sector in a breakout are weighted by beta"
    )
    by_phase: bool = Field(
        default=False,
        description="whether the destination's phase sets the pace: accumulating, a larger first tranche; "
        "distributing, a smaller one, longer intervals, nearer stops of its longs",
    )
    by_funding: bool = Field(
        default=False,
        description="whether tranches follow faster while hedges and longs pay funding, slower while they earn it; "
        "within half and 1.5 times of the interval",
    )
    hedge_wait_minutes: SkipJsonSchema[int] = Field(
        default=10,
        ge=0,
        le=240,
        description="how long the sales of a rotation wait for their hedge before they go on without it, minutes",
    )
