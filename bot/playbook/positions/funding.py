"""Funding for decisions: an average over settlements, so that one change of sign decides nothing (PLAYBOOK §8)."""

from bisect import bisect_left
from dataclasses import dataclass
from decimal import Decimal
from operator import itemgetter

from bot.domain.campaign import Campaign, Leg, Tranche
from bot.domain.durations import HOUR_MS, HOURS_PER_YEAR
from bot.domain.instrument import multiplier_of, token_of
from bot.domain.market import Funding, Snapshot
from bot.domain.money import ONE, ZERO
from bot.domain.order import Purpose
from bot.domain.perp import basis_annualised, settlement_hours
from bot.domain.symbol import base_of, is_perp, quote_of

WATCHED_MIN = Decimal("0.5")
_DAY_HOURS = Decimal(24)
_time = itemgetter(0)


@dataclass(frozen=True, slots=True)
class ExpectedFunding:
    """What a leg that opens a perp position is expected to earn (+) or pay (−) in funding until its planned end.

    `yield_annual` is a share of `notional_quote` per year as this side of the contract sees it: the sum of `rates`
    rates over the `covered_hours` they cover. `hours` is the planned holding time, a day where none is planned;
    `basis_annual` is perp against spot in either side's view: positive is contango.
    """

    symbol: str
    notional_quote: Decimal
    yield_annual: Decimal
    rates: int
    interval_hours: int
    hours: Decimal
    basis_annual: Decimal | None
    covered_hours: int = 0

    @property
    def per_day_quote(self) -> Decimal:
        return self.notional_quote * self.yield_annual * _DAY_HOURS / HOURS_PER_YEAR

    @property
    def total_quote(self) -> Decimal:
        return self.notional_quote * self.yield_annual * self.hours / HOURS_PER_YEAR


def average_funding(funding: Funding, at_ms: int, hours: int) -> Decimal | None:
    """Rates of the settlements in the last `hours` and of the next one over the time they cover, as a share of notional
    per year, whatever the interval was or is; positive: longs pay shorts. None while less than half of the time has
    been watched: a young average is none."""
    if funding.interval_hours <= 0:
        return None
    rates, covered = _rates(funding, at_ms, hours)
    return None if covered < WATCHED_MIN * hours else _annual(rates, covered)


def expected_funding(
    leg: Leg, tranche: Tranche, campaign: Campaign, snapshot: Snapshot, hours: int
) -> ExpectedFunding | None:
    """The expectation of a leg from what `snapshot` knew, over settlements of the last `hours`.

    Unlike a decision it takes a young average too, and says of how many rates it is. None for spot, for a leg that
    reduces a position (it ends funding) and for a perp without a known rate.
    """
    funding = snapshot.funding.get(leg.symbol)
    if funding is None or funding.interval_hours <= 0 or not opens_perp(leg):
        return None
    (rates, covered), side = _rates(funding, snapshot.at_ms, hours), ONE if leg.size_to > 0 else -ONE
    return ExpectedFunding(
        symbol=leg.symbol,
        notional_quote=leg.quote_value,
        yield_annual=-side * _annual(rates, covered),
        rates=len(rates),
        interval_hours=funding.interval_hours,
        hours=_planned_hours(leg, tranche, campaign, snapshot.at_ms),
        basis_annual=_basis(leg.symbol, funding.interval_hours, snapshot),
        covered_hours=covered,
    )


def opens_perp(leg: Leg) -> bool:
    """Whether the leg opens or enlarges a perp position, so that funding follows from it."""
    return is_perp(leg.symbol) and abs(leg.size_to) > abs(leg.size_from)


def settled_rates(funding: Funding, since_ms: int) -> list[tuple[Decimal, int]]:
    """(rate, hours it covers) of each settlement since a time and before the next one, oldest first."""
    earlier = funding.earlier
    first, end = bisect_left(earlier, since_ms, key=_time), bisect_left(earlier, funding.next_ms, key=_time)
    start = max(0, first - 1)
    times = [*(at_ms for at_ms, _ in earlier[start:end]), funding.next_ms]
    hours = settlement_hours(times, first - start, funding.interval_hours)
    return [(rate, covered) for (_, rate), covered in zip(earlier[first:end], hours, strict=False)]


def _rates(funding: Funding, at_ms: int, hours: int) -> tuple[list[Decimal], int]:
    """The rates of the settlements in the last `hours` and of the next one, and the hours they cover."""
    result = [*settled_rates(funding, at_ms - hours * HOUR_MS), (funding.rate, funding.interval_hours)]
    return [rate for rate, _ in result], sum(covered for _, covered in result)


def _annual(rates: list[Decimal], covered_hours: int) -> Decimal:
    return sum(rates, ZERO) * HOURS_PER_YEAR / covered_hours


def _planned_hours(leg: Leg, tranche: Tranche, campaign: Campaign, at_ms: int) -> Decimal:
    """A tactical long is held to its time stop, a hedge until the last tranche has sold what it covers."""
    end_ms = 0
    if leg.exits is not None:
        end_ms = leg.exits.deadline_ms
    elif leg.purpose is Purpose.HEDGE and campaign.tranches[-1].index > tranche.index:
        end_ms = campaign.tranches[-1].begins_ms
    return Decimal(end_ms - at_ms) / HOUR_MS if end_ms > at_ms else _DAY_HOURS


def _basis(symbol: str, interval_hours: int, snapshot: Snapshot) -> Decimal | None:
    perp, spot = snapshot.price(symbol), _spot_price(symbol, snapshot)
    return basis_annualised(perp, spot, Decimal(interval_hours)) if perp and spot else None


def _spot_price(perp: str, snapshot: Snapshot) -> Decimal | None:
    """Price of spot in the perp's unit: a thousand PEPE beside 1000PEPE."""
    base, quote = base_of(perp), quote_of(perp)
    listed = snapshot.price(f"{base}/{quote}")
    token = snapshot.price(f"{token_of(base)}/{quote}") if listed is None else None
    return listed if token is None else token * multiplier_of(base)
