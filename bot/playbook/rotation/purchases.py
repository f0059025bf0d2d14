"""How a purchase is divided between the tokens of a sector, and whether a campaign can trade at all.

PLAYBOOK §§4, 5, 11; decisions 0021 and 0022.
"""

import math
from collections.abc import Iterable, Mapping
from decimal import Decimal
from itertools import pairwise

from bot.domain.campaign import Campaign, Condition, Memory, Stance
from bot.domain.candles import CandleSeries
from bot.domain.money import ONE, ZERO, clamp
from bot.domain.order import Purpose
from bot.domain.reason import Note
from bot.playbook.book.context import PlanContext
from bot.playbook.book.portfolio import most_tokens, read_weights
from bot.playbook.market import indicators
from bot.playbook.market.signals import liquid_first
from bot.playbook.rotation.campaign import scaled

_BETA_RETURNS_MIN = 20


def held_weights(sector: str, context: PlanContext) -> tuple[Mapping[str, Decimal], tuple[Note, ...]]:
    """Weight of each token that a book of this size holds in a sector, and a note for each that dropped out."""
    most = most_tokens(sector, context.snapshot, context.sectors, context.policy, context.portfolio.book)
    return read_weights(sector, context.snapshot, context.sectors, most)


def divide_purchase(
    sector: str, budget: Decimal, campaign: Campaign, condition: Condition, context: PlanContext
) -> tuple[Mapping[str, Decimal], tuple[Note, ...]]:
    """Quote value to buy by token, in the order in which it is bought; the values add up to the budget.

    Tokens below their weight are caught up. A rotation into the risk-off sector buys what is established instead: by
    weight, the most traded first, and nothing that counts in the sector it sells while there is another token. In a
    breakout what the risk-on sector buys is tilted to higher beta, within the cap of each token.
    """
    weights, notes = held_weights(sector, context)
    is_rotation = campaign.stance_from is not campaign.stance_to
    parts = dict.fromkeys(weights, ZERO)
    spot = {context.sectors.spot(token): token for token in weights}
    for holding in context.portfolio.holdings:
        if holding.sector == sector and holding.symbol in spot:
            parts[spot[holding.symbol]] += holding.value
    after = sum(parts.values(), ZERO) + budget
    order = tuple(weights)
    if sector == context.policy.allocation.risk_off:
        order = liquid_first(order, context.snapshot, context.sectors, context.policy)
    wishes = {token: max(ZERO, weights[token] * after - parts[token]) for token in order}
    cap = context.sectors.sectors[sector].weight_max * after
    if (
        sector == context.policy.allocation.risk_on
        and condition is Condition.BREAKOUT
        and context.policy.rotation.breakout_by_beta
    ):
        slopes = betas(order, context)
        tilted = {token: wish * slopes.get(token, ONE) for token, wish in wishes.items()}
        tilted = _within(tilted, {token: max(ZERO, cap - parts[token]) for token in order}, budget)
        wishes = tilted if sum(tilted.values(), ZERO) > 0 else wishes
    if is_rotation and campaign.stance_to is Stance.INTO_INFRA and sector == context.policy.allocation.risk_off:
        pure = [
            token for token in order if not context.sectors.membership(token, context.policy.allocation.risk_on)
        ] or order
        room = {token: max(ZERO, cap - parts[token]) for token in pure}
        established = _within({token: weights[token] for token in pure}, room, budget)
        wishes = established if sum(established.values(), ZERO) > 0 else wishes
    return scaled(wishes, budget), notes


def _within(weights: Mapping[str, Decimal], room: Mapping[str, Decimal], budget: Decimal) -> dict[str, Decimal]:
    """The budget by weight, none above its room, what does not fit spread over the rest."""
    result = dict.fromkeys(weights, ZERO)
    left, open_tokens = budget, {token for token in weights if room[token] > 0}
    for _ in weights:
        whole = sum((weights[token] for token in weights if token in open_tokens), ZERO)
        if left <= 0 or whole <= 0:
            break
        shares = {token: left * weights[token] / whole for token in weights if token in open_tokens}
        for token, wish in shares.items():
            taken = min(wish, room[token] - result[token])
            result[token] += taken
            left -= taken
            if taken < wish:
                open_tokens.discard(token)
    return result


