"""Decimal arithmetic at the edges: parsing, directional rounding, shares.

Money and sizes are Decimal from the parsed string to the wire; a float is refused here, so it cannot slip in elsewhere.
"""

from contextlib import AbstractContextManager
from decimal import (
    ROUND_CEILING,
    ROUND_FLOOR,
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DivisionByZero,
    InvalidOperation,
    Overflow,
    localcontext,
)

ZERO = Decimal(0)
ONE = Decimal(1)
BPS = Decimal("0.0001")
_HOUSE = Context(prec=28, rounding=ROUND_HALF_EVEN, traps=[DivisionByZero, InvalidOperation, Overflow])


def decimal_context() -> AbstractContextManager[Context]:
    """A copy of the rules that decisions are made under, for the code inside; nothing in there may wait, or
    others would share it.

    ccxt changes the rounding of the present context whenever it formats a number, so the same sum would end in another
    digit before and after the first order, and in a replay.
    """
    return localcontext(_HOUSE)


def dec(value: str | int | Decimal) -> Decimal:
    """Parse a finite decimal number.

    Raises:
        TypeError: for floats and bools, whose digits are already lost or meaningless.
        ValueError: for text that is not a finite number (NaN and infinities included).
    """
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise TypeError(f"money is parsed from text, not from {type(value).__name__}: {value!r}")
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise ValueError(f"not a number: {value!r}") from None
    if not number.is_finite():
        raise ValueError(f"not a finite number: {value!r}")
    return number


def floor_to(value: Decimal, step: Decimal) -> Decimal:
    """The largest multiple of `step` not above `value`; `step` 0 means no grid."""
    return _to_grid(value, step, ROUND_FLOOR)


def ceil_to(value: Decimal, step: Decimal) -> Decimal:
    """The smallest multiple of `step` not below `value`; `step` 0 means no grid."""
    return _to_grid(value, step, ROUND_CEILING)


def nearest_to(value: Decimal, step: Decimal) -> Decimal:
    """The nearest multiple of `step`, ties to even; `step` 0 means no grid."""
    return _to_grid(value, step, ROUND_HALF_EVEN)


def _to_grid(value: Decimal, step: Decimal, rounding: str) -> Decimal:
    if step == 0:
        return value
    return (value / step).to_integral_value(rounding=rounding) * step


def share(part: Decimal, whole: Decimal) -> Decimal:
    """`part / whole`, 0 when the whole is 0."""
    return part / whole if whole else ZERO


def clamp(value: Decimal, low: Decimal, high: Decimal) -> Decimal:
    """`value` moved into [low, high]."""
    return max(low, min(high, value))


def plain(value: Decimal) -> str:
    """Text without exponent and without trailing zeros, as venues want it."""
    text = format(value, "f")
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text
