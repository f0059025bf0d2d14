"""Grids of prices and sizes, as venues write them."""

from decimal import Context, Decimal

from bot.domain.instrument import Instrument

WIDE = Context(prec=60)


def decimals(value: Decimal) -> int:
    """Digits after the point that a number needs: 2 for 0.50 and 0.01, 0 for 10."""
    exponent = value.normalize(WIDE).as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def is_written_in_digits(one: Instrument) -> bool:
    """Whether a venue that writes each grid as a number of digits can list the instrument: 0.01 is two, 10 is none."""
    return all(unit == Decimal(1).scaleb(-decimals(unit)) for unit in (one.size_step, one.price_tick))
