"""Leverage brackets of a perp: what leverage a position of some value may have, and the maintenance margin it needs."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from bot.domain.money import ZERO


@dataclass(frozen=True, slots=True)
class Bracket:
    """Risk limits of a notional range [floor, cap]: maintenance = notional · rate − cum."""

    number: int
    leverage_max: int
    notional_floor: Decimal
    notional_cap: Decimal
    maintenance_rate: Decimal
    cum: Decimal


def notional_cap(brackets: Sequence[Bracket], leverage: Decimal | int) -> Decimal:
    """The largest position allowed at a leverage, quote."""
    return max((b.notional_cap for b in brackets if b.leverage_max >= leverage), default=ZERO)


def highest_leverage(brackets: Sequence[Bracket]) -> Decimal:
    """The highest leverage that any of the brackets allows."""
    return Decimal(max(bracket.leverage_max for bracket in brackets))
