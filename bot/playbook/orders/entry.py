"""Legs → intents: exact size, worst price, leverage, exits attached (PLAYBOOK §9).

An intent's id is `campaign.tranche.leg`: it never changes, so what a crash left half done is found again by name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from bot.domain.campaign import Campaign, Leg, Memory, Tranche
from bot.domain.durations import HOUR_MS, MINUTE_MS
from bot.domain.instrument import Instrument, Side
from bot.domain.market import Quote
from bot.domain.money import BPS, ONE, ZERO
from bot.domain.order import Intent, IntentTerms, Purpose, TimeInForce
from bot.domain.perp import bracket_room, opening_cost, whole_leverage
from bot.domain.reason import Note, Reason
from bot.domain.states import LegState
from bot.playbook.book.context import PlanContext, with_slippage
from bot.playbook.book.transfers import free_margin, running_tranche
from bot.playbook.orders.factory import leg_intent, worst_price
from bot.playbook.orders.timing import (
    is_twap,
    next_slice_ms,
    overbought,
    pullback_price,
    resting_price,
    rests_as,
    retracement_zone,
    slice_size,
)
from bot.playbook.positions.exits import entered_at

_REDUCING = (Purpose.EXIT, Purpose.RELEASE)
_OPENING_PERP = (Purpose.HEDGE, Purpose.TACTICAL)


@dataclass(frozen=True, slots=True)
class Entry:
    """What became of a ready leg: an intent, or the note why not. `is_spent`: the leg will never get further."""

    leg: Leg
    intent: Intent | None
    notes: tuple[Note, ...] = ()
    is_exhausted: bool = False


def enter_legs(campaign: Campaign, tranche: Tranche, ready: Sequence[Leg], context: PlanContext) -> tuple[Entry, ...]:
    """Intents of the ready legs of one phase. Purchases share the cash, in proportion when it is short."""
    cash, reserved = spendable(campaign, tranche, context)
    wants = {leg.index: _cost(leg, context) for leg in ready if leg.purpose is Purpose.INCREASE}
    whole = sum(wants.values(), ZERO)
    margin = free_margin(context.portfolio.account)
    entries = []
    for leg in ready:
        budget = None
        if leg.index in wants and whole > 0:
            # The venue locks a purchase at its worst price: reserved cash may be locked, but not spent.
            part = wants[leg.index] / whole
            budget = min(
                cash * part * with_slippage(ONE, 1, context.policy.orders.slippage_bps), (cash + reserved) * part
            )
        entry = _enter(campaign, tranche, leg, context, budget=budget, margin=margin)
        if entry.intent is not None and leg.purpose in _OPENING_PERP:
            margin -= entry.intent.margin_quote
        entries.append(entry)
    return tuple(entries)


def spendable(campaign: Campaign, tranche: Tranche, context: PlanContext) -> tuple[Decimal, Decimal]:
    """Cash that purchases of this tranche may take, and cash reserved for its later transfer. The reserve, less what
    the bridge lent, is neither."""
    reserve = max(ZERO, context.policy.allocation.reserve_quote - campaign.owed.get("reserve", ZERO))
    waiting = (t for t in tranche.transfers[tranche.transfers_done :] if t.to_perp and not t.source)
    reserved = sum((t.amount for t in waiting if t.after is Purpose.INCREASE), ZERO)
    cash = max(ZERO, context.portfolio.account.cash_free - reserve - context.portfolio.kept_for_margin)
    return max(ZERO, cash - reserved), min(cash, reserved)


def _cost(leg: Leg, context: PlanContext) -> Decimal:
    quote = context.snapshot.quotes.get(leg.symbol)
    return context.left(leg) * (quote.mid if quote is not None else leg.price)


def _enter(
    campaign: Campaign, tranche: Tranche, leg: Leg, context: PlanContext, *, budget: Decimal | None, margin: Decimal
) -> Entry:
    instrument, quote = context.instrument(leg.symbol), context.snapshot.quotes.get(leg.symbol)
    if instrument is None:
        note = Note(Reason.INSTRUMENT_INACTIVE, f"{leg.symbol} is not listed or halted: {leg.words} waits", leg.symbol)
        return Entry(leg, None, (note,))
    if quote is None or quote.defect():
        why = quote.defect() if quote is not None else "there is no quote"
        return Entry(leg, None, (Note(Reason.PRICE_BAD, f"{leg.symbol}: {why}: {leg.words} waits", leg.symbol),))
    waits, pullback = _waits(leg, tranche, context), pullback_price(leg, tranche, context)
    if waits is not None and (pullback is None or not waits.numbers.get("limit")):
        return Entry(leg, None, (waits,))
    worst = worst_price(quote.mid, leg.side, context.policy.orders.slippage_bps, instrument)
    worst = worst if pullback is None else min(worst, pullback)
    size, is_short = context.left(leg), False
    notes: tuple[Note, ...] = () if waits is None else (waits,)
    if budget is not None and size * worst > budget:
        size, worst, cut = _within_cash(leg, size, worst, budget, instrument, quote, context)
        notes += cut
        is_short = True
    elif leg.purpose in _OPENING_PERP and leg.leverage:
        size, notes = _within_margin(leg, size, worst, margin, instrument)
        size, cut = _within_brackets(leg, size, max(worst, quote.valuation), instrument, context)
        notes += cut
        if leg.purpose is Purpose.HEDGE:
            size, more = _within_spot(leg, size, quote, instrument, context)
            notes += more
        is_short = bool(notes)
    if pullback is None and is_twap(leg, tranche, context.policy, context.at_ms):
        lowest = min(worst, quote.valuation)
        size = min(size, slice_size(leg, context.left(leg), lowest, instrument, context.policy))
    waits_as = None if instrument.is_perp else rests_as(leg, tranche, context.policy, context.at_ms)
    if pullback is not None:
        waits_as = TimeInForce.GTC
    elif waits_as is not None:
        worst = min(worst, resting_price(waits_as, quote, instrument))
    reduce_only = _is_reducing(leg, instrument)
    is_sale = not instrument.is_perp and leg.side is Side.SELL
    most = largest(max(worst, quote.valuation), instrument, context, reduces=reduce_only or is_sale)
    size = instrument.floor_size(min(size, most))
    if not instrument.is_tradable(size, min(worst, quote.valuation), reduce_only=reduce_only):
        return Entry(leg, None, notes, is_exhausted=is_short)
    intent = _intent(campaign, tranche, leg, size, worst, quote, instrument, reduce_only=reduce_only)
    if intent.exits is not None and intent.leverage is not None:
        exits = entered_at(intent.exits, quote.mid, leg.size_to, intent.leverage, instrument, context.policy)
        intent = replace(intent, exits=exits)
    leg = replace(leg, pullback=worst if pullback is not None else None)
    return Entry(leg, intent if waits_as is None else replace(intent, time_in_force=waits_as), notes)


def _is_reducing(leg: Leg, instrument: Instrument) -> bool:
    return instrument.is_perp and (leg.purpose in _REDUCING or abs(leg.size_to) < abs(leg.size_from))


def _waits(leg: Leg, tranche: Tranche, context: PlanContext) -> Note | None:
    """A purchase waits for its price, until the deadline; the slices of a TWAP wait for their time; nothing else
    waits."""
    if (
        is_twap(leg, tranche, context.policy, context.at_ms)
        and (due_ms := next_slice_ms(leg, context.policy)) > context.at_ms
    ):
        minutes = -(-(due_ms - context.at_ms) // MINUTE_MS)
        return Note(Reason.ENTRY_WAITS, f"{leg.words}: the next slice is due in {minutes} min", leg.symbol)
    return _waits_for_price(leg, tranche, context)


def _waits_for_price(leg: Leg, tranche: Tranche, context: PlanContext) -> Note | None:
    """A purchase waits while its token is overbought or has not pulled back, until the deadline."""
    entries = context.policy.entries
    deadline = tranche.started_ms + entries.wait_hours * HOUR_MS
    if leg.purpose is not Purpose.INCREASE or context.at_ms >= deadline:
        return None
    hours = (deadline - context.at_ms) // HOUR_MS
    result = overbought(context.snapshot.candles.get(leg.symbol), context.policy) if entries.wait else None
    if result is not None:
        message = f"{leg.symbol}: RSI is {result:.0f}, above {entries.rsi_max}: the purchase waits, {hours} h at most"
        return Note(Reason.ENTRY_WAITS, message, leg.symbol, {"rsi": f"{result:.2f}"})
    return _waits_for_pullback(leg, hours, context) if entries.pullback else None


def waiting_purchases(memory: Memory, context: PlanContext) -> Mapping[str, str]:
    """Sectors of the purchases that wait for a better price, by spot symbol."""
    tranche = running_tranche(memory)
    if tranche is None:
        return {}
    legs = (leg for leg in tranche.legs if leg.state in (LegState.READY, LegState.WORKING))
    return {leg.symbol: leg.sector for leg in legs if _waits_for_price(leg, tranche, context) is not None}


def _waits_for_pullback(leg: Leg, hours: int, context: PlanContext) -> Note | None:
    """Above the zone a purchase waits, with a limit order at its upper end; in it the pullback is there; below it the
    swing is over and nothing offers a better price."""
    zone = retracement_zone(context.snapshot.candles.get(leg.symbol), context.policy)
    quote, elsewhere = context.snapshot.quotes.get(leg.symbol), context.snapshot.signal_market
    # The swing is that of the market which signals are read from, so its price is the one to compare.
    price = elsewhere.prices.get(leg.symbol) if elsewhere is not None else quote.ask if quote is not None else None
    if zone is None or price is None or float(price) <= zone[1]:
        return None
    message = (
        f"{leg.symbol}: {price} is above {zone[1]:.6g}, where the last swing has given back "
        f"{context.policy.entries.pullback_share:.1%}: the purchase waits there, {hours} h at most"
    )
    return Note(Reason.ENTRY_WAITS, message, leg.symbol, {"limit": f"{zone[1]:.8g}", "deep": f"{zone[0]:.8g}"})


def _within_cash(
    leg: Leg, size: Decimal, worst: Decimal, budget: Decimal, instrument: Instrument, quote: Quote, context: PlanContext
) -> tuple[Decimal, Decimal, tuple[Note, ...]]:
    """The last of the cash: rather a tighter price than a smaller size, down to just above the ask."""
    tight = instrument.ceil_price(quote.ask * (ONE + BPS * context.policy.constants.cash_slippage_bps))
    afforded = min(size, budget / min(worst, tight))
    floored = instrument.floor_size(afforded)
    if floored > 0:
        worst = min(worst, max(instrument.floor_price(budget / floored), min(worst, tight)))
    message = f"{leg.words}: cash for {budget:.2f} of {size * quote.mid:.2f}"
    # What rounding and the price's own bound take is not a shortage.
    is_worth_saying = afforded < size * (ONE - 2 * BPS * max(1, context.policy.constants.cash_slippage_bps))
    notes = (Note(Reason.CASH_SHORT, message, leg.symbol, {"budget": str(budget)}),) if is_worth_saying else ()
    return afforded, worst, notes


def _within_margin(
    leg: Leg, size: Decimal, worst: Decimal, margin: Decimal, instrument: Instrument
) -> tuple[Decimal, tuple[Note, ...]]:
    """As much as the perp wallet can carry, and how much would have to be moved there for the rest."""
    leverage = whole_leverage(leg.leverage or ONE)
    per_unit = opening_cost(instrument, max(worst, leg.price), leverage)
    affordable = instrument.floor_size(margin / per_unit)
    if affordable >= size:
        return size, ()
    missing = (size - affordable) * per_unit
    message = f"{leg.words}: the perp wallet has {margin:.2f} free; move {missing:.2f} there for the rest"
    reason = Reason.HEDGE_CUT if leg.purpose is Purpose.HEDGE else Reason.TRANSFER_NEEDED
    return affordable, (Note(reason, message, leg.symbol, {"amount": f"{missing:.2f}"}),)


def _within_brackets(
    leg: Leg, size: Decimal, price: Decimal, instrument: Instrument, context: PlanContext
) -> tuple[Decimal, tuple[Note, ...]]:
    """No more than the venue's leverage brackets allow at the leverage of the leg: they may have changed since."""
    leverage = whole_leverage(leg.leverage or ONE)
    room = bracket_room(instrument, leverage, held=context.held(leg.symbol), side=leg.side, price=price)
    if room is None or size <= room:
        return size, ()
    cap = instrument.notional_max(leverage)
    message = f"{leg.words}: the venue's brackets allow a position of {cap} at {leverage}x, the leg is cut to it"
    reason = Reason.HEDGE_CUT if leg.purpose is Purpose.HEDGE else Reason.LEVERAGE_CUT
    return room, (Note(reason, message, leg.symbol, {"allowed": str(cap)}),)


