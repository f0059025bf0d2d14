"""How wide and how deep a token's book is, from recorded order books.

Recorded: BTC, ETH, SOL (perps, and spot of the first two) in August 2026; UNI, AVAX in April 2022; SUSHI in July 2021;
LINK, ADA, DOT in April 2021 near the touch only. Where a recording ends before one percent of the price, its depth was
continued along the shape of those that reach so far. The others are placed by their day's volume among the recorded.
"""

from collections.abc import Mapping
from dataclasses import dataclass

SPOT_SHARE = 0.35  # of a perp's depth, as in the recorded pairs of both


@dataclass(frozen=True, slots=True)
class BookShape:
    """`spread` is relative (0.0001: one basis point); `depth_quote` is the value within one percent, on either side."""

    spread: float
    depth_quote: float


def shape_of(token: str, volume: float, *, is_perp: bool) -> BookShape:
    """The book of a token whose day's volume is `volume` in quote."""
    spread, depth = _RECORDED.get(token) or _by_volume(volume)
    return BookShape(spread, depth if is_perp else depth * SPOT_SHARE)


# relative spread and depth of the perp
_RECORDED: Mapping[str, tuple[float, float]] = {
    "BTC": (0.000002, 40e6),
    "ETH": (0.000005, 30e6),
    "SOL": (0.00013, 13.4e6),
    "LINK": (0.0001, 2.8e6),
    "AVAX": (0.0003, 1.1e6),
    "ADA": (0.0001, 2.1e6),
    "DOT": (0.00012, 1.2e6),
    "UNI": (0.0005, 1.0e6),
    "SUSHI": (0.00013, 1.0e6),
}


def _by_volume(volume: float) -> tuple[float, float]:
    """Two percent of a day's volume, and the wider the less is traded."""
    spread = 0.00005 if volume > 3e8 else 0.0002 if volume > 5e7 else 0.0005 if volume > 1e7 else 0.001
    return spread, volume * 0.02
