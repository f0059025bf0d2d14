"""Positions as the venue reports them: who owns each, and what keeps it from its liquidation (PLAYBOOK §7).

The subject is every perp position of the account, not what memory expects. One that nobody owns gets a stop of its own
where the setting says so; one without a full-size stop inside its liquidation price stops entries until it has it.
"""

from collections.abc import Mapping
from decimal import Decimal

from bot.domain.campaign import Memory, OpenExit
from bot.domain.instrument import Instrument, Side
from bot.domain.money import ONE, ZERO
from bot.domain.order import ExitPlan, Order, OrderType
from bot.domain.portfolio import Position
from bot.domain.states import OrderState
from bot.playbook.book.context import PlanContext
from bot.playbook.policy.numbers import Policy


def nearest_stop(position: Position, policy: Policy, planned: Decimal) -> Decimal:
    """The stop price to use: the planned one, or one nearer to the entry where that keeps the buffer to the liquidation
    price that the venue reports."""
    liquidation, sign = position.liquidation_price, Side.of(position.size).sign
    if liquidation is None or liquidation <= 0:
        return planned
    base = position.entry_price if (position.entry_price - liquidation) * sign > 0 else position.mark_price
    inside = liquidation + (base - liquidation) * policy.exits.liquidation_buffer
    return max(planned, inside, key=lambda price: price * sign)


def is_inside(trigger: Decimal, position: Position) -> bool:
    """Whether a stop is reached before the liquidation price that the venue reports."""
    liquidation, sign = position.liquidation_price, Side.of(position.size).sign
    return liquidation is None or liquidation <= 0 or (trigger - liquidation) * sign > 0


def covering_stops(position: Position, context: PlanContext) -> list[Order]:
    """Stops that are known to rest, take the whole position and are reached before its liquidation.

    Known is what the venue's list of open orders has and the order's own endpoint has shown lately: that nobody has
    said the end of a stop does not make it rest.
    """
    return [
        order
        for order in context.live_on(position.symbol)
        if order.order_type is OrderType.STOP
        and order.client_id not in context.unseen
        and order.state is OrderState.OPEN
        and order.side is Side.of(-position.size)
        and order.open_size >= abs(position.size)
        and is_inside(order.trigger_price or ZERO, position)
    ]


def unowned(memory: Memory, context: PlanContext) -> tuple[Position, ...]:
    """Positions that are neither a hedge, nor one with exits, nor one that is being opened, in order of symbol."""
    owned = {held.symbol: held for held in memory.exits}
    result = []
    for symbol in sorted(context.portfolio.account.positions):
        position = context.position(symbol)
        if position is None or (symbol in memory.hedges and position.size < 0):
            continue
        if symbol not in owned or not owned[symbol].is_held(position.size):
            result.append(position)
    return tuple(result)


def exit_of_unowned(position: Position, instrument: Instrument, policy: Policy) -> OpenExit:
    """An exit plan for a position that nobody planned: a stop and nothing else, the policy's distance from the entry,
    or from the mark where that has gone past it already."""
    side = Side.of(position.size)
    factor = ONE - side.sign * policy.exits.stop
    stop = nearest_stop(position, policy, position.entry_price * factor)
    if (position.mark_price - stop) * side.sign <= 0:
        stop = nearest_stop(replace_entry(position), policy, position.mark_price * factor)
    plan = ExitPlan(
        instrument.ceil_price(stop) if side is Side.BUY else instrument.floor_price(stop),
        ((position.mark_price * (ONE + side.sign), ONE),),
        ONE,
        0,
        ZERO,
    )
    size = abs(position.size)
    return OpenExit(position.symbol, "", size, position.entry_price, plan, position.mark_price, side=side)


def replace_entry(position: Position) -> Position:
    """The position as if it had been entered at the mark of now."""
    return Position(
        position.symbol,
        position.size,
        position.mark_price,
        position.mark_price,
        ZERO,
        position.margin,
        position.leverage,
        position.liquidation_price,
        position.is_isolated,
    )


def missing_stops(
    before: Memory,
    owned: Mapping[str, str],
    strangers: Mapping[str, Position],
    asked: frozenset[str],
    context: PlanContext,
) -> tuple[Mapping[str, str], Mapping[str, Decimal]]:
    """Positions without a covering stop at the venue, by perp, and why; `owned` says what those of the bot are called.

    Beside them those whose stop is asked for in this turn (`asked`) for a size it was not asked for in the turn before:
    they get one turn.
    """
    result: dict[str, str] = {}
    pending: dict[str, Decimal] = {}
    watched = {symbol: context.position(symbol) for symbol in owned} | dict(strangers)
    for symbol, position in sorted(watched.items()):
        if position is None or covering_stops(position, context):
            continue
        if symbol in asked and before.stops_asked.get(symbol) != position.size and symbol not in before.unguarded:
            pending[symbol] = position.size
            continue
        what = "position that no plan knows" if symbol in strangers else owned[symbol]
        result[symbol] = f"{symbol}: the {what} of {position.size} has no full-size stop inside its liquidation price"
        absent = [order.client_id for order in context.live_on(symbol) if order.client_id in context.unseen]
        if absent:
            result[symbol] += f"; not shown by the venue to rest: {', '.join(absent)}"
        if context.closable(symbol) is None:
            result[symbol] += "; its instrument is not read or not traded, so none can be placed: close it by hand"
    return result, pending
