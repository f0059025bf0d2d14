"""Orders cut to what the market can take: a leg aims at a size, and the next round finds what is left. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from bot.domain.market import Snapshot
from bot.domain.money import ZERO, ceil_to
from bot.domain.order import Intent, Purpose
from bot.risk.limits import Limits

_ENTERING = (Purpose.HEDGE, Purpose.INCREASE)


def fit_to_depth(intents: Sequence[Intent], snapshot: Snapshot, limits: Limits) -> tuple[Intent, ...]:
    """The intents, entries being no more than `participation_max` of the visible depth, all of one side together.

    One that would fall below the venue's minimum stays as it is: the gate refuses it and says why.
    """
    taken: dict[tuple[str, str], Decimal] = {}
    fitted = []
    for intent in intents:
        book, instrument = snapshot.books.get(intent.symbol), snapshot.instruments.get(intent.symbol)
        is_entry = intent.purpose in _ENTERING or intent.purpose.is_directional
        if is_entry and not intent.reduce_only and book is not None and instrument is not None:
            place = (intent.symbol, intent.side.value)
            depth = sum((size for _, size in book.side_for(intent.side)), ZERO)
            room = instrument.floor_size(max(ZERO, depth * limits.participation_max - taken.get(place, ZERO)))
            price = snapshot.price(intent.symbol) or intent.worst_price
            if room < intent.size and instrument.is_tradable(room, min(price, intent.worst_price)):
                message = f"at most {limits.participation_max:.0%} of the visible depth"
                intent = resized(intent, room, message)
            taken[place] = taken.get(place, ZERO) + intent.size
        fitted.append(intent)
    return tuple(fitted)


def resized(intent: Intent, size: Decimal, why: str) -> Intent:
    """The same intent for less, with its part of the margin."""
    margin = ceil_to(intent.margin_quote * size / intent.size, Decimal("0.00000001"))
    return replace(intent, size=size, margin_quote=margin, words=f"{intent.words} ({why})".strip())
