"""Funding as decisions see it: an average over settlements, never the flip of a sign (PLAYBOOK §8)."""

from dataclasses import dataclass
from decimal import Decimal

from bot.domain.campaign import Campaign, Leg, Tranche
from bot.domain.instrument import multiplier_of, token_of
from bot.domain.market import Funding, Snapshot
from bot.domain.money import ONE, ZERO
from bot.domain.order import Purpose
from bot.domain.perp import basis_annualised
from bot.playbook.policy import HOUR_MS

HOURS_PER_YEAR = Decimal(24 * 365)
WATCHED_MIN = Decimal("0.5")
_DAY_HOURS = Decimal(24)


@dataclass(frozen=True, slots=True)
class ExpectedFunding:
    """What a leg that opens a perp position is expected to earn (+) or pay (−) in funding until its planned end.

    `yield_annual` is a share of `notional_quote` per year as this side of the contract sees it, the mean of `rates`
    rates; `hours` is the planned holding time, a day where none is planned; `basis_annual` is perp against spot in
    either side's view: positive is contango.
    """

    symbol: str
    notional_quote: Decimal
    yield_annual: Decimal
    rates: int
    interval_hours: int
    hours: Decimal
    basis_annual: Decimal | None

    @property
    def per_day_quote(self) -> Decimal:
        return self.notional_quote * self.yield_annual * _DAY_HOURS / HOURS_PER_YEAR

    @property
    def total_quote(self) -> Decimal:
        return self.notional_quote * self.yield_annual * self.hours / HOURS_PER_YEAR


def average_funding(funding: Funding, at_ms: int, hours: int) -> Decimal | None:
    """Mean rate of the settlements in the last `hours` and of the next one, as a share of notional per year; positive:
    longs pay shorts. None while less than half of them have been watched: a young average is none."""
    rates = _rates(funding, at_ms, hours)
    if funding.interval_hours <= 0 or len(rates) * funding.interval_hours < WATCHED_MIN * hours:
        return None
    return _annual(rates, funding.interval_hours)


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
    rates, side = _rates(funding, snapshot.at_ms, hours), ONE if leg.size_to > 0 else -ONE
    return ExpectedFunding(
        symbol=leg.symbol,
        notional_quote=leg.quote_value,
        yield_annual=-side * _annual(rates, funding.interval_hours),
        rates=len(rates),
        interval_hours=funding.interval_hours,
        hours=_planned_hours(leg, tranche, campaign, snapshot.at_ms),
        basis_annual=_basis(leg.symbol, funding.interval_hours, snapshot),
    )


def opens_perp(leg: Leg) -> bool:
    """Whether the leg opens or enlarges a perp position, so that funding follows from it."""
    return ":" in leg.symbol and abs(leg.size_to) > abs(leg.size_from)


def _rates(funding: Funding, at_ms: int, hours: int) -> list[Decimal]:
    rates = [rate for settled, rate in funding.earlier if at_ms - hours * HOUR_MS <= settled < funding.next_ms]
    return [*rates, funding.rate]


def _annual(rates: list[Decimal], interval_hours: int) -> Decimal:
    return sum(rates, ZERO) / len(rates) * HOURS_PER_YEAR / interval_hours


def _planned_hours(leg: Leg, tranche: Tranche, campaign: Campaign, at_ms: int) -> Decimal:
    """A tactical long is held to its time stop, a hedge until the last tranche has sold what it covers."""
    end_ms = 0
    if leg.exits is not None:
        end_ms = leg.exits.deadline_ms
    elif leg.purpose is Purpose.HEDGE and campaign.tranches[-1].index > tranche.index:
        end_ms = campaign.tranches[-1].not_before_ms
    return Decimal(end_ms - at_ms) / HOUR_MS if end_ms > at_ms else _DAY_HOURS


def _basis(symbol: str, interval_hours: int, snapshot: Snapshot) -> Decimal | None:
    perp, spot = snapshot.price(symbol), _spot_price(symbol, snapshot)
    return basis_annualised(perp, spot, Decimal(interval_hours)) if perp and spot else None


def _spot_price(perp: str, snapshot: Snapshot) -> Decimal | None:
    """Price of spot in the perp's unit: a thousand PEPE beside 1000PEPE."""
    base, _, quote = perp.partition(":")[0].partition("/")
    listed = snapshot.price(f"{base}/{quote}")
    token = snapshot.price(f"{token_of(base)}/{quote}") if listed is None else None
    return listed if token is None else token * multiplier_of(base)
