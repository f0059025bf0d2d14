"""Numbers of the playbook that are no operator's business. Tests and journals of older versions may replace them."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated

from pydantic import Field

from bot.playbook.policy.choices import Share


@dataclass(frozen=True, slots=True)
class PlaybookConstants:
    """Each with its unit. The ranges hold for values that an older version kept as settings."""

    # part of a leg, above one lot, that may stay undone; never more than twice the fee
    leg_tolerance: Annotated[Decimal, Field(ge=0, le=Decimal("0.05"))] = Decimal("0.003")
    # a transfer the wallets do not show is asked for again after, seconds
    transfer_retry_seconds: Annotated[int, Field(ge=1, le=86_400)] = 60
    # smaller transfers are left out, quote
    transfer_min_quote: Annotated[Decimal, Field(ge=0)] = Decimal(1)
    # after the wait for an entry: until a leg that is refused is given up, hours
    leg_patience_hours: Annotated[int, Field(ge=1, le=720)] = 24
    # history that the sectors' own trends are read over, days: twice the longest look-back
    trend_history_days: Annotated[int, Field(ge=2, le=365)] = 180
    # window of a beta, days
    beta_days: Annotated[int, Field(ge=5, le=120)] = 30
    # least beta used, multiple
    beta_min: Annotated[Decimal, Field(gt=0, le=1)] = Decimal("0.50")
    # largest beta used, multiple; a hedge never exceeds its spot
    beta_max: Annotated[Decimal, Field(ge=1, le=3)] = Decimal("1.50")
    # time over which carry pays back its fees, days
    carry_days: Annotated[int, Field(ge=1, le=365)] = 30
    # window of the average funding that decisions look at, hours
    funding_average_hours: Annotated[int, Field(ge=8, le=720)] = 72
    # most of a sector's spot that a standing hedge covers, share
    standing_cover: Annotated[Decimal, Field(gt=0, le=1)] = Decimal("0.95")
    # change of a standing hedge left alone, share of it
    standing_buffer: Annotated[Decimal, Field(gt=0, le=1)] = Decimal("0.10")
    # least size of an order that only reduces, where more is to be reduced and the limit of entries is lower, share of
    # equity
    reduce_share_min: Share = Decimal("0.005")
    # room above the ask of a purchase that takes the last of the cash, bps
    cash_slippage_bps: Annotated[int, Field(ge=0, le=1000)] = 5
    # how far the bid may leave a resting purchase behind before it follows, bps
    chase_bps: Annotated[int, Field(ge=0, le=1000)] = 10
    # window of the last swing, days
    swing_days: Annotated[int, Field(ge=2, le=120)] = 30
    # part given back beyond which the swing is over and nothing is waited for, share
    fibonacci_deep: Annotated[Decimal, Field(gt=0, lt=1)] = Decimal("0.618")
    # candles of the entry's RSI, count
    rsi_period: Annotated[int, Field(ge=2, le=100)] = 14
    # part of each holding sold per round of flatten, share
    flatten_slice: Annotated[Decimal, Field(gt=0, le=1)] = Decimal("0.25")
    # worst price of flatten off the valuation, share
    flatten_slippage: Annotated[Decimal, Field(gt=0, le=Decimal("0.2"))] = Decimal("0.02")
    # a scalp sells when the RSI falls from above 100 less this, 0–100
    scalp_rsi: Annotated[Decimal, Field(gt=0, lt=50)] = Decimal(30)
    # price move that ends a scalp in profit, share
    scalp_target: Annotated[Decimal, Field(gt=0, le=Decimal("0.2"))] = Decimal("0.02")
    # price move that stops a scalp, share
    scalp_stop: Annotated[Decimal, Field(gt=0, le=Decimal("0.1"))] = Decimal("0.01")
    # time stop of a scalp, hours
    scalp_hours: Annotated[int, Field(ge=1, le=72)] = 12
    # part of its own evidence that a condition needs to begin or to end
    coverage_min: Share = Decimal("0.50")
    # drawdown that scores −1, share
    drawdown_full: Share = Decimal("0.25")
    # window of realised volatility, days
    volatility_days: Annotated[int, Field(ge=1, le=60)] = 10
    # window of recent volume, days
    volume_days: Annotated[int, Field(ge=1, le=60)] = 5
    # window of TVL growth, days
    tvl_days: Annotated[int, Field(ge=1, le=180)] = 30
    # TVL growth that scores 1, share
    tvl_full: Share = Decimal("0.20")
    # window of the growth of stablecoins, days
    stablecoin_days: Annotated[int, Field(ge=1, le=365)] = 30
    # growth of stablecoins that scores 1, share
    stablecoin_full: Annotated[Decimal, Field(gt=0, le=10)] = Decimal("0.05")
    # funding or basis that scores −1, share per year
    funding_full: Annotated[Decimal, Field(gt=0, le=10)] = Decimal("0.60")
    # window of open-interest growth, days
    interest_days: Annotated[int, Field(ge=1, le=30)] = 7
    # growth of open interest beyond that of the price that scores −1, share
    interest_full: Annotated[Decimal, Field(gt=0, le=10)] = Decimal("1.00")
    # older candles make a signal missing, minutes
    signal_age_max_minutes: Annotated[int, Field(ge=1, le=10_080)] = 600
