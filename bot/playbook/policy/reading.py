"""How the market is read (PLAYBOOK §3)."""

from collections.abc import Mapping
from decimal import Decimal

from pydantic import BaseModel, Field, model_validator
from pydantic.json_schema import SkipJsonSchema

from bot.domain.campaign import Condition
from bot.playbook.policy.choices import FROZEN, Share
from bot.playbook.policy.default_evidence import DEFAULT_EVIDENCE, SIGNAL_NAMES


class RegimePolicy(BaseModel):
    """When the condition of the market changes."""

    model_config = FROZEN

    override: Condition | None = Field(
        default=None, description="the operator's own reading; the signals are shown but not followed"
    )
    evidence: Mapping[Condition, Mapping[str, Decimal]] = Field(
        default=DEFAULT_EVIDENCE,
        description="weight of each signal per condition; negative: a negative score speaks for it. A signal without a "
        "source (see tvl, macro) does not count, one that is missing lowers confidence",
    )
    enter: Share = Field(default=Decimal("0.50"), description="confidence at which a condition begins, 0 to 1")
    leave: Share = Field(default=Decimal("0.30"), description="confidence below which a condition ends, 0 to 1")
    dwell_hours: int = Field(default=72, ge=0, le=2160, description="least life of a condition, hours")
    confirm_hours: int = Field(default=4, ge=0, le=336, description="time a new condition must persist, hours")
    neutral_return_hours: int = Field(
        default=168, ge=0, le=8760, description="neutral condition after which the book returns to neutral; 0: it holds"
    )

    @model_validator(mode="after")
    def _hang_together(self) -> "RegimePolicy":
        for problem in self._problems():
            raise ValueError(problem)
        return self

    def _problems(self) -> list[str]:
        result = []
        if self.leave >= self.enter:
            result.append(f"leave = {self.leave} must be below enter = {self.enter}, or conditions would flicker")
        for condition, weights in self.evidence.items():
            result += [
                f"evidence.{condition}: there is no signal {name!r}; the signals are {', '.join(SIGNAL_NAMES)}"
                for name in weights
                if name not in SIGNAL_NAMES
            ]
        return result


class SignalPolicy(BaseModel):
    """Windows and scales of the signals."""

    model_config = FROZEN

    market_symbol: str = Field(
        default="BTC/USDT",
        pattern=r"^[A-Z0-9]+/[A-Z0-9]+$",
        description="what stands for the whole market, unified spot symbol",
    )
    candle_minutes: SkipJsonSchema[int] = Field(
        default=240, ge=1, le=1440, description="timeframe of the signals, minutes"
    )
    history_days: SkipJsonSchema[int] = Field(
        default=120, ge=5, le=365, description="history that z-scores compare with, days"
    )
    momentum_days: SkipJsonSchema[int] = Field(default=14, ge=1, le=90, description="window of relative strength, days")
    range_days: SkipJsonSchema[int] = Field(default=30, ge=2, le=120, description="range the ratio must break, days")
    trend_days: SkipJsonSchema[int] = Field(default=50, ge=2, le=200, description="moving average of the market, days")
    drawdown_days: SkipJsonSchema[int] = Field(
        default=90, ge=2, le=200, description="window of the market's high, days"
    )
    breadth_days: SkipJsonSchema[int] = Field(
        default=20, ge=1, le=100, description="moving average of each token, days"
    )
    tvl_without_price: bool = Field(
        default=False,
        description="whether growth of value locked is read without its price part: by amounts of tokens where the "
        "source has them, else by its beta to the market",
    )
    rates_days: SkipJsonSchema[int] = Field(
        default=90, ge=1, le=1095, description="window of the change of interest rates, days"
    )
    rates_full: SkipJsonSchema[Decimal] = Field(
        default=Decimal("1.00"),
        gt=0,
        le=1000,
        description="rise of interest rates that scores −1, in the unit of their file",
    )
    usage_days: SkipJsonSchema[int] = Field(
        default=30, ge=1, le=365, description="window of the growth of network usage, days"
    )
    usage_full: SkipJsonSchema[Decimal] = Field(
        default=Decimal("0.25"), gt=0, le=10, description="growth of network usage that scores 1, share"
    )


class TrendPolicy(BaseModel):
    """Evidence for a downtrend from the sectors' own trends, and the de-risk target scaled by them."""

    model_config = FROZEN

    is_on: bool = Field(
        default=False,
        description="read each sector's own trend beside the market's: as evidence for a downtrend, and as the scale "
        "of the de-risk target between core and the neutral share, in place of allocation.de_risk's spot shares",
    )
    core: Share = Field(
        default=Decimal("0.25"),
        description="part of a sector's neutral spot that is kept while none of its trends is up, share",
    )
