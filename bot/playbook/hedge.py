"""Hedges: which perp, how much, until when (PLAYBOOK §§2, 5, 6).

A hedge never exceeds the spot it covers and never takes more margin than its sector's futures sleeve has.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from bot.domain.campaign import Memory
from bot.domain.money import ONE, ZERO
from bot.domain.perp import liquidation_distance
from bot.domain.reason import Note, Reason
from bot.playbook.scene import Scene
from bot.playbook.sectors import signed_notional
from bot.playbook.wallets import free_margin


@dataclass(frozen=True, slots=True)
class HedgePlan:
    """A short to stand at: positive contracts of `symbol`, their value and margin at `price`."""

    symbol: str
    size: Decimal
    price: Decimal
    notional_quote: Decimal
    margin_quote: Decimal
    leverage: Decimal


@dataclass(frozen=True, slots=True)
class Shrink:
    """A perp position that must become smaller by `size` contracts, and why."""

    symbol: str
    sector: str
    size: Decimal
    reason: Reason
    words: str


def plan_hedge(
    sector: str, wanted_quote: Decimal, scene: Scene, *, sleeve_margin: Decimal, closing: frozenset[str]
) -> tuple[HedgePlan | None, tuple[Note, ...]]:
    """The short that covers `wanted_quote` of a sector's spot on the first of its hedge perps that is listed.

    `sleeve_margin` is the sleeve's margin that is not needed elsewhere; `closing` names longs that are closed first.
    """
    symbol = hedge_symbol(sector, scene, closing)
    instrument = scene.instrument(symbol) if symbol else None
    price = scene.price(symbol) if symbol else None
    if symbol is None or instrument is None or price is None:
        words = f"{sector}: none of its hedge perps is listed and priced; {wanted_quote:.2f} stays without a hedge"
        return None, (Note(Reason.HEDGE_CUT, words, sector, {"short_by": str(wanted_quote)}),)
    leverage = min(scene.policy.hedge_leverage, scene.policy.max_leverage, max(ONE, instrument.leverage_max))
    own = max(ZERO, -scene.held(symbol)) * instrument.contract_size * price / leverage
    free = min(sleeve_margin, free_margin(scene.portfolio.account) + own)
    # The fee of opening comes out of the same wallet.
    affordable = max(ZERO, free) / (ONE / leverage + instrument.taker_fee)
    covered = min(wanted_quote, max(ZERO, scene.portfolio.sectors[sector].spot))
    size = instrument.size_for(min(covered, affordable), price)
    notional = instrument.notional(size, price)
    notes = []
    if affordable < covered:
        words = (
            f"{sector}: the hedge is {notional:.2f} instead of {covered:.2f}, short by {covered - notional:.2f}: its "
            f"futures sleeve has {max(ZERO, free):.2f} of free margin at {leverage}x"
        )
        notes.append(Note(Reason.HEDGE_CUT, words, sector, {"short_by": str(covered - notional)}))
    if not instrument.is_tradable(size, price):
        words = f"{sector}: a hedge of {notional:.2f} is below the minimum of {symbol}"
        return None, (*notes, Note(Reason.BELOW_MINIMUM, words, symbol))
    return HedgePlan(symbol, size, price, notional, notional / leverage, leverage), tuple(notes)


def hedge_symbol(sector: str, scene: Scene, closing: frozenset[str] = frozenset()) -> str | None:
    """The first of the sector's hedge perps that is listed, priced, and holds no long that stays."""
    for symbol in scene.sectors.hedges(sector):
        if scene.instrument(symbol) is None or scene.price(symbol) is None:
            continue
        if scene.held(symbol) <= 0 or symbol in closing:
            return symbol
    return None


def over_spot(memory: Memory, scene: Scene, sold: Mapping[str, Decimal] | None = None) -> tuple[Shrink, ...]:
    """Hedges that exceed the spot they cover: spot fell or was sold, so they shrink with it (PLAYBOOK §6).

    Spot that has no price at the moment has not gone: a hedge over it is not judged. `sold` is quote value by sector
    that is about to be sold.
    """
    unpriced = {name for token in scene.portfolio.unpriced for name in scene.sectors.tokens.get(token, {})}
    gone = sold or {}
    room = {name: max(ZERO, sleeves.spot - gone.get(name, ZERO)) for name, sleeves in scene.portfolio.sectors.items()}
    found = []
    for symbol, sector in sorted(memory.hedges.items()):
        position, instrument = scene.position(symbol), scene.instrument(symbol)
        if position is None or instrument is None or position.size >= 0 or sector in unpriced:
            continue
        notional = -signed_notional(position, scene.snapshot)
        excess = notional - room.get(sector, ZERO)
        room[sector] = max(ZERO, -excess)
        if excess <= 0 or position.mark_price <= 0:
            continue
        steps = (excess / (instrument.contract_size * position.mark_price * instrument.size_step)).to_integral_value(
            rounding="ROUND_CEILING"
        )
        size = min(-position.size, steps * instrument.size_step)
        covered = f"what a sale leaves of the {sector} spot" if gone.get(sector) else f"the {sector} spot it covers"
        words = f"{symbol}: the hedge of {notional:.2f} exceeds {covered} by {excess:.2f}"
        found.append(Shrink(symbol, sector, size, Reason.HEDGE_OVER_SPOT, words))
    return tuple(found)


def near_liquidation(
    memory: Memory, scene: Scene
) -> tuple[tuple[Shrink, ...], Mapping[str, Decimal], tuple[Note, ...]]:
    """Hedges whose liquidation is near: margin to add from the idle margin of the sleeve, or the part to close.

    Below half of the least distance, or without idle margin, the hedge shrinks by half: it is never liquidated while
    anything can be done (PLAYBOOK §2).
    """
    least = scene.policy.liquidation_distance_min
    shrinks, top_ups, notes = [], {}, []
    for symbol, sector in sorted(memory.hedges.items()):
        position, instrument = scene.position(symbol), scene.instrument(symbol)
        if position is None or instrument is None or position.mark_price <= 0:
            continue
        distance = liquidation_distance(position.mark_price, position.liquidation_price)
        if distance is None or distance >= least:
            continue
        sleeves = scene.portfolio.sectors.get(sector)
        idle = min(free_margin(scene.portfolio.account), sleeves.futures - sleeves.margin_locked if sleeves else ZERO)
        wanted = abs(signed_notional(position, scene.snapshot)) * (least * 3 / 2 - distance)
        amount = max(ZERO, min(wanted, idle)).quantize(Decimal("0.01"), rounding="ROUND_FLOOR")
        numbers = {"distance": str(distance), "top_up": str(amount)}
        words = f"{symbol}: liquidation is {distance:.1%} away, less than {least:.1%}"
        if amount > 0:
            top_ups[symbol] = amount
            words += f"; add {amount} of idle margin"
        notes.append(Note(Reason.LIQUIDATION_NEAR, words, symbol, numbers))
        if amount < wanted / 2 or distance < least / 2:
            half = instrument.floor_size(abs(position.size) / 2)
            size = half if half >= instrument.size_min else abs(position.size)
            shrinks.append(Shrink(symbol, sector, size, Reason.LIQUIDATION_NEAR, words + "; it shrinks by half"))
    return tuple(shrinks), top_ups, tuple(notes)
