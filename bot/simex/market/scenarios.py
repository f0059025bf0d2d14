"""Scenarios as tables: how market and sectors drift before and after the start, and how lively prices are.

A ramp is (hours from the start, log level) joined by lines; the random part returns to its mean, so that what a
scenario says is what its indicators show.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Ramp = Sequence[tuple[float, float]]
FLAT: Ramp = ((0.0, 0.0),)
DAY = 24.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """Ramps by factor (`market`, `defi`, `infra`), one of the basis (perp premium), one of TVL per sector, one of the
    supply of stablecoins; deviations of the hourly steps; `liveliness` scales them through time."""

    market: Ramp = FLAT
    defi: Ramp = FLAT
    infra: Ramp = FLAT
    premium: Ramp = FLAT
    tvl_defi: Ramp = FLAT
    tvl_infra: Ramp = FLAT
    stablecoins: Ramp = FLAT
    liveliness: Ramp = ((0.0, 1.0),)
    volume: Ramp = FLAT
    market_step: float = 0.0035
    sector_step: float = 0.0012


def level(ramp: Ramp, hours: float) -> float:
    """The ramp's value, flat outside its ends."""
    index = bisect_right(ramp, hours, key=lambda point: point[0])
    if index == 0:
        return ramp[0][1]
    if index == len(ramp):
        return ramp[-1][1]
    (a_at, a), (b_at, b) = ramp[index - 1], ramp[index]
    return a + (b - a) * (hours - a_at) / (b_at - a_at)


SCENARIOS: Mapping[str, Scenario] = {
    "golden": Scenario(
        market=((-12 * DAY, 0.0), (-2 * DAY, 0.10), (0.0, 0.13), (30 * DAY, 0.20)),
        defi=((-5 * DAY, 0.0), (-1 * DAY, 0.11), (0.0, 0.17), (2 * DAY, 0.19), (30 * DAY, 0.24)),
        premium=((-5 * DAY, 0.0), (0.0, 0.0002)),
        tvl_defi=((-20 * DAY, 0.0), (0.0, 0.14), (30 * DAY, 0.25)),
        tvl_infra=((-20 * DAY, 0.0), (0.0, 0.03), (30 * DAY, 0.06)),
        stablecoins=((-30 * DAY, 0.0), (0.0, 0.04), (30 * DAY, 0.07)),
        liveliness=((-8 * DAY, 1.0), (-6 * DAY, 0.6), (-12.0, 0.5), (0.0, 0.25), (3 * DAY, 0.25), (10 * DAY, 0.8)),
        volume=((-5 * DAY, 0.0), (-1 * DAY, 0.5), (0.0, 0.6), (10 * DAY, 0.3)),
    ),
    "risk-off": Scenario(
        market=((-10 * DAY, 0.0), (0.0, -0.03), (30 * DAY, -0.05)),
        defi=((-8 * DAY, 0.0), (-1 * DAY, -0.15), (0.0, -0.19), (30 * DAY, -0.26)),
        infra=((-8 * DAY, 0.0), (0.0, 0.02)),
        premium=((-5 * DAY, 0.0), (0.0, -0.0002)),
        tvl_defi=((-15 * DAY, 0.0), (0.0, -0.16), (30 * DAY, -0.25)),
        tvl_infra=((-15 * DAY, 0.0), (0.0, 0.01)),
        stablecoins=((-30 * DAY, 0.0), (0.0, -0.005), (30 * DAY, -0.01)),
        liveliness=((-8 * DAY, 1.0), (0.0, 0.6)),
        volume=((-8 * DAY, 0.0), (0.0, 0.3)),
    ),
    "downtrend": Scenario(
        market=((-28 * DAY, 0.0), (-4 * DAY, -0.26), (0.0, -0.38), (30 * DAY, -0.60)),
        defi=((-20 * DAY, 0.0), (0.0, -0.06)),
        premium=((-10 * DAY, 0.0), (0.0, -0.0004)),
        tvl_defi=((-28 * DAY, 0.0), (0.0, -0.30), (30 * DAY, -0.45)),
        tvl_infra=((-28 * DAY, 0.0), (0.0, -0.25), (30 * DAY, -0.40)),
        stablecoins=((-28 * DAY, 0.0), (0.0, -0.04), (30 * DAY, -0.08)),
        liveliness=((-28 * DAY, 1.0), (-10 * DAY, 2.0), (0.0, 2.4)),
        volume=((-28 * DAY, 0.0), (0.0, 0.7)),
    ),
    "quiet": Scenario(market_step=0.0022, sector_step=0.0008),
}
