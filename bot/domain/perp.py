"""Formulas of a linear, quote-margined perpetual contract.

Signed sizes are in contracts (long > 0). Source of the liquidation formula: Binance FAQ b3c689c1,
isolated one-way case.
"""

from collections.abc import Sequence
from decimal import ROUND_FLOOR, Decimal

from bot.domain.durations import HOUR_MS, HOURS_PER_YEAR
from bot.domain.instrument import Instrument
from bot.domain.money import ONE, ZERO

FUNDING_INTERVALS = frozenset({1, 2, 4, 8})  # hours


def notional(instrument: Instrument, size: Decimal, price: Decimal) -> Decimal:
    """Absolute quote value of a position."""
    return instrument.notional(size, price)


def margin_for(notional_quote: Decimal, leverage: Decimal) -> Decimal:
    """Initial margin of a position."""
    return notional_quote / leverage


def unrealised_pnl(instrument: Instrument, size: Decimal, entry: Decimal, mark: Decimal) -> Decimal:
    """Quote profit of a signed position."""
    return size * instrument.contract_size * (mark - entry)


def liquidation_price(
    instrument: Instrument,
    *,
    size: Decimal,
    entry: Decimal,
    margin: Decimal,
    maintenance_rate: Decimal,
    maintenance_amount: Decimal = ZERO,
) -> Decimal | None:
    """Price at which an isolated position's margin balance meets its maintenance; None when flat or unreachable.

    `maintenance_amount` is the bracket's `cum`. Long 1 at 10,000 with margin 1,000 and rate 0.4 % gives 9,036.14.
    """
    base = abs(size) * instrument.contract_size
    if base == 0:
        return None
    side = ONE if size > 0 else -ONE
    price = (margin + maintenance_amount - side * base * entry) / (base * maintenance_rate - side * base)
    return price if price > 0 else None


def whole_leverage(leverage: Decimal) -> Decimal:
    """The leverage that venues take: a whole number, rounded down, 1 at least."""
    return max(ONE, leverage.to_integral_value(ROUND_FLOOR))


def liquidation_distance(mark: Decimal, liquidation: Decimal | None) -> Decimal | None:
    """Fraction the mark may move before liquidation; None when there is no liquidation price."""
    return None if liquidation is None else abs(mark - liquidation) / mark


def basis_annualised(perp: Decimal, spot: Decimal, hours: Decimal = Decimal(8)) -> Decimal:
    """Perp − spot premium as a yearly share, as if it converged within `hours` (PLAYBOOK §8). Positive: contango."""
    return (perp / spot - ONE) * HOURS_PER_YEAR / hours


def settlement_hours(times_ms: Sequence[int], first: int, interval_hours: int) -> list[int]:
    """Hours that each settlement from index `first` on covers; `times_ms` are in order, `interval_hours` is today's.

    A settlement covers the time since the one before it. Where that is no interval a venue has, the one before was not
    watched, and the time to the next one stands for it; where there is neither, today's interval does.
    """
    hours = []
    for index in range(first, len(times_ms)):
        before = _whole_hours(times_ms[index - 1], times_ms[index]) if index else 0
        after = _whole_hours(times_ms[index], times_ms[index + 1]) if index + 1 < len(times_ms) else 0
        hours.append(next((gap for gap in (before, after) if gap in FUNDING_INTERVALS), interval_hours))
    return hours


def _whole_hours(start_ms: int, end_ms: int) -> int:
    return round((end_ms - start_ms) / HOUR_MS)


def funding_per_day(notional_signed: Decimal, rate: Decimal, interval_hours: int) -> Decimal:
    """Quote received (+) or paid (−) per day by a signed notional at `rate` per interval."""
    return -notional_signed * rate * Decimal(24) / Decimal(interval_hours)
