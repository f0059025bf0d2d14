"""The rules of decimal arithmetic that decisions are made under: ours, whatever a library has set in this process.

ccxt changes the rounding of the present context whenever it formats a number, so the same sum would end in another
digit before and after the first order, and in a replay.
"""

from contextlib import AbstractContextManager
from decimal import ROUND_HALF_EVEN, Context, DivisionByZero, InvalidOperation, Overflow, localcontext

_HOUSE = Context(prec=28, rounding=ROUND_HALF_EVEN, traps=[DivisionByZero, InvalidOperation, Overflow])


def house_arithmetic() -> AbstractContextManager[Context]:
    """A copy of our rules for the code inside; nothing in there may wait, or others would share it."""
    return localcontext(_HOUSE)
