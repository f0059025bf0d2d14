"""What a configured series says of the market: for which sector it speaks, how its change is measured and weighed."""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, Field

from bot.domain.campaign import Condition
from bot.playbook.policy.choices import FROZEN

MARKET = "market"


class Measure(StrEnum):
    """How the values of a series become one figure: growth of a level (share), difference of a rate (in its unit), sum
    of flows or counts (in their unit), growth of such a sum against that of the window before (share)."""

    GROWTH = "growth"
    DIFFERENCE = "difference"
    SUM = "sum"
    FLOW_GROWTH = "flow-growth"


class SeriesRule(BaseModel):
    """The part of a series that decides."""

    model_config = FROZEN

    sector: str = Field(min_length=1, description="sector whose driver it is, by name; or market, for both")
    title: str = Field(default="", max_length=80, description="what people call it; unset: its name")
    unit: str = Field(default="", max_length=40, description="what its values count, for people")
    sign: Literal[1, -1] = Field(default=1, description="1: a rise speaks for the sector; -1: a fall does")
    measure: Measure = Field(
        default=Measure.GROWTH,
        description="growth (share, of a level above 0), difference (of a rate, in its unit), sum (of flows, counts) "
        "or flow-growth (share, of that sum against the window before)",
    )
    window_days: int = Field(default=30, ge=1, le=365, description="window of that measure, days")
    full: Decimal = Field(
        default=Decimal("0.20"),
        gt=0,
        le=Decimal("1e15"),
        description="measure at which the score is 1: share for growths, else in its unit",
    )
    weight: Decimal = Field(
        default=Decimal("0.10"),
        ge=0,
        le=10,
        description="weight in the conditions of its sector, beside playbook.regime.evidence; 0: it is shown only",
    )

    def weights(self, risk_on: str) -> Mapping[Condition, Decimal]:
        """Its weight by condition: that of the risk-on sector speaks for `euphoria`, that of another sector for
        `uncertainty`, which buys it; one of the market for `euphoria` and against it for `downtrend`."""
        if not self.weight:
            return {}
        if self.sector == MARKET:
            return {Condition.EUPHORIA: self.weight, Condition.DOWNTREND: -self.weight}
        return {Condition.EUPHORIA if self.sector == risk_on else Condition.UNCERTAINTY: self.weight}
