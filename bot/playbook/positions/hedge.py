"""Hedges: which perp, how much, until when (PLAYBOOK §§2, 5, 6).

A hedge never exceeds the spot it covers and never takes more margin than its sector's futures sleeve has.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from bot.domain.campaign import Memory
from bot.domain.instrument import Instrument
from bot.domain.money import ONE, ZERO, share
from bot.domain.perp import liquidation_distance, whole_leverage
from bot.domain.portfolio import Position
from bot.domain.reason import Note, Reason
from bot.playbook.book.context import PlanContext
from bot.playbook.book.portfolio import signed_notional
from bot.playbook.book.transfers import free_margin
from bot.playbook.positions.hedge_choice import HedgePart, choose_hedges
from bot.playbook.positions.hedge_stops import pause_left


@dataclass(frozen=True, slots=True)
class HedgePlan:
    """A short to stand at: positive contracts of `symbol`, their value and margin at `price`; `target_size` is what it
    would be if margin were no matter. `words` name the perp, with its part and beta where it has them."""

    symbol: str
    size: Decimal
    price: Decimal
    notional_quote: Decimal
    margin_quote: Decimal
    leverage: Decimal
    target_size: Decimal
    words: str


@dataclass(frozen=True, slots=True)
class Shrink:
    """A perp position that must become smaller by `size` contracts, and why."""

    symbol: str
    sector: str
    size: Decimal
    reason: Reason
    words: str


def plan_hedges(
    sector: str,
    wanted_quote: Decimal,
    context: PlanContext,
    *,
    sleeve_margin: Decimal,
    closing: frozenset[str],
    limit_quote: Decimal | None = None,
    spares_expensive: bool = False,
) -> tuple[tuple[HedgePlan, ...], tuple[Note, ...]]:
    """The shorts that cover `wanted_quote` of a sector's spot, by `hedge_with` and beta.

    Together they are worth no more than the spot, nor than `limit_quote`, whatever the betas. `sleeve_margin` is the
    sleeve's margin that is not needed elsewhere; `closing` names longs that are closed first; `spares_expensive`: see
    `choose_hedges`.
    """
    paused = pause_left(sector, context)
    if paused is not None:
        return (), (Note(Reason.HEDGE_PAUSED, paused, sector),)
    parts, notes = choose_hedges(sector, context, closing, spares_expensive=spares_expensive)
    if not parts:
        message = f"{sector}: none of its hedge perps is listed and priced; {wanted_quote:.2f} stays without a hedge"
        return (), (*notes, Note(Reason.HEDGE_CUT, message, sector, {"short_by": str(wanted_quote)}))
    spot = context.portfolio.hedge_room(sector)
    limit = spot if limit_quote is None else max(ZERO, min(spot, limit_quote))
    covered = min(wanted_quote, limit)
    while True:
        values = {part: covered * part.part * part.beta for part in parts}
        whole = sum(values.values(), ZERO)
        if whole > limit:
            values = {part: value * limit / whole for part, value in values.items()}
        plans, more = _plans(sector, values, sleeve_margin, context)
        if len(plans) == len(parts) or len(parts) == 1:
            return plans, (*notes, *more)
        # Thin slices of a basket are below the minimum: rather fewer perps than no hedge.
        parts, notes = choose_hedges(sector, context, closing, most=len(parts) - 1, spares_expensive=spares_expensive)


def _plans(
    sector: str, values: Mapping[HedgePart, Decimal], sleeve_margin: Decimal, context: PlanContext
) -> tuple[tuple[HedgePlan, ...], tuple[Note, ...]]:
    whole = sum(values.values(), ZERO)
    leverages = {part: hedge_leverage(part.symbol, context) for part in values}
    own = sum((_locked(part.symbol, leverage, context) for part, leverage in leverages.items()), ZERO)
    free = max(ZERO, min(sleeve_margin, free_margin(context.portfolio.account) + own))
    plans, notes = [], []
    for part, value in values.items():
        symbol, leverage = part.symbol, leverages[part]
        instrument, price = context.instrument(symbol), context.price(symbol)
        if instrument is None or price is None:
            continue
        # The fee of opening comes out of the same wallet.
        affordable = free * share(value, whole) / (ONE / leverage + instrument.taker_fee)
        cap = instrument.notional_max(leverage)
        size = instrument.size_for(min(value, affordable, value if cap is None else cap), price)
        notional = instrument.notional(size, price)
        if affordable < value:
            message = (
                f"{sector}: the hedge is {notional:.2f} instead of {value:.2f}, short by {value - notional:.2f}: its "
                f"futures sleeve has {free:.2f} of free margin at {leverage}x"
            )
            notes.append(Note(Reason.HEDGE_CUT, message, sector, {"short_by": str(value - notional)}))
        elif cap is not None and cap < value:
            message = (
                f"{sector}: the hedge is {notional:.2f} instead of {value:.2f}, short by {value - notional:.2f}: the "
                f"venue's brackets allow {cap} of {symbol} at {leverage}x"
            )
            notes.append(Note(Reason.HEDGE_CUT, message, sector, {"short_by": str(value - notional)}))
        if not instrument.is_tradable(size, price):
            message = f"{sector}: a hedge of {notional:.2f} is below the minimum of {symbol}"
            notes.append(Note(Reason.BELOW_MINIMUM, message, symbol))
            continue
        wanted = instrument.size_for(value, price)
        plans.append(HedgePlan(symbol, size, price, notional, notional / leverage, leverage, wanted, part.words))
    return tuple(plans), tuple(notes)


def hedge_leverage(symbol: str, context: PlanContext) -> Decimal:
    """Leverage of a hedge: the policy's, where the instrument allows it, a whole number."""
    instrument = context.instrument(symbol)
    most = max(ONE, instrument.leverage_max) if instrument is not None else ONE
    return whole_leverage(min(context.policy.hedging.leverage, context.policy.sizing.position_leverage_max, most))


