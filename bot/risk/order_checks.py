"""Checks of the order itself, and of whether it may be sent at all: switch, locks, duplicates, size, price, collar."""

from decimal import Decimal

from bot.domain.instrument import Side
from bot.domain.money import BPS, ONE, ZERO
from bot.domain.order import Order, OrderType, Purpose, is_exit
from bot.domain.reason import Note, Reason
from bot.domain.states import KillLevel
from bot.domain.symbol import contract_of, is_perp
from bot.risk.case import ALL, ENTRIES, Check, Effect, OrderReview
from bot.risk.projection import is_uncertain

_REDUCING = (Effect.SELLS, Effect.SHRINKS)
_PAIRED = (Purpose.REDUCE, Purpose.RELEASE, Purpose.FLATTEN)


def check_kill_switch(review: OrderReview) -> Note | None:
    """`pause` and `reduce-only` let reducing orders through, `cancel` only exits, `flatten` only what flattens."""
    level = review.context.kill
    if level is KillLevel.OFF:
        return None
    is_let_through = review.effect in _REDUCING
    if level.severity >= KillLevel.CANCEL.severity:
        is_flattening = review.intent.purpose is Purpose.FLATTEN
        is_let_through &= is_flattening or (level is KillLevel.CANCEL and is_exit(review.intent))
    return None if is_let_through else review.refuse(Reason.KILL_SWITCH, f"the kill switch is at {level.value}")


def check_reconciled(review: OrderReview) -> Note | None:
    if review.context.is_reconciled:
        return None
    return review.refuse(Reason.NOT_RECONCILED, "journal and venue do not agree yet; only reducing orders may pass")


def check_other_side(review: OrderReview) -> Note | None:
    """A hedge and the spot that it covers go together: while one side cannot be read, a rotation sells nothing of the
    other, and a flatten only what has no other side. Exits, such as one near liquidation, go on."""
    if review.intent.purpose not in _PAIRED:
        return None
    account, is_flattening = review.context.portfolio.account, review.intent.purpose is Purpose.FLATTEN
    if review.effect is Effect.SELLS and "perp:" in account.unreadable:
        is_paired = not is_flattening or any(position.size < 0 for position in account.positions.values())
        words = "the perps, whose shorts may cover it, cannot be read"
    elif review.effect is Effect.SHRINKS and review.intent.side is Side.BUY and "spot:" in account.unreadable:
        is_paired = not is_flattening or any(
            held.total > 0 for asset, held in account.balances.items() if asset != account.quote
        )
        words = "the spot that it covers cannot be read"
    else:
        return None
    return review.refuse(Reason.OTHER_SIDE_UNREAD, words) if is_paired else None


def check_lock(review: OrderReview) -> Note | None:
    if review.intent.symbol not in review.context.locked:
        return None
    return review.refuse(Reason.INSTRUMENT_LOCKED, "the instrument is locked; only reducing orders may pass")


def check_unknown_outcomes(review: OrderReview) -> Note | None:
    """An order in doubt blocks its instrument (DESIGN §4.6), a sale only while another sale of it is in doubt.
    A working order that cannot be valued blocks every entry, because no cap can count it."""
    is_sale = review.effect is Effect.SELLS
    for order in review.context.working:
        if order.symbol == review.intent.symbol and is_uncertain(order) and (not is_sale or order.side is Side.SELL):
            return review.refuse(
                Reason.INSTRUMENT_LOCKED, f"order {order.client_id} on it is in doubt", order=order.client_id
            )
        if not is_sale and not _is_valued(review, order):
            return review.refuse(
                Reason.INSTRUMENT_UNKNOWN,
                f"working order {order.client_id} on {order.symbol} cannot be valued",
                order=order.client_id,
            )
    return None


def check_in_flight(review: OrderReview) -> Note | None:
    """The same intent is at work already, or stands twice in the batch."""
    name = review.intent.id
    is_working = any(order.intent_id == name and order.state.is_live for order in review.context.working)
    if is_working or any(intent.id == name for intent in review.approved):
        return review.refuse(Reason.INTENT_IN_FLIGHT, "the same intent is already in flight", intent=name)
    return None


