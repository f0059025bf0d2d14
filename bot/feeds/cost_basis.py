"""What spot was paid for, from journaled fills, by average cost: the base of unrealised gains (PLAYBOOK §6).

Tokens that came without a fill (a deposit, a holding from before the journal) have the cost that the venue's trades,
`[cost_basis]` or an imported file say; without one they are left out, because a gain on them is not known.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType

from bot.domain.instrument import Side
from bot.domain.market import Cost
from bot.domain.money import ZERO
from bot.domain.order import Fill
from bot.domain.symbol import base_of, is_perp, quote_of


@dataclass(frozen=True, slots=True)
class Converted:
    """An exchange made `given` of one spot symbol's asset out of `taken` of another's."""

    at_ms: int
    was: str
    becomes: str
    taken: Decimal
    given: Decimal


def cost_basis(
    fills: Iterable[tuple[Fill, Decimal]],
    converted: Sequence[Converted] = (),
    opening: Mapping[str, Cost] = MappingProxyType({}),
) -> dict[str, Cost]:
    """Cost of what is left of every spot symbol. `fills` carry their quote value and come in order of execution.

    A purchase costs its value and its fee, in quote or in kind; a sale takes its part of the cost along. More sold than
    was bought leaves nothing. `opening` is what was held before the first fill, as far as somebody said what it cost.
    A conversion carries the cost over to what the tokens became.
    """
    sizes = {symbol: cost.size for symbol, cost in opening.items()}
    values = {symbol: cost.value_quote for symbol, cost in opening.items()}
    waiting = sorted(converted, key=lambda result: result.at_ms)
    for fill, value in fills:
        if is_perp(fill.symbol):
            continue
        while waiting and waiting[0].at_ms <= fill.at_ms:
            _apply_conversion(waiting.pop(0), sizes, values)
        base, quote = base_of(fill.symbol), quote_of(fill.symbol)
        size, paid = sizes.get(fill.symbol, ZERO), values.get(fill.symbol, ZERO)
        in_kind = fill.fee if fill.fee_asset == base else ZERO
        if fill.side is Side.BUY:
            sizes[fill.symbol] = size + fill.size - in_kind
            values[fill.symbol] = paid + value + (fill.fee if fill.fee_asset == quote else ZERO)
        else:
            left = max(ZERO, size - fill.size - in_kind)
            sizes[fill.symbol] = left
            values[fill.symbol] = paid * left / size if size > 0 else ZERO
    for result in waiting:
        _apply_conversion(result, sizes, values)
    return {symbol: Cost(symbol, size, values[symbol]) for symbol, size in sizes.items() if size > 0}


def older_cost(
    symbol: str, held: Decimal, trades: Iterable[Fill], journaled: Sequence[Fill]
) -> tuple[Cost | None, Decimal]:
    """Cost of what is held of a spot symbol from before the first fill in the journal.

    Args:
        symbol: spot.
        held: what is held of it now.
        trades: those of the venue, as far as it has them; what the journal has or follows it does not count.
        journaled: fills of the symbol.

    Returns:
        The cost, None where the trades leave nothing, and how much of it is older than the journal.
    """
    begun_ms = min((fill.at_ms for fill in journaled), default=None)
    known = {fill.trade_id for fill in journaled}
    older = [trade for trade in trades if trade.trade_id not in known and (begun_ms is None or trade.at_ms < begun_ms)]
    older.sort(key=lambda trade: trade.at_ms)
    cost = cost_basis((trade, trade.price * trade.size) for trade in older).get(symbol)
    size = max(ZERO, held - sum((_received(fill) for fill in journaled), ZERO))
    kept = min(cost.size, size) if cost is not None else ZERO
    return (Cost(symbol, kept, cost.value_quote * kept / cost.size) if cost is not None and kept > 0 else None), size


def _received(fill: Fill) -> Decimal:
    """What a spot fill has added to the holding of its asset."""
    return fill.size * fill.side.sign - (fill.fee if fill.fee_asset == base_of(fill.symbol) else ZERO)


def _apply_conversion(found: Converted, sizes: dict[str, Decimal], values: dict[str, Decimal]) -> None:
    size, paid = sizes.pop(found.was, ZERO), values.pop(found.was, ZERO)
    moved = min(size, found.taken)
    if moved <= 0 or found.taken <= 0:
        return
    part = paid * moved / size
    if size > moved:
        sizes[found.was], values[found.was] = size - moved, paid - part
    sizes[found.becomes] = sizes.get(found.becomes, ZERO) + moved * found.given / found.taken
    values[found.becomes] = values.get(found.becomes, ZERO) + part
