"""The stop that rests at the venue for a perp position: one of its full size, replaced as the position changes.

The stop of a position with exits stays, when it no longer fits, until its successor is known to rest; both only reduce.
That of a hedge, which changes often, is withdrawn right before its successor is sent: venues count what rests. Where a
venue refuses a successor, or a close, beside it the executor lets it give way in the same step.
"""

from dataclasses import dataclass
from decimal import Decimal

from bot.domain.instrument import Instrument, Side
from bot.domain.money import ONE, ZERO
from bot.domain.order import Intent, IntentTerms, Order, OrderType, TimeInForce
from bot.domain.order_ids import STOP_KINDS, OrderKind, kind_of_intent
from bot.domain.portfolio import Position
from bot.domain.states import OrderState
from bot.playbook.book.context import PlanContext
from bot.playbook.orders.factory import kind_intent, worst_price
from bot.playbook.positions.unguarded import is_inside

# A resting stop is replaced when the price wanted has moved by more than this share of itself.
STOP_STEP = Decimal("0.005")


@dataclass(frozen=True, slots=True)
class RequiredStop:
    """The stop that a position needs. A resting one fits from `lowest` to `highest`; with `is_exact` it is replaced
    when it is larger than the position as well, and withdrawn in the turn that sends its successor, so that the two are
    never more than the position. While the position `is_closing`, one that fits is left alone."""

    sector: str
    price: Decimal
    words: str
    lowest: Decimal = ZERO
    highest: Decimal = Decimal("Infinity")
    is_exact: bool = False
    is_closing: bool = False


def is_stop_of_guard(order: Order) -> bool:
    """Whether an order was sent as the resting stop of a position."""
    return kind_of_intent(order.intent_id) in STOP_KINDS


def resting_stop(wanted: RequiredStop, position: Position, context: PlanContext) -> tuple[list[Intent], list[str]]:
    """The stop to send now, if any, and the client ids of those to withdraw."""
    instrument = context.closable(position.symbol)
    if instrument is None:
        return [], []
    price = _on_grid(wanted.price, position, instrument)
    size = _largest(instrument.floor_size(abs(position.size)), instrument)
    live = [order for order in context.live_on(position.symbol) if order.order_type is OrderType.STOP]
    fitting = [order for order in live if _fits(order, wanted, position, size)]
    if fitting:
        if wanted.is_closing:
            return [], []
        resting = [order for order in fitting if order.state is OrderState.OPEN]
        return [], [order.client_id for order in live if resting and order is not resting[-1]]
    sign = Side.of(position.size).sign
    free = [kind for kind in STOP_KINDS if not context.live_for(kind, position.symbol)]
    are_all_open = all(order.state is OrderState.OPEN for order in live)
    if len(live) >= len(STOP_KINDS) or not free:
        worse = min(live, key=lambda order: (order.open_size >= size, (order.trigger_price or ZERO) * sign))
        return [], [worse.client_id] if are_all_open else []
    if size < instrument.size_min:
        return [], []
    if (position.mark_price - price) * sign <= 0:
        return [], []
    if wanted.is_exact and not _is_priced(position.symbol, context):
        return [], []
    stale = [order.client_id for order in live] if wanted.is_exact and are_all_open else []
    return [_stop(free[0], wanted, price, size, position, instrument, context)], stale


def _is_priced(symbol: str, context: PlanContext) -> bool:
    """Whether the gate lets a stop pass: one that is not sent must not cost the one that rests."""
    quote = context.snapshot.quotes.get(symbol)
    return quote is not None and not quote.defect()


def _fits(order: Order, wanted: RequiredStop, position: Position, size: Decimal) -> bool:
    trigger = order.trigger_price or ZERO
    is_sized = order.open_size == size if wanted.is_exact else order.open_size >= size
    return (
        order.state is not OrderState.CANCELING
        and order.side is Side.of(-position.size)
        and is_sized
        and wanted.lowest <= trigger <= wanted.highest
        and is_inside(trigger, position)
    )


def _on_grid(price: Decimal, position: Position, instrument: Instrument) -> Decimal:
    """The price on the venue's grid, which may have become coarser since the plan, and inside the liquidation."""
    sign = Side.of(position.size).sign
    rounded = instrument.ceil_price if sign > 0 else instrument.floor_price
    price = rounded(price)
    return price if is_inside(price, position) else rounded(price) + sign * instrument.price_tick


def _largest(size: Decimal, instrument: Instrument) -> Decimal:
    """As much of the size as the venue takes in one stop, which executes as a market order."""
    limits = [limit for limit in (instrument.size_max, instrument.market_size_max) if limit is not None]
    return instrument.floor_size(min((size, *limits)))


def _stop(
    kind: OrderKind,
    wanted: RequiredStop,
    price: Decimal,
    size: Decimal,
    position: Position,
    instrument: Instrument,
    context: PlanContext,
) -> Intent:
    side = Side.of(-position.size)
    terms = IntentTerms(
        size,
        worst_price(price, side, context.policy.exits.slippage_bps, instrument),
        price,
        reduce_only=True,
        order_type=OrderType.STOP,
        time_in_force=TimeInForce.GTC,
        trigger_price=price,
    )
    return kind_intent(kind, wanted.sector, position.symbol, side, terms, f"stop of the {wanted.words} at {price}")


def within(price: Decimal, sign: int) -> tuple[Decimal, Decimal]:
    """(lowest, highest) trigger that needs no replacement: a little farther from the entry than `price`, any nearer."""
    if sign > 0:
        return price * (ONE - STOP_STEP), Decimal("Infinity")
    return ZERO, price * (ONE + STOP_STEP)
