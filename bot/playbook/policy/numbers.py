"""All numbers of the playbook, in tables by subject (PLAYBOOK §§2–11).

Shares are fractions (0.05 is five percent) of the book where nothing else is said. Numbers that reach an amount are
Decimal; so are thresholds, which `signals` and `regime` turn into floats for themselves.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, Field, model_validator
from pydantic.json_schema import SkipJsonSchema

from bot.domain.campaign import Condition
from bot.domain.durations import DAY_MS, MINUTE_MS
from bot.domain.order import SizingLimits
from bot.playbook.policy.allocation import AllocationPolicy
from bot.playbook.policy.choices import FROZEN, GainHedge
from bot.playbook.policy.constants import PlaybookConstants
from bot.playbook.policy.default_evidence import SIGNAL_NAMES
from bot.playbook.policy.former_names import in_tables
from bot.playbook.policy.hedging import CarryPolicy, GainPolicy, HedgingPolicy
from bot.playbook.policy.membership import Sector, Sectors, Weighting
from bot.playbook.policy.orders import EntryPolicy, OrderPolicy
from bot.playbook.policy.positions import ExitPolicy, ScalpPolicy, ShortPolicy, TacticalPolicy
from bot.playbook.policy.reading import RegimePolicy, SignalPolicy, TrendPolicy
from bot.playbook.policy.rotation import RotationPolicy
from bot.playbook.policy.series import SeriesRule
from bot.playbook.policy.targets import ProfitTarget, sectors_of

__all__ = ["SIGNAL_NAMES", "Policy", "ProfitTarget", "Sector", "Sectors", "Weighting", "sectors_of"]


class Policy(BaseModel):
    """What the playbook does with its numbers. Frozen; unknown names are errors.

    `constants` are no settings. `gate` holds the limits of the gate that orders are sized by: a turn fills it in (see
    `sized_by`); journals of older versions, where the playbook had numbers of its own for them, give those. `series`
    are the rules of the configured series, by name: the table `[series]` of the settings gives them.

    Raises:
        ValueError: (pydantic) for a number out of its range, or a set of numbers that contradict each other.
    """

    model_config = FROZEN

    allocation: AllocationPolicy = AllocationPolicy()
    rotation: RotationPolicy = RotationPolicy()
    hedging: HedgingPolicy = HedgingPolicy()
    gains: GainPolicy = GainPolicy()
    carry: CarryPolicy = CarryPolicy()
    tactical: TacticalPolicy = TacticalPolicy()
    short: ShortPolicy = ShortPolicy()
    scalp: ScalpPolicy = ScalpPolicy()
    exits: ExitPolicy = ExitPolicy()
    orders: OrderPolicy = OrderPolicy()
    entries: EntryPolicy = EntryPolicy()
    regime: RegimePolicy = RegimePolicy()
    signals: SignalPolicy = SignalPolicy()
    trend: TrendPolicy = TrendPolicy()
    constants: SkipJsonSchema[PlaybookConstants] = Field(default=PlaybookConstants(), repr=False)
    gate: SkipJsonSchema[SizingLimits | None] = Field(default=None, repr=False)
    series: SkipJsonSchema[Mapping[str, SeriesRule]] = Field(default={}, repr=False)

    @model_validator(mode="before")
    @classmethod
    def _accept_former_names(cls, content: Any) -> Any:
        """Journals of older versions hold every number by its name before there were tables."""
        return in_tables(content) if isinstance(content, Mapping) else content

    @model_validator(mode="after")
    def _hang_together(self) -> "Policy":
        if self.entries.pullback_share >= self.constants.fibonacci_deep:
            raise ValueError(
                f"entries.pullback_share = {self.entries.pullback_share} must be below "
                f"{self.constants.fibonacci_deep}, beyond which the swing counts as over"
            )
        if self.short.is_on and any(rung.move >= 1 for rung in self.exits.targets):
            raise ValueError("exits.targets: a short cannot gain a move of 1 or more; lower it, or short.is_on = false")
        return self

    @property
    def sizing(self) -> SizingLimits:
        """The limits of the gate that orders are sized by."""
        return self.gate or SizingLimits()

    def sized_by(self, limits: SizingLimits) -> "Policy":
        """The same playbook, sized by these limits unless a journal of an older version has given its own."""
        return self if self.gate is not None else self.model_copy(update={"gate": limits})

    def changed(self, values: Mapping[str, Any]) -> "Policy":
        """A copy with other values, by dotted name, such as `hedging.leverage`.

        Raises:
            ValueError: (pydantic) as for a new policy.
        """
        content = self.model_dump()
        for name, value in values.items():
            table, _, key = name.rpartition(".")
            (content[table] if table else content)[key] = value
        return Policy.model_validate(content)

    @property
    def signal_names(self) -> tuple[str, ...]:
        """Every signal there may be, those of configured series last."""
        return (*SIGNAL_NAMES, *self.series)

    @property
    def evidence(self) -> Mapping[Condition, Mapping[str, Decimal]]:
        """The weight of each signal per condition, with those of configured series; while the sectors' own trends are
        read they speak for a downtrend with the weight of the market's, unless they are given one."""
        if not self.series and not self.trend.is_on:
            return self.regime.evidence
        result = {condition: dict(weights) for condition, weights in self.regime.evidence.items()}
        falling = result.get(Condition.DOWNTREND, {})
        if self.trend.is_on and "trend" in falling:
            falling.setdefault("sector_trend", falling["trend"])
        for name, rule in self.series.items():
            for condition, weight in rule.weights(self.allocation.risk_on).items():
                result.setdefault(condition, {})[name] = weight
        return result

    @property
    def candle_ms(self) -> int:
        """Timeframe of the candles that signals and entries read, ms."""
        return self.signals.candle_minutes * MINUTE_MS

    @property
    def perp_uses(self) -> tuple[str, ...]:
        """What of this needs perps, each as the setting that does without."""
        switches = {
            "hedging": self.hedging.is_on,
            "tactical": self.tactical.is_on,
            "short": self.short.is_on,
            "scalp": self.scalp.is_on,
            "carry": self.carry.is_on,
        }
        return (
            *(f"playbook.{name}.is_on = false" for name, is_on in switches.items() if is_on),
            *(() if self.gains.hedge is GainHedge.OFF else ('playbook.gains.hedge = "off"',)),
            *(
                f'playbook.allocation.{where}."{sleeve}" = 0'
                for where, target in self.allocation.named_targets.items()
                for sleeve, part in target.items()
                if sleeve.endswith(".futures") and part
            ),
        )

    @property
    def candle_count(self) -> int:
        """How many closed candles per symbol the longest window needs."""
        signals, constants = self.signals, self.constants
        days = max(
            signals.history_days,
            signals.range_days + 1,
            signals.trend_days * 2,
            signals.drawdown_days,
            signals.momentum_days * 3,
            constants.volatility_days * 3,
            constants.swing_days,
            constants.beta_days + 1,
            constants.trend_history_days if self.trend.is_on else 0,
        )
        return days * DAY_MS // self.candle_ms + 2

    def candles_in(self, days: int) -> int:
        """Candles in a window of days, at least 1."""
        return max(1, days * DAY_MS // self.candle_ms)

    def warnings(self) -> tuple[str, ...]:
        """What is allowed and still worth a word to the operator."""
        selling = [
            f"regime.evidence.{condition.value}.{name} is above 0: it would sell {self.allocation.risk_off}, whose "
            f"driver it is; move it to regime.evidence.{Condition.UNCERTAINTY.value}"
            for condition in (Condition.EUPHORIA, Condition.BREAKOUT)
            for name in ("usage", "resilience")
            if self.regime.evidence.get(condition, {}).get(name, 0) > 0
        ]
        return (*self.allocation.warnings(), *selling)
