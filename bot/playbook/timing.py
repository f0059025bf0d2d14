"""When a purchase may wait for a better price (PLAYBOOK §9): an overbought token, a swing that has not pulled back.

Candles only say whether to wait; no price of an order is made from them.
"""

from bot.domain.candles import CandleSeries
from bot.playbook import indicators
from bot.playbook.policy import Policy


def overbought(series: CandleSeries | None, policy: Policy) -> float | None:
    """The RSI when it is high enough to delay a purchase (PLAYBOOK §9), None otherwise."""
    found = indicators.rsi(series.closes, policy.rsi_period) if series is not None else None
    return found if found is not None and found > float(policy.rsi_max) else None


def retracement_zone(series: CandleSeries | None, policy: Policy) -> tuple[float, float] | None:
    """Prices between which a pullback of the last swing is bought, low and high (PLAYBOOK §9): a rising swing that has
    given back `fibonacci_deep` and `fibonacci` of itself. None without a rising swing."""
    if series is None:
        return None
    count = policy.candles_in(policy.swing_days)
    swing = indicators.last_swing(series.highs[-count:], series.lows[-count:])
    if swing is None or not swing[2]:
        return None
    low, high, _ = swing
    deep, shallow = (float(part) for part in (policy.fibonacci_deep, policy.fibonacci))
    return indicators.retracement(low, high, deep), indicators.retracement(low, high, shallow)
