"""How the book is divided between sectors, spot and futures (PLAYBOOK §2)."""

from collections.abc import Mapping
from decimal import Decimal

from pydantic import BaseModel, Field, model_validator

from bot.playbook.policy.choices import FROZEN, NeutralFutures, Share
from bot.playbook.policy.targets import problems_of_target, sectors_of, target_shares


class AllocationPolicy(BaseModel):
    """The target shares of the book, and what is kept outside of it."""

    model_config = FROZEN

    neutral: Mapping[str, Share] = Field(
        default=target_shares(defi_spot="0.30", defi_futures="0.05", infra_spot="0.55", infra_futures="0.10"),
        description="neutral share of the book per sleeve; what is missing to 1 stays cash",
    )
    de_risk: Mapping[str, Share] = Field(
        default=target_shares(defi_spot="0.15", defi_futures="0.02", infra_spot="0.35", infra_futures="0.05"),
        description="share of the book per sleeve in a broad downtrend; what is missing to 1 stays cash",
    )
    risk_on: str = Field(default="defi", description="sector that euphoria and breakout shift into")
    risk_off: str = Field(default="infra", description="sector that uncertainty shifts into")
    reserve_quote: Decimal = Field(default=Decimal(0), ge=0, description="cash reserve outside the book, quote")
    spot_share_min: Share = Field(
        default=Decimal("0.70"), description="least spot share of a sector's capital, kept by moving idle margin"
    )
    drift_buffer: Decimal = Field(
        default=Decimal("0.05"), gt=0, le=Decimal("0.5"), description="drift of a sleeve left alone, share of the book"
    )
    neutral_futures: NeutralFutures = Field(
        default=NeutralFutures.FLAT,
        description="futures sleeves in the neutral stance: flat, small-long (the sleeve's capital long on its leader) "
        "or delta-neutral (spot against a short)",
    )
    transfers: bool = Field(default=True, description="whether the venue moves quote money between its wallets")

    @model_validator(mode="after")
    def _hang_together(self) -> "AllocationPolicy":
        for problem in self._problems():
            raise ValueError(problem)
        return self

    def _problems(self) -> list[str]:
        result = []
        for name, target in self.named_targets.items():
            result += problems_of_target(name, target)
        if self.risk_on == self.risk_off:
            result.append(f"risk_on and risk_off are both {self.risk_on!r}: a rotation needs two sectors")
        return result

    @property
    def named_targets(self) -> Mapping[str, Mapping[str, Decimal]]:
        """The targets by the name of their key."""
        return {"neutral": self.neutral, "de_risk": self.de_risk}

    @property
    def neutral_spot(self) -> Mapping[str, Decimal]:
        """The neutral spot share of each sector."""
        return {sector: self.neutral.get(f"{sector}.spot", Decimal(0)) for sector in sectors_of(self.neutral)}

    def warnings(self) -> list[str]:
        """What is allowed and still worth a word to the operator."""
        result = []
        for name, target in self.named_targets.items():
            for sector in sectors_of(target):
                spot, futures = target.get(f"{sector}.spot", Decimal(0)), target.get(f"{sector}.futures", Decimal(0))
                if spot + futures > 0 and spot < self.spot_share_min * (spot + futures):
                    result.append(
                        f"{name}: spot is less than {self.spot_share_min:%} of the capital of {sector}; idle margin "
                        "will be moved to spot to keep it"
                    )
        return result
