"""What money from outside says: value locked, and the operator's calendar (PLAYBOOK §3)."""

import math

from bot.playbook import indicators
from bot.playbook.market_view import RANKED_MIN, Z_SCORE, Signal, View, ranked
from bot.playbook.policy import DAY_MS


def tvl_growth(view: View) -> Signal | str:
    """Growth of the risk-on sector's value locked, share; 1 at `tvl_full`."""
    found = view.snapshot.tvl.get(view.policy.risk_on) or view.snapshot.tvl.get("total")
    if found is None or len(found.at_ms) < 2:
        return f"no TVL of {view.policy.risk_on}"
    value = tvl_change(view, found.name)
    if value is None:
        return f"TVL of {found.name} does not reach back {view.policy.tvl_days} days"
    others = {name: tvl_change(view, name) for name in sorted(view.snapshot.tvl) if name != found.name}
    beside = ", ".join(f"{name} {change:+.1%}" for name, change in others.items() if change is not None)
    words = f"TVL of {found.name} {value:+.1%} in {view.policy.tvl_days} days" + (f" ({beside})" if beside else "")
    score = indicators.clip(value / (float(view.policy.tvl_full) or 1.0))
    pairs = zip(found.values_quote, found.values_quote[view.policy.tvl_days :], strict=False)
    growths = [float(after / before) - 1.0 for before, after in pairs if before > 0]
    rank = indicators.zscore(value, growths) if len(growths) >= RANKED_MIN else None
    age = max(0, view.snapshot.at_ms - found.at_ms[-1])
    return Signal("tvl_growth", value, score, words, age, *ranked(rank, Z_SCORE))


def tvl_change(view: View, name: str) -> float | None:
    """Growth of a TVL over `tvl_days`; None when it is not known for so long."""
    found = view.snapshot.tvl.get(name)
    if found is None or len(found.at_ms) < 2:
        return None
    since = found.at_ms[-1] - view.policy.tvl_days * DAY_MS
    start = next((v for at, v in zip(found.at_ms, found.values_quote, strict=True) if at >= since), None)
    if start is None or start <= 0 or found.at_ms[0] > since + DAY_MS:
        return None
    return float(found.values_quote[-1] / start) - 1.0


def calendar(view: View) -> Signal | str:
    """Sum of the weights of the operator's events that are on now; upgrades are asked for elsewhere."""
    active = [e for e in view.snapshot.events if e.start_ms <= view.snapshot.at_ms < e.end_ms and e.kind != "upgrade"]
    if not view.snapshot.events:
        return "the operator's calendar is empty"
    value = math.fsum(float(event.weight) for event in active)
    words = ", ".join(f"{event.name} ({event.kind})" for event in active) or "nothing on the calendar now"
    return Signal("calendar", value, indicators.clip(value), words, 0)
