"""Positions in hedge mode, where a perp has one for each side. The bot opens neither: it closes one after the other."""

from collections.abc import Iterable, Mapping

from bot.domain.instrument import Side
from bot.domain.portfolio import Position

LONG, SHORT = "LONG", "SHORT"
_ONE_WAY = "close what is left by hand and set the account to one-way mode"


def closed_by(side: Side) -> str:
    """The side of a position that an order of this side can only reduce."""
    return LONG if side is Side.SELL else SHORT


def note_sides(
    held: Iterable[tuple[str, str]],
    positions: Mapping[str, Position],
    unreadable: dict[str, str],
    *,
    remedy: str = _ONE_WAY,
) -> dict[str, str]:
    """The side, LONG or SHORT, of each position that is held in hedge mode, by symbol; `unreadable` gets its symbol, so
    that nothing is opened there, and no other symbol is held up.

    Of a symbol with both sides it is the side that `positions` has; the other one comes up once that one is closed.

    Args:
        held: symbol and side of every row that is in hedge mode.
        remedy: what an operator does about it.
    """
    result = {}
    for symbol, side in held:
        position = positions.get(symbol)
        if position is not None and (position.size > 0) is (side == LONG):
            result[symbol] = side
        unreadable[f"perp:{symbol}"] = (
            f"{symbol} is held in hedge mode, which has a position for each side; the bot closes one after the other "
            f"and opens nothing: {remedy}"
        )
    return result
