"""The names that the playbook's settings had before there were tables; they are accepted in this release.

`constants.*` is no setting any more, `gate.*` is a limit of the gate. Journals of older versions hold all of them.
"""

from collections.abc import Mapping
from typing import Any

WITHOUT_SUCCESSOR = ("max_sell_override", "leverage_override")  # `advanced` of the settings says the same
FORMER_NAMES: Mapping[str, str] = {
    "neutral": "allocation.neutral",
    "de_risk": "allocation.de_risk",
    "risk_on": "allocation.risk_on",
    "risk_off": "allocation.risk_off",
    "reserve_quote": "allocation.reserve_quote",
    "spot_share_min": "allocation.spot_share_min",
    "drift_buffer": "allocation.drift_buffer",
    "neutral_futures": "allocation.neutral_futures",
    "transfers": "allocation.transfers",
    "shift": "rotation.shift",
    "tactical_split": "rotation.tactical_split",
    "first_tranche": "rotation.first_tranche",
    "max_sell_fraction": "rotation.max_sell_fraction",
    "tranche_interval_minutes": "rotation.tranche_interval_minutes",
    "tranches_max": "rotation.tranches_max",
    "bridge": "rotation.bridge",
    "hedge_wait_minutes": "rotation.hedge_wait_minutes",
    "hedge": "hedging.is_on",
    "hedge_leverage": "hedging.leverage",
    "hedge_whole_from": "hedging.whole_from",
    "hedge_with": "hedging.instrument",
    "basket_size": "hedging.basket_size",
    "hedge_by_beta": "hedging.by_beta",
    "hedge_stop_pause_hours": "hedging.stop_pause_hours",
    "hedge_margin_keep": "hedging.margin_keep",
    "hedge_funding_max": "hedging.funding_max",
    "gain_hedge": "gains.hedge",
    "gain_trigger": "gains.trigger",
    "gain_end": "gains.end",
    "carry": "carry.is_on",
    "carry_share": "carry.share",
    "carry_enter": "carry.enter",
    "carry_end": "carry.end",
    "tactical": "tactical.is_on",
    "tactical_leverage": "tactical.leverage",
    "tactical_margin_max": "tactical.margin_max",
    "tactical_confidence": "tactical.confidence",
    "funding_budget": "tactical.funding_budget",
    "tactical_hours": "tactical.hours",
    "speculative_short": "short.is_on",
    "short_margin": "short.margin",
    "scalp": "scalp.is_on",
    "scalp_margin": "scalp.margin",
    "scalp_leverage": "scalp.leverage",
    "scalp_per_day": "scalp.per_day",
    "scalp_loss_max": "scalp.loss_max",
    "stop": "exits.stop",
    "targets": "exits.targets",
    "trailing": "exits.trailing",
    "exit_sign": "exits.sign",
    "stop_liquidation_buffer": "exits.liquidation_buffer",
    "exit_slippage_bps": "exits.slippage_bps",
    "unowned_position": "exits.unowned_position",
    "slippage_bps": "orders.slippage_bps",
    "increase_style": "orders.increase_style",
    "reduce_style": "orders.reduce_style",
    "twap_slices": "orders.twap_slices",
    "twap_minutes": "orders.twap_minutes",
    "rest_minutes": "orders.rest_minutes",
    "entry_wait": "entries.wait",
    "entry_wait_hours": "entries.wait_hours",
    "rsi_max": "entries.rsi_max",
    "entry_fibonacci": "entries.pullback",
    "fibonacci": "entries.pullback_share",
    "condition_override": "regime.override",
    "evidence": "regime.evidence",
    "enter": "regime.enter",
    "leave": "regime.leave",
    "dwell_hours": "regime.dwell_hours",
    "confirm_hours": "regime.confirm_hours",
    "neutral_return_hours": "regime.neutral_return_hours",
    "market_symbol": "signals.market_symbol",
    "candle_minutes": "signals.candle_minutes",
    "history_days": "signals.history_days",
    "momentum_days": "signals.momentum_days",
    "range_days": "signals.range_days",
    "trend_days": "signals.trend_days",
    "drawdown_days": "signals.drawdown_days",
    "breadth_days": "signals.breadth_days",
    "rates_days": "signals.rates_days",
    "rates_full": "signals.rates_full",
    "usage_days": "signals.usage_days",
    "usage_full": "signals.usage_full",
    "leg_tolerance": "constants.leg_tolerance",
    "transfer_retry_seconds": "constants.transfer_retry_seconds",
    "transfer_min_quote": "constants.transfer_min_quote",
    "leg_patience_hours": "constants.leg_patience_hours",
    "beta_days": "constants.beta_days",
    "beta_min": "constants.beta_min",
    "beta_max": "constants.beta_max",
    "carry_days": "constants.carry_days",
    "funding_average_hours": "constants.funding_average_hours",
    "standing_cover": "constants.standing_cover",
    "standing_buffer": "constants.standing_buffer",
    "cash_slippage_bps": "constants.cash_slippage_bps",
    "chase_bps": "constants.chase_bps",
    "swing_days": "constants.swing_days",
    "fibonacci_deep": "constants.fibonacci_deep",
    "rsi_period": "constants.rsi_period",
    "flatten_slice": "constants.flatten_slice",
    "flatten_slippage": "constants.flatten_slippage",
    "scalp_rsi": "constants.scalp_rsi",
    "scalp_target": "constants.scalp_target",
    "scalp_stop": "constants.scalp_stop",
    "scalp_hours": "constants.scalp_hours",
    "coverage_min": "constants.coverage_min",
    "drawdown_full": "constants.drawdown_full",
    "volatility_days": "constants.volatility_days",
    "volume_days": "constants.volume_days",
    "tvl_days": "constants.tvl_days",
    "tvl_full": "constants.tvl_full",
    "stablecoin_days": "constants.stablecoin_days",
    "stablecoin_full": "constants.stablecoin_full",
    "funding_full": "constants.funding_full",
    "interest_days": "constants.interest_days",
    "interest_full": "constants.interest_full",
    "signal_age_max_minutes": "constants.signal_age_max_minutes",
    "liquidation_distance_min": "gate.liquidation_distance_min",
    "max_leverage": "gate.position_leverage_max",
    "maintenance_rate": "gate.maintenance_rate",
    "order_share_max": "gate.order_share_max",
    "order_max_quote": "gate.order_notional_max_quote",
}
_TABLES = frozenset(path.partition(".")[0] for path in FORMER_NAMES.values())


def in_tables(content: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers by their former names, put into their tables. What has a name of today stays where it is."""
    former = [name for name, value in content.items() if is_former(name, value)]
    result = {
        name: dict(value) if isinstance(value, Mapping) else value
        for name, value in content.items()
        if name not in former
    }
    for name in former:
        if name in FORMER_NAMES:
            table, _, key = FORMER_NAMES[name].partition(".")
            result.setdefault(table, {})[key] = content[name]
    return result


def is_former(name: str, value: Any) -> bool:
    """Whether a key of the playbook is a former name. Some names of tables were names of switches before."""
    if name in _TABLES:
        return name in FORMER_NAMES and isinstance(value, bool | str | int)
    return name in FORMER_NAMES or name in WITHOUT_SUCCESSOR
