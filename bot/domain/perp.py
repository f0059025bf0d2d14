"""Formulas of a linear, quote-margined perpetual contract.

Signed sizes are in contracts (long > 0). Source of the liquidation formula: Binance FAQ b3c689c1,
isolated one-way case.
"""

from collections.abc import Sequence
from decimal import ROUND_FLOOR, Decimal

from bot.domain.brackets import Bracket
from bot.domain.durations import HOUR_MS, HOURS_PER_YEAR
from bot.domain.instrument import Instrument, Side
from bot.domain.money import ONE, ZERO
from bot.domain.portfolio import Position

FUNDING_INTERVALS = frozenset({1, 2, 4, 8})  # hours


def margin_for(notional_quote: Decimal, leverage: Decimal) -> Decimal:
    """Initial margin of a position."""
    return notional_quote / leverage


def opening_cost(instrument: Instrument, price: Decimal, leverage: Decimal) -> Decimal:
    """Initial margin and fee of opening one contract, quote: both come out of the perp wallet."""
    return instrument.contract_size * price * (ONE / leverage + instrument.taker_fee)


def margin_under(instrument: Instrument, position: Position) -> Decimal:
    """Margin that stands under a position: its isolated wallet, or what its leverage locks at its entry."""
    if position.margin:
        return position.margin
    return margin_for(instrument.notional(position.size, position.entry_price), position.leverage or ONE)


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
    price = _at_maintenance(margin + maintenance_amount, side * base, base, entry, maintenance_rate)
    return price if price > 0 else None


def liquidation_in_brackets(
    instrument: Instrument, brackets: Sequence[Bracket], *, size: Decimal, entry: Decimal, margin: Decimal
) -> Decimal | None:
    """The price at which margin plus profit meets maintenance, with the bracket that holds at that price."""
    result: Decimal | None = None
    for bracket in brackets:
        price = liquidation_price(
            instrument,
            size=size,
            entry=entry,
            margin=margin,
            maintenance_rate=bracket.maintenance_rate,
            maintenance_amount=bracket.cum,
        )
        if price is None:
            continue
        result = price
        if bracket.notional_floor <= instrument.notional(size, price) <= bracket.notional_cap:
            return price
    return result


def expected_liquidation(
    instrument: Instrument, *, size: Decimal, entry: Decimal, margin: Decimal, rate_min: Decimal
) -> Decimal | None:
    """Liquidation price of an isolated position that is not open yet: by the instrument's brackets or by the
    maintenance rate assumed at least, whichever comes first."""
    result = [
        liquidation_price(instrument, size=size, entry=entry, margin=margin, maintenance_rate=rate_min),
        liquidation_in_brackets(instrument, instrument.brackets, size=size, entry=entry, margin=margin),
    ]
    prices = [price for price in result if price is not None]
    if not prices:
        return None
    return max(prices) if size > 0 else min(prices)


def bracket_room(
    instrument: Instrument, leverage: Decimal, *, held: Decimal, side: Side, price: Decimal
) -> Decimal | None:
    """Contracts that may be added on `side` to the signed position `held` before the venue refuses the leverage; None
    when the brackets are not known."""
    cap = instrument.notional_max(leverage)
    if cap is None:
        return None
    return max(ZERO, instrument.size_for(cap, price) - max(ZERO, held * side.sign))


def liquidation_move(side: Side, leverage: Decimal, maintenance_rate: Decimal) -> Decimal:
    """How far the price may move against a position that is opened at `leverage`, share of the entry; negative when
    its margin is below its maintenance from the start."""
    return side.sign * (ONE - _at_maintenance(ONE / leverage, side.sign * ONE, ONE, ONE, maintenance_rate))


def _at_maintenance(margin: Decimal, signed: Decimal, base: Decimal, entry: Decimal, rate: Decimal) -> Decimal:
    """The price at which margin and profit of `signed` base units are the maintenance of `base`."""
    return (margin - signed * entry) / (base * rate - signed)


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
