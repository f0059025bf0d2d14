"""Every number of the playbook, named, ranged and defaulted (PLAYBOOK §§2–11).

Shares are fractions (0.05 is five percent) of the book where nothing else is said. Numbers that reach an amount are
Decimal; so are thresholds, which `signals` and `regime` turn into floats for themselves.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bot.domain.campaign import Bridge, Condition
from bot.domain.durations import DAY_MS, MINUTE_MS
from bot.playbook.policy.choices import GainHedge, HedgeWith, NeutralFutures, Style, Unowned
from bot.playbook.policy.default_evidence import DEFAULT_EVIDENCE, SIGNAL_NAMES
from bot.playbook.policy.membership import Sector, Sectors, Weighting
from bot.playbook.policy.targets import ProfitTarget, problems_of_target, sectors_of, target_shares

__all__ = ["SIGNAL_NAMES", "Policy", "ProfitTarget", "Sector", "Sectors", "Weighting", "sectors_of"]

Share = Annotated[Decimal, Field(ge=0, le=1)]
LEVERAGE_PLAIN = Decimal(5)
SELL_FRACTION_PLAIN = Decimal("0.20")


class Policy(BaseModel):
    """What the playbook does with its numbers. Frozen; unknown names are errors.

    Raises:
        ValueError: (pydantic) for a number out of its range, or a set of numbers that contradict each other.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    # target shares
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

    # a rotation
    shift: Decimal = Field(default=Decimal("0.20"), gt=0, le=Decimal("0.5"), description="share of the book rotated")
    tactical_split: Decimal = Field(
        default=Decimal("0.10"),
        ge=Decimal("0.05"),
        le=Decimal("0.10"),
        description="part of the rotated capital that becomes margin of the tactical long, when one is allowed",
    )
    first_tranche: Decimal = Field(default=Decimal("0.75"), gt=0, le=1, description="part of a shift sold at once")
    max_sell_fraction: Decimal = Field(
        default=SELL_FRACTION_PLAIN,
        ge=Decimal("0.01"),
        le=Decimal("0.5"),
        description="part of a sector's spot sold per tranche; above 0.20 needs max_sell_override",
    )
    max_sell_override: bool = Field(default=False, description="whether max_sell_fraction may be above 0.20")
    tranche_interval_minutes: int = Field(
        default=1440, ge=1, le=43_200, description="from the start of one tranche to the start of the next, minutes"
    )
    tranches_max: int = Field(default=30, ge=1, le=90, description="most tranches of one rotation, count")
    bridge: Bridge = Field(
        default=Bridge.NONE, description="what pays for purchases before their sale: none, reserve or idle-margin"
    )
    leg_tolerance: Decimal = Field(
        default=Decimal("0.003"),
        ge=0,
        le=Decimal("0.05"),
        description="part of a leg, above one lot, that may stay undone; never more than twice the fee",
    )

    # wallets
    transfers: bool = Field(default=True, description="whether the venue moves quote money between its wallets")
    transfer_retry_seconds: int = Field(
        default=60, ge=1, le=86_400, description="a transfer the wallets do not show is asked for again after, seconds"
    )
    transfer_min_quote: Decimal = Field(default=Decimal(1), ge=0, description="smaller transfers are left out, quote")

    # hedges
    hedge: bool = Field(default=True, description="whether spot that waits to be sold is hedged")
    hedge_leverage: Decimal = Field(default=Decimal(5), ge=1, le=5, description="leverage of a hedge, isolated")
    hedge_whole_from: tuple[str, ...] = Field(
        default=("defi",), description="sectors whose whole shift is hedged before the first sale (scenario B)"
    )
    hedge_stop_pause_hours: int = Field(
        default=24,
        ge=1,
        le=720,
        description="no hedge of a sector is opened after the stop of one has closed it, hours",
    )
    hedge_margin_keep: Decimal = Field(
        default=Decimal(1),
        ge=0,
        le=5,
        description="margin kept free beside a hedge before the sleeve may bridge a purchase, multiple of its margin",
    )
    liquidation_distance_min: Decimal = Field(
        default=Decimal("0.10"),
        gt=0,
        le=Decimal("0.5"),
        description="distance of mark to liquidation of a hedge below which its margin is topped up, share of mark",
    )

    hedge_with: HedgeWith = Field(
        default=HedgeWith.LEADER,
        description="what hedges a sector: leader (first of its hedge list), index (its index perp) or basket",
    )
    basket_size: int = Field(default=3, ge=2, le=10, description="most perps of a basket, count")
    hedge_by_beta: bool = Field(
        default=False, description="whether leader and index are sized by their beta; a basket always is"
    )
    beta_days: int = Field(default=30, ge=5, le=120, description="window of a beta, days")
    beta_min: Decimal = Field(default=Decimal("0.50"), gt=0, le=1, description="least beta used, multiple")
    beta_max: Decimal = Field(
        default=Decimal("1.50"), ge=1, le=3, description="largest beta used, multiple; a hedge never exceeds its spot"
    )

    neutral_futures: NeutralFutures = Field(
        default=NeutralFutures.FLAT,
        description="futures sleeves in the neutral stance: flat, small-long (the sleeve's capital long on its leader) "
        "or delta-neutral (spot against a short)",
    )
    gain_hedge: GainHedge = Field(
        default=GainHedge.OFF, description="hedge of unrealised gains of spot: off, gain (the gain) or full (all spot)"
    )
    unowned_position: Unowned = Field(
        default=Unowned.GUARD, description="perp positions that no plan knows: guard (a stop), halt entries, or ignore"
    )
    gain_trigger: Decimal = Field(
        default=Decimal("1.00"), gt=0, le=100, description="unrealised gain at which it is hedged, share of its cost"
    )
    gain_end: Decimal = Field(
        default=Decimal("0.50"), ge=0, le=100, description="unrealised gain below which that ends, share of its cost"
    )
    carry: bool = Field(default=False, description="whether spot is held against a short perp that earns funding")
    carry_share: Share = Field(default=Decimal("0.50"), description="spot of a sector held in carry, share")
    carry_enter: Decimal = Field(
        default=Decimal("0.15"),
        gt=0,
        le=10,
        description="average funding less fees at which carry begins, share per year",
    )
    carry_end: Decimal = Field(
        default=Decimal("0.05"), ge=0, le=10, description="average funding below which carry ends, share per year"
    )
    carry_days: int = Field(default=30, ge=1, le=365, description="time over which carry pays back its fees, days")
    funding_average_hours: int = Field(
        default=72, ge=8, le=720, description="window of the average funding that decisions look at, hours"
    )
    hedge_funding_max: Decimal = Field(
        default=Decimal("0.30"),
        gt=0,
        le=10,
        description="average funding paid at which a standing hedge ends, share per year; it may begin below half",
    )
    standing_cover: Decimal = Field(
        default=Decimal("0.95"), gt=0, le=1, description="most of a sector's spot that a standing hedge covers, share"
    )
    standing_buffer: Decimal = Field(
        default=Decimal("0.10"), gt=0, le=1, description="change of a standing hedge left alone, share of it"
    )

    # the tactical long
    tactical: bool = Field(default=True, description="whether tactical longs are opened at all")
    tactical_leverage: Decimal = Field(default=Decimal(3), ge=1, le=10, description="leverage of a tactical long")
    max_leverage: Decimal = Field(
        default=LEVERAGE_PLAIN, ge=1, le=10, description="cap on leverage; above 5 needs leverage_override"
    )
    leverage_override: bool = Field(default=False, description="whether max_leverage may be above 5")
    tactical_margin_max: Decimal = Field(
        default=Decimal("0.05"), gt=0, le=Decimal("0.05"), description="margin of tactical longs, share of the book"
    )
    tactical_confidence: Share = Field(
        default=Decimal("0.80"), description="confidence at which euphoria allows a tactical long, 0 to 1"
    )
    funding_budget: Share = Field(
        default=Decimal("0.10"), description="funding a tactical long may cost, share of its margin"
    )

    # wagers outside of a rotation
    speculative_short: bool = Field(
        default=False, description="whether a broad downtrend may be shorted beyond the spot that is held"
    )
    short_margin: Decimal = Field(
        default=Decimal("0.02"),
        gt=0,
        le=Decimal("0.05"),
        description="margin of a speculative short, share of the book",
    )
    scalp: bool = Field(default=False, description="whether turns of the RSI are scalped in the stance's direction")
    scalp_margin: Decimal = Field(
        default=Decimal("0.01"), gt=0, le=Decimal("0.02"), description="margin of a scalp, share of the book"
    )
    scalp_leverage: Decimal = Field(default=Decimal(3), ge=1, le=10, description="leverage of a scalp")
    scalp_rsi: Decimal = Field(
        default=Decimal(30),
        gt=0,
        lt=50,
        description="RSI a long scalp comes back over; a short one comes back under 100 less this, 0–100",
    )
    scalp_target: Decimal = Field(
        default=Decimal("0.02"), gt=0, le=Decimal("0.2"), description="price move that ends a scalp in profit, share"
    )
    scalp_stop: Decimal = Field(
        default=Decimal("0.01"), gt=0, le=Decimal("0.1"), description="price move that stops a scalp, share"
    )
    scalp_hours: int = Field(default=12, ge=1, le=72, description="time stop of a scalp, hours")
    scalp_per_day: int = Field(default=2, ge=1, le=24, description="most scalps begun in a UTC day, count")
    scalp_loss_max: Decimal = Field(
        default=Decimal("0.002"),
        gt=0,
        le=Decimal("0.02"),
        description="losses of scalps after which none begins till the next UTC day, share of the book",
    )

    # exits
    stop: Decimal = Field(default=Decimal("0.08"), gt=0, le=Decimal("0.5"), description="stop below entry, share")
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
    tactical_hours: int = Field(default=168, ge=1, le=2160, description="time stop of a tactical long, hours")
    stop_liquidation_buffer: Decimal = Field(
        default=Decimal("0.15"),
        ge=0,
        lt=1,
        description="part of the way to liquidation that the stop leaves unused, share",
    )
    maintenance_rate: Decimal = Field(
        default=Decimal("0.01"), ge=0, le=Decimal("0.2"), description="maintenance margin assumed, share of notional"
    )
    exit_sign: Share = Field(
        default=Decimal("0.5"), description="score below its negative makes a signal an exit sign, 0 to 1"
    )

    # orders
    slippage_bps: int = Field(default=50, ge=1, le=1000, description="worst price of an entry off reference, bps")
    cash_slippage_bps: int = Field(
        default=5, ge=0, le=1000, description="room above the ask of a purchase that takes the last of the cash, bps"
    )
    exit_slippage_bps: int = Field(default=150, ge=1, le=2000, description="worst price of an exit off reference, bps")
    order_share_max: Decimal = Field(
        default=Decimal("0.10"), gt=0, le=1, description="largest order of a leg, share of equity; the rest follows"
    )
    order_max_quote: Decimal = Field(
        default=Decimal(10_000), gt=0, description="largest order of a leg, quote; the rest follows"
    )
    increase_style: Style = Field(
        default=Style.MARKET,
        description="execution of spot purchases: market (limit at the worst price), twap, limit (rests at the middle"
        " of the touch) or post-only (rests at the bid)",
    )
    reduce_style: Style = Field(
        default=Style.MARKET,
        description="execution of a rotation's spot sales: market (limit at the worst price) or twap; they never rest",
    )
    twap_slices: int = Field(default=6, ge=2, le=48, description="slices that a twap divides a leg into, count")
    twap_minutes: int = Field(default=60, ge=2, le=1440, description="time over which a twap spreads a leg, minutes")
    rest_minutes: int = Field(
        default=240,
        ge=5,
        le=1440,
        description="how long limit and post-only purchases may follow the price before the rest goes at once, minutes",
    )
    chase_bps: int = Field(
        default=10,
        ge=0,
        le=1000,
        description="how far the bid may leave a resting purchase behind before it follows, bps",
    )
    entry_wait: bool = Field(default=True, description="whether overbought tokens are bought later")
    entry_wait_hours: int = Field(default=24, ge=0, le=720, description="longest wait for a better entry, hours")
    hedge_wait_minutes: int = Field(
        default=10,
        ge=0,
        le=240,
        description="how long the sales of a rotation wait for their hedge before they go on without it, minutes",
    )
    leg_patience_hours: int = Field(
        default=24,
        ge=1,
        le=720,
        description="after the wait for an entry: until a leg that is refused is given up, hours",
    )
    entry_fibonacci: bool = Field(
        default=False, description="whether purchases wait for a pullback of the token's last rising swing"
    )
    swing_days: int = Field(default=30, ge=2, le=120, description="window of the last swing, days")
    fibonacci: Decimal = Field(
        default=Decimal("0.382"), gt=0, lt=1, description="part of the swing given back that is waited for, share"
    )
    fibonacci_deep: Decimal = Field(
        default=Decimal("0.618"),
        gt=0,
        lt=1,
        description="part given back beyond which the swing is over and nothing is waited for, share",
    )
    rsi_period: int = Field(default=14, ge=2, le=100, description="candles of the entry's RSI, count")
    rsi_max: Decimal = Field(default=Decimal(70), ge=50, le=100, description="RSI above which a purchase waits, 0–100")
    flatten_slice: Decimal = Field(
        default=Decimal("0.25"), gt=0, le=1, description="part of each holding sold per round of flatten, share"
    )
    flatten_slippage: Decimal = Field(
        default=Decimal("0.02"), gt=0, le=Decimal("0.2"), description="worst price of flatten off the valuation, share"
    )

    # reading the market
    condition_override: Condition | None = Field(
        default=None, description="the operator's own reading; the signals are shown but not followed"
    )
    evidence: Mapping[Condition, Mapping[str, Decimal]] = Field(
        default=DEFAULT_EVIDENCE,
        description="weight of each signal per condition; negative: a negative score speaks for it. A signal without a "
        "source (see tvl, macro) does not count, one that is missing lowers confidence",
    )
    enter: Share = Field(default=Decimal("0.50"), description="confidence at which a condition begins, 0 to 1")
    leave: Share = Field(default=Decimal("0.30"), description="confidence below which a condition ends, 0 to 1")
    coverage_min: Share = Field(
        default=Decimal("0.50"), description="part of the evidence that must be present for a change of condition"
    )
    dwell_hours: int = Field(default=72, ge=0, le=2160, description="least life of a condition, hours")
    confirm_hours: int = Field(default=4, ge=0, le=336, description="time a new condition must persist, hours")
    neutral_return_hours: int = Field(
        default=0, ge=0, le=8760, description="neutral condition after which the book returns to neutral; 0: it holds"
    )
    market_symbol: str = Field(
        default="BTC/USDT",
        pattern=r"^[A-Z0-9]+/[A-Z0-9]+$",
        description="what stands for the whole market, unified spot symbol",
    )
    candle_minutes: int = Field(default=240, ge=1, le=1440, description="timeframe of the signals, minutes")
    momentum_days: int = Field(default=14, ge=1, le=90, description="window of relative strength, days")
    range_days: int = Field(default=30, ge=2, le=120, description="range the ratio must break, days")
    trend_days: int = Field(default=50, ge=2, le=200, description="moving average of the market, days")
    drawdown_days: int = Field(default=90, ge=2, le=200, description="window of the market's high, days")
    drawdown_full: Share = Field(default=Decimal("0.25"), description="drawdown that scores −1, share")
    breadth_days: int = Field(default=20, ge=1, le=100, description="moving average of each token, days")
    volatility_days: int = Field(default=10, ge=1, le=60, description="window of realised volatility, days")
    volume_days: int = Field(default=5, ge=1, le=60, description="window of recent volume, days")
    history_days: int = Field(default=120, ge=5, le=365, description="history that z-scores compare with, days")
    tvl_days: int = Field(default=30, ge=1, le=180, description="window of TVL growth, days")
    tvl_full: Share = Field(default=Decimal("0.20"), description="TVL growth that scores 1, share")
    stablecoin_days: int = Field(default=30, ge=1, le=365, description="window of the growth of stablecoins, days")
    stablecoin_full: Decimal = Field(
        default=Decimal("0.05"), gt=0, le=10, description="growth of stablecoins that scores 1, share"
    )
    rates_days: int = Field(default=90, ge=1, le=1095, description="window of the change of interest rates, days")
    rates_full: Decimal = Field(
        default=Decimal("1.00"),
        gt=0,
        le=1000,
        description="rise of interest rates that scores −1, in the unit of their file",
    )
    usage_days: int = Field(default=30, ge=1, le=365, description="window of the growth of network usage, days")
    usage_full: Decimal = Field(
        default=Decimal("0.25"), gt=0, le=10, description="growth of network usage that scores 1, share"
    )
    funding_full: Decimal = Field(
        default=Decimal("0.60"), gt=0, le=10, description="funding or basis that scores −1, share per year"
    )
    interest_days: int = Field(default=7, ge=1, le=30, description="window of open-interest growth, days")
    interest_full: Decimal = Field(
        default=Decimal("1.00"),
        gt=0,
        le=10,
        description="growth of open interest beyond that of the price that scores −1, share",
    )
    signal_age_max_minutes: int = Field(
        default=600, ge=1, le=10_080, description="older candles make a signal missing, minutes"
    )

    @model_validator(mode="after")
    def _hang_together(self) -> "Policy":
        for problem in self._problems():
            raise ValueError(problem)
        return self

    def _problems(self) -> tuple[str, ...]:
        found = [
            problem
            for name, target in (("neutral", self.neutral), ("de_risk", self.de_risk))
            for problem in problems_of_target(name, target)
        ]
        if self.reduce_style not in (Style.MARKET, Style.TWAP):
            found.append(
                f"reduce_style = {self.reduce_style.value}: sales and the hedges behind them never wait for a price;"
                " use market or twap"
            )
        if self.max_leverage > LEVERAGE_PLAIN and not self.leverage_override:
            found.append(
                f"max_leverage = {self.max_leverage} is above 5: set leverage_override = true to mean it, or lower it"
            )
        if self.max_sell_fraction > SELL_FRACTION_PLAIN and not self.max_sell_override:
            found.append(
                f"max_sell_fraction = {self.max_sell_fraction} is above 0.20, the most one tranche should sell: "
                "set max_sell_override = true to mean it, or lower it"
            )
        if self.leave >= self.enter:
            found.append(f"leave = {self.leave} must be below enter = {self.enter}, or conditions would flicker")
        if self.fibonacci >= self.fibonacci_deep:
            found.append(f"fibonacci = {self.fibonacci} must be below fibonacci_deep = {self.fibonacci_deep}")
        if self.gain_end >= self.gain_trigger:
            found.append(f"gain_end = {self.gain_end} must be below gain_trigger = {self.gain_trigger}")
        if self.carry_end >= self.carry_enter:
            found.append(f"carry_end = {self.carry_end} must be below carry_enter = {self.carry_enter}")
        if self.risk_on == self.risk_off:
            found.append(f"risk_on and risk_off are both {self.risk_on!r}: a rotation needs two sectors")
        if sum(rung.part for rung in self.targets) > 1:
            found.append("targets: the parts add up to more than 1, there is not that much to close")
        for condition, weights in self.evidence.items():
            found += [
                f"evidence.{condition}: there is no signal {name!r}; the signals are {', '.join(SIGNAL_NAMES)}"
                for name in weights
                if name not in SIGNAL_NAMES
            ]
        if self.speculative_short and any(rung.move >= 1 for rung in self.targets):
            found.append("targets: a short cannot gain a move of 1 or more; lower it, or speculative_short = false")
        moves = [rung.move for rung in self.targets]
        if moves != sorted(moves):
            found.append("targets: moves must rise from rung to rung")
        return tuple(found)

    @property
    def candle_ms(self) -> int:
        """Timeframe of the candles that signals and entries read, ms."""
        return self.candle_minutes * MINUTE_MS

    @property
    def candle_count(self) -> int:
        """How many closed candles per symbol the longest window needs."""
        days = max(
            self.history_days,
            self.range_days + 1,
            self.trend_days * 2,
            self.drawdown_days,
            self.momentum_days * 3,
            self.volatility_days * 3,
            self.swing_days,
            self.beta_days + 1,
        )
        return days * DAY_MS // self.candle_ms + 2

    def candles_in(self, days: int) -> int:
        """Candles in a window of days, at least 1."""
        return max(1, days * DAY_MS // self.candle_ms)

    def warnings(self) -> tuple[str, ...]:
        """What is allowed and still worth a word to the operator."""
        found = []
        for name, target in (("neutral", self.neutral), ("de_risk", self.de_risk)):
            for sector in sectors_of(target):
                spot, futures = target.get(f"{sector}.spot", Decimal(0)), target.get(f"{sector}.futures", Decimal(0))
                if spot + futures > 0 and spot < self.spot_share_min * (spot + futures):
                    found.append(
                        f"{name}: spot is less than {self.spot_share_min:%} of the capital of {sector}; idle margin "
                        "will be moved to spot to keep it"
                    )
        if self.tactical_leverage > self.max_leverage:
            found.append(
                f"tactical_leverage = {self.tactical_leverage} will be cut to max_leverage = {self.max_leverage}"
            )
        return tuple(found)
