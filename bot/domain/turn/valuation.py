"""The account at prices, as the journal keeps it every quarter of an hour: where profit and loss begins and ends."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from bot.domain.money import ZERO

VALUATION = "valuation"  # the kind of its event


@dataclass(frozen=True, slots=True)
class SpotValue:
    """A spot asset: all of it, and the price that it counts at."""

    size: Decimal
    price: Decimal


@dataclass(frozen=True, slots=True)
class PerpValue:
    """A perp position: signed contracts, average entry, mark and unrealised profit as the venue states them."""

    size: Decimal
    entry: Decimal
    mark: Decimal
    unrealised: Decimal


@dataclass(frozen=True, slots=True)
class Valuation:
    """Equity and what it is made of: `cash` (spot wallet, quote), `wallet` (perp wallet without unrealised profit, 0 in
    a unified account), spot by asset, perps by symbol. Assets without a price are left out of all of it; `unpriced` has
    the sizes of those that belong to a sector (none in journals of earlier versions).

    `stance` is what the book stood at, `neutral` the neutral spot share of each sector, `prices` those of the sectors'
    tokens that are not held (empty in journals of earlier versions): what profit is divided by."""

    at_ms: int
    quote: str
    equity: Decimal
    cash: Decimal
    wallet: Decimal = ZERO
    spot: Mapping[str, SpotValue] = field(default_factory=dict)
    perps: Mapping[str, PerpValue] = field(default_factory=dict)
    condition: str = ""
    is_unified: bool = False
    unpriced: Mapping[str, Decimal] = field(default_factory=dict)
    stance: str = ""
    neutral: Mapping[str, Decimal] = field(default_factory=dict)
    prices: Mapping[str, Decimal] = field(default_factory=dict)

    def price(self, asset: str) -> Decimal | None:
        """The price of an asset that is held, or of a sector's token."""
        held = self.spot.get(asset)
        return held.price if held is not None else self.prices.get(asset)
