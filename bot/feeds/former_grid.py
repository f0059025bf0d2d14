"""The grid of a delisted instrument, estimated from the digits of its prices and of the held size.

A price or a size with more digits than the venue takes is refused. Prices that the venue quotes and the size that is
held are on its grid, so a grid of their digits is not finer than its own.
"""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from bot.domain.instrument import Instrument
from bot.domain.market import Quote
from bot.domain.money import ONE


def as_former(found: Instrument, journaled: Instrument | None, quote: Quote | None, held: Decimal) -> Instrument:
    """The instrument for closing what is held: with the grid of the journal where that has one, never finer than the
    prices of the quote and the held size."""
    known = replace(found if journaled is None else journaled, active=False, is_former=True)
    tick = known.price_tick if quote is None else max(known.price_tick, _unit_of(quote.bid, quote.ask))
    return replace(known, price_tick=tick, size_step=max(known.size_step, _unit_of(held)))


def with_former(
    known: Mapping[str, Instrument],
    former: Mapping[str, Instrument],
    journaled: Mapping[str, Instrument],
    quotes: Mapping[str, Quote],
    held: Mapping[str, Decimal],
) -> dict[str, Instrument]:
    """`known` with the former instruments in which something is held."""
    added = {
        symbol: as_former(i, journaled.get(symbol), quotes.get(symbol), held[symbol]) for symbol, i in former.items()
    }
    return {**known, **added}


def _unit_of(*values: Decimal) -> Decimal:
    """The unit of the last digit that any of them needs, one at most."""
    digits = max(-int(value.normalize().as_tuple().exponent) for value in values)
    return ONE.scaleb(-max(digits, 0))
