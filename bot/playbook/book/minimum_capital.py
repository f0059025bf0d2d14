"""Which book the settings need, so that what they plan reaches the venue's minimums (PLAYBOOK §11, decision 0022)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from bot.domain.money import ONE, ZERO
from bot.playbook.policy.membership import Sectors
from bot.playbook.policy.numbers import Policy

MINIMUM_SPARE = Decimal("1.2")


@dataclass(frozen=True, slots=True)
class CapitalNeed:
    """What needs a book of `book_quote` at least, and what to change for a smaller one."""

    what: str
    book_quote: Decimal
    remedy: str


def capital_needs(policy: Policy, sectors: Sectors, minimums: Mapping[str, Decimal]) -> tuple[CapitalNeed, ...]:
    """The needs of every sector's tokens, of the smallest hedge and of the tactical long, by the least order value
    of each symbol; symbols without one are left out."""
    result: list[CapitalNeed] = []
    for name in sectors.sectors:
        known = [minimums[s] for s in map(sectors.spot, sectors.members(name)) if minimums.get(s, ZERO) > 0]
        if known:
            least = MINIMUM_SPARE * max(known) / policy.allocation.drift_buffer
            remedy = "the most traded are held until then; raise playbook.allocation.drift_buffer for more"
            result += [
                CapitalNeed(f"one token of {name}", _up(least), "raise playbook.allocation.drift_buffer"),
                CapitalNeed(f"all {len(known)} tokens of {name}", _up(least * len(known)), remedy),
            ]
        hedged = policy.rotation.shift * (
            ONE if name in policy.hedging.whole_from else ONE - policy.rotation.first_tranche
        )
        perps = [minimums[s] for s in sectors.hedges(name) if minimums.get(s, ZERO) > 0]
        if policy.hedging.is_on and perps and hedged > 0:
            remedy = (
                "raise playbook.rotation.shift, put a perp with a smaller minimum first, or set "
                "playbook.hedging.is_on = false"
            )
            result.append(CapitalNeed(f"a hedge of {name}", _up(MINIMUM_SPARE * perps[0] / hedged), remedy))
    perps = [minimums[s] for s in sectors.tacticals(policy.allocation.risk_on) if minimums.get(s, ZERO) > 0]
    long = (
        policy.rotation.shift
        * policy.rotation.tactical_split
        * min(policy.tactical.leverage, policy.sizing.position_leverage_max)
    )
    if policy.tactical.is_on and perps and long > 0:
        remedy = "raise playbook.rotation.shift, or set playbook.tactical.is_on = false"
        result.append(CapitalNeed("a tactical long", _up(MINIMUM_SPARE * perps[0] / long), remedy))
    return tuple(result)


def tokens_held(name: str, policy: Policy, sectors: Sectors, minimums: Mapping[str, Decimal], book: Decimal) -> int:
    """How many tokens of a sector a book can hold: the least rebalance, divided among them, is above the largest of
    their minimums with a fifth to spare."""
    minimum = max((minimums.get(sectors.spot(token), ZERO) for token in sectors.members(name)), default=ZERO)
    if minimum <= 0:
        return len(sectors.members(name))
    return max(
        1, int((book * policy.allocation.drift_buffer / (MINIMUM_SPARE * minimum)).to_integral_value(ROUND_FLOOR))
    )


def capital_lines(needs: Sequence[CapitalNeed], book: Decimal | None, quote: str) -> list[str]:
    """A line per need that the book does not meet; without a known book one line with the largest of them."""
    if book is None:
        most = max(needs, key=lambda need: need.book_quote, default=None)
        return (
            [] if most is None else [f"everything trades from a book of {most.book_quote:,f} {quote} on ({most.what})"]
        )
    return [
        f"{need.what} needs a book of {need.book_quote:,f} {quote}, this one has {book:,.2f}: {need.remedy}"
        for need in needs
        if book < need.book_quote
    ]


def _up(amount: Decimal) -> Decimal:
    return amount.to_integral_value(ROUND_CEILING)
