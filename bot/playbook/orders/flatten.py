"""Close everything without leaving a short that spot does not cover (DESIGN §8, kill switch level `flatten`).

Tactical longs go first, because they add risk. Then spot is sold slice by slice, and before every slice the hedges
shrink to what the slice will leave: no short ever stands over less spot than it covers.
"""

from collections.abc import Mapping
from decimal import Decimal

from bot.domain.instrument import Instrument, Side
from bot.domain.market import Snapshot
from bot.domain.money import ONE, ZERO
from bot.domain.order import Intent, IntentTerms
from bot.domain.order_ids import OrderKind
from bot.domain.portfolio import Portfolio
from bot.playbook.orders.factory import kind_intent

# Prices move between two rounds: a hedge that was shrunk to the last cent would have to be shrunk again first.
HEADROOM = Decimal("0.01")


def flatten(
    snapshot: Snapshot, portfolio: Portfolio, hedges: Mapping[str, str], *, slice_share: Decimal, slippage: Decimal
) -> tuple[Intent, ...]:
    """The next round of orders towards nothing but quote money; empty when flat.

    `hedges` maps a perp held short to the sector it covers, `slice_share` is the part of each spot holding sold per
    round, `slippage` the share by which the worst price may be off the valuation.
    """
    longs = [(s, -p.size) for s, p in sorted(portfolio.account.positions.items()) if p.size > 0]
    if longs:
        return _intents(snapshot, longs, slippage)
    sales = _slices(snapshot, portfolio, slice_share, slippage)
    shrinks = _intents(snapshot, _uncovered(snapshot, portfolio, hedges, sales), slippage)
    return shrinks or _intents(snapshot, [(symbol, -size) for symbol, size in sales.items()], slippage)


def _slices(snapshot: Snapshot, portfolio: Portfolio, slice_share: Decimal, slippage: Decimal) -> dict[str, Decimal]:
    """What to sell of each holding in this round: a part of it, or all of it when a part or the rest is too small. What
    an order of somebody else holds cannot be sold."""
    sales = {}
    for symbol in sorted({holding.symbol for holding in portfolio.holdings if holding.size > 0}):
        size, instrument, price = portfolio.free(symbol), snapshot.instruments.get(symbol), snapshot.price(symbol)
        if instrument is None or price is None:
            continue
        least = _worst(instrument, Side.SELL, price, slippage)
        largest = size if instrument.size_max is None else min(size, instrument.size_max)
        for part in (size * slice_share, largest, size / 2):
            required = instrument.floor_size(min(part, largest))
            rest = instrument.floor_size(size - required)
            if instrument.is_tradable(required, least) and (rest <= 0 or instrument.is_tradable(rest, least)):
                sales[symbol] = required
                break
        else:  # dust stays behind whatever is sold: as little of it as can be
            required = instrument.floor_size(largest)
            if instrument.is_tradable(required, least):
                sales[symbol] = required
    return sales


def _uncovered(
    snapshot: Snapshot, portfolio: Portfolio, hedges: Mapping[str, str], sales: Mapping[str, Decimal]
) -> list[tuple[str, Decimal]]:
    """What to buy back of each short so that it does not exceed the spot that is left after the sales. Without sales
    what is left cannot be sold, so all shorts go."""
    left = dict.fromkeys(portfolio.sectors, ZERO)
    for holding in portfolio.holdings if sales else ():
        left[holding.sector] += holding.value * (ONE - sales.get(holding.symbol, ZERO) / holding.size)
    changes = []
    for symbol, position in sorted(portfolio.account.positions.items()):
        instrument, price = snapshot.instruments.get(symbol), snapshot.price(symbol)
        if position.size >= 0 or instrument is None or price is None:
            continue
        sector = hedges.get(symbol, "")
        room = max(ZERO, left.get(sector, ZERO))
        covered = instrument.size_for(room, price)
        if -position.size > covered:
            covered = instrument.size_for(room * (ONE - HEADROOM), price)
            covered = covered if instrument.is_tradable(covered, price) else ZERO
            changes.append((symbol, -position.size - covered))
        if sector in left:
            left[sector] -= instrument.notional(min(covered, -position.size), price)
    return changes


def _intents(snapshot: Snapshot, changes: list[tuple[str, Decimal]], slippage: Decimal) -> tuple[Intent, ...]:
    intents = []
    for symbol, change in changes:
        instrument, price = snapshot.instruments.get(symbol), snapshot.price(symbol)
        if instrument is None or price is None:
            continue
        side = Side.of(change)
        size, worst = instrument.floor_size(abs(change)), _worst(instrument, side, price, slippage)
        size = size if instrument.size_max is None else min(size, instrument.size_max)
        if instrument.is_tradable(size, min(price, worst), reduce_only=instrument.is_perp):
            intents.append(_intent(instrument, side, size, price, worst))
    return tuple(intents)


def _worst(instrument: Instrument, side: Side, price: Decimal, slippage: Decimal) -> Decimal:
    worst = price * (ONE + slippage * side.sign)
    return instrument.ceil_price(worst) if side is Side.BUY else instrument.floor_price(worst)


def _intent(instrument: Instrument, side: Side, size: Decimal, price: Decimal, worst: Decimal) -> Intent:
    terms = IntentTerms(size, worst, price, reduce_only=instrument.is_perp)
    message = "flatten: " + ("shrink the hedge to the spot left" if side is Side.BUY else "close the holding")
    return kind_intent(OrderKind.FLATTEN, "", instrument.symbol, side, terms, message)