def betas(tokens: Iterable[str], context: PlanContext) -> Mapping[str, Decimal]:
    """Beta of each token to the market over `beta_days`, bounded; a token without one is left out."""
    policy, result = context.policy, {}
    market = context.snapshot.candles.get(policy.signals.market_symbol)
    for token in tokens:
        series = context.snapshot.candles.get(context.sectors.spot(token))
        slope = (
            None
            if series is None or market is None
            else _slope(series, market, policy.candles_in(policy.constants.beta_days))
        )
        if slope is not None and math.isfinite(slope):
            result[token] = clamp(Decimal(f"{slope:.6f}"), policy.constants.beta_min, policy.constants.beta_max)
    return result


def _slope(series: CandleSeries, market: CandleSeries, count: int) -> float | None:
    levels = dict(zip(market.starts_ms, market.closes, strict=True))
    pairs = [(c, levels[at]) for at, c in zip(series.starts_ms, series.closes, strict=True) if at in levels]
    pairs = [pair for pair in pairs[-count - 1 :] if min(pair) > 0]
    if len(pairs) <= _BETA_RETURNS_MIN:
        return None
    moves = [(math.log(after[0] / before[0]), math.log(after[1] / before[1])) for before, after in pairwise(pairs)]
    return indicators.beta([move for move, _ in moves], [move for _, move in moves])


def can_trade(campaign: Campaign, memory: Memory, context: PlanContext) -> bool:
    """Whether anything of a campaign reaches the venue's minimums: a sale, a purchase, a perp to be closed, or margin
    that a rotation moves. One that cannot would leave everything as it is and begin again in the next cycle."""
    is_rotation = campaign.stance_from is not campaign.stance_to
    if is_rotation and (memory.exits or memory.hedges or _moves_margin(campaign, context)):
        return True
    sold = ZERO
    for symbol, size_to in _final_sizes(campaign).items():
        size, price = context.held(symbol) - size_to, context.price(symbol)
        if price is not None and _is_tradable(symbol, size, price, context):
            sold += size * price
    if sold > 0:
        return True
    money = (
        context.portfolio.account.cash_free
        - context.policy.allocation.reserve_quote
        - campaign.target.get("cash", ZERO)
        - context.portfolio.kept_for_margin
    )
    for sector, label in context.portfolio.labels.items():
        money += max(ZERO, label - campaign.target.get(f"{sector}.futures", ZERO))
    for sector in context.sectors.sectors:
        lack = campaign.target.get(f"{sector}.spot", ZERO) - campaign.baseline.get(f"{sector}.spot", ZERO)
        budget = min(money, lack)
        if budget <= 0:
            continue
        values, _ = divide_purchase(sector, budget, campaign, memory.regime.condition, context)
        for token, value in values.items():
            symbol = context.sectors.spot(token)
            price, instrument = context.price(symbol), context.instrument(symbol)
            if price and instrument and _is_tradable(symbol, instrument.size_for(value, price), price, context):
                return True
    return False


def _moves_margin(campaign: Campaign, context: PlanContext) -> bool:
    least = max(context.policy.constants.transfer_min_quote, campaign.book / 1000)
    gaps = (campaign.target.get(f"{s}.futures", ZERO) - label for s, label in context.portfolio.labels.items())
    return any(abs(gap) >= least for gap in gaps)


def _final_sizes(campaign: Campaign) -> Mapping[str, Decimal]:
    legs = (leg for tranche in campaign.tranches for leg in tranche.legs if leg.purpose is Purpose.REDUCE)
    sizes: dict[str, Decimal] = {}
    for leg in legs:
        sizes[leg.symbol] = min(leg.size_to, sizes.get(leg.symbol, leg.size_to))
    return sizes


def _is_tradable(symbol: str, size: Decimal, price: Decimal, context: PlanContext) -> bool:
    instrument = context.instrument(symbol)
    if instrument is None or size <= 0:
        return False
    return instrument.is_tradable(instrument.floor_size(size), price, reduce_only=False)
