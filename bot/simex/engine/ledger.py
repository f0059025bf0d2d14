"""Double-entry ledger: every movement debits one holder and credits another, so the sum is constant by construction.

Deposits come from the holder `DEPOSITS`, which goes below zero by what came in; the sum over all holders stays zero.
"""

from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal

from bot.domain.money import ZERO

DEPOSITS, MARKET, FEES, FUNDING, INSURANCE = "@deposits", "@market", "@fees", "@funding", "@insurance"
CONVERSIONS = "@conversions"


def spot_of(account: str) -> str:
    return f"{account}/spot"


def perp_of(account: str) -> str:
    return f"{account}/perp"


class Ledger:
    """Holdings by holder and asset."""

    def __init__(self) -> None:
        self._held: defaultdict[str, defaultdict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
        self.moves = 0

    def move(self, asset: str, giver: str, taker: str, amount: Decimal) -> None:
        """Move `amount`; a negative one goes the other way."""
        self.moves += 1
        self._held[giver][asset] -= amount
        self._held[taker][asset] += amount

    def held(self, holder: str, asset: str) -> Decimal:
        assets = self._held.get(holder)
        return assets.get(asset, ZERO) if assets is not None else ZERO

    def assets(self, holder: str) -> Mapping[str, Decimal]:
        return self._held.get(holder, {})

    def put(self, holder: str, asset: str, amount: Decimal) -> None:
        """A holding as it was stored, whatever was there."""
        self._held[holder][asset] = amount

    def holdings(self) -> Mapping[str, Mapping[str, Decimal]]:
        """What each holder has, the exchange's own holders included."""
        return {holder: dict(assets) for holder, assets in self._held.items()}

    def totals(self) -> dict[str, Decimal]:
        """Sum over all holders per asset; all zero."""
        sums: defaultdict[str, Decimal] = defaultdict(Decimal)
        for assets in self._held.values():
            for asset, amount in assets.items():
                sums[asset] += amount
        return dict(sums)

    def deposited(self) -> dict[str, Decimal]:
        return {asset: -amount for asset, amount in self._held[DEPOSITS].items()}
