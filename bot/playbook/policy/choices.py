"""What the tables of the playbook's settings have in common, and what settings choose from by name."""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

FROZEN = ConfigDict(frozen=True, extra="forbid")
Share = Annotated[Decimal, Field(ge=0, le=1)]


class HedgeWith(StrEnum):
    """What stands short against a sector's spot."""

    LEADER = "leader"
    INDEX = "index"
    BASKET = "basket"


class Unowned(StrEnum):
    """What the guard does with a perp position that no plan knows."""

    GUARD = "guard"
    HALT = "halt"
    IGNORE = "ignore"


class GainHedge(StrEnum):
    """How much of a sector whose spot has gained is hedged: nothing, the gain, or all of it."""

    OFF = "off"
    GAIN = "gain"
    FULL = "full"


class Style(StrEnum):
    """How a leg is executed, always inside its bound (PLAYBOOK §9): at once, in slices over time, resting at the middle
    of the touch, or resting at the bid and never taking."""

    MARKET = "market"
    TWAP = "twap"
    LIMIT = "limit"
    POST_ONLY = "post-only"


class NeutralFutures(StrEnum):
    """What the futures sleeves do in the neutral stance (PLAYBOOK §2)."""

    FLAT = "flat"
    SMALL_LONG = "small-long"
    DELTA_NEUTRAL = "delta-neutral"
