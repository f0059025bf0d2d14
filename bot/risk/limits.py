"""The numbers of the gate, each with its unit and its range.

Shares are of the account's equity where nothing else is said; 0.05 is five percent (DESIGN §9, PLAYBOOK §2 and §11).
"""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from bot.domain.durations import DAY_MS
from bot.domain.order import SizingLimits

_SIZING = SizingLimits()


class Tighter(StrEnum):
    """Which way a limit becomes stricter."""

    LOWER = "lower"
    HIGHER = "higher"


class Limits(BaseModel):
    """What the gate allows. Frozen; unknown names are errors. Tightening is safe at any time, loosening is not.

    A lower `_max` and a higher `_min` are tighter; a field with another name says its direction in its type.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    # one order
    order_notional_max_quote: Decimal = Field(
        default=_SIZING.order_notional_max_quote,
        ge=0,
        le=1_000_000_000,
        description="largest value of one intent, quote",
    )
    order_share_max: Decimal = Field(
        default=_SIZING.order_share_max, ge=0, le=1, description="largest value of one intent, share of equity"
    )
    collar_bps: Annotated[int, Tighter.LOWER] = Field(
        default=200, ge=1, le=2_000, description="how far a worst price may be beyond mark and index, bps"
    )
    collar_reducing_bps: SkipJsonSchema[Annotated[int, Tighter.LOWER]] = Field(
        default=1_000, ge=1, le=5_000, description="the same for orders that only reduce, bps"
    )
    mark_index_apart_max_bps: SkipJsonSchema[int] = Field(
        default=100, ge=1, le=2_000, description="how far mark and index of a perp may be apart, bps"
    )
    slippage_max_bps: int = Field(
        default=50, ge=1, le=1_000, description="expected average price against mid, from walking the book, bps"
    )
    participation_max: Decimal = Field(
        default=Decimal("0.10"), gt=0, le=1, description="share of the visible depth on the side taken"
    )

    # the account after the order, everything working and in doubt counted at full size
    gross_max: Decimal = Field(
        default=Decimal("1.75"), ge=0, le=10, description="spot + absolute perp notional, multiple of equity"
    )
    net_max: Decimal = Field(
        default=Decimal("1.30"), ge=0, le=10, description="spot + signed perp notional, multiple of equity"
    )
    asset_max: Decimal = Field(
        default=Decimal("0.40"), ge=0, le=5, description="net exposure to one token, share of equity"
    )
    sector_max: Decimal = Field(
        default=Decimal("0.90"), ge=0, le=5, description="net exposure to one sector, share of equity"
    )
    stress_loss_max: Decimal = Field(
        default=Decimal("0.45"),
        gt=0,
        le=10,
        description="loss under the worst shock of the stress table, share of equity",
    )
    account_leverage_max: Decimal = Field(
        default=Decimal("1.00"), ge=0, le=10, description="absolute perp notional, multiple of equity"
    )
    position_leverage_max: Decimal = Field(
        default=_SIZING.position_leverage_max,
        ge=1,
        le=10,
        description="leverage of one position; above 10 is never accepted",
    )
    margin_use_max: Decimal = Field(
        default=Decimal("0.50"), gt=0, le=1, description="locked margin, share of the perp wallet's equity"
    )
    futures_budget: Annotated[Decimal, Tighter.LOWER] = Field(
        default=Decimal("0.17"), ge=0, le=1, description="locked margin, share of the book (PLAYBOOK §11)"
    )
    liquidation_distance_min: Decimal = Field(
        default=_SIZING.liquidation_distance_min,
        gt=0,
        lt=1,
        description="distance of mark to liquidation price, share of mark",
    )
    maintenance_rate: Annotated[Decimal, Tighter.HIGHER] = Field(
        default=_SIZING.maintenance_rate,
        ge=0,
        le=Decimal("0.2"),
        description="maintenance margin assumed at least, share of notional; brackets that ask for more count",
    )
    hedge_share_max: Decimal = Field(
        default=Decimal(1), ge=0, le=1, description="hedge notional, share of the spot value it covers"
    )
    funding_rate_max_annual: Decimal = Field(
        default=Decimal("0.60"), ge=0, le=10, description="funding a new position would pay, share of notional per year"
    )
    funding_cost_max_day: Decimal = Field(
        default=Decimal("0.001"), ge=0, le=1, description="funding all perps would pay per day, share of equity"
    )
    cash_floor_quote: Annotated[Decimal, Tighter.HIGHER] = Field(
        default=Decimal(0), ge=0, le=1_000_000_000, description="free cash that purchases leave untouched, quote"
    )

    # per time
    canary_quote: Annotated[Decimal, Tighter.LOWER] = Field(
        default=Decimal(500),
        ge=20,
        le=1_000_000_000,
        description="largest value of one order until the first has filled after a start, quote",
    )
    turnover_max: Decimal = Field(
        default=Decimal("1.00"), ge=0, le=100, description="value traded per UTC day, multiple of equity"
    )
    fees_max_day: Decimal = Field(
        default=Decimal("0.005"), ge=0, le=1, description="fees per UTC day beyond which entries stop, share of equity"
    )
    fees_unknown_max: SkipJsonSchema[int] = Field(
        default=10,
        ge=0,
        le=10_000,
        description="fills per UTC day with a fee in an asset without a price beyond which entries stop, count",
    )
    orders_per_day_max: int = Field(default=1_000, ge=1, le=100_000, description="orders sent per UTC day, count")
    orders_per_minute_max: int = Field(default=60, ge=1, le=1_000, description="orders sent per minute, count")
    fills_per_minute_max: SkipJsonSchema[int] = Field(
        default=200, ge=1, le=10_000, description="fills per minute beyond which entries stop, count"
    )
    executions_per_hour_max: SkipJsonSchema[int] = Field(
        default=40, ge=1, le=10_000, description="orders of one instrument and direction executed per hour, count"
    )
    rejections_max: SkipJsonSchema[int] = Field(
        default=10, ge=0, le=1_000, description="orders rejected within ten minutes beyond which entries stop, count"
    )
    daily_loss_max: Decimal = Field(
        default=Decimal("0.05"), gt=0, le=1, description="fall of equity since the UTC day began, share"
    )
    drawdown_max: Decimal = Field(
        default=Decimal("0.35"), gt=0, le=1, description="fall of equity from its highest, share"
    )
    drawdown_cooldown_days: Annotated[int, Tighter.HIGHER] = Field(
        default=14,
        ge=1,
        le=36_500,
        description="count of days a drawdown stops entries, or until equity is at its peak; then the peak begins anew",
    )

    # how old or wrong a reading may be
    price_age_max_ms: SkipJsonSchema[int] = Field(
        default=15_000, ge=100, le=600_000, description="age of a quote or book, ms"
    )
    balance_age_max_ms: SkipJsonSchema[int] = Field(
        default=30_000, ge=100, le=600_000, description="age of the account reading, ms"
    )
    clock_skew_max_ms: SkipJsonSchema[int] = Field(
        default=1_000, ge=10, le=30_000, description="venue clock against ours, either way, ms"
    )
    latency_max_ms: SkipJsonSchema[int] = Field(
        default=5_000, ge=100, le=60_000, description="median time of the venue's answers beyond which entries stop, ms"
    )
    missing_max: SkipJsonSchema[Decimal] = Field(
        default=Decimal("0.34"), ge=0, le=1, description="instruments without a sound price, share of the tradable ones"
    )
    failed_turns_max: SkipJsonSchema[int] = Field(
        default=2, ge=0, le=1_000, description="turns lost in a row after which the next one only looks, count"
    )
    doubt_age_max_ms: SkipJsonSchema[int] = Field(
        default=300_000, ge=1_000, le=DAY_MS, description="age of an order in doubt beyond which entries stop, ms"
    )

    @property
    def sizing(self) -> SizingLimits:
        """The limits that orders are sized by."""
        return SizingLimits(
            order_notional_max_quote=self.order_notional_max_quote,
            order_share_max=self.order_share_max,
            position_leverage_max=self.position_leverage_max,
            liquidation_distance_min=self.liquidation_distance_min,
            maintenance_rate=self.maintenance_rate,
        )


def _direction(name: str) -> Tighter:
    for way in Limits.model_fields[name].metadata:
        if isinstance(way, Tighter):
            return way
    if "_max" in name:
        return Tighter.LOWER
    if "_min" in name:
        return Tighter.HIGHER
    raise TypeError(f"{name}: which way is it tighter? Write its type as Annotated[…, Tighter.LOWER] or Tighter.HIGHER")


TIGHTER: Mapping[str, Tighter] = {name: _direction(name) for name in Limits.model_fields}
