"""The signals, and which of them speak for each condition of the market by default (PLAYBOOK §3)."""

from collections.abc import Mapping
from decimal import Decimal

from bot.domain.campaign import Condition


def _evidence(**values: str) -> dict[str, Decimal]:
    return {name: Decimal(value) for name, value in values.items()}


DEFAULT_EVIDENCE: Mapping[Condition, Mapping[str, Decimal]] = {
    Condition.BREAKOUT: _evidence(
        ratio_breakout="0.35", relative_strength="0.25", trend="0.15", breadth="0.15", volume="0.10"
    ),
    Condition.EUPHORIA: _evidence(
        relative_strength="0.35",
        tvl_growth="0.20",
        volume="0.15",
        trend="0.15",
        breadth="0.15",
        stablecoins="0.10",
    ),
    Condition.UNCERTAINTY: _evidence(
        calendar="-0.35",
        relative_strength="-0.30",
        ratio_breakout="-0.15",
        volatility="-0.20",
        resilience="0.20",
        usage="0.10",
    ),
    Condition.DOWNTREND: _evidence(
        trend="-0.35", drawdown="-0.25", breadth="-0.25", volatility="-0.15", stablecoins="-0.10", rates="-0.10"
    ),
}


SIGNAL_NAMES = (
    "relative_strength",
    "ratio_breakout",
    "resilience",
    "trend",
    "drawdown",
    "breadth",
    "volatility",
    "volume",
    "liquidity",
    "crowding",
    "open_interest",
    "basis",
    "tvl_growth",
    "tvl_total",
    "stablecoins",
    "rates",
    "usage",
    "calendar",
    "sector_trend",
)
