"""Getting out of everything without ever leaving a naked leg (DESIGN §8, kill switch level `flatten`).

Tactical longs go first, because they add risk. Then spot is sold slice by slice, and after every slice the hedges over
it shrink to what is left: a short without its spot never stands for longer than one round.
"""

from collections.abc import Mapping
from decimal import Decimal

from bot.domain.instrument import Instrument, Side
from bot.domain.market import Snapshot
from bot.domain.money import ONE, ZERO
from bot.domain.order import Intent, Purpose
from bot.domain.portfolio import Portfolio

FLATTEN_CAMPAIGN = 0


def flatten(
    snapshot: Snapshot, portfolio: Portfolio, hedges: Mapping[str, str], *, slice_share: Decimal, slippage: Decimal
) -> tuple[Intent, ...]:
    """The next round of orders towards nothing but quote money; empty when flat.

    `hedges` maps a perp held short to the sector it covers, `slice_share` is the part of each spot holding sold per
    round, `slippage` the share by which the worst price may be off the valuation.
    """
    longs = [(s, p.size) for s, p in sorted(portfolio.account.positions.items()) if p.size > 0]
    if longs:
        return _intents(snapshot, [(s, -size) for s, size in longs], slippage)
    uncovered = _uncovered(snapshot, portfolio, hedges)
    if uncovered:
        return _intents(snapshot, uncovered, slippage)
    sales = []
    for symbol in sorted({holding.symbol for holding in portfolio.holdings if holding.size > 0}):
        size, instrument, price = portfolio.held(symbol), snapshot.instruments.get(symbol), snapshot.price(symbol)
        if instrument is None or price is None:
            continue
        part = instrument.floor_size(size * slice_share)
        rest = instrument.floor_size(size - part)
        is_last = not instrument.is_tradable(part, price) or not instrument.is_tradable(rest, price)
        sales.append((symbol, -(size if is_last else part)))
    # What spot is left cannot be sold, so the shorts over it are the last to go.
    shorts = [(s, -p.size) for s, p in sorted(portfolio.account.positions.items()) if p.size < 0]
    return _intents(snapshot, sales, slippage) or _intents(snapshot, shorts, slippage)


def _uncovered(snapshot: Snapshot, portfolio: Portfolio, hedges: Mapping[str, str]) -> list[tuple[str, Decimal]]:
    """What to buy back of each short so that it does not exceed the spot it covers; all of a short that covers none."""
    changes = []
    for symbol, position in sorted(portfolio.account.positions.items()):
        instrument, price = snapshot.instruments.get(symbol), snapshot.price(symbol)
        if position.size >= 0 or instrument is None or price is None:
            continue
        sleeve = portfolio.sectors.get(hedges.get(symbol, ""))
        covered = instrument.size_for(sleeve.spot, price) if sleeve else ZERO
        if not instrument.is_tradable(covered, price):
            covered = ZERO
        excess = -position.size - covered
        if excess > 0:
            changes.append((symbol, excess))
    return changes


def _intents(snapshot: Snapshot, changes: list[tuple[str, Decimal]], slippage: Decimal) -> tuple[Intent, ...]:
    intents = []
    for leg, (symbol, change) in enumerate(changes, start=1):
        instrument, price = snapshot.instruments.get(symbol), snapshot.price(symbol)
        if instrument is None or price is None:
            continue
        side = Side.of(change)
        size = instrument.floor_size(abs(change))
        if instrument.is_tradable(size, price, reduce_only=instrument.is_perp):
            intents.append(_intent(leg, instrument, side, size, price, slippage))
    return tuple(intents)


def _intent(leg: int, instrument: Instrument, side: Side, size: Decimal, price: Decimal, slippage: Decimal) -> Intent:
    worst = price * (ONE + slippage * side.sign)
    return Intent(
        id=f"flatten.{leg}",
        campaign=FLATTEN_CAMPAIGN,
        tranche=0,
        leg=leg,
        purpose=Purpose.FLATTEN,
        sector="",
        symbol=instrument.symbol,
        side=side,
        size=size,
        worst_price=instrument.ceil_price(worst) if side is Side.BUY else instrument.floor_price(worst),
        reference_price=price,
        reduce_only=instrument.is_perp,
        words="flatten: " + ("shrink the hedge to the spot left" if side is Side.BUY else "close the holding"),
    )