def check_instrument(review: OrderReview) -> Note | None:
    if review.intent.symbol not in review.context.snapshot.instruments:
        return review.refuse(Reason.INSTRUMENT_UNKNOWN, "the venue does not list it")
    if review.instrument.is_former and review.effect is not Effect.SHRINKS:
        return review.refuse(Reason.INSTRUMENT_INACTIVE, "the venue lists it no more: it may only be closed")
    if not (review.instrument.active or review.instrument.is_former):
        return review.refuse(Reason.INSTRUMENT_INACTIVE, "trading in it is halted at the venue")
    return None


def check_currency(review: OrderReview) -> Note | None:
    """Everything is counted in the account's own currency: an entry is bought with it and settles in it."""
    quote, settle = review.instrument.quote, contract_of(review.intent.symbol)
    required = review.context.portfolio.account.quote
    if quote == required and settle in ("", required):
        return None
    return review.refuse(
        Reason.CURRENCY_MISMATCH,
        f"it is paid in {quote} and settles in {settle or quote}; the account counts {required}",
    )


def check_resting(review: OrderReview) -> Note | None:
    """No order that adds risk on a perp may rest: it would stay after the bot dies (docs/decisions/0005)."""
    intent = review.intent
    if intent.order_type is OrderType.MARKET or not intent.time_in_force.may_rest:
        return None
    return review.refuse(
        Reason.RESTS_UNATTENDED, f"an entry must execute at once or not at all, not as {intent.time_in_force.value}"
    )


def check_self_cross(review: OrderReview) -> Note | None:
    """No order that could trade with one of our own, or with a foreign one on the same account."""
    intent = review.intent
    for order in review.context.working:
        is_opposite = order.symbol == intent.symbol and order.side is not intent.side and order.open_size > 0
        if not is_opposite or order.order_type.is_trigger:
            continue
        if order.price is None or (intent.worst_price - order.price) * intent.side.sign >= 0:
            return review.refuse(
                Reason.SELF_CROSS,
                f"it could trade with order {order.client_id} of the same account",
                order=order.client_id,
            )
    return None


def check_price(review: OrderReview) -> Note | None:
    """A sound quote, a usable bound; for entries into perps mark and index as well."""
    intent, quote = review.intent, review.context.snapshot.quotes.get(review.intent.symbol)
    if quote is None:
        return review.refuse(Reason.PRICE_BAD, "there is no quote")
    defect = quote.defect()
    if defect:
        return review.refuse(Reason.PRICE_BAD, defect)
    needed = [("worst price", intent.worst_price), ("reference price", intent.reference_price)]
    if intent.order_type.is_trigger:
        needed.append(("trigger price", intent.trigger_price or ZERO))
    for name, price in needed:
        if not price.is_finite() or price <= 0:
            return review.refuse(Reason.PRICE_BAD, f"{name} is {price}", price=price)
    if is_perp(intent.symbol) and review.effect is not Effect.SHRINKS and (quote.mark is None or quote.index is None):
        return review.refuse(Reason.PRICE_BAD, "mark or index is missing")
    return None


def check_size(review: OrderReview) -> Note | None:
    """Finite, positive, on the grid, not below the venue's minimums (reduce-only has no minimum value)."""
    size, instrument = review.intent.size, review.instrument
    if not size.is_finite() or size <= 0:
        return review.refuse(Reason.SIZE_INVALID, f"size is {size}", size=size)
    if instrument.floor_size(size) != size:
        return review.refuse(
            Reason.SIZE_INVALID,
            f"size {size} is not a multiple of {instrument.size_step}",
            size=size,
            step=instrument.size_step,
        )
    price = min(review.intent.worst_price, review.quote.valuation)
    if not instrument.is_tradable(size, price, reduce_only=review.intent.reduce_only):
        return review.refuse(
            Reason.SIZE_INVALID,
            f"size {size} is below the venue's minimums",
            size=size,
            size_min=instrument.size_min,
            notional=instrument.notional(size, price),
            notional_min=instrument.notional_min,
        )
    return None


def check_size_max(review: OrderReview) -> Note | None:
    instrument, size = review.instrument, review.intent.size
    largest = [instrument.size_max]
    if review.intent.order_type is OrderType.MARKET:
        largest.append(instrument.market_size_max)
    for limit in largest:
        if limit is not None and size > limit:
            return review.refuse(
                Reason.SIZE_ABOVE_MAX, f"size {size} is above the venue's largest {limit}", size=size, limit=limit
            )
    return None


