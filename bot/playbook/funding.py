"""Funding as decisions see it: an average over settlements, never the flip of a sign (PLAYBOOK §8)."""

from decimal import Decimal

from bot.domain.market import Funding
from bot.domain.money import ZERO
from bot.playbook.policy import HOUR_MS

HOURS_PER_YEAR = Decimal(24 * 365)
WATCHED_MIN = Decimal("0.5")


def average_funding(funding: Funding, at_ms: int, hours: int) -> Decimal | None:
    """Mean rate of the settlements in the last `hours` and of the next one, as a share of notional per year; positive:
    longs pay shorts. None while less than half of them have been watched: a young average is none."""
    rates = [rate for settled, rate in funding.earlier if at_ms - hours * HOUR_MS <= settled < funding.next_ms]
    rates.append(funding.rate)
    if funding.interval_hours <= 0 or len(rates) * funding.interval_hours < WATCHED_MIN * hours:
        return None
    return sum(rates, ZERO) / len(rates) * HOURS_PER_YEAR / funding.interval_hours
