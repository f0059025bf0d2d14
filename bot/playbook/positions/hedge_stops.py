"""The resting stops of hedges: what closes a short before its liquidation when the bot does not run (PLAYBOOK §2, §7).

While it runs the guard acts first: it adds margin or halves the hedge (`hedge.near_liquidation`). The stop therefore
lies between the place of the last of these and the liquidation price that the venue reports. A hedge that its stop has
closed is not opened again for a while: the price that closed it is the price of now.
"""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from bot.domain.campaign import Memory
from bot.domain.durations import HOUR_MS
from bot.domain.instrument import Instrument
from bot.domain.money import ONE, ZERO
from bot.domain.order import Intent
from bot.domain.perp import expected_liquidation, margin_under
from bot.domain.portfolio import Position
from bot.domain.reason import Note, Reason
from bot.playbook.book.context import PlanContext
from bot.playbook.policy.numbers import Policy
from bot.playbook.positions.stops import STOP_STEP, RequiredStop, is_stop_of_guard, resting_stop
from bot.playbook.positions.unguarded import covering_stops, nearest_stop

FARTHEST = Decimal(10)  # times the mark


def overlay_shorts(memory: Memory, context: PlanContext) -> Mapping[str, Position]:
    """The hedges that are held now, by perp; a perp whose short has exits of its own is none."""
    carried = {held.symbol: held for held in memory.exits}
    result = {}
    for symbol in sorted(memory.hedges):
        position = context.position(symbol)
        if position is None or position.size >= 0:
            continue
        if symbol not in carried or not carried[symbol].is_held(position.size):
            result[symbol] = position
    return result


def guard_hedges(
    memory: Memory, context: PlanContext, shrinking: frozenset[str] = frozenset()
) -> tuple[tuple[Intent, ...], tuple[str, ...]]:
    """The stops that hedges need now, and the client ids of those that no longer fit. The stop of a hedge that is
    `shrinking` in this turn stays while it covers all of it: its successor is that of what is left. So does that of a
    position whose row cannot be read: its leverage and its liquidation price are not known."""
    intents: list[Intent] = []
    cancels: list[str] = []
    for symbol, position in overlay_shorts(memory, context).items():
        instrument = context.closable(symbol)
        is_kept = symbol in shrinking or context.portfolio.account.is_unread(position)
        if is_kept and covering_stops(position, context):
            continue
        required = hedge_stop(position, memory.hedges[symbol], instrument, context.policy) if instrument else None
        if required is not None:
            placed, stale = resting_stop(required, position, context)
            intents += placed
            cancels += stale
    return tuple(intents), tuple(cancels)


def hedge_stop(position: Position, sector: str, instrument: Instrument, policy: Policy) -> RequiredStop | None:
    """The stop of a short held as a hedge; None when the mark is at its liquidation already.

    `stop_liquidation_buffer` of the way from the entry to the liquidation stays unused, as with every stop, but never
    so much that the stop comes before the guard's own last step, half of `liquidation_distance_min` from liquidation.
    Beyond that price it lies midway between mark and liquidation. It is never farther than `FARTHEST` times the mark:
    venues bound the prices of orders, and refuse one beyond for ever.
    """
    liquidation, mark = position.liquidation_price, position.mark_price
    if liquidation is None or liquidation <= 0:
        liquidation = _calculated(position, instrument, policy)
        position = replace(position, liquidation_price=liquidation)
    if liquidation is None or mark >= liquidation:
        return None
    last_step = liquidation / (ONE + policy.sizing.liquidation_distance_min / 2)
    price = max(nearest_stop(position, policy, liquidation), (last_step + liquidation) / 2)
    lowest, highest = price * (ONE - STOP_STEP), price * (ONE + STOP_STEP)
    if mark >= price:
        price, lowest, highest = (mark + liquidation) / 2, ZERO, liquidation
    if price > mark * FARTHEST:
        price, lowest, highest = mark * FARTHEST, mark * FARTHEST / 2, mark * FARTHEST * 2
    return RequiredStop(sector, price, f"hedge of {sector}", lowest, highest, is_exact=True)


def _calculated(position: Position, instrument: Instrument, policy: Policy) -> Decimal | None:
    """The liquidation price of an isolated short where the venue reports none."""
    return expected_liquidation(
        instrument,
        size=position.size,
        entry=position.entry_price,
        margin=margin_under(instrument, position),
        rate_min=policy.sizing.maintenance_rate,
    )


def remember_hedges(memory: Memory, context: PlanContext) -> tuple[Memory, tuple[Note, ...]]:
    """Memory with the time since which each hedge is watched, until its stop has ended as well; the notes say which a
    stop has closed just now."""
    stopped = {order.symbol for order in context.working if order.state.is_live and is_stop_of_guard(order)}
    since = {s: at_ms for s, at_ms in memory.hedges_since.items() if s in memory.hedges or s in stopped}
    for symbol in overlay_shorts(memory, context):
        since.setdefault(symbol, context.at_ms)
    notes = []
    for sector, at_ms in sorted(memory.hedges_stopped.items()):
        if at_ms == context.at_ms:
            message = (
                f"the stop of a hedge of {sector} has closed it; no hedge of it is opened for "
                f"{context.policy.hedging.stop_pause_hours} h"
            )
            notes.append(Note(Reason.HEDGE_STOPPED, message, sector))
    return replace(memory, hedges_since=since), tuple(notes)


def pause_left(sector: str, context: PlanContext) -> str | None:
    """Why no hedge of the sector is opened now, because a stop has closed one lately; None when there is no reason."""
    stopped_ms = context.stopped.get(sector)
    if stopped_ms is None:
        return None
    left_ms = stopped_ms + context.policy.hedging.stop_pause_hours * HOUR_MS - context.at_ms
    if left_ms <= 0:
        return None
    return f"{sector}: a stop closed its hedge; none is opened for another {-(-left_ms // HOUR_MS)} h"
