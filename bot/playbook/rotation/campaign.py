"""From a target to a campaign: what each tranche sells, in sizes, decided once (PLAYBOOK §2, §§4–5).

A campaign's sales are divided over its tranches when it begins, because the hedge covers exactly those sizes. What the
proceeds buy is decided when a tranche begins (`tranche`), because only then the money is known.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from bot.domain.campaign import Campaign, Leg, Memory, Stance, Tranche
from bot.domain.durations import MINUTE_MS
from bot.domain.money import ZERO, share
from bot.domain.order import Purpose
from bot.domain.reason import Note, Reason
from bot.domain.states import CampaignState, LegState, TrancheState
from bot.playbook.book.context import PlanContext
from bot.playbook.book.portfolio import is_usable, most_tokens, read_weights
from bot.playbook.market.signals import volatile_first
from bot.playbook.market.stance import CASH
from bot.playbook.rotation.pace import first_part


@dataclass(frozen=True, slots=True)
class Sale:
    """What a sector sells over a campaign: quote value, size and value per token, cumulative share per tranche."""

    sector: str
    value: Decimal
    sizes: Mapping[str, Decimal]
    values: Mapping[str, Decimal]
    steps: tuple[Decimal, ...]


def sleeve_values(context: PlanContext) -> Mapping[str, Decimal]:
    """Capital per sleeve and as cash beyond the reserve, quote."""
    values = {CASH: context.portfolio.reserve - context.policy.allocation.reserve_quote}
    for name, sleeves in context.portfolio.sectors.items():
        values[f"{name}.spot"] = sleeves.spot
        values[f"{name}.futures"] = context.portfolio.labels.get(name, ZERO)
    return values


def drift(shares: Mapping[str, Decimal], context: PlanContext) -> Decimal:
    """The largest distance of a spot sleeve from its share, as a share of the book.

    A sector of which nothing can be bought does not count while it is short of its share: it would stay so for ever.
    """
    values, book = sleeve_values(context), context.portfolio.book
    distances = [ZERO]
    for sector in context.sectors.sectors:
        sleeve = f"{sector}.spot"
        missing = shares.get(sleeve, ZERO) - share(values.get(sleeve, ZERO), book)
        if missing <= 0 or read_weights(sector, context.snapshot, context.sectors)[0]:
            distances.append(abs(missing))
    return max(distances)


def without_purchases(shares: Mapping[str, Decimal], context: PlanContext) -> Mapping[str, Decimal]:
    """The shares with no spot sleeve above what it holds now; what that leaves stays cash."""
    values, book = sleeve_values(context), context.portfolio.book
    capped = {
        sleeve: min(part, share(values.get(sleeve, ZERO), book)) if sleeve.endswith(".spot") else part
        for sleeve, part in shares.items()
    }
    return capped | {CASH: capped.get(CASH, ZERO) + sum(shares.values(), ZERO) - sum(capped.values(), ZERO)}


def start_campaign(
    stance: Stance, shares: Mapping[str, Decimal], memory: Memory, context: PlanContext, *, tactical_allowed: bool
) -> tuple[Campaign, tuple[Note, ...]]:
    """A campaign from where the account stands to `shares`: its baseline, its target and its tranches.

    A campaign to the stance the book already stands at is a rebalance: it has no hedge and no tactical long.
    """
    baseline = sleeve_values(context)
    target = {sleeve: part * context.portfolio.book for sleeve, part in shares.items()}
    changes = {s: target.get(f"{s}.spot", ZERO) - baseline[f"{s}.spot"] for s in context.sectors.sectors}
    destination = max(changes, key=lambda s: changes[s]) if max(changes.values()) > 0 else CASH
    first, paced = first_part(destination, context)
    sales: list[Sale] = []
    notes: list[Note] = []
    for sector, change in changes.items():
        if change < 0:
            sale, dropped = _plan_sale(sector, -change, baseline[f"{sector}.spot"], first, context)
            sales.append(sale)
            notes += dropped
    notes += paced if sales else ()
    count = max((len(sale.steps) for sale in sales), default=1)
    if (
        not any(sale.sizes for sale in sales)
        and baseline[CASH] > context.policy.allocation.drift_buffer * context.portfolio.book
    ):
        count = max(count, 2)
    campaign = Campaign(
        number=memory.campaigns + 1,
        stance_from=memory.stance,
        stance_to=stance,
        source=min(changes, key=lambda s: changes[s]) if sales else CASH,
        destination=destination,
        state=CampaignState.RUNNING,
        started_ms=context.at_ms,
        book=context.portfolio.book,
        shift=share(sum((sale.value for sale in sales), ZERO), context.portfolio.book),
        baseline=baseline,
        target=target,
        tranches=tuple(_outline(number, sales, context) for number in range(1, count + 1)),
        tactical_allowed=tactical_allowed,
    )
    message = f"campaign {campaign.number}: {memory.stance.value} → {stance.value} in {count} tranches"
    started = Note(Reason.CAMPAIGN_STARTED, message, str(campaign.number), {"shift": f"{campaign.shift:.6f}"})
    return campaign, (started, *notes)


def _plan_sale(
    sector: str, value: Decimal, baseline: Decimal, first: Decimal, context: PlanContext
) -> tuple[Sale, tuple[Note, ...]]:
    """Divide a sector's sale over its tokens, towards their weights, and over the tranches."""
    most = most_tokens(sector, context.snapshot, context.sectors, context.policy, context.portfolio.book)
    weights, notes = read_weights(sector, context.snapshot, context.sectors, most)
    others = (t for t in context.sectors.candidates(sector) if is_usable(context.sectors.spot(t), context.snapshot))
    weights = {**dict.fromkeys(others, ZERO), **weights}  # what is not to be held is sold first
    parts = {token: _sector_value(token, sector, context) for token in weights}
    after = sum(parts.values(), ZERO) - value
    wishes = {token: max(ZERO, parts[token] - weights[token] * max(ZERO, after)) for token in weights}
    values = scaled(wishes, min(value, sum(parts.values(), ZERO)))
    sizes = {}
    for token, part in values.items():
        price = context.price(context.sectors.spot(token))
        if price and part > 0:
            sizes[token] = part / context.sectors.membership(token, sector) / price
    return Sale(sector, value, sizes, values, sale_steps(value, baseline, first, context)), notes