def check_reduces(review: OrderReview) -> Note | None:
    """A reduce-only order has something to reduce, now or once the orders approved before it have filled."""
    intent, held = review.intent, review.context.portfolio.held(review.intent.symbol)
    against = max(ZERO, -held * intent.side.sign)
    against += sum(
        (
            p.size
            for p in review.pending
            if p.symbol == intent.symbol and p.side is not intent.side and not p.reduce_only
        ),
        ZERO,
    )
    if intent.size <= against:
        return None
    return review.refuse(
        Reason.SIZE_INVALID,
        f"reduce-only {intent.size}, but only {against} is held against it",
        size=intent.size,
        held=against,
    )


def check_collar(review: OrderReview) -> Note | None:
    """The worst price is not far beyond mark and index; a resting trigger order is measured from its own trigger."""
    intent, limits = review.intent, review.limits
    is_reducing = review.effect in _REDUCING
    collar_bps = limits.collar_reducing_bps if is_reducing else limits.collar_bps
    anchors = [("valuation", review.quote.valuation)]
    if review.quote.index is not None:
        anchors.append(("index", review.quote.index))
    if intent.order_type.is_trigger and intent.trigger_price is not None:
        anchors = [("trigger", intent.trigger_price)]
    for name, anchor in anchors:
        beyond_bps = (intent.worst_price / anchor - ONE) * intent.side.sign / BPS
        if beyond_bps > collar_bps:
            return review.refuse(
                Reason.PRICE_COLLAR,
                f"worst price {intent.worst_price} is {_bps(beyond_bps)} bps beyond the {name} {anchor}; "
                f"allowed are {collar_bps} bps",
                worst=intent.worst_price,
                anchor=anchor,
                beyond_bps=_bps(beyond_bps),
                limit_bps=collar_bps,
            )
    return None


def check_order_notional(review: OrderReview) -> Note | None:
    """Value of the whole intent, absolute and as a share of equity."""
    limits, notional, equity = review.limits, review.notional, review.context.portfolio.equity
    if notional > limits.order_notional_max_quote:
        return review.refuse(
            Reason.ORDER_NOTIONAL,
            f"worth {notional:.2f}, more than {limits.order_notional_max_quote} quote",
            notional=notional,
            limit=limits.order_notional_max_quote,
        )
    if notional > limits.order_share_max * equity:
        return review.refuse(
            Reason.ORDER_NOTIONAL,
            f"worth {notional:.2f}, more than {limits.order_share_max} of the equity {equity:.2f}",
            notional=notional,
            equity=equity,
            limit_share=limits.order_share_max,
        )
    return None


def check_parent(review: OrderReview) -> Note | None:
    """What works and what is wanted together stay within what the leg has left (Σ children ≤ parent)."""
    intent, campaign = review.intent, review.context.memory.campaign
    if campaign is None or campaign.number != intent.campaign:
        return None
    tranche = next((t for t in campaign.tranches if t.index == intent.tranche), None)
    leg = next((leg for leg in tranche.legs if leg.index == intent.leg), None) if tranche else None
    if leg is None or leg.symbol != intent.symbol or leg.purpose is not intent.purpose or leg.side is not intent.side:
        return None
    left = leg.left(review.context.portfolio.held(intent.symbol))
    children = intent.size + sum(
        (o.open_size for o in review.context.working if o.symbol == intent.symbol and o.side is intent.side), ZERO
    )
    children += sum((i.size for i in review.approved if i.symbol == intent.symbol and i.side is intent.side), ZERO)
    if children <= left + review.instrument.size_step:
        return None
    return review.refuse(
        Reason.PARENT_EXCEEDED, f"orders of {children} for a leg that has {left} left", children=children, left=left
    )


def _is_valued(review: OrderReview, order: Order) -> bool:
    snapshot = review.context.snapshot
    price = order.price or order.trigger_price or snapshot.price(order.symbol)
    return order.symbol in snapshot.instruments and price is not None


def _bps(value: Decimal) -> str:
    return f"{value:.1f}"


# In order; see `bot.risk.gate.CHECKS`.
CHECKS: tuple[Check, ...] = (
    Check(check_kill_switch, ALL),
    Check(check_in_flight, ALL),
    Check(check_instrument, ALL),
    Check(check_price, ALL),
    Check(check_size, ALL),
    Check(check_size_max, ALL),
    Check(check_reduces, frozenset({Effect.SHRINKS})),
    Check(check_collar, ALL),
    Check(check_other_side, frozenset({Effect.SELLS, Effect.SHRINKS})),
    Check(check_reconciled, ENTRIES),
    Check(check_lock, ENTRIES),
)
