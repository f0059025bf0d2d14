"""The first orders after a start are small: a mistake in keys, sizes or signs shows before it is expensive. Pure.

Nothing is refused for being larger. What a rotation wants is cut, phase by phase alike, and the next round, a moment
later, finds what is left: legs aim at sizes, not at amounts.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from bot.domain.instrument import Instrument
from bot.domain.market import Snapshot
from bot.domain.order import Intent, Purpose
from bot.risk.limits import Limits
from bot.risk.slicing import resized

_ENTERING = (Purpose.HEDGE, Purpose.REDUCE, Purpose.INCREASE)
_ROOM = Decimal("1.2")  # a minimum is met at the worst price, and a value is counted at the better one


def canary_value(instrument: Instrument, price: Decimal, limits: Limits) -> Decimal:
    """What one order may be worth, quote: the limit, or the venue's minimum where that is more."""
    least = max(instrument.notional_min, instrument.notional(instrument.size_min, price)) * _ROOM
    return max(limits.canary_quote, least + instrument.notional(instrument.size_step, price))


def shrink(intents: Sequence[Intent], snapshot: Snapshot, limits: Limits) -> tuple[Intent, ...]:
    """The intents of a rotation, none worth more than a canary. Exits, releases and flattening stay as they are."""
    return tuple(_shrunk(intent, snapshot.instruments, snapshot.price(intent.symbol), limits) for intent in intents)


def _is_cut(intent: Intent) -> bool:
    return intent.purpose in _ENTERING or intent.purpose.is_directional


def _shrunk(intent: Intent, instruments: Mapping[str, Instrument], valuation: Decimal | None, limits: Limits) -> Intent:
    instrument = instruments.get(intent.symbol)
    if instrument is None or valuation is None or not _is_cut(intent) or intent.reduce_only:
        return intent
    price = max(valuation, intent.worst_price)
    if not (price.is_finite() and price > 0 and intent.size.is_finite()):
        return intent
    size = instrument.floor_size(canary_value(instrument, price, limits) / instrument.notional(Decimal(1), price))
    if size >= intent.size or size <= 0:
        return intent
    return resized(intent, size, "first order: small")