def _within_spot(
    leg: Leg, size: Decimal, quote: Quote, instrument: Instrument, context: PlanContext
) -> tuple[Decimal, tuple[Note, ...]]:
    """No more than the sector's spot that no hedge covers: it may have shrunk since the leg was planned."""
    room = context.portfolio.hedge_room(leg.sector, beside_held=True)
    covered = instrument.size_for(room, max(quote.valuation, quote.mid))
    if size <= covered:
        return size, ()
    message = f"{leg.words}: {room:.2f} of {leg.sector} spot is left without a hedge, the leg is cut to it"
    return covered, (Note(Reason.HEDGE_CUT, message, leg.symbol, {"room": f"{room:.2f}"}),)


def largest(price: Decimal, instrument: Instrument, context: PlanContext, *, reduces: bool = False) -> Decimal:
    """The largest size of one order; the rest follows.

    The limit is the gate's and holds for entries. It never makes an order smaller than twice the venue's minimum, so
    that the gate refuses an entry by name instead of none being planned. An order that only `reduces` may always be
    `reduce_share_min` of equity: a limit that stops entries must not stop it.
    """
    limits, equity = context.policy.sizing, context.portfolio.equity
    cap = min(limits.order_notional_max_quote, limits.order_share_max * equity)
    if reduces:
        cap = max(cap, context.policy.constants.reduce_share_min * equity)
    most = max(cap, 2 * instrument.notional_min) / (instrument.contract_size * price)
    most = max(most, instrument.size_min)
    return min(most, instrument.size_max) if instrument.size_max is not None else most


def _intent(
    campaign: Campaign,
    tranche: Tranche,
    leg: Leg,
    size: Decimal,
    worst: Decimal,
    quote: Quote,
    instrument: Instrument,
    *,
    reduce_only: bool,
) -> Intent:
    opens = instrument.is_perp and not reduce_only and leg.leverage is not None
    price = max(worst, quote.valuation) if leg.side is Side.BUY else quote.valuation
    leverage = whole_leverage(leg.leverage) if opens and leg.leverage else None
    margin = instrument.notional(size, price) / leverage if leverage else ZERO
    terms = IntentTerms(size, worst, quote.mid, reduce_only, leverage, margin, exits=leg.exits)
    return leg_intent(campaign.number, tranche.index, leg, terms)
