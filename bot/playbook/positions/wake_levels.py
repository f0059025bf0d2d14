"""Price levels at which a guard runs ahead of its schedule: the nearest exit levels of what is held.

The levels decide only when a guard runs. The exit rules decide by the prices that it reads.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from bot.domain.campaign import Memory, OpenExit
from bot.domain.market import Snapshot
from bot.domain.money import ONE
from bot.domain.portfolio import Account, Position
from bot.domain.symbol import base_of, is_perp
from bot.playbook.policy.numbers import Policy
from bot.playbook.positions.exit_rules import trailing_stop
from bot.playbook.positions.unguarded import nearest_stop

MOVE = Decimal("0.005")
"""A move as large is looked at, whatever is held: best prices, hedges and the distance to a liquidation follow it."""
NEAR = MOVE / 2
"""A price as near to an exit level is next to it: the bot looks as often as without streams, so that its connections
are open, and what it knows is young, when the level is reached."""


@dataclass(frozen=True, slots=True)
class PriceRange:
    """Prices between which nothing is expected to happen. `exit_low` and `exit_high` are the nearest levels at which a
    position ends or is reduced, whether or not a smaller move is looked at before; None: there is none."""

    low: Decimal
    high: Decimal
    exit_low: Decimal | None = None
    exit_high: Decimal | None = None

    def holds(self, price: Decimal) -> bool:
        """Whether nothing is expected at the price."""
        return self.low < price < self.high

    def has_exit_at(self, price: Decimal) -> bool:
        """Whether the price has reached an exit level."""
        is_low = self.exit_low is not None and price <= self.exit_low
        return is_low or (self.exit_high is not None and price >= self.exit_high)

    def is_near_exit(self, price: Decimal) -> bool:
        """Whether the price is next to an exit level, or beyond it."""
        is_low = self.exit_low is not None and price <= self.exit_low * (ONE + NEAR)
        return is_low or (self.exit_high is not None and price >= self.exit_high * (ONE - NEAR))


def wake_levels(memory: Memory, account: Account, snapshot: Snapshot, policy: Policy) -> Mapping[str, PriceRange]:
    """The band of every perp that is held and of every token with a spot price, by symbol."""
    exits = {held.symbol: held for held in memory.exits}
    result: dict[str, PriceRange] = {}
    for symbol, quote in snapshot.quotes.items():
        if not is_perp(symbol) and base_of(symbol) in account.balances:
            result[symbol] = _around(quote.valuation)
    for position in account.positions.values():
        if position.size and position.mark_price > 0:
            result[position.symbol] = _of_position(position, exits.get(position.symbol), policy)
    return result


def _around(price: Decimal) -> PriceRange:
    return PriceRange(price * (ONE - MOVE), price * (ONE + MOVE))


def _of_position(position: Position, held: OpenExit | None, policy: Policy) -> PriceRange:
    """Between the nearest exit level below the mark and the nearest above it, or a move away from the mark."""
    mark, band = position.mark_price, _around(position.mark_price)
    if held is None or held.closing or not held.is_held(position.size):
        return band
    levels = [nearest_stop(position, policy, held.plan.stop_price)]
    levels += [price for price, _ in held.plan.targets[held.targets_hit :]]
    if held.targets_hit >= len(held.plan.targets):
        levels.append(trailing_stop(held))
    below, above = [price for price in levels if price < mark], [price for price in levels if price > mark]
    return PriceRange(
        max([band.low, *below]), min([band.high, *above]), max(below, default=None), min(above, default=None)
    )
