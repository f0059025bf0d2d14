"""When a leg waits (PLAYBOOK §9): for an overbought token to cool, for a pullback, for the next slice of a TWAP, for a
resting order to fill.

Candles say whether to wait. No price of an order is made from them but that of a purchase that rests where its pullback
is waited for.
"""

from decimal import Decimal

from bot.domain.campaign import Campaign, Leg, Tranche
from bot.domain.candles import CandleSeries
from bot.domain.durations import HOUR_MS, MINUTE_MS
from bot.domain.instrument import Instrument
from bot.domain.market import Quote
from bot.domain.money import ZERO
from bot.domain.order import Order, Purpose, TimeInForce
from bot.domain.order_ids import leg_id
from bot.playbook.book.context import PlanContext, belongs_to, with_slippage
from bot.playbook.market import indicators
from bot.playbook.policy.choices import Style
from bot.playbook.policy.numbers import Policy


def is_twap(leg: Leg, tranche: Tranche, policy: Policy, at_ms: int) -> bool:
    """Whether the leg is executed in slices: hedges, exits and perps never are, and after the deadline nothing is."""
    style = {Purpose.INCREASE: policy.orders.increase_style, Purpose.REDUCE: policy.orders.reduce_style}.get(
        leg.purpose
    )
    deadline = tranche.started_ms + policy.entries.wait_hours * HOUR_MS + 2 * policy.orders.twap_minutes * MINUTE_MS
    return style is Style.TWAP and at_ms < deadline


def rests_as(leg: Leg, tranche: Tranche, policy: Policy, at_ms: int) -> TimeInForce | None:
    """How a purchase waits at the venue; None when it does not: sales, hedges and perps never do (PLAYBOOK §9), and
    after the deadline nothing does."""
    deadline = tranche.started_ms + policy.entries.wait_hours * HOUR_MS + policy.orders.rest_minutes * MINUTE_MS
    if leg.purpose is not Purpose.INCREASE or at_ms >= deadline:
        return None
    return {Style.LIMIT: TimeInForce.GTC, Style.POST_ONLY: TimeInForce.POST_ONLY}.get(policy.orders.increase_style)


def resting_price(waits: TimeInForce, quote: Quote, instrument: Instrument) -> Decimal:
    """Where a purchase rests: at the bid when it must not take, else at the middle of the touch."""
    return instrument.floor_price(quote.bid if waits is TimeInForce.POST_ONLY else quote.mid)


def pullback_price(leg: Leg, tranche: Tranche, context: PlanContext) -> Decimal | None:
    """Where a purchase rests while it waits for the pullback of its token: the upper end of the zone, on the grid.

    It is the only price of an order that comes from candles, and it is below the ask: the order is bought at a better
    price or not at all, and at the deadline it comes back.

    Args:
        leg: a purchase of the tranche.
        tranche: the tranche that runs; its start and the longest wait give the deadline.
        context: candles and quotes.

    Returns:
        None where there is nothing to wait for, or where the candles are those of another market than the one that is
        traded.
    """
    entries, quote = context.policy.entries, context.snapshot.quotes.get(leg.symbol)
    instrument = context.instrument(leg.symbol)
    is_waiting = entries.pullback and leg.purpose is Purpose.INCREASE and not _is_wait_over(tranche, context)
    if not is_waiting or instrument is None or quote is None or context.snapshot.signal_market is not None:
        return None
    zone = retracement_zone(context.snapshot.candles.get(leg.symbol), context.policy)
    price = instrument.floor_price(Decimal(f"{zone[1]:.12g}")) if zone is not None else None
    return price if price is not None and ZERO < price < quote.ask else None


def withdrawn(context: PlanContext, campaign: Campaign | None) -> tuple[str, ...]:
    """Client ids of resting purchases that are to come back: the price has left them behind by more than `chase_bps`
    and they do not wait for a pullback, their wait for one is over, or their campaign is no longer running."""
    legs = {}
    if campaign is not None and not campaign.is_over:
        legs = {leg_id(campaign.number, t.index, leg.index): (leg, t) for t in campaign.tranches for leg in t.legs}
    result = []
    for order in context.working:
        if not order.is_resting_entry:
            continue
        is_wanted = campaign is not None and not campaign.is_over and belongs_to(order, campaign)
        place = legs.get(order.intent_id)
        may_wait = place is not None and context.policy.entries.pullback and not _is_wait_over(place[1], context)
        is_late = place is not None and not may_wait and order.price is not None and order.price == place[0].pullback
        waits = place is not None and may_wait and _waits_there(order, *place, context)
        if not is_wanted or is_late or (not waits and _is_behind(order, context)):
            result.append(order.client_id)
    return tuple(result)


def _is_wait_over(tranche: Tranche, context: PlanContext) -> bool:
    return context.at_ms >= tranche.started_ms + context.policy.entries.wait_hours * HOUR_MS


def _waits_there(order: Order, leg: Leg, tranche: Tranche, context: PlanContext) -> bool:
    """Whether the price of an order is that of the pullback which its leg waits for.

    A turn without candles of the token, such as a guard, goes by what the cycle that placed it has written down."""
    if leg.symbol not in context.snapshot.candles or context.snapshot.signal_market is not None:
        return order.price is not None and order.price == leg.pullback
    return order.price is not None and order.price == pullback_price(leg, tranche, context)


def _is_behind(order: Order, context: PlanContext) -> bool:
    quote = context.snapshot.quotes.get(order.symbol)
    if quote is None or quote.defect() or order.price is None:
        return False
    return quote.bid > with_slippage(order.price, 1, context.policy.constants.chase_bps)


def next_slice_ms(leg: Leg, policy: Policy) -> int:
    """When the next slice of a TWAP is due, UTC ms: the first at once, another one step after the holding last changed.

    Nothing but the leg is remembered, so a restart neither repeats nor forgets a slice."""
    requested = leg.asked
    if requested is None or requested.held == leg.size_from:
        return 0
    return requested.since_ms + policy.orders.twap_minutes * MINUTE_MS // policy.orders.twap_slices


def slice_size(leg: Leg, left: Decimal, price: Decimal, instrument: Instrument, policy: Policy) -> Decimal:
    """Size of a TWAP's next slice out of what is `left`: all of it where a slice or its remainder is below the venue's
    minimum."""
    size = instrument.floor_size(abs(leg.size_to - leg.size_from) / policy.orders.twap_slices)
    tradable = (instrument.is_tradable(instrument.floor_size(part), price) for part in (size, left - size))
    return size if all(tradable) else left


def overbought(series: CandleSeries | None, policy: Policy) -> float | None:
    """The RSI when it is high enough to delay a purchase (PLAYBOOK §9), None otherwise."""
    result = indicators.rsi(series.closes, policy.constants.rsi_period) if series is not None else None
    return result if result is not None and result > float(policy.entries.rsi_max) else None


def retracement_zone(series: CandleSeries | None, policy: Policy) -> tuple[float, float] | None:
    """Prices between which a pullback of the last swing is bought, low and high (PLAYBOOK §9): a rising swing that has
    given back `fibonacci_deep` and `fibonacci` of itself. None without a rising swing."""
    if series is None:
        return None
    count = policy.candles_in(policy.constants.swing_days)
    swing = indicators.last_swing(series.highs[-count:], series.lows[-count:])
    if swing is None or not swing[2]:
        return None
    low, high, _ = swing
    deep, shallow = (float(part) for part in (policy.constants.fibonacci_deep, policy.entries.pullback_share))
    return indicators.retracement(low, high, deep), indicators.retracement(low, high, shallow)
