"""How orders are priced, divided and timed (PLAYBOOK §9)."""

from decimal import Decimal

from pydantic import BaseModel, Field, model_validator
from pydantic.json_schema import SkipJsonSchema

from bot.playbook.policy.choices import FROZEN, Style


class OrderPolicy(BaseModel):
    """How legs become orders."""

    model_config = FROZEN

    slippage_bps: int = Field(default=50, ge=1, le=1000, description="worst price of an entry off reference, bps")
    increase_style: Style = Field(
        default=Style.MARKET,
        description="execution of spot purchases: market (limit at the worst price), twap, limit (rests at the middle"
        " of the touch) or post-only (rests at the bid)",
    )
    reduce_style: Style = Field(
        default=Style.MARKET,
        description="execution of a rotation's spot sales: market (limit at the worst price) or twap; they never rest",
    )
    twap_slices: SkipJsonSchema[int] = Field(
        default=6, ge=2, le=48, description="slices that a twap divides a leg into, count"
    )
    twap_minutes: int = Field(default=60, ge=2, le=1440, description="time over which a twap spreads a leg, minutes")
    rest_minutes: SkipJsonSchema[int] = Field(
        default=240,
        ge=5,
        le=1440,
        description="how long limit and post-only purchases may follow the price before the rest goes at once, minutes",
    )

    @model_validator(mode="after")
    def _hang_together(self) -> "OrderPolicy":
        for problem in self._problems():
            raise ValueError(problem)
        return self

    def _problems(self) -> list[str]:
        result = []
        if self.reduce_style not in (Style.MARKET, Style.TWAP):
            result.append(
                f"reduce_style = {self.reduce_style.value}: sales and the hedges behind them never wait for a price;"
                " use market or twap"
            )
        return result


class EntryPolicy(BaseModel):
    """When purchases wait for a better price."""

    model_config = FROZEN

    wait: bool = Field(default=True, description="whether overbought tokens are bought later")
    wait_hours: SkipJsonSchema[int] = Field(
        default=24, ge=0, le=720, description="longest wait for a better entry, hours"
    )
    rsi_max: SkipJsonSchema[Decimal] = Field(
        default=Decimal(70), ge=50, le=100, description="RSI above which a purchase waits, 0–100"
    )
    pullback: bool = Field(
        default=False,
        description="whether purchases wait for a pullback of the token's last rising swing, as limit orders there",
    )
    pullback_share: SkipJsonSchema[Decimal] = Field(
        default=Decimal("0.382"), gt=0, lt=1, description="part of the swing given back that is waited for, share"
    )
