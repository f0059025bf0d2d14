"""What spot was paid for, from journaled fills, by average cost: the base of unrealised gains (PLAYBOOK §6).

Tokens that came without a fill (a deposit, a holding from before the journal) have no cost and are left out: a gain on
them is not known.
"""

from collections.abc import Iterable
from decimal import Decimal

from bot.domain.instrument import Side
from bot.domain.market import Cost
from bot.domain.money import ZERO
from bot.domain.order import Fill


def cost_basis(fills: Iterable[tuple[Fill, Decimal]]) -> dict[str, Cost]:
    """Cost of what is left of every spot symbol. `fills` carry their quote value and come in order of execution.

    A purchase costs its value and its fee, in quote or in kind; a sale takes its part of the cost along. More sold than
    was bought leaves nothing.
    """
    sizes: dict[str, Decimal] = {}
    values: dict[str, Decimal] = {}
    for fill, value in fills:
        if ":" in fill.symbol:
            continue
        base, quote = fill.symbol.split("/", 1)
        size, paid = sizes.get(fill.symbol, ZERO), values.get(fill.symbol, ZERO)
        in_kind = fill.fee if fill.fee_asset == base else ZERO
        if fill.side is Side.BUY:
            sizes[fill.symbol] = size + fill.size - in_kind
            values[fill.symbol] = paid + value + (fill.fee if fill.fee_asset == quote else ZERO)
        else:
            left = max(ZERO, size - fill.size - in_kind)
            sizes[fill.symbol] = left
            values[fill.symbol] = paid * left / size if size > 0 else ZERO
    return {symbol: Cost(symbol, size, values[symbol]) for symbol, size in sizes.items() if size > 0}