def _locked(symbol: str, leverage: Decimal, context: PlanContext) -> Decimal:
    """Margin that a short held already stands on, at the leverage wanted."""
    instrument, price = context.instrument(symbol), context.price(symbol)
    if instrument is None or price is None:
        return ZERO
    return max(ZERO, -context.held(symbol)) * instrument.contract_size * price / leverage


def over_spot(memory: Memory, context: PlanContext, sold: Mapping[str, Decimal] | None = None) -> tuple[Shrink, ...]:
    """Hedges that exceed the spot they cover: spot fell or was sold, so they shrink with it (PLAYBOOK §6).

    Spot that has no price at the moment has not gone: a hedge over it is not judged. `sold` is quote value by sector
    that is about to be sold.
    """
    unpriced = {name for token in context.portfolio.unpriced for name in context.sectors.tokens.get(token, {})}
    gone = sold or {}
    room = {name: context.portfolio.hedge_room(name, sold=gone.get(name, ZERO)) for name in context.portfolio.sectors}
    shorts: dict[str, list[tuple[Decimal, str, Position, Instrument]]] = {}
    for symbol, sector in sorted(memory.hedges.items()):
        position, instrument = context.position(symbol), context.closable(symbol)
        if position is None or instrument is None or position.size >= 0 or sector in unpriced:
            continue
        notional = -signed_notional(position, context.snapshot)
        shorts.setdefault(sector, []).append((notional, symbol, position, instrument))
    found = []
    for sector, held in shorts.items():
        level = common_level([notional for notional, *_ in held], room.get(sector, ZERO))
        found += [_shrink(sector, short, level, is_sale=bool(gone.get(sector))) for short in held if short[0] > level]
    return tuple(shrink for shrink in found if shrink is not None)


def common_level(notionals: Sequence[Decimal], room: Decimal) -> Decimal:
    """The value to which the largest shorts of a basket come down, so that all of them together fit into `room`: its
    parts stay near each other, and where one is a little too large only that one is traded."""
    left, rest = room, sorted(notionals)
    while rest and rest[0] * len(rest) <= left:
        left -= rest.pop(0)
    return left / len(rest) if rest else max(notionals, default=ZERO)


def _shrink(
    sector: str, short: tuple[Decimal, str, Position, Instrument], level: Decimal, *, is_sale: bool
) -> Shrink | None:
    notional, symbol, position, instrument = short
    if position.mark_price <= 0:
        return None
    excess = notional - level
    steps = (excess / (instrument.contract_size * position.mark_price * instrument.size_step)).to_integral_value(
        rounding="ROUND_CEILING"
    )
    size = min(-position.size, steps * instrument.size_step)
    covered = f"what a sale leaves of the {sector} spot" if is_sale else f"the {sector} spot it covers"
    message = f"{symbol}: the hedge of {notional:.2f} exceeds {covered} by {excess:.2f}"
    return Shrink(symbol, sector, size, Reason.HEDGE_OVER_SPOT, message)


def near_liquidation(
    memory: Memory, context: PlanContext
) -> tuple[tuple[Shrink, ...], Mapping[str, Decimal], tuple[Note, ...]]:
    """Hedges whose liquidation is near: (parts to close, margin to add by perp, notes).

    Below half of the least distance, or without idle margin, the hedge shrinks by half: it is never liquidated while
    anything can be done (PLAYBOOK §2). Margin comes from what is idle in the sleeve, and is given once: each addition
    lowers what the hedges after it can get.
    """
    least = context.policy.sizing.liquidation_distance_min
    shrinks, top_ups, notes = [], {}, []
    free = free_margin(context.portfolio.account)
    idle = {name: found.futures - found.margin_locked for name, found in context.portfolio.sectors.items()}
    for symbol, sector in sorted(memory.hedges.items()):
        position, instrument = context.position(symbol), context.closable(symbol)
        if position is None or instrument is None or position.mark_price <= 0:
            continue
        distance = liquidation_distance(position.mark_price, position.liquidation_price)
        if distance is None or distance >= least:
            continue
        wanted = abs(signed_notional(position, context.snapshot)) * (least * 3 / 2 - distance)
        amount = max(ZERO, min(wanted, free, idle.get(sector, ZERO))).quantize(Decimal("0.01"), rounding="ROUND_FLOOR")
        numbers = {"distance": str(distance), "top_up": str(amount)}
        message = f"{symbol}: liquidation is {distance:.1%} away, less than {least:.1%}"
        if amount > 0:
            top_ups[symbol] = amount
            free -= amount
            idle[sector] -= amount
            message += f"; add {amount} of idle margin"
        notes.append(Note(Reason.LIQUIDATION_NEAR, message, symbol, numbers))
        if amount < wanted / 2 or distance < least / 2:
            half = instrument.floor_size(abs(position.size) / 2)
            size = half if half >= instrument.size_min else abs(position.size)
            shrinks.append(Shrink(symbol, sector, size, Reason.LIQUIDATION_NEAR, message + "; it shrinks by half"))
    return tuple(shrinks), top_ups, tuple(notes)