def _sector_value(token: str, sector: str, context: PlanContext) -> Decimal:
    symbol = context.sectors.spot(token)
    result = (h.value for h in context.portfolio.holdings if h.symbol == symbol and h.sector == sector)
    return sum(result, ZERO)


def scaled(wishes: Mapping[str, Decimal], total: Decimal) -> dict[str, Decimal]:
    """Non-negative wishes brought to a total, in proportion."""
    whole = sum(wishes.values(), ZERO)
    return {name: wish * total / whole for name, wish in wishes.items()} if whole > 0 else dict.fromkeys(wishes, ZERO)


def sale_steps(value: Decimal, baseline: Decimal, first: Decimal, context: PlanContext) -> tuple[Decimal, ...]:
    """Cumulative quote value sold after each tranche: `sold = min(first · s, max_sell_fraction · baseline)`, then as
    much as the cap allows until nothing is left."""
    cap = context.policy.rotation.max_sell_fraction * baseline
    sold = min(first * value, cap)
    steps = [sold]
    while sold < value and cap > 0 and len(steps) < context.policy.rotation.tranches_max:
        sold = min(value, sold + cap)
        steps.append(sold)
    return tuple(steps)


def _outline(number: int, sales: list[Sale], context: PlanContext) -> Tranche:
    """A tranche that waits, with the sales it will make: sizes are final, the rest is decided when it begins."""
    legs: list[Leg] = []
    for sale in sales:
        before = _done_share(sale, number - 1)
        after = _done_share(sale, number)
        tokens = tuple(sale.sizes)
        if sale.sector in context.policy.hedging.whole_from:
            tokens = volatile_first(tokens, context.snapshot, context.sectors, context.policy)
        for token in tokens:
            symbol = context.sectors.spot(token)
            held, price = context.held(symbol), context.price(symbol) or ZERO
            legs.append(
                Leg(
                    index=len(legs) + 1,
                    purpose=Purpose.REDUCE,
                    sector=sale.sector,
                    symbol=symbol,
                    size_from=held - sale.sizes[token] * before,
                    size_to=max(ZERO, held - sale.sizes[token] * after),
                    price=price,
                    quote_value=sale.sizes[token] * price * (after - before),
                    state=LegState.BLOCKED,
                    words=f"sell {token} for {sale.sector}",
                )
            )
    interval = context.policy.rotation.tranche_interval_minutes * MINUTE_MS
    return Tranche(number, TrancheState.WAITING, context.at_ms + (number - 1) * interval, tuple(legs))


def _done_share(sale: Sale, tranches: int) -> Decimal:
    if tranches <= 0 or sale.value <= 0:
        return ZERO
    return sale.steps[min(tranches, len(sale.steps)) - 1] / sale.value
